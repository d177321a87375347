//! The node: its state, and what it does with each input.

use std::sync::Arc;

use super::records::BadRecord;
use super::{Input, Now, Output};
use crate::identity::Identity;
use crate::store::{Store, StoreError};

/// What an operator chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Display name.
    pub name: String,
    /// Multiaddresses to announce, at most [`MAX_ADDRESSES`](super::roster::MAX_ADDRESSES).
    pub addresses: Vec<String>,
    /// Version of the program.
    pub version: String,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record is damaged.
    #[error("{what}: {source}; restore a backup of the store")]
    Record {
        /// Which record.
        what: &'static str,
        /// Why.
        source: BadRecord,
    },
    /// There is neither a cluster nor an invitation to one.
    #[error("this store belongs to no cluster: run `consign init` or `consign join` on a new folder")]
    NoCluster,
}

/// A node without I/O.
pub struct Node {
    identity: Arc<Identity>,
    settings: Settings,
}

impl Node {
    /// Reads everything it must know from the store, and returns what is to be done first.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        identity: Arc<Identity>,
        settings: Settings,
        store: &dyn Store,
        entropy: [u8; 32],
        now: Now,
    ) -> Result<(Self, Vec<Output>), OpenError> {
        let _ = (store, entropy, now);
        Ok((Self { identity, settings }, Vec::new()))
    }

    /// Takes one thing that happened and returns what is to be done, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        let _ = (now, input, &self.identity, &self.settings);
        Vec::new()
    }
}
