//! What the owner of a 3072-bit modulus gains by its factors, with and without the check against faults.
//!
//! `cargo bench -p consign-modexp --bench factors`; `RAYON_NUM_THREADS=1` gives one core. Per list of four.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use consign_modexp::{BoxedUint, Factors, Power, PrimeKind, Timing, generate_many, powers};
use divan::Bencher;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Entries of each list.
const COUNT: usize = 4;

static FACTORS: LazyLock<Factors> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let list = [(PrimeKind::Safe, 1536); 2];
    let primes = generate_many(&list, &mut rng, &|_, _| ControlFlow::Continue(())).expect("not stopped");
    let [p, q] = primes.as_slice() else { unreachable!("two were asked for") };
    Factors::new(p, q).expect("distinct primes")
});

/// Units below `N` and exponents of its size.
fn operands() -> Vec<(BoxedUint, BoxedUint)> {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let n = FACTORS.modulus();
    (0..COUNT).map(|_| (n.random_unit_candidate(&mut rng), n.random_below(&mut rng))).collect()
}

/// Bases and exponents.
type List<'a> = [(&'a BoxedUint, &'a BoxedUint)];

fn owner(bencher: Bencher<'_, '_>, compute: fn(&Factors, &List<'_>) -> Vec<BoxedUint>) {
    let operands = operands();
    let list: Vec<_> = operands.iter().map(|(base, exponent)| (base, exponent)).collect();
    bencher.bench_local(|| compute(&FACTORS, &list));
}

#[divan::bench(sample_count = 20)]
fn powers_direct(bencher: Bencher<'_, '_>) {
    owner(bencher, |factors, list| {
        let (modulus, timing) = (factors.modulus(), Timing::Secret);
        let list: Vec<_> =
            list.iter().map(|(base, exponent)| Power { base, exponent, modulus, timing }).collect();
        powers(&list)
    });
}

#[divan::bench(sample_count = 20)]
fn powers_unpublished(bencher: Bencher<'_, '_>) {
    owner(bencher, Factors::powers_unpublished);
}

#[divan::bench(sample_count = 20)]
fn powers_checked(bencher: Bencher<'_, '_>) {
    owner(bencher, Factors::powers);
}

#[divan::bench(sample_count = 10)]
fn nth_powers_direct(bencher: Bencher<'_, '_>) {
    owner(bencher, |factors, list| {
        let (modulus, exponent, timing) =
            (factors.modulus_squared(), factors.modulus().value(), Timing::Secret);
        let list: Vec<_> = list.iter().map(|(base, _)| Power { base, exponent, modulus, timing }).collect();
        powers(&list)
    });
}

#[divan::bench(sample_count = 20)]
fn nth_powers_checked(bencher: Bencher<'_, '_>) {
    owner(bencher, |factors, list| {
        let list: Vec<_> = list.iter().map(|(base, _)| *base).collect();
        factors.nth_powers(&list)
    });
}

#[divan::bench(sample_count = 20)]
fn random_units(bencher: Bencher<'_, '_>) {
    FACTORS.prepare_units();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    bencher.bench_local(|| FACTORS.random_units(COUNT, &mut rng));
}

#[divan::bench(sample_count = 5)]
fn prepare_units(bencher: Bencher<'_, '_>) {
    let fresh = || Factors::new(FACTORS.p(), FACTORS.q()).expect("distinct primes");
    bencher.with_inputs(fresh).bench_local_refs(|factors| factors.prepare_units());
}

#[divan::bench(sample_count = 20)]
fn nth_roots_checked(bencher: Bencher<'_, '_>) {
    owner(bencher, |factors, list| {
        let list: Vec<_> = list.iter().map(|(base, _)| *base).collect();
        factors.nth_roots(&list)
    });
}

#[divan::bench(sample_count = 20)]
fn decrypt(bencher: Bencher<'_, '_>) {
    owner(bencher, |factors, list| {
        let list: Vec<_> = list.iter().map(|(base, _)| *base).collect();
        factors.decrypt(&list)
    });
}

#[divan::bench(sample_count = 20)]
fn precompute(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| Factors::new(FACTORS.p(), FACTORS.q()));
}

fn main() {
    divan::main();
}
