//! How long a signature from the pool takes through HTTP, on three nodes on loopback, and what the time goes into; and how
//! many a cluster makes with many clients at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::scope;
use std::time::{Duration, Instant};

use consign_api::client::Start;
use consign_api::{CeremonyState, KeyView, Member, PresignTerms};

use crate::asking::{Answer, Timed, bring, bring_to_the_end, request};
use crate::cluster::{Cluster, Node, until};
use crate::fault::ensure;
use crate::figures::{Tally, ms, percentile};
use crate::pool::joined;
use crate::{Outcome, Setup};

/// Presignatures of one batch, at most: what fits depends on the level.
const BATCH: u32 = 32;
/// Most presignatures that one node has made of a key at another one (`pool.rs` of the node).
const MAX_OF_ONE: u32 = 128;
/// Signatures before the first that is measured.
const WARM: usize = 4;
/// Nodes finish their own records a moment after the client has its answer.
const SETTLE: Duration = Duration::from_millis(15);
/// How long one signature may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// What arithmetic and HTTP may take together at the median.
const TARGET: Duration = Duration::from_millis(5);
/// The steps that nodes measure, and what they are.
const STEPS: [(&str, &str); 6] = [
    ("http", "HTTP"),
    ("call", "the core takes the call: signature, policy, proposal"),
    ("peer", "the core takes messages of peers: signatures, policy"),
    ("go-on", "the core goes on after disk and arithmetic"),
    ("store", "transactions (fsync)"),
    ("compute", "arithmetic"),
];

/// How much is done.
pub struct Size {
    /// Signatures one after the other.
    pub one_by_one: usize,
    /// Signatures of many clients.
    pub together: usize,
    /// Clients at a time.
    pub clients: usize,
    /// Whether to fail where the target is missed: only a release build meets it.
    pub target: bool,
}

