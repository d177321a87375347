//! Lanes against the scalar engine. The kernel runs on a model of the instructions, so that these tests check it on
//! every machine, and on the instructions where the processor has them.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use crypto_bigint::{RandomBits, Resize};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::switch::Switch;
use super::vector::Model;
use super::*;
use crate::powers::{Power, Timing, powers_with};
use crate::primes::{PrimeKind, generate};

pub(crate) mod broken;

/// The kernel on the model.
pub(crate) static MODEL: Kernel = MODEL_KERNEL;

const MODEL_KERNEL: Kernel = Kernel {
    multiply: kernel::multiply::<Model>,
    square: kernel::square::<Model>,
    square_and_double: kernel::square_and_double::<Model>,
    subtract_once: kernel::subtract_once::<Model>,
    twice: kernel::twice::<Model>,
    double: kernel::double::<Model>,
    select: kernel::select::<Model>,
    select_shared: kernel::select_shared::<Model>,
    multiply_pairs: pairs::multiply_pairs::<Model>,
    square_pairs: pairs::square_pairs::<Model>,
    unit_pair: pairs::unit_pair::<Model>,
    enter: pairs::enter::<Model>,
    leave: pairs::leave::<Model>,
    multiply_across: across::multiply_across::<Model>,
    multiply_pairs_across: across::multiply_pairs_across::<Model>,
    square_pairs_across: across::square_pairs_across::<Model>,
};

thread_local! {
    /// What lists of this thread run on, instead of what the processor has.
    static INSTALLED: Cell<Option<Option<&'static Kernel>>> = const { Cell::new(None) };
}

/// The kernel, or none, that a test has put in place for its thread.
pub(super) fn installed() -> Option<Option<&'static Kernel>> {
    INSTALLED.get()
}

/// Puts a kernel in place for lists of this thread, or takes it away.
pub(crate) fn install(kernel: Option<&'static Kernel>) {
    INSTALLED.set(kernel.map(Some));
}

/// The model, and the processor's instructions if it has them.
pub(crate) fn kernels() -> Vec<&'static Kernel> {
    #[cfg(target_arch = "x86_64")]
    return [Some(&MODEL), ifma::detected()].into_iter().flatten().collect();
    #[cfg(not(target_arch = "x86_64"))]
    return vec![&MODEL];
}

/// A list to compute: owned operands.
struct Job {
    modulus: Modulus,
    base: BoxedUint,
    exponent: BoxedUint,
    timing: Timing,
}

impl Job {
    fn power(&self) -> Power<'_> {
        Power { base: &self.base, exponent: &self.exponent, modulus: &self.modulus, timing: self.timing }
    }
}

/// `2^bits − 1`.
fn ones(bits: u32) -> BoxedUint {
    BoxedUint::one_with_precision(bits + 1).shl(bits).wrapping_sub(BoxedUint::one()).resize_unchecked(bits)
}

/// An odd modulus of exactly so many bits, or the square of such a root, whose numbers are pairs if it is long enough.
#[derive(Clone, Copy, Debug)]
enum Size {
    Plain(u32),
    SquareOf(u32),
}

/// A modulus of this size: random, all ones, or nearly all zeros.
fn modulus(size: Size, rng: &mut ChaCha20Rng) -> Modulus {
    match size {
        Size::Plain(bits) => plain_modulus(bits, rng),
        Size::SquareOf(bits) => plain_modulus(bits, rng).squared().unwrap(),
    }
}

fn plain_modulus(bits: u32, rng: &mut ChaCha20Rng) -> Modulus {
    let one = BoxedUint::one_with_precision(bits);
    let middle = match rng.next_u32() % 4 {
        0 => ones(bits),
        1 => one.clone(),
        _ => BoxedUint::random_bits(rng, bits),
    };
    Modulus::new_secret(&middle.bitor(&one.shl(bits - 1)).bitor(&one)).unwrap()
}

/// 0, 1, n − 1, or anything below n; for squares also the root, one below it, and its largest multiple.
fn base(modulus: &Modulus, rng: &mut ChaCha20Rng) -> BoxedUint {
    if let (Some(root), true) = (modulus.root(), rng.next_u32().is_multiple_of(3)) {
        return match rng.next_u32() % 3 {
            0 => root.value().clone(),
            1 => root.value().wrapping_sub(BoxedUint::one()),
            _ => modulus.value().wrapping_sub(root.value().resize_unchecked(modulus.precision())),
        };
    }
    match rng.next_u32() % 5 {
        0 => modulus.zero(),
        1 => modulus.one(),
        2 => modulus.value().wrapping_sub(BoxedUint::one()),
        _ => modulus.random_below(rng),
    }
}

