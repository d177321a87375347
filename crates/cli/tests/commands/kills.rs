//! Real processes die at every transaction of a refresh and a resharing, on either side of it. Afterwards the old or the
//! new epoch is in force everywhere, and the key signs.

use std::process::Stdio;

use crate::common::{TestNode, consign, until};
use serde_json::Value;

/// More transactions than a change has.
const MANY: u64 = 40;

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
        if let Some(status) = asking.try_wait().unwrap() {
            // Refused, because a node still minds what it was asked before: asked again.
            let again = !died && !status.success() && !nodes[victim].has_died_by_now();
            if again {
                asking = command.spawn().unwrap();
            }
            over = !again;
        }
        if !died && nodes[victim].has_died() {
            died = true;
            nodes[victim].lives_on();
            nodes[victim].start();
        }
        over.then_some(())
    });
    // It may still be about to die of the last transactions of the change: those of a signature come after them.
    if !died {
        until("the node to die or to sign", || {
            died = nodes[victim].has_died();
            let signs = !died && nodes[victim].ask(&["key", "sign", "pay", "is it there"]).code == 0;
            (died || signs).then_some(())
        });
        nodes[victim].lives_on();
        if !died {
            // A restart in order forgets the point.
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

/// A change, what comes before each time, and who dies on which side of a transaction.
struct Case {
    victim: usize,
    which: &'static str,
    before: Option<&'static [&'static str]>,
    change: &'static [&'static str],
    /// Transactions that the victim has in it, at least.
    least: u64,
}

const REFRESH: &[&str] = &["key", "refresh", "pay", "--keep-aux"];
const RENEW: &[&str] = &["key", "refresh", "pay", "--renew-aux"];
const TO_TWO: &[&str] =
    &["key", "reshare", "pay", "--threshold", "2", "--member", "anna", "--member", "bert"];
const TO_OTHERS: &[&str] =
    &["key", "reshare", "pay", "--threshold", "2", "--member", "anna", "--member", "carl"];

fn at_every_transaction(case: &Case) {
    let place = tempfile::tempdir().unwrap();
    let mut nodes = TestNode::cluster(place.path(), &["anna", "bert", "carl"]);
    let create = ["key", "create", "--name", "pay", "--threshold", "2", "--level", "insecure-test"];
    nodes[0].ask(&create).ok();
    let first = agree(&nodes);
    let mut deaths = 0;
    loop {
        if let Some(before) = case.before {
            until("the key to be where it starts from", || (nodes[0].ask(before).code == 0).then_some(()));
            agree(&nodes);
        }
        if !killed(&mut nodes, case.victim, (case.which, deaths), case.change) {
            break;
        }
        deaths += 1;
        assert!(deaths < MANY, "a change has a handful of transactions");
    }
    assert!(deaths >= case.least, "the deaths hit the change: {deaths} of {}", case.least);
    assert!(agree(&nodes) > first);
}

/// The request's record; that shares are dealt; the pending share; the new epoch.
const OF_A_HOLDER: u64 = 4;
/// A new holder deals nothing.
const OF_A_NEWCOMER: u64 = 3;

#[test]
fn a_holder_dies_before_each_transaction_of_a_refresh() {
    at_every_transaction(&Case {
        victim: 1,
        which: "before",
        before: None,
        change: REFRESH,
        least: OF_A_HOLDER,
    });
}

#[test]
fn the_node_that_is_asked_dies_after_each_transaction_of_a_refresh_with_moduli() {
    at_every_transaction(&Case {
        victim: 0,
        which: "after",
        before: None,
        change: RENEW,
        least: OF_A_HOLDER,
    });
}

#[test]
fn a_holder_dies_after_each_transaction_of_a_resharing() {
    at_every_transaction(&Case {
        victim: 1,
        which: "after",
        before: None,
        change: TO_TWO,
        least: OF_A_HOLDER,
    });
}

#[test]
fn the_node_that_is_asked_dies_before_each_transaction_of_a_resharing() {
    at_every_transaction(&Case {
        victim: 0,
        which: "before",
        before: None,
        change: TO_TWO,
        least: OF_A_HOLDER,
    });
}

#[test]
fn a_newcomer_dies_before_each_transaction_of_a_resharing() {
    at_every_transaction(&Case {
        victim: 2,
        which: "before",
        before: Some(TO_TWO),
        change: TO_OTHERS,
        least: OF_A_NEWCOMER,
    });
}

/// It dealt, and holds nothing in the end.
#[test]
fn a_holder_that_leaves_dies_after_each_transaction_of_a_resharing() {
    at_every_transaction(&Case {
        victim: 1,
        which: "after",
        before: Some(TO_TWO),
        change: TO_OTHERS,
        least: OF_A_NEWCOMER,
    });
}
