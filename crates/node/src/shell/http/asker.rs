//! Who makes a call: whoever has the token, or a client by its signature. The guard finds out, and what is asked of the
//! core says so.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use consign_api::signed::{Fields, NotSigned};
use consign_api::{ClientKey, Problem, ProblemKind, Request, SignedRequest};

use super::Shared;
use super::answer::Failed;
use super::roster::operators_only;
use crate::shell::inbox::Answer;

/// By what a call came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// The token.
    Token,
    /// This client's signature, which holds; of a POST it covers the digest of a body that is not here yet.
    Client(ClientKey),
}

/// How long a call has waited for others, in microseconds: that is no work of the HTTP layer.
#[derive(Clone, Default)]
pub(super) struct Waited(Arc<AtomicU64>);

impl Waited {
    pub(super) fn time(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    async fn until<T>(&self, what: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = what.await;
        let time = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(time, Ordering::Relaxed);
        done
    }
}

/// A call's way to the core.
pub(super) struct Asker {
    shared: Arc<Shared>,
    /// None for a call that anybody may make.
    entry: Option<Entry>,
    waited: Waited,
}

impl Deref for Asker {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl FromRequestParts<Arc<Shared>> for Asker {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Failed> {
        // The guard lets nothing in without one, but what needs none.
        let entry = parts.extensions.get::<Entry>().copied();
        let waited = parts.extensions.get::<Waited>().cloned().unwrap_or_default();
        Ok(Self { shared: shared.clone(), entry, waited })
    }
}

impl Asker {
    /// Asks the core.
    pub(super) async fn ask(&self, request: Request) -> Result<Answer, Problem> {
        if request.is_operators() {
            return Err(operators_only());
        }
        let request = match (self.entry, &request) {
            (Some(Entry::Token), _) | (_, Request::Health | Request::Ready | Request::Count) => request,
            (Some(Entry::Client(client)), _) => Request::By(client, Box::new(request)),
            (None, _) => return Err(no_token()),
        };
        self.waits(self.shared.ask(request)).await
    }

    /// Waits for something that is no work of this call.
    pub(super) async fn waits<T>(&self, what: impl Future<Output = T>) -> T {
        self.waited.until(what).await
    }

    /// The call as its client has signed it, now that its body is here; nothing without a signature.
    pub(super) fn signed(
        headers: &HeaderMap,
        path: &str,
        body: &[u8],
    ) -> Result<Option<Box<SignedRequest>>, Problem> {
        let Some(fields) = fields(headers).map_err(not_signed)? else { return Ok(None) };
        let signed = SignedRequest::from_http(path, None, &fields, body.to_vec()).map_err(not_signed)?;
        Ok(Some(Box::new(signed)))
    }

    /// For calls that only the token opens.
    pub(super) fn needs_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.entry != Some(Entry::Token) {
            return Err(no_token());
        }
        if fields(headers).map_err(not_signed)?.is_some() {
            let text = "This call is the operator's, and is not signed: leave the signature out.";
            return Err(Problem::new(ProblemKind::Malformed, text));
        }
        Ok(())
    }
}

/// The header fields of a signature, if there is one.
pub(super) fn fields(headers: &HeaderMap) -> Result<Option<Fields<'_>>, NotSigned> {
    Fields::pick(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// What a node says to a signature that is none.
pub(super) fn not_signed(why: NotSigned) -> Problem {
    Problem::new(ProblemKind::Unauthorized, format!("The signature is not accepted: {why}."))
}

/// What a node says to a call without a token.
pub(super) fn no_token() -> Problem {
    let text = "Send the content of the file `api-token` in the node's data folder as `Authorization: Bearer TOKEN`.";
    Problem::new(ProblemKind::Unauthorized, text)
}
