//! Up to eight exponentiations at once, each with its own modulus, base and exponent, in the lanes of AVX512-IFMA.
//!
//! | file | what |
//! |---|---|
//! | `digits.rs` | from 64-bit words to digits and back |
//! | `vector.rs` | eight digits of 52 bits in a register; the operations the kernel needs |
//! | `kernel.rs` | Montgomery products and squares, selection from a table |
//! | `pairs.rs` | the same modulo the squares of moduli |
//! | `across.rs` | products of one number whose digits lie across the lanes |
//! | `alone.rs` | one exponentiation with these |
//! | `fixed.rs` | products of powers of bases with tables made ahead of time |
//! | `ifma.rs` | these on the processor's instructions |
//! | `switch.rs` | whether lanes are used: the switch, and a test before the first use |
//! | this file | exponentiation by fixed windows; by sliding ones, where the exponent is public and the same in all lanes |
//!
//! **Secrets.** All lanes do the same operations on the same addresses: their number depends on the longest modulus
//! and the longest exponent of the group, which are public, each entry of the table of powers is read for each
//! window (but for a public exponent that all lanes have, which alone says what is read and done then), and choices are made by arithmetic on all bits. Tables, digits of exponents and intermediate numbers are wiped. So public
//! operands may share a group with secret ones; nothing is gained from their being public but the length.

mod across;
pub(crate) mod alone;
mod digits;
pub(crate) mod fixed;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod kernel;
mod pairs;
mod switch;
#[cfg(test)]
pub(crate) mod tests;
mod vector;

use crypto_bigint::BoxedUint;
use zeroize::Zeroize;

use crate::awslc::Word;
use crate::modulus::Modulus;
use across::Across;
use digits::Slide;
use kernel::{MAX_BLOCKS, Moduli};
pub use switch::Lanes;
use switch::Switch;
pub(crate) use vector::LANES;
use vector::{Block, Column, DIGIT_BITS, Numbers, ROWS};

/// `R ≥ 64n`: bits that a number has more than its modulus.
const SPARE_BITS: u32 = 6;

/// The widest window: a table of 32 powers. A wider one saves less than its scan costs.
const MAX_WINDOW: u32 = 5;

/// The switch of this process.
static SWITCH: Switch = Switch::new(detected);

/// Switches the lanes of AVX512-IFMA on (as they are at first) or off for the whole process. Results are the same
/// either way, processors without the instructions never use them. Bases that were prepared while they were off keep the slower
/// tables of then, and those prepared for lanes have none while they are off.
pub fn set_lanes(on: bool) {
    SWITCH.set(on);
}

/// Whether lists are computed in lanes, and why not. The first call tests the instructions, if no list did before.
#[must_use]
pub fn lanes() -> Lanes {
    SWITCH.state()
}

/// The kernel to use, if any.
pub(crate) fn kernel() -> Option<&'static Kernel> {
    #[cfg(test)]
    if let Some(installed) = tests::installed() {
        return installed;
    }
    SWITCH.kernel()
}

fn detected() -> Option<&'static Kernel> {
    #[cfg(target_arch = "x86_64")]
    return ifma::detected();
    #[cfg(not(target_arch = "x86_64"))]
    return None;
}

/// [`kernel::multiply`] for one kind of processor.
type Multiply = fn(&mut [Block], &[Block], &[Block], &Moduli, &mut [Block]);

/// [`kernel::square`] for one kind of processor.
type Square = fn(&mut [Block], &[Block], &Moduli, &mut [Block]);

/// [`pairs::leave`] for one kind of processor.
type Leave = fn(&mut [Block], &[Block], &Moduli, &[Block], &mut [Block]);

/// [`across::multiply_across`] for one kind of processor.
type MultiplyAcross = fn(&mut [Column], &[Column], &[Column], Across<'_>);

/// The functions of `kernel.rs` and `pairs.rs`, compiled for one kind of processor.
pub(crate) struct Kernel {
    multiply: Multiply,
    square: Square,
    square_and_double: fn(&mut [Block], &[Block], &Column, &Moduli, &mut [Block]),
    subtract_once: fn(&mut [Block], &[Block], &mut [Block]),
    twice: fn(&mut [Block], &[Block]),
    double: fn(&mut [Block], &Column, &[Block], &mut [Block]),
    select: fn(&mut [Column], &[Column], &Column),
    select_shared: fn(&mut [Column], &[Column], usize, &Column),
    multiply_pairs: Multiply,
    square_pairs: Square,
    unit_pair: Square,
    enter: Square,
    leave: Leave,
    multiply_across: MultiplyAcross,
    multiply_pairs_across: MultiplyAcross,
    square_pairs_across: fn(&mut [Column], &[Column], Across<'_>, &mut [Column]),
}

/// One exponentiation of a group.
#[derive(Clone, Copy)]
pub(crate) struct Lane<'a> {
    pub(crate) modulus: &'a Modulus,
    pub(crate) base: &'a BoxedUint,
    pub(crate) exponent: &'a [Word],
}

/// What is known of the bases of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing.
    Any,
    /// All are two, and everybody may know it.
    Two,
}

