//! Hosts as network namespaces, all on one bridge in a namespace of its own. Needs root, and `ip`.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Outcome;
use crate::fault::ensure;

/// Where `ip netns` keeps its handles.
const NAMESPACES: &str = "/var/run/netns";

/// Namespaces that exist now, for a trial that is interrupted.
static MADE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Some hosts that reach each other at 10.77.0.1, 10.77.0.2, …
pub struct Net {
    switch: String,
    hosts: Vec<String>,
}

impl Net {
    /// Makes so many hosts.
    ///
    /// # Errors
    /// [`Fault`](crate::Fault), if the system does not let us.
    pub fn new(count: usize) -> Outcome<Self> {
        let name = |what: &str| format!("consign-{}-{what}", std::process::id());
        let net = Self { switch: name("switch"), hosts: (1..=count).map(|i| name(&i.to_string())).collect() };
        let switch = net.switch.as_str();
        add(switch)?;
        ip(&["-n", switch, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", switch, "link", "set", "br0", "up"])?;
        for (number, host) in net.hosts.iter().enumerate() {
            add(host)?;
            let port = port(number);
            ip(&["-n", switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", host])?;
            ip(&["-n", switch, "link", "set", &port, "master", "br0", "up"])?;
            ip(&["-n", host, "addr", "add", &format!("{}/24", address(number)), "dev", "eth0"])?;
            ip(&["-n", host, "link", "set", "eth0", "up"])?;
            ip(&["-n", host, "link", "set", "lo", "up"])?;
        }
        Ok(net)
    }

    /// The namespaces.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Pulls the cable of a host, or plugs it in again.
    ///
    /// # Errors
    /// [`Fault`](crate::Fault), if `ip` fails.
    pub fn connect(&self, number: usize, connected: bool) -> Outcome {
        ip(&["-n", &self.switch, "link", "set", &port(number), if connected { "up" } else { "down" }])
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        clean_up();
    }
}

/// The address of a host.
#[must_use]
pub fn address(number: usize) -> String {
    format!("10.77.0.{}", number + 1)
}

/// The host's port of the bridge.
fn port(number: usize) -> String {
    format!("port{}", number + 1)
}

fn add(namespace: &str) -> Outcome {
    ip(&["netns", "add", namespace])?;
    MADE.lock().unwrap_or_else(PoisonError::into_inner).push(namespace.to_owned());
    Ok(())
}

/// Removes all namespaces that this process has made.
pub fn clean_up() {
    for namespace in MADE.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _ = ip(&["netns", "delete", &namespace]);
    }
}

fn ip(arguments: &[&str]) -> Outcome {
    let output = Command::new("ip").args(arguments).output()?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    ensure(output.status.success(), || format!("ip {}: {}(it needs root)", arguments.join(" "), said()))
}

/// Does something in a network namespace, on a thread that goes there and ends with it; without one, here.
///
/// # Panics
/// If there is no such namespace, or the system does not let us in: then nothing of the trial could work.
pub fn inside<T: Send>(namespace: Option<&str>, work: impl FnOnce() -> T + Send) -> T {
    let Some(name) = namespace else { return work() };
    let path = format!("{NAMESPACES}/{name}");
    let there = || {
        let file = File::open(&path).expect("the namespace was made by this trial");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("the trial runs as root");
        work()
    };
    std::thread::scope(|threads| {
        let done = threads.spawn(there).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
