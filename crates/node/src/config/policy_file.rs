//! The file with the policy. What it means is the core's matter.

use std::io::{self, Read as _};
use std::path::PathBuf;

use super::DataFolder;
use crate::core::policy::{FILE_NAME, MAX_POLICY_BYTES, Policy, PolicyError};

/// Why there is no policy to be had from a file that is there.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}; check its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says something that is no policy.
    #[error("{}, {source}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where, what, and what to do.
        source: PolicyError,
    },
}

impl DataFolder {
    /// The policy.
    #[must_use]
    pub fn policy_file(&self) -> PathBuf {
        self.path().join(FILE_NAME)
    }

    /// The text of the policy; nothing if there is no file. One that is too long is cut, and then no policy any more.
    ///
    /// # Errors
    /// [`PolicyFileError::Unreadable`].
    pub fn policy_text(&self) -> Result<Option<String>, PolicyFileError> {
        let path = self.policy_file();
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(PolicyFileError::Unreadable { path, source }),
        };
        let most = u64::try_from(MAX_POLICY_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        let mut text = String::new();
        match file.take(most).read_to_string(&mut text) {
            Ok(_) => Ok(Some(text)),
            Err(source) => Err(PolicyFileError::Unreadable { path, source }),
        }
    }

    /// What this text, which is or shall be that of the policy, says.
    ///
    /// # Errors
    /// [`PolicyFileError::Wrong`].
    pub fn parse_policy(&self, text: &str) -> Result<Policy, PolicyFileError> {
        Policy::parse(text).map_err(|source| PolicyFileError::Wrong { path: self.policy_file(), source })
    }
}
