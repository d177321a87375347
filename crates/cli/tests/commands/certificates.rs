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

/// What the tests of lies are about: a client, with a key of its own that is pinned and one of somebody else.
struct Scene<'a> {
    nodes: &'a [TestNode],
    puppet: Puppet,
    /// The file with the client's key.
    shop: &'a str,
    mine: &'a Value,
    theirs: &'a Value,
}

const CREATE: [&str; 5] = ["key", "create", "--level", "insecure-test", "--name"];
const SHOW: [&str; 3] = ["key", "show", "mine"];
const SIGN: [&str; 4] = ["key", "sign", "mine", "the text"];

#[test]
fn a_client_believes_no_node() {
    let place = tempfile::tempdir().unwrap();
    let nodes = TestNode::cluster(place.path(), &["anna", "bert"]);
    let shop = place.path().join("shop.key");
    let shop = shop.to_str().unwrap();
    let client = run(&["--json", "client", "new", shop]).ok().json()["client"].as_str().unwrap().to_owned();
    let theirs = nodes[0].ask(&[&CREATE[..], &["pay"]].concat()).ok().json();
    let their_making = last_ceremony(&nodes[0]);
    assert_eq!(nodes[0].ask(&["key", "show", "pay"]).ok().json()["certificate"], "holds");

    let mine = own_key(&nodes[0], shop);
    settled(&nodes[1], "mine", 0);
    settled(&nodes[1], "pay", 0);
    offline(&nodes[1], place.path(), &client, &mine);
    key_of_somebody_else(&nodes[1], shop, &mine, &theirs);

    // From here on a node lies.
    let puppet = Puppet::of(&nodes[0], place.path());
    let scene = Scene { nodes: &nodes, puppet, shop, mine: &mine, theirs: &theirs };
    scene.puppet.node.ask(&with_client(&SHOW, shop)).ok();
    scene.about_keys(their_making);
    scene.about_signatures();
    scene.about_names();
    scene.about_the_past();
}

/// A key of the client's own is pinned; who holds it is told in full.
fn own_key(node: &TestNode, shop: &str) -> Value {
    let data = node.data.to_str().unwrap();
    let said = run(&with_client(&[&CREATE[..], &["mine", "--data", data]].concat(), shop)).ok();
    let mut mine = node.ask(&with_client(&SHOW, shop)).ok().json();
    mine.as_object_mut().unwrap().remove("certificate");
    let [anna, bert] = ["anna", "bert"].map(|name| {
        let mut holders = mine["committee"].as_array().unwrap().iter();
        let holder = holders.find(|member| member["name"] == name).expect("both hold it");
        holder["validator"].as_str().unwrap().to_owned()
    });
    assert!(said.err.contains(&format!("anna is {anna}")), "{}", said.err);
    let pins = format!("{shop}.pins");
    assert_eq!(std::fs::metadata(&pins).unwrap().permissions().mode() & 0o777, 0o600);
    let pinned: Value = serde_json::from_slice(&std::fs::read(&pins).unwrap()).unwrap();
    assert_eq!(pinned["keys"][0]["public_key"], mine["public_key"]);
    assert_eq!(pinned["validators"]["bert"], bert);
    mine
}

/// The ids of the two holders, as the committee orders them.
fn ids(key: &Value) -> [String; 2] {
    [0, 1].map(|i| key["committee"][i]["validator"].as_str().unwrap().to_owned())
}

/// It waits for a person's word.
fn key_of_somebody_else(node: &TestNode, shop: &str, mine: &Value, theirs: &Value) {
    node.ask(&with_client(&["key", "show", "pay"], shop)).fails(7, "consign key trust");
    let trust = |public_key: &Value| {
        let trust = ["key", "trust", "pay", "--public-key", public_key.as_str().unwrap()];
        node.ask(&with_client(&trust, shop))
    };
    trust(&mine["public_key"]).fails(7, "it is another one");
    trust(&theirs["public_key"]).ok();
    let shown = node.ask(&with_client(&["key", "show", "pay"], shop)).ok().json();
    assert!(shown["certificate"].as_str().unwrap().contains("pinned"));
    node.ask(&["key", "trust", "pay"]).fails(2, "--client");
}

