//! The replicated list of validators: a set of signed statements that any node verifies by itself.
//!
//! Membership is a function of the *set* of statements, never of the order in which they came: per author and subject
//! the highest sequence number counts; at equal numbers revoke wins, then the larger hash. Nothing about a key rests on
//! the roster: it gives the right to be asked, never a share or a say. Read `invitation.rs` next.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use super::charter::{Charter, SignedCharter};
use super::hash::{Hash, Items};
use super::wire::{CHARTERS, ROSTER};
use crate::identity::{ClusterId, Identity, NodeId, Purpose, Signature};

/// Most addresses in one announcement.
pub const MAX_ADDRESSES: usize = 8;
/// Longest address, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 256;
/// Longest display name, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest version text, in bytes.
pub const MAX_VERSION_BYTES: usize = 32;
/// Most subjects a founder may vouch for or revoke: bounds the memory a hostile founder can take.
pub const MAX_SUBJECTS: usize = 1000;
/// Most bytes of all statements: with the charter they make up one message.
pub const MAX_STATEMENTS_BYTES: usize = ROSTER - (16 << 10);
/// Most bytes of all charters of a cluster: they make up one message.
pub const MAX_CHARTERS_BYTES: usize = CHARTERS - 1024;
/// Part of it that only revocations may use: there must always be room for them.
const FOR_REVOCATIONS: usize = 256 << 10;
/// More than a vouch and the longest announcement need, in bytes.
const NEWCOMER_BYTES: usize = 4 << 10;

/// What a statement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Says {
    /// The author's own record.
    Announce {
        /// Multiaddresses, at most [`MAX_ADDRESSES`].
        addresses: Vec<String>,
        /// Display name.
        name: String,
        /// Program version.
        version: String,
    },
    /// A founder wants the peer to be a member.
    Vouch(NodeId),
    /// A founder does not want the peer to be a member.
    Revoke(NodeId),
}

/// A statement: who says what, in which cluster, as its how-manieth about this subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The cluster it is for.
    pub cluster: ClusterId,
    /// Who says it.
    pub author: NodeId,
    /// Higher replaces lower.
    pub sequence: u64,
    /// What is said.
    pub says: Says,
}

/// A signed statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// What was signed.
    pub statement: Statement,
    /// The author's signature.
    pub signature: Signature,
}

impl Signed {
    /// Whether it is what its author says of itself in this cluster, within the limits, truly signed.
    #[must_use]
    pub fn is_record_in(&self, cluster: &ClusterId) -> bool {
        let s = &self.statement;
        let fits = s.cluster == *cluster && s.is_within_limits() && matches!(s.says, Says::Announce { .. });
        fits && self.is_authentic()
    }

    fn is_authentic(&self) -> bool {
        let s = &self.statement;
        s.author.verify(s.purpose(), &s.cluster, &s.items().hash().0, &self.signature).is_ok()
    }

    fn length(&self) -> usize {
        postcard::experimental::serialized_size(self).expect("invariant: statements are plain data")
    }
}

impl Statement {
    fn items(&self) -> Items {
        let items = Items::new("statement")
            .bytes("cluster", self.cluster.as_bytes())
            .bytes("author", self.author.as_bytes())
            .number("sequence", self.sequence);
        match &self.says {
            Says::Announce { addresses, name, version } => {
                let mut items = items.bytes("kind", b"announce").count("addresses", addresses.len());
                for a in addresses {
                    items = items.bytes("address", a.as_bytes());
                }
                items.bytes("name", name.as_bytes()).bytes("version", version.as_bytes())
            }
            Says::Vouch(peer) => items.bytes("kind", b"vouch").bytes("peer", peer.as_bytes()),
            Says::Revoke(peer) => items.bytes("kind", b"revoke").bytes("peer", peer.as_bytes()),
        }
    }

    /// Signs it; `identity` must be the author's.
    #[must_use]
    pub fn sign(self, identity: &Identity) -> Signed {
        let signature = identity.sign(self.purpose(), &self.cluster, &self.items().hash().0);
        Signed { statement: self, signature }
    }

    fn purpose(&self) -> Purpose {
        match self.says {
            Says::Announce { .. } => Purpose::Announce,
            Says::Vouch(_) => Purpose::Vouch,
            Says::Revoke(_) => Purpose::Revoke,
        }
    }

