//! A complaint convicts one of two, and everybody convicts the same.

use super::toy::{Broadcast, Direct, Fault, Toy, assert_convicted, header, is_said, liar, toss};
use crate::sim::{Letter, TestKeys, party};
use crate::{Bytes, Charge, Complaint, DirectPart, Message, SessionId};

/// What 3 dealt to 1 in round 2: the first is honest.
fn dealt(letter: &Letter, from: u16, to: u16) -> Option<DirectPart> {
    match &letter.message {
        Message::Envelope(e) if is_said(letter, from, 2) && letter.to == party(to) => Some(e.direct_part()),
        Message::Envelope(_) | Message::Reveal(_) => None,
    }
}

/// Party 1 complains about what party 3 honestly sent it, after `lie` has altered that.
fn complain(seed: u64, mut lie: impl FnMut(&TestKeys, &mut Complaint)) -> crate::sim::Outcome<Toy> {
    let mut shown = None;
    toss(seed, 4, &mut |keys: &TestKeys, mut letter: Letter| {
        shown = dealt(&letter, 3, 1).or(shown.take());
        if is_said(&letter, 1, 3) {
            let envelope = shown.clone().expect("3 dealt before 1 opens");
            let mut complaint = Complaint { against: party(3), envelope };
            lie(keys, &mut complaint);
            keys.rewrite::<Toy>(&mut letter, |said, _| *said = Broadcast::Complain(complaint));
        }
        vec![letter]
    })
}

#[test]
fn a_bad_share_convicts_the_dealer() {
    for seed in 0..100 {
        let outcome = toss(
            seed,
            4,
            &mut liar(2, 2, |to, _, share| {
                if to == 3 {
                    *share = Direct::Share([1; 32]);
                }
            }),
        );
        assert_convicted(&outcome, 4, &[2], Charge::Broke(Fault::BadShare));
    }
}

#[test]
fn a_complaint_about_a_good_share_convicts_the_accuser() {
    for seed in 0..50 {
        let outcome = complain(seed, |_, _| ());
        assert_convicted(&outcome, 4, &[1], Charge::Broke(Fault::GoodShare));
    }
}

#[test]
fn a_complaint_about_something_else_convicts_the_accuser() {
    let lies: &[(&str, fn(&TestKeys, &mut Complaint))] = &[
        ("another share", |_, c| c.envelope.direct.0[5] ^= 1),
        ("forged", |_, c| c.envelope.signed.signature.0[0] ^= 1),
        ("forged header", |_, c| c.envelope.signed.header.echo[0] ^= 1),
        ("against another party", |_, c| c.against = party(2)),
        ("against itself", |_, c| c.against = party(1)),
        ("against nobody", |_, c| c.against = party(9)),
        ("its own envelope", |keys, c| {
            c.against = party(1);
            c.envelope.signed.header.from = party(1);
            c.envelope.signed = keys.sign_header(c.envelope.signed.header);
        }),
        ("signed by nobody", |keys, c| {
            c.against = party(9);
            c.envelope.signed.header.from = party(9);
            c.envelope.signed = keys.sign_header(c.envelope.signed.header);
        }),
    ];
    for (what, lie) in lies {
        println!("{what}");
        assert_convicted(&complain(1, lie), 4, &[1], Charge::FalseComplaint);
    }
}

#[test]
fn what_the_accused_signed_for_another_place_convicts_the_accuser() {
    // All of it is authentic: another session, another recipient, a round that is not over.
    let lies: &[(&str, fn(&mut crate::Header))] = &[
        ("another session", |h| h.session = SessionId([8; 32])),
        ("another recipient", |h| h.to = party(2)),
        ("this round", |h| h.round = 3),
        ("round 0", |h| h.round = 0),
        ("no round at all", |h| h.round = 200),
    ];
    for (what, lie) in lies {
        println!("{what}");
        let outcome = complain(1, |keys, c| {
            let mut header = c.envelope.signed.header;
            lie(&mut header);
            c.envelope.signed = keys.sign_header(header);
        });
        assert_convicted(&outcome, 4, &[1], Charge::FalseComplaint);
    }
}

