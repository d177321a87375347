//! What `consign bench` prints: a table, or one JSON object a line.

use std::io::{self, IsTerminal as _, Write as _};

use consign_cggmp24::Level;
use serde::Serialize;

use super::local::Cost;
use super::{Bench, BenchError};

/// One line of the result.
#[derive(Debug, Serialize)]
struct Line {
    phase: &'static str,
    level: u16,
    parties: u16,
    threshold: u16,
    batch: u32,
    threads: u16,
    /// `used`, `off`, `absent` or `faulty`.
    lanes: &'static str,
    batch_verification: bool,
    cpu_s_per_party: f64,
    wall_s_per_party: f64,
    bytes_sent_per_party: u64,
    rounds: u8,
}

/// Prints lines, and on a terminal what is being measured.
pub(super) struct Report<'a> {
    args: &'a Bench,
    json: bool,
    progress: bool,
}

/// Rubs out the line that says what is being measured.
const ERASE_LINE: &str = "\r\x1b[K";

impl<'a> Report<'a> {
    pub(super) fn new(args: &'a Bench, json: bool) -> Result<Self, BenchError> {
        if !json {
            let (phase, cpu, wall) = ("phase", "CPU s/party", "wall s/party");
            let (sent, rounds) = ("bytes sent/party", "rounds");
            writeln!(io::stdout(), "{phase:<8} {cpu:>12} {wall:>13} {sent:>17} {rounds:>7}")?;
        }
        Ok(Self { args, json, progress: io::stderr().is_terminal() })
    }

    pub(super) fn begin(&self, phase: &str) {
        if self.progress {
            // Nobody is left to be told that progress cannot be told.
            let _ = write!(io::stderr(), "{ERASE_LINE}measuring: {phase} …");
        }
    }

    pub(super) fn end(&self, phase: &'static str, parties: u16, cost: &Cost) -> Result<(), BenchError> {
        if self.progress {
            let _ = write!(io::stderr(), "{ERASE_LINE}");
        }
        let line = Line {
            phase,
            level: if self.args.level == Level::L112 { 112 } else { 128 },
            parties: self.args.parties,
            threshold: self.args.threshold,
            batch: self.args.batch,
            threads: self.args.threads,
            lanes: consign_modexp::lanes().name(),
            batch_verification: self.args.batches.batch_verification,
            cpu_s_per_party: cost.cpu.as_secs_f64() / f64::from(parties),
            wall_s_per_party: cost.wall.as_secs_f64() / f64::from(parties),
            bytes_sent_per_party: cost.bytes / u64::from(parties),
            rounds: cost.rounds,
        };
        let mut out = io::stdout();
        if self.json {
            let text = serde_json::to_string(&line).map_err(io::Error::from)?;
            writeln!(out, "{text}")?;
        } else {
            let Line { cpu_s_per_party: cpu, wall_s_per_party: wall, .. } = line;
            let Line { bytes_sent_per_party: sent, rounds, .. } = line;
            writeln!(out, "{phase:<8} {cpu:>12.6} {wall:>13.6} {sent:>17} {rounds:>7}")?;
        }
        #[cfg(feature = "census")]
        super::census::write(&mut out, phase, self.json)?;
        Ok(out.flush()?)
    }
}
