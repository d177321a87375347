//! A node that does not run: what a command does to its data folder while nobody else does anything there.

use std::path::PathBuf;

use clap::Args;
use consign_node::config::{Config, DataFolder, Flags};
use consign_node::shell::lock::FolderLock;
use consign_node::store::NodeStore;

use crate::failure::Failure;
use crate::flags::Data;
use crate::passphrase;

/// Which folder, and what opens its store.
#[derive(Args, Debug)]
pub(crate) struct Stopped {
    #[command(flatten)]
    data: Data,

    /// File of 32 random bytes in hex that locks the store, if not a passphrase does [env: CONSIGN_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// The open store of a node that does not run, and cannot be started meanwhile.
pub(crate) struct StoppedNode {
    pub(crate) folder: DataFolder,
    pub(crate) store: NodeStore,
    _lock: FolderLock,
}

impl Stopped {
    /// Opens the store. A running node is an error that says so.
    pub(crate) fn open(&self) -> Result<StoppedNode, Failure> {
        let folder = DataFolder::open(&self.data.data)?;
        // Before anybody types a passphrase.
        let lock = FolderLock::acquire(&folder)?;
        let flags = Flags { key_file: self.key_file.clone(), ..Flags::default() };
        let config = Config::load(&folder, &flags)?;
        let unlock = passphrase::of_existing_store(&config)?;
        let store = config.place(&folder).open(&unlock)?;
        Ok(StoppedNode { folder, store, _lock: lock })
    }
}
