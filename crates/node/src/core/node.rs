//! The node: its state, and which part of it each input goes to. Read next: `joining.rs` and `membership.rs` (the
//! cluster), `tasks.rs` (what clients ask), `ceremony.rs` (the sessions that do it).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use consign_api as api;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::audit::Log;
use super::ceremony::{Ceremony, Held, Turn};
use super::charter::SignedCharter;
use super::checks::{Checks, Shown};
use super::evidence::EvidenceRecord;
use super::exports::Export;
use super::governing::Governing;
use super::hash::Hash;
use super::jobs::{Job, Result as Computed, Work};
use super::joiners::Joiners;
use super::joining::Home;
use super::keys::Key;
use super::letters::Letters;
use super::lookups::{Lookups, Parked};
use super::moduli::AuxRecord;
use super::operator::{Blocked, Forgiven};
use super::pool::Pool;
use super::records::{BadRecord, decode};
use super::refill::Refill;
use super::remembered::Remembered;
use super::requests::Wanted;
use super::spending::Early;
use super::standing::Orders;
use super::stories::Story;
use super::succession::Drafts;
use super::tasks::Task;
use super::votes::{Cast, Votes};
use super::wire::PeerMessage;
use super::{CallId, Input, JobId, Level, Now, Output, WriteId};
use crate::identity::{ClusterId, Identity, NodeId};
use crate::store::{Store, StoreError, Table, Value, Write};

/// How often old requests are looked for, in milliseconds.
const FORGET_MS: u64 = 60_000;

/// What an operator chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Display name.
    pub name: String,
    /// Multiaddresses to announce, at most [`MAX_ADDRESSES`](super::roster::MAX_ADDRESSES).
    pub addresses: Vec<String>,
    /// Version of the program.
    pub version: String,
    /// How many presignatures of its own this node keeps ready for each key; 0: it makes none unasked.
    pub keep_presignatures: u32,
    /// Whether proofs of other signers are verified in batches: faster, with one difference that harms nobody.
    pub batch_verification: bool,
    /// Whether this node takes part only in what a client has signed. Without, the token of any member's API is enough.
    pub require_clients: bool,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record is damaged.
    #[error("{what}: {source}; restore a backup of the store")]
    Record {
        /// Which record.
        what: &'static str,
        /// Why.
        source: BadRecord,
    },
    /// There is neither a cluster nor an invitation to one.
    #[error("this store belongs to no cluster: run `consign init` or `consign join` on a new folder")]
    NoCluster,
    /// The audit log does not hold.
    #[error(transparent)]
    Audit(#[from] super::audit::AuditError),
}

/// What this node sees of a peer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Presence {
    /// Whether there is a connection.
    pub(super) up: bool,
    /// Round-trip time in milliseconds.
    pub(super) latency: Option<u64>,
    /// How many seconds its clock is ahead of this one.
    pub(super) clock_offset_s: Option<i64>,
    /// Messages of this peer that were dropped.
    pub(super) dropped: u64,
    /// Whether two processes were heard to speak for it.
    pub(super) twice: bool,
    /// The number of its process, as it says.
    pub(super) process: Option<[u8; 16]>,
}

/// What waits for a transaction.
pub(super) enum Then {
    /// Nothing.
    Rest,
    /// A participant's request record: the accept may leave.
    Accept(Hash),
    /// A session's result is durable: its later acts may be carried out.
    Resume(Hash),
    /// An imported key is durable: it is shared out.
    ShareOut(CallId, Box<Wanted>),
    /// A client waits for this.
    Reply(CallId, Box<api::Reply>),
    /// A founder's vote may be told.
    Cast(Box<Cast>),
    /// A new charter may be told, but not to whom it came from.
    Charter(Option<NodeId>),
    /// A founder's signature under a charter may be told.
    Signed(CallId, Hash),
    /// An own letter may leave.
    Sent(CallId, u64),
    /// The sender of a letter may hear that it is here.
    Received(NodeId, Hash),
    /// Primes are on their way out of the pool.
    Primes(Hash, u16),
    /// The ceremony is over as soon as this is durable.
    End(Hash, Box<super::ceremony::End>),
}

/// What waits for a job.
pub(super) enum For {
    /// A ceremony's session.
    Session(Hash),
    /// A ceremony's primes, for the level with this number.
    Primes(Hash, u16),
    /// Evidence from this peer, or a certificate.
    Check(NodeId, Option<Shown>),
    /// Nobody.
    Idle,
}

