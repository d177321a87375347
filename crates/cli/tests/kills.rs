//! Real processes die at every transaction of a refresh and a resharing, on either side of it. Afterwards the old or the
//! new epoch is in force everywhere, and the key signs.

#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::process::Stdio;

use common::{TestNode, consign, until};
use serde_json::Value;

/// More transactions than a change has.
const MANY: u64 = 40;

fn nodes(place: &std::path::Path, names: &[&str]) -> Vec<TestNode> {
    let mut founder = TestNode::found(place, names[0]);
    founder.start();
    let mut nodes = vec![founder];
    for name in &names[1..] {
        let mut node = TestNode::join(place, name, &nodes[0].invite());
        node.start();
        nodes.push(node);
    }
    nodes.iter().for_each(|node| node.meets(names.len()));
    nodes
}

fn key(node: &TestNode) -> Value {
    node.ask(&["key", "show", "pay"]).ok().json()
}

fn sign(node: &TestNode, key: &Value) {
    // Connections and epochs settle for a moment after a restart.
    let signature = until("a signature", || {
        let said = node.ask(&["key", "sign", "pay", "still there"]);
        (said.code == 0).then(|| said.json())
    });
    assert_eq!(signature["verified"], true);
    assert_eq!(signature["public_key"], key["public_key"]);
}

/// All holders are in one epoch, which is returned.
fn agree(nodes: &[TestNode]) -> u64 {
    until("the nodes to agree", || {
        let epochs: Vec<_> = nodes.iter().map(|node| key(node)["epoch"].as_u64().unwrap()).collect();
        epochs.windows(2).all(|w| w[0] == w[1]).then(|| epochs[0])
    })
}

/// Runs a change that the first node asks for; the victim dies at a transaction and comes back. False: it did not die.
fn killed(nodes: &mut [TestNode], victim: usize, (which, at): (&str, u64), change: &[&str]) -> bool {
    let public = key(&nodes[0]);
    nodes[victim].dies_at(which, at);
    let mut command = consign(change);
    command.arg("--json").arg("--data").arg(&nodes[0].data).stdout(Stdio::null()).stderr(Stdio::null());
    let mut asking = command.spawn().unwrap();
    let (mut died, mut over) = (false, false);
    until("the change to be over, one way or the other", || {
        over = over || asking.try_wait().unwrap().is_some();
        if !died && nodes[victim].has_died() {
            died = true;
            nodes[victim].lives_on();
            nodes[victim].start();
        }
        over.then_some(())
    });
    if !died {
        // It may still die at what comes after the answer: a restart in order forgets the point.
        nodes[victim].lives_on();
        if nodes[victim].has_died() {
            died = true;
        } else {
            nodes[victim].kill();
        }
        nodes[victim].start();
    }
    let count = nodes.len();
    nodes.iter().for_each(|node| node.meets(count));
    for other in nodes.iter().enumerate().filter(|(i, _)| *i != victim).map(|(_, node)| node) {
        other.hears_from(&nodes[victim]);
    }
    agree(nodes);
    let now = key(&nodes[0]);
    assert_eq!((&now["id"], &now["public_key"]), (&public["id"], &public["public_key"]));
    sign(&nodes[victim], &public);
    sign(&nodes[(victim + 1) % count], &public);
    died
}

fn at_every_transaction(victim: usize, which: &str, changes: &[&[&str]], names: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let mut nodes = nodes(place.path(), names);
    let create = ["key", "create", "--name", "pay", "--threshold", "2", "--level", "insecure-test"];
    nodes[0].ask(&create).ok();
    let first = agree(&nodes);
    let mut deaths = 0;
    for change in changes {
        let mut at = 0;
        while killed(&mut nodes, victim, (which, at), change) {
            (at, deaths) = (at + 1, deaths + 1);
            assert!(at < MANY, "a change has a handful of transactions");
        }
    }
    assert!(deaths > 3 * changes.len(), "the deaths hit the change: {deaths}");
    assert!(agree(&nodes) > first);
}

#[test]
fn a_holder_dies_before_each_transaction_of_a_refresh() {
    at_every_transaction(1, "before", &[&["key", "refresh", "pay", "--keep-aux"]], &["a", "b", "c"]);
}

#[test]
fn the_node_that_is_asked_dies_after_each_transaction_of_a_refresh() {
    at_every_transaction(0, "after", &[&["key", "refresh", "pay", "--keep-aux"]], &["a", "b", "c"]);
}

#[test]
fn a_holder_dies_after_each_transaction_of_a_resharing() {
    let there: &[&str] = &["key", "reshare", "pay", "--threshold", "2", "--member", "a", "--member", "b"];
    at_every_transaction(1, "after", &[there], &["a", "b", "c"]);
}
