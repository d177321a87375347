//! Lists of exponentiations against the scalar engine: every result is the same with lanes and without.
//!
//! The input is read as up to eight entries, each with a modulus of 512 to 1111 bits or the square of one, a base below it,
//! and an exponent of up to 200 bits, secret or public.

#![no_main]

use consign_modexp::{BoxedUint, Lanes, Modulus, Power, Timing, lanes, powers, powers_without_lanes};
use libfuzzer_sys::fuzz_target;

/// Most entries of a list: a group in lanes.
const MOST: u8 = 8;
/// Bits of the shortest modulus, which is the shortest that goes to lanes, and of the longest one.
const BITS: [u16; 2] = [512, 1111];
/// Bytes of the longest exponent.
const EXPONENT_BYTES: u8 = 25;

/// The input, as far as it is not read yet. Where it ends zeros follow.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn number(&mut self, bytes: usize) -> BoxedUint {
        let (taken, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        let mut padded = taken.to_vec();
        padded.resize(bytes.max(1), 0);
        BoxedUint::from_be_slice_vartime(&padded)
    }

    /// Odd, and exactly as long as its first two bytes say.
    fn modulus(&mut self) -> Modulus {
        let [least, most] = BITS;
        let drawn = u16::from_be_bytes([self.byte(), self.byte()]);
        let bits = u32::from(least + drawn % (most - least + 1));
        let one = BoxedUint::one_with_precision(bits);
        let bytes = self.number(bits.div_ceil(8) as usize);
        let middle = bytes.shr(bits.next_multiple_of(8) - bits);
        let value = one.shl(bits - 1).bitor(&middle).bitor(&one);
        let modulus = Modulus::new(&value).expect("odd");
        assert_eq!(modulus.bits(), bits);
        modulus
    }
}

/// One entry with what it owns.
struct Entry {
    modulus: Modulus,
    base: BoxedUint,
    exponent: BoxedUint,
    timing: Timing,
}

impl Entry {
    fn power(&self) -> Power<'_> {
        let Self { modulus, base, exponent, timing } = self;
        Power { base, exponent, modulus, timing: *timing }
    }
}

/// What the entry before had: the root and the square of its modulus, and its exponent.
type Last = Option<([Modulus; 2], BoxedUint)>;

/// The next entry; it may share modulus and exponent of the one before.
fn entry(input: &mut Input<'_>, last: &mut Last) -> Entry {
    let choices = input.byte();
    let bit = |position: u8| choices >> position & 1 == 1;
    let (moduli, shared) = last.take().unzip();
    let [root, square] = moduli.filter(|_| bit(0)).unwrap_or_else(|| {
        let root = input.modulus();
        let square = root.squared().expect("short enough");
        [root, square]
    });
    let modulus = if bit(1) { square.clone() } else { root.clone() };
    let timing = match (bit(2), bit(6)) {
        (true, _) => Timing::Secret,
        (false, true) => Timing::SecretBase,
        (false, false) => Timing::Public,
    };
    let base = match (bit(3), bit(4)) {
        (false, _) => {
            let bytes = input.byte();
            modulus.reduce(&input.number(usize::from(bytes)))
        }
        (true, false) => modulus.neg(&BoxedUint::from(input.byte())),
        // Zero, or a multiple of the root.
        (true, true) => modulus.mul(&modulus.reduce(root.value()), &BoxedUint::from(input.byte())),
    };
    let exponent = shared.filter(|_| bit(5)).unwrap_or_else(|| {
        let bytes = input.byte() % (EXPONENT_BYTES + 1);
        input.number(usize::from(bytes))
    });
    *last = Some(([root, square], exponent.clone()));
    Entry { modulus, base, exponent, timing }
}

fuzz_target!(
    init: assert_eq!(lanes(), Lanes::Used, "without lanes there is nothing to compare"),
    |data: &[u8]| {
        let (mut input, mut last) = (Input(data), None);
        let count = 1 + input.byte() % MOST;
        let entries: Vec<_> = (0..count).map(|_| entry(&mut input, &mut last)).collect();
        let list: Vec<_> = entries.iter().map(Entry::power).collect();
        let (found, expected) = (powers(&list), powers_without_lanes(&list));
        assert_eq!(found, expected);
        let precise = |(x, entry): (&BoxedUint, &Entry)| {
            x.bits_precision() == entry.modulus.value().bits_precision()
        };
        assert!(found.len() == entries.len() && found.iter().zip(&entries).all(precise));
    }
);
