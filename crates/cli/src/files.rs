//! Files that people name: what is read from them, and what is written.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

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

/// Writes a file that must not exist yet.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::Failed(format!("cannot write {}: {e}", path.display()));
    let mut file = File::create_new(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}
