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
use consign_api::{ClientKey, ClusterId, Problem, ProblemKind, Request, SignedRequest};

use super::Shared;
use super::answer::Failed;
use super::roster::operators_only;
use crate::shell::inbox::Answer;

/// How the HTTP layer treats clients that sign.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clients {
    /// What they sign for.
    pub(crate) cluster: ClusterId,
    /// Whether their signature may stand alone, without the token. The core has the last word.
    pub(crate) may_stand_alone: bool,
}

/// By what a call came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// The token.
    Token,
    /// A GET with this client's signature, which holds.
    Client(ClientKey),
    /// A signature that covers a body which is not here yet.
    Unproven,
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
    entry: Entry,
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
        let entry = parts.extensions.get::<Entry>().copied().unwrap_or(Entry::Unproven);
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
            (Entry::Token, _) | (_, Request::Health | Request::Count) => request,
            (Entry::Client(client), _) => Request::By(client, Box::new(request)),
            (Entry::Unproven, _) => return Err(no_token()),
        };
        self.waits(self.shared.ask(request)).await
    }

    /// Waits for something that is no work of this call.
    pub(super) async fn waits<T>(&self, what: impl Future<Output = T>) -> T {
        self.waited.until(what).await
    }

    /// The call as its client has signed it, and the way to the core for it; nothing without a signature. The core verifies
    /// it before it does anything, so whatever is asked after its answer is the client's.
    pub(super) fn signed(
        self,
        headers: &HeaderMap,
        path: &str,
        body: &[u8],
    ) -> Result<(Self, Option<Box<SignedRequest>>), Problem> {
        let Some(fields) = fields(headers).map_err(not_signed)? else { return Ok((self, None)) };
        let signed = SignedRequest::from_http(path, None, &fields, body.to_vec()).map_err(not_signed)?;
        let entry = match self.entry {
            Entry::Unproven => Entry::Client(signed.client()),
            entry @ (Entry::Token | Entry::Client(_)) => entry,
        };
        Ok((Self { entry, ..self }, Some(Box::new(signed))))
    }

    /// For calls that only the token opens.
    pub(super) fn needs_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.entry != Entry::Token {
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
