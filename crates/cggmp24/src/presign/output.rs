//! After round 3: the two checks without which nothing may be signed, and the presignatures
//! (`docs/spec/signing.md`, 6.4).

use consign_modexp::for_each;
use consign_rounds::SessionId;
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::secret::Secret;
use rand_core::CryptoRng;

use super::round2::slot_number;
use super::round3::{self, Round3};
use super::{Broadcast, Failure, Public, View, alert};
use crate::sign::{Presignature, PresignaturePublic, Share};
use crate::ssid;

/// What follows round 3.
pub(crate) enum Closing<C: Curve> {
    /// Every check passes.
    Made(Vec<Presignature<C>>),
    /// There are no presignatures; the broadcast is to be sent nevertheless: an alert, if that can help.
    Failed(Failure, Broadcast<C>),
    /// A fault of this node: there is nothing to be sent.
    Broken(Failure),
}

/// Checks every slot, then makes the presignatures, or an alert. Everything that was kept for either is wiped.
pub(crate) fn close<C: Curve>(
    state: Round3<C>,
    public: &Public<C>,
    view: &View<C>,
    rng: &mut impl CryptoRng,
) -> Closing<C> {
    match verdict(public, view, state.session) {
        Ok(shown) => Closing::Made(presignatures(state, view, shown)),
        Err(failure) => match alert::speak(&state, public, view, rng) {
            Ok(Some(alert)) => Closing::Failed(failure, Broadcast::Alert(Box::new(alert))),
            Ok(None) => Closing::Failed(failure, Broadcast::Closing),
            Err(own) => Closing::Broken(own),
        },
    }
}

/// The presignatures of slots that have passed all checks.
fn presignatures<C: Curve>(
    state: Round3<C>,
    view: &View<C>,
    shown: Vec<PresignaturePublic<C>>,
) -> Vec<Presignature<C>> {
    let Round3 { me, slots, .. } = state;
    let presignature = |(b, (slot, shown)): (usize, (round3::Slot<C>, PresignaturePublic<C>))| {
        let inverse = view.delta(b).invert().expect("invariant: delta is not zero");
        let k = Secret::new(*slot.k.expose() * inverse);
        let chi = Secret::new(*slot.chi.expose() * inverse);
        Presignature::new(me, shown, k, chi)
    };
    slots.into_iter().zip(shown).enumerate().map(presignature).collect()
}

/// What everybody with this view finds: the public halves of all presignatures, or the lowest slot that fails a check, or
/// that is degenerate if all pass.
pub(crate) fn verdict<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
) -> Result<Vec<PresignaturePublic<C>>, Failure> {
    for_each(0..public.slots(), |b| check(public, view, b)).into_iter().collect::<Result<(), _>>()?;
    let shown = for_each(0..public.slots(), |b| shown(public, view, session, b));
    let degenerate =
        |(b, shown): (usize, Option<_>)| shown.ok_or(Failure::Degenerate { slot: slot_number(b) });
    shown.into_iter().enumerate().map(degenerate).collect()
}

/// (N), and only if it holds (X), for slot `b`. A wrong `chi_i` would leak through invalid signatures.
fn check<C: Curve>(public: &Public<C>, view: &View<C>, b: usize) -> Result<(), Failure> {
    let delta = view.delta(b);
    let Delta: Point<C> = view.shown(b).map(|(_, said)| said.Delta).sum();
    if Point::mul_generator(&delta) != Delta {
        return Err(Failure::Nonce { slot: slot_number(b) });
    }
    let S: Point<C> = view.shown(b).map(|(_, said)| said.S).sum();
    if *public.public_key() * delta != S {
        return Err(Failure::Chi { slot: slot_number(b) });
    }
    Ok(())
}

/// The public half of the presignature of slot `b`, from what was broadcast; `None` if it is degenerate by chance.
pub(crate) fn shown<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    b: usize,
) -> Option<PresignaturePublic<C>> {
    let inverse = view.delta(b).invert()?;
    let scaled = |said: &round3::Broadcast<C>| Share { Delta: said.Delta * inverse, S: said.S * inverse };
    let shares = view.shown(b).map(|(from, said)| (from, scaled(said))).collect();
    let key = public.key();
    let presignature = PresignaturePublic {
        slot_session: ssid::slot(session, slot_number(b), public.batch()),
        key_id: key.key_id,
        epoch: key.epoch,
        signers: public.signers().clone(),
        shift: public.shift().clone(),
        public_key: *public.public_key(),
        Gamma: view.Gamma(b),
        shares,
    };
    presignature.r().map(|_| presignature)
}

impl<C: Curve> View<C> {
    /// `delta` of slot `b`.
    fn delta(&self, b: usize) -> Scalar<C> {
        self.shown(b).map(|(_, said)| said.delta).sum()
    }
}
