//! Identity keys as the protocols' engine asks for them: [`Roll`] verifies envelopes, [`Seal`] signs them. `consign bench`
//! measures with the same two.

use std::sync::Arc;

use consign_cggmp24::parties::{Parties, PartiesError};
use consign_rounds::{Identities, PartyIndex, Signature, Signer};

use super::proposal::Proposal;
use crate::identity::{self, ClusterId, Identity, NodeId, Purpose};

/// The parties of one session and their identity keys.
#[derive(Clone)]
pub struct Roll {
    cluster: ClusterId,
    indices: Vec<PartyIndex>,
    ids: Vec<NodeId>,
}

impl Roll {
    /// The participants of a proposal.
    pub(super) fn of(proposal: &Proposal) -> Self {
        Self::new(proposal.cluster, proposal.participants.iter().map(|p| (p.index, p.id)))
    }

    /// Any list, ascending by index. What has the index 0, which is no party's, is left out.
    pub fn new(cluster: ClusterId, list: impl Iterator<Item = (u16, NodeId)>) -> Self {
        let (indices, ids) = list.filter_map(|(i, id)| Some((PartyIndex::new(i)?, id))).unzip();
        Self { cluster, indices, ids }
    }

    /// The parties of a session as the protocols have them.
    pub(super) fn of_parties(cluster: ClusterId, parties: &Parties) -> Self {
        let id = |id: &[u8; 32]| NodeId::from_bytes(id).ok();
        Self::new(cluster, parties.iter().filter_map(|(index, identity)| Some((index.get(), id(identity)?))))
    }

    /// The same list as the protocols want it.
    ///
    /// # Errors
    /// If the list is not strictly ascending, names a node twice, or has too few or too many parties.
    pub fn parties(&self) -> Result<Parties, PartiesError> {
        let ids = self.ids.iter().map(|id| *id.as_bytes());
        Parties::new(self.indices.iter().copied().zip(ids).collect())
    }
}

impl Identities for Roll {
    fn parties(&self) -> &[PartyIndex] {
        &self.indices
    }

    fn verify(&self, from: PartyIndex, bytes: &[u8], signature: &Signature) -> bool {
        let position = self.indices.binary_search(&from);
        position.ok().and_then(|i| self.ids.get(i)).is_some_and(|id| {
            let signature = identity::Signature::from_bytes(signature.0);
            id.verify(Purpose::Envelope, &self.cluster, bytes, &signature).is_ok()
        })
    }
}

/// Signs envelopes with the node's identity key, for one cluster.
pub struct Seal {
    /// The key.
    pub identity: Arc<Identity>,
    /// The cluster.
    pub cluster: ClusterId,
}

impl Signer for Seal {
    fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(*self.identity.sign(Purpose::Envelope, &self.cluster, bytes).as_bytes())
    }
}
