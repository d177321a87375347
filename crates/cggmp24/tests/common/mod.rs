//! What all tests of whole sessions share: committees, simulations, adversaries, and what to assert.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeSet;
use std::sync::Arc;

use consign_cggmp24::Level;
use consign_cggmp24::aux_info::{self, AuxInfo, Primes};
use consign_cggmp24::curve::Curve;
use consign_cggmp24::keygen::{self, Keygen};
use consign_cggmp24::parties::Parties;
use consign_cggmp24::ssid::{ProtocolKind, sid};
use consign_rounds::sim::{Letter, Outcome, Setup, SimRng, Simulation, TestKeys, party};
use consign_rounds::{
    Bytes, Charge, Envelope, Evidence, Header, Message, PartyIndex, Past, PerParty, Protocol, SessionId,
    Speech,
};

/// Parties 1 to `n` with identities made of their numbers.
pub(crate) fn committee(n: u16) -> Parties {
    let identity = |i: u16| [u8::try_from(i).expect("small"); 32];
    Parties::new((1..=n).map(|i| (party(i), identity(i))).collect()).expect("a committee")
}

/// Key generation: `t` of `n` at the tiny level.
pub(crate) fn keygen_public(t: u16, n: u16, derivable: bool) -> Arc<keygen::Public> {
    keygen_public_at(Level::Tiny, t, n, derivable)
}

pub(crate) fn keygen_public_at(level: Level, t: u16, n: u16, derivable: bool) -> Arc<keygen::Public> {
    Arc::new(keygen::Public::new(level, t, committee(n), derivable).expect("possible parameters"))
}

/// Session of a key generation.
pub(crate) fn keygen_session<C: Curve>(public: &keygen::Public, nonce: u8) -> SessionId {
    sid::<C>(ProtocolKind::Keygen, public.level, public.threshold, &public.parties, &[nonce; 32])
}

/// A simulated key generation whose parties start as `start` says.
pub(crate) fn keygen_with<C: Curve>(
    seed: u64,
    public: &Arc<keygen::Public>,
    mut start: impl FnMut(PartyIndex, SessionId, &mut SimRng) -> (Keygen<C>, Speech<Keygen<C>>),
) -> Simulation<Keygen<C>> {
    let session = keygen_session::<C>(public, 0);
    let parties = public.parties.indices().collect();
    let setup = Setup { seed, session, parties, public: public.clone(), aids: PerParty::new() };
    Simulation::new(setup, |me, rng| start(me, session, rng))
}

/// A simulated key generation.
pub(crate) fn keygen_of<C: Curve>(seed: u64, public: &Arc<keygen::Public>) -> Simulation<Keygen<C>> {
    keygen_with(seed, public, |me, session, rng| keygen::start(public, session, me, rng))
}

/// Auxiliary information of `n` parties at the tiny level.
pub(crate) fn aux_public(n: u16) -> Arc<aux_info::Public> {
    aux_public_at(Level::Tiny, n)
}

pub(crate) fn aux_public_at(level: Level, n: u16) -> Arc<aux_info::Public> {
    Arc::new(aux_info::Public { level, parties: committee(n) })
}

/// Session of a generation of auxiliary information.
pub(crate) fn aux_session<C: Curve>(public: &aux_info::Public, nonce: u8) -> SessionId {
    sid::<C>(ProtocolKind::AuxInfo, public.level, 0, &public.parties, &[nonce; 32])
}

/// Ready-made primes number `which`, from 0.
pub(crate) fn primes(level: Level, which: usize) -> Primes {
    let ready = consign_zk::testing::primes(level, which);
    Primes::from_parts(ready.paillier, ready.ring_pedersen)
}

/// The ready-made primes of a party: number 0 for party 1.
pub(crate) fn primes_of(level: Level, me: PartyIndex) -> Primes {
    primes(level, usize::from(me.get()) - 1)
}

type AuxStart<C> = (AuxInfo<C>, Speech<AuxInfo<C>>);

/// A simulated generation of auxiliary information whose parties start as `start` says.
pub(crate) fn aux_with<C: Curve>(
    seed: u64,
    public: &Arc<aux_info::Public>,
    nonce: u8,
    mut start: impl FnMut(PartyIndex, SessionId, &mut SimRng) -> AuxStart<C>,
) -> Simulation<AuxInfo<C>> {
    let session = aux_session::<C>(public, nonce);
    let parties = public.parties.indices().collect();
    let setup = Setup { seed, session, parties, public: public.clone(), aids: PerParty::new() };
    Simulation::new(setup, |me, rng| start(me, session, rng))
}

/// A party's honest start with the ready-made primes of its number.
pub(crate) fn aux_start<C: Curve>(
    public: &aux_info::Public,
    me: PartyIndex,
    session: SessionId,
    rng: &mut SimRng,
) -> AuxStart<C> {
    aux_info::start(public, session, me, primes_of(public.level, me), rng).expect("ready-made primes fit")
}

