//! `consign key sign`.

use std::path::PathBuf;

use clap::Args;
use consign_api::limits::MAX_MESSAGE_BYTES;
use consign_api::{CeremonyView, HashName, Outcome, Sign as Request, SignTarget, SignatureView};
use consign_cggmp24::derivation::Path as ChildPath;
use serde::Serialize;

use super::{find, show};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::files;
use crate::flags::Call;
use crate::follow;
use crate::output::{Output, facts, green};
use crate::verify;

/// Sign with a key: as many of its holders as needed do it together
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key sign --data ./a pay \"invoice 4711\"
  consign key sign --data ./a pay --file contract.pdf
  consign key sign --data ./a pay --hash keccak256 --hex 00ff
  consign key sign --data ./a pay --path m/0/5 \"invoice 4711\"

The signature is verified with an independent library before it is shown.")]
pub(super) struct Sign {
    /// The key's id, an unambiguous beginning of it, or its label
    #[arg(value_name = "KEY")]
    key: String,

    #[command(flatten)]
    what: What,

    /// How the message is hashed: sha256 or keccak256
    #[arg(long, value_name = "NAME", default_value_t = HashName::Sha256, conflicts_with = "digest")]
    hash: HashName,

    /// Which child of the key signs: unhardened steps from the key on; `m` is the key itself
    #[arg(long, value_name = "PATH", default_value = "m")]
    path: ChildPath,

    #[command(flatten)]
    call: Call,
}

/// What to sign, in exactly one form.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// The message, as text
    #[arg(value_name = "TEXT")]
    text: Option<String>,

    /// The message is the content of this file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// The message, as hexadecimal bytes
    #[arg(long, value_name = "HEX")]
    hex: Option<String>,

    /// 32 bytes in hexadecimal that are signed as they are; no signer sees what they stand for
    #[arg(long, value_name = "HEX")]
    digest: Option<String>,
}

/// A signature as this command prints it.
#[derive(Serialize)]
struct Verified<'a> {
    verified: bool,
    #[serde(flatten)]
    signature: &'a SignatureView,
}

impl Sign {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let target = self.what.target(self.hash)?;
        let node = Connection::of(&self.call)?;
        let key = find::at(&node, &self.key)?;
        let path = self.path.to_string().try_into().map_err(Failure::Usage)?;
        let request = Request { key: key.id, path, target };
        let over = follow::to_end(&node, node.sign(&request)?, out)?;
        let signature = signature(&over)?;
        verify::check(&key, &self.path, &request.target.digest(), signature)?;
        out.show(&Verified { verified: true, signature }, || {
            facts(&[
                ("key", format!("{} {}", key.label, key.id)),
                ("path", signature.path.to_string()),
                ("public key", signature.public_key.clone()),
                ("digest", signature.digest.clone()),
                ("der", signature.der.clone()),
                ("r", signature.r.clone()),
                ("s", signature.s.clone()),
                ("recovery id", show::given(&signature.recovery_id)),
                ("signers", show::members(&signature.signers)),
                ("presignature", if signature.presigned { "used" } else { "none" }.to_owned()),
                ("verified", format!("{} by {}", green("yes"), verify::verifier(key.curve))),
            ])
        })
    }
}

/// The signature that the ceremony made, not verified yet.
pub(crate) fn signature(over: &CeremonyView) -> Result<&SignatureView, Failure> {
    match &over.outcome {
        Some(Outcome::Signature(signature)) => Ok(signature),
        Some(Outcome::Key(_) | Outcome::Internal) | None => Err(follow::odd_outcome(over)),
    }
}

impl What {
    /// The message or digest, read and checked.
    fn target(&self, hash: HashName) -> Result<SignTarget, Failure> {
        let usage = |what: &str| Failure::Usage(what.to_owned());
        let bytes = match (&self.text, &self.file, &self.hex, &self.digest) {
            (Some(text), ..) => text.as_bytes().to_vec(),
            (_, Some(path), ..) => files::read(path, MAX_MESSAGE_BYTES)?,
            (_, _, Some(text), _) => hex::decode(text)
                .map_err(|_| usage("--hex must be an even number of hexadecimal digits, without 0x"))?,
            (_, _, _, Some(text)) => {
                let mut digest = [0; 32];
                hex::decode_to_slice(text, &mut digest)
                    .map_err(|_| usage("--digest must be 64 hexadecimal digits, without 0x"))?;
                return Ok(SignTarget::Digest(digest));
            }
            (None, None, None, None) => return Err(usage("give a TEXT, --file, --hex or --digest")),
        };
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(Failure::Usage(format!(
                "the message is longer than {MAX_MESSAGE_BYTES} bytes: hash it yourself and give --digest"
            )));
        }
        Ok(SignTarget::Message { bytes, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what() -> What {
        What { text: None, file: None, hex: None, digest: None }
    }

    #[test]
    fn every_form_is_read() {
        let target = |what: What| what.target(HashName::Sha256).unwrap();
        let message = |bytes: &[u8]| SignTarget::Message { bytes: bytes.to_vec(), hash: HashName::Sha256 };
        assert_eq!(target(What { text: Some("ab".to_owned()), ..what() }), message(b"ab"));
        assert_eq!(target(What { hex: Some("6162".to_owned()), ..what() }), message(b"ab"));
        assert_eq!(target(What { digest: Some("07".repeat(32)), ..what() }), SignTarget::Digest([7; 32]));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message");
        std::fs::write(&file, "ab").unwrap();
        assert_eq!(target(What { file: Some(file), ..what() }), message(b"ab"));
    }

    #[test]
    fn bad_forms_are_told() {
        let error = |what: What| what.target(HashName::Sha256).unwrap_err().to_string();
        assert!(error(What { hex: Some("0x61".to_owned()), ..what() }).contains("without 0x"));
        assert!(error(What { digest: Some("07".to_owned()), ..what() }).contains("64"));
        assert!(error(What { text: Some("a".repeat(MAX_MESSAGE_BYTES + 1)), ..what() }).contains("--digest"));
        assert!(error(What { file: Some("/nowhere/at/all".into()), ..what() }).contains("/nowhere/at/all"));
    }
}
