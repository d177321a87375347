//! Everything of a node that touches the world: files, sockets, clock, threads.
//!
//! [`run`] runs a node on a data folder, as soon as no other process holds its store (`standby.rs`). One thread owns the core
//! (`engine.rs`); all that happens reaches it through one queue (`inbox.rs`): calls (`http/`), messages (`p2p/`), durable writes
//! (`storage.rs`), results of arithmetic (`compute.rs`) and time (`clock.rs`). What the core wants done is carried out in the
//! order it says.

pub mod clock;
mod compute;
mod disk;
mod engine;
pub mod entropy;
mod events;
mod failpoint;
mod fatal;
mod http;
mod inbox;
pub mod lock;
mod meters;
pub mod p2p;
mod policy;
mod spans;
mod standby;
mod steps;
mod storage;
pub mod token;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{Builder, JoinHandle};

pub use self::http::OTHER_POLICY;
pub use self::http::tls::{TlsError, check as check_tls};
use libp2p::Multiaddr;
use tokio::task::JoinHandle as JoinTask;
use tracing::{info, warn};

use self::clock::Clock;
use self::compute::Compute;
use self::engine::{Calls, Engine};
use self::events::Events;
use self::fatal::Fatal;
use self::http::{Doors, Http, Limits, Tls};
use self::inbox::{Inbox, InboxSender};
use self::lock::{FolderLock, LockError};
use self::meters::Meters;
use self::p2p::P2p;
use self::spans::Spans;
use self::storage::Storage;
use self::token::Token;
use crate::config::{ApiConfig, Config, DataFolder, FolderError, PolicyFileError};
use crate::core::misbehave::Misbehaviour;
use crate::core::setup::{self, NoIdentity};
use crate::core::{Node, OpenError, Settings};
use crate::identity::Identity;
use crate::store::{NodeStore, Place, Store as _, StoreError, Unlock};

/// Why a node does not run, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process runs on the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds no identity.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// The core cannot start from the store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The policy cannot be read.
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    /// There was a policy, and its file is gone.
    #[error(
        "{} is missing, and this node had a policy: write it again (an empty file allows nothing), or run \
         `consign policy drop` to do without one",
        path.display()
    )]
    PolicyGone {
        /// Where it should be.
        path: std::path::PathBuf,
    },
    /// It is another one than the node has adopted last.
    #[error(
        "{} is not the policy that this node went by last, in another process or before it was changed while none ran: copy \
         policy.toml from the folder of the process that ran last, or start once with --accept-policy if this one is to count \
         from now on",
        path.display()
    )]
    OtherPolicy {
        /// The one that is not followed.
        path: std::path::PathBuf,
    },
    /// There is no usable API token.
    #[error(transparent)]
    Token(#[from] token::TokenError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] entropy::NoEntropy),
    /// Other nodes cannot be listened for.
    #[error(transparent)]
    P2p(#[from] p2p::P2pError),
    /// Clients cannot be listened for.
    #[error("cannot listen for clients on {address}: {reason}")]
    Api {
        /// Which address.
        address: SocketAddr,
        /// Why, and what to do.
        reason: String,
    },
    /// Other machines could reach an API that encrypts nothing.
    #[error(
        "the API would be open to other machines on {address} without encryption: give it a certificate (`tls_certificate` and \
         `tls_key` in the section [api] of config.toml, or --tls-certificate and --tls-key), let it listen on 127.0.0.1, or say \
         that it is meant with --allow-plain-http"
    )]
    PlainHttp {
        /// Which address.
        address: SocketAddr,
    },
    /// The API's certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}; free some memory, or raise the limit on processes")]
    Thread(std::io::Error),
    /// A write failed while the node ran: nobody knows what is durable, so it may not go on.
    #[error("the node stopped because its store failed: {0}")]
    StoreFailed(StoreError),
    /// A bug.
    #[error(
        "the node stopped because of a bug ({0}): please report it with the log; it can be started again"
    )]
    Panicked(String),
}

/// A node whose threads run.
struct Running {
    folder: DataFolder,
    inbox: InboxSender,
    core: JoinHandle<()>,
    storage: Storage,
    p2p: P2p,
    http: Http,
    watches: Vec<JoinTask<()>>,
    _lock: FolderLock,
}

