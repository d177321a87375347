//! Ring-Pedersen commitments `s^x t^y mod N^` (`docs/spec/primitives.md`, section 2.2).
//!
//! The *verifier* of a range proof owns the parameters. Before anything is computed under somebody's parameters, the
//! proof that `s` is a power of `t` must have been verified ([`crate::prm`]): else `s^x t^y` can leak `x`.

use std::sync::{Arc, OnceLock};

use consign_modexp::{BoxedUint, FixedBase, Modulus};
use crypto_bigint::Resize;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::integer::{Integer, uniform_at_most};
use crate::level::Level;
use crate::natural::Natural;
use crate::powers::{Powers, Results, Slot};
use crate::rejection::{Rejection, require};

#[cfg(test)]
mod tests;

/// Parameters as they travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// `N^`, a product of two safe primes that only the owner knows.
    pub modulus: Natural,
    /// A power of `t`.
    pub s: Natural,
    /// A square.
    pub t: Natural,
}

/// Parameters whose domain has been checked, ready for use. Cheap to clone; clones share their tables.
#[derive(Clone)]
pub struct RingPedersen {
    modulus: Modulus,
    s: BoxedUint,
    t: BoxedUint,
    s_inverse: BoxedUint,
    t_inverse: BoxedUint,
    fixed: Arc<OnceLock<Fixed>>,
    level: Level,
}

/// `s` and `t` with tables for the exponents of range proofs.
struct Fixed {
    s: FixedBase,
    t: FixedBase,
}

impl RingPedersen {
    /// Checks the domain rules of `params.md` 1.7: exact size, odd, `s` and `t` distinct units in `[2, N^-2]` with
    /// Jacobi symbol +1.
    pub fn new(parameters: &Parameters, level: Level) -> Result<Self, Rejection> {
        let n = parameters.modulus.value();
        let bits = n.bits_vartime();
        require(bits == level.parameters().modulus_bits, Rejection::Domain("N^"))?;
        let modulus = Modulus::new(&n.resize_unchecked(bits)).ok_or(Rejection::Domain("N^"))?;
        let (s, s_inverse) = Self::base(&parameters.s, &modulus, "s")?;
        let (t, t_inverse) = Self::base(&parameters.t, &modulus, "t")?;
        require(s != t, Rejection::Domain("s"))?;
        Ok(Self { modulus, s, t, s_inverse, t_inverse, fixed: Arc::default(), level })
    }

