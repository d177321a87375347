//! Many clients sign from one pool, each request brought to two nodes at once in the same bytes, while nodes are killed
//! and started again: one answer per request, and no presignature for two.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::scope;
use std::time::{Duration, Instant};

use consign_api::client::{Client, Start};
use consign_api::{KeyView, PresignTerms};

use crate::asking::{Answer, Timed, bring, request};
use crate::chance::Chance;
use crate::cluster::Cluster;
use crate::fault::ensure;
use crate::figures::{Tally, ms};
use crate::records::{Records, print_accounts};
use crate::{Fault, Outcome, Setup};

/// How long a client waits for one answer, in seconds.
const WAIT_S: u32 = 30;
/// How much later than that an answer may come: a call is refused or answered in time, whatever happens to nodes.
const GRACE: Duration = Duration::from_secs(32);
/// How long a client tries one request: as long as its signature counts, and a little less.
const TRY_FOR: Duration = Duration::from_secs(8 * 60);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(300);
/// Presignatures of one batch; a request for more than fit is cut.
const BATCH: u32 = 16;
/// The pool is filled up to this level.
const HIGH: u32 = 96;
/// How many requests are asked for again in the end.
const AGAIN: usize = 50;

/// How much is done.
pub struct Size {
    /// Requests in all.
    pub requests: usize,
    /// Clients at a time.
    pub clients: usize,
    /// Pause between two deaths of nodes, at least and at most, in milliseconds.
    pub between_kills_ms: (u64, u64),
}

/// What the clients saw.
#[derive(Default)]
struct Seen {
    /// The signature of each request, `r` and `s`.
    signatures: BTreeMap<usize, String>,
    answers: Tally,
    tries: Tally,
    longest: Duration,
}

struct Trial<'a> {
    cluster: &'a Cluster,
    key: KeyView,
    size: &'a Size,
    seed: u64,
    next: AtomicUsize,
    over: AtomicBool,
    seen: Mutex<Seen>,
}

/// Runs the trial.
///
/// # Errors
/// [`Fault`], if something does not hold.
pub fn run(setup: &Setup, size: &Size) -> Outcome {
    let cluster = Cluster::start(setup, &["anna", "bert", "carl"])?;
    let key = cluster.create_key("pool", setup.level)?;
    let (next, over, seen) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::default());
    let trial = Trial { cluster: &cluster, key, size, seed: setup.seed, next, over, seen };
    let begun = Instant::now();
    let kills = trial.everything()?;
    println!(
        "{} requests by {} clients in {:.0} s",
        size.requests,
        size.clients,
        begun.elapsed().as_secs_f64()
    );
    kills.print("nodes killed and started again");
    cluster.meet()?;
    trial.check()
}

