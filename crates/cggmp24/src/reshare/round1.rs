//! Round 1: a dealer draws a polynomial whose constant is its part of the key, a receiver the first step of its proof;
//! both draw keys for masks, and commit. Who plays both roles does both, with separate keys and commitments.

use consign_rounds::{PartyIndex, SessionId};
use consign_zk::curve::{Curve, Scalar};
use consign_zk::feldman::Polynomial;
use consign_zk::sch;
use consign_zk::transcript::{Purpose, Transcript};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::public::Dealer;
use super::{Fault, Public, ReshareError, round3};
use crate::joint::random_part;
use crate::key::KeyShare;
use crate::sharing::{MaskKeys, draw_mask_keys, public_mask_keys};

/// Kept until shares are sent.
pub struct Round1<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) dealing: Option<Dealing<C>>,
    pub(super) receiving: Option<Receiving<C>>,
    pub(super) opening: round3::Broadcast<C>,
}

/// A dealer's secrets.
pub(super) struct Dealing<C: Curve> {
    pub(super) polynomial: Polynomial<C>,
    pub(super) mask_keys: MaskKeys<C>,
}

/// A receiver's secrets.
pub(super) struct Receiving<C: Curve> {
    pub(super) mask_keys: MaskKeys<C>,
    pub(super) proof: sch::Commitment<C>,
}

/// `V_i` and `V'_j`: one for each role of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// Hash of the dealer's opening.
    pub old: Option<[u8; 32]>,
    /// Hash of the receiver's opening.
    pub new: Option<[u8; 32]>,
}

pub(super) fn draw<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    me: PartyIndex,
    share: Option<&KeyShare<C>>,
    rng: &mut impl CryptoRng,
) -> Result<Round1<C>, ReshareError> {
    let (dealing, old) = match (public.dealer(me), share) {
        (Some(dealer), Some(share)) if share.info() == public.base() && share.index() == dealer.old => {
            Some(deal(public, me, dealer, share, rng)).unzip()
        }
        (None, None) => (None, None),
        _ => return Err(ReshareError::OtherKey),
    };
    let (receiving, new) = public.receiver(me).map(|_| receive(public, me, rng)).unzip();
    if dealing.is_none() && receiving.is_none() {
        return Err(ReshareError::NoRole);
    }
    let opening = round3::Broadcast { old: old.map(Box::new), new: new.map(Box::new) };
    Ok(Round1 { me, session, dealing, receiving, opening })
}

fn deal<C: Curve>(
    public: &Public<C>,
    me: PartyIndex,
    dealer: &Dealer<C>,
    share: &KeyShare<C>,
    rng: &mut impl CryptoRng,
) -> (Dealing<C>, round3::Old<C>) {
    // The polynomial erases its coefficients, the constant among them.
    let constant: Scalar<C> = dealer.lambda * *share.secret().expose();
    let polynomial = Polynomial::with_constant(constant, public.threshold(), rng);
    let mask_keys = draw_mask_keys(public.receivers_but(me), rng);
    let opening = round3::Old {
        coefficients: polynomial.commit(),
        mask_keys: public_mask_keys(&mask_keys),
        rid: random_part(rng),
        nonce: random_part(rng),
    };
    (Dealing { polynomial, mask_keys }, opening)
}

fn receive<C: Curve>(
    public: &Public<C>,
    me: PartyIndex,
    rng: &mut impl CryptoRng,
) -> (Receiving<C>, round3::New<C>) {
    let mask_keys = draw_mask_keys(public.dealers_but(me), rng);
    let proof = sch::Commitment::random(rng);
    let opening = round3::New {
        mask_keys: public_mask_keys(&mask_keys),
        first_message: proof.public(),
        rid: random_part(rng),
        nonce: random_part(rng),
    };
    (Receiving { mask_keys, proof }, opening)
}

pub(super) fn commit<C: Curve>(state: &Round1<C>) -> Broadcast {
    let Round1 { me, session, opening, .. } = state;
    Broadcast {
        old: opening.old.as_ref().map(|old| hash_old(*session, *me, old)),
        new: opening.new.as_ref().map(|new| hash_new(*session, *me, new)),
    }
}

/// One commitment for each role, no more.
pub(super) fn check<C: Curve>(
    public: &Public<C>,
    from: PartyIndex,
    broadcast: &Broadcast,
) -> Result<(), Fault> {
    let roles = (broadcast.old.is_some(), broadcast.new.is_some());
    if roles == public.roles(from) { Ok(()) } else { Err(Fault::Role) }
}

/// `V_i = H("commit/reshare-old", sid, i, (C_ik)_k, (Y_ij)_j, rid_i, u_i)`.
pub(super) fn hash_old<C: Curve>(session: SessionId, from: PartyIndex, old: &round3::Old<C>) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::CommitReshareOld);
    transcript
        .bytes("sid", &session.0)
        .number("i", from.get().into())
        .points("C", old.coefficients.0.iter())
        .points("Y", old.mask_keys.iter())
        .bytes("rid", &old.rid)
        .bytes("u", &old.nonce);
    transcript.hash()
}

/// `V'_j = H("commit/reshare-new", sid, j, (Y'_ji)_i, A_j, rid_j, u_j)`.
pub(super) fn hash_new<C: Curve>(session: SessionId, from: PartyIndex, new: &round3::New<C>) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::CommitReshareNew);
    transcript
        .bytes("sid", &session.0)
        .number("i", from.get().into())
        .points("Y", new.mask_keys.iter())
        .point("A", &new.first_message)
        .bytes("rid", &new.rid)
        .bytes("u", &new.nonce);
    transcript.hash()
}
