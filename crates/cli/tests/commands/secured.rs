//! A node whose API speaks TLS, and one that must not be open to others without it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use crate::common::{Said, TestNode, run, until};

/// An authority, and a certificate of its own for a node on this machine.
struct Files {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn make(place: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let authority = params.self_signed(&authority_key).unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority, &authority_key).unwrap();
        std::fs::create_dir_all(place).unwrap();
        let write = |name: &str, text: String| {
            let path = place.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        Self {
            authority: write("ca.pem", authority.pem()),
            certificate: write("api.pem", certificate.pem()),
            key: write("api.key", key.serialize_pem()),
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A cluster of one node, whose store a key file opens.
fn found(place: &Path, flags: &[&str]) -> TestNode {
    let key_file = place.join("store.key");
    std::fs::write(&key_file, "07".repeat(32)).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    TestNode::found_with(place, "anna", &[&["--key-file", text(&key_file)], flags].concat())
}

/// From another machine, with nothing but a client's key and the authority's certificate.
#[test]
fn a_client_elsewhere_asks_over_tls() {
    let place = tempfile::tempdir().unwrap();
    let (files, others) = (Files::make(place.path()), Files::make(&place.path().join("others")));
    let tls = ["--tls-certificate", text(&files.certificate), "--tls-key", text(&files.key)];
    let mut node = found(place.path(), &tls);
    let client = place.path().join("shop.key");
    let client = text(&client);
    let key = run(&["client", "new", client]).ok().out;
    node.ask(&["policy", "allow", key.trim(), "--name", "shop"]).ok();
    // What runs on the node's machine needs no certificate.
    node.start();
    let cluster = node.ask(&["charter", "show"]).ok().json()["cluster"].as_str().unwrap().to_owned();
    assert!(node.ask(&["doctor"]).ok().out.contains("the API has the certificate"));

    let log = node.log();
    let line = log.lines().find(|line| line.contains("listening for clients")).unwrap();
    let port = line.split("address=127.0.0.1:").nth(1).unwrap().split_whitespace().next().unwrap();
    let ask = |name: &str, more: &[&str]| -> Said {
        let url = format!("https://{name}:{port}");
        run(&[&["key", "list", "--json", "--api-url", &url], more].concat())
    };
    let signed = ["--client", client, "--cluster", &cluster];
    let by = |authority: &Path| -> Vec<String> {
        signed.iter().copied().chain(["--ca", text(authority)]).map(str::to_owned).collect()
    };
    let (good, wrong) = (by(&files.authority), by(&others.authority));
    let (good, wrong): (Vec<&str>, Vec<&str>) =
        (good.iter().map(String::as_str).collect(), wrong.iter().map(String::as_str).collect());
    assert_eq!(ask("localhost", &good).ok().json(), serde_json::json!([]));
    ask("localhost", &wrong).fails(3, "does not prove that it is the node");
    ask("127.0.0.1", &good).fails(3, "does not prove that it is the node");
    ask("localhost", &["--ca", text(&files.authority)]).fails(2, "needs --client");
    ask("localhost", &[&signed[..], &["--ca", client]].concat()).fails(2, "no certificate");
    let plain = format!("http://localhost:{port}");
    run(&[&["key", "list", "--api-url", &plain], &signed[..]].concat()).fails(3, "");

    // Renewed while it runs, by an authority of another name.
    let renewed = std::fs::read(&others.key).unwrap();
    std::fs::write(&files.key, renewed).unwrap();
    until("the mismatch to be told", || {
        node.log().contains("the certificate of before stays in use").then_some(())
    });
    node.ask(&["doctor"]).fails(1, "");
    ask("localhost", &good).ok();
    std::fs::copy(&others.certificate, &files.certificate).unwrap();
    until("the renewed certificate to be shown", || (ask("localhost", &wrong).code == 0).then_some(()));
    node.stop();
}

#[test]
fn a_node_refuses_what_would_not_protect_its_clients() {
    let place = tempfile::tempdir().unwrap();
    let files = Files::make(place.path());
    let node = found(place.path(), &[]);
    let data = text(&node.data).to_owned();
    let start = |flags: &[&str]| run(&[&["node", "--data", &data], flags].concat());
    start(&["--api", "0.0.0.0:0"]).fails(1, "--allow-plain-http");
    let with = |certificate: &Path, key: &Path| {
        start(&["--tls-certificate", text(certificate), "--tls-key", text(key)])
    };
    start(&["--tls-key", text(&files.key)]).fails(1, "name certificate and key");
    with(&files.authority, &files.key).fails(1, "cannot be used together");
    with(&files.key, &files.key).fails(1, "holds no certificate");
    with(&place.path().join("none"), &files.key).fails(1, "cannot read");
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    with(&files.certificate, &files.key).fails(1, "chmod 600");
}
