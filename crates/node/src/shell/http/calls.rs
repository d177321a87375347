//! The calls that only look.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use consign_api as api;
use consign_api::{Problem, ProblemKind, Reply, Request};

use super::answer::{Failed, file, json, unexpected};
use super::asker::Asker;
use super::body;

pub(super) type Id = Result<Path<String>, PathRejection>;
pub(super) type Answered = Result<Response, Failed>;

/// Reads the identifier in a path.
pub(super) fn id<T: std::str::FromStr>(path: Id) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    let Path(text) = path.map_err(|e| Problem::new(ProblemKind::Malformed, format!("{}.", e.body_text())))?;
    text.parse().map_err(|e| Problem::new(ProblemKind::Malformed, format!("{e}.")))
}

/// Asks the core and shows the one kind of reply that answers the question.
macro_rules! show {
    ($shared:expr, $request:expr, $reply:ident) => {
        match $shared.ask($request).await?.reply {
            Reply::$reply(view) => Ok(json(StatusCode::OK, &view)),
            _ => Err(unexpected()),
        }
    };
}

pub(super) async fn health(shared: Asker) -> Answered {
    // Silent until its store answers, it lives all the same: nobody shall end it for that.
    if shared.store.is_silent() {
        return Ok(json(StatusCode::OK, &api::HealthView::ok()));
    }
    show!(shared, Request::Health, Health)
}

pub(super) async fn keys(shared: Asker, uri: Uri) -> Answered {
    show!(shared, Request::ListKeys(body::page(&uri)?), Keys)
}

pub(super) async fn key(shared: Asker, path: Id) -> Answered {
    show!(shared, Request::ShowKey(id(path)?), Key)
}

pub(super) async fn certificate(shared: Asker, path: Id) -> Answered {
    let reply = shared.ask(Request::ShowCertificate(id(path)?)).await?.reply;
    let Reply::Certificate(bytes) = reply else { return Err(unexpected()) };
    Ok(file(bytes))
}

pub(super) async fn discard(shared: Asker, path: Id, uri: Uri, headers: HeaderMap) -> Answered {
    shared.needs_token(&headers)?;
    let discard = api::Discard { key: id(path)?, force: body::discard(&uri)?.force };
    show!(shared, Request::DiscardKey(discard), Key)
}

pub(super) async fn ceremonies(shared: Asker, uri: Uri) -> Answered {
    show!(shared, Request::ListCeremonies(body::page(&uri)?), Ceremonies)
}

pub(super) async fn ceremony(shared: Asker, path: Id) -> Answered {
    show!(shared, Request::ShowCeremony(id(path)?), Ceremony)
}

pub(super) async fn evidence(shared: Asker, uri: Uri) -> Answered {
    show!(shared, Request::ListEvidence(body::page(&uri)?), Evidence)
}

pub(super) async fn evidence_file(shared: Asker, path: Id) -> Answered {
    let reply = shared.ask(Request::ShowEvidence(id(path)?)).await?.reply;
    let Reply::EvidenceFile(bytes) = reply else { return Err(unexpected()) };
    Ok(file(bytes))
}

pub(super) async fn validators(shared: Asker) -> Answered {
    show!(shared, Request::ListValidators, Validators)
}

pub(super) async fn node(shared: Asker) -> Answered {
    show!(shared, Request::ShowNode, Node)
}

pub(super) async fn no_such_path(uri: Uri) -> Failed {
    let path: String = uri.path().chars().take(MAX_SHOWN).collect();
    let detail = format!(
        "There is no `{path}`; the calls begin with /v1/keys, /v1/ceremonies, /v1/evidence, /v1/validators."
    );
    Problem::new(ProblemKind::NotFound, detail).into()
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> Failed {
    let path: String = uri.path().chars().take(MAX_SHOWN).collect();
    let method: String = method.as_str().chars().take(MAX_SHOWN).collect();
    let detail = format!("`{path}` does not know {method}; the header `Allow` names what it knows.");
    Problem::new(ProblemKind::MethodNotAllowed, detail).into()
}

/// Longest piece of a request that is repeated in an answer, in characters.
const MAX_SHOWN: usize = 80;

/// The view in a reply that must be a ceremony.
pub(super) fn view_of(reply: Reply) -> Result<api::CeremonyView, Failed> {
    match reply {
        Reply::Started(view) | Reply::Ceremony(view) => Ok(view),
        Reply::Problem(problem) => Err(problem.into()),
        Reply::Keys(_)
        | Reply::Key(_)
        | Reply::Certificate(_)
        | Reply::Ceremonies(_)
        | Reply::Evidence(_)
        | Reply::EvidenceFile(_)
        | Reply::Validators(_)
        | Reply::Validator(_)
        | Reply::Charter(_)
        | Reply::Message(_)
        | Reply::Messages(_)
        | Reply::Node(_)
        | Reply::Invitation(_)
        | Reply::Approvals(_)
        | Reply::Approval(_)
        | Reply::Health(_)
        | Reply::Counts(_) => Err(unexpected()),
    }
}
