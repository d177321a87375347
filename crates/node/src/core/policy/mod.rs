//! What this node agrees to: its operator's `policy.toml` (system page, section 6; `docs/policy.md`). Everything that no
//! rule allows is refused, and each signer decides and counts by itself.
//!
//! Pure: text in, decision out. This file holds a policy and how it decides; `act.rs` says what is decided about, `file.rs`
//! reads the text, `lines.rs` writes rules, `counts.rs` counts how often, `standing.rs` holds what is done without a client. Read
//! next: `act.rs`.

mod act;
mod counts;
mod decide;
mod file;
mod lines;
mod pattern;
mod standing;

use std::collections::BTreeMap;

use consign_api as api;
use serde::Serialize;

pub use consign_api::ClientKey;

pub use act::{Act, Ceremony, Change, Deed, KeyFacts};
pub use counts::{Counts, Full, MAX_COUNTED};
pub use decide::{Decision, Refused};
pub use file::PolicyError;
pub use lines::{BadName, NewRule, client_lines, free_name, rule_lines};
pub use pattern::KeyPattern;
pub use standing::{MAX_EVERY_DAYS, MAX_MARK, MAX_ORDERS, Order, Standing, TimeOfDay, due};

/// Name of the file in a data folder.
pub const FILE_NAME: &str = "policy.toml";
/// Longest policy, in bytes: far more than [`MAX_RULES`] rules of an ordinary length.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;
/// Most clients.
pub const MAX_CLIENTS: usize = 1_024;
/// Most rules: each is looked at for each request.
pub const MAX_RULES: usize = 1_024;
/// Most entries of one list of a rule.
pub const MAX_LIST: usize = 256;
/// Longest name of a client or a rule, in bytes: fits a refusal, which is short.
pub const MAX_NAME_BYTES: usize = 48;
/// Largest `per_minute`: more than a node can do.
pub const MAX_PER_MINUTE: u32 = 100_000;
/// Stands for every client of the file, in the clients of a rule.
pub const EVERY_CLIENT: &str = "*";

/// A policy. The default one has no client and allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    names: BTreeMap<ClientKey, String>,
    rules: Vec<Rule>,
    orders: Vec<Order>,
    text: String,
}

/// One rule: who may do what with which keys. Rules only ever add: what one rule allows, no other takes away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// What people call it; unique.
    pub name: String,
    /// Where it begins in the file, from 1.
    pub line: usize,
    /// Names of clients; [`EVERY_CLIENT`] stands for all that the file names.
    pub clients: Vec<String>,
    /// What they may ask for.
    pub ceremonies: Vec<Ceremony>,
    /// With which keys.
    pub keys: Vec<KeyPattern>,
    /// How messages may be hashed that are signed.
    pub hashes: Vec<api::HashName>,
    /// Whether 32 bytes may be signed of which nobody knows the message.
    pub raw_digests: bool,
    /// The lowest security level of keys.
    pub lowest_level: Option<api::Level>,
    /// How many requests of one client are taken in any 60 seconds; nothing: any number.
    pub per_minute: Option<u32>,
    /// Whether an operator must approve each request.
    pub approve: bool,
    /// Who may get a share of a key, without approval.
    pub new_members: Vec<api::NodeId>,
    /// The lowest threshold that a resharing may set without approval; nothing: the one that the key has.
    pub lowest_threshold: Option<u16>,
}

impl Policy {
    /// Reads a policy. Strict: what is not understood is an error, never ignored.
    ///
    /// # Errors
    /// [`PolicyError`], with the line and what to do.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        file::parse(text)
    }

    /// What it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the file calls a client; nothing if it does not know it.
    #[must_use]
    pub fn client(&self, key: &ClientKey) -> Option<&str> {
        self.names.get(key).map(String::as_str)
    }

    /// The key of the client with this name.
    #[must_use]
    pub fn key_of(&self, name: &str) -> Option<ClientKey> {
        self.clients().find(|(known, _)| *known == name).map(|(_, key)| key)
    }

    /// All clients, in the order of their keys.
    pub fn clients(&self) -> impl Iterator<Item = (&str, ClientKey)> {
        self.names.iter().map(|(key, name)| (name.as_str(), *key))
    }

    /// All rules, in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether any rule lets the client do anything with the key: if not, it is to the client as if there were none
    /// (system page, section 10).
    #[must_use]
    pub fn concerns(&self, client: &ClientKey, key: &KeyFacts<'_>) -> bool {
        self.rules_of(client).any(|rule| rule.is_about(client, key))
    }

    /// Decides about one act. How often it was done before is no part of this: see [`Counts`].
    #[must_use]
    pub fn decide(&self, act: &Act<'_>) -> Decision<'_> {
        decide::decide(self, act)
    }

    fn rules_of(&self, client: &ClientKey) -> impl Iterator<Item = &Rule> {
        let name = self.client(client);
        self.rules.iter().filter(move |rule| name.is_some_and(|name| rule.is_for(name)))
    }
}

impl Rule {
    /// Whether it is for the client with this name.
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        self.clients.iter().any(|client| client == EVERY_CLIENT || client == name)
    }

    fn is_about(&self, client: &ClientKey, key: &KeyFacts<'_>) -> bool {
        self.keys.iter().any(|pattern| pattern.fits(client, key))
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` (line {})", self.name, self.line)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
