//! Every check of Πfac refuses something on its own (attacks A-01, A-03, A-21 to A-28, A-40, A-41).

use super::*;
use crate::context::Role;
use crate::curve::{Secp256k1, Toy};
use crate::level::Level;
use crate::powers::tests::on_a_broken_processor;
use crate::ring_pedersen::Parameters;
use crate::testing::cases::{
    changed_contexts, check_encoding, check_every_change, context, integer, not_units, other_modulus,
    power_of_two, rng,
};
use crate::testing::vectors::{self, Inputs, natural};
use crate::testing::{Party, party};

/// A prover with factors, and a verifier with parameters.
struct Case {
    context: Context<'static>,
    p: Integer,
    q: Integer,
    N: Modulus,
    verifier: Party,
}

impl Case {
    fn new(level: Level, seed: u64) -> Self {
        let prover = party(level, 0, seed);
        let factors = prover.paillier.factors();
        Self::with(level, seed, factors.p(), factors.q())
    }

    fn with(level: Level, seed: u64, p: &BoxedUint, q: &BoxedUint) -> Self {
        let (p, q) = (Integer::from_natural(p), Integer::from_natural(q));
        let N = Modulus::new(p.mul(&q).magnitude()).unwrap();
        Self { context: context(level, Role::AuxFac), p, q, N, verifier: party(level, 1, seed) }
    }

    fn statement(&self) -> Statement<'_> {
        Statement { N: &self.N, ring: &self.verifier.ring }
    }

    fn prove<C: Curve>(&self) -> Proof {
        let factors = Factors::new(self.p.magnitude(), self.q.magnitude()).unwrap();
        prove::<C>(&self.context, &self.statement(), &Witness { factors: &factors }, &mut rng(99))
    }

    fn verify(&self, proof: &Proof) -> Result<(), Rejection> {
        verify::<Toy>(&self.context, &self.statement(), proof)
    }

    fn challenge(&self, proof: &Proof) -> Integer {
        let Proof { P, Q, A, B, T, .. } = proof;
        challenge::<Toy>(&self.context, &self.statement(), [P, Q, A, B, T])
    }

    fn masks(&self) -> Masks {
        Masks::sample(self.context.level.parameters(), &Scales::new(&self.statement()), &mut rng(98))
    }

    /// A proof that is not verified before it is sent, with other masks or first messages.
    fn forge(
        &self,
        lie_masks: impl FnOnce(&mut Masks),
        lie_first: impl FnOnce(&mut [Natural; 5]),
    ) -> Result<(), Rejection> {
        let mut masks = self.masks();
        lie_masks(&mut masks);
        let mut first = first_messages(&self.verifier.ring, &masks, &self.p, &self.q);
        lie_first(&mut first);
        self.verify(&answer::<Toy>(&self.context, &self.statement(), &masks, [&self.p, &self.q], first))
    }
}

/// Sets a field of a proof.
type Set<T> = fn(&mut Proof, T);

fn tiny() -> Case {
    Case::new(Level::Tiny, 5)
}

fn refused(equation: &'static str) -> Result<(), Rejection> {
    Err(Rejection::Equation(equation))
}

/// `value + 2^exponent`.
fn shifted(value: &Integer, exponent: u32) -> Integer {
    value.add(&power_of_two(exponent))
}

#[test]
fn honest_proofs_verify() {
    for seed in 0..30 {
        let case = Case::new(Level::Tiny, seed);
        assert_eq!(case.verify(&case.prove::<Toy>()), Ok(()), "seed {seed}");
        assert_eq!(case.forge(|_| (), |_| ()), Ok(()), "seed {seed}");
    }
    let case = Case::new(Level::Fast, 1);
    let statement = case.statement();
    assert_eq!(verify::<Secp256k1>(&case.context, &statement, &case.prove::<Secp256k1>()), Ok(()));
}

