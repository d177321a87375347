//! The red alerts: after a failed check of the sums everybody proves, to everybody, that it has computed rightly
//! (`docs/spec/signing.md`, 6.8 to 6.10). Whoever cannot is the culprit.
//!
//! An alert is what a party says in the closing round, instead of the bare echo or the partial signature. The header
//! around it carries the echo of rounds 1 to 3, so it is judged by the view that its author has signed; and with that
//! view it is decided what the author had to say: an alert for the lowest slot that fails, or none. Saying the other
//! thing is a fault like any other. What the two sums differ in is in `blame_nonce.rs` and `blame_chi.rs`.

use std::fmt;
use std::marker::PhantomData;

use consign_rounds::{PartyIndex, SessionId};
use consign_zk::context::Role;
use consign_zk::curve::{Curve, Point};
use consign_zk::integer::Integer;
use consign_zk::paillier::Ciphertext;
use consign_zk::{aff_g_star, dec};
use rand_core::CryptoRng;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::blame_chi::Chi;
use super::blame_nonce::Nonce;
use super::output::verdict;
use super::public::context;
use super::round2::{Drawn, Mask, Response};
use super::round3::{self, Round3};
use super::{Failure, Fault, Public, View};
use crate::sizes;

/// The round's number in challenges: that of the specification.
const ROUND: u8 = 4;

/// Most signers for whom there are alerts: the messages of more would be too long
/// ([`MAX_MESSAGE_BYTES`](consign_rounds::limits::MAX_MESSAGE_BYTES)), and a failed check then names nobody.
pub const MAX_ALERT_SIGNERS: usize = 20;

/// To everybody, about one slot, which everybody knows: the lowest one that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Alert<C: Curve> {
    /// The own share of the sum is what the responses of the others and the own masks give.
    pub dec: dec::Proof<C>,
    /// The own responses, to every other signer, ascending, are well formed.
    #[serde(deserialize_with = "few")]
    pub responses: Vec<aff_g_star::Proof<C>>,
}

/// Reads as many proofs as an alert may have at most. An empty one is a single byte of a message and many of memory.
fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Few<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX_ALERT_SIGNERS} proofs")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut proofs = Vec::new();
            while let Some(proof) = seq.next_element()? {
                if proofs.len() == MAX_ALERT_SIGNERS {
                    return Err(A::Error::invalid_length(MAX_ALERT_SIGNERS + 1, &self));
                }
                proofs.push(proof);
            }
            Ok(proofs)
        }
    }
    deserializer.deserialize_seq(Few(PhantomData))
}

/// What differs between the two sums.
pub(super) trait Blame<C: Curve> {
    /// Role of the proof about the share of the sum.
    const DEC: Role;
    /// Role of the proofs about the responses.
    const RESPONSE: Role;

    /// The product for the receiver and the mask for its author.
    fn pair(response: &Response) -> (&Ciphertext, &Ciphertext);
    /// The factor of `i` in slot `b`, as a point.
    fn factor(public: &Public<C>, view: &View<C>, i: PartyIndex, b: usize) -> Option<Point<C>>;
    /// The share that `i` showed, as a multiple of a base, and the base.
    fn claim(view: &View<C>, i: PartyIndex, b: usize) -> Option<(Point<C>, Point<C>)>;
    /// The share is not what it must be.
    fn dec_fault(slot: u32) -> Fault;
    /// A response is not what it must be.
    fn response_fault(slot: u32) -> Fault;
    /// The own factor.
    fn secret(state: &Round3<C>, slot: &round3::Slot<C>) -> Integer;
    /// The own mask in a response.
    fn mask(drawn: &Drawn) -> &Mask;
}

/// Longest encoding of the alert of one slot.
pub(super) fn max_bytes<C: Curve>(public: &Public<C>) -> usize {
    let responses = sizes::list(public.others(), sizes::aff_g_star::<C>(public.level()));
    sizes::dec::<C>(public.level(), public.signers().count()) + responses
}