/// What one signature took: the client's time, and each step's at the node asked and at the other signer.
struct One {
    all: Duration,
    steps: BTreeMap<(bool, &'static str), Duration>,
}

/// Runs the trial.
///
/// # Errors
/// [`Fault`](crate::Fault), if a signature fails, or the target is missed.
pub fn run(setup: &Setup, size: &Size) -> Outcome {
    let cluster = Cluster::start(setup, &["anna", "bert", "carl"])?;
    let key = cluster.create_key("fast", setup.level)?;
    // The first ones pay for what is done once per process.
    fill(&cluster, &key, WARM / 2)?;
    one_by_one(&cluster, &key, WARM, "warm")?;
    // Each of the two nodes uses up as many of its own as the other: so nothing is left that the next filling has no room for.
    let mut left = size.one_by_one.next_multiple_of(2);
    let mut ones = Vec::new();
    while left > 0 {
        let now = left.min(MAX_OF_ONE as usize);
        fill(&cluster, &key, now / 2)?;
        ones.extend(one_by_one(&cluster, &key, now, &format!("left{left}"))?);
        left -= now;
    }
    let work = print(&mut ones);
    together(&cluster, &key, size)?;
    ensure(!size.target || work < TARGET, || {
        format!("arithmetic and HTTP take {} at the median, and may take {}", ms(work), ms(TARGET))
    })
}

/// So many presignatures of each of the first two nodes' own.
fn fill(cluster: &Cluster, key: &KeyView, each: usize) -> Outcome {
    let (one, other) = (cluster.node(0)?, cluster.node(1)?);
    let id = |node: &Node| {
        let named = |m: &&Member| m.name.as_ref().is_some_and(|name| name.as_str() == node.name);
        key.committee.iter().find(named).map(|m| m.validator)
    };
    let wanted = u32::try_from(2 * each).unwrap_or(u32::MAX);
    for turn in 0.. {
        let level = cluster.at(one, |client| client.key(&key.id))?.presignatures;
        if level >= wanted {
            return Ok(());
        }
        // By turns: each node takes only so many of another one's making.
        let asked = if turn % 2 == 0 { one } else { other };
        let signers = [id(one), id(other)].into_iter().flatten().collect();
        let count = (wanted - level).next_multiple_of(2).min(BATCH);
        let terms = PresignTerms { count, signers };
        let start = Start { wait_s: 120, idempotency_key: None, valid_for_s: None };
        let made = cluster.at(asked, |client| client.presign(&key.id, &terms, &start))?;
        ensure(made.state == CeremonyState::Done, || "presignatures take too long".to_owned())?;
        until("both to have them", || {
            let at = |node| Ok::<_, crate::Fault>(cluster.at(node, |c| c.key(&key.id))?.presignatures);
            Ok((at(one)? == at(other)?).then_some(()))
        })?;
    }
    Ok(())
}

/// Signatures one after the other, at the first two nodes by turns, whose own presignatures serve.
fn one_by_one(cluster: &Cluster, key: &KeyView, count: usize, name: &str) -> Outcome<Vec<One>> {
    let mut ones = Vec::new();
    for number in 0..count {
        let (asked, other) = (cluster.node(number % 2)?, cluster.node(1 - number % 2)?);
        let message = format!("{name} {number}");
        let signed = request(cluster.id, key, &message, &format!("{name}-{number}"))?;
        let before = [steps(asked)?, steps(other)?];
        let Timed { answer, time } = cluster.at(asked, |client| bring(client, &signed, key, &message, 30))?;
        let Answer::Signature(signature) = &answer else {
            return Err(crate::Fault::new(format!("no signature: {}", answer.in_words())));
        };
        ensure(signature.presigned, || "a signature was made without the pool".to_owned())?;
        std::thread::sleep(SETTLE);
        let after = [steps(asked)?, steps(other)?];
        let mut steps = BTreeMap::new();
        for (is_asked, (before, after)) in [true, false].into_iter().zip(before.iter().zip(&after)) {
            for (step, _) in STEPS {
                let sum = |all: &BTreeMap<String, f64>| all.get(step).copied().unwrap_or(0.0);
                let took = Duration::from_secs_f64((sum(after) - sum(before)).max(0.0));
                steps.insert((is_asked, step), took);
            }
        }
        ones.push(One { all: time, steps });
    }
    Ok(ones)
}

/// The seconds that each step has taken at a node so far.
fn steps(node: &Node) -> Outcome<BTreeMap<String, f64>> {
    let text = node.metrics()?;
    let sum = |line: &str| {
        let (step, sum) = line.strip_prefix("consign_step_seconds_sum{step=\"")?.split_once("\"} ")?;
        Some((step.to_owned(), sum.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(sum).collect())
}

/// Prints the breakdown. Arithmetic and HTTP together at the median: of both signers, and with the checks of signatures.
fn print(ones: &mut [One]) -> Duration {
    let mut all: Vec<_> = ones.iter().map(|one| one.all).collect();
    println!(
        "one by one: {} signatures from the pool; as the client sees it: p50 {}, p99 {}, longest {}",
        ones.len(),
        ms(percentile(&mut all, 50)),
        ms(percentile(&mut all, 99)),
        ms(percentile(&mut all, 100)),
    );
    for (is_asked, title) in [(true, "at the node asked"), (false, "at the other signer")] {
        println!("  {title}:");
        for (step, what) in STEPS {
            let mut times: Vec<_> =
                ones.iter().filter_map(|one| one.steps.get(&(is_asked, step)).copied()).collect();
            let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
            println!("    p50 {:>10}  p99 {:>10}  {what}", ms(p50), ms(p99));
        }
    }
    let median = |sum: &dyn Fn(&One) -> Duration| {
        let mut times: Vec<_> = ones.iter().map(sum).collect();
        percentile(&mut times, 50)
    };
    let of = |one: &One, which: &[(bool, &'static str)]| -> Duration {
        which.iter().filter_map(|step| one.steps.get(step)).sum()
    };
    let here =
        [(true, "http"), (true, "call"), (true, "peer"), (true, "go-on"), (true, "store"), (true, "compute")];
    let rest = median(&|one| one.all.saturating_sub(of(one, &here)));
    println!(
        "  p50 {:>10}  the rest: network, the other signer, the client's own connection and checks",
        ms(rest)
    );
    let crypto = [
        (true, "http"),
        (true, "compute"),
        (false, "compute"),
        (true, "call"),
        (true, "peer"),
        (false, "peer"),
    ];
    let work = median(&|one| of(one, &crypto));
    println!(
        "  p50 {:>10}  arithmetic and HTTP, of both signers, with all checks of signatures and policies",
        ms(work)
    );
    work
}

/// Many clients at a time; what the pool does not have is signed without.
fn together(cluster: &Cluster, key: &KeyView, size: &Size) -> Outcome {
    fill(cluster, key, (size.together / 2).min(MAX_OF_ONE as usize))?;
    let next = AtomicUsize::new(0);
    let seen: Mutex<(Tally, Vec<Duration>)> = Mutex::default();
    let client = || -> Outcome {
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= size.together {
                return Ok(());
            }
            let node = cluster.node(number % 2)?;
            let message = format!("together {number}");
            let signed = request(cluster.id, key, &message, &message.replace(' ', "-"))?;
            let begun = Instant::now();
            let words = loop {
                let timed = cluster.at(node, |c| bring_to_the_end(c, &signed, key, &message, DEADLINE))?;
                match &timed.answer {
                    Answer::Signature(_) => break timed.answer.in_words(),
                    // The node has all the work it may take: asked again.
                    Answer::Problem(kind, _) if kind == "busy" && begun.elapsed() < DEADLINE => {
                        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                        seen.0.count("told to ask again: the node was busy");
                        drop(seen);
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    other => return Err(crate::Fault::new(format!("{number}: {}", other.in_words()))),
                }
            };
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.0.count(words);
            seen.1.push(begun.elapsed());
        }
    };
    let begun = Instant::now();
    scope(|threads| {
        let clients: Vec<_> = (0..size.clients).map(|_| threads.spawn(client)).collect();
        clients.into_iter().map(|client| joined(client.join())).collect::<Outcome<Vec<()>>>()
    })?;
    let time = begun.elapsed().as_secs_f64();
    let (tally, mut times) = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let rate = size.together as f64 / time;
    println!(
        "together: {} signatures by {} clients in {time:.2} s: {rate:.0} a second; p50 {}, p99 {}",
        size.together,
        size.clients,
        ms(percentile(&mut times, 50)),
        ms(percentile(&mut times, 99)),
    );
    tally.print("  answers");
    Ok(())
}
