//! Every check of Πaff-g* refuses something on its own (attacks A-06, A-07, A-21 to A-28, A-40, A-41, A-44, A-45, A-52).

use super::*;
use crate::context::Role;
use crate::curve::{Secp256k1, Toy};
use crate::level::Level;
use crate::paillier::Affine;
use crate::powers::tests::on_a_broken_processor;
use crate::testing::cases::{
    changed_contexts, check_encoding, check_every_change, context, integer, not_units, power_of_two, rng,
};
use crate::testing::vectors::{self, Fields, Inputs, natural};
use crate::testing::{Party, party};

/// A receiver with a ciphertext, and a prover who multiplies it.
struct Case<C: Curve> {
    context: Context<'static>,
    receiver: Party,
    prover: Party,
    x: Integer,
    y: Integer,
    rho: Nonce,
    rho_y: Nonce,
    C: Ciphertext,
    D: Ciphertext,
    Y: Ciphertext,
    X: Point<C>,
}

/// Alters a repetition.
type Change<'a> = &'a dyn Fn(&mut Repetition<Toy>);

impl<C: Curve> Case<C> {
    fn new(level: Level, seed: u64) -> Self {
        let mut rng = rng(seed);
        let x = Scalar::<C>::random(&mut rng).to_integer();
        let y = Integer::sample(level.parameters().ell_prime, &mut rng);
        Self::with(level, seed, x, y)
    }

    fn with(level: Level, seed: u64, x: Integer, y: Integer) -> Self {
        let mut rng = rng(seed + 1);
        let (prover, receiver) = (party(level, 0, seed), party(level, 1, seed));
        let (n0, n1) = (receiver.paillier.public(), prover.paillier.public());
        let (rho, rho_y) = (Nonce::random(n0, &mut rng), Nonce::random(n1, &mut rng));
        let k = Scalar::<C>::random(&mut rng).to_integer();
        let C = receiver.paillier.encrypt(&[(&k, &Nonce::random(n0, &mut rng))]).remove(0);
        let D = n0.affine(&[Affine { ciphertext: &C, x: &x, y: &y, rho: &rho }]).unwrap().remove(0);
        let Y = prover.paillier.encrypt(&[(&y, &rho_y)]).remove(0);
        let X = Point::mul_generator(&Scalar::from_integer(&x));
        Self {
            context: context(level, Role::AlertNonceResponse),
            receiver,
            prover,
            x,
            y,
            rho,
            rho_y,
            C,
            D,
            Y,
            X,
        }
    }

    fn statement(&self) -> Statement<'_, C> {
        Statement {
            receiver: self.receiver.paillier.public(),
            prover: self.prover.paillier.public(),
            C: &self.C,
            D: &self.D,
            Y: &self.Y,
            X: self.X,
        }
    }

    fn witness(&self) -> Witness<'_> {
        Witness { x: &self.x, y: &self.y, rho: &self.rho, rho_y: &self.rho_y }
    }

    fn prove(&self) -> Proof<C> {
        let (statement, witness) = (self.statement(), self.witness());
        prove(&self.context, &statement, &witness, &self.prover.paillier, &mut rng(99)).unwrap()
    }

    fn verify(&self, proof: &Proof<C>) -> Result<(), Rejection> {
        verify(&self.context, &self.statement(), proof)
    }

    fn challenge(&self, proof: &Proof<C>) -> Vec<bool> {
        bits(&self.context, &self.statement(), proof)
    }

    /// A proof by a prover who draws and sends what `lie` wants, and computes the rest honestly.
    fn forge(
        &self,
        masks: impl FnOnce(&mut Masks),
        first: impl FnOnce(&mut FirstMessages<C>),
    ) -> Result<(), Rejection> {
        let (statement, witness) = (self.statement(), self.witness());
        let mut drawn = Masks::random(&self.context, &statement, &self.prover.paillier, &mut rng(98));
        masks(&mut drawn[3]);
        let mut sent = commit(&statement, &drawn, &self.prover.paillier).unwrap();
        first(&mut sent[3]);
        self.verify(&answer(&self.context, &statement, &witness, &drawn, sent))
    }
}

