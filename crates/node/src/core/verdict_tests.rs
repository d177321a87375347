//! The file's layout, byte by byte as `docs/spec/evidence.md` has it (10.1, 10.4).

use super::*;
use crate::core::proposal::{Accept, Participant};
use crate::core::wire::Certificate;
use crate::identity::{Identity, Signature};

fn id(i: u8) -> NodeId {
    Identity::from_seed(&[i; 32]).node_id()
}

fn proposal() -> Proposal {
    Proposal {
        cluster: ClusterId::from_bytes([1; 32]),
        kind: Kind::Sign,
        version: 1,
        level: 128,
        curve: "secp256k1".to_owned(),
        threshold: 2,
        participants: vec![Participant { index: 1, id: id(1) }, Participant { index: 300, id: id(2) }],
        key: Some(Hash([2; 32])),
        base: None,
        epoch: 5,
        aux: Some(Hash([3; 32])),
        signers: vec![1, 300],
        path: vec![0, 200],
        digest: Some([4; 32]),
        batch: 1,
        request: b"request".to_vec(),
        deadline_ms: 30_000,
        proposer: id(1),
        salt: [5; 16],
    }
}

fn accept() -> Accept {
    let signature = Signature::from_bytes([8; 64]);
    Accept { proposal: Hash([6; 32]), index: 300, r: [7; 32], signature }
}

/// What the specification says, put together by hand.
fn proposal_bytes() -> Vec<u8> {
    [
        &[1; 32][..], // cluster
        &[2],         // kind: sign
        &[1],         // version
        &[0x80, 1],   // level: 128
        &[9],         // curve
        b"secp256k1",
        &[2],    // t
        &[2, 1], // participants
        id(1).as_bytes(),
        &[0xac, 2], // index 300
        id(2).as_bytes(),
        &[1], // key
        &[2; 32],
        &[0], // base
        &[5], // epoch
        &[1], // aux
        &[3; 32],
        &[2, 1, 0xac, 2], // signers
        &[2, 0, 0xc8, 1], // path
        &[1],             // digest
        &[4; 32],
        &[1], // batch
        &[7], // request
        b"request",
        &[0xb0, 0xea, 1], // deadline: 30,000
        id(1).as_bytes(),
        &[5; 16],
    ]
    .concat()
}

fn accept_bytes() -> Vec<u8> {
    [&[6; 32][..], &[0xac, 2], &[7; 32], &[8; 64]].concat()
}

#[test]
fn the_file_is_as_specified() {
    let mut file = EvidenceFile {
        proposal: proposal(),
        accepts: vec![accept()],
        accused: id(2),
        evidence: vec![10, 11],
        inputs: None,
    };
    let head = [
        b"consign evidence 1\n".to_vec(),
        proposal_bytes(),
        vec![1],
        accept_bytes(),
        id(2).as_bytes().to_vec(),
        vec![2, 10, 11],
    ]
    .concat();
    let with = |tail: &[u8]| [&head, tail].concat();
    assert_eq!(file.to_file(), with(&[0]));
    file.inputs = Some(Inputs { key: vec![12], aux: None, certificate: None });
    assert_eq!(file.to_file(), with(&[1, 1, 12, 0, 0]));
    let certificate = Certificate {
        proposal: proposal(),
        accepts: vec![accept()],
        info: vec![13],
        set: vec![14],
        steps: vec![vec![15]],
    };
    file.inputs = Some(Inputs { key: vec![12], aux: Some(vec![16, 17]), certificate: Some(certificate) });
    let certificate = [proposal_bytes(), vec![1], accept_bytes(), vec![1, 13, 1, 14, 1, 1, 15]].concat();
    assert_eq!(file.to_file(), with(&[&[1, 1, 12, 1, 2, 16, 17, 1][..], &certificate].concat()));
    assert_eq!(EvidenceFile::from_file(&file.to_file()), Ok(file));
}

/// The id is over proposal, accused and messages, and over nothing else.
#[test]
fn the_id_is_as_specified() {
    let file = EvidenceFile {
        proposal: proposal(),
        accepts: Vec::new(),
        accused: id(2),
        evidence: vec![10, 11],
        inputs: None,
    };
    let item = |tag: u8, bytes: &[u8]| {
        [&[tag][..], &u64::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    };
    let text = |text: &str| item(1, text.as_bytes());
    let bytes = [
        text("CONSIGN-NODE"),
        item(3, &1_u64.to_be_bytes()),
        text("evidence"),
        text("proposal"),
        item(2, &proposal().hash().0),
        text("accused"),
        item(2, id(2).as_bytes()),
        text("messages"),
        item(2, &[10, 11]),
    ]
    .concat();
    let mut expected = [0; 32];
    use shake::digest::{ExtendableOutput as _, Update as _, XofReader as _};
    let mut hash = shake::Shake256::default();
    hash.update(&bytes);
    hash.finalize_xof().read(&mut expected);
    assert_eq!(file.id(), Hash(expected));
    let attached = EvidenceFile { accepts: vec![accept()], ..file.clone() };
    assert_eq!(attached.id(), file.id());
    let other = EvidenceFile { accused: id(1), ..file.clone() };
    assert_ne!(other.id(), file.id());
}

#[test]
fn lengths_have_one_spelling() {
    let file = EvidenceFile {
        proposal: proposal(),
        accepts: Vec::new(),
        accused: id(2),
        evidence: vec![10, 11],
        inputs: None,
    };
    let good = file.to_file();
    let place = good.len() - 4;
    assert_eq!(good[place..], [2, 10, 11, 0]);
    let longer = [&good[..place], &[0x82, 0], &good[place + 1..]].concat();
    assert_eq!(EvidenceFile::from_file(&longer), Err(NotProven::NotEvidence));
    assert_eq!(EvidenceFile::from_file(&good), Ok(file));
}
