//! All parties of one protocol one after another, measured: real sessions, real signatures, messages encoded and decoded
//! as on a network that loses nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_cggmp24::parties::Parties;
use consign_node::core::roll::{Roll, Seal};
use consign_node::identity::{ClusterId, ID_BYTES, Identity};
use consign_rounds::limits::MAX_MESSAGE_BYTES;
use consign_rounds::{
    Effect, Message, PartyIndex, PerParty, Protocol, Seat, Session, SessionId, Signer, Speech,
};
use rand_chacha::ChaCha20Rng;
use rustix::time::{ClockId, clock_gettime};

use super::{BenchError, Measured};

/// The cluster of the measured parties.
const CLUSTER: ClusterId = ClusterId::from_bytes([0; ID_BYTES]);

/// Identity keys of the parties of one session. They sign and verify as nodes do.
pub(super) struct Keys {
    roll: Arc<Roll>,
    seals: PerParty<Arc<Seal>>,
}

impl Keys {
    /// The keys of some parties.
    pub(super) fn new<'a>(list: impl Iterator<Item = (&'a PartyIndex, &'a Arc<Identity>)>) -> Self {
        let seal = |identity: &Arc<_>| Arc::new(Seal { identity: Arc::clone(identity), cluster: CLUSTER });
        let seals: PerParty<_> = list.map(|(&party, identity)| (party, seal(identity))).collect();
        let ids = seals.iter().map(|(party, seal)| (party.get(), seal.identity.node_id()));
        Self { roll: Arc::new(Roll::new(CLUSTER, ids)), seals }
    }

    /// The parties as the protocols have them.
    pub(super) fn parties(&self) -> Result<Parties, BenchError> {
        self.roll.parties().map_err(|_| BenchError::Failed("numbering the parties"))
    }
}

/// What a phase took: sums over all parties, which run one after another.
#[derive(Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    pub(super) bytes: u64,
    pub(super) rounds: u8,
}

/// When something began.
pub(super) struct Began {
    cpu: Duration,
    wall: Instant,
}

impl Began {
    pub(super) fn now() -> Self {
        Self { cpu: process_cpu(), wall: Instant::now() }
    }

    /// What it took until now.
    pub(super) fn cost(&self, bytes: u64, rounds: u8) -> Cost {
        Cost { cpu: process_cpu().saturating_sub(self.cpu), wall: self.wall.elapsed(), bytes, rounds }
    }
}

/// CPU time of all threads so far.
fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

/// CPU time of this thread so far.
#[cfg(feature = "census")]
pub(super) fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    // The clock starts at zero and only goes forward.
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Runs a protocol to its end, for every party of `keys`. Nothing is stored.
pub(super) fn run<P: Protocol>(
    keys: &Keys,
    session: SessionId,
    public: &Arc<P::Public>,
    rng: &mut ChaCha20Rng,
    aid: impl Fn(PartyIndex) -> Arc<P::Aid>,
    mut start: impl FnMut(PartyIndex, &mut ChaCha20Rng) -> Result<(P, Speech<P>), BenchError>,
) -> Measured<P::Output> {
    let began = Began::now();
    let mut network = Network::<P> { letters: VecDeque::new(), outputs: PerParty::new(), bytes: 0 };
    let mut sessions = PerParty::new();
    for (&me, seal) in &keys.seals {
        let (state, speech) = start(me, rng)?;
        let seat = Seat {
            session,
            me,
            public: Arc::clone(public),
            aid: aid(me),
            identities: Arc::clone(&keys.roll),
            signer: Arc::clone(seal) as Arc<dyn Signer>,
        };
        let (own, effects) = Session::start(seat, state, speech).map_err(|_| BenchError::Failed("start"))?;
        sessions.insert(me, own);
        network.carry_out(me, effects)?;
    }
    while let Some((to, bytes)) = network.letters.pop_front() {
        let message =
            Message::decode(&bytes, MAX_MESSAGE_BYTES).map_err(|_| BenchError::Failed("decoding"))?;
        let session = sessions.get_mut(&to).ok_or(BenchError::Failed("delivery"))?;
        let effects = session.receive(message, rng);
        network.carry_out(to, effects)?;
    }
    if network.outputs.len() != sessions.len() {
        return Err(BenchError::Failed("the last round"));
    }
    let cost = began.cost(network.bytes, P::ROUNDS);
    Ok((network.outputs, cost))
}

/// Messages on their way, and who has finished.
struct Network<P: Protocol> {
    letters: VecDeque<(PartyIndex, Vec<u8>)>,
    outputs: PerParty<P::Output>,
    bytes: u64,
}

impl<P: Protocol> Network<P> {
    fn carry_out(&mut self, me: PartyIndex, effects: Vec<Effect<P>>) -> Result<(), BenchError> {
        for effect in effects {
            match effect {
                Effect::Store(_) => {}
                Effect::Send { to, message } => {
                    let bytes = message.encode();
                    self.bytes += bytes.len() as u64;
                    self.letters.push_back((to, bytes));
                }
                Effect::Finish(finished) => drop(self.outputs.insert(me, finished.output)),
                Effect::Accuse(_) => return Err(BenchError::Failed("an accusation")),
                Effect::Fail(_) => return Err(BenchError::Failed("a session")),
            }
        }
        Ok(())
    }
}
