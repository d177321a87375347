//! What a session drops, and that it keeps no more than it must.

use super::toy::{Broadcast, SESSION, Toy, lone_session, simulate, toss};
use crate::sim::{Letter, SimRng, TestKeys, honest, parties, party};
use crate::{Bytes, DropReason, Envelope, Header, Message, Reveal, SessionId};

fn rng() -> SimRng {
    rand_core::SeedableRng::seed_from_u64(0)
}

/// What party 2 says to party 1 in round 1, of 3 parties.
fn greeting(keys: &TestKeys) -> Envelope {
    let letters = lone_session(keys, SESSION, 2, 3).1;
    let Message::Envelope(envelope) = letters[0].message.clone() else { panic!("an envelope") };
    assert_eq!(letters[0].to, party(1));
    envelope
}

#[test]
fn what_does_not_belong_here_is_dropped_and_counted() {
    let keys = TestKeys::new(1, parties(3));
    let true_one = greeting(&keys);
    let resealed = |lie: &dyn Fn(&mut Header)| {
        let mut envelope = true_one.clone();
        lie(&mut envelope.signed.header);
        envelope.signed = keys.sign_header(envelope.signed.header);
        envelope
    };
    let mut forged = true_one.clone();
    forged.signed.signature.0[63] ^= 1;
    // Signed by party 3 in the name of party 2.
    let mut spoofed = true_one.clone();
    spoofed.signed.signature = keys.sign(party(3), &spoofed.signed.header.signing_bytes());
    let mut other_broadcast = true_one.clone();
    other_broadcast.broadcast.0.push(0);
    let mut other_direct = true_one.clone();
    other_direct.direct = Bytes(vec![1]);
    let cases = [
        (resealed(&|h| h.session = SessionId([8; 32])), DropReason::Session),
        (resealed(&|h| h.to = party(3)), DropReason::Recipient),
        (resealed(&|h| h.from = party(9)), DropReason::Sender),
        (resealed(&|h| h.from = party(1)), DropReason::Sender), // reflected
        (resealed(&|h| h.round = 0), DropReason::Round),
        (resealed(&|h| h.round = 3), DropReason::Round),
        (resealed(&|h| h.round = 4), DropReason::Round),
        (resealed(&|h| h.round = 255), DropReason::Round),
        (forged, DropReason::Signature),
        (spoofed, DropReason::Signature),
        (other_broadcast, DropReason::Hash),
        (other_direct, DropReason::Hash),
    ];
    for (envelope, reason) in cases {
        let (mut session, _) = lone_session(&keys, SESSION, 1, 3);
        assert!(session.receive(Message::Envelope(envelope), &mut rng()).is_empty());
        assert_eq!((session.dropped().count(reason), session.dropped().total()), (1, 1), "{reason:?}");
        assert_eq!(session.waiting_for().1, [party(2), party(3)], "{reason:?}");
        // The true one is still welcome.
        assert!(session.receive(Message::Envelope(true_one.clone()), &mut rng()).is_empty());
        assert_eq!(session.waiting_for().1, [party(3)], "{reason:?}");
        assert!(session.receive(Message::Envelope(true_one.clone()), &mut rng()).is_empty());
        assert_eq!(session.dropped().count(DropReason::Duplicate), 1);
        assert!(session.state().is_some());
        session.give_up();
        assert!(session.state().is_none());
        assert!(session.receive(Message::Envelope(true_one.clone()), &mut rng()).is_empty());
        assert_eq!(session.dropped().count(DropReason::Ended), 1);
    }
}

#[test]
fn our_own_message_sent_back_is_dropped() {
    let keys = TestKeys::new(1, parties(3));
    let (mut session, letters) = lone_session(&keys, SESSION, 1, 3);
    for letter in letters {
        assert!(session.receive(letter.message, &mut rng()).is_empty());
    }
    assert_eq!(session.dropped().count(DropReason::Sender), 2);
}

