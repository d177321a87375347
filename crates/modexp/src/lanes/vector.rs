//! Eight unsigned 64-bit numbers side by side: how they lie in memory, and what the kernel does with them.
//!
//! A *digit* is a number below 2^52. Operands of a product are taken mod 2^52, sums are kept in all 64 bits, so a
//! column can take thousands of half products before its carry must move on.

use zeroize::{DefaultIsZeroes, Zeroize};

/// Exponentiations that run together.
pub(crate) const LANES: usize = 8;

/// Bits of a digit.
pub(super) const DIGIT_BITS: u32 = 52;

/// The largest digit.
pub(super) const DIGIT_MASK: u64 = (1 << DIGIT_BITS) - 1;

/// Digits that the kernel takes at once.
pub(super) const ROWS: usize = 5;

/// One digit, or sum of products, of each lane.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
pub(super) struct Column(pub(super) [u64; LANES]);

/// Five columns, the lowest digit first.
pub(super) type Block = [Column; ROWS];

/// Numbers of some digits, or tables of them, in eight lanes. Wiped when dropped.
pub(super) struct Numbers(Vec<Block>);

impl Numbers {
    /// Zeros.
    pub(super) fn zeros(blocks: usize) -> Self {
        Self(vec![Block::default(); blocks])
    }
}

impl std::ops::Deref for Numbers {
    type Target = [Block];
    fn deref(&self) -> &[Block] {
        &self.0
    }
}

impl std::ops::DerefMut for Numbers {
    fn deref_mut(&mut self) -> &mut [Block] {
        &mut self.0
    }
}

impl DefaultIsZeroes for Column {}

impl Drop for Numbers {
    fn drop(&mut self) {
        self.0.as_flattened_mut().zeroize();
    }
}

/// Eight numbers in one register. No operation branches on values or looks anything up.
pub(super) trait Vector: Copy {
    /// From memory.
    fn load(column: &Column) -> Self;
    /// To memory.
    fn store(self, column: &mut Column);
    /// The same number in all lanes.
    fn splat(x: u64) -> Self;
    /// `self` plus the low 52 bits of the product of the digits `a` and `b`.
    fn low(self, a: Self, b: Self) -> Self;
    /// `self` plus the high 52 bits of that product.
    fn high(self, a: Self, b: Self) -> Self;
    /// The sum mod 2^64.
    fn plus(self, other: Self) -> Self;
    /// What is above the digit: `self >> 52`.
    fn carry(self) -> Self;
    /// `self` mod 2^52.
    fn digit(self) -> Self;
    /// `2^52 − 1 − self`, for digits.
    fn complement(self) -> Self;
    /// The number in the first lane, zeros in the others.
    fn first(x: u64) -> Self;
    /// The number in the first lane.
    fn lowest(self) -> u64;
    /// All by one lane down; the first of `above` comes into the last.
    fn moved_down(self, above: Self) -> Self;
    /// All by one lane up; the last of `below` comes into the first.
    fn moved_up(self, below: Self) -> Self;
    /// The lowest byte of each lane.
    fn bytes(self) -> u64;
    /// A byte in each lane.
    fn from_bytes(bytes: u64) -> Self;
    /// All ones in the lanes where the numbers, below 2^63, are equal; else zero.
    fn equals(self, other: Self) -> Self;
    /// In each lane `other` if `mask` is all ones there, `self` if it is zero.
    fn replace_where(self, mask: Self, other: Self) -> Self;
}

/// What a processor without the instructions computes: the model that tests run the kernel on.
#[cfg(test)]
#[derive(Clone, Copy)]
pub(super) struct Model([u64; LANES]);

#[cfg(test)]
impl Model {
    fn each(self, a: Self, b: Self, f: impl Fn(u64, u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|lane| f(self.0[lane], a.0[lane], b.0[lane])))
    }

    fn product(a: u64, b: u64) -> u128 {
        u128::from(a & DIGIT_MASK) * u128::from(b & DIGIT_MASK)
    }

    /// A column that overflows is a mistake of the kernel, in every build.
    fn sum(a: u64, b: u64) -> u64 {
        a.checked_add(b).expect("invariant: columns fit")
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "halves of a product are below 2^52")]
impl Vector for Model {
    fn load(column: &Column) -> Self {
        Self(column.0)
    }
    fn store(self, column: &mut Column) {
        column.0 = self.0;
    }
    fn splat(x: u64) -> Self {
        Self([x; LANES])
    }
    fn low(self, a: Self, b: Self) -> Self {
        self.each(a, b, |sum, a, b| Self::sum(sum, Self::product(a, b) as u64 & DIGIT_MASK))
    }
    fn high(self, a: Self, b: Self) -> Self {
        self.each(a, b, |sum, a, b| Self::sum(sum, (Self::product(a, b) >> DIGIT_BITS) as u64))
    }
    fn plus(self, other: Self) -> Self {
        self.each(other, other, |a, b, _| Self::sum(a, b))
    }
    fn carry(self) -> Self {
        self.each(self, self, |x, _, _| x >> DIGIT_BITS)
    }
    fn digit(self) -> Self {
        self.each(self, self, |x, _, _| x & DIGIT_MASK)
    }
    fn complement(self) -> Self {
        self.each(self, self, |x, _, _| DIGIT_MASK.checked_sub(x).expect("invariant: a digit"))
    }
    fn first(x: u64) -> Self {
        Self([x, 0, 0, 0, 0, 0, 0, 0])
    }
    fn lowest(self) -> u64 {
        self.0[0]
    }
    fn moved_down(self, above: Self) -> Self {
        Self(std::array::from_fn(|lane| *self.0.get(lane + 1).unwrap_or(&above.0[0])))
    }
    fn moved_up(self, below: Self) -> Self {
        Self(std::array::from_fn(|lane| if lane == 0 { below.0[LANES - 1] } else { self.0[lane - 1] }))
    }
    fn bytes(self) -> u64 {
        u64::from_le_bytes(self.0.map(|x| x as u8))
    }
    fn from_bytes(bytes: u64) -> Self {
        Self(bytes.to_le_bytes().map(u64::from))
    }
    fn equals(self, other: Self) -> Self {
        self.each(other, other, |a, b, _| {
            assert!((a | b) >> 63 == 0, "invariant: what is compared is below 2^63");
            ((a ^ b).wrapping_sub(1).cast_signed() >> 63).cast_unsigned()
        })
    }
    fn replace_where(self, mask: Self, other: Self) -> Self {
        self.each(mask, other, |x, mask, y| {
            assert!(mask == 0 || mask == u64::MAX, "invariant: masks are all ones or zero");
            x ^ ((x ^ y) & mask)
        })
    }
}
