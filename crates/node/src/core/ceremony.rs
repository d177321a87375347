//! One ceremony: a proposal on its way from round 0 over a running session to its end. Read `ceremony/round0.rs`
//! and `ceremony/accepting.rs` (propose, accept, start), `ceremony/running.rs` (the session), `ceremony/finishing.rs` (results), `ceremony/reports.rs` (what a
//! proposer that takes no part hears).

mod accepting;
mod examining;
mod finishing;
mod inbox;
mod priming;
mod reports;
mod rivals;
mod round0;
mod running;
mod turns;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use consign_api as api;
use consign_cggmp24::epoch::EpochId;
use consign_rounds::SessionId;
use zeroize::Zeroizing;

use self::inbox::Inbox;
pub(super) use self::rivals::Held;
pub(super) use self::turns::Turn;
pub use self::turns::{TURN_MS, TURN_WITH_PRIMES_MS};
use super::asked::Asked;
use super::chain::AnyStep;
use super::curves::{Info, Presigned, Signed};
use super::hash::Hash;
use super::node::{Node, Then};
use super::proposal::{Accept, Drawn, Kind, Proposal};
use super::sessions::{Act, Live, Standing};
use super::sizes::Sizes;
use super::spending::Spent;
use super::stories::phase_of;
use super::views::api_id;
use super::wire::PeerMessage;
use crate::identity::NodeId;
use crate::store::Write;

/// Most ceremonies that are under way at once; past it this node proposes and accepts no more.
pub const MAX_RUNNING: usize = 64;
/// Most of them that one other node may have proposed, so that nobody takes all the room.
pub const MAX_RUNNING_OF_ONE: usize = MAX_RUNNING / 2;
/// Most ceremonies for moduli that one other node may have proposed: each costs a search for primes.
pub const MAX_AUX_OF_ONE: usize = 4;
/// Most that run here because one other node passed requests on: each uses up a presignature of this node.
pub const MAX_PASSED_OF_ONE: usize = 8;
/// What a node says that would take part, but not now.
pub(super) const NO_PLACE: &str = "this node has all the work it may take";
/// How much longer the rounds of a proposal may take than they need here, so that this node accepts it.
pub const DEADLINE_FACTOR: u32 = 2;
/// How long an ended session still answers reveals, in milliseconds.
pub const LINGER_MS: u64 = 10_000;
/// Most bytes of messages longer than any honest one that are kept of one sender, over all its sessions: enough for
/// one that convicts, however long.
pub const MAX_OVERSIZED_OF_ONE: usize = 16 << 20;
/// How long a signing may take, in milliseconds: so much, and so much more for each signer, to whom a proof is made
/// and whose proof is checked in every round.
const SIGN_MS: u32 = 24_000;
const SIGN_MS_PER_SIGNER: u32 = 3_000;
/// The same with a presignature: one round, and nothing to prove. Whoever withholds its part holds up a client so long.
const ONLINE_MS: u32 = 4_000;
const ONLINE_MS_PER_SIGNER: u32 = 500;
/// How long an alert may take, in milliseconds for each signer, since it proves something about each: on a slow core
/// at the highest level three times less.
const ALERT_MS_PER_SIGNER: u64 = 60_000;
/// After echoes differed, how long reveals are waited for, in milliseconds.
pub const REVEAL_MS: u64 = 5_000;

/// A ceremony this node proposed or takes part in.
pub(super) struct Ceremony {
    pub(super) proposal: Arc<Proposal>,
    /// The request it is for: the id of its story.
    pub(super) request: Hash,
    /// Who passed the request on to this node, which proposes it: it counts as that one's.
    passed_by: Option<NodeId>,
    /// This node's index; none at a proposer that takes no part.
    me: Option<u16>,
    /// Since when it is known here, on the monotonic clock.
    since: u64,
    /// At the proposer, until the start.
    gathering: Option<Gathering>,
    part: Part,
    /// Primes that were never opened; they go back to the pool if no session opens them.
    primes: Option<Zeroizing<Vec<u8>>>,
    /// The presignature that it uses up, from the moment this node agreed to.
    spent: Option<Spent>,
    inbox: Inbox,
    /// How long its messages may be.
    sizes: Sizes,
    /// Messages that were longer, by sender: one each, which convicts if it is signed.
    oversized: BTreeMap<NodeId, usize>,
    /// It has its result, which is on its way to the disk: from then on nothing makes it fail any more.
    finished: bool,
    /// Over: kept only to answer reveals, until then.
    ended: Option<u64>,
}

