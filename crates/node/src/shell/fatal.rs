//! The one way by which threads end the node: after it no output is carried out any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::RunError;

/// Ends the node from any thread.
#[derive(Clone)]
pub(crate) struct Fatal {
    raised: Arc<AtomicBool>,
    reports: mpsc::UnboundedSender<RunError>,
}

impl Fatal {
    /// The sending and the receiving end.
    pub(crate) fn new() -> (Fatal, mpsc::UnboundedReceiver<RunError>) {
        let (reports, receiver) = mpsc::unbounded_channel();
        (Fatal { raised: Arc::default(), reports }, receiver)
    }

    /// Ends the node because of this.
    pub(crate) fn report(&self, error: RunError) {
        tracing::error!(%error, "the node ends");
        self.raised.store(true, Ordering::SeqCst);
        let _ = self.reports.send(error);
    }

    /// Whether the node is ending.
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }
}