fn bits<C: Curve>(context: &Context<'_>, statement: &Statement<'_, C>, proof: &Proof<C>) -> Vec<bool> {
    challenge(context, statement, proof.repetitions.iter().map(|one| (&one.A, &one.R, &one.B)))
}

fn tiny() -> Case<Toy> {
    Case::new(Level::Tiny, 5)
}

fn refused(equation: &'static str) -> Result<(), Rejection> {
    Err(Rejection::Equation(equation))
}

#[test]
fn honest_proofs_verify() {
    for seed in 0..10 {
        let case = Case::<Toy>::new(Level::Tiny, seed);
        assert_eq!(case.verify(&case.prove()), Ok(()), "seed {seed}");
        assert_eq!(case.forge(|_| (), |_| ()), Ok(()), "the honest answers of the forger, seed {seed}");
    }
    let case = Case::<Secp256k1>::new(Level::Fast, 1);
    assert_eq!(case.verify(&case.prove()), Ok(()));
}

/// A mistake in the lanes or in a table accuses nobody, and who lies is refused for the same.
#[test]
fn a_broken_processor_accuses_nobody() {
    let case = tiny();
    let honest = case.prove();
    assert_eq!(on_a_broken_processor(|| case.verify(&honest)), Ok(()));
    let mut wrong = honest;
    wrong.repetitions[3].w_y = wrong.repetitions[4].w_y.clone();
    assert_eq!(on_a_broken_processor(|| case.verify(&wrong)), refused("Y"));
}

/// At the ends of the honest ranges, and within the slack: `x + q` is the same point and must be accepted.
#[test]
fn extremes_verify() {
    let p = Level::Tiny.parameters();
    let order = Integer::from_natural(&Toy::order());
    let largest = Integer::from_natural(&Toy::order().shr(1));
    let mask = power_of_two(p.ell_prime - 1);
    let wide = power_of_two(p.ell_prime + 8);
    for (x, y) in [(&largest, &mask), (&largest.neg(), &mask.neg()), (&integer(1), &integer(0))] {
        let case = Case::<Toy>::with(Level::Tiny, 3, x.clone(), y.clone());
        assert_eq!(case.verify(&case.prove()), Ok(()));
    }
    let case = Case::<Toy>::with(Level::Tiny, 3, integer(5).add(&order), wide);
    assert_eq!(case.verify(&case.prove()), Ok(()));
}

/// A-06 and A-07: too few or too many repetitions, and none at all.
#[test]
fn wrong_lengths_are_refused() {
    let case = tiny();
    let honest = case.prove().repetitions;
    let m = Level::Tiny.parameters().repetitions;
    for count in [0, 1, Level::Fast.parameters().repetitions, m - 1, m + 1] {
        let repetitions = honest.iter().cycle().take(count).cloned().collect();
        assert_eq!(case.verify(&Proof { repetitions }), Err(Rejection::Length("repetitions")), "{count}");
    }
}

/// A-44, A-45 and A-52: another factor than the logarithm of `X`, another mask in `D` than in `Y`.
#[test]
fn inconsistent_statements_are_refused() {
    let one = integer(1);
    let mut case = tiny();
    case.X = case.X + Point::generator();
    assert_eq!(case.verify(&case.prove()), refused("X"));
    for y in [tiny().y.add(&one), tiny().y.neg()] {
        let mut case = tiny();
        case.Y = case.prover.paillier.encrypt(&[(&y, &case.rho_y)]).remove(0);
        assert_eq!(case.verify(&case.prove()), refused("Y"));
    }
    for (x, y) in [(tiny().x, tiny().y.add(&one)), (tiny().x.add(&one), tiny().y)] {
        let mut case = tiny();
        let affine = Affine { ciphertext: &case.C, x: &x, y: &y, rho: &case.rho };
        case.D = case.receiver.paillier.public().affine(&[affine]).unwrap().remove(0);
        assert_eq!(case.verify(&case.prove()), refused("D"));
    }
}

