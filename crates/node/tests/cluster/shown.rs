//! What peers show and say that nobody can verify, or only with much work: it is bounded.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use consign_api as api;
use consign_node::core::hash::Hash;
use consign_node::core::misbehave::Misbehaviour;
use consign_node::core::moduli::MAX_LOST_OF_ONE;
use consign_node::core::proposal::Kind;
use consign_node::core::wire::{PeerMessage, Report};
use consign_node::core::{CallId, Input};
use consign_node::store::Table;

use crate::client::verify;
use crate::hostile::{equivocation, with_key};
use crate::sim::{Sim, Weather};

/// A key of these nodes, as node 1 shows it in another world, where one more has joined.
fn elsewhere(base: &Sim, committee: &[usize]) -> (api::KeyView, Vec<u8>) {
    let mut sim = base.revive(240);
    let invitation = sim.invite(0);
    let joiner = sim.add_joiner(&invitation);
    sim.until("it is a member everywhere", |sim| {
        (0..=joiner).all(|i| (0..=joiner).all(|j| sim.is_member(i, j) && sim.sees(i, j)))
    });
    let key = sim.new_key(1, 2, committee);
    let bytes = bytes_of(&mut sim, 1, &key);
    (key, bytes)
}

/// The key as a node shows it to another.
pub(crate) fn bytes_of(sim: &mut Sim, which: usize, key: &api::KeyView) -> Vec<u8> {
    let shown: Rc<RefCell<Option<Vec<u8>>>> = Rc::default();
    let seen = Rc::clone(&shown);
    sim.tamper = Some(Box::new(move |from, _, message| {
        if from == which && matches!(message, PeerMessage::Certificate(_)) {
            *seen.borrow_mut() = Some(message.encode());
        }
        vec![message.encode()]
    }));
    sim.transmit(usize::from(which == 0), which, PeerMessage::AskKey(Hash(key.id.0)).encode());
    let heard = Rc::clone(&shown);
    sim.until("the node shows it", move |_| heard.borrow().is_some());
    sim.tamper = None;
    shown.take().unwrap()
}

/// Somebody shows a key that it has made with identities that it has invented: nobody keeps it, or admits them.
#[test]
fn keys_of_invented_identities_are_not_kept() {
    let base = Sim::cluster(240, 3, Weather::default());
    for (committee, known) in [([1, 2], true), ([1, 3], false)] {
        let (key, certificate) = elsewhere(&base, &committee);
        let mut sim = base.revive(241);
        sim.tamper = Some(Box::new(move |from, to, message| match &message {
            PeerMessage::AskKey(_) if (from, to) == (0, 1) => Vec::new(),
            _ => vec![message.encode()],
        }));
        let call = CallId(u64::MAX);
        sim.handle(0, Input::Api(call, api::Request::ShowKey(key.id)));
        sim.transmit(1, 0, certificate);
        let answered = move |sim: &mut Sim| sim.machines[0].replies.contains_key(&call);
        sim.until("it answers", answered);
        let shown = matches!(sim.machines[0].replies.get(&call), Some(api::Reply::Key(_)));
        assert_eq!((shown, sim.records(0, Table::Keys) == 1), (known, known), "{committee:?}");
    }
}

/// A proposer that takes no part is told of other moduli than were made: it builds nothing on that.
#[test]
fn moduli_are_what_all_who_made_them_say() {
    let mut sim = Sim::cluster(242, 4, Weather::default());
    sim.tamper = Some(Box::new(|from, _, message| match message {
        PeerMessage::Report { ceremony, report: Report::Aux(_) } if from == 2 => {
            vec![PeerMessage::Report { ceremony, report: Report::Aux(Hash([9; 32])) }.encode()]
        }
        other => vec![other.encode()],
    }));
    let request = sim.create_key(2, &[0, 1, 2]);
    let id = sim.start(3, request).unwrap();
    let problem = sim.finish(3, id).unwrap_err();
    assert!(problem.detail.contains("report different moduli"), "{problem}");
}

