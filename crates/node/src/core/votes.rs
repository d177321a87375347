//! A founder's votes: who shall be a member, and who no more. Each replaces the founder's last one about the same
//! validator by a larger number. The founder's store may be an old copy, so it first asks its peers for its highest
//! number; they answer with its own signed statement, which nobody can invent. Read `roster.rs` first.

use std::collections::{BTreeMap, BTreeSet};

use consign_api as api;

use super::hash::Hash;
use super::joining::{ROSTER_FULL, token_key};
use super::node::{Node, Then};
use super::roster::{Rejected, Says, Signed};
use super::wire::PeerMessage;
use super::{CallId, Level, Output};
use crate::identity::NodeId;
use crate::store::{Table, Write};

/// How long a founder waits for what its peers know of its votes, in milliseconds: a few times the way there and back.
pub const VOTE_WAIT_MS: u64 = 2_000;
/// Most votes that wait at a time, each about another validator.
pub const MAX_VOTES: usize = 100;
/// Most calls that wait for one of them.
const MAX_WAITING: usize = 16;

/// Why a founder votes.
pub(super) enum Cause {
    /// Its operator says so.
    Call(CallId),
    /// A joiner has shown the token with this hash, and what it says of itself.
    Invitation(Hash, Box<Signed>),
}

/// A vote that waits for what the peers know.
pub(super) struct Vote {
    vouch: bool,
    /// Who has not answered.
    asked: BTreeSet<NodeId>,
    until: u64,
    calls: Vec<CallId>,
    invitation: Option<(Hash, Signed)>,
}

/// All of them, by whom they are about.
pub(super) type Votes = BTreeMap<NodeId, Vote>;

/// A vote on its way to the disk.
pub(super) struct Cast {
    subject: NodeId,
    news: Vec<Signed>,
    calls: Vec<CallId>,
    /// Whether the validator waits for an answer, because it has shown an invitation.
    invited: bool,
}

impl Node {
    /// The operator of a founder decides about somebody's membership.
    pub(super) fn decide_membership(&mut self, call: CallId, subject: NodeId, vouch: bool) {
        use api::ProblemKind::{Forbidden, Malformed, TooMany};
        let Some(roster) = self.home.roster().filter(|r| r.is_founder(self.me)) else {
            let text = "Only a founder of the cluster vouches and revokes; ask one of them.";
            return self.refuse(call, Forbidden, text);
        };
        if roster.is_founder(subject) {
            let text = "Founders are members by the charter, whatever is voted: another charter changes who they are.";
            return self.refuse(call, Malformed, text);
        }
        if vouch && !roster.knows(subject) && !roster.has_room() {
            return self.refuse(call, TooMany, ROSTER_FULL);
        }
        self.vote(subject, vouch, Cause::Call(call));
    }

    /// Asks all members for the highest number, and votes when they have answered, or had the time to.
    pub(super) fn vote(&mut self, subject: NodeId, vouch: bool, cause: Cause) {
        let busy = match self.votes.get(&subject) {
            Some(vote) => vote.vouch != vouch || vote.calls.len() >= MAX_WAITING,
            None => self.votes.len() >= MAX_VOTES,
        };
        if busy {
            let text = "Other votes are under way; ask again in a moment.";
            if let Cause::Call(call) = cause {
                self.refuse(call, api::ProblemKind::Busy, text);
            }
            // A joiner shows its token again.
            return;
        }
        let members = self.home.roster().map(|roster| roster.members()).unwrap_or_default();
        let mut asked: BTreeSet<_> = members.into_iter().filter(|id| self.may_be_asked(*id)).collect();
        asked.remove(&subject);
        let is_new = !self.votes.contains_key(&subject);
        if is_new {
            for peer in &asked {
                self.send(*peer, &PeerMessage::AskVote(subject));
            }
        }
        let until = self.now.monotonic.saturating_add(VOTE_WAIT_MS);
        let fresh = || Vote { vouch, asked, until, calls: Vec::new(), invitation: None };
        let vote = self.votes.entry(subject).or_insert_with(fresh);
        match cause {
            Cause::Call(call) => vote.calls.push(call),
            Cause::Invitation(token, announce) => vote.invitation = Some((token, *announce)),
        }
        self.cast_if_due(subject);
    }

