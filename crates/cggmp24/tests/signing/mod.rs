//! Presigning and signing as their callers see them: on every curve, for keys and their children, and the signatures
//! as verifiers see them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::type_complexity,
    non_snake_case,
    reason = "tests"
)]

use consign_cggmp24::curve::Curve;
use consign_cggmp24::ecdsa::{HashAlgorithm, HashedMessage, Signature};
use consign_cggmp24::sign::{Partial, Presignature, Signing};
use consign_rounds::PerParty;

mod derivation;
mod ecdsa;
mod online;
mod p256;
mod sign;

fn message<C: Curve>(text: &str) -> HashedMessage {
    HashedMessage::new::<C>(HashAlgorithm::Sha256, text.as_bytes()).unwrap()
}

/// Takes slot `b` of everybody.
fn slot<C: Curve>(presignatures: &mut PerParty<Vec<Presignature<C>>>) -> PerParty<Presignature<C>> {
    presignatures.iter_mut().map(|(&me, list)| (me, list.pop().unwrap())).collect()
}

fn sign_all<C: Curve>(
    presignatures: PerParty<Presignature<C>>,
    message: HashedMessage,
) -> (PerParty<Signing<C>>, PerParty<Partial<C>>) {
    let signings: PerParty<_> = presignatures.into_iter().map(|(me, own)| (me, own.sign(message))).collect();
    let partials = signings.iter().map(|(&me, signing)| (me, *signing.partial())).collect();
    (signings, partials)
}

/// The one signature that everybody computes.
fn combine_all<C: Curve>(signings: &PerParty<Signing<C>>, partials: &PerParty<Partial<C>>) -> Signature<C> {
    let all: Vec<_> = signings.values().map(|signing| signing.combine(partials).unwrap()).collect();
    assert!(all.iter().all(|signature| *signature == all[0]));
    all[0]
}
