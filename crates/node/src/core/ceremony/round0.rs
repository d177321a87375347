//! Round 0 at the proposer: ask everybody, gather the accepts, start (`docs/spec/params.md`, section 1.6). Read
//! `accepting.rs` next: what a participant does.

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_api as api;

use super::super::approvals::WAITS;
use super::super::asked::request_id;
use super::super::hash::Hash;
use super::super::node::Node;
use super::super::proposal::{Accept, Proposal, Refusal};
use super::super::stories::wanted_of;
use super::super::views::api_id;
use super::super::wire::PeerMessage;
use super::inbox::Inbox;
use super::reports::REPORT_MS;
use super::{Ceremony, End, Gathering, NO_PLACE, Part};
use crate::identity::NodeId;

/// How long a participant may say nothing to a proposal, in milliseconds.
const ANSWER_MS: u64 = 15_000;
/// How long others are heard after one has said that it waits for its operator, in milliseconds.
const AWAIT_MS: u64 = 2_000;
/// An accept older than this is asked for anew before the start, in milliseconds: well within its lifetime, so that
/// it does not lapse on the way.
const ACCEPT_FRESH_MS: u64 = 6_000;

impl Node {
    /// Asks everybody to take part.
    pub(in super::super) fn propose(&mut self, proposal: Proposal) -> Hash {
        self.propose_for(proposal, None)
    }

    /// The same for a request that a peer has passed on.
    pub(in super::super) fn propose_for(&mut self, proposal: Proposal, passed_by: Option<NodeId>) -> Hash {
        let hash = proposal.hash();
        let request = request_id(&proposal.cluster, &proposal.request);
        let me = proposal.index_of(self.me);
        // Whose operator had to be asked before is asked first, and nobody else until that one agrees.
        let task = self.tasks.get(&request);
        let all = proposal.participants.iter().map(|p| p.id);
        let (mut asked, mut later): (Vec<_>, Vec<_>) =
            all.partition(|id| task.is_some_and(|task| task.asks_first(*id)));
        if asked.is_empty() {
            std::mem::swap(&mut asked, &mut later);
        }
        let heard = asked.iter().filter(|id| **id != self.me).map(|id| (*id, self.now.monotonic)).collect();
        let message = PeerMessage::Propose(Box::new(proposal.clone()));
        let ceremony = Ceremony {
            // What cannot run lets in no message; the participants refuse it.
            sizes: self.sizes_of(&proposal).unwrap_or_default(),
            oversized: BTreeMap::new(),
            proposal: Arc::new(proposal),
            request,
            me,
            since: self.now.monotonic,
            gathering: Some(Gathering {
                accepts: BTreeMap::new(),
                heard,
                awaiting: BTreeMap::new(),
                awaiting_since: 0,
                later,
            }),
            part: Part::Watching { until: None, made: BTreeMap::new() },
            primes: None,
            spent: None,
            inbox: Inbox::default(),
            passed_by,
            finished: false,
            ended: None,
        };
        let (proposal, wanted) = (Arc::clone(&ceremony.proposal), wanted_of(&ceremony.proposal));
        self.ceremonies.insert(hash, ceremony);
        self.tell_proposal(request, &proposal, &wanted);
        let own = self.me;
        for peer in asked.iter().filter(|id| **id != own) {
            self.send(*peer, &message);
        }
        if asked.contains(&self.me) {
            self.ask_oneself(hash, &proposal);
        }
        self.tell_standing(hash);
        hash
    }

    /// The proposer is a participant like any other.
    fn ask_oneself(&mut self, hash: Hash, proposal: &Proposal) {
        match self.examine(proposal) {
            Ok(_) => {
                self.clear_way(proposal);
                self.take_turn(proposal);
                self.take_part(hash);
            }
            Err(reason) => {
                self.remember_waiting(proposal, &reason);
                if reason.starts_with(WAITS) {
                    return self.awaits(hash, self.me, reason);
                }
                self.end(hash, End::failed(api::ProblemKind::Refused, reason, [self.me]));
            }
        }
    }

