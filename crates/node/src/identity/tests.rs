use std::collections::BTreeSet;

use super::*;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; ID_BYTES])
}

fn cluster(byte: u8) -> ClusterId {
    ClusterId::from_bytes([byte; ID_BYTES])
}

#[test]
fn a_signature_holds_for_its_purpose_cluster_bytes_and_signer_only() {
    let me = identity(1);
    let signature = me.sign(Purpose::Vouch, &cluster(1), b"bytes");
    let verify = |who: &Identity, purpose, cluster: ClusterId, bytes: &[u8], signature: &Signature| {
        who.node_id().verify(purpose, &cluster, bytes, signature).is_ok()
    };
    assert!(verify(&me, Purpose::Vouch, cluster(1), b"bytes", &signature));
    assert!(!verify(&me, Purpose::Revoke, cluster(1), b"bytes", &signature));
    assert!(!verify(&me, Purpose::Vouch, cluster(2), b"bytes", &signature));
    assert!(!verify(&me, Purpose::Vouch, cluster(1), b"other", &signature));
    assert!(!verify(&identity(2), Purpose::Vouch, cluster(1), b"bytes", &signature));
    for bit in 0..SIGNATURE_BYTES * 8 {
        let mut bytes = *signature.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(
            !verify(&me, Purpose::Vouch, cluster(1), b"bytes", &Signature::from_bytes(bytes)),
            "bit {bit}"
        );
    }
}

#[test]
fn signatures_are_frozen() {
    // Changing what is signed would make every stored charter, vouch and certificate worthless.
    let signature = identity(7).sign(Purpose::Announce, &cluster(9), b"frozen");
    assert_eq!(
        identity(7).node_id().to_string(),
        "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
    );
    assert_eq!(
        signature.to_string(),
        "aeeafda7fd8ecd7681c61adc07ed8114b7f747f64069a3d7684b5757009358687e6254da0e2af3d51cc9dddb2967961bad240ffa5250960acf4118ebfcf2df06"
    );
}

#[test]
fn labels_are_unique() {
    let labels: BTreeSet<_> = Purpose::ALL.iter().map(|p| p.label()).collect();
    assert_eq!(labels.len(), Purpose::ALL.len());
}

#[test]
fn a_node_id_and_a_peer_id_are_one_thing() {
    let me = identity(3);
    let peer = me.to_libp2p().public().to_peer_id();
    assert_eq!(me.node_id().to_peer_id(), peer);
    assert_eq!(NodeId::from_peer_id(&peer), Ok(me.node_id()));
}

#[test]
fn a_peer_id_without_an_ed25519_key_is_refused() {
    // Multihash code SHA-256, 32 bytes.
    let hashed = PeerId::from_bytes(&[&[0x12, 32], [5; 32].as_slice()].concat()).unwrap();
    assert_eq!(NodeId::from_peer_id(&hashed), Err(BadId::NotEd25519));
    // Inlined, but not a key.
    let garbage = PeerId::from_bytes(&[&[0x00, 36], [5; 36].as_slice()].concat()).unwrap();
    assert_eq!(NodeId::from_peer_id(&garbage), Err(BadId::NotEd25519));
    // An inlined key with a trailing unknown field: another peer id for the same key.
    let key = identity(3).to_libp2p().public().encode_protobuf();
    let twin = [&[0x00, 38], key.as_slice(), &[0x18, 0x00]].concat();
    let twin = PeerId::from_bytes(&twin).unwrap();
    assert_eq!(NodeId::from_peer_id(&twin), Err(BadId::NotEd25519));
}

#[test]
fn weak_and_uncanonical_keys_are_refused() {
    let mut identity_point = [0; ID_BYTES];
    identity_point[0] = 1;
    assert_eq!(NodeId::from_bytes(&identity_point), Err(BadId::NotAKey));
    assert_eq!(NodeId::from_bytes(&[0; ID_BYTES]), Err(BadId::NotAKey));
    // y = p + 3, the second writing of y = 3, which is a point of large order.
    let mut three = [0; ID_BYTES];
    three[0] = 3;
    assert!(NodeId::from_bytes(&three).is_ok());
    let mut again = [0xff; ID_BYTES];
    again[0] = 0xf0;
    again[31] = 0x7f;
    assert_eq!(NodeId::from_bytes(&again), Err(BadId::NotAKey));
}

#[test]
fn ids_have_one_writing() {
    let id = identity(4).node_id();
    let text = id.to_string();
    assert_eq!(text.parse(), Ok(id));
    assert_eq!(text.to_uppercase().parse::<NodeId>(), Err(BadId::NotHex));
    assert_eq!(text[1..].parse::<NodeId>(), Err(BadId::NotHex));
    assert_eq!(format!("{text}00").parse::<NodeId>(), Err(BadId::NotHex));
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(json, format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<NodeId>(&json).unwrap(), id);
    let bytes = postcard::to_stdvec(&id).unwrap();
    assert_eq!(bytes, id.as_bytes());
    assert_eq!(postcard::from_bytes::<NodeId>(&bytes).unwrap(), id);
    assert!(postcard::from_bytes::<NodeId>(&[0; 32]).is_err());
    let signature = identity(4).sign(Purpose::Accept, &cluster(1), b"");
    let bytes = postcard::to_stdvec(&signature).unwrap();
    assert_eq!(bytes, signature.as_bytes());
    assert_eq!(postcard::from_bytes::<Signature>(&bytes).unwrap(), signature);
}

#[test]
fn node_ids_are_ordered_by_their_bytes() {
    let mut ids: Vec<_> = (0..8).map(|seed| identity(seed).node_id()).collect();
    ids.sort();
    assert!(ids.windows(2).all(|pair| pair[0].as_bytes() < pair[1].as_bytes()));
}

#[test]
fn the_seed_restores_the_identity() {
    let me = identity(5);
    let again = Identity::from_seed(&me.expose_seed());
    assert_eq!(again.node_id(), me.node_id());
}
