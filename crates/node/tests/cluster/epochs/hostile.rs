//! Holders that withhold, forget, cheat or bring back old disks, and proposers that want something else.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use consign_api as api;
use consign_api::ProblemKind;
use consign_node::core::proposal::{Kind, Proposal};
use consign_node::core::wire::PeerMessage;
use consign_node::store::{Store, Table, Write};

use super::{KEEP, round_of, with_key};
use crate::client::verify;
use crate::sim::Sim;

/// A holder says its confirmation to nobody, but it has everybody's: the set travels, and the change is complete.
#[test]
fn a_set_travels_where_a_confirmation_does_not() {
    let (mut sim, key) = with_key(160, 3);
    sim.tamper = Some(Box::new(|from, _, message| match &message {
        PeerMessage::Round { envelope, .. } if from == 2 && round_of(envelope) == 6 => Vec::new(),
        _ => vec![message.encode()],
    }));
    let request = sim.refresh(&key, KEEP);
    let fresh = sim.change(0, &key, request);
    sim.agree(&[0, 1, 2], &fresh);
    sim.sign_with(&[0, 1, 2], &fresh);
}

/// What node 2 said and nobody heard.
#[derive(Default)]
struct Withheld {
    confirmations: Vec<(usize, Vec<u8>)>,
    certificate: Option<Vec<u8>>,
}

/// Attack A-77: a holder withholds its confirmation of a first refresh, lets a second one complete from the same base,
/// and then shows the first set to one node alone, before that node hears of the second.
#[test]
fn a_withheld_confirmation_splits_nobody() {
    let (mut sim, key) = with_key(165, 3);
    let held: Rc<RefCell<Withheld>> = Rc::default();
    let withheld = Rc::clone(&held);
    sim.tamper = Some(Box::new(move |from, to, message| {
        let mut withheld = withheld.borrow_mut();
        match &message {
            PeerMessage::Round { envelope, .. } if from == 2 && round_of(envelope) == 6 => {
                withheld.confirmations.push((to, message.encode()));
            }
            PeerMessage::Certificate(_) if from == 2 => withheld.certificate = Some(message.encode()),
            _ => return vec![message.encode()],
        }
        Vec::new()
    }));
    let request = sim.refresh(&key, KEEP);
    let id = sim.start(0, request).unwrap();
    sim.until("node 2 has confirmed", |sim| sim.records(2, Table::Keys) == 2);
    let confirmed = sim.machines[2].store.clone();
    sim.until("node 2 has the set", |_| held.borrow().certificate.is_some());
    assert_eq!(sim.key_at(2, key.id).unwrap().epoch, 1);
    let problem = sim.finish(0, id).unwrap_err();
    assert_eq!((problem.kind, &problem.validators[..]), (ProblemKind::DeadlinePassed, &[sim.api_id(2)][..]));
    // The old epoch signs on.
    assert_eq!(sim.key_at(0, key.id).unwrap().epoch, 0);
    sim.sign_with(&[0, 1], &key);

    // Node 2 pretends not to have the set, takes part in the second refresh, and node 0 misses its end.
    sim.crash(2);
    sim.machines[2].store = confirmed;
    sim.boot(2);
    sim.tamper = Some(Box::new(|_, to, message| match &message {
        PeerMessage::Round { envelope, .. } if to == 0 && round_of(envelope) == 6 => Vec::new(),
        PeerMessage::Certificate(_) if to == 0 => Vec::new(),
        _ => vec![message.encode()],
    }));
    sim.until("all are back, and nothing runs", |sim| {
        (0..3).all(|i| (0..3).all(|j| sim.sees(i, j)))
            && (0..3).all(|i| sim.view(i, id).is_none_or(|v| v.state.is_over()))
    });
    let request = sim.refresh(&key, KEEP);
    let second = sim.start(1, request).unwrap();
    sim.finish(1, second).unwrap();
    let next = sim.key_at(1, key.id).unwrap();
    assert_eq!((next.epoch, sim.key_at(0, key.id).unwrap().epoch), (2, 0));
    assert_eq!(sim.records(0, Table::Keys), 3, "both shares that node 0 has confirmed, and the old one");

    // Now it shows the first one, message by message and as a whole.
    let Withheld { confirmations, certificate } = held.take();
    for (to, bytes) in confirmations {
        sim.transmit(2, to, bytes);
    }
    sim.transmit(2, 0, certificate.unwrap());
    sim.until("node 0 believes it", |sim| sim.key_at(0, key.id).unwrap().epoch == 1);
    assert_eq!(sim.records(0, Table::Keys), 2, "the share of the second is still there");
    sim.tamper = None;
    sim.agree(&[0, 1, 2], &next);
    assert_eq!(sim.records(0, Table::Keys), 1);
    sim.sign_with(&[0, 1, 2], &next);
}

