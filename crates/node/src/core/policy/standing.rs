//! Standing orders: what a node does, and takes part in, without a client (`docs/policy.md`). Each holder of a key looks
//! into its own, so nothing happens that the orders of all who are needed do not allow.

use consign_api as api;
use serde::{Serialize, Serializer};

use super::act::KeyFacts;
use super::pattern::KeyPattern;
use super::{Ceremony, Policy};

/// Most standing orders.
pub const MAX_ORDERS: usize = 256;
/// Largest high mark: what one other holder may have made of a key at all.
pub const MAX_MARK: u32 = 128;
/// Longest time between two refreshes, in days: ten years.
pub const MAX_EVERY_DAYS: u32 = 3_650;
/// A day, in seconds.
const DAY_S: u64 = 24 * 60 * 60;

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// What people call it; unique.
    pub name: String,
    /// Where it begins in the file, from 1.
    pub line: usize,
    /// For which keys. `own` stands for those that a client of the file asked for.
    pub keys: Vec<KeyPattern>,
    /// What is done.
    #[serde(flatten)]
    pub what: Standing,
}

/// What is done without a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "ceremony", rename_all = "lowercase")]
pub enum Standing {
    /// Presignatures are kept ready, for each signer set that is in use.
    Presign {
        /// Fewer than this: more are made.
        low: u32,
        /// Never more than this.
        high: u32,
    },
    /// Shares are renewed by the calendar.
    Refresh {
        /// So many days after the last change of the shares.
        every_days: u32,
        /// Whether the moduli are renewed too.
        moduli: api::Moduli,
        /// At which time of day.
        at: Option<TimeOfDay>,
    },
}

impl Standing {
    /// The ceremony that does it.
    #[must_use]
    pub fn ceremony(&self) -> Ceremony {
        match self {
            Self::Presign { .. } => Ceremony::Presign,
            Self::Refresh { .. } => Ceremony::Refresh,
        }
    }
}

/// A time of day in UTC, written `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    minutes: u64,
}

impl TimeOfDay {
    /// The latest moment with this time of day that is at most half a day after `unix`, in seconds: the nearest one.
    fn nearest(self, unix: u64) -> u64 {
        let latest = unix.saturating_add(DAY_S / 2);
        let seconds = self.minutes.saturating_mul(60);
        let back = (latest % DAY_S).saturating_add(DAY_S).saturating_sub(seconds) % DAY_S;
        latest.saturating_sub(back)
    }
}

impl std::str::FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let two = |text: &str, most: u64| {
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u64>().ok().filter(|number| digits && *number <= most)
        };
        let parts = text.split_once(':').and_then(|(h, m)| two(h, 23).zip(two(m, 59)));
        let (hours, minutes) = parts.ok_or("a time of day is written \"03:30\", in UTC: correct it")?;
        Ok(Self { minutes: hours * 60 + minutes })
    }
}

impl std::fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// When shares that are in force since `since` are to be renewed: Unix times in seconds.
#[must_use]
pub fn due(since: u64, every_days: u32, at: Option<TimeOfDay>) -> u64 {
    let due = since.saturating_add(DAY_S.saturating_mul(every_days.into()));
    at.map_or(due, |at| at.nearest(due))
}

impl Policy {
    /// All standing orders, in the order of the file.
    #[must_use]
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The order that lets most presignatures of a key be made, with its marks.
    #[must_use]
    pub fn marks(&self, key: &KeyFacts<'_>) -> Option<(&Order, u32, u32)> {
        let marks = self.orders.iter().filter_map(|order| match order.what {
            Standing::Presign { low, high } => Some((order, low, high)),
            Standing::Refresh { .. } => None,
        });
        let fits = |order: &Order| order.keys.iter().any(|pattern| self.means(pattern, key));
        marks.filter(|(order, ..)| fits(order)).max_by_key(|(_, low, high)| (*high, *low))
    }

