//! Πfac: `N` has two factors of about equal size (`docs/spec/proofs.md`, 3.4).
//!
//! Made for one verifier, under that verifier's ring-Pedersen parameters. It bounds both factors by
//! `sqrt(N) 2^(ell+epsilon)` and says nothing about their being prime; that is for [`crate::paillier_blum`].

use consign_modexp::{BoxedUint, Factors, Modulus};
use crypto_bigint::ConcatenatingMul;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::curve::Curve;
use crate::integer::Integer;
use crate::level::Parameters;
use crate::natural::Natural;
use crate::powers::Powers;
use crate::rejection::{Rejection, require};
use crate::relations::verify_one;
use crate::ring_pedersen::RingPedersen;
use crate::transcript::Purpose;

#[cfg(test)]
mod tests;

/// `N` has no small factor.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    /// The prover's modulus.
    pub N: &'a Modulus,
    /// The verifier's parameters. The prover must have verified [`crate::prm`] for them, or this proof may leak `p`.
    pub ring: &'a RingPedersen,
}

/// What the prover knows.
pub struct Witness<'a> {
    /// The factors of `N`.
    pub factors: &'a Factors,
}

/// First messages (capital letters) and responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// `s^p t^mu`.
    pub P: Natural,
    /// `s^q t^nu`.
    pub Q: Natural,
    /// `s^alpha t^x`.
    pub A: Natural,
    /// `s^beta t^y`.
    pub B: Natural,
    /// `Q^alpha t^r`.
    pub T: Natural,
    /// `alpha + e p`.
    pub z1: Integer,
    /// `beta + e q`.
    pub z2: Integer,
    /// `x + e mu`.
    pub w1: Integer,
    /// `y + e nu`.
    pub w2: Integer,
    /// `r - e nu p`.
    pub v: Integer,
}

/// What the prover draws.
struct Masks {
    alpha: Integer,
    beta: Integer,
    mu: Integer,
    nu: Integer,
    r: Integer,
    x: Integer,
    y: Integer,
}

/// The scales of the intervals, all public.
struct Scales {
    /// Floor of the square root of `N`.
    root: BoxedUint,
    /// `N^`.
    ring: BoxedUint,
    /// `N N^`.
    product: BoxedUint,
}

/// Proves the statement.
///
/// # Panics
/// If the witness does not fit the statement, or the machine computes wrongly: the proof is verified before it leaves.
pub fn prove<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    witness: &Witness<'_>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Proof {
    let masks = Masks::sample(context.level.parameters(), &Scales::new(statement), rng);
    let p = Integer::from_natural(witness.factors.p());
    let q = Integer::from_natural(witness.factors.q());
    let first = first_messages(statement.ring, &masks, &p, &q);
    let proof = answer::<C>(context, statement, &masks, [&p, &q], first);
    let own = verify::<C>(context, statement, &proof);
    assert!(own.is_ok(), "invariant: an own proof verifies before it is sent");
    proof
}

/// Verifies: `N` long enough; `w1`, `w2`, `v` within their decoder bounds; `P`, `Q`, `A`, `B`, `T` units; `z1` and
/// `z2` in range; the three equations.
pub fn verify<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    proof: &Proof,
) -> Result<(), Rejection> {
    let parameters = context.level.parameters();
    require(statement.N.bits() >= 4 * parameters.ell, Rejection::Domain("N"))?;
    let scales = Scales::new(statement);
    bounds(parameters, &scales, proof)?;
    let ring = statement.ring.modulus();
    let unit = |value: &Natural, name| value.unit(ring).ok_or(Rejection::Unit(name));
    let (P, Q) = (unit(&proof.P, "P")?, unit(&proof.Q, "Q")?);
    let (A, B, T) = (unit(&proof.A, "A")?, unit(&proof.B, "B")?, unit(&proof.T, "T")?);
    ranges(parameters, &scales, proof)?;
    let minus_e =
        challenge::<C>(context, statement, [&proof.P, &proof.Q, &proof.A, &proof.B, &proof.T]).neg();
    let minus_eN = minus_e.mul(&Integer::from_natural(statement.N.value()));
    let rp = statement.ring;
    verify_one(|relations| {
        relations.add_commitment("P", rp, (&proof.z1, &proof.w1), &A, &[(&P, &minus_e)]);
        relations.add_commitment("Q", rp, (&proof.z2, &proof.w2), &B, &[(&Q, &minus_e)]);
        relations.add_commitment("N", rp, (&minus_eN, &proof.v), &T, &[(&Q, &proof.z1)]);
        Ok(())
    })
}

