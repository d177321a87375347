//! `consign audit`: the log of a stopped node.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use consign_node::core::audit::{self, Chain, Placed};
use consign_node::store::Store as _;
use serde_json::json;

use crate::failure::Failure;
use crate::files;
use crate::init::unix_now;
use crate::output::{Output, facts, table};
use crate::stopped::Stopped;

/// Most entries that leave the store in one transaction.
const ARCHIVED_AT_A_TIME: usize = 2_000;

/// The audit log of a stopped node: what it did, in a chain of hashes
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign audit verify --data ./a")]
pub(crate) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the newest entries: ceremonies, evidence, changes of keys and validators, exports
    #[command(after_help = "\
Example:
  consign audit list --data ./a --last 20")]
    List {
        #[command(flatten)]
        node: Stopped,

        /// How many
        #[arg(long, value_name = "COUNT", default_value_t = 50)]
        last: usize,
    },
    /// Verify the chain of hashes, and show its length and end
    #[command(after_help = "\
Example:
  consign audit verify --data ./a

A log that holds shows that no entry was altered or taken out of it. That the whole store went back, the
other nodes notice: they remember the end that this node has signed.")]
    Verify {
        #[command(flatten)]
        node: Stopped,
    },
    /// Let a node sign again whose store went back, or that was restored from a backup
    #[command(after_help = "\
Example:
  consign audit accept-rollback --data ./a

First find out why the store went back, and let the node run where it reaches the others: they show it newer
epochs, for which it erases its older shares. What it signed since is not in its log: look at theirs.")]
    AcceptRollback {
        #[command(flatten)]
        node: Stopped,
    },
    /// Move all but the newest entries into a file, one JSON object a line
    #[command(after_help = "\
Example:
  consign audit archive --data ./a audit-2026.jsonl --keep 1000")]
    Archive {
        #[command(flatten)]
        node: Stopped,

        /// Where to; never overwritten
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// How many of the newest stay
        #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
        keep: usize,
    },
}

impl Audit {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        match &self.command {
            Command::List { node, last } => list(node, *last, out),
            Command::Verify { node } => verify(node, out),
            Command::AcceptRollback { node } => accept_rollback(node, out),
            Command::Archive { node, file, keep } => archive(node, file, *keep, out),
        }
    }
}

fn list(node: &Stopped, last: usize, out: &Output) -> Result<(), Failure> {
    let mut entries = Chain::read(&node.open()?.store)?.entries;
    let entries = entries.split_off(entries.len().saturating_sub(last));
    let shown: Vec<_> = entries.iter().map(shown).collect();
    out.show(&shown, || {
        let row = |placed: &Placed| {
            let entry = &placed.entry;
            let kind = json!(entry.kind).as_str().map(str::to_owned).unwrap_or_default();
            [placed.number.to_string(), entry.unix.to_string(), kind, entry.summary.clone()]
        };
        table(["NUMBER", "UNIX TIME", "KIND", "WHAT"], &entries.iter().map(row).collect::<Vec<_>>())
    })
}

/// An entry for programs, and in an archive: whatever its hash is made of.
fn shown(placed: &Placed) -> serde_json::Value {
    let entry = &placed.entry;
    json!({
        "number": placed.number, "unix": entry.unix, "kind": entry.kind, "summary": entry.summary,
        "content": entry.content.to_string(), "hash": placed.hash.to_string(),
    })
}

fn verify(node: &Stopped, out: &Output) -> Result<(), Failure> {
    let chain = Chain::read(&node.open()?.store)?;
    let (length, head) = (chain.head.length, chain.head.hash.to_string());
    let here = chain.entries.len();
    let value = json!({
        "verified": true, "length": length, "head": head, "entries": here, "archived_up_to": chain.base.length,
    });
    out.show(&value, || {
        facts(&[
            ("audit log", "holds".to_owned()),
            ("length", length.to_string()),
            ("head", head.clone()),
            ("in the store", here.to_string()),
        ])
    })
}

fn accept_rollback(node: &Stopped, out: &Output) -> Result<(), Failure> {
    let mut node = node.open()?;
    let Some((held, writes)) = audit::accept_rollback(&node.store, unix_now()?)? else {
        return Err(Failure::Usage(
            "this node's store did not go back: there is nothing to accept".to_owned(),
        ));
    };
    node.store.apply(&writes)?;
    out.show(&json!({ "accepted": held.why() }), || {
        format!("Noted: {}. The node signs again when it is started.", held.why())
    })
}

fn archive(node: &Stopped, file: &std::path::Path, keep: usize, out: &Output) -> Result<(), Failure> {
    let mut node = node.open()?;
    let mut entries = Chain::read(&node.store)?.entries;
    entries.truncate(entries.len().saturating_sub(keep));
    if entries.is_empty() {
        return Err(Failure::Usage(format!(
            "the log has no more than {keep} entries: there is nothing to archive"
        )));
    }
    let mut text = Vec::new();
    for placed in &entries {
        serde_json::to_writer(&mut text, &shown(placed)).map_err(|e| Failure::Failed(e.to_string()))?;
        text.push(b'\n');
    }
    // In the file, durably, before anything leaves the store.
    files::save_private(file, &text)?;
    for part in entries.chunks(ARCHIVED_AT_A_TIME) {
        node.store.apply(&audit::archived(part))?;
    }
    let (file, count) = (file.display().to_string(), entries.len());
    out.show(&json!({ "file": file, "entries": count }), || format!("{count} entries are in {file} now."))
}
