//! Checks a signature with libsecp256k1, which shares no code with the nodes that made it: nobody has to
//! believe the node one talks to.

use consign_api::{KeyView, NodeId, SignatureView};
use consign_cggmp24::derivation::Path;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};
use secp256k1::{Message, PublicKey};

use crate::children;
use crate::failure::Failure;

/// Why a signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Bad {
    /// The key's public key is no point.
    #[error("the public key of the key is not a point of the curve")]
    PublicKey,
    /// Something else was signed than was asked for.
    #[error("the node signed something else than it was asked to")]
    OtherDigest,
    /// A number has a wrong length or range.
    #[error("r, s or the recovery id is malformed")]
    Malformed,
    /// The equation does not hold, or s is above q/2.
    #[error("the signature does not verify")]
    Wrong,
    /// The DER form says something else.
    #[error("the DER form does not hold the same signature")]
    OtherDer,
    /// The recovery id leads to another key.
    #[error("the recovery id leads to another public key")]
    OtherKey,
    /// An address or the extended key is another key's.
    #[error("an address or the extended key is not that of the public key")]
    OtherAddress,
    /// The path leads nowhere.
    #[error("the key has no child at this path")]
    NoChild,
    /// The signature is said to be of another child.
    #[error("the signature is by another child of the key than was asked for")]
    OtherChild,
    /// The signers are not enough different holders of the key.
    #[error("the signers are not {0} different holders of the key")]
    Signers(u16),
}

impl From<Bad> for Failure {
    fn from(bad: Bad) -> Self {
        Self::Failed(format!("the signature is worthless: {bad}; do not use this node"))
    }
}

/// Checks that `signature` is one by `key` over `digest`, in every form in which it is told: r and s, DER,
/// recovery id, address, signers.
pub(crate) fn check(
    key: &KeyView,
    path: &Path,
    digest: &[u8; 32],
    signature: &SignatureView,
) -> Result<(), Bad> {
    let child = children::child(key, path)?.to_bytes();
    let public = PublicKey::from_slice(&child).map_err(|_| Bad::PublicKey)?;
    if signature.path.as_str() != path.to_string() || signature.public_key != hex::encode(&child) {
        return Err(Bad::OtherChild);
    }
    if signature.digest != hex::encode(digest) || signature.key != key.id {
        return Err(Bad::OtherDigest);
    }
    let mut compact = [0; 64];
    hex::decode_to_slice(format!("{}{}", signature.r, signature.s), &mut compact)
        .map_err(|_| Bad::Malformed)?;
    if signature.r.len() != signature.s.len() {
        return Err(Bad::Malformed);
    }
    let parsed = Signature::from_compact(&compact).map_err(|_| Bad::Malformed)?;
    let message = Message::from_digest(*digest);
    // libsecp256k1 refuses s above q/2 too.
    parsed.verify(message, &public).map_err(|_| Bad::Wrong)?;
    if hex::encode(parsed.serialize_der().as_ref()) != signature.der {
        return Err(Bad::OtherDer);
    }
    let id = RecoveryId::try_from(i32::from(signature.recovery_id)).map_err(|_| Bad::Malformed)?;
    let recovered = RecoverableSignature::from_compact(&compact, id)
        .and_then(|signature| signature.recover(message))
        .map_err(|_| Bad::OtherKey)?;
    if recovered != public {
        return Err(Bad::OtherKey);
    }
    signers(key, signature)
}

/// As many different holders as the threshold says.
fn signers(key: &KeyView, signature: &SignatureView) -> Result<(), Bad> {
    let mut who: Vec<_> = signature.signers.iter().map(|member| (member.index, member.validator)).collect();
    who.sort_unstable();
    who.dedup();
    let holds = |signer: &(u16, NodeId)| {
        key.committee.iter().any(|member| (member.index, member.validator) == *signer)
    };
    let enough = who.len() == usize::from(key.threshold) && who.len() == signature.signers.len();
    if enough && who.iter().all(holds) { Ok(()) } else { Err(Bad::Signers(key.threshold)) }
}

#[cfg(test)]
mod tests {
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
            exports: Vec::new(),
            presignatures: 0,
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
            recovery_id: id.to_u8(),
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
        assert_eq!(verdict(&|_, s| s.recovery_id ^= 1), Err(Bad::OtherKey));
        assert_eq!(verdict(&|_, s| s.recovery_id = 4), Err(Bad::Malformed));
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
        signature.der =
            hex::encode(ecdsa::Signature::from_compact(&compact).unwrap().serialize_der().as_ref());
        signature.recovery_id ^= 1;
        assert_eq!(check(&key, &Path::root(), &[5; 32], &signature), Err(Bad::Wrong));
    }
}
