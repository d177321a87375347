//! The data folder and its files. Everything in it belongs to the operator alone: the folder has mode
//! 0700, every file 0600.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is no such folder.
    #[error("there is no data folder {}: run `consign init` first, or point --data at the right folder", path.display())]
    NotFound {
        /// The folder.
        path: PathBuf,
    },
    /// Others may look into it.
    #[error("other users can read the data folder {}: run `chmod 700` on it", path.display())]
    TooOpen {
        /// The folder.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("cannot {act} {}: {source}; check permissions and free space", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// A data folder that exists and is private.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFolder {
    path: PathBuf,
}

impl DataFolder {
    /// Makes the folder (mode 0700), or takes one that exists.
    ///
    /// # Errors
    /// If it cannot be made, or an existing one is open to others.
    pub fn create(path: &Path) -> Result<DataFolder, FolderError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(|source| FolderError::Io {
            act: "make the folder",
            path: path.to_owned(),
            source,
        })?;
        DataFolder::open(path)
    }

    /// Takes a folder that exists.
    ///
    /// # Errors
    /// If there is none, or it is open to others.
    pub fn open(path: &Path) -> Result<DataFolder, FolderError> {
        let path = path.to_owned();
        match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_dir() => Err(FolderError::NotFound { path }),
            Ok(metadata) if !is_private(&metadata) => Err(FolderError::TooOpen { path }),
            Ok(_) => Ok(DataFolder { path }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(FolderError::NotFound { path }),
            Err(source) => Err(FolderError::Io { act: "look at", path, source }),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// The store.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.path.join("store.redb")
    }

    /// What this folder has seen of a store on a Redis server: its counter.
    #[must_use]
    pub fn store_counter_file(&self) -> PathBuf {
        self.path.join("store-counter")
    }

    /// The lock that keeps a second process out.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The bearer token of the HTTP API.
    #[must_use]
    pub fn api_token_file(&self) -> PathBuf {
        self.path.join("api-token")
    }

    /// The address the HTTP API really listens on, written by the running node.
    #[must_use]
    pub fn api_address_file(&self) -> PathBuf {
        self.path.join("api-address")
    }

    /// The socket of the running node for its operator.
    #[must_use]
    pub fn operator_socket(&self) -> PathBuf {
        self.path.join("operator.sock")
    }

    /// Replaces a file of this folder as a whole: a reader sees the old content or the new, also
    /// after a crash. Mode 0600.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write_file(&self, path: &Path, content: &[u8]) -> Result<(), FolderError> {
        let failed = |source| FolderError::Io { act: "write", path: path.to_owned(), source };
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        let mut file = open_private(&draft).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&draft, path).map_err(failed)?;
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

/// Whether only the owner may use a file or folder.
#[cfg(unix)]
#[must_use]
pub fn is_private(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 == 0
}

/// Elsewhere than on Unix the system's own access lists decide.
#[cfg(not(unix))]
#[must_use]
pub fn is_private(_metadata: &Metadata) -> bool {
    true
}

/// Makes a file (mode 0600) that must not exist.
///
/// # Errors
/// If there is one, or the folder cannot be written.
pub fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens a file for reading and writing, made with mode 0600 if it does not exist.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
