//! Πaff-g*: what [`crate::aff_g`] proves, without ring-Pedersen parameters (`docs/spec/proofs.md`, 3.9).
//!
//! A proof under somebody's parameters convinces that party alone, and is worthless to all others if it is an
//! accomplice. This one convinces everybody: `m` repetitions with one bit of challenge each. It is long and slow, and
//! needed only when somebody has cheated already. Read [`crate::dec`] next, the other half of an alert.

use consign_modexp::BoxedUint;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::curve::{Curve, Point, Scalar};
use crate::integer::Integer;
use crate::natural::Natural;
use crate::paillier::{Affine, Ciphertext, DecryptionKey, EncryptionKey, Nonce};
use crate::rejection::{Rejection, require};
use crate::relations::verify_one;
use crate::transcript::Purpose;
use crate::wire;

#[cfg(test)]
mod tests;

/// `D = (x ⊙ C) ⊕ enc0(y; rho)`, `Y = enc1(y; rho_y)`, `X = [x]G`, with `x` in `I(l)` and `y` in `I(l')`.
#[derive(Clone, Copy)]
pub struct Statement<'a, C: Curve> {
    /// The Paillier key `N0` of the receiver, who owns `C`.
    pub receiver: &'a EncryptionKey,
    /// The prover's Paillier key `N1`.
    pub prover: &'a EncryptionKey,
    /// The receiver's ciphertext.
    pub C: &'a Ciphertext,
    /// The response, under `N0`.
    pub D: &'a Ciphertext,
    /// The mask, under `N1`.
    pub Y: &'a Ciphertext,
    /// The factor, as a point.
    pub X: Point<C>,
}

/// What the prover knows.
pub struct Witness<'a> {
    /// The factor, in `I(l)`.
    pub x: &'a Integer,
    /// The mask, in `I(l')`.
    pub y: &'a Integer,
    /// Nonce of the mask in `D`.
    pub rho: &'a Nonce,
    /// Nonce of `Y`.
    pub rho_y: &'a Nonce,
}

/// The repetitions, as many as the level says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Proof<C: Curve> {
    /// First messages with their responses.
    #[serde(deserialize_with = "wire::list")]
    pub repetitions: Vec<Repetition<C>>,
}

/// One repetition, with challenge bit `e`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Repetition<C: Curve> {
    /// `(alpha ⊙ C) ⊕ enc0(beta; r)`.
    pub A: Ciphertext,
    /// `[alpha]G`.
    pub R: Point<C>,
    /// `enc1(beta; s)`.
    pub B: Ciphertext,
    /// `alpha + e x`, in `I(l+eps)`.
    pub z: Integer,
    /// `beta + e y`, in `I(l'+eps)`.
    pub z_y: Integer,
    /// `r rho^e mod N0`.
    pub w: Natural,
    /// `s rho_y^e mod N1`.
    pub w_y: Natural,
}

/// What the prover draws for one repetition. The fields wipe themselves.
struct Masks {
    alpha: Integer,
    beta: Integer,
    r: Nonce,
    s: Nonce,
}

/// The first messages of one repetition.
struct FirstMessages<C: Curve> {
    A: Ciphertext,
    R: Point<C>,
    B: Ciphertext,
}

