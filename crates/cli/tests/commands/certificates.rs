//! A client believes in what the holders of a key have signed, and in nothing else that a node shows. The node in the wrong
//! hands is a puppet: it passes on what is asked to a real one, and answers some calls as its master likes.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::common::{TestNode, run, until};

/// Answers by call (`GET /v1/keys`), each with its status.
type Script = Arc<Mutex<BTreeMap<String, (u16, Vec<u8>)>>>;

/// A node in the wrong hands.
struct Puppet {
    node: TestNode,
    script: Script,
}

impl Puppet {
    /// Before a real node.
    fn of(real: &TestNode, place: &Path) -> Self {
        let read = |name: &str| std::fs::read_to_string(real.data.join(name)).unwrap();
        let upstream = read("api-address").trim().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let data = place.join("puppet");
        std::fs::create_dir(&data).unwrap();
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
        for (name, text) in [("api-address", &address), ("api-token", &read("api-token"))] {
            std::fs::write(data.join(name), text).unwrap();
            std::fs::set_permissions(data.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let script = Script::default();
        let answers = Arc::clone(&script);
        // Ends with the process of the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, upstream) = (Arc::clone(&answers), upstream.clone());
                std::thread::spawn(move || serve(stream, &upstream, &answers));
            }
        });
        Self { node: TestNode::at(data), script }
    }

    /// It answers these calls so while something is asked.
    fn with<T>(&self, answers: &[(String, u16, Vec<u8>)], ask: impl FnOnce(&TestNode) -> T) -> T {
        let script = answers.iter().map(|(call, status, body)| (call.clone(), (*status, body.clone())));
        *self.script.lock().unwrap() = script.collect();
        let said = ask(&self.node);
        self.script.lock().unwrap().clear();
        said
    }
}

/// One call: by the script, or by the real node.
fn serve(mut stream: TcpStream, upstream: &str, script: &Script) {
    let Some((head, body)) = call(&mut stream) else { return };
    let line = head.lines().next().unwrap_or_default().to_owned();
    let named = line.rsplit_once(' ').map_or("", |(call, _)| call).split('?').next().unwrap_or_default();
    let scripted = script.lock().unwrap().get(named).cloned();
    let answer = if let Some((status, body)) = scripted {
        let head =
            format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    } else {
        let mut real = TcpStream::connect(upstream).unwrap();
        let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        real.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        let mut answer = Vec::new();
        let _ = real.read_to_end(&mut answer);
        answer
    };
    let _ = stream.write_all(&answer);
}

/// Head and body of a call.
fn call(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// What a node answers to a GET, as its operator sees it.
fn get(node: &TestNode, path: &str) -> Vec<u8> {
    let read = |name: &str| std::fs::read_to_string(node.data.join(name)).unwrap().trim().to_owned();
    let (address, token) = (read("api-address"), read("api-token"));
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}");
    answer[body..].to_vec()
}

fn changed(answer: &[u8], field: &str, value: impl Into<Value>) -> Vec<u8> {
    let mut view: Value = serde_json::from_slice(answer).unwrap();
    *view.pointer_mut(field).unwrap() = value.into();
    view.to_string().into_bytes()
}

/// The ceremony that was the last at a node, with its outcome.
fn last_ceremony(node: &TestNode) -> Vec<u8> {
    let list: Value = serde_json::from_slice(&get(node, "/v1/ceremonies")).unwrap();
    list["items"][0].to_string().into_bytes()
}

/// Waits until a node has a key in this epoch, confirmed by all.
fn settled(node: &TestNode, key: &str, epoch: u64) {
    until("the node to have the key", || {
        let shown = node.ask(&["key", "show", key]);
        let is_there =
            shown.code == 0 && shown.json()["certificate"] == "holds" && shown.json()["epoch"] == epoch;
        is_there.then_some(())
    });
}

/// The same in the name of a client.
fn with_client<'a>(arguments: &[&'a str], client: &'a str) -> Vec<&'a str> {
    [arguments, &["--client", client]].concat()
}

