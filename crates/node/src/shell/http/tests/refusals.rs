//! What is not a good call gets a problem document, and never reaches the core.

use api::limits::MAX_BODY_BYTES;

use super::*;

const JSON: &str = "content-type: application/json\r\n";

/// The problem in an answer; checks that it is one, with the status of its kind.
fn problem((status, head, body): (u16, String, String)) -> Problem {
    assert!(head.contains("content-type: application/problem+json"), "{head}\n{body}");
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!((problem.status, problem.kind.status()), (status, status));
    assert!(!problem.detail.is_empty());
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_without_the_token_but_health() {
    let site = Site::start(|_| Reply::Health(api::HealthView::ok())).await;
    let with = |headers: &str, path: &str| {
        site.raw(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"))
    };
    let right = format!("authorization: Bearer {TOKEN}\r\n");
    for headers in [
        "",
        "authorization: Bearer\r\n",
        "authorization: Bearer \r\n",
        "authorization: Bearer wrong\r\n",
        &format!("authorization: Basic {TOKEN}\r\n"),
        &format!("authorization: Bearer {}\r\n", &TOKEN[1..]),
        &format!("authorization: Bearer {TOKEN}x\r\n"),
        &format!("{right}{right}"),
    ] {
        for path in ["/v1/keys", "/v1/node", "/", "/healthz/", "/v1/ceremonies/x/events"] {
            let answer = with(headers, path);
            assert!(answer.1.contains("www-authenticate: bearer"), "{}", answer.1);
            assert_eq!(problem(answer).kind, ProblemKind::Unauthorized, "{headers} {path}");
        }
    }
    assert!(site.asked().is_empty());
    assert_eq!(with("", "/healthz").0, 200);
    assert_eq!(with(&right, "/healthz").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_is_refused() {
    let site = Site::start(|_| Reply::Health(api::HealthView::ok())).await;
    let with = |target: &str, hosts: &str| {
        site.raw(&format!(
            "GET {target} HTTP/1.1\r\n{hosts}authorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n"
        ))
    };
    for (target, hosts) in [
        ("/healthz", "host: evil.example\r\n"),
        ("/v1/keys", "host: evil.example:7601\r\n"),
        ("/healthz", "host: localhost.evil.example\r\n"),
        ("/healthz", "host: localhost\r\nhost: evil.example\r\n"),
        ("http://evil.example/healthz", "host: localhost\r\n"),
        ("/healthz", ""),
    ] {
        assert_eq!(problem(with(target, hosts)).kind, ProblemKind::WrongHost, "{target} {hosts}");
    }
    assert!(site.asked().is_empty());
    assert_eq!(with("/healthz", "host: 127.0.0.1:1\r\n").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods() {
    let site = Site::start(starts).await;
    for path in ["/", "/v1", "/v1/", "/v2/keys", "/v1/keys/", "/v1/node/x", "/openapi"] {
        assert_eq!(problem(site.call(&format!("GET {path}"), "", "")).kind, ProblemKind::NotFound, "{path}");
    }
    for (line, allowed) in [
        ("DELETE /v1/keys", "get,head,post"),
        ("POST /v1/node", "get,head"),
        ("GET /v1/invitations", "post"),
        ("PUT /healthz", "get,head"),
        ("BREW /v1/validators", "get,head"),
    ] {
        let answer = site.call(line, "", "");
        assert!(answer.1.contains(&format!("allow: {allowed}\r\n")), "{line}: {}", answer.1);
        assert_eq!(problem(answer).kind, ProblemKind::MethodNotAllowed, "{line}");
    }
    assert!(site.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_or_of_another_kind() {
    let site = Site::start(starts).await;
    let announced = format!("{JSON}content-length: {}\r\n", MAX_BODY_BYTES + 1);
    assert_eq!(problem(site.call("POST /v1/keys", &announced, "")).kind, ProblemKind::TooLarge);
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", MAX_BODY_BYTES + 1, "x".repeat(MAX_BODY_BYTES + 1));
    let chunked = format!(
        "POST /v1/keys HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n{JSON}\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunk}"
    );
    assert_eq!(problem(site.raw(&chunked)).kind, ProblemKind::TooLarge);
    for headers in [
        "",
        "content-type: text/plain\r\n",
        "content-type: application/jsonx\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        &format!("{JSON}content-encoding: gzip\r\n"),
    ] {
        let refused = problem(site.call("POST /v1/keys", headers, "{}"));
        assert_eq!(refused.kind, ProblemKind::UnsupportedMediaType, "{headers}");
    }
    assert!(site.asked().is_empty());
    let body = serde_json::to_string(&create_key()).unwrap();
    let with_charset = "content-type: Application/JSON; charset=utf-8\r\n";
    assert_eq!(site.call("POST /v1/keys", with_charset, &body).0, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_malformed() {
    let site = Site::start(starts).await;
    let sign = format!("POST /v1/keys/{}/signatures", key_id());
    let good = serde_json::to_string(&create_key()).unwrap();
    let nested = "[".repeat(100_000);
    for (line, body) in [
        ("POST /v1/keys", "{}"),
        ("POST /v1/keys", "null"),
        ("POST /v1/keys", "\u{0}\u{1}"),
        ("POST /v1/keys", &nested),
        ("POST /v1/keys", &good[..good.len() - 1]),
        ("POST /v1/keys", &format!("{good}{good}")),
        ("POST /v1/keys", &good.replacen('{', "{\"extra\":1,", 1)),
        ("POST /v1/keys?x=1", &good),
        (&sign, "{\"path\":\"m\",\"message\":\"6\",\"hash\":\"sha256\"}"),
        (&sign, "{\"path\":\"m\",\"digest\":\"00\"}"),
        ("POST /v1/keys/none/signatures", "{\"path\":\"m\",\"message\":\"61\",\"hash\":\"sha256\"}"),
    ] {
        assert_eq!(problem(site.call(line, JSON, body)).kind, ProblemKind::Malformed, "{line} {body:.60}");
    }
    for line in [
        "GET /v1/keys/none",
        "GET /v1/keys/%ff",
        "GET /v1/ceremonies/none",
        "GET /v1/ceremonies/none/events",
        "GET /v1/keys?limit=x",
        "GET /v1/keys?limit=70000",
        "GET /v1/ceremonies?page=2",
    ] {
        assert_eq!(problem(site.call(line, "", "")).kind, ProblemKind::Malformed, "{line}");
    }
    for key in ["", "a b", "\u{e9}", &"k".repeat(200)] {
        let headers = format!("{JSON}idempotency-key: {key}\r\n");
        assert_eq!(
            problem(site.call("POST /v1/keys", &headers, &good)).kind,
            ProblemKind::Malformed,
            "{key}"
        );
    }
    assert!(site.asked().is_empty());
    assert_eq!(site.raw("what is this\r\n\r\n").0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_streams() {
    let site = Site::start(starts).await;
    let path = format!("/v1/ceremonies/{}/events", ceremony_id());
    let text = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    let mut streams = Vec::new();
    for _ in 0..MAX_STREAMS {
        let mut stream = site.connect(&text);
        stream.read_exact(&mut [0; 15]).unwrap();
        streams.push(stream);
    }
    assert_eq!(problem(site.call(&format!("GET {path}"), "", "")).kind, ProblemKind::Busy);
    assert_eq!(site.call(&format!("GET /v1/ceremonies/{}", ceremony_id()), "", "").0, 200);
}

/// Who shows no token holds no connection, even where none is needed; who shows one keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_token_ends_with_the_answer() {
    let limits = Limits { head: std::time::Duration::from_millis(300), ..Limits::default() };
    let site = Site::with(limits, |_| Reply::Health(api::HealthView::ok())).await;
    let head = |headers: &str| {
        let (status, head, _) =
            site.raw(&format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n"));
        assert_eq!(status, 200);
        head
    };
    assert!(head("").contains("connection: close"));
    assert!(!head(&format!("authorization: Bearer {TOKEN}\r\n")).contains("connection: close"));
}
