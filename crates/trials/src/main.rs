//! `consign-trials`: runs one trial. The last line is `passed`, or `failed: ` and why; the exit code says the same.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use consign_api::Level;
use consign_trials::{Fault, Outcome, Setup, copied_back, garbage, hosts, latency, pool, schema, standby};

/// Trials of Consign with real node processes
#[derive(Parser, Debug)]
#[command(after_help = "\
Example:
  cargo build --release -p consign-cli -p consign-trials
  target/release/consign-trials pool --consign target/release/consign")]
struct Trials {
    #[command(flatten)]
    common: Common,

    #[command(subcommand)]
    trial: Trial,
}

#[derive(Args, Debug)]
struct Common {
    /// The program under trial
    #[arg(long, global = true, value_name = "FILE", default_value = "target/release/consign")]
    consign: PathBuf,

    /// Security level of the keys: 112 or 128 (insecure-test, where both programs are built for tests)
    #[arg(long, global = true, value_name = "LEVEL", default_value = "112")]
    level: String,

    /// What chance starts from; random if not given, and printed
    #[arg(long, global = true)]
    seed: Option<u64>,
}

#[derive(Subcommand, Debug)]
enum Trial {
    /// Requests brought to two nodes at once while nodes are killed: one answer each, no presignature twice
    Pool {
        /// How many requests
        #[arg(long, default_value_t = 2_000)]
        requests: usize,

        /// How many clients at a time
        #[arg(long, default_value_t = 8)]
        clients: usize,
    },

    /// Three hosts as network namespaces: formed, cut off, healed; then signatures in bad weather. Needs root
    Hosts {
        /// How many signatures in bad weather
        #[arg(long, default_value_t = 100)]
        signatures: usize,
    },

    /// Schemathesis against a node's own description: every answer is as described. Needs Python 3 and a package index
    Schema {
        /// Examples for each call
        #[arg(long, default_value_t = 40)]
        examples: usize,

        /// The interpreter
        #[arg(long, value_name = "FILE", default_value = "python3")]
        python: PathBuf,
    },

    /// The active of two processes of a party is killed under load, then paused and revived. Needs redis-server
    Standby,

    /// A node's folder is copied back to an older state: it notices, and signs nothing
    CopiedBack,

    /// Malformed HTTP requests and malformed messages of peers: memory stays bounded, the node keeps signing
    Garbage {
        /// How many HTTP requests
        #[arg(long, default_value_t = 100_000)]
        calls: usize,

        /// How many frames of peers
        #[arg(long, default_value_t = 100_000)]
        frames: usize,
    },

    /// How long a signature from the pool takes through HTTP, what the time goes into, and how many a second there are
    Latency {
        /// Signatures one after the other
        #[arg(long, default_value_t = 200)]
        one_by_one: usize,

        /// Signatures by many clients at a time
        #[arg(long, default_value_t = 256)]
        together: usize,

        /// How many clients at a time
        #[arg(long, default_value_t = 64)]
        clients: usize,

        /// Do not fail where the target is missed, for a debug build
        #[arg(long)]
        no_target: bool,
    },
}

fn main() -> ExitCode {
    std::thread::spawn(end_when_told);
    match run(Trials::parse()) {
        Ok(()) => {
            println!("passed");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            println!("failed: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(trials: Trials) -> Outcome {
    let Common { consign, level, seed } = trials.common;
    let level: Level = serde_json::from_value(serde_json::Value::String(level))?;
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|e| Fault::new(format!("no randomness: {e}")))?;
    let seed = seed.unwrap_or_else(|| u32::from_be_bytes(random).into());
    let consign = std::fs::canonicalize(consign)?;
    println!("seed {seed}, level {level}, {} cores", std::thread::available_parallelism()?);
    let setup = Setup { consign, level, seed };
    match trials.trial {
        Trial::Pool { requests, clients } => {
            pool::run(&setup, &pool::Size { requests, clients, between_kills_ms: (4_000, 12_000) })
        }
        Trial::Latency { one_by_one, together, clients, no_target } => {
            latency::run(&setup, &latency::Size { one_by_one, together, clients, target: !no_target })
        }
        Trial::Schema { examples, python } => schema::run(&setup, examples, &python),
        Trial::Standby => standby::run(&setup),
        Trial::CopiedBack => copied_back::run(&setup),
        Trial::Garbage { calls, frames } => garbage::run(&setup, &garbage::Size { calls, frames }),
        Trial::Hosts { signatures } => hosts::run(&setup, signatures),
    }
}

/// Ctrl-C and a polite `kill`: nodes end with this process, and remove their folder; namespaces do not.
fn end_when_told() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        hosts::netns::clean_up();
        println!("failed: interrupted");
        std::process::exit(130);
    });
}
