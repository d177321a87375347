//! The curves of real keys: secp256k1 (SEC2 2.4.1) by the `k256` crate, NIST P-256 (SEC2 2.4.2, FIPS 186) by `p256`.
//! Both crates are of one family and give the same names to the same things, so one text implements [`Curve`] for both.

use std::sync::LazyLock;

use consign_modexp::BoxedUint;

use super::Curve;

macro_rules! real_curve {
    ($(#[$doc:meta])* $curve:ident, $family:ident, $name:literal, $order:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $curve;

        impl Curve for $curve {
            const NAME: &'static str = $name;
            const SCALAR_BYTES: usize = 32;
            const POINT_BYTES: usize = 33;
            type Scalar = $family::Scalar;
            type Point = $family::ProjectivePoint;

            fn order() -> BoxedUint {
                let order = BoxedUint::from_be_hex($order, 256).into_option();
                order.expect("invariant: the constant is 64 hex digits")
            }

            fn generator() -> Self::Point {
                $family::ProjectivePoint::GENERATOR
            }

            fn encoded_generator() -> &'static [u8] {
                static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| $curve::encode_point(&$curve::generator()));
                &ENCODED
            }

            fn mul(point: &Self::Point, k: &Self::Scalar) -> Self::Point {
                point * k
            }

            fn mul_generator(k: &Self::Scalar) -> Self::Point {
                $family::elliptic_curve::group::Group::mul_by_generator(k)
            }

            fn sum_public(terms: &[(Self::Point, Self::Scalar)]) -> Self::Point {
                $family::elliptic_curve::ops::LinearCombination::lincomb_vartime(terms)
            }

            fn invert(k: &Self::Scalar) -> Option<Self::Scalar> {
                k.invert().into_option()
            }

            fn decode_scalar(bytes: &[u8]) -> Option<Self::Scalar> {
                use $family::elliptic_curve::ff::PrimeField;
                let bytes = $family::FieldBytes::try_from(bytes).ok()?;
                $family::Scalar::from_repr(bytes).into_option()
            }

            fn encode_scalar(k: &Self::Scalar) -> Vec<u8> {
                k.to_bytes().to_vec()
            }

            fn decode_point(bytes: &[u8]) -> Option<Self::Point> {
                use $family::elliptic_curve::group::Group;
                use $family::elliptic_curve::sec1::FromSec1Point;
                // The decoder below also knows a compact form (tag 5) of the same length: a second spelling.
                if bytes.len() != Self::POINT_BYTES || !matches!(bytes.first(), Some(2 | 3)) {
                    return None;
                }
                let encoded = $family::Sec1Point::from_bytes(bytes).ok()?;
                let affine = $family::AffinePoint::from_sec1_point(&encoded).into_option()?;
                let point = $family::ProjectivePoint::from(affine);
                (!bool::from(point.is_identity())).then_some(point)
            }

            fn encode_point(point: &Self::Point) -> Vec<u8> {
                use $family::elliptic_curve::group::Group;
                use $family::elliptic_curve::sec1::ToSec1Point;
                if bool::from(point.is_identity()) {
                    return vec![0; Self::POINT_BYTES];
                }
                point.to_affine().to_sec1_point(true).as_bytes().to_vec()
            }

            fn encode_points(points: &[Self::Point]) -> Vec<Vec<u8>> {
                use $family::elliptic_curve::BatchNormalize;
                use $family::elliptic_curve::sec1::ToSec1Point;
                let list = $family::ProjectivePoint::batch_normalize(points);
                list.iter()
                    .map(|point| {
                        // The identity is a single zero byte there, and all zeros here.
                        let mut bytes = point.to_sec1_point(true).as_bytes().to_vec();
                        bytes.resize(Self::POINT_BYTES, 0);
                        bytes
                    })
                    .collect()
            }

            fn coordinates(point: &Self::Point) -> Option<(Vec<u8>, Vec<u8>)> {
                use $family::elliptic_curve::sec1::ToSec1Point;
                let encoded = point.to_affine().to_sec1_point(false);
                Some((encoded.x()?.to_vec(), encoded.y()?.to_vec()))
            }
        }
    };
}

real_curve!(
    /// secp256k1, the curve of Bitcoin and Ethereum.
    Secp256k1,
    k256,
    "secp256k1",
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
);

real_curve!(
    /// NIST P-256, also called secp256r1 and prime256v1.
    P256,
    p256,
    "p256",
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
);
