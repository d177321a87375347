//! Keys as this node knows them: how they were made, how they came to their epoch, the own share, and shares of epochs
//! that may yet turn out to be complete. When which share counts is decided by the library's [`Ledger`]; this file
//! does to the shares what it says. Read `chain.rs` first, `keys/stored.rs` (records), `keys/shown.rs` (certificates) and
//! `epochs.rs` next.

mod shown;
mod stored;

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_api as api;
use consign_cggmp24::activation::{Event, Ledger, Refusal, Write as Change};
use consign_cggmp24::aux_info::Aux;
use consign_cggmp24::epoch::EpochId;
use consign_cggmp24::keygen::confirmation::is_complete;
use consign_rounds::{PerParty, PublicPart, SessionId, decode as decode_parts, encode as encode_parts};

pub(super) use self::shown::Prefix;
use super::asked::{Asked, is_same, request_id};
use super::chain::{AnyStep, record_key};
use super::curves::{Info, InfoRef, PendingShare, Share, on_curve};
use super::hash::Hash;
use super::proposal::{Accept, Kind, Participant, Proposal};
use super::records::encode;
use super::requests::{RawRequest, Wanted};
use super::roll::Roll;
use super::wire::MAX_MESSAGE_BYTES;
use crate::identity::NodeId;
use crate::store::{Table, Write};

/// A key: one of which this node holds a share, or one that was shown to it.
pub(super) struct Key {
    origin: Origin,
    /// How it came from there to its epoch.
    chain: Vec<AnyStep>,
    /// Epochs it went through that the chain does not name any more, the latest last: evidence may be about them.
    past: Vec<Info>,
    /// This node's share of its epoch, if it is a holder.
    share: Option<Arc<Share>>,
    /// What this node has confirmed and dealt for.
    ledger: Ledger,
    pendings: BTreeMap<EpochId, Waiting>,
    /// The holders of its epoch.
    holders: Vec<Participant>,
    /// The request that led to its epoch, as far as it is known here.
    latest: Option<Hash>,
    /// Who has shown it, if it was shown since the start.
    shown_by: Option<NodeId>,
}

/// How a key was made.
struct Origin {
    proposal: Arc<Proposal>,
    accepts: Vec<Accept>,
    /// The proposal's hash, and the request's: asked for often.
    ceremony: Hash,
    request: Hash,
    /// The client that asked for the key, if one has signed that.
    owner: Option<api::ClientKey>,
    label: api::Label,
    level: api::Level,
    scheme: api::Scheme,
    /// The first epoch.
    info: Info,
    /// The encoded set of its confirmations; without it the share is pending, and is never erased. Empty for an imported
    /// key: its dealer is all there is to confirm.
    set: Option<Vec<u8>>,
}

/// A share that was confirmed, until its epoch or a larger one is known to be complete.
pub(super) struct Waiting {
    pending: PendingShare,
    /// The request that asked for it.
    request: Hash,
    /// Who proposed it.
    proposer: NodeId,
}

/// What it means for this node that a key has moved to another epoch.
pub(super) struct Advance {
    /// Everything that changes on disk, for one transaction.
    pub(super) writes: Vec<Write>,
    /// Moduli that were made with the share.
    pub(super) made: Option<Arc<Aux>>,
    /// Moduli of the epoch before.
    pub(super) left: Option<Hash>,
    /// The request that asked for it, if this node took part.
    pub(super) request: Option<Hash>,
}

/// Most earlier epochs that are remembered beside the chain.
const MAX_PAST: usize = 16;

impl Key {
    /// A share that was just made and is not confirmed by everybody yet.
    pub(super) fn pending(share: Arc<Share>, proposal: Arc<Proposal>, accepts: Vec<Accept>) -> Option<Self> {
        let origin = Origin::new(share.info().to_owned(), proposal, accepts)?;
        Some(Self::new(origin, Vec::new(), Some(share), Ledger::default()))
    }

    /// A private key that was just imported: this node holds it alone.
    pub(super) fn imported(share: Arc<Share>, proposal: Arc<Proposal>, accepts: Vec<Accept>) -> Option<Self> {
        let origin = Origin::new(share.info().to_owned(), proposal, accepts)?;
        let mut key = Self::new(origin, Vec::new(), Some(share), Ledger::default());
        key.begin();
        Some(key)
    }

