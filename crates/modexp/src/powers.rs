//! Lists of exponentiations: how each entry is computed, and how a list is spread over lanes and cores.
//!
//! A list is cut into tasks: up to eight entries of one size for the lanes of AVX512-IFMA, one entry with its digits across
//! them, two entries that the paired kernel of AWS-LC can take together, or one entry. Tasks run on the rayon pool when the list is worth it.
//! Results come back in the order of the list.

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use crypto_bigint::BoxedUint;
use rayon::prelude::*;

use crate::awslc::{Half, Montgomery, Word};
use crate::lanes::{self, Base, Exponents, Kernel, LANES, Lane, Shape, alone};
use crate::modulus::Modulus;

/// Whether the operands of an exponentiation are secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Base and exponent are secret: run time and memory accesses depend on the limbs of modulus and exponent, and of
    /// others in its list, only (lanes, `BN_mod_exp_mont_consttime`, or its paired form).
    Secret,
    /// The base is secret, the exponent is public: run time and memory accesses depend on the exponent, too.
    SecretBase,
    /// All operands are public: leading zeros of the exponent are skipped, short exponents use sliding windows. In
    /// a group of lanes they are treated as secret but for the length of the exponent, unless all have the same.
    Public,
}

/// One exponentiation `base^exponent mod modulus`; the exponent is not negative.
///
/// The number of limbs of `exponent` is public, its value is secret if `timing` says so. `base` must be below
/// the modulus. `0^0 = 1`.
#[derive(Clone, Copy)]
pub struct Power<'a> {
    /// The base, below the modulus.
    pub base: &'a BoxedUint,
    /// The exponent, of any width.
    pub exponent: &'a BoxedUint,
    /// The modulus.
    pub modulus: &'a Modulus,
    /// Whether base and exponent are secret.
    pub timing: Timing,
}

/// The modulus sizes, in exact bits, of the paired kernel (AWS-LC's `RSAZ_mod_exp_avx512_x2`).
const PAIRED_BITS: [u32; 3] = [1024, 1536, 2048];

/// The modulus sizes, in bits, for which lanes are used: shorter ones take AWS-LC no longer than packing and the tables,
/// longer ones do not occur.
pub(crate) const LANE_BITS: RangeInclusive<u32> = 512..=8192;

/// What a group in lanes costs, filled or not, by the cost of its longest entry on AWS-LC, as a fraction: between 1.45
/// and 1.65 where measured for moduli from 2048 to 6144 bits, so two filled lanes pay (`docs/performance.md`).
const LANES_COST: (u64, u64) = (8, 5);

/// The same where AWS-LC has its paired kernel, by the cost of a pair: 2 measured, up to 2048 bits.
const LANES_COST_IN_PAIRS: u64 = 2;

/// What a group costs by the cost of its longest entry with its digits across the lanes: 3.3 measured for 3072 bits.
const LANES_COST_ACROSS: (u64, u64) = (10, 3);

/// The same modulo squares of known roots: 3.7 and 4.0 measured for roots of 1536 and 2048 bits.
const SQUARES_COST_ACROSS: (u64, u64) = (4, 1);

/// The same for longer roots: 4.6 measured for 3072 bits, 5.4 with a public exponent.
const LONG_SQUARES_COST_ACROSS: (u64, u64) = (5, 1);

/// Moduli that are no squares go across the lanes above these bits: below, AWS-LC has its paired kernel. Roots above them
/// are long.
const ACROSS_BITS: u32 = 2048;

/// Public exponents up to this many bits go to sliding windows: filling the 32-entry table of the fixed-window
/// code would cost more than it saves.
const SLIDING_WINDOW_BITS: u32 = 96;

/// Estimated work, in word multiplications, from which a list goes to the thread pool (about 0.1 ms).
const PARALLEL_WORK: usize = 200_000;

