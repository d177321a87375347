//! Whoever breaks a rule is convicted by everybody who could see it.

use super::toy::{
    Broadcast, Direct, Fault, Secrets, Toy, assert_convicted, header, is_said, liar, simulate, toss,
};
use crate::sim::{Letter, TestKeys, party};
use crate::{Bytes, Charge, Envelope, Message};

/// An adversary that alters the bytes of what `from` says in `round`, then signs them.
fn garble(
    from: u16,
    round: u8,
    mut lie: impl FnMut(&mut Envelope),
) -> impl FnMut(&TestKeys, Letter) -> Vec<Letter> {
    move |keys, mut letter| {
        if is_said(&letter, from, round)
            && let Message::Envelope(envelope) = &mut letter.message
        {
            lie(envelope);
            keys.reseal(envelope);
        }
        vec![letter]
    }
}

#[test]
fn a_wrong_opening_convicts() {
    for seed in 0..100 {
        let outcome = toss(seed, 4, &mut liar(2, 3, |_, said, _| *said = Broadcast::Open([9; 32])));
        assert_convicted(&outcome, 4, &[2], Charge::Broke(Fault::Opening));
    }
}

#[test]
fn a_wrong_binding_convicts() {
    let outcome = toss(1, 3, &mut liar(3, 2, |_, said, _| *said = Broadcast::Deal([0; 32])));
    assert_convicted(&outcome, 3, &[3], Charge::Broke(Fault::Binding));
}

#[test]
fn a_missing_share_convicts() {
    let outcome = toss(
        1,
        3,
        &mut liar(1, 1, |_, said, _| {
            let Broadcast::Commit(m) = said else { panic!("round 1") };
            m.shares.pop_first();
        }),
    );
    assert_convicted(&outcome, 3, &[1], Charge::Broke(Fault::Shares));
}

#[test]
fn a_consistent_liar_convicts_itself() {
    // Party 2 swaps its coin after committing, and computes honestly from then on.
    for seed in 0..20 {
        let mut simulation = simulate(seed, 3);
        simulation.corrupt(party(2), |state| match state {
            Toy::Committed(secrets) => Toy::Committed(Secrets { coin: [1; 32], ..secrets }),
            Toy::Dealt(_) | Toy::Opened => panic!("nothing has been delivered yet"),
        });
        let outcome = simulation.run(&mut crate::sim::honest);
        assert_convicted(&outcome, 3, &[2], Charge::Broke(Fault::Opening));
    }
}

#[test]
fn malformed_parts_convict() {
    let lies: &[(&str, fn(&mut Envelope))] = &[
        ("empty broadcast", |e| e.broadcast = Bytes(vec![])),
        ("empty direct part", |e| e.direct = Bytes(vec![])),
        ("garbage broadcast", |e| e.broadcast = Bytes(vec![200; 20])),
        ("garbage direct part", |e| e.direct = Bytes(vec![200; 20])),
        ("trailing byte, broadcast", |e| e.broadcast.0.push(0)),
        ("trailing byte, direct part", |e| e.direct.0.push(0)),
        ("cut broadcast", |e| {
            e.broadcast.0.pop();
        }),
        ("cut direct part", |e| {
            e.direct.0.pop();
        }),
        ("oversized broadcast", |e| e.broadcast = Bytes(vec![0; 5000])),
        ("oversized direct part", |e| e.direct = Bytes(vec![0; 5000])),
    ];
    for round in 1..=3 {
        for (what, lie) in lies {
            let outcome = toss(1, 3, &mut garble(2, round, lie));
            println!("{what} in round {round}");
            assert_convicted(&outcome, 3, &[2], Charge::Malformed);
        }
    }
}

#[test]
fn a_padded_integer_is_malformed() {
    // The variant number 1 of `Deal`, in two bytes instead of one: decodes, but is not the one encoding.
    let pad = |e: &mut Envelope| {
        assert_eq!(e.broadcast.0.remove(0), 1);
        e.broadcast.0.splice(0..0, [0x81, 0x00]);
    };
    assert_convicted(&toss(1, 3, &mut garble(2, 2, pad)), 3, &[2], Charge::Malformed);
}

