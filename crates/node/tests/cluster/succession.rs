//! A charter follows another: who signs it, who follows it, and what is an alarm.

use consign_api as api;
use consign_api::{Act, ProblemKind};
use consign_node::core::roster::{Charter, SignedCharter};
use consign_node::core::wire::PeerMessage;

use crate::sim::{Sim, Weather};

impl Sim {
    fn charter(&mut self, which: usize, request: api::Request) -> Result<api::CharterView, ProblemKind> {
        match self.ask(which, request) {
            api::Reply::Charter(view) => Ok(view),
            api::Reply::Problem(problem) => Err(problem.kind),
            other => panic!("SEED={}: {other:?}", self.seed),
        }
    }

    fn shown(&mut self, which: usize) -> api::CharterView {
        self.charter(which, api::Request::ShowCharter).unwrap()
    }

    fn propose(
        &mut self,
        which: usize,
        founders: &[usize],
        members: &[usize],
        force: bool,
    ) -> Result<api::CharterView, ProblemKind> {
        let ids = |list: &[usize]| list.iter().map(|i| self.api_id(*i)).collect();
        let wanted = api::ProposeCharter { founders: ids(founders), members: ids(members), force };
        self.charter(which, api::Request::ProposeCharter(wanted))
    }

    fn sign_charter(
        &mut self,
        which: usize,
        charter: api::CharterId,
        force: bool,
    ) -> Result<api::CharterView, ProblemKind> {
        self.charter(which, api::Request::SignCharter(api::SignCharter { charter, force }))
    }
}

/// A cluster of one founder becomes one of two; who was away, and who joins later, comes to the same charter.
#[test]
fn one_founder_takes_another_beside_it() {
    let mut sim = Sim::cluster(401, 3, Weather::default());
    assert_eq!(sim.propose(1, &[1], &[], false), Err(ProblemKind::Forbidden));
    assert_eq!(sim.propose(0, &[], &[], false), Err(ProblemKind::Malformed));
    sim.crash(2);
    let view = sim.propose(0, &[0, 1], &[0, 1, 2], false).unwrap();
    assert_eq!((view.number, view.charter.founders.len(), view.proposed.len()), (2, 2, 0));
    sim.until("the other founder follows", |sim| sim.shown(1).number == 2);
    sim.boot(2);
    sim.until("who was away follows", |sim| sim.shown(2).number == 2);
    for which in 0..3 {
        sim.crash(which);
        sim.boot(which);
    }
    sim.until("all are connected", |sim| {
        (0..3).all(|i| (0..3).all(|j| sim.sees(i, j) && sim.is_member(i, j)))
    });
    assert!((0..3).all(|i| sim.shown(i).number == 2 && sim.seen(i, 1).unwrap().founder));
    // Both must vouch now. The joiner believes a chain of charters only.
    let invitation = sim.invite(1);
    let joiner = sim.add_joiner(&invitation);
    sim.until("one vouches", |sim| sim.seen(0, joiner).is_some_and(|view| view.vouches == 1));
    assert!(sim.decide(0, Act::Vouch, joiner).unwrap().member);
    sim.until("it is in", |sim| sim.is_member(joiner, joiner));
    assert_eq!(sim.shown(joiner).charter, sim.shown(0).charter);
    sim.crash(joiner);
    sim.boot(joiner);
    assert_eq!(sim.shown(joiner).number, 2);
    let key = sim.new_key(joiner, 2, &[0, 2, 3]);
    sim.sign_patiently(2, key.id, b"under the second charter");
}

