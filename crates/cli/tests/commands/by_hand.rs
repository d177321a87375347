//! A cluster by hand, as the README tells it, with real processes: init, node, invite, join, key create, key sign, and
//! what must go wrong in between. Runs at the insecure level of tests, which no release build has.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::{PASSPHRASE, TestNode, consign, finish, run, until};
use serde_json::Value;

/// Three nodes that have met.
fn three(place: &Path) -> [TestNode; 3] {
    let mut a = TestNode::found(place, "anna");
    a.start();
    let [b, c] = ["bert", "carl"].map(|name| {
        let mut node = TestNode::join(place, name, &a.invite());
        node.start();
        node
    });
    let nodes = [a, b, c];
    for node in &nodes {
        node.meets(3);
    }
    nodes
}

fn create(node: &TestNode, name: &str) -> Value {
    node.ask(&["key", "create", "--name", name, "--level", "insecure-test"]).ok().json()
}

fn sign(node: &TestNode, arguments: &[&str]) -> Value {
    node.ask(&[&["key", "sign"], arguments].concat()).ok().json()
}

/// The names of those who signed.
fn signers(signature: &Value) -> Vec<&str> {
    signature["signers"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect()
}

#[test]
fn from_init_to_signatures_and_through_restarts() {
    let place = tempfile::tempdir().unwrap();
    let mut nodes = three(place.path());
    let key = create(&nodes[0], "pay");
    assert_eq!(key["threshold"], 2);
    assert_eq!(key["committee"].as_array().unwrap().len(), 3);
    assert_eq!(key["state"], "active");

    // From any node, by label, id, and beginning of the id; any form of message.
    let id = key["id"].as_str().unwrap();
    let file = place.path().join("message");
    std::fs::write(&file, "invoice 4711").unwrap();
    let text = sign(&nodes[0], &["pay", "invoice 4711"]);
    let same = sign(&nodes[1], &[id, "--file", file.to_str().unwrap()]);
    let keccak = sign(&nodes[2], &[&id[..8], "--hex", "00ff", "--hash", "keccak256"]);
    let digest = sign(&nodes[1], &["pay", "--digest", &"07".repeat(32)]);
    assert_eq!(text["digest"], same["digest"]);
    assert_ne!(text["r"], same["r"]);
    assert_eq!(keccak["hash"], "keccak256");
    assert_eq!(digest["digest"], "07".repeat(32));
    for signature in [&text, &same, &keccak, &digest] {
        assert_eq!(signature["verified"], true);
        assert_eq!(signature["public_key"], key["public_key"]);
        assert_eq!(signers(signature).len(), 2);
    }

    // A key on the other curve, with the same moduli; whatever secp256k1 alone has is not told.
    let other = ["key", "create", "--name", "tls", "--curve", "p256", "--level", "insecure-test"];
    let other = nodes[1].ask(&other).ok().json();
    assert_eq!((&other["curve"], &other["ethereum_address"]), (&"p256".into(), &Value::Null));
    let signature = sign(&nodes[2], &["tls", "a certificate", "--path", "m/1"]);
    assert_eq!((&signature["verified"], &signature["recovery_id"]), (&true.into(), &Value::Null));
    nodes[0].ask(&["key", "create", "--name", "x", "--curve", "p384"]).fails(2, "secp256k1 or p256");

    imports(&nodes, place.path());
    clients(&nodes, place.path());

    // A child of the key signs too, and everybody finds its addresses.
    let child = sign(&nodes[2], &["pay", "to a child", "--path", "m/0/5"]);
    let address =
        |node: &TestNode, path: &str| node.ask(&["key", "address", "pay", "--path", path]).ok().json();
    let shown = address(&nodes[0], "m/0/5");
    assert_eq!((&child["path"], &child["public_key"]), (&shown["path"], &shown["public_key"]));
    assert_eq!(shown, address(&nodes[1], "m/0/5"));
    assert_ne!(shown["public_key"], key["public_key"]);
    assert!(shown["bitcoin_address"].as_str().unwrap().starts_with("bc1q"));
    let root = address(&nodes[1], "m");
    for what in ["public_key", "ethereum_address", "bitcoin_address"] {
        assert_eq!(root[what], key[what], "{what}");
    }
    assert!(key["xpub"].as_str().unwrap().starts_with("xpub"));
    nodes[0].ask(&["key", "sign", "pay", "text", "--path", "m/0'"]).fails(2, "hardened");

    // A restarted node needs nothing but its folder; another one is gone meanwhile.
    nodes[1].kill();
    nodes[1].start();
    for other in [&nodes[0], &nodes[2]] {
        other.hears_from(&nodes[1]);
    }
    // Not killed: what it has just heard may not be on its disk yet.
    nodes[2].stop();
    nodes[1].meets(2);
    let again = sign(&nodes[1], &["pay", "after a restart"]);
    let mut who = signers(&again);
    who.sort_unstable();
    assert_eq!(who, ["anna", "bert"]);

    // One of three is too few, and says whom it misses.
    nodes[0].kill();
    until("node b to be alone", || {
        let roster = nodes[1].ask(&["validator", "list"]).ok().json();
        let gone = |v: &Value| v["this_node"] == true || v["connected"] == false;
        roster.as_array().unwrap().iter().all(gone).then_some(())
    });
    let failed = nodes[1].ask(&["key", "sign", "pay", "alone"]).fails(5, "too-few-signers");
    assert_eq!(failed.out, "");

    // All back: everything works as before, and is remembered.
    nodes[0].start();
    nodes[2].start();
    nodes[2].meets(3);
    assert_eq!(sign(&nodes[2], &["pay", "all back"])["verified"], true);
    remembers(&nodes[2], &key);
    let both = nodes[0].ask(&["key", "list"]).ok().json();
    assert!(both.as_array().unwrap().contains(&key) && both.as_array().unwrap().len() == 3, "{both}");
}

/// A node shows the key as it was made, with its certificate.
fn remembers(node: &TestNode, key: &Value) {
    let mut shown = node.ask(&["key", "show", "pay"]).ok().json();
    assert_eq!(shown.as_object_mut().unwrap().remove("certificate"), Some("holds".into()));
    assert_eq!(shown, *key);
}

/// A client signs what it asks, at any node; its key file is its own.
fn clients(nodes: &[TestNode; 3], place: &Path) {
    let file = place.join("shop.key");
    let shop = file.to_str().unwrap();
    let made = run(&["--json", "client", "new", shop]).ok().json();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    run(&["client", "new", shop]).fails(1, "exists already");
    let message = ["pay", "as a client", "--client", shop];
    // Somebody else has asked for this key.
    nodes[0].ask(&[&["key", "sign"][..], &message].concat()).fails(7, "consign key trust");
    nodes[0].ask(&["key", "trust", "pay", "--client", shop]).ok();
    assert_eq!(sign(&nodes[0], &message)["verified"], true);
    let cluster = nodes[1].ask(&["key", "list", "--client", shop, "--cluster", &"00".repeat(32)]);
    cluster.fails(4, "for another cluster");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    nodes[0].ask(&["key", "list", "--client", shop]).fails(1, "chmod 600");
    assert_eq!(made["client"].as_str().unwrap().len(), 64);
}

/// A private key from a pipe, which only a person who says so imports; any two of the three sign for it.
fn imports(nodes: &[TestNode; 3], place: &Path) {
    let secret = "5a".repeat(32);
    let file = place.join("old.hex");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    let import = |arguments: &[&str]| {
        let mut command =
            consign(&[&["key", "import", "old", "--level", "insecure-test"], arguments].concat());
        command.arg("--data").arg(&nodes[0].data).stdin(std::fs::File::open(&file).unwrap());
        finish(command)
    };
    import(&["--i-understand"]).fails(2, "--curve");
    let import = |arguments: &[&str]| import(&[&["--json", "--curve", "secp256k1"], arguments].concat());
    import(&[]).fails(2, "--i-understand");
    import(&["--i-understand", "--from", "/dev/null"]).fails(2, "neither 64 hexadecimal digits");
    import(&["--i-understand", "--threshold", "1"]).fails(2, "1 is not in 2..=20");
    // Wherever the API listens, it must be here.
    let (place, near) = (nodes[0].data.join("api-address"), "127.0.0.1");
    let address = std::fs::read_to_string(&place).unwrap();
    std::fs::write(&place, address.replace(near, "192.0.2.1")).unwrap();
    import(&["--i-understand"]).fails(1, "must not leave this machine");
    std::fs::write(&place, &address).unwrap();
    let key = import(&["--i-understand"]).ok().json();
    let whole = secp256k1::SecretKey::from_secret_bytes([0x5a; 32]).unwrap();
    let public_key = hex::encode(secp256k1::PublicKey::from_secret_key(&whole).serialize());
    assert_eq!((&key["public_key"], &key["imported"]["name"]), (&public_key.into(), &"anna".into()));
    for node in nodes {
        let shown = until("the key to be there", || {
            let all = node.ask(&["key", "list"]).ok().json();
            all.as_array().unwrap().iter().find(|k| k["id"] == key["id"] && k["state"] == "active").cloned()
        });
        assert_eq!((&shown["imported"]["name"], &shown["share"]), (&"anna".into(), &true.into()));
        assert!(!node.log().contains(&secret));
    }
    assert_eq!(sign(&nodes[2], &["old", "by shares"])["verified"], true);
    assert!(nodes[0].log().contains("imports the private key of old"));
    import(&["--i-understand"]).fails(4, "has the key already");
    nodes[0].ask(&["key", "discard", "old"]).fails(4, "still in one place");
}

#[test]
fn a_key_is_refreshed_and_moved_and_stays_the_same() {
    let place = tempfile::tempdir().unwrap();
    let mut nodes: Vec<_> = three(place.path()).into();
    let key = create(&nodes[0], "pay");
    let same = |now: &Value, epoch: u64| {
        assert_eq!((&now["id"], &now["public_key"]), (&key["id"], &key["public_key"]));
        assert_eq!(now["epoch"], epoch);
    };
    let names = |now: &Value| -> Vec<String> {
        let committee = now["committee"].as_array().unwrap().iter();
        committee.map(|m| m["name"].as_str().unwrap().to_owned()).collect()
    };
    let in_epoch = |node: &TestNode, epoch: u64| {
        until("the node to have the epoch", || {
            let now = node.ask(&["key", "show", "pay"]).ok().json();
            (now["epoch"] == epoch).then_some(now)
        })
    };
    same(&nodes[0].ask(&["key", "refresh", "pay", "--keep-aux"]).ok().json(), 1);
    nodes.iter().for_each(|node| drop(in_epoch(node, 1)));
    // The new shares are on disk.
    nodes[1].kill();
    nodes[1].start();
    for other in [&nodes[0], &nodes[2]] {
        other.hears_from(&nodes[1]);
    }
    nodes[1].meets(3);
    assert_eq!(sign(&nodes[1], &["pay", "refreshed"])["verified"], true);
    same(&nodes[2].ask(&["key", "refresh", "pay", "--renew-aux"]).ok().json(), 2);

    // Two more nodes, and the key is theirs too.
    for name in ["dora", "emil"] {
        let mut node = TestNode::join(place.path(), name, &nodes[0].invite());
        node.start();
        nodes.push(node);
    }
    nodes.iter().for_each(|node| node.meets(5));
    nodes.iter().take(3).for_each(|node| drop(in_epoch(node, 2)));
    let all =
        ["--member", "anna", "--member", "bert", "--member", "carl", "--member", "dora", "--member", "emil"];
    let wide = nodes[1].ask(&[&["key", "reshare", "pay", "--threshold", "3"], &all[..]].concat()).ok().json();
    same(&wide, 3);
    assert_eq!(
        (&wide["threshold"], names(&wide)),
        (&3.into(), ["anna", "bert", "carl", "dora", "emil"].map(str::to_owned).into())
    );
    nodes.iter().for_each(|node| same(&in_epoch(node, 3), 3));
    let signature = sign(&nodes[4], &["pay", "by three of five"]);
    assert_eq!(signers(&signature).len(), 3);

    // And back to three, one of them new; who is left out holds nothing.
    let few = ["--member", "anna", "--member", "bert", "--member", "emil"];
    let narrow = nodes[4].ask(&[&["key", "reshare", "pay"], &few[..]].concat()).ok().json();
    same(&narrow, 4);
    assert_eq!(narrow["threshold"], 2);
    for (node, holds) in nodes.iter().zip([true, true, false, false, true]) {
        assert_eq!(in_epoch(node, 4)["share"], holds);
        let signature = sign(node, &["pay", "by two of three"]);
        assert!(signers(&signature).iter().all(|name| ["anna", "bert", "emil"].contains(name)));
    }

    what_cannot_be_changed_says_why(&mut nodes);
}

fn what_cannot_be_changed_says_why(nodes: &mut [TestNode]) {
    nodes[0].ask(&["key", "reshare", "pay"]).fails(2, "--member");
    nodes[0].ask(&["key", "reshare", "pay", "--member", "zoe"]).fails(2, "validator list");
    nodes[0]
        .ask(&["key", "reshare", "pay", "--member", "anna", "--member", "bert", "--threshold", "3"])
        .fails(2, "members");
    nodes[0].ask(&["key", "refresh", "pay", "--keep-aux", "--renew-aux"]).fails(2, "--renew-aux");
    nodes[0].ask(&["key", "refresh", "lost"]).fails(4, "consign key list");
    nodes[1].stop();
    until("the loss to be seen", || {
        let roster = nodes[0].ask(&["validator", "list"]).ok().json();
        roster
            .as_array()
            .unwrap()
            .iter()
            .any(|v| v["name"] == "bert" && v["connected"] == false)
            .then_some(())
    });
    nodes[0].ask(&["key", "refresh", "pay"]).fails(5, "too-few-signers");
}

#[test]
fn ceremonies_are_listed_and_followed() {
    let place = tempfile::tempdir().unwrap();
    let nodes = three(place.path());
    create(&nodes[0], "pay");
    sign(&nodes[0], &["pay", "text"]);
    let list = nodes[0].ask(&["ceremony", "list"]).ok().json();
    let kinds: Vec<_> = list.as_array().unwrap().iter().map(|c| c["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"keygen") && kinds.contains(&"sign"), "{kinds:?}");
    assert!(list.as_array().unwrap().iter().all(|c| c["state"] == "done"), "{list}");
    let newest = list[0]["id"].as_str().unwrap();
    for watched in [&["ceremony", "watch"][..], &["ceremony", "watch", &newest[..10]]] {
        let said = nodes[0].ask(watched).ok();
        let last: Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
        assert_eq!((last["id"].as_str(), last["state"].as_str()), (Some(newest), Some("done")));
    }
    nodes[0].ask(&["ceremony", "watch", "zz"]).fails(2, "ceremony list");
    let unknown = "07".repeat(32);
    nodes[0].ask(&["ceremony", "watch", &unknown]).fails(4, "unknown-ceremony");
}

#[test]
fn what_cannot_work_says_why() {
    let place = tempfile::tempdir().unwrap();
    let mut a = TestNode::found(place.path(), "anna");
    a.start();

    // A second process on one folder.
    let mut second = consign(&["node", "--data"]);
    second.arg(&a.data).env("CONSIGN_PASSPHRASE", PASSPHRASE);
    finish(second).fails(1, "in use by another consign process");

    // Nobody to share a key with; no such key; no such member.
    a.ask(&["key", "create", "--name", "pay"]).fails(1, "consign invite");
    a.ask(&["key", "create", "--name", "pay", "--member", "bob"]).fails(2, "validator list");
    for command in [&["key", "show", "lost"][..], &["key", "sign", "lost", "text"]] {
        a.ask(command).fails(4, "consign key list");
    }
    let unknown = "07".repeat(32);
    a.ask(&["key", "show", &unknown]).fails(4, "unknown-key");

    // An invitation is good once.
    let invitation = a.invite();
    let mut b = TestNode::join(place.path(), "bert", &invitation);
    b.start();
    b.meets(2);
    let mut thief = TestNode::join(place.path(), "thief", &invitation);
    thief.start();
    until("the thief to be turned away", || thief.log().contains("WARN").then_some(()));
    let roster = a.ask(&["validator", "list"]).ok().json();
    assert_eq!(roster.as_array().unwrap().iter().filter(|v| v["member"] == true).count(), 2);

    // Somebody else's token.
    let token = a.data.join("api-token");
    let right = std::fs::read(&token).unwrap();
    std::fs::write(&token, "0".repeat(64)).unwrap();
    a.ask(&["key", "list"]).fails(4, "unauthorized");
    std::fs::write(&token, right).unwrap();
    a.ask(&["key", "list"]).ok();

    // A node that has been stopped.
    a.stop();
    a.ask(&["key", "list"]).fails(3, "consign node");
}

/// Text for people: tables and facts instead of JSON, no colours in a pipe.
#[test]
fn people_get_tables() {
    let place = tempfile::tempdir().unwrap();
    let nodes = three(place.path());
    create(&nodes[0], "pay");
    let data = nodes[1].data.to_str().unwrap();
    let human = |arguments: &[&str]| finish(consign(&[arguments, &["--data", data]].concat())).ok();
    let list = human(&["key", "list"]).out;
    assert!(list.starts_with("LABEL") && list.contains("2 of 3") && list.contains("secp256k1"), "{list}");
    let validators = human(&["validator", "list"]).out;
    assert!(validators.contains("founder") && validators.contains("this node"), "{validators}");
    let ceremonies = human(&["ceremony", "list"]).out;
    assert!(ceremonies.starts_with("ID") && ceremonies.contains("keygen"), "{ceremonies}");
    let signed = human(&["key", "sign", "pay", "text"]).out;
    assert!(signed.contains("yes by libsecp256k1"), "{signed}");
    for text in [list, validators, ceremonies, signed] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
