//! Round 2: show `Gamma`, multiply everybody's `k` by `gamma` and by the own share (`docs/spec/signing.md`, 6.2).
//!
//! Sent only after the proofs of round 1 of all peers have verified and all parties echoed the same round 1.
//! Letters `[j][i]`: for `j`, by `i`. The responses for all peers are broadcast, although only their receivers can
//! use them now: they are inputs of the alerts.

use std::sync::Arc;

use consign_modexp::for_each;
use consign_rounds::{PartyIndex, PerParty, SessionId};
use consign_zk::aid::Aid;
use consign_zk::context::Role;
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::integer::Integer;
use consign_zk::paillier::{Ciphertext, DecryptionKey, Nonce};
use consign_zk::secret::Secret;
use consign_zk::{aff_g, elog};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::public::{Member, context};
use super::round1::{self, Round1};
use super::{Fault, Public, Shape, Spoken, View};
use crate::aux_info::PER_SLOT;
use crate::sizes;

/// The round's number in challenges: that of the specification.
const ROUND: u8 = 2;

/// Kept: the secrets of every slot, with what was drawn for the responses to every peer: an alert may have to prove all
/// of it again, to everybody.
pub struct Round2<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) w: Secret<Scalar<C>>,
    pub(super) paillier: Arc<DecryptionKey>,
    pub(super) slots: Vec<Slot<C>>,
}

/// Secrets of one slot.
pub(super) struct Slot<C: Curve> {
    pub(super) k: Secret<Scalar<C>>,
    pub(super) gamma: Secret<Scalar<C>>,
    pub(super) a: Secret<Scalar<C>>,
    pub(super) drawn: PerParty<Drawn>,
}

/// What is drawn for one response. It wipes itself.
pub(super) struct Drawn {
    /// For `D` and `F`.
    pub(super) nonce: Mask,
    /// For `D^` and `F^`.
    pub(super) key: Mask,
}

/// A mask with the nonces under which it is encrypted.
pub(super) struct Mask {
    /// `b_{j,i}` or `b^_{j,i}`: the additive share is its negative.
    pub(super) b: Integer,
    /// For the receiver.
    pub(super) s: Nonce,
    /// For the sender.
    pub(super) r: Nonce,
}

/// To everybody, for one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Broadcast<C: Curve> {
    /// `[gamma_i]G`.
    pub Gamma: Point<C>,
    /// `Gamma` is the logarithm that `B` of round 1 commits to.
    pub elog: elog::Proof<C>,
    /// For every other signer, ascending.
    pub responses: Vec<Response>,
}

// DEVIATION 6: the same mask, with the same sign, in D and F. DEVIATION 7: those of all pairs are broadcast.
/// What `i` makes of `K_j`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// `(gamma_i ⊙ K_j) ⊕ enc_j(b)`.
    pub D: Ciphertext,
    /// `enc_i(b)`.
    pub F: Ciphertext,
    /// `(w_i ⊙ K_j) ⊕ enc_j(b^)`.
    pub D_hat: Ciphertext,
    /// `enc_i(b^)`.
    pub F_hat: Ciphertext,
}

/// To one peer, for one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Direct<C: Curve> {
    /// `D` and `F` are well formed.
    pub psi: aff_g::Proof<C>,
    /// `D^` and `F^` are well formed.
    pub psi_hat: aff_g::Proof<C>,
}

pub(super) fn max_broadcast_bytes<C: Curve>(shape: Shape) -> usize {
    let responses = sizes::list(shape.others(), 4 * sizes::ciphertext(shape.level));
    sizes::point::<C>() + sizes::elog::<C>() + responses
}

pub(super) fn max_direct_bytes<C: Curve>(shape: Shape) -> usize {
    2 * sizes::aff_g::<C>(shape.level)
}

/// `psi_i`: `Gamma_i` against the commitment of round 1.
fn psi_elog<C: Curve>(committed: &round1::Broadcast<C>, Gamma: Point<C>) -> elog::Statement<C> {
    elog::Statement { commitment: committed.B, X: committed.Y, Y: Gamma, h: Point::generator() }
}

/// `psi_{j,i}`: `D` and `F` of `prover` for `receiver`, who owns `K`.
fn psi<'a, C: Curve>(
    prover: &'a Member<C>,
    receiver: &'a Member<C>,
    K: &'a Ciphertext,
    Gamma: Point<C>,
    response: &'a Response,
) -> aff_g::Statement<'a, C> {
    aff_g::Statement {
        receiver: &receiver.paillier,
        prover: &prover.paillier,
        C: K,
        D: &response.D,
        Y: &response.F,
        X: Gamma,
        rp: &receiver.ring,
    }
}

