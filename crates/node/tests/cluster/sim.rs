//! The simulated world: machines with disks, links that delay, reorder, duplicate and break, one clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use consign_api as api;
use consign_cggmp24::aux_info::Primes;
use consign_node::core::invitation::Invitation;
use consign_node::core::joining::Door;
use consign_node::core::roster::Charter;
use consign_node::core::wire::PeerMessage;
use consign_node::core::{
    CallId, Input, Job, JobId, Level, Node, Now, Output, Settings, TICK_MS, WriteId, setup,
};
use consign_node::identity::{Identity, NodeId};
use consign_node::store::memory::Memory;
use consign_node::store::{Store, Value, Write};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Unix time at which every simulation begins, in seconds.
const EPOCH: u64 = 1_800_000_000;
/// Longest virtual time that anything may take, in milliseconds.
pub(crate) const PATIENCE_MS: u64 = 10 * 60 * 1000;

pub(crate) type Tamper = Box<dyn FnMut(usize, usize, PeerMessage) -> Vec<Vec<u8>>>;

enum Event {
    Deliver { from: usize, to: usize, bytes: Vec<u8> },
    Stored(usize, u64, WriteId),
    Taken(usize, u64, WriteId, Option<Value>),
    Compute(usize, u64, JobId, Box<Job>),
    Tick(usize, u64),
}

pub(crate) struct Machine {
    pub(crate) identity: Arc<Identity>,
    pub(crate) store: Memory,
    pub(crate) node: Option<Node>,
    boot: u64,
    peers: BTreeSet<NodeId>,
    pub(crate) replies: BTreeMap<CallId, api::Reply>,
    /// Transactions until it loses its power; before or after the last one of them is applied.
    pub(crate) crash_in: Option<(u64, bool)>,
    /// Jobs that were computed.
    pub(crate) jobs: u64,
    pub(crate) writes: u64,
    pub(crate) events: Vec<api::Event>,
    pub(crate) log: Vec<String>,
}

/// How bad the network is, in parts of 1000.
#[derive(Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) duplicate: u64,
    pub(crate) reorder: u64,
    pub(crate) break_link: u64,
}

pub(crate) const STORMY: Weather = Weather { duplicate: 50, reorder: 50, break_link: 10 };

pub(crate) struct Sim {
    pub(crate) seed: u64,
    rng: ChaCha20Rng,
    pub(crate) clock: u64,
    /// How many seconds the wall clocks of all have been put forward: days need not be lived through.
    pub(crate) ahead: u64,
    /// How many seconds the wall clock of one machine is ahead of the others.
    pub(crate) fast: Option<(usize, u64)>,
    pub(crate) machines: Vec<Machine>,
    queue: BTreeMap<(u64, u64), Event>,
    pub(crate) counter: u64,
    /// Messages for peers that are away.
    held: BTreeMap<(usize, usize), Vec<Vec<u8>>>,
    last_due: BTreeMap<(usize, usize), u64>,
    links: BTreeSet<(usize, usize)>,
    pub(crate) cut: BTreeSet<(usize, usize)>,
    broken: Vec<(u64, usize, usize)>,
    pub(crate) weather: Weather,
    pub(crate) tamper: Option<Tamper>,
    /// What is configured of every node that starts from now on.
    pub(crate) keep_presignatures: u32,
    pub(crate) require_clients: bool,
}

impl Drop for Sim {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SEED={}", self.seed);
            for (i, machine) in self.machines.iter().enumerate() {
                for line in machine.log.iter().rev().take(40).rev() {
                    eprintln!("  {i}: {line}");
                }
            }
        }
    }
}

