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
//!
//! and `p·q = N` is recomputed from the stored primes.
//!
//! **Covered**: any error in reducing operands, in an exponentiation mod `p` or mod `p²`, in a stored CRT
//! constant, in the recombination, in one of the two primes; whether it strikes once or, since the second way has other operands
//! at every step, a kernel computes wrongly for certain inputs. An error in a value mod `p²` escapes only if it
//! is a multiple of `p`: about `1/p` for one that does not know `p`. **Not covered**: wrong operands handed
//! in, and the memory of the result after it was checked.
//!
//! Cost: one more exponentiation mod `p` per half. That doubles [`Factors::powers`] and [`Factors::nth_roots`]
//! and adds about a tenth to the operations mod `N²`. A redundant 64-bit prime factor carried through both
//! halves would cost as much here, since 1536-bit operands would leave the paired kernel and the eight-word
//! assembly.
//!
//! A failed check is computed anew once, then it is a panic: the machine cannot be trusted.

use crypto_bigint::{BoxedUint, ConcatenatingMul, CtEq};
use zeroize::Zeroizing;

use super::half::{Half, Operands, Secret};
use super::{Factors, Side};

/// How often a result is computed before a failing check stops the process.
const TRIES: usize = 2;

impl Factors {
    /// The first result of `compute` that passes.
    ///
    /// # Panics
    /// If none does.
    pub(super) fn checked(
        &self,
        compute: impl Fn() -> Vec<BoxedUint>,
        passes: impl Fn(&[BoxedUint]) -> bool,
    ) -> Vec<BoxedUint> {
        for _ in 0..TRIES {
            let mut found = compute();
            if passes(&found) && self.is_intact() {
                return found;
            }
            found.iter_mut().for_each(zeroize::Zeroize::zeroize);
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
        let even_parts = self.run(list, Half::prime, |half, _, (base, exponent)| {
            let base = Zeroizing::new(self.modulus.reduce(base));
            let square = Zeroizing::new(self.modulus.square(&base));
            let halved = Zeroizing::new(exponent.shr(1));
            Operands::new(half.prime().reduce(&square), half.reduce_exponent(&halved))
        });
        let sides = [(&self.p, Side::P), (&self.q, Side::Q)];
        found.len() == list.len()
            && list.iter().zip(&even_parts).zip(found).all(|(((base, exponent), even), x)| {
                sides.iter().all(|(half, side)| {
                    let odd = half.odd_part(base, exponent);
                    let expected = Zeroizing::new(half.prime().mul(side.of(even), &odd));
                    same(&Zeroizing::new(half.prime().reduce(x)), &expected)
                })
            })
    }

    /// Whether `found[i]^(1/q) ≡ r` mod `p`, and alike mod `q`.
    pub(super) fn are_nth_powers(&self, list: &[&BoxedUint], found: &[BoxedUint]) -> bool {
        let back = self.run(found, Half::prime, |half, _, x| {
            Operands::new(half.prime().reduce(x), half.cofactor_inverse().clone())
        });
        self.are_residues(list, &back)
    }

    /// Whether `found[i]^q ≡ y` mod `p`, and alike mod `q`: that is whether `found[i]^N ≡ y` mod `N`, if all are units.
    #[must_use]
    pub fn are_nth_roots(&self, list: &[&BoxedUint], found: &[BoxedUint]) -> bool {
        let back = self.run(found, Half::prime, |half, _, x| {
            Operands::new(half.prime().reduce(x), half.cofactor().clone())
        });
        self.are_residues(list, &back)
    }

    /// Whether each pair of halves is `list[i]` mod `p` and mod `q`.
    fn are_residues(&self, list: &[&BoxedUint], halves: &[[Secret; 2]]) -> bool {
        list.len() == halves.len()
            && list.iter().zip(halves).all(|(whole, [x, y])| {
                same(&Zeroizing::new(self.p.prime().reduce(whole)), x)
                    && same(&Zeroizing::new(self.q.prime().reduce(whole)), y)
            })
    }
}

/// Equality in constant time.
fn same(a: &BoxedUint, b: &BoxedUint) -> bool {
    a.ct_eq(b).into()
}
