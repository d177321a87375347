//! Serving connections until the node stops. Whoever takes up a place must say something in time: a connection ends
//! when its TLS is not set up in time, or no complete head of a request comes, be it the first one or the next, so a few
//! hundred that are half open keep nobody out for long.

use std::time::Duration;

use axum::Router;
use consign_api::limits::MAX_HEAD_BYTES;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::listener::{Connection, Limited};
use super::stopped;

/// Connections at a time; more wait until one ends.
const MAX_CONNECTIONS: usize = 512;
/// How long the head of a request may take, from the beginning of the connection or the end of the answer before:
/// a head is one packet, and clients that keep a connection for later rarely do so for longer.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long it may take to set TLS up: two round trips, also by way of a satellite.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How much those may take up who have not said yet who they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// How long TLS may take.
    pub(crate) handshake: Duration,
    /// How long a head may take.
    pub(crate) head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: MAX_CONNECTIONS, handshake: HANDSHAKE_TIMEOUT, head: HEAD_TIMEOUT }
    }
}

/// Serves until told to stop, then lets calls that run come to their end.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    stopping: Receiver<bool>,
) {
    let listener = Limited::new(listener, limits.connections);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(stopping.clone()) => break,
            // Without this the set would grow with every connection there ever was.
            Some(_) = connections.join_next() => {}
            connection = listener.accept() => {
                connections.spawn(talk(connection, tls.clone(), router.clone(), limits, stopping.clone()));
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection to its end.
async fn talk(
    connection: Connection,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    stopping: Receiver<bool>,
) {
    let Some(tls) = tls else { return answer(connection, router, limits.head, stopping).await };
    let secured = tokio::select! {
        secured = tokio::time::timeout(limits.handshake, tls.accept(connection)) => secured,
        () = stopped(stopping.clone()) => return,
    };
    match secured {
        Ok(Ok(stream)) => answer(stream, router, limits.head, stopping).await,
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the API did not come to speak TLS"),
        Err(_) => tracing::debug!("a connection to the API took too long to set up TLS"),
    }
}

/// Answers calls to the end of the connection; when the node stops, to the end of the call that runs.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    head: Duration,
    stopping: Receiver<bool>,
) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(MAX_HEAD_BYTES);
    let talk = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(talk);
    let result = tokio::select! {
        result = talk.as_mut() => result,
        () = stopped(stopping) => {
            talk.as_mut().graceful_shutdown();
            talk.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection to the API ended early");
    }
}
