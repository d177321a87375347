//! `consign key`: keys that nobody holds alone.

mod address;
mod assemble;
mod certificate;
mod change;
mod create;
mod export;
mod find;
mod import;
mod pem;
mod presign;
mod secret;
mod show;
mod sign;

use clap::{Args, Subcommand};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Call;
use crate::output::Output;

pub(crate) use change::changed;
pub(crate) use create::majority;
pub(crate) use show::given;
pub(crate) use sign::signature;

/// Create, import, list and show keys; sign with them; renew, move or export their shares
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key create --data ./a --name pay
  consign key sign --data ./b pay \"invoice 4711\"
  consign key refresh --data ./a pay --keep-aux
  consign key reshare --data ./a pay --member alice --member bob --member dave")]
pub(crate) struct Key {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Create(create::Create),
    /// List the keys this node knows, with or without a share
    #[command(after_help = "\
Example:
  consign key list --data ./a")]
    List {
        #[command(flatten)]
        call: Call,
    },
    /// Show one key: public key, addresses, committee, whether its certificate holds
    #[command(after_help = "\
Example:
  consign key show --data ./a pay")]
    Show {
        /// Its id, an unambiguous beginning of it, or its label
        #[arg(value_name = "KEY")]
        key: String,

        #[command(flatten)]
        call: Call,
    },
    Import(import::Import),
    Discard(import::Discard),
    Sign(sign::Sign),
    Presign(presign::Presign),
    Address(address::Address),
    Certificate(certificate::Certificate),
    Trust(certificate::Trust),
    Refresh(change::Refresh),
    Reshare(change::Reshare),
    Export(export::Export),
    Assemble(assemble::Assemble),
}

impl Key {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        match &self.command {
            Command::Create(create) => create.run(out),
            Command::List { call } => show::list(&Connection::of(call)?, out),
            Command::Show { key, call } => show::one(&Connection::of(call)?, key, out),
            Command::Import(import) => import.run(out),
            Command::Discard(discard) => discard.run(out),
            Command::Sign(sign) => sign.run(out),
            Command::Presign(presign) => presign.run(out),
            Command::Address(address) => address.run(out),
            Command::Certificate(certificate) => certificate.run(out),
            Command::Trust(trust) => trust.run(out),
            Command::Refresh(refresh) => refresh.run(out),
            Command::Reshare(reshare) => reshare.run(out),
            Command::Export(export) => export.run(out),
            Command::Assemble(assemble) => assemble.run(out),
        }
    }
}
