//! What a protocol must provide to be run by a [`Session`](crate::Session) and judged by
//! [`Evidence`](crate::Evidence).
//!
//! A protocol is an enum with one plain struct per round. It does no I/O and has no clock; randomness enters
//! through `advance` only. `check` and `rule` see public data alone, so a judge can ask the same question.

use std::fmt;

use rand_core::CryptoRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::envelope::DirectPart;
use crate::hash::SessionId;
use crate::party::{PartyIndex, PerParty};

/// A protocol as one party runs it.
///
/// # Hostile views
///
/// In a live session the view that `check` and `rule` get holds checked broadcasts of every party. A judge's view
/// holds what the evidence says, and whoever wrote the evidence may have made up the past of its own accomplices:
/// every party is present and every broadcast is of its round's kind, but none of it has passed `check`. So
/// `check` and `rule` must not panic on such a view; any verdict will do then, since an honest party never
/// signs an echo of a past it would have refused. In `rule` the view ends with the accused's message (below).
pub trait Protocol: Sized {
    /// What all parties agreed on beforehand. Together with the signed messages it is all that a judge needs.
    type Public;
    /// Every broadcast of the completed rounds.
    type View: Default;
    /// What a party tells everyone, one variant per round.
    type Broadcast: Serialize + DeserializeOwned;
    /// What a party tells one peer: a variant for each round that has such a part, and one that says nothing.
    ///
    /// It may end in evidence, and its hash is shown to others: secrets in it must be masked or encrypted.
    type Direct: Serialize + DeserializeOwned;
    /// What a party has in the end.
    type Output;
    /// What must be on disk before a round's messages leave.
    type Durable;
    /// Which rule was broken: a closed enum.
    type Fault: Copy + Eq + fmt::Debug + fmt::Display + Serialize + DeserializeOwned;
    /// An end for which nobody is to blame.
    type Failure: fmt::Debug + fmt::Display;
    /// An accelerator handed to `check` by the running party: own factors, tables. A judge uses the default.
    /// What is refused with it is refused without it, for the same rule.
    type Aid: Default;

    /// Number of rounds, at least 1 and at most [`MAX_ROUNDS`](crate::limits::MAX_ROUNDS).
    const ROUNDS: u8;

    /// Longest allowed encoding of a broadcast of `round`, in bytes. Longer ones are a fault of the sender.
    fn max_broadcast_bytes(public: &Self::Public, round: u8) -> usize;

    /// Longest allowed encoding of a direct part of `round`, in bytes. Longer ones are a fault of the sender.
    fn max_direct_bytes(public: &Self::Public, round: u8) -> usize;

    /// Is `broadcast` the variant that `round` uses? If not, the engine treats it like bytes that do not decode.
    fn fits_broadcast(round: u8, broadcast: &Self::Broadcast) -> bool;

    /// Is `direct` the variant that `round` uses? If not, the engine treats it like bytes that do not decode.
    fn fits_direct(round: u8, direct: &Self::Direct) -> bool;

    /// Could an honest `from` have said this to `to` in round `said.round`? `view` holds all earlier rounds.
    ///
    /// Both parts already fit the round.
    ///
    /// # Errors
    ///
    /// The rule that was broken. Must be the same for every caller with the same arguments, whatever the aid; with an
    /// aid somebody may be spared where that harms nobody.
    fn check(
        public: &Self::Public,
        view: &Self::View,
        aid: &Self::Aid,
        from: PartyIndex,
        to: PartyIndex,
        said: &Said<Self>,
        session: SessionId,
    ) -> Result<(), Self::Fault>;

    /// Adds a broadcast that fits `round` to the view.
    fn record(view: &mut Self::View, round: u8, from: PartyIndex, broadcast: Self::Broadcast);

    /// The complaint in this broadcast, if it accuses somebody of a bad direct part.
    fn complaint(broadcast: &Self::Broadcast) -> Option<&Complaint> {
        let _ = broadcast;
        None
    }

    /// Decides a complaint: who of the two is at fault?
    ///
    /// The engine has made sure that `direct` is what `accused` signed for `accuser` in an earlier round, that it
    /// fits that round, and that `view` is what the accused had seen: all rounds before that message and, of its
    /// own round, the accused's own broadcast **only**. `broadcast` is the accuser's, which holds the complaint; a
    /// session has checked it, a judge has not, so whatever the ruling relies on (an opened key) is verified here.
    ///
    /// A protocol that overrides [`complaint`](Self::complaint) overrides this too.
    fn rule(
        public: &Self::Public,
        view: &Self::View,
        accuser: PartyIndex,
        accused: PartyIndex,
        direct: &Self::Direct,
        broadcast: &Self::Broadcast,
        session: SessionId,
    ) -> Ruling<Self::Fault> {
        let _ = (public, view, accuser, accused, direct, broadcast, session);
        unreachable!("invariant: a protocol with complaints rules on them")
    }

    /// Everyone spoke and passed `check`, nobody complained: compute, then speak again or finish.
    ///
    /// `view` contains the round that has just ended; `directs` has one entry for every other party.
    fn advance(
        self,
        public: &Self::Public,
        view: &Self::View,
        directs: PerParty<Heard<Self>>,
        rng: &mut impl CryptoRng,
    ) -> Step<Self>;
}

/// What one party said to another in one round.
pub struct Said<P: Protocol> {
    /// The round, from 1.
    pub round: u8,
    /// To everyone.
    pub broadcast: P::Broadcast,
    /// To the recipient.
    pub direct: P::Direct,
}

/// A direct part as it was received.
pub struct Heard<P: Protocol> {
    /// Decoded.
    pub direct: P::Direct,
    /// As signed by the sender: to be kept if a later round may have to complain about it.
    pub envelope: DirectPart,
}

/// What [`Protocol::advance`] leads to.
pub enum Step<P: Protocol> {
    /// The next round.
    Speak(P, Speech<P>),
    /// The end, after the last round.
    Done(P::Output),
    /// The end without a result and without a culprit.
    Abort(P::Failure),
}

/// A party's messages of one round.
pub struct Speech<P: Protocol> {
    /// What must be durable before any of it leaves.
    pub durable: Option<P::Durable>,
    /// To everyone.
    pub broadcast: P::Broadcast,
    /// To each **other** party of the session: exactly one entry per peer.
    pub direct: PerParty<P::Direct>,
}

/// An accusation that everybody can decide: "what this party sent me is bad".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// The accused.
    pub against: PartyIndex,
    /// What the accused sent, with its signature.
    pub envelope: DirectPart,
}

/// Who is at fault after a complaint, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling<F> {
    /// The direct part is bad.
    Accused(F),
    /// The direct part is good, or the complaint shows something false.
    Accuser(F),
}
