//! Who is in the cluster: founders vouch and revoke, strangers ask and wait, and each operator decides for its own node.

use consign_api as api;
use consign_api::{Act, ProblemKind};
use consign_node::core::Input;
use consign_node::core::joiners::{JOINER_KEPT_MS, MAX_JOINERS_OF_ONE};
use consign_node::core::misbehave::Misbehaviour;
use consign_node::core::roster::{Says, Statement};
use consign_node::core::wire::PeerMessage;
use consign_node::identity::Identity;

use crate::client::verify;
use crate::sim::{Sim, Weather};

impl Sim {
    /// An operator's decision, with what it leads to.
    pub(crate) fn decide(
        &mut self,
        which: usize,
        act: Act,
        about: usize,
    ) -> Result<api::ValidatorView, ProblemKind> {
        let validator = self.api_id(about);
        match self.ask(which, api::Request::Decide(api::Decision { validator, act })) {
            api::Reply::Validator(view) => Ok(view),
            api::Reply::Problem(problem) => Err(problem.kind),
            other => panic!("SEED={}: {other:?}", self.seed),
        }
    }

    /// How a node sees another one.
    pub(crate) fn seen(&mut self, which: usize, about: usize) -> Option<api::ValidatorView> {
        let id = self.api_id(about);
        self.validators(which).into_iter().find(|view| view.id == id)
    }
}

fn signers(signature: &api::SignatureView) -> Vec<u16> {
    signature.signers.iter().map(|m| m.index).collect()
}

/// It asks a member that is no founder, with nothing but the cluster id and that address.
#[test]
fn who_asks_waits_for_a_vouch() {
    let mut sim = Sim::cluster(201, 2, Weather::default());
    let joiner = sim.add_asker(1);
    sim.until("the founder hears of it", |sim| sim.seen(0, joiner).is_some_and(|view| view.waiting));
    let view = sim.seen(0, joiner).unwrap();
    assert_eq!(
        (view.member, view.vouches, view.name),
        (false, 0, Some(format!("node-{joiner}").parse().unwrap()))
    );
    sim.pass(60_000);
    assert!(!sim.is_member(joiner, joiner) && !sim.is_member(0, joiner));
    let key = sim.create_key(2, &[0, 1]);
    let problem = sim.start(joiner, key).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::NotJoined);
    assert!(problem.detail.contains("validator vouch"), "{problem}");
    // It is still asked for after it was started again, and the node it asked was.
    for which in [joiner, 1] {
        sim.crash(which);
        sim.boot(which);
    }
    sim.pass(60_000);
    assert_eq!(sim.decide(1, Act::Vouch, joiner), Err(ProblemKind::Forbidden));
    let view = sim.decide(0, Act::Vouch, joiner).unwrap();
    assert!(view.member && !view.waiting, "{view:?}");
    sim.until("all know all", |sim| (0..3).all(|i| (0..3).all(|j| sim.is_member(i, j) && sim.sees(i, j))));
    sim.crash(joiner);
    sim.boot(joiner);
    assert!(sim.is_member(joiner, joiner));
    let key = sim.new_key(joiner, 2, &[0, 1, 2]);
    let signature = sim.sign_patiently(joiner, key.id, b"one of us");
    verify(&key, &signature, b"one of us");
}

