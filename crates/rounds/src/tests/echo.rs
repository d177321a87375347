//! Echoes that differ lead to whoever caused it, and to nobody else.

use super::toy::{
    Broadcast, SESSION, Toy, assert_convicted, header, is_said, lone_session, sends, simulate, toss,
};
use crate::sim::{Letter, SimRng, TestKeys, honest, parties, party};
use crate::{Charge, Effect, Failure, Message, Reveal, SignedHeader};

/// Party 2 tells party 1 another commitment than the others.
fn equivocate(keys: &TestKeys, letter: &mut Letter) {
    if is_said(letter, 2, 1) && letter.to == party(1) {
        keys.rewrite::<Toy>(letter, |said, _| {
            let Broadcast::Commit(m) = said else { panic!("round 1") };
            m.pad = [5; 32];
        });
    }
}

/// Party 2 signs another echo in round 2, to those of `to`.
fn misecho(keys: &TestKeys, letter: &mut Letter, to: &[u16]) {
    let Some(mut h) = header(letter) else { return };
    if h.from == party(2) && h.round == 2 && to.contains(&h.to.get()) {
        h.echo = [9; 32];
        let Message::Envelope(envelope) = &mut letter.message else { panic!("an envelope") };
        envelope.signed = keys.sign_header(h);
    }
}

fn is_reveal(letter: &Letter, from: u16) -> bool {
    matches!(&letter.message, Message::Reveal(reveal) if reveal.from == party(from))
}

#[test]
fn an_equivocator_is_convicted_by_everyone() {
    for seed in 0..300 {
        let outcome = toss(seed, 4, &mut |keys: &TestKeys, mut letter: Letter| {
            equivocate(keys, &mut letter);
            vec![letter]
        });
        assert_convicted(&outcome, 4, &[2], Charge::Equivocation);
        // The equivocator's own session, which is honest, has nobody to accuse.
        assert!(outcome.culprits(party(2)).is_empty());
    }
}

#[test]
fn an_equivocator_is_convicted_without_its_help() {
    for seed in 0..100 {
        // It reveals nothing, and says nothing after round 1.
        let outcome = toss(seed, 4, &mut |keys: &TestKeys, mut letter: Letter| {
            equivocate(keys, &mut letter);
            let is_later = header(&letter).is_some_and(|h| h.from == party(2) && h.round > 1);
            if is_later || is_reveal(&letter, 2) { vec![] } else { vec![letter] }
        });
        assert_convicted(&outcome, 4, &[2], Charge::Equivocation);
    }
}

#[test]
fn a_wrong_echo_convicts_by_the_liars_own_reveal() {
    for seed in 0..100 {
        let outcome = toss(seed, 4, &mut |keys: &TestKeys, mut letter: Letter| {
            misecho(keys, &mut letter, &[1, 3, 4]);
            vec![letter]
        });
        assert_convicted(&outcome, 4, &[2], Charge::WrongEcho);
    }
}

#[test]
fn a_reveal_made_to_fit_a_wrong_echo_convicts_too() {
    // Party 2 invents a header of 3 and signs the echo that follows from it; it cannot sign for 3.
    let invent = |reveal: &mut Reveal| {
        for signed in &mut reveal.headers {
            if signed.header.from == party(3) && signed.header.round == 1 {
                signed.header.broadcast_hash = [1; 32];
            }
        }
        reveal.completed = 1;
        reveal.headers.truncate(4);
    };
    for seed in 0..50 {
        let mut received = Vec::<SignedHeader>::new();
        let outcome = toss(seed, 4, &mut |keys: &TestKeys, mut letter: Letter| {
            if let Message::Envelope(e) = &letter.message
                && (e.signed.header.to, e.signed.header.round) == (party(2), 1)
            {
                received.push(e.signed);
            }
            if let Message::Reveal(reveal) = &mut letter.message
                && reveal.from == party(2)
            {
                invent(reveal);
                keys.reseal_reveal(reveal);
            }
            if let Some(mut h) = header(&letter).filter(|h| h.from == party(2) && h.round == 2) {
                let mut hashes: crate::PerParty<_> =
                    received.iter().map(|s| (s.header.from, s.header.broadcast_hash)).collect();
                hashes.insert(party(3), [1; 32]);
                // Its own commitment: the hash that it tells everyone is in no letter to itself.
                hashes.insert(party(2), own_hash(seed));
                h.echo = crate::hash::next_echo(SESSION, 1, &crate::hash::first_echo(SESSION), &hashes);
                let Message::Envelope(envelope) = &mut letter.message else { panic!("an envelope") };
                envelope.signed = keys.sign_header(h);
            }
            vec![letter]
        });
        assert_convicted(&outcome, 4, &[2], Charge::BadReveal);
    }
}

/// The hash of what party 2 says in round 1 of the simulation with this seed.
fn own_hash(seed: u64) -> crate::Hash {
    let mut found = None;
    let mut simulation = simulate(seed, 4);
    simulation.step(&mut |_: &TestKeys, letter: Letter| {
        found = header(&letter).filter(|_| is_said(&letter, 2, 1)).map(|h| h.broadcast_hash).or(found);
        vec![letter]
    });
    found.unwrap()
}

