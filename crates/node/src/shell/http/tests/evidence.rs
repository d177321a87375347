//! Evidence: a list of what convicts whom, and files that reach the client byte by byte.

use api::limits::{DEFAULT_PAGE, MAX_EVIDENCE_BYTES, MAX_PAGE};
use api::{EvidenceId, EvidenceView, Page, PageQuery};

use super::*;

/// Bytes that are no text: the file must pass through nothing that thinks it is.
const FILE: &[u8] = b"consign evidence 1\n\x00\xff\xfe\r\n\x80";

fn evidence_id(number: u8) -> EvidenceId {
    EvidenceId([number; 32])
}

fn view(number: u8) -> EvidenceView {
    EvidenceView {
        id: evidence_id(number),
        culprit: NodeId([2; 32]),
        name: Some("b".parse().unwrap()),
        index: 2,
        charge: "a lie".to_owned(),
        phase: Phase::Sign,
        round: Some(6),
        ceremony: ceremony_id(),
        key: Some(key_id()),
        since: 1_800_000_000,
    }
}

/// A core that keeps two pieces of evidence, the first page of which holds one, and the files of three: the second is as
/// long as evidence may be, the third longer.
#[allow(clippy::wildcard_enum_match_arm, reason = "nothing else is asked")]
fn keeps(request: &Request) -> Reply {
    match request {
        Request::ListEvidence(query) if query.after.is_none() => {
            Reply::Evidence(Page { items: vec![view(1)], next: Some(evidence_id(1).to_string()) })
        }
        Request::ListEvidence(_) => Reply::Evidence(Page { items: vec![view(2)], next: None }),
        Request::ShowEvidence(EvidenceId([1, ..])) => Reply::EvidenceFile(FILE.to_vec()),
        Request::ShowEvidence(EvidenceId([2, ..])) => Reply::EvidenceFile(vec![0xff; MAX_EVIDENCE_BYTES]),
        Request::ShowEvidence(EvidenceId([3, ..])) => Reply::EvidenceFile(vec![0xff; MAX_EVIDENCE_BYTES + 1]),
        Request::ShowEvidence(_) => {
            Reply::Problem(Problem::new(ProblemKind::UnknownEvidence, "This node keeps no such evidence."))
        }
        _ => Reply::Health(api::HealthView::ok()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_comes_in_pages() {
    let site = Site::start(keeps).await;
    assert_eq!(site.client().evidence().unwrap(), [view(1), view(2)]);
    let after = |after: Option<EvidenceId>, limit| {
        Request::ListEvidence(PageQuery { after: after.map(|id| id.to_string()), limit })
    };
    assert_eq!(site.asked(), [after(None, MAX_PAGE), after(Some(evidence_id(1)), MAX_PAGE)]);
    let (status, head, body) = site.call("GET /v1/evidence", "", "");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json") && head.contains("cache-control: no-store"));
    assert_eq!(site.asked().last(), Some(&after(None, DEFAULT_PAGE)));
    // What stands in the documentation, word for word.
    let hex = |byte: &str| byte.repeat(32);
    let item = serde_json::json!({
        "id": hex("01"), "culprit": hex("02"), "name": "b", "index": 2, "charge": "a lie", "phase": "sign",
        "round": 6, "ceremony": hex("03"), "key": hex("04"), "since": 1_800_000_000,
    });
    let page = serde_json::json!({ "items": [item], "next": hex("01") });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), page);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_arrive_as_they_are() {
    let site = Site::start(keeps).await;
    let client = site.client();
    assert_eq!(client.evidence_file(&evidence_id(1)).unwrap(), FILE);
    assert_eq!(site.asked(), [Request::ShowEvidence(evidence_id(1))]);
    assert_eq!(client.evidence_file(&evidence_id(2)).unwrap(), vec![0xff; MAX_EVIDENCE_BYTES]);
    // A node that answers without end fills nobody's memory.
    let error = client.evidence_file(&evidence_id(3)).unwrap_err();
    assert!(error.problem().is_none(), "{error}");
    let head = site.call(&format!("HEAD /v1/evidence/{}", evidence_id(1)), "", "").1;
    for header in ["content-type: application/octet-stream", "cache-control: no-store"] {
        assert!(head.contains(header), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_evidence_is_a_problem() {
    let site = Site::start(keeps).await;
    let error = site.client().evidence_file(&evidence_id(9)).unwrap_err();
    let problem = error.problem().expect("a problem document");
    assert_eq!((problem.kind, problem.status), (ProblemKind::UnknownEvidence, 404));
    assert_eq!(site.call(&format!("GET /v1/evidence/{}", evidence_id(9)), "", "").0, 404);
}

/// What is not a good call never reaches the core.
#[tokio::test(flavor = "multi_thread")]
async fn bad_calls_are_refused() {
    let site = Site::start(keeps).await;
    let id = evidence_id(1).to_string();
    for (line, status) in [
        ("GET /v1/evidence/none", 400),
        ("GET /v1/evidence/%ff", 400),
        (&format!("GET /v1/evidence/{}", &id[1..]), 400),
        (&format!("GET /v1/evidence/{id}0"), 400),
        (&format!("GET /v1/evidence/{}", "0A".repeat(32)), 400),
        (&format!("GET /v1/evidence/{id}/"), 404),
        ("GET /v1/evidence/", 404),
        ("GET /v1/evidence?limit=x", 400),
        ("GET /v1/evidence?limit=70000", 400),
        ("GET /v1/evidence?page=2", 400),
        ("POST /v1/evidence", 405),
        (&format!("DELETE /v1/evidence/{id}"), 405),
    ] {
        let (answer, head, _) = site.call(line, "", "");
        assert_eq!(answer, status, "{line}");
        assert!(head.contains("content-type: application/problem+json"), "{line}: {head}");
    }
    for path in ["/v1/evidence", &format!("/v1/evidence/{id}")] {
        let text = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        assert_eq!(site.raw(&text).0, 401, "{path}");
    }
    assert!(site.asked().is_empty());
    let odd = Site::start(|_| Reply::Health(api::HealthView::ok())).await;
    for path in ["/v1/evidence", &format!("/v1/evidence/{id}")] {
        assert_eq!(odd.call(&format!("GET {path}"), "", "").0, 500, "{path}");
    }
}
