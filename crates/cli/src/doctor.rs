//! `consign doctor`: what is wrong with a node, and what to do about it.

use std::path::Path;

use clap::Args;
use consign_api::signed::MAX_SKEW_S;
use consign_api::{CeremonyView, KeyState, KeyView, NodeView, ProblemKind, ValidatorView};
use consign_node::config::{ApiConfig, Config, DataFolder, Flags, is_private};
use consign_node::shell::{OTHER_POLICY, check_tls};
use serde::Serialize;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Data;
use crate::init::unix_now;
use crate::output::{Output, bold, green};

/// A round trip above this slows every signature down, in milliseconds.
const SLOW_MS: u64 = 500;

/// A refresh that is due for longer than this is worth a look, in seconds: every holder had its turn by then.
const LATE_S: u64 = 60 * 60;

/// A ceremony that runs longer than this is worth a look, in milliseconds.
const LONG_MS: u64 = 10 * 60 * 1000;

/// Look for what keeps a node from signing, and say what to do
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign doctor --data ./a
  consign doctor --data ./a --json

Exits with 0 if nothing is wrong or only something to look at, else with 1; with 3 if the node does not run.")]
pub(crate) struct Doctor {
    #[command(flatten)]
    data: Data,

    /// Only ask whether the process lives, as a health check of a container does; one that stands by does
    #[arg(long)]
    alive: bool,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Weight {
    Good,
    Look,
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    weight: Weight,
    /// What was found; if it is not good, also what to do.
    text: String,
}

fn good(text: impl Into<String>) -> Finding {
    Finding { weight: Weight::Good, text: text.into() }
}

fn look(text: impl Into<String>) -> Finding {
    Finding { weight: Weight::Look, text: text.into() }
}

fn bad(text: impl Into<String>) -> Finding {
    Finding { weight: Weight::Bad, text: text.into() }
}

impl Doctor {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        if self.alive {
            let health = Connection::open(&self.data.data)?.health()?;
            return out.show(&health, || format!("it lives: {}", health.status));
        }
        let folder = DataFolder::open(&self.data.data)?;
        let config = Config::load(&folder, &Flags::default())?;
        let mut found = vec![of_store(config.place(&folder).mark())];
        found.push(good("the configuration can be read"));
        found.extend(of_api(&config.api));
        let now = unix_now()?;
        let asked = Connection::open(&self.data.data).and_then(|near| Ok((near.node()?, near)));
        let (node, near) = match asked {
            Ok(asked) => asked,
            Err(failure) => {
                let stands_by =
                    failure.problem().is_some_and(|problem| problem.kind == ProblemKind::StandingBy);
                if stands_by {
                    found.push(good(
                        "this process stands by: another one holds the store and speaks for the node",
                    ));
                    if failure.problem().is_some_and(|problem| problem.detail.contains(OTHER_POLICY)) {
                        found.push(look(OTHER_POLICY));
                    }
                }
                show(out, &found)?;
                return if stands_by { Ok(()) } else { Err(failure) };
            }
        };
        let validators = near.validators()?;
        found.push(of_version(&node));
        found.push(of_policy(&node));
        found.extend(of_cluster(&node, &validators));
        let kept = if node.policy.is_some() { 0 } else { config.keep_presignatures };
        if kept != config.keep_presignatures {
            found.push(look(
                "`keep` in `[presignatures]` of the configuration does nothing where there is a policy: write a \
                 `[[standing]]` order (docs/policy.md)",
            ));
        }
        for key in near.keys()? {
            found.extend(of_key(&key, &node, &validators, kept));
            found.extend(of_orders(&key, &validators, now));
        }
        found.extend(near.all_ceremonies()?.iter().filter_map(of_ceremony));
        show(out, &found)?;
        let bad = found.iter().filter(|finding| finding.weight == Weight::Bad).count();
        match bad {
            0 => Ok(()),
            1 => Err(Failure::Failed("one thing is wrong: see above".to_owned())),
            _ => Err(Failure::Failed(format!("{bad} things are wrong: see above"))),
        }
    }
}

