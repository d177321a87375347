//! Round 3: open the commitment. Receivers check everything that must hold before they compute under the parameters.

use consign_rounds::{PartyIndex, SessionId};
use consign_zk::curve::Curve;
use consign_zk::level::Level;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Fault, Moduli, Public, View, round1};
use crate::sizes;

/// The opening of `V_i`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// The moduli, and the proof that can be made before the joint randomness exists.
    pub moduli: Moduli,
    /// This party's part of the joint randomness.
    pub rid: [u8; 32],
    /// Randomness of the commitment.
    pub nonce: [u8; 32],
}

pub(super) fn max_bytes(level: Level) -> usize {
    Moduli::max_bytes(level) + 3 * sizes::HASH
}

/// Checks a to e of 5.1, in that order.
pub(super) fn check<C: Curve>(
    public: &Public,
    view: &View,
    session: SessionId,
    from: PartyIndex,
    opening: &Broadcast,
) -> Result<(), Fault> {
    let expected = view.commitments.get(&from).map(|said| said.commitment).unwrap_or_default();
    if !bool::from(round1::commit(session, from, opening).ct_eq(&expected)) {
        return Err(Fault::Commitment);
    }
    public.scene(&session).check_moduli::<C>((from, &opening.moduli))
}
