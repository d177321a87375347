//! A client's key: Ed25519, the public half known to the policies of the nodes, the secret half with the client alone.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

use super::NotSigned;
use crate::id::{ParseIdError, decode_32};

/// First word of a file with a client's secret key.
const FILE_MARK: &str = "consign-client-key-1";
/// Longest such file, in bytes: the word, a space, 64 digits, the end of the line (which may be one of two characters).
pub const MAX_KEY_FILE_BYTES: usize = FILE_MARK.len() + 1 + 64 + 2;

/// A client: its Ed25519 public key. Written as 64 lower-case hexadecimal digits; ordered by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey([u8; 32]);

impl ClientKey {
    /// Takes 32 bytes that must be the one encoding of a point of large order: under any other key signatures could be
    /// forged, or one client could have two names.
    ///
    /// # Errors
    /// [`NotSigned::Key`] otherwise.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, NotSigned> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| NotSigned::Key)?;
        let canonical = key.to_edwards().compress();
        if key.is_weak() || canonical.as_bytes() != bytes {
            return Err(NotSigned::Key);
        }
        Ok(Self(*bytes))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight digits: enough for a person to tell a few apart, never unique.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }

    /// Checks a signature of this client. Strict: one nonce has one signature that passes.
    pub(super) fn verify(&self, signed: &[u8], signature: &[u8; 64]) -> Result<(), NotSigned> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| NotSigned::Key)?;
        key.verify_strict(signed, &Signature::from_bytes(signature)).map_err(|_| NotSigned::Signature)
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({})", self.short())
    }
}

impl FromStr for ClientKey {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let key = decode_32(text).and_then(|bytes| Self::from_bytes(&bytes).ok());
        key.ok_or_else(|| ParseIdError::of(text))
    }
}

impl Serialize for ClientKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A file that holds no client's secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no client key: the file holds one line, `{FILE_MARK}` and 64 lower-case hexadecimal digits; make one \
     with `consign client new`"
)]
pub struct BadKeyFile;

/// A client's secret key. Zeroised when dropped; it has neither `Debug` nor `Clone`.
pub struct ClientSecret(SigningKey);

impl ClientSecret {
    /// The key of a secret seed of 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> ClientKey {
        ClientKey(self.0.verifying_key().to_bytes())
    }

    /// What a file with this key holds; nobody but its owner may read it (mode 0600).
    #[must_use]
    pub fn to_file(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(self.0.to_bytes());
        let digits = Zeroizing::new(hex::encode(*seed));
        // Room for all of it at once: growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_FILE_BYTES));
        text.push_str(FILE_MARK);
        text.push(' ');
        text.push_str(&digits);
        text.push('\n');
        text
    }

    /// Reads what [`to_file`](Self::to_file) wrote.
    ///
    /// # Errors
    /// [`BadKeyFile`].
    pub fn from_file(text: &[u8]) -> Result<Self, BadKeyFile> {
        let line = std::str::from_utf8(text).map_err(|_| BadKeyFile)?;
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let digits = line.strip_prefix(FILE_MARK).and_then(|rest| rest.strip_prefix(' '));
        let seed = digits.and_then(decode_32).map(Zeroizing::new).ok_or(BadKeyFile)?;
        Ok(Self::from_seed(&seed))
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}
