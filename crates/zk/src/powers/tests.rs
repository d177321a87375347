use proptest::prelude::*;

use super::*;
use crate::testing::cases::integer;

/// `3 * 2^61 + 1`, not prime, with units enough.
const N: u64 = 0x6000_0000_0000_0001;

proptest! {
    /// All ways to queue an exponentiation agree, for exponents of either sign and whatever width.
    #[test]
    fn ways_agree(base in 1_u64..N, exponent in -40_i128..40, width in 64_u32..300) {
        let n = Modulus::new(&BoxedUint::from(N)).unwrap();
        let base = BoxedUint::from(base);
        prop_assume!(n.is_unit(&base));
        let inverse = n.invert_public(&base).unwrap();
        let factor = if exponent < 0 { &inverse } else { &base };
        let expected = (0..exponent.unsigned_abs()).fold(BoxedUint::one(), |x, _| n.mul(&x, factor));
        let exponent = integer(exponent).narrowed(width.max(128));
        let mut powers = Powers::new();
        let slots = [
            powers.push_secret(&n, &base, &exponent),
            powers.push_secret_with_inverse(&n, &base, &inverse, &exponent),
            powers.push_public(&n, factor, exponent.magnitude()),
            powers.push_secret_base(&n, factor, exponent.magnitude()),
        ];
        let results = powers.run();
        for slot in slots {
            prop_assert_eq!(&results[slot], &expected);
        }
    }
}

#[test]
#[should_panic(expected = "checked to be units")]
fn bases_are_units() {
    let n = Modulus::new(&BoxedUint::from(35_u8)).unwrap();
    let _ = Powers::new().push_secret(&n, &BoxedUint::from(5_u8), &integer(1));
}
