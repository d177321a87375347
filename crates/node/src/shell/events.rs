//! Changes of ceremonies, for whoever watches: the newest are kept, so that a watcher can take up where it broke off.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use consign_api as api;
use consign_api::CeremonyId;
use consign_api::limits::EVENT_BACKLOG;
use tokio::sync::broadcast;

/// The events of this process.
pub(crate) struct Events {
    /// Marks this process: event numbers start anew with each.
    boot: String,
    recent: Mutex<Recent>,
    sender: broadcast::Sender<Arc<api::Event>>,
}

#[derive(Default)]
struct Recent {
    events: VecDeque<Arc<api::Event>>,
    last: u64,
}

impl Events {
    /// No events yet; `boot` is random.
    pub(crate) fn new(boot: [u8; 8]) -> Events {
        let (sender, _) = broadcast::channel(EVENT_BACKLOG);
        Events { boot: hex::encode(boot), recent: Mutex::default(), sender }
    }

    /// Tells whoever watches.
    pub(crate) fn publish(&self, event: api::Event) {
        let event = Arc::new(event);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.last = event.sequence;
        recent.events.push_back(event.clone());
        if recent.events.len() > EVENT_BACKLOG {
            recent.events.pop_front();
        }
        // Under the lock, so that events go out in their order. Nobody may be watching.
        let _ = self.sender.send(event);
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// All events from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Arc<api::Event>> {
        self.sender.subscribe()
    }

    /// The id of an event, for `Last-Event-ID`.
    pub(crate) fn id(&self, sequence: u64) -> String {
        format!("{}-{sequence}", self.boot)
    }

    /// The events about a ceremony after the one with this id, up to number `until`; nothing if the id is of another
    /// process, or too old.
    pub(crate) fn missed(&self, id: &str, ceremony: &CeremonyId, until: u64) -> Option<Vec<Arc<api::Event>>> {
        let (boot, sequence) = id.split_once('-')?;
        let after: u64 = sequence.parse().ok()?;
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if boot != self.boot || after > recent.last {
            return None;
        }
        let oldest = recent.events.front().map_or(recent.last, |event| event.sequence);
        if after.saturating_add(1) < oldest {
            return None;
        }
        let wanted =
            |e: &&Arc<api::Event>| e.sequence > after && e.sequence <= until && e.ceremony.id == *ceremony;
        Some(recent.events.iter().filter(wanted).cloned().collect())
    }
}
