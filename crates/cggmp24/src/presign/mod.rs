//! Presigning: everything of a signature that does not need the message (`docs/spec/signing.md`, 6.0 to 6.4, 6.12).
//!
//! Rounds as the specification numbers them: 1 encrypt and commit, 2 multiply, 3 show shares. One file each. Two echoes
//! stand between and after them: nothing of round 2 leaves before all parties agree on round 1 (attack A-46), and no
//! presignature is usable before all agree on all of it. Echoes have no content of their own, since every header
//! carries one, and live here. So messages travel in five rounds: 1, echo, 2, 3, closing echo. `output.rs` holds the
//! checks after round 3 and what they lead to; if one fails, the closing echo comes with an alert, which finds out who
//! has lied (`alert.rs`). Messages carry one entry per slot of the batch, in order.
//!
//! Whatever the end, the secrets of a session are used once: no state can be copied, to run it again (attack A-5C).
//!
//! ```compile_fail,E0277
//! # use consign_cggmp24::{curve::Secp256k1, presign::Presign};
//! fn needs_clone<T: Clone>() {}
//! needs_clone::<Presign<Secp256k1>>();
//! ```
//!
//! [`crate::sign::interactive`] runs the same three rounds with the message in the session identifier. Read
//! [`crate::sign`] next.

use std::sync::Arc;

use consign_rounds::{Heard, PartyIndex, PerParty, Protocol, Said, SessionId, Speech, Step};
pub use consign_zk::aid::Aid;
use consign_zk::curve::{Curve, Point};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::aux_info::{Aux, PER_SLOT};
use crate::key::KeyShare;
use crate::sign::Presignature;

use self::output::Closing;

pub(crate) mod alert;
mod blame_chi;
mod blame_nonce;
pub(crate) mod output;
mod public;
pub mod round1;
pub mod round2;
pub mod round3;
mod shape;
#[cfg(feature = "testing")]
pub mod testing;

pub use alert::{Alert, MAX_ALERT_SIGNERS};
pub use public::{MAX_BATCH, PresignError, Public, max_batch};
pub use shape::Shape;
pub(crate) use shape::{max_broadcast_bytes, max_direct_bytes};

/// Where messages of the specification's round 1 travel.
pub const ROUND_1: u8 = 1;
/// Where the echo of round 1 travels.
pub const ROUND_ECHO: u8 = 2;
/// Where messages of the specification's round 2 travel.
pub const ROUND_2: u8 = 3;
/// Where messages of the specification's round 3 travel.
pub const ROUND_3: u8 = 4;
/// Where the closing echo of presigning travels, or the partial signature of interactive signing; or, after a failed
/// check, the alert.
pub const ROUND_LAST: u8 = 5;

/// All broadcasts so far, of every party and slot.
pub struct View<C: Curve> {
    round1: PerParty<Vec<round1::Broadcast<C>>>,
    round2: PerParty<Vec<round2::Broadcast<C>>>,
    round3: PerParty<Vec<round3::Broadcast<C>>>,
}

impl<C: Curve> Default for View<C> {
    fn default() -> Self {
        Self { round1: PerParty::new(), round2: PerParty::new(), round3: PerParty::new() }
    }
}

// DEVIATION 3: the echoes after round 1 and at the end. DEVIATION 16: alerts travel with the latter.
/// Presigning as one party runs it.
pub enum Presign<C: Curve> {
    /// Committed to `k` and `gamma`.
    Round1(round1::Round1<C>),
    /// Waiting for everybody's echo of round 1.
    Echo(round1::Round1<C>),
    /// Multiplied with everybody's `k`.
    Round2(round2::Round2<C>),
    /// Shares shown.
    Round3(round3::Round3<C>),
    /// Waiting for everybody's closing echo. Before it no presignature is usable; and if a check has failed, it comes
    /// with everybody's alert.
    Closing(Result<Vec<Presignature<C>>, Failure>),
}

/// What a party tells everyone: one entry per slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Broadcast<C: Curve> {
    /// Ciphertexts and commitments.
    Round1(Vec<round1::Broadcast<C>>),
    /// Echo of round 1, which stands in the header.
    Echo,
    /// Responses.
    Round2(Vec<round2::Broadcast<C>>),
    /// Shares.
    Round3(Vec<round3::Broadcast<C>>),
    /// Closing echo, which stands in the header.
    Closing,
    /// Closing echo after a failed check, with the proof that its author has not caused it.
    Alert(Box<Alert<C>>),
}