/// Decoder bounds of the responses no range check covers: they keep exponents short.
fn bounds(parameters: &Parameters, scales: &Scales, proof: &Proof) -> Result<(), Rejection> {
    let bits = parameters.ell + parameters.epsilon + 1;
    require(proof.w1.is_within_scaled(bits, &scales.ring), Rejection::Bound("w1"))?;
    require(proof.w2.is_within_scaled(bits, &scales.ring), Rejection::Bound("w2"))?;
    require(proof.v.is_within_scaled(bits, &scales.product), Rejection::Bound("v"))
}

/// What bounds the factors.
fn ranges(parameters: &Parameters, scales: &Scales, proof: &Proof) -> Result<(), Rejection> {
    let bits = parameters.ell + parameters.epsilon;
    require(proof.z1.is_within_scaled(bits, &scales.root), Rejection::Range("z1"))?;
    require(proof.z2.is_within_scaled(bits, &scales.root), Rejection::Range("z2"))
}

/// `P`, `Q`, `A`, `B`, `T`, in constant time. `T = Q^alpha t^r` is computed from the bases, as
/// `s^(q alpha) t^(nu alpha + r)`, so that all exponentiations form one list.
fn first_messages(ring: &RingPedersen, masks: &Masks, p: &Integer, q: &Integer) -> [Natural; 5] {
    let mut powers = Powers::new();
    let q_alpha = q.mul(&masks.alpha);
    let nu_alpha_r = masks.nu.mul(&masks.alpha).add(&masks.r);
    let queued = [
        ring.queue(&mut powers, p, &masks.mu),
        ring.queue(&mut powers, q, &masks.nu),
        ring.queue(&mut powers, &masks.alpha, &masks.x),
        ring.queue(&mut powers, &masks.beta, &masks.y),
        ring.queue(&mut powers, &q_alpha, &nu_alpha_r),
    ];
    let results = powers.run();
    queued.map(|commitment| ring.finish(&results, commitment))
}

/// Responses to the challenge that the first messages give.
fn answer<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_>,
    masks: &Masks,
    [p, q]: [&Integer; 2],
    [P, Q, A, B, T]: [Natural; 5],
) -> Proof {
    let e = challenge::<C>(context, statement, [&P, &Q, &A, &B, &T]);
    let respond = |mask: &Integer, secret: &Integer| mask.add(&e.mul(secret)).trimmed_public();
    Proof {
        z1: respond(&masks.alpha, p),
        z2: respond(&masks.beta, q),
        w1: respond(&masks.x, &masks.mu),
        w2: respond(&masks.y, &masks.nu),
        v: respond(&masks.r, &masks.nu.mul(p).neg()),
        P,
        Q,
        A,
        B,
        T,
    }
}

fn challenge<C: Curve>(context: &Context<'_>, statement: &Statement<'_>, first: [&Natural; 5]) -> Integer {
    let [P, Q, A, B, T] = first;
    let mut transcript = context.transcript::<C>(Purpose::ProofFac);
    transcript
        .natural("N", statement.N.value())
        .natural("N^", statement.ring.modulus().value())
        .natural("s", statement.ring.s())
        .natural("t", statement.ring.t())
        .natural("P", P.value())
        .natural("Q", Q.value())
        .natural("A", A.value())
        .natural("B", B.value())
        .natural("T", T.value());
    transcript.challenge_interval(context.level.parameters().ell)
}

impl Masks {
    fn sample(parameters: &Parameters, scales: &Scales, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let (ell, wide) = (parameters.ell, parameters.ell + parameters.epsilon);
        Self {
            alpha: Integer::sample_scaled(wide, &scales.root, rng),
            beta: Integer::sample_scaled(wide, &scales.root, rng),
            mu: Integer::sample_scaled(ell, &scales.ring, rng),
            nu: Integer::sample_scaled(ell, &scales.ring, rng),
            r: Integer::sample_scaled(wide, &scales.product, rng),
            x: Integer::sample_scaled(wide, &scales.ring, rng),
            y: Integer::sample_scaled(wide, &scales.ring, rng),
        }
    }
}

impl Scales {
    fn new(statement: &Statement<'_>) -> Self {
        let (N, ring) = (statement.N.value(), statement.ring.modulus().value());
        Self { root: N.floor_sqrt_vartime(), ring: ring.clone(), product: N.concatenating_mul(ring) }
    }
}
