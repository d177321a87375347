//! A toy curve of 32-bit prime order, for broad and fast tests: `y^2 = x^3 + 3x + 145` over `F_p`, `p = 2^32 - 5`.
//!
//! Its order `q` is below `p` by 62548, so points with `x >= q` exist and can be found, which real curves never show.

use core::ops::{Add, Mul, Neg, Sub};
use std::sync::LazyLock;

use consign_modexp::BoxedUint;
use subtle::{Choice, ConstantTimeEq};
use zeroize::DefaultIsZeroes;

use super::Curve;

/// The toy curve. Discrete logarithms on it take milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toy;

const P: u64 = 4_294_967_291;
const Q: u64 = 4_294_904_743;
const A: u64 = 3;
const B: u64 = 145;
const GENERATOR: ToyPoint = ToyPoint(Some((1_109_909_025, 2_856_323_790)));

/// Residue modulo `Q`.
#[derive(Clone, Copy, Default, Debug)]
pub struct ToyScalar(u64);

/// Affine point, `None` for the identity.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct ToyPoint(Option<(u64, u64)>);

impl DefaultIsZeroes for ToyScalar {}
impl DefaultIsZeroes for ToyPoint {}

impl ConstantTimeEq for ToyScalar {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl Add for ToyScalar {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self((self.0 + other.0) % Q)
    }
}

impl Sub for ToyScalar {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self((self.0 + Q - other.0) % Q)
    }
}

impl Mul for ToyScalar {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0 % Q)
    }
}

impl Neg for ToyScalar {
    type Output = Self;
    fn neg(self) -> Self {
        Self((Q - self.0) % Q)
    }
}

impl Add for ToyPoint {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (Some((x1, y1)), Some((x2, y2))) = (self.0, other.0) else {
            return if self.0.is_none() { other } else { self };
        };
        let slope = if x1 != x2 {
            sub(y2, y1) * inverse(sub(x2, x1)) % P
        } else if y1 == y2 && y1 != 0 {
            (3 * (x1 * x1 % P) + A) % P * inverse(2 * y1 % P) % P
        } else {
            return Self(None);
        };
        let x = sub(sub(slope * slope % P, x1), x2);
        Self(Some((x, sub(slope * sub(x1, x) % P, y1))))
    }
}

impl Neg for ToyPoint {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.map(|(x, y)| (x, sub(0, y))))
    }
}

impl Sub for ToyPoint {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

fn sub(a: u64, b: u64) -> u64 {
    (a + P - b) % P
}

fn power(base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let (mut square, mut result) = (base % modulus, 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * square % modulus;
        }
        square = square * square % modulus;
        exponent >>= 1;
    }
    result
}

fn inverse(a: u64) -> u64 {
    power(a, P - 2, P)
}

impl Curve for Toy {
    const NAME: &'static str = "toy-insecure";
    const SCALAR_BYTES: usize = 4;
    const POINT_BYTES: usize = 5;
    type Scalar = ToyScalar;
    type Point = ToyPoint;

    fn order() -> BoxedUint {
        BoxedUint::from(Q)
    }

    fn generator() -> ToyPoint {
        GENERATOR
    }

    fn encoded_generator() -> &'static [u8] {
        static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| Toy::encode_point(&GENERATOR));
        &ENCODED
    }

    fn mul(point: &ToyPoint, k: &ToyScalar) -> ToyPoint {
        let (mut double, mut sum) = (*point, ToyPoint(None));
        for bit in 0..32 {
            if k.0 >> bit & 1 == 1 {
                sum = sum + double;
            }
            double = double + double;
        }
        sum
    }

    fn mul_generator(k: &ToyScalar) -> ToyPoint {
        Self::mul(&GENERATOR, k)
    }

    fn invert(k: &ToyScalar) -> Option<ToyScalar> {
        (k.0 != 0).then(|| ToyScalar(power(k.0, Q - 2, Q)))
    }

    fn decode_scalar(bytes: &[u8]) -> Option<ToyScalar> {
        let value = u64::from(u32::from_be_bytes(bytes.try_into().ok()?));
        (value < Q).then_some(ToyScalar(value))
    }

    fn encode_scalar(k: &ToyScalar) -> Vec<u8> {
        u32::try_from(k.0).expect("invariant: below a 32-bit order").to_be_bytes().to_vec()
    }

    fn decode_point(bytes: &[u8]) -> Option<ToyPoint> {
        let (&tag, x) = bytes.split_first()?;
        let x = u64::from(u32::from_be_bytes(x.try_into().ok()?));
        if !matches!(tag, 2 | 3) || x >= P {
            return None;
        }
        let y_squared = ((x * x % P + A) % P * x + B) % P;
        let root = power(y_squared, P.div_ceil(4), P);
        if root * root % P != y_squared {
            return None;
        }
        let odd = u64::from(tag & 1);
        Some(ToyPoint(Some((x, if root & 1 == odd { root } else { sub(0, root) }))))
    }

    fn encode_point(point: &ToyPoint) -> Vec<u8> {
        let Some((x, y)) = point.0 else { return vec![0; Self::POINT_BYTES] };
        let mut bytes = vec![if y & 1 == 1 { 3 } else { 2 }];
        bytes.extend_from_slice(&u32::try_from(x).expect("invariant: below a 32-bit prime").to_be_bytes());
        bytes
    }

    fn coordinates(point: &ToyPoint) -> Option<(Vec<u8>, Vec<u8>)> {
        let bytes =
            |z: u64| u32::try_from(z).expect("invariant: below a 32-bit prime").to_be_bytes().to_vec();
        point.0.map(|(x, y)| (bytes(x), bytes(y)))
    }
}
