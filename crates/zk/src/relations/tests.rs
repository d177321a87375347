use super::*;
use crate::testing::cases::integer;

fn number(value: u64) -> BoxedUint {
    BoxedUint::from(value)
}

/// `3^2 * 2^-1 * 10 = 45` and the like, modulo 1009.
#[test]
fn equations_with_exponents_of_either_sign() {
    let n = Modulus::new(&number(1009)).unwrap();
    let (two, minus_one, zero) = (integer(2), integer(-1), integer(0));
    let check = |right: u64| {
        verify_one(|relations| {
            let powers = [(&number(3), &two), (&number(2), &minus_one), (&number(7), &zero)];
            relations.add("product", &n, &[&number(10)], &[&number(right)], &powers);
            Ok(())
        })
    };
    assert_eq!(check(45), Ok(()));
    assert_eq!(check(46), Err(Rejection::Equation("product")));
}

/// The first that fails is named; an empty list holds.
#[test]
fn the_first_failing_equation_is_named() {
    let n = Modulus::new(&number(1009)).unwrap();
    let one = integer(1);
    let check = |list: &[(&'static str, u64)]| {
        verify_one(|relations| {
            for (name, right) in list {
                relations.add(name, &n, &[], &[&number(*right)], &[(&number(5), &one)]);
            }
            Ok(())
        })
    };
    assert_eq!(check(&[]), Ok(()));
    assert_eq!(check(&[("a", 5), ("b", 5)]), Ok(()));
    assert_eq!(check(&[("a", 5), ("b", 6), ("c", 7)]), Err(Rejection::Equation("b")));
}
