//! A secret factorisation `N = p·q` and what its owner computes faster with it: powers mod `N` and mod `N²`,
//! N-th powers, N-th roots, Paillier decryption, all through the two halves (CRT).
//!
//! **Equations**, for the half of `p` (that of `q` is alike):
//!
//! | result | half |
//! |---|---|
//! | `b^e mod N` | `b^(e mod (p−1)) mod p` |
//! | `b^e mod N²` | `b^(e mod p(p−1)) mod p²` |
//! | `r^N mod N²` | `((r mod p)^(q mod (p−1)))^p mod p²`: if `x ≡ y (mod p)` then `x^p ≡ y^p (mod p²)` |
//! | `y^(1/N) mod N` | `y^(1/q mod (p−1)) mod p`, since `N ≡ q (mod p−1)` |
//! | plaintext of `c` | `L(c^(p−1) mod p²)·h mod p`, `L(x) = (x−1)/p`, `h = (−q)^(−1) mod p` (Paillier 1999, section 7) |
//!
//! **Faults.** One wrong half in a published value reveals a factor by one gcd (Boneh, DeMillo, Lipton). So
//! every power and root is compared with halves computed another way before it leaves: see `check.rs`.
//! Plaintexts are not (they are not published as they are), but their exponentiations are.
//!
//! Everything here is constant time for the widths of its operands; lists and widths are public. Values kept
//! here and intermediate results are wiped; temporaries inside crypto-bigint's division are not.
//!
//! Read next: `half.rs` (constants of one prime), `check.rs` (the fault check), `units.rs` (random units with their N-th
//! powers).

mod check;
mod half;
#[cfg(test)]
mod tests;
mod units;

use std::sync::OnceLock;

use crypto_bigint::{BoxedUint, ConcatenatingMul};
use zeroize::{Zeroize, Zeroizing};

use crate::modulus::Modulus;
use crate::powers::{for_each, powers};
use half::{Half, Operands, Secret};
use units::Generator;
pub use units::RandomUnit;

/// The secret factorisation `N = p·q` of distinct odd primes with the constants of the CRT mod `N` and mod
/// `N²`. Wiped when dropped; no `Debug`.
///
/// That `p` and `q` are prime is the caller's word. Bases must be units.
pub struct Factors {
    p: Half,
    q: Half,
    phi: BoxedUint,
    modulus: Modulus,
    modulus_squared: Modulus,
    /// `q^(−1) mod p`.
    q_inverse: BoxedUint,
    /// `q^(−2) mod p²`.
    q_squared_inverse: BoxedUint,
    /// Made for the first random units.
    generators: OnceLock<[Generator; 2]>,
    /// How many of the next recombinations get a wrong half.
    #[cfg(test)]
    faults: std::sync::atomic::AtomicU32,
    /// Whether anything was computed in pairs.
    #[cfg(test)]
    pairs: std::sync::atomic::AtomicBool,
}

impl Drop for Factors {
    fn drop(&mut self) {
        self.phi.zeroize();
        self.q_inverse.zeroize();
        self.q_squared_inverse.zeroize();
    }
}

impl Factors {
    /// Precomputes for two primes. None unless both are odd, at least 3, distinct, and `gcd(N, φ(N)) = 1`.
    /// Takes a few milliseconds at 1536 bits per prime.
    #[must_use]
    pub fn new(p: &BoxedUint, q: &BoxedUint) -> Option<Self> {
        let (prime_p, prime_q) = (Modulus::new_secret(p)?, Modulus::new_secret(q)?);
        // Fails for p = q and for p | q − 1 (then q = 1 mod p has an inverse, but p has none mod q − 1).
        let q_inverse = Zeroizing::new(prime_p.invert_secret(&prime_p.reduce(q))?);
        let modulus = Modulus::new(&prime_p.value().concatenating_mul(prime_q.value()))?;
        let modulus_squared = modulus.squared()?;
        let p = Half::new(prime_p, prime_q.value())?;
        let q = Half::new(prime_q, p.prime().value())?;
        let q_squared = Zeroizing::new(p.square().reduce(q.square().value()));
        let q_squared_inverse = p.square().invert_secret(&q_squared)?;
        let phi = modulus.fit(&Zeroizing::new(p.order().concatenating_mul(q.order())));
        Some(Self {
            p,
            q,
            phi,
            modulus,
            modulus_squared,
            q_inverse: BoxedUint::clone(&q_inverse),
            q_squared_inverse,
            generators: OnceLock::new(),
            #[cfg(test)]
            faults: std::sync::atomic::AtomicU32::new(0),
            #[cfg(test)]
            pairs: std::sync::atomic::AtomicBool::new(false),
        })
    }

    /// The first prime.
    #[must_use]
    pub fn p(&self) -> &BoxedUint {
        self.p.prime().value()
    }

    /// The second prime.
    #[must_use]
    pub fn q(&self) -> &BoxedUint {
        self.q.prime().value()
    }

    /// `φ(N) = (p−1)(q−1)`, at the precision of `N`.
    #[must_use]
    pub fn phi(&self) -> &BoxedUint {
        &self.phi
    }

