//! Refresh and resharing: the same public key under new shares, through crashes, silence and lies.

use std::cell::RefCell;
use std::rc::Rc;

use consign_api as api;
use consign_api::ProblemKind;
use consign_node::core::proposal::{Kind, Proposal};
use consign_node::core::wire::PeerMessage;
use consign_node::store::Table;

use crate::client::verify;
use crate::sim::{STORMY, Sim, Weather, seeds};

const KEEP: api::Moduli = api::Moduli::Keep;
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
        let (mut sim, key) = with_key(120 + seed, 5);
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

/// One node dies at its `at`-th transaction of a change; true: the change was over before that.
fn crash_in_change(
    base: &Sim,
    key: &api::KeyView,
    seed: u64,
    at: u64,
    durable: bool,
    reshares: bool,
) -> bool {
    let mut sim = base.revive(seed);
    let victim = usize::try_from(seed % 2).unwrap();
    let request = if reshares { sim.reshare(key, 2, &[1, 2, 3]) } else { sim.refresh(key, RENEW) };
    sim.machines[victim].crash_in = Some((at, durable));
    let id = sim.start_unless_crashed(0, request);
    sim.until("the victim is dead or the ceremony over", |sim| {
        !sim.is_running(victim)
            || id.and_then(|id| sim.view(victim, id)).is_some_and(|view| view.state.is_over())
    });
    let survived = sim.is_running(victim);
    sim.machines[victim].crash_in = None;
    if !survived {
        let pause = sim.random(3_000);
        sim.pass(pause);
        sim.boot(victim);
    }
    sim.until("nothing runs any more, and all see all", |sim| {
        (0..4).all(|i| id.and_then(|id| sim.view(i, id)).is_none_or(|v| v.state.is_over()))
            && (0..4).all(|i| (0..4).all(|j| sim.sees(i, j)))
    });
    let epochs = |sim: &mut Sim| (0..3).map(|i| sim.key_at(i, key.id).unwrap().epoch).collect::<Vec<_>>();
    sim.until("the holders agree", |sim| epochs(sim).windows(2).all(|w| w[0] == w[1]));
    let now = sim.key_at(1, key.id).unwrap();
    sim.agree(&[0, 1, 2], &now);
    sim.sign_with(&[victim, 2], &now);
    // Whatever happened, the key can go on.
    if at.is_multiple_of(3) {
        let request = sim.reshare(&now, 2, &[0, 1, 2]);
        let next = sim.change(2, &now, request);
        sim.agree(&[0, 1, 2], &next);
        sim.sign_with(&[0], &next);
    }
    survived
}

#[test]
fn a_change_survives_power_failures_at_every_transaction() {
    let (base, key) = with_key(220, 4);
    for reshares in [false, true] {
        for victim in [0, 1] {
            for durable in [false, true] {
                let mut at = 0;
                while !crash_in_change(&base, &key, 2 * at + victim, at, durable, reshares) {
                    at += 1;
                    assert!(at < 100, "a change has a handful of transactions");
                }
                eprintln!("COUNT {reshares} {victim} {durable} {at}");
            }
        }
    }
}

#[test]
fn a_change_survives_bad_weather() {
    for seed in seeds(4) {
        let (mut base, key) = with_key(230 + seed, 4);
        let at = base.random(12);
        base.weather = STORMY;
        crash_in_change(&base, &key, seed, at, seed % 2 == 0, seed % 3 != 0);
    }
}
