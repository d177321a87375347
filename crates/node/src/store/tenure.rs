//! How long a process may speak for its party, where another process may take the store over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A point in time on a clock of this machine that nobody sets: milliseconds since some beginning. It goes on while the
/// machine sleeps, on Linux; elsewhere it may stand still then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    /// Now.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn now() -> Moment {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
        Moment(seconds.unwrap_or(0).saturating_mul(1000).saturating_add(nanos.unwrap_or(0) / 1_000_000))
    }

    /// Now.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn now() -> Moment {
        use std::sync::OnceLock;
        use std::time::Instant;
        static BEGINNING: OnceLock<Instant> = OnceLock::new();
        let passed = BEGINNING.get_or_init(Instant::now).elapsed();
        Moment(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
    }

    /// So many milliseconds later.
    pub(super) const fn plus(self, millis: u64) -> Moment {
        Moment(self.0.saturating_add(millis))
    }
}

/// Until when this process may speak. The store extends it with each answer of its server; whoever sends anything looks at
/// it before. A copy is the same one.
#[derive(Clone, Debug, Default)]
pub struct Tenure(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    until: AtomicU64,
    ended: AtomicBool,
}

impl Tenure {
    /// It lasts until then at least.
    pub(super) fn extend(&self, until: Moment) {
        self.0.until.fetch_max(until.0, Ordering::SeqCst);
    }

    /// It is over, for good.
    pub(super) fn end(&self) {
        self.0.ended.store(true, Ordering::SeqCst);
    }

    /// Whether it is over for good.
    pub(super) fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::SeqCst)
    }

    /// Whether nothing may be said now. It may go on later, unless it has ended for good.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.has_ended() || Moment::now().0 >= self.0.until.load(Ordering::SeqCst)
    }

    /// It lasts for an hour, for tests.
    #[cfg(test)]
    pub(crate) fn go_on(&self) {
        self.extend(Moment::now().plus(3_600_000));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_as_long_as_it_is_extended_and_ends_once() {
        let tenure = Tenure::default();
        assert!(tenure.is_over());
        let copy = tenure.clone();
        let now = Moment::now();
        tenure.go_on();
        assert!(!copy.is_over());
        // An answer that comes late takes nothing back.
        tenure.extend(now);
        assert!(!copy.is_over());
        copy.end();
        tenure.go_on();
        assert!(tenure.is_over() && tenure.has_ended());
        assert!(Moment::now() >= now);
    }
}
