//! Round 3: open the commitment. Receivers check everything that must hold before they compute under the parameters.

use consign_modexp::{SMALL_FACTOR_BOUND, small_factor};
use consign_rounds::{PartyIndex, SessionId};
use consign_zk::curve::Curve;
use consign_zk::level::Level;
use consign_zk::natural::Natural;
use consign_zk::paillier::EncryptionKey;
use consign_zk::prm;
use consign_zk::ring_pedersen::{Parameters, RingPedersen};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Fault, Public, View, round1};
use crate::sizes;

/// The opening of `V_i`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// Paillier modulus.
    pub n: Natural,
    /// Ring-Pedersen parameters.
    pub ring: Parameters,
    /// Proof that `s` is a power of `t`.
    pub proof: prm::Proof,
    /// This party's part of the joint randomness.
    pub rid: [u8; 32],
    /// Randomness of the commitment.
    pub nonce: [u8; 32],
}

pub(super) fn max_bytes(level: Level) -> usize {
    (4 + 2 * level.parameters().repetitions) * sizes::moduli(level, 1) + 3 * sizes::HASH
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
    let paillier = EncryptionKey::new(&opening.n, public.level).map_err(|_| Fault::Modulus)?;
    let has_small_factor = |n: &Natural| small_factor(n.value(), SMALL_FACTOR_BOUND).is_some();
    if has_small_factor(&opening.n) || has_small_factor(&opening.ring.modulus) {
        return Err(Fault::Modulus);
    }
    let ring = RingPedersen::new(&opening.ring, public.level).map_err(|_| Fault::RingPedersen)?;
    let composite = consign_modexp::fermat_composites(&[paillier.n(), ring.modulus()]);
    if composite.iter().any(|composite| !composite) {
        return Err(Fault::Modulus);
    }
    if !paillier.n().is_unit(&paillier.n().reduce(ring.modulus().value())) {
        return Err(Fault::OwnFactor);
    }
    let statement = prm::Statement { ring: &ring };
    prm::verify::<C>(&round1::context(public, &session, from), &statement, &opening.proof)
        .map_err(|_| Fault::ProofPrm)
}
