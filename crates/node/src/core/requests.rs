//! What a client asked, as it travels to every participant (unsigned; `asked.rs` has the signed form), and the one
//! function that makes a proposal of it.
//!
//! The proposer and every participant call `draft` with the same raw request: the proposer to propose, a participant
//! to see what the proposal must look like from the request and its **own** key record. Whatever differs is refused,
//! so a hijacked proposer is free in nothing but what stands in [`Free`].

use consign_api as api;
use consign_cggmp24::Level;
use consign_cggmp24::derivation::{DerivationError, Path, PathError};
use serde::{Deserialize, Serialize};

use super::changes::{draft_refresh, draft_reshare};
use super::hash::Hash;
use super::keys::Key;
use super::presigning::{draft_online, draft_presign, of_key};
use super::proposal::{Kind, MAX_PARTIES, MAX_REQUEST_BYTES, PROTOCOL_VERSION, Participant, Proposal};
use crate::identity::{ClusterId, NodeId};

/// How far a request's time may lie ahead of this node's clock, in seconds: clocks differ.
pub const MAX_SKEW_S: u64 = 30;
/// How long a request may first be brought to a participant, in seconds.
pub const REQUEST_LIFETIME_S: u64 = 600;
/// How long the record of a request is kept, in seconds: far longer than it is fresh.
pub const REQUEST_KEPT_S: u64 = 24 * 60 * 60;
/// Most requests that are remembered. A full table takes no more and forgets none.
pub const MAX_REQUESTS: usize = 100_000;
/// Most tries of one request that a participant takes part in: of one that a client has signed, by whomever they are
/// proposed, but for [`OWN_TRIES`]; of another one, by one proposer.
pub const MAX_TRIES: u8 = 8;
/// Tries of a signed request that each proposer has, however many others have made, so that nobody stops a request by wearing
/// it out: as many as an honest proposer makes.
pub const OWN_TRIES: u8 = super::tasks::SIGN_TRIES;
/// Number of the fast test level in proposals.
#[cfg(all(feature = "test-levels", debug_assertions))]
const TEST_LEVEL: u16 = 1;

/// What the API lets through as a path, and what may be one, are equally long.
const _: () = assert!(api::limits::MAX_PATH_BYTES == consign_cggmp24::derivation::MAX_PATH_BYTES);

/// The call of a client without its signature, complete: path and body as they came, and what makes two equal calls differ.
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
    /// New shares for the same holders.
    Refresh(api::Refresh),
    /// New shares for another committee.
    Reshare(api::Reshare),
    /// Presignatures.
    Presign(api::Presign),
}

impl Wanted {
    /// The key that it is about, if that exists already.
    #[must_use]
    pub fn key(&self) -> Option<api::KeyId> {
        match self {
            Self::Key(_) => None,
            Self::Signature(sign) => Some(sign.key),
            Self::Refresh(refresh) => Some(refresh.key),
            Self::Reshare(reshare) => Some(reshare.key),
            Self::Presign(presign) => Some(presign.key),
        }
    }
}

const KEYS_PATH: &str = "/v1/keys";
const IMPORT_PATH: &str = "/v1/keys/import";
const SIGNATURES: &str = "signatures";
const REFRESH: &str = "refresh";
const RESHARE: &str = "reshare";
const PRESIGNATURES: &str = "presignatures";

impl RawRequest {
    /// Wraps what the API layer has parsed.
    #[must_use]
    pub fn new(wanted: &Wanted, created: u64, nonce: [u8; 16]) -> Self {
        let json = |v: serde_json::Result<Vec<u8>>| v.expect("invariant: bodies are plain data");
        let about = |key, what| format!("{KEYS_PATH}/{key}/{what}");
        let (path, body) = match wanted {
            Wanted::Key(key) => (KEYS_PATH.to_owned(), json(serde_json::to_vec(key))),
            Wanted::Signature(sign) => (about(&sign.key, SIGNATURES), json(serde_json::to_vec(&sign.body()))),
            Wanted::Refresh(api::Refresh { key, terms }) => {
                (about(key, REFRESH), json(serde_json::to_vec(terms)))
            }
            Wanted::Reshare(api::Reshare { key, terms }) => {
                (about(key, RESHARE), json(serde_json::to_vec(terms)))
            }
            Wanted::Presign(api::Presign { key, terms }) => {
                (about(key, PRESIGNATURES), json(serde_json::to_vec(terms)))
            }
        };
        Self { path, body, created, nonce }
    }

