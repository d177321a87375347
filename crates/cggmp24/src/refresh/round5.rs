//! Round 5: open the masks, check the shares, and prove the final share; or complain about a bad one.
//!
//! Everybody has proven its moduli by now, so this round also convicts the owners of a factor that two moduli share.

use consign_rounds::{Heard, PartyIndex, PerParty, Protocol, Ruling, SessionId, Step};
use consign_zk::context::{Context, Role};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::sch;
use consign_zk::secret::Secret;

use super::round4::Round4;
use super::{Direct, Failure, Fault, Primes, Public, Refresh, View, round4, say};
use crate::aux_info;
pub use crate::sharing::Answer as Broadcast;
use crate::sharing::{MaskedShare, SHARE_ROUND, add_up, proof_context, translate};

/// Kept until everybody has proven its share.
pub struct Round5<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) share: Secret<Scalar<C>>,
    pub(super) primes: Option<Primes>,
}

pub(super) fn max_bytes<C: Curve>(public: &Public<C>) -> usize {
    Broadcast::<C>::max_bytes(round4::max_direct_bytes(public))
}

fn context<'a, C: Curve>(
    public: &Public<C>,
    session: &'a SessionId,
    from: PartyIndex,
    rid: &'a [u8; 32],
) -> Context<'a> {
    proof_context(public.base().level, Role::RefreshedShare, session, from, rid)
}

pub(super) fn speak<C: Curve>(
    state: Round4<C>,
    public: &Public<C>,
    view: &View<C>,
    directs: PerParty<Heard<Refresh<C>>>,
) -> Step<Refresh<C>> {
    let Round4 { me, session, own, mask_keys, proof, primes } = state;
    let rid = view.rid();
    let key = |from| mask_keys.get(&from).expect("invariant: one mask key per peer").expose();
    let open = |from, direct: &Direct<C>| {
        let Direct::Round4(sent) = direct else { return None };
        view.pair(public, session, &rid, from, me).open(&sent.share, key(from), &view.share_of(from, me))
    };
    let limit = Refresh::<C>::max_direct_bytes(public, SHARE_ROUND);
    let (broadcast, share) = match add_up(own.expose(), directs.into_iter(), limit, open) {
        Ok(share) => {
            let new = &view.implied(public, session).info;
            let identities = new.public_shares.iter().any(Point::is_identity);
            let X = new.public_share(me).copied().filter(|_| !identities && !share.is_zero());
            let Some(X) = X else { return Step::Abort(Failure::Degenerate) };
            let proof = sch::prove(&context(public, &session, me, &rid), X, &share, proof);
            (Broadcast::Proof(proof), Secret::new(*share))
        }
        Err(bad) => {
            let key = *key(bad.against);
            (Broadcast::complaint(*bad, key), Secret::new(Scalar::zero()))
        }
    };
    let speech = say(public, me, super::Broadcast::Round5(broadcast));
    Step::Speak(Refresh::Round5(Round5 { me, session, share, primes }), speech)
}

pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    broadcast: &Broadcast<C>,
) -> Result<(), Fault> {
    let implied = view.implied(public, session);
    if implied.owners.contains(&from) {
        return Err(aux_info::Fault::SharedFactor.into());
    }
    // A complaint is decided by `rule`, for which the engine authenticates what it shows.
    let Broadcast::Proof(proof) = broadcast else { return Ok(()) };
    let rid = view.rid();
    let A = view.openings.get(&from).map(|opening| opening.first_message).unwrap_or_default();
    let X = implied.info.public_share(from).copied().unwrap_or_default();
    let statement = sch::Statement { X, A };
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
    let expected = view.share_of(accused, accuser);
    translate(view.pair(public, session, &view.rid(), accused, accuser).rule(share, key, &expected))
}
