//! Liars for tests: parties whose opening differs from what the protocol draws, but fits their commitment.

use consign_rounds::{PartyIndex, SessionId, Speech};
use consign_zk::curve::{Curve, Point, Scalar};
use rand_core::CryptoRng;

use super::round3;
use super::{Broadcast, Keygen, Public, round1, say};
use crate::sharing;

/// Starts key generation with an opening altered by `lie`, and commits to that.
pub fn start_lying<C: Curve>(
    public: &Public,
    session: SessionId,
    me: PartyIndex,
    rng: &mut impl CryptoRng,
    lie: impl FnOnce(&mut round3::Broadcast<C>),
) -> (Keygen<C>, Speech<Keygen<C>>) {
    let (mut state, _) = round1::speak(public, session, me, rng);
    lie(&mut state.opening);
    let commitment = round1::commit(session, me, &state.opening);
    let speech = say(public, me, Broadcast::Round1(round1::Broadcast { commitment }));
    (Keygen::Round1(state), speech)
}

/// The secret `y_{me,peer}` of a party in round 1; `None` later.
pub fn mask_key<C: Curve>(state: &Keygen<C>, peer: PartyIndex) -> Option<Scalar<C>> {
    let Keygen::Round1(state) = state else { return None };
    state.mask_keys.get(&peer).map(|key| *key.expose())
}

/// `rho_{from->to}` for a shared point.
pub fn mask<C: Curve>(
    session: SessionId,
    rid: &[u8; 32],
    from: PartyIndex,
    to: PartyIndex,
    shared: &Point<C>,
) -> Scalar<C> {
    sharing::mask(session, rid, from, to, shared)
}
