//! Sealed records: any [`Store`] behind encryption.
//!
//! A value is stored as `version ‖ nonce ‖ XChaCha20-Poly1305(data key, nonce, value)`, with
//! `domain ‖ version ‖ table ‖ record key` as associated data: so a record moved to another key or
//! table, or taken from another store, does not open. Nonces are random; 24 bytes make a repetition
//! negligible. What no seal can show is that a record, or the whole file, went back to an older state.

use std::time::Duration;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::migrate::{FIRST_SCHEMA, STEPS, Step};
use super::unlock::{self, Cost, SecretKey, Unlock};
use super::{MAX_VALUE_BYTES, Record, Store, StoreError, Table, Tenure, Value, Write};

/// The schema this program writes. A store of a newer one is refused, one of an older is brought up to it when it is opened
/// (`migrate.rs`).
pub const SCHEMA_VERSION: u32 = 1;

/// Bytes a seal adds to a value: version, nonce, tag.
pub const OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// Version of the sealed record's layout.
const SEAL_VERSION: u8 = 1;

/// Separates the associated data of records from every other use of the same cipher.
const SEAL_DOMAIN: &[u8] = b"consign store record v1";

/// Header record: the schema version, four bytes, big endian.
const SCHEMA_KEY: &[u8] = b"schema";

/// Header record: the wrapped data key.
const DATA_KEY_KEY: &[u8] = b"data-key";

/// A store whose values are sealed in the store below it.
pub struct Sealed<B> {
    inner: B,
    data_key: SecretKey,
    cipher: XChaCha20Poly1305,
}

impl<B: Store> Sealed<B> {
    /// Makes an empty backend into a sealed store that holds `first`, in one transaction.
    pub(super) fn create(
        inner: B,
        unlock: &Unlock,
        cost: Cost,
        first: &[Write],
    ) -> Result<Sealed<B>, StoreError> {
        let data_key = unlock::new_data_key()?;
        let wrapped = unlock::wrap(&data_key, unlock, cost)?;
        let mut store = Sealed { inner, cipher: unlock::cipher(&data_key), data_key };
        let mut writes = vec![
            Write::create(Table::Header, SCHEMA_KEY, &SCHEMA_VERSION.to_be_bytes()),
            Write::create(Table::Header, DATA_KEY_KEY, wrapped),
        ];
        writes.extend(store.seal_all(first)?);
        store.inner.apply(&writes)?;
        Ok(store)
    }

    /// Opens a sealed store.
    pub(super) fn open(inner: B, unlock: &Unlock) -> Result<Sealed<B>, StoreError> {
        let (mut store, schema) = Self::unsealed(inner, unlock)?;
        store.migrate(schema, &STEPS)?;
        Ok(store)
    }

    /// Opens a sealed store that another process may write to: it stays of the schema it has.
    pub(super) fn look(inner: B, unlock: &Unlock) -> Result<Sealed<B>, StoreError> {
        Ok(Self::unsealed(inner, unlock)?.0)
    }

    /// The store, and its schema.
    fn unsealed(inner: B, unlock: &Unlock) -> Result<(Sealed<B>, u32), StoreError> {
        // The schema first: a newer version may keep its data key in another way.
        let schema = header(&inner, SCHEMA_KEY)?;
        let schema = <[u8; 4]>::try_from(schema.as_bytes())
            .map(u32::from_be_bytes)
            .map_err(|_| StoreError::damaged("the schema version is not readable"))?;
        if schema > SCHEMA_VERSION {
            return Err(StoreError::FutureSchema { found: schema, known: SCHEMA_VERSION });
        }
        if schema < FIRST_SCHEMA {
            return Err(StoreError::damaged(format!("schema version {schema} never existed")));
        }
        let data_key = unlock::unwrap(&header(&inner, DATA_KEY_KEY)?, unlock)?;
        Ok((Sealed { inner, cipher: unlock::cipher(&data_key), data_key }, schema))
    }

    /// Brings a store of schema `from` up, one schema and one transaction after the other: a crash leaves the one or the
    /// other.
    pub(super) fn migrate(&mut self, from: u32, steps: &[Step]) -> Result<(), StoreError> {
        for (to, step) in (FIRST_SCHEMA + 1..).zip(steps).filter(|(to, _)| *to > from) {
            let changes = step(self)?;
            let mut writes = self.seal_all(&changes)?;
            writes.push(Write::put(Table::Header, SCHEMA_KEY, &to.to_be_bytes()));
            self.inner.apply(&writes)?;
        }
        Ok(())
    }

