//! ECDSA as verifiers see it (`docs/spec/primitives.md`, section 2.9): digests, signatures, low-s, recovery.

use consign_zk::curve::{Curve, Point, Scalar};
use crypto_bigint::BoxedUint;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use sha2::{Digest as _, Sha256};
use sha3::Keccak256;
use thiserror::Error;

/// Hash functions a message can be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HashAlgorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// Keccak-256, as Ethereum uses it.
    Keccak256,
}

/// A 32-byte digest to be signed. Never zero as a scalar: it is read for one curve, with [`Digest::read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Digest([u8; 32]);

/// A digest that this process computed from the message itself: the only kind a presignature signs.
///
/// A presignature's nonce point is known before the message. Whoever may choose a raw digest then, forges
/// (`docs/spec/signing.md`, 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedMessage(Digest);

/// A signature with low `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Signature<C: Curve> {
    /// `x(R) mod q`.
    pub r: Scalar<C>,
    /// The low one of `s` and `q - s`.
    pub s: Scalar<C>,
    /// Bit 0: y of `R` is odd; bit 1: `x(R) >= q`.
    pub recovery_id: u8,
}

/// A digest that cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the digest is zero modulo the group order; a signature of it would be forgeable")]
pub struct ZeroDigest;

impl Digest {
    /// Takes a digest somebody else computed. Refuses zero (attack A-56).
    pub fn raw<C: Curve>(bytes: [u8; 32]) -> Result<Self, ZeroDigest> {
        if Scalar::<C>::from_digest(&bytes).is_zero() { Err(ZeroDigest) } else { Ok(Self(bytes)) }
    }

    /// Reads a digest somebody else wrote, as [`raw`](Self::raw) takes it.
    pub fn read<'de, C: Curve, D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::raw::<C>(<[u8; 32]>::deserialize(input)?).map_err(D::Error::custom)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest as a scalar.
    pub fn scalar<C: Curve>(&self) -> Scalar<C> {
        Scalar::from_digest(&self.0)
    }
}

impl HashedMessage {
    /// Hashes `message`.
    pub fn new<C: Curve>(algorithm: HashAlgorithm, message: &[u8]) -> Result<Self, ZeroDigest> {
        let bytes = match algorithm {
            HashAlgorithm::Sha256 => Sha256::digest(message).into(),
            HashAlgorithm::Keccak256 => Keccak256::digest(message).into(),
        };
        Digest::raw::<C>(bytes).map(Self)
    }

    /// The digest.
    pub fn digest(&self) -> Digest {
        self.0
    }
}

impl<C: Curve> Signature<C> {
    /// Puts `(R, s)` into the form verifiers expect; `None` if `r` or `s` is zero.
    pub fn new(nonce_point: &Point<C>, s: Scalar<C>) -> Option<Self> {
        let (r, x_overflows, y_is_odd) = nonce_coordinates(nonce_point)?;
        if r.is_zero() || s.is_zero() {
            return None;
        }
        let high = is_high(&s);
        let s = if high { -s } else { s };
        Some(Self { r, s, recovery_id: u8::from(y_is_odd ^ high) | (u8::from(x_overflows) << 1) })
    }

    /// Verifies under a public key; refuses high `s`, a wrong recovery id and a digest that is zero on this curve too.
    pub fn verify(&self, public_key: &Point<C>, digest: &Digest) -> bool {
        let m = digest.scalar();
        let zero = m.is_zero() || self.r.is_zero() || self.s.is_zero();
        if zero || is_high(&self.s) || public_key.is_identity() {
            return false;
        }
        let Some(inverse) = self.s.invert() else { return false };
        let R = Point::sum_public(&[(Point::generator(), inverse * m), (*public_key, inverse * self.r)]);
        nonce_coordinates(&R).is_some_and(|(r, x_overflows, y_is_odd)| {
            r == self.r && self.recovery_id == u8::from(y_is_odd) | (u8::from(x_overflows) << 1)
        })
    }

    /// The public key that made this signature of `digest`, found from the recovery id: what Ethereum does instead of
    /// naming the signer. `None` if the recovery id is none, or there is no such key.
    pub fn recover(&self, digest: &Digest) -> Option<Point<C>> {
        let x = match self.recovery_id {
            0 | 1 => self.r.to_natural(),
            // The x-coordinate is `r + q`; whether that is below the field's order, the decoder decides.
            2 | 3 => self.r.to_natural().concatenating_add(C::order()),
            _ => return None,
        };
        let x = x.to_be_bytes();
        let (overflow, x) = x.split_at(x.len().checked_sub(C::SCALAR_BYTES)?);
        if overflow.iter().any(|byte| *byte != 0) {
            return None;
        }
        let tag = 2 | (self.recovery_id & 1);
        let R = Point::<C>::from_bytes(&[&[tag], x].concat())?;
        let inverse = self.r.invert()?;
        let generator = (Point::generator(), -(inverse * digest.scalar()));
        let key = Point::sum_public(&[(R, inverse * self.s), generator]);
        self.verify(&key, digest).then_some(key)
    }

    /// `r` and `s`, each as long as a scalar.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.r.to_bytes(), self.s.to_bytes()].concat()
    }
}

/// `x mod q`, whether `x >= q`, and whether y is odd; `None` for the point at infinity.
pub(crate) fn nonce_coordinates<C: Curve>(point: &Point<C>) -> Option<(Scalar<C>, bool, bool)> {
    let (x, y_is_odd) = point.affine()?;
    let x = BoxedUint::from_be_slice_vartime(&x);
    Some((Scalar::from_natural(&x), x.cmp_vartime(C::order()).is_ge(), y_is_odd))
}

/// Whether `s > q/2`. Public values only.
fn is_high<C: Curve>(s: &Scalar<C>) -> bool {
    s.to_integer().is_negative().to_bool()
}
