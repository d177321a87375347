use proptest::prelude::*;

use super::*;
use crate::testing::cases::{check_encoding, integer, multiple, power_of_two, rng};

/// Multiples of `G` on secp256k1, from published lists.
const KNOWN: [(&str, &str); 6] = [
    ("1", "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
    ("2", "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"),
    ("3", "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"),
    (
        "aa5e28d6a97a2479a65527f7290311a3624d4cc0fa1578598ee3c2613bf99522",
        "0234f9460f0e4f08393d192b3c5133a6ba099aa0ad9fd54ebccfacdfa239ff49c6",
    ),
    (
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd036413f",
        "03c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5",
    ),
    (
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140",
        "0379be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
];

/// Multiples of `G` on P-256: the first three, and minus the second and first, from published lists.
const KNOWN_P256: [(&str, &str); 5] = [
    ("1", "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
    ("2", "037cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978"),
    ("3", "025ecbe4d1a6330a44c8f7ef951d4bf165e6c6b721efada985fb41661bc6e7fd6c"),
    (
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254f",
        "027cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978",
    ),
    (
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550",
        "026b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    ),
];

fn scalar<C: Curve>(value: u64) -> Scalar<C> {
    Scalar::from_u64(value)
}

#[test]
fn multiples_of_the_generator_are_the_published_ones() {
    fn check<C: Curve>(known: &[(&str, &str)]) {
        for (k, point) in known {
            let bytes = hex::decode(format!("{k:0>64}")).unwrap();
            let k = Scalar::<C>::from_bytes(&bytes).unwrap();
            let expected = Point::from_bytes(&hex::decode(point).unwrap()).unwrap();
            assert_eq!(Point::mul_generator(&k), expected);
            assert_eq!(Point::generator() * k, expected);
            assert_eq!(Point::<C>::generator().to_bytes(), C::encode_point(&C::generator()));
            assert_eq!(hex::encode(expected.to_bytes()), *point);
            let (x, odd) = expected.affine().unwrap();
            assert_eq!((hex::encode(x), odd), (point[2..].to_owned(), point.starts_with("03")));
        }
    }
    check::<Secp256k1>(&KNOWN);
    check::<P256>(&KNOWN_P256);
}

/// The toy curve against its own equation: points satisfy it, their number is the prime order.
#[test]
fn toy_curve_is_consistent() {
    const P: u64 = (1 << 32) - 5;
    let mut point = Point::<Toy>::generator();
    for k in 1..200 {
        assert_eq!(point, Point::mul_generator(&scalar(k)));
        let (x, _) = point.affine().unwrap();
        let x = x.iter().fold(0, |x, byte| x << 8 | u64::from(*byte));
        let squared = ((x * x % P + 3) % P * x + 145) % P;
        assert!(Point::<Toy>::from_bytes(&point.to_bytes()) == Some(point) && squared < P);
        point = point + Point::generator();
    }
    let order = Toy::order();
    assert!(consign_modexp::small_factor(&order, 1 << 16).is_none(), "prime, being below 2^32");
    let last = Scalar::<Toy>::from_natural(&order.wrapping_sub(BoxedUint::one()));
    assert!((Point::mul_generator(&last) + Point::generator()).is_identity());
    // Some x are at least q: real curves have them too, but nobody can find them.
    let high = (0..62548_u64).rev().find_map(|offset| {
        let x = u32::try_from(P - 1 - offset).unwrap();
        Point::<Toy>::from_bytes(&[&[2], x.to_be_bytes().as_slice()].concat())
    });
    assert!(high.is_some());
}

fn laws<C: Curve>(seed: u64) {
    let mut rng = rng(seed);
    let (a, b) = (Scalar::<C>::random(&mut rng), Scalar::<C>::random_nonzero(&mut rng));
    let (A, B) = (Point::mul_generator(&a), Point::mul_generator(&b));
    assert_eq!(A + B, Point::mul_generator(&(a + b)));
    assert_eq!(A - B, Point::mul_generator(&(a - b)));
    assert_eq!(-A, Point::mul_generator(&-a));
    assert_eq!(A * b, B * a);
    assert_eq!(A * b, Point::mul_generator(&(a * b)));
    assert_eq!(b * b.invert().unwrap(), Scalar::one());
    assert_eq!([A, B, A].into_iter().sum::<Point<C>>(), A + A + B);
    assert_eq!([a, b, a].into_iter().sum::<Scalar<C>>(), a + a + b);
    assert_eq!(A + Point::identity(), A);
    assert!((A + -A).is_identity());
    assert_eq!(Scalar::from_bytes(&a.to_bytes()), Some(a));
    assert_eq!(Point::from_bytes(&B.to_bytes()), Some(B));
    assert_eq!(Scalar::<C>::from_natural(&a.to_natural()), a);
    sums_and_encodings(&[
        (A, b),
        (B, a),
        (Point::identity(), a),
        (A - B, Scalar::zero()),
        (-A, -Scalar::one()),
    ]);
}

/// Sums for public operands and kept encodings are those that are computed one by one.
fn sums_and_encodings<C: Curve>(terms: &[(Point<C>, Scalar<C>)]) {
    for end in 0..=terms.len() {
        let one_by_one = terms[..end].iter().map(|(point, k)| *point * *k).sum::<Point<C>>();
        assert_eq!(Point::sum_public(&terms[..end]), one_by_one, "{end} terms");
    }
    let short = [1, -5, 0, i64::MAX, i64::MIN, 12];
    let short: Vec<_> = terms.iter().map(|(point, _)| *point).zip(short).collect();
    let long = short.iter().map(|(point, k)| {
        let k = Integer::new(BoxedUint::from(k.unsigned_abs()), u8::from(*k < 0).into());
        *point * Scalar::from_integer(&k)
    });
    assert_eq!(Point::sum_short(&short), long.sum::<Point<C>>());
    assert!(Point::<C>::sum_short(&[]).is_identity());
    let plain: Vec<_> = terms.iter().map(|(point, k)| *point * *k).collect();
    let mut keeping = plain.clone();
    Point::keep_encodings(&mut keeping);
    Point::<C>::keep_encodings([]);
    for (plain, keeping) in plain.iter().zip(&keeping) {
        assert_eq!(
            (plain, plain.to_bytes(), plain.affine()),
            (keeping, keeping.to_bytes(), keeping.affine())
        );
        let alone = plain.keeping_encoding();
        assert_eq!((alone, alone.encoding), (*keeping, keeping.encoding));
        let coordinates = plain.coordinates().map(|(x, y)| (x, y.last().unwrap() & 1 == 1));
        assert_eq!(plain.affine(), coordinates);
        // What is computed from a point keeps nothing of it.
        let G = Point::generator();
        for (from_plain, from_keeping) in
            [(*plain + G, *keeping + G), (G - *plain, G - *keeping), (-*plain, -*keeping)]
        {
            assert_eq!(from_plain.to_bytes(), from_keeping.to_bytes());
        }
    }
    let mut wiped = keeping;
    wiped.iter_mut().for_each(Zeroize::zeroize);
    assert!(wiped.iter().all(|point| point.is_identity() && point.to_bytes() == vec![0; C::POINT_BYTES]));
}

/// Wide numbers and small ones are what division leaves of them.
#[test]
fn numbers_are_reduced() {
    fn check<C: Curve>() {
        let mut rng = rng(1);
        for length in [0, 1, 15, 16, 17, 32, 48, 65] {
            let mut bytes = vec![0xff; length];
            for _ in 0..4 {
                let natural = Scalar::<C>::from_natural(&BoxedUint::from_be_slice_vartime(&bytes));
                assert_eq!(Scalar::from_wide(&bytes), natural, "{length}");
                rng.fill_bytes(&mut bytes);
            }
        }
        for small in [0, 1, 2, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(Scalar::<C>::from_u64(small), Scalar::from_natural(&BoxedUint::from(small)));
        }
    }
    check::<Toy>();
    check::<Secp256k1>();
    check::<P256>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn group_laws(seed in any::<u64>()) {
        laws::<Toy>(seed);
        laws::<Secp256k1>(seed);
        laws::<P256>(seed);
    }

    /// `sym` and back; the symmetric form lies in `[-(q-1)/2, (q-1)/2]`.
    #[test]
    fn symmetric_form_round_trips(seed in any::<u64>()) {
        fn check<C: Curve>(seed: u64) {
            let k = Scalar::<C>::random(&mut rng(seed));
            let integer = k.to_integer();
            assert_eq!(Scalar::from_integer(&integer), k);
            assert!(*integer.magnitude() <= C::order().shr(1));
            assert_eq!(Scalar::<C>::from_integer(&integer.neg()), -k);
        }
        check::<Toy>(seed);
        check::<Secp256k1>(seed);
        check::<P256>(seed);
    }

    /// `z mod q` of a signed integer follows the laws of integers, far beyond `q`.
    #[test]
    fn signed_reduction_is_a_homomorphism(a in any::<i128>(), b in any::<i64>()) {
        let (x, y) = (integer(a), integer(b.into()));
        let of = Scalar::<Toy>::from_integer;
        prop_assert_eq!(of(&x.add(&y)), of(&x) + of(&y));
        prop_assert_eq!(of(&x.mul(&y)), of(&x) * of(&y));
        let shifted = x.add(&Integer::from_natural(&Toy::order()).mul(&power_of_two(77)));
        prop_assert_eq!(of(&shifted), of(&x));
        prop_assert_eq!(of(&x), Scalar::from_u64(u64::try_from(a.rem_euclid(4_294_904_743)).unwrap()));
    }
}

#[test]
fn symmetric_form_at_its_ends() {
    fn check<C: Curve>() {
        let half = C::order().shr(1);
        let last = Scalar::<C>::from_natural(&half);
        assert_eq!(last.to_integer(), Integer::from_natural(&half));
        assert_eq!((last + Scalar::one()).to_integer(), Integer::from_natural(&half).neg());
        assert_eq!((-Scalar::<C>::one()).to_integer(), integer(-1));
        assert_eq!(Scalar::<C>::zero().to_integer(), integer(0));
        assert_eq!(Scalar::<C>::zero().invert(), None);
        assert!(Scalar::<C>::from_natural(&multiple(&C::order(), 5)).is_zero());
    }
    check::<Toy>();
    check::<Secp256k1>();
    check::<P256>();
}

/// the identity, points off the curve, other forms, other lengths.
#[test]
fn other_encodings_of_points_are_refused() {
    fn check<C: Curve>(off_curve: &[u8]) {
        let good = Point::<C>::mul_generator(&scalar(7)).to_bytes();
        assert_eq!(good.len(), C::POINT_BYTES);
        for tag in (0..=255_u8).filter(|tag| !matches!(tag, 2 | 3)) {
            let mut bytes = good.clone();
            bytes[0] = tag;
            assert_eq!(Point::<C>::from_bytes(&bytes), None, "{} with tag {tag}", C::NAME);
        }
        let mut negated = good.clone();
        negated[0] ^= 1;
        assert_eq!(Point::<C>::from_bytes(&negated), Some(-Point::mul_generator(&scalar(7))));
        let identity = Point::<C>::identity();
        assert_eq!(Point::<C>::from_bytes(&identity.to_bytes()), None);
        assert_eq!((identity.affine(), identity.coordinates()), (None, None));
        let overflow = [&[2], vec![0xff; C::SCALAR_BYTES].as_slice()].concat();
        for bytes in [&[][..], &[0], &good[1..], &[good.as_slice(), &[0]].concat(), &overflow, off_curve] {
            assert_eq!(Point::<C>::from_bytes(bytes), None, "{}", hex::encode(bytes));
        }
    }
    // x = 5 has no point on secp256k1; the first x without a point on the toy curve is searched.
    let mut off = vec![0; 33];
    (off[0], off[32]) = (2, 5);
    check::<Secp256k1>(&off);
    let x =
        (0..=255_u8).find(|x| Point::<P256>::from_bytes(&[&[2; 1][..], &[0; 31], &[*x]].concat()).is_none());
    off[32] = x.unwrap();
    check::<P256>(&off);
    let toy = (0..100_u8).map(|x| [2, 0, 0, 0, x]).find(|bytes| Point::<Toy>::from_bytes(bytes).is_none());
    check::<Toy>(&toy.unwrap());
    // The uncompressed form of G.
    let y = "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
    let long = hex::decode(format!("04{}{y}", &KNOWN[0].1[2..])).unwrap();
    assert_eq!(Point::<Secp256k1>::from_bytes(&long), None);
    let (x, y_of_g) = Point::<Secp256k1>::generator().coordinates().unwrap();
    assert_eq!((hex::encode(x).as_str(), hex::encode(y_of_g).as_str()), (&KNOWN[0].1[2..], y));
}

/// `q` and above have no encoding, nor have other lengths.
#[test]
fn other_encodings_of_scalars_are_refused() {
    fn check<C: Curve>() {
        let encode = |value: &BoxedUint| {
            let bytes = value.to_be_bytes();
            bytes[bytes.len() - C::SCALAR_BYTES..].to_vec()
        };
        let order = C::order();
        let last = encode(&order.wrapping_sub(BoxedUint::one()));
        assert_eq!(Scalar::<C>::from_bytes(&last), Some(-Scalar::one()));
        let above = encode(&order.wrapping_add(BoxedUint::one()));
        let ones = vec![0xff; C::SCALAR_BYTES];
        for bytes in [&[][..], &encode(&order), &above, &ones, &last[1..], &[&[0], last.as_slice()].concat()]
        {
            assert_eq!(Scalar::<C>::from_bytes(bytes), None, "{}", hex::encode(bytes));
        }
        check_encoding(&Scalar::<C>::from_natural(&BoxedUint::from(0x0102_0304_u32)));
        check_encoding(&Point::<C>::mul_generator(&scalar(9)));
    }
    check::<Toy>();
    check::<Secp256k1>();
    check::<P256>();
}

/// SEC1 4.1.3: leftmost bits, reduced.
#[test]
fn digests_become_scalars() {
    let order = C256::order().to_be_bytes();
    assert!(Scalar::<C256>::from_digest(&order).is_zero());
    assert_eq!(Scalar::<C256>::from_digest(&[&order, &[9, 9][..]].concat()), Scalar::zero());
    assert_eq!(Scalar::<C256>::from_digest(&[1, 2]), scalar(258));
    assert!(Scalar::<P256>::from_digest(&P256::order().to_be_bytes()).is_zero());
    assert_eq!(Scalar::<Toy>::from_digest(&[0, 0, 0, 7, 255, 255]), scalar(7));
}

type C256 = Secp256k1;

/// Scalars are secret: nothing of them is printed.
#[test]
fn debug_hides_scalars() {
    assert_eq!(format!("{:?}", scalar::<Toy>(12345)), "Scalar(..)");
    assert!(format!("{:?}", Point::<C256>::generator()).contains("79be667e"));
}