/// The same with new moduli in the first refresh and the old ones in the second: when the first turns out to be complete,
/// the key leaves moduli that the share of the second needs.
#[test]
fn moduli_of_a_share_that_waits_stay() {
    let (mut sim, key) = with_key(167, 3);
    let held: Rc<RefCell<Option<Vec<u8>>>> = Rc::default();
    let certificate = Rc::clone(&held);
    sim.tamper = Some(Box::new(move |from, _, message| {
        match &message {
            PeerMessage::Round { envelope, .. } if from == 2 && round_of(envelope) == 6 => {}
            PeerMessage::Certificate(_) if from == 2 => *certificate.borrow_mut() = Some(message.encode()),
            _ => return vec![message.encode()],
        }
        Vec::new()
    }));
    let request = sim.refresh(&key, super::RENEW);
    sim.start(0, request).unwrap();
    sim.until("node 2 has confirmed", |sim| sim.records(2, Table::Keys) == 2);
    let confirmed = sim.machines[2].store.clone();
    sim.until("node 2 has the set", |_| held.borrow().is_some());
    (0..3).for_each(|i| sim.crash(i));
    sim.machines[2].store = confirmed;
    sim.tamper = Some(Box::new(|_, to, message| match &message {
        PeerMessage::Round { envelope, .. } if to == 0 && round_of(envelope) == 6 => Vec::new(),
        PeerMessage::Certificate(_) if to == 0 => Vec::new(),
        _ => vec![message.encode()],
    }));
    (0..3).for_each(|i| sim.boot(i));
    sim.until("all are back", |sim| (0..3).all(|i| (0..3).all(|j| sim.sees(i, j))));
    let request = sim.refresh(&key, KEEP);
    let second = sim.start(1, request).unwrap();
    sim.finish(1, second).unwrap();
    let next = sim.key_at(1, key.id).unwrap();
    assert_eq!(
        (next.epoch, sim.records(0, Table::Keys)),
        (2, 3),
        "both shares that node 0 has confirmed, and the old one"
    );
    sim.transmit(2, 0, held.take().unwrap());
    sim.until("node 0 believes the first", |sim| sim.key_at(0, key.id).unwrap().epoch == 1);
    assert_eq!(sim.records(0, Table::Aux), 2, "the new moduli, and those of the share that waits");
    sim.tamper = None;
    sim.agree(&[0, 1, 2], &next);
    sim.sign_with(&[0, 1, 2], &next);
    assert_eq!(sim.records(0, Table::Aux), 1);
}

/// Node 2 dies before it has confirmed, again and again: the old epoch signs, and the cure is to reshare without it.
#[test]
fn a_stalled_refresh_costs_nothing_and_is_cured() {
    let (mut sim, key) = with_key(170, 4);
    for _ in 0..2 {
        sim.tamper = Some(Box::new(|from, _, message| match &message {
            PeerMessage::Round { envelope, .. } if from == 2 && round_of(envelope) >= 5 => Vec::new(),
            _ => vec![message.encode()],
        }));
        let request = sim.refresh(&key, KEEP);
        let id = sim.start(0, request).unwrap();
        assert_eq!(sim.finish(0, id).unwrap_err().validators, [sim.api_id(2)]);
        sim.tamper = None;
        sim.sign_with(&[0, 1], &key);
    }
    let request = sim.reshare(&key, 2, &[0, 1, 3]);
    let moved = sim.change(1, &key, request);
    assert!(moved.epoch > 2, "the numbers of the attempts are used up");
    sim.agree(&[0, 1, 2, 3], &moved);
    sim.sign_with(&[0, 1, 3], &moved);
    assert_eq!(sim.records(0, Table::Keys), 1);
}

