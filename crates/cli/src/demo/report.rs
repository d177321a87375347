//! What the demo prints: phases with their times, then the result.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use consign_api::{EvidenceId, HashName, KeyView, SignatureView};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
use crate::key::given;
use crate::output::{Output, bold, green, seconds};

/// The hash under which the demo signs.
pub(super) const HASH: HashName = HashName::Sha256;

/// One signature in the result.
#[derive(Serialize)]
struct Signed<'a> {
    message: &'a str,
    hash: HashName,
    r: &'a str,
    s: &'a str,
    recovery_id: Option<u8>,
    signers: Vec<u16>,
}

/// The last object of `--json`.
#[derive(Serialize)]
struct Result_<'a> {
    phase: &'static str,
    verified: bool,
    signatures: Vec<Signed<'a>>,
    public_key: &'a str,
    #[serde(flatten)]
    caught: Option<&'a Caught>,
}

/// The node that was caught cheating.
#[derive(Serialize)]
pub(super) struct Caught {
    /// Its index as the evidence names it.
    pub(super) culprit: u16,
    /// The node that did cheat.
    pub(super) cheater: usize,
    /// The file.
    pub(super) evidence: PathBuf,
    /// Whether this process has judged the file too.
    pub(super) evidence_verified: bool,
    /// The evidence, for people.
    #[serde(skip)]
    pub(super) id: EvidenceId,
    /// What it did, for people.
    #[serde(skip)]
    pub(super) charge: String,
}

/// A phase that goes on: its name, what it does, a bar for the impatient.
pub(super) struct Phase<'a> {
    out: &'a Output,
    name: &'static str,
    begun: Instant,
    bar: ProgressBar,
}

impl<'a> Phase<'a> {
    /// Begins now.
    pub(super) fn begin(out: &'a Output, name: &'static str) -> Self {
        Self { out, name, begun: Instant::now(), bar: out.bars().add(name) }
    }

    /// Says what is waited for.
    pub(super) fn waits(&self, what: String) {
        self.bar.set_message(what);
    }

    /// Ends now; `what` tells what was done.
    pub(super) fn done(self, what: &str) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        tell(self.out, self.name, self.begun.elapsed(), what)
    }

    /// Ends now with a signature, which a program gets with the phase.
    pub(super) fn signed(self, message: &str, signature: &SignatureView, what: &str) -> Result<(), Failure> {
        if !self.out.is_json() {
            return self.done(what);
        }
        self.bar.finish_and_clear();
        let seconds = rounded(self.begun.elapsed());
        let signature = signed(message, signature);
        self.out.object(&json!({ "phase": self.name, "seconds": seconds, "signature": signature }))
    }
}

/// Tells a phase and its time.
pub(super) fn tell(out: &Output, phase: &str, time: Duration, what: &str) -> Result<(), Failure> {
    if out.is_json() {
        return out.object(&json!({ "phase": phase, "seconds": rounded(time) }));
    }
    out.text(&format!("  {} {phase:12} {:>7}  {what}", green("✓"), seconds(time)))
}

/// Milliseconds are as exact as anybody can use.
fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// A signature as programs get it.
fn signed<'a>(message: &'a str, signature: &'a SignatureView) -> Signed<'a> {
    Signed {
        message,
        hash: HASH,
        r: &signature.r,
        s: &signature.s,
        recovery_id: signature.recovery_id,
        signers: signers(signature),
    }
}

fn signers(signature: &SignatureView) -> Vec<u16> {
    signature.signers.iter().map(|member| member.index).collect()
}

/// Tells the result of it all; every signature has been verified.
pub(super) fn result(
    out: &Output,
    message: &str,
    key: &KeyView,
    signatures: &[SignatureView; 2],
    third: Option<&SignatureView>,
    caught: Option<&Caught>,
) -> Result<(), Failure> {
    if out.is_json() {
        let public_key = &key.public_key;
        let signatures = signatures.iter().map(|signature| signed(message, signature)).collect();
        return out.object(&Result_ { phase: "result", verified: true, signatures, public_key, caught });
    }
    out.text(&format!(
        "\n{} {}\n{}   {}",
        bold("public key"),
        key.public_key,
        bold("ethereum"),
        key.ethereum_address.as_deref().unwrap_or("none")
    ))?;
    for signature in signatures.iter().chain(third) {
        out.text(&format!(
            "{}  r {}\n           s {}  recovery id {}, by parties {:?}",
            bold("signature"),
            signature.r,
            signature.s,
            given(&signature.recovery_id),
            signers(signature)
        ))?;
    }
    out.text(&format!(
        "\n{} All signatures hold under the same public key. No machine ever had its private key.",
        green("Verified by libsecp256k1.")
    ))?;
    caught.map_or(Ok(()), |caught| tell_caught(out, caught))
}

/// Tells who was caught, and where the proof lies.
fn tell_caught(out: &Output, caught: &Caught) -> Result<(), Failure> {
    let name = caught.evidence.file_name().map(Path::new);
    let here = |name: &&Path| std::path::absolute(name).is_ok_and(|path| path == caught.evidence);
    let file = name.filter(here).unwrap_or(&caught.evidence).display();
    out.text(&format!(
        "\n{}    node {}: {}\n{}   {}\n           in the file {file}, which stays. Judge it yourself, without any node:\n  \
         consign verify-evidence {file}",
        bold("culprit"),
        caught.culprit,
        caught.charge,
        bold("evidence"),
        caught.id,
    ))
}
