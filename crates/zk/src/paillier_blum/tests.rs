//! Every check of Πmod refuses something on its own (attacks ). The forgeries of whole
//! moduli are in `attacks.rs`.

use super::*;
use crate::context::Role;
use crate::curve::{Secp256k1, Toy};
use crate::level::Level;
use crate::powers::tests::on_a_broken_processor;
use crate::testing::cases::{changed_contexts, check_encoding, check_every_change, context, not_units, rng};
use crate::testing::vectors::{self, Inputs, natural};
use crate::testing::{Party, party};

mod attacks;

/// An owner of a modulus.
struct Case {
    context: Context<'static>,
    owner: Party,
}

impl Case {
    fn new(level: Level, seed: u64) -> Self {
        Self { context: context(level, Role::AuxMod), owner: party(level, 0, seed) }
    }

    fn factors(&self) -> &Factors {
        self.owner.paillier.factors()
    }

    fn statement(&self) -> Statement<'_> {
        Statement { N: self.factors().modulus() }
    }

    fn prove<C: Curve>(&self) -> Proof {
        let witness = Witness { factors: self.factors() };
        prove::<C>(&self.context, &self.statement(), &witness, &mut rng(99))
    }

    fn verify(&self, proof: &Proof) -> Result<(), Rejection> {
        verify::<Toy>(&self.context, &self.statement(), proof)
    }
}

/// Alters a response.
type Change<'a> = &'a dyn Fn(&mut Response);

fn tiny() -> Case {
    Case::new(Level::Tiny, 5)
}

#[test]
fn honest_proofs_verify() {
    for which in 0..5 {
        for seed in 0..4 {
            let case = Case { owner: party(Level::Tiny, which, seed), ..tiny() };
            assert_eq!(case.verify(&case.prove::<Toy>()), Ok(()), "party {which}, seed {seed}");
        }
    }
}

/// A mistake in the lanes accuses nobody, and who lies is refused for the same.
#[test]
fn a_broken_processor_accuses_nobody() {
    let case = tiny();
    let honest = case.prove::<Toy>();
    assert_eq!(on_a_broken_processor(|| case.verify(&honest)), Ok(()));
    let mut wrong = honest;
    wrong.responses[3].z = wrong.responses[4].z.clone();
    assert_eq!(on_a_broken_processor(|| case.verify(&wrong)), Err(Rejection::Equation("N-th root")));
}

/// too few or too many responses, also those of a lower level, and none at all.
#[test]
fn wrong_lengths_are_refused() {
    let case = tiny();
    let honest = case.prove::<Toy>();
    let m = Level::Tiny.parameters().repetitions;
    let lower = Level::Fast.parameters().repetitions;
    assert!(lower < m);
    for count in [0, 1, lower, m - 1, m + 1] {
        let responses = honest.responses.iter().cycle().take(count).cloned().collect();
        let proof = Proof { responses, ..honest.clone() };
        assert_eq!(case.verify(&proof), Err(Rejection::Length("responses")), "{count}");
    }
}

