//! The check that no recombined value leaves with a wrong half.
//!
//! Who sees `x` with the right value mod `q` and a wrong one mod `p`, and knows an equation it should satisfy,
//! factors `N` by one gcd. So each recombined `x` is taken mod `p` and mod `q` again and compared with what is
//! computed on another way from the raw operands:
//!
//! | published | compared, for `p` (and alike for `q`) |
//! |---|---|
//! | `b^e mod N`, `b^e mod N²` | `x mod p` with `(b²)^(⌊e/2⌋ mod (p−1)) · b^(e mod 2) mod p` |
//! | `r^N mod N²` | `(x mod p)^(1/q mod (p−1))` with `r mod p` |
//! | `y^(1/N) mod N` | `(x mod p)^(q mod (p−1))` with `y mod p` |
//! | a plaintext | `c^(p−1) mod p` with 1 |
//!
//! and `p·q = N` is recomputed from the stored primes.
//!
//! **Modulo `p²`** a number may be kept as `a − b·p` (`lanes/pairs.rs`), and a fault in `b` does not show mod `p`. So for what
//! leaves the lanes are not told that `p²` is a square, and a fault anywhere changes the value mod `p` as well.
//!
//! **Lists.** Where all entries have one exponent, as in the second and third row, or one base, they are compared at once: the product of
//! all `x^w` takes the place of `x`, with a weight `w` of 64 bits for each, and that of all `r^w` the place of `r`. So the check
//! of a list costs one long exponentiation for each half, and a tenth of one for each entry.
//!
//! **Covered**: any error in reducing operands, in an exponentiation mod `p` or mod `p²`, in a stored CRT
//! constant, in the recombination, in one of the two primes (of a plaintext the exponentiation alone, for the power of any
//! other unit is one as well); whether it strikes once or, since the second way has other operands
//! at every step, a kernel computes wrongly for certain inputs. Numbers that are lost on both ways, a lane that gives zero or a
//! digit without a power, are seen since zero equals nothing. An error in a value mod `p²` that is compared mod `p` escapes
//! if it is a multiple of `p`: about `1/p`. In a list errors escape if they cancel: `Π d^w = 1`,
//! for what each wrong `x` is off by. Without knowing `p` that has a chance of about `1/p` again, but for factors `d = −1`,
//! of which an even number escapes (weights are odd): no operation here errs by a sign. **Not covered**: wrong operands handed
//! in, and the memory of the result after it was checked.
//!
//! Cost: one more exponentiation mod `p` per half for an entry that is compared alone, which adds about a tenth to the operations
//! mod `N²` and doubles [`Factors::powers`]. A redundant 64-bit prime factor carried through both
//! halves would cost as much here, since 1536-bit operands would leave the paired kernel and the eight-word
//! assembly.
//!
//! A failed check is computed anew once, then it is a panic: the machine cannot be trusted.

use crypto_bigint::{BoxedUint, ConcatenatingMul, CtEq};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use zeroize::{Zeroize, Zeroizing};

use super::half::{Half, Operands, Secret};
use super::{Factors, Side};

/// How often a result is computed before a failing check stops the process.
const TRIES: usize = 2;

/// Bits of a weight.
const WEIGHT_BITS: u32 = u64::BITS;

impl Factors {
    /// The first result of `compute` that passes.
    ///
    /// # Panics
    /// If none does.
    pub(super) fn checked<T: Zeroize>(&self, compute: impl Fn() -> T, passes: impl Fn(&T) -> bool) -> T {
        for _ in 0..TRIES {
            let mut found = compute();
            if passes(&found) && self.is_intact() {
                return found;
            }
            found.zeroize();
        }
        panic!("invariant: a result recombined from its halves is wrong; nothing was given out");
    }

    /// `p·q = N`.
    fn is_intact(&self) -> bool {
        let product = Zeroizing::new(self.p().concatenating_mul(self.q()));
        self.modulus.fit(&product).ct_eq(self.modulus.value()).into()
    }

    /// Whether `found[i] ≡ b^e` mod `p` and mod `q`.
    pub(super) fn are_powers(&self, list: &[(&BoxedUint, &BoxedUint)], found: &[BoxedUint]) -> bool {
        let residues = |x| self.sides().map(|(half, _)| Zeroizing::new(half.prime().reduce(x)));
        let found: Vec<_> = found.iter().map(residues).collect();
        found.len() == list.len() && self.are_halves_of_powers(list, &found)
    }

