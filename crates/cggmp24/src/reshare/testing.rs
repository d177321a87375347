//! Liars for tests: parties whose openings differ from what the protocol draws, but fit their commitments.

use consign_rounds::{PartyIndex, SessionId, Speech};
use consign_zk::curve::{Curve, Scalar};
use rand_core::CryptoRng;

use super::{Broadcast, Public, Reshare, ReshareError, confirmation, round1, round3, say};
use crate::key::{KeyInfo, KeyShare};

/// Starts a resharing with openings altered by `lie`, and commits to that.
pub fn start_lying<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    me: PartyIndex,
    share: Option<&KeyShare<C>>,
    rng: &mut impl CryptoRng,
    lie: impl FnOnce(&mut round3::Broadcast<C>),
) -> Result<(Reshare<C>, Speech<Reshare<C>>), ReshareError> {
    let mut state = round1::draw(public, session, me, share, rng)?;
    lie(&mut state.opening);
    let speech = say(public, me, Broadcast::Round1(round1::commit(&state)));
    Ok((Reshare::Round1(Box::new(state)), speech))
}

/// The secret `y'_{me,dealer}` of a receiver in round 1; `None` later.
pub fn mask_key<C: Curve>(state: &Reshare<C>, dealer: PartyIndex) -> Option<Scalar<C>> {
    let Reshare::Round1(state) = state else { return None };
    state.receiving.as_ref()?.mask_keys.get(&dealer).map(|key| *key.expose())
}

/// What confirms this result.
pub fn done<C: Curve>(info: &KeyInfo<C>, aux_id: &[u8; 32]) -> [u8; 32] {
    confirmation::done(info, aux_id)
}
