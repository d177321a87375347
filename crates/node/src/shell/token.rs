//! The bearer token of the HTTP API: 32 random bytes in hex, in a file that only the operator can read.

use std::io::Read;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::entropy::{self, NoEntropy};
use crate::config::{DataFolder, FolderError};

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Longest token file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024;
/// Shortest token that an operator may have put there, in characters.
const MIN_TOKEN_CHARS: usize = 32;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// The file cannot be read.
    #[error("cannot read {}: {source}; check its permissions", path.display())]
    Unreadable {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no token.
    #[error(
        "{} holds no usable token (at least {MIN_TOKEN_CHARS} printable characters): delete it, a new one is made at the next start",
        path.display()
    )]
    Unusable {
        /// The file.
        path: std::path::PathBuf,
    },
}

/// A token, as a hash: comparing hashes in constant time tells nothing about the token.
pub struct Token([u8; 32]);

impl Token {
    /// The token written so.
    #[must_use]
    pub fn new(text: &str) -> Token {
        Token(Sha256::digest(text).into())
    }

    /// Whether `text` is this token; in constant time for texts of one length.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let other: [u8; 32] = Sha256::digest(text).into();
        bool::from(self.0.ct_eq(&other))
    }
}

/// The token of a folder; makes one if there is none.
///
/// # Errors
/// [`TokenError`].
pub fn load_or_create(folder: &DataFolder) -> Result<Zeroizing<String>, TokenError> {
    let path = folder.api_token_file();
    let unreadable = |source| TokenError::Unreadable { path: folder.api_token_file(), source };
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let bytes = Zeroizing::new(entropy::fresh::<TOKEN_BYTES>()?);
            let token = Zeroizing::new(hex::encode(*bytes));
            folder.write_file(&path, token.as_bytes())?;
            return Ok(token);
        }
        Err(e) => return Err(unreadable(e)),
    };
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    let token = text.trim();
    if token.len() < MIN_TOKEN_CHARS || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(TokenError::Unusable { path });
    }
    Ok(Zeroizing::new(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(&place.path().join("data")).unwrap();
        let first = load_or_create(&folder).unwrap();
        assert_eq!(first.len(), 2 * TOKEN_BYTES);
        assert_eq!(load_or_create(&folder).unwrap(), first);
        let metadata = std::fs::metadata(folder.api_token_file()).unwrap();
        assert!(crate::config::is_private(&metadata));
        let token = Token::new(&first);
        assert!(token.is(&first));
        assert!(!token.is(&first[1..]) && !token.is(""));
    }

    #[test]
    fn a_short_token_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(&place.path().join("data")).unwrap();
        for text in ["", "short", &"x y".repeat(30)] {
            folder.write_file(&folder.api_token_file(), text.as_bytes()).unwrap();
            let error = load_or_create(&folder).unwrap_err();
            assert!(matches!(error, TokenError::Unusable { .. }), "{error}");
        }
    }
}