    fn new(origin: Origin, chain: Vec<AnyStep>, share: Option<Arc<Share>>, ledger: Ledger) -> Self {
        let holders = Vec::new();
        let (pendings, past) = (BTreeMap::new(), Vec::new());
        let (latest, shown_by) = (None, None);
        let key = Self { origin, chain, past, share, ledger, pendings, holders, latest, shown_by };
        Self { holders: holders_of(key.info()), ..key }
    }

    pub(super) fn id(&self) -> Hash {
        self.origin.info.as_ref().key_id()
    }

    /// Remembers who has shown it.
    pub(super) fn shown_by(self, peer: NodeId) -> Self {
        Self { shown_by: Some(peer), ..self }
    }

    /// Who has shown it, if it is here for no other reason: this node never had a share of it and has used no number of
    /// it, so nothing is lost if it is forgotten.
    pub(super) fn only_shown_by(&self, me: NodeId) -> Option<Option<NodeId>> {
        let own = self.share.is_some() || !self.pendings.is_empty() || self.ledger.highest() > 0;
        let took_part = self.is_held_by(me) || self.makers().iter().any(|p| p.id == me);
        (!own && !took_part).then_some(self.shown_by)
    }

    /// The epoch in force.
    pub(super) fn info(&self) -> InfoRef<'_> {
        self.chain.last().map_or(self.origin.info.as_ref(), AnyStep::info)
    }

    /// The epoch that a session made, if the key went through it and this node still knows.
    pub(super) fn info_of(&self, session: SessionId) -> Option<InfoRef<'_>> {
        self.epochs().find(|info| info.session() == session)
    }

    /// The epoch with this number, in the same way.
    pub(super) fn info_at(&self, epoch: u64) -> Option<InfoRef<'_>> {
        self.epochs().find(|info| info.epoch() == epoch)
    }

    /// Whether the certificate shows this epoch: all who held it have confirmed it.
    pub(super) fn certifies<'a>(&'a self, info: InfoRef<'a>) -> bool {
        self.is_active() && self.certified_epochs().any(|known| known == info)
    }

    fn certified_epochs(&self) -> impl Iterator<Item = InfoRef<'_>> {
        std::iter::once(self.origin.info.as_ref()).chain(self.chain.iter().map(AnyStep::info))
    }

    /// All epochs that are known here.
    fn epochs(&self) -> impl Iterator<Item = InfoRef<'_>> {
        self.certified_epochs().chain(self.past.iter().map(Info::as_ref))
    }

    /// Whether whatever both know of the key is the same: public key, numbers, commitments, holders, and the first step of
    /// an imported key.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.epochs().all(|mine| other.info_of(mine.session()).is_none_or(|theirs| mine == theirs))
            && self.starts_as(other)
    }

    /// Whether both came out of the hands of the dealer by the same step, if it was one. That step needs nobody's consent
    /// but the dealer's, at any time: were another one taken for it later, the dealer alone could make every holder erase
    /// its share. It is a resharing, which no later step takes the place of, so it stays first in the chain.
    fn starts_as(&self, other: &Self) -> bool {
        let steps = self.chain.first().zip(other.chain.first()).filter(|_| self.dealer().is_some());
        steps.is_none_or(|(mine, theirs)| mine.info() == theirs.info())
    }

    /// How the key came to its epoch.
    pub(super) fn chain(&self) -> &[AnyStep] {
        &self.chain
    }

    /// The own share, if this node is a holder.
    pub(super) fn share(&self) -> Option<&Arc<Share>> {
        self.share.as_ref()
    }

    /// The ceremony that made it.
    pub(super) fn ceremony(&self) -> Hash {
        self.origin.ceremony
    }

    /// The client to whom the key belongs: whoever signed the request that asked for it.
    pub(super) fn owner(&self) -> Option<api::ClientKey> {
        self.origin.owner
    }

    /// Whether this request asked for the key.
    pub(super) fn was_asked_for_by(&self, raw: &[u8]) -> bool {
        is_same(&self.origin.proposal.cluster, &self.origin.proposal.request, raw)
    }

    /// The request that asked for the key.
    pub(super) fn request(&self) -> Hash {
        self.origin.request
    }

    /// The request that led to the epoch in force.
    pub(super) fn latest(&self) -> Hash {
        self.latest.unwrap_or(self.origin.request)
    }

    /// Those who made it.
    pub(super) fn makers(&self) -> &[Participant] {
        &self.origin.proposal.participants
    }

    /// The moduli of its epoch; none while an imported key is in one place.
    pub(super) fn aux(&self) -> Option<Hash> {
        self.chain.last().map(AnyStep::aux).or(self.origin.proposal.aux)
    }

    /// Who has imported it, and knew the whole private key.
    pub(super) fn dealer(&self) -> Option<Participant> {
        self.makers().first().copied().filter(|_| self.origin.proposal.kind == Kind::Import)
    }

    /// Whether the whole private key is in one place.
    pub(super) fn is_whole(&self) -> bool {
        self.info().is_whole()
    }

    /// Whether this node has confirmed shares of epochs that may yet be in force.
    pub(super) fn has_pendings(&self) -> bool {
        !self.pendings.is_empty()
    }

    /// The numbers of those epochs.
    pub(super) fn pending_epochs(&self) -> impl Iterator<Item = u64> {
        self.pendings.values().map(|waiting| waiting.pending.info().epoch())
    }

    /// Whether a share that may yet be in force needs these moduli.
    pub(super) fn awaits(&self, aux: &Hash) -> bool {
        self.pendings.values().any(|w| w.pending.aux() == *aux)
    }

    pub(super) fn label(&self) -> &api::Label {
        &self.origin.label
    }

    pub(super) fn level(&self) -> api::Level {
        self.origin.level
    }

    pub(super) fn curve(&self) -> api::Curve {
        self.info().curve()
    }

    pub(super) fn scheme(&self) -> api::Scheme {
        self.origin.scheme
    }

    /// The holders of its shares.
    pub(super) fn holders(&self) -> &[Participant] {
        &self.holders
    }

    /// The holder with this index.
    pub(super) fn holder(&self, index: u16) -> Option<Participant> {
        self.holders().iter().copied().find(|p| p.index == index)
    }

    /// Whether this node is one of the holders.
    pub(super) fn is_held_by(&self, id: NodeId) -> bool {
        self.holders().iter().any(|h| h.id == id)
    }

    /// Whether everybody has confirmed the first epoch.
    pub(super) fn is_active(&self) -> bool {
        self.origin.set.is_some()
    }

    /// The confirmations of the first epoch, to be passed on.
    pub(super) fn set(&self) -> Option<&Vec<u8>> {
        self.origin.set.as_ref()
    }

    /// Takes the confirmations of all first holders. False: this is no complete set for this key.
    pub(super) fn activate(&mut self, set: &PerParty<PublicPart>) -> bool {
        let roll = Roll::of(&self.origin.proposal);
        let complete = on_curve!(&self.origin.info, info => is_complete(info, set, &roll));
        if complete && !self.is_active() {
            self.origin.set = Some(encode_parts(set));
            self.begin();
        }
        complete
    }

    /// The first epoch is in force.
    fn begin(&mut self) {
        let id = self.origin.info.as_ref().epoch_id();
        self.ledger = Ledger::new(self.share.is_some().then_some(id));
        // Without a share the ledger learns of the epoch as of any other.
        self.ledger.apply(Event::Complete(id)).expect("invariant: a complete set is never refused");
    }

    /// As [`activate`](Self::activate), from bytes of a peer.
    pub(super) fn activate_from(&mut self, bytes: &[u8]) -> bool {
        decode_parts(bytes, MAX_MESSAGE_BYTES).is_ok_and(|set| self.activate(&set))
    }

    /// Whether a proposal may use this number for an epoch (5.7, rule 1).
    pub(super) fn accepts(&self, epoch: u64, unix: u64) -> Result<(), Refusal> {
        self.ledger.accepts(epoch, unix)
    }

    /// The largest number of an epoch that this node knows to be used.
    pub(super) fn highest(&self) -> u64 {
        self.ledger.highest().max(self.info().epoch())
    }

    /// Confirmed epochs that may yet turn out to be complete, of those that this node proposed.
    pub(super) fn unfinished_of(&self, proposer: NodeId) -> usize {
        self.pendings.values().filter(|waiting| waiting.proposer == proposer).count()
    }

    /// Shares of another epoch are about to leave; the write must be durable first.
    pub(super) fn deal(&mut self, id: EpochId, base: EpochId) -> Result<Vec<Write>, Refusal> {
        self.ledger.apply(Event::Deal { id, base })?;
        Ok(vec![self.write()])
    }

    /// A share of another epoch is about to be confirmed; the writes must be durable first.
    pub(super) fn confirm(
        &mut self,
        pending: PendingShare,
        request: Hash,
        proposer: NodeId,
    ) -> Result<Vec<Write>, Refusal> {
        let id = pending.info().epoch_id();
        self.ledger.apply(Event::Confirm(id))?;
        let bytes = pending.encode();
        let record = encode(&(bytes.as_slice(), request, proposer));
        let record = Write::put(Table::Keys, record_key(self.id(), id), record);
        self.pendings.insert(id, Waiting { pending, request, proposer });
        Ok(vec![record, self.write()])
    }

    /// The session of an epoch is over.
    pub(super) fn session_ended(&mut self, id: EpochId) {
        self.ledger.apply(Event::Ended(id)).expect("invariant: an end is never refused");
    }

    /// Moves to the end of a chain that holds, if that is a larger epoch (5.7, rule 4): the share of it takes the place
    /// of the old one, or nothing does, and whatever is smaller is erased.
    pub(super) fn advance(&mut self, chain: Vec<AnyStep>) -> Option<Advance> {
        let info = chain.last()?.info();
        let id = info.epoch_id();
        // Whoever confirmed an epoch has signed what is in it; a share of anything else is not used.
        let fits = self.pendings.get(&id).is_none_or(|waiting| waiting.pending.info() == info);
        let holders = holders_of(info);
        let changes = if fits { self.ledger.apply(Event::Complete(id)).ok()? } else { Vec::new() };
        if changes.is_empty() {
            return None;
        }
        let mut advance = Advance { writes: Vec::new(), made: None, left: self.aux(), request: None };
        for change in changes {
            match change {
                Change::Activate(id) => {
                    let waiting =
                        self.pendings.remove(&id).expect("invariant: a share for every pending epoch");
                    let (share, aux) = waiting.pending.into_parts();
                    self.share = Some(Arc::new(share));
                    (advance.made, advance.request) = (aux.map(Arc::new), Some(waiting.request));
                    advance.writes.push(Write::delete(Table::Keys, record_key(self.id(), id)));
                }
                Change::Retire(_) => self.share = None,
                // The base's share has no record of its own: it went when another or none took its place.
                Change::Erase(id) => {
                    if self.pendings.remove(&id).is_some() {
                        advance.writes.push(Write::delete(Table::Keys, record_key(self.id(), id)));
                    }
                }
                Change::Highest(_) | Change::Pending(_) => {}
            }
        }
        let left = self.info().to_owned();
        (self.chain, self.holders, self.latest) = (chain, holders, advance.request);
        if self.info_of(left.as_ref().session()).is_none() {
            self.past.push(left);
            self.past.drain(..self.past.len().saturating_sub(MAX_PAST));
        }
        advance.writes.push(self.write());
        Some(advance)
    }

    /// Remembers which request led to the epoch in force, where this node has no share of it.
    pub(super) fn led_by(&mut self, request: Hash) -> Write {
        self.latest = Some(request);
        self.write()
    }
}

impl Origin {
    fn new(info: Info, proposal: Arc<Proposal>, accepts: Vec<Accept>) -> Option<Self> {
        let mut owner = None;
        let (label, level, scheme, set) = if proposal.kind == Kind::Import {
            let (_, imported) = RawRequest::parse_import(&proposal.request)?;
            (imported.label, imported.level, imported.scheme, Some(Vec::new()))
        } else {
            let (asked, wanted) = Asked::parse(&proposal.request)?;
            let Wanted::Key(wanted) = wanted else { return None };
            proposal.aux?;
            owner = asked.client();
            (wanted.label, wanted.level, wanted.scheme, None)
        };
        let (ceremony, request) = (proposal.hash(), request_id(&proposal.cluster, &proposal.request));
        Some(Self { proposal, accepts, ceremony, request, owner, label, level, scheme, info, set })
    }
}

/// The holders of an epoch, as participants. Who is no validator by its bytes could not have confirmed anything.
fn holders_of(info: InfoRef<'_>) -> Vec<Participant> {
    let participant = |(index, id): (consign_rounds::PartyIndex, &[u8; 32])| {
        Some(Participant { index: index.get(), id: NodeId::from_bytes(id).ok()? })
    };
    info.parties().iter().filter_map(participant).collect()
}