/// 0, 1, all ones, or random, with at most so many bits, perhaps stored wider.
fn exponent(bits: u32, rng: &mut ChaCha20Rng) -> BoxedUint {
    let exponent = match rng.next_u32() % 6 {
        0 => BoxedUint::zero(),
        1 => BoxedUint::one(),
        2 => ones(bits),
        3 => {
            let fewer = 1 + rng.next_u32() % bits;
            BoxedUint::random_bits(rng, fewer)
        }
        _ => BoxedUint::random_bits(rng, bits),
    };
    let padding = if rng.next_u32().is_multiple_of(3) { 100 } else { 0 };
    exponent.resize_unchecked(bits + padding)
}

fn job(size: Size, exponent_bits: u32, rng: &mut ChaCha20Rng) -> Job {
    let modulus = modulus(size, rng);
    let (base, exponent) = (base(&modulus, rng), exponent(exponent_bits, rng));
    let timing = if rng.next_u32().is_multiple_of(2) { Timing::Secret } else { Timing::Public };
    Job { modulus, base, exponent, timing }
}

/// Compares a group, whatever its sizes, with the scalar engine.
fn check_group(jobs: &[Job], exponent_bits: u32) {
    let list: Vec<_> = jobs.iter().map(Job::power).collect();
    let expected = powers_with(None, &list, Base::Any);
    let group: Vec<_> = list.iter().map(Power::lane).collect();
    for kernel in kernels() {
        let found = powers(kernel, &group, exponent_bits, (Base::Any, Exponents::Secret));
        assert_eq!(found, expected, "{:?}", jobs[0].modulus);
        assert!(found.iter().zip(jobs).all(|(x, job)| x.bits_precision() == job.modulus.precision()));
        for ((lane, job), expected) in group.iter().zip(jobs).zip(&expected) {
            if alone::fits(&job.modulus) {
                let known = if job.timing == Timing::Secret { Exponents::Secret } else { Exponents::Common };
                let found = alone::power(kernel, lane, exponent_bits, known);
                assert_eq!(&found, expected, "alone: {:?}", job.modulus);
                assert_eq!(found.bits_precision(), job.modulus.precision());
            }
        }
    }
}

/// One public exponent for a whole group, of bases and moduli that differ: found out, and computed with sliding windows.
#[test]
fn a_common_exponent_needs_no_scan() {
    static NOTHING_SELECTED: Kernel = Kernel { select: |_, _, _| panic!("a scan"), ..MODEL_KERNEL };
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    for (size, bits) in
        [(Size::Plain(1024), 300), (Size::SquareOf(512), 300), (Size::Plain(600), 1), (Size::Plain(600), 64)]
    {
        let moduli: Vec<_> = (0..LANES).map(|_| modulus(size, &mut rng)).collect();
        let bases: Vec<_> = moduli.iter().map(|modulus| base(modulus, &mut rng)).collect();
        for exponent in [exponent(bits, &mut rng), BoxedUint::zero(), ones(bits), ones(bits + 71).shl(70)] {
            let entry = |(index, (modulus, base)): (usize, _)| {
                let timing = if index.is_multiple_of(2) { Timing::SecretBase } else { Timing::Public };
                Power { base, exponent: &exponent, modulus, timing }
            };
            let list: Vec<_> = moduli.iter().zip(&bases).enumerate().map(entry).collect();
            let expected = powers_with(None, &list, Base::Any);
            for kernel in kernels().into_iter().chain([&NOTHING_SELECTED]) {
                assert_eq!(powers_with(Some(kernel), &list, Base::Any), expected);
            }
        }
    }
}

/// Every size of the protocol, the longest that fit their blocks, the shortest that do not, and tiny ones.
#[test]
fn groups_of_every_size_agree_with_the_scalar_engine() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let protocol = [512, 1000, 1023, 1024, 1535, 1536, 2048, 3071, 3072, 4095, 4096, 6143, 6144];
    let limits = [2, 3, 51, 52, 53, 63, 64, 65, 254, 255, 514, 515, 1034, 1035, 6234, 6235, 8192];
    let roots = [2, 50, 511, 512, 513, 514, 515, 774, 775, 1024, 1534, 1536, 2048, 3072];
    let plain = protocol.into_iter().chain(limits).map(Size::Plain);
    for size in plain.chain(roots.into_iter().map(Size::SquareOf)) {
        let (Size::Plain(bits) | Size::SquareOf(bits)) = size;
        let exponent_bits = if bits > 1100 { 70 } else { 300 };
        let filled = 1 + usize::try_from(rng.next_u32() % 8).unwrap();
        let jobs: Vec<_> = (0..filled).map(|_| job(size, exponent_bits, &mut rng)).collect();
        check_group(&jobs, exponent_bits + 100);
    }
}

