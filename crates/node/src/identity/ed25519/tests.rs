//! The same verdicts as `verify_strict` of `ed25519-dalek`, and the same signatures as its `sign`.
#![allow(non_snake_case, reason = "the letters of RFC 8032 are kept")]

use std::collections::BTreeSet;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::{Signer as _, SigningKey, Verifier as _};
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};

use super::*;

type Key = [u8; ID_BYTES];
type Signature = [u8; SIGNATURE_BYTES];

/// `L`, the order of the base point, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, //
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The low byte of `p = 2^255 - 19`; all others are ff, but for the last, 7f.
const P_LOW: u8 = 0xed;

/// Our verdict, which must be that of the strict one.
#[track_caller]
fn verdict(key: &Key, message: &[u8], signature: &Signature) -> bool {
    assert!(is_key(key), "the test gives keys only");
    let theirs = VerifyingKey::from_bytes(key).unwrap();
    let strict = theirs.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok();
    let ours = verify(key, message, signature);
    assert_eq!(ours, strict, "{} {}", hex::encode(key), hex::encode(signature));
    ours
}

/// The verdict of a verifier that does not look at the order of `R`.
fn lax(key: &Key, message: &[u8], signature: &Signature) -> bool {
    let key = VerifyingKey::from_bytes(key).unwrap();
    key.verify(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
}

fn joined(R: &[u8; 32], s: &[u8; 32]) -> Signature {
    [R.as_slice(), s].concat().try_into().unwrap()
}

/// `k`, the hash that stands in the equation.
fn hashed(R: &[u8; 32], key: &Key, message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(R).chain_update(key).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// A secret scalar, and the public keys that it makes with each of the eight points of small order.
fn keys(seed: u8) -> (Scalar, [Key; 8]) {
    let a = SigningKey::from_bytes(&[seed; 32]).to_scalar();
    (a, EIGHT_TORSION.map(|T| encode(ED25519_BASEPOINT_POINT * a + T)))
}

fn encode(point: EdwardsPoint) -> [u8; 32] {
    point.compress().to_bytes()
}

/// Both signs of the second spelling `y + p` of a small `y`.
fn uncanonical(y: u8) -> [[u8; 32]; 2] {
    let mut bytes = [0xff; 32];
    bytes[0] = P_LOW + y;
    let mut positive = bytes;
    positive[31] = Y_BITS;
    [positive, bytes]
}

#[test]
fn the_points_of_small_order_are_the_five_heights() {
    // Eight different points whose eightfold is the identity: there are no more on a curve of 8 L points.
    let all = BTreeSet::from(EIGHT_TORSION.map(encode));
    assert_eq!(all.len(), 8);
    assert!(EIGHT_TORSION.iter().all(|T| encode(T.mul_by_cofactor()) == encode(EdwardsPoint::default())));
    let heights: BTreeSet<_> = all
        .iter()
        .map(|bytes| {
            let mut y = *bytes;
            y[31] &= Y_BITS;
            y
        })
        .collect();
    assert_eq!(heights, BTreeSet::from(SMALL_ORDER_Y));
    assert!(all.iter().all(|bytes| !is_key(bytes)));
}

#[test]
fn a_true_signature_holds_and_no_bit_of_it_can_change() {
    let secret = SecretKey::from_seed(&[1; 32]);
    let signature = secret.sign(b"message");
    assert!(verdict(&secret.public(), b"message", &signature));
    assert!(!verdict(&secret.public(), b"massage", &signature));
    for bit in 0..SIGNATURE_BYTES * 8 {
        let mut flipped = signature;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!verdict(&secret.public(), b"message", &flipped), "bit {bit}");
    }
}

#[test]
fn a_second_spelling_of_s_is_refused() {
    let secret = SecretKey::from_seed(&[2; 32]);
    let signature = secret.sign(b"message");
    let mut again = signature;
    // s + L to s + 14 L, all of which fit into 32 bytes.
    for times in 1..15 {
        let mut carry = 0;
        for (byte, add) in again[32..].iter_mut().zip(L) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert_eq!(carry, 0);
        assert!(!verdict(&secret.public(), b"message", &again), "s + {times} L");
    }
    for s in [L, [0; 32], [0xff; 32], (-Scalar::ONE).to_bytes()] {
        let R = signature[..32].try_into().unwrap();
        assert!(!verdict(&secret.public(), b"message", &joined(R, &s)));
    }
}

#[test]
fn a_nonce_of_small_order_is_refused_where_the_equation_holds() {
    let (a, keys) = keys(3);
    let mut lax_accepts = BTreeSet::new();
    for key in &keys {
        for message in 0..12_u8 {
            for R in EIGHT_TORSION.map(encode) {
                // [s]B - [k]A is then a multiple of the key's part of small order: sometimes this R.
                let s = hashed(&R, key, &[message]) * a;
                let signature = joined(&R, &s.to_bytes());
                assert!(!verdict(key, &[message], &signature));
                if lax(key, &[message], &signature) {
                    lax_accepts.insert(R);
                }
            }
        }
    }
    assert_eq!(lax_accepts.len(), 8, "the equation held for each of them");
}

#[test]
fn keys_and_nonces_may_have_a_part_of_small_order() {
    let (a, keys) = keys(4);
    let r = SigningKey::from_bytes(&[5; 32]).to_scalar();
    let mut seen = BTreeSet::new();
    for key in &keys {
        for (message, T) in (0_u8..).zip(EIGHT_TORSION) {
            let R = encode(ED25519_BASEPOINT_POINT * r + T);
            let s = r + hashed(&R, key, &[message]) * a;
            seen.insert(verdict(key, &[message], &joined(&R, &s.to_bytes())));
        }
    }
    assert_eq!(seen.len(), 2, "some held, some did not");
}

#[test]
fn uncanonical_nonces_are_refused() {
    let (a, keys) = keys(6);
    let minus_zero = [1, 0xec].map(|low| {
        let mut bytes = if low == 1 { [0; 32] } else { [0xff; 32] };
        (bytes[0], bytes[31]) = (low, if low == 1 { !Y_BITS } else { 0xff });
        bytes
    });
    let all = (0..19).flat_map(uncanonical).chain(minus_zero);
    for R in all {
        for key in keys {
            let s = hashed(&R, &key, b"message") * a;
            assert!(!verdict(&key, b"message", &joined(&R, &s.to_bytes())), "{}", hex::encode(R));
        }
    }
}

#[test]
fn keys_have_one_spelling() {
    for bytes in (0..19).flat_map(uncanonical) {
        assert!(!is_key(&bytes), "{}", hex::encode(bytes));
    }
    assert!(keys(7).1.iter().all(is_key));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn signatures_are_those_of_the_other_library(seed: [u8; 32], message: Vec<u8>) {
        let (ours, theirs) = (SecretKey::from_seed(&seed), SigningKey::from_bytes(&seed));
        let signature = ours.sign(&message);
        prop_assert_eq!(signature, theirs.sign(&message).to_bytes());
        prop_assert_eq!(ours.public(), theirs.verifying_key().to_bytes());
        prop_assert_eq!(**ours.seed(), seed);
        prop_assert!(verdict(&ours.public(), &message, &signature));
    }

    #[test]
    fn verdicts_on_anything_are_those_of_the_other_library(
        seed: [u8; 32], message: Vec<u8>, R: [u8; 32], s: [u8; 32], at in 0..SIGNATURE_BYTES, value: u8,
    ) {
        let secret = SecretKey::from_seed(&seed);
        prop_assert!(!verdict(&secret.public(), &message, &joined(&R, &s)));
        let mut changed = secret.sign(&message);
        let same = std::mem::replace(&mut changed[at], value) == value;
        prop_assert_eq!(verdict(&secret.public(), &message, &changed), same);
    }
}
