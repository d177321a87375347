//! Resharing: the same key for another committee, threshold or both (`docs/spec/auxinfo-refresh.md`, 5.4).
//!
//! Exactly `t` holders of the old epoch deal, all holders of the new one receive; a party may do both. Rounds: 1 commit,
//! 2 echo, 3 open, 4 masked shares, 5 proof or complaint, 6 confirmation by the new holders. Dealers keep their old
//! shares until a [`Completion`] proves that all new holders have theirs.

use std::sync::OnceLock;

use consign_rounds::{
    Complaint, Heard, PartyIndex, PerParty, Protocol, Ruling, Said, SessionId, Speech, Step,
};
use consign_zk::curve::{Curve, Point};
use consign_zk::feldman::Commitments;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::epoch::{Pending, Record};
use crate::joint;
use crate::key::{KeyInfo, KeyShare};
pub use crate::sharing::NoAid;
use crate::sharing::{Answer, MaskedShare, Pair, ShareFault};
use crate::sizes;

mod completion;
pub mod confirmation;
mod public;
pub mod round1;
pub mod round3;
pub mod round4;
pub mod round5;
#[cfg(feature = "testing")]
pub mod testing;

pub use completion::Completion;
pub use public::{Public, ReshareError};

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

/// A resharing as one party runs it.
pub enum Reshare<C: Curve> {
    /// Committed; waiting for everybody's commitment.
    Round1(Box<round1::Round1<C>>),
    /// Waiting for everybody's echo of the commitments.
    Round2(Box<round1::Round1<C>>),
    /// Opened.
    Round3(Box<round1::Round1<C>>),
    /// Shares sent.
    Round4(round4::Round4<C>),
    /// Share proven, or a complaint made.
    Round5(round5::Round5<C>),
    /// Share stored and confirmed.
    Round6(Box<Reshared<C>>),
}

/// What a party has in the end.
pub struct Reshared<C: Curve> {
    /// The new epoch.
    pub info: KeyInfo<C>,
    /// Its auxiliary information.
    pub aux_id: [u8; 32],
    /// The party's share of it, if it is a new holder.
    pub pending: Option<Pending<C>>,
}

/// What a party tells everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Broadcast<C: Curve> {
    /// Commitments.
    Round1(round1::Broadcast),
    /// Echo of the commitments, which stands in the header.
    Round2,
    /// Openings.
    Round3(round3::Broadcast<C>),
    /// Nothing: round 4 is direct.
    Round4,
    /// A receiver's proof of its share, or complaint.
    Round5(Option<Answer<C>>),
    /// A receiver's confirmation.
    Round6(confirmation::Broadcast),
}

/// What a party tells one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Direct<C: Curve> {
    /// Nothing.
    None,
    /// A masked share `c_ij` from a dealer to a receiver, in round 4.
    Round4(Option<MaskedShare<C>>),
}

/// Rules a party can break, all provable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
pub enum Fault {
    /// Something that only the other role says, or nothing where the role says something.
    #[error("the message does not fit the sender's role")]
    Role,
    /// An opening does not match its commitment.
    #[error("the opening differs from the commitment")]
    Commitment,
    /// The Feldman vector does not have exactly `t'` entries.
    #[error("the number of coefficients differs from the new threshold")]
    Coefficients,
    /// Not exactly one mask key per peer of the other role.
    #[error("the number of mask keys differs from the number of peers")]
    MaskKeys,
    /// The dealer's constant is not its part of the key.
    #[error("the dealt share is not the dealer's share of the key")]
    OldShare,
    /// A complaint was made, and convicts one of the two.
    #[error(transparent)]
    Share(#[from] ShareFault),
    /// The Schnorr proof of the new share fails.
    #[error("the proof of the new share does not verify")]
    ShareProof,
    /// The confirmation is not of the result that the broadcasts imply.
    #[error("the confirmation contradicts the broadcasts")]
    Confirmation,
}

/// Ends for which nobody is to blame; run the protocol again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// A share came out as zero, with probability about 2^-256.
    #[error("the result is degenerate by chance; run the resharing again")]
    Degenerate,
}

/// Starts a resharing for the session's party `me`; a dealer brings its share.
pub fn start<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    me: PartyIndex,
    share: Option<&KeyShare<C>>,
    rng: &mut impl CryptoRng,
) -> Result<(Reshare<C>, Speech<Reshare<C>>), ReshareError> {
    let state = round1::draw(public, session, me, share, rng)?;
    let speech = say(public, me, Broadcast::Round1(round1::commit(&state)));
    Ok((Reshare::Round1(Box::new(state)), speech))
}

impl<C: Curve> Protocol for Reshare<C> {
    type Public = Public<C>;
    type View = View<C>;
    type Broadcast = Broadcast<C>;
    type Direct = Direct<C>;
    type Output = Reshared<C>;
    type Durable = Record;
    type Fault = Fault;
    type Failure = Failure;
    type Aid = NoAid<C>;

    const ROUNDS: u8 = 6;

    fn max_broadcast_bytes(public: &Public<C>, round: u8) -> usize {
        match round {
            1 => 2 * sizes::HASH,
            3 => round3::max_bytes(public),
            5 => Answer::<C>::max_bytes(Self::max_direct_bytes(public, 4)),
            _ => sizes::HASH,
        }
    }

