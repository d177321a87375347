//! When a new epoch of a key replaces the old one, and when a share may be erased (`docs/spec/auxinfo-refresh.md`, 5.7).
//!
//! The round of confirmations is not atomic: whoever withholds its own decides later, and for each peer separately, who
//! learns that the set is complete. So epochs have an order that no late message changes, every confirmed share is kept
//! until a complete set for a *larger* epoch is held, and all nodes converge on the largest complete one.
//!
//! Pure data: events in, writes out. All writes of one event belong in one transaction, before any message leaves.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::epoch::EpochId;

/// How many numbers of epochs each second of Unix time allows. Without a bound one proposal could use up all numbers of
/// a key.
pub const EPOCHS_PER_SECOND: u64 = 1 << 16;

/// The largest number that a new epoch may have at this Unix time in seconds (rule 1). It depends on nothing that a node
/// has done, so nobody can bring some nodes to numbers that the others do not accept: whatever was used so far, a second
/// later there are more numbers, and all accept them.
#[must_use]
pub fn largest_number(unix: u64) -> u64 {
    unix.saturating_mul(EPOCHS_PER_SECOND)
}

/// What a node knows of the epochs of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ledger {
    active: Option<Active>,
    pendings: BTreeSet<EpochId>,
    highest: u64,
    /// The session in which shares were dealt, until it ends. A restart forgets it with the session.
    #[serde(skip)]
    dealing: Option<EpochId>,
}

/// The epoch in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Active {
    /// Which.
    pub id: EpochId,
    /// Whether this node has a share of it. If not, it has retired.
    pub has_share: bool,
}

/// Something that happens to a key at this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Shares for `id` are about to leave, made from the epoch `base`.
    Deal {
        /// Epoch to make.
        id: EpochId,
        /// Epoch whose share is used.
        base: EpochId,
    },
    /// This node's confirmation of `id` is about to leave; it has a share of it.
    Confirm(EpochId),
    /// A set that proves `id` complete is held. It has been checked.
    Complete(EpochId),
    /// A peer shows this node's own confirmation of an epoch with this number, which it may have forgotten.
    Shown(u64),
    /// A session ended without a result, by time, cancellation, abort or restart.
    Ended(EpochId),
}

/// What an event changes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The highest number used so far.
    Highest(u64),
    /// Store the pending share.
    Pending(EpochId),
    /// The pending share becomes the active one.
    Activate(EpochId),
    /// This epoch is in force, and this node has no share of it.
    Retire(EpochId),
    /// Erase the share of this epoch and whatever was made with it, presignatures above all.
    Erase(EpochId),
}

/// Why an event must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The number is not larger than all that this node used for the key.
    #[error("epoch {epoch} of this key is not larger than {highest}, which was used already")]
    Used {
        /// The number.
        epoch: u64,
        /// The highest number used so far.
        highest: u64,
    },
    /// The number is larger than [`largest_number`].
    #[error(
        "epoch {epoch} of this key is larger than {largest}, the largest for the time: compare the clocks"
    )]
    TooFar {
        /// The number.
        epoch: u64,
        /// The largest number at this time.
        largest: u64,
    },
    /// The share to deal from is not the active one.
    #[error("this node holds no active share of the epoch to start from")]
    NotActive,
}

impl Ledger {
    /// For a node that has a share of the epoch `id`, or (with `None`) nothing of the key yet.
    pub fn new(id: Option<EpochId>) -> Self {
        let active = id.map(|id| Active { id, has_share: true });
        Self { active, pendings: BTreeSet::new(), highest: id.map_or(0, |id| id.epoch), dealing: None }
    }

    /// The epoch in force.
    pub fn active(&self) -> Option<Active> {
        self.active
    }

    /// Confirmed epochs that may yet turn out to be complete, ascending.
    pub fn pendings(&self) -> impl Iterator<Item = EpochId> + '_ {
        self.pendings.iter().copied()
    }

    /// The largest number that this node ever dealt for or confirmed.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether a proposal may use this number at this Unix time in seconds (rule 1). It must also exceed that of the epoch in force,
    /// which this node may have learned of without taking part; otherwise whoever was away would confirm what can never
    /// count.
    pub fn accepts(&self, epoch: u64, unix: u64) -> Result<(), Refusal> {
        self.is_unused(epoch)?;
        let largest = largest_number(unix);
        if epoch > largest { Err(Refusal::TooFar { epoch, largest }) } else { Ok(()) }
    }

    /// The lower half of rule 1, again: since the proposal was accepted, something else may have used the number. The
    /// bound is the time's, and whatever once was below it stays below.
    fn is_unused(&self, epoch: u64) -> Result<(), Refusal> {
        let highest = self.active.map_or(self.highest, |active| self.highest.max(active.id.epoch));
        if epoch <= highest { Err(Refusal::Used { epoch, highest }) } else { Ok(()) }
    }

    /// Applies an event; the writes are one transaction. Refused events change nothing.
    pub fn apply(&mut self, event: Event) -> Result<Vec<Write>, Refusal> {
        match event {
            Event::Deal { id, base } => self.deal(id, base),
            Event::Confirm(id) => self.confirm(id),
            Event::Complete(id) => Ok(self.complete(id)),
            Event::Shown(epoch) => {
                // It was confirmed once, so nothing up to it is confirmed any more, whoever deals it at present.
                self.dealing = self.dealing.filter(|dealing| dealing.epoch > epoch);
                Ok(self.raise(epoch))
            }
            // Rule 3: what was confirmed stays, whatever ends.
            Event::Ended(id) => {
                self.dealing = self.dealing.filter(|dealing| *dealing != id);
                Ok(Vec::new())
            }
        }
    }

    fn deal(&mut self, id: EpochId, base: EpochId) -> Result<Vec<Write>, Refusal> {
        self.is_unused(id.epoch)?;
        if self.active != Some(Active { id: base, has_share: true }) {
            return Err(Refusal::NotActive);
        }
        self.dealing = Some(id);
        Ok(self.raise(id.epoch))
    }

    /// Confirmations strictly increase: the number is new, or this very session used it for dealing and nothing has
    /// been dealt or confirmed since. And they exceed the epoch in force: a share of less could never become active.
    fn confirm(&mut self, id: EpochId) -> Result<Vec<Write>, Refusal> {
        let is_overtaken = self.active.is_some_and(|active| active.id >= id);
        if self.dealing != Some(id) || is_overtaken {
            self.is_unused(id.epoch)?;
        }
        self.dealing = None;
        self.pendings.insert(id);
        Ok([Write::Pending(id)].into_iter().chain(self.raise(id.epoch)).collect())
    }

    /// Rule 4: the largest complete epoch counts, whatever the order in which sets arrive.
    fn complete(&mut self, id: EpochId) -> Vec<Write> {
        if self.active.is_some_and(|active| active.id >= id) {
            return Vec::new();
        }
        let larger = self.pendings.split_off(&id);
        let smaller = std::mem::replace(&mut self.pendings, larger);
        let has_share = self.pendings.remove(&id);
        let replaced = self.active.replace(Active { id, has_share });
        let active = if has_share { Write::Activate(id) } else { Write::Retire(id) };
        let base = replaced.filter(|old| old.has_share).map(|old| old.id);
        [active].into_iter().chain(base.into_iter().chain(smaller).map(Write::Erase)).collect()
    }

    fn raise(&mut self, epoch: u64) -> Vec<Write> {
        if epoch <= self.highest {
            return Vec::new();
        }
        self.highest = epoch;
        vec![Write::Highest(epoch)]
    }
}