/// All pairs of edge bases and edge exponents, for moduli with the most and the fewest carries.
#[test]
fn edge_operands() {
    let one = BoxedUint::one_with_precision(1024);
    let plain = [ones(1024), one.shl(1023).bitor(&one)].map(|value| Modulus::new(&value).unwrap());
    assert!(plain.iter().all(|modulus| modulus.bits() == 1024));
    let squares = plain.each_ref().map(|root| root.squared().unwrap());
    for modulus in plain.iter().chain(&squares) {
        let less_one = modulus.value().wrapping_sub(BoxedUint::one());
        let root = modulus.root().map_or(&one, Modulus::value).resize_unchecked(modulus.precision());
        let bases = [modulus.zero(), modulus.one(), less_one.clone(), root];
        let exponents = [BoxedUint::zero(), BoxedUint::one(), ones(64), ones(65), less_one];
        for exponent in &exponents {
            let jobs: Vec<_> = bases
                .iter()
                .flat_map(|base| [Timing::Secret, Timing::Public].map(|timing| (base.clone(), timing)))
                .map(|(base, timing)| Job {
                    modulus: modulus.clone(),
                    base,
                    exponent: exponent.clone(),
                    timing,
                })
                .collect();
            check_group(&jobs, exponent.bits_precision());
        }
    }
}

/// Lanes of one group may have exponents of any length and moduli of any length that needs as many blocks.
#[test]
fn lanes_of_a_group_differ() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let lengths =
        [(829, 1), (840, 64), (900, 65), (1000, 128), (1024, 7), (1030, 200), (1033, 256), (1034, 256)];
    let jobs: Vec<_> =
        lengths.into_iter().map(|(bits, length)| job(Size::Plain(bits), length, &mut rng)).collect();
    check_group(&jobs, 356);
    let roots = lengths.map(|(bits, length)| job(Size::SquareOf(bits), length, &mut rng));
    check_group(&roots, 356);
}

/// Full-length exponents, as decryption has them.
#[test]
fn long_exponents() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    for (size, bits) in [512, 1024, 1536]
        .map(|bits| (Size::Plain(bits), bits))
        .into_iter()
        .chain([(Size::SquareOf(600), 1200)])
    {
        let jobs: Vec<_> = (0..8).map(|_| job(size, bits, &mut rng)).collect();
        check_group(&jobs, bits + 100);
    }
}

/// A list of everything: the same results in the same order, however it is cut into groups.
#[test]
fn mixed_lists_keep_their_order() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    for length in [0, 1, 2, 3, 7, 8, 9, 17, 40] {
        let jobs: Vec<_> = (0..length)
            .map(|index| {
                use Size::{Plain, SquareOf};
                let sizes = [
                    Plain(1024),
                    Plain(70),
                    SquareOf(768),
                    Plain(600),
                    Plain(1024),
                    SquareOf(512),
                    Plain(511),
                ];
                let exponent_bits = 1 + rng.next_u32() % 150;
                job(sizes[index % sizes.len()], exponent_bits, &mut rng)
            })
            .collect();
        let list: Vec<_> = jobs.iter().map(Job::power).collect();
        let expected = powers_with(None, &list, Base::Any);
        for kernel in kernels() {
            assert_eq!(powers_with(Some(kernel), &list, Base::Any), expected, "{length} entries");
        }
    }
}

#[test]
#[should_panic(expected = "out of range")]
fn a_base_not_below_the_modulus_is_refused() {
    let modulus = Modulus::new(&ones(600)).unwrap();
    let exponent = BoxedUint::one();
    let timing = Timing::Secret;
    let entry = Power { base: &ones(600), exponent: &exponent, modulus: &modulus, timing };
    let _ = powers_with(Some(&MODEL), &[entry; 8], Base::Any);
}

/// The powers of two, which need no table.
#[test]
fn powers_of_two_agree_with_the_scalar_engine() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let plain = [2, 3, 254, 255, 512, 1034, 1536].map(Size::Plain);
    for size in plain.into_iter().chain([Size::SquareOf(512), Size::SquareOf(520)]) {
        for filled in [1, 8] {
            let mut jobs: Vec<_> = (0..filled).map(|_| job(size, 200, &mut rng)).collect();
            for job in &mut jobs {
                job.base = job.modulus.reduce(&BoxedUint::from(2u64));
            }
            let list: Vec<_> = jobs.iter().map(Job::power).collect();
            let expected = powers_with(None, &list, Base::Any);
            for kernel in kernels() {
                assert_eq!(powers_with(Some(kernel), &list, Base::Two), expected, "{:?}", jobs[0].modulus);
                let group: Vec<_> = list.iter().map(Power::lane).collect();
                assert_eq!(powers(kernel, &group, 300, (Base::Two, Exponents::Secret)), expected);
            }
        }
    }
}

