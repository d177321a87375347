//! Products of powers of bases that stay the same for long, from tables made ahead of time, in lanes.
//!
//! An exponent is written in digits of five bits from −15 to 16, `e = Σ d_i·32^i`; a negative one has all digits negated.
//! A table holds, for every sixteenth digit `i`, the powers `b^(d·32^i)` for all `d` from −16 to 16. A product takes the
//! digits in sixteen passes, from the last of each sixteen to the first: five squarings, then one product for every
//! sixteenth digit. So 3840 bits take 769 products and 75 squarings, in place of 768 products and 3840 squarings,
//! and several factors share the squarings.
//!
//! Lanes that choose from the same place of one table, or of two, choose together (`kernel::select_shared`); fewer products than pay for a
//! group go one by one, with their digits across the lanes.
//!
//! **Secrets.** Tables are of bases that are public, or those of a secret modulus, and are wiped. Exponents and their signs are secret: digits are found by arithmetic, every
//! entry for a digit's place is read and one is kept by `kernel::select` or `select_shared`, and how many steps are made depends on the
//! widths of the exponents alone.

use crypto_bigint::BoxedUint;
use zeroize::Zeroizing;

use super::alone::{self, Alone};
use super::vector::{Block, Column, LANES, Numbers, ROWS};
use super::{Group, Kernel, Lane, Shape, digits};
use crate::awslc::Word;
use crate::modulus::Modulus;

/// Bits of a digit of an exponent.
pub(crate) const WIDTH: u32 = 5;

/// The largest digit; its negative is the least.
pub(crate) const LARGEST: usize = 1 << (WIDTH - 1);

/// Powers for one place of a digit.
pub(crate) const ENTRIES: usize = 2 * LARGEST + 1;

/// Which places have powers: every sixteenth.
pub(crate) const STRIDE: usize = 16;

/// Bits between one place with powers and the next.
pub(crate) const PLACE_BITS: u32 = 16 * WIDTH;
const _: () = assert!(PLACE_BITS as usize == STRIDE * WIDTH as usize);

/// Powers of one base and of its inverse, in Montgomery form.
pub(crate) struct Table {
    /// For each place the powers in order, each in as many columns as hold the digits of a number.
    powers: Zeroizing<Vec<Column>>,
    /// Columns of one power.
    row: usize,
}

/// A base with its inverse.
#[derive(Clone, Copy)]
pub(crate) struct Unit<'a> {
    pub(crate) modulus: &'a Modulus,
    pub(crate) base: &'a BoxedUint,
    pub(crate) inverse: &'a BoxedUint,
}

/// An exponent in digits, each as the number of its power in a table. Wiped when dropped.
pub(crate) struct Digits(pub(crate) Zeroizing<Vec<u64>>);

/// One product: a modulus and the factors, at least one.
pub(crate) struct Product<'a> {
    pub(crate) modulus: &'a Modulus,
    pub(crate) factors: Vec<(&'a Table, Digits)>,
}

impl Table {
    /// Bytes of a table for exponents of so many bits.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.powers.len() * size_of::<Column>()
    }

    /// Whether it serves exponents of so many bits.
    pub(crate) fn serves(&self, bits: u32) -> bool {
        places(bits) * ENTRIES * self.row <= self.powers.len()
    }

    /// The powers for the `place`-th sixteen digits.
    fn place(&self, place: usize) -> &[Column] {
        let length = ENTRIES * self.row;
        self.powers
            .get(place * length..(place + 1) * length)
            .expect("invariant: the table serves the exponent")
    }

    /// Writes the power `number` of a place from a lane.
    fn put(&mut self, place: usize, number: usize, from: &[Block], lane: usize) {
        let start = (place * ENTRIES + number) * self.row;
        let row = self.powers.get_mut(start..start + self.row).expect("invariant: the table has the entry");
        let places = row.iter_mut().flat_map(|column| &mut column.0);
        for (place, column) in places.zip(from.iter().flatten()) {
            *place = *column.0.get(lane).expect("invariant: eight lanes");
        }
    }
}

/// Columns that hold the digits of a number.
fn columns(shape: Shape) -> usize {
    (shape.width() * ROWS).div_ceil(LANES)
}

