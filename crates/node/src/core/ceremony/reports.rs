//! A proposer that takes no part has no session to learn the end from: the participants report it. What can be
//! verified is verified; the rest can only make the proposer try again.

use consign_api as api;
use consign_cggmp24::curve::Scalar;
use consign_cggmp24::ecdsa::{Digest, Signature};

use super::super::hash::Hash;
use super::super::keys::Key;
use super::super::node::{Node, Then};
use super::super::proposal::{Kind, MAX_REASON_BYTES, Proposal};
use super::super::sessions::C;
use super::super::wire::{PeerMessage, Report};
use super::{End, Part};
use crate::identity::NodeId;

/// How long reports are waited for after the rounds' own deadline, in milliseconds.
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
                Some(Report::Signature { r_s: signature.to_bytes(), recovery_id: signature.recovery_id })
            }
            End::Failed { problem, demote } => {
                Some(Report::Failed { reason: problem.detail.clone(), naming: demote.clone() })
            }
        };
        if let Some(report) = report {
            self.send(to, &PeerMessage::Report { ceremony: hash, report });
        }
    }

    /// A participant tells how a ceremony ended that this node only proposed.
    pub(in super::super) fn hear_report(&mut self, from: NodeId, hash: Hash, report: Report) {
        let Some(ceremony) = self.ceremonies.get(&hash).filter(|c| c.index_of(from).is_some()) else {
            return;
        };
        if !matches!(ceremony.part, Part::Watching { until: Some(_) }) || ceremony.is_over() {
            return;
        }
        let request = ceremony.request;
        let proposal = std::sync::Arc::clone(&ceremony.proposal);
        match report {
            Report::Aux(aux) => self.end(hash, End::Aux(aux)),
            Report::Presigned if proposal.kind == Kind::Presign => self.end(hash, End::Presigned),
            Report::Presigned => self.dropped(from, "a report of something else than was proposed"),
            Report::Signature { r_s, recovery_id } => {
                match self.reported_signature(&proposal, &r_s, recovery_id) {
                    Some(signature) => self.end(hash, End::Signature(Box::new(signature))),
                    None => self.dropped(from, "a report of a signature that does not verify"),
                }
            }
            Report::Key(certificate) => {
                let key = Key::certified(*certificate, self.cluster());
                // A change may have been overtaken by the next one before it was reported.
                let fits = |key: &Key| match proposal.key {
                    Some(id) => key.id() == id && key.info().epoch >= proposal.epoch,
                    None => key.ceremony() == hash,
                };
                match key.filter(fits).filter(|key| !self.contradicts(key)) {
                    Some(key) => {
                        let id = key.id();
                        let writes = self.learn(key, Some(request));
                        let writes = writes.into_iter().chain(self.finish_request(request)).collect();
                        self.store(writes, Then::End(hash, Box::new(End::Key(id))));
                    }
                    None => self.dropped(from, "a report of a key that is not certified"),
                }
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

    fn reported_signature(&self, proposal: &Proposal, r_s: &[u8], recovery_id: u8) -> Option<Signature<C>> {
        let (r, s) = r_s.split_at_checked(r_s.len() / 2)?;
        let (r, s) = (Scalar::from_bytes(r)?, Scalar::from_bytes(s)?);
        let signature = Signature { r, s, recovery_id };
        let digest = Digest::raw::<C>(proposal.digest?).ok()?;
        signature.verify(&self.signing_key(proposal)?, &digest).then_some(signature)
    }

    pub(super) fn tick_watching(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get(&hash) else { return };
        let Part::Watching { until: Some(until) } = ceremony.part else { return };
        if now >= until {
            let text = "No participant reported how the ceremony ended.";
            self.end(hash, End::failed(api::ProblemKind::DeadlinePassed, text, []));
        }
    }
}
