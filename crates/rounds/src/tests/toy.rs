//! A coin toss of three rounds: commit, deal, open. It has everything the engine must cope with: a direct part
//! that only its recipient is supposed to judge, a complaint, checks that depend on what others said.
//!
//! Round 1: commitments to a coin and to a share of it for each peer, and a pad. Round 2, direct: the share, masked
//! by both pads. Round 3: the coin, or a complaint about a share. The coins' XOR is the result.
//!
//! It protects nothing (the pads are public).

use std::fmt;
use std::sync::Arc;

use rand_core::{CryptoRng, Rng};
use serde::{Deserialize, Serialize};

use crate::hash::tagged;
use crate::sim::{self, Adversary, Outcome, Setup, SimRng, Simulation};
use crate::{Complaint, Hash, Heard, PartyIndex, PerParty, Protocol, Ruling, Said, SessionId, Speech, Step};

pub(crate) const SESSION: SessionId = SessionId([7; 32]);

pub(crate) struct Public {
    pub(crate) parties: Vec<PartyIndex>,
}

#[derive(Default)]
pub(crate) struct View {
    pub(crate) r1: PerParty<Round1>,
    pub(crate) r2: PerParty<Hash>,
    pub(crate) r3: PerParty<Hash>,
}

pub(crate) enum Toy {
    Committed(Secrets),
    Dealt(Secrets),
    Opened,
}

/// What one party knows alone.
#[derive(Clone)]
pub(crate) struct Secrets {
    pub(crate) me: PartyIndex,
    pub(crate) coin: Hash,
    pub(crate) shares: PerParty<Hash>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round1 {
    pub(crate) coin: Hash,
    pub(crate) shares: PerParty<Hash>,
    pub(crate) pad: Hash,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Broadcast {
    Commit(Round1),
    /// Binds the second round to all of the first, so that judging it needs everyone's.
    Deal(Hash),
    Open(Hash),
    Complain(Complaint),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Direct {
    Nothing,
    Share(Hash),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    Shares,
    Binding,
    Opening,
    BadShare,
    GoodShare,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shares => "not one share per peer",
            Self::Binding => "deal is bound to other commitments",
            Self::Opening => "opening differs from commitment",
            Self::BadShare => "share differs from commitment",
            Self::GoodShare => "complaint about a good share",
        })
    }
}

/// The coin came out as zero, for which nobody is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zero;

impl fmt::Display for Zero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the coin is zero")
    }
}

impl Protocol for Toy {
    type Public = Public;
    type View = View;
    type Broadcast = Broadcast;
    type Direct = Direct;
    type Output = Hash;
    type Durable = Hash;
    type Fault = Fault;
    type Failure = Zero;
    type Aid = ();

    const ROUNDS: u8 = 3;

    fn max_broadcast_bytes(public: &Public, round: u8) -> usize {
        match round {
            1 => 100 + public.parties.len() * 40,
            _ => 300,
        }
    }

    fn max_direct_bytes(_: &Public, _: u8) -> usize {
        40
    }

    fn fits_broadcast(round: u8, broadcast: &Broadcast) -> bool {
        match broadcast {
            Broadcast::Commit(_) => round == 1,
            Broadcast::Deal(_) => round == 2,
            Broadcast::Open(_) | Broadcast::Complain(_) => round == 3,
        }
    }

    fn fits_direct(round: u8, direct: &Direct) -> bool {
        match direct {
            Direct::Share(_) => round == 2,
            Direct::Nothing => round != 2,
        }
    }

    fn check(
        public: &Public,
        view: &View,
        (): &(),
        from: PartyIndex,
        _to: PartyIndex,
        said: &Said<Self>,
        _: SessionId,
    ) -> Result<(), Fault> {
        let is_right = |right, fault| if right { Ok(()) } else { Err(fault) };
        match &said.broadcast {
            Broadcast::Commit(m) => {
                let peers = public.parties.iter().filter(|&&party| party != from);
                is_right(m.shares.keys().eq(peers), Fault::Shares)
            }
            Broadcast::Deal(binding) => is_right(*binding == bind(view), Fault::Binding),
            Broadcast::Open(coin) => is_right(view.r1[&from].coin == commit(coin), Fault::Opening),
            Broadcast::Complain(_) => Ok(()),
        }
    }

