//! Every check of Πenc-elg refuses something on its own (attacks A-21 to A-26, A-28, A-40 to A-42).

use consign_modexp::BoxedUint;

use super::*;
use crate::context::Role;
use crate::curve::{Secp256k1, Toy};
use crate::level::Level;
use crate::relations::verify_once;
use crate::ring_pedersen::Parameters;
use crate::testing::cases::{
    changed_contexts, check_encoding, check_every_change, context, integer, multiple, not_units,
    other_modulus, power_of_two, rng,
};
use crate::testing::vectors::{self, Inputs, natural};
use crate::testing::{Party, party};

/// A prover with a value and its two commitments, and a verifier.
struct Case<C: Curve> {
    context: Context<'static>,
    prover: Party,
    verifier: Party,
    x: Integer,
    rho: Nonce,
    b: Scalar<C>,
    C: Ciphertext,
    A: Point<C>,
    B: Point<C>,
    X: Point<C>,
}

impl<C: Curve> Case<C> {
    fn new(level: Level, seed: u64) -> Self {
        let x = Scalar::<C>::random(&mut rng(seed)).to_integer();
        Self::with(level, seed, x)
    }

    fn with(level: Level, seed: u64, x: Integer) -> Self {
        let mut rng = rng(seed + 1);
        let (prover, verifier) = (party(level, 0, seed), party(level, 1, seed));
        let rho = Nonce::random(prover.paillier.public(), &mut rng);
        let b = Scalar::random(&mut rng);
        let A = crate::elgamal::random_key(&mut rng);
        let committed = crate::elgamal::commit(&A, &Scalar::from_integer(&x), &b);
        let C = prover.paillier.encrypt(&[(&x, &rho)]).remove(0);
        let context = context(level, Role::Psi0);
        Self { context, prover, verifier, x, rho, b, C, A, B: committed.randomness, X: committed.value }
    }

    fn statement(&self) -> Statement<'_, C> {
        let prover = self.prover.paillier.public();
        Statement { prover, C: &self.C, A: self.A, B: self.B, X: self.X, rp: &self.verifier.ring }
    }

    fn witness(&self) -> Witness<'_, C> {
        Witness { x: &self.x, rho: &self.rho, b: &self.b }
    }

    fn prove(&self, statement: &Statement<'_, C>) -> Proof<C> {
        prove(&self.context, statement, &self.witness(), &self.prover.paillier, &mut rng(99))
    }

    fn claim(&self) -> Claim<'_, C> {
        Claim { context: self.context, statement: self.statement(), witness: self.witness() }
    }

    /// As a judge. A verifier who joins equations in a batch accepts the same.
    fn verify(&self, proof: &Proof<C>) -> Result<(), Rejection> {
        let verdict = verify(&self.context, &self.statement(), proof);
        let claimed = [Claimed { context: self.context, statement: self.statement(), proof }; 2];
        let units = Units::of(claimed.iter().flat_map(numbers));
        let aid = Aid::default().batching(&mut rng(97));
        let batched = verify_once(&claimed, &aid, &|list, claimed| {
            queue(list, claimed, &check(claimed, &units)?);
            Ok(())
        });
        assert_eq!(batched.is_ok(), verdict.is_ok());
        verdict
    }

    /// A proof by a prover who draws and sends what `lie` wants, and computes the rest honestly.
    fn forge(
        &self,
        masks: impl FnOnce(&mut Masks<C>),
        first: impl FnOnce(&mut FirstMessages<C>),
    ) -> Result<(), Rejection> {
        let claim = self.claim();
        let mut drawn = draw(&[claim], &self.prover.paillier, &mut rng(98)).remove(0);
        masks(&mut drawn);
        let one = std::slice::from_ref(&drawn);
        let mut sent = commit(&[claim], one, encrypt(one, &self.prover.paillier)).remove(0);
        first(&mut sent);
        self.verify(&answer(&[claim], one, vec![sent]).remove(0))
    }
}

fn tiny() -> Case<Toy> {
    Case::new(Level::Tiny, 5)
}

fn doubled(value: &Natural) -> Natural {
    Natural::new(&multiple(value.value(), 2))
}

