//! The transcript hash of the specification (1.5) for what the node itself hashes and signs: SHAKE256 over labelled,
//! length-prefixed items, so that no two lists of items have the same bytes. Read `proposal.rs` next.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use shake::digest::{ExtendableOutput, Update, XofReader};

const DOMAIN: &str = "CONSIGN-NODE";
const VERSION: u64 = 1;

const TAG_TEXT: u8 = 1;
const TAG_BYTES: u8 = 2;
const TAG_NUMBER: u8 = 3;
const TAG_COUNT: u8 = 4;

/// A 32-byte hash: proposals, charters, keys, aux info are named by one. Shown as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 lower-case hexadecimal digits")]
pub struct NotAHash;

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let mut bytes = [0; 32];
        // One spelling per hash: upper case would give two names to one thing.
        if text.bytes().any(|c| c.is_ascii_uppercase()) {
            return Err(NotAHash);
        }
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAHash)?;
        Ok(Self(bytes))
    }
}

/// Collects labelled items for one hash.
pub struct Items(shake::Shake256);

impl Items {
    /// Starts a hash for one `purpose`; no two uses share a purpose.
    #[must_use]
    pub fn new(purpose: &str) -> Self {
        let mut items = Self(shake::Shake256::default());
        items.encode(TAG_TEXT, DOMAIN.as_bytes());
        items.encode(TAG_NUMBER, &VERSION.to_be_bytes());
        items.encode(TAG_TEXT, purpose.as_bytes());
        items
    }

    /// Adds bytes under a label.
    #[must_use]
    pub fn bytes(mut self, label: &str, bytes: &[u8]) -> Self {
        self.encode(TAG_TEXT, label.as_bytes());
        self.encode(TAG_BYTES, bytes);
        self
    }

    /// Adds a number under a label.
    #[must_use]
    pub fn number(mut self, label: &str, number: u64) -> Self {
        self.encode(TAG_TEXT, label.as_bytes());
        self.encode(TAG_NUMBER, &number.to_be_bytes());
        self
    }

    /// Adds the length of a list whose items follow.
    #[must_use]
    pub fn count(mut self, label: &str, count: usize) -> Self {
        self.encode(TAG_TEXT, label.as_bytes());
        self.encode(TAG_COUNT, &u64::try_from(count).unwrap_or(u64::MAX).to_be_bytes());
        self
    }

    /// Adds bytes that may be missing; "missing" and "empty" differ.
    #[must_use]
    pub fn maybe(self, label: &str, bytes: Option<&[u8]>) -> Self {
        match bytes {
            None => self.count(label, 0),
            Some(bytes) => self.count(label, 1).bytes(label, bytes),
        }
    }

    /// The first 32 bytes of the stream.
    #[must_use]
    pub fn hash(self) -> Hash {
        let mut out = [0; 32];
        self.0.finalize_xof().read(&mut out);
        Hash(out)
    }

    fn encode(&mut self, tag: u8, bytes: &[u8]) {
        self.0.update(&[tag]);
        self.0.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = Hash([0xab; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse::<Hash>(), Err(NotAHash));
        assert_eq!("ab".parse::<Hash>(), Err(NotAHash));
    }

    #[test]
    fn different_items_never_hash_alike() {
        let all = [
            Items::new("p").hash(),
            Items::new("q").hash(),
            Items::new("p").bytes("a", b"bc").hash(),
            Items::new("p").bytes("ab", b"c").hash(),
            Items::new("p").bytes("a", b"b").bytes("c", b"").hash(),
            Items::new("p").number("a", 1).hash(),
            Items::new("p").count("a", 1).hash(),
            Items::new("p").maybe("a", None).hash(),
            Items::new("p").maybe("a", Some(b"")).hash(),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b));
        }
    }
}
