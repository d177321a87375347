//! Connections that say nothing, or say it too slowly, keep nobody out.

use std::time::Duration;

use super::*;

/// Longest time a test waits for a connection to end; only a failing test gets there.
const PATIENCE: Duration = Duration::from_secs(60);
/// A head must come within this time here.
const SHORT: Duration = Duration::from_millis(100);

/// Most attempts to be in time with a head.
const MAX_ATTEMPTS: usize = 100;

/// Reads until the other side ends the connection, and returns what it said.
fn rest(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = Vec::new();
    let end = stream.read_to_end(&mut said);
    if let Err(error) = end {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the connection stays open: {error}");
    }
    String::from_utf8(said).unwrap()
}

/// Asks again until there is an answer: on a busy machine even a good client may be too slow for such a short time.
fn answer(site: &Site, path: &str) -> String {
    let mut attempts = std::iter::repeat_with(|| rest(site.connect(&authorized(path)))).take(MAX_ATTEMPTS);
    attempts.find(|said| !said.is_empty()).expect("an answer")
}

fn authorized(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_must_come_in_time() {
    let site = Site::with(Limits { head: SHORT, ..Limits::default() }, starts).await;
    for half in ["", "G", "GET /healthz HTTP/1.1\r\n", "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: "] {
        assert_eq!(rest(site.connect(half)), "", "{half}");
    }
    // Nor does a connection stay that was good once.
    let said = answer(&site, "/healthz");
    assert!(said.starts_with("HTTP/1.1 "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_block_nobody() {
    let site = Site::with(Limits { connections: 2, head: SHORT, ..Limits::default() }, starts).await;
    let half: Vec<_> = (0..2 * 2).map(|_| site.connect("GET /healthz HTTP/1.1\r\n")).collect();
    assert!(answer(&site, "/healthz").starts_with("HTTP/1.1 "));
    drop(half);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_turned_away_takes_up_no_place() {
    let site = Site::start(starts).await;
    for (headers, status) in [("host: localhost\r\n", " 401 "), ("host: evil.example\r\n", " 421 ")] {
        let said = rest(site.connect(&format!("GET /v1/keys HTTP/1.1\r\n{headers}\r\n")));
        assert!(said.starts_with("HTTP/1.1") && said.contains(status), "{said}");
    }
}

/// The limit is for heads: an answer takes as long as it takes.
#[tokio::test(flavor = "multi_thread")]
async fn streams_outlive_the_time_for_a_head() {
    let site = Site::with(Limits { head: SHORT, ..Limits::default() }, starts).await;
    let events = authorized(&format!("/v1/ceremonies/{}/events", ceremony_id()));
    let mut start = [0; 15];
    let stream = std::iter::repeat_with(|| {
        let mut stream = site.connect(&events);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_exact(&mut start).is_ok().then_some(stream)
    });
    let stream = stream.take(MAX_ATTEMPTS).flatten().next().expect("a stream");
    // Three times as long as a head may take.
    for _ in 0..3 {
        rest(site.connect("GET"));
    }
    site.events.publish(api::Event { sequence: 1, ceremony: ceremony_in(CeremonyState::Done) });
    let said = rest(stream);
    assert!(said.contains("\"state\":\"done\""), "{said}");
}
