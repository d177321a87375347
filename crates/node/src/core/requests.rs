//! What a client asked, as it travels to every participant, and the one function that makes a proposal of it.
//!
//! The proposer and every participant call [`draft`] with the same raw request: the proposer to propose, a participant
//! to see what the proposal must look like from the request and its **own** key record. Whatever differs is refused,
//! so a hijacked proposer is free in nothing but what stands in [`Free`].

use consign_api as api;
use consign_cggmp24::Level;
use serde::{Deserialize, Serialize};

use super::hash::{Hash, Items};
use super::keys::Key;
use super::proposal::{Kind, MAX_REQUEST_BYTES, PROTOCOL_VERSION, Participant, Proposal};
use crate::identity::{ClusterId, NodeId};

/// How far a request's time may lie ahead of this node's clock, in seconds: clocks differ.
pub const MAX_SKEW_S: u64 = 30;
/// How long a request may first be brought to a participant, in seconds.
pub const REQUEST_LIFETIME_S: u64 = 600;
/// How long the record of a request is kept, in seconds: far longer than it is fresh.
pub const REQUEST_KEPT_S: u64 = 24 * 60 * 60;
/// Most tries of one request a participant takes part in.
pub const MAX_TRIES: u8 = 8;
/// Number of the fast test level in proposals.
#[cfg(all(feature = "test-levels", debug_assertions))]
const TEST_LEVEL: u16 = 1;

/// The call of a client, complete: path and body as they came, and what makes two equal calls differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawRequest {
    /// The path of the call.
    pub path: String,
    /// The JSON body.
    pub body: Vec<u8>,
    /// When the client asked: Unix time in seconds.
    pub created: u64,
    /// Random.
    pub nonce: [u8; 16],
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A key.
    Key(api::CreateKey),
    /// A signature.
    Signature(api::Sign),
}

const KEYS_PATH: &str = "/v1/keys";
const SIGNATURES: &str = "/signatures";

impl RawRequest {
    /// Wraps what the API layer has parsed.
    #[must_use]
    pub fn new(wanted: &Wanted, created: u64, nonce: [u8; 16]) -> Self {
        let json = |v: serde_json::Result<Vec<u8>>| v.expect("invariant: bodies are plain data");
        let (path, body) = match wanted {
            Wanted::Key(key) => (KEYS_PATH.to_owned(), json(serde_json::to_vec(key))),
            Wanted::Signature(sign) => {
                (format!("{KEYS_PATH}/{}{SIGNATURES}", sign.key), json(serde_json::to_vec(&sign.target)))
            }
        };
        Self { path, body, created, nonce }
    }

    /// The bytes that travel.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("invariant: requests are plain data")
    }

    /// Reads bytes that came in a proposal. Strict: bytes have one reading, and a request one writing.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Self, Wanted)> {
        if bytes.len() > MAX_REQUEST_BYTES {
            return None;
        }
        let (raw, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        if !rest.is_empty() || raw.encode() != bytes {
            return None;
        }
        let wanted = if raw.path == KEYS_PATH {
            Wanted::Key(serde_json::from_slice(&raw.body).ok()?)
        } else {
            let id = raw.path.strip_prefix(KEYS_PATH)?.strip_prefix('/')?.strip_suffix(SIGNATURES)?;
            let target = serde_json::from_slice(&raw.body).ok()?;
            Wanted::Signature(api::Sign { key: id.parse().ok()?, target })
        };
        Some((raw, wanted))
    }

    /// Whether it may be brought for the first time.
    #[must_use]
    pub fn is_fresh(&self, now_unix: u64) -> bool {
        self.created <= now_unix.saturating_add(MAX_SKEW_S)
            && self.created.saturating_add(REQUEST_LIFETIME_S + MAX_SKEW_S) > now_unix
    }
}

/// Names a request, and so everything that is done for it: the id of the ceremony that clients see.
#[must_use]
pub fn request_id(cluster: &ClusterId, raw: &[u8]) -> Hash {
    Items::new("request").bytes("cluster", cluster.as_bytes()).bytes("raw", raw).hash()
}

/// Everything the proposer may choose.
#[derive(Debug, Clone)]
pub struct Free {
    /// Aux or keygen, where a key is wanted; sign, where a signature is.
    pub kind: Kind,
    /// The moduli, in keygen: any that covers the committee at the level.
    pub aux: Option<Hash>,
    /// The signer set, in signing: any `t` holders.
    pub signers: Vec<u16>,
    /// How long the rounds may take.
    pub deadline_ms: u32,
    /// Who proposes.
    pub proposer: NodeId,
    /// Random.
    pub salt: [u8; 16],
}

