//! Round 0 (spec/params.md 1.6): propose, accept, start. Nobody picks a session alone, nobody can run two parties under
//! one session with different parameters, and nobody can replay an old session.
//!
//! This file holds the signed objects and the one rule that lets a party enter round 1 ([`Drawn::enter`]). What a
//! participant compares a proposal with is in `requests.rs`; who sends what when is in `ceremony.rs`. Read that next.

use std::collections::BTreeMap;

use consign_cggmp24::derivation::MAX_DEPTH;
use consign_rounds::at_most;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::hash::{Hash, Items};
use crate::identity::{ClusterId, Identity, NodeId, Purpose, Signature};

/// Version of the protocols this node speaks, named in every proposal.
pub const PROTOCOL_VERSION: u16 = 1;
/// An accept lapses when no start follows within this time, in milliseconds (system page, section 3).
pub const ACCEPT_LIFETIME_MS: u64 = 10_000;
/// Largest committee.
pub const MAX_PARTIES: usize = 100;
/// Largest client request inside a proposal, in bytes.
pub const MAX_REQUEST_BYTES: usize = 600 * 1024;
/// Longest text in a refusal, in bytes.
pub const MAX_REASON_BYTES: usize = 300;

/// The protocols that a ceremony may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Makes a key.
    Keygen,
    /// Makes the moduli of a committee.
    Aux,
    /// Makes one signature interactively, the digest being part of the session.
    Sign,
    /// Makes new shares of a key for the same holders.
    Refresh,
    /// Makes new shares of a key for another committee.
    Reshare,
    /// Makes presignatures.
    Presign,
    /// Makes one signature from a presignature.
    Online,
    /// Names an imported key. No session follows, and nobody but the dealer takes part.
    Import,
}

impl Kind {
    /// The word used in hashes, records and the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keygen => "keygen",
            Self::Aux => "aux",
            Self::Sign => "sign",
            Self::Refresh => "refresh",
            Self::Reshare => "reshare",
            Self::Presign => "presign",
            Self::Online => "online",
            Self::Import => "import",
        }
    }
}

/// One participant of a session: its index in the session and its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Index 1..=n; in a signing or refresh the index of the share, in a resharing the place among all identities.
    pub index: u16,
    /// Who it is.
    pub id: NodeId,
}

/// All parameters of one session. Its hash names the ceremony.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Cluster in which it runs.
    pub cluster: ClusterId,
    /// Which protocol.
    pub kind: Kind,
    /// [`PROTOCOL_VERSION`] of the proposer.
    pub version: u16,
    /// Security level: 112 or 128 (smaller ones exist in test builds only).
    pub level: u16,
    /// Curve name as in the API.
    pub curve: String,
    /// Number of signers needed; in a resharing from then on.
    pub threshold: u16,
    /// Participants, ascending index.
    #[serde(deserialize_with = "at_most::<MAX_PARTIES, _, _>")]
    pub participants: Vec<Participant>,
    /// The key that is used; none in keygen and aux.
    pub key: Option<Hash>,
    /// The session that made the epoch to start from, in refresh and reshare; the presignature, in signing from one.
    pub base: Option<Hash>,
    /// The key's epoch, or the one to make.
    pub epoch: u64,
    /// The aux info that is used; none in aux, in a refresh that makes its own, and where a presignature is used.
    pub aux: Option<Hash>,
    /// Signer set, or the quorum that deals in a resharing: ascending share indices; else empty.
    #[serde(deserialize_with = "at_most::<MAX_PARTIES, _, _>")]
    pub signers: Vec<u16>,
    /// Derivation path; empty: the key itself.
    #[serde(deserialize_with = "at_most::<MAX_DEPTH, _, _>")]
    pub path: Vec<u32>,
    /// The digest to sign, only in signing.
    pub digest: Option<[u8; 32]>,
    /// Number of slots: presignatures to make; in signing 1.
    pub batch: u32,
    /// The client's request as it came, raw.
    pub request: Vec<u8>,
    /// How long the rounds may take, in milliseconds on each node's own clock.
    pub deadline_ms: u32,
    /// Who proposes.
    pub proposer: NodeId,
    /// Makes equal proposals differ.
    pub salt: [u8; 16],
}

