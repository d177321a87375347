//! Where clients come in: one door for all, and one on loopback for commands on this machine where the first speaks TLS or
//! is open to other machines.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::sync::watch::Receiver;
use tokio::task::JoinHandle;

use super::serve::{Limits, serve};
use super::tls::Tls;

/// Where to listen, and how.
pub(crate) struct Doors {
    /// Where.
    pub(crate) address: SocketAddr,
    /// With what; without it plain HTTP is spoken.
    pub(crate) tls: Option<Tls>,
    /// By what the node may be called besides its addresses and `localhost`, in lower case. What is behind the doors checks it.
    pub(crate) names: Vec<String>,
    /// How much clients may take up, at each door.
    pub(crate) limits: Limits,
}

/// Whether a call came in by a door on loopback, so that what it says has not left the machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near(pub(super) bool);

/// Doors that are open. They close when this is dropped.
pub(super) struct Open {
    /// Where the first one really is.
    pub(super) address: SocketAddr,
    /// Where commands on this machine come in, without TLS.
    pub(super) near: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
    watcher: Option<JoinHandle<()>>,
}

impl Doors {
    /// Listens, and serves until told to stop.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub(super) async fn open(self, router: &Router, stopping: &Receiver<bool>) -> std::io::Result<Open> {
        let Self { address, tls, limits, names: _ } = self;
        let main = TcpListener::bind(address).await?;
        let address = main.local_addr()?;
        let is_far = !address.ip().is_loopback();
        let beside = if tls.is_some() || is_far {
            Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
        } else {
            None
        };
        if tls.is_none() && is_far {
            tracing::warn!(%address, "the API is open to other machines without encryption, as its operator has said");
        }
        let near = beside.as_ref().map_or(Ok(address), TcpListener::local_addr)?;
        let acceptor = tls.as_ref().map(Tls::acceptor);
        let door = |listener, acceptor, at: SocketAddr| {
            let router = router.clone().layer(Extension(Near(at.ip().is_loopback())));
            tokio::spawn(serve(listener, acceptor, router, limits, stopping.clone()))
        };
        let mut tasks = vec![door(main, acceptor, address)];
        tasks.extend(beside.map(|listener| door(listener, None, near)));
        Ok(Open { address, near, tasks, watcher: tls.map(Tls::watch) })
    }
}

impl Open {
    /// Waits for the end of the calls that run. They must have been told to stop.
    pub(super) async fn ended(&mut self) {
        for task in &mut self.tasks {
            // What ended by a panic has ended.
            if !task.is_finished() {
                let _ = task.await;
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tasks.iter().chain(&self.watcher).for_each(JoinHandle::abort);
    }
}