/// What a party tells one peer: one entry per slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Direct<C: Curve> {
    /// Nothing.
    None,
    /// Proofs about the ciphertexts of round 1.
    Round1(Vec<round1::Direct<C>>),
    /// Proofs about the responses of round 2.
    Round2(Vec<round2::Direct<C>>),
}

/// Rules a party can break, all provable. The first slot in which it did is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
pub enum Fault {
    /// Not exactly one entry per slot.
    #[error("the number of entries differs from the batch")]
    Slots,
    /// `K` is not shown to be short or not what was committed to.
    #[error("slot {slot}: the proof about the encrypted nonce share does not verify")]
    Psi0 {
        /// From 0.
        slot: u32,
    },
    /// `G` is not shown to be short or not what was committed to.
    #[error("slot {slot}: the proof about the encrypted mask does not verify")]
    Psi1 {
        /// From 0.
        slot: u32,
    },
    /// Not exactly one response per peer.
    #[error("slot {slot}: the number of responses differs from the number of peers")]
    Responses {
        /// From 0.
        slot: u32,
    },
    /// A response is no ciphertext.
    #[error("slot {slot}: a response is not a unit modulo the square of its modulus")]
    Units {
        /// From 0.
        slot: u32,
    },
    /// `Gamma` is not what was committed to.
    #[error("slot {slot}: the proof about Gamma does not verify")]
    Elog {
        /// From 0.
        slot: u32,
    },
    /// `D` or `F` is malformed.
    #[error("slot {slot}: the proof about the product with the mask does not verify")]
    Psi {
        /// From 0.
        slot: u32,
    },
    /// `D^` or `F^` is malformed.
    #[error("slot {slot}: the proof about the product with the key share does not verify")]
    PsiHat {
        /// From 0.
        slot: u32,
    },
    /// `Delta` is not what was committed to.
    #[error("slot {slot}: the proof about Delta does not verify")]
    ElogPrime {
        /// From 0.
        slot: u32,
    },
    /// Raised an alert although the checks pass.
    #[error("a false alarm: the shares of the nonce fit together")]
    FalseAlarm,
    /// Raised no alert although a check fails.
    #[error("slot {slot}: does not account for its share although the sum is wrong")]
    NoAlert {
        /// From 0; the lowest one that fails.
        slot: u32,
    },
    /// An alert has not exactly one proof per peer.
    #[error("slot {slot}: the number of proofs in an alert differs from the number of peers")]
    AlertLength {
        /// From 0.
        slot: u32,
    },
    /// `delta_i` is not what the responses add up to.
    #[error("slot {slot}: the share of the nonce is not what it was computed from")]
    NonceSum {
        /// From 0.
        slot: u32,
    },
    /// `D` or `F` for somebody is malformed, who did not complain.
    #[error("slot {slot}: a product with the mask is malformed")]
    NonceResponse {
        /// From 0.
        slot: u32,
    },
    /// `S_i` is not what the responses add up to.
    #[error("slot {slot}: the share of the key times the nonce is not what it was computed from")]
    ChiSum {
        /// From 0.
        slot: u32,
    },
    /// `D^` or `F^` for somebody is malformed, who did not complain.
    #[error("slot {slot}: a product with the key share is malformed")]
    ChiResponse {
        /// From 0.
        slot: u32,
    },
}

/// Ends without a culprit. Everything of the session is wiped; other sessions are not affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// `[delta]G` differs from the sum of `Delta_j`, and no alert shows why: with up to [`MAX_ALERT_SIGNERS`] signers a
    /// fault of this node.
    #[error("slot {slot}: the shares of the nonce do not fit together")]
    Nonce {
        /// From 0; the lowest one.
        slot: u32,
    },
    /// `[delta]X` differs from the sum of `S_j`, and no alert shows why: with up to [`MAX_ALERT_SIGNERS`] signers a fault
    /// of this node.
    #[error("slot {slot}: the shares of the key times the nonce do not fit together")]
    Chi {
        /// From 0; the lowest one.
        slot: u32,
    },
    /// A sum came out as zero, with probability about 2^-256; run the session again.
    #[error("slot {slot}: the result is degenerate by chance; presign again")]
    Degenerate {
        /// From 0.
        slot: u32,
    },
    /// A check has failed, and the own share cannot be accounted for: a fault of this node.
    #[error("slot {slot}: the own share is not what it should be: a fault of this node")]
    Unprovable {
        /// From 0.
        slot: u32,
    },
}

/// What a round's `speak` gives: the state to keep, the broadcast, and a part for every peer.
pub(crate) struct Spoken<S, B, D> {
    pub(crate) state: S,
    pub(crate) broadcast: B,
    pub(crate) direct: PerParty<D>,
}

