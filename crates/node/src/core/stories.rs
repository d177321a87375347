//! What this node tells about ceremonies: one story per client request, over all its phases and tries, told to
//! subscribers when it changes and kept when it is over.

use std::sync::Arc;

use consign_api as api;
use consign_api::ClientKey;

use super::asked::Asked;
use super::hash::Hash;
use super::node::{Node, Then};
use super::proposal::{Kind, Participant, Proposal};
use super::records::{BadRecord, decode_begin, decode_end, encode};
use super::requests::Wanted;
use super::views::{api_id, api_key};
use super::{Level, Output};
use crate::identity::NodeId;
use crate::store::{Table, Value, Write};

/// Most stories that are kept; the oldest that are over go first.
const MAX_STORIES: usize = 10_000;
/// Most pieces of evidence that one story shows.
const MAX_TOLD_EVIDENCE: usize = 16;
/// Most presignatures that one story names: more than the tries that a participant allows all proposers together.
const MAX_TOLD_PRESIGNATURES: usize = 64;
/// How long a participant waits for the proposer's next phase or try before it calls the ceremony failed, in
/// milliseconds: longer than any pause between two tries.
const NEXT_STEP_MS: u64 = 30_000;

/// How a story ends, unless the proposer goes on.
#[derive(Clone)]
struct Fails {
    /// When, on the monotonic clock, in milliseconds.
    at: u64,
    /// Why.
    problem: api::Problem,
    /// Whether it waits for operators then, and has not failed.
    waits: bool,
}

/// One story.
#[derive(Clone)]
pub(super) struct Story {
    pub(super) view: api::CeremonyView,
    /// Monotonic time of its begin and of its phase.
    started: u64,
    phase_started: u64,
    /// Unix time of its begin; orders the list.
    pub(super) unix: u64,
    /// Who has signed for it.
    pub(super) client: Option<ClientKey>,
    /// When it is called failed, and why, unless the proposer goes on.
    fails: Option<Fails>,
}

impl Story {
    /// Reads a record.
    pub(super) fn read(value: &Value) -> Result<Self, BadRecord> {
        let ((unix, json), rest): ((u64, Vec<u8>), _) = decode_begin(value)?;
        let client = if rest.is_empty() { None } else { Some(decode_end(rest)?) };
        let view = serde_json::from_slice(&json).map_err(|_| BadRecord)?;
        Ok(Self { view, started: 0, phase_started: 0, unix, client, fails: None })
    }

    /// The write that makes it durable. JSON, because the API's types leave fields out. The client comes behind the rest,
    /// so that a record without one ends there.
    fn write(&self, id: &Hash) -> Write {
        let json = serde_json::to_vec(&self.view).expect("invariant: views are plain data");
        let record = match &self.client {
            None => encode(&(self.unix, json)),
            Some(client) => encode(&((self.unix, json), client)),
        };
        Write::put(Table::Ceremonies, id.0, record)
    }

    /// Begins a phase, if it is another one.
    pub(super) fn enter(&mut self, phase: api::Phase, now: u64) {
        if self.view.phase == phase {
            return;
        }
        self.close_phase(now);
        self.view.phase = phase;
        (self.view.round, self.view.rounds) = (0, 0);
        self.view.progress = None;
    }

    fn close_phase(&mut self, now: u64) {
        let ms = now.saturating_sub(self.phase_started);
        let phase = self.view.phase;
        // A try that is repeated adds to the same phase: one line per phase.
        match self.view.timings.iter_mut().find(|t| t.phase == phase) {
            Some(timing) => timing.ms = timing.ms.saturating_add(ms),
            None => self.view.timings.push(api::PhaseTime { phase, ms }),
        }
        self.phase_started = now;
    }

    /// The end with a result.
    fn conclude(&mut self, now: u64, key: Option<api::KeyId>, outcome: api::Outcome) {
        self.view.key = key.or(self.view.key);
        self.view.failure = None;
        self.view.outcome = Some(outcome);
        self.close(now, api::CeremonyState::Done);
    }

    fn close(&mut self, now: u64, state: api::CeremonyState) {
        self.close_phase(now);
        self.view.state = state;
        self.view.waiting_for.clear();
        self.view.progress = None;
        self.view.elapsed_ms = now.saturating_sub(self.started);
        self.fails = None;
    }
}

