//! Frozen bytes: for a fixed seed, the session identifier and what everybody says, each message by length and hash.
//!
//! A change here is a change of the wire format, of the transcript, or of what is drawn in which order. If it is meant:
//! `CONSIGN_WRITE_VECTORS=1 cargo test -p consign-cggmp24 --test protocols vectors` writes the files anew.

use std::path::PathBuf;

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Secp256k1, Toy};
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