/// `D` of the proof about the sum: `sum of (D_{i,j} ⊖ F_{j,i})`. Minus, since the additive shares are the negatives of
/// the masks. `None` if something is missing or no unit, which no view of a running session has.
fn sum<C: Curve, B: Blame<C>>(
    public: &Public<C>,
    view: &View<C>,
    i: PartyIndex,
    b: usize,
) -> Option<Ciphertext> {
    let key = &public.member(i)?.paillier;
    let mut terms = public.signers().others(i).map(|j| {
        let (product, _) = B::pair(view.response(public, j, i, b)?);
        let (_, mask) = B::pair(view.response(public, i, j, b)?);
        key.sub(product, mask)
    });
    let first = terms.next()??;
    terms.try_fold(first, |sum, term| key.add(&sum, &term?))
}

/// That the share `i` showed is what `D` and the product with its own `K` decrypt to.
fn decryption<'a, C: Curve, B: Blame<C>>(
    public: &'a Public<C>,
    view: &'a View<C>,
    i: PartyIndex,
    b: usize,
    D: &'a Ciphertext,
) -> Option<dec::Statement<'a, C>> {
    let (S, base) = B::claim(view, i, b)?;
    Some(dec::Statement {
        prover: &public.member(i)?.paillier,
        K: &view.committed(i, b)?.K,
        D,
        X: B::factor(public, view, i, b)?,
        S,
        base,
        signers: u32::try_from(public.signers().count()).ok()?,
    })
}

/// That what `i` made of the `K` of `j` is well formed.
fn response<'a, C: Curve, B: Blame<C>>(
    public: &'a Public<C>,
    view: &'a View<C>,
    (j, i): (PartyIndex, PartyIndex),
    b: usize,
) -> Option<aff_g_star::Statement<'a, C>> {
    let (D, Y) = B::pair(view.response(public, i, j, b)?);
    Some(aff_g_star::Statement {
        receiver: &public.member(j)?.paillier,
        prover: &public.member(i)?.paillier,
        C: &view.committed(j, b)?.K,
        D,
        Y,
        X: B::factor(public, view, i, b)?,
    })
}

/// What a party with this view must raise an alert about, if anything.
fn due<C: Curve>(public: &Public<C>, view: &View<C>, session: SessionId) -> Option<Failure> {
    if public.signers().count() > MAX_ALERT_SIGNERS {
        return None;
    }
    let failure = verdict(public, view, session).err()?;
    match failure {
        Failure::Nonce { .. } | Failure::Chi { .. } => Some(failure),
        Failure::Degenerate { .. } | Failure::Unprovable { .. } => None,
    }
}

/// A party with this view has raised no alert: is it right not to?
pub(crate) fn check_silence<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
) -> Result<(), Fault> {
    match due(public, view, session) {
        Some(failure) => Err(Fault::NoAlert { slot: failure.slot() }),
        None => Ok(()),
    }
}

/// Every proof is verified, singly, by everybody, those for others included: all honest parties and all judges must
/// come to the same verdict.
pub(super) fn check<C: Curve>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    from: PartyIndex,
    alert: &Alert<C>,
) -> Result<(), Fault> {
    match due(public, view, session) {
        Some(Failure::Nonce { slot }) => verify::<C, Nonce>(public, view, session, (from, slot), alert),
        Some(Failure::Chi { slot }) => verify::<C, Chi>(public, view, session, (from, slot), alert),
        Some(Failure::Degenerate { .. } | Failure::Unprovable { .. }) | None => Err(Fault::FalseAlarm),
    }
}

