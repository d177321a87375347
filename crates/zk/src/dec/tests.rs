//! Every check of Πdec refuses something on its own (attacks A-06, A-07, A-21 to A-28, A-41, A-50, A-51, A-55, A-5A).

use super::*;
use crate::context::Role;
use crate::curve::{Secp256k1, Toy};
use crate::level::Level;
use crate::powers::tests::on_a_broken_processor;
use crate::testing::cases::{
    changed_contexts, check_encoding, check_every_change, context, integer, not_units, power_of_two, rng,
};
use crate::testing::vectors::{self, Fields, Inputs, natural};
use crate::testing::{Party, party};

mod ranges;

/// A party with a ciphertext of its own and a sum of what others made of it.
struct Case<C: Curve> {
    context: Context<'static>,
    owner: Party,
    x: Integer,
    y: Integer,
    K: Ciphertext,
    D: Ciphertext,
    X: Point<C>,
    S: Point<C>,
    base: Point<C>,
    signers: u32,
}

/// Alters a repetition.
type Change<'a> = &'a dyn Fn(&mut Repetition<Toy>);

impl<C: Curve> Case<C> {
    fn new(level: Level, seed: u64) -> Self {
        let mut rng = rng(seed);
        let (k, x) = (Scalar::<C>::random(&mut rng).to_integer(), Scalar::<C>::random(&mut rng).to_integer());
        let y = Integer::sample(plaintext_bits(level, 3), &mut rng);
        Self::with(level, seed, &k, x, y)
    }

    /// `D` is made so that the whole decrypts to `y`.
    fn with(level: Level, seed: u64, k: &Integer, x: Integer, y: Integer) -> Self {
        let mut rng = rng(seed + 1);
        let owner = party(level, 0, seed);
        let key = &owner.paillier;
        let (rho, nu) = (Nonce::random(key.public(), &mut rng), Nonce::random(key.public(), &mut rng));
        let summand = y.sub(&k.mul(&x));
        let [K, D] = [(k, &rho), (&summand, &nu)].map(|plain| key.encrypt(&[plain]).remove(0));
        let base = Point::mul_generator(&Scalar::random(&mut rng));
        let X = Point::mul_generator(&Scalar::from_integer(&x));
        let S = base * Scalar::from_integer(&y);
        Self { context: context(level, Role::AlertKey), owner, x, y, K, D, X, S, base, signers: 3 }
    }

    fn statement(&self) -> Statement<'_, C> {
        let Self { K, D, X, S, base, signers, .. } = self;
        let prover = self.owner.paillier.public();
        Statement { prover, K, D, X: *X, S: *S, base: *base, signers: *signers }
    }

    fn witness(&self) -> Option<Witness> {
        Witness::open(self.context.level, &self.statement(), self.x.clone(), &self.owner.paillier)
    }

    fn prove(&self) -> Proof<C> {
        self.prove_with(&self.witness().unwrap())
    }

    fn prove_with(&self, witness: &Witness) -> Proof<C> {
        prove(&self.context, &self.statement(), witness, &self.owner.paillier, &mut rng(99)).unwrap()
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
        let statement = self.statement();
        let mut drawn = Masks::random(&self.context, &statement, &self.owner.paillier, &mut rng(98));
        masks(&mut drawn[3]);
        let mut sent = commit(&statement, &drawn, &self.owner.paillier).unwrap();
        first(&mut sent[3]);
        self.verify(&answer(&self.context, &statement, &self.witness().unwrap(), &drawn, sent))
    }
}

