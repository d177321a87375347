//! Group A: the set-up of Paillier and ring-Pedersen parameters.

use std::ops::ControlFlow;

use consign_cggmp24::Level;
use consign_cggmp24::aux_info::testing::start_lying;
use consign_cggmp24::aux_info::{
    self, Aux, AuxError, AuxInfo, AuxPublic, Broadcast, Direct, Fault, Primes, round3,
};
use consign_cggmp24::curve::{Secp256k1, Toy};
use consign_cggmp24::parties::Parties;
use consign_modexp::{BoxedUint, PrimeKind};
use consign_rounds::sim::{Letter, Outcome, TestKeys, honest, party};
use consign_rounds::{Charge, PartyIndex};
use consign_zk::natural::Natural;
use crypto_bigint::{ConcatenatingMul, Resize};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use crate::common::*;

mod moduli;
mod primes;

pub(crate) type Aux5 = AuxInfo<Toy>;
type Opening = round3::Broadcast;

/// A prime of exactly `bits` bits with the two top bits set.
fn prime(kind: PrimeKind, bits: u32, seed: u64) -> BoxedUint {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    consign_modexp::generate(kind, bits, &mut rng, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The largest `count` primes below `2^bits` that are 3 mod 4: their product fills its length.
fn blum_primes_below(bits: u32, count: usize) -> Vec<BoxedUint> {
    let mut candidate = (1_u128 << bits) - 1;
    let mut found = Vec::new();
    while found.len() < count {
        let number = BoxedUint::from(candidate);
        let modulus = consign_modexp::Modulus::new(&number).unwrap();
        if !consign_modexp::fermat_composites(&[&modulus], consign_modexp::Timing::Public)[0] {
            found.push(number);
        }
        candidate -= 4;
    }
    found
}

fn product(factors: &[BoxedUint]) -> Natural {
    let product = factors.iter().cloned().reduce(|a, b| a.concatenating_mul(&b)).unwrap();
    Natural::new(&product)
}

fn add(n: &Natural, k: i64) -> Natural {
    let step = BoxedUint::from(k.unsigned_abs());
    let n = n.value();
    Natural::new(&if k < 0 { n.wrapping_sub(&step) } else { n.wrapping_add(&step) })
}

/// `a - b`.
fn minus(a: &Natural, b: &Natural) -> Natural {
    Natural::new(&a.value().wrapping_sub(b.value().resize_unchecked(a.value().bits_precision())))
}

/// Party 2 of 3 commits to an opening altered by `lie`, and stops computing when proofs are exchanged. Also returns
/// the last round in which each honest party spoke.
fn committed(seed: u64, nonce: u8, lie: impl Fn(&mut Opening)) -> (Outcome<Aux5>, [u8; 2]) {
    let public = aux_public(3);
    let simulation = aux_with::<Toy>(seed, &public, nonce, |me, session, rng| {
        let primes = primes_of(Level::Tiny, me);
        let lie = |opening: &mut Opening| {
            if me == party(2) {
                lie(opening)
            }
        };
        start_lying(&public, session, me, primes, rng, lie).unwrap()
    });
    let mut sent = Record::default();
    let outcome = simulation.run(&mut deaf(2, 4, |_: &TestKeys, letter: Letter| {
        sent.note(&letter);
        vec![letter]
    }));
    let spoke = [1, 3].map(|me| sent.last_round(me));
    (outcome, spoke)
}

/// As [`committed`], and the lie is seen in the opening: no honest party may have sent a proof under it.
fn opening_convicts(what: &str, fault: Fault, lie: impl Fn(&mut Opening)) {
    let (outcome, spoke) = committed(1, 0, lie);
    assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
    assert_eq!(spoke, [3, 3], "{what}: nobody computes under bad parameters");
    assert!(outcome.stored.is_empty(), "{what}: stored");
}

/// As [`committed`], and the lie passes as far as the proofs.
fn proofs_convict(what: &str, fault: Fault, lie: impl Fn(&mut Opening)) {
    let (outcome, _) = committed(1, 0, lie);
    assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
    assert!(outcome.stored.is_empty(), "{what}: stored");
}

#[test]
fn lies_convict_at_full_size() {
    let public = aux_public_at(Level::L128, 2);
    let simulation = aux_with::<Secp256k1>(1, &public, 0, |me, session, rng| {
        let lie = |o: &mut Opening| {
            if me == party(2) {
                o.moduli.ring.s = minus(&o.moduli.ring.modulus, &o.moduli.ring.s);
            }
        };
        start_lying(&public, session, me, primes_of(Level::L128, me), rng, lie).unwrap()
    });
    let outcome = simulation.run(&mut honest);
    assert_convicted("s = -t^lambda", &outcome, 2, &[2], Charge::Broke(Fault::ProofPrm));
    let outcome = aux_of::<Secp256k1>(1, &public).run(&mut liar::<AuxInfo<Secp256k1>>(2, 4, |_, said, _| {
        let Broadcast::Round4(said) = said else { panic!("round 4") };
        let last = said.proof.responses.last_mut().unwrap();
        last.a = !last.a;
    }));
    assert_convicted("a fourth root", &outcome, 2, &[2], Charge::Broke(Fault::ProofMod));
}
