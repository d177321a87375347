//! Frozen bytes: for a fixed seed, the session identifier and what everybody says, each message by length and hash.
//!
//! A change here is a change of the wire format, of the transcript, or of what is drawn in which order. If it is meant:
//! `CONSIGN_WRITE_VECTORS=1 cargo test -p consign-cggmp24 --test protocols vectors` writes the files anew.

use std::path::PathBuf;

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Secp256k1, Toy};
use consign_cggmp24::ecdsa::Digest as MessageDigest;
use consign_cggmp24::epoch::Record;
use consign_cggmp24::testing::{Committee, NONCE, aux_of_all, members};
use consign_rounds::sim::{Outcome, Simulation};
use consign_rounds::{Protocol, SessionId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::common::*;

/// Set to write the files instead of comparing with them.
const WRITE: &str = "CONSIGN_WRITE_VECTORS";

/// The seed of all vectors.
const SEED: u64 = 24;

fn digest(bytes: &[u8]) -> String {
    format!("{} bytes, SHA-256 {}", bytes.len(), hex::encode(Sha256::digest(bytes)))
}

/// One line per message, by round, sender and recipient; a broadcast only once.
fn transcript<P: Protocol>(session: SessionId, simulation: Simulation<P>) -> (Value, Outcome<P>) {
    let (mut sent, outcome) = record(simulation);
    let place = |e: &consign_rounds::Envelope| {
        let h = e.signed.header;
        (h.round, h.from, h.to)
    };
    sent.0.sort_by_key(place);
    let mut messages = Vec::new();
    let mut last = None;
    for envelope in &sent.0 {
        let (round, from, to) = place(envelope);
        if last != Some((round, from)) {
            messages.push(format!("round {round}, {from} to all: {}", digest(&envelope.broadcast)));
            last = Some((round, from));
        }
        messages.push(format!("round {round}, {from} to {to}: {}", digest(&envelope.direct)));
    }
    let transcripts: Vec<_> =
        outcome.finished.values().map(|finished| hex::encode(finished.transcript)).collect();
    assert!(transcripts.windows(2).all(|pair| pair[0] == pair[1]));
    let value = json!({
        "seed": SEED,
        "session": hex::encode(session.0),
        "messages": messages,
        "transcript": transcripts[0],
    });
    (value, outcome)
}

/// Compares with the file, or writes it.
fn frozen(name: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    let differs = expected.lines().zip(text.lines()).position(|(old, new)| old != new);
    assert!(expected == text, "{name}: differs from line {:?} on, see {WRITE}", differs.map(|line| line + 1));
}

#[test]
fn key_generation_tiny() {
    let public = keygen_public(2, 3, true);
    let (mut value, outcome) = transcript(keygen_session::<Toy>(&public, 0), keygen_of::<Toy>(SEED, &public));
    value["stored"] = outcome.stored.values().map(|stored| digest(&stored[0])).collect();
    frozen("keygen-tiny", &value);
}

#[test]
fn key_generation_secp256k1() {
    let public = keygen_public_at(Level::L128, 2, 3, true);
    let session = keygen_session::<Secp256k1>(&public, 0);
    let (mut value, outcome) = transcript(session, keygen_of::<Secp256k1>(SEED, &public));
    value["stored"] = outcome.stored.values().map(|stored| digest(&stored[0])).collect();
    frozen("keygen-secp256k1", &value);
}

#[test]
fn auxiliary_information_tiny() {
    let public = aux_public(3);
    let (mut value, outcome) = transcript(aux_session::<Toy>(&public, 0), aux_of::<Toy>(SEED, &public));
    value["stored"] = outcome.stored.values().map(|stored| digest(&stored[0])).collect();
    frozen("aux-info-tiny", &value);
}

/// What was stored, by party and in order: the number that is spent, the pending share.
fn stored<P: Protocol<Durable = Record>>(outcome: &Outcome<P>) -> Value {
    let line = |record: &Record| match record {
        Record::Dealing(epoch) => format!("epoch {epoch} is spent"),
        Record::Pending(bytes) => format!("pending share: {}", digest(bytes)),
    };
    outcome.stored.values().map(|all| all.iter().map(line).collect::<Vec<_>>()).collect()
}

#[test]
fn refresh_tiny() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, SEED);
    for (name, renew) in [("refresh-tiny", true), ("refresh-keep-tiny", false)] {
        let public = committee.refreshing(1, renew);
        let simulation = committee.simulate_refresh(&public, SEED);
        let (mut value, outcome) = transcript(public.session(&NONCE), simulation);
        value["stored"] = stored(&outcome);
        frozen(name, &value);
    }
}

/// From 2 of 1, 2, 3 to 3 of 2, 3, 4, 5 under other indices; 1 and 2 deal.
#[test]
fn resharing_tiny() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, SEED);
    let holders = members(&[(1, 3), (2, 2), (7, 4), (8, 5)]);
    let public = committee.resharing(&[1, 2], holders, 3, 1, &aux_of_all(&committee, 5, SEED));
    let (mut value, outcome) = transcript(public.session(&NONCE), committee.simulate_reshare(&public, SEED));
    value["stored"] = stored(&outcome);
    frozen("reshare-tiny", &value);
}

#[test]
fn presigning_tiny() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, SEED);
    let public = committee.presigning(&[1, 3], 2);
    let simulation = committee.simulate_presigning(&public, SEED);
    let (mut value, outcome) = transcript(public.session(&NONCE), simulation);
    let made = &outcome.finished.values().next().unwrap().output;
    value["presignatures"] = made.iter().map(|presignature| hex::encode(presignature.id())).collect();
    frozen("presign-tiny", &value);
}

#[test]
fn interactive_signing_tiny() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, SEED);
    let public = committee.signing(&[1, 3], MessageDigest::raw::<Toy>([7; 32]).unwrap());
    let simulation = committee.simulate_signing(&public, SEED);
    let (mut value, outcome) = transcript(public.session(&NONCE), simulation);
    let signature = outcome.finished.values().next().unwrap().output;
    value["signature"] = json!([hex::encode(signature.to_bytes()), signature.recovery_id]);
    frozen("sign-tiny", &value);
}
