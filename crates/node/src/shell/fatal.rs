//! The one way by which threads end the node: after it no output is carried out any more.

use std::panic::{AssertUnwindSafe, catch_unwind};
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

    /// Does the work of a thread; a panic in it shows a bug and ends the node.
    pub(crate) fn guard<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(value) => Some(value),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                self.report(RunError::Panicked(text.unwrap_or_else(|| "no message".to_owned())));
                None
            }
        }
    }

    /// Whether the node is ending.
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_the_node() {
        let (fatal, mut reports) = Fatal::new();
        assert_eq!(fatal.guard(|| 7), Some(7));
        assert!(!fatal.is_raised());
        assert_eq!(fatal.guard(|| panic!("two is {}", 3)), None::<()>);
        assert!(fatal.is_raised());
        let text = reports.blocking_recv().unwrap().to_string();
        assert!(text.contains("two is 3") && text.contains("report"), "{text}");
    }
}
