//! How far the clocks of connected peers are from this one: for people, who set them right. Nothing else depends on it.
//! Each is asked on connect and from time to time, and what comes back late says nothing.

use super::node::Node;
use super::wire::PeerMessage;
use crate::identity::NodeId;

/// How often each connected member is asked, in milliseconds.
pub const ASK_MS: u64 = 60_000;
/// Longest time between question and answer of which anything can be said, in milliseconds.
pub const MAX_ROUND_TRIP_MS: u64 = 10_000;

impl Node {
    pub(super) fn tick_clocks(&mut self) {
        let now = self.now.monotonic;
        if now < self.next_clocks {
            return;
        }
        self.next_clocks = now.saturating_add(ASK_MS);
        let up: Vec<_> = self.peers.iter().filter(|(_, presence)| presence.up).map(|(id, _)| *id).collect();
        for peer in up {
            self.ask_clock(peer);
        }
    }

    /// What time is it there?
    pub(super) fn ask_clock(&mut self, peer: NodeId) {
        if self.is_member(peer) {
            self.send(peer, &PeerMessage::AskClock(self.now.monotonic));
        }
    }

    /// A peer asks what time it is here. `asked` is its own affair.
    pub(super) fn hear_ask_clock(&mut self, from: NodeId, asked: u64) {
        self.send(from, &PeerMessage::Clock { asked, unix: self.now.unix });
    }

    /// The time there, when this node had asked at that time of its own clock.
    pub(super) fn hear_clock(&mut self, from: NodeId, asked: u64, unix: u64) {
        let Some(took) = self.now.monotonic.checked_sub(asked).filter(|ms| *ms <= MAX_ROUND_TRIP_MS) else {
            return;
        };
        let theirs = i64::try_from(unix.saturating_add(took / 2 / 1000)).unwrap_or(i64::MAX);
        let ours = i64::try_from(self.now.unix).unwrap_or(i64::MAX);
        self.peers.entry(from).or_default().clock_offset_s = Some(theirs.saturating_sub(ours));
    }
}