    /// Those who were asked first have accepted: now the others are asked.
    fn ask_later(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let proposal = Arc::clone(&ceremony.proposal);
        let Some(gathering) = &mut ceremony.gathering else { return };
        let accepted = gathering.accepts.len();
        if gathering.later.is_empty() || accepted + gathering.later.len() < proposal.participants.len() {
            return;
        }
        let later = std::mem::take(&mut gathering.later);
        let others: Vec<_> = later.iter().copied().filter(|id| *id != self.me).collect();
        gathering.heard.extend(others.iter().map(|id| (*id, now)));
        for peer in others {
            self.send(peer, &PeerMessage::Propose(Box::new((*proposal).clone())));
        }
        if later.contains(&self.me) {
            self.ask_oneself(hash, &proposal);
        }
    }

    /// A participant waits for its operator. What the others say is heard too, for a moment, so that the client learns of all
    /// operators at once.
    fn awaits(&mut self, hash: Hash, who: NodeId, reason: String) {
        let now = self.now.monotonic;
        let gathering = self.ceremonies.get_mut(&hash).and_then(|c| c.gathering.as_mut());
        let Some(gathering) = gathering else { return };
        if gathering.awaiting.is_empty() {
            gathering.awaiting_since = now;
        }
        gathering.awaiting.insert(who, reason);
        self.settle_awaiting(hash);
    }

    fn settle_awaiting(&mut self, hash: Hash) {
        let (now, me) = (self.now.monotonic, self.me);
        let Some(ceremony) = self.ceremonies.get(&hash).filter(|c| !c.is_over()) else { return };
        let Some(gathering) = ceremony.gathering.as_ref().filter(|g| !g.awaiting.is_empty()) else { return };
        let answers = gathering.accepts.len() + gathering.awaiting.len() + gathering.later.len();
        let late = now.saturating_sub(gathering.awaiting_since) >= AWAIT_MS;
        if answers < ceremony.proposal.participants.len() && !late {
            return;
        }
        let say = |(id, reason): (&NodeId, &String)| match *id == me {
            true => format!("{reason}."),
            false => format!("{id} refuses: {reason}."),
        };
        let text = gathering.awaiting.iter().map(say).collect::<Vec<_>>().join(" ");
        let named: Vec<_> = gathering.awaiting.keys().copied().collect();
        let problem =
            api::Problem::new(api::ProblemKind::Refused, text).naming(named.iter().copied().map(api_id));
        self.end(hash, End::Failed { problem, demote: named, waits: true });
    }

    pub(in super::super) fn hear_preparing(&mut self, from: NodeId, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else {
            return self.send(from, &PeerMessage::Lost { ceremony: hash });
        };
        // Only where primes are needed may a participant take its time.
        if ceremony.proposal.needs_primes()
            && let Some(heard) = ceremony.gathering.as_mut().and_then(|g| g.heard.get_mut(&from))
        {
            *heard = now;
        }
    }

    pub(in super::super) fn hear_accept(&mut self, from: NodeId, accept: Accept) {
        let now = self.now.monotonic;
        let hash = accept.proposal;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let theirs = ceremony.index_of(from) == Some(accept.index);
        let Some(gathering) = &mut ceremony.gathering else { return };
        if !theirs || !accept.is_valid_for(&ceremony.proposal, hash) {
            return self.dropped(from, "an accept that is not valid");
        }
        gathering.accepts.insert(accept.index, (accept, now));
        gathering.awaiting.remove(&from);
        self.tell_standing(hash);
        self.settle_awaiting(hash);
        self.ask_later(hash);
        self.try_start(hash);
    }

