//! Keys that others hold: a client may name one here, so this node asks the members it is connected with, and
//! believes nothing but a certificate.

use std::collections::BTreeMap;

use consign_api as api;

use super::asked::Asked;
use super::ceremony::NO_PLACE;
use super::checks::{Check, Shown};
use super::clients::no_such_key;
use super::hash::Hash;
use super::keys::Key;
use super::node::{Node, Then};
use super::proposal::{Participant, Proposal};
use super::requests::Wanted;
use super::wire::{Certificate, PeerMessage};
use super::{CallId, Output};
use crate::identity::NodeId;
use crate::store::{Table, Write};

/// How long a client waits for members to show a key, in milliseconds.
const LOOKUP_MS: u64 = 2_000;
/// Most calls that wait for keys.
const MAX_LOOKUPS: usize = 100;
/// How long a proposal waits for members to show a key, in milliseconds: the proposer waits longer for an answer.
const PARKED_MS: u64 = 5_000;
/// Most proposals that wait for keys.
const MAX_PARKED: usize = 16;
/// Most of them that one proposer may have.
const MAX_PARKED_OF_ONE: usize = 4;
/// Most keys of others that are kept. One more takes the place of one that nothing here waits for.
pub const MAX_SHOWN_KEYS: usize = 10_000;
/// Most of them that one peer has shown, so that nobody pushes out what others show.
pub const MAX_SHOWN_OF_ONE: usize = 1_000;

/// A call that waits for a key.
pub(super) struct Lookup {
    key: Hash,
    request: api::Request,
    until: u64,
}

/// A resharing proposed to a node that does not know the key, or not in the epoch to start from.
pub(super) struct Parked {
    from: NodeId,
    proposal: Proposal,
    key: Hash,
    until: u64,
}

/// All calls that wait.
pub(super) type Lookups = BTreeMap<CallId, Lookup>;

impl Node {
    /// Asks for a key that is not here. False: nobody can be asked, or it was asked before.
    pub(super) fn look_up(&mut self, call: CallId, key: Hash, request: &api::Request) -> bool {
        if self.keys.contains_key(&key) || self.lookups.len() >= MAX_LOOKUPS {
            return false;
        }
        if !self.ask_key(key) {
            return false;
        }
        let until = self.now.monotonic.saturating_add(LOOKUP_MS);
        self.lookups.insert(call, Lookup { key, request: request.clone(), until });
        true
    }

    /// Asks all members what a key is. False: none is connected.
    fn ask_key(&mut self, key: Hash) -> bool {
        let members = self.home.roster().map(|roster| roster.members()).unwrap_or_default();
        let up: Vec<_> = members.into_iter().filter(|id| *id != self.me && self.is_up(*id)).collect();
        for peer in &up {
            self.send(*peer, &PeerMessage::AskKey(key));
        }
        !up.is_empty()
    }

    /// Whether a proposal is about the resharing of a key that this node does not know, or not in its newest epoch.
    pub(super) fn lacks_key(&self, proposal: &Proposal) -> bool {
        // Most proposals are signings, whose requests may be long: they are read once they are examined.
        if proposal.is_signing() {
            return false;
        }
        let Some((_, Wanted::Reshare(wanted))) = Asked::parse(&proposal.request) else { return false };
        let key = self.keys.get(&Hash(wanted.key.0)).filter(|key| key.is_active());
        key.is_none_or(|key| key.info().epoch() < wanted.terms.epoch)
    }

