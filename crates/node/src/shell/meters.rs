//! What is counted, for Prometheus. Labels have few values each: no ids of ceremonies, clients, keys or validators.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use consign_api as api;
use consign_api::CeremonyId;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::steps::Steps;

/// What every name begins with.
const PREFIX: &str = "consign";
/// Upper bounds of the shortest bucket of phase times, in seconds; each further one is twice as long.
const SHORTEST_PHASE_S: f64 = 0.001;
/// Number of buckets of phase times: up to about nine minutes.
const PHASE_BUCKETS: u16 = 20;
/// How many ended ceremonies are remembered, so that news of an end that was counted is not counted again.
const MAX_ENDED: usize = 1024;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InPhase {
    phase: &'static str,
}

/// Makes the buckets of phase times.
#[derive(Clone)]
struct PhaseTimes;

impl MetricConstructor<Histogram> for PhaseTimes {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(SHORTEST_PHASE_S, 2.0, PHASE_BUCKETS))
    }
}

/// All that is counted.
pub(crate) struct Meters {
    registry: Registry,
    calls: Family<Answered, Counter>,
    ceremonies: Family<Ended, Counter>,
    phases: Family<InPhase, Histogram, PhaseTimes>,
    ended: Mutex<VecDeque<CeremonyId>>,
    now: Gauges,
    /// How long the steps of the work take.
    pub(crate) steps: Steps,
}

/// What is measured when somebody looks.
#[derive(Default)]
struct Gauges {
    keys: Gauge,
    presignatures: Gauge,
    running: Gauge,
    members: Gauge,
    connected: Gauge,
    convicted: Gauge,
    clock_offset: Gauge,
    round_trip: Gauge<f64, AtomicU64>,
}

impl Meters {
    pub(crate) fn new() -> Meters {
        let mut registry = Registry::with_prefix(PREFIX);
        let calls = Family::default();
        registry.register("calls", "Calls of the HTTP API that were answered, by status", calls.clone());
        let ceremonies = Family::default();
        let help =
            "Ceremonies that ended at this node, by kind and outcome: done, or the type of the problem";
        registry.register("ceremonies", help, ceremonies.clone());
        let phases = Family::new_with_constructor(PhaseTimes);
        registry.register_with_unit(
            "phase",
            "Time that phases of ceremonies took here",
            Unit::Seconds,
            phases.clone(),
        );
        let now = Gauges::default();
        for (name, help, gauge) in [
            ("keys", "Keys of which this node holds a share or knows the certificate", &now.keys),
            ("presignatures", "Presignatures ready in memory", &now.presignatures),
            ("ceremonies_running", "Ceremonies under way", &now.running),
            ("members", "Members of the cluster besides this node", &now.members),
            ("members_connected", "Members this node is connected with", &now.connected),
            ("validators_convicted", "Validators that this node has evidence against", &now.convicted),
        ] {
            registry.register(name, help, gauge.clone());
        }
        let help = "Slowest round trip to a connected member";
        registry.register_with_unit("peer_round_trip", help, Unit::Seconds, now.round_trip.clone());
        let help = "How far the clock of a connected member is ahead of this one, of the member that is farthest off";
        registry.register_with_unit("peer_clock_offset", help, Unit::Seconds, now.clock_offset.clone());
        let steps = Steps::new(&mut registry);
        Meters { registry, calls, ceremonies, phases, ended: Mutex::default(), now, steps }
    }

    /// A call was answered.
    pub(crate) fn answered(&self, status: u16) {
        self.calls.get_or_create(&Answered { status }).inc();
    }

