//! The API of a process that stands by: it lives, and does nothing. Whoever balances the load sends nothing here as long as
//! `/readyz` says 503, and whoever watches over processes leaves one alone whose `/healthz` says 200.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use consign_api::{HealthView, Problem, ProblemKind};
use tokio::sync::watch as channel;

use super::STOP_TIMEOUT;
use super::answer::{Failed, json};
use super::doors::{Doors, Open};

/// Seconds after which another try may succeed: a takeover lasts some.
const RETRY_S: u32 = 5;

/// What a process that stands by says if it could not take over as it is.
pub const OTHER_POLICY: &str = "policy.toml here is not the one by which the other process goes: copy it from there, or this one \
                                will not take over without --accept-policy";

/// A running one.
pub(crate) struct StandbyHttp {
    /// Where commands on this machine find it.
    pub near: SocketAddr,
    stop: channel::Sender<bool>,
    open: Open,
}

impl StandbyHttp {
    /// Listens and answers until told to stop. `differs`: whether its policy is another one than that in force.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub(crate) async fn start(doors: Doors, differs: Arc<AtomicBool>) -> std::io::Result<StandbyHttp> {
        let (stop, stopping) = channel::channel(false);
        let router = Router::new().route("/healthz", get(health)).fallback(move || {
            let differs = differs.load(Ordering::SeqCst);
            async move { refuse(differs) }
        });
        let open = doors.open(&router, &stopping).await?;
        Ok(StandbyHttp { near: open.near, stop, open })
    }

    /// Stops, and frees the address.
    pub(crate) async fn finish(mut self) {
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.open.ended()).await;
    }
}

async fn health() -> Response {
    json(StatusCode::OK, &HealthView::standby())
}

fn refuse(differs: bool) -> Response {
    let mut detail = "This process stands by: another one holds the store and speaks for this validator. Ask that one; this one \
                  takes over when it is gone."
        .to_owned();
    if differs {
        detail = format!("{detail} But {OTHER_POLICY}.");
    }
    Failed(Problem::new(ProblemKind::StandingBy, detail).retry_after(RETRY_S)).into_response()
}
