//! Changes that never come to their end, and changes that are never begun: whoever wants them keeps nobody else from
//! changing the key.

use consign_api as api;
use consign_api::ProblemKind;
use consign_node::core::proposal::{Kind, Proposal};
use consign_node::core::requests::RawRequest;
use consign_node::core::wire::PeerMessage;
use consign_node::store::{Store, Table, Value, Write};

use super::{KEEP, round_of, with_key};
use crate::hostile::Tape;
use crate::sim::{Sim, Weather};

/// Node 2 withholds the last confirmation of a change that it has proposed, again and again: node 0 has so many pending
/// shares. Of the real one, copies under other sessions.
fn with_unfinished(seed: u64, count: u8) -> (Sim, api::KeyView) {
    let (mut sim, key) = with_key(seed, 4);
    sim.tamper = Some(Box::new(|from, _, message| match &message {
        PeerMessage::Round { envelope, .. } if from == 2 && round_of(envelope) == 6 => Vec::new(),
        PeerMessage::Certificate(_) if from == 2 => Vec::new(),
        _ => vec![message.encode()],
    }));
    let before = sim.machines[2].store.clone();
    let request = sim.refresh(&key, KEEP);
    sim.start(2, request).unwrap();
    sim.until("node 0 has confirmed", |sim| sim.records(0, Table::Keys) == 2);
    sim.crash(2);
    sim.machines[2].store = before;
    sim.crash(0);
    let name = sim.names(0, Table::Keys).into_iter().find(|name| name.len() > 32).unwrap();
    let value = sim.machines[0].store.get(Table::Keys, &name).unwrap().unwrap();
    let session = name[40..].to_vec();
    let at: Vec<usize> = (0..value.len() - 32).filter(|i| value[*i..*i + 32] == session).collect();
    assert!(!at.is_empty(), "the record says which session made it");
    let copies = (1..count).map(|copy| {
        let (mut name, mut value) = (name.clone(), value.to_vec());
        name[40] ^= copy;
        at.iter().for_each(|i| value[*i] ^= copy);
        Write::put(Table::Keys, name, Value::from(value))
    });
    let copies: Vec<_> = copies.collect();
    sim.machines[0].store.apply(&copies).unwrap();
    sim.tamper = None;
    sim.boot(0);
    sim.boot(2);
    sim.until("all are back", |sim| (0..4).all(|i| (0..4).all(|j| sim.sees(i, j))));
    assert_eq!(sim.records(0, Table::Keys), 1 + usize::from(count));
    // What node 1 still runs must end first.
    sim.pass(130_000);
    (sim, key)
}

fn is_refused(sim: &mut Sim, which: usize, request: api::Request) {
    let id = sim.start(which, request).unwrap();
    let problem = sim.finish(which, id).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Refused, "{problem}");
    assert!(problem.detail.contains("never completed"), "{problem}");
}

#[test]
fn unfinished_refreshes_count_for_who_wanted_them() {
    let (mut sim, key) = with_unfinished(230, 16);
    let request = sim.refresh(&key, KEEP);
    is_refused(&mut sim, 2, request.clone());
    let fresh = sim.change(1, &key, request);
    sim.agree(&[0, 1, 2], &fresh);
    assert_eq!(sim.records(0, Table::Keys), 1, "whatever was smaller is gone");
}

#[test]
fn unfinished_resharings_count_for_who_wanted_them() {
    let (base, key) = with_unfinished(231, 64);
    let mut sim = base.revive(231);
    let request = sim.reshare(&key, 2, &[0, 1, 2]);
    is_refused(&mut sim, 2, request.clone());
    let moved = sim.change(1, &key, request);
    sim.agree(&[0, 1, 2], &moved);
    // Who deals and receives nothing gets no further share that waits: node 0 deals for node 2 all the same.
    let mut sim = base.revive(231);
    let request = sim.reshare(&key, 2, &[1, 2]);
    let moved = sim.change(2, &key, request);
    sim.agree(&[0, 1, 2], &moved);
}

/// All messages of these nodes from now on; those from node 1, and those to it, do not arrive.
fn capture(sim: &mut Sim) -> Tape {
    let tape: Tape = Tape::default();
    let written = std::rc::Rc::clone(&tape);
    sim.tamper = Some(Box::new(move |from, to, message| {
        written.borrow_mut().push((from, to, message.clone()));
        if from == 1 || to == 1 { Vec::new() } else { vec![message.encode()] }
    }));
    tape
}