/// One list for several proofs changes nothing.
#[test]
fn a_list_is_proven_as_if_one_after_another() {
    let case = tiny();
    let (claims, key) = ([case.claim(); 3], &case.prover.paillier);
    let masks = draw(&claims, key, &mut rng(97));
    let alone = |masks: &Masks<Toy>| {
        let (claim, masks) = ([case.claim()], std::slice::from_ref(masks));
        answer(&claim, masks, commit(&claim, masks, encrypt(masks, key))).remove(0)
    };
    let together = prove_all(&claims, key, &mut rng(97));
    assert_eq!(together, masks.iter().map(alone).collect::<Vec<_>>());
    assert_ne!(together[0], together[1]);
    assert!(prove_all::<Toy>(&[], &case.prover.paillier, &mut rng(97)).is_empty());
}

#[test]
fn honest_proofs_verify() {
    for seed in 0..60 {
        let case = Case::<Toy>::new(Level::Tiny, seed);
        assert_eq!(case.verify(&case.prove(&case.statement())), Ok(()), "seed {seed}");
    }
    // Level L128: see the frozen vectors.
    let case = Case::<Secp256k1>::new(Level::Fast, 1);
    assert_eq!(case.verify(&case.prove(&case.statement())), Ok(()));
}

#[test]
fn honest_extremes_verify() {
    let largest = Scalar::<Toy>::from_natural(&Toy::order().shr(1)).to_integer();
    for x in [integer(0), integer(1), integer(-1), largest.clone(), largest.neg()] {
        let case = Case::<Toy>::with(Level::Tiny, 3, x);
        assert_eq!(case.verify(&case.prove(&case.statement())), Ok(()));
    }
}

/// An honest proof verifies under any parameters that pass the domain checks: a modulus with small factors, bases
/// outside the group of the other.
#[test]
fn honest_proofs_verify_under_hostile_parameters() {
    let mut case = tiny();
    let bits = Level::Tiny.parameters().modulus_bits;
    let top = power_of_two(bits - 1);
    let mut found = 0;
    for offset in (1..4000).step_by(2) {
        let modulus = Natural::new(top.add(&integer(offset)).magnitude());
        let parameters = Parameters {
            modulus,
            s: Natural::new(&BoxedUint::from(4_u8)),
            t: Natural::new(&BoxedUint::from(49_u8)),
        };
        let Ok(ring) = RingPedersen::new(&parameters, Level::Tiny) else { continue };
        found += 1;
        case.verifier.ring = ring;
        assert_eq!(case.verify(&case.prove(&case.statement())), Ok(()), "offset {offset}");
        if found == 40 {
            return;
        }
    }
    panic!("only {found} moduli passed the domain checks");
}

/// A-42: another value in one of the three places.
#[test]
fn inconsistent_statements_are_refused() {
    let one = integer(1);
    let mut case = tiny();
    case.X = case.X + Point::generator();
    assert_eq!(case.verify(&case.prove(&case.statement())), Err(Rejection::Equation("X")));

    let mut case = tiny();
    case.B = case.B + Point::generator();
    assert_eq!(case.verify(&case.prove(&case.statement())), Err(Rejection::Equation("B")));

    let mut case = tiny();
    case.C = case.prover.paillier.encrypt(&[(&case.x.add(&one), &case.rho)]).remove(0);
    assert_eq!(case.verify(&case.prove(&case.statement())), Err(Rejection::Equation("C")));

    let mut case = tiny();
    case.A = case.A + Point::generator();
    assert_eq!(case.verify(&case.prove(&case.statement())), Err(Rejection::Equation("X")));
}

/// The prover answers correctly, but one first message is not what it should be.
#[test]
fn wrong_first_messages_are_refused() {
    let case = tiny();
    let rp = &case.verifier.ring;
    let twice = |value: &mut Natural| *value = Natural::new(&rp.modulus().mul(value.value(), rp.s()));
    let refused = |name| Err(Rejection::Equation(name));
    assert_eq!(case.forge(|_| (), |_| ()), Ok(()));
    assert_eq!(case.forge(|_| (), |first| twice(&mut first.S)), refused("S"));
    assert_eq!(case.forge(|_| (), |first| twice(&mut first.T)), refused("S"));
    assert_eq!(case.forge(|_| (), |first| first.Y = first.Y + Point::generator()), refused("X"));
    assert_eq!(case.forge(|_| (), |first| first.Z = first.Z + Point::generator()), refused("B"));
    let other = case.prover.paillier.encrypt(&[(&integer(5), &case.rho)]).remove(0);
    assert_eq!(case.forge(|_| (), |first| first.D = other), refused("C"));
}

