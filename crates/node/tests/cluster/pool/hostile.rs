//! Lies, double use, other people's presignatures: nobody signs twice with one, and nobody but the liar is blamed.

use std::cell::RefCell;
use std::rc::Rc;

use consign_api as api;
use consign_cggmp24::curve::{Scalar, Secp256k1};
use consign_cggmp24::presign::ROUND_1;
use consign_cggmp24::sign::{Partial, PresignaturePublic};
use consign_node::core::hash::Hash;
use consign_node::core::presigning::MAX_PRESIGNING_OF_ONE;
use consign_node::core::proposal::{Kind, Proposal};
use consign_node::core::requests::{RawRequest, Wanted};
use consign_node::core::verdict::{Known, NotProven};
use consign_node::core::wire::{EvidenceFile, Inputs, PeerMessage};
use consign_node::store::Table;
use consign_rounds::{decode, encode};

use super::with_pool;
use crate::alerts::round;
use crate::convictions::{all_convict, evidence_of};
use crate::examined::{answer, record, refuses};
use crate::forge::{change_broadcast, spoil_direct};
use crate::hostile::{Tape, sign_request, with_key};
use crate::sim::{Sim, Weather};

/// The last proposal of this kind that a node has sent.
pub(super) fn proposed(tape: &Tape, by: usize, kind: Kind) -> Option<Proposal> {
    tape.borrow().iter().rev().find_map(|(from, _, message)| match message {
        PeerMessage::Propose(proposal) if *from == by && proposal.kind == kind => Some((**proposal).clone()),
        _ => None,
    })
}

/// The same proposal for another message.
pub(super) fn for_message(sim: &Sim, model: &Proposal, message: &[u8]) -> Proposal {
    let (_, wanted) = RawRequest::parse(&model.request).unwrap();
    let Wanted::Signature(sign) = wanted else { panic!("a signature is wanted") };
    let target = api::SignTarget::Message { bytes: message.to_vec(), hash: api::HashName::Sha256 };
    let digest = Some(target.digest());
    let request = RawRequest::new(&Wanted::Signature(api::Sign { target, ..sign }), sim.unix(), [9; 16]);
    Proposal { request: request.encode(), digest, salt: [9; 16], ..model.clone() }
}

/// A signature by node 1 from its own presignature, and the proposal for it.
pub(super) fn model(seed: u64, count: u32) -> (Sim, api::KeyView, Proposal) {
    let (mut sim, key) = with_pool(seed, count);
    let tape = record(&mut sim);
    assert!(sim.signs(1, &key, b"once").presigned);
    let model = proposed(&tape, 1, Kind::Online).unwrap();
    (sim, key, model)
}

/// Two messages with one presignature would show the key: the second is refused, after the first is signed.
#[test]
fn one_presignature_signs_one_message() {
    let (mut sim, key, model) = model(300, 4);
    let again = for_message(&sim, &model, b"twice");
    refuses(&mut sim, &again, "no such presignature");
    // The same message again does not run either.
    let same = Proposal { salt: [8; 16], ..model.clone() };
    refuses(&mut sim, &same, "already done");
    // One nobody ever had.
    let made_up = Proposal { base: Some(Hash([5; 32])), ..again };
    refuses(&mut sim, &made_up, "no such presignature");
    assert_eq!(sim.levels(&key), [3, 3, 0]);
}

