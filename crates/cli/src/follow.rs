//! Follows a ceremony to its end, with a bar for the phase it is in.

use std::time::Duration;

use consign_api::{CeremonyState, CeremonyView, EvidenceView, NodeId, Outcome, Phase, PhaseTime};
use indicatif::ProgressBar;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Bars, Output, seconds, set_progress};

/// Phases that took at least this long are told after their end too.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// Follows the ceremony until it is over. A failed one is the failure it tells of.
pub(crate) fn to_end(
    node: &Connection,
    started: CeremonyView,
    out: &Output,
) -> Result<CeremonyView, Failure> {
    let mut bars = PhaseBars::new(out, |time| {
        note(out, time);
        Ok(())
    });
    let over = node.follow(started, |view| bars.update(view))?;
    note_evidence(out, &over);
    done(over)
}

/// Tells who was convicted on the way.
pub(crate) fn note_evidence(out: &Output, view: &CeremonyView) {
    for evidence in &view.evidence {
        let EvidenceView { id, culprit, index, charge, .. } = evidence;
        let culprit = evidence.name.as_ref().map_or_else(|| culprit.short(), ToString::to_string);
        out.note(&format!("{culprit} (party {index}) broke the protocol: {charge}; evidence {id}"));
    }
}

/// Tells a phase that took long.
pub(crate) fn note(out: &Output, time: &PhaseTime) {
    let took = Duration::from_millis(time.ms);
    if took >= WORTH_TELLING {
        out.note(&format!("{:16} {:>8}", describe(time.phase), seconds(took)));
    }
}

/// A ceremony that is over, if it went well.
pub(crate) fn done(over: CeremonyView) -> Result<CeremonyView, Failure> {
    match (over.state, over.failure) {
        (CeremonyState::Done, None) => Ok(CeremonyView { failure: None, ..over }),
        (_, Some(problem)) => Err(problem.into()),
        (state, None) => {
            Err(Failure::Failed(format!("ceremony {} is {state} and does not say why", over.id)))
        }
    }
}

/// What a ceremony that should have made something else made.
pub(crate) fn odd_outcome(view: &CeremonyView) -> Failure {
    let made = match view.outcome {
        Some(Outcome::Key(_)) => "a key",
        Some(Outcome::Signature(_)) => "a signature",
        Some(Outcome::Internal) | None => "nothing to show",
    };
    Failure::Mistrusted(format!("ceremony {} ended with {made}: do not use this node", view.id))
}

/// A bar for the phase a ceremony is in; each finished phase is handed to `tell`.
pub(crate) struct PhaseBars<T> {
    bars: Bars,
    current: Option<(Phase, ProgressBar)>,
    told: usize,
    tell: T,
}

impl<T: FnMut(&PhaseTime) -> Result<(), Failure>> PhaseBars<T> {
    /// No phase yet.
    pub(crate) fn new(out: &Output, tell: T) -> Self {
        Self { bars: out.bars(), current: None, told: 0, tell }
    }

    /// Shows the ceremony as it is now.
    pub(crate) fn update(&mut self, view: &CeremonyView) -> Result<(), Failure> {
        let phase = (!view.state.is_over()).then_some(view.phase);
        let ended = self.current.take_if(|(current, _)| Some(*current) != phase);
        if let Some((_, bar)) = ended {
            bar.finish_and_clear();
        }
        for time in view.timings.iter().skip(self.told) {
            (self.tell)(time)?;
        }
        self.told = self.told.max(view.timings.len());
        let Some(phase) = phase else { return Ok(()) };
        let (_, bar) = self.current.get_or_insert_with(|| (phase, self.bars.add(describe(phase))));
        match (&view.progress, view.rounds) {
            (Some(progress), _) => set_progress(bar, progress.done.into(), progress.total.into()),
            (None, 0) => {}
            (None, rounds) => set_progress(bar, view.round.saturating_sub(1).into(), rounds.into()),
        }
        bar.set_message(waiting(view));
        Ok(())
    }
}

/// A phase in a few words.
fn describe(phase: Phase) -> &'static str {
    match phase {
        Phase::Accept => "asking",
        Phase::Primes => "finding primes",
        Phase::Aux => "proving moduli",
        Phase::Keygen => "making the key",
        Phase::Presign => "presigning",
        Phase::Sign => "signing",
        Phase::Refresh => "renewing shares",
        Phase::Reshare => "moving shares",
    }
}

/// Whom the ceremony waits for.
fn waiting(view: &CeremonyView) -> String {
    let names: Vec<_> = view.waiting_for.iter().map(|id| name(view, id)).collect();
    if names.is_empty() { String::new() } else { format!("waiting for {}", names.join(", ")) }
}

/// What a participant calls itself, or the beginning of its id.
fn name(view: &CeremonyView, id: &NodeId) -> String {
    let member = view.participants.iter().find(|member| member.validator == *id);
    member.and_then(|member| member.name.as_ref()).map_or_else(|| id.short(), ToString::to_string)
}
