//! Evidence: signed messages that prove who broke a protocol. Every node judges by itself (`verdict.rs`); whom it
//! convicts does nothing more with this node, also after a restart, and what is under way with it ends at once.

use consign_api as api;
use consign_rounds::SessionId;
use serde::{Deserialize, Serialize};

use super::Level;
use super::asked::request_id;
use super::ceremony::End;
use super::checks::Check;
use super::curves::Presigned;
use super::hash::Hash;
use super::node::{Node, Then};
use super::operator::is_forgiven;
use super::proposal::{Kind, Proposal};
use super::records::encode;
use super::stories::phase_of;
use super::verdict::{MAGIC, MAX_FILE_BYTES, NotProven, Verdict};
use super::views::{api_id, api_key};
use super::wire::{EvidenceFile, Inputs, PeerMessage};
use crate::identity::NodeId;
use crate::store::{Table, Write};

/// Most pieces of evidence that are kept.
pub const MAX_EVIDENCE: usize = 1000;
/// Most pieces that are kept about one accused: the first one convicts, the rest adds nothing.
pub const MAX_PER_ACCUSED: usize = 8;
/// Longest evidence that is offered to everybody on connect, in bytes; longer ones only to whom they matter.
pub const MAX_OFFERED_BYTES: usize = 1 << 20;

/// Evidence that convicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EvidenceRecord {
    /// The evidence with its context.
    pub(super) file: EvidenceFile,
    /// When this node judged it: Unix time in seconds.
    pub(super) since: u64,
    /// What the accused did.
    charge: String,
    /// In which round.
    round: Option<u8>,
}

/// The API's writing of an id.
fn api_evidence(id: Hash) -> api::EvidenceId {
    api::EvidenceId(id.0)
}

impl Node {
    /// The own session convicts a participant.
    pub(super) fn accuse(
        &mut self,
        hash: Hash,
        culprit: u16,
        (charge, round): (String, Option<u8>),
        evidence: Vec<u8>,
    ) {
        let Some(ceremony) = self.ceremonies.get(&hash) else { return };
        let Some(accused) = ceremony.proposal.identity_of(culprit) else { return };
        let proposal = (*ceremony.proposal).clone();
        let accepts = ceremony.session_accepts().to_vec();
        let inputs = self.inputs_of(&proposal, ceremony.presignature());
        let file = EvidenceFile { proposal, accepts, accused, evidence, inputs };
        self.convict(EvidenceRecord { file, since: self.now.unix, charge, round }, None);
    }

    /// The key that the session of a proposal was about, as this participant knows it.
    fn inputs_of(&self, proposal: &Proposal, presignature: Option<&Presigned>) -> Option<Inputs> {
        let key = self.keys.get(&proposal.key?)?;
        let info = match proposal.base.filter(|_| proposal.is_change()) {
            Some(base) => key.info_of(SessionId(base.0)),
            None => key.info_at(proposal.epoch),
        }?;
        let aux = proposal.aux.filter(|_| proposal.kind != Kind::Reshare);
        let aux = aux.and_then(|aux| self.aux.get(&aux));
        Some(Inputs {
            key: info.encode(),
            aux: match presignature {
                Some(public) => Some(consign_rounds::encode(public)),
                None => aux.map(|record| consign_rounds::encode(record.aux.public())),
            },
            certificate: key.certificate().filter(|_| key.certifies(info)),
        })
    }

    /// Keeps evidence that convicts, tells the others it concerns (not whom it came `from`), and ends everything that
    /// the culprit takes part in.
    fn convict(&mut self, record: EvidenceRecord, from: Option<NodeId>) {
        let (id, accused) = (record.file.id(), record.file.accused);
        let text = format!("{accused} broke the protocol: {}. Evidence {id} proves it.", record.charge);
        self.log(Level::Warn, &text);
        self.culprits.insert(accused);
        self.erase_presignatures_with(accused);
        let request = request_id(&record.file.proposal.cluster, &record.file.proposal.request);
        let view = self.evidence_view(id, &record);
        self.tell_evidence(request, view);
        self.keep_evidence(id, record, from);
        self.end_all_with(accused, api::ProblemKind::PeerCheated, &text);
    }

    /// Ends everything under way that somebody takes part in.
    pub(super) fn end_all_with(&mut self, peer: NodeId, kind: api::ProblemKind, text: &str) {
        let with = |(_, c): &(&Hash, &super::ceremony::Ceremony)| {
            let concerned = c.proposal.proposer == peer || c.proposal.index_of(peer).is_some();
            concerned && !c.is_over()
        };
        let under_way: Vec<_> = self.ceremonies.iter().filter(with).map(|(hash, _)| *hash).collect();
        for hash in under_way {
            let problem = api::Problem::new(kind, text).naming([api_id(peer)]);
            self.end(hash, End::Failed { problem, demote: vec![peer], waits: false });
        }
    }