    /// `N = p·q`, public.
    #[must_use]
    pub fn modulus(&self) -> &Modulus {
        &self.modulus
    }

    /// `N²`, public.
    #[must_use]
    pub fn modulus_squared(&self) -> &Modulus {
        &self.modulus_squared
    }

    /// `p` as a secret modulus.
    #[must_use]
    pub fn p_modulus(&self) -> &Modulus {
        self.p.prime()
    }

    /// `q` as a secret modulus.
    #[must_use]
    pub fn q_modulus(&self) -> &Modulus {
        self.q.prime()
    }

    /// `b^e mod N` for each `(b, e)`: units `b < N`, secret exponents of any width. Checked against faults.
    #[must_use]
    pub fn powers(&self, list: &[(&BoxedUint, &BoxedUint)]) -> Vec<BoxedUint> {
        self.checked(|| self.powers_unpublished(list), |found| self.are_powers(list, found))
    }

    /// As [`Factors::powers`] without the check against faults, at half its cost: **only for values that are
    /// compared here and never leave**, as when the owner of `N` verifies a proof made for it, or that leave only after
    /// what they should satisfy has been verified, modulo `N` or by [`Factors::are_powers_of`] or [`Factors::are_nth_roots`].
    #[must_use]
    pub fn powers_unpublished(&self, list: &[(&BoxedUint, &BoxedUint)]) -> Vec<BoxedUint> {
        let halves = self.run(list, Half::prime, |half, _, (base, exponent)| {
            Operands::new(half.prime().reduce(base), half.reduce_exponent(exponent))
        });
        self.join(&halves, Self::combine)
    }

    /// `b^e mod N²` for each `(b, e)`: units `b < N²`, secret exponents of any width. Checked against faults.
    #[must_use]
    pub fn powers_squared(&self, list: &[(&BoxedUint, &BoxedUint)]) -> Vec<BoxedUint> {
        self.checked(|| self.powers_modulo(list, Half::plain_square), |found| self.are_powers(list, found))
    }

    /// As [`Factors::powers_squared`] without the check: see [`Factors::powers_unpublished`].
    #[must_use]
    pub fn powers_squared_unpublished(&self, list: &[(&BoxedUint, &BoxedUint)]) -> Vec<BoxedUint> {
        self.powers_modulo(list, Half::square)
    }

    /// `b^e mod N²` by this way to compute mod `p²`.
    fn powers_modulo(
        &self,
        list: &[(&BoxedUint, &BoxedUint)],
        square: fn(&Half) -> &Modulus,
    ) -> Vec<BoxedUint> {
        let halves = self.run(list, square, |half, _, (base, exponent)| {
            Operands::new(square(half).reduce(base), half.reduce_exponent_squared(exponent))
        });
        self.join(&halves, Self::combine_squared)
    }

    /// `r^N mod N²` for each unit `r < N`: the noise of an own encryption. Checked against faults. For random units
    /// [`Factors::random_units`] takes much less time.
    #[must_use]
    pub fn nth_powers(&self, list: &[&BoxedUint]) -> Vec<BoxedUint> {
        let compute = || self.nth_powers_modulo(list, Half::plain_square);
        self.checked(compute, |found| self.are_nth_powers(list, found))
    }

    /// As [`Factors::nth_powers`] without the check: see [`Factors::powers_unpublished`].
    #[must_use]
    pub fn nth_powers_unpublished(&self, list: &[&BoxedUint]) -> Vec<BoxedUint> {
        self.nth_powers_modulo(list, Half::square)
    }

    /// `r^N mod N²` by this way to compute mod `p²`.
    fn nth_powers_modulo(&self, list: &[&BoxedUint], square: fn(&Half) -> &Modulus) -> Vec<BoxedUint> {
        let inner = self.run(list, Half::prime, |half, _, r| {
            Operands::new(half.prime().reduce(r), half.cofactor().clone())
        });
        let outer = self.run(&inner, square, |half, side, inner| {
            Operands::new(BoxedUint::clone(side.of(inner)), half.prime().value().clone())
        });
        self.join(&outer, Self::combine_squared)
    }

    /// `y^(1/N) mod N` for each unit `y < N`: the nonce of an own ciphertext taken mod `N`. Checked against faults.
    #[must_use]
    pub fn nth_roots(&self, list: &[&BoxedUint]) -> Vec<BoxedUint> {
        self.checked(|| self.nth_roots_unpublished(list), |found| self.are_nth_roots(list, found))
    }

    /// As [`Factors::nth_roots`] without the check: see [`Factors::powers_unpublished`].
    #[must_use]
    pub fn nth_roots_unpublished(&self, list: &[&BoxedUint]) -> Vec<BoxedUint> {
        let halves = self.run(list, Half::prime, |half, _, y| {
            Operands::new(half.prime().reduce(y), half.cofactor_inverse().clone())
        });
        self.join(&halves, Self::combine)
    }