/// A member says of all moduli that it has lost their factors: it is believed so often.
#[test]
fn losses_are_believed_so_often() {
    let mut sim = Sim::cluster(243, 3, Weather::default());
    let mut wanted = Vec::new();
    sim.tamper = Some(Box::new(move |from, _, message| {
        let mut said = Vec::new();
        match &message {
            PeerMessage::Propose(p) if p.kind == Kind::Keygen => {
                wanted.extend(p.aux.map(|aux| (p.hash(), aux)))
            }
            PeerMessage::Accept(accept) if from == 2 => {
                let about = wanted.iter().find(|(hash, _)| *hash == accept.proposal);
                said.extend(about.map(|(_, aux)| PeerMessage::Lacks { aux: *aux }.encode()));
            }
            _ => {}
        }
        said.push(message.encode());
        said
    }));
    for _ in 0..MAX_LOST_OF_ONE + 3 {
        sim.new_key(0, 2, &[0, 1, 2]);
    }
    assert_eq!(sim.records(0, Table::Aux), 1 + MAX_LOST_OF_ONE);
}

fn cheated(seed: u64, hears: fn(usize) -> bool) -> (Sim, api::KeyView) {
    let (mut sim, key) = with_key(seed);
    sim.tamper = Some(Box::new(move |_, to, message| match &message {
        PeerMessage::Evidence(_) if !hears(to) => Vec::new(),
        _ => vec![message.encode()],
    }));
    sim.machines[1].node.as_mut().unwrap().misbehave(Misbehaviour::WrongDelta);
    let signature = sim.sign(0, key.id, b"in spite of it").unwrap();
    verify(&key, &signature, b"in spite of it");
    assert_eq!((sim.records(0, Table::Evidence), sim.records(2, Table::Evidence)), (1, 0));
    sim.tamper = None;
    (sim, key)
}

/// Who missed evidence when it was new hears it when it is connected again.
#[test]
fn evidence_is_offered_on_connect() {
    let (mut sim, _) = cheated(244, |to| to != 2);
    sim.pass(60_000);
    assert_eq!(sim.records(2, Table::Evidence), 0);
    sim.cut.insert((0, 2));
    sim.relink();
    sim.cut.clear();
    sim.relink();
    sim.until("it convicts", |sim| sim.records(2, Table::Evidence) == 1);
}

/// And when it asks for something with the culprit.
#[test]
fn evidence_is_offered_beside_a_refusal() {
    let (mut sim, _) = cheated(245, |to| to != 2);
    let request = sim.create_key(2, &[0, 1, 2]);
    let id = sim.start(2, request).unwrap();
    sim.finish(2, id).unwrap_err();
    sim.until("it convicts", |sim| sim.records(2, Table::Evidence) == 1);
}

/// Who was convicted convicts nobody: it could have made up a second identity for that.
#[test]
fn a_convicted_node_is_not_heard_against_others() {
    let mut sim = Sim::cluster(246, 4, Weather::default());
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let [first, second, other] = [1, 2, 3].map(|i| Arc::clone(&sim.machines[i].identity));
    let against = |culprit: &Arc<consign_node::identity::Identity>, salt| {
        let file = equivocation(cluster, [culprit, &other], culprit, salt);
        PeerMessage::Evidence(Box::new(file)).encode()
    };
    sim.transmit(3, 0, against(&first, 1));
    sim.until("the first is convicted", |sim| sim.records(0, Table::Evidence) == 1);
    let message = against(&second, 2);
    sim.transmit(1, 0, message.clone());
    sim.pass(1_000);
    assert_eq!(sim.records(0, Table::Evidence), 1);
    sim.transmit(3, 0, message);
    sim.until("the second is convicted, too", |sim| sim.records(0, Table::Evidence) == 2);
}

/// More evidence of one sender than is judged at once waits, and counts in the end.
#[test]
fn evidence_waits_in_line() {
    let mut sim = Sim::cluster(247, 6, Weather::default());
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let ids: Vec<_> = sim.machines.iter().map(|m| Arc::clone(&m.identity)).collect();
    for culprit in 1..5 {
        let file = equivocation(cluster, [&ids[culprit], &ids[5]], &ids[culprit], 1);
        let bytes = PeerMessage::Evidence(Box::new(file)).encode();
        let from = sim.id(5);
        sim.handle(0, Input::Peer { from, bytes, stranger: false });
    }
    sim.until("all are convicted", |sim| sim.records(0, Table::Evidence) == 4);
}
