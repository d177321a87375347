//! Πmod: `N` is a Paillier-Blum modulus, that is `N = p q` with distinct primes `p = q = 3 mod 4` and
//! `gcd(N, phi(N)) = 1` (`docs/spec/proofs.md`, 3.3).
//!
//! The challenge is a list of units `y`. Who can take an `N`-th root of each has `gcd(N, phi(N)) = 1`; who can take a
//! fourth root of one of `±y`, `±w y` for each has at most two prime factors, both `3 mod 4`. Every check on `w` is
//! needed: with `gcd(w, N) != 1` a product of many primes passes (CVE-2025-66016). Nothing is said about the sizes of
//! the factors; that is for [`crate::fac`].

use consign_modexp::{BoxedUint, Factors, Modulus};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::curve::Curve;
use crate::integer::{Integer, uniform_at_most};
use crate::natural::Natural;
use crate::powers::Powers;
use crate::rejection::{Rejection, require};
use crate::relations::verify_one;
use crate::transcript::Purpose;
use crate::wire;

#[cfg(test)]
mod tests;

/// `N` is a Paillier-Blum modulus of the level's size.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    /// The prover's modulus; odd by its type.
    pub N: &'a Modulus,
}

/// What the prover knows.
pub struct Witness<'a> {
    /// The factors of `N`.
    pub factors: &'a Factors,
}

/// A non-residue and the roots, as many as the level says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// A unit with Jacobi symbol -1.
    pub w: Natural,
    /// The roots for each challenge.
    #[serde(deserialize_with = "wire::list")]
    pub responses: Vec<Response>,
}

/// The answer to one challenge `y`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Fourth root of `(-1)^a w^b y`.
    pub x: Natural,
    /// Whether the sign was changed.
    pub a: bool,
    /// Whether `w` was multiplied in.
    pub b: bool,
    /// `N`-th root of `y`.
    pub z: Natural,
}

/// Residues of a proof whose domain has been checked.
struct Roots {
    w: BoxedUint,
    x: Vec<BoxedUint>,
    z: Vec<BoxedUint>,
}

/// Proves the statement.
///
/// # Panics
/// If the witness does not fit the statement, or the machine computes wrongly: the proof is verified before it leaves,
/// since one wrong half of a recombined root would reveal a factor of `N`.
pub fn prove<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    witness: &Witness<'_>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Proof {
    let proof = answer::<C>(context, statement, witness.factors, non_residue(statement.N, rng));
    // By the factors, which takes a fifth of the time: a wrong half of a root is found as well.
    let own = verify_with::<C>(context, statement, &proof, |y, z| {
        let correct = witness.factors.are_nth_roots(&y.iter().collect::<Vec<_>>(), z);
        require(correct, Rejection::Equation("N-th root"))
    });
    assert!(own.is_ok(), "invariant: an own proof verifies before it is sent");
    proof
}

/// The roots of the challenges that `w`, a unit with Jacobi symbol -1, gives.
fn answer<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    factors: &Factors,
    w: BoxedUint,
) -> Proof {
    let N = statement.N;
    let y = challenge::<C>(context, statement, &Natural::new(&w))
        .expect("invariant: units modulo an own N abound");
    // The Jacobi symbols of w and w^b y are -1 and 1, so one of w^b y and -w^b y is a square modulo p and q.
    let b: Vec<_> = y.iter().map(|y| N.jacobi_public(y) == -1).collect();
    let u: Vec<_> = y.iter().zip(&b).map(|(y, b)| if *b { N.mul(&w, y) } else { y.clone() }).collect();
    let x = fourth_roots(factors, &u);
    // Faults are found when the whole proof is verified.
    let z = factors.nth_roots_unpublished(&y.iter().collect::<Vec<_>>());
    let responses = x
        .iter()
        .zip(&z)
        .zip(u.iter().zip(b))
        .map(|((x, z), (u, b))| {
            let a = N.square(&N.square(x)) != *u;
            Response { x: Natural::new(x), a, b, z: Natural::new(z) }
        })
        .collect();
    Proof { w: Natural::new(&w), responses }
}

/// Verifies: exactly `m` responses; `N` of exact size, `1 mod 4`, composite; `w` a unit with Jacobi symbol -1; every
/// `x` and `z` a unit; `z^N = y` and `x^4 = (-1)^a w^b y` for each challenge.
pub fn verify<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    proof: &Proof,
) -> Result<(), Rejection> {
    verify_with::<C>(context, statement, proof, |y, z| are_roots(statement.N, y, z))
}

