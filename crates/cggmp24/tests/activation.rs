//! A model of nodes that follow the activation rules, explored exhaustively: parties A, B (and D) are honest
//! and crash, C hands its confirmation of any attempt to anybody at any time. C is a holder in every attempt, so that the
//! moment at which a node holds a complete set is its choice alone: when messages between honest nodes arrive makes no
//! further difference, and the model leaves it out. Whatever happens, once the honest nodes
//! have told each other what they know, all of them have the same epoch in force and those who hold it have its share.
//! Two naive rules, put into the same model, lose the key (attacks ).
//!
//! A second model is about numbers alone: a holder that uses up as many as it can, with whom it likes, and clocks that
//! differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;
use std::hash::Hash;

use consign_cggmp24::activation::{Active, EPOCHS_PER_SECOND, Event, Ledger, largest_number};
use consign_cggmp24::epoch::EpochId;
use consign_rounds::SessionId;

fn id(epoch: u64, session: u8) -> EpochId {
    EpochId { epoch, session: SessionId([session; 32]) }
}

/// How one node decides. `Ledger` is the real one.
trait Rules: Clone + Debug + Eq + Hash {
    fn new(id: Option<EpochId>) -> Self;
    fn active(&self) -> Option<Active>;
    fn deal(&mut self, id: EpochId, base: EpochId) -> bool;
    fn confirm(&mut self, id: EpochId) -> bool;
    fn complete(&mut self, id: EpochId);
    fn ended(&mut self, id: EpochId);
}

impl Rules for Ledger {
    fn new(id: Option<EpochId>) -> Self {
        Ledger::new(id)
    }
    fn active(&self) -> Option<Active> {
        self.active()
    }
    fn deal(&mut self, id: EpochId, base: EpochId) -> bool {
        self.apply(Event::Deal { id, base }).is_ok()
    }
    fn confirm(&mut self, id: EpochId) -> bool {
        self.apply(Event::Confirm(id)).is_ok()
    }
    fn complete(&mut self, id: EpochId) {
        self.apply(Event::Complete(id)).unwrap();
    }
    fn ended(&mut self, id: EpochId) {
        self.apply(Event::Ended(id)).unwrap();
    }
}

/// Whatever completes becomes active, and everything else is erased.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LastWins {
    active: Option<Active>,
    pendings: BTreeSet<EpochId>,
}

impl Rules for LastWins {
    fn new(id: Option<EpochId>) -> Self {
        Self { active: id.map(|id| Active { id, has_share: true }), pendings: BTreeSet::new() }
    }
    fn active(&self) -> Option<Active> {
        self.active
    }
    fn deal(&mut self, _: EpochId, base: EpochId) -> bool {
        self.active == Some(Active { id: base, has_share: true })
    }
    fn confirm(&mut self, id: EpochId) -> bool {
        self.pendings.insert(id)
    }
    fn complete(&mut self, id: EpochId) {
        if self.pendings.contains(&id) {
            self.active = Some(Active { id, has_share: true });
            self.pendings.clear();
        }
    }
    fn ended(&mut self, _: EpochId) {}
}

/// The real order, but a confirmed share is given up when its session seems to have failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct GivesUp(LastWins, u64);

impl Rules for GivesUp {
    fn new(id: Option<EpochId>) -> Self {
        Self(LastWins::new(id), 0)
    }
    fn active(&self) -> Option<Active> {
        self.0.active
    }
    fn deal(&mut self, id: EpochId, base: EpochId) -> bool {
        let accepted = id.epoch > self.1 && self.0.deal(id, base);
        self.1 = if accepted { id.epoch } else { self.1 };
        accepted
    }
    fn confirm(&mut self, id: EpochId) -> bool {
        self.0.confirm(id)
    }
    fn complete(&mut self, id: EpochId) {
        if self.0.active.is_none_or(|active| active.id < id) {
            let has_share = self.0.pendings.remove(&id);
            self.0.active = Some(Active { id, has_share });
            self.0.pendings.retain(|pending| *pending > id);
        }
    }
    fn ended(&mut self, id: EpochId) {
        self.0.pendings.remove(&id);
    }
}

