//! Ed25519 (RFC 8032) for identities: AWS-LC computes, and what it leaves open is closed here.
//!
//! A signature that some programs accept and others refuse would split verdicts, so exactly one rule holds, the one
//! that `ed25519-dalek` calls strict:
//!
//! * the key is a canonical encoding of a point whose order is not small: seen to once, by [`is_key`];
//! * `s < L`, and `R` is the canonical encoding of `[s]B - [k]A`: AWS-LC computes that point and compares bytes;
//! * the order of `R` is not small. AWS-LC does not ask, so [`verify`] does. What passed the line above is canonical:
//!   a small order shows in the bytes alone.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use ed25519_dalek::VerifyingKey;
use zeroize::Zeroizing;

use super::{ID_BYTES, SIGNATURE_BYTES};

#[cfg(test)]
mod tests;

/// The y of all eight points whose order divides 8, little-endian. A point and its negative share one; the sign of x is
/// the top bit of the last byte, which no y needs.
const SMALL_ORDER_Y: [[u8; ID_BYTES]; 5] = [
    // 1: order 1.
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    // p - 1: order 2.
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, //
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    // 0: order 4.
    [0; ID_BYTES],
    // Order 8, and its negative.
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, //
        0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, //
        0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// The bits of the last byte of an encoding that belong to y.
const Y_BITS: u8 = 0x7f;

/// A secret key. Both copies of the seed are wiped when dropped: ours by `zeroize`, that of AWS-LC by its `free`.
pub(super) struct SecretKey {
    seed: Zeroizing<[u8; ID_BYTES]>,
    pair: Ed25519KeyPair,
}

impl SecretKey {
    /// The key of a seed.
    pub(super) fn from_seed(seed: &[u8; ID_BYTES]) -> Self {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed).expect("invariant: any 32 bytes are an Ed25519 seed");
        Self { seed: Zeroizing::new(*seed), pair }
    }

    /// The seed.
    pub(super) fn seed(&self) -> &Zeroizing<[u8; ID_BYTES]> {
        &self.seed
    }

    /// The public half.
    pub(super) fn public(&self) -> [u8; ID_BYTES] {
        self.pair.public_key().as_ref().try_into().expect("invariant: a public key has 32 bytes")
    }

    /// The one signature of `message`: no chance enters.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.pair.sign(message).as_ref().try_into().expect("invariant: a signature has 64 bytes")
    }
}

/// Is this the canonical encoding of a point whose order is not small?
pub(super) fn is_key(bytes: &[u8; ID_BYTES]) -> bool {
    VerifyingKey::from_bytes(bytes)
        .is_ok_and(|key| !key.is_weak() && key.to_edwards().compress().as_bytes() == bytes)
}

/// Is this a signature of `message`, by the rule above? `key` must be one by [`is_key`].
pub(super) fn verify(key: &[u8; ID_BYTES], message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    !has_small_order(signature) && UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

/// Is the order of `R` small, if its encoding is canonical?
fn has_small_order(signature: &[u8; SIGNATURE_BYTES]) -> bool {
    let mut y = [0; ID_BYTES];
    y.copy_from_slice(signature.split_at(ID_BYTES).0);
    if let Some(last) = y.last_mut() {
        *last &= Y_BITS;
    }
    SMALL_ORDER_Y.contains(&y)
}
