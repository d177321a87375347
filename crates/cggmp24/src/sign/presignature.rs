//! The public half of a presignature: everything that a partial signature is checked against.

use consign_rounds::{PartyIndex, PerParty, at_most};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::transcript::{Purpose, Transcript};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{CombineError, Partial, PartialFault};
use crate::derivation::Shift;
use crate::ecdsa::{Digest, nonce_coordinates};
use crate::parties::{MAX_PARTIES, Parties};

/// What every signer knows of a presignature, and whoever they show it to: the preimage of its identifier.
///
/// The identifier fixes all of it, so two honest signers' verdicts about one identifier agree, also if somebody told
/// them different things in the session that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct PresignaturePublic<C: Curve> {
    /// `ssid_b`: the session and slot that made it.
    pub slot_session: [u8; 32],
    /// The key it belongs to.
    pub key_id: [u8; 32],
    /// The key's epoch.
    pub epoch: u64,
    /// Who signs: exactly these.
    pub signers: Parties,
    /// The path that it signs for, and what that adds to the key. Fixed when it was made: there is no other for it.
    pub shift: Shift<C>,
    /// The public key `X` at the end of the path.
    pub public_key: Point<C>,
    /// The nonce point.
    pub Gamma: Point<C>,
    /// Every signer's share of it.
    #[serde(deserialize_with = "few")]
    pub shares: PerParty<Share<C>>,
}

/// Reads at most as many shares as there can be signers, in ascending order.
fn few<'de, D: Deserializer<'de>, C: Curve>(deserializer: D) -> Result<PerParty<Share<C>>, D::Error> {
    let list: Vec<(PartyIndex, Share<C>)> = at_most::<MAX_PARTIES, _, _>(deserializer)?;
    if !list.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(D::Error::custom("shares out of order"));
    }
    Ok(list.into_iter().collect())
}

/// What one signer's partial signature is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Share<C: Curve> {
    /// `[k_j]Gamma`, with `k_j` an additive share of the inverse nonce.
    pub Delta: Point<C>,
    /// `[chi_j]Gamma`, with `chi_j` an additive share of the key times the inverse nonce.
    pub S: Point<C>,
}

impl<C: Curve> PresignaturePublic<C> {
    /// `H("presig", ssid_b, key_id, epoch, S, path, h, X, Gamma, (Delta_j, S_j)_j)`.
    pub fn id(&self) -> [u8; 32] {
        let mut transcript = Transcript::new(Purpose::PresignatureId);
        transcript
            .bytes("ssid", &self.slot_session)
            .bytes("key_id", &self.key_id)
            .number("epoch", self.epoch);
        self.signers.absorb(&mut transcript);
        self.shift.absorb(&mut transcript);
        transcript
            .point("X", &self.public_key)
            .point("Gamma", &self.Gamma)
            .count("shares", self.shares.len());
        for (index, share) in &self.shares {
            transcript.number("index", index.get().into()).point("Delta", &share.Delta).point("S", &share.S);
        }
        transcript.hash()
    }

    /// Whether it shows a share of every signer, and of nobody else.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.shares.keys().copied().eq(self.signers.indices())
    }

    /// `r`, the x-coordinate of the nonce point; `None` if it is zero.
    pub(crate) fn r(&self) -> Option<Scalar<C>> {
        let (r, _, _) = nonce_coordinates(&self.Gamma)?;
        (!r.is_zero()).then_some(r)
    }

    /// Lets the points keep their encodings, for [`Self::id`] and [`Self::r`].
    pub(super) fn keep_encodings(&mut self) {
        let Self { public_key, Gamma, shares, .. } = self;
        let shares = shares.values_mut().flat_map(|Share { Delta, S }| [Delta, S]);
        let places: Vec<_> = shares.chain([public_key, Gamma]).collect();
        let mut points: Vec<_> = places.iter().map(|point| **point).collect();
        Point::keep_encodings(&mut points);
        places.into_iter().zip(points).for_each(|(place, point)| *place = point);
    }

    /// Whether `partial` is what `from` makes of this presignature for `digest`. A judge asks the same question.
    pub fn check(&self, digest: &Digest, from: PartyIndex, partial: &Partial<C>) -> Result<(), PartialFault> {
        self.check_as(&self.id(), digest, from, partial)
    }

    /// As [`check`](Self::check), when the identifier is known.
    pub(super) fn check_as(
        &self,
        id: &[u8; 32],
        digest: &Digest,
        from: PartyIndex,
        partial: &Partial<C>,
    ) -> Result<(), PartialFault> {
        if partial.presignature != *id || partial.digest != *digest {
            return Err(PartialFault::Foreign);
        }
        if self.fits(digest, from, &partial.sigma) { Ok(()) } else { Err(PartialFault::Equation) }
    }

    /// `[sigma_j]Gamma = [m]Delta_j + [r]S_j`.
    pub(crate) fn fits(&self, digest: &Digest, from: PartyIndex, sigma: &Scalar<C>) -> bool {
        let (Some(share), Some(r)) = (self.shares.get(&from), self.r()) else { return false };
        let m = digest.scalar();
        Point::sum_public(&[(self.Gamma, *sigma), (share.Delta, -m), (share.S, -r)]).is_identity()
    }

    /// Whether there is one part of each signer and of nobody else.
    pub(super) fn are_of_all(&self, partials: &PerParty<Partial<C>>) -> Result<(), CombineError> {
        let missing: Vec<_> =
            self.signers.indices().filter(|signer| !partials.contains_key(signer)).collect();
        if !missing.is_empty() {
            return Err(CombineError::Missing(missing));
        }
        let strangers: Vec<_> =
            partials.keys().copied().filter(|&from| self.signers.identity(from).is_none()).collect();
        if strangers.is_empty() { Ok(()) } else { Err(CombineError::Strangers(strangers)) }
    }
}
