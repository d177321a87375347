//! How long the plaintext may be: what an honest party may meet, and not so long that it wraps.

use super::*;

/// Largest plaintext that an honest party can meet: everybody else's masks and factors at the ends of what their proofs
/// let through (`docs/spec/params.md`, 1.2).
fn longest(level: Level, signers: u32) -> Integer {
    let p = level.parameters();
    let peer = power_of_two(p.ell_prime + p.epsilon)
        .add(&power_of_two(p.ell_prime - 1))
        .add(&power_of_two(2 * p.ell + p.epsilon - 1));
    integer((signers - 1).into()).mul(&peer).add(&power_of_two(2 * p.ell - 2))
}

/// with the longest masks that the proofs of the others admit, an honest party can prove, whatever their number.
#[test]
fn the_longest_honest_plaintexts_are_proved() {
    for signers in [2, 3, 4, 5, 20, 99, 100] {
        for y in [longest(Level::Tiny, signers), longest(Level::Tiny, signers).neg()] {
            let mut case = Case::<Toy>::with(Level::Tiny, 3, &integer(17), integer(5), y);
            case.signers = signers;
            assert_eq!(case.verify(&case.prove()), Ok(()), "{signers} signers");
        }
        for level in [Level::L112, Level::L128, Level::Fast] {
            assert!(longest(level, signers).is_within(plaintext_bits(level, signers)), "{signers} signers");
        }
    }
}

/// C5: whatever a verifier accepts, and a difference of two such, stays below `N/2`.
#[test]
fn no_accepted_response_wraps() {
    for level in [Level::L112, Level::L128, Level::Fast, Level::Tiny] {
        let p = level.parameters();
        let bits = plaintext_bits(level, crate::level::MAX_SIGNERS) + p.sigma;
        assert!(bits + 1 < p.modulus_bits - 1);
    }
}

/// A-5A: `y + N` is the same plaintext and another point; its response is too long.
#[test]
fn plaintexts_beyond_the_modulus_are_refused() {
    let n = Integer::from_natural(party(Level::Tiny, 0, 5).paillier.public().n().value());
    for j in [1, -1, 2] {
        let mut case = tiny();
        let honest = case.witness().unwrap();
        let y = honest.y.add(&n.mul(&integer(j)));
        case.S = case.base * Scalar::from_integer(&y);
        let proof = case.prove_with(&Witness { y, ..honest });
        assert_eq!(case.verify(&proof), Err(Rejection::Range("w")), "{j}");
        // The proof has nothing else against it: with a longer range it would pass.
        let e = case.challenge(&proof);
        for (one, e) in proof.repetitions.iter().zip(e) {
            let (left, right) = if e { (one.C + case.X, one.B + case.S) } else { (one.C, one.B) };
            assert_eq!(Point::mul_generator(&Scalar::from_integer(&one.z)), left);
            assert_eq!(case.base * Scalar::from_integer(&one.w), right);
        }
    }
}

/// What is too long is not proved, and a proof of it is refused.
#[test]
fn values_out_of_range_are_refused() {
    let p = Level::Tiny.parameters();
    let bits = plaintext_bits(Level::Tiny, 3);
    let end = power_of_two(bits - 1);
    let over = end.add(&integer(1));
    let with = |y: Integer| Case::<Toy>::with(Level::Tiny, 3, &integer(17), integer(5), y);
    assert!(with(end.clone()).witness().is_some() && with(end.neg()).witness().is_some());
    assert!(with(over.clone()).witness().is_none() && with(over.neg()).witness().is_none());

    let far = power_of_two(bits + p.sigma + 1);
    for y in [far.clone(), far.neg()] {
        let case = with(y.clone());
        let honest = tiny().witness().unwrap();
        let proof = case.prove_with(&Witness { x: integer(5), y, ..honest });
        assert_eq!(case.verify(&proof), Err(Rejection::Range("w")));
    }
    let x = power_of_two(p.ell + p.epsilon + 2);
    for x in [x.clone(), x.neg()] {
        let case = Case::<Toy>::with(Level::Tiny, 3, &integer(1), x.clone(), integer(9));
        assert_eq!(case.verify(&case.prove()), Err(Rejection::Range("z")));
    }
}

/// The responses are driven to the ends of their intervals: accepted there, refused one further.
#[test]
fn range_boundaries_are_closed() {
    let p = Level::Tiny.parameters();
    let case = tiny();
    let honest = case.prove();
    let ends = [("w", plaintext_bits(Level::Tiny, 3) + p.sigma, "S"), ("z", p.ell + p.epsilon, "X")];
    for (name, bits, equation) in ends {
        let end = power_of_two(bits - 1);
        let over = end.add(&integer(1));
        let with = |value: Integer| {
            let mut proof = honest.clone();
            let one = &mut proof.repetitions[3];
            if name == "w" {
                one.w = value
            } else {
                one.z = value
            }
            case.verify(&proof)
        };
        assert_eq!(with(end.clone()), refused(equation), "in range, judged by the equation");
        assert_eq!(with(end.neg()), refused(equation));
        assert_eq!(with(over.clone()), Err(Rejection::Range(name)));
        assert_eq!(with(over.neg()), Err(Rejection::Range(name)));
    }
    // A mask at the end, with the bit 0, is accepted; one further it is not.
    let end = power_of_two(plaintext_bits(Level::Tiny, 3) + p.sigma - 1);
    let accepted = |k: i128| {
        let beta = end.sub(&integer(k));
        case.forge(|masks| masks.beta = beta, |_| ()).is_ok()
    };
    assert!((0..40).any(accepted));
    assert_eq!(case.forge(|masks| masks.beta = end.add(&end), |_| ()), Err(Rejection::Range("w")));
}
