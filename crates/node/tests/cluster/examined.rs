//! What a participant looks at before it accepts: one test for each thing that only its own records can tell.

use std::cell::RefCell;
use std::rc::Rc;

use consign_api as api;
use consign_node::core::ceremony::DEADLINE_FACTOR;
use consign_node::core::evidence::MAX_EVIDENCE;
use consign_node::core::hash::Hash;
use consign_node::core::proposal::{Kind, Participant, Proposal};
use consign_node::core::requests::{RawRequest, Wanted};
use consign_node::core::roster::{Charter, Says, Statement};
use consign_node::core::wire::PeerMessage;
use consign_node::identity::Identity;
use consign_node::store::{Store, Table, Value, Write};

use crate::hostile::{Tape, equivocation, proposal_of};
use crate::sim::{Sim, Weather};

/// All messages from now on.
pub(crate) fn record(sim: &mut Sim) -> Tape {
    let tape: Tape = Rc::default();
    let written = Rc::clone(&tape);
    sim.tamper = Some(Box::new(move |from, to, message| {
        written.borrow_mut().push((from, to, message.clone()));
        vec![message.encode()]
    }));
    tape
}

/// What node 0 answers to a proposal of node 1: the reason why not, if there is one.
pub(crate) fn answer(sim: &mut Sim, proposal: &Proposal) -> Option<String> {
    let hash = proposal.hash();
    let answer: Rc<RefCell<Option<Option<String>>>> = Rc::default();
    let heard = Rc::clone(&answer);
    sim.tamper = Some(Box::new(move |from, _, message| {
        match &message {
            PeerMessage::Refuse(refusal) if from == 0 && refusal.proposal == hash => {
                *heard.borrow_mut() = Some(Some(refusal.reason.clone()));
            }
            PeerMessage::Accept(accept) if from == 0 && accept.proposal == hash => {
                *heard.borrow_mut() = Some(None);
            }
            _ => {}
        }
        vec![message.encode()]
    }));
    sim.transmit(1, 0, PeerMessage::Propose(Box::new(proposal.clone())).encode());
    let heard = Rc::clone(&answer);
    sim.until("it answers", move |_| heard.borrow().is_some());
    answer.take().unwrap()
}

pub(crate) fn refuses(sim: &mut Sim, proposal: &Proposal, why: &str) {
    let reason = answer(sim, proposal).unwrap_or_else(|| panic!("accepted, in spite of: {why}"));
    assert!(reason.contains(why), "{reason}");
}

/// Four nodes with a key of the first three, and a proposal for another key of theirs.
fn with_model(seed: u64) -> (Sim, Proposal) {
    let mut sim = Sim::cluster(seed, 4, Weather::default());
    sim.new_key(0, 2, &[0, 1, 2]);
    let tape = record(&mut sim);
    sim.new_key(0, 2, &[0, 1, 2]);
    let model = proposal_of(&tape, Kind::Keygen).unwrap();
    (sim, model)
}

/// What node 1 proposes for a key of this committee and level, with the moduli of the model.
fn keygen(sim: &Sim, model: &Proposal, committee: &[usize], level: api::Level, number: u16) -> Proposal {
    let api::Request::CreateKey(mut create) = sim.create_key(2, committee) else { panic!("a key is wanted") };
    create.level = level;
    let request = RawRequest::new(&Wanted::Key(create), sim.unix(), [8; 16]).encode();
    let participants = (1..).zip(committee).map(|(index, i)| Participant { index, id: sim.id(*i) }).collect();
    Proposal { proposer: sim.id(1), request, participants, level: number, ..model.clone() }
}

fn test_level(sim: &Sim, model: &Proposal, committee: &[usize]) -> Proposal {
    keygen(sim, model, committee, api::Level::Test, model.level)
}

/// Node 0 hears that the founder has revoked this node.
fn revoke(sim: &mut Sim, which: usize) {
    let tape = record(sim);
    sim.transmit(1, 0, PeerMessage::RosterDigest(Hash([0; 32])).encode());
    let found: Rc<RefCell<Option<Charter>>> = Rc::default();
    let seen = Rc::clone(&found);
    sim.until("node 0 shows its roster", move |_| {
        let charter = tape.borrow().iter().find_map(|(from, _, message)| match message {
            PeerMessage::Roster { charter, .. } if *from == 0 => Some(charter.clone()),
            _ => None,
        });
        *seen.borrow_mut() = charter;
        seen.borrow().is_some()
    });
    let charter = found.take().unwrap();
    let founder = std::sync::Arc::clone(&sim.machines[0].identity);
    let says = Says::Revoke(sim.id(which));
    let statement = Statement { cluster: charter.cluster(), author: founder.node_id(), sequence: 9, says };
    let statements = vec![statement.sign(&founder)];
    let message = PeerMessage::Roster { charter, statements, complete: false };
    sim.transmit(1, 0, message.encode());
    let id = sim.api_id(which);
    sim.until("it is no member", move |sim| sim.validators(0).iter().any(|v| v.id == id && !v.member));
}