#[test]
fn wrong_responses_are_refused() {
    let case = tiny();
    let honest = case.prove(&case.statement());
    let one = integer(1);
    let n = case.prover.paillier.public().n();
    let cases = [
        ("X", Proof { z1: honest.z1.add(&one), ..honest.clone() }),
        ("X", Proof { w: honest.w + Scalar::one(), ..honest.clone() }),
        ("C", Proof { z2: Natural::new(&n.reduce(doubled(&honest.z2).value())), ..honest.clone() }),
        ("S", Proof { z3: honest.z3.sub(&one), ..honest.clone() }),
        ("S", Proof { z3: honest.z3.neg(), ..honest.clone() }),
    ];
    for (equation, proof) in cases {
        assert_eq!(case.verify(&proof), Err(Rejection::Equation(equation)));
    }
}

/// A response shifted by a multiple of `q` satisfies the equations of the curve, not those of Paillier.
#[test]
fn responses_are_integers_not_residues() {
    let case = tiny();
    let honest = case.prove(&case.statement());
    let z1 = honest.z1.add(&Integer::from_natural(&Toy::order()));
    assert_eq!(case.verify(&Proof { z1, ..honest }), Err(Rejection::Equation("C")));
}

/// A-40: everything is proved with the real witness, and only the range is wrong.
#[test]
fn values_out_of_range_are_refused() {
    fn refused<C: Curve>(level: Level, x: Integer) {
        let case = Case::<C>::with(level, 7, x);
        assert_eq!(case.verify(&case.prove(&case.statement())), Err(Rejection::Range("z1")));
    }
    let p = Level::Tiny.parameters();
    let oversized = power_of_two(p.ell + p.epsilon + 2);
    let order = Integer::from_natural(&Toy::order());
    refused::<Toy>(Level::Tiny, oversized.clone());
    refused::<Toy>(Level::Tiny, oversized.neg());
    refused::<Toy>(Level::Tiny, order.mul(&power_of_two(90)).add(&integer(17)));
    let order = Integer::from_natural(&Secp256k1::order());
    refused::<Secp256k1>(Level::Fast, order.mul(&power_of_two(400)).add(&integer(17)));
    refused::<Secp256k1>(Level::Fast, order.mul(&power_of_two(400)).neg());
}

/// A value beyond `q` but within the slack encodes the same scalar and is accepted.
#[test]
fn values_within_the_slack_are_accepted() {
    let x = Integer::from_natural(&Toy::order()).add(&integer(12345));
    let case = Case::<Toy>::with(Level::Tiny, 7, x);
    assert_eq!(case.verify(&case.prove(&case.statement())), Ok(()));
}

/// With `x = 0` the response is the mask itself: both ends of the interval can be met exactly.
#[test]
fn range_boundary_is_closed() {
    let case = Case::<Toy>::with(Level::Tiny, 7, integer(0));
    let p = Level::Tiny.parameters();
    let end = power_of_two(p.ell + p.epsilon - 1);
    let with = |alpha: Integer| case.forge(|masks| masks.alpha = alpha, |_| ());
    assert_eq!(with(end.clone()), Ok(()));
    assert_eq!(with(end.neg()), Ok(()));
    assert_eq!(with(end.add(&integer(1))), Err(Rejection::Range("z1")));
    assert_eq!(with(end.add(&integer(1)).neg()), Err(Rejection::Range("z1")));
}

#[test]
fn decoder_bound_of_z3_is_closed() {
    let case = tiny();
    let honest = case.prove(&case.statement());
    let p = Level::Tiny.parameters();
    let modulus = Integer::from_natural(case.verifier.ring.modulus().value());
    let end = modulus.mul(&power_of_two(p.ell + p.epsilon));
    for (z3, rejection) in [
        (end.clone(), Rejection::Equation("S")),
        (end.neg(), Rejection::Equation("S")),
        (end.add(&integer(1)), Rejection::Bound("z3")),
        (end.add(&integer(1)).neg(), Rejection::Bound("z3")),
    ] {
        assert_eq!(case.verify(&Proof { z3, ..honest.clone() }), Err(rejection));
    }
}

