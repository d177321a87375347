//! The session of a ceremony: it moves into a job with the messages that wait for it, comes back with acts, and these
//! are carried out in order. What must be durable first holds back everything after it.

use std::collections::VecDeque;
use std::sync::Arc;

use consign_api as api;
use consign_cggmp24::activation::Refusal;
use consign_cggmp24::epoch::EpochId;
use consign_rounds::Message;

use super::super::hash::Hash;
use super::super::jobs::{Stepped, Work};
use super::super::keys::Key;
use super::super::moduli::AuxRecord;
use super::super::node::{For, Node, Then};
use super::super::proposal::{Accept, Proposal};
use super::super::sessions::{Act, Ending, Kept};
use super::super::wire::{MAX_MESSAGE_BYTES, PeerMessage};
use super::{Base, Ceremony, End, MAX_OVERSIZED_OF_ONE, Part, REVEAL_MS, Running, alert_ms};
use crate::identity::NodeId;
use crate::store::Write;

/// When a participant still has not spoken, in milliseconds after this node has entered, it is sent the accepts: the
/// proposer may have died halfway through telling everybody.
const PASS_ON_MS: u64 = 1_000;
/// The first round.
const FIRST: u8 = 1;

impl Running {
    pub(super) fn new(
        proposal: &Proposal,
        accepts: Vec<Accept>,
        (base, began): (Option<Base>, Option<EpochId>),
        now: u64,
    ) -> Self {
        Self {
            accepts,
            base,
            began,
            live: None,
            standing: None,
            session: None,
            acts: VecDeque::new(),
            writing: false,
            entered: now,
            deadline: now.saturating_add(proposal.deadline_ms.into()),
            give_up: false,
            passed_on: false,
        }
    }

    fn round(&self) -> u8 {
        self.standing.as_ref().map_or(FIRST, |s| s.round)
    }
}

impl Node {
    fn running(&mut self, hash: Hash) -> Option<&mut Running> {
        match &mut self.ceremonies.get_mut(&hash)?.part {
            Part::Running(running) => Some(running),
            Part::Watching { .. } | Part::Priming { .. } | Part::Recording | Part::Accepted { .. } => None,
        }
    }

    /// A message of a session: kept until the session can take it.
    pub(in super::super) fn hear_round(&mut self, from: NodeId, hash: Hash, envelope: &[u8]) {
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else {
            // This node has restarted, or has long ended it.
            self.send(from, &PeerMessage::Lost { ceremony: hash });
            return self.dropped(from, "a message of a ceremony that does not run here");
        };
        let Ok(message) = Message::decode(envelope, MAX_MESSAGE_BYTES) else {
            return self.dropped(from, "a session's message that does not decode");
        };
        if ceremony.proposal.identity_of(message.claimed_sender().get()) != Some(from) {
            return self.dropped(from, "a session's message of somebody else");
        }
        if ceremony.me.is_none() {
            return self.dropped(from, "a session's message that has no place here");
        }
        let oversized = !ceremony.sizes.allow(&message, envelope.len());
        if oversized && !self.keeps_oversized(from, hash, envelope.len()) {
            return self.dropped(from, "a session's message that is longer than any honest one");
        }
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let round = match &ceremony.part {
            Part::Running(running) => running.round(),
            Part::Watching { .. } | Part::Priming { .. } | Part::Recording | Part::Accepted { .. } => FIRST,
        };
        if !ceremony.inbox.put(message, round) {
            return self.dropped(from, "more messages of a session than may wait");
        }
        if oversized {
            ceremony.oversized.insert(from, envelope.len());
        }
        self.pump(hash);
    }

    /// Whether a message longer than any honest one is kept: it convicts its sender if it is signed, and the first one
    /// of a session is enough for that.
    fn keeps_oversized(&self, from: NodeId, hash: Hash, length: usize) -> bool {
        let mut kept = 0_usize;
        for (id, ceremony) in &self.ceremonies {
            match ceremony.oversized.get(&from) {
                Some(_) if *id == hash => return false,
                Some(bytes) => kept = kept.saturating_add(*bytes),
                None => {}
            }
        }
        kept.saturating_add(length) <= MAX_OVERSIZED_OF_ONE
    }

    /// Gives the session to a job, if it is here and there is something to do.
    fn pump(&mut self, hash: Hash) {
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let Part::Running(running) = &mut ceremony.part else { return };
        let idle = ceremony.inbox.is_empty() && !running.give_up;
        if idle || running.writing || !running.acts.is_empty() {
            return;
        }
        let Some(live) = running.live.take() else { return };
        let give_up = std::mem::take(&mut running.give_up);
        let messages = ceremony.inbox.take();
        self.compute(Work::Step { live, messages, give_up }, For::Session(hash));
    }

    /// The session is back.
    pub(in super::super) fn stepped(&mut self, hash: Hash, result: Result<Stepped, String>) {
        let now = self.now.monotonic;
        let signers = self.ceremonies.get(&hash).map_or(0, |c| c.proposal.participants.len());
        let Some(running) = self.running(hash) else { return };
        match result {
            Ok(Stepped { live, acts, standing }) => {
                running.live = Some(live);
                running.session = Some(standing.session);
                let owed = running.standing.as_ref().is_some_and(|s| s.alert);
                if standing.alert && !owed {
                    // The liar must not get away as merely silent because a proof takes its time.
                    running.deadline = running.deadline.max(now.saturating_add(alert_ms(signers)));
                }
                running.standing = Some(standing);
                running.acts.extend(acts);
                self.tell_standing(hash);
                self.act(hash);
            }
            Err(text) => {
                self.end(hash, End::failed(api::ProblemKind::Internal, text, [self.me]));
            }
        }
    }

