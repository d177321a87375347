//! secp256k1 (SEC2), by the `k256` crate.

use consign_modexp::BoxedUint;
use k256::elliptic_curve::ff::PrimeField;
use k256::elliptic_curve::group::Group;
use k256::elliptic_curve::point::AffineCoordinates;
use k256::elliptic_curve::sec1::{FromSec1Point, ToSec1Point};
use k256::{AffinePoint, FieldBytes, ProjectivePoint, Sec1Point};

use super::Curve;

/// secp256k1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Secp256k1;

/// `q` of secp256k1 (SEC2 2.4.1).
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

impl Curve for Secp256k1 {
    const NAME: &'static str = "secp256k1";
    const SCALAR_BYTES: usize = 32;
    const POINT_BYTES: usize = 33;
    type Scalar = k256::Scalar;
    type Point = ProjectivePoint;

    fn order() -> BoxedUint {
        BoxedUint::from_be_hex(ORDER, 256).into_option().expect("invariant: the constant is 64 hex digits")
    }

    fn generator() -> ProjectivePoint {
        ProjectivePoint::GENERATOR
    }

    fn mul(point: &ProjectivePoint, k: &k256::Scalar) -> ProjectivePoint {
        point * k
    }

    fn mul_generator(k: &k256::Scalar) -> ProjectivePoint {
        ProjectivePoint::mul_by_generator(k)
    }

    fn invert(k: &k256::Scalar) -> Option<k256::Scalar> {
        k.invert().into_option()
    }

    fn decode_scalar(bytes: &[u8]) -> Option<k256::Scalar> {
        let bytes = FieldBytes::try_from(bytes).ok()?;
        k256::Scalar::from_repr(bytes).into_option()
    }

    fn encode_scalar(k: &k256::Scalar) -> Vec<u8> {
        k.to_bytes().to_vec()
    }

    fn decode_point(bytes: &[u8]) -> Option<ProjectivePoint> {
        // The decoder below also knows a compact form (tag 5) of the same length: a second spelling.
        if bytes.len() != Self::POINT_BYTES || !matches!(bytes.first(), Some(2 | 3)) {
            return None;
        }
        let encoded = Sec1Point::from_bytes(bytes).ok()?;
        let affine = AffinePoint::from_sec1_point(&encoded).into_option()?;
        let point = ProjectivePoint::from(affine);
        (!bool::from(point.is_identity())).then_some(point)
    }

    fn encode_point(point: &ProjectivePoint) -> Vec<u8> {
        if bool::from(point.is_identity()) {
            return vec![0; Self::POINT_BYTES];
        }
        point.to_affine().to_sec1_point(true).as_bytes().to_vec()
    }

    fn affine(point: &ProjectivePoint) -> Option<(Vec<u8>, bool)> {
        if bool::from(point.is_identity()) {
            return None;
        }
        let affine = point.to_affine();
        Some((affine.x().to_vec(), bool::from(affine.y_is_odd())))
    }
}
