//! A letter: a message of an application, signed by the node that sends it. (Called so in the code, since nodes say
//! `PeerMessage`s to each other.) Read `letters.rs` for how letters travel.

use consign_api as api;
use serde::{Deserialize, Serialize};

use super::hash::{Hash, Items};
use crate::identity::{ClusterId, Identity, NodeId, Purpose, Signature};

/// What a node sends to another, or to all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// In which cluster.
    pub cluster: ClusterId,
    /// Who sends it.
    pub from: NodeId,
    /// For whom; for all members, if there is nobody.
    pub to: Option<NodeId>,
    /// Under what it is listed; a label.
    pub topic: String,
    /// What it says.
    pub text: String,
    /// When: Unix time in seconds, by the sender's clock.
    pub created: u64,
    /// Makes two that say the same differ.
    pub nonce: [u8; 16],
}

/// A signed letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedLetter {
    /// The letter.
    pub letter: Letter,
    /// Its sender's signature.
    pub signature: Signature,
}

impl Letter {
    /// The hash of all of it.
    #[must_use]
    pub fn id(&self) -> Hash {
        Items::new("letter")
            .bytes("cluster", self.cluster.as_bytes())
            .bytes("from", self.from.as_bytes())
            .maybe("to", self.to.as_ref().map(|to| &to.as_bytes()[..]))
            .bytes("topic", self.topic.as_bytes())
            .bytes("text", self.text.as_bytes())
            .number("created", self.created)
            .bytes("nonce", &self.nonce)
            .hash()
    }

    /// Signs it; `identity` must be the sender's.
    #[must_use]
    pub fn sign(self, identity: &Identity) -> SignedLetter {
        let signature = identity.sign(Purpose::Message, &self.cluster, &self.id().0);
        SignedLetter { letter: self, signature }
    }
}

impl SignedLetter {
    /// Whether it is within the limits, and truly its sender's in this cluster.
    #[must_use]
    pub fn is_valid_in(&self, cluster: &ClusterId) -> bool {
        let letter = &self.letter;
        letter.cluster == *cluster
            && api::Label::try_from(letter.topic.clone()).is_ok()
            && letter.text.len() <= api::limits::MAX_TEXT_BYTES
            && letter.from.verify(Purpose::Message, cluster, &letter.id().0, &self.signature).is_ok()
    }
}
