//! The stored form of everything a node remembers: one version byte, then postcard.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::identity::NodeId;
use crate::store::Value;

/// Version of the stored forms of this file's records.
const STORED_VERSION: u8 = 1;

/// Key of the seed in the identity table.
pub(super) const SEED: &[u8] = b"seed";
/// Key of the charter in the roster table.
pub(super) const CHARTER: &[u8] = b"charter";
/// Key of all winning statements in the roster table.
pub(super) const STATEMENTS: &[u8] = b"statements";
/// Key of the charters after the first one, in the roster table.
pub(super) const SUCCESSORS: &[u8] = b"successors";
/// Key of the charters that are being signed, in the roster table.
pub(super) const DRAFTS: &[u8] = b"drafts";
/// Key of the charters beside those that this node follows, in the roster table.
pub(super) const RIVALS: &[u8] = b"rivals";
/// Key of the validators that the operator has blocked, in the roster table.
pub(super) const BLOCKED: &[u8] = b"blocked";
/// Key of the validators that the operator has forgiven, and when, in the roster table.
pub(super) const FORGIVEN: &[u8] = b"forgiven";
/// Key of where the node asks to be let in without an invitation, in the meta table, until it is.
pub(super) const DOOR: &[u8] = b"door";
/// Key of the invitation in the meta table, until it has served.
pub(super) const INVITATION: &[u8] = b"invitation";
/// Key of the time up to which requests were forgotten, in the meta table.
pub(super) const FORGOTTEN: &[u8] = b"forgotten";
/// Key of the time of a restore in the meta table, until the node has started.
pub(super) const RESTORED: &[u8] = b"restored";
/// Opens the keys of issued invitation tokens in the meta table.
pub(super) const TOKEN: &[u8] = b"token/";

/// A record that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored record is damaged or of an unknown version")]
pub struct BadRecord;

/// The stored form.
pub(super) fn encode<T: Serialize>(record: &T) -> Value {
    // Measured first and written into one allocation: growing would leave copies of secrets behind.
    const PLAIN: &str = "invariant: records are plain data";
    let length = postcard::experimental::serialized_size(record).expect(PLAIN);
    let mut bytes = Vec::with_capacity(length + 1);
    bytes.push(STORED_VERSION);
    Value::from(postcard::to_extend(record, bytes).expect(PLAIN))
}

/// Reads the stored form.
pub(super) fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, BadRecord> {
    let ((), rest) = decode_begin(value)?;
    decode_end(rest)
}

/// Reads how a stored tuple begins; the rest is for [`decode_end`].
pub(super) fn decode_begin<T: DeserializeOwned>(value: &Value) -> Result<(T, &[u8]), BadRecord> {
    let (version, body) = value.split_first().ok_or(BadRecord)?;
    if *version != STORED_VERSION {
        return Err(BadRecord);
    }
    postcard::take_from_bytes(body).map_err(|_| BadRecord)
}

/// Reads how it ends.
pub(super) fn decode_end<T: DeserializeOwned>(rest: &[u8]) -> Result<T, BadRecord> {
    match postcard::take_from_bytes(rest) {
        Ok((record, [])) => Ok(record),
        Ok(_) | Err(_) => Err(BadRecord),
    }
}

/// How long the record of a request is kept, in seconds: far longer than a request is fresh.
pub(super) const REQUEST_RECORD_KEPT: u64 = super::requests::REQUEST_KEPT_S;

/// What a participant must remember of a request, so that the same bytes never run twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(super) struct RequestRecord {
    /// When the client asked: Unix time in seconds.
    pub(super) created: u64,
    /// How many proposals for it this node has accepted, by proposer: nobody uses up the tries of others.
    pub(super) tries: BTreeMap<NodeId, u8>,
    /// Whether it has led to its result.
    pub(super) finished: bool,
}

impl RequestRecord {
    /// How many proposals of this proposer were accepted.
    pub(super) fn tries_of(&self, proposer: NodeId) -> u8 {
        self.tries.get(&proposer).copied().unwrap_or(0)
    }
}