    fn record(view: &mut View, round: u8, from: PartyIndex, broadcast: Broadcast) {
        match (round, broadcast) {
            (1, Broadcast::Commit(m)) => drop(view.r1.insert(from, m)),
            (2, Broadcast::Deal(binding)) => drop(view.r2.insert(from, binding)),
            (3, Broadcast::Open(coin)) => drop(view.r3.insert(from, coin)),
            _ => unreachable!("invariant: complaints end the session, and the rest fits its round"),
        }
    }

    fn complaint(broadcast: &Broadcast) -> Option<&Complaint> {
        match broadcast {
            Broadcast::Complain(complaint) => Some(complaint),
            Broadcast::Commit(_) | Broadcast::Deal(_) | Broadcast::Open(_) => None,
        }
    }

    fn rule(
        _: &Public,
        view: &View,
        accuser: PartyIndex,
        accused: PartyIndex,
        direct: &Direct,
        _: &Broadcast,
        _: SessionId,
    ) -> Ruling<Fault> {
        // Only what the accused had seen when it dealt, and what it said then.
        assert!(view.r2.keys().eq([&accused]) && view.r3.is_empty());
        if is_good(view, accused, accuser, direct) {
            Ruling::Accuser(Fault::GoodShare)
        } else {
            Ruling::Accused(Fault::BadShare)
        }
    }

    fn advance(
        self,
        _: &Public,
        view: &View,
        directs: PerParty<Heard<Self>>,
        _: &mut impl CryptoRng,
    ) -> Step<Self> {
        match self {
            Self::Committed(secrets) => {
                let deal = |(&to, share)| (to, Direct::Share(masked(view, secrets.me, to, share)));
                let speech = Speech {
                    durable: None,
                    broadcast: Broadcast::Deal(bind(view)),
                    direct: secrets.shares.iter().map(deal).collect(),
                };
                Step::Speak(Self::Dealt(secrets), speech)
            }
            Self::Dealt(secrets) => {
                let bad = directs.iter().find(|(from, m)| !is_good(view, **from, secrets.me, &m.direct));
                let broadcast = match bad {
                    Some((&against, m)) => {
                        Broadcast::Complain(Complaint { against, envelope: m.envelope.clone() })
                    }
                    None => Broadcast::Open(secrets.coin),
                };
                let direct = directs.keys().map(|&to| (to, Direct::Nothing)).collect();
                Step::Speak(Self::Opened, Speech { durable: Some(secrets.coin), broadcast, direct })
            }
            Self::Opened => {
                let coin = view.r3.values().fold([0; 32], xor);
                if coin == [0; 32] { Step::Abort(Zero) } else { Step::Done(coin) }
            }
        }
    }
}

pub(crate) fn xor(a: Hash, b: &Hash) -> Hash {
    std::array::from_fn(|k| a[k] ^ b[k])
}

pub(crate) fn commit(value: &Hash) -> Hash {
    tagged("toy commit", &[value])
}

fn bind(view: &View) -> Hash {
    let all: Vec<_> = view.r1.values().flat_map(|m| [m.coin, m.pad]).collect();
    tagged("toy bind", &all.iter().map(|hash| &hash[..]).collect::<Vec<_>>())
}

/// A share under the pads of both: so a ruling depends on what the accuser told the accused.
pub(crate) fn masked(view: &View, from: PartyIndex, to: PartyIndex, share: &Hash) -> Hash {
    xor(tagged("toy mask", &[&view.r1[&from].pad, &view.r1[&to].pad]), share)
}

fn is_good(view: &View, dealer: PartyIndex, to: PartyIndex, direct: &Direct) -> bool {
    let Direct::Share(share) = direct else { return false };
    view.r1[&dealer].shares.get(&to) == Some(&commit(&masked(view, dealer, to, share)))
}

