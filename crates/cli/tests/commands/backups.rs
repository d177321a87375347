//! Backups, restored nodes, exported shares, with real processes. Files are sealed for a recipient where it does not
//! matter: a passphrase takes a second each time, on purpose.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use consign_node::store::{self, Passphrase, Store as _, Table, Unlock, Write};
use serde_json::Value;

use crate::common::{PASSPHRASE, Said, TestNode, consign, finish, run, until};

const IDENTITY: &str = include_str!("../../../node/src/age/fixtures/one.identity");
const RECIPIENT: &str = "age1tv4mafxmx7cfyhaplpnugnt9khqgantq95ktxeacrt3gstrumv7s086hy6";

/// A file with a secret.
fn private(path: PathBuf, content: &str) -> String {
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A command at the folder of a node that does not run.
fn at(data: &Path, arguments: &[&str]) -> Said {
    let mut command = consign(arguments);
    command.arg("--json").arg("--data").arg(data).env("CONSIGN_PASSPHRASE", PASSPHRASE);
    finish(command)
}

fn restore(file: &str, dir: &Path, more: &[&str]) -> Said {
    at(dir, &[&["restore", file], more].concat())
}

fn key(node: &TestNode) -> Value {
    node.ask(&["key", "show", "pay"]).ok().json()
}

/// Signs at this node; connections settle for a moment after a start.
fn sign(node: &TestNode, key: &Value) {
    let signature = until("a signature", || {
        let said = node.ask(&["key", "sign", "pay", "still there"]);
        (said.code == 0).then(|| said.json())
    });
    assert_eq!((&signature["verified"], &signature["public_key"]), (&true.into(), &key["public_key"]));
}

#[test]
fn a_restored_node_signs_and_exported_shares_make_the_key() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let identity = private(path("identity"), IDENTITY);
    let mut nodes = TestNode::cluster(place.path(), &["anna", "bert", "carl"]);
    nodes[0].ask(&["key", "create", "--name", "pay", "--threshold", "2", "--level", "insecure-test"]).ok();
    let first = key(&nodes[0]);

    // Only of a node that does not run.
    let backup = text("bert.backup");
    let back_up = |data: &Path| at(data, &["backup", &backup, "--recipient", RECIPIENT]);
    back_up(&nodes[1].data).fails(1, "in use by another consign process");
    assert!(!path("bert.backup").exists());
    nodes[1].stop();
    let made = back_up(&nodes[1].data).ok().json();
    assert_eq!((&made["keys"][0]["label"], &made["keys"][0]["share"]), (&"pay".into(), &true.into()));
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    back_up(&nodes[1].data).fails(1, "exists already");

    // The machine is lost. Its backup makes the node on another one, under another lock.
    let lost = path("bert");
    fs::remove_dir_all(&lost).unwrap();
    let key_file = private(path("key-file"), &"5a".repeat(32));
    let restored =
        restore(&backup, &path("again"), &["--identity", &identity, "--key-file", &key_file]).ok().json();
    assert_eq!(restored["validator"], made["validator"]);
    assert!(restored["warnings"][0].as_str().unwrap().contains("Never run two processes"), "{restored}");
    nodes[1] = TestNode::at(path("again"));
    nodes[1].start();
    nodes[1].meets(3);
    // It knows that its share lies in a backup, and is what it was.
    let mut shown = key(&nodes[1]);
    assert_eq!(shown["exports"][0]["to"], format!("{RECIPIENT}, in a backup"));
    shown.as_object_mut().unwrap().remove("exports");
    assert_eq!(shown, first);
    // It signs when its operator says so.
    nodes[1].stop();
    at(&path("again"), &["audit", "accept-rollback"]).ok();
    at(&path("again"), &["audit", "accept-rollback"]).fails(2, "nothing to accept");
    nodes[1].start();
    nodes[1].meets(3);
    for other in [&nodes[0], &nodes[2]] {
        other.hears_from(&nodes[1]);
    }
    nodes[2].stop();
    // In the first half minute it takes no request.
    sign(&nodes[1], &first);

    // A backup of the epoch before: the node is told that its share is old.
    nodes[2].start();
    nodes.iter().for_each(|node| node.meets(3));
    let refreshed = until("a refresh", || {
        let said = nodes[0].ask(&["key", "refresh", "pay", "--keep-aux"]);
        (said.code == 0).then(|| said.json())
    });
    nodes[1].stop();
    restore(&backup, &path("old"), &["--identity", &identity]).ok();
    nodes[1] = TestNode::at(path("old"));
    nodes[1].start();
    let now = until("the node to know the epoch", || {
        Some(key(&nodes[1])).filter(|now| now["epoch"] == refreshed["epoch"])
    });
    assert_eq!((&now["share"], &now["public_key"]), (&false.into(), &first["public_key"]));
    assert!(nodes[1].log().contains("without a share"), "{}", nodes[1].log());
    sign(&nodes[0], &first);

    nodes.iter_mut().for_each(TestNode::stop);
    exported(&mut nodes, &first, place.path(), &identity);
}

