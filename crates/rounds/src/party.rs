//! Who takes part in a session: indices, and the two traits through which the engine signs and verifies.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Number of a party within one session, from 1. Another session may number the same party differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartyIndex(NonZeroU16);

impl PartyIndex {
    /// The party numbered `index`; `None` for 0, which is no party (it is where the secret of a sharing lies).
    #[must_use]
    pub const fn new(index: u16) -> Option<Self> {
        match NonZeroU16::new(index) {
            Some(index) => Some(Self(index)),
            None => None,
        }
    }

    /// The number, at least 1.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for PartyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One `T` for each party, in the order of their indices.
pub type PerParty<T> = BTreeMap<PartyIndex, T>;

/// A signature by a party's identity key, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Signature({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

impl Serialize for Signature {
    /// 64 bytes without a length.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        a.copy_from_slice(self.0.split_at(32).0);
        b.copy_from_slice(self.0.split_at(32).1);
        (a, b).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (a, b) = <([u8; 32], [u8; 32])>::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        bytes.split_at_mut(32).0.copy_from_slice(&a);
        bytes.split_at_mut(32).1.copy_from_slice(&b);
        Ok(Self(bytes))
    }
}

/// The public side: the parties of a session and their identity keys.
pub trait Identities {
    /// The parties of the session in strictly ascending order; the same list for every party and every judge.
    fn parties(&self) -> &[PartyIndex];

    /// Did `from` sign exactly `bytes`? `false` for an unknown party.
    ///
    /// Must be strict: a signature that some implementations accept and others refuse splits verdicts.
    fn verify(&self, from: PartyIndex, bytes: &[u8], signature: &Signature) -> bool;
}

/// The private side: one party's identity key.
pub trait Signer: Send + Sync {
    /// Signs `bytes`, which already carry a domain tag.
    fn sign(&self, bytes: &[u8]) -> Signature;
}
