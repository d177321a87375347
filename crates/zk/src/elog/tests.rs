//! Every check of Πelog refuses something on its own (attacks ).

use proptest::prelude::*;

use super::*;
use crate::context::Role;
use crate::curve::{Secp256k1, Toy};
use crate::level::Level;
use crate::testing::cases::{changed_contexts, check_encoding, check_every_change, context, rng};
use crate::testing::vectors::{self, Inputs};

/// A prover with a committed value and its power.
struct Case<C: Curve> {
    context: Context<'static>,
    y: Scalar<C>,
    lambda: Scalar<C>,
    statement: Statement<C>,
}

impl<C: Curve> Case<C> {
    fn new(level: Level, seed: u64) -> Self {
        let mut rng = rng(seed);
        let (y, lambda) = (Scalar::random_nonzero(&mut rng), Scalar::random_nonzero(&mut rng));
        let X = elgamal::random_key(&mut rng);
        let h = Point::mul_generator(&Scalar::random_nonzero(&mut rng));
        let commitment = elgamal::commit(&X, &y, &lambda);
        let statement = Statement { commitment, X, Y: h * y, h };
        Self { context: context(level, Role::Elog), y, lambda, statement }
    }

    fn prove(&self) -> Proof<C> {
        let witness = Witness { y: &self.y, lambda: &self.lambda };
        prove(&self.context, &self.statement, &witness, Masks::random(&mut rng(99)))
    }

    fn verify(&self, proof: &Proof<C>) -> Result<(), Rejection> {
        verify(&self.context, &self.statement, proof)
    }

    fn challenge(&self, proof: &Proof<C>) -> Scalar<C> {
        challenge(&self.context, &self.statement, [&proof.A, &proof.N, &proof.B])
    }

    /// A proof with given masks and altered first messages, answered honestly otherwise.
    fn forge(&self, [alpha, m]: [Scalar<C>; 2], lie: impl FnOnce(&mut Proof<C>)) -> Result<(), Rejection> {
        let Statement { X, h, .. } = self.statement;
        let A = Point::mul_generator(&alpha);
        let N = Point::mul_generator(&m) + X * alpha;
        let mut proof = Proof { A, N, B: h * m, z: Scalar::zero(), u: Scalar::zero() };
        lie(&mut proof);
        let e = self.challenge(&proof);
        (proof.z, proof.u) = (alpha + e * self.lambda, m + e * self.y);
        self.verify(&proof)
    }
}

/// Alters a statement or a proof.
type Change = fn(&mut Statement<Toy>, &mut Proof<Toy>);
/// Alters a statement with the help of a point.
type Shift = fn(&mut Statement<Toy>, Point<Toy>);

fn toy() -> Case<Toy> {
    Case::new(Level::Tiny, 5)
}

fn refused(equation: &'static str) -> Result<(), Rejection> {
    Err(Rejection::Equation(equation))
}

proptest! {
    #[test]
    fn honest_proofs_verify(seed in any::<u32>()) {
        let case = Case::<Toy>::new(Level::Tiny, seed.into());
        prop_assert_eq!(case.verify(&case.prove()), Ok(()));
    }
}

/// the point `Y` has another logarithm than the committed one, though the prover knows it; or the commitment
/// is to another value.
#[test]
fn inconsistent_statements_are_refused() {
    let G = Point::generator();
    let cases: [(_, Shift); 5] = [
        ("Y", |statement, G| statement.Y = statement.Y + G),
        ("Y", |statement, G| statement.h = statement.h + G),
        ("L", |statement, G| statement.commitment.randomness = statement.commitment.randomness + G),
        ("M", |statement, G| statement.commitment.value = statement.commitment.value + G),
        ("Y", |statement, _| statement.Y = -statement.Y),
    ];
    for (equation, change) in cases {
        let mut case = toy();
        change(&mut case.statement, G);
        assert_eq!(case.verify(&case.prove()), refused(equation));
    }
    // A rushing prover aims at a chosen sum of all Γ.
    let mut case = toy();
    case.statement.Y = Point::mul_generator(&Scalar::from_u64(77)) - case.statement.Y;
    assert_eq!(case.verify(&case.prove()), refused("Y"));
    // Another key: the commitment does not open to y any more.
    let mut case = toy();
    case.statement.X = case.statement.X + G;
    assert_eq!(case.verify(&case.prove()), refused("M"));
}

#[test]
fn wrong_first_messages_are_refused() {
    let case = toy();
    let G = Point::generator();
    let masks = [Scalar::from_u64(1234), Scalar::from_u64(5678)];
    assert_eq!(case.forge(masks, |_| ()), Ok(()));
    assert_eq!(case.forge(masks, |proof| proof.A = proof.A + G), refused("L"));
    assert_eq!(case.forge(masks, |proof| proof.N = proof.N + G), refused("M"));
    assert_eq!(case.forge(masks, |proof| proof.B = proof.B + G), refused("Y"));
}

#[test]
fn wrong_responses_are_refused() {
    let case = toy();
    let honest = case.prove();
    let cases = [
        ("L", Proof { z: honest.z + Scalar::one(), ..honest }),
        ("L", Proof { z: Scalar::zero(), ..honest }),
        ("M", Proof { u: honest.u + Scalar::one(), ..honest }),
        ("M", Proof { u: -honest.u, ..honest }),
    ];
    for (equation, proof) in cases {
        assert_eq!(case.verify(&proof), refused(equation));
    }
}