#[test]
fn messages_of_another_round_convict() {
    let broadcast = liar(2, 2, |_, said, _| *said = Broadcast::Open([0; 32]));
    let direct = liar(2, 3, |_, _, said| *said = Direct::Share([0; 32]));
    let nothing = liar(2, 2, |_, _, said| *said = Direct::Nothing);
    for mut lie in
        [Box::new(broadcast) as Box<dyn FnMut(&TestKeys, Letter) -> _>, Box::new(direct), Box::new(nothing)]
    {
        assert_convicted(&toss(1, 3, &mut *lie), 3, &[2], Charge::Malformed);
    }
}

#[test]
fn all_culprits_of_a_round_are_named_in_any_order() {
    for seed in 0..50 {
        let outcome = toss(seed, 5, &mut |keys: &TestKeys, mut letter: Letter| {
            if is_said(&letter, 2, 3) || is_said(&letter, 4, 3) {
                keys.rewrite::<Toy>(&mut letter, |said, _| *said = Broadcast::Open([9; 32]));
            }
            vec![letter]
        });
        assert_convicted(&outcome, 5, &[2, 4], Charge::Broke(Fault::Opening));
    }
}

#[test]
fn a_bad_direct_part_convicts_where_it_arrived() {
    // The others cannot see it. They learn of it by the evidence, which the caller passes on.
    let outcome = toss(1, 4, &mut |keys: &TestKeys, mut letter: Letter| {
        if is_said(&letter, 2, 3) && letter.to == party(3) {
            let Message::Envelope(envelope) = &mut letter.message else { panic!("an envelope") };
            envelope.direct = Bytes(vec![7]);
            keys.reseal(envelope);
        }
        vec![letter]
    });
    assert!(outcome.culprits(party(3)).into_iter().eq([party(2)]));
    assert!(outcome.finished.keys().copied().eq([1, 2, 4].map(party)));
}

#[test]
fn the_fault_of_one_is_seen_although_another_is_silent() {
    let outcome = toss(1, 4, &mut |keys: &TestKeys, mut letter: Letter| {
        if is_said(&letter, 4, 3) {
            return vec![];
        }
        if is_said(&letter, 2, 3) {
            keys.rewrite::<Toy>(&mut letter, |said, _| *said = Broadcast::Open([9; 32]));
        }
        vec![letter]
    });
    for me in [1, 3] {
        assert!(outcome.culprits(party(me)).into_iter().eq([party(2)]));
        assert!(!outcome.failures.contains_key(&party(me)));
    }
}

#[test]
fn two_broadcasts_or_two_direct_parts_for_one_party_convict() {
    for round in 1..=3 {
        for alter_broadcast in [true, false] {
            let mut caught = 0;
            for seed in 0..20 {
                let outcome = toss(seed, 3, &mut |keys: &TestKeys, letter: Letter| {
                    if !is_said(&letter, 2, round) || letter.to != party(1) {
                        return vec![letter];
                    }
                    let mut other = letter.clone();
                    let Message::Envelope(envelope) = &mut other.message else { panic!("an envelope") };
                    let part = if alter_broadcast { &mut envelope.broadcast } else { &mut envelope.direct };
                    part.0.push(1);
                    keys.reseal(envelope);
                    vec![letter, other]
                });
                // If the bad one comes first, or the good one ends the session first, it is not equivocation.
                for verdict in outcome.verdicts.get(&party(1)).into_iter().flatten() {
                    assert_eq!(verdict.culprit, party(2));
                    caught += u32::from(verdict.charge == Charge::Equivocation);
                }
                assert!(outcome.culprits(party(3)).iter().all(|culprit| *culprit == party(2)));
            }
            assert!(caught > 0, "round {round}, broadcast: {alter_broadcast}");
        }
    }
}

#[test]
fn a_wrong_first_echo_convicts() {
    let outcome = toss(1, 3, &mut |keys: &TestKeys, mut letter: Letter| {
        if let Some(mut header) = header(&letter).filter(|h| h.from == party(2) && h.round == 1) {
            header.echo = [9; 32];
            let Message::Envelope(envelope) = &mut letter.message else { panic!("an envelope") };
            envelope.signed = keys.sign_header(header);
        }
        vec![letter]
    });
    assert_convicted(&outcome, 3, &[2], Charge::WrongEcho);
}