#[test]
fn a_majority_signs_and_nobody_signs_twice() {
    let mut sim = Sim::founders(402, 3);
    let joiner = sim.add_asker(0);
    for founder in 0..2 {
        sim.until("it is known", |sim| sim.seen(founder, joiner).is_some());
        sim.decide(founder, Act::Vouch, joiner).unwrap();
    }
    sim.until("it is in", |sim| (0..4).all(|i| sim.is_member(i, joiner)));
    let first = sim.propose(0, &[0, 1], &[0, 1, 2, 3], false).unwrap().proposed[0].id;
    sim.until("all founders see it", |sim| (0..3).all(|i| sim.shown(i).proposed.len() == 1));
    sim.pass(60_000);
    assert!((0..4).all(|i| sim.shown(i).number == 1));
    assert!(sim.shown(3).proposed.is_empty(), "it is no founder");
    assert_eq!(sim.sign_charter(3, first, false), Err(ProblemKind::Forbidden));
    assert_eq!(sim.sign_charter(1, api::CharterId([7; 32]), false), Err(ProblemKind::UnknownCharter));
    // Another one by the same founder, against its own signature, only on purpose.
    assert_eq!(sim.propose(0, &[0, 1, 3], &[0, 1, 2, 3], false), Err(ProblemKind::Forbidden));
    sim.crash(0);
    sim.boot(0);
    sim.pass(2_000);
    assert_eq!(sim.propose(0, &[0, 1, 3], &[0, 1, 2, 3], false), Err(ProblemKind::Forbidden));
    let second = sim.propose(0, &[0, 1, 3], &[0, 1, 2, 3], true).unwrap().proposed[0].id;
    sim.until("it takes the place of the first", |sim| {
        (0..3).all(|i| sim.shown(i).proposed.iter().map(|draft| draft.id).eq([second]))
    });
    sim.sign_charter(2, second, false).unwrap();
    sim.until("all follow", |sim| (0..4).all(|i| sim.shown(i).charter.id == second));
    assert!((0..4).all(|i| (0..4).all(|j| sim.is_member(i, j))));
    assert!(sim.seen(1, 3).unwrap().founder && !sim.seen(1, 2).unwrap().founder);
    assert!((0..4).all(|i| sim.shown(i).rivals.is_empty() && sim.shown(i).proposed.is_empty()));
}

/// Somebody has a founder's key of old and writes history anew: an alarm, and nothing else, until an operator follows it.
#[test]
fn a_rival_is_an_alarm() {
    let mut sim = Sim::cluster(403, 3, Weather::default());
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let first = sim.shown(0).charter.id;
    sim.propose(0, &[1], &[0, 1, 2], false).unwrap();
    sim.until("all follow", |sim| (0..3).all(|i| sim.shown(i).number == 2));
    let good = sim.shown(2).charter.id;
    let charter = Charter {
        founders: vec![sim.id(2)],
        members: vec![sim.id(2)],
        created: sim.unix(),
        salt: [3; 16],
        predecessor: Some(consign_node::core::Hash(first.0)),
    };
    let signatures = vec![charter.sign(&sim.machines[0].identity, &cluster)];
    let rival = SignedCharter { charter, signatures };
    let id = api::CharterId(rival.charter.hash().0);
    let mut unsigned = rival.clone();
    unsigned.signatures.clear();
    for bytes in [unsigned, rival.clone(), rival].map(|signed| PeerMessage::Charters(vec![signed]).encode()) {
        sim.transmit(0, 1, bytes);
    }
    sim.until("the alarm is shown", |sim| !sim.shown(1).rivals.is_empty());
    sim.pass(60_000);
    let view = sim.shown(1);
    assert_eq!((view.charter.id, view.rivals.len(), view.rivals[0].id), (good, 1, id));
    assert!(sim.machines[1].log.iter().filter(|line| line.contains("ALARM")).count() == 1);
    assert!(sim.is_member(1, 0) && sim.seen(1, 1).unwrap().founder);
    sim.crash(1);
    sim.boot(1);
    let api::Reply::Node(node) = sim.ask(1, api::Request::ShowNode) else { panic!("no node") };
    assert_eq!(node.rival_charters, [id]);
    // The operator may follow it, and come back.
    assert_eq!(sim.charter(1, api::Request::SwitchCharter(first)), Err(ProblemKind::UnknownCharter));
    let view = sim.charter(1, api::Request::SwitchCharter(id)).unwrap();
    assert_eq!((view.charter.id, view.rivals[0].id, view.number), (id, good, 2));
    sim.crash(1);
    sim.boot(1);
    assert!(!sim.is_member(1, 0) && sim.shown(1).charter.id == id);
    sim.until("the others hear of it, and are alarmed", |sim| {
        [0, 2].iter().all(|i| sim.shown(*i).rivals.len() == 1)
    });
    assert!([0, 2].iter().all(|i| sim.shown(*i).charter.id == good));
    sim.charter(1, api::Request::SwitchCharter(good)).unwrap();
    sim.until("all is as it was", |sim| {
        (0..3).all(|i| sim.shown(i).charter.id == good && sim.is_member(1, i))
    });
}
