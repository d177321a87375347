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
use super::wire::{EvidenceFile, PeerMessage};
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
        self.convict(record, Some(self.me));
        let text = format!("{accused} broke the protocol: {charge}. Evidence {id} proves it.");
        self.end(hash, End::failed(api::ProblemKind::PeerCheated, text, [accused]));
    }

    /// Keeps evidence that convicts, and tells the others it concerns.
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
        let message = PeerMessage::Evidence(Box::new(record.file.clone()));
        self.evidence.insert(id, record);
        for peer in to {
            if Some(peer) != from {
                self.send(peer, &message);
            }
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
                self.convict(record, None);
            }
        }
    }
}
