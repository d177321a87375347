//! What nodes may lie about, on both curves.

use consign_api::{CeremonyId, Curve, HashName, KeyId, KeyState, Level, Member, PathText, Scheme};
use consign_cggmp24::curve::{Point, Secp256k1};
use consign_cggmp24::derivation::{ExtendedKey, bitcoin_address, ethereum_address};
use secp256k1::{SecretKey, ecdsa};

use super::*;

/// A key in one piece and its signature over `digest`, told as a node tells it.
fn sample(digest: [u8; 32]) -> (KeyView, SignatureView) {
    let secret = SecretKey::from_secret_bytes([7; 32]).unwrap();
    let public = PublicKey::from_secret_key(&secret);
    let point = Point::<Secp256k1>::from_bytes(&public.serialize()).unwrap();
    let extended = ExtendedKey::root(point, [9; 32]);
    let member = |index: u8| Member { index: index.into(), validator: NodeId([index; 32]), name: None };
    let key = KeyView {
        id: KeyId([1; 32]),
        label: "pay".parse().unwrap(),
        scheme: Scheme::Cggmp24,
        curve: Curve::Secp256k1,
        level: Level::L128,
        threshold: 2,
        committee: (1..=3).map(member).collect(),
        epoch: 0,
        share: true,
        state: KeyState::Active,
        owner: None,
        imported: None,
        exports: Vec::new(),
        presignatures: 0,
        standing: None,
        public_key: hex::encode(public.serialize()),
        chain_code: Some("09".repeat(32)),
        xpub: Some(extended.to_xpub()),
        ethereum_address: ethereum_address(&point),
        bitcoin_address: bitcoin_address(&point),
    };
    let made = RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest), &secret);
    let (id, compact) = made.serialize_compact();
    let signature = SignatureView {
        key: key.id,
        path: PathText::root(),
        public_key: key.public_key.clone(),
        ceremony: CeremonyId([2; 32]),
        hash: Some(HashName::Sha256),
        digest: hex::encode(digest),
        r: hex::encode(&compact[..32]),
        s: hex::encode(&compact[32..]),
        der: hex::encode(made.to_standard().serialize_der().as_ref()),
        recovery_id: Some(id.to_u8()),
        signers: vec![member(1), member(3)],
        presigned: false,
    };
    (key, signature)
}

#[test]
fn a_good_signature_passes() {
    let (key, signature) = sample([5; 32]);
    assert_eq!(check(&key, &Path::root(), &[5; 32], &signature), Ok(()));
}

#[test]
fn every_lie_is_told() {
    let digest = [5; 32];
    let verdict = |change: &dyn Fn(&mut KeyView, &mut SignatureView)| {
        let (mut key, mut signature) = sample(digest);
        change(&mut key, &mut signature);
        check(&key, &Path::root(), &digest, &signature)
    };
    assert_eq!(verdict(&|_, s| s.digest = "06".repeat(32)), Err(Bad::OtherDigest));
    assert_eq!(verdict(&|_, s| s.key = KeyId([9; 32])), Err(Bad::OtherDigest));
    assert_eq!(verdict(&|_, s| s.r = "06".repeat(32)), Err(Bad::Wrong));
    assert_eq!(verdict(&|_, s| s.s.truncate(62)), Err(Bad::Malformed));
    assert_eq!(verdict(&|_, s| s.der.push_str("00")), Err(Bad::OtherDer));
    assert_eq!(verdict(&|_, s| s.recovery_id = s.recovery_id.map(|id| id ^ 1)), Err(Bad::OtherKey));
    assert_eq!(verdict(&|_, s| s.recovery_id = Some(4)), Err(Bad::Malformed));
    assert_eq!(verdict(&|_, s| s.recovery_id = None), Err(Bad::Malformed));
    assert_eq!(verdict(&|_, s| s.path = "m/0".parse().unwrap()), Err(Bad::OtherChild));
    assert_eq!(verdict(&|_, s| s.public_key = "02".repeat(33)), Err(Bad::OtherChild));
    assert_eq!(verdict(&|k, _| k.public_key = "02".repeat(33)), Err(Bad::OtherAddress));
    assert_eq!(verdict(&|k, _| k.public_key = "05".repeat(33)), Err(Bad::PublicKey));
    assert_eq!(verdict(&|k, _| k.ethereum_address = None), Err(Bad::OtherAddress));
    assert_eq!(verdict(&|k, _| k.bitcoin_address = None), Err(Bad::OtherAddress));
    assert_eq!(verdict(&|k, _| k.chain_code = Some("08".repeat(32))), Err(Bad::OtherAddress));
    assert_eq!(verdict(&|k, _| k.xpub = None), Err(Bad::OtherAddress));
    assert_eq!(verdict(&|_, s| drop(s.signers.pop())), Err(Bad::Signers(2)));
    assert_eq!(verdict(&|_, s| s.signers[1] = s.signers[0].clone()), Err(Bad::Signers(2)));
    assert_eq!(verdict(&|_, s| s.signers[0].validator = NodeId([9; 32])), Err(Bad::Signers(2)));
}

