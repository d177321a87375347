//! Standing orders: what runs without a client (exact rules, 11.4). A holder of the key proposes it when its own policy
//! wants it; every participant looks into its own policy, whoever proposes. So a proposer in the wrong hands gets nothing
//! done but what the orders of all of them want, when they want it. Read `policy/standing.rs` first.
//!
//! Whose turn it is: the first of those who are needed; if that one does nothing, the next one after a pause.

use std::collections::{BTreeMap, BTreeSet};

use consign_api as api;
use consign_api::limits::MAX_PRESIGNATURES;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

use super::Level;
use super::asked::Asked;
use super::ceremony::Ceremony;
use super::governing::facts_about;
use super::hash::Hash;
use super::keys::Key;
use super::node::{Node, OpenError, Then};
use super::presigning::longest_batch;
use super::proposal::Proposal;
use super::records::{SINCE, decode, encode};
use super::requests::{RawRequest, Wanted};
use super::views::api_id;
use crate::identity::NodeId;
use crate::store::{Store, Table, Write};

/// Pause between two looks, in milliseconds.
pub const LOOK_MS: u64 = 5_000;
/// Pause after something came to nothing, in milliseconds; doubled each time up to the longest.
pub const PAUSE_MS: u64 = 30_000;
/// Longest such pause, in milliseconds.
pub const MAX_PAUSE_MS: u64 = 30 * 60 * 1000;
/// How long a pool may be low before the next of its signers fills it, in milliseconds.
pub const STAND_IN_MS: u64 = 60_000;
/// How long a refresh may be due before the next holder proposes it, in seconds.
pub const STAND_IN_S: u64 = 15 * 60;
/// How much earlier than by this node's own reckoning others may propose a refresh, in seconds: clocks differ, and not all
/// holders hear of a new epoch at once. Less than [`STAND_IN_S`], or turns would mean nothing.
pub const EARLY_S: u64 = 5 * 60;

/// Most signer sets of which one holder may have presignatures made at a time, for each signer that a set has. It is in so
/// many runs of neighbours, and in others while somebody is away; but nobody takes the places of sets without it.
const MAX_POOLS_PER_SIGNER: usize = 2;
/// What a participant says whose high mark is lower; the next try asks for fewer.
const ABOVE: &str = "above the high mark";
/// So many tries are told apart.
const MAX_FAILED: u32 = 16;

const _: () = assert!(EARLY_S < STAND_IN_S);

/// Since when the shares of an epoch are in force here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Since {
    /// The session that made the epoch.
    session: [u8; 32],
    /// Unix time in seconds.
    unix: u64,
}

/// What is to be done for a key: a batch for these signers, or a refresh.
type Work = Option<Vec<u16>>;

/// What came of the last tries.
#[derive(Default)]
struct Tries {
    /// The ceremony under way.
    request: Option<Hash>,
    /// How many came to nothing, one after the other.
    failed: u32,
    /// How many of them because somebody wants fewer.
    above: u32,
    /// No other try before this.
    next: u64,
    /// Why the last one came to nothing.
    problem: Option<api::Problem>,
}

/// What a node knows of its standing orders.
#[derive(Default)]
pub(super) struct Orders {
    next: u64,
    since: BTreeMap<Hash, Since>,
    /// Since when pools are low.
    low: BTreeMap<(Hash, Vec<u16>), u64>,
    tries: BTreeMap<(Hash, Work), Tries>,
}

impl Orders {
    /// Reads since when shares are in force.
    pub(super) fn read(store: &dyn Store) -> Result<Self, OpenError> {
        let what = "since when shares are in force";
        let mut all = Self::default();
        for (name, value) in store.list(Table::Meta)? {
            let id = name.strip_prefix(SINCE).and_then(|id| <[u8; 32]>::try_from(id).ok());
            let Some(id) = id else { continue };
            let since = decode(&value).map_err(|source| OpenError::Record { what, source })?;
            all.since.insert(Hash(id), since);
        }
        Ok(all)
    }
}

fn since_key(key: &Hash) -> Vec<u8> {
    [SINCE, &key.0].concat()
}

impl Node {
    /// Whether this node's standing orders want what somebody proposes without a client, here and now.
    pub(super) fn order_lets(
        &self,
        proposal: &Proposal,
        wanted: &Wanted,
        key: Option<&Key>,
    ) -> Result<(), String> {
        if self.policy().is_none() && !self.settings.require_clients {
            return Ok(());
        }
        let key = key.ok_or("this node does not know the key")?;
        self.order_exists(wanted, key)?;
        let proposer = key.holders().iter().position(|holder| holder.id == proposal.proposer);
        let turn = proposer.ok_or("policy: only a holder of the key carries out standing orders")?;
        // What somebody else proposes and does not start keeps nobody from what is wanted.
        let other = |c: &Ceremony| {
            let counts = c.is_running() || c.proposal.proposer == proposal.proposer;
            counts && c.proposal.key == Some(key.id()) && c.is_standing()
        };
        if self.others_run(proposal, other) {
            return Err("policy: another standing order for the key is being carried out".to_owned());
        }
        match wanted {
            Wanted::Presign(presign) => self.marks_let(proposal, presign, key),
            Wanted::Refresh(refresh) => self.calendar_lets(turn, refresh.terms.moduli, key),
            Wanted::Key(_) | Wanted::Signature(_) | Wanted::Reshare(_) => Ok(()),
        }
    }

