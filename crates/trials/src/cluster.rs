//! Clusters of real node processes, each on a data folder and ports of its own.
//!
//! Nothing stays behind, however a trial ends: each node holds the reading end of a pipe, and when the trial is gone it
//! ends, and removes the folder of all of them (`consign node --demo`).

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use consign_api::client::{Client, Start};
use consign_api::{ClientSecret, ClusterId, CreateKey, Curve, KeyView, Level, Outcome as Made, Scheme};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::fault::ensure;
use crate::{Fault, Outcome, Setup};

/// Longest wait for a node to answer, or for nodes to meet.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks.
pub const LOOK: Duration = Duration::from_millis(50);
/// How long a node may take to end in order.
const STOP_TIME: Duration = Duration::from_secs(20);
/// The variable that switches off faster arithmetic; the only one of the product's that nodes of trials see.
const LANES: &str = "CONSIGN_LANES";
/// The seed of the one client that the policies of all nodes name.
pub(crate) const CLIENT_SEED: [u8; 32] = [0x5e; 32];
/// Lines of a log that are shown of a node that ended.
const LOG_LINES: usize = 15;

/// Where a node runs.
#[derive(Clone, Debug)]
pub struct Host {
    /// A network namespace; none: this process's own.
    pub namespace: Option<String>,
    /// The address that other nodes reach.
    pub address: String,
    /// The port for other nodes.
    pub port: u16,
    /// The port of the API, on loopback.
    pub api: u16,
}

impl Host {
    /// This machine's loopback, with two ports that are free now.
    ///
    /// # Errors
    /// If there are none.
    pub fn loopback() -> Outcome<Self> {
        let free = || Ok::<_, Fault>(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
        Ok(Self { namespace: None, address: "127.0.0.1".to_owned(), port: free()?, api: free()? })
    }
}

/// A data folder, and the process that runs on it, if one does.
pub struct Node {
    /// What it is called.
    pub name: String,
    /// Its data folder.
    pub data: PathBuf,
    /// Where it runs.
    pub host: Host,
    consign: PathBuf,
    place: PathBuf,
    process: Mutex<Option<Process>>,
}

struct Process {
    child: Child,
    _input: ChildStdin,
}

/// Several nodes that have met, with policies that name one client.
pub struct Cluster {
    /// The nodes; the first one is the founder.
    pub nodes: Vec<Node>,
    /// Its id.
    pub id: ClusterId,
    place: PathBuf,
}

impl Cluster {
    /// Nodes with these names, all on loopback.
    ///
    /// # Errors
    /// [`Fault`], if they do not come up.
    pub fn start(setup: &Setup, names: &[&str]) -> Outcome<Self> {
        let hosts = names.iter().map(|_| Host::loopback()).collect::<Outcome<Vec<_>>>()?;
        Self::start_on(setup, names, hosts, &[])
    }

