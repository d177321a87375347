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
  consign key import old --data ./a --curve p256 --from key.pem
  consign key import other --data ./a --curve secp256k1 --threshold 3 --member alice --member bob --member carol \\
    --from - --i-understand < key.hex

The private key is 64 hexadecimal digits, or a PEM file (PKCS#8 or SEC 1, not encrypted). Digits fit every curve, and make
another key on each: compare the public key that is shown before anything is asked. It is read from a file, from
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
    #[arg(long, value_name = "secp256k1|p256")]
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
        let Secret { private_key, public_key, ethereum_address } = secret;
        self.confirm(&told(self.curve, &public_key, ethereum_address.as_deref()), out)?;
        let committee = committee(&node.validators()?, &self.members)?;
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
        is_as_asked(key, &request, &public_key).map_err(Failure::Failed)?;
        out.show(key, || describe(key))
    }

    /// Says which key it is, and asks on the terminal, unless the flag is given.
    fn confirm(&self, told: &str, out: &Output) -> Result<(), Failure> {
        if self.i_understand {
            out.note(told);
            return Ok(());
        }
        let terminal = Term::stderr();
        if !terminal.is_term() {
            return Err(Failure::Usage(
                "an import needs a person who knows what it means: read the warning, then add --i-understand"
                    .to_owned(),
            ));
        }
        terminal.write_str(&format!("{told}\nType the label of the key to go on: "))?;
        if terminal.read_line()?.trim() == self.name.as_str() {
            Ok(())
        } else {
            Err(Failure::Usage(
                "not confirmed: nothing was imported (with a key from a pipe, add --i-understand)".to_owned(),
            ))
        }
    }
}

/// Which key it is, to be compared before it is imported.
fn told(curve: Curve, public_key: &str, ethereum_address: Option<&str>) -> String {
    let address =
        ethereum_address.map(|address| format!("\nEthereum address: {address}")).unwrap_or_default();
    format!(
        "Curve: {curve}\nPublic key: {public_key}{address}\nIf that is not the key you mean, it is another curve."
    )
}

/// Whether the node has made of the private key what was asked for.
fn is_as_asked(key: &KeyView, request: &ImportKey, public_key: &str) -> Result<(), String> {
    let chain_code = request.chain_code.map(|code| hex::encode(code.0));
    let wrong =
        if (key.public_key.as_str(), key.curve) != (public_key, request.curve) || key.imported.is_none() {
            "another key than that of the private key"
        } else if chain_code.is_some() && key.chain_code != chain_code {
            "another chain code than was given"
        } else if key.threshold != request.threshold {
            "another threshold than was asked for"
        } else if !key.committee.iter().map(|member| member.validator).eq(request.committee.iter().copied()) {
            "another committee than was asked for"
        } else {
            return Ok(());
        };
    Err(format!("the node shows {wrong}, whose public key is {public_key}: do not use this node"))
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

#[cfg(test)]
mod tests {
    use consign_api::{KeyId, KeyState, Member, NodeId, PrivateKey};
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn the_key_is_named_before_anything_is_asked() {
        let text = told(Curve::Secp256k1, "02ab", Some("0xcd"));
        assert!(["secp256k1", "02ab", "0xcd"].iter().all(|part| text.contains(part)), "{text}");
        assert!(!told(Curve::P256, "02ab", None).contains("Ethereum"));
    }

    #[test]
    fn only_what_was_asked_for_is_believed() {
        let member = |index: u8| Member { index: index.into(), validator: NodeId([index; 32]), name: None };
        let mut request = ImportKey {
            label: "old".parse().unwrap(),
            scheme: Scheme::Cggmp24,
            curve: Curve::P256,
            level: Level::L128,
            threshold: 2,
            committee: (1..=3).map(|index| member(index).validator).collect(),
            chain_code: Some(ChainCode([3; 32])),
            private_key: PrivateKey::new(Box::new(Zeroizing::new([7; 32]))),
        };
        let right = KeyView {
            id: KeyId([1; 32]),
            label: request.label.clone(),
            scheme: request.scheme,
            curve: request.curve,
            level: request.level,
            threshold: 2,
            committee: (1..=3).map(member).collect(),
            epoch: 1,
            share: true,
            state: KeyState::Active,
            owner: None,
            imported: Some(member(1)),
            exports: Vec::new(),
            presignatures: 0,
            standing: None,
            public_key: "02".repeat(33),
            chain_code: Some("03".repeat(32)),
            xpub: None,
            ethereum_address: None,
            bitcoin_address: None,
        };
        let verdict = |request: &ImportKey, change: &dyn Fn(&mut KeyView)| {
            let mut key = right.clone();
            change(&mut key);
            is_as_asked(&key, request, &"02".repeat(33))
        };
        assert_eq!(verdict(&request, &|_| {}), Ok(()));
        type Lie = fn(&mut KeyView);
        let lies: [(Lie, &str); 7] = [
            (|k| k.public_key = "03".repeat(33), "another key"),
            (|k| k.curve = Curve::Secp256k1, "another key"),
            (|k| k.imported = None, "another key"),
            (|k| k.chain_code = Some("04".repeat(32)), "another chain code"),
            (|k| k.threshold = 3, "another threshold"),
            (|k| drop(k.committee.pop()), "another committee"),
            (|k| k.committee.swap(0, 1), "another committee"),
        ];
        for (lie, wanted) in lies {
            assert!(verdict(&request, &lie).unwrap_err().contains(wanted), "{wanted}");
        }
        // Who gives no chain code gets one.
        request.chain_code = None;
        assert_eq!(verdict(&request, &|k| k.chain_code = Some("04".repeat(32))), Ok(()));
    }
}
