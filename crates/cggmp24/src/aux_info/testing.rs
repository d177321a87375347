//! Liars for tests: parties whose opening differs from what the protocol computes, but fits their commitment.

use consign_rounds::{PartyIndex, SessionId, Speech};
use consign_zk::curve::Curve;
use rand_core::CryptoRng;

use super::{AuxError, AuxInfo, Broadcast, Primes, Public, round1, round3, say};

/// Starts with an opening altered by `lie`, and commits to that.
pub fn start_lying<C: Curve>(
    public: &Public,
    session: SessionId,
    me: PartyIndex,
    primes: Primes,
    rng: &mut impl CryptoRng,
    lie: impl FnOnce(&mut round3::Broadcast),
) -> Result<(AuxInfo<C>, Speech<AuxInfo<C>>), AuxError> {
    let (mut state, _) = round1::speak::<C>(public, session, me, primes, rng)?;
    lie(&mut state.opening);
    let commitment = round1::commit(session, me, &state.opening);
    let speech = say(public, me, Broadcast::Round1(round1::Broadcast { commitment }));
    Ok((AuxInfo::Round1(state), speech))
}
