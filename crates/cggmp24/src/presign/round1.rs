//! Round 1: encrypt and commit to the nonce share `k` and to its mask `gamma` (`docs/spec/signing.md`, 6.1).

use std::sync::Arc;

use consign_modexp::for_each;
use consign_rounds::{PartyIndex, PerParty, SessionId};
use consign_zk::aid::Aid;
use consign_zk::context::Role;
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::integer::Integer;
use consign_zk::paillier::{Ciphertext, DecryptionKey, Nonce};
use consign_zk::secret::Secret;
use consign_zk::{elgamal, enc_elg};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::public::{Member, context};
use super::round2::slot_number;
use super::{Fault, Public, Shape, Spoken};
use crate::sizes;

// DEVIATION 8: not the engine's, which counts echoes too.
/// The round's number in challenges: that of the specification.
const ROUND: u8 = 1;

/// Kept: the own share in additive form, the secrets of every slot, and nonces for round 2 that were made ahead of time.
pub struct Round1<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) w: Secret<Scalar<C>>,
    pub(super) paillier: Arc<DecryptionKey>,
    pub(super) slots: Vec<Slot<C>>,
    pub(super) ready: PerParty<Vec<Nonce>>,
}

/// What a signer brings along.
pub(super) struct Own<C: Curve> {
    pub(super) me: PartyIndex,
    /// The own share in additive form.
    pub(super) w: Secret<Scalar<C>>,
    pub(super) paillier: Arc<DecryptionKey>,
    /// Nonces under the peers' keys for round 2 that were made ahead of time.
    pub(super) ready: PerParty<Vec<Nonce>>,
}

impl<C: Curve> Round1<C> {
    /// Whose state it is.
    pub(crate) fn me(&self) -> PartyIndex {
        self.me
    }
}

/// What this round gives.
pub(crate) type FirstRound<C> = Spoken<Round1<C>, Vec<Broadcast<C>>, Vec<Direct<C>>>;

/// Secrets of one slot.
pub(super) struct Slot<C: Curve> {
    pub(super) k: Secret<Scalar<C>>,
    pub(super) gamma: Secret<Scalar<C>>,
    /// Randomness of the ElGamal commitment to `k`.
    pub(super) a: Secret<Scalar<C>>,
    /// Randomness of the ElGamal commitment to `gamma`.
    pub(super) b: Secret<Scalar<C>>,
}

/// To everybody, for one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Broadcast<C: Curve> {
    /// `enc_i(k_i; rho_i)`.
    pub K: Ciphertext,
    /// `enc_i(gamma_i; nu_i)`.
    pub G: Ciphertext,
    /// ElGamal key whose logarithm nobody keeps.
    pub Y: Point<C>,
    /// Commitment to `k_i`.
    pub A: elgamal::Commitment<C>,
    /// Commitment to `gamma_i`.
    pub B: elgamal::Commitment<C>,
}

/// To one peer, for one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Direct<C: Curve> {
    /// `K` and `A` hold the same short value.
    pub psi0: enc_elg::Proof<C>,
    /// `G` and `B` hold the same short value.
    pub psi1: enc_elg::Proof<C>,
}

pub(super) fn max_broadcast_bytes<C: Curve>(shape: Shape) -> usize {
    2 * sizes::ciphertext(shape.level) + 5 * sizes::point::<C>()
}

pub(super) fn max_direct_bytes<C: Curve>(shape: Shape) -> usize {
    2 * sizes::enc_elg::<C>(shape.level)
}

/// `psi0_{j,i}`: for `verifier`, about `K_i` of `prover`.
fn psi0<'a, C: Curve>(
    prover: &'a Member<C>,
    verifier: &'a Member<C>,
    said: &'a Broadcast<C>,
) -> enc_elg::Statement<'a, C> {
    let elgamal::Commitment { randomness, value } = said.A;
    let (A, B, X) = (said.Y, randomness, value);
    enc_elg::Statement { prover: &prover.paillier, C: &said.K, A, B, X, rp: &verifier.ring }
}

/// `psi1_{j,i}`: for `verifier`, about `G_i` of `prover`.
fn psi1<'a, C: Curve>(
    prover: &'a Member<C>,
    verifier: &'a Member<C>,
    said: &'a Broadcast<C>,
) -> enc_elg::Statement<'a, C> {
    let elgamal::Commitment { randomness, value } = said.B;
    let (A, B, X) = (said.Y, randomness, value);
    enc_elg::Statement { prover: &prover.paillier, C: &said.G, A, B, X, rp: &verifier.ring }
}

