//! A node that cheats on purpose, so that it can be seen being caught (`consign demo --cheat`, tests). It cheats in the
//! sessions that it enters itself; no other node can be made to.

use std::fmt;
use std::str::FromStr;

use super::node::Node;

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Shows a wrong `delta_i` in every signing (`docs/spec/signing.md`, 6.3).
    WrongDelta,
}

/// A word that names no misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the one misbehaviour there is, is `wrong-delta`")]
pub struct NoMisbehaviour;

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongDelta => "wrong-delta",
        })
    }
}

impl FromStr for Misbehaviour {
    type Err = NoMisbehaviour;

    fn from_str(text: &str) -> Result<Self, NoMisbehaviour> {
        if text == Self::WrongDelta.to_string() { Ok(Self::WrongDelta) } else { Err(NoMisbehaviour) }
    }
}

impl Node {
    /// From now on this node cheats.
    pub fn misbehave(&mut self, how: Misbehaviour) {
        self.misbehaviour = Some(how);
    }
}