impl Node {
    /// The story of this proposal's request, begun or continued.
    pub(super) fn tell_proposal(&mut self, request: Hash, proposal: &Arc<Proposal>, wanted: &Wanted) {
        let members = self.members(&proposal.participants);
        let (kind, key, label) = match wanted {
            Wanted::Key(create) => (api::CeremonyKind::Keygen, None, Some(create.label.clone())),
            Wanted::Signature(sign) => (api::CeremonyKind::Sign, Some(sign.key), self.label_of(sign.key)),
            Wanted::Refresh(refresh) => {
                (api::CeremonyKind::Refresh, Some(refresh.key), self.label_of(refresh.key))
            }
            Wanted::Reshare(reshare) => {
                (api::CeremonyKind::Reshare, Some(reshare.key), self.label_of(reshare.key))
            }
            Wanted::Presign(presign) => {
                (api::CeremonyKind::Presign, Some(presign.key), self.label_of(presign.key))
            }
        };
        let (now, unix) = (self.now.monotonic, self.now.unix);
        let fresh = || Story {
            view: api::CeremonyView {
                id: api::CeremonyId(request.0),
                kind,
                key,
                label,
                proposer: api_id(proposal.proposer),
                participants: Vec::new(),
                state: api::CeremonyState::Proposed,
                phase: api::Phase::Accept,
                round: 0,
                rounds: 0,
                waiting_for: Vec::new(),
                progress: None,
                elapsed_ms: 0,
                timings: Vec::new(),
                outcome: None,
                failure: None,
                presignatures: Vec::new(),
                evidence: Vec::new(),
            },
            started: now,
            phase_started: now,
            unix,
            client: Asked::parse(&proposal.request).and_then(|(asked, _)| asked.client()),
            fails: None,
        };
        let story = self.stories.entry(request).or_insert_with(fresh);
        story.fails = None;
        if story.view.state != api::CeremonyState::Done {
            story.view.failure = None;
            story.view.state = api::CeremonyState::Proposed;
            story.view.participants = members;
            story.enter(api::Phase::Accept, now);
        }
        self.changed.insert(request);
        self.forget_oldest();
    }

    fn label_of(&self, key: api::KeyId) -> Option<api::Label> {
        self.keys.get(&Hash(key.0)).map(|key| key.label().clone())
    }

    /// The record of a story as it is now.
    pub(super) fn story_write(&self, request: &Hash) -> Option<Write> {
        self.stories.get(request).map(|story| story.write(request))
    }

    /// Changes a story that is not over.
    pub(super) fn tell(&mut self, request: Hash, change: impl FnOnce(&mut Story, u64)) {
        let now = self.now.monotonic;
        if let Some(story) = self.stories.get_mut(&request).filter(|s| !s.view.state.is_over()) {
            let before = story.view.clone();
            change(story, now);
            if story.view != before {
                self.changed.insert(request);
            }
        }
    }

    /// The end with a result. It may come after a failure: confirmations arrive late.
    pub(super) fn tell_result(&mut self, request: Hash, key: Option<api::KeyId>, outcome: api::Outcome) {
        if let Some(write) = self.tell_stored_result(request, key, outcome) {
            self.store(vec![write], Then::Rest);
        }
    }

    /// The same, where the story is on the disk by then. Returns its record.
    pub(super) fn tell_stored_result(
        &mut self,
        request: Hash,
        key: Option<api::KeyId>,
        outcome: api::Outcome,
    ) -> Option<Write> {
        let now = self.now.monotonic;
        let story = self.stories.get_mut(&request).filter(|s| s.view.state != api::CeremonyState::Done)?;
        story.conclude(now, key, outcome);
        self.changed.insert(request);
        Some(story.write(&request))
    }

    /// The record that the story will have with this result. It goes to the disk with the record that the request is done:
    /// whoever asks again, after this process has died, must find the result.
    pub(super) fn result_write(
        &self,
        request: Hash,
        key: Option<api::KeyId>,
        outcome: api::Outcome,
    ) -> Option<Write> {
        let open = |story: &&Story| story.view.state != api::CeremonyState::Done;
        let mut story = self.stories.get(&request).filter(open)?.clone();
        story.conclude(self.now.monotonic, key, outcome);
        Some(story.write(&request))
    }

    /// The end without a result, or, with `waits`, until operators have approved.
    pub(super) fn tell_failure(&mut self, request: Hash, problem: api::Problem, waits: bool) {
        let now = self.now.monotonic;
        let Some(story) = self.stories.get_mut(&request).filter(|s| !s.view.state.is_over()) else { return };
        let (state, word) = match waits {
            true => (api::CeremonyState::AwaitingApproval, "waits"),
            false => (api::CeremonyState::Failed, "failed"),
        };
        let line = format!("the ceremony {request} {word}: {problem}");
        let waited = if waits { problem.validators.clone() } else { Vec::new() };
        story.view.failure = Some(problem.about(api::CeremonyId(request.0)));
        story.close(now, state);
        story.view.waiting_for = waited;
        let write = story.write(&request);
        self.changed.insert(request);
        self.store(vec![write], Then::Rest);
        self.log(Level::Info, &line);
    }

    /// The proposer may go on; if it does not, this is why it failed.
    pub(super) fn tell_maybe(&mut self, request: Hash, problem: api::Problem, waits: bool) {
        self.tell(request, |story, now| {
            story.fails = Some(Fails { at: now.saturating_add(NEXT_STEP_MS), problem, waits });
            story.view.waiting_for = vec![story.view.proposer];
        });
    }

