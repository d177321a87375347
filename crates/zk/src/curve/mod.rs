//! Elliptic-curve groups of prime order behind one trait, with [`Scalar`] and [`Point`] generic over it.
//!
//! A new curve is one type implementing [`Curve`]. Points in messages are never the identity: it has no accepted
//! encoding.

use core::fmt::{self, Debug};
use core::iter::Sum;
use core::ops::{Add, Mul, Neg, Sub};
use std::borrow::Cow;

use consign_modexp::BoxedUint;
use crypto_bigint::{CtGt, CtNeg, CtSelect, NonZero, Resize};
use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{DefaultIsZeroes, Zeroize};

use crate::integer::Integer;
use crate::wire;

mod real;
#[cfg(test)]
mod tests;
#[cfg(all(feature = "test-levels", debug_assertions))]
mod toy;

pub use real::{P256, Secp256k1};
#[cfg(all(feature = "test-levels", debug_assertions))]
pub use toy::Toy;

/// Most bytes that a scalar takes on any curve here.
const MAX_SCALAR_BYTES: usize = 32;

/// Bytes that are read at once where a longer number is reduced: half of a scalar of the real curves.
const PART_BYTES: usize = 16;

/// Most bytes that a compressed point takes on any curve here.
const MAX_POINT_BYTES: usize = 33;

/// A group of prime order `q` with generator `G`, in which discrete logarithms are hard (but for the toy curve).
///
/// Operations on scalars and `mul*` run in constant time; encodings are public.
pub trait Curve: Copy + Clone + Debug + Default + PartialEq + Eq + Send + Sync + 'static {
    /// Name hashed into transcripts and session identifiers.
    const NAME: &'static str;
    /// Bytes of a scalar and of a coordinate.
    const SCALAR_BYTES: usize;
    /// Bytes of a compressed SEC1 point.
    const POINT_BYTES: usize;
    /// Field element modulo `q`.
    type Scalar: Copy
        + Default
        + Send
        + Sync
        + DefaultIsZeroes
        + ConstantTimeEq
        + Add<Output = Self::Scalar>
        + Sub<Output = Self::Scalar>
        + Mul<Output = Self::Scalar>
        + Neg<Output = Self::Scalar>;
    /// Group element.
    type Point: Copy
        + Default
        + Send
        + Sync
        + PartialEq
        + DefaultIsZeroes
        + Add<Output = Self::Point>
        + Sub<Output = Self::Point>
        + Neg<Output = Self::Point>;

    /// `q`, at a precision of whole limbs.
    fn order() -> BoxedUint;
    /// `G`.
    fn generator() -> Self::Point;
    /// [`Curve::encode_point`] of `G`, computed once.
    fn encoded_generator() -> &'static [u8];
    /// `[k]P` in constant time.
    fn mul(point: &Self::Point, k: &Self::Scalar) -> Self::Point;
    /// `[k]G` in constant time.
    fn mul_generator(k: &Self::Scalar) -> Self::Point;
    /// The sum of all `[k]P`. Time depends on points and scalars: public ones only.
    fn sum_public(terms: &[(Self::Point, Self::Scalar)]) -> Self::Point {
        terms.iter().fold(Self::Point::default(), |sum, (point, k)| sum + Self::mul(point, k))
    }
    /// `k^-1`, `None` for zero.
    fn invert(k: &Self::Scalar) -> Option<Self::Scalar>;
    /// Big-endian bytes below `q`, exactly [`Curve::SCALAR_BYTES`] long.
    fn decode_scalar(bytes: &[u8]) -> Option<Self::Scalar>;
    /// Big-endian bytes.
    fn encode_scalar(k: &Self::Scalar) -> Vec<u8>;
    /// Compressed SEC1, on the curve, not the identity.
    fn decode_point(bytes: &[u8]) -> Option<Self::Point>;
    /// Compressed SEC1; zero bytes for the identity, which no decoder accepts.
    fn encode_point(point: &Self::Point) -> Vec<u8>;
    /// As [`Curve::encode_point`] for each.
    fn encode_points(points: &[Self::Point]) -> Vec<Vec<u8>> {
        points.iter().map(Self::encode_point).collect()
    }
    /// Big-endian affine x and y, each [`Curve::SCALAR_BYTES`] long; `None` for the identity.
    fn coordinates(point: &Self::Point) -> Option<(Vec<u8>, Vec<u8>)>;
}

