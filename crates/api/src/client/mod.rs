//! A small blocking client of the API, for the command line and for tests: one call, one function.
//!
//! It talks to one node, over plain HTTP on loopback as a rule. [`Client`] hands on what the node shows; what it asks can be
//! signed by a client's key: then no node can make it ask for anything else. [`Trusting`] believes no node: it checks keys
//! by their certificates, pins them, and verifies signatures. Read next: [`signing`], [`events`], [`trusting`], [`operator`].

pub mod events;
#[cfg(unix)]
pub mod operator;
pub mod signing;
pub mod trusting;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::Response;
use zeroize::Zeroizing;

pub use events::Events;
use signing::Signing;
pub use trusting::{TrustError, Trusting};

use crate::limits::{MAX_ANSWER_BYTES, MAX_CERTIFICATE_BYTES, MAX_EVIDENCE_BYTES, MAX_WAIT_S};
use crate::problem::PROBLEM_MEDIA_TYPE;
use crate::{
    CeremonyId, CeremonyView, CharterView, ClientKey, ClientSecret, ClusterId, CreateKey, Discard,
    EvidenceId, EvidenceView, HealthView, ImportKey, KeyId, KeyView, MessageQuery, MessageView, NodeView,
    Page, PageQuery, PresignTerms, Problem, RefreshTerms, ReshareTerms, SendMessage, Sign, SignedRequest,
    ValidatorView,
};

/// How long a connection may take to be made: the node is near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take, on top of the time the node was asked to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// More than the longest body with a private key, in bytes: that names a committee besides.
const SECRET_BODY_BYTES: usize = 16 << 10;

/// Most pages of a list that are fetched for one complete list: more than a node can keep.
const MAX_PAGES: usize = 10_000;

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
            Self::Transport { .. } | Self::BadAnswer { .. } | Self::Unsigned(_) => None,
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
    address: String,
    bearer: Option<String>,
    signing: Option<Arc<Signing>>,
}

impl Client {
    /// The node whose API listens at `address` (`127.0.0.1:7601`), opened by `token`.
    #[must_use]
    pub fn new(address: &str, token: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .build();
        Self {
            agent: config.into(),
            address: address.trim().to_owned(),
            bearer: Some(format!("Bearer {}", token.trim())),
            signing: None,
        }
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

    /// `GET /healthz`; needs no token.
    ///
    /// # Errors
    /// [`ClientError`], as of all calls.
    pub fn health(&self) -> Result<HealthView, ClientError> {
        self.get("/healthz")
    }

    /// `GET /v1/node`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn node(&self) -> Result<NodeView, ClientError> {
        self.get("/v1/node")
    }

