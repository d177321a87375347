//! A backup: what a node must have to be the same node again on another machine, and nothing that may exist only once.
//!
//! In it: identity, cluster, keys with active and pending shares and the numbers of epochs used, moduli, evidence, records
//! of exports, configuration. Not in it: primes of the pool, tokens of invitations, records of requests and ceremonies.
//! Presignatures and running sessions are not even in the store. Read `exports.rs` next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Now;
use super::audit::{self, AuditError};
use super::evidence::EvidenceRecord;
use super::exports::{SHARE_MAGIC, holdings};
use super::node::{Node, OpenError, Settings};
use super::policy::Policy;
use super::records::{AUDIT_HEAD, DOOR, FORGOTTEN, GOVERNED, INVITATION, POLICY, RESTORED, decode, encode};
use super::requests::MAX_SKEW_S;
use super::setup::{self, NoIdentity};
use crate::identity::{ClusterId, ID_BYTES, NodeId};
use crate::store::memory::Memory;
use crate::store::sealed::SCHEMA_VERSION;
use crate::store::{MAX_KEY_BYTES, MAX_VALUE_BYTES, Record, Store, StoreError, Table, Value, Write};

/// First bytes of a backup, inside its seal.
const MAGIC: &[u8] = b"consign backup";

/// Version of the layout.
const VERSION: u32 = 1;

/// Largest backup, in bytes, before it is sealed: it is held in memory.
pub const MAX_BACKUP_BYTES: usize = 768 << 20;

/// Most records of a backup: each takes some memory, however short it is.
pub const MAX_RECORDS: usize = 1 << 18;

/// Most bytes of evidence in a backup; the rest is offered anew by the others, as far as they offer any.
const MAX_EVIDENCE_BYTES: usize = 64 << 20;

/// Longest configuration, in bytes.
const MAX_CONFIG_BYTES: usize = 64 << 10;

/// Tables that a backup holds whole, in this order, which is also that of the file.
const TABLES: [Table; 6] =
    [Table::Identity, Table::Roster, Table::Keys, Table::Aux, Table::Exports, Table::Evidence];

/// The records of the table `meta` that it holds.
const META: [&[u8]; 6] = [FORGOTTEN, INVITATION, DOOR, AUDIT_HEAD, GOVERNED, POLICY];

