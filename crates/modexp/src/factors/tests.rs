//! CRT against the definitions, and the check against faults.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;

use crypto_bigint::RandomBits;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::lanes::tests as lanes;
use crate::lanes::tests::broken::{COPYING, ZEROING};
use crate::powers::{Power, Timing, power};
use crate::primes::{PrimeKind, generate};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn prime(bits: u32, rng: &mut ChaCha20Rng) -> BoxedUint {
    generate(PrimeKind::Blum, bits, rng, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn factors(p_bits: u32, q_bits: u32, seed: u64) -> Factors {
    let mut rng = rng(seed);
    Factors::new(&prime(p_bits, &mut rng), &prime(q_bits, &mut rng)).unwrap()
}

fn direct(base: &BoxedUint, exponent: &BoxedUint, modulus: &Modulus) -> BoxedUint {
    power(Power { base, exponent, modulus, timing: Timing::Public })
}

/// Every operation against its definition for a list of three.
fn check_definitions(factors: &Factors, seed: u64) {
    let mut rng = rng(seed);
    let (n, n2) = (factors.modulus(), factors.modulus_squared());
    assert_eq!(n2.value().bits_precision(), n2.bits().div_ceil(64) * 64);
    let units: Vec<_> = (0..3).map(|_| n.random_unit_candidate(&mut rng)).collect();
    let squares: Vec<_> = (0..3).map(|_| n2.random_unit_candidate(&mut rng)).collect();
    let exponents: Vec<_> = [1, n.bits(), 3 * n.bits() + 7]
        .iter()
        .map(|bits| BoxedUint::random_bits_with_precision(&mut rng, *bits, bits + 100))
        .collect();

    let list: Vec<_> = units.iter().zip(&exponents).collect();
    let expected: Vec<_> = list.iter().map(|(b, e)| direct(b, e, n)).collect();
    assert_eq!(factors.powers(&list), expected);
    assert_eq!(factors.powers_unpublished(&list), expected);

    let list: Vec<_> = squares.iter().zip(&exponents).collect();
    let expected: Vec<_> = list.iter().map(|(b, e)| direct(b, e, n2)).collect();
    assert_eq!(factors.powers_squared(&list), expected);
    assert_eq!(factors.powers_squared_unpublished(&list), expected);

    let list: Vec<_> = units.iter().collect();
    let noises = factors.nth_powers(&list);
    for (unit, noise) in units.iter().zip(&noises) {
        assert_eq!(*noise, direct(unit, n.value(), n2));
        assert_eq!(noise.bits_precision(), n2.value().bits_precision());
    }
    for (unit, root) in units.iter().zip(factors.nth_roots(&list)) {
        assert_eq!(direct(&root, n.value(), n), *unit);
    }
    check_encryption(factors, &noises, &mut rng);
}

/// `dec((1 + mN)·r^N) = m` and `open` gives `r` back, for m = 0, 1, N−1 (repeated) and random.
fn check_encryption(factors: &Factors, noises: &[BoxedUint], rng: &mut ChaCha20Rng) {
    let (n, n2) = (factors.modulus(), factors.modulus_squared());
    let last = n.value().wrapping_sub(BoxedUint::one());
    for message in [n.zero(), n.one(), last, n.random_below(rng)] {
        let product = message.concatenating_mul(n.value()).wrapping_add(BoxedUint::one());
        let lifted = n2.reduce(&product);
        let ciphertexts: Vec<_> = noises.iter().map(|noise| n2.mul(&lifted, noise)).collect();
        let list: Vec<_> = ciphertexts.iter().collect();
        assert_eq!(factors.decrypt(&list), vec![message; noises.len()]);
    }
}

#[test]
fn definitions_hold_at_several_sizes() {
    for (p_bits, q_bits) in [(128, 128), (192, 192), (192, 256), (256, 192), (200, 131), (512, 512)] {
        check_definitions(&factors(p_bits, q_bits, 20), 21);
    }
}

#[test]
fn definitions_hold_for_small_primes() {
    let small = |p: u64, q: u64| Factors::new(&BoxedUint::from(p), &BoxedUint::from(q));
    let factors = small(11, 7).unwrap();
    let (n, n2) = (factors.modulus(), factors.modulus_squared());
    assert_eq!((n.value(), n2.value()), (&BoxedUint::from(77u64), &BoxedUint::from(5929u64)));
    assert_eq!(factors.phi(), &BoxedUint::from(60u64));
    assert_eq!((factors.p(), factors.q()), (&BoxedUint::from(11u64), &BoxedUint::from(7u64)));
    assert_eq!((factors.p_modulus().bits(), factors.q_modulus().bits()), (4, 3));
    for base in (1u64..77).map(BoxedUint::from).filter(|base: &BoxedUint| n.is_unit(base)) {
        assert_eq!(factors.nth_powers(&[&base]), [direct(&base, n.value(), n2)]);
        let root = factors.nth_roots(&[&base]).remove(0);
        assert_eq!(direct(&root, n.value(), n), base);
        for exponent in (0u64..70).map(BoxedUint::from) {
            assert_eq!(factors.powers(&[(&base, &exponent)]), [direct(&base, &exponent, n)]);
            assert_eq!(factors.powers_squared(&[(&base, &exponent)]), [direct(&base, &exponent, n2)]);
        }
    }
    for x in 0u64..77 {
        assert_eq!(factors.combine(&BoxedUint::from(x % 11), &BoxedUint::from(x % 7)), BoxedUint::from(x));
    }
    // Equal, even, too small, or one divides the other less one: gcd(N, φ) > 1.
    for (p, q) in [(7, 7), (7, 2), (2, 7), (1, 7), (7, 1), (0, 7), (3, 7), (7, 3), (5, 11), (11, 5)] {
        assert!(small(p, q).is_none(), "{p} {q}");
    }
}

#[test]
fn empty_lists() {
    let factors = factors(128, 128, 22);
    assert!(factors.powers(&[]).is_empty() && factors.powers_squared(&[]).is_empty());
    assert!(factors.nth_powers(&[]).is_empty() && factors.nth_roots(&[]).is_empty());
    assert!(factors.decrypt(&[]).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn definitions_hold(seed: u64, p_bits in 128u32..260, q_bits in 128u32..260) {
        let factors = factors(p_bits, q_bits, seed);
        check_definitions(&factors, seed);
        let (n, n2) = (factors.modulus(), factors.modulus_squared());
        let (x, y) = (n.random_below(&mut rng(seed)), n2.random_below(&mut rng(seed)));
        prop_assert_eq!(factors.combine(&factors.p.prime().reduce(&x), &factors.q.prime().reduce(&x)), x);
        let (p, q) = (factors.p.square().reduce(&y), factors.q.square().reduce(&y));
        prop_assert_eq!(factors.combine_squared(&p, &q), y);
    }
}

type Operation = fn(&Factors, &BoxedUint) -> Vec<BoxedUint>;

/// The checked operations on one base, which also serves as a second entry's exponent.
const CHECKED: [(&str, Operation); 4] = [
    ("powers", |f, x| f.powers(&[(x, x), (x, &BoxedUint::from(6u64))])),
    ("powers_squared", |f, x| f.powers_squared(&[(x, x), (x, &BoxedUint::from(7u64))])),
    ("nth_powers", |f, x| f.nth_powers(&[x, x])),
    ("nth_roots", |f, x| f.nth_roots(&[x, x])),
];

/// The hook flips a half mod q on the last ordered fault and one mod p on the one before.
#[test]
fn one_wrong_half_is_found_and_computed_anew() {
    let factors = factors(256, 256, 23);
    let base = factors.modulus().random_unit_candidate(&mut rng(24));
    for (name, operation) in CHECKED {
        let right = operation(&factors, &base);
        factors.faults.store(1, SeqCst);
        assert_eq!(operation(&factors, &base), right, "{name}");
        assert_eq!(factors.faults.load(SeqCst), 0, "{name} met the fault");
    }
}

/// A plaintext is computed anew if its half is wrong, and not given out if it is twice.
#[test]
fn a_wrong_half_of_a_plaintext_is_found() {
    let factors = factors(256, 256, 36);
    let noise = factors.nth_powers(&[&factors.modulus().random_unit_candidate(&mut rng(37))]);
    let decrypt: Operation = |factors, c| factors.decrypt(&[c, c]);
    let right = decrypt(&factors, &noise[0]);
    factors.faults.store(1, SeqCst);
    assert_eq!(decrypt(&factors, &noise[0]), right);
    factors.faults.store(2, SeqCst);
    assert!(panics(&factors, decrypt, &noise[0]));
}

fn panics(factors: &Factors, operation: Operation, base: &BoxedUint) -> bool {
    catch_unwind(AssertUnwindSafe(|| operation(factors, base))).is_err()
}

#[test]
fn a_half_wrong_twice_never_leaves() {
    let factors = factors(256, 256, 25);
    let base = factors.modulus().random_unit_candidate(&mut rng(26));
    for (name, operation) in CHECKED {
        factors.faults.store(2, SeqCst);
        assert!(panics(&factors, operation, &base), "{name}");
        assert_eq!(factors.faults.load(SeqCst), 0, "{name} met both faults");
        assert!(!panics(&factors, operation, &base), "{name} works again");
    }
}

/// Whichever entry of a list is wrong, by whatever, mod `p`, mod `q` or both: the check that compares all at once sees it.
#[test]
fn every_entry_of_a_list_is_checked() {
    let factors = factors(256, 192, 32);
    let mut rng = rng(33);
    let n = factors.modulus();
    let bases: Vec<_> = (0..5).map(|_| n.random_unit_candidate(&mut rng)).collect();
    let exponents: Vec<_> = (0..5).map(|_| n.random_below(&mut rng)).collect();
    let list: Vec<_> = bases.iter().collect();
    let powers: Vec<_> = bases.iter().zip(&exponents).collect();
    let less_one = n.value().wrapping_sub(BoxedUint::one());
    // The last one is an N-th power: a wrong one has the order of a right one.
    let offs = [
        BoxedUint::from(2u64),
        less_one,
        factors.p().concatenating_add(BoxedUint::one()),
        direct(&BoxedUint::from(2u64), n.value(), factors.modulus_squared()),
    ];
    for length in 1..=5 {
        let list = &list[..length];
        let roots = factors.nth_roots_unpublished(list);
        let noises = factors.nth_powers_unpublished(list);
        let found = factors.powers_unpublished(&powers[..length]);
        type Check<'a> = (&'a Modulus, Vec<BoxedUint>, Box<dyn Fn(&[BoxedUint]) -> bool + 'a>);
        let alike: Vec<_> = exponents[..length].iter().map(|e| direct(&bases[0], e, n)).collect();
        let of_one = |found: &[BoxedUint]| {
            let exponents: Vec<_> = exponents[..length].iter().collect();
            factors.are_powers_of(&bases[0], &exponents, &found.iter().collect::<Vec<_>>())
        };
        let checks: [Check<'_>; 4] = [
            (n, roots, Box::new(|found| factors.are_nth_roots(list, found))),
            (factors.modulus_squared(), noises, Box::new(|found| factors.are_nth_powers(list, found))),
            (n, alike, Box::new(of_one)),
            (n, found, Box::new(|found| factors.are_powers(&powers[..length], found))),
        ];
        for (index, (modulus, right, check)) in checks.iter().enumerate() {
            assert!(check(right), "{index}, {length}");
            assert!(!check(&right[1..]), "{index}, {length}");
            for wrong in 0..length {
                for off in &offs {
                    let mut found = right.clone();
                    found[wrong] = modulus.mul(&found[wrong], &modulus.reduce(off));
                    assert!(!check(&found), "{index}, {length}: {wrong} off by {off}");
                }
            }
        }
    }
}

/// In pairs a fault may be a multiple of the prime, which the check does not see: nothing that leaves is computed so.
#[test]
fn nothing_that_leaves_is_computed_in_pairs() {
    let factors = factors(256, 256, 45);
    let base = factors.modulus().random_unit_candidate(&mut rng(46));
    for (name, operation) in CHECKED {
        let _ = operation(&factors, &base);
        assert!(!factors.pairs.load(SeqCst), "{name}");
    }
    let unit = factors.random_units(1, &mut rng(47)).remove(0);
    let _ = factors.decrypt(&[&unit.nth_power]);
    assert!(!factors.pairs.load(SeqCst), "units and decryption");
    let _ = factors.nth_powers_unpublished(&[&base]);
    assert!(factors.pairs.swap(false, SeqCst), "what does not leave");
    let _ = factors.powers_squared_unpublished(&[(&base, &base)]);
    assert!(factors.pairs.load(SeqCst), "what does not leave");
}

/// Modulo two safe primes every pair of exponents gives another unit, and exponents take every value: so units are uniform.
#[test]
fn random_units_are_all_units_alike() {
    let factors = Factors::new(&BoxedUint::from(23u64), &BoxedUint::from(7u64)).unwrap();
    let (n, n2) = (factors.modulus(), factors.modulus_squared());
    let word = |x: &BoxedUint| x.as_words()[0];
    let mut seen = std::collections::BTreeMap::new();
    for x in 0u64..22 {
        for y in 0u64..6 {
            let exponents = [x, y].map(|x| Zeroizing::new(BoxedUint::from(x)));
            let [units, powers] = factors.units(&[exponents]);
            assert!(n.is_unit(&units[0]));
            assert_eq!(powers[0], direct(&units[0], n.value(), n2));
            seen.insert(word(&units[0]), 0u32);
        }
    }
    assert_eq!(seen.len(), 132);
    // 100 draws for each: 131 degrees of freedom.
    for unit in factors.random_units(13_200, &mut rng(40)) {
        *seen.get_mut(&word(&unit.value)).unwrap() += 1;
    }
    let chi_squared: f64 = seen.values().map(|count| (f64::from(*count) - 100.0).powi(2) / 100.0).sum();
    assert!((70.0..200.0).contains(&chi_squared), "{chi_squared}");
}

/// At sizes that go to lanes, from few to more than fill a group; with primes of two sizes as well.
#[test]
fn random_units_have_their_powers() {
    let kinds =
        [(PrimeKind::NearlySafe, 512, 512), (PrimeKind::Safe, 256, 256), (PrimeKind::NearlySafe, 520, 256)];
    for (kind, p_bits, q_bits) in kinds {
        let mut rng = rng(41);
        let [p, q] = [p_bits, q_bits]
            .map(|bits| generate(kind, bits, &mut rng, &mut |_| ControlFlow::Continue(())).unwrap());
        let factors = Factors::new(&p, &q).unwrap();
        let (n, n2) = (factors.modulus(), factors.modulus_squared());
        for count in [0, 1, 2, 3, 4, 9] {
            let units = factors.random_units(count, &mut rng);
            assert_eq!(units.len(), count);
            for unit in &units {
                assert!(n.is_unit(&unit.value));
                assert_eq!(unit.nth_power, direct(&unit.value, n.value(), n2));
                assert_eq!(unit.value.bits_precision(), n.value().bits_precision());
                assert_eq!(unit.nth_power.bits_precision(), n2.value().bits_precision());
            }
        }
    }
}

#[test]
fn generators_generate() {
    for p in [7u64, 11, 23, 47, 59, 83, 107, 167, 179, 227] {
        let factors = Factors::new(&BoxedUint::from(p), &BoxedUint::from(1187u64)).unwrap();
        let generator = factors.p.generator().as_words()[0];
        let mut power = 1;
        let order = (1..=p).find(|_| {
            power = power * generator % p;
            power == 1
        });
        assert_eq!(order, Some(p - 1), "{p}");
    }
    // 2^6022 = 1 modulo this p = 2·515653·3011 + 1: 4 does not generate the squares, 9 does.
    let p = BoxedUint::from(3_105_262_367u64);
    let factors = Factors::new(&p, &BoxedUint::from(1187u64)).unwrap();
    assert_eq!(*factors.p.generator(), factors.p_modulus().neg(&BoxedUint::from(9u64)));
    nearly_safe_generators(&[160, 192]);
}

/// The generator of a nearly safe prime has no order that is a proper divisor of `p − 1 = 2rp'`.
fn nearly_safe_generators(sizes: &[u32]) {
    let mut rng = rng(44);
    for bits in sizes {
        let p = generate(PrimeKind::NearlySafe, *bits, &mut rng, &mut |_| ControlFlow::Continue(())).unwrap();
        let factors = Factors::new(&p, &prime(128, &mut rng)).unwrap();
        let (generator, large) = (factors.p.generator(), crate::primes::large_factor(&p));
        let order = factors.p.order();
        let cofactor = BoxedUint::from(u64::from(crate::primes::nearly_safe::cofactor(&p)));
        assert!(cofactor > BoxedUint::one());
        for divisor in [&BoxedUint::from(2u64), &cofactor, &large] {
            let exponent = order.div_rem_vartime(&divisor.to_nz().unwrap()).0;
            assert_ne!(direct(&generator, &exponent, factors.p_modulus()), factors.p_modulus().one());
        }
    }
}

/// Both the units and their powers are recombined, in this order, and each may get a wrong half.
#[test]
fn a_wrong_half_of_a_random_unit_is_found() {
    let factors = factors(256, 256, 42);
    let draw = |faults| {
        factors.prepare_units();
        factors.faults.store(faults, SeqCst);
        factors.random_units(3, &mut rng(43)).into_iter().map(|unit| [unit.value, unit.nth_power])
    };
    let right: Vec<_> = draw(0).collect();
    for faults in [1, 2] {
        assert_eq!(draw(faults).collect::<Vec<_>>(), right, "{faults}");
        assert_eq!(factors.faults.load(SeqCst), 0);
    }
    let stopped = catch_unwind(AssertUnwindSafe(|| draw(3).count()));
    assert!(stopped.is_err());
    assert_eq!(factors.faults.load(SeqCst), 0);
}

/// Zero is a power of zero, so a half that is lost twice in the same way would pass a comparison, and the value would tell the
/// prime that divides it.
#[test]
fn a_half_that_is_zero_never_leaves() {
    let factors = factors(520, 520, 48);
    let base = factors.modulus().random_unit_candidate(&mut rng(49));
    let halves = [factors.p.prime().zero(), factors.q.prime().one()];
    let zero = factors.combine(&halves[0], &halves[1]);
    let power = factors.combine_squared(&halves[0], &halves[1]);
    assert!(!factors.are_nth_powers(&[&zero], std::slice::from_ref(&power)));
    assert!(!factors.are_nth_roots(&[&zero], std::slice::from_ref(&zero)));
    factors.prepare_units();
    for (index, kernel) in ZEROING.iter().enumerate() {
        lanes::install(Some(kernel));
        let units: Operation =
            |factors, _| factors.random_units(4, &mut rng(50)).into_iter().map(|unit| unit.value).collect();
        assert!(panics(&factors, units, &base), "{index}");
        for (name, operation) in CHECKED.iter().filter(|_| index == 1) {
            assert!(panics(&factors, *operation, &base), "{name}");
        }
        lanes::install(None);
        assert!(!panics(&factors, units, &base), "{index}");
    }
}

/// A lane that gives the number of another makes the same mistake twice only if both lists lie in the same lanes.
#[test]
fn mixed_up_lanes_are_found() {
    let factors = factors(520, 520, 51);
    let bases: Vec<_> = (0..8).map(|seed| factors.modulus().random_unit_candidate(&mut rng(seed))).collect();
    let list: [Operation; 2] = [
        |factors, x| factors.nth_powers(&bases_of(factors, x).iter().collect::<Vec<_>>()),
        |factors, x| factors.nth_roots(&bases_of(factors, x).iter().collect::<Vec<_>>()),
    ];
    for (index, operation) in list.iter().enumerate() {
        for base in &bases {
            let right = operation(&factors, base);
            lanes::install(Some(&COPYING));
            let found = catch_unwind(AssertUnwindSafe(|| operation(&factors, base)));
            lanes::install(None);
            assert!(found.is_err() || found.is_ok_and(|found| found == right), "{index}");
        }
    }
}

/// One to eight powers of a base.
fn bases_of(factors: &Factors, x: &BoxedUint) -> Vec<BoxedUint> {
    let count = 1 + x.as_words()[0] % 8;
    (1..=count).map(|e| direct(x, &BoxedUint::from(e), factors.modulus())).collect()
}

/// The unchecked twin gives the wrong value out: the hook does disturb, and only the check saves.
#[test]
fn without_the_check_a_fault_factors_the_modulus() {
    let factors = factors(256, 256, 27);
    let n = factors.modulus();
    let base = n.random_unit_candidate(&mut rng(28));
    factors.faults.store(1, SeqCst);
    let wrong = factors.powers_unpublished(&[(&base, &BoxedUint::from(5u64))]).remove(0);
    let difference = n.sub(&wrong, &direct(&base, &BoxedUint::from(5u64), n));
    assert!(bool::from(difference.is_nonzero()));
    assert!(bool::from(factors.p.prime().reduce(&difference).is_zero()), "the right half gives p away");
}

/// Alters a constant with a given change.
type Disturbance = fn(&mut Factors, fn(&mut BoxedUint));

#[test]
fn disturbed_constants_are_found() {
    let base = BoxedUint::from(123_456_789u64);
    let flip = |x: &mut BoxedUint| x.as_mut_words()[0] ^= 2;
    let disturbances: [Disturbance; 3] = [
        |factors, flip| flip(&mut factors.q_inverse),
        |factors, flip| flip(&mut factors.q_squared_inverse),
        |factors, _| std::mem::swap(&mut factors.p, &mut self::factors(256, 256, 30).p),
    ];
    for (index, disturb) in disturbances.iter().enumerate() {
        let mut factors = factors(256, 256, 29);
        disturb(&mut factors, flip);
        // Whether the primes are those of N is asked for every list, were it empty.
        assert_eq!(factors.are_nth_roots(&[], &[]), index != 2, "{index}");
        assert_eq!(factors.are_powers_of(&base, &[], &[]), index != 2, "{index}");
        for (name, operation) in CHECKED {
            // Each recombination constant serves one of the two moduli.
            let squared = matches!(name, "powers_squared" | "nth_powers");
            let concerned = index == 2 || (index == 1) == squared;
            assert_eq!(panics(&factors, operation, &base), concerned, "{name}, {index}");
        }
    }
}

#[test]
#[should_panic(expected = "ciphertexts are units")]
fn decrypting_a_multiple_of_a_factor_is_refused() {
    let factors = factors(128, 128, 31);
    let _ = factors.decrypt(&[&factors.p().concatenating_mul(factors.p())]);
}
