//! Import of a private key that exists already (`docs/spec/keygen.md`, 4.6).
//!
//! An imported key begins as a key of one holder, its dealer: epoch 0, threshold 1, and the share is the whole private
//! key. Nobody signs with it. The dealer reshares it to a committee ([`reshare`](crate::reshare)) and so brings it under
//! the rules of every other key: commitments, masked shares with complaints, proofs, confirmations, and the erasure of
//! the old share, which is the private key.
//!
//! What everybody knows of that first epoch follows from what the dealer has signed before: its identity, the public key,
//! the chain code, and the nonce of its proposal. So whoever is asked for the resharing computes it, and compares.

use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::level::Level;

use crate::key::{KeyError, KeyInfo, KeyShare};
use crate::keygen::confirmation::key_id;
use crate::parties::{Identity, Parties};
use crate::ssid::{ProtocolKind, sid};

/// Number of signers of a key that is in one place.
const ALONE: u16 = 1;

/// The first epoch of an imported key, as everybody computes it.
///
/// DEVIATION 24: `rid` is the nonce of the dealer's proposal, a hash over 32 random bytes of its own.
pub fn first_epoch<C: Curve>(
    level: Level,
    dealer: Identity,
    public_key: Point<C>,
    chain_code: [u8; 32],
    nonce: &[u8; 32],
) -> KeyInfo<C> {
    let parties = Parties::alone(dealer);
    let session = sid::<C>(ProtocolKind::Import, level, ALONE, &parties, nonce);
    KeyInfo {
        key_id: key_id(session, nonce, &public_key),
        session,
        level,
        epoch: 0,
        threshold: ALONE,
        parties,
        public_key,
        public_shares: vec![public_key],
        chain_code: Some(chain_code),
        rid: *nonce,
    }
}

/// The dealer's share of it: the private key.
pub fn share<C: Curve>(info: KeyInfo<C>, private_key: Scalar<C>) -> Result<KeyShare<C>, KeyError> {
    let dealer = info.parties.indices().next().ok_or(KeyError::Shape)?;
    KeyShare::new(info, dealer, private_key)
}

impl<C: Curve> KeyInfo<C> {
    /// Whether the whole private key is in one place: in the first epoch of an imported key.
    pub fn is_whole(&self) -> bool {
        self.parties.count() == 1
    }
}