fn verify<C: Curve, B: Blame<C>>(
    public: &Public<C>,
    view: &View<C>,
    session: SessionId,
    (from, slot): (PartyIndex, u32),
    alert: &Alert<C>,
) -> Result<(), Fault> {
    if alert.responses.len() != public.others() {
        return Err(Fault::AlertLength { slot });
    }
    let b = slot as usize;
    let ssid = public.slot_session(session, slot);
    let bound = |role| context(public, &ssid, role, ROUND, from, None);
    let D = sum::<C, B>(public, view, from, b).ok_or(B::dec_fault(slot))?;
    let statement = decryption::<C, B>(public, view, from, b, &D).ok_or(B::dec_fault(slot))?;
    dec::verify(&bound(B::DEC), &statement, &alert.dec).map_err(|_| B::dec_fault(slot))?;
    for (to, proof) in public.signers().others(from).zip(&alert.responses) {
        let statement = response::<C, B>(public, view, (to, from), b).ok_or(B::response_fault(slot))?;
        aff_g_star::verify(&bound(B::RESPONSE), &statement, proof).map_err(|_| B::response_fault(slot))?;
    }
    Ok(())
}

/// The own alert after `failure`, if there is one to raise. Uses up what was kept for it.
///
/// Fails if the own share of the sum cannot be proved. No message of an honest party's peers leads there, unless a
/// proof of theirs was accepted wrongly.
pub(super) fn speak<C: Curve>(
    state: &Round3<C>,
    public: &Public<C>,
    view: &View<C>,
    rng: &mut impl CryptoRng,
) -> Result<Option<Alert<C>>, Failure> {
    let alert = match due(public, view, state.session) {
        Some(Failure::Nonce { slot }) => (prove::<C, Nonce>(state, public, view, slot, rng), slot),
        Some(Failure::Chi { slot }) => (prove::<C, Chi>(state, public, view, slot, rng), slot),
        Some(Failure::Degenerate { .. } | Failure::Unprovable { .. }) | None => return Ok(None),
    };
    match alert {
        (Some(alert), _) => Ok(Some(alert)),
        (None, slot) => Err(Failure::Unprovable { slot }),
    }
}

fn prove<C: Curve, B: Blame<C>>(
    state: &Round3<C>,
    public: &Public<C>,
    view: &View<C>,
    slot: u32,
    rng: &mut impl CryptoRng,
) -> Option<Alert<C>> {
    let (me, key, b) = (state.me, &state.paillier, slot as usize);
    let own = state.slots.get(b)?;
    let ssid = public.slot_session(state.session, slot);
    let bound = |role| context(public, &ssid, role, ROUND, me, None);
    let D = sum::<C, B>(public, view, me, b)?;
    let statement = decryption::<C, B>(public, view, me, b, &D)?;
    let witness = dec::Witness::open(public.level(), &statement, B::secret(state, own), key)?;
    let dec = dec::prove(&bound(B::DEC), &statement, &witness, key, rng).ok()?;
    let mut responses = Vec::with_capacity(public.others());
    for (&to, drawn) in &own.drawn {
        let Mask { b: mask, s, r } = B::mask(drawn);
        let statement = response::<C, B>(public, view, (to, me), b)?;
        let witness = aff_g_star::Witness { x: &witness.x, y: mask, rho: s, rho_y: r };
        responses.push(aff_g_star::prove(&bound(B::RESPONSE), &statement, &witness, key, rng).ok()?);
    }
    Some(Alert { dec, responses })
}

impl Failure {
    /// The slot it is about.
    fn slot(self) -> u32 {
        match self {
            Self::Nonce { slot }
            | Self::Chi { slot }
            | Self::Degenerate { slot }
            | Self::Unprovable { slot } => slot,
        }
    }
}

#[cfg(test)]
mod tests {
    use consign_rounds::limits::MAX_MESSAGE_BYTES;
    use consign_zk::curve::Secp256k1;
    use consign_zk::level::Level;

    use super::*;

    /// The longest alert fits a message, at every level that guards keys.
    #[test]
    fn alerts_fit_messages() {
        for level in [Level::L112, Level::L128] {
            let responses = (MAX_ALERT_SIGNERS - 1) * sizes::aff_g_star::<Secp256k1>(level);
            let dec = sizes::dec::<Secp256k1>(level, MAX_ALERT_SIGNERS);
            assert!(responses + dec + sizes::ENVELOPE <= MAX_MESSAGE_BYTES);
        }
    }
}