/// The proposer's list of accepts.
struct Gathering {
    accepts: BTreeMap<u16, (Accept, u64)>,
    /// When each participant was last heard of that was asked.
    heard: BTreeMap<NodeId, u64>,
    /// Who will take part once its operator approves, and what each says of that.
    awaiting: BTreeMap<NodeId, String>,
    /// When the first of them said so.
    awaiting_since: u64,
    /// Whom to ask once all others have accepted: where an operator had to be asked before, nobody else spends a try on what
    /// is not approved yet.
    later: Vec<NodeId>,
}

/// How far this node is as a participant.
enum Part {
    /// Takes no part; after the start it waits for the others' reports, until then. What each says was made,
    /// where nothing proves it.
    Watching { until: Option<u64>, made: BTreeMap<NodeId, Hash> },
    /// Its primes are on their way; when the proposer was last told so.
    Priming { told: u64 },
    /// The record of the request is on its way to the disk.
    Recording,
    /// Accepted, and waits for the start. A lapsed accept is gone, but the proposer may ask again. The last two draws
    /// are good: a late copy of a proposal must not void the accept that is on its way. Entering consumes all.
    Accepted { drawn: Vec<Drawn>, accept: Accept, since: u64, until: u64 },
    /// In the session.
    Running(Box<Running>),
}

/// A session under way.
struct Running {
    accepts: Vec<Accept>,
    /// Here, or in a job.
    live: Option<Box<Live>>,
    standing: Option<Standing>,
    session: Option<SessionId>,
    /// What is still to be done for it; waits for the disk while `writing`.
    acts: VecDeque<Act>,
    writing: bool,
    entered: u64,
    deadline: u64,
    give_up: bool,
    passed_on: bool,
    /// The epoch of the key when it began.
    began: Option<EpochId>,
    /// The epoch from which a change started.
    base: Option<Base>,
}

/// An epoch of a key, and how the key came to it.
struct Base {
    info: Info,
    chain: Vec<AnyStep>,
}

/// How a ceremony ended.
pub(super) enum End {
    /// The key with this id is active, or has come to another epoch.
    Key(Hash),
    /// The moduli with this id are complete.
    Aux(Hash),
    /// A signature.
    Signature(Box<Signed>),
    /// Presignatures are in the pool.
    Presigned,
    /// Nothing came of it.
    Failed {
        /// What to tell.
        problem: api::Problem,
        /// Who is asked last next time.
        demote: Vec<NodeId>,
        /// Whether these wait for their operators, and nothing else is in the way.
        waits: bool,
    },
}

impl End {
    pub(super) fn failed(
        kind: api::ProblemKind,
        text: impl Into<String>,
        naming: impl IntoIterator<Item = NodeId>,
    ) -> Self {
        let demote: Vec<_> = naming.into_iter().collect();
        let problem = api::Problem::new(kind, text).naming(demote.iter().copied().map(api_id));
        Self::Failed { problem, demote, waits: false }
    }
}

impl Ceremony {
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether its result is on its way to the disk.
    pub(super) fn is_finishing(&self) -> bool {
        self.finished && !self.is_over()
    }

    /// Whether this node takes part in it.
    pub(super) fn is_joined(&self) -> bool {
        self.me.is_some()
    }

    /// Whether nobody has asked for it but standing orders.
    pub(super) fn is_standing(&self) -> bool {
        Asked::is_standing_form(&self.proposal.request)
    }

    /// Whether its session has begun.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.part, Part::Running(_))
    }

    /// The accepts that made its session; none before.
    pub(super) fn session_accepts(&self) -> &[Accept] {
        match &self.part {
            Part::Running(running) => &running.accepts,
            Part::Watching { .. } | Part::Priming { .. } | Part::Recording | Part::Accepted { .. } => &[],
        }
    }

    /// What everybody knows of the presignature that it uses up.
    pub(super) fn presignature(&self) -> Option<&Presigned> {
        self.spent.as_ref().map(|spent| &spent.shown)
    }

    /// The presignature that it uses up.
    pub(super) fn spent(&self) -> Option<&Spent> {
        self.spent.as_ref()
    }

    fn index_of(&self, id: NodeId) -> Option<u16> {
        self.proposal.index_of(id)
    }

    /// The epoch from which it started, if it is a change under way.
    fn base(&self) -> Option<&Base> {
        let Part::Running(running) = &self.part else { return None };
        running.base.as_ref()
    }

    /// The epoch of the key when its session began.
    fn began(&self) -> Option<EpochId> {
        let Part::Running(running) = &self.part else { return None };
        running.began
    }

    /// Whether this node takes no part, and waits for what the participants report.
    pub(super) fn is_watched(&self) -> bool {
        matches!(self.part, Part::Watching { .. })
    }

    /// The epoch that its session makes, if it is a change of a key and under way.
    pub(super) fn epoch_id(&self) -> Option<EpochId> {
        let Part::Running(running) = &self.part else { return None };
        let session = running.session.filter(|_| self.proposal.is_change())?;
        Some(EpochId { epoch: self.proposal.epoch, session })
    }
}