const A: usize = 0;
const B: usize = 1;
/// Not a node of the model: its messages appear when it likes.
const C: usize = 2;
const D: usize = 3;

/// Sets of parties are bit masks.
const fn mask(parties: &[usize]) -> u8 {
    let (mut mask, mut i) = (0, 0);
    while i < parties.len() {
        mask |= 1 << parties[i];
        i += 1;
    }
    mask
}

/// What somebody tries to do.
#[derive(Clone, Copy)]
struct Attempt {
    epoch: u64,
    dealers: u8,
    holders: u8,
}

const OLD: u8 = mask(&[A, B, C]);

/// A refresh by the first committee.
const fn refresh(epoch: u64) -> Attempt {
    Attempt { epoch, dealers: OLD, holders: OLD }
}

struct Scenario {
    honest: &'static [usize],
    attempts: Vec<Attempt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node<R> {
    rules: R,
    /// The attempt it takes part in.
    session: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World<R> {
    nodes: Vec<Node<R>>,
    base: [Option<EpochId>; 3],
    joined: [u8; 3],
    confirmed: [u8; 3],
    /// By attempt, who holds the complete set.
    complete: [u8; 3],
}

impl Scenario {
    fn id(&self, k: usize) -> EpochId {
        id(self.attempts[k].epoch, u8::try_from(k).unwrap() + 1)
    }

    fn honest_mask(&self) -> u8 {
        mask(self.honest)
    }

    fn start<R: Rules>(&self) -> World<R> {
        let node = |&party: &usize| {
            let first = (OLD & 1 << party != 0).then(|| id(0, 0));
            Node { rules: R::new(first), session: None }
        };
        World {
            nodes: self.honest.iter().map(node).collect(),
            base: [None; 3],
            joined: [0; 3],
            confirmed: [0; 3],
            complete: [0; 3],
        }
    }

    /// Who has a share of an epoch.
    fn holders(&self, of: EpochId) -> u8 {
        (0..self.attempts.len()).find(|k| self.id(*k) == of).map_or(OLD, |k| self.attempts[k].holders)
    }

    fn next<R: Rules>(&self, world: &World<R>) -> Vec<World<R>> {
        let mut next = Vec::new();
        for (at, &party) in self.honest.iter().enumerate() {
            if let Some(k) = world.nodes[at].session {
                next.push(self.crash(world, at, k.into()));
            }
            for k in 0..self.attempts.len() {
                next.extend(self.join(world, at, party, k));
                next.extend(self.confirm(world, at, party, k));
                next.extend(self.hear(world, at, k));
            }
        }
        next
    }

    /// The session is lost.
    fn crash<R: Rules>(&self, world: &World<R>, at: usize, k: usize) -> World<R> {
        let mut next = world.clone();
        next.nodes[at].session = None;
        next.nodes[at].rules.ended(self.id(k));
        next
    }

    fn join<R: Rules>(&self, world: &World<R>, at: usize, party: usize, k: usize) -> Option<World<R>> {
        let (attempt, bit) = (self.attempts[k], 1 << party);
        let is_party = (attempt.dealers | attempt.holders) & bit != 0;
        if !is_party || world.nodes[at].session.is_some() || world.joined[k] & bit != 0 {
            return None;
        }
        let mut next = world.clone();
        if attempt.dealers & bit != 0 {
            let active = next.nodes[at].rules.active().filter(|active| active.has_share)?;
            let base = *next.base[k].get_or_insert(active.id);
            let suits = self.holders(base) & attempt.dealers == attempt.dealers;
            if !suits || !next.nodes[at].rules.deal(self.id(k), base) {
                return None;
            }
        }
        next.joined[k] |= bit;
        next.nodes[at].session = Some(u8::try_from(k).unwrap());
        Some(next)
    }

    /// Everybody was there long enough to send shares; C too, which it may regret.
    fn is_dealt<R>(&self, world: &World<R>, k: usize) -> bool {
        let parties = (self.attempts[k].dealers | self.attempts[k].holders) & self.honest_mask();
        world.joined[k] & parties == parties
    }

    fn confirm<R: Rules>(&self, world: &World<R>, at: usize, party: usize, k: usize) -> Option<World<R>> {
        if world.nodes[at].session.map(usize::from) != Some(k) || !self.is_dealt(world, k) {
            return None;
        }
        let mut next = world.clone();
        // The session goes on until its end, which is a crash of this model; its end costs nothing that is durable.
        if world.confirmed[k] & 1 << party != 0 || self.attempts[k].holders & 1 << party == 0 {
            return None;
        }
        if !next.nodes[at].rules.confirm(self.id(k)) {
            return None;
        }
        next.confirmed[k] |= 1 << party;
        Some(next)
    }

    /// All honest holders have confirmed, and C chooses to show its confirmation to this node.
    fn hear<R: Rules>(&self, world: &World<R>, at: usize, k: usize) -> Option<World<R>> {
        let holders = self.attempts[k].holders & self.honest_mask();
        if world.confirmed[k] != holders || world.complete[k] & 1 << self.honest[at] != 0 {
            return None;
        }
        let mut next = world.clone();
        self.finish(&mut next, at, k);
        Some(next)
    }

    fn finish<R: Rules>(&self, world: &mut World<R>, at: usize, k: usize) {
        world.complete[k] |= 1 << self.honest[at];
        world.nodes[at].rules.complete(self.id(k));
    }

    /// The honest nodes tell each other all they know; C says nothing more. Are they of one mind, and able to sign?
    fn heals<R: Rules>(&self, world: &World<R>, order: &[usize]) -> bool {
        let mut world = world.clone();
        let complete: Vec<usize> = order.iter().copied().filter(|k| world.complete[*k] != 0).collect();
        for &k in &complete {
            for at in 0..self.honest.len() {
                if world.complete[k] & 1 << self.honest[at] == 0 {
                    self.finish(&mut world, at, k);
                }
            }
        }
        let top = complete.iter().map(|k| self.id(*k)).max().unwrap_or(id(0, 0));
        self.honest.iter().zip(&world.nodes).all(|(&party, node)| {
            let holds = self.holders(top) & 1 << party != 0;
            match node.rules.active() {
                Some(active) => active == Active { id: top, has_share: holds },
                None => !holds,
            }
        })
    }

    /// Visits every state there is. The number of states, or one from which the key is lost.
    fn explore<R: Rules>(&self) -> Result<usize, Box<World<R>>> {
        let mut seen = HashSet::from([self.start::<R>()]);
        let mut todo: Vec<_> = seen.iter().cloned().collect();
        let ascending: Vec<usize> = (0..self.attempts.len()).collect();
        let descending: Vec<usize> = ascending.iter().rev().copied().collect();
        while let Some(world) = todo.pop() {
            if !self.heals(&world, &ascending) || !self.heals(&world, &descending) {
                return Err(Box::new(world));
            }
            for next in self.next(&world) {
                if seen.insert(next.clone()) {
                    todo.push(next);
                }
            }
        }
        Ok(seen.len())
    }
}

fn three_refreshes() -> Scenario {
    Scenario { honest: &[A, B], attempts: vec![refresh(1), refresh(2), refresh(3)] }
}

/// A refresh, a resharing to A, C, D dealt by A and C, and a refresh of what that makes.
fn with_resharing() -> Scenario {
    let new = mask(&[A, C, D]);
    let reshare = Attempt { epoch: 2, dealers: mask(&[A, C]), holders: new };
    let last = Attempt { epoch: 3, dealers: new, holders: new };
    Scenario { honest: &[A, B, D], attempts: vec![refresh(1), reshare, last] }
}

/// Two resharings that know nothing of each other and use the same number.
fn equal_numbers() -> Scenario {
    let one = Attempt { epoch: 1, dealers: mask(&[A, C]), holders: mask(&[A, C, D]) };
    let two = Attempt { epoch: 1, dealers: mask(&[B, C]), holders: mask(&[B, C, D]) };
    Scenario { honest: &[A, B, D], attempts: vec![one, two] }
}

#[test]
fn nodes_converge_over_three_refreshes() {
    let states = three_refreshes().explore::<Ledger>().expect("the key is never lost");
    assert!(states > 1000, "only {states} states were visited");
}

#[test]
fn nodes_converge_whatever_the_order_of_the_numbers() {
    for epochs in [[2, 1, 3], [3, 1, 2], [1, 1, 2]] {
        let scenario = Scenario { honest: &[A, B], attempts: epochs.map(refresh).to_vec() };
        scenario.explore::<Ledger>().unwrap_or_else(|lost| panic!("{epochs:?}: {lost:?}"));
    }
}

#[test]
fn nodes_converge_with_a_resharing() {
    let states = with_resharing().explore::<Ledger>().expect("the key is never lost");
    assert!(states > 1000, "only {states} states were visited");
}

#[test]
fn nodes_converge_on_one_of_two_equal_numbers() {
    equal_numbers().explore::<Ledger>().expect("the key is never lost");
}

#[test]
fn naive_rules_lose_the_key() {
    let lost = three_refreshes().explore::<LastWins>().expect_err("a late confirmation forks the key");
    let shares: BTreeSet<_> = lost.nodes.iter().map(|node| node.rules.active.unwrap().id).collect();
    assert_eq!(shares.len(), 2, "A and B hold shares of different epochs and of nothing else");
    three_refreshes().explore::<GivesUp>().expect_err("a share that was given up is needed");
}

/// How many seconds the clocks of three honest nodes are ahead of the slowest of them.
const AHEAD: [u64; 3] = [0, 1, 3];
/// How long the adversary has, in seconds.
const ATTACK_S: u64 = 4;
const START: u64 = 1_800_000_000;

/// The largest number that a node accepts, at a Unix time of its own.
type Bound = fn(&Ledger, u64) -> u64;

/// An adversary deals with any of three honest nodes, at any time, under the largest number that all of these accept or
/// the smallest, and drops it. All it can do is explored. The longest time after which one number suits everybody again,
/// in seconds; nothing if there is a way to no such number within a day.
fn numbers_come_back(bound: Bound) -> Option<u64> {
    const DAY: u64 = 24 * 60 * 60;
    let first = AHEAD.map(|_| Ledger::new(Some(id(0, 0))));
    let mut worlds = HashSet::from([first]);
    let mut longest = 0;
    for time in START..START + ATTACK_S {
        for world in worlds.clone() {
            for with in 1..1_u8 << AHEAD.len() {
                let chosen = || (0..AHEAD.len()).filter(|i| with & 1 << i != 0);
                let least = chosen().map(|i| world[i].highest()).max().unwrap() + 1;
                let most = chosen().map(|i| bound(&world[i], time + AHEAD[i])).min().unwrap();
                for epoch in [least, most].into_iter().filter(|epoch| (least..=most).contains(epoch)) {
                    let mut next = world.clone();
                    for i in chosen() {
                        next[i].apply(Event::Deal { id: id(epoch, 1), base: id(0, 0) }).unwrap();
                    }
                    worlds.insert(next);
                }
            }
        }
        // What an honest proposer takes: the next number after all that were used.
        for world in &worlds {
            let next = world.iter().map(Ledger::highest).max().unwrap() + 1;
            let suits =
                |later: u64| (0..AHEAD.len()).all(|i| next <= bound(&world[i], time + later + AHEAD[i]));
            longest = longest.max((0..8).chain([DAY]).find(|later| suits(*later))?);
        }
    }
    Some(longest)
}

/// The clocks' difference, and one second: then all accept more than anybody has used.
#[test]
fn nobody_uses_up_the_numbers() {
    let shared = numbers_come_back(|_, unix| largest_number(unix));
    assert_eq!(shared, Some(AHEAD[2] + 1));
    // With a bound of each node's own they are gone, however long one waits.
    assert_eq!(numbers_come_back(|ledger, _| ledger.highest() + EPOCHS_PER_SECOND), None);
}

/// What the bound of the model is, the ledger keeps.
#[test]
fn the_ledger_keeps_the_bound() {
    let ledger = Ledger::new(Some(id(0, 0)));
    let largest = largest_number(START);
    assert!(ledger.accepts(largest, START).is_ok() && ledger.accepts(largest + 1, START).is_err());
    assert_eq!(largest_number(u64::MAX), u64::MAX);
}