    /// Stores evidence and passes it on, unless there is enough of it.
    fn keep_evidence(&mut self, id: Hash, record: EvidenceRecord, from: Option<NodeId>) {
        // What is forgiven does not keep out what is not.
        let about = self.evidence.values().filter(|r| r.file.accused == record.file.accused);
        let about = about.filter(|r| self.still_counts(r)).count();
        if self.evidence.contains_key(&id) || self.evidence.len() >= MAX_EVIDENCE || about >= MAX_PER_ACCUSED
        {
            return;
        }
        if record.file.to_file().len() > MAX_FILE_BYTES {
            return self.log(Level::Warn, "the evidence is too long to be kept; it counts until a restart");
        }
        let message = PeerMessage::Evidence(Box::new(record.file.clone()));
        self.store(vec![Write::put(Table::Evidence, id.0, encode(&record))], Then::Rest);
        let proposal = &record.file.proposal;
        let mut to: std::collections::BTreeSet<_> = proposal.others(self.me).collect();
        to.insert(proposal.proposer);
        if let Some(key) = proposal.key.and_then(|key| self.keys.get(&key)) {
            to.extend(key.holders().iter().map(|h| h.id));
        }
        to.remove(&self.me);
        to.remove(&record.file.accused);
        if let Some(from) = from {
            to.remove(&from);
        }
        self.evidence.insert(id, record);
        for peer in to {
            self.send(peer, &message);
        }
    }

    /// A peer accuses somebody: judged here before anything is believed.
    pub(super) fn hear_evidence(&mut self, from: NodeId, file: EvidenceFile, length: usize) {
        if self.is_no_news(from, &file) {
            return;
        }
        if !self.admits(file.accused) {
            return self.dropped(from, "evidence against somebody unknown");
        }
        let proposal = &file.proposal;
        let ours = proposal.cluster == self.cluster()
            && proposal.is_well_formed()
            && proposal.index_of(file.accused).is_some();
        if !ours || self.evidence.len() >= MAX_EVIDENCE {
            return self.dropped(from, "evidence of another cluster, or more than is kept");
        }
        // As a file it is a little longer than as a message.
        if length.saturating_add(MAGIC.len()) > MAX_FILE_BYTES {
            return self.dropped(from, "evidence that is too long to be kept");
        }
        self.check(from, Check::Evidence(Box::new(file)), length);
    }

    /// Who was convicted before is not convicted again, and accuses nobody.
    pub(super) fn is_no_news(&mut self, from: NodeId, file: &EvidenceFile) -> bool {
        if self.culprits.contains(&from) {
            self.dropped(from, "evidence from a convicted node");
            return true;
        }
        self.culprits.contains(&file.accused) || is_forgiven(&self.forgiven, file)
    }

    /// Sends a peer evidence against somebody, the shortest there is, once per connection. Whoever has missed it when it
    /// was new convicts then, too.
    pub(super) fn offer_evidence(&mut self, to: NodeId, accused: NodeId, most_bytes: usize) {
        let about = self.evidence.iter().filter(|(_, record)| record.file.accused == accused);
        let Some((id, record)) = about.min_by_key(|(_, record)| record.file.evidence.len()) else { return };
        let (id, length) = (*id, record.file.evidence.len());
        if to == accused || length > most_bytes || self.offered.contains(&(to, id)) {
            return;
        }
        self.offered.insert((to, id));
        let message = PeerMessage::Evidence(Box::new(record.file.clone()));
        self.send(to, &message);
    }

    /// On connect: all that this node convicts whom the peer may not.
    pub(super) fn offer_all_evidence(&mut self, to: NodeId) {
        for accused in self.culprits.iter().copied().collect::<Vec<_>>() {
            self.offer_evidence(to, accused, MAX_OFFERED_BYTES);
        }
    }

    /// Beside a refusal: why this node does nothing with somebody whom the proposal concerns.
    pub(super) fn tell_convicted(&mut self, to: NodeId, proposal: &Proposal) {
        let concerned: Vec<_> = proposal.participants.iter().map(|p| p.id).collect();
        for accused in concerned.into_iter().filter(|id| self.culprits.contains(id)).collect::<Vec<_>>() {
            self.offer_evidence(to, accused, MAX_FILE_BYTES);
        }
    }

