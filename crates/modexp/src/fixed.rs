//! Bases that stay the same for long, and products of their powers.
//!
//! A [`FixedBase`] is prepared once, which takes about as long as eight exponentiations in lanes for up to four bases;
//! afterwards a power of 3840 bits takes about a fifth of an exponentiation, and products share a part of that. Without
//! lanes tables are made and used on AWS-LC one by one, with the same results.

use std::sync::Arc;

use crypto_bigint::{BoxedUint, Choice, CtSelect};
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use crate::lanes::fixed::{Digits, Product, Table, Unit, fits_across, product_across, products, tables};
use crate::lanes::{self, Kernel, LANES, Shape};
use crate::modulus::Modulus;
use crate::powers::{LANE_BITS, Power, Timing, powers_with};
use crate::scalar_tables;

/// A unit with its inverse and a table of powers: public, or as secret as its modulus. Wiped when dropped; cloning copies a
/// pointer.
///
/// A table for exponents of 3842 bits modulo 3072 bits takes 0.8 MiB.
#[derive(Clone)]
pub struct FixedBase(Arc<Inner>);

struct Inner {
    modulus: Modulus,
    base: BoxedUint,
    inverse: BoxedUint,
    table: Made,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Bases of a secret modulus tell it.
        self.base.zeroize();
        self.inverse.zeroize();
    }
}

/// How a table was made.
enum Made {
    ForLanes(Table),
    InWords(scalar_tables::Table),
}

/// One factor of a product: `base^exponent`, or `base^(−exponent)` if `negative`.
///
/// The number of limbs of `exponent` is public; its value and sign are secret if `timing` says so.
#[derive(Clone, Copy)]
pub struct FixedPower<'a> {
    /// The base.
    pub base: &'a FixedBase,
    /// The magnitude of the exponent, of any width.
    pub exponent: &'a BoxedUint,
    /// Its sign.
    pub negative: Choice,
    /// Whether the exponent is secret.
    pub timing: Timing,
}

/// Bases in a group: each takes two lanes, one for its inverse.
const BASES: usize = LANES / 2;

/// Fewer products are computed one by one across the lanes: a group costs 3.3 of them at 3072 bits, 2.5 at 2048.
const LEAST_IN_LANES: usize = 4;

impl FixedBase {
    /// Prepares bases for exponents of up to `bits` bits; longer ones are computed without the table. Each is a
    /// modulus, a unit below it and the inverse of that.
    ///
    /// # Panics
    /// If a base is not below its modulus.
    #[must_use]
    pub fn prepare(list: &[(&Modulus, &BoxedUint, &BoxedUint)], bits: u32) -> Vec<Self> {
        Self::prepare_with(lanes::kernel(), list, bits)
    }

    fn prepare_with(
        kernel: Option<&Kernel>,
        list: &[(&Modulus, &BoxedUint, &BoxedUint)],
        bits: u32,
    ) -> Vec<Self> {
        let units: Vec<_> =
            list.iter().map(|&(modulus, base, inverse)| Unit { modulus, base, inverse }).collect();
        let made = |group: &[Unit<'_>]| -> Vec<Made> {
            let fits = group.iter().all(|unit| LANE_BITS.contains(&unit.modulus.bits()));
            match kernel.filter(|_| fits) {
                Some(kernel) => tables(kernel, group, bits).into_iter().map(Made::ForLanes).collect(),
                None => group.iter().map(|unit| Made::InWords(in_words(unit, bits))).collect(),
            }
        };
        let groups: Vec<_> = units
            .chunk_by(|a, b| Shape::of(a.modulus) == Shape::of(b.modulus))
            .flat_map(|alike| alike.chunks(if kernel.is_some() { BASES } else { 1 }))
            .collect();
        let tables: Vec<_> = groups.par_iter().flat_map_iter(|group| made(group)).collect();
        let with_tables = units.iter().zip(tables);
        with_tables
            .map(|(unit, table)| {
                let Unit { modulus, base, inverse } = *unit;
                Self(Arc::new(Inner {
                    modulus: modulus.clone(),
                    base: base.clone(),
                    inverse: inverse.clone(),
                    table,
                }))
            })
            .collect()
    }

    /// The base.
    #[must_use]
    pub fn value(&self) -> &BoxedUint {
        &self.0.base
    }
}

