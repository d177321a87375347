//! What a client has seen of keys: kept in a file beside its key, compared with what nodes show, and never taken from a
//! node's word alone (`docs/certificates.md`).

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use consign_api::client::{Client, TrustError, Trusting};
use consign_api::{Certified, ClusterId, KeyId, KeyView, Label, NodeId, Pins, SignedRequest, ValidatorView};
use consign_node::config::private_file;
use consign_node::core::certificate::Judge;

use crate::failure::Failure;
use crate::files;

/// What the file of pins is called, behind the name of the client's key.
const SUFFIX: &str = ".pins";
/// Longest file of pins, in bytes: some thousand keys.
const MAX_PINS_BYTES: usize = 16 << 20;

/// A client's memory at work.
pub(crate) struct Trust {
    /// The file with the client's key.
    client: PathBuf,
    cluster: ClusterId,
    trusting: RefCell<Trusting<Judge>>,
    /// What is on the disk, as far as this process knows.
    saved: RefCell<Pins>,
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Client(error) => error.into(),
            TrustError::Mistrust(why) => Self::Mistrusted(why.to_string()),
        }
    }
}

/// The file of pins of a client's key file.
fn file_of(client: &Path) -> PathBuf {
    let mut name = client.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

/// What the client whose key is in this file has seen so far.
pub(crate) fn seen_by(client: &Path) -> Result<Pins, Failure> {
    read(&file_of(client))
}

fn read(file: &Path) -> Result<Pins, Failure> {
    if fs::symlink_metadata(file).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
        return Ok(Pins::default());
    }
    let text = files::read_private(file, MAX_PINS_BYTES)?;
    Pins::from_json(&text).map_err(|why| {
        let file = file.display();
        Failure::Failed(format!(
            "{file}: {why}; without it the client forgets what it has seen, so restore it, or look at each key anew \
             after removing it"
        ))
    })
}

impl Trust {
    /// What a client has seen, and the client itself, which signs with the key in `file`.
    pub(crate) fn new(file: &Path, pins: Pins, client: Client, cluster: ClusterId) -> Result<Self, Failure> {
        let saved = RefCell::new(pins.clone());
        let trusting = RefCell::new(Trusting::new(client, Judge, pins)?);
        Ok(Self { client: file.to_owned(), cluster, trusting, saved })
    }

    /// The id of the key that `text` names among those that were seen: by its label, or the beginning of its id.
    pub(crate) fn named(&self, text: &str) -> Result<Option<KeyId>, Failure> {
        let trusting = self.trusting.borrow();
        let named = |pin: &&consign_api::Pin| {
            pin.cluster == self.cluster
                && (pin.label.as_str() == text || !text.is_empty() && pin.key.to_string().starts_with(text))
        };
        let mut fitting = trusting.pins().keys().iter().filter(named).map(|pin| pin.key);
        match (fitting.next(), fitting.next()) {
            (key, None) => Ok(key),
            (Some(one), Some(other)) => {
                Err(Failure::Usage(format!("`{text}` may be the key {one} or {other}: give an id")))
            }
            (None, Some(_)) => Ok(None),
        }
    }

    /// A key, if it is what it was.
    pub(crate) fn key(&self, id: KeyId) -> Result<KeyView, Failure> {
        let view = self.trusting.borrow_mut().key(&id)?;
        self.save()?;
        Ok(view)
    }

    /// The key that was made for this request.
    pub(crate) fn made(&self, asked: &SignedRequest, id: KeyId) -> Result<KeyView, Failure> {
        let view = self.trusting.borrow_mut().made(asked, &id)?;
        self.save()?;
        Ok(view)
    }

    /// The key after a change.
    pub(crate) fn changed(
        &self,
        id: KeyId,
        from: u64,
        threshold: u16,
        committee: &[NodeId],
    ) -> Result<KeyView, Failure> {
        let view = self.trusting.borrow_mut().changed(&id, from, threshold, committee)?;
        self.save()?;
        Ok(view)
    }

    /// What the certificate of a key shows, whoever's it is.
    pub(crate) fn certified(&self, id: KeyId) -> Result<Certified, Failure> {
        Ok(self.trusting.borrow().certified(&id)?)
    }

    /// Pins a key of whomever.
    pub(crate) fn trust(&self, certified: &Certified) -> Result<(), Failure> {
        self.trusting.borrow_mut().trust(certified)?;
        self.save()
    }

    /// Whether a key in a list was seen before, if it is not another one by now.
    pub(crate) fn knows(&self, view: &KeyView) -> Result<bool, Failure> {
        let seen = self.trusting.borrow().pins().knows(view);
        seen.map_err(|why| Failure::Mistrusted(why.to_string()))
    }

    /// What the chosen validators are called at the node, which may lie: a name that meant another one before is refused.
    /// Whoever is named by its full id is meant, whatever it is called. Those come back of whom the node's word is all there
    /// is.
    pub(crate) fn meant(
        &self,
        roster: &[ValidatorView],
        committee: &[NodeId],
        given: &[String],
    ) -> Result<Vec<(Option<Label>, NodeId)>, Failure> {
        let trusting = self.trusting.borrow();
        let is_given = |id: &NodeId| given.iter().any(|text| *text == id.to_string());
        let mut new = Vec::new();
        for id in committee.iter().filter(|id| !is_given(id)) {
            let view = roster.iter().find(|validator| validator.id == *id);
            let Some(name) = view.and_then(|validator| validator.name.clone()) else {
                new.push((None, *id));
                continue;
            };
            match trusting.pins().called(name.as_str()) {
                Some(before) if before != *id => {
                    return Err(Failure::Mistrusted(format!(
                        "the node says that {name} is {id}, and this client has known {name} as {before}: ask the \
                         operator of {name}, then give its full id"
                    )));
                }
                Some(_) => {}
                None => new.push((Some(name), *id)),
            }
        }
        Ok(new)
    }

    /// Remembers what validators are called.
    pub(crate) fn call(&self, names: &[(Option<Label>, NodeId)]) -> Result<(), Failure> {
        for (name, id) in names.iter().filter_map(|(name, id)| Some((name.as_ref()?, id))) {
            // Another one may have the name in the same committee: then it means nothing.
            let _ = self.trusting.borrow_mut().pins_mut().call(name, *id);
        }
        self.save()
    }

    /// Writes what was seen, with what other processes have written meanwhile, as a whole.
    fn save(&self) -> Result<(), Failure> {
        let mut trusting = self.trusting.borrow_mut();
        let pins = trusting.pins_mut();
        // Most of the time nothing is new, and then the folder may be one that nobody can write into.
        if *pins == *self.saved.borrow() {
            return Ok(());
        }
        let file = file_of(&self.client);
        let failed = |e: io::Error| Failure::Failed(format!("cannot write {}: {e}", file.display()));
        // Whoever else saves pins of this client has opened the same key file.
        let lock = File::open(&self.client).map_err(failed)?;
        lock.lock().map_err(failed)?;
        pins.merge(&read(&file)?).map_err(|why| Failure::Mistrusted(why.to_string()))?;
        pins.cluster.get_or_insert(self.cluster);
        let mut draft = file.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        // What a crash has left; nobody else is here, by the lock.
        let _ = fs::remove_file(&draft);
        let mut whole = private_file(&draft).map_err(failed)?;
        whole.write_all(pins.to_json().as_bytes()).and_then(|()| whole.sync_all()).map_err(failed)?;
        fs::rename(&draft, &file).map_err(failed)?;
        files::sync_folder_of(&file)?;
        self.saved.replace(pins.clone());
        Ok(())
    }
}
