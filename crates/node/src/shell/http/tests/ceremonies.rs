//! Waiting for ceremonies, watching them, asking twice.

use api::client::{ClientError, Start};

use super::*;

fn publish(site: &Site, sequence: u64, state: CeremonyState) {
    site.events.publish(api::Event { sequence, ceremony: ceremony_in(state) });
}

fn waiting(seconds: u32) -> Start {
    Start { wait_s: seconds, ..Start::default() }
}

/// Lets the test go on when the core has been asked `count` times.
async fn asked(site: &Site, count: usize) {
    while site.asked().len() < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_is_told_where_to_look() {
    let site = Site::start(starts).await;
    let body = serde_json::to_string(&create_key()).unwrap();
    let (status, head, _) = site.call("POST /v1/keys", "content-type: application/json\r\n", &body);
    assert_eq!(status, 202);
    assert!(head.contains(&format!("location: /v1/ceremonies/{}\r\n", ceremony_id())), "{head}");
    let view = site.client().create_key(&create_key(), &waiting(0)).unwrap();
    assert_eq!(view, ceremony_in(CeremonyState::Proposed));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_gets_the_key_or_the_reason() {
    let site = Site::start(starts).await;
    let client = site.client();
    let call = std::thread::spawn(move || client.create_key(&create_key(), &Start::and_wait()));
    asked(&site, 1).await;
    let mut other = ceremony_in(CeremonyState::Done);
    other.id = CeremonyId([99; 32]);
    site.events.publish(api::Event { sequence: 1, ceremony: other });
    publish(&site, 2, CeremonyState::Running);
    publish(&site, 3, CeremonyState::Done);
    assert_eq!(call.join().unwrap().unwrap(), ceremony_in(CeremonyState::Done));

    let client = site.client();
    let call = std::thread::spawn(move || client.create_key(&create_key(), &Start::and_wait()));
    asked(&site, 2).await;
    let mut failed = ceremony_in(CeremonyState::Failed);
    failed.failure = Some(Problem::new(ProblemKind::PeerCheated, "See the evidence."));
    site.events.publish(api::Event { sequence: 4, ceremony: failed });
    let error = call.join().unwrap().unwrap_err();
    let ClientError::Problem(problem) = error else { panic!("{error}") };
    assert_eq!((problem.kind, problem.ceremony), (ProblemKind::PeerCheated, Some(ceremony_id())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_in_time() {
    let site = Site::start(starts).await;
    let view = site.client().create_key(&create_key(), &waiting(1)).unwrap();
    assert_eq!(view.state, CeremonyState::Proposed);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_one_body_one_answer() {
    let mut refusals = 1;
    let site = Site::start(move |request| {
        if refusals > 0 {
            refusals -= 1;
            return Reply::Problem(Problem::new(ProblemKind::Busy, "Not now."));
        }
        starts(request)
    })
    .await;
    let client = site.client();
    let with_key = Start { idempotency_key: Some("k1".to_owned()), ..Start::default() };
    // A call that started nothing may be made again.
    assert!(client.create_key(&create_key(), &with_key).is_err());
    assert_eq!(client.create_key(&create_key(), &with_key).unwrap().id, ceremony_id());
    let again = client.create_key(&create_key(), &with_key).unwrap();
    assert_eq!(again.state, CeremonyState::Running, "the first ceremony, as it is now");
    let other = api::CreateKey { label: "other".parse().unwrap(), ..create_key() };
    let error = client.create_key(&other, &with_key).unwrap_err();
    assert_eq!(error.problem().unwrap().kind, ProblemKind::IdempotencyConflict);
    let fresh = Start { idempotency_key: Some("k2".to_owned()), ..Start::default() };
    client.create_key(&other, &fresh).unwrap();
    let expected = [
        Request::CreateKey(create_key()),
        Request::CreateKey(create_key()),
        Request::ShowCeremony(ceremony_id()),
        Request::CreateKey(other),
    ];
    assert_eq!(site.asked(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_begins_with_a_snapshot_and_ends_with_the_ceremony() {
    let site = Site::start(starts).await;
    publish(&site, 1, CeremonyState::Proposed);
    let client = site.client();
    let (seen, news) = channel();
    let watching = std::thread::spawn(move || {
        for event in client.events(&ceremony_id()) {
            seen.send(event.unwrap()).unwrap();
        }
    });
    let next = || news.recv_timeout(Duration::from_secs(60)).unwrap();
    let snapshot = next();
    assert_eq!((snapshot.sequence, snapshot.ceremony.state), (1, CeremonyState::Running));
    publish(&site, 2, CeremonyState::Running);
    assert_eq!(next().sequence, 2);
    publish(&site, 3, CeremonyState::Done);
    let last = next();
    assert_eq!((last.sequence, last.ceremony.state), (3, CeremonyState::Done));
    watching.join().unwrap();
    assert!(news.recv().is_err(), "nothing after the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_is_taken_up_where_it_broke_off() {
    let site = Site::start(|_| Reply::Ceremony(ceremony_in(CeremonyState::Done))).await;
    for sequence in 1..=4 {
        publish(&site, sequence, if sequence < 4 { CeremonyState::Running } else { CeremonyState::Done });
    }
    let line = format!("GET /v1/ceremonies/{}/events", ceremony_id());
    let after = |id: &str| site.call(&line, &format!("last-event-id: {id}\r\n"), "");
    let ids = |body: &str| -> Vec<String> {
        body.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect()
    };
    let id = |sequence| site.events.id(sequence);
    let (status, head, body) = after(&id(2));
    assert!(status == 200 && head.contains("text/event-stream"), "{head}");
    assert_eq!(ids(&body), [id(3), id(4)]);
    // Of another process, of the future, or no id at all: a snapshot.
    for strange in ["0000000000000000-2", &id(5), "2", "", "x-y"] {
        assert_eq!(ids(&after(strange).2), [id(4)], "{strange}");
    }
    assert_eq!(after(&id(4)).0, 204, "there is nothing more to come");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fell_out_of_memory_is_a_snapshot() {
    let site = Site::start(|_| Reply::Ceremony(ceremony_in(CeremonyState::Done))).await;
    let many = u64::try_from(api::limits::EVENT_BACKLOG).unwrap() + 10;
    for sequence in 1..=many {
        publish(&site, sequence, if sequence < many { CeremonyState::Running } else { CeremonyState::Done });
    }
    let line = format!("GET /v1/ceremonies/{}/events", ceremony_id());
    let count = |id: u64| {
        let headers = format!("last-event-id: {}\r\n", site.events.id(id));
        site.call(&line, &headers, "").2.matches("id: ").count()
    };
    assert_eq!(count(9), 1);
    assert_eq!(u64::try_from(count(many - 1)).unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_watches_what_is_not_there() {
    let site = Site::start(starts).await;
    let results: Vec<_> = site.client().events(&CeremonyId([8; 32])).collect();
    let [Err(ClientError::Problem(problem))] = &results[..] else { panic!("{results:?}") };
    assert_eq!(problem.kind, ProblemKind::UnknownCeremony);
}
