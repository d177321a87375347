//! Standing by: waiting while another process holds the store of this node, and speaks for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::http::{OTHER_POLICY, StandbyHttp};
use super::{RunError, cannot_listen, doors, p2p, policy};
use crate::config::{Config, DataFolder};
use crate::core::setup;
use crate::identity::Identity;
use crate::store::{NodeStore, Place, StoreError, Unlock};

/// How often a process that stands by looks at the policy that the other one goes by.
const LOOK: Duration = Duration::from_secs(10);

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
    let differs = Arc::new(AtomicBool::new(false));
    // On a thread that may take its time: deriving a key from a passphrase does.
    let mut opening = tokio::task::spawn_blocking({
        let (goes_on, folder, differs) = (goes_on.clone(), folder.clone(), differs.clone());
        move || wait(&place, &folder, &unlock, (&goes_on, &differs), tell)
    });
    let panicked = |e: tokio::task::JoinError| RunError::Panicked(e.to_string());
    let mut http = None;
    let opened = loop {
        tokio::select! {
            opened = &mut opening => break opened.map_err(panicked)?,
            // An error means that it has opened the store, or failed.
            Ok(()) = &mut stands_by, if http.is_none() => {
                info!("standing by: another process holds the store and speaks for this node");
                match listen(folder, config, differs.clone()).await {
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

/// Waits for the store; `tell` is told when that begins to last. `differs` is whether the policy here is another one than the
/// one in force.
fn wait(
    place: &Place,
    folder: &DataFolder,
    unlock: &Unlock,
    (goes_on, differs): (&AtomicBool, &AtomicBool),
    tell: oneshot::Sender<()>,
) -> Result<Option<(NodeStore, Identity)>, RunError> {
    let mut tell = Some(tell);
    let (mut fault, mut looked, mut last) = (None, None, Instant::now());
    let mut again = || {
        if let Some(tell) = tell.take() {
            // A wrong passphrase shall not be found out when the other process is dead.
            match check(place, folder, unlock) {
                Ok(store) => looked = store,
                Err(error) => fault = Some(error),
            }
            compare(folder, &mut looked, differs);
            let _ = tell.send(());
        } else if last.elapsed() >= LOOK {
            last = Instant::now();
            compare(folder, &mut looked, differs);
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

/// What a node needs when it takes over, as far as it is the same now. The store, to look at.
fn check(place: &Place, folder: &DataFolder, unlock: &Unlock) -> Result<Option<NodeStore>, RunError> {
    let store = match place.look(unlock) {
        // It is being made anew, or its schema is changed: that is told when it is opened.
        Err(StoreError::NotFound { .. }) => return Ok(None),
        looked => looked?,
    };
    setup::identity(&store)?;
    if setup::had_policy(&store)? && policy::read(folder)?.is_none() {
        return Err(RunError::PolicyGone { path: folder.policy_file() });
    }
    Ok(Some(store))
}

/// Looks whether the policy here is the one in force, and warns if it is not. A store that cannot be read is looked at no more:
/// what is wrong with it is told by the one who waits for it.
fn compare(folder: &DataFolder, looked: &mut Option<NodeStore>, differs: &AtomicBool) {
    let Some(store) = looked else { return };
    let Ok(adopted) = setup::adopted_policy(store) else {
        *looked = None;
        return;
    };
    // A file that cannot be read now is told when this process takes over.
    let Ok(own) = folder.policy_text() else { return };
    let now = is_other(adopted.as_deref(), own.as_deref());
    match (differs.swap(now, Ordering::SeqCst), now) {
        (false, true) => warn!("{OTHER_POLICY}"),
        (true, false) => info!("policy.toml here is the one in force again"),
        _ => {}
    }
}

/// Whether a policy is another one than that which was adopted last.
fn is_other(adopted: Option<&str>, own: Option<&str>) -> bool {
    matches!((adopted, own), (Some(adopted), Some(own)) if adopted != own)
}

/// Refuses to run by another policy than the one that was adopted last, which another process may have done: only an operator
/// knows which of the two is the newer one.
///
/// # Errors
/// [`RunError::OtherPolicy`], and what keeps the store from being read.
pub(super) fn refuse_other_policy(
    folder: &DataFolder,
    store: &NodeStore,
    own: Option<&str>,
) -> Result<(), RunError> {
    if is_other(setup::adopted_policy(store)?.as_deref(), own) {
        return Err(RunError::OtherPolicy { path: folder.policy_file() });
    }
    Ok(())
}

/// Shows that this process lives and stands by; and that what it will listen on is free.
async fn listen(
    folder: &DataFolder,
    config: &Config,
    differs: Arc<AtomicBool>,
) -> Result<StandbyHttp, RunError> {
    p2p::check_free(&config.listen)?;
    let refused = |e| RunError::Api { address: config.api.listen, reason: cannot_listen(&e, "--api") };
    let http = StandbyHttp::start(doors(&config.api)?, differs).await.map_err(refused)?;
    folder.write_file(&folder.api_address_file(), http.near.to_string().as_bytes())?;
    Ok(http)
}
