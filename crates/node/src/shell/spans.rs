//! What is logged of ceremonies: each is a span from its first change to its end, whose lines carry round and time. Nothing
//! here says what was signed, for whom, or with which result.

use std::collections::BTreeMap;

use consign_api as api;
use tracing::{Span, debug, info, info_span, warn};

/// The ceremonies under way.
pub(crate) struct Spans {
    me: api::NodeId,
    open: BTreeMap<api::CeremonyId, Open>,
}

struct Open {
    span: Span,
    /// What the last line said.
    told: (api::Phase, u8),
}

/// What is said last, until a ceremony is asked for again.
#[derive(Debug, PartialEq, Eq)]
enum Last {
    Done,
    /// For the operators.
    Waits,
    /// With this problem.
    Failed(&'static str),
}

impl Last {
    fn of(view: &api::CeremonyView) -> Self {
        match &view.failure {
            _ if view.state == api::CeremonyState::AwaitingApproval => Self::Waits,
            None => Self::Done,
            Some(problem) => Self::Failed(problem.kind.urn()),
        }
    }
}

impl Spans {
    /// None yet, at this node.
    pub(crate) fn new(me: api::NodeId) -> Self {
        Self { me, open: BTreeMap::new() }
    }

    /// A ceremony has changed.
    pub(crate) fn changed(&mut self, view: &api::CeremonyView) {
        let is_over = view.state.is_over();
        // What comes after the end, as evidence does, has lines of its own.
        if is_over && !self.open.contains_key(&view.id) {
            return;
        }
        let me = self.me;
        let open = self.open.entry(view.id).or_insert_with(|| {
            // A proposer without a share takes no part: it is no party.
            let own = view.participants.iter().find(|member| member.validator == me);
            let party = own.map_or(0, |member| member.index);
            let span = info_span!("ceremony", id = %view.id, kind = %view.kind, party);
            span.in_scope(|| info!(parties = view.participants.len(), "begins"));
            Open { span, told: (api::Phase::Accept, 0) }
        });
        let entered = open.span.enter();
        let (round, elapsed_ms) = (view.round, view.elapsed_ms);
        if is_over {
            match Last::of(view) {
                Last::Done => info!(elapsed_ms, "done"),
                Last::Waits => info!(elapsed_ms, "waits for approval"),
                Last::Failed(problem) => warn!(elapsed_ms, problem, "failed"),
            }
        } else if open.told != (view.phase, round) {
            open.told = (view.phase, round);
            debug!(phase = ?view.phase, round, rounds = view.rounds, elapsed_ms, "goes on");
        }
        drop(entered);
        if is_over {
            self.open.remove(&view.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use api::{CeremonyState, ProblemKind};

    use super::*;

    #[test]
    fn who_waits_has_not_failed() {
        let told = |state, failure: Option<ProblemKind>| {
            Last::of(&crate::shell::meters::tests::view(1, state, failure))
        };
        assert_eq!(told(CeremonyState::Done, None), Last::Done);
        assert_eq!(told(CeremonyState::AwaitingApproval, Some(ProblemKind::Refused)), Last::Waits);
        let failed = Last::Failed(ProblemKind::Refused.urn());
        assert_eq!(told(CeremonyState::Failed, Some(ProblemKind::Refused)), failed);
    }
}