impl Node {
    /// Whether nothing new may be begun: enough ceremonies are under way, or the disk is nearly full.
    pub(super) fn busy(&self) -> bool {
        self.disk_full || self.ceremonies.values().filter(|c| !c.is_over()).count() >= MAX_RUNNING
    }

    /// Whether a peer has passed on as much as it may have under way here, or tried this request too often.
    pub(super) fn passes_too_much(&self, from: NodeId, request: Hash) -> bool {
        let theirs = self.ceremonies.values().filter(|c| !c.is_over() && c.passed_by == Some(from));
        let spent = match self.requests.get(&request) {
            Some(record) => record.is_worn_out(from),
            None => self.requests.room(from, self.me, self.now.monotonic).is_err(),
        };
        spent || theirs.count() >= MAX_PASSED_OF_ONE
    }

    /// Whether a proposer has as many ceremonies under way here as it may have.
    fn asks_too_much(&self, proposer: NodeId, proposal: &Proposal) -> bool {
        let theirs = || self.ceremonies.values().filter(|c| !c.is_over() && c.proposal.proposer == proposer);
        theirs().count() >= MAX_RUNNING_OF_ONE
            || (proposal.needs_primes()
                && theirs().filter(|c| c.proposal.needs_primes()).count() >= MAX_AUX_OF_ONE)
    }

    pub(super) fn tick_ceremonies(&mut self) {
        let now = self.now.monotonic;
        self.ceremonies.retain(|_, c| c.ended.is_none_or(|until| until > now));
        for hash in self.ceremonies.keys().copied().collect::<Vec<_>>() {
            self.tick_gathering(hash);
            self.tick_part(hash);
        }
        self.tick_held();
    }

    fn tick_part(&mut self, hash: Hash) {
        let Some(ceremony) = self.ceremonies.get(&hash).filter(|c| !c.is_over()) else { return };
        match &ceremony.part {
            Part::Recording => {}
            Part::Watching { .. } => self.tick_watching(hash),
            Part::Priming { .. } => self.tick_priming(hash),
            Part::Accepted { .. } => self.tick_accepted(hash),
            Part::Running(_) => self.tick_running(hash),
        }
    }

    /// A peer is connected again. If it has restarted it knows nothing any more: whoever was asked is asked again, and
    /// whoever is waited for says that it has lost the session.
    pub(super) fn returned(&mut self, peer: NodeId) {
        let mut words = Vec::new();
        for (hash, ceremony) in self.ceremonies.iter().filter(|(_, c)| !c.is_over()) {
            let index = ceremony.index_of(peer);
            if let Some(gathering) = &ceremony.gathering {
                let waits = index.is_some_and(|i| !gathering.accepts.contains_key(&i));
                if waits && !gathering.later.contains(&peer) {
                    words.push(PeerMessage::Propose(Box::new((*ceremony.proposal).clone())));
                }
                continue;
            }
            match &ceremony.part {
                Part::Running(running) => {
                    let waited = running.standing.as_ref().map(|s| &s.waiting_for);
                    if index.is_some_and(|i| waited.is_some_and(|w| w.contains(&i))) {
                        let accepts = running.accepts.clone();
                        words.push(PeerMessage::Start { proposal: *hash, accepts });
                    }
                }
                Part::Priming { .. } | Part::Accepted { .. } if ceremony.proposal.proposer == peer => {
                    words.push(PeerMessage::Preparing { proposal: *hash });
                }
                Part::Watching { .. } | Part::Priming { .. } | Part::Recording | Part::Accepted { .. } => {}
            }
        }
        for word in words {
            self.send(peer, &word);
        }
    }

