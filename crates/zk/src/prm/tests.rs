//! Every check of Πprm refuses something on its own (attacks, A-0B, A-21 to ).

use super::*;
use crate::context::Role;
use crate::curve::{Secp256k1, Toy};
use crate::level::Level;
use crate::powers::tests::on_a_broken_processor;
use crate::ring_pedersen::Parameters;
use crate::testing::cases::{
    changed_contexts, check_encoding, check_every_change, context, integer, multiple, not_units,
    other_modulus, rng,
};
use crate::testing::vectors::{self, Inputs, natural};
use crate::testing::{Party, party};

/// An owner of parameters.
struct Case {
    context: Context<'static>,
    owner: Party,
}

impl Case {
    fn new(level: Level, seed: u64) -> Self {
        Self { context: context(level, Role::AuxPrm), owner: party(level, 0, seed) }
    }

    fn statement(&self) -> Statement<'_> {
        Statement { ring: &self.owner.ring }
    }

    fn witness(&self) -> Witness<'_> {
        Witness { factors: &self.owner.ring_factors, lambda: self.owner.lambda.expose() }
    }

    fn prove<C: Curve>(&self) -> Proof {
        prove::<C>(&self.context, &self.statement(), &self.witness(), &mut rng(99))
    }

    fn verify(&self, proof: &Proof) -> Result<(), Rejection> {
        verify::<Toy>(&self.context, &self.statement(), proof)
    }

    fn challenge(&self, proof: &Proof) -> Vec<bool> {
        challenge::<Toy>(&self.context, &self.statement(), proof.repetitions.iter().map(|r| &r.A))
    }

    /// The answers of an owner who knows `lambda` for other bases than those stated.
    fn lie(&self) -> Proof {
        let count = self.context.level.parameters().repetitions;
        let largest = self.owner.ring.modulus().value().shr(1);
        let masks: Vec<_> =
            (0..count).map(|_| Zeroizing::new(uniform_at_most(&largest, &mut rng(98)))).collect();
        answer::<Toy>(&self.context, &self.statement(), &self.witness(), &masks)
    }

    /// Other bases, if they pass the domain checks.
    fn set(&mut self, s: &BoxedUint, t: &BoxedUint) -> Result<(), Rejection> {
        let parameters =
            Parameters { s: Natural::new(s), t: Natural::new(t), ..self.owner.ring.parameters() };
        self.owner.ring = RingPedersen::new(&parameters, self.context.level)?;
        Ok(())
    }
}

fn tiny() -> Case {
    Case::new(Level::Tiny, 5)
}

const WRONG: Result<(), Rejection> = Err(Rejection::Equation("power of t"));

/// The number that is 1 modulo the first factor of `N^` and -1 modulo the second: of order 2, Jacobi symbol -1.
fn root_of_one(factors: &Factors) -> BoxedUint {
    factors.combine(&BoxedUint::one(), &factors.q_modulus().neg(&BoxedUint::one()))
}

#[test]
fn honest_proofs_verify() {
    for seed in 0..20 {
        let case = Case::new(Level::Tiny, seed);
        assert_eq!(case.verify(&case.prove::<Toy>()), Ok(()), "seed {seed}");
        assert_eq!(case.verify(&case.lie()), Ok(()), "the honest answers of the forger, seed {seed}");
    }
}

/// A mistake in the lanes or in a table accuses nobody, and who lies is refused for the same.
#[test]
fn a_broken_processor_accuses_nobody() {
    for tables in [false, true] {
        let case = tiny();
        if tables {
            RingPedersen::prepare([&case.owner.ring]);
        }
        let honest = case.prove::<Toy>();
        assert_eq!(on_a_broken_processor(|| case.verify(&honest)), Ok(()));
        let mut wrong = honest;
        wrong.repetitions[3].z = Natural::new(&BoxedUint::from(5_u8));
        assert_eq!(on_a_broken_processor(|| case.verify(&wrong)), WRONG);
    }
}

/// too few or too many repetitions, also those of a lower level, and none at all.
#[test]
fn wrong_lengths_are_refused() {
    let case = tiny();
    let honest = case.prove::<Toy>().repetitions;
    let m = Level::Tiny.parameters().repetitions;
    let lower = Level::Fast.parameters().repetitions;
    assert!(lower < m);
    for count in [0, 1, lower, m - 1, m + 1] {
        let repetitions = honest.iter().cycle().take(count).cloned().collect();
        assert_eq!(case.verify(&Proof { repetitions }), Err(Rejection::Length("repetitions")), "{count}");
    }
}

