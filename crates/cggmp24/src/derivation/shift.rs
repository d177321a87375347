//! What a path adds to a key, its shares and its public shares.

use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::transcript::Transcript;
use serde::{Deserialize, Serialize};

use super::{DerivationError, ExtendedKey, Path};
use crate::key::KeyInfo;

/// A path and what it adds to the secret key: `h`, the sum over its steps. Public, like the chain code it comes from:
/// public among those who know the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Shift<C: Curve> {
    path: Path,
    h: Option<Scalar<C>>,
}

impl<C: Curve> Shift<C> {
    /// That of the key itself: nothing.
    pub const fn none() -> Self {
        Self { path: Path::root(), h: None }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The public share, or public key, of the child: `X + [h]G`.
    pub fn of_public(&self, X: &Point<C>) -> Point<C> {
        self.h.map_or(*X, |h| *X + Point::mul_generator(&h))
    }

    /// The share of the child: `x_i + h`. All shares get the same, and Lagrange coefficients sum to one, so the key gets
    /// it once.
    pub(crate) fn of_secret(&self, x: &Scalar<C>) -> Scalar<C> {
        self.h.map_or(*x, |h| *x + h)
    }

    /// Absorbs path and `h`, for session identifiers and presignatures.
    pub(crate) fn absorb(&self, transcript: &mut Transcript) {
        self.path.absorb(transcript);
        transcript.optional("shift", self.h.map(|h| h.to_bytes()).as_deref());
    }
}

impl<C: Curve> KeyInfo<C> {
    /// What children are derived from; `None` without a chain code.
    pub fn extended(&self) -> Option<ExtendedKey<C>> {
        Some(ExtendedKey::root(self.public_key, self.chain_code?))
    }

    /// What `path` adds to this key. The same in every epoch, as public key and chain code are.
    pub fn shift(&self, path: &Path) -> Result<Shift<C>, DerivationError> {
        if path.is_root() {
            return Ok(Shift::none());
        }
        let (h, _) = self.extended().ok_or(DerivationError::NoChainCode)?.walk(path)?;
        Ok(Shift { path: path.clone(), h: Some(h) })
    }

    /// The public key of the child at `path`.
    pub fn derived(&self, path: &Path) -> Result<Point<C>, DerivationError> {
        Ok(self.shift(path)?.of_public(&self.public_key))
    }
}
