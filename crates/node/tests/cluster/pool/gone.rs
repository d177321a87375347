//! What is gone stays gone, and what is signed is not lost.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use consign_api as api;
use consign_node::core::proposal::{Kind, Proposal};
use consign_node::core::wire::PeerMessage;
use consign_rounds::{Message, PartyIndex, Reveal, Signature, Signer};

use super::hostile::{for_message, model};
use super::with_pool;
use crate::alerts::round;
use crate::client::verify;
use crate::convictions::all_convict;
use crate::examined::{answer, refuses};
use crate::forge::Forger;
use crate::hostile::{sign_request, with_key};
use crate::sim::{Sim, Weather};

/// An accept uses a presignature up, whatever becomes of the proposal.
#[test]
fn an_accept_that_leads_to_nothing_burns_it() {
    for told in [false, true] {
        let (mut sim, key, model) = model(400, 6);
        // Node 1 names one of its own, and nobody hears of it.
        let named: Rc<RefCell<Option<Proposal>>> = Rc::default();
        let seen = Rc::clone(&named);
        sim.tamper = Some(Box::new(move |_, _, message| match message {
            PeerMessage::Propose(proposal) if proposal.kind == Kind::Online => {
                seen.borrow_mut().get_or_insert(*proposal);
                Vec::new()
            }
            other => vec![other.encode()],
        }));
        sim.start(1, sign_request(&key, b"not heard of")).unwrap();
        let base = named.borrow_mut().take().unwrap().base;
        let accepted = Proposal { base, ..for_message(&sim, &model, b"never started") };
        assert_eq!(answer(&mut sim, &accepted), None);
        assert_eq!(sim.level(0, &key), 4);
        if told {
            sim.transmit(1, 0, PeerMessage::Lost { ceremony: accepted.hash() }.encode());
            sim.pass(1_000);
        } else {
            sim.pass(40_000);
        }
        assert_eq!(sim.level(0, &key), 4);
        let again = Proposal { base, ..for_message(&sim, &model, b"another message") };
        refuses(&mut sim, &again, "no such presignature");
    }
}

/// The co-signer says its part, and then something that convicts it, before the signature is durable.
#[test]
fn a_conviction_does_not_throw_a_signature_away() {
    let (mut sim, key) = with_pool(410, 4);
    let liar = Arc::clone(&sim.machines[1].identity);
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let start: Rc<RefCell<Vec<u8>>> = Rc::default();
    sim.tamper = Some(Box::new(move |from, to, message| match &message {
        // All of it waits for the start, and comes to the session in one piece.
        PeerMessage::Start { .. } if (from, to) == (1, 0) => {
            *start.borrow_mut() = message.encode();
            Vec::new()
        }
        PeerMessage::Round { ceremony, envelope } if (from, to) == (1, 0) => {
            let Ok(Message::Envelope(said)) = Message::decode(envelope, envelope.len()) else {
                return vec![message.encode()];
            };
            let mut reveal = Reveal {
                session: said.signed.header.session,
                from: PartyIndex::new(2).unwrap(),
                completed: 200,
                headers: Vec::new(),
                signature: Signature([0; 64]),
            };
            reveal.signature = Forger(&liar, cluster).sign(&reveal.signing_bytes());
            let envelope = Message::Reveal(reveal).encode();
            let bad = PeerMessage::Round { ceremony: *ceremony, envelope };
            vec![message.encode(), bad.encode(), start.borrow().clone()]
        }
        _ => vec![message.encode()],
    }));
    let id = sim.start(1, sign_request(&key, b"signed")).unwrap();
    sim.until("node 0 has ended it", move |sim| sim.view(0, id).is_some_and(|view| view.state.is_over()));
    let view = sim.view(0, id).unwrap();
    let Some(api::Outcome::Signature(signature)) = view.outcome else { panic!("{:?}", view.failure) };
    verify(&key, &signature, b"signed");
    assert!(signature.presigned);
    all_convict(&mut sim, &[0, 2], Kind::Online);
}

/// A signer keeps its part from the proposer alone: whoever has the signature shows it when it is asked again.
#[test]
fn who_has_the_signature_shows_it() {
    let mut sim = Sim::cluster(420, 4, Weather::default());
    let key = sim.new_key(0, 3, &[0, 1, 2, 3]);
    sim.agree(&[0, 1, 2, 3], &key);
    sim.presign(0, &key, 3, &[0, 1, 2]).unwrap();
    sim.tamper = Some(Box::new(|from, to, message| match message {
        PeerMessage::Round { .. } if (from, to) == (1, 0) => Vec::new(),
        other => vec![other.encode()],
    }));
    let id = sim.start(0, sign_request(&key, b"kept back")).unwrap();
    let outcome = sim.finish(0, id);
    let Ok(api::Outcome::Signature(signature)) = outcome else { panic!("{outcome:?}") };
    verify(&key, &signature, b"kept back");
    let theirs = sim.view(2, id).unwrap().outcome;
    let Some(api::Outcome::Signature(theirs)) = theirs else { panic!("{theirs:?}") };
    assert_eq!((&signature.r, &signature.s), (&theirs.r, &theirs.s), "it is the same one");
}

/// The last message of a batch comes after its sender has restarted.
#[test]
fn a_batch_with_a_process_that_has_ended_is_not_kept() {
    let (mut sim, key) = with_key(430);
    let held: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
    let kept = Rc::clone(&held);
    sim.tamper = Some(Box::new(move |from, to, message| match &message {
        PeerMessage::Round { envelope, .. } if (from, to) == (1, 0) && round(envelope) == 5 => {
            kept.borrow_mut().push(message.encode());
            Vec::new()
        }
        PeerMessage::Lost { .. } => Vec::new(),
        _ => vec![message.encode()],
    }));
    let request = sim.presign_request(&key, 2, &[0, 1]);
    sim.start(0, request).unwrap();
    let seen = Rc::clone(&held);
    sim.until("the last message is said", move |_| !seen.borrow().is_empty());
    sim.crash(1);
    sim.boot(1);
    sim.until("it is back", |sim| sim.sees(0, 1) && sim.sees(1, 0));
    sim.pass(500);
    for bytes in held.take() {
        sim.transmit(1, 0, bytes);
    }
    sim.pass(2_000);
    assert_eq!(sim.level(0, &key), 0);
}
