//! A store in memory, for simulations and tests: a clone is a disk image, and a crash is going back
//! to one.

use std::collections::BTreeMap;

use super::{MAX_VALUE_BYTES, Record, Store, StoreError, Table, Value, Write, check_key, check_limits};

/// Records in a map. "Durable" here means: in the map when `apply` returns.
#[derive(Clone, Default)]
pub struct Memory {
    records: BTreeMap<(Table, Vec<u8>), Value>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Memory {
        Memory::default()
    }

    /// A store of these records, which are moved.
    ///
    /// # Errors
    /// A key or value is longer than allowed, or comes twice.
    pub(crate) fn of_records(
        records: impl IntoIterator<Item = (Table, Vec<u8>, Value)>,
    ) -> Result<Memory, StoreError> {
        let mut store = Memory::new();
        for (table, key, value) in records {
            store.insert(table, key, value)?;
        }
        Ok(store)
    }

    /// Adds one record. A transaction would copy the whole store.
    ///
    /// # Errors
    /// As [`of_records`](Self::of_records).
    pub(crate) fn insert(&mut self, table: Table, key: Vec<u8>, value: Value) -> Result<(), StoreError> {
        check_key(&key)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(StoreError::TooLarge { what: "value", size: value.len(), limit: MAX_VALUE_BYTES });
        }
        let name = (table, key);
        if self.records.contains_key(&name) {
            return Err(StoreError::Exists { table, key: hex::encode(name.1) });
        }
        self.records.insert(name, value);
        Ok(())
    }

    /// All records, moved out.
    pub(crate) fn into_records(self) -> impl Iterator<Item = (Table, Vec<u8>, Value)> {
        self.records.into_iter().map(|((table, key), value)| (table, key, value))
    }
}

impl Store for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        check_key(key)?;
        Ok(self.records.get(&(table, key.to_vec())).cloned())
    }

    fn list(&self, table: Table) -> Result<Vec<Record>, StoreError> {
        let of_table = self.records.range((table, Vec::new())..).take_while(|((t, _), _)| *t == table);
        Ok(of_table.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn apply(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        check_limits(writes)?;
        let mut changed = self.records.clone();
        for write in writes {
            match write {
                Write::Put { table, key, value } => {
                    changed.insert((*table, key.clone()), value.clone());
                }
                Write::Create { table, key, value } => {
                    if changed.insert((*table, key.clone()), value.clone()).is_some() {
                        return Err(StoreError::Exists { table: *table, key: hex::encode(key) });
                    }
                }
                Write::Delete { table, key } => {
                    changed.remove(&(*table, key.clone()));
                }
            }
        }
        self.records = changed;
        Ok(())
    }

    fn take(&mut self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        check_key(key)?;
        Ok(self.records.remove(&(table, key.to_vec())))
    }
}