/// `psi^_{j,i}`: `D^` and `F^` of `prover` for `receiver`, who owns `K`.
fn psi_hat<'a, C: Curve>(
    prover: &'a Member<C>,
    receiver: &'a Member<C>,
    K: &'a Ciphertext,
    response: &'a Response,
) -> aff_g::Statement<'a, C> {
    aff_g::Statement {
        receiver: &receiver.paillier,
        prover: &prover.paillier,
        C: K,
        D: &response.D_hat,
        Y: &response.F_hat,
        X: prover.W,
        rp: &receiver.ring,
    }
}

pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    aid: &Aid,
    (from, to): (PartyIndex, PartyIndex),
    broadcast: &[Broadcast<C>],
    direct: &[Direct<C>],
) -> Result<(), Fault> {
    if broadcast.len() != public.slots() || direct.len() != public.slots() {
        return Err(Fault::Slots);
    }
    let (Some(prover), Some(receiver)) = (public.member(from), public.member(to)) else {
        return Err(Fault::Slots);
    };
    let position = public.signers().position_among_others(from, to).ok_or(Fault::Slots)?;
    let sessions = public.slot_sessions(session);
    // What is cheap first, up to the first slot that fails; then the proofs of all slots before it in one list.
    let mut list = Vec::with_capacity(2 * broadcast.len());
    let mut cheap = Ok(());
    let checked = for_each(broadcast.iter().zip(&sessions).enumerate(), |(b, (said, ssid))| {
        check_broadcast(public, view, (from, b), said, ssid)
    });
    let slots = broadcast.iter().zip(direct).zip(sessions.iter().zip(checked)).enumerate();
    for (b, ((said, proofs), (ssid, checked))) in slots {
        if let Err(fault) = checked {
            cheap = Err(fault);
            break;
        }
        let slot = slot_number(b);
        let (response, committed) = (said.responses.get(position), view.committed(to, b));
        let Some((response, committed)) = response.zip(committed) else {
            cheap = Err(Fault::Psi { slot });
            break;
        };
        let bound = |role| context(public, ssid, role, ROUND, from, Some(to));
        let statement = psi(prover, receiver, &committed.K, said.Gamma, response);
        list.push(aff_g::Claimed { context: bound(Role::Psi), statement, proof: &proofs.psi });
        let statement = psi_hat(prover, receiver, &committed.K, response);
        list.push(aff_g::Claimed { context: bound(Role::PsiHat), statement, proof: &proofs.psi_hat });
    }
    // Whoever is refused anyway is refused for what a judge finds first, which verifies nothing in batches.
    let judge = Aid::default();
    let aid = if cheap.is_ok() { aid } else { &judge };
    aff_g::verify_all(&list, aid).map_err(|(position, _)| {
        let slot = slot_number(position / 2);
        if position.is_multiple_of(2) { Fault::Psi { slot } } else { Fault::PsiHat { slot } }
    })?;
    cheap
}

/// The checks of a slot but for the proofs made for one peer.
fn check_broadcast<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    (from, b): (PartyIndex, usize),
    said: &Broadcast<C>,
    ssid: &[u8; 32],
) -> Result<(), Fault> {
    let slot = slot_number(b);
    if said.responses.len() != public.others() {
        return Err(Fault::Responses { slot });
    }
    check_units(public, from, &said.responses).ok_or(Fault::Units { slot })?;
    let committed = view.committed(from, b).ok_or(Fault::Elog { slot })?;
    let context = context(public, ssid, Role::Elog, ROUND, from, None);
    elog::verify(&context, &psi_elog(committed, said.Gamma), &said.elog).map_err(|_| Fault::Elog { slot })
}

/// The number of a slot as faults name it.
pub(super) fn slot_number(b: usize) -> u32 {
    u32::try_from(b).expect("invariant: a batch is short")
}

/// Whether the responses of `from` for *all* peers are units: the proofs show it of two peers' only to these two, who
/// may be accomplices, and the alerts invert what is broadcast.
fn check_units<C: Curve>(public: &Public<C>, from: PartyIndex, responses: &[Response]) -> Option<()> {
    let own = public.member(from)?;
    let masks = responses.iter().flat_map(|response| [&response.F, &response.F_hat]);
    own.paillier.units(masks)?;
    for (to, response) in public.signers().others(from).zip(responses) {
        public.member(to)?.paillier.units([&response.D, &response.D_hat].into_iter())?;
    }
    Some(())
}

