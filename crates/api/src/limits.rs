//! Every limit of the API in one place, each with its reason.

/// Longest message to sign, in bytes. The message travels to every signer inside the proposal, so
/// it must stay far below the peer message limit.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Longest text of a message of an application, in bytes: many are kept.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// Longest derivation path as text, in bytes: `m` and sixteen steps of up to ten digits.
pub const MAX_PATH_BYTES: usize = 1 + 16 * 11;

/// Longest request body, in bytes: a message in hexadecimal and its surroundings.
pub const MAX_BODY_BYTES: usize = 2 * MAX_MESSAGE_BYTES + 16 * 1024;

/// Longest label of a key or name of a validator, in bytes: fits a table column.
pub const MAX_LABEL_BYTES: usize = 64;

/// Most parties that may hold one key.
pub const MAX_COMMITTEE: usize = 100;

/// Longest request line and header fields of a call, in bytes.
pub const MAX_HEAD_BYTES: usize = 64 << 10;

/// Most header fields of a call: what the server that is used takes.
pub const MAX_HEADERS: usize = 100;

/// Smallest threshold: with one signer nothing is shared.
pub const MIN_THRESHOLD: u16 = 2;

/// Largest threshold. Traffic of a signing is quadratic in it.
pub const MAX_THRESHOLD: u16 = 20;

/// Most presignatures that one call asks for: a batch of the protocol.
pub const MAX_PRESIGNATURES: u32 = 32;

/// Longest `Prefer: wait`, in seconds; longer wishes are cut to it. A key at the highest level
/// takes minutes on a small machine.
pub const MAX_WAIT_S: u32 = 300;

/// Longest `Idempotency-Key`, in bytes; visible ASCII only.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;

/// Items of a list page when the caller names no number.
pub const DEFAULT_PAGE: u16 = 50;

/// Most items of a list page.
pub const MAX_PAGE: u16 = 200;

/// Longest validity of an invitation, in seconds (one day): it is a key to the cluster's door.
pub const MAX_INVITATION_S: u32 = 24 * 60 * 60;

/// Longest invitation string, in bytes.
pub const MAX_INVITATION_BYTES: usize = 2048;

/// Most events waiting for one slow subscriber. Each event is a full snapshot, so a subscriber
/// that falls behind loses nothing but intermediate states.
pub const EVENT_BACKLOG: usize = 1024;

/// Seconds between two heartbeats on a stream of events, so that a broken connection is noticed.
pub const EVENT_HEARTBEAT_S: u64 = 15;

/// Longest evidence file, in bytes: it must fit a message between nodes and a record of a store.
pub const MAX_EVIDENCE_BYTES: usize = (16 << 20) - 4096;

/// Longest certificate of a key, in bytes: it must fit a message between nodes. Each resharing adds to it, the largest ones
/// (20 dealers, 100 holders) at most 150 KiB, one of 3 of 5 about 3 KiB.
pub const MAX_CERTIFICATE_BYTES: usize = (8 << 20) - 4096;

/// Longest answer a client reads, in bytes: a page of [`MAX_PAGE`] ceremonies of
/// [`MAX_COMMITTEE`] members each, in JSON.
pub const MAX_ANSWER_BYTES: u64 = 16 << 20;
