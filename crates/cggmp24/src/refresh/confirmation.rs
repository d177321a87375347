//! Round 6: store the pending share, then confirm the new epoch (`docs/spec/auxinfo-refresh.md`, 5.3 and 5.7).
//!
//! The confirmations of all holders certify themselves: whoever knows the old epoch needs nothing else to believe in
//! the new one ([`is_complete`]).

use consign_rounds::{Identities, PerParty, Protocol, PublicPart, SessionId, Step};
use consign_zk::curve::Curve;
use consign_zk::transcript::Purpose;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::round5::Round5;
use super::{Failure, Fault, Pending, Public, Record, Refresh, View, say};
use crate::aux_info::{Aux, AuxPublic};
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
    let info = result(public, view, session);
    let aux_public = renewed(public, view, session);
    let aux_id = aux_id(public, aux_public.as_ref());
    let done = done(&info, &aux_id);
    let aux = aux_public
        .zip(primes)
        .map(|(aux, primes)| Aux::new(aux, primes).expect("invariant: own primes were tested in round 1"));
    // That X is unchanged is one of the checks of a new share.
    let Ok(share) = KeyShare::new(info, me, *share.expose()) else {
        return Step::Abort(Failure::Degenerate);
    };
    let pending = Pending::new(public.base().epoch, aux_id, share, aux)
        .expect("invariant: the new epoch is larger, and all parts are of this session");
    let mut speech = say(public, me, super::Broadcast::Round6(Broadcast { done }));
    speech.durable = Some(Record::Pending(pending.encode()));
    Step::Speak(Refresh::Round6(Box::new(pending)), speech)
}

pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    broadcast: &Broadcast,
) -> Result<(), Fault> {
    let aux_id = aux_id(public, renewed(public, view, session).as_ref());
    let expected = done(&result(public, view, session), &aux_id);
    if bool::from(broadcast.done.ct_eq(&expected)) { Ok(()) } else { Err(Fault::Confirmation) }
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
    info.continues(base)
        && (info.threshold, &info.parties) == (base.threshold, &base.parties)
        && info.validate().is_ok()
        && are_of_all(place, base.parties.indices(), confirmations, identities, says)
}

/// What the broadcasts imply.
fn result<C: Curve>(public: &Public<C>, view: &View<C>, session: SessionId) -> KeyInfo<C> {
    KeyInfo {
        session,
        epoch: public.epoch(),
        public_shares: public.parties().indices().map(|l| view.public_share(public, l)).collect(),
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
