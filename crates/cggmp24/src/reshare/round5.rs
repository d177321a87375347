//! Round 5: a receiver opens the masks, checks the shares, and proves its new share; or complains about a bad one.

use consign_rounds::{Heard, PartyIndex, PerParty, Protocol, Ruling, SessionId, Step};
use consign_zk::context::{Context, Role};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::sch;
use consign_zk::secret::Secret;

use super::round4::Round4;
use super::{Direct, Failure, Fault, Public, Reshare, View, say};
use crate::sharing::{Answer, MaskedShare, SHARE_ROUND, ShareFault, add_up, proof_context, translate};

/// Kept until all receivers have proven their shares.
pub struct Round5<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    /// A receiver's new share.
    pub(super) share: Option<Secret<Scalar<C>>>,
}

fn context<'a, C: Curve>(
    public: &Public<C>,
    session: &'a SessionId,
    from: PartyIndex,
    rid: &'a [u8; 32],
) -> Context<'a> {
    proof_context(public.base().level, Role::ResharedShare, session, from, rid)
}

pub(super) fn speak<C: Curve>(
    state: Round4<C>,
    public: &Public<C>,
    view: &View<C>,
    directs: PerParty<Heard<Reshare<C>>>,
) -> Step<Reshare<C>> {
    let Round4 { me, session, own, receiving } = state;
    let Some(receiving) = receiving else {
        let speech = say(public, me, super::Broadcast::Round5(None));
        return Step::Speak(Reshare::Round5(Round5 { me, session, share: None }), speech);
    };
    let rid = view.rid();
    let key = |from| receiving.mask_keys.get(&from).expect("invariant: one mask key per dealer").expose();
    let open = |from, direct: &Direct<C>| {
        let Direct::Round4(Some(sent)) = direct else { return None };
        let expected = view.share_of(public, from, me);
        view.pair(public, session, &rid, from, me).open(sent, key(from), &expected)
    };
    let limit = Reshare::<C>::max_direct_bytes(public, SHARE_ROUND);
    let dealt = directs.into_iter().filter(|(from, _)| public.dealer(*from).is_some());
    let (answer, share) = match add_up(own.expose(), dealt, limit, open) {
        Ok(share) => {
            let new = &view.implied(public, session).info.public_shares;
            if new.iter().any(Point::is_identity) || share.is_zero() {
                return Step::Abort(Failure::Degenerate);
            }
            let X = view.public_share(public, session, me);
            let proof = sch::prove(&context(public, &session, me, &rid), X, &share, receiving.proof);
            (Answer::Proof(proof), Secret::new(*share))
        }
        Err(bad) => {
            let key = *key(bad.against);
            (Answer::complaint(*bad, key), Secret::new(Scalar::zero()))
        }
    };
    let speech = say(public, me, super::Broadcast::Round5(Some(answer)));
    Step::Speak(Reshare::Round5(Round5 { me, session, share: Some(share) }), speech)
}

pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    answer: Option<&Answer<C>>,
) -> Result<(), Fault> {
    if answer.is_some() != public.receiver(from).is_some() {
        return Err(Fault::Role);
    }
    // A complaint is decided by `rule`, for which the engine authenticates what it shows.
    let Some(Answer::Proof(proof)) = answer else { return Ok(()) };
    let rid = view.rid();
    let opening = view.openings.get(&from).and_then(|opening| opening.new.as_ref());
    let A = opening.map(|new| new.first_message).unwrap_or_default();
    let statement = sch::Statement { X: view.public_share(public, session, from), A };
    sch::verify(&context(public, &session, from, &rid), &statement, proof).map_err(|_| Fault::ShareProof)
}

/// Opens the mask with the accuser's key and looks at the share.
pub(super) fn rule<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    accuser: PartyIndex,
    accused: PartyIndex,
    share: &MaskedShare<C>,
    key: &Scalar<C>,
) -> Ruling<Fault> {
    if public.receiver(accuser).is_none() || public.dealer(accused).is_none() {
        return Ruling::Accuser(ShareFault::FalseComplaint.into());
    }
    let expected = view.share_of(public, accused, accuser);
    translate(view.pair(public, session, &view.rid(), accused, accuser).rule(share, key, &expected))
}
