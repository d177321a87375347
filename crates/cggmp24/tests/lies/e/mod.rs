//! Group E: the identification phase. Liars here are consistent: they remember having said what they said, so that only
//! the alerts can tell.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, Point, Scalar, Secp256k1, Toy};
use consign_cggmp24::presign::testing::{Committed, committed};
use consign_cggmp24::presign::{
    self, Alert, Broadcast, Direct, Failure, Fault, MAX_ALERT_SIGNERS, Nothing, Presign, ROUND_2, ROUND_3,
    ROUND_LAST, round2,
};
use consign_cggmp24::ssid;
use consign_cggmp24::testing::{Committee, NONCE, simulate_with};
use consign_rounds::sim::{Adversary, Letter, Outcome, Simulation, TestKeys, honest, party};
use consign_rounds::{
    Charge, Heard, Message, PartyIndex, PerParty, Protocol, Said, SessionId, Speech, Step, decode, encode,
};
use consign_zk::context::{Context, Role};
use consign_zk::integer::Integer;
use consign_zk::natural::Natural;
use consign_zk::paillier::{Affine, Ciphertext, EncryptionKey, Nonce};
use consign_zk::ring_pedersen::RingPedersen;
use consign_zk::{aff_g, aff_g_star, dec};
use rand_core::{CryptoRng, SeedableRng};

use crate::common::*;

mod alerts;
mod framing;

/// What a party makes of its own words before it says and remembers them; it is told the round.
type Lie<C> = Box<dyn FnMut(u8, &mut Broadcast<C>, &mut PerParty<Direct<C>>)>;

/// Presigning, in which one party may overlook everything that it is told.
struct Script<C: Curve> {
    public: Arc<presign::Public<C>>,
    blind: Option<PartyIndex>,
}

/// A party of presigning, which may lie.
struct Actor<C: Curve> {
    inner: Presign<C>,
    round: u8,
    lie: Option<Lie<C>>,
}

impl<C: Curve> Protocol for Actor<C> {
    type Public = Script<C>;
    type View = presign::View<C>;
    type Broadcast = Broadcast<C>;
    type Direct = Direct<C>;
    type Output = <Presign<C> as Protocol>::Output;
    type Durable = Nothing;
    type Fault = Fault;
    type Failure = Failure;
    type Aid = <Presign<C> as Protocol>::Aid;

    const ROUNDS: u8 = Presign::<C>::ROUNDS;

    fn max_broadcast_bytes(script: &Script<C>, round: u8) -> usize {
        Presign::max_broadcast_bytes(&script.public, round)
    }

    fn max_direct_bytes(script: &Script<C>, round: u8) -> usize {
        Presign::max_direct_bytes(&script.public, round)
    }

    fn fits_broadcast(round: u8, broadcast: &Broadcast<C>) -> bool {
        Presign::fits_broadcast(round, broadcast)
    }

    fn fits_direct(round: u8, direct: &Direct<C>) -> bool {
        Presign::<C>::fits_direct(round, direct)
    }

    fn check(
        script: &Script<C>,
        view: &presign::View<C>,
        aid: &Self::Aid,
        from: PartyIndex,
        to: PartyIndex,
        said: &Said<Self>,
        session: SessionId,
    ) -> Result<(), Fault> {
        if script.blind == Some(to) {
            return Ok(());
        }
        let (broadcast, direct) = (said.broadcast.clone(), said.direct.clone());
        let said = Said { round: said.round, broadcast, direct };
        Presign::check(&script.public, view, aid, from, to, &said, session)
    }

    fn record(view: &mut presign::View<C>, round: u8, from: PartyIndex, broadcast: Broadcast<C>) {
        Presign::record(view, round, from, broadcast);
    }

    fn advance(
        mut self,
        script: &Script<C>,
        view: &presign::View<C>,
        directs: PerParty<Heard<Self>>,
        rng: &mut impl CryptoRng,
    ) -> Step<Self> {
        let heard = |h: Heard<Self>| Heard { direct: h.direct, envelope: h.envelope };
        let directs = directs.into_iter().map(|(from, h)| (from, heard(h))).collect();
        match self.inner.advance(&script.public, view, directs, rng) {
            Step::Speak(inner, speech) => {
                let round = self.round + 1;
                let Speech { mut broadcast, mut direct, .. } = speech;
                if let Some(lie) = &mut self.lie {
                    lie(round, &mut broadcast, &mut direct);
                }
                let actor = Actor { inner, round, lie: self.lie };
                Step::Speak(actor, Speech { durable: None, broadcast, direct })
            }
            Step::Done(output) => Step::Done(output),
            Step::Abort(failure) => Step::Abort(failure),
        }
    }
}

/// What a scene shows to whoever forges: all broadcasts, by round and sender, and the secrets of round 1 of slot 0.
struct Stage<C: Curve> {
    said: RefCell<BTreeMap<(u8, u16), Broadcast<C>>>,
    secrets: RefCell<BTreeMap<u16, Committed<C>>>,
}

/// All of a committee presign, the last ones of which may be liars.
struct Scene<C: Curve> {
    committee: Committee<C>,
    public: Arc<presign::Public<C>>,
    stage: Rc<Stage<C>>,
}

fn scene(signers: u16, batch: u32) -> Scene<Toy> {
    scene_at(Level::Tiny, signers, batch)
}

fn scene_at<C: Curve>(level: Level, signers: u16, batch: u32) -> Scene<C> {
    let committee = Committee::<C>::dealt(level, signers, signers, 1);
    let public = committee.presigning(&(1..=signers).collect::<Vec<_>>(), batch);
    let stage = Stage { said: RefCell::default(), secrets: RefCell::default() };
    Scene { committee, public, stage: Rc::new(stage) }
}

