use proptest::prelude::*;

use super::*;
use crate::testing::cases::{integer, power_of_two, rng};

/// Any value of up to 126 bits, so that sums and differences fit a machine integer.
fn machine() -> impl Strategy<Value = i128> {
    prop_oneof![-3_i128..4, any::<i64>().prop_map(i128::from), (any::<i128>()).prop_map(|x| x >> 2)]
}

fn small() -> impl Strategy<Value = i128> {
    prop_oneof![-3_i128..4, any::<i64>().prop_map(i128::from)]
}

proptest! {
    #[test]
    fn sums_agree_with_machine_integers(a in machine(), b in machine()) {
        let (x, y) = (integer(a), integer(b));
        prop_assert_eq!(x.add(&y), integer(a + b));
        prop_assert_eq!(x.sub(&y), integer(a - b));
        prop_assert_eq!(x.neg(), integer(-a));
        prop_assert_eq!(x.is_negative().to_bool(), a < 0);
    }

    #[test]
    fn products_agree_with_machine_integers(a in small(), b in small()) {
        prop_assert_eq!(integer(a).mul(&integer(b)), integer(a * b));
    }

    #[test]
    fn residues_agree_with_machine_integers(a in machine(), n in 1_u64..u64::MAX / 2) {
        let odd = 2 * n + 1;
        let modulus = Modulus::new(&BoxedUint::from(odd)).unwrap();
        let expected = a.rem_euclid(i128::from(odd));
        prop_assert_eq!(integer(a).modulo(&modulus), BoxedUint::from(u64::try_from(expected).unwrap()));
        let divisor = NonZero::new(BoxedUint::from(odd)).unwrap();
        let magnitude = remainder(integer(a).magnitude(), &divisor);
        prop_assert_eq!(magnitude, BoxedUint::from(u64::try_from(a.unsigned_abs() % u128::from(odd)).unwrap()));
    }

    /// Width is public and does not change values: whatever leading zeros are stored.
    #[test]
    fn width_does_not_matter(a in machine(), extra in 0_u32..200) {
        let wide = integer(a).narrowed(128 + extra);
        prop_assert_eq!(&wide, &integer(a));
        prop_assert_eq!(wide.to_bytes_public(), integer(a).to_bytes_public());
        prop_assert_eq!(wide.trimmed_public(), integer(a));
        prop_assert_eq!(wide.add(&integer(1)), integer(a + 1));
    }

    #[test]
    fn encoding_round_trips(a in any::<i128>()) {
        prop_assert_eq!(Integer::from_bytes_public(&integer(a).to_bytes_public()), Some(integer(a)));
    }

    /// whatever bytes are accepted are the ones that would be written.
    #[test]
    fn encoding_is_unique(bytes in proptest::collection::vec(any::<u8>(), 0..6), sign in 0_u8..3) {
        for bytes in [bytes.clone(), [&[sign], bytes.as_slice()].concat()] {
            if let Some(value) = Integer::from_bytes_public(&bytes) {
                prop_assert_eq!(value.to_bytes_public(), bytes);
            }
        }
    }

    #[test]
    fn samples_are_within(seed in any::<u64>(), bits in 1_u32..200, scale in 1_u64..) {
        let (mut rng, scale) = (rng(seed), BoxedUint::from(scale));
        prop_assert!(Integer::sample(bits, &mut rng).is_within(bits));
        prop_assert!(Integer::sample_scaled(bits, &scale, &mut rng).is_within_scaled(bits, &scale));
    }
}

#[test]
fn zero_has_no_sign() {
    for zero in [integer(0).neg(), integer(5).sub(&integer(5)), integer(-5).mul(&integer(0)), Integer::zero()]
    {
        assert!(!zero.is_negative().to_bool());
        assert_eq!(zero, integer(0));
        assert_eq!(zero.to_bytes_public(), [0]);
    }
    assert_eq!(Integer::new(BoxedUint::zero(), Choice::TRUE), integer(0));
}

