//! `consign verify-evidence`: an outsider judges, with nothing but the file.

use std::path::PathBuf;

use clap::Args;
use consign_node::core::verdict::{Known, KnownKey, MAX_FILE_BYTES, UsedKey, Verdict};
use consign_node::core::wire::EvidenceFile;
use consign_node::identity::ClusterId;
use serde::Serialize;

use crate::failure::Failure;
use crate::files;
use crate::output::{Output, bold, facts};

/// Bytes of a compressed public key.
const PUBLIC_KEY_BYTES: usize = 33;

/// Judge an evidence file: did somebody break the protocol, and who?
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign verify-evidence proof.evidence
  consign verify-evidence proof.evidence --key 02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5

Needs no node, no network and no secret: the file holds the messages that the accused signed and all
that the session was about. Nobody can be framed by what else stands in it. Exit code 0: the
evidence convicts; 6: it proves nothing.")]
pub(crate) struct VerifyEvidence {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Only evidence about this key counts: its id, or its public key (compressed, hexadecimal)
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// Only evidence about this cluster counts
    #[arg(long, value_name = "ID")]
    cluster: Option<ClusterId>,
}

/// A verdict as this command prints it.
#[derive(Serialize)]
struct Shown<'a> {
    convicts: bool,
    evidence: String,
    culprit: String,
    index: u16,
    charge: &'a str,
    protocol: &'static str,
    round: Option<u8>,
    ceremony: String,
    proposal: String,
    cluster: String,
    key: Option<ShownKey>,
}

#[derive(Serialize)]
struct ShownKey {
    id: String,
    public_key: String,
    epoch: u64,
    certified: bool,
}

impl VerifyEvidence {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let key = self.key.as_deref().map(known_key).transpose()?;
        let verdict =
            judge(&files::read(&self.file, MAX_FILE_BYTES)?, &Known { cluster: self.cluster, key })?;
        out.show(&shown(&verdict), || text(&verdict))
    }
}

/// Judges the bytes of a file, without the lanes of AVX512-IFMA, for the whole process: a verdict rests on as little
/// code as may be.
pub(crate) fn judge(bytes: &[u8], known: &Known) -> Result<Verdict, Failure> {
    consign_modexp::set_lanes(false);
    let verdict = EvidenceFile::from_file(bytes).and_then(|file| file.judge(known));
    verdict.map_err(|why| Failure::NotProven(format!("nobody is convicted: {why}")))
}

fn shown(verdict: &Verdict) -> Shown<'_> {
    let key = |key: &UsedKey| ShownKey {
        id: key.id.to_string(),
        public_key: hex::encode(&key.public_key),
        epoch: key.epoch,
        certified: key.certified,
    };
    Shown {
        convicts: true,
        evidence: verdict.evidence.to_string(),
        culprit: verdict.culprit.to_string(),
        index: verdict.index,
        charge: &verdict.charge,
        protocol: verdict.kind.name(),
        round: verdict.round,
        ceremony: verdict.ceremony.to_string(),
        proposal: verdict.proposal.to_string(),
        cluster: verdict.cluster.to_string(),
        key: verdict.key.as_ref().map(key),
    }
}

fn text(verdict: &Verdict) -> String {
    let mut rows = vec![
        ("culprit", format!("{} (party {})", verdict.culprit, verdict.index)),
        ("charge", verdict.charge.clone()),
        ("protocol", verdict.kind.name().to_owned()),
        ("round", verdict.round.map_or_else(|| "none".to_owned(), |round| round.to_string())),
        ("ceremony", verdict.ceremony.to_string()),
        ("cluster", verdict.cluster.to_string()),
        ("evidence", verdict.evidence.to_string()),
    ];
    if let Some(key) = &verdict.key {
        let certified = if key.certified { ", confirmed by all its holders" } else { "" };
        rows.push(("key", format!("{}, epoch {}{certified}", hex::encode(&key.public_key), key.epoch)));
    }
    format!("{}\n{}", bold("The evidence convicts."), facts(&rows))
}

/// A key as people name it.
fn known_key(text: &str) -> Result<KnownKey, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(KnownKey::Id(id));
    }
    match hex::decode(text) {
        Ok(point) if point.len() == PUBLIC_KEY_BYTES => Ok(KnownKey::Public(point)),
        Ok(_) | Err(_) => Err(Failure::Usage(format!(
            "`{}` is no key: give its id (64 hexadecimal digits) or its compressed public key (66)",
            text.chars().take(80).collect::<String>()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_two_names() {
        assert!(matches!(known_key(&"0a".repeat(32)), Ok(KnownKey::Id(_))));
        assert!(matches!(known_key(&"0a".repeat(33)), Ok(KnownKey::Public(_))));
        for bad in ["", "0a", "zz", &"0a".repeat(31), &"0A".repeat(32)] {
            assert!(matches!(known_key(bad), Err(Failure::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn garbage_convicts_nobody() {
        for bytes in [&[][..], b"consign evidence 1\n", b"consign evidence 1\n\xff\xff\xff\xff", &[0; 4096]] {
            assert!(matches!(judge(bytes, &Known::default()), Err(Failure::NotProven(_))));
            assert_eq!(consign_modexp::lanes(), consign_modexp::Lanes::Off);
        }
        assert!(matches!(judge(&vec![0; MAX_FILE_BYTES + 1], &Known::default()), Err(Failure::NotProven(_))));
    }
}
