//! What an operator decides about the validators of a cluster.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::NodeId;

/// `POST /v1/validators/{id}/{act}`, with the body `{}`. The same again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// About whom.
    pub validator: NodeId,
    /// What.
    pub act: Act,
}

/// What can be decided about a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// As a founder, for the whole cluster: it shall be a member. A majority of the founders makes it one.
    Vouch,
    /// As a founder, for the whole cluster: it shall be a member no more.
    Revoke,
    /// At this node only: do nothing together with it, and do not listen to it.
    Block,
    /// At this node only: the end of a block.
    Unblock,
    /// At this node only: what it did until now, and is convicted of, counts no more.
    Forgive,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Vouch, Self::Revoke, Self::Block, Self::Unblock, Self::Forgive];

    /// The word in paths and commands.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Vouch => "vouch",
            Self::Revoke => "revoke",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Forgive => "forgive",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Act {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|act| act.word() == text);
        named.ok_or_else(|| {
            "a validator can be vouched for (`vouch`), or `revoke`, `block`, `unblock`, `forgive`".to_owned()
        })
    }
}

/// A body without content: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        for act in Act::ALL {
            assert_eq!(act.to_string().parse(), Ok(act));
        }
        assert!("Vouch".parse::<Act>().is_err());
        assert!(serde_json::from_str::<Nothing>("{}").is_ok());
        assert!(serde_json::from_str::<Nothing>("{\"a\":1}").is_err());
    }
}