#[test]
fn a_share_under_another_broadcast_or_echo_convicts_the_dealer_of_equivocation() {
    let lies: &[fn(&mut crate::Header)] = &[|h| h.broadcast_hash = [1; 32], |h| h.echo = [1; 32]];
    for lie in lies {
        let outcome = complain(1, |keys, c| {
            let mut header = c.envelope.signed.header;
            lie(&mut header);
            c.envelope.signed = keys.sign_header(header);
        });
        for me in [2, 4] {
            assert!(outcome.culprits(party(me)).into_iter().eq([party(3)]));
            assert_eq!(outcome.verdicts[&party(me)][0].charge, Charge::Equivocation);
        }
    }
}

#[test]
fn a_malformed_share_convicts_the_dealer() {
    for bytes in [vec![], vec![0], vec![1, 2, 3], vec![0; 4000]] {
        let outcome = complain(1, |keys, c| {
            c.envelope.direct = Bytes(bytes.clone());
            let mut header = c.envelope.signed.header;
            header.direct_hash = crate::direct_hash(&bytes);
            c.envelope.signed = keys.sign_header(header);
        });
        // Too long a complaint does not fit into a broadcast.
        let (culprit, charge) =
            if bytes.len() > 100 { (1, Charge::Malformed) } else { (3, Charge::Malformed) };
        for me in [2, 4] {
            assert!(outcome.culprits(party(me)).into_iter().eq([party(culprit)]));
            assert_eq!(outcome.verdicts[&party(me)][0].charge, charge);
        }
    }
}

#[test]
fn two_complaints_in_one_round_are_both_decided() {
    // 2 deals badly to 3; 1 complains about 4's good share.
    let mut shown = None;
    let outcome = toss(3, 4, &mut |keys: &TestKeys, mut letter: Letter| {
        if is_said(&letter, 2, 2) && letter.to == party(3) {
            keys.rewrite::<Toy>(&mut letter, |_, share| *share = Direct::Share([1; 32]));
        }
        shown = dealt(&letter, 4, 1).or(shown.take());
        if is_said(&letter, 1, 3) {
            let envelope = shown.clone().expect("4 dealt before 1 opens");
            let complaint = Complaint { against: party(4), envelope };
            keys.rewrite::<Toy>(&mut letter, |said, _| *said = Broadcast::Complain(complaint));
        }
        vec![letter]
    });
    for me in [3, 4] {
        assert!(outcome.culprits(party(me)).into_iter().eq([1, 2].map(party)));
    }
    // The dealer's own session finds itself at fault and says so, next to the conviction of the other liar.
    assert!(outcome.culprits(party(2)).into_iter().eq([party(1)]));
    assert_eq!(outcome.failures[&party(2)], [crate::Failure::OwnFault]);
    assert!(outcome.finished.is_empty());
}

#[test]
fn a_complaint_shown_to_some_only_ends_in_a_conviction_of_the_accuser() {
    // Party 1 opens to 2 and complains (falsely) to the others. In this toy the last round is not echoed, so 2
    // finishes; those who saw the complaint convict.
    let mut shown = None;
    let outcome = toss(1, 4, &mut |keys: &TestKeys, mut letter: Letter| {
        shown = dealt(&letter, 3, 1).or(shown.take());
        if is_said(&letter, 1, 3) && letter.to != party(2) {
            let envelope = shown.clone().expect("3 dealt before 1 opens");
            let complaint = Complaint { against: party(3), envelope };
            keys.rewrite::<Toy>(&mut letter, |said, _| *said = Broadcast::Complain(complaint));
        }
        assert!(header(&letter).is_some(), "no echo differs here");
        vec![letter]
    });
    for me in [3, 4] {
        assert!(outcome.culprits(party(me)).into_iter().eq([party(1)]));
    }
    assert!(outcome.finished.contains_key(&party(2)));
}