    fn is_within_limits(&self) -> bool {
        match &self.says {
            Says::Announce { addresses, name, version } => {
                addresses.len() <= MAX_ADDRESSES
                    && addresses.iter().all(|a| a.len() <= MAX_ADDRESS_BYTES)
                    && name.len() <= MAX_NAME_BYTES
                    && version.len() <= MAX_VERSION_BYTES
            }
            Says::Vouch(_) | Says::Revoke(_) => true,
        }
    }

    /// Whether it vouches for this peer, or revokes it.
    #[must_use]
    pub fn is_vote_on(&self, peer: NodeId) -> bool {
        matches!(self.says, Says::Vouch(id) | Says::Revoke(id) if id == peer)
    }

    fn subject(&self) -> (NodeId, Topic, NodeId) {
        match self.says {
            Says::Announce { .. } => (self.author, Topic::Record, self.author),
            Says::Vouch(peer) | Says::Revoke(peer) => (self.author, Topic::Membership, peer),
        }
    }

    /// What decides between two statements of one author about one subject.
    fn rank(&self) -> (u64, bool, Hash) {
        (self.sequence, matches!(self.says, Says::Revoke(_)), self.items().hash())
    }
}

/// What a statement is about; one winner is kept per author, topic and peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Record,
    Membership,
}

/// What a validator says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it listens.
    pub addresses: Vec<String>,
    /// Its display name.
    pub name: String,
    /// Its program version.
    pub version: String,
}

/// Why a statement or charter was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It belongs to another cluster.
    #[error("the statement belongs to another cluster")]
    OtherCluster,
    /// The signature is not the author's.
    #[error("the signature is not valid")]
    BadSignature,
    /// Only founders vouch and revoke; only members announce.
    #[error("the author may not say this")]
    NotEntitled,
    /// A text or list is too long.
    #[error("the statement exceeds a limit")]
    TooLarge,
    /// There are as many statements as one message can hold.
    #[error("the roster is full: it may hold {MAX_STATEMENTS_BYTES} bytes of statements")]
    Full,
    /// The charter is not in order, or its hash is not the cluster id.
    #[error("the charter is not the one of this cluster")]
    WrongCharter,
}

/// The set of winning statements of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    first: Charter,
    /// Charters that followed, the newest last.
    successors: Vec<SignedCharter>,
    cluster: ClusterId,
    winners: BTreeMap<(NodeId, Topic, NodeId), Signed>,
    /// Length of all winners, encoded.
    bytes: usize,
}

impl Roster {
    /// A roster that holds a first charter and nothing else.
    ///
    /// # Errors
    /// [`Rejected::WrongCharter`] when the charter's lists are not in order.
    pub fn found(charter: Charter) -> Result<Self, Rejected> {
        if !charter.is_well_formed() || charter.predecessor.is_some() {
            return Err(Rejected::WrongCharter);
        }
        let cluster = charter.cluster();
        Ok(Self { first: charter, successors: Vec::new(), cluster, winners: BTreeMap::new(), bytes: 0 })
    }

    /// A roster from a charter that somebody sent, which must be the one of this cluster.
    ///
    /// # Errors
    /// [`Rejected::WrongCharter`].
    pub fn join(cluster: ClusterId, charter: Charter) -> Result<Self, Rejected> {
        let roster = Self::found(charter)?;
        if roster.cluster == cluster { Ok(roster) } else { Err(Rejected::WrongCharter) }
    }

    /// The id of the cluster.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The charter in force: the newest one.
    #[must_use]
    pub fn charter(&self) -> &Charter {
        self.successors.last().map_or(&self.first, |newest| &newest.charter)
    }

    /// The first charter, whose hash is the cluster's id.
    #[must_use]
    pub fn first(&self) -> &Charter {
        &self.first
    }

    /// All charters, the first one first.
    pub fn chain(&self) -> impl Iterator<Item = SignedCharter> {
        let first = SignedCharter { charter: self.first.clone(), signatures: Vec::new() };
        std::iter::once(first).chain(self.successors.iter().cloned())
    }

