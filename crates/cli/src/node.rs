//! `consign node`: runs a node until it is told to end.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use consign_node::config::{Config, DataFolder};
use consign_node::core::misbehave::Misbehaviour;
use consign_node::shell;
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::failure::{Failure, INTERRUPTED};
use crate::flags::{Batches, Data, Lanes, NodeFlags};
use crate::output::Output;
use crate::passphrase;
use crate::signals::Signals;

/// What `consign demo --keep` writes to the standard input of its nodes: from then on they run without it.
pub(crate) const KEEP_RUNNING: u8 = b'k';

/// Without this variable no node can be made to cheat: nobody does so by a slip of a configuration.
pub(crate) const DEMO_VARIABLE: &str = "CONSIGN_DEMO";

/// Chooses the format of log lines without an argument. Empty is as good as unset.
const LOG_FORMAT_VARIABLE: &str = "CONSIGN_LOG_FORMAT";

/// How long a demo's node may take to end in order once the demo is gone.
const DEMO_STOP_TIME: Duration = Duration::from_secs(10);

/// How long work that cannot be interrupted is waited for at the end.
const LAST_WORK: Duration = Duration::from_secs(1);

/// Run the node of a data folder, until Ctrl-C
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign node --data ./a
  CONSIGN_PASSPHRASE='correct horse battery' consign node --data ./a --log debug

Flags win over environment variables, these over config.toml in the data folder.
The log goes to standard error, as JSON with --json or --log-format json.

A polite kill or Ctrl-C ends it in order: no more calls, up to 5 s for what runs, 6 s in all; a second one ends it at once. If another \
process has the store, which a Redis server allows, it stands by and takes over when that one is gone.")]
pub(crate) struct Node {
    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    node: NodeFlags,

    #[command(flatten)]
    lanes: Lanes,

    #[command(flatten)]
    batches: Batches,

    /// Go by policy.toml as it is, although the node went by another one last, in another process or before it was changed while
    /// none ran; only asked where the store is on a Redis server
    #[arg(long)]
    accept_policy: bool,

    /// Which log lines are written: error, warn, info, debug, trace, or per module [env: CONSIGN_LOG]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,

    /// How log lines are written
    #[arg(long, value_name = "FORMAT", env = LOG_FORMAT_VARIABLE, default_value = "text",
        value_parser = PossibleValuesParser::new([
            PossibleValue::new("text"), PossibleValue::new("json"), PossibleValue::new("").hide(true),
        ]))]
    log_format: String,

    /// The folder of the demo this node belongs to: it ends and removes that folder when its standard input closes
    #[arg(long, hide = true, value_name = "DIR")]
    demo: Option<PathBuf>,

    /// Cheat on purpose, to be seen being caught; only in a demo, where CONSIGN_DEMO is set
    #[arg(long, hide = true, value_name = "HOW", requires = "demo")]
    misbehave: Option<Misbehaviour>,
}

impl Node {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        if self.misbehave.is_some() && std::env::var_os(DEMO_VARIABLE).is_none() {
            return Err(Failure::Usage(format!(
                "--misbehave ruins the identity and the shares of the node: it is for demonstrations, where \
                 {DEMO_VARIABLE} is set"
            )));
        }
        self.lanes.apply();
        let folder = DataFolder::open(&self.data.data)?;
        let loaded = Config::load(&folder, &self.node.to_flags(self.log.clone()))?;
        let (accept_policy, batch_verification) = (self.accept_policy, self.batches.batch_verification);
        let config = Config { accept_policy, batch_verification, ..loaded };
        log(&config, out.is_json() || self.log_format == "json")?;
        let lanes = consign_modexp::lanes();
        if lanes == consign_modexp::Lanes::Faulty {
            tracing::error!(
                "AVX512-IFMA computes wrong results on this processor; lanes stay off, but do not trust this machine"
            );
        } else {
            tracing::info!("lanes of AVX512-IFMA: {lanes}");
        }
        let unlock = passphrase::of_existing_store(&config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let orphaned = Arc::new(AtomicBool::new(false));
        let result = runtime.block_on(async {
            let mut signals = Signals::listen(false)?;
            let (end, ended) = oneshot::channel();
            match &self.demo {
                Some(demo) => watch_input(demo.clone(), end, Arc::clone(&orphaned)),
                // Never sent, never dropped: nobody but a signal ends this node.
                None => std::mem::forget(end),
            }
            let shutdown = async move {
                tokio::select! {
                    () = signals.first() => {}
                    _ = ended => {}
                }
                // Whoever asks again does not want to wait for an orderly end.
                tokio::spawn(async move {
                    signals.first().await;
                    std::process::exit(INTERRUPTED.into());
                });
            };
            let ended = match self.misbehave {
                None => shell::run(folder, config, unlock, shutdown).await,
                Some(how) => shell::run_misbehaving(folder, config, unlock, how, shutdown).await,
            };
            ended.map_err(Failure::from_error)
        });
        runtime.shutdown_timeout(LAST_WORK);
        if let Some(demo) = self.demo.as_ref().filter(|_| orphaned.load(Ordering::SeqCst)) {
            remove(demo);
        }
        result
    }
}

/// Writes the log to standard error.
fn log(config: &Config, as_json: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.log).map_err(|e| {
        Failure::Usage(format!(
            "`{}` is no log filter ({e}): use error, warn, info, debug or trace",
            config.log
        ))
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if as_json {
        lines.json().init();
    } else {
        lines.with_ansi(io::stderr().is_terminal()).init();
    }
    Ok(())
}

/// Ends the node when the demo that started it is gone, however it went: the pipe from it closes. All nodes of the demo
/// then remove its folder; the last one out leaves nothing.
fn watch_input(demo: PathBuf, end: oneshot::Sender<()>, orphaned: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut byte = [0];
        if let Ok(1..) = io::stdin().read(&mut byte)
            && byte == [KEEP_RUNNING]
        {
            std::mem::forget(end);
            return;
        }
        orphaned.store(true, Ordering::SeqCst);
        drop(end);
        std::thread::sleep(DEMO_STOP_TIME);
        remove(&demo);
        std::process::exit(1);
    });
}

/// Removes the folder of a demo that is over. Others may be at it too.
fn remove(demo: &Path) {
    let _ = std::fs::remove_dir_all(demo);
}
