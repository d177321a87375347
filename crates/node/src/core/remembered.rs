//! The requests this node remembers, so that the same bytes never run twice (system page, section 3), and who may add
//! to them. The table is for all: nobody may take so much of it that others, or this node's own clients, find it full.

use std::collections::BTreeMap;

use super::Now;
use super::asked::Asked;
use super::hash::Hash;
use super::node::OpenError;
use super::records::{BadRecord, FORGOTTEN, RESTORED, RequestRecord, Signed, decode, encode};
use super::requests::{MAX_REQUESTS, MAX_SKEW_S};
use crate::identity::NodeId;
use crate::store::{Store, Table, Write};

/// Most new requests that one other node may bring here in a minute: more than it can bring to an end, with the
/// sessions it may have at a time.
pub const MAX_NEW_PER_MINUTE: u32 = 1_200;
/// Most other nodes whose new requests are counted at a time: more than a roster has members. It cannot grow past that
/// with whoever was a member once.
pub const MAX_COUNTED: usize = 1_024;
/// A minute, in milliseconds.
const MINUTE_MS: u64 = 60_000;
/// Most requests that are forgotten in one transaction.
const MAX_FORGOTTEN: usize = 2_000;

/// Why another request cannot be remembered. For people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRoom {
    /// Whoever asks.
    #[error("this node remembers as many requests as it may")]
    Full,
    /// The proposer has more than is left for others.
    #[error("this node remembers as many requests of the proposer as it may")]
    Share,
    /// The proposer brings too many at a time.
    #[error("the proposer brings more requests than this node takes in a minute")]
    Rate,
}

/// All of them.
#[derive(Default)]
pub(super) struct Remembered {
    records: BTreeMap<Hash, RequestRecord>,
    /// How many of them each node has proposed.
    shares: BTreeMap<NodeId, usize>,
    /// How many each other node has brought since the given time, for a minute or two.
    lately: BTreeMap<NodeId, (u64, u32)>,
    /// The latest time of a request whose record was forgotten: what is not later is never fresh again.
    forgotten: u64,
}

impl Remembered {
    /// Reads them all.
    pub(super) fn read(store: &dyn Store) -> Result<Self, OpenError> {
        let bad = |source| OpenError::Record { what: "a request record", source };
        let mut all = Self::default();
        if let Some(value) = store.get(Table::Meta, FORGOTTEN)? {
            let what = "the age of forgotten requests";
            all.forgotten = decode(&value).map_err(|source| OpenError::Record { what, source })?;
        }
        for (key, value) in store.list(Table::Requests)? {
            let record = RequestRecord::read(&value).map_err(bad)?;
            let id = <[u8; 32]>::try_from(key.as_slice()).map_err(|_| bad(BadRecord))?;
            for proposer in record.tries.keys() {
                *all.shares.entry(*proposer).or_default() += 1;
            }
            all.records.insert(Hash(id), record);
        }
        Ok(all)
    }

    /// The first start after a restore: whatever was asked until now, also by clients whose clocks are ahead, may have been
    /// done by the lost node, or by this one before the power went. Returns what is to be durable before any record of a
    /// request; until it is, every start sets a later mark.
    pub(super) fn begin(&mut self, store: &dyn Store, now: Now) -> Result<Vec<Write>, OpenError> {
        let Some(value) = store.get(Table::Meta, RESTORED)? else { return Ok(Vec::new()) };
        let what = "the time of the restore";
        let restored: u64 = decode(&value).map_err(|source| OpenError::Record { what, source })?;
        // The clock may have been set back since the restore.
        self.forgotten = self.forgotten.max(restored.max(now.unix).saturating_add(MAX_SKEW_S));
        let mark = Write::put(Table::Meta, FORGOTTEN, encode(&self.forgotten));
        Ok(vec![mark, Write::delete(Table::Meta, RESTORED)])
    }

    pub(super) fn get(&self, request: &Hash) -> Option<&RequestRecord> {
        self.records.get(request)
    }

    /// A time that is over: of the latest request that is forgotten, or of a restore.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Whether requests of that time may have been here and are forgotten.
    pub(super) fn is_forgotten(&self, created: u64) -> bool {
        created <= self.forgotten
    }

