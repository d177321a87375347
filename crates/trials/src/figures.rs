//! Plain figures.

use std::collections::BTreeMap;
use std::time::Duration;

/// Counts by name, in the order of the names.
#[derive(Default)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// One more.
    pub fn count(&mut self, name: impl Into<String>) {
        self.add(name, 1);
    }

    /// So many more.
    pub fn add(&mut self, name: impl Into<String>, more: u64) {
        *self.0.entry(name.into()).or_default() += more;
    }

    /// How often a name was counted.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Everything together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    /// Adds those of another one.
    pub fn merge(&mut self, other: Tally) {
        for (name, count) in other.0 {
            self.add(name, count);
        }
    }

    /// One line for each name.
    pub fn print(&self, title: &str) {
        println!("{title}: {}", self.sum());
        for (name, count) in &self.0 {
            println!("  {count:>7}  {name}");
        }
    }
}

/// The value below which `percent` of the values lie; 0 without values. Sorts them.
pub fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort_unstable();
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or_default()
}

/// Milliseconds with two decimals.
#[must_use]
pub fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occur() {
        let mut values: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut values, 50), Duration::from_millis(100));
        assert_eq!(percentile(&mut values, 99), Duration::from_millis(198));
        assert_eq!(percentile(&mut values, 100), Duration::from_millis(200));
        assert_eq!(percentile(&mut [], 50), Duration::ZERO);
    }
}
