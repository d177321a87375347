//! Messages of applications.

use std::sync::Arc;

use axum::extract::{Request as HttpRequest, State};
use axum::http::{StatusCode, Uri};
use consign_api::{Reply, Request};

use super::answer::{json, unexpected};
use super::calls::Answered;
use super::once::Outcome as Kept;
use super::{Shared, body};

/// `POST /v1/messages`.
pub(super) async fn send(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Answered {
    let (headers, path) = (request.headers().clone(), request.uri().path().to_owned());
    let bytes = body::raw(request).await?;
    let wanted = Request::SendMessage(body::parse(&bytes)?);
    let place = shared.once.place(&headers, &path, &bytes)?;
    let kept = place.get_or_try_init(|| async {
        let reply = shared.ask(wanted).await?.reply;
        let Reply::Message(view) = reply else { return Err(unexpected()) };
        Ok(Kept::Message(Box::new(view)))
    });
    match kept.await? {
        Kept::Message(view) => Ok(json(StatusCode::CREATED, view)),
        Kept::Ceremony(_) | Kept::Invitation(_) => Err(unexpected()),
    }
}

/// `GET /v1/messages`.
pub(super) async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Answered {
    let reply = shared.ask(Request::ListMessages(body::messages(&uri)?)).await?.reply;
    let Reply::Messages(page) = reply else { return Err(unexpected()) };
    Ok(json(StatusCode::OK, &page))
}