impl<S, B, D> Spoken<S, B, D> {
    /// The state and the speech of a protocol's round.
    pub(crate) fn into_speech<P: Protocol>(
        self,
        wrap_broadcast: impl FnOnce(B) -> P::Broadcast,
        wrap_direct: impl Fn(D) -> P::Direct,
    ) -> (S, Speech<P>) {
        let direct = self.direct.into_iter().map(|(to, said)| (to, wrap_direct(said))).collect();
        (self.state, Speech { durable: None, broadcast: wrap_broadcast(self.broadcast), direct })
    }
}

/// What must be stored before a round's messages leave: nothing ever. A presignature lives in memory only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {}

/// Starts for the holder of `share` and `aux`. `session` is [`Public::session`] of the agreed nonce.
pub fn start<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    share: &KeyShare<C>,
    aux: &Aux,
    rng: &mut impl CryptoRng,
) -> Result<(Presign<C>, Speech<Presign<C>>), PresignError> {
    let spoken = first_round(public, session, share, aux, rng)?;
    let (state, speech) = spoken.into_speech(Broadcast::Round1, Direct::Round1);
    Ok((Presign::Round1(state), speech))
}

/// Round 1, for presigning and interactive signing alike.
pub(crate) fn first_round<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    share: &KeyShare<C>,
    aux: &Aux,
    rng: &mut impl CryptoRng,
) -> Result<round1::FirstRound<C>, PresignError> {
    let w = public.admit(share, aux)?;
    public.make_tables();
    aux.paillier().make_tables();
    let peers = public.signers().iter().filter(|(index, _)| *index != share.index());
    let ready: PerParty<_> = peers
        .map(|(index, identity)| (index, aux.take_nonces(identity, PER_SLOT * public.slots(), rng)))
        .collect();
    let own = round1::Own { me: share.index(), w, paillier: Arc::clone(aux.paillier()), ready };
    Ok(round1::speak(public, session, own, rng))
}

impl<C: Curve> Presign<C> {
    /// Whether a check of the sums has failed, so that everybody owes everybody a long proof.
    pub fn owes_alert(&self) -> bool {
        matches!(self, Self::Closing(Err(_)))
    }
}

impl<C: Curve> Protocol for Presign<C> {
    type Public = Public<C>;
    type View = View<C>;
    type Broadcast = Broadcast<C>;
    type Direct = Direct<C>;
    type Output = Vec<Presignature<C>>;
    type Durable = Nothing;
    type Fault = Fault;
    type Failure = Failure;
    type Aid = Aid;

    const ROUNDS: u8 = ROUND_LAST;

    fn max_broadcast_bytes(public: &Public<C>, round: u8) -> usize {
        max_broadcast_bytes::<C>(public.shape(), round)
    }

    fn max_direct_bytes(public: &Public<C>, round: u8) -> usize {
        max_direct_bytes::<C>(public.shape(), round)
    }

    fn fits_broadcast(round: u8, broadcast: &Broadcast<C>) -> bool {
        round == broadcast.round()
    }

    fn fits_direct(round: u8, direct: &Direct<C>) -> bool {
        direct.fits(round)
    }

    fn check(
        public: &Public<C>,
        view: &View<C>,
        aid: &Aid,
        from: PartyIndex,
        to: PartyIndex,
        said: &Said<Self>,
        session: SessionId,
    ) -> Result<(), Fault> {
        check(public, view, session, aid, (from, to), &said.broadcast, &said.direct)
    }

    fn record(view: &mut View<C>, _: u8, from: PartyIndex, broadcast: Broadcast<C>) {
        view.record(from, broadcast);
    }

    fn advance(
        self,
        public: &Public<C>,
        view: &View<C>,
        _: PerParty<Heard<Self>>,
        rng: &mut impl CryptoRng,
    ) -> Step<Self> {
        match self {
            Self::Round1(state) => {
                let speech = say(public, state.me, Broadcast::Echo);
                Step::Speak(Self::Echo(state), speech)
            }
            Self::Echo(state) => {
                let spoken = round2::speak(state, public, view, rng);
                let (state, speech) = spoken.into_speech(Broadcast::Round2, Direct::Round2);
                Step::Speak(Self::Round2(state), speech)
            }
            Self::Round2(state) => match round3::speak(state, public, view, rng) {
                Ok(spoken) => {
                    let (state, speech) = spoken.into_speech(Broadcast::Round3, |()| Direct::None);
                    Step::Speak(Self::Round3(state), speech)
                }
                Err(failure) => Step::Abort(failure),
            },
            Self::Round3(state) => {
                let me = state.me;
                match output::close(state, public, view, rng) {
                    Closing::Made(made) => {
                        Step::Speak(Self::Closing(Ok(made)), say(public, me, Broadcast::Closing))
                    }
                    Closing::Failed(failure, broadcast) => {
                        Step::Speak(Self::Closing(Err(failure)), say(public, me, broadcast))
                    }
                    Closing::Broken(failure) => Step::Abort(failure),
                }
            }
            Self::Closing(Err(failure)) => Step::Abort(failure),
            Self::Closing(Ok(presignatures)) => Step::Done(presignatures),
        }
    }
}