    fn max_direct_bytes(_: &Public<C>, _: u8) -> usize {
        sizes::scalar::<C>() + sizes::HASH
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
        public: &Public<C>,
        view: &View<C>,
        _: &NoAid<C>,
        from: PartyIndex,
        to: PartyIndex,
        said: &Said<Self>,
        session: SessionId,
    ) -> Result<(), Fault> {
        match (&said.broadcast, &said.direct) {
            (Broadcast::Round1(said), _) => round1::check(public, from, said),
            (Broadcast::Round3(opening), _) => round3::check(public, view, session, from, opening),
            (Broadcast::Round4, Direct::Round4(share)) => round4::check(public, from, to, share.as_ref()),
            (Broadcast::Round5(answer), _) => round5::check(public, view, session, from, answer.as_ref()),
            (Broadcast::Round6(said), _) => confirmation::check(public, view, session, from, said),
            (Broadcast::Round2 | Broadcast::Round4, _) => Ok(()),
        }
    }

    fn record(view: &mut View<C>, _: u8, from: PartyIndex, broadcast: Broadcast<C>) {
        match broadcast {
            Broadcast::Round1(m) => drop(view.commitments.insert(from, m)),
            Broadcast::Round3(m) => {
                view.openings.insert(from, m);
                view.implied.take();
            }
            Broadcast::Round2 | Broadcast::Round4 | Broadcast::Round5(_) | Broadcast::Round6(_) => {}
        }
    }

    fn complaint(broadcast: &Broadcast<C>) -> Option<&Complaint> {
        let Broadcast::Round5(Some(Answer::Complaint(said))) = broadcast else { return None };
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
            (Direct::Round4(Some(share)), Broadcast::Round5(Some(Answer::Complaint(said)))) => {
                round5::rule(public, view, session, accuser, accused, share, &said.key)
            }
            _ => Ruling::Accuser(ShareFault::FalseComplaint.into()),
        }
    }

    fn advance(
        self,
        public: &Public<C>,
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
                let speech = say(public, state.me, Broadcast::Round3(state.opening.clone()));
                Step::Speak(Self::Round3(state), speech)
            }
            Self::Round3(state) => round4::speak(*state, public, view),
            Self::Round4(state) => round5::speak(state, public, view, directs),
            Self::Round5(state) => confirmation::speak(state, public, view),
            Self::Round6(result) => Step::Done(*result),
        }
    }
}

/// A broadcast with nothing direct and nothing to store.
fn say<C: Curve>(public: &Public<C>, me: PartyIndex, broadcast: Broadcast<C>) -> Speech<Reshare<C>> {
    let direct = public.parties().others(me).map(|to| (to, Direct::None)).collect();
    Speech { durable: None, broadcast, direct }
}

impl<C: Curve> Public<C> {
    /// Whether `party` deals and whether it receives.
    fn roles(&self, party: PartyIndex) -> (bool, bool) {
        (self.dealer(party).is_some(), self.receiver(party).is_some())
    }
}

impl<C: Curve> View<C> {
    /// `rid`: the exclusive or of the parts of all roles.
    fn rid(&self) -> [u8; 32] {
        let old = self.openings.values().filter_map(|opening| Some(&opening.old.as_ref()?.rid));
        let new = self.openings.values().filter_map(|opening| Some(&opening.new.as_ref()?.rid));
        joint::whole(old.chain(new))
    }

    /// The Feldman vector of the new sharing.
    fn sum(&self) -> Commitments<C> {
        let dealt = self.openings.values().filter_map(|opening| opening.old.as_ref());
        Commitments::sum(dealt.map(|old| &old.coefficients))
    }

    /// `X'_l`, the new public share of a receiver.
    fn public_share(&self, public: &Public<C>, session: SessionId, receiver: PartyIndex) -> Point<C> {
        let share = |new| self.implied(public, session).info.public_share(new).copied();
        public.receiver(receiver).and_then(share).unwrap_or_default()
    }

    /// `[h_dealer(idx'_receiver)]G`; the identity if a judge's made-up view lacks it.
    fn share_of(&self, public: &Public<C>, dealer: PartyIndex, receiver: PartyIndex) -> Point<C> {
        let share = || {
            let old = self.openings.get(&dealer)?.old.as_ref()?;
            Some(old.coefficients.evaluate(public.receiver(receiver)?.get()))
        };
        share().unwrap_or_default()
    }

    fn pair<'a>(
        &self,
        public: &Public<C>,
        session: SessionId,
        rid: &'a [u8; 32],
        dealer: PartyIndex,
        receiver: PartyIndex,
    ) -> Pair<'a, C> {
        let dealer_key = || {
            let position = public.receivers_but(dealer).position(|j| j == receiver)?;
            self.openings.get(&dealer)?.old.as_ref()?.mask_keys.get(position).copied()
        };
        let receiver_key = || {
            let position = public.dealers_but(receiver).position(|i| i == dealer)?;
            self.openings.get(&receiver)?.new.as_ref()?.mask_keys.get(position).copied()
        };
        let (dealer_key, receiver_key) =
            (dealer_key().unwrap_or_default(), receiver_key().unwrap_or_default());
        Pair { session, rid, dealer, receiver, dealer_key, receiver_key }
    }
}