/// Digits of exponents of so many bits; a carry may need one more than the bits do.
fn count(bits: u32) -> usize {
    digits::to_index(bits / WIDTH + 1)
}

/// Places with powers that exponents of so many bits need.
pub(crate) fn places(bits: u32) -> usize {
    count(bits).div_ceil(STRIDE)
}

impl Digits {
    /// Of the `bits` lowest bits of a number, negated if `negative` is all ones and not if it is zero.
    pub(crate) fn new(words: &[Word], bits: u32, negative: u64) -> Self {
        let mut carry = 0;
        let mut next = |index: u32| {
            let sum = digits::bits(words, index * WIDTH, WIDTH) + carry;
            carry = (sum + 15) >> WIDTH;
            let digit = sum.wrapping_sub(carry << WIDTH);
            let signed = (digit ^ negative).wrapping_sub(negative);
            signed.wrapping_add(LARGEST as u64)
        };
        let last = bits / WIDTH;
        let mut list = Zeroizing::new(Vec::with_capacity(count(bits)));
        (0..=last).for_each(|index| list.push(next(index)));
        Self(list)
    }
}

/// Tables of one to four units whose moduli have one shape, for exponents of up to `bits` bits.
pub(crate) fn tables(kernel: &Kernel, units: &[Unit<'_>], bits: u32) -> Vec<Table> {
    let lanes: Vec<_> = units
        .iter()
        .flat_map(|unit| {
            [unit.base, unit.inverse].map(|base| Lane { modulus: unit.modulus, base, exponent: &[] })
        })
        .collect();
    let mut group = Group::new(kernel, &lanes);
    let (one, mut power) = group.bases();
    let (row, places) = (columns(group.shape), places(bits));
    let empty = || Table { powers: Zeroizing::new(vec![Column::default(); places * ENTRIES * row]), row };
    let mut tables: Vec<_> = units.iter().map(|_| empty()).collect();
    let [mut multiple, mut next] = [(); 2].map(|()| group.zeros());
    for place in 0..places {
        multiple.copy_from_slice(&one);
        for digit in 0..=LARGEST {
            if digit > 0 {
                group.multiply(&mut next, &multiple, &power);
                std::mem::swap(&mut multiple, &mut next);
            }
            for (unit, table) in tables.iter_mut().enumerate() {
                table.put(place, LARGEST + digit, &multiple, 2 * unit);
                table.put(place, LARGEST - digit, &multiple, 2 * unit + 1);
            }
        }
        // From the sixteenth power, which is four squarings on the way.
        for _ in LARGEST.ilog2()..PLACE_BITS {
            group.square(&mut next, &multiple);
            std::mem::swap(&mut multiple, &mut next);
        }
        power.copy_from_slice(&multiple);
    }
    tables
}

/// The products of one to eight entries whose moduli have one shape.
pub(crate) fn products(kernel: &Kernel, list: &[Product<'_>]) -> Vec<BoxedUint> {
    let one = BoxedUint::one();
    let lanes: Vec<_> =
        list.iter().map(|product| Lane { modulus: product.modulus, base: &one, exponent: &[] }).collect();
    Group::new(kernel, &lanes).products(&steps(list))
}

/// Whether a modulus is one for [`product_across`]: tables must be made for the same `R`.
pub(crate) fn fits_across(modulus: &Modulus) -> bool {
    let digits = Shape::of(modulus).blocks * ROWS;
    modulus.root().is_none() && alone::fits(modulus) && alone::digits_for(modulus) == digits
}

/// One product with its digits across the lanes.
///
/// # Panics
/// If its modulus does not fit.
pub(crate) fn product_across(kernel: &Kernel, product: &Product<'_>) -> BoxedUint {
    assert!(fits_across(product.modulus), "invariant: the modulus fits");
    let alone = Alone::new(kernel, product.modulus);
    let steps = product.steps();
    let (mut result, mut twice) = (alone.unit(), alone.zeros());
    let [mut chosen, mut next] = [(); 2].map(|()| alone.zeros());
    for pass in (0..STRIDE).rev() {
        for (powers, numbers) in &steps {
            let Some(number) = numbers.get(pass) else { continue };
            let mut keys = Zeroizing::new(Column::default());
            keys.0.fill(*number);
            (kernel.select)(&mut chosen, powers, &keys);
            alone.multiply(&mut next, &result, &chosen);
            std::mem::swap(&mut result, &mut next);
        }
        if pass > 0 {
            for _ in 0..WIDTH {
                alone.square(&mut next, &result, &mut twice);
                std::mem::swap(&mut result, &mut next);
            }
        }
    }
    alone.finish(&result)
}

/// The powers to choose from and, for each pass, which; from a pass on there may be none.
type Step<'a> = (&'a [Column], &'a [u64]);

impl<'a> Product<'a> {
    /// One for each sixteen digits of each factor.
    fn steps(&self) -> Vec<Step<'_>> {
        self.factors.iter().flat_map(|(table, digits)| steps_of(table, digits)).collect()
    }

    fn tables(&self) -> impl Iterator<Item = *const Table> {
        self.factors.iter().map(|(table, _)| std::ptr::from_ref(*table))
    }

    /// What the `factor`-th has to do at a place: nothing, if it is not that long.
    fn step(&self, factor: usize, place: usize) -> Option<Step<'_>> {
        let (table, digits) = self.factors.get(factor)?;
        Some((table.place(place), digits.0.chunks(STRIDE).nth(place).unwrap_or_default()))
    }
}

