//! A party that cheats on purpose, so that it can be seen being caught. For demonstrations only: nothing in the
//! protocols knows of this module, and only the feature `misbehave` compiles it.
//!
//! The cheat wraps the honest state machine and alters what leaves it. It harms nobody but the party that runs it.

use consign_rounds::{Heard, PartyIndex, PerParty, Protocol, Said, SessionId, Speech, Step};
use consign_zk::curve::{Curve, Scalar};
use rand_core::CryptoRng;

use crate::presign;
use crate::sign::interactive::{Broadcast, Interactive};

/// Interactive signing by a party that shows a `delta_i` that is one too large (`docs/spec/signing.md`, 6.3), and goes
/// on as if nothing were wrong: its other proofs are right, and in the alert it proves what it can.
///
/// Its messages, checks and rules are those of [`Interactive`]; so are evidence and verdicts.
pub struct WrongDelta<C: Curve>(pub Interactive<C>);

impl<C: Curve> WrongDelta<C> {
    /// The speech of the honest party, but for the lie.
    pub fn altered(mut speech: Speech<Interactive<C>>) -> Speech<Self> {
        if let Broadcast::Presign(presign::Broadcast::Round3(slots)) = &mut speech.broadcast {
            for slot in slots {
                slot.delta = slot.delta + Scalar::one();
            }
        }
        let Speech { durable, broadcast, direct } = speech;
        Speech { durable, broadcast, direct }
    }
}

impl<C: Curve> Protocol for WrongDelta<C> {
    type Public = <Interactive<C> as Protocol>::Public;
    type View = <Interactive<C> as Protocol>::View;
    type Broadcast = <Interactive<C> as Protocol>::Broadcast;
    type Direct = <Interactive<C> as Protocol>::Direct;
    type Output = <Interactive<C> as Protocol>::Output;
    type Durable = <Interactive<C> as Protocol>::Durable;
    type Fault = <Interactive<C> as Protocol>::Fault;
    type Failure = <Interactive<C> as Protocol>::Failure;
    type Aid = <Interactive<C> as Protocol>::Aid;

    const ROUNDS: u8 = Interactive::<C>::ROUNDS;

    fn max_broadcast_bytes(public: &Self::Public, round: u8) -> usize {
        Interactive::<C>::max_broadcast_bytes(public, round)
    }

    fn max_direct_bytes(public: &Self::Public, round: u8) -> usize {
        Interactive::<C>::max_direct_bytes(public, round)
    }

    fn fits_broadcast(round: u8, broadcast: &Self::Broadcast) -> bool {
        Interactive::<C>::fits_broadcast(round, broadcast)
    }

    fn fits_direct(round: u8, direct: &Self::Direct) -> bool {
        Interactive::<C>::fits_direct(round, direct)
    }

    fn check(
        public: &Self::Public,
        view: &Self::View,
        aid: &Self::Aid,
        from: PartyIndex,
        to: PartyIndex,
        said: &Said<Self>,
        session: SessionId,
    ) -> Result<(), Self::Fault> {
        let Said { round, broadcast, direct } = said;
        let said = Said { round: *round, broadcast: broadcast.clone(), direct: direct.clone() };
        Interactive::<C>::check(public, view, aid, from, to, &said, session)
    }

    fn record(view: &mut Self::View, round: u8, from: PartyIndex, broadcast: Self::Broadcast) {
        Interactive::<C>::record(view, round, from, broadcast);
    }

    fn advance(
        self,
        public: &Self::Public,
        view: &Self::View,
        directs: PerParty<Heard<Self>>,
        rng: &mut impl CryptoRng,
    ) -> Step<Self> {
        let same = |said: Heard<Self>| Heard { direct: said.direct, envelope: said.envelope };
        let directs: PerParty<Heard<Interactive<C>>> =
            directs.into_iter().map(|(from, said)| (from, same(said))).collect();
        match self.0.advance(public, view, directs, rng) {
            Step::Speak(state, speech) => Step::Speak(Self(state), Self::altered(speech)),
            Step::Done(output) => Step::Done(output),
            Step::Abort(failure) => Step::Abort(failure),
        }
    }
}
