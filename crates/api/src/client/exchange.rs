//! One call and its answer: what opens the node, how long it may take, what is read.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use zeroize::Zeroizing;

use super::{Client, ClientError, Start};
use crate::limits::{MAX_ANSWER_BYTES, MAX_WAIT_S};
use crate::problem::PROBLEM_MEDIA_TYPE;
use crate::{Page, PageQuery};

/// How long an answer may take, on top of the time the node was asked to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// More than the longest body with a private key, in bytes: that names a committee besides.
const SECRET_BODY_BYTES: usize = 16 << 10;

/// Most pages of a list that are fetched for one complete list: more than a node can keep.
const MAX_PAGES: usize = 10_000;

impl Client {
    /// All pages of a list.
    pub(super) fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
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

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(self.ask(path)?)
    }

    pub(super) fn ask(&self, path: &str) -> Result<Result<Response<ureq::Body>, ureq::Error>, ClientError> {
        let request = with(self.agent.get(self.url_of(path)), self.entry(path)?);
        Ok(request.config().timeout_global(Some(ANSWER_TIMEOUT)).build().call())
    }

    /// What opens the node for a GET.
    pub(super) fn entry(&self, path: &str) -> Result<Headers, ClientError> {
        let signature = self.signing.as_ref().map(|signing| signing.read(path)).transpose()?;
        Ok(self.token().into_iter().chain(signature.into_iter().flatten()).collect())
    }

    fn token(&self) -> Headers {
        self.bearer.iter().map(|bearer| ("authorization", bearer.clone())).collect()
    }

    pub(super) fn post<T: DeserializeOwned>(
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
    pub(super) fn post_as_operator<T: DeserializeOwned>(
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

    /// A DELETE, which is the operator's.
    pub(super) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let request = with(self.agent.delete(self.url_of(path)), self.token());
        self.answer(request.config().timeout_global(Some(ANSWER_TIMEOUT)).build().call())
    }

    /// A POST of this very body.
    pub(super) fn send<T: DeserializeOwned>(
        &self,
        path: &str,
        headers: impl IntoIterator<Item = (&'static str, String)>,
        body: &[u8],
        start: &Start,
    ) -> Result<T, ClientError> {
        let wait_s = start.wait_s.min(MAX_WAIT_S);
        let request = self.agent.post(self.url_of(path)).header("content-type", "application/json");
        let mut request = with(request, self.token().into_iter().chain(headers));
        if wait_s > 0 {
            request = request.header("prefer", format!("wait={wait_s}"));
        }
        let timeout = ANSWER_TIMEOUT + Duration::from_secs(u64::from(wait_s));
        self.answer(request.config().timeout_global(Some(timeout)).build().send(body))
    }

    pub(super) fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Reads an answer: a view, or a problem document.
    fn answer<T: DeserializeOwned>(
        &self,
        answer: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        serde_json::from_slice(&self.bytes(answer, MAX_ANSWER_BYTES)?).map_err(|e| self.bad_answer(e))
    }

    /// Reads an answer of at most `limit` bytes, or a problem document.
    pub(super) fn bytes(
        &self,
        answer: Result<Response<ureq::Body>, ureq::Error>,
        limit: u64,
    ) -> Result<Vec<u8>, ClientError> {
        let mut answer = answer.map_err(|e| self.broken(&e))?;
        if !answer.status().is_success() {
            return Err(self.problem(&mut answer));
        }
        answer.body_mut().with_config().limit(limit).read_to_vec().map_err(|e| self.transport(&e))
    }

    /// Reads the problem out of an answer that is not a success.
    pub(super) fn problem(&self, answer: &mut Response<ureq::Body>) -> ClientError {
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

    /// Why there is no answer.
    pub(super) fn broken(&self, error: &ureq::Error) -> ClientError {
        match refused_certificate(error) {
            Some(reason) => ClientError::Untrusted { address: self.url.clone(), reason },
            None => self.transport(error),
        }
    }

    pub(super) fn transport(&self, reason: &dyn std::fmt::Display) -> ClientError {
        ClientError::Transport { address: self.url.clone(), reason: reason.to_string() }
    }

    pub(super) fn bad_answer(&self, reason: impl std::fmt::Display) -> ClientError {
        ClientError::BadAnswer { address: self.url.clone(), reason: reason.to_string() }
    }
}

/// What is wrong with the certificate of what answers, if that is why it was not talked to.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "errors of other crates may grow; the rest is told as it is"
)]
fn refused_certificate(error: &ureq::Error) -> Option<String> {
    let cause = match error {
        ureq::Error::Rustls(cause) => Some(cause),
        ureq::Error::Io(wrapper) => wrapper.get_ref().and_then(|inside| inside.downcast_ref()),
        _ => None,
    };
    match cause {
        Some(rustls::Error::InvalidCertificate(why)) => Some(why.to_string()),
        _ => None,
    }
}

/// Header fields of a call.
pub(super) type Headers = Vec<(&'static str, String)>;

/// A call with these header fields besides.
pub(super) fn with<B>(
    request: ureq::RequestBuilder<B>,
    headers: impl IntoIterator<Item = (&'static str, String)>,
) -> ureq::RequestBuilder<B> {
    headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// Path and query of a page.
pub(super) fn page_path(path: &str, query: &PageQuery) -> String {
    match &query.after {
        Some(after) => format!("{path}?limit={}&after={}", query.limit, percent(after)),
        None => format!("{path}?limit={}", query.limit),
    }
}

/// Percent-encodes everything that could mean something else inside a query.
pub(super) fn percent(text: &str) -> String {
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
}
