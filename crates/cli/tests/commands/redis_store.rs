//! A node whose store is on a Redis server, among others whose stores are files.

use crate::common::{TestNode, consign, finish, until};
use crate::redis_server::Server;

/// Three nodes; the store of the last one is on the server.
fn cluster(place: &std::path::Path, server: &Server) -> Vec<TestNode> {
    let mut nodes = TestNode::cluster(place, &["a", "b"]);
    let invitation = nodes[0].invite();
    let mut on_redis = TestNode::join_with(place, "c", &invitation, &["--store", &server.url("c")]);
    on_redis.start();
    nodes.push(on_redis);
    nodes.iter().for_each(|node| node.meets(3));
    nodes
}

#[test]
fn a_node_on_redis_makes_a_key_is_killed_and_signs() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), &[]);
    let mut nodes = cluster(place.path(), &server);
    assert!(!nodes[2].data.join("store.redb").exists());
    nodes[2].ask(&["key", "create", "--name", "pay", "--threshold", "3", "--level", "insecure-test"]).ok();
    nodes[2].kill();
    nodes[2].start();
    nodes.iter().for_each(|node| node.meets(3));
    nodes[0].hears_from(&nodes[2]);
    nodes[1].hears_from(&nodes[2]);
    let signature = until("a signature", || {
        let said = nodes[2].ask(&["key", "sign", "pay", "still there"]);
        (said.code == 0).then(|| said.json())
    });
    assert_eq!(signature["verified"], true);

    // Its name is not given to another node.
    let mut other = consign(&["init", "--store", &server.url("c"), "--data"]);
    other.arg(place.path().join("d")).env("CONSIGN_PASSPHRASE", crate::common::PASSPHRASE);
    finish(other).fails(1, "in use by another process");
    nodes[2].stop();
    let mut other = consign(&["init", "--store", &server.url("c"), "--data"]);
    other.arg(place.path().join("d")).env("CONSIGN_PASSPHRASE", crate::common::PASSPHRASE);
    finish(other).fails(1, "choose another name");
    assert!(!place.path().join("d").exists());
}

/// Without its store a node says nothing more and ends.
#[test]
fn a_node_ends_when_its_server_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let mut server = Server::start(place.path(), &[]);
    let mut node = TestNode::found_with(place.path(), "a", &["--store", &server.url("a")]);
    node.start();
    server.kill();
    let (status, log) = node.ends();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("the node stopped because its store failed"), "{log}");
    assert!(log.contains("see that it runs and can be reached"), "{log}");
    let server = Server::start(place.path(), &[]);
    node.start();
    drop(server);
}
