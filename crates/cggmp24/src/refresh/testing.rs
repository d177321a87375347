//! Liars for tests: parties whose opening differs from what the protocol draws, but fits their commitment.

use consign_rounds::{PartyIndex, SessionId, Speech};
use consign_zk::curve::{Curve, Scalar};
use rand_core::CryptoRng;

use super::{Broadcast, Primes, Public, Refresh, RefreshError, round1, round3, say};
use crate::key::KeyShare;

/// Starts a refresh with an opening altered by `lie`, and commits to that.
pub fn start_lying<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    share: &KeyShare<C>,
    primes: Option<Primes>,
    rng: &mut impl CryptoRng,
    lie: impl FnOnce(&mut round3::Broadcast<C>),
) -> Result<(Refresh<C>, Speech<Refresh<C>>), RefreshError> {
    let mut state = round1::draw(public, session, share, primes, rng)?;
    lie(&mut state.opening);
    let speech = say(public, state.me, Broadcast::Round1(round1::commit(&state)));
    Ok((Refresh::Round1(Box::new(state)), speech))
}

/// The secret `y_{me,peer}` of a party in round 1; `None` later.
pub fn mask_key<C: Curve>(state: &Refresh<C>, peer: PartyIndex) -> Option<Scalar<C>> {
    let Refresh::Round1(state) = state else { return None };
    state.mask_keys.get(&peer).map(|key| *key.expose())
}
