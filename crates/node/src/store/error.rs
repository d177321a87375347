//! What can go wrong with the store; every message says what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::{Table, unlock};

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no store file.
    #[error("there is no store at {}: run `consign init` first, or point --data at the right folder", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A store would be made where one is.
    #[error("there is already a store at {}: choose another folder, a store is never overwritten", path.display())]
    AlreadyExists {
        /// The file in the way.
        path: PathBuf,
    },
    /// Another process has the store open.
    #[error("the store {} is in use by another process: stop that process first, one folder serves one node", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Passphrase or key file do not open the store.
    #[error(
        "the {kind} does not open this store: check that it is the right one (if you are sure it is, the store's header is damaged: restore a backup)"
    )]
    WrongSecret {
        /// "passphrase" or "key file".
        kind: &'static str,
    },
    /// The store is locked with the other kind of secret.
    #[error("this store is locked by a {expected}, but a {given} was given: give the {expected}")]
    OtherSecretKind {
        /// What the store is locked with.
        expected: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// A new passphrase is too short.
    #[error("the passphrase is too short: use at least {} bytes", unlock::MIN_PASSPHRASE_BYTES)]
    WeakPassphrase,
    /// A passphrase or key file is larger than any real one.
    #[error("the {what} is too long: at most {limit} bytes are allowed")]
    SecretTooLong {
        /// "passphrase" or "key file".
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The key file does not hold a key.
    #[error("the key file {} must hold exactly 32 random bytes as 64 hex digits (make one with `openssl rand -hex 32`)", path.display())]
    BadKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the key file.
    #[error("the key file {} can be read by other users: run `chmod 600` on it", path.display())]
    KeyFileTooOpen {
        /// The file.
        path: PathBuf,
    },
    /// The environment variable that should hold the passphrase is missing.
    #[error("the environment variable {name} is not set: set it to the passphrase, or give a key file")]
    NoEnvironment {
        /// Its name.
        name: String,
    },
    /// The store was written by a newer version.
    #[error(
        "this store has schema version {found}, but this program knows versions up to {known}: run a newer version of consign"
    )]
    FutureSchema {
        /// The version found.
        found: u32,
        /// The newest known version.
        known: u32,
    },
    /// The file or its header is not what it must be.
    #[error("the store is damaged ({what}): restore a backup of it")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// A record's seal does not open: the bytes were altered, or moved from elsewhere.
    #[error("record {key} of table {} is damaged or was tampered with: restore a backup of the store", table.name())]
    BrokenSeal {
        /// Its table.
        table: Table,
        /// Its key in hex.
        key: String,
    },
    /// A [`super::Write::Create`] found its key taken; nothing of the transaction was done.
    #[error("record {key} of table {} exists already", table.name())]
    Exists {
        /// Its table.
        table: Table,
        /// Its key in hex.
        key: String,
    },
    /// The header table is written by the store itself only.
    #[error("table header belongs to the store itself")]
    Reserved,
    /// A limit was exceeded, or a record key is empty.
    #[error("a {what} of size {size} is not allowed: sizes are 1..={limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes, or for a transaction the number of writes.
        size: usize,
        /// The limit in the same unit.
        limit: usize,
    },
    /// A Redis server is not as a node needs it.
    #[error("the Redis server {place} cannot be used: {found}; {wanted}")]
    UnfitServer {
        /// The server.
        place: String,
        /// What is wrong.
        found: String,
        /// What to do about it.
        wanted: String,
    },
    /// A Redis server does not answer, or refuses; for a write it is unknown whether it is durable.
    #[error(
        "the Redis server {place} did not {act} ({reason}): see that it runs and can be reached, then start the node again"
    )]
    Server {
        /// The server.
        place: String,
        /// What it should have done.
        act: &'static str,
        /// What it or the system said.
        reason: String,
    },
    /// A store would be made on a Redis server where one of its name is.
    #[error(
        "there is already a store at {place}: choose another name with ?name=, a store is never overwritten"
    )]
    NameTaken {
        /// Server and name.
        place: String,
    },
    /// Another process took the lease of a Redis store.
    #[error(
        "another process has taken the store {place} over: this one wrote nothing since and stops; run one node on it at a time"
    )]
    TakenOver {
        /// Server and name.
        place: String,
    },
    /// The counter of a Redis store is not what this process left.
    #[error(
        "somebody else has changed the store {place} under this node, or the server went back: find out what happened before you start it again"
    )]
    Meddled {
        /// Server and name.
        place: String,
    },
    /// The counter of a Redis store is smaller than this machine remembers.
    #[error(
        "the store {place} went back: it is at its transaction {found}, but this folder has seen {seen}; an older state may give a key away, so bring the newer one back, or make the node anew with `consign restore` from its newest backup (only if you know that nothing was lost: delete {} and start again)", file.display()
    )]
    WentBack {
        /// Server and name.
        place: String,
        /// Its counter.
        found: u64,
        /// The largest counter seen.
        seen: u64,
        /// The file that remembers it.
        file: PathBuf,
    },
    /// The file that remembers the counter of a Redis store cannot be read.
    #[error("{} does not hold the counter of the Redis store any more: if you know that the server did not go back, delete the file and start again", path.display())]
    BadCounter {
        /// The file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("cannot {act} {}: {source}; check permissions, free space and the disk", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The backend failed; for a write it is unknown whether it is durable.
    #[error("the store failed ({0}): check free space and the disk, then start the node again")]
    Backend(String),
    /// The operating system gave no randomness, or the memory for key derivation is not there.
    #[error("the system refused {what}: free some memory and try again")]
    System {
        /// What was asked of the system.
        what: &'static str,
    },
}

impl StoreError {
    /// Shorthand for [`StoreError::Io`].
    pub(crate) fn io(act: &'static str, path: &Path, source: io::Error) -> StoreError {
        StoreError::Io { act, path: path.to_owned(), source }
    }

    /// Shorthand for [`StoreError::Damaged`].
    pub(super) fn damaged(what: impl Into<String>) -> StoreError {
        StoreError::Damaged { what: what.into() }
    }

    /// Whether the process must end: after a failed write nobody knows what is durable, so the node
    /// may neither speak nor try again. False only for errors that leave the store as it was.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        match self {
            StoreError::Exists { .. } | StoreError::Reserved | StoreError::TooLarge { .. } => false,
            StoreError::NotFound { .. }
            | StoreError::AlreadyExists { .. }
            | StoreError::InUse { .. }
            | StoreError::WrongSecret { .. }
            | StoreError::OtherSecretKind { .. }
            | StoreError::WeakPassphrase
            | StoreError::SecretTooLong { .. }
            | StoreError::BadKeyFile { .. }
            | StoreError::KeyFileTooOpen { .. }
            | StoreError::NoEnvironment { .. }
            | StoreError::FutureSchema { .. }
            | StoreError::Damaged { .. }
            | StoreError::BrokenSeal { .. }
            | StoreError::UnfitServer { .. }
            | StoreError::Server { .. }
            | StoreError::NameTaken { .. }
            | StoreError::TakenOver { .. }
            | StoreError::Meddled { .. }
            | StoreError::WentBack { .. }
            | StoreError::BadCounter { .. }
            | StoreError::Io { .. }
            | StoreError::Backend(_)
            | StoreError::System { .. } => true,
        }
    }
}