#[test]
fn wrong_first_messages_are_refused() {
    let case = tiny();
    let plus_one = |key: &DecryptionKey, value: &mut Ciphertext, rho: &Nonce| {
        let one = key.encrypt(&[(&integer(1), rho)]).remove(0);
        *value = key.public().add(value, &one).unwrap();
    };
    let A = case.forge(|_| (), |first| plus_one(&case.receiver.paillier, &mut first.A, &case.rho));
    assert_eq!(A, refused("D"));
    assert_eq!(case.forge(|_| (), |first| first.R = first.R + Point::generator()), refused("X"));
    let B = case.forge(|_| (), |first| plus_one(&case.prover.paillier, &mut first.B, &case.rho_y));
    assert_eq!(B, refused("Y"));
}

/// Every response of every repetition counts, whether its bit is 0 or 1.
#[test]
fn wrong_responses_are_refused() {
    let case = tiny();
    let honest = case.prove();
    let bits = case.challenge(&honest);
    assert!(bits.contains(&true) && bits.contains(&false));
    let (n0, n1) = (case.receiver.paillier.public().n(), case.prover.paillier.public().n());
    let one = integer(1);
    let order = Integer::from_natural(&Toy::order());
    let changes: [(&str, Change<'_>); 5] = [
        ("X", &|it| it.z = it.z.add(&one)),
        ("D", &|it| it.z = it.z.add(&order)),
        ("D", &|it| it.z_y = it.z_y.add(&one)),
        ("D", &|it| it.w = Natural::new(&n0.neg(it.w.value()))),
        ("Y", &|it| it.w_y = Natural::new(&n1.neg(it.w_y.value()))),
    ];
    for (equation, change) in changes {
        for place in 0..bits.len() {
            let mut proof = honest.clone();
            change(&mut proof.repetitions[place]);
            assert_eq!(case.verify(&proof), refused(equation), "repetition {place}");
        }
    }
}

/// A-40: everything is proved with the real witness, and only the range is wrong.
#[test]
fn values_out_of_range_are_refused() {
    let p = Level::Tiny.parameters();
    let x = power_of_two(p.ell + p.epsilon + 2);
    let y = power_of_two(p.ell_prime + p.epsilon + 2);
    let cases = [
        (x.clone(), integer(5), "z"),
        (x.neg(), integer(5), "z"),
        (integer(5), y.clone(), "z_y"),
        (integer(5), y.neg(), "z_y"),
    ];
    for (x, y, name) in cases {
        let case = Case::<Toy>::with(Level::Tiny, 7, x, y);
        assert_eq!(case.verify(&case.prove()), Err(Rejection::Range(name)));
    }
}

/// The responses are driven to the ends of their intervals: accepted there, refused one further.
#[test]
fn range_boundaries_are_closed() {
    let p = Level::Tiny.parameters();
    // With y = 0 the response is the mask itself.
    let case = Case::<Toy>::with(Level::Tiny, 7, integer(5), integer(0));
    let end = power_of_two(p.ell_prime + p.epsilon - 1);
    let over = end.add(&integer(1));
    let with = |beta: Integer| case.forge(|masks| masks.beta = beta, |_| ());
    assert_eq!(with(end.clone()), Ok(()));
    assert_eq!(with(end.neg()), Ok(()));
    assert_eq!(with(over.clone()), Err(Rejection::Range("z_y")));
    assert_eq!(with(over.neg()), Err(Rejection::Range("z_y")));
    let end = power_of_two(p.ell + p.epsilon - 1);
    let over = end.add(&integer(1));
    let honest = case.prove();
    let with = |z: Integer| {
        let mut proof = honest.clone();
        proof.repetitions[3].z = z;
        case.verify(&proof)
    };
    assert_eq!(with(end.clone()), refused("X"), "in range, judged by the equation");
    assert_eq!(with(end.neg()), refused("X"));
    assert_eq!(with(over.clone()), Err(Rejection::Range("z")));
    assert_eq!(with(over.neg()), Err(Rejection::Range("z")));
}

/// A-28 and A-41: what is no unit, in every place.
#[test]
fn non_units_are_refused() {
    let mut case = tiny();
    let honest = case.prove();
    let check = |case: &Case<Toy>, change: Change<'_>, name| {
        let mut proof = honest.clone();
        change(&mut proof.repetitions[3]);
        assert_eq!(case.verify(&proof), Err(Rejection::Unit(name)));
    };
    let (n0, n1) = (case.receiver.paillier.public().clone(), case.prover.paillier.public().clone());
    let p0 = case.receiver.paillier.factors().p().clone();
    let p1 = case.prover.paillier.factors().p().clone();
    for bad in not_units(n0.n(), &p0) {
        check(&case, &|it| it.w = bad.clone(), "w");
    }
    for bad in not_units(n1.n(), &p1) {
        check(&case, &|it| it.w_y = bad.clone(), "w_y");
    }
    let ciphertexts = |key: &EncryptionKey, p| {
        let mut list = not_units(key.nn(), p);
        list.push(Natural::new(key.n().value()));
        list.into_iter().map(|bad| Ciphertext::new(bad.value()))
    };
    for bad in ciphertexts(&n0, &p0) {
        check(&case, &|it| it.A = bad.clone(), "A");
        let good = core::mem::replace(&mut case.C, bad.clone());
        assert_eq!(case.verify(&honest), Err(Rejection::Unit("C")));
        let refused =
            prove(&case.context, &case.statement(), &case.witness(), &case.prover.paillier, &mut rng(1));
        assert_eq!(refused.unwrap_err(), Rejection::Unit("C"), "nothing is proved about it either");
        case.C = good;
        let good = core::mem::replace(&mut case.D, bad);
        assert_eq!(case.verify(&honest), Err(Rejection::Unit("D")));
        case.D = good;
    }
    for bad in ciphertexts(&n1, &p1) {
        check(&case, &|it| it.B = bad.clone(), "B");
        let good = core::mem::replace(&mut case.Y, bad);
        assert_eq!(case.verify(&honest), Err(Rejection::Unit("Y")));
        case.Y = good;
    }
}

