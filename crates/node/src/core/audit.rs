//! The audit log: a chain of hashes over what this node did and stored. An entry is part of the transaction that it is
//! about, so there is no record without its entry. Peers are shown the signed length and head; who shows a shorter one
//! than before has a store that went back, and is shown its own signature: then it signs nothing until its operator acts
//! (`docs/spec/auxinfo-refresh.md`, 5.7, rule 8). Read `audit/heads.rs` for that, and `docs/storage.md` for the bytes.

mod heads;
mod offline;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::hash::{Hash, Items};
use super::node::Node;
use super::operator::{Blocked, Forgiven};
use super::records::{
    APPROVAL, AUDIT_BASE, AUDIT_HEAD, BLOCKED, FORGIVEN, HELD, POLICY, SEEN, decode, encode,
};
use super::stories::Story;
use super::views::short;
use super::{WriteId, approvals};
use crate::identity::NodeId;
use crate::store::{Store, StoreError, Table, Value, Write};

pub use heads::{Held, SignedHead};
pub use offline::{accept_rollback, archived, entries_of, entry_of_backup};
pub(super) use offline::{end, restored};

/// Longest summary of an entry, in bytes.
pub const MAX_SUMMARY_BYTES: usize = 200;

/// Of how many of the newest entries the hashes are in memory: an older head that peers show cannot be compared.
const RECENT: u64 = 4_096;

/// From how many entries on the operator is told to move older ones into a file: 250 bytes each, some 25 MB.
pub const MANY_ENTRIES: u64 = 100_000;

/// What an entry is about. The numbers are part of the stored form: add at the end only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A request that this node takes part in, or how that ended.
    Ceremony,
    /// Evidence that convicts somebody.
    Evidence,
    /// The record of a key, or of a pending share, was written or removed: made, imported, renewed, reshared, discarded.
    Key,
    /// The validators, as this node knows them, changed.
    Roster,
    /// A share left the node, in a file of its own or in a backup.
    Export,
    /// The operator took note that the store went back. The number of such an entry may jump.
    Accepted,
    /// The operator has approved a request, or denied it.
    Approval,
    /// Another policy is in force, or none any more.
    Policy,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When: Unix time in seconds, of this node's clock.
    pub unix: u64,
    /// About what.
    pub kind: Kind,
    /// Hash of what was stored.
    pub content: Hash,
    /// For people.
    pub summary: String,
}

/// An entry in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its number, from 1.
    pub number: u64,
    /// What it says.
    pub entry: Entry,
    /// Its hash, over the one before as well.
    pub hash: Hash,
}

/// The end of a log: number and hash of the newest entry; nothing but zeros before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many entries there are, those that were archived or lost included.
    pub length: u64,
    /// The hash of the newest.
    pub hash: Hash,
}

/// Before the first entry.
const EMPTY: Head = Head { length: 0, hash: Hash([0; 32]) };

