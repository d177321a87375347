//! Real processes die at every transaction of presigning and of signing from a presignature. Afterwards the key signs, and
//! no nonce has served for two messages.

use std::collections::BTreeMap;
use std::process::Stdio;

use crate::common::{TestNode, consign, until};
use serde_json::Value;

/// More transactions than presigning and signing have together.
const MANY: u64 = 40;
/// The request's record, and what is kept of the end of it: twice, for presigning and for signing.
const LEAST: u64 = 4;

const CREATE: &[&str] = &["key", "create", "--name", "pay", "--threshold", "2", "--level", "insecure-test"];
const PRESIGN: &[&str] = &["key", "presign", "pay", "--count", "4", "--signer", "anna", "--signer", "bert"];

fn sign(node: &TestNode, message: &str) -> Value {
    // Connections settle for a moment after a restart.
    let signature = until("a signature", || {
        let said = node.ask(&["key", "sign", "pay", message]);
        (said.code == 0).then(|| said.json())
    });
    assert_eq!(signature["verified"], true);
    signature
}

/// Whether everything that any node has ever seen signed had a nonce of its own.
fn every_nonce_serves_once(nodes: &[TestNode]) -> usize {
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    for node in nodes {
        let ceremonies = node.ask(&["ceremony", "list", "--limit", "200"]).ok().json();
        for view in ceremonies.as_array().unwrap() {
            let signature = &view["outcome"]["signature"];
            let Some(r) = signature["r"].as_str() else { continue };
            let digest = signature["digest"].as_str().unwrap().to_owned();
            let before = digests.insert(r.to_owned(), digest.clone());
            assert!(before.is_none_or(|before| before == digest), "one nonce, two messages");
        }
    }
    digests.len()
}

/// Runs a command at the first node; if the victim dies meanwhile it is started again. True: it has died.
fn dies_during(nodes: &mut [TestNode], victim: usize, arguments: &[&str]) -> bool {
    let mut command = consign(arguments);
    command.arg("--json").arg("--data").arg(&nodes[0].data).stdout(Stdio::null()).stderr(Stdio::null());
    let mut asking = command.spawn().unwrap();
    let mut died = false;
    until("the command to be over, one way or the other", || {
        let over = asking.try_wait().unwrap();
        if !died && nodes[victim].has_died() {
            died = true;
            nodes[victim].lives_on();
            nodes[victim].start();
        }
        over.map(drop)
    });
    died
}

fn killed(nodes: &mut [TestNode], victim: usize, (which, at): (&str, u64)) -> bool {
    nodes[victim].dies_at(which, at);
    let message = format!("{which} {at}");
    let steps: [&[&str]; 2] = [PRESIGN, &["key", "sign", "pay", &message]];
    let died = steps.into_iter().any(|step| dies_during(nodes, victim, step));
    if !died {
        return false;
    }
    let count = nodes.len();
    nodes.iter().for_each(|node| node.meets(count));
    for other in nodes.iter().enumerate().filter(|(i, _)| *i != victim).map(|(_, node)| node) {
        other.hears_from(&nodes[victim]);
    }
    for (i, node) in nodes.iter().enumerate().take(2) {
        sign(node, &format!("{message} {i}"));
    }
    true
}

fn at_every_transaction(victim: usize, which: &str) {
    let place = tempfile::tempdir().unwrap();
    let mut nodes = TestNode::cluster(place.path(), &["anna", "bert", "carl"]);
    nodes[0].ask(CREATE).ok();
    until("all to have the key", || {
        nodes.iter().all(|node| node.ask(&["key", "show", "pay"]).code == 0).then_some(())
    });
    let mut deaths = 0;
    while killed(&mut nodes, victim, (which, deaths)) {
        deaths += 1;
        assert!(deaths < MANY, "presigning and signing have a handful of transactions");
    }
    assert!(deaths >= LEAST, "the deaths hit presigning and signing: {deaths}");
    nodes[victim].kill();
    nodes[victim].lives_on();
    nodes[victim].start();
    nodes.iter().for_each(|node| node.meets(3));
    // What is left of the last batch is of no use any more: the victim has forgotten it.
    assert_eq!(sign(&nodes[0], "at last")["presigned"], false);
    let deaths = usize::try_from(deaths).unwrap();
    assert!(every_nonce_serves_once(&nodes) > 2 * deaths, "every death was followed by two signatures");
}

#[test]
fn the_node_that_is_asked_dies_after_each_transaction() {
    at_every_transaction(0, "after");
}

#[test]
fn the_other_signer_dies_before_each_transaction() {
    at_every_transaction(1, "before");
}
