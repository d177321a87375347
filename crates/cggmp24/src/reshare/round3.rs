//! Round 3: open the commitments. A dealer's constant must be its part of the key as everybody knows it: whoever lies
//! about its old share is named here (attack A-72).

use consign_rounds::{PartyIndex, SessionId};
use consign_zk::curve::{Curve, Point};
use consign_zk::feldman::Commitments;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Fault, Public, View, round1};
use crate::sizes;

/// The openings of `V_i` and `V'_i`, as far as the sender has the role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Broadcast<C: Curve> {
    /// A dealer's.
    pub old: Option<Box<Old<C>>>,
    /// A receiver's.
    pub new: Option<Box<New<C>>>,
}

/// What a dealer opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Old<C: Curve> {
    /// `C_ik`, exactly `t'` of them.
    pub coefficients: Commitments<C>,
    /// `Y_ij` for every other receiver `j`, ascending.
    pub mask_keys: Vec<Point<C>>,
    /// This role's part of the joint randomness.
    pub rid: [u8; 32],
    /// Randomness of the commitment.
    pub nonce: [u8; 32],
}

/// What a receiver opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct New<C: Curve> {
    /// `Y'_ji` for every other dealer `i`, ascending.
    pub mask_keys: Vec<Point<C>>,
    /// First message `A_j` of the proof of the final share.
    pub first_message: Point<C>,
    /// This role's part of the joint randomness.
    pub rid: [u8; 32],
    /// Randomness of the commitment.
    pub nonce: [u8; 32],
}

pub(super) fn max_bytes<C: Curve>(public: &Public<C>) -> usize {
    let parties = public.holders().count() + public.quorum().count();
    (usize::from(public.threshold()) + parties + 1) * sizes::point::<C>() + 6 * sizes::HASH
}

pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    opening: &Broadcast<C>,
) -> Result<(), Fault> {
    if (opening.old.is_some(), opening.new.is_some()) != public.roles(from) {
        return Err(Fault::Role);
    }
    let committed = view.commitments.get(&from);
    let matches = |hash: [u8; 32], committed: Option<[u8; 32]>| {
        bool::from(hash.ct_eq(&committed.unwrap_or_default())).then_some(()).ok_or(Fault::Commitment)
    };
    if let Some(old) = &opening.old {
        matches(round1::hash_old(session, from, old), committed.and_then(|said| said.old))?;
        check_dealer(public, from, old)?;
    }
    if let Some(new) = &opening.new {
        matches(round1::hash_new(session, from, new), committed.and_then(|said| said.new))?;
        if new.mask_keys.len() != public.dealers_but(from).count() {
            return Err(Fault::MaskKeys);
        }
    }
    Ok(())
}

/// What a dealer's opening must be, whatever was committed to.
pub(super) fn check_dealer<C: Curve>(
    public: &Public<C>,
    from: PartyIndex,
    old: &Old<C>,
) -> Result<(), Fault> {
    if old.coefficients.0.len() != usize::from(public.threshold()) {
        return Err(Fault::Coefficients);
    }
    if old.mask_keys.len() != public.receivers_but(from).count() {
        return Err(Fault::MaskKeys);
    }
    let part = public.dealer(from).map(|dealer| &dealer.W);
    if part.is_none() || old.coefficients.constant() != part {
        return Err(Fault::OldShare);
    }
    Ok(())
}
