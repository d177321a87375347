//! A store in memory, for simulations and tests: a clone is a disk image, and a crash is going back
//! to one.

use std::collections::BTreeMap;

use super::{Record, Store, StoreError, Table, Value, Write, check_key, check_limits};

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
