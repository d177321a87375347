//! Messages of applications.

use axum::extract::Request as HttpRequest;
use axum::http::{StatusCode, Uri};
use consign_api::{Reply, Request};

use super::answer::{json, unexpected};
use super::asker::Asker;
use super::body;
use super::calls::Answered;
use super::once::Outcome as Kept;

/// `POST /v1/messages`.
pub(super) async fn send(asker: Asker, request: HttpRequest) -> Answered {
    asker.needs_token(request.headers())?;
    let (headers, path) = (request.headers().clone(), request.uri().path().to_owned());
    let bytes = body::raw(request).await?;
    let wanted = Request::SendMessage(body::parse(&bytes)?);
    let place = asker.once.place(&headers, &path, &bytes)?;
    let kept = place.get_or_try_init(|| async {
        let reply = asker.ask(wanted).await?.reply;
        let Reply::Message(view) = reply else { return Err(unexpected()) };
        Ok(Kept::Message(Box::new(view)))
    });
    match kept.await? {
        Kept::Message(view) => Ok(json(StatusCode::CREATED, view)),
        Kept::Ceremony(_) | Kept::Charter(_) => Err(unexpected()),
    }
}

/// `GET /v1/messages`.
pub(super) async fn list(asker: Asker, uri: Uri) -> Answered {
    let reply = asker.ask(Request::ListMessages(body::messages(&uri)?)).await?.reply;
    let Reply::Messages(page) = reply else { return Err(unexpected()) };
    Ok(json(StatusCode::OK, &page))
}
