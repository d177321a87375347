//! Extended public keys: what children are derived from, and how BIP-32 writes it.

use consign_zk::curve::{Curve, Point, Scalar, Secp256k1};
use ripemd::Ripemd160;
use sha2::{Digest as _, Sha256};

use super::child::{Child, Standard, child};
use super::{DerivationError, Path};

/// First bytes of an extended public key of the main network; they make it begin with `xpub`.
const VERSION: [u8; 4] = [0x04, 0x88, 0xb2, 0x1e];
/// Bytes of an extended public key before its checksum.
const XPUB_BYTES: usize = 78;

/// A public key, its chain code, and where it stands in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedKey<C: Curve> {
    /// The public key.
    pub public_key: Point<C>,
    /// The chain code.
    pub chain_code: [u8; 32],
    /// Number of steps from the root.
    pub depth: u8,
    /// First bytes of the parent's hash; zero at the root.
    pub parent: [u8; 4],
    /// Index among the parent's children; zero at the root.
    pub index: u32,
}

impl<C: Curve> ExtendedKey<C> {
    /// A key without parents.
    pub fn root(public_key: Point<C>, chain_code: [u8; 32]) -> Self {
        Self { public_key, chain_code, depth: 0, parent: [0; 4], index: 0 }
    }

    /// The child `index`, by the standard of the curve.
    pub fn child(&self, index: u32) -> Result<Self, DerivationError> {
        Ok(self.step(index)?.1)
    }

    /// The key at the end of a path.
    pub fn descend(&self, path: &Path) -> Result<Self, DerivationError> {
        Ok(self.walk(path)?.1)
    }

    /// The key at the end of a path, and the sum of what its steps add.
    pub(super) fn walk(&self, path: &Path) -> Result<(Scalar<C>, Self), DerivationError> {
        path.steps().iter().try_fold((Scalar::zero(), self.clone()), |(sum, key), &index| {
            let (tweak, child) = key.step(index)?;
            Ok((sum + tweak, child))
        })
    }

    fn step(&self, index: u32) -> Result<(Scalar<C>, Self), DerivationError> {
        let depth = self.depth.checked_add(1).ok_or(DerivationError::Depth)?;
        let Child { tweak, public_key, chain_code } =
            child(Standard::of::<C>(), &self.public_key, &self.chain_code, index)?;
        Ok((tweak, Self { public_key, chain_code, depth, parent: self.fingerprint(), index }))
    }

    /// First bytes of `RIPEMD160(SHA256(K))`.
    pub fn fingerprint(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = hash160(&self.public_key);
        [a, b, c, d]
    }
}

impl ExtendedKey<Secp256k1> {
    /// The key as BIP-32 writes it: `xpub…`.
    pub fn to_xpub(&self) -> String {
        let mut bytes = Vec::with_capacity(XPUB_BYTES + 4);
        bytes.extend_from_slice(&VERSION);
        bytes.push(self.depth);
        bytes.extend_from_slice(&self.parent);
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.chain_code);
        bytes.extend_from_slice(&self.public_key.to_bytes());
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        bs58::encode(bytes).into_string()
    }
}

/// First bytes of the double hash of Base58Check.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(Sha256::digest(bytes)));
    [a, b, c, d]
}

/// `RIPEMD160(SHA256(K))` of the compressed key.
pub(super) fn hash160<C: Curve>(public_key: &Point<C>) -> [u8; 20] {
    Ripemd160::digest(Sha256::digest(public_key.to_bytes())).into()
}
