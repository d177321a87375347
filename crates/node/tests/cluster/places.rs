//! What one member may take of what is there for all: places in the table of requests, bytes of a session's messages.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use consign_api as api;
use consign_node::core::proposal::{Kind, Proposal};
use consign_node::core::remembered::MAX_NEW_PER_MINUTE;
use consign_node::core::requests::{MAX_REQUESTS, RawRequest};
use consign_node::core::wire::PeerMessage;
use consign_node::identity::NodeId;
use consign_node::store::{MAX_WRITES, Store, Table, Value, Write};

use crate::client::verify;
use crate::hostile::{capture_node_1, proposal_of, sign_request, with_key};
use crate::sim::{Sim, Weather};

/// Requests of a hijacked node 1, all alike but for the nonce.
struct Flood {
    model: Proposal,
    raw: RawRequest,
    by: NodeId,
    next: u64,
}

impl Flood {
    /// Takes the next request of node 0 for a model.
    fn new(sim: &mut Sim, key: &api::KeyView) -> Self {
        let tape = capture_node_1(sim);
        sim.start(0, sign_request(key, b"a model")).unwrap();
        let model = proposal_of(&tape, Kind::Sign).unwrap();
        let (raw, _) = RawRequest::parse(&model.request).unwrap();
        Self { model, raw, by: sim.id(1), next: 1 }
    }

    fn proposal(&mut self, created: u64) -> Proposal {
        self.next += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.next.to_be_bytes());
        let request = RawRequest { nonce, created, ..self.raw.clone() }.encode();
        Proposal { proposer: self.by, request, ..self.model.clone() }
    }

    /// Proposes `count` new requests to node 0, as many at a time as it takes, and lets each die.
    fn bring(&mut self, sim: &mut Sim, count: u32) {
        for _ in 0..count.div_ceil(16) {
            let proposals: Vec<_> = (0..16).map(|_| self.proposal(sim.unix())).collect();
            let dead: Vec<_> = proposals.iter().map(Proposal::hash).collect();
            for proposal in proposals {
                sim.transmit(1, 0, PeerMessage::Propose(Box::new(proposal)).encode());
            }
            sim.pass(60);
            for ceremony in dead {
                sim.transmit(1, 0, PeerMessage::Lost { ceremony }.encode());
            }
            sim.pass(60);
        }
    }
}

fn finish(sim: &mut Sim, which: usize, key: &api::KeyView, message: &[u8]) {
    let signature = sim.sign(which, key.id, message).unwrap();
    verify(key, &signature, message);
}

#[test]
fn one_member_brings_only_so_many_requests_in_a_minute() {
    let (mut sim, key) = with_key(41);
    let mut flood = Flood::new(&mut sim, &key);
    let before = sim.records(0, Table::Requests);
    flood.bring(&mut sim, MAX_NEW_PER_MINUTE + 100);
    let brought = sim.records(0, Table::Requests) - before;
    assert_eq!(u32::try_from(brought).unwrap(), MAX_NEW_PER_MINUTE);
    // Its own clients, and those of other members, get theirs.
    finish(&mut sim, 0, &key, b"mine");
    finish(&mut sim, 2, &key, b"another's");
    sim.pass(60_000);
    let before = sim.records(0, Table::Requests);
    flood.bring(&mut sim, 16);
    assert_eq!(sim.records(0, Table::Requests), before + 16);
}

/// Puts `count` records of requests of `proposer` onto the disk of node 0, and starts it again.
fn fill(sim: &mut Sim, proposer: NodeId, count: usize) {
    sim.crash(0);
    let record = (sim.unix(), BTreeMap::from([(proposer, 1_u8)]), true);
    let stored = [&[1][..], &postcard::to_stdvec(&record).unwrap()].concat();
    let writes: Vec<_> = (0..count)
        .map(|i| {
            let mut id = [0xff; 32];
            id[..8].copy_from_slice(&(i as u64).to_be_bytes());
            Write::put(Table::Requests, id, Value::from(stored.clone()))
        })
        .collect();
    for some in writes.chunks(MAX_WRITES) {
        sim.machines[0].store.apply(some).unwrap();
    }
    sim.boot(0);
    sim.until("it is back", |sim| sim.sees(0, 1) && sim.sees(0, 2) && sim.sees(2, 0));
}

