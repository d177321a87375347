//! A peer that says any bytes: Noise with the right identity, the right protocol, and nothing else right.

use std::io;
use std::time::Duration;

use consign_api::ClusterId;
use consign_node::identity::Identity;
use consign_node::shell::p2p::PROTOCOL_VERSION;
use libp2p::futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, ping, tcp, yamux};

use crate::cluster::Host;
use crate::figures::Tally;
use crate::{Fault, Outcome};

/// Frames under way at a time: fewer than a node takes.
const AT_A_TIME: usize = 6;
/// How long a frame may be without an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a slow frame pauses in the middle.
const PAUSE: Duration = Duration::from_millis(300);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// What is written to a stream.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// The bytes, with the length of the frame or what passes for it.
    pub(super) bytes: Vec<u8>,
    /// Whether to pause in the middle.
    pub(super) slowly: bool,
}

#[derive(Clone, Default)]
struct Raw;

#[derive(NetworkBehaviour)]
struct Behaviour {
    requests: request_response::Behaviour<Raw>,
    ping: ping::Behaviour,
}

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Said;
    type Response = ();

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Said>
    where
        T: AsyncRead + Unpin + Send,
    {
        // What the node says is of no interest, and it is told that all is well.
        let mut bytes = Vec::new();
        io.take(1 << 20).read_to_end(&mut bytes).await?;
        Ok(Said { bytes, slowly: false })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<()>
    where
        T: AsyncRead + Unpin + Send,
    {
        io.read_exact(&mut [0]).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, said: Said) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let (begin, end) = said.bytes.split_at(said.bytes.len() / 2);
        io.write_all(begin).await?;
        if said.slowly {
            io.flush().await?;
            tokio::time::sleep(PAUSE).await;
        }
        io.write_all(end).await?;
        io.close().await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, (): ()) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&[1]).await?;
        io.close().await
    }
}

/// Says all of it to the node on a host, in this identity. What became of it, under this name.
pub(super) async fn say(
    host: &Host,
    cluster: ClusterId,
    identity: &Identity,
    name: &str,
    mut next: impl FnMut() -> Option<Said>,
) -> Outcome<Tally> {
    let address: Multiaddr = format!("/ip4/{}/tcp/{}", host.address, host.port).parse()?;
    let mut tally = Tally::default();
    let mut waiting = next();
    let mut refusals = 0;
    while waiting.is_some() {
        let mut swarm = swarm(cluster, identity)?;
        swarm.dial(address.clone())?;
        let Some(peer) = connected(&mut swarm).await else {
            refusals += 1;
            tally.count(format!("{name}: not let in"));
            if refusals > 100 {
                return Err(Fault::new(format!("the node does not let in: {name}")));
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let mut under_way = 0;
        while waiting.is_some() || under_way > 0 {
            while under_way < AT_A_TIME
                && let Some(said) = waiting.take()
            {
                swarm.behaviour_mut().requests.send_request(&peer, said);
                under_way += 1;
                waiting = next();
            }
            use request_response::{Event, Message};
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(BehaviourEvent::Requests(Event::Message {
                    message: Message::Response { .. },
                    ..
                })) => {
                    under_way -= 1;
                    tally.count(format!("{name}: read to the end"));
                }
                SwarmEvent::Behaviour(BehaviourEvent::Requests(Event::Message {
                    message: Message::Request { channel, .. },
                    ..
                })) => {
                    let _ = swarm.behaviour_mut().requests.send_response(channel, ());
                }
                SwarmEvent::Behaviour(BehaviourEvent::Requests(Event::OutboundFailure { .. })) => {
                    under_way -= 1;
                    tally.count(format!("{name}: refused"));
                }
                SwarmEvent::ConnectionClosed { num_established: 0, .. } => break,
                _ => {}
            }
        }
        for _ in 0..under_way {
            tally.count(format!("{name}: the connection was ended"));
        }
    }
    Ok(tally)
}

/// The peer, once there is a connection.
async fn connected(swarm: &mut Swarm<Behaviour>) -> Option<libp2p::PeerId> {
    let wait = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => return Some(peer_id),
                SwarmEvent::OutgoingConnectionError { .. } => return None,
                _ => {}
            }
        }
    };
    tokio::time::timeout(CONNECT, wait).await.ok().flatten()
}

fn swarm(cluster: ClusterId, identity: &Identity) -> Outcome<Swarm<Behaviour>> {
    let name = format!("/consign/{cluster}/{PROTOCOL_VERSION}");
    let protocol = StreamProtocol::try_from_owned(name)?;
    let config = request_response::Config::default().with_request_timeout(PATIENCE);
    let failed = |e: &dyn std::fmt::Display| Fault::new(e.to_string());
    Ok(SwarmBuilder::with_existing_identity(identity.to_libp2p())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|e| failed(&e))?
        .with_behaviour(|_| Behaviour {
            requests: request_response::Behaviour::with_codec(
                Raw,
                [(protocol, ProtocolSupport::Full)],
                config,
            ),
            ping: ping::Behaviour::default(),
        })
        .map_err(|e| failed(&e))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build())
}