/// Why there is no backup, or it cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file holds something else.
    #[error("the file holds no backup: `consign backup` makes them")]
    NotABackup,
    /// The file holds an exported share.
    #[error("the file holds an exported share of a key, not a backup: `consign key assemble` takes it")]
    AShare,
    /// It was made by a newer version.
    #[error(
        "this backup has {what} version {found}, but this program knows versions up to {known}: use a newer version of consign"
    )]
    Newer {
        /// Of what.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest known one.
        known: u32,
    },
    /// It is not what it must be, though it was sealed so.
    #[error("the backup is damaged ({what}): use another one")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// The clock is behind that of the node that made it.
    #[error(
        "the clock of this machine is before the time at which the backup was made: set it, or requests of that time would be taken for new"
    )]
    Clock,
    /// More than fits.
    #[error(
        "the store holds more than a backup may, {MAX_BACKUP_BYTES} bytes in {MAX_RECORDS} records: keep a copy of the \
         data folder instead"
    )]
    TooLarge,
    /// What was taken from the store would not make a node again.
    #[error(
        "no backup was made, for nobody could restore it ({why}): keep the backups that there are, and a copy of the data folder"
    )]
    NotRestorable {
        /// What is wrong.
        why: String,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit log does not hold.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// There is no identity.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// There is no cluster, or a record is damaged.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A backup, opened.
pub struct Backup {
    node: NodeId,
    created: u64,
    config: String,
    records: Vec<(Table, Vec<u8>, Value)>,
}

/// A backup that was just made, and could be restored.
pub struct Made {
    /// The bytes to be sealed.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What was restored of them for a trial.
    pub trial: Restored,
    /// Records of the shares in it, to be durable before the file is written.
    pub leaving: Vec<Write>,
    /// Pieces of evidence for which there was no room.
    pub left_out: usize,
}

/// The restored node, after everything was checked.
pub struct Restored {
    /// Whose backup it was.
    pub node: NodeId,
    /// When it was made: Unix time in seconds.
    pub created: u64,
    /// The configuration, as `config.toml` has it.
    pub config: String,
    /// The policy that was in force when it was made, as `policy.toml` has it; nothing if there was none.
    pub policy: Option<String>,
    /// The cluster.
    pub cluster: ClusterId,
    /// What is to be in the store.
    pub store: Memory,
}

impl Restored {
    /// The first records of the store.
    #[must_use]
    pub fn into_writes(self) -> Vec<Write> {
        let records = self.store.into_records();
        records.map(|(table, key, value)| Write::Create { table, key, value }).collect()
    }
}

impl Backup {
    /// Makes a backup of the store of a stopped node, and restores it for a trial. `to` says who can open it.
    ///
    /// # Errors
    /// [`BackupError`]; then there is nothing to be written.
    pub fn take(
        store: &dyn Store,
        config: String,
        to: &str,
        now: Now,
        entropy: [u8; 32],
    ) -> Result<Made, BackupError> {
        let node = setup::identity(store)?.node_id();
        let leaving: Vec<_> =
            holdings(store)?.iter().flat_map(|held| held.records_of_backup(to, now.unix)).collect();
        let (mut records, mut left_out) = (Vec::new(), 0);
        for table in TABLES {
            let mut all = store.list(table)?;
            if table == Table::Evidence {
                let before = all.len();
                all = with_room(all)?;
                left_out = before - all.len();
            }
            if table == Table::Exports {
                let known: BTreeMap<_, _> = all.into_iter().chain(leaving.iter().cloned()).collect();
                all = known.into_iter().collect();
            }
            records.extend(all.into_iter().map(|(key, value)| (table, key, value)));
        }
        for key in META {
            records.extend(store.get(Table::Meta, key)?.map(|value| (Table::Meta, key.to_vec(), value)));
        }
        let backup = Backup { node, created: now.unix, config, records };
        if backup.length() > MAX_BACKUP_BYTES || backup.records.len() > MAX_RECORDS {
            return Err(BackupError::TooLarge);
        }
        let bytes = backup.encode();
        // It may be large, and is in memory once more already.
        drop(backup);
        let trial = Backup::decode(&bytes).and_then(|backup| backup.restore(now, entropy));
        let trial = trial.map_err(|error| BackupError::NotRestorable {
            why: if let BackupError::Damaged { what } = error { what } else { error.to_string() },
        })?;
        let leaving = leaving.into_iter().map(|(key, value)| Write::put(Table::Exports, key, value));
        let mut leaving: Vec<_> = leaving.collect();
        leaving.extend(audit::entry_of_backup(store, &leaving, to, now.unix)?);
        Ok(Made { bytes, trial, leaving, left_out })
    }

    /// The bytes to be sealed (`docs/storage.md`).
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        // One allocation: a growing buffer would leave copies of secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.length()));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&SCHEMA_VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.created.to_be_bytes());
        bytes.extend_from_slice(self.node.as_bytes());
        put(&mut bytes, self.config.as_bytes());
        bytes.extend_from_slice(&number(self.records.len()));
        for (table, key, value) in &self.records {
            put(&mut bytes, table.name().as_bytes());
            put(&mut bytes, key);
            put(&mut bytes, value);
        }
        bytes
    }

    fn length(&self) -> usize {
        let records = self
            .records
            .iter()
            .map(|(table, key, value)| 3 * LENGTH_BYTES + table.name().len() + key.len() + value.len());
        let head = MAGIC.len() + 4 + 4 + 8 + ID_BYTES + 2 * LENGTH_BYTES + self.config.len();
        head + records.sum::<usize>()
    }

    /// Reads what was sealed. What the records say is not checked yet.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn decode(bytes: &[u8]) -> Result<Backup, BackupError> {
        if bytes.starts_with(SHARE_MAGIC) {
            return Err(BackupError::AShare);
        }
        if bytes.len() > MAX_BACKUP_BYTES {
            return Err(damaged("it is longer than any"));
        }
        let mut rest = Reader(bytes.strip_prefix(MAGIC).ok_or(BackupError::NotABackup)?);
        for (what, known) in [("format", VERSION), ("store schema", SCHEMA_VERSION)] {
            let found = u32::from_be_bytes(rest.array()?);
            if found > known {
                return Err(BackupError::Newer { what, found, known });
            }
            if found < known {
                return Err(damaged(format!("{what} version {found} never existed")));
            }
        }
        let created = u64::from_be_bytes(rest.array()?);
        let node = NodeId::from_bytes(&rest.array()?).map_err(|e| damaged(e.to_string()))?;
        let config = rest.bytes(MAX_CONFIG_BYTES)?.to_vec();
        let config = String::from_utf8(config).map_err(|_| damaged("the configuration is no text"))?;
        let mut records = Vec::new();
        let count = u32::from_be_bytes(rest.array()?);
        if usize::try_from(count).ok().is_none_or(|count| count > MAX_RECORDS) {
            return Err(damaged("it has more records than any"));
        }
        for _ in 0..count {
            let table = table(rest.bytes(MAX_KEY_BYTES)?)?;
            let key = rest.bytes(MAX_KEY_BYTES)?.to_vec();
            let value = Value::from(rest.bytes(MAX_VALUE_BYTES)?);
            if table == Table::Meta && !META.contains(&key.as_slice()) {
                return Err(damaged("it holds what no backup holds"));
            }
            records.push((table, key, value));
        }
        if !rest.0.is_empty() {
            return Err(damaged("something follows its end"));
        }
        Ok(Backup { node, created, config, records })
    }

    /// The node again. Everything is read as the node will read it, so what could keep it from starting shows here.
    /// Requests that clients made before its first start are refused there ([`Node::open`]): records of what was done for
    /// them are not in the backup, and the others may go on until then.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn restore(self, now: Now, entropy: [u8; 32]) -> Result<Restored, BackupError> {
        if self.created > now.unix.saturating_add(MAX_SKEW_S) {
            return Err(BackupError::Clock);
        }
        let mut store = Memory::of_records(self.records).map_err(broken)?;
        store.insert(Table::Meta, RESTORED.to_vec(), encode(&now.unix))?;
        let log = audit::end(&store).map_err(broken)?;
        for (key, value) in audit::restored(log) {
            store.insert(Table::Meta, key.to_vec(), value)?;
        }

        let identity = setup::identity(&store).map_err(broken)?;
        if identity.node_id() != self.node {
            return Err(damaged("its identity is another one than it says"));
        }
        let settings = Settings {
            require_clients: false,
            name: "restore".to_owned(),
            addresses: Vec::new(),
            version: String::new(),
            keep_presignatures: 0,
            batch_verification: true,
        };
        let (_, _) = Node::open(Arc::new(identity), settings, &store, entropy, now).map_err(broken)?;
        holdings(&store).map_err(broken)?;
        let cluster = setup::cluster(&store).map_err(broken)?;
        let policy = store.get(Table::Meta, POLICY)?.map(|value| decode::<String>(&value)).transpose();
        let policy = policy.map_err(|_| damaged("the policy cannot be read"))?;
        if let Some(text) = &policy {
            Policy::parse(text).map_err(|e| damaged(format!("the policy: {e}")))?;
        }
        let (node, created, config) = (self.node, self.created, self.config);
        Ok(Restored { node, created, config, policy, cluster, store })
    }
}

