//! Standing by: waiting while another process holds the store of this node, and speaks for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;
use tracing::info;

use super::http::StandbyHttp;
use super::{RunError, cannot_listen, doors, p2p, policy};
use crate::config::{Config, DataFolder};
use crate::core::setup;
use crate::identity::Identity;
use crate::store::{NodeStore, Place, StoreError, Unlock};

/// Opens the store, when it is this process's turn. Nothing: it was told to end before.
///
/// # Errors
/// [`RunError`]; all that would keep it from taking over later, too, as far as that can be seen now.
pub(super) async fn open(
    folder: &DataFolder,
    config: &Config,
    unlock: Unlock,
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<Option<(NodeStore, Identity)>, RunError> {
    let goes_on = Arc::new(AtomicBool::new(true));
    let (tell, mut stands_by) = oneshot::channel();
    let place = config.place(folder);
    // On a thread that may take its time: deriving a key from a passphrase does.
    let mut opening = tokio::task::spawn_blocking({
        let (goes_on, folder) = (goes_on.clone(), folder.clone());
        move || wait(&place, &folder, &unlock, &goes_on, tell)
    });
    let panicked = |e: tokio::task::JoinError| RunError::Panicked(e.to_string());
    let mut http = None;
    let opened = loop {
        tokio::select! {
            opened = &mut opening => break opened.map_err(panicked)?,
            // An error means that it has opened the store, or failed.
            Ok(()) = &mut stands_by, if http.is_none() => {
                info!("standing by: another process holds the store and speaks for this node");
                match listen(folder, config).await {
                    Ok(started) => http = Some(started),
                    Err(error) => {
                        goes_on.store(false, Ordering::SeqCst);
                        let _ = opening.await;
                        return Err(error);
                    }
                }
            }
            () = &mut shutdown => {
                goes_on.store(false, Ordering::SeqCst);
                // What it opened meanwhile is given back.
                let opened = opening.await.map_err(panicked)?;
                break opened.map(|_| None);
            }
        }
    };
    if let Some(http) = http {
        let _ = std::fs::remove_file(folder.api_address_file());
        http.finish().await;
        if matches!(opened, Ok(Some(_))) {
            info!("taking over: the store is this process's now");
        }
    }
    opened
}

/// Waits for the store; `tell` is told when that begins to last.
fn wait(
    place: &Place,
    folder: &DataFolder,
    unlock: &Unlock,
    goes_on: &AtomicBool,
    tell: oneshot::Sender<()>,
) -> Result<Option<(NodeStore, Identity)>, RunError> {
    let mut tell = Some(tell);
    let mut fault = None;
    let mut again = || {
        if let Some(tell) = tell.take() {
            // A wrong passphrase shall not be found out when the other process is dead.
            fault = check(place, folder, unlock).err();
            let _ = tell.send(());
        }
        fault.is_none() && goes_on.load(Ordering::SeqCst)
    };
    let opened = place.open_in_turn(unlock, &mut again)?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let Some(store) = opened else { return Ok(None) };
    let identity = setup::identity(&store)?;
    Ok(Some((store, identity)))
}

/// What a node needs when it takes over, as far as it is the same now.
fn check(place: &Place, folder: &DataFolder, unlock: &Unlock) -> Result<(), RunError> {
    let store = match place.look(unlock) {
        // It is being made anew, or its schema is changed: that is told when it is opened.
        Err(StoreError::NotFound { .. }) => return Ok(()),
        looked => looked?,
    };
    setup::identity(&store)?;
    if setup::had_policy(&store)? && policy::read(folder)?.is_none() {
        return Err(RunError::PolicyGone { path: folder.policy_file() });
    }
    Ok(())
}

/// Shows that this process lives and stands by; and that what it will listen on is free.
async fn listen(folder: &DataFolder, config: &Config) -> Result<StandbyHttp, RunError> {
    p2p::check_free(&config.listen)?;
    let refused = |e| RunError::Api { address: config.api.listen, reason: cannot_listen(&e, "--api") };
    let http = StandbyHttp::start(doors(&config.api)?).await.map_err(refused)?;
    folder.write_file(&folder.api_address_file(), http.near.to_string().as_bytes())?;
    Ok(http)
}