    /// Something happened to a ceremony.
    pub(crate) fn changed(&self, view: &api::CeremonyView) {
        // One that waits for an operator has not ended: it goes on under the same id.
        if !matches!(view.state, api::CeremonyState::Done | api::CeremonyState::Failed) {
            return;
        }
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.contains(&view.id) {
            return;
        }
        ended.push_back(view.id);
        if ended.len() > MAX_ENDED {
            ended.pop_front();
        }
        let outcome = view.failure.as_ref().map_or("done", |failure| {
            let urn = failure.kind.urn();
            urn.rsplit(':').next().unwrap_or(urn)
        });
        self.ceremonies.get_or_create(&Ended { kind: view.kind.word(), outcome }).inc();
        for time in &view.timings {
            // Exact up to 2^53 ms.
            #[expect(clippy::cast_precision_loss, reason = "times of phases are short")]
            let seconds = time.ms as f64 / 1000.0;
            self.phases.get_or_create(&InPhase { phase: time.phase.word() }).observe(seconds);
        }
    }

    /// All of it as text, with what the core says of now.
    ///
    /// # Errors
    /// Never in practice: writing into a string does not fail.
    pub(crate) fn text(&self, counts: &api::Counts) -> Result<String, fmt::Error> {
        let set = |gauge: &Gauge, count: usize| {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        set(&self.now.keys, counts.keys);
        set(&self.now.presignatures, counts.presignatures);
        set(&self.now.running, counts.running);
        set(&self.now.members, counts.members);
        set(&self.now.connected, counts.connected);
        set(&self.now.convicted, counts.convicted);
        self.now.clock_offset.set(counts.clock_offset_s.unwrap_or(0));
        let slowest = u32::try_from(counts.slowest_ms.unwrap_or(0)).unwrap_or(u32::MAX);
        self.now.round_trip.set(f64::from(slowest) / 1000.0);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use api::{CeremonyKind, CeremonyState, CeremonyView, NodeId, Phase, PhaseTime, Problem, ProblemKind};

    use super::*;

    pub(in crate::shell) fn view(id: u8, state: CeremonyState, failure: Option<ProblemKind>) -> CeremonyView {
        CeremonyView {
            id: CeremonyId([id; 32]),
            kind: CeremonyKind::Sign,
            key: None,
            label: None,
            proposer: NodeId([1; 32]),
            participants: Vec::new(),
            state,
            phase: Phase::Sign,
            round: 1,
            rounds: 1,
            waiting_for: Vec::new(),
            progress: None,
            elapsed_ms: 12,
            timings: vec![PhaseTime { phase: Phase::Presign, ms: 250 }],
            outcome: None,
            failure: failure.map(|kind| Problem::new(kind, "x")),
            presignatures: Vec::new(),
            evidence: Vec::new(),
        }
    }

    #[test]
    fn each_end_counts_once() {
        let meters = Meters::new();
        meters.changed(&view(1, CeremonyState::Running, None));
        meters.changed(&view(1, CeremonyState::Done, None));
        meters.changed(&view(1, CeremonyState::Done, None));
        meters.changed(&view(2, CeremonyState::Failed, Some(ProblemKind::TooFewSigners)));
        // Approved after a while, it ends once, and well.
        meters.changed(&view(3, CeremonyState::AwaitingApproval, Some(ProblemKind::Refused)));
        meters.changed(&view(3, CeremonyState::Running, None));
        meters.changed(&view(3, CeremonyState::Done, None));
        meters.answered(200);
        meters.answered(200);
        meters.answered(404);
        let counts = api::Counts {
            keys: 3,
            presignatures: 7,
            slowest_ms: Some(1500),
            clock_offset_s: Some(-7),
            ..api::Counts::default()
        };
        let text = meters.text(&counts).unwrap();
        for line in [
            r#"consign_ceremonies_total{kind="sign",outcome="done"} 2"#,
            r#"consign_ceremonies_total{kind="sign",outcome="too-few-signers"} 1"#,
            r#"consign_phase_seconds_count{phase="presign"} 3"#,
            r#"consign_calls_total{status="200"} 2"#,
            r#"consign_calls_total{status="404"} 1"#,
            "consign_keys 3",
            "consign_presignatures 7",
            "consign_peer_round_trip_seconds 1.5",
            "consign_peer_clock_offset_seconds -7",
            "# EOF",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(!text.contains("refused"), "{text}");
    }
}
