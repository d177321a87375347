//! Whether a node can work is told to anybody.

use api::HealthView;

use super::*;

const ASK: &str = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_ready_when_core_and_store_are() {
    let site = Site::start(|_| Reply::Health(HealthView::ok())).await;
    for _ in 0..3 {
        let (status, _, body) = site.raw(ASK);
        assert_eq!((status, serde_json::from_str::<HealthView>(&body).unwrap()), (200, HealthView::ok()));
    }
    assert_eq!(site.asked(), [Request::Ready, Request::Ready, Request::Ready]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_cannot_be_right_is_told() {
    let site = Site::start(|_| Reply::Problem(Problem::new(ProblemKind::ClockWrong, "Set the clock."))).await;
    let (status, head, body) = site.raw(ASK);
    assert!(status == 503 && head.contains("content-type: application/problem+json"), "{head}");
    assert!(body.contains("Set the clock."), "{body}");
}

/// It waits for its store, and whoever watches over processes shall let it.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_process_lives_and_is_not_ready() {
    let site = Site::silent(|_| Reply::Health(HealthView::ok())).await;
    let (status, _, body) = site.raw(&ASK.replace("readyz", "healthz"));
    assert_eq!((status, serde_json::from_str::<HealthView>(&body).unwrap()), (200, HealthView::ok()));
    assert_eq!(site.raw(ASK).0, 503);
    assert_eq!(site.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_told() {
    let Site { http, events, asked, _storage: storage } =
        Site::start(|_| Reply::Health(HealthView::ok())).await;
    let (other, _) = super::storage();
    storage.finish();
    let site = Site { http, events, asked, _storage: other };
    let (status, _, body) = site.raw(ASK);
    assert!(status == 503 && body.contains("store-failed"), "{status} {body}");
}