impl FixedPower<'_> {
    /// Bits of the exponent that are looked at.
    fn bits(&self) -> u32 {
        match self.timing {
            Timing::Secret => self.exponent.bits_precision(),
            Timing::SecretBase | Timing::Public => self.exponent.bits_vartime(),
        }
    }

    /// The table for lanes, if it serves.
    fn table(&self) -> Option<&Table> {
        match &self.base.0.table {
            Made::ForLanes(table) => Some(table).filter(|table| table.serves(self.bits())),
            Made::InWords(_) => None,
        }
    }

    /// The table in words, if it serves.
    fn table_in_words(&self) -> Option<&scalar_tables::Table> {
        match &self.base.0.table {
            Made::InWords(table) => Some(table).filter(|table| table.serves(self.bits())),
            Made::ForLanes(_) => None,
        }
    }

    fn digits(&self) -> Digits {
        Digits::new(self.exponent.as_words(), self.bits(), u64::from(self.negative.to_u8()).wrapping_neg())
    }
}

/// The product of the powers in each entry of a list, in its order. The factors of one entry, at least one, have one modulus.
///
/// # Panics
/// If an entry is empty or its moduli differ.
#[must_use]
pub fn fixed_products(list: &[Vec<FixedPower<'_>>]) -> Vec<BoxedUint> {
    products_with(lanes::kernel(), list)
}

fn products_with(kernel: Option<&Kernel>, list: &[Vec<FixedPower<'_>>]) -> Vec<BoxedUint> {
    for entry in list {
        let of_first = entry.first().expect("invariant: a product has factors").base.0.modulus.value();
        let alike = entry.iter().all(|factor| factor.base.0.modulus.value() == of_first);
        assert!(alike, "invariant: the factors of a product have one modulus");
    }
    let from_tables = |position: &usize| list.get(*position).is_some_and(|entry| serves(entry));
    let (mut tabled, others): (Vec<usize>, Vec<usize>) =
        (0..list.len()).partition(|position| kernel.is_some() && from_tables(position));
    let entry = |position: &usize| list.get(*position).map(Vec::as_slice).unwrap_or_default();
    let (in_words, plain): (Vec<usize>, Vec<usize>) = others
        .into_iter()
        .partition(|position| entry(position).iter().all(|factor| factor.table_in_words().is_some()));
    let size = |position: &usize| entry(position).first().map(|one| Shape::of(&one.base.0.modulus));
    // Entries from the same tables together, and among them those with exponents of like lengths.
    let tables = |position: &usize| -> Vec<_> {
        entry(position).iter().map(|one| (Arc::as_ptr(&one.base.0).addr(), one.bits())).collect()
    };
    tabled.sort_by_cached_key(|position| (size(position), tables(position)));
    let groups: Vec<_> =
        tabled.chunk_by(|a, b| size(a) == size(b)).flat_map(|alike| alike.chunks(LANES)).collect();
    let computed = |group: &&[usize]| {
        let compute = || {
            let group: Vec<_> = group.iter().filter_map(|position| prepared(entry(position))).collect();
            kernel.map(|kernel| run(kernel, &group)).unwrap_or_default()
        };
        #[cfg(feature = "census")]
        if let Some(kind) = group.iter().filter_map(|position| kind(entry(position))).max() {
            return crate::census::counted(kind, group.len(), compute);
        }
        compute()
    };
    let (mut results, (from_words, others)) = rayon::join(
        || groups.par_iter().flat_map_iter(computed).collect::<Vec<_>>(),
        || {
            let one_by_one =
                || in_words.par_iter().map(|position| from_words(entry(position))).collect::<Vec<_>>();
            rayon::join(one_by_one, || without_tables(kernel, &plain.iter().map(entry).collect::<Vec<_>>()))
        },
    );
    results.extend(from_words.into_iter().chain(others));
    let mut numbered: Vec<_> = tabled.iter().chain(&in_words).chain(&plain).zip(results).collect();
    numbered.sort_unstable_by_key(|(position, _)| **position);
    numbered.into_iter().map(|(_, value)| value).collect()
}

/// The products of a group of one shape.
fn run(kernel: &Kernel, group: &[Product<'_>]) -> Vec<BoxedUint> {
    let across = group.len() < LEAST_IN_LANES && group.iter().all(|product| fits_across(product.modulus));
    if across {
        return group.iter().map(|product| product_across(kernel, product)).collect();
    }
    products(kernel, group)
}

/// A table in words.
fn in_words(unit: &Unit<'_>, bits: u32) -> scalar_tables::Table {
    scalar_tables::Table::new(unit.modulus, [unit.base, unit.inverse], bits)
}

/// The product of an entry whose factors all have tables in words.
fn from_words(entry: &[FixedPower<'_>]) -> BoxedUint {
    let factors: Vec<_> =
        entry.iter().filter_map(|factor| Some((factor.table_in_words()?, factor.digits()))).collect();
    let first = entry.first().expect("invariant: a product has factors");
    let compute = || scalar_tables::product(&first.base.0.modulus, &factors);
    #[cfg(feature = "census")]
    if let Some(kind) = kind(entry) {
        return crate::census::counted(kind, 1, compute);
    }
    compute()
}

/// Whether all factors of an entry have tables for their exponents, and numbers lie alike in all of them: the same
/// modulus may be known with its root and without.
fn serves(entry: &[FixedPower<'_>]) -> bool {
    let shape = |factor: &FixedPower<'_>| Shape::of(&factor.base.0.modulus);
    let first = entry.first().map(shape);
    entry.iter().all(|factor| factor.table().is_some() && first == Some(shape(factor)))
}

/// What a product counts as.
#[cfg(feature = "census")]
fn kind(entry: &[FixedPower<'_>]) -> Option<crate::census::Kind> {
    let modulus = entry.first()?.base.0.modulus.bits();
    let exponent = entry.iter().map(FixedPower::bits).sum();
    Some(crate::census::Kind { modulus, exponent, way: crate::census::Way::Tables })
}

/// An entry whose factors all have tables.
fn prepared<'a>(entry: &'a [FixedPower<'a>]) -> Option<Product<'a>> {
    let factors: Option<Vec<_>> =
        entry.iter().map(|factor| Some((factor.table()?, factor.digits()))).collect();
    Some(Product { modulus: &entry.first()?.base.0.modulus, factors: factors? })
}

/// By plain exponentiations.
fn without_tables(kernel: Option<&Kernel>, list: &[&[FixedPower<'_>]]) -> Vec<BoxedUint> {
    let factors: Vec<&FixedPower<'_>> = list.iter().copied().flatten().collect();
    let bases: Vec<_> = factors
        .iter()
        .map(|factor| Zeroizing::new(factor.base.0.base.ct_select(&factor.base.0.inverse, factor.negative)))
        .collect();
    let powers: Vec<_> = factors
        .iter()
        .zip(&bases)
        .map(|(factor, base)| Power {
            base,
            exponent: factor.exponent,
            modulus: &factor.base.0.modulus,
            timing: factor.timing,
        })
        .collect();
    let mut results = powers_with(kernel, &powers, lanes::Base::Any).into_iter();
    list.iter()
        .map(|entry| {
            let mut next = || Zeroizing::new(results.next().expect("invariant: one result per factor"));
            entry.iter().fold(None, |product: Option<Zeroizing<BoxedUint>>, factor| {
                let power = next();
                Some(match product {
                    None => power,
                    Some(product) => Zeroizing::new(factor.base.0.modulus.mul(&product, &power)),
                })
            })
        })
        .map(|product| BoxedUint::clone(&product.expect("invariant: a product has factors")))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::lanes::tests::kernels;
    use crypto_bigint::{RandomBits, Resize};
    use rand_chacha::ChaCha20Rng;
    use rand_core::{Rng, SeedableRng};

    /// Capacity of the tables.
    const BITS: u32 = 400;

    fn modulus(bits: u32, rng: &mut ChaCha20Rng) -> Modulus {
        let one = BoxedUint::one_with_precision(bits);
        Modulus::new(&BoxedUint::random_bits(rng, bits).bitor(&one.shl(bits - 1)).bitor(&one)).unwrap()
    }

    fn unit(modulus: &Modulus, rng: &mut ChaCha20Rng) -> (BoxedUint, BoxedUint) {
        loop {
            let base = modulus.random_below(rng);
            if let Some(inverse) = modulus.invert_public(&base) {
                return (base, inverse);
            }
        }
    }

    fn exponent(rng: &mut ChaCha20Rng) -> BoxedUint {
        let bits = [1, 5, 63, 64, 65, 79, 80, 81, 200, BITS][rng.next_u32() as usize % 10];
        match rng.next_u32() % 4 {
            0 => BoxedUint::zero_with_precision(bits),
            1 => BoxedUint::zero_with_precision(bits)
                .not()
                .shr(BoxedUint::zero_with_precision(bits).bits_precision() - bits),
            _ => BoxedUint::random_bits(rng, bits),
        }
    }

    /// Products of one to three factors modulo numbers of two sizes, with exponents of all widths and both signs, agree
    /// with plain exponentiation, with and without tables.
    #[test]
    fn products_agree_with_plain_exponentiation() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let moduli: Vec<_> = [512, 520, 1024, 520].map(|bits| modulus(bits, &mut rng)).into();
        let units: Vec<_> = moduli
            .iter()
            .flat_map(|n| [unit(n, &mut rng), unit(n, &mut rng)].map(|unit| (n, unit)))
            .collect();
        let list: Vec<_> = units.iter().map(|(n, (base, inverse))| (*n, base, inverse)).collect();
        let exponents: Vec<_> = (0..60)
            .map(|_| (exponent(&mut rng), Choice::from(u8::from(rng.next_u32().is_multiple_of(2)))))
            .collect();
        for kernel in kernels().into_iter().map(Some).chain([None]) {
            let bases = FixedBase::prepare_with(kernel, &list, BITS);
            let for_lanes = bases.iter().all(|base| matches!(base.0.table, Made::ForLanes(_)));
            assert_eq!(for_lanes, kernel.is_some());
            for (count, alike) in [1, 2, 8, 19].into_iter().flat_map(|count| [(count, false), (count, true)])
            {
                let factor = |base, index: usize| FixedPower {
                    base,
                    exponent: &exponents[index % 60].0,
                    negative: exponents[index % 60].1,
                    timing: if index.is_multiple_of(2) { Timing::Secret } else { Timing::Public },
                };
                let entries: Vec<Vec<_>> = (0..count)
                    .map(|entry| {
                        // Alike are those that choose from the same tables.
                        let (pair, factors) = if alike { (0, 2) } else { (2 * (entry % 4), 1 + entry % 3) };
                        (0..factors).map(|k| factor(&bases[pair + k % 2], 7 * entry + k)).collect()
                    })
                    .collect();
                let found = products_with(kernel, &entries);
                for (entry, found) in entries.iter().zip(found) {
                    let n = &entry[0].base.0.modulus;
                    let expected = entry.iter().fold(n.one(), |product, factor| {
                        let Inner { base, inverse, .. } = &*factor.base.0;
                        let base = if factor.negative.to_bool() { inverse } else { base };
                        let power =
                            Power { base, exponent: factor.exponent, modulus: n, timing: Timing::Public };
                        n.mul(&product, &crate::powers::power(power))
                    });
                    assert_eq!(found, expected);
                    assert_eq!(found.bits_precision(), n.precision());
                }
            }
        }
    }

    /// One square, once with its root and once without: tables of the two do not go together.
    #[test]
    fn a_modulus_may_be_known_with_and_without_its_root() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let square = modulus(512, &mut rng).squared().unwrap();
        let plain = Modulus::new(square.value()).unwrap();
        let units = [unit(&square, &mut rng), unit(&plain, &mut rng)];
        let list: Vec<_> = [&square, &plain]
            .into_iter()
            .zip(&units)
            .map(|(n, (base, inverse))| (n, base, inverse))
            .collect();
        let exponent = BoxedUint::from(5u64);
        let expected = units.iter().fold(plain.one(), |product, (base, _)| {
            let power = Power { base, exponent: &exponent, modulus: &plain, timing: Timing::Public };
            plain.mul(&product, &crate::powers::power(power))
        });
        for kernel in kernels().into_iter().map(Some).chain([None]) {
            let bases = FixedBase::prepare_with(kernel, &list, BITS);
            let factor = |base| FixedPower {
                base,
                exponent: &exponent,
                negative: Choice::FALSE,
                timing: Timing::Secret,
            };
            let entry: Vec<_> = bases.iter().map(factor).collect();
            assert_eq!(products_with(kernel, &[entry]), std::slice::from_ref(&expected));
        }
    }

    /// An exponent too long for the tables is computed without them.
    #[test]
    fn long_exponents_need_no_table() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let n = modulus(512, &mut rng);
        let (base, inverse) = unit(&n, &mut rng);
        let exponent = BoxedUint::random_bits(&mut rng, 2 * BITS).resize_unchecked(2 * BITS);
        for kernel in kernels().into_iter().map(Some).chain([None]) {
            let fixed = FixedBase::prepare_with(kernel, &[(&n, &base, &inverse)], BITS).remove(0);
            let timing = Timing::Secret;
            let factor = FixedPower { base: &fixed, exponent: &exponent, negative: Choice::FALSE, timing };
            let power = Power { base: &base, exponent: &exponent, modulus: &n, timing };
            assert_eq!(products_with(kernel, &[vec![factor]]), [crate::powers::power(power)]);
        }
    }
}
