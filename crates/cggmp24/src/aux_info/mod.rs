//! Auxiliary information: everybody's Paillier modulus and ring-Pedersen parameters, proven
//! (`docs/spec/auxinfo-refresh.md`, 5.1).
//!
//! Rounds: 1 commit, 2 echo, 3 open, 4 proofs of the Paillier modulus, 5 confirmation. Primes are generated before round
//! 1 ([`Primes::generate`]) and used in one session only: a modulus that was ever opened is never offered again.

use std::marker::PhantomData;
use std::sync::OnceLock;

use consign_rounds::{Heard, PartyIndex, PerParty, Protocol, Said, SessionId, Speech, Step};
use consign_zk::curve::Curve;
use consign_zk::level::Level;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::joint;
use crate::parties::Parties;

pub mod moduli;
mod output;
mod primes;
pub mod round1;
pub mod round3;
pub mod round4;
pub mod round5;
mod stock;
#[cfg(feature = "testing")]
pub mod testing;

pub use moduli::Moduli;
pub(crate) use moduli::owners_of_shared_factors;
use moduli::{Offer, Scene};
pub use output::{Aux, AuxError, AuxParty, AuxPublic};
pub use primes::Primes;
pub use round5::is_complete;
pub(crate) use stock::PER_SLOT;
pub use stock::READY_NONCES;

/// What all parties agreed on.
#[derive(Clone, Debug)]
pub struct Public {
    /// Security level.
    pub level: Level,
    /// Who takes part.
    pub parties: Parties,
}

/// All broadcasts so far.
#[derive(Default)]
pub struct View {
    commitments: PerParty<round1::Broadcast>,
    openings: PerParty<round3::Broadcast>,
    implied: OnceLock<round5::Implied>,
}

// DEVIATION 3: the echo of round 2. DEVIATION 4: the confirmation.
/// Generation of auxiliary information as one party runs it. `C` is the curve hashed into the proofs.
pub enum AuxInfo<C: Curve> {
    /// Committed; waiting for everybody's commitment.
    Round1(round1::Round1),
    /// Waiting for everybody's echo of the commitments.
    Round2(round1::Round1),
    /// Opened.
    Round3(round1::Round1),
    /// Modulus proven.
    Round4(round4::Round4),
    /// Stored and confirmed; nothing to store if moduli share a factor.
    Round5(Option<Box<Aux>>, PhantomData<C>),
}

/// What a party tells everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Broadcast {
    /// Commitment.
    Round1(round1::Broadcast),
    /// Echo of the commitments, which stands in the header.
    Round2,
    /// Opening.
    Round3(Box<round3::Broadcast>),
    /// Proof of the Paillier modulus.
    Round4(Box<round4::Broadcast>),
    /// Confirmation.
    Round5(round5::Broadcast),
}

/// What a party tells one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direct {
    /// Nothing.
    None,
    /// Proof about the factors of the modulus, for this peer.
    Round4(Box<round4::Direct>),
}

/// Rules a party can break, all provable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
pub enum Fault {
    /// Opening does not match the commitment.
    #[error("the opening differs from the commitment")]
    Commitment,
    /// Wrong size, parity or residue class of a modulus, a small factor, or a prime for a modulus.
    #[error("a modulus is not of the required form")]
    Modulus,
    /// The party's own two moduli share a factor.
    #[error("the two moduli of one party share a factor")]
    OwnFactor,
    /// `s` or `t` is outside its domain.
    #[error("the ring-Pedersen bases are outside their domain")]
    RingPedersen,
    /// The proof of the ring-Pedersen parameters fails.
    #[error("the proof of the ring-Pedersen parameters does not verify")]
    ProofPrm,
    /// The proof of the Paillier modulus fails.
    #[error("the proof of the Paillier modulus does not verify")]
    ProofMod,
    /// The proof about the factors fails.
    #[error("the proof about the factors of the Paillier modulus does not verify")]
    ProofFac,
    /// Two parties proved moduli with a common factor: both know it.
    #[error("a modulus shares a factor with another party's")]
    SharedFactor,
    /// The confirmation is not of the result that the broadcasts imply.
    #[error("the confirmation contradicts the broadcasts")]
    Confirmation,
}

/// Ends for which nobody is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// This party's modulus shares a factor with another's, so the others will blame both: its randomness is suspect.
    #[error("this node's modulus shares a factor with another party's: check the source of randomness")]
    SharedFactor,
}

