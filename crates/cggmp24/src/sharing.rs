//! Dealing shares that convict: masked on their way, checked against Feldman commitments, and with complaints that
//! everybody can decide (`docs/spec/primitives.md`, 2.5 and 2.7). Key generation, refresh and resharing deal alike.

use std::marker::PhantomData;

use consign_rounds::limits::ENVELOPE_BYTES;
use consign_rounds::{Complaint, Heard, PartyIndex, PerParty, Protocol, Ruling, SessionId, decode};
use consign_zk::context::{Context, Role};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::level::Level;
use consign_zk::sch;
use consign_zk::secret::Secret;
use consign_zk::transcript::{Purpose, Transcript};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::sizes;

/// The round in which shares travel.
pub(crate) const SHARE_ROUND: u8 = 4;

/// The round of the proof of the final share, or of a complaint.
pub(crate) const PROOF_ROUND: u8 = 5;

/// `c_ij = f_i(j) + rho_ij`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct MaskedShare<C: Curve> {
    /// The masked share.
    pub masked: Scalar<C>,
}

/// A complaint with what everybody needs to decide it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct OpenedComplaint<C: Curve> {
    /// Whose share is bad, and what it sent.
    pub complaint: Complaint,
    /// `y_{me,dealer}`, the secret of the mask key for this dealer.
    pub key: Scalar<C>,
}

/// What a receiver says about its shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Answer<C: Curve> {
    /// All are good; proof of the final share.
    Proof(sch::Proof<C>),
    /// A dealer's share is bad.
    Complaint(Box<OpenedComplaint<C>>),
}

impl<C: Curve> Answer<C> {
    /// Longest encoding, for direct parts of at most `direct` bytes.
    pub(crate) fn max_bytes(direct: usize) -> usize {
        direct + ENVELOPE_BYTES + sizes::scalar::<C>() + sizes::HASH
    }

    /// A complaint; `key` opens the mask of the share that it is about.
    pub(crate) fn complaint(complaint: Complaint, key: Scalar<C>) -> Self {
        Self::Complaint(Box::new(OpenedComplaint { complaint, key }))
    }
}

/// These protocols need no accelerator.
pub struct NoAid<C>(PhantomData<C>);

impl<C> Default for NoAid<C> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What a complaint finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
pub enum ShareFault {
    /// The masked share contradicts the dealer's Feldman vector.
    #[error("the share contradicts the dealer's coefficients")]
    Share,
    /// The complaint is false: the share is good.
    #[error("the complaint is about a good share")]
    FalseComplaint,
    /// The complaint opens another key than the accuser's mask key.
    #[error("the complaint opens a wrong mask key")]
    WrongOpening,
}

/// The secrets `y_{me,peer}` of the masks, one per peer.
pub(crate) type MaskKeys<C> = PerParty<Secret<Scalar<C>>>;

/// The points shared with each peer, from which the masks of both directions are hashed.
pub(crate) type SharedPoints<C> = PerParty<Secret<Point<C>>>;

/// Draws a mask key for each peer.
pub(crate) fn draw_mask_keys<C: Curve>(
    peers: impl Iterator<Item = PartyIndex>,
    rng: &mut impl CryptoRng,
) -> MaskKeys<C> {
    peers.map(|peer| (peer, Secret::new(Scalar::random_nonzero(rng)))).collect()
}

/// `Y_{me,peer}`, ascending.
pub(crate) fn public_mask_keys<C: Curve>(keys: &MaskKeys<C>) -> Vec<Point<C>> {
    keys.values().map(|y| Point::mul_generator(y.expose())).collect()
}

/// One dealer and one receiver, with what both have published for each other.
pub(crate) struct Pair<'a, C: Curve> {
    pub(crate) session: SessionId,
    pub(crate) rid: &'a [u8; 32],
    pub(crate) dealer: PartyIndex,
    pub(crate) receiver: PartyIndex,
    /// `Y_{dealer,receiver}`.
    pub(crate) dealer_key: Point<C>,
    /// `Y_{receiver,dealer}`.
    pub(crate) receiver_key: Point<C>,
}

