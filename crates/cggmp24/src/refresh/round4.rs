//! Round 4: send every party its share, masked; prove the new moduli, if there are any.
//!
//! From here on the number of the new epoch is spent, so that is durable first (5.7, rule 1).

use consign_rounds::{PartyIndex, PerParty, SessionId, Speech, Step};
use consign_zk::curve::{Curve, Scalar};
use consign_zk::sch;
use consign_zk::secret::Secret;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::round1::Round1;
use super::{Broadcast, Fault, Primes, Public, Record, Refresh, View};
use crate::aux_info;
use crate::sharing::{MaskKeys, MaskedShare};
use crate::sizes;

/// Kept until the shares of the others are in.
pub struct Round4<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    /// The old share and what this party dealt to itself.
    pub(super) own: Secret<Scalar<C>>,
    pub(super) mask_keys: MaskKeys<C>,
    pub(super) proof: sch::Commitment<C>,
    pub(super) primes: Option<Primes>,
}

/// For one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Direct<C: Curve> {
    /// The masked share `c_ij`.
    pub share: MaskedShare<C>,
    /// Proof about the factors of the new Paillier modulus, if moduli are renewed.
    pub proof: Option<aux_info::round4::Direct>,
}

pub(super) fn max_broadcast_bytes<C: Curve>(public: &Public<C>) -> usize {
    let proof = if public.renews() { aux_info::round4::max_broadcast_bytes(public.base().level) } else { 0 };
    proof + sizes::HASH
}

pub(super) fn max_direct_bytes<C: Curve>(public: &Public<C>) -> usize {
    let proof = if public.renews() { aux_info::round4::max_direct_bytes(public.base().level) } else { 0 };
    proof + sizes::scalar::<C>() + sizes::HASH
}

pub(super) fn speak<C: Curve>(
    state: Round1<C>,
    public: &Public<C>,
    view: &View<C>,
    rng: &mut impl CryptoRng,
) -> Step<Refresh<C>> {
    let Round1 { me, session, old, polynomial, mask_keys, proof, own, .. } = state;
    let rid = view.rid();
    let peers = view.offers().filter(|(party, _)| *party != me);
    let proofs = own.as_ref().map(|own| public.scene(&session).prove::<C>(me, own, &rid, peers, rng));
    let (modulus_proof, mut factor_proofs) = match proofs {
        Some((all, each)) => (Some(Box::new(all)), each),
        None => (None, PerParty::new()),
    };
    let speak_to = |to| {
        let key = mask_keys.get(&to).expect("invariant: one mask key per peer").expose();
        let share = view.pair(public, session, &rid, me, to).seal(&polynomial.evaluate(to.get()), key);
        (to, super::Direct::Round4(Box::new(Direct { share, proof: factor_proofs.remove(&to) })))
    };
    let direct = public.parties().others(me).map(speak_to).collect();
    let own_part = Secret::new(*old.expose() + polynomial.evaluate(me.get()));
    let primes = own.map(|own| own.primes);
    let state = Round4 { me, session, own: own_part, mask_keys, proof, primes };
    let durable = Some(Record::Dealing(public.epoch()));
    let speech = Speech { durable, broadcast: Broadcast::Round4(modulus_proof), direct };
    Step::Speak(Refresh::Round4(state), speech)
}

/// The shares themselves are for their receivers to check, who complain in the next round.
pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    to: PartyIndex,
    proofs: (Option<&aux_info::round4::Broadcast>, Option<&aux_info::round4::Direct>),
) -> Result<(), Fault> {
    match (public.renews(), proofs) {
        (false, (None, None)) => Ok(()),
        (true, (Some(modulus), Some(factors))) => {
            let offer = |party| (party, view.moduli(party));
            let scene = public.scene(&session);
            Ok(scene.check_proofs::<C>(offer(from), offer(to), &view.rid(), modulus, factors)?)
        }
        _ => Err(Fault::Renewal),
    }
}
