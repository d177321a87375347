//! What peers show and takes long to verify: evidence and the certificates of keys. A job verifies; what cannot be
//! verified at once waits in a line of its sender, so that nobody keeps out what others show. What finds no room is
//! dropped: whoever shows it offers it again (`evidence.rs`, `epochs.rs`).

use std::collections::{BTreeMap, VecDeque};

use super::hash::Hash;
use super::jobs::Work;
use super::keys::Prefix;
use super::node::{For, Node};
use super::wire::{Certificate, EvidenceFile};
use crate::identity::NodeId;

/// Most things that are verified at once.
pub const MAX_CHECKING: usize = 8;
/// Most things of one sender that are verified at once.
pub const MAX_CHECKING_OF_ONE: usize = 2;
/// Most things of one sender that wait.
pub const MAX_WAITING_OF_ONE: usize = 32;
/// Most bytes of one sender that wait: one of the longest messages.
pub const MAX_WAITING_BYTES_OF_ONE: usize = super::wire::MAX_MESSAGE_BYTES;

/// Something to be verified.
pub(super) enum Check {
    /// Whether evidence convicts.
    Evidence(Box<EvidenceFile>),
    /// What a key is.
    Certificate(Box<Certificate>, Shown),
}

/// Why somebody shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// To tell about this key.
    Key(Hash),
    /// It is the result of this ceremony.
    Result(Hash),
}

/// All that waits, by sender, each with its length in bytes.
#[derive(Default)]
pub(super) struct Checks {
    waiting: BTreeMap<NodeId, VecDeque<(Check, usize)>>,
    /// Who had its turn last.
    last: Option<NodeId>,
}

impl Checks {
    /// Takes something in. False: its sender has too much waiting already.
    fn put(&mut self, from: NodeId, check: Check, length: usize) -> bool {
        let line = self.waiting.entry(from).or_default();
        let bytes = line.iter().map(|(_, length)| length).sum::<usize>();
        let fits = line.len() < MAX_WAITING_OF_ONE
            && (line.is_empty() || bytes.saturating_add(length) <= MAX_WAITING_BYTES_OF_ONE);
        if fits {
            line.push_back((check, length));
        }
        fits
    }

    /// The next thing of a sender that may have one more, in turn.
    fn next(&mut self, may: impl Fn(&NodeId) -> bool) -> Option<(NodeId, Check)> {
        self.waiting.retain(|_, line| !line.is_empty());
        let after = self.waiting.keys().filter(|id| self.last.is_none_or(|last| **id > last));
        let from = *after.chain(self.waiting.keys()).find(|id| may(id))?;
        self.last = Some(from);
        let (check, _) = self.waiting.get_mut(&from)?.pop_front()?;
        Some((from, check))
    }
}

impl Node {
    /// Verifies something as soon as there is a place for it.
    pub(super) fn check(&mut self, from: NodeId, check: Check, length: usize) {
        if !self.checks.put(from, check, length) {
            return self.dropped(from, "more than may wait to be verified");
        }
        self.start_checks();
    }

    /// Gives what waits to jobs, as many as may run.
    pub(super) fn start_checks(&mut self) {
        loop {
            let mut running: BTreeMap<NodeId, usize> = BTreeMap::new();
            for purpose in self.jobs.values() {
                if let For::Check(from, _) = purpose {
                    *running.entry(*from).or_default() += 1;
                }
            }
            if running.values().sum::<usize>() >= MAX_CHECKING {
                return;
            }
            let may = |id: &NodeId| running.get(id).is_none_or(|count| *count < MAX_CHECKING_OF_ONE);
            let Some((from, check)) = self.checks.next(may) else { return };
            match check {
                Check::Evidence(file) if self.is_no_news(from, &file) => {}
                Check::Evidence(file) => self.compute(Work::Judge(file), For::Check(from, None)),
                Check::Certificate(certificate, shown) => {
                    let key = certificate.claim().and_then(|(key, _)| self.keys.get(&key));
                    let known = key.filter(|key| key.is_active()).map(Prefix::of);
                    let cluster = self.cluster();
                    let work = Work::Certify { certificate, cluster, known };
                    self.compute(work, For::Check(from, Some(shown)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn node(seed: u8) -> NodeId {
        Identity::from_seed(&[seed; 32]).node_id()
    }

    fn check() -> Check {
        let (accepts, steps) = (Vec::new(), Vec::new());
        let proposal = crate::core::proposal::sample(&[node(1), node(2)]);
        let certificate = Certificate { proposal, accepts, info: Vec::new(), set: Vec::new(), steps };
        Check::Certificate(Box::new(certificate), Shown::Key(Hash([1; 32])))
    }

    #[test]
    fn everybody_has_a_line_and_a_turn() {
        let mut checks = Checks::default();
        for _ in 0..MAX_WAITING_OF_ONE {
            assert!(checks.put(node(1), check(), 1));
        }
        assert!(!checks.put(node(1), check(), 1));
        // One of any length, and nothing beside a long one.
        assert!(checks.put(node(2), check(), MAX_WAITING_BYTES_OF_ONE));
        assert!(!checks.put(node(2), check(), 1));
        let turns: Vec<_> = (0..3).map(|_| checks.next(|_| true).unwrap().0).collect();
        assert!(turns.contains(&node(2)), "a full line keeps out no other");
        assert!(checks.put(node(2), check(), 1), "there is room again");
        assert!(checks.next(|id| *id == node(3)).is_none());
    }
}
