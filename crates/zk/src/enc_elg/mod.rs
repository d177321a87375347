//! Πenc-elg: a Paillier ciphertext and an ElGamal commitment hold the same value, and that value is short
//! (`docs/spec/proofs.md`, 3.5).
//!
//! Made for one verifier, under that verifier's ring-Pedersen parameters. Read [`crate::aff_g`] next: the same
//! technique with two ciphertexts.

use consign_modexp::{BoxedUint, Modulus, for_each};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::aid::Aid;
use crate::context::Context;
use crate::curve::{Curve, Point, Scalar};
use crate::integer::Integer;
use crate::level::Level;
use crate::natural::{Natural, Units};
use crate::paillier::{Ciphertext, DecryptionKey, EncryptionKey, Nonce, Response, respond};
use crate::powers::Powers;
use crate::rejection::{Rejection, require};
use crate::relations::{Refused, Relations, verify_all as verify_list};
use crate::ring_pedersen::RingPedersen;
use crate::transcript::Purpose;

#[cfg(test)]
mod tests;

/// `C = enc(x; rho)`, `B = [b]G`, `X = [b]A + [x]G`, with `x` in `I(l)`.
#[derive(Clone, Copy)]
pub struct Statement<'a, C: Curve> {
    /// The prover's Paillier key `N0`.
    pub prover: &'a EncryptionKey,
    /// The ciphertext.
    pub C: &'a Ciphertext,
    /// The ElGamal key.
    pub A: Point<C>,
    /// First half of the ElGamal commitment.
    pub B: Point<C>,
    /// Second half of the ElGamal commitment.
    pub X: Point<C>,
    /// The verifier's parameters.
    pub rp: &'a RingPedersen,
}

/// What the prover knows.
#[derive(Clone, Copy)]
pub struct Witness<'a, C: Curve> {
    /// The value, in `I(l)`.
    pub x: &'a Integer,
    /// Nonce of the ciphertext.
    pub rho: &'a Nonce,
    /// Randomness of the ElGamal commitment.
    pub b: &'a Scalar<C>,
}

/// The prover's first messages: commitments to `x` and to the masks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct FirstMessages<C: Curve> {
    /// `s^x t^mu`.
    pub S: Natural,
    /// `s^alpha t^gamma`.
    pub T: Natural,
    /// `enc(alpha; r)`.
    pub D: Ciphertext,
    /// `[beta]A + [alpha]G`.
    pub Y: Point<C>,
    /// `[beta]G`.
    pub Z: Point<C>,
}

/// First messages and responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Proof<C: Curve> {
    /// First messages.
    pub first: FirstMessages<C>,
    /// `alpha + e x`, in `I(l+eps)`.
    pub z1: Integer,
    /// `r rho^e mod N0`.
    pub z2: Natural,
    /// `gamma + e mu`.
    pub z3: Integer,
    /// `beta + e b mod q`.
    pub w: Scalar<C>,
}

/// Everything the prover draws.
pub struct Masks<C: Curve> {
    alpha: Integer,
    mu: Integer,
    gamma: Integer,
    r: Nonce,
    beta: Scalar<C>,
}

impl<C: Curve> Masks<C> {
    /// Draws them for the verifier's parameters, but for a nonce under the prover's key, which nobody else may get.
    pub fn random(level: Level, rp: &RingPedersen, r: Nonce, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let p = level.parameters();
        let modulus = rp.modulus().value();
        Self {
            alpha: Integer::sample(p.ell + p.epsilon, rng),
            mu: Integer::sample_scaled(p.ell, modulus, rng),
            gamma: Integer::sample_scaled(p.ell + p.epsilon, modulus, rng),
            r,
            beta: Scalar::random(rng),
        }
    }

    /// What `D` encrypts, and under which nonce.
    pub fn plain(&self) -> (&Integer, &Nonce) {
        (&self.alpha, &self.r)
    }
}

impl<C: Curve> Drop for Masks<C> {
    fn drop(&mut self) {
        // The other fields wipe themselves.
        self.beta.zeroize();
    }
}

/// One proof of a list.
#[derive(Clone, Copy)]
pub struct Claim<'a, C: Curve> {
    /// What the proof is bound to.
    pub context: Context<'a>,
    /// What is proven.
    pub statement: Statement<'a, C>,
    /// What the prover knows.
    pub witness: Witness<'a, C>,
}

/// Proves the statement; `key` is the secret half of `statement.prover`. Constant time in witness and masks.
///
/// An honest proof fails its range check with probability at most `2^(l-1-eps)`.
pub fn prove<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    witness: &Witness<'_, C>,
    key: &DecryptionKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Proof<C> {
    let claim = Claim { context: *context, statement: *statement, witness: *witness };
    prove_all(&[claim], key, rng).pop().expect("invariant: one proof per claim")
}

