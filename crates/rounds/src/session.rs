//! One party in one execution of a protocol: takes messages, returns what must be done.
//!
//! A session does no I/O and never waits; it can be moved to another thread between two calls. It is split over
//! three files: this one (starting, ending, what callers see), `round.rs` (envelopes and rounds) and `reveals.rs`
//! (what happens after echoes differ).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rand_core::CryptoRng;

use crate::envelope::{Envelope, PublicPart, SignedHeader};
use crate::evidence::Verdict;
use crate::hash::{Hash, SessionId, first_echo};
use crate::judge::{Charge, Court};
use crate::limits::{MAX_PARTIES, MAX_ROUNDS, MIN_PARTIES};
use crate::party::{Identities, PartyIndex, PerParty, Signer};
use crate::past::Past;
use crate::protocol::{Protocol, Speech};
use crate::reveal::Message;

use self::reveals::Revealed;

mod reveals;
mod round;

/// Everything that a party brings to a session, apart from the protocol's first round.
pub struct Seat<P: Protocol, I> {
    /// Fresh for every execution.
    pub session: SessionId,
    /// This party.
    pub me: PartyIndex,
    /// What all parties agreed on.
    pub public: Arc<P::Public>,
    /// Makes this party's checks faster.
    pub aid: Arc<P::Aid>,
    /// The parties and their identity keys.
    pub identities: Arc<I>,
    /// This party's identity key.
    pub signer: Arc<dyn Signer>,
}

/// Why a session could not start: the caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeatError {
    /// Fewer than [`MIN_PARTIES`] or more than [`MAX_PARTIES`].
    #[error("a session has {MIN_PARTIES} to {MAX_PARTIES} parties")]
    PartyCount,
    /// The list of parties is not strictly ascending.
    #[error("the parties are not in strictly ascending order")]
    PartyOrder,
    /// This party is not in the list.
    #[error("this party is not one of the session's")]
    NotAParty,
}

/// What the caller must do, in the given order.
pub enum Effect<P: Protocol> {
    /// Make this durable **before** carrying out any later effect.
    Store(P::Durable),
    /// Send `message` to `to`.
    Send {
        /// The recipient.
        to: PartyIndex,
        /// What to send.
        message: Message,
    },
    /// Proof against a party. The session is over (if it was not already) and nothing may be derived from it.
    Accuse(Verdict<P::Fault>),
    /// The protocol is complete.
    Finish(Finished<P>),
    /// The session is over without a result and without a culprit.
    Fail(Failure<P::Failure>),
}

/// The end of a successful session.
pub struct Finished<P: Protocol> {
    /// What the protocol computed.
    pub output: P::Output,
    /// The echo over all rounds, the last one included. Nobody has compared it: if agreement on the last round
    /// matters, something must follow that does.
    pub transcript: Hash,
    /// What everyone said in the last round, signed: a transferable set, for confirmations.
    pub last: PerParty<PublicPart>,
    /// What everyone said in every round, from round 1, signed: for sets that need more than the last round.
    pub rounds: Vec<PerParty<PublicPart>>,
}

/// An end without a culprit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure<F> {
    /// The protocol ended by itself.
    Protocol(F),
    /// Somebody was silent, so that nothing could be proven.
    Unattributed {
        /// The round that could not be completed.
        round: u8,
        /// Whose message (or reveal, after echoes differed) is missing. Not a proof of anything.
        silent: Vec<PartyIndex>,
        /// Who stopped because echoes differed, and said so.
        objected: Vec<PartyIndex>,
    },
    /// A complaint was decided against this party: a fault of its own software or hardware. Others will accuse it.
    OwnFault,
}

impl<F: fmt::Display> fmt::Display for Failure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(failure) => failure.fmt(f),
            Self::Unattributed { round, silent, objected } => {
                let list = |parties: &[PartyIndex]| {
                    parties.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                };
                write!(f, "round {round} was not completed; silent: [{}]", list(silent))?;
                write!(f, "; stopped because echoes differ: [{}]", list(objected))
            }
            Self::OwnFault => f.write_str("a complaint was decided against this party"),
        }
    }
}

