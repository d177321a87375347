//! Shares that leave the node by the will of its operator (`docs/spec/keygen.md`, 4.6): which keys are there, the file
//! that holds one share, and the record that stays of it, or of a backup. Works on the store of a stopped node.

use std::collections::BTreeMap;

use consign_api as api;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::hash::{Hash, Items};
use super::keys::Key;
use super::node::OpenError;
use super::records::{BadRecord, decode, encode};
use crate::store::{Record, Store, Table, Write};

/// Bytes of a key's id, which names its record; names of pending shares are longer.
const KEY_ID_BYTES: usize = 32;

/// First bytes of a file with a share, inside its seal.
pub(super) const SHARE_MAGIC: &[u8] = b"consign key share";

/// Version of that file.
const SHARE_VERSION: u32 = 1;

/// What can go wrong with a share's file that was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadShareFile {
    /// It holds something else.
    #[error("it holds no share of a key: `consign key export` makes such files")]
    NotAShare,
    /// It was made by a newer version.
    #[error(
        "it has format version {found}, but this program knows versions up to {SHARE_VERSION}: use a newer version of consign"
    )]
    Newer {
        /// Its version.
        found: u32,
    },
    /// It ends too early, or names are too long.
    #[error("it is damaged: export the share anew")]
    Damaged,
}

/// Ends `to` in the record of a share that left in a backup.
const IN_BACKUP: &str = ", in a backup";
/// In the name of such a record, between the key and the epoch.
const BACKUP: &[u8] = b"backup";

/// A key in a store.
pub struct Holding {
    key: Key,
}

/// The record of an export. For people: the share has left, and nothing takes it back but a new epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// When: Unix time in seconds.
    pub unix: u64,
    /// Of which epoch.
    pub epoch: u64,
    /// Who can open the file: recipients, or the word "passphrase". For a backup that is said, too.
    pub to: String,
}

impl Export {
    /// Whether it left in a backup.
    pub(super) fn is_in_backup(&self) -> bool {
        self.to.ends_with(IN_BACKUP)
    }
}

/// A share as it lies in a file.
pub struct ShareFile {
    /// Name of the key's curve.
    pub curve: String,
    /// What people call the key.
    pub label: String,
    /// The stored form of the share, for `KeyShare::decode`.
    pub share: Zeroizing<Vec<u8>>,
}

/// All keys of a store, with or without a share.
///
/// # Errors
/// If the store cannot be read, or a record is damaged.
pub fn holdings(store: &dyn Store) -> Result<Vec<Holding>, OpenError> {
    let bad = |source| OpenError::Record { what: "a key share", source };
    let mut all: Vec<Holding> = Vec::new();
    // A key's own record comes before those of its pending shares.
    for (name, value) in store.list(Table::Keys)? {
        if name.len() == KEY_ID_BYTES {
            all.push(Holding { key: Key::read(&value).map_err(bad)? });
        } else {
            let last = all.last_mut().filter(|last| name.starts_with(&last.id().0));
            last.ok_or_else(|| bad(BadRecord))?.key.read_pending(&value).map_err(bad)?;
        }
    }
    Ok(all)
}

impl Holding {
    /// The key.
    #[must_use]
    pub fn id(&self) -> Hash {
        self.key.id()
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &api::Label {
        self.key.label()
    }

    /// The epoch in force, as far as this store knows.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.key.info().epoch()
    }

    /// How many shares make the key.
    #[must_use]
    pub fn threshold(&self) -> u16 {
        self.key.info().threshold()
    }

    /// How many shares there are.
    #[must_use]
    pub fn holders(&self) -> usize {
        self.key.holders().len()
    }

    /// Whether there is a share of that epoch.
    #[must_use]
    pub fn has_share(&self) -> bool {
        self.key.share().is_some()
    }

    /// How many shares of later epochs wait to be confirmed by all.
    #[must_use]
    pub fn pendings(&self) -> usize {
        self.key.pending_epochs().count()
    }

    /// The content of the file with this node's share of the epoch in force. `None`: there is no share, or the key was
    /// not confirmed by everybody yet.
    #[must_use]
    pub fn share_file(&self) -> Option<Zeroizing<Vec<u8>>> {
        let share = self.key.share().filter(|_| self.key.is_active())?.encode();
        let label = self.key.label().as_str();
        let file = ShareFile { curve: self.key.curve().to_string(), label: label.to_owned(), share };
        Some(file.encode())
    }

    /// The record of an export, to be durable before the file is written. `name` is random.
    #[must_use]
    pub fn record(&self, export: &Export, name: [u8; 8]) -> Write {
        let key = [&self.id().0[..], &export.unix.to_be_bytes(), &name].concat();
        Write::create(Table::Exports, key, encode(export))
    }

