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
