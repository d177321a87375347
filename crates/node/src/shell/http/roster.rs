//! What an operator decides. One [`Request`] each, so whatever carries them, the core need not know.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest};
use axum::http::StatusCode;
use consign_api as api;
use consign_api::{Problem, ProblemKind, Reply, Request};

use super::answer::{Failed, json, unexpected};
use super::asker::Asker;
use super::body;
use super::calls::{Answered, Id, id};
use super::once::Outcome as Kept;

/// `POST /v1/validators/{id}/{act}`. The same again changes nothing, so it needs no `Idempotency-Key`.
pub(super) async fn decide(
    asker: Asker,
    path: Result<Path<(String, String)>, PathRejection>,
    request: HttpRequest,
) -> Answered {
    asker.needs_token(request.headers())?;
    let malformed = |e: PathRejection| Problem::new(ProblemKind::Malformed, format!("{}.", e.body_text()));
    let Path((validator, act)) = path.map_err(malformed)?;
    let act = act.parse().map_err(|e| Problem::new(ProblemKind::NotFound, format!("{e}.")))?;
    let validator = id(Ok(Path(validator)))?;
    let api::Nothing {} = body::parse(&body::raw(request).await?)?;
    let reply = asker.ask(Request::Decide(api::Decision { validator, act })).await?.reply;
    let Reply::Validator(view) = reply else { return Err(unexpected()) };
    Ok(json(StatusCode::OK, &view))
}

/// `GET /v1/charter`.
pub(super) async fn charter(asker: Asker) -> Answered {
    answer(&asker, Request::ShowCharter).await
}

/// `POST /v1/charter/proposals`.
pub(super) async fn propose_charter(asker: Asker, request: HttpRequest) -> Answered {
    asker.needs_token(request.headers())?;
    let (headers, path) = (request.headers().clone(), request.uri().path().to_owned());
    let bytes = body::raw(request).await?;
    let wanted = Request::ProposeCharter(body::parse(&bytes)?);
    // Each proposal is another one, so the same call again must not make a second.
    let place = asker.once.place(&headers, &path, &bytes)?;
    let kept = place.get_or_try_init(|| async {
        let view = ask(&asker, wanted).await?;
        Ok::<_, Failed>(Kept::Charter(Box::new(view)))
    });
    match kept.await? {
        Kept::Charter(view) => Ok(json(StatusCode::OK, view)),
        Kept::Ceremony(_) | Kept::Invitation(_) | Kept::Message(_) => Err(unexpected()),
    }
}

/// `POST /v1/charter/{id}/sign`.
pub(super) async fn sign_charter(asker: Asker, path: Id, request: HttpRequest) -> Answered {
    asker.needs_token(request.headers())?;
    let charter = id(path)?;
    let api::SignTerms { force } = body::parse(&body::raw(request).await?)?;
    answer(&asker, Request::SignCharter(api::SignCharter { charter, force })).await
}

/// `POST /v1/charter/{id}/switch`.
pub(super) async fn switch_charter(asker: Asker, path: Id, request: HttpRequest) -> Answered {
    asker.needs_token(request.headers())?;
    let charter = id(path)?;
    let api::Nothing {} = body::parse(&body::raw(request).await?)?;
    answer(&asker, Request::SwitchCharter(charter)).await
}

async fn answer(asker: &Asker, request: Request) -> Answered {
    Ok(json(StatusCode::OK, &ask(asker, request).await?))
}

async fn ask(asker: &Asker, request: Request) -> Result<api::CharterView, Failed> {
    let Reply::Charter(view) = asker.ask(request).await?.reply else { return Err(unexpected()) };
    Ok(view)
}
