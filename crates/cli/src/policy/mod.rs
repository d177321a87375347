//! `consign policy`: what a node agrees to. Works on the file in its data folder; a running node reads it again by itself.

mod allow;
mod check;
mod client;
mod drop;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::output::Output;

/// Say what this node agrees to, and see why it refuses
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign policy check --data ./a
  consign policy allow --data ./a 3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29 --name shop")]
pub(crate) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Check(Box<check::Check>),
    Allow(allow::Allow),
    Drop(drop::Drop),
}

impl Policy {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        match &self.command {
            Command::Check(check) => check.run(out),
            Command::Allow(allow) => allow.run(out),
            Command::Drop(drop) => drop.run(out),
        }
    }
}