/// A residue modulo the group order. `Copy`, so wrap long-lived secrets in [`crate::secret::Secret`].
#[derive(Clone, Copy, Default)]
pub struct Scalar<C: Curve>(C::Scalar);

/// A group element. Decoded ones are never the identity; computed ones may be.
///
/// Writing one takes an inversion, a tenth of a multiplication, and most points are hashed and sent several times. So
/// a point that was read keeps its bytes, and others can be given theirs: [`Point::keep_encodings`].
#[derive(Clone, Copy, Default)]
pub struct Point<C: Curve> {
    value: C::Point,
    /// What [`Curve::encode_point`] says of it, from the left, if it was computed before.
    encoding: Option<[u8; MAX_POINT_BYTES]>,
}

impl<C: Curve> DefaultIsZeroes for Scalar<C> {}

impl<C: Curve> Scalar<C> {
    /// 0.
    pub fn zero() -> Self {
        Self::default()
    }

    /// 1.
    pub fn one() -> Self {
        Self::from_u64(1)
    }

    /// A small number modulo `q`.
    pub fn from_u64(value: u64) -> Self {
        Self::from_part(&value.to_be_bytes()).unwrap_or_else(|| Self::from_natural(&BoxedUint::from(value)))
    }

    /// Big-endian bytes modulo `q`, in time that depends on their number only.
    pub fn from_wide(bytes: &[u8]) -> Self {
        let (mut base, zero) = (Self::from_u64(1 << 32), Self::zero());
        base = base * base;
        base = base * base;
        let parts = bytes.rchunks(PART_BYTES).rev();
        let sum = parts.map(Self::from_part).try_fold(zero, |sum, part| Some(sum * base + part?));
        sum.unwrap_or_else(|| Self::from_natural(&BoxedUint::from_be_slice_vartime(bytes)))
    }

    /// At most [`PART_BYTES`] big-endian bytes, which are below `q`; `None` on the toy curve, whose `q` is short.
    fn from_part(bytes: &[u8]) -> Option<Self> {
        let start = MAX_SCALAR_BYTES.checked_sub(C::SCALAR_BYTES)?;
        let mut padded = [0; MAX_SCALAR_BYTES];
        padded.get_mut(MAX_SCALAR_BYTES.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
        let scalar = padded.get(start..).filter(|_| C::SCALAR_BYTES > PART_BYTES).and_then(C::decode_scalar);
        padded.zeroize();
        scalar.map(Self)
    }

    /// `value mod q`, in time that depends on the width of `value` only.
    pub fn from_natural(value: &BoxedUint) -> Self {
        let order = C::order();
        let bits = order.bits_precision();
        let order = NonZero::new(order).into_option().expect("invariant: the order is not zero");
        let mut residue = value.rem(&order).resize_unchecked(bits);
        let mut bytes = residue.to_be_bytes();
        let start = bytes.len() - C::SCALAR_BYTES;
        let scalar =
            bytes.get(start..).and_then(C::decode_scalar).expect("invariant: reduced modulo the order");
        residue.zeroize();
        bytes.zeroize();
        Self(scalar)
    }

    /// `value mod q` for a signed integer (`params.md` 1.1).
    pub fn from_integer(value: &Integer) -> Self {
        let magnitude = Self::from_natural(value.magnitude());
        let (mut kept, mut negated) = (magnitude.to_natural(), (-magnitude).to_natural());
        let selected = Self::from_natural(&kept.ct_select(&negated, value.is_negative()));
        kept.zeroize();
        negated.zeroize();
        selected
    }

    /// The representative in `[0, q)`.
    pub fn to_natural(&self) -> BoxedUint {
        let mut bytes = C::encode_scalar(&self.0);
        let order_bits = C::order().bits_precision();
        let value =
            BoxedUint::from_be_slice(&bytes, order_bits).expect("invariant: scalars fit the order's width");
        bytes.zeroize();
        value
    }

    /// `sym`: the representative in `[-(q-1)/2, (q-1)/2]`, in constant time.
    pub fn to_integer(&self) -> Integer {
        let order = C::order();
        let half = order.shr(1);
        let mut value = self.to_natural();
        let negative = value.ct_gt(&half);
        let mut shifted = value.wrapping_sub(&order);
        let magnitude = value.ct_select(&shifted.ct_neg(negative), negative);
        value.zeroize();
        shifted.zeroize();
        Integer::new(magnitude, negative)
    }

    /// Uniform in `[0, q)`.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = vec![0; C::SCALAR_BYTES];
        loop {
            rng.fill_bytes(&mut bytes);
            if let Some(scalar) = C::decode_scalar(&bytes) {
                bytes.zeroize();
                return Self(scalar);
            }
        }
    }

