//! What a client has seen of keys, so that no node can show it another one under the same name later: the **pins**.
//!
//! The public key, the chain code, who owns the key and how it came about never change. Epochs only grow. What a client
//! has not seen before is believed in two cases: its own signature asked for the key, or a person says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::certified::{Certified, Mistrust, Pin, differing, holders};
use crate::{ClientKey, ClusterId, KeyId, KeyView, Label, NodeId};

/// The version of the form in which pins are kept.
const VERSION: u8 = 1;

/// What a client has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    version: u8,
    /// The cluster that the client asks where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterId>,
    /// Which validators the client has made keys with, by the names that it called them by.
    #[serde(default)]
    validators: BTreeMap<Label, NodeId>,
    /// The keys, in the order in which they were seen first.
    keys: Vec<Pin>,
}

/// Text that is no such record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPins {
    /// Not JSON of this form.
    #[error("this is no record of pinned keys, or it is damaged: {0}")]
    Malformed(String),
    /// Of another version.
    #[error("the record of pinned keys has version {0}: use a newer program")]
    Version(u8),
}

impl Default for Pins {
    fn default() -> Self {
        Self { version: VERSION, cluster: None, validators: BTreeMap::new(), keys: Vec::new() }
    }
}

impl Pins {
    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`BadPins`].
    pub fn from_json(text: &[u8]) -> Result<Self, BadPins> {
        let pins: Self = serde_json::from_slice(text).map_err(|e| BadPins::Malformed(e.to_string()))?;
        if pins.version == VERSION { Ok(pins) } else { Err(BadPins::Version(pins.version)) }
    }

    /// The record as text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("invariant: plain data always encodes") + "\n"
    }

    /// All keys that were seen.
    #[must_use]
    pub fn keys(&self) -> &[Pin] {
        &self.keys
    }

    /// What was seen of a key.
    #[must_use]
    pub fn of(&self, key: &KeyId) -> Option<&Pin> {
        self.keys.iter().find(|pin| pin.key == *key)
    }

    /// Whether a view may be of a key that was seen: what never changes is the same. For lists, where no certificates are
    /// looked at. False: the key was not seen before.
    ///
    /// # Errors
    /// [`Mistrust::Changed`].
    pub fn knows(&self, view: &KeyView) -> Result<bool, Mistrust> {
        let Some(pin) = self.of(&view.id) else { return Ok(false) };
        let imported = view.imported.as_ref().map(|member| member.validator);
        let same = [
            ("public key", pin.public_key == view.public_key),
            ("chain code", pin.chain_code == view.chain_code),
            ("curve", pin.curve == view.curve),
            ("owner", pin.owner == view.owner),
            ("label", pin.label == view.label),
            ("origin", pin.imported == imported),
        ];
        differing(same).map_or(Ok(true), |what| Err(Mistrust::Changed { key: view.id, what }))
    }

    /// Compares a certificate that holds with what was seen before, and remembers it, where it is of a key that this client
    /// asked for or was told to trust. `me`: the client.
    ///
    /// # Errors
    /// [`Mistrust::Changed`], [`Mistrust::Older`], [`Mistrust::Foreign`].
    pub fn see(&mut self, me: ClientKey, shown: &Certified) -> Result<(), Mistrust> {
        let pin = &shown.pin;
        if self.of(&pin.key).is_none() && pin.owner != Some(me) {
            let (key, label, public_key) = (pin.key, pin.label.clone(), pin.public_key.clone());
            return Err(Mistrust::Foreign { key, label, owner: pin.owner, public_key });
        }
        self.trust(shown)
    }

    /// The same, whoever asked for the key: a person says that it is the right one.
    ///
    /// # Errors
    /// [`Mistrust::Changed`], [`Mistrust::Older`].
    pub fn trust(&mut self, shown: &Certified) -> Result<(), Mistrust> {
        self.take(&shown.pin)
    }

    /// Adds what another process of the same client has seen meanwhile.
    ///
    /// # Errors
    /// [`Mistrust::Changed`]: somebody has shown different things to the two.
    pub fn merge(&mut self, other: &Self) -> Result<(), Mistrust> {
        for pin in &other.keys {
            match self.take(pin) {
                Ok(()) | Err(Mistrust::Older { .. }) => {}
                Err(why) => return Err(why),
            }
        }
        for (name, validator) in &other.validators {
            self.validators.entry(name.clone()).or_insert(*validator);
        }
        self.cluster = self.cluster.or(other.cluster);
        Ok(())
    }

    fn take(&mut self, new: &Pin) -> Result<(), Mistrust> {
        let Some(old) = self.keys.iter_mut().find(|pin| pin.key == new.key) else {
            self.keys.push(new.clone());
            return Ok(());
        };
        let is_later = (old.epoch, &old.session) < (new.epoch, &new.session);
        let is_same = (old.epoch, &old.session) == (new.epoch, &new.session);
        // What is the same epoch is held by the same.
        let held = (old.threshold, holders(&old.committee).collect::<Vec<_>>())
            == (new.threshold, holders(&new.committee).collect());
        let same = [
            ("public key", old.public_key == new.public_key),
            ("chain code", old.chain_code == new.chain_code),
            ("cluster", old.cluster == new.cluster),
            ("curve", old.curve == new.curve),
            ("scheme", old.scheme == new.scheme),
            ("level", old.level == new.level),
            ("label", old.label == new.label),
            ("owner", old.owner == new.owner),
            ("origin", old.imported == new.imported),
            ("first resharing", old.shared_out.is_none() || old.shared_out == new.shared_out),
            ("committee", !is_same || held),
        ];
        if let Some(what) = differing(same) {
            return Err(Mistrust::Changed { key: new.key, what });
        }
        if !is_later && !is_same {
            return Err(Mistrust::Older { key: new.key, shown: new.epoch, seen: old.epoch });
        }
        *old = new.clone();
        Ok(())
    }

    /// Remembers which validator the client means by a name, when it makes a key with it.
    ///
    /// # Errors
    /// The one that it meant before, if that was another.
    pub fn call(&mut self, name: &Label, validator: NodeId) -> Result<(), NodeId> {
        match self.validators.insert(name.clone(), validator) {
            Some(before) if before != validator => {
                self.validators.insert(name.clone(), before);
                Err(before)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Which validator the client has called so.
    #[must_use]
    pub fn called(&self, name: &str) -> Option<NodeId> {
        self.validators.iter().find(|(known, _)| known.as_str() == name).map(|(_, id)| *id)
    }
}