/// Strangers can do nothing but ask, and few are remembered, for a while.
#[test]
fn strangers_fill_nothing() {
    let mut sim = Sim::cluster(202, 2, Weather::default());
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let before = sim.machines[0].writes;
    for i in 0..100_u8 {
        let stranger = Identity::from_seed(&[100 + i; 32]);
        let author = stranger.node_id();
        let says =
            Says::Announce { addresses: Vec::new(), name: "node-1".to_owned(), version: String::new() };
        let announce = Statement { cluster, author, sequence: 1, says }.sign(&stranger);
        let vouch = Statement { cluster, author, sequence: 1, says: Says::Vouch(author) }.sign(&stranger);
        for message in [
            PeerMessage::AskIn { cluster, announce: announce.clone() },
            PeerMessage::Joiner(announce.clone()),
            PeerMessage::AskVote(author),
            PeerMessage::Vote { subject: author, statement: Some(vouch.clone()) },
            // In the name of another.
            PeerMessage::AskIn { cluster, announce: vouch },
        ] {
            sim.handle(0, Input::Peer { from: author, bytes: message.encode(), stranger: true });
        }
    }
    let waiting = |sim: &mut Sim| sim.validators(0).iter().filter(|view| view.waiting).count();
    assert_eq!(waiting(&mut sim), MAX_JOINERS_OF_ONE);
    assert_eq!(sim.machines[0].writes, before, "nothing of it is written");
    // A member brings as many of its own, and no more.
    for i in 0..100_u8 {
        let stranger = Identity::from_seed(&[[i + 1, 7].repeat(16).try_into().unwrap()][0]);
        let says = Says::Announce { addresses: Vec::new(), name: "x".to_owned(), version: String::new() };
        let announce = Statement { cluster, author: stranger.node_id(), sequence: 1, says }.sign(&stranger);
        sim.transmit(1, 0, PeerMessage::Joiner(announce).encode());
    }
    sim.pass(1_000);
    assert_eq!(waiting(&mut sim), 2 * MAX_JOINERS_OF_ONE);
    sim.pass(JOINER_KEPT_MS);
    assert_eq!(waiting(&mut sim), 0);
}

#[test]
fn a_majority_of_founders_lets_in_and_out() {
    let mut sim = Sim::founders(203, 3);
    let joiner = sim.add_asker(0);
    sim.until("all founders know", |sim| {
        (0..3).all(|i| sim.seen(i, joiner).is_some_and(|view| view.waiting))
    });
    let view = sim.decide(1, Act::Vouch, joiner).unwrap();
    assert_eq!((view.member, view.vouches), (false, 1));
    sim.pass(30_000);
    assert!(!sim.is_member(0, joiner) && !sim.is_member(joiner, joiner));
    // The same again is no second vote.
    assert!(!sim.decide(1, Act::Vouch, joiner).unwrap().member);
    assert!(sim.decide(2, Act::Vouch, joiner).unwrap().member);
    sim.until("it is in", |sim| (0..4).all(|i| sim.is_member(i, joiner)));
    sim.decide(2, Act::Revoke, joiner).unwrap();
    sim.until("it is out", |sim| (0..4).all(|i| !sim.is_member(i, joiner)));
    sim.decide(0, Act::Vouch, joiner).unwrap();
    sim.until("it is in again", |sim| (0..4).all(|i| sim.is_member(i, joiner)));
    assert_eq!(sim.decide(0, Act::Revoke, 1), Err(ProblemKind::Malformed), "a founder is one by the charter");
    assert_eq!(sim.decide(3, Act::Revoke, 1), Err(ProblemKind::Forbidden));
    // An invitation of one founder is one vouch.
    let invitation = sim.invite(1);
    let invited = sim.add_joiner(&invitation);
    sim.until("one vouches", |sim| sim.seen(0, invited).is_some_and(|view| view.vouches == 1));
    sim.pass(30_000);
    assert!(!sim.is_member(invited, invited));
    sim.decide(0, Act::Vouch, invited).unwrap();
    sim.until("it is in", |sim| (0..5).all(|i| sim.is_member(i, invited)));
}