pub(super) fn check<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    aid: &Aid,
    (from, to): (PartyIndex, PartyIndex),
    broadcast: &[Broadcast<C>],
    direct: &[Direct<C>],
) -> Result<(), Fault> {
    if broadcast.len() != public.slots() || direct.len() != public.slots() {
        return Err(Fault::Slots);
    }
    let (Some(prover), Some(verifier)) = (public.member(from), public.member(to)) else {
        return Err(Fault::Slots);
    };
    let sessions = public.slot_sessions(session);
    let slots = broadcast.iter().zip(direct).zip(&sessions);
    let list = slots.flat_map(|((said, proofs), ssid)| {
        let bound = |role| context(public, ssid, role, ROUND, from, Some(to));
        let (statement, proof) = (psi0(prover, verifier, said), &proofs.psi0);
        let psi0 = enc_elg::Claimed { context: bound(Role::Psi0), statement, proof };
        let (statement, proof) = (psi1(prover, verifier, said), &proofs.psi1);
        [psi0, enc_elg::Claimed { context: bound(Role::Psi1), statement, proof }]
    });
    enc_elg::verify_all(&list.collect::<Vec<_>>(), aid).map_err(|(position, _)| {
        let slot = slot_number(position / 2);
        if position.is_multiple_of(2) { Fault::Psi0 { slot } } else { Fault::Psi1 { slot } }
    })
}

/// What a slot needs within this round only: integers of `k` and `gamma`, nonces of their ciphertexts.
struct Drawn {
    k: Integer,
    gamma: Integer,
    rho: Nonce,
    nu: Nonce,
}

pub(super) fn speak<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    own: Own<C>,
    rng: &mut impl CryptoRng,
) -> FirstRound<C> {
    let Own { me, w, paillier, ready } = own;
    let mut scalar = || Secret::new(Scalar::random_nonzero(rng));
    let slots: Vec<_> = (0..public.slots())
        .map(|_| Slot { k: scalar(), gamma: scalar(), a: scalar(), b: scalar() })
        .collect();
    // Two for each slot, and as many for each peer that gets proofs.
    let mut nonces = paillier.nonces(2 * slots.len() * (1 + public.others()), rng).into_iter();
    let mut nonce = || nonces.next().expect("invariant: enough nonces");
    let drawn: Vec<_> = slots
        .iter()
        .map(|slot| Drawn {
            k: slot.k.expose().to_integer(),
            gamma: slot.gamma.expose().to_integer(),
            rho: nonce(),
            nu: nonce(),
        })
        .collect();
    let keys: Vec<_> = slots.iter().map(|_| elgamal::random_key(rng)).collect();
    let prover = public.known(me);
    let mut masks = Vec::with_capacity(2 * slots.len() * public.others());
    for to in public.signers().others(me) {
        let ring = &public.known(to).ring;
        let draw = |_| enc_elg::Masks::random(public.level(), ring, nonce(), rng);
        masks.extend((0..2 * slots.len()).map(draw));
    }
    // The ciphertexts of the slots and those of the proofs for all peers form one list.
    let plain = drawn.iter().flat_map(|d| [(&d.k, &d.rho), (&d.gamma, &d.nu)]);
    let plain: Vec<_> = plain.chain(masks.iter().map(enc_elg::Masks::plain)).collect();
    let mut encrypted = paillier.encrypt(&plain).into_iter();
    let mut next = || encrypted.next().expect("invariant: two ciphertexts per slot");
    let ciphertexts: Vec<_> = slots.iter().map(|_| (next(), next())).collect();
    let broadcast = for_each(slots.iter().zip(keys).zip(ciphertexts), |((slot, Y), (K, G))| Broadcast {
        K,
        G,
        Y,
        A: elgamal::commit(&Y, slot.k.expose(), slot.a.expose()),
        B: elgamal::commit(&Y, slot.gamma.expose(), slot.b.expose()),
    });

    let sessions = public.slot_sessions(session);
    // The proofs for all peers form one list.
    let mut claims = Vec::with_capacity(2 * slots.len() * public.others());
    for to in public.signers().others(me) {
        let verifier = public.known(to);
        for ((slot, drawn), (said, ssid)) in slots.iter().zip(&drawn).zip(broadcast.iter().zip(&sessions)) {
            let bound = |role| context(public, ssid, role, ROUND, me, Some(to));
            let witness = enc_elg::Witness { x: &drawn.k, rho: &drawn.rho, b: slot.a.expose() };
            let statement = psi0(prover, verifier, said);
            claims.push(enc_elg::Claim { context: bound(Role::Psi0), statement, witness });
            let witness = enc_elg::Witness { x: &drawn.gamma, rho: &drawn.nu, b: slot.b.expose() };
            let statement = psi1(prover, verifier, said);
            claims.push(enc_elg::Claim { context: bound(Role::Psi1), statement, witness });
        }
    }
    let mut proofs = enc_elg::prove_with(&claims, masks, encrypted.collect()).into_iter();
    let mut next = || proofs.next().expect("invariant: two proofs per slot and peer");
    let mut one = || Direct { psi0: next(), psi1: next() };
    let peers = public.signers().others(me);
    let direct = peers.map(|to| (to, sessions.iter().map(|_| one()).collect())).collect();
    Spoken { state: Round1 { me, session, w, paillier, slots, ready }, broadcast, direct }
}
