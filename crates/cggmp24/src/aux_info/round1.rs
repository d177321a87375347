//! Round 1: make the parameters and commit to them.

use consign_rounds::{PartyIndex, SessionId};
use consign_zk::curve::Curve;
use consign_zk::transcript::{Purpose, Transcript};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::moduli::Own;
use super::{AuxError, Primes, Public, round3};
use crate::joint::random_part;

/// Kept until the modulus is proven: the factors and the opening.
pub struct Round1 {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) own: Own,
    pub(super) opening: round3::Broadcast,
}

/// `V_i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// Hash of the opening.
    pub commitment: [u8; 32],
}

pub(super) fn speak<C: Curve>(
    public: &Public,
    session: SessionId,
    me: PartyIndex,
    primes: Primes,
    rng: &mut impl CryptoRng,
) -> Result<(Round1, Broadcast), AuxError> {
    let (own, moduli) = public.scene(&session).make::<C>(me, primes, rng)?;
    let opening = round3::Broadcast { moduli, rid: random_part(rng), nonce: random_part(rng) };
    let commitment = commit(session, me, &opening);
    Ok((Round1 { me, session, own, opening }, Broadcast { commitment }))
}

/// `V_i = H("commit/aux", sid, i, N_i, N^_i, s_i, t_i, proof, rid_i, u_i)`.
pub(super) fn commit(session: SessionId, from: PartyIndex, opening: &round3::Broadcast) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::CommitAux);
    transcript.bytes("sid", &session.0).number("i", from.get().into());
    opening.moduli.absorb(&mut transcript);
    transcript.bytes("rid", &opening.rid).bytes("u", &opening.nonce);
    transcript.hash()
}
