//! Three hosts: a cluster formed from one address; one host cut off, and back; then signatures while hosts are cut off, and
//! nodes killed and started again, at random.

pub mod netns;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::scope;
use std::time::{Duration, Instant};

use consign_api::client::{Client, Start};
use consign_api::{KeyView, NodeId, PresignTerms, ValidatorView};

use self::netns::{Net, address};
use crate::asking::{Answer, Timed, bring_to_the_end, request};
use crate::chance::Chance;
use crate::cluster::{Cluster, Host, Node, until};
use crate::fault::ensure;
use crate::figures::{Tally, ms};
use crate::pool::joined;
use crate::records::Records;
use crate::{Outcome, Setup};

/// The hosts.
const NAMES: [&str; 3] = ["anna", "bert", "carl"];
/// Ports on every host: of the node and of its API. The second pair is for a node that comes later.
const PORTS: [(u16, u16); 2] = [(7600, 7601), (7602, 7603)];
/// When a request must be over, one way or the other: three tries of a signature of two signers, the pauses between them,
/// and what a node that was cut off takes to notice.
const DEADLINE: Duration = Duration::from_secs(150);
/// Presignatures that each pair of nodes makes.
const BATCH: u32 = 8;
/// Clients at a time.
const CLIENTS: usize = 3;
/// Shortest and longest pause of a client before each request, in milliseconds.
const THINK_MS: (u64, u64) = (0, 4_000);
/// Shortest and longest pause between two blows, and time until what was broken is mended, in milliseconds.
const PAUSE_MS: (u64, u64) = (500, 6_000);
const BROKEN_MS: (u64, u64) = (500, 20_000);

/// Runs the trial with so many signatures.
///
/// # Errors
/// [`Fault`](crate::Fault), if something does not hold.
pub fn run(setup: &Setup, signatures: usize) -> Outcome {
    let net = Net::new(NAMES.len())?;
    let begun = Instant::now();
    let host = |number: usize, (port, api): (u16, u16)| Host {
        namespace: net.hosts().get(number).cloned(),
        address: address(number),
        port,
        api,
    };
    let hosts = (0..NAMES.len()).map(|number| host(number, PORTS[0])).collect();
    let mut cluster = Cluster::start_on(setup, &NAMES, hosts, &[])?;
    println!("a cluster on three hosts, from one address each: {}", ms(begun.elapsed()));
    let key = cluster.create_key("hosts", setup.level)?;
    presign(&cluster, &key)?;

    let begun = Instant::now();
    net.connect(2, false)?;
    let carl = cluster.node(2)?.name.clone();
    until("the others to miss the host that was cut off", || {
        let validators = cluster.at(cluster.node(0)?, Client::validators)?;
        let missed =
            |v: &ValidatorView| !v.connected && v.name.as_ref().is_some_and(|name| name.as_str() == carl);
        Ok(validators.iter().any(missed).then_some(()))
    })?;
    println!("a host that was cut off is missed after {}", ms(begun.elapsed()));
    sign_at(&cluster, &key, 0, "while carl is cut off")?;
    cluster.join(setup, "dora", host(1, PORTS[1]), &[])?;
    let begun = Instant::now();
    net.connect(2, true)?;
    cluster.meet()?;
    agree(&cluster)?;
    println!("back again it is connected with all and has their roster after {}", ms(begun.elapsed()));
    presign(&cluster, &key)?;
    pools_agree(&cluster, &key)?;
    for node in 0..NAMES.len() {
        sign_at(&cluster, &key, node, &format!("healed {node}"))?;
    }
    weather(setup, &net, &cluster, &key, signatures)
}

/// A batch for each pair of holders.
fn presign(cluster: &Cluster, key: &KeyView) -> Outcome {
    for (one, other) in [(0, 1), (1, 2), (0, 2)] {
        let signers = holders(cluster, key, &[one, other])?;
        let terms = PresignTerms { count: BATCH, signers };
        until("presignatures", || {
            let made = cluster.at(cluster.node(one)?, |client| {
                client.presign(
                    &key.id,
                    &terms,
                    &Start { wait_s: 60, idempotency_key: None, valid_for_s: None },
                )
            });
            Ok(made.is_ok_and(|view| view.state == consign_api::CeremonyState::Done).then_some(()))
        })?;
    }
    Ok(())
}

fn holders(cluster: &Cluster, key: &KeyView, which: &[usize]) -> Outcome<Vec<NodeId>> {
    let mut ids = Vec::new();
    for number in which {
        let name = &cluster.node(*number)?.name;
        let named = |m: &&consign_api::Member| m.name.as_ref().is_some_and(|n| n.as_str() == name);
        ids.extend(key.committee.iter().find(named).map(|m| m.validator));
    }
    Ok(ids)
}

