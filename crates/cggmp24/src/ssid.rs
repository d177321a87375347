//! Session identifiers (`docs/spec/params.md`, section 1.6): hashes that tie every message and proof to one run.

use consign_rounds::SessionId;
use consign_zk::curve::Curve;
use consign_zk::level::Level;
use consign_zk::transcript::{Purpose, Transcript};
use serde::{Deserialize, Serialize};

use crate::aux_info::AuxPublic;
use crate::derivation::Shift;
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
    /// Key refresh.
    Refresh,
    /// Resharing to another committee.
    Reshare,
    /// Presigning.
    Presign,
    /// Interactive signing.
    Sign,
    /// Import of a private key: no protocol, but the first epoch of a key.
    Import,
}

impl ProtocolKind {
    /// The name hashed in.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Keygen => "keygen",
            Self::AuxInfo => "auxinfo",
            Self::Refresh => "refresh",
            Self::Reshare => "reshare",
            Self::Presign => "presign",
            Self::Sign => "sign",
            Self::Import => "import",
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
/// `shift` is that of the path that is signed for; `digest` is the message of interactive signing; a presignature has none.
pub fn ssid<C: Curve>(
    sid: SessionId,
    key: &KeyInfo<C>,
    aux: &AuxPublic,
    signers: &Parties,
    shift: &Shift<C>,
    digest: Option<&[u8; 32]>,
) -> SessionId {
    let mut transcript = Transcript::new(Purpose::Ssid);
    transcript.bytes("sid", &sid.0);
    absorb_epoch(&mut transcript, key);
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
    shift.absorb(&mut transcript);
    transcript.optional("digest", digest.map(<[u8; 32]>::as_slice));
    SessionId(transcript.hash())
}

/// A change from one epoch of a key to another, as all parties agreed on it.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a, C: Curve> {
    /// Refresh or resharing.
    pub(crate) kind: ProtocolKind,
    /// The epoch to start from.
    pub(crate) base: &'a KeyInfo<C>,
    /// Number of the epoch to make.
    pub(crate) epoch: u64,
    /// Its auxiliary information, unless the session itself makes that.
    pub(crate) aux_id: Option<&'a [u8; 32]>,
    /// Holders who deal, with their indices of the old epoch.
    pub(crate) dealers: &'a Parties,
    /// Holders of the new epoch, with their indices there.
    pub(crate) holders: &'a Parties,
    /// Number of signers that the new epoch needs.
    pub(crate) threshold: u16,
}

impl<C: Curve> Change<'_, C> {
    /// `ssid` of the change: `parties` are those of the session, with their indices in it.
    pub(crate) fn session(&self, parties: &Parties, nonce: &[u8; 32]) -> SessionId {
        let sid = sid::<C>(self.kind, self.base.level, self.base.threshold, parties, nonce);
        let mut transcript = Transcript::new(Purpose::NextEpoch);
        transcript.bytes("sid", &sid.0);
        absorb_epoch(&mut transcript, self.base);
        transcript
            .optional("cc", self.base.chain_code.as_ref().map(<[u8; 32]>::as_slice))
            .bytes("rid", &self.base.rid)
            .number("e'", self.epoch)
            .optional("aux_id", self.aux_id.map(<[u8; 32]>::as_slice))
            .number("t'", self.threshold.into());
        self.dealers.absorb(&mut transcript);
        self.holders.absorb(&mut transcript);
        SessionId(transcript.hash())
    }
}

/// The key, the epoch and its public shares.
fn absorb_epoch<C: Curve>(transcript: &mut Transcript, key: &KeyInfo<C>) {
    transcript
        .bytes("key_id", &key.key_id)
        .number("epoch", key.epoch)
        .point("X", &key.public_key)
        .count("shares", key.public_shares.len());
    for (index, share) in key.parties.indices().zip(&key.public_shares) {
        transcript.number("index", index.get().into()).point("X_j", share);
    }
}

/// `ssid_b`: slot `b` of a batch of `count` presignatures.
pub fn slot(ssid: SessionId, b: u32, count: u32) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::Slot);
    transcript.bytes("ssid", &ssid.0).number("b", b.into()).number("B", count.into());
    transcript.hash()
}
