//! The task that owns the swarm: orders in, events out.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use libp2p::futures::StreamExt;
use libp2p::futures::stream::FuturesUnordered;
use libp2p::request_response::{self, OutboundFailure, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, ping};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use super::frame::{Frame, Taken};
use super::link::{Heard, Link, pause};
use super::{Behaviour, BehaviourEvent, Command};
use crate::core::{Input, Peer};
use crate::identity::NodeId;
use crate::shell::inbox::{Inbox, InboxSender};
use crate::store::Tenure;

/// How often dials, retries and strangers are looked after.
const CARE_INTERVAL: Duration = Duration::from_millis(100);
/// How long a stranger may stay: long enough to join.
const STRANGER_TIME: Duration = Duration::from_secs(120);
/// Most batches of one peer that wait for the core. An honest peer has one under way, and after a lost connection
/// perhaps another.
const MAX_WAITING: usize = 2;

type Confirmation = Pin<Box<dyn Future<Output = (NodeId, Option<ResponseChannel<Taken>>)> + Send>>;

/// A peer as the driver knows it.
struct Known {
    /// Named by the core.
    named: bool,
    addresses: Vec<Multiaddr>,
    /// Since when it is connected.
    connected: Option<Instant>,
    /// Its connections, the oldest first.
    connections: Vec<ConnectionId>,
    link: Link,
    heard: Heard,
    /// Batches that wait for the core.
    waiting: usize,
    failed_dials: u32,
    dial_at: Option<Instant>,
}

impl Known {
    fn new(sessions: &mut Sessions) -> Self {
        Self {
            named: false,
            addresses: Vec::new(),
            connected: None,
            connections: Vec::new(),
            link: sessions.link(),
            heard: Heard::default(),
            waiting: 0,
            failed_dials: 0,
            dial_at: None,
        }
    }
}

/// Names for the ways to peers, counted up from a random number: no two processes and no two ways have the same.
struct Sessions(u64);

impl Sessions {
    fn link(&mut self) -> Link {
        self.0 = self.0.wrapping_add(1);
        Link::new(self.0)
    }
}

pub(super) struct Driver {
    swarm: Swarm<Behaviour>,
    inbox: InboxSender,
    sessions: Sessions,
    me: PeerId,
    peers: BTreeMap<NodeId, Known>,
    ids: HashMap<PeerId, NodeId>,
    confirmations: FuturesUnordered<Confirmation>,
    tenure: Option<Tenure>,
}

