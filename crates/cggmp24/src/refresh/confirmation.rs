//! Round 6: store the pending share, then confirm the new epoch (`docs/spec/auxinfo-refresh.md`, 5.3 and 5.7).
//!
//! The confirmations of all holders certify themselves: whoever knows the old epoch needs nothing else to believe in
//! the new one ([`is_complete`]).

use consign_rounds::{Identities, PartyIndex, PerParty, Protocol, PublicPart, SessionId, Step};
use consign_zk::curve::Curve;
use consign_zk::transcript::Purpose;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::round5::Round5;
use super::{Failure, Fault, Pending, Public, Record, Refresh, View, say};
use crate::aux_info::{Aux, AuxPublic, owners_of_shared_factors};
use crate::confirmations::{Place, are_of_all};
use crate::epoch;
use crate::key::{KeyInfo, KeyShare};
use crate::sizes;

/// Hash of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// `H("refresh-done", sid, key_id, e', t, n, X, cc, (X_l*)_l, aux_id, rid)`.
    pub done: [u8; 32],
}

pub(super) fn speak<C: Curve>(state: Round5<C>, public: &Public<C>, view: &View<C>) -> Step<Refresh<C>> {
    let Round5 { me, session, share, primes } = state;
    let Implied { info, aux, aux_id, done, .. } = view.implied(public, session);
    let aux = aux
        .clone()
        .zip(primes)
        .map(|(aux, primes)| Aux::new(aux, primes).expect("invariant: own primes were tested in round 1"));
    // That X is unchanged is one of the checks of a new share.
    let Ok(share) = KeyShare::new(info.clone(), me, *share.expose()) else {
        return Step::Abort(Failure::Degenerate);
    };
    let pending = Pending::new(public.base().epoch, *aux_id, share, aux)
        .expect("invariant: the new epoch is larger, and all parts are of this session");
    let mut speech = say(public, me, super::Broadcast::Round6(Broadcast { done: *done }));
    speech.durable = Some(Record::Pending(pending.encode()));
    Step::Speak(Refresh::Round6(Box::new(pending)), speech)
}

pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    broadcast: &Broadcast,
) -> Result<(), Fault> {
    let expected = &view.implied(public, session).done;
    if bool::from(broadcast.done.ct_eq(expected)) { Ok(()) } else { Err(Fault::Confirmation) }
}

/// What the openings imply.
pub(super) struct Implied<C: Curve> {
    pub(super) info: KeyInfo<C>,
    /// The new moduli, if they are renewed.
    pub(super) aux: Option<AuxPublic>,
    /// Those whose new moduli share a factor.
    pub(super) owners: Vec<PartyIndex>,
    /// The moduli of the new epoch.
    pub(super) aux_id: [u8; 32],
    /// The hash that confirms all of it.
    pub(super) done: [u8; 32],
}

impl<C: Curve> View<C> {
    /// Computed once: it is needed for every sender of two rounds.
    pub(super) fn implied(&self, public: &Public<C>, session: SessionId) -> &Implied<C> {
        self.implied.get_or_init(|| {
            let (info, aux) = (result(public, self, session), renewed(public, self, session));
            let aux_id = aux_id(public, aux.as_ref());
            let owners = owners_of_shared_factors(self.offers());
            Implied { done: done(&info, &aux_id), info, aux, owners, aux_id }
        })
    }
}

/// Whether `confirmations` are those of all holders of `base` to the refreshed epoch `info` with `aux_id`: then it
/// replaces `base`, at everybody. `identities` are the keys of the holders, under their indices.
pub fn is_complete<C: Curve>(
    base: &KeyInfo<C>,
    info: &KeyInfo<C>,
    aux_id: &[u8; 32],
    confirmations: &PerParty<PublicPart>,
    identities: &impl Identities,
) -> bool {
    let place = Place { session: info.session, round: Refresh::<C>::ROUNDS, max_bytes: sizes::HASH };
    let expected = done(info, aux_id);
    let says = |_, said: super::Broadcast<C>| matches!(said, super::Broadcast::Round6(said) if said.done == expected);
    // Signatures come before the curve: who is none of the holders makes nobody compute.
    info.continues(base)
        && (info.threshold, &info.parties) == (base.threshold, &base.parties)
        && are_of_all(place, base.parties.indices(), confirmations, identities, says)
        && info.validate().is_ok()
}

/// What the broadcasts imply.
fn result<C: Curve>(public: &Public<C>, view: &View<C>, session: SessionId) -> KeyInfo<C> {
    KeyInfo {
        session,
        epoch: public.epoch(),
        public_shares: view.public_shares(public),
        rid: view.rid(),
        ..public.base().clone()
    }
}

/// The new moduli, if they are renewed.
fn renewed<C: Curve>(public: &Public<C>, view: &View<C>, session: SessionId) -> Option<AuxPublic> {
    let scene = public.scene(&session);
    public.renews().then(|| scene.result(public.parties(), view.rid(), |index| view.moduli(index)))
}

/// The moduli of the new epoch.
fn aux_id<C: Curve>(public: &Public<C>, renewed: Option<&AuxPublic>) -> [u8; 32] {
    renewed.map(|aux| aux.aux_id).or(public.kept_aux().copied()).unwrap_or_default()
}

fn done<C: Curve>(info: &KeyInfo<C>, aux_id: &[u8; 32]) -> [u8; 32] {
    epoch::done(Purpose::RefreshDone, info, aux_id)
}