    /// Whether a peer is there, is somebody else, and this node's operator has not blocked it.
    pub(super) fn may_be_asked(&self, peer: NodeId) -> bool {
        peer != self.me && self.is_up(peer) && !self.blocked.contains(&peer)
    }

    /// A founder asks for its own last vote about somebody.
    pub(super) fn hear_ask_vote(&mut self, from: NodeId, subject: NodeId) {
        let Some(roster) = self.home.roster() else { return };
        let statement = roster.vote(from, subject).cloned();
        self.send(from, &PeerMessage::Vote { subject, statement });
    }

    /// A peer answers.
    pub(super) fn hear_vote(&mut self, from: NodeId, subject: NodeId, statement: Option<Signed>) {
        let Some(vote) = self.votes.get_mut(&subject) else { return };
        if !vote.asked.remove(&from) {
            return;
        }
        let vouch = vote.vouch;
        if let Some(statement) = statement {
            let mine = statement.statement.author == self.me && statement.statement.is_vote_on(subject);
            if !mine {
                self.dropped(from, "a vote that is not the one asked for");
            } else {
                let (news, _) = self.home.merge(vec![statement]);
                if !news.is_empty() {
                    let text = format!(
                        "peers know a later vote of this founder about {subject}: its store is an older one; \
                         the new vote ({}) follows that",
                        if vouch { "vouch" } else { "revoke" }
                    );
                    self.log(Level::Warn, &text);
                    self.roster_changed(news, None);
                }
            }
        }
        self.cast_if_due(subject);
    }

    pub(super) fn tick_votes(&mut self) {
        for subject in self.votes.keys().copied().collect::<Vec<_>>() {
            self.cast_if_due(subject);
        }
    }

    /// Signs the vote, and stores it before anybody hears of it.
    fn cast_if_due(&mut self, subject: NodeId) {
        let now = self.now.monotonic;
        let due = |vote: &Vote| vote.until <= now || vote.asked.is_empty();
        if !self.votes.get(&subject).is_some_and(due) {
            return;
        }
        let Some(Vote { vouch, calls, invitation, .. }) = self.votes.remove(&subject) else { return };
        let says = if vouch { Says::Vouch(subject) } else { Says::Revoke(subject) };
        let Some(roster) = self.home.roster() else { return };
        let vote = roster.next(self.me, says).map(|statement| statement.sign(&self.identity));
        let mut news: Vec<Signed> = Vec::new();
        if let Some(vote) = vote {
            if let Err(why) = self.home.add(vote.clone()) {
                return self.not_cast(subject, &calls, why);
            }
            news.push(vote);
        }
        let (token, announce) = invitation.unzip();
        let announce = announce.or_else(|| self.joiners.get(&subject).map(|j| j.announce.clone()));
        if let Some(announce) = announce.filter(|_| vouch) {
            news.extend(self.home.merge(vec![announce]).0);
        }
        let mut writes = vec![self.home.statements()];
        writes.extend(token.map(|token| Write::delete(Table::Meta, token_key(&token))));
        let word = if vouch { "vouches for" } else { "revokes" };
        self.log(Level::Info, &format!("this founder {word} {subject}"));
        self.store(writes, Then::Cast(Box::new(Cast { subject, news, calls, invited: token.is_some() })));
    }

    fn not_cast(&mut self, subject: NodeId, calls: &[CallId], why: Rejected) {
        self.log(Level::Warn, &format!("this founder cannot vote about {subject}: {why}"));
        for call in calls {
            self.refuse(*call, api::ProblemKind::TooMany, ROSTER_FULL);
        }
    }

    /// The vote is durable: now everybody may hear of it.
    pub(super) fn cast(&mut self, Cast { subject, news, calls, invited }: Cast) {
        self.tell_roster(news, None);
        if invited {
            self.answer_joiner(subject);
        }
        let Some(view) = self.validator(subject) else { return };
        for call in calls {
            self.out.push(Output::Reply(call, api::Reply::Validator(view.clone())));
        }
    }
}
