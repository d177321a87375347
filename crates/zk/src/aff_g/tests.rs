//! Every check of Πaff-g refuses something on its own (attacks A-21 to A-28, A-40, A-41, A-44, A-45, A-48).

use std::sync::Arc;

use consign_modexp::BoxedUint;

use super::*;
use crate::context::Role;
use crate::curve::{Secp256k1, Toy};
use crate::level::Level;
use crate::relations::verify_once;
use crate::testing::cases::{check_encoding, check_every_change, context, integer, power_of_two, rng};
use crate::testing::vectors::{self, Inputs, natural};
use crate::testing::{Party, party};

mod domains;

/// A receiver with a ciphertext, and a prover who multiplies it.
struct Case<C: Curve> {
    context: Context<'static>,
    receiver: Party,
    prover: Party,
    /// The receiver's key once more, as its verifier has it.
    aid: Aid,
    batching: Aid,
    k: Integer,
    x: Integer,
    y: Integer,
    rho: Nonce,
    rho_y: Nonce,
    C: Ciphertext,
    D: Ciphertext,
    Y: Ciphertext,
    X: Point<C>,
}

impl<C: Curve> Case<C> {
    fn new(level: Level, seed: u64) -> Self {
        let mut rng = rng(seed);
        let (k, x) = (Scalar::<C>::random(&mut rng).to_integer(), Scalar::<C>::random(&mut rng).to_integer());
        let y = Integer::sample(level.parameters().ell_prime, &mut rng);
        Self::with(level, seed, k, x, y)
    }

    fn with(level: Level, seed: u64, k: Integer, x: Integer, y: Integer) -> Self {
        Self::to(1, level, seed, k, x, y)
    }

    /// With the party of these ready-made primes as the receiver.
    fn to(which: usize, level: Level, seed: u64, k: Integer, x: Integer, y: Integer) -> Self {
        let aid = || Aid::new(Arc::new(party(level, which, seed).paillier));
        let (aid, batching) = (aid(), aid().batching(&mut rng(97)));
        let mut rng = rng(seed + 1);
        let (prover, receiver) = (party(level, 0, seed), party(level, which, seed));
        let (n0, n1) = (receiver.paillier.public(), prover.paillier.public());
        let (rho, rho_y) = (Nonce::random(n0, &mut rng), Nonce::random(n1, &mut rng));
        let C = receiver.paillier.encrypt(&[(&k, &Nonce::random(n0, &mut rng))]).remove(0);
        let D = n0.affine(&[Affine { ciphertext: &C, x: &x, y: &y, rho: &rho }]).unwrap().remove(0);
        let Y = prover.paillier.encrypt(&[(&y, &rho_y)]).remove(0);
        let X = Point::mul_generator(&Scalar::from_integer(&x));
        let context = context(level, Role::Psi);
        Self { context, receiver, prover, aid, batching, k, x, y, rho, rho_y, C, D, Y, X }
    }

    fn statement(&self) -> Statement<'_, C> {
        Statement {
            receiver: self.receiver.paillier.public(),
            prover: self.prover.paillier.public(),
            C: &self.C,
            D: &self.D,
            Y: &self.Y,
            X: self.X,
            rp: &self.receiver.ring,
        }
    }

    fn witness(&self) -> Witness<'_> {
        Witness { x: &self.x, y: &self.y, rho: &self.rho, rho_y: &self.rho_y }
    }

    fn prove(&self) -> Proof<C> {
        let (statement, witness) = (self.statement(), self.witness());
        prove(&self.context, &statement, &witness, &self.prover.paillier, &mut rng(99)).unwrap()
    }

    fn claim(&self) -> Claim<'_, C> {
        Claim { context: self.context, statement: self.statement(), witness: self.witness() }
    }

    /// As a judge, who knows no factors. The receiver, who computes by its own ones, comes to the same, and in a batch it
    /// accepts the same.
    fn verify(&self, proof: &Proof<C>) -> Result<(), Rejection> {
        let verdict = self.judge(proof);
        assert_eq!(self.verify_once([proof; 2], &self.batching).is_ok(), verdict.is_ok());
        verdict
    }

    /// As [`Case::verify`] without a batch.
    fn judge(&self, proof: &Proof<C>) -> Result<(), Rejection> {
        let verdict = verify(&self.context, &self.statement(), proof);
        assert_eq!(self.verify_once([proof], &self.aid), verdict);
        verdict
    }

    fn verify_once<const COUNT: usize>(
        &self,
        proofs: [&Proof<C>; COUNT],
        aid: &Aid,
    ) -> Result<(), Rejection> {
        let claimed =
            proofs.map(|proof| Claimed { context: self.context, statement: self.statement(), proof });
        let units = Units::of(claimed.iter().flat_map(numbers));
        verify_once(&claimed, aid, &|list, claimed| {
            queue(list, claimed, &check(claimed, &units)?);
            Ok(())
        })
        .map_err(|(_, why)| why)
    }

    /// A proof by a prover who draws and sends what `lie` wants, and computes the rest honestly.
    fn forge(
        &self,
        masks: impl FnOnce(&mut Masks),
        first: impl FnOnce(&mut FirstMessages<C>),
    ) -> Result<(), Rejection> {
        let claim = self.claim();
        let mut drawn = draw(&[claim], &self.prover.paillier, &mut rng(98)).remove(0);
        masks(&mut drawn);
        let one = std::slice::from_ref(&drawn);
        let mut sent = commit(&[claim], one, &self.prover.paillier).unwrap().remove(0);
        first(&mut sent);
        self.verify(&answer(&[claim], one, vec![sent]).remove(0))
    }
}

