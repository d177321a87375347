//! Presignatures kept in memory: they are made, used once, by their owner, and go when they must.

mod gone;
mod hostile;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use consign_api as api;
use consign_api::ProblemKind;
use consign_node::core::pool::MAX_AGE_MS;
use consign_node::core::presigning::MAX_PRESIGNING_OF_ONE;
use consign_node::core::proposal::Kind;
use consign_node::core::refill::{MAX_REFILL_PAUSE_MS, REFILL_MS};
use consign_node::core::spending::PASSED_MS;
use consign_node::core::wire::PeerMessage;

use crate::client::verify;
use crate::examined::record;
use crate::hostile::{Tape, sign_request, with_key};
use crate::sim::{STORMY, Sim, Weather, seeds};

impl Sim {
    pub(crate) fn presign_request(&self, key: &api::KeyView, count: u32, signers: &[usize]) -> api::Request {
        let signers = signers.iter().map(|i| self.api_id(*i)).collect();
        api::Request::Presign(api::Presign { key: key.id, terms: api::PresignTerms { count, signers } })
    }

    /// Makes presignatures.
    pub(crate) fn presign(
        &mut self,
        which: usize,
        key: &api::KeyView,
        count: u32,
        signers: &[usize],
    ) -> Result<(), api::Problem> {
        let request = self.presign_request(key, count, signers);
        let id = self.start(which, request)?;
        assert_eq!(self.finish(which, id)?, api::Outcome::Internal);
        let signers = signers.to_vec();
        self.until("all signers have them", move |sim| {
            signers.iter().all(|i| sim.view(*i, id).is_some_and(|view| view.state.is_over()))
        });
        Ok(())
    }

    /// How many presignatures a node holds for the key.
    pub(crate) fn level(&mut self, which: usize, key: &api::KeyView) -> u32 {
        if !self.is_running(which) {
            return 0;
        }
        self.keys(which).iter().find(|k| k.id == key.id).map_or(0, |k| k.presignatures)
    }

    fn levels(&mut self, key: &api::KeyView) -> Vec<u32> {
        (0..self.machines.len()).map(|i| self.level(i, key)).collect()
    }

    /// Signs; whether it was with a presignature.
    fn signs(&mut self, which: usize, key: &api::KeyView, message: &[u8]) -> api::SignatureView {
        let signature = self.sign(which, key.id, message).unwrap();
        verify(key, &signature, message);
        signature
    }
}

/// Three nodes with a 2-of-3 key, and presignatures of the first two.
pub(crate) fn with_pool(seed: u64, count: u32) -> (Sim, api::KeyView) {
    let (mut sim, key) = with_key(seed);
    sim.presign(0, &key, count, &[0, 1]).unwrap();
    (sim, key)
}

/// The kinds of proposals, and the number of messages of rounds, on a tape.
fn said(tape: &Tape) -> (Vec<(usize, Kind)>, usize) {
    let tape = tape.borrow();
    let kind = |(from, _, message): &(usize, usize, PeerMessage)| match message {
        PeerMessage::Propose(proposal) => Some((*from, proposal.kind)),
        _ => None,
    };
    let rounds = tape.iter().filter(|(.., message)| matches!(message, PeerMessage::Round { .. })).count();
    (tape.iter().filter_map(kind).collect(), rounds)
}

