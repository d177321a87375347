//! Frozen proofs, one file per proof in `tests/vectors`: same statement, witness and masks, same bytes.
//!
//! Each proof's tests make their vectors anew and compare. A changed vector means that nodes of two versions no
//! longer understand each other; where that is intended, rewrite the files with
//! `CONSIGN_WRITE_VECTORS=1 cargo test -p consign-zk --lib frozen`.

#![allow(clippy::unwrap_used, reason = "tests")]

use core::fmt::Debug;
use std::fs;
use std::path::Path;

use consign_modexp::BoxedUint;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::curve::Curve;
use crate::integer::Integer;
use crate::level::Level;
use crate::natural::Natural;

/// Set to rewrite the files.
const WRITE: &str = "CONSIGN_WRITE_VECTORS";

/// Values under the names that the statement, the witness and the masks have in `docs/spec/proofs.md`.
pub(crate) type Fields<'a> = Vec<(&'a str, Vec<u8>)>;

/// All that goes into a proof.
pub(crate) struct Inputs<'a> {
    pub(crate) statement: Fields<'a>,
    pub(crate) witness: Fields<'a>,
    /// What the prover draws, one entry per repetition.
    pub(crate) randomness: Vec<Fields<'a>>,
}

/// One frozen proof: what went in, the challenge (as many values as the transcript gave), the proof.
pub(crate) fn vector<C: Curve, T: Serialize + DeserializeOwned + PartialEq + Debug>(
    level: Level,
    inputs: &Inputs<'_>,
    challenge: &[Vec<u8>],
    proof: &T,
) -> Value {
    let bytes = postcard::to_stdvec(proof).unwrap();
    assert_eq!(postcard::from_bytes::<T>(&bytes).unwrap(), *proof);
    json!({
        "level": level.parameters().name,
        "curve": C::NAME,
        "statement": object(&inputs.statement),
        "witness": object(&inputs.witness),
        "randomness": inputs.randomness.iter().map(object).collect::<Vec<_>>(),
        "challenge": challenge.iter().map(hex::encode).collect::<Vec<_>>(),
        "proof": hex::encode(&bytes),
    })
}

fn object(fields: &Fields<'_>) -> Value {
    let fields: Map<_, _> =
        fields.iter().map(|(name, bytes)| ((*name).to_owned(), hex::encode(bytes).into())).collect();
    fields.into()
}

/// As numbers are written in messages.
pub(crate) fn natural(value: &BoxedUint) -> Vec<u8> {
    Natural::new(value).to_bytes()
}

/// As signed numbers are written in messages, whatever width they were computed in.
pub(crate) fn integer(value: &Integer) -> Vec<u8> {
    value.trimmed_public().to_bytes_public()
}

/// Bits of challenge, a byte 0 or 1 each.
pub(crate) fn bits(bits: Vec<bool>) -> Vec<Vec<u8>> {
    bits.into_iter().map(|bit| vec![u8::from(bit)]).collect()
}

/// Compares with the file of this name, or rewrites it if so ordered.
pub(crate) fn check(name: &str, vectors: &[Value]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(format!("{name}.json"));
    let made = Value::Array(vectors.to_vec());
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let frozen: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(made == frozen, "{name}: not the frozen proof; see testing/vectors.rs");
}
