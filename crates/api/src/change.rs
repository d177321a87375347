//! What can be asked of a key that exists: new shares for the same holders, or for others.
//!
//! Both name the epoch they start from, so that one request changes a key once, however often it is brought.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_COMMITTEE, MAX_THRESHOLD, MIN_THRESHOLD};
use crate::request::check_committee;
use crate::{KeyId, Moduli, NodeId};

/// New shares of a key for the same holders: the public key stays, what was read of old shares is worthless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The key.
    pub key: KeyId,
    /// From where, and how.
    pub terms: RefreshTerms,
}

/// Body of `POST /v1/keys/{id}/refresh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshTerms {
    /// The epoch in which the key is.
    pub epoch: u64,
    /// Whether the holders make new moduli too.
    pub moduli: Moduli,
}

/// New shares of a key for another committee, another threshold, or both: the public key stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshare {
    /// The key.
    pub key: KeyId,
    /// From where, and to whom.
    pub terms: ReshareTerms,
}

/// Body of `POST /v1/keys/{id}/reshare`. Parsed means: the threshold fits the committee, no member is named twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "RawReshareTerms")]
#[schemars(!try_from)]
pub struct ReshareTerms {
    /// The epoch in which the key is.
    pub epoch: u64,
    /// Number of signers needed from then on.
    #[schemars(range(min = MIN_THRESHOLD, max = MAX_THRESHOLD))]
    pub threshold: u16,
    /// Who holds a share from then on, in the order of their indices (party 1 first).
    #[schemars(length(min = MIN_THRESHOLD, max = MAX_COMMITTEE), extend("uniqueItems" = true))]
    pub committee: Vec<NodeId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReshareTerms {
    epoch: u64,
    threshold: u16,
    committee: Vec<NodeId>,
}

impl TryFrom<RawReshareTerms> for ReshareTerms {
    type Error = String;

    fn try_from(raw: RawReshareTerms) -> Result<Self, String> {
        let RawReshareTerms { epoch, threshold, committee } = raw;
        check_committee(threshold, &committee)?;
        Ok(Self { epoch, threshold, committee })
    }
}

impl ReshareTerms {
    /// The same checks as parsing, for values that were built, not read.
    ///
    /// # Errors
    /// A sentence that names the rule.
    pub fn checked(self) -> Result<Self, String> {
        check_committee(self.threshold, &self.committee)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refresh_bodies() {
        let body = json!({"epoch": 3, "moduli": "renew"});
        let terms: RefreshTerms = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(terms, RefreshTerms { epoch: 3, moduli: Moduli::Renew });
        assert_eq!(serde_json::to_value(&terms).unwrap(), body);
        for bad in [
            json!({"epoch": 3}),
            json!({"moduli": "keep"}),
            json!({"epoch": -1, "moduli": "keep"}),
            json!({"epoch": 3, "moduli": "both"}),
            json!({"epoch": 3, "moduli": "keep", "threshold": 1}),
        ] {
            assert!(serde_json::from_value::<RefreshTerms>(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn reshare_bodies() {
        let id = |byte: u8| hex::encode([byte; 32]);
        let body = json!({"epoch": 0, "threshold": 2, "committee": [id(1), id(2), id(3)]});
        let terms: ReshareTerms = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(serde_json::to_value(&terms).unwrap(), body);
        assert_eq!(terms.clone().checked().unwrap(), terms);
        let cases = [
            ("threshold", json!(1), "from 2 to 20"),
            ("threshold", json!(4), "only 3 members"),
            ("committee", json!([id(1), id(1)]), "twice"),
            ("extra", json!(1), "unknown field"),
        ];
        for (field, value, wanted) in cases {
            let mut body = body.clone();
            body[field] = value;
            let text = serde_json::from_value::<ReshareTerms>(body).unwrap_err().to_string();
            assert!(text.contains(wanted), "{field}: {text}");
        }
    }
}
