//! Keys on P-256: their whole life, judged by AWS-LC; who cheats is convicted; and no key is used on another curve.

use consign_api as api;
use consign_api::ProblemKind;
use consign_node::core::misbehave::Misbehaviour;
use consign_node::core::proposal::Kind;
use consign_node::core::verdict::{Known, NotProven};
use consign_node::core::wire::{EvidenceFile, PeerMessage};
use consign_node::store::Table;

use crate::client::verify;
use crate::convictions::all_convict;
use crate::sim::{Sim, Weather};

const P256: api::Curve = api::Curve::P256;

/// Made, signed with in both ways and for a child, by a node without a share too; refreshed, moved, restarted.
#[test]
fn a_p256_key_lives_as_any_other() {
    let mut sim = Sim::cluster(700, 4, Weather::default());
    let key = sim.new_key_on(P256, 0, 2, &[0, 1, 2]);
    sim.agree(&[0, 1, 2], &key);
    assert_eq!((key.curve, &key.ethereum_address, &key.bitcoin_address), (P256, &None, &None));
    sim.sign_with(&[0], &key);
    // Node 3 holds no share: it is shown the key, proposes, and hears the signature in a report.
    let signature = sim.sign_at(3, key.id, "m/0/5".parse().unwrap(), b"child").unwrap();
    assert_ne!(signature.public_key, key.public_key);
    verify(&key, &signature, b"child");

    sim.presign(0, &key, 2, &[0, 1]).unwrap();
    let signature = sim.sign(0, key.id, b"from the pool").unwrap();
    assert!(signature.presigned);
    verify(&key, &signature, b"from the pool");

    let request = sim.refresh(&key, api::Moduli::Keep);
    let fresh = sim.change(1, &key, request);
    sim.agree(&[0, 1, 2], &fresh);
    let request = sim.reshare(&fresh, 2, &[2, 3]);
    let moved = sim.change(0, &fresh, request);
    sim.agree(&[0, 1, 2, 3], &moved);
    for i in 0..4 {
        sim.crash(i);
        sim.boot(i);
    }
    sim.until("all are back", |sim| (0..4).all(|i| (0..4).all(|j| sim.sees(i, j))));
    sim.agree(&[0, 1, 2, 3], &moved);
    sim.sign_with(&[3], &moved);
}

/// Moduli know no curve: a committee makes them once.
#[test]
fn both_curves_share_moduli() {
    let mut sim = Sim::cluster(701, 2, Weather::default());
    let first = sim.new_key_on(P256, 0, 2, &[0, 1]);
    let moduli = sim.names(0, Table::Aux);
    let second = sim.new_key(1, 2, &[0, 1]);
    assert_eq!((first.curve, second.curve), (P256, api::Curve::Secp256k1));
    assert_eq!((sim.names(0, Table::Aux), moduli.len()), (moduli, 1));
    for key in [&first, &second] {
        sim.sign_with(&[1], key);
    }
}

/// The evidence says its curve in the proposal that the cheat has accepted: under another one it proves nothing.
#[test]
fn evidence_on_p256_convicts_and_acquits() {
    let mut sim = Sim::cluster(702, 3, Weather::default());
    let key = sim.new_key_on(P256, 0, 2, &[0, 1, 2]);
    sim.agree(&[0, 1, 2], &key);
    sim.machines[1].node.as_mut().unwrap().misbehave(Misbehaviour::WrongDelta);
    let signature = sim.sign(0, key.id, b"in spite of it").unwrap();
    verify(&key, &signature, b"in spite of it");
    assert_eq!(signature.signers.iter().map(|m| m.index).collect::<Vec<_>>(), [1, 3]);
    let file = all_convict(&mut sim, &[0, 2], Kind::Sign);
    let mut file = EvidenceFile::from_file(&file).unwrap();
    let verdict = file.judge(&Known::default()).unwrap();
    assert_eq!(hex::encode(verdict.key.unwrap().public_key), key.public_key);
    // Whom the messages do not concern, they do not convict.
    file.accused = sim.id(0);
    assert!(matches!(
        file.judge(&Known::default()),
        Err(NotProven::Acquitted(_) | NotProven::OtherCulprit(_))
    ));
    file.accused = sim.id(1);
    for curve in ["secp256k1", "p384"] {
        file.proposal.curve = curve.to_owned();
        assert!(file.judge(&Known::default()).is_err(), "{curve}");
    }
}

/// What a proposal says of the curve follows from the key: another one is refused, by every participant.
#[test]
fn a_proposal_that_mixes_curves_is_refused() {
    let mut sim = Sim::cluster(703, 2, Weather::default());
    let key = sim.new_key_on(P256, 0, 2, &[0, 1]);
    sim.agree(&[0, 1], &key);
    for curve in ["secp256k1", "p384"] {
        sim.tamper = Some(Box::new(move |_, _, message| match message {
            PeerMessage::Propose(mut proposal) => {
                proposal.curve = curve.to_owned();
                vec![PeerMessage::Propose(proposal).encode()]
            }
            other => vec![other.encode()],
        }));
        let before = sim.machines[1].log.len();
        let target = api::SignTarget::Digest([7; 32]);
        let sign = api::Sign { key: key.id, path: api::PathText::root(), target };
        sim.start(0, api::Request::Sign(sign)).unwrap();
        sim.until("it is refused", |sim| {
            sim.machines[1].log[before..].iter().any(|l| l.contains("does not follow from the request"))
        });
        // The same for a key that is to be made.
        let before = sim.machines[1].log.len();
        let request = sim.create_key_on(P256, 2, &[0, 1]);
        sim.start(0, request).unwrap();
        sim.until("it is refused", |sim| {
            sim.machines[1].log[before..].iter().any(|l| l.contains("does not follow from the request"))
        });
    }
    sim.tamper = None;
    let zero =
        api::Sign { key: key.id, path: api::PathText::root(), target: api::SignTarget::Digest([0; 32]) };
    assert_eq!(sim.start(0, api::Request::Sign(zero)).unwrap_err().kind, ProblemKind::Malformed);
}
