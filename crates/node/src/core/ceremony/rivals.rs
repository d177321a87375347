//! One try of a request at a time (exact rules, 11.2). A client may bring one request to several nodes at once, and each of
//! them proposes. A participant takes part in one try at a time, so one signature comes of it: proposals of other tries
//! wait until that one is over, and are then answered with what has come of it.
//!
//! What has not started is given up for another try where both would wait for each other: the one with the smaller hash goes
//! first at every node. That is safe, since before the start nobody has said anything that makes a signature. An own try is
//! given up once for each other proposer, and whoever made it wait for nothing is asked last: nobody stops a request by
//! proposing it again and again.

use std::sync::Arc;

use super::super::Level;
use super::super::asked::request_id;
use super::super::hash::Hash;
use super::super::node::Node;
use super::super::proposal::Proposal;
use super::super::wire::PeerMessage;
use super::{Ceremony, MAX_RUNNING, MAX_RUNNING_OF_ONE, NO_PLACE};
use crate::identity::NodeId;

/// How long a try of another node may go without its start before one with a smaller hash takes its place, in milliseconds;
/// after twice that time any other one does. Far more than a start takes.
const UNSTARTED_MS: u64 = 3_000;
/// How long a proposal waits at most, in milliseconds: less than its proposer waits for an answer.
const HELD_MS: u64 = 12_000;
/// Most proposals that wait. Each is of a request that has a try under way here.
const MAX_HELD: usize = MAX_RUNNING;
/// Most of them of one proposer.
const MAX_HELD_OF_ONE: usize = MAX_RUNNING_OF_ONE;
/// How long a task whose own try was given up for another node's leaves that one alone, in milliseconds; longer while it is
/// under way here.
const YIELDED_MS: u64 = 2_000;

/// A proposal that waits for the end of another try.
pub(in super::super) struct Held {
    from: NodeId,
    request: Hash,
    hash: Hash,
    proposal: Proposal,
    until: u64,
}

/// What a proposal finds of the tries of its request.
enum Way {
    /// None is under way.
    Free,
    /// This one ends for it.
    GivenUp(Hash),
    /// It has to wait.
    Taken,
}

impl Node {
    /// The try of this request that this node takes part in now, if any.
    pub(in super::super) fn try_under_way(&self, request: Hash) -> Option<(Hash, &Ceremony)> {
        let mut tries = self.ceremonies.iter();
        let found = tries
            .find(|(_, c)| c.request == request && c.me.is_some() && c.proposal.is_signing() && !c.is_over());
        found.map(|(hash, ceremony)| (*hash, ceremony))
    }

    /// What a try of this request by this proposer finds here.
    fn way(&self, from: NodeId, request: Hash, hash: Hash) -> Way {
        let Some((other, ceremony)) = self.try_under_way(request) else { return Way::Free };
        let age = self.now.monotonic.saturating_sub(ceremony.since);
        let first = if ceremony.is_running() {
            false
        } else if ceremony.proposal.proposer == self.me {
            // Whoever grinds for a small hash stops nobody twice.
            hash < other && self.tasks.get(&request).is_none_or(|task| task.may_yield(from))
        } else {
            age >= 2 * UNSTARTED_MS || (age >= UNSTARTED_MS && hash < other)
        };
        if first { Way::GivenUp(other) } else { Way::Taken }
    }

    /// Makes way for an examined proposal of a signature. False: it waits now, or was refused.
    pub(super) fn makes_way(&mut self, from: NodeId, proposal: &Proposal) -> bool {
        if !proposal.is_signing() {
            return true;
        }
        let (request, hash) = (request_id(&proposal.cluster, &proposal.request), proposal.hash());
        match self.way(from, request, hash) {
            Way::Free => true,
            Way::GivenUp(other) => {
                self.withdraw(other, from);
                true
            }
            Way::Taken => {
                self.hold(Held { from, request, hash, proposal: proposal.clone(), until: 0 });
                false
            }
        }
    }