/// A hijacked owner proposes two messages with one presignature at the same time: one is accepted.
#[test]
fn two_messages_at_once_are_one_too_many() {
    let (mut sim, key) = with_pool(310, 4);
    let answers: Rc<RefCell<(Vec<Hash>, Vec<Hash>)>> = Rc::default();
    let heard = Rc::clone(&answers);
    let unix = sim.unix();
    sim.tamper = Some(Box::new(move |from, to, message| match message {
        PeerMessage::Propose(proposal) if (from, to) == (1, 0) => {
            let (_, wanted) = RawRequest::parse(&proposal.request).unwrap();
            let Wanted::Signature(sign) = wanted else { panic!("a signature is wanted") };
            let target = api::SignTarget::Message { bytes: b"two".to_vec(), hash: api::HashName::Sha256 };
            let digest = Some(target.digest());
            let request = RawRequest::new(&Wanted::Signature(api::Sign { target, ..sign }), unix, [9; 16]);
            let second = Proposal { request: request.encode(), digest, ..(*proposal).clone() };
            assert_eq!(second.base, proposal.base);
            [*proposal, second].map(|p| PeerMessage::Propose(Box::new(p)).encode()).to_vec()
        }
        PeerMessage::Accept(accept) if from == 0 => {
            heard.borrow_mut().0.push(accept.proposal);
            vec![PeerMessage::Accept(accept).encode()]
        }
        PeerMessage::Refuse(refusal) if from == 0 => {
            assert!(refusal.reason.contains("no such presignature"), "{}", refusal.reason);
            heard.borrow_mut().1.push(refusal.proposal);
            Vec::new()
        }
        other => vec![other.encode()],
    }));
    assert!(sim.signs(1, &key, b"one").presigned);
    sim.pass(1_000);
    let (accepted, refused) = answers.borrow().clone();
    assert_eq!((accepted.len(), refused.len()), (1, 1));
    assert_ne!(accepted, refused);
}

/// Only the owner proposes, and only what the presignature was made for.
#[test]
fn a_proposal_must_fit_the_presignature() {
    let (mut sim, key, model) = model(320, 4);
    // A presignature of node 0: known to node 1 from a request that it passes on, which does not arrive.
    assert!(sim.signs(1, &key, b"the last of its own").presigned);
    let named: Rc<RefCell<Option<Hash>>> = Rc::default();
    let seen = Rc::clone(&named);
    sim.tamper = Some(Box::new(move |_, _, message| match message {
        PeerMessage::Pass { presignature, .. } => {
            *seen.borrow_mut() = Some(presignature);
            Vec::new()
        }
        other => vec![other.encode()],
    }));
    sim.signs(1, &key, b"passed on");
    let theirs = named.take().unwrap();
    let stolen = Proposal { base: Some(theirs), ..for_message(&sim, &model, b"stolen") };
    refuses(&mut sim, &stolen, "belongs to another signer");
    assert_eq!(sim.levels(&key), [2, 1, 0], "nothing is burnt by that here");

    // What does not follow from the request at all.
    type Change = fn(&mut Proposal);
    let changes: [(&str, Change); 6] = [
        ("path", |p| p.path = vec![1]),
        ("aux", |p| p.aux = Some(Hash([1; 32]))),
        ("batch", |p| p.batch = 2),
        ("digest", |p| p.digest = Some([1; 32])),
        ("no presignature", |p| p.base = None),
        ("signers", |p| p.signers = vec![1, 3]),
    ];
    for (what, change) in changes {
        let mut proposal = for_message(&sim, &model, what.as_bytes());
        change(&mut proposal);
        assert!(answer(&mut sim, &proposal).is_some(), "{what}");
    }
    // A raw digest, chosen by somebody who knows the nonce already, forges.
    let (_, wanted) = RawRequest::parse(&model.request).unwrap();
    let Wanted::Signature(sign) = wanted else { panic!("a signature is wanted") };
    for (target, path) in [
        (api::SignTarget::Digest([3; 32]), "m"),
        (api::SignTarget::Message { bytes: b"x".to_vec(), hash: api::HashName::Sha256 }, "m/1"),
    ] {
        let digest = Some(target.digest());
        let sign = api::Sign { target, path: path.parse().unwrap(), ..sign.clone() };
        let request = RawRequest::new(&Wanted::Signature(sign), sim.unix(), [7; 16]).encode();
        let raw = Proposal { request, digest, ..model.clone() };
        refuses(&mut sim, &raw, "signs only messages");
    }
    assert_eq!(sim.levels(&key), [2, 1, 0]);
}

