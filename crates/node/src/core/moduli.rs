//! Moduli as this node knows them: with the own factors, and only those of committees it is in.

use std::sync::Arc;

use consign_api as api;
use consign_cggmp24::aux_info::Aux;
use zeroize::Zeroizing;

use super::changes::receivers;
use super::hash::Hash;
use super::keys::Key;
use super::node::Node;
use super::proposal::{Kind, Proposal};
use super::records::{BadRecord, decode, encode};
use super::requests::{level_number, level_of};
use super::wire::PeerMessage;
use crate::identity::NodeId;
use crate::store::{Table, Value, Write};

/// How many moduli one peer is believed to have lost the factors of, until this node restarts.
pub const MAX_LOST_OF_ONE: usize = 4;

/// Moduli of which this node holds the own factors.
pub(super) struct AuxRecord {
    /// All of it.
    pub(super) aux: Arc<Aux>,
    /// Whether everybody has confirmed: then this node proposes keys that use it.
    pub(super) confirmed: bool,
}

impl AuxRecord {
    /// The write that makes it durable.
    pub(super) fn write(&self) -> Write {
        let bytes = self.aux.encode();
        Write::put(Table::Aux, self.aux.public().aux_id, encode(&(bytes.as_slice(), self.confirmed)))
    }

    /// Reads a record.
    pub(super) fn read(value: &Value) -> Result<Self, BadRecord> {
        let (bytes, confirmed): (Vec<u8>, bool) = decode(value)?;
        let bytes = Zeroizing::new(bytes);
        Ok(Self { aux: Arc::new(Aux::decode(&bytes).map_err(|_| BadRecord)?), confirmed })
    }
}

impl Node {
    /// Complete moduli that serve this committee at its level.
    pub(super) fn moduli_for(&self, level: api::Level, committee: &[api::NodeId]) -> Option<Hash> {
        let level = level_of(level_number(level));
        let fits = |record: &AuxRecord| {
            let public = record.aux.public();
            record.confirmed
                && !self.lacking.contains_key(&Hash(public.aux_id))
                && Some(public.level) == level
                && public.covers(committee.iter().map(|id| &id.0))
        };
        self.aux.iter().find(|(_, record)| fits(record)).map(|(id, _)| *id)
    }

    /// Beside a refusal: this node is to get a share, and the factors of its moduli are gone.
    pub(super) fn tell_lacks(&mut self, to: NodeId, proposal: &Proposal) {
        let gets_share = match proposal.kind {
            Kind::Keygen => proposal.index_of(self.me).is_some(),
            Kind::Reshare => receivers(proposal).is_some_and(|list| list.iter().any(|p| p.id == self.me)),
            Kind::Aux | Kind::Sign | Kind::Refresh | Kind::Presign | Kind::Online | Kind::Import => false,
        };
        if let Some(aux) = proposal.aux.filter(|aux| gets_share && !self.aux.contains_key(aux)) {
            self.send(to, &PeerMessage::Lacks { aux });
        }
    }

    /// A participant has lost the factors of its moduli, with its disk: the next try makes new ones.
    pub(super) fn hear_lacks(&mut self, from: NodeId, aux: Hash) {
        let proposed = |p: &Proposal| p.proposer == self.me && p.aux == Some(aux);
        let asked =
            self.ceremonies.values().any(|c| proposed(&c.proposal) && c.proposal.index_of(from).is_some());
        // Nobody can prove that it has lost something. New moduli cost all of the committee a search for primes: a peer
        // is believed so often, and refuses in vain from then on.
        let lost = self.lacking.values().filter(|peer| **peer == from).count();
        if asked && !self.lacking.contains_key(&aux) && lost < MAX_LOST_OF_ONE {
            self.lacking.insert(aux, from);
            self.tasks.values_mut().for_each(|task| task.forget_moduli(aux));
        }
    }

    /// Moduli that were made with a share are the node's from now on.
    pub(super) fn adopt_moduli(&mut self, aux: Arc<Aux>) -> Write {
        let record = AuxRecord { aux, confirmed: true };
        let write = record.write();
        self.aux.insert(Hash(record.aux.public().aux_id), record);
        write
    }

    /// Erases moduli that a key has left, unless something else uses them: another key, or a ceremony under way.
    pub(super) fn drop_moduli(&mut self, aux: Hash) -> Option<Write> {
        // A share may be lost and the holder still be one: a resharing counts on its moduli. And whoever has no share
        // yet may have a pending one.
        let holds = |key: &Key| key.share().is_some() || key.is_held_by(self.me);
        let needed = self.keys.values().any(|key| key.awaits(&aux) || (holds(key) && key.aux() == Some(aux)))
            || self.ceremonies.values().any(|c| !c.is_over() && c.proposal.aux == Some(aux));
        if needed {
            return None;
        }
        self.aux.remove(&aux).map(|_| Write::delete(Table::Aux, aux.0))
    }
}
