//! What the operator of this node decides for this node alone: whom to block, and whom to forgive. Both are durable.
//! What concerns the whole cluster is in `votes.rs`.

use std::collections::{BTreeMap, BTreeSet};

use consign_api as api;
use serde::{Deserialize, Serialize};

use super::evidence::EvidenceRecord;
use super::hash::Hash;
use super::node::{Node, OpenError, Then};
use super::records::{BLOCKED, FORGIVEN, decode, encode};
use super::requests::{MAX_SKEW_S, RawRequest};
use super::wire::EvidenceFile;
use super::{CallId, Level};
use crate::identity::NodeId;
use crate::store::{Store, Table, Write};

/// Most validators that may be blocked, and that may be forgiven: more than a roster has.
pub const MAX_DECISIONS: usize = 4_096;

/// Whom this node's operator has blocked.
pub(super) type Blocked = BTreeSet<NodeId>;
/// Whom it has forgiven what.
pub(super) type Forgiven = BTreeMap<NodeId, Pardon>;

/// What the operator has forgiven somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pardon {
    /// When: Unix time in seconds. What was asked for until then, and comes to light later, is forgiven too.
    pub(super) unix: u64,
    /// The evidence there was.
    evidence: BTreeSet<Hash>,
}

/// Reads both.
pub(super) fn read(store: &dyn Store) -> Result<(Blocked, Forgiven), OpenError> {
    let bad = |what| move |source| OpenError::Record { what, source };
    let blocked = store.get(Table::Roster, BLOCKED)?;
    let blocked = blocked.map(|value| decode(&value)).transpose().map_err(bad("the blocked validators"))?;
    let forgiven = store.get(Table::Roster, FORGIVEN)?;
    let forgiven =
        forgiven.map(|value| decode(&value)).transpose().map_err(bad("the forgiven validators"))?;
    Ok((blocked.unwrap_or_default(), forgiven.unwrap_or_default()))
}

/// Whether this evidence is forgiven, or what it is about was asked for no later than the accused was forgiven.
pub(super) fn is_forgiven(forgiven: &Forgiven, file: &EvidenceFile) -> bool {
    let Some(pardon) = forgiven.get(&file.accused) else { return false };
    let until = pardon.unix.saturating_add(MAX_SKEW_S);
    let request = RawRequest::parse(&file.proposal.request);
    request.is_some_and(|(raw, _)| raw.created <= until) || pardon.evidence.contains(&file.id())
}

impl Node {
    /// Whether this node does nothing together with a peer: it is convicted, or blocked.
    pub(super) fn shuns(&self, peer: NodeId) -> bool {
        self.culprits.contains(&peer) || self.blocked.contains(&peer)
    }

    /// The operator decides about a validator.
    pub(super) fn decide(&mut self, call: CallId, decision: api::Decision) {
        let Some(subject) = NodeId::from_bytes(&decision.validator.0).ok() else {
            let text = "This is no validator's id: it is no Ed25519 public key.";
            return self.refuse(call, api::ProblemKind::UnknownValidator, text);
        };
        match decision.act {
            api::Act::Vouch => self.decide_membership(call, subject, true),
            api::Act::Revoke => self.decide_membership(call, subject, false),
            api::Act::Block => self.block(call, subject),
            api::Act::Unblock => self.unblock(call, subject),
            api::Act::Forgive => self.forgive(call, subject),
        }
    }

    fn block(&mut self, call: CallId, subject: NodeId) {
        if subject == self.me {
            let text = "A node cannot block itself: stop it instead.";
            return self.refuse(call, api::ProblemKind::Malformed, text);
        }
        if self.validator(subject).is_none() {
            return self.nobody(call);
        }
        if self.blocked.len() >= MAX_DECISIONS {
            let text = "As many validators are blocked as may be; unblock some.";
            return self.refuse(call, api::ProblemKind::TooMany, text);
        }
        if self.blocked.insert(subject) {
            self.log(
                Level::Warn,
                &format!("the operator blocks {subject}: this node does nothing with it any more"),
            );
            self.erase_presignatures_with(subject);
            self.end_all_with(
                subject,
                api::ProblemKind::Forbidden,
                "The operator of this node has blocked a participant.",
            );
            self.name_peers();
        }
        let write = Write::put(Table::Roster, BLOCKED, encode(&self.blocked));
        self.decided(call, subject, vec![write]);
    }

    fn unblock(&mut self, call: CallId, subject: NodeId) {
        if self.blocked.remove(&subject) {
            self.log(Level::Warn, &format!("the operator ends the block of {subject}"));
            self.name_peers();
        } else if self.validator(subject).is_none() {
            return self.nobody(call);
        }
        let write = Write::put(Table::Roster, BLOCKED, encode(&self.blocked));
        self.decided(call, subject, vec![write]);
    }

    /// What somebody is convicted of counts no more, nor what comes to light later about requests made until now. The
    /// evidence stays, and so does the record of this.
    fn forgive(&mut self, call: CallId, subject: NodeId) {
        if !self.culprits.contains(&subject) {
            let text =
                "Nothing is to be forgiven: this node does not convict it; see `consign validator list`.";
            return self.refuse(call, api::ProblemKind::UnknownEvidence, text);
        }
        if self.forgiven.len() >= MAX_DECISIONS && !self.forgiven.contains_key(&subject) {
            let text = "As many validators are forgiven as may be.";
            return self.refuse(call, api::ProblemKind::TooMany, text);
        }
        // By name too: what is written into a request as its time may be anything.
        let about = self.evidence.iter().filter(|(_, record)| record.file.accused == subject);
        let evidence = about.map(|(id, _)| *id).collect();
        self.forgiven.insert(subject, Pardon { unix: self.now.unix, evidence });
        self.culprits.remove(&subject);
        let line = format!(
            "the operator forgives {subject} what it was convicted of: it takes part again at this node"
        );
        self.log(Level::Warn, &line);
        let write = Write::put(Table::Roster, FORGIVEN, encode(&self.forgiven));
        self.decided(call, subject, vec![write]);
    }

    /// Answers once the decision is durable.
    fn decided(&mut self, call: CallId, subject: NodeId, writes: Vec<Write>) {
        match self.validator(subject) {
            Some(view) => self.store(writes, Then::Reply(call, Box::new(api::Reply::Validator(view)))),
            None => {
                self.store(writes, Then::Rest);
                self.nobody(call);
            }
        }
    }

    fn nobody(&mut self, call: CallId) {
        let text = "This node knows no such validator; list them with GET /v1/validators.";
        self.refuse(call, api::ProblemKind::UnknownValidator, text);
    }

    /// Whether evidence still counts here.
    pub(super) fn still_counts(&self, record: &EvidenceRecord) -> bool {
        !is_forgiven(&self.forgiven, &record.file)
    }
}
