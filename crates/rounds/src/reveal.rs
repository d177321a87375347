//! The reveal: after echoes differ, each party shows which signed headers it received.
//!
//! Whoever has another echo is not to blame for it: somebody may have told the two parties different things.
//! Two reveals name that somebody. See `session/reveals.rs` for when they are sent and compared.

use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, decode, encode};
use crate::envelope::{Envelope, SignedHeader};
use crate::hash::{Hash, SessionId, first_echo, next_echo, tagged};
use crate::party::{Identities, PartyIndex, PerParty, Signature, Signer};

/// Opens what is signed for a reveal; no other signature of the system starts with it.
const REVEAL_TAG: &[u8] = b"consign reveal v1";

/// The headers of all broadcasts that `from` received in the rounds it has completed, its own included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// The session this belongs to.
    pub session: SessionId,
    /// Who shows what it received.
    pub from: PartyIndex,
    /// Number of rounds that `from` has completed.
    pub completed: u8,
    /// One for each of these rounds and each party, in this order; all addressed to `from`.
    pub headers: Vec<SignedHeader>,
    /// By `from`.
    pub signature: Signature,
}

impl Reveal {
    /// Signs the headers of the rounds that `from` has completed.
    pub(crate) fn sign(
        session: SessionId,
        from: PartyIndex,
        rounds: &[PerParty<SignedHeader>],
        signer: &(impl Signer + ?Sized),
    ) -> Self {
        let completed = u8::try_from(rounds.len()).expect("invariant: at most MAX_ROUNDS rounds");
        let headers = rounds.iter().flat_map(PerParty::values).copied().collect();
        let unsigned = Self { session, from, completed, headers, signature: Signature([0; 64]) };
        let signature = signer.sign(&unsigned.signing_bytes());
        Self { signature, ..unsigned }
    }

    /// The bytes that are signed: the tag, the fields, and a hash of the list of headers.
    #[must_use]
    pub fn signing_bytes(&self) -> Vec<u8> {
        let list = tagged("consign reveal headers v1", &[&encode(&self.headers)]);
        [REVEAL_TAG, &self.session.0, &self.from.get().to_be_bytes(), &[self.completed], &list].concat()
    }

    /// Did `from` sign it?
    pub fn is_authentic(&self, identities: &(impl Identities + ?Sized)) -> bool {
        identities.verify(self.from, &self.signing_bytes(), &self.signature)
    }

    /// `E_0` to `E_completed` as these headers make them; `None` if they are not what an honest party can have
    /// received: a wrong list of headers, one for somebody else, one whose echo is not that of the rounds before.
    ///
    /// The signatures of the headers are not looked at.
    pub(crate) fn echoes(&self, parties: &[PartyIndex], max_rounds: u8) -> Option<Vec<Hash>> {
        if self.completed > max_rounds || self.headers.len() != usize::from(self.completed) * parties.len() {
            return None;
        }
        let mut echo = first_echo(self.session);
        let mut echoes = vec![echo];
        for (round, headers) in (1..).zip(self.headers.chunks(parties.len())) {
            let expected = |(&from, signed): (&PartyIndex, &SignedHeader)| {
                let header = &signed.header;
                (header.session, header.round, header.from, header.to, header.echo)
                    == (self.session, round, from, self.from, echo)
            };
            if !parties.iter().zip(headers).all(expected) {
                return None;
            }
            let hashes = headers.iter().map(|s| (s.header.from, s.header.broadcast_hash)).collect();
            echo = next_echo(self.session, round, &echo, &hashes);
            echoes.push(echo);
        }
        Some(echoes)
    }
}

/// What one party sends another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A round of the protocol.
    Envelope(Envelope),
    /// Which headers the sender received.
    Reveal(Reveal),
}

impl Message {
    /// The one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes at most `max` bytes; see [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES).
    ///
    /// # Errors
    ///
    /// [`DecodeError`]. Nothing can be proven about anybody from such bytes: drop them.
    pub fn decode(bytes: &[u8], max: usize) -> Result<Self, DecodeError> {
        decode(bytes, max)
    }

    /// Who claims to have sent this. Unverified until a session has accepted it.
    #[must_use]
    pub fn claimed_sender(&self) -> PartyIndex {
        match self {
            Self::Envelope(envelope) => envelope.signed.header.from,
            Self::Reveal(reveal) => reveal.from,
        }
    }

    /// The session it names.
    #[must_use]
    pub fn session(&self) -> SessionId {
        match self {
            Self::Envelope(envelope) => envelope.signed.header.session,
            Self::Reveal(reveal) => reveal.session,
        }
    }
}