/// Everything that does not change from peer to peer.
struct Speaker<'a, C: Curve> {
    public: &'a Public<C>,
    view: &'a View<C>,
    state: &'a Round1<C>,
    sessions: &'a [[u8; 32]],
    Gamma: &'a [Point<C>],
    gamma: &'a [Integer],
    w: &'a Integer,
}

pub(crate) fn speak<C: Curve>(
    mut state: Round1<C>,
    public: &Public<C>,
    view: &View<C>,
    rng: &mut impl CryptoRng,
) -> Spoken<Round2<C>, Vec<Broadcast<C>>, Vec<Direct<C>>> {
    let ready = std::mem::take(&mut state.ready);
    let sessions = public.slot_sessions(state.session);
    let Gamma = for_each(&state.slots, |slot| Point::mul_generator(slot.gamma.expose()));
    let gamma: Vec<_> = state.slots.iter().map(|slot| slot.gamma.expose().to_integer()).collect();
    let w = state.w.expose().to_integer();
    let speaker =
        Speaker { public, view, state: &state, sessions: &sessions, Gamma: &Gamma, gamma: &gamma, w: &w };
    let mut broadcast = speaker.show_gamma(rng);
    let (drawn, masks) = speaker.draw(ready, rng);
    let direct = speaker.respond(&drawn, masks, &mut broadcast);
    let mut kept: Vec<PerParty<Drawn>> = state.slots.iter().map(|_| PerParty::new()).collect();
    for (to, drawn) in drawn {
        for (kept, drawn) in kept.iter_mut().zip(drawn) {
            kept.insert(to, drawn);
        }
    }
    let Round1 { me, session, w, paillier, slots, ready: _ } = state;
    let slots = slots
        .into_iter()
        .zip(kept)
        .map(|(slot, drawn)| Slot { k: slot.k, gamma: slot.gamma, a: slot.a, drawn })
        .collect();
    Spoken { state: Round2 { me, session, w, paillier, slots }, broadcast, direct }
}

