//! What nodes say to each other, and how large each kind of message may be. The length is checked by the first byte,
//! before anything is parsed. Read `ceremony.rs` for what is said when.

use consign_cggmp24::epoch::EpochId;
use consign_rounds::at_most;
use serde::{Deserialize, Serialize};

use super::audit::SignedHead;
use super::chain::AnyStep;
use super::curves::{Info, curve_of};
use super::hash::Hash;
use super::letter::SignedLetter;
use super::proposal::{Accept, MAX_PARTIES, Proposal, Refusal};
use super::roster::{Charter, Signed, SignedCharter};
use crate::identity::{ClusterId, NodeId};

/// Largest message of any kind, in bytes; what the transport must let through.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// Largest message from somebody who is not in the roster, in bytes.
pub const MAX_STRANGER_BYTES: usize = 16 << 10;
/// Largest message without lists, in bytes.
const SMALL: usize = 4 << 10;
/// Largest roster, charter and statements, in bytes.
pub const ROSTER: usize = 1 << 20;
/// Largest chain of charters, in bytes.
pub const CHARTERS: usize = 256 << 10;
/// Largest charter that is being signed, in bytes: as many founders and members as may be, and all signatures.
const DRAFT: usize = 32 << 10;
/// Largest letter, in bytes: its text dominates.
const LETTER: usize = 24 << 10;
/// Largest proposal, in bytes: the client's request dominates.
const PROPOSAL: usize = 1 << 20;
/// Largest set of accepts, in bytes.
const ACCEPTS: usize = 64 << 10;
/// Largest message of a protocol, and largest set of confirmations or certificate, in bytes. Alerts are the longest.
const LONG: usize = 8 << 20;
/// Most changes in a certificate: more, of the smallest committee, are longer than a message.
pub const MAX_STEPS: usize = 8_192;
/// Largest evidence, in bytes: an alert, and all that was said before it.
const EVIDENCE: usize = MAX_MESSAGE_BYTES;

/// A message between nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerMessage {
    /// The digest of the sender's roster; said on connect and from time to time.
    RosterDigest(Hash),
    /// Roster statements the receiver may lack. `complete` asks for what the sender lacks in turn.
    Roster {
        /// The charter of the cluster.
        charter: Charter,
        /// Signed statements.
        statements: Vec<Signed>,
        /// Whether these are all the sender has.
        complete: bool,
    },
    /// A joiner shows its invitation's token.
    Join {
        /// Which cluster it means.
        cluster: ClusterId,
        /// The one-time token.
        token: [u8; 16],
        /// The joiner's own announcement.
        announce: Signed,
    },
    /// The founder does not let the joiner in; the text says why.
    JoinRefused(String),
    /// Round 0: please take part.
    Propose(Box<Proposal>),
    /// Round 0: the sender will accept, but has to find primes first. Repeated while that lasts.
    Preparing {
        /// Hash of the proposal.
        proposal: Hash,
    },
    /// Round 0: yes.
    Accept(Accept),
    /// Round 0: no.
    Refuse(Refusal),
    /// Round 0: the accepts of all participants.
    Start {
        /// Hash of the proposal.
        proposal: Hash,
        /// One accept per participant.
        #[serde(deserialize_with = "at_most::<MAX_PARTIES, _, _>")]
        accepts: Vec<Accept>,
    },
    /// A message of a running session, opaque here.
    Round {
        /// The ceremony: hash of the proposal.
        ceremony: Hash,
        /// The encoded envelope.
        envelope: Vec<u8>,
    },
    /// The sender stores results it may not use yet: which of them did the receiver see confirmed by everybody?
    AskConfirmed(Vec<Hash>),
    /// The complete, transferable set of confirmations of one result.
    Confirmed {
        /// The ceremony that made the result.
        ceremony: Hash,
        /// The encoded set.
        set: Vec<u8>,
    },
    /// Signed messages that prove that somebody broke the protocol, with what is needed to judge them.
    Evidence(Box<EvidenceFile>),
    /// The sender is not in this ceremony (any more): it has restarted. Waiting for it is useless.
    Lost {
        /// The ceremony.
        ceremony: Hash,
    },
    /// A participant tells a proposer that takes no part itself how the ceremony ended.
    Report {
        /// The ceremony.
        ceremony: Hash,
        /// How.
        report: Report,
    },
    /// What is this key? Asked by a node that holds no share of it.
    AskKey(Hash),
    /// Everything that shows what a key is.
    Certificate(Box<Certificate>),
    /// The sender knows these keys in these epochs (number, and the session that made it): whoever knows a larger one
    /// shows it. Said on connect and from time to time.
    Epochs(Vec<KnownEpoch>),
    /// The sender has used numbers of this key's epochs up to this one; said beside a refusal.
    Used {
        /// The key.
        key: Hash,
        /// The largest number.
        epoch: u64,
    },
    /// The sender has lost the factors of its moduli among these; said beside a refusal.
    Lacks {
        /// The moduli.
        aux: Hash,
    },
    /// The sender's process, by a random number that it drew at its start; said on connect. Whatever an earlier one had
    /// in memory is gone.
    Process([u8; 16]),
    /// A client asked the sender for a signature, and the receiver owns a presignature that both signed for.
    Pass {
        /// The presignature.
        presignature: Hash,
        /// The client's request as it came, raw.
        request: Vec<u8>,
    },
    /// How long the sender's audit log is and how it ends; said on connect and from time to time.
    Log(SignedHead),
    /// The highest end of the receiver's own log that the sender has seen.
    LogSeen(SignedHead),
    /// Somebody without an invitation asks to be let in.
    AskIn {
        /// Which cluster it means.
        cluster: ClusterId,
        /// The joiner's own announcement.
        announce: Signed,
    },
    /// Somebody has asked the sender to be let in: its announcement, for founders.
    Joiner(Signed),
    /// A founder asks for its own last vote about somebody: its store may be an old copy.
    AskVote(NodeId),
    /// The answer.
    Vote {
        /// About whom.
        subject: NodeId,
        /// The receiver's last vote, as far as the sender knows.
        statement: Option<Signed>,
    },
    /// All charters of the cluster, the first one first.
    Charters(Vec<SignedCharter>),
    /// A charter that founders are signing, for founders.
    Draft(Box<SignedCharter>),
    /// A message of an application.
    Letter(Box<SignedLetter>),
    /// The sender has these letters of the receiver on its disk.
    Received(Vec<Hash>),
    /// What time is it there? With the sender's own time, which comes back.
    AskClock(u64),
    /// The answer.
    Clock {
        /// What came with the question.
        asked: u64,
        /// Unix time in seconds at the sender.
        unix: u64,
    },
}

