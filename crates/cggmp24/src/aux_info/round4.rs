//! Round 4: prove the Paillier modulus to all, and something about its factors to each.

use consign_rounds::{PartyIndex, SessionId, Speech, Step};
use consign_zk::curve::Curve;
use consign_zk::level::Level;
use consign_zk::{fac, paillier_blum};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::round1::Round1;
use super::{AuxInfo, Fault, Primes, Public, View};
use crate::sizes;

/// Kept until the proofs of the others are in.
pub struct Round4 {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) primes: Primes,
}

/// Proof that the modulus is a Paillier-Blum modulus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// For everybody.
    pub proof: paillier_blum::Proof,
}

/// Proof that no factor is small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direct {
    /// For this peer.
    pub proof: fac::Proof,
}

pub(crate) fn max_broadcast_bytes(level: Level) -> usize {
    (1 + 3 * level.parameters().repetitions) * sizes::moduli(level, 1)
}

pub(crate) fn max_direct_bytes(level: Level) -> usize {
    5 * sizes::moduli(level, 1)
        + 4 * sizes::response(level)
        + sizes::moduli(level, 2)
        + sizes::response(level)
}

pub(super) fn speak<C: Curve>(
    state: Round1,
    public: &Public,
    view: &View,
    rng: &mut impl CryptoRng,
) -> Step<AuxInfo<C>> {
    let Round1 { me, session, own, .. } = state;
    let peers = view.offers().filter(|(party, _)| *party != me);
    let (broadcast, direct) = public.scene(&session).prove::<C>(me, &own, &view.rid(), peers, rng);
    let direct = direct.into_iter().map(|(to, proof)| (to, super::Direct::Round4(Box::new(proof)))).collect();
    let broadcast = super::Broadcast::Round4(Box::new(broadcast));
    let state = Round4 { me, session, primes: own.primes };
    Step::Speak(AuxInfo::Round4(state), Speech { durable: None, broadcast, direct })
}

pub(super) fn check<C: Curve>(
    public: &Public,
    view: &View,
    session: SessionId,
    from: PartyIndex,
    to: PartyIndex,
    broadcast: &Broadcast,
    direct: &Direct,
) -> Result<(), Fault> {
    let offer = |party| (party, view.moduli(party));
    public.scene(&session).check_proofs::<C>(offer(from), offer(to), &view.rid(), broadcast, direct)
}
