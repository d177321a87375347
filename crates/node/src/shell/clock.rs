//! The clocks, read nowhere else.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::core::Now;

/// The clocks of this process.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { monotonic: u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX), unix }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward() {
        let clock = Clock::start();
        let before = clock.now();
        let after = clock.now();
        assert!(after.monotonic >= before.monotonic);
        assert!(before.unix > 1_700_000_000);
    }
}
