//! Shamir sharing with Feldman commitments (`docs/spec/primitives.md`, section 2.5).

use core::ops::{Mul, Neg};

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::curve::{Curve, Point, Scalar};
use crate::wire;

#[cfg(test)]
mod tests;

/// A secret polynomial of degree `t - 1`. Zeroised when dropped.
pub struct Polynomial<C: Curve> {
    coefficients: Vec<Scalar<C>>,
}

/// Commitments `[c_k]G` to the coefficients, constant first. More than any threshold are not even read; the exact
/// number is for the protocol to check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "", transparent)]
pub struct Commitments<C: Curve>(#[serde(deserialize_with = "wire::list")] pub Vec<Point<C>>);

impl<C: Curve> Polynomial<C> {
    /// Random, with `threshold` coefficients, each uniform (zero included).
    pub fn random(threshold: u16, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { coefficients: (0..threshold).map(|_| Scalar::random(rng)).collect() }
    }

    /// Random but for its constant, `f(0)`.
    pub fn with_constant(constant: Scalar<C>, threshold: u16, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut polynomial = Self::random(threshold, rng);
        if let Some(first) = polynomial.coefficients.first_mut() {
            *first = constant;
        }
        polynomial
    }

    /// `f(index)`.
    pub fn evaluate(&self, index: u16) -> Scalar<C> {
        let z = Scalar::from_u64(index.into());
        self.coefficients.iter().rev().fold(Scalar::zero(), |sum, &c| sum * z + c)
    }

    /// The Feldman vector.
    pub fn commit(&self) -> Commitments<C> {
        Commitments(self.coefficients.iter().map(Point::mul_generator).collect())
    }
}

impl<C: Curve> Drop for Polynomial<C> {
    fn drop(&mut self) {
        self.coefficients.zeroize();
    }
}

impl<C: Curve> Commitments<C> {
    /// `[f(index)]G`. Everything is public, and an index is short: doubling and adding takes a tenth of the time of a
    /// multiplication by any scalar.
    pub fn evaluate(&self, index: u16) -> Point<C> {
        self.0.iter().rev().fold(Point::identity(), |sum, &c| times(index, sum) + c)
    }

    /// Commitments to the sum of polynomials, also of different lengths.
    pub fn sum<'a>(list: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum: Vec<Point<C>> = Vec::new();
        for commitments in list {
            sum.resize(sum.len().max(commitments.0.len()), Point::identity());
            sum.iter_mut().zip(&commitments.0).for_each(|(sum, &c)| *sum = *sum + c);
        }
        Self(sum)
    }

    /// The committed constant `[f(0)]G`, if there is any coefficient.
    pub fn constant(&self) -> Option<&Point<C>> {
        self.0.first()
    }
}

/// `[factor]point`, in time that depends on the factor.
fn times<C: Curve>(factor: u16, point: Point<C>) -> Point<C> {
    let bits = u16::BITS - factor.leading_zeros();
    (0..bits).rev().fold(Point::identity(), |sum, bit| {
        let twice = sum + sum;
        if factor >> bit & 1 == 1 { twice + point } else { twice }
    })
}

/// Bits of the numbers up to which [`interpolates_to`] computes with them as they are.
const SHORT_BITS: usize = 62;

/// Whether the polynomial in the exponent through `points`, each with its index, has the value `expected` at `at`.
/// Public points only. `false` unless all indices are nonzero and distinct.
///
/// The equation is multiplied by all denominators: that saves their inversion, and for few and small indices all
/// factors stay short, so that a few additions of points do.
pub fn interpolates_to<C: Curve>(points: &[(u16, Point<C>)], at: u16, expected: &Point<C>) -> bool {
    let indices: Vec<_> = points.iter().map(|(index, _)| *index).collect();
    if indices.contains(&0) || !are_distinct(&indices) {
        return false;
    }
    let all = || [expected].into_iter().chain(points.iter().map(|(_, point)| point)).copied();
    // Each factor is a product of fewer differences than the square of their number, and no difference is longer than this.
    let longest = indices.iter().chain([&at]).fold(0, |all, index| all | index);
    let bits = (u16::BITS - longest.leading_zeros()) as usize;
    let sum = if bits.saturating_mul(indices.len().saturating_pow(2)) <= SHORT_BITS {
        let factors = factors(&indices, at, 1, |i, j| i64::from(i) - i64::from(j));
        Point::sum_short(&all().zip(factors).collect::<Vec<_>>())
    } else {
        let scalar = |i: u16| Scalar::<C>::from_u64(i.into());
        let factors = factors(&indices, at, Scalar::one(), |i, j| scalar(i) - scalar(j));
        Point::sum_public(&all().zip(factors).collect::<Vec<_>>())
    };
    sum.is_identity()
}

/// With what the value at `at`, then those at `indices`, are multiplied to add up to zero, for a polynomial of a degree below
/// their number: minus the product of all denominators of the Lagrange coefficients, then these times that product.
fn factors<T: Copy + Mul<Output = T> + Neg<Output = T>>(
    indices: &[u16],
    at: u16,
    one: T,
    difference: impl Fn(u16, u16) -> T,
) -> Vec<T> {
    let product = |list: &mut dyn Iterator<Item = T>| list.fold(one, |all, k| all * k);
    let others = |i: usize| indices.iter().enumerate().filter(move |(k, _)| *k != i).map(|(_, j)| *j);
    let numbered = || indices.iter().copied().enumerate();
    let denominators: Vec<_> =
        numbered().map(|(i, index)| product(&mut others(i).map(|j| difference(j, index)))).collect();
    let own = numbered().map(|(i, _)| {
        let numerator = product(&mut others(i).map(|j| difference(j, at)));
        let rest = denominators.iter().enumerate().filter(|(k, _)| *k != i);
        numerator * product(&mut rest.map(|(_, d)| *d))
    });
    [-product(&mut denominators.iter().copied())].into_iter().chain(own).collect()
}

/// Every group order exceeds 16 bits, so indices are equal modulo it only if they are so as numbers.
fn are_distinct(indices: &[u16]) -> bool {
    indices.iter().enumerate().all(|(position, i)| !indices.iter().skip(position + 1).any(|j| j == i))
}

/// The Lagrange coefficient at zero of `index` within `indices`: `product of j / (j - index)`.
///
/// `None` unless `index` is in `indices` and all are nonzero and distinct modulo the group order.
pub fn lagrange_at_zero<C: Curve>(indices: &[u16], index: u16) -> Option<Scalar<C>> {
    lagrange::<C>(indices, index, 0)
}

/// The Lagrange coefficient of `index` within `indices`, for interpolation at `at`; `None` as above.
pub fn lagrange<C: Curve>(indices: &[u16], index: u16, at: u16) -> Option<Scalar<C>> {
    let scalar = |i: u16| Scalar::<C>::from_u64(i.into());
    if !are_distinct(indices) || indices.contains(&0) || !indices.contains(&index) {
        return None;
    }
    let mut numerator = Scalar::one();
    let mut denominator = Scalar::one();
    for &j in indices.iter().filter(|&&j| j != index) {
        numerator = numerator * (scalar(j) - scalar(at));
        denominator = denominator * (scalar(j) - scalar(index));
    }
    Some(numerator * denominator.invert()?)
}
