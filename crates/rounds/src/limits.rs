//! Every limit of the engine. Limits of single messages belong to the protocols
//! ([`crate::Protocol::max_broadcast_bytes`]).

use crate::protocol::Protocol;

/// Most parties in one session.
pub const MAX_PARTIES: usize = 100;

/// Fewest parties in one session.
pub const MIN_PARTIES: usize = 2;

/// Most rounds of a protocol.
pub const MAX_ROUNDS: u8 = 16;

/// Most bytes of an encoded [`Envelope`](crate::Envelope) besides its two parts: a header, a signature, lengths, a tag.
pub const ENVELOPE_BYTES: usize = 256;

/// Longest encoding of an honest party's envelope of `round`, in bytes.
pub fn max_envelope_bytes<P: Protocol>(public: &P::Public, round: u8) -> usize {
    ENVELOPE_BYTES + P::max_broadcast_bytes(public, round) + P::max_direct_bytes(public, round)
}

/// Longest encoding of an honest party's [`Reveal`](crate::Reveal), in bytes: one header of each party and round.
#[must_use]
pub fn max_reveal_bytes(rounds: u8, parties: usize) -> usize {
    (1 + usize::from(rounds) * parties) * ENVELOPE_BYTES
}

/// Default limit, in bytes, of one encoded [`Message`](crate::Message). Checked before parsing. Protocols keep to much
/// less, but for alerts, which account for every number of a session.
pub const MAX_MESSAGE_BYTES: usize = 7 << 20;

/// Default limit, in bytes, of one encoded [`Evidence`](crate::Evidence). Checked before parsing. Evidence may
/// carry every broadcast of a session, so it is larger than a message.
pub const MAX_EVIDENCE_BYTES: usize = 64 << 20;