/// Two of three shares make the private key; the nodes remember that they left.
fn exported(nodes: &mut [TestNode], key: &Value, place: &Path, identity: &str) {
    let file = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let export = |node: &TestNode, name: &str, more: &[&str]| {
        at(
            &node.data,
            &[&["key", "export", "pay", "--out", &file(name), "--recipient", RECIPIENT], more].concat(),
        )
    };
    export(&nodes[0], "anna.share", &[]).fails(2, "--confirm-export");
    let confirmed = ["--confirm-export"];
    let anna = export(&nodes[0], "anna.share", &confirmed).ok().json();
    assert_eq!((&anna["epoch"], &anna["threshold"]), (&1.into(), &2.into()));
    export(&nodes[0], "anna.share", &confirmed).fails(1, "exists already");
    export(&nodes[1], "bert.share", &confirmed).fails(1, "holds no share");
    export(&nodes[2], "carl.share", &confirmed).ok();
    logged(&nodes[0].data, &file("audit.jsonl"));

    let shares = ["anna.share", "carl.share"].map(file);
    let assemble = |arguments: &[&str]| {
        run(&[&["--json", "key", "assemble", "--identity", identity], arguments].concat())
    };
    assemble(&[&shares[0]]).fails(1, "1 missing");
    assemble(&[&shares[0], &shares[0]]).fails(1, "there already");
    let backup = file("bert.backup");
    assemble(&[&shares[0], &backup]).fails(1, "holds no share of a key");
    let whole = assemble(&[&shares[1], &shares[0]]).ok().json();
    let secret = hex::decode(whole["private_key"].as_str().unwrap()).unwrap();
    let secret = secp256k1::SecretKey::from_secret_bytes(secret.try_into().unwrap()).unwrap();
    let public = secp256k1::PublicKey::from_secret_key(&secret);
    assert_eq!(public.to_string(), key["public_key"].as_str().unwrap());
    let pem = file("pay.pem");
    let written = assemble(&[&shares[0], &shares[1], "--format", "pem", "--out", &pem]).ok();
    assert!(!written.out.contains("private_key"));
    assert!(fs::read_to_string(&pem).unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(fs::metadata(&pem).unwrap().permissions().mode() & 0o777, 0o600);

    // The share that was in the backup is of another epoch, and is no file of a share anyway; the restored node has none.
    nodes[0].start();
    let shown = nodes[0].ask(&["key", "show", "pay"]).ok().json();
    assert_eq!(shown["exports"][0]["epoch"], 1);
    assert_eq!(shown["exports"][0]["to"], RECIPIENT);
    assert!(nodes[0].log().contains("was exported"), "{}", nodes[0].log());
}

/// What happened is in the log, the export last; it holds, also when older entries are in a file.
fn logged(data: &Path, archive: &str) {
    let entries = at(data, &["audit", "list", "--last", "1000"]).ok().json();
    let entries = entries.as_array().unwrap();
    assert_eq!(entries.last().unwrap()["kind"], "export", "{entries:?}");
    for what in ["keygen pay: done", "refresh pay: done", "sign pay: done"] {
        assert!(entries.iter().any(|entry| entry["summary"] == what), "{what}: {entries:?}");
    }
    let whole = at(data, &["audit", "verify"]).ok().json();
    assert_eq!((&whole["verified"], &whole["archived_up_to"]), (&true.into(), &0.into()));
    at(data, &["audit", "archive", archive, "--keep", "3"]).ok();
    at(data, &["audit", "archive", archive, "--keep", "3"]).fails(2, "nothing to archive");
    let rest = at(data, &["audit", "verify"]).ok().json();
    assert_eq!((&rest["head"], &rest["entries"]), (&whole["head"], &3.into()));
    let lines = fs::read_to_string(archive).unwrap();
    assert_eq!(Value::from(lines.lines().count() + 3), whole["length"]);
}

#[test]
fn what_cannot_be_restored_is_told_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let node = TestNode::found(place.path(), "anna");
    let phrase = private(path("phrase"), "the passphrase of the file\n");
    let wrong = private(path("wrong"), "another passphrase");
    let identity = private(path("identity"), IDENTITY);
    let file = path("anna.backup").to_str().unwrap().to_owned();
    at(&node.data, &["backup", &file]).fails(2, "--passphrase-file");
    at(&node.data, &["backup", &file, "--passphrase-file", &phrase]).ok();
    let dir = path("again");

    restore(&file, &dir, &["--passphrase-file", &wrong]).fails(1, "the passphrase does not open this file");
    let said = restore(&file, &dir, &[]);
    assert!(!said.err.contains("--recipient"), "{}", said.err);
    said.fails(2, "--passphrase-file with it (--identity opens");
    restore(&file, &dir, &["--identity", &identity]).fails(1, "sealed with a passphrase");
    let bytes = fs::read(&file).unwrap();
    let altered = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes).unwrap();
        path(name).to_str().unwrap().to_owned()
    };
    let cut = altered("cut", &bytes[..100]);
    restore(&cut, &dir, &["--passphrase-file", &phrase]).fails(1, "damaged");
    let nonsense = altered("nonsense", b"not a backup");
    restore(&nonsense, &dir, &["--passphrase-file", &phrase]).fails(1, "not an age file");
    restore("/no/such/file", &dir, &["--passphrase-file", &phrase]).fails(1, "/no/such/file");
    assert!(!dir.exists());

    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(dir.join("something"), b"").unwrap();
    restore(&file, &dir, &["--passphrase-file", &phrase]).fails(1, "is not empty (it holds something)");
    restore(&file, &node.data, &["--passphrase-file", &phrase]).fails(1, "is not empty");
    fs::remove_file(dir.join("something")).unwrap();
    let restored = restore(&file, &dir, &["--passphrase-file", &phrase]).ok().json();
    assert_eq!(restored["keys"], Value::Array(Vec::new()));
    assert!(fs::read_to_string(dir.join("config.toml")).unwrap().contains("name = \"anna\""));
}