/// A simulated generation of auxiliary information.
pub(crate) fn aux_of<C: Curve>(seed: u64, public: &Arc<aux_info::Public>) -> Simulation<AuxInfo<C>> {
    aux_with(seed, public, 0, |me, session, rng| aux_start(public, me, session, rng))
}

/// The header of an envelope; `None` for a reveal.
pub(crate) fn header(letter: &Letter) -> Option<Header> {
    envelope(letter).map(|envelope| envelope.signed.header)
}

/// The envelope in a letter; `None` for a reveal.
pub(crate) fn envelope(letter: &Letter) -> Option<&Envelope> {
    match &letter.message {
        Message::Envelope(envelope) => Some(envelope),
        Message::Reveal(_) => None,
    }
}

pub(crate) fn envelope_mut(letter: &mut Letter) -> &mut Envelope {
    match &mut letter.message {
        Message::Envelope(envelope) => envelope,
        Message::Reveal(_) => panic!("a reveal where an envelope was expected"),
    }
}

/// Is this what `from` says in `round`?
pub(crate) fn is_said(letter: &Letter, from: u16, round: u8) -> bool {
    header(letter).is_some_and(|h| (h.from.get(), h.round) == (from, round))
}

/// An adversary that alters what `from` says in `round`, before it is signed. `lie` is told the recipient.
pub(crate) fn liar<P: Protocol>(
    from: u16,
    round: u8,
    mut lie: impl FnMut(u16, &mut P::Broadcast, &mut P::Direct),
) -> impl FnMut(&TestKeys, Letter) -> Vec<Letter> {
    move |keys, mut letter| {
        if is_said(&letter, from, round) {
            let to = letter.to.get();
            keys.rewrite::<P>(&mut letter, |broadcast, direct| lie(to, broadcast, direct));
        }
        vec![letter]
    }
}

/// An adversary that alters the bytes of what `from` says in `round`, then signs them. `lie` is told the recipient.
pub(crate) fn garbler(
    from: u16,
    round: u8,
    mut lie: impl FnMut(u16, &mut Envelope),
) -> impl FnMut(&TestKeys, Letter) -> Vec<Letter> {
    move |keys, mut letter| {
        if is_said(&letter, from, round) {
            let to = letter.to.get();
            let envelope = envelope_mut(&mut letter);
            lie(to, envelope);
            keys.reseal(envelope);
        }
        vec![letter]
    }
}

/// `adversary`, and `liar` receives nothing from `round` on: it has lied and stops computing.
pub(crate) fn deaf(
    liar: u16,
    round: u8,
    mut adversary: impl FnMut(&TestKeys, Letter) -> Vec<Letter>,
) -> impl FnMut(&TestKeys, Letter) -> Vec<Letter> {
    move |keys, letter| {
        if letter.to.get() == liar && header(&letter).is_some_and(|h| h.round >= round) {
            return vec![];
        }
        adversary(keys, letter)
    }
}

/// Replaces the first occurrence of `old` by `new`, which is as long.
pub(crate) fn replace(bytes: &mut Bytes, old: &[u8], new: &[u8]) {
    assert_eq!(old.len(), new.len());
    let at = bytes.0.windows(old.len()).position(|window| window == old).expect("the bytes are there");
    bytes.0[at..at + new.len()].copy_from_slice(new);
}

/// The numbers of those whom `me` convicted.
pub(crate) fn culprits<P: Protocol>(outcome: &Outcome<P>, me: u16) -> BTreeSet<u16> {
    outcome.culprits(party(me)).into_iter().map(PartyIndex::get).collect()
}

/// Asserts that every party but `liars` convicted exactly `liars`, for `charge`, and has no result. (That a judge
/// follows is asserted by the simulation.)
pub(crate) fn assert_convicted<P: Protocol>(
    what: &str,
    outcome: &Outcome<P>,
    n: u16,
    liars: &[u16],
    charge: Charge<P::Fault>,
) {
    for me in (1..=n).filter(|me| !liars.contains(me)) {
        assert!(culprits(outcome, me).into_iter().eq(liars.iter().copied()), "{what}: convicted by {me}");
        for verdict in &outcome.verdicts[&party(me)] {
            assert_eq!(verdict.charge, charge, "{what}: charged by {me}");
        }
        assert!(!outcome.finished.contains_key(&party(me)), "{what}: {me} has a result");
        assert!(!outcome.failures.contains_key(&party(me)), "{what}: {me} failed without a culprit");
    }
}

/// Asserts that only `victims`, who saw the lie in a part meant for them, convicted `liar`, that nobody else was
/// convicted, and that no honest party has a result.
pub(crate) fn assert_convicted_by<P: Protocol>(
    what: &str,
    outcome: &Outcome<P>,
    n: u16,
    victims: &[u16],
    liar: u16,
    charge: Charge<P::Fault>,
) {
    for me in (1..=n).filter(|me| *me != liar) {
        let expected: BTreeSet<u16> = if victims.contains(&me) { [liar].into() } else { BTreeSet::new() };
        assert_eq!(culprits(outcome, me), expected, "{what}: convicted by {me}");
        for verdict in outcome.verdicts.get(&party(me)).into_iter().flatten() {
            assert_eq!(verdict.charge, charge, "{what}: charged by {me}");
        }
        assert!(!outcome.finished.contains_key(&party(me)), "{what}: {me} has a result");
    }
}

