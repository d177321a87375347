//! `consign client`: keys with which clients sign what they ask.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use consign_api::ClientSecret;
use consign_api::signed::key::MAX_KEY_FILE_BYTES;
use consign_node::core::policy::{Policy, client_lines, free_name};
use serde_json::json;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// Keys of clients, who sign what they ask so that no node can ask for anything else in their name
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign client new shop.key
  consign key sign --data ./a --client shop.key pay \"invoice 4711\"")]
pub(crate) struct Client {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a client's key, and print its public half
    #[command(after_help = "\
Example:
  consign client new shop.key

The file is the client: whoever can read it can ask in its name. It is never overwritten. Tell the public key to the
operators of the nodes; they allow it what it may do.")]
    New {
        /// Where to
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl Client {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let Command::New { file } = &self.command;
        files::refuse_existing(file)?;
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|e| Failure::Failed(format!("no randomness: {e}")))?;
        let secret = ClientSecret::from_seed(&seed);
        files::save_private(file, secret.to_file().as_bytes())?;
        let client = secret.public();
        out.show(&json!({ "client": client, "file": file }), || client.to_string())?;
        let lines = client_lines(&free_name(&Policy::default(), &client), &client);
        let lines = lines.map_err(Failure::from_error)?;
        out.note(&format!(
            "Each node that shall work for it: `consign policy allow --data DIR {client}`.\n\
             That writes into policy.toml, with a name of your choice (--name) and a rule:\n\n{lines}"
        ));
        Ok(())
    }
}

/// Reads a client's key.
pub(crate) fn read(file: &Path) -> Result<ClientSecret, Failure> {
    let text = files::read_private(file, MAX_KEY_FILE_BYTES)?;
    ClientSecret::from_file(&text).map_err(|e| Failure::Failed(format!("{}: {e}", file.display())))
}
