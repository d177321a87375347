//! Πprm: the ring-Pedersen base `s` is a power of `t` modulo `N^` (`docs/spec/proofs.md`, 3.2).
//!
//! One bit of challenge per repetition, `m` repetitions: soundness 2^-m. A single large challenge would be unsound in
//! a group with elements of small order, which is why a repetition has no place for one. The proof binds the session
//! and the prover, not the joint randomness: the parameters are part of what round 1 commits to.
//!
//! Read [`crate::ring_pedersen`] first.

use consign_modexp::{BoxedUint, Factors};
use crypto_bigint::{NonZero, Resize};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::curve::Curve;
use crate::integer::{Integer, uniform_at_most};
use crate::level::Level;
use crate::natural::Natural;
use crate::rejection::{Rejection, require};
use crate::relations::verify_one;
use crate::ring_pedersen::RingPedersen;
use crate::transcript::Purpose;
use crate::wire;

#[cfg(test)]
mod tests;

/// `s = t^lambda mod N^`. The domain of `s` and `t` was checked by [`RingPedersen::new`].
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    /// The prover's parameters.
    pub ring: &'a RingPedersen,
}

/// What the prover knows.
pub struct Witness<'a> {
    /// The factors of `N^`.
    pub factors: &'a Factors,
    /// The exponent, below `phi(N^)`.
    pub lambda: &'a BoxedUint,
}

/// The repetitions, as many as the level says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// First messages with their responses.
    #[serde(deserialize_with = "wire::list")]
    pub repetitions: Vec<Repetition>,
}

/// One repetition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repetition {
    /// `t^a`.
    pub A: Natural,
    /// `a + e lambda mod phi(N^)`, for a bit `e`.
    pub z: Natural,
}

/// Proves the statement.
///
/// # Panics
/// If the witness does not fit the statement, or the machine computes wrongly: the equations are verified before it leaves,
/// since one wrong half of a recombined value would reveal a factor of `N^`.
pub fn prove<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    witness: &Witness<'_>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Proof {
    let masks = masks(context.level, witness.factors, rng);
    let proof = answer::<C>(context, statement, witness, &masks);
    assert!(
        holds::<C>(context, statement, witness.factors, &proof),
        "invariant: an own proof holds before it is sent"
    );
    proof
}

/// What others will ask of an own proof, its equations by the factors: as many repetitions as the level says, `z` below
/// `phi(N^)`, and `t^z = A s^e` for each.
fn holds<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    factors: &Factors,
    proof: &Proof,
) -> bool {
    let ring = statement.ring;
    let challenge =
        challenge::<C>(context, statement, proof.repetitions.iter().map(|repetition| &repetition.A));
    let right = proof.repetitions.iter().zip(challenge).map(|(repetition, e)| {
        let A = ring.modulus().reduce(repetition.A.value());
        if e { ring.modulus().mul(&A, ring.s()) } else { A }
    });
    let right: Vec<_> = right.collect();
    let exponents: Vec<_> = proof.repetitions.iter().map(|repetition| repetition.z.value()).collect();
    exponents.len() == context.level.parameters().repetitions
        && exponents.iter().all(|z| z.cmp_vartime(factors.phi()).is_lt())
        && factors.are_powers_of(ring.t(), &exponents, &right.iter().collect::<Vec<_>>())
}

/// An exponent `a` below `phi(N^)` per repetition.
fn masks(level: Level, factors: &Factors, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Zeroizing<BoxedUint>> {
    let largest = Zeroizing::new(factors.phi().wrapping_sub(BoxedUint::one()));
    let count = level.parameters().repetitions;
    // Rejection compares with phi, whose upper half is that of N^: what the comparison could tell is public.
    (0..count).map(|_| Zeroizing::new(uniform_at_most(&largest, rng))).collect()
}

/// First messages and responses for given masks.
fn answer<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    witness: &Witness<'_>,
    masks: &[Zeroizing<BoxedUint>],
) -> Proof {
    let phi = NonZero::new(witness.factors.phi().clone()).into_option().expect("invariant: phi is not zero");
    let phi = Zeroizing::new(phi);
    let t = statement.ring.t();
    // Faults are found when the equations are verified.
    let first = witness.factors.powers_unpublished(&masks.iter().map(|a| (t, &**a)).collect::<Vec<_>>());
    let first: Vec<_> = first.iter().map(Natural::new).collect();
    let challenge = challenge::<C>(context, statement, first.iter());
    let lambda = Zeroizing::new(witness.lambda.resize_unchecked(phi.bits_precision()));
    let respond = |(a, e): (&Zeroizing<BoxedUint>, bool)| {
        Natural::new(&if e { a.add_mod(&lambda, &phi) } else { BoxedUint::clone(a) })
    };
    let responses = masks.iter().zip(challenge).map(respond);
    let repetitions = first.into_iter().zip(responses).map(|(A, z)| Repetition { A, z }).collect();
    Proof { repetitions }
}

/// Verifies: exactly `m` repetitions, `z` below `N^`, every `A` a unit, and `t^z = A s^e` for each.
pub fn verify<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    proof: &Proof,
) -> Result<(), Rejection> {
    let parameters = context.level.parameters();
    let modulus = statement.ring.modulus();
    require(proof.repetitions.len() == parameters.repetitions, Rejection::Length("repetitions"))?;
    require(modulus.bits() == parameters.modulus_bits, Rejection::Domain("N^"))?;
    let bounded = proof.repetitions.iter().all(|repetition| modulus.contains(repetition.z.value()));
    require(bounded, Rejection::Bound("z"))?;
    let first = Natural::units(proof.repetitions.iter().map(|repetition| &repetition.A), modulus);
    let first = first.ok_or(Rejection::Unit("A"))?;
    let challenge =
        challenge::<C>(context, statement, proof.repetitions.iter().map(|repetition| &repetition.A));
    verify_one(|relations| {
        for ((repetition, A), &e) in proof.repetitions.iter().zip(&first).zip(&challenge) {
            let z = Integer::from_natural(repetition.z.value());
            let right = if e { vec![A, statement.ring.s()] } else { vec![A] };
            relations.add_power_of_t("power of t", statement.ring, &z, &right);
        }
        Ok(())
    })
}

fn challenge<'a, C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    first: impl ExactSizeIterator<Item = &'a Natural>,
) -> Vec<bool> {
    let mut transcript = context.transcript::<C>(Purpose::ProofPrm);
    transcript
        .natural("N^", statement.ring.modulus().value())
        .natural("s", statement.ring.s())
        .natural("t", statement.ring.t())
        .naturals("A", first);
    transcript.challenge_bits(context.level.parameters().repetitions)
}
