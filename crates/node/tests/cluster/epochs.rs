//! Refresh and resharing: the same public key under new shares, through crashes, silence and lies.

mod crashes;
mod hostile;
mod numbers;
mod unfinished;

use std::cell::RefCell;
use std::rc::Rc;

use consign_api as api;
use consign_api::ProblemKind;
use consign_node::core::wire::PeerMessage;
use consign_node::store::Table;

use crate::client::verify;
use crate::sim::{STORMY, Sim, Weather, seeds};

pub(crate) const KEEP: api::Moduli = api::Moduli::Keep;
const RENEW: api::Moduli = api::Moduli::Renew;

/// Nodes with a key of the first three, two of whom sign.
pub(crate) fn with_key(seed: u64, nodes: usize) -> (Sim, api::KeyView) {
    let mut sim = Sim::cluster(seed, nodes, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    sim.agree(&[0, 1, 2], &key);
    (sim, key)
}

impl Sim {
    pub(crate) fn refresh(&self, key: &api::KeyView, moduli: api::Moduli) -> api::Request {
        let terms = api::RefreshTerms { epoch: key.epoch, moduli };
        api::Request::Refresh(api::Refresh { key: key.id, terms })
    }

    pub(crate) fn reshare(&self, key: &api::KeyView, threshold: u16, committee: &[usize]) -> api::Request {
        let committee = committee.iter().map(|i| self.api_id(*i)).collect();
        let terms = api::ReshareTerms { epoch: key.epoch, threshold, committee };
        api::Request::Reshare(api::Reshare { key: key.id, terms })
    }

    /// Changes a key, and checks that it is the same key.
    pub(crate) fn change(&mut self, which: usize, key: &api::KeyView, request: api::Request) -> api::KeyView {
        let id = self.start(which, request).unwrap();
        match self.finish(which, id) {
            Ok(api::Outcome::Key(new)) => {
                assert_eq!((new.id, &new.public_key), (key.id, &key.public_key));
                assert!(new.epoch > key.epoch);
                *new
            }
            other => panic!("SEED={}: {other:?}", self.seed),
        }
    }

    /// The key as a node shows it.
    pub(crate) fn key_at(&mut self, which: usize, id: api::KeyId) -> Option<api::KeyView> {
        self.keys(which).into_iter().find(|k| k.id == id && k.state == api::KeyState::Active)
    }

    /// Waits until these nodes have the key in this epoch; its holders, and nobody else, have a share.
    pub(crate) fn agree(&mut self, nodes: &[usize], key: &api::KeyView) {
        self.until("all have the epoch", |sim| {
            nodes.iter().all(|i| sim.key_at(*i, key.id).is_some_and(|k| k.epoch == key.epoch))
        });
        for i in nodes {
            let view = self.key_at(*i, key.id).unwrap();
            assert_eq!(view.public_key, key.public_key);
            let (mine, holds) = (self.api_id(*i), |m: &api::Member| m.validator);
            assert_eq!(view.share, key.committee.iter().map(holds).any(|id| id == mine), "node {i}");
        }
    }

    /// Any node of these signs with the key.
    pub(crate) fn sign_with(&mut self, nodes: &[usize], key: &api::KeyView) {
        for i in nodes {
            let signature = self.sign_patiently(*i, key.id, b"still the same key");
            verify(key, &signature, b"still the same key");
            assert_eq!(signature.signers.len(), usize::from(key.threshold));
        }
    }
}

#[test]
fn refreshed_shares_sign() {
    for seed in seeds(2) {
        let (mut sim, key) = with_key(100 + seed, 3);
        let aux = |sim: &Sim| sim.names(1, Table::Aux);
        let first = aux(&sim);
        let request = sim.refresh(&key, KEEP);
        let kept = sim.change(0, &key, request);
        sim.agree(&[0, 1, 2], &kept);
        assert_eq!((kept.epoch, aux(&sim)), (1, first.clone()));
        sim.sign_with(&[0, 1, 2], &kept);
        // New moduli take the place of the old ones, which nothing needs any more.
        let request = sim.refresh(&kept, RENEW);
        let renewed = sim.change(1, &kept, request);
        sim.agree(&[0, 1, 2], &renewed);
        assert_eq!(renewed.epoch, 2);
        assert_eq!(aux(&sim).len(), 1);
        assert_ne!(aux(&sim), first);
        sim.sign_with(&[0, 1, 2], &renewed);
        // All of it is on disk, and nothing else.
        assert_eq!(sim.records(1, Table::Keys), 1);
        for i in 0..3 {
            sim.crash(i);
            sim.boot(i);
        }
        sim.until("all are back", |sim| (0..3).all(|i| (0..3).all(|j| sim.sees(i, j))));
        sim.agree(&[0, 1, 2], &renewed);
        sim.sign_with(&[2], &renewed);
    }
}

#[test]
fn old_moduli_stay_while_another_key_needs_them() {
    let (mut sim, key) = with_key(110, 3);
    let other = sim.new_key(1, 3, &[0, 1, 2]);
    sim.agree(&[0, 1, 2], &other);
    let request = sim.refresh(&key, RENEW);
    let key = sim.change(0, &key, request);
    sim.agree(&[0, 1, 2], &key);
    assert_eq!(sim.records(0, Table::Aux), 2);
    sim.sign_with(&[0], &key);
    sim.sign_with(&[1], &other);
}

#[test]
fn a_key_moves_to_five_and_back() {
    for seed in seeds(2) {
        // Under the first seed who asks last is shown the new epoch before the report that it waits for.
        let (mut sim, key) = with_key(150 + seed, 5);
        let weather = if seed == 1 { Weather::default() } else { STORMY };
        sim.weather = weather;
        let all = [0, 1, 2, 3, 4];
        let request = sim.reshare(&key, 3, &all);
        let wide = sim.change(0, &key, request);
        assert_eq!((wide.threshold, wide.committee.len()), (3, 5));
        sim.agree(&all, &wide);
        sim.sign_with(&[3, 1], &wide);
        let request = sim.refresh(&wide, KEEP);
        let fresh = sim.change(4, &wide, request);
        sim.agree(&all, &fresh);
        // Back to three, two of whom were there from the beginning; a node that will leave asks.
        let request = sim.reshare(&fresh, 2, &[2, 0, 3]);
        let narrow = sim.change(1, &fresh, request);
        assert_eq!((narrow.threshold, narrow.committee.len()), (2, 3));
        sim.agree(&all, &narrow);
        sim.sign_with(&[0, 2, 3], &narrow);
        // Who left has no share of anything, on disk either, but still finds those who have.
        for gone in [1, 4] {
            assert_eq!(sim.records(gone, Table::Keys), 1);
            sim.sign_with(&[gone], &narrow);
        }
        sim.crash(2);
        sim.boot(2);
        sim.agree(&all, &narrow);
    }
}

#[test]
fn a_committee_is_replaced_whole() {
    let (mut sim, key) = with_key(130, 5);
    let request = sim.reshare(&key, 2, &[3, 4]);
    let moved = sim.change(0, &key, request);
    sim.agree(&[0, 1, 2, 3, 4], &moved);
    sim.sign_with(&[3, 4, 0], &moved);
    // The new committee refreshes what it has.
    let request = sim.refresh(&moved, KEEP);
    let fresh = sim.change(3, &moved, request);
    sim.agree(&[3, 4], &fresh);
    sim.sign_with(&[4], &fresh);
}

/// A holder that is down while others reshare catches up, whether it stays or leaves.
#[test]
fn whoever_was_down_is_shown_the_proof() {
    let (base, key) = with_key(140, 4);
    for leaves in [true, false] {
        let mut sim = base.revive(140);
        sim.crash(2);
        sim.until("its loss is seen", |sim| !sim.sees(0, 2) && !sim.sees(1, 2) && !sim.sees(3, 2));
        let request = sim.reshare(&key, 2, &[0, 1, 3]);
        let moved = sim.change(0, &key, request);
        let moved = if leaves {
            moved
        } else {
            // It was out and is back in, before it knows of either.
            sim.agree(&[0, 1, 3], &moved);
            let request = sim.refresh(&moved, KEEP);
            sim.change(1, &moved, request)
        };
        sim.agree(&[0, 1, 3], &moved);
        sim.boot(2);
        sim.agree(&[0, 1, 2, 3], &moved);
        assert_eq!(sim.records(2, Table::Keys), 1);
        sim.sign_with(&[2], &moved);
        let request = sim.reshare(&moved, 2, &[0, 2]);
        let back = sim.change(2, &moved, request);
        sim.agree(&[0, 1, 2, 3], &back);
        sim.sign_with(&[2], &back);
    }
}

/// All but one of the confirmations for node 2 are lost, and it dies: it still has its pending share, and no other.
#[test]
fn a_holder_that_misses_the_end_activates_when_it_is_back() {
    let (mut sim, key) = with_key(150, 3);
    let lost: Rc<RefCell<bool>> = Rc::default();
    let silent = Rc::clone(&lost);
    // From the moment node 2 has confirmed, it hears nothing any more.
    sim.tamper = Some(Box::new(move |from, to, message| {
        let last = matches!(&message, PeerMessage::Round { envelope, .. } if round_of(envelope) == 6);
        *silent.borrow_mut() |= from == 2 && last;
        if to == 2 && (*silent.borrow() || last) { Vec::new() } else { vec![message.encode()] }
    }));
    let request = sim.refresh(&key, KEEP);
    let fresh = sim.change(0, &key, request);
    sim.agree(&[0, 1], &fresh);
    assert_eq!(sim.key_at(2, key.id).unwrap().epoch, key.epoch);
    sim.crash(2);
    assert_eq!(sim.records(2, Table::Keys), 2, "the old share and the new one");
    sim.tamper = None;
    sim.boot(2);
    sim.agree(&[0, 1, 2], &fresh);
    assert_eq!(sim.records(2, Table::Keys), 1);
    sim.sign_with(&[2], &fresh);
}

fn round_of(envelope: &[u8]) -> u8 {
    match consign_rounds::Message::decode(envelope, envelope.len()) {
        Ok(consign_rounds::Message::Envelope(envelope)) => envelope.signed.header.round,
        _ => 0,
    }
}

/// Two nodes change one key at a time: one change wins, or both in turn, never half of each.
#[test]
fn changes_of_one_key_do_not_mix() {
    for seed in seeds(4) {
        let (mut sim, key) = with_key(200 + seed, 4);
        let requests = [sim.refresh(&key, KEEP), sim.reshare(&key, 2, &[1, 2, 3])];
        let started: Vec<_> = requests
            .into_iter()
            .enumerate()
            .filter_map(|(i, request)| Some((i, sim.start(i, request).ok()?)))
            .collect();
        assert!(!started.is_empty());
        let ends: Vec<_> = started.iter().map(|(i, id)| sim.finish(*i, *id)).collect();
        let done = ends.iter().filter(|end| end.is_ok()).count();
        assert!(done <= 1, "SEED={seed}: both started from one epoch");
        let newest = (0..4).filter_map(|i| sim.key_at(i, key.id)).max_by_key(|k| k.epoch).unwrap();
        sim.agree(&[0, 1, 2], &newest);
        sim.sign_with(&[0, 1, 2], &newest);
    }
}

#[test]
fn what_cannot_be_changed_says_why() {
    let (mut sim, key) = with_key(210, 4);
    let mut wrong = key.clone();
    wrong.epoch = 7;
    let problem = |sim: &mut Sim, request| sim.start(0, request).unwrap_err();
    let request = sim.refresh(&wrong, KEEP);
    let said = problem(&mut sim, request);
    assert_eq!(said.kind, ProblemKind::KeyBusy);
    assert!(said.detail.contains("epoch 0"), "{said}");
    wrong.id = api::KeyId([9; 32]);
    let request = sim.refresh(&wrong, KEEP);
    assert_eq!(problem(&mut sim, request).kind, ProblemKind::UnknownKey);
    let request = sim.reshare(&key, 4, &[0, 1, 2]);
    assert_eq!(problem(&mut sim, request).kind, ProblemKind::Malformed);
    // While one change runs, another is told of it.
    let request = sim.refresh(&key, KEEP);
    let id = sim.start(0, request.clone()).unwrap();
    let said = problem(&mut sim, request);
    assert_eq!((said.kind, said.ceremony), (ProblemKind::KeyBusy, Some(id)));
    sim.finish(0, id).unwrap();
    sim.crash(2);
    sim.until("its loss is seen", |sim| !sim.sees(0, 2));
    let now = sim.key_at(0, key.id).unwrap();
    let request = sim.refresh(&now, KEEP);
    let said = problem(&mut sim, request);
    assert_eq!((said.kind, said.validators), (ProblemKind::TooFewSigners, vec![sim.api_id(2)]));
}
