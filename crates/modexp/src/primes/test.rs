//! Tests for primality, all through the list engine.
//!
//! **Error.** A candidate passes the Fermat test to base 2 and then `t` rounds of Miller–Rabin to random bases.
//! For a uniformly random odd `k`-bit number the probability to be composite given that it passes `t` rounds is
//! `p(k,t) < k^(3/2)·2^t·t^(−1/2)·4^(2−√(tk))` (Damgård, Landrock, Pomerance, *Average case error estimates for
//! the strong probable prime test*, Math. Comp. 61, 1993, theorem 2; the same bound underlies FIPS 186-5,
//! table B.1). Each position of a sieved interval holds such a number but for its class mod 4 or 12 and its
//! second bit, which cost a factor below 2^5, and an interval has fewer than 2^19 positions up to 2048 bits. So
//! rounds are chosen for `p(k,t) < 2^-152`: the whole search errs with probability below 2^-128 (that few candidates
//! pass at all pays for intervals searched in vain; at larger sizes the same rounds give far less). Below 512
//! bits the bound that holds for *every* composite, `4^-t` (Rabin), is used instead.
//!
//! **Safe primes** need these rounds for `p' = (p−1)/2` only: once `p'` is prime, `2^(p−1) ≡ 1 (mod p)`
//! and `gcd(2² − 1, p) = 1` *prove* `p` prime (Pocklington's theorem with `F = p' > √p − 1`).

use crypto_bigint::{BoxedUint, Resize};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::PrimeKind;
use crate::modulus::Modulus;
use crate::powers::{Power, Timing, powers, powers_of_two};

/// Rounds of Miller–Rabin from a size in bits on. The module documentation gives the formula; a test computes it.
const ROUNDS: [(u32, usize); 3] = [(1536, 6), (1024, 8), (512, 18)];

/// Rounds below those sizes: `4^-76 = 2^-152` for any composite.
const WORST_CASE_ROUNDS: usize = 76;

/// The first of the candidates that is a prime of the kind.
pub(super) fn first_prime(
    kind: PrimeKind,
    candidates: &[Zeroizing<BoxedUint>],
    rng: &mut impl CryptoRng,
) -> Option<BoxedUint> {
    let passed = fermat_survivors(candidates.iter().cloned());
    match kind {
        PrimeKind::Blum | PrimeKind::NearlySafe => {
            passed.into_iter().find(|(_, modulus)| is_prime(modulus, rng)).map(|(p, _)| BoxedUint::clone(&p))
        }
        PrimeKind::Safe => {
            let halves = passed.iter().map(|(p, _)| Zeroizing::new(p.shr(1)));
            let half = fermat_survivors(halves).into_iter().find(|(_, modulus)| is_prime(modulus, rng));
            half.map(|(half, _)| half.shl(1).bitor(&BoxedUint::one_with_precision(half.bits_precision())))
        }
    }
}

/// Those of the numbers, odd and secret, that pass the Fermat test to base 2, with their moduli.
pub(super) fn fermat_survivors(
    numbers: impl Iterator<Item = Zeroizing<BoxedUint>>,
) -> Vec<(Zeroizing<BoxedUint>, Modulus)> {
    let with_moduli: Vec<_> = numbers
        .map(|n| {
            let modulus = Modulus::new_secret(&n).expect("invariant: candidates are odd and large");
            (n, modulus)
        })
        .collect();
    let moduli: Vec<&Modulus> = with_moduli.iter().map(|(_, modulus)| modulus).collect();
    let composite = fermat_composites(&moduli, Timing::Secret);
    with_moduli.into_iter().zip(composite).filter(|(_, composite)| !composite).map(|(kept, _)| kept).collect()
}

/// For each modulus, whether the Fermat test to base 2 *proves* it composite: `2^(n−1) ≢ 1 (mod n)`.
/// False says little about a number somebody else chose. `timing`: are the moduli, whose size the exponents have, public?
#[must_use]
pub fn fermat_composites(list: &[&Modulus], timing: Timing) -> Vec<bool> {
    let two = BoxedUint::from(2u64);
    let exponents: Vec<_> =
        list.iter().map(|n| Zeroizing::new(n.value().wrapping_sub(BoxedUint::one()))).collect();
    let tests: Vec<Power<'_>> = list
        .iter()
        .zip(&exponents)
        .map(|(modulus, exponent)| Power { base: &two, exponent, modulus, timing })
        .collect();
    let results = powers_of_two(&tests).into_iter().map(Zeroizing::new);
    results.map(|x| !bool::from(x.is_one())).collect()
}

