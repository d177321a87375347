//! Exponentiation and modular arithmetic against crypto-bigint's own, on random and edge operands.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

use consign_modexp::{BoxedUint, MAX_MODULUS_BITS, Modulus, Power, Timing, power, powers};
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{Odd, RandomBits, Resize, U1024};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Moduli of one limb up to 96, whole limbs or not, those of the paired kernel and of all levels among them.
const BITS: [u32; 17] =
    [2, 3, 63, 64, 65, 127, 128, 640, 1000, 1024, 1280, 1536, 1537, 2048, 3072, 4096, 6144];

/// An odd number of exactly `bits` bits.
fn odd_number(bits: u32, rng: &mut ChaCha20Rng) -> BoxedUint {
    let one = BoxedUint::one_with_precision(bits);
    BoxedUint::random_bits(rng, bits).bitor(&one.shl(bits - 1)).bitor(&one)
}

fn reference_power(base: &BoxedUint, exponent: &BoxedUint, modulus: &BoxedUint) -> BoxedUint {
    let params = BoxedMontyParams::new_vartime(Odd::new(modulus.clone()).unwrap());
    let base = base.resize(modulus.bits_precision());
    BoxedMontyForm::new(base, &params).pow(exponent).retrieve()
}

/// 0, 1, n−1 and a random number below n.
fn edge_residues(modulus: &Modulus, rng: &mut ChaCha20Rng) -> Vec<BoxedUint> {
    let precision = modulus.value().bits_precision();
    let one = BoxedUint::one_with_precision(precision);
    vec![
        BoxedUint::zero_with_precision(precision),
        one.clone(),
        modulus.value().wrapping_sub(&one),
        modulus.random_below(rng),
    ]
}

/// Compares a list of all combinations with the reference.
fn check_all(bases: &[BoxedUint], exponents: &[BoxedUint], modulus: &Modulus) {
    let mut list = Vec::new();
    for base in bases {
        for exponent in exponents {
            for timing in [Timing::Secret, Timing::Public] {
                list.push(Power { base, exponent, modulus, timing });
            }
        }
    }
    let results = powers(&list);
    assert_eq!(results.len(), list.len());
    for (entries, results) in list.chunks(2).zip(results.chunks(2)) {
        let (base, exponent) = (entries[0].base, entries[0].exponent);
        let expected = reference_power(base, exponent, modulus.value());
        assert_eq!(results, [expected.clone(), expected], "{base}^{exponent} mod {}", modulus.value());
        assert!(results.iter().all(|x| x.bits_precision() == modulus.value().bits_precision()));
    }
}

#[test]
fn edge_operands_of_every_size() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for bits in BITS {
        let value = odd_number(bits, &mut rng);
        // Both ways to precompute for the small sizes, one for the slow ones.
        let both = [Modulus::new_secret(&value).unwrap(), Modulus::new(&value).unwrap()];
        for modulus in both.into_iter().take(if bits > 2048 { 1 } else { 2 }) {
            assert_eq!((modulus.bits(), modulus.limbs()), (bits, value.nlimbs()));
            let bases = edge_residues(&modulus, &mut rng);
            // Zero and one in one limb and in many, the group order's neighbourhood, short and wide.
            let mut exponents = vec![
                BoxedUint::zero(),
                BoxedUint::zero_with_precision(200),
                BoxedUint::one_with_precision(200),
                value.wrapping_sub(BoxedUint::one()),
                BoxedUint::from(65_537u64),
            ];
            let short = bits.min(500) / 2 + 1;
            exponents.push(BoxedUint::random_bits(&mut rng, short));
            exponents.push(BoxedUint::random_bits_with_precision(&mut rng, short, short + 200));
            check_all(&bases, &exponents, &modulus);
        }
    }
}

/// The same exponent stored ever wider gives the same power, with either timing.
#[test]
fn leading_zero_limbs_change_nothing() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for bits in [64, 128, 1024, 1100, 1536] {
        let modulus = Modulus::new_secret(&odd_number(bits, &mut rng)).unwrap();
        let base = modulus.random_below(&mut rng);
        let exponent = BoxedUint::random_bits(&mut rng, 100);
        let expected = reference_power(&base, &exponent, modulus.value());
        for limbs in 2..=60 {
            let wide = (&exponent).resize(64 * limbs);
            let base = (&base).resize(modulus.value().bits_precision() + 64 * (limbs % 3));
            for timing in [Timing::Secret, Timing::Public] {
                let got = power(Power { base: &base, exponent: &wide, modulus: &modulus, timing });
                assert_eq!(got, expected, "{bits} bits, {limbs} limbs");
            }
        }
    }
}

