//! What a running verifier may use besides the proof: its own factors, and weights for batches. A judge has neither.

use std::sync::Arc;

use rand_core::CryptoRng;

use crate::batch::WeightKey;
use crate::paillier::{DecryptionKey, EncryptionKey};

/// The verifier's own key, with which equations modulo the square of its `N` are computed by the Chinese remainder
/// theorem, and whether equations of a list of proofs are verified in batches.
///
/// Made for one session: [`Aid::batching`] draws what its weights come from. Verdicts are the same with and without, but
/// for one exception, which can only spare somebody: see [`Aid::batching`].
#[derive(Default)]
pub struct Aid {
    own: Option<Arc<DecryptionKey>>,
    weights: Option<WeightKey>,
}

impl Aid {
    /// For the owner of a key. Every equation is verified by itself.
    #[must_use]
    pub fn new(own: Arc<DecryptionKey>) -> Self {
        Self { own: Some(own), weights: None }
    }

    /// The same for a verifier who joins the equations of a list modulo the square of one `N` (`docs/spec/proofs.md`,
    /// 3.13). A nonce that is off by a factor of small order may pass then, which changes no plaintext; everything else
    /// that fails does so as without, and what is refused is always found by equations one by one.
    ///
    /// Only for proofs under moduli whose Πmod and Πfac this verifier has verified itself, as the owner of auxiliary
    /// information has.
    #[must_use]
    pub fn batching(self, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { weights: Some(WeightKey::random(rng)), ..self }
    }

    /// The secret half of `key`, if it is the own one.
    pub(crate) fn secret_of(&self, key: &EncryptionKey) -> Option<&DecryptionKey> {
        self.own.as_deref().filter(|own| own.public().n().value() == key.n().value())
    }

    /// Where weights come from, for a verifier who joins equations.
    pub(crate) fn weights(&self) -> Option<&WeightKey> {
        self.weights.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::testing::cases::rng;
    use crate::testing::party;

    #[test]
    fn only_the_own_key_has_a_secret_half() {
        let (own, other) = (party(Level::Tiny, 0, 1).paillier, party(Level::Tiny, 1, 1).paillier);
        let (public, theirs) = (own.public().clone(), other.public().clone());
        let aid = Aid::new(Arc::new(own));
        assert_eq!(aid.secret_of(&public).map(|own| own.public().n().value()), Some(public.n().value()));
        assert!(aid.secret_of(&theirs).is_none());
        assert!(Aid::default().secret_of(&public).is_none());
    }

    /// Batches are asked for, and nobody who judges does.
    #[test]
    fn batches_are_asked_for() {
        let own = || Aid::new(Arc::new(party(Level::Tiny, 0, 1).paillier));
        assert!(own().weights().is_none());
        assert!(Aid::default().weights().is_none());
        let batching = own().batching(&mut rng(1));
        assert!(batching.weights().is_some() && batching.own.is_some());
    }
}