/// Why a message had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// Names another session.
    Session,
    /// Addressed to somebody else.
    Recipient,
    /// The sender is no party of the session, or this party itself.
    Sender,
    /// Of no round of the protocol, or of one after the next.
    Round,
    /// Already here.
    Duplicate,
    /// A part is not what the header names.
    Hash,
    /// The sender did not sign it.
    Signature,
    /// The session is over.
    Ended,
}

/// How many messages had no effect, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped(BTreeMap<DropReason, u64>);

impl Dropped {
    /// Number dropped for `reason`.
    #[must_use]
    pub fn count(&self, reason: DropReason) -> u64 {
        self.0.get(&reason).copied().unwrap_or(0)
    }

    /// Number dropped for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    fn add(&mut self, reason: DropReason) {
        let n = self.0.entry(reason).or_default();
        *n = n.saturating_add(1);
    }
}

/// One party in one execution of `P`.
pub struct Session<P: Protocol, I> {
    seat: Seat<P, I>,
    parties: Vec<PartyIndex>,
    phase: Phase<P>,
    view: P::View,
    /// Of the completed rounds: the broadcasts, the headers around them, and the echoes `E_0` to `E_k`.
    past: Past,
    headers: Vec<PerParty<SignedHeader>>,
    echoes: Vec<Hash>,
    /// Of the round being collected, and those that came one round early. Our own is addressed to some peer and has no
    /// direct part.
    current: PerParty<Envelope>,
    next: PerParty<Envelope>,
    /// Our broadcast of the round being collected.
    own: Option<P::Broadcast>,
    revealed: PerParty<Revealed>,
    accused: BTreeSet<PartyIndex>,
    dropped: Dropped,
}

enum Phase<P> {
    /// Collecting a round.
    Running(P),
    /// Echoes differ: collecting reveals.
    Revealing,
    /// Answers reveals, nothing else.
    Ended,
}

impl<P: Protocol, I: Identities> Session<P, I> {
    /// Enters a session with the protocol's state and messages of round 1.
    ///
    /// # Errors
    ///
    /// [`SeatError`] if the list of parties is unusable.
    ///
    /// # Panics
    ///
    /// If `speech` has not exactly one direct part per peer or breaks the protocol's own limits.
    pub fn start(seat: Seat<P, I>, state: P, speech: Speech<P>) -> Result<(Self, Vec<Effect<P>>), SeatError> {
        const { assert!(P::ROUNDS >= 1 && P::ROUNDS <= MAX_ROUNDS, "ROUNDS is out of range") };
        let parties = seat.identities.parties().to_vec();
        if !(MIN_PARTIES..=MAX_PARTIES).contains(&parties.len()) {
            return Err(SeatError::PartyCount);
        }
        if !parties.is_sorted_by(|a, b| a < b) {
            return Err(SeatError::PartyOrder);
        }
        if !parties.contains(&seat.me) {
            return Err(SeatError::NotAParty);
        }
        let mut session = Self {
            echoes: vec![first_echo(seat.session)],
            seat,
            parties,
            phase: Phase::Ended,
            view: P::View::default(),
            past: Past::default(),
            headers: Vec::new(),
            current: PerParty::new(),
            next: PerParty::new(),
            own: None,
            revealed: PerParty::new(),
            accused: BTreeSet::new(),
            dropped: Dropped::default(),
        };
        let effects = session.speak(state, speech);
        Ok((session, effects))
    }

    /// Takes one message from the network and returns what follows from it.
    ///
    /// Any bytes a network may deliver are fine here. After the end a session still answers reveals, and reports
    /// what they prove.
    pub fn receive(&mut self, message: Message, rng: &mut impl CryptoRng) -> Vec<Effect<P>> {
        let mut effects = match message {
            Message::Envelope(envelope) => self.receive_envelope(envelope, rng),
            Message::Reveal(reveal) => self.receive_reveal(reveal),
        };
        effects.extend(self.answer_reveals());
        effects
    }