fn tiny() -> Case<Toy> {
    Case::new(Level::Tiny, 5)
}

fn refused(equation: &'static str) -> Result<(), Rejection> {
    Err(Rejection::Equation(equation))
}

/// One list for several proofs changes nothing.
#[test]
fn a_list_is_proven_as_if_one_after_another() {
    let case = tiny();
    let (claims, key) = ([case.claim(); 3], &case.prover.paillier);
    let masks = draw(&claims, key, &mut rng(97));
    let alone = |masks: &Masks| {
        let (claim, masks) = ([case.claim()], std::slice::from_ref(masks));
        answer(&claim, masks, commit(&claim, masks, key).unwrap()).remove(0)
    };
    let together = prove_all(&claims, key, &mut rng(97)).unwrap();
    assert_eq!(together, masks.iter().map(alone).collect::<Vec<_>>());
    assert_ne!(together[0], together[1]);
    assert!(prove_all::<Toy>(&[], &case.prover.paillier, &mut rng(97)).unwrap().is_empty());
}

/// Responses and proofs for several receivers, two parts of one after another, come of one list.
#[test]
fn one_list_serves_several_receivers() {
    let cases = [1, 1, 2, 1]
        .map(|which| Case::<Toy>::to(which, Level::Tiny, 5, integer(11), integer(12), integer(1000)));
    fn part(case: &Case<Toy>) -> Part<'_> {
        let (receiver, rp) = (case.receiver.paillier.public(), &case.receiver.ring);
        Part { receiver, C: &case.C, rp, witness: case.witness() }
    }
    let masks = |case: &Case<Toy>| draw(&[case.claim()], &case.prover.paillier, &mut rng(96)).remove(0);
    let parts: Vec<_> = cases.iter().map(part).collect();
    let begun = begin::<Toy>(&parts, cases.iter().map(masks).collect(), &cases[0].prover.paillier).unwrap();
    let expected: Vec<_> = cases.iter().map(|case| [case.D.clone(), case.Y.clone()]).collect();
    assert_eq!(begun.responses(), expected);
    let claims: Vec<_> = cases.iter().map(Case::claim).collect();
    let proofs = begun.prove(&claims);
    assert_eq!(proofs.len(), cases.len());
    for (case, proof) in cases.iter().zip(&proofs) {
        assert_eq!(case.verify(proof), Ok(()));
    }
    assert_ne!(
        cases[0].receiver.paillier.public().n().value(),
        cases[2].receiver.paillier.public().n().value()
    );
}

#[test]
fn honest_proofs_verify() {
    for seed in 0..40 {
        let case = Case::<Toy>::new(Level::Tiny, seed);
        assert_eq!(case.verify(&case.prove()), Ok(()), "seed {seed}");
        let plain = case.receiver.paillier.decrypt(&[&case.D]).unwrap().remove(0);
        assert_eq!(plain, case.k.mul(&case.x).add(&case.y), "seed {seed}");
    }
    let case = Case::<Secp256k1>::new(Level::Fast, 1);
    assert_eq!(case.verify(&case.prove()), Ok(()));
}