/// How the numbers of a modulus lie in lanes. Moduli of one group have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    /// Whether it is the square of a known root, so that numbers are pairs modulo the root.
    square: bool,
    /// Blocks of digits of the modulus, or of the root.
    blocks: usize,
}

impl Shape {
    pub(crate) fn of(modulus: &Modulus) -> Self {
        match modulus.root().map(Modulus::bits) {
            Some(bits) if bits >= MIN_ROOT_BITS => Self { square: true, blocks: blocks(bits) },
            _ => Self { square: false, blocks: blocks(modulus.bits()) },
        }
    }

    /// Blocks of a number.
    fn width(self) -> usize {
        if self.square { 2 * self.blocks } else { self.blocks }
    }
}

/// The shortest root whose square has pairs: [`pairs::unit_pair`] takes a root above `R/n`, which has fewer bits than a block
/// and what is spared.
const MIN_ROOT_BITS: u32 = 512;
const _: () = assert!(ROWS == 5 && MIN_ROOT_BITS > 5 * DIGIT_BITS + SPARE_BITS);

/// Blocks of digits for a modulus of so many bits.
fn blocks(modulus_bits: u32) -> usize {
    let rows = u32::try_from(ROWS).expect("invariant: a block is short");
    digits::to_index((modulus_bits + SPARE_BITS).div_ceil(DIGIT_BITS * rows))
}

/// What is known of the exponents of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exponents {
    /// Nothing.
    Secret,
    /// All are equal, and everybody may know them. Bases stay secret.
    Common,
}