impl<C: Curve> Pair<'_, C> {
    /// The point that both share, from the dealer's secret `key`. Both directions hash it, so it keeps its encoding.
    pub(crate) fn shared(&self, key: &Scalar<C>) -> Secret<Point<C>> {
        Secret::new((self.receiver_key * *key).keeping_encoding())
    }

    /// Masks a share under the dealer's secret `key`.
    pub(crate) fn seal(&self, share: &Scalar<C>, key: &Scalar<C>) -> MaskedShare<C> {
        self.seal_under(share, self.shared(key).expose())
    }

    /// Masks a share under the point that both share.
    pub(crate) fn seal_under(&self, share: &Scalar<C>, shared: &Point<C>) -> MaskedShare<C> {
        MaskedShare { masked: *share + mask(self.session, self.rid, self.dealer, self.receiver, shared) }
    }

    /// The share, if it is the logarithm of `expected`; `key` is the receiver's secret.
    pub(crate) fn open(
        &self,
        sent: &MaskedShare<C>,
        key: &Scalar<C>,
        expected: &Point<C>,
    ) -> Option<Scalar<C>> {
        self.open_under(sent, Secret::new(self.dealer_key * *key).expose(), expected)
    }

    /// As [`Pair::open`], with the point that both share.
    pub(crate) fn open_under(
        &self,
        sent: &MaskedShare<C>,
        shared: &Point<C>,
        expected: &Point<C>,
    ) -> Option<Scalar<C>> {
        let share = sent.masked - mask(self.session, self.rid, self.dealer, self.receiver, shared);
        (Point::mul_generator(&share) == *expected).then_some(share)
    }

    /// Opens the mask with the accuser's key and looks at the share.
    pub(crate) fn rule(
        &self,
        sent: &MaskedShare<C>,
        key: &Scalar<C>,
        expected: &Point<C>,
    ) -> Ruling<ShareFault> {
        if Point::mul_generator(key) != self.receiver_key {
            return Ruling::Accuser(ShareFault::WrongOpening);
        }
        match self.open(sent, key, expected) {
            Some(_) => Ruling::Accuser(ShareFault::FalseComplaint),
            None => Ruling::Accused(ShareFault::Share),
        }
    }
}

/// A ruling in the words of one protocol.
pub(crate) fn translate<F: From<ShareFault>>(ruling: Ruling<ShareFault>) -> Ruling<F> {
    match ruling {
        Ruling::Accused(fault) => Ruling::Accused(fault.into()),
        Ruling::Accuser(fault) => Ruling::Accuser(fault.into()),
    }
}

// DEVIATION 2: shares travel masked, and a bad one leads to a public complaint.
/// `rho_{i->j} = H("mask", sid, rid, i, j, shared point)`. The direction is hashed: the point is the same both ways.
pub(crate) fn mask<C: Curve>(
    session: SessionId,
    rid: &[u8; 32],
    from: PartyIndex,
    to: PartyIndex,
    shared: &Point<C>,
) -> Scalar<C> {
    let mut transcript = Transcript::new(Purpose::ShareMask);
    transcript
        .bytes("sid", &session.0)
        .bytes("rid", rid)
        .number("from", from.get().into())
        .number("to", to.get().into())
        .point("shared", shared);
    transcript.challenge_scalar()
}

/// Adds up the shares that all dealers sent, or stops at the first bad one, with what to complain about.
///
/// `open` gives the share in a direct part if it is good; it is asked for dealers only. A mistaken complaint shows the
/// world a point of an honest polynomial and convicts the accuser, so the share is recomputed from the signed bytes
/// before anything is said (2.7).
pub(crate) fn add_up<C: Curve, P: Protocol>(
    own: &Scalar<C>,
    directs: impl Iterator<Item = (PartyIndex, Heard<P>)>,
    max_direct_bytes: usize,
    open: impl Fn(PartyIndex, &P::Direct) -> Option<Scalar<C>>,
) -> Result<Zeroizing<Scalar<C>>, Box<Complaint>> {
    let mut sum = Zeroizing::new(*own);
    for (from, heard) in directs {
        let open = |direct: &P::Direct| open(from, direct).map(Zeroizing::new);
        let again = || decode(&heard.envelope.direct, max_direct_bytes).ok();
        match open(&heard.direct).or_else(|| open(&again()?)) {
            Some(part) => *sum = *sum + *part,
            None => return Err(Box::new(Complaint { against: from, envelope: heard.envelope })),
        }
    }
    Ok(sum)
}

/// The context of the proof that `from` holds its final share.
pub(crate) fn proof_context<'a>(
    level: Level,
    role: Role,
    session: &'a SessionId,
    from: PartyIndex,
    rid: &'a [u8; 32],
) -> Context<'a> {
    Context {
        level,
        session: &session.0,
        role,
        round: PROOF_ROUND,
        prover: from.get(),
        verifier: None,
        rid: Some(rid),
    }
}