/// The evidence for which there is room.
fn with_room(all: Vec<Record>) -> Result<Vec<Record>, OpenError> {
    let mut pieces = Vec::new();
    for (_, value) in &all {
        let record: EvidenceRecord =
            decode(value).map_err(|source| OpenError::Record { what: "evidence", source })?;
        pieces.push((record.file.accused, value.len()));
    }
    let chosen = choose(&pieces, MAX_EVIDENCE_BYTES);
    Ok(all.into_iter().enumerate().filter(|(at, _)| chosen.contains(at)).map(|(_, record)| record).collect())
}

/// Which pieces of evidence, given as accused and length, are within `most` bytes together: first the shortest against each
/// accused, which is all that a conviction needs, then others, shorter ones before longer ones.
fn choose(pieces: &[(NodeId, usize)], most: usize) -> BTreeSet<usize> {
    let mut order: Vec<_> = pieces.iter().enumerate().map(|(at, piece)| (piece.1, at, piece.0)).collect();
    order.sort_unstable();
    let mut accused = BTreeSet::new();
    let mut ranked: Vec<_> =
        order.into_iter().map(|(length, at, who)| (!accused.insert(who), length, at)).collect();
    ranked.sort_unstable();
    let mut left = most;
    let mut chosen = BTreeSet::new();
    for (_, length, at) in ranked {
        if let Some(rest) = left.checked_sub(length) {
            left = rest;
            chosen.insert(at);
        }
    }
    chosen
}

