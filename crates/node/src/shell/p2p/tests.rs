//! Two or three transports in one process, on loopback.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::gate::MAX_STRANGERS;
use super::*;
use crate::core::Input;
use crate::core::wire::{MAX_MESSAGE_BYTES, MAX_STRANGER_BYTES};
use crate::shell::inbox::Inbox;

/// Longest time anything here may take; only a failing test gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a transport told its core.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Up(NodeId),
    Down(NodeId),
    Twice(NodeId),
    Said { from: NodeId, bytes: Vec<u8>, stranger: bool },
}

struct Party {
    id: NodeId,
    p2p: P2p,
    inbox: Receiver<Inbox>,
    ready: std::collections::VecDeque<Told>,
}

impl Party {
    async fn start(seed: u8) -> Party {
        Party::at(seed, 7, "/ip4/127.0.0.1/tcp/0").await
    }

    async fn at(seed: u8, cluster: u8, listen: &str) -> Party {
        Party::with(seed, cluster, listen, None).await
    }

    async fn with(seed: u8, cluster: u8, listen: &str, tenure: Option<Tenure>) -> Party {
        let identity = Identity::from_seed(&[seed; 32]);
        let (sender, inbox) = channel();
        let cluster = ClusterId::from_bytes([cluster; 32]);
        let p2p = start(&identity, &cluster, &[listen.parse().unwrap()], sender, tenure).await.unwrap();
        Party { id: identity.node_id(), p2p, inbox, ready: std::collections::VecDeque::new() }
    }

    fn address(&self) -> String {
        self.p2p.addresses[0].to_string()
    }

    fn peer(&self) -> Peer {
        Peer { id: self.id, addresses: vec![self.address()] }
    }

    fn name(&self, peers: &[Peer]) {
        assert!(self.p2p.commands.send(Command::Peers(peers.to_vec())).is_ok());
    }

    fn send(&self, to: &Party, bytes: &[u8]) {
        assert!(self.p2p.commands.send(Command::Send(to.id, bytes.to_vec())).is_ok());
    }

