//! SHA-256 with a domain tag and an injective encoding, and the echo hashes built from it.
//!
//! Every item is preceded by its length, so no two lists of items have the same encoding.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::party::{PartyIndex, PerParty};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Names one execution of one protocol; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub [u8; 32]);

/// Hash of `items` under the domain `tag`: each preceded by its length as eight bytes, big-endian.
pub(crate) fn tagged(tag: &str, items: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for item in [tag.as_bytes()].iter().chain(items) {
        let length = u64::try_from(item.len()).expect("invariant: a length fits 64 bits");
        hasher.update(length.to_be_bytes());
        hasher.update(item);
    }
    hasher.finalize().into()
}

/// The hash of a broadcast part, as it stands in the signed header.
#[must_use]
pub fn broadcast_hash(bytes: &[u8]) -> Hash {
    tagged("consign broadcast v1", &[bytes])
}

/// The hash of a direct part, as it stands in the signed header.
#[must_use]
pub fn direct_hash(bytes: &[u8]) -> Hash {
    tagged("consign direct v1", &[bytes])
}

/// `E_0`: the echo before anything was said.
pub(crate) fn first_echo(session: SessionId) -> Hash {
    tagged("consign echo start v1", &[&session.0])
}

/// `E_r` from `E_{r-1}` and the broadcast hashes of round `r`, in the order of the parties.
///
/// It contains all earlier echoes, so one comparison covers every broadcast so far.
pub(crate) fn next_echo(session: SessionId, round: u8, previous: &Hash, said: &PerParty<Hash>) -> Hash {
    let mut list = Vec::with_capacity(said.len() * 34);
    for (from, hash) in said {
        list.extend_from_slice(&PartyIndex::get(*from).to_be_bytes());
        list.extend_from_slice(hash);
    }
    tagged("consign echo v1", &[&session.0, &[round], previous, &list])
}
