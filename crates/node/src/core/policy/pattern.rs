//! Which keys a rule is about.

use std::fmt;
use std::str::FromStr;

use consign_api as api;
use consign_api::limits::MAX_LABEL_BYTES;
use serde::{Serialize, Serializer};

use super::ClientKey;
use super::act::KeyFacts;

/// The word for keys that the client itself asked for.
const OWN: &str = "own";

/// An entry of `keys`: `own`, an id, or a label in which `*` stands for any text, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPattern {
    /// Keys that the client itself asked for.
    Own,
    /// The one key with this id.
    Id(api::KeyId),
    /// Keys whose label fits.
    Label(String),
}

impl KeyPattern {
    /// Whether it fits a key, for this client.
    #[must_use]
    pub fn fits(&self, client: &ClientKey, key: &KeyFacts<'_>) -> bool {
        match self {
            Self::Own => key.owner.as_ref() == Some(client),
            Self::Id(_) | Self::Label(_) => self.is_named(key),
        }
    }

    /// Whether it fits a key by its id or label, whoever asks.
    pub(super) fn is_named(&self, key: &KeyFacts<'_>) -> bool {
        match self {
            Self::Own => false,
            Self::Id(id) => key.id.as_ref() == Some(id),
            Self::Label(pattern) => fits(pattern, key.label.as_str()),
        }
    }
}

/// Whether a text is what a pattern says. The pieces between stars must come in order: the first at the beginning, the last
/// at the end, the others as early as possible, which leaves most for those after them.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        // An empty piece is found at once, and leaves all.
        let Some((_, after)) = left.split_once(piece) else { return false };
        left = after;
    }
    left.ends_with(last)
}

impl FromStr for KeyPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == OWN {
            return Ok(Self::Own);
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'*');
        let is_label = (1..=MAX_LABEL_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        // Capitals in an id would make a label of it that no key has.
        let looks_like_id = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if is_label && !looks_like_id {
            return Ok(Self::Label(text.to_owned()));
        }
        let cut: String = text.chars().take(40).collect();
        Err(format!(
            "`{}` names no keys: use \"own\", a label, a label with *, or an id of 64 lower-case hexadecimal digits",
            cut.escape_debug()
        ))
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.pad(OWN),
            Self::Id(id) => f.pad(&id.to_string()),
            Self::Label(pattern) => f.pad(pattern),
        }
    }
}

impl Serialize for KeyPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The obvious way, exponential.
    fn slowly(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) if slowly(rest, text) => true,
            (Some((b'*', _)), Some((_, text))) => slowly(pattern, text),
            (Some((p, rest)), Some((t, text))) if p == t => slowly(rest, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn stars_stand_for_any_text(pattern in "[ab*]{0,7}", text in "[ab]{0,9}") {
            prop_assert_eq!(fits(&pattern, &text), slowly(pattern.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn what_names_keys() {
        let id = "ab".repeat(32);
        assert_eq!("own".parse(), Ok(KeyPattern::Own));
        assert_eq!(id.parse(), Ok(KeyPattern::Id(api::KeyId([0xab; 32]))));
        for label in ["pay", "pay-*", "*", "a.b_C-1"] {
            assert_eq!(label.parse(), Ok(KeyPattern::Label(label.to_owned())));
        }
        for bad in ["", "pay ", "a\n", "p\u{e4}y", &id.to_uppercase(), &"x".repeat(65)] {
            assert!(bad.parse::<KeyPattern>().unwrap_err().contains("names no keys"), "{bad}");
        }
    }
}
