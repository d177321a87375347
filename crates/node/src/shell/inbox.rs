//! What reaches the core thread: everything that happens, in one queue.

use std::sync::mpsc;

use consign_api as api;
use tokio::sync::oneshot;

use crate::core::Input;
use crate::identity::NodeId;

/// One thing for the core thread.
pub(crate) enum Inbox {
    /// An input as it is.
    Input(Input),
    /// Messages of one peer, in order.
    Said {
        /// Who.
        from: NodeId,
        /// What.
        messages: Vec<Vec<u8>>,
        /// Whether it is none of the peers named by the core.
        stranger: bool,
        /// Told when the core has taken them: only then the peer is told so, and sends more.
        taken: oneshot::Sender<()>,
    },
    /// A client's call.
    Call(Call),
    /// The node stops.
    Stop,
}

/// A call that waits for its answer.
pub(crate) struct Call {
    /// What is asked.
    pub request: api::Request,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Answer>,
}

/// The core's answer to a call.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The answer itself.
    pub reply: api::Reply,
    /// Number of the last event that was emitted before it: later events are news to who reads it.
    pub sequence: u64,
}

/// The sending end. Never blocks: each source bounds what it has on the way by itself.
pub(crate) type InboxSender = mpsc::Sender<Inbox>;