#[test]
fn a_client_believes_no_node() {
    let place = tempfile::tempdir().unwrap();
    let nodes = TestNode::cluster(place.path(), &["anna", "bert"]);
    let shop = place.path().join("shop.key");
    let shop = shop.to_str().unwrap();
    let client = run(&["--json", "client", "new", shop]).ok().json()["client"].as_str().unwrap().to_owned();
    let create = ["key", "create", "--level", "insecure-test", "--name"];
    let theirs = nodes[0].ask(&[&create[..], &["pay"]].concat()).ok().json();
    let their_making = last_ceremony(&nodes[0]);
    assert_eq!(nodes[0].ask(&["key", "show", "pay"]).ok().json()["certificate"], "holds");

    // A key of its own is pinned; who holds it is told in full.
    let data = nodes[0].data.to_str().unwrap();
    let said = run(&with_client(&[&create[..], &["mine", "--data", data]].concat(), shop)).ok();
    let mut mine = nodes[0].ask(&with_client(&["key", "show", "mine"], shop)).ok().json();
    mine.as_object_mut().unwrap().remove("certificate");
    let ids: Vec<_> = mine["committee"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["validator"].as_str().unwrap().to_owned())
        .collect();
    assert!(said.err.contains(&format!("anna is {}", ids[0])), "{}", said.err);
    let pins = format!("{shop}.pins");
    assert_eq!(std::fs::metadata(&pins).unwrap().permissions().mode() & 0o777, 0o600);
    let pinned: Value = serde_json::from_slice(&std::fs::read(&pins).unwrap()).unwrap();
    assert_eq!(
        (&pinned["keys"][0]["public_key"], &pinned["validators"]["bert"]),
        (&mine["public_key"], &ids[1].clone().into())
    );
    settled(&nodes[1], "mine", 0);
    settled(&nodes[1], "pay", 0);
    offline(&nodes[1], place.path(), &client, &ids, &mine);

    // One that somebody else has asked for waits for a person's word.
    nodes[1].ask(&with_client(&["key", "show", "pay"], shop)).fails(7, "consign key trust");
    let public_key = mine["public_key"].as_str().unwrap();
    nodes[1]
        .ask(&with_client(&["key", "trust", "pay", "--public-key", public_key], shop))
        .fails(7, "it is another one");
    let public_key = theirs["public_key"].as_str().unwrap();
    nodes[1].ask(&with_client(&["key", "trust", "pay", "--public-key", public_key], shop)).ok();
    let shown = nodes[1].ask(&with_client(&["key", "show", "pay"], shop)).ok().json();
    assert!(shown["certificate"].as_str().unwrap().contains("pinned"));
    nodes[1].ask(&["key", "trust", "pay"]).fails(2, "--client");

    // From here on a node lies.
    let puppet = Puppet::of(&nodes[0], place.path());
    let lie = |answers: &[(String, u16, Vec<u8>)], arguments: &[&str], why: &str| {
        puppet.with(answers, |node| node.ask(&with_client(arguments, shop))).fails(7, why);
    };
    puppet.node.ask(&with_client(&["key", "show", "mine"], shop)).ok();
    let (id, other) = (mine["id"].as_str().unwrap(), theirs["id"].as_str().unwrap());
    let path = format!("/v1/keys/{id}");
    let (view, certificate) = (get(&nodes[0], &path), get(&nodes[0], &format!("{path}/certificate")));
    let show = ["key", "show", "mine"];
    let new_key = [&create[..], &["new"]].concat();
    let call = |what: &str, path: &str| format!("{what} {path}");
    let get_key = |body: Vec<u8>| (call("GET", &path), 200, body);
    let get_certificate = |body: Vec<u8>| (format!("GET {path}/certificate"), 200, body);
    lie(&[("POST /v1/keys".to_owned(), 201, their_making)], &new_key, "was not made for this request");
    lie(&[get_key(changed(&view, "/public_key", public_key))], &show, "another public key");
    lie(
        &[get_key(changed(&view, "/ethereum_address", "0x00"))],
        &["key", "address", "mine"],
        "Ethereum address",
    );
    lie(&[get_key(changed(&view, "/threshold", 3))], &show, "another threshold");
    let foreign = get(&nodes[0], &format!("/v1/keys/{other}/certificate"));
    lie(&[get_certificate(foreign)], &show, "certificate of another key");
    let mut spoilt = certificate.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    lie(&[get_certificate(spoilt)], &show, "proves nothing");
    let list = get(&nodes[0], "/v1/keys");
    let both: Value = serde_json::from_slice(&list).unwrap();
    let at = both["items"].as_array().unwrap().iter().position(|key| key["id"] == id).unwrap();
    let listed = changed(&list, &format!("/items/{at}/public_key"), public_key);
    lie(&[("GET /v1/keys".to_owned(), 200, listed)], &["key", "list"], "another public key");

    // A signature of something else, as it is and dressed up.
    nodes[0].ask(&["key", "sign", "mine", "another text"]).ok();
    let signing = last_ceremony(&nodes[0]);
    let sign = ["key", "sign", "mine", "the text"];
    let post = |body| (format!("POST {path}/signatures"), 201, body);
    lie(&[post(signing.clone())], &sign, "something else");
    let digest = nodes[0].ask(&["key", "sign", "mine", "the text"]).ok().json()["digest"].clone();
    lie(&[post(changed(&signing, "/outcome/signature/digest", digest))], &sign, "does not verify");

    // Another validator under a known name, and another cluster.
    let roster = get(&nodes[0], "/v1/validators");
    let page: Value = serde_json::from_slice(&roster).unwrap();
    let at = page["items"].as_array().unwrap().iter().position(|v| v["name"] == "bert").unwrap();
    let roster = changed(&roster, &format!("/items/{at}/id"), "07".repeat(32));
    lie(&[("GET /v1/validators".to_owned(), 200, roster)], &new_key, "has known bert as");
    let node = changed(&get(&nodes[0], "/v1/node"), "/cluster", "07".repeat(32));
    lie(&[("GET /v1/node".to_owned(), 200, node)], &show, "has asked");

    // What was true once is noticed, as soon as the client has seen more.
    let now = nodes[1]
        .ask(&with_client(&["key", "reshare", "mine", "--member", "bert", "--member", "anna"], shop))
        .ok()
        .json();
    assert_eq!((&now["epoch"], &now["public_key"]), (&1.into(), &mine["public_key"]));
    settled(&nodes[0], "mine", 1);
    lie(&[get_key(view), get_certificate(certificate)], &show, "has seen epoch 1");
    assert_eq!(puppet.node.ask(&with_client(&sign, shop)).ok().json()["verified"], true);
}