/// A key and an epoch of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownEpoch {
    /// The key.
    pub key: Hash,
    /// The epoch's number.
    pub epoch: u64,
    /// The session that made it.
    pub session: Hash,
}

/// The end of a ceremony, for a proposer that takes no part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// Moduli with this id were made. Not certified: who uses them looks at its own.
    Aux(Hash),
    /// A key was made.
    Key(Box<Certificate>),
    /// A signature was made; it is verified before it is believed.
    Signature {
        /// `r` and `s`, 32 bytes each, big-endian.
        r_s: Vec<u8>,
        /// Which public key is recovered.
        recovery_id: u8,
    },
    /// Nothing was made.
    Failed {
        /// A sentence for people.
        reason: String,
        /// Who was silent or cheated, as the sender sees it.
        naming: Vec<NodeId>,
    },
    /// Presignatures were made, and are where they can be used.
    Presigned,
}

/// A key with what certifies it (exact rules, 11.3): the proposal with the client's request, everybody's accept,
/// everybody's confirmation; and the changes of its shares since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The proposal of the key generation.
    pub proposal: Proposal,
    /// The accepts that fix its session.
    #[serde(deserialize_with = "at_most::<MAX_PARTIES, _, _>")]
    pub accepts: Vec<Accept>,
    /// The encoded public part of the key's first epoch.
    pub info: Vec<u8>,
    /// The encoded set of its confirmations.
    pub set: Vec<u8>,
    /// The encoded changes since, each with what proves it.
    #[serde(deserialize_with = "at_most::<MAX_STEPS, _, _>")]
    pub steps: Vec<Vec<u8>>,
}

impl Certificate {
    /// Which key it is about, and in which epoch; nothing of it is verified.
    pub(super) fn claim(&self) -> Option<(Hash, EpochId)> {
        let curve = curve_of(&self.proposal).ok()?;
        let first = Info::decode(curve, &self.info)?;
        let last = match self.steps.last() {
            Some(step) => AnyStep::decode(curve, step)?.info().epoch_id(),
            None => first.as_ref().epoch_id(),
        };
        Some((first.as_ref().key_id(), last))
    }
}

/// Evidence with its context: all that anybody needs to judge it ([`EvidenceFile::judge`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceFile {
    /// The parameters of the session.
    pub proposal: Proposal,
    /// The accepts that fix the session id.
    #[serde(deserialize_with = "at_most::<MAX_PARTIES, _, _>")]
    pub accepts: Vec<Accept>,
    /// Who is accused.
    pub accused: NodeId,
    /// The encoded evidence of the protocol engine.
    pub evidence: Vec<u8>,
    /// The key that the session was about, unless it made one or made moduli.
    pub inputs: Option<Inputs>,
}

/// The public input of a session that uses a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The encoded public part of the key, in the epoch that was used, or from which a change started.
    pub key: Vec<u8>,
    /// The encoded public part of the auxiliary info, where the rules of the session look at it: in signing,
    /// presigning, and in a refresh that keeps it. In signing from a presignature, that one's public half instead.
    pub aux: Option<Vec<u8>>,
    /// How the key was made and came to that epoch, confirmed by all who hold it.
    pub certificate: Option<Certificate>,
}

/// Why bytes of a peer are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAMessage {
    /// Longer than its kind allows.
    #[error("the message is larger than its kind allows")]
    TooLarge,
    /// Not an encoding of a message.
    #[error("the bytes are not a message")]
    Malformed,
}

