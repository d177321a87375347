//! Nearly safe primes `p = 2rp' + 1`: first a prime `p'`, then a small prime `r` with which `p` is prime.
//!
//! Who knows the factors of `p − 1` knows a generator of all units mod `p`, as with a safe prime. But a safe prime needs `p'` and
//! `2p' + 1` to be prime at once, one candidate in 1,800 after sieving; here either is found by itself.
//!
//! **Distribution.** `p'` is what the search for primes `3 mod 4` gives; `r` is drawn among all primes for which `p` has its
//! length and is prime, with its second bit set: some fourteen of 11,400 at 1536 bits. One prime `3 mod 4` in about 73,000 is
//! of this form, so it takes sixteen bits of the entropy of a prime, which nothing here needs. That `p − 1` has a large prime
//! factor is no weakness: standards allow keys of primes that are made so (FIPS 186-5, A.1.1). `r` is as secret as `p`.
//!
//! **Proof.** With `p'` prime, `2^(p−1) ≡ 1 (mod p)` and `gcd(2^(2r) − 1, p) = 1` *prove* `p` prime (Pocklington's theorem with
//! `F = p' > √p`).

use std::ops::{ControlFlow, Range};

use crypto_bigint::{BoxedUint, ConcatenatingMul, Limb, NonZero, Resize};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::sieve::{remainders, shuffle, small_primes};
use super::test::fermat_survivors;
use super::{BATCH, PrimeKind};
use crate::modulus::Modulus;
use crate::powers::{Power, Timing, power};

/// Bits that `p'` has less than `p`.
const COFACTOR_BITS: u32 = 20;

/// All `r` are of these, for `b` bits of `p`: `p ≥ 3·2^(b−2)` and `p' < 2^(b−20)`; `p < 2^b` and `p' ≥ 3·2^(b−22)`.
const COFACTORS: Range<u32> = (3 << (COFACTOR_BITS - 3))..(2 << COFACTOR_BITS) / 3 + 1;

/// Candidates are divided by the primes below this first. More would cost more than the tests they save.
const TRIAL_BOUND: u32 = 1 << 11;

/// See [`super::generate`].
pub(super) fn generate(
    bits: u32,
    rng: &mut impl CryptoRng,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Option<BoxedUint> {
    let mut tried = 0;
    loop {
        let before = tried;
        let large = super::generate(PrimeKind::Blum, bits - COFACTOR_BITS, rng, &mut |of_large| {
            tried = before + of_large;
            progress(tried)
        });
        let large = Zeroizing::new(large?);
        let mut cofactors = cofactors(&large, bits);
        shuffle(&mut cofactors, rng);
        for batch in cofactors.chunks(BATCH) {
            let passed = fermat_survivors(batch.iter().map(|r| candidate(&large, *r, bits)));
            let proven = |p: &BoxedUint, modulus: &Modulus| {
                batch.iter().any(|r| *candidate(&large, *r, bits) == *p && is_proven(modulus, *r))
            };
            if let Some((p, _)) = passed.iter().find(|(p, modulus)| proven(p, modulus)) {
                return Some(BoxedUint::clone(p));
            }
            tried += u64::try_from(batch.len()).expect("invariant: a batch is small");
            if progress(tried).is_break() {
                return None;
            }
        }
    }
}

/// `2rp' + 1`, at the precision of `bits` bits.
fn candidate(large: &BoxedUint, r: u32, bits: u32) -> Zeroizing<BoxedUint> {
    let product = Zeroizing::new(large.concatenating_mul(&BoxedUint::from(2 * u64::from(r))));
    Zeroizing::new(product.wrapping_add(BoxedUint::one()).resize_unchecked(bits))
}

/// All primes `r` for which `p` has `bits` bits, the second one set, and no factor below [`TRIAL_BOUND`].
fn cofactors(large: &BoxedUint, bits: u32) -> Vec<u32> {
    let mut residues = Zeroizing::new(Vec::new());
    let trial = small_primes(TRIAL_BOUND).get(1..).unwrap_or_default();
    remainders(large, trial, |prime, residue| {
        residues.push([prime, residue]);
        false
    });
    let divided = |r: u32| {
        residues.iter().any(|[prime, residue]| {
            (2 * u64::from(r) * u64::from(*residue) + 1).is_multiple_of((*prime).into())
        })
    };
    let fits = |r: u32| {
        let p = candidate(large, r, bits + COFACTOR_BITS);
        p.bits() == bits && p.bit(bits - 2).to_bool()
    };
    cofactor_primes().iter().copied().filter(|r| !divided(*r) && fits(*r)).collect()
}

/// The small primes of which [`COFACTORS`] are.
fn cofactor_primes() -> &'static [u32] {
    let all = small_primes(COFACTORS.end);
    all.get(all.partition_point(|prime| *prime < COFACTORS.start)..).unwrap_or_default()
}