#[test]
fn a_long_mixed_list_keeps_its_order() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let moduli: Vec<Modulus> = (0..40)
        .map(|i| Modulus::new(&odd_number([1024, 512, 1536, 2048, 70][i % 5], &mut rng)).unwrap())
        .collect();
    let operands: Vec<(BoxedUint, BoxedUint)> = moduli
        .iter()
        .map(|n| {
            let width = 1 + rng.next_u32() % 2100;
            (n.random_below(&mut rng), BoxedUint::random_bits(&mut rng, width))
        })
        .collect();
    let timing = Timing::Secret;
    let list: Vec<Power<'_>> = moduli
        .iter()
        .zip(&operands)
        .map(|(modulus, (base, exponent))| Power { base, exponent, modulus, timing })
        .collect();
    for (entry, result) in list.iter().zip(powers(&list)) {
        assert_eq!(result, reference_power(entry.base, entry.exponent, entry.modulus.value()));
    }
    assert!(powers(&[]).is_empty());
}

#[test]
#[should_panic(expected = "out of range")]
fn a_base_not_below_the_modulus_is_refused() {
    let modulus = Modulus::new(&BoxedUint::from(15u64)).unwrap();
    let sixteen = BoxedUint::from(16u64);
    let _ = power(Power { base: &sixteen, exponent: &sixteen, modulus: &modulus, timing: Timing::Secret });
}

#[test]
fn moduli_must_be_odd_and_at_least_three() {
    for bad in [0u64, 1, 2, 4, 1 << 63] {
        assert!(Modulus::new(&BoxedUint::from(bad)).is_none());
        assert!(Modulus::new_secret(&BoxedUint::from(bad).resize(640)).is_none());
    }
    let one = BoxedUint::one_with_precision(MAX_MODULUS_BITS + 1);
    let too_long = one.shl(MAX_MODULUS_BITS).bitor(&one);
    assert!(Modulus::new(&too_long).is_none());
    let three = Modulus::new_secret(&BoxedUint::from(3u64).resize(640)).unwrap();
    assert_eq!((three.limbs(), three.byte_len(), three.bits()), (1, 1, 2));
    let nine_bits = Modulus::new(&BoxedUint::from(257u64)).unwrap();
    assert_eq!(nine_bits.byte_len(), 2);
}

/// Stored in fewer limbs than the modulus, in as many, and in more with zeros or a bit above.
#[test]
fn numbers_of_any_width_are_compared_with_the_modulus() {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    for bits in [64, 65, 128, 1000, 1024] {
        let modulus = Modulus::new(&odd_number(bits, &mut rng)).unwrap();
        let (n, one) = (modulus.value(), BoxedUint::one());
        for extra in [0, 1, 64, 200] {
            let width = n.bits_precision() + extra;
            for (x, below) in edge_residues(&modulus, &mut rng)
                .into_iter()
                .map(|x| (x, true))
                .chain([(n.clone(), false), (n.wrapping_add(&one), false)])
            {
                assert_eq!(
                    modulus.contains(&x.clone().resize(width)),
                    below,
                    "{x} of {width} bits, modulo {n}"
                );
            }
            let above = BoxedUint::one_with_precision(width + 1).shl(width);
            assert!(!modulus.contains(&above), "2^{width} modulo {n}");
        }
        for small in [BoxedUint::zero(), BoxedUint::one(), BoxedUint::from(u64::MAX)] {
            assert_eq!(
                modulus.contains(&small),
                small.clone().resize(n.bits_precision()) < *n,
                "{small} modulo {n}"
            );
        }
    }
}

#[test]
fn moduli_and_factors_go_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Modulus>();
    shared::<consign_modexp::Factors>();
}

#[test]
fn debug_shows_the_size_only() {
    let modulus = Modulus::new_secret(&BoxedUint::from(65_537u64)).unwrap();
    assert_eq!(format!("{modulus:?}"), "Modulus(17 bits)");
}

