//! Evidence: signed messages that prove who broke a protocol. Every node judges by itself, from its own records; whom
//! it convicts signs no more with this node, also after a restart.

use consign_api as api;
use consign_rounds::SessionId;
use serde::{Deserialize, Serialize};

use super::Level;
use super::ceremony::End;
use super::hash::{Hash, Items};
use super::jobs::{Judge, Work};
use super::node::{For, Node, Then};
use super::proposal::Kind;
use super::records::encode;
use super::wire::{EvidenceFile, MAX_MESSAGE_BYTES, PeerMessage};
use crate::identity::NodeId;
use crate::store::{Table, Write};

/// Most pieces of evidence that are kept.
pub const MAX_EVIDENCE: usize = 1000;
/// Most pieces that are kept about one accused: the first one convicts, the rest adds nothing.
pub const MAX_PER_ACCUSED: usize = 8;
/// Most pieces that are judged at once.
pub const MAX_JUDGING: usize = 8;
/// Most pieces of one sender that are judged at once, so that no sender keeps out the others'.
pub const MAX_JUDGING_OF_ONE: usize = 2;

/// Evidence that convicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EvidenceRecord {
    /// The evidence with its context.
    pub(super) file: EvidenceFile,
    /// When this node got it: Unix time in seconds.
    pub(super) since: u64,
}

impl EvidenceRecord {
    fn id(&self) -> Hash {
        let file = postcard::to_stdvec(&self.file).expect("invariant: evidence is plain data");
        Items::new("evidence").bytes("file", &file).hash()
    }
}

impl Node {
    /// The own session convicts a participant.
    pub(super) fn accuse(&mut self, hash: Hash, culprit: u16, charge: &str, evidence: Vec<u8>) {
        let Some(ceremony) = self.ceremonies.get(&hash) else { return };
        let Some(accused) = ceremony.proposal.identity_of(culprit) else { return };
        let proposal = (*ceremony.proposal).clone();
        let accepts = ceremony.session_accepts().to_vec();
        let file = EvidenceFile { proposal, accepts, accused, evidence };
        let record = EvidenceRecord { file, since: self.now.unix };
        let id = record.id();
        self.log(Level::Warn, &format!("{accused} broke the protocol: {charge} (evidence {id})"));
        self.convict(record, None);
        let text = format!("{accused} broke the protocol: {charge}. Evidence {id} proves it.");
        self.end(hash, End::failed(api::ProblemKind::PeerCheated, text, [accused]));
    }

    /// Keeps evidence that convicts, and tells the others it concerns; not whom it came `from`.
    fn convict(&mut self, record: EvidenceRecord, from: Option<NodeId>) {
        let id = record.id();
        self.culprits.insert(record.file.accused);
        let about = self.evidence.values().filter(|r| r.file.accused == record.file.accused).count();
        if self.evidence.contains_key(&id) || self.evidence.len() >= MAX_EVIDENCE || about >= MAX_PER_ACCUSED
        {
            return;
        }
        self.store(vec![Write::put(Table::Evidence, id.0, encode(&record))], Then::Rest);
        let proposal = &record.file.proposal;
        let mut to: std::collections::BTreeSet<_> = proposal.others(self.me).collect();
        if let Some(key) = proposal.key.and_then(|key| self.keys.get(&key)) {
            to.extend(key.holders().iter().map(|h| h.id));
        }
        to.remove(&self.me);
        to.remove(&record.file.accused);
        if let Some(from) = from {
            to.remove(&from);
        }
        let message = PeerMessage::Evidence(Box::new(record.file.clone()));
        self.evidence.insert(id, record);
        let length = message.encode().len();
        if length > MAX_MESSAGE_BYTES {
            let line =
                format!("the evidence {id} is too long for a message ({length} bytes): it is kept here only");
            return self.log(Level::Warn, &line);
        }
        for peer in to {
            self.send(peer, &message);
        }
    }

