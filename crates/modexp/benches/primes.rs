//! Searches for primes at the sizes of the two levels. Times vary a lot from prime to prime: the mean counts.
//!
//! `cargo bench -p consign-modexp --bench primes`; `RAYON_NUM_THREADS=1` gives one core.

use std::ops::ControlFlow;

use consign_modexp::{PrimeKind, generate, generate_many, set_lanes};
use divan::Bencher;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn search_without_lanes(bencher: Bencher<'_, '_>, kind: PrimeKind, bits: u32) {
    set_lanes(false);
    search(bencher, kind, bits);
    set_lanes(true);
}

fn search(bencher: Bencher<'_, '_>, kind: PrimeKind, bits: u32) {
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(bits));
    bencher.bench_local(|| generate(kind, bits, &mut rng, &mut |_| ControlFlow::Continue(())));
}

#[divan::bench(args = [1024, 1536], sample_count = 100, sample_size = 1)]
fn blum(bencher: Bencher<'_, '_>, bits: u32) {
    search(bencher, PrimeKind::Blum, bits);
}

#[divan::bench(args = [1024, 1536], sample_count = 40, sample_size = 1)]
fn safe(bencher: Bencher<'_, '_>, bits: u32) {
    search(bencher, PrimeKind::Safe, bits);
}

#[divan::bench(args = [1024, 1536], sample_count = 100, sample_size = 1)]
fn blum_without_lanes(bencher: Bencher<'_, '_>, bits: u32) {
    search_without_lanes(bencher, PrimeKind::Blum, bits);
}

#[divan::bench(args = [1024, 1536], sample_count = 40, sample_size = 1)]
fn safe_without_lanes(bencher: Bencher<'_, '_>, bits: u32) {
    search_without_lanes(bencher, PrimeKind::Safe, bits);
}

/// What one party needs for its aux info at the default level.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn one_party_3072(bencher: Bencher<'_, '_>) {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let [paillier, ring] = [PrimeKind::NearlySafe, PrimeKind::Safe].map(|kind| (kind, 1536));
    let list = [paillier, paillier, ring, ring];
    bencher.bench_local(|| generate_many(&list, &mut rng, &|_, _| ControlFlow::Continue(())));
}

fn main() {
    divan::main();
}
