//! Two and three processes for one node, over one store on a real Redis server. A takeover from a process that died takes 6 s,
//! so there are few of them here.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::{TestNode, consign, finish, run, until};
use crate::redis_server::Server;
use serde_json::Value;

/// Nodes a, b and, on the server, c; all have a policy for a client, and a key that needs all three.
struct Bench {
    place: tempfile::TempDir,
    server: Server,
    a: TestNode,
    b: TestNode,
    c: TestNode,
}

impl Bench {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let server = Server::start(place.path(), &[]);
        let mut nodes = TestNode::cluster(place.path(), &["a", "b"]);
        let mut c =
            TestNode::join_with(place.path(), "c", &nodes[0].invite(), &["--store", &server.url("c")]);
        c.start();
        let b = nodes.pop().unwrap();
        let a = nodes.pop().unwrap();
        let bench = Self { place, server, a, b, c };
        let client = run(&["client", "new", &bench.client()]).ok();
        for node in [&bench.a, &bench.b, &bench.c] {
            node.meets(3);
            node.ask(&["policy", "allow", client.out.trim(), "--name", "shop"]).ok();
            until("the policy to be read", || node.log().contains("the policy in force").then_some(()));
        }
        let key = ["key", "create", "--name", "pay", "--threshold", "3", "--level", "insecure-test"];
        bench.a.ask(&[&key[..], &["--client", &bench.client()]].concat()).ok();
        bench
    }

    fn client(&self) -> String {
        self.place.path().join("shop.key").to_str().unwrap().to_owned()
    }

    fn standby(&self, name: &str) -> TestNode {
        self.c.stand_by(self.place.path(), name, &self.server.url("c"))
    }

    /// Signs the message of a request at a node until there is a signature.
    fn sign(&self, node: &Path, number: usize) -> Value {
        until("a signature", || {
            let (message, request) = (format!("order {number}"), format!("order-{number}"));
            let mut command = consign(&["key", "sign", "pay", &message, "--request", &request, "--json"]);
            command.args(["--client", &self.client(), "--data"]).arg(node);
            let said = finish(command);
            (said.code == 0).then(|| said.json())
        })
    }

    /// The holder's token and the number of takeovers, as the server has them.
    fn holder(&self) -> String {
        let socket = self.place.path().join("redis.sock");
        let mut command = std::process::Command::new("redis-cli");
        command.arg("-s").arg(socket).args(["HMGET", "consign:{c}:state", "holder", "fence"]);
        finish(command).ok().out
    }
}

/// The signatures of each message that this node knows of: r and s.
fn signatures(node: &TestNode) -> BTreeMap<String, Vec<(Value, Value)>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let ceremonies = node.ask(&["ceremony", "list", "--limit", "200"]).ok().json();
    for view in ceremonies.as_array().unwrap() {
        let signature = &view["outcome"]["signature"];
        if let Some(digest) = signature["digest"].as_str() {
            let both = (signature["r"].clone(), signature["s"].clone());
            found.entry(digest.to_owned()).or_default().push(both);
        }
    }
    found
}

/// Killed under load: one of two standbys takes over, every request gets its one signature, the share is there. When that one
/// ends in order the other takes over at once.
#[test]
fn a_standby_takes_over_under_load() {
    const REQUESTS: usize = 8;
    let mut bench = Bench::new();
    let mut standbys = [bench.standby("c2"), bench.standby("c3")];
    for standby in &mut standbys {
        standby.start_standby();
        let said = standby.ask(&["doctor"]).ok();
        assert!(said.out.contains("stands by"), "{}", said.out);
        assert_eq!(standby.ask(&["doctor", "--alive"]).ok().json()["status"], "standby");
        standby.ask(&["key", "sign", "pay", "x"]).fails(5, "Ask that one");
    }
    let name = std::fs::read_to_string(standbys[0].data.join("config.toml")).unwrap();
    assert!(name.contains("name = \"c\""), "{name}");

    let at_a = bench.a.data.clone();
    let answers = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..REQUESTS)
            .map(|number| {
                let (bench, at_a) = (&bench, &at_a);
                scope.spawn(move || (number, bench.sign(at_a, number)))
            })
            .collect();
        until("some to be signed", || (!signatures(&bench.a).is_empty()).then_some(()));
        bench.c.signal("KILL");
        asking.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(bench.c.has_died());

    let active = until("one to take over", || {
        standbys.iter().position(|standby| standby.ask(&["validator", "list"]).code == 0)
    });
    let (winner, loser) = (active, 1 - active);
    standbys[loser].ask(&["doctor"]).ok();
    assert!(standbys[loser].log().contains("standing by") && !standbys[loser].log().contains("taking over"));
    // The same requests at the standby, and at b: the same answers. Where c died after its last word had reached a but not b,
    // b learns what came of its part when it is asked, and not before.
    for (number, signed) in &answers {
        for node in [&standbys[winner], &bench.b] {
            let again = bench.sign(&node.data, *number);
            assert_eq!((&again["r"], &again["s"]), (&signed["r"], &signed["s"]), "request {number}");
        }
        assert_eq!(signed["verified"], true);
    }
    let known = signatures(&bench.a);
    assert_eq!(known.len(), REQUESTS, "{known:?}");
    assert!(known.values().all(|of_one| of_one.len() == 1), "a request ran twice: {known:?}");
    for node in [&bench.b, &standbys[winner]] {
        assert_eq!(signatures(node), known);
    }
    standbys[winner].stop();
    standbys[loser].answers();
    bench.sign(&standbys[loser].data, REQUESTS);
    // One that stands by ends when it is told to, and the active one does not mind.
    bench.c.start_standby();
    bench.c.stop();
    bench.sign(&standbys[loser].data, REQUESTS + 1);
}

