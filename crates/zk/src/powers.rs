//! Lists of exponentiations with signed exponents: what provers and verifiers hand to the engine.

use consign_modexp::{
    BoxedUint, FixedBase, FixedPower, Modulus, Power, Timing, fixed_products, powers, powers_without_lanes,
};
use crypto_bigint::{Choice, CtSelect, Resize};
use zeroize::Zeroize;

use crate::integer::Integer;

#[cfg(test)]
pub(crate) mod tests;

/// A list being built. Each `push_*` returns where the result will be.
#[derive(Default)]
pub struct Powers<'a> {
    jobs: Vec<Job<'a>>,
    products: Vec<Vec<FixedJob<'a>>>,
    scalar: bool,
}

/// Where a result will be.
#[derive(Clone, Copy)]
pub struct Slot(Place);

#[derive(Clone, Copy)]
enum Place {
    Power(usize),
    Product(usize),
}

/// Results of a list, wiped when dropped.
pub struct Results {
    powers: Vec<BoxedUint>,
    products: Vec<BoxedUint>,
}

struct Job<'a> {
    modulus: &'a Modulus,
    base: BoxedUint,
    exponent: BoxedUint,
    timing: Timing,
}

/// A factor of a product of powers of fixed bases.
struct FixedJob<'a> {
    base: &'a FixedBase,
    exponent: BoxedUint,
    negative: Choice,
    timing: Timing,
}

impl<'a> Powers<'a> {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty list that is computed without lanes and tables, as verdicts are.
    pub(crate) fn scalar() -> Self {
        Self { scalar: true, ..Self::default() }
    }

    /// Whether tables may be used.
    pub(crate) fn takes_tables(&self) -> bool {
        !self.scalar
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
        self.push(Job { modulus, base: base.clone(), exponent: exponent.clone(), timing: Timing::SecretBase })
    }

    /// Adds a product of powers of fixed bases, at least one, with secret exponents, whose signs stay secret too.
    pub fn push_fixed_secret(&mut self, factors: &[(&'a FixedBase, &Integer)]) -> Slot {
        let job = |&(base, exponent): &(&'a FixedBase, &Integer)| FixedJob {
            base,
            exponent: exponent.magnitude().clone(),
            negative: exponent.is_negative(),
            timing: Timing::Secret,
        };
        self.push_fixed(factors.iter().map(job).collect())
    }

    /// As [`Powers::push_fixed_secret`] with everything public.
    pub fn push_fixed_public(&mut self, factors: &[(&'a FixedBase, &Integer)]) -> Slot {
        let job = |&(base, exponent): &(&'a FixedBase, &Integer)| FixedJob {
            base,
            exponent: exponent.magnitude().clone(),
            negative: exponent.is_negative(),
            timing: Timing::Public,
        };
        self.push_fixed(factors.iter().map(job).collect())
    }

    fn push_fixed(&mut self, factors: Vec<FixedJob<'a>>) -> Slot {
        self.products.push(factors);
        Slot(Place::Product(self.products.len() - 1))
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
        let products: Vec<Vec<_>> = self
            .products
            .iter()
            .map(|factors| {
                factors
                    .iter()
                    .map(|job| FixedPower {
                        base: job.base,
                        exponent: &job.exponent,
                        negative: job.negative,
                        timing: job.timing,
                    })
                    .collect()
            })
            .collect();
        let compute = if self.scalar { powers_without_lanes } else { powers };
        let results = Results { powers: compute(&list), products: fixed_products(&products) };
        #[cfg(test)]
        let results = tests::disturbed(self.scalar, results);
        results
    }

    fn push(&mut self, job: Job<'a>) -> Slot {
        self.jobs.push(job);
        Slot(Place::Power(self.jobs.len() - 1))
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        if self.timing != Timing::Public {
            self.base.zeroize();
            self.exponent.zeroize();
        }
    }
}

impl Drop for FixedJob<'_> {
    fn drop(&mut self) {
        self.exponent.zeroize();
        self.negative = Choice::FALSE;
    }
}

/// Results of secret exponentiations are secret until they are blinded: `rho^N` opens its ciphertext.
impl Drop for Results {
    fn drop(&mut self) {
        self.powers.iter_mut().chain(&mut self.products).for_each(Zeroize::zeroize);
    }
}

impl core::ops::Index<Slot> for Results {
    type Output = BoxedUint;
    fn index(&self, slot: Slot) -> &BoxedUint {
        let found = match slot.0 {
            Place::Power(index) => self.powers.get(index),
            Place::Product(index) => self.products.get(index),
        };
        found.expect("invariant: slots come from the list that was run")
    }
}
