//! What a batch lets pass and what it does not (attack A-4C).

use std::sync::Arc;

use super::*;
use crate::aid::Aid;
use crate::level::Level;
use crate::natural::Natural;
use crate::paillier::Nonce;
use crate::rejection::Rejection;
use crate::relations::{Refused, Relations, verify_all, verify_once};
use crate::testing::cases::{integer, power_of_two, rng};
use crate::testing::party;

/// `enc(z; w) = A * C^e`, as a proof shows it.
struct Shown {
    z: Integer,
    w: BoxedUint,
    A: BoxedUint,
    C: BoxedUint,
    minus_e: Integer,
}

/// A key with proofs under it, of which some hold.
struct List {
    key: DecryptionKey,
    shown: Vec<Shown>,
}

/// Trials with other weights each.
const TRIALS: u64 = 64;

impl List {
    /// So many, with challenges of either sign, all right.
    fn honest(count: usize, seed: u64) -> Self {
        let mut rng = rng(seed);
        let key = party(Level::Tiny, 0, seed).paillier;
        let mut shown = Vec::new();
        for position in 0..count {
            let mut draw = || (Integer::sample(100, &mut rng), Nonce::random(key.public(), &mut rng));
            let ((x, rho), (alpha, r)) = (draw(), draw());
            let e = integer(if position % 2 == 0 { 12345 } else { -54321 });
            let [A, C] = [(&alpha, &r), (&x, &rho)].map(|plain| {
                let ciphertext = key.encrypt(&[plain]).remove(0);
                key.public().unit(&ciphertext).unwrap()
            });
            let response = crate::paillier::Response { key: key.public(), e: &e, r: &r, rho: &rho };
            let w = crate::paillier::respond(&[response]).remove(0).unit(key.public().n()).unwrap();
            shown.push(Shown { z: alpha.add(&e.mul(&x)), w, A, C, minus_e: e.neg() });
        }
        Self { key, shown }
    }

    fn n(&self) -> BoxedUint {
        self.key.public().n().value().clone()
    }

    fn queue<'a>(&'a self) -> impl Fn(&mut Relations<'a>, &'a Shown) -> Result<(), Rejection> {
        |relations, Shown { z, w, A, C, minus_e }| {
            relations.add_ciphertext("C", self.key.public(), (z, w), A, &[(C, minus_e)]);
            Ok(())
        }
    }

    /// The fast way alone.
    fn hold(&self, aid: &Aid) -> bool {
        verify_once(&self.shown, aid, &self.queue()).is_ok()
    }

    /// As a verifier goes on.
    fn verify(&self, aid: &Aid) -> Result<(), Refused> {
        verify_all(&self.shown, aid, self.queue())
    }

    /// A verifier of proofs that another made, and the owner of the modulus, with weights by `seed`.
    fn aids(&self, seed: u64) -> [Aid; 2] {
        let own = party(Level::Tiny, 0, 0).paillier;
        assert_eq!(own.public().n().value(), &self.n());
        [Aid::default(), Aid::new(Arc::new(own))].map(|aid| aid.batching(&mut rng(seed)))
    }

    /// Of how many trials a batch lets pass, by another's and by the owner's verification. What is refused is refused for
    /// the proof at `bad`, as by everybody who verifies one by one.
    fn passes(&self, bad: usize) -> [u64; 2] {
        let refused = Err((bad, Rejection::Equation("C")));
        assert_eq!(self.verify(&Aid::default()), refused);
        let mut passed = [0; 2];
        for seed in 0..TRIALS {
            for (aid, passed) in self.aids(seed).iter().zip(&mut passed) {
                if self.hold(aid) {
                    *passed += 1;
                    assert_eq!(self.verify(aid), Ok(()));
                } else {
                    assert_eq!(self.verify(aid), refused, "seed {seed}");
                }
            }
        }
        passed
    }
}

#[test]
fn honest_batches_hold() {
    for count in 0..10 {
        let list = List::honest(count, 7);
        for seed in 0..4 {
            for aid in list.aids(seed) {
                assert!(list.hold(&aid), "{count} proofs");
            }
        }
    }
    // The same base several times, as the ciphertext of a slot is in both of its products.
    let mut list = List::honest(2, 7);
    let more = List::honest(2, 7);
    list.shown.extend(more.shown);
    assert!(list.aids(1).iter().all(|aid| list.hold(aid)));
}

/// A wrong plaintext never passes, wherever it is, and the proof that has it is named.
#[test]
fn wrong_plaintexts_are_refused() {
    for bad in 0..3 {
        let mut list = List::honest(3, 8);
        list.shown[bad].z = list.shown[bad].z.add(&integer(1));
        assert_eq!(list.passes(bad), [0, 0], "proof {bad}");
    }
    let mut list = List::honest(3, 8);
    list.shown[1].A = list.shown[2].A.clone();
    assert_eq!(list.passes(1), [0, 0]);
    let mut list = List::honest(3, 8);
    list.shown[1].C = list.shown[2].C.clone();
    assert_eq!(list.passes(1), [0, 0]);
}

/// Two errors that would make up for each other, were their weights alike.
#[test]
fn errors_do_not_cancel() {
    let mut list = List::honest(3, 9);
    list.shown[1].z = list.shown[1].z.add(&integer(1));
    list.shown[2].z = list.shown[2].z.sub(&integer(1));
    assert_eq!(list.passes(1), [0, 0]);
}

