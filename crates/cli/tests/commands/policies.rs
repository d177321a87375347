//! `consign policy`: rules are written, shown and explained without a running node; `consign approve` at one that runs.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::run;
#[cfg(debug_assertions)]
use crate::common::{TestNode, until};

/// RFC 8032, 7.1, test 1.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const CLIENT: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

#[test]
fn a_policy_is_written_shown_and_explained() {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let data = place.path().to_str().unwrap();
    let file = place.path().join("policy.toml");

    let none = run(&["policy", "check", "--data", data]).ok();
    assert!(none.out.contains("There is no"), "{}", none.out);
    let said = run(&["policy", "allow", "--data", data, CLIENT, "--name", "shop"]).ok();
    assert!(
        said.out.contains("ceremonies = [\"keygen\", \"sign\", \"presign\", \"refresh\"]"),
        "{}",
        said.out
    );
    assert!(said.err.contains("has a policy now"), "{}", said.err);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    run(&["policy", "allow", "--data", data, "shop", "--key", "vault-*", "--ceremony", "sign", "--approve"])
        .ok();
    run(&["policy", "allow", "--data", data, CLIENT, "--name", "other"]).fails(2, "`shop` already");
    run(&["policy", "allow", "--data", data, "nobody"]).fails(2, "is no client");

    let rules = run(&["policy", "check", "--data", data, "--json"]).ok().json();
    assert_eq!(rules["clients"][0]["key"], CLIENT);
    assert_eq!(rules["rules"][1]["keys"][0], "vault-*");
    let table = run(&["policy", "check", "--data", data]).ok();
    assert!(table.out.contains("1 client, 2 rules") && table.out.contains("vault-*"), "{}", table.out);

    let ask = |more: &[&str]| run(&[&["policy", "check", "--data", data, "--client", "shop"], more].concat());
    let own = ask(&["--ceremony", "sign", "--key", "pay", "--own"]).ok();
    assert!(own.out.contains("allowed by the rule `rule 1` (line 8)"), "{}", own.out);
    let waits = ask(&["--ceremony", "sign", "--key", "vault-1", "--json"]).ok().json();
    assert_eq!((waits["decision"].as_str(), waits["rule"]["name"].as_str()), (Some("waits"), Some("rule 2")));
    ask(&["--ceremony", "sign", "--key", "pay"]).fails(4, "add \"pay\" or its id to `keys`");
    ask(&["--ceremony", "sign", "--own", "--raw-digest"]).fails(4, "raw_digests = true");
    ask(&["--ceremony", "reshare", "--own"]).fails(4, "add \"reshare\"");

    // A client's key file names it, too.
    let key = place.path().join("shop.key");
    std::fs::write(&key, format!("consign-client-key-1 {SEED}\n")).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let key = key.to_str().unwrap();
    run(&["policy", "check", "--data", data, "--client", key, "--ceremony", "keygen"]).ok();

    // What is done without a client stands below.
    let order = "\n[[standing]]\nceremony = \"refresh\"\nkeys = [\"*\"]\nevery_days = 30\nat = \"03:30\"\n";
    let rules = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{rules}{order}")).unwrap();
    let table = run(&["policy", "check", "--data", data]).ok();
    assert!(table.out.contains("every 30 days at 03:30 UTC, and renew the moduli"), "{}", table.out);
    std::fs::write(&file, rules).unwrap();

    // What cannot be read is neither used nor added to.
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}approve = 3\n")).unwrap();
    for arguments in [&["policy", "check", "--data", data][..], &["policy", "allow", "--data", data, CLIENT]]
    {
        run(arguments).fails(1, "policy.toml, line ");
    }
    assert!(std::fs::read_to_string(&file).unwrap().ends_with("approve = 3\n"));
}

/// From a client's key to a signature that an operator has approved, with real processes: policies are read while the nodes
/// run, one of them asks its operator, and the same request goes through after that.
#[cfg(debug_assertions)]
#[test]
fn a_client_is_served_as_far_as_the_policies_go() {
    let place = tempfile::tempdir().unwrap();
    let mut nodes = TestNode::cluster(place.path(), &["anna", "bert"]);
    let file = place.path().join("shop.key");
    let file = file.to_str().unwrap();
    let said = run(&["client", "new", file]).ok();
    assert!(said.err.contains("[[client]]"), "{}", said.err);
    let client = said.out.trim();

    let own = ["policy", "allow", client, "--name", "shop"];
    nodes[0].ask(&own).ok();
    nodes[1].ask(&[&own[..], &["--ceremony", "keygen"]].concat()).ok();
    nodes[1].ask(&["policy", "allow", "shop", "--ceremony", "sign", "--approve"]).ok();
    for node in &nodes {
        until("the policy to be read", || {
            node.log().contains("the policy in force: clients 1,").then_some(())
        });
    }
    until("both rules to be read", || nodes[1].log().contains("clients 1, rules 2").then_some(()));
    let key = ["key", "create", "--name", "pay", "--level", "insecure-test"];
    nodes[0].ask(&key).fails(4, "no client has signed");
    nodes[0].ask(&[&key[..], &["--client", file]].concat()).ok();

    let sign = ["key", "sign", "pay", "invoice 4711", "--client", file, "--request", "order-1"];
    let said = nodes[0].ask(&sign);
    assert!(said.code != 0 && said.err.contains("waits for approval at bert"), "{} {}", said.code, said.err);
    let waiting = nodes[1].ask(&["approve"]).ok().json();
    assert_eq!(
        (&waiting[0]["client"], &waiting[0]["facts"]["message"]),
        (&"shop".into(), &"invoice 4711".into())
    );
    let id = waiting[0]["id"].as_str().unwrap();
    nodes[0].ask(&["approve", id]).fails(2, "no request begins with");
    assert_eq!(nodes[1].ask(&["approve", &id[..8]]).ok().json()["state"], "approved");
    assert_eq!(nodes[0].ask(&sign).ok().json()["verified"], true);
    assert!(nodes[1].log().contains("the operator has approved the request"), "{}", nodes[1].log());
    // For a day only where the operators of all approve, which anna's does not.
    let long = ["key", "sign", "pay", "invoice 4712", "--client", file, "--valid-for", "600"];
    nodes[0].ask(&long).fails(5, "good for at most 600 s at anna");
    nodes[0].ask(&[&long[..7], &["1441"]].concat()).fails(2, "1..=1440");

    // A broken file changes nothing while the node runs, and keeps it from starting.
    let policy = nodes[1].data.join("policy.toml");
    let good = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, format!("{good}\nallow everything\n")).unwrap();
    until("the fault to be told", || nodes[1].log().contains("the policy of before stays").then_some(()));
    let refresh = ["key", "refresh", "pay", "--client", file];
    nodes[1].ask(&refresh).fails(4, "add \\\"refresh\\\" to `ceremonies`");
    nodes[1].stop();
    let data = nodes[1].data.to_str().unwrap().to_owned();
    run(&["node", "--data", &data]).fails(1, "policy.toml, line ");
    nodes[1].ask(&["approve"]).fails(3, "no node takes orders");

    // Nor does it start without the file, until its operator says so.
    std::fs::remove_file(&policy).unwrap();
    run(&["node", "--data", &data]).fails(1, "this node had a policy");
    nodes[1].ask(&["policy", "drop"]).fails(2, "--without-policy");
    nodes[1].ask(&["policy", "drop", "--without-policy"]).ok();
    nodes[1].start();
}