    /// Whether there is an order of this sort for the key, whatever the time.
    pub(super) fn order_exists(&self, wanted: &Wanted, key: &Key) -> Result<(), String> {
        let Some(policy) = self.policy() else {
            return if self.settings.require_clients {
                Err("this node does nothing that no client has signed: ask with a client key".to_owned())
            } else {
                Ok(())
            };
        };
        let facts = facts_about(key);
        let (there, ceremony) = match wanted {
            Wanted::Presign(_) => (policy.marks(&facts).is_some(), "presign"),
            Wanted::Refresh(refresh) => {
                (policy.next_refresh(&facts, 0, Some(refresh.terms.moduli)).is_some(), "refresh")
            }
            Wanted::Key(_) | Wanted::Signature(_) | Wanted::Reshare(_) => (false, "this"),
        };
        if there {
            return Ok(());
        }
        let (name, label) = (&self.settings.name, key.label());
        Err(format!("policy: {name} has no standing order to {ceremony} like that with the key `{label}`"))
    }

    /// No more than the high mark, in no more pools than an honest proposer has.
    fn marks_let(&self, proposal: &Proposal, wanted: &api::Presign, key: &Key) -> Result<(), String> {
        if wanted.terms.signers.is_empty() || proposal.index_of(proposal.proposer).is_none() {
            return Err("policy: a standing order names the signers, and one of them proposes it".to_owned());
        }
        let here = self.pool_of(key, &proposal.signers).saturating_add(self.coming(proposal));
        let high = self.policy().and_then(|policy| policy.marks(&facts_about(key))).map(|(.., high)| high);
        let Some(high) = high else { return Ok(()) };
        if here.saturating_add(proposal.batch) > high {
            return Err(format!(
                "policy: {} more would be {ABOVE} of {}, which is {high}",
                proposal.batch, self.settings.name
            ));
        }
        let pools = self.pools_of(key, proposal.proposer);
        let most = MAX_POOLS_PER_SIGNER.saturating_mul(key.info().threshold().into());
        if pools.len() >= most && !pools.contains(&proposal.signers) {
            return Err(
                "policy: the proposer has presignatures of as many signer sets as it may have".to_owned()
            );
        }
        Ok(())
    }

    /// Not before it is due, nor before it is the proposer's turn.
    fn calendar_lets(&self, turn: usize, moduli: api::Moduli, key: &Key) -> Result<(), String> {
        let Some(policy) = self.policy() else { return Ok(()) };
        let since = self.in_force_since(key).unwrap_or(self.now.unix);
        let Some((order, _, due)) = policy.next_refresh(&facts_about(key), since, Some(moduli)) else {
            return Ok(());
        };
        let due = due.saturating_add(turn_s(turn));
        if self.now.unix.saturating_add(EARLY_S) >= due {
            return Ok(());
        }
        Err(format!(
            "policy: the order {order} of {} wants that, or lets this proposer, in {} s",
            self.settings.name,
            due.saturating_sub(self.now.unix)
        ))
    }

    /// How many presignatures others make beside this, for standing orders, with the same signers.
    fn coming(&self, proposal: &Proposal) -> u32 {
        let hash = proposal.hash();
        let beside = |c: &Ceremony| {
            let other = &c.proposal;
            let alike = other.kind == proposal.kind && other.key == proposal.key;
            !c.is_over() && c.is_standing() && alike && other.signers == proposal.signers
        };
        let others = self.ceremonies.iter().filter(|(id, c)| **id != hash && beside(c));
        others.fold(0, |sum, (_, c)| sum.saturating_add(c.proposal.batch))
    }

    /// How many presignatures of these signers are here.
    fn pool_of(&self, key: &Key, signers: &[u16]) -> u32 {
        let theirs = self.presignatures.of_key(key.id()).filter(|(_, slot)| slot.signers() == signers);
        u32::try_from(theirs.count()).unwrap_or(u32::MAX)
    }

    /// The signer sets for which this maker has presignatures that could be used now.
    fn pools_of(&self, key: &Key, maker: NodeId) -> BTreeSet<Vec<u16>> {
        let made = self.presignatures.of_key(key.id()).filter(|(_, slot)| slot.maker == maker);
        let sets: BTreeSet<_> = made.map(|(_, slot)| slot.signers()).collect();
        let is_up = |index: &u16| key.holder(*index).is_some_and(|holder| self.is_up(holder.id));
        sets.into_iter().filter(|signers| signers.iter().all(is_up)).collect()
    }

