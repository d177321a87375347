use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::testing::cases::integer;

thread_local! {
    static BROKEN: Cell<bool> = const { Cell::new(false) };
    static FAST_RUNS: Cell<usize> = const { Cell::new(0) };
}

/// How many lists that are not empty this thread has computed the fast way.
pub(crate) fn fast_runs() -> usize {
    FAST_RUNS.get()
}

/// Runs with a broken processor, on which all that is computed in lanes and from tables is 1.
pub(crate) fn on_a_broken_processor<R>(run: impl FnOnce() -> R) -> R {
    BROKEN.set(true);
    let result = run();
    BROKEN.set(false);
    result
}

/// What a broken processor makes of results.
pub(super) fn disturbed(scalar: bool, mut results: Results) -> Results {
    let empty = results.powers.is_empty() && results.products.is_empty();
    FAST_RUNS.set(FAST_RUNS.get() + usize::from(!scalar && !empty));
    if BROKEN.get() && !scalar {
        results.powers.iter_mut().chain(&mut results.products).for_each(|result| {
            *result = BoxedUint::one_with_precision(result.bits_precision());
        });
    }
    results
}

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
