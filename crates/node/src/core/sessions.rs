//! The protocols behind one type: a [`Live`] session takes messages and returns [`Act`]s that know neither the curve's
//! type nor the protocol. Only this file and `jobs.rs` name the protocols. Read `ceremony.rs` for what is done with acts.

use std::fmt;
use std::sync::Arc;

use consign_cggmp24::aux_info::{self, Aux, AuxInfo};
use consign_cggmp24::curve::Curve;
use consign_cggmp24::epoch::{Pending, Record};
use consign_cggmp24::key::KeyShare;
use consign_cggmp24::keygen::{self, Keygen};
use consign_cggmp24::misbehave::WrongDelta;
use consign_cggmp24::presign::{self, Presign};
use consign_cggmp24::refresh::{self, Refresh};
use consign_cggmp24::reshare::{self, Reshare};
use consign_cggmp24::sign::interactive::{self, Interactive};
use consign_cggmp24::sign::online::{self, Online};
use consign_rounds::{
    Effect, Evidence, Failure, Finished, Message, PartyIndex, PerParty, Protocol, PublicPart, Seat, Session,
    SessionId, Speech,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use super::chain::{AnyStep, Step};
use super::curves::{NewShares, NodeCurve, OwnHalf, PendingShare, Share, Signed};
use super::roll::Roll;

/// What a node must do for a session, in order.
pub(super) enum Act {
    /// Make this durable before any later act.
    Keep(Kept),
    /// Send to a participant.
    Send { to: u16, message: Vec<u8> },
    /// Proof against a participant.
    Accuse { culprit: u16, charge: String, round: Option<u8>, evidence: Vec<u8> },
    /// The result.
    Finish(Product),
    /// No result and no culprit.
    Fail(Ending),
}

/// Results that must be durable before they are confirmed.
pub(super) enum Kept {
    /// A key share.
    Share { share: Arc<Share> },
    /// Auxiliary information.
    Aux { aux: Arc<Aux> },
    /// Shares of the epoch that the proposal names are about to be dealt.
    Dealing,
    /// A share of another epoch of a key.
    Pending(Box<PendingShare>),
}

/// What a session has made.
pub(super) enum Product {
    /// The key whose share was kept; with everybody's confirmations.
    Key { key: [u8; 32], confirmations: PerParty<PublicPart> },
    /// The aux info that was kept.
    Aux { aux: [u8; 32] },
    /// A signature.
    Signature(Signed),
    /// Presignatures, usable: all agree on everything that was said.
    Presignatures(Vec<OwnHalf>),
    /// Another epoch for the same holders, with its moduli and everybody's confirmations.
    Refreshed(Box<AnyStep>),
    /// Another epoch for another committee, with what was said in each round.
    Reshared { result: Box<NewShares>, rounds: Vec<PerParty<PublicPart>> },
}

/// Why a session ended without a result.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    /// A sentence for people.
    pub(super) text: String,
    /// Who was silent; if nobody was, who stopped and proved nothing: whoever owes an alert may do so.
    pub(super) silent: Vec<u16>,
}

/// How far a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// The round being collected, from 1.
    pub(super) round: u8,
    /// Number of rounds.
    pub(super) rounds: u8,
    /// Who owes something to this round.
    pub(super) waiting_for: Vec<u16>,
    /// Nothing more will come of it.
    pub(super) over: bool,
    /// The session.
    pub(super) session: SessionId,
    /// A check that only a liar can have spoilt has failed, so that everybody owes a long proof.
    pub(super) alert: bool,
}

/// A running session of any protocol, on any curve.
pub(super) struct Live(Box<dyn Steps + Send>);

/// What all sessions can do.
trait Steps {
    fn step(&mut self, messages: Vec<Message>, give_up: bool) -> Vec<Act>;
    fn standing(&self) -> Standing;
}

/// A session with its own source of randomness.
pub(super) struct Run<P: Protocol> {
    session: Box<Session<P, Roll>>,
    rng: Box<ChaCha20Rng>,
}

impl<P: Protocol> Drop for Run<P> {
    /// From the generator's state everything secret that the session drew can be drawn again, and it does not wipe
    /// itself.
    fn drop(&mut self) {
        *self.rng = ChaCha20Rng::from_seed([0; 32]);
        std::hint::black_box(&mut self.rng);
    }
}

/// What a node must know of a protocol to run it.
pub(super) trait Runs: Protocol {
    /// Reads back what is to be stored, so that the node holds what a restart would find.
    fn kept(durable: Self::Durable) -> Kept;
    /// Names the result.
    fn product(finished: Finished<Self>) -> Product;
    /// What a culprit did, for people.
    fn charge(charge: &dyn fmt::Display) -> String {
        charge.to_string()
    }
    /// Whether everybody owes a proof that takes far longer than any round.
    fn owes_alert(&self) -> bool {
        false
    }
}