/// A-48: at the ends of the honest ranges, and at those the proofs leave to a liar, nothing wraps: the response
/// decrypts to the integer formula, negative ones too.
#[test]
fn extremes_verify_and_decrypt() {
    let p = Level::Tiny.parameters();
    let largest = Integer::from_natural(&Toy::order().shr(1));
    let mask = power_of_two(p.ell_prime - 1);
    let decrypts = |case: &Case<Toy>| {
        let plain = case.receiver.paillier.decrypt(&[&case.D]).unwrap().remove(0);
        assert_eq!(plain, case.k.mul(&case.x).add(&case.y));
    };
    for (x, y) in
        [(&largest, &mask), (&largest.neg(), &mask.neg()), (&integer(1), &integer(0)), (&integer(-1), &mask)]
    {
        for k in [integer(0), integer(1), largest.clone(), largest.neg()] {
            let case = Case::<Toy>::with(Level::Tiny, 3, k, x.clone(), y.clone());
            assert_eq!(case.verify(&case.prove()), Ok(()));
            decrypts(&case);
        }
    }
    let proven = |bits: u32| [power_of_two(bits), power_of_two(bits).neg()];
    for k in proven(p.ell + p.epsilon) {
        for x in proven(p.ell + p.epsilon) {
            for y in proven(p.ell_prime + p.epsilon) {
                decrypts(&Case::with(Level::Tiny, 3, k.clone(), x.clone(), y.clone()));
            }
        }
    }
}

/// A-44 and A-45: another factor than the logarithm of `X`, another mask in `D` than in `Y`.
#[test]
fn inconsistent_statements_are_refused() {
    let one = integer(1);
    let mut case = tiny();
    case.X = case.X + Point::generator();
    assert_eq!(case.verify(&case.prove()), refused("X"));

    let mut case = tiny();
    case.Y = case.prover.paillier.encrypt(&[(&case.y.add(&one), &case.rho_y)]).remove(0);
    assert_eq!(case.verify(&case.prove()), refused("Y"));

    // The sign convention: the same y in both, not its negative.
    let mut case = tiny();
    case.Y = case.prover.paillier.encrypt(&[(&case.y.neg(), &case.rho_y)]).remove(0);
    assert_eq!(case.verify(&case.prove()), refused("Y"));

    let mut case = tiny();
    let y = case.y.add(&one);
    let affine = Affine { ciphertext: &case.C, x: &case.x, y: &y, rho: &case.rho };
    case.D = case.receiver.paillier.public().affine(&[affine]).unwrap().remove(0);
    assert_eq!(case.verify(&case.prove()), refused("D"));

    let mut case = tiny();
    let x = case.x.add(&one);
    let affine = Affine { ciphertext: &case.C, x: &x, y: &case.y, rho: &case.rho };
    case.D = case.receiver.paillier.public().affine(&[affine]).unwrap().remove(0);
    assert_eq!(case.verify(&case.prove()), refused("D"));

    // Another ciphertext of the same value.
    let mut case = tiny();
    case.C = case.receiver.paillier.encrypt(&[(&case.k, &case.rho)]).remove(0);
    assert_eq!(case.verify(&case.prove()), refused("D"));
}

#[test]
fn wrong_first_messages_are_refused() {
    let case = tiny();
    let rp = &case.receiver.ring;
    let times_s = |value: &mut Natural| *value = Natural::new(&rp.modulus().mul(value.value(), rp.s()));
    let plus_one = |key: &DecryptionKey, value: &mut Ciphertext, rho: &Nonce| {
        let one = key.encrypt(&[(&integer(1), rho)]).remove(0);
        *value = key.public().add(value, &one).unwrap();
    };
    assert_eq!(case.forge(|_| (), |_| ()), Ok(()));
    let A = case.forge(|_| (), |first| plus_one(&case.receiver.paillier, &mut first.A, &case.rho));
    assert_eq!(A, refused("D"));
    assert_eq!(case.forge(|_| (), |first| first.B_x = first.B_x + Point::generator()), refused("X"));
    let B_y = case.forge(|_| (), |first| plus_one(&case.prover.paillier, &mut first.B_y, &case.rho_y));
    assert_eq!(B_y, refused("Y"));
    assert_eq!(case.forge(|_| (), |first| times_s(&mut first.E)), refused("S"));
    assert_eq!(case.forge(|_| (), |first| times_s(&mut first.S)), refused("S"));
    assert_eq!(case.forge(|_| (), |first| times_s(&mut first.F)), refused("T"));
    assert_eq!(case.forge(|_| (), |first| times_s(&mut first.T)), refused("T"));
}

