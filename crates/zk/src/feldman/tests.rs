use proptest::prelude::*;

use super::*;
use crate::curve::{Secp256k1, Toy};
use crate::testing::cases::{check_encoding, rng};

/// Every way to choose `t` of `n` gives the constant; the commitments agree with the shares.
#[test]
fn any_threshold_of_shares_interpolates() {
    let polynomial = Polynomial::<Toy>::random(3, &mut rng(1));
    let commitments = polynomial.commit();
    assert_eq!(commitments.0.len(), 3);
    let secret = polynomial.evaluate(0);
    assert_eq!(commitments.constant(), Some(&Point::mul_generator(&secret)));
    for a in 1..=6 {
        assert_eq!(commitments.evaluate(a), Point::mul_generator(&polynomial.evaluate(a)));
        for b in a + 1..=6 {
            for c in b + 1..=6 {
                let set = [a, b, c];
                let term = |i| lagrange_at_zero::<Toy>(&set, i).unwrap() * polynomial.evaluate(i);
                assert_eq!(set.into_iter().map(term).sum::<Scalar<Toy>>(), secret, "{set:?}");
                let pair = [a, b];
                let term = |i| lagrange_at_zero::<Toy>(&pair, i).unwrap() * polynomial.evaluate(i);
                assert_ne!(pair.into_iter().map(term).sum::<Scalar<Toy>>(), secret, "two are too few");
            }
        }
    }
}

/// Sums of commitments commit to sums, whatever the lengths.
#[test]
fn commitments_add_up() {
    let polynomials: Vec<_> = [2, 4, 3].map(|t| Polynomial::<Toy>::random(t, &mut rng(t.into()))).into();
    let commitments: Vec<_> = polynomials.iter().map(Polynomial::commit).collect();
    let sum = Commitments::sum(commitments.iter());
    assert_eq!(sum.0.len(), 4);
    for at in [0, 1, 7, u16::MAX] {
        let value: Scalar<Toy> = polynomials.iter().map(|polynomial| polynomial.evaluate(at)).sum();
        assert_eq!(sum.evaluate(at), Point::mul_generator(&value));
    }
    assert_eq!(Commitments::<Toy>::sum(std::iter::empty()).constant(), None);
}

proptest! {
    #[test]
    fn interpolation_at_any_index(seed in any::<u64>(), at in any::<u16>()) {
        let polynomial = Polynomial::<Secp256k1>::random(2, &mut rng(seed));
        let set = [7, 65535];
        let term = |i| lagrange::<Secp256k1>(&set, i, at).unwrap() * polynomial.evaluate(i);
        prop_assert_eq!(set.into_iter().map(term).sum::<Scalar<Secp256k1>>(), polynomial.evaluate(at));
    }
}

/// Coefficients at the holder's own index are 1 and 0.
#[test]
fn interpolation_at_a_member() {
    assert_eq!(lagrange::<Toy>(&[2, 5, 9], 5, 5), Some(Scalar::one()));
    assert_eq!(lagrange::<Toy>(&[2, 5, 9], 5, 9), Some(Scalar::zero()));
    assert_eq!(lagrange::<Toy>(&[4], 4, 0), Some(Scalar::one()));
}

/// an index zero would make the share the secret. Multiples of `q` cannot be written as an index: the order of
/// every curve is longer than 16 bits.
#[test]
fn zero_index_is_refused() {
    assert_eq!(lagrange_at_zero::<Toy>(&[0, 1], 1), None);
    assert_eq!(lagrange_at_zero::<Toy>(&[0, 1], 0), None);
    assert_eq!(lagrange::<Toy>(&[1, 2, 0], 1, 3), None);
    assert!(Toy::order().bits() > 16 && Secp256k1::order().bits() > 16);
}