    /// A peer accuses somebody: judged here before anything is believed.
    pub(super) fn hear_evidence(&mut self, from: NodeId, file: EvidenceFile) {
        // Who was convicted before is not convicted again; whom nobody here knows is left out in any case.
        if self.culprits.contains(&file.accused) {
            return;
        }
        if !self.admits(file.accused) {
            return self.dropped(from, "evidence against somebody unknown");
        }
        let record = EvidenceRecord { file, since: self.now.unix };
        let judging = |of: Option<NodeId>| {
            let jobs = self.jobs.values();
            jobs.filter(|f| matches!(f, For::Judge(by, _) if of.is_none_or(|of| of == *by))).count()
        };
        let too_many = judging(None) >= MAX_JUDGING || judging(Some(from)) >= MAX_JUDGING_OF_ONE;
        let proposal = &record.file.proposal;
        let ours = proposal.cluster == self.cluster()
            && proposal.is_well_formed()
            && proposal.index_of(record.file.accused).is_some();
        if !ours || too_many || self.evidence.len() >= MAX_EVIDENCE {
            return self.dropped(from, "evidence of another cluster, or more than can be judged");
        }
        let key = proposal.key.and_then(|key| self.keys.get(&key));
        let aux = proposal.aux.and_then(|aux| self.aux.get(&aux));
        let info = key.and_then(|key| match proposal.base {
            Some(base) => key.info_of(SessionId(base.0)),
            None => key.info_at(proposal.epoch),
        });
        let lacking = match proposal.kind {
            Kind::Keygen | Kind::Aux => false,
            Kind::Sign => info.is_none() || aux.is_none(),
            Kind::Refresh | Kind::Reshare => info.is_none(),
        };
        if lacking {
            return self.dropped(from, "evidence about a key that is not here");
        }
        let judge = Judge {
            file: record.file.clone(),
            key: info.cloned(),
            aux: aux.map(|aux| aux.aux.public().clone()),
        };
        self.compute(Work::Judge(Box::new(judge)), For::Judge(from, Box::new(record)));
    }

    pub(super) fn judged(&mut self, from: NodeId, record: EvidenceRecord, culprit: Option<NodeId>) {
        match culprit {
            None => self.dropped(from, "evidence that proves nothing"),
            Some(culprit) => {
                self.log(Level::Warn, &format!("{culprit} broke the protocol: a peer's evidence proves it"));
                self.convict(record, Some(from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::proposal::{Participant, Proposal};
    use crate::core::{Now, Output, Settings, setup};
    use crate::identity::Identity;
    use crate::store::Store;
    use crate::store::memory::Memory;

    fn node() -> Node {
        let identity = Arc::new(Identity::from_seed(&[1; 32]));
        let mut store = Memory::new();
        store.apply(&setup::founder(&identity, 5, [1; 16])).unwrap();
        let settings = Settings { name: "a".to_owned(), addresses: Vec::new(), version: "1".to_owned() };
        let now = Now { monotonic: 0, unix: 5 };
        Node::open(identity, settings, &store, [7; 32], now).unwrap().0
    }

    /// Evidence of so many bytes against node 3, which concerns node 2.
    fn record(node: &Node, length: usize) -> EvidenceRecord {
        let ids = [1, 2, 3].map(|i| Identity::from_seed(&[i; 32]).node_id());
        let proposal = Proposal {
            cluster: node.cluster(),
            kind: Kind::Keygen,
            version: 1,
            level: 1,
            curve: "secp256k1".to_owned(),
            threshold: 2,
            participants: (1..).zip(ids).map(|(index, id)| Participant { index, id }).collect(),
            key: None,
            base: None,
            epoch: 0,
            aux: None,
            signers: Vec::new(),
            path: Vec::new(),
            digest: None,
            batch: 0,
            request: Vec::new(),
            deadline_ms: 1,
            proposer: ids[0],
            salt: [0; 16],
        };
        let file = EvidenceFile { proposal, accepts: Vec::new(), accused: ids[2], evidence: vec![0; length] };
        EvidenceRecord { file, since: 5 }
    }

    #[test]
    fn evidence_too_long_for_a_message_stays_here() {
        for (length, sent) in [(1 << 20, 1), (MAX_MESSAGE_BYTES, 0)] {
            let mut node = node();
            let record = record(&node, length);
            let id = record.id();
            node.convict(record, None);
            let told = node.out.iter().filter(|o| matches!(o, Output::Send { .. })).count();
            let kept = node.out.iter().filter(|o| matches!(o, Output::Store(..))).count();
            assert_eq!((told, kept), (sent, 1), "{length}");
            assert!(node.evidence.contains_key(&id));
            let said =
                node.out.iter().any(|o| matches!(o, Output::Log(Level::Warn, l) if l.contains("too long")));
            assert_eq!(said, sent == 0);
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
