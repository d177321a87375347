//! What is still to be said to one peer: messages in order, kept until the peer has taken them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::request_response::OutboundRequestId;

use super::frame::{Frame, MAX_BATCH};
use crate::core::wire::{MAX_MESSAGE_BYTES, MAX_STRANGER_BYTES};

/// Most messages kept for one peer. Past it the oldest are dropped: ceremonies have deadlines, so what waited
/// longest is worth least.
pub(super) const MAX_QUEUE: usize = 4096;
/// Most bytes kept for one peer; the newest message is kept in any case.
pub(super) const MAX_QUEUE_BYTES: usize = 64 << 20;
/// How often a connected peer may fail to take one message before it is dropped: the peer refuses it.
const MAX_REFUSALS: u32 = 5;
/// Pause after a failure, doubled with each further one.
const MIN_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(15);

/// The way to one peer.
pub(super) struct Link {
    /// Names this way: the peer remembers how far it has heard it, so one that begins anew needs another name.
    session: u64,
    queue: VecDeque<Arc<Vec<u8>>>,
    bytes: usize,
    /// Number of the message at the front.
    first: u64,
    /// The request under way, and the number after its last message.
    in_flight: Option<(OutboundRequestId, u64)>,
    /// Failures since a message was last taken.
    failures: u32,
    retry_at: Option<Instant>,
}

impl Link {
    /// A way on which nothing has been said, and whose name none has had before.
    pub(super) fn new(session: u64) -> Self {
        Self {
            session,
            queue: VecDeque::new(),
            bytes: 0,
            first: 0,
            in_flight: None,
            failures: 0,
            retry_at: None,
        }
    }

    /// Adds a message at the end; returns how many old ones were dropped for it.
    pub(super) fn push(&mut self, message: Vec<u8>) -> usize {
        self.bytes += message.len();
        self.queue.push_back(Arc::new(message));
        let mut dropped = 0;
        while self.queue.len() > MAX_QUEUE || (self.bytes > MAX_QUEUE_BYTES && self.queue.len() > 1) {
            self.pop();
            dropped += 1;
        }
        dropped
    }

    /// The next batch, if there is one, none is under way, and the pause after a failure is over.
    pub(super) fn next(&self, now: Instant) -> Option<Frame> {
        if self.in_flight.is_some() || self.queue.is_empty() || self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        // After a failure one message at a time, the first batch small: so a message that the peer refuses is
        // found, and a peer to whom this node is a stranger is not asked for more than it allows.
        let most = if self.failures == 0 { MAX_BATCH } else { 1 };
        let mut room = if self.failures == 0 { MAX_MESSAGE_BYTES } else { MAX_STRANGER_BYTES };
        let mut messages = Vec::new();
        for message in self.queue.iter().take(most) {
            if !messages.is_empty() && message.len() > room {
                break;
            }
            room = room.saturating_sub(message.len());
            messages.push(message.clone());
        }
        Some(Frame { session: self.session, first: self.first, messages })
    }

    /// A batch is under way.
    pub(super) fn sent(&mut self, id: OutboundRequestId, frame_first: u64, messages: usize) {
        let count = u64::try_from(messages).unwrap_or(u64::MAX);
        self.in_flight = Some((id, frame_first.saturating_add(count)));
    }

    /// The peer has taken the batch.
    pub(super) fn taken(&mut self, id: OutboundRequestId) {
        let Some((expected, end)) = self.in_flight else { return };
        if expected != id {
            return;
        }
        self.in_flight = None;
        self.failures = 0;
        self.retry_at = None;
        while self.first < end && !self.queue.is_empty() {
            self.pop();
        }
    }

    /// The batch failed. `refused`: the peer is there, but did not take it. Returns whether the message at the
    /// front was given up.
    pub(super) fn failed(&mut self, id: OutboundRequestId, refused: bool, now: Instant) -> bool {
        if self.in_flight.is_none_or(|(expected, _)| expected != id) {
            return false;
        }
        self.in_flight = None;
        if !refused {
            self.retry_at = Some(now + MIN_PAUSE);
            return false;
        }
        self.failures += 1;
        self.retry_at = Some(now + pause(self.failures));
        if self.failures < MAX_REFUSALS {
            return false;
        }
        self.failures = 0;
        self.pop();
        true
    }

    /// Whether all was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn pop(&mut self) {
        if let Some(message) = self.queue.pop_front() {
            self.bytes -= message.len();
            self.first += 1;
        }
    }
}

/// The pause after this many failures in a row.
pub(super) fn pause(failures: u32) -> Duration {
    MIN_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(MAX_PAUSE)
}