    fn in_force_since(&self, key: &Key) -> Option<u64> {
        let since = self.orders.since.get(&key.id())?;
        (since.session == key.info().session().0).then_some(since.unix)
    }

    pub(super) fn tick_standing(&mut self) {
        let now = self.now.monotonic;
        if now < self.orders.next {
            return;
        }
        self.orders.next = now.saturating_add(LOOK_MS);
        self.note_epochs();
        if !self.is_governed() {
            return;
        }
        self.settle_tries();
        // Nothing waits for what nobody has asked for.
        let begun = |c: &Ceremony| !c.is_standing() || c.is_running() || c.proposal.proposer == self.me;
        let idle = self.tasks.is_empty() && !self.ceremonies.values().any(|c| !c.is_over() && begun(c));
        if !idle || self.held().is_some() {
            return;
        }
        let refresh = self.keys.values().find_map(|key| Some((key.id(), None, self.refresh_to_do(key)?)));
        let Some((key, work, wanted)) = refresh.or_else(|| self.batch_to_do()) else { return };
        let raw = RawRequest::new(&wanted, self.now.unix, self.random());
        let begun = self.obstacle(&wanted).and_then(|()| self.take_up(Asked::standing(&raw), wanted));
        match begun {
            Ok(view) => self.orders.tries.entry((key, work)).or_default().request = Some(Hash(view.id.0)),
            Err(problem) => self.set_back((key, work), problem),
        }
    }

    /// What has come of what was begun.
    fn settle_tries(&mut self) {
        let mut ended = Vec::new();
        for (name, tries) in &self.orders.tries {
            let Some(request) = tries.request else { continue };
            match self.ceremony_view(&request) {
                Some(view) if !view.state.is_over() => {}
                Some(view) => ended.push((name.clone(), view.failure)),
                None => ended.push((name.clone(), None)),
            }
        }
        for (name, failure) in ended {
            match failure {
                Some(problem) => self.set_back(name, problem),
                None => drop(self.orders.tries.remove(&name)),
            }
        }
        let keys = &self.keys;
        self.orders.tries.retain(|(key, _), _| keys.contains_key(key));
    }

    /// Not again before a pause, at random so that nodes do not get into each other's way for ever.
    fn set_back(&mut self, name: (Hash, Work), problem: api::Problem) {
        self.log(Level::Info, &format!("a standing order for the key {} came to nothing: {problem}", name.0));
        let spread = u64::from(self.rng.next_u32()) % PAUSE_MS;
        let now = self.now.monotonic;
        let tries = self.orders.tries.entry(name).or_default();
        let pause = PAUSE_MS.checked_shl(tries.failed).unwrap_or(MAX_PAUSE_MS).min(MAX_PAUSE_MS);
        tries.request = None;
        tries.failed = tries.failed.saturating_add(1).min(MAX_FAILED);
        tries.above = tries.above.saturating_add(problem.detail.contains(ABOVE).into()).min(MAX_FAILED);
        tries.next = now.saturating_add(pause).saturating_add(spread);
        tries.problem = Some(problem);
    }

    /// Whether the last try is long enough ago, and how many asked for too much.
    fn may_try(&self, name: &(Hash, Work)) -> Option<u32> {
        match self.orders.tries.get(name) {
            Some(tries) if tries.request.is_some() || tries.next > self.now.monotonic => None,
            Some(tries) => Some(tries.above),
            None => Some(0),
        }
    }

    /// The refresh of a key that this node is to propose now.
    fn refresh_to_do(&self, key: &Key) -> Option<Wanted> {
        let (moduli, due) = self.next_refresh(key)?;
        let turn = key.holders().iter().position(|holder| holder.id == self.me)?;
        let is_due = self.now.unix >= due.saturating_add(turn_s(turn));
        self.may_try(&(key.id(), None)).filter(|_| is_due)?;
        let terms = api::RefreshTerms { epoch: key.info().epoch(), moduli };
        Some(Wanted::Refresh(api::Refresh { key: api::KeyId(key.id().0), terms }))
    }

    /// When this node's orders want a key to be refreshed, and how.
    fn next_refresh(&self, key: &Key) -> Option<(api::Moduli, u64)> {
        let since = self.in_force_since(key).filter(|_| is_at_work(key))?;
        let (_, moduli, due) = self.policy()?.next_refresh(&facts_about(key), since, None)?;
        Some((moduli, due))
    }

