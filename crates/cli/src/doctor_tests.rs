//! What `consign doctor` says to what it finds.

use consign_api::{ClusterId, Curve, EvidenceId, KeyId, Level, Member, NodeId, PolicyView, Scheme};

use super::*;

fn node() -> NodeView {
    NodeView {
        id: NodeId([1; 32]),
        name: "a".parse().unwrap(),
        cluster: ClusterId([9; 32]),
        member: true,
        addresses: Vec::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rival_charters: Vec::new(),
        policy: Some(PolicyView { clients: 1, rules: 1, waiting: 0, error: None }),
    }
}

fn validator(id: u8) -> ValidatorView {
    ValidatorView {
        id: NodeId([id; 32]),
        peer_id: String::new(),
        name: Some(format!("v{id}").parse().unwrap()),
        addresses: vec!["/ip4/192.0.2.1/tcp/1".to_owned()],
        founder: false,
        member: true,
        vouches: 1,
        waiting: false,
        this_node: id == 1,
        connected: id != 1,
        latency_ms: Some(3),
        clock_offset_s: None,
        version: None,
        runs_twice: false,
        evidence: Vec::new(),
        convicted: false,
        forgiven: None,
        blocked: false,
    }
}

fn key() -> KeyView {
    let member = |i: u8| Member { index: i.into(), validator: NodeId([i; 32]), name: None };
    KeyView {
        id: KeyId([4; 32]),
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
        exports: vec![consign_api::ExportView {
            epoch: 0,
            exported: 1,
            to: "passphrase, in a backup".to_owned(),
        }],
        presignatures: 0,
        standing: None,
        public_key: String::new(),
        chain_code: None,
        xpub: None,
        ethereum_address: None,
        bitcoin_address: None,
    }
}

fn worst(found: &[Finding]) -> Weight {
    found.iter().map(|finding| finding.weight).max().unwrap_or(Weight::Good)
}

fn all() -> Vec<ValidatorView> {
    (1..=3).map(validator).collect()
}

#[test]
fn a_sound_node_is_good() {
    assert_eq!(of_version(&node()).weight, Weight::Good);
    assert_eq!(worst(&of_cluster(&node(), &all())), Weight::Good);
    assert_eq!(worst(&of_key(&key(), &node(), &all(), 0)), Weight::Good);
}

#[test]
fn what_is_wrong_with_others_is_told() {
    let told = |alter: fn(&mut ValidatorView), wanted: Weight, word: &str| {
        let mut all = all();
        alter(&mut all[1]);
        let found = of_cluster(&node(), &all);
        assert_eq!(worst(&found), wanted, "{found:?}");
        assert!(found.iter().any(|f| f.weight == wanted && f.text.contains(word)), "{found:?}");
    };
    told(|v| v.connected = false, Weight::Look, "v2 is not connected");
    told(|v| v.latency_ms = Some(SLOW_MS + 1), Weight::Look, "501 ms");
    told(|v| v.runs_twice = true, Weight::Bad, "copied folder");
    let convict = |v: &mut ValidatorView| (v.convicted, v.evidence) = (true, vec![EvidenceId([7; 32])]);
    told(convict, Weight::Bad, "07070707");
    told(|v| v.blocked = true, Weight::Look, "blocked");
    told(|v| v.clock_offset_s = Some(-31), Weight::Look, "31 s behind");
    told(|v| v.clock_offset_s = Some(30), Weight::Good, "connected");
    told(|v| v.version = Some("0.0.1".to_owned()), Weight::Look, "version 0.0.1");
    let stranger = NodeView { member: false, ..node() };
    assert_eq!(worst(&of_cluster(&stranger, &all())), Weight::Bad);
    let rivalled = NodeView { rival_charters: vec![consign_api::CharterId([7; 32])], ..node() };
    assert_eq!(worst(&of_cluster(&rivalled, &all())), Weight::Bad);
    let other = NodeView { version: "0.0.0".to_owned(), ..node() };
    assert_eq!(of_version(&other).weight, Weight::Look);
    let with = |waiting, error: Option<&str>| {
        let policy = PolicyView { clients: 1, rules: 1, waiting, error: error.map(str::to_owned) };
        of_policy(&NodeView { policy: Some(policy), ..node() }).weight
    };
    assert_eq!(with(0, None), Weight::Good);
    assert_eq!(with(2, None), Weight::Look);
    assert_eq!(with(0, Some("line 3")), Weight::Bad);
    assert_eq!(of_policy(&NodeView { policy: None, ..node() }).weight, Weight::Look);
}

#[test]
fn what_keeps_a_key_from_signing_is_told() {
    let told = |alter: fn(&mut KeyView, &mut Vec<ValidatorView>), kept, wanted: Weight, word: &str| {
        let (mut key, mut all) = (key(), all());
        alter(&mut key, &mut all);
        let found = of_key(&key, &node(), &all, kept);
        assert_eq!(worst(&found), wanted, "{found:?}");
        assert!(found.iter().any(|f| f.weight == wanted && f.text.contains(word)), "{found:?}");
    };
    told(|_, all| all[1].connected = false, 0, Weight::Good, "2 of 3");
    told(|_, all| all.truncate(1), 0, Weight::Bad, "only 1 of the 2");
    // A convicted holder signs no more.
    told(
        |key, all| {
            key.threshold = 3;
            all[2].convicted = true;
        },
        0,
        Weight::Bad,
        "03030303",
    );
    told(|key, _| key.state = KeyState::Whole, 0, Weight::Bad, "one place");
    told(|key, _| key.state = KeyState::Confirming, 0, Weight::Look, "confirmed");
    told(|key, _| key.share = false, 0, Weight::Bad, "no share");
    told(|key, _| key.epoch = 5, 0, Weight::Look, "no backup");
    told(|_, _| {}, 4, Weight::Look, "although 4");
}

#[test]
fn what_keeps_standing_orders_from_being_done_is_told() {
    let told = |orders: consign_api::StandingView, presignatures| {
        let key = KeyView { standing: Some(orders), presignatures, ..key() };
        of_orders(&key, &all(), 1_000_000).map(|finding| finding.text).unwrap_or_default()
    };
    let orders = consign_api::StandingView { low: Some(2), high: Some(4), ..Default::default() };
    assert_eq!(told(orders.clone(), 2), "");
    assert!(told(orders.clone(), 1).contains("1 presignatures are ready, the low mark is 2"));
    let (problem, waiting_for) = (Some("no such order.".to_owned()), vec![NodeId([2; 32])]);
    let orders = consign_api::StandingView { problem, waiting_for, ..orders };
    assert!(told(orders.clone(), 2).contains("no such order.; waited for: v2"));
    let late = consign_api::StandingView { refresh_due: Some(1_000_000 - LATE_S - 1), ..orders };
    assert!(told(late.clone(), 2).contains("due since 1 h"));
    let soon = consign_api::StandingView { refresh_due: Some(1_000_001), problem: None, ..late };
    assert_eq!(told(soon, 2), "");
}
