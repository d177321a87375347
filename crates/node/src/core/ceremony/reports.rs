//! A proposer that takes no part has no session to learn the end from: the participants report it. What can be
//! verified is verified; the rest can only make the proposer try again.

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_api as api;

use super::super::asked::request_id;
use super::super::checks::{Check, Shown};
use super::super::curves::Signed;
use super::super::hash::Hash;
use super::super::keys::Key;
use super::super::node::Node;
use super::super::proposal::{Kind, MAX_REASON_BYTES, Proposal};
use super::super::wire::{PeerMessage, Report};
use super::{End, Part};
use crate::identity::NodeId;

/// How long reports are waited for after the rounds' own deadline, or after those of most participants, in milliseconds.
pub(super) const REPORT_MS: u64 = 10_000;

impl Node {
    /// Tells a proposer that took no part how it ended.
    pub(super) fn report(&mut self, hash: Hash, proposal: &Proposal, end: &End) {
        let to = proposal.proposer;
        if to == self.me || proposal.index_of(to).is_some() {
            return;
        }
        let report = match end {
            End::Aux(aux) => Some(Report::Aux(*aux)),
            End::Key(key) => self.keys.get(key).and_then(Key::certificate).map(|c| Report::Key(Box::new(c))),
            End::Presigned => Some(Report::Presigned),
            End::Signature(signature) => {
                let (r, s) = signature.parts();
                Some(Report::Signature { r_s: [r, s].concat(), recovery_id: signature.recovery_id() })
            }
            End::Failed { problem, demote, .. } => {
                Some(Report::Failed { reason: problem.detail.clone(), naming: demote.clone() })
            }
        };
        if let Some(report) = report {
            self.send(to, &PeerMessage::Report { ceremony: hash, report });
        }
    }

    /// Beside a refusal: the signature, where the request has led to it already (exact rules, 11.2). Somebody may have
    /// withheld its part of it from whoever proposes again.
    pub(super) fn tell_outcome(&mut self, to: NodeId, proposal: &Proposal) {
        let request = request_id(&proposal.cluster, &proposal.request);
        let Some(api::Outcome::Signature(view)) =
            self.stories.get(&request).and_then(|story| story.view.outcome.as_ref())
        else {
            return;
        };
        if let Ok(r_s) = hex::decode([view.r.as_str(), &view.s].concat()) {
            let report = Report::Signature { r_s, recovery_id: view.recovery_id.unwrap_or_default() };
            self.send(to, &PeerMessage::Report { ceremony: proposal.hash(), report });
        }
    }

    /// In the place of a refusal: the key, where the request has led to it already and whoever proposes it again has no share
    /// of it (exact rules, 11.2). False: there is none to show.
    pub(super) fn tell_key(&mut self, to: NodeId, proposal: &Proposal) -> bool {
        let outside = proposal.key.is_none() && proposal.index_of(to).is_none();
        let made = |key: &&Key| key.share().is_some() && key.was_asked_for_by(&proposal.request);
        let key = self.keys.values().filter(|_| outside).find(made).and_then(Key::certificate);
        let Some(certificate) = key else { return false };
        let report = Report::Key(Box::new(certificate));
        self.send(to, &PeerMessage::Report { ceremony: proposal.hash(), report });
        true
    }

    /// A signature that was reported verifies, so it does not matter who made it.
    fn hear_signature(&mut self, from: NodeId, hash: Hash, r_s: &[u8], recovery_id: u8) {
        let Some(ceremony) = self.ceremonies.get(&hash).filter(|c| c.index_of(from).is_some()) else {
            return;
        };
        let started = matches!(ceremony.part, Part::Watching { until: Some(_), .. });
        let waits = started || ceremony.gathering.is_some();
        if ceremony.is_over() || ceremony.finished || !waits {
            return;
        }
        let (request, proposal) = (ceremony.request, Arc::clone(&ceremony.proposal));
        match self.reported_signature(&proposal, r_s, recovery_id) {
            Some(signature) => {
                let writes = self.signed_writes(request, &proposal, &signature);
                self.end_durably(hash, writes, End::Signature(Box::new(signature)));
            }
            None => self.dropped(from, "a report of a signature that does not verify"),
        }
    }

