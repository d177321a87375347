//! What Ethereum and Bitcoin call a public key.

use bech32::hrp;
use consign_zk::curve::{Point, Secp256k1};
use sha3::{Digest as _, Keccak256};

use super::extended::hash160;

/// A Bitcoin network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The one with value: addresses begin with `bc1`.
    Main,
    /// For tests: addresses begin with `tb1`.
    Test,
}

/// The Ethereum address of a public key, with the capitals of EIP-55; `None` for the point at infinity.
pub fn ethereum_address(public_key: &Point<Secp256k1>) -> Option<String> {
    let (x, y) = public_key.coordinates()?;
    let hash = Keccak256::digest([x, y].concat());
    let digits: String = hash.iter().skip(12).map(|byte| format!("{byte:02x}")).collect();
    let capitals = Keccak256::digest(digits.as_bytes());
    let nibbles = capitals.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let address = digits.chars().zip(nibbles);
    let address = address.map(|(digit, nibble)| if nibble >= 8 { digit.to_ascii_uppercase() } else { digit });
    Some(format!("0x{}", address.collect::<String>()))
}

/// The Bitcoin address that pays to the hash of a public key (P2WPKH, BIP-173); `None` for the point at infinity.
pub fn bitcoin_address(public_key: &Point<Secp256k1>, network: Network) -> Option<String> {
    if public_key.is_identity() {
        return None;
    }
    let hrp = match network {
        Network::Main => hrp::BC,
        Network::Test => hrp::TB,
    };
    let address = bech32::segwit::encode_v0(hrp, &hash160(public_key));
    Some(address.expect("invariant: 20 bytes are a witness program of version 0"))
}

#[cfg(test)]
mod tests {
    use consign_zk::curve::Scalar;

    use super::*;

    fn multiple(k: u64) -> Point<Secp256k1> {
        Point::mul_generator(&Scalar::from_u64(k))
    }

    /// The first public keys and their well-known addresses.
    #[test]
    fn ethereum_addresses_have_the_capitals_of_eip_55() {
        for (k, address) in [
            (1, "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"),
            (2, "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"),
            (3, "0x6813Eb9362372EEF6200f3b1dbC3f819671cBA69"),
        ] {
            assert_eq!(ethereum_address(&multiple(k)).as_deref(), Some(address));
        }
    }

    /// The examples of BIP-173, which are about the generator.
    #[test]
    fn bitcoin_addresses_are_those_of_bip_173() {
        let address = |network| bitcoin_address(&multiple(1), network);
        assert_eq!(address(Network::Main).as_deref(), Some("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"));
        assert_eq!(address(Network::Test).as_deref(), Some("tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"));
    }

    #[test]
    fn infinity_has_no_address() {
        let infinity = Point::identity();
        assert_eq!((ethereum_address(&infinity), bitcoin_address(&infinity, Network::Main)), (None, None));
    }
}