    /// The request behind an imported key: what was asked for, without the private key.
    #[must_use]
    pub fn of_import(imported: &api::ImportedKey, created: u64, nonce: [u8; 16]) -> Self {
        let body = serde_json::to_vec(imported).expect("invariant: bodies are plain data");
        Self { path: IMPORT_PATH.to_owned(), body, created, nonce }
    }

    /// Reads such a request. It is none that others take part in, so [`parse`](Self::parse) does not know it.
    #[must_use]
    pub fn parse_import(bytes: &[u8]) -> Option<(Self, api::ImportedKey)> {
        let raw = Self::read(bytes).filter(|raw| raw.path == IMPORT_PATH)?;
        let imported = serde_json::from_slice(&raw.body).ok()?;
        Some((raw, imported))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_REQUEST_BYTES {
            return None;
        }
        let (raw, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        (rest.is_empty() && raw.encode() == bytes).then_some(raw)
    }

    /// The bytes that travel.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("invariant: requests are plain data")
    }

    /// Reads an unsigned request that came in a proposal. Strict: bytes have one reading, and a request one writing.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Self, Wanted)> {
        let raw = Self::read(bytes)?;
        let wanted = wanted_of_call(&raw.path, &raw.body)?;
        Some((raw, wanted))
    }

    /// Whether it may be brought for the first time.
    #[must_use]
    pub fn is_fresh(&self, now_unix: u64) -> bool {
        self.created <= now_unix.saturating_add(MAX_SKEW_S)
            && self.created.saturating_add(REQUEST_LIFETIME_S + MAX_SKEW_S) > now_unix
    }
}

/// What a call asks for: its path says what, its body on which terms. None: nothing that others take part in.
pub(super) fn wanted_of_call(path: &str, body: &[u8]) -> Option<Wanted> {
    if path == KEYS_PATH {
        return Some(Wanted::Key(serde_json::from_slice(body).ok()?));
    }
    let (id, what) = path.strip_prefix(KEYS_PATH)?.strip_prefix('/')?.split_once('/')?;
    let key = id.parse().ok()?;
    Some(match what {
        SIGNATURES => Wanted::Signature(api::Sign::new(key, serde_json::from_slice(body).ok()?)),
        REFRESH => Wanted::Refresh(api::Refresh { key, terms: serde_json::from_slice(body).ok()? }),
        RESHARE => Wanted::Reshare(api::Reshare { key, terms: serde_json::from_slice(body).ok()? }),
        PRESIGNATURES => Wanted::Presign(api::Presign { key, terms: serde_json::from_slice(body).ok()? }),
        _ => return None,
    })
}

/// Everything the proposer may choose.
#[derive(Debug, Clone)]
pub struct Free {
    /// Aux or keygen, where a key is wanted; sign or online, where a signature is; aux or reshare, where another
    /// committee is.
    pub kind: Kind,
    /// The moduli, in keygen and resharing: any that covers the committee at the level.
    pub aux: Option<Hash>,
    /// The presignature, where a signature is made from one: any unused one of the proposer's own.
    pub presignature: Option<Hash>,
    /// The signer set, in signing and presigning, or the dealers, in resharing: any `t` holders.
    pub signers: Vec<u16>,
    /// The number of the epoch to make: any that no participant has used.
    pub epoch: u64,
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
            presignature: proposal.base.filter(|_| proposal.kind == Kind::Online),
            signers: proposal.signers.clone(),
            epoch: proposal.epoch,
            deadline_ms: proposal.deadline_ms,
            proposer: proposal.proposer,
            salt: proposal.salt,
        }
    }
}

