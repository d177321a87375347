//! Chance that can be repeated: everything random of a trial comes from its seed.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A stream of random numbers.
pub struct Chance(ChaCha20Rng);

impl Chance {
    /// The stream with this number of a seed.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut chance = ChaCha20Rng::seed_from_u64(seed);
        chance.set_stream(stream);
        Self(chance)
    }

    /// A number below `end`, which is not 0. The bias is far below what any trial could see.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(self.0.next_u64() % end).unwrap_or(0)
    }

    /// A number from `from` up to `to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.0.next_u64() % (to - from + 1)
    }

    /// Random bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Two different numbers below `end`.
    pub fn two_below(&mut self, end: usize) -> (usize, usize) {
        let first = self.below(end);
        let second = (first + 1 + self.below(end - 1)) % end;
        (first, second)
    }
}