/// Runs the node on `folder` until `shutdown` is there, or it cannot go on. Must be called inside a tokio runtime with
/// several threads.
///
/// # Errors
/// [`RunError`]; each says what to do.
pub async fn run(
    folder: DataFolder,
    config: Config,
    unlock: Unlock,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    run_as(folder, config, unlock, None, shutdown).await
}

/// As [`run`], with a node that cheats on purpose. For demonstrations: it harms nobody but itself, whose identity and
/// shares the other nodes will never work with again.
///
/// # Errors
/// [`RunError`].
pub async fn run_misbehaving(
    folder: DataFolder,
    config: Config,
    unlock: Unlock,
    how: Misbehaviour,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    warn!("THIS NODE CHEATS ON PURPOSE ({how}): the others will convict it and never sign with it again");
    run_as(folder, config, unlock, Some(how), shutdown).await
}

async fn run_as(
    folder: DataFolder,
    config: Config,
    unlock: Unlock,
    misbehaviour: Option<Misbehaviour>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    tokio::pin!(shutdown);
    let lock = FolderLock::acquire(&folder)?;
    // Before anybody waits for a passphrase.
    policy::read(&folder)?;
    doors(&config.api)?;
    // A file of an earlier process that was killed names an address nobody listens on.
    let _ = std::fs::remove_file(folder.api_address_file());
    let Some(opened) = standby::open(&folder, &config, unlock, shutdown.as_mut()).await? else {
        return Ok(());
    };
    let (fatal, mut reports) = Fatal::new();
    let running = start(folder, lock, config, opened, misbehaviour, fatal).await?;
    let ended = tokio::select! {
        () = &mut shutdown => Ok(()),
        Some(error) = reports.recv() => Err(error),
    };
    stop(running).await;
    // What went wrong on the way out counts too.
    match (ended, reports.try_recv()) {
        (Ok(()), Ok(error)) => Err(error),
        (ended, _) => ended,
    }
}

/// What the operator chose; clients sign what they ask where there is a policy.
fn settings(config: &Config, addresses: &[Multiaddr], require_clients: bool) -> Settings {
    let announced = if config.announce.is_empty() { addresses } else { &config.announce };
    Settings {
        name: config.name.clone(),
        addresses: announced.iter().map(ToString::to_string).collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        keep_presignatures: config.keep_presignatures,
        batch_verification: config.batch_verification,
        require_clients,
    }
}

async fn start(
    folder: DataFolder,
    lock: FolderLock,
    config: Config,
    (store, identity): (NodeStore, Identity),
    misbehaviour: Option<Misbehaviour>,
    fatal: Fatal,
) -> Result<Running, RunError> {
    // Again: it may have changed while another process spoke for this node.
    let policy = policy::read(&folder)?;
    let place = config.place(&folder);
    // A file has one folder, and the policy in it counts; a server may have been another's a moment ago.
    if matches!(place, Place::Redis { .. }) && !config.accept_policy {
        standby::refuse_other_policy(&folder, &store, policy.as_ref().map(|(_, text)| text.as_str()))?;
    }
    let doors = doors(&config.api)?;
    let identity = Arc::new(identity);
    let tenure = store.tenure();
    let spans = Spans::new(consign_api::NodeId(*identity.node_id().as_bytes()));
    let cluster = setup::cluster(&store)?;
    let token = Token::new(&token::load_or_create(&folder)?);
    let clock = Clock::start();
    let (inbox, happened) = mpsc::channel();

    let p2p = p2p::start(&identity, &cluster, &config.listen, inbox.clone(), tenure.clone()).await?;
    let settings = settings(&config, &p2p.addresses, policy.is_some());
    info!(node = %identity.node_id(), %cluster, addresses = ?settings.addresses, "listening for nodes");
    let (mut node, first) = Node::open(identity, settings, &store, entropy::fresh()?, clock.now())?;
    if let Some(how) = misbehaviour {
        node.misbehave(how);
    }
    let (policy, text) = policy.unzip();
    match policy {
        Some(policy) => node.begin_governed(policy),
        None if node.had_policy() => return Err(RunError::PolicyGone { path: folder.policy_file() }),
        None => info!("no policy.toml: whatever a member of the cluster proposes is taken part in"),
    }

    let events = Arc::new(Events::new(entropy::fresh()?));
    let cluster = consign_api::ClusterId(*cluster.as_bytes());
    let (meters, tls) = (Arc::new(Meters::new()), config.api.tls.is_some());
    let listen = config.api.listen;
    let storage = Storage::start(store, inbox.clone(), fatal.clone(), meters.steps.clone())?;
    let (probe, queue) = (storage.probe(), inbox.clone());
    let mut http = Http::start(doors, token, cluster, queue, events.clone(), meters.clone(), probe)
        .await
        .map_err(|e| RunError::Api { address: listen, reason: cannot_listen(&e, "--api") })?;
    info!(address = %http.address, tls, "listening for clients");
    #[cfg(unix)]
    serve_operator(&mut http, &folder);
    let watches = watch(&folder, &place, text, &inbox);
    let engine = Engine {
        node,
        clock,
        storage: storage.orders(),
        compute: Compute::start(&inbox, &fatal, &meters.steps)?,
        p2p: p2p.commands.clone(),
        events,
        meters,
        spans,
        fatal: fatal.clone(),
        calls: Calls::default(),
        tenure,
    };
    // Calls that come before the core runs wait in its queue.
    folder.write_file(&folder.api_address_file(), http.near.to_string().as_bytes())?;
    let core = Builder::new()
        .name("consign-core".to_owned())
        .spawn(move || {
            fatal.guard(|| engine.run(&happened, first));
        })
        .map_err(RunError::Thread)?;
    Ok(Running { folder, inbox, core, storage, p2p, http, watches, _lock: lock })
}

