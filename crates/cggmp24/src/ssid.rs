//! Session identifiers (`docs/spec/params.md`, section 1.6): hashes that tie every message and proof to one run.

use consign_rounds::SessionId;
use consign_zk::curve::Curve;
use consign_zk::level::Level;
use consign_zk::transcript::{Purpose, Transcript};
use serde::{Deserialize, Serialize};

use crate::aux_info::AuxPublic;
use crate::key::KeyInfo;
use crate::parties::Parties;

/// Version of the protocol, hashed into every session identifier.
pub const PROTOCOL_VERSION: u16 = 1;

/// What a session runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolKind {
    /// Key generation.
    Keygen,
    /// Auxiliary information.
    AuxInfo,
    /// Presigning.
    Presign,
    /// Interactive signing.
    Sign,
}

impl ProtocolKind {
    /// The name hashed in.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Keygen => "keygen",
            Self::AuxInfo => "auxinfo",
            Self::Presign => "presign",
            Self::Sign => "sign",
        }
    }
}

/// `sid`: who runs what with which parameters, and the nonce that nobody picked alone.
pub fn sid<C: Curve>(
    kind: ProtocolKind,
    level: Level,
    threshold: u16,
    parties: &Parties,
    session_nonce: &[u8; 32],
) -> SessionId {
    let mut transcript = Transcript::new(Purpose::Sid);
    transcript
        .number("protocol version", PROTOCOL_VERSION.into())
        .group::<C>(level)
        .text("protocol", kind.label())
        .number("n", parties.count() as u64)
        .number("t", threshold.into());
    parties.absorb(&mut transcript);
    transcript.bytes("nonce", session_nonce);
    SessionId(transcript.hash())
}

/// `ssid`: a `sid` tied to one epoch of one key, the auxiliary information and the signers.
///
/// `digest` is the message of interactive signing; a presignature has none.
pub fn ssid<C: Curve>(
    sid: SessionId,
    key: &KeyInfo<C>,
    aux: &AuxPublic,
    signers: &Parties,
    digest: Option<&[u8; 32]>,
) -> SessionId {
    let mut transcript = Transcript::new(Purpose::Ssid);
    transcript
        .bytes("sid", &sid.0)
        .bytes("key_id", &key.key_id)
        .number("epoch", key.epoch)
        .point("X", &key.public_key)
        .count("shares", key.public_shares.len());
    for (index, share) in key.parties.indices().zip(&key.public_shares) {
        transcript.number("index", index.get().into()).point("X_j", share);
    }
    transcript.bytes("aux_id", &aux.aux_id).count("aux", signers.count());
    for (_, identity) in signers.iter() {
        let own = aux.of(identity);
        transcript.optional("aux of", own.map(|_| identity.as_slice()));
        if let Some(own) = own {
            transcript
                .natural("N", own.n.value())
                .natural("N^", own.ring.modulus.value())
                .natural("s", own.ring.s.value())
                .natural("t", own.ring.t.value());
        }
    }
    transcript.bytes("rid", &key.rid);
    signers.absorb(&mut transcript);
    // Derivation: no path, no shift.
    transcript.count("path", 0).optional("shift", None).optional("digest", digest.map(<[u8; 32]>::as_slice));
    SessionId(transcript.hash())
}

/// `ssid_b`: slot `b` of a batch of `count` presignatures.
pub fn slot(ssid: SessionId, b: u32, count: u32) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::Slot);
    transcript.bytes("ssid", &ssid.0).number("b", b.into()).number("B", count.into());
    transcript.hash()
}
