//! Messages of applications, from one validator to another or to all. The network carries and keeps them for a while, and
//! does nothing else with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{DEFAULT_PAGE, MAX_PAGE, MAX_TEXT_BYTES};
use crate::{Label, MessageId, NodeId};

/// Body of `POST /v1/messages`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendMessage {
    /// For whom; for all members, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NodeId>,
    /// Under what it is listed.
    pub topic: Label,
    /// What it says.
    pub text: MessageText,
}

/// At most [`MAX_TEXT_BYTES`] bytes of text, of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageText(String);

impl MessageText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MessageText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(format!("a message has at most {MAX_TEXT_BYTES} bytes of text"));
        }
        Ok(Self(text))
    }
}

impl std::str::FromStr for MessageText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

impl From<MessageText> for String {
    fn from(text: MessageText) -> Self {
        text.0
    }
}

/// Query of `GET /v1/messages`: `?topic=TOPIC&after=NUMBER&limit=N`. Oldest first, as they came to this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MessageQuery {
    /// Only this topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Label>,
    /// The number of the last message seen: only later ones. Good for asking what is new, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How many at most; cut to [`MAX_PAGE`].
    pub limit: u16,
}

impl Default for MessageQuery {
    fn default() -> Self {
        Self { topic: None, after: None, limit: DEFAULT_PAGE }
    }
}

impl MessageQuery {
    /// The number of items to give: 1 to [`MAX_PAGE`].
    #[must_use]
    pub fn size(&self) -> usize {
        usize::from(self.limit.clamp(1, MAX_PAGE))
    }
}

/// A message as a node keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageView {
    /// Its place at this node: later messages have larger numbers, here only.
    pub number: u64,
    /// The hash of what its sender signed, the same everywhere.
    pub id: MessageId,
    /// Who sent it, by its signature.
    pub from: NodeId,
    /// For whom; for all, if there is nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NodeId>,
    /// Under what it is listed.
    pub topic: Label,
    /// What it says.
    pub text: MessageText,
    /// When it was sent, by the sender's clock: Unix time in seconds.
    pub created: u64,
    /// When it came to this node, or was sent here: Unix time in seconds.
    pub received: u64,
    /// Of an own message: who has not said yet that it has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undelivered: Vec<NodeId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_strict() {
        let parse = |text: &str| serde_json::from_str::<SendMessage>(text);
        let good = parse("{\"topic\":\"ops\",\"text\":\"hello\"}").unwrap();
        assert_eq!((good.to, good.text.as_str()), (None, "hello"));
        let long = format!("{{\"topic\":\"ops\",\"text\":\"{}\"}}", "x".repeat(MAX_TEXT_BYTES + 1));
        for bad in [
            "{\"topic\":\"ops\"}",
            "{\"topic\":\"a b\",\"text\":\"\"}",
            "{\"topic\":\"a\",\"text\":\"\",\"x\":1}",
            &long,
        ] {
            assert!(parse(bad).is_err(), "{bad:.80}");
        }
    }
}