/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

/// A length or count, 4 bytes, big endian.
fn number(length: usize) -> [u8; LENGTH_BYTES] {
    u32::try_from(length).expect("invariant: a backup is shorter than 4 GiB").to_be_bytes()
}

/// A length, then that many bytes.
fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&number(part.len()));
    bytes.extend_from_slice(part);
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(|| damaged("it ends too early"))?;
        self.0 = rest;
        Ok(*array)
    }

    /// A length of at most `most`, then that many bytes.
    fn bytes(&mut self, most: usize) -> Result<&'a [u8], BackupError> {
        let length = u32::from_be_bytes(self.array()?);
        let length = usize::try_from(length).ok().filter(|length| *length <= most);
        let length = length.ok_or_else(|| damaged("a part of it is too long"))?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(|| damaged("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }
}

/// The table with this name, if a backup may hold it.
fn table(name: &[u8]) -> Result<Table, BackupError> {
    let mut all = TABLES.into_iter().chain([Table::Meta]);
    let table = all.find(|table| table.name().as_bytes() == name);
    table.ok_or_else(|| damaged("it holds what no backup holds"))
}

fn damaged(what: impl Into<String>) -> BackupError {
    BackupError::Damaged { what: what.into() }
}

/// An error of something that reads a store, where the store is the backup.
fn broken(error: impl std::error::Error) -> BackupError {
    damaged(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::age;
    use crate::core::invitation::Invitation;
    use crate::identity::Identity;

    /// A file of the first version, which every later program must read, and its bytes.
    #[test]
    fn a_backup_is_frozen() {
        let identity = age::Identity::read(include_bytes!("../age/fixtures/one.identity")).unwrap();
        let file = include_bytes!("fixtures/founder.backup");
        let plain = age::open(file, &age::Key::Identities(identity)).unwrap();
        let backup = Backup::decode(&plain).unwrap();
        assert_eq!(backup.encode(), plain);
        assert!(backup.config.contains("name = \"anna\""), "{}", backup.config);
        let (node, created, records) = (backup.node, backup.created, backup.records.len());
        let now = Now { monotonic: 0, unix: created };
        let restored = backup.restore(now, [7; 32]).unwrap();
        assert_eq!((restored.node, restored.created), (node, created));
        assert_eq!(setup::identity(&restored.store).unwrap().node_id(), node);
        // What it was, and the two marks of a restored node.
        assert_eq!(restored.store.into_records().count(), records + 2);
    }

    fn node(seed: u8) -> NodeId {
        Identity::from_seed(&[seed; 32]).node_id()
    }

    #[test]
    fn every_conviction_comes_before_more_evidence_of_one() {
        let pieces =
            [(node(1), 50), (node(1), 10), (node(1), 11), (node(2), 60), (node(3), 90), (node(2), 70)];
        let chosen = |most| choose(&pieces, most).into_iter().collect::<Vec<_>>();
        assert_eq!(chosen(1_000), [0, 1, 2, 3, 4, 5]);
        assert_eq!(chosen(160), [1, 3, 4]);
        assert_eq!(chosen(180), [1, 2, 3, 4]);
        assert_eq!(chosen(100), [1, 2, 3]);
        assert!(chosen(9).is_empty());
    }

    /// A node that was not let in yet asks again after the restore.
    #[test]
    fn an_invitation_survives() {
        let me = Identity::from_seed(&[3; 32]);
        let invitation = Invitation {
            cluster: ClusterId::from_bytes([4; 32]),
            charter: crate::core::hash::Hash([5; 32]),
            founder: node(6),
            addresses: vec!["/ip4/127.0.0.1/tcp/7000".to_owned()],
            expires: 2_000,
            token: [7; 16],
        };
        let mut store = Memory::new();
        store.apply(&setup::joiner(&me, &invitation)).unwrap();
        let now = Now { monotonic: 0, unix: 1_000 };
        let made = Backup::take(&store, String::new(), "passphrase", now, [8; 32]).unwrap();
        let restored = Backup::decode(&made.bytes).unwrap().restore(now, [8; 32]).unwrap();
        assert_eq!((restored.node, restored.cluster), (me.node_id(), invitation.cluster));
        let kept = restored.store.get(Table::Meta, INVITATION).unwrap().unwrap();
        assert_eq!(decode::<Invitation>(&kept).unwrap(), invitation);
    }
}
