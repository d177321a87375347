//! Keys as this node knows them: its own share, what was agreed when the key was made, and everybody's confirmations.

use std::sync::Arc;

use consign_api as api;
use consign_cggmp24::aux_info::Aux;
use consign_cggmp24::key::{KeyInfo, KeyShare};
use consign_cggmp24::keygen::confirmation::is_complete;
use consign_rounds::{PerParty, PublicPart, decode as decode_parts, encode as encode_parts};
use zeroize::Zeroizing;

use super::hash::Hash;
use super::jobs::{public_input, session_id};
use super::proposal::{Accept, Kind, Participant, Proposal, session_nonce};
use super::records::{BadRecord, decode, encode};
use super::requests::{Free, RawRequest, Wanted, draft, level_of, request_id};
use super::sessions::{C, Roll};
use super::wire::{Certificate, MAX_MESSAGE_BYTES};
use crate::identity::ClusterId;
use crate::store::{Table, Value, Write};

/// A key: one of which this node holds a share, or one that was shown to it.
pub(super) struct Key {
    held: Held,
    proposal: Arc<Proposal>,
    accepts: Vec<Accept>,
    /// The proposal's hash, and the request's: asked for often.
    ceremony: Hash,
    request: Hash,
    wanted: api::CreateKey,
    /// The encoded set of confirmations; without it the share is pending, and is never erased.
    set: Option<Vec<u8>>,
}

/// What this node has of a key.
enum Held {
    /// Its share, and the share's stored form.
    Share(Arc<KeyShare<C>>, Zeroizing<Vec<u8>>),
    /// What everybody may know.
    Public(Box<KeyInfo<C>>),
}

/// The stored form: share or public part, then what certifies it.
type Stored = (bool, Vec<u8>, Proposal, Vec<Accept>, Option<Vec<u8>>);

impl Key {
    /// A share that was just made and is not confirmed by everybody yet.
    pub(super) fn pending(
        share: Arc<KeyShare<C>>,
        bytes: Zeroizing<Vec<u8>>,
        proposal: Arc<Proposal>,
        accepts: Vec<Accept>,
    ) -> Option<Self> {
        Self::new(Held::Share(share, bytes), proposal, accepts)
    }

    fn new(held: Held, proposal: Arc<Proposal>, accepts: Vec<Accept>) -> Option<Self> {
        let (_, wanted) = RawRequest::parse(&proposal.request)?;
        let Wanted::Key(wanted) = wanted else { return None };
        proposal.aux?;
        let (ceremony, request) = (proposal.hash(), request_id(&proposal.cluster, &proposal.request));
        Some(Self { held, proposal, accepts, ceremony, request, wanted, set: None })
    }

    /// Reads a record.
    pub(super) fn read(value: &Value) -> Result<Self, BadRecord> {
        let (is_share, bytes, proposal, accepts, set): Stored = decode(value)?;
        let bytes = Zeroizing::new(bytes);
        let held = if is_share {
            Held::Share(Arc::new(KeyShare::decode(&bytes).map_err(|_| BadRecord)?), bytes)
        } else {
            Held::Public(Box::new(decode_parts(&bytes, MAX_MESSAGE_BYTES).map_err(|_| BadRecord)?))
        };
        let key = Self::new(held, Arc::new(proposal), accepts).ok_or(BadRecord)?;
        Ok(Self { set, ..key })
    }

    /// The write that makes it durable.
    pub(super) fn write(&self) -> Write {
        let public;
        let (is_share, bytes) = match &self.held {
            Held::Share(_, bytes) => (true, bytes.as_slice()),
            Held::Public(info) => {
                public = encode_parts(info);
                (false, public.as_slice())
            }
        };
        let record = (is_share, bytes, &*self.proposal, &self.accepts, &self.set);
        Write::put(Table::Keys, self.id().0, encode(&record))
    }

    /// What shows to others what this key is; nothing before everybody has confirmed it.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        let (proposal, accepts) = ((*self.proposal).clone(), self.accepts.clone());
        Some(Certificate { proposal, accepts, info: encode_parts(self.info()), set: self.set.clone()? })
    }

    /// A key that somebody shows, if everything about it holds together: the request that its proposal carries, the
    /// session that the accepts make of it, and the confirmation of every holder.
    pub(super) fn certified(certificate: Certificate, cluster: ClusterId) -> Option<Self> {
        let Certificate { proposal, accepts, info, set } = certificate;
        // Before anything that takes longer for longer lists.
        if !proposal.is_well_formed() {
            return None;
        }
        let info: KeyInfo<C> = decode_parts(&info, MAX_MESSAGE_BYTES).ok()?;
        let (_, wanted) = RawRequest::parse(&proposal.request)?;
        let free = Free::of(&proposal);
        let expected = draft(cluster, &proposal.request, &wanted, None, free).ok()?;
        let nonce = session_nonce(&proposal, &accepts).ok()?;
        let input = public_input(&proposal, None, None).ok()?;
        let session = session_id(&proposal, &input, &nonce).ok()?;
        let holds = expected == proposal
            && proposal.kind == Kind::Keygen
            && info.validate().is_ok()
            && info.session == session
            && Roll::of(&proposal).parties().is_ok_and(|parties| parties == info.parties)
            && (info.threshold, info.epoch) == (proposal.threshold, 0)
            && Some(info.level) == level_of(proposal.level);
        if !holds {
            return None;
        }
        let mut key = Self::new(Held::Public(Box::new(info)), Arc::new(proposal), accepts)?;
        key.activate_from(&set).then_some(key)
    }

    pub(super) fn id(&self) -> Hash {
        Hash(self.info().key_id)
    }

    pub(super) fn info(&self) -> &KeyInfo<C> {
        match &self.held {
            Held::Share(share, _) => share.info(),
            Held::Public(info) => info,
        }
    }

    /// The own share, if this node is a holder.
    pub(super) fn share(&self) -> Option<&Arc<KeyShare<C>>> {
        match &self.held {
            Held::Share(share, _) => Some(share),
            Held::Public(_) => None,
        }
    }

    /// The ceremony that made it.
    pub(super) fn ceremony(&self) -> Hash {
        self.ceremony
    }

    /// The request that asked for it.
    pub(super) fn request(&self) -> Hash {
        self.request
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
