//! A member that does its worst without breaking a session: it floods, repeats the requests of others, makes up
//! evidence. The honest get on.

use std::cell::RefCell;
use std::rc::Rc;

use consign_api as api;
use consign_cggmp24::curve::Secp256k1;
use consign_cggmp24::parties::Parties;
use consign_cggmp24::ssid::{ProtocolKind, sid};
use consign_node::core::ceremony::MAX_RUNNING_OF_ONE;
use consign_node::core::evidence::MAX_PER_ACCUSED;
use consign_node::core::proposal::{Drawn, Kind, Participant, Proposal, session_nonce};
use consign_node::core::requests::{REQUEST_KEPT_S, RawRequest};
use consign_node::core::wire::{EvidenceFile, PeerMessage};
use consign_node::core::{Input, Now, Output};
use consign_node::identity::Identity;
use consign_node::store::Table;
use consign_rounds::{Evidence, Header, PartyIndex, SignedHeader};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::client::verify;
use crate::forge::Forger;
use crate::sim::{Sim, Weather};

pub(crate) type Tape = Rc<RefCell<Vec<(usize, usize, PeerMessage)>>>;

/// Three nodes with a 2-of-3 key.
pub(crate) fn with_key(seed: u64) -> (Sim, api::KeyView) {
    let mut sim = Sim::cluster(seed, 3, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    sim.until("all have the key", |sim| {
        (0..3).all(|i| sim.keys(i).iter().any(|k| k.state == api::KeyState::Active))
    });
    (sim, key)
}

/// From now on all messages are written down; those to node 1, and its own, do not arrive.
pub(crate) fn capture_node_1(sim: &mut Sim) -> Tape {
    let tape: Tape = Rc::default();
    let written = Rc::clone(&tape);
    sim.tamper = Some(Box::new(move |from, to, message| {
        written.borrow_mut().push((from, to, message.clone()));
        if from == 1 || to == 1 { Vec::new() } else { vec![message.encode()] }
    }));
    tape
}

/// The last proposal of node 0.
pub(crate) fn proposal_of(tape: &Tape, kind: Kind) -> Option<Proposal> {
    tape.borrow().iter().rev().find_map(|(from, _, message)| match message {
        PeerMessage::Propose(proposal) if *from == 0 && proposal.kind == kind => Some((**proposal).clone()),
        _ => None,
    })
}

pub(crate) fn sign_request(key: &api::KeyView, message: &[u8]) -> api::Request {
    let target = api::SignTarget::Message { bytes: message.to_vec(), hash: api::HashName::Sha256 };
    api::Request::Sign(api::Sign { key: key.id, path: api::PathText::root(), target })
}

/// A holder that saw a request proposes it again and again, and lets every session die: the request is still done.
#[test]
fn a_request_cannot_be_worn_out_by_others() {
    let (mut sim, key) = with_key(31);
    let tape = capture_node_1(&mut sim);
    let id = sim.start(0, sign_request(&key, b"worn out?")).unwrap();
    let model = proposal_of(&tape, Kind::Sign).unwrap();
    assert_eq!(model.signers, [1, 2], "node 1 was asked first, and so knows the request");
    for salt in 0..12 {
        for (to, signers) in [(0, [1, 2]), (2, [2, 3])] {
            let participants = signers.map(|i| Participant { index: i, id: sim.id(usize::from(i) - 1) });
            let proposal = Proposal {
                proposer: sim.id(1),
                salt: [salt; 16],
                signers: signers.to_vec(),
                participants: participants.to_vec(),
                ..model.clone()
            };
            let ceremony = proposal.hash();
            sim.transmit(1, to, PeerMessage::Propose(Box::new(proposal)).encode());
            sim.pass(60);
            sim.transmit(1, to, PeerMessage::Lost { ceremony }.encode());
        }
        sim.pass(60);
    }
    match sim.finish(0, id) {
        Ok(api::Outcome::Signature(signature)) => verify(&key, &signature, b"worn out?"),
        other => panic!("{other:?}"),
    }
}

/// One member proposes as much as it can, and never starts anything: others still get their turn.
#[test]
fn one_proposer_does_not_take_all_the_room() {
    let (mut sim, key) = with_key(32);
    let tape = capture_node_1(&mut sim);
    sim.start(0, sign_request(&key, b"a model")).unwrap();
    let model = proposal_of(&tape, Kind::Sign).unwrap();
    let (raw, _) = RawRequest::parse(&model.request).unwrap();
    for nonce in 0..100 {
        let request = RawRequest { nonce: [nonce; 16], ..raw.clone() }.encode();
        let proposal = Proposal { proposer: sim.id(1), request, ..model.clone() };
        sim.transmit(1, 0, PeerMessage::Propose(Box::new(proposal)).encode());
    }
    sim.pass(100);
    let id = sim.start(0, sign_request(&key, b"in between")).unwrap();
    assert!(matches!(sim.finish(0, id), Ok(api::Outcome::Signature(_))));
}

/// To examine a long proposal takes time: what waits for the end of another try is examined when its turn has come, and not
/// again and again.
#[test]
fn what_waits_for_another_try_is_not_examined_meanwhile() {
    let (mut sim, key) = with_key(34);
    let tape = capture_node_1(&mut sim);
    sim.start(0, sign_request(&key, b"a model")).unwrap();
    let model = proposal_of(&tape, Kind::Sign).unwrap();
    let mut again = (0..).map(|salt| Proposal { proposer: sim.id(1), salt: [salt; 16], ..model.clone() });
    let waits = again.find(|proposal| proposal.hash() > model.hash()).unwrap();
    drop(again);
    sim.transmit(1, 0, PeerMessage::Propose(Box::new(waits.clone())).encode());
    // Then node 1 takes all the room that it may have: whoever examined it now would refuse it.
    let (raw, _) = RawRequest::parse(&model.request).unwrap();
    for nonce in 0..MAX_RUNNING_OF_ONE as u8 {
        let request = RawRequest { nonce: [nonce; 16], ..raw.clone() }.encode();
        let proposal = Proposal { proposer: sim.id(1), request, ..model.clone() };
        sim.transmit(1, 0, PeerMessage::Propose(Box::new(proposal)).encode());
    }
    let refused = || {
        let of_it = |(from, _, message): &&(usize, usize, PeerMessage)| {
            *from == 0 && matches!(message, PeerMessage::Refuse(refusal) if refusal.proposal == waits.hash())
        };
        tape.borrow().iter().filter(of_it).count()
    };
    sim.pass(1_500);
    assert_eq!(refused(), 0, "it waits");
    sim.until("its turn has come", |_| refused() > 0);
    assert_eq!(refused(), 1);
}

/// A second key generation for one request does not run beside the first.
#[test]
fn a_request_makes_one_key() {
    let mut sim = Sim::cluster(33, 3, Weather::default());
    let tape: Tape = Rc::default();
    let written = Rc::clone(&tape);
    sim.tamper = Some(Box::new(move |from, to, message| {
        written.borrow_mut().push((from, to, message.clone()));
        vec![message.encode()]
    }));
    let request = sim.create_key(2, &[0, 1, 2]);
    let id = sim.start(0, request).unwrap();
    let watched = Rc::clone(&tape);
    sim.until("the key is proposed", move |_| proposal_of(&watched, Kind::Keygen).is_some());
    sim.pass(50);
    let model = proposal_of(&tape, Kind::Keygen).unwrap();
    let proposal = Proposal { proposer: sim.id(1), salt: [7; 16], ..model };
    let hash = proposal.hash();
    sim.transmit(1, 2, PeerMessage::Propose(Box::new(proposal)).encode());
    sim.pass(200);
    let answers: Vec<_> = tape
        .borrow()
        .iter()
        .filter_map(|(from, to, message)| match message {
            PeerMessage::Accept(accept) if accept.proposal == hash => Some((*from, *to, true)),
            PeerMessage::Refuse(refusal) if refusal.proposal == hash => Some((*from, *to, false)),
            _ => None,
        })
        .collect();
    assert_eq!(answers, [(2, 1, false)]);
    assert!(matches!(sim.finish(0, id), Ok(api::Outcome::Key(_))));
}

/// Evidence that a member makes up against itself and against names of its own invention: little of it is kept, so
/// that there is always room for the evidence that matters.
#[test]
fn made_up_evidence_takes_little_room() {
    let mut sim = Sim::cluster(34, 2, Weather::default());
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let member = std::sync::Arc::clone(&sim.machines[1].identity);
    let made_up = Identity::from_seed(&[77; 32]);
    for (accused, expected) in [(&made_up, 0), (&*member, MAX_PER_ACCUSED)] {
        for salt in 0..20 {
            let file = equivocation(cluster, [&member, &made_up], accused, salt);
            sim.transmit(1, 0, PeerMessage::Evidence(Box::new(file)).encode());
            if salt % 2 == 0 {
                sim.pass(100);
            }
        }
        sim.pass(1_000);
        assert!(sim.records(0, Table::Evidence) <= expected);
    }
    assert!(sim.records(0, Table::Evidence) > 0, "true evidence is kept");
}

/// Two parties agree on a key generation, and one of them signs two first messages.
pub(crate) fn equivocation(
    cluster: consign_node::identity::ClusterId,
    parties: [&Identity; 2],
    accused: &Identity,
    salt: u8,
) -> EvidenceFile {
    let list: Vec<_> = (1_u16..).zip(parties).collect();
    let proposal = Proposal {
        cluster,
        kind: Kind::Keygen,
        version: 1,
        level: 1,
        curve: "secp256k1".to_owned(),
        threshold: 2,
        participants: list
            .iter()
            .map(|(index, who)| Participant { index: *index, id: who.node_id() })
            .collect(),
        key: None,
        base: None,
        epoch: 0,
        aux: None,
        signers: Vec::new(),
        path: Vec::new(),
        digest: None,
        batch: 0,
        request: Vec::new(),
        deadline_ms: 1,
        proposer: parties[0].node_id(),
        salt: [salt; 16],
    };
    let mut rng = ChaCha20Rng::seed_from_u64(salt.into());
    let accepts: Vec<_> =
        list.iter().map(|(index, who)| Drawn::accept(who, &proposal, *index, 0, &mut rng).1).collect();
    let nonce = session_nonce(&proposal, &accepts).unwrap();
    let index = |i| PartyIndex::new(i).unwrap();
    let roll = list.iter().map(|(i, who)| (index(*i), *who.node_id().as_bytes())).collect();
    let roll = Parties::new(roll).unwrap();
    let session = sid::<Secp256k1>(ProtocolKind::Keygen, consign_cggmp24::Level::Fast, 2, &roll, &nonce.0);
    let from = proposal.index_of(accused.node_id()).unwrap();
    let signed = |byte| {
        let header = Header {
            session,
            round: 1,
            from: index(from),
            to: index(3 - from),
            echo: [0; 32],
            broadcast_hash: [byte; 32],
            direct_hash: [0; 32],
        };
        SignedHeader::sign(header, &Forger(accused, cluster))
    };
    let evidence = Evidence::Equivocation(signed(1), signed(2)).encode();
    EvidenceFile { proposal, accepts, accused: accused.node_id(), evidence, inputs: None }
}

/// Records of requests go when they are old, while the node runs; and what was forgotten is never fresh again,
/// whatever the clock says later.
#[test]
fn old_requests_are_forgotten_for_good() {
    let (mut sim, key) = with_key(35);
    let tape: Tape = Rc::default();
    let written = Rc::clone(&tape);
    sim.tamper = Some(Box::new(move |from, to, message| {
        written.borrow_mut().push((from, to, message.clone()));
        vec![message.encode()]
    }));
    sim.sign(0, key.id, b"once").unwrap();
    sim.tamper = None;
    let proposal = proposal_of(&tape, Kind::Sign).unwrap();
    let before = sim.records(1, Table::Requests);
    assert!(before > 0);
    // A day later.
    let later = Now { monotonic: sim.clock + 120_000, unix: sim.unix() + REQUEST_KEPT_S + 700 };
    let node = sim.machines[1].node.as_mut().unwrap();
    let outputs = node.handle(later, Input::Tick);
    let mut forgotten = 0;
    for output in outputs {
        if let Output::Store(_, writes) = output {
            forgotten += writes.iter().filter(|w| w.table() == Table::Requests).count();
            consign_node::store::Store::apply(&mut sim.machines[1].store, &writes).unwrap();
        }
    }
    assert_eq!(forgotten, before);
    // The clock is set back; also after a restart the old request is refused.
    for again in [false, true] {
        if again {
            sim.crash(1);
            sim.boot(1);
            sim.until("it is back", |sim| sim.sees(1, 0) && sim.sees(0, 1));
        }
        let replay = Proposal { salt: [9 + u8::from(again); 16], ..proposal.clone() };
        let log = sim.machines[1].log.len();
        sim.transmit(0, 1, PeerMessage::Propose(Box::new(replay)).encode());
        sim.pass(100);
        let refused = sim.machines[1].log[log..].iter().any(|line| line.contains("not fresh"));
        assert!(refused, "after a restart: {again}");
    }
}
