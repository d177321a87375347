//! `GET /v1/ceremonies/{id}/events`: first the ceremony as it is, then every change, until it is over.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use consign_api as api;
use consign_api::limits::EVENT_HEARTBEAT_S;
use consign_api::{CeremonyId, Problem, ProblemKind, Request};
use libp2p::futures::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::asker::Asker;
use super::calls::{Answered, Id, id, view_of};
use super::{body, stopped};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) async fn events(shared: Asker, path: Id, headers: HeaderMap) -> Answered {
    let ceremony: CeremonyId = id(path)?;
    let Ok(permit) = shared.streams.clone().try_acquire_owned() else {
        let detail = "The node serves all the streams of events it may serve at a time; try again.";
        return Err(Problem::new(ProblemKind::Busy, detail).retry_after(1).into());
    };
    // Before the snapshot, so that no change between the two is missed.
    let changes = shared.events.watch();
    let answer = shared.ask(Request::ShowCeremony(ceremony)).await?;
    let sequence = answer.sequence;
    let view = view_of(answer.reply)?;
    let is_over = view.state.is_over();
    let missed =
        body::text(&headers, &LAST_EVENT_ID).and_then(|last| shared.events.missed(last, &ceremony, sequence));
    let first = match missed {
        // The client has seen the end already: "no content" tells it to stop asking.
        Some(missed) if missed.is_empty() && is_over => return Ok(StatusCode::NO_CONTENT.into_response()),
        Some(missed) => missed.into(),
        None => VecDeque::from([Arc::new(api::Event { sequence, ceremony: view })]),
    };
    let watcher = Watcher { shared, ceremony, first, changes, sequence, over: false, _permit: permit };
    let alive = KeepAlive::new().interval(Duration::from_secs(EVENT_HEARTBEAT_S));
    let mut response = Sse::new(watcher.stream()).keep_alive(alive).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One client that watches one ceremony.
struct Watcher {
    shared: Asker,
    ceremony: CeremonyId,
    /// What is sent before any change.
    first: VecDeque<Arc<api::Event>>,
    changes: Receiver<Arc<api::Event>>,
    /// Changes up to this one are contained in what was sent.
    sequence: u64,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    fn stream(self) -> impl Stream<Item = Result<Sent, Infallible>> {
        stream::unfold(self, |mut watcher| async move {
            let event = watcher.next().await?;
            watcher.sequence = watcher.sequence.max(event.sequence);
            watcher.over = event.ceremony.state.is_over();
            let id = watcher.shared.events.id(event.sequence);
            let data = serde_json::to_string(&*event).expect("invariant: plain data always encodes");
            Some((Ok(Sent::default().id(id).event("ceremony").data(data)), watcher))
        })
    }

    /// The next thing to send; nothing when the ceremony is over or the node stops.
    async fn next(&mut self) -> Option<Arc<api::Event>> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        while !self.over {
            let change = tokio::select! {
                () = stopped(self.shared.stopping.clone()) => return None,
                change = self.changes.recv() => change,
            };
            match change {
                Ok(event) if event.sequence > self.sequence && event.ceremony.id == self.ceremony => {
                    return Some(event);
                }
                Ok(_) => {}
                // Too slow: what was missed is contained in the ceremony as it is now.
                Err(RecvError::Lagged(_)) => {
                    let answer = self.shared.ask(Request::ShowCeremony(self.ceremony)).await.ok()?;
                    let view = view_of(answer.reply).ok()?;
                    return Some(Arc::new(api::Event { sequence: answer.sequence, ceremony: view }));
                }
                Err(RecvError::Closed) => return None,
            }
        }
        None
    }
}