/// A mistake in the lanes or in a table accuses nobody, and who lies is refused for the same.
#[test]
fn a_broken_processor_accuses_nobody() {
    for tables in [false, true] {
        let case = tiny();
        if tables {
            RingPedersen::prepare([&case.verifier.ring]);
        }
        let honest = case.prove::<Toy>();
        assert_eq!(on_a_broken_processor(|| case.verify(&honest)), Ok(()));
        let wrong = Proof { z2: honest.z1.clone(), ..honest };
        assert_eq!(on_a_broken_processor(|| case.verify(&wrong)), refused("Q"));
    }
}

/// A-01 and A-03: everything is proved with the true factors, but they are of unequal sizes. The smallest factor that
/// may pass is `sqrt(N) / 2^(l+eps)`; at half of it the larger one is out of range with any mask.
#[test]
fn unbalanced_factors_are_refused() {
    let p = Level::Tiny.parameters();
    for small in [3, 16, 64, p.prime_bits() - p.ell - p.epsilon - 1] {
        // The factors need not be prime for this proof.
        let factor = shifted(&integer(1), small);
        let cofactor = shifted(&integer(3), p.modulus_bits - 1 - small);
        for (p, q, name) in [(&factor, &cofactor, "z2"), (&cofactor, &factor, "z1")] {
            let case = Case::with(Level::Tiny, 5, p.magnitude(), q.magnitude());
            let range = Err(Rejection::Range(name));
            assert_eq!(case.forge(|_| (), |_| ()), range, "2^{small}");
        }
    }
}

/// Unequal within the slack: accepted, as the bound says.
#[test]
fn slightly_unbalanced_factors_are_accepted() {
    let p = Level::Tiny.parameters();
    let less = p.epsilon / 2;
    let factor = shifted(&integer(1), p.prime_bits() - less);
    let cofactor = shifted(&integer(3), p.prime_bits() + less - 1);
    let case = Case::with(Level::Tiny, 5, factor.magnitude(), cofactor.magnitude());
    assert_eq!(case.forge(|_| (), |_| ()), Ok(()));
}

/// A product that is not `N`: each factor is fine, the third equation is not.
#[test]
fn factors_of_another_number_are_refused() {
    let mut case = tiny();
    case.q = case.q.add(&integer(2));
    assert_eq!(case.forge(|_| (), |_| ()), refused("N"));
    let mut case = tiny();
    case.p = integer(1);
    assert_eq!(case.forge(|_| (), |_| ()), refused("N"));
}

#[test]
fn short_moduli_are_refused() {
    let p = Level::Tiny.parameters();
    let end = 4 * p.ell;
    for (bits, expected) in [(end, Ok(())), (end - 1, Err(Rejection::Domain("N")))] {
        let factor = shifted(&integer(1), bits / 2 - 1);
        let cofactor = shifted(&integer(3), bits - bits / 2);
        let case = Case::with(Level::Tiny, 5, factor.magnitude(), cofactor.magnitude());
        assert_eq!(case.N.bits(), bits);
        assert_eq!(case.forge(|_| (), |_| ()), expected);
    }
}

#[test]
fn wrong_first_messages_are_refused() {
    let case = tiny();
    let rp = &case.verifier.ring;
    let times_s = |value: &mut Natural| *value = Natural::new(&rp.modulus().mul(value.value(), rp.s()));
    for (index, equation) in ["P", "Q", "P", "Q", "N"].into_iter().enumerate() {
        let result = case.forge(|_| (), |first| times_s(&mut first[index]));
        assert_eq!(result, refused(equation), "first message {index}");
    }
}

#[test]
fn wrong_responses_are_refused() {
    let case = tiny();
    let honest = case.prove::<Toy>();
    let one = integer(1);
    let cases = [
        ("P", Proof { z1: honest.z1.add(&one), ..honest.clone() }),
        ("P", Proof { w1: honest.w1.sub(&one), ..honest.clone() }),
        ("P", Proof { w1: honest.w1.neg(), ..honest.clone() }),
        ("Q", Proof { z2: honest.z2.sub(&one), ..honest.clone() }),
        ("Q", Proof { w2: honest.w2.add(&one), ..honest.clone() }),
        ("N", Proof { v: honest.v.add(&one), ..honest.clone() }),
        ("N", Proof { v: honest.v.neg(), ..honest.clone() }),
    ];
    for (equation, proof) in cases {
        assert_eq!(case.verify(&proof), refused(equation));
    }
}

