//! `consign key assemble`: exported shares become the private key.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use consign_cggmp24::assemble::{AssembleError, assemble};
use consign_cggmp24::curve::{Curve, P256, Point, Secp256k1};
use consign_cggmp24::key::KeyShare;
use consign_node::core::exports::ShareFile;
use serde::Serialize;
use zeroize::Zeroizing;

use super::pem;
use crate::failure::Failure;
use crate::files;
use crate::output::{Output, facts};
use crate::sealing::Opening;

/// Put exported shares of a key together: the result is its private key
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key assemble alice.share bob.share --identity alice.txt --identity bob.txt --out pay.key
  consign key assemble alice.share bob.share --passphrase-file phrase --format pem --out pay.pem

From then on the key exists in one place, and its nodes protect nothing any more. Do it on a machine
without a network. Needs no node. Without --out the key is printed.")]
pub(super) struct Assemble {
    /// Files of `consign key export`, as many as the key has signers, all of one epoch
    #[arg(value_name = "FILES", required = true)]
    shares: Vec<PathBuf>,

    #[command(flatten)]
    opening: Opening,

    /// Write the private key to this file (mode 0600, never overwritten)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// How the private key is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Hex)]
    format: Format,
}

/// A writing of a private key.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// 64 hexadecimal digits
    Hex,
    /// PKCS#8, as OpenSSL reads it
    Pem,
}

/// Longest file of a share, in bytes: it is a record of the store, and some more.
const MAX_SHARE_FILE_BYTES: usize = 16 << 20;

/// A key that was put together, as programs read it.
#[derive(Serialize)]
struct Assembled<'a> {
    key: String,
    label: Option<&'a str>,
    curve: &'static str,
    epoch: u64,
    public_key: String,
    chain_code: Option<String>,
    /// Where the private key is.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    /// Itself, if it is in no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<&'a str>,
}

impl Assemble {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        self.out.as_deref().map_or(Ok(()), files::refuse_existing)?;
        let mut files = Vec::new();
        for path in &self.shares {
            let bad = |error| Failure::Failed(format!("{}: {error}", path.display()));
            files.push(ShareFile::decode(&self.opening.open(path, MAX_SHARE_FILE_BYTES)?).map_err(bad)?);
        }
        let curve = files.first().map(|file| file.curve.clone()).unwrap_or_default();
        if let Some((path, file)) = self.shares.iter().zip(&files).find(|(_, file)| file.curve != curve) {
            let path = path.display();
            return Err(Failure::Failed(format!(
                "{path} is of a key on {}, the first one on {curve}",
                file.curve
            )));
        }
        match curve.as_str() {
            Secp256k1::NAME => self.assemble::<Secp256k1>(&files, out),
            P256::NAME => self.assemble::<P256>(&files, out),
            other => Err(Failure::Failed(format!(
                "these shares are of a key on {other}, which this program does not know: use a newer version of consign"
            ))),
        }
    }

    fn assemble<C: Curve>(&self, files: &[ShareFile], out: &Output) -> Result<(), Failure> {
        let mut shares = Vec::new();
        for (path, file) in self.shares.iter().zip(files) {
            let bad = |error| Failure::Failed(format!("{}: {error}", path.display()));
            shares.push(KeyShare::<C>::decode(&file.share).map_err(bad)?);
        }
        let secret = assemble(&shares).map_err(|error| self.told(error))?;
        let info = shares.first().map(KeyShare::info).expect("invariant: what was assembled has shares");
        let secret = Zeroizing::new(secret.expose().to_bytes());
        let private_key = match self.format {
            Format::Hex => Zeroizing::new(hex::encode(&*secret)),
            Format::Pem => pem::pkcs8(C::NAME, &secret, &coordinates(&info.public_key))?,
        };
        if let Some(path) = &self.out {
            let line = Zeroizing::new([private_key.trim_end().as_bytes(), b"\n"].concat());
            files::save_private(path, &line)?;
        }
        out.note(
            "! The private key exists in one place now. Check the public key, and guard the private one.",
        );
        let shown = Assembled {
            key: hex::encode(info.key_id),
            label: files.first().map(|file| file.label.as_str()),
            curve: C::NAME,
            epoch: info.epoch,
            public_key: hex::encode(info.public_key.to_bytes()),
            chain_code: info.chain_code.map(hex::encode),
            file: self.out.as_deref(),
            private_key: self.out.is_none().then_some(private_key.as_str()),
        };
        let Some(path) = &self.out else { return out.show_secret(&shown, &private_key) };
        out.show(&shown, || {
            facts(&[
                ("private key", path.display().to_string()),
                ("public key", shown.public_key.clone()),
                ("curve", shown.curve.to_owned()),
                ("epoch", shown.epoch.to_string()),
                ("chain code", shown.chain_code.clone().unwrap_or_else(|| "none".to_owned())),
            ])
        })
    }

    /// The error with the name of the file that it is about.
    fn told(&self, error: AssembleError) -> Failure {
        let at = match error {
            AssembleError::OtherKey { at }
            | AssembleError::OtherEpoch { at, .. }
            | AssembleError::Contradicts { at }
            | AssembleError::Twice { at, .. } => self.shares.get(at),
            AssembleError::TooFew { .. } | AssembleError::Result => None,
        };
        Failure::Failed(at.map_or_else(|| error.to_string(), |path| format!("{}: {error}", path.display())))
    }
}

/// The public key as SEC 1 has it uncompressed.
fn coordinates<C: Curve>(point: &Point<C>) -> Vec<u8> {
    let (x, y) = point.coordinates().expect("invariant: a public key is not the identity");
    [&[4][..], &x, &y].concat()
}