/// In the one round node 1 says a wrong share: all convict it and nobody else, drop what they made with it, and sign.
#[test]
fn a_wrong_partial_signature_convicts() {
    let mut sim = Sim::cluster(330, 4, Weather::default());
    let key = sim.new_key(0, 3, &[0, 1, 2, 3]);
    sim.agree(&[0, 1, 2, 3], &key);
    sim.presign(0, &key, 3, &[0, 1, 2]).unwrap();
    sim.presign(0, &key, 3, &[0, 2, 3]).unwrap();
    let liar = std::sync::Arc::clone(&sim.machines[1].identity);
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    sim.tamper = Some(Box::new(move |from, _, message| match message {
        PeerMessage::Round { ceremony, envelope } if from == 1 => {
            let envelope = change_broadcast(&envelope, &liar, cluster, |broadcast| {
                let mut said: Partial<Secp256k1> = decode(broadcast, broadcast.len()).unwrap();
                said.sigma = said.sigma + Scalar::one();
                *broadcast = encode(&said);
            });
            vec![PeerMessage::Round { ceremony, envelope }.encode()]
        }
        other => vec![other.encode()],
    }));
    let id = sim.start(0, sign_request(&key, b"in spite of it")).unwrap();
    let Ok(api::Outcome::Signature(signature)) = sim.finish(0, id) else { panic!("no signature") };
    crate::client::verify(&key, &signature, b"in spite of it");
    // The request went on with the other batch.
    assert!(signature.presigned);
    assert_eq!(signature.signers.iter().map(|m| m.index).collect::<Vec<_>>(), [1, 3, 4]);
    let bytes = all_convict(&mut sim, &[0, 2, 3], Kind::Online);
    assert_eq!(sim.levels(&key)[0], 2);
    assert_eq!((sim.levels(&key)[2], sim.levels(&key)[3]), (2, 2));

    // The file proves nothing with another presignature, and nothing about another signer.
    let file = EvidenceFile::from_file(&bytes).unwrap();
    let judged = |file: &EvidenceFile| file.judge(&Known::default()).map(|verdict| verdict.culprit);
    assert_eq!(judged(&file), Ok(sim.id(1)));
    let other = EvidenceFile { accused: sim.id(0), ..file.clone() };
    assert_eq!(judged(&other), Err(NotProven::OtherCulprit(sim.id(0))));
    type Change = fn(&mut PresignaturePublic<Secp256k1>);
    let changes: [Change; 5] = [
        |p| p.epoch += 1,
        |p| p.key_id[0] ^= 1,
        |p| p.slot_session[0] ^= 1,
        |p| p.Gamma = p.public_key,
        |p| p.shares.values_mut().for_each(|share| std::mem::swap(&mut share.Delta, &mut share.S)),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut altered = file.clone();
        let inputs = altered.inputs.as_mut().unwrap();
        let mut public = decode(inputs.aux.as_ref().unwrap(), 1 << 20).unwrap();
        change(&mut public);
        inputs.aux = Some(encode(&public));
        assert!(matches!(judged(&altered), Err(NotProven::Inputs(_))), "{number}");
        // Nor if the proposal names it: nobody has accepted that.
        altered.proposal.base = Some(Hash(public.id()));
        assert!(matches!(judged(&altered), Err(NotProven::Accepts(_))), "{number}");
    }
    let stripped = file.inputs.clone().map(|inputs| Inputs { aux: None, ..inputs });
    for inputs in [None, stripped] {
        let altered = EvidenceFile { inputs, ..file.clone() };
        assert!(matches!(judged(&altered), Err(NotProven::Inputs(_))));
    }
}