    /// Whether an own try has to wait for another node's. What does not start is given up after a while, and its proposer
    /// asked last from then on. That time is counted over all such tries, so that nobody prolongs it by one after the other.
    pub(in super::super) fn waits_for_another(&mut self, request: Hash) -> bool {
        let now = self.now.monotonic;
        let Some((hash, ceremony)) = self.try_under_way(request) else { return false };
        if ceremony.is_running() || ceremony.proposal.proposer == self.me {
            return true;
        }
        let Some(task) = self.tasks.get_mut(&request) else { return true };
        if task.waits_for_start(now) < 2 * UNSTARTED_MS {
            return true;
        }
        self.withdraw(hash, self.me);
        false
    }

    /// A try that has not started ends here, for one of this node.
    fn withdraw(&mut self, hash: Hash, to: NodeId) {
        let Some(ceremony) = self.ceremonies.remove(&hash) else { return };
        self.log(Level::Debug, &format!("the try {hash} gives way to another one of its request"));
        let proposal = Arc::clone(&ceremony.proposal);
        let task = self.tasks.get_mut(&ceremony.request);
        // Of another node's try nothing is said: if it starts after all, it hears that it is lost.
        if proposal.proposer != self.me {
            return task.map_or((), |task| task.demote(proposal.proposer));
        }
        let due = self.now.monotonic.saturating_add(YIELDED_MS);
        if let Some(task) = task {
            task.yields(to, due);
        }
        for peer in proposal.others(self.me) {
            self.send(peer, &PeerMessage::Lost { ceremony: hash });
        }
    }

    fn hold(&mut self, held: Held) {
        if self.held.iter().any(|other| other.hash == held.hash) {
            return;
        }
        // A proposer has one try of a request at a time: another one takes the place of the first.
        let before = self.held.iter().position(|h| (h.from, h.request) == (held.from, held.request));
        if let Some(before) = before {
            let before = self.held.swap_remove(before);
            self.answer_no(before.from, &before.proposal, NO_PLACE);
        }
        let theirs = self.held.iter().filter(|other| other.from == held.from).count();
        if self.held.len() >= MAX_HELD || theirs >= MAX_HELD_OF_ONE {
            return self.answer_no(held.from, &held.proposal, NO_PLACE);
        }
        let until = self.now.monotonic.saturating_add(HELD_MS);
        self.held.push(Held { until, ..held });
    }

    /// Its proposer has given it up.
    pub(super) fn forget_held(&mut self, from: NodeId, hash: Hash) {
        self.held.retain(|held| (held.from, held.hash) != (from, hash));
    }

    /// A try of this request is over: what waits for it is looked at.
    pub(super) fn release_held(&mut self, request: Hash) {
        self.look_at_held(|held| held.request == request);
    }

    /// What has waited too long is refused, and the rest looked at again if its turn has come.
    pub(super) fn tick_held(&mut self) {
        let now = self.now.monotonic;
        let (late, held): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.held).into_iter().partition(|held| held.until <= now);
        self.held = held;
        for held in late {
            self.answer_no(held.from, &held.proposal, NO_PLACE);
        }
        self.look_at_held(|_| true);
    }

    /// Looks at those of these that need wait no more. To examine a long proposal takes time, to find its turn takes none.
    fn look_at_held(&mut self, which: impl Fn(&Held) -> bool) {
        let (taken, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held).into_iter().partition(which);
        self.held = held;
        for held in taken {
            if matches!(self.way(held.from, held.request, held.hash), Way::Taken) {
                self.held.push(held);
                continue;
            }
            let Held { from, hash, proposal, until, .. } = held;
            self.weigh(from, proposal);
            // It may have to wait on, but no longer than was said.
            if let Some(again) = self.held.iter_mut().find(|held| held.hash == hash) {
                again.until = until;
            }
        }
    }
}
