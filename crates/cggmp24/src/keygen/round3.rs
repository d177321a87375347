//! Round 3: open the commitment. Sent only after all commitments are in and all parties echoed the same ones.

use consign_rounds::{PartyIndex, SessionId};
use consign_zk::curve::{Curve, Point};
use consign_zk::feldman::Commitments;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Fault, Public, View, round1};
use crate::sizes;

/// The opening of `V_i`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Broadcast<C: Curve> {
    /// This party's part of the joint randomness.
    pub rid: [u8; 32],
    /// `C_ik`, exactly `t` of them.
    pub coefficients: Commitments<C>,
    /// First message `A_i` of the proof of the final share.
    pub first_message: Point<C>,
    /// `Y_ij` for every other party `j`, ascending.
    pub mask_keys: Vec<Point<C>>,
    /// This party's part of the chain code, if the key has one.
    pub chain_code: Option<[u8; 32]>,
    /// Randomness of the commitment.
    pub nonce: [u8; 32],
}

pub(super) fn max_bytes<C: Curve>(public: &Public) -> usize {
    let points = usize::from(public.threshold) + public.parties.count();
    (points + 1) * sizes::point::<C>() + 4 * sizes::HASH
}

pub(super) fn check<C: Curve>(
    public: &Public,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    opening: &Broadcast<C>,
) -> Result<(), Fault> {
    let expected = view.commitments.get(&from).map(|said| said.commitment).unwrap_or_default();
    if !bool::from(round1::commit(session, from, opening).ct_eq(&expected)) {
        return Err(Fault::Commitment);
    }
    if opening.coefficients.0.len() != usize::from(public.threshold) {
        return Err(Fault::Coefficients);
    }
    if opening.mask_keys.len() + 1 != public.parties.count() {
        return Err(Fault::MaskKeys);
    }
    // C_i0, A_i and Y_ij are not the identity: the decoder has no encoding for it.
    if opening.chain_code.is_some() != public.derivable {
        return Err(Fault::ChainCode);
    }
    Ok(())
}