/// With `h = O` every `y` has `Y = O`; a proof about that says nothing, so it is refused, as is the identity anywhere.
#[test]
fn identity_points_are_refused() {
    let O = Point::identity();
    let mut case = toy();
    (case.statement.h, case.statement.Y) = (O, O);
    assert_eq!(case.verify(&case.prove()), Err(Rejection::Domain("h")));
    let cases: [(_, Change); 7] = [
        ("L", |statement, _| statement.commitment.randomness = Point::identity()),
        ("M", |statement, _| statement.commitment.value = Point::identity()),
        ("X", |statement, _| statement.X = Point::identity()),
        ("Y", |statement, _| statement.Y = Point::identity()),
        ("A", |_, proof| proof.A = Point::identity()),
        ("N", |_, proof| proof.N = Point::identity()),
        ("B", |_, proof| proof.B = Point::identity()),
    ];
    for (name, change) in cases {
        let mut case = toy();
        let mut proof = case.prove();
        change(&mut case.statement, &mut proof);
        assert_eq!(case.verify(&proof), Err(Rejection::Domain(name)));
    }
    // Masks of zero make such messages though every equation holds.
    let zeros = [Scalar::zero(), Scalar::zero()];
    assert_eq!(toy().forge(zeros, |_| ()), Err(Rejection::Domain("A")));
}

/// proofs of zeros only.
#[test]
fn zero_proofs_are_refused() {
    let O = Point::<Toy>::identity();
    let zeros = Proof { A: O, N: O, B: O, z: Scalar::zero(), u: Scalar::zero() };
    assert_eq!(toy().verify(&zeros), Err(Rejection::Domain("A")));
    let G = Point::generator();
    assert_eq!(toy().verify(&Proof { A: G, N: G, B: G, ..zeros }), refused("L"));
}

/// an honest proof is good for its own context only.
#[test]
fn context_is_bound() {
    let case = toy();
    let proof = case.prove();
    let e = case.challenge(&proof);
    for (field, context) in changed_contexts(case.context) {
        assert_ne!(e, challenge(&context, &case.statement, [&proof.A, &proof.N, &proof.B]), "{field}");
        assert_eq!(verify(&context, &case.statement, &proof), refused("L"), "{field}");
    }
}

/// every field of the statement and every first message enters the challenge.
#[test]
fn statement_and_first_messages_are_bound() {
    let (case, other) = (toy(), Case::<Toy>::new(Level::Tiny, 6));
    let proof = case.prove();
    let e = case.challenge(&proof);
    let (honest, changed) = (case.statement, other.statement);
    let commitment = |randomness, value| elgamal::Commitment { randomness, value };
    let (own, theirs) = (honest.commitment, changed.commitment);
    let statements = [
        ("L", Statement { commitment: commitment(theirs.randomness, own.value), ..honest }),
        ("M", Statement { commitment: commitment(own.randomness, theirs.value), ..honest }),
        ("X", Statement { X: changed.X, ..honest }),
        ("Y", Statement { Y: changed.Y, ..honest }),
        ("h", Statement { h: changed.h, ..honest }),
    ];
    for (field, statement) in statements {
        assert_ne!(e, challenge(&case.context, &statement, [&proof.A, &proof.N, &proof.B]), "{field}");
        assert!(verify(&case.context, &statement, &proof).is_err(), "{field}");
    }
    let G = Point::generator();
    let firsts = [
        ("A", Proof { A: proof.A + G, ..proof }),
        ("N", Proof { N: proof.N + G, ..proof }),
        ("B", Proof { B: proof.B + G, ..proof }),
    ];
    for (field, proof) in firsts {
        assert_ne!(e, case.challenge(&proof), "{field}");
        assert!(case.verify(&proof).is_err(), "{field}");
    }
}

#[test]
fn encoding_is_canonical() {
    check_encoding(&toy().prove());
    check_encoding(&Case::<Secp256k1>::new(Level::L128, 5).prove());
}

/// no other bytes are a proof of the same, and none make the verifier panic.
#[test]
fn changed_bytes_are_refused() {
    let case = toy();
    check_every_change(&case.prove(), 1, |proof| case.verify(proof));
}

#[test]
fn frozen_vectors() {
    fn vector<C: Curve>(level: Level) -> serde_json::Value {
        let case = Case::<C>::new(level, 1);
        let proof = case.prove();
        assert_eq!(case.verify(&proof), Ok(()));
        let mut masks = rng(99);
        let (alpha, m) = (Scalar::<C>::random(&mut masks), Scalar::<C>::random(&mut masks));
        assert_eq!((proof.A, proof.B), (Point::mul_generator(&alpha), case.statement.h * m));
        let Statement { commitment, X, Y, h } = case.statement;
        let points = [("L", commitment.randomness), ("M", commitment.value), ("X", X), ("Y", Y), ("h", h)];
        let inputs = Inputs {
            statement: points.map(|(name, point)| (name, point.to_bytes())).into(),
            witness: vec![("y", case.y.to_bytes()), ("lambda", case.lambda.to_bytes())],
            randomness: vec![vec![("alpha", alpha.to_bytes()), ("m", m.to_bytes())]],
        };
        vectors::vector::<C, _>(level, &inputs, &[case.challenge(&proof).to_bytes()], &proof)
    }
    vectors::check("elog", &[vector::<Toy>(Level::Tiny), vector::<Secp256k1>(Level::L128)]);
}
