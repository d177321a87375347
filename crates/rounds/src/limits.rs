//! Every limit of the engine. Limits of single messages belong to the protocols
//! ([`Protocol::max_broadcast_bytes`](crate::Protocol::max_broadcast_bytes)).

/// Most parties in one session.
pub const MAX_PARTIES: usize = 100;

/// Fewest parties in one session.
pub const MIN_PARTIES: usize = 2;

/// Most rounds of a protocol.
pub const MAX_ROUNDS: u8 = 16;

/// Default limit, in bytes, of one encoded [`Message`](crate::Message). Checked before parsing. Protocols keep to much
/// less, but for alerts, which account for every number of a session.
pub const MAX_MESSAGE_BYTES: usize = 7 << 20;

/// Default limit, in bytes, of one encoded [`Evidence`](crate::Evidence). Checked before parsing. Evidence may
/// carry every broadcast of a session, so it is larger than a message.
pub const MAX_EVIDENCE_BYTES: usize = 64 << 20;
