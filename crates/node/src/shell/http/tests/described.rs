//! The node describes itself to anybody, and as it is.

use std::collections::BTreeSet;

use api::openapi::{self, CALLS};

use super::*;

/// What the router serves is what the description tells, read from the router's source.
#[test]
fn every_route_is_described() {
    let (tcp, socket) = (include_str!("../mod.rs"), include_str!("../operator.rs"));
    let (mut served, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for (operator, source) in [(false, tcp), (true, socket)] {
        for line in source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")) {
            let (path, methods) = line.split_once('"').unwrap();
            for method in ["get", "post", "delete", "put", "patch"] {
                if methods.contains(&format!("{method}(roster::elsewhere")) {
                    refused.insert((true, method.to_uppercase(), path.to_owned()));
                } else if methods.contains(&format!("{method}(")) {
                    served.insert((operator, method.to_uppercase(), path.to_owned()));
                }
            }
        }
    }
    let call = |call: &api::openapi::Call| (call.operator, call.method.to_owned(), call.path.to_owned());
    let told: BTreeSet<_> = CALLS.iter().map(call).collect();
    assert!(served.len() > 20, "{served:?}");
    assert_eq!(served, told);
    // What the operator's socket takes, TCP says no to.
    assert_eq!(refused, told.into_iter().filter(|(operator, ..)| *operator).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_reads_the_description() {
    let site = Site::start(|_| Reply::Counts(api::Counts { keys: 3, ..api::Counts::default() })).await;
    let get = |path: &str| {
        site.raw(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
    };
    let (status, head, body) = get("/openapi.json");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), api::openapi::document());
    let (status, head, body) = get("/docs");
    assert_eq!(status, 200);
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    // It must work without the internet.
    assert!(
        body.contains("/openapi.json") && !body.contains("http://") && !body.contains("https://"),
        "{body}"
    );
    assert!(site.asked().is_empty());
    let (status, head, body) = get("/metrics");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(
        body.contains("consign_keys 3") && body.contains(r#"consign_calls_total{status="200"} 2"#),
        "{body}"
    );
    assert_eq!(site.asked(), [Request::Count]);
}

/// Whether the description of a call tells that it may be answered so. What is no call at all is not described.
pub(super) fn tells(request: &str, status: u16) -> bool {
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let fits = |call: &&openapi::Call| {
        let (told, asked) = (call.path.split('/'), path.split('/'));
        let same = |(told, asked): (&str, &str)| told == asked || told.starts_with('{') && !asked.is_empty();
        call.path.split('/').count() == path.split('/').count() && told.zip(asked).all(same)
    };
    // A path of its own comes before one with an identifier.
    let Some(path) = CALLS.iter().filter(fits).min_by_key(|call| call.path.contains('{')) else {
        return true;
    };
    let Some(call) = CALLS.iter().find(|call| call.path == path.path && call.method == method) else {
        // Not described, so it must be refused.
        return matches!(status, 401 | 405 | 421 | 200) && (status != 200 || method == "HEAD");
    };
    matches!(status, 414 | 431)
        || call.successes().any(|told| told == status)
        || call.problems().iter().any(|kind| kind.status() == status)
}
