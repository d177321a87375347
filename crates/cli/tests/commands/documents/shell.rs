//! A terminal with several windows, in a folder of its own, as somebody who follows a document has it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use rustix::pty::{self, OpenptFlags};
use rustix::termios::{self, LocalModes};
use serde_json::Value;

use crate::common::{Said, finish, processes, until};

/// The program under its name, with keys at the insecure level of tests, and nodes on free ports.
const PROGRAM: &str = r#"#!/bin/bash
case "$1 $2" in
    "key create"|"key import"|"demo "*) instead=(--level insecure-test) ;;
    "bench "*) instead=(--level 112) ;;
    "init "*|"join "*) instead=(--listen /ip4/127.0.0.1/tcp/0 --api 127.0.0.1:0) ;;
    *) exec "$CONSIGN_PROGRAM" "$@" ;;
esac
words=()
while [ $# -gt 0 ]; do
    case "$1" in
        --level|--listen|--announce|--api) shift ;;
        *) words+=("$1") ;;
    esac
    shift
done
exec "$CONSIGN_PROGRAM" "${words[@]}" "${instead[@]}"
"#;

/// What a person types.
pub(super) enum Answer<'a> {
    /// At a prompt with this text, and it is seen.
    Shown(&'a str, &'a str),
    /// The same, and it is not: the terminal must not echo it.
    Hidden(&'a str, &'a str),
}

/// The folder, and what runs in it.
pub(super) struct Shell {
    place: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    nodes: BTreeMap<String, Child>,
    /// What a person would type instead of a word of the document; the first one first.
    words: BTreeMap<String, VecDeque<String>>,
    /// The same for every time.
    everywhere: BTreeMap<String, String>,
}

impl Shell {
    /// An empty folder. The stores are locked with a key file or with a passphrase that the environment holds.
    pub(super) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let programs = place.path().join(".programs");
        std::fs::create_dir(&programs).unwrap();
        let program = programs.join("consign");
        std::fs::write(&program, PROGRAM).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let variables = [
            ("PATH", path.as_str()),
            ("HOME", place.path().to_str().unwrap()),
            ("TMPDIR", place.path().to_str().unwrap()),
            ("CONSIGN_PROGRAM", env!("CARGO_BIN_EXE_consign")),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { place, variables, nodes: BTreeMap::new(), words: BTreeMap::new(), everywhere: BTreeMap::new() }
    }

    /// A file or folder in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Sets a variable, as `export` does.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// The next time a line has this word, this is meant.
    pub(super) fn mean(&mut self, word: &str, meaning: &str) {
        self.words.entry(word.to_owned()).or_default().push_back(meaning.to_owned());
    }

    /// From now on, wherever a line has this word, this is meant.
    pub(super) fn everywhere(&mut self, word: &str, meaning: &str) {
        self.everywhere.insert(word.to_owned(), meaning.to_owned());
    }

    /// Nothing is meant by this word any more.
    pub(super) fn forget(&mut self, word: &str) {
        self.words.remove(word);
    }

