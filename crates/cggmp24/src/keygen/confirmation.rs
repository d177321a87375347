//! Round 6: store the share, then confirm the result (`docs/spec/keygen.md`, 4.4).
//!
//! The signed confirmations of all parties are a transferable set: whoever holds it activates the key, also later and
//! also when it got the set from somebody else ([`is_complete`]). A confirmed share is never discarded.

use consign_rounds::{Identities, PerParty, PublicPart, SessionId, Step};
use consign_zk::curve::{Curve, Point};
use consign_zk::transcript::{Purpose, Transcript};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::round5::Round5;
use super::{Failure, Fault, Keygen, Public, View, say};
use crate::confirmations::{Place, are_of_all};
use crate::joint;
use crate::key::{KeyInfo, KeyShare};
use crate::sizes;

/// The round in which confirmations are sent.
const ROUND: u8 = 6;

/// Hash of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// `H("done", sid, key_id, t, n, X, (X_j), cc)`.
    pub done: [u8; 32],
}

pub(super) fn speak<C: Curve>(state: Round5<C>, public: &Public, view: &View<C>) -> Step<Keygen<C>> {
    let Round5 { me, session, share } = state;
    let Implied { info, done } = view.implied(public, session);
    let done = *done;
    let Ok(share) = KeyShare::new(info.clone(), me, *share.expose()) else {
        return Step::Abort(Failure::Degenerate);
    };
    let mut speech = say(public, me, super::Broadcast::Round6(Broadcast { done }));
    speech.durable = Some(share.encode());
    Step::Speak(Keygen::Round6(Box::new(share)), speech)
}

pub(super) fn check<C: Curve>(
    public: &Public,
    view: &View<C>,
    session: SessionId,
    broadcast: &Broadcast,
) -> Result<(), Fault> {
    let expected = &view.implied(public, session).done;
    if bool::from(broadcast.done.ct_eq(expected)) { Ok(()) } else { Err(Fault::Confirmation) }
}

/// What the openings imply, and the hash that confirms it.
pub(super) struct Implied<C: Curve> {
    pub(super) info: KeyInfo<C>,
    pub(super) done: [u8; 32],
}

impl<C: Curve> View<C> {
    /// Computed once: it is needed for every sender of two rounds.
    pub(super) fn implied(&self, public: &Public, session: SessionId) -> &Implied<C> {
        self.implied.get_or_init(|| {
            let info = result(public, self, session);
            Implied { done: done(&info), info }
        })
    }
}

/// Whether `confirmations` are those of all holders of `info`: then its key is usable by everyone who has a share.
///
/// `info` must be what key generation left, at epoch 0. `identities` are the keys of its holders in its session.
pub fn is_complete<C: Curve>(
    info: &KeyInfo<C>,
    confirmations: &PerParty<PublicPart>,
    identities: &impl Identities,
) -> bool {
    let place = Place { session: info.session, round: ROUND, max_bytes: sizes::HASH };
    let expected = done(info);
    let says = |_, said: super::Broadcast<C>| matches!(said, super::Broadcast::Round6(said) if said.done == expected);
    // The confirmed hash names key_id, which in turn binds rid.
    info.epoch == 0
        && info.key_id == key_id(info.session, &info.rid, &info.public_key)
        && are_of_all(place, info.parties.indices(), confirmations, identities, says)
}

/// What the broadcasts imply.
fn result<C: Curve>(public: &Public, view: &View<C>, session: SessionId) -> KeyInfo<C> {
    let coefficients = view.coefficients();
    let constant = coefficients.constant().copied().unwrap_or_default();
    let shares = public.parties.indices().map(|l| coefficients.evaluate(l.get()));
    let mut points: Vec<_> = shares.chain([constant]).collect();
    // Hashed, proven, stored: each is written several times.
    Point::keep_encodings(&mut points);
    let public_key = points.pop().expect("invariant: the constant is the last");
    let rid = view.rid();
    let codes = view.openings.values().filter_map(|opening| opening.chain_code.as_ref());
    KeyInfo {
        key_id: key_id(session, &rid, &public_key),
        session,
        level: public.level,
        epoch: 0,
        threshold: public.threshold,
        parties: public.parties.clone(),
        public_key,
        public_shares: points,
        chain_code: public.derivable.then(|| joint::whole(codes)),
        rid,
    }
}

/// `key_id = H("key", sid, rid, X)`.
pub(crate) fn key_id<C: Curve>(session: SessionId, rid: &[u8; 32], public_key: &Point<C>) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::KeyId);
    transcript.bytes("sid", &session.0).bytes("rid", rid).point("X", public_key);
    transcript.hash()
}

fn done<C: Curve>(info: &KeyInfo<C>) -> [u8; 32] {
    let mut transcript = Transcript::new(Purpose::KeygenDone);
    transcript
        .bytes("sid", &info.session.0)
        .bytes("key_id", &info.key_id)
        .number("t", info.threshold.into())
        .number("n", info.parties.count() as u64)
        .point("X", &info.public_key)
        .points("X_j", info.public_shares.iter())
        .optional("cc", info.chain_code.as_ref().map(<[u8; 32]>::as_slice));
    transcript.hash()
}