#[test]
fn a_good_proposal_is_accepted() {
    let (mut sim, model) = with_model(61);
    let proposal = test_level(&sim, &model, &[0, 1, 2]);
    assert_eq!(answer(&mut sim, &proposal), None);
}

#[test]
fn a_deadline_is_not_much_longer_than_what_is_needed() {
    let (mut sim, model) = with_model(60);
    let needed = model.deadline_ms;
    let with = |sim: &Sim, deadline_ms| Proposal { deadline_ms, ..test_level(sim, &model, &[0, 1, 2]) };
    let proposal = with(&sim, needed * DEADLINE_FACTOR + 1);
    refuses(&mut sim, &proposal, "the deadline or the level is out of range");
    let proposal = with(&sim, needed * DEADLINE_FACTOR);
    assert_eq!(answer(&mut sim, &proposal), None);
}

#[test]
fn a_proposer_must_be_a_member() {
    let (mut sim, model) = with_model(62);
    revoke(&mut sim, 1);
    let proposal = test_level(&sim, &model, &[0, 1, 2]);
    refuses(&mut sim, &proposal, "is not a member of the cluster");
}

#[test]
fn a_convicted_proposer_is_refused() {
    let (mut sim, model) = with_model(67);
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let [culprit, other] = [1, 2].map(|i| std::sync::Arc::clone(&sim.machines[i].identity));
    let file = equivocation(cluster, [&culprit, &other], &culprit, 1);
    sim.transmit(2, 0, PeerMessage::Evidence(Box::new(file)).encode());
    sim.until("it is judged", |sim| sim.records(0, Table::Evidence) == 1);
    // It takes no part in what it proposes.
    let proposal = test_level(&sim, &model, &[0, 2, 3]);
    refuses(&mut sim, &proposal, "broke the protocol before");
}

#[test]
fn a_committee_must_be_members() {
    let (mut sim, model) = with_model(63);
    revoke(&mut sim, 2);
    let proposal = test_level(&sim, &model, &[0, 1, 2]);
    let who = format!("{} is not a member of the cluster here", sim.id(2));
    refuses(&mut sim, &proposal, &who);
}

#[test]
fn moduli_must_be_of_the_level() {
    let (mut sim, model) = with_model(64);
    let proposal = keygen(&sim, &model, &[0, 1, 2], api::Level::L128, 128);
    refuses(&mut sim, &proposal, "no such auxiliary information for the committee");
}

#[test]
fn moduli_must_cover_the_committee() {
    let (mut sim, model) = with_model(65);
    let proposal = test_level(&sim, &model, &[0, 1, 3]);
    refuses(&mut sim, &proposal, "no such auxiliary information for the committee");
}

/// With as much evidence as it may keep, a node takes no more.
#[test]
fn there_is_only_so_much_evidence() {
    let sim = Sim::cluster(66, 2, Weather::default());
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let member = std::sync::Arc::clone(&sim.machines[1].identity);
    let other = Identity::from_seed(&[77; 32]);
    let old = equivocation(cluster, [&other, &member], &other, 1);
    let stored = [&[1][..], &postcard::to_stdvec(&(old, sim.unix(), "a lie", None::<u8>)).unwrap()].concat();
    let fill = |count: usize| -> Vec<_> {
        let key = |i: usize| [&[0; 24][..], &(i as u64).to_be_bytes()].concat();
        (0..count).map(|i| Write::put(Table::Evidence, key(i), Value::from(stored.clone()))).collect()
    };
    for (kept, taken) in [(MAX_EVIDENCE, 0), (MAX_EVIDENCE - 1, 1)] {
        let mut sim = sim.revive(66);
        sim.crash(0);
        sim.machines[0].store.apply(&fill(kept)).unwrap();
        sim.boot(0);
        sim.until("it is back", |sim| sim.sees(0, 1) && sim.sees(1, 0));
        let file = equivocation(cluster, [&member, &other], &member, 2);
        sim.transmit(1, 0, PeerMessage::Evidence(Box::new(file)).encode());
        sim.pass(1_000);
        assert_eq!(sim.records(0, Table::Evidence), kept + taken);
    }
}
