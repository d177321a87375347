//! `consign policy allow`: writes a rule.

use clap::Args;
use consign_node::config::DataFolder;
use consign_node::core::policy::{
    Ceremony, KeyPattern, MAX_PER_MINUTE, NewRule, Policy, client_lines, free_name, rule_lines,
};
use serde_json::json;

use super::client;
use crate::failure::Failure;
use crate::flags::Data;
use crate::output::Output;

/// The beginning of a new file.
const HEAD: &str = "\
# What this node agrees to, whoever proposes it. What no rule allows is refused.
# `consign policy check` explains it; the node reads this file again when it changes.
";

/// Allow a client something: append a rule to policy.toml
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign policy allow --data ./a 3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29 --name shop
  consign policy allow --data ./a shop --key \"pay-*\" --ceremony sign --per-minute 60
  consign policy allow --data ./a shop --key vault --ceremony sign --ceremony reshare --approve

A client's own keys are those it asked for. Allow the same at every node that shall take part: each decides for itself.
The first rule makes the policy: from then on the node refuses what no rule allows.")]
pub(super) struct Allow {
    /// The client: its public key (64 hexadecimal digits), its name in the policy, or its key file
    #[arg(value_name = "CLIENT")]
    client: String,

    /// What to call the client, if it has no name yet
    #[arg(long)]
    name: Option<String>,

    /// With the keys that it asked for; this is so if no --key is given
    #[arg(long)]
    own: bool,

    /// With keys of this label (* stands for any text) or id; may be repeated
    #[arg(long = "key", value_name = "LABEL|ID", conflicts_with = "own")]
    keys: Vec<KeyPattern>,

    /// What it may ask for: keygen, sign, presign, refresh, reshare; may be repeated. If left out: sign and
    /// presign, and with its own keys keygen and refresh too
    #[arg(long = "ceremony", value_name = "CEREMONY")]
    ceremonies: Vec<Ceremony>,

    /// Let it have raw digests signed, of which nobody can see what they stand for
    #[arg(long)]
    raw_digests: bool,

    /// How many requests are taken in a minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PER_MINUTE)))]
    per_minute: Option<u32>,

    /// Let each request wait for an operator's approval at this node
    #[arg(long)]
    approve: bool,

    #[command(flatten)]
    data: Data,
}

impl Allow {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let folder = DataFolder::open(&self.data.data)?;
        let old = folder.policy_text()?;
        let policy = folder.parse_policy(old.as_deref().unwrap_or_default())?;
        let lines = self.lines(&policy)?;
        let mut text = old.clone().unwrap_or_else(|| HEAD.to_owned());
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("\n{lines}"));
        // What is written must be readable, whatever stood there before.
        folder.parse_policy(&text)?;
        folder.write_file(&folder.policy_file(), text.as_bytes())?;
        let file = folder.policy_file();
        out.show(&json!({ "file": file, "added": lines }), || lines)?;
        out.note(&format!("Added to {}.", file.display()));
        if old.is_none() {
            out.note("This node has a policy now: whatever no rule allows is refused.");
        }
        Ok(())
    }

    fn lines(&self, policy: &Policy) -> Result<String, Failure> {
        let key = client::find(&self.client, policy)?;
        let known = policy.client(&key);
        let name = match (&self.name, known) {
            (Some(name), Some(known)) if name != known => {
                let text = format!("the policy calls this client `{known}` already: leave out --name");
                return Err(Failure::Usage(text));
            }
            (Some(name), _) => name.clone(),
            (None, _) => free_name(policy, &key),
        };
        let mut lines = match known {
            Some(_) => String::new(),
            None => client_lines(&name, &key).map_err(|e| Failure::Usage(format!("--name: {e}")))? + "\n",
        };
        let own = [KeyPattern::Own];
        let keys = if self.keys.is_empty() { &own[..] } else { &self.keys };
        let usual: &[Ceremony] = if self.keys.is_empty() {
            &[Ceremony::Keygen, Ceremony::Sign, Ceremony::Presign, Ceremony::Refresh]
        } else {
            &[Ceremony::Sign, Ceremony::Presign]
        };
        let ceremonies = if self.ceremonies.is_empty() { usual } else { &self.ceremonies };
        if self.raw_digests && !ceremonies.contains(&Ceremony::Sign) {
            return Err(Failure::Usage("--raw-digests is for --ceremony sign".to_owned()));
        }
        lines.push_str(&rule_lines(&NewRule {
            client: &name,
            ceremonies,
            keys,
            raw_digests: self.raw_digests,
            per_minute: self.per_minute,
            approve: self.approve,
        }));
        Ok(lines)
    }
}