/// A broadcast with nothing direct.
fn say<C: Curve>(public: &Public<C>, me: PartyIndex, broadcast: Broadcast<C>) -> Speech<Presign<C>> {
    let direct = public.signers().others(me).map(|to| (to, Direct::None)).collect();
    Speech { durable: None, broadcast, direct }
}

/// The checks of rounds 1 to 3, and of the closing echo of presigning.
pub(crate) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    aid: &Aid,
    pair: (PartyIndex, PartyIndex),
    broadcast: &Broadcast<C>,
    direct: &Direct<C>,
) -> Result<(), Fault> {
    match (broadcast, direct) {
        (Broadcast::Round1(said), Direct::Round1(proofs)) => {
            round1::check(public, session, aid, pair, said, proofs)
        }
        (Broadcast::Round2(said), Direct::Round2(proofs)) => {
            round2::check(public, view, session, aid, pair, said, proofs)
        }
        (Broadcast::Round3(said), _) => round3::check(public, view, session, pair.0, said),
        // Parts that do not belong together never get here: each fits its round.
        (Broadcast::Round1(_) | Broadcast::Round2(_), _) => Err(Fault::Slots),
        (Broadcast::Echo, _) => Ok(()),
        (Broadcast::Closing, _) => alert::check_silence(public, view, session),
        (Broadcast::Alert(alert), _) => alert::check(public, view, session, pair.0, alert),
    }
}

impl<C: Curve> Broadcast<C> {
    /// The round that uses this variant.
    pub(crate) fn round(&self) -> u8 {
        match self {
            Self::Round1(_) => ROUND_1,
            Self::Echo => ROUND_ECHO,
            Self::Round2(_) => ROUND_2,
            Self::Round3(_) => ROUND_3,
            Self::Closing | Self::Alert(_) => ROUND_LAST,
        }
    }
}

impl<C: Curve> Direct<C> {
    /// Whether `round` uses this variant.
    pub(crate) fn fits(&self, round: u8) -> bool {
        match self {
            Self::Round1(_) => round == ROUND_1,
            Self::Round2(_) => round == ROUND_2,
            Self::None => round != ROUND_1 && round != ROUND_2,
        }
    }
}

impl<C: Curve> View<C> {
    pub(crate) fn record(&mut self, from: PartyIndex, broadcast: Broadcast<C>) {
        match broadcast {
            Broadcast::Round1(said) => drop(self.round1.insert(from, said)),
            Broadcast::Round2(said) => drop(self.round2.insert(from, said)),
            Broadcast::Round3(said) => drop(self.round3.insert(from, said)),
            Broadcast::Echo | Broadcast::Closing | Broadcast::Alert(_) => {}
        }
    }

    /// What `from` said in round 1 about slot `b`.
    fn committed(&self, from: PartyIndex, b: usize) -> Option<&round1::Broadcast<C>> {
        self.round1.get(&from)?.get(b)
    }

    /// What `by` made of the `K` of `owner` in slot `b`.
    fn response(
        &self,
        public: &Public<C>,
        by: PartyIndex,
        owner: PartyIndex,
        b: usize,
    ) -> Option<&round2::Response> {
        let position = public.signers().position_among_others(by, owner)?;
        self.round2.get(&by)?.get(b)?.responses.get(position)
    }

    /// What everybody said in round 3 about slot `b`.
    fn shown(&self, b: usize) -> impl Iterator<Item = (PartyIndex, &round3::Broadcast<C>)> {
        self.round3.iter().filter_map(move |(&from, said)| Some((from, said.get(b)?)))
    }

    /// `Gamma`, the nonce point of slot `b`.
    fn Gamma(&self, b: usize) -> Point<C> {
        self.round2.values().filter_map(|said| Some(said.get(b)?.Gamma)).sum()
    }
}
