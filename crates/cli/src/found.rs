//! Makes a data folder: configuration, API token, and last the store, by which one sees that it is complete.

use std::path::{Path, PathBuf};

use consign_node::config::{Config, DataFolder, Flags, TlsFiles};
use consign_node::core::setup;
use consign_node::identity::{Identity, NodeId};
use consign_node::shell::lock::FolderLock;
use consign_node::shell::token;
use consign_node::store::{StoreError, Unlock, Write};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files;
use crate::passphrase;

/// Makes the data folder at `path` from flags, environment and a configuration file that may lie there already.
/// `first` makes the first records of the store from the new identity.
pub(crate) fn folder(
    path: &Path,
    flags: &Flags,
    first: impl FnOnce(&Identity) -> Result<Vec<Write>, Failure>,
) -> Result<(), Failure> {
    refuse_existing(path)?;
    let mut draft = Draft::begin(path)?;
    let mut config = Config::load(&draft.folder, flags)?;
    absolute(&mut config)?;
    let unlock = passphrase::of_new_store(&config)?;
    draft.fill(&config, &unlock, first)
}

/// Makes the data folder at `path` with a configuration and the records of a store that was backed up; `unlock` says how
/// the new store is locked.
pub(crate) fn folder_from(
    path: &Path,
    mut config: Config,
    unlock: impl FnOnce(&Config) -> Result<Unlock, Failure>,
    records: &[Write],
) -> Result<(), Failure> {
    refuse_non_empty(path)?;
    absolute(&mut config)?;
    let unlock = unlock(&config)?;
    let mut draft = Draft::begin(path)?;
    // Somebody may have been faster while the passphrase was typed; from here on the lock keeps others out.
    draft.refuse_others()?;
    draft.finish(&config, &unlock, records)
}

/// Makes the data folder at `path` with everything given.
pub(crate) fn folder_with(
    path: &Path,
    config: &Config,
    unlock: &Unlock,
    first: impl FnOnce(&Identity) -> Result<Vec<Write>, Failure>,
) -> Result<(), Failure> {
    refuse_existing(path)?;
    Draft::begin(path)?.fill(config, unlock, first)
}

/// In the file a relative path would be meant relative to the file.
fn absolute(config: &mut Config) -> Result<(), Failure> {
    config.key_file = config.key_file.take().map(std::path::absolute).transpose()?;
    if let Some(TlsFiles { certificate, key }) = &mut config.api.tls {
        *certificate = std::path::absolute(&certificate)?;
        *key = std::path::absolute(&key)?;
    }
    Ok(())
}

/// A node that exists, as a second process for it sees it.
pub(crate) struct Beside {
    pub(crate) validator: NodeId,
    pub(crate) name: String,
    /// Whether it does not start without a policy.
    pub(crate) has_policy: bool,
}

/// Makes the data folder at `path` for a second process of a node whose store is on a Redis server. The store is only looked
/// at. The name is that of the node, unless a flag gives one.
pub(crate) fn beside(path: &Path, flags: &Flags) -> Result<Beside, Failure> {
    refuse_existing(path)?;
    let mut draft = Draft::begin(path)?;
    let mut config = Config::load(&draft.folder, flags)?;
    if config.store.is_none() {
        return Err(Failure::Usage(
            "a standby needs a store that two machines reach: give --store with the URL in the other one's config.toml"
                .to_owned(),
        ));
    }
    absolute(&mut config)?;
    let unlock = passphrase::of_existing_store(&config)?;
    // The file by which the folder remembers the store shows that it is complete: the last one to be written.
    draft.configure(&config)?;
    let store = config.place(&draft.folder).look(&unlock)?;
    let validator = setup::identity(&store).map_err(Failure::from_error)?.node_id();
    if flags.name.is_none()
        && let Some(name) = setup::name(&store, validator)?
    {
        config.name = name;
        draft.configure(&config)?;
    }
    let has_policy = setup::had_policy(&store)?;
    draft.complete()?;
    Ok(Beside { validator, name: config.name, has_policy })
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|e| Failure::Failed(format!("the system gives no random bytes: {e}")))?;
    Ok(bytes)
}

/// Refuses a folder that has a store, before anybody types a passphrase for it.
fn refuse_existing(path: &Path) -> Result<(), Failure> {
    // What is wrong with a folder is told by the one who uses it next.
    let Ok(folder) = DataFolder::open(path) else { return Ok(()) };
    match [folder.store_file(), folder.store_counter_file()].into_iter().find(|file| file.exists()) {
        Some(path) => Err(StoreError::AlreadyExists { path }.into()),
        None => Ok(()),
    }
}

