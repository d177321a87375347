//! What a running verifier may use besides the proof: its own factors. A judge has none.

use std::sync::Arc;

use crate::paillier::{DecryptionKey, EncryptionKey};

/// The verifier's own key, with which equations modulo the square of its `N` are computed by the Chinese remainder
/// theorem. Verdicts are the same with and without.
#[derive(Clone, Default)]
pub struct Aid {
    own: Option<Arc<DecryptionKey>>,
}

impl Aid {
    /// For the owner of a key.
    pub fn new(own: Arc<DecryptionKey>) -> Self {
        Self { own: Some(own) }
    }

    /// The secret half of `key`, if it is the own one.
    pub(crate) fn secret_of(&self, key: &EncryptionKey) -> Option<&DecryptionKey> {
        self.own.as_deref().filter(|own| own.public().n().value() == key.n().value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
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
}
