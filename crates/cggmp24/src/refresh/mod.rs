//! Key refresh: the same key, new shares, and by default new moduli (`docs/spec/auxinfo-refresh.md`, 5.2 and 5.3).
//!
//! Rounds: 1 commit, 2 echo, 3 open, 4 masked shares of zero, 5 proof or complaint, 6 confirmation. With new moduli the
//! rounds 1 to 4 carry those of [`crate::aux_info`] too. All holders take part. The threshold is the key's: nothing here
//! can change it (attack A-73).

use std::sync::OnceLock;

use consign_rounds::{
    Complaint, Heard, PartyIndex, PerParty, Protocol, Ruling, Said, SessionId, Speech, Step,
};
use consign_zk::curve::{Curve, Point};
use consign_zk::feldman::Commitments;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::aux_info::moduli::{Offer, Scene};
use crate::aux_info::{self, Moduli, Primes};
use crate::epoch::{Pending, Record};
use crate::joint;
use crate::key::KeyShare;
pub use crate::sharing::NoAid;
use crate::sharing::{Pair, ShareFault};

pub mod confirmation;
mod public;
pub mod round1;
pub mod round3;
pub mod round4;
pub mod round5;
#[cfg(feature = "testing")]
pub mod testing;

pub use confirmation::is_complete;
pub use public::{Public, RefreshError};

/// All broadcasts so far.
pub struct View<C: Curve> {
    commitments: PerParty<round1::Broadcast>,
    openings: PerParty<round3::Broadcast<C>>,
    implied: OnceLock<confirmation::Implied<C>>,
}

impl<C: Curve> Default for View<C> {
    fn default() -> Self {
        Self { commitments: PerParty::new(), openings: PerParty::new(), implied: OnceLock::new() }
    }
}

/// A refresh as one party runs it.
pub enum Refresh<C: Curve> {
    /// Committed; waiting for everybody's commitment.
    Round1(Box<round1::Round1<C>>),
    /// Waiting for everybody's echo of the commitments.
    Round2(Box<round1::Round1<C>>),
    /// Opened.
    Round3(Box<round1::Round1<C>>),
    /// Shares sent, moduli proven.
    Round4(round4::Round4<C>),
    /// Share proven, or a complaint made.
    Round5(round5::Round5<C>),
    /// Share stored and confirmed.
    Round6(Box<Pending<C>>),
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
    /// Proof of the Paillier modulus, if moduli are renewed.
    Round4(Option<Box<aux_info::round4::Broadcast>>),
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
    Round4(Box<round4::Direct<C>>),
}

/// Rules a party can break, all provable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
pub enum Fault {
    /// Opening does not match the commitment.
    #[error("the opening differs from the commitment")]
    Commitment,
    /// Not exactly `t-1` coefficients: a constant that is not zero, or another threshold.
    #[error("the number of coefficients differs from the threshold less one")]
    Coefficients,
    /// Not exactly one mask key per peer.
    #[error("the number of mask keys differs from the number of peers")]
    MaskKeys,
    /// New moduli or their proofs are missing or superfluous.
    #[error("new moduli are missing or superfluous")]
    Renewal,
    /// Something is wrong with the new moduli.
    #[error(transparent)]
    Aux(#[from] aux_info::Fault),
    /// A complaint was made, and convicts one of the two.
    #[error(transparent)]
    Share(#[from] ShareFault),
    /// The Schnorr proof of the final share fails.
    #[error("the proof of the refreshed share does not verify")]
    ShareProof,
    /// The confirmation is not of the result that the broadcasts imply.
    #[error("the confirmation contradicts the broadcasts")]
    Confirmation,
}

/// Ends for which nobody is to blame; run the protocol again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// A share came out as zero, with probability about 2^-256.
    #[error("the result is degenerate by chance; run the refresh again")]
    Degenerate,
}

/// Starts a refresh of `share`, with primes that were never used if moduli are renewed.
pub fn start<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    share: &KeyShare<C>,
    primes: Option<Primes>,
    rng: &mut impl CryptoRng,
) -> Result<(Refresh<C>, Speech<Refresh<C>>), RefreshError> {
    let state = round1::draw(public, session, share, primes, rng)?;
    let speech = say(public, state.me, Broadcast::Round1(round1::commit(&state)));
    Ok((Refresh::Round1(Box::new(state)), speech))
}

impl<C: Curve> Protocol for Refresh<C> {
    type Public = Public<C>;
    type View = View<C>;
    type Broadcast = Broadcast<C>;
    type Direct = Direct<C>;
    type Output = Pending<C>;
    type Durable = Record;
    type Fault = Fault;
    type Failure = Failure;
    type Aid = NoAid<C>;

    const ROUNDS: u8 = 6;

    fn max_broadcast_bytes(public: &Public<C>, round: u8) -> usize {
        match round {
            3 => round3::max_bytes(public),
            4 => round4::max_broadcast_bytes(public),
            5 => round5::max_bytes(public),
            _ => crate::sizes::HASH,
        }
    }

    fn max_direct_bytes(public: &Public<C>, round: u8) -> usize {
        if round == 4 { round4::max_direct_bytes(public) } else { crate::sizes::HASH }
    }

    fn fits_broadcast(round: u8, broadcast: &Broadcast<C>) -> bool {
        round
            == match broadcast {
                Broadcast::Round1(_) => 1,
                Broadcast::Round2 => 2,
                Broadcast::Round3(_) => 3,
                Broadcast::Round4(_) => 4,
                Broadcast::Round5(_) => 5,
                Broadcast::Round6(_) => 6,
            }
    }

