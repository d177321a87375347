//! Presignatures by a dealer, where thousands are needed.

use consign_rounds::PerParty;
use consign_rounds::sim::SimRng;
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::secret::Secret;

use super::{Committee, share_of};
use crate::presign;
use crate::sign::{Presignature, PresignaturePublic, Share};

impl<C: Curve> Committee<C> {
    /// A presignature without a session: what an honest run ends with, drawn at once. `slot` tells them apart.
    pub fn dealt_presignature(
        &self,
        agreed: &presign::Public<C>,
        slot: u64,
        rng: &mut SimRng,
    ) -> PerParty<Presignature<C>> {
        let (key, signers) = (self.key(), agreed.signers());
        let k: PerParty<Scalar<C>> = signers.indices().map(|me| (me, Scalar::random_nonzero(rng))).collect();
        let whole: Scalar<C> = k.values().copied().sum();
        let Gamma = Point::mul_generator(&whole.invert().expect("not zero but by chance"));
        // Additive shares of the key times `k`: random ones, but for the first, which makes the sum right.
        let mut chi: PerParty<Scalar<C>> = signers.indices().map(|me| (me, Scalar::random(rng))).collect();
        let secret: Scalar<C> = signers
            .indices()
            .map(|me| agreed.admit(share_of(&self.shares, me), share_of(&self.aux, me)).expect("a signer"))
            .map(|share| *share.expose())
            .sum();
        let sum: Scalar<C> = chi.values().copied().sum();
        if let Some(first) = chi.values_mut().next() {
            *first = *first + secret * whole - sum;
        }
        let share = |me| Share { Delta: Gamma * *share_of(&k, me), S: Gamma * *share_of(&chi, me) };
        let mut slot_session = [0; 32];
        slot_session.split_at_mut(8).0.copy_from_slice(&slot.to_be_bytes());
        let public = PresignaturePublic {
            slot_session,
            key_id: key.key_id,
            epoch: key.epoch,
            signers: signers.clone(),
            shift: agreed.shift().clone(),
            public_key: *agreed.public_key(),
            Gamma,
            shares: signers.indices().map(|me| (me, share(me))).collect(),
        };
        let own = |me| {
            let (k, chi) = (Secret::new(*share_of(&k, me)), Secret::new(*share_of(&chi, me)));
            (me, Presignature::new(me, public.clone(), k, chi))
        };
        signers.indices().map(own).collect()
    }
}
