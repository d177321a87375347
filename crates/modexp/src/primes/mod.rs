//! The search for Blum primes (`p ≡ 3 mod 4`), safe primes (`p = 2p' + 1`, both prime), and nearly safe ones
//! (`p = 2rp' + 1`, all prime, `r` of 19 or 20 bits), of which the factors of `p − 1` are known for a tenth of the work.
//!
//! **How.** Draw a random start with its two top bits set, sieve an interval of the arithmetic progression
//! above it by small primes (for safe primes `p` and `p'` at once, `sieve.rs`), and try the survivors in
//! random order with a Fermat test to base 2, in lists. A survivor that passes is tested further (`test.rs`).
//! If the interval holds no prime, a new start is drawn.
//!
//! **Distribution.** Plain incremental search takes a prime with probability proportional to the gap before
//! it. Here a prime is taken with the probability that the window covers it, the same for all, times the mean of
//! 1/(number of primes in the window): trying survivors in random order removes the dependence on the gap,
//! and what is left is smaller than for incremental search, whose entropy is already within a
//! few bits of the maximum (Brandt and Damgård, *On generation of probable primes by incremental search*, CRYPTO '92). The
//! window is short (2^22 numbers at 1536 bits), so it says nothing about the high bits.
//!
//! **Timing.** The number and place of the rejected candidates show in run time and memory accesses, as in
//! every search for primes; they are independent of the prime found but for its neighbourhood's sieve
//! pattern. Arithmetic on candidates is constant-time.
//!
//! Read next: `sieve.rs`, `test.rs`, `nearly_safe.rs`.

pub(crate) mod nearly_safe;
mod sieve;
mod test;

use std::ops::ControlFlow;

use crypto_bigint::BoxedUint;
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};
use rayon::prelude::*;
use zeroize::Zeroizing;

pub use nearly_safe::large_factor;
pub use sieve::{SMALL_FACTOR_BOUND, small_factor};
pub use test::fermat_composites;

/// The shortest prime that [`generate`] makes, in bits.
pub const MIN_PRIME_BITS: u32 = 128;

/// The longest prime that [`generate`] makes, in bits.
pub const MAX_PRIME_BITS: u32 = 8192;

/// Candidates per list of Fermat tests: enough for eight lanes, few enough that little is wasted at the end.
const BATCH: usize = 8;

/// What kind of prime to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrimeKind {
    /// `p ≡ 3 (mod 4)`.
    Blum,
    /// `p = 2p' + 1` with `p'` prime; then `p ≡ 11 (mod 12)`.
    Safe,
    /// `p = 2rp' + 1` with primes `r` and `p'`, of which `p'` is 20 bits shorter than `p`; then `p ≡ 3 (mod 4)`.
    NearlySafe,
}

/// A random prime of exactly `bits` bits with the two top bits set.
///
/// After every eight candidates, `progress` is told the number tried so far, and may stop the search by
/// `Break`: then None is returned. A safe prime of 1536 bits takes about 1,800 candidates, of 1024 bits
/// about 850; a Blum prime of 1536 bits about 50, a nearly safe one 140; all with a long tail (`progress` is for a spinner, not a percentage).
///
/// The error probability is below 2^-128: see `test.rs`.
///
/// # Panics
/// If `bits` is not from [`MIN_PRIME_BITS`] to [`MAX_PRIME_BITS`], or for nearly safe primes from 20 bits more on.
pub fn generate(
    kind: PrimeKind,
    bits: u32,
    rng: &mut impl CryptoRng,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Option<BoxedUint> {
    let allowed = MIN_PRIME_BITS..=MAX_PRIME_BITS;
    assert!(
        allowed.contains(&bits),
        "invariant: primes have at least {MIN_PRIME_BITS} bits and not too many"
    );
    if kind == PrimeKind::NearlySafe {
        return nearly_safe::generate(bits, rng, progress);
    }
    let mut tried = 0;
    loop {
        let interval = sieve::Interval::draw(kind, bits, rng);
        for batch in interval.survivors().chunks(BATCH) {
            let candidates: Vec<_> = batch.iter().map(|index| interval.candidate(*index)).collect();
            tried += u64::try_from(batch.len()).expect("invariant: a batch is small");
            if let Some(prime) = test::first_prime(kind, &candidates, rng) {
                return Some(prime);
            }
            if progress(tried).is_break() {
                return None;
            }
        }
    }
}

/// One prime for each `(kind, bits)`, searched in parallel on the rayon pool; each search has its own
/// generator, seeded from `rng`, so the result depends on `rng` alone.
///
/// `progress` is told the position of the prime and the candidates tried for it so far, from several threads;
/// `Break` stops all searches and gives None.
///
/// # Panics
/// As [`generate`].
pub fn generate_many(
    list: &[(PrimeKind, u32)],
    rng: &mut impl CryptoRng,
    progress: &(dyn Fn(usize, u64) -> ControlFlow<()> + Sync),
) -> Option<Vec<BoxedUint>> {
    let mut seeded = Vec::with_capacity(list.len());
    for (position, (kind, bits)) in list.iter().enumerate() {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        seeded.push((position, *kind, *bits, seed));
    }
    seeded
        .into_par_iter()
        .map(|(position, kind, bits, seed)| {
            let mut own = ChaCha20Rng::from_seed(*seed);
            generate(kind, bits, &mut own, &mut |tried| progress(position, tried))
        })
        .collect()
}