    /// A new holder believes nobody what the key is: the proposal waits for a certificate.
    pub(super) fn park(&mut self, from: NodeId, proposal: Proposal) {
        let hash = proposal.hash();
        if self.parked.contains_key(&hash) {
            return;
        }
        let theirs = self.parked.values().filter(|parked| parked.from == from).count();
        let Some((_, Wanted::Reshare(wanted))) = Asked::parse(&proposal.request) else { return };
        let key = Hash(wanted.key.0);
        if self.parked.len() >= MAX_PARKED || theirs >= MAX_PARKED_OF_ONE || !self.is_member(from) {
            return self.answer_no(from, &proposal, NO_PLACE);
        }
        if !self.ask_key(key) {
            return self.answer_no(
                from,
                &proposal,
                "this node is not connected to anybody who knows the key",
            );
        }
        let until = self.now.monotonic.saturating_add(PARKED_MS);
        self.parked.insert(hash, Parked { from, proposal, key, until });
    }

    /// Proposals that waited for this key are heard again.
    fn unpark(&mut self, key: Hash) {
        let ready = |parked: &Parked| parked.key == key && !self.lacks_key(&parked.proposal);
        let ready: Vec<_> = self.parked.iter().filter(|(_, p)| ready(p)).map(|(hash, _)| *hash).collect();
        for hash in ready {
            if let Some(Parked { from, proposal, .. }) = self.parked.remove(&hash) {
                self.hear_proposal(from, proposal);
            }
        }
    }

    /// A peer asks what a key is.
    pub(super) fn hear_ask_key(&mut self, from: NodeId, key: Hash) {
        // Holders answer for their keys: what was only shown here may be shown by those who showed it.
        if self.keys.get(&key).is_some_and(|key| key.share().is_some()) {
            self.show_key(from, key);
        }
    }

    /// A peer shows a key.
    pub(super) fn hear_certificate(&mut self, from: NodeId, certificate: Certificate, length: usize) {
        let Some((id, epoch)) = certificate.claim() else {
            return self.dropped(from, "a certificate that cannot be read");
        };
        // Before anything is verified: is it wanted, and does it tell anything new?
        let news = match self.keys.get(&id) {
            Some(known) => !known.is_active() || known.info().epoch_id() < epoch,
            None => self.awaits_key(id),
        };
        if !news {
            return;
        }
        if !self.keys.contains_key(&id) && !self.knows_all(&certificate.proposal.participants) {
            return self.dropped(from, "a certificate of a key that was made by nobody known here");
        }
        self.check(from, Check::Certificate(Box::new(certificate), Shown::Key(id)), length);
    }

    /// Whether somebody waits to be shown this key.
    fn awaits_key(&self, id: Hash) -> bool {
        self.lookups.values().any(|l| l.key == id) || self.parked.values().any(|p| p.key == id)
    }

    /// Whether all of them are or were in the cluster: anybody can make keys for identities that it has invented.
    fn knows_all(&self, list: &[Participant]) -> bool {
        self.home.roster().is_some_and(|roster| list.iter().all(|p| roster.knows(p.id)))
    }

    /// A certificate was verified.
    pub(super) fn certified(&mut self, from: NodeId, shown: Shown, key: Option<Key>) {
        let id = match shown {
            Shown::Result(ceremony) => return self.reported_key(from, ceremony, key),
            Shown::Key(id) => id,
        };
        let Some(key) = key.filter(|key| key.id() == id) else {
            return self.dropped(from, "a certificate that does not hold");
        };
        if self.contradicts(&key) {
            return self.dropped(from, "a certificate that is not about the key as it is known here");
        }
        // The dealer of an imported key brings it to holders of its choice, also to ones that it has invented.
        let is_whole = self.keys.get(&id).is_some_and(Key::is_whole);
        let is_new = !self.keys.contains_key(&id);
        if (is_new || is_whole) && !self.knows_all(key.holders()) {
            return self.dropped(from, "a certificate of a key that nobody known here holds");
        }
        let mut writes = Vec::new();
        if is_new {
            if !self.awaits_key(id) {
                return self.dropped(from, "a certificate of a key that nobody waits for");
            }
            let Some(room) = self.make_room(from) else {
                return self.dropped(from, "a certificate of one more key than is kept");
            };
            writes.extend(room);
        }
        writes.extend(self.learn(key.shown_by(from), None));
        if !writes.is_empty() {
            self.store(writes, Then::Rest);
        }
        self.end_led(id);
        self.unpark(id);
        let answered: Vec<_> = self.lookups.iter().filter(|(_, l)| l.key == id).map(|(c, _)| *c).collect();
        for call in answered {
            if let Some(lookup) = self.lookups.remove(&call) {
                self.asked(call, lookup.request);
            }
        }
    }

