//! Presignatures asked for ahead of time: everything of a signature that does not need the message.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_PRESIGNATURES, MAX_THRESHOLD};
use crate::{KeyId, NodeId};

/// Presignatures wanted for a key itself; its children sign without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presign {
    /// The key.
    pub key: KeyId,
    /// How many, and whose.
    pub terms: PresignTerms,
}

/// Body of `POST /v1/keys/{id}/presignatures`. Parsed means: the count is possible, no signer is named twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "RawPresignTerms")]
#[schemars(!try_from)]
pub struct PresignTerms {
    /// How many: 1 to [`MAX_PRESIGNATURES`]; with many signers fewer are possible at a time.
    #[schemars(range(min = 1, max = MAX_PRESIGNATURES))]
    pub count: u32,
    /// Exactly as many holders as must sign, who will sign with them; absent: the node chooses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_THRESHOLD), extend("uniqueItems" = true))]
    pub signers: Vec<NodeId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPresignTerms {
    count: u32,
    #[serde(default)]
    signers: Vec<NodeId>,
}

impl TryFrom<RawPresignTerms> for PresignTerms {
    type Error = String;

    fn try_from(raw: RawPresignTerms) -> Result<Self, String> {
        Self { count: raw.count, signers: raw.signers }.checked()
    }
}

impl PresignTerms {
    /// The same checks as parsing, for values that were built, not read.
    ///
    /// # Errors
    /// A sentence that names the rule.
    pub fn checked(self) -> Result<Self, String> {
        if !(1..=MAX_PRESIGNATURES).contains(&self.count) {
            return Err(format!("ask for 1 to {MAX_PRESIGNATURES} presignatures at a time"));
        }
        let mut sorted = self.signers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != self.signers.len() {
            return Err("the signers name a validator twice".to_owned());
        }
        if sorted.len() > usize::from(MAX_THRESHOLD) {
            return Err(format!("at most {MAX_THRESHOLD} sign together"));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn presign_bodies() {
        let id = |byte: u8| hex::encode([byte; 32]);
        for body in [json!({"count": 1}), json!({"count": 32, "signers": [id(2), id(1)]})] {
            let terms: PresignTerms = serde_json::from_value(body.clone()).unwrap();
            assert_eq!(serde_json::to_value(&terms).unwrap(), body);
            assert_eq!(terms.clone().checked().unwrap(), terms);
        }
        let many: Vec<_> = (0..21).map(id).collect();
        for (bad, wanted) in [
            (json!({}), "missing field `count`"),
            (json!({"count": 0}), "1 to 32"),
            (json!({"count": 33}), "1 to 32"),
            (json!({"count": -1}), "invalid value"),
            (json!({"count": 1, "path": "m/1"}), "unknown field"),
            (json!({"count": 1, "signers": [id(1), id(1)]}), "twice"),
            (json!({"count": 1, "signers": many}), "at most 20"),
        ] {
            let text = serde_json::from_value::<PresignTerms>(bad.clone()).unwrap_err().to_string();
            assert!(text.contains(wanted), "{bad}: {text}");
        }
    }
}