/// A proposal that cannot follow from the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// The request starts from another epoch.
    #[error("the request is about another epoch of the key, which is in epoch {0} here")]
    Epoch(u64),
    /// Old and new holders are more than a session may have.
    #[error("dealers and new holders together are more than {MAX_PARTIES}")]
    TooMany,
    /// The path or the digest cannot be signed with a presignature, or none is named.
    #[error("a presignature signs only messages that its signers hash, for the key itself")]
    Presignature,
    /// The path cannot be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The path leads nowhere.
    #[error("the path leads nowhere: {0}")]
    Derivation(#[from] DerivationError),
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
    let (kind, aux) = (free.kind, free.aux);
    let blank = Proposal {
        cluster,
        kind,
        version: PROTOCOL_VERSION,
        level: 0,
        curve: String::new(),
        threshold: 0,
        participants: Vec::new(),
        key: None,
        base: None,
        epoch: 0,
        aux: None,
        signers: Vec::new(),
        path: Vec::new(),
        digest: None,
        batch: 0,
        request: raw.to_vec(),
        deadline_ms: free.deadline_ms,
        proposer: free.proposer,
        salt: free.salt,
    };
    match wanted {
        Wanted::Key(_) if !matches!(kind, Kind::Keygen | Kind::Aux) => Err(Unfit::Kind),
        Wanted::Key(create) => Ok(Proposal {
            level: level_number(create.level),
            curve: create.curve.word().to_owned(),
            threshold: create.threshold,
            participants: committee(&create.committee)?,
            aux: if kind == Kind::Keygen { aux } else { None },
            ..blank
        }),
        Wanted::Signature(sign) if kind == Kind::Online => draft_online(sign, key, &free, blank),
        Wanted::Signature(_) if kind != Kind::Sign => Err(Unfit::Kind),
        Wanted::Signature(sign) => {
            let key = key.filter(|key| key.id().0 == sign.key.0).ok_or(Unfit::Key)?;
            let path = child_path(key, sign)?;
            Ok(Proposal {
                aux: key.aux(),
                path: path.into(),
                digest: Some(sign.target.digest()),
                batch: 1,
                ..of_key(key, &free, blank)?
            })
        }
        Wanted::Refresh(refresh) => draft_refresh(refresh, key, &free, blank),
        Wanted::Reshare(reshare) => draft_reshare(reshare, key, free, blank),
        Wanted::Presign(presign) => draft_presign(presign, key, &free, blank),
    }
}

/// The holders with these indices, if they are exactly as many as the key needs, in ascending order.
pub(super) fn quorum(key: &Key, indices: &[u16]) -> Result<Vec<Participant>, Unfit> {
    let participants = indices.iter().filter_map(|i| key.holder(*i)).collect::<Vec<_>>();
    let ascending = indices.windows(2).all(|w| matches!(w, [a, b] if a < b));
    let complete =
        participants.len() == indices.len() && indices.len() == usize::from(key.info().threshold());
    if ascending && complete { Ok(participants) } else { Err(Unfit::Signers) }
}

/// The path that the client names, if there is a child at its end.
pub(super) fn child_path(key: &Key, sign: &api::Sign) -> Result<Path, Unfit> {
    let path: Path = sign.path.as_str().parse()?;
    key.info().derived(&path)?;
    Ok(path)
}

