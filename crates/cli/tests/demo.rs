//! The demo, with real processes, at the insecure level of tests: that it does what it says, and leaves nothing behind,
//! however it ends.

#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{consign, finish, lives, processes, until};
use serde_json::Value;

/// A demo whose temporary files go to `place`.
fn demo(place: &Path, arguments: &[&str]) -> Command {
    let mut command = consign(&[&["demo", "--level", "insecure-test"], arguments].concat());
    command.env("TMPDIR", place);
    command
}

/// Neither a file nor a process with a file of `place`.
fn nothing_left(place: &Path) -> bool {
    std::fs::read_dir(place).unwrap().next().is_none() && processes(place.to_str().unwrap()).is_empty()
}

fn objects(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Checks the last object: its exact shape, and that the signatures are right by libsecp256k1.
fn check_result(result: &Value, message: &str, threshold: usize) {
    use secp256k1::ecdsa::Signature;
    use sha2::{Digest as _, Sha256};
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(fields(result), "phase public_key signatures verified");
    assert_eq!((&result["phase"], &result["verified"]), (&"result".into(), &true.into()));
    let public = hex::decode(result["public_key"].as_str().unwrap()).unwrap();
    let public = secp256k1::PublicKey::from_slice(&public).unwrap();
    let digest = secp256k1::Message::from_digest(Sha256::digest(message).into());
    let signatures = result["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), 2);
    for signature in signatures {
        assert_eq!(fields(signature), "hash message r recovery_id s signers");
        assert_eq!((&signature["message"], &signature["hash"]), (&message.into(), &"sha256".into()));
        let text = |name: &str| signature[name].as_str().unwrap().to_owned();
        let compact = hex::decode(text("r") + &text("s")).unwrap();
        Signature::from_compact(&compact).unwrap().verify(digest, &public).unwrap();
        assert_eq!(signature["signers"].as_array().unwrap().len(), threshold);
    }
    assert_ne!(signatures[0]["signers"], signatures[1]["signers"], "the killed node was not replaced");
}

#[test]
fn two_of_three_sign_and_nothing_stays() {
    let place = tempfile::tempdir().unwrap();
    let said = finish(demo(place.path(), &["pay invoice 4711", "--json"])).ok();
    let objects = objects(&said.out);
    let phases: Vec<_> = objects.iter().map(|o| o["phase"].as_str().unwrap()).collect();
    assert_eq!(
        phases,
        ["start", "join", "primes", "aux", "keygen", "sign", "kill", "sign-again", "verify", "result"]
    );
    let (result, timed) = objects.split_last().unwrap();
    assert!(timed.iter().all(|o| o["seconds"].as_f64().is_some_and(|s| s >= 0.0)), "{timed:?}");
    check_result(result, "pay invoice 4711", 2);
    assert!(nothing_left(place.path()));
    assert_eq!(said.err, "");
}

#[test]
fn three_of_five_sign_for_people() {
    let place = tempfile::tempdir().unwrap();
    let said = finish(demo(place.path(), &["--parties", "5", "--threshold", "3"])).ok();
    for text in ["5 nodes, any 3 of them", "is killed", "Verified by libsecp256k1", "Try next"] {
        assert!(said.out.contains(text), "`{text}` is not in {}", said.out);
    }
    assert!(!said.out.contains('\u{1b}'), "colours in a pipe: {:?}", said.out);
    assert!(nothing_left(place.path()));
}

/// One node cheats: it is caught, the others sign without it, and the evidence convinces a process that knows nothing.
#[test]
fn a_cheat_is_caught() {
    let place = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = demo(place.path(), &["pay the cheat", "--cheat", "--json"]);
    command.current_dir(folder.path());
    let said = finish(command).ok();
    let objects = objects(&said.out);
    let phases: Vec<_> = objects.iter().map(|o| o["phase"].as_str().unwrap()).collect();
    assert_eq!(
        phases,
        ["start", "join", "primes", "aux", "keygen", "cheat", "evidence", "sign-again", "verify", "result"]
    );
    let result = objects.last().unwrap();
    assert_eq!((&result["culprit"], &result["cheater"]), (&2.into(), &2.into()));
    assert_eq!((&result["verified"], &result["evidence_verified"]), (&true.into(), &true.into()));
    for signature in result["signatures"].as_array().unwrap() {
        assert!(!signature["signers"].as_array().unwrap().contains(&2.into()), "{signature}");
    }
    assert!(nothing_left(place.path()));
    let file = PathBuf::from(result["evidence"].as_str().unwrap());
    assert_eq!(file.parent().unwrap(), folder.path().canonicalize().unwrap());
    let verify = |more: &[&str]| {
        let mut command = consign(&["verify-evidence", "--json"]);
        command.arg(&file).args(more);
        finish(command)
    };
    let public = result["public_key"].as_str().unwrap();
    let verdict = verify(&["--key", public]).ok().json();
    assert_eq!((&verdict["convicts"], &verdict["index"]), (&true.into(), &2.into()));
    assert_eq!((&verdict["protocol"], &verdict["key"]["public_key"]), (&"sign".into(), &public.into()));
    verify(&["--key", &"0a".repeat(32)]).fails(6, "not about a signing with the key");
    verify(&["--cluster", &"0a".repeat(32)]).fails(6, "another cluster");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    verify(&[]).fails(6, "damaged");
    std::fs::remove_file(&file).unwrap();
    verify(&[]).fails(1, "cannot read");
}

/// Nobody makes a node cheat by accident.
#[test]
fn nodes_cheat_in_demos_only() {
    let place = tempfile::tempdir().unwrap();
    let node = common::TestNode::found(place.path(), "a");
    let start = |how: &str| {
        let mut command = consign(&["node", "--misbehave", how, "--data"]);
        command.arg(&node.data).env("CONSIGN_PASSPHRASE", common::PASSPHRASE);
        finish(command)
    };
    start("wrong-delta").fails(2, "CONSIGN_DEMO");
    start("right-delta").fails(2, "wrong-delta");
}

/// Starts a demo and waits until its nodes run; gives the demo and the numbers of the node processes.
fn started(place: &Path) -> (std::process::Child, Vec<u32>) {
    let mut command = demo(place, &["--json"]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    until("the nodes to have joined", || lines.next().unwrap().unwrap().contains("\"join\"").then_some(()));
    // Read on, or the demo would end because nobody listens.
    std::thread::spawn(move || lines.for_each(drop));
    let nodes = processes(place.to_str().unwrap());
    assert!(nodes.len() >= 2, "{nodes:?}");
    (process, nodes)
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    for signal in ["INT", "TERM", "HUP"] {
        let place = tempfile::tempdir().unwrap();
        let (mut process, nodes) = started(place.path());
        let number = process.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &number]).status().unwrap().success());
        let status = process.wait().unwrap();
        // Unless it was just done.
        assert!(matches!(status.code(), Some(130 | 0)), "{signal}: {status}");
        assert!(nothing_left(place.path()), "{signal}");
        assert!(!nodes.iter().any(|node| lives(*node)), "{signal}");
    }
}