    /// A participant tells how a ceremony ended that this node only proposed, or that what it proposes is done.
    pub(in super::super) fn hear_report(&mut self, from: NodeId, hash: Hash, report: Report, length: usize) {
        let proposal = match &report {
            Report::Signature { r_s, recovery_id } => {
                return self.hear_signature(from, hash, r_s, *recovery_id);
            }
            Report::Key(_) => self.awaited(from, hash),
            Report::Aux(_) | Report::Presigned | Report::Failed { .. } => self.watched(from, hash),
        };
        let Some(proposal) = proposal else { return };
        match report {
            Report::Aux(aux) if proposal.kind == Kind::Aux => self.reported_made(from, hash, aux),
            Report::Aux(_) => self.dropped(from, "a report of something else than was proposed"),
            Report::Presigned if proposal.kind == Kind::Presign => self.reported_made(from, hash, hash),
            Report::Presigned => self.dropped(from, "a report of something else than was proposed"),
            Report::Signature { .. } => {}
            Report::Key(certificate) => {
                self.check(from, Check::Certificate(certificate, Shown::Result(hash)), length);
            }
            Report::Failed { reason, naming } => {
                let clean: String =
                    reason.chars().filter(|c| !c.is_control()).take(MAX_REASON_BYTES).collect();
                let named = naming.into_iter().filter(|id| proposal.index_of(*id).is_some());
                let text = format!("{from} reports: {clean}");
                let naming: std::collections::BTreeSet<_> = named.collect();
                self.end(hash, End::failed(api::ProblemKind::DeadlinePassed, text, naming));
            }
        }
    }

    /// The proposal of a ceremony that this node only proposed, and that is under way, if the peer takes part.
    fn watched(&self, from: NodeId, hash: Hash) -> Option<Arc<Proposal>> {
        let ceremony = self.ceremonies.get(&hash).filter(|c| c.index_of(from).is_some() && !c.is_over())?;
        let watching = matches!(ceremony.part, Part::Watching { until: Some(_), .. });
        watching.then(|| Arc::clone(&ceremony.proposal))
    }

    /// The same, or of one for which accepts are still gathered: what it asks for may be there already.
    fn awaited(&self, from: NodeId, hash: Hash) -> Option<Arc<Proposal>> {
        let ceremony = self.ceremonies.get(&hash)?;
        let gathers = ceremony.gathering.is_some() && ceremony.me.is_none() && !ceremony.is_over();
        let asked = gathers && ceremony.index_of(from).is_some();
        if asked { Some(Arc::clone(&ceremony.proposal)) } else { self.watched(from, hash) }
    }

    /// Moduli and presignatures carry no proof that convinces who has none of them. So all who made them say the same,
    /// or somebody lies: then the try has failed, and no other is built on it. When most have told of moduli, the others
    /// are waited for a while only: one that was started anew does not know any more.
    fn reported_made(&mut self, from: NodeId, hash: Hash, what: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let (kind, count) = (ceremony.proposal.kind, ceremony.proposal.participants.len());
        let Part::Watching { made, until } = &mut ceremony.part else { return };
        made.entry(from).or_insert(what);
        if made.values().any(|other| *other != what) {
            let naming: Vec<_> = made.keys().copied().collect();
            let text = if kind == Kind::Presign {
                "The participants report different presignatures."
            } else {
                "The participants report different moduli."
            };
            return self.end(hash, End::failed(api::ProblemKind::Internal, text, naming));
        }
        if made.len() == count {
            return self.end(hash, if kind == Kind::Presign { End::Presigned } else { End::Aux(what) });
        }
        if kind == Kind::Aux && most_of(count, made) {
            *until = until.map(|until| until.min(now.saturating_add(REPORT_MS)));
        }
    }

    /// The key that was reported, if its certificate holds.
    pub(in super::super) fn reported_key(&mut self, from: NodeId, hash: Hash, key: Option<Key>) {
        let Some(proposal) = self.awaited(from, hash) else { return };
        let request = request_id(&proposal.cluster, &proposal.request);
        // A change may have been overtaken by the next one before it was reported.
        let fits = |key: &Key| match proposal.key {
            Some(id) => key.id() == id && key.info().epoch() >= proposal.epoch,
            None => key.ceremony() == hash || key.was_asked_for_by(&proposal.request),
        };
        match key.filter(fits).filter(|key| !self.contradicts(key)) {
            Some(key) => {
                let id = key.id();
                let writes = self.learn(key, Some(request));
                let writes = writes.into_iter().chain(self.finish_request(request)).collect();
                self.end_durably(hash, writes, End::Key(id));
            }
            None => self.dropped(from, "a report of a key that is not certified"),
        }
    }

    fn reported_signature(&self, proposal: &Proposal, r_s: &[u8], recovery_id: u8) -> Option<Signed> {
        self.signing_key(proposal)?.signature(r_s, recovery_id, proposal.digest?)
    }

    pub(super) fn tick_watching(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get(&hash) else { return };
        let Part::Watching { until: Some(until), made } = &ceremony.part else { return };
        if now >= *until {
            let (kind, count) = (ceremony.proposal.kind, ceremony.proposal.participants.len());
            let moduli = made.values().next().filter(|_| kind == Kind::Aux && most_of(count, made));
            if let Some(aux) = moduli.copied() {
                return self.end(hash, End::Aux(aux));
            }
            let text = "No participant reported how the ceremony ended.";
            self.end(hash, End::failed(api::ProblemKind::DeadlinePassed, text, []));
        }
    }
}

/// Whether more than half of so many have reported.
fn most_of(count: usize, reports: &BTreeMap<NodeId, Hash>) -> bool {
    reports.len() > count / 2
}