impl Driver {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        inbox: InboxSender,
        session: u64,
        tenure: Option<Tenure>,
    ) -> Driver {
        let me = *swarm.local_peer_id();
        let (peers, ids) = (BTreeMap::new(), HashMap::new());
        Driver {
            swarm,
            inbox,
            sessions: Sessions(session),
            me,
            peers,
            ids,
            confirmations: FuturesUnordered::new(),
            tenure,
        }
    }

    /// Whether another process may speak for this node's party by now.
    fn is_silent(&self) -> bool {
        self.tenure.as_ref().is_some_and(Tenure::is_over)
    }

    /// Runs until nobody can give orders any more; `early` happened before.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Command>,
        early: Vec<SwarmEvent<BehaviourEvent>>,
    ) {
        for event in early {
            self.event(event);
        }
        let mut care = tokio::time::interval(CARE_INTERVAL);
        care.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Command::Send(to, bytes)) => self.send(to, bytes),
                    Some(Command::Peers(peers)) => self.name(peers),
                    None => return,
                },
                event = self.swarm.select_next_some() => self.event(event),
                Some((from, channel)) = self.confirmations.next(), if !self.confirmations.is_empty() => {
                    self.confirm(from, channel);
                }
                _ = care.tick() => self.care(),
            }
        }
    }

    fn tell(&self, input: Input) {
        // The core is gone only when the node stops; then nobody needs to know.
        let _ = self.inbox.send(Inbox::Input(input));
    }

    fn send(&mut self, to: NodeId, bytes: Vec<u8>) {
        let Some(known) = self.peers.get_mut(&to).filter(|k| k.named || k.connected.is_some()) else {
            debug!(peer = %to, "a message to a peer that is neither named nor connected is dropped");
            return;
        };
        let dropped = known.link.push(bytes);
        if dropped > 0 {
            warn!(peer = %to, dropped, "the queue to this peer is full: its oldest messages are dropped");
        }
        self.flush(to);
    }

    /// From now on exactly these peers are named; the others are thrown out.
    fn name(&mut self, peers: Vec<Peer>) {
        let mut named = BTreeMap::new();
        for peer in peers.into_iter().filter(|p| p.id.to_peer_id() != self.me) {
            let addresses =
                peer.addresses.iter().filter_map(|text| crate::config::parse_address(text)).collect();
            named.insert(peer.id, addresses);
        }
        let ids = named.keys().map(NodeId::to_peer_id).collect();
        self.swarm.behaviour_mut().gate.name(ids);
        let dismissed: Vec<NodeId> = self
            .peers
            .iter()
            .filter(|(id, k)| k.named && !named.contains_key(id))
            .map(|(id, _)| *id)
            .collect();
        for id in dismissed {
            let Some(known) = self.peers.get_mut(&id) else { continue };
            known.named = false;
            known.link = self.sessions.link();
            if known.connected.is_some() {
                self.tell(Input::PeerDown(id));
                self.disconnect(id);
            } else {
                self.forget(id);
            }
        }
        for (id, addresses) in named {
            self.ids.insert(id.to_peer_id(), id);
            let known = self.peers.entry(id).or_insert_with(|| Known::new(&mut self.sessions));
            let is_new = !known.named;
            known.named = true;
            if known.addresses != addresses || is_new {
                known.addresses = addresses;
                (known.failed_dials, known.dial_at) = (0, None);
            }
            if is_new && known.connected.is_some() {
                self.tell(Input::PeerUp(id));
            }
        }
        self.care();
    }

    /// Dials who is away, says what is waiting, throws out strangers whose time is up.
    fn care(&mut self) {
        if self.is_silent() {
            return;
        }
        let now = Instant::now();
        let ids: Vec<NodeId> = self.peers.keys().copied().collect();
        for id in ids {
            let Some(known) = self.peers.get(&id) else { continue };
            match known.connected {
                Some(since) if !known.named && now.duration_since(since) > STRANGER_TIME => {
                    debug!(peer = %id, "a stranger did not join in time");
                    self.disconnect(id);
                }
                Some(_) => self.flush(id),
                None if known.named && !known.addresses.is_empty() => self.dial(id, now),
                None => {}
            }
        }
    }

    fn dial(&mut self, id: NodeId, now: Instant) {
        let Some(known) = self.peers.get_mut(&id) else { return };
        if known.dial_at.is_some_and(|at| now < at) {
            return;
        }
        // Set again when the dial fails; until then the condition keeps a second one away.
        known.dial_at = Some(now + pause(known.failed_dials + 1));
        // A new port: from the port it listens on, two nodes that dial each other at once would meet in one
        // connection that neither answers.
        let options = DialOpts::peer_id(id.to_peer_id())
            .addresses(known.addresses.clone())
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .allocate_new_port()
            .build();
        match self.swarm.dial(options) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => debug!(peer = %id, %error, "cannot dial"),
        }
    }

    fn disconnect(&mut self, id: NodeId) {
        let _ = self.swarm.disconnect_peer_id(id.to_peer_id());
    }

    fn forget(&mut self, id: NodeId) {
        self.peers.remove(&id);
        self.ids.remove(&id.to_peer_id());
    }

    /// Says the next batch, if the peer is there and ready.
    fn flush(&mut self, id: NodeId) {
        let is_silent = self.is_silent();
        let Some(known) = self.peers.get_mut(&id) else { return };
        if is_silent || known.connected.is_none() || known.link.is_empty() {
            return;
        }
        let Some(frame) = known.link.next(Instant::now()) else { return };
        let (first, count) = (frame.first, frame.messages.len());
        let request = self.swarm.behaviour_mut().gate.send(&id.to_peer_id(), frame);
        known.link.sent(request, first, count);
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "libp2p's enum may grow; the rest means nothing to us")]
    fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, num_established, .. } => {
                self.connected(peer_id, connection_id, num_established.get() == 1);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, cause, .. } => {
                debug!(%peer_id, ?cause, "connection closed");
                self.closed(peer_id, connection_id, num_established == 0);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                debug!(%peer, %error, "dial failed");
                if let Some(known) = self.ids.get(&peer).and_then(|id| self.peers.get_mut(id)) {
                    known.failed_dials = known.failed_dials.saturating_add(1);
                    known.dial_at = Some(Instant::now() + pause(known.failed_dials));
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                debug!(%send_back_addr, %error, "an incoming connection failed");
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                warn!(?addresses, ?reason, "no longer listening: restart the node");
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gate(event)) => self.request(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { peer, connection, result })) => {
                match (result, self.ids.get(&peer)) {
                    (Ok(time), Some(id)) if self.peers.get(id).is_some_and(|k| k.named) => {
                        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                        self.tell(Input::Latency(*id, ms));
                    }
                    (Ok(_), _) => {}
                    (Err(error), _) => {
                        info!(%peer, %error, "the peer does not answer: closing the connection");
                        self.swarm.close_connection(connection);
                    }
                }
            }
            _ => {}
        }
    }

    fn connected(&mut self, peer: PeerId, connection: ConnectionId, is_first: bool) {
        // The gate lets in nobody else.
        let Ok(id) = NodeId::from_peer_id(&peer) else { return };
        self.ids.insert(peer, id);
        let known = self.peers.entry(id).or_insert_with(|| Known::new(&mut self.sessions));
        known.connections.push(connection);
        if !is_first {
            return;
        }
        known.connected = Some(Instant::now());
        known.failed_dials = 0;
        if known.named {
            self.tell(Input::PeerUp(id));
        }
        self.flush(id);
    }

    fn closed(&mut self, peer: PeerId, connection: ConnectionId, was_last: bool) {
        let Some(id) = self.ids.get(&peer).copied() else { return };
        let Some(known) = self.peers.get_mut(&id) else { return };
        known.connections.retain(|other| *other != connection);
        if !was_last {
            return;
        }
        known.connected = None;
        known.dial_at = None;
        if known.named {
            self.tell(Input::PeerDown(id));
        } else {
            self.forget(id);
        }
    }

    /// Another process of the peer speaks than before, over this connection: what is older belongs to the one before, whose
    /// machine may have vanished without a word. To the core the peer has gone and come.
    fn succeed(&mut self, id: NodeId, connection: ConnectionId) {
        let Some(known) = self.peers.get_mut(&id) else { return };
        let Some(place) = known.connections.iter().position(|other| *other == connection) else { return };
        if place == 0 {
            return;
        }
        for old in known.connections.drain(..place) {
            self.swarm.close_connection(old);
        }
        if known.named {
            self.tell(Input::PeerDown(id));
            self.tell(Input::PeerUp(id));
        }
    }

    fn request(&mut self, event: request_response::Event<Frame, Taken>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, connection_id, message: Message::Request { request, channel, .. } } => {
                self.said(peer, connection_id, request, channel);
            }
            Event::Message { peer, message: Message::Response { request_id, .. }, .. } => {
                let Some(id) = self.ids.get(&peer).copied() else { return };
                if let Some(known) = self.peers.get_mut(&id) {
                    known.link.taken(request_id);
                }
                self.flush(id);
            }
            Event::OutboundFailure { peer, connection_id, request_id, error } => {
                debug!(%peer, %error, "a batch was not confirmed");
                let refused = match error {
                    OutboundFailure::Io(_) | OutboundFailure::UnsupportedProtocols => true,
                    OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => false,
                    OutboundFailure::Timeout => {
                        // Perhaps only this connection is stuck.
                        self.swarm.close_connection(connection_id);
                        false
                    }
                };
                let Some(known) = self.ids.get(&peer).and_then(|id| self.peers.get_mut(id)) else { return };
                if known.link.failed(request_id, refused, Instant::now()) {
                    warn!(%peer, "the peer refuses a message again and again: it is given up");
                }
            }
            Event::InboundFailure { peer, error, .. } => debug!(%peer, %error, "a batch was not readable"),
            Event::ResponseSent { .. } => {}
        }
    }

    /// Passes a batch on to the core.
    fn said(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        frame: Frame,
        channel: ResponseChannel<Taken>,
    ) {
        let Some(id) = self.ids.get(&peer).copied() else { return };
        let Some(known) = self.peers.get_mut(&id) else { return };
        if known.waiting >= MAX_WAITING {
            debug!(%peer, "the peer sends faster than it may");
            return;
        }
        if known.heard.is_successor(&frame) {
            self.succeed(id, connection);
        }
        let Some(known) = self.peers.get_mut(&id) else { return };
        let was_twice = known.heard.is_twice();
        let messages = known.heard.news(frame);
        let is_news = !was_twice && known.heard.is_twice();
        known.waiting += 1;
        let (taken, waiting) = oneshot::channel();
        let stranger = !known.named;
        let _ = self.inbox.send(Inbox::Said { from: id, messages, stranger, taken });
        if is_news {
            self.tell(Input::Twice(id));
        }
        self.confirmations.push(Box::pin(async move { (id, waiting.await.is_ok().then_some(channel)) }));
    }

    /// The core has taken a batch; without a channel it is gone.
    fn confirm(&mut self, from: NodeId, channel: Option<ResponseChannel<Taken>>) {
        if let Some(known) = self.peers.get_mut(&from) {
            known.waiting = known.waiting.saturating_sub(1);
        }
        if let Some(channel) = channel {
            self.swarm.behaviour_mut().gate.taken(channel);
        }
    }
}
