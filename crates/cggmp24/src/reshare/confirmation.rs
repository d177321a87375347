//! Round 6: every new holder stores its pending share, then confirms the new epoch
//! (`docs/spec/auxinfo-refresh.md`, 5.4 and 5.7).

use consign_rounds::{PartyIndex, SessionId, Step};
use consign_zk::curve::Curve;
use consign_zk::transcript::Purpose;
use serde::{Deserialize, Serialize};

use super::round5::Round5;
use super::{Failure, Fault, Pending, Public, Record, Reshare, Reshared, View, say};
use crate::epoch;
use crate::key::{KeyInfo, KeyShare};

/// Hash of the result; absent from a dealer that is no new holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// `H("reshare-done", sid, key_id, e', X, cc, t', (idx', X'), aux_id, rid)`.
    pub done: Option<[u8; 32]>,
}

pub(super) fn speak<C: Curve>(state: Round5<C>, public: &Public<C>, view: &View<C>) -> Step<Reshare<C>> {
    let Round5 { me, session, share } = state;
    let Implied { info, done } = view.implied(public, session);
    let (info, aux_id) = (info.clone(), *public.aux_id());
    let done = public.receiver(me).map(|_| *done);
    // That X is unchanged is one of the checks of a new share.
    let stored = share.zip(public.receiver(me)).map(|(share, new)| {
        let share = KeyShare::new(info.clone(), new, *share.expose()).ok()?;
        Pending::new(public.base().epoch, aux_id, share, None).ok()
    });
    let pending = match stored {
        Some(None) => return Step::Abort(Failure::Degenerate),
        Some(Some(pending)) => Some(pending),
        None => None,
    };
    let mut speech = say(public, me, super::Broadcast::Round6(Broadcast { done }));
    speech.durable = pending.as_ref().map(|pending| Record::Pending(pending.encode()));
    Step::Speak(Reshare::Round6(Box::new(Reshared { info, aux_id, pending })), speech)
}

pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    broadcast: &Broadcast,
) -> Result<(), Fault> {
    match (public.receiver(from), broadcast.done) {
        (None, None) => Ok(()),
        (Some(_), Some(said)) if said == view.implied(public, session).done => Ok(()),
        (Some(_), Some(_)) => Err(Fault::Confirmation),
        _ => Err(Fault::Role),
    }
}

/// What the openings imply, and the hash that confirms it.
pub(super) struct Implied<C: Curve> {
    pub(super) info: KeyInfo<C>,
    pub(super) done: [u8; 32],
}

impl<C: Curve> View<C> {
    /// Computed once: it is needed for every sender of two rounds.
    pub(super) fn implied(&self, public: &Public<C>, session: SessionId) -> &Implied<C> {
        self.implied.get_or_init(|| {
            let info = result(public, self, session);
            Implied { done: done(&info, public.aux_id()), info }
        })
    }
}

/// What the broadcasts imply.
fn result<C: Curve>(public: &Public<C>, view: &View<C>, session: SessionId) -> KeyInfo<C> {
    let all = view.sum();
    KeyInfo {
        session,
        epoch: public.epoch(),
        threshold: public.threshold(),
        parties: public.holders().clone(),
        public_shares: public.holders().indices().map(|l| all.evaluate(l.get())).collect(),
        rid: view.rid(),
        ..public.base().clone()
    }
}

pub(super) fn done<C: Curve>(info: &KeyInfo<C>, aux_id: &[u8; 32]) -> [u8; 32] {
    epoch::done(Purpose::ReshareDone, info, aux_id)
}
