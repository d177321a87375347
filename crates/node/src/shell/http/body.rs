//! Reading what a client sends.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Uri};
use consign_api::limits::{MAX_BODY_BYTES, MAX_WAIT_S};
use consign_api::{DiscardQuery, MessageQuery, PageQuery, Problem, ProblemKind};
use libp2p::futures::StreamExt;
use serde::de::DeserializeOwned;

use super::arriving::Arriving;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Memory set aside for a body before it arrives, in bytes: more than any body with a private key is long, so that growing
/// leaves no copy of it behind.
const FIRST_BYTES: usize = 16 << 10;

/// The raw body of a POST. Its size is checked before it is read.
pub(super) async fn raw(mut request: Request) -> Result<Vec<u8>, Problem> {
    // Whoever has sent it whole, gives its place to another.
    let _arriving = request.extensions_mut().remove::<Arc<Arriving>>();
    let malformed = |detail: &str| Problem::new(ProblemKind::Malformed, detail);
    if request.uri().query().is_some() {
        return Err(malformed("This call takes no query: put everything into the body."));
    }
    let headers = request.headers();
    let is_json = text(headers, &CONTENT_TYPE).is_some_and(|value| {
        let media = value.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("application/json")
    });
    if !is_json || headers.contains_key(CONTENT_ENCODING) {
        let detail = "Send plain JSON with `Content-Type: application/json` and without `Content-Encoding`.";
        return Err(Problem::new(ProblemKind::UnsupportedMediaType, detail));
    }
    let announced = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIMEOUT, collect(request.into_body())).await {
        Ok(bytes) => bytes,
        Err(_) => {
            let detail = format!("The body must arrive within {} seconds.", BODY_TIMEOUT.as_secs());
            Err(Problem::new(ProblemKind::RequestTimeout, detail))
        }
    }
}

async fn collect(body: Body) -> Result<Vec<u8>, Problem> {
    let mut parts = body.into_data_stream();
    let mut bytes = Vec::with_capacity(FIRST_BYTES);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Problem::new(ProblemKind::Malformed, "The body ended too early."))?;
        if bytes.len() + part.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn too_large() -> Problem {
    Problem::new(ProblemKind::TooLarge, format!("A body has at most {MAX_BODY_BYTES} bytes."))
}

/// Reads a body strictly.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|e| {
        Problem::new(ProblemKind::Malformed, format!("The body is not what this call takes: {e}."))
    })
}

/// Reads the query of a list.
pub(super) fn page(uri: &Uri) -> Result<PageQuery, Problem> {
    query(uri, "`after` and `limit`")
}

/// Reads the query of the list of messages.
pub(super) fn messages(uri: &Uri) -> Result<MessageQuery, Problem> {
    query(uri, "`topic`, `after` and `limit`")
}

/// Reads the query with which a key is given up.
pub(super) fn discard(uri: &Uri) -> Result<DiscardQuery, Problem> {
    query(uri, "`force`")
}

fn query<T: DeserializeOwned>(uri: &Uri, fields: &str) -> Result<T, Problem> {
    Query::try_from_uri(uri).map(|Query(query)| query).map_err(|e| {
        Problem::new(ProblemKind::Malformed, format!("The query may hold {fields} only: {}.", e.body_text()))
    })
}

/// A header as text, if it is there and is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &axum::http::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// How long the client wants the node to wait (RFC 7240, `Prefer: wait=N`). What is not understood is ignored, as
/// that document says.
pub(super) fn wait(headers: &HeaderMap) -> Duration {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let seconds = preferences
        .flat_map(|value| value.split([',', ';']))
        .filter_map(|preference| preference.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, value)| value.trim().trim_matches('"').parse::<u32>().ok());
    Duration::from_secs(seconds.unwrap_or(0).min(MAX_WAIT_S).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_to_wait() {
        let with = |value: &'static str| {
            wait(&HeaderMap::from_iter([("prefer".parse().unwrap(), value.parse().unwrap())]))
        };
        assert_eq!(wait(&HeaderMap::new()), Duration::ZERO);
        assert_eq!(with("wait=7"), Duration::from_secs(7));
        assert_eq!(with("respond-async, Wait = \"7\""), Duration::from_secs(7));
        assert_eq!(with("wait=99999"), Duration::from_secs(MAX_WAIT_S.into()));
        for odd in ["wait", "wait=", "wait=-1", "wait=1.5", "waits=3", "wait=99999999999999"] {
            assert_eq!(with(odd), Duration::ZERO, "{odd}");
        }
    }
}
