//! `consign key certificate` and `consign key trust`: what shows what a key is, and whether one believes it.

use std::path::PathBuf;

use clap::Args;
use consign_api::{Certified, KeyView};
use consign_node::core::certificate::judge;
use serde_json::json;

use super::find;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::files;
use crate::flags::Call;
use crate::output::Output;
use crate::verify_certificate::told;

/// Save the certificate of a key in a file that anybody can judge
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key certificate --data ./a pay --out pay.certificate
  consign verify-certificate pay.certificate

The file holds what the holders of the key have signed, and no secret but the chain code, with which anybody finds the
public keys of its children. It is judged before it is saved, and never overwritten.")]
pub(super) struct Certificate {
    /// The key's id, an unambiguous beginning of it, or its label
    #[arg(value_name = "KEY")]
    key: String,

    /// Where to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    call: Call,
}

impl Certificate {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let node = Connection::of(&self.call)?;
        let key = find::at(&node, &self.key)?;
        let file = node.certificate(key.id)?;
        shown(&key, &file).map_err(Failure::Mistrusted)?;
        files::save(&self.out, &file)?;
        let saved = json!({ "key": key.id, "epoch": key.epoch, "file": self.out });
        out.show(&saved, || {
            format!("the certificate of {} {} is in {}", key.label, key.id, self.out.display())
        })
    }
}

/// What a certificate shows, if it is that of the key that a node shows.
fn shown(key: &KeyView, file: &[u8]) -> Result<Certified, String> {
    let bad = |why: &dyn std::fmt::Display| {
        format!("the certificate that the node shows for the key {} proves nothing: {why}", key.id)
    };
    let certified = judge(file).map_err(|why| bad(&why))?;
    certified.agrees(key).map_err(|why| why.to_string())?;
    Ok(certified)
}

/// Whether the certificate of a key holds, in a few words.
pub(super) fn standing(node: &Connection, key: &KeyView) -> String {
    if node.believes_nobody() {
        // Else it would not be shown.
        return "holds, and the key is pinned".to_owned();
    }
    match node.certificate(key.id) {
        Ok(file) => match shown(key, &file) {
            Ok(_) => "holds".to_owned(),
            Err(why) => format!("WORTHLESS: {why}"),
        },
        Err(why) => format!("none: {why}"),
    }
}

/// Take a key that somebody else has asked for as the right one, from now on
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key trust --data ./a --client shop.key pay
  consign key trust --data ./a --client shop.key pay \\
    --public-key 02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5

A client believes in keys that it has asked for itself. Those of others it must be told to believe in, once: it is then
remembered in the file beside the client's key, and another key under this id is refused. Compare the public key with
somebody who knows it; with --public-key it is compared here.")]
pub(super) struct Trust {
    /// The key's id, an unambiguous beginning of it, or its label
    #[arg(value_name = "KEY")]
    key: String,

    /// The public key that it must have (compressed, hexadecimal)
    #[arg(long, value_name = "HEX")]
    public_key: Option<String>,

    #[command(flatten)]
    call: Call,
}

impl Trust {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let node = Connection::of(&self.call)?;
        let none = || Failure::Usage("whose memory is meant? Give --client".to_owned());
        let trust = node.trust().ok_or_else(none)?;
        let shown = trust.certified(find::named(&node, &self.key)?)?;
        find::is_meant(&shown.pin.key, &shown.pin.label, &self.key)?;
        if let Some(wanted) = self.public_key.as_ref().filter(|wanted| **wanted != shown.pin.public_key) {
            return Err(Failure::Mistrusted(format!(
                "the key {} has the public key {} and not {wanted}: it is another one",
                shown.pin.key, shown.pin.public_key
            )));
        }
        trust.trust(&shown)?;
        out.show(&shown, || told(&shown))
    }
}
