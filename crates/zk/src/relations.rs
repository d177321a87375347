//! Multiplicative equations as a verifier checks them: `product of base^exponent = 1` modulo some `N`.
//!
//! Factors with a negative exponent move to the other side, so nothing is inverted. Sound for units only: check units
//! first. All exponentiations of all equations of a proof, or of several, form one list. Whose aid says so verifies those
//! modulo the square of one `N` in a batch (`batch.rs`), and one by one if anything is refused.

use consign_modexp::{BoxedUint, Modulus};

use crate::aid::Aid;
use crate::batch::{self, Batch, by_modulus};
use crate::integer::Integer;
use crate::paillier::{DecryptionKey, EncryptionKey};
use crate::powers::{Powers, Slot};
use crate::rejection::Rejection;
use crate::ring_pedersen::RingPedersen;

#[cfg(test)]
mod tests;

/// Equations of one proof, or of a list of proofs.
#[derive(Default)]
pub struct Relations<'a> {
    powers: Powers<'a>,
    equations: Vec<Equation<'a>>,
    /// Equations modulo squares of a Paillier modulus that the aid makes faster.
    aided: Vec<batch::Equation<'a>>,
    aid: Option<&'a Aid>,
    /// Position of the proof whose equations are added.
    proof: usize,
}

/// The proof of a list that is refused, by its position, and why.
pub type Refused = (usize, Rejection);

/// Verifies a list of proofs as if one after another, with the exponentiations of all in one list: `queue` checks what is
/// cheap and adds the equations of one proof. The first proof that fails is named.
///
/// If one is refused, the list is verified once more without aid, batches, lanes and tables, and that result counts: so a
/// mistake in what makes verifying fast accuses nobody, and who is named, and for what, is as a judge finds it.
pub fn verify_all<'a, T>(
    proofs: &'a [T],
    aid: &'a Aid,
    queue: impl Fn(&mut Relations<'a>, &'a T) -> Result<(), Rejection>,
) -> Result<(), Refused> {
    verify_once(proofs, aid, &queue).or_else(|_| verify_scalar(proofs, &queue))
}

/// Verifies the equations of one proof, each by itself and without aid: `queue` checks what is cheap and adds them. The
/// first that fails is named.
///
/// If it is refused, it is verified once more without lanes and tables, as in [`verify_all`].
pub fn verify_one<'a>(queue: impl Fn(&mut Relations<'a>) -> Result<(), Rejection>) -> Result<(), Rejection> {
    let queue = |relations: &mut Relations<'a>, (): &()| queue(relations);
    verify_fast(&[()], Relations::default(), &queue)
        .or_else(|_| verify_scalar(&[()], &queue))
        .map_err(|(_, why)| why)
}

/// The fast way alone: what it refuses may be a mistake of ours, and a batch does not tell which proof is to blame.
pub(crate) fn verify_once<'a, T>(
    proofs: &'a [T],
    aid: &'a Aid,
    queue: &impl Fn(&mut Relations<'a>, &'a T) -> Result<(), Rejection>,
) -> Result<(), Refused> {
    verify_fast(proofs, Relations { aid: Some(aid), ..Relations::default() }, queue)
}

/// Computes nothing if anything is refused without: who is named is for [`verify_scalar`] to find.
fn verify_fast<'a, T>(
    proofs: &'a [T],
    mut relations: Relations<'a>,
    queue: &impl Fn(&mut Relations<'a>, &'a T) -> Result<(), Rejection>,
) -> Result<(), Refused> {
    relations.queue_all(proofs, queue)?;
    relations.verify_each()
}

/// The verdict: without aid, batches, lanes and tables.
fn verify_scalar<'a, T>(
    proofs: &'a [T],
    queue: &impl Fn(&mut Relations<'a>, &'a T) -> Result<(), Rejection>,
) -> Result<(), Refused> {
    let mut relations = Relations { powers: Powers::scalar(), ..Relations::default() };
    let refused = relations.queue_all(proofs, queue);
    // Earlier proofs, whose equations are queued, come first.
    relations.verify_each().and(refused)
}

struct Equation<'a> {
    proof: usize,
    name: &'static str,
    modulus: &'a Modulus,
    left: Vec<Factor>,
    right: Vec<Factor>,
}

