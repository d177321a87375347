//! Primes are what they claim to be, by an independent test; searches can be stopped and repeated.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use consign_modexp::{BoxedUint, PrimeKind, generate, generate_many, large_factor};
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{NonZero, Odd, Resize};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const GO_ON: fn(u64) -> ControlFlow<()> = |_| ControlFlow::Continue(());

/// Strong probable prime to the first forty prime bases, with crypto-bigint's arithmetic.
fn is_prime(n: &BoxedUint) -> bool {
    let params = BoxedMontyParams::new_vartime(Odd::new(n.clone()).unwrap());
    let one = BoxedMontyForm::one(&params);
    let minus_one = -&one;
    let less_one = n.wrapping_sub(BoxedUint::one());
    let twos = less_one.trailing_zeros();
    let odd_part = less_one.shr(twos);
    let bases = (2u64..174).filter(|b| (2..*b).all(|d| b % d != 0));
    bases.into_iter().all(|base| {
        let base = BoxedUint::from(base).resize(n.bits_precision());
        let mut x = BoxedMontyForm::new(base, &params).pow(&odd_part);
        let mut probable = x == one || x == minus_one;
        for _ in 1..twos {
            x = x.square();
            probable |= x == minus_one;
        }
        probable
    })
}

fn check(kind: PrimeKind, bits: u32, p: &BoxedUint) {
    assert_eq!(p.bits(), bits);
    assert_eq!(p.bits_precision(), 64 * bits.div_ceil(64));
    assert!(p.bit_vartime(bits - 2), "the second bit is set");
    assert_eq!(p.as_words()[0] & 3, 3);
    assert!(is_prime(p));
    if kind == PrimeKind::Safe {
        assert!(is_prime(&p.shr(1)));
    }
    if kind != PrimeKind::Blum {
        let large = large_factor(p);
        let (cofactor, rest) = p.shr(1).div_rem_vartime(&NonZero::new((*large).clone()).unwrap());
        assert!(is_prime(&large) && rest.is_zero().to_bool());
        if kind == PrimeKind::Safe {
            assert_eq!(cofactor, BoxedUint::one());
        } else {
            assert!((19..=20).contains(&cofactor.bits()) && is_prime(&cofactor));
        }
    }
}

#[test]
fn the_independent_test_tells_primes_from_composites() {
    let known = [(7u64, true), (561, false), (65_537, true), (65_539, true), (3_215_031_751, false)];
    for (n, prime) in known {
        // Bases that are multiples of n itself would read as composite: only larger n are asked.
        if n > 173 {
            assert_eq!(is_prime(&BoxedUint::from(n)), prime, "{n}");
        }
    }
}

#[test]
fn primes_of_all_kinds() {
    let mut rng = ChaCha20Rng::seed_from_u64(10);
    let sizes = [128, 129, 192, 200, 256, 512];
    for kind in [PrimeKind::Blum, PrimeKind::Safe, PrimeKind::NearlySafe] {
        for bits in sizes.into_iter().filter(|bits| kind != PrimeKind::NearlySafe || *bits >= 148) {
            let p = generate(kind, bits, &mut rng, &mut GO_ON.clone()).unwrap();
            check(kind, bits, &p);
        }
    }
    for kind in [PrimeKind::Blum, PrimeKind::NearlySafe] {
        let p = generate(kind, 1024, &mut rng, &mut GO_ON.clone()).unwrap();
        check(kind, 1024, &p);
    }
}

#[test]
fn many_at_once_depend_on_the_seed_alone() {
    let list =
        [(PrimeKind::Safe, 192), (PrimeKind::Blum, 320), (PrimeKind::Blum, 320), (PrimeKind::Safe, 192)];
    let run = |seed| {
        let told = AtomicU64::new(0);
        let progress = |position: usize, tried: u64| {
            assert!(position < list.len() && tried > 0);
            told.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        let primes = generate_many(&list, &mut ChaCha20Rng::seed_from_u64(seed), &progress).unwrap();
        assert!(told.load(Ordering::Relaxed) > 0);
        primes
    };
    let primes = run(11);
    for ((kind, bits), p) in list.iter().zip(&primes) {
        check(*kind, *bits, p);
    }
    assert_ne!(primes[1], primes[2]);
    assert_ne!(primes[0], primes[3]);
    assert_eq!(primes, run(11));
    assert_ne!(primes, run(12));
}

#[test]
fn progress_is_told_often_and_can_stop() {
    let mut rng = ChaCha20Rng::seed_from_u64(13);
    let mut told = Vec::new();
    let found = generate(PrimeKind::Safe, 1024, &mut rng, &mut |tried| {
        told.push(tried);
        if told.len() == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(found.is_none());
    assert!(told.windows(2).all(|pair| pair[0] < pair[1] && pair[1] - pair[0] <= 100));
    let stopped = generate_many(&[(PrimeKind::Safe, 1024); 3], &mut rng, &|_, tried| match tried {
        0..50 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    assert!(stopped.is_none());
}

#[test]
#[should_panic(expected = "at least 128 bits")]
fn too_short_primes_are_refused() {
    let _ = generate(PrimeKind::Blum, 127, &mut ChaCha20Rng::seed_from_u64(14), &mut GO_ON.clone());
}
