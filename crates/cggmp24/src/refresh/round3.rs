//! Round 3: open the commitment. Sent only after all commitments are in and all parties echoed the same ones.

use consign_rounds::{PartyIndex, SessionId};
use consign_zk::curve::{Curve, Point};
use consign_zk::feldman::Commitments;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Fault, Moduli, Public, View, round1};
use crate::sizes;

/// The opening of `V_i`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Broadcast<C: Curve> {
    /// This party's part of the joint randomness.
    pub rid: [u8; 32],
    /// `C_ik` for `0 < k < t`. There is no `C_i0`: the polynomial is zero at zero.
    pub coefficients: Commitments<C>,
    /// First message `A_i` of the proof of the final share.
    pub first_message: Point<C>,
    /// `Y_ij` for every other party `j`, ascending.
    pub mask_keys: Vec<Point<C>>,
    /// New moduli, if they are renewed.
    pub moduli: Option<Box<Moduli>>,
    /// Randomness of the commitment.
    pub nonce: [u8; 32],
}

pub(super) fn max_bytes<C: Curve>(public: &Public<C>) -> usize {
    let points = usize::from(public.base().threshold) + public.parties().count();
    let moduli = if public.renews() { Moduli::max_bytes(public.base().level) } else { 0 };
    (points + 1) * sizes::point::<C>() + moduli + 4 * sizes::HASH
}

pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    opening: &Broadcast<C>,
) -> Result<(), Fault> {
    let expected = view.commitments.get(&from).map(|said| said.commitment).unwrap_or_default();
    if !bool::from(round1::hash(session, from, opening).ct_eq(&expected)) {
        return Err(Fault::Commitment);
    }
    if opening.coefficients.0.len() + 1 != usize::from(public.base().threshold) {
        return Err(Fault::Coefficients);
    }
    if opening.mask_keys.len() + 1 != public.parties().count() {
        return Err(Fault::MaskKeys);
    }
    match &opening.moduli {
        Some(moduli) if public.renews() => {
            Ok(public.scene(&session).check_moduli::<C>((from, moduli.as_ref()))?)
        }
        None if !public.renews() => Ok(()),
        _ => Err(Fault::Renewal),
    }
}
