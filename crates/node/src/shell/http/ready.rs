//! `GET /readyz`: whether the node can work. Anybody may ask, so it is found out at most once a second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use consign_api::{Problem, ProblemKind, Reply, Request};
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, timeout};

use super::answer::{json, unexpected};
use super::asker::Asker;
use super::calls::Answered;
use crate::shell::storage::Probe;

/// For how long what was found out holds.
const KEPT: Duration = Duration::from_secs(1);
/// How long a write may take. A disk that is slower than this stops every ceremony.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the store takes writes, as far as is known.
pub(super) struct Store {
    probe: Probe,
    /// What was found out last.
    was_good: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// When it was found out whether a write becomes durable in time, and whether it does.
    found: Option<(Instant, bool)>,
    /// A write that is not durable yet. No other one is ordered before it is.
    under_way: Option<oneshot::Receiver<()>>,
}

impl Store {
    pub(super) fn new(probe: Probe) -> Self {
        Self { probe, was_good: AtomicBool::new(true), known: Mutex::default() }
    }

    /// Whether another process may have it by now.
    pub(super) fn is_silent(&self) -> bool {
        self.probe.is_silent()
    }

    /// Whether a write became durable a moment ago, or does now.
    async fn is_writable(&self) -> bool {
        let mut known = match self.known.try_lock() {
            Ok(known) => known,
            // Of a store that stalls one call waits for the end; the others, whoever they are, hold no places meanwhile.
            Err(_) if !self.was_good.load(Ordering::SeqCst) => return false,
            // While one waits, all do, and look at what it has found.
            Err(_) => self.known.lock().await,
        };
        if let Some((at, good)) = known.found
            && at.elapsed() < KEPT
        {
            return good;
        }
        let waiting = known.under_way.get_or_insert_with(|| self.probe.begin());
        let good = match timeout(PATIENCE, waiting).await {
            Ok(end) => {
                known.under_way = None;
                end.is_ok()
            }
            Err(_) => false,
        };
        known.found = Some((Instant::now(), good));
        self.was_good.store(good, Ordering::SeqCst);
        good
    }
}

/// `GET /readyz`.
pub(super) async fn ready(shared: Asker) -> Answered {
    let Reply::Health(view) = shared.ask(Request::Ready).await?.reply else { return Err(unexpected()) };
    if !shared.store.is_writable().await {
        let text = "The store does not take writes in time: look at the disk, or the Redis server, and at the node's log.";
        return Err(Problem::new(ProblemKind::StoreFailed, text).retry_after(5).into());
    }
    Ok(json(axum::http::StatusCode::OK, &view))
}

#[cfg(test)]
mod tests {
    use super::super::tests::storage;
    use super::*;

    /// Later than any test takes.
    fn later() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[tokio::test]
    async fn what_was_found_out_holds_for_a_while_good_or_bad() {
        let (_storage, probe) = storage();
        let store = Store::new(probe);
        store.known.lock().await.found = Some((later(), false));
        assert!(!store.is_writable().await);
        store.known.lock().await.found = None;
        assert!(store.is_writable().await);
    }

    /// The place of the one who waits is taken in this test for good: nobody else may wait for it.
    #[tokio::test]
    async fn one_alone_waits_for_a_store_that_stalls() {
        let (_storage, probe) = storage();
        let store = Store::new(probe);
        store.was_good.store(false, Ordering::SeqCst);
        let waits = store.known.lock().await;
        assert!(!store.is_writable().await);
        drop(waits);
        assert!(store.is_writable().await && store.was_good.load(Ordering::SeqCst));
    }
}