/// The certificate in a file: without a node, it shows all that matters.
fn offline(node: &TestNode, place: &Path, client: &str, ids: &[String], key: &Value) {
    let file = place.join("mine.certificate");
    let path = file.to_str().unwrap();
    node.ask(&["key", "certificate", "mine", "--out", path]).ok();
    let verify = ["--json", "verify-certificate", path];
    let shown = run(&verify).ok().json();
    assert_eq!(
        (&shown["public_key"], &shown["owner"], &shown["epoch"]),
        (&key["public_key"], &client.into(), &0.into())
    );
    let named = ["--owner", client, "--member", &ids[0], "--member", &ids[1]];
    run(&[&verify[..], &named].concat()).ok();
    let id = key["id"].as_str().unwrap();
    run(&[&verify[..], &["--key", id, "--public-key", key["public_key"].as_str().unwrap()]].concat()).ok();
    run(&[&verify[..], &["--owner", &ids[0]]].concat()).fails(6, "another owner");
    run(&[&verify[..], &["--member", &ids[1], "--member", &ids[0]]].concat()).fails(6, "another committee");
    run(&[&verify[..], &["--key", &"07".repeat(32)]].concat()).fails(6, "another key");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let spoilt = place.join("spoilt.certificate");
    std::fs::write(&spoilt, bytes).unwrap();
    run(&["verify-certificate", spoilt.to_str().unwrap()]).fails(6, "proves nothing");
}
