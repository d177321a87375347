//! Who a node is: an Ed25519 key, its public half as [`NodeId`], and signatures with a purpose.
//!
//! A node's key signs nothing without saying what for and in which cluster: a signature over a
//! [`Purpose`], a [`ClusterId`] and bytes is good for no other purpose and no other cluster. The same
//! key authenticates the node's connections (libp2p, Noise), so a [`NodeId`] and a [`PeerId`] are two
//! writings of one thing.

use std::fmt;
use std::str::FromStr;

use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

mod ed25519;

/// Bytes of a node id, a cluster id, and an identity's seed.
pub const ID_BYTES: usize = 32;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// First bytes of everything an identity key signs.
const SIGNATURE_DOMAIN: &[u8] = b"consign identity signature v1";

/// Multihash code "identity": the peer id holds the public key itself.
const MULTIHASH_IDENTITY: u64 = 0;

/// What a signature is for. Each purpose has its own label; labels are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A charter: the founders and first members of a cluster.
    Charter,
    /// A validator's announcement of its own addresses and versions.
    Announce,
    /// A founder's vouch for a member.
    Vouch,
    /// A founder's revocation of a member.
    Revoke,
    /// A founder's invitation.
    Invitation,
    /// A proposal of a ceremony.
    Proposal,
    /// A participant's acceptance of a proposal.
    Accept,
    /// A participant's refusal of a proposal.
    Refusal,
    /// A protocol message inside a ceremony.
    Envelope,
    /// A participant's confirmation that its result is durable.
    Confirmation,
    /// An application message to one or all validators.
    Message,
    /// Length and head of a validator's own audit log.
    AuditHead,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Purpose; 12] = [
        Purpose::Charter,
        Purpose::Announce,
        Purpose::Vouch,
        Purpose::Revoke,
        Purpose::Invitation,
        Purpose::Proposal,
        Purpose::Accept,
        Purpose::Refusal,
        Purpose::Envelope,
        Purpose::Confirmation,
        Purpose::Message,
        Purpose::AuditHead,
    ];

    /// The label inside the signed bytes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Purpose::Charter => "charter",
            Purpose::Announce => "announce",
            Purpose::Vouch => "vouch",
            Purpose::Revoke => "revoke",
            Purpose::Invitation => "invitation",
            Purpose::Proposal => "proposal",
            Purpose::Accept => "accept",
            Purpose::Refusal => "refusal",
            Purpose::Envelope => "envelope",
            Purpose::Confirmation => "confirmation",
            Purpose::Message => "message",
            Purpose::AuditHead => "audit head",
        }
    }
}

/// Text or bytes that are not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Not 64 lower-case hex digits.
    #[error("an id is written as 64 lower-case hex digits")]
    NotHex,
    /// Not a public key a signature can be checked with.
    #[error("these bytes are not a usable Ed25519 public key")]
    NotAKey,
    /// A peer id that does not hold an Ed25519 key.
    #[error("this peer id does not hold an Ed25519 key")]
    NotEd25519,
}

/// A signature that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature of {signer} over this {} does not hold", purpose.label())]
pub struct BadSignature {
    /// Whose signature it should have been.
    pub signer: NodeId,
    /// What it should have been for.
    pub purpose: Purpose,
}

/// A node: its Ed25519 public key. Written as hex; ordered by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; ID_BYTES]);

impl NodeId {
    /// Takes 32 bytes that must be the canonical encoding of a point of large order.
    ///
    /// # Errors
    /// [`BadId::NotAKey`] otherwise: under such a key signatures could be forged, or one node could
    /// have two ids.
    pub fn from_bytes(bytes: &[u8; ID_BYTES]) -> Result<NodeId, BadId> {
        if ed25519::is_key(bytes) { Ok(NodeId(*bytes)) } else { Err(BadId::NotAKey) }
    }

    /// The public key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }

    /// The node behind an authenticated libp2p peer.
    ///
    /// # Errors
    /// If the peer's key is not Ed25519.
    pub fn from_peer_id(peer: &PeerId) -> Result<NodeId, BadId> {
        let multihash = peer.as_ref();
        if multihash.code() != MULTIHASH_IDENTITY {
            return Err(BadId::NotEd25519);
        }
        let key = PublicKey::try_decode_protobuf(multihash.digest()).map_err(|_| BadId::NotEd25519)?;
        // Only the canonical peer id: otherwise two peer ids could be one node.
        if key.to_peer_id() != *peer {
            return Err(BadId::NotEd25519);
        }
        let key = key.try_into_ed25519().map_err(|_| BadId::NotEd25519)?;
        NodeId::from_bytes(&key.to_bytes())
    }

