//! Whether lanes are used: the switch, and a test with a known answer before their first use.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crypto_bigint::{BoxedUint, ConcatenatingSquare};

use super::across::MAX_COLUMNS;
use super::vector::DIGIT_BITS;
use super::{Base, Exponents, Kernel, LANES, SPARE_BITS, alone, fixed, powers};
use crate::awslc::Word;
use crate::modulus::Modulus;
use crate::powers::{Power, Timing, power};

/// Whether lists of exponentiations are computed in lanes of AVX512-IFMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// They are.
    Used,
    /// They are switched off.
    Off,
    /// This processor lacks the instructions.
    Absent,
    /// The instructions gave other results than AWS-LC in the test before their first use, so they are not used:
    /// the processor, or the program, has an error.
    Faulty,
}

impl Lanes {
    /// One word for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Lanes::Used => "used",
            Lanes::Off => "off",
            Lanes::Absent => "absent",
            Lanes::Faulty => "faulty",
        }
    }
}

impl fmt::Display for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The switch of a process, and what the test of its kernel said.
pub(super) struct Switch {
    on: AtomicBool,
    detect: fn() -> Option<&'static Kernel>,
    found: OnceLock<Found>,
}

/// A kernel after its test.
enum Found {
    Absent,
    Faulty,
    Sound(&'static Kernel),
}

impl Switch {
    /// Switched on; `detect` is asked once, when the kernel is first wanted.
    pub(super) const fn new(detect: fn() -> Option<&'static Kernel>) -> Self {
        Self { on: AtomicBool::new(true), detect, found: OnceLock::new() }
    }

    pub(super) fn set(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    /// The kernel to use, if any.
    pub(super) fn kernel(&self) -> Option<&'static Kernel> {
        match self.found() {
            Some(Found::Sound(kernel)) => Some(kernel),
            Some(Found::Absent | Found::Faulty) | None => None,
        }
    }

    /// What [`Switch::kernel`] goes by.
    pub(super) fn state(&self) -> Lanes {
        match self.found() {
            None => Lanes::Off,
            Some(Found::Absent) => Lanes::Absent,
            Some(Found::Faulty) => Lanes::Faulty,
            Some(Found::Sound(_)) => Lanes::Used,
        }
    }

