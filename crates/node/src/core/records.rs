//! The stored form of everything a node remembers: one version byte, then postcard.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hash::Hash;
use super::requests::{MAX_TRIES, OWN_TRIES};
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
/// Key of the end of the audit log in the meta table.
pub(super) const AUDIT_HEAD: &[u8] = b"audit-head";
/// Key of the end of what was archived of it, or was before a restore.
pub(super) const AUDIT_BASE: &[u8] = b"audit-base";
/// Key of the reason why nothing is signed until the operator acts, in the meta table.
pub(super) const HELD: &[u8] = b"held";
/// Opens the keys of what peers have shown of their logs in the meta table.
pub(super) const SEEN: &[u8] = b"seen/";
/// Opens the keys of an operator's decisions about requests, in the meta table.
pub(super) const APPROVAL: &[u8] = b"approval/";
/// Key of the text of the policy in force, in the meta table.
pub(super) const POLICY: &[u8] = b"policy";
/// Key of the mark that there is a policy, in the meta table: without its file the node does not start.
pub(super) const GOVERNED: &[u8] = b"governed";
/// Opens the keys of since when the shares of keys are in force, in the meta table.
pub(super) const SINCE: &[u8] = b"since/";
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

/// How long the record of a request is kept after its end, in seconds: far longer than a request is fresh.
const REQUEST_RECORD_KEPT: u64 = super::requests::REQUEST_KEPT_S;

/// What is remembered besides of a request that its client has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(super) struct Signed {
    /// Hash of method, path and body: under the same name the client may ask for nothing else.
    pub(super) content: Hash,
    /// When its latest signature counts no more: Unix time in seconds.
    pub(super) expires: u64,
}

/// What a participant must remember of a request, so that the same bytes never run twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(super) struct RequestRecord {
    /// When the client asked: Unix time in seconds.
    pub(super) created: u64,
    /// How many proposals for it this node has accepted, by proposer.
    pub(super) tries: BTreeMap<NodeId, u8>,
    /// Whether it has led to its result.
    pub(super) finished: bool,
    /// Of a signed one. Stored behind the rest, so that a record of an unsigned one ends here.
    #[serde(skip)]
    pub(super) signed: Option<Signed>,
}

impl RequestRecord {
    /// The stored form.
    pub(super) fn write(&self) -> Value {
        match &self.signed {
            None => encode(self),
            Some(signed) => encode(&(self, signed)),
        }
    }

    /// Reads it back.
    pub(super) fn read(value: &Value) -> Result<Self, BadRecord> {
        let (record, rest): (Self, _) = decode_begin(value)?;
        let signed = if rest.is_empty() { None } else { Some(decode_end(rest)?) };
        Ok(Self { signed, ..record })
    }

    /// Until when it is kept: Unix time in seconds.
    pub(super) fn kept_until(&self) -> u64 {
        let last = self.signed.map_or(0, |signed| signed.expires).max(self.created);
        last.saturating_add(REQUEST_RECORD_KEPT)
    }

    /// Whether it was made for another content than this.
    pub(super) fn differs(&self, signed: Option<&Signed>) -> bool {
        self.signed.map(|own| own.content) != signed.map(|other| other.content)
    }

    /// Whether it was tried as often as this proposer may try it: what a client has signed, by all together; what only a
    /// proposer vouches for, by each. Nobody uses up all tries of others: a proposer always has a few of its own.
    pub(super) fn is_worn_out(&self, proposer: NodeId) -> bool {
        let own = self.tries.get(&proposer).copied().unwrap_or(0);
        match self.signed {
            Some(_) => {
                let all = self.tries.values().fold(0_u8, |sum, tries| sum.saturating_add(*tries));
                all >= MAX_TRIES && own >= OWN_TRIES
            }
            None => own >= MAX_TRIES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_proposers_share_the_tries_of_what_a_client_has_signed() {
        let [a, b, c] = [1, 2, 3].map(|i| crate::identity::Identity::from_seed(&[i; 32]).node_id());
        let tries = BTreeMap::from([(a, MAX_TRIES - 1), (b, 1)]);
        let unsigned = RequestRecord { created: 5, tries, finished: false, signed: None };
        assert_eq!([a, b, c].map(|id| unsigned.is_worn_out(id)), [false; 3]);
        let signed = Signed { content: Hash([7; 32]), expires: 600 };
        let mut signed = RequestRecord { signed: Some(signed), ..unsigned };
        // Whoever was never heard, or seldom, still is.
        assert_eq!([a, b, c].map(|id| signed.is_worn_out(id)), [true, false, false]);
        signed.tries.insert(b, OWN_TRIES);
        assert_eq!([a, b, c].map(|id| signed.is_worn_out(id)), [true, true, false]);
        signed.tries.remove(&b);
        assert_eq!([a, b, c].map(|id| signed.is_worn_out(id)), [false; 3]);
    }

    /// A record of an unsigned request is stored as ever; what a signed one has besides comes behind it.
    #[test]
    fn records_of_requests_are_read_in_both_forms() {
        let tries = BTreeMap::from([(crate::identity::Identity::from_seed(&[1; 32]).node_id(), 3)]);
        let unsigned = RequestRecord { created: 5, tries, finished: true, signed: None };
        let plain = encode(&(5_u64, &unsigned.tries, true));
        assert_eq!(*unsigned.write(), *plain);
        assert_eq!(RequestRecord::read(&plain), Ok(unsigned.clone()));
        let signed = Signed { content: Hash([7; 32]), expires: 600 };
        let signed = RequestRecord { signed: Some(signed), ..unsigned.clone() };
        let stored = signed.write();
        assert!(stored.starts_with(&plain));
        assert_eq!(RequestRecord::read(&stored), Ok(signed.clone()));
        assert!(unsigned.differs(signed.signed.as_ref()) && !signed.differs(signed.signed.as_ref()));
        assert_eq!(signed.kept_until() - unsigned.kept_until(), 595);
        let cut = Value::from(stored.iter().copied().take(stored.len() - 1).collect::<Vec<_>>());
        assert_eq!(RequestRecord::read(&cut), Err(BadRecord));
    }
}
