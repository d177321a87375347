//! How a node is run: its log, and how it ends.

use std::io::{Read as _, Write as _};

use crate::common::{PASSPHRASE, TestNode, until};
use serde_json::Value;

/// A message that no log may show.
const MESSAGE: &str = "pay 17 pieces of silver to Iscariot";

/// The JSON lines of a log.
fn lines(node: &TestNode) -> Vec<Value> {
    let lines = node.log();
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Each ceremony is a span in the log, with its rounds and how long they took, and without what was signed.
#[test]
fn ceremonies_are_spans_of_the_log_and_nothing_secret_is_in_it() {
    let place = tempfile::tempdir().unwrap();
    let mut nodes = TestNode::cluster(place.path(), &["a", "b"]);
    nodes[0].ask(&["key", "create", "--name", "pay", "--threshold", "2", "--level", "insecure-test"]).ok();
    for (restarted, other) in [(0, 1), (1, 0)] {
        nodes[restarted].stop();
        nodes[restarted].start_with(&["--log", "debug"], &[("CONSIGN_LOG_FORMAT", "json")]);
        // Before that one ends, too.
        nodes[other].hears_from(&nodes[restarted]);
    }
    nodes.iter().for_each(|node| node.meets(2));
    let signed = until("a signature", || {
        let said = nodes[0].ask(&["key", "sign", "pay", MESSAGE]);
        (said.code == 0).then(|| said.json())
    });
    let mut parties = Vec::new();
    for node in &nodes {
        let done = |line: &&Value| line["fields"]["message"] == "done" && line["span"]["kind"] == "sign";
        let end = until("the end to be logged", || lines(node).iter().find(done).cloned());
        let (span, fields) = (&end["span"], &end["fields"]);
        assert_eq!(
            (&span["name"], span["id"].as_str().map(str::len)),
            (&"ceremony".into(), Some(64)),
            "{end}"
        );
        parties.push(span["party"].as_u64().unwrap());
        assert!(fields["elapsed_ms"].is_u64(), "{end}");
        let of_it = lines(node).into_iter().filter(|line| line["span"]["id"] == span["id"]);
        let rounds: Vec<_> = of_it.filter_map(|line| line["fields"]["round"].as_u64()).collect();
        assert!(rounds.contains(&1) && rounds.is_sorted_by(|a, b| a <= b || *b <= 1), "{rounds:?}");

        let log = node.log();
        let token = std::fs::read_to_string(node.data.join("api-token")).unwrap();
        let hex: String = MESSAGE.bytes().map(|byte| format!("{byte:02x}")).collect();
        for secret in [MESSAGE, "Iscariot", &hex, PASSPHRASE, token.trim(), signed["s"].as_str().unwrap()] {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
    }
    parties.sort_unstable();
    assert_eq!(parties, [1, 2]);
}

/// Asks for a signature over HTTP, and to wait for it. The whole answer, or nothing if the connection breaks.
fn call(node: &TestNode, key: &str) -> std::thread::JoinHandle<String> {
    let read = |file| std::fs::read_to_string(node.data.join(file)).unwrap().trim().to_owned();
    let (address, token) = (read("api-address"), read("api-token"));
    let body = r#"{"path":"m","message":"61","hash":"sha256"}"#;
    let request = format!(
        "POST /v1/keys/{key}/signatures HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nPrefer: wait=60\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    })
}

/// Told to end, a node takes no more calls, and those that wait for something that does not end are told so in time; told
/// twice, it ends at once.
#[test]
fn a_node_ends_in_order_or_at_once() {
    let place = tempfile::tempdir().unwrap();
    let mut nodes = TestNode::cluster(place.path(), &["a", "b"]);
    let key = ["key", "create", "--name", "pay", "--threshold", "2", "--level", "insecure-test"];
    nodes[0].ask(&key).ok();
    let key = nodes[0].ask(&["key", "show", "pay"]).ok().json()["id"].as_str().unwrap().to_owned();
    for twice in [false, true] {
        nodes[0].meets(2);
        // The other signer says nothing, so the call lasts.
        nodes[1].signal("STOP");
        let calling = call(&nodes[0], &key);
        until("the call to wait", || {
            let ceremonies = nodes[0].ask(&["ceremony", "list"]).ok().json();
            let waits = |c: &Value| c["kind"] == "sign" && c["state"] == "proposed";
            ceremonies.as_array()?.iter().any(waits).then_some(())
        });
        nodes[0].signal("TERM");
        if twice {
            until("it to begin to end", || nodes[0].log().contains("stopping").then_some(()));
            nodes[0].signal("TERM");
        }
        let (status, log) = nodes[0].ends();
        let said = calling.join().unwrap();
        if twice {
            assert_eq!((status.code(), said.as_str()), (Some(130), ""), "{log}");
        } else {
            assert_eq!(status.code(), Some(0), "{log}");
            assert!(said.starts_with("HTTP/1.1 503") && said.contains("is shutting down"), "{said}");
            nodes[1].signal("CONT");
            nodes[0].start();
            nodes[1].hears_from(&nodes[0]);
        }
    }
}