    /// `GET /v1/validators`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn validators(&self) -> Result<Vec<ValidatorView>, ClientError> {
        Ok(self.get::<Page<ValidatorView>>("/v1/validators")?.items)
    }

    /// `GET /v1/charter`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn charter(&self) -> Result<CharterView, ClientError> {
        self.get("/v1/charter")
    }

    /// `POST /v1/messages`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn send_message(&self, message: &SendMessage, start: &Start) -> Result<MessageView, ClientError> {
        self.post("/v1/messages", message, start)
    }

    /// One page of `GET /v1/messages`, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn messages_page(&self, query: &MessageQuery) -> Result<Page<MessageView>, ClientError> {
        let topic = query.topic.iter().map(|topic| format!("&topic={}", percent(topic.as_str())));
        let after = query.after.iter().map(|after| format!("&after={after}"));
        let more: String = topic.chain(after).collect();
        self.get(&format!("/v1/messages?limit={}{more}", query.limit))
    }

    /// `POST /v1/keys`. The answer is over only if the ceremony ended within the wait; one that
    /// failed within it is an error.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn create_key(&self, body: &CreateKey, start: &Start) -> Result<CeremonyView, ClientError> {
        self.post("/v1/keys", body, start)
    }

    /// The same call, signed and not sent: [`bring`](Self::bring) sends it, and who keeps it can compare with it what the
    /// key's certificate says that it was made for.
    ///
    /// # Errors
    /// [`ClientError::Unsigned`] without a client's key.
    pub fn signed_create_key(&self, body: &CreateKey, start: &Start) -> Result<SignedRequest, ClientError> {
        let none = || ClientError::Unsigned("there is no client's key to ask with".to_owned());
        let signing = self.signing.as_ref().ok_or_else(none)?;
        let bytes = serde_json::to_vec(body).expect("invariant: plain data always encodes");
        signing.request("/v1/keys", start, bytes)
    }

    /// `POST /v1/keys/import`. As [`Client::create_key`]. The body holds the private key: it is wiped here, but not in
    /// the buffers of the HTTP client.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn import_key(&self, body: &ImportKey, start: &Start) -> Result<CeremonyView, ClientError> {
        self.post_as_operator("/v1/keys/import", body, start)
    }

    /// `DELETE /v1/keys/{id}`, with `?force=true` if that is meant: the key as it was.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn discard_key(&self, discard: &Discard) -> Result<KeyView, ClientError> {
        let query = if discard.force { "?force=true" } else { "" };
        let request = self.agent.delete(self.url(&format!("/v1/keys/{}{query}", discard.key)));
        let request = with(request, self.token());
        self.answer(request.config().timeout_global(Some(ANSWER_TIMEOUT)).build().call())
    }

    /// `POST /v1/keys/{id}/signatures`. As [`Client::create_key`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn sign(&self, sign: &Sign, start: &Start) -> Result<CeremonyView, ClientError> {
        self.post(&format!("/v1/keys/{}/signatures", sign.key), &sign.body(), start)
    }

    /// `POST /v1/keys/{id}/presignatures`. As [`Client::create_key`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn presign(
        &self,
        key: &KeyId,
        terms: &PresignTerms,
        start: &Start,
    ) -> Result<CeremonyView, ClientError> {
        self.post(&format!("/v1/keys/{key}/presignatures"), terms, start)
    }

    /// `POST /v1/keys/{id}/refresh`. As [`Client::create_key`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn refresh(
        &self,
        key: &KeyId,
        terms: &RefreshTerms,
        start: &Start,
    ) -> Result<CeremonyView, ClientError> {
        self.post(&format!("/v1/keys/{key}/refresh"), terms, start)
    }

    /// `POST /v1/keys/{id}/reshare`. As [`Client::create_key`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn reshare(
        &self,
        key: &KeyId,
        terms: &ReshareTerms,
        start: &Start,
    ) -> Result<CeremonyView, ClientError> {
        self.post(&format!("/v1/keys/{key}/reshare"), terms, start)
    }

    /// Brings a call that was signed before: by this client or another, for this node or another. It is the same request
    /// wherever it is brought, so a client whose node has died brings it to the next one. As [`Client::create_key`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn bring(&self, signed: &SignedRequest, wait_s: u32) -> Result<CeremonyView, ClientError> {
        let start = Start { wait_s, ..Start::default() };
        self.send(signed.path(), signed.headers(), signed.body(), &start)
    }

    /// One page of `GET /v1/keys`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn keys_page(&self, query: &PageQuery) -> Result<Page<KeyView>, ClientError> {
        self.get(&page_path("/v1/keys", query))
    }

    /// All keys.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn keys(&self) -> Result<Vec<KeyView>, ClientError> {
        self.all("/v1/keys")
    }

    /// `GET /v1/keys/{id}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn key(&self, id: &KeyId) -> Result<KeyView, ClientError> {
        self.get(&format!("/v1/keys/{id}"))
    }

    /// `GET /v1/keys/{id}/certificate`: the file, not judged yet.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn certificate(&self, id: &KeyId) -> Result<Vec<u8>, ClientError> {
        let limit = u64::try_from(MAX_CERTIFICATE_BYTES).unwrap_or(u64::MAX);
        self.bytes(self.ask(&format!("/v1/keys/{id}/certificate"))?, limit)
    }

    /// One page of `GET /v1/ceremonies`, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ceremonies_page(&self, query: &PageQuery) -> Result<Page<CeremonyView>, ClientError> {
        self.get(&page_path("/v1/ceremonies", query))
    }

    /// All ceremonies the node remembers, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ceremonies(&self) -> Result<Vec<CeremonyView>, ClientError> {
        self.all("/v1/ceremonies")
    }

    /// `GET /v1/ceremonies/{id}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ceremony(&self, id: &CeremonyId) -> Result<CeremonyView, ClientError> {
        self.get(&format!("/v1/ceremonies/{id}"))
    }

    /// All evidence the node keeps, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn evidence(&self) -> Result<Vec<EvidenceView>, ClientError> {
        self.all("/v1/evidence")
    }

    /// `GET /v1/evidence/{id}`: the file, not judged yet.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn evidence_file(&self, id: &EvidenceId) -> Result<Vec<u8>, ClientError> {
        let limit = u64::try_from(MAX_EVIDENCE_BYTES).unwrap_or(u64::MAX);
        self.bytes(self.ask(&format!("/v1/evidence/{id}"))?, limit)
    }

    /// `GET /v1/ceremonies/{id}/events`: the ceremony as it is, then each change, until it is over.
    /// A broken connection is taken up again where it broke.
    #[must_use]
    pub fn events(&self, id: &CeremonyId) -> Events {
        Events::new(self.clone(), *id)
    }

    /// All pages of a list.
    fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut query = PageQuery { after: None, limit: crate::limits::MAX_PAGE };
        for _ in 0..MAX_PAGES {
            let page: Page<T> = self.get(&page_path(path, &query))?;
            items.extend(page.items);
            query.after = page.next;
            if query.after.is_none() {
                return Ok(items);
            }
        }
        Err(self.bad_answer("a list without end"))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(self.ask(path)?)
    }

    fn ask(&self, path: &str) -> Result<Result<Response<ureq::Body>, ureq::Error>, ClientError> {
        let request = with(self.agent.get(self.url(path)), self.entry(path)?);
        Ok(request.config().timeout_global(Some(ANSWER_TIMEOUT)).build().call())
    }

    /// What opens the node for a GET.
    fn entry(&self, path: &str) -> Result<Headers, ClientError> {
        let signature = self.signing.as_ref().map(|signing| signing.read(path)).transpose()?;
        Ok(self.token().into_iter().chain(signature.into_iter().flatten()).collect())
    }

    fn token(&self) -> Headers {
        self.bearer.iter().map(|bearer| ("authorization", bearer.clone())).collect()
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        start: &Start,
    ) -> Result<T, ClientError> {
        let Some(signing) = &self.signing else { return self.post_as_operator(path, body, start) };
        let bytes = serde_json::to_vec(body).expect("invariant: plain data always encodes");
        let signed = signing.request(path, start, bytes)?;
        self.send(path, signed.headers(), signed.body(), start)
    }

    /// As [`post`](Self::post), without a signature.
    fn post_as_operator<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        start: &Start,
    ) -> Result<T, ClientError> {
        // It may hold a private key: room for such a body at once, so that no copy is left behind by growing.
        let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BODY_BYTES));
        serde_json::to_writer(&mut *bytes, body).expect("invariant: plain data always encodes");
        let key = start.idempotency_key.iter().map(|key| ("idempotency-key", key.clone()));
        self.send(path, key, &bytes, start)
    }

    /// A POST of this very body.
    fn send<T: DeserializeOwned>(
        &self,
        path: &str,
        headers: impl IntoIterator<Item = (&'static str, String)>,
        body: &[u8],
        start: &Start,
    ) -> Result<T, ClientError> {
        let wait_s = start.wait_s.min(MAX_WAIT_S);
        let request = self.agent.post(self.url(path)).header("content-type", "application/json");
        let mut request = with(request, self.token().into_iter().chain(headers));
        if wait_s > 0 {
            request = request.header("prefer", format!("wait={wait_s}"));
        }
        let timeout = ANSWER_TIMEOUT + Duration::from_secs(u64::from(wait_s));
        self.answer(request.config().timeout_global(Some(timeout)).build().send(body))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Reads an answer: a view, or a problem document.
    fn answer<T: DeserializeOwned>(
        &self,
        answer: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        serde_json::from_slice(&self.bytes(answer, MAX_ANSWER_BYTES)?).map_err(|e| self.bad_answer(e))
    }

    /// Reads an answer of at most `limit` bytes, or a problem document.
    fn bytes(
        &self,
        answer: Result<Response<ureq::Body>, ureq::Error>,
        limit: u64,
    ) -> Result<Vec<u8>, ClientError> {
        let mut answer = answer.map_err(|e| self.transport(&e))?;
        if !answer.status().is_success() {
            return Err(self.problem(&mut answer));
        }
        answer.body_mut().with_config().limit(limit).read_to_vec().map_err(|e| self.transport(&e))
    }

    /// Reads the problem out of an answer that is not a success.
    fn problem(&self, answer: &mut Response<ureq::Body>) -> ClientError {
        let status = answer.status();
        let media = answer.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("");
        if media != PROBLEM_MEDIA_TYPE {
            return self.bad_answer(format_args!("status {status} without a problem document"));
        }
        match answer.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec() {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(problem) => ClientError::Problem(Box::new(problem)),
                Err(e) => self.bad_answer(e),
            },
            Err(e) => self.transport(&e),
        }
    }

    fn transport(&self, reason: &dyn std::fmt::Display) -> ClientError {
        ClientError::Transport { address: self.address.clone(), reason: reason.to_string() }
    }

    fn bad_answer(&self, reason: impl std::fmt::Display) -> ClientError {
        ClientError::BadAnswer { address: self.address.clone(), reason: reason.to_string() }
    }
}

/// Header fields of a call.
type Headers = Vec<(&'static str, String)>;

/// A call with these header fields besides.
fn with<B>(
    request: ureq::RequestBuilder<B>,
    headers: impl IntoIterator<Item = (&'static str, String)>,
) -> ureq::RequestBuilder<B> {
    headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// Path and query of a page.
fn page_path(path: &str, query: &PageQuery) -> String {
    match &query.after {
        Some(after) => format!("{path}?limit={}&after={}", query.limit, percent(after)),
        None => format!("{path}?limit={}", query.limit),
    }
}

/// Percent-encodes everything that could mean something else inside a query.
fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        let query = PageQuery { after: Some("a/b&c=ü".to_owned()), limit: 7 };
        assert_eq!(page_path("/x", &query), "/x?limit=7&after=a%2Fb%26c%3D%C3%BC");
        assert_eq!(page_path("/x", &PageQuery { after: None, limit: 7 }), "/x?limit=7");
    }

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