/// The powers of one to eight entries, in order, for exponents of which `exponent_bits` bits are looked at.
///
/// # Panics
/// If a base is not below its modulus or not what is known of it, or moduli are not of one shape, of at most
/// [`MAX_BLOCKS`].
pub(crate) fn powers(
    kernel: &Kernel,
    group: &[Lane<'_>],
    exponent_bits: u32,
    (base, exponents): (Base, Exponents),
) -> Vec<BoxedUint> {
    match (base, exponents) {
        (Base::Any, Exponents::Secret) => Group::new(kernel, group).powers(exponent_bits.max(1)),
        (Base::Any, Exponents::Common) => {
            let exponent = group.first().expect("invariant: a group is not empty").exponent;
            Group::new(kernel, group).powers_by(exponent, exponent_bits)
        }
        // A pair has no doubling.
        (Base::Two, _) if group.iter().any(|lane| Shape::of(lane.modulus).square) => {
            Group::new(kernel, group).powers(exponent_bits.max(1))
        }
        (Base::Two, _) => {
            assert!(group.iter().all(|lane| is_two(lane.base)), "invariant: the bases are two");
            Group::new(kernel, group).powers_of_two(exponent_bits)
        }
    }
}

/// Whether a number that everybody may know is two.
fn is_two(x: &BoxedUint) -> bool {
    x.as_words().split_first().is_some_and(|(low, high)| *low == 2 && high.iter().all(|word| *word == 0))
}

/// A group with room to compute in.
struct Group<'a> {
    kernel: &'a Kernel,
    lanes: [Lane<'a>; LANES],
    filled: usize,
    shape: Shape,
    /// The moduli, or their roots.
    moduli: Moduli,
    /// Nothing, or the squares of the roots.
    squares: Option<Numbers>,
    scratch: Numbers,
}

impl<'a> Group<'a> {
    fn new(kernel: &'a Kernel, group: &[Lane<'a>]) -> Self {
        let first = group.first().expect("invariant: a group is not empty");
        let shape = Shape::of(first.modulus);
        assert!(shape.blocks <= MAX_BLOCKS, "invariant: the sums of a group fit");
        for lane in group {
            assert!(Shape::of(lane.modulus) == shape, "invariant: moduli of a group are alike in size");
            assert!(lane.modulus.contains(lane.base), "invariant: operands out of range");
        }
        // Lanes without an entry repeat the first.
        let lanes: [Lane<'a>; LANES] = std::array::from_fn(|lane| *group.get(lane).unwrap_or(first));
        let whole = lanes.map(|lane| lane.modulus.value());
        let pack = |numbers: [&BoxedUint; LANES], blocks| digits::pack(numbers.map(|n| n.as_words()), blocks);
        let (moduli, squares) = if shape.square {
            let roots =
                lanes.map(|lane| lane.modulus.root().expect("invariant: the shape of a square").value());
            (pack(roots, shape.blocks), Some(pack(whole, shape.width())))
        } else {
            (pack(whole, shape.blocks), None)
        };
        let scratch = Numbers::zeros(pairs::SCRATCH * shape.blocks);
        Self { kernel, lanes, filled: group.len(), shape, moduli: Moduli::new(moduli), squares, scratch }
    }

    fn powers(mut self, exponent_bits: u32) -> Vec<BoxedUint> {
        let width = window(exponent_bits);
        let table = self.table(width);
        let mut windows = (0..exponent_bits.div_ceil(width)).rev();
        let [mut power, mut chosen, mut next] = [(); 3].map(|()| self.zeros());
        let top = windows.next().expect("invariant: an exponent has a bit");
        self.select(&mut power, &table, top * width, width);
        for window in windows {
            for _ in 0..width {
                self.square(&mut next, &power);
                std::mem::swap(&mut power, &mut next);
            }
            self.select(&mut chosen, &table, window * width, width);
            self.multiply(&mut next, &power, &chosen);
            std::mem::swap(&mut power, &mut next);
        }
        self.finish(&power)
    }

    /// By sliding windows of a common exponent that everybody may know.
    fn powers_by(mut self, exponent: &[Word], exponent_bits: u32) -> Vec<BoxedUint> {
        let width = digits::sliding_width(exponent_bits);
        let (mut power, table) = self.odd_powers(width);
        let (mut next, mut begun) = (self.zeros(), false);
        for Slide { squarings, factor } in digits::slides(exponent, exponent_bits, width) {
            for _ in 0..if begun { squarings } else { 0 } {
                self.square(&mut next, &power);
                std::mem::swap(&mut power, &mut next);
            }
            let Some(place) = factor else { continue };
            let chosen = table.chunks_exact(self.shape.width()).nth(place);
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

    /// One, and the odd powers below `2^width` of the bases, in Montgomery form.
    fn odd_powers(&mut self, width: u32) -> (Numbers, Numbers) {
        let blocks = self.shape.width();
        let (unit, base) = self.bases();
        let mut square = self.zeros();
        self.square(&mut square, &base);
        let mut table = Numbers::zeros(blocks << (width - 1));
        let mut last = base;
        for (place, out) in table.chunks_exact_mut(blocks).enumerate() {
            if place > 0 {
                let mut next = self.zeros();
                self.multiply(&mut next, &last, &square);
                last = next;
            }
            out.copy_from_slice(&last);
        }
        (unit, table)
    }

    /// By squaring, and doubling where the exponent has a bit.
    fn powers_of_two(mut self, exponent_bits: u32) -> Vec<BoxedUint> {
        let (mut power, mut next, mut doubled) = (self.unit(), self.zeros(), Column::default());
        for position in (0..exponent_bits).rev() {
            self.digits(position, 1, &mut doubled);
            let (moduli, scratch) = (&self.moduli, &mut self.scratch);
            (self.kernel.square_and_double)(&mut next, &power, &doubled, moduli, scratch);
            std::mem::swap(&mut power, &mut next);
        }
        doubled.0.zeroize();
        self.finish(&power)
    }

    /// The filled lanes of a number of products, out of Montgomery form.
    fn finish(mut self, power: &[Block]) -> Vec<BoxedUint> {
        let [mut one, mut out] = [(); 2].map(|()| self.zeros());
        digits::set(&mut one, 0, [1; LANES]);
        // The product is at most n, and n only in place of 0. A pair has at most n and n + 1.
        self.multiply(&mut out, power, &one);
        match &self.squares {
            None => self.subtract_once(&mut out),
            Some(squares) => {
                let mut whole = self.zeros();
                (self.kernel.leave)(&mut whole, &out, &self.moduli, squares, &mut self.scratch);
                std::mem::swap(&mut out, &mut whole);
            }
        }
        let lanes = self.lanes.iter().enumerate().take(self.filled);
        let digits_of = |lane: usize| {
            out.iter().flatten().map(move |column| *column.0.get(lane).expect("invariant: eight lanes"))
        };
        lanes.map(|(lane, entry)| digits::unpack(digits_of(lane), entry.modulus.zero())).collect()
    }

    /// The powers `0..2^width` of the bases, in Montgomery form.
    fn table(&mut self, width: u32) -> Numbers {
        let blocks = self.shape.width();
        let (unit, base) = self.bases();
        let mut table = Numbers::zeros(blocks << width);
        for entry in 0..1 << width {
            let (known, later) = table.split_at_mut(entry * blocks);
            let power = |exponent: usize| {
                known.chunks_exact(blocks).nth(exponent).expect("invariant: smaller powers are known")
            };
            let out = later.get_mut(..blocks).expect("invariant: the table holds all entries");
            match entry {
                0 => out.copy_from_slice(&unit),
                1 => out.copy_from_slice(&base),
                even if even % 2 == 0 => self.square(out, power(even / 2)),
                odd => self.multiply(out, power(odd - 1), &base),
            }
        }
        table
    }

    /// One and the bases, in Montgomery form.
    fn bases(&mut self) -> (Numbers, Numbers) {
        let unit = self.unit();
        let unit_squared = self.unit_squared(&unit);
        let mut bases = digits::pack(self.lanes.map(|lane| lane.base.as_words()), self.shape.width());
        let mut base = self.zeros();
        if self.shape.square {
            // x/R, to be multiplied by R³.
            (self.kernel.enter)(&mut base, &bases, &self.moduli, &mut self.scratch);
            std::mem::swap(&mut bases, &mut base);
            let mut cubed = self.zeros();
            self.square(&mut cubed, &unit_squared);
            self.multiply(&mut base, &bases, &cubed);
        } else {
            self.multiply(&mut base, &bases, &unit_squared);
        }
        (unit, base)
    }

    /// `R` modulo the moduli, or their squares: `2^(bits of n − 1)`, which is below `n`, doubled.
    fn unit(&mut self) -> Numbers {
        let mut unit = Numbers::zeros(self.shape.blocks);
        let root = |lane: Lane<'a>| lane.modulus.root().filter(|_| self.shape.square);
        let tops = self.lanes.map(|lane| root(lane).unwrap_or(lane.modulus).bits() - 1);
        tops.iter().enumerate().for_each(|(lane, top)| digits::set_bit(&mut unit, lane, *top));
        let missing = tops.map(|top| self.bits() - top);
        for step in 0..missing.into_iter().max().unwrap_or_default() {
            let active = Column(missing.map(|steps| u64::from(step < steps)));
            (self.kernel.double)(&mut unit, &active, &self.moduli.n, &mut self.scratch);
        }
        if !self.shape.square {
            return unit;
        }
        let mut pair = self.zeros();
        (self.kernel.unit_pair)(&mut pair, &unit, &self.moduli, &mut self.scratch);
        pair
    }

    /// `R²`: the Montgomery form of `R = 2^bits`, by squaring and doubling along the digits of `bits`.
    fn unit_squared(&mut self, unit: &[Block]) -> Numbers {
        let (mut power, mut next) = (self.zeros(), self.zeros());
        power.copy_from_slice(unit);
        let bits = self.bits();
        for position in (0..=bits.ilog2()).rev() {
            self.square(&mut next, &power);
            std::mem::swap(&mut power, &mut next);
            if bits >> position & 1 == 1 {
                // Below 4n, or a pair of such numbers: no carry goes from one half to the other.
                (self.kernel.twice)(&mut next, &power);
                std::mem::swap(&mut power, &mut next);
            }
        }
        power
    }

    /// `log₂ R`.
    fn bits(&self) -> u32 {
        DIGIT_BITS * u32::try_from(self.moduli.n.len() * ROWS).expect("invariant: numbers are short")
    }

    /// The `width` bits of each exponent from `position` on.
    fn digits(&self, position: u32, width: u32, out: &mut Column) {
        digits::window(&self.lanes.map(|lane| lane.exponent), position, width, out);
    }

    /// The entries of the table whose numbers are the `width` bits of the exponents from `position` on.
    fn select(&self, out: &mut [Block], table: &[Block], position: u32, width: u32) {
        let mut keys = Column::default();
        self.digits(position, width, &mut keys);
        (self.kernel.select)(out.as_flattened_mut(), table.as_flattened(), &keys);
        keys.0.zeroize();
    }

    fn multiply(&mut self, out: &mut [Block], a: &[Block], b: &[Block]) {
        let multiply = if self.shape.square { self.kernel.multiply_pairs } else { self.kernel.multiply };
        multiply(out, a, b, &self.moduli, &mut self.scratch);
    }

    fn square(&mut self, out: &mut [Block], a: &[Block]) {
        let square = if self.shape.square { self.kernel.square_pairs } else { self.kernel.square };
        square(out, a, &self.moduli, &mut self.scratch);
    }

    fn subtract_once(&mut self, x: &mut [Block]) {
        (self.kernel.subtract_once)(x, &self.moduli.n, &mut self.scratch);
    }

    fn zeros(&self) -> Numbers {
        Numbers::zeros(self.shape.width())
    }
}

/// The width of windows with the fewest products for exponents of so many bits.
fn window(bits: u32) -> u32 {
    (1..=MAX_WINDOW).min_by_key(|width| (1 << width) + bits.div_ceil(*width)).unwrap_or(MAX_WINDOW)
}
