//! Charters: who founds a cluster, and how founders follow founders. Read `succession.rs` for how a new one comes to be.

use consign_rounds::at_most;
use serde::{Deserialize, Serialize};

use super::hash::{Hash, Items};
use super::proposal::MAX_PARTIES;
use crate::identity::{ClusterId, Identity, NodeId, Purpose, Signature};

/// Names founders and first members. The hash of a cluster's first charter is the cluster's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charter {
    /// Who may vouch and revoke; a majority of them decides. Ascending, no doubles.
    pub founders: Vec<NodeId>,
    /// The first members. Ascending, no doubles.
    pub members: Vec<NodeId>,
    /// Unix time of the founding, in seconds; for people.
    pub created: u64,
    /// Makes two clusters of the same founders differ.
    pub salt: [u8; 16],
    /// The charter this one follows; none for the first.
    pub predecessor: Option<Hash>,
}

impl Charter {
    /// The hash of all of it.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let mut items = Items::new("charter").count("founders", self.founders.len());
        for f in &self.founders {
            items = items.bytes("founder", f.as_bytes());
        }
        items = items.count("members", self.members.len());
        for m in &self.members {
            items = items.bytes("member", m.as_bytes());
        }
        items
            .number("created", self.created)
            .bytes("salt", &self.salt)
            .maybe("predecessor", self.predecessor.as_ref().map(|p| &p.0[..]))
            .hash()
    }

    /// The id of the cluster whose first charter this is.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        ClusterId::from_bytes(self.hash().0)
    }

    /// Whether its lists are in order, and no longer than they may be.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let ascending = |ids: &[NodeId]| ids.windows(2).all(|w| matches!(w, [a, b] if a < b));
        (1..=MAX_PARTIES).contains(&self.founders.len())
            && self.members.len() <= MAX_PARTIES
            && ascending(&self.founders)
            && ascending(&self.members)
    }

    /// Signs it, as a founder of its predecessor.
    #[must_use]
    pub fn sign(&self, identity: &Identity, cluster: &ClusterId) -> CharterSignature {
        let signature = identity.sign(Purpose::Charter, cluster, &self.hash().0);
        CharterSignature { founder: identity.node_id(), signature }
    }
}

/// A founder's signature under the charter that is to follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterSignature {
    /// Whose.
    pub founder: NodeId,
    /// Over the charter's hash.
    pub signature: Signature,
}

/// A charter with signatures of founders of its predecessor. A first charter needs none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedCharter {
    /// The charter.
    pub charter: Charter,
    /// At most one of each founder.
    #[serde(deserialize_with = "at_most::<MAX_PARTIES, _, _>")]
    pub signatures: Vec<CharterSignature>,
}

impl SignedCharter {
    /// Whether it names `before` as its predecessor and holds good signatures of different founders of it, nothing else.
    /// More than half of them make it a successor.
    #[must_use]
    pub fn may_follow(&self, before: &Charter, cluster: &ClusterId) -> bool {
        let hash = self.charter.hash();
        let mut signers: Vec<_> = self.signatures.iter().map(|s| s.founder).collect();
        signers.sort_unstable();
        signers.dedup();
        let good = |s: &CharterSignature| {
            before.founders.binary_search(&s.founder).is_ok()
                && s.founder.verify(Purpose::Charter, cluster, &hash.0, &s.signature).is_ok()
        };
        self.charter.is_well_formed()
            && self.charter.predecessor == Some(before.hash())
            && signers.len() == self.signatures.len()
            && self.signatures.iter().all(good)
    }

    /// Whether it follows `before` by the will of more than half of its founders.
    #[must_use]
    pub fn follows(&self, before: &Charter, cluster: &ClusterId) -> bool {
        2 * self.signatures.len() > before.founders.len() && self.may_follow(before, cluster)
    }

    /// Whether this founder has signed it.
    #[must_use]
    pub fn is_signed_by(&self, founder: NodeId) -> bool {
        self.signatures.iter().any(|s| s.founder == founder)
    }

    /// Takes over signatures of a copy of the same charter. True: some were news.
    pub fn join(&mut self, copy: Self) -> bool {
        let before = self.signatures.len();
        let news = copy
            .signatures
            .into_iter()
            .filter(|s| !self.signatures.iter().any(|own| own.founder == s.founder));
        let news: Vec<_> = news.collect();
        self.signatures.extend(news);
        self.signatures.len() > before
    }
}