/// the bits of a short challenge can be guessed, those of the whole cannot.
#[test]
fn guessed_challenges_are_refused() {
    let mut case = tiny();
    let t = case.owner.ring.t().clone();
    // A square that is no power of t with a known exponent: every bit guessed to be 0.
    case.set(&BoxedUint::from(4_u8), &t).unwrap();
    let repetitions = (1..=20_u64)
        .map(|z| {
            let z = BoxedUint::from(z);
            let A = case.owner.ring_factors.powers(&[(&t, &z)]).remove(0);
            Repetition { A: Natural::new(&A), z: Natural::new(&z) }
        })
        .collect();
    assert_eq!(case.verify(&Proof { repetitions }), WRONG);
}

/// bases outside their domain are no parameters at all.
#[test]
fn trivial_bases_are_refused() {
    let mut case = tiny();
    let modulus = case.owner.ring.modulus().clone();
    let (s, t) = (case.owner.ring.s().clone(), case.owner.ring.t().clone());
    let (zero, one) = (BoxedUint::zero(), BoxedUint::one());
    let (minus_one, p) = (modulus.neg(&one), case.owner.ring_factors.p().clone());
    let above = multiple(modulus.value(), 1);
    let order_2 = root_of_one(&case.owner.ring_factors);
    for bad in [&zero, &one, &minus_one, &p, &above, &order_2] {
        assert_eq!(case.set(bad, &t), Err(Rejection::Domain("s")));
        assert_eq!(case.set(&s, bad), Err(Rejection::Domain("t")));
    }
    assert_eq!(case.set(&t, &t), Err(Rejection::Domain("s")));
    let other_residue = modulus.mul(&s, &order_2);
    assert_eq!(case.set(&other_residue, &t), Err(Rejection::Domain("s")), "Jacobi symbol -1");
}

/// `s` outside the group of `t`, or a power of it with another exponent, cannot be proved; neither by the owner
/// of the factors, who knows the exponent of all but a factor of small order.
#[test]
fn bases_outside_the_group_are_refused() {
    let honest = tiny();
    let modulus = honest.owner.ring.modulus().clone();
    let (s, t) = (honest.owner.ring.s().clone(), honest.owner.ring.t().clone());
    let mut refused = 0;
    // -1 has order 2 and Jacobi symbol 1 modulo a Blum integer: -s passes the domain checks, and is a non-residue.
    for wrong in [modulus.neg(&s), modulus.neg(&t), modulus.mul(&s, &t), BoxedUint::from(4_u8)] {
        let mut case = tiny();
        case.set(&wrong, &t).unwrap();
        assert_eq!(case.verify(&case.lie()), WRONG);
        refused += 1;
    }
    // And t itself a non-residue while s is a square: then only half of the exponents fit, not the known one.
    let mut case = tiny();
    case.set(&s, &modulus.neg(&t)).unwrap();
    assert!(case.owner.lambda.expose().bit_vartime(0), "an odd exponent shows the sign");
    assert_eq!(case.verify(&case.lie()), WRONG);
    assert_eq!(refused, 4);
}

/// with one integer challenge `e`, `s = -t^lambda` would pass for every even `e`. There is no place for it: each
/// repetition has a bit, and `s^2` in place of `s` is refused.
#[test]
fn challenges_are_bits() {
    let case = tiny();
    let bits = case.challenge(&case.prove::<Toy>());
    assert_eq!(bits.len(), Level::Tiny.parameters().repetitions);
    assert!(bits.contains(&true) && bits.contains(&false));
    let mut lie = tiny();
    let (modulus, t) = (lie.owner.ring.modulus().clone(), lie.owner.ring.t().clone());
    lie.set(&modulus.neg(lie.owner.ring.s()), &t).unwrap();
    let mut proof = lie.lie();
    // Answer every challenge as if it were 2, where the sign of s vanishes.
    let lambda = case.owner.lambda.expose();
    let phi = case.owner.ring_factors.phi();
    for (z, repetition) in (1..=20_u64).zip(&mut proof.repetitions) {
        let mask = Integer::from_natural(&BoxedUint::from(z));
        repetition.A = Natural::new(&case.owner.ring_factors.powers(&[(&t, mask.magnitude())]).remove(0));
        let z = mask.add(&Integer::from_natural(lambda).mul(&integer(2)));
        repetition.z = Natural::new(&z.magnitude().rem(&NonZero::new(phi.clone()).unwrap()));
    }
    assert_eq!(lie.verify(&proof), WRONG);
}