impl Scene<'_> {
    /// The node answers so, and is not believed.
    #[track_caller]
    fn lie(&self, answers: &[(String, u16, Vec<u8>)], arguments: &[&str], why: &str) {
        self.puppet.with(answers, |node| node.ask(&with_client(arguments, self.shop))).fails(7, why);
    }

    /// The path of the client's key.
    fn path(&self) -> String {
        format!("/v1/keys/{}", self.mine["id"].as_str().unwrap())
    }

    fn key(&self, body: Vec<u8>) -> (String, u16, Vec<u8>) {
        (format!("GET {}", self.path()), 200, body)
    }

    fn certificate(&self, body: Vec<u8>) -> (String, u16, Vec<u8>) {
        (format!("GET {}/certificate", self.path()), 200, body)
    }

    /// The node lists the client's own key under a label that is not its own: no other key shall sign than the one named.
    fn about_labels(&self) {
        let list: Value = serde_json::from_slice(&get(&self.nodes[0], "/v1/keys")).unwrap();
        let place = list["items"].as_array().unwrap().iter().position(|key| key["id"] == self.mine["id"]);
        let label = format!("/items/{}/label", place.unwrap());
        let list = ("GET /v1/keys".to_owned(), 200, changed(list.to_string().as_bytes(), &label, "test"));
        let sign = ["key", "sign", "test", "the text"];
        self.lie(std::slice::from_ref(&list), &sign, "another label");
        // The same client on a machine where it has seen nothing yet.
        let elsewhere = format!("{}.elsewhere", self.shop);
        std::fs::copy(self.shop, &elsewhere).unwrap();
        for arguments in [&["key", "trust", "test"][..], &sign[..]] {
            let said = self
                .puppet
                .with(std::slice::from_ref(&list), |node| node.ask(&with_client(arguments, &elsewhere)));
            said.fails(7, "that it is called `mine`");
        }
    }

    fn about_keys(&self, their_making: Vec<u8>) {
        let new_key = [&CREATE[..], &["new"]].concat();
        let made = ("POST /v1/keys".to_owned(), 201, their_making);
        self.lie(&[made], &new_key, "was not made for this request");
        self.about_labels();
        let view = get(&self.nodes[0], &self.path());
        let theirs = &self.theirs["public_key"];
        let shown = |field, value: Value| self.key(changed(&view, field, value));
        self.lie(&[shown("/public_key", theirs.clone())], &SHOW, "another public key");
        let address = ["key", "address", "mine"];
        self.lie(&[shown("/ethereum_address", "0x00".into())], &address, "Ethereum address");
        self.lie(&[shown("/threshold", 3.into())], &SHOW, "another threshold");
        let other = format!("/v1/keys/{}/certificate", self.theirs["id"].as_str().unwrap());
        let other = get(&self.nodes[0], &other);
        self.lie(&[self.certificate(other)], &SHOW, "certificate of another key");
        let mut spoilt = get(&self.nodes[0], &format!("{}/certificate", self.path()));
        *spoilt.last_mut().unwrap() ^= 1;
        self.lie(&[self.certificate(spoilt)], &SHOW, "proves nothing");
        let list = get(&self.nodes[0], "/v1/keys");
        let at = place_of(&list, "id", &self.mine["id"]);
        let list = changed(&list, &format!("/items/{at}/public_key"), theirs.clone());
        self.lie(&[("GET /v1/keys".to_owned(), 200, list)], &["key", "list"], "another public key");
    }

    /// A signature of something else, as it is and dressed up.
    fn about_signatures(&self) {
        let node = &self.nodes[0];
        node.ask(&["key", "sign", "mine", "another text"]).ok();
        let signing = last_ceremony(node);
        let post = |body| (format!("POST {}/signatures", self.path()), 201, body);
        self.lie(&[post(signing.clone())], &SIGN, "something else");
        let digest = node.ask(&SIGN).ok().json()["digest"].clone();
        let dressed = changed(&signing, "/outcome/signature/digest", digest);
        self.lie(&[post(dressed)], &SIGN, "does not verify");
    }

    /// Another validator under a known name, and another cluster.
    fn about_names(&self) {
        let roster = get(&self.nodes[0], "/v1/validators");
        let at = place_of(&roster, "name", &"bert".into());
        let roster = changed(&roster, &format!("/items/{at}/id"), "07".repeat(32));
        let roster = ("GET /v1/validators".to_owned(), 200, roster);
        self.lie(&[roster], &[&CREATE[..], &["new"]].concat(), "has known bert as");
        let node = changed(&get(&self.nodes[0], "/v1/node"), "/cluster", "07".repeat(32));
        self.lie(&[("GET /v1/node".to_owned(), 200, node)], &SHOW, "has asked");
    }

    /// What was true once is noticed, as soon as the client has seen more.
    fn about_the_past(&self) {
        let view = get(&self.nodes[0], &self.path());
        let certificate = get(&self.nodes[0], &format!("{}/certificate", self.path()));
        let reshare = ["key", "reshare", "mine", "--member", "bert", "--member", "anna"];
        let now = self.nodes[1].ask(&with_client(&reshare, self.shop)).ok().json();
        assert_eq!((&now["epoch"], &now["public_key"]), (&1.into(), &self.mine["public_key"]));
        settled(&self.nodes[0], "mine", 1);
        self.lie(&[self.key(view), self.certificate(certificate)], &SHOW, "has seen epoch 1");
        let signature = self.puppet.node.ask(&with_client(&SIGN, self.shop)).ok().json();
        assert_eq!(signature["verified"], true);
    }
}

/// Where an item stands in a page.
fn place_of(page: &[u8], field: &str, value: &Value) -> usize {
    let page: Value = serde_json::from_slice(page).unwrap();
    page["items"].as_array().unwrap().iter().position(|item| item[field] == *value).unwrap()
}

/// The certificate in a file: without a node, it shows all that matters.
fn offline(node: &TestNode, place: &Path, client: &str, key: &Value) {
    let ids = ids(key);
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
