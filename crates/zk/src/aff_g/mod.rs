//! Πaff-g: a response of the multiplicative-to-additive conversion is well formed and its secrets are short
//! (`docs/spec/proofs.md`, 3.7).
//!
//! Signs: the *same* `y` is in `D` and in `Y`; whoever uses the conversion takes `-y` as additive share.
//! Made for one verifier, the owner of `C`, under that verifier's ring-Pedersen parameters. The simpler
//! [`crate::enc_elg`] explains the technique.

use consign_modexp::{BoxedUint, Modulus, for_each};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::aid::Aid;
use crate::context::Context;
use crate::curve::{Curve, Point, Scalar};
use crate::integer::Integer;
use crate::level::Level;
use crate::natural::{Natural, Units};
use crate::paillier::{Affine, Ciphertext, DecryptionKey, EncryptionKey, Nonce, Response, respond};
use crate::powers::Powers;
use crate::rejection::{Rejection, require};
use crate::relations::{Refused, Relations, verify_all as verify_list};
use crate::ring_pedersen::RingPedersen;
use crate::transcript::Purpose;

#[cfg(test)]
mod tests;

/// `D = (x ⊙ C) ⊕ enc0(y; rho)`, `Y = enc1(y; rho_y)`, `X = [x]G`, with `x` in `I(l)` and `y` in `I(l')`.
#[derive(Clone, Copy)]
pub struct Statement<'a, C: Curve> {
    /// The Paillier key `N0` of the receiver, who owns `C` and verifies.
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
    /// The receiver's parameters.
    pub rp: &'a RingPedersen,
}

/// What the prover knows.
#[derive(Clone, Copy)]
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

/// The prover's first messages: commitments to `x`, `y` and to the masks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct FirstMessages<C: Curve> {
    /// `(alpha ⊙ C) ⊕ enc0(beta; r)`.
    pub A: Ciphertext,
    /// `[alpha]G`.
    pub B_x: Point<C>,
    /// `enc1(beta; r_y)`.
    pub B_y: Ciphertext,
    /// `s^alpha t^gamma`.
    pub E: Natural,
    /// `s^x t^m`.
    pub S: Natural,
    /// `s^beta t^delta`.
    pub F: Natural,
    /// `s^y t^mu`.
    pub T: Natural,
}

/// First messages and responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Proof<C: Curve> {
    /// First messages.
    pub first: FirstMessages<C>,
    /// `alpha + e x`, in `I(l+eps)`.
    pub z1: Integer,
    /// `beta + e y`, in `I(l'+eps)`.
    pub z2: Integer,
    /// `gamma + e m`.
    pub z3: Integer,
    /// `delta + e mu`.
    pub z4: Integer,
    /// `r rho^e mod N0`.
    pub w: Natural,
    /// `r_y rho_y^e mod N1`.
    pub w_y: Natural,
}

/// Everything the prover draws for one proof. The fields wipe themselves.
pub struct Masks {
    alpha: Integer,
    beta: Integer,
    gamma: Integer,
    delta: Integer,
    m: Integer,
    mu: Integer,
    r: Nonce,
    r_y: Nonce,
}

impl Masks {
    /// For a proof to the owner of `rp`, but for the nonces: under that party's key, and under the own.
    pub fn random(
        level: Level,
        rp: &RingPedersen,
        [r, r_y]: [Nonce; 2],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let (p, modulus) = (level.parameters(), rp.modulus().value());
        Self {
            alpha: Integer::sample(p.ell + p.epsilon, rng),
            beta: Integer::sample(p.ell_prime + p.epsilon, rng),
            gamma: Integer::sample_scaled(p.ell + p.epsilon, modulus, rng),
            delta: Integer::sample_scaled(p.ell + p.epsilon, modulus, rng),
            m: Integer::sample_scaled(p.ell, modulus, rng),
            mu: Integer::sample_scaled(p.ell, modulus, rng),
            r,
            r_y,
        }
    }
}

/// What of a statement must be known before `D` and `Y` are, and what the prover knows.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The key of the receiver.
    pub receiver: &'a EncryptionKey,
    /// The receiver's ciphertext.
    pub C: &'a Ciphertext,
    /// The receiver's parameters.
    pub rp: &'a RingPedersen,
    /// The factor, the mask, and their nonces.
    pub witness: Witness<'a>,
}

impl<'a> Part<'a> {
    /// What makes `D`.
    fn response(&self) -> Affine<'a> {
        let Witness { x, y, rho, .. } = self.witness;
        Affine { ciphertext: self.C, x, y, rho }
    }

    /// What makes `A`.
    fn masked(&self, masks: &'a Masks) -> Affine<'a> {
        Affine { ciphertext: self.C, x: &masks.alpha, y: &masks.beta, rho: &masks.r }
    }
}