    /// The node with this libp2p name, as text.
    ///
    /// # Errors
    /// If the text is no peer id, or its key is not Ed25519.
    pub fn from_peer_text(text: &str) -> Result<NodeId, BadId> {
        NodeId::from_peer_id(&text.parse().map_err(|_| BadId::NotEd25519)?)
    }

    /// The libp2p name of this node.
    #[must_use]
    pub fn to_peer_id(&self) -> PeerId {
        let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(&self.0)
            .expect("invariant: a node id is a valid Ed25519 public key");
        PublicKey::from(key).to_peer_id()
    }

    /// Checks a signature of this node. Strict: exactly one signature encoding passes for a nonce.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(
        &self,
        purpose: Purpose,
        cluster: &ClusterId,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let holds = ed25519::verify(&self.0, &signed_bytes(purpose, cluster, bytes), &signature.0);
        if holds { Ok(()) } else { Err(BadSignature { signer: *self, purpose }) }
    }
}

/// A cluster: the hash of its first charter. Written as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId([u8; ID_BYTES]);

impl ClusterId {
    /// Any 32 bytes may be a cluster's id.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> ClusterId {
        ClusterId(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

/// An Ed25519 signature. Written as hex in text, as 64 bytes elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_BYTES]);

impl Signature {
    /// Any 64 bytes may be checked.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SIGNATURE_BYTES]) -> Signature {
        Signature(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }
}

/// A node's secret key. Zeroised when dropped; it has neither `Debug` nor `Clone`.
pub struct Identity(ed25519::SecretKey);

impl Identity {
    /// The identity of a secret seed of 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; ID_BYTES]) -> Identity {
        Identity(ed25519::SecretKey::from_seed(seed))
    }

    /// The seed, to store it sealed.
    #[must_use]
    pub fn expose_seed(&self) -> Zeroizing<[u8; ID_BYTES]> {
        self.0.seed().clone()
    }

    /// The public half.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        NodeId(self.0.public())
    }

    /// Signs `bytes` for one purpose in one cluster.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, cluster: &ClusterId, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(&signed_bytes(purpose, cluster, bytes)))
    }

    /// The same key for libp2p, which authenticates connections with it.
    #[must_use]
    pub fn to_libp2p(&self) -> Keypair {
        let mut seed = self.expose_seed();
        Keypair::ed25519_from_bytes(seed.as_mut_slice()).expect("invariant: any 32 bytes are an Ed25519 seed")
    }
}

/// `domain ‖ len(label) ‖ label ‖ cluster ‖ bytes`; everything before `bytes` has a length known from
/// what precedes it.
fn signed_bytes(purpose: Purpose, cluster: &ClusterId, bytes: &[u8]) -> Vec<u8> {
    let label = purpose.label().as_bytes();
    let length = u8::try_from(label.len()).expect("invariant: labels are short");
    [SIGNATURE_DOMAIN, &[length], label, &cluster.0, bytes].concat()
}

/// Parses lower-case hex of exactly `N` bytes: one value, one writing.
fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], BadId> {
    let mut bytes = [0; N];
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(BadId::NotHex);
    }
    hex::decode_to_slice(text, &mut bytes).map_err(|_| BadId::NotHex)?;
    Ok(bytes)
}

/// Hex in `Display`, `Debug`, `FromStr` and human-readable serde; plain bytes in binary serde.
macro_rules! written_as_hex {
    ($name:ident, $bytes:expr, $from:expr) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<$name, BadId> {
                $from(&parse_hex::<{ $bytes }>(text)?)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serialize_bytes(&self.0, serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(D::Error::custom)
                } else {
                    let bytes = deserialize_bytes::<{ $bytes }, D>(deserializer)?;
                    $from(&bytes).map_err(D::Error::custom)
                }
            }
        }
    };
}

written_as_hex!(NodeId, ID_BYTES, NodeId::from_bytes);
written_as_hex!(ClusterId, ID_BYTES, |bytes: &[u8; ID_BYTES]| Ok::<_, BadId>(ClusterId(*bytes)));
written_as_hex!(Signature, SIGNATURE_BYTES, |bytes: &[u8; SIGNATURE_BYTES]| Ok::<_, BadId>(Signature(
    *bytes
)));

/// A fixed number of bytes, without a length before them.
fn serialize_bytes<const N: usize, S: Serializer>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeTuple;
    let mut tuple = serializer.serialize_tuple(N)?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}

/// The inverse of [`serialize_bytes`].
fn deserialize_bytes<'de, const N: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    struct Bytes<const N: usize>;

    impl<'de, const N: usize> serde::de::Visitor<'de> for Bytes<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} bytes")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<[u8; N], A::Error> {
            let mut bytes = [0; N];
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
            }
            Ok(bytes)
        }
    }

    deserializer.deserialize_tuple(N, Bytes::<N>)
}

#[cfg(test)]
mod tests;
