//! Key generation for t of n with Feldman's sharing, masked shares and complaints (`docs/spec/keygen.md`, 4.2 to 4.4).
//!
//! Rounds: 1 commit, 2 echo, 3 open, 4 masked shares, 5 proof or complaint, 6 confirmation. One file each; the echo has
//! no content of its own, since every header carries it, and lives here.

use std::sync::OnceLock;

use consign_rounds::{
    Complaint, Heard, PartyIndex, PerParty, Protocol, Ruling, Said, SessionId, Speech, Step,
};
use consign_zk::curve::{Curve, Point};
use consign_zk::feldman::Commitments;
use consign_zk::level::Level;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::joint;
use crate::key::KeyShare;
use crate::parties::{Parties, PartiesError};
pub use crate::sharing::NoAid;
use crate::sharing::{Pair, ShareFault};

pub mod confirmation;
pub mod round1;
pub mod round3;
pub mod round4;
pub mod round5;
#[cfg(feature = "testing")]
pub mod testing;

/// What all parties agreed on.
#[derive(Clone, Debug)]
pub struct Public {
    /// Security level of the committee, recorded with the key.
    pub level: Level,
    /// Number of signers needed.
    pub threshold: u16,
    /// The holders to be.
    pub parties: Parties,
    /// Whether the key gets a chain code for derivation.
    pub derivable: bool,
}

impl Public {
    /// Checks the parameters.
    pub fn new(
        level: Level,
        threshold: u16,
        parties: Parties,
        derivable: bool,
    ) -> Result<Self, PartiesError> {
        parties.check_threshold(threshold)?;
        Ok(Self { level, threshold, parties, derivable })
    }
}

/// All broadcasts so far.
pub struct View<C: Curve> {
    commitments: PerParty<round1::Broadcast>,
    openings: PerParty<round3::Broadcast<C>>,
    proofs: PerParty<round5::Broadcast<C>>,
    implied: OnceLock<confirmation::Implied<C>>,
}

impl<C: Curve> Default for View<C> {
    fn default() -> Self {
        Self {
            commitments: PerParty::new(),
            openings: PerParty::new(),
            proofs: PerParty::new(),
            implied: OnceLock::new(),
        }
    }
}

/// Key generation as one party runs it.
// DEVIATION 1: shares of a polynomial, not summands. DEVIATION 3: the echo of round 2. DEVIATION 4: the confirmation.
pub enum Keygen<C: Curve> {
    /// Committed; waiting for everybody's commitment.
    Round1(round1::Round1<C>),
    /// Waiting for everybody's echo of the commitments.
    Round2(round1::Round1<C>),
    /// Opened.
    Round3(round1::Round1<C>),
    /// Shares sent.
    Round4(round4::Round4<C>),
    /// Share proven, or a complaint made.
    Round5(round5::Round5<C>),
    /// Share stored and confirmed.
    Round6(Box<KeyShare<C>>),
}

/// What a party tells everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Broadcast<C: Curve> {
    /// Commitment.
    Round1(round1::Broadcast),
    /// Echo of the commitments, which stands in the header.
    Round2,
    /// Opening.
    Round3(Box<round3::Broadcast<C>>),
    /// Nothing: round 4 is direct.
    Round4,
    /// Proof of the final share, or a complaint.
    Round5(round5::Broadcast<C>),
    /// Confirmation.
    Round6(confirmation::Broadcast),
}

/// What a party tells one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Direct<C: Curve> {
    /// Nothing.
    None,
    /// A masked share, in round 4.
    Round4(round4::Direct<C>),
}

/// Rules a party can break, all provable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
pub enum Fault {
    /// Opening does not match the commitment.
    #[error("the opening differs from the commitment")]
    Commitment,
    /// The Feldman vector does not have exactly `t` entries.
    #[error("the number of coefficients differs from the threshold")]
    Coefficients,
    /// Not exactly one mask key per peer.
    #[error("the number of mask keys differs from the number of peers")]
    MaskKeys,
    /// A chain code is missing or superfluous.
    #[error("the chain code is missing or superfluous")]
    ChainCode,
    /// The masked share contradicts the dealer's Feldman vector.
    #[error("the share contradicts the dealer's coefficients")]
    Share,
    /// The complaint is false: the share is good.
    #[error("the complaint is about a good share")]
    FalseComplaint,
    /// The complaint opens another key than the accuser's mask key.
    #[error("the complaint opens a wrong mask key")]
    WrongOpening,
    /// The Schnorr proof of the final share fails.
    #[error("the proof of the key share does not verify")]
    ShareProof,
    /// The confirmation is not of the result that the broadcasts imply.
    #[error("the confirmation contradicts the broadcasts")]
    Confirmation,
}

/// Ends for which nobody is to blame; run the protocol again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The public key or a share came out as zero, with probability about 2^-256.
    #[error("the result is degenerate by chance; run key generation again")]
    Degenerate,
}

/// Starts key generation for `me`.
pub fn start<C: Curve>(
    public: &Public,
    session: SessionId,
    me: PartyIndex,
    rng: &mut impl CryptoRng,
) -> (Keygen<C>, Speech<Keygen<C>>) {
    let (state, broadcast) = round1::speak(public, session, me, rng);
    let speech = say(public, me, Broadcast::Round1(broadcast));
    (Keygen::Round1(state), speech)
}

impl<C: Curve> Protocol for Keygen<C> {
    type Public = Public;
    type View = View<C>;
    type Broadcast = Broadcast<C>;
    type Direct = Direct<C>;
    type Output = KeyShare<C>;
    type Durable = Zeroizing<Vec<u8>>;
    type Fault = Fault;
    type Failure = Failure;
    type Aid = NoAid<C>;