/// A bad proof about one slot of a batch: none of the batch is kept, and the liar is convicted.
#[test]
fn a_batch_comes_to_nothing_as_a_whole() {
    let (mut sim, key) = with_pool(340, 2);
    sim.presign(0, &key, 2, &[0, 2]).unwrap();
    let liar = std::sync::Arc::clone(&sim.machines[1].identity);
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    sim.tamper = Some(Box::new(move |from, _, message| match message {
        PeerMessage::Round { ceremony, envelope } if from == 1 && round(&envelope) == ROUND_1 => {
            let envelope = spoil_direct(&envelope, &liar, cluster);
            vec![PeerMessage::Round { ceremony, envelope }.encode()]
        }
        other => vec![other.encode()],
    }));
    let problem = sim.presign(0, &key, 4, &[0, 1]).unwrap_err();
    assert_eq!(problem.kind, api::ProblemKind::PeerCheated, "{problem}");
    all_convict(&mut sim, &[0, 2], Kind::Presign);
    let evidence = evidence_of(&mut sim, 0);
    let about = |e: &api::EvidenceView| e.phase == api::Phase::Presign && e.charge.contains("slot 3");
    assert!(evidence.iter().all(about), "{evidence:?}");
    // What was made with it before is gone too; what was made with others is not.
    assert_eq!((sim.level(0, &key), sim.level(2, &key)), (2, 2));
    assert!(sim.signs(0, &key, b"without the liar").presigned);
}

/// A member proposes batch after batch and starts none: it takes its share of the room and no more.
#[test]
fn one_proposer_does_not_keep_others_from_presigning() {
    let (mut sim, key) = with_key(350);
    let tape = record(&mut sim);
    sim.presign(1, &key, 1, &[0, 1]).unwrap();
    let model = proposed(&tape, 1, Kind::Presign).unwrap();
    let (raw, _) = RawRequest::parse(&model.request).unwrap();
    let mut accepted = 0;
    for nonce in 0..8 {
        let request = RawRequest { nonce: [nonce; 16], created: sim.unix(), ..raw.clone() }.encode();
        let proposal = Proposal { request, ..model.clone() };
        accepted += usize::from(answer(&mut sim, &proposal).is_none());
    }
    assert_eq!(accepted, MAX_PRESIGNING_OF_ONE);
    sim.tamper = None;
    sim.presign(0, &key, 2, &[0, 2]).unwrap();
    assert_eq!(sim.level(0, &key), 3);
}

/// A presignature, and the request for it.
type Passed = (Hash, Vec<u8>);

/// What is passed on serves who may sign with it, and only for what is asked.
#[test]
fn only_signers_pass_requests_on() {
    let (mut sim, key) = with_pool(360, 3);
    let tape = record(&mut sim);
    sim.signs(0, &key, b"of node 0");
    let spent = proposed(&tape, 0, Kind::Online).unwrap();
    let passed: Rc<RefCell<Option<Passed>>> = Rc::default();
    let seen = Rc::clone(&passed);
    sim.signs(1, &key, b"the last of its own");
    sim.tamper = Some(Box::new(move |_, _, message| match message {
        PeerMessage::Pass { presignature, request } => {
            *seen.borrow_mut() = Some((presignature, request));
            Vec::new()
        }
        other => vec![other.encode()],
    }));
    sim.signs(1, &key, b"passed on in vain");
    let (presignature, request) = passed.take().unwrap();
    let tape = record(&mut sim);
    let before = sim.records(0, Table::Requests);
    let spent = spent.base.unwrap();
    for (from, presignature, request) in [
        (2, presignature, request.clone()),
        (1, spent, request.clone()),
        (1, Hash([1; 32]), request.clone()),
        (1, presignature, b"no request".to_vec()),
    ] {
        sim.transmit(from, 0, PeerMessage::Pass { presignature, request }.encode());
    }
    sim.pass(2_000);
    assert!(proposed(&tape, 0, Kind::Online).is_none());
    assert_eq!((sim.records(0, Table::Requests), sim.levels(&key)), (before, vec![1, 0, 0]));
    // It has signed that with node 2 meanwhile, so it refuses: the presignature is burnt, and nothing is signed.
    sim.transmit(1, 0, PeerMessage::Pass { presignature, request }.encode());
    sim.pass(2_000);
    assert!(proposed(&tape, 0, Kind::Online).is_some());
    assert_eq!(sim.level(0, &key), 0);
}
