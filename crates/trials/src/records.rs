//! What the records of all nodes say together: one signature per request, no presignature for two.

use std::collections::{BTreeMap, BTreeSet};

use consign_api::client::Client;
use consign_api::{CeremonyId, CeremonyState, CeremonyView, Outcome as Made, PresignatureId, SignatureView};

use crate::Outcome;
use crate::cluster::Cluster;
use crate::fault::ensure;
use crate::figures::Tally;

/// The ceremony records of all nodes.
pub struct Records(Vec<(String, Vec<CeremonyView>)>);

/// What they say, once it is seen that they agree.
#[derive(Default)]
pub struct Found {
    /// The signature of each request that has one.
    pub signatures: BTreeMap<CeremonyId, SignatureView>,
    /// The request that each presignature was used up for.
    pub used: BTreeMap<PresignatureId, CeremonyId>,
    /// Presignatures that were used up without leading to the signature of their request.
    pub burnt: u64,
    /// Why requests failed at some node, by the type of the problem.
    pub failures: Tally,
}

impl Records {
    /// Asks every node; all must run.
    ///
    /// # Errors
    /// [`Fault`](crate::Fault), if one does not answer.
    pub fn read(cluster: &Cluster) -> Outcome<Self> {
        Self::read_of(cluster, &(0..cluster.nodes.len()).collect::<Vec<_>>())
    }

    /// Asks these nodes.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    pub fn read_of(cluster: &Cluster, which: &[usize]) -> Outcome<Self> {
        let of = |number: &usize| {
            let node = cluster.node(*number)?;
            Ok((node.name.clone(), cluster.at(node, Client::ceremonies)?))
        };
        which.iter().map(of).collect::<Outcome<Vec<_>>>().map(Self)
    }

    /// Compares them.
    ///
    /// # Errors
    /// [`Fault`](crate::Fault), if two nodes have two signatures for one request, a presignature served two requests or one
    /// twice, or two digests have one nonce.
    pub fn check(&self) -> Outcome<Found> {
        let mut found = Found::default();
        let mut spent: BTreeMap<CeremonyId, BTreeSet<PresignatureId>> = BTreeMap::new();
        let mut nonces: BTreeMap<String, String> = BTreeMap::new();
        for (name, views) in &self.0 {
            let mut here = BTreeSet::new();
            for view in views {
                for id in &view.presignatures {
                    ensure(here.insert(*id), || format!("{name} has used the presignature {id} twice"))?;
                    let before = found.used.insert(*id, view.id);
                    let same = before.is_none_or(|before| before == view.id);
                    ensure(same, || format!("the presignature {id} was used for two requests"))?;
                    spent.entry(view.id).or_default().insert(*id);
                }
                if let (CeremonyState::Failed, Some(failure)) = (view.state, &view.failure) {
                    found.failures.count(failure.title.clone());
                }
                let Some(Made::Signature(signature)) = &view.outcome else { continue };
                let digest = signature.digest.clone();
                let before = nonces.insert(signature.r.clone(), digest.clone());
                ensure(before.is_none_or(|before| before == digest), || "one nonce, two digests".to_owned())?;
                let before = found.signatures.insert(view.id, (**signature).clone());
                let same = before.is_none_or(|before| (&before.r, &before.s) == (&signature.r, &signature.s));
                ensure(same, || format!("two signatures for the request {}", view.id))?;
            }
        }
        found.burnt = spent
            .iter()
            .map(|(request, ids)| {
                let served = found.signatures.get(request).is_some_and(|signature| signature.presigned);
                ids.len().saturating_sub(served.into()) as u64
            })
            .sum();
        Ok(found)
    }
}

/// What became of the halves of presignatures at each node, by its log: an account that adds up.
///
/// # Errors
/// [`Fault`](crate::Fault), if a node does not answer.
pub fn print_accounts(cluster: &Cluster, records: &Records) -> Outcome {
    for (node, (name, views)) in cluster.nodes.iter().zip(&records.0) {
        let log = node.log();
        let mut made = 0;
        let mut erased = Tally::default();
        for line in log.lines() {
            // `TIME LEVEL TARGET: TEXT`
            let Some((_, text)) = line.split_once(": ") else { continue };
            let number = || text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            if text.contains(" presignatures of the batch ") {
                made += number();
            } else if let Some((_, why)) = text.split_once(" presignatures are erased: ") {
                erased.add(why, number());
            }
        }
        let used: u64 = views.iter().map(|view| view.presignatures.len() as u64).sum();
        let metrics = node.metrics()?;
        let left = metrics.lines().find_map(|line| line.strip_prefix("consign_presignatures "));
        let left: u64 = left.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
        let lost = made.saturating_sub(used + erased.sum() + left);
        println!("{name}: {made} halves of presignatures made, {used} used up, {left} left");
        println!("  {lost:>7}  gone with a killed process");
        erased.print("  erased");
    }
    Ok(())
}