#[test]
fn the_pool_fills_and_signs_in_one_round() {
    let (mut sim, key) = with_pool(200, 5);
    assert_eq!(sim.levels(&key), [5, 5, 0]);
    let mut nonces = BTreeSet::new();
    // Slots 0, 2 and 4 are node 0's, the others node 1's.
    for (left, which, message) in [(4, 0, b"a"), (3, 1, b"b"), (2, 0, b"c"), (1, 1, b"d")] {
        let tape = record(&mut sim);
        let signature = sim.signs(which, &key, message);
        assert!(signature.presigned && nonces.insert(signature.r.clone()));
        assert_eq!(signature.signers.iter().map(|m| m.index).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(sim.levels(&key), [left, left, 0]);
        assert_eq!(said(&tape), (vec![(which, Kind::Online)], 2), "one message each");
    }
    sim.tamper = None;
    // Whatever else is signed, is signed without.
    let target = api::SignTarget::Digest([7; 32]);
    let digest = api::Request::Sign(api::Sign { key: key.id, path: api::PathText::root(), target });
    let id = sim.start(0, digest).unwrap();
    let Ok(api::Outcome::Signature(raw)) = sim.finish(0, id) else { panic!("no signature") };
    let child = sim.sign_at(0, key.id, "m/3".parse().unwrap(), b"child").unwrap();
    // Node 2 has none.
    let other = sim.signs(2, &key, b"other");
    assert!([*raw, child, other].iter().all(|s| !s.presigned && nonces.insert(s.r.clone())));
    assert_eq!(sim.levels(&key), [1, 1, 0]);
    assert!(sim.signs(0, &key, b"e").presigned);
    assert!(!sim.signs(0, &key, b"f").presigned, "the pool is empty");
}

/// However bad the network is, everything is signed, and nothing twice with one nonce.
#[test]
fn in_bad_weather_no_nonce_serves_twice() {
    for seed in seeds(3) {
        let (mut sim, key) = with_pool(200 + seed, 8);
        sim.weather = STORMY;
        let mut nonces = BTreeSet::new();
        let mut presigned = 0;
        for message in 0..8_u8 {
            let which = usize::from(message % 2);
            let signature = sim.sign_patiently(which, key.id, &[message]);
            verify(&key, &signature, &[message]);
            assert!(nonces.insert(signature.r.clone()), "SEED={}", sim.seed);
            presigned += u32::from(signature.presigned);
        }
        assert!(presigned > 0, "SEED={}", sim.seed);
    }
}

#[test]
fn more_signers_share_the_slots() {
    let mut sim = Sim::cluster(210, 4, Weather::default());
    let key = sim.new_key(0, 3, &[0, 1, 2, 3]);
    sim.agree(&[0, 1, 2, 3], &key);
    // Asked of one that takes no part.
    sim.presign(0, &key, 6, &[1, 2, 3]).unwrap();
    assert_eq!(sim.levels(&key), [0, 6, 6, 6]);
    for which in [1, 2, 3, 3, 2, 1] {
        let tape = record(&mut sim);
        assert!(sim.signs(which, &key, b"m").presigned);
        assert_eq!(said(&tape), (vec![(which, Kind::Online); 2], 6));
    }
    assert_eq!(sim.levels(&key), [0; 4]);
}

/// Who owns no presignature leaves the request to who does.
#[test]
fn a_request_is_passed_to_the_owner() {
    let (mut sim, key) = with_pool(220, 3);
    assert!(sim.signs(1, &key, b"its own").presigned);
    let tape = record(&mut sim);
    let signature = sim.signs(1, &key, b"of node 0");
    assert!(signature.presigned);
    assert_eq!(said(&tape), (vec![(0, Kind::Online)], 2));
    assert_eq!(sim.levels(&key), [1, 1, 0]);
    // The owner seems connected and does nothing: after a while the other one does it alone, interactively.
    sim.tamper = Some(Box::new(|_, _, message| match message {
        PeerMessage::Pass { .. } => Vec::new(),
        other => vec![other.encode()],
    }));
    let before = sim.clock;
    let signature = sim.signs(1, &key, b"after all");
    assert!(!signature.presigned && sim.clock - before >= PASSED_MS);
    // Nor does it offer that one again.
    assert_eq!(sim.levels(&key), [1, 0, 0]);
}

/// Nothing of it is on any disk, and peers of a process that has ended drop what they made with it.
#[test]
fn a_restart_drops_them() {
    let (mut sim, key) = with_pool(230, 4);
    sim.presign(1, &key, 2, &[1, 2]).unwrap();
    assert_eq!(sim.levels(&key), [4, 6, 2]);
    sim.crash(1);
    sim.until("its loss is seen", |sim| !sim.sees(0, 1));
    // Nobody uses them while it is away.
    assert!(!sim.signs(0, &key, b"without").presigned);
    assert_eq!(sim.levels(&key)[0], 4);
    sim.boot(1);
    sim.until("it is back", |sim| sim.sees(0, 1) && sim.sees(2, 1) && sim.sees(1, 0) && sim.sees(1, 2));
    sim.pass(1_000);
    assert_eq!(sim.levels(&key), [0; 3]);
    // A connection that breaks is no restart.
    sim.presign(0, &key, 2, &[0, 1]).unwrap();
    sim.cut.insert((0, 1));
    sim.relink();
    sim.pass(1_000);
    sim.cut.clear();
    sim.relink();
    sim.pass(1_000);
    assert_eq!(sim.levels(&key), [2, 2, 0]);
    assert!(sim.signs(0, &key, b"again").presigned);
}

/// A peer that has lost them, and does not say so: with the one that is tried all of its batch goes, and the client
/// sees nothing of it.
#[test]
fn what_a_signer_has_lost_is_burnt() {
    let (mut sim, key) = with_pool(240, 8);
    sim.tamper = Some(Box::new(|_, _, message| match message {
        PeerMessage::Process(_) => Vec::new(),
        other => vec![other.encode()],
    }));
    sim.crash(1);
    sim.boot(1);
    sim.until("it is back", |sim| sim.sees(0, 1) && sim.sees(1, 0));
    sim.pass(1_000);
    assert_eq!(sim.levels(&key), [8, 0, 0]);
    let signature = sim.signs(0, &key, b"in spite of it");
    assert!(!signature.presigned);
    assert_eq!(sim.levels(&key), [0; 3]);
}

#[test]
fn another_epoch_erases_them() {
    let (mut sim, key) = with_pool(250, 4);
    let other = sim.new_key(0, 2, &[0, 1, 2]);
    sim.agree(&[0, 1, 2], &other);
    sim.presign(0, &other, 2, &[0, 1]).unwrap();
    let request = sim.refresh(&key, api::Moduli::Keep);
    let renewed = sim.change(2, &key, request);
    sim.agree(&[0, 1, 2], &renewed);
    assert_eq!(sim.levels(&key), [0; 3]);
    assert_eq!(sim.levels(&other), [2, 2, 0], "those of another key stay");
    assert!(!sim.signs(0, &renewed, b"anew").presigned);
    sim.presign(0, &renewed, 2, &[0, 1]).unwrap();
    assert!(sim.signs(0, &renewed, b"anew").presigned);
}

#[test]
fn they_do_not_grow_old() {
    let (mut sim, key) = with_pool(260, 2);
    sim.clock += MAX_AGE_MS - 60_000;
    sim.pass(1_000);
    assert_eq!(sim.levels(&key), [2, 2, 0]);
    sim.clock += 60_000;
    sim.pass(1_000);
    assert_eq!(sim.levels(&key), [0; 3]);
}

#[test]
fn impossible_wishes_are_told() {
    let (mut sim, key) = with_key(270);
    let kind = |sim: &mut Sim, count, signers: &[usize]| {
        let request = sim.presign_request(&key, count, signers);
        sim.start(0, request).map_err(|problem| problem.kind)
    };
    assert_eq!(kind(&mut sim, 0, &[]), Err(ProblemKind::Malformed));
    assert_eq!(kind(&mut sim, 33, &[]), Err(ProblemKind::Malformed));
    assert_eq!(kind(&mut sim, 1, &[0]), Err(ProblemKind::Malformed));
    assert_eq!(kind(&mut sim, 1, &[0, 1, 2]), Err(ProblemKind::Malformed));
    // No more at a time than one node may ask for.
    sim.tamper = Some(Box::new(|_, _, _| Vec::new()));
    for _ in 0..MAX_PRESIGNING_OF_ONE {
        kind(&mut sim, 1, &[0, 1]).unwrap();
    }
    assert_eq!(kind(&mut sim, 1, &[0, 1]), Err(ProblemKind::Busy));
    sim.tamper = None;
    sim.crash(1);
    sim.until("its loss is seen", |sim| !sim.sees(0, 1));
    assert_eq!(kind(&mut sim, 1, &[0, 1]), Err(ProblemKind::TooFewSigners));
}

/// One signer completes the batch, and uses it, before the other one has the last message of it.
#[test]
fn a_proposal_that_comes_early_waits() {
    let (mut sim, key) = with_key(280);
    let held: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
    let kept = Rc::clone(&held);
    sim.tamper = Some(Box::new(move |from, to, message| match &message {
        PeerMessage::Round { envelope, .. }
            if (from, to) == (0, 1) && crate::alerts::round(envelope) == 5 =>
        {
            kept.borrow_mut().push(message.encode());
            Vec::new()
        }
        _ => vec![message.encode()],
    }));
    let request = sim.presign_request(&key, 2, &[0, 1]);
    let made = sim.start(0, request).unwrap();
    sim.finish(0, made).unwrap();
    assert_eq!(sim.levels(&key), [2, 0, 0]);
    let id = sim.start(0, sign_request(&key, b"early")).unwrap();
    sim.pass(500);
    sim.tamper = None;
    for bytes in held.take() {
        sim.transmit(0, 1, bytes);
    }
    match sim.finish(0, id) {
        Ok(api::Outcome::Signature(signature)) => assert!(signature.presigned),
        other => panic!("{other:?}"),
    }
    assert_eq!(sim.levels(&key), [1, 1, 0]);
}

/// Where it is configured, the pool fills again when nothing else is to be done, but not without end.
#[test]
fn the_pool_is_kept_full() {
    let (mut sim, key) = with_key(290);
    sim.keep_presignatures = 2;
    sim.crash(0);
    sim.boot(0);
    sim.until("it is back", |sim| sim.sees(0, 1) && sim.sees(0, 2) && sim.sees(1, 0) && sim.sees(2, 0));
    sim.until("it has its own", |sim| sim.level(0, &key) == 4);
    sim.pass(10 * REFILL_MS);
    assert_eq!(sim.level(0, &key), 4, "two of its own, two of the other signer");
    for message in [b"a", b"b"] {
        assert!(sim.signs(0, &key, message).presigned);
    }
    sim.until("there are new ones", |sim| sim.level(0, &key) == 6);
    assert!(sim.signs(0, &key, b"c").presigned);
    // With somebody else, when those signers are away.
    sim.crash(1);
    sim.until("its loss is seen", |sim| !sim.sees(0, 1));
    sim.until("there are some with node 2", |sim| sim.level(2, &key) > 0);
    assert!(sim.signs(0, &key, b"d").presigned);
    // What cannot be done is not asked of anybody.
    sim.crash(2);
    sim.until("its loss is seen", |sim| !sim.sees(0, 2));
    let before = sim.machines[0].events.len();
    sim.pass(MAX_REFILL_PAUSE_MS);
    assert_eq!(sim.machines[0].events.len(), before);
}
