//! Round 3: decrypt the responses, show the shares of `delta = gamma k` and of the key times `k`, both hidden as far
//! as they must be (`docs/spec/signing.md`, 6.3).

use std::sync::Arc;

use consign_modexp::for_each;
use consign_rounds::{PartyIndex, PerParty, SessionId};
use consign_zk::context::Role;
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::elog;
use consign_zk::integer::Integer;
use consign_zk::paillier::DecryptionKey;
use consign_zk::secret::Secret;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::public::context;
use super::round2::{Drawn, Round2, slot_number};
use super::{Failure, Fault, Public, Spoken, View, round1, round2};
use crate::sizes;

/// The round's number in challenges: that of the specification.
const ROUND: u8 = 3;

/// Kept: what becomes the presignatures, and what an alert would need, until the checks of `output.rs` have passed.
pub struct Round3<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) w: Secret<Scalar<C>>,
    pub(super) paillier: Arc<DecryptionKey>,
    pub(super) slots: Vec<Slot<C>>,
}

impl<C: Curve> Round3<C> {
    /// This party.
    pub(crate) fn me(&self) -> PartyIndex {
        self.me
    }
}

/// What this round gives; it has no direct parts.
pub(crate) type ThirdRound<C> = Spoken<Round3<C>, Vec<Broadcast<C>>, ()>;

/// Secrets of one slot.
pub(super) struct Slot<C: Curve> {
    pub(super) k: Secret<Scalar<C>>,
    pub(super) chi: Secret<Scalar<C>>,
    pub(super) gamma: Secret<Scalar<C>>,
    pub(super) drawn: PerParty<Drawn>,
}

/// To everybody, for one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Broadcast<C: Curve> {
    /// `delta_i`, share of `gamma k`.
    pub delta: Scalar<C>,
    /// `[chi_i]Gamma`.
    pub S: Point<C>,
    /// `[k_i]Gamma`.
    pub Delta: Point<C>,
    /// `Delta` is the logarithm to the base `Gamma` that `A` of round 1 commits to.
    pub elog: elog::Proof<C>,
}

pub(super) fn max_broadcast_bytes<C: Curve>() -> usize {
    sizes::scalar::<C>() + 2 * sizes::point::<C>() + sizes::elog::<C>()
}

/// `psi'_i`: `Delta_i` against the commitment of round 1; `Gamma` is everybody's sum.
fn psi_prime<C: Curve>(
    committed: &round1::Broadcast<C>,
    Delta: Point<C>,
    Gamma: Point<C>,
) -> elog::Statement<C> {
    elog::Statement { commitment: committed.A, X: committed.Y, Y: Delta, h: Gamma }
}

pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    broadcast: &[Broadcast<C>],
) -> Result<(), Fault> {
    if broadcast.len() != public.slots() {
        return Err(Fault::Slots);
    }
    let sessions = public.slot_sessions(session);
    let verdicts = for_each(broadcast.iter().zip(&sessions).enumerate(), |(b, (said, ssid))| {
        let slot = slot_number(b);
        let committed = view.committed(from, b).ok_or(Fault::ElogPrime { slot })?;
        let statement = psi_prime(committed, said.Delta, view.Gamma(b));
        elog::verify(&context(public, ssid, Role::ElogPrime, ROUND, from, None), &statement, &said.elog)
            .map_err(|_| Fault::ElogPrime { slot })
    });
    verdicts.into_iter().collect()
}

pub(crate) fn speak<C: Curve>(
    state: Round2<C>,
    public: &Public<C>,
    view: &View<C>,
    rng: &mut impl CryptoRng,
) -> Result<ThirdRound<C>, Failure> {
    let Round2 { me, session, w, paillier, slots } = state;
    // Nobody is to blame: every Gamma_j was fixed by B_j before any was seen.
    if let Some(b) = (0..public.slots()).find(|&b| view.Gamma(b).is_identity()) {
        return Err(Failure::Degenerate { slot: slot_number(b) });
    }
    let sessions = public.slot_sessions(session);
    let mut plain = decrypt(public, view, me, &paillier).into_iter();
    let slots: Vec<_> = slots
        .into_iter()
        .map(|slot| {
            let shares = shares(&slot, &w, &mut plain);
            (slot, shares, elog::Masks::random(rng))
        })
        .collect();
    let said =
        for_each(slots.into_iter().zip(&sessions).enumerate(), |(b, ((slot, shares, masks), ssid))| {
            let (round2::Slot { k, gamma, a, drawn }, (delta, chi)) = (slot, shares);
            let Gamma = view.Gamma(b);
            let Delta = Gamma * *k.expose();
            let committed = view.committed(me, b).expect("invariant: the view holds round 1");
            let elog = elog::prove(
                &context(public, ssid, Role::ElogPrime, ROUND, me, None),
                &psi_prime(committed, Delta, Gamma),
                &elog::Witness { y: k.expose(), lambda: a.expose() },
                masks,
            );
            let broadcast = Broadcast { delta, S: Gamma * *chi.expose(), Delta, elog };
            (broadcast, Slot { k, chi, gamma, drawn })
        });
    let (broadcast, kept) = said.into_iter().unzip();
    let direct = public.signers().others(me).map(|to| (to, ())).collect();
    Ok(Spoken { state: Round3 { me, session, w, paillier, slots: kept }, broadcast, direct })
}

/// The plaintexts of the responses to `me`, two for each peer of each slot, as one list. They are decrypted only now that
/// their proofs have verified.
fn decrypt<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    me: PartyIndex,
    paillier: &DecryptionKey,
) -> Vec<Integer> {
    let places = (0..public.slots()).flat_map(|b| public.signers().others(me).map(move |from| (b, from)));
    let ciphertexts: Vec<_> = places
        .flat_map(|(b, from)| {
            let response = view.response(public, from, me, b).expect("invariant: one response per peer");
            [&response.D, &response.D_hat]
        })
        .collect();
    paillier.decrypt(&ciphertexts).expect("invariant: the proofs have shown that D are units")
}

/// `delta_i` and `chi_i` of one slot, whose plaintexts come next.
fn shares<C: Curve>(
    slot: &round2::Slot<C>,
    w: &Secret<Scalar<C>>,
    plain: &mut impl Iterator<Item = Integer>,
) -> (Scalar<C>, Secret<Scalar<C>>) {
    let mut delta = *slot.k.expose() * *slot.gamma.expose();
    let mut chi = Zeroizing::new(*slot.k.expose() * *w.expose());
    for drawn in slot.drawn.values() {
        let mut less = |mask: &Integer| {
            let alpha = plain.next().expect("invariant: two plaintexts per peer");
            Scalar::from_integer(&alpha) - Scalar::from_integer(mask)
        };
        delta = delta + less(&drawn.nonce.b);
        *chi = *chi + less(&drawn.key.b);
    }
    (delta, Secret::new(*chi))
}
