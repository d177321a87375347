//! Children of a key: public keys for which the holders of the key sign too (`docs/spec/signing.md`, 6.7).
//!
//! A path adds a scalar `h`, which is public, to the secret key: every share gets `h` added, every public share
//! `[h]G`. So nobody stores anything for a child. Only unhardened steps are possible; they are those of BIP-32 and
//! SLIP-10, so that any wallet that knows the extended public key finds the same children.
//!
//! The path is fixed before anybody knows a nonce point: it is part of the session identifier and of the presignature.
//! There is no way to give a presignature another one; who could choose it afterwards would forge with less work
//! (6.7).
//!
//! ```
//! use consign_cggmp24::curve::{Point, Secp256k1};
//! use consign_cggmp24::derivation::{ExtendedKey, Path, ethereum_address};
//!
//! let key = ExtendedKey::<Secp256k1>::root(Point::generator(), [7; 32]);
//! let path: Path = "m/0/5".parse().expect("two unhardened steps");
//! let child = key.descend(&path).expect("these children exist");
//! assert_ne!(ethereum_address(&child.public_key), ethereum_address(&key.public_key));
//! ```
//!
//! `path.rs` parses, `child.rs` is one step, [`ExtendedKey`] many, [`Shift`] what signing needs, `address.rs` what others
//! call a key.

mod address;
mod child;
mod extended;
mod path;
mod shift;

use thiserror::Error;

pub use address::{Network, bitcoin_address, ethereum_address};
pub use child::Standard;
pub use extended::{ExtendedKey, XpubError};
pub use path::{FIRST_HARDENED, MAX_DEPTH, MAX_PATH_BYTES, Path, PathError};
pub use shift::Shift;

/// Why a key has no such child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DerivationError {
    /// The key was made without a chain code.
    #[error("this key was made without a chain code, so nothing can be derived from it")]
    NoChainCode,
    /// A hardened index.
    #[error("index {0} is hardened: that needs the secret key in one piece, which exists nowhere")]
    Hardened(u32),
    /// BIP-32 gives this index no child, with probability about 2^-127.
    #[error("index {0} has no child by chance; use the next one")]
    NoChild(u32),
    /// Deeper than BIP-32 can number.
    #[error("the key is too deep for another child")]
    Depth,
}