    pub(super) fn judged(
        &mut self,
        from: NodeId,
        file: EvidenceFile,
        verdict: Result<Box<Verdict>, NotProven>,
    ) {
        match verdict {
            Err(why) => self.dropped(from, &format!("evidence that proves nothing: {why}")),
            // Convicted by another piece meanwhile.
            Ok(_) if self.culprits.contains(&file.accused) || is_forgiven(&self.forgiven, &file) => {}
            Ok(verdict) => {
                let Verdict { charge, round, .. } = *verdict;
                self.convict(EvidenceRecord { file, since: self.now.unix, charge, round }, Some(from));
            }
        }
    }

    /// Ids of the evidence against somebody.
    pub(super) fn evidence_against(&self, accused: NodeId) -> Vec<api::EvidenceId> {
        let about = self.evidence.iter().filter(|(_, record)| record.file.accused == accused);
        about.map(|(id, _)| api_evidence(*id)).collect()
    }

    pub(super) fn evidence_view(&self, id: Hash, record: &EvidenceRecord) -> api::EvidenceView {
        let EvidenceFile { proposal, accused, .. } = &record.file;
        api::EvidenceView {
            id: api_evidence(id),
            culprit: api_id(*accused),
            name: self.name_of(*accused),
            index: proposal.index_of(*accused).unwrap_or_default(),
            charge: record.charge.clone(),
            phase: phase_of(proposal.kind),
            round: record.round,
            ceremony: api::CeremonyId(request_id(&proposal.cluster, &proposal.request).0),
            key: proposal.key.map(api_key),
            since: record.since,
        }
    }

    pub(super) fn show_evidence(&self, id: api::EvidenceId) -> Result<api::Reply, api::Problem> {
        let record = self.evidence.get(&Hash(id.0)).ok_or_else(|| {
            let text = "This node keeps no such evidence; list what it keeps with GET /v1/evidence.";
            api::Problem::new(api::ProblemKind::UnknownEvidence, text)
        })?;
        Ok(api::Reply::EvidenceFile(record.file.to_file()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::proposal::sample;
    use crate::core::wire::MAX_MESSAGE_BYTES;
    use crate::core::{Now, Output, Settings, setup};
    use crate::identity::Identity;
    use crate::store::Store;
    use crate::store::memory::Memory;

    fn node() -> Node {
        let identity = Arc::new(Identity::from_seed(&[1; 32]));
        let mut store = Memory::new();
        store.apply(&setup::founder(&identity, 5, [1; 16])).unwrap();
        let (name, version) = ("a".to_owned(), "1".to_owned());
        let settings = Settings {
            name,
            addresses: Vec::new(),
            version,
            keep_presignatures: 0,
            batch_verification: true,
            require_clients: false,
        };
        let now = Now { monotonic: 0, unix: 5 };
        Node::open(identity, settings, &store, [7; 32], now).unwrap().0
    }

    /// Evidence of so many bytes against node 3, which concerns node 2.
    fn record(node: &Node, length: usize) -> EvidenceRecord {
        let ids = [1, 2, 3].map(|i| Identity::from_seed(&[i; 32]).node_id());
        let proposal = Proposal { cluster: node.cluster(), level: 1, ..sample(&ids) };
        let file = EvidenceFile {
            proposal,
            accepts: Vec::new(),
            accused: ids[2],
            evidence: vec![0; length],
            inputs: None,
        };
        EvidenceRecord { file, since: 5, charge: "a lie".to_owned(), round: None }
    }

    #[test]
    fn evidence_too_long_for_a_message_counts_here_only() {
        for (length, fits) in [(1 << 20, true), (MAX_MESSAGE_BYTES, false)] {
            let mut node = node();
            let record = record(&node, length);
            let (id, accused) = (record.file.id(), record.file.accused);
            node.convict(record, None);
            let told = node.out.iter().any(|o| matches!(o, Output::Send { .. }));
            let kept = node.out.iter().any(|o| matches!(o, Output::Store(..)));
            assert_eq!((told, kept, node.evidence.contains_key(&id)), (fits, fits, fits), "{length}");
            assert!(node.culprits.contains(&accused));
            let said =
                node.out.iter().any(|o| matches!(o, Output::Log(Level::Warn, l) if l.contains("too long")));
            assert_eq!(said, !fits);
        }
    }

    /// Whatever it is: what a peer refuses for its length would only hold up what is behind it.
    #[test]
    fn nothing_is_sent_that_is_refused_for_its_length() {
        let mut node = node();
        let to = Identity::from_seed(&[2; 32]).node_id();
        node.send(to, &PeerMessage::JoinRefused("x".repeat(1 << 20)));
        assert!(matches!(node.out.as_slice(), [Output::Log(Level::Warn, _)]));
    }
}