/// no index twice, be it the one asked for or another; no division by zero, no panic.
#[test]
fn duplicate_indices_are_refused() {
    for set in [&[1, 1][..], &[1, 2, 2], &[2, 1, 2], &[2, 2, 1], &[1, 2, 1]] {
        for index in 0..4 {
            assert_eq!(lagrange_at_zero::<Toy>(set, index), None, "{set:?}, {index}");
        }
    }
}

#[test]
fn foreign_index_is_refused() {
    assert_eq!(lagrange_at_zero::<Toy>(&[1, 2], 3), None);
    assert_eq!(lagrange_at_zero::<Toy>(&[], 1), None);
}

/// Coefficients are uniform, zero included: with a forced leading coefficient the shares would be biased.
#[test]
fn polynomials_are_random() {
    let (a, b) = (Polynomial::<Toy>::random(2, &mut rng(1)), Polynomial::<Toy>::random(2, &mut rng(2)));
    assert_ne!(a.commit(), b.commit());
    assert_eq!(Polynomial::<Toy>::random(0, &mut rng(1)).commit().constant(), None);
    assert_eq!(Commitments::<Toy>(vec![]).evaluate(5), Point::identity());
}

/// a vector longer than any threshold is not read to its end; shorter ones are for the protocol to judge.
#[test]
fn vectors_are_bounded() {
    let commitments = Polynomial::<Toy>::random(5, &mut rng(1)).commit();
    check_encoding(&commitments);
    let long = |count| {
        let point = *commitments.constant().unwrap();
        postcard::to_stdvec(&Commitments(vec![point; count])).unwrap()
    };
    assert!(postcard::from_bytes::<Commitments<Toy>>(&long(wire::MAX_LIST)).is_ok());
    assert!(postcard::from_bytes::<Commitments<Toy>>(&long(wire::MAX_LIST + 1)).is_err());
    // A million announced, none sent: nothing is allocated for them.
    assert!(postcard::from_bytes::<Commitments<Toy>>(&[0xc0, 0x84, 0x3d]).is_err());
}

/// The check in the exponent says what the coefficients say, for any choice and number of points.
#[test]
fn interpolation_in_the_exponent() {
    fn check<C: Curve>(seed: u64, indices: &[u16]) {
        let threshold = u16::try_from(indices.len()).unwrap();
        let polynomial = Polynomial::<C>::random(threshold, &mut rng(seed));
        let commitments = polynomial.commit();
        let points: Vec<_> = indices.iter().map(|i| (*i, commitments.evaluate(*i))).collect();
        for at in [0, 1, 2, 3, 9, u16::MAX] {
            let value = commitments.evaluate(at);
            assert!(interpolates_to(&points, at, &value), "{indices:?} at {at}");
            assert!(!interpolates_to(&points, at, &(value + Point::generator())), "{indices:?} at {at}");
            assert!(!interpolates_to(&points, at, &Point::identity()), "{indices:?} at {at}");
        }
        for bad in 0..points.len() {
            let mut points = points.clone();
            points[bad].1 = points[bad].1 + Point::generator();
            assert!(!interpolates_to(&points, 0, commitments.constant().unwrap()), "{indices:?}, {bad}");
        }
    }
    for (seed, indices) in (1..).zip([&[1][..], &[1, 2], &[3, 1, 2], &[7, 65535], &[5, 4, 9, 100, 1000]]) {
        check::<Toy>(seed, indices);
        check::<Secp256k1>(seed, indices);
    }
}

/// no index zero, none twice; nothing interpolates through them, be it the right value.
#[test]
fn bad_indices_interpolate_to_nothing() {
    let G = Point::<Toy>::generator();
    for indices in [&[0][..], &[0, 1], &[1, 1], &[2, 1, 2]] {
        let points: Vec<_> = indices.iter().map(|i| (*i, G)).collect();
        assert!(!interpolates_to(&points, 3, &G) && !interpolates_to(&points, 0, &G), "{indices:?}");
    }
    assert!(!interpolates_to::<Toy>(&[], 0, &G) && interpolates_to::<Toy>(&[], 0, &Point::identity()));
}
