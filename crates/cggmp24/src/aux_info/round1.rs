//! Round 1: make the parameters and commit to them.

use consign_modexp::Factors;
use consign_rounds::{PartyIndex, SessionId};
use consign_zk::context::{Context, Role};
use consign_zk::curve::Curve;
use consign_zk::natural::Natural;
use consign_zk::paillier::DecryptionKey;
use consign_zk::prm;
use consign_zk::ring_pedersen::{self, RingPedersen};
use consign_zk::transcript::{Purpose, Transcript};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{AuxError, Primes, Public, round3};

/// Kept until the modulus is proven: the factors and the opening. `lambda` is erased at the end of this round.
pub struct Round1 {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) primes: Primes,
    pub(super) paillier: DecryptionKey,
    pub(super) opening: round3::Broadcast,
}

/// `V_i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// Hash of the opening.
    pub commitment: [u8; 32],
}

pub(super) fn speak<C: Curve>(
    public: &Public,
    session: SessionId,
    me: PartyIndex,
    primes: Primes,
    rng: &mut impl CryptoRng,
) -> Result<(Round1, Broadcast), AuxError> {
    primes.test()?;
    let [p, q] = &primes.paillier;
    let paillier = DecryptionKey::new(p, q, public.level).map_err(|_| AuxError::Factors)?;
    let [p, q] = &primes.ring;
    let factors = Factors::new(p, q).ok_or(AuxError::Factors)?;
    let (parameters, lambda) = ring_pedersen::generate(&factors, rng);
    let ring = RingPedersen::new(&parameters, public.level).map_err(|_| AuxError::Domain)?;
    let proof = prm::prove::<C>(
        &context(public, &session, me),
        &prm::Statement { ring: &ring },
        &prm::Witness { factors: &factors, lambda: lambda.expose() },
        rng,
    );
    let opening = round3::Broadcast {
        n: Natural::new(paillier.public().n().value()),
        ring: parameters,
        proof,
        rid: random_bytes(rng),
        nonce: random_bytes(rng),
    };
    let commitment = commit(session, me, &opening);
    Ok((Round1 { me, session, primes, paillier, opening }, Broadcast { commitment }))
}

/// The context of the proof of the ring-Pedersen parameters of `from`.
pub(super) fn context<'a>(public: &Public, session: &'a SessionId, from: PartyIndex) -> Context<'a> {
    Context {
        level: public.level,
        session: &session.0,
        role: Role::AuxPrm,
        round: 3,
        prover: from.get(),
        verifier: None,
        rid: None,
    }
}

/// `V_i = H("commit/aux", sid, i, N_i, N^_i, s_i, t_i, proof, rid_i, u_i)`.
pub(super) fn commit(session: SessionId, from: PartyIndex, opening: &round3::Broadcast) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::CommitAux);
    transcript
        .bytes("sid", &session.0)
        .number("i", from.get().into())
        .natural("N", opening.n.value())
        .natural("N^", opening.ring.modulus.value())
        .natural("s", opening.ring.s.value())
        .natural("t", opening.ring.t.value())
        .count("proof", opening.proof.repetitions.len());
    for repetition in &opening.proof.repetitions {
        transcript.natural("A", repetition.A.value()).natural("z", repetition.z.value());
    }
    transcript.bytes("rid", &opening.rid).bytes("u", &opening.nonce);
    transcript.hash()
}

fn random_bytes(rng: &mut impl CryptoRng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}