/// Node 1 proposes one refresh after the other and starts none: others change the key.
#[test]
fn whoever_does_not_start_gives_way() {
    let (mut sim, key) = with_key(232, 4);
    let tape = capture(&mut sim);
    let request = sim.refresh(&key, KEEP);
    sim.start(1, request).unwrap();
    let model = tape.borrow().iter().find_map(|(from, _, message)| match message {
        PeerMessage::Propose(proposal) if *from == 1 => Some((**proposal).clone()),
        _ => None,
    });
    let model = model.unwrap();
    let (raw, _) = RawRequest::parse(&model.request).unwrap();
    let mut last = model.hash();
    let mut propose = |sim: &mut Sim, nonce: u8| {
        let request = RawRequest { nonce: [nonce; 16], ..raw.clone() }.encode();
        let proposal = Proposal { request, ..model.clone() };
        let ceremony = std::mem::replace(&mut last, proposal.hash());
        for to in [0, 2] {
            sim.transmit(1, to, PeerMessage::Lost { ceremony }.encode());
            sim.transmit(1, to, PeerMessage::Propose(Box::new(proposal.clone())).encode());
        }
    };
    propose(&mut sim, 0);
    sim.pass(500);
    let request = sim.reshare(&key, 2, &[0, 2]);
    let id = sim.start(0, request).unwrap();
    for nonce in 1..20 {
        sim.pass(250);
        if sim.view(0, id).is_some_and(|view| view.state.is_over()) {
            break;
        }
        propose(&mut sim, nonce);
    }
    match sim.finish(0, id) {
        Ok(api::Outcome::Key(moved)) => assert_eq!(moved.committee.len(), 2),
        other => panic!("SEED={}: {other:?}", sim.seed),
    }
}

/// A resharing stalls, and other holders reshare meanwhile: whoever dealt in the first ends it as soon as it learns that
/// its share is of an old epoch.
#[test]
fn a_change_of_an_old_epoch_ends() {
    let mut sim = Sim::cluster(233, 5, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2, 3]);
    sim.agree(&[0, 1, 2, 3], &key);
    let mut stalled = Vec::new();
    sim.tamper = Some(Box::new(move |from, _, message| {
        match &message {
            PeerMessage::Propose(p) if from == 0 && p.kind == Kind::Reshare => stalled.push(p.hash()),
            PeerMessage::Round { ceremony, .. } if from == 4 && stalled.contains(ceremony) => {
                return Vec::new();
            }
            _ => {}
        }
        vec![message.encode()]
    }));
    let request = sim.reshare(&key, 2, &[0, 1, 4]);
    let first = sim.start(0, request).unwrap();
    sim.until("the resharing runs", |sim| {
        let view = sim.view(0, first).unwrap();
        view.phase == api::Phase::Reshare && view.state == api::CeremonyState::Running
    });
    let request = sim.reshare(&key, 2, &[2, 3]);
    let moved = sim.change(3, &key, request);
    sim.agree(&[0, 1, 2, 3], &moved);
    let begun = sim.clock;
    let problem = sim.finish(0, first).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::KeyBusy, "{problem}");
    assert!(sim.clock - begun < 5_000, "it went on for {} ms", sim.clock - begun);
}

/// A peer that names one key many times is shown it once.
#[test]
fn a_key_is_shown_once_for_one_message() {
    let (mut sim, key) = with_key(234, 3);
    let shown: std::rc::Rc<std::cell::Cell<usize>> = std::rc::Rc::default();
    let counted = std::rc::Rc::clone(&shown);
    sim.tamper = Some(Box::new(move |from, to, message| {
        if (from, to) == (0, 1) && matches!(message, PeerMessage::Certificate(_)) {
            counted.set(counted.get() + 1);
        }
        vec![message.encode()]
    }));
    let hash = consign_node::core::hash::Hash;
    let known =
        consign_node::core::wire::KnownEpoch { key: hash(key.id.0), epoch: 0, session: hash([0; 32]) };
    sim.transmit(1, 0, PeerMessage::Epochs(vec![known; 50]).encode());
    sim.pass(1_000);
    assert_eq!(shown.get(), 1);
}