#[test]
fn reveals_that_do_not_belong_here_are_dropped_and_counted() {
    let keys = TestKeys::new(1, parties(3));
    let reveal = |session, from: u16| Reveal::sign(session, party(from), &[], &*keys.signer(party(from)));
    let mut forged = reveal(SESSION, 2);
    forged.signature.0[0] ^= 1;
    let mut long = reveal(SESSION, 2);
    long.headers = vec![greeting(&keys).signed; 10];
    let cases = [
        (reveal(SessionId([8; 32]), 2), DropReason::Session),
        (reveal(SESSION, 1), DropReason::Sender),
        (reveal(SESSION, 9), DropReason::Sender),
        (forged, DropReason::Signature),
        (long, DropReason::Round),
    ];
    for (reveal, reason) in cases {
        let (mut session, _) = lone_session(&keys, SESSION, 1, 3);
        assert!(session.receive(Message::Reveal(reveal), &mut rng()).is_empty());
        assert_eq!((session.dropped().count(reason), session.dropped().total()), (1, 1), "{reason:?}");
    }
}

#[test]
fn one_envelope_is_kept_per_party_and_round_and_two_rounds_at_most() {
    let keys = TestKeys::new(1, parties(3));
    let (mut session, _) = lone_session(&keys, SESSION, 1, 3);
    let mut kept = Vec::new();
    for round in 1..=3 {
        for k in 0..50u8 {
            let mut envelope = greeting(&keys);
            envelope.signed.header.round = round;
            envelope.signed.header.echo = [k; 32];
            envelope.signed = keys.sign_header(envelope.signed.header);
            let accused = !session.receive(Message::Envelope(envelope), &mut rng()).is_empty();
            kept.push((round, k, accused));
            if accused {
                break;
            }
        }
    }
    // The first is kept, the second is evidence and ends it; nothing is ever overwritten.
    assert_eq!(kept[..2], [(1, 0, false), (1, 1, true)]);
    assert_eq!(session.dropped().count(DropReason::Ended), 100);

    let (mut session, _) = lone_session(&keys, SESSION, 1, 3);
    for round in [2, 3] {
        let mut envelope = greeting(&keys);
        envelope.signed.header.round = round;
        envelope.signed = keys.sign_header(envelope.signed.header);
        for _ in 0..10 {
            assert!(session.receive(Message::Envelope(envelope.clone()), &mut rng()).is_empty());
        }
    }
    assert_eq!(session.dropped().count(DropReason::Duplicate), 9, "round 2 is kept once");
    assert_eq!(session.dropped().count(DropReason::Round), 10, "round 3 is not kept");
    assert_eq!(session.waiting_for().1, [party(2), party(3)], "the next round is not this one");
}

#[test]
fn a_second_message_for_a_completed_round_convicts() {
    let mut simulation = simulate(1, 3);
    while simulation.session(party(1)).unwrap().round() < 3 {
        simulation.step(&mut honest);
    }
    // The same seed gives the same messages: take one, alter it, and deliver it late.
    let mut late = None;
    toss(1, 3, &mut |keys: &TestKeys, mut letter: Letter| {
        if super::toy::is_said(&letter, 2, 1) && letter.to == party(1) {
            keys.rewrite::<Toy>(&mut letter, |said, _| {
                let Broadcast::Commit(m) = said else { panic!("round 1") };
                m.pad = [1; 32];
            });
            late = Some(letter.clone());
        }
        vec![letter]
    });
    simulation.deliver(late.unwrap());
    let outcome = simulation.run(&mut honest);
    assert!(outcome.culprits(party(1)).into_iter().eq([party(2)]));
}

#[test]
fn a_replay_from_another_session_has_no_effect() {
    // Everything that was ever said in one session is thrown into another of the same parties.
    let mut old = Vec::new();
    let other = SessionId([8; 32]);
    let keys = TestKeys::new(4, parties(3));
    for me in 1..=3 {
        old.extend(lone_session(&keys, other, me, 3).1);
    }
    let outcome = toss(4, 3, &mut |_: &TestKeys, letter: Letter| {
        let mut out = old.clone();
        out.push(letter);
        out
    });
    assert_eq!(outcome.finished.len(), 3);
    assert!(outcome.verdicts.is_empty() && outcome.failures.is_empty());
    assert!(outcome.dropped.values().any(|dropped| dropped.count(DropReason::Session) > 0));
}