/// Starts for `me` with primes that were never used.
pub fn start<C: Curve>(
    public: &Public,
    session: SessionId,
    me: PartyIndex,
    primes: Primes,
    rng: &mut impl CryptoRng,
) -> Result<(AuxInfo<C>, Speech<AuxInfo<C>>), AuxError> {
    let (state, broadcast) = round1::speak::<C>(public, session, me, primes, rng)?;
    Ok((AuxInfo::Round1(state), say(public, me, Broadcast::Round1(broadcast))))
}

impl<C: Curve> Protocol for AuxInfo<C> {
    type Public = Public;
    type View = View;
    type Broadcast = Broadcast;
    type Direct = Direct;
    type Output = Aux;
    type Durable = Zeroizing<Vec<u8>>;
    type Fault = Fault;
    type Failure = Failure;
    type Aid = ();

    const ROUNDS: u8 = 5;

    fn max_broadcast_bytes(public: &Public, round: u8) -> usize {
        match round {
            3 => round3::max_bytes(public.level),
            4 => round4::max_broadcast_bytes(public.level),
            _ => crate::sizes::HASH,
        }
    }

    fn max_direct_bytes(public: &Public, round: u8) -> usize {
        if round == 4 { round4::max_direct_bytes(public.level) } else { crate::sizes::HASH }
    }

    fn fits_broadcast(round: u8, broadcast: &Broadcast) -> bool {
        round
            == match broadcast {
                Broadcast::Round1(_) => 1,
                Broadcast::Round2 => 2,
                Broadcast::Round3(_) => 3,
                Broadcast::Round4(_) => 4,
                Broadcast::Round5(_) => 5,
            }
    }

    fn fits_direct(round: u8, direct: &Direct) -> bool {
        matches!(direct, Direct::Round4(_)) == (round == 4)
    }

    fn check(
        public: &Public,
        view: &View,
        (): &(),
        from: PartyIndex,
        to: PartyIndex,
        said: &Said<Self>,
        session: SessionId,
    ) -> Result<(), Fault> {
        match (&said.broadcast, &said.direct) {
            (Broadcast::Round3(opening), _) => round3::check::<C>(public, view, session, from, opening),
            (Broadcast::Round4(proof), Direct::Round4(direct)) => {
                round4::check::<C>(public, view, session, from, to, proof, direct)
            }
            (Broadcast::Round5(said), _) => round5::check(public, view, session, from, said),
            (Broadcast::Round1(_) | Broadcast::Round2 | Broadcast::Round4(_), _) => Ok(()),
        }
    }

    fn record(view: &mut View, _: u8, from: PartyIndex, broadcast: Broadcast) {
        match broadcast {
            Broadcast::Round1(m) => drop(view.commitments.insert(from, m)),
            Broadcast::Round3(m) => {
                view.openings.insert(from, *m);
                view.implied.take();
            }
            Broadcast::Round2 | Broadcast::Round4(_) | Broadcast::Round5(_) => {}
        }
    }

    fn advance(
        self,
        public: &Public,
        view: &View,
        _: PerParty<Heard<Self>>,
        rng: &mut impl CryptoRng,
    ) -> Step<Self> {
        match self {
            Self::Round1(state) => {
                let speech = say(public, state.me, Broadcast::Round2);
                Step::Speak(Self::Round2(state), speech)
            }
            Self::Round2(state) => {
                let speech = say(public, state.me, Broadcast::Round3(Box::new(state.opening.clone())));
                Step::Speak(Self::Round3(state), speech)
            }
            Self::Round3(state) => round4::speak(state, public, view, rng),
            Self::Round4(state) => round5::speak(state, public, view),
            Self::Round5(Some(aux), _) => Step::Done(*aux),
            Self::Round5(None, _) => Step::Abort(Failure::SharedFactor),
        }
    }
}

/// A broadcast with nothing direct and nothing to store.
fn say<C: Curve>(public: &Public, me: PartyIndex, broadcast: Broadcast) -> Speech<AuxInfo<C>> {
    let direct = public.parties.others(me).map(|to| (to, Direct::None)).collect();
    Speech { durable: None, broadcast, direct }
}

impl View {
    /// `rid`: the exclusive or of all parts.
    fn rid(&self) -> [u8; 32] {
        joint::whole(self.openings.values().map(|opening| &opening.rid))
    }

    /// What `party` opened.
    fn moduli(&self, party: PartyIndex) -> Option<&Moduli> {
        self.openings.get(&party).map(|opening| &opening.moduli)
    }

    /// What everybody opened.
    fn offers(&self) -> impl Iterator<Item = Offer<'_>> {
        self.openings.iter().map(|(party, opening)| (*party, &opening.moduli))
    }
}

impl Public {
    fn scene<'a>(&self, session: &'a SessionId) -> Scene<'a> {
        Scene { level: self.level, session }
    }
}
