//! `consign policy check`: is the file good, who may do what, and why not.

use std::path::Path;

use clap::Args;
use consign_api::{HashName, KeyId, Label, Level, NodeId, Problem, ProblemKind};
use consign_node::config::DataFolder;
use consign_node::core::policy::{
    Act, Ceremony, Change, Decision, Deed, KeyFacts, Order, Policy, Rule, Standing,
};
use serde_json::json;

use super::client;
use crate::failure::Failure;
use crate::flags::Data;
use crate::output::{Output, green, table};

/// Check policy.toml: show who may do what, or explain one decision
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign policy check --data ./a
  consign policy check --data ./a --client shop --ceremony sign --key pay-7 --own
  consign policy check --data ./a --client shop --ceremony sign --key vault --raw-digest

How often something was done before is known to the running node only, and no part of the answer.
The exit code is 4 if the policy refuses.")]
pub(super) struct Check {
    /// Who asks: a public key, a name in the policy, or a client's key file
    #[arg(long, requires = "ceremony")]
    client: Option<String>,

    /// For what: keygen, sign, presign, refresh, reshare
    #[arg(long, requires = "client")]
    ceremony: Option<Ceremony>,

    /// With which key: a label or an id
    #[arg(long, value_name = "LABEL|ID", requires = "client")]
    key: Option<String>,

    /// The key is one that the client asked for
    #[arg(long, requires = "client")]
    own: bool,

    /// The key's level
    #[arg(long, value_name = "112|128", default_value_t = Level::L128)]
    level: Level,

    /// How the message to sign is hashed
    #[arg(long, value_name = "sha256|keccak256", default_value_t = HashName::Sha256)]
    hash: HashName,

    /// A raw digest is to be signed
    #[arg(long, conflicts_with = "hash")]
    raw_digest: bool,

    /// In a reshare: a validator that gets a share and has none, by its id; may be repeated
    #[arg(long = "new-member", value_name = "ID")]
    new_members: Vec<NodeId>,

    /// In a reshare: how many holders are needed now
    #[arg(long, value_name = "T", default_value_t = 2)]
    threshold: u16,

    /// In a reshare: how many will be needed; as now if left out
    #[arg(long, value_name = "T")]
    new_threshold: Option<u16>,

    #[command(flatten)]
    data: Data,
}

impl Check {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let folder = DataFolder::open(&self.data.data)?;
        let file = folder.policy_file();
        let Some(text) = folder.policy_text()? else {
            let said = json!({ "file": file, "exists": false });
            return out.show(&said, || {
                format!(
                    "There is no {}: this node takes part in whatever a member of its cluster proposes.\n\
                     `consign policy allow` writes the first rule.",
                    file.display()
                )
            });
        };
        let policy = folder.parse_policy(&text)?;
        match (&self.client, self.ceremony) {
            (Some(client), Some(ceremony)) => self.explain(&policy, client, ceremony, out),
            _ => list(&policy, &file, out),
        }
    }

    fn explain(
        &self,
        policy: &Policy,
        client: &str,
        ceremony: Ceremony,
        out: &Output,
    ) -> Result<(), Failure> {
        let client = client::find(client, policy)?;
        let (id, label) = key(self.key.as_deref())?;
        let owner = self.own.then_some(client);
        let change = Change {
            holders: &[],
            threshold: self.threshold,
            new_holders: &self.new_members,
            new_threshold: self.new_threshold.unwrap_or(self.threshold),
            gives: true,
        };
        let deed = match ceremony {
            Ceremony::Keygen => Deed::Keygen,
            Ceremony::Sign => Deed::Sign((!self.raw_digest).then_some(self.hash)),
            Ceremony::Presign => Deed::Presign,
            Ceremony::Refresh => Deed::Refresh,
            Ceremony::Reshare => Deed::Reshare(change),
        };
        let act = Act { client, deed, key: KeyFacts { id, label: &label, owner, level: self.level } };
        match policy.decide(&act) {
            Decision::Allowed { rule } => {
                let said = json!({ "decision": "allowed", "rule": rule });
                out.show(&said, || format!("{} by the rule {rule}{}", green("allowed"), limit(rule)))
            }
            Decision::Waits { rule, why } => {
                let said = json!({ "decision": "waits", "rule": rule, "why": why });
                out.show(&said, || format!("waits for `consign approve`: {why}"))
            }
            Decision::Refused(refused) => {
                Err(Problem::new(ProblemKind::Forbidden, format!("{refused}.")).into())
            }
        }
    }
}

