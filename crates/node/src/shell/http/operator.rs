//! The operator's socket: a Unix socket in the data folder, for acts that nobody does over TCP. Who may open it is whoever
//! the node runs as: the folder has mode 0700, the socket 0600. There is no token.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use consign_api as api;
use consign_api::{Problem, ProblemKind, Reply, Request};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use super::answer::{Failed, json, unexpected};
use super::calls::{self, Answered, Id, id};
use super::once::Outcome as Kept;
use super::{Shared, body, stopped};

/// Begins to serve on a socket that is made here; a file of an earlier process that was killed is replaced.
pub(super) fn serve(path: &FilePath, shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let stopping = shared.stopping.clone();
    let served = axum::serve(listener, router(shared)).with_graceful_shutdown(stopped(stopping));
    Ok(tokio::spawn(async move {
        // It ends when the node stops, and not by an error.
        let _ = served.await;
    }))
}

/// All paths.
fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/approvals", get(approvals))
        .route("/v1/approvals/{id}", post(decide))
        .route("/v1/invitations", post(invite))
        .route("/v1/validators/{id}/{act}", post(decide_validator))
        .route("/v1/charter/proposals", post(propose_charter))
        .route("/v1/charter/{id}/sign", post(sign_charter))
        .route("/v1/charter/{id}/switch", post(switch_charter))
        .fallback(calls::no_such_path)
        .method_not_allowed_fallback(calls::no_such_method)
        .with_state(shared)
}

async fn approvals(State(shared): State<Arc<Shared>>) -> Answered {
    let Reply::Approvals(page) = shared.ask(Request::ListApprovals).await?.reply else {
        return Err(unexpected());
    };
    Ok(json(StatusCode::OK, &page))
}

async fn decide(State(shared): State<Arc<Shared>>, path: Id, request: HttpRequest) -> Answered {
    let id = id(path)?;
    let body = body::parse(&body::raw(request).await?)?;
    let Reply::Approval(view) = shared.ask(Request::DecideApproval(api::Decide { id, body })).await?.reply
    else {
        return Err(unexpected());
    };
    Ok(json(StatusCode::OK, &view))
}

async fn invite(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Answered {
    let wanted = Request::Invite(body::parse(&body::raw(request).await?)?);
    let Reply::Invitation(view) = shared.ask(wanted).await?.reply else { return Err(unexpected()) };
    Ok(json(StatusCode::CREATED, &view))
}

/// The same again changes nothing, so it needs no `Idempotency-Key`.
async fn decide_validator(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: HttpRequest,
) -> Answered {
    let malformed = |e: PathRejection| Problem::new(ProblemKind::Malformed, format!("{}.", e.body_text()));
    let Path((validator, act)) = path.map_err(malformed)?;
    let act = act.parse().map_err(|e| Problem::new(ProblemKind::NotFound, format!("{e}.")))?;
    let validator = id(Ok(Path(validator)))?;
    let api::Nothing {} = body::parse(&body::raw(request).await?)?;
    let reply = shared.ask(Request::Decide(api::Decision { validator, act })).await?.reply;
    let Reply::Validator(view) = reply else { return Err(unexpected()) };
    Ok(json(StatusCode::OK, &view))
}

async fn propose_charter(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Answered {
    let (headers, path) = (request.headers().clone(), request.uri().path().to_owned());
    let bytes = body::raw(request).await?;
    let wanted = Request::ProposeCharter(body::parse(&bytes)?);
    // Each proposal is another one, so the same call again must not make a second.
    let place = shared.once.place(&headers, &path, &bytes)?;
    let kept = place.get_or_try_init(|| async {
        let view = ask(&shared, wanted).await?;
        Ok::<_, Failed>(Kept::Charter(Box::new(view)))
    });
    match kept.await? {
        Kept::Charter(view) => Ok(json(StatusCode::OK, view)),
        Kept::Ceremony(_) | Kept::Message(_) => Err(unexpected()),
    }
}

async fn sign_charter(State(shared): State<Arc<Shared>>, path: Id, request: HttpRequest) -> Answered {
    let charter_id = id(path)?;
    let api::SignTerms { force } = body::parse(&body::raw(request).await?)?;
    charter(&shared, Request::SignCharter(api::SignCharter { charter: charter_id, force })).await
}

async fn switch_charter(State(shared): State<Arc<Shared>>, path: Id, request: HttpRequest) -> Answered {
    let charter_id = id(path)?;
    let api::Nothing {} = body::parse(&body::raw(request).await?)?;
    charter(&shared, Request::SwitchCharter(charter_id)).await
}

async fn charter(shared: &Shared, request: Request) -> Answered {
    Ok(json(StatusCode::OK, &ask(shared, request).await?))
}

async fn ask(shared: &Shared, request: Request) -> Result<api::CharterView, Failed> {
    let Reply::Charter(view) = shared.ask(request).await?.reply else { return Err(unexpected()) };
    Ok(view)
}