/// A-41 and A-28: zero, the modulus, multiples of a factor, and a number increased by the modulus.
#[test]
fn non_units_are_refused() {
    let mut case = tiny();
    let honest = case.prove(&case.statement());
    let key = case.prover.paillier.public().clone();
    let p = case.prover.paillier.factors().p().clone();
    let ring = case.verifier.ring.clone();
    let p_hat = case.verifier.ring_factors.p().clone();
    let put = |change: &dyn Fn(&mut Proof<Toy>)| {
        let mut proof = honest.clone();
        change(&mut proof);
        proof
    };
    for bad in not_units(ring.modulus(), &p_hat) {
        assert_eq!(case.verify(&put(&|proof| proof.first.S = bad.clone())), Err(Rejection::Unit("S")));
        assert_eq!(case.verify(&put(&|proof| proof.first.T = bad.clone())), Err(Rejection::Unit("T")));
    }
    for bad in not_units(key.n(), &p) {
        assert_eq!(case.verify(&put(&|proof| proof.z2 = bad.clone())), Err(Rejection::Unit("z2")));
    }
    let mut ciphertexts = not_units(key.nn(), &p);
    ciphertexts.push(Natural::new(key.n().value()));
    for bad in ciphertexts {
        let bad = Ciphertext::new(bad.value());
        assert_eq!(case.verify(&put(&|proof| proof.first.D = bad.clone())), Err(Rejection::Unit("D")));
        let good = core::mem::replace(&mut case.C, bad);
        assert_eq!(case.verify(&honest), Err(Rejection::Unit("C")));
        case.C = good;
    }
}

/// A-41: proofs of zeros only.
#[test]
fn zero_proofs_are_refused() {
    let case = tiny();
    let zero = Natural::new(&BoxedUint::zero());
    let first = FirstMessages {
        S: zero.clone(),
        T: zero.clone(),
        D: Ciphertext::new(zero.value()),
        Y: Point::identity(),
        Z: Point::identity(),
    };
    let proof = Proof { first, z1: integer(0), z2: zero, z3: integer(0), w: Scalar::zero() };
    assert_eq!(case.verify(&proof), Err(Rejection::Domain("Y")));
    let mut proof = proof;
    (proof.first.Y, proof.first.Z) = (Point::generator(), Point::generator());
    assert_eq!(case.verify(&proof), Err(Rejection::Unit("D")));
}

#[test]
fn identity_points_are_refused() {
    let honest = tiny().prove(&tiny().statement());
    let check = |change: &dyn Fn(&mut Case<Toy>, &mut Proof<Toy>), name| {
        let (mut case, mut proof) = (tiny(), honest.clone());
        change(&mut case, &mut proof);
        assert_eq!(case.verify(&proof), Err(Rejection::Domain(name)));
    };
    check(&|case, _| case.A = Point::identity(), "A");
    check(&|case, _| case.B = Point::identity(), "B");
    check(&|case, _| case.X = Point::identity(), "X");
    check(&|_, proof| proof.first.Y = Point::identity(), "Y");
    check(&|_, proof| proof.first.Z = Point::identity(), "Z");
}

/// A-21 to A-26: an honest proof is good for its own context only.
#[test]
fn context_is_bound() {
    let case = tiny();
    let proof = case.prove(&case.statement());
    let e = challenge(&case.context, &case.statement(), &proof.first);
    for (field, context) in changed_contexts(case.context) {
        assert_ne!(e, challenge(&context, &case.statement(), &proof.first), "{field}");
        assert!(verify(&context, &case.statement(), &proof).is_err(), "{field}");
    }
}