fn refused(sim: &Sim, why: &str) -> bool {
    sim.machines[0].log.iter().any(|line| line.contains(why))
}

#[test]
fn one_member_does_not_fill_the_table() {
    let (mut sim, key) = with_key(42);
    let mut flood = Flood::new(&mut sim, &key);
    let one = sim.id(1);
    fill(&mut sim, one, MAX_REQUESTS / 2);
    let before = sim.records(0, Table::Requests);
    flood.bring(&mut sim, 16);
    assert_eq!(sim.records(0, Table::Requests), before);
    assert!(refused(&sim, "as many requests of the proposer as it may"));
    finish(&mut sim, 0, &key, b"mine");
    finish(&mut sim, 2, &key, b"another's");
}

#[test]
fn a_full_table_takes_nothing_more() {
    let (mut sim, key) = with_key(43);
    let mut flood = Flood::new(&mut sim, &key);
    let zero = sim.id(0);
    let there = sim.records(0, Table::Requests);
    fill(&mut sim, zero, MAX_REQUESTS - there);
    flood.bring(&mut sim, 16);
    assert_eq!(sim.records(0, Table::Requests), MAX_REQUESTS);
    assert!(refused(&sim, "this node remembers as many requests as it may"));
}

/// Node 1 pads what it says in every session, twice: the first one convicts it, a second one is not even kept.
#[test]
fn a_message_that_is_too_long_convicts_and_takes_little_room() {
    const PADDING: usize = 3 << 20;
    let (mut sim, key) = with_key(44);
    let cheat = std::sync::Arc::clone(&sim.machines[1].identity);
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let padded: Rc<RefCell<u32>> = Rc::default();
    let counted = Rc::clone(&padded);
    sim.tamper = Some(Box::new(move |from, _, message| match message {
        PeerMessage::Round { ceremony, envelope } if from == 1 => {
            *counted.borrow_mut() += 1;
            let long = |length| {
                let envelope = crate::forge::pad_broadcast(&envelope, length, &cheat, cluster);
                PeerMessage::Round { ceremony, envelope }.encode()
            };
            vec![long(PADDING), long(PADDING + 1)]
        }
        other => vec![other.encode()],
    }));
    let signature = sim.sign(0, key.id, b"without the cheat").unwrap();
    verify(&key, &signature, b"without the cheat");
    assert!(*padded.borrow() > 0);
    sim.until("the evidence is everywhere", |sim| {
        [0, 2].iter().all(|i| sim.records(*i, Table::Evidence) == 1)
    });
    assert!(refused(&sim, "longer than any honest one"));
}

/// Evidence is not sent back to whom it came from.
#[test]
fn evidence_does_not_go_back() {
    let mut sim = Sim::cluster(45, 3, Weather::default());
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let [_, accused, author] = [0, 1, 2].map(|i| std::sync::Arc::clone(&sim.machines[i].identity));
    let file = crate::hostile::equivocation(cluster, [&accused, &author], &accused, 1);
    let echoes: Rc<RefCell<Vec<(usize, usize)>>> = Rc::default();
    let seen = Rc::clone(&echoes);
    sim.tamper = Some(Box::new(move |from, to, message| {
        if matches!(message, PeerMessage::Evidence(_)) {
            seen.borrow_mut().push((from, to));
        }
        vec![message.encode()]
    }));
    sim.transmit(2, 0, PeerMessage::Evidence(Box::new(file)).encode());
    sim.until("it is judged", |sim| sim.records(0, Table::Evidence) == 1);
    sim.pass(1_000);
    assert_eq!(*echoes.borrow(), []);
}