/// A nonce that is off by -1 passes as often as its weight is even: it is the same plaintext all the same. Two of them
/// pass as often as the sum of their weights is. By itself such an equation is always refused.
#[test]
fn nonces_off_by_a_sign_may_pass() {
    let mut list = List::honest(3, 10);
    let minus = |w: &BoxedUint| list.key.public().n().neg(w);
    let [one, two] = [0, 2].map(|position: usize| minus(&list.shown[position].w));
    list.shown[2].w = two;
    for passed in list.passes(2) {
        assert!((TRIALS / 4..TRIALS * 3 / 4).contains(&passed), "{passed} of {TRIALS}");
    }
    list.shown[0].w = one;
    for passed in list.passes(0) {
        assert!((TRIALS / 4..TRIALS * 3 / 4).contains(&passed), "{passed} of {TRIALS}");
    }
    // A list of one is no batch.
    list.shown.truncate(1);
    assert_eq!(list.passes(0), [0, 0]);
}

/// A nonce that is off by something of large order does not pass.
#[test]
fn other_nonces_are_refused() {
    let mut list = List::honest(3, 11);
    let n = list.key.public().n().clone();
    list.shown[1].w = n.mul(&list.shown[1].w, &BoxedUint::from(2_u8));
    assert_eq!(list.passes(1), [0, 0]);
}

/// Condition (b): zeros make any batch pass, so units are checked before. The proofs test that they are.
#[test]
fn zeros_would_pass() {
    let mut list = List::honest(3, 12);
    list.shown[0].z = integer(1);
    list.shown[1].w = BoxedUint::zero_with_precision(list.n().bits_precision());
    list.shown[1].A = BoxedUint::zero_with_precision(2 * list.n().bits_precision());
    assert!(list.hold(&list.aids(1)[0]));
    let zero = Natural::new(&list.shown[1].w);
    assert!(zero.unit(list.key.public().n()).is_none());
}

/// Condition (a): under a modulus with a small factor a wrong plaintext may pass, so Πmod and Πfac come first.
#[test]
fn small_factors_would_help() {
    fn queue<'a>(
        key: &'a EncryptionKey,
    ) -> impl Fn(&mut Relations<'a>, &'a BoxedUint) -> Result<(), Rejection> {
        move |relations, right| {
            relations.add_ciphertext("C", key, (&integer(0), &BoxedUint::one()), right, &[]);
            Ok(())
        }
    }
    let fifth = power_of_two(Level::Tiny.parameters().modulus_bits - 3).add(&integer(1));
    let n = fifth.mul(&integer(5)).trimmed_public();
    let key = EncryptionKey::new(&Natural::new(n.magnitude()), Level::Tiny).unwrap();
    // Said to be encryptions of 0 with the nonce 1; one is of N/5.
    let list = [integer(0), fifth].map(|x| key.embed(&x));
    assert_eq!(verify_all(&list, &Aid::default(), queue(&key)), Err((1, Rejection::Equation("C"))));
    let passes = |seed: &u64| {
        let aid = Aid::default().batching(&mut rng(*seed));
        verify_once(&list, &aid, &queue(&key)).is_ok()
    };
    let passed = (0..TRIALS).filter(passes).count();
    assert!((1..20).contains(&passed), "{passed} of {TRIALS}");
}

/// What a test does to equations.
type Change = fn(&mut Vec<Equation<'_>>);

/// Weights are from 1 to 2^128, differ from each other, and with the key and with everything in the equations.
#[test]
fn weights_depend_on_everything() {
    let list = List::honest(3, 13);
    let other = party(Level::Tiny, 1, 13).paillier;
    let weights_under = |key, seed, change: Change| {
        let shown = list.shown.iter().map(|Shown { z, w, A, C, minus_e }| Equation {
            proof: 0,
            name: "C",
            key,
            z: z.clone(),
            w: w.clone(),
            right: A.clone(),
            powers: vec![(C.clone(), minus_e.clone())],
        });
        let mut equations: Vec<_> = shown.collect();
        change(&mut equations);
        WeightKey::random(&mut rng(seed)).weights(key, &equations)
    };
    let weights = |seed, change| weights_under(list.key.public(), seed, change);
    let honest = weights(1, |_| ());
    assert_eq!(honest, weights(1, |_| ()), "the same batch has the same weights");
    for weight in &honest {
        // Shorter ones are drawn once in 2^28.
        assert!((100..=129).contains(&weight.magnitude().bits_vartime()));
        assert!(!weight.is_negative().to_bool());
    }
    assert!(honest[0] != honest[1] && honest[1] != honest[2] && honest[0] != honest[2]);
    assert_ne!(honest[0], weights(2, |_| ())[0], "key");
    assert_ne!(honest[0], weights_under(other.public(), 1, |_| ())[0], "N");
    let changes: [(&str, Change); 6] = [
        ("z", |list| list[1].z = integer(5)),
        ("w", |list| list[1].w = BoxedUint::from(2_u8)),
        ("right", |list| list[1].right = BoxedUint::from(2_u8)),
        ("base", |list| list[1].powers[0].0 = BoxedUint::from(2_u8)),
        ("exponent", |list| list[1].powers[0].1 = integer(5)),
        ("count", |list| drop(list.pop())),
    ];
    for (field, change) in changes {
        assert_ne!(honest[0], weights(1, change)[0], "{field}");
    }
}
