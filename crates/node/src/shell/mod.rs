//! Everything of a node that touches the world: files, sockets, clock, threads.

pub(crate) mod inbox;
pub mod lock;
pub mod p2p;

/// Why the system refuses an address to listen on, and what to do; `flag` names another one.
fn cannot_listen(error: &std::io::Error, flag: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("the port is taken: stop the other process, or choose another port with {flag}")
        }
        std::io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address: choose another one with {flag}")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("the system does not allow it: choose a port above 1023 with {flag}")
        }
        _ => format!("{error}; choose another address with {flag}"),
    }
}