    /// Runs a line as it stands in a document; it must go well.
    #[track_caller]
    pub(super) fn run(&mut self, line: &str) -> Said {
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')) {
            self.set(name, value.trim_matches('\''));
            return Said { code: 0, out: String::new(), err: String::new() };
        }
        let command = self.meant(line);
        if let Some(folder) = node_folder(&command) {
            self.start(&folder, &command);
            return Said { code: 0, out: String::new(), err: String::new() };
        }
        let said = finish(self.bash(&command));
        assert_eq!(said.code, 0, "`{line}`, run as `{command}`\nstdout: {}\nstderr: {}", said.out, said.err);
        said
    }

    /// The one JSON value that a command prints.
    #[track_caller]
    pub(super) fn json(&mut self, line: &str) -> Value {
        self.run(&format!("{line} --json")).json()
    }

    /// Runs a line that must fail and say why.
    #[track_caller]
    pub(super) fn refused(&mut self, line: &str, why: &str) {
        let command = self.meant(line);
        let said = finish(self.bash(&command));
        assert!(said.code != 0 && said.err.contains(why), "`{command}`: {} {}", said.out, said.err);
        assert!(!said.err.contains("panicked"), "{}", said.err);
    }

    /// The exit code of a line, whatever it is.
    pub(super) fn code(&mut self, line: &str) -> i32 {
        let command = self.meant(line);
        finish(self.bash(&command)).code
    }

    /// Runs a line in a terminal and types what it asks for; it must go well. Returns what the terminal showed.
    #[track_caller]
    pub(super) fn type_into(&mut self, line: &str, answers: &[Answer<'_>]) -> String {
        let command = self.meant(line);
        let keyboard = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        pty::grantpt(&keyboard).unwrap();
        pty::unlockpt(&keyboard).unwrap();
        let mut keyboard = std::fs::File::from(keyboard);
        let name = pty::ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        let mut process = {
            let terminal = || std::fs::File::options().read(true).write(true).open(&name).unwrap();
            let mut bash = self.bash(&command);
            bash.stdin(terminal()).stdout(terminal()).stderr(terminal()).spawn().unwrap()
        };
        let (told, shown) = mpsc::channel();
        let mut screen = keyboard.try_clone().unwrap();
        // Ends when nobody has the terminal open any more.
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(count @ 1..) = screen.read(&mut piece) {
                let text = String::from_utf8_lossy(piece.get(..count).unwrap()).into_owned();
                if told.send(text).is_err() {
                    return;
                }
            }
        });
        let (mut text, mut read) = (String::new(), 0);
        for answer in answers {
            let (Answer::Shown(prompt, typed) | Answer::Hidden(prompt, typed)) = answer;
            until(&format!("`{line}` to ask for `{prompt}`"), || {
                text.extend(shown.try_iter());
                let found = text.get(read..).unwrap().find(prompt)?;
                read += found + prompt.len();
                Some(())
            });
            if matches!(answer, Answer::Hidden(..)) {
                // Whatever is typed before is thrown away.
                until("the terminal to hide what is typed", || {
                    let modes = termios::tcgetattr(&keyboard).unwrap().local_modes;
                    (!modes.contains(LocalModes::ECHO)).then_some(())
                });
            }
            keyboard.write_all(format!("{typed}\n").as_bytes()).unwrap();
        }
        let status = until(&format!("`{line}` to end"), || process.try_wait().unwrap());
        reader.join().unwrap();
        text.extend(shown.try_iter());
        assert!(status.success(), "`{line}`, run as `{command}`: {text}");
        for answer in answers {
            if let Answer::Hidden(_, typed) = answer {
                assert!(!text.contains(typed), "{text}");
            }
        }
        text
    }

    /// Ends a node, as Ctrl-C does.
    pub(super) fn stop(&mut self, folder: &str) {
        let mut process = self.nodes.remove(folder).expect("the node runs");
        let kill = Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let status = process.wait().unwrap();
        assert!(status.success(), "{folder} ended with {status}: {}", self.log(folder));
    }

    /// Makes the folder of a node that a founder has invited.
    pub(super) fn join(&mut self, founder: &str, folder: &str, name: &str) {
        let invitation = self.run(&format!("consign invite --data {founder}")).out;
        self.mean("INVITATION", invitation.trim());
        self.run(&format!("consign join --data {folder} --name {name} INVITATION"));
    }

    /// Waits until a node is connected to all others of `count` members.
    pub(super) fn meets(&mut self, folder: &str, count: usize) {
        until("the nodes to meet", || {
            let roster = self.json(&format!("consign validator list --data {folder}"));
            let met = |v: &&Value| v["member"] == true && (v["connected"] == true || v["this_node"] == true);
            (roster.as_array().unwrap().iter().filter(met).count() == count).then_some(())
        });
    }

    /// Waits until a node shows a key as usable.
    pub(super) fn has_key(&mut self, folder: &str, label: &str) -> Value {
        until("the key to be there", || {
            let all = self.json(&format!("consign key list --data {folder}"));
            all.as_array().unwrap().iter().find(|k| k["label"] == label && k["state"] == "active").cloned()
        })
    }

    /// What a node has logged.
    pub(super) fn log(&self, folder: &str) -> String {
        std::fs::read_to_string(self.log_file(folder)).unwrap_or_default()
    }

    fn log_file(&self, folder: &str) -> PathBuf {
        self.path(&format!(".log-{}", folder.replace('/', "-")))
    }

    /// The line with what is meant by its words.
    fn meant(&mut self, line: &str) -> String {
        let mut line = line.replace("cargo run --release -- ", "consign ");
        for (word, meaning) in &self.everywhere {
            line = line.replace(word.as_str(), meaning);
        }
        for (word, meanings) in &mut self.words {
            if line.contains(word.as_str())
                && let Some(meaning) = meanings.pop_front()
            {
                line = line.replace(word.as_str(), &meaning);
            }
        }
        line
    }

    /// Starts a node that stands by: it answers no calls.
    pub(super) fn start_standby(&mut self, folder: &str, line: &str) {
        let command = self.meant(line);
        self.spawn(folder, &command);
        until("the node to stand by", || {
            let doctor = self.bash(&format!("consign doctor --data {folder}"));
            let said = finish(doctor);
            (said.out.contains("stands by") || said.err.contains("stands by")).then_some(())
        });
    }

    fn start(&mut self, folder: &str, command: &str) {
        self.spawn(folder, command);
        until("the node to answer", || {
            if let Some(status) = self.nodes.get_mut(folder).unwrap().try_wait().unwrap() {
                panic!("`{command}` ended with {status}: {}", self.log(folder));
            }
            let list = self.bash(&format!("consign validator list --data {folder}"));
            (finish(list).code == 0).then_some(())
        });
    }

    fn spawn(&mut self, folder: &str, command: &str) {
        let log = std::fs::File::create(self.log_file(folder)).unwrap();
        let mut node = self.bash(&format!("exec env {command}"));
        let process = node.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.nodes.insert(folder.to_owned(), process);
    }

    fn bash(&self, line: &str) -> Command {
        let mut command = self.command("bash");
        command.args(["-c", line]).stdin(Stdio::null());
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.variables).current_dir(self.place.path());
        command
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        for (folder, process) in &mut self.nodes {
            let _ = process.kill();
            let _ = process.wait();
            if std::thread::panicking() {
                let log = self.place.path().join(format!(".log-{}", folder.replace('/', "-")));
                eprintln!("log of {folder}:\n{}", std::fs::read_to_string(log).unwrap_or_default());
            }
        }
    }
}

/// The folder of a command that runs a node.
fn node_folder(command: &str) -> Option<String> {
    let (_, flags) = command.split_once("consign node ")?;
    let folder = flags.split_once("--data ")?.1;
    Some(folder.split(' ').next()?.to_owned())
}

/// A shell beside the nodes of a demo, one of which has cheated.
pub(super) struct Cheated {
    pub(super) shell: Shell,
    nodes: Vec<u32>,
}

impl Cheated {
    /// One of its honest nodes has its data in `folder`.
    pub(super) fn new(folder: &str) -> Self {
        let mut shell = Shell::new();
        shell.run("consign demo --cheat --keep");
        let below = std::fs::read_dir(shell.place.path()).unwrap().map(|entry| entry.unwrap().path());
        let demo =
            below.into_iter().find(|path| path.join("node1").exists()).expect("the folder of the demo");
        let cheated = Self { nodes: processes(demo.to_str().unwrap()), shell };
        std::os::unix::fs::symlink(demo.join("node1"), cheated.shell.path(folder)).unwrap();
        cheated
    }
}

impl Drop for Cheated {
    fn drop(&mut self) {
        for node in &self.nodes {
            let _ = Command::new("kill").args(["-KILL", &node.to_string()]).status();
        }
    }
}
