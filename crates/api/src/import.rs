//! A private key that exists already and is to be held in shares: what a client brings, and what others are told.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::id::decode_32;
use crate::limits::{MAX_COMMITTEE, MAX_THRESHOLD, MIN_THRESHOLD};
use crate::request::check_committee;
use crate::{Curve, KeyId, Label, Level, NodeId, Scheme};

/// A private key on its way to the node that shares it out: 32 bytes, big-endian. Wiped when dropped, never shown, and on
/// the heap, so that moves leave no copies.
#[derive(Clone)]
pub struct PrivateKey(Box<Zeroizing<[u8; 32]>>);

impl PrivateKey {
    /// Takes the bytes; whoever has them besides wipes them.
    #[must_use]
    pub fn new(bytes: Box<Zeroizing<[u8; 32]>>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// In time that does not depend on where they differ.
impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

impl Eq for PrivateKey {}

impl Serialize for PrivateKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(self.0.as_slice())))
    }
}

impl<'de> Deserialize<'de> for PrivateKey {
    /// Reads the text where it lies, so that no copy of it is made; and repeats nothing of it in an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hexadecimal;

        impl Visitor<'_> for Hexadecimal {
            type Value = PrivateKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("64 lower-case hexadecimal digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PrivateKey, E> {
                let malformed = || E::custom("a private key is 64 hexadecimal digits");
                let mut key = PrivateKey(Box::default());
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(malformed());
                }
                hex::decode_to_slice(text, key.0.as_mut_slice()).map_err(|_| malformed())?;
                Ok(key)
            }
        }
        deserializer.deserialize_str(Hexadecimal).map_err(|_| {
            D::Error::custom("`private_key` must be 64 lower-case hexadecimal digits, big-endian")
        })
    }
}

/// Body of `POST /v1/keys/import`. Parsed means: the threshold fits the committee, no member is named twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "RawImportKey")]
#[schemars(!try_from)]
pub struct ImportKey {
    /// What people call the key; need not be unique.
    pub label: Label,
    /// The signing protocol.
    pub scheme: Scheme,
    /// The curve.
    pub curve: Curve,
    /// The security level.
    pub level: Level,
    /// Number of signers needed from then on.
    #[schemars(range(min = MIN_THRESHOLD, max = MAX_THRESHOLD))]
    pub threshold: u16,
    /// Who holds a share from then on, in the order of their indices (party 1 first).
    #[schemars(length(min = MIN_THRESHOLD, max = MAX_COMMITTEE), extend("uniqueItems" = true))]
    pub committee: Vec<NodeId>,
    /// Chain code for derivation, 32 bytes in hexadecimal; absent: the node draws one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_code: Option<ChainCode>,
    /// The private key.
    pub private_key: PrivateKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawImportKey {
    label: Label,
    scheme: Scheme,
    curve: Curve,
    level: Level,
    threshold: u16,
    committee: Vec<NodeId>,
    #[serde(default)]
    chain_code: Option<ChainCode>,
    private_key: PrivateKey,
}

impl TryFrom<RawImportKey> for ImportKey {
    type Error = String;

    fn try_from(raw: RawImportKey) -> Result<Self, String> {
        check_committee(raw.threshold, &raw.committee)?;
        let RawImportKey { label, scheme, curve, level, threshold, committee, chain_code, private_key } = raw;
        Ok(Self { label, scheme, curve, level, threshold, committee, chain_code, private_key })
    }
}

impl ImportKey {
    /// The same checks as parsing, for values that were built, not read.
    ///
    /// # Errors
    /// A sentence that names the rule.
    pub fn checked(self) -> Result<Self, String> {
        check_committee(self.threshold, &self.committee)?;
        Ok(self)
    }
}

/// An imported key to give up, of `DELETE /v1/keys/{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discard {
    /// The key.
    pub key: KeyId,
    /// Even if shares of it were dealt, so that it may be in force elsewhere.
    pub force: bool,
}

/// Query of that call: `?force=true`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiscardQuery {
    /// As [`Discard::force`].
    pub force: bool,
}

/// What everybody is told of an imported key: all but the private key. No body of a call; it travels between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedKey {
    /// What people call the key.
    pub label: Label,
    /// The signing protocol.
    pub scheme: Scheme,
    /// The curve.
    pub curve: Curve,
    /// The security level.
    pub level: Level,
    /// Public key: compressed SEC1, 33 bytes, lower-case hexadecimal.
    pub public_key: String,
    /// Chain code for derivation.
    pub chain_code: ChainCode,
}

/// A chain code: 32 bytes, in JSON 64 lower-case hexadecimal digits. Not secret from whoever may see the key's children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainCode(pub [u8; 32]);

impl std::str::FromStr for ChainCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = decode_32(text);
        bytes.map(Self).ok_or_else(|| "a chain code is 64 lower-case hexadecimal digits".to_owned())
    }
}

impl Serialize for ChainCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for ChainCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn import_bodies() {
        let id = |byte: u8| hex::encode([byte; 32]);
        let body = json!({"label": "old", "scheme": "cggmp24", "curve": "p256", "level": "128", "threshold": 2,
            "committee": [id(1), id(2)], "private_key": "07".repeat(32)});
        let import: ImportKey = serde_json::from_value(body.clone()).unwrap();
        assert_eq!((import.private_key.expose(), import.chain_code), (&[7; 32], None));
        assert_eq!(serde_json::to_value(&import).unwrap(), body);
        assert_eq!(import.clone().checked().unwrap(), import);
        assert_ne!(import.private_key, PrivateKey::new(Box::new(Zeroizing::new([8; 32]))));
        let shown = format!("{import:?}");
        assert!(!shown.contains("0707") && !shown.contains("7, 7"), "{shown}");
        for (field, value, wanted) in [
            ("threshold", json!(1), "from 2 to 20"),
            ("committee", json!([id(1), id(1)]), "twice"),
            ("private_key", json!("a5".repeat(31)), "64 lower-case"),
            ("private_key", json!(7), "64 lower-case"),
            ("chain_code", json!("x"), "chain code"),
            ("extra", json!(1), "unknown field"),
        ] {
            let mut body = body.clone();
            body[field] = value;
            let text = serde_json::from_value::<ImportKey>(body).unwrap_err().to_string();
            assert!(text.contains(wanted) && !text.contains("a5a5"), "{field}: {text}");
        }
    }
}
