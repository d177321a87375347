//! Watches the policy's file. The core hears of every change; what it does with a bad file is its matter. Half a file may
//! allow more than the whole of it, so a change counts once two looks have seen the same.

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

/// What is in the file, if it is there and can be read.
type Text = Result<Option<String>, String>;

/// What was seen.
#[derive(Debug, Clone)]
struct Seen {
    /// What counts.
    told: Text,
    /// What was there at the last look.
    last: Text,
}

impl Seen {
    fn new(first: Option<String>) -> Self {
        Self { told: Ok(first.clone()), last: Ok(first) }
    }
}

/// What has changed since the text that counts, if it was there at the last look already.
fn look(folder: &DataFolder, seen: &mut Seen) -> Option<Result<Policy, String>> {
    let now = folder.policy_text().map_err(|e| e.to_string());
    let is_still = now == std::mem::replace(&mut seen.last, now.clone());
    if now == seen.told || !is_still {
        return None;
    }
    let had = !matches!(seen.told, Ok(None));
    let found = match &now {
        Ok(Some(text)) => folder.parse_policy(text).map_err(|e| e.to_string()),
        Ok(None) if had => {
            let file = folder.policy_file();
            Err(format!("{} is gone: write it again, or restart the node to run without one", file.display()))
        }
        Ok(None) => return None,
        Err(why) => Err(why.clone()),
    };
    seen.told = now;
    Some(found)
}

/// Watches until it is aborted, or nobody listens any more.
pub(super) fn watch(folder: DataFolder, first: Option<String>, inbox: InboxSender) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut seen = Seen::new(first);
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
        let mut seen = Seen::new(None);
        assert_eq!(look(&folder, &mut seen), None);
        // Told at the second look, and then no more.
        let mut told = || {
            assert_eq!(look(&folder, &mut seen), None);
            let told = look(&folder, &mut seen).unwrap();
            assert_eq!(look(&folder, &mut seen), None);
            told
        };
        std::fs::write(&file, "# nothing is allowed\n").unwrap();
        assert_eq!(told(), Ok(Policy::parse("# nothing is allowed\n").unwrap()));
        std::fs::write(&file, "\n[[allow]]\n").unwrap();
        let error = told().unwrap_err();
        assert!(error.contains("policy.toml, line 2: missing field"), "{error}");
        assert!(read(&folder).is_err());
        std::fs::remove_file(&file).unwrap();
        assert!(told().unwrap_err().contains("is gone"));
        std::fs::write(&file, [0xff]).unwrap();
        assert!(told().unwrap_err().contains("cannot read"));
    }

    /// Each half of this file is a policy, and the first one allows what the whole does not.
    #[test]
    fn a_file_that_is_being_written_does_not_count() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(&place.path().join("data")).unwrap();
        let file = folder.policy_file();
        let key = "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";
        let half = format!(
            "[[client]]\nname = \"shop\"\nkey = \"{key}\"\n[[allow]]\nclients = [\"shop\"]\n\
             ceremonies = [\"sign\"]\nkeys = [\"*\"]\n"
        );
        let whole = format!("{half}approve = true\n");
        let mut seen = Seen::new(None);
        std::fs::write(&file, &half).unwrap();
        assert_eq!(look(&folder, &mut seen), None);
        std::fs::write(&file, &whole).unwrap();
        assert_eq!(look(&folder, &mut seen), None);
        assert_eq!(look(&folder, &mut seen), Some(Ok(Policy::parse(&whole).unwrap())));
        // Written anew with the same content, nothing has changed.
        std::fs::write(&file, "").unwrap();
        assert_eq!(look(&folder, &mut seen), None);
        std::fs::write(&file, &whole).unwrap();
        assert_eq!(look(&folder, &mut seen), None);
        assert_eq!(look(&folder, &mut seen), None);
    }
}
