//! Three nodes as they run in production, in one process: real files, sockets and threads.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use consign_api::client::operator::Operator;
use consign_api::client::{Client, Start};
use consign_api::{
    CeremonyState, CreateKey, Curve, HashName, Invite, KeyId, KeyView, Level, NodeId, Outcome, PathText,
    PresignTerms, ProblemKind, Scheme, Sign, SignTarget, SignatureView,
};
use consign_node::config::{ApiConfig, Config, DataFolder};
use consign_node::core::setup;
use consign_node::identity::Identity;
use consign_node::shell::{self, RunError, lock::LockError};
use consign_node::store::{self, Passphrase, StoreError, Unlock, Write};
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest time anything may take; only a failing test gets there.
const PATIENCE: Duration = Duration::from_secs(300);

fn unlock(text: &str) -> Unlock {
    Unlock::Passphrase(Passphrase::new(text.to_owned()))
}

fn config(name: &str) -> Config {
    Config {
        name: name.to_owned(),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        announce: Vec::new(),
        api: ApiConfig::at(SocketAddr::from(([127, 0, 0, 1], 0))),
        store: None,
        assert_redis_settings: false,
        key_file: None,
        passphrase_variable: "CONSIGN_PASSPHRASE".to_owned(),
        log: "info".to_owned(),
        keep_presignatures: 0,
        accept_policy: false,
        batch_verification: true,
    }
}

/// Makes a data folder with a new identity and what else a store begins with.
fn prepare(path: &Path, first: impl FnOnce(&Identity) -> Vec<Write>) -> DataFolder {
    let folder = DataFolder::create(path).unwrap();
    let identity = Identity::from_seed(&shell::entropy::fresh().unwrap());
    store::create(&folder.store_file(), &unlock("correct horse"), &first(&identity)).unwrap();
    folder
}

/// Waits until there is something.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A node that runs.
struct Running {
    folder: DataFolder,
    client: Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    async fn start(folder: DataFolder, name: &str) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(shell::run(folder.clone(), config(name), unlock("correct horse"), shutdown));
        let address = until("the address of the API", || {
            assert!(!task.is_finished(), "the node ended");
            std::fs::read_to_string(folder.api_address_file()).ok()
        })
        .await;
        let token = std::fs::read_to_string(folder.api_token_file()).unwrap();
        Running { client: Client::new(&address, &token), folder, stop, task }
    }

    async fn stop(self) -> DataFolder {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
        assert!(!self.folder.api_address_file().exists());
        self.folder
    }

    /// A call, on a thread that may wait for it.
    async fn call<T: Send + 'static>(&self, call: impl FnOnce(Client) -> T + Send + 'static) -> T {
        let client = self.client.clone();
        tokio::task::spawn_blocking(move || call(client)).await.unwrap()
    }

    /// Waits until this node sees `count` members, all of them connected.
    async fn sees(&self, count: usize) {
        until("the members", || {
            let validators = self.client.validators().ok()?;
            let there = validators.iter().filter(|v| v.member && (v.connected || v.this_node)).count();
            (there == count).then_some(())
        })
        .await;
    }

    async fn create_key(&self, label: &str, threshold: u16) -> KeyView {
        let committee = self.client.validators().unwrap().iter().map(|v| v.id).collect();
        let body = CreateKey {
            label: label.parse().unwrap(),
            scheme: Scheme::Cggmp24,
            curve: Curve::Secp256k1,
            level: Level::Test,
            threshold,
            committee,
        };
        let view = self.call(move |client| client.create_key(&body, &Start::and_wait())).await.unwrap();
        assert_eq!(view.state, CeremonyState::Done);
        let Some(Outcome::Key(key)) = view.outcome else { panic!("{:?}", view.outcome) };
        *key
    }

    async fn sign(&self, key: KeyId, text: &str) -> SignatureView {
        let target = SignTarget::Message { bytes: text.as_bytes().to_vec(), hash: HashName::Sha256 };
        let view = self
            .call(move |client| {
                client.sign(&Sign { key, path: PathText::root(), target }, &Start::and_wait())
            })
            .await
            .unwrap();
        let Some(Outcome::Signature(signature)) = view.outcome else { panic!("{:?}", view.outcome) };
        *signature
    }

    /// Makes presignatures of these signers.
    async fn presign(&self, key: KeyId, count: u32, signers: Vec<NodeId>) {
        let terms = PresignTerms { count, signers };
        let view = self.call(move |client| client.presign(&key, &terms, &Start::and_wait())).await.unwrap();
        assert_eq!((view.state, view.outcome), (CeremonyState::Done, Some(Outcome::Internal)));
    }

    /// How many presignatures it has.
    fn presignatures(&self, key: KeyId) -> u32 {
        self.client.key(&key).unwrap().presignatures
    }

    /// The kind of problem a signing ends with.
    async fn sign_fails(&self, key: KeyId) -> ProblemKind {
        let target = SignTarget::Message { bytes: b"text".to_vec(), hash: HashName::Sha256 };
        let result = self
            .call(move |client| {
                client.sign(&Sign { key, path: PathText::root(), target }, &Start::and_wait())
            })
            .await;
        result.unwrap_err().problem().expect("a problem document").kind
    }
}

