//! `consign validator`: the roster.

use clap::{Args, Subcommand};
use consign_api::ValidatorView;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Data;
use crate::output::{Output, table};

/// Show the validators of the cluster
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign validator list --data ./a")]
pub(crate) struct Validator {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the validators and whether this node is connected to them
    #[command(after_help = "\
Example:
  consign validator list --data ./a")]
    List {
        #[command(flatten)]
        data: Data,
    },
}

impl Validator {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        match &self.command {
            Command::List { data } => {
                let node = Connection::open(&data.data)?;
                let validators = node.validators()?;
                out.show(&validators, || {
                    table(
                        ["NAME", "ID", "ROLE", "STATE", "ADDRESSES"],
                        &validators.iter().map(row).collect::<Vec<_>>(),
                    )
                })?;
                if !out.is_json() {
                    note_policy(&node, out)?;
                }
                Ok(())
            }
        }
    }
}

/// What the operator of this node should know of its policy.
fn note_policy(node: &Connection, out: &Output) -> Result<(), Failure> {
    let Some(policy) = node.node()?.policy else { return Ok(()) };
    if let Some(error) = policy.error {
        out.note(&format!("The policy of before is in force: {error}"));
    }
    if policy.waiting > 0 {
        out.note(&format!("Requests that wait for `consign approve` at this node: {}", policy.waiting));
    }
    Ok(())
}

fn row(validator: &ValidatorView) -> [String; 5] {
    let role = match (validator.founder, validator.member) {
        (true, _) => "founder",
        (false, true) => "member",
        (false, false) => "not a member",
    };
    let mut state = match (validator.this_node, validator.connected, validator.latency_ms) {
        (true, ..) => "this node".to_owned(),
        (false, true, Some(ms)) => format!("connected, {ms} ms"),
        (false, true, None) => "connected".to_owned(),
        (false, false, _) => "not connected".to_owned(),
    };
    if validator.runs_twice {
        state.push_str(", RUNS TWICE: stop the copy");
    }
    if !validator.evidence.is_empty() {
        let ids: Vec<_> = validator.evidence.iter().map(|id| id.short()).collect();
        state.push_str(&format!("; convicted by {}", ids.join(", ")));
    }
    let name = validator.name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    [name, validator.id.to_string(), role.to_owned(), state, validator.addresses.join(" ")]
}