    fn fits_direct(round: u8, direct: &Direct<C>) -> bool {
        matches!(direct, Direct::Round4(_)) == (round == 4)
    }

    fn check(
        public: &Public<C>,
        view: &View<C>,
        _: &NoAid<C>,
        from: PartyIndex,
        to: PartyIndex,
        said: &Said<Self>,
        session: SessionId,
    ) -> Result<(), Fault> {
        match (&said.broadcast, &said.direct) {
            (Broadcast::Round3(opening), _) => round3::check(public, view, session, from, opening),
            (Broadcast::Round4(proof), Direct::Round4(direct)) => {
                let proofs = (proof.as_deref(), direct.proof.as_ref());
                round4::check(public, view, session, from, to, proofs)
            }
            (Broadcast::Round5(broadcast), _) => round5::check(public, view, session, from, broadcast),
            (Broadcast::Round6(broadcast), _) => confirmation::check(public, view, session, broadcast),
            (Broadcast::Round1(_) | Broadcast::Round2 | Broadcast::Round4(_), _) => Ok(()),
        }
    }

    fn record(view: &mut View<C>, _: u8, from: PartyIndex, broadcast: Broadcast<C>) {
        match broadcast {
            Broadcast::Round1(m) => drop(view.commitments.insert(from, m)),
            Broadcast::Round3(m) => {
                view.openings.insert(from, *m);
                view.implied.take();
            }
            Broadcast::Round2 | Broadcast::Round4(_) | Broadcast::Round5(_) | Broadcast::Round6(_) => {}
        }
    }

    fn complaint(broadcast: &Broadcast<C>) -> Option<&Complaint> {
        let Broadcast::Round5(round5::Broadcast::Complaint(said)) = broadcast else { return None };
        Some(&said.complaint)
    }

    fn rule(
        public: &Public<C>,
        view: &View<C>,
        accuser: PartyIndex,
        accused: PartyIndex,
        direct: &Direct<C>,
        broadcast: &Broadcast<C>,
        session: SessionId,
    ) -> Ruling<Fault> {
        match (direct, broadcast) {
            (Direct::Round4(sent), Broadcast::Round5(round5::Broadcast::Complaint(said))) => {
                round5::rule(public, view, session, accuser, accused, &sent.share, &said.key)
            }
            _ => Ruling::Accuser(ShareFault::FalseComplaint.into()),
        }
    }

    fn advance(
        self,
        public: &Public<C>,
        view: &View<C>,
        directs: PerParty<Heard<Self>>,
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
            Self::Round3(state) => round4::speak(*state, public, view, rng),
            Self::Round4(state) => round5::speak(state, public, view, directs),
            Self::Round5(state) => confirmation::speak(state, public, view),
            Self::Round6(pending) => Step::Done(*pending),
        }
    }
}

/// A broadcast with nothing direct and nothing to store.
fn say<C: Curve>(public: &Public<C>, me: PartyIndex, broadcast: Broadcast<C>) -> Speech<Refresh<C>> {
    let direct = public.parties().others(me).map(|to| (to, Direct::None)).collect();
    Speech { durable: None, broadcast, direct }
}

impl<C: Curve> View<C> {
    /// `rid`: the exclusive or of all parts.
    fn rid(&self) -> [u8; 32] {
        joint::whole(self.openings.values().map(|opening| &opening.rid))
    }

    /// `X_l*` of all parties.
    fn public_shares(&self, public: &Public<C>) -> Vec<Point<C>> {
        let all = Commitments::sum(self.openings.values().map(|opening| &opening.coefficients));
        let old = public.base().public_shares.iter();
        public.parties().indices().zip(old).map(|(l, old)| *old + at(&all, l)).collect()
    }

    /// `[f_dealer(receiver)]G`; the identity if a judge's made-up view lacks it.
    fn share_of(&self, dealer: PartyIndex, receiver: PartyIndex) -> Point<C> {
        let opening = self.openings.get(&dealer);
        opening.map(|opening| at(&opening.coefficients, receiver)).unwrap_or_default()
    }

    fn pair<'a>(
        &self,
        public: &Public<C>,
        session: SessionId,
        rid: &'a [u8; 32],
        dealer: PartyIndex,
        receiver: PartyIndex,
    ) -> Pair<'a, C> {
        let key = |owner, peer| {
            let position = public.parties().position_among_others(owner, peer);
            let opening = self.openings.get(&owner);
            opening.and_then(|opening| opening.mask_keys.get(position?).copied()).unwrap_or_default()
        };
        let (dealer_key, receiver_key) = (key(dealer, receiver), key(receiver, dealer));
        Pair { session, rid, dealer, receiver, dealer_key, receiver_key }
    }

    /// What `party` opened, if moduli are renewed.
    fn moduli(&self, party: PartyIndex) -> Option<&Moduli> {
        self.openings.get(&party).and_then(|opening| opening.moduli.as_deref())
    }

    /// What everybody opened, if moduli are renewed.
    fn offers(&self) -> impl Iterator<Item = Offer<'_>> {
        self.openings.iter().filter_map(|(party, opening)| Some((*party, opening.moduli.as_deref()?)))
    }
}

impl<C: Curve> Public<C> {
    fn scene<'a>(&self, session: &'a SessionId) -> Scene<'a> {
        Scene { level: self.base().level, session }
    }
}

/// `[f(index)]G` for commitments to the coefficients 1 to `t-1` of a polynomial with `f(0) = 0`.
fn at<C: Curve>(coefficients: &Commitments<C>, index: PartyIndex) -> Point<C> {
    coefficients.evaluate(index.get()) * consign_zk::curve::Scalar::from_u64(index.get().into())
}