    /// The next thing told, but no round-trip times.
    async fn next(&mut self) -> Told {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(told) = self.ready.pop_front() {
                return told;
            }
            match self.inbox.try_recv() {
                Ok(Inbox::Input(Input::PeerUp(id))) => return Told::Up(id),
                Ok(Inbox::Input(Input::PeerDown(id))) => return Told::Down(id),
                Ok(Inbox::Input(Input::Twice(id))) => return Told::Twice(id),
                Ok(Inbox::Said { from, messages, stranger, taken }) => {
                    self.ready.extend(messages.into_iter().map(|bytes| Told::Said { from, bytes, stranger }));
                    let _ = taken.send(());
                }
                Ok(_) => {}
                Err(_) => {
                    assert!(Instant::now() < end, "nothing was told");
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
    }

    /// The next message, whatever happens to connections meanwhile.
    async fn next_message(&mut self) -> Told {
        loop {
            let told = self.next().await;
            if matches!(told, Told::Said { .. }) {
                return told;
            }
        }
    }
}

fn said(from: &Party, bytes: &[u8]) -> Told {
    Told::Said { from: from.id, bytes: bytes.to_vec(), stranger: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_in_order_in_both_directions() {
    let (mut a, mut b, mut c) = (Party::start(1).await, Party::start(2).await, Party::start(3).await);
    let all = [a.peer(), b.peer(), c.peer()];
    for party in [&a, &b, &c] {
        party.name(&all);
    }
    for i in 0..300_u16 {
        a.send(&b, &i.to_be_bytes());
        b.send(&a, &i.to_be_bytes());
        c.send(&a, &vec![1; 40_000]);
    }
    let (mut from_b, mut from_c) = (0_u16, 0);
    while from_b < 300 || from_c < 300 {
        match a.next_message().await {
            Told::Said { from, bytes, stranger: false } if from == b.id => {
                assert_eq!(bytes, from_b.to_be_bytes());
                from_b += 1;
            }
            Told::Said { from, bytes, stranger: false } if from == c.id => {
                assert_eq!(bytes.len(), 40_000);
                from_c += 1;
            }
            told @ (Told::Up(_) | Told::Down(_) | Told::Twice(_) | Told::Said { .. }) => panic!("{told:?}"),
        }
    }
    for i in 0..300_u16 {
        assert_eq!(b.next_message().await, said(&a, &i.to_be_bytes()));
    }
    let ups = [c.next().await, c.next().await];
    assert!(ups.contains(&Told::Up(a.id)) && ups.contains(&Told::Up(b.id)), "{ups:?}");
}

/// A peer that was thrown out and is let in again hears everything from the first word on, though it has heard as many
/// words before.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_named_again_hears_everything() {
    let (mut a, mut b) = (Party::start(1).await, Party::start(2).await);
    a.name(&[b.peer()]);
    b.name(&[a.peer()]);
    for i in 0..5 {
        a.send(&b, &[i]);
        assert_eq!(b.next_message().await, said(&a, &[i]));
    }
    a.name(&[]);
    while a.next().await != Told::Down(b.id) {}
    a.name(&[b.peer()]);
    a.send(&b, b"again");
    assert_eq!(b.next_message().await, said(&a, b"again"));
    b.send(&a, b"heard");
    assert_eq!(a.next_message().await, said(&b, b"heard"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_an_absent_peer_arrives_when_it_is_back() {
    let mut a = Party::start(1).await;
    let b = Party::start(2).await;
    let (address, id) = (b.address(), b.id);
    a.name(&[b.peer()]);
    b.name(&[a.peer()]);
    assert_eq!(a.next().await, Told::Up(id));
    // Said, but not confirmed: `b` never takes anything from its inbox.
    for i in 0..50_u8 {
        a.send(&b, &[i]);
    }
    b.p2p.finish().await;
    assert_eq!(a.next().await, Told::Down(id));
    for i in 50..100_u8 {
        assert!(a.p2p.commands.send(Command::Send(id, vec![i])).is_ok());
    }
    // It comes back where it was, knowing nothing of what was said.
    let mut b = Party::at(2, 7, &address).await;
    b.name(&[a.peer()]);
    for i in 0..100_u8 {
        assert_eq!(b.next_message().await, said(&a, &[i]));
    }
    assert_eq!(a.next().await, Told::Up(id));
    b.send(&a, b"well");
    assert_eq!(a.next_message().await, said(&b, b"well"));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_flagged_and_may_say_little() {
    let mut founder = Party::start(1).await;
    let mut joiner = Party::start(2).await;
    founder.name(&[]);
    joiner.name(&[founder.peer()]);
    assert_eq!(joiner.next().await, Told::Up(founder.id));
    joiner.send(&founder, b"let me in");
    let asked = Told::Said { from: joiner.id, bytes: b"let me in".to_vec(), stranger: true };
    // Nothing is told of a stranger's connection, only what it says.
    assert_eq!(founder.next().await, asked);
    // Too much for a stranger: never heard, given up, and what follows arrives.
    joiner.send(&founder, &vec![9; 2 * MAX_STRANGER_BYTES]);
    joiner.send(&founder, b"sorry");
    let sorry = Told::Said { from: joiner.id, bytes: b"sorry".to_vec(), stranger: true };
    assert_eq!(founder.next().await, sorry);
    // The founder may say much, and to a stranger too.
    founder.send(&joiner, &vec![8; 1 << 20]);
    assert_eq!(joiner.next().await, said(&founder, &vec![8; 1 << 20]));
    // Once named, it is no stranger, on the same connection.
    founder.name(&[joiner.peer()]);
    assert_eq!(founder.next().await, Told::Up(joiner.id));
    joiner.send(&founder, &vec![7; 4 * MAX_STRANGER_BYTES]);
    assert_eq!(founder.next().await, said(&joiner, &vec![7; 4 * MAX_STRANGER_BYTES]));
    // Dismissed, it is down.
    founder.name(&[]);
    assert_eq!(founder.next().await, Told::Down(joiner.id));
    assert_eq!(joiner.next().await, Told::Down(founder.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_message_passes_and_a_larger_one_is_given_up() {
    let (a, mut b) = (Party::start(1).await, Party::start(2).await);
    a.name(&[b.peer()]);
    b.name(&[a.peer()]);
    a.send(&b, &vec![1; MAX_MESSAGE_BYTES]);
    a.send(&b, &vec![2; MAX_MESSAGE_BYTES + 1]);
    a.send(&b, b"after");
    assert_eq!(b.next_message().await, said(&a, &vec![1; MAX_MESSAGE_BYTES]));
    assert_eq!(b.next_message().await, said(&a, b"after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_another_cluster_are_not_understood() {
    let a = Party::start(1).await;
    let mut b = Party::start(2).await;
    let other = Party::at(3, 8, "/ip4/127.0.0.1/tcp/0").await;
    for party in [&a, &other] {
        party.name(&[b.peer()]);
    }
    b.name(&[a.peer(), other.peer()]);
    other.send(&b, b"wrong cluster");
    a.send(&b, b"right cluster");
    assert_eq!(b.next_message().await, said(&a, b"right cluster"));
    b.send(&other, b"x");
    // The message of the other cluster is given up in the end; none of it has reached `b` then.
    a.send(&b, b"still there");
    assert_eq!(b.next_message().await, said(&a, b"still there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_few_strangers_at_a_time_and_members_pass() {
    let mut founder = Party::start(1).await;
    let member = Party::start(2).await;
    founder.name(&[member.peer()]);
    let mut strangers = Vec::new();
    for seed in 10..10 + u8::try_from(MAX_STRANGERS).unwrap() {
        let stranger = Party::start(seed).await;
        stranger.name(&[founder.peer()]);
        stranger.send(&founder, &[seed]);
        let Told::Said { stranger: true, .. } = founder.next_message().await else { panic!("not heard") };
        strangers.push(stranger);
    }
    let late = Party::start(99).await;
    late.name(&[founder.peer()]);
    late.send(&founder, b"one too many");
    member.name(&[founder.peer()]);
    member.send(&founder, b"member");
    assert_eq!(founder.next_message().await, said(&member, b"member"));
    // One leaves, the late one gets its turn.
    strangers.pop();
    let heard = Told::Said { from: late.id, bytes: b"one too many".to_vec(), stranger: true };
    assert_eq!(founder.next_message().await, heard);
}

#[tokio::test]
async fn a_taken_port_is_a_clear_error() {
    let a = Party::start(1).await;
    let (sender, _inbox) = channel();
    let address: Multiaddr = a.address().parse().unwrap();
    let identity = Identity::from_seed(&[2; 32]);
    let Err(error) = start(&identity, &ClusterId::from_bytes([7; 32]), &[address], sender, None).await else {
        panic!("two listeners on one port")
    };
    let text = error.to_string();
    assert!(text.contains("the port is taken") && text.contains("--listen"), "{text}");
}

/// Two processes with copies of one data folder: whom both speak to notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_identity_shows() {
    let (original, copy, mut witness) = (Party::start(1).await, Party::start(1).await, Party::start(2).await);
    witness.name(&[original.peer()]);
    for party in [&original, &copy] {
        party.name(&[witness.peer()]);
    }
    for turn in 0..10_u8 {
        let speaker = if turn % 2 == 0 { &original } else { &copy };
        speaker.send(&witness, &[turn]);
        loop {
            match witness.next().await {
                Told::Twice(id) => return assert_eq!(id, original.id),
                Told::Said { bytes, .. } if bytes == [turn] => break,
                Told::Up(_) | Told::Down(_) | Told::Said { .. } => {}
            }
        }
    }
    panic!("nobody noticed");
}

/// Nothing is said, nobody is called, while another process may speak for the party; all of it comes after, if it does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_time_is_over_is_silent() {
    let mut b = Party::start(2).await;
    let tenure = Tenure::default();
    let a = Party::with(1, 7, "/ip4/127.0.0.1/tcp/0", Some(tenure.clone())).await;
    a.name(&[b.peer()]);
    a.send(&b, b"late");
    // The other one calls, so there is a connection, over which nothing is said.
    b.name(&[a.peer()]);
    assert_eq!(b.next().await, Told::Up(a.id));
    for i in 0..10_u8 {
        b.send(&a, &[i]);
    }
    let mut a = a;
    for i in 0..10_u8 {
        assert_eq!(a.next_message().await, said(&b, &[i]));
    }
    while let Ok(happened) = b.inbox.try_recv() {
        assert!(!matches!(happened, Inbox::Said { .. }), "it has spoken");
    }
    tenure.go_on();
    assert_eq!(b.next_message().await, said(&a, b"late"));
}

/// A machine vanishes without a word, and another one speaks for its party: what the first one was connected by is given up
/// at once, and not when it has not answered for long.
#[tokio::test(flavor = "multi_thread")]
async fn a_successor_is_heard_and_spoken_to_at_once() {
    let mut a = Party::start(1).await;
    let (peer, id) = (a.peer(), Identity::from_seed(&[2; 32]).node_id());
    let (come, come_here) = tokio::sync::oneshot::channel();
    let (go, going) = channel::<()>();
    let frozen = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let old = runtime.block_on(async {
            let mut old = Party::start(2).await;
            old.name(std::slice::from_ref(&peer));
            assert!(old.p2p.commands.send(Command::Send(peer.id, b"first".to_vec())).is_ok());
            let _ = come.send(old.peer());
            old.next_message().await;
            old
        });
        // From here on nothing runs there, and its sockets stay open.
        let _ = going.recv();
        runtime.block_on(old.p2p.finish());
    });
    a.name(&[come_here.await.unwrap()]);
    assert_eq!(a.next().await, Told::Up(id));
    let of_both = |bytes: &[u8]| Told::Said { from: id, bytes: bytes.to_vec(), stranger: false };
    assert_eq!(a.next().await, of_both(b"first"));
    assert!(a.p2p.commands.send(Command::Send(id, b"well".to_vec())).is_ok());
    let mut new = Party::start(2).await;
    new.name(&[a.peer()]);
    new.send(&a, b"second");
    // The core hears that the first one is gone before it hears the second.
    let told = [a.next().await, a.next().await, a.next().await];
    assert_eq!(told, [Told::Down(id), Told::Up(id), of_both(b"second")]);
    a.send(&new, b"welcome");
    while new.next_message().await != said(&a, b"welcome") {}
    drop(go);
    frozen.join().unwrap();
}
