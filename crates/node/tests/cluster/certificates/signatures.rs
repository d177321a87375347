//! Signatures that a node in the wrong hands gives back: under another key, of another child, of another message.

use consign_api as api;
use consign_api::{Judge as _, Pin};
use consign_node::core::certificate::{Judge, judge};

use crate::sim::{Sim, Weather};

fn sign_of(sim: &mut Sim, key: &api::KeyView, path: &str, text: &[u8]) -> api::SignatureView {
    let target = api::SignTarget::Message { bytes: text.to_vec(), hash: api::HashName::Sha256 };
    let sign = api::Sign { key: key.id, path: path.parse().unwrap(), target };
    let id = sim.start(0, api::Request::Sign(sign)).unwrap();
    match sim.finish(0, id) {
        Ok(api::Outcome::Signature(view)) => *view,
        other => panic!("{other:?}"),
    }
}

/// `s` becomes its negative: the same equation, and another signature.
fn negated(curve: api::Curve, s: &str) -> String {
    let bytes: [u8; 32] = hex::decode(s).unwrap().try_into().unwrap();
    let order = match curve {
        api::Curve::Secp256k1 => "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        api::Curve::P256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    };
    let order = hex::decode(order).unwrap();
    let mut out = [0; 32];
    let mut borrow = 0;
    for i in (0..32).rev() {
        let digit = i32::from(order[i]) - i32::from(bytes[i]) - borrow;
        borrow = i32::from(digit < 0);
        out[i] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    hex::encode(out)
}

#[test]
fn a_signature_is_of_the_pinned_key_and_the_own_message() {
    for (seed, curve) in (920..).zip([api::Curve::Secp256k1, api::Curve::P256]) {
        let mut sim = Sim::cluster(seed, 2, Weather::default());
        let mut keys = Vec::new();
        for _ in 0..2 {
            let request = sim.create_key_on(curve, 2, &[0, 1]);
            let id = sim.start(0, request).unwrap();
            let Ok(api::Outcome::Key(key)) = sim.finish(0, id) else { panic!("no key") };
            keys.push(*key);
        }
        let pin = judge(&sim.certificate(0, keys[0].id)).unwrap().pin;
        let path: api::PathText = "m/0/5".parse().unwrap();
        let digest = api::HashName::Sha256.digest(b"mine");
        let right = sign_of(&mut sim, &keys[0], "m/0/5", b"mine");
        let verdict = |pin: &Pin, view: &api::SignatureView| Judge.signature(pin, &path, &digest, view);
        assert_eq!(verdict(&pin, &right), Ok(()));

        let root = sign_of(&mut sim, &keys[0], "m", b"mine");
        assert_eq!(Judge.signature(&pin, &api::PathText::root(), &digest, &root), Ok(()));
        let other = sign_of(&mut sim, &keys[1], "m/0/5", b"mine");
        let text = sign_of(&mut sim, &keys[0], "m/0/5", b"another");
        // Each as it is, and dressed up as what was asked for.
        for wrong in [&root, &other, &text] {
            assert!(verdict(&pin, wrong).is_err());
            let api::SignatureView { r, s, der, recovery_id, .. } = wrong.clone();
            for recovery_id in [recovery_id, right.recovery_id] {
                let (r, s, der) = (r.clone(), s.clone(), der.clone());
                let dressed = api::SignatureView { r, s, der, recovery_id, ..right.clone() };
                assert!(verdict(&pin, &dressed).unwrap_err().contains("does not verify"));
            }
        }
        type Lie = fn(&mut api::SignatureView);
        let lies: [Lie; 10] = [
            |v| v.key = api::KeyId([1; 32]),
            |v| v.path = api::PathText::root(),
            |v| v.public_key = "02".repeat(33),
            |v| v.digest = "00".repeat(32),
            |v| v.r = v.s.clone(),
            |v| v.s = v.s.to_uppercase() + "",
            |v| v.s.truncate(62),
            |v| v.der.truncate(60),
            |v| v.der.clear(),
            |v| v.recovery_id = v.recovery_id.map_or(Some(0), |_| None),
        ];
        for (number, lie) in lies.into_iter().enumerate() {
            let mut view = right.clone();
            lie(&mut view);
            assert!(view == right || verdict(&pin, &view).is_err(), "{curve} {number}");
        }
        let high = api::SignatureView {
            s: negated(curve, &right.s),
            recovery_id: right.recovery_id.map(|id| id ^ 1),
            ..right.clone()
        };
        assert!(verdict(&pin, &high).unwrap_err().contains("does not verify"));
        // Under another key the same signature is none, whatever the node calls it.
        let foreign = judge(&sim.certificate(0, keys[1].id)).unwrap().pin;
        assert!(verdict(&foreign, &right).is_err());
    }
}
