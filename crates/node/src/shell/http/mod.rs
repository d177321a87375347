//! The HTTP API: each call becomes one [`api::Request`] for the core, each answer JSON or a problem document.
//!
//! Every call needs the bearer token, or where the operator wants that a client's signature; but not `/healthz`, `/readyz`,
//! `/metrics` and the description of the API. Whose a call is, is known before its body is read. The `Host` header must be an
//! IP address, `localhost` or a name that the operator gave: a web page that rebinds its own name to this machine cannot reach
//! the API. Everything is limited: size and time of a body, calls and streams at a time, connections, and how long they may
//! take to say what they want.
//!
//! With a certificate it speaks TLS. Then, and where it listens elsewhere than on loopback, commands on the node's own machine
//! come in by a door of their own, plain HTTP on loopback: they need no certificate's name for it, and a private key that is
//! imported leaves the machine in no case.
//!
//! Read next: `doors.rs`, `tls.rs` and `serve.rs` (connections), `guard.rs` and `asker.rs` (who gets in), `body.rs` (what they
//! say), `calls.rs` (the calls), `start.rs` (ceremonies and waiting for them), `watch.rs` (events), `once.rs` (idempotency),
//! `described.rs`, `roster.rs` and `messages.rs` (what is asked of it), `operator.rs` (the operator's socket), `standby.rs`
//! (what a process says that stands by).

mod answer;
mod arriving;
mod asker;
mod body;
mod calls;
mod described;
mod doors;
mod guard;
mod listener;
mod messages;
mod once;
#[cfg(unix)]
mod operator;
mod ready;
mod roster;
mod serve;
mod standby;
mod start;
pub(crate) mod tls;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use consign_api as api;
use consign_api::{Problem, ProblemKind};
use tokio::sync::{Semaphore, oneshot, watch as channel};
use tokio::task::JoinHandle;

use self::arriving::Bodies;
pub(crate) use self::doors::Doors;
use self::doors::Open;
use self::once::Once;
pub(crate) use self::serve::Limits;
pub use self::standby::OTHER_POLICY;
pub(crate) use self::standby::StandbyHttp;
pub(crate) use self::tls::Tls;
use super::clock::Clock;
use super::events::Events;
use super::inbox::{Answer, Call, Inbox, InboxSender};
use super::meters::Meters;
use super::storage::Probe;
use super::token::Token;

/// How long the core may take to answer a call: it does no arithmetic, so it is fast or broken.
const CORE_TIMEOUT: Duration = Duration::from_secs(30);
/// Calls that are served at a time, waiting ones included; past it 503.
const MAX_CALLS: usize = 256;
/// Streams of events at a time; past it 503.
const MAX_STREAMS: usize = 64;
/// How long calls that run may take to end when the node stops. Then they are told that it does. (Not so long in tests.)
const STOP_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 5_000 });
/// How long connections may take after that.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What all calls share.
pub(crate) struct Shared {
    inbox: InboxSender,
    events: Arc<Events>,
    meters: Arc<Meters>,
    token: Token,
    /// What clients sign for.
    cluster: api::ClusterId,
    clock: Clock,
    calls: Arc<Semaphore>,
    bodies: Bodies,
    streams: Arc<Semaphore>,
    once: Once,
    /// No more calls.
    stopping: channel::Receiver<bool>,
    /// Those that run end now.
    cut: channel::Receiver<bool>,
    /// By what the node may be called besides its addresses and `localhost`.
    names: Vec<String>,
    store: ready::Store,
}

impl Shared {
    /// Asks the core.
    async fn ask(&self, request: api::Request) -> Result<Answer, Problem> {
        if self.store.is_silent() {
            let text = "The store does not answer, so this process is silent, and another one may take over; ask again.";
            return Err(Problem::new(ProblemKind::Busy, text).retry_after(5));
        }
        let (answer, waiting) = oneshot::channel();
        let gone = || {
            Problem::new(ProblemKind::ShuttingDown, "The node is shutting down; ask again when it is back.")
        };
        if *self.stopping.borrow() || self.inbox.send(Inbox::Call(Call { request, answer })).is_err() {
            return Err(gone());
        }
        match tokio::time::timeout(CORE_TIMEOUT, waiting).await {
            Ok(Ok(Answer { reply: api::Reply::Problem(problem), .. })) => Err(problem),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(Problem::new(
                ProblemKind::Busy,
                "The node did not answer in time; try again, and look at its log if this goes on.",
            )
            .retry_after(5)),
        }
    }
}