/// A-25: every field of the statement and every first message enters the challenge, and none can be exchanged.
#[test]
fn statement_and_first_messages_are_bound() {
    let case = tiny();
    let proof = case.prove(&case.statement());
    let e = challenge(&case.context, &case.statement(), &proof.first);
    let (other, more) = (Case::<Toy>::new(Level::Tiny, 6), party(Level::Tiny, 2, 6));
    let other_proof =
        prove(&other.context, &other.statement(), &other.witness(), &other.prover.paillier, &mut rng(98));
    let rp = case.verifier.ring.parameters();
    let square = |value: &Natural| {
        let modulus = case.verifier.ring.modulus();
        Natural::new(&modulus.square(value.value()))
    };
    let ring = |parameters| RingPedersen::new(&parameters, Level::Tiny).unwrap();
    let other_s = ring(Parameters { s: square(&rp.s), ..rp.clone() });
    let other_n = other_modulus(&case.verifier.ring, Level::Tiny);
    let other_t = ring(Parameters { t: square(&rp.t), ..rp.clone() });
    let honest = case.statement();
    let statements = [
        ("N0", Statement { prover: more.paillier.public(), ..honest }),
        ("C", Statement { C: &other.C, ..honest }),
        ("A", Statement { A: other.A, ..honest }),
        ("B", Statement { B: other.B, ..honest }),
        ("X", Statement { X: other.X, ..honest }),
        ("N^", Statement { rp: &other_n, ..honest }),
        ("s", Statement { rp: &other_s, ..honest }),
        ("t", Statement { rp: &other_t, ..honest }),
    ];
    for (field, statement) in statements {
        assert_ne!(e, challenge(&case.context, &statement, &proof.first), "{field}");
        assert!(verify(&case.context, &statement, &proof).is_err(), "{field}");
    }
    let (first, foreign) = (&proof.first, other_proof.first);
    let firsts = [
        ("S", FirstMessages { S: foreign.S, ..first.clone() }),
        ("T", FirstMessages { T: foreign.T, ..first.clone() }),
        ("D", FirstMessages { D: foreign.D, ..first.clone() }),
        ("Y", FirstMessages { Y: foreign.Y, ..first.clone() }),
        ("Z", FirstMessages { Z: foreign.Z, ..first.clone() }),
    ];
    for (field, first) in firsts {
        assert_ne!(e, challenge(&case.context, &case.statement(), &first), "{field}");
        assert!(case.verify(&Proof { first, ..proof.clone() }).is_err(), "{field}");
    }
}

#[test]
fn encoding_is_canonical() {
    let case = tiny();
    check_encoding(&case.prove(&case.statement()));
}

/// A-28, A-41 and A-80: no other bytes are a proof of the same, and none make the verifier panic.
#[test]
fn changed_bytes_are_refused() {
    let case = tiny();
    check_every_change(&case.prove(&case.statement()), 1, |proof| case.verify(proof));
}

#[test]
fn frozen_vectors() {
    fn vector<C: Curve>(level: Level) -> serde_json::Value {
        let case = Case::<C>::new(level, 1);
        let claim = case.claim();
        let statement = claim.statement;
        let proof = case.prove(&statement);
        assert_eq!(case.verify(&proof), Ok(()));
        let masks = draw(&[claim], &case.prover.paillier, &mut rng(99)).remove(0);
        let one = std::slice::from_ref(&masks);
        let first = commit(&[claim], one, encrypt(one, &case.prover.paillier)).remove(0);
        assert_eq!(answer(&[claim], one, vec![first]), std::slice::from_ref(&proof));
        let rp = case.verifier.ring.parameters();
        let inputs = Inputs {
            statement: vec![
                ("N0", natural(statement.prover.n().value())),
                ("C", case.C.natural().to_bytes()),
                ("A", case.A.to_bytes()),
                ("B", case.B.to_bytes()),
                ("X", case.X.to_bytes()),
                ("N^", rp.modulus.to_bytes()),
                ("s", rp.s.to_bytes()),
                ("t", rp.t.to_bytes()),
            ],
            witness: vec![
                ("x", vectors::integer(&case.x)),
                ("rho", natural(case.rho.expose())),
                ("b", case.b.to_bytes()),
            ],
            randomness: vec![vec![
                ("alpha", vectors::integer(&masks.alpha)),
                ("mu", vectors::integer(&masks.mu)),
                ("gamma", vectors::integer(&masks.gamma)),
                ("r", natural(masks.r.expose())),
                ("beta", masks.beta.to_bytes()),
            ]],
        };
        let e = challenge(&case.context, &statement, &proof.first);
        vectors::vector::<C, _>(level, &inputs, &[e.to_bytes()], &proof)
    }
    vectors::check("enc_elg", &[vector::<Toy>(Level::Tiny), vector::<Secp256k1>(Level::L128)]);
}
