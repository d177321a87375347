//! Round 5: store and confirm the result, unless two parties' moduli share a factor.
//!
//! By now everybody has proven its modulus, so a shared factor is known to both owners and both are at fault. The
//! others are named by this round's check; nobody stores anything.

use std::marker::PhantomData;

use consign_modexp::Modulus;
use consign_rounds::{Identities, PartyIndex, PerParty, Protocol, PublicPart, SessionId, Step, decode};
use consign_zk::curve::Curve;
use consign_zk::transcript::{Purpose, Transcript};
use serde::{Deserialize, Serialize};

use super::round4::Round4;
use super::{Aux, AuxInfo, AuxParty, AuxPublic, Fault, Public, View, say};
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
    if !owners_of_shared_factors(view).is_empty() {
        let speech = say(public, me, super::Broadcast::Round5(Broadcast { done: None }));
        return Step::Speak(AuxInfo::Round5(None, PhantomData), speech);
    }
    let result = result(public, view, session);
    let done = Some(done(&result));
    let aux = Aux::new(result, primes).expect("invariant: own primes were tested in round 1");
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
    let owners = owners_of_shared_factors(view);
    if owners.contains(&from) {
        return Err(Fault::SharedFactor);
    }
    let expected = owners.is_empty().then(|| done(&result(public, view, session)));
    if broadcast.done == expected { Ok(()) } else { Err(Fault::Confirmation) }
}

/// Whether `confirmations` are those of all `parties` of the session that made `aux`: then everyone may use it.
pub fn is_complete<C: Curve>(
    aux: &AuxPublic,
    parties: &Parties,
    confirmations: &PerParty<PublicPart>,
    identities: &impl Identities,
) -> bool {
    let expected = done(aux);
    let confirms = |(from, part): (&PartyIndex, &PublicPart)| {
        let header = &part.signed.header;
        let said = decode::<super::Broadcast>(&part.broadcast, sizes::HASH);
        header.session == aux.session
            && header.round == AuxInfo::<C>::ROUNDS
            && header.from == *from
            && matches!(said, Ok(super::Broadcast::Round5(said)) if said.done == Some(expected))
            && part.is_authentic(identities)
    };
    aux.is_genuine()
        && parties.iter().map(|(_, identity)| identity).eq(aux.parties.iter().map(|party| &party.identity))
        && parties.indices().eq(confirmations.keys().copied())
        && confirmations.iter().all(confirms)
}

/// What the broadcasts imply.
fn result(public: &Public, view: &View, session: SessionId) -> AuxPublic {
    let parties = public.parties.iter().filter_map(|(index, identity)| {
        let opening = view.openings.get(&index)?;
        Some(AuxParty { identity: *identity, n: opening.n.clone(), ring: opening.ring.clone() })
    });
    AuxPublic::new(session, public.level, view.rid(), parties.collect())
}

fn done(result: &AuxPublic) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::AuxDone);
    transcript.bytes("sid", &result.session.0).bytes("aux_id", &result.aux_id);
    transcript.hash()
}

/// Parties one of whose moduli has a common factor with another party's.
fn owners_of_shared_factors(view: &View) -> Vec<PartyIndex> {
    let moduli: Vec<_> = view
        .openings
        .iter()
        .flat_map(|(party, opening)| [(*party, &opening.n), (*party, &opening.ring.modulus)])
        .filter_map(|(party, n)| Some((party, Modulus::new(n.value())?)))
        .collect();
    // A product is a unit exactly if every factor is: one gcd per modulus, however many parties there are.
    let shares = |(party, n): &(PartyIndex, Modulus)| {
        let others = moduli.iter().filter(|(other, _)| other != party);
        let product = others.map(|(_, m)| n.reduce(m.value())).reduce(|product, m| n.mul(&product, &m));
        product.is_some_and(|product| !n.is_unit(&product))
    };
    let mut owners: Vec<_> = moduli.iter().filter(|own| shares(own)).map(|(party, _)| *party).collect();
    owners.dedup();
    owners
}
