//! How often a client has used a rule lately. Each node counts what it takes part in itself.

use std::collections::{BTreeMap, VecDeque};

use super::{ClientKey, Policy, Rule};

/// Most pairs of client and rule that are counted at a time. A pair takes about a kilobyte at most.
pub const MAX_COUNTED: usize = 4_096;
/// A minute, in seconds.
const MINUTE_S: u64 = 60;
/// A second, in milliseconds.
const SECOND_MS: u64 = 1_000;

/// No more requests for now. The text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "policy: the rule {rule} lets {client} ask {per_minute} times in a minute, and that is used up: ask again in \
     {retry_after_s} s, or raise its `per_minute`"
)]
pub struct Full {
    /// Name of the rule and its line.
    rule: String,
    /// Name of the client.
    client: String,
    per_minute: u32,
    /// After how many seconds there is room again, if nobody else takes it.
    pub retry_after_s: u64,
}

/// The requests of the last minute, by client and name of the rule. In memory only: a restart begins anew.
#[derive(Debug, Default)]
pub struct Counts {
    /// For each second in which there were any: how many. The latest last.
    lately: BTreeMap<(ClientKey, String), VecDeque<(u64, u32)>>,
}

/// Whether what happened in that second is less than a minute ago, or may be.
fn is_recent(second: u64, now: u64) -> bool {
    second.saturating_add(MINUTE_S) >= now
}

impl Counts {
    /// Whether a rule takes one more request of a client, at this time of the monotonic clock, in milliseconds. In no 60
    /// seconds are there more than the rule says.
    ///
    /// # Errors
    /// [`Full`].
    pub fn room(&self, policy: &Policy, client: ClientKey, rule: &Rule, now_ms: u64) -> Result<(), Full> {
        let Some(per_minute) = rule.per_minute else { return Ok(()) };
        let now = now_ms / SECOND_MS;
        let name = (client, rule.name.clone());
        let (known, others) = (self.lately.get(&name), self.lately.len());
        let recent = || known.into_iter().flatten().filter(|(second, _)| is_recent(*second, now));
        let used = recent().fold(0_u32, |sum, (_, count)| sum.saturating_add(*count));
        if used < per_minute && (known.is_some() || others < MAX_COUNTED) {
            return Ok(());
        }
        let first = recent().next().map_or(now, |(second, _)| *second);
        let retry_after_s = first.saturating_add(MINUTE_S + 1).saturating_sub(now);
        let client = policy.client(&client).unwrap_or("the client").to_owned();
        Err(Full { rule: rule.to_string(), client, per_minute, retry_after_s })
    }

    /// Counts a request. Only what a rule limits takes memory.
    pub fn count(&mut self, client: ClientKey, rule: &Rule, now_ms: u64) {
        if rule.per_minute.is_none() {
            return;
        }
        let now = now_ms / SECOND_MS;
        let seconds = self.lately.entry((client, rule.name.clone())).or_default();
        seconds.retain(|(second, _)| is_recent(*second, now));
        match seconds.back_mut() {
            Some((second, count)) if *second == now => *count = count.saturating_add(1),
            _ => seconds.push_back((now, 1)),
        }
    }

    /// Forgets what is older than a minute. To be called now and then.
    pub fn forget(&mut self, now_ms: u64) {
        let now = now_ms / SECOND_MS;
        self.lately.retain(|_, seconds| {
            seconds.retain(|(second, _)| is_recent(*second, now));
            !seconds.is_empty()
        });
    }
}
