//! `consign demo`: everything Consign does, on one machine in a minute.
//!
//! Read `story.rs` and `changes.rs` for what happens, `cheat.rs` for how a cheating node is caught, `nodes.rs` for the
//! processes, `report.rs` for what is printed.

mod changes;
mod cheat;
mod nodes;
mod report;
mod story;

use clap::Args;
use consign_api::Level;
use consign_api::limits::{MAX_MESSAGE_BYTES, MAX_THRESHOLD, MIN_THRESHOLD};

use crate::failure::Failure;
use crate::key::majority;
use crate::output::Output;
use crate::signals::Signals;
use nodes::Nodes;
use story::Story;

/// Fewest nodes of a demo: after one is killed, two must be left to sign.
const MIN_NODES: i64 = 3;

/// Most nodes of a demo. They share one machine, and the work grows with the square of their number.
const MAX_NODES: i64 = 20;

/// See it all at once: three nodes make a key, two sign, one is killed, the others sign, all shares are renewed
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign demo \"pay invoice 4711\"
  consign demo --parties 5 --threshold 3 --level 112
  consign demo --cheat
  consign demo --quick
  consign demo --keep

Three signatures under one public key: by all shares as they were made; with a node killed; and with new
shares, after a refresh, a resharing to more nodes of which one more must sign, and one back. All nodes make
new moduli for that; with --quick no nodes join, so it takes about a third of the time.

Starts real node processes on loopback with folders of their own and free ports, and leaves none of
them behind (but with --keep). With --json it prints one object per phase; the last is the result.")]
pub(crate) struct Demo {
    /// The message to sign
    #[arg(value_name = "TEXT", default_value = "hello from a key that is nowhere")]
    text: String,

    /// Security level in bits
    #[arg(long, value_name = "112|128", default_value_t = Level::L128)]
    level: Level,

    /// How many nodes hold a share
    #[arg(long, value_name = "N", default_value = "3",
          value_parser = clap::value_parser!(u16).range(MIN_NODES..=MAX_NODES))]
    parties: u16,

    /// How many of them must sign together; a majority if left out
    #[arg(long, value_name = "T",
          value_parser = clap::value_parser!(u16).range(i64::from(MIN_THRESHOLD)..=i64::from(MAX_THRESHOLD)))]
    threshold: Option<u16>,

    /// One node cheats: the others catch it, prove it and sign without it; the evidence stays in the current folder
    #[arg(long, conflicts_with = "quick")]
    cheat: bool,

    /// Move the key among the nodes that hold it only, and let no others join
    #[arg(long)]
    quick: bool,

    /// Leave the nodes running and their folder in place
    #[arg(long)]
    keep: bool,
}

impl Demo {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let threshold = self.threshold.unwrap_or_else(|| majority(self.parties.into()));
        if threshold >= self.parties {
            let loses = if self.cheat { "catches" } else { "kills" };
            return Err(Failure::Usage(format!(
                "the demo {loses} one of the {} nodes and signs with the others: --threshold must be below {0}",
                self.parties
            )));
        }
        if self.text.len() > MAX_MESSAGE_BYTES {
            return Err(Failure::Usage(format!("the message is longer than {MAX_MESSAGE_BYTES} bytes")));
        }
        // Listening comes before the first process: from there on nothing may end the demo unprepared.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::listen(true)?
        };
        let nodes = Nodes::begin()?;
        let story = Story { demo: self, threshold, nodes: &nodes, out };
        let (ended, end) = tokio::sync::oneshot::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Nobody listens any more after a signal.
                let _ = ended.send(if self.cheat { story.play_cheat() } else { story.play() });
            });
            let result = runtime.block_on(async {
                tokio::select! {
                    played = end => {
                        played.unwrap_or_else(|_| Err(Failure::Failed("the demo broke off".to_owned())))
                    }
                    () = signals.first() => Err(Failure::Interrupted),
                }
            });
            // Without nodes the story ends soon, if it has not ended yet.
            nodes.end();
            result
        })
    }
}