    /// Brings the story up to what the ceremony knows.
    fn tell_standing(&mut self, hash: Hash) {
        let Some(ceremony) = self.ceremonies.get(&hash).filter(|c| !c.is_over()) else { return };
        let proposal = Arc::clone(&ceremony.proposal);
        let request = ceremony.request;
        let missing = ceremony.gathering.as_ref().map(|gathering| {
            let missing = proposal.participants.iter().filter(|p| !gathering.accepts.contains_key(&p.index));
            missing.map(|p| api_id(p.id)).collect::<Vec<_>>()
        });
        let priming = matches!(ceremony.part, Part::Priming { .. });
        let standing = match &ceremony.part {
            Part::Running(running) => Some(running.standing.clone()),
            Part::Watching { .. } | Part::Priming { .. } | Part::Recording | Part::Accepted { .. } => None,
        };
        self.tell(request, |story, now| match standing {
            Some(standing) => {
                story.view.state = api::CeremonyState::Running;
                story.enter(phase_of(proposal.kind), now);
                let Some(standing) = standing else { return };
                (story.view.round, story.view.rounds) = (standing.round, standing.rounds);
                let waiting = standing.waiting_for.iter().filter_map(|i| proposal.identity_of(*i));
                story.view.waiting_for = waiting.map(api_id).collect();
            }
            None => {
                if priming {
                    story.enter(api::Phase::Primes, now);
                }
                story.view.waiting_for = missing.unwrap_or_default();
            }
        });
    }

    /// A job goes on.
    pub(super) fn progressed(&mut self, job: super::JobId, progress: api::Progress) {
        if let Some(super::node::For::Primes(hash, _)) = self.jobs.get(&job)
            && let Some(ceremony) = self.ceremonies.get(hash)
        {
            let request = ceremony.request;
            self.tell(request, |story, _| story.view.progress = Some(progress));
        }
    }

    /// Ends a ceremony, unless it would fail that has its result. Its session, if it has one, answers reveals for a
    /// while.
    pub(super) fn end(&mut self, hash: Hash, end: End) {
        let fails = matches!(end, End::Failed { .. });
        let Some(ceremony) = self.ceremonies.get_mut(&hash).filter(|c| !(c.is_over() || fails && c.finished))
        else {
            return;
        };
        ceremony.ended = Some(self.now.monotonic.saturating_add(LINGER_MS));
        let gathered = ceremony.gathering.take().is_some();
        let request = ceremony.request;
        let proposal = Arc::clone(&ceremony.proposal);
        let epoch = ceremony.epoch_id();
        if let Some(primes) = ceremony.primes.take() {
            self.return_primes(proposal.level, &primes);
        }
        if !matches!(self.ceremonies.get(&hash).map(|c| &c.part), Some(Part::Running(_))) {
            self.ceremonies.remove(&hash);
        }
        let key = proposal.key.and_then(|key| self.keys.get_mut(&key));
        if let Some((key, epoch)) = key.zip(epoch) {
            key.session_ended(epoch);
        }
        if gathered {
            // Nobody need hold anything ready for it: the next try may need the same key.
            for peer in proposal.others(self.me) {
                self.send(peer, &PeerMessage::Lost { ceremony: hash });
            }
        }
        self.ended(request, hash, &proposal, end);
        self.release_held(request);
    }

    /// Ends a ceremony whose session must not say another word: it is gone, and what it knew is wiped. One that has its
    /// result has wiped its secrets, and stays.
    pub(super) fn break_off(&mut self, hash: Hash, end: End) {
        self.end(hash, end);
        if self.ceremonies.get(&hash).is_some_and(|c| !c.finished) {
            self.ceremonies.remove(&hash);
        }
    }

    /// Orders that a result be made durable, and the ceremony ended with it.
    pub(super) fn end_durably(&mut self, hash: Hash, writes: Vec<Write>, end: End) {
        if let Some(ceremony) = self.ceremonies.get_mut(&hash) {
            ceremony.finished = true;
        }
        self.store(writes, Then::End(hash, Box::new(end)));
    }
}

/// How long the rounds may take, in milliseconds: generous for a small machine at the highest level, since a slow
/// participant must not look like a silent one. In a batch every slot counts for as many signers as there are.
pub(super) fn deadline_ms(kind: Kind, makes_moduli: bool, signers: usize) -> u32 {
    let signers = u32::try_from(signers).unwrap_or(u32::MAX);
    match kind {
        Kind::Refresh if makes_moduli => 600_000,
        Kind::Keygen | Kind::Refresh | Kind::Reshare => 120_000,
        Kind::Aux => 600_000,
        Kind::Import => 0,
        Kind::Online => ONLINE_MS.saturating_add(ONLINE_MS_PER_SIGNER.saturating_mul(signers)),
        Kind::Sign | Kind::Presign => SIGN_MS.saturating_add(SIGN_MS_PER_SIGNER.saturating_mul(signers)),
    }
}

/// How long an alert may take in a session of so many, in milliseconds. It replaces what is left of the deadline.
fn alert_ms(signers: usize) -> u64 {
    ALERT_MS_PER_SIGNER.saturating_mul(u64::try_from(signers).unwrap_or(u64::MAX))
}
