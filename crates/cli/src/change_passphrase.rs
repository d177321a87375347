//! `consign passphrase change`: locks the store of a stopped node with something else.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use consign_node::config::{Config, DataFolder};
use consign_node::store::{Passphrase as Text, Unlock};
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::passphrase;
use crate::sealing::passphrase_in;
use crate::stopped::Stopped;

/// Change what opens the store of a node: its passphrase or key file
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign passphrase change --data ./a")]
pub(crate) struct Passphrase {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Change(Change),
}

/// Lock the store of a stopped node with a new passphrase or key file
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign passphrase change --data ./a
  consign passphrase change --data ./a --new-passphrase-file new.txt
  consign passphrase change --data ./a --new-key-file /etc/consign/store.key

What opens it now is found as `consign node` finds it: --key-file, the configuration, the environment, or it is
asked for. No record is sealed anew: only the key that opens them is. Old copies and backups of the folder
still open with the old passphrase; if a thief may have it, refresh the keys too.")]
struct Change {
    #[command(flatten)]
    node: Stopped,

    /// File of 32 random bytes in hex that shall open the store (mode 0600)
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_file")]
    new_key_file: Option<PathBuf>,

    /// File with the new passphrase (mode 0600); without it and a key file one is asked for
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

impl Passphrase {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let Command::Change(change) = &self.command;
        change.run(out)
    }
}

impl Change {
    fn run(&self, out: &Output) -> Result<(), Failure> {
        let mut node = self.node.open()?;
        node.store.rewrap(&self.new_secret()?)?;
        let kind = if self.new_key_file.is_some() { "key file" } else { "passphrase" };
        let hint = self.hint(&node.folder)?;
        out.show(&json!({ "locked_with": kind, "to_do": hint }), || {
            let hint = hint.as_ref().map(|hint| format!("\n! {hint}")).unwrap_or_default();
            format!("A new {kind} opens the store; the old one does not any more.{hint}")
        })
    }

    /// What shall open the store from now on.
    fn new_secret(&self) -> Result<Unlock, Failure> {
        if let Some(path) = &self.new_key_file {
            return Ok(Unlock::KeyFile(path.clone()));
        }
        let text = match &self.new_passphrase_file {
            Some(path) => passphrase_in(path)?,
            None => passphrase::ask_twice(
                "the new passphrase comes from a terminal: give --new-passphrase-file or --new-key-file",
            )?,
        };
        Ok(Unlock::Passphrase(Text::new(text.to_string())))
    }

    /// What the operator must change, for the node to find what opens its store.
    fn hint(&self, folder: &DataFolder) -> Result<Option<String>, Failure> {
        let configured = Config::load(folder, &Default::default())?.key_file;
        Ok(match (&self.new_key_file, configured) {
            (None, None) => None,
            (Some(new), Some(old)) if std::path::absolute(new)? == std::path::absolute(&old)? => None,
            (Some(new), _) => Some(format!(
                "Put `key_file = \"{}\"` into [store] of {}, or give --key-file.",
                std::path::absolute(new)?.display(),
                folder.config_file().display()
            )),
            (None, Some(old)) => Some(format!(
                "The configuration still names the key file {}: take it out of [store] in {} (and out of CONSIGN_KEY_FILE).",
                old.display(),
                folder.config_file().display()
            )),
        })
    }
}