/// The founder's disk is set back to before a revocation. Its next vote must not fall behind that one.
#[test]
fn a_founder_asks_for_its_own_highest_number() {
    let mut sim = Sim::cluster(204, 3, Weather::default());
    let old = sim.machines[0].store.clone();
    for act in [Act::Revoke, Act::Vouch, Act::Revoke] {
        sim.decide(0, act, 2).unwrap();
    }
    sim.until("all have heard", |sim| (0..3).all(|i| !sim.is_member(i, 2)));
    sim.crash(0);
    sim.machines[0].store = old;
    // What would heal it comes too late.
    let rosters = |_: usize, to: usize, message: PeerMessage| match message {
        PeerMessage::Roster { .. } if to == 0 => Vec::new(),
        other => vec![other.encode()],
    };
    sim.tamper = Some(Box::new(rosters));
    sim.boot(0);
    sim.until("they are connected", |sim| sim.sees(0, 1) && sim.sees(0, 2));
    assert!(sim.is_member(0, 2), "it does not know");
    sim.decide(0, Act::Revoke, 2).unwrap();
    assert!(!sim.is_member(0, 2));
    assert!(sim.decide(0, Act::Vouch, 2).unwrap().member);
    sim.until("the new vote counts everywhere", |sim| (0..3).all(|i| sim.is_member(i, 2)));
    assert!(sim.machines[0].log.iter().any(|line| line.contains("its store is an older one")));
}

/// A peer that does not answer delays a vote, and does not stop it.
#[test]
fn silent_peers_do_not_stop_a_vote() {
    let mut sim = Sim::cluster(205, 3, Weather::default());
    let silent = |from: usize, _: usize, message: PeerMessage| match message {
        PeerMessage::Vote { .. } if from == 1 => Vec::new(),
        other => vec![other.encode()],
    };
    sim.tamper = Some(Box::new(silent));
    assert!(!sim.decide(0, Act::Revoke, 2).unwrap().member);
    sim.until("it is out", |sim| !sim.is_member(1, 2));
}

/// An invitation that is shown while another vote about its bearer is under way is not lost.
#[test]
fn an_invitation_waits_for_another_vote() {
    let mut sim = Sim::cluster(209, 2, Weather::default());
    let silent = |from: usize, _: usize, message: PeerMessage| match message {
        PeerMessage::Vote { .. } if from == 1 => Vec::new(),
        other => vec![other.encode()],
    };
    sim.tamper = Some(Box::new(silent));
    let invitation = sim.invite(0);
    let joiner = sim.add_joiner(&invitation);
    assert!(!sim.decide(0, Act::Revoke, joiner).unwrap().member);
    sim.until("it is in all the same", |sim| sim.is_member(joiner, joiner));
}