/// Nobody shall rely on a file that is of no use.
#[test]
fn a_damaged_store_makes_no_backup() {
    let place = tempfile::tempdir().unwrap();
    let node = TestNode::found(place.path(), "anna");
    let unlock = Unlock::Passphrase(Passphrase::new(PASSPHRASE.to_owned()));
    let mut store = store::open(&node.data.join("store.redb"), &unlock).unwrap();
    store.apply(&[Write::put(Table::Aux, [1; 32], b"nonsense")]).unwrap();
    drop(store);
    let file = place.path().join("anna.backup");
    let said = at(&node.data, &["backup", file.to_str().unwrap(), "--recipient", RECIPIENT]);
    said.fails(1, "nobody could restore it (auxiliary information");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "only the node's folder is there");
}

/// Ended in the middle, a restore leaves a folder in which nothing starts, and which is not taken for a good one.
#[test]
fn an_interrupted_restore_leaves_nothing_that_starts() {
    let place = tempfile::tempdir().unwrap();
    let node = TestNode::found(place.path(), "anna");
    let identity = private(place.path().join("identity"), IDENTITY);
    let file = place.path().join("anna.backup").to_str().unwrap().to_owned();
    at(&node.data, &["backup", &file, "--recipient", RECIPIENT]).ok();
    let dir = place.path().join("again");
    // A key file that nobody ever writes: it stops where the new store is about to be locked.
    let pipe = place.path().join("pipe");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    let mut command = consign(&["restore", &file, "--identity", &identity, "--dir"]);
    command.arg(&dir).arg("--key-file").arg(&pipe).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    until("the store to be begun", || dir.join("store.redb.new").exists().then_some(()));
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(!dir.join("store.redb").exists());
    at(&dir, &["node"]).fails(1, "consign init");
    restore(&file, &dir, &["--identity", &identity]).fails(1, "remove what an interrupted restore left");
    fs::remove_dir_all(&dir).unwrap();
    restore(&file, &dir, &["--identity", &identity]).ok();
}
