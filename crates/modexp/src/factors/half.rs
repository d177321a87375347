//! The constants of one prime of a factorisation, and what is done with them mod `p` and mod `p²`.

use crypto_bigint::{BoxedUint, ConcatenatingMul, CtSelect, Limb, NonZero, RandomMod};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::modulus::Modulus;
use crate::powers::{Power, Timing, power};
use crate::primes::nearly_safe;

/// An integer wiped when dropped.
pub(super) type Secret = Zeroizing<BoxedUint>;

/// Base and exponent of one half, both secret.
pub(super) struct Operands {
    base: Secret,
    exponent: Secret,
}

impl Operands {
    pub(super) fn new(base: BoxedUint, exponent: BoxedUint) -> Self {
        Self { base: Zeroizing::new(base), exponent: Zeroizing::new(exponent) }
    }

    pub(super) fn power<'a>(&'a self, modulus: &'a Modulus) -> Power<'a> {
        Power { base: &self.base, exponent: &self.exponent, modulus, timing: Timing::Secret }
    }
}

/// One prime `p` of `N = p·q`. Exponents stored here have the width of `p`.
pub(super) struct Half {
    prime: Modulus,
    /// `p²` with its root told: arithmetic modulo it is faster, and may err by multiples of `p` alone.
    square: Modulus,
    /// `p²` without: a fault in arithmetic modulo it shows mod `p`.
    plain_square: Modulus,
    /// `p − 1`.
    order: NonZero<BoxedUint>,
    /// `p(p − 1)`, the order of the units mod `p²`.
    square_order: NonZero<BoxedUint>,
    /// `q mod (p − 1)`, as which `N` acts on units mod `p`.
    cofactor: BoxedUint,
    /// Its inverse mod `p − 1`.
    cofactor_inverse: BoxedUint,
    /// `(−q)^(−1) mod p`, the inverse of `L((1+N)^(p−1) mod p²)`.
    logarithm_scale: BoxedUint,
}

impl Drop for Half {
    fn drop(&mut self) {
        self.order.zeroize();
        self.square_order.zeroize();
        self.cofactor.zeroize();
        self.cofactor_inverse.zeroize();
        self.logarithm_scale.zeroize();
    }
}

impl Half {
    /// None if `q` is not invertible mod `p` and mod `p − 1`.
    pub(super) fn new(prime: Modulus, q: &BoxedUint) -> Option<Self> {
        let square = prime.squared()?;
        let plain_square = Modulus::new_secret(square.value())?;
        let order = non_zero(prime.value().wrapping_sub(BoxedUint::one()));
        let square_order = non_zero(prime.value().concatenating_mul(order.as_ref()));
        let cofactor = q.rem(&order);
        let cofactor_inverse = Option::from(cofactor.invert_mod(&order))?;
        let q_mod_p = Zeroizing::new(prime.reduce(q));
        let logarithm_scale = prime.invert_secret(&Zeroizing::new(prime.neg(&q_mod_p)))?;
        Some(Self {
            prime,
            square,
            plain_square,
            order,
            square_order,
            cofactor,
            cofactor_inverse,
            logarithm_scale,
        })
    }

    /// `p`.
    pub(super) fn prime(&self) -> &Modulus {
        &self.prime
    }

    /// `p²`, for what never leaves.
    pub(super) fn square(&self) -> &Modulus {
        &self.square
    }

    /// `p²`, for what is compared mod `p`.
    pub(super) fn plain_square(&self) -> &Modulus {
        &self.plain_square
    }

    /// `p − 1`.
    pub(super) fn order(&self) -> &BoxedUint {
        self.order.as_ref()
    }

    pub(super) fn cofactor(&self) -> &BoxedUint {
        &self.cofactor
    }

    pub(super) fn cofactor_inverse(&self) -> &BoxedUint {
        &self.cofactor_inverse
    }

    /// A generator of the units, if `p` is a safe or nearly safe prime above 5: see `units.rs`.
    pub(super) fn generator(&self) -> Secret {
        let cofactor = NonZero::new(Limb::from(nearly_safe::cofactor(self.prime.value()))).into_option();
        let cofactor = cofactor.expect("invariant: not zero");
        let odd = Zeroizing::new(self.order().shr(1));
        let exponent = Zeroizing::new(odd.div_rem_limb(cofactor).0);
        let mut root = self.prime.one();
        loop {
            root = self.prime.add(&root, &self.prime.one());
            let square = Zeroizing::new(self.prime.square(&root));
            let operands = Operands::new(BoxedUint::clone(&square), BoxedUint::clone(&exponent));
            let raised = Zeroizing::new(power(operands.power(&self.prime)));
            // Of a safe prime the order of squares is prime, and this is their order.
            if cofactor.get() == Limb::ONE || *raised != self.prime.one() {
                return Zeroizing::new(self.prime.neg(&square));
            }
        }
    }

    /// Uniform below `p − 1`, by rejection: the number of draws is all that run time tells. Its mean over
    /// `2^k` calls tells some `k/2` leading bits of `p`, which help nobody: half of all would be needed (Coppersmith, 1996).
    pub(super) fn random_exponent(&self, rng: &mut (impl CryptoRng + ?Sized)) -> BoxedUint {
        BoxedUint::random_mod_vartime(rng, &self.order)
    }

    /// `e mod (p − 1)`, for units mod `p`.
    pub(super) fn reduce_exponent(&self, e: &BoxedUint) -> BoxedUint {
        remainder(e, &self.order)
    }

    /// `e mod p(p − 1)`, for units mod `p²`.
    pub(super) fn reduce_exponent_squared(&self, e: &BoxedUint) -> BoxedUint {
        remainder(e, &self.square_order)
    }

    /// From `x = c^(p−1) mod p²` the plaintext mod `p`: `L(x)·h`. None if `x ≢ 1 (mod p)`: then `c` was not a
    /// unit, or `x` is wrong.
    pub(super) fn logarithm(&self, x: &BoxedUint) -> Option<Secret> {
        // x is not 0, being a unit, so nothing wraps; were it 0, the remainder below would not vanish.
        let less_one = Zeroizing::new(x.wrapping_sub(BoxedUint::one()));
        let (quotient, remainder) = less_one.div_rem(self.prime.non_zero());
        let (quotient, remainder) = (Zeroizing::new(quotient), Zeroizing::new(remainder));
        if bool::from(remainder.is_nonzero()) {
            return None;
        }
        // (p² − 1)/p < p: the quotient fits.
        Some(Zeroizing::new(self.prime.mul(&quotient, &self.logarithm_scale)))
    }

    /// `b^(e mod 2)` mod `p`, without a branch on `e`.
    pub(super) fn odd_part(&self, base: &BoxedUint, exponent: &BoxedUint) -> Secret {
        let reduced = Zeroizing::new(self.prime.reduce(base));
        Zeroizing::new(BoxedUint::ct_select(&self.prime.one(), &reduced, exponent.bit(0)))
    }
}

/// `e mod order`. An exponent stored in fewer bits than the order has is one already, and stays as short as it is: powers
/// take as long as their exponents are stored.
fn remainder(e: &BoxedUint, order: &NonZero<BoxedUint>) -> BoxedUint {
    if e.bits_precision() < order.bits() { e.clone() } else { e.rem(order) }
}

fn non_zero(x: BoxedUint) -> NonZero<BoxedUint> {
    Option::from(NonZero::new(x)).expect("invariant: a prime is at least 3")
}