/// A-0B: were `s` not hashed, one could fix `A`, `e` and `z` and solve for `s`.
#[test]
fn base_solved_for_after_the_challenge_is_refused() {
    let mut case = tiny();
    let honest = case.prove::<Toy>();
    let bits = case.challenge(&honest);
    let (modulus, t) = (case.owner.ring.modulus().clone(), case.owner.ring.t().clone());
    // With s t in place of s every equation of the old challenge holds once z is one more where e = 1.
    let mut proof = honest;
    for (repetition, _) in proof.repetitions.iter_mut().zip(&bits).filter(|(_, e)| **e) {
        repetition.z = Natural::new(&repetition.z.value().wrapping_add(BoxedUint::one()));
    }
    let solved = modulus.mul(case.owner.ring.s(), &t);
    for (repetition, e) in proof.repetitions.iter().zip(&bits) {
        let left = case.owner.ring_factors.powers(&[(&t, repetition.z.value())]).remove(0);
        let A = repetition.A.value().clone();
        assert_eq!(left, if *e { modulus.mul(&A, &solved) } else { A }, "the old challenge is met");
    }
    case.set(&solved, &t).unwrap();
    assert_ne!(case.challenge(&proof), bits);
    assert_eq!(case.verify(&proof), WRONG);
}

#[test]
fn wrong_repetitions_are_refused() {
    let case = tiny();
    let honest = case.prove::<Toy>();
    let modulus = case.owner.ring.modulus();
    for index in 0..honest.repetitions.len() {
        let mut proof = honest.clone();
        let z = &mut proof.repetitions[index].z;
        *z = Natural::new(&modulus.add(z.value(), &BoxedUint::one()));
        assert_eq!(case.verify(&proof), WRONG, "z of {index}");
        let mut proof = honest.clone();
        let A = &mut proof.repetitions[index].A;
        *A = Natural::new(&modulus.neg(A.value()));
        assert_eq!(case.verify(&proof), WRONG, "A of {index}");
    }
    let mut swapped = honest.clone();
    swapped.repetitions.swap(0, 1);
    assert_eq!(case.verify(&swapped), WRONG);
}

/// `z` is below `N^`; between `phi` and `N^` a second answer to the same exponent exists and is harmless.
#[test]
fn decoder_bound_of_z() {
    let case = tiny();
    let honest = case.prove::<Toy>();
    let n = case.owner.ring.modulus().value();
    let with = |z: &BoxedUint| {
        let mut proof = honest.clone();
        proof.repetitions[3].z = Natural::new(z);
        case.verify(&proof)
    };
    assert_eq!(with(&n.wrapping_sub(BoxedUint::one())), WRONG);
    assert_eq!(with(n), Err(Rejection::Bound("z")));
    let sum = Integer::from_natural(honest.repetitions[3].z.value()).add(&Integer::from_natural(n));
    assert_eq!(with(sum.magnitude()), Err(Rejection::Bound("z")));
    assert_eq!(with(&multiple(n, 1 << 40)), Err(Rejection::Bound("z")));
    assert_eq!(with(&BoxedUint::zero()), WRONG);
}

/// zero, the modulus, multiples of a factor, and a number increased by the modulus; zeros only.
#[test]
fn non_units_are_refused() {
    let case = tiny();
    let honest = case.prove::<Toy>();
    for bad in not_units(case.owner.ring.modulus(), case.owner.ring_factors.p()) {
        for index in [0, 7, 19] {
            let mut proof = honest.clone();
            proof.repetitions[index].A = bad.clone();
            assert_eq!(case.verify(&proof), Err(Rejection::Unit("A")));
        }
    }
    let zero = Natural::new(&BoxedUint::zero());
    let repetitions = vec![Repetition { A: zero.clone(), z: zero }; honest.repetitions.len()];
    assert_eq!(case.verify(&Proof { repetitions }), Err(Rejection::Unit("A")));
}

/// Parameters of another level are refused whatever is proved about them.
#[test]
fn modulus_of_another_level_is_refused() {
    let case = Case::new(Level::Fast, 5);
    let context = Context { level: Level::L112, ..case.context };
    let mut proof = case.prove::<Toy>();
    proof.repetitions = proof.repetitions.iter().cycle().take(128).cloned().collect();
    assert_eq!(verify::<Toy>(&context, &case.statement(), &proof), Err(Rejection::Domain("N^")));
}

/// an honest proof is good for its own context only.
#[test]
fn context_is_bound() {
    let case = tiny();
    let proof = case.prove::<Toy>();
    let e = case.challenge(&proof);
    for (field, context) in changed_contexts(case.context) {
        let first = proof.repetitions.iter().map(|r| &r.A);
        assert_ne!(e, challenge::<Toy>(&context, &case.statement(), first), "{field}");
        assert!(verify::<Toy>(&context, &case.statement(), &proof).is_err(), "{field}");
    }
    let first = proof.repetitions.iter().map(|r| &r.A);
    assert_ne!(e, challenge::<Secp256k1>(&case.context, &case.statement(), first), "curve");
}

