//! Lists of exponentiations with signed exponents: what provers and verifiers hand to the engine.

use consign_modexp::{BoxedUint, Modulus, Power, Timing, powers};
use crypto_bigint::{CtSelect, Resize};
use zeroize::Zeroize;

use crate::integer::Integer;

#[cfg(test)]
mod tests;

/// A list being built. Each `push_*` returns where the result will be.
#[derive(Default)]
pub struct Powers<'a> {
    jobs: Vec<Job<'a>>,
}

/// Index of a result.
#[derive(Clone, Copy)]
pub struct Slot(usize);

/// Results of a list, wiped when dropped.
pub struct Results(Vec<BoxedUint>);

struct Job<'a> {
    modulus: &'a Modulus,
    base: BoxedUint,
    exponent: BoxedUint,
    timing: Timing,
}

impl<'a> Powers<'a> {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `base^exponent mod modulus` for a *public* unit `base` and a secret exponent, whose sign stays secret too.
    ///
    /// Panics if `base` is not a unit: bases are checked on receipt.
    pub fn push_secret(&mut self, modulus: &'a Modulus, base: &BoxedUint, exponent: &Integer) -> Slot {
        let inverse = modulus.invert_public(base).expect("invariant: public bases are checked to be units");
        self.push_secret_with_inverse(modulus, base, &inverse, exponent)
    }

    /// As [`Powers::push_secret`] when the inverse of `base` is known already.
    pub fn push_secret_with_inverse(
        &mut self,
        modulus: &'a Modulus,
        base: &BoxedUint,
        inverse: &BoxedUint,
        exponent: &Integer,
    ) -> Slot {
        let base = base.ct_select(inverse, exponent.is_negative());
        self.push(Job { modulus, base, exponent: exponent.magnitude().clone(), timing: Timing::Secret })
    }

    /// Adds `base^exponent mod modulus` with everything public and the exponent not negative.
    pub fn push_public(&mut self, modulus: &'a Modulus, base: &BoxedUint, exponent: &BoxedUint) -> Slot {
        let exponent = exponent.resize_unchecked(exponent.bits_vartime().max(1));
        self.push(Job { modulus, base: base.clone(), exponent, timing: Timing::Public })
    }

    /// Adds `base^exponent mod modulus` for a *secret* base and a public non-negative exponent.
    pub fn push_secret_base(&mut self, modulus: &'a Modulus, base: &BoxedUint, exponent: &BoxedUint) -> Slot {
        self.push(Job { modulus, base: base.clone(), exponent: exponent.clone(), timing: Timing::Secret })
    }

    /// Computes everything.
    pub fn run(self) -> Results {
        let list: Vec<_> = self
            .jobs
            .iter()
            .map(|job| Power {
                base: &job.base,
                exponent: &job.exponent,
                modulus: job.modulus,
                timing: job.timing,
            })
            .collect();
        Results(powers(&list))
    }

    fn push(&mut self, job: Job<'a>) -> Slot {
        self.jobs.push(job);
        Slot(self.jobs.len() - 1)
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        if self.timing == Timing::Secret {
            self.base.zeroize();
            self.exponent.zeroize();
        }
    }
}

/// Results of secret exponentiations are secret until they are blinded: `rho^N` opens its ciphertext.
impl Drop for Results {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl core::ops::Index<Slot> for Results {
    type Output = BoxedUint;
    fn index(&self, slot: Slot) -> &BoxedUint {
        self.0.get(slot.0).expect("invariant: slots come from the list that was run")
    }
}
