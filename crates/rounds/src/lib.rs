//! The engine that all protocols share: sessions, envelopes, echoes, evidence.
//!
//! A [`Protocol`] says what to send, what to check and what to compute in each round. A [`Session`] runs it for one
//! party: it takes [`Message`]s, returns [`Effect`]s, and does no I/O, keeps no clock, draws no randomness of its
//! own. When a party breaks the protocol, the session returns a [`Verdict`] whose [`Evidence`] anybody can judge.
//!
//! * Every party sends every other exactly one [`Envelope`] per round: a broadcast part, which is the same for all,
//!   and a direct part. A signed [`Header`] covers both, and the **echo** of all earlier broadcasts.
//! * If echoes differ, all parties reveal the headers they received; see [`Reveal`].
//! * If a direct part is bad in a way that only its recipient can see, the protocol lets the recipient publish a
//!   [`Complaint`], which everybody decides alike.
//! * Absence proves nothing. The caller sets deadlines and calls [`Session::give_up`].
//!
//! Read next: `protocol.rs`, then `session.rs`, then `evidence.rs`.

pub mod limits;
#[cfg(any(test, feature = "sim"))]
pub mod sim;

mod codec;
mod envelope;
mod evidence;
mod hash;
mod judge;
mod party;
mod past;
mod protocol;
mod reveal;
mod session;
#[cfg(test)]
mod tests;

pub use codec::{Bytes, DecodeError, at_most, decode, encode};
pub use envelope::{DirectPart, Envelope, Header, PublicPart, SignedHeader};
pub use evidence::{Evidence, Verdict};
pub use hash::{Hash, SessionId, broadcast_hash, direct_hash};
pub use judge::Charge;
pub use party::{Identities, PartyIndex, PerParty, Signature, Signer};
pub use past::Past;
pub use protocol::{Complaint, Heard, Protocol, Ruling, Said, Speech, Step};
pub use reveal::{Message, Reveal};
pub use session::{DropReason, Dropped, Effect, Failure, Finished, Seat, SeatError, Session};