    /// Whether one more request of this proposer may be remembered. Nobody but this node itself (`me`) may have more
    /// than are still free, so however many take all they can, the next one finds as much.
    pub(super) fn room(&self, proposer: NodeId, me: NodeId, now: u64) -> Result<(), NoRoom> {
        let free = MAX_REQUESTS.saturating_sub(self.records.len());
        if free == 0 {
            return Err(NoRoom::Full);
        }
        if proposer == me {
            return Ok(());
        }
        if self.shares.get(&proposer).is_some_and(|share| *share >= free) {
            return Err(NoRoom::Share);
        }
        let (_, brought) = self.brought(proposer, now);
        let is_counted = self.lately.len() < MAX_COUNTED || self.lately.contains_key(&proposer);
        if brought >= MAX_NEW_PER_MINUTE || !is_counted { Err(NoRoom::Rate) } else { Ok(()) }
    }

    fn brought(&self, proposer: NodeId, now: u64) -> (u64, u32) {
        let lately = self.lately.get(&proposer).copied();
        lately.filter(|(since, _)| now.saturating_sub(*since) < MINUTE_MS).unwrap_or((now, 0))
    }

    /// Remembers a request that a client has brought to this node itself, before anybody is asked. Returns the record as
    /// it is now.
    pub(super) fn note(&mut self, request: Hash, asked: &Asked) -> &RequestRecord {
        self.enter(request, asked.created(), asked.remembered())
    }

    /// The record of a request, made if there is none. Signed anew, a request lasts longer.
    fn enter(&mut self, request: Hash, created: u64, signed: Option<Signed>) -> &mut RequestRecord {
        let fresh = || RequestRecord { created, tries: BTreeMap::new(), finished: false, signed };
        let record = self.records.entry(request).or_insert_with(fresh);
        record.created = record.created.max(created);
        if let Some((own, again)) = record.signed.as_mut().zip(signed) {
            own.expires = own.expires.max(again.expires);
        }
        record
    }

    /// Counts a try; the first one of all makes the record. Returns the record as it is now.
    pub(super) fn count_try(
        &mut self,
        request: Hash,
        (created, signed): (u64, Option<Signed>),
        proposer: NodeId,
        now: u64,
    ) -> &RequestRecord {
        if !self.records.contains_key(&request) {
            let (since, brought) = self.brought(proposer, now);
            self.lately.insert(proposer, (since, brought.saturating_add(1)));
        }
        let is_known = self.records.get(&request).is_some_and(|r| r.tries.contains_key(&proposer));
        if !is_known {
            *self.shares.entry(proposer).or_default() += 1;
        }
        let record = self.enter(request, created, signed);
        let tries = record.tries.entry(proposer).or_default();
        *tries = tries.saturating_add(1);
        record
    }

    /// It has led to its result. Returns the record as it is now, if there is one.
    pub(super) fn finish(&mut self, request: &Hash) -> Option<&RequestRecord> {
        let record = self.records.get_mut(request)?;
        record.finished = true;
        Some(record)
    }

    /// Forgets old ones, and remembers for good how old: the clock may be set back. Returns what is to be written.
    pub(super) fn forget(&mut self, now: Now) -> Vec<Write> {
        self.lately.retain(|_, (since, _)| now.monotonic.saturating_sub(*since) < MINUTE_MS);
        let is_old = |r: &RequestRecord| r.kept_until() < now.unix;
        let old: Vec<_> =
            self.records.iter().filter(|(_, r)| is_old(r)).map(|(id, _)| *id).take(MAX_FORGOTTEN).collect();
        let mut writes = Vec::new();
        for id in old {
            let Some(record) = self.records.remove(&id) else { continue };
            for proposer in record.tries.keys() {
                if let Some(share) = self.shares.get_mut(proposer) {
                    *share = share.saturating_sub(1);
                }
            }
            self.shares.retain(|_, share| *share > 0);
            self.forgotten = self.forgotten.max(record.created);
            writes.push(Write::delete(Table::Requests, id.0));
        }
        if !writes.is_empty() {
            writes.push(Write::put(Table::Meta, FORGOTTEN, encode(&self.forgotten)));
        }
        writes
    }
}