#[test]
fn wrong_responses_are_refused() {
    let case = tiny();
    let N = case.factors().modulus().clone();
    let honest = case.prove::<Toy>();
    let times_4 = |value: &Natural| Natural::new(&N.mul(value.value(), &BoxedUint::from(4_u8)));
    let cases: [(_, Change<'_>); 5] = [
        ("fourth root", &|response| response.x = times_4(&response.x)),
        ("fourth root", &|response| response.a = !response.a),
        ("fourth root", &|response| response.b = !response.b),
        ("N-th root", &|response| response.z = times_4(&response.z)),
        ("N-th root", &|response| response.z = Natural::new(&N.neg(response.z.value()))),
    ];
    for (equation, change) in cases {
        for index in 0..honest.responses.len() {
            let mut proof = honest.clone();
            change(&mut proof.responses[index]);
            assert_eq!(case.verify(&proof), Err(Rejection::Equation(equation)), "response {index}");
        }
    }
    let mut swapped = honest;
    swapped.responses.swap(0, 1);
    assert_eq!(case.verify(&swapped), Err(Rejection::Equation("fourth root")));
}

/// All four fourth roots of a challenge are as good as the principal one: a proof is not unique, what it proves is.
#[test]
fn other_fourth_roots_are_accepted() {
    let case = tiny();
    let mut proof = case.prove::<Toy>();
    let N = case.factors().modulus();
    proof.responses[0].x = Natural::new(&N.neg(proof.responses[0].x.value()));
    assert_eq!(case.verify(&proof), Ok(()));
}

/// zero, the modulus, multiples of a factor, and a number increased by the modulus; zeros only.
#[test]
fn non_units_are_refused() {
    let case = tiny();
    let honest = case.prove::<Toy>();
    for bad in not_units(case.factors().modulus(), case.factors().p()) {
        let proof = Proof { w: bad.clone(), ..honest.clone() };
        assert_eq!(case.verify(&proof), Err(Rejection::Unit("w")));
        for index in [0, 7, 19] {
            let mut proof = honest.clone();
            proof.responses[index].x = bad.clone();
            assert_eq!(case.verify(&proof), Err(Rejection::Unit("x")));
            let mut proof = honest.clone();
            proof.responses[index].z = bad.clone();
            assert_eq!(case.verify(&proof), Err(Rejection::Unit("z")));
        }
    }
    let zero = Natural::new(&BoxedUint::zero());
    let response = Response { x: zero.clone(), a: false, b: false, z: zero.clone() };
    let zeros = Proof { w: zero, responses: vec![response; honest.responses.len()] };
    assert_eq!(case.verify(&zeros), Err(Rejection::Unit("w")));
    let proof = Proof { w: honest.w, ..zeros };
    assert_eq!(case.verify(&proof), Err(Rejection::Unit("x")));
}

/// the challenges of one proof are distinct units, spread over the whole range, and all change with any input.
#[test]
fn challenges_are_distinct_units() {
    let case = tiny();
    let N = case.factors().modulus();
    let w = |value: u64| Natural::new(&BoxedUint::from(value));
    let draw = |w: &Natural| challenge::<Toy>(&case.context, &case.statement(), w).unwrap();
    let all: Vec<_> = (2..12).flat_map(|value| draw(&w(value))).collect();
    assert_eq!(all.len(), 10 * Level::Tiny.parameters().repetitions);
    assert!(all.iter().all(|y| N.is_unit(y)));
    for (index, y) in all.iter().enumerate() {
        assert!(!all[..index].contains(y), "challenge {index} repeats");
    }
    let half = N.value().shr(1);
    let large = all.iter().filter(|y| y.cmp_vartime(&half).is_gt()).count();
    assert!((60..140).contains(&large), "{large} of 200 in the upper half");
    for bit in 0..64 {
        for (old, new) in draw(&w(0)).iter().zip(draw(&w(1 << bit))) {
            assert_ne!(*old, new, "bit {bit} of w");
        }
    }
}

/// an honest proof is good for its own context only.
#[test]
fn context_is_bound() {
    let case = tiny();
    let proof = case.prove::<Toy>();
    let e = challenge::<Toy>(&case.context, &case.statement(), &proof.w).unwrap();
    for (field, context) in changed_contexts(case.context) {
        let other = challenge::<Toy>(&context, &case.statement(), &proof.w).unwrap();
        assert!(e.iter().zip(&other).all(|(y, other)| y != other), "{field}");
        assert!(verify::<Toy>(&context, &case.statement(), &proof).is_err(), "{field}");
    }
    let equation = Err(Rejection::Equation("fourth root"));
    let context = Context { prover: 2, ..case.context };
    assert_eq!(verify::<Toy>(&context, &case.statement(), &proof), equation);
    assert_eq!(verify::<Secp256k1>(&case.context, &case.statement(), &proof), equation, "curve");
}

/// `N` and `w` enter the challenge.
#[test]
fn statement_and_first_message_are_bound() {
    let case = tiny();
    let proof = case.prove::<Toy>();
    let other = Case { owner: party(Level::Tiny, 1, 5), ..tiny() };
    assert!(other.verify(&proof).is_err());
    // Another w of the right kind: only the responses with b = 0 would still fit were it not hashed.
    let N = case.factors().modulus();
    let w = Natural::new(&N.mul(proof.w.value(), &BoxedUint::from(4_u8)));
    let changed = Proof { w, ..proof };
    assert_eq!(case.verify(&changed), Err(Rejection::Equation("fourth root")));
}

/// a list longer than any level's is not even read.
#[test]
fn encoding_is_canonical() {
    let proof = tiny().prove::<Toy>();
    check_encoding(&proof);
    let responses = proof.responses.iter().cycle().take(129).cloned().collect();
    let bytes = postcard::to_stdvec(&Proof { responses, ..proof }).unwrap();
    assert!(postcard::from_bytes::<Proof>(&bytes).is_err());
}

/// no other bytes are a proof of the same, and none make the verifier panic.
#[test]
fn changed_bytes_are_refused() {
    let case = tiny();
    check_every_change(&case.prove::<Toy>(), 11, |proof| case.verify(proof));
}

#[test]
fn frozen_vectors() {
    fn vector<C: Curve>(level: Level) -> serde_json::Value {
        let case = Case::new(level, 1);
        let statement = case.statement();
        let proof = case.prove::<C>();
        assert_eq!(verify::<C>(&case.context, &statement, &proof), Ok(()));
        let factors = case.factors();
        // All that is drawn is w, which the proof contains.
        let inputs = Inputs {
            statement: vec![("N", natural(factors.modulus().value()))],
            witness: vec![("p", natural(factors.p())), ("q", natural(factors.q()))],
            randomness: vec![vec![("w", proof.w.to_bytes())]],
        };
        let y = challenge::<C>(&case.context, &statement, &proof.w).unwrap();
        vectors::vector::<C, _>(level, &inputs, &y.iter().map(natural).collect::<Vec<_>>(), &proof)
    }
    vectors::check("paillier_blum", &[vector::<Toy>(Level::Tiny), vector::<Secp256k1>(Level::L128)]);
}
