//! Runs the `consign` program as a person or a script would.

#![cfg_attr(
    not(debug_assertions),
    allow(dead_code, reason = "the nodes are for tests at the insecure level")
)]
#![allow(clippy::panic, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for anything; far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// The signal that nothing can catch.
const SIGKILL: i32 = 9;

/// A secret for stores of tests.
pub(crate) const PASSPHRASE: &str = "correct horse battery";

/// The program, with an environment that says nothing about other nodes.
pub(crate) fn consign(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consign"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("CONSIGN_") {
            command.env_remove(variable);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What a finished program said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// It must have gone well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// It must have failed with this code, saying something that contains `text`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, text: &str) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        assert!(self.err.contains(text), "`{text}` is not in: {}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// The one JSON value it printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// Runs to the end.
pub(crate) fn run(arguments: &[&str]) -> Said {
    finish(consign(arguments))
}

/// Runs a command to the end, whose output is kept. One that never ends is ended.
#[track_caller]
pub(crate) fn finish(mut command: Command) -> Said {
    command.stdout(Stdio::piped());
    finish_with_output(command)
}

/// The same, with standard output going where the command says.
#[track_caller]
pub(crate) fn finish_with_output(mut command: Command) -> Said {
    let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
    let out = process.stdout.take().map(|pipe| std::thread::spawn(move || std::io::read_to_string(pipe)));
    let err = process.stderr.take().map(|pipe| std::thread::spawn(move || std::io::read_to_string(pipe)));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            process.kill().unwrap();
            panic!("{command:?} does not end");
        }
        std::thread::sleep(LOOK);
    };
    let text = |reader: Option<std::thread::JoinHandle<std::io::Result<String>>>| {
        reader.map_or_else(String::new, |thread| thread.join().unwrap().unwrap())
    };
    Said { code: status.code().unwrap_or(-1), out: text(out), err: text(err) }
}

/// Looks until there is something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(LOOK);
    }
}

/// Whether a process with this number exists and has not ended.
pub(crate) fn lives(process: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    // The state follows the name in brackets; Z has ended and waits for its parent.
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z'))
}

