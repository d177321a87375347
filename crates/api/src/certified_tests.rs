use super::*;
use crate::pins::{BadPins, Pins};
use crate::signed::Validity;
use crate::{ClientSecret, KeyState};

const CLUSTER: ClusterId = ClusterId([9; 32]);

fn client(seed: u8) -> ClientSecret {
    ClientSecret::from_seed(&[seed; 32])
}

fn body() -> CreateKey {
    CreateKey {
        label: "pay".parse().unwrap(),
        scheme: Scheme::Cggmp24,
        curve: Curve::Secp256k1,
        level: Level::L128,
        threshold: 2,
        committee: [1, 2, 3].map(|i| NodeId([i; 32])).to_vec(),
    }
}

fn asked(seed: u8, name: &str, body: &CreateKey, at: u64) -> SignedRequest {
    let bytes = serde_json::to_vec(body).unwrap();
    let validity = Validity::new(at, at + 60).unwrap();
    SignedRequest::sign(&client(seed), CLUSTER, "/v1/keys", name.parse().unwrap(), bytes, validity).unwrap()
}

/// What a certificate of the key shows that was made for `asked(1, "one", &body(), 5)`.
pub(crate) fn certified() -> Certified {
    let body = body();
    let member = |(validator, index): (&NodeId, u16)| Member { index, validator: *validator, name: None };
    Certified {
        pin: Pin {
            cluster: CLUSTER,
            key: KeyId([5; 32]),
            label: body.label.clone(),
            scheme: body.scheme,
            curve: body.curve,
            level: body.level,
            public_key: "02".repeat(33),
            chain_code: Some("03".repeat(32)),
            owner: Some(client(1).public()),
            imported: None,
            shared_out: None,
            epoch: 0,
            session: "07".repeat(32),
            threshold: body.threshold,
            committee: body.committee.iter().zip(1..).map(member).collect(),
        },
        first_threshold: body.threshold,
        first_committee: body.committee.clone(),
        changes: 0,
        request: asked(1, "one", &body, 5).encode(),
        xpub: Some("xpub1".to_owned()),
        ethereum_address: Some("0x1".to_owned()),
        bitcoin_address: Some("bc1".to_owned()),
    }
}

/// How an honest node shows it.
fn view() -> KeyView {
    let Certified { pin, xpub, ethereum_address, bitcoin_address, .. } = certified();
    let named = |member: &Member| Member { name: Some("anna".parse().unwrap()), ..member.clone() };
    KeyView {
        id: pin.key,
        label: pin.label,
        scheme: pin.scheme,
        curve: pin.curve,
        level: pin.level,
        threshold: pin.threshold,
        committee: pin.committee.iter().map(named).collect(),
        epoch: pin.epoch,
        share: true,
        state: KeyState::Active,
        owner: pin.owner,
        imported: None,
        exports: Vec::new(),
        presignatures: 7,
        standing: None,
        public_key: pin.public_key,
        chain_code: pin.chain_code,
        xpub,
        ethereum_address,
        bitcoin_address,
    }
}

#[test]
fn every_word_of_a_node_is_compared() {
    let shown = certified();
    assert_eq!(shown.agrees(&view()), Ok(()));
    type Lie = fn(&mut KeyView);
    let member = || Member { index: 1, validator: NodeId([1; 32]), name: None };
    let lies: [(&str, Lie); 15] = [
        ("id", |v| v.id = KeyId([6; 32])),
        ("public key", |v| v.public_key = "03".repeat(33)),
        ("chain code", |v| v.chain_code = None),
        ("extended key", |v| v.xpub = Some("xpub2".to_owned())),
        ("Ethereum address", |v| v.ethereum_address = Some("0x2".to_owned())),
        ("Bitcoin address", |v| v.bitcoin_address = None),
        ("curve", |v| v.curve = Curve::P256),
        ("level", |v| v.level = Level::L112),
        ("label", |v| v.label = "save".parse().unwrap()),
        ("owner", |v| v.owner = None),
        ("epoch", |v| v.epoch = 1),
        ("threshold", |v| v.threshold = 3),
        ("committee", |v| drop(v.committee.pop())),
        ("committee", |v| v.committee.swap(0, 1)),
        ("committee", |v| v.committee[1].index = 9),
    ];
    for (wanted, lie) in lies {
        let mut told = view();
        lie(&mut told);
        assert_eq!(shown.agrees(&told), Err(Mistrust::OtherView { key: shown.pin.key, what: wanted }));
    }
    let imported = KeyView { imported: Some(member()), ..view() };
    assert!(matches!(shown.agrees(&imported), Err(Mistrust::OtherView { what: "origin", .. })));
}

