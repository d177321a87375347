//! Who holds a store: taking the lease, waiting for it, and how long it lasts.

use std::time::Duration;

use ::redis::{Value as Answer, cmd};

use super::{Redis, StoreError, random, scripts};
use crate::store::tenure::Moment;

/// How long a lease must have stood without a renewal, on the clock of who watches it, before another process takes the
/// store over. Long enough for a disk that is busy for a moment, short enough for a standby that answers within 10 s.
pub(super) const LEASE_MS: u64 = 6_000;

/// How much earlier, on its own clock, the process that holds it falls silent: between a look at the clock and the word that
/// leaves, a thread may have to wait.
const MARGIN_MS: u64 = 1_000;

/// For how long after a question to the server was asked an answer to it lets this process speak.
pub(super) const TENURE_MS: u64 = LEASE_MS - MARGIN_MS;

/// Time between two renewals while nothing is written.
pub(super) const RENEWAL: Duration = Duration::from_secs(1);

/// Time between two looks at the lease of another process.
const LOOK: Duration = Duration::from_millis(100);

/// What to do while another process holds the store.
pub(in crate::store) enum Turn<'a> {
    /// Waiting only until it is clear whether it lives.
    Now,
    /// Waiting for as long as the function says so.
    Wait(&'a mut dyn FnMut() -> bool),
}

impl Redis {
    /// Takes the lease. False: whoever waited for it gave up.
    ///
    /// It is safe whatever the clocks say: a lease is taken from a process only if it was renewed last before it was first seen
    /// so, and [`LEASE_MS`] have passed here since. The other one counts [`TENURE_MS`] from before it asked for that renewal.
    pub(super) fn acquire(&mut self, mut turn: Turn<'_>) -> Result<bool, StoreError> {
        let mut nonce = [0; 16];
        random(&mut nonce)?;
        let nonce = hex::encode(nonce);
        let mut seen: Option<(String, Moment)> = None;
        loop {
            let stale = seen.as_ref().filter(|(_, since)| Moment::now() >= since.plus(LEASE_MS));
            let mut call = cmd("EVAL");
            call.arg(scripts::ACQUIRE).arg(2).arg(&self.names.state).arg(&self.names.lease);
            call.arg(&nonce).arg(stale.map_or("", |(lease, _)| lease));
            let asked = Moment::now();
            let [word, lease, counter] = self.ask_words(&call)?;
            let no_number = |_| StoreError::damaged("the counter is no number");
            self.counter = counter.parse().map_err(no_number)?;
            if word == "taken" {
                self.token = lease;
                self.tenure.extend(asked.plus(TENURE_MS));
                return Ok(true);
            }
            // A server that went back is noticed while others still run on what it was.
            if self.remembered.counter().is_some() {
                self.compare_counter()?;
            }
            let renewed = seen.as_ref().is_some_and(|(before, _)| *before != lease);
            match &mut turn {
                Turn::Now if renewed => return Err(StoreError::InUse { path: self.place.clone().into() }),
                Turn::Now => {
                    if seen.is_none() {
                        tracing::info!(place = %self.place, "another process has the store: waiting whether it lives");
                    }
                }
                Turn::Wait(goes_on) => {
                    if !goes_on() {
                        return Ok(false);
                    }
                }
            }
            if renewed || seen.is_none() {
                seen = Some((lease, Moment::now()));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Keeps the lease, if it is time to.
    pub(super) fn keep(&self) -> Result<(), StoreError> {
        let is_due = Moment::now() >= self.renewed.get().plus(super::millis(RENEWAL));
        if self.token.is_empty() || !is_due { Ok(()) } else { self.renew_lease() }
    }

    /// Keeps the lease.
    pub(super) fn renew_lease(&self) -> Result<(), StoreError> {
        let asked = Moment::now();
        let mut call = cmd("EVALSHA");
        call.arg(&self.scripts.renew).arg(2).arg(&self.names.state).arg(&self.names.lease);
        call.arg(&self.token).arg(self.counter.to_string()).arg(self.next_beat());
        match self.ask(&call, "renew the lease")?.0.as_str() {
            "done" => {
                self.extend(asked);
                Ok(())
            }
            word => Err(self.refused(word)),
        }
    }

    /// The number of the next renewal.
    pub(super) fn next_beat(&self) -> u64 {
        self.beat.set(self.beat.get().saturating_add(1));
        self.beat.get()
    }

    /// The server has answered a question asked then.
    pub(super) fn extend(&self, asked: Moment) {
        self.renewed.set(asked);
        self.tenure.extend(asked.plus(TENURE_MS));
    }

    /// Runs a script that answers three words.
    fn ask_words(&self, call: &::redis::Cmd) -> Result<[String; 3], StoreError> {
        let answer = self.ask_raw(call, "give the lease")?;
        let Answer::Array(parts) = answer else { return Err(self.no_sense()) };
        let words: Vec<_> = parts.into_iter().filter_map(super::text).collect();
        words.try_into().map_err(|_| self.no_sense())
    }
}
