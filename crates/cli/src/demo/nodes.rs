//! The demo's node processes and the one folder in which everything of them lies.
//!
//! Nothing stays behind, however the demo ends. It stops the processes and removes the folder itself when it comes to
//! its end, fails or is interrupted. If it is killed, the processes see the pipe to their standard input close; then
//! they end and remove the folder (`node --demo`, see `node.rs`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use consign_node::config::DataFolder;
use consign_node::core::misbehave::Misbehaviour;

use crate::failure::Failure;
use crate::flags::{BATCHES_VARIABLE, LANES_VARIABLE};
use crate::found;
use crate::node::{DEMO_VARIABLE, KEEP_RUNNING};

/// How long a node may take to end by itself; then it is killed.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Time between two looks at something that is awaited.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// How much of a node's log is shown when the node ended by itself, in lines.
const LOG_LINES: usize = 12;

/// All nodes of a demo. Shared by the thread that plays the demo and the one that waits for Ctrl-C.
pub(super) struct Nodes {
    folder: PathBuf,
    state: Mutex<State>,
}

/// Running processes by number, from 1.
#[derive(Default)]
struct State {
    running: Vec<Running>,
    /// Nothing is started any more.
    over: bool,
    /// The processes and the folder stay.
    kept: bool,
}

struct Running {
    number: usize,
    process: Child,
    input: ChildStdin,
}

impl Nodes {
    /// No process yet, and a new private folder for all temporary files.
    pub(super) fn begin() -> Result<Nodes, Failure> {
        let name = format!("consign-demo-{}", hex::encode(found::random::<8>()?.as_slice()));
        let folder = DataFolder::create(&std::env::temp_dir().join(name))?.path().to_owned();
        Ok(Nodes { folder, state: Mutex::default() })
    }

    /// The folder of everything.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The data folder of a node.
    pub(super) fn data(&self, number: usize) -> PathBuf {
        self.folder.join(format!("node{number}"))
    }

    /// The log of a node.
    pub(super) fn log(&self, number: usize) -> PathBuf {
        self.folder.join(format!("node{number}.log"))
    }

    /// The file that opens the store of a node.
    pub(super) fn key_file(&self, number: usize) -> PathBuf {
        self.folder.join(format!("node{number}.key"))
    }

    /// Starts a node on its data folder, which must have been made.
    pub(super) fn start(&self, number: usize) -> Result<(), Failure> {
        self.launch(number, None)
    }

    /// Starts a node that cheats.
    pub(super) fn start_cheating(&self, number: usize, how: Misbehaviour) -> Result<(), Failure> {
        self.launch(number, Some(how))
    }

    fn launch(&self, number: usize, misbehaviour: Option<Misbehaviour>) -> Result<(), Failure> {
        let failed = |e| Failure::Failed(format!("cannot start a node process: {e}"));
        let mut state = self.state();
        if state.over {
            return Err(Failure::Interrupted);
        }
        let log = File::options().create(true).append(true).open(self.log(number)).map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("node").arg("--data").arg(self.data(number)).arg("--demo").arg(&self.folder);
        for (variable, _) in std::env::vars_os().filter(|(variable, _)| !inherited(variable)) {
            command.env_remove(variable);
        }
        if let Some(how) = misbehaviour {
            command.arg("--misbehave").arg(how.to_string()).env(DEMO_VARIABLE, "1");
        }
        // A group of its own: Ctrl-C goes to the demo, which then stops the nodes in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::piped()).stdout(log.try_clone().map_err(failed)?).stderr(log);
        let mut process = command.spawn().map_err(failed)?;
        let input = process.stdin.take().expect("invariant: standard input is a pipe");
        state.running.push(Running { number, process, input });
        Ok(())
    }

    /// Fails if a node ended by itself, with the end of its log.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let mut state = self.state();
        if state.over {
            return Err(Failure::Interrupted);
        }
        for node in &mut state.running {
            if let Some(status) = node.process.try_wait()? {
                let log = std::fs::read_to_string(self.log(node.number)).unwrap_or_default();
                let lines: Vec<_> = log.lines().collect();
                let end = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
                let what = format!("node {} ended by itself ({status}):\n{}", node.number, end.join("\n"));
                return Err(Failure::Failed(what));
            }
        }
        Ok(())
    }

    /// Kills a node at once, as a power cut would.
    pub(super) fn kill(&self, number: usize) -> Result<(), Failure> {
        let mut state = self.state();
        let at = state.running.iter().position(|node| node.number == number);
        let Some(at) = at else { return Err(Failure::Failed(format!("node {number} does not run"))) };
        let mut node = state.running.remove(at);
        node.process.kill()?;
        node.process.wait()?;
        Ok(())
    }

    /// The processes go on without the demo, and the folder stays.
    pub(super) fn keep(&self) -> Result<(), Failure> {
        let mut state = self.state();
        if state.over {
            return Err(Failure::Interrupted);
        }
        for node in &mut state.running {
            node.input.write_all(&[KEEP_RUNNING])?;
            node.input.flush()?;
        }
        state.kept = true;
        state.over = true;
        Ok(())
    }

    /// Stops all processes, removes the folder. Again: nothing.
    pub(super) fn end(&self) {
        let mut state = self.state();
        if state.kept {
            return;
        }
        state.over = true;
        let closed: Vec<_> = state.running.drain(..).map(|node| node.process).collect();
        let deadline = Instant::now() + STOP_TIME;
        for mut process in closed {
            while matches!(process.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(LOOK);
            }
            // Killing one that has ended does nothing; waiting leaves no zombie.
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    /// A panic elsewhere must not keep the processes alive.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a demo's node sees this variable. What the demo's folders say holds, whatever the environment says to other
/// nodes; how it computes is no matter of folders.
fn inherited(variable: &OsStr) -> bool {
    [LANES_VARIABLE, BATCHES_VARIABLE].iter().any(|switch| variable == *switch)
        || !variable.to_string_lossy().starts_with("CONSIGN_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_see_the_switches_of_computing_and_nothing_of_other_nodes() {
        let seen = |variable: &str| inherited(OsStr::new(variable));
        assert!(seen("CONSIGN_LANES") && seen("CONSIGN_BATCH_VERIFICATION") && seen("PATH"));
        for hidden in ["CONSIGN_DATA", "CONSIGN_NAME", "CONSIGN_API", DEMO_VARIABLE] {
            assert!(!seen(hidden), "{hidden}");
        }
    }
}