impl<C: NodeCurve> Runs for Keygen<C> {
    fn kept(bytes: Zeroizing<Vec<u8>>) -> Kept {
        let share = KeyShare::<C>::decode(&bytes).expect("invariant: a new share can be read back");
        Kept::Share { share: Arc::new(C::any(share)) }
    }

    fn product(finished: Finished<Self>) -> Product {
        Product::Key { key: finished.output.info().key_id, confirmations: finished.last }
    }
}

impl<C: NodeCurve> Runs for AuxInfo<C> {
    fn kept(bytes: Zeroizing<Vec<u8>>) -> Kept {
        let aux = Aux::decode(&bytes).expect("invariant: new aux info can be read back");
        Kept::Aux { aux: Arc::new(aux) }
    }

    fn product(finished: Finished<Self>) -> Product {
        Product::Aux { aux: finished.output.public().aux_id }
    }
}

impl<C: NodeCurve> Runs for Interactive<C> {
    fn kept(nothing: Self::Durable) -> Kept {
        match nothing {}
    }

    fn product(finished: Finished<Self>) -> Product {
        Product::Signature(C::any(finished.output))
    }

    fn charge(charge: &dyn fmt::Display) -> String {
        without_slot(charge)
    }

    fn owes_alert(&self) -> bool {
        self.owes_alert()
    }
}

/// In a session for one signature the number of its slot tells nobody anything.
fn without_slot(charge: &dyn fmt::Display) -> String {
    let text = charge.to_string();
    text.strip_prefix("slot 0: ").map(ToOwned::to_owned).unwrap_or(text)
}

impl<C: NodeCurve> Runs for WrongDelta<C> {
    fn kept(nothing: Self::Durable) -> Kept {
        match nothing {}
    }

    fn product(finished: Finished<Self>) -> Product {
        Product::Signature(C::any(finished.output))
    }

    fn charge(charge: &dyn fmt::Display) -> String {
        without_slot(charge)
    }
}

impl<C: NodeCurve> Runs for Presign<C> {
    fn kept(nothing: Self::Durable) -> Kept {
        match nothing {}
    }

    fn product(finished: Finished<Self>) -> Product {
        Product::Presignatures(finished.output.into_iter().map(C::any).collect())
    }

    fn owes_alert(&self) -> bool {
        self.owes_alert()
    }
}

impl<C: NodeCurve> Runs for Online<C> {
    fn kept(nothing: Self::Durable) -> Kept {
        match nothing {}
    }

    fn product(finished: Finished<Self>) -> Product {
        Product::Signature(C::any(finished.output))
    }
}

impl<C: NodeCurve> Runs for Refresh<C> {
    fn kept(record: Record) -> Kept {
        kept::<C>(record)
    }

    fn product(finished: Finished<Self>) -> Product {
        let (info, aux) = (finished.output.share().info().clone(), *finished.output.aux_id());
        let step = Step::Refresh { info: Box::new(info), aux, set: finished.last };
        Product::Refreshed(Box::new(C::any(step)))
    }
}

impl<C: NodeCurve> Runs for Reshare<C> {
    fn kept(record: Record) -> Kept {
        kept::<C>(record)
    }

    fn product(finished: Finished<Self>) -> Product {
        Product::Reshared { result: Box::new(C::any(finished.output)), rounds: finished.rounds }
    }
}

fn kept<C: NodeCurve>(record: Record) -> Kept {
    match record {
        Record::Dealing(_) => Kept::Dealing,
        Record::Pending(bytes) => {
            let pending =
                Pending::<C>::decode(&bytes).expect("invariant: a new pending share can be read back");
            Kept::Pending(Box::new(C::any(pending)))
        }
    }
}

impl<P: Runs> Run<P> {
    /// Enters the session and returns the first acts.
    pub(super) fn start(
        seat: Seat<P, Roll>,
        state: P,
        speech: Speech<P>,
        rng: ChaCha20Rng,
    ) -> Result<(Live, Vec<Act>), String>
    where
        Self: Send + 'static,
    {
        let (session, effects) = Session::start(seat, state, speech).map_err(|e| e.to_string())?;
        let acts = effects.into_iter().map(erase).collect();
        let run = Self { session: Box::new(session), rng: Box::new(rng) };
        Ok((Live(Box::new(run)), acts))
    }

    fn owes_alert(&self) -> bool {
        self.session.state().is_some_and(Runs::owes_alert)
    }
}

