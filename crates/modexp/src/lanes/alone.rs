//! One exponentiation with its digits across the lanes, by fixed windows or, for a public exponent, by sliding ones.

use crypto_bigint::{BoxedUint, ConcatenatingMul, Resize};
use zeroize::Zeroizing;

use super::across::{self, Across, MAX_DIGITS};
use super::digits::Slide;
use super::kernel::negated_inverse;
use super::vector::{Column, DIGIT_BITS, LANES};
use super::{Exponents, Kernel, Lane, SPARE_BITS, digits, window};
use crate::awslc::Word;
use crate::modulus::Modulus;

/// Numbers, or tables of them, across the lanes. Wiped when dropped.
pub(super) type Columns = Zeroizing<Vec<Column>>;

/// The longest modulus, or root, in bits.
const MAX_BITS: u32 = 64 * DIGIT_BITS - SPARE_BITS;
const _: () = assert!(MAX_DIGITS == 64);

/// Whether a modulus, or its root, is short enough.
pub(crate) fn fits(modulus: &Modulus) -> bool {
    modulus.root().unwrap_or(modulus).bits() <= MAX_BITS
}

/// The digits of a factor modulo a modulus, or the root of one; `R` has as many.
pub(super) fn digits_for(modulus: &Modulus) -> usize {
    digits::to_index((modulus.bits() + SPARE_BITS).div_ceil(DIGIT_BITS))
}

/// What is computed from a modulus once.
pub(crate) struct Precomputed {
    /// The modulus, or its root.
    n: Columns,
    digits: usize,
    /// `−n^(−1) mod 2^52`, in the first place.
    inverse: Columns,
    /// `R²`, a pair if the modulus has a root.
    unit_squared: Columns,
}

impl Precomputed {
    pub(crate) fn new(modulus: &Modulus) -> Self {
        let factor = modulus.root().unwrap_or(modulus);
        let digits = digits_for(factor);
        assert!(digits <= MAX_DIGITS, "invariant: the modulus is short enough");
        let n = pack(factor.value(), digits);
        let mut inverse = Zeroizing::new(vec![Column::default()]);
        let places = inverse.iter_mut().zip(n.iter()).flat_map(|(inverse, n)| inverse.0.iter_mut().zip(n.0));
        places.take(1).for_each(|(inverse, lowest)| *inverse = negated_inverse(lowest));
        let shift = 2 * DIGIT_BITS * u32::try_from(digits).expect("invariant: few digits");
        let unit_squared = modulus.reduce(&BoxedUint::one_with_precision(shift + 1).shl(shift));
        let unit_squared = number(modulus, &Zeroizing::new(unit_squared), digits);
        Self { n, digits, inverse, unit_squared }
    }
}

/// Zeros for numbers of so many digits, one after another.
fn zeros(digits: usize, numbers: usize) -> Columns {
    Zeroizing::new(vec![Column::default(); numbers * digits.div_ceil(LANES)])
}

/// Writes the digits of a number, where they stay: columns that grow leave copies.
fn pack_into(columns: &mut [Column], x: &BoxedUint, digits: usize) {
    let places = columns.iter_mut().flat_map(|column| &mut column.0);
    for (place, position) in places.take(digits).zip((0..).step_by(digits::to_index(DIGIT_BITS))) {
        *place = digits::bits(x.as_words(), position, DIGIT_BITS);
    }
}

/// The digits of a number.
fn pack(x: &BoxedUint, digits: usize) -> Columns {
    let mut columns = zeros(digits, 1);
    pack_into(&mut columns, x, digits);
    columns
}

/// A number below the modulus, as a pair if that has a root.
fn number(modulus: &Modulus, x: &BoxedUint, digits: usize) -> Columns {
    let Some(root) = modulus.root() else { return pack(x, digits) };
    let (quotient, remainder) = x.div_rem(root.non_zero());
    let (quotient, remainder) = (Zeroizing::new(quotient), Zeroizing::new(remainder));
    let mut pair = zeros(digits, 2);
    let half = pair.len() / 2;
    let (first, second) = pair.split_at_mut(half);
    pack_into(first, &remainder, digits);
    pack_into(second, &Zeroizing::new(root.neg(&quotient)), digits);
    pair
}