    /// Puts the next charter in force. What founders said counts on as far as they still are founders, and what others
    /// said as far as they are still known: who is a member depends on charter and statements only, as ever.
    ///
    /// # Errors
    /// [`Rejected::WrongCharter`], if it does not follow the present one by the will of more than half of its founders;
    /// [`Rejected::Full`].
    pub fn succeed(&mut self, next: SignedCharter) -> Result<(), Rejected> {
        if !next.follows(self.charter(), &self.cluster) {
            return Err(Rejected::WrongCharter);
        }
        self.successors.push(next);
        let length = postcard::experimental::serialized_size(&self.successors);
        if length.expect("invariant: charters are plain data") > MAX_CHARTERS_BYTES {
            self.successors.pop();
            return Err(Rejected::Full);
        }
        self.forget_unentitled();
        Ok(())
    }

    /// Follows another successor of an earlier charter, instead of the one that did. Returns that one.
    ///
    /// # Errors
    /// The rival, if it follows none of the charters.
    pub fn switch(&mut self, rival: SignedCharter) -> Result<SignedCharter, Box<SignedCharter>> {
        let at = self.chain().position(|known| rival.follows(&known.charter, &self.cluster));
        let Some((at, given_up)) = at.and_then(|at| Some((at, self.successors.get(at)?.clone()))) else {
            return Err(Box::new(rival));
        };
        self.successors.truncate(at);
        self.successors.push(rival);
        self.forget_unentitled();
        Ok(given_up)
    }

    /// After another charter: votes of who founds no more, then records of who is not known any more.
    fn forget_unentitled(&mut self) {
        let founders = self.charter().founders.clone();
        let votes = |(author, topic, _): &(NodeId, Topic, NodeId)| {
            *topic == Topic::Record || founders.binary_search(author).is_ok()
        };
        self.winners.retain(|key, _| votes(key));
        let unknown =
            |(author, topic, _): &&(NodeId, Topic, NodeId)| *topic == Topic::Record && !self.knows(*author);
        for key in self.winners.keys().filter(unknown).copied().collect::<Vec<_>>() {
            self.winners.remove(&key);
        }
        self.bytes = self.winners.values().map(Signed::length).sum();
    }

    /// Adds a statement. True: it was news. An announcement of somebody who is not (yet) a member is kept out, and so
    /// must come again after the vouch.
    ///
    /// # Errors
    /// [`Rejected`], after which the roster is as before.
    pub fn add(&mut self, signed: Signed) -> Result<bool, Rejected> {
        let s = &signed.statement;
        if s.cluster != self.cluster {
            return Err(Rejected::OtherCluster);
        }
        if !s.is_within_limits() {
            return Err(Rejected::TooLarge);
        }
        let subject = s.subject();
        if self.winners.get(&subject).is_some_and(|old| old.statement.rank() >= s.rank()) {
            return Ok(false);
        }
        let entitled = match s.says {
            Says::Announce { .. } => self.knows(s.author),
            Says::Vouch(_) | Says::Revoke(_) => self.is_founder(s.author),
        };
        if !entitled {
            return Err(Rejected::NotEntitled);
        }
        let full = || {
            let of_author = self.winners.keys().filter(|(author, ..)| *author == s.author);
            !self.winners.contains_key(&subject) && of_author.count() > MAX_SUBJECTS
        };
        if full() {
            return Err(Rejected::TooLarge);
        }
        let old = self.winners.get(&subject).map_or(0, Signed::length);
        let after = self.bytes.saturating_sub(old).saturating_add(signed.length());
        let limit = match s.says {
            Says::Revoke(_) => MAX_STATEMENTS_BYTES,
            Says::Vouch(_) | Says::Announce { .. } => MAX_STATEMENTS_BYTES - FOR_REVOCATIONS,
        };
        if after > limit && after > self.bytes {
            return Err(Rejected::Full);
        }
        if !signed.is_authentic() {
            return Err(Rejected::BadSignature);
        }
        self.winners.insert(subject, signed);
        self.bytes = after;
        Ok(true)
    }

