//! Frozen proofs, one file per proof in `tests/vectors`: same seed, same statement, same bytes.
//!
//! Each proof's tests make their vectors anew and compare. A changed vector means that nodes of two versions no
//! longer understand each other; where that is intended, rewrite the files with
//! `CONSIGN_WRITE_VECTORS=1 cargo test -p consign-zk --lib frozen`.

#![allow(clippy::unwrap_used, reason = "tests")]

use core::fmt::Debug;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::curve::Curve;
use crate::level::Level;

/// Set to rewrite the files.
const WRITE: &str = "CONSIGN_WRITE_VECTORS";
/// Longer proofs are frozen by their hash.
const LONGEST_IN_FULL: usize = 8192;

/// One frozen proof. `challenge` is any encoding of what the transcript gave.
pub(crate) fn vector<C: Curve, T: Serialize + DeserializeOwned + PartialEq + Debug>(
    level: Level,
    seed: u64,
    statement: &[(&str, Vec<u8>)],
    proof: &T,
    challenge: &[u8],
) -> Value {
    let bytes = postcard::to_stdvec(proof).unwrap();
    assert_eq!(postcard::from_bytes::<T>(&bytes).unwrap(), *proof);
    let statement: Map<_, _> =
        statement.iter().map(|(name, bytes)| ((*name).to_owned(), hex::encode(bytes).into())).collect();
    let mut vector = json!({
        "level": level.parameters().name,
        "curve": C::NAME,
        "seed": seed,
        "statement": statement,
        "challenge": hex::encode(challenge),
        "proof_bytes": bytes.len(),
        "proof_sha256": hex::encode(Sha256::digest(&bytes)),
    });
    if bytes.len() <= LONGEST_IN_FULL {
        vector.as_object_mut().unwrap().insert("proof".into(), hex::encode(&bytes).into());
    }
    vector
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