#[test]
fn who_is_revoked_is_the_last_choice() {
    let mut sim = Sim::cluster(206, 4, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    sim.until("all have it", |sim| {
        (0..3).all(|i| sim.keys(i).iter().any(|k| k.state == api::KeyState::Active))
    });
    sim.decide(0, Act::Revoke, 1).unwrap();
    sim.until("all know", |sim| (0..4).all(|i| !sim.is_member(i, 1)));
    // It proposes nothing, and gets no share of a new key.
    assert_eq!(sim.sign(1, key.id, b"mine").unwrap_err().kind, ProblemKind::NotJoined);
    let request = sim.create_key(2, &[0, 1, 3]);
    assert_eq!(sim.start(0, request).unwrap_err().kind, ProblemKind::UnknownValidator);
    // The nearest one is taken only when there is nobody else.
    for (near, ms) in [(1, 1), (2, 900)] {
        sim.handle(0, Input::Latency(sim.id(near), ms));
    }
    let signature = sim.sign(0, key.id, b"without it").unwrap();
    assert_eq!(signers(&signature), [1, 3]);
    sim.crash(2);
    let signature = sim.sign_patiently(0, key.id, b"with it");
    verify(&key, &signature, b"with it");
    assert_eq!(signers(&signature), [1, 2]);
    // The key is moved away from it, with its help.
    let terms =
        api::ReshareTerms { epoch: key.epoch, threshold: 2, committee: vec![sim.api_id(0), sim.api_id(3)] };
    let id = sim.start(0, api::Request::Reshare(api::Reshare { key: key.id, terms })).unwrap();
    sim.finish(0, id).unwrap();
    let signature = sim.sign_patiently(3, key.id, b"moved");
    verify(&key, &signature, b"moved");
    assert_eq!(signers(&signature).len(), 2);
}

#[test]
fn a_blocked_validator_does_nothing_here() {
    let mut sim = Sim::cluster(207, 3, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    sim.until("all have it", |sim| {
        (0..3).all(|i| sim.keys(i).iter().any(|k| k.state == api::KeyState::Active))
    });
    assert!(sim.decide(0, Act::Block, 1).unwrap().blocked);
    assert_eq!(sim.decide(0, Act::Block, 0), Err(ProblemKind::Malformed));
    sim.crash(0);
    sim.boot(0);
    sim.until("they are connected", |sim| sim.sees(0, 2) && sim.sees(1, 2));
    assert!(sim.seen(0, 1).unwrap().blocked && !sim.seen(2, 1).unwrap().blocked);
    let signature = sim.sign_patiently(0, key.id, b"without it");
    assert_eq!(signers(&signature), [1, 3]);
    let request = sim.create_key(2, &[0, 1]);
    assert_eq!(sim.start(0, request).unwrap_err().kind, ProblemKind::Forbidden);
    // Others still work with it, and not with this node together with it.
    let signature = sim.sign_patiently(1, key.id, b"beside");
    assert_eq!(signers(&signature), [2, 3]);
    let request = sim.create_key(2, &[0, 1, 2]);
    assert!(sim.start(2, request).and_then(|id| sim.finish(2, id)).is_err());
    sim.crash(2);
    assert_eq!(sim.sign(0, key.id, b"nobody left").unwrap_err().kind, ProblemKind::TooFewSigners);
    sim.decide(0, Act::Unblock, 1).unwrap();
    let signature = sim.sign_patiently(0, key.id, b"again");
    assert_eq!(signers(&signature), [1, 2]);
}

#[test]
fn forgiveness_lasts_until_the_next_lie() {
    let mut sim = Sim::cluster(208, 3, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    sim.until("all have it", |sim| {
        (0..3).all(|i| sim.keys(i).iter().any(|k| k.state == api::KeyState::Active))
    });
    assert_eq!(sim.decide(0, Act::Forgive, 1), Err(ProblemKind::UnknownEvidence));
    sim.machines[1].node.as_mut().unwrap().misbehave(Misbehaviour::WrongDelta);
    assert_eq!(signers(&sim.sign(0, key.id, b"with a cheat").unwrap()), [1, 3]);
    sim.until("both convict it", |sim| [0, 2].iter().all(|i| sim.seen(*i, 1).unwrap().convicted));
    // Mended by a restart; without forgiveness it is not asked.
    sim.crash(1);
    sim.boot(1);
    sim.crash(2);
    sim.until("it is back", |sim| sim.sees(0, 1));
    assert_eq!(sim.sign(0, key.id, b"not asked").unwrap_err().kind, ProblemKind::PeerCheated);
    sim.pass(60_000);
    let view = sim.decide(0, Act::Forgive, 1).unwrap();
    assert!(!view.convicted && view.forgiven == Some(sim.unix()) && !view.evidence.is_empty(), "{view:?}");
    assert_eq!(signers(&sim.sign_patiently(0, key.id, b"forgiven")), [1, 2]);
    // Also after a restart, and when others tell of it again.
    sim.crash(0);
    sim.boot(0);
    sim.boot(2);
    sim.until("all are connected", |sim| sim.sees(0, 1) && sim.sees(0, 2));
    sim.pass(60_000);
    let view = sim.seen(0, 1).unwrap();
    assert!(!view.convicted && view.forgiven.is_some(), "{view:?}");
    assert!(sim.seen(2, 1).unwrap().convicted, "everybody forgives alone");
    sim.crash(2);
    assert_eq!(signers(&sim.sign_patiently(0, key.id, b"still")), [1, 2]);
    // A new lie is a new matter.
    sim.boot(2);
    sim.until("all are connected", |sim| sim.sees(0, 2));
    sim.machines[1].node.as_mut().unwrap().misbehave(Misbehaviour::WrongDelta);
    for (near, ms) in [(1, 1), (2, 900)] {
        sim.handle(0, Input::Latency(sim.id(near), ms));
    }
    assert_eq!(signers(&sim.sign(0, key.id, b"again").unwrap()), [1, 3]);
    assert!(sim.seen(0, 1).unwrap().convicted);
}
