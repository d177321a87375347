//! One party runs two processes over a Redis server. The active one is killed under load: the other one answers within ten
//! seconds, no request runs twice, no share is lost. Then the one that is active by now is paused, and goes on when the other
//! has taken over: it writes nothing.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::scope;
use std::time::{Duration, Instant};

use consign_api::KeyView;
use consign_api::client::Client;
use rustix::process::Signal;

use crate::asking::{Answer, bring, request};
use crate::cluster::{Cluster, Host, LOOK, Node, until};
use crate::fault::ensure;
use crate::figures::{Tally, ms};
use crate::pool::joined;
use crate::records::Records;
use crate::{Fault, Outcome, Setup};

/// Within which time the standby answers (system page, section 9).
const TAKEOVER: Duration = Duration::from_secs(10);
/// Clients at a time.
const CLIENTS: usize = 4;
/// How long a client waits for one answer, in seconds, and how long it tries one request.
const WAIT_S: u32 = 20;
const TRY_FOR: Duration = Duration::from_secs(120);
/// Load before and after the death.
const LOAD: Duration = Duration::from_secs(8);
/// How long a process that was revived is watched.
const WATCHED: Duration = Duration::from_secs(15);
/// Number of the party with two processes, and of its second process, among the nodes.
const PARTY: usize = 2;

/// A Redis server that ends with the trial: it is the child of a shell that waits for the end of its standard input.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start(place: &std::path::Path) -> Outcome<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = format!(
            "redis-server --bind 127.0.0.1 --port {port} --dir '{}' --appendonly yes --appendfsync always \
             --maxmemory-policy noeviction --save '' >redis.log 2>&1 & cat; kill $!; wait",
            place.display()
        );
        let child =
            Command::new("sh").args(["-c", &settings]).current_dir(place).stdin(Stdio::piped()).spawn()?;
        let redis = Self { child, port };
        until("the Redis server", || Ok(TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(())))?;
        Ok(redis)
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0?name=party", self.port)
    }

    /// Who has the store, and how often it was taken.
    fn holder(&self) -> Outcome<String> {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string(), "HMGET", "consign:{party}:state", "holder", "fence"]);
        let output = command.output()?;
        ensure(output.status.success(), || "redis-cli fails".to_owned())?;
        let text = String::from_utf8_lossy(&output.stdout).trim().replace('\n', " ");
        ensure(!text.is_empty(), || "the server does not know who has the store".to_owned())?;
        Ok(text)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

struct Trial<'a> {
    cluster: &'a Cluster,
    key: KeyView,
    next: AtomicUsize,
    over: AtomicBool,
    seen: Mutex<(Tally, BTreeMap<usize, String>)>,
}

/// Runs the trial.
///
/// # Errors
/// [`Fault`], if something does not hold.
pub fn run(setup: &Setup) -> Outcome {
    let mut cluster = Cluster::start(setup, &["anna", "carl"])?;
    // Ends before the cluster's folder goes, which is its own, too.
    let redis = Redis::start(cluster.place())?;
    let store = vec!["--store".to_owned(), redis.url()];
    cluster.join(setup, "bert", Host::loopback()?, &store)?;
    cluster.meet()?;
    let key = cluster.create_key("party", setup.level)?;
    cluster.stand_by(setup, "bert2", Host::loopback()?, &store)?;
    let (first, second) = (cluster.node(PARTY)?, cluster.node(PARTY + 1)?);
    println!("one process of the party is active, the other stands by: {}", redis.holder()?);
    let (next, over, seen) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::default());
    let trial = Trial { cluster: &cluster, key, next, over, seen };

    let time = scope(|threads| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| threads.spawn(|| trial.client())).collect();
        let killed = (|| {
            std::thread::sleep(LOAD);
            first.kill()?;
            let time = trial.answers(second)?;
            std::thread::sleep(LOAD);
            Ok::<_, Fault>(time)
        })();
        trial.over.store(true, Ordering::SeqCst);
        clients.into_iter().try_for_each(|client| joined(client.join()))?;
        killed
    })?;
    println!("killed under load; the standby answers signed calls after {}", ms(time));
    ensure(time < TAKEOVER, || format!("the standby took {} to answer", ms(time)))?;
    let seen = trial.seen();
    println!("requests answered: {}, each with one signature", seen.1.len());
    seen.0.print("answers");
    drop(seen);

    // The share is there: with the third holder away it takes the party's.
    cluster.node(1)?.stop()?;
    trial.signs(second, "with the share of the party")?;
    cluster.node(1)?.start()?;

    first.start()?;
    let paused = Instant::now();
    second.signal(Signal::STOP)?;
    let time = trial.answers(first)?;
    println!("paused; the other one answers signed calls after {}", ms(time));
    ensure(time < TAKEOVER, || format!("the standby took {} to answer", ms(time)))?;
    trial.signs(first, "while the other one is paused")?;
    let before = redis.holder()?;
    second.signal(Signal::CONT)?;
    println!("the paused one goes on after {}", ms(paused.elapsed()));
    trial.fenced(second)?;
    let after = redis.holder()?;
    ensure(before == after, || format!("the store was taken: {before}, then {after}"))?;
    trial.signs(first, "after the other one went on")?;

    let found = Records::read_of(&cluster, &[0, 1, PARTY])?.check()?;
    println!(
        "presignatures used up: {}, none twice; signatures: {}",
        found.used.len(),
        found.signatures.len()
    );
    first.stop()?;
    let verified = first.ask(&["audit", "verify"])?;
    let length = verified.get("length").ok_or_else(|| Fault::new("the audit log has no length"))?;
    println!("the audit log of the party holds, with {length} entries");
    Ok(())
}

