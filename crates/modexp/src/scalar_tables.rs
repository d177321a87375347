//! Tables of fixed bases for processors without lanes: those of `lanes/fixed.rs`, in words, and products on AWS-LC.
//!
//! **Secrets.** As there: every entry for a digit's place is read and one is kept by arithmetic, and how many steps are made
//! depends on the widths of the exponents alone.

use std::hint::black_box;

use crypto_bigint::BoxedUint;
use zeroize::Zeroizing;

use crate::awslc::{Chain, Word};
use crate::lanes::fixed::{Digits, ENTRIES, LARGEST, PLACE_BITS, STRIDE, WIDTH, places};
use crate::modulus::Modulus;

/// Powers of one base and of its inverse, in Montgomery form.
pub(crate) struct Table {
    /// For each place the powers in order.
    words: Zeroizing<Vec<Word>>,
    /// Words of one power.
    width: usize,
}

impl Table {
    /// Of a unit and its inverse, for exponents of up to `bits` bits.
    pub(crate) fn new(modulus: &Modulus, [base, inverse]: [&BoxedUint; 2], bits: u32) -> Self {
        let width = modulus.limbs();
        let words = Zeroizing::new(vec![0; places(bits) * ENTRIES * width]);
        let mut table = Self { words, width };
        let mut one = Zeroizing::new(vec![0; width]);
        Chain::entering(modulus.montgomery(), modulus.one().as_words()).write(&mut one);
        for (base, negative) in [(base, false), (inverse, true)] {
            table.fill(modulus, base, negative, &one);
        }
        table
    }

    fn fill(&mut self, modulus: &Modulus, base: &BoxedUint, negative: bool, one: &[Word]) {
        let mut power = Zeroizing::new(vec![0; self.width]);
        let mut chain = Chain::entering(modulus.montgomery(), base.as_words());
        for place in self.words.chunks_exact_mut(ENTRIES * self.width) {
            chain.write(&mut power);
            let mut multiple = Chain::new(modulus.montgomery(), one);
            for digit in 0..=LARGEST {
                if digit > 0 {
                    multiple.multiply(&power);
                }
                let number = if negative { LARGEST - digit } else { LARGEST + digit };
                let entry = place.chunks_exact_mut(self.width).nth(number);
                multiple.write(entry.expect("invariant: a place has all powers"));
            }
            (0..PLACE_BITS).for_each(|_| chain.square());
        }
    }

    /// Whether it serves exponents of so many bits.
    pub(crate) fn serves(&self, bits: u32) -> bool {
        places(bits) * ENTRIES * self.width <= self.words.len()
    }

    /// The power `number` of a place, after reading all of them.
    fn select(&self, place: usize, number: u64, out: &mut [Word]) {
        out.fill(0);
        let length = ENTRIES * self.width;
        let entries = self.words.get(place * length..(place + 1) * length);
        let entries = entries.expect("invariant: the table serves the exponent").chunks_exact(self.width);
        for (position, entry) in (0u64..).zip(entries) {
            // All ones where both are equal, else zero: neither has its highest bit.
            let mask = black_box((position ^ number).wrapping_sub(1).cast_signed() >> (Word::BITS - 1))
                .cast_unsigned();
            out.iter_mut().zip(entry).for_each(|(out, word)| *out |= word & mask);
        }
    }
}

/// The product of powers modulo one number.
pub(crate) fn product(modulus: &Modulus, factors: &[(&Table, Digits)]) -> BoxedUint {
    let mut chain = Chain::entering(modulus.montgomery(), modulus.one().as_words());
    let mut chosen = Zeroizing::new(vec![0; modulus.limbs()]);
    for pass in (0..STRIDE).rev() {
        for (table, digits) in factors {
            for (place, numbers) in digits.0.chunks(STRIDE).enumerate() {
                let Some(number) = numbers.get(pass) else { continue };
                table.select(place, *number, &mut chosen);
                chain.multiply(&chosen);
            }
        }
        if pass > 0 {
            (0..WIDTH).for_each(|_| chain.square());
        }
    }
    let mut out = modulus.zero();
    chain.leave(out.as_mut_words());
    out
}