#[test]
fn a_wrong_echo_to_one_party_is_convicted_there_and_blames_nobody_elsewhere() {
    for seed in 0..100 {
        let outcome = toss(seed, 4, &mut |keys: &TestKeys, mut letter: Letter| {
            misecho(keys, &mut letter, &[1]);
            vec![letter]
        });
        assert!(outcome.culprits(party(1)).into_iter().eq([party(2)]));
        for me in [3, 4] {
            assert!(!outcome.verdicts.contains_key(&party(me)));
            // Party 1 stopped and said so: it is not called silent.
            let objected = vec![party(1)];
            let expected = Failure::Unattributed { round: 3, silent: vec![], objected };
            assert_eq!(outcome.failures[&party(me)], [expected]);
        }
    }
}

#[test]
fn a_liar_that_reveals_nothing_is_named_as_silent_only() {
    for seed in 0..50 {
        let outcome = toss(seed, 4, &mut |keys: &TestKeys, mut letter: Letter| {
            misecho(keys, &mut letter, &[1, 3, 4]);
            if is_reveal(&letter, 2) { vec![] } else { vec![letter] }
        });
        assert!(outcome.verdicts.is_empty());
        for me in [1, 3, 4] {
            let [Failure::Unattributed { round: 2, silent, .. }] = &outcome.failures[&party(me)][..] else {
                panic!("one failure of {me} in round 2")
            };
            assert_eq!(silent, &[party(2)]);
        }
    }
}

/// The reveal of `from` after `rounds` rounds of the simulation with this seed, as an honest party makes it.
fn true_reveal(seed: u64, n: u16, from: u16, rounds: u8) -> Reveal {
    let mut headers = Vec::new();
    let keys = TestKeys::new(seed, parties(n));
    toss(seed, n, &mut |_: &TestKeys, letter: Letter| {
        if let Message::Envelope(e) = &letter.message {
            headers.push(e.signed);
        }
        vec![letter]
    });
    let own = |round| {
        let said = headers.iter().find(|s| s.header.from == party(from) && s.header.round == round);
        let direct_hash = crate::direct_hash(&[]);
        keys.sign_header(crate::Header { to: party(from), direct_hash, ..said.unwrap().header })
    };
    let by_round: Vec<crate::PerParty<SignedHeader>> = (1..=rounds)
        .map(|round| {
            let to_us = |s: &&SignedHeader| s.header.to == party(from) && s.header.round == round;
            let theirs = headers.iter().filter(to_us).map(|s| (s.header.from, *s));
            theirs.chain([(party(from), own(round))]).collect()
        })
        .collect();
    Reveal::sign(SESSION, party(from), &by_round, &*keys.signer(party(from)))
}

#[test]
fn a_needless_reveal_is_answered_and_changes_nothing() {
    for seed in 0..30 {
        let reveals: Vec<_> = (0..=3).map(|rounds| true_reveal(seed, 3, 2, rounds)).collect();
        let mut answers = 0;
        let outcome = toss(seed, 3, &mut |_: &TestKeys, letter: Letter| {
            answers += u32::from(is_reveal(&letter, 1));
            let mut out = vec![letter.clone()];
            if is_said(&letter, 2, 1) && letter.to == party(1) {
                // All at once, the longest first, each twice.
                for reveal in reveals.iter().rev().chain(&reveals) {
                    out.push(Letter { to: party(1), message: Message::Reveal(reveal.clone()) });
                }
            }
            out
        });
        assert_eq!(outcome.finished.len(), 3, "seed {seed}");
        assert!(outcome.verdicts.is_empty() && outcome.failures.is_empty());
        assert!((1..=4).contains(&answers), "{answers} answers");
    }
}

#[test]
fn an_impossible_reveal_convicts() {
    let lies: &[(&str, fn(&TestKeys, &mut Reveal))] = &[
        ("one header less", |_, r| {
            r.headers.pop();
        }),
        ("one header more", |_, r| r.headers.push(r.headers[0])),
        ("another order", |_, r| r.headers.swap(0, 1)),
        ("more rounds", |_, r| r.completed = 3),
        ("fewer rounds", |_, r| r.completed = 1),
        ("more rounds than there are", |_, r| r.completed = 4),
        ("no rounds, but headers", |_, r| r.completed = 0),
        ("a header twice", |_, r| r.headers[1] = r.headers[0]),
        ("for another party", |keys, r| {
            r.headers[0].header.to = party(3);
            r.headers[0] = keys.sign_header(r.headers[0].header);
        }),
        ("of another session", |keys, r| {
            r.headers[0].header.session = crate::SessionId([8; 32]);
            r.headers[0] = keys.sign_header(r.headers[0].header);
        }),
        ("under another echo", |keys, r| {
            r.headers[4].header.echo = [8; 32];
            r.headers[4] = keys.sign_header(r.headers[4].header);
        }),
    ];
    for (what, lie) in lies {
        println!("{what}");
        let outcome = with_false_reveal(1, lie);
        assert_convicted(&outcome, 3, &[2], Charge::BadReveal);
    }
}

