//! The primes of one party: generated ahead of time, used once, zeroised.

use std::ops::ControlFlow;

use consign_modexp::{BoxedUint, Modulus, PrimeKind, Timing, fermat_composites, generate_many};
use consign_zk::level::Level;
use crypto_bigint::Resize;
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::AuxError;

/// Two nearly safe primes for the Paillier modulus and two safe ones for the ring-Pedersen modulus. No `Clone`.
pub struct Primes {
    pub(super) paillier: [BoxedUint; 2],
    pub(super) ring: [BoxedUint; 2],
}

impl Drop for Primes {
    fn drop(&mut self) {
        self.paillier.iter_mut().chain(&mut self.ring).for_each(Zeroize::zeroize);
    }
}

impl Primes {
    /// Searches for primes of the level's size, on all cores. `progress` is told which of the four primes a search
    /// is for (0 to 3) and how many candidates it has tried, and may stop it all, which then returns `None`. Takes
    /// seconds at L128.
    pub fn generate(
        level: Level,
        rng: &mut impl CryptoRng,
        progress: &(dyn Fn(usize, u64) -> ControlFlow<()> + Sync),
    ) -> Option<Self> {
        let bits = level.parameters().prime_bits();
        let [ring, paillier] = [PrimeKind::Safe, PrimeKind::NearlySafe].map(|kind| (kind, bits));
        let found = generate_many(&[ring, ring, paillier, paillier], rng, progress)?;
        let [r1, r2, p1, p2]: [BoxedUint; 4] = found.try_into().expect("invariant: one prime per entry");
        Some(Self { paillier: [p1, p2], ring: [r1, r2] })
    }

    /// Takes over primes from elsewhere: from storage, or ready-made ones in tests.
    pub fn from_parts(paillier: [BoxedUint; 2], ring: [BoxedUint; 2]) -> Self {
        Self { paillier, ring }
    }

    /// The self-test before use and on load (attack A-09): four distinct primes, those of the ring-Pedersen modulus safe.
    ///
    /// One Fermat test for each number, which is enough against mistakes in own storage. Runs in variable time where
    /// that depends on a mistake only; the primes are the exponents of their tests, and secret.
    pub(super) fn test(&self) -> Result<(), AuxError> {
        let all = [&self.paillier[0], &self.paillier[1], &self.ring[0], &self.ring[1]];
        let distinct = (0..all.len()).all(|i| !all.iter().skip(i + 1).any(|prime| all.get(i) == Some(prime)));
        let halves = self.ring.iter().map(|p| Zeroizing::new(p.shr(1)));
        let numbers = all.into_iter().cloned().map(Zeroizing::new).chain(halves);
        let moduli: Option<Vec<_>> = numbers.map(|p| Modulus::new_secret(&p)).collect();
        let moduli = moduli.ok_or(AuxError::Factors)?;
        let composite = fermat_composites(&moduli.iter().collect::<Vec<_>>(), Timing::Secret);
        if distinct && composite.iter().all(|composite| !composite) { Ok(()) } else { Err(AuxError::Factors) }
    }

    /// The stored form: four big-endian numbers. It is secret: seal it before it touches a disk.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let all = self.paillier.iter().chain(&self.ring);
        Zeroizing::new(all.flat_map(|prime| prime.to_be_bytes().into_vec()).collect())
    }

    /// Reads the stored form for a level.
    pub fn decode(level: Level, bytes: &[u8]) -> Result<Self, AuxError> {
        let bits = level.parameters().prime_bits();
        let length = (bits / 8) as usize;
        let mut parts = bytes.chunks_exact(length).map(|part| {
            BoxedUint::from_be_slice(part, bits)
                .map(|prime| prime.resize_unchecked(bits))
                .map_err(|_| AuxError::Encoding)
        });
        let mut next = || parts.next().unwrap_or(Err(AuxError::Encoding));
        let primes = Self { paillier: [next()?, next()?], ring: [next()?, next()?] };
        if bytes.len() == 4 * length { Ok(primes) } else { Err(AuxError::Encoding) }
    }
}
