//! A small blocking client of the API, for the command line and for tests: one call, one function.
//!
//! It talks to one node, over plain HTTP on loopback or over TLS. [`Client`] hands on what the node shows; what it asks can
//! be signed by a client's key: then no node can make it ask for anything else. [`Trusting`] believes no node: it checks
//! keys by their certificates, pins them, and verifies signatures. Read next: [`endpoint`] (where a node is), `calls.rs`
//! (what it is asked), `exchange.rs` (how), [`signing`], [`events`], [`operator`], [`trusting`].

mod calls;
pub mod endpoint;
pub mod events;
mod exchange;
#[cfg(unix)]
pub mod operator;
pub mod signing;
pub mod trusting;

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;

pub use endpoint::{BadEndpoint, Endpoint};
pub use events::Events;
use signing::Signing;
pub use trusting::{TrustError, Trusting};

use crate::limits::MAX_WAIT_S;
use crate::{ClientKey, ClientSecret, ClusterId, Problem};

/// How long a connection may take to be made: the node is near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a call has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The node answered with a problem.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// The node could not be reached, or the connection broke.
    #[error("cannot talk to the node at {address}: {reason}; is it running? start it with `consign node`")]
    Transport {
        /// The node's API address.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// What answered does not speak this API.
    #[error(
        "{address} answered what a consign node would not ({reason}): check the address and the versions"
    )]
    BadAnswer {
        /// The node's API address.
        address: String,
        /// What is odd about it.
        reason: String,
    },
    /// What answers does not prove that it is the node.
    #[error(
        "{address} does not prove that it is the node ({reason}): call it by a name or address that its certificate \
         holds, and name the authority behind the certificate with --ca, if this machine does not know it"
    )]
    Untrusted {
        /// The node's API address.
        address: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// The address or the authorities named for it cannot be used.
    #[error(transparent)]
    Endpoint(#[from] BadEndpoint),
    /// The call cannot be signed.
    #[error("cannot sign the call: {0}")]
    Unsigned(String),
}

impl ClientError {
    /// The problem document, if the node sent one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Transport { .. }
            | Self::BadAnswer { .. }
            | Self::Untrusted { .. }
            | Self::Endpoint(_)
            | Self::Unsigned(_) => None,
        }
    }
}

/// How a call that starts a ceremony is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// For how many seconds the node shall wait for the end of the ceremony; cut to [`MAX_WAIT_S`].
    pub wait_s: u32,
    /// The `Idempotency-Key`: the same key with the same body is answered with the same ceremony. A signed call has one in
    /// any case, random if none is given here.
    pub idempotency_key: Option<String>,
    /// For how many seconds the signature counts, if not for the usual few minutes: more only where operators approve.
    pub valid_for_s: Option<u64>,
}

impl Start {
    /// Waits as long as the API allows.
    #[must_use]
    pub fn and_wait() -> Self {
        Self { wait_s: MAX_WAIT_S, ..Self::default() }
    }
}

/// A node's API. No `Debug`: it holds the token, and a secret key.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    url: String,
    bearer: Option<String>,
    signing: Option<Arc<Signing>>,
}

impl Client {
    /// The node whose API listens at `address` (`127.0.0.1:7601`) without TLS, opened by `token`.
    #[must_use]
    pub fn new(address: &str, token: &str) -> Self {
        let bearer = Some(format!("Bearer {}", token.trim()));
        Self { bearer, ..Self::at(&Endpoint::near(address)) }
    }

    /// The node at `endpoint`, without a token: [`signed_by`](Self::signed_by) opens it.
    #[must_use]
    pub fn at(endpoint: &Endpoint) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT));
        let config = match endpoint.tls() {
            Some(tls) => config.tls_config(tls.clone()).https_only(true),
            None => config,
        };
        let agent = config.build().into();
        Self { agent, url: endpoint.url().to_owned(), bearer: None, signing: None }
    }

    /// The same, but what it asks from now on carries a client's signature, for one cluster only. What is for the operator
    /// of the node (to import and discard keys) is asked with the token as before.
    #[must_use]
    pub fn signed_by(self, secret: ClientSecret, cluster: ClusterId) -> Self {
        Self { signing: Some(Arc::new(Signing::new(secret, cluster))), ..self }
    }

    /// The client in whose name it asks, and for which cluster.
    #[must_use]
    pub fn signs_as(&self) -> Option<(ClientKey, ClusterId)> {
        self.signing.as_ref().map(|signing| signing.who())
    }

    /// The same without the token: its signature alone must open the node.
    #[must_use]
    pub fn without_token(self) -> Self {
        Self { bearer: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_not_there_is_a_clear_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = Client::new(&address, "token").health().unwrap_err();
        assert!(matches!(error, ClientError::Transport { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&address) && text.contains("consign node"), "{text}");
    }

    #[test]
    fn what_is_no_node_is_told_so() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            use std::io::{Read, Write};
            for answer in ["200 OK", "404 Not Found"] {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]).unwrap();
                write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
                    .unwrap();
            }
        });
        let client = Client::new(&address, "token");
        for _ in 0..2 {
            let error = client.node().unwrap_err();
            assert!(matches!(error, ClientError::BadAnswer { .. }), "{error}");
        }
        server.join().unwrap();
    }
}
