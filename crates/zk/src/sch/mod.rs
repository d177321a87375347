//! Πsch: knowledge of a discrete logarithm (`docs/spec/proofs.md`, 3.1).
//!
//! The first message is committed to before the joint randomness is known, so proving takes two steps:
//! [`Commitment::random`], then [`prove`].

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::context::Context;
use crate::curve::{Curve, Point, Scalar};
use crate::rejection::{Rejection, require};
use crate::transcript::Purpose;

#[cfg(test)]
mod tests;

/// `X = [x]G`, with the first message `A` that was committed to earlier.
#[derive(Clone, Copy, Debug)]
pub struct Statement<C: Curve> {
    /// The point whose logarithm is known.
    pub X: Point<C>,
    /// First message.
    pub A: Point<C>,
}

/// The prover's first step: `A = [tau]G`. Consumed by [`prove`]; zeroised when dropped.
pub struct Commitment<C: Curve> {
    tau: Scalar<C>,
    A: Point<C>,
}

/// The response `z = tau + e x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Proof<C: Curve> {
    /// Response.
    pub z: Scalar<C>,
}

impl<C: Curve> Commitment<C> {
    /// Draws `tau`.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let tau = Scalar::random_nonzero(rng);
        Self { tau, A: Point::mul_generator(&tau) }
    }

    /// The first message.
    pub fn public(&self) -> Point<C> {
        self.A
    }

    /// The first message, to let it keep its encoding.
    pub fn public_mut(&mut self) -> &mut Point<C> {
        &mut self.A
    }
}

impl<C: Curve> Drop for Commitment<C> {
    fn drop(&mut self) {
        self.tau.zeroize();
    }
}

/// Proves knowledge of `x` with `X = [x]G`.
pub fn prove<C: Curve>(context: &Context<'_>, X: Point<C>, x: &Scalar<C>, first: Commitment<C>) -> Proof<C> {
    let e = challenge(context, &Statement { X, A: first.A });
    Proof { z: first.tau + e * *x }
}

/// Verifies: `A` is not the identity and `[z]G = A + [e]X`.
pub fn verify<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<C>,
    proof: &Proof<C>,
) -> Result<(), Rejection> {
    require(!statement.A.is_identity(), Rejection::Domain("A"))?;
    let e = challenge(context, statement);
    let A = Point::sum_public(&[(Point::generator(), proof.z), (statement.X, -e)]);
    require(A == statement.A, Rejection::Equation("schnorr"))
}

fn challenge<C: Curve>(context: &Context<'_>, statement: &Statement<C>) -> Scalar<C> {
    let mut transcript = context.transcript::<C>(Purpose::ProofSch);
    transcript.point("X", &statement.X).point("A", &statement.A);
    transcript.challenge_scalar()
}
