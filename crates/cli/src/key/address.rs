//! `consign key address`.

use clap::Args;
use consign_cggmp24::derivation::Path;
use serde::Serialize;

use super::find;
use super::show::given;
use crate::children;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Call;
use crate::output::{Output, facts};

/// Show the public key of a key or one of its children, and the addresses it has on secp256k1
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key address --data ./a pay
  consign key address --data ./a pay --path m/0/5

They are computed here from the key's public key and chain code, not by the node.")]
pub(super) struct Address {
    /// The key's id, an unambiguous beginning of it, or its label
    #[arg(value_name = "KEY")]
    key: String,

    /// Which child: unhardened steps from the key on; `m` is the key itself
    #[arg(long, value_name = "PATH", default_value = "m")]
    path: Path,

    #[command(flatten)]
    call: Call,
}

/// A child as this command prints it.
#[derive(Serialize)]
struct Child {
    path: String,
    public_key: String,
    ethereum_address: Option<String>,
    bitcoin_address: Option<String>,
}

impl Address {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let key = find::at(&Connection::of(&self.call)?, &self.key)?;
        let wrong = |bad| Failure::Failed(format!("there is no address: {bad}"));
        let child = children::child(&key, &self.path).map_err(wrong)?;
        let child = Child {
            path: self.path.to_string(),
            public_key: hex::encode(child.public_key),
            ethereum_address: child.ethereum_address,
            bitcoin_address: child.bitcoin_address,
        };
        out.show(&child, || {
            facts(&[
                ("key", format!("{} {}", key.label, key.id)),
                ("path", child.path.clone()),
                ("public key", child.public_key.clone()),
                ("ethereum", given(&child.ethereum_address)),
                ("bitcoin", given(&child.bitcoin_address)),
            ])
        })
    }
}
