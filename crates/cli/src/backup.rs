//! `consign backup`: writes what makes a stopped node itself into one sealed file.

use std::path::PathBuf;

use clap::Args;
use consign_node::age;
use consign_node::config::Config;
use consign_node::core::Now;
use consign_node::core::backup::{Backup as Content, Made};
use consign_node::core::exports::{Holding, holdings};
use consign_node::store::{MAX_WRITES, Store as _};
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
use crate::files;
use crate::found;
use crate::init::unix_now;
use crate::output::{Output, facts, table};
use crate::sealing::Sealing;
use crate::stopped::Stopped;

/// Back up a stopped node: identity, shares, moduli, cluster and configuration, in one encrypted file
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign backup --data ./a alice.backup
  consign backup --data ./a alice.backup --recipient age1tv4mafxmx7cfyhaplpnugnt9khqgantq95ktxeacrt3gstrumv7s086hy6

The file is in the format of age (age-encryption.org): sealed with a passphrase that is asked for, or
for recipients whose identities may be kept offline. It is never overwritten. Make a new one after
each refresh and resharing: a node restored from an old one loses its shares as soon as it meets a
holder of the newer epoch. Erase old backups when every holder has a newer one, not before. The store
keeps a record of the shares in it, which `consign key show` shows.")]
pub(crate) struct Backup {
    /// Where to
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    node: Stopped,

    #[command(flatten)]
    sealing: Sealing,
}

/// A key in a backup, as commands print it.
#[derive(Serialize)]
pub(crate) struct ShownKey {
    id: String,
    label: String,
    epoch: u64,
    share: bool,
    pending: usize,
}

impl Backup {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        files::refuse_existing(&self.file)?;
        let mut node = self.node.open()?;
        let config = Config::of_file(&node.folder)?.to_file();
        let now = Now { monotonic: 0, unix: unix_now()? };
        // Restored for a trial before anybody types a passphrase.
        let made = Content::take(&node.store, config, &self.sealing.to(), now, *found::random()?)?;
        let sealed = age::seal(&made.bytes, &self.sealing.lock()?)?;
        // The records first: no share shall leave that the store does not know of.
        for leaving in made.leaving.chunks(MAX_WRITES) {
            node.store.apply(leaving)?;
        }
        files::save_private(&self.file, &sealed)?;
        let Made { trial, left_out, .. } = made;
        if node.folder.policy_text()? != trial.policy {
            out.note(
                "policy.toml is not the policy that was in force last, which the backup holds: let the node run with the new \
                 one, then make another backup.",
            );
        }
        let keys = shown_keys(&holdings(&trial.store)?);
        let value = json!({
            "file": self.file, "bytes": sealed.len(), "validator": trial.node.to_string(),
            "created": trial.created, "keys": keys, "evidence_left_out": left_out,
        });
        out.show(&value, || {
            let mut text = facts(&[
                ("backup", self.file.display().to_string()),
                ("sealed for", self.sealing.to()),
                ("validator", trial.node.to_string()),
            ]);
            text.push_str(&format!("\n\n{}", key_table(&keys)));
            if left_out > 0 {
                text.push_str(&format!(
                    "\n{left_out} pieces of evidence had no room; the other nodes offer theirs again."
                ));
            }
            text
        })
    }
}

/// The keys of a store.
pub(crate) fn shown_keys(holdings: &[Holding]) -> Vec<ShownKey> {
    let shown = |holding: &Holding| ShownKey {
        id: holding.id().to_string(),
        label: holding.label().to_string(),
        epoch: holding.epoch(),
        share: holding.has_share(),
        pending: holding.pendings(),
    };
    holdings.iter().map(shown).collect()
}

/// The same for people.
pub(crate) fn key_table(keys: &[ShownKey]) -> String {
    let row = |key: &ShownKey| {
        let share = match (key.share, key.pending) {
            (true, 0) => "yes".to_owned(),
            (false, 0) => "no".to_owned(),
            (has, count) => format!("{}, and {count} not confirmed by all", if has { "yes" } else { "no" }),
        };
        [key.label.clone(), key.id.clone(), key.epoch.to_string(), share]
    };
    if keys.is_empty() {
        return "No keys.".to_owned();
    }
    table(["LABEL", "ID", "EPOCH", "SHARE"], &keys.iter().map(row).collect::<Vec<_>>())
}
