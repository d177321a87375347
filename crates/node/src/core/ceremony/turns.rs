//! Whose turn it is to change a key. One change is taken at a time, the first to come; but a proposer that does not
//! start what it has proposed gives way to others after a while, and does not get that while again by proposing anew.
//!
//! Two honest proposers do not push each other out forever: each has its time undisturbed, which is far more than it
//! takes to start, and a refused one comes back after a random pause (`tasks.rs`).

use std::sync::Arc;

use consign_api as api;

use super::super::hash::Hash;
use super::super::node::Node;
use super::super::proposal::Proposal;
use super::{Ceremony, End};
use crate::identity::NodeId;

/// How long a proposer may keep a key to itself without starting, in milliseconds: a few times the way to everybody and
/// back, and less than another proposer goes on trying.
pub const TURN_MS: u64 = 2_000;
/// The same where participants may have to find primes first.
pub const TURN_WITH_PRIMES_MS: u64 = 5 * 60 * 1000;
/// After this time a proposer that did not start has its turn anew, in milliseconds.
const FORGIVEN_MS: u64 = 2 * TURN_WITH_PRIMES_MS;

/// Who proposed the last change of a key that this node took part in.
pub(in super::super) struct Turn {
    proposer: NodeId,
    /// Since when, on the monotonic clock: its first proposal after somebody else's, or after a change that succeeded.
    since: u64,
}

impl Node {
    /// This node takes part in a change: its proposer's turn begins, if it has not begun.
    pub(super) fn take_turn(&mut self, proposal: &Proposal) {
        let Some(key) = proposal.key.filter(|_| proposal.is_change()) else { return };
        let now = self.now.monotonic;
        let goes_on = self.turns.get(&key).is_some_and(|turn| {
            turn.proposer == proposal.proposer && now.saturating_sub(turn.since) < FORGIVEN_MS
        });
        if !goes_on {
            self.turns.insert(key, Turn { proposer: proposal.proposer, since: now });
        }
    }

    /// A change of the key has succeeded.
    pub(in super::super) fn end_turn(&mut self, key: Hash) {
        self.turns.remove(&key);
    }

    /// Whether a change that this node takes part in, of the same key, gives way to what another proposer wants.
    pub(super) fn gives_way(&self, held: &Ceremony, proposal: &Proposal) -> bool {
        if held.proposal.proposer == proposal.proposer || held.is_running() {
            return false;
        }
        let patience = if held.proposal.needs_primes() { TURN_WITH_PRIMES_MS } else { TURN_MS };
        let turn = proposal.key.and_then(|key| self.turns.get(&key));
        turn.is_some_and(|turn| {
            turn.proposer == held.proposal.proposer
                && self.now.monotonic.saturating_sub(turn.since) >= patience
        })
    }

    /// Whatever gives way to this proposal, which was examined and found good, ends.
    pub(super) fn clear_way(&mut self, proposal: &Proposal) {
        if !proposal.is_change() {
            return;
        }
        let hash = proposal.hash();
        let gives = |(id, c): &(&Hash, &Ceremony)| {
            let same = c.proposal.is_change() && c.proposal.key == proposal.key;
            **id != hash && same && !c.is_over() && self.gives_way(c, proposal)
        };
        let hit: Vec<_> = self.ceremonies.iter().filter(gives).map(|(id, _)| *id).collect();
        for hash in hit {
            let Some(held) = self.ceremonies.get(&hash).map(|c| Arc::clone(&c.proposal)) else { continue };
            let text = "Another proposer had waited long enough for a change of the key; ask again.";
            self.end(hash, End::failed(api::ProblemKind::Refused, text, []));
            if held.proposer != self.me {
                self.answer_no(held.proposer, &held, "another proposer had waited long enough for the key");
            }
        }
    }
}
