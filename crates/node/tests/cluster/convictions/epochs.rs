//! Evidence about every epoch of a key, and about the sessions that lead from one to the next.

use consign_api as api;
use consign_cggmp24::curve::Secp256k1;
use consign_cggmp24::key::KeyInfo;
use consign_node::core::proposal::Kind;
use consign_node::core::verdict::{Known, NotProven, UsedKey};
use consign_node::core::wire::{Certificate, EvidenceFile};
use consign_rounds::decode;

use super::{all_convict, cheats, fails, mutilate, outsider, sign, signers, spoil};
use crate::client::verify;
use crate::epochs::with_key;
use crate::sim::Sim;

const KEEP: api::Moduli = api::Moduli::Keep;
const RENEW: api::Moduli = api::Moduli::Renew;

/// The key, as the verdict shows it.
fn used(bytes: &[u8]) -> UsedKey {
    outsider(bytes).unwrap().key.unwrap()
}

/// Node 1 cheats in a signing with the key as it is now; it is replaced, and the evidence is about this very epoch, which
/// the file also certifies.
fn caught(sim: &mut Sim, key: &api::KeyView, others: [u16; 2], judges: &[usize]) -> EvidenceFile {
    cheats(sim);
    let (signature, told) = sign(sim, 0, key, b"in a later epoch");
    verify(key, &signature, b"in a later epoch");
    assert_eq!((signers(&signature), told.len()), (others.to_vec(), 1));
    let bytes = all_convict(sim, judges, Kind::Sign);
    let used = used(&bytes);
    assert_eq!((hex::encode(used.public_key), used.epoch), (key.public_key.clone(), key.epoch));
    assert!(used.certified, "the file does not show how the key came to epoch {}", key.epoch);
    EvidenceFile::from_file(&bytes).unwrap()
}

/// The key's first epoch, as its certificate shows it.
fn first_epoch(certificate: &Certificate) -> Vec<u8> {
    let info: KeyInfo<Secp256k1> = decode(&certificate.info, usize::MAX).unwrap();
    assert_eq!(info.epoch, 0);
    certificate.info.clone()
}

/// Twice refreshed, once with the moduli as they were and once with new ones: evidence is about the shares in force.
#[test]
fn a_cheat_after_refreshes_is_convicted() {
    let (mut sim, key) = with_key(140, 3);
    let request = sim.refresh(&key, KEEP);
    let kept = sim.change(0, &key, request);
    sim.agree(&[0, 1, 2], &kept);
    let request = sim.refresh(&kept, RENEW);
    let fresh = sim.change(0, &kept, request);
    sim.agree(&[0, 1, 2], &fresh);
    let file = caught(&mut sim, &fresh, [1, 3], &[0, 2]);
    mutilate(&file.to_file(), 200);

    let with = |alter: &dyn Fn(&mut EvidenceFile)| {
        let mut file = file.clone();
        alter(&mut file);
        file.judge(&Known::default())
    };
    let first = first_epoch(file.inputs.as_ref().unwrap().certificate.as_ref().unwrap());
    let old = |file: &mut EvidenceFile| file.inputs.as_mut().unwrap().key.clone_from(&first);
    assert!(matches!(with(&old), Err(NotProven::Inputs(_))), "shares of another epoch");
    // A certificate that ends before the epoch certifies nothing of it; without one it is evidence all the same.
    let cut = |file: &mut EvidenceFile| {
        file.inputs.as_mut().unwrap().certificate.as_mut().unwrap().steps.clear();
    };
    assert_eq!(with(&cut), Err(NotProven::Certificate));
    let bare = |file: &mut EvidenceFile| file.inputs.as_mut().unwrap().certificate = None;
    assert!(!with(&bare).unwrap().key.unwrap().certified);
}

/// Another committee, the cheat among them; the holder that left is not asked, and the new one judges too.
#[test]
fn a_cheat_after_a_resharing_is_convicted() {
    let (mut sim, key) = with_key(141, 4);
    let request = sim.reshare(&key, 2, &[0, 1, 3]);
    let moved = sim.change(0, &key, request);
    sim.agree(&[0, 1, 2, 3], &moved);
    let index = |which: usize| {
        let id = sim.api_id(which);
        moved.committee.iter().find(|m| m.validator == id).unwrap().index
    };
    let mut others = [index(0), index(3)];
    others.sort_unstable();
    caught(&mut sim, &moved, others, &[0, 3]);
}

/// A bad proof in a refresh: all others convict, the key stays as it was, and the evidence is about the epoch before.
#[test]
fn a_cheat_in_a_refresh_is_convicted() {
    for (seed, moduli) in [(142, KEEP), (143, RENEW)] {
        let (mut sim, key) = with_key(seed, 3);
        spoil(&mut sim, Kind::Refresh, 5, |_| true);
        let request = sim.refresh(&key, moduli);
        fails(&mut sim, request);
        sim.tamper = None;
        let bytes = all_convict(&mut sim, &[0, 2], Kind::Refresh);
        let used = used(&bytes);
        assert_eq!((used.id.0, used.epoch, used.certified), (key.id.0, 0, true));
        assert_eq!(outsider(&bytes).unwrap().aux.is_some(), moduli == KEEP);
        mutilate(&bytes, 200);
        let (signature, _) = sign(&mut sim, 0, &key, b"as before");
        verify(&key, &signature, b"as before");
        assert_eq!(signers(&signature), [1, 3]);
    }
}

/// A dealer that tells one receiver something else, in a resharing to a node that had no share.
#[test]
fn a_cheat_in_a_resharing_is_convicted() {
    let (mut sim, key) = with_key(144, 4);
    spoil(&mut sim, Kind::Reshare, 3, |to| to == 3);
    let request = sim.reshare(&key, 2, &[0, 1, 3]);
    fails(&mut sim, request);
    sim.tamper = None;
    let bytes = all_convict(&mut sim, &[0, 3], Kind::Reshare);
    let used = used(&bytes);
    assert_eq!((used.id.0, used.epoch, used.certified), (key.id.0, 0, true));
    mutilate(&bytes, 200);
}

/// A dealer that gets no share is convicted and replaced, and the one request still moves the key.
#[test]
fn a_dealer_that_cheats_is_replaced() {
    let (mut sim, key) = with_key(145, 4);
    spoil(&mut sim, Kind::Reshare, 3, |_| true);
    let request = sim.reshare(&key, 2, &[0, 2, 3]);
    let moved = sim.change(0, &key, request);
    sim.agree(&[0, 2, 3], &moved);
    all_convict(&mut sim, &[0, 2, 3], Kind::Reshare);
    sim.sign_with(&[0, 2, 3], &moved);
}
