//! What a phase was made of, in builds with the feature `census`: one line for each kind of exponentiation.

use std::io::{self, Write};

use consign_modexp::census::{self, Way};
use serde::Serialize;

/// Exponentiations of one kind, of all parties together.
#[derive(Serialize)]
struct Line {
    phase: &'static str,
    modulus_bits: u32,
    exponent_bits: u32,
    way: &'static str,
    entries: u64,
    tasks: u64,
    ms: f64,
}

/// Counts from now on.
pub(super) fn start() {
    census::start(super::local::thread_cpu);
}

/// Writes what was counted since the last phase.
pub(super) fn write(out: &mut impl Write, phase: &'static str, json: bool) -> io::Result<()> {
    for (kind, count) in census::take() {
        let line = Line {
            phase,
            modulus_bits: kind.modulus,
            exponent_bits: kind.exponent,
            way: match kind.way {
                Way::Lanes => "lanes",
                Way::Across => "across",
                Way::Scalar => "scalar",
                Way::Tables => "tables",
            },
            entries: count.entries,
            tasks: count.tasks,
            ms: count.time.as_secs_f64() * 1e3,
        };
        if json {
            writeln!(out, "{}", serde_json::to_string(&line).map_err(io::Error::from)?)?;
        } else {
            let Line { modulus_bits, exponent_bits, way, entries, tasks, ms, .. } = line;
            writeln!(
                out,
                "  {modulus_bits:>5} / {exponent_bits:<5} {way:<7} {entries:>6} in {tasks:>5} {ms:>10.2} ms"
            )?;
        }
    }
    Ok(())
}
