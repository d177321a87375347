use serde_json::json;

use super::*;

fn id(byte: u8) -> String {
    hex::encode([byte; 32])
}

fn key_body() -> serde_json::Value {
    json!({"label": "pay", "scheme": "cggmp24", "curve": "secp256k1", "level": "128",
           "threshold": 2, "committee": [id(1), id(2), id(3)]})
}

#[test]
fn a_complete_key_body_parses_and_round_trips() {
    let key: CreateKey = serde_json::from_value(key_body()).unwrap();
    assert_eq!(key.committee.len(), 3);
    assert_eq!(serde_json::to_value(&key).unwrap(), key_body());
    assert_eq!(key.clone().checked().unwrap(), key);
}

#[test]
fn key_bodies_that_are_refused() {
    let cases = [
        ("extra", json!(1), "unknown field"),
        ("threshold", json!(1), "from 2 to 20"),
        ("threshold", json!(4), "only 3 members"),
        ("threshold", json!(-2), "invalid value"),
        ("committee", json!([id(1), id(1)]), "twice"),
        ("committee", json!(["zz", id(1)]), "not an identifier"),
        ("label", json!(""), "1 to 64"),
        ("label", json!("a b"), "1 to 64"),
        ("label", json!(id(1)), "not an identifier"),
        ("level", json!("L128"), "unknown variant"),
    ];
    for (field, value, wanted) in cases {
        let mut body = key_body();
        body[field] = value;
        let text = serde_json::from_value::<CreateKey>(body).unwrap_err().to_string();
        assert!(text.contains(wanted), "{field}: {text}");
    }
    for field in ["label", "scheme", "curve", "level", "threshold", "committee"] {
        let mut body = key_body();
        body.as_object_mut().unwrap().remove(field);
        let text = serde_json::from_value::<CreateKey>(body).unwrap_err().to_string();
        assert!(text.contains("missing field"), "{field}: {text}");
    }
}

#[test]
fn sign_bodies() {
    let message: SignBody =
        serde_json::from_value(json!({"path": "m", "message": "616263", "hash": "sha256"})).unwrap();
    assert_eq!(message.target.digest(), HashName::Sha256.digest(b"abc"));
    assert_eq!(message.path, PathText::root());
    let digest: SignBody = serde_json::from_value(json!({"path": "m/0/5", "digest": id(7)})).unwrap();
    assert_eq!((digest.target.digest(), digest.path.as_str()), ([7; 32], "m/0/5"));
    for body in [message, digest] {
        let json = serde_json::to_value(&body).unwrap();
        assert_eq!(serde_json::from_value::<SignBody>(json).unwrap(), body);
        assert_eq!(Sign::new(KeyId([1; 32]), body.clone()).body(), body);
    }
    for bad in [
        json!({}),
        json!({"path": "m", "message": "61"}),
        json!({"path": "m", "hash": "sha256"}),
        json!({"path": "m", "message": "6", "hash": "sha256"}),
        json!({"path": "m", "message": "61", "hash": "md5"}),
        json!({"path": "m", "message": "61", "hash": "sha256", "digest": id(7)}),
        json!({"path": "m", "digest": "07"}),
        json!({"path": "m", "digest": id(7), "more": 1}),
        json!({"digest": id(7)}),
        json!({"path": "0/5", "digest": id(7)}),
        json!({"path": "", "digest": id(7)}),
        json!({"path": [0, 5], "digest": id(7)}),
        json!({"path": "m/0".repeat(MAX_PATH_BYTES), "digest": id(7)}),
    ] {
        assert!(serde_json::from_value::<SignBody>(bad.clone()).is_err(), "{bad}");
    }
    let long = json!({"path": "m", "message": "61".repeat(MAX_MESSAGE_BYTES + 1), "hash": "sha256"});
    assert!(serde_json::from_value::<SignBody>(long).is_err());
}

#[test]
fn pages_have_a_size_between_one_and_the_limit() {
    assert_eq!(PageQuery::default().size(), usize::from(DEFAULT_PAGE));
    assert_eq!(PageQuery { after: None, limit: 0 }.size(), 1);
    assert_eq!(PageQuery { after: None, limit: u16::MAX }.size(), usize::from(MAX_PAGE));
}
