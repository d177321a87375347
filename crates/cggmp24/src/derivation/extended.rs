//! Extended public keys: what children are derived from, and how BIP-32 writes it.

use consign_zk::curve::{Curve, Point, Scalar, Secp256k1};
use ripemd::Ripemd160;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::child::{Child, Standard, child};
use super::{DerivationError, Path};

/// First bytes of an extended public key of the main network; they make it begin with `xpub`.
const VERSION: [u8; 4] = [0x04, 0x88, 0xb2, 0x1e];
/// Bytes of an extended public key before its checksum.
const XPUB_BYTES: usize = 78;
/// Longest text of one: 82 bytes have at most 112 digits to the base 58.
const MAX_XPUB_CHARS: usize = 112;

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

/// What is no extended public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum XpubError {
    /// Not base 58, or of another length.
    #[error("this is no extended public key: xpub and some 107 letters and digits")]
    Form,
    /// Mistyped.
    #[error("the checksum of the extended public key does not fit: it is mistyped or cut")]
    Checksum,
    /// A private key, or one of another network.
    #[error("this is no extended public key of the main network, which begin with xpub")]
    Version,
    /// No point.
    #[error("the extended public key holds no point of the curve")]
    Point,
    /// A root with a parent.
    #[error("the extended public key is at depth 0 and has a parent all the same")]
    Root,
}

impl<C: Curve> ExtendedKey<C> {
    /// A key without parents.
    pub fn root(public_key: Point<C>, chain_code: [u8; 32]) -> Self {
        Self { public_key, chain_code, depth: 0, parent: [0; 4], index: 0 }
    }

    /// The child `index`, by the standard of the curve.
    pub fn child(&self, index: u32) -> Result<Self, DerivationError> {
        self.child_by(Standard::of::<C>(), index)
    }

    /// The child `index`, by this standard.
    pub fn child_by(&self, standard: Standard, index: u32) -> Result<Self, DerivationError> {
        Ok(self.step(standard, index)?.1)
    }

    /// The key at the end of a path.
    pub fn descend(&self, path: &Path) -> Result<Self, DerivationError> {
        Ok(self.walk(path)?.1)
    }

    /// The key at the end of a path, and the sum of what its steps add.
    pub(super) fn walk(&self, path: &Path) -> Result<(Scalar<C>, Self), DerivationError> {
        let standard = Standard::of::<C>();
        path.steps().iter().try_fold((Scalar::zero(), self.clone()), |(sum, key), &index| {
            let (tweak, child) = key.step(standard, index)?;
            Ok((sum + tweak, child))
        })
    }

    fn step(&self, standard: Standard, index: u32) -> Result<(Scalar<C>, Self), DerivationError> {
        let depth = self.depth.checked_add(1).ok_or(DerivationError::Depth)?;
        let Child { tweak, public_key, chain_code } =
            child(standard, &self.public_key, &self.chain_code, index)?;
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

    /// Reads what [`ExtendedKey::to_xpub`] writes.
    pub fn from_xpub(text: &str) -> Result<Self, XpubError> {
        if text.len() > MAX_XPUB_CHARS {
            return Err(XpubError::Form);
        }
        let bytes = bs58::decode(text).into_vec().map_err(|_| XpubError::Form)?;
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(XpubError::Form)?;
        if body.len() != XPUB_BYTES {
            return Err(XpubError::Form);
        }
        if *sum != checksum(body) {
            return Err(XpubError::Checksum);
        }
        let mut rest = body;
        if take::<4>(&mut rest)? != VERSION {
            return Err(XpubError::Version);
        }
        let [depth] = take(&mut rest)?;
        let (parent, index) = (take(&mut rest)?, u32::from_be_bytes(take(&mut rest)?));
        if depth == 0 && (parent, index) != ([0; 4], 0) {
            return Err(XpubError::Root);
        }
        let chain_code = take(&mut rest)?;
        let public_key = Point::from_bytes(rest).ok_or(XpubError::Point)?;
        Ok(Self { public_key, chain_code, depth, parent, index })
    }
}

/// The next `N` bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], XpubError> {
    let (first, others) = rest.split_first_chunk::<N>().ok_or(XpubError::Form)?;
    *rest = others;
    Ok(*first)
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
