//! `consign invite`: lets one more node in.

use clap::Args;
use consign_api::Invite as Body;
use consign_api::limits::MAX_INVITATION_S;

use crate::failure::Failure;
use crate::flags::Data;
use crate::operator;
use crate::output::Output;

/// Longest validity in minutes.
const MAX_MINUTES: i64 = MAX_INVITATION_S as i64 / 60;

/// Print an invitation with which one node can join the cluster
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign invite --data ./a

Whoever has the invitation can join, once: hand it over in private. Only a founder can invite.")]
pub(crate) struct Invite {
    #[command(flatten)]
    data: Data,

    /// For how long it is good, in minutes
    #[arg(long, value_name = "MINUTES", default_value = "60",
          value_parser = clap::value_parser!(u32).range(1..=MAX_MINUTES))]
    minutes: u32,
}

impl Invite {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let view = operator::open(&self.data.data)?.invite(&Body { valid_for: self.minutes * 60 })?;
        out.show(&view, || view.invitation.clone())?;
        out.note("Good for one node; it joins with `consign join INVITATION` and `consign node`.");
        Ok(())
    }
}