/// Refuses a folder in which anything is: nothing is overwritten, and no other node's files are mixed in.
pub(crate) fn refuse_non_empty(path: &Path) -> Result<(), Failure> {
    if path.exists() { refuse_entries(&DataFolder::open(path)?, |_| false) } else { Ok(()) }
}

/// Refuses what lies in the folder, but for what is `allowed`.
fn refuse_entries(folder: &DataFolder, allowed: impl Fn(&Path) -> bool) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder.path())? {
        let entry = entry?;
        if !allowed(&entry.path()) {
            return Err(Failure::Failed(format!(
                "the folder {} is not empty (it holds {}): choose another one, or remove what an interrupted restore left",
                folder.path().display(),
                entry.file_name().display(),
            )));
        }
    }
    Ok(())
}

/// A folder in the making. Dropped before it is complete, it takes along what it made, and nothing that was there
/// before. Killed before that, it leaves a folder without a store, in which one can begin again.
struct Draft {
    folder: DataFolder,
    _lock: FolderLock,
    made: Vec<PathBuf>,
    made_folder: bool,
    complete: bool,
}

impl Draft {
    fn begin(path: &Path) -> Result<Draft, Failure> {
        let made_folder = !path.exists();
        let folder = DataFolder::create(path)?;
        let made_lock = Some(folder.lock_file()).filter(|file| !file.exists());
        let lock = FolderLock::acquire(&folder)?;
        // Only now does no other process make any of them.
        let missing = all_files(&folder).into_iter().filter(|file| !file.exists());
        let made = missing.chain(made_lock).collect();
        let draft = Draft { folder, _lock: lock, made, made_folder, complete: false };
        refuse_existing(path)?;
        Ok(draft)
    }

    /// Refuses everything but the lock.
    fn refuse_others(&self) -> Result<(), Failure> {
        let lock = self.folder.lock_file();
        refuse_entries(&self.folder, |path| path == lock)
    }

    fn fill(
        &mut self,
        config: &Config,
        unlock: &Unlock,
        first: impl FnOnce(&Identity) -> Result<Vec<Write>, Failure>,
    ) -> Result<(), Failure> {
        let identity = Identity::from_seed(&*random()?);
        let records = first(&identity)?;
        self.finish(config, unlock, &records)
    }

    fn finish(&mut self, config: &Config, unlock: &Unlock, records: &[Write]) -> Result<(), Failure> {
        self.configure(config)?;
        config.place(&self.folder).create(unlock, records)?;
        self.complete()
    }

    /// Everything but the store.
    fn configure(&self, config: &Config) -> Result<(), Failure> {
        self.folder.write_file(&self.folder.config_file(), config.to_file().as_bytes())?;
        token::load_or_create(&self.folder)?;
        Ok(())
    }

    fn complete(&mut self) -> Result<(), Failure> {
        self.complete = true;
        // Without this a crash may take away a folder that was made here.
        if self.made_folder { files::sync_folder_of(self.folder.path()) } else { Ok(()) }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.complete {
            return;
        }
        // Errors would hide the one that is being told; the folder can be used again in any case.
        for file in &self.made {
            let _ = std::fs::remove_file(file);
        }
        if self.made_folder {
            let _ = std::fs::remove_dir(self.folder.path());
        }
    }
}

/// Every file that may appear while a folder is made.
fn all_files(folder: &DataFolder) -> Vec<PathBuf> {
    let files = [
        folder.config_file(),
        folder.api_token_file(),
        folder.store_file(),
        folder.store_counter_file(),
        folder.lock_file(),
    ];
    let drafts = files.clone().map(|file| {
        let mut name = file.into_os_string();
        name.push(".new");
        PathBuf::from(name)
    });
    files.into_iter().chain(drafts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody may be faster while a passphrase is typed.
    #[test]
    fn what_appears_meanwhile_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("node");
        let config = Config::of_text("name = \"anna\"\n", &Flags::default()).unwrap();
        let unlock = |_: &Config| {
            let folder = DataFolder::create(&path)?;
            folder.write_file(&folder.config_file(), b"of another")?;
            Ok(Unlock::KeyFile(path.clone()))
        };
        let error = folder_from(&path, config, unlock, &[]).unwrap_err().to_string();
        assert!(error.contains("is not empty (it holds config.toml)"), "{error}");
        assert_eq!(std::fs::read(path.join("config.toml")).unwrap(), b"of another");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1, "the lock is gone again");
    }
}