enum Factor {
    Value(BoxedUint),
    Power(Slot),
}

impl<'a> Relations<'a> {
    /// Adds the equations of each proof, up to the first that is refused without computing any.
    fn queue_all<T>(
        &mut self,
        proofs: &'a [T],
        queue: &impl Fn(&mut Self, &'a T) -> Result<(), Rejection>,
    ) -> Result<(), Refused> {
        for (position, proof) in proofs.iter().enumerate() {
            self.proof = position;
            queue(self, proof).map_err(|rejection| (position, rejection))?;
        }
        Ok(())
    }

    /// Adds the equation `product of values on the left * product of base^exponent = product of values on the right`.
    /// Exponents may be negative.
    pub fn add(
        &mut self,
        name: &'static str,
        modulus: &'a Modulus,
        left: &[&BoxedUint],
        right: &[&BoxedUint],
        powers: &[(&BoxedUint, &Integer)],
    ) {
        let proof = self.proof;
        let mut equation = Equation { proof, name, modulus, left: values(left), right: values(right) };
        for (base, exponent) in powers {
            let factor = Factor::Power(self.powers.push_public(modulus, base, exponent.magnitude()));
            if exponent.is_negative().to_bool() {
                equation.right.push(factor);
            } else {
                equation.left.push(factor);
            }
        }
        self.equations.push(equation);
    }

    /// Adds the equation `s^x t^y * product of base^exponent = right` under ring-Pedersen parameters, where `(x, y)` is
    /// `opening`.
    pub fn add_commitment(
        &mut self,
        name: &'static str,
        rp: &'a RingPedersen,
        opening: (&Integer, &Integer),
        right: &BoxedUint,
        powers: &[(&BoxedUint, &Integer)],
    ) {
        let (x, y) = opening;
        match rp.queue_public(&mut self.powers, x, y) {
            Some(slot) => {
                self.add(name, rp.modulus(), &[], &[right], powers);
                self.multiply(slot);
            }
            None => {
                let factors: Vec<_> =
                    [(rp.s(), x), (rp.t(), y)].into_iter().chain(powers.iter().copied()).collect();
                self.add(name, rp.modulus(), &[], &[right], &factors);
            }
        }
    }

    /// Adds the equation `enc(z; w) * product of base^exponent = right` modulo `N^2`, by the factors of `N` if they are
    /// the verifier's, in a batch if it verifies in batches. All ciphertexts and `w` must be known to be units.
    pub fn add_ciphertext(
        &mut self,
        name: &'static str,
        key: &'a EncryptionKey,
        (z, w): (&Integer, &BoxedUint),
        right: &BoxedUint,
        powers: &[(&BoxedUint, &Integer)],
    ) {
        if self.aid.is_some_and(|aid| aid.weights().is_some() || aid.secret_of(key).is_some()) {
            let powers = powers.iter().map(|&(base, exponent)| (base.clone(), exponent.clone())).collect();
            let (z, w, right) = (z.clone(), w.clone(), right.clone());
            self.aided.push(batch::Equation { proof: self.proof, name, key, z, w, right, powers });
            return;
        }
        self.add_ciphertext_alone(name, key, (z, w), right, powers);
    }

    /// As [`Relations::add_ciphertext`], by itself and without factors.
    fn add_ciphertext_alone<'b>(
        &mut self,
        name: &'static str,
        key: &'a EncryptionKey,
        (z, w): (&'b Integer, &'b BoxedUint),
        right: &BoxedUint,
        powers: &[(&'b BoxedUint, &'b Integer)],
    ) {
        let embedded = key.embed(z);
        let n = Integer::from_natural(key.n().value());
        let all: Vec<_> = powers.iter().copied().chain([(w, &n)]).collect();
        self.add(name, key.nn(), &[&embedded], &[right], &all);
    }

    /// Adds the equation `t^y = product of values on the right` under ring-Pedersen parameters.
    pub fn add_power_of_t(
        &mut self,
        name: &'static str,
        rp: &'a RingPedersen,
        y: &Integer,
        right: &[&BoxedUint],
    ) {
        match rp.queue_public_t(&mut self.powers, y) {
            Some(slot) => {
                self.add(name, rp.modulus(), &[], right, &[]);
                self.multiply(slot);
            }
            None => self.add(name, rp.modulus(), &[], right, &[(rp.t(), y)]),
        }
    }