    /// Stops waiting: the caller's deadline for the round (or for the reveals) has passed.
    ///
    /// What has arrived is still examined: it may prove something, or start the reveal round, for which
    /// the caller sets another deadline. Otherwise the session fails, naming who was silent.
    pub fn give_up(&mut self) -> Vec<Effect<P>> {
        match self.phase {
            Phase::Running(_) => {
                let findings = self.examine();
                if findings.is_clean() { self.fail_unattributed() } else { self.stop_on(findings) }
            }
            Phase::Revealing => self.fail_unattributed(),
            Phase::Ended => Vec::new(),
        }
    }

    /// The id of the session.
    pub fn id(&self) -> SessionId {
        self.seat.session
    }

    /// This party.
    pub fn me(&self) -> PartyIndex {
        self.seat.me
    }

    /// The round being collected, from 1; after the end, the last one reached.
    pub fn round(&self) -> u8 {
        (self.completed() + 1).min(P::ROUNDS)
    }

    /// Is there nothing to wait for any more?
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// The round, and whose message (or reveal, if echoes differed) is missing.
    pub fn waiting_for(&self) -> (u8, Vec<PartyIndex>) {
        let is_missing = |party: &PartyIndex| match self.phase {
            Phase::Running(_) => !self.current.contains_key(party),
            Phase::Revealing => *party != self.seat.me && !self.has_revealed_enough(*party),
            Phase::Ended => false,
        };
        (self.round(), self.parties.iter().copied().filter(is_missing).collect())
    }

    /// The protocol's state; none after the end.
    pub fn state(&self) -> Option<&P> {
        match &self.phase {
            Phase::Running(state) => Some(state),
            Phase::Revealing | Phase::Ended => None,
        }
    }

    /// How many messages had no effect.
    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// Replaces the protocol's state, to play a party that lies consistently.
    #[cfg(any(test, feature = "sim"))]
    pub fn corrupt(&mut self, lie: impl FnOnce(P) -> P) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Running(state) => Phase::Running(lie(state)),
            other @ (Phase::Revealing | Phase::Ended) => other,
        };
    }

    /// Number of completed rounds.
    fn completed(&self) -> u8 {
        u8::try_from(self.headers.len()).expect("invariant: at most MAX_ROUNDS rounds")
    }

    /// The echo of all completed rounds.
    fn echo(&self) -> Hash {
        *self.echoes.last().expect("invariant: E_0 is always there")
    }

    fn court(&self) -> Court<'_, P, I> {
        Court { public: &self.seat.public, session: self.seat.session, identities: &self.seat.identities }
    }

    /// Ends the session with these verdicts. A party is accused once per session, and never by itself.
    fn convict(&mut self, verdicts: Vec<Verdict<P::Fault>>) -> Vec<Effect<P>> {
        let mut effects = Vec::new();
        // Verdicts that come together are all about the running session, in whatever order they are listed.
        let mut own_fault_known = self.is_over();
        for verdict in verdicts {
            self.phase = Phase::Ended;
            if verdict.culprit != self.seat.me {
                if self.accused.insert(verdict.culprit) {
                    effects.push(Effect::Accuse(verdict));
                }
            } else if !std::mem::replace(&mut own_fault_known, true) {
                effects.push(Effect::Fail(Failure::OwnFault));
            }
        }
        effects
    }

    fn fail_unattributed(&mut self) -> Vec<Effect<P>> {
        let (round, mut silent) = self.waiting_for();
        let revealing = matches!(self.phase, Phase::Revealing);
        // Whoever has revealed was not silent: it stopped.
        silent.retain(|party| revealing || !self.revealed.contains_key(party));
        let objected = self.revealed.keys().copied().collect();
        self.phase = Phase::Ended;
        vec![Effect::Fail(Failure::Unattributed { round, silent, objected })]
    }
}

/// The verdict for two contradicting headers.
fn equivocation<F>(a: SignedHeader, b: SignedHeader) -> Verdict<F> {
    Verdict {
        culprit: a.header.from,
        charge: Charge::Equivocation,
        evidence: crate::evidence::Evidence::Equivocation(a, b),
    }
}