    /// Whether `found[i] ≡ base^exponents[i]` mod `N`, for secret exponents of any width.
    /// It is a check against faults: weighted products are compared.
    #[must_use]
    pub fn are_powers_of(&self, base: &BoxedUint, exponents: &[&BoxedUint], found: &[&BoxedUint]) -> bool {
        let widest = exponents.iter().map(|exponent| exponent.bits_precision()).max().unwrap_or_default();
        // Room for 2^64 terms.
        let mut sum = Zeroizing::new(BoxedUint::zero_with_precision(widest + WEIGHT_BITS + u64::BITS));
        for (exponent, weight) in exponents.iter().zip(weights()) {
            let term = Zeroizing::new(exponent.concatenating_mul(&weight));
            sum = Zeroizing::new(sum.wrapping_add(&*term));
        }
        let product = self.weighted_product(found, false);
        exponents.len() == found.len()
            && self.is_intact()
            && self.are_halves_of_powers(&[(base, &sum)], &[product])
    }

    /// Whether each pair of halves is `b^e` mod `p` and mod `q`.
    fn are_halves_of_powers(&self, list: &[(&BoxedUint, &BoxedUint)], found: &[[Secret; 2]]) -> bool {
        let even_parts = self.run(list, Half::prime, |half, _, (base, exponent)| {
            let base = Zeroizing::new(self.modulus.reduce(base));
            let square = Zeroizing::new(self.modulus.square(&base));
            let halved = Zeroizing::new(exponent.shr(1));
            Operands::new(half.prime().reduce(&square), half.reduce_exponent(&halved))
        });
        list.iter().zip(&even_parts).zip(found).all(|(((base, exponent), even), x)| {
            self.sides().iter().all(|(half, side)| {
                let odd = half.odd_part(base, exponent);
                same(side.of(x), &Zeroizing::new(half.prime().mul(side.of(even), &odd)))
            })
        })
    }

    /// Whether `found[i]` is the power of `list[i]` by `N` mod `p`, and alike mod `q`.
    pub(super) fn are_nth_powers(&self, list: &[&BoxedUint], found: &[BoxedUint]) -> bool {
        if list.is_empty() {
            return found.is_empty();
        }
        let found: Vec<_> = found.iter().collect();
        let (from, to) = (self.weighted_product(&found, false), self.weighted_product(list, true));
        list.len() == found.len() && self.is_image(&from, &to, Half::cofactor_inverse)
    }

    /// Whether `found[i]^q ≡ y` mod `p`, and alike mod `q`: that is whether `found[i]^N ≡ y` mod `N`, if all are units.
    /// It is a check against faults: weighted products are compared.
    #[must_use]
    pub fn are_nth_roots(&self, list: &[&BoxedUint], found: &[BoxedUint]) -> bool {
        let found: Vec<_> = found.iter().collect();
        let (from, to) = (self.weighted_product(&found, false), self.weighted_product(list, true));
        list.len() == found.len() && self.is_intact() && self.is_image(&from, &to, Half::cofactor)
    }

    /// Whether `from^e` is `to` mod `p` and mod `q`, `e` being that of the half.
    fn is_image(
        &self,
        from: &[Secret; 2],
        to: &[Secret; 2],
        exponent: impl Fn(&Half) -> &BoxedUint + Sync + Send,
    ) -> bool {
        let raised = self.run(&[from], Half::prime, |half, side, from| {
            Operands::new(BoxedUint::clone(side.of(from)), exponent(half).clone())
        });
        raised.iter().all(|image| self.sides().iter().all(|(_, side)| same(side.of(image), side.of(to))))
    }

    /// The product of all entries, each to the power of its weight, mod `p` and mod `q`. Of two lists that are compared one goes
    /// `backwards` through the lanes, so that a lane that errs every time errs about different entries.
    fn weighted_product(&self, list: &[&BoxedUint], backwards: bool) -> [Secret; 2] {
        let mut entries: Vec<_> = list.iter().zip(weights()).collect();
        if backwards {
            entries.reverse();
        }
        let powers = self.run(&entries, Half::prime, |half, _, (x, weight)| {
            Operands::new(half.prime().reduce(x), weight.clone())
        });
        self.sides().map(|(half, side)| {
            powers.iter().fold(Zeroizing::new(half.prime().one()), |product, power| {
                Zeroizing::new(half.prime().mul(&product, side.of(power)))
            })
        })
    }

    pub(super) fn sides(&self) -> [(&Half, Side); 2] {
        [(&self.p, Side::P), (&self.q, Side::Q)]
    }
}

/// Odd weights, the same for every list: they need only be unrelated to what a broken machine computes.
fn weights() -> impl Iterator<Item = BoxedUint> {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    std::iter::repeat_with(move || BoxedUint::from(rng.next_u64() | 1))
}

/// Equality of units, in constant time. Zero is a power of zero on every way, and whoever sees a value that is zero modulo one
/// of the primes has that prime: it is equal to nothing.
fn same(a: &BoxedUint, b: &BoxedUint) -> bool {
    (a.ct_eq(b) & a.is_nonzero()).into()
}
