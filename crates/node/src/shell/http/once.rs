//! `Idempotency-Key`: one key, one body, one answer.
//!
//! Kept in memory for a day, so a restart forgets it: the same call after a restart is a new request and runs again. A
//! full table answers 429 and forgets nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use consign_api::limits::MAX_IDEMPOTENCY_KEY_BYTES;
use consign_api::{CeremonyId, CharterView, MessageView, Problem, ProblemKind};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

/// Most keys that are remembered.
const MAX_KEYS: usize = 16 * 1024;
/// For how long a key is remembered.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What a call with a key led to.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// A ceremony, however it went.
    Ceremony(CeremonyId),
    /// A message, as it was when it was sent.
    Message(Box<MessageView>),
    /// The charter in force, when the next one was proposed.
    Charter(Box<CharterView>),
}

/// The place of one key's outcome: empty while the first call is under way, or after it failed.
pub(super) type Place = Arc<OnceCell<Outcome>>;

struct Entry {
    content: [u8; 32],
    since: Instant,
    place: Place,
}

/// The keys seen.
#[derive(Default)]
pub(super) struct Once(Mutex<HashMap<String, Entry>>);

impl Once {
    /// The place of a request's outcome: its own if it names no key, that of the first request if it names one.
    pub(super) fn place(&self, headers: &HeaderMap, path: &str, body: &[u8]) -> Result<Place, Problem> {
        let mut named = headers.get_all("idempotency-key").iter();
        let Some(key) = named.next() else { return Ok(Place::default()) };
        let key = key.to_str().ok().filter(|k| {
            (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&k.len()) && k.bytes().all(|b| b.is_ascii_graphic())
        });
        let (Some(key), None) = (key, named.next()) else {
            let detail =
                format!("An Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters.");
            return Err(Problem::new(ProblemKind::Malformed, detail));
        };
        self.enter(key, content(path, body), Instant::now())
    }

    fn enter(&self, key: &str, content: [u8; 32], now: Instant) -> Result<Place, Problem> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(key).filter(|e| now.duration_since(e.since) < KEPT) {
            if entry.content == content {
                return Ok(entry.place.clone());
            }
            let detail = "This Idempotency-Key was used for another request; take a new one.";
            return Err(Problem::new(ProblemKind::IdempotencyConflict, detail));
        }
        if entries.len() >= MAX_KEYS {
            entries.retain(|_, e| now.duration_since(e.since) < KEPT);
        }
        if entries.len() >= MAX_KEYS {
            let detail = "Too many Idempotency-Keys within a day; try again later.";
            return Err(Problem::new(ProblemKind::TooMany, detail).retry_after(60));
        }
        let place = Place::default();
        entries.insert(key.to_owned(), Entry { content, since: now, place: place.clone() });
        Ok(place)
    }
}

/// What a key stands for. All calls with a key are POSTs.
fn content(path: &str, body: &[u8]) -> [u8; 32] {
    let length = u64::try_from(path.len()).unwrap_or(u64::MAX);
    Sha256::new().chain_update(length.to_be_bytes()).chain_update(path).chain_update(body).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_forgets_nothing_until_a_day_is_over() {
        let once = Once::default();
        let now = Instant::now();
        for number in 0..MAX_KEYS {
            once.enter(&number.to_string(), [0; 32], now).unwrap();
        }
        let problem = once.enter("more", [0; 32], now).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::TooMany);
        let first = once.enter("0", [0; 32], now).unwrap();
        assert_eq!(Arc::strong_count(&first), 2);
        assert_eq!(once.enter("0", [1; 32], now).unwrap_err().kind, ProblemKind::IdempotencyConflict);
        once.enter("more", [0; 32], now + KEPT).unwrap();
        once.enter("0", [1; 32], now + KEPT).unwrap();
    }

    #[test]
    fn path_and_body_are_kept_apart() {
        assert_ne!(content("/a", b"bc"), content("/ab", b"c"));
    }
}