    /// None if switched off.
    fn found(&self) -> Option<&Found> {
        let find = || match (self.detect)() {
            None => Found::Absent,
            Some(kernel) if agrees(kernel) => Found::Sound(kernel),
            Some(_) => Found::Faulty,
        };
        self.on.load(Ordering::Relaxed).then(|| self.found.get_or_init(find))
    }
}

/// The shortest and the longest modulus of three blocks, of which the squares have pairs.
const TEST_BITS: (u32, u32) = (515, 774);

/// Bits of the test's exponents: more than two words, and no whole number of windows.
const TEST_EXPONENT_BITS: u32 = 131;

/// Bits of the exponent of numbers of every width.
const WIDTHS_EXPONENT_BITS: u32 = 12;

/// Whether the kernel computes what AWS-LC does: eight moduli of two lengths with the most and the fewest carries,
/// bases and exponents at both ends and between, and a root of zero, whose powers alone need the last subtraction; then
/// the powers of two modulo the same; and modulo their squares;
/// all in lanes and across them; then products from tables.
fn agrees(kernel: &Kernel) -> bool {
    let (short, long) = TEST_BITS;
    let least = |bits: u32| power_of_two(bits - 1).bitor(&BoxedUint::one());
    let between = |bits: u32, seed| pattern(bits, seed).bitor(&least(bits));
    let moduli = [
        ones(long),
        least(long),
        ones(short),
        least(short),
        between(long, 1),
        between(short, 2),
        between(long, 3),
        ones(long / 2).concatenating_square(),
    ]
    .map(|n| Modulus::new(&n).expect("invariant: odd and of bounded size"));
    let [m0, m1, m2, m3, m4, m5, m6, _] = &moduli;
    let less_one = |modulus: &Modulus| modulus.value().wrapping_sub(BoxedUint::one());
    let any = |modulus: &Modulus, seed| modulus.reduce(&pattern(long, seed));
    let bases =
        [any(m0, 5), less_one(m1), less_one(m2), any(m3, 6), m4.zero(), m5.one(), any(m6, 7), ones(long / 2)];
    let most = ones(TEST_EXPONENT_BITS);
    let some = |seed| pattern(TEST_EXPONENT_BITS, seed);
    let exponents =
        [some(8), most.clone(), some(9), most.clone(), BoxedUint::zero(), some(10), BoxedUint::one(), most];
    let two = BoxedUint::from(2u64);
    let squares = moduli.each_ref().map(|n| n.squared().expect("invariant: of bounded size"));
    let [s0, s1, _, s3, s4, s5, s6, s7] = &squares;
    let root = |n: &Modulus| BoxedUint::clone(n.value());
    let square_bases = [
        s0.reduce(&pattern(2 * long, 11)),
        less_one(s1),
        root(m2),
        s3.zero(),
        s4.one(),
        less_one(s5),
        s6.reduce(&pattern(2 * long, 12)),
        s7.reduce(&pattern(2 * long, 13)),
    ];
    let any = list(&moduli, bases.each_ref(), &exponents);
    let twos = list(&moduli, [&two; LANES], &exponents);
    let in_squares = list(&squares, square_bases.each_ref(), &exponents);
    [(any, Base::Any), (twos, Base::Two), (in_squares, Base::Any)].iter().all(|(list, base)| {
        let group: Vec<_> = list.iter().map(Power::lane).collect();
        // One by one: in a list they might wait for a thread that waits for this test.
        let expected: Vec<_> = list.iter().map(|entry| power(*entry)).collect();
        let alone = |lane| alone::power(kernel, lane, TEST_EXPONENT_BITS, Exponents::Secret);
        powers(kernel, &group, TEST_EXPONENT_BITS, (*base, Exponents::Secret)) == expected
            && group.iter().map(alone).eq(expected)
    }) && every_width_agrees(kernel)
        && tables_agree(kernel, m0, &exponents)
}

/// Whether numbers of every width across the lanes, each of them with code of its own, have the powers that AWS-LC computes.
fn every_width_agrees(kernel: &Kernel) -> bool {
    let exponent = pattern(WIDTHS_EXPONENT_BITS, 14);
    let places = u32::try_from(LANES).expect("invariant: eight lanes") * DIGIT_BITS;
    (1..).map(|columns| places * columns - SPARE_BITS).take(MAX_COLUMNS).all(|bits| {
        let n = pattern(bits, 15).bitor(&power_of_two(bits - 1)).bitor(&BoxedUint::one());
        let root = Modulus::new(&n).expect("invariant: odd and of bounded size");
        let square = root.squared().expect("invariant: of bounded size");
        [&root, &square].into_iter().all(|modulus| {
            let base = modulus.reduce(&pattern(2 * bits, 16));
            let entry = Power { base: &base, exponent: &exponent, modulus, timing: Timing::Secret };
            alone::power(kernel, &entry.lane(), WIDTHS_EXPONENT_BITS, Exponents::Secret) == power(entry)
        })
    })
}

/// Whether powers of two from a table are what AWS-LC computes: in lanes that have the same table, that have one of two, or each its own,
/// and across them.
fn tables_agree(kernel: &Kernel, modulus: &Modulus, exponents: &[BoxedUint; LANES]) -> bool {
    let two = BoxedUint::from(2u64);
    // Half of n + 1.
    let half = modulus.fit(&modulus.value().shr(1).wrapping_add(BoxedUint::one()));
    let unit = |base, inverse| fixed::Unit { modulus, base, inverse };
    let units = [unit(&two, &half), unit(&half, &two), unit(&two, &half)];
    let tables = fixed::tables(kernel, &units, TEST_EXPONENT_BITS);
    let [of_two, of_half, again] = tables.as_slice() else { return false };
    let product = |table, exponent: &BoxedUint| {
        let digits = fixed::Digits::new(exponent.as_words(), TEST_EXPONENT_BITS, 0);
        fixed::Product { modulus, factors: vec![(table, digits)] }
    };
    let power = |base, exponent| power(Power { base, exponent, modulus, timing: Timing::Secret });
    let alike: Vec<_> = exponents.iter().map(|exponent| product(of_two, exponent)).collect();
    let expected: Vec<_> = exponents.iter().map(|exponent| power(&two, exponent)).collect();
    let [first, second, third, ..] = exponents;
    let mixed = || vec![product(of_two, first), product(of_half, second)];
    let mut apart = mixed();
    apart.push(product(again, third));
    let [a, b, c] = [power(&two, first), power(&half, second), power(&two, third)];
    fixed::products(kernel, &alike) == expected
        && fixed::products(kernel, &mixed()) == [&a, &b].map(BoxedUint::clone)
        && fixed::products(kernel, &apart) == [a, b, c]
        && alike.iter().take(2).map(|one| fixed::product_across(kernel, one)).eq(expected.into_iter().take(2))
}

fn list<'a>(
    moduli: &'a [Modulus; LANES],
    bases: [&'a BoxedUint; LANES],
    exponents: &'a [BoxedUint; LANES],
) -> Vec<Power<'a>> {
    let timing = Timing::Secret;
    let operands = moduli.iter().zip(bases).zip(exponents);
    operands.map(|((modulus, base), exponent)| Power { base, exponent, modulus, timing }).collect()
}

fn power_of_two(bits: u32) -> BoxedUint {
    BoxedUint::one_with_precision(bits + 1).shl(bits)
}

/// `2^bits − 1`.
fn ones(bits: u32) -> BoxedUint {
    power_of_two(bits).wrapping_sub(BoxedUint::one())
}

/// A number below `2^bits` without a visible pattern.
fn pattern(bits: u32, seed: Word) -> BoxedUint {
    /// 2^64 divided by the golden ratio, as in many hash functions.
    const STEP: Word = 0x9e37_79b9_7f4a_7c15;
    let words = bits.div_ceil(Word::BITS);
    let mixed = (1..=Word::from(words)).map(|index| {
        let x = STEP.wrapping_mul(seed << 32 | index);
        (x ^ x >> 29).wrapping_mul(STEP)
    });
    BoxedUint::from_words(mixed).shr(words * Word::BITS - bits)
}
