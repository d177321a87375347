//! `consign restore`: makes the data folder of a node from its backup.

use std::path::PathBuf;

use clap::Args;
use consign_node::age::MAX_FILE_BYTES;
use consign_node::config::{Config, DataFolder};
use consign_node::core::Now;
use consign_node::core::backup::Backup;
use consign_node::core::exports::holdings;
use serde_json::json;

use crate::backup::{key_table, shown_keys};
use crate::failure::Failure;
use crate::flags::NodeFlags;
use crate::found;
use crate::init::unix_now;
use crate::output::{Output, bold};
use crate::passphrase;
use crate::sealing::Opening;

/// Make the data folder of a node from a backup, under a new passphrase or key file
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign restore alice.backup --dir ./alice
  CONSIGN_PASSPHRASE='correct horse battery' consign restore alice.backup --dir ./alice --identity offline.txt

Two processes with one identity must never run: see that the old node is gone for good. Everything in
the file is checked before anything is written. The configuration is that of the backup, changed by the
flags; the API gets a new token, and open invitations are no longer good.")]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The new data folder; it must not exist, or be empty
    #[arg(long, alias = "data", value_name = "DIR")]
    dir: PathBuf,

    #[command(flatten)]
    opening: Opening,

    #[command(flatten)]
    node: NodeFlags,
}

/// What everybody must know who restores.
const WARNINGS: [&str; 5] = [
    "Never run two processes with this identity: see that the old node is gone for good, its folder too.",
    "A key may have moved to another epoch since the backup. As soon as an honest holder shows it to this node, the \
     older share is erased; reshare the key to this node, and it has one again.",
    "It signs nothing yet. Start it where it reaches the others, so that they show it what it has missed; then stop it, run \
     `consign audit accept-rollback` on its folder, and start it again.",
    "If fewer holders of the newest epoch are left than the key has signers, do NOT start this node: a single living \
     holder would make it erase the older share. Use `consign key export` on this folder and those of others restored \
     so, and `consign key assemble`.",
    "Requests that clients made before the first start of this node, or within half a minute after it, are refused.",
];

impl Restore {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        found::refuse_non_empty(&self.dir)?;
        let backup = Backup::decode(&self.opening.open(&self.file, MAX_FILE_BYTES)?)?;
        let now = Now { monotonic: 0, unix: unix_now()? };
        let restored = backup.restore(now, *found::random()?)?;
        let keys = shown_keys(&holdings(&restored.store)?);
        let config = Config::of_text(&restored.config, &self.node.to_flags(None))?;
        let (dir, validator) = (self.dir.display().to_string(), restored.node.to_string());
        let (cluster, created) = (restored.cluster.to_string(), restored.created);
        let policy = restored.policy.clone();
        found::folder_from(&self.dir, config, passphrase::of_new_store, &restored.into_writes())?;
        if let Some(text) = &policy {
            let folder = DataFolder::open(&self.dir)?;
            folder.write_file(&folder.policy_file(), text.as_bytes())?;
        }
        let value = json!({
            "data": dir, "validator": validator, "cluster": cluster, "created": created, "keys": keys,
            "policy": policy.is_some(), "warnings": WARNINGS,
        });
        out.show(&value, || {
            let age = now.unix.saturating_sub(created) / 60;
            let policy = if policy.is_some() {
                "policy.toml is as it was in force when the backup was made: see that it allows no more than you want now."
            } else {
                "The backup holds no policy.toml."
            };
            format!(
                "Restored validator {} from a backup that is {age} minutes old. {policy}\n\n{}\n\n{}\n\nStart it:  {}",
                bold(&validator),
                key_table(&keys),
                WARNINGS.map(|warning| format!("! {warning}")).join("\n"),
                bold(&format!("consign node --data {dir}")),
            )
        })
    }
}