    /// Nodes with these names on these hosts. Each but the founder knows nothing but an invitation, in which there is one
    /// address. `flags` are for `consign init` and `consign join`.
    ///
    /// # Errors
    /// [`Fault`], if they do not come up.
    pub fn start_on(setup: &Setup, names: &[&str], hosts: Vec<Host>, flags: &[String]) -> Outcome<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| Fault::new(format!("no randomness: {e}")))?;
        let place = std::env::temp_dir().join(format!("consign-trial-{}", hex::encode(random)));
        std::fs::DirBuilder::new().mode(0o700).create(&place)?;
        write_private(&place.join("key"), "07".repeat(32).as_bytes())?;
        let mut cluster = Self { nodes: Vec::new(), id: ClusterId([0; 32]), place };
        for (name, host) in names.iter().zip(hosts) {
            cluster.join(setup, name, host, flags)?;
        }
        let founder = cluster.node(0)?;
        let token = founder.token()?;
        cluster.id = founder.call(|client| client(None, &token).node())?.cluster;
        cluster.meet()?;
        Ok(cluster)
    }

    /// One more node joins, with nothing but an invitation. `flags` are for `consign join`.
    ///
    /// # Errors
    /// [`Fault`], if it does not come up.
    pub fn join(&mut self, setup: &Setup, name: &str, host: Host, flags: &[String]) -> Outcome {
        self.add(setup, name, host, |node, nodes| node.make(nodes.first(), flags))
    }

    /// A second process for a node that is there, over its store. It is none of those that meet.
    ///
    /// # Errors
    /// [`Fault`], if it does not come up.
    pub fn stand_by(&mut self, setup: &Setup, name: &str, host: Host, flags: &[String]) -> Outcome {
        self.add(setup, name, host, |node, _| node.run(vec!["standby".to_owned()], flags))
    }

    fn add(
        &mut self,
        setup: &Setup,
        name: &str,
        host: Host,
        make: impl FnOnce(&Node, &[Node]) -> Outcome,
    ) -> Outcome {
        let (consign, place) = (setup.consign.clone(), self.place.clone());
        let data = place.join(name);
        let node = Node { name: name.to_owned(), data, host, consign, place, process: Mutex::default() };
        make(&node, &self.nodes)?;
        write_private(&node.data.join("policy.toml"), policy().as_bytes())?;
        node.start()?;
        self.nodes.push(node);
        Ok(())
    }

    /// The folder of everything.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// A node by its number.
    ///
    /// # Errors
    /// [`Fault`], if there is none: a trial with a mistake.
    pub fn node(&self, number: usize) -> Outcome<&Node> {
        self.nodes.get(number).ok_or_else(|| Fault::new(format!("there is no node {number}")))
    }

    /// Does something as the client at a node, in the namespace in which the node runs.
    pub fn at<T: Send>(&self, node: &Node, work: impl FnOnce(&Client) -> T + Send) -> T {
        node.call(|client| work(&client(Some(self.id), "")))
    }

    /// Waits until each running node sees all others as members and is connected with them.
    ///
    /// # Errors
    /// [`Fault`], if that takes too long.
    pub fn meet(&self) -> Outcome {
        for node in &self.nodes {
            until(&format!("{} to meet the others", node.name), || {
                let Ok(validators) = self.at(node, Client::validators) else { return Ok(None) };
                let met = |v: &&consign_api::ValidatorView| v.member && (v.connected || v.this_node);
                Ok((validators.iter().filter(met).count() == self.nodes.len()).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Makes a key of which any two of all nodes sign, and waits until all have it.
    ///
    /// # Errors
    /// [`Fault`], if it is not made.
    pub fn create_key(&self, label: &str, level: Level) -> Outcome<KeyView> {
        let founder = self.node(0)?;
        let committee = self.at(founder, Client::validators)?.iter().map(|v| v.id).collect();
        let label = label.parse().map_err(Fault::new)?;
        let (scheme, curve) = (Scheme::Cggmp24, Curve::Secp256k1);
        let wanted = CreateKey { label, scheme, curve, level, threshold: 2, committee };
        let made = self.at(founder, |client| client.create_key(&wanted, &Start::and_wait()))?;
        let Some(Made::Key(key)) = made.outcome else {
            return Err(Fault::new("the key was not made in time"));
        };
        for node in &self.nodes {
            until("all to have the key", || {
                let active = |key: KeyView| key.state == consign_api::KeyState::Active;
                Ok(self.at(node, |client| client.key(&key.id)).is_ok_and(active).then_some(()))
            })?;
        }
        Ok(*key)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &self.nodes {
            let _ = node.stop();
        }
        let _ = std::fs::remove_dir_all(&self.place);
    }
}

impl Node {
    /// Makes the data folder: of a founder, or of one that it invites.
    fn make(&self, founder: Option<&Node>, flags: &[String]) -> Outcome {
        let mut arguments = match founder {
            None => vec!["init".to_owned()],
            Some(founder) => {
                let said = founder.ask(&["invite"])?;
                let invitation = said.get("invitation").and_then(Value::as_str);
                vec!["join".to_owned(), invitation.ok_or_else(|| Fault::new("no invitation"))?.to_owned()]
            }
        };
        arguments.extend(["--name".to_owned(), self.name.clone()]);
        self.run(arguments, flags)
    }

    /// Runs a command that makes the data folder, for this host.
    fn run(&self, mut arguments: Vec<String>, flags: &[String]) -> Outcome {
        let Host { address, port, api, .. } = &self.host;
        let key = self.place.join("key").display().to_string();
        arguments.extend(["--key-file".to_owned(), key]);
        arguments.extend(["--listen".to_owned(), format!("/ip4/{address}/tcp/{port}")]);
        arguments.extend(["--api".to_owned(), format!("127.0.0.1:{api}")]);
        arguments.extend(flags.iter().cloned());
        self.ask(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).map(drop)
    }

    /// Runs a command of the program on this node's folder, and reads the JSON that it prints.
    ///
    /// # Errors
    /// [`Fault`], with what it said, if it fails.
    pub fn ask(&self, arguments: &[&str]) -> Outcome<Value> {
        let mut command = self.command();
        command.args(arguments).arg("--json").arg("--data").arg(&self.data).stdin(Stdio::null());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure(output.status.success(), || format!("consign {}: {said}", arguments.join(" ")))?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn command(&self) -> Command {
        let mut command = match &self.host.namespace {
            None => Command::new(&self.consign),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(&self.consign);
                command
            }
        };
        for (variable, _) in std::env::vars_os() {
            if variable != LANES && variable.to_string_lossy().starts_with("CONSIGN_") {
                command.env_remove(variable);
            }
        }
        command
    }

    /// Starts the process and waits until it answers.
    ///
    /// # Errors
    /// [`Fault`], with the end of its log, if it does not.
    pub fn start(&self) -> Outcome {
        self.launch()?;
        self.answers()
    }

    /// Starts the process.
    ///
    /// # Errors
    /// [`Fault`], if the system gives none.
    pub fn launch(&self) -> Outcome {
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let mut command = self.command();
        command.args(["node", "--log", "info", "--data"]).arg(&self.data).arg("--demo").arg(&self.place);
        // A group of its own: Ctrl-C goes to the trial, with which the node ends.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn()?;
        let input = child.stdin.take().ok_or_else(|| Fault::new("a process without standard input"))?;
        *self.process() = Some(Process { child, _input: input });
        Ok(())
    }

    /// Waits until the process answers.
    ///
    /// # Errors
    /// [`Fault`], with the end of its log, if it ends instead.
    pub fn answers(&self) -> Outcome {
        until(&format!("{} to answer", self.name), || {
            if let Some(process) = self.process().as_mut()
                && let Some(status) = process.child.try_wait()?
            {
                return Err(Fault::new(format!("{} ended with {status}:\n{}", self.name, self.log_end())));
            }
            Ok(self.call(|client| client(None, "").health().is_ok()).then_some(()))
        })
    }

    /// Ends the process as a power cut does.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn kill(&self) -> Outcome {
        if let Some(mut process) = self.process().take() {
            process.child.kill()?;
            process.child.wait()?;
        }
        Ok(())
    }

    /// Ends the process in order; one that does not end is killed, and that is a fault.
    ///
    /// # Errors
    /// [`Fault`], if it ended badly or not at all.
    pub fn stop(&self) -> Outcome {
        let Some(mut process) = self.process().take() else { return Ok(()) };
        signal(process.child.id(), Signal::TERM)?;
        let begun = Instant::now();
        while begun.elapsed() < STOP_TIME {
            if let Some(status) = process.child.try_wait()? {
                return ensure(status.success(), || format!("{} ended with {status}", self.name));
            }
            std::thread::sleep(LOOK);
        }
        process.child.kill()?;
        process.child.wait()?;
        Err(Fault::new(format!("{} did not end when it was told to", self.name)))
    }

    /// Sends the process a signal.
    ///
    /// # Errors
    /// If it does not run.
    pub fn signal(&self, kind: Signal) -> Outcome {
        let id = self.process_id().ok_or_else(|| Fault::new(format!("{} does not run", self.name)))?;
        signal(id, kind)
    }

    /// The number of the process, if it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process().as_ref().map(|process| process.child.id())
    }

    /// Does something in the namespace of this node, with a maker of clients for it: with a cluster they sign, else they
    /// show a token.
    pub fn call<T: Send>(
        &self,
        work: impl FnOnce(&dyn Fn(Option<ClusterId>, &str) -> Client) -> T + Send,
    ) -> T {
        let address = format!("127.0.0.1:{}", self.host.api);
        let make = |cluster: Option<ClusterId>, token: &str| {
            let client = Client::new(&address, token);
            match cluster {
                Some(cluster) => client.signed_by(client_secret(), cluster).without_token(),
                None => client,
            }
        };
        crate::hosts::netns::inside(self.host.namespace.as_deref(), || work(&make))
    }

    /// The token of its API.
    ///
    /// # Errors
    /// If there is none.
    pub fn token(&self) -> Outcome<String> {
        Ok(std::fs::read_to_string(self.data.join("api-token"))?)
    }

    /// The file that it logs to.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.place.join(format!("{}.log", self.name))
    }

    /// Everything that it has logged, over all its processes.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
    }

    /// The text of its metrics.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn metrics(&self) -> Outcome<String> {
        crate::hosts::netns::inside(self.host.namespace.as_deref(), || {
            use std::io::Read as _;
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.host.api))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        })
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signal(process: u32, signal: Signal) -> Outcome {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw);
    Ok(kill_process(id.ok_or_else(|| Fault::new("no process has this number"))?, signal)?)
}

/// The client that the policies of all nodes name.
#[must_use]
pub fn client_secret() -> ClientSecret {
    ClientSecret::from_seed(&CLIENT_SEED)
}

/// What every node agrees to: everything that a client may ask, for one client and its own keys.
fn policy() -> String {
    let client = client_secret().public();
    format!(
        "[[client]]\nname = \"trial\"\nkey = \"{client}\"\n\n[[allow]]\nclients = [\"trial\"]\n\
         ceremonies = [\"keygen\", \"sign\", \"presign\", \"refresh\", \"reshare\"]\nkeys = [\"own\"]\n\
         raw_digests = true\n"
    )
}

fn write_private(path: &Path, bytes: &[u8]) -> Outcome {
    let mut file = File::options().create_new(true).write(true).mode(0o600).open(path)?;
    Ok(file.write_all(bytes)?)
}

/// Looks until there is something.
///
/// # Errors
/// [`Fault`], if that takes too long, or looking fails.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure(begun.elapsed() < PATIENCE, || format!("waited in vain for {what}"))?;
        std::thread::sleep(LOOK);
    }
}
