//! The operator's socket: who may open it, what it takes, and that TCP takes nothing of it.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use api::{ApprovalState, ApprovalView, ContentHash, DecideBody, Page};

use super::*;

fn view(state: ApprovalState) -> ApprovalView {
    ApprovalView {
        id: CeremonyId([1; 32]),
        content: ContentHash([2; 32]),
        state,
        client: "shop".to_owned(),
        client_key: api::ClientSecret::from_seed(&[3; 32]).public(),
        ceremony: "sign".to_owned(),
        key: Some(KeyId([4; 32])),
        label: "pay".parse().unwrap(),
        proposer: NodeId([5; 32]),
        rule: "`releases` (line 3)".to_owned(),
        why: "the rule says so".to_owned(),
        since: 1,
        expires: 2,
        facts: [("message".to_owned(), "pay 5".to_owned())].into(),
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "nothing else has a way in")]
fn answers(request: &Request) -> Reply {
    match request {
        Request::ListApprovals => {
            Reply::Approvals(Page { items: vec![view(ApprovalState::Waiting)], next: None })
        }
        Request::DecideApproval(_) => Reply::Approval(view(ApprovalState::Approved)),
        other => panic!("{other:?}"),
    }
}

/// Says something to a socket, and hears until it is closed.
fn say(socket: &Path, method: &str, path: &str, body: &str) -> (String, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_decides_on_a_socket_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("operator.sock");
    // What a process left that was killed.
    std::fs::write(&socket, b"").unwrap();
    let mut site = Site::start(answers).await;
    site.http.serve_operator(&socket).unwrap();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    let asked = site.asked.clone();
    let id = CeremonyId([1; 32]);
    tokio::task::spawn_blocking(move || {
        let (status, body) = say(&socket, "GET", "/v1/approvals", "");
        assert!(status.contains(" 200 "), "{status}");
        let page: Page<ApprovalView> = serde_json::from_str(&body).unwrap();
        assert_eq!(page.items, [view(ApprovalState::Waiting)]);
        let body = DecideBody { content: ContentHash([2; 32]), approve: true };
        let text = serde_json::to_string(&body).unwrap();
        let (status, answer) = say(&socket, "POST", &format!("/v1/approvals/{id}"), &text);
        assert!(status.contains(" 200 "), "{status}");
        assert_eq!(serde_json::from_str::<ApprovalView>(&answer).unwrap().state, ApprovalState::Approved);
        assert_eq!(asked.lock().unwrap().last(), Some(&Request::DecideApproval(api::Decide { id, body })));
        let count = asked.lock().unwrap().len();
        for (method, path, body, wanted) in [
            ("POST", format!("/v1/approvals/{id}"), "{\"approve\":true}".to_owned(), " 400 "),
            ("POST", "/v1/approvals/xyz".to_owned(), text.clone(), " 400 "),
            ("DELETE", format!("/v1/approvals/{id}"), String::new(), " 405 "),
            ("POST", format!("/v1/validators/{id}/praise"), "{}".to_owned(), " 404 "),
            ("POST", format!("/v1/validators/{id}/vouch"), String::new(), " 400 "),
            ("POST", format!("/v1/validators/{id}/vouch"), "{\"all\":true}".to_owned(), " 400 "),
            ("POST", "/v1/validators/bob/vouch".to_owned(), "{}".to_owned(), " 400 "),
            ("GET", format!("/v1/validators/{id}/vouch"), String::new(), " 405 "),
            ("POST", "/v1/invitations".to_owned(), "{\"valid_for\":0}".to_owned(), " 400 "),
            ("POST", "/v1/invitations".to_owned(), "{}".to_owned(), " 400 "),
            ("GET", "/v1/keys".to_owned(), String::new(), " 404 "),
        ] {
            let (status, _) = say(&socket, method, &path, &body);
            assert!(status.contains(wanted), "{method} {path}: {status}");
        }
        assert_eq!(asked.lock().unwrap().len(), count);
    })
    .await
    .unwrap();

    // Nobody decides over TCP, with whatever token.
    let address = site.http.address;
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = "GET /v1/approvals HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        stream.write_all(format!("{head}Authorization: Bearer {TOKEN}\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 403"));
    site.http.finish().await;
}