impl<C: Curve> Scene<C> {
    fn script(&self, blind: Option<u16>) -> Arc<Script<C>> {
        Arc::new(Script { public: self.public.clone(), blind: blind.map(party) })
    }

    fn session(&self) -> SessionId {
        self.public.session(&NONCE)
    }

    fn simulate(&self, seed: u64, blind: Option<u16>, lies: Vec<(u16, Lie<C>)>) -> Simulation<Actor<C>> {
        let mut lies: BTreeMap<u16, Lie<C>> = lies.into_iter().collect();
        let session = self.session();
        let aids = self.committee.aids(seed);
        simulate_with(aids, seed, session, self.public.signers(), self.script(blind), |me, rng| {
            let (share, aux) = (&self.committee.shares[&me], &self.committee.aux[&me]);
            let (inner, speech) = presign::start(&self.public, session, share, aux, rng).unwrap();
            let secrets = committed(&inner, 0).unwrap();
            self.stage.secrets.borrow_mut().insert(me.get(), secrets);
            let actor = Actor { inner, round: 1, lie: lies.remove(&me.get()) };
            (actor, Speech { durable: None, broadcast: speech.broadcast, direct: speech.direct })
        })
    }

    /// Plays, notes what is said, and lets `adversary` deliver.
    fn play(
        &self,
        blind: Option<u16>,
        lies: Vec<(u16, Lie<C>)>,
        adversary: &mut Adversary<'_>,
    ) -> Outcome<Actor<C>> {
        self.simulate(1, blind, lies).run(&mut |keys: &TestKeys, letter: Letter| {
            self.note(&letter);
            adversary(keys, letter)
        })
    }

    fn note(&self, letter: &Letter) {
        let Message::Envelope(envelope) = &letter.message else { return };
        let h = envelope.signed.header;
        let said = decode(&envelope.broadcast, usize::MAX).unwrap();
        self.stage.said.borrow_mut().insert((h.round, h.from.get()), said);
    }

    /// Only party 2 lies: everybody else convicts it, of `fault`.
    fn convicts(&self, what: &str, fault: Fault, lie: Lie<C>) {
        let signers = u16::try_from(self.public.signers().count()).unwrap();
        let outcome = self.play(None, vec![(2, lie)], &mut honest);
        assert_convicted(what, &outcome, signers, &[2], Charge::Broke(fault));
    }

    /// Public keys of a party.
    fn keys(&self, of: PartyIndex) -> (EncryptionKey, RingPedersen) {
        let identity = self.public.signers().identity(of).unwrap();
        self.committee.aux_public().of(identity).unwrap().keys(self.committee.key().level).unwrap()
    }
}

impl<C: Curve> Stage<C> {
    /// Who raised an alert.
    fn alerts(&self) -> Vec<u16> {
        let said = self.said.borrow();
        let is_alert = |(_, said): &(&(u8, u16), &Broadcast<C>)| matches!(said, Broadcast::Alert(_));
        said.iter().filter(is_alert).map(|(&(_, from), _)| from).collect()
    }

    /// The `K` of slot 0.
    fn K(&self, of: PartyIndex) -> Ciphertext {
        let said = self.said.borrow();
        let Broadcast::Round1(said) = &said[&(1, of.get())] else { panic!("round 1") };
        said[0].K.clone()
    }

    /// The responses of slot 0.
    fn responses(&self, by: PartyIndex) -> Vec<round2::Response> {
        let said = self.said.borrow();
        let Broadcast::Round2(said) = &said[&(ROUND_2, by.get())] else { panic!("round 2") };
        said[0].responses.clone()
    }

    /// `Gamma_i` of slot 0.
    fn Gamma(&self, of: PartyIndex) -> Point<C> {
        let said = self.said.borrow();
        let Broadcast::Round2(said) = &said[&(ROUND_2, of.get())] else { panic!("round 2") };
        said[0].Gamma
    }
}

/// A lie about what is said in `round`, in any slot.
fn lie_in<C: Curve>(round: u8, mut lie: impl FnMut(&mut Broadcast<C>) + 'static) -> Lie<C> {
    Box::new(move |now, said, _| {
        if now == round {
            lie(said);
        }
    })
}

/// `delta + 1` in slot `slot`.
fn wrong_delta<C: Curve>(slot: usize) -> Lie<C> {
    lie_in(ROUND_3, move |said| {
        let Broadcast::Round3(said) = said else { panic!("round 3") };
        said[slot].delta = said[slot].delta + Scalar::one();
    })
}

/// `S + Gamma` in slot `slot`, or rather `S + G`: as wrong.
fn wrong_S<C: Curve>(slot: usize) -> Lie<C> {
    lie_in(ROUND_3, move |said| {
        let Broadcast::Round3(said) = said else { panic!("round 3") };
        said[slot].S = said[slot].S + Point::generator();
    })
}

/// Both lies, of the same party.
fn both<C: Curve>(mut a: Lie<C>, mut b: Lie<C>) -> Lie<C> {
    Box::new(move |round, said, direct| {
        a(round, said, direct);
        b(round, said, direct);
    })
}

/// A wrong `delta`, and then an alert that is altered.
fn wrong_alert(mut alter: impl FnMut(&mut Alert<Toy>) + 'static) -> Lie<Toy> {
    let alter = lie_in(ROUND_LAST, move |said| {
        let Broadcast::Alert(alert) = said else { panic!("an alert") };
        alter(alert);
    });
    both(wrong_delta(0), alter)
}
