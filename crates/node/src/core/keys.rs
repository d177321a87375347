//! Keys as this node knows them: its own share, what was agreed when the key was made, and everybody's confirmations.

use std::sync::Arc;

use consign_api as api;
use consign_cggmp24::aux_info::Aux;
use consign_cggmp24::key::{KeyInfo, KeyShare};
use consign_cggmp24::keygen::confirmation::is_complete;
use consign_rounds::{PerParty, PublicPart, decode as decode_parts, encode as encode_parts};
use zeroize::Zeroizing;

use super::hash::Hash;
use super::proposal::{Accept, Participant, Proposal};
use super::records::{BadRecord, decode, encode};
use super::requests::{RawRequest, Wanted, request_id};
use super::sessions::{C, Roll};
use super::wire::MAX_MESSAGE_BYTES;
use crate::store::{Table, Value, Write};

/// A key of which this node holds a share.
pub(super) struct Key {
    share: Arc<KeyShare<C>>,
    bytes: Zeroizing<Vec<u8>>,
    proposal: Arc<Proposal>,
    accepts: Vec<Accept>,
    wanted: api::CreateKey,
    /// The encoded set of confirmations; without it the share is pending, and is never erased.
    set: Option<Vec<u8>>,
}

type Stored = (Vec<u8>, Proposal, Vec<Accept>, Option<Vec<u8>>);

impl Key {
    /// A share that was just made and is not confirmed by everybody yet.
    pub(super) fn pending(
        share: Arc<KeyShare<C>>,
        bytes: Zeroizing<Vec<u8>>,
        proposal: Arc<Proposal>,
        accepts: Vec<Accept>,
    ) -> Option<Self> {
        let (_, wanted) = RawRequest::parse(&proposal.request)?;
        let Wanted::Key(wanted) = wanted else { return None };
        proposal.aux?;
        Some(Self { share, bytes, proposal, accepts, wanted, set: None })
    }

    /// Reads a record.
    pub(super) fn read(value: &Value) -> Result<Self, BadRecord> {
        let (bytes, proposal, accepts, set): Stored = decode(value)?;
        let bytes = Zeroizing::new(bytes);
        let share = Arc::new(KeyShare::decode(&bytes).map_err(|_| BadRecord)?);
        let key = Self::pending(share, bytes, Arc::new(proposal), accepts).ok_or(BadRecord)?;
        Ok(Self { set, ..key })
    }

    /// The write that makes it durable.
    pub(super) fn write(&self) -> Write {
        let record = (self.bytes.as_slice(), &*self.proposal, &self.accepts, &self.set);
        Write::put(Table::Keys, self.id().0, encode(&record))
    }

    pub(super) fn id(&self) -> Hash {
        Hash(self.info().key_id)
    }

    pub(super) fn info(&self) -> &KeyInfo<C> {
        self.share.info()
    }

    pub(super) fn share(&self) -> &Arc<KeyShare<C>> {
        &self.share
    }

    /// The ceremony that made it.
    pub(super) fn ceremony(&self) -> Hash {
        self.proposal.hash()
    }

    /// The request that asked for it.
    pub(super) fn request(&self) -> Hash {
        request_id(&self.proposal.cluster, &self.proposal.request)
    }

    pub(super) fn aux(&self) -> Hash {
        self.proposal.aux.expect("invariant: a key generation names the moduli")
    }

    pub(super) fn label(&self) -> &api::Label {
        &self.wanted.label
    }

    pub(super) fn level(&self) -> api::Level {
        self.wanted.level
    }

    pub(super) fn curve(&self) -> api::Curve {
        self.wanted.curve
    }

    pub(super) fn scheme(&self) -> api::Scheme {
        self.wanted.scheme
    }

    /// The holders of its shares.
    pub(super) fn holders(&self) -> &[Participant] {
        &self.proposal.participants
    }

    /// The holder with this index.
    pub(super) fn holder(&self, index: u16) -> Option<Participant> {
        self.holders().iter().copied().find(|p| p.index == index)
    }

    /// Whether everybody has confirmed.
    pub(super) fn is_active(&self) -> bool {
        self.set.is_some()
    }

    /// The confirmations, to be passed on.
    pub(super) fn set(&self) -> Option<&Vec<u8>> {
        self.set.as_ref()
    }

    /// Takes the confirmations of all holders. False: this is no complete set for this key.
    pub(super) fn activate(&mut self, set: &PerParty<PublicPart>) -> bool {
        let complete = is_complete(self.info(), set, &Roll::of(&self.proposal));
        if complete {
            self.set = Some(encode_parts(set));
        }
        complete
    }

    /// As [`activate`](Self::activate), from bytes of a peer.
    pub(super) fn activate_from(&mut self, bytes: &[u8]) -> bool {
        decode_parts(bytes, MAX_MESSAGE_BYTES).is_ok_and(|set| self.activate(&set))
    }
}

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
