//! `GET /readyz`: whether the node can work. Anybody may ask, so it is found out at most once a second.

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
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// When a write was last seen to be durable.
    good: Option<Instant>,
    /// A write that is not durable yet. No other one is ordered before it is.
    under_way: Option<oneshot::Receiver<()>>,
}

impl Store {
    pub(super) fn new(probe: Probe) -> Self {
        Self { probe, known: Mutex::default() }
    }

    /// Whether a write became durable a moment ago, or does now.
    async fn is_writable(&self) -> bool {
        // While one waits, all do, and look at what it has found.
        let mut known = self.known.lock().await;
        if known.good.is_some_and(|good| good.elapsed() < KEPT) {
            return true;
        }
        let waiting = known.under_way.get_or_insert_with(|| self.probe.begin());
        match timeout(PATIENCE, waiting).await {
            Ok(end) => {
                known.under_way = None;
                known.good = end.is_ok().then(Instant::now);
                end.is_ok()
            }
            Err(_) => false,
        }
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
