//! Round 4: every dealer sends every receiver its share, masked.
//!
//! From here on the number of the new epoch is spent for a dealer, so that is durable first (5.7, rule 1).

use consign_rounds::{PartyIndex, SessionId, Speech, Step};
use consign_zk::curve::{Curve, Scalar};
use consign_zk::secret::Secret;

use super::round1::{Receiving, Round1};
use super::{Broadcast, Direct, Fault, Public, Record, Reshare, View};
use crate::sharing::MaskedShare;

/// Kept until the shares of the dealers are in.
pub struct Round4<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    /// What this party dealt to itself, if it plays both roles.
    pub(super) own: Secret<Scalar<C>>,
    pub(super) receiving: Option<Receiving<C>>,
}

pub(super) fn speak<C: Curve>(state: Round1<C>, public: &Public<C>, view: &View<C>) -> Step<Reshare<C>> {
    let Round1 { me, session, dealing, receiving, .. } = state;
    let rid = view.rid();
    let share_for = |to| {
        let (dealing, new) = (dealing.as_ref()?, public.receiver(to)?);
        let key = dealing.mask_keys.get(&to).expect("invariant: one mask key per receiver").expose();
        let share = dealing.polynomial.evaluate(new.get());
        Some(view.pair(public, session, &rid, me, to).seal(&share, key))
    };
    let direct = public.parties().others(me).map(|to| (to, Direct::Round4(share_for(to)))).collect();
    let own = dealing.as_ref().zip(public.receiver(me));
    let own = own.map_or(Scalar::zero(), |(dealing, new)| dealing.polynomial.evaluate(new.get()));
    let durable = dealing.map(|_| Record::Dealing(public.epoch()));
    let state = Round4 { me, session, own: Secret::new(own), receiving };
    Step::Speak(Reshare::Round4(state), Speech { durable, broadcast: Broadcast::Round4, direct })
}

/// A share travels from every dealer to every receiver, and nowhere else. Whether it is good is for its receiver to
/// check, who complains in the next round.
pub(super) fn check<C: Curve>(
    public: &Public<C>,
    from: PartyIndex,
    to: PartyIndex,
    share: Option<&MaskedShare<C>>,
) -> Result<(), Fault> {
    let expected = public.dealer(from).is_some() && public.receiver(to).is_some();
    if share.is_some() == expected { Ok(()) } else { Err(Fault::Role) }
}
