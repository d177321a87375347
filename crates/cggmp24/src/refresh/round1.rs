//! Round 1: draw a polynomial with `f(0) = 0` and everything else, commit to it.

use consign_rounds::{PartyIndex, SessionId};
use consign_zk::curve::{Curve, Scalar};
use consign_zk::feldman::{Commitments, Polynomial};
use consign_zk::sch;
use consign_zk::secret::Secret;
use consign_zk::transcript::{Purpose, Transcript};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{Primes, Public, RefreshError, round3};
use crate::aux_info::moduli::Own;
use crate::joint::random_part;
use crate::key::KeyShare;
use crate::sharing::{MaskKeys, draw_mask_keys, public_mask_keys};

/// Kept until shares are sent.
pub struct Round1<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) old: Secret<Scalar<C>>,
    pub(super) polynomial: Polynomial<C>,
    pub(super) mask_keys: MaskKeys<C>,
    pub(super) proof: sch::Commitment<C>,
    pub(super) own: Option<Own>,
    pub(super) opening: round3::Broadcast<C>,
}

/// `V_i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// Hash of the opening.
    pub commitment: [u8; 32],
}

pub(super) fn draw<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    share: &KeyShare<C>,
    primes: Option<Primes>,
    rng: &mut impl CryptoRng,
) -> Result<Round1<C>, RefreshError> {
    if share.info() != public.base() {
        return Err(RefreshError::OtherKey);
    }
    if primes.is_some() != public.renews() {
        return Err(RefreshError::Primes);
    }
    let me = share.index();
    let made = primes.map(|primes| public.scene(&session).make::<C>(me, primes, rng));
    let (own, moduli) = made.transpose().map_err(RefreshError::BadPrimes)?.unzip();
    let polynomial = Polynomial::with_constant(Scalar::zero(), public.base().threshold, rng);
    let mask_keys = draw_mask_keys(public.parties().others(me), rng);
    let proof = sch::Commitment::random(rng);
    let opening = round3::Broadcast {
        rid: random_part(rng),
        // The constant is the identity, which has no encoding: it is left out.
        coefficients: Commitments(polynomial.commit().0.split_off(1)),
        first_message: proof.public(),
        mask_keys: public_mask_keys(&mask_keys),
        moduli: moduli.map(Box::new),
        nonce: random_part(rng),
    };
    let old = Secret::new(*share.secret().expose());
    Ok(Round1 { me, session, old, polynomial, mask_keys, proof, own, opening })
}

pub(super) fn commit<C: Curve>(state: &Round1<C>) -> Broadcast {
    Broadcast { commitment: hash(state.session, state.me, &state.opening) }
}

/// `V_i = H("commit/refresh", sid, i, rid_i, (C_ik)_{k>0}, A_i, (Y_ij)_j, moduli, u_i)`.
pub(super) fn hash<C: Curve>(
    session: SessionId,
    from: PartyIndex,
    opening: &round3::Broadcast<C>,
) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::CommitRefresh);
    transcript
        .bytes("sid", &session.0)
        .number("i", from.get().into())
        .bytes("rid", &opening.rid)
        .points("C", opening.coefficients.0.iter())
        .point("A", &opening.first_message)
        .points("Y", opening.mask_keys.iter())
        .count("moduli", opening.moduli.iter().count());
    if let Some(moduli) = &opening.moduli {
        moduli.absorb(&mut transcript);
    }
    transcript.bytes("u", &opening.nonce);
    transcript.hash()
}