/// One signature, which there must be.
fn sign_at(cluster: &Cluster, key: &KeyView, which: usize, message: &str) -> Outcome {
    let name = message.replace(' ', "-");
    let signed = request(cluster.id, key, message, &name)?;
    let node = cluster.node(which)?;
    let timed = cluster.at(node, |client| bring_to_the_end(client, &signed, key, message, DEADLINE))?;
    ensure(matches!(timed.answer, Answer::Signature(_)), || {
        format!("no signature at {} {message}: {}", node.name, timed.answer.in_words())
    })
}

/// All nodes have the same roster.
fn agree(cluster: &Cluster) -> Outcome {
    until("all to have one roster", || {
        let mut rosters = BTreeSet::new();
        for node in &cluster.nodes {
            let mut rows: Vec<_> = cluster
                .at(node, Client::validators)?
                .into_iter()
                .map(|v| (v.id, v.name, v.addresses, v.founder, v.member, v.vouches))
                .collect();
            rows.sort();
            rosters.insert(rows);
        }
        Ok((rosters.len() == 1).then_some(()))
    })
}

/// With two signers each presignature is at two nodes: the levels of all three add up.
fn pools_agree(cluster: &Cluster, key: &KeyView) -> Outcome {
    until("the pools to be the same", || {
        let mut levels = [0_u32; 3];
        for (level, node) in levels.iter_mut().zip(&cluster.nodes) {
            *level = cluster.at(node, |client| client.key(&key.id))?.presignatures;
        }
        let [a, b, c] = levels;
        let fits = (a + b + c).is_multiple_of(2) && a + b >= c && b + c >= a && a + c >= b;
        let full = levels.iter().all(|level| *level >= BATCH);
        if fits && full {
            println!("presignatures after the cut, at the three nodes: {levels:?}");
        }
        Ok((fits && full).then_some(()))
    })
}

/// Signatures while things break. Each of the requests is brought to one node.
fn weather(setup: &Setup, net: &Net, cluster: &Cluster, key: &KeyView, signatures: usize) -> Outcome {
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let seen: Mutex<(Tally, Duration)> = Mutex::default();
    let client = || -> Outcome {
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= signatures {
                return Ok(());
            }
            let mut chance = Chance::new(setup.seed, 1000 + number as u64);
            let node = cluster.node(chance.below(NAMES.len()))?;
            let message = format!("in bad weather {number}");
            // Spread over the blows.
            std::thread::sleep(Duration::from_millis(chance.between(THINK_MS.0, THINK_MS.1)));
            let signed = request(cluster.id, key, &message, &message.replace(' ', "-"))?;
            let Timed { answer, time } =
                cluster.at(node, |client| bring_to_the_end(client, &signed, key, &message, DEADLINE))?;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.0.count(answer.in_words());
            seen.1 = seen.1.max(time);
            ensure(!matches!(answer, Answer::StillRunning) && time <= DEADLINE, || {
                format!("the request {number} hangs: {} after {}", answer.in_words(), ms(time))
            })?;
        }
    };
    let blows = scope(|threads| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| threads.spawn(client)).collect();
        let breaker = threads.spawn(|| break_things(setup, net, cluster, &over));
        let done = clients.into_iter().map(|client| joined(client.join())).collect::<Outcome<Vec<()>>>();
        over.store(true, Ordering::SeqCst);
        let blows = joined(breaker.join());
        done.and(blows)
    })?;
    blows.print("blows");
    let (answers, longest) = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.print("requests");
    println!("longest wait: {} of {} at most", ms(longest), ms(DEADLINE));
    cluster.meet()?;
    agree(cluster)?;
    for node in 0..NAMES.len() {
        sign_at(cluster, key, node, &format!("after the storm {node}"))?;
    }
    let found = Records::read(cluster)?.check()?;
    println!("presignatures used up: {}, burnt: {}", found.used.len(), found.burnt);
    Ok(())
}

/// One blow after the other, at one host at a time; everything is mended in the end.
fn break_things(setup: &Setup, net: &Net, cluster: &Cluster, over: &AtomicBool) -> Outcome<Tally> {
    let mut chance = Chance::new(setup.seed, 1);
    let mut blows = Tally::default();
    let wait = |(from, to): (u64, u64), chance: &mut Chance| {
        let until = Instant::now() + Duration::from_millis(chance.between(from, to));
        while Instant::now() < until && !over.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    while !over.load(Ordering::SeqCst) {
        wait(PAUSE_MS, &mut chance);
        let number = chance.below(NAMES.len());
        let node: &Node = cluster.node(number)?;
        match chance.below(3) {
            0 => {
                blows.count("cut off");
                net.connect(number, false)?;
                wait(BROKEN_MS, &mut chance);
                net.connect(number, true)?;
            }
            1 => {
                blows.count("killed and started again");
                node.kill()?;
                wait((0, 3_000), &mut chance);
                node.start()?;
            }
            _ => {
                blows.count("cut off, killed and started again, and back");
                net.connect(number, false)?;
                node.kill()?;
                wait((0, 3_000), &mut chance);
                node.start()?;
                wait(BROKEN_MS, &mut chance);
                net.connect(number, true)?;
            }
        }
    }
    Ok(blows)
}