#[test]
fn a_killed_demo_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (mut process, _) = started(place.path());
    process.kill().unwrap();
    process.wait().unwrap();
    until("the nodes to end and to remove the folder", || nothing_left(place.path()).then_some(()));
}

/// A demo that fails cleans up too, and says why.
#[test]
fn a_failed_demo_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("missing");
    std::fs::write(&missing, "a file, where a folder should be").unwrap();
    finish(demo(&missing, &[])).fails(1, "missing");
    std::fs::remove_file(missing).unwrap();
    assert!(nothing_left(place.path()));
}

/// Ends the processes of a kept demo, whatever becomes of the test.
struct Kept(PathBuf);

impl Drop for Kept {
    fn drop(&mut self) {
        for process in processes(self.0.to_str().unwrap()) {
            let _ = Command::new("kill").arg(process.to_string()).status();
        }
    }
}

#[test]
fn kept_nodes_go_on_signing() {
    let place = tempfile::tempdir().unwrap();
    let kept = Kept(place.path().to_owned());
    let said = finish(demo(place.path(), &["--keep", "--json"])).ok();
    check_result(objects(&said.out).last().unwrap(), "hello from a key that is nowhere", 2);
    let folder = std::fs::read_dir(place.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(processes(place.path().to_str().unwrap()).len(), 3);
    for number in 1..=3 {
        let data = folder.join(format!("node{number}"));
        let mut sign = consign(&["key", "sign", "demo", "more", "--json", "--data"]);
        sign.arg(data);
        assert_eq!(finish(sign).ok().json()["verified"], true);
    }
    drop(kept);
    until("the nodes to end", || processes(place.path().to_str().unwrap()).is_empty().then_some(()));
    assert!(folder.exists(), "kept nodes have no business removing the folder");
}