    /// Whether one more validator can be vouched for and announce itself.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.bytes + NEWCOMER_BYTES <= MAX_STATEMENTS_BYTES - FOR_REVOCATIONS
    }

    /// Adds many statements, whatever their order: votes first, because announcements count only from those who were
    /// ever voted on. Returns those that were news, with the number of those refused.
    pub fn merge(&mut self, statements: Vec<Signed>) -> (Vec<Signed>, usize) {
        let (records, votes): (Vec<_>, Vec<_>) =
            statements.into_iter().partition(|s| matches!(s.statement.says, Says::Announce { .. }));
        let mut news = Vec::new();
        let mut refused = 0;
        for signed in votes.into_iter().chain(records) {
            match self.add(signed.clone()) {
                Ok(true) => news.push(signed),
                Ok(false) => {}
                Err(_) => refused += 1,
            }
        }
        (news, refused)
    }

    /// All winning statements.
    pub fn statements(&self) -> impl Iterator<Item = &Signed> {
        self.winners.values()
    }

    /// Hash of charter and winners: equal digests, equal rosters.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let mut items = Items::new("roster").bytes("charter", &self.charter().hash().0);
        items = items.count("statements", self.winners.len());
        for signed in self.winners.values() {
            items = items.bytes("statement", &signed.statement.items().hash().0);
        }
        items.hash()
    }

    /// Whether the charter names it a founder.
    #[must_use]
    pub fn is_founder(&self, id: NodeId) -> bool {
        self.charter().founders.binary_search(&id).is_ok()
    }

    /// Whether it may join new committees: a founder, or vouched for by a majority of the founders.
    #[must_use]
    pub fn is_member(&self, id: NodeId) -> bool {
        self.is_founder(id) || 2 * self.votes_for(id) > self.charter().founders.len()
    }

    /// A founder's last vote about somebody.
    #[must_use]
    pub fn vote(&self, founder: NodeId, peer: NodeId) -> Option<&Signed> {
        self.winners.get(&(founder, Topic::Membership, peer))
    }

    /// How many founders vouch for it.
    #[must_use]
    pub fn votes_for(&self, id: NodeId) -> usize {
        let votes = |founder: &&NodeId| match self.winners.get(&(**founder, Topic::Membership, id)) {
            Some(signed) => matches!(signed.statement.says, Says::Vouch(_)),
            // The charter is every founder's vouch number 0 for the members it names.
            None => self.charter().members.binary_search(&id).is_ok(),
        };
        self.charter().founders.iter().filter(votes).count()
    }

    /// All charters, the first one first, without their signatures.
    fn charters(&self) -> impl Iterator<Item = &Charter> {
        std::iter::once(&self.first).chain(self.successors.iter().map(|next| &next.charter))
    }

    /// Whether it is or ever was voted on, or named by a charter: revoked validators stay reachable for the committees they sit in.
    #[must_use]
    pub fn knows(&self, id: NodeId) -> bool {
        self.charters().any(|c| c.founders.binary_search(&id).is_ok() || c.members.binary_search(&id).is_ok())
            || self.winners.keys().any(|(_, topic, peer)| *topic == Topic::Membership && *peer == id)
    }

    /// Everybody it knows, members and revoked, ascending.
    #[must_use]
    pub fn validators(&self) -> BTreeSet<NodeId> {
        let voted =
            self.winners.keys().filter(|(_, topic, _)| *topic == Topic::Membership).map(|(_, _, peer)| *peer);
        let named = self.charters().flat_map(|c| c.founders.iter().chain(&c.members)).copied();
        named.chain(voted).collect()
    }

    /// All members, ascending.
    #[must_use]
    pub fn members(&self) -> Vec<NodeId> {
        self.validators().into_iter().filter(|id| self.is_member(*id)).collect()
    }

    /// What a validator said of itself last.
    #[must_use]
    pub fn record(&self, id: NodeId) -> Option<Record> {
        match &self.winners.get(&(id, Topic::Record, id))?.statement.says {
            Says::Announce { addresses, name, version } => {
                Some(Record { addresses: addresses.clone(), name: name.clone(), version: version.clone() })
            }
            Says::Vouch(_) | Says::Revoke(_) => None,
        }
    }

    /// The own statement that should replace what `author` said last; nothing when it said the same already.
    #[must_use]
    pub fn next(&self, author: NodeId, says: Says) -> Option<Statement> {
        let mut statement = Statement { cluster: self.cluster, author, sequence: 1, says };
        if let Some(last) = self.winners.get(&statement.subject()) {
            if last.statement.says == statement.says {
                return None;
            }
            statement.sequence = last.statement.sequence.saturating_add(1);
        }
        Some(statement)
    }
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
