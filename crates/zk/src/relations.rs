//! Multiplicative equations as a verifier checks them: `product of base^exponent = 1` modulo some `N`.
//!
//! Factors with a negative exponent move to the other side, so nothing is inverted. Sound for units only: check units
//! first. All exponentiations of all equations of a proof, or of several, form one list.

use consign_modexp::{BoxedUint, Modulus};

use crate::integer::Integer;
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
    /// Position of the proof whose equations are added.
    proof: usize,
}

/// The proof of a list that is refused, by its position, and why.
pub type Refused = (usize, Rejection);

/// Verifies a list of proofs as if one after another, with the exponentiations of all in one list: `queue` checks what is
/// cheap and adds the equations of one proof. The first proof that fails is named.
pub fn verify_all<'a, T>(
    proofs: impl IntoIterator<Item = T>,
    queue: impl Fn(&mut Relations<'a>, T) -> Result<(), Rejection>,
) -> Result<(), Refused> {
    let mut relations = Relations::new();
    let mut refused = Ok(());
    for (position, proof) in proofs.into_iter().enumerate() {
        relations.proof = position;
        if let Err(rejection) = queue(&mut relations, proof) {
            // What is queued of this proof or of earlier ones may fail as well, and earlier ones come first.
            refused = Err((position, rejection));
            break;
        }
    }
    match (relations.verify_each(), refused) {
        (Err(equation), Err(other)) if other.0 <= equation.0 => Err(other),
        (Err(equation), _) => Err(equation),
        (Ok(()), refused) => refused,
    }
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
    /// No equations yet.
    pub fn new() -> Self {
        Self::default()
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

    /// Computes the list; the first equation that fails is named.
    pub fn verify(self) -> Result<(), Rejection> {
        self.verify_each().map_err(|(_, rejection)| rejection)
    }

    /// As [`Relations::verify`], with the position of the proof.
    fn verify_each(self) -> Result<(), Refused> {
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
                return Err((equation.proof, Rejection::Equation(equation.name)));
            }
        }
        Ok(())
    }
}

fn values(list: &[&BoxedUint]) -> Vec<Factor> {
    list.iter().map(|&value| Factor::Value(value.clone())).collect()
}