/// A-40: with factors of zero the responses are the masks; both ends of the interval are accepted, one more is not.
#[test]
fn range_boundaries_are_closed() {
    let mut case = tiny();
    (case.p, case.q) = (integer(0), integer(0));
    let p = Level::Tiny.parameters();
    let end =
        Integer::from_natural(&case.N.value().floor_sqrt_vartime()).mul(&power_of_two(p.ell + p.epsilon - 1));
    let over = end.add(&integer(1));
    // In range, the proof goes on to the equation that 0 * 0 = N does not satisfy.
    for mask in [&end, &end.neg()] {
        assert_eq!(case.forge(|masks| masks.alpha = mask.clone(), |_| ()), refused("N"));
        assert_eq!(case.forge(|masks| masks.beta = mask.clone(), |_| ()), refused("N"));
    }
    for mask in [&over, &over.neg()] {
        assert_eq!(case.forge(|masks| masks.alpha = mask.clone(), |_| ()), Err(Rejection::Range("z1")));
        assert_eq!(case.forge(|masks| masks.beta = mask.clone(), |_| ()), Err(Rejection::Range("z2")));
    }
}

#[test]
fn decoder_bounds_are_closed() {
    let case = tiny();
    let honest = case.prove::<Toy>();
    let p = Level::Tiny.parameters();
    let ring =
        Integer::from_natural(case.verifier.ring.modulus().value()).mul(&power_of_two(p.ell + p.epsilon));
    let product = ring.mul(&Integer::from_natural(case.N.value()));
    let one = integer(1);
    let set: [(_, _, _, Set<Integer>); 3] = [
        ("w1", "P", &ring, |proof, w1| proof.w1 = w1),
        ("w2", "Q", &ring, |proof, w2| proof.w2 = w2),
        ("v", "N", &product, |proof, v| proof.v = v),
    ];
    for (name, equation, end, set) in set {
        let with = |value: Integer| {
            let mut proof = honest.clone();
            set(&mut proof, value);
            case.verify(&proof)
        };
        assert_eq!(with(end.clone()), refused(equation));
        assert_eq!(with(end.neg()), refused(equation));
        assert_eq!(with(end.add(&one)), Err(Rejection::Bound(name)));
        assert_eq!(with(end.add(&one).neg()), Err(Rejection::Bound(name)));
    }
}

/// A-28 and A-41: no first message may be a non-unit or have a second spelling; zeros only.
#[test]
fn non_units_are_refused() {
    let case = tiny();
    let honest = case.prove::<Toy>();
    let set: [(_, Set<Natural>); 5] = [
        ("P", |proof, P| proof.P = P),
        ("Q", |proof, Q| proof.Q = Q),
        ("A", |proof, A| proof.A = A),
        ("B", |proof, B| proof.B = B),
        ("T", |proof, T| proof.T = T),
    ];
    for bad in not_units(case.verifier.ring.modulus(), case.verifier.ring_factors.p()) {
        for (name, set) in set {
            let mut proof = honest.clone();
            set(&mut proof, bad.clone());
            assert_eq!(case.verify(&proof), Err(Rejection::Unit(name)));
        }
    }
    let zero = || Natural::new(&BoxedUint::zero());
    let (z1, z2, w1, w2, v) = (integer(0), integer(0), integer(0), integer(0), integer(0));
    let zeros = Proof { P: zero(), Q: zero(), A: zero(), B: zero(), T: zero(), z1, z2, w1, w2, v };
    assert_eq!(case.verify(&zeros), Err(Rejection::Unit("P")));
    let one = || Natural::new(&BoxedUint::one());
    let ones = Proof { P: one(), Q: one(), A: one(), B: one(), T: one(), ..zeros };
    assert_eq!(case.verify(&ones), refused("N"));
}