#[test]
fn identity_points_are_refused() {
    let mut case = tiny();
    let mut proof = case.prove();
    proof.repetitions[3].R = Point::identity();
    assert_eq!(case.verify(&proof), Err(Rejection::Domain("R")));
    case.X = Point::identity();
    assert_eq!(case.verify(&proof), Err(Rejection::Domain("X")));
}

/// A-41: a proof of zeros only.
#[test]
fn zero_proofs_are_refused() {
    let case = tiny();
    let zero = || Natural::new(&BoxedUint::zero());
    let ciphertext = || Ciphertext::new(&BoxedUint::zero());
    let (z, z_y, R) = (integer(0), integer(0), Point::generator());
    let one = Repetition { A: ciphertext(), R, B: ciphertext(), z, z_y, w: zero(), w_y: zero() };
    let repetitions = vec![one; Level::Tiny.parameters().repetitions];
    assert_eq!(case.verify(&Proof { repetitions }), Err(Rejection::Unit("A")));
}

/// A-21 to A-26: an honest proof is good for its own context only.
#[test]
fn context_is_bound() {
    let case = tiny();
    let proof = case.prove();
    let e = case.challenge(&proof);
    let role = Context { role: Role::AlertKeyResponse, ..case.context };
    for (field, context) in changed_contexts(case.context).into_iter().chain([("hat", role)]) {
        if field == "level" {
            continue; // another number of repetitions
        }
        assert_ne!(e, bits(&context, &case.statement(), &proof), "{field}");
        assert!(verify(&context, &case.statement(), &proof).is_err(), "{field}");
    }
}

