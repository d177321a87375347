//! Before any call: the right host, the right token or a signature, not too many.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, HOST};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use consign_api::signed::{NotSigned, read};
use consign_api::{Problem, ProblemKind};

use super::Shared;
use super::answer::Failed;
use super::asker::{self, Entry, Waited, no_token, not_signed};
use super::described::OPEN;
use crate::shell::steps::Step;

/// Lets a request through, or not.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let (begun, waited) = (Instant::now(), Waited::default());
    let is_post = *request.method() == Method::POST;
    request.extensions_mut().insert(waited.clone());
    let response = admit(&shared, request, next).await;
    shared.meters.answered(response.status().as_u16());
    if is_post {
        shared.meters.steps.took(Step::Http, begun.elapsed().saturating_sub(waited.time()));
    }
    response
}

async fn admit(shared: &Shared, mut request: Request, next: Next) -> Response {
    let Ok(_permit) = shared.calls.clone().try_acquire_owned() else {
        let detail = "The node serves all the calls it may serve at a time; try again.";
        return turn_away(Problem::new(ProblemKind::Busy, detail).retry_after(1));
    };
    if !is_host_expected(&request) {
        let detail = "Call the node by its IP address or as localhost, not by another name.";
        return turn_away(Problem::new(ProblemKind::WrongHost, detail));
    }
    let entry = match entry(shared, &request) {
        Ok(entry) => Some(entry),
        Err(_) if OPEN.contains(&request.uri().path()) => None,
        Err(problem) => return turn_away(problem),
    };
    if let Some(entry) = entry {
        request.extensions_mut().insert(entry);
    }
    let response = next.run(request).await;
    if entry == Some(Entry::Token) { response } else { ended(response) }
}

/// By what a call may come in. A signature that is there must hold, even where the token is there too.
fn entry(shared: &Shared, request: &Request) -> Result<Entry, Problem> {
    let has_token = is_authorized(shared, request);
    let fields = asker::fields(request.headers()).map_err(not_signed)?;
    let Some(fields) = fields.filter(|_| has_token || shared.clients.may_stand_alone) else {
        return if has_token { Ok(Entry::Token) } else { Err(no_token()) };
    };
    let client = match *request.method() {
        Method::GET => {
            let (uri, now) = (request.uri(), shared.clock.now().unix);
            let client = read::verify(uri.path(), uri.query(), &fields, &shared.clients.cluster, now);
            Entry::Client(client.map_err(not_signed)?)
        }
        Method::POST => Entry::Unproven,
        _ => return Err(not_signed(NotSigned::Method)),
    };
    Ok(if has_token { Entry::Token } else { client })
}

/// Refuses, and ends the connection.
fn turn_away(problem: Problem) -> Response {
    ended(Failed(problem).into_response())
}

/// The last answer on its connection: who shows no token takes up no place.
fn ended(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether every host named is an IP address or `localhost`: a name of somebody's domain may have been pointed here
/// by a web page that wants to reach this node.
fn is_host_expected(request: &Request) -> bool {
    let mut headers = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (headers.next(), headers.next()) else { return false };
    let in_uri = request.uri().authority().is_none_or(|a| is_local_name(a.as_str()));
    in_uri && host.to_str().is_ok_and(is_local_name)
}

/// Whether `host` or `host:port` is an IP address or `localhost`.
fn is_local_name(text: &str) -> bool {
    let has_port = |rest: &str| {
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
    };
    if let Some((inside, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        return has_port(rest) && matches!(inside.parse(), Ok(IpAddr::V6(_)));
    }
    let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
    has_port(rest) && (name.eq_ignore_ascii_case("localhost") || matches!(name.parse(), Ok(IpAddr::V4(_))))
}

fn is_authorized(shared: &Shared, request: &Request) -> bool {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (headers.next(), headers.next()) else { return false };
    let Some((scheme, token)) = value.to_str().ok().and_then(|v| v.split_once(' ')) else { return false };
    scheme.eq_ignore_ascii_case("bearer") && shared.token.is(token)
}

#[cfg(test)]
mod tests {
    use super::is_local_name;

    #[test]
    fn only_addresses_and_localhost_are_expected() {
        for good in
            ["127.0.0.1", "127.0.0.1:7601", "localhost", "LOCALHOST:1", "[::1]", "[::1]:80", "10.1.2.3:9"]
        {
            assert!(is_local_name(good), "{good}");
        }
        for bad in [
            "",
            ":80",
            "evil.example",
            "evil.example:7601",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:x",
            "127.0.0.1:99999",
            "127.0.0.1@evil.example",
            "::1",
            "[::1",
            "[::1]x",
            "[127.0.0.1]",
            "[evil.example]",
        ] {
            assert!(!is_local_name(bad), "{bad}");
        }
    }
}
