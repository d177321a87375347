//! Keeping the roster the same everywhere: news are pushed to all connected peers, and digests compared on connect
//! and from time to time heal what a push has missed.

use std::collections::BTreeSet;

use super::hash::Hash;
use super::joining::Home;
use super::node::{Node, Then};
use super::roster::{Charter, MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_NAME_BYTES, MAX_VERSION_BYTES};
use super::roster::{Roster, Says, Signed};
use super::wire::PeerMessage;
use super::{Level, Output, Peer};
use crate::identity::NodeId;

/// How often digests are compared with connected peers, in milliseconds.
pub const REPAIR_MS: u64 = 30_000;

impl Node {
    /// Whether the peer may say more than "let me in".
    pub(super) fn admits(&self, peer: NodeId) -> bool {
        let known = match &self.home {
            Home::Asking(asking) => asking.door.peer == peer,
            Home::Settled(roster) => roster.knows(peer),
        };
        known || self.keys.values().any(|key| key.is_held_by(peer))
    }

    /// Whether the peer may be in new committees and propose.
    pub(super) fn is_member(&self, peer: NodeId) -> bool {
        self.home.roster().is_some_and(|roster| roster.is_member(peer))
    }

    /// What this node says of itself.
    pub(super) fn own_announcement(&self) -> Says {
        let cut = |text: &str, max: usize| {
            let end = (0..=max.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            text.get(..end).unwrap_or_default().to_owned()
        };
        let short = self.settings.addresses.iter().filter(|a| a.len() <= MAX_ADDRESS_BYTES);
        Says::Announce {
            addresses: short.take(MAX_ADDRESSES).cloned().collect(),
            name: cut(&self.settings.name, MAX_NAME_BYTES),
            version: cut(&self.settings.version, MAX_VERSION_BYTES),
        }
    }

    /// Says it, if it is not what was said last.
    pub(super) fn announce(&mut self) {
        let says = self.own_announcement();
        let Home::Settled(roster) = &mut self.home else { return };
        let Some(statement) = roster.next(self.me, says) else { return };
        let (news, _) = roster.merge(vec![statement.sign(&self.identity)]);
        self.keep_roster();
        self.push_roster(news, None);
    }

    /// Statements have come that are news: they are stored, passed on, and acted upon.
    pub(super) fn roster_changed(&mut self, news: Vec<Signed>, from: Option<NodeId>) {
        self.keep_roster();
        self.tell_roster(news, from);
    }

    /// The same for those that are stored already.
    pub(super) fn tell_roster(&mut self, news: Vec<Signed>, from: Option<NodeId>) {
        self.push_roster(news, from);
        self.announce();
        self.name_peers();
        self.welcome_joiners();
    }

    /// Names the peers to stay connected with: validators, holders of shared keys, the founder asked.
    pub(super) fn name_peers(&mut self) {
        let mut ids: BTreeSet<NodeId> =
            self.keys.values().flat_map(|key| key.holders().iter().map(|h| h.id)).collect();
        let mut peers = Vec::new();
        match &self.home {
            Home::Asking(asking) => {
                peers.push(Peer { id: asking.door.peer, addresses: asking.door.addresses.clone() });
                ids.remove(&asking.door.peer);
            }
            Home::Settled(roster) => ids.extend(roster.validators()),
        }
        ids.remove(&self.me);
        ids.retain(|id| !self.blocked.contains(id));
        let addresses = |id| self.home.roster().and_then(|r| r.record(id)).map(|r| r.addresses);
        peers.extend(ids.into_iter().map(|id| Peer { id, addresses: addresses(id).unwrap_or_default() }));
        self.out.push(Output::Peers(peers));
    }

    fn keep_roster(&mut self) {
        let writes = vec![self.home.statements()];
        self.store(writes, Then::Rest);
    }

    /// Tells all connected peers what is new.
    pub(super) fn push_roster(&mut self, news: Vec<Signed>, except: Option<NodeId>) {
        let Some(roster) = self.home.roster() else { return };
        if news.is_empty() {
            return;
        }
        let charter = roster.charter().clone();
        let to: Vec<_> = roster
            .validators()
            .into_iter()
            .filter(|id| *id != self.me && Some(*id) != except && self.is_up(*id))
            .collect();
        let message = PeerMessage::Roster { charter, statements: news, complete: false };
        for peer in to {
            self.send(peer, &message);
        }
    }

    pub(super) fn send_whole_roster(&mut self, to: NodeId) {
        let Some(roster) = self.home.roster() else { return };
        let chain: Vec<_> = roster.chain().collect();
        let statements = roster.statements().cloned().collect();
        let message = PeerMessage::Roster { charter: roster.charter().clone(), statements, complete: true };
        if chain.len() > 1 {
            self.send(to, &PeerMessage::Charters(chain));
        }
        self.send(to, &message);
    }

    pub(super) fn hear_digest(&mut self, from: NodeId, digest: Hash) {
        if self.home.roster().is_some_and(|roster| roster.digest() != digest) {
            self.send_whole_roster(from);
        }
    }

    pub(super) fn hear_roster(
        &mut self,
        from: NodeId,
        charter: Charter,
        statements: Vec<Signed>,
        complete: bool,
    ) {
        let Home::Settled(roster) = &mut self.home else {
            return self.settle(from, charter, statements);
        };
        if charter != *roster.charter() {
            // It is behind, and is shown the charters since; or ahead, and shows them; or follows a rival.
            let is_behind = roster.chain().any(|known| known.charter == charter);
            if is_behind {
                self.send_whole_roster(from);
            }
            return self.log(Level::Debug, &format!("{from} follows another charter"));
        }
        let theirs: BTreeSet<Vec<u8>> = statements.iter().map(|s| s.signature.as_bytes().to_vec()).collect();
        let (news, refused) = roster.merge(statements);
        let lacks = |s: &&Signed| complete && !theirs.contains(s.signature.as_bytes().as_slice());
        let lacking: Vec<_> = roster.statements().filter(lacks).cloned().collect();
        if refused > 0 {
            self.dropped(from, &format!("{refused} statements of the roster do not hold"));
        }
        if !lacking.is_empty() {
            self.send(from, &PeerMessage::Roster { charter, statements: lacking, complete: false });
        }
        if !news.is_empty() {
            self.roster_changed(news, Some(from));
        }
    }

    pub(super) fn peer_up(&mut self, peer: NodeId) {
        let presence = self.peers.entry(peer).or_default();
        let was_up = std::mem::replace(&mut presence.up, true);
        if was_up || !self.admits(peer) {
            return;
        }
        self.ask_in();
        self.send(peer, &PeerMessage::Process(self.process));
        self.ask_clock(peer);
        self.remind(peer);
        self.compare(peer);
        self.offer_all_evidence(peer);
        self.tell_joiners(peer);
        self.tell_drafts(peer);
        self.letters_to(peer);
        self.returned(peer);
    }

    /// Compares rosters, and asks for confirmations that are missing.
    fn compare(&mut self, peer: NodeId) {
        let Some(digest) = self.home.roster().map(Roster::digest) else { return };
        self.send(peer, &PeerMessage::RosterDigest(digest));
        let pending: Vec<_> = self
            .keys
            .values()
            .filter(|key| !key.is_active() && key.is_held_by(peer))
            .map(super::keys::Key::ceremony)
            .take(MAX_ASKED)
            .collect();
        if !pending.is_empty() {
            self.send(peer, &PeerMessage::AskConfirmed(pending));
        }
        self.name_epochs(peer);
        self.show_log(peer);
    }

    pub(super) fn peer_down(&mut self, peer: NodeId) {
        if let Some(presence) = self.peers.get_mut(&peer) {
            presence.up = false;
            presence.latency = None;
            // Strangers come and go: nothing is kept of them.
            if !self.admits(peer) {
                self.peers.remove(&peer);
            }
        }
        self.offered.retain(|(to, _)| *to != peer);
        self.lost(peer);
    }

    /// Two processes run with one identity: somebody has copied a data folder. Shown until this node restarts.
    pub(super) fn runs_twice(&mut self, peer: NodeId) {
        if !self.admits(peer) {
            return;
        }
        self.peers.entry(peer).or_default().twice = true;
        let line = format!(
            "{peer} runs twice: two processes use its identity, so its data folder was copied; \
                            its operator must stop one of them"
        );
        self.log(Level::Warn, &line);
    }

    pub(super) fn tick_membership(&mut self) {
        self.ask_in();
        if self.now.monotonic < self.next_repair {
            return;
        }
        self.next_repair = self.now.monotonic.saturating_add(REPAIR_MS);
        let up: Vec<_> = self.peers.iter().filter(|(_, p)| p.up).map(|(id, _)| *id).collect();
        for peer in up {
            if self.admits(peer) {
                self.compare(peer);
            }
        }
    }

    /// A peer asks which of its pending results everybody has confirmed.
    pub(super) fn hear_ask(&mut self, from: NodeId, ceremonies: &[Hash]) {
        for ceremony in ceremonies.iter().take(MAX_ASKED) {
            let key = self.keys.values().find(|key| key.ceremony() == *ceremony);
            let key = key.filter(|key| key.makers().iter().any(|h| h.id == from));
            if let Some(set) = key.and_then(|key| key.set()).cloned() {
                self.send(from, &PeerMessage::Confirmed { ceremony: *ceremony, set });
            }
        }
    }

    /// A set that certifies itself: whoever passed it on does not matter.
    pub(super) fn hear_confirmed(&mut self, from: NodeId, ceremony: Hash, set: &[u8]) {
        let key = self.keys.values_mut().find(|key| key.ceremony() == ceremony && !key.is_active());
        let Some(key) = key else { return };
        if !key.activate_from(set) {
            return self.dropped(from, "a set of confirmations that is not complete");
        }
        let (id, request, write) = (key.id(), key.request(), key.write());
        self.log(Level::Info, &format!("the key {id} is confirmed by all holders"));
        let mut writes = vec![write];
        writes.extend(self.finish_request(request));
        self.store(writes, Then::Rest);
        self.key_is_active(request, id);
    }
}

/// Most results asked for in one message.
const MAX_ASKED: usize = 1000;
