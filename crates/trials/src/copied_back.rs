//! A node's folder is copied back to an older state, as a restored snapshot of a disk would be. The others show the node by
//! its own signature that it went back, and it signs nothing until its operator acts; what it had in memory is not there.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use consign_api::client::Start;
use consign_api::{CeremonyState, Member, PresignTerms};

use crate::asking::{Answer, bring_to_the_end, request};
use crate::cluster::{Cluster, Node, PATIENCE, until};
use crate::fault::ensure;
use crate::records::Records;
use crate::{Fault, Outcome, Setup};

/// Nodes show each other the ends of their logs on connect and every 30 s; what was shown to nobody cannot be missed.
const SHOWN: Duration = Duration::from_secs(33);
/// Requests that are brought to the node with the old folder: so many that its log grows past its old length.
const ASKED: usize = 8;

/// Runs the trial.
///
/// # Errors
/// [`Fault`], if the node signs with what is old, or does not notice.
pub fn run(setup: &Setup) -> Outcome {
    let cluster = Cluster::start(setup, &["anna", "bert", "carl"])?;
    let key = cluster.create_key("old", setup.level)?;
    let (anna, bert) = (cluster.node(0)?, cluster.node(1)?);
    let named = |node: &Node| {
        let named = |m: &&Member| m.name.as_ref().is_some_and(|name| name.as_str() == node.name);
        key.committee.iter().find(named).map(|m| m.validator)
    };
    let presign = || -> Outcome {
        let signers = [anna, bert].into_iter().filter_map(named).collect();
        let terms = PresignTerms { count: 4, signers };
        let start = Start { wait_s: 120, idempotency_key: None, valid_for_s: None };
        let made = cluster.at(anna, |client| client.presign(&key.id, &terms, &start))?;
        ensure(made.state == CeremonyState::Done, || "presignatures take too long".to_owned())
    };
    let sign = |node: &Node, message: &str| {
        let signed = request(cluster.id, &key, message, &message.replace(' ', "-"))?;
        cluster.at(node, |client| bring_to_the_end(client, &signed, &key, message, PATIENCE))
    };
    presign()?;
    ensure(matches!(sign(bert, "first")?.answer, Answer::Signature(_)), || "no first signature".to_owned())?;

    let old = cluster.place().join("older");
    bert.stop()?;
    copy(&bert.data, &old)?;
    bert.start()?;
    cluster.meet()?;
    presign()?;
    let mut later = Vec::new();
    for number in 0..3 {
        match sign(bert, &format!("later {number}"))?.answer {
            Answer::Signature(signature) => later.push(signature),
            other => return Err(Fault::new(format!("no later signature: {}", other.in_words()))),
        }
    }
    println!("waiting until the others were shown the end of its log");
    std::thread::sleep(SHOWN);
    let used = Records::read(&cluster)?.check()?.used.len();
    println!("presignatures used up before: {used}");
    bert.stop()?;
    std::fs::remove_dir_all(&bert.data)?;
    copy(&old, &bert.data)?;
    bert.start()?;
    println!("bert's folder is copied back to an older state");
    cluster.meet()?;
    for (number, before) in later.iter().enumerate() {
        // It has forgotten the request, and the others have not.
        match sign(bert, &format!("later {number}"))?.answer {
            Answer::Signature(again) => ensure(again.r == before.r && again.s == before.s, || {
                "a request that was done before was signed once more".to_owned()
            })?,
            other => println!("a request of before is not answered there: {}", other.in_words()),
        }
    }
    println!("requests of before are not signed anew");

    // It meets the others again, and they show it what they have seen.
    let alarm = until("the node to notice that its store went back", || {
        let log = bert.log();
        let alarm = log.lines().rev().find(|line| line.contains("WARN") && line.contains("went back"));
        Ok(alarm.map(|line| line.split_once(": ").map_or(line, |(_, text)| text).to_owned()))
    })?;
    println!("its log: {alarm}");
    let me = named(bert);
    for number in 0..ASKED {
        match sign(bert, &format!("with an old folder {number}"))?.answer {
            Answer::Problem(_, detail) => println!("it refuses: {detail}"),
            Answer::Signature(signature) => {
                let mine = signature.signers.iter().any(|m| Some(m.validator) == me);
                ensure(!mine, || "the node with the old folder has signed".to_owned())?;
                println!("it brings the request to the others, who sign without it");
            }
            other => println!("nothing comes of the request: {}", other.in_words()),
        }
    }
    let level = cluster.at(bert, |client| client.key(&key.id))?.presignatures;
    ensure(level == 0, || format!("it has {level} presignatures of before"))?;
    println!("presignatures that came back with the folder: none");

    bert.stop()?;
    bert.ask(&["audit", "accept-rollback"])?;
    bert.start()?;
    cluster.meet()?;
    presign()?;
    let done = sign(bert, "after the operator has acted")?.answer;
    ensure(matches!(done, Answer::Signature(_)), || format!("it does not sign again: {}", done.in_words()))?;
    println!("when its operator has acted, it signs again");
    let used = Records::read(&cluster)?.check()?.used.len();
    println!("presignatures used up in all: {used}, none twice");
    Ok(())
}

/// Copies a folder as it is.
fn copy(from: &Path, to: &Path) -> Outcome {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure(status.success(), || format!("cannot copy {}", from.display()))
}
