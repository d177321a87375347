//! Πdec: a ciphertext made of others decrypts to the logarithm of a point (`docs/spec/proofs.md`, 3.10).
//!
//! With it a party shows in an alert that it has computed rightly from what it was sent: `S = [y]G_b` for the plaintext
//! `y` of `(x ⊙ K) ⊕ D`, which is a product and a sum of the others' responses. Convinces everybody, like
//! [`crate::aff_g_star`].
//!
//! The honest `y` grows with the number of signers and with masks that are too long and yet provable: it lies in
//! `I(y_b)`, `y_b = l' + eps + 1 + ceil(log2 n)`. The slack of the response is `sigma` and not `eps`, which would be more
//! than there is room for below `N/2`: a prover could use `y + N`, the same plaintext and another point.

use consign_modexp::BoxedUint;
use crypto_bigint::CtGt;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::curve::{Curve, Point, Scalar};
use crate::integer::Integer;
use crate::level::{Level, ceil_log2};
use crate::natural::Natural;
use crate::paillier::{Ciphertext, DecryptionKey, EncryptionKey, Nonce};
use crate::rejection::{Rejection, require};
use crate::relations::verify_one;
use crate::transcript::Purpose;
use crate::wire;

#[cfg(test)]
mod tests;

/// `enc0(y; rho) = (x ⊙ K) ⊕ D`, `X = [x]G`, `S = [y]G_b`, with `x` in `I(l)` and `y` in `I(y_b)`.
#[derive(Clone, Copy)]
pub struct Statement<'a, C: Curve> {
    /// The prover's Paillier key `N0`.
    pub prover: &'a EncryptionKey,
    /// The prover's ciphertext.
    pub K: &'a Ciphertext,
    /// The sum of what is added to the product, under `N0`.
    pub D: &'a Ciphertext,
    /// The factor, as a point.
    pub X: Point<C>,
    /// The plaintext in the exponent of the base.
    pub S: Point<C>,
    /// The base `G_b`.
    pub base: Point<C>,
    /// How many signers there are, at least 1.
    pub signers: u32,
}

/// What the prover knows.
pub struct Witness {
    /// The factor, in `I(l)`.
    pub x: Integer,
    /// The plaintext, in `I(y_b)`.
    pub y: Integer,
    /// Its nonce.
    pub rho: Nonce,
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
    /// `(-alpha ⊙ K) ⊕ enc0(beta; r)`.
    pub A: Ciphertext,
    /// `[beta]G_b`.
    pub B: Point<C>,
    /// `[alpha]G`.
    pub C: Point<C>,
    /// `alpha + e x`, in `I(l+eps)`.
    pub z: Integer,
    /// `beta + e y`, in `I(y_b+sigma)`.
    pub w: Integer,
    /// `r rho^e mod N0`.
    pub nu: Natural,
}

/// What the prover draws for one repetition. The fields wipe themselves.
struct Masks {
    alpha: Integer,
    beta: Integer,
    r: Nonce,
}

/// The first messages of one repetition.
struct FirstMessages<C: Curve> {
    A: Ciphertext,
    B: Point<C>,
    C: Point<C>,
}

/// `y_b`: the honest plaintext lies in `I(y_b)`.
fn plaintext_bits(level: Level, signers: u32) -> u32 {
    let p = level.parameters();
    p.ell_prime + p.epsilon + 1 + ceil_log2(signers.max(1))
}

impl Witness {
    /// Decrypts `(x ⊙ K) ⊕ D`. `None` if a ciphertext is not a unit, if the plaintext is not in `I(y_b)` (then a proof
    /// of a response was accepted wrongly: nothing is to be proved), or if the machine computes wrongly.
    pub fn open<C: Curve>(
        level: Level,
        statement: &Statement<'_, C>,
        x: Integer,
        key: &DecryptionKey,
    ) -> Option<Self> {
        let public = key.public();
        let product = key.multiples(statement.K, &[&x])?;
        let full = Ciphertext::new(&public.nn().mul(product.first()?, &public.unit(statement.D)?));
        let y = key.decrypt(&[&full])?.pop()?;
        let rho = key.open(&full)?;
        let bits = plaintext_bits(level, statement.signers);
        let width = y.magnitude().bits_precision();
        let bound = BoxedUint::one_with_precision(width).overflowing_shl_vartime(bits - 1)?;
        let fits = !y.magnitude().ct_gt(&bound);
        let again = key.encrypt(&[(&y, &rho)]).pop()? == full;
        (fits.to_bool() && again).then(|| Self { x, y: y.narrowed(bits), rho })
    }
}

impl Masks {
    fn random<C: Curve>(
        context: &Context<'_>,
        statement: &Statement<'_, C>,
        key: &DecryptionKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<Self> {
        let p = context.level.parameters();
        let bits = plaintext_bits(context.level, statement.signers) + p.sigma;
        let nonces = key.nonces(p.repetitions, rng);
        let mut with_nonce =
            |r| Self { alpha: Integer::sample(p.ell + p.epsilon, rng), beta: Integer::sample(bits, rng), r };
        nonces.into_iter().map(&mut with_nonce).collect()
    }
}

/// Proves the statement; `key` is the secret half of `statement.prover`. Constant time in witness and masks.
///
/// Fails if `K` is not a unit below `N0^2`. An honest proof fails a range check with probability at most `m 2^-sigma`.
pub fn prove<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    witness: &Witness,
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
    let Statement { prover, X, S, base, signers, .. } = statement;
    let list = &proof.repetitions;
    require(list.len() == p.repetitions, Rejection::Length("repetitions"))?;