/// A signature of the same secret with s above q/2 verifies by the equation, but is refused: there must be
/// one signature, not two.
#[test]
fn high_s_is_refused() {
    let (key, mut signature) = sample([5; 32]);
    let q = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let mut s = [0_u8; 32];
    let mut borrow = 0_i16;
    let (q, low) = (hex::decode(q).unwrap(), hex::decode(&signature.s).unwrap());
    for i in (0..32).rev() {
        let difference = i16::from(q[i]) - i16::from(low[i]) - borrow;
        borrow = i16::from(difference < 0);
        s[i] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    signature.s = hex::encode(s);
    let compact = hex::decode(format!("{}{}", signature.r, signature.s)).unwrap();
    signature.der = hex::encode(ecdsa::Signature::from_compact(&compact).unwrap().serialize_der().as_ref());
    signature.recovery_id = signature.recovery_id.map(|id| id ^ 1);
    assert_eq!(check(&key, &Path::root(), &[5; 32], &signature), Err(Bad::Wrong));
}

/// A key on P-256 and a signature of `digest` with it, made by AWS-LC, with low `s`.
fn on_p256_sample(digest: [u8; 32]) -> (KeyView, SignatureView) {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let imported = Digest::import_less_safe(&digest, &digest::SHA256).unwrap();
    let half = hex::decode(P256_HALF_ORDER).unwrap();
    let compact: [u8; 64] = loop {
        let made = pair.sign_digest(&imported).unwrap();
        if made.as_ref()[32..] <= half[..] {
            break made.as_ref().try_into().unwrap();
        }
    };
    let uncompressed = pair.public_key().as_ref();
    let tag = 2 | (uncompressed[64] & 1);
    let (mut key, mut signature) = sample(digest);
    key.curve = Curve::P256;
    key.public_key = hex::encode([&[tag], &uncompressed[1..33]].concat());
    (key.xpub, key.ethereum_address, key.bitcoin_address) = (None, None, None);
    signature.public_key = key.public_key.clone();
    (signature.r, signature.s) = (hex::encode(&compact[..32]), hex::encode(&compact[32..]));
    signature.der = hex::encode(der(&compact));
    signature.recovery_id = None;
    (key, signature)
}

#[test]
fn on_p256_aws_lc_decides() {
    let digest = [5; 32];
    let (key, signature) = on_p256_sample(digest);
    assert_eq!(check(&key, &Path::root(), &digest, &signature), Ok(()));
    let verdict = |change: &dyn Fn(&mut KeyView, &mut SignatureView)| {
        let (mut key, mut signature) = (key.clone(), signature.clone());
        change(&mut key, &mut signature);
        check(&key, &Path::root(), &digest, &signature)
    };
    assert_eq!(verdict(&|_, s| s.r = "06".repeat(32)), Err(Bad::Wrong));
    assert_eq!(verdict(&|_, s| s.digest = "06".repeat(32)), Err(Bad::OtherDigest));
    assert_eq!(verdict(&|_, s| s.recovery_id = Some(0)), Err(Bad::Malformed));
    assert_eq!(verdict(&|_, s| s.der.push_str("00")), Err(Bad::OtherDer));
    assert_eq!(verdict(&|k, _| k.ethereum_address = Some("0x".to_owned())), Err(Bad::OtherAddress));
    assert_eq!(verdict(&|k, _| k.xpub = Some("xpub".to_owned())), Err(Bad::OtherAddress));
    assert!(verdict(&|k, _| k.curve = Curve::Secp256k1).is_err());
    assert_eq!(verdict(&|_, s| drop(s.signers.pop())), Err(Bad::Signers(2)));
}

#[test]
fn der_is_minimal_and_never_negative() {
    let mut compact = [0; 64];
    (compact[31], compact[32], compact[63]) = (1, 0x80, 2);
    let s = [&[0x30, 38, 2, 1, 1, 2, 33, 0, 0x80][..], &[0; 30], &[2]].concat();
    assert_eq!(der(&compact), s);
}
