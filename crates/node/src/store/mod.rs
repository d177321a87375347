//! The durable store: what a node must still know after its process died.
//!
//! One trait, [`Store`], with atomic and durable writes. `redb` keeps it in one file, `redis` on a server,
//! [`memory`] in a map (simulations and tests), and [`sealed`] wraps any
//! of them so that values are encrypted and authenticated before they reach the backend. A node uses
//! [`NodeStore`], made and opened by its [`Place`]; the raw backends stay inside the crate.
//!
//! Read next: [`sealed`] for the record format, [`unlock`] for where the
//! data key comes from, and `docs/storage.md` for the bytes.

mod error;
pub mod memory;
mod migrate;
pub mod place;
pub(crate) mod redb;
mod redis;
pub mod sealed;
mod tenure;
pub mod unlock;
mod value;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::StoreError;
pub use place::{Place, RedisUrl};
pub use tenure::Tenure;
pub use unlock::{Passphrase, Unlock};
pub use value::Value;

/// Longest record key, in bytes. Keys are ids and short names; a longer one is a bug of the caller.
pub const MAX_KEY_BYTES: usize = 512;

/// Largest value, in bytes, before sealing. Aux info of a committee of 100 stays well below 1 MiB;
/// evidence may reach 8 MiB.
pub const MAX_VALUE_BYTES: usize = 16 << 20;

/// Most writes in one transaction: far above any real transaction, far below exhausting memory.
pub const MAX_WRITES: usize = 4096;

/// What a record is about. Each table is a separate space of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The store's own header: schema version and wrapped data key. Only the store writes it.
    Header,
    /// The node's identity key.
    Identity,
    /// Charter, announcements, vouches.
    Roster,
    /// Key shares, active and pending.
    Keys,
    /// Auxiliary info of committees.
    Aux,
    /// Safe primes made ahead of time; each may be used once, see [`Store::take`].
    Primes,
    /// Records of ceremonies.
    Ceremonies,
    /// Records of client requests; see [`Write::Create`].
    Requests,
    /// Evidence against cheating parties.
    Evidence,
    /// Records of shares that were exported.
    Exports,
    /// The audit log.
    Audit,
    /// Messages of applications.
    Messages,
    /// Everything a node remembers about itself: cluster id, counters, marks.
    Meta,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 13] = [
        Table::Header,
        Table::Identity,
        Table::Roster,
        Table::Keys,
        Table::Aux,
        Table::Primes,
        Table::Ceremonies,
        Table::Requests,
        Table::Evidence,
        Table::Exports,
        Table::Audit,
        Table::Messages,
        Table::Meta,
    ];

    /// The table's name on disk. It is part of the file format and of every seal: never change one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Table::Header => "header",
            Table::Identity => "identity",
            Table::Roster => "roster",
            Table::Keys => "keys",
            Table::Aux => "aux",
            Table::Primes => "primes",
            Table::Ceremonies => "ceremonies",
            Table::Requests => "requests",
            Table::Evidence => "evidence",
            Table::Exports => "exports",
            Table::Audit => "audit",
            Table::Messages => "messages",
            Table::Meta => "meta",
        }
    }

    /// Whether values are sealed before they reach the backend: all but the header, which must be
    /// read before the data key is known. Public records are sealed too, because a seal also
    /// authenticates: who can edit the file can remove a record, but cannot forge one.
    #[must_use]
    pub const fn is_sealed(self) -> bool {
        !matches!(self, Table::Header)
    }
}

/// One change inside a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Stores `value` under `key`, replacing what was there.
    Put {
        /// Where.
        table: Table,
        /// Under which key, 1..=[`MAX_KEY_BYTES`] bytes.
        key: Vec<u8>,
        /// What, at most [`MAX_VALUE_BYTES`] bytes.
        value: Value,
    },
    /// Stores `value` under `key`, which must not exist: otherwise the whole transaction is refused
    /// with [`StoreError::Exists`]. Claims what may be claimed only once, such as a request record.
    Create {
        /// Where.
        table: Table,
        /// Under which key, 1..=[`MAX_KEY_BYTES`] bytes.
        key: Vec<u8>,
        /// What, at most [`MAX_VALUE_BYTES`] bytes.
        value: Value,
    },
    /// Removes `key`; nothing happens if it is not there.
    Delete {
        /// Where.
        table: Table,
        /// Which key.
        key: Vec<u8>,
    },
}

impl Write {
    /// A [`Write::Put`].
    pub fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Value>) -> Write {
        Write::Put { table, key: key.into(), value: value.into() }
    }

    /// A [`Write::Create`].
    pub fn create(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Value>) -> Write {
        Write::Create { table, key: key.into(), value: value.into() }
    }

    /// A [`Write::Delete`].
    pub fn delete(table: Table, key: impl Into<Vec<u8>>) -> Write {
        Write::Delete { table, key: key.into() }
    }

    /// The table the write touches.
    #[must_use]
    pub const fn table(&self) -> Table {
        match self {
            Write::Put { table, .. } | Write::Create { table, .. } | Write::Delete { table, .. } => *table,
        }
    }

    /// The record key the write touches.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match self {
            Write::Put { key, .. } | Write::Create { key, .. } | Write::Delete { key, .. } => key,
        }
    }
}

/// One record as [`Store::list`] returns it: key and value.
pub type Record = (Vec<u8>, Value);

