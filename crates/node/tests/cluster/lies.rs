//! Hijacked proposers, strangers, garbage: nobody signs, nothing breaks, and the honest get on.

use std::cell::RefCell;
use std::rc::Rc;

use consign_api as api;
use consign_api::ProblemKind;
use consign_node::core::hash::Hash;
use consign_node::core::proposal::{Accept, Drawn, Kind, MAX_PARTIES, Participant, Proposal};
use consign_node::core::requests::{MAX_SKEW_S, MAX_TRIES, REQUEST_LIFETIME_S, RawRequest, Wanted};
use consign_node::core::wire::{EvidenceFile, PeerMessage};
use consign_node::identity::Identity;
use consign_node::store::Table;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::client::verify;
use crate::sim::{Sim, Weather};

/// Three nodes with a 2-of-3 key.
fn with_key(seed: u64) -> (Sim, api::KeyView) {
    let mut sim = Sim::cluster(seed, 3, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    sim.until("all have the key", |sim| {
        (0..3).all(|i| sim.keys(i).iter().any(|k| k.state == api::KeyState::Active))
    });
    (sim, key)
}

/// Node 0 changes every proposal it sends in this way.
fn hijack(sim: &mut Sim, change: impl Fn(&mut Proposal) + 'static) {
    sim.tamper = Some(Box::new(move |from, _, message| match message {
        PeerMessage::Propose(mut proposal) if from == 0 => {
            change(&mut proposal);
            vec![PeerMessage::Propose(proposal).encode()]
        }
        other => vec![other.encode()],
    }));
}

#[test]
fn participants_refuse_what_does_not_follow_from_the_request() {
    type Change = fn(&mut Proposal);
    let (base, key) = with_key(21);
    let changes: [(&str, Change); 18] = [
        ("stale", |p| {
            let (raw, _) = RawRequest::parse(&p.request).unwrap();
            p.request = RawRequest { created: raw.created - REQUEST_LIFETIME_S - MAX_SKEW_S, ..raw }.encode();
        }),
        ("from the future", |p| {
            let (raw, _) = RawRequest::parse(&p.request).unwrap();
            p.request = RawRequest { created: raw.created + 10 * MAX_SKEW_S, ..raw }.encode();
        }),
        ("digest", |p| p.digest = Some([1; 32])),
        ("no digest", |p| p.digest = None),
        ("threshold", |p| p.threshold = 3),
        ("level", |p| p.level = 128),
        ("curve", |p| p.curve = "p256".to_owned()),
        ("key", |p| p.key = Some(Hash([5; 32]))),
        ("epoch", |p| p.epoch = 1),
        ("aux", |p| p.aux = Some(Hash([5; 32]))),
        ("path", |p| p.path = vec![1]),
        ("hardened path", |p| p.path = vec![1 << 31]),
        ("path of the request", |p| {
            let (raw, wanted) = RawRequest::parse(&p.request).unwrap();
            let Wanted::Signature(sign) = wanted else { panic!("a signature is wanted") };
            let other = Wanted::Signature(api::Sign { path: "m/1".parse().unwrap(), ..sign });
            p.request = RawRequest::new(&other, raw.created, raw.nonce).encode();
        }),
        ("batch", |p| p.batch = 2),
        ("deadline", |p| p.deadline_ms = u32::MAX),
        ("version", |p| p.version = 9),
        ("signers", |p| p.signers = vec![1, 2, 3]),
        ("request", |p| {
            let target = api::SignTarget::Message { bytes: b"another".to_vec(), hash: api::HashName::Sha256 };
            let (raw, wanted) = RawRequest::parse(&p.request).unwrap();
            let Wanted::Signature(sign) = wanted else { panic!("a signature is wanted") };
            let other = Wanted::Signature(api::Sign { key: sign.key, path: sign.path, target });
            p.request = RawRequest::new(&other, raw.created, raw.nonce).encode();
        }),
    ];
    for (what, change) in changes {
        let mut sim = base.revive(21);
        hijack(&mut sim, change);
        let problem = sim.sign(0, key.id, b"pay").expect_err(what);
        assert!(
            matches!(problem.kind, ProblemKind::Refused | ProblemKind::DeadlinePassed),
            "{what}: {problem}"
        );
        // The hijacked node is alone with its wish; nobody else even has a record of it.
        for i in 1..3 {
            let stories = sim.records(i, Table::Ceremonies);
            assert_eq!(stories, base.records(i, Table::Ceremonies), "{what} at {i}");
        }
        sim.tamper = None;
        let signature = sim.sign(0, key.id, b"honest").unwrap();
        verify(&key, &signature, b"honest");
    }
}

#[test]
fn a_committee_cannot_be_altered() {
    type Change = fn(&mut Proposal);
    let changes: [(&str, Change); 4] = [
        ("threshold", |p| p.threshold = 3),
        ("order", |p| {
            let (a, b) = (p.participants[0].id, p.participants[1].id);
            (p.participants[0].id, p.participants[1].id) = (b, a);
        }),
        ("smaller", |p| p.participants.truncate(2)),
        ("index", |p| p.participants[2] = Participant { index: 9, id: p.participants[2].id }),
    ];
    let base = Sim::cluster(22, 3, Weather::default());
    for (what, change) in changes {
        let mut sim = base.revive(22);
        hijack(&mut sim, change);
        let request = sim.create_key(2, &[0, 1, 2]);
        let id = sim.start(0, request).unwrap();
        let problem = sim.finish(0, id).expect_err(what);
        let expected = [ProblemKind::Refused, ProblemKind::DeadlinePassed];
        assert!(expected.contains(&problem.kind), "{what}: {problem}");
        assert!((0..3).all(|i| sim.keys(i).is_empty()), "{what}");
    }
}

/// Attack A-7A: an old start, accepts of two tries mixed, accepts of another proposal.
#[test]
fn old_and_mixed_starts_do_nothing() {
    let (mut sim, key) = with_key(23);
    let seen: Rc<RefCell<Vec<(usize, PeerMessage)>>> = Rc::default();
    let tape = Rc::clone(&seen);
    sim.tamper = Some(Box::new(move |_, to, message| {
        tape.borrow_mut().push((to, message.clone()));
        vec![message.encode()]
    }));
    sim.sign(0, key.id, b"first").unwrap();
    sim.tamper = None;
    let recorded: Vec<_> = seen.borrow().clone();
    let sessions = |sim: &Sim| sim.records(1, Table::Ceremonies);
    let before = sessions(&sim);
    // Everything again, as it was: nothing runs twice.
    for (to, message) in &recorded {
        sim.transmit(if *to == 0 { 1 } else { 0 }, *to, message.encode());
    }
    sim.pass(60_000);
    assert_eq!(sessions(&sim), before);
    // And after a restart, which forgets every draw.
    sim.crash(1);
    sim.boot(1);
    sim.until("it is back", |sim| sim.sees(1, 0));
    for (to, message) in &recorded {
        sim.transmit(if *to == 0 { 1 } else { 0 }, *to, message.encode());
    }
    sim.pass(60_000);
    assert_eq!(sessions(&sim), before);

    // Accepts of an earlier session in the start of a later one.
    let old: Vec<Accept> = recorded
        .iter()
        .find_map(|(_, m)| match m {
            PeerMessage::Start { accepts, .. } => Some(accepts.clone()),
            _ => None,
        })
        .unwrap();
    sim.tamper = Some(Box::new(move |from, _, message| match message {
        PeerMessage::Start { proposal, mut accepts } if from == 0 => {
            accepts[0] = old[0].clone();
            vec![PeerMessage::Start { proposal, accepts }.encode()]
        }
        other => vec![other.encode()],
    }));
    sim.sign(0, key.id, b"second").unwrap_err();
    sim.tamper = None;
    let signature = sim.sign(1, key.id, b"third").unwrap();
    verify(&key, &signature, b"third");
}

/// The proposer draws another `r` for one participant than for the others: sessions differ, nobody signs.
#[test]
fn two_draws_of_the_proposer_only_stall() {
    let (mut sim, key) = with_key(24);
    let hijacked = std::sync::Arc::clone(&sim.machines[0].identity);
    let proposals: Rc<RefCell<Vec<Proposal>>> = Rc::default();
    sim.tamper = Some(Box::new(move |from, to, message| match message {
        PeerMessage::Propose(proposal) => {
            proposals.borrow_mut().push((*proposal).clone());
            vec![PeerMessage::Propose(proposal).encode()]
        }
        PeerMessage::Start { proposal, mut accepts } if from == 0 => {
            let own = proposals.borrow().iter().find(|p| p.hash() == proposal).cloned().unwrap();
            let mut rng = ChaCha20Rng::seed_from_u64(to as u64);
            let index = own.index_of(hijacked.node_id()).unwrap();
            let (_, other) = Drawn::accept(&hijacked, &own, index, 0, &mut rng);
            let place = accepts.iter().position(|a| a.index == index).unwrap();
            accepts[place] = other;
            vec![PeerMessage::Start { proposal, accepts }.encode()]
        }
        other => vec![other.encode()],
    }));
    let problem = sim.sign(0, key.id, b"split").unwrap_err();
    assert_eq!(problem.kind, ProblemKind::DeadlinePassed, "{problem}");
    for i in 0..3 {
        assert_eq!(sim.records(i, Table::Evidence), 0, "nobody is to blame for what cannot be proven");
    }
}

/// The proposer dies while it tells the start: who has it passes it on.
#[test]
fn a_proposer_that_dies_halfway_stops_nothing() {
    let (mut sim, key) = with_key(25);
    // Only node 1 gets the start from the proposer, and node 0 does not sign itself.
    sim.tamper = Some(Box::new(|from, to, message| match message {
        PeerMessage::Start { .. } if from == 0 && to == 2 => Vec::new(),
        other => vec![other.encode()],
    }));
    let request = sim.create_key(3, &[0, 1, 2]);
    let id = sim.start(0, request).unwrap();
    assert!(matches!(sim.finish(2, id), Ok(api::Outcome::Key(made)) if made.id != key.id));
}

/// What node 1 answers to copies of the first proposal of `kind` that reaches it, told apart by their salts.
fn answers(sim: &mut Sim, kind: Kind, copies: u8) -> Rc<RefCell<(usize, usize)>> {
    let answers: Rc<RefCell<(usize, usize)>> = Rc::default();
    let counted = Rc::clone(&answers);
    let mut made = Vec::new();
    sim.tamper = Some(Box::new(move |from, to, message| match message {
        PeerMessage::Propose(proposal)
            if (from, to) == (0, 1) && proposal.kind == kind && made.is_empty() =>
        {
            let copy = |salt| Proposal { salt: [salt; 16], ..(*proposal).clone() };
            let proposals: Vec<_> =
                std::iter::once((*proposal).clone()).chain((0..copies).map(copy)).collect();
            made = proposals.iter().skip(1).map(Proposal::hash).collect();
            proposals.into_iter().map(|p| PeerMessage::Propose(Box::new(p)).encode()).collect()
        }
        PeerMessage::Accept(accept) if from == 1 && made.contains(&accept.proposal) => {
            counted.borrow_mut().0 += 1;
            Vec::new()
        }
        PeerMessage::Refuse(refusal) if from == 1 && made.contains(&refusal.proposal) => {
            counted.borrow_mut().1 += 1;
            Vec::new()
        }
        other => vec![other.encode()],
    }));
    answers
}

/// A hijacked proposer wants several keys for one request: a participant makes one.
#[test]
fn one_request_makes_one_key() {
    let mut sim = Sim::cluster(28, 3, Weather::default());
    let answers = answers(&mut sim, Kind::Keygen, 3);
    sim.new_key(0, 2, &[0, 1, 2]);
    assert_eq!(*answers.borrow(), (0, 3));
    assert_eq!(sim.keys(1).len(), 1);
}

/// It wants one message signed in many sessions at once: a participant is in one, and once that has led to the signature in
/// no other. How often it would be, one after the other: `a_request_is_no_licence`.
#[test]
fn one_request_is_tried_in_one_session() {
    let (mut sim, key) = with_key(29);
    sim.cut.insert((0, 2));
    sim.relink();
    let answers = answers(&mut sim, Kind::Sign, 2 * MAX_TRIES);
    let signature = sim.sign(0, key.id, b"once").unwrap();
    verify(&key, &signature, b"once");
    sim.until("all are answered", |_| answers.borrow().1 == 2 * usize::from(MAX_TRIES));
    assert_eq!(answers.borrow().0, 0);
}

#[test]
fn requests_are_forgotten_when_they_are_long_stale() {
    let (mut sim, key) = with_key(30);
    sim.sign(0, key.id, b"one").unwrap();
    sim.pass(1_000);
    assert_eq!(sim.records(0, Table::Requests), 2);
    sim.clock += 23 * 60 * 60 * 1000;
    sim.pass(60_000);
    assert_eq!(sim.records(0, Table::Requests), 2);
    sim.clock += 2 * 60 * 60 * 1000;
    sim.pass(60_000);
    assert_eq!(sim.records(0, Table::Requests), 0);
}

#[test]
fn garbage_and_strangers_change_nothing() {
    let (mut sim, key) = with_key(26);
    let stranger = sim.add_founder();
    let hash = Hash([7; 32]);
    let own = Identity::from_seed(&[9; 32]);
    let (blank, accept) = a_proposal(&sim, &own);
    let messages = [
        PeerMessage::RosterDigest(hash),
        PeerMessage::JoinRefused("x".repeat(3000)),
        PeerMessage::Propose(Box::new(blank.clone())),
        PeerMessage::Preparing { proposal: hash },
        PeerMessage::Accept(accept.clone()),
        PeerMessage::Start { proposal: hash, accepts: vec![accept.clone(); 200] },
        PeerMessage::Round { ceremony: hash, envelope: vec![0; 100_000] },
        PeerMessage::AskConfirmed(vec![hash; 1000]),
        PeerMessage::Confirmed { ceremony: hash, set: vec![1; 1000] },
        PeerMessage::Evidence(Box::new(EvidenceFile {
            accused: blank.participants[0].id,
            proposal: blank,
            accepts: vec![accept],
            evidence: vec![1; 1000],
            inputs: None,
        })),
    ];
    // What others still have to write down about the key.
    sim.pass(5_000);
    let before: Vec<_> = (0..3).map(|i| Table::ALL.map(|t| sim.records(i, t))).collect();
    for message in &messages {
        let bytes = message.encode();
        for from in [1, stranger] {
            deliver(&mut sim, from, bytes.clone());
            for cut in [1, bytes.len() / 2, bytes.len() - 1] {
                deliver(&mut sim, from, bytes[..cut].to_vec());
            }
        }
    }
    for bytes in [Vec::new(), vec![0xff; 1 << 20], vec![9; 9 << 20], vec![4; 2 << 20]] {
        deliver(&mut sim, 1, bytes.clone());
        deliver(&mut sim, stranger, bytes);
    }
    sim.pass(1_000);
    let after: Vec<_> = (0..3).map(|i| Table::ALL.map(|t| sim.records(i, t))).collect();
    assert_eq!(before, after);
    let signature = sim.sign(0, key.id, b"unmoved").unwrap();
    verify(&key, &signature, b"unmoved");
}

fn deliver(sim: &mut Sim, from: usize, bytes: Vec<u8>) {
    let from = sim.id(from);
    sim.handle(0, consign_node::core::Input::Peer { from, bytes, stranger: false });
}

/// A proposal by node 1 that no request asked for, with an accept that nobody asked for.
fn a_proposal(sim: &Sim, own: &Identity) -> (Proposal, Accept) {
    let proposal = Proposal {
        cluster: sim.machines[0].node.as_ref().unwrap().cluster(),
        kind: consign_node::core::proposal::Kind::Sign,
        version: 1,
        level: 1,
        curve: "secp256k1".to_owned(),
        threshold: 2,
        participants: (1_u16..)
            .zip([own.node_id(), sim.id(0)])
            .map(|(index, id)| Participant { index, id })
            .collect(),
        key: None,
        base: None,
        epoch: 0,
        aux: None,
        signers: vec![1, 2],
        path: Vec::new(),
        digest: Some([3; 32]),
        batch: 1,
        request: vec![1; 40],
        deadline_ms: 1,
        proposer: own.node_id(),
        salt: [0; 16],
    };
    assert!(proposal.is_well_formed() && proposal.participants.len() < MAX_PARTIES);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (_, accept) = Drawn::accept(own, &proposal, 1, 0, &mut rng);
    (proposal, accept)
}

/// A signer that sends wrong envelopes is convicted, everywhere and for good; the others sign without it.
#[test]
fn a_cheat_is_convicted_and_left_out() {
    let (mut sim, key) = with_key(27);
    let cheat = std::sync::Arc::clone(&sim.machines[1].identity);
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let evidence: Rc<RefCell<Option<EvidenceFile>>> = Rc::default();
    let seen = Rc::clone(&evidence);
    sim.tamper = Some(Box::new(move |from, _, message| match message {
        PeerMessage::Evidence(file) => {
            *seen.borrow_mut() = Some((*file).clone());
            vec![PeerMessage::Evidence(file).encode()]
        }
        PeerMessage::Round { ceremony, envelope } if from == 1 => {
            let envelope = crate::forge::spoil_broadcast(&envelope, &cheat, cluster);
            vec![PeerMessage::Round { ceremony, envelope }.encode()]
        }
        other => vec![other.encode()],
    }));
    let signature = sim.sign(0, key.id, b"without the cheat").unwrap();
    verify(&key, &signature, b"without the cheat");
    let signers: Vec<_> = signature.signers.iter().map(|m| m.validator).collect();
    assert_eq!(signers, [sim.api_id(0), sim.api_id(2)]);
    sim.until("the evidence is everywhere", |sim| {
        [0, 2].iter().all(|i| sim.records(*i, Table::Evidence) == 1)
    });
    // The same evidence in another writing, accepts in another order, is no news.
    sim.tamper = None;
    let file = evidence.borrow().clone().expect("node 0 has told node 2");
    let mut again = file.clone();
    again.accepts.reverse();
    assert_ne!(again, file);
    sim.transmit(0, 2, PeerMessage::Evidence(Box::new(again)).encode());
    sim.pass(1_000);
    assert_eq!(sim.records(2, Table::Evidence), 1);
    // The cheat proposes in vain that somebody signs with it.
    sim.cut.insert((0, 1));
    sim.relink();
    let problem = sim.sign(1, key.id, b"with the cheat").unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Refused, "{problem}");
    sim.cut.clear();
    sim.relink();
    // Node 2 has judged by itself, remembers it after a restart, and asks the cheat no more.
    sim.crash(0);
    sim.crash(2);
    sim.boot(2);
    sim.until("it sees the cheat", |sim| sim.sees(2, 1));
    let problem = sim.sign(2, key.id, b"with the cheat alone").unwrap_err();
    assert_eq!(problem.kind, ProblemKind::PeerCheated, "{problem}");
    assert!(problem.validators.contains(&sim.api_id(1)));
    // Nor does it take part when the cheat asks.
    let problem = sim.sign(1, key.id, b"the cheat's own wish").unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Refused, "{problem}");
}
