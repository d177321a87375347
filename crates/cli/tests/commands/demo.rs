//! The demo, with real processes, at the insecure level of tests: that it does what it says, and leaves nothing behind,
//! however it ends.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{self, consign, finish, lives, processes, until};
use consign_node::core::verdict::MAX_FILE_BYTES;
use consign_node::core::wire::EvidenceFile;
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

fn fields(value: &Value) -> String {
    value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
}

fn phases(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|o| o["phase"].as_str().unwrap()).collect()
}

/// Checks the last object, its exact shape, and that all three signatures are right by libsecp256k1: the two in it, and
/// the one that was made with new shares.
fn check_result(objects: &[Value], message: &str, threshold: usize) {
    use secp256k1::ecdsa::Signature;
    use sha2::{Digest as _, Sha256};
    let (result, timed) = objects.split_last().unwrap();
    assert_eq!(fields(result), "phase public_key signatures verified");
    assert_eq!((&result["phase"], &result["verified"]), (&"result".into(), &true.into()));
    let public = hex::decode(result["public_key"].as_str().unwrap()).unwrap();
    let public = secp256k1::PublicKey::from_slice(&public).unwrap();
    let digest = secp256k1::Message::from_digest(Sha256::digest(message).into());
    let signatures = result["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), 2);
    let changed = timed.iter().find(|o| o["phase"] == "sign-changed").unwrap();
    assert_eq!(fields(changed), "phase seconds signature");
    for signature in signatures.iter().chain([&changed["signature"]]) {
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
    let said = finish(demo(place.path(), &["pay invoice 4711", "--quick", "--json"])).ok();
    let objects = objects(&said.out);
    let expected = "start join primes aux keygen sign kill sign-again restart refresh reshare reshare-back \
                    sign-changed verify result";
    assert_eq!(phases(&objects).join(" "), expected);
    let (_, timed) = objects.split_last().unwrap();
    assert!(timed.iter().all(|o| o["seconds"].as_f64().is_some_and(|s| s >= 0.0)), "{timed:?}");
    check_result(&objects, "pay invoice 4711", 2);
    assert!(nothing_left(place.path()));
    assert_eq!(said.err, "");
}

#[test]
fn a_key_moves_to_five_and_back() {
    let place = tempfile::tempdir().unwrap();
    let objects = objects(&finish(demo(place.path(), &["--json"])).ok().out);
    let expected = "start join primes aux keygen sign kill sign-again restart refresh join-more primes aux reshare \
                    reshare-back sign-changed verify result";
    assert_eq!(phases(&objects).join(" "), expected);
    check_result(&objects, "hello from a key that is nowhere", 2);
    assert!(nothing_left(place.path()));
}

#[test]
fn three_of_five_sign_for_people() {
    let place = tempfile::tempdir().unwrap();
    let said = finish(demo(place.path(), &["--parties", "5", "--threshold", "3"])).ok();
    for text in [
        "5 nodes, any 3 of them",
        "is killed",
        "any 4 of 5 sign",
        "any 3 of 5 sign",
        "Verified by libsecp256k1",
        "Try next",
    ] {
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
    assert_eq!(verdict["key"]["certified"], true);
    verify(&["--key", &"0a".repeat(32)]).fails(6, "not about the key");
    let other_sign = format!("{}{}", if &public[..2] == "02" { "03" } else { "02" }, &public[2..]);
    verify(&["--key", &other_sign]).fails(6, "not about the key");
    verify(&["--key", "02"]).fails(2, "is no key");
    verify(&["--cluster", &"0a".repeat(32)]).fails(6, "another cluster");
    spoil(folder.path(), &std::fs::read(&file).unwrap());
    std::fs::remove_file(&file).unwrap();
    verify(&[]).fails(1, "cannot read");
}

/// Files that are no evidence, damaged, too long, or altered by somebody who knows the format: refused, saying why.
fn spoil(folder: &Path, evidence: &[u8]) {
    let file = folder.join("spoiled.evidence");
    let verify = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let mut command = consign(&["verify-evidence"]);
        command.arg(&file);
        finish(command)
    };
    verify(evidence).ok();
    for bytes in [b"".as_slice(), b"hello", &evidence[1..], &evidence[..evidence.len() / 2]] {
        assert_eq!(verify(bytes).fails(6, "not an evidence file, or it is damaged").out, "");
    }
    verify(&[evidence, b"x"].concat()).fails(6, "damaged");
    verify(&vec![0; MAX_FILE_BYTES + 1]).fails(6, "longer than evidence can be");
    let good = EvidenceFile::from_file(evidence).unwrap();
    let altered = |alter: &dyn Fn(&mut EvidenceFile)| {
        let mut file = good.clone();
        alter(&mut file);
        verify(&file.to_file())
    };
    let innocent = good.proposal.participants.iter().find(|p| p.id != good.accused).unwrap().id;
    altered(&|file| file.accused = innocent).fails(6, "do not concern that party");
    altered(&|file| file.inputs = None).fails(6, "the key or the auxiliary info");
    altered(&|file| file.accepts.clear()).fails(6, "all participants accepted");
    altered(&|file| file.proposal.digest.as_mut().unwrap()[0] ^= 1).fails(6, "all participants accepted");
    altered(&|file| file.proposal.version += 1).fails(6, "version");
    let middle = good.evidence.len() / 2;
    altered(&|file| file.evidence[middle] ^= 1).fails(6, "nobody is convicted");
    let mut command = consign(&["verify-evidence"]);
    command.arg(folder);
    finish(command).fails(1, "cannot read");
}

/// The nodes of a kept demo show and hand out the evidence, also to a pipe. Where the current folder takes no files, the
/// demo's own copy lies among the temporary files.
#[test]
fn kept_nodes_show_the_evidence() {
    let place = tempfile::tempdir().unwrap();
    let kept = Kept(place.path().to_owned());
    let mut command = demo(place.path(), &["--cheat", "--keep"]);
    command.current_dir("/proc");
    let said = finish(command).ok();
    for text in
        ["node 2 will cheat", "wrong δ share", "signed by node 1 and node 3", "name node 2 by evidence"]
    {
        assert!(said.out.contains(text), "`{text}` is not in {}", said.out);
    }
    let entries = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    assert_eq!((folders.len(), files.len()), (1, 1), "{files:?}");
    let told = format!("consign verify-evidence {}", files[0].display());
    assert!(said.out.contains(&told), "{}", said.out);
    let data = folders[0].join("node3");
    let with = |arguments: &[&str]| {
        let mut command = consign(arguments);
        command.arg("--data").arg(&data);
        finish(command)
    };
    let listed = with(&["evidence", "list", "--json"]).ok().json();
    assert_eq!((&listed[0]["name"], &listed[0]["index"]), (&"node2".into(), &2.into()));
    let id = listed[0]["id"].as_str().unwrap();
    assert!(said.out.contains(id), "{}", said.out);
    let shown = with(&["validator", "list"]).ok().out;
    assert!(shown.contains(&format!("convicted by {}", &id[..8])), "{shown}");
    let saved = place.path().join("saved");
    let save = |id: &str| with(&["evidence", "save", id, saved.to_str().unwrap()]);
    save(&id[..6]).ok();
    save(id).fails(1, "cannot write");
    save(&"0".repeat(64)).fails(4, "no such evidence");
    save("zz").fails(2, "no evidence begins with `zz`");
    let mut command = consign(&["verify-evidence", "-"]);
    command.stdin(std::fs::File::open(&saved).unwrap());
    let verdict = finish(command).ok().out;
    assert!(verdict.contains("The evidence convicts") && verdict.contains("(party 2)"), "{verdict}");
    drop(kept);
    until("the nodes to end", || processes(place.path().to_str().unwrap()).is_empty().then_some(()));
}

/// Nobody makes a node cheat by accident: it takes a hidden option, a demo, and a variable.
#[test]
fn nodes_cheat_in_demos_only() {
    let place = tempfile::tempdir().unwrap();
    let node = common::TestNode::found(place.path(), "a");
    let start = |arguments: &[&str], variable: Option<&str>| {
        let mut command = consign(&["node", "--data"]);
        command.arg(&node.data).args(arguments).env("CONSIGN_PASSPHRASE", common::PASSPHRASE);
        command.envs(variable.map(|value| ("CONSIGN_DEMO", value)));
        finish(command)
    };
    let demo = place.path().to_str().unwrap();
    start(&["--misbehave", "wrong-delta"], None).fails(2, "--demo");
    start(&["--misbehave", "wrong-delta"], Some("1")).fails(2, "--demo");
    start(&["--misbehave", "wrong-delta", "--demo", demo], None).fails(2, "CONSIGN_DEMO");
    start(&["--misbehave", "right-delta", "--demo", demo], Some("1")).fails(2, "wrong-delta");
    assert!(node.data.exists());
    let help = finish(consign(&["node", "--help"])).ok().out;
    assert!(!help.contains("misbehave"), "{help}");
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
    check_result(&objects(&said.out), "hello from a key that is nowhere", 2);
    let folder = std::fs::read_dir(place.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(processes(place.path().to_str().unwrap()).len(), 5);
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
