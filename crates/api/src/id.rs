//! Identifiers: 32 bytes, written as 64 lower-case hexadecimal digits.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A string that is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an identifier: give 64 lower-case hexadecimal digits")]
pub struct ParseIdError(String);

impl ParseIdError {
    /// About this text, of which no more is repeated than fits a line.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.chars().take(80).collect())
    }
}

/// Decodes 32 bytes of lower-case hexadecimal; capitals are refused, so that an identifier has
/// one spelling.
pub(crate) fn decode_32(text: &str) -> Option<[u8; 32]> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

macro_rules! id {
    ($(#[doc = $doc:literal])* $name:ident) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The first eight digits: enough for a person to tell a few apart, never unique.
            #[must_use]
            pub fn short(&self) -> String {
                self.to_string().chars().take(8).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                decode_32(text).map(Self).ok_or_else(|| ParseIdError::of(text))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let lines = [$($doc),*];
                json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$", "description": lines.join(" ").trim() })
            }
        }
    };
}

id!(
    /// A validator: its Ed25519 identity public key.
    NodeId
);
id!(
    /// A key that the committee holds together.
    KeyId
);
id!(
    /// What one client request started, over all its phases and tries: the hash of the request.
    CeremonyId
);
id!(
    /// A cluster: the hash of its first charter.
    ClusterId
);
id!(
    /// A charter: the hash of it.
    CharterId
);
id!(
    /// A message of an application: the hash of what its sender signed.
    MessageId
);
id!(
    /// A piece of evidence: the hash of what the accused signed.
    EvidenceId
);
id!(
    /// A presignature: the hash of what its signers agreed on.
    PresignatureId
);
id!(
    /// What a request says: the hash of its content.
    ContentHash
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let text = "ab".repeat(32);
        let id: NodeId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert!(text.to_uppercase().parse::<NodeId>().is_err());
        assert!(text[2..].parse::<NodeId>().is_err());
        assert!(format!("0x{text}").parse::<NodeId>().is_err());
        assert_eq!(serde_json::from_str::<NodeId>(&format!("\"{text}\"")).unwrap(), id);
        assert_eq!(format!("{id:?}"), "NodeId(abababab)");
    }
}
