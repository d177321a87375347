//! Watches how much room there is on the disk of the store. The core begins nothing new on one that is nearly full, so that
//! what runs can be brought to its end: a write that fails ends the node.

use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::inbox::{Inbox, InboxSender};
use crate::config::DataFolder;
use crate::core::Input;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// With less room than this, in bytes, a disk is nearly full: what the ceremonies that may run at once need to end, the
/// largest evidence among it, and as much again for the store to grow.
const LEAST_FREE: u64 = 256 << 20;

/// Free bytes on the disk of a folder, for who is no administrator. Nothing where the system does not tell.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let state = rustix::fs::statvfs(folder).ok()?;
    Some(state.f_bavail.saturating_mul(state.f_frsize))
}

/// Free bytes on the disk of a folder: not told here.
#[cfg(not(unix))]
fn free(_folder: &Path) -> Option<u64> {
    None
}

/// Whether so much room is too little to begin anything.
const fn is_nearly_full(free: u64) -> bool {
    free < LEAST_FREE
}

/// Watches until it is aborted, or nobody listens any more.
pub(super) fn watch(folder: DataFolder, inbox: InboxSender) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut told = false;
        let mut clock = tokio::time::interval(LOOK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            let path = folder.path().to_owned();
            let Ok(found) = tokio::task::spawn_blocking(move || free(&path)).await else { return };
            let full = found.is_some_and(is_nearly_full);
            if std::mem::replace(&mut told, full) != full
                && inbox.send(Inbox::Input(Input::DiskFull(full))).is_err()
            {
                return;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_seen() {
        let place = tempfile::tempdir().unwrap();
        assert!(free(place.path()).is_some_and(|free| free > 0));
        assert_eq!(free(&place.path().join("none")), None);
        assert!(is_nearly_full(0) && is_nearly_full(LEAST_FREE - 1) && !is_nearly_full(LEAST_FREE));
    }
}