/// A removed holder brings its old share back (a restored disk): nobody signs with it, and it learns.
#[test]
fn a_restored_disk_signs_nothing() {
    let (mut sim, key) = with_key(180, 4);
    let old = sim.machines[2].store.clone();
    let request = sim.reshare(&key, 2, &[0, 1, 3]);
    let moved = sim.change(0, &key, request);
    sim.agree(&[0, 1, 2, 3], &moved);
    // Whatever is still on its way to it is not to teach the restored one.
    sim.pass(1_000);
    sim.crash(2);
    sim.machines[2].store = old;
    // It hears nothing of the new epoch, and asks for a signature in the old one.
    sim.tamper = Some(Box::new(|_, to, message| match &message {
        PeerMessage::Certificate(_) if to == 2 => Vec::new(),
        _ => vec![message.encode()],
    }));
    sim.boot(2);
    sim.until("it is back", |sim| sim.sees(2, 0) && sim.sees(2, 1) && sim.sees(2, 3));
    assert_eq!(sim.key_at(2, key.id).unwrap().epoch, key.epoch);
    let problem = sim.sign(2, key.id, b"with an old share").unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Refused, "{problem}");
    assert!(problem.detail.contains("epoch 1"), "{problem}");
    // Who is asked to act in an old epoch shows the new one: from then on the same request is one for the new holders.
    sim.tamper = Some(Box::new(|_, to, message| match &message {
        PeerMessage::Epochs(_) if to != 2 => Vec::new(),
        _ => vec![message.encode()],
    }));
    let signature = sim.sign(2, key.id, b"with new shares").unwrap();
    verify(&key, &signature, b"with new shares");
    assert!(signature.signers.iter().all(|signer| signer.validator != sim.api_id(2)));
    sim.tamper = None;
    sim.agree(&[0, 1, 2, 3], &moved);
    assert_eq!(sim.records(2, Table::Keys), 1);
}

/// A holder brings a share back that a refresh has replaced: it has none from then on, until it is given a new one.
#[test]
fn a_holder_with_a_restored_disk_is_dealt_in_again() {
    let (mut sim, key) = with_key(185, 3);
    let old = sim.machines[2].store.clone();
    let request = sim.refresh(&key, KEEP);
    let fresh = sim.change(0, &key, request);
    sim.agree(&[0, 1, 2], &fresh);
    sim.crash(2);
    sim.machines[2].store = old;
    sim.boot(2);
    sim.until("it is back, and has learned", |sim| {
        (0..2).all(|i| sim.sees(2, i)) && sim.key_at(2, key.id).is_some_and(|k| k.epoch == fresh.epoch)
    });
    assert!(!sim.key_at(2, key.id).unwrap().share, "an old share is no share of the new epoch");
    for i in 0..3 {
        let signature = sim.sign_patiently(i, key.id, b"without it");
        assert!(signature.signers.iter().all(|signer| signer.validator != sim.api_id(2)));
    }
    // All holders refresh, and it is none; the cure is a resharing by the others.
    let request = sim.refresh(&fresh, KEEP);
    let id = sim.start(0, request).unwrap();
    let problem = sim.finish(0, id).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Refused, "{problem}");
    let request = sim.reshare(&fresh, 2, &[0, 1, 2]);
    let cured = sim.change(0, &fresh, request);
    sim.agree(&[0, 1, 2], &cured);
    sim.sign_with(&[2], &cured);
}

/// A holder has lost the factors of its moduli too: nobody can tell, until it is asked.
#[test]
fn a_holder_that_lost_everything_is_dealt_in_again() {
    let (mut sim, key) = with_key(187, 3);
    sim.crash(2);
    for table in [Table::Keys, Table::Aux] {
        for name in sim.names(2, table) {
            sim.machines[2].store.apply(&[Write::delete(table, name)]).unwrap();
        }
    }
    sim.boot(2);
    sim.until("it is back", |sim| (0..2).all(|i| sim.sees(2, i) && sim.sees(i, 2)));
    let before = sim.names(0, Table::Aux);
    let request = sim.reshare(&key, 2, &[0, 1, 2]);
    let cured = sim.change(0, &key, request);
    sim.agree(&[0, 1, 2], &cured);
    sim.sign_with(&[0, 1, 2], &cured);
    assert!(sim.names(0, Table::Aux).iter().all(|aux| !before.contains(aux)), "there are new moduli");
}