/// Whether no prime factor of `p`, which has passed the Fermat test to base 2, divides `2^(2r) − 1`.
fn is_proven(modulus: &Modulus, r: u32) -> bool {
    let (base, exponent) = (BoxedUint::from(2u64), Zeroizing::new(BoxedUint::from(2 * u64::from(r))));
    let raised = power(Power { base: &base, exponent: &exponent, modulus, timing: Timing::Secret });
    let less_one = Zeroizing::new(modulus.sub(&Zeroizing::new(raised), &modulus.one()));
    modulus.invert_secret(&less_one).map(Zeroizing::new).is_some()
}

/// The `r` of a nearly safe prime; 1 for a safe one. The same steps for all numbers of a width.
pub(crate) fn cofactor(p: &BoxedUint) -> u32 {
    let mut found = 1;
    remainders(&Zeroizing::new(p.shr(1)), cofactor_primes(), |prime, residue| {
        found = if residue == 0 { prime } else { found };
        false
    });
    found
}

/// The large factor `p'` of `p − 1` for a safe or a nearly safe prime `p`. To see that `p` is one, test `p` and `p'`.
#[must_use]
pub fn large_factor(p: &BoxedUint) -> Zeroizing<BoxedUint> {
    let cofactor = NonZero::new(Limb::from(cofactor(p))).into_option();
    let half = Zeroizing::new(p.shr(1));
    Zeroizing::new(half.div_rem_limb(cofactor.expect("invariant: not zero")).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn cofactors_are_as_they_should_be() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let go_on = &mut |_| ControlFlow::Continue(());
        for bits in [160, 193, 256] {
            let large =
                super::super::generate(PrimeKind::Blum, bits - COFACTOR_BITS, &mut rng, go_on).unwrap();
            let found = cofactors(&large, bits);
            assert!(found.len() > 100, "{bits} bits: {}", found.len());
            for r in cofactor_primes() {
                let p = candidate(&large, *r, bits + COFACTOR_BITS);
                let divided = super::super::small_factor(&p, TRIAL_BOUND).is_some();
                let fits = p.bits() == bits && p.bit_vartime(bits - 2);
                assert_eq!(found.contains(r), fits && !divided, "{bits} bits: {r}");
            }
            // Beyond both ends p has another length.
            for r in [COFACTORS.start - 1, COFACTORS.end] {
                let p = candidate(&large, r, bits + COFACTOR_BITS);
                assert!(p.bits() != bits || !p.bit_vartime(bits - 2));
            }
        }
    }

    #[test]
    fn factors_are_found_again() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let go_on = &mut |_| ControlFlow::Continue(());
        let p = generate(192, &mut rng, go_on).unwrap();
        let (r, large) = (cofactor(&p), large_factor(&p));
        assert!(COFACTORS.contains(&r));
        assert_eq!(*candidate(&large, r, 192), p);
        let safe = super::super::generate(PrimeKind::Safe, 192, &mut rng, go_on).unwrap();
        assert_eq!(cofactor(&safe), 1);
        assert_eq!(*large_factor(&safe), safe.shr(1));
    }

    /// What passes the Fermat test is refused if a factor of it divides `2^(2r) − 1`: 341 = 11·31 divides `2^10 − 1`.
    #[test]
    fn the_proof_needs_its_second_half() {
        let modulus = Modulus::new_secret(&BoxedUint::from(341u64)).unwrap();
        assert!(!is_proven(&modulus, 5));
        // 23 − 1 = 2·11, and 2^2 − 1 = 3.
        assert!(is_proven(&Modulus::new_secret(&BoxedUint::from(23u64)).unwrap(), 1));
    }
}
