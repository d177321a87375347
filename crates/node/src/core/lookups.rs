//! Keys that others hold: a client may name one here, so this node asks the members it is connected with, and
//! believes nothing but a certificate.

use std::collections::BTreeMap;

use consign_api as api;

use super::CallId;
use super::hash::Hash;
use super::keys::Key;
use super::node::{Node, Then};
use super::wire::{Certificate, PeerMessage};
use crate::identity::NodeId;

/// How long a client waits for members to show a key, in milliseconds.
const LOOKUP_MS: u64 = 2_000;
/// Most calls that wait for keys.
const MAX_LOOKUPS: usize = 100;
/// Most keys of others that are kept.
const MAX_SHOWN_KEYS: usize = 10_000;

/// A call that waits for a key.
pub(super) struct Lookup {
    key: Hash,
    request: api::Request,
    until: u64,
}

/// All of them.
pub(super) type Lookups = BTreeMap<CallId, Lookup>;

impl Node {
    /// Asks for a key that is not here. False: nobody can be asked, or it was asked before.
    pub(super) fn look_up(&mut self, call: CallId, key: Hash, request: &api::Request) -> bool {
        if self.keys.contains_key(&key) || self.lookups.len() >= MAX_LOOKUPS {
            return false;
        }
        let members = self.home.roster().map(|roster| roster.members()).unwrap_or_default();
        let up: Vec<_> = members.into_iter().filter(|id| *id != self.me && self.is_up(*id)).collect();
        if up.is_empty() {
            return false;
        }
        for peer in up {
            self.send(peer, &PeerMessage::AskKey(key));
        }
        let until = self.now.monotonic.saturating_add(LOOKUP_MS);
        self.lookups.insert(call, Lookup { key, request: request.clone(), until });
        true
    }

    /// A peer asks what a key is.
    pub(super) fn hear_ask_key(&mut self, from: NodeId, key: Hash) {
        // Holders answer for their keys: what was only shown here may be shown by those who showed it.
        let key = self.keys.get(&key).filter(|key| key.share().is_some());
        if let Some(certificate) = key.and_then(Key::certificate) {
            self.send(from, &PeerMessage::Certificate(Box::new(certificate)));
        }
    }

    /// A peer shows a key.
    pub(super) fn hear_certificate(&mut self, from: NodeId, certificate: Certificate) {
        let shown = self.keys.values().filter(|key| key.share().is_none()).count();
        if self.lookups.is_empty() || shown >= MAX_SHOWN_KEYS {
            return;
        }
        let Some(key) = Key::certified(certificate, self.cluster()) else {
            return self.dropped(from, "a certificate that does not hold");
        };
        let id = key.id();
        if self.keys.contains_key(&id) || !self.lookups.values().any(|l| l.key == id) {
            return;
        }
        self.store(vec![key.write()], Then::Rest);
        self.keys.insert(id, key);
        let answered: Vec<_> = self.lookups.iter().filter(|(_, l)| l.key == id).map(|(c, _)| *c).collect();
        for call in answered {
            if let Some(lookup) = self.lookups.remove(&call) {
                self.asked(call, lookup.request);
            }
        }
    }

    pub(super) fn tick_lookups(&mut self) {
        let now = self.now.monotonic;
        let late: Vec<_> = self.lookups.iter().filter(|(_, l)| l.until <= now).map(|(c, _)| *c).collect();
        for call in late {
            self.lookups.remove(&call);
            let text = "No connected member shows such a key; list the keys with GET /v1/keys.";
            self.refuse(call, api::ProblemKind::UnknownKey, text);
        }
    }
}