/// Where clients shall come in, if that is safe.
fn doors(api: &ApiConfig) -> Result<Doors, RunError> {
    if api.is_exposed() {
        return Err(RunError::PlainHttp { address: api.listen });
    }
    let tls = api.tls.clone().map(Tls::open).transpose()?;
    Ok(Doors { address: api.listen, tls, names: api.names.clone(), limits: Limits::default() })
}

/// Serves the operator on a socket, or says why not.
#[cfg(unix)]
fn serve_operator(http: &mut Http, folder: &DataFolder) {
    let socket = folder.operator_socket();
    if let Err(e) = http.serve_operator(&socket) {
        warn!(socket = %socket.display(), "no socket for the operator, nothing can be approved: {e}; a shorter path may help");
    }
}

/// Watches the policy, whose text is `policy` now, and the disk of the store.
fn watch(
    folder: &DataFolder,
    place: &Place,
    policy: Option<String>,
    inbox: &InboxSender,
) -> Vec<JoinTask<()>> {
    let mut watches = vec![policy::watch(folder.clone(), policy, inbox.clone())];
    // The disk of a server is the server's.
    if matches!(place, Place::File(_)) {
        watches.push(disk::watch(folder.clone(), inbox.clone()));
    }
    watches
}

/// Takes no more calls, stops the core, ends all connections, and lets the store finish what was ordered. The store comes
/// last: as soon as it is given back, another process may speak for this node.
async fn stop(running: Running) {
    let Running { folder, inbox, core, storage, p2p, http, watches, _lock } = running;
    info!("stopping");
    watches.iter().for_each(JoinTask::abort);
    let _ = std::fs::remove_file(folder.api_address_file());
    let _ = std::fs::remove_file(folder.operator_socket());
    http.finish().await;
    let _ = inbox.send(Inbox::Stop);
    // A panic of the core was reported already. With it goes the last sender of orders.
    let _ = tokio::task::spawn_blocking(move || core.join()).await;
    p2p.finish().await;
    let _ = tokio::task::spawn_blocking(move || storage.finish()).await;
    info!("stopped");
}

/// Why the system refuses an address to listen on, and what to do; `flag` names another one.
#[allow(clippy::wildcard_enum_match_arm, reason = "the system's errors may grow; the rest is told as it is")]
fn cannot_listen(error: &std::io::Error, flag: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("the port is taken: stop the other process, or choose another port with {flag}")
        }
        std::io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address: choose another one with {flag}")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("the system does not allow it: choose a port above 1023 with {flag}")
        }
        _ => format!("{error}; choose another address with {flag}"),
    }
}
