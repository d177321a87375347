//! The public half of a presignature: everything that a partial signature is checked against.

use consign_rounds::{PartyIndex, PerParty, at_most};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::transcript::{Purpose, Transcript};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{CombineError, Partial, PartialFault};
use crate::derivation::Shift;
use crate::ecdsa::{Digest, Signature, nonce_coordinates};
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

    /// Whether `partial` is what `from` makes of this presignature for `digest`. A judge asks the same question.
    pub fn check(&self, digest: &Digest, from: PartyIndex, partial: &Partial<C>) -> Result<(), PartialFault> {
        if partial.presignature != self.id() || partial.digest != *digest {
            return Err(PartialFault::Foreign);
        }
        if self.fits(digest, from, &partial.sigma) { Ok(()) } else { Err(PartialFault::Equation) }
    }

    /// `[sigma_j]Gamma = [m]Delta_j + [r]S_j`.
    pub(crate) fn fits(&self, digest: &Digest, from: PartyIndex, sigma: &Scalar<C>) -> bool {
        let (Some(share), Some(r)) = (self.shares.get(&from), self.r()) else { return false };
        self.Gamma * *sigma == share.Delta * digest.scalar() + share.S * r
    }

    /// The signature from the parts of all signers. Every one is checked, and the result too.
    pub(crate) fn combine(
        &self,
        digest: &Digest,
        partials: &PerParty<Partial<C>>,
    ) -> Result<Signature<C>, CombineError> {
        let missing: Vec<_> =
            self.signers.indices().filter(|signer| !partials.contains_key(signer)).collect();
        if !missing.is_empty() {
            return Err(CombineError::Missing(missing));
        }
        let strangers: Vec<_> =
            partials.keys().copied().filter(|&from| self.signers.identity(from).is_none()).collect();
        if !strangers.is_empty() {
            return Err(CombineError::Strangers(strangers));
        }
        let check = |(&from, partial)| Some((from, self.check(digest, from, partial).err()?));
        let culprits: PerParty<_> = partials.iter().filter_map(check).collect();
        if !culprits.is_empty() {
            return Err(CombineError::Culprits(culprits));
        }
        let s: Scalar<C> = partials.values().map(|partial| partial.sigma).sum();
        let signature = Signature::new(&self.Gamma, s).ok_or(CombineError::Degenerate)?;
        if signature.verify(&self.public_key, digest) { Ok(signature) } else { Err(CombineError::Broken) }
    }
}