/// A-25: every field of the statement and every first message enters the challenge, and none can be exchanged.
#[test]
fn statement_and_first_messages_are_bound() {
    let case = tiny();
    let proof = case.prove();
    let e = case.challenge(&proof);
    let (other, more) = (Case::<Toy>::new(Level::Tiny, 6), party(Level::Tiny, 2, 6));
    let honest = case.statement();
    let statements = [
        ("N0", Statement { receiver: more.paillier.public(), ..honest }),
        ("N1", Statement { prover: more.paillier.public(), ..honest }),
        ("C", Statement { C: &other.C, ..honest }),
        ("D", Statement { D: &other.D, ..honest }),
        ("Y", Statement { Y: &other.Y, ..honest }),
        ("X", Statement { X: other.X, ..honest }),
    ];
    for (field, statement) in statements {
        assert_ne!(e, bits(&case.context, &statement, &proof), "{field}");
        assert!(verify(&case.context, &statement, &proof).is_err(), "{field}");
    }
    let changes: [(&str, Change<'_>); 3] = [
        ("A", &|it| it.A = other.D.clone()),
        ("R", &|it| it.R = other.X),
        ("B", &|it| it.B = other.Y.clone()),
    ];
    for (field, change) in changes {
        for place in [0, 19] {
            let mut proof = proof.clone();
            change(&mut proof.repetitions[place]);
            assert_ne!(e, case.challenge(&proof), "{field}");
            assert!(case.verify(&proof).is_err(), "{field}");
        }
    }
}

#[test]
fn encoding_is_canonical() {
    let mut proof = tiny().prove();
    proof.repetitions.truncate(2);
    check_encoding(&proof);
}

/// A-28, A-41 and A-80: no other bytes are a proof of the same, and none make the verifier panic.
#[test]
fn changed_bytes_are_refused() {
    let case = tiny();
    check_every_change(&case.prove(), 31, |proof| case.verify(proof));
}

impl Masks {
    fn fields(&self) -> Fields<'static> {
        vec![
            ("alpha", vectors::integer(&self.alpha)),
            ("beta", vectors::integer(&self.beta)),
            ("r", natural(self.r.expose())),
            ("s", natural(self.s.expose())),
        ]
    }
}

#[test]
fn frozen_vectors() {
    fn vector<C: Curve>(level: Level) -> serde_json::Value {
        let case = Case::<C>::new(level, 1);
        let (statement, witness) = (case.statement(), case.witness());
        let proof = case.prove();
        assert_eq!(case.verify(&proof), Ok(()));
        let masks = Masks::random(&case.context, &statement, &case.prover.paillier, &mut rng(99));
        let first = commit(&statement, &masks, &case.prover.paillier).unwrap();
        assert_eq!(answer(&case.context, &statement, &witness, &masks, first), proof);
        let inputs = Inputs {
            statement: vec![
                ("N0", natural(case.receiver.paillier.public().n().value())),
                ("N1", natural(case.prover.paillier.public().n().value())),
                ("C", case.C.natural().to_bytes()),
                ("D", case.D.natural().to_bytes()),
                ("Y", case.Y.natural().to_bytes()),
                ("X", case.X.to_bytes()),
            ],
            witness: vec![
                ("x", vectors::integer(&case.x)),
                ("y", vectors::integer(&case.y)),
                ("rho", natural(case.rho.expose())),
                ("rho_y", natural(case.rho_y.expose())),
            ],
            randomness: masks.iter().map(Masks::fields).collect(),
        };
        vectors::vector::<C, _>(level, &inputs, &vectors::bits(case.challenge(&proof)), &proof)
    }
    vectors::check("aff_g_star", &[vector::<Toy>(Level::Tiny), vector::<Secp256k1>(Level::L128)]);
}
