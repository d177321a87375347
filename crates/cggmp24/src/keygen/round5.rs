//! Round 5: open the masks, check the shares, and prove the final share; or complain about a bad one.

use consign_rounds::{Heard, PartyIndex, PerParty, Protocol, Ruling, SessionId, Speech, Step};
use consign_zk::context::{Context, Role};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::sch;
use consign_zk::secret::Secret;

use super::round4::Round4;
use super::{Direct, Failure, Fault, Keygen, Public, View, round4, say};
pub use crate::sharing::{Answer as Broadcast, OpenedComplaint};
use crate::sharing::{SHARE_ROUND, add_up, proof_context, translate};
use crate::sizes;

/// Kept until everybody has proven its share.
pub struct Round5<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) share: Secret<Scalar<C>>,
}

pub(super) fn max_bytes<C: Curve>() -> usize {
    Broadcast::<C>::max_bytes(sizes::scalar::<C>())
}

// DEVIATION 5: the proof is about the final share, not about the own summand.
/// The context of the proof that `from` holds its final share.
fn context<'a>(public: &Public, session: &'a SessionId, from: PartyIndex, rid: &'a [u8; 32]) -> Context<'a> {
    proof_context(public.level, Role::KeyShare, session, from, rid)
}

pub(super) fn speak<C: Curve>(
    state: Round4<C>,
    public: &Public,
    view: &View<C>,
    directs: PerParty<Heard<Keygen<C>>>,
) -> Step<Keygen<C>> {
    let Round4 { me, session, own_share, mask_keys, shared, proof } = state;
    let rid = view.rid();
    let key = |from| mask_keys.get(&from).expect("invariant: one mask key per peer").expose();
    let open = |from, direct: &Direct<C>| {
        let Direct::Round4(sent) = direct else { return None };
        let (pair, expected) = (view.pair(public, session, &rid, from, me), view.share_of(from, me));
        // The kept point may have suffered since: nothing is said against anybody before it was computed anew.
        let kept = shared.get(&from).and_then(|point| pair.open_under(sent, point.expose(), &expected));
        kept.or_else(|| pair.open(sent, key(from), &expected))
    };
    let limit = Keygen::<C>::max_direct_bytes(public, SHARE_ROUND);
    let share = match add_up(own_share.expose(), directs.into_iter(), limit, open) {
        Ok(share) => share,
        Err(bad) => {
            let key = *key(bad.against);
            let complaint = Broadcast::complaint(*bad, key);
            let speech = say(public, me, super::Broadcast::Round5(complaint));
            let share = Secret::new(Scalar::zero());
            return Step::Speak(Keygen::Round5(Round5 { me, session, share }), speech);
        }
    };
    let info = &view.implied(public, session).info;
    let identities = info.public_shares.iter().chain([&info.public_key]).any(Point::is_identity);
    let X = info.public_share(me).copied().filter(|_| !identities && !share.is_zero());
    let Some(X) = X else { return Step::Abort(Failure::Degenerate) };
    let proof = sch::prove(&context(public, &session, me, &rid), X, &share, proof);
    let speech: Speech<_> = say(public, me, super::Broadcast::Round5(Broadcast::Proof(proof)));
    Step::Speak(Keygen::Round5(Round5 { me, session, share: Secret::new(*share) }), speech)
}

pub(super) fn check<C: Curve>(
    public: &Public,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    broadcast: &Broadcast<C>,
) -> Result<(), Fault> {
    match broadcast {
        // Decided by `rule`, for which the engine authenticates what the complaint shows.
        Broadcast::Complaint(_) => Ok(()),
        Broadcast::Proof(proof) => {
            let rid = view.rid();
            let A = view.openings.get(&from).map(|opening| opening.first_message).unwrap_or_default();
            let X = view.implied(public, session).info.public_share(from).copied().unwrap_or_default();
            let statement = sch::Statement { X, A };
            let context = context(public, &session, from, &rid);
            sch::verify(&context, &statement, proof).map_err(|_| Fault::ShareProof)
        }
    }
}

/// Opens the mask with the accuser's key and looks at the share.
pub(super) fn rule<C: Curve>(
    public: &Public,
    view: &View<C>,
    session: SessionId,
    accuser: PartyIndex,
    accused: PartyIndex,
    share: &round4::Direct<C>,
    key: &Scalar<C>,
) -> Ruling<Fault> {
    let expected = view.share_of(accused, accuser);
    translate(view.pair(public, session, &view.rid(), accused, accuser).rule(share, key, &expected))
}
