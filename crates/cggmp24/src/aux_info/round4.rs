//! Round 4: prove the Paillier modulus to all, and something about its factors to each.

use consign_rounds::{PartyIndex, SessionId, Speech, Step};
use consign_zk::context::{Context, Role};
use consign_zk::curve::Curve;
use consign_zk::level::Level;
use consign_zk::paillier::{DecryptionKey, EncryptionKey};
use consign_zk::ring_pedersen::RingPedersen;
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

pub(super) fn max_broadcast_bytes(level: Level) -> usize {
    (1 + 3 * level.parameters().repetitions) * sizes::moduli(level, 1)
}

pub(super) fn max_direct_bytes(level: Level) -> usize {
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
    let Round1 { me, session, primes, paillier, .. } = state;
    let rid = view.rid();
    let proof = prove_modulus::<C>(public, &session, me, &rid, &paillier, rng);
    let prove_factors = |to: PartyIndex| {
        let ring = ring_of(public, view, to).expect("invariant: everybody's parameters were checked");
        let proof = fac::prove::<C>(
            &factors_context(public, &session, me, to, &rid),
            &fac::Statement { N: paillier.public().n(), ring: &ring },
            &fac::Witness { factors: paillier.factors() },
            rng,
        );
        (to, super::Direct::Round4(Box::new(Direct { proof })))
    };
    let direct = public.parties.others(me).map(prove_factors).collect();
    let broadcast = super::Broadcast::Round4(Box::new(Broadcast { proof }));
    Step::Speak(AuxInfo::Round4(Round4 { me, session, primes }), Speech { durable: None, broadcast, direct })
}

fn prove_modulus<C: Curve>(
    public: &Public,
    session: &SessionId,
    me: PartyIndex,
    rid: &[u8; 32],
    paillier: &DecryptionKey,
    rng: &mut impl CryptoRng,
) -> paillier_blum::Proof {
    paillier_blum::prove::<C>(
        &modulus_context(public, session, me, rid),
        &paillier_blum::Statement { N: paillier.public().n() },
        &paillier_blum::Witness { factors: paillier.factors() },
        rng,
    )
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
    let rid = view.rid();
    let opening = view.openings.get(&from).ok_or(Fault::ProofMod)?;
    let key = EncryptionKey::new(&opening.n, public.level).map_err(|_| Fault::ProofMod)?;
    let context = modulus_context(public, &session, from, &rid);
    paillier_blum::verify::<C>(&context, &paillier_blum::Statement { N: key.n() }, &broadcast.proof)
        .map_err(|_| Fault::ProofMod)?;
    let ring = ring_of(public, view, to).ok_or(Fault::ProofFac)?;
    let context = factors_context(public, &session, from, to, &rid);
    fac::verify::<C>(&context, &fac::Statement { N: key.n(), ring: &ring }, &direct.proof)
        .map_err(|_| Fault::ProofFac)
}

/// The parameters of `party`; `None` only in a judge's made-up view.
fn ring_of(public: &Public, view: &View, party: PartyIndex) -> Option<RingPedersen> {
    RingPedersen::new(&view.openings.get(&party)?.ring, public.level).ok()
}

fn modulus_context<'a>(
    public: &Public,
    session: &'a SessionId,
    from: PartyIndex,
    rid: &'a [u8; 32],
) -> Context<'a> {
    Context {
        level: public.level,
        session: &session.0,
        role: Role::AuxMod,
        round: 4,
        prover: from.get(),
        verifier: None,
        rid: Some(rid),
    }
}

fn factors_context<'a>(
    public: &Public,
    session: &'a SessionId,
    from: PartyIndex,
    to: PartyIndex,
    rid: &'a [u8; 32],
) -> Context<'a> {
    Context { role: Role::AuxFac, verifier: Some(to.get()), ..modulus_context(public, session, from, rid) }
}
