//! The calls that do something: they start a ceremony, or reuse the one of the same `Idempotency-Key`, and wait for
//! its end if the client prefers to.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::Request as HttpRequest;
use axum::http::StatusCode;
use axum::response::Response;
use consign_api as api;
use consign_api::{
    CeremonyState, CeremonyView, Outcome, Presign, Problem, ProblemKind, Refresh, Request, Reshare, Sign,
};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use zeroize::Zeroizing;

use super::answer::{Failed, located, unexpected};
use super::asker::Asker;
use super::body;
use super::calls::{Answered, Id, id, view_of};
use super::doors::Near;
use super::once::{Outcome as Kept, Place};

pub(super) async fn create_key(shared: Asker, request: HttpRequest) -> Answered {
    ceremony(shared, request, |bytes| Ok(Request::CreateKey(body::parse(bytes)?))).await
}

/// The one call that carries a private key: only from this machine.
pub(super) async fn import(
    shared: Asker,
    Extension(Near(is_near)): Extension<Near>,
    request: HttpRequest,
) -> Answered {
    shared.needs_token(request.headers())?;
    if !is_near {
        let detail = "A private key must not leave its machine: call the node by loopback, as `consign key import` there does.";
        return Err(Problem::new(ProblemKind::Forbidden, detail).into());
    }
    ceremony(shared, request, |bytes| Ok(Request::ImportKey(body::parse(bytes)?))).await
}

pub(super) async fn sign(shared: Asker, path: Id, request: HttpRequest) -> Answered {
    let key = id(path)?;
    ceremony(shared, request, |bytes| Ok(Request::Sign(Sign::new(key, body::parse(bytes)?)))).await
}

pub(super) async fn presign(shared: Asker, path: Id, request: HttpRequest) -> Answered {
    let key = id(path)?;
    ceremony(shared, request, |bytes| Ok(Request::Presign(Presign { key, terms: body::parse(bytes)? }))).await
}

pub(super) async fn refresh(shared: Asker, path: Id, request: HttpRequest) -> Answered {
    let key = id(path)?;
    ceremony(shared, request, |bytes| Ok(Request::Refresh(Refresh { key, terms: body::parse(bytes)? }))).await
}

pub(super) async fn reshare(shared: Asker, path: Id, request: HttpRequest) -> Answered {
    let key = id(path)?;
    ceremony(shared, request, |bytes| Ok(Request::Reshare(Reshare { key, terms: body::parse(bytes)? }))).await
}

/// One call that starts a ceremony.
async fn ceremony(
    asker: Asker,
    request: HttpRequest,
    parse: impl FnOnce(&[u8]) -> Result<Request, Problem>,
) -> Answered {
    let (headers, path) = (request.headers().clone(), request.uri().path().to_owned());
    // One of these calls carries a private key.
    let bytes = Zeroizing::new(body::raw(request).await?);
    let wanted = parse(&bytes)?;
    // Before anything is asked, so that no change can be missed.
    let mut changes = asker.events.watch();
    let (view, sequence) = match Asker::signed(&headers, &path, &bytes)? {
        // Its `Idempotency-Key` is the core's affair: it holds at every node, and after a restart.
        Some(signed) => {
            let answer = asker.ask(Request::Signed(signed)).await?;
            (view_of(answer.reply)?, answer.sequence)
        }
        None => {
            let place = asker.once.place(&headers, &path, &bytes)?;
            begin(&asker, &place, wanted).await?
        }
    };
    let view = asker.waits(end(&asker, view, sequence, &mut changes, body::wait(&headers))).await?;
    Ok(answer(view))
}

/// Starts the ceremony, or looks at the one that was started by the same request before.
async fn begin(shared: &Asker, place: &Place, wanted: Request) -> Result<(CeremonyView, u64), Failed> {
    let mut fresh = None;
    let kept = place.get_or_try_init(|| async {
        let answer = shared.ask(wanted).await?;
        let view = view_of(answer.reply)?;
        let id = view.id;
        fresh = Some((view, answer.sequence));
        Ok::<_, Failed>(Kept::Ceremony(id))
    });
    let id = match kept.await? {
        Kept::Ceremony(id) => *id,
        Kept::Message(_) | Kept::Charter(_) => return Err(unexpected()),
    };
    match fresh {
        Some(fresh) => Ok(fresh),
        None => {
            let answer = shared.ask(Request::ShowCeremony(id)).await?;
            Ok((view_of(answer.reply)?, answer.sequence))
        }
    }
}

/// Waits for the end of a ceremony, but no longer than `patience`.
async fn end(
    shared: &Asker,
    mut view: CeremonyView,
    sequence: u64,
    changes: &mut Receiver<Arc<api::Event>>,
    patience: Duration,
) -> Result<CeremonyView, Failed> {
    let over = tokio::time::sleep(patience);
    tokio::pin!(over);
    let cut = super::stopped(shared.cut.clone());
    tokio::pin!(cut);
    while !view.state.is_over() {
        tokio::select! {
            () = &mut over => break,
            () = &mut cut => {
                let text = "The node is shutting down before this has come to its end; ask again when it is back, with the \
                            same Idempotency-Key.";
                return Err(Problem::new(ProblemKind::ShuttingDown, text).about(view.id).retry_after(5).into());
            }
            change = changes.recv() => match change {
                Ok(event) if event.sequence > sequence && event.ceremony.id == view.id => {
                    view = event.ceremony.clone();
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    view = view_of(shared.ask(Request::ShowCeremony(view.id)).await?.reply)?;
                }
                Err(RecvError::Closed) => break,
            },
        }
    }
    Ok(view)
}

/// The answer that goes with the state of a ceremony.
fn answer(view: CeremonyView) -> Response {
    use axum::response::IntoResponse;
    let ceremony = format!("/v1/ceremonies/{}", view.id);
    match view.state {
        CeremonyState::Done => match &view.outcome {
            Some(Outcome::Key(key)) => located(StatusCode::CREATED, &format!("/v1/keys/{}", key.id), &view),
            Some(Outcome::Signature(_) | Outcome::Internal) | None => {
                located(StatusCode::CREATED, &ceremony, &view)
            }
        },
        CeremonyState::Failed => {
            let id = view.id;
            let unknown =
                || Problem::new(ProblemKind::Internal, "The ceremony failed without a reason; see the log.");
            Failed(view.failure.unwrap_or_else(unknown).about(id)).into_response()
        }
        CeremonyState::Proposed | CeremonyState::Running | CeremonyState::AwaitingApproval => {
            located(StatusCode::ACCEPTED, &ceremony, &view)
        }
    }
}
