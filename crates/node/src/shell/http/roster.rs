//! The roster: who may look at it over TCP, and what only the operator decides, over a socket (`operator.rs`).

use axum::http::StatusCode;
use consign_api::{Problem, ProblemKind, Reply, Request};

use super::answer::{json, unexpected};
use super::asker::Asker;
use super::calls::Answered;

/// `GET /v1/charter`.
pub(super) async fn charter(asker: Asker) -> Answered {
    let Reply::Charter(view) = asker.ask(Request::ShowCharter).await?.reply else { return Err(unexpected()) };
    Ok(json(StatusCode::OK, &view))
}

/// What only the operator does, and nobody over TCP, with whatever token or signature.
pub(super) async fn elsewhere() -> Answered {
    Err(operators_only().into())
}

/// What a node says to the operator's acts over TCP.
pub(super) fn operators_only() -> Problem {
    let text = "This is for the operator of the node, over the socket `operator.sock` in its data folder and never over \
                TCP: use the command `consign` on that machine.";
    Problem::new(ProblemKind::Forbidden, text)
}
