//! Small primes: the joint sieve of an interval, and trial division of public numbers.

use std::sync::LazyLock;

use crypto_bigint::{BoxedUint, Limb, NonZero, RandomBits};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::PrimeKind;

/// [`small_factor`] finds prime factors below this: what is refused early in a peer's modulus.
pub const SMALL_FACTOR_BOUND: u32 = 1 << 16;

/// The sieve for Blum primes goes up to here; beyond, a prime costs more than the exponentiations it saves.
const BLUM_SIEVE_BOUND: u32 = 1 << 18;

/// The sieve for safe primes: both `p` and `p'` must survive, so far more exponentiations are saved.
const SAFE_SIEVE_BOUND: u32 = 1 << 22;

/// All primes below the largest bound, ascending.
static SMALL_PRIMES: LazyLock<Vec<u32>> = LazyLock::new(|| primes_below(SAFE_SIEVE_BOUND));

/// Sieve of Eratosthenes.
fn primes_below(bound: u32) -> Vec<u32> {
    let size = usize::try_from(bound).expect("invariant: a usize holds 32 bits");
    let mut composite = vec![false; size];
    let mut primes = Vec::new();
    for (value, n) in (0..bound).enumerate().skip(2) {
        if composite.get(value) == Some(&false) {
            primes.push(n);
            composite.iter_mut().skip(value * value).step_by(value).for_each(|slot| *slot = true);
        }
    }
    primes
}

/// The small primes below `bound`.
pub(super) fn small_primes(bound: u32) -> &'static [u32] {
    let all = SMALL_PRIMES.as_slice();
    let count = all.partition_point(|prime| *prime < bound);
    all.get(..count).unwrap_or(all)
}

/// Calls `visit(prime, x mod prime)` for each prime, dividing by products of them that fill a limb. Stops when
/// `visit` returns true; tells whether it did.
pub(super) fn remainders(x: &BoxedUint, primes: &[u32], mut visit: impl FnMut(u32, u32) -> bool) -> bool {
    let mut rest = primes;
    while !rest.is_empty() {
        let mut product = 1u64;
        let mut taken = 0;
        for prime in rest {
            match product.checked_mul(u64::from(*prime)) {
                Some(larger) => product = larger,
                None => break,
            }
            taken += 1;
        }
        let (group, later) = rest.split_at(taken);
        let divisor = Option::<NonZero<Limb>>::from(NonZero::new(Limb(product)));
        let remainder = x.rem_limb(divisor.expect("invariant: a product of primes is not zero")).0;
        for prime in group {
            let residue = u32::try_from(remainder % u64::from(*prime)).expect("invariant: below 32 bits");
            if visit(*prime, residue) {
                return true;
            }
        }
        rest = later;
    }
    false
}

/// The smallest prime factor of a public `n` below `min(bound, `[`SMALL_FACTOR_BOUND`]`)`, if there is one;
/// for a prime `n` below the bound that is `n` itself, and 2 for `n = 0`. Variable time.
#[must_use]
pub fn small_factor(n: &BoxedUint, bound: u32) -> Option<u32> {
    let mut found = None;
    remainders(n, small_primes(bound.min(SMALL_FACTOR_BOUND)), |prime, residue| {
        found = (residue == 0).then_some(prime);
        residue == 0
    });
    found
}

/// An interval of the progression `start + step·k` after sieving, survivors in random order. Wiped when dropped.
pub(super) struct Interval {
    start: Zeroizing<BoxedUint>,
    step: u32,
    survivors: Vec<u32>,
}

impl Drop for Interval {
    fn drop(&mut self) {
        self.survivors.zeroize();
    }
}