/// A node without I/O.
pub struct Node {
    pub(super) identity: Arc<Identity>,
    pub(super) me: NodeId,
    pub(super) settings: Settings,
    pub(super) rng: ChaCha20Rng,
    pub(super) now: Now,
    pub(super) home: Home,
    /// Issued invitation tokens (hashed) with their expiry.
    pub(super) tokens: BTreeMap<Hash, u64>,
    /// What its operator agrees to.
    pub(super) governing: Governing,
    pub(super) peers: BTreeMap<NodeId, Presence>,
    pub(super) keys: BTreeMap<Hash, Key>,
    pub(super) aux: BTreeMap<Hash, AuxRecord>,
    /// Moduli whose factors somebody says to have lost, and who: this node proposes nothing more with them.
    pub(super) lacking: BTreeMap<Hash, NodeId>,
    /// Record keys of ready-made primes, by the level's number.
    pub(super) pool: BTreeMap<u16, Vec<Vec<u8>>>,
    pub(super) presignatures: Pool,
    /// Proposals that wait for presignatures.
    pub(super) early: Vec<Early>,
    pub(super) refill: Refill,
    /// What it does without a client.
    pub(super) orders: Orders,
    /// A random number of this process.
    pub(super) process: [u8; 16],
    pub(super) requests: Remembered,
    pub(super) ceremonies: BTreeMap<Hash, Ceremony>,
    /// Proposals that wait for another try of their request.
    pub(super) held: Vec<Held>,
    /// Whose turn it is to change a key.
    pub(super) turns: BTreeMap<Hash, Turn>,
    pub(super) tasks: BTreeMap<Hash, Task>,
    pub(super) stories: BTreeMap<Hash, Story>,
    /// Stories that changed since the last event.
    pub(super) changed: BTreeSet<Hash>,
    /// Who waits to be let in.
    pub(super) joiners: Joiners,
    /// Votes that wait for what peers know.
    pub(super) votes: Votes,
    /// Charters that founders are signing.
    pub(super) drafts: Drafts,
    /// Charters that this node does not follow, with signatures enough.
    pub(super) rivals: Vec<SignedCharter>,
    pub(super) letters: Letters,
    pub(super) blocked: Blocked,
    pub(super) forgiven: Forgiven,
    pub(super) culprits: BTreeSet<NodeId>,
    pub(super) evidence: BTreeMap<Hash, EvidenceRecord>,
    /// Shares that were exported, by key.
    pub(super) exports: BTreeMap<Hash, Vec<Export>>,
    /// Evidence that was sent to a peer since it is connected.
    pub(super) offered: BTreeSet<(NodeId, Hash)>,
    /// What peers have shown and is not verified yet.
    pub(super) checks: Checks,
    pub(super) lookups: Lookups,
    /// The audit log, and what others have shown of theirs.
    pub(super) audit_log: Log,
    /// Proposals that wait for the key they are about to be shown.
    pub(super) parked: BTreeMap<Hash, Parked>,
    pub(super) writes: BTreeMap<WriteId, Then>,
    pub(super) jobs: BTreeMap<JobId, For>,
    /// Nothing new is begun, because the disk of the store is nearly full.
    pub(super) disk_full: bool,
    pub(super) next_repair: u64,
    pub(super) next_clocks: u64,
    next_forgetting: u64,
    counter: u64,
    pub(super) events: u64,
    pub(super) out: Vec<Output>,
    /// Whether it cheats on purpose.
    pub(super) misbehaviour: Option<super::misbehave::Misbehaviour>,
}

