//! The API of a process that stands by: it lives, and does nothing. Whoever balances the load sends nothing here as long as
//! `/readyz` says 503, and whoever watches over processes leaves one alone whose `/healthz` says 200.

use std::net::SocketAddr;

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

/// A running one.
pub(crate) struct StandbyHttp {
    /// Where commands on this machine find it.
    pub near: SocketAddr,
    stop: channel::Sender<bool>,
    open: Open,
}

impl StandbyHttp {
    /// Listens and answers until told to stop.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub(crate) async fn start(doors: Doors) -> std::io::Result<StandbyHttp> {
        let (stop, stopping) = channel::channel(false);
        let router = Router::new().route("/healthz", get(health)).fallback(refuse);
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

async fn refuse() -> Response {
    let detail = "This process stands by: another one holds the store and speaks for this validator. Ask that one; this one \
                  takes over when it is gone.";
    Failed(Problem::new(ProblemKind::StandingBy, detail).retry_after(RETRY_S)).into_response()
}
