//! Randomness of one session: the operating system's, hedged against its failure.
//!
//! A weak or repeated seed still gives other values in every session, since the session id and a secret of the party
//! are mixed in (`docs/spec/params.md`, section 1.8; attack A-92).

use consign_rounds::SessionId;
use consign_zk::transcript::{Purpose, Transcript};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroize;

/// A generator for one session from 32 bytes of entropy, a secret of this party and the session id.
pub fn session_rng(mut entropy: [u8; 32], secret: &[u8], session: SessionId) -> ChaCha20Rng {
    let mut transcript = Transcript::new(Purpose::Hedge);
    transcript.bytes("entropy", &entropy).bytes("secret", secret).bytes("session", &session.0);
    let mut seed = transcript.hash();
    entropy.zeroize();
    let rng = ChaCha20Rng::from_seed(seed);
    seed.zeroize();
    rng
}