/// Why a log is none.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain does not hold.
    #[error(
        "the audit log is broken at entry {number} ({what}): somebody has altered the store, or part of it went back; restore a backup"
    )]
    Broken {
        /// Where.
        number: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// A whole log, verified.
#[derive(Debug)]
pub struct Chain {
    /// The end of what is not here any more.
    pub base: Head,
    /// What is here, the oldest first.
    pub entries: Vec<Placed>,
    /// The end.
    pub head: Head,
}

/// What the node knows of its log and those of others.
pub(super) struct Log {
    /// The newest entry that was ordered to be stored, and the newest that is.
    head: Head,
    durable: Head,
    waiting: VecDeque<(WriteId, Head)>,
    /// How many entries are in the store.
    kept: u64,
    /// Hashes of the newest entries, by number.
    recent: BTreeMap<u64, Hash>,
    /// Why nothing is signed.
    held: Option<Held>,
    /// The highest head that each peer has shown, and those of them that are not stored yet.
    seen: BTreeMap<NodeId, SignedHead>,
    unsaved: BTreeSet<NodeId>,
}

impl Entry {
    fn hash(&self, before: &Hash, number: u64) -> Hash {
        Items::new("audit entry")
            .bytes("before", &before.0)
            .number("number", number)
            .number("time", self.unix)
            .bytes("kind", &[self.kind as u8])
            .bytes("content", &self.content.0)
            .bytes("summary", self.summary.as_bytes())
            .hash()
    }
}

impl Chain {
    /// Reads the log of a store and verifies it.
    ///
    /// # Errors
    /// [`AuditError`], with the first entry that does not hold.
    pub fn read(store: &dyn Store) -> Result<Chain, AuditError> {
        let end = |key: &[u8]| -> Result<Head, AuditError> {
            let Some(value) = store.get(Table::Meta, key)? else { return Ok(EMPTY) };
            decode(&value).map_err(|_| AuditError::Broken { number: 0, what: "where it ends cannot be read" })
        };
        let (base, head) = (end(AUDIT_BASE)?, end(AUDIT_HEAD)?);
        let (mut last, mut entries) = (base, Vec::new());
        for (key, value) in store.list(Table::Audit)? {
            let next = last.length.saturating_add(1);
            let broken = |what| AuditError::Broken { number: next, what };
            let number = <[u8; 8]>::try_from(key.as_slice()).map(u64::from_be_bytes);
            let number = number.map_err(|_| broken("its name is no number"))?;
            let entry: Entry = decode(&value).map_err(|_| broken("it cannot be read"))?;
            if number != next && !(entry.kind == Kind::Accepted && number > next) {
                return Err(broken("it is missing"));
            }
            let hash = entry.hash(&last.hash, number);
            last = Head { length: number, hash };
            entries.push(Placed { number, entry, hash });
        }
        if last != head {
            let what = "the end of the log is another one than was noted";
            return Err(AuditError::Broken { number: last.length, what });
        }
        Ok(Chain { base, entries, head })
    }
}

impl Head {
    /// The writes that add an entry to a log that ends here, as `number`, and the new end.
    fn extend(&mut self, number: u64, entry: &Entry) -> [Write; 2] {
        *self = Head { length: number, hash: entry.hash(&self.hash, number) };
        [
            Write::create(Table::Audit, number.to_be_bytes(), encode(entry)),
            Write::put(Table::Meta, AUDIT_HEAD, encode(self)),
        ]
    }
}

/// Which records have entries.
fn kind_of(write: &Write) -> Option<Kind> {
    match write.table() {
        Table::Ceremonies => Some(Kind::Ceremony),
        Table::Evidence => Some(Kind::Evidence),
        Table::Keys => Some(Kind::Key),
        Table::Roster => Some(Kind::Roster),
        Table::Exports => Some(Kind::Export),
        Table::Header
        | Table::Identity
        | Table::Aux
        | Table::Primes
        | Table::Requests
        | Table::Messages
        | Table::Audit => None,
        Table::Meta if write.key() == POLICY => Some(Kind::Policy),
        Table::Meta if write.key().starts_with(APPROVAL) => Some(Kind::Approval),
        Table::Meta => None,
    }
}

/// The entry about a write, if it has one. What a node forgets of old ceremonies is in the log already.
fn entry_of(write: &Write, unix: u64) -> Option<Entry> {
    let (kind, name) = (kind_of(write)?, write.table().name());
    let items = Items::new("audited record").bytes("table", name.as_bytes()).bytes("key", write.key());
    let content = match write {
        Write::Put { value, .. } | Write::Create { value, .. } => items.bytes("value", value).hash(),
        Write::Delete { .. } if matches!(kind, Kind::Ceremony | Kind::Approval) => return None,
        Write::Delete { .. } => items.hash(),
    };
    Some(Entry { unix, kind, content, summary: shortened(summary_of(write)) })
}

/// As much of a text as a summary may have.
fn shortened(mut text: String) -> String {
    let end = (0..=MAX_SUMMARY_BYTES.min(text.len())).rev().find(|i| text.is_char_boundary(*i));
    text.truncate(end.unwrap_or(0));
    text
}

/// What can be said of a write by itself.
fn summary_of(write: &Write) -> String {
    let key = hex::encode(write.key().get(..32).unwrap_or(write.key()));
    let gone = matches!(write, Write::Delete { .. });
    match kind_of(write) {
        Some(Kind::Key) => {
            let what = if write.key().len() > 32 { "pending share of the key" } else { "key" };
            format!("{what} {key} {}", if gone { "removed" } else { "stored" })
        }
        Some(Kind::Evidence) => format!("evidence {key}"),
        Some(Kind::Roster) => {
            decided(write).unwrap_or_else(|| "the validators that this node knows".to_owned())
        }
        Some(Kind::Approval) => value_of(write).and_then(approvals::summary).unwrap_or_default(),
        Some(Kind::Policy) => match value_of(write).and_then(|value| decode::<String>(value).ok()) {
            Some(text) => {
                format!("the policy with the SHA-256 {} is in force", hex::encode(Sha256::digest(text)))
            }
            None => "there is no policy any more".to_owned(),
        },
        Some(Kind::Export) => format!("a share of the key {key} leaves the node"),
        // By the record itself: what is in memory may be behind it.
        Some(Kind::Ceremony) => match value_of(write).map(Story::read) {
            Some(Ok(Story { view, .. })) => {
                let label = view.label.as_ref().map(|label| format!(" {label}")).unwrap_or_default();
                format!("{}{label}: {}", word(&view.kind), word(&view.state))
            }
            Some(Err(_)) | None => format!("ceremony {key}"),
        },
        Some(Kind::Accepted) | None => format!("ceremony {key}"),
    }
}

/// What a write puts into the store.
const fn value_of(write: &Write) -> Option<&Value> {
    match write {
        Write::Put { value, .. } | Write::Create { value, .. } => Some(value),
        Write::Delete { .. } => None,
    }
}

/// What the operator has decided about validators for this node alone, if the write is about that.
fn decided(write: &Write) -> Option<String> {
    let value = value_of(write)?;
    let (what, ids) = if write.key() == BLOCKED {
        ("blocked", decode::<Blocked>(value).ok()?.into_iter().collect())
    } else if write.key() == FORGIVEN {
        ("forgiven", decode::<Forgiven>(value).ok()?.into_keys().collect::<Vec<_>>())
    } else {
        return None;
    };
    let names: Vec<_> = ids.iter().map(|id| short(*id)).collect();
    Some(format!("{what} by the operator, {} in all: {}", names.len(), names.join(" ")))
}

impl Log {
    /// Reads and verifies the log.
    pub(super) fn read(store: &dyn Store) -> Result<Self, AuditError> {
        let broken = |what| AuditError::Broken { number: 0, what };
        let Chain { base, entries, head } = Chain::read(store)?;
        let mut recent = BTreeMap::from([(base.length, base.hash)]);
        recent.extend(entries.iter().map(|placed| (placed.number, placed.hash)));
        // What the operator has taken note of may have been written in the place of what others saw: until then the node
        // went on writing. Whoever shows an end of before that shows nothing new.
        let accepted = entries.iter().rfind(|placed| placed.entry.kind == Kind::Accepted);
        if let Some(accepted) = accepted {
            recent = recent.split_off(&accepted.number);
        }
        let held = store.get(Table::Meta, HELD)?;
        let held = held.map(|value| decode(&value)).transpose();
        let held = held.map_err(|_| broken("the note that the store went back cannot be read"))?;
        let mut seen = BTreeMap::new();
        for (key, value) in store.list(Table::Meta)? {
            let Some(id) = key.strip_prefix(SEEN).and_then(|id| <&[u8; 32]>::try_from(id).ok()) else {
                continue;
            };
            let head = decode(&value).ok().zip(NodeId::from_bytes(id).ok());
            let (head, id) = head.ok_or_else(|| broken("what a peer has shown cannot be read"))?;
            seen.insert(id, head);
        }
        let mut log = Self {
            kept: u64::try_from(entries.len()).unwrap_or(u64::MAX),
            head,
            durable: head,
            waiting: VecDeque::new(),
            recent,
            held,
            seen,
            unsaved: BTreeSet::new(),
        };
        log.trim();
        Ok(log)
    }

    fn trim(&mut self) {
        let oldest = self.head.length.saturating_sub(RECENT);
        self.recent = self.recent.split_off(&oldest);
    }

    /// How many entries are in the store.
    const fn kept(&self) -> u64 {
        self.kept
    }

    /// Whether the log has this entry. Where nobody can tell, because it is older than what is remembered, or was lost
    /// and the operator knows, it has.
    fn has(&self, head: &Head) -> bool {
        match self.recent.get(&head.length) {
            Some(hash) => *hash == head.hash,
            None => head.length < self.head.length,
        }
    }

    /// Adds the entries of a transaction, and whatever else waits to be stored, to its writes.
    fn add(&mut self, id: WriteId, entries: Vec<Entry>, writes: &mut Vec<Write>) {
        let mut noted = None;
        for entry in entries {
            let [record, head] = self.head.extend(self.head.length.saturating_add(1), &entry);
            self.recent.insert(self.head.length, self.head.hash);
            writes.push(record);
            self.kept = self.kept.saturating_add(1);
            noted = Some(head);
        }
        if let Some(head) = noted {
            writes.push(head);
            self.waiting.push_back((id, self.head));
            self.trim();
        }
        for peer in std::mem::take(&mut self.unsaved) {
            if let Some(head) = self.seen.get(&peer) {
                writes.push(Write::put(Table::Meta, [SEEN, peer.as_bytes()].concat(), encode(head)));
            }
        }
    }
}

impl Node {
    /// Adds to a transaction what the log says of it.
    pub(super) fn audit(&mut self, id: WriteId, writes: &mut Vec<Write>) {
        let unix = self.now.unix;
        let entries = writes.iter().filter_map(|write| entry_of(write, unix)).collect();
        self.audit_log.add(id, entries, writes);
    }

    /// The transaction is durable, and with it the entries in it.
    pub(super) fn audited(&mut self, id: WriteId) {
        while let Some((_, head)) = self.audit_log.waiting.pop_front_if(|(write, _)| *write <= id) {
            self.audit_log.durable = head;
        }
    }
}

/// A word of the API.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
