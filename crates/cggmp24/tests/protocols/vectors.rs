//! Frozen bytes: for a fixed seed, the session identifier and what everybody says.
//!
//! A change here is a change of the wire format, of the transcript, or of what is drawn in which order. If it is meant:
//! `CONSIGN_WRITE_VECTORS=1 cargo test -p consign-cggmp24 --test all protocols::vectors` writes the files anew.

use std::path::PathBuf;

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, Secp256k1, Toy};
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
/// Longer parts of a message are frozen by length and hash: the proofs in them are frozen by themselves, in full.
const LONGEST_IN_FULL: usize = 16_384;

fn digest(bytes: &[u8]) -> String {
    format!("{} bytes, SHA-256 {}", bytes.len(), hex::encode(Sha256::digest(bytes)))
}

fn part(bytes: &[u8]) -> String {
    if bytes.len() > LONGEST_IN_FULL { digest(bytes) } else { hex::encode(bytes) }
}

/// One entry per message, by round, sender and recipient; a broadcast only once.
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
            messages
                .push(json!({"round": round, "from": from.get(), "broadcast": part(&envelope.broadcast)}));
            last = Some((round, from));
        }
        let direct = part(&envelope.direct);
        messages.push(json!({"round": round, "from": from.get(), "to": to.get(), "direct": direct}));
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

fn keygen<C: Curve>(level: Level) -> Value {
    let public = keygen_public_at(level, 2, 3, true);
    let session = keygen_session::<C>(&public, 0);
    let (mut value, outcome) = transcript(session, keygen_of::<C>(SEED, &public));
    value["stored"] = outcome.stored.values().map(|stored| part(&stored[0])).collect();
    value
}

fn aux_info<C: Curve>(level: Level, n: u16) -> Value {
    let public = aux_public_at(level, n);
    let (mut value, outcome) = transcript(aux_session::<C>(&public, 0), aux_of::<C>(SEED, &public));
    value["stored"] = outcome.stored.values().map(|stored| part(&stored[0])).collect();
    value
}

/// What was stored, by party and in order: the number that is spent, the pending share.
fn stored<P: Protocol<Durable = Record>>(outcome: &Outcome<P>) -> Value {
    let line = |record: &Record| match record {
        Record::Dealing(epoch) => format!("epoch {epoch} is spent"),
        Record::Pending(bytes) => format!("pending share: {}", part(bytes)),
    };
    outcome.stored.values().map(|all| all.iter().map(line).collect::<Vec<_>>()).collect()
}

/// With moduli made anew, or with those that are there.
fn refresh<C: Curve>(level: Level, renew: bool) -> Value {
    let committee = Committee::<C>::dealt(level, 2, 3, SEED);
    let public = committee.refreshing(1, renew);
    let simulation = committee.simulate_refresh(&public, SEED);
    let (mut value, outcome) = transcript(public.session(&NONCE), simulation);
    value["stored"] = stored(&outcome);
    value
}

/// From 2 of 1, 2, 3, of whom 1 and 2 deal, to `threshold` of `holders`, given by index of the key and member.
fn reshare<C: Curve>(level: Level, holders: &[(u16, u16)], threshold: u16) -> Value {
    let committee = Committee::<C>::dealt(level, 2, 3, SEED);
    let count = holders.iter().map(|(_, member)| *member).max().unwrap();
    let aux = aux_of_all(&committee, count, SEED);
    let public = committee.resharing(&[1, 2], members(holders), threshold, 1, &aux);
    let (mut value, outcome) = transcript(public.session(&NONCE), committee.simulate_reshare(&public, SEED));
    value["stored"] = stored(&outcome);
    value
}

fn presign<C: Curve>(level: Level, slots: u32) -> Value {
    let committee = Committee::<C>::dealt(level, 2, 3, SEED);
    let public = committee.presigning(&[1, 3], slots);
    let simulation = committee.simulate_presigning(&public, SEED);
    let (mut value, outcome) = transcript(public.session(&NONCE), simulation);
    let made = &outcome.finished.values().next().unwrap().output;
    value["presignatures"] = made.iter().map(|presignature| hex::encode(presignature.id())).collect();
    value
}

fn sign<C: Curve>(level: Level) -> Value {
    let committee = Committee::<C>::dealt(level, 2, 3, SEED);
    let public = committee.signing(&[1, 3], MessageDigest::raw::<C>([7; 32]).unwrap());
    let simulation = committee.simulate_signing(&public, SEED);
    let (mut value, outcome) = transcript(public.session(&NONCE), simulation);
    let signature = outcome.finished.values().next().unwrap().output;
    value["signature"] = json!([hex::encode(signature.to_bytes()), signature.recovery_id]);
    value
}

#[test]
fn at_small_parameters() {
    let level = Level::Tiny;
    frozen("keygen-tiny", &keygen::<Toy>(level));
    frozen("aux-info-tiny", &aux_info::<Toy>(level, 3));
    frozen("refresh-tiny", &refresh::<Toy>(level, true));
    frozen("refresh-keep-tiny", &refresh::<Toy>(level, false));
    frozen("reshare-tiny", &reshare::<Toy>(level, &[(1, 3), (2, 2), (7, 4), (8, 5)], 3));
    frozen("presign-tiny", &presign::<Toy>(level, 2));
    frozen("sign-tiny", &sign::<Toy>(level));
}

#[test]
fn at_production_parameters() {
    let level = Level::L128;
    frozen("keygen-secp256k1", &keygen::<Secp256k1>(level));
    frozen("aux-info-secp256k1", &aux_info::<Secp256k1>(level, 2));
    frozen("refresh-keep-secp256k1", &refresh::<Secp256k1>(level, false));
    frozen("reshare-secp256k1", &reshare::<Secp256k1>(level, &[(1, 3), (2, 2)], 2));
    frozen("presign-secp256k1", &presign::<Secp256k1>(level, 1));
    frozen("sign-secp256k1", &sign::<Secp256k1>(level));
}