    /// The order by which a key is refreshed first, if its shares are in force since then, and when; of those that treat the
    /// moduli so, if that is asked.
    #[must_use]
    pub fn next_refresh(
        &self,
        key: &KeyFacts<'_>,
        since: u64,
        moduli: Option<api::Moduli>,
    ) -> Option<(&Order, api::Moduli, u64)> {
        let all = self.orders.iter().filter_map(|order| match order.what {
            Standing::Refresh { every_days, moduli, at } => Some((order, moduli, due(since, every_days, at))),
            Standing::Presign { .. } => None,
        });
        let fits = |order: &Order| order.keys.iter().any(|pattern| self.means(pattern, key));
        let asked = |own| moduli.is_none_or(|moduli| own == moduli);
        all.filter(|(order, own, _)| fits(order) && asked(*own)).min_by_key(|(.., due)| *due)
    }

    fn means(&self, pattern: &KeyPattern, key: &KeyFacts<'_>) -> bool {
        match pattern {
            KeyPattern::Own => key.owner.is_some_and(|owner| self.client(&owner).is_some()),
            KeyPattern::Id(_) | KeyPattern::Label(_) => pattern.is_named(key),
        }
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` (line {})", self.name, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{client, key, policy};
    use super::*;

    #[test]
    fn a_time_of_day_moves_a_refresh_by_half_a_day_at_most() {
        let at = |text: &str| Some(text.parse().unwrap());
        let day = |number: u64, hour: u64| number * DAY_S + hour * 3_600;
        assert_eq!(due(day(5, 7), 2, None), day(7, 7));
        assert_eq!(due(day(5, 7), 2, at("09:00")), day(7, 9));
        assert_eq!(due(day(5, 7), 2, at("03:00")), day(7, 3));
        assert_eq!(due(day(5, 23), 2, at("03:00")), day(8, 3));
        // One that came a little late moves no later one.
        assert_eq!(due(day(8, 3) + 40, 1, at("03:00")), day(9, 3));
        assert_eq!(due(u64::MAX, 1, at("00:00")) / DAY_S, u64::MAX / DAY_S);
        for bad in ["3:00", "24:00", "03:60", "03.00", "", "+3:00"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
        assert_eq!(at("03:05").unwrap().to_string(), "03:05");
    }

    #[test]
    fn the_largest_marks_and_the_earliest_refresh_count() {
        let all = policy(
            "[[standing]]\nceremony = \"presign\"\nkeys = [\"pay-*\"]\nlow = 2\nhigh = 8\n\
             [[standing]]\nname = \"more\"\nceremony = \"presign\"\nkeys = [\"own\"]\nlow = 1\nhigh = 9\n\
             [[standing]]\nceremony = \"refresh\"\nkeys = [\"*\"]\nevery_days = 30\nmoduli = \"keep\"\n\
             [[standing]]\nceremony = \"refresh\"\nkeys = [\"*\"]\nevery_days = 90\n",
        );
        assert_eq!(
            all.orders().iter().map(|o| o.name.as_str()).collect::<Vec<_>>(),
            ["order 1", "more", "order 3", "order 4"]
        );
        let marks = |label: &str, owner| {
            let key = key(label, owner);
            all.marks(&key.facts()).map(|(_, low, high)| (low, high))
        };
        // `own` is whatever a client of the file asked for.
        assert_eq!(marks("pay-1", None), Some((2, 8)));
        assert_eq!(marks("pay-1", Some(2)), Some((1, 9)));
        assert_eq!((marks("vault", Some(9)), marks("vault", None)), (None, None));
        assert!(all.client(&client(9)).is_none());
        let key = key("vault", None);
        let next =
            |moduli| all.next_refresh(&key.facts(), 1_000, moduli).map(|(_, moduli, due)| (moduli, due));
        let days = |days: u64| 1_000 + days * DAY_S;
        assert_eq!(next(None), Some((api::Moduli::Keep, days(30))));
        assert_eq!(next(Some(api::Moduli::Renew)), Some((api::Moduli::Renew, days(90))));
    }
}