    /// The plaintexts, in `[0, N)`, of Paillier ciphertexts `c < N²` that are units.
    ///
    /// # Panics
    /// If some `c` is not a unit, or faults disturbed both tries: `c^(p−1) ≡ 1 (mod p)` does not hold.
    #[must_use]
    pub fn decrypt(&self, list: &[&BoxedUint]) -> Vec<BoxedUint> {
        let compute = || -> Option<Vec<[Secret; 2]>> {
            let lifted = self.run(list, Half::plain_square, |half, _, c| {
                Operands::new(half.plain_square().reduce(c), half.order().clone())
            });
            #[cfg(test)]
            let lifted = self.disturb(&lifted);
            lifted.iter().map(|[x, y]| Some([self.p.logarithm(x)?, self.q.logarithm(y)?])).collect()
        };
        let halves = compute().or_else(compute);
        self.join(&halves.expect("invariant: ciphertexts are units and c^(p-1) = 1 mod p"), Self::combine)
    }

    /// The number below `N` that is `mod_p` mod `p` and `mod_q` mod `q`. Constant time. **Not** checked.
    #[must_use]
    pub fn combine(&self, mod_p: &BoxedUint, mod_q: &BoxedUint) -> BoxedUint {
        garner(self.p.prime(), self.q.prime(), &self.q_inverse, &self.modulus, mod_p, mod_q)
    }

    /// The number below `N²` that is `mod_p` mod `p²` and `mod_q` mod `q²`. Constant time. **Not** checked.
    #[must_use]
    pub fn combine_squared(&self, mod_p: &BoxedUint, mod_q: &BoxedUint) -> BoxedUint {
        let (p, q) = (self.p.square(), self.q.square());
        garner(p, q, &self.q_squared_inverse, &self.modulus_squared, mod_p, mod_q)
    }

    /// Exponentiations of both halves for each entry, as one list for the engine.
    fn run<T: Sync>(
        &self,
        entries: &[T],
        modulus: fn(&Half) -> &Modulus,
        operands: impl Fn(&Half, Side, &T) -> Operands + Sync + Send,
    ) -> Vec<[Secret; 2]> {
        #[cfg(test)]
        self.note(modulus);
        let sides = self.sides();
        let operands =
            for_each(entries, |entry| sides.map(|(half, side)| (operands(half, side, entry), modulus(half))));
        let list: Vec<_> =
            operands.iter().flatten().map(|(operands, modulus)| operands.power(modulus)).collect();
        let mut results = powers(&list).into_iter().map(Zeroizing::new);
        let mut halves = Vec::with_capacity(entries.len());
        while let (Some(x), Some(y)) = (results.next(), results.next()) {
            halves.push([x, y]);
        }
        halves
    }

    /// Notes whether this way to compute goes in pairs.
    #[cfg(test)]
    fn note(&self, modulus: fn(&Half) -> &Modulus) {
        let pairs = self.sides().iter().any(|(half, _)| modulus(half).root().is_some());
        self.pairs.fetch_or(pairs, std::sync::atomic::Ordering::SeqCst);
    }

    /// Flips a bit of one half of the first entry as often as a test ordered: mod `q` the last time, mod `p` the time
    /// before, and so on.
    #[cfg(test)]
    fn disturb(&self, halves: &[[Secret; 2]]) -> Vec<[Secret; 2]> {
        use std::sync::atomic::Ordering::SeqCst;
        let mut halves = halves.to_vec();
        let ordered = self.faults.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        if let (Ok(left), Some([x, y])) = (ordered, halves.first_mut()) {
            let half = if left % 2 == 1 { y } else { x };
            half.as_mut_words()[0] ^= 2;
        }
        halves
    }

    /// Recombines each pair of halves.
    fn join(
        &self,
        halves: &[[Secret; 2]],
        combine: fn(&Self, &BoxedUint, &BoxedUint) -> BoxedUint,
    ) -> Vec<BoxedUint> {
        #[cfg(test)]
        let halves = &self.disturb(halves);
        for_each(halves, |[x, y]| combine(self, x, y))
    }
}

/// Which half of a pair.
#[derive(Clone, Copy)]
enum Side {
    P,
    Q,
}

impl Side {
    fn of(self, pair: &[Secret; 2]) -> &Secret {
        let [x, y] = pair;
        match self {
            Side::P => x,
            Side::Q => y,
        }
    }
}

/// Garner's recombination: `y + q·((x − y)·q^(−1) mod p)`, below `p·q` without a reduction.
fn garner(
    p: &Modulus,
    q: &Modulus,
    q_inverse: &BoxedUint,
    whole: &Modulus,
    x: &BoxedUint,
    y: &BoxedUint,
) -> BoxedUint {
    let y_mod_p = Zeroizing::new(p.reduce(y));
    let difference = Zeroizing::new(p.sub(x, &y_mod_p));
    let digit = Zeroizing::new(p.mul(&difference, q_inverse));
    let product = Zeroizing::new(q.value().concatenating_mul(&*digit));
    let sum = Zeroizing::new(product.wrapping_add(y));
    whole.fit(&sum)
}
