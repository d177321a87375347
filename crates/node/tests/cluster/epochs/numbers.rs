//! The numbers of epochs: what somebody says of them, and how many somebody can use up.

use consign_api as api;
use consign_node::core::hash::Hash;
use consign_node::core::wire::PeerMessage;
use consign_node::store::Table;

use super::{KEEP, round_of, with_key};
use crate::sim::Sim;

fn says_used(sim: &mut Sim, from: usize, to: usize, key: &api::KeyView, epoch: u64) {
    sim.transmit(from, to, PeerMessage::Used { key: Hash(key.id.0), epoch }.encode());
}

/// Holders and those who are to get a share are heard, nobody else.
#[test]
fn strangers_are_not_asked_which_numbers_are_used() {
    for (speaker, epoch) in [(2, 1_001), (3, 1_001), (4, 1)] {
        let (mut sim, key) = with_key(220, 5);
        // There are no moduli for them yet, so that there is time to speak before a number is chosen.
        let request = sim.reshare(&key, 2, &[0, 1, 3]);
        let id = sim.start(0, request).unwrap();
        says_used(&mut sim, speaker, 0, &key, 1_000);
        match sim.finish(0, id) {
            Ok(api::Outcome::Key(moved)) => assert_eq!(moved.epoch, epoch, "node {speaker} spoke"),
            other => panic!("SEED={}: {other:?}", sim.seed),
        }
    }
}

/// A holder says that all numbers are used, deals under the largest one that is believed, and lets it come to nothing:
/// those who have not heard of it accept the next number all the same.
#[test]
fn nobody_uses_up_the_numbers_of_some() {
    let (mut sim, key) = with_key(221, 4);
    let request = sim.reshare(&key, 2, &[0, 2, 3]);
    let id = sim.start(2, request).unwrap();
    says_used(&mut sim, 0, 2, &key, u64::MAX);
    sim.tamper = Some(Box::new(|from, _, message| match &message {
        PeerMessage::Round { envelope, .. } if from == 3 && round_of(envelope) == 6 => Vec::new(),
        PeerMessage::Certificate(_) if from == 3 => Vec::new(),
        _ => vec![message.encode()],
    }));
    sim.until("node 0 has confirmed", |sim| sim.records(0, Table::Keys) == 2);
    sim.finish(2, id).unwrap_err();
    sim.crash(3);
    sim.tamper = None;
    sim.until("its loss is seen", |sim| (0..3).all(|i| !sim.sees(i, 3)));
    let request = sim.refresh(&key, KEEP);
    let fresh = sim.change(1, &key, request);
    assert!(fresh.epoch > 1 << 40, "{}", fresh.epoch);
    sim.agree(&[0, 1, 2], &fresh);
    sim.sign_with(&[0, 1, 2], &fresh);
}
