//! Round 4: send every party its share, masked under a key of that pair (`docs/spec/primitives.md`, 2.7).

use consign_rounds::{PartyIndex, SessionId, Speech, Step};
use consign_zk::curve::{Curve, Scalar};
use consign_zk::sch;
use consign_zk::secret::Secret;

use super::round1::Round1;
use super::{Broadcast, Keygen, Public, View};
pub use crate::sharing::MaskedShare as Direct;
use crate::sharing::{MaskKeys, SharedPoints};

/// Kept until the shares of the others are in.
pub struct Round4<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) own_share: Secret<Scalar<C>>,
    pub(super) mask_keys: MaskKeys<C>,
    pub(super) shared: SharedPoints<C>,
    pub(super) proof: sch::Commitment<C>,
}

pub(super) fn speak<C: Curve>(state: Round1<C>, public: &Public, view: &View<C>) -> Step<Keygen<C>> {
    let Round1 { me, session, polynomial, mask_keys, proof, .. } = state;
    let rid = view.rid();
    let mut shared = SharedPoints::new();
    let direct = public
        .parties
        .others(me)
        .map(|to| {
            let key = mask_keys.get(&to).expect("invariant: one mask key per peer").expose();
            let pair = view.pair(public, session, &rid, me, to);
            let point = pair.shared(key);
            let sealed = pair.seal_under(&polynomial.evaluate(to.get()), point.expose());
            // The other's share comes under the same point.
            shared.insert(to, point);
            (to, super::Direct::Round4(sealed))
        })
        .collect();
    let own_share = Secret::new(polynomial.evaluate(me.get()));
    let state = Round4 { me, session, own_share, mask_keys, shared, proof };
    Step::Speak(Keygen::Round4(state), Speech { durable: None, broadcast: Broadcast::Round4, direct })
}
