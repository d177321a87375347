//! One folder, one process: a lock on a file in the data folder, held while the node runs.
//!
//! The operating system releases it when the process ends, however it ends; a left-over file means
//! nothing. redb locks its file too; this lock comes first and covers the rest of the folder.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::config::{DataFolder, open_private};

/// Longest content of a lock file that is read, in bytes: a process number.
const MAX_NOTE_BYTES: u64 = 32;

/// Why the folder was not locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process runs on this folder.
    #[error(
        "the data folder {} is in use by another consign process{}: stop that process first, or choose another folder with --data",
        path.display(),
        process.as_ref().map(|p| format!(" (number {p})")).unwrap_or_default()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process, if it wrote its number.
        process: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error("cannot lock the data folder {}: {source}; check its permissions", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A locked folder. Unlocked when dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks `folder`, at once or not at all.
    ///
    /// # Errors
    /// [`LockError::InUse`] if a process holds it.
    pub fn acquire(folder: &DataFolder) -> Result<FolderLock, LockError> {
        let failed = |source| LockError::Io { path: folder.path().to_owned(), source };
        let mut file = open_private(&folder.lock_file()).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::InUse { path: folder.path().to_owned(), process: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        note_process(&mut file).map_err(failed)?;
        Ok(FolderLock { _file: file })
    }

    /// Whether a process holds the lock of `folder` now.
    #[must_use]
    pub fn is_held(folder: &DataFolder) -> bool {
        let path: &Path = &folder.lock_file();
        File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// Writes this process's number into the lock file, for the message to a second process, and as a line, so that
/// `kill $(cat */lock)` stops several nodes.
fn note_process(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    file.flush()
}

/// The number the holder wrote, if it can be read.
fn holder(file: &mut File) -> Option<u32> {
    let mut note = String::new();
    file.rewind().ok()?;
    file.take(MAX_NOTE_BYTES).read_to_string(&mut note).ok()?;
    note.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_once_until_released() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(&place.path().join("data")).unwrap();
        assert!(!FolderLock::is_held(&folder));
        let lock = FolderLock::acquire(&folder).unwrap();
        assert!(FolderLock::is_held(&folder));
        let error = FolderLock::acquire(&folder).unwrap_err();
        let LockError::InUse { process, .. } = &error else { panic!("{error}") };
        assert_eq!(*process, Some(std::process::id()));
        let note = std::fs::read_to_string(folder.lock_file()).unwrap();
        assert_eq!(note, format!("{}\n", std::process::id()));
        let text = error.to_string();
        assert!(text.contains("is in use by another consign process"), "{text}");
        assert!(text.contains("--data"), "{text}");
        drop(lock);
        assert!(!FolderLock::is_held(&folder));
        FolderLock::acquire(&folder).unwrap();
    }

    #[test]
    fn a_left_over_lock_file_means_nothing() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(&place.path().join("data")).unwrap();
        std::fs::write(folder.lock_file(), "not a number").unwrap();
        FolderLock::acquire(&folder).unwrap();
    }
}