    for (name, point) in [("X", X), ("S", S), ("G_b", base)] {
        require(!point.is_identity(), Rejection::Domain(name))?;
    }
    require(list.iter().all(|one| !one.B.is_identity()), Rejection::Domain("B"))?;
    require(list.iter().all(|one| !one.C.is_identity()), Rejection::Domain("C"))?;
    let K = prover.unit(statement.K).ok_or(Rejection::Unit("K"))?;
    let D = prover.unit(statement.D).ok_or(Rejection::Unit("D"))?;
    let A = prover.units(list.iter().map(|one| &one.A)).ok_or(Rejection::Unit("A"))?;
    let nu = Natural::units(list.iter().map(|one| &one.nu), prover.n()).ok_or(Rejection::Unit("nu"))?;
    require(list.iter().all(|one| one.z.is_within(p.ell + p.epsilon)), Rejection::Range("z"))?;
    let bits = plaintext_bits(context.level, *signers) + p.sigma;
    require(list.iter().all(|one| one.w.is_within(bits)), Rejection::Range("w"))?;

    let bits = challenge(context, statement, list.iter().map(|one| (&one.A, &one.B, &one.C)));
    let n = Integer::from_natural(prover.n().value());
    for (one, &e) in list.iter().zip(&bits) {
        let (left, right) = if e { (one.C + *X, one.B + *S) } else { (one.C, one.B) };
        require(Point::mul_generator(&Scalar::from_integer(&one.z)) == left, Rejection::Equation("X"))?;
        require(*base * Scalar::from_integer(&one.w) == right, Rejection::Equation("S"))?;
    }
    verify_one(|relations| {
        for (((one, &e), A), nu) in list.iter().zip(&bits).zip(&A).zip(&nu) {
            let right: &[&BoxedUint] = if e { &[A, &D] } else { &[A] };
            let powers = [(&K, &one.z.neg()), (nu, &n)];
            relations.add("D", prover.nn(), &[&prover.embed(&one.w)], right, &powers);
        }
        Ok(())
    })
}

/// First messages, all under the own key by CRT.
fn commit<C: Curve>(
    statement: &Statement<'_, C>,
    masks: &[Masks],
    key: &DecryptionKey,
) -> Result<Vec<FirstMessages<C>>, Rejection> {
    let nn = statement.prover.nn();
    let negated: Vec<_> = masks.iter().map(|mask| mask.alpha.neg()).collect();
    let products = key.multiples(statement.K, &negated.iter().collect::<Vec<_>>());
    let products = products.ok_or(Rejection::Unit("K"))?;
    let nonces: Vec<_> = masks.iter().map(|mask| mask.r.expose()).collect();
    let noise = Zeroizing::new(key.factors().nth_powers(&nonces));
    let first = masks.iter().zip(products.iter().zip(noise.iter())).map(|(mask, (product, noise))| {
        let plain = Zeroizing::new(statement.prover.embed(&mask.beta));
        let summand = Zeroizing::new(nn.mul(&plain, noise));
        FirstMessages {
            A: Ciphertext::new(&nn.mul(product, &summand)),
            B: statement.base * Scalar::from_integer(&mask.beta),
            C: Point::mul_generator(&Scalar::from_integer(&mask.alpha)),
        }
    });
    Ok(first.collect())
}

/// Responses to the challenge that all the first messages give.
fn answer<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    witness: &Witness,
    masks: &[Masks],
    first: Vec<FirstMessages<C>>,
) -> Proof<C> {
    let bits = challenge(context, statement, first.iter().map(|one| (&one.A, &one.B, &one.C)));
    let add = |mask: &Integer, e, value: &Integer| {
        if e { mask.add(value).trimmed_public() } else { mask.trimmed_public() }
    };
    let n = statement.prover.n();
    let repetitions = masks.iter().zip(first).zip(bits).map(|((mask, first), e)| {
        let r = mask.r.expose();
        let nu = if e { Natural::new(&n.mul(r, witness.rho.expose())) } else { Natural::new(r) };
        let (z, w) = (add(&mask.alpha, e, &witness.x), add(&mask.beta, e, &witness.y));
        Repetition { A: first.A, B: first.B, C: first.C, z, w, nu }
    });
    Proof { repetitions: repetitions.collect() }
}

fn challenge<'a, C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    first: impl ExactSizeIterator<Item = (&'a Ciphertext, &'a Point<C>, &'a Point<C>)> + Clone,
) -> Vec<bool> {
    let Statement { prover, K, D, X, S, base, signers } = statement;
    let mut transcript = context.transcript::<C>(Purpose::ProofDec);
    transcript
        .natural("N0", prover.n().value())
        .natural("K", K.natural().value())
        .natural("D", D.natural().value())
        .point("X", X)
        .point("S", S)
        .point("G_b", base)
        .number("n", (*signers).into())
        .naturals("A", first.clone().map(|(A, _, _)| A.natural()))
        .points("B", first.clone().map(|(_, B, _)| B))
        .points("C", first.map(|(_, _, C)| C));
    transcript.challenge_bits(context.level.parameters().repetitions)
}