    /// This node uses up a presignature for it: goes to disk with the record of the request, before the accept leaves.
    pub(super) fn tell_spent(&mut self, request: Hash, presignature: Hash) {
        let Some(story) = self.stories.get_mut(&request) else { return };
        if story.view.presignatures.len() < MAX_TOLD_PRESIGNATURES {
            story.view.presignatures.push(api::PresignatureId(presignature.0));
            self.changed.insert(request);
        }
    }

    /// Somebody was convicted for what it did in one of the tries. That belongs to the story however it ends.
    pub(super) fn tell_evidence(&mut self, request: Hash, evidence: api::EvidenceView) {
        let Some(story) = self.stories.get_mut(&request) else { return };
        let told = &mut story.view.evidence;
        if told.len() >= MAX_TOLD_EVIDENCE || told.iter().any(|known| known.id == evidence.id) {
            return;
        }
        told.push(evidence);
        self.changed.insert(request);
        if story.view.state.is_over() {
            let write = story.write(&request);
            self.store(vec![write], Then::Rest);
        }
    }

    pub(super) fn tick_stories(&mut self) {
        let now = self.now.monotonic;
        let due: Vec<_> = self
            .stories
            .iter()
            .filter_map(|(id, story)| Some((*id, story.fails.clone().filter(|fails| fails.at <= now)?)))
            .collect();
        for (request, Fails { problem, waits, .. }) in due {
            self.tell_failure(request, problem, waits);
        }
    }

    /// What ran when the process ended has failed: no round is ever restored.
    pub(super) fn end_restarted(&mut self) {
        let open: Vec<_> =
            self.stories.iter().filter(|(_, s)| !s.view.state.is_over()).map(|(id, _)| *id).collect();
        for request in open {
            let made = self
                .keys
                .values()
                .find(|k| k.is_active() && (k.request() == request || k.latest() == request))
                .map(super::keys::Key::id);
            if let Some(key) = made {
                self.key_is_active(request, key);
                continue;
            }
            let text = "This node restarted while the ceremony ran. Ask again.";
            let elapsed = self.stories.get(&request).map_or(0, |s| s.view.elapsed_ms);
            self.tell_failure(request, api::Problem::new(api::ProblemKind::Restarted, text), false);
            if let Some(story) = self.stories.get_mut(&request) {
                story.view.elapsed_ms = elapsed;
            }
        }
    }

    /// One event per changed story.
    pub(super) fn tell_changes(&mut self) {
        for request in std::mem::take(&mut self.changed) {
            let Some(view) = self.ceremony_view(&request) else { continue };
            self.events += 1;
            self.out.push(Output::Event(Box::new(api::Event { sequence: self.events, ceremony: view })));
        }
    }

    /// A story as it is now.
    pub(super) fn ceremony_view(&self, request: &Hash) -> Option<api::CeremonyView> {
        let story = self.stories.get(request)?;
        let mut view = story.view.clone();
        if !view.state.is_over() {
            view.elapsed_ms = self.now.monotonic.saturating_sub(story.started);
        }
        Some(view)
    }

    /// Participants as the API shows them.
    pub(super) fn members(&self, participants: &[Participant]) -> Vec<api::Member> {
        participants
            .iter()
            .map(|p| api::Member { index: p.index, validator: api_id(p.id), name: self.name_of(p.id) })
            .collect()
    }

    /// What a validator calls itself.
    pub(super) fn name_of(&self, id: NodeId) -> Option<api::Label> {
        let record = self.home.roster().and_then(|roster| roster.record(id));
        record.and_then(|record| api::Label::try_from(record.name).ok())
    }

    /// The key of a request is usable here.
    pub(super) fn key_is_active(&mut self, request: Hash, key: Hash) {
        if let Some(view) = self.key_view(&key) {
            self.tell_result(request, Some(api_key(key)), api::Outcome::Key(Box::new(view)));
        }
    }

    fn forget_oldest(&mut self) {
        if self.stories.len() <= MAX_STORIES {
            return;
        }
        let over = self.stories.iter().filter(|(_, s)| s.view.state.is_over());
        if let Some(oldest) = over.min_by_key(|(id, s)| (s.unix, **id)).map(|(id, _)| *id) {
            self.stories.remove(&oldest);
            self.store(vec![Write::delete(Table::Ceremonies, oldest.0)], Then::Rest);
        }
    }
}

/// The phase in which a protocol runs.
pub(super) fn phase_of(kind: Kind) -> api::Phase {
    match kind {
        Kind::Keygen | Kind::Import => api::Phase::Keygen,
        Kind::Aux => api::Phase::Aux,
        Kind::Sign | Kind::Online => api::Phase::Sign,
        Kind::Presign => api::Phase::Presign,
        Kind::Refresh => api::Phase::Refresh,
        Kind::Reshare => api::Phase::Reshare,
    }
}

/// What a proposal's request wants. Proposals are examined before anything else is done with them.
pub(super) fn wanted_of(proposal: &Proposal) -> Wanted {
    let (_, wanted) = Asked::parse(&proposal.request).expect("invariant: examined before");
    wanted
}
