//! Digests of messages and the Ethereum address of a public key.

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

/// The Ethereum address, with the capitals of EIP-55, of a secp256k1 public key given as its 64
/// bytes X‖Y (the uncompressed SEC1 encoding without its leading 04).
#[must_use]
pub fn ethereum_address(x_y: &[u8; 64]) -> String {
    let hashed = Keccak256::digest(x_y);
    let digits = hex::encode(hashed.iter().skip(12).copied().collect::<Vec<u8>>());
    let capitals = hex::encode(Keccak256::digest(digits.as_bytes()));
    let address = digits
        .chars()
        .zip(capitals.chars())
        .map(|(digit, capital)| if capital >= '8' { digit.to_ascii_uppercase() } else { digit });
    format!("0x{}", address.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key of the secret key 1 and its well-known address.
    #[test]
    fn address_of_the_generator() {
        let x_y = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
                   483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
        let bytes: [u8; 64] = hex::decode(x_y).unwrap().try_into().unwrap();
        assert_eq!(ethereum_address(&bytes), "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
    }

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