    /// Makes room for one more key of others: what this peer has shown goes first if that is too much, else one of
    /// whoever has shown most. Nothing if all of them are in use.
    fn make_room(&mut self, from: NodeId) -> Option<Vec<Write>> {
        let mut shown: BTreeMap<Option<NodeId>, Vec<Hash>> = BTreeMap::new();
        for (id, key) in &self.keys {
            if let Some(by) = key.only_shown_by(self.me) {
                shown.entry(by).or_default().push(*id);
            }
        }
        let Some(of) = crowd(&shown, from) else { return Some(Vec::new()) };
        let used = |key: &Hash| {
            self.awaits_key(*key)
                || self.ceremonies.values().any(|c| c.proposal.key == Some(*key))
                || self.tasks.values().any(|task| task.is_about(*key))
        };
        let gone = of.iter().copied().find(|key| !used(key))?;
        self.keys.remove(&gone);
        Some(vec![Write::delete(Table::Keys, gone.0)])
    }

    pub(super) fn tick_lookups(&mut self) {
        let now = self.now.monotonic;
        let late: Vec<_> =
            self.parked.iter().filter(|(_, p)| p.until <= now).map(|(hash, _)| *hash).collect();
        for hash in late {
            if let Some(Parked { from, proposal, .. }) = self.parked.remove(&hash) {
                self.answer_no(from, &proposal, "no connected member shows this node the key in its epoch");
            }
        }
        let late: Vec<_> = self.lookups.iter().filter(|(_, l)| l.until <= now).map(|(c, _)| *c).collect();
        for call in late {
            // A client is told the same of a key that it may not know of.
            if let Some(Lookup { request: api::Request::By(..), .. }) = self.lookups.remove(&call) {
                self.out.push(Output::Reply(call, api::Reply::Problem(no_such_key())));
                continue;
            }
            let text = "No connected member shows such a key; list the keys with GET /v1/keys.";
            self.refuse(call, api::ProblemKind::UnknownKey, text);
        }
    }
}

/// Of whose keys one must go before this peer may show one more, if that is so: its own, if it has shown as many as it
/// may, else of whoever has shown most. What was shown before this start counts for nobody.
fn crowd(shown: &BTreeMap<Option<NodeId>, Vec<Hash>>, from: NodeId) -> Option<&Vec<Hash>> {
    let own = shown.get(&Some(from)).filter(|keys| keys.len() >= MAX_SHOWN_OF_ONE);
    let total: usize = shown.values().map(Vec::len).sum();
    own.or_else(|| shown.values().max_by_key(|keys| keys.len()).filter(|_| total >= MAX_SHOWN_KEYS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn who_shows_too_much_makes_room() {
        let [a, b, c] = [1, 2, 3].map(|seed| Identity::from_seed(&[seed; 32]).node_id());
        let keys = |by: u8, count: usize| vec![Hash([by; 32]); count];
        let mut shown = BTreeMap::from([(Some(a), keys(1, MAX_SHOWN_OF_ONE)), (Some(b), keys(2, 1))]);
        assert_eq!(crowd(&shown, a), shown.get(&Some(a)), "its own, so that others' stay");
        assert_eq!((crowd(&shown, b), crowd(&shown, c)), (None, None));
        // Full: whoever shows one more pushes out nobody's few.
        shown.insert(None, keys(0, MAX_SHOWN_KEYS - MAX_SHOWN_OF_ONE - 1));
        assert_eq!(crowd(&shown, b), shown.get(&None));
        assert_eq!(crowd(&shown, c), shown.get(&None));
    }
}
