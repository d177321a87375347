//! `consign policy`: rules are written, shown and explained without a running node.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::run;

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

    // What cannot be read is neither used nor added to.
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}approve = 3\n")).unwrap();
    for arguments in [&["policy", "check", "--data", data][..], &["policy", "allow", "--data", data, CLIENT]]
    {
        run(arguments).fails(1, "policy.toml, line ");
    }
    assert!(std::fs::read_to_string(&file).unwrap().ends_with("approve = 3\n"));
}