#[cfg(test)]
mod tests {
    use super::super::requests::REQUEST_KEPT_S;
    use super::*;
    use crate::identity::Identity;

    fn node(seed: u8) -> NodeId {
        Identity::from_seed(&[seed; 32]).node_id()
    }

    /// Brings new requests, so slowly that the rate is no matter, until there is no room or `most` are in.
    fn bring(all: &mut Remembered, proposer: NodeId, most: usize) -> usize {
        let before = all.records.len();
        while all.records.len() < before + most {
            let count = u64::try_from(all.records.len()).unwrap();
            let now = count * MINUTE_MS;
            if all.room(proposer, node(1), now).is_err() {
                break;
            }
            let mut id = [0; 32];
            id[..8].copy_from_slice(&count.to_be_bytes());
            all.count_try(Hash(id), (1, None), proposer, now);
        }
        all.records.len() - before
    }

    #[test]
    fn who_takes_all_it_can_leaves_as_much() {
        let mut all = Remembered::default();
        assert_eq!(bring(&mut all, node(2), MAX_REQUESTS), MAX_REQUESTS / 2);
        assert_eq!(bring(&mut all, node(3), MAX_REQUESTS), MAX_REQUESTS / 4);
        assert_eq!(all.room(node(2), node(1), 0), Err(NoRoom::Share));
        assert_eq!(bring(&mut all, node(4), 10), 10);
        // The own clients may have the rest.
        assert_eq!(bring(&mut all, node(1), MAX_REQUESTS), MAX_REQUESTS / 4 - 10);
        assert_eq!(all.room(node(1), node(1), 0), Err(NoRoom::Full));
        // What is forgotten counts no more.
        let later = Now { monotonic: 0, unix: 2 + REQUEST_KEPT_S };
        while !all.forget(later).is_empty() {}
        assert_eq!((all.records.len(), all.room(node(2), node(1), 0)), (0, Ok(())));
        assert!(all.is_forgotten(1) && !all.is_forgotten(2));
        assert!(all.shares.is_empty());
    }

    #[test]
    fn nobody_brings_too_many_at_a_time() {
        let mut all = Remembered::default();
        for i in 0..MAX_NEW_PER_MINUTE {
            assert_eq!(all.room(node(2), node(1), 5), Ok(()));
            let mut id = [0; 32];
            id[..4].copy_from_slice(&i.to_be_bytes());
            all.count_try(Hash(id), (1, None), node(2), 5);
        }
        assert_eq!(all.room(node(2), node(1), 4 + MINUTE_MS), Err(NoRoom::Rate));
        assert_eq!(all.room(node(3), node(1), 5), Ok(()));
        assert_eq!(all.room(node(2), node(1), 5 + MINUTE_MS), Ok(()));
        // Another try of a request that is there is nothing new.
        let tries = all.count_try(Hash([0; 32]), (1, None), node(3), 5).tries.len();
        assert_eq!((tries, all.lately.get(&node(3))), (2, None));
    }

    /// Members that came and went leave nothing behind, and no more of them bring something than are counted.
    #[test]
    fn only_so_many_are_counted() {
        let mut all = Remembered::default();
        let name = |i: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&u64::try_from(i).unwrap().to_be_bytes());
            id
        };
        let member = |i| Identity::from_seed(&name(MAX_COUNTED + i)).node_id();
        for i in 0..MAX_COUNTED {
            assert_eq!(all.room(member(i), node(1), 5), Ok(()));
            all.count_try(Hash(name(i)), (1, None), member(i), 5);
        }
        assert_eq!(all.room(node(2), node(1), 5), Err(NoRoom::Rate));
        assert_eq!(all.room(node(1), node(1), 5), Ok(()));
        assert_eq!(all.room(member(0), node(1), 5), Ok(()));
        all.forget(Now { monotonic: 4 + MINUTE_MS, unix: 0 });
        assert_eq!(all.lately.len(), MAX_COUNTED);
        all.forget(Now { monotonic: 5 + MINUTE_MS, unix: 0 });
        assert_eq!((all.lately.len(), all.room(node(2), node(1), 5 + MINUTE_MS)), (0, Ok(())));
    }
}