    /// Makes tables for `s` and `t` of all these parameters that have none yet: worth it for parameters under which more
    /// than a few commitments will be computed or checked. They take 1.6 MiB for parameters of 3072 bits.
    pub fn prepare<'a>(list: impl IntoIterator<Item = &'a Self>) {
        let lacking: Vec<_> = list.into_iter().filter(|rp| rp.fixed.get().is_none()).collect();
        let Some(bits) = lacking.iter().map(|rp| exponent_bits(rp.level)).max() else { return };
        let bases: Vec<_> = lacking
            .iter()
            .flat_map(|rp| [(&rp.modulus, &rp.s, &rp.s_inverse), (&rp.modulus, &rp.t, &rp.t_inverse)])
            .collect();
        let mut made = FixedBase::prepare(&bases, bits).into_iter();
        for rp in lacking {
            if let (Some(s), Some(t)) = (made.next(), made.next()) {
                // Somebody else may have been faster: the tables are the same.
                let _ = rp.fixed.set(Fixed { s, t });
            }
        }
    }

    /// Whether these parameters are what [`RingPedersen::new`] makes of those at that level.
    pub fn is(&self, parameters: &Parameters, level: Level) -> bool {
        self.level == level && self.parameters() == *parameters
    }

    /// `N^`.
    pub fn modulus(&self) -> &Modulus {
        &self.modulus
    }

    /// `s`.
    pub fn s(&self) -> &BoxedUint {
        &self.s
    }

    /// `t`.
    pub fn t(&self) -> &BoxedUint {
        &self.t
    }

    /// The wire form.
    pub fn parameters(&self) -> Parameters {
        Parameters {
            modulus: Natural::new(self.modulus.value()),
            s: Natural::new(&self.s),
            t: Natural::new(&self.t),
        }
    }

    /// Queues `s^x t^y` for secret `x` and `y`; [`RingPedersen::finish`] multiplies the two halves.
    pub fn queue<'a>(&'a self, powers: &mut Powers<'a>, x: &Integer, y: &Integer) -> Commitment {
        if let Some(Fixed { s, t }) = self.fixed.get() {
            return Commitment::Whole(powers.push_fixed_secret(&[(s, x), (t, y)]));
        }
        Commitment::Halves {
            s: powers.push_secret_with_inverse(&self.modulus, &self.s, &self.s_inverse, x),
            t: powers.push_secret_with_inverse(&self.modulus, &self.t, &self.t_inverse, y),
        }
    }

    /// Queues `s^x t^y` for public `x` and `y`, if there are tables.
    pub(crate) fn queue_public<'a>(
        &'a self,
        powers: &mut Powers<'a>,
        x: &Integer,
        y: &Integer,
    ) -> Option<Slot> {
        let Fixed { s, t } = self.fixed.get().filter(|_| powers.takes_tables())?;
        Some(powers.push_fixed_public(&[(s, x), (t, y)]))
    }

    /// Queues `t^y` for a public `y`, if there is a table.
    pub(crate) fn queue_public_t<'a>(&'a self, powers: &mut Powers<'a>, y: &Integer) -> Option<Slot> {
        let Fixed { t, .. } = self.fixed.get().filter(|_| powers.takes_tables())?;
        Some(powers.push_fixed_public(&[(t, y)]))
    }

    /// The commitment, once the list has run.
    pub fn finish(&self, results: &Results, commitment: Commitment) -> Natural {
        match commitment {
            Commitment::Halves { s, t } => Natural::new(&self.modulus.mul(&results[s], &results[t])),
            Commitment::Whole(slot) => Natural::new(&results[slot]),
        }
    }

    fn base(
        value: &Natural,
        modulus: &Modulus,
        name: &'static str,
    ) -> Result<(BoxedUint, BoxedUint), Rejection> {
        let unit = value.unit(modulus).ok_or(Rejection::Domain(name))?;
        let largest = modulus.value().wrapping_sub(BoxedUint::from(2_u8));
        let inside = unit.cmp_vartime(BoxedUint::from(2_u8)).is_ge() && unit.cmp_vartime(&largest).is_le();
        require(inside && modulus.jacobi_public(&unit) == 1, Rejection::Domain(name))?;
        let inverse = modulus.invert_public(&unit).ok_or(Rejection::Domain(name))?;
        Ok((unit, inverse))
    }
}

/// A queued commitment.
#[derive(Clone, Copy)]
pub enum Commitment {
    /// Two powers to be multiplied.
    Halves {
        /// Power of `s`.
        s: Slot,
        /// Power of `t`.
        t: Slot,
    },
    /// A product from tables.
    Whole(Slot),
}

/// Bits of the longest exponents of commitments in presigning: responses `z` in `I(l+eps+1; N^)`.
fn exponent_bits(level: Level) -> u32 {
    let p = level.parameters();
    p.ell + p.epsilon + 1 + p.modulus_bits
}

/// Draws `t = r^2`, `lambda` uniform in `[0, phi/4)` and `s = t^lambda` for the owner of the factors of `N^`.
pub fn generate(
    factors: &consign_modexp::Factors,
    rng: &mut (impl CryptoRng + ?Sized),
) -> (Parameters, crate::secret::Secret<BoxedUint>) {
    let modulus = factors.modulus();
    let largest = modulus.value().wrapping_sub(BoxedUint::one());
    // The test for a unit runs in variable time: that tells nothing of use, roots of `t` matter only in pairs.
    let r = loop {
        let drawn = Zeroizing::new(uniform_at_most(&largest, rng));
        if modulus.is_unit(&drawn) {
            break drawn;
        }
    };
    let t = modulus.mul(&r, &r);
    // DEVIATION 13: below the order of the squares, not below phi.
    let order = Zeroizing::new(factors.phi().shr(2));
    let largest = Zeroizing::new(order.wrapping_sub(BoxedUint::one()));
    let lambda = crate::secret::Secret::new(uniform_at_most(&largest, rng));
    let s = factors.powers(&[(&t, lambda.expose())]).pop().expect("invariant: one result per power");
    let parameters =
        Parameters { modulus: Natural::new(modulus.value()), s: Natural::new(&s), t: Natural::new(&t) };
    (parameters, lambda)
}