fn random(rng: &mut impl Rng) -> Hash {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A party's state and messages of round 1, with this coin.
pub(crate) fn start_with(
    coin: Hash,
    me: PartyIndex,
    parties: &[PartyIndex],
    rng: &mut impl CryptoRng,
) -> (Toy, Speech<Toy>) {
    let peers = || parties.iter().filter(|&&party| party != me);
    let shares: PerParty<_> = peers().map(|&to| (to, random(rng))).collect();
    let broadcast = Broadcast::Commit(Round1 {
        coin: commit(&coin),
        shares: shares.iter().map(|(&to, share)| (to, commit(share))).collect(),
        pad: random(rng),
    });
    let direct = peers().map(|&to| (to, Direct::Nothing)).collect();
    (Toy::Committed(Secrets { me, coin, shares }), Speech { durable: None, broadcast, direct })
}

pub(crate) fn public(n: u16) -> Arc<Public> {
    Arc::new(Public { parties: sim::parties(n) })
}

/// A simulation of `n` parties.
pub(crate) fn simulate(seed: u64, n: u16) -> Simulation<Toy> {
    simulate_from(seed, n, |me, rng| start_with(random(rng), me, &sim::parties(n), rng))
}

/// A simulation of `n` parties that start like this.
pub(crate) fn simulate_from(
    seed: u64,
    n: u16,
    start: impl FnMut(PartyIndex, &mut SimRng) -> (Toy, Speech<Toy>),
) -> Simulation<Toy> {
    let setup =
        Setup { seed, session: SESSION, parties: sim::parties(n), public: public(n), aids: PerParty::new() };
    Simulation::new(setup, start)
}

/// Runs `n` parties against `adversary`.
pub(crate) fn toss(seed: u64, n: u16, adversary: &mut Adversary<'_>) -> Outcome<Toy> {
    simulate(seed, n).run(adversary)
}

/// The header of an envelope; `None` for a reveal.
pub(crate) fn header(letter: &sim::Letter) -> Option<crate::Header> {
    match &letter.message {
        crate::Message::Envelope(envelope) => Some(envelope.signed.header),
        crate::Message::Reveal(_) => None,
    }
}

/// Is this what `from` says in `round`?
pub(crate) fn is_said(letter: &sim::Letter, from: u16, round: u8) -> bool {
    header(letter).is_some_and(|h| (h.from.get(), h.round) == (from, round))
}

/// An adversary that alters what `from` says in `round`, before it is signed.
pub(crate) fn liar(
    from: u16,
    round: u8,
    mut lie: impl FnMut(u16, &mut Broadcast, &mut Direct),
) -> impl FnMut(&sim::TestKeys, sim::Letter) -> Vec<sim::Letter> {
    move |keys, mut letter| {
        if is_said(&letter, from, round) {
            let to = letter.to.get();
            keys.rewrite::<Toy>(&mut letter, |broadcast, direct| lie(to, broadcast, direct));
        }
        vec![letter]
    }
}

/// Asserts that every party but `liars` convicted exactly `liars`, for `charge`, and has no result.
pub(crate) fn assert_convicted(outcome: &Outcome<Toy>, n: u16, liars: &[u16], charge: crate::Charge<Fault>) {
    for me in (1..=n).filter(|me| !liars.contains(me)) {
        let culprits: Vec<_> = outcome.culprits(sim::party(me)).into_iter().map(PartyIndex::get).collect();
        assert_eq!(culprits, liars, "convicted by {me}");
        for verdict in &outcome.verdicts[&sim::party(me)] {
            assert_eq!(verdict.charge, charge, "charged by {me}");
        }
        assert!(!outcome.finished.contains_key(&sim::party(me)), "{me} has a result");
        assert!(!outcome.failures.contains_key(&sim::party(me)), "{me} failed without a culprit");
    }
}

/// A session of party `me` outside a simulation, with its first messages.
pub(crate) fn lone_session(
    keys: &sim::TestKeys,
    session: SessionId,
    me: u16,
    n: u16,
) -> (crate::Session<Toy, sim::TestKeys>, Vec<sim::Letter>) {
    use rand_core::SeedableRng;
    let mut rng = SimRng::seed_from_u64(u64::from(me));
    let coin = random(&mut rng);
    let (state, speech) = start_with(coin, sim::party(me), &sim::parties(n), &mut rng);
    let seat = crate::Seat {
        session,
        me: sim::party(me),
        public: public(n),
        aid: Arc::new(()),
        identities: Arc::new(keys.clone()),
        signer: keys.signer(sim::party(me)),
    };
    let (session, effects) = crate::Session::start(seat, state, speech).unwrap();
    (session, sends(effects))
}

/// The messages among `effects`.
pub(crate) fn sends(effects: Vec<crate::Effect<Toy>>) -> Vec<sim::Letter> {
    let mut letters = Vec::new();
    for effect in effects {
        if let crate::Effect::Send { to, message } = effect {
            letters.push(sim::Letter { to, message });
        }
    }
    letters
}
