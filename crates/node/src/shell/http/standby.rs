//! The API of a process that stands by: it lives, and does nothing. Whoever balances the load sends nothing here as long as
//! `/readyz` says 503, and whoever watches over processes leaves one alone whose `/healthz` says 200.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use consign_api::{HealthView, Problem, ProblemKind};
use tokio::net::TcpListener;
use tokio::sync::watch as channel;
use tokio::task::JoinHandle;

use super::answer::{Failed, json};
use super::{Limits, STOP_TIMEOUT, serve};

/// Seconds after which another try may succeed: a takeover lasts some.
const RETRY_S: u32 = 5;

/// A running one.
pub(crate) struct StandbyHttp {
    /// Where it really listens.
    pub address: SocketAddr,
    stop: channel::Sender<bool>,
    task: JoinHandle<()>,
}

impl StandbyHttp {
    /// Listens on `address` and answers until told to stop.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub(crate) async fn start(address: SocketAddr) -> std::io::Result<StandbyHttp> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopping) = channel::channel(false);
        let router = Router::new().route("/healthz", get(health)).fallback(refuse);
        let task = tokio::spawn(serve::serve(listener, router, Limits::default(), stopping));
        Ok(StandbyHttp { address, stop, task })
    }

    /// Stops, and frees the address.
    pub(crate) async fn finish(mut self) {
        let _ = self.stop.send(true);
        if tokio::time::timeout(STOP_TIMEOUT, &mut self.task).await.is_err() {
            self.task.abort();
        }
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