#[test]
fn wrong_responses_are_refused() {
    let case = tiny();
    let honest = case.prove();
    let one = integer(1);
    let (n0, n1) = (case.receiver.paillier.public().n(), case.prover.paillier.public().n());
    let cases = [
        ("X", Proof { z1: honest.z1.add(&one), ..honest.clone() }),
        ("X", Proof { z1: honest.z1.neg(), ..honest.clone() }),
        ("D", Proof { z2: honest.z2.add(&one), ..honest.clone() }),
        ("S", Proof { z3: honest.z3.sub(&one), ..honest.clone() }),
        ("S", Proof { z3: honest.z3.neg(), ..honest.clone() }),
        ("T", Proof { z4: honest.z4.sub(&one), ..honest.clone() }),
        ("T", Proof { z4: honest.z4.neg(), ..honest.clone() }),
    ];
    for (equation, proof) in cases {
        assert_eq!(case.verify(&proof), refused(equation));
    }
    // These may pass in a batch: `batch/tests.rs`.
    let negated = |n: &consign_modexp::Modulus, value: &Natural| Natural::new(&n.neg(value.value()));
    let proof = Proof { w: negated(n0, &honest.w), ..honest.clone() };
    assert_eq!(case.judge(&proof), refused("D"));
    let proof = Proof { w_y: negated(n1, &honest.w_y), ..honest };
    assert_eq!(case.judge(&proof), refused("Y"));
}

/// A response shifted by a multiple of `q` satisfies the equation of the curve, not those of Paillier.
#[test]
fn responses_are_integers_not_residues() {
    let case = tiny();
    let honest = case.prove();
    let z1 = honest.z1.add(&Integer::from_natural(&Toy::order()));
    assert_eq!(case.verify(&Proof { z1, ..honest }), refused("D"));
}

/// A-40: everything is proved with the real witness, and only the range is wrong.
#[test]
fn values_out_of_range_are_refused() {
    fn check<C: Curve>(level: Level, x: Integer, y: Integer, name: &'static str) {
        let case = Case::<C>::with(level, 7, integer(17), x, y);
        assert_eq!(case.verify(&case.prove()), Err(Rejection::Range(name)));
    }
    let p = Level::Tiny.parameters();
    let x = power_of_two(p.ell + p.epsilon + 2);
    let y = power_of_two(p.ell_prime + p.epsilon + 2);
    let order = Integer::from_natural(&Toy::order());
    check::<Toy>(Level::Tiny, x.clone(), integer(5), "z1");
    check::<Toy>(Level::Tiny, x.neg(), integer(5), "z1");
    check::<Toy>(Level::Tiny, order.mul(&power_of_two(90)).add(&integer(17)), integer(5), "z1");
    check::<Toy>(Level::Tiny, integer(5), y.clone(), "z2");
    check::<Toy>(Level::Tiny, integer(5), y.neg(), "z2");
    let p = Level::Fast.parameters();
    let order = Integer::from_natural(&Secp256k1::order());
    check::<Secp256k1>(Level::Fast, order.mul(&power_of_two(400)).add(&integer(1)), integer(5), "z1");
    check::<Secp256k1>(Level::Fast, integer(5), power_of_two(p.ell_prime + p.epsilon + 2).neg(), "z2");
}

/// `x + q` is the same point, another integer within the slack: accepted. So is a mask beyond its honest range.
#[test]
fn values_within_the_slack_are_accepted() {
    let honest = tiny();
    let x = honest.x.add(&Integer::from_natural(&Toy::order()));
    let y = power_of_two(Level::Tiny.parameters().ell_prime + 8);
    let case = Case::<Toy>::with(Level::Tiny, 5, honest.k.clone(), x, y);
    assert_eq!(case.X, honest.X);
    assert_eq!(case.verify(&case.prove()), Ok(()));
}

