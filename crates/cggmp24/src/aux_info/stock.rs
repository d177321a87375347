//! Nonces under the keys of others, made ahead of time with their powers: most of what a signer computes before its messages
//! of round 2 leave, and it depends on nothing.
//!
//! They are as secret as what they will encrypt. Each is used once, since taking it removes it; they live in memory only.
//! **Randomness.** Whoever takes nonces leaves a seed from the generator of its session for the next ones. So these are hedged as
//! that is (`hedge.rs`): should the operating system give the same entropy twice, they still differ from session to session.
//! No hedge helps where a process goes on twice from one snapshot of its memory: that repeats nonces as it does presignatures,
//! and is forbidden (`docs/operations.md`).
//!
//! They belong to the moduli, not to a key or its epoch: they outlive a refresh that keeps the moduli, and no other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use consign_zk::paillier::Nonce;
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};
use zeroize::Zeroizing;

use super::Aux;
use crate::parties::Identity;

/// Nonces that are kept for each party that was signed with; a signature takes four of them.
pub const READY_NONCES: usize = 16;

/// Nonces under the key of each peer that one signature or presignature takes: of two products, and of the proofs about them.
pub(crate) const PER_SLOT: usize = 4;

/// By whose key they are under; parties that were not signed with yet have no entry.
#[derive(Default)]
pub(super) struct Stock(Mutex<BTreeMap<Identity, Ready>>);

/// What is ready for one party.
#[derive(Default)]
struct Ready {
    nonces: Vec<Nonce>,
    /// For the next ones; none while these are made.
    seed: Option<Zeroizing<[u8; 32]>>,
}

impl Ready {
    /// How many are to be made, if that can be done.
    fn missing(&self) -> usize {
        self.seed.as_ref().map_or(0, |_| READY_NONCES.saturating_sub(self.nonces.len()))
    }
}

impl Stock {
    fn open(&self) -> MutexGuard<'_, BTreeMap<Identity, Ready>> {
        // No step leaves the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Aux {
    /// Takes up to `count` nonces under the key of this party for good, for a session with this generator.
    pub(crate) fn take_nonces(&self, party: &Identity, count: usize, rng: &mut impl CryptoRng) -> Vec<Nonce> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        let mut stock = self.stock.open();
        let ready = stock.entry(*party).or_default();
        ready.seed = Some(seed);
        ready.nonces.split_off(ready.nonces.len().saturating_sub(count))
    }

    /// Whether [`Aux::make_nonces`] has anything to do.
    pub fn lacks_nonces(&self) -> bool {
        self.stock.open().values().any(|ready| ready.missing() > 0)
    }

    /// Makes nonces under the key of one party with which there was a session since the last ones were made, up to
    /// [`READY_NONCES`]. It is work for idle time: 30 ms at L128.
    pub fn make_nonces(&self) {
        let begin = || {
            let mut stock = self.stock.open();
            let (party, ready) = stock.iter_mut().find(|(_, ready)| ready.missing() > 0)?;
            Some((*party, ready.missing(), ready.seed.take()?))
        };
        let Some((party, missing, seed)) = begin() else { return };
        let Some((key, _)) = self.public.of(&party).and_then(|of| of.keys(self.public.level).ok()) else {
            return;
        };
        // Not while the stock is locked: sessions take from it.
        let made = key.nonces_ahead(missing, &mut ChaCha20Rng::from_seed(*seed));
        let mut stock = self.stock.open();
        let ready = &mut stock.entry(party).or_default().nonces;
        ready.extend(made);
        ready.truncate(READY_NONCES);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use consign_rounds::sim::SimRng;
    use consign_zk::level::Level;

    use super::*;
    use crate::testing::deal_aux;

    /// Values of the nonces that are taken.
    fn take(aux: &Aux, party: &Identity, count: usize, rng: &mut SimRng) -> Vec<Vec<u8>> {
        let taken = aux.take_nonces(party, count, rng);
        taken.iter().map(|nonce| nonce.expose().to_be_bytes().into_vec()).collect()
    }

    #[test]
    fn nonces_are_taken_once() {
        let mut rng = SimRng::seed_from_u64(1);
        let aux = deal_aux(Level::Tiny, 3, 1);
        let own = aux.values().next().unwrap();
        let [_, second, third] = <[Identity; 3]>::try_from(
            own.public().parties.iter().map(|party| party.identity).collect::<Vec<_>>(),
        )
        .unwrap();
        // Nothing is made for parties that were not signed with.
        own.make_nonces();
        assert!(!own.lacks_nonces());
        assert!(take(own, &second, 4, &mut rng).is_empty());
        assert!(own.lacks_nonces());
        own.make_nonces();
        assert!(!own.lacks_nonces());
        assert!(take(own, &third, 4, &mut rng).is_empty());

        let mut seen = Vec::new();
        for count in [3, READY_NONCES, 1] {
            let taken = take(own, &second, count, &mut rng);
            assert_eq!(taken.len(), count.min(READY_NONCES - seen.len()));
            seen.extend(taken);
        }
        assert!(own.lacks_nonces());
        while own.lacks_nonces() {
            own.make_nonces();
        }
        for party in [&second, &third] {
            seen.extend(take(own, party, 2 * READY_NONCES, &mut rng));
        }
        assert_eq!(seen.len(), 3 * READY_NONCES);
        seen.sort_unstable();
        assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
    }

    /// The same generator gives the same nonces, another one others, and without a session after them there are no more.
    #[test]
    fn nonces_come_from_the_session_before() {
        let made = |seed| {
            let aux = deal_aux(Level::Tiny, 2, 1);
            let own = aux.values().next().unwrap();
            let peer = own.public().parties[1].identity;
            let mut rng = SimRng::seed_from_u64(seed);
            own.take_nonces(&peer, 4, &mut rng);
            own.make_nonces();
            own.make_nonces();
            take(own, &peer, 2 * READY_NONCES, &mut rng)
        };
        assert_eq!(made(1).len(), READY_NONCES);
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }
}
