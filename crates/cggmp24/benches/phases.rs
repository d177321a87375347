//! Whole phases, all parties in one process: times are those of **all** parties together, the simulator's little work
//! included. `consign bench` measures one party.
//!
//! `cargo bench -p consign-cggmp24 --bench phases`; `RAYON_NUM_THREADS=1` gives one core.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench")]

use consign_cggmp24::Level;
use consign_cggmp24::curve::Secp256k1;
use consign_cggmp24::ecdsa::{Digest, HashAlgorithm, HashedMessage};
use consign_cggmp24::testing::{Committee, party, run_aux_info, run_keygen};
use consign_rounds::PerParty;
use divan::Bencher;

const LEVELS: [Level; 2] = [Level::L112, Level::L128];

/// Two of three, with everything that the later phases need.
fn committee(level: Level) -> Committee<Secp256k1> {
    Committee::dealt(level, 2, 3, 1)
}

#[divan::bench]
fn keygen_2_of_3(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| run_keygen::<Secp256k1>(Level::L128, 2, 3, 1));
}

#[divan::bench(args = LEVELS, sample_count = 3, sample_size = 1)]
fn aux_info_of_3_without_primes(bencher: Bencher<'_, '_>, level: Level) {
    bencher.bench_local(|| run_aux_info::<Secp256k1>(level, 3, 1));
}

#[divan::bench(args = LEVELS, sample_count = 10, sample_size = 1)]
fn presign_2_of_3(bencher: Bencher<'_, '_>, level: Level) {
    let committee = committee(level);
    bencher.bench_local(|| committee.presign(&[1, 3], 1, 1));
}

#[divan::bench(args = LEVELS, sample_count = 3, sample_size = 1)]
fn presign_2_of_3_batch_of_8(bencher: Bencher<'_, '_>, level: Level) {
    let committee = committee(level);
    bencher.bench_local(|| committee.presign(&[1, 3], 8, 1));
}

/// One party: its own part, then the other's part checked and both combined.
#[divan::bench(sample_count = 32, sample_size = 1)]
fn online_2_of_3(bencher: Bencher<'_, '_>) {
    let mut made = committee(Level::L112).presign(&[1, 3], 32, 1);
    let mut slots = made.remove(&party(1)).unwrap().into_iter().zip(made.remove(&party(3)).unwrap());
    let message = HashedMessage::new::<Secp256k1>(HashAlgorithm::Sha256, b"pay").unwrap();
    bencher
        .with_inputs(|| {
            let (own, other) = slots.next().unwrap();
            (own, *other.sign(message).partial())
        })
        .bench_local_values(|(own, other)| {
            let signing = own.sign(message);
            let partials: PerParty<_> = [(party(1), *signing.partial()), (party(3), other)].into();
            signing.combine(&partials).unwrap()
        });
}

#[divan::bench(args = LEVELS, sample_count = 10, sample_size = 1)]
fn sign_interactively_2_of_3(bencher: Bencher<'_, '_>, level: Level) {
    let committee = committee(level);
    let digest = Digest::raw::<Secp256k1>([7; 32]).unwrap();
    bencher.bench_local(|| committee.sign(&[1, 3], digest, 1));
}

fn main() {
    divan::main();
}
