//! A backup: what a node must have to be the same node again on another machine, and nothing that may exist only once.
//!
//! In it: identity, cluster, keys with active and pending shares and the numbers of epochs used, moduli, evidence, records
//! of exports, configuration. Not in it: primes of the pool, tokens of invitations, records of requests and ceremonies.
//! Presignatures and running sessions are not even in the store. Read `exports.rs` next.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::Now;
use super::exports::SHARE_MAGIC;
use super::node::{Node, OpenError, Settings};
use super::records::{FORGOTTEN, INVITATION, decode, encode};
use super::requests::MAX_SKEW_S;
use super::setup::{self, NoIdentity};
use crate::identity::{ClusterId, ID_BYTES, NodeId};
use crate::store::memory::Memory;
use crate::store::sealed::SCHEMA_VERSION;
use crate::store::{MAX_KEY_BYTES, MAX_VALUE_BYTES, Store, StoreError, Table, Value, Write, apply_in_parts};

/// First bytes of a backup, inside its seal.
const MAGIC: &[u8] = b"consign backup";

/// Version of the layout.
const VERSION: u32 = 1;

/// Largest backup, in bytes, before it is sealed: it is held in memory.
pub const MAX_BACKUP_BYTES: usize = 768 << 20;

/// Most bytes of evidence in a backup; the rest is offered anew by the others, as far as they offer any.
const MAX_EVIDENCE_BYTES: usize = 64 << 20;

/// Longest configuration, in bytes.
const MAX_CONFIG_BYTES: usize = 64 << 10;

/// Tables that a backup holds whole, in this order, which is also that of the file.
const TABLES: [Table; 6] =
    [Table::Identity, Table::Roster, Table::Keys, Table::Aux, Table::Exports, Table::Evidence];

/// The records of the table `meta` that it holds.
const META: [&[u8]; 2] = [FORGOTTEN, INVITATION];

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
        "the store holds more than a backup may, {MAX_BACKUP_BYTES} bytes: keep a copy of the data folder instead"
    )]
    TooLarge,
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no identity.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// There is no cluster, or a record is damaged.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A backup, opened.
pub struct Backup {
    /// Whose.
    pub node: NodeId,
    /// When it was made: Unix time in seconds.
    pub created: u64,
    /// The configuration, as `config.toml` has it.
    pub config: String,
    records: Vec<(Table, Vec<u8>, Value)>,
    /// Pieces of evidence for which there was no room; known only where the backup is made.
    pub left_out: usize,
}

/// What goes into the store of the restored node, after everything was checked.
pub struct Restored {
    /// The records.
    pub writes: Vec<Write>,
    /// The same as a store, to look at.
    pub store: Memory,
    /// The cluster.
    pub cluster: ClusterId,
    /// Requests that clients made until then are refused: Unix time in seconds.
    pub refuses_until: u64,
}

impl Backup {
    /// Takes from the store of a stopped node what a backup holds.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn take(store: &dyn Store, config: String, now_unix: u64) -> Result<Backup, BackupError> {
        let node = setup::identity(store)?.node_id();
        let (mut records, mut left_out, mut evidence) = (Vec::new(), 0, 0);
        for table in TABLES {
            for (key, value) in store.list(table)? {
                if table == Table::Evidence {
                    if evidence + value.len() > MAX_EVIDENCE_BYTES {
                        left_out += 1;
                        continue;
                    }
                    evidence += value.len();
                }
                records.push((table, key, value));
            }
        }
        for key in META {
            records.extend(store.get(Table::Meta, key)?.map(|value| (Table::Meta, key.to_vec(), value)));
        }
        let backup = Backup { node, created: now_unix, config, records, left_out };
        if backup.length() > MAX_BACKUP_BYTES { Err(BackupError::TooLarge) } else { Ok(backup) }
    }

    /// The bytes to be sealed (`docs/storage.md`).
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
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
        for _ in 0..u32::from_be_bytes(rest.array()?) {
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
        Ok(Backup { node, created, config, records, left_out: 0 })
    }

    /// What is to be written into the store of the restored node. Everything is read as the node will read it, so what
    /// could keep it from starting shows here. Requests that clients made before `now` are refused from then on: records
    /// of what was done for them are not in the backup.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn restore(&self, now: Now, entropy: [u8; 32]) -> Result<Restored, BackupError> {
        if self.created > now.unix.saturating_add(MAX_SKEW_S) {
            return Err(BackupError::Clock);
        }
        let records =
            self.records.iter().map(|(table, key, value)| Write::create(*table, &**key, value.clone()));
        let mut writes: Vec<_> = records.collect();
        let mut store = Memory::new();
        apply_in_parts(&mut store, &writes).map_err(broken)?;
        let forgotten = store.get(Table::Meta, FORGOTTEN)?.map(|value| decode::<u64>(&value)).transpose();
        let refuses_until = forgotten.map_err(broken)?.unwrap_or(0).max(now.unix);
        let mark = Write::put(Table::Meta, FORGOTTEN, encode(&refuses_until));
        store.apply(std::slice::from_ref(&mark))?;
        writes.push(mark);

        let identity = setup::identity(&store).map_err(broken)?;
        if identity.node_id() != self.node {
            return Err(damaged("its identity is another one than it says"));
        }
        let settings = Settings {
            name: "restore".to_owned(),
            addresses: Vec::new(),
            version: String::new(),
            keep_presignatures: 0,
        };
        let (_, _) = Node::open(Arc::new(identity), settings, &store, entropy, now).map_err(broken)?;
        let cluster = setup::cluster(&store).map_err(broken)?;
        Ok(Restored { writes, store, cluster, refuses_until })
    }
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
    use crate::age::{self, Identity, Key};

    /// A file of the first version, which every later program must read, and its bytes.
    #[test]
    fn a_backup_is_frozen() {
        let identity = Identity::read(include_bytes!("../age/fixtures/one.identity")).unwrap();
        let file = include_bytes!("fixtures/founder.backup");
        let plain = age::open(file, &Key::Identities(identity)).unwrap();
        let backup = Backup::decode(&plain).unwrap();
        assert_eq!(backup.encode(), plain);
        assert!(backup.config.contains("name = \"anna\""), "{}", backup.config);
        let now = Now { monotonic: 0, unix: backup.created };
        let restored = backup.restore(now, [7; 32]).unwrap();
        assert_eq!(setup::identity(&restored.store).unwrap().node_id(), backup.node);
        assert_eq!(restored.refuses_until, backup.created);
        let again = Backup::take(&restored.store, backup.config.clone(), backup.created).unwrap();
        assert_eq!(
            (again.node, again.left_out, again.records.len()),
            (backup.node, 0, backup.records.len() + 1)
        );
    }
}