/// Paused, succeeded and revived: the old process says nothing, writes nothing, and ends.
#[test]
fn a_revived_process_is_fenced() {
    let mut bench = Bench::new();
    bench.sign(&bench.a.data, 0);
    let mut standby = bench.standby("c2");
    standby.start_standby();
    bench.c.signal("STOP");
    // Called while it sleeps: it finds this when it wakes up.
    let mut late = consign(&["message", "send", "--to", "a", "ops", "from the grave", "--data"]);
    late.arg(&bench.c.data).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut late = late.spawn().unwrap();
    standby.answers();
    bench.sign(&standby.data, 1);
    let holder = bench.holder();

    bench.c.signal("CONT");
    let (status, log) = bench.c.ends();
    assert_eq!(status.code(), Some(1), "{log}");
    let fenced = log.contains("another process has taken the store") && log.contains("wrote nothing since");
    // It was stopped while it waited for an answer of the server: what it asked for is lost, and it ends for that.
    let interrupted = log.contains("its store failed") && log.contains("Interrupted system call");
    assert!(fenced || interrupted, "{log}");
    assert_ne!(until("the late call to end", || late.try_wait().unwrap()).code(), Some(0));
    assert_eq!(bench.holder(), holder);
    bench.sign(&standby.data, 2);
    standby.ask(&["message", "send", "--to", "a", "ops", "from the standby"]).ok();
    let letters = until("the letter", || {
        let letters = bench.a.ask(&["message", "list", "ops"]).ok().out;
        letters.contains("from the standby").then_some(letters)
    });
    assert!(!letters.contains("grave"), "{letters}");
    let roster = bench.a.ask(&["validator", "list"]).ok().out;
    assert!(!roster.contains("\"runs_twice\": true") && !roster.contains("\"runs_twice\":true"), "{roster}");
}

/// An old copy of the policy may allow what the one in force does not: nobody goes by it unasked.
#[test]
fn a_standby_with_another_policy_does_not_take_over_unasked() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), &[]);
    let mut node = TestNode::found_with(place.path(), "a", &["--store", &server.url("a")]);
    node.start();
    let client = run(&["client", "new", place.path().join("shop.key").to_str().unwrap()]).ok().out;
    node.ask(&["policy", "allow", client.trim(), "--name", "shop"]).ok();
    until("the policy to be read", || node.log().contains("the policy in force").then_some(()));
    let mut standby = node.stand_by(place.path(), "a2", &server.url("a"));
    let policy = standby.data.join("policy.toml");
    let copy = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, format!("# of yesterday\n{copy}")).unwrap();
    standby.start_standby();
    let said = standby.ask(&["doctor"]).ok();
    assert!(said.out.contains("not the one by which the other process goes"), "{}", said.out);
    node.stop();
    let (status, log) = standby.ends();
    assert!(!status.success() && log.contains("start once with --accept-policy"), "{log}");
    standby.start_with(&["--accept-policy", "--log", "info"], &[]);
    standby.stop();
    // Adopted now; and the old one would be the other.
    standby.start();
    standby.stop();
    node.spawn_and_end("start once with --accept-policy");
    std::fs::copy(&policy, node.data.join("policy.toml")).unwrap();
    node.start();
    node.stop();
}

#[test]
fn a_standby_is_made_right_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), &[]);
    let node = TestNode::found_with(place.path(), "a", &["--store", &server.url("a")]);
    let make = |store: &str, passphrase: &str, name: &str| {
        let mut make = consign(&["standby", "--data"]);
        make.arg(place.path().join(name)).env("CONSIGN_PASSPHRASE", passphrase);
        if !store.is_empty() {
            make.args(["--store", store]);
        }
        finish(make)
    };
    make("", "correct horse battery", "b").fails(2, "give --store");
    make(&server.url("a"), "incorrect horse battery", "b").fails(1, "does not open this store");
    make(&server.url("other"), "correct horse battery", "b").fails(1, "there is no store at");
    assert!(!place.path().join("b").exists());
    let made = make(&server.url("a"), "correct horse battery", "b").ok();
    assert!(made.out.contains("stands by for validator"), "{}", made.out);
    make(&server.url("a"), "correct horse battery", "b").fails(1, "never overwritten");
    drop(node);
}