    /// Records of the shares of the key that leave in a backup, with their names: the latest backup for each epoch and each
    /// `to`, so that backups that are made every day do not fill the store.
    pub(super) fn records_of_backup(&self, to: &str, unix: u64) -> Vec<Record> {
        let active = self.has_share().then(|| self.epoch());
        let record = |epoch: u64| {
            let whom = Items::new("backup").bytes("to", to.as_bytes()).hash();
            let name = [&self.id().0[..], BACKUP, &epoch.to_be_bytes(), &whom.0].concat();
            (name, encode(&Export { unix, epoch, to: format!("{to}{IN_BACKUP}") }))
        };
        active.into_iter().chain(self.key.pending_epochs()).map(record).collect()
    }
}

/// All records of exports, by key.
pub(super) fn read(store: &dyn Store) -> Result<BTreeMap<Hash, Vec<Export>>, OpenError> {
    let bad = |source| OpenError::Record { what: "the record of an export", source };
    let mut all: BTreeMap<Hash, Vec<Export>> = BTreeMap::new();
    for (name, value) in store.list(Table::Exports)? {
        let (id, _) = name.split_first_chunk::<KEY_ID_BYTES>().ok_or_else(|| bad(BadRecord))?;
        all.entry(Hash(*id)).or_default().push(decode(&value).map_err(bad)?);
    }
    all.values_mut().for_each(|exports| exports.sort_by_key(|export| export.unix));
    Ok(all)
}

impl ShareFile {
    /// `magic ‖ version ‖ len(curve) ‖ curve ‖ len(label) ‖ label ‖ share`; the version has 4 bytes, big endian, a length
    /// has one.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (curve, label) = (self.curve.as_bytes(), self.label.as_bytes());
        let length = SHARE_MAGIC.len() + 4 + 1 + curve.len() + 1 + label.len() + self.share.len();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(SHARE_MAGIC);
        bytes.extend_from_slice(&SHARE_VERSION.to_be_bytes());
        for name in [curve, label] {
            bytes.push(u8::try_from(name.len()).expect("invariant: curves and labels have short names"));
            bytes.extend_from_slice(name);
        }
        bytes.extend_from_slice(&self.share);
        bytes
    }

    /// Reads the content of a file. The share in it is not checked yet.
    ///
    /// # Errors
    /// [`BadShareFile`].
    pub fn decode(bytes: &[u8]) -> Result<ShareFile, BadShareFile> {
        let rest = bytes.strip_prefix(SHARE_MAGIC).ok_or(BadShareFile::NotAShare)?;
        let (version, mut rest) = rest.split_first_chunk::<4>().ok_or(BadShareFile::Damaged)?;
        let found = u32::from_be_bytes(*version);
        if found > SHARE_VERSION {
            return Err(BadShareFile::Newer { found });
        }
        let mut name = || {
            let (length, text) = rest.split_first()?;
            let (name, after) = text.split_at_checked(usize::from(*length))?;
            rest = after;
            String::from_utf8(name.to_vec()).ok().filter(|name| !name.chars().any(char::is_control))
        };
        let names = name().zip(name());
        let (curve, label) = names.filter(|_| found == SHARE_VERSION).ok_or(BadShareFile::Damaged)?;
        Ok(ShareFile { curve, label, share: Zeroizing::new(rest.to_vec()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_file_has_frozen_bytes_and_says_what_is_wrong() {
        let share = Zeroizing::new(vec![7, 8, 9]);
        let file = ShareFile { curve: "secp256k1".to_owned(), label: "pay".to_owned(), share };
        let bytes = file.encode();
        assert_eq!(bytes.as_slice(), b"consign key share\0\0\0\x01\x09secp256k1\x03pay\x07\x08\x09");
        let again = ShareFile::decode(&bytes).unwrap();
        assert_eq!((again.curve, again.label, again.share), (file.curve, file.label, file.share));
        let error = |bytes: &[u8]| ShareFile::decode(bytes).map(|_| ()).unwrap_err();
        assert_eq!(error(b"consign backup\0\0\0\x01"), BadShareFile::NotAShare);
        assert_eq!(error(b"consign key share\0\0\0\x02"), BadShareFile::Newer { found: 2 });
        for length in SHARE_MAGIC.len()..bytes.len() - 3 {
            assert_eq!(error(&bytes[..length]), BadShareFile::Damaged, "{length}");
        }
        assert_eq!(error(b"consign key share\0\0\0\0\x01a\x01b"), BadShareFile::Damaged);
        assert_eq!(error(b"consign key share\0\0\0\x01\x01\n\x01b"), BadShareFile::Damaged);
    }
}