#[test]
fn a_forged_header_in_a_reveal_convicts() {
    // It contradicts the true header of party 3 and, through the echo, the liar's own header of round 3. Whichever
    // of the two comes first convicts; nobody ever convicts party 3.
    let mut charges = std::collections::BTreeMap::new();
    for seed in 0..40 {
        let outcome = with_false_reveal(seed, &|_, reveal| reveal.headers[5].header.broadcast_hash = [8; 32]);
        for me in [1, 3] {
            let me = party(me);
            assert!(outcome.culprits(me).into_iter().eq([party(2)]), "seed {seed}");
            assert!(
                !outcome.finished.contains_key(&me) && !outcome.failures.contains_key(&me),
                "seed {seed}"
            );
            *charges.entry(format!("{:?}", outcome.verdicts[&me][0].charge)).or_insert(0) += 1;
        }
    }
    assert_eq!(charges.keys().collect::<Vec<_>>(), ["BadReveal", "WrongEcho"]);
}

/// What comes of a reveal of party 2 that is altered by `lie`.
fn with_false_reveal(seed: u64, lie: &dyn Fn(&TestKeys, &mut Reveal)) -> crate::sim::Outcome<Toy> {
    let reveal = true_reveal(seed, 3, 2, 2);
    toss(seed, 3, &mut |keys: &TestKeys, letter: Letter| {
        let mut out = vec![letter.clone()];
        if is_said(&letter, 2, 1) {
            let mut reveal = reveal.clone();
            lie(keys, &mut reveal);
            keys.reseal_reveal(&mut reveal);
            out.push(Letter { to: letter.to, message: Message::Reveal(reveal) });
        }
        out
    })
}

#[test]
fn a_reveal_of_rounds_to_come_is_compared_when_they_come() {
    // Party 2 shows, from the start, a header of round 2 that party 3 did sign, but for another broadcast.
    let mut reveal = true_reveal(1, 3, 2, 2);
    let keys = TestKeys::new(1, parties(3));
    let forged = &mut reveal.headers[5];
    assert_eq!((forged.header.from, forged.header.round), (party(3), 2));
    forged.header.broadcast_hash = [8; 32];
    *forged = keys.sign_header(forged.header);
    keys.reseal_reveal(&mut reveal);
    let outcome = toss(1, 3, &mut |_: &TestKeys, letter: Letter| {
        let mut out = vec![letter.clone()];
        if is_said(&letter, 2, 1) && letter.to == party(1) {
            out.push(Letter { to: party(1), message: Message::Reveal(reveal.clone()) });
        }
        out
    });
    assert!(outcome.culprits(party(1)).into_iter().eq([party(3)]));
    assert_eq!(outcome.verdicts[&party(1)][0].charge, Charge::Equivocation);
}

#[test]
fn a_session_that_has_ended_still_answers_once() {
    let keys = TestKeys::new(1, parties(2));
    let (mut a, mut to_b) = lone_session(&keys, SESSION, 1, 2);
    let (mut b, mut to_a) = lone_session(&keys, SESSION, 2, 2);
    let mut rng: SimRng = rand_core::SeedableRng::seed_from_u64(0);
    while let Some(letter) = to_a.pop() {
        to_b.extend(sends(a.receive(letter.message, &mut rng)));
        while let Some(letter) = to_b.pop() {
            to_a.extend(sends(b.receive(letter.message, &mut rng)));
        }
    }
    assert!(a.is_over() && b.is_over());
    // An honest reveal: answered once. (Party 2 answers a reveal of ours, to make one.)
    let empty = Reveal::sign(SESSION, party(1), &[], &*keys.signer(party(1)));
    let [Effect::Send { message: Message::Reveal(theirs), .. }] =
        &b.receive(Message::Reveal(empty), &mut rng)[..]
    else {
        panic!("one answer")
    };
    assert_eq!(theirs.completed, 3);
    let effects = a.receive(Message::Reveal(theirs.clone()), &mut rng);
    assert!(matches!(&effects[..], [Effect::Send { message: Message::Reveal(_), .. }]));
    assert!(a.receive(Message::Reveal(theirs.clone()), &mut rng).is_empty());
}

#[test]
fn a_lie_about_the_last_round_is_reported_after_the_end() {
    let mut simulation = simulate(1, 2);
    while simulation.step(&mut honest) {}
    assert!(simulation.session(party(1)).unwrap().is_over());
    let keys = simulation.keys().clone();
    let mut shown = true_reveal(1, 2, 2, 3);
    // Of rounds 1, 2, 3 and parties 1, 2: what party 2 said to itself in round 3.
    shown.headers[5].header.broadcast_hash = [1; 32];
    shown.headers[5] = keys.sign_header(shown.headers[5].header);
    keys.reseal_reveal(&mut shown);
    simulation.deliver(Letter { to: party(1), message: Message::Reveal(shown) });
    let outcome = simulation.run(&mut honest);
    assert!(outcome.finished.contains_key(&party(1)));
    assert!(outcome.culprits(party(1)).into_iter().eq([party(2)]));
    assert_eq!(outcome.verdicts[&party(1)][0].charge, Charge::Equivocation);
}
