//! The whole chain at real size: key generation, auxiliary information, presigning, signing, interactive signing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use consign_cggmp24::Level;
use consign_cggmp24::curve::Secp256k1;
use consign_cggmp24::ecdsa::{Digest, HashAlgorithm, HashedMessage};
use consign_cggmp24::testing::{Committee, party};
use consign_rounds::PerParty;

#[test]
fn two_of_three_sign_at_128_bits() {
    let committee = Committee::<Secp256k1>::generated(Level::L128, 2, 3, 1);
    assert_eq!((committee.shares.len(), committee.aux.len()), (3, 3));
    let key = committee.key().public_key;

    let made = committee.presign(&[1, 3], 1, 2);
    let message = HashedMessage::new::<Secp256k1>(HashAlgorithm::Keccak256, b"pay").unwrap();
    let signings: PerParty<_> =
        made.into_iter().map(|(me, mut own)| (me, own.pop().unwrap().sign(message))).collect();
    let partials = signings.iter().map(|(&me, signing)| (me, *signing.partial())).collect();
    for signing in signings.values() {
        assert!(signing.combine(&partials).unwrap().verify(&key, &message.digest()));
    }

    let digest = Digest::raw::<Secp256k1>([7; 32]).unwrap();
    let signatures = committee.sign(&[2, 3], digest, 3);
    assert_eq!(signatures.len(), 2);
    assert_eq!(signatures[&party(2)], signatures[&party(3)]);
    assert!(signatures[&party(2)].verify(&key, &digest));
}