    pub(in super::super) fn hear_refusal(&mut self, from: NodeId, refusal: &Refusal) {
        let hash = refusal.proposal;
        let Some(ceremony) = self.ceremonies.get(&hash).filter(|c| c.gathering.is_some()) else { return };
        let theirs = ceremony.index_of(from) == Some(refusal.index);
        if !theirs || !refusal.is_valid_for(&ceremony.proposal, hash) {
            return self.dropped(from, "a refusal that is not valid");
        }
        let reason: String = refusal.reason.chars().filter(|c| !c.is_control()).collect();
        if reason.starts_with(WAITS) {
            return self.awaits(hash, from, reason);
        }
        let text = format!("{from} refuses: {reason}.");
        if reason == NO_PLACE {
            // Of its presignatures nothing is said.
            let problem = api::Problem::new(api::ProblemKind::Busy, text).naming([api_id(from)]);
            let problem = problem.retry_after(1);
            return self.end(hash, End::Failed { problem, demote: Vec::new(), waits: false });
        }
        self.end_unwanted(hash, End::failed(api::ProblemKind::Refused, text, [from]));
    }

    /// Starts when everybody has accepted lately.
    fn try_start(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let proposal = Arc::clone(&ceremony.proposal);
        let Some(gathering) = &mut ceremony.gathering else { return };
        if gathering.accepts.len() < proposal.participants.len() {
            return;
        }
        let stale: Vec<u16> = gathering
            .accepts
            .iter()
            .filter(|(_, (_, at))| now.saturating_sub(*at) >= ACCEPT_FRESH_MS)
            .map(|(index, _)| *index)
            .collect();
        if stale.is_empty() {
            let accepts: Vec<_> = gathering.accepts.values().map(|(accept, _)| accept.clone()).collect();
            ceremony.gathering = None;
            if let Part::Watching { until, .. } = &mut ceremony.part {
                let longest = u64::from(proposal.deadline_ms).saturating_add(REPORT_MS);
                *until = Some(now.saturating_add(longest));
            }
            let message = PeerMessage::Start { proposal: hash, accepts: accepts.clone() };
            for peer in proposal.others(self.me).collect::<Vec<_>>() {
                self.send(peer, &message);
            }
            self.hear_start(self.me, hash, accepts);
            return;
        }
        for index in &stale {
            gathering.accepts.remove(index);
        }
        let ids: Vec<_> = stale.iter().filter_map(|i| proposal.identity_of(*i)).collect();
        for id in &ids {
            gathering.heard.insert(*id, now);
        }
        for id in ids {
            if id == self.me {
                self.asked_again(hash);
            } else {
                self.send(id, &PeerMessage::Propose(Box::new((*proposal).clone())));
            }
        }
    }

    pub(super) fn tick_gathering(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get(&hash).filter(|c| !c.is_over()) else { return };
        let Some(gathering) = &ceremony.gathering else { return };
        if !gathering.awaiting.is_empty() {
            return self.settle_awaiting(hash);
        }
        let silent: Vec<_> = gathering
            .heard
            .iter()
            .filter(|(id, at)| {
                let index = ceremony.index_of(**id);
                let accepted = index.is_some_and(|i| gathering.accepts.contains_key(&i));
                !accepted && now.saturating_sub(**at) >= ANSWER_MS
            })
            .map(|(id, _)| *id)
            .collect();
        if !silent.is_empty() {
            let text =
                "Participants did not answer the proposal in time; see that they run and are connected.";
            self.end_unwanted(hash, End::failed(api::ProblemKind::DeadlinePassed, text, silent));
        }
    }

    /// A signing does not wait for a holder that is gone before it has accepted: others can sign.
    pub(in super::super) fn lost(&mut self, peer: NodeId) {
        let waits = |c: &Ceremony| {
            let asked = c.gathering.as_ref().filter(|_| c.proposal.is_signing());
            let index = c.index_of(peer);
            !c.is_over() && index.is_some_and(|i| asked.is_some_and(|g| !g.accepts.contains_key(&i)))
        };
        let hit: Vec<_> = self.ceremonies.iter().filter(|(_, c)| waits(c)).map(|(h, _)| *h).collect();
        for hash in hit {
            let text = "A signer lost its connection before it accepted.";
            self.end(hash, End::failed(api::ProblemKind::TooFewSigners, text, [peer]));
        }
    }
}