    /// Uniform in `[1, q)`.
    pub fn random_nonzero(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        loop {
            let scalar = Self::random(rng);
            if !scalar.is_zero() {
                return scalar;
            }
        }
    }

    /// Whether this is 0.
    pub fn is_zero(&self) -> bool {
        self.ct_eq(&Self::zero()).into()
    }

    /// `self^-1`, `None` for zero.
    pub fn invert(&self) -> Option<Self> {
        C::invert(&self.0).map(Self)
    }

    /// Fixed-length big-endian bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        C::encode_scalar(&self.0)
    }

    /// Canonical bytes only: exact length, below `q`.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        C::decode_scalar(bytes).map(Self)
    }

    /// A message digest as a scalar: its leftmost `bits(q)` bits, reduced (SEC1 4.1.3).
    pub fn from_digest(digest: &[u8]) -> Self {
        let taken = digest.get(..C::SCALAR_BYTES).unwrap_or(digest);
        Self::from_natural(&BoxedUint::from_be_slice_vartime(taken))
    }
}

impl<C: Curve> Point<C> {
    fn new(value: C::Point) -> Self {
        Self { value, encoding: None }
    }

    /// The identity `O`.
    pub fn identity() -> Self {
        Self::default()
    }

    /// `G`.
    pub fn generator() -> Self {
        Self { value: C::generator(), encoding: kept(C::encoded_generator()) }
    }

    /// `[k]G` in constant time.
    pub fn mul_generator(k: &Scalar<C>) -> Self {
        Self::new(C::mul_generator(&k.0))
    }

    /// The sum of all `[k]P`, much faster than one by one. Time depends on points and scalars: **public ones only**.
    pub fn sum_public(terms: &[(Self, Scalar<C>)]) -> Self {
        let terms: Vec<_> = terms.iter().map(|(point, k)| (point.value, k.0)).collect();
        Self::new(C::sum_public(&terms))
    }

    /// The sum of all `[k]P` for short `k`: a doubling for each bit of the longest. **Public ones only.**
    pub fn sum_short(terms: &[(Self, i64)]) -> Self {
        let bits = u64::BITS - terms.iter().fold(0, |all, (_, k)| all | k.unsigned_abs()).leading_zeros();
        (0..bits).rev().fold(Self::identity(), |sum, bit| {
            let chosen = terms.iter().filter(|(_, k)| k.unsigned_abs() >> bit & 1 == 1);
            chosen.fold(sum + sum, |sum, (point, k)| if *k < 0 { sum - *point } else { sum + *point })
        })
    }

    /// Whether this is the identity.
    pub fn is_identity(&self) -> bool {
        *self == Self::identity()
    }