/// Who was not told of a cheat at the time convicts it later, when the shares have been refreshed three times.
#[test]
fn evidence_outlives_the_epoch() {
    let (mut sim, key) = with_key(188, 3);
    let refresh = |sim: &mut Sim, key: &api::KeyView| {
        let request = sim.refresh(key, KEEP);
        let key = sim.change(2, key, request);
        sim.agree(&[0, 1, 2], &key);
        key
    };
    let first = refresh(&mut sim, &key);
    let (unaware, cheat) = (sim.machines[0].store.clone(), Arc::clone(&sim.machines[1].identity));
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let evidence: Rc<RefCell<Option<Vec<u8>>>> = Rc::default();
    let seen = Rc::clone(&evidence);
    sim.tamper = Some(Box::new(move |from, _, message| match message {
        PeerMessage::Evidence(_) => {
            *seen.borrow_mut() = Some(message.encode());
            Vec::new()
        }
        PeerMessage::Round { ceremony, envelope } if from == 1 => {
            let envelope = crate::forge::spoil_broadcast(&envelope, &cheat, cluster);
            vec![PeerMessage::Round { ceremony, envelope }.encode()]
        }
        other => vec![other.encode()],
    }));
    let signature = sim.sign(0, key.id, b"without the cheat").unwrap();
    verify(&key, &signature, b"without the cheat");
    let evidence = evidence.take().expect("node 0 has told node 2");
    // Node 0 forgets, with its disk, and all go on with the cheat.
    sim.tamper = None;
    sim.crash(0);
    sim.machines[0].store = unaware;
    sim.boot(0);
    sim.until("it is back", |sim| (1..3).all(|i| sim.sees(0, i) && sim.sees(i, 0)));
    let second = refresh(&mut sim, &first);
    refresh(&mut sim, &second);
    assert_eq!(sim.records(2, Table::Evidence), 0);
    sim.transmit(0, 2, evidence);
    sim.until("node 2 has convicted", |sim| sim.records(2, Table::Evidence) == 1);
}

/// What a hijacked proposer of a change may not alter.
#[test]
fn a_change_follows_from_the_request() {
    type Change = fn(&mut Proposal);
    let (base, key) = with_key(190, 4);
    let common: [(&str, Change); 7] = [
        ("base", |p| p.base = Some(consign_node::core::hash::Hash([1; 32]))),
        ("no base", |p| p.base = None),
        ("an epoch that was used", |p| p.epoch = 0),
        ("an epoch that uses up all", |p| p.epoch = 1 << 40),
        ("threshold", |p| p.threshold = 3),
        ("aux", |p| p.aux = Some(consign_node::core::hash::Hash([5; 32]))),
        ("participants", |p| p.participants.truncate(p.participants.len() - 1)),
    ];
    let reshare: [(&str, Change); 2] =
        [("dealers", |p| p.signers = vec![1, 2, 3]), ("kind", |p| p.kind = Kind::Refresh)];
    let refresh: [(&str, Change); 2] = [("new moduli", |p| p.aux = None), ("kind", |p| p.kind = Kind::Sign)];
    for (reshares, changes) in [(false, refresh), (true, reshare)] {
        for (what, change) in common.iter().chain(&changes) {
            let mut sim = base.revive(190);
            let change = *change;
            sim.tamper = Some(Box::new(move |from, _, message| match message {
                PeerMessage::Propose(mut proposal) if from == 0 && proposal.kind != Kind::Aux => {
                    change(&mut proposal);
                    vec![PeerMessage::Propose(proposal).encode()]
                }
                other => vec![other.encode()],
            }));
            let request = if reshares { sim.reshare(&key, 2, &[0, 1, 2]) } else { sim.refresh(&key, KEEP) };
            let id = sim.start(0, request).unwrap();
            let problem = sim.finish(0, id).expect_err(what);
            let expected = [ProblemKind::Refused, ProblemKind::DeadlinePassed];
            assert!(expected.contains(&problem.kind), "{what}: {problem}");
            sim.tamper = None;
            assert!((0..3).all(|i| sim.key_at(i, key.id).unwrap().epoch == 0), "{what}");
            assert!((0..3).all(|i| sim.records(i, Table::Keys) == 1), "{what}");
        }
    }
}
