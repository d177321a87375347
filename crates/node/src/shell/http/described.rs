//! What describes the node to anybody: the API, for programs and for people, and what is counted.

use std::sync::Arc;
use std::sync::LazyLock;

use axum::extract::State;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use consign_api::{Problem, ProblemKind, Reply, Request, openapi};

use super::Shared;
use super::answer::{body, json, unexpected};
use super::calls::Answered;

/// Calls that anybody may make.
pub(super) const OPEN: &[&str] = &["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"];

/// The media type of what Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The page holds its own script and style and asks this node only.
const ONLY_ITSELF: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static DOCUMENT: LazyLock<serde_json::Value> = LazyLock::new(openapi::document);

pub(super) async fn document() -> Response {
    json(StatusCode::OK, &*DOCUMENT)
}

pub(super) async fn docs() -> Response {
    let page = include_str!("docs.html").as_bytes().to_vec();
    let mut response = body(StatusCode::OK, "text/html; charset=utf-8", page);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(ONLY_ITSELF));
    response
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Answered {
    let Reply::Counts(counts) = shared.ask(Request::Count).await?.reply else { return Err(unexpected()) };
    let text = shared.meters.text(&counts);
    let text =
        text.map_err(|_| Problem::new(ProblemKind::Internal, "The metrics cannot be written down."))?;
    Ok(body(StatusCode::OK, OPEN_METRICS, text.into_bytes()))
}
