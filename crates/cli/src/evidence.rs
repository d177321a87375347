//! `consign evidence`: who was caught, and the files that prove it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use consign_api::{EvidenceId, EvidenceView};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::files;
use crate::flags::Data;
use crate::naming;
use crate::output::{Output, table};

/// Show who was convicted of breaking the protocol, and save what proves it
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign evidence list --data ./a
  consign evidence save --data ./a 3f9a proof.evidence
  consign verify-evidence proof.evidence")]
pub(crate) struct Evidence {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the evidence this node has judged and keeps, newest first
    #[command(after_help = "\
Example:
  consign evidence list --data ./a")]
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Save evidence in a file that anybody can judge
    #[command(after_help = "\
Example:
  consign evidence save --data ./a 3f9a proof.evidence

The file holds signed messages and public information, no secrets. It is never overwritten.")]
    Save {
        /// Its id, or an unambiguous beginning of it
        #[arg(value_name = "ID")]
        id: String,

        /// Where to
        #[arg(value_name = "FILE")]
        file: PathBuf,

        #[command(flatten)]
        data: Data,
    },
}

impl Evidence {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        match &self.command {
            Command::List { data } => {
                let evidence = Connection::open(&data.data)?.evidence()?;
                out.show(&evidence, || {
                    let rows: Vec<_> = evidence.iter().map(row).collect();
                    table(["ID", "CULPRIT", "PARTY", "PROTOCOL", "ROUND", "CEREMONY", "CHARGE"], &rows)
                })
            }
            Command::Save { id, file, data } => {
                let node = Connection::open(&data.data)?;
                let id = find(&node, id)?;
                files::save(file, &node.evidence_file(id)?)?;
                let saved = serde_json::json!({ "id": id, "file": file });
                out.show(&saved, || format!("evidence {id} is in {}", file.display()))
            }
        }
    }
}

/// The evidence that `text` names.
fn find(node: &Connection, text: &str) -> Result<EvidenceId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let known = node.evidence()?.into_iter().map(|view| view.id);
    naming::find(known, text, ["evidence", "pieces of evidence", "evidence list"])
}

fn row(view: &EvidenceView) -> [String; 7] {
    let culprit = view.name.as_ref().map_or_else(|| view.culprit.short(), ToString::to_string);
    [
        view.id.short(),
        culprit,
        view.index.to_string(),
        view.phase.to_string(),
        view.round.map_or_else(|| "-".to_owned(), |round| round.to_string()),
        view.ceremony.short(),
        view.charge.clone(),
    ]
}