/// Responses and proofs about them on their way: everything but the challenges.
pub struct Begun<C: Curve> {
    masks: Vec<Masks>,
    first: Vec<FirstMessages<C>>,
    responses: Vec<[Ciphertext; 2]>,
}

/// Computes `D` and `Y` and the first messages of the proofs about them, with all exponentiations in one list under the
/// receivers' keys and one under the own. Masks are those of the parts, in order.
///
/// Fails if a `C` is not a unit below `N0^2`.
pub fn begin<C: Curve>(
    parts: &[Part<'_>],
    masks: Vec<Masks>,
    key: &DecryptionKey,
) -> Result<Begun<C>, Rejection> {
    let (responses, first) = compute(parts, &masks, key, true)?;
    Ok(Begun { masks, first, responses })
}

impl<C: Curve> Begun<C> {
    /// `D` and `Y` of each part.
    pub fn responses(&self) -> &[[Ciphertext; 2]] {
        &self.responses
    }

    /// The proofs; the claims are those of the parts, in order.
    pub fn prove(self, claims: &[Claim<'_, C>]) -> Vec<Proof<C>> {
        answer(claims, &self.masks, self.first)
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
    pub witness: Witness<'a>,
}

/// Proves the statement; `key` is the secret half of `statement.prover`. Constant time in witness and masks.
///
/// Fails if `C` is not a unit below `N0^2`. An honest proof fails a range check with probability at most `2^(l-1-eps)`.
pub fn prove<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    witness: &Witness<'_>,
    key: &DecryptionKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Proof<C>, Rejection> {
    let claim = Claim { context: *context, statement: *statement, witness: *witness };
    Ok(prove_all(&[claim], key, rng)?.pop().expect("invariant: one proof per claim"))
}

/// As [`prove`] for a list, with the exponentiations of all proofs in one list.
pub fn prove_all<C: Curve>(
    claims: &[Claim<'_, C>],
    key: &DecryptionKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<Proof<C>>, Rejection> {
    let masks = draw(claims, key, rng);
    let first = commit(claims, &masks, key)?;
    Ok(answer(claims, &masks, first))
}

/// Masks for each claim.
fn draw<C: Curve>(
    claims: &[Claim<'_, C>],
    key: &DecryptionKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<Masks> {
    let own = key.nonces(claims.len(), rng);
    let draw = |(Claim { context, statement, .. }, own): (&Claim<'_, C>, Nonce)| {
        let nonces = [Nonce::random(statement.receiver, rng), own];
        Masks::random(context.level, statement.rp, nonces, rng)
    };
    claims.iter().zip(own).map(draw).collect()
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

/// Verifies: bounds, units, the ranges of `z1` and `z2`, then the equations.
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
fn numbers<'a, C: Curve>(claimed: &Claimed<'a, C>) -> [(&'a Modulus, &'a Natural); 11] {
    let Claimed { statement: Statement { receiver, prover, C, D, Y, rp, .. }, proof, .. } = *claimed;
    let FirstMessages { A, B_y, E, S, F, T, .. } = &proof.first;
    let (n0, n1, ring) = (receiver.n(), prover.n(), rp.modulus());
    let of_receiver = [C, D, A].map(|c| (n0, c.natural()));
    let of_prover = [Y, B_y].map(|c| (n1, c.natural()));
    let [c, d, a] = of_receiver;
    let [y, b] = of_prover;
    [c, d, a, (n0, &proof.w), y, b, (n1, &proof.w_y), (ring, E), (ring, S), (ring, F), (ring, T)]
}

/// What the equations modulo large numbers are made of, once everything else was checked.
struct Checked {
    C: BoxedUint,
    D: BoxedUint,
    A: BoxedUint,
    w: BoxedUint,
    Y: BoxedUint,
    B_y: BoxedUint,
    w_y: BoxedUint,
    E: BoxedUint,
    S: BoxedUint,
    F: BoxedUint,
    T: BoxedUint,
    minus_e: Integer,
}

/// All checks of a proof but the equations modulo large numbers.
fn check<C: Curve>(claimed: &Claimed<'_, C>, units: &Units) -> Result<Checked, Rejection> {
    let Claimed { context, statement, proof } = claimed;
    let p = context.level.parameters();
    let Statement { receiver, prover, X, rp, .. } = statement;
    let Proof { first, z1, z2, z3, z4, .. } = proof;
    let bound = p.ell + p.epsilon + 1;
    require(z3.is_within_scaled(bound, rp.modulus().value()), Rejection::Bound("z3"))?;
    require(z4.is_within_scaled(bound, rp.modulus().value()), Rejection::Bound("z4"))?;

    require(!X.is_identity(), Rejection::Domain("X"))?;
    require(!first.B_x.is_identity(), Rejection::Domain("B_x"))?;
    let C = units.ciphertext(receiver, statement.C).ok_or(Rejection::Unit("C"))?;
    let D = units.ciphertext(receiver, statement.D).ok_or(Rejection::Unit("D"))?;
    let A = units.ciphertext(receiver, &first.A).ok_or(Rejection::Unit("A"))?;
    let w = units.residue(&proof.w, receiver.n()).ok_or(Rejection::Unit("w"))?;
    let Y = units.ciphertext(prover, statement.Y).ok_or(Rejection::Unit("Y"))?;
    let B_y = units.ciphertext(prover, &first.B_y).ok_or(Rejection::Unit("B_y"))?;
    let w_y = units.residue(&proof.w_y, prover.n()).ok_or(Rejection::Unit("w_y"))?;
    let commitment = |value: &Natural, name| units.residue(value, rp.modulus()).ok_or(Rejection::Unit(name));
    let E = commitment(&first.E, "E")?;
    let S = commitment(&first.S, "S")?;
    let F = commitment(&first.F, "F")?;
    let T = commitment(&first.T, "T")?;
    require(z1.is_within(p.ell + p.epsilon), Rejection::Range("z1"))?;
    require(z2.is_within(p.ell_prime + p.epsilon), Rejection::Range("z2"))?;

    let scalar = challenge(context, statement, first);
    let left = Point::mul_generator(&Scalar::from_integer(z1));
    require(left == first.B_x + *X * scalar, Rejection::Equation("X"))?;

    Ok(Checked { C, D, A, w, Y, B_y, w_y, E, S, F, T, minus_e: scalar.to_integer().neg() })
}

/// Queues the equations modulo large numbers.
fn queue<'a, C: Curve>(relations: &mut Relations<'a>, claimed: &Claimed<'a, C>, checked: &Checked) {
    let Claimed { statement: Statement { receiver, prover, rp, .. }, proof, .. } = claimed;
    let Proof { z1, z2, z3, z4, .. } = proof;
    let Checked { C, D, A, w, Y, B_y, w_y, E, S, F, T, minus_e } = checked;
    relations.add_ciphertext("D", receiver, (z2, w), A, &[(C, z1), (D, minus_e)]);
    relations.add_ciphertext("Y", prover, (z2, w_y), B_y, &[(Y, minus_e)]);
    relations.add_commitment("S", rp, (z1, z3), E, &[(S, minus_e)]);
    relations.add_commitment("T", rp, (z2, z4), F, &[(T, minus_e)]);
}

/// First messages.
fn commit<C: Curve>(
    claims: &[Claim<'_, C>],
    masks: &[Masks],
    key: &DecryptionKey,
) -> Result<Vec<FirstMessages<C>>, Rejection> {
    let parts = claims.iter().map(|&Claim { statement, witness, .. }| {
        let Statement { receiver, C, rp, .. } = statement;
        Part { receiver, C, rp, witness }
    });
    let parts: Vec<_> = parts.collect();
    Ok(compute(&parts, masks, key, false)?.1)
}

/// `[D, Y]` of each part, if wanted, and the first messages: one list under the receivers' moduli, one under the own by
/// CRT. `A` and `B_y` are to the masks what `D` and `Y` are to the witness.
#[allow(clippy::type_complexity, reason = "taken apart at once")]
fn compute<C: Curve>(
    parts: &[Part<'_>],
    masks: &[Masks],
    key: &DecryptionKey,
    with_responses: bool,
) -> Result<(Vec<[Ciphertext; 2]>, Vec<FirstMessages<C>>), Rejection> {
    let bases = bases(parts)?;
    let mut powers = Powers::new();
    let mut queued = Vec::with_capacity(parts.len());
    for ((part, masks), base) in parts.iter().zip(masks).zip(&bases) {
        let Part { receiver, rp, witness, .. } = part;
        let D = with_responses.then(|| receiver.queue_affine(&mut powers, &part.response(), base));
        let A = receiver.queue_affine(&mut powers, &part.masked(masks), base);
        let E = rp.queue(&mut powers, &masks.alpha, &masks.gamma);
        let S = rp.queue(&mut powers, witness.x, &masks.m);
        let F = rp.queue(&mut powers, &masks.beta, &masks.delta);
        queued.push((D, A, E, S, F, rp.queue(&mut powers, witness.y, &masks.mu)));
    }
    let results = powers.run();
    let own = parts.iter().filter(|_| with_responses).map(|part| (part.witness.y, part.witness.rho_y));
    let plain: Vec<_> = own.chain(masks.iter().map(|masks| (&masks.beta, &masks.r_y))).collect();
    let mut encrypted = key.encrypt(&plain);
    let of_masks = encrypted.split_off(if with_responses { parts.len() } else { 0 });
    // D, A, E to T, and B_x of each.
    let finished = for_each(parts.iter().zip(masks).zip(&queued), |((part, masks), queued)| {
        let (receiver, rp) = (part.receiver, part.rp);
        let finish = |queued: &_, affine: &Affine<'_>| receiver.finish_affine(&results, queued, affine);
        let (D, A, E, S, F, T) = queued;
        (
            D.as_ref().map(|D| finish(D, &part.response())),
            finish(A, &part.masked(masks)),
            [*E, *S, *F, *T].map(|commitment| rp.finish(&results, commitment)),
            Point::mul_generator(&Scalar::from_integer(&masks.alpha)),
        )
    });
    let mut own = encrypted.into_iter();
    let (mut responses, mut first) = (Vec::with_capacity(own.len()), Vec::with_capacity(parts.len()));
    for ((D, A, [E, S, F, T], B_x), B_y) in finished.into_iter().zip(of_masks) {
        responses.extend(D.zip(own.next()).map(|(D, Y)| [D, Y]));
        first.push(FirstMessages { A, B_x, B_y, E, S, F, T });
    }
    Ok((responses, first))
}

/// The receivers' ciphertexts with their inverses. Parts for one receiver follow each other; one inversion serves them all.
fn bases(parts: &[Part<'_>]) -> Result<Vec<[BoxedUint; 2]>, Rejection> {
    let same = |a: &Part<'_>, b: &Part<'_>| a.receiver.n().value() == b.receiver.n().value();
    let mut bases = Vec::with_capacity(parts.len());
    for parts in parts.chunk_by(same) {
        let receiver = parts.first().map(|part| part.receiver);
        let ciphertexts = parts.iter().map(|part| part.C);
        bases.extend(receiver.and_then(|key| key.invertible(ciphertexts)).ok_or(Rejection::Unit("C"))?);
    }
    Ok(bases)
}

/// Responses to the challenges that the first messages give.
fn answer<C: Curve>(claims: &[Claim<'_, C>], masks: &[Masks], first: Vec<FirstMessages<C>>) -> Vec<Proof<C>> {
    let said: Vec<_> = claims.iter().zip(&first).collect();
    let e = for_each(&said, |(claim, first)| challenge(&claim.context, &claim.statement, first).to_integer());
    let nonces =
        claims.iter().zip(masks).zip(&e).flat_map(|((Claim { statement, witness, .. }, masks), e)| {
            let w = Response { key: statement.receiver, e, r: &masks.r, rho: witness.rho };
            [w, Response { key: statement.prover, e, r: &masks.r_y, rho: witness.rho_y }]
        });
    let mut responses = respond(&nonces.collect::<Vec<_>>()).into_iter();
    let mut next = || responses.next().expect("invariant: two responses per proof");
    let parts = claims.iter().zip(masks).zip(&e).zip(first);
    parts
        .map(|(((Claim { witness, .. }, masks), e), first)| Proof {
            first,
            z1: masks.alpha.add(&e.mul(witness.x)).trimmed_public(),
            z2: masks.beta.add(&e.mul(witness.y)).trimmed_public(),
            z3: masks.gamma.add(&e.mul(&masks.m)).trimmed_public(),
            z4: masks.delta.add(&e.mul(&masks.mu)).trimmed_public(),
            w: next(),
            w_y: next(),
        })
        .collect()
}

fn challenge<C: Curve>(
    context: &Context<'_>,
    statement: &Statement<'_, C>,
    first: &FirstMessages<C>,
) -> Scalar<C> {
    let Statement { receiver, prover, C, D, Y, X, rp } = statement;
    let FirstMessages { A, B_x, B_y, E, S, F, T } = first;
    let mut transcript = context.transcript::<C>(Purpose::ProofAffG);
    transcript
        .natural("N0", receiver.n().value())
        .natural("N1", prover.n().value())
        .natural("C", C.natural().value())
        .natural("D", D.natural().value())
        .natural("Y", Y.natural().value())
        .point("X", X)
        .natural("N^", rp.modulus().value())
        .natural("s", rp.s())
        .natural("t", rp.t())
        .natural("A", A.natural().value())
        .point("B_x", B_x)
        .natural("B_y", B_y.natural().value())
        .natural("E", E.value())
        .natural("S", S.value())
        .natural("F", F.value())
        .natural("T", T.value());
    transcript.challenge_scalar()
}
