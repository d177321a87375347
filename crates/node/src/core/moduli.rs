//! Moduli as this node knows them: with the own factors, and only those of committees it is in.

use std::sync::Arc;

use consign_api as api;
use consign_cggmp24::aux_info::Aux;
use zeroize::Zeroizing;

use super::hash::Hash;
use super::node::Node;
use super::records::{BadRecord, decode, encode};
use super::requests::{level_number, level_of};
use crate::store::{Table, Value, Write};

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
            record.confirmed && Some(public.level) == level && public.covers(committee.iter().map(|id| &id.0))
        };
        self.aux.iter().find(|(_, record)| fits(record)).map(|(id, _)| *id)
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
        let needed = self.keys.values().any(|key| key.share().is_some() && key.needs(&aux))
            || self.ceremonies.values().any(|c| !c.is_over() && c.proposal.aux == Some(aux));
        if needed {
            return None;
        }
        self.aux.remove(&aux).map(|_| Write::delete(Table::Aux, aux.0))
    }
}