/// other signs, leading zeros, minus zero, nothing.
#[test]
fn other_encodings_are_refused() {
    for bytes in [&[][..], &[1], &[2, 5], &[255, 5], &[0, 0], &[0, 0, 5], &[1, 0, 5], &[1, 0]] {
        assert_eq!(Integer::from_bytes_public(bytes), None, "{bytes:?}");
    }
    assert_eq!(Integer::from_bytes_public(&[0]), Some(integer(0)));
    assert_eq!(Integer::from_bytes_public(&[1, 1, 0]), Some(integer(-256)));
    assert_eq!(from_minimal_bytes(&[]), Some(BoxedUint::zero()));
    assert_eq!(from_minimal_bytes(&[0]), None);
}

/// A zero from the wire has no bytes at all; it is a number like any other.
#[test]
fn decoded_zero_is_a_number() {
    let zero = Integer::from_bytes_public(&[0]).unwrap();
    let n = Modulus::new(&BoxedUint::from(35_u8)).unwrap();
    assert_eq!(zero.add(&integer(5)), integer(5));
    assert_eq!(zero.sub(&integer(5)), integer(-5));
    assert_eq!(zero.mul(&integer(5)), zero);
    assert_eq!(zero.neg(), zero);
    assert_eq!(zero.trimmed_public(), zero);
    assert_eq!(zero.modulo(&n), BoxedUint::zero());
    assert!(zero.is_within(1));
    assert!(crate::curve::Scalar::<crate::curve::Toy>::from_integer(&zero).is_zero());
}

/// `I(b)` is closed at both ends and `2^b + 1` values wide.
#[test]
fn intervals_are_closed_and_symmetric() {
    for bits in [1, 2, 63, 64, 65, 128, 200] {
        let end = power_of_two(bits - 1);
        for (value, inside) in [
            (end.clone(), true),
            (end.neg(), true),
            (end.add(&integer(1)), false),
            (end.add(&integer(1)).neg(), false),
        ] {
            assert_eq!(value.is_within(bits), inside, "{bits} bits");
            let scaled = value.mul(&integer(7));
            assert_eq!(scaled.is_within_scaled(bits, &BoxedUint::from(7_u8)), inside, "{bits} bits, scaled");
        }
        assert!(!end.mul(&integer(7)).add(&integer(1)).is_within_scaled(bits, &BoxedUint::from(7_u8)));
    }
}

/// Every value of a short interval comes up about equally often, the ends and zero too.
#[test]
fn samples_are_uniform() {
    let mut rng = rng(1);
    let (bits, scale, draws) = (3, BoxedUint::from(2_u8), 17_000);
    let mut counts = [0; 17];
    for _ in 0..draws {
        let value = Integer::sample_scaled(bits, &scale, &mut rng).add(&integer(8));
        assert!(!value.is_negative().to_bool());
        let index = value.magnitude().as_words().first().copied().unwrap();
        counts[usize::try_from(index).unwrap()] += 1;
    }
    assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
}

#[test]
fn rejection_sampling_reaches_the_bound() {
    let mut rng = rng(2);
    for bound in [0_u64, 1, 2, 4, 7] {
        let bound = BoxedUint::from(bound);
        let drawn: Vec<_> = (0..200).map(|_| uniform_at_most(&bound, &mut rng)).collect();
        assert!(drawn.iter().all(|value| value <= &bound));
        assert!(drawn.contains(&bound) && drawn.contains(&BoxedUint::zero()));
    }
}

#[test]
#[should_panic(expected = "range bound holds")]
fn narrowing_too_far_is_a_bug() {
    let _ = power_of_two(200).narrowed(128);
}

/// Only the width is printed: most integers are secret.
#[test]
fn debug_tells_the_width_only() {
    assert_eq!(format!("{:?}", integer(1_234_567)), "Integer(128 bits wide)");
}