/// The key that is meant: an id, a label, or one that no rule names.
fn key(text: Option<&str>) -> Result<(Option<KeyId>, Label), Failure> {
    let id = text.and_then(|text| text.parse().ok());
    let label = text.filter(|_| id.is_none()).unwrap_or("some-key");
    Ok((id, label.parse().map_err(|e| Failure::Usage(format!("--key: {e}")))?))
}

fn limit(rule: &Rule) -> String {
    rule.per_minute.map(|n| format!(", up to {n} times in a minute")).unwrap_or_default()
}

fn list(policy: &Policy, file: &Path, out: &Output) -> Result<(), Failure> {
    let clients: Vec<_> = policy.clients().map(|(name, key)| json!({ "name": name, "key": key })).collect();
    let said = json!({
        "file": file, "exists": true, "clients": clients, "rules": policy.rules(), "standing": policy.orders(),
    });
    out.show(&said, || {
        let count = |number: usize, one: &str, many: &str| match number {
            1 => format!("1 {one}"),
            _ => format!("{number} {many}"),
        };
        let clients = count(clients.len(), "client", "clients");
        let rules = count(policy.rules().len(), "rule", "rules");
        let good = green("good");
        let head = format!("{} is {good}: {clients}, {rules}; everything else is refused", file.display());
        let rows: Vec<_> = policy.rules().iter().map(row).collect();
        let rules = table(["RULE", "LINE", "WHO", "MAY", "WITH KEYS", "IF"], &rows);
        let orders: Vec<_> = policy.orders().iter().map(order).collect();
        if orders.is_empty() {
            return format!("{head}\n\n{rules}");
        }
        let orders = table(["STANDING ORDER", "LINE", "WITH KEYS", "WITHOUT A CLIENT"], &orders);
        format!("{head}\n\n{rules}\n\n{orders}\n\nIt is done where all who are needed have an order that wants it.")
    })
}

/// What a standing order means.
fn order(order: &Order) -> [String; 4] {
    let what = match order.what {
        Standing::Presign { low, high } => {
            format!(
                "presignatures: fewer than {low} for a signer set are filled up, never to more than {high}"
            )
        }
        Standing::Refresh { every_days, moduli, at } => {
            let at = at.map(|at| format!(" at {at} UTC")).unwrap_or_default();
            format!("refresh: every {every_days} days{at}, and {moduli} the moduli")
        }
    };
    let keys: Vec<_> = order.keys.iter().map(ToString::to_string).collect();
    [order.name.clone(), order.line.to_string(), keys.join(" "), what]
}

fn row(rule: &Rule) -> [String; 6] {
    let words = |words: Vec<String>| words.join(" ");
    let mut terms = Vec::new();
    if rule.ceremonies.contains(&Ceremony::Sign) {
        let hashes = rule.hashes.iter().map(|hash| hash.word().to_owned());
        terms.push(
            hashes.chain(rule.raw_digests.then(|| "RAW DIGESTS".to_owned())).collect::<Vec<_>>().join("/"),
        );
    }
    terms.extend(rule.lowest_level.map(|level| format!("level {level} or more")));
    terms.extend(rule.per_minute.map(|n| format!("{n} a minute")));
    if rule.ceremonies.contains(&Ceremony::Reshare) {
        terms.push(match rule.new_members.len() {
            0 => "no new members".to_owned(),
            n => format!("{n} new members named"),
        });
    }
    if rule.approve {
        terms.push("approved".to_owned());
    }
    [
        rule.name.clone(),
        rule.line.to_string(),
        words(rule.clients.clone()),
        words(rule.ceremonies.iter().map(ToString::to_string).collect()),
        words(rule.keys.iter().map(ToString::to_string).collect()),
        terms.join(", "),
    ]
}