/// Inverses, units and symbols by brute force.
#[test]
fn small_moduli_exhaustively() {
    let number = |x: u64| BoxedUint::from(x);
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    for n in (3u64..120).step_by(2) {
        let modulus = Modulus::new(&number(n)).unwrap();
        let units: Vec<BoxedUint> = (0..n).filter(|a| gcd(*a, n) == 1).map(number).collect();
        let mut list: Vec<&BoxedUint> = units.iter().collect();
        assert!(modulus.are_units(&list));
        let (zero, one_more) = (number(0), number(n + 1));
        for intruder in [&zero, &one_more] {
            list.push(intruder);
            assert!(!modulus.are_units(&list));
            list.pop();
        }
        for a in 0..n {
            let unit = gcd(a, n) == 1;
            let inverse = (0..n).find(|x| a * x % n == 1).map(number);
            assert_eq!(inverse.is_some(), unit);
            assert_eq!(modulus.invert_public(&number(a)), inverse);
            assert_eq!(modulus.invert_secret(&number(a)), inverse);
            assert_eq!(modulus.is_unit(&number(a)), unit, "{a} mod {n}");
            assert_eq!(modulus.jacobi_public(&number(a)) != 0, unit);
            assert!(!modulus.is_unit(&number(a + n)));
            assert_eq!(modulus.reduce(&number(a + 5 * n)), number(a));
            assert_eq!(modulus.neg(&number(a)), number((n - a) % n));
            for b in 0..n {
                assert_eq!(modulus.mul(&number(a), &number(b)), number(a * b % n));
                assert_eq!(modulus.add(&number(a), &number(b)), number((a + b) % n));
                assert_eq!(modulus.sub(&number(a), &number(b)), number((a + n - b) % n));
            }
        }
    }
}

/// Uniformity cannot be tested, the range and that all of a small one is reached can.
#[test]
fn random_residues_fill_the_range() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let modulus = Modulus::new(&BoxedUint::from(11u64)).unwrap();
    let mut below = [false; 11];
    let mut units = [false; 11];
    for _ in 0..1000 {
        let position = |x: BoxedUint| usize::try_from(x.as_words()[0]).unwrap();
        below[position(modulus.random_below(&mut rng))] = true;
        units[position(modulus.random_unit_candidate(&mut rng))] = true;
    }
    assert!(below.iter().all(|seen| *seen));
    assert!(!units[0] && units[1..].iter().all(|seen| *seen));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_powers(seed: u64, bits in 2u32..1700, exponent_bits in 1u32..1800, padding in 0u32..200) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let value = odd_number(bits, &mut rng);
        let modulus = Modulus::new_secret(&value).unwrap();
        let base = modulus.random_below(&mut rng);
        let precision = exponent_bits + padding;
        let exponent = BoxedUint::random_bits_with_precision(&mut rng, exponent_bits, precision);
        for timing in [Timing::Secret, Timing::Public] {
            let got = power(Power { base: &base, exponent: &exponent, modulus: &modulus, timing });
            prop_assert_eq!(got, reference_power(&base, &exponent, &value));
        }
    }

    #[test]
    fn random_arithmetic(seed: u64, bits in 2u32..6200, wide_bits in 1u32..13_000) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let value = odd_number(bits, &mut rng);
        let modulus = Modulus::new(&value).unwrap();
        let odd = Odd::new(value.clone()).unwrap();
        let (a, b) = (modulus.random_below(&mut rng), modulus.random_below(&mut rng));
        let precision = value.bits_precision();
        prop_assert_eq!(modulus.mul(&a, &b), a.mul_mod(&b, odd.as_nz_ref()));
        prop_assert_eq!(modulus.square(&a), a.square_mod(odd.as_nz_ref()));
        // Operands may be stored wider.
        let wider = (&b).resize(precision + 64);
        prop_assert_eq!(modulus.add(&a, &wider), a.add_mod(&b, odd.as_nz_ref()));
        prop_assert_eq!(modulus.sub(&wider, &a), b.sub_mod(&a, odd.as_nz_ref()));
        prop_assert_eq!(modulus.add(&modulus.neg(&a), &a), BoxedUint::zero_with_precision(precision));
        let wide = BoxedUint::random_bits(&mut rng, wide_bits);
        let reduced = modulus.reduce(&wide);
        prop_assert_eq!(reduced.bits_precision(), precision);
        prop_assert_eq!(reduced, wide.rem_vartime(odd.as_nz_ref()));
        let inverse: Option<BoxedUint> = a.invert_odd_mod_vartime(&odd).into();
        prop_assert_eq!(modulus.is_unit(&a), inverse.is_some());
        prop_assert_eq!(modulus.invert_public(&a), inverse.clone());
        prop_assert_eq!(modulus.invert_secret(&a), inverse);
    }

    #[test]
    fn random_symbols(seed: u64, a_bits in 1u32..1024, n_bits in 2u32..1024) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (a, n) = (BoxedUint::random_bits(&mut rng, a_bits), odd_number(n_bits, &mut rng));
        let fixed = |x: &BoxedUint| {
            let words = x.resize(1024).to_words();
            U1024::from_words(words.to_vec().try_into().unwrap())
        };
        let expected = fixed(&a).jacobi_symbol_vartime(&Odd::new(fixed(&n)).unwrap()) as i8;
        prop_assert_eq!(Modulus::new(&n).unwrap().jacobi_public(&a), expected);
    }
}
