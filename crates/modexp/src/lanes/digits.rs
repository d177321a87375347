//! From 64-bit words to digits of 52 bits in lanes, and back. Which words are touched depends on positions alone.

use crypto_bigint::BoxedUint;
use zeroize::Zeroize;

use super::vector::{Column, DIGIT_BITS, LANES, Numbers};
use crate::awslc::Word;

/// The widest sliding window: 32 odd powers.
const MAX_SLIDING_WIDTH: u32 = 6;

/// The `width` bits of a number from `position` on, fewer than 64; bits beyond its words are zero.
pub(super) fn bits(words: &[Word], position: u32, width: u32) -> u64 {
    let (index, shift) = (to_index(position / Word::BITS), position % Word::BITS);
    let word = |index: usize| words.get(index).copied().unwrap_or_default();
    // Two shifts: the second word goes away entirely if the first is aligned.
    let found = word(index) >> shift | word(index + 1) << 1 << (Word::BITS - 1 - shift);
    found & ((1 << width) - 1)
}

/// These bits of the number of each lane, written where they stay: a column that is moved leaves copies.
pub(super) fn window(numbers: &[&[Word]; LANES], position: u32, width: u32, out: &mut Column) {
    out.0.iter_mut().zip(numbers).for_each(|(out, words)| *out = bits(words, position, width));
}

/// A part of an exponentiation by sliding windows: squarings, then perhaps a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slide {
    pub(super) squarings: u32,
    /// The odd power to multiply by, as its place among these.
    pub(super) factor: Option<usize>,
}

/// The slides for a **public** exponent: windows of up to `width` bits begin and end with a one. The first power is
/// multiplied to one.
pub(super) fn slides(words: &[Word], exponent_bits: u32, width: u32) -> Vec<Slide> {
    let mut slides = Vec::new();
    let (mut left, mut squarings) = (exponent_bits, 0);
    while left > 0 {
        if bits(words, left - 1, 1) == 0 {
            (left, squarings) = (left - 1, squarings + 1);
            continue;
        }
        let most = width.min(left);
        let window = bits(words, left - most, most);
        let zeros = window.trailing_zeros();
        let factor = usize::try_from(window >> zeros >> 1).expect("invariant: a window is narrow");
        slides.push(Slide { squarings: squarings + most - zeros, factor: Some(factor) });
        (left, squarings) = (left - most + zeros, 0);
    }
    if squarings > 0 {
        slides.push(Slide { squarings, factor: None });
    }
    slides
}

/// The width of sliding windows with the fewest products for exponents of so many bits.
pub(super) fn sliding_width(bits: u32) -> u32 {
    (1..=MAX_SLIDING_WIDTH).min_by_key(|width| (1 << (width - 1)) + bits / (width + 1)).unwrap_or(1)
}

/// Numbers, one for each lane, of so many blocks of digits.
pub(super) fn pack(numbers: [&[Word]; LANES], blocks: usize) -> Numbers {
    let mut packed = Numbers::zeros(blocks);
    for (position, column) in (0..).step_by(to_index(DIGIT_BITS)).zip(packed.iter_mut().flatten()) {
        window(&numbers, position, DIGIT_BITS, column);
    }
    packed
}

/// Writes digits, the lowest first and each below 2^52, into the words of `out`.
pub(super) fn unpack(digits: impl IntoIterator<Item = u64>, mut out: BoxedUint) -> BoxedUint {
    let mut digits = digits.into_iter();
    // Digits not yet written, the lowest first, and how many bits they have.
    let (mut pending, mut length) = (0u128, 0);
    for word in out.as_mut_words() {
        while length < Word::BITS {
            pending |= u128::from(digits.next().unwrap_or_default()) << length;
            length += DIGIT_BITS;
        }
        *word = low_word(pending);
        pending >>= Word::BITS;
        length -= Word::BITS;
    }
    pending.zeroize();
    out
}

/// Sets a digit in all lanes.
pub(super) fn set(numbers: &mut Numbers, digit: usize, values: [u64; LANES]) {
    *numbers.iter_mut().flatten().nth(digit).expect("invariant: the number has the digit") = Column(values);
}

/// Sets a bit of the number of a lane.
pub(super) fn set_bit(numbers: &mut Numbers, lane: usize, position: u32) {
    let column = numbers.iter_mut().flatten().nth(to_index(position / DIGIT_BITS));
    let digit = column.and_then(|column| column.0.get_mut(lane)).expect("invariant: the number has the bit");
    *digit |= 1 << (position % DIGIT_BITS);
}

/// The low 64 bits.
#[allow(clippy::cast_possible_truncation, reason = "what is wanted")]
fn low_word(x: u128) -> Word {
    x as Word
}

pub(super) fn to_index(x: u32) -> usize {
    usize::try_from(x).expect("invariant: a usize holds 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slides spell their exponent, with windows as wide as allowed.
    #[test]
    fn slides_spell_the_exponent() {
        let exponents = [0, 1, 2, 3, 5, 0xff, 0x100, 0x1234_5678_9abc_def0, u64::MAX, 1 << 63];
        for words in exponents.iter().flat_map(|low| exponents.map(|high| [*low, high])) {
            let wanted = u128::from(words[0]) | u128::from(words[1]) << 64;
            for width in 1..=MAX_SLIDING_WIDTH {
                let slides = slides(&words, u128::BITS, width);
                let spelt = slides.iter().fold(0u128, |sum, Slide { squarings, factor }| {
                    sum.checked_shl(*squarings).unwrap_or(0) + factor.map_or(0, |place| 2 * place as u128 + 1)
                });
                assert_eq!(spelt, wanted, "{words:x?}, {width}");
                assert!(slides.iter().all(|slide| slide.factor.is_none_or(|place| place < 1 << (width - 1))));
            }
        }
        assert_eq!([1, 128, 256, 3072].map(sliding_width), [1, 4, 5, 6]);
    }
}
