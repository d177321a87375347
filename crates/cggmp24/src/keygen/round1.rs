//! Round 1: draw everything, commit to it.

use consign_rounds::{PartyIndex, SessionId};
use consign_zk::curve::{Curve, Point};
use consign_zk::feldman::Polynomial;
use consign_zk::sch;
use consign_zk::transcript::{Purpose, Transcript};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{Public, round3};
use crate::joint::random_part;
use crate::sharing::{MaskKeys, draw_mask_keys, public_mask_keys};

/// Kept until shares are sent: the polynomial, the keys of the masks, the proof's first step, the opening.
pub struct Round1<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) polynomial: Polynomial<C>,
    pub(super) mask_keys: MaskKeys<C>,
    pub(super) proof: sch::Commitment<C>,
    pub(super) opening: round3::Broadcast<C>,
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
    rng: &mut impl CryptoRng,
) -> (Round1<C>, Broadcast) {
    let polynomial = Polynomial::random(public.threshold, rng);
    let mask_keys = draw_mask_keys(public.parties.others(me), rng);
    let mut proof = sch::Commitment::random(rng);
    let (mut coefficients, mut public_keys) = (polynomial.commit(), public_mask_keys(&mask_keys));
    // All of them are hashed now and sent later.
    let first_message = [proof.public_mut()];
    Point::keep_encodings(coefficients.0.iter_mut().chain(first_message).chain(&mut public_keys));
    let opening = round3::Broadcast {
        rid: random_part(rng),
        coefficients,
        first_message: proof.public(),
        mask_keys: public_keys,
        chain_code: public.derivable.then(|| random_part(rng)),
        nonce: random_part(rng),
    };
    let commitment = commit(session, me, &opening);
    (Round1 { me, session, polynomial, mask_keys, proof, opening }, Broadcast { commitment })
}

/// `V_i = H("commit/keygen-t", sid, i, rid_i, (C_ik)_k, A_i, (Y_ij)_j, cc_i, u_i)`.
pub(super) fn commit<C: Curve>(
    session: SessionId,
    from: PartyIndex,
    opening: &round3::Broadcast<C>,
) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::CommitKeygen);
    transcript
        .bytes("sid", &session.0)
        .number("i", from.get().into())
        .bytes("rid", &opening.rid)
        .points("C", opening.coefficients.0.iter())
        .point("A", &opening.first_message)
        .points("Y", opening.mask_keys.iter())
        .optional("cc", opening.chain_code.as_ref().map(<[u8; 32]>::as_slice))
        .bytes("u", &opening.nonce);
    transcript.hash()
}
