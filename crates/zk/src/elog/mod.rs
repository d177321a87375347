//! Πelog: the value inside an ElGamal commitment is the logarithm of `Y` to the base `h` (`docs/spec/proofs.md`, 3.6).

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::context::Context;
use crate::curve::{Curve, Point, Scalar};
use crate::elgamal;
use crate::rejection::{Rejection, require};
use crate::transcript::Purpose;

#[cfg(test)]
mod tests;

/// `L = [lambda]G`, `M = [y]G + [lambda]X`, `Y = [y]h`.
#[derive(Clone, Copy, Debug)]
pub struct Statement<C: Curve> {
    /// The commitment `(L, M)`.
    pub commitment: elgamal::Commitment<C>,
    /// The ElGamal key `X`.
    pub X: Point<C>,
    /// The power `Y`.
    pub Y: Point<C>,
    /// The base `h`.
    pub h: Point<C>,
}

/// What the prover knows.
pub struct Witness<'a, C: Curve> {
    /// The committed value.
    pub y: &'a Scalar<C>,
    /// Randomness of the commitment.
    pub lambda: &'a Scalar<C>,
}

/// First messages and responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Proof<C: Curve> {
    /// `[alpha]G`.
    pub A: Point<C>,
    /// `[m]G + [alpha]X`.
    pub N: Point<C>,
    /// `[m]h`.
    pub B: Point<C>,
    /// `alpha + e lambda`.
    pub z: Scalar<C>,
    /// `m + e y`.
    pub u: Scalar<C>,
}

/// Everything the prover draws. Consumed by [`prove`]; zeroised when dropped.
pub struct Masks<C: Curve> {
    // On the heap, so that moving the masks leaves no copies behind.
    scalars: Box<[Scalar<C>; 2]>,
}

impl<C: Curve> Masks<C> {
    /// Draws them.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { scalars: Box::new([Scalar::random(rng), Scalar::random(rng)]) }
    }
}

impl<C: Curve> Drop for Masks<C> {
    fn drop(&mut self) {
        self.scalars.zeroize();
    }
}

/// Proves the statement. Masks are spent: two challenges to the same would give the witness away.
pub fn prove<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<C>,
    witness: &Witness<'_, C>,
    masks: Masks<C>,
) -> Proof<C> {
    let [alpha, m] = &*masks.scalars;
    let A = Point::mul_generator(alpha);
    let N = Point::mul_generator(m) + statement.X * *alpha;
    let B = statement.h * *m;
    let e = challenge(context, statement, [&A, &N, &B]);
    Proof { A, N, B, z: *alpha + e * *witness.lambda, u: *m + e * *witness.y }
}

/// Verifies: no point is the identity (with `h = O` any `y` would pass), then the three equations.
pub fn verify<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<C>,
    proof: &Proof<C>,
) -> Result<(), Rejection> {
    let elgamal::Commitment { randomness: L, value: M } = statement.commitment;
    let Statement { X, Y, h, .. } = statement;
    let Proof { A, N, B, .. } = proof;
    let points = [("h", h), ("L", &L), ("M", &M), ("X", X), ("Y", Y), ("A", A), ("N", N), ("B", B)];
    for (name, point) in points {
        require(!point.is_identity(), Rejection::Domain(name))?;
    }
    let e = challenge(context, statement, [A, N, B]);
    require(Point::mul_generator(&proof.z) == proof.A + L * e, Rejection::Equation("L"))?;
    require(
        Point::mul_generator(&proof.u) + statement.X * proof.z == proof.N + M * e,
        Rejection::Equation("M"),
    )?;
    require(statement.h * proof.u == proof.B + statement.Y * e, Rejection::Equation("Y"))
}

fn challenge<C: Curve>(context: &Context<'_>, statement: &Statement<C>, first: [&Point<C>; 3]) -> Scalar<C> {
    let [A, N, B] = first;
    let mut transcript = context.transcript::<C>(Purpose::ProofElog);
    transcript
        .point("L", &statement.commitment.randomness)
        .point("M", &statement.commitment.value)
        .point("X", &statement.X)
        .point("Y", &statement.Y)
        .point("h", &statement.h)
        .point("A", A)
        .point("N", N)
        .point("B", B);
    transcript.challenge_scalar()
}