/// All powers of the list, in its order, each at its modulus's precision.
///
/// # Panics
/// If a base is not below its modulus.
#[must_use]
pub fn powers(list: &[Power<'_>]) -> Vec<BoxedUint> {
    powers_with(lanes::kernel(), list, Base::Any)
}

/// [`powers`] on AWS-LC alone, for those on whose results a verdict rests.
///
/// # Panics
/// As [`powers`].
#[must_use]
pub fn powers_without_lanes(list: &[Power<'_>]) -> Vec<BoxedUint> {
    powers_with(None, list, Base::Any)
}

/// [`powers`] for a list whose bases all are two, which may be known: in lanes that saves a quarter.
pub(crate) fn powers_of_two(list: &[Power<'_>]) -> Vec<BoxedUint> {
    powers_with(lanes::kernel(), list, Base::Two)
}

/// [`powers`] with these lanes, or none.
pub(crate) fn powers_with(kernel: Option<&Kernel>, list: &[Power<'_>], base: Base) -> Vec<BoxedUint> {
    let tasks = cut(kernel, list, base);
    let work: usize = list.iter().map(Power::work).sum();
    let parts: Vec<Vec<(usize, BoxedUint)>> = if tasks.len() > 1 && work > PARALLEL_WORK {
        tasks.par_iter().map(|task| task.run()).collect()
    } else {
        tasks.iter().map(Task::run).collect()
    };
    let mut numbered: Vec<(usize, BoxedUint)> = parts.into_iter().flatten().collect();
    numbered.sort_unstable_by_key(|(position, _)| *position);
    numbered.into_iter().map(|(_, value)| value).collect()
}

/// What `f` gives for each entry, in order, computed on the threads that lists of exponentiations are: for what stands around
/// them and takes more than some microseconds.
pub fn for_each<T: Send, R: Send>(
    list: impl IntoIterator<Item = T>,
    f: impl Fn(T) -> R + Sync + Send,
) -> Vec<R> {
    let list: Vec<T> = list.into_iter().collect();
    if list.len() < 2 {
        return list.into_iter().map(f).collect();
    }
    list.into_par_iter().map(f).collect()
}

/// A list of one.
///
/// # Panics
/// If the base is not below the modulus.
#[must_use]
pub fn power(p: Power<'_>) -> BoxedUint {
    p.compute()
}

/// What runs in one piece, with the positions in the list.
enum Task<'a> {
    One(Entry<'a>),
    Two([Entry<'a>; 2]),
    /// At most [`LANES`], the longest exponent first.
    Lanes(&'a Kernel, Base, Vec<Entry<'a>>),
    /// With its digits across the lanes.
    Across(&'a Kernel, Entry<'a>),
}

/// A power and its position in the list.
type Entry<'a> = (usize, Power<'a>);

impl Task<'_> {
    #[cfg(not(feature = "census"))]
    fn run(&self) -> Vec<(usize, BoxedUint)> {
        self.compute()
    }

    #[cfg(feature = "census")]
    fn run(&self) -> Vec<(usize, BoxedUint)> {
        use crate::census::{Kind, Way, counted};
        let (way, entries, longest) = match self {
            Self::One((_, power)) => (Way::Scalar, 1, power),
            Self::Two([(_, power), _]) => (Way::Scalar, 2, power),
            Self::Across(_, (_, power)) => (Way::Across, 1, power),
            Self::Lanes(_, _, entries) => {
                let longest =
                    entries.iter().map(|(_, power)| power).max_by_key(|power| power.exponent_bits());
                (Way::Lanes, entries.len(), longest.expect("invariant: a group has entries"))
            }
        };
        let kind = Kind { modulus: longest.modulus.bits(), exponent: longest.exponent_bits(), way };
        counted(kind, entries, || self.compute())
    }

    fn compute(&self) -> Vec<(usize, BoxedUint)> {
        match self {
            Task::One((position, power)) => vec![(*position, power.compute())],
            Task::Two([(i, first), (j, second)]) => {
                let (mut out1, mut out2) = (first.modulus.zero(), second.modulus.zero());
                Montgomery::power_pair(first.half(&mut out1), second.half(&mut out2));
                vec![(*i, out1), (*j, out2)]
            }
            Task::Across(kernel, (position, power)) => {
                let known = known(std::slice::from_ref(power));
                vec![(*position, alone::power(kernel, &power.lane(), power.exponent_bits(), known))]
            }
            Task::Lanes(kernel, base, entries) => {
                let group: Vec<Lane<'_>> = entries.iter().map(|(_, power)| power.lane()).collect();
                let bits = entries.iter().map(|(_, power)| power.exponent_bits()).max().unwrap_or_default();
                let powers: Vec<_> = entries.iter().map(|(_, power)| *power).collect();
                let results = lanes::powers(kernel, &group, bits, (*base, known(&powers)));
                entries.iter().map(|(position, _)| *position).zip(results).collect()
            }
        }
    }
}

/// Cuts a list into tasks.
fn cut<'a>(kernel: Option<&'a Kernel>, list: &[Power<'a>], base: Base) -> Vec<Task<'a>> {
    let entries = list.iter().copied().enumerate();
    let Some(kernel) = kernel else {
        return pair_up(entries);
    };
    let (mut fit, mut rest): (Vec<_>, Vec<_>) =
        entries.partition(|(_, power)| LANE_BITS.contains(&power.modulus.bits()));
    // Like moduli together, and among them like exponents: a group works as long as its longest one, and less if all are
    // the same and public.
    fit.sort_by_key(|(_, power)| (power.shape(), Reverse(power.exponent_bits()), power.public_exponent()));
    let mut tasks = Vec::new();
    for alike in fit.chunk_by(|(_, a), (_, b)| a.shape() == b.shape()) {
        let mut left = alike;
        while !left.is_empty() {
            let group = left.get(..LANES).unwrap_or(left);
            let singles = longest_alone(group);
            let (now, later) = left.split_at(if singles == 0 { group.len() } else { singles });
            match now {
                group if singles == 0 => tasks.push(Task::Lanes(kernel, base, group.to_vec())),
                some if some.iter().all(|(_, power)| across_pays(power)) => {
                    tasks.extend(some.iter().map(|entry| Task::Across(kernel, *entry)));
                }
                some => rest.extend_from_slice(some),
            }
            left = later;
        }
    }
    tasks.extend(pair_up(rest.into_iter()));
    tasks
}

/// What may be known of the exponents of some entries.
fn known(entries: &[Power<'_>]) -> Exponents {
    let first = entries.first().and_then(Power::public_exponent);
    let common = first.is_some() && entries.iter().all(|power| power.public_exponent() == first);
    if common { Exponents::Common } else { Exponents::Secret }
}

/// How many entries of a group of one shape, the longest exponents first, are computed one by one for the least cost, if the
/// others go in lanes.
fn longest_alone(group: &[Entry<'_>]) -> usize {
    if group.iter().all(|(_, power)| power.fills_a_pair()) {
        let pays = group.len().div_ceil(2) as u64 > LANES_COST_IN_PAIRS;
        return if pays { 0 } else { group.len() };
    }
    let modulus = group.first().filter(|(_, power)| across_pays(power)).map(|(_, power)| power.modulus);
    let (paid, of) = match modulus.map(|modulus| modulus.root().map(Modulus::bits)) {
        Some(Some(root)) if root > ACROSS_BITS => LONG_SQUARES_COST_ACROSS,
        Some(Some(_)) => SQUARES_COST_ACROSS,
        Some(None) => LANES_COST_ACROSS,
        None => LANES_COST,
    };
    let bits: Vec<_> = group.iter().map(|(_, power)| u64::from(power.exponent_bits())).collect();
    let cost = |singles: usize| {
        let (alone, lanes) = bits.split_at(singles);
        alone.iter().sum::<u64>() * of + lanes.first().map_or(0, |longest| longest * paid)
    };
    (0..=group.len()).min_by_key(|singles| cost(*singles)).unwrap_or_default()
}

/// Whether an entry takes less time with its digits across the lanes than on AWS-LC.
fn across_pays(power: &Power<'_>) -> bool {
    let long = power.modulus.root().is_some() || power.modulus.bits() > ACROSS_BITS;
    long && alone::fits(power.modulus)
}

/// Finds pairs for AWS-LC; each shares one modulus size.
fn pair_up<'a>(list: impl Iterator<Item = Entry<'a>>) -> Vec<Task<'a>> {
    let mut waiting: [Option<Entry<'a>>; PAIRED_BITS.len()] = [None; PAIRED_BITS.len()];
    let mut tasks = Vec::new();
    for entry in list {
        let (_, power) = &entry;
        let size = PAIRED_BITS.iter().position(|bits| *bits == power.modulus.bits());
        let seat = size.and_then(|size| waiting.get_mut(size)).filter(|_| power.fills_a_pair());
        match seat {
            None => tasks.push(Task::One(entry)),
            Some(seat) => match seat.take() {
                None => *seat = Some(entry),
                Some(other) => tasks.push(Task::Two([other, entry])),
            },
        }
    }
    tasks.extend(waiting.into_iter().flatten().map(Task::One));
    tasks
}

impl<'a> Power<'a> {
    fn compute(&self) -> BoxedUint {
        let mut out = self.modulus.zero();
        let (engine, exponent) = (self.modulus.montgomery(), self.exponent_words());
        let (base, target) = (self.base.as_words(), out.as_mut_words());
        match self.timing {
            Timing::Public if self.exponent.bits_vartime() <= SLIDING_WINDOW_BITS => {
                engine.power_public(base, exponent, target);
            }
            Timing::Public | Timing::SecretBase | Timing::Secret => {
                engine.power_secret(base, exponent, target)
            }
        }
        out
    }

    /// The stored words of the exponent; those of a public one without leading zeros, but at least one.
    fn exponent_words(&self) -> &'a [Word] {
        let words = self.exponent.as_words();
        match self.timing {
            Timing::Secret => words,
            Timing::SecretBase | Timing::Public => {
                let used = words.iter().rposition(|word| *word != 0).map_or(1, |top| top + 1);
                words.get(..used).expect("invariant: a number has a word")
            }
        }
    }

    /// Whether the paired kernel takes the entry and pays: it always walks over as many exponent bits as the
    /// modulus has, at about half the cost of a bit.
    fn fills_a_pair(&self) -> bool {
        let (words, limbs) = (self.exponent_words().len(), self.modulus.limbs());
        let paid = (limbs.div_ceil(2)..=limbs).contains(&words);
        paid && PAIRED_BITS.contains(&self.modulus.bits()) && paired_kernel()
    }

    /// Bits of the exponent that are walked over in lanes: all stored ones of a secret exponent.
    fn exponent_bits(&self) -> u32 {
        match self.timing {
            Timing::Secret => self.exponent.bits_precision(),
            Timing::SecretBase | Timing::Public => self.exponent.bits_vartime(),
        }
    }

    /// The words of the exponent, if everybody may know them.
    fn public_exponent(&self) -> Option<&'a [Word]> {
        (self.timing != Timing::Secret).then(|| self.exponent_words())
    }

    /// How the modulus lies in lanes.
    fn shape(&self) -> Shape {
        Shape::of(self.modulus)
    }

    pub(crate) fn lane(&self) -> Lane<'a> {
        Lane { modulus: self.modulus, base: self.base, exponent: self.exponent.as_words() }
    }

    fn half<'b>(&'b self, out: &'b mut BoxedUint) -> Half<'b> {
        Half {
            modulus: self.modulus.montgomery(),
            base: self.base.as_words(),
            exponent: self.exponent_words(),
            out: out.as_mut_words(),
        }
    }

    /// Estimate of the cost in word multiplications.
    fn work(&self) -> usize {
        let limbs = self.modulus.limbs();
        limbs * limbs * 128 * self.exponent_words().len()
    }
}

/// Whether this processor has the instructions of the paired kernel.
fn paired_kernel() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512ifma")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("avx512vl");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::lanes::tests::MODEL;

    /// What a list of such entries is cut into: the kinds of the tasks with the positions of their entries.
    fn cut_into(kernel: Option<&Kernel>, entries: &[(u32, Timing)]) -> Vec<(&'static str, Vec<usize>)> {
        let moduli: Vec<Modulus> = entries
            .iter()
            .map(|(bits, _)| {
                let one = BoxedUint::one_with_precision(*bits);
                Modulus::new(&one.shl(bits - 1).bitor(&one)).unwrap()
            })
            .collect();
        let (base, exponent) = (BoxedUint::one(), BoxedUint::one().shl(63));
        let list: Vec<_> = moduli
            .iter()
            .zip(entries)
            .map(|(modulus, (_, timing))| Power {
                base: &base,
                exponent: &exponent,
                modulus,
                timing: *timing,
            })
            .collect();
        let positions = |entries: &[Entry<'_>]| entries.iter().map(|(position, _)| *position).collect();
        cut(kernel, &list, Base::Any)
            .iter()
            .map(|task| match task {
                Task::One((position, _)) => ("one", vec![*position]),
                Task::Two(entries) => ("two", positions(entries)),
                Task::Lanes(_, _, entries) => ("lanes", positions(entries)),
                Task::Across(_, (position, _)) => ("across", vec![*position]),
            })
            .collect()
    }

    #[test]
    fn lanes_take_certain_sizes() {
        use Timing::{Public, Secret};
        for (bits, in_lanes) in [(511, false), (512, true), (8192, true), (8193, false)] {
            for timings in [[Secret; 2], [Public; 2], [Secret, Public]] {
                let entries = timings.map(|timing| (bits, timing));
                let single = vec![("one", vec![0]), ("one", vec![1])];
                let together = vec![("lanes", vec![0, 1])];
                let expected = if in_lanes { &together } else { &single };
                assert_eq!(&cut_into(Some(&MODEL), &entries), expected, "{bits} bits, {timings:?}");
                assert_eq!(cut_into(None, &entries), single, "{bits} bits without lanes");
            }
        }
    }

    /// Sizes in blocks are not mixed, eights are filled, and who is left alone goes to AWS-LC.
    #[test]
    fn groups_are_alike_and_full() {
        let timing =
            |position: usize| if position.is_multiple_of(3) { Timing::Secret } else { Timing::Public };
        let sizes = [8192, 512, 511].into_iter().chain([600; 9]).chain([1000, 620, 8193]);
        let entries: Vec<_> = sizes.enumerate().map(|(position, bits)| (bits, timing(position))).collect();
        let cut = cut_into(Some(&MODEL), &entries);
        let kinds: Vec<_> = cut.iter().map(|(kind, positions)| (*kind, positions.len())).collect();
        // Ten entries have three blocks.
        assert_eq!(kinds.get(..2), Some(&[("lanes", 8), ("lanes", 2)][..]));
        assert!(kinds.iter().skip(2).all(|kind| *kind == ("one", 1)));
        let mut alone: Vec<_> = cut.iter().skip(2).flat_map(|(_, positions)| positions.clone()).collect();
        alone.sort_unstable();
        assert_eq!(alone, [0, 1, 2, 12, 14]);
        let mut all: Vec<_> = cut.into_iter().flat_map(|(_, positions)| positions).collect();
        all.sort_unstable();
        assert_eq!(all, (0..entries.len()).collect::<Vec<_>>());
    }

    /// Too few for a group: across the lanes modulo squares and long moduli, the longest exponents first.
    #[test]
    fn a_few_long_ones_go_across() {
        let odd = |bits: u32| {
            let one = BoxedUint::one_with_precision(bits);
            Modulus::new(&one.shl(bits - 1).bitor(&one)).unwrap()
        };
        let (long, short) = (odd(3072), odd(1000));
        let square = long.squared().unwrap();
        let (base, wide, narrow) = (BoxedUint::one(), BoxedUint::one().shl(63), BoxedUint::one());
        let entry = |modulus, exponent| Power { base: &base, exponent, modulus, timing: Timing::Public };
        let count = |list: &[Power<'_>]| {
            let tasks = cut(Some(&MODEL), list, Base::Any);
            let across = tasks.iter().filter(|task| matches!(task, Task::Across(..))).count();
            (across, tasks.iter().filter(|task| matches!(task, Task::Lanes(..))).count())
        };
        assert_eq!(count(&[entry(&square, &wide); 4]), (4, 0));
        assert_eq!(count(&[entry(&square, &wide); 5]), (0, 1));
        assert_eq!(count(&[entry(&long, &wide); 3]), (3, 0));
        assert_eq!(count(&[entry(&long, &wide); 4]), (0, 1));
        assert_eq!(count(&[entry(&short, &wide); 1]), (0, 0));
        let mixed = [[entry(&square, &narrow); 6].as_slice(), &[entry(&square, &wide); 2]].concat();
        assert_eq!(count(&mixed), (2, 1));
    }
}