fn show(out: &Output, found: &[Finding]) -> Result<(), Failure> {
    out.show(&found, || {
        let line = |finding: &Finding| {
            let mark = match finding.weight {
                Weight::Good => green("ok  "),
                Weight::Look => bold("look"),
                Weight::Bad => bold("BAD "),
            };
            format!("{mark}  {}", finding.text)
        };
        found.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

/// `store`: its file, or what the folder remembers of it.
fn of_store(store: &Path) -> Finding {
    match std::fs::metadata(store).map(|metadata| is_private(&metadata)) {
        Ok(true) => good(format!("only its owner reads {}", store.display())),
        Ok(false) => bad(format!("others may read {0}: chmod 600 {0}", store.display())),
        Err(e) => bad(format!("{} cannot be looked at: {e}", store.display())),
    }
}

/// How clients reach the node.
fn of_api(api: &ApiConfig) -> Option<Finding> {
    let found = match &api.tls {
        Some(files) => match check_tls(files) {
            Ok(()) => good(format!("the API has the certificate {}", files.certificate.display())),
            Err(why) => {
                bad(format!("a node that runs keeps its certificate of before, and none starts: {why}"))
            }
        },
        None if api.listen.ip().is_loopback() => return None,
        None => look(
            "the API is open to other machines without encryption: give it a certificate (tls_certificate, tls_key)",
        ),
    };
    Some(found)
}

fn of_version(node: &NodeView) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    if node.version == own {
        good(format!("node and command have version {own}"))
    } else {
        look(format!("the node runs version {}, this command is {own}: restart the node", node.version))
    }
}

fn of_policy(node: &NodeView) -> Finding {
    let Some(policy) = &node.policy else {
        return look(
            "there is no policy: this node signs what any member proposes; begin with `consign policy allow`",
        );
    };
    match (&policy.error, policy.waiting) {
        (Some(error), _) => {
            bad(format!("policy.toml cannot be used, the policy of before is in force: {error}"))
        }
        (None, 0) => good(format!("the policy has {} rules for {} clients", policy.rules, policy.clients)),
        (None, waiting) => look(format!("requests that wait for you: {waiting}; see `consign approve`")),
    }
}

fn name(validator: &ValidatorView) -> String {
    validator.name.as_ref().map_or_else(|| validator.id.short(), ToString::to_string)
}

fn of_cluster(node: &NodeView, validators: &[ValidatorView]) -> Vec<Finding> {
    let mut found = Vec::new();
    if !node.member {
        found.push(bad(
            "this node is no member of its cluster yet: is the founder that invited it reachable?",
        ));
    }
    if !node.rival_charters.is_empty() {
        found.push(bad("there is a rival of the charter: see `consign charter show`".to_owned()));
    }
    for other in validators {
        let name = name(other);
        if other.runs_twice {
            found.push(bad(format!(
                "two processes speak for {name}: one runs on a copied folder and must stop"
            )));
        }
        if other.convicted {
            let ids: Vec<_> = other.evidence.iter().map(|id| id.short()).collect();
            let ids = ids.join(", ");
            found.push(bad(format!(
                "{name} broke the protocol (evidence {ids}): reshare the keys it holds without it"
            )));
        }
        if other.blocked {
            found.push(look(format!(
                "{name} is blocked by the operator of this node: nothing is done with it"
            )));
        }
        if other.this_node || !other.member {
            continue;
        }
        if let Some(offset) = other.clock_offset_s.filter(|offset| offset.unsigned_abs() > MAX_SKEW_S) {
            let way = if offset > 0 { "ahead of" } else { "behind" };
            found.push(look(format!(
                "the clock of {name} is {} s {way} this node's: one of them refuses requests that the other takes; set it",
                offset.unsigned_abs()
            )));
        }
        if let Some(version) = other.version.as_ref().filter(|version| **version != node.version) {
            found.push(look(format!("{name} runs version {version}, this node {}", node.version)));
        }
        found.push(match (other.connected, other.latency_ms) {
            (false, _) => {
                let at = other.addresses.join(" or ");
                look(format!("{name} is not connected: does it run, and can it be reached at {at}?"))
            }
            (true, Some(ms)) if ms > SLOW_MS => {
                look(format!("{name} is connected, but a round trip takes {ms} ms: every round waits for it"))
            }
            (true, Some(ms)) => good(format!("{name} is connected, {ms} ms away")),
            (true, None) => good(format!("{name} is connected")),
        });
    }
    found
}

/// What is to be said of one key.
fn of_key(key: &KeyView, node: &NodeView, validators: &[ValidatorView], kept: u32) -> Vec<Finding> {
    let label = &key.label;
    let is_up = |id| {
        id == node.id || validators.iter().any(|v| v.id == id && v.connected && !v.convicted && !v.blocked)
    };
    let held = key.committee.iter().any(|member| member.validator == node.id);
    let missing: Vec<_> = key.committee.iter().filter(|member| !is_up(member.validator)).collect();
    let up = key.committee.len() - missing.len();
    let mut found = Vec::new();
    found.push(match key.state {
        KeyState::Whole => bad(format!(
            "{label}: the imported key is still in one place: share it out with `consign key reshare`"
        )),
        KeyState::Confirming => look(format!(
            "{label}: not all holders have confirmed their share yet; if one never does, make another key"
        )),
        KeyState::Active if up < usize::from(key.threshold) => {
            let names: Vec<_> = missing
                .iter()
                .map(|m| m.name.as_ref().map_or_else(|| m.validator.short(), ToString::to_string))
                .collect();
            bad(format!(
                "{label}: only {up} of the {} needed holders are reachable from here; missing: {}",
                key.threshold,
                names.join(", ")
            ))
        }
        KeyState::Active => good(format!(
            "{label}: {up} of {} holders reachable, {} needed",
            key.committee.len(),
            key.threshold
        )),
    });
    if held && key.state == KeyState::Active && !key.share {
        found.push(bad(format!("{label}: this node has no share of epoch {}: reshare to it", key.epoch)));
    }
    if key.share && !key.exports.iter().any(|export| export.epoch == key.epoch) {
        found.push(look(format!(
            "{label}: no backup holds the share of epoch {}: `consign backup`",
            key.epoch
        )));
    }
    if key.share && kept > 0 && key.presignatures == 0 {
        found.push(look(format!(
            "{label}: no presignature is ready, although {kept} shall be: are its signers connected?"
        )));
    }
    found
}

/// What keeps standing orders for a key from being carried out.
fn of_orders(key: &KeyView, validators: &[ValidatorView], now: u64) -> Option<Finding> {
    let orders = key.standing.as_ref()?;
    let label = &key.label;
    let called = |id| validators.iter().find(|v| v.id == id).map_or_else(|| id.short(), name);
    let waits = orders.waiting_for.iter().map(|id| called(*id)).collect::<Vec<_>>().join(", ");
    let waits = if waits.is_empty() { String::new() } else { format!("; waited for: {waits}") };
    let why = orders.problem.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    if let Some(late) = orders.refresh_due.and_then(|due| now.checked_sub(due)).filter(|late| *late > LATE_S)
    {
        let hours = late / 3_600;
        return Some(look(format!(
            "{label}: its refresh is due since {hours} h, and is not done{why}{waits}. All holders must be connected and \
             have a standing order for it; a reshare without the silent one is the cure"
        )));
    }
    if orders.problem.is_some() {
        return Some(look(format!("{label}: a standing order is not carried out{why}{waits}")));
    }
    orders.low.filter(|low| key.share && key.presignatures < *low).map(|low| {
        look(format!("{label}: {} presignatures are ready, the low mark is {low}", key.presignatures))
    })
}

fn of_ceremony(view: &CeremonyView) -> Option<Finding> {
    (!view.state.is_over() && view.elapsed_ms > LONG_MS).then(|| {
        let minutes = view.elapsed_ms / 60_000;
        look(format!(
            "{} {} has been running for {minutes} minutes: `consign ceremony watch`",
            view.kind,
            view.id.short()
        ))
    })
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
