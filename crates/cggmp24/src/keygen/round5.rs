//! Round 5: open the masks, check the shares, and prove the final share; or complain about a bad one.

use consign_rounds::{
    Complaint, Heard, PartyIndex, PerParty, Protocol, Ruling, SessionId, Speech, Step, decode,
};
use consign_zk::context::{Context, Role};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::sch;
use consign_zk::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::round4::{Round4, mask, mask_point};
use super::{Direct, Failure, Fault, Keygen, Public, View, round4, say};
use crate::sizes;

/// Kept until everybody has proven its share.
pub struct Round5<C: Curve> {
    pub(super) me: PartyIndex,
    pub(super) session: SessionId,
    pub(super) share: Secret<Scalar<C>>,
}

/// Proof of the final share, or a complaint with the key that opens the mask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Broadcast<C: Curve> {
    /// The share is good.
    Proof(sch::Proof<C>),
    /// A dealer's share is bad.
    Complaint(Box<OpenedComplaint<C>>),
}

/// A complaint with what everybody needs to decide it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct OpenedComplaint<C: Curve> {
    /// Whose share is bad, and what it sent.
    pub complaint: Complaint,
    /// `y_{me,dealer}`, the secret of the mask key for this dealer.
    pub key: Scalar<C>,
}

pub(super) fn max_bytes<C: Curve>() -> usize {
    // A signed header and a direct part in the complaint.
    8 * sizes::HASH + 3 * sizes::scalar::<C>()
}

// DEVIATION 5: the proof is about the final share, not about the own summand.
/// The context of the proof that `from` holds its final share.
fn context<'a>(public: &Public, session: &'a SessionId, from: PartyIndex, rid: &'a [u8; 32]) -> Context<'a> {
    Context {
        level: public.level,
        session: &session.0,
        role: Role::KeyShare,
        round: 5,
        prover: from.get(),
        verifier: None,
        rid: Some(rid),
    }
}

pub(super) fn speak<C: Curve>(
    state: Round4<C>,
    public: &Public,
    view: &View<C>,
    directs: PerParty<Heard<Keygen<C>>>,
) -> Step<Keygen<C>> {
    let Round4 { me, session, own_share, mask_keys, proof } = state;
    let rid = view.rid();
    let mut share = Zeroizing::new(*own_share.expose());
    for (from, heard) in directs {
        let key = mask_keys.get(&from).expect("invariant: one mask key per peer").expose();
        let open = |direct: &Direct<C>| match direct {
            Direct::Round4(sent) => unmask(public, view, session, from, me, sent, key).map(Zeroizing::new),
            Direct::None => None,
        };
        // A mistaken complaint shows the world a point of an honest polynomial and convicts the accuser, so the share
        // is recomputed from the signed bytes before anything is said (primitives.md, 2.7).
        let again = || decode(&heard.envelope.direct, Keygen::<C>::max_direct_bytes(public, 4)).ok();
        let Some(part) = open(&heard.direct).or_else(|| open(&again()?)) else {
            let complaint = Complaint { against: from, envelope: heard.envelope };
            let broadcast = Broadcast::Complaint(Box::new(OpenedComplaint { complaint, key: *key }));
            let share = Secret::new(Scalar::zero());
            let speech = say(public, me, super::Broadcast::Round5(broadcast));
            return Step::Speak(Keygen::Round5(Round5 { me, session, share }), speech);
        };
        *share = *share + *part;
    }
    let X = view.public_share(me);
    if degenerate(public, view) || share.is_zero() {
        return Step::Abort(Failure::Degenerate);
    }
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
            let statement = sch::Statement { X: view.public_share(from), A };
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
    if Point::mul_generator(key) != mask_point(public, view, accuser, accused) {
        return Ruling::Accuser(Fault::WrongOpening);
    }
    match unmask(public, view, session, accused, accuser, share, key) {
        Some(_) => Ruling::Accuser(Fault::FalseComplaint),
        None => Ruling::Accused(Fault::Share),
    }
}

/// The share that `from` sent to `to`, if it fits the Feldman vector of `from`; `key` is `y_{to,from}`.
fn unmask<C: Curve>(
    public: &Public,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    to: PartyIndex,
    sent: &round4::Direct<C>,
    key: &Scalar<C>,
) -> Option<Scalar<C>> {
    let shared = mask_point(public, view, from, to) * *key;
    let share = sent.masked - mask(session, &view.rid(), from, to, &shared);
    let expected = view.openings.get(&from)?.coefficients.evaluate(to.get());
    (Point::mul_generator(&share) == expected).then_some(share)
}

/// Whether the key or a share is the point at infinity, which happens by chance only.
fn degenerate<C: Curve>(public: &Public, view: &View<C>) -> bool {
    let coefficients = view.coefficients();
    let is_identity = |index: u16| coefficients.evaluate(index).is_identity();
    is_identity(0) || public.parties.indices().any(|l| is_identity(l.get()))
}
