//! ElGamal commitments (`docs/spec/primitives.md`, section 2.3): perfectly binding, hiding under DDH.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::curve::{Curve, Point, Scalar};

/// A commitment `([a]G, [a]Y + [v]G)` to `v` with randomness `a` under the key `Y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Commitment<C: Curve> {
    /// `[a]G`.
    pub randomness: Point<C>,
    /// `[a]Y + [v]G`.
    pub value: Point<C>,
}

/// A key whose discrete logarithm is forgotten at once: nobody needs it.
pub fn random_key<C: Curve>(rng: &mut (impl CryptoRng + ?Sized)) -> Point<C> {
    Point::mul_generator(&Scalar::random_nonzero(rng))
}

/// Commits to `value` with `randomness` under `key`.
pub fn commit<C: Curve>(key: &Point<C>, value: &Scalar<C>, randomness: &Scalar<C>) -> Commitment<C> {
    Commitment {
        randomness: Point::mul_generator(randomness),
        value: *key * *randomness + Point::mul_generator(value),
    }
}
