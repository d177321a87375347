//! Signing in one round, as a session: whoever lies is convicted by everybody, and nobody else is.

use std::sync::Arc;

use consign_cggmp24::Level;
use consign_cggmp24::curve::Toy;
use consign_cggmp24::ecdsa::HashedMessage;
use consign_cggmp24::presign::{MAX_BATCH, max_batch};
use consign_cggmp24::sign::online::{self, Online, Public};
use consign_cggmp24::sign::{Partial, PartialFault, Presignature};
use consign_cggmp24::testing::{Committee, NONCE, party, results, simulate};
use consign_rounds::sim::{Simulation, honest};
use consign_rounds::{Charge, Evidence, Past, PerParty};
use consign_zk::curve::Scalar;

use crate::common::{assert_all_finished, assert_convicted, assert_unframeable, liar, record};
use crate::signing::{message, slot};

type Made = PerParty<Presignature<Toy>>;

fn agreed(made: &Made, message: HashedMessage) -> Arc<Public<Toy>> {
    let one = made.values().next().unwrap();
    Arc::new(Public::new(one.public().clone(), message.digest()))
}

fn simulation(
    mut made: Made,
    public: &Arc<Public<Toy>>,
    message: HashedMessage,
    seed: u64,
) -> Simulation<Online<Toy>> {
    let session = public.session(&NONCE);
    simulate(seed, session, public.signers(), public.clone(), |me, _| {
        online::start(public, made.remove(&me).unwrap(), message).unwrap()
    })
}

fn three_of_five(seed: u64) -> (Committee<Toy>, PerParty<Vec<Presignature<Toy>>>) {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 5, seed);
    let made = committee.presign(&[1, 2, 3], 2, seed);
    (committee, made)
}

#[test]
fn one_message_each_makes_the_signature() {
    let (committee, mut made) = three_of_five(21);
    let message = message::<Toy>("pay");
    let made = slot(&mut made);
    let public = agreed(&made, message);
    let (sent, outcome) = record(simulation(made, &public, message, 1));
    assert_eq!(sent.0.len(), 6, "one message from everyone to everyone else");
    let signatures = results(outcome);
    assert_eq!(signatures.len(), 3);
    assert!(signatures.values().all(|s| s.verify(&committee.key().public_key, &message.digest())));
}

#[test]
fn a_presignature_signs_only_what_was_agreed() {
    let (_, mut made) = three_of_five(22);
    let (pay, other) = (message::<Toy>("pay"), message::<Toy>("other"));
    let (first, second) = (slot(&mut made), slot(&mut made));
    let (public, elsewhere) = (agreed(&first, pay), agreed(&second, pay));
    let sessions = [
        public.session(&NONCE),
        public.session(&[1; 32]),
        agreed(&first, other).session(&NONCE),
        elsewhere.session(&NONCE),
    ];
    for (i, a) in sessions.iter().enumerate() {
        assert!(sessions[i + 1..].iter().all(|b| a != b), "session {i}");
    }
    let take = |made: Made| made.into_values().next().unwrap();
    assert!(online::start(&public, take(first), other).is_err());
    assert!(online::start(&public, take(second), pay).is_err());
}

#[test]
fn who_lies_is_convicted_by_all() {
    type Lie = fn(&mut Partial<Toy>);
    let lies: [(&str, PartialFault, Lie); 3] = [
        ("sigma", PartialFault::Equation, |p| p.sigma = p.sigma + Scalar::one()),
        ("presignature", PartialFault::Foreign, |p| p.presignature[0] ^= 1),
        ("digest", PartialFault::Foreign, |p| p.digest = message::<Toy>("other").digest()),
    ];
    for (what, fault, lie) in lies {
        let (_, mut made) = three_of_five(23);
        let message = message::<Toy>("pay");
        let made = slot(&mut made);
        let public = agreed(&made, message);
        let mut adversary = liar::<Online<Toy>>(2, online::ROUND, |_, said, _| lie(said));
        let outcome = simulation(made, &public, message, 3).run(&mut adversary);
        assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
    }
}

#[test]
fn nobody_is_framed_with_another_presignature() {
    let (_, mut made) = three_of_five(24);
    let message = message::<Toy>("pay");
    let (first, second) = (slot(&mut made), slot(&mut made));
    let (public, other) = (agreed(&first, message), agreed(&second, message));
    let simulated = simulation(first, &public, message, 4);
    let keys = simulated.keys().clone();
    let (sent, outcome) = record(simulated);
    assert_all_finished("honest", &outcome, 3);
    let (foreign, _) = record(simulation(second, &other, message, 4));
    assert_unframeable::<Online<Toy>>(&public, public.session(&NONCE), &keys, &sent, &foreign);
    // Shown with another presignature, under its session or under the true one.
    for charge in &sent.0 {
        let evidence = Evidence::Misbehaviour { before: Past::default(), charge: charge.clone() };
        assert_eq!(evidence.judge::<Online<Toy>>(&other, other.session(&NONCE), &*keys), None);
    }
}

#[test]
fn all_agree_whatever_comes_first() {
    for seed in 0..20 {
        let (_, mut made) = three_of_five(25);
        let message = message::<Toy>("pay");
        let made = slot(&mut made);
        let public = agreed(&made, message);
        let signatures = results(simulation(made, &public, message, seed).run(&mut honest));
        assert!(signatures.values().all(|s| *s == signatures[&party(1)]), "seed {seed}");
    }
}

#[test]
fn batches_are_as_large_as_messages_allow() {
    assert_eq!(max_batch::<Toy>(Level::Tiny, 2), MAX_BATCH);
    let most = |signers| max_batch::<consign_cggmp24::curve::Secp256k1>(Level::L128, signers);
    assert!(
        most(2) >= most(3) && most(3) > most(20) && most(20) >= 1,
        "{} {} {}",
        most(2),
        most(3),
        most(20)
    );
}
