//! Liars for tests: parties that go on with other secrets than those they committed to.

use consign_zk::curve::{Curve, Scalar};
use consign_zk::secret::Secret;

use super::Presign;

/// Which secret a liar replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `k`.
    Nonce,
    /// `gamma`.
    Mask,
    /// `w`, the share in additive form.
    Share,
}

/// The secrets behind one slot of a party's first broadcast.
pub struct Committed<C: Curve> {
    /// The nonce share.
    pub k: Scalar<C>,
    /// Its mask.
    pub gamma: Scalar<C>,
    /// Randomness of the ElGamal commitment to `k`.
    pub a: Scalar<C>,
    /// Randomness of the ElGamal commitment to `gamma`.
    pub b: Scalar<C>,
    /// The share in additive form.
    pub w: Scalar<C>,
}

/// What a party in round 1 has committed to in `slot`; `None` later.
pub fn committed<C: Curve>(state: &Presign<C>, slot: usize) -> Option<Committed<C>> {
    let Presign::Round1(state) = state else { return None };
    let own = state.slots.get(slot)?;
    let copy = |secret: &Secret<Scalar<C>>| *secret.expose();
    Some(Committed {
        k: copy(&own.k),
        gamma: copy(&own.gamma),
        a: copy(&own.a),
        b: copy(&own.b),
        w: copy(&state.w),
    })
}

/// Adds one to a secret of a party that has sent round 1 or round 2; the mask only after round 1.
pub fn increment<C: Curve>(state: Presign<C>, slot: usize, which: Which) -> Presign<C> {
    let add = |secret: &mut Secret<Scalar<C>>| *secret = Secret::new(*secret.expose() + Scalar::one());
    match state {
        Presign::Round1(mut state) => {
            match (which, state.slots.get_mut(slot)) {
                (Which::Nonce, Some(own)) => add(&mut own.k),
                (Which::Mask, Some(own)) => add(&mut own.gamma),
                (Which::Share, _) => add(&mut state.w),
                (Which::Nonce | Which::Mask, None) => {}
            }
            Presign::Round1(state)
        }
        Presign::Round2(mut state) => {
            match (which, state.slots.get_mut(slot)) {
                (Which::Nonce, Some(own)) => add(&mut own.k),
                (Which::Mask, Some(own)) => add(&mut own.gamma),
                (Which::Share, _) => add(&mut state.w),
                (Which::Nonce | Which::Mask, None) => {}
            }
            Presign::Round2(state)
        }
        other @ (Presign::Echo(_) | Presign::Round3(_) | Presign::Closing(_)) => other,
    }
}
