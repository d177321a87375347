//! Connections to the other nodes: libp2p over TCP, Noise and yamux, one protocol per cluster and version.
//!
//! Messages to a peer go out in order and at least once: they wait while the peer is away, and until it has said that
//! it took them. One batch per peer is under way at a time; it carries all that is waiting. A batch is confirmed only
//! when the core has taken it, so a peer cannot fill this node's memory.
//!
//! Read next: `gate.rs` (who may connect), `link.rs` (what is still to be said), `frame.rs` (bytes), `driver.rs`.

mod driver;
mod frame;
mod gate;
mod link;

use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{
    Multiaddr, StreamProtocol, Swarm, SwarmBuilder, TransportError, connection_limits, identify, noise, ping,
    request_response, tcp, yamux,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::driver::Driver;
use self::gate::Gate;
use super::inbox::InboxSender;
use crate::config::MAX_ADDRESSES;
use crate::core::Peer;
use crate::identity::{ClusterId, Identity, NodeId};
use crate::store::Tenure;

/// The version of what nodes say to each other.
pub const PROTOCOL_VERSION: u32 = 1;

/// How long a connection may take to be made, with all handshakes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a batch may take until it is confirmed: 8 MiB over a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Time between two pings, and how long an answer may take.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Connections to named peers never end for lack of talk, and those of strangers sooner.
const IDLE_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long the system may take to tell the addresses of a listener.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A listener on all interfaces names its addresses one by one; this long after the last one they count as all.
const SETTLE: Duration = Duration::from_millis(100);

/// Connections to one peer. Two are normal (both dial), more come and go when addresses change.
const MAX_CONNECTIONS_PER_PEER: u32 = 4;
/// Connections that have not said who they are yet.
const MAX_PENDING_INCOMING: u32 = 64;
/// All incoming connections: a committee of 100 with all theirs, and strangers.
const MAX_INCOMING: u32 = 512;
/// Streams at a time on one connection, in one direction: one batch, and what is being closed.
const MAX_STREAMS: usize = 8;
/// Streams of all protocols on one connection.
const MAX_YAMUX_STREAMS: usize = 64;

/// Why there are no connections.
#[derive(Debug, thiserror::Error)]
pub enum P2pError {
    /// The address cannot be listened on.
    #[error("cannot listen for other nodes on {address}: {reason}")]
    Listen {
        /// Which address.
        address: Multiaddr,
        /// Why, and what to do.
        reason: String,
    },
    /// The transport cannot be made.
    #[error("cannot set up connections to other nodes: {0}")]
    Setup(String),
}

/// An order to the transport; the rest of `Output` is for others.
pub(crate) enum Command {
    /// Say this to a peer.
    Send(NodeId, Vec<u8>),
    /// Keep connections to exactly these peers.
    Peers(Vec<Peer>),
}

/// A running transport. Stops when dropped.
pub(crate) struct P2p {
    /// Where it listens.
    pub addresses: Vec<Multiaddr>,
    /// Its orders, done in order.
    pub commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
}

impl P2p {
    /// Stops, and returns when all ports are free again.
    pub(crate) async fn finish(mut self) {
        self.task.abort();
        // It was cancelled; that is what was wanted.
        let _ = (&mut self.task).await;
    }
}

impl Drop for P2p {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All behaviours. The limits come first: what they deny, the others never hear of.
#[derive(NetworkBehaviour)]
struct Behaviour {
    limits: connection_limits::Behaviour,
    gate: Gate,
    ping: ping::Behaviour,
    identify: identify::Behaviour,
}

/// Listens on `listen` and starts the transport. It says nothing when `tenure` is over.
///
/// # Errors
/// [`P2pError`], if an address is taken or is not this machine's.
pub(crate) async fn start(
    identity: &Identity,
    cluster: &ClusterId,
    listen: &[Multiaddr],
    inbox: InboxSender,
    tenure: Option<Tenure>,
) -> Result<P2p, P2pError> {
    let mut swarm = swarm(identity, cluster)?;
    let mut addresses = Vec::new();
    let mut early = Vec::new();
    for address in listen {
        addresses.extend(listen_on(&mut swarm, address, &mut early).await?);
    }
    // Loopback last: other machines cannot use it, and there is room for few.
    addresses.sort_by_key(is_loopback);
    addresses.dedup();
    addresses.truncate(MAX_ADDRESSES);
    let mut session = [0; 8];
    getrandom::fill(&mut session).map_err(|e| P2pError::Setup(e.to_string()))?;
    let (commands, orders) = mpsc::unbounded_channel();
    let driver = Driver::new(swarm, inbox, u64::from_be_bytes(session), tenure);
    let task = tokio::spawn(driver.run(orders, early));
    Ok(P2p { addresses, commands, task })
}

/// Fails if an address cannot be listened on: a standby shall not find that out when it is needed.
///
/// # Errors
/// [`P2pError`].
pub(crate) fn check_free(listen: &[Multiaddr]) -> Result<(), P2pError> {
    let refused = |address: &Multiaddr, e: &std::io::Error| P2pError::Listen {
        address: address.clone(),
        reason: super::cannot_listen(e, "--listen"),
    };
    listen.iter().try_for_each(|address| ensure_free(address).map_err(|e| refused(address, &e)))
}

/// The name of the protocol: nodes of other clusters or versions do not understand each other.
fn protocol(cluster: &ClusterId) -> String {
    format!("/consign/{cluster}/{PROTOCOL_VERSION}")
}

fn swarm(identity: &Identity, cluster: &ClusterId) -> Result<Swarm<Behaviour>, P2pError> {
    let setup = |e: &dyn std::fmt::Display| P2pError::Setup(e.to_string());
    let name = protocol(cluster);
    let protocol = StreamProtocol::try_from_owned(name.clone()).map_err(|e| setup(&e))?;
    let requests = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(MAX_STREAMS);
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_INCOMING))
        .with_max_established_incoming(Some(MAX_INCOMING))
        .with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER));
    let multiplexing = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(MAX_YAMUX_STREAMS);
        config
    };
    let swarm = SwarmBuilder::with_existing_identity(identity.to_libp2p())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, multiplexing)
        .map_err(|e| setup(&e))?
        .with_behaviour(|key| Behaviour {
            limits: connection_limits::Behaviour::new(limits),
            gate: Gate::new(protocol, requests),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_INTERVAL),
            ),
            // Addresses come from signed announcements, never from what a peer claims here.
            identify: identify::Behaviour::new(
                identify::Config::new(name, key.public())
                    .with_agent_version(format!("consign/{}", env!("CARGO_PKG_VERSION")))
                    .with_cache_size(0)
                    .with_hide_listen_addrs(true),
            ),
        })
        .map_err(|e| setup(&e))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_TIMEOUT))
        .with_connection_timeout(CONNECT_TIMEOUT)
        .build();
    Ok(swarm)
}

