//! A node's folder is copied back to an older state, as a restored snapshot of a disk would be. The others show the node by
//! its own signature that it went back, and it signs nothing until its operator acts; what it had in memory is not there.

use std::path::Path;
use std::process::Command;

use consign_api::client::Start;
use consign_api::{CeremonyState, Member, PresignTerms};

use crate::asking::{Answer, bring_to_the_end, request};
use crate::cluster::{Cluster, Node, PATIENCE, until};
use crate::fault::ensure;
use crate::records::Records;
use crate::{Fault, Outcome, Setup};

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
    for number in 0..3 {
        let done = sign(bert, &format!("later {number}"))?.answer;
        ensure(matches!(done, Answer::Signature(_)), || format!("no later signature: {}", done.in_words()))?;
    }
    let used = Records::read(&cluster)?.check()?.used.len();
    println!("presignatures used up before: {used}");
    bert.stop()?;
    std::fs::remove_dir_all(&bert.data)?;
    copy(&old, &bert.data)?;
    bert.start()?;
    println!("bert's folder is copied back to an older state");

    // It has met the others again, and they have shown it what they have seen.
    let held = until("the node to notice that its store went back", || {
        let refused = sign(bert, "with an old folder")?;
        Ok(match refused.answer {
            Answer::Problem(_, detail) => Some(detail),
            Answer::Signature(signature) => {
                let me = named(bert);
                let mine = signature.signers.iter().any(|m| Some(m.validator) == me);
                ensure(!mine, || "the node with the old folder has signed".to_owned())?;
                None
            }
            Answer::StillRunning | Answer::Unreachable(_) => None,
        })
    });
    match held {
        Ok(detail) => println!("it refuses: {detail}"),
        Err(_) => println!("it brings requests to others, and signs nothing itself"),
    }
    let log = bert.log();
    let alarm = log.lines().rev().find(|line| line.contains("WARN") && line.contains("went back"));
    let alarm =
        alarm.ok_or_else(|| Fault::new("the node does not say in its log that its store went back"))?;
    println!("its log: {}", alarm.split_once(": ").map_or(alarm, |(_, text)| text));
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
