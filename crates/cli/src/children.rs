//! The public keys of a key's children, computed here from what the node shows; and what it shows is compared with what
//! follows from it, so that nobody has to believe a node's addresses.

use consign_api::KeyView;
use consign_cggmp24::curve::{Point, Secp256k1};
use consign_cggmp24::derivation::{ExtendedKey, Network, Path, bitcoin_address, ethereum_address};

use crate::verify::Bad;

/// The public key of the child at `path`, if all that the node says of the key holds together.
pub(crate) fn child(key: &KeyView, path: &Path) -> Result<Point<Secp256k1>, Bad> {
    let root = root(key)?;
    let Some(chain_code) = &key.chain_code else {
        return if path.is_root() { Ok(root) } else { Err(Bad::NoChild) };
    };
    let mut code = [0; 32];
    hex::decode_to_slice(chain_code, &mut code).map_err(|_| Bad::OtherAddress)?;
    let extended = ExtendedKey::root(root, code);
    if key.xpub != Some(extended.to_xpub()) {
        return Err(Bad::OtherAddress);
    }
    Ok(extended.descend(path).map_err(|_| Bad::NoChild)?.public_key)
}

/// The key's own public key, if the addresses are its own.
fn root(key: &KeyView) -> Result<Point<Secp256k1>, Bad> {
    let bytes = hex::decode(&key.public_key).map_err(|_| Bad::PublicKey)?;
    let point = Point::from_bytes(&bytes).ok_or(Bad::PublicKey)?;
    let told = (&key.ethereum_address, &key.bitcoin_address);
    let right = told == (&ethereum_address(&point), &bitcoin_address(&point, Network::Main));
    if right { Ok(point) } else { Err(Bad::OtherAddress) }
}