impl<C: Curve> Speaker<'_, C> {
    /// The broadcasts of all slots, still without responses.
    fn show_gamma(&self, rng: &mut impl CryptoRng) -> Vec<Broadcast<C>> {
        let me = self.state.me;
        let masks: Vec<_> = self.Gamma.iter().map(|_| elog::Masks::random(rng)).collect();
        let slots = self.state.slots.iter().zip(self.Gamma).zip(self.sessions.iter().zip(masks)).enumerate();
        for_each(slots, |(b, ((slot, &Gamma), (ssid, masks)))| {
            let committed = self.view.committed(me, b).expect("invariant: the view holds round 1");
            let bound = context(self.public, ssid, Role::Elog, ROUND, me, None);
            let witness = elog::Witness { y: slot.gamma.expose(), lambda: slot.b.expose() };
            let elog = elog::prove(&bound, &psi_elog(committed, Gamma), &witness, masks);
            Broadcast { Gamma, elog, responses: Vec::with_capacity(self.public.others()) }
        })
    }

    /// Everything random for each peer in all slots, and for the two proofs of each.
    /// Nonces under the peers' keys are those that are ready, and fresh ones where they do not suffice.
    fn draw(
        &self,
        mut ready: PerParty<Vec<Nonce>>,
        rng: &mut impl CryptoRng,
    ) -> (PerParty<Vec<Drawn>>, Vec<aff_g::Masks>) {
        let (level, slots) = (self.public.level(), self.public.slots());
        let (mut all, mut masks) = (PerParty::new(), Vec::new());
        let wanted = PER_SLOT * slots;
        let mut own = self.state.paillier.nonces(wanted * self.public.others(), rng).into_iter();
        for to in self.public.signers().others(self.state.me) {
            let Member { paillier: receiver, ring, .. } = self.public.known(to);
            let mut theirs = ready.remove(&to).unwrap_or_default();
            theirs.extend(receiver.nonces(wanted.saturating_sub(theirs.len()), rng));
            let mut theirs = theirs.into_iter();
            let mut pair = || {
                let pair = theirs.next().zip(own.next());
                <[Nonce; 2]>::from(pair.expect("invariant: enough nonces"))
            };
            let drawn = (0..slots).map(|_| {
                let mut mask = || {
                    let [s, r] = pair();
                    Mask { b: Integer::sample(level.parameters().ell_prime, rng), s, r }
                };
                Drawn { nonce: mask(), key: mask() }
            });
            all.insert(to, drawn.collect());
            masks.extend((0..2 * slots).map(|_| aff_g::Masks::random(level, ring, pair(), rng)));
        }
        (all, masks)
    }

    /// Adds the responses to all peers to the broadcasts, and proves them. All exponentiations form one list under the
    /// peers' keys and one under the own.
    fn respond(
        &self,
        drawn: &PerParty<Vec<Drawn>>,
        masks: Vec<aff_g::Masks>,
        broadcast: &mut [Broadcast<C>],
    ) -> PerParty<Vec<Direct<C>>> {
        let parts: Vec<_> = drawn.iter().flat_map(|(&to, drawn)| self.parts(to, drawn)).collect();
        let begun = aff_g::begin::<C>(&parts, masks, &self.state.paillier);
        let begun = begun.expect("invariant: psi0 has shown that K is a unit");
        let mut computed = begun.responses().chunks_exact(2);
        for _ in drawn.keys() {
            for (said, pair) in broadcast.iter_mut().zip(computed.by_ref()) {
                let [[D, F], [D_hat, F_hat]] = pair else { unreachable!("chunks of two") };
                let (D, F, D_hat, F_hat) = (D.clone(), F.clone(), D_hat.clone(), F_hat.clone());
                said.responses.push(Response { D, F, D_hat, F_hat });
            }
        }
        let claims: Vec<_> = drawn
            .iter()
            .enumerate()
            .flat_map(|(position, (&to, drawn))| self.claims(to, drawn, position, broadcast))
            .collect();
        let mut proofs = begun.prove(&claims).into_iter();
        let mut next = || proofs.next().expect("invariant: two proofs per slot and peer");
        let mut direct = || Direct { psi: next(), psi_hat: next() };
        drawn.iter().map(|(&to, drawn)| (to, drawn.iter().map(|_| direct()).collect())).collect()
    }

    /// What the responses to one peer are made of.
    fn parts<'b>(&'b self, to: PartyIndex, drawn: &'b [Drawn]) -> Vec<aff_g::Part<'b>> {
        let Member { paillier: receiver, ring: rp, .. } = self.public.known(to);
        let slots = drawn.iter().zip(self.gamma).enumerate();
        slots
            .flat_map(|(b, (drawn, gamma))| {
                let C = self.K(to, b);
                witnesses(drawn, gamma, self.w).map(|witness| aff_g::Part { receiver, C, rp, witness })
            })
            .collect()
    }

    /// What is proven to the peer whose responses stand at a position in the broadcasts.
    fn claims<'b>(
        &'b self,
        to: PartyIndex,
        drawn: &'b [Drawn],
        position: usize,
        broadcast: &'b [Broadcast<C>],
    ) -> Vec<aff_g::Claim<'b, C>> {
        let (prover, receiver) = (self.public.known(self.state.me), self.public.known(to));
        let slots = drawn.iter().zip(self.gamma).zip(broadcast.iter().zip(self.sessions)).enumerate();
        slots
            .flat_map(|(b, ((drawn, gamma), (said, ssid)))| {
                let response = said.responses.get(position).expect("invariant: one response per peer");
                let bound = |role| context(self.public, ssid, role, ROUND, self.state.me, Some(to));
                let [of_nonce, of_key] = witnesses(drawn, gamma, self.w);
                let statement = psi(prover, receiver, self.K(to, b), said.Gamma, response);
                let psi = aff_g::Claim { context: bound(Role::Psi), statement, witness: of_nonce };
                let statement = psi_hat(prover, receiver, self.K(to, b), response);
                [psi, aff_g::Claim { context: bound(Role::PsiHat), statement, witness: of_key }]
            })
            .collect()
    }

    /// What a peer encrypted in round 1.
    fn K(&self, of: PartyIndex, b: usize) -> &Ciphertext {
        &self.view.committed(of, b).expect("invariant: the view holds round 1").K
    }
}

/// What is known of `D` and `F`, and of `D^` and `F^`.
fn witnesses<'a>(drawn: &'a Drawn, gamma: &'a Integer, w: &'a Integer) -> [aff_g::Witness<'a>; 2] {
    let Drawn { nonce, key } = drawn;
    let of_nonce = aff_g::Witness { x: gamma, y: &nonce.b, rho: &nonce.s, rho_y: &nonce.r };
    [of_nonce, aff_g::Witness { x: w, y: &key.b, rho: &key.s, rho_y: &key.r }]
}