    /// A factor on the left of the equation added last.
    fn multiply(&mut self, slot: Slot) {
        let last = self.equations.last_mut().expect("invariant: an equation was added");
        last.left.push(Factor::Power(slot));
    }

    /// Computes the list; the first equation that fails is named, with the position of its proof.
    fn verify_each(mut self) -> Result<(), Refused> {
        let (own, batches) = self.arrange();
        let results = self.powers.run();
        for equation in &self.equations {
            let product = |side: &[Factor]| {
                let one = equation
                    .modulus
                    .reduce(&BoxedUint::one_with_precision(equation.modulus.value().bits_precision()));
                side.iter().fold(one, |product, factor| match factor {
                    Factor::Value(value) => equation.modulus.mul(&product, value),
                    Factor::Power(slot) => equation.modulus.mul(&product, &results[*slot]),
                })
            };
            if product(&equation.left) != product(&equation.right) {
                let refused = (equation.proof, Rejection::Equation(equation.name));
                return Err(own.err().filter(|own| own.0 <= refused.0).unwrap_or(refused));
            }
        }
        own?;
        // Which proof it was, the equations one by one must tell.
        if Batch::hold(&batches, &results) { Ok(()) } else { Err((0, Rejection::Equation("batch"))) }
    }

    /// Sorts what the aid makes faster: batches, whose powers are queued, and the verdict on equations modulo the square
    /// of the own modulus one by one. What is left alone is queued as without an aid.
    fn arrange(&mut self) -> (Result<(), Refused>, Vec<Batch<'a>>) {
        let (mut own, mut batches) = (Ok(()), Vec::new());
        for group in by_modulus(std::mem::take(&mut self.aided)) {
            let key = group.first().map(|equation| equation.key);
            let secret = self.aid.zip(key).and_then(|(aid, key)| aid.secret_of(key));
            let weights = self.aid.and_then(Aid::weights).filter(|_| group.len() >= batch::LEAST);
            match (weights, secret) {
                (Some(weights), _) => {
                    batches.extend(Batch::queue(weights, secret, &group, &mut self.powers));
                }
                (None, Some(secret)) => own = own.and(verify_own(secret, &group)),
                (None, None) => {
                    for equation in &group {
                        let batch::Equation { proof, name, key, z, w, right, powers } = equation;
                        let powers: Vec<_> = powers.iter().map(|(base, exponent)| (base, exponent)).collect();
                        self.proof = *proof;
                        self.add_ciphertext_alone(name, key, (z, w), right, &powers);
                    }
                }
            }
        }
        (own, batches)
    }
}

/// The first equation modulo the square of the own modulus that fails. Nothing computed here leaves.
fn verify_own(key: &DecryptionKey, list: &[batch::Equation<'_>]) -> Result<(), Refused> {
    let (factors, nn) = (key.factors(), key.public().nn());
    let noise = factors.nth_powers_unpublished(&list.iter().map(|equation| &equation.w).collect::<Vec<_>>());
    let powers: Vec<_> = list
        .iter()
        .flat_map(|equation| equation.powers.iter().map(|(base, exponent)| (base, exponent.magnitude())))
        .collect();
    let mut powers = factors.powers_squared_unpublished(&powers).into_iter();
    for (equation, noise) in list.iter().zip(&noise) {
        let (mut left, mut right) = (nn.mul(&key.public().embed(&equation.z), noise), equation.right.clone());
        for ((_, exponent), power) in equation.powers.iter().zip(powers.by_ref()) {
            let side = if exponent.is_negative().to_bool() { &mut right } else { &mut left };
            *side = nn.mul(side, &power);
        }
        if left != right {
            return Err((equation.proof, Rejection::Equation(equation.name)));
        }
    }
    Ok(())
}

fn values(list: &[&BoxedUint]) -> Vec<Factor> {
    list.iter().map(|&value| Factor::Value(value.clone())).collect()
}