/// The power of one entry, for an exponent of which `exponent_bits` bits are looked at.
///
/// # Panics
/// If the base is not below its modulus, or the modulus is longer than [`MAX_BITS`] and no square of such a root.
pub(crate) fn power(kernel: &Kernel, lane: &Lane<'_>, exponent_bits: u32, exponents: Exponents) -> BoxedUint {
    assert!(lane.modulus.contains(lane.base), "invariant: operands out of range");
    let alone = Alone::new(kernel, lane.modulus);
    match exponents {
        Exponents::Secret => alone.power(lane.base, lane.exponent, exponent_bits.max(1)),
        Exponents::Common => alone.power_by(lane.base, lane.exponent, exponent_bits),
    }
}

/// Arithmetic modulo one number, in Montgomery form.
pub(super) struct Alone<'a> {
    kernel: &'a Kernel,
    modulus: &'a Modulus,
    constants: &'a Precomputed,
}

impl<'a> Alone<'a> {
    /// # Panics
    /// If the modulus does not fit.
    pub(super) fn new(kernel: &'a Kernel, modulus: &'a Modulus) -> Self {
        Self { kernel, modulus, constants: modulus.across() }
    }

    /// One.
    pub(super) fn unit(&self) -> Columns {
        let mut unit = self.zeros();
        self.multiply(&mut unit, &self.constants.unit_squared, &self.one());
        unit
    }

    /// A product, out of Montgomery form.
    pub(super) fn finish(&self, product: &[Column]) -> BoxedUint {
        let mut out = self.zeros();
        self.multiply(&mut out, product, &self.one());
        self.leave(&out)
    }

    /// By fixed windows.
    fn power(&self, base: &BoxedUint, exponent: &[Word], exponent_bits: u32) -> BoxedUint {
        let width = window(exponent_bits);
        let table = self.table(base, width);
        let mut windows = (0..exponent_bits.div_ceil(width)).rev();
        let [mut power, mut chosen, mut next] = [(); 3].map(|()| self.zeros());
        let mut twice = self.zeros();
        let top = windows.next().expect("invariant: an exponent has a bit");
        self.select(&mut power, &table, exponent, top * width, width);
        for window in windows {
            for _ in 0..width {
                self.square(&mut next, &power, &mut twice);
                std::mem::swap(&mut power, &mut next);
            }
            self.select(&mut chosen, &table, exponent, window * width, width);
            self.multiply(&mut next, &power, &chosen);
            std::mem::swap(&mut power, &mut next);
        }
        self.finish(&power)
    }

    /// By sliding windows of an exponent that everybody may know.
    fn power_by(&self, base: &BoxedUint, exponent: &[Word], exponent_bits: u32) -> BoxedUint {
        let width = digits::sliding_width(exponent_bits);
        let [mut square, mut next, mut twice] = [(); 3].map(|()| self.zeros());
        let base = self.montgomery(base);
        self.square(&mut square, &base, &mut twice);
        let table = self.progression(&base, &square, width - 1);
        let (mut power, mut begun) = (self.unit(), false);
        for Slide { squarings, factor } in digits::slides(exponent, exponent_bits, width) {
            for _ in 0..if begun { squarings } else { 0 } {
                self.square(&mut next, &power, &mut twice);
                std::mem::swap(&mut power, &mut next);
            }
            let Some(place) = factor else { continue };
            let chosen = table.chunks_exact(self.columns()).nth(place);
            let chosen = chosen.expect("invariant: the table has all windows");
            if begun {
                self.multiply(&mut next, &power, chosen);
                std::mem::swap(&mut power, &mut next);
            } else {
                power.copy_from_slice(chosen);
            }
            begun = true;
        }
        self.finish(&power)
    }

