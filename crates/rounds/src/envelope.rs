//! One party's message to one peer in one round: a signed header, a part for everyone, a part for the peer.
//!
//! The header carries hashes of both parts, so that either can be shown to others without the other. Read
//! [`session`](crate::Session) next for what is done with envelopes.

use serde::{Deserialize, Serialize};

use crate::codec::Bytes;
use crate::hash::{Hash, SessionId, broadcast_hash, direct_hash};
use crate::party::{Identities, PartyIndex, Signature, Signer};

/// Opens what is signed for a header; no other signature of the system starts with it.
const HEADER_TAG: &[u8] = b"consign envelope v1";

/// What a sender signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The session this belongs to.
    pub session: SessionId,
    /// The round, from 1.
    pub round: u8,
    /// The sender.
    pub from: PartyIndex,
    /// The recipient; the sender itself where it shows in a reveal what it said.
    pub to: PartyIndex,
    /// The sender's hash of all broadcasts of all earlier rounds.
    pub echo: Hash,
    /// Hash of the broadcast part.
    pub broadcast_hash: Hash,
    /// Hash of the direct part.
    pub direct_hash: Hash,
}

impl Header {
    /// The bytes that are signed: the tag and every field, all of fixed length.
    #[must_use]
    pub fn signing_bytes(&self) -> Vec<u8> {
        [
            HEADER_TAG,
            &self.session.0,
            &[self.round],
            &self.from.get().to_be_bytes(),
            &self.to.get().to_be_bytes(),
            &self.echo,
            &self.broadcast_hash,
            &self.direct_hash,
        ]
        .concat()
    }

    /// Two headers that no honest party signs both: one place in one session, two contents.
    ///
    /// A party says one broadcast and one echo per round, and one direct part to each peer.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let same_place = (self.session, self.round, self.from) == (other.session, other.round, other.from);
        let same_words = (self.echo, self.broadcast_hash) == (other.echo, other.broadcast_hash)
            && (self.to != other.to || self.direct_hash == other.direct_hash);
        same_place && !same_words
    }
}

/// A header with its sender's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHeader {
    /// What was signed.
    pub header: Header,
    /// By `header.from`.
    pub signature: Signature,
}

impl SignedHeader {
    /// Signs `header`.
    pub fn sign(header: Header, signer: &(impl Signer + ?Sized)) -> Self {
        Self { header, signature: signer.sign(&header.signing_bytes()) }
    }

    /// Did `header.from` sign it?
    pub fn is_authentic(&self, identities: &(impl Identities + ?Sized)) -> bool {
        identities.verify(self.header.from, &self.header.signing_bytes(), &self.signature)
    }
}

/// One party's message to one peer in one round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who says it, when and to whom, and the hashes of both parts.
    pub signed: SignedHeader,
    /// The encoding of a `Protocol::Broadcast`: the same for every recipient.
    pub broadcast: Bytes,
    /// The encoding of a `Protocol::Direct`: for this recipient only.
    pub direct: Bytes,
}

impl Envelope {
    /// Are both parts those that the header names? Says nothing about the signature.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let header = &self.signed.header;
        header.broadcast_hash == broadcast_hash(&self.broadcast)
            && header.direct_hash == direct_hash(&self.direct)
    }

    /// Without the direct part.
    #[must_use]
    pub fn public_part(&self) -> PublicPart {
        PublicPart { signed: self.signed, broadcast: self.broadcast.clone() }
    }

    /// Without the broadcast part.
    #[must_use]
    pub fn direct_part(&self) -> DirectPart {
        DirectPart { signed: self.signed, direct: self.direct.clone() }
    }
}

/// An envelope without its direct part: what everybody may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicPart {
    /// The whole signed header; the hash of the direct part stays in it.
    pub signed: SignedHeader,
    /// The encoding of a `Protocol::Broadcast`.
    pub broadcast: Bytes,
}

impl PublicPart {
    /// Did the sender sign a header that names this broadcast?
    pub fn is_authentic(&self, identities: &(impl Identities + ?Sized)) -> bool {
        self.signed.header.broadcast_hash == broadcast_hash(&self.broadcast)
            && self.signed.is_authentic(identities)
    }
}

/// An envelope without its broadcast part: what a complaint shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectPart {
    /// The whole signed header.
    pub signed: SignedHeader,
    /// The encoding of a `Protocol::Direct`.
    pub direct: Bytes,
}

impl DirectPart {
    /// Did the sender sign a header that names this direct part?
    pub fn is_authentic(&self, identities: &(impl Identities + ?Sized)) -> bool {
        self.signed.header.direct_hash == direct_hash(&self.direct) && self.signed.is_authentic(identities)
    }
}
