//! Files that people name: what is read from them, and what is written.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use consign_node::config::{is_private, private_file};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// A file's content, or with `-` what comes from standard input: at most one byte more than `most`, by which the caller
/// sees that it is too long.
pub(crate) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let failed = |e: io::Error| Failure::Failed(format!("cannot read {}: {e}", path.display()));
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().take(limit).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(bytes)
}

/// The same of a secret: wiped when dropped, and read past the buffer of standard input, which nobody wipes.
pub(crate) fn read_secret(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |e: io::Error| Failure::Failed(format!("cannot read {}: {e}", path.display()));
    let file = if path == Path::new("-") {
        io::stdin().as_fd().try_clone_to_owned().map(File::from)
    } else {
        File::open(path)
    };
    let mut bytes = Zeroizing::new(vec![0; most]);
    let mut file = file.map_err(failed)?;
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => {
                bytes.truncate(length);
                return Ok(bytes);
            }
            Ok(count) => length += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(e)),
        }
    }
    Err(Failure::Usage(format!("{} is longer than {most} bytes: it is no private key", path.display())))
}

/// Writes a file that must not exist yet.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::Failed(format!("cannot write {}: {e}", path.display()));
    let mut file = File::create_new(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

/// The content of a file with a secret, at most `most` bytes, which nobody else may be able to read.
pub(crate) fn read_private(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |e: io::Error| Failure::Failed(format!("cannot read {}: {e}", path.display()));
    let file = File::open(path).map_err(failed)?;
    if !is_private(&file.metadata().map_err(failed)?) {
        let path = path.display();
        return Err(Failure::Failed(format!("other users can read {path}: run `chmod 600` on it")));
    }
    // One allocation of the full size: a growing buffer would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most {
        return Err(Failure::Failed(format!(
            "{} is longer than {most} bytes: check the name",
            path.display()
        )));
    }
    Ok(bytes)
}

/// Refuses a file that exists, before anything is done for it.
pub(crate) fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() { Err(exists(path)) } else { Ok(()) }
}

fn exists(path: &Path) -> Failure {
    let path = path.display();
    Failure::Failed(format!("{path} exists already: choose another name, nothing is overwritten"))
}

/// Writes a file (mode 0600) that must not exist yet, as a whole: after a crash it is there with all its bytes, or not.
pub(crate) fn save_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::Failed(format!("cannot write {}: {e}", path.display()));
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    refuse_existing(&draft)?;
    let mut file = private_file(&draft).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed);
    let placed = written.and_then(|()| {
        place(&draft, path)
            .map_err(|e| if e.kind() == io::ErrorKind::AlreadyExists { exists(path) } else { failed(e) })
    });
    if placed.is_err() {
        // The error that is told matters more than the leftover.
        let _ = std::fs::remove_file(&draft);
        return placed;
    }
    sync_folder_of(path)
}

/// Gives a file another name, which nothing may have yet: a plain rename would overwrite what somebody puts there at the
/// last moment.
fn place(draft: &Path, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(draft, path) {
        Ok(()) => std::fs::remove_file(draft),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(e),
        // Not every file system has links; those of memory sticks do not.
        Err(_) => place_without_link(draft, path),
    }
}

/// The same by an empty file of our own, which the rename overwrites.
fn place_without_link(draft: &Path, path: &Path) -> io::Result<()> {
    File::create_new(path)?;
    let placed = std::fs::rename(draft, path);
    if placed.is_err() {
        // It is empty.
        let _ = std::fs::remove_file(path);
    }
    placed
}

/// Syncs the folder in which a file or folder lies: without this a crash may undo that it was made or renamed.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |e: io::Error| Failure::Failed(format!("cannot sync the folder {}: {e}", folder.display()));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn private_files_are_whole_and_never_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("backup");
        save_private(&path, b"one").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = save_private(&path, b"two").unwrap_err().to_string();
        assert!(error.contains("exists already"), "{error}");
        assert_eq!(read_private(&path, 3).unwrap().as_slice(), b"one");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "no draft is left");
        // What a power cut left.
        std::fs::write(place.path().join("other.new"), b"half").unwrap();
        let error = save_private(&place.path().join("other"), b"two").unwrap_err().to_string();
        assert!(error.contains("other.new exists already"), "{error}");
        assert!(save_private(&place.path().join("no/such/folder"), b"x").is_err());
    }

    /// What somebody puts there at the last moment stays.
    #[test]
    fn a_name_that_is_taken_is_not_taken_away() {
        let place_of = tempfile::tempdir().unwrap();
        let (draft, path) = (place_of.path().join("draft"), place_of.path().join("file"));
        for place in [place, place_without_link] {
            std::fs::write(&draft, b"new").unwrap();
            std::fs::write(&path, b"old").unwrap();
            assert_eq!(place(&draft, &path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(&path).unwrap(), b"old");
            std::fs::remove_file(&path).unwrap();
            place(&draft, &path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
            assert!(!draft.exists());
        }
    }

    #[test]
    fn secrets_that_others_can_read_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("phrase");
        std::fs::write(&path, b"secret").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_private(&path, 100).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read_private(&path, 5).unwrap_err().to_string().contains("longer than 5"));
    }
}