impl Masks {
    fn random<C: Curve>(
        context: &Context<'_>,
        statement: &Statement<'_, C>,
        key: &DecryptionKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<Self> {
        let p = context.level.parameters();
        let nonces = [statement.receiver.nonces(p.repetitions, rng), key.nonces(p.repetitions, rng)];
        let [of_receiver, own] = nonces;
        let mut with_nonces = |(r, s)| Self {
            alpha: Integer::sample(p.ell + p.epsilon, rng),
            beta: Integer::sample(p.ell_prime + p.epsilon, rng),
            r,
            s,
        };
        of_receiver.into_iter().zip(own).map(&mut with_nonces).collect()
    }
}

/// Proves the statement; `key` is the secret half of `statement.prover`. Constant time in witness and masks.
///
/// Fails if `C` is not a unit below `N0^2`. An honest proof fails a range check with probability at most `m 2^-eps`.
pub fn prove<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    witness: &Witness<'_>,
    key: &DecryptionKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Proof<C>, Rejection> {
    let masks = Masks::random(context, statement, key, rng);
    let first = commit(statement, &masks, key)?;
    Ok(answer(context, statement, witness, &masks, first))
}

/// Verifies: exactly `m` repetitions, units, ranges, then the equations of each.
pub fn verify<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    proof: &Proof<C>,
) -> Result<(), Rejection> {
    let p = context.level.parameters();
    let Statement { receiver, prover, X, .. } = statement;
    let list = &proof.repetitions;
    require(list.len() == p.repetitions, Rejection::Length("repetitions"))?;

    require(!X.is_identity(), Rejection::Domain("X"))?;
    require(list.iter().all(|one| !one.R.is_identity()), Rejection::Domain("R"))?;
    let C = receiver.unit(statement.C).ok_or(Rejection::Unit("C"))?;
    let D = receiver.unit(statement.D).ok_or(Rejection::Unit("D"))?;
    let Y = prover.unit(statement.Y).ok_or(Rejection::Unit("Y"))?;
    let A = receiver.units(list.iter().map(|one| &one.A)).ok_or(Rejection::Unit("A"))?;
    let B = prover.units(list.iter().map(|one| &one.B)).ok_or(Rejection::Unit("B"))?;
    let w = Natural::units(list.iter().map(|one| &one.w), receiver.n()).ok_or(Rejection::Unit("w"))?;
    let w_y = Natural::units(list.iter().map(|one| &one.w_y), prover.n()).ok_or(Rejection::Unit("w_y"))?;
    require(list.iter().all(|one| one.z.is_within(p.ell + p.epsilon)), Rejection::Range("z"))?;
    require(list.iter().all(|one| one.z_y.is_within(p.ell_prime + p.epsilon)), Rejection::Range("z_y"))?;

    let bits = challenge(context, statement, list.iter().map(|one| (&one.A, &one.R, &one.B)));
    let natural = |key: &EncryptionKey| Integer::from_natural(key.n().value());
    let (n0, n1) = (natural(receiver), natural(prover));
    for (one, &e) in list.iter().zip(&bits) {
        let point = if e { one.R + *X } else { one.R };
        require(Point::mul_generator(&Scalar::from_integer(&one.z)) == point, Rejection::Equation("X"))?;
    }
    let units = A.iter().zip(&B).zip(w.iter().zip(&w_y));
    verify_one(|relations| {
        for ((one, &e), ((A, B), (w, w_y))) in list.iter().zip(&bits).zip(units.clone()) {
            let right: &[&BoxedUint] = if e { &[A, &D] } else { &[A] };
            let powers = [(&C, &one.z), (w, &n0)];
            relations.add("D", receiver.nn(), &[&receiver.embed(&one.z_y)], right, &powers);
            let right: &[&BoxedUint] = if e { &[B, &Y] } else { &[B] };
            relations.add("Y", prover.nn(), &[&prover.embed(&one.z_y)], right, &[(w_y, &n1)]);
        }
        Ok(())
    })
}

/// First messages: one list under the receiver's key, one under the own by CRT.
fn commit<C: Curve>(
    statement: &Statement<'_, C>,
    masks: &[Masks],
    key: &DecryptionKey,
) -> Result<Vec<FirstMessages<C>>, Rejection> {
    let affine: Vec<_> = masks
        .iter()
        .map(|mask| Affine { ciphertext: statement.C, x: &mask.alpha, y: &mask.beta, rho: &mask.r })
        .collect();
    let masked = statement.receiver.affine(&affine);
    let own = key.encrypt(&masks.iter().map(|mask| (&mask.beta, &mask.s)).collect::<Vec<_>>());
    let first = masks.iter().zip(masked.ok_or(Rejection::Unit("C"))?).zip(own).map(|((mask, A), B)| {
        FirstMessages { A, R: Point::mul_generator(&Scalar::from_integer(&mask.alpha)), B }
    });
    Ok(first.collect())
}

/// Responses to the challenge that all the first messages give.
fn answer<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    witness: &Witness<'_>,
    masks: &[Masks],
    first: Vec<FirstMessages<C>>,
) -> Proof<C> {
    let bits = challenge(context, statement, first.iter().map(|one| (&one.A, &one.R, &one.B)));
    let add = |mask: &Integer, e, value: &Integer| {
        if e { mask.add(value).trimmed_public() } else { mask.trimmed_public() }
    };
    let times = |key: &EncryptionKey, mask: &Nonce, e, nonce: &Nonce| {
        let own = mask.expose();
        if e { Natural::new(&key.n().mul(own, nonce.expose())) } else { Natural::new(own) }
    };
    let repetitions = masks.iter().zip(first).zip(bits).map(|((mask, first), e)| Repetition {
        A: first.A,
        R: first.R,
        B: first.B,
        z: add(&mask.alpha, e, witness.x),
        z_y: add(&mask.beta, e, witness.y),
        w: times(statement.receiver, &mask.r, e, witness.rho),
        w_y: times(statement.prover, &mask.s, e, witness.rho_y),
    });
    Proof { repetitions: repetitions.collect() }
}

fn challenge<'a, C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    first: impl ExactSizeIterator<Item = (&'a Ciphertext, &'a Point<C>, &'a Ciphertext)> + Clone,
) -> Vec<bool> {
    let Statement { receiver, prover, C, D, Y, X } = statement;
    let mut transcript = context.transcript::<C>(Purpose::ProofAffGStar);
    transcript
        .natural("N0", receiver.n().value())
        .natural("N1", prover.n().value())
        .natural("C", C.natural().value())
        .natural("D", D.natural().value())
        .natural("Y", Y.natural().value())
        .point("X", X)
        .naturals("A", first.clone().map(|(A, _, _)| A.natural()))
        .points("R", first.clone().map(|(_, R, _)| R))
        .naturals("B", first.map(|(_, _, B)| B.natural()));
    transcript.challenge_bits(context.level.parameters().repetitions)
}