/// How many processes of a peer are remembered.
const MAX_PROCESSES: usize = 8;
/// How often an earlier process must speak again until it is certain that there are two.
const RETURNS_OF_TWO: u32 = 2;

/// What was heard of one peer: messages that come a second time are not passed on.
#[derive(Debug, Default)]
pub(super) struct Heard {
    session: u64,
    next: u64,
    /// Sessions of earlier processes of the peer, the latest last.
    before: VecDeque<u64>,
    /// How often an earlier process has spoken again.
    returns: u32,
}

impl Heard {
    /// The messages of a batch that are new, in order.
    pub(super) fn news(&mut self, frame: Frame) -> Vec<Vec<u8>> {
        if frame.session != self.session {
            if self.before.contains(&frame.session) {
                self.returns = self.returns.saturating_add(1);
            } else {
                self.before.push_back(frame.session);
                if self.before.len() > MAX_PROCESSES {
                    self.before.pop_front();
                }
            }
            (self.session, self.next) = (frame.session, 0);
        }
        let known = usize::try_from(self.next.saturating_sub(frame.first)).unwrap_or(usize::MAX);
        let count = u64::try_from(frame.messages.len()).unwrap_or(u64::MAX);
        self.next = self.next.max(frame.first.saturating_add(count));
        frame.messages.into_iter().skip(known).map(Arc::unwrap_or_clone).collect()
    }

    /// Whether a process of the peer says this that was never heard before, but another one was.
    pub(super) fn is_successor(&self, frame: &Frame) -> bool {
        !self.before.is_empty() && !self.before.contains(&frame.session)
    }

    /// Whether two processes speak for the peer: one that was succeeded by another has spoken again, and again. Once
    /// may be a frame that was under way when the peer restarted.
    pub(super) fn is_twice(&self) -> bool {
        self.returns >= RETURNS_OF_TWO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_when_the_queue_is_full() {
        let mut link = Link::new(1);
        for _ in 0..MAX_QUEUE {
            assert_eq!(link.push(vec![1]), 0);
        }
        assert_eq!(link.push(vec![2]), 1);
        let frame = link.next(Instant::now()).unwrap();
        assert_eq!((frame.first, frame.messages.len()), (1, MAX_BATCH));
        assert_eq!(link.push(vec![3; MAX_QUEUE_BYTES + 1]), MAX_QUEUE);
        assert_eq!(link.next(Instant::now()).unwrap().messages[0].len(), MAX_QUEUE_BYTES + 1);
        assert_eq!(link.push(vec![4]), 1);
        let frame = link.next(Instant::now()).unwrap();
        assert_eq!(
            (frame.first, frame.messages),
            (u64::try_from(MAX_QUEUE).unwrap() + 2, vec![Arc::new(vec![4])])
        );
    }

    #[test]
    fn batches_stay_within_one_message_limit() {
        let mut link = Link::new(1);
        for size in [MAX_MESSAGE_BYTES - 1, 1, 1] {
            link.push(vec![0; size]);
        }
        assert_eq!(link.next(Instant::now()).unwrap().messages.len(), 2);
    }

    #[test]
    fn what_comes_twice_is_passed_on_once() {
        let frame = |session, first, bytes: &[u8]| Frame {
            session,
            first,
            messages: bytes.iter().map(|b| Arc::new(vec![*b])).collect(),
        };
        let mut heard = Heard::default();
        assert_eq!(heard.news(frame(5, 0, &[0, 1])), [[0], [1]]);
        assert_eq!(heard.news(frame(5, 1, &[1, 2])), [[2]]);
        assert!(heard.news(frame(5, 0, &[0, 1])).is_empty());
        assert_eq!(heard.news(frame(5, 3, &[3])), [[3]]);
        assert_eq!(heard.news(frame(5, 9, &[9])), [[9]], "dropped at the sender: a gap is no fault");
        assert_eq!(heard.news(frame(6, 0, &[7])), [[7]], "the sender has started anew");
        assert_eq!(heard.news(frame(6, u64::MAX, &[7, 8])), [[7], [8]]);
    }

    #[test]
    fn two_processes_of_one_peer_show() {
        let hear = |sessions: &[u64]| {
            let mut heard = Heard::default();
            for session in sessions {
                heard.news(Frame { session: *session, first: 0, messages: Vec::new() });
            }
            heard.is_twice()
        };
        // Restarts, also one with a frame of the old process that comes late.
        assert!(!hear(&[1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]));
        assert!(!hear(&[1, 2, 1, 2][..3]));
        assert!(hear(&[1, 2, 1, 2]));
        assert!(hear(&[1, 1, 2, 2, 1, 1, 2]));
        assert!(hear(&[1, 2, 3, 1, 3]));
    }
}
