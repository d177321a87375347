//! Every check of Πsch refuses something on its own (attacks ).

use proptest::prelude::*;

use super::*;
use crate::context::Role;
use crate::curve::{Secp256k1, Toy};
use crate::level::Level;
use crate::testing::cases::{changed_contexts, check_encoding, check_every_change, context, rng};
use crate::testing::vectors::{self, Inputs};

/// A prover of a discrete logarithm.
struct Case<C: Curve> {
    context: Context<'static>,
    x: Scalar<C>,
    X: Point<C>,
    tau: Scalar<C>,
}

impl<C: Curve> Case<C> {
    fn new(level: Level, seed: u64) -> Self {
        Self::with(level, seed, Scalar::random_nonzero(&mut rng(seed)))
    }

    fn with(level: Level, seed: u64, x: Scalar<C>) -> Self {
        let tau = Commitment::<C>::random(&mut rng(seed + 1)).tau;
        Self { context: context(level, Role::KeyShare), x, X: Point::mul_generator(&x), tau }
    }

    fn first(&self) -> Commitment<C> {
        Commitment { tau: self.tau, A: Point::mul_generator(&self.tau) }
    }

    fn statement(&self) -> Statement<C> {
        Statement { X: self.X, A: self.first().public() }
    }

    fn prove(&self) -> Proof<C> {
        prove(&self.context, self.X, &self.x, self.first())
    }

    fn verify(&self, proof: &Proof<C>) -> Result<(), Rejection> {
        verify(&self.context, &self.statement(), proof)
    }
}

fn toy() -> Case<Toy> {
    Case::new(Level::Tiny, 5)
}

const WRONG: Result<(), Rejection> = Err(Rejection::Equation("schnorr"));

proptest! {
    #[test]
    fn honest_proofs_verify(seed in any::<u32>()) {
        let case = Case::<Toy>::new(Level::Tiny, seed.into());
        prop_assert_eq!(case.verify(&case.prove()), Ok(()));
    }
}

/// The caller decides about `X = O`: a coefficient of a refresh may be zero.
#[test]
fn extremes_verify() {
    for x in [Scalar::zero(), Scalar::one(), -Scalar::one()] {
        let case = Case::<Toy>::with(Level::Tiny, 3, x);
        assert_eq!(case.verify(&case.prove()), Ok(()));
        let case = Case::<Secp256k1>::with(Level::L128, 3, Scalar::from_natural(&x.to_natural()));
        assert_eq!(case.verify(&case.prove()), Ok(()));
    }
}

/// a key made from others' keys has no known logarithm; neither has any other point.
#[test]
fn other_keys_are_refused() {
    let mut case = toy();
    case.X = case.X - Case::<Toy>::new(Level::Tiny, 6).X;
    assert_eq!(case.verify(&case.prove()), WRONG);
    case.X = Point::identity();
    assert_eq!(case.verify(&case.prove()), WRONG);
}

#[test]
fn wrong_responses_are_refused() {
    let case = toy();
    let z = case.prove().z;
    for wrong in [z + Scalar::one(), -z, Scalar::zero(), case.tau, case.x] {
        assert_eq!(case.verify(&Proof { z: wrong }), WRONG);
    }
}

/// The first message was fixed by a commitment: another one, even a known one, does not fit.
#[test]
fn wrong_first_messages_are_refused() {
    let case = toy();
    let proof = case.prove();
    let more = Statement { A: case.first().public() + Point::generator(), ..case.statement() };
    assert_eq!(verify(&case.context, &more, &proof), WRONG);
    assert_eq!(verify(&case.context, &more, &Proof { z: proof.z + Scalar::one() }), WRONG);
}

/// `A = O` is refused even where the equation holds, and so are zeros.
#[test]
fn identity_as_first_message_is_refused() {
    let mut case = toy();
    case.tau = Scalar::zero();
    assert_eq!(case.verify(&case.prove()), Err(Rejection::Domain("A")));
    let zeros = Statement { X: Point::identity(), A: Point::identity() };
    let proof = Proof::<Toy> { z: Scalar::zero() };
    assert_eq!(verify(&case.context, &zeros, &proof), Err(Rejection::Domain("A")));
}

/// an honest proof is good for its own context only.
#[test]
fn context_is_bound() {
    let case = toy();
    let proof = case.prove();
    let e = challenge(&case.context, &case.statement());
    for (field, context) in changed_contexts(case.context) {
        assert_ne!(e, challenge(&context, &case.statement()), "{field}");
        assert_eq!(verify(&context, &case.statement(), &proof), WRONG, "{field}");
    }
}

/// both points enter the challenge.
#[test]
fn statement_is_bound() {
    let (case, other) = (toy(), Case::<Toy>::new(Level::Tiny, 6));
    let e = challenge(&case.context, &case.statement());
    let (honest, foreign) = (case.statement(), other.statement());
    for statement in [Statement { X: foreign.X, ..honest }, Statement { A: foreign.A, ..honest }] {
        assert_ne!(e, challenge(&case.context, &statement));
        assert_eq!(verify(&case.context, &statement, &case.prove()), WRONG);
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
        let (statement, proof) = (case.statement(), case.prove());
        assert_eq!(case.verify(&proof), Ok(()));
        let inputs = Inputs {
            statement: vec![("X", statement.X.to_bytes()), ("A", statement.A.to_bytes())],
            witness: vec![("x", case.x.to_bytes())],
            randomness: vec![vec![("tau", case.tau.to_bytes())]],
        };
        let e = challenge(&case.context, &statement);
        vectors::vector::<C, _>(level, &inputs, &[e.to_bytes()], &proof)
    }
    vectors::check("sch", &[vector::<Toy>(Level::Tiny), vector::<Secp256k1>(Level::L128)]);
}