#[test]
#[should_panic(expected = "the bases are two")]
fn another_base_is_not_taken_for_two() {
    let modulus = Modulus::new(&ones(600)).unwrap();
    let (base, exponent) = (BoxedUint::from(3u64), BoxedUint::one());
    let entry = Power { base: &base, exponent: &exponent, modulus: &modulus, timing: Timing::Public };
    let _ = powers_with(Some(&MODEL), &[entry; 8], Base::Two);
}

/// No column of the longest group could overflow; a longer one is refused.
#[test]
#[should_panic(expected = "sums of a group fit")]
fn too_long_a_modulus_is_refused() {
    let modulus = Modulus::new(&ones(260 * 82 - 6)).unwrap();
    let entry = Power {
        base: &BoxedUint::one(),
        exponent: &BoxedUint::one(),
        modulus: &modulus,
        timing: Timing::Public,
    };
    let _ = powers(&MODEL, &[entry.lane()], 1, (Base::Any, Exponents::Secret));
}

/// The model, counting its squares for Fermat tests.
static COUNTING: Kernel = Kernel {
    square_and_double: |out, a, active, moduli, t| {
        SQUARES.fetch_add(1, Ordering::Relaxed);
        kernel::square_and_double::<Model>(out, a, active, moduli, t);
    },
    ..MODEL_KERNEL
};

static SQUARES: AtomicUsize = AtomicUsize::new(0);

/// A seed gives the same primes whichever engine tests the candidates. The halves of the safe prime have 513 bits, so
/// they go to lanes as well.
#[test]
fn primes_depend_on_the_seed_alone() {
    for (kind, bits, seed) in [
        (PrimeKind::Blum, 512, 1),
        (PrimeKind::Blum, 530, 2),
        (PrimeKind::Safe, 514, 3),
        (PrimeKind::NearlySafe, 534, 4),
    ] {
        let search = |kernel| {
            INSTALLED.set(Some(kernel));
            generate(kind, bits, &mut ChaCha20Rng::seed_from_u64(seed), &mut |_| ControlFlow::Continue(()))
                .unwrap()
        };
        let before = SQUARES.load(Ordering::Relaxed);
        let scalar = search(None);
        assert_eq!(SQUARES.load(Ordering::Relaxed), before, "off means off");
        assert_eq!(search(Some(&COUNTING)), scalar, "{kind:?}, {bits} bits, seed {seed}");
        let squares = SQUARES.load(Ordering::Relaxed) - before;
        assert!(squares >= usize::try_from(bits).unwrap(), "{squares} squares in lanes");
        INSTALLED.set(None);
    }
}

/// Who switches the lanes off is not even asked what the processor has; on again, they are used.
#[test]
fn off_means_off() {
    let never = Switch::new(|| panic!("switched off"));
    never.set(false);
    assert!(never.kernel().is_none());
    assert_eq!(never.state(), Lanes::Off);
    let again = Switch::new(|| Some(&MODEL));
    for on in [true, false, true] {
        again.set(on);
        assert_eq!(again.kernel().is_some(), on);
        assert_eq!(again.state(), if on { Lanes::Used } else { Lanes::Off });
    }
}

#[test]
fn windows_are_the_cheapest() {
    let cost = |bits: u32, width: u32| (1 << width) + bits.div_ceil(width);
    for bits in [1, 17, 64, 128, 256, 512, 6144] {
        let chosen = window(bits);
        assert!((1..=MAX_WINDOW).all(|width| cost(bits, chosen) <= cost(bits, width)), "{bits}");
    }
    assert_eq!((window(1), window(256), window(6144)), (1, 4, 5));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_groups(seed: u64, bits in 2u32..1700, square: bool, exponent_bits in 1u32..300, filled in 1usize..=8) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let longest = 260 * u32::try_from(blocks(bits)).unwrap() - 6;
        let shortest = longest.saturating_sub(259).max(if square { MIN_ROOT_BITS } else { 2 });
        let longest = longest.max(shortest);
        let jobs: Vec<_> = (0..filled)
            .map(|_| {
                let bits = shortest + rng.next_u32() % (longest - shortest + 1);
                job(if square { Size::SquareOf(bits) } else { Size::Plain(bits) }, exponent_bits, &mut rng)
            })
            .collect();
        check_group(&jobs, exponent_bits + 100);
    }
}