/// As [`prove`] for a list, with the exponentiations of all proofs in one list.
pub fn prove_all<C: Curve>(
    claims: &[Claim<'_, C>],
    key: &DecryptionKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<Proof<C>> {
    let masks = draw(claims, key, rng);
    let encrypted = encrypt(&masks, key);
    prove_with(claims, masks, encrypted)
}

/// Masks for each claim.
fn draw<C: Curve>(
    claims: &[Claim<'_, C>],
    key: &DecryptionKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<Masks<C>> {
    let nonces = key.nonces(claims.len(), rng);
    let draw = |(Claim { context, statement, .. }, r): (&Claim<'_, C>, Nonce)| {
        Masks::random(context.level, statement.rp, r, rng)
    };
    claims.iter().zip(nonces).map(draw).collect()
}

/// As [`prove_all`] with masks that have been drawn, one for each claim, and the `D` of each: [`Masks::plain`], encrypted.
/// Masks are spent: two challenges to the same would give the witness away.
///
/// # Panics
/// Unless there is one of each for every claim.
pub fn prove_with<C: Curve>(
    claims: &[Claim<'_, C>],
    masks: Vec<Masks<C>>,
    encrypted: Vec<Ciphertext>,
) -> Vec<Proof<C>> {
    let complete = claims.len() == masks.len() && claims.len() == encrypted.len();
    assert!(complete, "invariant: one mask and one ciphertext for each claim");
    answer(claims, &masks, commit(claims, &masks, encrypted))
}

/// One proof of a list to be verified.
#[derive(Clone, Copy)]
pub struct Claimed<'a, C: Curve> {
    /// What the proof is bound to.
    pub context: Context<'a>,
    /// What is said to be proven.
    pub statement: Statement<'a, C>,
    /// The proof.
    pub proof: &'a Proof<C>,
}

/// Verifies: bounds, units, the range of `z1`, then the equations.
pub fn verify<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    proof: &Proof<C>,
) -> Result<(), Rejection> {
    let claimed = Claimed { context: *context, statement: *statement, proof };
    verify_all(&[claimed], &Aid::default()).map_err(|(_, why)| why)
}

/// As [`verify`] for a list, as if one after another, with the exponentiations of all proofs in one list, by somebody with
/// some aid.
pub fn verify_all<C: Curve>(list: &[Claimed<'_, C>], aid: &Aid) -> Result<(), Refused> {
    let units = Units::of(list.iter().flat_map(numbers));
    let checked = for_each(list, |claimed| check(claimed, &units));
    let list: Vec<_> = list.iter().zip(checked).collect();
    verify_list(&list, aid, |relations, (claimed, checked)| {
        match checked {
            Ok(checked) => queue(relations, claimed, checked),
            // Nobody is accused for what was computed once.
            Err(_) => queue(relations, claimed, &check(claimed, &units)?),
        }
        Ok(())
    })
}

/// What has to be a unit, with its modulus.
fn numbers<'a, C: Curve>(claimed: &Claimed<'a, C>) -> [(&'a Modulus, &'a Natural); 5] {
    let Claimed { statement: Statement { prover, C, rp, .. }, proof, .. } = *claimed;
    let FirstMessages { S, T, D, .. } = &proof.first;
    let (n, ring) = (prover.n(), rp.modulus());
    [(n, C.natural()), (n, D.natural()), (n, &proof.z2), (ring, S), (ring, T)]
}

/// What the equations modulo large numbers are made of, once everything else was checked.
struct Checked {
    C: BoxedUint,
    D: BoxedUint,
    z2: BoxedUint,
    S: BoxedUint,
    T: BoxedUint,
    minus_e: Integer,
}

/// All checks of a proof but the equations modulo large numbers.
fn check<C: Curve>(claimed: &Claimed<'_, C>, units: &Units) -> Result<Checked, Rejection> {
    let Claimed { context, statement, proof } = claimed;
    let p = context.level.parameters();
    let Statement { prover, rp, .. } = statement;
    let FirstMessages { S, T, D, Y, Z } = &proof.first;
    let bound = p.ell + p.epsilon + 1;
    require(proof.z3.is_within_scaled(bound, rp.modulus().value()), Rejection::Bound("z3"))?;

    let points = [("A", &statement.A), ("B", &statement.B), ("X", &statement.X), ("Y", Y), ("Z", Z)];
    for (name, point) in points {
        require(!point.is_identity(), Rejection::Domain(name))?;
    }
    let C = units.ciphertext(prover, statement.C).ok_or(Rejection::Unit("C"))?;
    let D = units.ciphertext(prover, D).ok_or(Rejection::Unit("D"))?;
    let z2 = units.residue(&proof.z2, prover.n()).ok_or(Rejection::Unit("z2"))?;
    let S = units.residue(S, rp.modulus()).ok_or(Rejection::Unit("S"))?;
    let T = units.residue(T, rp.modulus()).ok_or(Rejection::Unit("T"))?;
    require(proof.z1.is_within(p.ell + p.epsilon), Rejection::Range("z1"))?;

    let scalar = challenge(context, statement, &proof.first);
    let z1 = Scalar::from_integer(&proof.z1);
    let key_times_w = statement.A * proof.w;
    require(key_times_w + Point::mul_generator(&z1) == *Y + statement.X * scalar, Rejection::Equation("X"))?;
    require(Point::mul_generator(&proof.w) == *Z + statement.B * scalar, Rejection::Equation("B"))?;

    Ok(Checked { C, D, z2, S, T, minus_e: scalar.to_integer().neg() })
}

/// Queues the equations modulo large numbers.
fn queue<'a, C: Curve>(relations: &mut Relations<'a>, claimed: &Claimed<'a, C>, checked: &Checked) {
    let Claimed { statement: Statement { prover, rp, .. }, proof, .. } = claimed;
    let Checked { C, D, z2, S, T, minus_e } = checked;
    relations.add_ciphertext("C", prover, (&proof.z1, z2), D, &[(C, minus_e)]);
    relations.add_commitment("S", rp, (&proof.z1, &proof.z3), T, &[(S, minus_e)]);
}

/// The `D` of all.
fn encrypt<C: Curve>(masks: &[Masks<C>], key: &DecryptionKey) -> Vec<Ciphertext> {
    key.encrypt(&masks.iter().map(Masks::plain).collect::<Vec<_>>())
}

/// First messages, with one list under the verifiers' moduli.
fn commit<C: Curve>(
    claims: &[Claim<'_, C>],
    masks: &[Masks<C>],
    encrypted: Vec<Ciphertext>,
) -> Vec<FirstMessages<C>> {
    let mut powers = Powers::new();
    let queued: Vec<_> = claims
        .iter()
        .zip(masks)
        .map(|(claim, masks)| {
            let rp = claim.statement.rp;
            let S = rp.queue(&mut powers, claim.witness.x, &masks.mu);
            (S, rp.queue(&mut powers, &masks.alpha, &masks.gamma))
        })
        .collect();
    let results = powers.run();
    let points = for_each(claims.iter().zip(masks), |(Claim { statement, .. }, masks)| {
        let alpha = Point::mul_generator(&Scalar::from_integer(&masks.alpha));
        (statement.A * masks.beta + alpha, Point::mul_generator(&masks.beta))
    });
    claims
        .iter()
        .zip(points)
        .zip(queued.into_iter().zip(encrypted))
        .map(|((Claim { statement, .. }, (Y, Z)), ((S, T), D))| FirstMessages {
            S: statement.rp.finish(&results, S),
            T: statement.rp.finish(&results, T),
            D,
            Y,
            Z,
        })
        .collect()
}

/// Responses to the challenges that the first messages give.
fn answer<C: Curve>(
    claims: &[Claim<'_, C>],
    masks: &[Masks<C>],
    first: Vec<FirstMessages<C>>,
) -> Vec<Proof<C>> {
    let challenges = for_each(claims.iter().zip(&first), |(claim, first)| {
        challenge(&claim.context, &claim.statement, first)
    });
    let integers: Vec<_> = challenges.iter().map(Scalar::to_integer).collect();
    let nonces =
        claims.iter().zip(masks).zip(&integers).map(|((Claim { statement, witness, .. }, masks), e)| {
            Response { key: statement.prover, e, r: &masks.r, rho: witness.rho }
        });
    let responses = respond(&nonces.collect::<Vec<_>>());
    let parts =
        claims.iter().zip(masks).zip(challenges.iter().zip(&integers)).zip(first.into_iter().zip(responses));
    parts
        .map(|(((Claim { witness, .. }, masks), (&scalar, e)), (first, z2))| Proof {
            first,
            z1: masks.alpha.add(&e.mul(witness.x)).trimmed_public(),
            z2,
            z3: masks.gamma.add(&e.mul(&masks.mu)).trimmed_public(),
            w: masks.beta + scalar * *witness.b,
        })
        .collect()
}

fn challenge<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    first: &FirstMessages<C>,
) -> Scalar<C> {
    let Statement { prover, C, A, B, X, rp } = statement;
    let FirstMessages { S, T, D, Y, Z } = first;
    let mut transcript = context.transcript::<C>(Purpose::ProofEncElg);
    transcript
        .natural("N0", prover.n().value())
        .natural("C", C.natural().value())
        .point("A", A)
        .point("B", B)
        .point("X", X)
        .natural("N^", rp.modulus().value())
        .natural("s", rp.s())
        .natural("t", rp.t())
        .natural("S", S.value())
        .natural("T", T.value())
        .natural("D", D.natural().value())
        .point("Y", Y)
        .point("Z", Z);
    transcript.challenge_scalar()
}
