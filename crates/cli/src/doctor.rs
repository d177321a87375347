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
mod tests {
    use consign_api::{ClusterId, Curve, EvidenceId, KeyId, Level, Member, NodeId, PolicyView, Scheme};

    use super::*;

    fn node() -> NodeView {
        NodeView {
            id: NodeId([1; 32]),
            name: "a".parse().unwrap(),
            cluster: ClusterId([9; 32]),
            member: true,
            addresses: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rival_charters: Vec::new(),
            policy: Some(PolicyView { clients: 1, rules: 1, waiting: 0, error: None }),
        }
    }

    fn validator(id: u8) -> ValidatorView {
        ValidatorView {
            id: NodeId([id; 32]),
            peer_id: String::new(),
            name: Some(format!("v{id}").parse().unwrap()),
            addresses: vec!["/ip4/192.0.2.1/tcp/1".to_owned()],
            founder: false,
            member: true,
            vouches: 1,
            waiting: false,
            this_node: id == 1,
            connected: id != 1,
            latency_ms: Some(3),
            clock_offset_s: None,
            version: None,
            runs_twice: false,
            evidence: Vec::new(),
            convicted: false,
            forgiven: None,
            blocked: false,
        }
    }

    fn key() -> KeyView {
        let member = |i: u8| Member { index: i.into(), validator: NodeId([i; 32]), name: None };
        KeyView {
            id: KeyId([4; 32]),
            label: "pay".parse().unwrap(),
            scheme: Scheme::Cggmp24,
            curve: Curve::Secp256k1,
            level: Level::L128,
            threshold: 2,
            committee: (1..=3).map(member).collect(),
            epoch: 0,
            share: true,
            state: KeyState::Active,
            owner: None,
            imported: None,
            exports: vec![consign_api::ExportView {
                epoch: 0,
                exported: 1,
                to: "passphrase, in a backup".to_owned(),
            }],
            presignatures: 0,
            standing: None,
            public_key: String::new(),
            chain_code: None,
            xpub: None,
            ethereum_address: None,
            bitcoin_address: None,
        }
    }

    fn worst(found: &[Finding]) -> Weight {
        found.iter().map(|finding| finding.weight).max().unwrap_or(Weight::Good)
    }

    fn all() -> Vec<ValidatorView> {
        (1..=3).map(validator).collect()
    }

    #[test]
    fn a_sound_node_is_good() {
        assert_eq!(of_version(&node()).weight, Weight::Good);
        assert_eq!(worst(&of_cluster(&node(), &all())), Weight::Good);
        assert_eq!(worst(&of_key(&key(), &node(), &all(), 0)), Weight::Good);
    }

    #[test]
    fn what_is_wrong_with_others_is_told() {
        let told = |alter: fn(&mut ValidatorView), wanted: Weight, word: &str| {
            let mut all = all();
            alter(&mut all[1]);
            let found = of_cluster(&node(), &all);
            assert_eq!(worst(&found), wanted, "{found:?}");
            assert!(found.iter().any(|f| f.weight == wanted && f.text.contains(word)), "{found:?}");
        };
        told(|v| v.connected = false, Weight::Look, "v2 is not connected");
        told(|v| v.latency_ms = Some(SLOW_MS + 1), Weight::Look, "501 ms");
        told(|v| v.runs_twice = true, Weight::Bad, "copied folder");
        let convict = |v: &mut ValidatorView| (v.convicted, v.evidence) = (true, vec![EvidenceId([7; 32])]);
        told(convict, Weight::Bad, "07070707");
        told(|v| v.blocked = true, Weight::Look, "blocked");
        told(|v| v.clock_offset_s = Some(-31), Weight::Look, "31 s behind");
        told(|v| v.clock_offset_s = Some(30), Weight::Good, "connected");
        told(|v| v.version = Some("0.0.1".to_owned()), Weight::Look, "version 0.0.1");
        let stranger = NodeView { member: false, ..node() };
        assert_eq!(worst(&of_cluster(&stranger, &all())), Weight::Bad);
        let rivalled = NodeView { rival_charters: vec![consign_api::CharterId([7; 32])], ..node() };
        assert_eq!(worst(&of_cluster(&rivalled, &all())), Weight::Bad);
        let other = NodeView { version: "0.0.0".to_owned(), ..node() };
        assert_eq!(of_version(&other).weight, Weight::Look);
        let with = |waiting, error: Option<&str>| {
            let policy = PolicyView { clients: 1, rules: 1, waiting, error: error.map(str::to_owned) };
            of_policy(&NodeView { policy: Some(policy), ..node() }).weight
        };
        assert_eq!(with(0, None), Weight::Good);
        assert_eq!(with(2, None), Weight::Look);
        assert_eq!(with(0, Some("line 3")), Weight::Bad);
        assert_eq!(of_policy(&NodeView { policy: None, ..node() }).weight, Weight::Look);
    }

    #[test]
    fn what_keeps_a_key_from_signing_is_told() {
        let told = |alter: fn(&mut KeyView, &mut Vec<ValidatorView>), kept, wanted: Weight, word: &str| {
            let (mut key, mut all) = (key(), all());
            alter(&mut key, &mut all);
            let found = of_key(&key, &node(), &all, kept);
            assert_eq!(worst(&found), wanted, "{found:?}");
            assert!(found.iter().any(|f| f.weight == wanted && f.text.contains(word)), "{found:?}");
        };
        told(|_, all| all[1].connected = false, 0, Weight::Good, "2 of 3");
        told(|_, all| all.truncate(1), 0, Weight::Bad, "only 1 of the 2");
        // A convicted holder signs no more.
        told(
            |key, all| {
                key.threshold = 3;
                all[2].convicted = true;
            },
            0,
            Weight::Bad,
            "03030303",
        );
        told(|key, _| key.state = KeyState::Whole, 0, Weight::Bad, "one place");
        told(|key, _| key.state = KeyState::Confirming, 0, Weight::Look, "confirmed");
        told(|key, _| key.share = false, 0, Weight::Bad, "no share");
        told(|key, _| key.epoch = 5, 0, Weight::Look, "no backup");
        told(|_, _| {}, 4, Weight::Look, "although 4");
    }

    #[test]
    fn what_keeps_standing_orders_from_being_done_is_told() {
        let told = |orders: consign_api::StandingView, presignatures| {
            let key = KeyView { standing: Some(orders), presignatures, ..key() };
            of_orders(&key, &all(), 1_000_000).map(|finding| finding.text).unwrap_or_default()
        };
        let orders = consign_api::StandingView { low: Some(2), high: Some(4), ..Default::default() };
        assert_eq!(told(orders.clone(), 2), "");
        assert!(told(orders.clone(), 1).contains("1 presignatures are ready, the low mark is 2"));
        let (problem, waiting_for) = (Some("no such order.".to_owned()), vec![NodeId([2; 32])]);
        let orders = consign_api::StandingView { problem, waiting_for, ..orders };
        assert!(told(orders.clone(), 2).contains("no such order.; waited for: v2"));
        let late = consign_api::StandingView { refresh_due: Some(1_000_000 - LATE_S - 1), ..orders };
        assert!(told(late.clone(), 2).contains("due since 1 h"));
        let soon = consign_api::StandingView { refresh_due: Some(1_000_001), problem: None, ..late };
        assert_eq!(told(soon, 2), "");
    }
}
