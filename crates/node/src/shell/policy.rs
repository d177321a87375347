//! Watches the policy's file. The core hears of every change; what it does with a bad file is its matter.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::inbox::{Inbox, InboxSender};
use crate::config::{DataFolder, PolicyFileError};
use crate::core::Input;
use crate::core::policy::Policy;

/// How often the file is looked at. It is read as a whole: it is short, and the times of files are not to be trusted.
const LOOK: Duration = Duration::from_secs(1);

/// The policy of a folder, and the text it was read from. Nothing: there is none.
///
/// # Errors
/// If the file is there and is no policy: a node does not start without knowing what it may do.
pub(super) fn read(folder: &DataFolder) -> Result<Option<(Policy, String)>, PolicyFileError> {
    let Some(text) = folder.policy_text()? else { return Ok(None) };
    Ok(Some((folder.parse_policy(&text)?, text)))
}

/// What has changed since the text that was seen last.
fn look(folder: &DataFolder, seen: &mut Result<Option<String>, String>) -> Option<Result<Policy, String>> {
    let now = folder.policy_text().map_err(|e| e.to_string());
    if now == *seen {
        return None;
    }
    let had = !matches!(seen, Ok(None));
    let found = match &now {
        Ok(Some(text)) => folder.parse_policy(text).map_err(|e| e.to_string()),
        Ok(None) if had => {
            let file = folder.policy_file();
            Err(format!("{} is gone: write it again, or restart the node to run without one", file.display()))
        }
        Ok(None) => return None,
        Err(why) => Err(why.clone()),
    };
    *seen = now;
    Some(found)
}

/// Watches until it is aborted, or nobody listens any more.
pub(super) fn watch(folder: DataFolder, first: Option<String>, inbox: InboxSender) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut seen = Ok(first);
        let mut clock = tokio::time::interval(LOOK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            let looked = {
                let (folder, mut seen) = (folder.clone(), seen.clone());
                tokio::task::spawn_blocking(move || {
                    let news = look(&folder, &mut seen);
                    (seen, news)
                })
            };
            let Ok((now, news)) = looked.await else { return };
            seen = now;
            if let Some(news) = news
                && inbox.send(Inbox::Input(Input::Policy(news))).is_err()
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
    fn every_change_is_seen_once() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(&place.path().join("data")).unwrap();
        let file = folder.policy_file();
        assert!(read(&folder).unwrap().is_none());
        let mut seen = Ok(None);
        assert_eq!(look(&folder, &mut seen), None);
        std::fs::write(&file, "# nothing is allowed\n").unwrap();
        assert_eq!(look(&folder, &mut seen), Some(Ok(Policy::default())));
        assert_eq!(look(&folder, &mut seen), None);
        std::fs::write(&file, "\n[[allow]]\n").unwrap();
        let error = look(&folder, &mut seen).unwrap().unwrap_err();
        assert!(error.contains("policy.toml, line 2: missing field"), "{error}");
        assert_eq!(look(&folder, &mut seen), None);
        assert!(read(&folder).is_err());
        std::fs::remove_file(&file).unwrap();
        assert!(look(&folder, &mut seen).unwrap().unwrap_err().contains("is gone"));
        assert_eq!(look(&folder, &mut seen), None);
        std::fs::write(&file, [0xff]).unwrap();
        assert!(look(&folder, &mut seen).unwrap().unwrap_err().contains("cannot read"));
    }
}
