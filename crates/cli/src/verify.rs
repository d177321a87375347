//! Checks a signature with libsecp256k1, on P-256 with AWS-LC, neither of which shares code with the curves of the nodes
//! that made it: nobody has to believe the node one talks to.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use consign_api::{Curve, KeyView, NodeId, SignatureView};
use consign_cggmp24::derivation::Path;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};
use secp256k1::{Message, PublicKey};

use crate::children;
use crate::failure::Failure;

/// Half the order of P-256's group, rounded down: the largest `s` (SEC 2, 2.4.2).
const P256_HALF_ORDER: &str = "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8";

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
        Self::Mistrusted(format!("the signature is worthless: {bad}; do not use this node"))
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
    let child = children::child(key, path)?.public_key;
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
    match key.curve {
        Curve::Secp256k1 => on_secp256k1(&child, digest, &compact, signature)?,
        Curve::P256 => on_p256(&child, digest, &compact, signature)?,
    }
    signers(key, signature)
}

/// What verifies signatures on a curve.
pub(crate) fn verifier(curve: Curve) -> &'static str {
    match curve {
        Curve::Secp256k1 => "libsecp256k1",
        Curve::P256 => "AWS-LC",
    }
}

/// libsecp256k1's word.
fn on_secp256k1(
    public: &[u8],
    digest: &[u8; 32],
    compact: &[u8; 64],
    signature: &SignatureView,
) -> Result<(), Bad> {
    let public = PublicKey::from_slice(public).map_err(|_| Bad::PublicKey)?;
    let parsed = Signature::from_compact(compact).map_err(|_| Bad::Malformed)?;
    let message = Message::from_digest(*digest);
    // libsecp256k1 refuses s above q/2 too.
    parsed.verify(message, &public).map_err(|_| Bad::Wrong)?;
    if hex::encode(parsed.serialize_der().as_ref()) != signature.der {
        return Err(Bad::OtherDer);
    }
    let id = signature.recovery_id.ok_or(Bad::Malformed)?;
    let id = RecoveryId::try_from(i32::from(id)).map_err(|_| Bad::Malformed)?;
    let recovered = RecoverableSignature::from_compact(compact, id)
        .and_then(|signature| signature.recover(message))
        .map_err(|_| Bad::OtherKey)?;
    if recovered != public {
        return Err(Bad::OtherKey);
    }
    Ok(())
}

/// AWS-LC's word. It takes any `s`; nodes make low ones, so that there is one signature, not two.
fn on_p256(
    public: &[u8],
    digest: &[u8; 32],
    compact: &[u8; 64],
    signature: &SignatureView,
) -> Result<(), Bad> {
    let s = compact.split_at(32).1;
    if signature.recovery_id.is_some() {
        return Err(Bad::Malformed);
    }
    let half = hex::decode(P256_HALF_ORDER).expect("invariant: the constant is hexadecimal");
    if s > half.as_slice() {
        return Err(Bad::Wrong);
    }
    // Only its length counts: what is verified is these 32 bytes, whatever hash they come from.
    let digest = Digest::import_less_safe(digest, &digest::SHA256).map_err(|_| Bad::Malformed)?;
    let fixed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
    fixed.verify_digest(&digest, compact).map_err(|_| Bad::Wrong)?;
    if hex::encode(der(compact)) == signature.der { Ok(()) } else { Err(Bad::OtherDer) }
}

/// `SEQUENCE { INTEGER r, INTEGER s }`: numbers without leading zeros, but for one where they would look negative.
fn der(compact: &[u8; 64]) -> Vec<u8> {
    let (r, s) = compact.split_at(32);
    let tagged = |tag: u8, body: Vec<u8>| {
        let length = u8::try_from(body.len()).expect("invariant: two numbers of 32 bytes are short");
        [vec![tag, length], body].concat()
    };
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count().min(number.len() - 1);
        let digits = number.split_at(zeros).1;
        let pad = digits.first().is_some_and(|byte| *byte >= 0x80);
        tagged(2, [if pad { &[0][..] } else { &[] }, digits].concat())
    };
    tagged(0x30, [integer(r), integer(s)].concat())
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
#[path = "verify_tests.rs"]
mod tests;