impl Trial<'_> {
    fn seen(&self) -> std::sync::MutexGuard<'_, (Tally, BTreeMap<usize, String>)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for one signature after the other, each at both processes of the party and at another node, until one answers.
    fn client(&self) -> Outcome {
        while !self.over.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let message = format!("order {number}");
            let signed = request(self.cluster.id, &self.key, &message, &format!("order-{number}"))?;
            let begun = Instant::now();
            let mut done = false;
            while !done {
                for which in [PARTY, PARTY + 1, 0] {
                    let ask = |client: &Client| bring(client, &signed, &self.key, &message, WAIT_S);
                    let timed = self.cluster.at(self.cluster.node(which)?, ask)?;
                    let mut seen = self.seen();
                    seen.0.count(timed.answer.in_words());
                    let Answer::Signature(signature) = timed.answer else { continue };
                    let this = signature.r + &signature.s;
                    let before = seen.1.entry(number).or_insert_with(|| this.clone());
                    ensure(*before == this, || format!("the request {number} was signed twice"))?;
                    done = true;
                }
                ensure(done || begun.elapsed() < TRY_FOR, || {
                    format!("the request {number} is not answered")
                })?;
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }

    /// How long it takes until a node answers signed calls.
    fn answers(&self, node: &Node) -> Outcome<Duration> {
        let begun = Instant::now();
        until("the standby to answer", || {
            Ok(self.cluster.at(node, |client| client.key(&self.key.id)).is_ok().then_some(()))
        })?;
        Ok(begun.elapsed())
    }

    /// The node brings a signature about; it may have to meet the others first.
    fn signs(&self, node: &Node, message: &str) -> Outcome {
        let signed = request(self.cluster.id, &self.key, message, &message.replace(' ', "-"))?;
        until(message, || {
            let ask = |client: &Client| bring(client, &signed, &self.key, message, WAIT_S);
            let timed = self.cluster.at(node, ask)?;
            Ok(matches!(timed.answer, Answer::Signature(_)).then_some(()))
        })
    }

    /// A process that was paused answers nothing any more that takes the store, and ends or stands by.
    fn fenced(&self, node: &Node) -> Outcome {
        let begun = Instant::now();
        while begun.elapsed() < WATCHED {
            let message = format!("at the revived one {}", begun.elapsed().as_millis());
            let signed = request(self.cluster.id, &self.key, &message, &message.replace(' ', "-"))?;
            let ask = |client: &Client| bring(client, &signed, &self.key, &message, 1);
            let answer = self.cluster.at(node, ask)?.answer;
            ensure(!matches!(answer, Answer::Signature(_)), || "the revived one has signed".to_owned())?;
            std::thread::sleep(LOOK);
        }
        let log = node.log();
        let told = log.lines().rev().find(|line| line.contains("taken") && line.contains("over"));
        let told = told.ok_or_else(|| Fault::new("the revived one does not say that it was taken over"))?;
        println!("the revived one: {}", told.split_once(": ").map_or(told, |(_, text)| text));
        Ok(())
    }
}