/// The processes whose command line contains `text`.
pub(crate) fn processes(text: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let ours = |process: &u32| {
        std::fs::read(format!("/proc/{process}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
    };
    numbers.filter(ours).collect()
}

/// A data folder, and the node process that runs on it, if one does. Dropped, it ends the process.
pub(crate) struct TestNode {
    pub(crate) data: PathBuf,
    process: Option<Child>,
}

impl TestNode {
    /// Founds a cluster in the folder `name` below `place`, on free ports.
    pub(crate) fn found(place: &Path, name: &str) -> Self {
        Self::make(&["init"], place, name)
    }

    /// The same, with more flags.
    pub(crate) fn found_with(place: &Path, name: &str, flags: &[&str]) -> Self {
        Self::make(&[&["init"], flags].concat(), place, name)
    }

    /// A folder that is there already.
    pub(crate) fn at(data: PathBuf) -> Self {
        Self { data, process: None }
    }

    /// A cluster of running nodes that have met.
    ///
    /// A key file opens their stores: they start many times, and a passphrase is slow to try, as it should be.
    pub(crate) fn cluster(place: &Path, names: &[&str]) -> Vec<Self> {
        let key_file = place.join("key");
        std::fs::write(&key_file, "07".repeat(32)).unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let by_key_file = ["--key-file", key_file.to_str().unwrap()];
        let mut nodes: Vec<Self> = Vec::new();
        for name in names {
            let invitation = nodes.first().map(Self::invite);
            let how = invitation.as_ref().map_or(vec!["init"], |invitation| vec!["join", invitation]);
            let mut node = Self::make(&[&how[..], &by_key_file].concat(), place, name);
            node.start();
            nodes.push(node);
        }
        nodes.iter().for_each(|node| node.meets(names.len()));
        nodes
    }

    /// Makes a node that will join.
    pub(crate) fn join(place: &Path, name: &str, invitation: &str) -> Self {
        Self::join_with(place, name, invitation, &[])
    }

    /// The same, with more flags.
    pub(crate) fn join_with(place: &Path, name: &str, invitation: &str, flags: &[&str]) -> Self {
        Self::make(&[&["join", invitation], flags].concat(), place, name)
    }

    fn make(command: &[&str], place: &Path, name: &str) -> Self {
        let data = place.join(name);
        let mut make = consign(command);
        make.arg("--data").arg(&data).args(["--name", name]);
        make.args(["--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0"]);
        make.env("CONSIGN_PASSPHRASE", PASSPHRASE);
        finish(make).ok();
        Self { data, process: None }
    }

    /// The folder of a second process for the same node.
    pub(crate) fn stand_by(&self, place: &Path, name: &str, store: &str) -> Self {
        let data = place.join(name);
        let mut make = consign(&["standby", "--store", store, "--api", "127.0.0.1:0"]);
        make.args(["--listen", "/ip4/127.0.0.1/tcp/0", "--data"]).arg(&data);
        make.env("CONSIGN_PASSPHRASE", PASSPHRASE);
        finish(make).ok();
        if let Ok(policy) = std::fs::read(self.data.join("policy.toml")) {
            std::fs::write(data.join("policy.toml"), policy).unwrap();
        }
        Self { data, process: None }
    }

    /// Starts the process and waits until it stands by.
    pub(crate) fn start_standby(&mut self) {
        self.spawn(&[], &[]);
        until("the node to stand by", || {
            if let Some(status) = self.process.as_mut().unwrap().try_wait().unwrap() {
                panic!("the node ended with {status}: {}", self.log());
            }
            let said = self.ask(&["validator", "list"]);
            (said.code == 5 && said.err.contains("stands by")).then_some(())
        });
    }

    /// Starts the process, which does not run and says why.
    pub(crate) fn spawn_and_end(&mut self, why: &str) {
        self.spawn(&[], &[]);
        let (status, log) = self.ends();
        assert!(!status.success() && log.contains(why), "{log}");
    }

    /// Waits until it answers.
    pub(crate) fn answers(&self) {
        until("the node to answer", || (self.ask(&["validator", "list"]).code == 0).then_some(()));
    }

    /// Sends its process a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.process.as_ref().expect("runs").id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Starts the process and waits until it answers.
    pub(crate) fn start(&mut self) {
        self.start_with(&[], &[]);
    }

    /// The same, with more flags and variables.
    pub(crate) fn start_with(&mut self, flags: &[&str], variables: &[(&str, &str)]) {
        self.spawn(flags, variables);
        until("the node to answer", || {
            if let Some(status) = self.process.as_mut().unwrap().try_wait().unwrap() {
                panic!("the node ended with {status}: {}", self.log());
            }
            (self.ask(&["validator", "list"]).code == 0).then_some(())
        });
    }

    fn spawn(&mut self, flags: &[&str], variables: &[(&str, &str)]) {
        let log = std::fs::File::create(self.data.join("log")).unwrap();
        let flags = if flags.is_empty() { &["--log", "info"] } else { flags };
        let mut command = consign(&[&["node"], flags].concat());
        command.envs(variables.iter().copied());
        command.arg("--data").arg(&self.data).env("CONSIGN_PASSPHRASE", PASSPHRASE);
        command.env("CONSIGN_TEST_FAILPOINT", self.failpoint());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().unwrap());
    }

    /// The file that says at which transaction the node dies.
    fn failpoint(&self) -> PathBuf {
        self.data.join("failpoint")
    }

    /// The node shall die before or after its transaction with this number from now on.
    pub(crate) fn dies_at(&self, which: &str, number: u64) {
        // Another name first: it must not be read before it is whole.
        let whole = self.data.join("failpoint.new");
        std::fs::write(&whole, format!("{which} {number}")).unwrap();
        std::fs::rename(whole, self.failpoint()).unwrap();
    }

    /// It shall not die any more. Only good before a transaction saw the file, or after it died.
    pub(crate) fn lives_on(&self) {
        let _ = std::fs::remove_file(self.failpoint());
    }

    /// Whether its process has ended by itself.
    pub(crate) fn has_died(&mut self) -> bool {
        let process = self.process.as_mut().expect("runs");
        let Some(status) = process.try_wait().unwrap() else { return false };
        assert_eq!(status.signal(), Some(SIGKILL), "it ends only where it is told to: {}", self.log());
        self.process = None;
        true
    }

    /// Waits until its process has ended by itself; how, and what it logged.
    pub(crate) fn ends(&mut self) -> (std::process::ExitStatus, String) {
        let mut process = self.process.take().expect("runs");
        let status = until("the node to end", || process.try_wait().unwrap());
        (status, self.log())
    }

    /// The same, only looking.
    pub(crate) fn has_died_by_now(&mut self) -> bool {
        self.process.as_mut().expect("runs").try_wait().unwrap().is_some()
    }

    /// What the node logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }

    /// Ends the process as a service manager does, and waits for it.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("runs");
        let kill = Command::new("kill").arg(process.id().to_string()).status().unwrap();
        assert!(kill.success());
        let status = process.wait().unwrap();
        assert!(status.success(), "ended with {status}: {}", self.log());
    }

    /// Ends the process as a power cut does.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Runs a command at this node, with JSON.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Said {
        let mut command = consign(arguments);
        command.arg("--json").arg("--data").arg(&self.data);
        finish(command)
    }

    /// A new invitation.
    pub(crate) fn invite(&self) -> String {
        self.ask(&["invite"]).ok().json()["invitation"].as_str().unwrap().to_owned()
    }

    /// Waits until this node sees `count` members and is connected to all of them.
    pub(crate) fn meets(&self, count: usize) {
        until("the nodes to meet", || {
            let roster = self.ask(&["validator", "list"]).ok().json();
            let met = |v: &&Value| v["member"] == true && (v["connected"] == true || v["this_node"] == true);
            (roster.as_array().unwrap().iter().filter(met).count() == count).then_some(())
        });
    }

    /// Waits until this node has heard where another one listens now. On free ports a node listens elsewhere after each
    /// start, and whoever ends before it hears of that finds nobody when it is back.
    pub(crate) fn hears_from(&self, other: &Self) {
        until("the address of a restarted node to be known", || {
            let theirs = other.ask(&["validator", "list"]).ok().json();
            let row = theirs.as_array().unwrap().iter().find(|v| v["this_node"] == true)?.clone();
            let ours = self.ask(&["validator", "list"]).ok().json();
            let same = |v: &Value| v["id"] == row["id"] && v["addresses"] == row["addresses"];
            ours.as_array().unwrap().iter().any(same).then_some(())
        });
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
            if std::thread::panicking() {
                eprintln!("log of {}:\n{}", self.data.display(), self.log());
            }
        }
    }
}
