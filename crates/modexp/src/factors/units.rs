//! Random units mod `N` with their N-th powers mod `N²`, for the owner of primes `p = 2rp' + 1` with `r` prime or 1: what own
//! encryptions take.
//!
//! −1 is no square mod `p`, and squares have orders that divide `rp'`. So `−a²` generates all units unless `a²` has a smaller
//! order: 1, or of nearly safe primes `r` or `p'`. Order `p'` is looked for; `a = 2` has it for one `p` in `r`. Order `r` is not:
//! that `2^(2r) ≢ 1` is part of the proof of primes that the search found (`primes/nearly_safe.rs`), and of others, and for `a = 3`,
//! `a^(2r) − 1` has at most `4r/b` prime factors of `b` bits, fewer than 2,000 of 1536.
//!
//! With this `g` and an `x` uniform below `p − 1`, `u = g^x mod p` is uniform among the units. N-th powers mod `p²` depend on what
//! `u` is mod `p` alone, so `u^N = (g^N)^x mod p²`. Bases stay the same, so both are products from tables: a fifth of the work of a
//! power by `q` mod `p` and one by `p` mod `p²`. That `u mod N` comes from its halves makes it uniform among the units mod `N`.
//!
//! The tables tell the primes. They are wiped with the factors.

use crypto_bigint::{BoxedUint, Choice};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::Factors;
use super::half::{Half, Secret};
use crate::fixed::{FixedBase, FixedPower, fixed_products};
use crate::modulus::Modulus;
use crate::powers::Timing;

/// What generates the units of one half, with tables.
pub(super) struct Generator {
    /// All units mod `p`.
    unit: FixedBase,
    /// Their N-th powers mod `p²`.
    nth_power: FixedBase,
}

/// A random unit mod `N` with its N-th power mod `N²`. As secret as what it will encrypt: who takes it wipes it.
pub struct RandomUnit {
    /// The unit.
    pub value: BoxedUint,
    /// Its power.
    pub nth_power: BoxedUint,
}

impl Factors {
    /// Uniform units mod `N` with their N-th powers mod `N²`, checked against faults. Both primes must be safe or nearly
    /// safe ones above 5, which is the caller's word: modulo others not all units might come.
    ///
    /// The first call makes tables: see [`Factors::prepare_units`].
    pub fn random_units(&self, count: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<RandomUnit> {
        let exponents: Vec<_> = (0..count)
            .map(|_| self.sides().map(|(half, _)| Zeroizing::new(half.random_exponent(rng))))
            .collect();
        let [values, powers] = self.checked(
            || self.units(&exponents),
            |[values, powers]| self.are_nth_powers(&values.iter().collect::<Vec<_>>(), powers),
        );
        let pairs = values.into_iter().zip(powers);
        pairs.map(|(value, nth_power)| RandomUnit { value, nth_power }).collect()
    }

    /// Makes the tables of [`Factors::random_units`] if there are none yet. They take 1 MiB at 1536 bits per prime, and as
    /// long as a dozen N-th powers.
    pub fn prepare_units(&self) {
        self.generators();
    }

    fn generators(&self) -> &[Generator; 2] {
        self.generators.get_or_init(|| {
            let [p, q] = self.sides().map(|(half, _)| half.generator());
            let root = Zeroizing::new(self.combine(&p, &q));
            let inverse = self.modulus.invert_secret(&root).map(Zeroizing::new);
            let inverse = inverse.expect("invariant: the factors of N are above 2");
            let powers = Zeroizing::new(self.nth_powers(&[&root, &inverse]));
            let [power, power_inverse] = powers.as_slice() else { unreachable!("one power for each") };
            let [unit_p, unit_q] = self.bases(Half::prime, &root, &inverse);
            let [power_p, power_q] = self.bases(Half::plain_square, power, power_inverse);
            [Generator { unit: unit_p, nth_power: power_p }, Generator { unit: unit_q, nth_power: power_q }]
        })
    }

    /// A number with its inverse as a fixed base of each half.
    fn bases(&self, modulus: fn(&Half) -> &Modulus, x: &BoxedUint, inverse: &BoxedUint) -> [FixedBase; 2] {
        let sides = self.sides();
        let reduced = sides.map(|(half, _)| [x, inverse].map(|x| Zeroizing::new(modulus(half).reduce(x))));
        let list: Vec<_> = sides
            .iter()
            .zip(&reduced)
            .map(|((half, _), [x, inverse])| (modulus(half), &**x, &**inverse))
            .collect();
        let bits = sides.map(|(half, _)| half.order().bits_precision()).into_iter().max().unwrap_or_default();
        let bases: [_; 2] =
            FixedBase::prepare(&list, bits).try_into().ok().expect("invariant: one for each half");
        bases
    }

    /// The units with these exponents mod `p` and mod `q`, and their N-th powers.
    pub(super) fn units(&self, exponents: &[[Secret; 2]]) -> [Vec<BoxedUint>; 2] {
        let generators = self.generators();
        let list: Vec<Vec<FixedPower<'_>>> = [Generator::unit, Generator::nth_power]
            .iter()
            .flat_map(|base| exponents.iter().map(move |pair| (base, pair)))
            .flat_map(|(base, pair)| generators.iter().zip(pair).map(|(half, x)| vec![raised(base(half), x)]))
            .collect();
        let mut results = fixed_products(&list).into_iter().map(Zeroizing::new);
        let mut halves = || -> Vec<[Secret; 2]> {
            exponents.iter().filter_map(|_| Some([results.next()?, results.next()?])).collect()
        };
        let (units, powers) = (halves(), halves());
        [self.join(&units, Self::combine), self.join(&powers, Self::combine_squared)]
    }
}

impl Generator {
    fn unit(&self) -> &FixedBase {
        &self.unit
    }

    fn nth_power(&self) -> &FixedBase {
        &self.nth_power
    }
}

/// A product of one factor.
fn raised<'a>(base: &'a FixedBase, exponent: &'a BoxedUint) -> FixedPower<'a> {
    FixedPower { base, exponent, negative: Choice::FALSE, timing: Timing::Secret }
}