    const ROUNDS: u8 = 6;

    fn max_broadcast_bytes(public: &Public, round: u8) -> usize {
        match round {
            3 => round3::max_bytes::<C>(public),
            5 => round5::max_bytes::<C>(),
            _ => crate::sizes::HASH,
        }
    }

    fn max_direct_bytes(_: &Public, _: u8) -> usize {
        crate::sizes::scalar::<C>()
    }

    fn fits_broadcast(round: u8, broadcast: &Broadcast<C>) -> bool {
        round
            == match broadcast {
                Broadcast::Round1(_) => 1,
                Broadcast::Round2 => 2,
                Broadcast::Round3(_) => 3,
                Broadcast::Round4 => 4,
                Broadcast::Round5(_) => 5,
                Broadcast::Round6(_) => 6,
            }
    }

    fn fits_direct(round: u8, direct: &Direct<C>) -> bool {
        matches!(direct, Direct::Round4(_)) == (round == 4)
    }

    fn check(
        public: &Public,
        view: &View<C>,
        _: &NoAid<C>,
        from: PartyIndex,
        _: PartyIndex,
        said: &Said<Self>,
        session: SessionId,
    ) -> Result<(), Fault> {
        match &said.broadcast {
            Broadcast::Round1(_) | Broadcast::Round2 | Broadcast::Round4 => Ok(()),
            Broadcast::Round3(opening) => round3::check(public, view, session, from, opening),
            Broadcast::Round5(broadcast) => round5::check(public, view, session, from, broadcast),
            Broadcast::Round6(broadcast) => confirmation::check(public, view, session, broadcast),
        }
    }

    fn record(view: &mut View<C>, _: u8, from: PartyIndex, broadcast: Broadcast<C>) {
        match broadcast {
            Broadcast::Round1(m) => drop(view.commitments.insert(from, m)),
            Broadcast::Round3(m) => {
                view.openings.insert(from, *m);
                view.implied.take();
            }
            Broadcast::Round5(m) => drop(view.proofs.insert(from, m)),
            Broadcast::Round2 | Broadcast::Round4 | Broadcast::Round6(_) => {}
        }
    }

    fn complaint(broadcast: &Broadcast<C>) -> Option<&Complaint> {
        let Broadcast::Round5(round5::Broadcast::Complaint(said)) = broadcast else { return None };
        Some(&said.complaint)
    }

    fn rule(
        public: &Public,
        view: &View<C>,
        accuser: PartyIndex,
        accused: PartyIndex,
        direct: &Direct<C>,
        broadcast: &Broadcast<C>,
        session: SessionId,
    ) -> Ruling<Fault> {
        match (direct, broadcast) {
            (Direct::Round4(share), Broadcast::Round5(round5::Broadcast::Complaint(said))) => {
                round5::rule(public, view, session, accuser, accused, share, &said.key)
            }
            _ => Ruling::Accuser(Fault::FalseComplaint),
        }
    }

    fn advance(
        self,
        public: &Public,
        view: &View<C>,
        directs: PerParty<Heard<Self>>,
        _: &mut impl CryptoRng,
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
            Self::Round3(state) => round4::speak(state, public, view),
            Self::Round4(state) => round5::speak(state, public, view, directs),
            Self::Round5(state) => confirmation::speak(state, public, view),
            Self::Round6(share) => Step::Done(*share),
        }
    }
}

/// A broadcast with nothing direct and nothing to store.
fn say<C: Curve>(public: &Public, me: PartyIndex, broadcast: Broadcast<C>) -> Speech<Keygen<C>> {
    let direct = public.parties.others(me).map(|to| (to, Direct::None)).collect();
    Speech { durable: None, broadcast, direct }
}

impl<C: Curve> View<C> {
    /// `rid`: the exclusive or of all parts.
    fn rid(&self) -> [u8; 32] {
        joint::whole(self.openings.values().map(|opening| &opening.rid))
    }

    /// The sum of all Feldman vectors: what the key's own polynomial is committed to.
    fn coefficients(&self) -> Commitments<C> {
        Commitments::sum(self.openings.values().map(|opening| &opening.coefficients))
    }

    /// `[f_dealer(receiver)]G`; the identity if a judge's made-up view lacks it.
    fn share_of(&self, dealer: PartyIndex, receiver: PartyIndex) -> Point<C> {
        let opening = self.openings.get(&dealer);
        opening.map(|opening| opening.coefficients.evaluate(receiver.get())).unwrap_or_default()
    }

    fn pair<'a>(
        &self,
        public: &Public,
        session: SessionId,
        rid: &'a [u8; 32],
        dealer: PartyIndex,
        receiver: PartyIndex,
    ) -> Pair<'a, C> {
        let (dealer_key, receiver_key) =
            (self.mask_point(public, dealer, receiver), self.mask_point(public, receiver, dealer));
        Pair { session, rid, dealer, receiver, dealer_key, receiver_key }
    }

    /// `Y_{owner,peer}`; the identity if a judge's made-up view lacks it.
    fn mask_point(&self, public: &Public, owner: PartyIndex, peer: PartyIndex) -> Point<C> {
        let position = public.parties.position_among_others(owner, peer);
        let opening = self.openings.get(&owner);
        opening.and_then(|opening| opening.mask_keys.get(position?).copied()).unwrap_or_default()
    }
}

impl From<ShareFault> for Fault {
    fn from(fault: ShareFault) -> Self {
        match fault {
            ShareFault::Share => Self::Share,
            ShareFault::FalseComplaint => Self::FalseComplaint,
            ShareFault::WrongOpening => Self::WrongOpening,
        }
    }
}