#[test]
fn a_key_is_for_the_request_that_asked_for_it() {
    let right = certified();
    let call = asked(1, "one", &body(), 5);
    assert_eq!(right.is_for(&call), Ok(()));
    assert_eq!(right.is_for(&asked(1, "one", &body(), 9)), Ok(()), "signed anew it is the same request");
    let what = |shown: &Certified, call: &SignedRequest| match shown.is_for(call) {
        Err(Mistrust::NotAsked { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(what(&right, &asked(2, "one", &body(), 5)), "client");
    assert_eq!(what(&right, &asked(1, "two", &body(), 5)), "Idempotency-Key");
    let other = CreateKey { threshold: 3, ..body() };
    assert_eq!(what(&right, &asked(1, "one", &other, 5)), "call");
    type Lie = fn(&mut Certified);
    let lies: [(&str, Lie); 10] = [
        ("client", |c| c.pin.owner = None),
        ("cluster", |c| c.pin.cluster = ClusterId([8; 32])),
        ("label", |c| c.pin.label = "save".parse().unwrap()),
        ("curve", |c| c.pin.curve = Curve::P256),
        ("level", |c| c.pin.level = Level::L112),
        ("threshold", |c| c.first_threshold = 3),
        ("committee", |c| c.first_committee.truncate(2)),
        ("committee", |c| c.first_committee.swap(0, 1)),
        ("origin", |c| c.pin.imported = Some(NodeId([1; 32]))),
        ("request", |c| c.request = vec![1]),
    ];
    for (wanted, lie) in lies {
        let mut shown = right.clone();
        lie(&mut shown);
        assert_eq!(what(&shown, &call), wanted);
    }
    // A signature of somebody else under the client's name.
    let mut forged = right.clone();
    forged.request[100] ^= 1;
    assert_eq!(what(&forged, &call), "cluster");
}

#[test]
fn what_was_seen_stays_and_epochs_only_grow() {
    let me = client(1).public();
    let mut pins = Pins::default();
    assert_eq!(pins.see(me, &certified()), Ok(()));
    assert_eq!(pins.see(me, &certified()), Ok(()), "the same again");
    type Lie = fn(&mut Pin);
    let lies: [(&str, Lie); 12] = [
        ("public key", |p| p.public_key = "03".repeat(33)),
        ("chain code", |p| p.chain_code = None),
        ("cluster", |p| p.cluster = ClusterId([8; 32])),
        ("curve", |p| p.curve = Curve::P256),
        ("level", |p| p.level = Level::L112),
        ("label", |p| p.label = "save".parse().unwrap()),
        ("owner", |p| p.owner = None),
        ("owner", |p| p.owner = Some(client(2).public())),
        ("origin", |p| p.imported = Some(NodeId([1; 32]))),
        ("committee", |p| drop(p.committee.pop())),
        ("committee", |p| p.committee.swap(0, 1)),
        ("committee", |p| p.threshold = 3),
    ];
    for (wanted, lie) in lies {
        let mut shown = certified();
        lie(&mut shown.pin);
        let seen = pins.see(me, &shown);
        assert_eq!(seen, Err(Mistrust::Changed { key: shown.pin.key, what: wanted }));
    }
    assert_eq!(pins.keys(), [certified().pin], "a lie changes nothing");

    // A later epoch may be held by others.
    let mut later = certified();
    (later.pin.epoch, later.pin.threshold) = (4, 3);
    later.pin.session = "00".repeat(32);
    assert_eq!(pins.see(me, &later), Ok(()));
    for (epoch, session) in [(0, "07"), (3, "ff")] {
        let mut older = certified();
        (older.pin.epoch, older.pin.session) = (epoch, session.repeat(32));
        let key = older.pin.key;
        assert_eq!(pins.see(me, &older), Err(Mistrust::Older { key, shown: epoch, seen: 4 }));
    }
    // Of two with one number the session decides, as at the nodes.
    let mut twin = later.clone();
    twin.pin.session = "01".repeat(32);
    assert_eq!(pins.see(me, &twin), Ok(()));
    assert!(matches!(pins.see(me, &later), Err(Mistrust::Older { .. })));
    assert_eq!(pins.of(&twin.pin.key), Some(&twin.pin));

    // Out of the dealer's hands an imported key goes once.
    let mut imported = certified();
    (imported.pin.key, imported.pin.imported) = (KeyId([6; 32]), Some(NodeId([1; 32])));
    pins.trust(&imported).unwrap();
    for (epoch, session, is_first) in [(1, "01", true), (2, "01", true), (3, "02", false)] {
        (imported.pin.epoch, imported.pin.shared_out) = (epoch, Some(session.repeat(32)));
        let seen = pins.trust(&imported);
        assert_eq!(seen.is_ok(), is_first, "{seen:?}");
    }
    pins = Pins::default();
    pins.see(me, &twin).unwrap();

    // Two processes of one client: the later epoch stays, and a contradiction is told.
    let mut one = Pins::default();
    one.see(me, &certified()).unwrap();
    let mut both = one.clone();
    both.merge(&pins).unwrap();
    one.merge(&both).unwrap();
    assert_eq!((both.keys(), one.keys()), (pins.keys(), pins.keys()));
    let mut liar = Pins::default();
    let mut lie = certified();
    lie.pin.public_key = "03".repeat(33);
    liar.trust(&lie).unwrap();
    assert!(matches!(both.merge(&liar), Err(Mistrust::Changed { what: "public key", .. })));

    let read = Pins::from_json(pins.to_json().as_bytes()).unwrap();
    assert_eq!(read, pins);
    assert!(matches!(Pins::from_json(b"{}"), Err(BadPins::Malformed(_))));
    let newer = pins.to_json().replace("\"version\": 1", "\"version\": 2");
    assert_eq!(Pins::from_json(newer.as_bytes()), Err(BadPins::Version(2)));
}

#[test]
fn a_key_of_somebody_else_waits_for_a_persons_word() {
    let me = client(2).public();
    let mut pins = Pins::default();
    let shown = certified();
    let error = pins.see(me, &shown).unwrap_err();
    assert!(matches!(error, Mistrust::Foreign { .. }));
    let text = error.to_string();
    let owner = client(1).public().to_string();
    assert!(text.contains(&owner) && text.contains(&shown.pin.public_key) && text.contains("key trust"));
    let unsigned = Certified { pin: Pin { owner: None, ..shown.pin.clone() }, ..shown.clone() };
    assert!(pins.see(me, &unsigned).unwrap_err().to_string().contains("token"));
    assert!(pins.keys().is_empty());
    assert_eq!(pins.knows(&view()), Ok(false));
    pins.trust(&shown).unwrap();
    assert_eq!(pins.see(me, &shown), Ok(()), "once told it is as good as an own one");
    assert_eq!(pins.knows(&view()), Ok(true));
    let other = KeyView { public_key: "03".repeat(33), ..view() };
    assert!(matches!(pins.knows(&other), Err(Mistrust::Changed { what: "public key", .. })));
}

#[test]
fn a_name_means_one_validator() {
    let mut pins = Pins::default();
    let anna: Label = "anna".parse().unwrap();
    assert_eq!(pins.call(&anna, NodeId([1; 32])), Ok(()));
    assert_eq!(pins.call(&anna, NodeId([1; 32])), Ok(()));
    assert_eq!(pins.call(&anna, NodeId([2; 32])), Err(NodeId([1; 32])));
    assert_eq!((pins.called("anna"), pins.called("bert")), (Some(NodeId([1; 32])), None));
    assert_eq!(Pins::from_json(pins.to_json().as_bytes()), Ok(pins));
}