    /// The store below.
    pub(super) const fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// The same store, of a type that does not tell the backend.
    pub(super) fn boxed(self) -> Sealed<Box<dyn Store>>
    where
        B: 'static,
    {
        Sealed { inner: Box::new(self.inner), data_key: self.data_key, cipher: self.cipher }
    }

    /// Wraps the data key under another passphrase or key file; the old one no longer opens the
    /// store. An old copy of the file still opens with the old one.
    ///
    /// # Errors
    /// If the new secret cannot be used, or the backend fails.
    pub fn rewrap(&mut self, unlock: &Unlock) -> Result<(), StoreError> {
        self.rewrap_at_cost(unlock, Cost::STANDARD)
    }

    /// [`Sealed::rewrap`] with the cost of the passphrase derivation given.
    pub(super) fn rewrap_at_cost(&mut self, unlock: &Unlock, cost: Cost) -> Result<(), StoreError> {
        let wrapped = unlock::wrap(&self.data_key, unlock, cost)?;
        self.inner.apply(&[Write::put(Table::Header, DATA_KEY_KEY, wrapped)])
    }

    /// The writes with their values sealed.
    fn seal_all(&self, writes: &[Write]) -> Result<Vec<Write>, StoreError> {
        writes.iter().map(|write| self.seal_write(write)).collect()
    }

    fn seal_write(&self, write: &Write) -> Result<Write, StoreError> {
        guard(write.table())?;
        Ok(match write {
            Write::Put { table, key, value } => Write::put(*table, &**key, self.seal(*table, key, value)?),
            Write::Create { table, key, value } => {
                Write::create(*table, &**key, self.seal(*table, key, value)?)
            }
            Write::Delete { table, key } => Write::delete(*table, &**key),
        })
    }

    fn seal(&self, table: Table, key: &[u8], value: &[u8]) -> Result<Value, StoreError> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(StoreError::TooLarge { what: "value", size: value.len(), limit: MAX_VALUE_BYTES });
        }
        let mut nonce = [0; NONCE_BYTES];
        unlock::random(&mut nonce)?;
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: value, aad: &associated(table, key) })
            .expect("invariant: a value within its limit is not too long to encrypt");
        let mut bytes = Vec::with_capacity(value.len() + OVERHEAD_BYTES);
        bytes.push(SEAL_VERSION);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(Value::from(bytes))
    }

    fn unseal(&self, table: Table, key: &[u8], bytes: &[u8]) -> Result<Value, StoreError> {
        let broken = || StoreError::BrokenSeal { table, key: hex::encode(key) };
        let (version, rest) = bytes.split_first().ok_or_else(broken)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(broken)?;
        if *version != SEAL_VERSION {
            return Err(broken());
        }
        self.cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &associated(table, key) })
            .map(|value| Value::from(Zeroizing::new(value)))
            .map_err(|_| broken())
    }
}

impl<B: Store> Store for Sealed<B> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        guard(table)?;
        self.inner.get(table, key)?.map(|bytes| self.unseal(table, key, &bytes)).transpose()
    }

    fn list(&self, table: Table) -> Result<Vec<Record>, StoreError> {
        guard(table)?;
        let open = |(key, bytes): Record| {
            let value = self.unseal(table, &key, &bytes)?;
            Ok((key, value))
        };
        self.inner.list(table)?.into_iter().map(open).collect()
    }

    fn apply(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let sealed = self.seal_all(writes)?;
        self.inner.apply(&sealed)
    }

    fn take(&mut self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        guard(table)?;
        self.inner.take(table, key)?.map(|bytes| self.unseal(table, key, &bytes)).transpose()
    }

    fn renewal(&self) -> Option<Duration> {
        self.inner.renewal()
    }

    fn renew(&mut self) -> Result<(), StoreError> {
        self.inner.renew()
    }

    fn tenure(&self) -> Option<Tenure> {
        self.inner.tenure()
    }
}

/// Refuses the store's own table to everybody else.
fn guard(table: Table) -> Result<(), StoreError> {
    if table.is_sealed() { Ok(()) } else { Err(StoreError::Reserved) }
}

/// What a record is bound to. Lengths make the concatenation unambiguous.
fn associated(table: Table, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SEAL_DOMAIN.len() + 64 + key.len());
    bytes.extend_from_slice(SEAL_DOMAIN);
    bytes.push(SEAL_VERSION);
    for part in [table.name().as_bytes(), key] {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A record of the header, which every store has.
fn header(inner: &impl Store, key: &[u8]) -> Result<Value, StoreError> {
    inner.get(Table::Header, key)?.ok_or_else(|| StoreError::damaged("the header is missing"))
}
