//! Honest parties reach the same result, whatever the network does.

use std::collections::BTreeSet;

use super::toy::{SESSION, Toy, Zero, lone_session, simulate_from, start_with, toss};
use crate::sim::{SimRng, TestKeys, honest, parties, party};
use crate::{Effect, Failure, Identities, Message, PartyIndex, Seat, SeatError, Session};

#[test]
fn all_agree_in_any_order_of_delivery() {
    let mut coins = BTreeSet::new();
    for seed in 0..1000 {
        let outcome = toss(seed, 4, &mut honest);
        assert_eq!(outcome.finished.len(), 4, "seed {seed}");
        let first = &outcome.finished[&party(1)];
        assert!(outcome.finished.values().all(|f| f.output == first.output), "seed {seed}");
        assert!(outcome.finished.values().all(|f| f.transcript == first.transcript), "seed {seed}");
        assert!(outcome.verdicts.is_empty() && outcome.failures.is_empty(), "seed {seed}");
        assert!(outcome.stored.values().all(|stored| stored.len() == 1), "seed {seed}");
        assert_eq!(outcome.stored.len(), 4);
        coins.insert(first.output);
    }
    assert_eq!(coins.len(), 1000, "another seed, another coin");
}

#[test]
fn one_seed_is_one_run() {
    let run = || {
        let mut sent = Vec::new();
        let outcome = toss(5, 3, &mut |_: &TestKeys, letter| {
            sent.push(letter.clone());
            vec![letter]
        });
        (sent, outcome.finished[&party(2)].transcript, outcome.bytes_sent, outcome.dropped)
    };
    assert!(run() == run());
}

#[test]
fn two_parties_and_many_parties() {
    for n in [2, 3, 20] {
        let outcome = toss(u64::from(n), n, &mut honest);
        assert_eq!(outcome.finished.len(), usize::from(n));
    }
}

#[test]
fn the_last_round_is_kept_as_signed() {
    let outcome = toss(3, 3, &mut honest);
    let keys = TestKeys::new(3, parties(3));
    for finished in outcome.finished.values() {
        assert!(finished.last.keys().eq(&parties(3)));
        for (from, said) in &finished.last {
            assert!(said.is_authentic(&keys));
            assert_eq!((said.signed.header.from, said.signed.header.round), (*from, 3));
        }
    }
}

#[test]
fn store_comes_before_the_messages_it_protects() {
    let keys = TestKeys::new(1, parties(2));
    let (mut a, mut to_b) = lone_session(&keys, SESSION, 1, 2);
    let (mut b, mut to_a) = lone_session(&keys, SESSION, 2, 2);
    let mut rng: SimRng = rand_core::SeedableRng::seed_from_u64(0);
    let mut kinds = Vec::new();
    while let Some(letter) = to_a.pop() {
        for effect in a.receive(letter.message, &mut rng) {
            kinds.push(match effect {
                Effect::Store(_) => "store",
                Effect::Send { .. } => "send",
                Effect::Finish(_) => "finish",
                Effect::Accuse(_) | Effect::Fail(_) => "bad",
            });
            if let Effect::Send { to, message } = effect {
                to_b.push(crate::sim::Letter { to, message });
            }
        }
        while let Some(letter) = to_b.pop() {
            to_a.extend(super::toy::sends(b.receive(letter.message, &mut rng)));
        }
    }
    assert_eq!(kinds, ["send", "store", "send", "finish"]);
}

#[test]
fn an_end_without_a_culprit() {
    // Two equal coins: the XOR is zero.
    let outcome = simulate_from(1, 2, |me, rng| start_with([3; 32], me, &parties(2), rng)).run(&mut honest);
    for me in parties(2) {
        assert_eq!(outcome.failures[&me], [Failure::Protocol(Zero)]);
    }
    assert!(outcome.finished.is_empty() && outcome.verdicts.is_empty());
}

#[test]
fn silence_is_named_and_proves_nothing() {
    for silent_from in 1..=3 {
        let outcome = toss(9, 4, &mut |_: &TestKeys, letter| {
            let silent = super::toy::header(&letter)
                .is_some_and(|header| header.from == party(4) && header.round >= silent_from);
            if silent { vec![] } else { vec![letter] }
        });
        assert!(outcome.verdicts.is_empty());
        for me in parties(3) {
            let silent = vec![party(4)];
            let expected = Failure::Unattributed { round: silent_from, silent, objected: vec![] };
            assert_eq!(outcome.failures[&me], [expected]);
        }
    }
}

#[test]
fn progress_is_visible() {
    let keys = TestKeys::new(1, parties(3));
    let (mut session, _) = lone_session(&keys, SESSION, 1, 3);
    assert_eq!((session.round(), session.me(), session.id()), (1, party(1), SESSION));
    assert_eq!(session.waiting_for(), (1, vec![party(2), party(3)]));
    let mut rng: SimRng = rand_core::SeedableRng::seed_from_u64(0);
    let from_3 = lone_session(&keys, SESSION, 3, 3).1.remove(0).message;
    assert!(session.receive(from_3, &mut rng).is_empty());
    assert_eq!(session.waiting_for(), (1, vec![party(2)]));
    assert!(!session.is_over());
    let [Effect::Fail(failure)] = &session.give_up()[..] else { panic!("one failure") };
    assert_eq!(
        failure.to_string(),
        "round 1 was not completed; silent: [2]; stopped because echoes differ: []"
    );
    assert!(session.is_over() && session.waiting_for().1.is_empty() && session.give_up().is_empty());
}

#[test]
fn a_session_moves_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Session<Toy, TestKeys>>();
    is_send::<Message>();
}

/// A list of parties that nobody has put in order.
struct Unchecked(Vec<PartyIndex>);

impl Identities for Unchecked {
    fn parties(&self) -> &[PartyIndex] {
        &self.0
    }
    fn verify(&self, _: PartyIndex, _: &[u8], _: &crate::Signature) -> bool {
        false
    }
}

#[test]
fn unusable_lists_of_parties_are_refused() {
    let start = |list: Vec<PartyIndex>, me| {
        let mut rng: SimRng = rand_core::SeedableRng::seed_from_u64(0);
        let (state, speech) = start_with([1; 32], party(me), &list, &mut rng);
        let seat = Seat {
            session: SESSION,
            me: party(me),
            public: super::toy::public(2),
            aid: std::sync::Arc::new(()),
            signer: TestKeys::new(1, list.clone()).signer(party(me)),
            identities: std::sync::Arc::new(Unchecked(list)),
        };
        Session::<Toy, _>::start(seat, state, speech).err()
    };
    assert_eq!(start(parties(1), 1), Some(SeatError::PartyCount));
    assert_eq!(start(parties(101), 1), Some(SeatError::PartyCount));
    assert_eq!(start(vec![party(2), party(1)], 1), Some(SeatError::PartyOrder));
    assert_eq!(start(vec![party(1), party(1), party(2)], 1), Some(SeatError::PartyOrder));
    assert_eq!(start(parties(2), 3), Some(SeatError::NotAParty));
}