/// Checks a signature with k256, an implementation of its own, and that the key is recovered from it.
fn verify(key: &KeyView, text: &str, signature: &SignatureView) {
    let public = VerifyingKey::from_sec1_bytes(&hex::decode(&key.public_key).unwrap()).unwrap();
    let digest = HashName::Sha256.digest(text.as_bytes());
    let scalars = hex::decode(format!("{}{}", signature.r, signature.s)).unwrap();
    let parsed = Signature::from_slice(&scalars).unwrap();
    public.verify_prehash(&digest, &parsed).unwrap();
    let recovery = RecoveryId::from_byte(signature.recovery_id.unwrap()).unwrap();
    assert_eq!(VerifyingKey::recover_from_prehash(&digest, &parsed, recovery).unwrap(), public);
    assert_eq!(Signature::from_der(&hex::decode(&signature.der).unwrap()).unwrap(), parsed);
}

async fn refused(folder: DataFolder, config: Config, unlock: Unlock) -> RunError {
    shell::run(folder, config, unlock, std::future::pending::<()>()).await.unwrap_err()
}

/// Founds a cluster and lets two others join.
async fn cluster(place: &Path) -> [Running; 3] {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let founder = prepare(&place.join("a"), |identity| setup::founder(identity, now, [7; 16]));
    let a = Running::start(founder, "a").await;
    let join = async |name: &str| {
        let operator = Operator::new(&a.folder.operator_socket());
        let invited = tokio::task::spawn_blocking(move || operator.invite(&Invite { valid_for: 600 })).await;
        let invitation = invited.unwrap().unwrap().invitation;
        let invitation = invitation.parse().unwrap();
        let folder = prepare(&place.join(name), |identity| setup::joiner(identity, &invitation));
        Running::start(folder, name).await
    };
    let (b, c) = (join("b").await, join("c").await);
    for node in [&a, &b, &c] {
        node.sees(3).await;
    }
    [a, b, c]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_sign_through_restarts() {
    let place = tempfile::tempdir().unwrap();
    let [a, b, c] = cluster(place.path()).await;
    let key = a.create_key("pay", 2).await;
    assert_eq!(key.committee.len(), 3);
    verify(&key, "one", &b.sign(key.id, "one").await);

    // One is away: the other two sign.
    let folder_c = c.stop().await;
    verify(&key, "two", &a.sign(key.id, "two").await);

    // Two are away: nobody does.
    let folder_b = b.stop().await;
    assert_eq!(a.sign_fails(key.id).await, ProblemKind::TooFewSigners);
    assert_eq!(a.sign_fails(KeyId([9; 32])).await, ProblemKind::UnknownKey);

    // Back from disk, those two sign without the founder.
    let (b, c) = (Running::start(folder_b, "b").await, Running::start(folder_c, "c").await);
    for node in [&a, &b, &c] {
        node.sees(3).await;
    }
    a.stop().await;
    assert_eq!(c.client.key(&key.id).unwrap().public_key, key.public_key);
    verify(&key, "three", &c.sign(key.id, "three").await);
    b.stop().await;
    c.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presignatures_serve_until_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let [a, b, c] = cluster(place.path()).await;
    let key = a.create_key("pay", 2).await;
    let id = |node: &Running| node.client.node().unwrap().id;
    a.presign(key.id, 6, vec![id(&a), id(&b)]).await;
    until("both signers have them", || (b.presignatures(key.id) == 6).then_some(())).await;
    assert_eq!((a.presignatures(key.id), c.presignatures(key.id)), (6, 0));
    for (node, text) in [(&a, "one"), (&b, "two"), (&a, "three")] {
        let signature = node.sign(key.id, text).await;
        verify(&key, text, &signature);
        assert!(signature.presigned);
    }
    let signature = c.sign(key.id, "without").await;
    verify(&key, "without", &signature);
    assert!(!signature.presigned);
    // The other signer forgets them, and this node hears of it.
    let folder_b = b.stop().await;
    let b = Running::start(folder_b, "b").await;
    until("they are gone", || (a.presignatures(key.id) == 0).then_some(())).await;
    for node in [&a, &b, &c] {
        node.sees(3).await;
    }
    let signature = b.sign(key.id, "again").await;
    verify(&key, "again", &signature);
    assert!(!signature.presigned);
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_serves_one_process_and_one_secret() {
    let place = tempfile::tempdir().unwrap();
    let folder = prepare(&place.path().join("a"), |identity| setup::founder(identity, 1, [7; 16]));

    let error = refused(folder.clone(), config("a"), unlock("wrong passphrase")).await;
    assert!(matches!(error, RunError::Store(StoreError::WrongSecret { .. })), "{error}");

    let node = Running::start(folder.clone(), "a").await;
    let error = refused(folder.clone(), config("late"), unlock("correct horse")).await;
    assert!(matches!(error, RunError::Lock(LockError::InUse { .. })), "{error}");
    assert_eq!(node.client.health().unwrap().status, "ok", "the first is not disturbed");

    let empty = DataFolder::create(&place.path().join("empty")).unwrap();
    let error = refused(empty, config("empty"), unlock("correct horse")).await;
    assert!(matches!(error, RunError::Store(StoreError::NotFound { .. })), "{error}");

    let other = prepare(&place.path().join("b"), |identity| setup::founder(identity, 1, [7; 16]));
    let mut api = config("b").api;
    api.listen = std::fs::read_to_string(folder.api_address_file()).unwrap().parse().unwrap();
    let error = refused(other, Config { api, ..config("b") }, unlock("correct horse")).await;
    assert!(error.to_string().contains("the port is taken"), "{error}");
    node.stop().await;
}
