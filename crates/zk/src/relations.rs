//! Multiplicative equations as a verifier checks them: `product of base^exponent = 1` modulo some `N`.
//!
//! Factors with a negative exponent move to the other side, so nothing is inverted. Sound for units only: check units
//! first. All exponentiations of all equations of a proof form one list.

use consign_modexp::{BoxedUint, Modulus};

use crate::integer::Integer;
use crate::powers::{Powers, Slot};
use crate::rejection::Rejection;

#[cfg(test)]
mod tests;

/// Equations of one proof.
#[derive(Default)]
pub struct Relations<'a> {
    powers: Powers<'a>,
    equations: Vec<Equation<'a>>,
}

struct Equation<'a> {
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
        let mut equation = Equation { name, modulus, left: values(left), right: values(right) };
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

    /// Computes the list; the first equation that fails is named.
    pub fn verify(self) -> Result<(), Rejection> {
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
                return Err(Rejection::Equation(equation.name));
            }
        }
        Ok(())
    }
}

fn values(list: &[&BoxedUint]) -> Vec<Factor> {
    list.iter().map(|&value| Factor::Value(value.clone())).collect()
}
