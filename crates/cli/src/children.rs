//! The public keys of a key's children, computed here from what the node shows; and what it shows is compared with what
//! follows from it, so that nobody has to believe a node's addresses.

use consign_api::KeyView;
use consign_cggmp24::curve::{Curve, P256, Point, Secp256k1};
use consign_cggmp24::derivation::{ExtendedKey, Path, bitcoin_address, ethereum_address};

use crate::verify::Bad;

/// A child of a key, or the key itself.
pub(crate) struct Child {
    /// Compressed SEC1.
    pub(crate) public_key: Vec<u8>,
    /// On secp256k1 only.
    pub(crate) ethereum_address: Option<String>,
    /// On secp256k1 only.
    pub(crate) bitcoin_address: Option<String>,
}

/// What others call the keys of one curve.
struct Names<C: Curve> {
    xpub: fn(&ExtendedKey<C>) -> Option<String>,
    ethereum: fn(&Point<C>) -> Option<String>,
    bitcoin: fn(&Point<C>) -> Option<String>,
}

/// The child at `path`, if all that the node says of the key holds together.
pub(crate) fn child(key: &KeyView, path: &Path) -> Result<Child, Bad> {
    match key.curve {
        consign_api::Curve::Secp256k1 => {
            let xpub = |extended: &ExtendedKey<Secp256k1>| Some(extended.to_xpub());
            Names { xpub, ethereum: ethereum_address, bitcoin: bitcoin_address }.child(key, path)
        }
        consign_api::Curve::P256 => {
            Names::<P256> { xpub: |_| None, ethereum: |_| None, bitcoin: |_| None }.child(key, path)
        }
    }
}

impl<C: Curve> Names<C> {
    fn child(&self, key: &KeyView, path: &Path) -> Result<Child, Bad> {
        let root = self.root(key)?;
        let Some(chain_code) = &key.chain_code else {
            return if path.is_root() { Ok(self.named(&root)) } else { Err(Bad::NoChild) };
        };
        let mut code = [0; 32];
        hex::decode_to_slice(chain_code, &mut code).map_err(|_| Bad::OtherAddress)?;
        let extended = ExtendedKey::root(root, code);
        if key.xpub != (self.xpub)(&extended) {
            return Err(Bad::OtherAddress);
        }
        Ok(self.named(&extended.descend(path).map_err(|_| Bad::NoChild)?.public_key))
    }

    /// The key's own public key, if the addresses are its own.
    fn root(&self, key: &KeyView) -> Result<Point<C>, Bad> {
        let bytes = hex::decode(&key.public_key).map_err(|_| Bad::PublicKey)?;
        let point = Point::from_bytes(&bytes).ok_or(Bad::PublicKey)?;
        let Child { ethereum_address, bitcoin_address, .. } = self.named(&point);
        let right = (&key.ethereum_address, &key.bitcoin_address) == (&ethereum_address, &bitcoin_address);
        if right { Ok(point) } else { Err(Bad::OtherAddress) }
    }

    fn named(&self, point: &Point<C>) -> Child {
        let (ethereum_address, bitcoin_address) = ((self.ethereum)(point), (self.bitcoin)(point));
        Child { public_key: point.to_bytes(), ethereum_address, bitcoin_address }
    }
}