impl Trial<'_> {
    /// All threads, until all requests are answered. Who was killed how often.
    fn everything(&self) -> Outcome<Tally> {
        scope(|threads| {
            let clients: Vec<_> = (0..self.size.clients).map(|_| threads.spawn(|| self.client())).collect();
            let filler = threads.spawn(|| self.fill());
            let killer = threads.spawn(|| self.kill());
            let answered =
                clients.into_iter().map(|client| joined(client.join())).collect::<Outcome<Vec<()>>>();
            self.over.store(true, Ordering::SeqCst);
            let kills = joined(killer.join());
            joined(filler.join())?;
            answered?;
            kills
        })
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Asks for one signature after the other.
    fn client(&self) -> Outcome {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.size.requests || self.is_over() {
                return Ok(());
            }
            let done = self.one(number);
            if done.is_err() {
                self.over.store(true, Ordering::SeqCst);
            }
            done?;
        }
    }

    /// One request, brought to two nodes at once, again and again until one of them answers with the signature.
    fn one(&self, number: usize) -> Outcome {
        let mut chance = Chance::new(self.seed, 1000 + number as u64);
        let message = message(number);
        let signed = request(self.cluster.id, &self.key, &message, &name(number))?;
        let begun = Instant::now();
        for tries in 1.. {
            let (one, other) = chance.two_below(self.cluster.nodes.len());
            let ask = |which: usize| {
                let node = self.cluster.node(which)?;
                self.cluster.at(node, |client| bring(client, &signed, &self.key, &message, WAIT_S))
            };
            let both = scope(|threads| {
                let other = threads.spawn(|| ask(other));
                [ask(one), joined(other.join())]
            });
            let mut done = false;
            for answer in both {
                done |= self.note(number, answer?)?;
            }
            if done {
                self.seen().tries.count(format!("answered at try {tries}"));
                return Ok(());
            }
            ensure(begun.elapsed() < TRY_FOR, || {
                format!("the request {number} has no signature after {tries} tries")
            })?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Whether it is a signature, which must be the one that was seen before, if any was.
    fn note(&self, number: usize, Timed { answer, time }: Timed) -> Outcome<bool> {
        let limit = Duration::from_secs(WAIT_S.into()) + GRACE;
        ensure(time < limit, || format!("an answer took {}", ms(time)))?;
        let mut seen = self.seen();
        seen.longest = seen.longest.max(time);
        seen.answers.count(answer.in_words());
        let Answer::Signature(signature) = answer else { return Ok(false) };
        let this = signature.r.clone() + &signature.s;
        let first = seen.signatures.entry(number).or_insert_with(|| this.clone());
        ensure(*first == this, || format!("the request {number} was answered with two signatures"))?;
        Ok(true)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the pool filled, as far as nodes are there.
    fn fill(&self) -> Outcome {
        let mut chance = Chance::new(self.seed, 1);
        while !self.is_over() {
            let (one, other) = chance.two_below(self.cluster.nodes.len());
            let (one, other) = (self.cluster.node(one)?, self.cluster.node(other)?);
            let level = self.cluster.at(one, |client| client.key(&self.key.id)).map(|key| key.presignatures);
            if level.is_ok_and(|level| level < HIGH) {
                let named = |node: &crate::cluster::Node| {
                    let member = self.key.committee.iter();
                    let mut ids = member.filter(|m| m.name.as_ref().is_some_and(|n| n.as_str() == node.name));
                    ids.next().map(|m| m.validator)
                };
                let signers = [one, other].into_iter().filter_map(named).collect();
                let terms = PresignTerms { count: BATCH, signers };
                // Whoever is dead makes none.
                let start = Start { wait_s: 20, idempotency_key: None, valid_for_s: None };
                let _ = self.cluster.at(one, |client| client.presign(&self.key.id, &terms, &start));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Kills one node after the other, never two at a time. How often each.
    fn kill(&self) -> Outcome<Tally> {
        let mut chance = Chance::new(self.seed, 2);
        let mut kills = Tally::default();
        loop {
            let (from, to) = self.size.between_kills_ms;
            let pause = Instant::now() + Duration::from_millis(chance.between(from, to));
            while Instant::now() < pause {
                if self.is_over() {
                    return Ok(kills);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let node = self.cluster.node(chance.below(self.cluster.nodes.len()))?;
            node.kill()?;
            kills.count(node.name.clone());
            std::thread::sleep(Duration::from_millis(chance.between(0, 2_000)));
            node.start()?;
        }
    }

    /// Everything that can be seen afterwards.
    fn check(&self) -> Outcome {
        self.again()?;
        let records = Records::read(self.cluster)?;
        let found = records.check()?;
        let seen = self.seen();
        seen.answers.print("answers");
        seen.tries.print("requests");
        println!("longest wait for an answer: {}", ms(seen.longest));
        let (used, burnt) = (found.used.len() as u64, found.burnt);
        println!("presignatures used up: {used}; for signatures: {}; burnt in tries: {burnt}", used - burnt);
        found.failures.print("requests that failed at one of the nodes in between, or for good");
        print_accounts(self.cluster, &records)?;
        ensure(seen.signatures.len() == self.size.requests, || "some requests have no answer".to_owned())?;
        // The records of the nodes name the same signatures as the clients saw.
        let recorded: std::collections::BTreeSet<_> =
            found.signatures.values().map(|s| s.r.clone() + &s.s).collect();
        let unknown = seen.signatures.values().filter(|signature| !recorded.contains(*signature)).count();
        ensure(unknown == 0, || format!("{unknown} signatures are in no node's records"))
    }

    /// Some requests once more, in the same bytes as far as the client can, at every node: nothing runs twice.
    fn again(&self) -> Outcome {
        let mut chance = Chance::new(self.seed, 3);
        for _ in 0..AGAIN.min(self.size.requests) {
            let number = chance.below(self.size.requests);
            let message = message(number);
            let signed = request(self.cluster.id, &self.key, &message, &name(number))?;
            for node in &self.cluster.nodes {
                let ask = |client: &Client| bring(client, &signed, &self.key, &message, WAIT_S);
                let timed = self.cluster.at(node, ask)?;
                self.note(number, timed)?;
            }
        }
        Ok(())
    }
}

fn message(number: usize) -> String {
    format!("order {number}")
}

fn name(number: usize) -> String {
    format!("order-{number}")
}

/// What a thread has done; a panic is a fault of the trial.
pub(crate) fn joined<T>(ended: std::thread::Result<Outcome<T>>) -> Outcome<T> {
    ended.unwrap_or_else(|_| Err(Fault::new("a thread of the trial panicked")))
}
