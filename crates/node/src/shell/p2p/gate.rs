//! Who may connect, and how large its messages may be: request-response behind a door.
//!
//! A peer is *named* (the core wants it) or a *stranger* (it may do nothing but join). Strangers are few at a time and
//! may say little; the limit is set when the connection is made, before anything of the peer is read.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::request_response::{self, OutboundRequestId, ProtocolSupport, ResponseChannel};
use libp2p::swarm::behaviour::ConnectionEstablished;
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};

use super::frame::{Codec, Frame, Limit, MAX_FRAME_BYTES, MAX_STRANGER_FRAME_BYTES, Taken};
use crate::identity::NodeId;

/// Most strangers connected at a time. They are thrown out after a while, so that others get their turn.
pub(super) const MAX_STRANGERS: usize = 16;

type Inner = request_response::Behaviour<Codec>;

/// Why a connection was turned away.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    /// Its key is of a kind no node has.
    #[error("the peer's key is not an Ed25519 key")]
    NotANode,
    /// There are strangers enough.
    #[error("there are {MAX_STRANGERS} strangers already")]
    TooManyStrangers,
}

/// The behaviour.
pub(super) struct Gate {
    inner: Inner,
    next: Arc<Mutex<Limit>>,
    named: HashSet<PeerId>,
    /// Every connected peer with its limit and the number of its connections.
    connected: HashMap<PeerId, (Limit, usize)>,
}

impl Gate {
    pub(super) fn new(protocol: StreamProtocol, config: request_response::Config) -> Gate {
        let codec = Codec::new();
        let next = codec.next();
        let inner = Inner::with_codec(codec, [(protocol, ProtocolSupport::Full)], config);
        Gate { inner, next, named: HashSet::new(), connected: HashMap::new() }
    }

    /// From now on exactly these peers are named.
    pub(super) fn name(&mut self, named: HashSet<PeerId>) {
        self.named = named;
        for (peer, (limit, _)) in &self.connected {
            limit.store(limit_of(self.named.contains(peer)), Ordering::Relaxed);
        }
    }

    /// Asks a connected peer to take a batch.
    pub(super) fn send(&mut self, to: &PeerId, frame: Frame) -> OutboundRequestId {
        self.inner.send_request(to, frame)
    }

    /// Tells a peer that its batch was taken. A peer that is gone sends it again, and is told then.
    pub(super) fn taken(&mut self, channel: ResponseChannel<Taken>) {
        let _ = self.inner.send_response(channel, Taken);
    }

    /// Lets a peer in, or not, and sets the limit for its new connection.
    fn admit(&mut self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        if NodeId::from_peer_id(peer).is_err() {
            return Err(ConnectionDenied::new(Denied::NotANode));
        }
        let named = self.named.contains(peer);
        let strangers = self.connected.keys().filter(|p| !self.named.contains(p)).count();
        if !named && !self.connected.contains_key(peer) && strangers >= MAX_STRANGERS {
            return Err(ConnectionDenied::new(Denied::TooManyStrangers));
        }
        let limit = match self.connected.get(peer) {
            Some((limit, _)) => limit.clone(),
            None => Limit::new(limit_of(named).into()),
        };
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = limit;
        Ok(())
    }

    /// Counts a connection that `admit` has let in. The limit set there is the peer's own: connections are
    /// made one after the other.
    fn count(&mut self, peer: PeerId) {
        let named = self.named.contains(&peer);
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (limit, connections) = self.connected.entry(peer).or_insert((next, 0));
        limit.store(limit_of(named), Ordering::Relaxed);
        *connections += 1;
    }

    fn uncount(&mut self, peer: &PeerId) {
        if let Some((_, connections)) = self.connected.get_mut(peer) {
            *connections -= 1;
            if *connections == 0 {
                self.connected.remove(peer);
            }
        }
    }
}

fn limit_of(named: bool) -> usize {
    if named { MAX_FRAME_BYTES } else { MAX_STRANGER_FRAME_BYTES }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = <Inner as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = <Inner as NetworkBehaviour>::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&peer)?;
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&peer)?;
        self.inner.handle_established_outbound_connection(id, peer, address, role, port)
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "libp2p's enum may grow; the rest means nothing to us")]
    fn on_swarm_event(&mut self, event: FromSwarm) {
        match &event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, .. }) => self.count(*peer_id),
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, .. }) => self.uncount(peer_id),
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}