/// Listens on one address and returns the real ones behind it. What else happens meanwhile is `early`: peers connect
/// as soon as anything listens.
#[allow(clippy::wildcard_enum_match_arm, reason = "libp2p's enum may grow; the rest means nothing to us")]
async fn listen_on(
    swarm: &mut Swarm<Behaviour>,
    address: &Multiaddr,
    early: &mut Vec<SwarmEvent<BehaviourEvent>>,
) -> Result<Vec<Multiaddr>, P2pError> {
    use libp2p::futures::StreamExt;
    let refused = |reason: String| P2pError::Listen { address: address.clone(), reason };
    ensure_free(address).map_err(|e| refused(super::cannot_listen(&e, "--listen")))?;
    let listener = swarm.listen_on(address.clone()).map_err(|e| refused(why_not(e)))?;
    let mut found = Vec::new();
    loop {
        let patience = if found.is_empty() { LISTEN_TIMEOUT } else { SETTLE };
        let Ok(event) = tokio::time::timeout(patience, swarm.select_next_some()).await else {
            if found.is_empty() {
                return Err(refused("the system names no address for it; name one of its own".to_owned()));
            }
            return Ok(found);
        };
        match event {
            SwarmEvent::NewListenAddr { listener_id, address } if listener_id == listener => {
                found.push(address);
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == listener => {
                return Err(refused(format!("{reason:?}")));
            }
            other => early.push(other),
        }
    }
}

/// Fails if another process listens on the port: libp2p alone would share it, and each of the two processes would get
/// some of the other's connections.
#[allow(clippy::wildcard_enum_match_arm, reason = "libp2p's enum may grow; the rest means nothing to us")]
fn ensure_free(address: &Multiaddr) -> std::io::Result<()> {
    use libp2p::multiaddr::Protocol;
    let mut ip = None;
    let mut port = None;
    for part in address {
        match part {
            Protocol::Ip4(address) => ip = Some(IpAddr::V4(address)),
            Protocol::Ip6(address) => ip = Some(IpAddr::V6(address)),
            Protocol::Tcp(number) => port = Some(number),
            _ => {}
        }
    }
    match (ip, port) {
        (Some(ip), Some(port)) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

/// Why an address cannot be listened on, and what to do.
fn why_not(error: TransportError<std::io::Error>) -> String {
    match error {
        TransportError::MultiaddrNotSupported(_) => {
            "it is not an address like /ip4/192.0.2.1/tcp/7600; correct it with --listen".to_owned()
        }
        TransportError::Other(e) => super::cannot_listen(&e, "--listen"),
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "libp2p's enum may grow; the rest means nothing to us")]
fn is_loopback(address: &Multiaddr) -> bool {
    use libp2p::multiaddr::Protocol;
    address.iter().any(|part| match part {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}

#[cfg(test)]
mod tests;
