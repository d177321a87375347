use proptest::prelude::*;

use super::*;
use crate::testing::cases::{check_encoding, integer, multiple};

fn natural(value: u64) -> Natural {
    Natural::new(&BoxedUint::from(value))
}

fn modulus(value: u64) -> Modulus {
    Modulus::new(&BoxedUint::from(value)).unwrap()
}

/// Postcard bytes of a byte string.
fn raw(bytes: &[u8]) -> Vec<u8> {
    postcard::to_stdvec(bytes).unwrap()
}

proptest! {
    #[test]
    fn units_are_the_numbers_without_common_factor(value in 0_u64..2000, n in 1_u64..400) {
        let n = 2 * n + 1;
        let gcd = |mut a: u64, mut b: u64| { while b > 0 { (a, b) = (b, a % b); } a };
        let expected = value < n && value > 0 && gcd(value, n) == 1;
        prop_assert_eq!(natural(value).unit(&modulus(n)).is_some(), expected);
        prop_assert_eq!(natural(value).below(&modulus(n)).is_some(), value > 0 && value < n);
    }

    /// One product for a whole list gives the same answer as each alone.
    #[test]
    fn lists_of_units(values in proptest::collection::vec(0_u64..500, 0..5), n in 1_u64..200) {
        let n = modulus(2 * n + 1);
        let list: Vec<_> = values.iter().map(|value| natural(*value)).collect();
        let each: Option<Vec<_>> = list.iter().map(|value| value.unit(&n)).collect();
        prop_assert_eq!(Natural::units(list.iter(), &n), each);
    }

    /// both formats, whatever bytes are accepted are the ones that would be written.
    #[test]
    fn encoding_is_unique(bytes in proptest::collection::vec(any::<u8>(), 0..6)) {
        let read = postcard::from_bytes::<Natural>(&raw(&bytes));
        prop_assert_eq!(read.is_ok(), bytes.first() != Some(&0));
        if let Ok(value) = read {
            prop_assert_eq!(value.to_bytes(), bytes.clone());
        }
        if let Ok(value) = postcard::from_bytes::<Integer>(&raw(&bytes)) {
            prop_assert_eq!(value.to_bytes_public(), bytes);
        }
    }
}

/// The modulus itself and zero are outside, their neighbours inside.
#[test]
fn interval_below_is_open() {
    let n = modulus(35);
    for (value, inside) in [(0, false), (1, true), (34, true), (35, false), (36, false), (70, false)] {
        assert_eq!(natural(value).below(&n).is_some(), inside, "{value}");
    }
}

/// equal values are equal and written alike, whatever precision they are stored with.
#[test]
fn precision_does_not_matter() {
    let narrow = natural(5);
    let wide = Natural::new(&BoxedUint::from(5_u64).resize_unchecked(1024));
    assert_eq!(narrow, wide);
    assert_eq!(narrow.to_bytes(), wide.to_bytes());
    assert_eq!(wide.unit(&modulus(7)).unwrap().bits_precision(), 64);
    assert_eq!(natural(0).to_bytes(), [0_u8; 0]);
}

#[test]
fn encodings() {
    check_encoding(&natural(0x0102_0304));
    check_encoding(&integer(-0x0102_0304));
    assert_eq!(serde_json::to_string(&natural(0)).unwrap(), "\"\"");
    assert_eq!(serde_json::to_string(&integer(-5)).unwrap(), "\"0105\"");
    assert_eq!(postcard::to_stdvec(&natural(258)).unwrap(), [2, 1, 2]);
    for bad in ["5", "\"0\"", "\"005\"", "\"05 \"", "\"-05\"", "[5]", "null"] {
        assert!(serde_json::from_str::<Natural>(bad).is_err(), "{bad}");
    }
}

/// a number longer than any honest one is refused before it is copied or computed with.
#[test]
fn length_is_bounded() {
    let longest = vec![0xff; MAX_INTEGER_BYTES];
    assert!(postcard::from_bytes::<Natural>(&raw(&longest)).is_ok());
    assert!(postcard::from_bytes::<Natural>(&raw(&[longest.as_slice(), &[1]].concat())).is_err());
    let signed = [&[1], longest.as_slice()].concat();
    assert!(postcard::from_bytes::<Integer>(&raw(&signed)).is_ok());
    assert!(postcard::from_bytes::<Integer>(&raw(&[signed.as_slice(), &[1]].concat())).is_err());
    // A length that the bytes do not have.
    assert!(postcard::from_bytes::<Natural>(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1]).is_err());
}

/// The longest honest number of a release level fits: `v` of the factor proof.
#[test]
fn length_suffices() {
    use crate::level::Level;
    for level in [Level::L112, Level::L128] {
        let p = level.parameters();
        let bits = p.ell + p.epsilon + 2 * p.modulus_bits;
        assert!(bits <= 8 * u32::try_from(MAX_INTEGER_BYTES).unwrap());
    }
    let big = multiple(&BoxedUint::from(u64::MAX), 3);
    assert_eq!(format!("{:?}", Natural::new(&big)), "Natural(66 bits)");
}
