//! What lists were made of, and how long it took: for measuring, in builds with the feature `census` alone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// How exponentiations were computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// In a group of lanes.
    Lanes,
    /// One number across the lanes.
    Across,
    /// On AWS-LC, alone or as a pair.
    Scalar,
    /// Products from tables of fixed bases.
    Tables,
}

/// Exponentiations that cost alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Bits of the modulus.
    pub modulus: u32,
    /// Bits of the exponent that are walked over: in a group, of its longest one; in a product, of all its factors.
    pub exponent: u32,
    /// How they were computed.
    pub way: Way,
}

/// How many of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Exponentiations or products.
    pub entries: u64,
    /// Groups, or entries where there are none.
    pub tasks: u64,
    /// Of all threads together.
    pub time: Duration,
}

/// Tells the time that a thread has computed.
type Clock = fn() -> Duration;

static CLOCK: OnceLock<Clock> = OnceLock::new();

static COUNTS: Mutex<BTreeMap<Kind, Count>> = Mutex::new(BTreeMap::new());

fn counts() -> MutexGuard<'static, BTreeMap<Kind, Count>> {
    COUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts from now on, with this clock.
pub fn start(clock: Clock) {
    // Who started first has a clock as good.
    let _ = CLOCK.set(clock);
}

/// All counts since the last call, in this process.
#[must_use]
pub fn take() -> BTreeMap<Kind, Count> {
    std::mem::take(&mut *counts())
}

/// Runs a task and counts it.
pub(crate) fn counted<T>(kind: Kind, entries: usize, run: impl FnOnce() -> T) -> T {
    let Some(clock) = CLOCK.get() else { return run() };
    let began = clock();
    let result = run();
    let time = clock().saturating_sub(began);
    let mut counts = counts();
    let count = counts.entry(kind).or_default();
    count.entries += entries as u64;
    count.tasks += 1;
    count.time += time;
    result
}
