//! Malformed HTTP requests and malformed messages of peers against a running node: its memory stays bounded, and it keeps
//! signing meanwhile and afterwards.

mod calls;
mod frames;
mod speaker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::Duration;

use consign_api::KeyView;
use consign_node::core::setup;
use consign_node::store::{Unlock, open};

use crate::asking::{Answer, bring_to_the_end, request};
use crate::cluster::{Cluster, Node};
use crate::fault::ensure;
use crate::figures::ms;
use crate::pool::joined;
use crate::{Fault, Outcome, Setup};

/// How much larger the node's memory may be than before, in KiB: all connections that it takes at a time with the longest
/// heads and bodies (512 of 64 KiB, 256 of 540 KiB), and the largest message of a member, a few times.
const MAX_GROWTH_KIB: u64 = 256 << 10;
/// Pause between two signatures.
const PAUSE: Duration = Duration::from_millis(300);
/// How long one signature may take meanwhile.
const DEADLINE: Duration = Duration::from_secs(90);

/// How much is done.
pub struct Size {
    /// HTTP requests.
    pub calls: usize,
    /// Frames of peers.
    pub frames: usize,
}

/// Runs the trial.
///
/// # Errors
/// [`Fault`], if something does not hold.
pub fn run(setup: &Setup, size: &Size) -> Outcome {
    let cluster = Cluster::start(setup, &["anna", "bert", "carl"])?;
    let key = cluster.create_key("target", setup.level)?;
    let anna = cluster.node(0)?;
    sign(&cluster, &key, "before", 0)?;
    let before = memory(anna)?;
    println!("memory of the node before: {} KiB, at most so far {} KiB", before.now, before.most);

    let done = while_signing(&cluster, &key, "calls", || calls::run(setup, anna, &cluster, size.calls))?;
    done.print("malformed HTTP requests, by what became of them");
    let after = told(anna, &before, "the requests")?;

    // A member in the wrong hands: carl's identity, and nobody else who has it.
    let carl = cluster.node(2)?;
    carl.stop()?;
    let store = open(&carl.data.join("store.redb"), &Unlock::KeyFile(cluster.place().join("key")))?;
    let member = setup::identity(&store)?;
    drop(store);
    let done = while_signing(&cluster, &key, "frames", || {
        frames::run(setup, &anna.host, cluster.id, &member, size.frames)
    })?;
    done.print("malformed frames, by who sent them and what became of them");
    let last = told(anna, &before, "the frames")?;
    let most = after.most.max(last.most);
    ensure(most <= before.most + MAX_GROWTH_KIB, || {
        format!("the node's memory grew to {most} KiB, and may grow by {MAX_GROWTH_KIB} KiB")
    })?;
    carl.start()?;
    cluster.meet()?;
    for number in 0..3 {
        sign(&cluster, &key, "after", number)?;
    }
    println!("all nodes sign afterwards");
    Ok(())
}

/// Does something while a client asks for signatures; all of them are made.
fn while_signing<T: Send>(
    cluster: &Cluster,
    key: &KeyView,
    name: &str,
    work: impl FnOnce() -> Outcome<T> + Send,
) -> Outcome<T> {
    let over = AtomicBool::new(false);
    scope(|threads| {
        let signer = threads.spawn(|| {
            let (mut made, mut longest) = (0, Duration::ZERO);
            while !over.load(Ordering::SeqCst) {
                longest = longest.max(sign(cluster, key, name, made)?);
                made += 1;
                std::thread::sleep(PAUSE);
            }
            Ok((made, longest))
        });
        let done = work();
        over.store(true, Ordering::SeqCst);
        let (made, longest) = joined(signer.join())?;
        println!("signatures meanwhile: {made}, none failed; longest {}", ms(longest));
        done
    })
}

/// One signature at the node under fire. It may be told that all places are taken, and then asks again.
fn sign(cluster: &Cluster, key: &KeyView, name: &str, number: usize) -> Outcome<Duration> {
    let message = format!("{name} {number}");
    let signed = request(cluster.id, key, &message, &format!("{name}-{number}"))?;
    let begun = std::time::Instant::now();
    loop {
        let timed = cluster
            .at(cluster.node(0)?, |client| bring_to_the_end(client, &signed, key, &message, DEADLINE))?;
        let again = match &timed.answer {
            Answer::Signature(_) => return Ok(begun.elapsed()),
            Answer::Problem(kind, _) => kind == "busy",
            Answer::Unreachable(_) | Answer::StillRunning => false,
        };
        let detail = match &timed.answer {
            Answer::Problem(_, detail) => detail.clone(),
            other => other.in_words(),
        };
        ensure(again && begun.elapsed() < DEADLINE, || format!("no signature {name}: {detail}"))?;
        std::thread::sleep(PAUSE);
    }
}

/// The memory of a process in KiB.
struct Memory {
    now: u64,
    most: u64,
}

fn memory(node: &Node) -> Outcome<Memory> {
    let id = node.process_id().ok_or_else(|| Fault::new(format!("{} does not run", node.name)))?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    let both = of("VmRSS:").zip(of("VmHWM:"));
    let (now, most) = both.ok_or_else(|| Fault::new("the system tells no memory of processes"))?;
    Ok(Memory { now, most })
}

fn told(node: &Node, before: &Memory, what: &str) -> Outcome<Memory> {
    let now = memory(node)?;
    println!(
        "memory of the node after {what}: {} KiB ({} before), at most {} KiB ({} before)",
        now.now, before.now, now.most, before.most
    );
    Ok(now)
}