    /// Compressed SEC1 bytes; zero bytes for the identity.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.written().into_owned()
    }

    /// The same, without a copy if it is kept.
    pub(crate) fn written(&self) -> Cow<'_, [u8]> {
        match self.encoding.as_ref().and_then(|kept| kept.get(..C::POINT_BYTES)) {
            Some(bytes) => Cow::Borrowed(bytes),
            None => Cow::Owned(C::encode_point(&self.value)),
        }
    }

    // DEVIATION 15: the identity has no encoding.
    /// Compressed SEC1, on the curve, not the identity.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        // A point has one spelling that is read, so these bytes are what would be written.
        C::decode_point(bytes).map(|value| Self { value, encoding: kept(bytes) })
    }

    /// Lets all points keep their encodings, with one inversion for all. Copies stay in memory: **public points only**.
    pub fn keep_encodings<'a>(points: impl IntoIterator<Item = &'a mut Self>) {
        let points: Vec<_> = points.into_iter().collect();
        let values: Vec<_> = points.iter().map(|point| point.value).collect();
        for (point, bytes) in points.into_iter().zip(C::encode_points(&values)) {
            point.encoding = kept(&bytes);
        }
    }

    /// The same point, which keeps its encoding. It may be secret.
    pub fn keeping_encoding(self) -> Self {
        let mut bytes = C::encode_point(&self.value);
        let encoding = kept(&bytes);
        bytes.zeroize();
        Self { encoding, ..self }
    }

    /// Big-endian affine x and whether y is odd; `None` for the identity.
    pub fn affine(&self) -> Option<(Vec<u8>, bool)> {
        let bytes = self.written();
        let (tag, x) = bytes.split_first()?;
        (*tag != 0).then(|| (x.to_vec(), tag & 1 == 1))
    }

    /// Big-endian affine x and y, as long as a scalar each; `None` for the identity.
    pub fn coordinates(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        C::coordinates(&self.value)
    }
}

/// An encoding as a point keeps it; `None` if it is too long.
fn kept(bytes: &[u8]) -> Option<[u8; MAX_POINT_BYTES]> {
    let mut kept = [0; MAX_POINT_BYTES];
    kept.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(kept)
}

impl<C: Curve> Add for Scalar<C> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl<C: Curve> Sub for Scalar<C> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl<C: Curve> Mul for Scalar<C> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }
}

impl<C: Curve> Neg for Scalar<C> {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl<C: Curve> Sum for Scalar<C> {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::zero(), |sum, k| sum + k)
    }
}

impl<C: Curve> ConstantTimeEq for Scalar<C> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl<C: Curve> PartialEq for Scalar<C> {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl<C: Curve> Eq for Scalar<C> {}

impl<C: Curve> Debug for Scalar<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalar(..)")
    }
}

impl<C: Curve> Add for Point<C> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.value + other.value)
    }
}

impl<C: Curve> Sub for Point<C> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(self.value - other.value)
    }
}

impl<C: Curve> Neg for Point<C> {
    type Output = Self;
    fn neg(self) -> Self {
        Self::new(-self.value)
    }
}

impl<C: Curve> Mul<Scalar<C>> for Point<C> {
    type Output = Self;
    fn mul(self, k: Scalar<C>) -> Self {
        Self::new(C::mul(&self.value, &k.0))
    }
}

impl<C: Curve> Sum for Point<C> {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::identity(), |sum, p| sum + p)
    }
}

impl<C: Curve> PartialEq for Point<C> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<C: Curve> Eq for Point<C> {}

impl<C: Curve> Zeroize for Point<C> {
    fn zeroize(&mut self) {
        self.value.zeroize();
        self.encoding.zeroize();
    }
}

impl<C: Curve> Debug for Point<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Point({})", hex::encode(self.written()))
    }
}

impl<C: Curve> Serialize for Scalar<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::serialize(&self.to_bytes(), serializer)
    }
}

impl<'de, C: Curve> Deserialize<'de> for Scalar<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = wire::deserialize(deserializer, C::SCALAR_BYTES)?;
        Self::from_bytes(&bytes).ok_or_else(|| serde::de::Error::custom("scalar is not canonical"))
    }
}

impl<C: Curve> Serialize for Point<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::serialize(&self.written(), serializer)
    }
}

impl<'de, C: Curve> Deserialize<'de> for Point<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = wire::deserialize(deserializer, C::POINT_BYTES)?;
        Self::from_bytes(&bytes)
            .ok_or_else(|| serde::de::Error::custom("not a point of the curve in compressed form"))
    }
}
