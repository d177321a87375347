//! `consign key export`: this node's share of one key, in a file.

use std::path::PathBuf;

use clap::Args;
use consign_node::age;
use consign_node::core::audit;
use consign_node::core::exports::{Export as Record, Holding, holdings};
use consign_node::store::Store as _;
use serde_json::json;

use crate::failure::Failure;
use crate::files;
use crate::found;
use crate::init::unix_now;
use crate::output::{Output, facts};
use crate::sealing::Sealing;
use crate::stopped::Stopped;

/// Export this node's share of a key into an encrypted file; the node must be stopped
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign key export --data ./a pay --out pay-alice.share --confirm-export \\
    --recipient age1tv4mafxmx7cfyhaplpnugnt9khqgantq95ktxeacrt3gstrumv7s086hy6

Whoever opens as many of these files as the key has signers has the private key, and no node is asked.
The store keeps a record of the export, which `consign key show` shows, and the log tells it at every
start. `consign key assemble` puts the shares together. After a refresh the file is worthless.")]
pub(super) struct Export {
    /// The key's id, an unambiguous beginning of it, or its label
    #[arg(value_name = "KEY")]
    key: String,

    /// Where to; never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Yes, the share shall leave this node
    #[arg(long)]
    confirm_export: bool,

    #[command(flatten)]
    node: Stopped,

    #[command(flatten)]
    sealing: Sealing,
}

impl Export {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        if !self.confirm_export {
            return Err(Failure::Usage(
                "an exported share is out of this node's hands: whoever collects as many as the key has signers has \
                 the private key, unseen by any node, until the key is refreshed; if that is what you want, add \
                 --confirm-export"
                    .to_owned(),
            ));
        }
        files::refuse_existing(&self.out)?;
        let mut node = self.node.open()?;
        let held = holdings(&node.store)?;
        let key = among(&held, &self.key)?;
        let share = key.share_file().ok_or_else(|| {
            Failure::Failed(format!(
                "this node holds no share of {} that is in force: nothing to export",
                key.label()
            ))
        })?;
        let sealed = age::seal(&share, &self.sealing.lock()?)?;
        // The record first: no share shall leave that the store does not know of.
        let record = Record { unix: unix_now()?, epoch: key.epoch(), to: self.sealing.to() };
        let mut writes = vec![key.record(&record, *found::random()?)];
        writes.extend(audit::entries_of(&node.store, &writes, record.unix)?);
        node.store.apply(&writes)?;
        files::save_private(&self.out, &sealed)?;
        let (id, threshold) = (key.id().to_string(), key.threshold());
        let value = json!({
            "file": self.out, "key": id, "label": key.label(), "epoch": key.epoch(), "threshold": threshold,
            "sealed_for": record.to,
        });
        out.note(&format!(
            "! The share of {} has left this node. {threshold} such files make the private key; a refresh makes them worthless.",
            key.label()
        ));
        out.show(&value, || {
            facts(&[
                ("share", self.out.display().to_string()),
                ("sealed for", record.to.clone()),
                ("key", format!("{} {id}", key.label())),
                ("epoch", key.epoch().to_string()),
                ("needed", format!("{threshold} of {} shares make the key", key.holders())),
            ])
        })
    }
}

/// The one key whose label is `text`, or whose id begins with it.
fn among<'a>(held: &'a [Holding], text: &str) -> Result<&'a Holding, Failure> {
    let named = |key: &&Holding| {
        key.label().as_str() == text || !text.is_empty() && key.id().to_string().starts_with(text)
    };
    let mut fitting = held.iter().filter(named);
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => {
            Err(Failure::unknown_key(format!("this node has no key `{text}` among its {}", held.len())))
        }
        (Some(_), Some(_)) => {
            Err(Failure::Usage(format!("several keys fit `{text}`: give more digits of the id")))
        }
    }
}