    /// What held the acts back is durable.
    pub(in super::super) fn resume(&mut self, hash: Hash) {
        if let Some(running) = self.running(hash) {
            running.writing = false;
        }
        self.act(hash);
    }

    fn act(&mut self, hash: Hash) {
        loop {
            let Some(running) = self.running(hash) else { return };
            if running.writing {
                return;
            }
            let Some(act) = running.acts.pop_front() else { break };
            match act {
                Act::Keep(kept) => {
                    running.writing = true;
                    match self.keep(hash, kept) {
                        Ok(writes) => self.store(writes, Then::Resume(hash)),
                        Err(refusal) => {
                            let text = format!("The key has changed meanwhile: {refusal}.");
                            return self.break_off(hash, End::failed(api::ProblemKind::KeyBusy, text, []));
                        }
                    }
                }
                Act::Send { to, message } => self.say(hash, to, message),
                Act::Accuse { culprit, charge, round, evidence } => {
                    self.accuse(hash, culprit, (charge, round), evidence);
                }
                Act::Finish(product) => self.finish(hash, product),
                Act::Fail(ending) => self.fail(hash, &ending),
            }
        }
        self.pump(hash);
    }

    fn say(&mut self, hash: Hash, to: u16, envelope: Vec<u8>) {
        let id = self.ceremonies.get(&hash).and_then(|c| c.proposal.identity_of(to));
        if let Some(id) = id {
            self.send(id, &PeerMessage::Round { ceremony: hash, envelope });
        }
    }

    /// What must be durable before the session goes on: a result that is not confirmed by everybody yet, or that
    /// shares are about to be dealt.
    fn keep(&mut self, hash: Hash, kept: Kept) -> Result<Vec<Write>, Refusal> {
        let ceremony = self.ceremonies.get(&hash).expect("invariant: the caller looked it up");
        let (proposal, request) = (Arc::clone(&ceremony.proposal), ceremony.request);
        let epoch = ceremony.epoch_id();
        let accepts = ceremony.session_accepts().to_vec();
        match kept {
            Kept::Share { share } => {
                let key = Key::pending(share, proposal, accepts)
                    .expect("invariant: the proposal was examined before");
                let write = key.write();
                self.keys.insert(key.id(), key);
                Ok(vec![write])
            }
            Kept::Aux { aux } => {
                let id = Hash(aux.public().aux_id);
                let record = AuxRecord { aux, confirmed: false };
                let write = record.write();
                self.aux.insert(id, record);
                Ok(vec![write])
            }
            Kept::Dealing => {
                let base = self
                    .running(hash)
                    .and_then(|r| r.base.as_ref())
                    .map(|base| base.info.as_ref().epoch_id());
                let key = proposal.key.and_then(|key| self.keys.get_mut(&key)).ok_or(Refusal::NotActive)?;
                key.deal(epoch.ok_or(Refusal::NotActive)?, base.ok_or(Refusal::NotActive)?)
            }
            Kept::Pending(pending) => {
                let key = proposal.key.and_then(|key| self.keys.get_mut(&key)).ok_or(Refusal::NotActive)?;
                key.confirm(*pending, request, proposal.proposer)
            }
        }
    }

    fn fail(&mut self, hash: Hash, ending: &Ending) {
        let Some(ceremony) = self.ceremonies.get(&hash) else { return };
        let silent: Vec<_> = ending.silent.iter().filter_map(|i| ceremony.proposal.identity_of(*i)).collect();
        let kind =
            if silent.is_empty() { api::ProblemKind::Internal } else { api::ProblemKind::DeadlinePassed };
        self.end(hash, End::failed(kind, format!("The session ended: {}.", ending.text), silent));
    }

    /// A participant has lost the session. Proves nothing; but who is waited for will not come.
    pub(in super::super) fn hear_lost(&mut self, from: NodeId, hash: Hash) {
        self.forget_held(from, hash);
        let under_way = |c: &&mut Ceremony| !c.is_over() && !c.finished;
        let Some(ceremony) = self.ceremonies.get_mut(&hash).filter(under_way) else { return };
        let index = ceremony.index_of(from);
        match &mut ceremony.part {
            Part::Running(running) => {
                let waited = running.standing.as_ref().map(|s| &s.waiting_for);
                running.give_up |= index.is_some_and(|i| waited.is_some_and(|w| w.contains(&i)));
                self.pump(hash);
            }
            Part::Priming { .. } | Part::Recording | Part::Accepted { .. }
                if ceremony.proposal.proposer == from =>
            {
                let text = "The proposer gave it up or restarted before the start; ask again.";
                self.end(hash, End::failed(api::ProblemKind::DeadlinePassed, text, [from]));
            }
            Part::Watching { .. } | Part::Priming { .. } | Part::Recording | Part::Accepted { .. } => {}
        }
    }

    pub(super) fn tick_running(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let proposal = Arc::clone(&ceremony.proposal);
        let Part::Running(running) = &mut ceremony.part else { return };
        let mut late = Vec::new();
        if !running.passed_on && now.saturating_sub(running.entered) >= PASS_ON_MS {
            running.passed_on = true;
            if running.round() == FIRST {
                let silent = running.standing.iter().flat_map(|s| &s.waiting_for);
                late.extend(silent.filter_map(|i| proposal.identity_of(*i)));
            }
        }
        let message = PeerMessage::Start { proposal: hash, accepts: running.accepts.clone() };
        // While it computes, what comes of it may be a reason to wait longer.
        if now >= running.deadline && running.live.is_some() {
            running.give_up = true;
            running.deadline = now.saturating_add(REVEAL_MS);
        }
        for peer in late {
            self.send(peer, &message);
        }
        self.pump(hash);
    }
}
