use super::*;
use crate::powers::tests::fast_runs;
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

/// A proof that is refused for what it says ends the fast way before it has begun; earlier ones are verified all the same.
#[test]
fn nothing_is_computed_twice_for_a_cheap_refusal() {
    let n = Modulus::new(&number(1009)).unwrap();
    let one = integer(1);
    let check = |list: &[Option<u64>]| {
        let before = fast_runs();
        let verdict = verify_all(list, &Aid::default(), |relations, right| {
            let right = right.ok_or(Rejection::Bound("right"))?;
            relations.add("power", &n, &[], &[&number(right)], &[(&number(5), &one)]);
            Ok(())
        });
        (verdict, fast_runs() - before)
    };
    assert_eq!(check(&[Some(5), None, Some(6)]), (Err((1, Rejection::Bound("right"))), 0));
    assert_eq!(check(&[Some(6), None]), (Err((0, Rejection::Equation("power"))), 0));
    let (verdict, runs) = check(&[Some(5), Some(5)]);
    assert_eq!(verdict, Ok(()));
    assert!(runs > 0, "a list that holds is computed the fast way");
}
