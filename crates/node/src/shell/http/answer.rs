//! Answers: JSON, or a problem document.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use consign_api::problem::PROBLEM_MEDIA_TYPE;
use consign_api::{Problem, ProblemKind};
use serde::Serialize;

/// A view as JSON.
pub(super) fn json(status: StatusCode, view: &impl Serialize) -> Response {
    document(status, "application/json", view)
}

/// The same, naming where it can be found.
pub(super) fn located(status: StatusCode, location: &str, view: &impl Serialize) -> Response {
    let mut response = json(status, view);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Something the core never answers to this request.
pub(super) fn unexpected() -> Failed {
    Failed(Problem::new(
        ProblemKind::Internal,
        "The node's core gave an answer to another question; this is a bug, please report it.",
    ))
}

/// A file, to be saved as it is.
pub(super) fn file(bytes: Vec<u8>) -> Response {
    body(StatusCode::OK, "application/octet-stream", bytes)
}

fn document(status: StatusCode, media: &'static str, view: &impl Serialize) -> Response {
    body(status, media, serde_json::to_vec(view).expect("invariant: plain data always encodes"))
}

pub(super) fn body(status: StatusCode, media: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = (status, bytes).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A call that did not work.
pub(super) struct Failed(pub Problem);

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Failed {
        Failed(problem)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Failed(problem) = self;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = document(status, PROBLEM_MEDIA_TYPE, &problem);
        if let Some(seconds) = problem.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if problem.kind == ProblemKind::Unauthorized {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