/// parameters and all first messages enter the challenge before a bit of it is known.
#[test]
fn statement_and_first_messages_are_bound() {
    let case = tiny();
    let proof = case.prove::<Toy>();
    let e = case.challenge(&proof);
    let modulus = case.owner.ring.modulus().clone();
    let (s, t) = (case.owner.ring.s().clone(), case.owner.ring.t().clone());
    for (s, t) in [(modulus.square(&s), t.clone()), (s.clone(), modulus.square(&t))] {
        let mut changed = tiny();
        changed.set(&s, &t).unwrap();
        assert_ne!(e, changed.challenge(&proof));
        assert_eq!(changed.verify(&proof), WRONG);
    }
    let mut other = tiny();
    other.owner.ring = other_modulus(&case.owner.ring, Level::Tiny);
    assert_ne!(e, other.challenge(&proof));
    assert!(other.verify(&proof).is_err());
    for index in 0..proof.repetitions.len() {
        let mut changed = proof.clone();
        changed.repetitions[index].A = Natural::new(&t);
        assert_ne!(e, case.challenge(&changed), "{index}");
    }
}

/// a list longer than any level's is not even read.
#[test]
fn encoding_is_canonical() {
    let proof = tiny().prove::<Toy>();
    check_encoding(&proof);
    let long = Proof { repetitions: proof.repetitions.iter().cycle().take(129).cloned().collect() };
    let bytes = postcard::to_stdvec(&long).unwrap();
    assert!(postcard::from_bytes::<Proof>(&bytes).is_err());
    let longest = Proof { repetitions: long.repetitions[..128].to_vec() };
    assert_eq!(postcard::from_bytes::<Proof>(&postcard::to_stdvec(&longest).unwrap()).unwrap(), longest);
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
        let (statement, witness) = (case.statement(), case.witness());
        let proof = case.prove::<C>();
        assert_eq!(verify::<C>(&case.context, &statement, &proof), Ok(()));
        let masks = masks(level, witness.factors, &mut rng(99));
        assert_eq!(answer::<C>(&case.context, &statement, &witness, &masks), proof);
        let rp = case.owner.ring.parameters();
        let inputs = Inputs {
            statement: vec![("N^", rp.modulus.to_bytes()), ("s", rp.s.to_bytes()), ("t", rp.t.to_bytes())],
            witness: vec![
                ("p", natural(witness.factors.p())),
                ("q", natural(witness.factors.q())),
                ("lambda", natural(witness.lambda)),
            ],
            randomness: masks.iter().map(|a| vec![("a", natural(a))]).collect(),
        };
        let e = challenge::<C>(&case.context, &statement, proof.repetitions.iter().map(|r| &r.A));
        vectors::vector::<C, _>(level, &inputs, &vectors::bits(e), &proof)
    }
    vectors::check("prm", &[vector::<Toy>(Level::Tiny), vector::<Secp256k1>(Level::L128)]);
}

/// What an owner asks of its own proof before it leaves: whatever went wrong in one repetition is seen.
#[test]
fn an_own_proof_that_is_wrong_does_not_leave() {
    let case = tiny();
    let factors = case.witness().factors;
    let modulus = case.owner.ring.modulus();
    let honest = case.prove::<Toy>();
    let holds = |proof: &Proof| holds::<Toy>(&case.context, &case.statement(), factors, proof);
    assert!(holds(&honest));
    let other =
        |x: &BoxedUint, by: &BoxedUint| Natural::new(&modulus.mul(&modulus.reduce(x), &modulus.reduce(by)));
    let p_and_one = factors.p().wrapping_add(BoxedUint::one());
    let q_and_one = factors.q().wrapping_add(BoxedUint::one());
    for index in 0..honest.repetitions.len() {
        let mut wrong = Vec::new();
        for by in [&p_and_one, &q_and_one, &BoxedUint::from(2_u8)] {
            let mut proof = honest.clone();
            proof.repetitions[index].A = other(proof.repetitions[index].A.value(), by);
            wrong.push(proof);
        }
        // As far off as a reduction that was left out, which the equation does not see.
        for more in [BoxedUint::one(), factors.phi().clone()] {
            let mut proof = honest.clone();
            let z = proof.repetitions[index].z.value().concatenating_add(more);
            proof.repetitions[index].z = Natural::new(&z);
            wrong.push(proof);
        }
        assert!(wrong.iter().all(|proof| !holds(proof)), "repetition {index}");
    }
    let mut shorter = honest.clone();
    shorter.repetitions.pop();
    assert!(!holds(&shorter));
}