    /// The next batch that this node is to propose now.
    fn batch_to_do(&mut self) -> Option<(Hash, Work, Wanted)> {
        let now = self.now.monotonic;
        let low: BTreeMap<_, _> = self.keys.values().flat_map(|key| self.low_pools(key)).collect();
        self.orders.low.retain(|name, _| low.contains_key(name));
        for name in low.keys() {
            self.orders.low.entry(name.clone()).or_insert(now);
        }
        low.into_iter().find_map(|((id, signers), lacks)| {
            let key = self.keys.get(&id)?;
            let turn = signers.iter().position(|i| key.holder(*i).is_some_and(|h| h.id == self.me))?;
            let since = self.orders.low.get(&(id, signers.clone())).copied().unwrap_or(now);
            let wait = STAND_IN_MS.saturating_mul(u64::try_from(turn).unwrap_or(u64::MAX));
            let work = Some(signers);
            let above = self.may_try(&(id, work.clone())).filter(|_| since.saturating_add(wait) <= now)?;
            // Another's high mark may be lower.
            let count = (lacks >> above).max(1).min(longest_batch(key)).min(MAX_PRESIGNATURES);
            let named = work.iter().flatten().filter_map(|i| key.holder(*i));
            let terms = api::PresignTerms { count, signers: named.map(|h| api_id(h.id)).collect() };
            let wanted = Wanted::Presign(api::Presign { key: api::KeyId(id.0), terms });
            Some((id, work, wanted))
        })
    }

    /// The pools of a key with less than the low mark, and how many each lacks up to the high one. There is one for each
    /// run of neighbours among the holders that are here: as many as those, so everybody is in as many as sign.
    fn low_pools(&self, key: &Key) -> Vec<((Hash, Vec<u16>), u32)> {
        let marks =
            self.policy().filter(|_| is_at_work(key)).and_then(|policy| policy.marks(&facts_about(key)));
        let Some((_, low, high)) = marks else { return Vec::new() };
        let is_here = |id: NodeId| self.is_up(id) && !self.shuns(id);
        let here: Vec<_> = key.holders().iter().filter(|h| is_here(h.id)).map(|h| h.index).collect();
        let threshold = usize::from(key.info().threshold());
        if here.len() < threshold {
            return Vec::new();
        }
        let run = |first: usize| {
            let mut run: Vec<_> = here.iter().cycle().skip(first).take(threshold).copied().collect();
            run.sort_unstable();
            run
        };
        let runs: BTreeSet<_> = (0..here.len()).map(run).collect();
        let lacks =
            runs.into_iter().map(|run| (self.pool_of(key, &run), run)).filter(|(count, _)| *count < low);
        lacks.map(|(count, run)| ((key.id(), run), high.saturating_sub(count))).collect()
    }

    /// What the standing orders here want of a key, and why it was not done, as the API shows it.
    pub(super) fn standing_view(&self, key: &Key) -> Option<api::StandingView> {
        let marks = self.policy()?.marks(&facts_about(key));
        let refresh = self.next_refresh(key);
        if marks.is_none() && refresh.is_none() {
            return None;
        }
        let tries = self.orders.tries.iter().filter(|((id, _), _)| *id == key.id());
        let problem = tries.filter_map(|(_, tries)| tries.problem.as_ref()).next_back();
        Some(api::StandingView {
            low: marks.map(|(_, low, _)| low),
            high: marks.map(|(.., high)| high),
            refresh_due: refresh.map(|(_, due)| due),
            problem: problem.map(|problem| problem.detail.clone()),
            waiting_for: problem.map(|problem| problem.validators.clone()).unwrap_or_default(),
        })
    }

    /// Remembers when the shares of each key came into force. A moment late does no harm: it counts in days.
    fn note_epochs(&mut self) {
        let mut writes = Vec::new();
        for (id, key) in &self.keys {
            let own = key.is_active() && key.share().is_some();
            let session = key.info().session().0;
            let known = self.orders.since.get(id).is_some_and(|since| since.session == session);
            if own && !known {
                let since = Since { session, unix: self.now.unix };
                writes.push(Write::put(Table::Meta, since_key(id), encode(&since)));
                self.orders.since.insert(*id, since);
            }
        }
        let keys = &self.keys;
        self.orders.since.retain(|id, _| {
            let kept = keys.get(id).is_some_and(|key| key.share().is_some());
            if !kept {
                writes.push(Write::delete(Table::Meta, since_key(id)));
            }
            kept
        });
        if !writes.is_empty() {
            self.store(writes, Then::Rest);
        }
    }
}

/// Whether the key can be used, and this node has a share of it.
fn is_at_work(key: &Key) -> bool {
    key.is_active() && key.share().is_some() && !key.is_whole()
}

/// How long after it is due the holder with this place may propose a refresh, in seconds.
fn turn_s(turn: usize) -> u64 {
    STAND_IN_S.saturating_mul(u64::try_from(turn).unwrap_or(u64::MAX))
}
