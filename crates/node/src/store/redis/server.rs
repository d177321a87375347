//! A real Redis server for tests: on a socket in a folder of its own, gone when dropped.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a server; far more than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Whether a server listens, and has read its files: then it answers, if only that it wants a password.
fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    let mut answer = [0; 5];
    let asked = stream.write_all(b"PING\r\n").and_then(|()| stream.read_exact(&mut answer));
    asked.is_ok() && answer != *b"-LOAD"
}

/// A running server.
pub(crate) struct Server {
    /// None once it was killed.
    process: Option<Child>,
    socket: PathBuf,
}

impl Server {
    /// Starts a server as a node needs it, with `more` arguments, on the files in `folder`.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Server {
        let socket = folder.join("redis.sock");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        command.arg("--dir").arg(folder).arg("--unixsocket").arg(&socket).args(more);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut process = spawned.unwrap_or_else(|error| {
            panic!("these tests need the program redis-server ({error}): install it, `apt-get install redis-server` on Debian")
        });
        let begun = Instant::now();
        while !answers(&socket) {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "redis-server ended with {ended:?}");
            assert!(begun.elapsed() < PATIENCE, "redis-server does not answer");
            std::thread::sleep(LOOK);
        }
        Server { process: Some(process), socket }
    }

    /// The URL of the store `name`.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("redis+unix://{}?name={name}", self.socket.display())
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let _ = process.kill();
        let _ = process.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
