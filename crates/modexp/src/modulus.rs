//! An odd modulus with everything precomputed, and the cheap operations modulo it.
//!
//! Exponentiations are in `powers.rs`: they come in lists.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crypto_bigint::{BoxedUint, ConcatenatingSquare, NonZero, Odd, RandomMod, Resize};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::awslc::{Montgomery, Word};
use crate::jacobi;
use crate::lanes::alone::Precomputed;

/// The longest modulus accepted, in bits: what AWS-LC's Montgomery code allows.
pub const MAX_MODULUS_BITS: u32 = 65_536;

/// An odd modulus of at least 3 with its Montgomery constants. Cloning copies a pointer.
///
/// Operands must be below the modulus unless said otherwise; they may be stored in fewer or more limbs.
/// Results always have the modulus's own precision. `Debug` prints the bit length only.
#[derive(Clone)]
pub struct Modulus(Arc<Inner>);

struct Inner {
    value: Odd<BoxedUint>,
    bits: u32,
    secret: bool,
    /// The number whose square it is, if known: exponentiations in lanes are cheaper then.
    root: Option<Modulus>,
    /// Made when AWS-LC first needs it: candidates for primes are tested in lanes only.
    montgomery: OnceLock<Montgomery>,
    /// Made for the first exponentiation with its digits across the lanes.
    across: OnceLock<Precomputed>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.secret {
            self.value.zeroize();
        }
    }
}

impl Modulus {
    /// A public modulus. None if `value` is even, below 3, or longer than [`MAX_MODULUS_BITS`].
    #[must_use]
    pub fn new(value: &BoxedUint) -> Option<Self> {
        Self::precompute(value, false)
    }

    /// A secret modulus (a prime, its square): the precomputation is constant-time but for the bit length, and
    /// all copies kept here are wiped when the last clone is dropped. None as in [`Modulus::new`].
    #[must_use]
    pub fn new_secret(value: &BoxedUint) -> Option<Self> {
        Self::precompute(value, true)
    }

    /// The square of a modulus, as secret as that; exponentiations modulo it are cheaper in lanes than for a square whose
    /// root is not told. None if it is longer than [`MAX_MODULUS_BITS`].
    #[must_use]
    pub fn squared(&self) -> Option<Self> {
        let square = Zeroizing::new(self.value().concatenating_square());
        Self::with_root(&square, self.0.secret, Some(self))
    }

    /// The modulus whose [`Modulus::squared`] this is.
    pub(crate) fn root(&self) -> Option<&Modulus> {
        self.0.root.as_ref()
    }

    fn precompute(value: &BoxedUint, secret: bool) -> Option<Self> {
        Self::with_root(value, secret, None)
    }

    fn with_root(value: &BoxedUint, secret: bool, root: Option<&Self>) -> Option<Self> {
        let bits = value.bits();
        if !(2..=MAX_MODULUS_BITS).contains(&bits) {
            return None;
        }
        let value = Option::<Odd<BoxedUint>>::from(Odd::new(value.resize(bits)))?;
        Some(Self(Arc::new(Inner {
            value,
            bits,
            secret,
            root: root.cloned(),
            montgomery: OnceLock::new(),
            across: OnceLock::new(),
        })))
    }

    /// The modulus itself, stored in [`Modulus::limbs`] limbs.
    #[must_use]
    pub fn value(&self) -> &BoxedUint {
        self.0.value.as_ref()
    }

