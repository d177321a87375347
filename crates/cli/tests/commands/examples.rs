//! The examples in `examples/`, as their README runs them. Python with `cryptography`, and Node, must be there.

use std::path::Path;
use std::process::{Command, Stdio};

use secp256k1::ecdsa::Signature;
use secp256k1::{Message, PublicKey};
use sha2::{Digest, Sha256};

use crate::common::{Said, TestNode, finish, run, until};

/// The first Python that has `cryptography`; the system's may have it where another one comes first on the path.
fn python() -> &'static str {
    let can = |python: &&str| {
        let check = Command::new(python).args(["-c", "import cryptography"]).stderr(Stdio::null()).status();
        check.is_ok_and(|status| status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(can);
    found.expect("Python 3 with `cryptography` (Debian: python3-cryptography) for the examples")
}

fn example(program: &str, script: &str, arguments: &[&str]) -> Said {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut command = Command::new(program);
    command.arg(folder.join(script)).args(arguments).stdin(Stdio::null());
    // Nothing is left in the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    finish(command)
}

#[test]
fn clients_in_other_languages_get_signatures() {
    let place = tempfile::tempdir().unwrap();
    let nodes = TestNode::cluster(place.path(), &["anna", "bert"]);
    let files = ["shop.key", "stranger.key"].map(|name| place.path().join(name));
    let [client, stranger] = files.each_ref().map(|file| file.to_str().unwrap());
    let public = run(&["client", "new", client]).ok().out;
    run(&["client", "new", stranger]).ok();
    for node in &nodes {
        node.ask(&["policy", "allow", public.trim(), "--name", "shop"]).ok();
        until("the policy to be read", || node.log().contains("the policy in force").then_some(()));
    }
    let make = ["key", "create", "--name", "pay", "--level", "insecure-test", "--client", client];
    let key = nodes[0].ask(&make).ok().json();
    let id = key["id"].as_str().unwrap();
    let public: PublicKey = key["public_key"].as_str().unwrap().parse().unwrap();
    let cluster = nodes[0].ask(&["charter", "show"]).ok().json()["cluster"].as_str().unwrap().to_owned();
    let address = std::fs::read_to_string(nodes[1].data.join("api-address")).unwrap();
    let url = format!("http://{address}");

    let programs = [(python(), "python/consign_sign.py"), ("node", "javascript/consign-sign.mjs")];
    for (program, script) in programs {
        let common = ["--url", &url, "--cluster", &cluster, "--key", id];
        let ask = |file, name, text| {
            example(program, script, &[&common[..], &["--client", file, "--name", name, text]].concat())
        };
        let text = format!("zahle Rechnung 4711 \u{fc}ber {program}");
        let said = ask(client, script, &text).ok().out;
        let der = hex::decode(said.trim()).unwrap();
        let digest = Message::from_digest(Sha256::digest(text.as_bytes()).into());
        let signature = Signature::from_der(&der).unwrap();
        secp256k1::ecdsa::verify(&signature, digest, &public).unwrap();
        // The same request again has the same answer; another one under its name is refused.
        assert_eq!(ask(client, script, &text).ok().out, said);
        ask(client, script, "another text").fails(1, "Idempotency-Key");
        ask(stranger, "s", &text).fails(1, "does not name the client");
    }
    // What an operator is to approve goes on when it is asked for again, so nobody waits for it in vain.
    let policy = nodes[0].data.join("policy.toml");
    let rules = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, format!("{rules}approve = true\n")).unwrap();
    let read = || nodes[0].log().matches("the policy in force").count();
    until("the policy to be read again", || (read() >= 2).then_some(()));
    for (program, script) in programs {
        let common = ["--url", &url, "--cluster", &cluster, "--key", id];
        let asked = [&common[..], &["--client", client, "--name", program, "to be approved"]].concat();
        example(program, script, &asked).fails(1, &format!("Then ask again with --name {program}"));
    }
}