fn steps_of<'a>(table: &'a Table, digits: &'a Digits) -> impl Iterator<Item = Step<'a>> {
    digits.0.chunks(STRIDE).enumerate().map(|(place, chosen)| (table.place(place), chosen))
}

/// What the lanes have to do at the same time. Lanes without an entry repeat the first.
///
/// If all have the same tables, each step takes one place of one table for all of them.
fn steps<'a>(list: &'a [Product<'_>]) -> Vec<[Step<'a>; LANES]> {
    let first = list.first().expect("invariant: a group is not empty");
    let of_lane = |lane: usize| list.get(lane).unwrap_or(first);
    if list.iter().all(|product| product.tables().eq(first.tables())) {
        let places = |factor: usize| {
            let digits = list.iter().filter_map(move |product| product.factors.get(factor));
            0..digits.map(|(_, digits)| digits.0.len().div_ceil(STRIDE)).max().unwrap_or_default()
        };
        let step = |lane, factor, place| of_lane(lane).step(factor, place).expect("invariant: equal tables");
        return (0..first.factors.len())
            .flat_map(|factor| places(factor).map(move |place| (factor, place)))
            .map(|(factor, place)| std::array::from_fn(|lane| step(lane, factor, place)))
            .collect();
    }
    let lanes: [Vec<_>; LANES] = std::array::from_fn(|lane| of_lane(lane).steps());
    let most = lanes.iter().map(Vec::len).max().unwrap_or_default();
    let nothing = |own: &[Step<'a>]| (own.first().expect("invariant: a product has factors").0, &[][..]);
    (0..most)
        .map(|step| {
            std::array::from_fn(|lane| {
                lanes
                    .get(lane)
                    .map(|own| own.get(step).copied().unwrap_or_else(|| nothing(own)))
                    .expect("invariant: eight lanes")
            })
        })
        .collect()
}

impl Group<'_> {
    fn products(mut self, steps: &[[Step<'_>; LANES]]) -> Vec<BoxedUint> {
        let [mut product, mut chosen, mut next] = [(); 3].map(|()| self.zeros());
        let row = Zeroizing::new(vec![Column::default(); columns(self.shape)]);
        let mut room = Room { row, other: self.zeros() };
        for pass in (0..STRIDE).rev() {
            for (number, step) in steps.iter().enumerate() {
                self.choose(&mut chosen, step, pass, &mut room);
                if (pass, number) == (STRIDE - 1, 0) {
                    product.copy_from_slice(&chosen);
                } else {
                    self.multiply(&mut next, &product, &chosen);
                    std::mem::swap(&mut product, &mut next);
                }
            }
            if pass > 0 {
                for _ in 0..WIDTH {
                    self.square(&mut next, &product);
                    std::mem::swap(&mut product, &mut next);
                }
            }
        }
        self.finish(&product)
    }

    /// The powers of a step in a pass: one in lanes that have nothing to do.
    fn choose(&self, chosen: &mut [Block], step: &[Step<'_>; LANES], pass: usize, room: &mut Room) {
        let mut keys = Zeroizing::new(Column::default());
        for (key, (_, numbers)) in keys.0.iter_mut().zip(step) {
            *key = *numbers.get(pass).unwrap_or(&(LARGEST as u64));
        }
        let tables = || step.iter().map(|(powers, _)| *powers);
        let is_first = |&(lane, powers): &(usize, &[Column])| {
            !tables().take(lane).any(|other| std::ptr::eq(other, powers))
        };
        let mut distinct = tables().enumerate().filter(is_first).map(|(_, powers)| powers);
        let (Some(first), second, None) = (distinct.next(), distinct.next(), distinct.next()) else {
            return self.choose_apart(chosen, step, &keys, &mut room.row);
        };
        let choose = |out: &mut [Block], table: &[Column]| {
            // Lanes of another table ask for an entry that there is none of.
            let mut own = Zeroizing::new(Column([ENTRIES as u64; LANES]));
            for ((own, key), (powers, _)) in own.0.iter_mut().zip(&keys.0).zip(step) {
                if std::ptr::eq(*powers, table) {
                    *own = *key;
                }
            }
            (self.kernel.select_shared)(out.as_flattened_mut(), table, room.row.len(), &own);
        };
        choose(chosen, first);
        if let Some(second) = second {
            choose(&mut room.other, second);
            let columns = chosen.as_flattened_mut().iter_mut().zip(room.other.as_flattened());
            columns.flat_map(|(to, from)| to.0.iter_mut().zip(from.0)).for_each(|(to, from)| *to |= from);
        }
    }

    /// As [`Group::choose`] where every lane may have a table of its own.
    fn choose_apart(
        &self,
        chosen: &mut [Block],
        step: &[Step<'_>; LANES],
        keys: &Column,
        row: &mut [Column],
    ) {
        for (lane, ((powers, _), key)) in step.iter().zip(&keys.0).enumerate() {
            let mut own = Zeroizing::new(Column::default());
            own.0.fill(*key);
            (self.kernel.select)(row, powers, &own);
            let digits = row.iter().flat_map(|column| column.0);
            for (column, digit) in chosen.iter_mut().flatten().zip(digits) {
                *column.0.get_mut(lane).expect("invariant: eight lanes") = digit;
            }
        }
    }
}

/// Where chosen powers are put together.
struct Room {
    /// One power.
    row: Zeroizing<Vec<Column>>,
    /// Those of a second table.
    other: Numbers,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::tests::MODEL;
    use super::*;

    /// Digits stand for their number: exhaustively for short ones, with every carry for long ones.
    #[test]
    fn digits_add_up() {
        let value = |digits: &Digits| {
            digits.0.iter().rev().fold(0i128, |sum, key| 32 * sum + i128::from(*key) - LARGEST as i128)
        };
        let long = [u64::MAX, u64::MAX - 1, 1 << 63, 0x8421_0842_1084_2108, 0x7bde_f7bd_ef7b_def7];
        for number in (0..5000).chain(long) {
            for (negative, sign) in [(0, 1), (u64::MAX, -1)] {
                let digits = Digits::new(&[number], 64, negative);
                assert_eq!(digits.0.len(), count(64));
                assert!(digits.0.iter().all(|key| *key < ENTRIES as u64));
                assert_eq!(value(&digits), sign * i128::from(number));
            }
        }
    }

    /// What the documentation says of memory.
    #[test]
    fn tables_are_small() {
        let modulus =
            Modulus::new(&BoxedUint::one_with_precision(3072).shl(3071).bitor(&BoxedUint::one())).unwrap();
        let one = BoxedUint::one();
        let unit = Unit { modulus: &modulus, base: &one, inverse: &one };
        let table = tables(&MODEL, &[unit], 100).remove(0);
        assert_eq!(table.bytes(), 2 * ENTRIES * 512);
        assert!(table.serves(100) && table.serves(159) && !table.serves(160));
    }
}
