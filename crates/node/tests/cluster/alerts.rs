//! A wrong share of a sum: the proof who lied takes long, and everybody waits for it.

use std::cell::RefCell;
use std::rc::Rc;

use consign_cggmp24::curve::{Scalar, Secp256k1};
use consign_cggmp24::presign::{self, ROUND_3, ROUND_LAST};
use consign_cggmp24::sign::interactive::Broadcast;
use consign_node::core::wire::PeerMessage;
use consign_node::store::Table;
use consign_rounds::{Message, decode, encode};

use crate::client::verify;
use crate::hostile::with_key;

/// Longer than a signing may take, and far shorter than an alert.
const SLOW_MS: u64 = 60_000;

/// Messages that are held back, each with the node it is for.
type Held = Rc<RefCell<Vec<(usize, Vec<u8>)>>>;

/// The round of an envelope; a reveal comes after all of them.
pub(crate) fn round(envelope: &[u8]) -> u8 {
    match Message::decode(envelope, envelope.len()).unwrap() {
        Message::Envelope(envelope) => envelope.signed.header.round,
        Message::Reveal(_) => ROUND_LAST,
    }
}

/// Adds one to `delta` in the broadcast of the third round.
fn lie(broadcast: &mut Vec<u8>) {
    let said: Broadcast<Secp256k1> = decode(broadcast, broadcast.len()).unwrap();
    let Broadcast::Presign(presign::Broadcast::Round3(mut slots)) = said else { panic!("another round") };
    slots[0].delta = slots[0].delta + Scalar::one();
    *broadcast = encode(&Broadcast::Presign(presign::Broadcast::Round3(slots)));
}

/// Node 1 lies about `delta`. What it has to say then comes after the deadline of a signing, as from a slow machine:
/// it is convicted, not called silent.
#[test]
fn a_liar_is_convicted_however_slow() {
    let (mut sim, key) = with_key(51);
    let liar = std::sync::Arc::clone(&sim.machines[1].identity);
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let held: Held = Rc::default();
    let late = Rc::clone(&held);
    sim.tamper = Some(Box::new(move |from, to, message| match message {
        PeerMessage::Round { ceremony, envelope } if from == 1 => match round(&envelope) {
            ROUND_3 => {
                let envelope = crate::forge::change_broadcast(&envelope, &liar, cluster, lie);
                vec![PeerMessage::Round { ceremony, envelope }.encode()]
            }
            ROUND_LAST => {
                late.borrow_mut().push((to, PeerMessage::Round { ceremony, envelope }.encode()));
                Vec::new()
            }
            _ => vec![PeerMessage::Round { ceremony, envelope }.encode()],
        },
        other => vec![other.encode()],
    }));
    let id = sim.start(0, crate::hostile::sign_request(&key, b"in spite of a liar")).unwrap();
    let waiting = Rc::clone(&held);
    sim.until("the liar has spoken", move |_| !waiting.borrow().is_empty());
    sim.pass(SLOW_MS);
    sim.tamper = None;
    for (to, bytes) in held.take() {
        sim.transmit(1, to, bytes);
    }
    let Ok(consign_api::Outcome::Signature(signature)) = sim.finish(0, id) else { panic!("no signature") };
    verify(&key, &signature, b"in spite of a liar");
    let signers: Vec<_> = signature.signers.iter().map(|m| m.validator).collect();
    assert_eq!(signers, [sim.api_id(0), sim.api_id(2)]);
    assert_eq!(sim.records(0, Table::Evidence), 1);
}