impl PeerMessage {
    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("invariant: plain data always encodes")
    }

    /// Whether a peer takes a message of this length.
    pub(super) fn is_deliverable(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|kind| bytes.len() <= limit_of(*kind))
    }

    /// Reads bytes of a peer; `stranger`: the peer is not in the roster, and may only join.
    ///
    /// # Errors
    /// [`NotAMessage`], by length before parsing.
    pub fn decode(bytes: &[u8], stranger: bool) -> Result<Self, NotAMessage> {
        let limit = bytes.first().map_or(0, |kind| limit_of(*kind));
        let limit = if stranger { limit.min(MAX_STRANGER_BYTES) } else { limit };
        if bytes.len() > limit {
            return Err(if limit == 0 { NotAMessage::Malformed } else { NotAMessage::TooLarge });
        }
        match postcard::take_from_bytes(bytes) {
            Ok((message, [])) => Ok(message),
            Ok(_) | Err(_) => Err(NotAMessage::Malformed),
        }
    }
}

/// Largest length by the first byte, which is the number of the variant; 0 for an unknown one.
fn limit_of(kind: u8) -> usize {
    match kind {
        0 | 2..=3 | 5..=7 | 13 | 15 | 18..=20 | 22..=27 | 31..=33 => SMALL,
        1 => ROSTER,
        4 | 21 => PROPOSAL,
        8 => ACCEPTS,
        9 | 11 | 14 | 16 => LONG,
        10 | 17 => ACCEPTS,
        12 => EVIDENCE,
        28 => CHARTERS,
        29 => DRAFT,
        30 => LETTER,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_belongs_to_the_kind() {
        let hash = Hash([1; 32]);
        let me = crate::identity::Identity::from_seed(&[1; 32]);
        let head = super::super::audit::Head { length: u64::MAX, hash };
        let head = SignedHead::sign(&me, ClusterId::from_bytes([2; 32]), head);
        let node = me.node_id();
        let cases = [
            (PeerMessage::RosterDigest(hash), SMALL),
            (PeerMessage::JoinRefused("no".to_owned()), SMALL),
            (PeerMessage::Preparing { proposal: hash }, SMALL),
            (PeerMessage::Start { proposal: hash, accepts: Vec::new() }, ACCEPTS),
            (PeerMessage::Round { ceremony: hash, envelope: Vec::new() }, LONG),
            (PeerMessage::AskConfirmed(vec![hash]), ACCEPTS),
            (PeerMessage::Confirmed { ceremony: hash, set: Vec::new() }, LONG),
            (PeerMessage::Lost { ceremony: hash }, SMALL),
            (PeerMessage::Report { ceremony: hash, report: Report::Aux(hash) }, LONG),
            (PeerMessage::AskKey(hash), SMALL),
            (PeerMessage::Epochs(vec![KnownEpoch { key: hash, epoch: 1, session: hash }]), ACCEPTS),
            (PeerMessage::Used { key: hash, epoch: 1 }, SMALL),
            (PeerMessage::Lacks { aux: hash }, SMALL),
            (PeerMessage::Process([1; 16]), SMALL),
            (PeerMessage::Log(head.clone()), SMALL),
            (PeerMessage::LogSeen(head), SMALL),
            (PeerMessage::AskVote(node), SMALL),
            (PeerMessage::Charters(Vec::new()), CHARTERS),
            (PeerMessage::Received(vec![hash]), SMALL),
            (PeerMessage::AskClock(u64::MAX), SMALL),
            (PeerMessage::Clock { asked: 1, unix: 2 }, SMALL),
            (PeerMessage::Vote { subject: node, statement: None }, SMALL),
            (PeerMessage::Pass { presignature: hash, request: Vec::new() }, PROPOSAL),
        ];
        for (message, limit) in cases {
            let mut bytes = message.encode();
            assert_eq!(limit_of(bytes[0]), limit, "{message:?}");
            assert_eq!(PeerMessage::decode(&bytes, false), Ok(message));
            bytes.resize(limit + 1, 0);
            assert_eq!(PeerMessage::decode(&bytes, false), Err(NotAMessage::TooLarge));
        }
    }

    #[test]
    fn garbage_is_refused() {
        for bytes in [&[][..], &[0], &[32; 40], &[34; 40], &[0xff; 40], &[4; 40]] {
            assert_eq!(PeerMessage::decode(bytes, false), Err(NotAMessage::Malformed));
        }
        let mut trailing = PeerMessage::RosterDigest(Hash([1; 32])).encode();
        trailing.push(0);
        assert_eq!(PeerMessage::decode(&trailing, false), Err(NotAMessage::Malformed));
    }

    #[test]
    fn a_stranger_may_say_little() {
        let long = PeerMessage::Round { ceremony: Hash([1; 32]), envelope: vec![0; MAX_STRANGER_BYTES] };
        assert_eq!(PeerMessage::decode(&long.encode(), true), Err(NotAMessage::TooLarge));
    }
}