/// All rounds of Miller–Rabin as one list.
fn is_prime(modulus: &Modulus, rng: &mut impl CryptoRng) -> bool {
    miller_rabin(modulus, rounds(modulus.bits()), rng)
}

fn rounds(bits: u32) -> usize {
    ROUNDS.iter().find(|(from, _)| bits >= *from).map_or(WORST_CASE_ROUNDS, |(_, rounds)| *rounds)
}

/// Whether the odd number passes that many rounds to random bases in `[2, n−2]`.
fn miller_rabin(modulus: &Modulus, rounds: usize, rng: &mut impl CryptoRng) -> bool {
    let minus_one = Zeroizing::new(modulus.value().wrapping_sub(BoxedUint::one()));
    let twos = minus_one.trailing_zeros();
    let odd_part = Zeroizing::new(minus_one.shr(twos));
    let bases: Vec<_> = (0..rounds).map(|_| random_base(modulus, &minus_one, rng)).collect();
    let timing = Timing::Secret;
    let list: Vec<Power<'_>> =
        bases.iter().map(|base| Power { base, exponent: &odd_part, modulus, timing }).collect();
    powers(&list).into_iter().map(Zeroizing::new).all(|mut x| {
        let mut probable = bool::from(x.is_one()) || *x == *minus_one;
        for _ in 1..twos {
            x = Zeroizing::new(modulus.square(&x));
            probable |= *x == *minus_one;
        }
        probable
    })
}

/// Uniform in `[2, n−2]`.
fn random_base(modulus: &Modulus, minus_one: &BoxedUint, rng: &mut impl CryptoRng) -> Zeroizing<BoxedUint> {
    loop {
        let x = Zeroizing::new(modulus.random_below(rng));
        if *x > BoxedUint::one().resize(modulus.precision()) && *x < *minus_one {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn rounds_meet_the_bound() {
        for (bits, rounds) in ROUNDS {
            let (k, t) = (f64::from(bits - 1), f64::from(u32::try_from(rounds).unwrap()));
            let log2 = 1.5 * k.log2() + t - 0.5 * t.log2() + 4.0 - 2.0 * (t * k).sqrt();
            assert!(log2 < -152.0, "{bits} bits, {rounds} rounds: 2^{log2}");
            // The range of t for which the theorem is stated.
            assert!(t >= 3.0 && t <= k / 9.0);
        }
        assert_eq!((rounds(1536), rounds(1535), rounds(512), rounds(511)), (6, 8, 18, WORST_CASE_ROUNDS));
    }

    #[test]
    fn miller_rabin_agrees_with_trial_division() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        for n in (5u64..2000).step_by(2) {
            let prime = (3..).step_by(2).take_while(|d| d * d <= n).all(|d| n % d != 0);
            let modulus = Modulus::new_secret(&BoxedUint::from(n)).unwrap();
            assert_eq!(miller_rabin(&modulus, 40, &mut rng), prime, "{n}");
        }
    }

    #[test]
    fn strong_pseudoprimes_and_carmichael_numbers_are_found_out() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        // Strong pseudoprimes to all prime bases up to 37 and 41, and two Carmichael numbers.
        for n in ["437AE92817F9FC85B7E5", "2BE6951ADC5B22410A5FD", "231", "1F2BE4A8B"] {
            let value = BoxedUint::from_str_radix_vartime(n, 16).unwrap();
            let modulus = Modulus::new_secret(&value).unwrap();
            assert!(!miller_rabin(&modulus, WORST_CASE_ROUNDS, &mut rng), "{n}");
        }
    }

    #[test]
    fn the_fermat_test_proves_composites_only() {
        // 341 is the smallest pseudoprime to base 2.
        let list: Vec<Modulus> =
            [341u64, 343, 65_537, 65_539, 65_541].map(|n| Modulus::new(&BoxedUint::from(n)).unwrap()).into();
        let references: Vec<&Modulus> = list.iter().collect();
        for timing in [Timing::Public, Timing::Secret] {
            assert_eq!(fermat_composites(&references, timing), [false, true, false, false, true]);
        }
    }
}