fn bits<C: Curve>(context: &Context<'_>, statement: &Statement<'_, C>, proof: &Proof<C>) -> Vec<bool> {
    challenge(context, statement, proof.repetitions.iter().map(|one| (&one.A, &one.B, &one.C)))
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
        assert_eq!(case.witness().unwrap().y, case.y, "seed {seed}");
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
    wrong.repetitions[3].nu = wrong.repetitions[4].nu.clone();
    assert_eq!(on_a_broken_processor(|| case.verify(&wrong)), refused("D"));
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

/// A-50 and A-51: another value than what decrypts; another factor; another base.
#[test]
fn inconsistent_statements_are_refused() {
    let mut case = tiny();
    case.S = case.S + case.base;
    assert_eq!(case.verify(&case.prove()), refused("S"));
    let mut case = tiny();
    case.X = case.X + Point::generator();
    assert_eq!(case.verify(&case.prove()), refused("X"));
    // The base is a part of the statement, not always G: the right value to the wrong base.
    let mut case = tiny();
    case.base = Point::generator();
    assert_eq!(case.verify(&case.prove()), refused("S"));

    // A witness of something else: of another plaintext, and of another factor with the same point.
    let mut case = tiny();
    let honest = case.witness().unwrap();
    case.S = case.S + case.base;
    let y = honest.y.add(&integer(1)).narrowed(300);
    let proof =
        case.prove_with(&Witness { y, x: honest.x.clone(), rho: Nonce::new(honest.rho.expose().clone()) });
    assert_eq!(case.verify(&proof), refused("D"));
    let case = tiny();
    let x = honest.x.add(&Integer::from_natural(&Toy::order()));
    assert_eq!(case.verify(&case.prove_with(&Witness { x, ..honest })), refused("D"));
}

#[test]
fn wrong_first_messages_are_refused() {
    let case = tiny();
    let rho = case.witness().unwrap().rho;
    let key = &case.owner.paillier;
    let A = case.forge(
        |_| (),
        |first| {
            let one = key.encrypt(&[(&integer(1), &rho)]).remove(0);
            first.A = key.public().add(&first.A, &one).unwrap();
        },
    );
    assert_eq!(A, refused("D"));
    assert_eq!(case.forge(|_| (), |first| first.B = first.B + Point::generator()), refused("S"));
    assert_eq!(case.forge(|_| (), |first| first.C = first.C + Point::generator()), refused("X"));
}

/// Every response of every repetition counts, whether its bit is 0 or 1.
#[test]
fn wrong_responses_are_refused() {
    let case = tiny();
    let honest = case.prove();
    let bits = case.challenge(&honest);
    assert!(bits.contains(&true) && bits.contains(&false));
    let n = case.owner.paillier.public().n();
    let one = integer(1);
    let order = Integer::from_natural(&Toy::order());
    let changes: [(&str, Change<'_>); 5] = [
        ("X", &|it| it.z = it.z.add(&one)),
        ("D", &|it| it.z = it.z.add(&order)),
        ("S", &|it| it.w = it.w.add(&one)),
        ("D", &|it| it.w = it.w.add(&order)),
        ("D", &|it| it.nu = Natural::new(&n.neg(it.nu.value()))),
    ];
    for (equation, change) in changes {
        for place in 0..bits.len() {
            let mut proof = honest.clone();
            change(&mut proof.repetitions[place]);
            assert_eq!(case.verify(&proof), refused(equation), "repetition {place}");
        }
    }
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
    let key = case.owner.paillier.public().clone();
    let p = case.owner.paillier.factors().p().clone();
    for bad in not_units(key.n(), &p) {
        check(&case, &|it| it.nu = bad.clone(), "nu");
    }
    let witness = case.witness().unwrap();
    let mut ciphertexts = not_units(key.nn(), &p);
    ciphertexts.push(Natural::new(key.n().value()));
    for bad in ciphertexts.into_iter().map(|bad| Ciphertext::new(bad.value())) {
        check(&case, &|it| it.A = bad.clone(), "A");
        let good = core::mem::replace(&mut case.K, bad.clone());
        assert_eq!(case.verify(&honest), Err(Rejection::Unit("K")));
        let refused = prove(&case.context, &case.statement(), &witness, &case.owner.paillier, &mut rng(1));
        assert_eq!(refused.unwrap_err(), Rejection::Unit("K"), "nothing is proved about it either");
        assert!(case.witness().is_none());
        case.K = good;
        let good = core::mem::replace(&mut case.D, bad);
        assert_eq!(case.verify(&honest), Err(Rejection::Unit("D")));
        assert!(case.witness().is_none());
        case.D = good;
    }
}

#[test]
fn identity_points_are_refused() {
    let case = tiny();
    let honest = case.prove();
    let changes: [(&str, Change<'_>); 2] =
        [("B", &|it| it.B = Point::identity()), ("C", &|it| it.C = Point::identity())];
    for (name, change) in changes {
        let mut proof = honest.clone();
        change(&mut proof.repetitions[3]);
        assert_eq!(case.verify(&proof), Err(Rejection::Domain(name)));
    }
    let mut with = [tiny(), tiny(), tiny()];
    with[0].X = Point::identity();
    with[1].S = Point::identity();
    with[2].base = Point::identity();
    for (case, name) in with.iter().zip(["X", "S", "G_b"]) {
        assert_eq!(case.verify(&honest), Err(Rejection::Domain(name)));
    }
}

/// A-41: a proof of zeros only.
#[test]
fn zero_proofs_are_refused() {
    let (A, nu) = (Ciphertext::new(&BoxedUint::zero()), Natural::new(&BoxedUint::zero()));
    let (z, w, B) = (integer(0), integer(0), Point::generator());
    let repetitions = vec![Repetition { A, B, C: B, z, w, nu }; Level::Tiny.parameters().repetitions];
    assert_eq!(tiny().verify(&Proof { repetitions }), Err(Rejection::Unit("A")));
}

/// A-21 to A-26: an honest proof is good for its own context only.
#[test]
fn context_is_bound() {
    let case = tiny();
    let proof = case.prove();
    let e = case.challenge(&proof);
    let role = Context { role: Role::AlertNonce, ..case.context };
    for (field, context) in changed_contexts(case.context).into_iter().chain([("nonce", role)]) {
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
        ("N0", Statement { prover: more.paillier.public(), ..honest }),
        ("K", Statement { K: &other.K, ..honest }),
        ("D", Statement { D: &other.D, ..honest }),
        ("X", Statement { X: other.X, ..honest }),
        ("S", Statement { S: other.S, ..honest }),
        ("G_b", Statement { base: other.base, ..honest }),
        ("n", Statement { signers: 4, ..honest }),
    ];
    for (field, statement) in statements {
        assert_ne!(e, bits(&case.context, &statement, &proof), "{field}");
        assert!(verify(&case.context, &statement, &proof).is_err(), "{field}");
    }
    let changes: [(&str, Change<'_>); 3] =
        [("A", &|it| it.A = other.D.clone()), ("B", &|it| it.B = other.X), ("C", &|it| it.C = other.X)];
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
        ]
    }
}

#[test]
fn frozen_vectors() {
    fn vector<C: Curve>(level: Level) -> serde_json::Value {
        let case = Case::<C>::new(level, 1);
        let (statement, witness) = (case.statement(), case.witness().unwrap());
        let proof = case.prove();
        assert_eq!(case.verify(&proof), Ok(()));
        let masks = Masks::random(&case.context, &statement, &case.owner.paillier, &mut rng(99));
        let first = commit(&statement, &masks, &case.owner.paillier).unwrap();
        assert_eq!(answer(&case.context, &statement, &witness, &masks, first), proof);
        let inputs = Inputs {
            statement: vec![
                ("N0", natural(case.owner.paillier.public().n().value())),
                ("K", case.K.natural().to_bytes()),
                ("D", case.D.natural().to_bytes()),
                ("X", case.X.to_bytes()),
                ("S", case.S.to_bytes()),
                ("G_b", case.base.to_bytes()),
                ("n", case.signers.to_be_bytes().to_vec()),
            ],
            witness: vec![
                ("x", vectors::integer(&witness.x)),
                ("y", vectors::integer(&witness.y)),
                ("rho", natural(witness.rho.expose())),
            ],
            randomness: masks.iter().map(Masks::fields).collect(),
        };
        vectors::vector::<C, _>(level, &inputs, &vectors::bits(case.challenge(&proof)), &proof)
    }
    vectors::check("dec", &[vector::<Toy>(Level::Tiny), vector::<Secp256k1>(Level::L128)]);
}
