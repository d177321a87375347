//! Before any call, and before a byte of its body is read: the right host, the right token or a signature, not too many.
//! Strangers cannot hold a place by a body that does not come.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, HOST};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use consign_api as api;
use consign_api::signed::{NotSigned, SignedHead, read};
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
    if !is_host_expected(&request, &shared.names) {
        let detail = "Call the node by its IP address, as localhost, or by a name that `names` in the section `[api]` of \
                      its configuration lists.";
        return turn_away(Problem::new(ProblemKind::WrongHost, detail));
    }
    let (entry, has_body) = (entry(shared, &request), *request.method() == Method::POST);
    let entry = match entry {
        // Anybody can make a key and sign. Whom the policy does not name is told so before its body is waited for.
        Ok(Entry::Client(client)) if has_body => {
            let known = shared.ask(api::Request::By(client, Box::new(api::Request::Health))).await;
            known.map(|_| Entry::Client(client))
        }
        entry => entry,
    };
    let entry = match entry {
        Ok(entry) => Some(entry),
        Err(_) if OPEN.contains(&request.uri().path()) => None,
        Err(problem) => return turn_away(problem),
    };
    if let Some(entry) = entry {
        request.extensions_mut().insert(entry);
    }
    if let (Some(Entry::Client(client)), true) = (entry, has_body) {
        let Some(arriving) = shared.bodies.begin(client) else {
            let detail = "The node waits for all the bodies it may wait for at a time; try again.";
            return turn_away(Problem::new(ProblemKind::Busy, detail).retry_after(1));
        };
        request.extensions_mut().insert(arriving);
    }
    let response = next.run(request).await;
    // Anybody's signature may hold; who is known is told by the answer.
    let is_known = entry.is_some() && response.status() != StatusCode::UNAUTHORIZED;
    if is_known { response } else { ended(response) }
}

/// By what a call may come in. A signature that is there must hold, even where the token is there too.
fn entry(shared: &Shared, request: &Request) -> Result<Entry, Problem> {
    let has_token = is_authorized(shared, request);
    let fields = asker::fields(request.headers()).map_err(not_signed)?;
    let Some(fields) = fields else {
        return if has_token { Ok(Entry::Token) } else { Err(no_token()) };
    };
    let (uri, cluster, now) = (request.uri(), &shared.cluster, shared.clock.now().unix);
    let client = match *request.method() {
        Method::GET => read::verify(uri.path(), uri.query(), &fields, cluster, now),
        // The signature covers the digest of the body, so it can be verified without that.
        Method::POST => SignedHead::from_http(uri.path(), &fields).and_then(|head| head.verify(cluster, now)),
        _ => Err(NotSigned::Method),
    };
    let client = client.map_err(not_signed)?;
    Ok(if has_token { Entry::Token } else { Entry::Client(client) })
}

/// Refuses, and ends the connection.
fn turn_away(problem: Problem) -> Response {
    ended(Failed(problem).into_response())
}

/// The last answer on its connection: who shows neither token nor a known key takes up no place.
fn ended(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether every host named is an IP address, `localhost`, or one of the node's own names: another name, of somebody's
/// domain, may have been pointed here by a web page that wants to reach this node.
fn is_host_expected(request: &Request, names: &[String]) -> bool {
    let mut headers = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (headers.next(), headers.next()) else { return false };
    let in_uri = request.uri().authority().is_none_or(|a| is_own_name(a.as_str(), names));
    in_uri && host.to_str().is_ok_and(|host| is_own_name(host, names))
}

/// Whether `host` or `host:port` is an IP address, `localhost` or one of `names`.
fn is_own_name(text: &str, names: &[String]) -> bool {
    let has_port = |rest: &str| {
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
    };
    if let Some((inside, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        return has_port(rest) && matches!(inside.parse(), Ok(IpAddr::V6(_)));
    }
    let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
    let is_named = || names.iter().any(|own| name.eq_ignore_ascii_case(own));
    let is_local = name.eq_ignore_ascii_case("localhost") || matches!(name.parse(), Ok(IpAddr::V4(_)));
    has_port(rest) && (is_local || is_named())
}

fn is_authorized(shared: &Shared, request: &Request) -> bool {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (headers.next(), headers.next()) else { return false };
    let Some((scheme, token)) = value.to_str().ok().and_then(|v| v.split_once(' ')) else { return false };
    scheme.eq_ignore_ascii_case("bearer") && shared.token.is(token)
}

#[cfg(test)]
mod tests {
    use super::is_own_name;

    #[test]
    fn only_addresses_localhost_and_own_names_are_expected() {
        let own = ["node1.example.org".to_owned()];
        for good in ["node1.example.org", "NODE1.example.org:7601"] {
            assert!(is_own_name(good, &own) && !is_own_name(good, &[]), "{good}");
        }
        for good in
            ["127.0.0.1", "127.0.0.1:7601", "localhost", "LOCALHOST:1", "[::1]", "[::1]:80", "10.1.2.3:9"]
        {
            assert!(is_own_name(good, &own), "{good}");
        }
        for bad in [
            "",
            ":80",
            "evil.example",
            "evil.example:7601",
            "localhost.evil.example",
            "node1.example.org.evil.example",
            "evil.node1.example.org",
            "example.org",
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
            assert!(!is_own_name(bad, &own), "{bad}");
        }
    }
}