impl<P: Runs> Steps for Run<P> {
    fn step(&mut self, messages: Vec<Message>, give_up: bool) -> Vec<Act> {
        let mut effects = Vec::new();
        let owed = self.owes_alert();
        for message in messages {
            effects.extend(self.session.receive(message, &mut *self.rng));
        }
        // An alert that has just become due has a deadline of its own.
        if give_up && self.owes_alert() == owed {
            effects.extend(self.session.give_up());
        }
        effects.into_iter().map(erase).collect()
    }

    fn standing(&self) -> Standing {
        let (round, waiting) = self.session.waiting_for();
        Standing {
            round,
            rounds: P::ROUNDS,
            waiting_for: waiting.into_iter().map(PartyIndex::get).collect(),
            over: self.session.is_over(),
            session: self.session.id(),
            alert: self.owes_alert(),
        }
    }
}

impl Live {
    /// Hands messages to the session, then stops waiting if told so.
    pub(super) fn step(&mut self, messages: Vec<Message>, give_up: bool) -> Vec<Act> {
        self.0.step(messages, give_up)
    }

    /// How far it is.
    pub(super) fn standing(&self) -> Standing {
        self.0.standing()
    }
}

fn erase<P: Runs>(effect: Effect<P>) -> Act {
    match effect {
        Effect::Store(durable) => Act::Keep(P::kept(durable)),
        Effect::Send { to, message } => Act::Send { to: to.get(), message: message.encode() },
        Effect::Accuse(verdict) => Act::Accuse {
            culprit: verdict.culprit.get(),
            charge: P::charge(&verdict.charge),
            round: verdict.evidence.round(),
            evidence: verdict.evidence.encode(),
        },
        Effect::Finish(finished) => Act::Finish(P::product(finished)),
        Effect::Fail(failure) => {
            let text = failure.to_string();
            Act::Fail(Ending { text, silent: unproven(failure) })
        }
    }
}

/// Who left a session unfinished, without a proof against anybody.
fn unproven<F>(failure: Failure<F>) -> Vec<u16> {
    let parties = match failure {
        // A party that lied about a sum and is asked to account for it can say that echoes differ instead.
        Failure::Unattributed { silent, objected, .. } if silent.is_empty() => objected,
        Failure::Unattributed { silent, .. } => silent,
        Failure::Protocol(_) | Failure::OwnFault => Vec::new(),
    };
    parties.into_iter().map(PartyIndex::get).collect()
}

/// The public input of a session: what a judge needs.
pub(super) enum PublicInput<C: Curve> {
    Keygen(keygen::Public),
    Aux(aux_info::Public),
    Sign(Box<interactive::Public<C>>),
    Refresh(Box<refresh::Public<C>>),
    Reshare(Box<reshare::Public<C>>),
    Presign(Box<presign::Public<C>>),
    Online(Box<online::Public<C>>),
}

impl<C: NodeCurve> PublicInput<C> {
    /// Judges evidence; the index of the culprit, and what it did.
    pub(super) fn judge(
        &self,
        evidence: &Evidence,
        session: SessionId,
        roll: &Roll,
    ) -> Option<(u16, String)> {
        fn sentence<P: Runs>(
            public: &P::Public,
            (evidence, session, roll): (&Evidence, SessionId, &Roll),
        ) -> Option<(u16, String)> {
            let (culprit, accusation) = evidence.judge::<P>(public, session, roll)?;
            Some((culprit.get(), P::charge(&accusation)))
        }
        let case = (evidence, session, roll);
        match self {
            Self::Keygen(public) => sentence::<Keygen<C>>(public, case),
            Self::Aux(public) => sentence::<AuxInfo<C>>(public, case),
            Self::Sign(public) => sentence::<Interactive<C>>(public, case),
            Self::Refresh(public) => sentence::<Refresh<C>>(public, case),
            Self::Reshare(public) => sentence::<Reshare<C>>(public, case),
            Self::Presign(public) => sentence::<Presign<C>>(public, case),
            Self::Online(public) => sentence::<Online<C>>(public, case),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stops_without_proof_is_named_if_nobody_was_silent() {
        let index = |i| PartyIndex::new(i).unwrap();
        let failure = |silent: &[u16], objected: &[u16]| {
            let list = |parties: &[u16]| parties.iter().copied().map(index).collect();
            Failure::<()>::Unattributed { round: 5, silent: list(silent), objected: list(objected) }
        };
        assert_eq!(unproven(failure(&[], &[2])), [2]);
        assert_eq!(unproven(failure(&[3], &[2])), [3]);
        assert_eq!(unproven(Failure::Protocol(())), [0; 0]);
    }
}
