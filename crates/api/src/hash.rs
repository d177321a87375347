//! Digests of messages.

use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

use crate::HashName;

impl HashName {
    /// The 32 bytes that are signed for `message`.
    #[must_use]
    pub fn digest(self, message: &[u8]) -> [u8; 32] {
        match self {
            Self::Sha256 => Sha256::digest(message).into(),
            Self::Keccak256 => Keccak256::digest(message).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of the empty message (FIPS 180-4 examples; Ethereum's empty code hash).
    #[test]
    fn digests_of_nothing() {
        assert_eq!(
            hex::encode(HashName::Sha256.digest(b"")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            hex::encode(HashName::Keccak256.digest(b"")),
            "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
    }
}
