//! `consign key presign`.

use clap::Args;
use consign_api::limits::MAX_PRESIGNATURES;
use consign_api::{Outcome, Presign as Request, PresignTerms};

use super::create::committee;
use super::find;
use super::show::describe;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Call;
use crate::follow;
use crate::output::Output;

/// Make presignatures ahead of time: each lets one message be signed in a single round
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key presign --data ./a pay --count 10
  consign key presign --data ./a pay --count 4 --signer alice --signer bob

They live in the memory of the nodes that made them, and nowhere else: a restart of one of them, or new shares, and
they are gone. `consign key sign` takes one by itself if there is one. Raw digests and child keys are always signed
without.")]
pub(super) struct Presign {
    /// The key's id, an unambiguous beginning of it, or its label
    #[arg(value_name = "KEY")]
    key: String,

    /// How many; with many signers fewer are possible at a time
    #[arg(long, value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PRESIGNATURES)))]
    count: u32,

    /// A holder that will sign with them, by name, id or beginning of it; repeated, exactly as many as must sign; the
    /// node chooses if none is given
    #[arg(long = "signer", value_name = "VALIDATOR")]
    signers: Vec<String>,

    #[command(flatten)]
    call: Call,
}

impl Presign {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let node = Connection::of(&self.call)?;
        let key = find::at(&node, &self.key)?;
        let signers =
            if self.signers.is_empty() { Vec::new() } else { committee(&node.validators()?, &self.signers)? };
        let terms = PresignTerms { count: self.count, signers }.checked().map_err(Failure::Usage)?;
        let over = follow::to_end(&node, node.presign(&Request { key: key.id, terms })?, out)?;
        let Some(Outcome::Internal) = over.outcome else { return Err(follow::odd_outcome(&over)) };
        let key = node.key(key.id)?;
        out.show(&key, || describe(&key))
    }
}