/// The committee with its indices: from 1, in the order of the request.
pub(super) fn committee(members: &[api::NodeId]) -> Result<Vec<Participant>, Unfit> {
    let members = members.iter().zip(1..);
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

#[cfg(test)]
mod tests {
    use super::super::asked::request_id;
    use super::*;
    use crate::identity::Identity;

    fn create(label: &str) -> Wanted {
        let id = |i| api::NodeId(*Identity::from_seed(&[i; 32]).node_id().as_bytes());
        Wanted::Key(api::CreateKey {
            label: label.parse().unwrap(),
            scheme: api::Scheme::Cggmp24,
            curve: api::Curve::Secp256k1,
            level: api::Level::L128,
            threshold: 2,
            committee: vec![id(3), id(1), id(2)],
        })
    }

    fn sign() -> api::Sign {
        let path = "m/0/5".parse().unwrap();
        api::Sign { key: api::KeyId([5; 32]), path, target: api::SignTarget::Digest([6; 32]) }
    }

    fn free(kind: Kind) -> Free {
        let proposer = Identity::from_seed(&[1; 32]).node_id();
        Free {
            kind,
            aux: Some(Hash([7; 32])),
            presignature: None,
            signers: vec![1],
            epoch: 1,
            deadline_ms: 5,
            proposer,
            salt: [1; 16],
        }
    }

    #[test]
    fn a_request_has_one_reading_and_one_writing() {
        let (key, sign) = (api::KeyId([5; 32]), sign());
        let refresh = api::Refresh { key, terms: api::RefreshTerms { epoch: 3, moduli: api::Moduli::Renew } };
        let committee = vec![api::NodeId([1; 32]), api::NodeId([2; 32])];
        let reshare = api::Reshare { key, terms: api::ReshareTerms { epoch: 3, threshold: 2, committee } };
        let presign = api::Presign { key, terms: api::PresignTerms { count: 4, signers: Vec::new() } };
        for wanted in [
            create("pay"),
            Wanted::Signature(sign),
            Wanted::Refresh(refresh),
            Wanted::Reshare(reshare),
            Wanted::Presign(presign),
        ] {
            let raw = RawRequest::new(&wanted, 100, [2; 16]);
            let bytes = raw.encode();
            assert_eq!(RawRequest::parse(&bytes), Some((raw.clone(), wanted)));
            let cluster = ClusterId::from_bytes([1; 32]);
            let again = RawRequest { nonce: [3; 16], ..raw.clone() }.encode();
            assert_ne!(request_id(&cluster, &bytes), request_id(&cluster, &again));
            assert_eq!(RawRequest::parse(&[bytes.as_slice(), &[0]].concat()), None);
            for end in 0..bytes.len() {
                assert_eq!(RawRequest::parse(&bytes[..end]), None);
            }
            for path in ["/v1/keys/", "/v1/keysx", "/v1/keys/zz/signatures", "/v1//keys"] {
                let other = RawRequest { path: path.to_owned(), ..raw.clone() };
                assert_eq!(RawRequest::parse(&other.encode()), None, "{path}");
            }
        }
    }

    #[test]
    fn a_request_is_fresh_for_a_while() {
        let raw = RawRequest::new(&create("pay"), 1_000, [2; 16]);
        let last = 1_000 + REQUEST_LIFETIME_S + MAX_SKEW_S - 1;
        for (now, fresh) in [(969, false), (970, true), (1_000, true), (last, true), (last + 1, false)] {
            assert_eq!(raw.is_fresh(now), fresh, "{now}");
        }
    }

    #[test]
    fn a_draft_says_what_the_request_says() {
        let cluster = ClusterId::from_bytes([1; 32]);
        let wanted = create("pay");
        let raw = RawRequest::new(&wanted, 1, [2; 16]).encode();
        let keygen = draft(cluster, &raw, &wanted, None, free(Kind::Keygen)).unwrap();
        assert_eq!((keygen.level, keygen.threshold, keygen.aux), (128, 2, Some(Hash([7; 32]))));
        assert_eq!(keygen.participants[0].id, Identity::from_seed(&[3; 32]).node_id());
        assert!(keygen.signers.is_empty() && keygen.is_well_formed());
        let aux = draft(cluster, &raw, &wanted, None, free(Kind::Aux)).unwrap();
        assert_eq!(aux.aux, None);
        for kind in [Kind::Sign, Kind::Refresh, Kind::Reshare, Kind::Presign, Kind::Online] {
            assert_eq!(draft(cluster, &raw, &wanted, None, free(kind)), Err(Unfit::Kind));
        }
        let sign = sign();
        let sign = Wanted::Signature(sign);
        assert_eq!(draft(cluster, &raw, &sign, None, free(Kind::Sign)), Err(Unfit::Key));
        assert_eq!(draft(cluster, &raw, &sign, None, free(Kind::Keygen)), Err(Unfit::Kind));
    }
}