/// The responses are driven to the ends of their intervals: accepted there, refused one further.
#[test]
fn range_boundaries_are_closed() {
    let p = Level::Tiny.parameters();
    // With y = 0 the response z2 is the mask itself.
    let case = Case::<Toy>::with(Level::Tiny, 7, integer(17), integer(5), integer(0));
    let end = power_of_two(p.ell_prime + p.epsilon - 1);
    let over = end.add(&integer(1));
    let with = |beta: Integer| case.forge(|masks| masks.beta = beta, |_| ());
    assert_eq!(with(end.clone()), Ok(()));
    assert_eq!(with(end.neg()), Ok(()));
    assert_eq!(with(over.clone()), Err(Rejection::Range("z2")));
    assert_eq!(with(over.neg()), Err(Rejection::Range("z2")));
    // x = 0 would have X = O, which is refused; x = q has the same fate. So z1 is set past the prover.
    let end = power_of_two(p.ell + p.epsilon - 1);
    let over = end.add(&integer(1));
    let honest = case.prove();
    let with = |z1: Integer| case.verify(&Proof { z1, ..honest.clone() });
    assert_eq!(with(end.clone()), refused("X"), "in range, judged by the equation");
    assert_eq!(with(end.neg()), refused("X"));
    assert_eq!(with(over.clone()), Err(Rejection::Range("z1")));
    assert_eq!(with(over.neg()), Err(Rejection::Range("z1")));
}

#[test]
fn decoder_bounds_are_closed() {
    let case = tiny();
    let honest = case.prove();
    let p = Level::Tiny.parameters();
    let modulus = Integer::from_natural(case.receiver.ring.modulus().value());
    let end = modulus.mul(&power_of_two(p.ell + p.epsilon));
    let over = end.add(&integer(1));
    for (value, z3, z4) in [
        (end.clone(), refused("S"), refused("T")),
        (end.neg(), refused("S"), refused("T")),
        (over.clone(), Err(Rejection::Bound("z3")), Err(Rejection::Bound("z4"))),
        (over.neg(), Err(Rejection::Bound("z3")), Err(Rejection::Bound("z4"))),
    ] {
        assert_eq!(case.verify(&Proof { z3: value.clone(), ..honest.clone() }), z3);
        assert_eq!(case.verify(&Proof { z4: value, ..honest.clone() }), z4);
    }
}

#[test]
fn encoding_is_canonical() {
    check_encoding(&tiny().prove());
}

/// A-28, A-41 and A-80: no other bytes are a proof of the same, and none make the verifier panic.
#[test]
fn changed_bytes_are_refused() {
    let case = tiny();
    check_every_change(&case.prove(), 1, |proof| case.verify(proof));
}

#[test]
fn frozen_vectors() {
    fn vector<C: Curve>(level: Level) -> serde_json::Value {
        let case = Case::<C>::new(level, 1);
        let claim = case.claim();
        let statement = claim.statement;
        let proof = case.prove();
        assert_eq!(case.verify(&proof), Ok(()));
        let masks = draw(&[claim], &case.prover.paillier, &mut rng(99)).remove(0);
        let one = std::slice::from_ref(&masks);
        let first = commit(&[claim], one, &case.prover.paillier).unwrap().remove(0);
        assert_eq!(answer(&[claim], one, vec![first]), std::slice::from_ref(&proof));
        let rp = case.receiver.ring.parameters();
        let inputs = Inputs {
            statement: vec![
                ("N0", natural(case.receiver.paillier.public().n().value())),
                ("N1", natural(case.prover.paillier.public().n().value())),
                ("C", case.C.natural().to_bytes()),
                ("D", case.D.natural().to_bytes()),
                ("Y", case.Y.natural().to_bytes()),
                ("X", case.X.to_bytes()),
                ("N^", rp.modulus.to_bytes()),
                ("s", rp.s.to_bytes()),
                ("t", rp.t.to_bytes()),
            ],
            witness: vec![
                ("x", vectors::integer(&case.x)),
                ("y", vectors::integer(&case.y)),
                ("rho", natural(case.rho.expose())),
                ("rho_y", natural(case.rho_y.expose())),
            ],
            randomness: vec![vec![
                ("alpha", vectors::integer(&masks.alpha)),
                ("beta", vectors::integer(&masks.beta)),
                ("gamma", vectors::integer(&masks.gamma)),
                ("delta", vectors::integer(&masks.delta)),
                ("m", vectors::integer(&masks.m)),
                ("mu", vectors::integer(&masks.mu)),
                ("r", natural(masks.r.expose())),
                ("r_y", natural(masks.r_y.expose())),
            ]],
        };
        let e = challenge(&case.context, &statement, &proof.first);
        vectors::vector::<C, _>(level, &inputs, &[e.to_bytes()], &proof)
    }
    vectors::check("aff_g", &[vector::<Toy>(Level::Tiny), vector::<Secp256k1>(Level::L128)]);
}
