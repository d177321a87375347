//! The embedded backend: one redb file, one table per [`Table`], keys and values as bytes.
//!
//! Commits are immediate (synced before they return) and two-phase: redb's checksum is not
//! cryptographic, and the second sync keeps a crash in the middle of a commit from being read as a
//! commit. The whole file is checked when it is opened, so damage shows then and not in mid-ceremony.

use std::io;
use std::path::Path;

use ::redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition, TableError,
};

use super::{Record, Store, StoreError, Table, Value, Write, check_key, check_limits};
use crate::config::private_file;

/// Memory for cached pages, in bytes. A node's records are small; redb's own default is 1 GiB.
const CACHE_BYTES: usize = 64 << 20;

/// A redb file.
pub(crate) struct Redb {
    database: Database,
}

impl Redb {
    /// Makes an empty database file (mode 0600) where none is.
    pub(crate) fn create(path: &Path) -> Result<Redb, StoreError> {
        drop(private_file(path).map_err(|e| StoreError::io("create", path, e))?);
        Redb::open(path)
    }

    /// Opens a database file and checks it whole.
    pub(crate) fn open(path: &Path) -> Result<Redb, StoreError> {
        if !path.try_exists().map_err(|e| StoreError::io("look for", path, e))? {
            return Err(StoreError::NotFound { path: path.to_owned() });
        }
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create(path)
            .map_err(|e| opening(e, path))?;
        Ok(Redb { database })
    }

    /// Runs `change` in one write transaction; commits if it succeeds, else leaves nothing.
    fn transact<T>(
        &self,
        change: impl FnOnce(&::redb::WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut transaction = self.database.begin_write().map_err(failed)?;
        transaction.set_durability(Durability::Immediate).map_err(failed)?;
        transaction.set_two_phase_commit(true);
        let result = change(&transaction);
        match result {
            Ok(value) => {
                transaction.commit().map_err(failed)?;
                Ok(value)
            }
            Err(error) => {
                transaction.abort().map_err(failed)?;
                Err(error)
            }
        }
    }
}

impl Store for Redb {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        check_key(key)?;
        let reading = self.database.begin_read().map_err(failed)?;
        let records = match reading.open_table(definition(table)) {
            Ok(records) => records,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        Ok(records.get(key).map_err(failed)?.map(|guard| Value::from(guard.value())))
    }

    fn list(&self, table: Table) -> Result<Vec<Record>, StoreError> {
        let reading = self.database.begin_read().map_err(failed)?;
        let records = match reading.open_table(definition(table)) {
            Ok(records) => records,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let mut found = Vec::new();
        for record in records.iter().map_err(failed)? {
            let (key, value) = record.map_err(failed)?;
            found.push((key.value().to_vec(), Value::from(value.value())));
        }
        Ok(found)
    }

    fn apply(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        check_limits(writes)?;
        self.transact(|transaction| {
            for write in writes {
                let mut records = transaction.open_table(definition(write.table())).map_err(failed)?;
                match write {
                    Write::Put { key, value, .. } => {
                        records.insert(key.as_slice(), value.as_bytes()).map_err(failed)?;
                    }
                    Write::Create { table, key, value } => {
                        let before = records.insert(key.as_slice(), value.as_bytes()).map_err(failed)?;
                        if before.is_some() {
                            return Err(StoreError::Exists { table: *table, key: hex::encode(key) });
                        }
                    }
                    Write::Delete { key, .. } => {
                        records.remove(key.as_slice()).map_err(failed)?;
                    }
                }
            }
            Ok(())
        })
    }

    fn take(&mut self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        check_key(key)?;
        self.transact(|transaction| {
            let mut records = transaction.open_table(definition(table)).map_err(failed)?;
            let taken = records.remove(key).map_err(failed)?;
            Ok(taken.map(|guard| Value::from(guard.value())))
        })
    }
}

/// The redb table of a [`Table`].
fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// Any redb failure while the database is open.
#[allow(clippy::wildcard_enum_match_arm, reason = "redb's errors may grow; the rest means the same to us")]
fn failed(error: impl Into<::redb::Error>) -> StoreError {
    match error.into() {
        ::redb::Error::Corrupted(what) => StoreError::damaged(what),
        other => StoreError::Backend(other.to_string()),
    }
}

/// A failure to open the file, told so that the operator knows what to do.
#[allow(clippy::wildcard_enum_match_arm, reason = "redb's errors may grow; the rest means the same to us")]
fn opening(error: DatabaseError, path: &Path) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse { path: path.to_owned() }
        }
        DatabaseError::Storage(StorageError::Io(source))
            if matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            StoreError::damaged(source.to_string())
        }
        DatabaseError::Storage(StorageError::Io(source)) => StoreError::io("open", path, source),
        DatabaseError::Storage(StorageError::Corrupted(what)) => StoreError::damaged(what),
        other => StoreError::Backend(other.to_string()),
    }
}
