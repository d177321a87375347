//! Ready-made keys for tests and benches. The primes are public: absent from release builds of the node.

use consign_modexp::{BoxedUint, Factors};
use crypto_bigint::Resize;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::level::Level;
use crate::paillier::DecryptionKey;
use crate::ring_pedersen::{self, RingPedersen};
use crate::secret::Secret;

#[cfg(test)]
pub(crate) mod cases;
#[cfg(test)]
pub(crate) mod vectors;

const PRIMES: &str = include_str!("primes.txt");

/// The ready-made primes of one party.
pub struct Primes {
    /// For Paillier, nearly safe.
    pub paillier: [BoxedUint; 2],
    /// For ring-Pedersen, safe.
    pub ring_pedersen: [BoxedUint; 2],
}

/// Everything one party owns of auxiliary information.
pub struct Party {
    /// Paillier key.
    pub paillier: DecryptionKey,
    /// Factors of `N^`.
    pub ring_factors: Factors,
    /// `lambda` with `s = t^lambda`.
    pub lambda: Secret<BoxedUint>,
    /// Public ring-Pedersen parameters.
    pub ring: RingPedersen,
}

/// The primes of party `which` (from 0; 9 parties at the fast level, 5 at the tiny one, 3 at release levels).
pub fn primes(level: Level, which: usize) -> Primes {
    let name = match level {
        Level::L112 => "l112",
        Level::L128 => "l128",
        #[cfg(all(feature = "test-levels", debug_assertions))]
        Level::Fast => "fast",
        #[cfg(all(feature = "test-levels", debug_assertions))]
        Level::Tiny => "tiny",
    };
    let bits = level.parameters().prime_bits();
    let take = |kind: &str| {
        let mut found = PRIMES.lines().filter_map(|line| {
            let hex = line.strip_prefix(name)?.trim_start().strip_prefix(kind)?.trim();
            let bytes = hex::decode(hex).expect("the table holds hexadecimal");
            Some(BoxedUint::from_be_slice_vartime(&bytes).resize_unchecked(bits))
        });
        let mut next = || found.next().expect("the table holds enough primes");
        for _ in 0..2 * which {
            next();
        }
        [next(), next()]
    };
    Primes { paillier: take("paillier"), ring_pedersen: take("ring") }
}

/// A party with the ready-made primes number `which`; everything else is drawn from `seed`.
pub fn party(level: Level, which: usize, seed: u64) -> Party {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let primes = primes(level, which);
    let [p, q] = &primes.paillier;
    let paillier = DecryptionKey::new(p, q, level).expect("ready-made primes fit the level");
    let [p, q] = &primes.ring_pedersen;
    let ring_factors = Factors::new(p, q).expect("ready-made primes are distinct");
    let (parameters, lambda) = ring_pedersen::generate(&ring_factors, &mut rng);
    let ring = RingPedersen::new(&parameters, level).expect("honest parameters");
    Party { paillier, ring_factors, lambda, ring }
}
