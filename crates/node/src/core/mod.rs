//! The node's core: all decisions, no I/O. `Node::handle(now, input)` takes one thing that happened and returns what is
//! to be done; time, chance and storage are arguments, so that one seed replays a whole cluster (`tests/cluster.rs`).
//!
//! Read next: `asked.rs` (who asks), `proposal.rs` (round 0), `roster.rs` (who may be asked), `ceremony.rs` (one running session),
//! `wire.rs` (what nodes say to each other).

mod approvals;
pub mod asked;
pub mod audit;
pub mod backup;
pub mod ceremony;
pub mod certificate;
mod chain;
mod changes;
pub mod charter;
pub mod checks;
mod clients;
pub mod clocks;
mod curves;
mod epochs;
pub mod evidence;
pub mod exports;
pub mod governing;
pub mod hash;
mod imports;
pub mod invitation;
pub mod jobs;
pub mod joiners;
pub mod joining;
mod keys;
pub mod letter;
pub mod letters;
pub mod lookups;
pub mod membership;
pub mod misbehave;
pub mod moduli;
pub mod node;
pub mod operator;
mod pages;
pub mod policy;
pub mod pool;
pub mod presigning;
pub mod proposal;
mod ready;
mod records;
pub mod refill;
pub mod remembered;
pub mod requests;
pub mod roll;
pub mod roster;
mod sessions;
pub mod setup;
mod sizes;
pub mod spending;
pub mod standing;
mod stories;
pub mod succession;
pub mod tasks;
pub mod verdict;
mod views;
pub mod votes;
pub mod wire;

use consign_api as api;

pub use hash::Hash;
pub use jobs::{Done, Job};
pub use node::{Node, OpenError, Settings};

use crate::identity::NodeId;
use crate::store::{Table, Value, Write};

/// The time as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a monotonic clock of this process. All durations are measured with it.
    pub monotonic: u64,
    /// Unix time in seconds. Decides only how fresh requests and invitations are, how large the numbers of epochs may be,
    /// and what people read in records.
    pub unix: u64,
}

/// Names one API call that waits for its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Names one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// Names one piece of work for the compute threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Something that happened.
pub enum Input {
    /// A client asks.
    Api(CallId, api::Request),
    /// A peer said something. `stranger`: it is connected, but not one of the peers named last by [`Output::Peers`].
    Peer {
        /// Who, as the transport has authenticated it.
        from: NodeId,
        /// What, not yet parsed.
        bytes: Vec<u8>,
        /// Whether it may do nothing but join.
        stranger: bool,
    },
    /// A connection to the peer is there.
    PeerUp(NodeId),
    /// The last connection to the peer is gone.
    PeerDown(NodeId),
    /// The round-trip time to a peer was measured, in milliseconds.
    Latency(NodeId, u64),
    /// Two processes speak for the peer.
    Twice(NodeId),
    /// The transaction is durable. (A failed one ends the process.)
    Stored(WriteId),
    /// The record was taken out of the store, durably; nothing if it was not there.
    Taken(WriteId, Option<Value>),
    /// Work is done.
    Computed(JobId, Box<Done>),
    /// Work goes on: steps done and steps in all, an estimate.
    Progress(JobId, api::Progress),
    /// The operator has written a policy, or broken the file, and how.
    Policy(std::result::Result<policy::Policy, String>),
    /// The disk of the store is nearly full, or not any more.
    DiskFull(bool),
    /// Some time went by. Must come at least every [`TICK_MS`].
    Tick,
}

/// Longest time between two ticks, in milliseconds.
pub const TICK_MS: u64 = 100;

/// Something to be done.
#[expect(
    clippy::large_enum_variant,
    reason = "outputs live for one call; few are replies, and most are small"
)]
pub enum Output {
    /// Answer a client.
    Reply(CallId, api::Reply),
    /// Say this to a peer, in order, at least once; keep it while the peer is away.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Keep connections to exactly these peers; everybody else is a stranger.
    Peers(Vec<Peer>),
    /// Make all writes durable in one transaction, then say [`Input::Stored`]. Transactions are applied in order.
    Store(WriteId, Vec<Write>),
    /// Take a record out of the store atomically and durably, then say [`Input::Taken`]. In order with the writes.
    Take(WriteId, Table, Vec<u8>),
    /// Run this on a compute thread, then say [`Input::Computed`].
    Compute(JobId, Box<Job>),
    /// Tell whoever watches ceremonies.
    Event(Box<api::Event>),
    /// Write a line to the log.
    Log(Level, String),
}

/// A peer to stay connected with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub id: NodeId,
    /// Its multiaddresses as far as known.
    pub addresses: Vec<String>,
}

/// How important a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// An operator should look at it.
    Warn,
    /// What happens.
    Info,
    /// Details.
    Debug,
}