/// A running API.
pub(crate) struct Http {
    /// Where it really listens.
    pub address: SocketAddr,
    /// Where commands on this machine come in, without TLS: on loopback.
    pub near: SocketAddr,
    shared: Arc<Shared>,
    stop: channel::Sender<bool>,
    cut: channel::Sender<bool>,
    open: Open,
    /// What serves the operator's socket.
    operator: Option<JoinHandle<()>>,
}

impl Http {
    /// Listens and serves until told to stop.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub(crate) async fn start(
        mut doors: Doors,
        token: Token,
        cluster: api::ClusterId,
        inbox: InboxSender,
        events: Arc<Events>,
        meters: Arc<Meters>,
        store: Probe,
    ) -> std::io::Result<Http> {
        let (stop, stopping) = channel::channel(false);
        let (cut, cutting) = channel::channel(false);
        let shared = Arc::new(Shared {
            inbox,
            events,
            meters,
            token,
            cluster,
            clock: Clock::start(),
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
            bodies: Bodies::default(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            once: Once::default(),
            stopping: stopping.clone(),
            cut: cutting,
            names: std::mem::take(&mut doors.names),
            store: ready::Store::new(store),
        });
        let open = doors.open(&router(shared.clone()), &stopping).await?;
        Ok(Http { address: open.address, near: open.near, shared, stop, cut, open, operator: None })
    }

    /// Serves the operator, too, on this socket.
    ///
    /// # Errors
    /// If the socket cannot be made.
    #[cfg(unix)]
    pub(crate) fn serve_operator(&mut self, path: &std::path::Path) -> std::io::Result<()> {
        self.operator = Some(operator::serve(path, self.shared.clone())?);
        Ok(())
    }

    /// Takes no more calls. Those that run have [`STOP_TIMEOUT`] to come to their end, and are told then that the node stops.
    pub(crate) async fn finish(mut self) {
        let _ = self.stop.send(true);
        let mut operator = self.operator.take();
        let open = &mut self.open;
        let mut ended = async || {
            open.ended().await;
            // What ended by a panic has ended.
            if let Some(task) = operator.as_mut().filter(|task| !task.is_finished()) {
                let _ = task.await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, ended()).await.is_err() {
            let _ = self.cut.send(true);
            let _ = tokio::time::timeout(LAST_WORDS, ended()).await;
        }
        if let Some(operator) = operator {
            operator.abort();
        }
    }
}

/// Ends when the node stops.
async fn stopped(mut stopping: channel::Receiver<bool>) {
    // An error means that the sender is gone: the node stops.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// All paths.
fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(calls::health))
        .route("/readyz", get(ready::ready))
        .route("/metrics", get(described::metrics))
        .route("/openapi.json", get(described::document))
        .route("/docs", get(described::docs))
        .route("/v1/keys", get(calls::keys).post(start::create_key))
        .route("/v1/keys/import", post(start::import))
        .route("/v1/keys/{id}", get(calls::key).delete(calls::discard))
        .route("/v1/keys/{id}/certificate", get(calls::certificate))
        .route("/v1/keys/{id}/signatures", post(start::sign))
        .route("/v1/keys/{id}/presignatures", post(start::presign))
        .route("/v1/keys/{id}/refresh", post(start::refresh))
        .route("/v1/keys/{id}/reshare", post(start::reshare))
        .route("/v1/ceremonies", get(calls::ceremonies))
        .route("/v1/ceremonies/{id}", get(calls::ceremony))
        .route("/v1/ceremonies/{id}/events", get(watch::events))
        .route("/v1/evidence", get(calls::evidence))
        .route("/v1/evidence/{id}", get(calls::evidence_file))
        .route("/v1/validators", get(calls::validators))
        .route("/v1/validators/{id}/{act}", post(roster::elsewhere))
        .route("/v1/charter", get(roster::charter))
        .route("/v1/charter/proposals", post(roster::elsewhere))
        .route("/v1/charter/{id}/sign", post(roster::elsewhere))
        .route("/v1/charter/{id}/switch", post(roster::elsewhere))
        .route("/v1/messages", get(messages::list).post(messages::send))
        .route("/v1/node", get(calls::node))
        .route("/v1/invitations", post(roster::elsewhere))
        .route("/v1/approvals", get(roster::elsewhere))
        .route("/v1/approvals/{id}", post(roster::elsewhere))
        .fallback(calls::no_such_path)
        .method_not_allowed_fallback(calls::no_such_method)
        .layer(from_fn_with_state(shared.clone(), guard::guard))
        .with_state(shared)
}

#[cfg(test)]
mod tests;
