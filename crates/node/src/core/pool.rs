//! Presignatures that wait for a message: in the memory of this process and nowhere else, since no rule of a store
//! survives a store that is set back (`docs/spec/signing.md`, 6.5 and 6.7). Taking one out is by value; what is not
//! there any more cannot be used again. Read `presigning.rs` (what proposals say of them) and `spending.rs` (who uses
//! which) next.

use std::collections::BTreeMap;

use consign_rounds::PartyIndex;

use super::curves::{OwnHalf, on_curve};
use super::hash::Hash;
use super::presigning::is_named;
use super::proposal::Proposal;
use crate::identity::NodeId;

/// Most presignatures of one key: what is outstanding weakens it a little (6.7).
pub const MAX_PER_KEY: usize = 512;
/// Most of them that one other node may have proposed, so that nobody takes all the room with what it lets go stale.
pub const MAX_PER_KEY_OF_ONE: usize = MAX_PER_KEY / 4;
/// Most presignatures of all keys together.
pub const MAX_IN_ALL: usize = 4_096;
/// Most of them that one other node may have proposed.
pub const MAX_IN_ALL_OF_ONE: usize = MAX_IN_ALL / 4;
/// How long a presignature is kept, in milliseconds (12 hours).
pub const MAX_AGE_MS: u64 = 12 * 60 * 60 * 1000;

/// One presignature.
pub(super) struct Slot {
    own: Box<OwnHalf>,
    /// Who alone proposes a signature with it.
    pub(super) owner: NodeId,
    /// Who proposed to make it.
    pub(super) maker: NodeId,
    /// The ceremony that made it.
    batch: Hash,
    /// When it was made, in milliseconds of this node's monotonic clock.
    pub(super) made: u64,
}

impl Slot {
    /// The key it is for.
    pub(super) fn key(&self) -> Hash {
        self.own.key()
    }

    /// The epoch of the key.
    pub(super) fn epoch(&self) -> u64 {
        self.own.epoch()
    }

    /// The indices of its signers.
    pub(super) fn signers(&self) -> Vec<u16> {
        self.own.signers().indices().map(PartyIndex::get).collect()
    }

    /// Whether a proposal is about it.
    pub(super) fn is_named_in(&self, proposal: &Proposal) -> bool {
        on_curve!(&*self.own, own => is_named(proposal, own.public()))
    }

    /// Whether it can be used only together with this node.
    pub(super) fn is_signed_by(&self, id: NodeId) -> bool {
        self.own.signers().iter().any(|(_, identity)| identity == id.as_bytes())
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Pool {
    slots: BTreeMap<Hash, Slot>,
}

impl Pool {
    /// Keeps what a ceremony has made. Slot `b` belongs to the `b mod t`-th signer.
    pub(super) fn keep(&mut self, made: Vec<OwnHalf>, proposal: &Proposal, now: u64) {
        let (owners, batch) = (proposal.participants.iter().cycle(), proposal.hash());
        for (own, owner) in made.into_iter().zip(owners) {
            let (id, maker) = (own.id(), proposal.proposer);
            self.slots.insert(id, Slot { own: Box::new(own), owner: owner.id, maker, batch, made: now });
        }
    }

    /// Takes one out, for good. Also the ceremony that made it.
    pub(super) fn spend(&mut self, id: &Hash) -> Option<(Box<OwnHalf>, Hash)> {
        self.slots.remove(id).map(|slot| (slot.own, slot.batch))
    }

    /// Wipes what is left of a batch. Returns how many.
    pub(super) fn erase_batch(&mut self, batch: Hash) -> usize {
        self.erase(|slot| slot.batch == batch)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, id: &Hash) -> Option<&Slot> {
        self.slots.get(id)
    }

    /// Those of a key.
    pub(super) fn of_key(&self, key: Hash) -> impl Iterator<Item = (Hash, &Slot)> {
        self.slots.iter().filter(move |(_, slot)| slot.key() == key).map(|(id, slot)| (*id, slot))
    }

    /// Wipes some. Returns how many.
    pub(super) fn erase(&mut self, goes: impl Fn(&Slot) -> bool) -> usize {
        let before = self.slots.len();
        self.slots.retain(|_, slot| !goes(slot));
        before - self.slots.len()
    }

    /// Wipes those that are too old. Returns how many.
    pub(super) fn erase_old(&mut self, now: u64) -> usize {
        self.erase(|slot| now.saturating_sub(slot.made) >= MAX_AGE_MS)
    }

    /// Whether so many more may be made for a key; `waiting` are being made: key, proposer and number.
    pub(super) fn has_room(
        &self,
        key: Hash,
        maker: NodeId,
        me: NodeId,
        more: usize,
        waiting: &[(Hash, NodeId, usize)],
    ) -> bool {
        let count = |of: &dyn Fn(Hash, NodeId) -> bool| -> usize {
            let here = self.slots.values().filter(|slot| of(slot.key(), slot.maker)).count();
            let coming = waiting.iter().filter(|(key, maker, _)| of(*key, *maker)).map(|(.., count)| count);
            coming.fold(here, |sum, count| sum.saturating_add(*count))
        };
        let fits = |most: usize, of: &dyn Fn(Hash, NodeId) -> bool| count(of).saturating_add(more) <= most;
        fits(MAX_IN_ALL, &|_, _| true)
            && fits(MAX_PER_KEY, &|of, _| of == key)
            && (maker == me
                || fits(MAX_IN_ALL_OF_ONE, &|_, by| by == maker)
                    && fits(MAX_PER_KEY_OF_ONE, &|of, by| of == key && by == maker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn node(seed: u8) -> NodeId {
        Identity::from_seed(&[seed; 32]).node_id()
    }

    #[test]
    fn nobody_takes_all_the_room() {
        let pool = Pool::default();
        let (me, other, third) = (node(1), node(2), node(3));
        let key = |i: u8| Hash([i; 32]);
        let room = |maker, more, waiting: &[_]| pool.has_room(key(1), maker, me, more, waiting);
        assert!(room(other, MAX_PER_KEY_OF_ONE, &[]));
        assert!(!room(other, MAX_PER_KEY_OF_ONE + 1, &[]));
        assert!(room(me, MAX_PER_KEY, &[]));
        assert!(!room(me, MAX_PER_KEY + 1, &[]));
        // What is being made counts.
        let full = [(key(1), other, MAX_PER_KEY_OF_ONE)];
        assert!(!room(other, 1, &full));
        assert!(room(third, MAX_PER_KEY_OF_ONE, &full));
        assert!(room(me, MAX_PER_KEY - MAX_PER_KEY_OF_ONE, &full));
        assert!(!room(me, MAX_PER_KEY - MAX_PER_KEY_OF_ONE + 1, &full));
        // Over all keys, too.
        let elsewhere = [(key(2), other, MAX_IN_ALL_OF_ONE - 1)];
        assert!(room(other, 1, &elsewhere));
        assert!(!room(other, 2, &elsewhere));
        let everything = [(key(2), me, MAX_IN_ALL)];
        assert!(!room(me, 1, &everything));
    }
}
