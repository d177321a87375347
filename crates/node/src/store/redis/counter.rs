//! The counter of a Redis store as this machine remembers it: a server that went back to an older state shows a smaller one.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::config::open_private;
use crate::store::{StoreError, sync_folder};

/// Length of the file: twenty digits, as many as the largest counter has, and the end of the line.
const FILE_BYTES: u64 = 21;

/// The file. It is overwritten in place after each transaction, without a sync: when the process dies nothing is lost;
/// when the whole machine does, it may be a little behind, and then shows a little less.
#[derive(Debug)]
pub(super) struct Remembered {
    /// None until there is something to remember: the file shows that the folder is complete.
    file: Option<File>,
    path: PathBuf,
    counter: Option<u64>,
}

impl Remembered {
    /// Reads the file, if there is one.
    pub(super) fn open(path: &Path) -> Result<Remembered, StoreError> {
        let failed = |e| StoreError::io("read", path, e);
        if !path.try_exists().map_err(failed)? {
            return Ok(Remembered { file: None, path: path.to_owned(), counter: None });
        }
        let file = open_private(path).map_err(failed)?;
        let mut text = String::new();
        let read = (&file).take(FILE_BYTES + 1).read_to_string(&mut text);
        let counter = match (read, text.trim_end().parse()) {
            // Left by a power cut before its first sync.
            (Ok(0), _) => None,
            (Ok(_), Ok(counter)) => Some(counter),
            (Ok(_), Err(_)) => return Err(StoreError::BadCounter { path: path.to_owned() }),
            (Err(e), _) => return Err(failed(e)),
        };
        Ok(Remembered { file: Some(file), path: path.to_owned(), counter })
    }

    /// What was remembered, if anything was.
    pub(super) const fn counter(&self) -> Option<u64> {
        self.counter
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers `counter`.
    pub(super) fn set(&mut self, counter: u64) -> Result<(), StoreError> {
        let mut write = || {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => open_private(&self.path)?,
            };
            file.rewind()?;
            file.write_all(format!("{counter:020}\n").as_bytes())?;
            Ok(file)
        };
        let file = write().map_err(|e| StoreError::io("write", &self.path, e))?;
        (self.file, self.counter) = (Some(file), Some(counter));
        Ok(())
    }

    /// Makes the file and its name durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let Some(file) = &self.file else { return Ok(()) };
        file.sync_all().map_err(|e| StoreError::io("sync", &self.path, e))?;
        sync_folder(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_comes_back_and_nonsense_does_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("counter");
        let mut new = Remembered::open(&path).unwrap();
        assert_eq!((new.counter(), path.exists()), (None, false));
        for counter in [u64::MAX, 7] {
            new.set(counter).unwrap();
            new.sync().unwrap();
            assert_eq!(Remembered::open(&path).unwrap().counter(), Some(counter));
            assert_eq!(std::fs::metadata(&path).unwrap().len(), FILE_BYTES);
        }
        for wrong in ["x", "-1", " ", "18446744073709551616", "1 2"] {
            std::fs::write(&path, wrong).unwrap();
            let error = Remembered::open(&path).unwrap_err().to_string();
            assert!(error.contains("counter"), "{wrong}: {error}");
        }
    }
}
