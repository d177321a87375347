//! `consign key import` and `consign key discard`: a private key that exists already is shared out.

use std::path::PathBuf;

use clap::Args;
use consign_api::limits::{MAX_THRESHOLD, MIN_THRESHOLD};
use consign_api::{ChainCode, Curve, ImportKey, KeyView, Label, Level, Outcome, Scheme};
use console::Term;

use super::create::{committee, majority};
use super::find;
use super::secret::{self, Secret};
use super::show::describe;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Data;
use crate::follow;
use crate::output::Output;

/// What is said before anything is read.
const WARNING: &str = "\
WARNING: an imported key was in one place. Whoever had it before can sign alone for ever, and so can this machine and its
node until the shares are dealt; sharing it out takes nothing back. Destroy every other copy. If you can, make a new key
instead (`consign key create`), which no machine ever has, and move to that.";

/// Import a private key that exists already: it is shared out, and the node that imports it erases it
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key import old --data ./a --from key.pem --curve p256
  consign key import old --data ./a --threshold 3 --member alice --member bob --member carol < key.hex

The private key is 64 hexadecimal digits, or a PEM file (PKCS#8 or SEC 1, not encrypted). It is read from a file, from
standard input, or from the terminal without being shown, and never from an argument. It goes to the node of this data
folder, which must be on this machine, and from there in shares to the committee. All members must be connected.

A key that was in one place is weaker than one that never was, and stays marked as imported. If sharing it out fails, the
node keeps the key sealed, in one place: go on with `consign key reshare`, or give it up with `consign key discard`.")]
pub(super) struct Import {
    /// What to call the key
    #[arg(value_name = "LABEL")]
    name: Label,

    /// File with the private key; `-` is standard input, which is also read if it is no terminal
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,

    /// The curve of the key
    #[arg(long, value_name = "secp256k1|p256", default_value_t = Curve::Secp256k1)]
    curve: Curve,

    /// How many members must sign together; a majority if left out
    #[arg(long, value_name = "T",
          value_parser = clap::value_parser!(u16).range(i64::from(MIN_THRESHOLD)..=i64::from(MAX_THRESHOLD)))]
    threshold: Option<u16>,

    /// A validator that gets a share, by name, id or beginning of it; may be repeated; all members if left out
    #[arg(long = "member", value_name = "VALIDATOR")]
    members: Vec<String>,

    /// Chain code that the key has already, 32 bytes in hexadecimal; a random one if left out
    #[arg(long, value_name = "HEX")]
    chain_code: Option<ChainCode>,

    /// Security level in bits
    #[arg(long, value_name = "112|128", default_value_t = Level::L128)]
    level: Level,

    /// Do not ask whether it is clear what an import means
    #[arg(long)]
    i_understand: bool,

    #[command(flatten)]
    data: Data,
}

impl Import {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        out.note(WARNING);
        let secret = secret::read(self.from.as_deref(), self.curve)?;
        let node = Connection::open_near(&self.data.data)?;
        self.confirm()?;
        let committee = committee(&node.validators()?, &self.members)?;
        let Secret { private_key, public_key } = secret;
        let request = ImportKey {
            label: self.name.clone(),
            scheme: Scheme::Cggmp24,
            curve: self.curve,
            level: self.level,
            threshold: self.threshold.unwrap_or_else(|| majority(committee.len())),
            committee,
            chain_code: self.chain_code,
            private_key,
        };
        let request = request.checked().map_err(Failure::Usage)?;
        let started = node.import_key(&request)?;
        let over = follow::to_end(&node, started, out).inspect_err(|_| {
            out.note(
                "The key is at this node alone, sealed in its store: share it out with `consign key reshare`, or give \
                 it up with `consign key discard`.",
            );
        })?;
        let Some(Outcome::Key(key)) = &over.outcome else { return Err(follow::odd_outcome(&over)) };
        if key.public_key != public_key || key.curve != self.curve || key.imported.is_none() {
            return Err(Failure::Failed(format!(
                "the node shows another key than that of the private key, which is {public_key}: do not use this node"
            )));
        }
        out.show(key, || describe(key))
    }

    /// Asks on the terminal, unless the flag is given.
    fn confirm(&self) -> Result<(), Failure> {
        if self.i_understand {
            return Ok(());
        }
        let terminal = Term::stderr();
        if !terminal.is_term() {
            return Err(Failure::Usage(
                "an import needs a person who knows what it means: read the warning, then add --i-understand"
                    .to_owned(),
            ));
        }
        terminal.write_str("Type the label of the key to go on: ")?;
        if terminal.read_line()?.trim() == self.name.as_str() {
            Ok(())
        } else {
            Err(Failure::Usage(
                "not confirmed: nothing was imported (with a key from a pipe, add --i-understand)".to_owned(),
            ))
        }
    }
}

/// Give up an imported key that was not shared out: the node erases the private key
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign key discard --data ./a old

Only for a key in the state `whole`, at the node that has it. Nothing brings it back but another import. Where shares of it
were dealt, the committee may have the key without this node having heard of it: then it is refused without --force.")]
pub(super) struct Discard {
    /// The key's id, an unambiguous beginning of it, or its label
    #[arg(value_name = "KEY")]
    key: String,

    /// Even if shares of it were dealt
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    data: Data,
}

impl Discard {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let node = Connection::open(&self.data.data)?;
        let key = find::at(&node, &self.key)?.id;
        let gone: KeyView = node.discard_key(&consign_api::Discard { key, force: self.force })?;
        out.show(&gone, || format!("discarded {} {}", gone.label, gone.id))
    }
}
