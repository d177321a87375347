//! What nodes show each other of their logs, and what follows.
//!
//! On connect and from time to time a node shows its length and head, signed. Who remembers a higher one of the same node
//! shows it back: nobody can deny an own signature. Against peers that are silent, on purpose or not, this is no help.

use serde::{Deserialize, Serialize};

use super::super::Level;
use super::super::ceremony::{Ceremony, End};
use super::super::hash::{Hash, Items};
use super::super::node::{Node, Then};
use super::super::records::{HELD, encode};
use super::super::wire::PeerMessage;
use super::{Head, MANY_ENTRIES};
use crate::identity::{ClusterId, Identity, NodeId, Purpose, Signature};
use crate::store::{Table, Write};
use consign_api as api;

/// The end of a node's log, signed by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// The cluster of the node.
    pub cluster: ClusterId,
    /// What is signed.
    pub head: Head,
    /// The node's signature.
    pub signature: Signature,
}

impl SignedHead {
    fn bytes(head: &Head) -> Hash {
        Items::new("audit head").number("length", head.length).bytes("hash", &head.hash.0).hash()
    }

    /// Signs the end of the own log.
    #[must_use]
    pub fn sign(identity: &Identity, cluster: ClusterId, head: Head) -> SignedHead {
        let signature = identity.sign(Purpose::AuditHead, &cluster, &Self::bytes(&head).0);
        SignedHead { cluster, head, signature }
    }

    /// Whether the node has signed it, in this cluster.
    #[must_use]
    pub fn is_of(&self, node: NodeId, cluster: ClusterId) -> bool {
        let bytes = Self::bytes(&self.head);
        self.cluster == cluster
            && node.verify(Purpose::AuditHead, &cluster, &bytes.0, &self.signature).is_ok()
    }
}

/// Why a node signs nothing until its operator says so. Kept in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Held {
    /// It was restored from a backup.
    Restored,
    /// A peer has shown this end of the own log, which the log here does not have.
    Behind(Head),
}

impl Held {
    /// What happened, as part of a sentence.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Restored => "this node was restored from a backup".to_owned(),
            Self::Behind(head) => format!(
                "the store of this node went back: others have seen entry {} of its audit log, which it does not have",
                head.length
            ),
        }
    }

    /// A sentence for operators and clients.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("{}; it signs nothing until its operator has run `consign audit accept-rollback`", self.why())
    }
}

impl Node {
    /// Why nothing is signed here, if it is so.
    pub(in super::super) fn held(&self) -> Option<String> {
        self.audit_log.held.as_ref().map(Held::reason)
    }

    /// At the start: what the operator must know of the log.
    pub(in super::super) fn tell_log(&mut self) {
        if let Some(reason) = self.held() {
            self.log(Level::Warn, &reason);
        }
        if self.audit_log.kept() >= MANY_ENTRIES {
            let line = format!(
                "the audit log has {} entries here: move them into a file with `consign audit archive`",
                self.audit_log.kept()
            );
            self.log(Level::Warn, &line);
        }
    }

    /// Shows a peer the end of the log, as far as it is durable: a crash must not make it look longer than it is.
    pub(in super::super) fn show_log(&mut self, peer: NodeId) {
        if self.audit_log.durable.length > 0 {
            let head = SignedHead::sign(&self.identity, self.cluster(), self.audit_log.durable);
            self.send(peer, &PeerMessage::Log(head));
        }
    }

    /// Shows a peer the highest end of its own log that this node has seen.
    pub(in super::super) fn remind(&mut self, peer: NodeId) {
        if let Some(head) = self.audit_log.seen.get(&peer).cloned() {
            self.send(peer, &PeerMessage::LogSeen(head));
        }
    }

    /// A peer shows the end of its log.
    pub(in super::super) fn hear_log(&mut self, from: NodeId, shown: SignedHead) {
        if !shown.is_of(from, self.cluster()) {
            return self.dropped(from, "the end of a log that it has not signed");
        }
        match self.audit_log.seen.get(&from).map(|seen| seen.head) {
            Some(seen) if seen == shown.head => {}
            Some(seen) if seen.length >= shown.head.length => {
                let line = format!(
                    "the store of {from} went back: its audit log has {} entries, but had {}",
                    shown.head.length, seen.length
                );
                self.log(Level::Warn, &line);
                self.remind(from);
            }
            Some(_) | None => {
                // Stored with the next transaction: there is no hurry.
                self.audit_log.seen.insert(from, shown);
                self.audit_log.unsaved.insert(from);
            }
        }
    }

    /// A peer shows an end of this node's own log, signed by this node.
    pub(in super::super) fn hear_log_seen(&mut self, from: NodeId, shown: SignedHead) {
        if !shown.is_of(self.me, self.cluster()) {
            return self.dropped(from, "the end of a log that this node has not signed");
        }
        let head = shown.head;
        let known = matches!(self.audit_log.held, Some(Held::Behind(held)) if held.length >= head.length);
        if known || self.audit_log.has(&head) {
            return;
        }
        let held = Held::Behind(head);
        self.audit_log.held = Some(held);
        self.log(Level::Warn, &held.reason());
        self.store(vec![Write::put(Table::Meta, HELD, encode(&held))], Then::Rest);
        self.stop_signing(&held.reason());
    }

    /// Whatever would sign ends.
    fn stop_signing(&mut self, reason: &str) {
        self.erase_presignatures("the store went back");
        let signs = |c: &&Ceremony| c.proposal.is_signing() && !c.is_over();
        let running: Vec<_> = self.ceremonies.values().filter(signs).map(|c| c.proposal.hash()).collect();
        for hash in running {
            let problem = api::Problem::new(api::ProblemKind::Forbidden, reason);
            self.end(hash, End::Failed { problem, demote: Vec::new(), waits: false });
        }
    }

    /// Stores what peers have shown, if no other transaction did for a while.
    pub(in super::super) fn save_seen(&mut self) {
        if !self.audit_log.unsaved.is_empty() {
            self.store(Vec::new(), Then::Rest);
        }
    }
}