/// Asserts that all `n` parties finished, that nobody accused anybody and that nobody failed.
pub(crate) fn assert_all_finished<P: Protocol>(what: &str, outcome: &Outcome<P>, n: u16) {
    assert!(outcome.finished.keys().map(|i| i.get()).eq(1..=n), "{what}: not everybody finished");
    assert!(outcome.verdicts.is_empty(), "{what}: somebody was accused");
    assert!(outcome.failures.is_empty(), "{what}: somebody failed");
}

/// Asserts that nobody was accused, whatever else happened.
pub(crate) fn assert_nobody_accused<P: Protocol>(what: &str, outcome: &Outcome<P>) {
    assert!(outcome.verdicts.is_empty(), "{what}: somebody was accused");
}

/// Every envelope that was sent, once, in the order of sending.
#[derive(Default)]
pub(crate) struct Record(pub(crate) Vec<Envelope>);

impl Record {
    /// Notes an envelope.
    pub(crate) fn note(&mut self, letter: &Letter) {
        if let Some(envelope) = envelope(letter) {
            self.0.push(envelope.clone());
        }
    }

    /// What `from` sent `to` in `round`.
    pub(crate) fn find(&self, from: u16, to: u16, round: u8) -> &Envelope {
        let is_it = |e: &&Envelope| {
            let h = &e.signed.header;
            (h.from.get(), h.to.get(), h.round) == (from, to, round)
        };
        self.0.iter().find(is_it).expect("the envelope was sent")
    }

    /// Highest round in which `from` spoke.
    pub(crate) fn last_round(&self, from: u16) -> u8 {
        self.0
            .iter()
            .map(|e| e.signed.header)
            .filter(|h| h.from.get() == from)
            .map(|h| h.round)
            .max()
            .unwrap_or(0)
    }

    /// All broadcasts of the rounds before `round`.
    pub(crate) fn past(&self, round: u8) -> Past {
        let said = |r: u8| {
            let of_round = self.0.iter().filter(move |e| e.signed.header.round == r);
            of_round.map(|e| (e.signed.header.from, e.broadcast.clone())).collect()
        };
        Past((1..round).map(said).collect())
    }
}

/// Runs honest parties and records what they send.
pub(crate) fn record<P: Protocol>(simulation: Simulation<P>) -> (Record, Outcome<P>) {
    let mut record = Record::default();
    let outcome = simulation.run(&mut |_: &TestKeys, letter: Letter| {
        record.note(&letter);
        vec![letter]
    });
    (record, outcome)
}

/// Asserts that no message of an honest session convicts its sender, whatever past the accuser shows with it: the
/// true one, one with a broadcast of another party replaced by an `other` session's, one that lacks a broadcast.
pub(crate) fn assert_unframeable<P: Protocol>(
    public: &P::Public,
    session: SessionId,
    keys: &TestKeys,
    honest: &Record,
    other: &Record,
) {
    assert_unframeable_among::<P>(public, session, keys, honest, other, |_| true);
}

/// As [`assert_unframeable`], about the messages of those that `is_honest` names.
pub(crate) fn assert_unframeable_among<P: Protocol>(
    public: &P::Public,
    session: SessionId,
    keys: &TestKeys,
    honest: &Record,
    other: &Record,
    is_honest: impl Fn(u16) -> bool,
) {
    let judged = |before: Past, charge: &Envelope| {
        let evidence = Evidence::Misbehaviour { before, charge: charge.clone() };
        evidence.judge::<P>(public, session, keys)
    };
    for charge in honest.0.iter().filter(|charge| is_honest(charge.signed.header.from.get())) {
        let h = charge.signed.header;
        let place = format!("round {}, {} to {}", h.round, h.from, h.to);
        assert_eq!(judged(honest.past(h.round), charge), None, "{place}: the true past");
        for round in 1..h.round {
            for from in honest.past(2).0[0].keys() {
                let mut swapped = honest.past(h.round);
                let foreign = other.past(round + 1).0[usize::from(round) - 1][from].clone();
                let slot = &mut swapped.0[usize::from(round) - 1];
                if slot.insert(*from, foreign.clone()) != Some(foreign) {
                    assert_eq!(judged(swapped, charge), None, "{place}: {from}'s round {round} swapped");
                }
                let mut missing = honest.past(h.round);
                missing.0[usize::from(round) - 1].remove(from);
                assert_eq!(judged(missing, charge), None, "{place}: {from}'s round {round} missing");
            }
        }
        // Anything the sender did not sign.
        let mut altered = charge.clone();
        altered.direct.0.push(0);
        assert_eq!(judged(honest.past(h.round), &altered), None, "{place}: altered");
        assert_eq!(judged(honest.past(h.round + 1), charge), None, "{place}: a longer past");
    }
}
