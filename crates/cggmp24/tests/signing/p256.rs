//! The whole protocol on NIST P-256, and its signatures judged by AWS-LC's ECDSA, which shares no code with them.

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, P256, Point};
use consign_cggmp24::derivation::Path;
use consign_cggmp24::ecdsa::{HashAlgorithm, HashedMessage, Signature};
use consign_cggmp24::key::KeyShare;
use consign_cggmp24::testing::{Committee, members, party};

use crate::signing::{combine_all, sign_all, slot};

const MESSAGE: &[u8] = b"pay invoice 4711";

/// AWS-LC accepts the signature of [`MESSAGE`].
fn is_accepted(key: &Point<P256>, signature: &Signature<P256>) -> bool {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    let (x, y) = key.coordinates().unwrap();
    let uncompressed = [&[4][..], &x, &y].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, uncompressed);
    key.verify(MESSAGE, &signature.to_bytes()).is_ok()
}

/// Signs for a child, from presignatures and interactively; AWS-LC judges.
fn assert_signs(committee: &Committee<P256>, signers: &[u16], path: &str) {
    let path: Path = path.parse().unwrap();
    let key = committee.key().derived(&path).unwrap();
    let message = HashedMessage::new::<P256>(HashAlgorithm::Sha256, MESSAGE).unwrap();
    let mut made = committee.presign_at(&path, signers, 2, 1);
    let mut signatures: Vec<_> = (0..2)
        .map(|_| {
            let (signings, partials) = sign_all(slot(&mut made), message);
            combine_all(&signings, &partials)
        })
        .collect();
    signatures.extend(committee.sign_at(&path, signers, message.digest(), 2).into_values());
    for signature in &signatures {
        assert!(is_accepted(&key, signature), "{path}, {signers:?}");
        assert!(signature.verify(&key, &message.digest()));
        assert_eq!(signature.recover(&message.digest()), Some(key));
        assert!(signature.s.to_natural() <= P256::order().shr(1), "s is low");
        let altered = Signature { r: signature.s, ..*signature };
        assert!(!is_accepted(&key, &altered) && !is_accepted(&-key, signature));
    }
}

/// Key generation, auxiliary information, presigning, signing, refresh, resharing.
#[test]
fn p256_does_everything() {
    let committee = Committee::<P256>::generated(Level::Fast, 2, 3, 1);
    let public_key = committee.key().public_key;
    assert_signs(&committee, &[1, 3], "m");
    let refreshed = committee.refreshed(1, true, 2);
    assert_signs(&refreshed, &[1, 2], "m");
    let holders = members(&[(1, 2), (2, 3), (3, 4)]);
    let reshared = refreshed.reshared(&[1, 2], holders, 2, 2, (4, 3));
    assert_signs(&reshared, &[2, 3], "m");
    assert_eq!((reshared.key().public_key, reshared.key().epoch), (public_key, 2));
    let stored = reshared.shares[&party(1)].encode();
    assert_eq!(KeyShare::<P256>::decode(&stored).unwrap().info(), reshared.key());
}

#[test]
fn p256_signs_for_children() {
    let committee = Committee::<P256>::dealt(Level::Fast, 2, 3, 4);
    assert_signs(&committee, &[1, 2], "m/0/5");
    assert_signs(&committee.refreshed(1, false, 5), &[2, 3], "m/0/5");
}
