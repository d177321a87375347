//! Round 4: send every party its share, masked under a key of that pair (`docs/spec/primitives.md`, 2.7).

use consign_rounds::{PartyIndex, PerParty, SessionId, Speech, Step};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::sch;
use consign_zk::secret::Secret;
use consign_zk::transcript::{Purpose, Transcript};
use serde::{Deserialize, Serialize};

use super::round1::Round1;
use super::{Broadcast, Keygen, Public, View};

/// Kept until the shares of the others are in.
pub struct Round4<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) own_share: Secret<Scalar<C>>,
    pub(super) mask_keys: PerParty<Secret<Scalar<C>>>,
    pub(super) proof: sch::Commitment<C>,
}

/// `c_ij = f_i(j) + rho_ij`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Direct<C: Curve> {
    /// The masked share.
    pub masked: Scalar<C>,
}

pub(super) fn speak<C: Curve>(state: Round1<C>, public: &Public, view: &View<C>) -> Step<Keygen<C>> {
    let Round1 { me, session, polynomial, mask_keys, proof, .. } = state;
    let rid = view.rid();
    let direct = public
        .parties
        .others(me)
        .map(|to| {
            let key = mask_keys.get(&to).expect("invariant: one mask key per peer");
            let shared = mask_point(public, view, to, me) * *key.expose();
            let masked = polynomial.evaluate(to.get()) + mask(session, &rid, me, to, &shared);
            (to, super::Direct::Round4(Direct { masked }))
        })
        .collect();
    let own_share = Secret::new(polynomial.evaluate(me.get()));
    let state = Round4 { me, session, own_share, mask_keys, proof };
    Step::Speak(Keygen::Round4(state), Speech { durable: None, broadcast: Broadcast::Round4, direct })
}

/// `Y_{owner,peer}`, or the identity if a judge's made-up view lacks it.
pub(super) fn mask_point<C: Curve>(
    public: &Public,
    view: &View<C>,
    owner: PartyIndex,
    peer: PartyIndex,
) -> Point<C> {
    let position = public.parties.position_among_others(owner, peer);
    let opening = view.openings.get(&owner);
    opening.and_then(|opening| opening.mask_keys.get(position?).copied()).unwrap_or_default()
}

// DEVIATION 2: shares travel masked, and a bad one leads to a public complaint.
/// `rho_{i->j} = H("mask", sid, rid, i, j, shared point)`. The direction is hashed: the point is the same both ways.
pub(super) fn mask<C: Curve>(
    session: SessionId,
    rid: &[u8; 32],
    from: PartyIndex,
    to: PartyIndex,
    shared: &Point<C>,
) -> Scalar<C> {
    let mut transcript = Transcript::new(Purpose::ShareMask);
    transcript
        .bytes("sid", &session.0)
        .bytes("rid", rid)
        .number("from", from.get().into())
        .number("to", to.get().into())
        .point("shared", shared);
    transcript.challenge_scalar()
}