impl Node {
    /// Reads everything it must know from the store, and returns what is to be done first.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        identity: Arc<Identity>,
        settings: Settings,
        store: &dyn Store,
        entropy: [u8; 32],
        now: Now,
    ) -> Result<(Self, Vec<Output>), OpenError> {
        let (blocked, forgiven) = super::operator::read(store)?;
        let (drafts, rivals) = super::succession::read(store)?;
        let mut node = Self {
            me: identity.node_id(),
            identity,
            settings,
            rng: ChaCha20Rng::from_seed(entropy),
            now,
            home: Home::read(store)?,
            tokens: super::joining::read_tokens(store)?,
            governing: Governing::read(store)?,
            peers: BTreeMap::new(),
            keys: BTreeMap::new(),
            aux: BTreeMap::new(),
            lacking: BTreeMap::new(),
            pool: BTreeMap::new(),
            presignatures: Pool::default(),
            early: Vec::new(),
            refill: Refill::default(),
            orders: Orders::read(store)?,
            process: [0; 16],
            requests: Remembered::read(store)?,
            ceremonies: BTreeMap::new(),
            held: Vec::new(),
            turns: BTreeMap::new(),
            tasks: BTreeMap::new(),
            stories: BTreeMap::new(),
            changed: BTreeSet::new(),
            joiners: Joiners::new(),
            votes: Votes::new(),
            drafts,
            rivals,
            letters: Letters::read(store)?,
            blocked,
            forgiven,
            culprits: BTreeSet::new(),
            evidence: BTreeMap::new(),
            exports: super::exports::read(store)?,
            offered: BTreeSet::new(),
            checks: Checks::default(),
            lookups: Lookups::new(),
            audit_log: Log::read(store)?,
            parked: BTreeMap::new(),
            writes: BTreeMap::new(),
            jobs: BTreeMap::new(),
            disk_full: false,
            next_repair: 0,
            next_clocks: 0,
            next_forgetting: 0,
            counter: 0,
            events: 0,
            out: Vec::new(),
            misbehaviour: None,
        };
        node.process = node.random();
        node.read(store)?;
        let mark = node.requests.begin(store, now)?;
        if !mark.is_empty() {
            // Before anything else is stored.
            node.store(mark, Then::Rest);
            node.log(Level::Info, "restored from a backup: requests of before this start are refused");
        }
        node.announce();
        node.name_peers();
        node.end_restarted();
        node.tell_exports();
        node.tell_log();
        node.tell_changes();
        let first = std::mem::take(&mut node.out);
        Ok((node, first))
    }

    /// Everything but the cluster.
    fn read(&mut self, store: &dyn Store) -> Result<(), OpenError> {
        let bad = |what| move |source| OpenError::Record { what, source };
        // A key's own record comes before those of its pending shares, whose names begin with its id.
        for (name, value) in store.list(Table::Keys)? {
            match name.split_first_chunk::<32>() {
                Some((_, [])) => {
                    let key = Key::read(&value).map_err(bad("a key share"))?;
                    self.keys.insert(key.id(), key);
                }
                Some((id, _)) => {
                    let key =
                        self.keys.get_mut(&Hash(*id)).ok_or_else(|| bad("a pending share")(BadRecord))?;
                    key.read_pending(&value).map_err(bad("a pending share"))?;
                }
                None => return Err(bad("a key share")(BadRecord)),
            }
        }
        for (_, value) in store.list(Table::Aux)? {
            let record = AuxRecord::read(&value).map_err(bad("auxiliary information"))?;
            self.aux.insert(Hash(record.aux.public().aux_id), record);
        }
        for (key, _) in store.list(Table::Primes)? {
            if let Some((level, _)) = key.split_first_chunk::<2>() {
                self.pool.entry(u16::from_be_bytes(*level)).or_default().push(key);
            }
        }
        for (key, value) in store.list(Table::Ceremonies)? {
            let id = <[u8; 32]>::try_from(key.as_slice()).map_err(|_| bad("a ceremony")(BadRecord))?;
            let story = Story::read(&value).map_err(bad("a ceremony"))?;
            self.stories.insert(Hash(id), story);
        }
        for (key, value) in store.list(Table::Evidence)? {
            let id = <[u8; 32]>::try_from(key.as_slice()).map_err(|_| bad("evidence")(BadRecord))?;
            let record: EvidenceRecord = decode(&value).map_err(bad("evidence"))?;
            if self.still_counts(&record) {
                self.culprits.insert(record.file.accused);
            }
            self.evidence.insert(Hash(id), record);
        }
        Ok(())
    }

    /// Takes one thing that happened and returns what is to be done, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        self.now = now;
        match input {
            Input::Api(call, request) => self.asked(call, request),
            Input::Peer { from, bytes, stranger: _ } => self.heard(from, &bytes),
            Input::PeerUp(peer) => self.peer_up(peer),
            Input::PeerDown(peer) => self.peer_down(peer),
            Input::Latency(peer, ms) => self.peers.entry(peer).or_default().latency = Some(ms),
            Input::Twice(peer) => self.runs_twice(peer),
            Input::Stored(write) => self.stored(write),
            Input::Taken(write, value) => self.taken(write, value),
            Input::Computed(job, done) => self.computed(job, *done),
            Input::Progress(job, progress) => self.progressed(job, progress),
            Input::Policy(policy) => self.govern(policy),
            Input::DiskFull(full) => self.disk_is_full(full),
            Input::Tick => self.tick(),
        }
        self.tell_changes();
        std::mem::take(&mut self.out)
    }

    /// The own identity.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.me
    }

    /// The cluster it belongs to, or asks to join.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        self.home.cluster()
    }

    fn heard(&mut self, from: NodeId, bytes: &[u8]) {
        if self.blocked.contains(&from) {
            return self.dropped(from, "the operator has blocked it");
        }
        // Known or not is decided by what this node knows now: the transport's list may be a moment older.
        let stranger = !self.admits(from);
        let message = match PeerMessage::decode(bytes, stranger) {
            Ok(message) => message,
            Err(why) => return self.dropped(from, &why.to_string()),
        };
        if stranger && !matches!(message, PeerMessage::Join { .. } | PeerMessage::AskIn { .. }) {
            return self.dropped(from, "a stranger may only join");
        }
        match message {
            PeerMessage::RosterDigest(digest) => self.hear_digest(from, digest),
            PeerMessage::Roster { charter, statements, complete } => {
                self.hear_roster(from, charter, statements, complete);
            }
            PeerMessage::Join { cluster, token, announce } => {
                self.hear_join(from, cluster, &token, announce);
            }
            PeerMessage::JoinRefused(why) => self.hear_refused(from, why),
            PeerMessage::Propose(proposal) => self.hear_proposal(from, *proposal),
            PeerMessage::Preparing { proposal } => self.hear_preparing(from, proposal),
            PeerMessage::Accept(accept) => self.hear_accept(from, accept),
            PeerMessage::Refuse(refusal) => self.hear_refusal(from, &refusal),
            PeerMessage::Start { proposal, accepts } => self.hear_start(from, proposal, accepts),
            PeerMessage::Round { ceremony, envelope } => self.hear_round(from, ceremony, &envelope),
            PeerMessage::AskConfirmed(ceremonies) => self.hear_ask(from, &ceremonies),
            PeerMessage::Confirmed { ceremony, set } => self.hear_confirmed(from, ceremony, &set),
            PeerMessage::Evidence(file) => self.hear_evidence(from, *file, bytes.len()),
            PeerMessage::Lost { ceremony } => self.hear_lost(from, ceremony),
            PeerMessage::Report { ceremony, report } => self.hear_report(from, ceremony, report, bytes.len()),
            PeerMessage::AskKey(key) => self.hear_ask_key(from, key),
            PeerMessage::Certificate(certificate) => self.hear_certificate(from, *certificate, bytes.len()),
            PeerMessage::Epochs(known) => self.hear_epochs(from, &known),
            PeerMessage::Used { key, epoch } => self.hear_used(from, key, epoch),
            PeerMessage::Lacks { aux } => self.hear_lacks(from, aux),
            PeerMessage::Process(number) => self.hear_process(from, number),
            PeerMessage::Pass { presignature, request } => self.hear_pass(from, presignature, request),
            PeerMessage::Log(head) => self.hear_log(from, head),
            PeerMessage::LogSeen(head) => self.hear_log_seen(from, head),
            PeerMessage::AskIn { cluster, announce } => self.hear_ask_in(from, cluster, announce),
            PeerMessage::Joiner(announce) => self.hear_joiner(from, announce),
            PeerMessage::AskVote(subject) => self.hear_ask_vote(from, subject),
            PeerMessage::Vote { subject, statement } => self.hear_vote(from, subject, statement),
            PeerMessage::Charters(chain) => self.hear_charters(from, chain),
            PeerMessage::Draft(draft) => self.hear_draft(from, *draft),
            PeerMessage::Letter(signed) => self.hear_letter(from, *signed),
            PeerMessage::Received(ids) => self.hear_received(from, &ids),
            PeerMessage::AskClock(asked) => self.hear_ask_clock(from, asked),
            PeerMessage::Clock { asked, unix } => self.hear_clock(from, asked, unix),
        }
    }

    fn stored(&mut self, write: WriteId) {
        self.audited(write);
        match self.writes.remove(&write) {
            None | Some(Then::Rest | Then::Primes(..)) => {}
            Some(Then::Accept(ceremony)) => self.recorded(ceremony),
            Some(Then::Resume(ceremony)) => self.resume(ceremony),
            Some(Then::ShareOut(call, wanted)) => self.share_out(call, *wanted),
            Some(Then::Reply(call, reply)) => self.out.push(Output::Reply(call, *reply)),
            Some(Then::Cast(cast)) => self.cast(*cast),
            Some(Then::Charter(from)) => self.tell_charter(from),
            Some(Then::Signed(call, charter)) => self.charter_signed(call, charter),
            Some(Then::Sent(call, number)) => self.letter_stored(call, number),
            Some(Then::Received(from, letter)) => self.send(from, &PeerMessage::Received(vec![letter])),
            Some(Then::End(ceremony, end)) => self.end(ceremony, *end),
        }
    }

    fn taken(&mut self, write: WriteId, value: Option<Value>) {
        if let Some(Then::Primes(ceremony, level)) = self.writes.remove(&write) {
            self.primes_taken(ceremony, level, value);
        }
    }

    fn computed(&mut self, job: JobId, done: super::Done) {
        match (self.jobs.remove(&job), done.0) {
            (Some(For::Session(ceremony)), Computed::Session(result)) => self.stepped(ceremony, result),
            (Some(For::Primes(ceremony, level)), Computed::Primes(primes)) => {
                self.primes_found(ceremony, level, primes);
            }
            (Some(For::Check(from, None)), Computed::Judged(file, verdict)) => {
                self.judged(from, *file, verdict)
            }
            (Some(For::Check(from, Some(shown))), Computed::Certified(key)) => {
                self.certified(from, shown, key.map(|key| *key));
            }
            (Some(For::Idle), Computed::Nothing) => {}
            _ => self.log(Level::Warn, "a job's result belongs to nothing"),
        }
        self.start_checks();
    }

    fn tick(&mut self) {
        if self.now.monotonic >= self.next_forgetting {
            self.next_forgetting = self.now.monotonic.saturating_add(FORGET_MS);
            let writes = self.requests.forget(self.now);
            if !writes.is_empty() {
                self.store(writes, Then::Rest);
            }
            self.save_seen();
            self.tick_governing();
        }
        self.tick_membership();
        self.tick_joiners();
        self.tick_clocks();
        self.tick_votes();
        self.tick_letters();
        self.tick_ceremonies();
        self.tick_pool();
        self.tick_tasks();
        self.tick_refill();
        self.tick_nonces();
        self.tick_standing();
        self.tick_stories();
        self.tick_lookups();
    }

    /// Sends a message to a peer. One that the peer would refuse for its length is not sent: it would only hold up
    /// those behind it.
    pub(super) fn send(&mut self, to: NodeId, message: &PeerMessage) {
        if self.blocked.contains(&to) {
            return;
        }
        let bytes = message.encode();
        if PeerMessage::is_deliverable(&bytes) {
            self.out.push(Output::Send { to, bytes });
        } else {
            let line = format!(
                "a message of {} bytes to {to} is longer than its kind allows, and is not sent",
                bytes.len()
            );
            self.log(Level::Warn, &line);
        }
    }

    /// Orders a transaction.
    pub(super) fn store(&mut self, mut writes: Vec<Write>, then: Then) {
        let id = WriteId(self.count());
        self.audit(id, &mut writes);
        self.writes.insert(id, then);
        self.out.push(Output::Store(id, writes));
    }

    /// Orders that a record be taken.
    pub(super) fn take(&mut self, table: Table, key: Vec<u8>, then: Then) {
        let id = WriteId(self.count());
        self.writes.insert(id, then);
        self.out.push(Output::Take(id, table, key));
    }

    /// Orders work.
    pub(super) fn compute(&mut self, work: Work, purpose: For) {
        let id = JobId(self.count());
        self.jobs.insert(id, purpose);
        self.out.push(Output::Compute(id, Box::new(Job(work))));
    }

    /// Counts a message without effect.
    pub(super) fn dropped(&mut self, from: NodeId, why: &str) {
        // Nothing is kept of strangers: they have as many names as they like.
        let count = self.peers.get_mut(&from).map_or(1, |presence| {
            presence.dropped = presence.dropped.saturating_add(1);
            presence.dropped
        });
        self.log(Level::Debug, &format!("dropped a message of {from} ({count} so far): {why}"));
    }

    /// Writes a line to the log.
    pub(super) fn log(&mut self, level: Level, line: &str) {
        self.out.push(Output::Log(level, line.to_owned()));
    }

    /// Fresh random bytes.
    pub(super) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Whether there is a connection to the peer; to itself, always.
    pub(super) fn is_up(&self, peer: NodeId) -> bool {
        peer == self.me || self.peers.get(&peer).is_some_and(|p| p.up)
    }

    /// From now on nothing new is begun, or things are again. What runs goes on.
    fn disk_is_full(&mut self, full: bool) {
        self.disk_full = full;
        if full {
            self.log(
                Level::Warn,
                "the disk of the store is nearly full: nothing new is begun until there is room; free some, or move the \
                 data folder to a larger one",
            );
        } else {
            self.log(Level::Info, "there is room on the disk of the store again");
        }
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}
