//! Who is in the cluster, as operators decide it: real processes, no invitation.

use serde_json::Value;

use crate::common::{PASSPHRASE, TestNode, consign, finish, run, until};

/// The one validator with this name, as a node lists it.
fn listed(node: &TestNode, name: &str) -> Option<Value> {
    let all = node.ask(&["validator", "list"]).ok().json();
    all.as_array().unwrap().iter().find(|v| v["name"] == name).cloned()
}

#[test]
fn asked_in_vouched_for_and_revoked() {
    let place = tempfile::tempdir().unwrap();
    let mut anna = TestNode::found(place.path(), "anna");
    anna.start();

    // The list says how others ask, and they need nothing else.
    let said = finish(consign(&["validator", "list", "--data", anna.data.to_str().unwrap()])).ok();
    let line =
        said.err.lines().find_map(|line| line.split_once("consign join ")).expect("how to ask").1.to_owned();
    let data = place.path().join("bert");
    let mut join = consign(&["join", "--json", "--name", "bert"]);
    join.args(line.split(' ')).arg("--data").arg(&data);
    join.args(["--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0"])
        .env("CONSIGN_PASSPHRASE", PASSPHRASE);
    let id = finish(join).ok().json()["validator"].as_str().unwrap().to_owned();
    let mut bert = TestNode::at(data);
    bert.start();
    let waiting = until("the founder to hear of it", || listed(&anna, "bert"));
    assert_eq!(
        (&waiting["waiting"], &waiting["member"], &waiting["id"]),
        (&true.into(), &false.into(), &id.clone().into())
    );
    bert.ask(&["key", "create", "--name", "pay"]).fails(1, "only member");

    // Not by the name, which is its own choice.
    anna.ask(&["validator", "vouch", "bert"]).fails(2, "whole id");
    bert.ask(&["validator", "vouch", &id]).fails(4, "founder");
    let view = anna.ask(&["validator", "vouch", &id]).ok().json();
    assert_eq!((&view["member"], &view["vouches"]), (&true.into(), &1.into()));
    anna.meets(2);
    bert.meets(2);

    // From now on the name will do.
    anna.ask(&["validator", "forgive", "bert"]).fails(4, "Nothing is to be forgiven");
    assert_eq!(anna.ask(&["validator", "block", "bert"]).ok().json()["blocked"], true);
    anna.kill();
    anna.start();
    assert_eq!(listed(&anna, "bert").unwrap()["blocked"], true);
    assert_eq!(anna.ask(&["validator", "unblock", "bert"]).ok().json()["blocked"], false);
    assert_eq!(anna.ask(&["validator", "revoke", "bert"]).ok().json()["member"], false);
    anna.ask(&["key", "create", "--name", "pay"]).fails(1, "only member");
    let said = finish(consign(&["validator", "vouch", "bert", "--data", anna.data.to_str().unwrap()])).ok();
    assert!(said.out.contains("bert is a member: 1 of 1 founders"), "{}", said.out);
}

/// Two nodes: messages between them, and the second one as a founder beside the first.
#[test]
fn messages_and_another_founder() {
    let place = tempfile::tempdir().unwrap();
    let mut nodes = TestNode::cluster(place.path(), &["anna", "bert"]);
    let text = "a \u{1b}[2J b";
    let sent = nodes[0].ask(&["message", "send", "--to", "bert", "ops", text]).ok().json();
    nodes[1].ask(&["message", "send", "other", "to all"]).ok();
    let come = |node: &TestNode, count: usize| {
        until("messages to come", || {
            let all = node.ask(&["message", "list"]).ok().json();
            (all.as_array().unwrap().len() == count).then_some(all)
        })
    };
    come(&nodes[0], 2);
    come(&nodes[1], 2);
    let ops = nodes[1].ask(&["message", "list", "ops"]).ok().json();
    assert_eq!(
        (ops.as_array().unwrap().len(), &ops[0]["text"], &ops[0]["id"]),
        (1, &text.into(), &sent["id"])
    );
    let number = ops[0]["number"].to_string();
    let rest = nodes[1].ask(&["message", "list", "ops", "--after", &number]).ok().json();
    assert!(rest.as_array().unwrap().is_empty());
    let human = finish(consign(&["message", "list", "--data", nodes[1].data.to_str().unwrap()])).ok().out;
    assert!(human.contains("anna") && human.contains("a ?[2J b") && !human.contains('\u{1b}'), "{human}");
    nodes[0].ask(&["message", "send", "--to", "carl", "ops", "x"]).fails(2, "validator list");
    nodes[0].ask(&["message", "send", "two words", "x"]).fails(2, "a label has");

    let next = nodes[0].ask(&["charter", "propose", "--founder", "anna", "--founder", "bert"]).ok().json();
    assert_eq!((&next["number"], &next["rivals"]), (&2.into(), &Value::Array(Vec::new())));
    until("the other to follow", || {
        let theirs = nodes[1].ask(&["charter", "show"]).ok().json();
        (theirs["charter"]["id"] == next["charter"]["id"]).then_some(())
    });
    nodes[1].kill();
    nodes[1].start();
    assert_eq!(listed(&nodes[1], "bert").unwrap()["founder"], true);
    come(&nodes[1], 2);
    let human = finish(consign(&["charter", "show", "--data", nodes[1].data.to_str().unwrap()])).ok().out;
    assert!(human.contains("anna (") && human.contains("number   2"), "{human}");
    nodes[1].ask(&["charter", "sign", "ab"]).fails(2, "charter show");
}

#[test]
fn who_to_ask_is_named_in_full() {
    let cluster = "07".repeat(32);
    run(&["join", "--cluster", &cluster]).fails(2, "--peer");
    run(&["join"]).fails(2, "INVITATION");
    run(&["join", "--cluster", &cluster, "--peer", "/ip4/127.0.0.1/tcp/1"]).fails(2, "/p2p/");
    run(&["join", "consign1", "--cluster", &cluster, "--peer", "x"]).fails(2, "--peer");
}
