//! Who waits to be let in: nodes that know the cluster id and one address, and ask there. A member that is asked tells
//! the founders, and whoever runs one of them vouches or does not. To ask is all that a stranger can do, and few are
//! remembered at a time, in memory, for a while. Read `joining.rs` for the side of the joiner.

use std::collections::BTreeMap;

use consign_api as api;

use super::Level;
use super::node::Node;
use super::roster::{Says, Signed};
use super::views::api_id;
use super::wire::PeerMessage;
use crate::identity::{ClusterId, NodeId};

/// Most joiners that are remembered.
pub const MAX_JOINERS: usize = 64;
/// Most of them that asked this node itself, or that one member told of.
pub const MAX_JOINERS_OF_ONE: usize = 16;
/// How long one is remembered after it asked, in milliseconds: longer than the longest pause between two questions.
pub const JOINER_KEPT_MS: u64 = 15 * 60 * 1000;

/// A node that waits to be let in.
pub(super) struct Joiner {
    /// What it says of itself, signed.
    pub(super) announce: Signed,
    /// Whom it asked: this node, or the member that told of it.
    by: NodeId,
    until: u64,
}

/// All of them.
pub(super) type Joiners = BTreeMap<NodeId, Joiner>;

impl Node {
    /// Somebody asks to be let in, without an invitation.
    pub(super) fn hear_ask_in(&mut self, from: NodeId, cluster: ClusterId, announce: Signed) {
        let Some(roster) = self.home.roster() else {
            return self.turn_away(from, "this node is not in a cluster yet");
        };
        if cluster != roster.cluster() {
            return self.turn_away(from, "the address belongs to another cluster");
        }
        if roster.is_member(from) {
            return self.welcome(from);
        }
        if announce.statement.author != from || !announce.is_record_in(&cluster) {
            return self.dropped(from, "a joiner that does not say who it is");
        }
        if !self.await_vouch(self.me, announce.clone()) {
            return self
                .turn_away(from, "as many nodes wait to be let in as may; ask later, or for an invitation");
        }
        let founders: Vec<_> = self.other_founders();
        for founder in founders {
            self.send(founder, &PeerMessage::Joiner(announce.clone()));
        }
        self.answer_joiner(from);
    }

    /// A member tells of somebody who asked there.
    pub(super) fn hear_joiner(&mut self, from: NodeId, announce: Signed) {
        let Some(roster) = self.home.roster() else { return };
        let entitled = roster.is_member(from) && roster.is_founder(self.me);
        if !entitled || !announce.is_record_in(&roster.cluster()) {
            return self.dropped(from, "a joiner that nobody asked about");
        }
        if !roster.is_member(announce.statement.author) && !self.await_vouch(from, announce) {
            self.dropped(from, "one more joiner than are remembered");
        }
    }

    /// Remembers a joiner. False: there are enough.
    fn await_vouch(&mut self, by: NodeId, announce: Signed) -> bool {
        let who = announce.statement.author;
        let others = self.joiners.iter().filter(|(id, joiner)| **id != who && joiner.by == by).count();
        let is_new = !self.joiners.contains_key(&who);
        if others >= MAX_JOINERS_OF_ONE || is_new && self.joiners.len() >= MAX_JOINERS {
            return false;
        }
        if is_new {
            self.log(
                Level::Info,
                &format!("{who} asks to be let in: a founder may `consign validator vouch {who}`"),
            );
        }
        let until = self.now.monotonic.saturating_add(JOINER_KEPT_MS);
        self.joiners.insert(who, Joiner { announce, by, until });
        true
    }

    /// The founders that are there, but for this node.
    pub(super) fn other_founders(&self) -> Vec<NodeId> {
        let founders = self.home.roster().map(|roster| roster.charter().founders.clone()).unwrap_or_default();
        founders.into_iter().filter(|id| self.may_be_asked(*id)).collect()
    }

    /// A founder is back: it hears who asked here.
    pub(super) fn tell_joiners(&mut self, peer: NodeId) {
        if !self.home.roster().is_some_and(|roster| roster.is_founder(peer)) {
            return;
        }
        let own = self.joiners.values().filter(|joiner| joiner.by == self.me);
        for announce in own.map(|joiner| joiner.announce.clone()).collect::<Vec<_>>() {
            self.send(peer, &PeerMessage::Joiner(announce));
        }
    }

    /// Lets in whoever is a member by now, or says what is missing.
    pub(super) fn answer_joiner(&mut self, joiner: NodeId) {
        let Some(roster) = self.home.roster() else { return };
        if roster.is_member(joiner) {
            return self.welcome(joiner);
        }
        let (votes, founders) = (roster.votes_for(joiner), roster.charter().founders.len());
        let why = format!(
            "{votes} of {founders} founders vouch for it, and more than half must: ask them to run \
             `consign validator vouch {joiner}`"
        );
        self.send(joiner, &PeerMessage::JoinRefused(why));
    }

    /// The roster has changed: who has become a member need not wait any more. What it said of itself counts now.
    pub(super) fn welcome_joiners(&mut self) {
        let Some(roster) = self.home.roster() else { return };
        let is_in = |id: &&NodeId| roster.is_member(**id);
        for joiner in self.joiners.keys().filter(is_in).copied().collect::<Vec<_>>() {
            let Some(Joiner { announce, by, .. }) = self.joiners.remove(&joiner) else { continue };
            let (news, _) = self.home.merge(vec![announce]);
            if !news.is_empty() {
                self.roster_changed(news, None);
            }
            if by == self.me {
                self.welcome(joiner);
            }
        }
    }

    pub(super) fn tick_joiners(&mut self) {
        let now = self.now.monotonic;
        self.joiners.retain(|_, joiner| joiner.until > now);
    }

    /// Joiners as the API shows them; those in the roster are shown there.
    pub(super) fn waiting(&self) -> Vec<api::ValidatorView> {
        let Some(roster) = self.home.roster() else { return Vec::new() };
        let strangers = self.joiners.iter().filter(|(id, _)| !roster.knows(**id));
        let view = |(id, joiner): (&NodeId, &Joiner)| {
            let Says::Announce { addresses, name, .. } = &joiner.announce.statement.says else { return None };
            Some(api::ValidatorView {
                id: api_id(*id),
                peer_id: id.to_peer_id().to_string(),
                name: api::Label::try_from(name.clone()).ok(),
                addresses: addresses.clone(),
                founder: false,
                member: false,
                vouches: 0,
                waiting: true,
                this_node: false,
                connected: false,
                latency_ms: None,
                clock_offset_s: None,
                version: None,
                runs_twice: false,
                evidence: Vec::new(),
                blocked: self.blocked.contains(id),
                convicted: false,
                forgiven: None,
            })
        };
        strangers.filter_map(view).collect()
    }
}
