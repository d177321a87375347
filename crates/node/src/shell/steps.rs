//! How long the steps of the work take, for Prometheus: what a signature's time goes into. `docs/trials.md` shows a
//! breakdown that is made of it.

use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Upper bound of the shortest bucket, in seconds.
const SHORTEST_S: f64 = 0.000_02;
/// Each further bucket is so much longer.
const FACTOR: f64 = 1.5;
/// Number of buckets: up to six seconds.
const BUCKETS: u16 = 32;

/// A step. Waiting is in none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A POST in the HTTP layer: reading, parsing, answering.
    Http,
    /// The core takes a call: the client's signature, the policy, what is to be done.
    Call,
    /// The core takes a message of a peer: the client's signature, the policy, the sender's signature.
    Peer,
    /// The core goes on: after a transaction, a job, or some time.
    GoOn,
    /// One transaction, until it is durable.
    Store,
    /// One job of arithmetic.
    Compute,
}

impl Step {
    const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Call => "call",
            Self::Peer => "peer",
            Self::GoOn => "go-on",
            Self::Store => "store",
            Self::Compute => "compute",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InStep {
    step: &'static str,
}

#[derive(Clone)]
struct Times;

impl MetricConstructor<Histogram> for Times {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(SHORTEST_S, FACTOR, BUCKETS))
    }
}

/// The times of all steps. A clone counts into the same.
#[derive(Clone)]
pub(crate) struct Steps(Family<InStep, Histogram, Times>);

impl Steps {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let family = Family::new_with_constructor(Times);
        let help = "Time that steps of the work took here, without waiting";
        registry.register_with_unit("step", help, Unit::Seconds, family.clone());
        Self(family)
    }

    /// A step took so long.
    pub(crate) fn took(&self, step: Step, time: Duration) {
        self.0.get_or_create(&InStep { step: step.word() }).observe(time.as_secs_f64());
    }

    /// Does a step.
    pub(crate) fn of<T>(&self, step: Step, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.took(step, begun.elapsed());
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_by_name() {
        let mut registry = Registry::default();
        let steps = Steps::new(&mut registry);
        assert_eq!(steps.of(Step::Store, || 7), 7);
        steps.took(Step::Compute, Duration::from_millis(3));
        steps.took(Step::Compute, Duration::from_millis(4));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"step_seconds_count{step="store"} 1"#,
            r#"step_seconds_count{step="compute"} 2"#,
            r#"step_seconds_sum{step="compute"} 0.007"#,
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
    }
}