/// As [`verify`], with a way to tell whether `z^N = y` for each of two lists of units.
fn verify_with<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    proof: &Proof,
    are_roots: impl Fn(&[BoxedUint], &[BoxedUint]) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    require(proof.responses.len() == context.level.parameters().repetitions, Rejection::Length("responses"))?;
    require(statement.N.bits() == context.level.parameters().modulus_bits, Rejection::Domain("N"))?;
    let low = statement.N.value();
    require(low.bit_vartime(0) && !low.bit_vartime(1), Rejection::Domain("N mod 4"))?;
    require(is_composite(statement.N), Rejection::Domain("composite N"))?;
    let roots = roots(statement.N, proof)?;
    let y = challenge::<C>(context, statement, &proof.w).ok_or(Rejection::Unit("y"))?;
    fourth_powers(statement.N, proof, &roots, &y)?;
    are_roots(&y, &roots.z)
}

/// The residues of a proof, if all are units and `w` has Jacobi symbol -1.
fn roots(N: &Modulus, proof: &Proof) -> Result<Roots, Rejection> {
    let w = proof.w.unit(N).ok_or(Rejection::Unit("w"))?;
    require(N.jacobi_public(&w) == -1, Rejection::Domain("w"))?;
    let x = Natural::units(proof.responses.iter().map(|response| &response.x), N);
    let z = Natural::units(proof.responses.iter().map(|response| &response.z), N);
    Ok(Roots { w, x: x.ok_or(Rejection::Unit("x"))?, z: z.ok_or(Rejection::Unit("z"))? })
}

/// Whether `x^4 = (-1)^a w^b y` for each challenge; it says little unless [`roots`] passed.
fn fourth_powers(N: &Modulus, proof: &Proof, roots: &Roots, y: &[BoxedUint]) -> Result<(), Rejection> {
    for ((response, x), y) in proof.responses.iter().zip(&roots.x).zip(y) {
        let u = if response.b { N.mul(&roots.w, y) } else { y.clone() };
        let v = if response.a { N.neg(&u) } else { u };
        require(N.square(&N.square(x)) == v, Rejection::Equation("fourth root"))?;
    }
    Ok(())
}

/// Whether `z^N = y` for each challenge.
fn are_roots(N: &Modulus, y: &[BoxedUint], z: &[BoxedUint]) -> Result<(), Rejection> {
    let exponent = Integer::from_natural(N.value());
    verify_one(|relations| {
        for (y, z) in y.iter().zip(z) {
            relations.add("N-th root", N, &[], &[y], &[(z, &exponent)]);
        }
        Ok(())
    })
}

// DEVIATION 11: one test with a fixed base, on which all verifiers agree.
/// Whether `2^(N-1) mod N` is not 1. A prime never passes; an honest `N` does but for a negligible chance, and is not
/// refused by a mistake of the lanes.
fn is_composite<'a>(N: &'a Modulus) -> bool {
    let exponent = N.value().wrapping_sub(BoxedUint::one());
    let passes = |mut powers: Powers<'a>| {
        let slot = powers.push_public(N, &BoxedUint::from(2_u8), &exponent);
        powers.run()[slot] != BoxedUint::one()
    };
    passes(Powers::new()) || passes(Powers::scalar())
}

/// A uniform unit with Jacobi symbol -1. Both are public, and so is the number of draws.
fn non_residue(N: &Modulus, rng: &mut (impl CryptoRng + ?Sized)) -> BoxedUint {
    let largest = N.value().wrapping_sub(BoxedUint::one());
    loop {
        let drawn = uniform_at_most(&largest, rng);
        if N.jacobi_public(&drawn) == -1 {
            return drawn;
        }
    }
}

/// For each `u` with Jacobi symbol 1 the principal fourth root of the square among `u` and `-u`, in constant time.
///
/// Squares form a group of odd order `p' q' = phi/4`, so with `h = 1/2 mod p' q'` the principal square root is the
/// power by `h` and the root wanted the power by `h^2`. The exponent `2 h^3` is the same modulo `p' q'`, and even: it
/// does not see the sign, so nothing is computed twice or chosen by a secret.
fn fourth_roots(factors: &Factors, list: &[BoxedUint]) -> Vec<BoxedUint> {
    let order = Zeroizing::new(factors.phi().shr(2));
    let group = Modulus::new_secret(&order).expect("invariant: phi/4 is odd for Blum primes");
    let h = Zeroizing::new(order.wrapping_add(BoxedUint::one()).shr(1));
    let h_cubed = Zeroizing::new(group.mul(&group.square(&h), &h));
    let exponent = Zeroizing::new(h_cubed.wrapping_add(&*h_cubed));
    factors.powers_unpublished(&list.iter().map(|u| (u, &*exponent)).collect::<Vec<_>>())
}

fn challenge<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    w: &Natural,
) -> Option<Vec<BoxedUint>> {
    let mut transcript = context.transcript::<C>(Purpose::ProofMod);
    transcript.natural("N", statement.N.value()).natural("w", w.value());
    transcript.challenge_units(context.level.parameters().repetitions, statement.N)
}