    /// Exact bit length.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.0.bits
    }

    /// Number of 64-bit limbs of the modulus and of every result.
    #[must_use]
    pub fn limbs(&self) -> usize {
        self.value().nlimbs()
    }

    /// Number of bytes of the modulus: `⌈bits/8⌉`, the length of fixed-length encodings.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        usize::try_from(self.bits().div_ceil(8)).expect("invariant: a usize holds 32 bits")
    }

    /// Whether `x` is below the modulus, for any width of `x`. Constant time for the widths.
    #[must_use]
    pub fn contains(&self, x: &BoxedUint) -> bool {
        // As both are stored: `x` may be secret, and copies of one width would stay.
        x < self.value()
    }

    /// `x` mod the modulus, for any `x`. Constant time for the widths.
    #[must_use]
    pub fn reduce(&self, x: &BoxedUint) -> BoxedUint {
        let (quotient, remainder) = x.div_rem(self.non_zero());
        drop(Zeroizing::new(quotient));
        remainder
    }

    /// `a·b`. Constant time.
    #[must_use]
    pub fn mul(&self, a: &BoxedUint, b: &BoxedUint) -> BoxedUint {
        debug_assert!(self.contains(a) && self.contains(b), "invariant: factors are reduced");
        let mut out = self.zero();
        self.montgomery().multiply(a.as_words(), b.as_words(), out.as_mut_words());
        out
    }

    /// `a²`. Constant time.
    #[must_use]
    pub fn square(&self, a: &BoxedUint) -> BoxedUint {
        self.mul(a, a)
    }

    /// `a + b`. Constant time.
    #[must_use]
    pub fn add(&self, a: &BoxedUint, b: &BoxedUint) -> BoxedUint {
        let mut sum = self.fit(a);
        sum.add_mod_assign(&Zeroizing::new(self.fit(b)), self.non_zero());
        sum
    }

    /// `a − b`. Constant time.
    #[must_use]
    pub fn sub(&self, a: &BoxedUint, b: &BoxedUint) -> BoxedUint {
        Zeroizing::new(self.fit(a)).sub_mod(&Zeroizing::new(self.fit(b)), self.non_zero())
    }

    /// `−a`. Constant time.
    #[must_use]
    pub fn neg(&self, a: &BoxedUint) -> BoxedUint {
        Zeroizing::new(self.fit(a)).neg_mod(self.non_zero())
    }

    /// The inverse of a public `a`; None if `gcd(a, n) ≠ 1`. Variable time.
    #[must_use]
    pub fn invert_public(&self, a: &BoxedUint) -> Option<BoxedUint> {
        let mut out = self.zero();
        self.montgomery().invert_public(a.as_words(), out.as_mut_words()).then_some(out)
    }

    /// The inverses of a public list, for the price of one and three products each; None unless all have one.
    #[must_use]
    pub fn invert_all_public(&self, list: &[&BoxedUint]) -> Option<Vec<BoxedUint>> {
        self.invert_all(list, Self::invert_public)
    }

    /// As [`Modulus::invert_all_public`] for a secret list, in constant time but for that outcome.
    #[must_use]
    pub fn invert_all_secret(&self, list: &[&BoxedUint]) -> Option<Vec<BoxedUint>> {
        self.invert_all(list, Self::invert_secret)
    }

    /// From the inverse of the product of all: what is left of it before the last is its inverse times the product of the
    /// others (Montgomery, 1987).
    fn invert_all(
        &self,
        list: &[&BoxedUint],
        invert: impl Fn(&Self, &BoxedUint) -> Option<BoxedUint>,
    ) -> Option<Vec<BoxedUint>> {
        let Some((first, rest)) = list.split_first() else { return Some(Vec::new()) };
        let mut products = Zeroizing::new(vec![self.fit(first)]);
        for a in rest {
            let product = products.last().map(|product| self.mul(product, a));
            products.extend(product);
        }
        let mut left = Zeroizing::new(invert(self, products.last()?)?);
        let mut inverses = Vec::with_capacity(list.len());
        for (a, before) in rest.iter().zip(products.iter()).rev() {
            inverses.push(self.mul(&left, before));
            left = Zeroizing::new(self.mul(&left, a));
        }
        inverses.push(BoxedUint::clone(&left));
        inverses.reverse();
        Some(inverses)
    }

    /// The inverse of a secret `a`; None if `gcd(a, n) ≠ 1`. Constant time but for that outcome.
    #[must_use]
    pub fn invert_secret(&self, a: &BoxedUint) -> Option<BoxedUint> {
        Zeroizing::new(self.fit(a)).invert_odd_mod(&self.0.value).into()
    }

    /// Whether a public `a`, of any size, satisfies `0 < a < n` and `gcd(a, n) = 1`. Variable time.
    #[must_use]
    pub fn is_unit(&self, a: &BoxedUint) -> bool {
        self.contains(a) && self.jacobi_public(a) != 0
    }

    /// Whether every number of a public list is a unit, for the price of one gcd and a product each.
    #[must_use]
    pub fn are_units(&self, list: &[&BoxedUint]) -> bool {
        list.iter().all(|a| self.contains(a))
            && self.jacobi_public(&list.iter().fold(self.one(), |product, a| self.mul(&product, a))) != 0
    }

    /// The Jacobi symbol `(a/n)` of a public `a` of any size: 1, −1, or 0 exactly if `gcd(a, n) ≠ 1`. Variable time.
    #[must_use]
    pub fn jacobi_public(&self, a: &BoxedUint) -> i8 {
        jacobi::symbol(a.as_words(), self.value().as_words())
    }

    /// Uniform in `[0, n)`, by rejection: the number of draws is all that run time tells.
    pub fn random_below(&self, rng: &mut impl CryptoRng) -> BoxedUint {
        BoxedUint::random_mod_vartime(rng, self.non_zero())
    }

    /// Uniform in `[1, n)`: a unit but for the negligible chance of meeting a factor of an honest modulus.
    /// No gcd is taken, a nonce is as secret as its plaintext.
    pub fn random_unit_candidate(&self, rng: &mut impl CryptoRng) -> BoxedUint {
        loop {
            let x = self.random_below(rng);
            if bool::from(x.is_nonzero()) {
                return x;
            }
        }
    }

    /// A copy of `x < n` at the modulus's precision. Constant time.
    ///
    /// # Panics
    /// If `x` does not fit.
    #[must_use]
    pub fn fit(&self, x: &BoxedUint) -> BoxedUint {
        let beyond = x.as_words().iter().skip(self.limbs()).fold(0, |any: Word, word| any | word);
        assert!(beyond == 0, "invariant: the operand fits the modulus");
        x.resize_unchecked(self.precision())
    }

    /// Zero at the modulus's precision.
    pub(crate) fn zero(&self) -> BoxedUint {
        BoxedUint::zero_with_precision(self.precision())
    }

    /// One at the modulus's precision.
    pub(crate) fn one(&self) -> BoxedUint {
        BoxedUint::one_with_precision(self.precision())
    }

    pub(crate) fn precision(&self) -> u32 {
        self.value().bits_precision()
    }

    pub(crate) fn non_zero(&self) -> &NonZero<BoxedUint> {
        self.0.value.as_nz_ref()
    }

    pub(crate) fn across(&self) -> &Precomputed {
        self.0.across.get_or_init(|| Precomputed::new(self))
    }

    pub(crate) fn montgomery(&self) -> &Montgomery {
        let Inner { value, secret, montgomery, .. } = &*self.0;
        montgomery.get_or_init(|| Montgomery::new(value.as_ref().as_words(), *secret))
    }
}

impl fmt::Debug for Modulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Modulus({} bits)", self.bits())
    }
}