    /// The base in Montgomery form.
    fn montgomery(&self, base: &BoxedUint) -> Columns {
        let mut out = self.zeros();
        let base = number(self.modulus, base, self.constants.digits);
        self.multiply(&mut out, &base, &self.constants.unit_squared);
        out
    }

    /// The powers `0..2^width` of the base, in Montgomery form.
    fn table(&self, base: &BoxedUint, width: u32) -> Columns {
        self.progression(&self.unit(), &self.montgomery(base), width)
    }

    /// `2^width` numbers, each the last one times the factor.
    fn progression(&self, first: &[Column], factor: &[Column], width: u32) -> Columns {
        let columns = self.columns();
        let mut table = Zeroizing::new(vec![Column::default(); columns << width]);
        let (mut last, mut next) = (self.zeros(), self.zeros());
        last.copy_from_slice(first);
        for out in table.chunks_exact_mut(columns) {
            out.copy_from_slice(&last);
            self.multiply(&mut next, &last, factor);
            std::mem::swap(&mut last, &mut next);
        }
        table
    }

    fn one(&self) -> Columns {
        let mut one = self.zeros();
        one.iter_mut().flat_map(|column| &mut column.0).take(1).for_each(|digit| *digit = 1);
        one
    }

    /// The entry of the table whose number is the `width` bits of the exponent from `position` on, after reading all.
    fn select(&self, out: &mut [Column], table: &[Column], exponent: &[Word], position: u32, width: u32) {
        let key = Zeroizing::new(digits::bits(exponent, position, width));
        let mut keys = Zeroizing::new(Column::default());
        keys.0.fill(*key);
        (self.kernel.select)(out, table, &keys);
    }

    /// The number below the modulus from a product by one: at most `n`, or a pair of at most `n` and `n + 1`.
    fn leave(&self, product: &[Column]) -> BoxedUint {
        let factor = self.modulus.root().unwrap_or(self.modulus);
        let columns = self.constants.n.len();
        let unpacked = |half: &[Column]| {
            let room = BoxedUint::zero_with_precision(factor.precision() + u64::BITS);
            Zeroizing::new(digits::unpack(half.iter().flat_map(|column| column.0), room))
        };
        let (a, b) = product.split_at(columns);
        let a = unpacked(a);
        if self.modulus.root().is_none() {
            return self.modulus.reduce(&a);
        }
        // a + (2n − b)·n is not negative.
        let n = Zeroizing::new(factor.value().resize_unchecked(factor.precision() + u64::BITS));
        let twice = Zeroizing::new(n.wrapping_add(&*n));
        let difference = Zeroizing::new(twice.wrapping_sub(&*unpacked(b)));
        let product = Zeroizing::new(difference.concatenating_mul(&*n));
        self.modulus.reduce(&Zeroizing::new(product.wrapping_add(&*a)))
    }

    fn modulus(&self) -> Across<'_> {
        let Precomputed { n, digits, inverse, .. } = self.constants;
        Across { n, digits: *digits, inverse: across::lowest(inverse) }
    }

    pub(super) fn multiply(&self, out: &mut [Column], a: &[Column], b: &[Column]) {
        let pairs = self.modulus.root().is_some();
        let multiply = if pairs { self.kernel.multiply_pairs_across } else { self.kernel.multiply_across };
        multiply(out, a, b, self.modulus());
    }

    pub(super) fn square(&self, out: &mut [Column], a: &[Column], twice: &mut [Column]) {
        if self.modulus.root().is_some() {
            (self.kernel.square_pairs_across)(out, a, self.modulus(), twice);
        } else {
            (self.kernel.multiply_across)(out, a, a, self.modulus());
        }
    }

    /// Columns of a number.
    fn columns(&self) -> usize {
        self.constants.n.len() << u32::from(self.modulus.root().is_some())
    }

    pub(super) fn zeros(&self) -> Columns {
        Zeroizing::new(vec![Column::default(); self.columns()])
    }
}