impl Proposal {
    /// `P` of the specification: the hash of everything above. Also the id of the ceremony.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let mut items = Items::new("proposal")
            .bytes("cluster", self.cluster.as_bytes())
            .bytes("protocol", self.kind.name().as_bytes())
            .number("version", self.version.into())
            .number("level", self.level.into())
            .bytes("curve", self.curve.as_bytes())
            .number("t", self.threshold.into())
            .count("participants", self.participants.len());
        for p in &self.participants {
            items = items.number("index", p.index.into()).bytes("identity", p.id.as_bytes());
        }
        items = items
            .maybe("key", self.key.as_ref().map(|k| &k.0[..]))
            .maybe("base", self.base.as_ref().map(|b| &b.0[..]))
            .number("epoch", self.epoch)
            .maybe("aux", self.aux.as_ref().map(|a| &a.0[..]))
            .count("signers", self.signers.len());
        for s in &self.signers {
            items = items.number("signer", (*s).into());
        }
        items = items.count("path", self.path.len());
        for step in &self.path {
            items = items.number("step", (*step).into());
        }
        items
            .maybe("digest", self.digest.as_ref().map(|d| &d[..]))
            .number("batch", self.batch.into())
            .bytes("request", &self.request)
            .number("deadline", self.deadline_ms.into())
            .bytes("proposer", self.proposer.as_bytes())
            .bytes("salt", &self.salt)
            .hash()
    }

    /// Whether it makes another epoch of a key.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(self.kind, Kind::Refresh | Kind::Reshare)
    }

    /// Whether it uses the shares of one epoch of a key, and leaves them as they are.
    #[must_use]
    pub fn is_signing(&self) -> bool {
        matches!(self.kind, Kind::Sign | Kind::Presign | Kind::Online)
    }

    /// Whether every participant needs primes before it can accept.
    #[must_use]
    pub fn needs_primes(&self) -> bool {
        self.kind == Kind::Aux || (self.kind == Kind::Refresh && self.aux.is_none())
    }

    /// This node's index in the session, if it takes part.
    #[must_use]
    pub fn index_of(&self, id: NodeId) -> Option<u16> {
        self.participants.iter().find(|p| p.id == id).map(|p| p.index)
    }

    /// The identity behind an index.
    #[must_use]
    pub fn identity_of(&self, index: u16) -> Option<NodeId> {
        self.participants.iter().find(|p| p.index == index).map(|p| p.id)
    }

    /// Everybody but `me`.
    pub fn others(&self, me: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.participants.iter().map(|p| p.id).filter(move |id| *id != me)
    }

    /// Whether the lists are within limits and in order: checked before anything is computed from them.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let ascending = self.participants.windows(2).all(|w| matches!(w, [a, b] if a.index < b.index));
        let mut ids: Vec<_> = self.participants.iter().map(|p| p.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let count = if self.kind == Kind::Import { 1..=1 } else { 2..=MAX_PARTIES };
        count.contains(&self.participants.len())
            && ascending
            && ids.len() == self.participants.len()
            && self.participants.iter().all(|p| p.index > 0)
            && self.request.len() <= MAX_REQUEST_BYTES
    }
}

/// `accept_j`: participant `index` agrees to run the proposal, with 32 bytes of its own choosing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accept {
    /// Hash of the proposal as its sender saw it.
    pub proposal: Hash,
    /// Its index.
    pub index: u16,
    /// Its fresh random bytes.
    pub r: [u8; 32],
    /// Signature over all of this and the cluster id.
    pub signature: Signature,
}

fn accept_bytes(proposal: Hash, index: u16, r: &[u8; 32]) -> [u8; 32] {
    Items::new("accept").bytes("proposal", &proposal.0).number("index", index.into()).bytes("r", r).hash().0
}

impl Accept {
    /// Whether it was signed by the participant it names, for this very proposal.
    #[must_use]
    pub fn is_valid_for(&self, proposal: &Proposal, hash: Hash) -> bool {
        self.proposal == hash
            && proposal.identity_of(self.index).is_some_and(|id| {
                let bytes = accept_bytes(hash, self.index, &self.r);
                id.verify(Purpose::Accept, &proposal.cluster, &bytes, &self.signature).is_ok()
            })
    }
}

/// Why a node does not take part. The text is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Hash of the proposal.
    pub proposal: Hash,
    /// Index of the refusing participant.
    pub index: u16,
    /// A sentence a person can act on.
    pub reason: String,
    /// Signature over all of this and the cluster id.
    pub signature: Signature,
}

fn refusal_bytes(proposal: Hash, index: u16, reason: &str) -> [u8; 32] {
    let items = Items::new("refuse").bytes("proposal", &proposal.0).number("index", index.into());
    items.bytes("reason", reason.as_bytes()).hash().0
}

impl Refusal {
    /// Signs a refusal; a text beyond [`MAX_REASON_BYTES`] is cut.
    #[must_use]
    pub fn sign(identity: &Identity, proposal: &Proposal, index: u16, reason: &str) -> Self {
        let hash = proposal.hash();
        let end =
            (0..=MAX_REASON_BYTES.min(reason.len())).rev().find(|i| reason.is_char_boundary(*i)).unwrap_or(0);
        let reason = reason.get(..end).unwrap_or_default().to_owned();
        let bytes = refusal_bytes(hash, index, &reason);
        let signature = identity.sign(Purpose::Refusal, &proposal.cluster, &bytes);
        Self { proposal: hash, index, reason, signature }
    }

    /// Whether it was signed by the participant it names.
    #[must_use]
    pub fn is_valid_for(&self, proposal: &Proposal, hash: Hash) -> bool {
        self.proposal == hash
            && self.reason.len() <= MAX_REASON_BYTES
            && proposal.identity_of(self.index).is_some_and(|id| {
                let bytes = refusal_bytes(hash, self.index, &self.reason);
                id.verify(Purpose::Refusal, &proposal.cluster, &bytes, &self.signature).is_ok()
            })
    }
}