impl Interval {
    /// A fresh interval from a random start, all of it below `2^bits` and with the two top bits set.
    pub(super) fn draw(kind: PrimeKind, bits: u32, rng: &mut impl CryptoRng) -> Self {
        let (step, residue) = class(kind);
        let length = length(kind, bits);
        let reach = BoxedUint::from(u64::from(step) * u64::from(length));
        let top = Zeroizing::new(top_two_bits(bits));
        let start = loop {
            let drawn = Zeroizing::new(BoxedUint::random_bits(rng, bits).bitor(&top));
            // Up to the next member of the class: each has `step` draws leading to it.
            let above = (residue + step - residue_of(&drawn, step)) % step;
            let start = Zeroizing::new(drawn.wrapping_add(BoxedUint::from(above)));
            let end = Zeroizing::new(start.wrapping_add(&reach));
            // Else it ran over 2^bits.
            if end.bits() == bits {
                break start;
            }
        };
        let mut survivors = survivors(kind, &start, length);
        shuffle(&mut survivors, rng);
        Self { start, step, survivors }
    }

    /// The positions to try, in random order.
    pub(super) fn survivors(&self) -> &[u32] {
        &self.survivors
    }

    /// The number at a position.
    pub(super) fn candidate(&self, index: u32) -> Zeroizing<BoxedUint> {
        let distance = BoxedUint::from(u64::from(self.step) * u64::from(index));
        Zeroizing::new(self.start.wrapping_add(distance))
    }
}

/// Step and residue of the progression: primes `3 mod 4`, and for safe primes `11 mod 12` (`p' = 2 mod 3` too,
/// or 3 divides `p`).
fn class(kind: PrimeKind) -> (u32, u32) {
    match kind {
        PrimeKind::Blum | PrimeKind::NearlySafe => (4, 3),
        PrimeKind::Safe => (12, 11),
    }
}

/// Positions of one interval: about ten times (Blum) and twice (safe) the mean distance of two primes of the
/// kind, which is `bits·ln 2/2` and `(bits·ln 2)²/7.9` positions.
fn length(kind: PrimeKind, bits: u32) -> u32 {
    match kind {
        PrimeKind::Blum | PrimeKind::NearlySafe => 4 * bits,
        PrimeKind::Safe => bits * bits / 8,
    }
}

/// `3·2^(bits−2)`, at the precision of `bits` bits.
fn top_two_bits(bits: u32) -> BoxedUint {
    BoxedUint::one_with_precision(bits)
        .shl(bits - 1)
        .wrapping_add(BoxedUint::one_with_precision(bits).shl(bits - 2))
}

/// `x mod divisor`.
fn residue_of(x: &BoxedUint, divisor: u32) -> u32 {
    let divisor = Option::<NonZero<Limb>>::from(NonZero::new(Limb::from(divisor)));
    let residue = x.rem_limb(divisor.expect("invariant: the divisor is not zero")).0;
    u32::try_from(residue).expect("invariant: below a 32-bit divisor")
}

/// The positions `k < length` where no small prime divides `p = start + step·k`, nor, for safe primes, `p − 1`.
fn survivors(kind: PrimeKind, start: &BoxedUint, length: u32) -> Vec<u32> {
    let (step, _) = class(kind);
    let (first, bound) = match kind {
        PrimeKind::Blum | PrimeKind::NearlySafe => (1, BLUM_SIEVE_BOUND),
        PrimeKind::Safe => (2, SAFE_SIEVE_BOUND),
    };
    // The primes that divide the step divide no member of the class.
    let primes = small_primes(bound).get(first..).unwrap_or_default();
    let size = usize::try_from(length).expect("invariant: a usize holds 32 bits");
    let mut struck = Zeroizing::new(vec![false; size]);
    remainders(start, primes, |prime, residue| {
        let inverse = invert_step(step, prime);
        strike(&mut struck, prime, inverse, residue);
        if kind == PrimeKind::Safe {
            // p = 1 mod prime: the prime divides p − 1 = 2p'.
            strike(&mut struck, prime, inverse, (residue + prime - 1) % prime);
        }
        false
    });
    (0..length).zip(struck.iter()).filter(|(_, struck)| !**struck).map(|(index, _)| index).collect()
}

