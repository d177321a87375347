//! Units, identities and what the challenge binds.

use super::*;
use crate::ring_pedersen::Parameters;
use crate::testing::cases::{changed_contexts, not_units, other_modulus};

/// zero, the modulus, multiples of a factor, and a number increased by the modulus, in every place.
#[test]
fn non_units_are_refused() {
    let mut case = tiny();
    let honest = case.prove();
    let check = |case: &Case<Toy>, change: &dyn Fn(&mut Proof<Toy>), name| {
        let mut proof = honest.clone();
        change(&mut proof);
        assert_eq!(case.verify(&proof), Err(Rejection::Unit(name)));
    };
    let ring = case.receiver.ring.clone();
    for bad in not_units(ring.modulus(), case.receiver.ring_factors.p()) {
        check(&case, &|proof| proof.first.E = bad.clone(), "E");
        check(&case, &|proof| proof.first.S = bad.clone(), "S");
        check(&case, &|proof| proof.first.F = bad.clone(), "F");
        check(&case, &|proof| proof.first.T = bad.clone(), "T");
    }
    let (n0, n1) = (case.receiver.paillier.public().clone(), case.prover.paillier.public().clone());
    let p0 = case.receiver.paillier.factors().p().clone();
    let p1 = case.prover.paillier.factors().p().clone();
    for bad in not_units(n0.n(), &p0) {
        check(&case, &|proof| proof.w = bad.clone(), "w");
    }
    for bad in not_units(n1.n(), &p1) {
        check(&case, &|proof| proof.w_y = bad.clone(), "w_y");
    }
    let ciphertexts = |key: &EncryptionKey, p| {
        let mut list = not_units(key.nn(), p);
        list.push(Natural::new(key.n().value()));
        list.into_iter().map(|bad| Ciphertext::new(bad.value()))
    };
    for bad in ciphertexts(&n0, &p0) {
        check(&case, &|proof| proof.first.A = bad.clone(), "A");
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
        check(&case, &|proof| proof.first.B_y = bad.clone(), "B_y");
        let good = core::mem::replace(&mut case.Y, bad);
        assert_eq!(case.verify(&honest), Err(Rejection::Unit("Y")));
        case.Y = good;
    }
}

#[test]
fn identity_points_are_refused() {
    let mut case = tiny();
    let mut proof = case.prove();
    proof.first.B_x = Point::identity();
    assert_eq!(case.verify(&proof), Err(Rejection::Domain("B_x")));
    case.X = Point::identity();
    assert_eq!(case.verify(&proof), Err(Rejection::Domain("X")));
    // Proved with the witnesses 0 and q.
    for x in [integer(0), Integer::from_natural(&Toy::order())] {
        let case = Case::<Toy>::with(Level::Tiny, 7, integer(17), x, integer(3));
        assert_eq!(case.verify(&case.prove()), Err(Rejection::Domain("X")));
    }
}

/// proofs of zeros only.
#[test]
fn zero_proofs_are_refused() {
    let case = tiny();
    let zero = || Natural::new(&BoxedUint::zero());
    let ciphertext = || Ciphertext::new(&BoxedUint::zero());
    let first = FirstMessages {
        A: ciphertext(),
        B_x: Point::identity(),
        B_y: ciphertext(),
        E: zero(),
        S: zero(),
        F: zero(),
        T: zero(),
    };
    let [z1, z2, z3, z4] = [0; 4].map(integer);
    let mut proof = Proof { first, z1, z2, z3, z4, w: zero(), w_y: zero() };
    assert_eq!(case.verify(&proof), Err(Rejection::Domain("B_x")));
    proof.first.B_x = Point::generator();
    assert_eq!(case.verify(&proof), Err(Rejection::Unit("A")));
}

/// an honest proof is good for its own context only: not for ψ^ in place of ψ, nor another verifier.
#[test]
fn context_is_bound() {
    let case = tiny();
    let proof = case.prove();
    let e = challenge(&case.context, &case.statement(), &proof.first);
    for (field, context) in changed_contexts(case.context) {
        assert_ne!(e, challenge(&context, &case.statement(), &proof.first), "{field}");
        assert!(verify(&context, &case.statement(), &proof).is_err(), "{field}");
    }
    let role = Context { role: Role::PsiHat, ..case.context };
    assert_eq!(verify(&role, &case.statement(), &proof), refused("X"));
}

/// every field of the statement and every first message enters the challenge, and none can be exchanged.
#[test]
fn statement_and_first_messages_are_bound() {
    let case = tiny();
    let proof = case.prove();
    let e = challenge(&case.context, &case.statement(), &proof.first);
    let (other, more) = (Case::<Toy>::new(Level::Tiny, 6), party(Level::Tiny, 2, 6));
    let rp = case.receiver.ring.parameters();
    let square = |value: &Natural| Natural::new(&case.receiver.ring.modulus().square(value.value()));
    let ring = |parameters| RingPedersen::new(&parameters, Level::Tiny).unwrap();
    let other_s = ring(Parameters { s: square(&rp.s), ..rp.clone() });
    let other_n = other_modulus(&case.receiver.ring, Level::Tiny);
    let other_t = ring(Parameters { t: square(&rp.t), ..rp.clone() });
    let honest = case.statement();
    let statements = [
        ("N0", Statement { receiver: more.paillier.public(), ..honest }),
        ("N1", Statement { prover: more.paillier.public(), ..honest }),
        ("C", Statement { C: &other.C, ..honest }),
        ("D", Statement { D: &other.D, ..honest }),
        ("Y", Statement { Y: &other.Y, ..honest }),
        ("X", Statement { X: other.X, ..honest }),
        ("N^", Statement { rp: &other_n, ..honest }),
        ("s", Statement { rp: &other_s, ..honest }),
        ("t", Statement { rp: &other_t, ..honest }),
    ];
    for (field, statement) in statements {
        assert_ne!(e, challenge(&case.context, &statement, &proof.first), "{field}");
        assert!(verify(&case.context, &statement, &proof).is_err(), "{field}");
    }
    let first = &proof.first;
    let firsts = [
        ("A", FirstMessages { A: other.D.clone(), ..first.clone() }),
        ("B_x", FirstMessages { B_x: other.X, ..first.clone() }),
        ("B_y", FirstMessages { B_y: other.Y.clone(), ..first.clone() }),
        ("E", FirstMessages { E: rp.s.clone(), ..first.clone() }),
        ("S", FirstMessages { S: rp.s.clone(), ..first.clone() }),
        ("F", FirstMessages { F: rp.s.clone(), ..first.clone() }),
        ("T", FirstMessages { T: rp.s.clone(), ..first.clone() }),
    ];
    for (field, first) in firsts {
        assert_ne!(e, challenge(&case.context, &case.statement(), &first), "{field}");
        assert!(case.verify(&Proof { first, ..proof.clone() }).is_err(), "{field}");
    }
}