/// This node's own accept, waiting for a start. Lives in memory only: a restart forgets it, and with it the session.
/// [`Self::enter`] takes it by value, so that its random bytes serve one session at most.
pub struct Drawn {
    proposal: Hash,
    index: u16,
    r: [u8; 32],
    /// When it was signed, in milliseconds of this node's monotonic clock.
    at: u64,
}

/// Why a start did not let this party into round 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEntry {
    /// The own accept is too old.
    #[error("the accept lapsed before the start")]
    Lapsed,
    /// The start is for another proposal than the one accepted.
    #[error("the start is for another proposal")]
    OtherProposal,
    /// The set does not hold exactly one accept per participant.
    #[error("the accepts are not exactly one per participant")]
    Incomplete,
    /// An accept is not what its participant signed for this proposal.
    #[error("the accept of party {0} is not valid for this proposal")]
    Invalid(u16),
    /// The own entry is not what this party drew for this proposal.
    #[error("the own accept is not the one drawn for this proposal")]
    NotMine,
}

impl Drawn {
    /// Draws fresh bytes and signs the accept.
    #[must_use]
    pub fn accept(
        identity: &Identity,
        proposal: &Proposal,
        index: u16,
        now: u64,
        rng: &mut impl CryptoRng,
    ) -> (Self, Accept) {
        let mut r = [0; 32];
        rng.fill_bytes(&mut r);
        let hash = proposal.hash();
        let signature = identity.sign(Purpose::Accept, &proposal.cluster, &accept_bytes(hash, index, &r));
        (Self { proposal: hash, index, r, at: now }, Accept { proposal: hash, index, r, signature })
    }

    /// Whether too much time went by since it was signed.
    #[must_use]
    pub fn is_lapsed(&self, now: u64) -> bool {
        now.saturating_sub(self.at) >= ACCEPT_LIFETIME_MS
    }

    /// The one way into round 1: one valid accept for this party's own proposal from every participant, its own entry
    /// being the one it drew. Returns the session nonce.
    ///
    /// # Errors
    /// Gives the draw back with the reason, so that garbage from one peer does not end the waiting for the true start.
    pub fn enter(self, now: u64, proposal: &Proposal, accepts: &[Accept]) -> Result<Hash, (Self, NoEntry)> {
        match self.nonce(now, proposal, accepts) {
            Ok(nonce) => Ok(nonce),
            Err(why) => Err((self, why)),
        }
    }

    fn nonce(&self, now: u64, proposal: &Proposal, accepts: &[Accept]) -> Result<Hash, NoEntry> {
        let hash = proposal.hash();
        if hash != self.proposal {
            return Err(NoEntry::OtherProposal);
        }
        if self.is_lapsed(now) {
            return Err(NoEntry::Lapsed);
        }
        let nonce = session_nonce(proposal, accepts)?;
        let mine = accepts.iter().find(|a| a.index == self.index);
        if mine.is_none_or(|a| a.r != self.r) {
            return Err(NoEntry::NotMine);
        }
        Ok(nonce)
    }
}

/// `session_nonce = H("nonce", P, sorted (j, r_j))` over one valid accept of every participant. Judges and holders of a
/// certificate compute it too.
///
/// # Errors
/// When an accept is missing, doubled, or not valid for this proposal.
pub fn session_nonce(proposal: &Proposal, accepts: &[Accept]) -> Result<Hash, NoEntry> {
    let hash = proposal.hash();
    let by_index: BTreeMap<u16, &Accept> = accepts.iter().map(|a| (a.index, a)).collect();
    let complete = accepts.len() == proposal.participants.len()
        && by_index.keys().copied().eq(proposal.participants.iter().map(|p| p.index));
    if !complete {
        return Err(NoEntry::Incomplete);
    }
    let mut items = Items::new("nonce").bytes("proposal", &hash.0).count("accepts", by_index.len());
    for (index, accept) in by_index {
        if !accept.is_valid_for(proposal, hash) {
            return Err(NoEntry::Invalid(index));
        }
        items = items.number("index", index.into()).bytes("r", &accept.r);
    }
    Ok(items.hash())
}

/// A proposal for a key of these, for tests that need one and do not care.
#[cfg(test)]
pub(super) fn sample(ids: &[NodeId]) -> Proposal {
    let threshold = u16::try_from(ids.len()).expect("a short list");
    Proposal {
        cluster: ClusterId::from_bytes([1; 32]),
        kind: Kind::Keygen,
        version: PROTOCOL_VERSION,
        level: 128,
        curve: "secp256k1".to_owned(),
        threshold,
        participants: (1..).zip(ids).map(|(index, id)| Participant { index, id: *id }).collect(),
        key: None,
        base: None,
        epoch: 0,
        aux: None,
        signers: Vec::new(),
        path: Vec::new(),
        digest: None,
        batch: 0,
        request: Vec::new(),
        deadline_ms: 1,
        proposer: *ids.first().expect("somebody proposes"),
        salt: [0; 16],
    }
}

#[cfg(test)]
#[path = "proposal_tests.rs"]
mod tests;