/// Durable records in tables. Every backend passes the same conformance tests.
pub trait Store: Send {
    /// The value under `key`, or `None`.
    ///
    /// # Errors
    /// If the backend cannot be read, or the record does not open.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError>;

    /// All records of a table, in ascending byte order of their keys.
    ///
    /// # Errors
    /// If the backend cannot be read, or a record does not open.
    fn list(&self, table: Table) -> Result<Vec<Record>, StoreError>;

    /// Applies all writes in order, or none. When this returns `Ok` they are durable (synced).
    ///
    /// # Errors
    /// [`StoreError::Exists`] if a [`Write::Create`] finds its key taken; a limit is exceeded; or the
    /// backend failed. After an error with [`StoreError::is_fatal`] it is unknown whether the
    /// writes are durable, and the process must end.
    fn apply(&mut self, writes: &[Write]) -> Result<(), StoreError>;

    /// Removes a record and returns it, in one atomic and durable step: of several callers, exactly
    /// one gets it.
    ///
    /// # Errors
    /// As [`Store::get`] and [`Store::apply`].
    fn take(&mut self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError>;

    /// After how long without a write [`renew`](Self::renew) wants to be called, if it does at all.
    fn renewal(&self) -> Option<Duration> {
        None
    }

    /// Keeps the store for this process, where others could take it over.
    ///
    /// # Errors
    /// If it was taken over, or the backend failed: the process must end.
    fn renew(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Until when this process may speak for its party, where others could take the store over.
    fn tenure(&self) -> Option<Tenure> {
        None
    }
}

impl Store for Box<dyn Store> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        (**self).get(table, key)
    }

    fn list(&self, table: Table) -> Result<Vec<Record>, StoreError> {
        (**self).list(table)
    }

    fn apply(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        (**self).apply(writes)
    }

    fn take(&mut self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        (**self).take(table, key)
    }

    fn renewal(&self) -> Option<Duration> {
        (**self).renewal()
    }

    fn renew(&mut self) -> Result<(), StoreError> {
        (**self).renew()
    }

    fn tenure(&self) -> Option<Tenure> {
        (**self).tenure()
    }
}

/// The store a node runs on: sealed records, wherever its [`Place`] is.
pub type NodeStore = sealed::Sealed<Box<dyn Store>>;

/// Makes a new store file at `path` (mode 0600), holding the records of `first`, however many.
///
/// The file appears under its name only once it is complete and synced: an interrupted creation
/// leaves no store behind.
///
/// # Errors
/// [`StoreError::AlreadyExists`] if there is a file at `path`; a passphrase or key file that cannot be
/// used; the folder cannot be written.
pub fn create(path: &Path, unlock: &Unlock, first: &[Write]) -> Result<NodeStore, StoreError> {
    create_at_cost(path, unlock, unlock::Cost::STANDARD, first)
}

/// [`create`] with the cost of the passphrase derivation given.
fn create_at_cost(
    path: &Path,
    unlock: &Unlock,
    cost: unlock::Cost,
    first: &[Write],
) -> Result<NodeStore, StoreError> {
    if path.try_exists().map_err(|e| StoreError::io("look for", path, e))? {
        return Err(StoreError::AlreadyExists { path: path.to_owned() });
    }
    let draft = draft_path(path);
    match std::fs::remove_file(&draft) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(StoreError::io("remove the unfinished", &draft, e)),
    }
    let backend = redb::Redb::create(&draft)?;
    let mut store = sealed::Sealed::create(backend, unlock, cost, &[])?;
    apply_in_parts(&mut store, first)?;
    std::fs::rename(&draft, path).map_err(|e| StoreError::io("put in place", path, e))?;
    sync_folder(path)?;
    Ok(store.boxed())
}

/// Opens the store file at `path`.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::InUse`], [`StoreError::WrongSecret`],
/// [`StoreError::FutureSchema`], [`StoreError::Damaged`] and I/O errors, each saying what to do.
pub fn open(path: &Path, unlock: &Unlock) -> Result<NodeStore, StoreError> {
    Ok(sealed::Sealed::open(redb::Redb::open(path)?, unlock)?.boxed())
}

/// Applies more writes than one transaction may have. Whoever needs all or none of them sees to that in another way.
pub(crate) fn apply_in_parts(store: &mut dyn Store, writes: &[Write]) -> Result<(), StoreError> {
    writes.chunks(MAX_WRITES / 4).try_for_each(|part| store.apply(part))
}

/// Where a store is built before it gets its name.
fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Syncs the folder that holds `path`: without this a crash may undo a rename.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(|e| StoreError::io("sync the folder", folder, e))
}

/// Checks the limits every backend has in common.
fn check_limits(writes: &[Write]) -> Result<(), StoreError> {
    if writes.len() > MAX_WRITES {
        return Err(StoreError::TooLarge { what: "transaction", size: writes.len(), limit: MAX_WRITES });
    }
    for write in writes {
        check_key(write.key())?;
        if let Write::Put { value, .. } | Write::Create { value, .. } = write
            && value.len() > MAX_VALUE_BYTES + sealed::OVERHEAD_BYTES
        {
            return Err(StoreError::TooLarge { what: "value", size: value.len(), limit: MAX_VALUE_BYTES });
        }
    }
    Ok(())
}

/// Checks the length of a record key.
fn check_key(key: &[u8]) -> Result<(), StoreError> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(StoreError::TooLarge { what: "record key", size: key.len(), limit: MAX_KEY_BYTES });
    }
    Ok(())
}