impl Free {
    /// What the proposer of this proposal chose.
    #[must_use]
    pub fn of(proposal: &Proposal) -> Self {
        Self {
            kind: proposal.kind,
            aux: proposal.aux,
            signers: proposal.signers.clone(),
            deadline_ms: proposal.deadline_ms,
            proposer: proposal.proposer,
            salt: proposal.salt,
        }
    }
}

/// A proposal that cannot follow from the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Another protocol than the request is about.
    #[error("the request does not ask for this protocol")]
    Kind,
    /// A committee with an identifier that is no key.
    #[error("the committee names something that is no validator")]
    Identity,
    /// The signers are not `t` distinct holders, in ascending order.
    #[error("the signers are not exactly as many holders of the key as its threshold says")]
    Signers,
    /// The request is about another key than the record.
    #[error("the request is about another key")]
    Key,
}

/// The one proposal that follows from a request, this node's own record of the key, and the proposer's choices.
///
/// # Errors
/// [`Unfit`].
pub(super) fn draft(
    cluster: ClusterId,
    raw: &[u8],
    wanted: &Wanted,
    key: Option<&Key>,
    free: Free,
) -> Result<Proposal, Unfit> {
    let Free { kind, aux, signers, deadline_ms, proposer, salt } = free;
    let blank = Proposal {
        cluster,
        kind,
        version: PROTOCOL_VERSION,
        level: 0,
        curve: String::new(),
        threshold: 0,
        participants: Vec::new(),
        key: None,
        epoch: 0,
        aux: None,
        signers: Vec::new(),
        path: Vec::new(),
        digest: None,
        batch: 0,
        request: raw.to_vec(),
        deadline_ms,
        proposer,
        salt,
    };
    match wanted {
        Wanted::Key(_) if kind == Kind::Sign => Err(Unfit::Kind),
        Wanted::Key(create) => Ok(Proposal {
            level: level_number(create.level),
            curve: create.curve.word().to_owned(),
            threshold: create.threshold,
            participants: committee(create)?,
            aux: if kind == Kind::Keygen { aux } else { None },
            ..blank
        }),
        Wanted::Signature(_) if kind != Kind::Sign => Err(Unfit::Kind),
        Wanted::Signature(sign) => {
            let key = key.filter(|key| key.id().0 == sign.key.0).ok_or(Unfit::Key)?;
            let participants = signers.iter().filter_map(|i| key.holder(*i)).collect::<Vec<_>>();
            let ascending = signers.windows(2).all(|w| matches!(w, [a, b] if a < b));
            let complete =
                participants.len() == signers.len() && signers.len() == usize::from(key.info().threshold);
            if !ascending || !complete {
                return Err(Unfit::Signers);
            }
            Ok(Proposal {
                level: level_number(key.level()),
                curve: key.curve().word().to_owned(),
                threshold: key.info().threshold,
                participants,
                key: Some(key.id()),
                epoch: key.info().epoch,
                aux: Some(key.aux()),
                signers,
                digest: Some(sign.target.digest()),
                batch: 1,
                ..blank
            })
        }
    }
}

/// The committee with its indices: from 1, in the order of the request.
pub(super) fn committee(create: &api::CreateKey) -> Result<Vec<Participant>, Unfit> {
    let members = create.committee.iter().zip(1..);
    members
        .map(|(id, index)| {
            let id = NodeId::from_bytes(&id.0).map_err(|_| Unfit::Identity)?;
            Ok(Participant { index, id })
        })
        .collect()
}

/// The level's number in proposals.
pub(super) fn level_number(level: api::Level) -> u16 {
    match level {
        api::Level::L112 => 112,
        api::Level::L128 => 128,
        #[cfg(all(feature = "test-levels", debug_assertions))]
        api::Level::Test => TEST_LEVEL,
    }
}

/// The level behind a number.
pub(super) fn level_of(number: u16) -> Option<Level> {
    match number {
        112 => Some(Level::L112),
        128 => Some(Level::L128),
        #[cfg(all(feature = "test-levels", debug_assertions))]
        TEST_LEVEL => Some(Level::Fast),
        _ => None,
    }
}