/// A-21 to A-26: an honest proof is good for its own context only.
#[test]
fn context_is_bound() {
    let case = tiny();
    let proof = case.prove::<Toy>();
    let e = case.challenge(&proof);
    let Proof { P, Q, A, B, T, .. } = &proof;
    for (field, context) in changed_contexts(case.context) {
        assert_ne!(e, challenge::<Toy>(&context, &case.statement(), [P, Q, A, B, T]), "{field}");
        assert!(verify::<Toy>(&context, &case.statement(), &proof).is_err(), "{field}");
    }
}

/// A-23 and A-25: both moduli, both bases and every first message enter the challenge.
#[test]
fn statement_and_first_messages_are_bound() {
    let case = tiny();
    let proof = case.prove::<Toy>();
    let e = case.challenge(&proof);
    let more = party(Level::Tiny, 2, 6);
    let ring = &case.verifier.ring;
    let rp = ring.parameters();
    let square = |value: &Natural| Natural::new(&ring.modulus().square(value.value()));
    let changed = |parameters| RingPedersen::new(&parameters, Level::Tiny).unwrap();
    let other_s = changed(Parameters { s: square(&rp.s), ..rp.clone() });
    let other_n = other_modulus(ring, Level::Tiny);
    let other_t = changed(Parameters { t: square(&rp.t), ..rp.clone() });
    let honest = case.statement();
    let statements = [
        ("N", Statement { N: more.paillier.public().n(), ..honest }),
        ("N^", Statement { ring: &other_n, ..honest }),
        ("s", Statement { ring: &other_s, ..honest }),
        ("t", Statement { ring: &other_t, ..honest }),
    ];
    let Proof { P, Q, A, B, T, .. } = &proof;
    for (field, statement) in statements {
        assert_ne!(e, challenge::<Toy>(&case.context, &statement, [P, Q, A, B, T]), "{field}");
        assert!(verify::<Toy>(&case.context, &statement, &proof).is_err(), "{field}");
    }
    for index in 0..5 {
        let mut first = [P, Q, A, B, T];
        first[index] = &rp.t;
        assert_ne!(e, challenge::<Toy>(&case.context, &honest, first), "first message {index}");
    }
}

#[test]
fn encoding_is_canonical() {
    check_encoding(&tiny().prove::<Toy>());
}

/// A-28, A-41 and A-80: no other bytes are a proof of the same, and none make the verifier panic.
#[test]
fn changed_bytes_are_refused() {
    let case = tiny();
    check_every_change(&case.prove::<Toy>(), 1, |proof| case.verify(proof));
}

#[test]
fn frozen_vectors() {
    fn vector<C: Curve>(level: Level) -> serde_json::Value {
        let case = Case::new(level, 1);
        let statement = case.statement();
        let proof = case.prove::<C>();
        assert_eq!(verify::<C>(&case.context, &statement, &proof), Ok(()));
        let masks = Masks::sample(level.parameters(), &Scales::new(&statement), &mut rng(99));
        let first = first_messages(statement.ring, &masks, &case.p, &case.q);
        let e = challenge::<C>(&case.context, &statement, first.each_ref());
        assert_eq!(answer::<C>(&case.context, &statement, &masks, [&case.p, &case.q], first), proof);
        let rp = case.verifier.ring.parameters();
        let inputs = Inputs {
            statement: vec![
                ("N", natural(case.N.value())),
                ("N^", rp.modulus.to_bytes()),
                ("s", rp.s.to_bytes()),
                ("t", rp.t.to_bytes()),
            ],
            witness: vec![("p", natural(case.p.magnitude())), ("q", natural(case.q.magnitude()))],
            randomness: vec![vec![
                ("alpha", vectors::integer(&masks.alpha)),
                ("beta", vectors::integer(&masks.beta)),
                ("mu", vectors::integer(&masks.mu)),
                ("nu", vectors::integer(&masks.nu)),
                ("r", vectors::integer(&masks.r)),
                ("x", vectors::integer(&masks.x)),
                ("y", vectors::integer(&masks.y)),
            ]],
        };
        vectors::vector::<C, _>(level, &inputs, &[e.to_bytes_public()], &proof)
    }
    vectors::check("fac", &[vector::<Toy>(Level::Tiny), vector::<Secp256k1>(Level::L128)]);
}
