//! The file key wrapped under what scrypt makes of a passphrase.

use scrypt::Params;
use zeroize::Zeroizing;

use super::header::{Stanza, decode, encode};
use super::{AgeError, FileKey, SecretKey, WRAPPED_BYTES, unwrap_with, wrap};

/// Shortest passphrase of a new file, in bytes.
pub const MIN_PASSPHRASE_BYTES: usize = 8;

/// Longest passphrase, in bytes.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

/// Largest work factor that is done for a file: `2^20` is 1 GiB of memory.
pub(super) const MAX_WORK_FACTOR: u8 = 20;

/// Work factor of new files: `2^18` is 256 MiB and about a second, what `age` itself chooses.
const WORK_FACTOR: u8 = 18;

/// Kind of the stanza.
const KIND: &str = "scrypt";
/// Comes before the salt, and binds the derived key to its use.
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
const SALT_BYTES: usize = 16;
/// The other two numbers of scrypt, which the format fixes.
const BLOCK_SIZE: u32 = 8;
const PARALLELISM: u32 = 1;

/// The passphrase of a file. Zeroised when dropped; it has neither `Debug` nor `Display`.
pub struct FilePassphrase {
    text: Zeroizing<String>,
    work_factor: u8,
}

impl FilePassphrase {
    /// For a new file.
    ///
    /// # Errors
    /// If it is too short or too long.
    pub fn new(text: Zeroizing<String>) -> Result<FilePassphrase, AgeError> {
        if text.len() < MIN_PASSPHRASE_BYTES {
            return Err(AgeError::WeakPassphrase);
        }
        FilePassphrase::of_existing(text)
    }

    /// For a file that exists: whoever made it may have had other rules.
    ///
    /// # Errors
    /// If it is too long.
    pub fn of_existing(text: Zeroizing<String>) -> Result<FilePassphrase, AgeError> {
        if text.len() > MAX_PASSPHRASE_BYTES {
            return Err(AgeError::LongPassphrase);
        }
        Ok(FilePassphrase { text, work_factor: WORK_FACTOR })
    }

    /// As cheap as can be, for tests.
    #[cfg(test)]
    pub(crate) fn cheap(text: &str) -> FilePassphrase {
        FilePassphrase { text: Zeroizing::new(text.to_owned()), work_factor: 1 }
    }

    /// Wraps the file key under a new salt.
    pub(super) fn wrap(&self, file_key: &FileKey, salt: [u8; SALT_BYTES]) -> Result<Stanza, AgeError> {
        let body = wrap(file_key, &self.key(&salt, self.work_factor)?);
        Ok(Stanza { words: vec![KIND.to_owned(), encode(&salt), self.work_factor.to_string()], body })
    }

    /// The file key, if the passphrase is the right one.
    pub(super) fn unwrap(&self, stanza: &Stanza) -> Result<FileKey, AgeError> {
        let broken = AgeError::header("a passphrase's line that cannot be read");
        let [_, salt, factor] = stanza.words.as_slice() else { return Err(broken) };
        let salt = decode(salt.as_bytes()).and_then(|bytes| bytes.try_into().ok()).ok_or(broken)?;
        let asked: u8 = factor.parse().map_err(|_| broken)?;
        // One number, one writing; and no wrapping that opens under many keys.
        if asked == 0 || asked.to_string() != *factor || stanza.body.len() != WRAPPED_BYTES {
            return Err(broken);
        }
        if asked > MAX_WORK_FACTOR {
            return Err(AgeError::TooCostly { asked });
        }
        unwrap_with(&stanza.body, &self.key(&salt, asked)?).ok_or(AgeError::WrongPassphrase)
    }

    fn key(&self, salt: &[u8; SALT_BYTES], work_factor: u8) -> Result<SecretKey, AgeError> {
        let refused = AgeError::System { what: "memory for the passphrase derivation" };
        let params = Params::new(work_factor, BLOCK_SIZE, PARALLELISM).map_err(|_| refused)?;
        let mut key = Zeroizing::new([0; 32]);
        let salt = [SALT_LABEL, salt].concat();
        scrypt::scrypt(self.text.as_bytes(), &salt, &params, key.as_mut_slice()).map_err(|_| refused)?;
        Ok(key)
    }
}

/// Whether the file key is wrapped in this way.
pub(super) fn is_ours(stanza: &Stanza) -> bool {
    stanza.words.first().is_some_and(|kind| kind == KIND)
}
