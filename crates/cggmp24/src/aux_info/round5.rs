//! Round 5: store and confirm the result, unless two parties' moduli share a factor.
//!
//! By now everybody has proven its modulus, so a shared factor is known to both owners and both are at fault. The
//! others are named by this round's check; nobody stores anything.

use std::marker::PhantomData;

use consign_rounds::{Identities, PartyIndex, PerParty, Protocol, PublicPart, SessionId, Step};
use consign_zk::curve::Curve;
use consign_zk::transcript::{Purpose, Transcript};
use serde::{Deserialize, Serialize};

use super::round4::Round4;
use super::{Aux, AuxInfo, AuxPublic, Fault, Public, View, owners_of_shared_factors, say};
use crate::confirmations::{Place, are_of_all};
use crate::parties::Parties;
use crate::sizes;

/// Hash of the result; absent if moduli share a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// `H("aux-done", sid, aux_id)`.
    pub done: Option<[u8; 32]>,
}

pub(super) fn speak<C: Curve>(state: Round4, public: &Public, view: &View) -> Step<AuxInfo<C>> {
    let Round4 { me, session, primes } = state;
    let implied = view.implied(public, session);
    if !implied.owners.is_empty() {
        let speech = say(public, me, super::Broadcast::Round5(Broadcast { done: None }));
        return Step::Speak(AuxInfo::Round5(None, PhantomData), speech);
    }
    let done = Some(implied.done);
    let aux = Aux::new(implied.result.clone(), primes).expect("invariant: own primes were tested in round 1");
    let mut speech = say(public, me, super::Broadcast::Round5(Broadcast { done }));
    speech.durable = Some(aux.encode());
    Step::Speak(AuxInfo::Round5(Some(Box::new(aux)), PhantomData), speech)
}

pub(super) fn check(
    public: &Public,
    view: &View,
    session: SessionId,
    from: PartyIndex,
    broadcast: &Broadcast,
) -> Result<(), Fault> {
    let Implied { owners, done, .. } = view.implied(public, session);
    if owners.contains(&from) {
        return Err(Fault::SharedFactor);
    }
    let expected = owners.is_empty().then_some(*done);
    if broadcast.done == expected { Ok(()) } else { Err(Fault::Confirmation) }
}

/// What the openings imply.
pub(super) struct Implied {
    /// Those whose moduli share a factor.
    owners: Vec<PartyIndex>,
    result: AuxPublic,
    /// The hash that confirms the result.
    done: [u8; 32],
}

impl View {
    /// Computed once: it is needed for every sender.
    fn implied(&self, public: &Public, session: SessionId) -> &Implied {
        self.implied.get_or_init(|| {
            let result = result(public, self, session);
            Implied { owners: owners_of_shared_factors(self.offers()), done: done(&result), result }
        })
    }
}

/// Whether `confirmations` are those of all `parties` of the session that made `aux`: then everyone may use it.
pub fn is_complete<C: Curve>(
    aux: &AuxPublic,
    parties: &Parties,
    confirmations: &PerParty<PublicPart>,
    identities: &impl Identities,
) -> bool {
    let place = Place { session: aux.session, round: AuxInfo::<C>::ROUNDS, max_bytes: sizes::HASH };
    let expected = Some(done(aux));
    let says = |_, said| matches!(said, super::Broadcast::Round5(said) if said.done == expected);
    aux.is_genuine()
        && parties.iter().map(|(_, identity)| identity).eq(aux.parties.iter().map(|party| &party.identity))
        && are_of_all(place, parties.indices(), confirmations, identities, says)
}

/// What the broadcasts imply.
fn result(public: &Public, view: &View, session: SessionId) -> AuxPublic {
    public.scene(&session).result(&public.parties, view.rid(), |index| view.moduli(index))
}

fn done(result: &AuxPublic) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::AuxDone);
    transcript.bytes("sid", &result.session.0).bytes("aux_id", &result.aux_id);
    transcript.hash()
}