/// The seeds to run: one if the environment names it, else `count`.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(text) => vec![text.parse().expect("SEED must be a number")],
        Err(_) => (1..=count).collect(),
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: ChaCha20Rng::seed_from_u64(seed),
            clock: 0,
            ahead: 0,
            fast: None,
            machines: Vec::new(),
            queue: BTreeMap::new(),
            counter: 0,
            held: BTreeMap::new(),
            last_due: BTreeMap::new(),
            links: BTreeSet::new(),
            cut: BTreeSet::new(),
            broken: Vec::new(),
            weather: Weather::default(),
            tamper: None,
            keep_presignatures: 0,
            require_clients: false,
        }
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.rng.next_u64() % below.max(1)
    }

    fn now(&self) -> Now {
        Now { monotonic: self.clock, unix: EPOCH + self.ahead + self.clock / 1000 }
    }

    pub(crate) fn unix(&self) -> u64 {
        self.now().unix
    }

    /// A founder and `count - 1` nodes that join it by invitation.
    pub(crate) fn cluster(seed: u64, count: usize, weather: Weather) -> Self {
        let mut sim = Self::new(seed);
        sim.weather = weather;
        sim.found(count)
    }

    /// The same, where every node takes part only in what a client has signed.
    pub(crate) fn cluster_for_clients(seed: u64, count: usize) -> Self {
        let mut sim = Self::new(seed);
        sim.require_clients = true;
        sim.found(count)
    }

    fn found(self, count: usize) -> Self {
        let mut sim = self;
        let founder = sim.add_founder();
        for _ in 1..count {
            let invitation = sim.invite(founder);
            let joiner = sim.add_joiner(&invitation);
            sim.until("it is a member everywhere", |sim| sim.is_member(joiner, joiner));
        }
        sim.until("all know all", |sim| {
            let all = 0..sim.machines.len();
            all.clone().all(|i| all.clone().all(|j| sim.is_member(i, j) && sim.sees(i, j)))
        });
        sim
    }

    pub(crate) fn add_founder(&mut self) -> usize {
        let identity = self.identity();
        let salt = [self.machines.len() as u8; 16];
        let first = setup::founder(&identity, self.unix(), salt);
        self.add(identity, first)
    }

    pub(crate) fn add_joiner(&mut self, invitation: &Invitation) -> usize {
        let identity = self.identity();
        let first = setup::joiner(&identity, invitation);
        self.add(identity, first)
    }

    /// A cluster of founders that have met.
    pub(crate) fn founders(seed: u64, count: usize) -> Self {
        let mut sim = Self::new(seed);
        let identities: Vec<_> = (0..count).map(|_| sim.identity()).collect();
        let mut ids: Vec<_> = identities.iter().map(Identity::node_id).collect();
        ids.sort_unstable();
        let charter =
            Charter { founders: ids.clone(), members: ids, created: EPOCH, salt: [7; 16], predecessor: None };
        for identity in identities {
            let first = setup::cofounder(&identity, &charter);
            sim.add(identity, first);
        }
        sim.until("all know all", |sim| {
            (0..count).all(|i| (0..count).all(|j| sim.is_member(i, j) && sim.sees(i, j)))
        });
        sim
    }

    /// A node that asks `member` to be let in.
    pub(crate) fn add_asker(&mut self, member: usize) -> usize {
        let identity = self.identity();
        let cluster = self.machines[member].node.as_ref().unwrap().cluster();
        let door = Door { cluster, peer: self.id(member), addresses: Vec::new() };
        let first = setup::asker(&identity, &door);
        self.add(identity, first)
    }

    fn identity(&mut self) -> Identity {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        Identity::from_seed(&seed)
    }

    fn add(&mut self, identity: Identity, mut first: Vec<Write>) -> usize {
        let which = self.machines.len();
        let ready = consign_zk::testing::primes(consign_cggmp24::Level::Fast, which % 9);
        let primes = Primes::from_parts(ready.paillier, ready.ring_pedersen);
        // The same ones again for further moduli of the same node: enough for a test, and found at once.
        for again in 0..4 {
            let mut name = [which as u8; 16];
            name[15] = again;
            first.push(setup::primes(api::Level::Test, &primes, name));
        }
        let mut store = Memory::new();
        store.apply(&first).unwrap();
        self.machines.push(Machine {
            identity: Arc::new(identity),
            store,
            node: None,
            boot: 0,
            peers: BTreeSet::new(),
            replies: BTreeMap::new(),
            crash_in: None,
            jobs: 0,
            writes: 0,
            events: Vec::new(),
            log: Vec::new(),
        });
        self.boot(which);
        which
    }

    /// The same disks in another world.
    pub(crate) fn revive(&self, seed: u64) -> Self {
        let mut sim = Self::new(seed);
        sim.clock = self.clock;
        for machine in &self.machines {
            sim.machines.push(Machine {
                identity: Arc::clone(&machine.identity),
                store: machine.store.clone(),
                node: None,
                boot: 0,
                peers: BTreeSet::new(),
                replies: BTreeMap::new(),
                crash_in: None,
                jobs: 0,
                writes: 0,
                events: Vec::new(),
                log: Vec::new(),
            });
        }
        for which in 0..sim.machines.len() {
            sim.boot(which);
        }
        sim.until("all are connected", |sim| {
            let all = 0..sim.machines.len();
            all.clone().all(|i| all.clone().all(|j| sim.sees(i, j)))
        });
        sim
    }

    pub(crate) fn boot(&mut self, which: usize) {
        let mut entropy = [0; 32];
        self.rng.fill_bytes(&mut entropy);
        let now = self.now();
        let machine = &mut self.machines[which];
        machine.boot += 1;
        machine.replies.clear();
        machine.crash_in = None;
        machine.events.clear();
        machine.log.push(format!("--- boot at {} ms", now.monotonic));
        let settings = Settings {
            name: format!("node-{which}"),
            addresses: vec![format!("/ip4/127.0.0.1/tcp/{}", 7000 + which)],
            version: "test".to_owned(),
            keep_presignatures: self.keep_presignatures,
            // Both ways in one cluster: nodes agree.
            batch_verification: which.is_multiple_of(2),
            require_clients: self.require_clients,
        };
        let (node, outputs) =
            Node::open(Arc::clone(&machine.identity), settings, &machine.store, entropy, now).unwrap();
        machine.node = Some(node);
        let boot = machine.boot;
        self.at(0, Event::Tick(which, boot));
        self.carry_out(which, outputs);
    }

    /// The power goes; the disk stays.
    pub(crate) fn crash(&mut self, which: usize) {
        self.machines[which].node = None;
        self.machines[which].peers.clear();
        self.machines[which].log.push(format!("--- crash at {} ms", self.clock));
        // What it had not delivered is lost with it.
        self.held.retain(|(from, _), _| *from != which);
        self.queue.retain(|_, event| !matches!(event, Event::Deliver { from, .. } if *from == which));
        self.relink();
    }

    pub(crate) fn is_running(&self, which: usize) -> bool {
        self.machines[which].node.is_some()
    }

    pub(crate) fn id(&self, which: usize) -> NodeId {
        self.machines[which].identity.node_id()
    }

    pub(crate) fn api_id(&self, which: usize) -> api::NodeId {
        api::NodeId(*self.id(which).as_bytes())
    }

    fn which(&self, id: NodeId) -> Option<usize> {
        self.machines.iter().position(|m| m.identity.node_id() == id)
    }

    fn at(&mut self, delay: u64, event: Event) {
        self.counter += 1;
        self.queue.insert((self.clock + delay, self.counter), event);
    }

    fn carry_out(&mut self, which: usize, outputs: Vec<Output>) {
        for output in outputs {
            if self.machines[which].node.is_none() {
                return; // It has just crashed.
            }
            let boot = self.machines[which].boot;
            match output {
                Output::Reply(call, reply) => drop(self.machines[which].replies.insert(call, reply)),
                Output::Send { to, bytes } => self.post(which, to, bytes),
                Output::Peers(peers) => {
                    self.machines[which].peers = peers.into_iter().map(|p| p.id).collect();
                    self.relink();
                }
                Output::Store(id, writes) => {
                    let delay = 1 + self.random(5);
                    if self.write(which, |store| store.apply(&writes).unwrap()) {
                        self.at(delay, Event::Stored(which, boot, id));
                    }
                }
                Output::Take(id, table, key) => {
                    let delay = 1 + self.random(5);
                    let mut taken = None;
                    if self.write(which, |store| taken = store.take(table, &key).unwrap()) {
                        self.at(delay, Event::Taken(which, boot, id, taken));
                    }
                }
                Output::Compute(id, job) => {
                    let delay = 1 + self.random(20);
                    self.at(delay, Event::Compute(which, boot, id, job));
                }
                Output::Event(event) => self.machines[which].events.push(*event),
                Output::Log(level, line) => {
                    let mark = if level == Level::Warn { "WARN " } else { "" };
                    let line = format!("[{}] {mark}{line}", self.clock);
                    self.machines[which].log.push(line);
                }
            }
        }
    }

    /// Applies a transaction, unless the power goes first. False: it has gone.
    fn write(&mut self, which: usize, apply: impl FnOnce(&mut Memory)) -> bool {
        let machine = &mut self.machines[which];
        machine.writes += 1;
        match &mut machine.crash_in {
            None => apply(&mut machine.store),
            Some((0, durable)) => {
                if *durable {
                    apply(&mut machine.store);
                }
                self.crash(which);
                return false;
            }
            Some((left, _)) => {
                *left -= 1;
                apply(&mut machine.store);
            }
        }
        true
    }

    fn post(&mut self, from: usize, to: NodeId, bytes: Vec<u8>) {
        let Some(to) = self.which(to) else { return };
        let Some(tamper) = &mut self.tamper else { return self.transmit(from, to, bytes) };
        let message = PeerMessage::decode(&bytes, false).expect("nodes send what decodes");
        for bytes in tamper(from, to, message) {
            self.transmit(from, to, bytes);
        }
    }

    /// Puts bytes on the wire as they are.
    pub(crate) fn transmit(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        if !self.links.contains(&pair(from, to)) {
            return self.held.entry((from, to)).or_default().push(bytes);
        }
        if self.random(1000) < self.weather.duplicate {
            let delay = 1 + self.random(200);
            self.at(delay, Event::Deliver { from, to, bytes: bytes.clone() });
        }
        let mut due = self.clock + 1 + self.random(40);
        if self.random(1000) >= self.weather.reorder {
            due = due.max(self.last_due.get(&(from, to)).copied().unwrap_or(0));
            self.last_due.insert((from, to), due);
        }
        self.at(due - self.clock, Event::Deliver { from, to, bytes });
        if self.random(1000) < self.weather.break_link {
            let back = self.clock + 1 + self.random(2000);
            self.broken.push((back, from.min(to), from.max(to)));
            self.relink();
        }
    }

    /// Makes connections what they should be, and tells both sides.
    pub(crate) fn relink(&mut self) {
        let now = self.clock;
        self.broken.retain(|(back, ..)| *back > now);
        let mut wanted = BTreeSet::new();
        for a in 0..self.machines.len() {
            for b in a + 1..self.machines.len() {
                let (x, y) = (&self.machines[a], &self.machines[b]);
                let alive = x.node.is_some() && y.node.is_some();
                let asked = x.peers.contains(&self.id(b)) || y.peers.contains(&self.id(a));
                let cut =
                    self.cut.contains(&(a, b)) || self.broken.iter().any(|(_, i, j)| (*i, *j) == (a, b));
                if alive && asked && !cut {
                    wanted.insert((a, b));
                }
            }
        }
        let gone: Vec<_> = self.links.difference(&wanted).copied().collect();
        let new: Vec<_> = wanted.difference(&self.links).copied().collect();
        self.links = wanted;
        for (a, b) in gone {
            self.unplug(a, b);
            self.input(a, Input::PeerDown, b);
            self.input(b, Input::PeerDown, a);
        }
        for (a, b) in new {
            self.input(a, Input::PeerUp, b);
            self.input(b, Input::PeerUp, a);
            for (from, to) in [(a, b), (b, a)] {
                for bytes in self.held.remove(&(from, to)).unwrap_or_default() {
                    self.transmit(from, to, bytes);
                }
            }
        }
    }

    /// What was under way is not acknowledged, so it is sent again later.
    fn unplug(&mut self, a: usize, b: usize) {
        let lost: Vec<_> = self
            .queue
            .iter()
            .filter(|(_, e)| matches!(e, Event::Deliver { from, to, .. } if pair(*from, *to) == (a, b)))
            .map(|(at, _)| *at)
            .collect();
        for at in lost {
            if let Some(Event::Deliver { from, to, bytes }) = self.queue.remove(&at) {
                self.held.entry((from, to)).or_default().push(bytes);
            }
        }
    }

    fn input(&mut self, which: usize, input: impl FnOnce(NodeId) -> Input, other: usize) {
        let id = self.id(other);
        self.handle(which, input(id));
    }

    pub(crate) fn handle(&mut self, which: usize, input: Input) {
        let mut now = self.now();
        now.unix += self.fast.filter(|(fast, _)| *fast == which).map_or(0, |(_, by)| by);
        let Some(node) = &mut self.machines[which].node else { return };
        let outputs = node.handle(now, input);
        self.carry_out(which, outputs);
    }

    /// The next thing happens.
    pub(crate) fn step(&mut self) {
        let Some(((due, _), event)) = self.queue.pop_first() else { return };
        self.clock = due;
        if self.broken.iter().any(|(back, ..)| *back <= due) {
            self.relink();
        }
        let current = |sim: &Self, which: usize, boot: u64| {
            sim.machines[which].boot == boot && sim.machines[which].node.is_some()
        };
        match event {
            Event::Deliver { from, to, bytes } => {
                if self.links.contains(&pair(from, to)) {
                    let (from, stranger) = (self.id(from), !self.machines[to].peers.contains(&self.id(from)));
                    self.handle(to, Input::Peer { from, bytes, stranger });
                } else {
                    self.held.entry((from, to)).or_default().push(bytes);
                }
            }
            Event::Stored(which, boot, id) if current(self, which, boot) => {
                self.handle(which, Input::Stored(id));
            }
            Event::Taken(which, boot, id, value) if current(self, which, boot) => {
                self.handle(which, Input::Taken(id, value));
            }
            Event::Compute(which, boot, id, job) if current(self, which, boot) => {
                let done = job.run(&|_| {});
                self.machines[which].jobs += 1;
                self.handle(which, Input::Computed(id, Box::new(done)));
            }
            Event::Tick(which, boot) if current(self, which, boot) => {
                self.handle(which, Input::Tick);
                self.at(TICK_MS, Event::Tick(which, boot));
            }
            Event::Stored(..) | Event::Taken(..) | Event::Compute(..) | Event::Tick(..) => {}
        }
    }

    /// Runs until something is true.
    pub(crate) fn until(&mut self, what: &str, condition: impl Fn(&mut Self) -> bool) {
        let end = self.clock + PATIENCE_MS;
        let mut next = 0;
        loop {
            // Asking costs more than a step: once per 10 ms of virtual time is often enough.
            if self.clock >= next {
                if condition(self) {
                    return;
                }
                next = self.clock + 10;
            }
            assert!(self.clock < end, "SEED={}: it never came true that {what}", self.seed);
            self.step();
        }
    }

    /// Lets virtual time go by.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.clock + ms;
        while self.clock < end && !self.queue.is_empty() {
            self.step();
        }
    }
}