/// `step^(−1) mod prime` for a step of 4 or 12.
fn invert_step(step: u32, prime: u32) -> u64 {
    let modulus = u64::from(prime);
    let half = modulus.div_ceil(2);
    let quarter = half * half % modulus;
    if !step.is_multiple_of(3) {
        return quarter;
    }
    let third = if modulus % 3 == 2 { (modulus + 1) / 3 } else { (2 * modulus + 1) / 3 };
    quarter * third % modulus
}

/// Strikes out all positions `k` with `residue + step·k ≡ 0 (mod prime)`.
fn strike(struck: &mut [bool], prime: u32, inverse: u64, residue: u32) {
    let modulus = u64::from(prime);
    let first = (modulus - u64::from(residue)) * inverse % modulus;
    let position = |x: u64| usize::try_from(x).expect("invariant: below 32 bits");
    struck.iter_mut().skip(position(first)).step_by(position(modulus)).for_each(|slot| *slot = true);
}

/// Fisher–Yates, without bias: a position is drawn by rejection.
pub(super) fn shuffle(list: &mut [u32], rng: &mut impl CryptoRng) {
    for last in (1..list.len()).rev() {
        list.swap(last, below(last + 1, rng));
    }
}

/// Uniform in `[0, bound)`.
fn below(bound: usize, rng: &mut impl CryptoRng) -> usize {
    let bound = u32::try_from(bound).expect("invariant: an interval has fewer than 2^32 positions");
    let mask = u32::MAX >> bound.leading_zeros();
    loop {
        let x = rng.next_u32() & mask;
        if x < bound {
            return usize::try_from(x).expect("invariant: a usize holds 32 bits");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn small_primes_are_complete() {
        // π(2^16), π(2^18), π(2^22).
        for (bound, count) in [(1 << 16, 6542), (BLUM_SIEVE_BOUND, 23_000), (SAFE_SIEVE_BOUND, 295_947)] {
            assert_eq!(small_primes(bound).len(), count);
        }
    }

    #[test]
    fn the_sieve_strikes_exactly_what_small_primes_divide() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for (kind, bound) in [(PrimeKind::Blum, BLUM_SIEVE_BOUND), (PrimeKind::Safe, SAFE_SIEVE_BOUND)] {
            let interval = Interval::draw(kind, 128, &mut rng);
            let (step, residue) = class(kind);
            let mut sorted = interval.survivors().to_vec();
            sorted.sort_unstable();
            for index in 0..150 {
                let p = interval.candidate(index);
                assert_eq!(residue_of(&p, step), residue);
                assert_eq!(p.bits(), 128);
                assert!(p.bit_vartime(126));
                let half = p.shr(1);
                let divided = |x: &BoxedUint| small_primes(bound).iter().any(|s| residue_of(x, *s) == 0);
                let expected = divided(&p) || (kind == PrimeKind::Safe && divided(&half));
                assert_eq!(expected, sorted.binary_search(&index).is_err(), "{kind:?} {index}");
            }
        }
    }

    #[test]
    fn small_factors() {
        assert_eq!(small_factor(&BoxedUint::from(2u64 * 3 * 65_521), 1 << 16), Some(2));
        assert_eq!(small_factor(&BoxedUint::from(65_521u64 * 65_537), 1 << 16), Some(65_521));
        assert_eq!(small_factor(&BoxedUint::from(65_537u64 * 65_539), 1 << 16), None);
        assert_eq!(small_factor(&BoxedUint::from(101u64 * 103), 101), None);
        assert_eq!(small_factor(&BoxedUint::from(101u64 * 103), 102), Some(101));
        assert_eq!(small_factor(&BoxedUint::zero_with_precision(3072), 1 << 16), Some(2));
        assert_eq!(small_factor(&BoxedUint::one(), 1 << 16), None);
    }

    #[test]
    fn a_shuffle_reaches_all_orders() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let mut list = [0, 1, 2, 3];
            shuffle(&mut list, &mut rng);
            seen.insert(list);
        }
        assert_eq!(seen.len(), 24);
    }
}
