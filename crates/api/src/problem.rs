//! What goes wrong, as RFC 9457 problem documents.
//!
//! A problem's `type` is stable and meant for programs; its `detail` is a sentence for people that
//! says what to do.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CeremonyId, NodeId};

/// The media type of a problem document (RFC 9457).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($( $(#[$doc:meta])* $variant:ident = $word:literal, $status:literal, $title:literal; )+) => {
        /// Every way in which a call can fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum ProblemKind {
            $(
                $(#[$doc])*
                #[serde(rename = $word)]
                $variant,
            )+
        }

        impl ProblemKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The stable type of the problem, a URN.
            #[must_use]
            pub fn urn(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $( Self::$variant => $status, )+ }
            }

            /// The same few words for every problem of the kind.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )+ }
            }
        }
    };
}

kinds! {
    /// The request cannot be parsed, or a value is out of its range.
    Malformed = "urn:consign:problem:malformed", 400, "The request is malformed";
    /// No token, or a wrong one.
    Unauthorized = "urn:consign:problem:unauthorized", 401, "The token is missing or wrong";
    /// This node, or a participant, does not allow it.
    Forbidden = "urn:consign:problem:forbidden", 403, "Not allowed";
    /// There is no such path.
    NotFound = "urn:consign:problem:not-found", 404, "No such path";
    /// There is no such key.
    UnknownKey = "urn:consign:problem:unknown-key", 404, "No such key";
    /// There is no such evidence.
    UnknownEvidence = "urn:consign:problem:unknown-evidence", 404, "No such evidence";
    /// There is no such ceremony.
    UnknownCeremony = "urn:consign:problem:unknown-ceremony", 404, "No such ceremony";
    /// There is no such charter.
    UnknownCharter = "urn:consign:problem:unknown-charter", 404, "No such charter";
    /// A named validator is not in the roster.
    UnknownValidator = "urn:consign:problem:unknown-validator", 404, "No such validator";
    /// The path knows other methods only.
    MethodNotAllowed = "urn:consign:problem:method-not-allowed", 405, "Method not allowed";
    /// The body did not arrive in time.
    RequestTimeout = "urn:consign:problem:request-timeout", 408, "The request came too slowly";
    /// Another ceremony holds the key.
    KeyBusy = "urn:consign:problem:key-busy", 409, "The key is busy";
    /// The `Idempotency-Key` was used with another body.
    IdempotencyConflict =
        "urn:consign:problem:idempotency-conflict", 409, "Idempotency-Key used for another request";
    /// A limit on size is exceeded.
    TooLarge = "urn:consign:problem:too-large", 413, "Too large";
    /// The body is not JSON by its media type.
    UnsupportedMediaType =
        "urn:consign:problem:unsupported-media-type", 415, "The body must be application/json";
    /// The request was meant for another host (DNS rebinding).
    WrongHost = "urn:consign:problem:wrong-host", 421, "Unexpected Host header";
    /// A limit on numbers is exceeded.
    TooMany = "urn:consign:problem:too-many", 429, "Too many";
    /// A fault of this node.
    Internal = "urn:consign:problem:internal", 500, "Internal error";
    /// A peer broke the protocol and no other signer set is left.
    PeerCheated = "urn:consign:problem:peer-cheated", 502, "A peer broke the protocol";
    /// A participant refused the proposal.
    Refused = "urn:consign:problem:refused", 502, "A participant refused";
    /// Too few holders of the key, or members of the committee, are reachable.
    TooFewSigners = "urn:consign:problem:too-few-signers", 503, "Too few reachable participants";
    /// The node has all the work it may take.
    Busy = "urn:consign:problem:busy", 503, "The node is busy";
    /// The node is not a member of its cluster yet.
    NotJoined = "urn:consign:problem:not-joined", 503, "Not a member yet";
    /// The store does not take writes.
    StoreFailed = "urn:consign:problem:store-failed", 503, "The store failed";
    /// The clock of this node cannot be right.
    ClockWrong = "urn:consign:problem:clock-wrong", 503, "The clock is wrong";
    /// The node is on its way out.
    ShuttingDown = "urn:consign:problem:shutting-down", 503, "The node is shutting down";
    /// Another process holds the store and speaks for this node; this one waits to take over.
    StandingBy = "urn:consign:problem:standing-by", 503, "This process stands by";
    /// A ceremony passed its deadline.
    DeadlinePassed = "urn:consign:problem:deadline-passed", 503, "The deadline passed";
    /// The ceremony was ended by a restart of this node; nothing is restored halfway.
    Restarted = "urn:consign:problem:restarted", 503, "The node restarted meanwhile";
}

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The stable type.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The same few words for every problem of the kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here and what to do about it.
    pub detail: String,
    /// The ceremony it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceremony: Option<CeremonyId>,
    /// The validators it is about: who is missing, silent, refusing or to blame.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validators: Vec<NodeId>,
    /// Seconds after which another try may succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl Problem {
    /// A problem of `kind`; `detail` is a sentence that says what happened and what to do.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            ceremony: None,
            validators: Vec::new(),
            retry_after: None,
        }
    }

    /// The same problem, about a ceremony.
    #[must_use]
    pub fn about(mut self, ceremony: CeremonyId) -> Self {
        self.ceremony = Some(ceremony);
        self
    }

    /// The same problem, naming validators.
    #[must_use]
    pub fn naming(mut self, validators: impl IntoIterator<Item = NodeId>) -> Self {
        self.validators = validators.into_iter().collect();
        self
    }

    /// The same problem, with a time in seconds after which another try may succeed.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn types_are_unique_and_statuses_are_errors() {
        let urns: BTreeSet<_> = ProblemKind::ALL.iter().map(|kind| kind.urn()).collect();
        assert_eq!(urns.len(), ProblemKind::ALL.len());
        for kind in ProblemKind::ALL {
            assert!((400..600).contains(&kind.status()), "{kind:?}");
        }
    }

    #[test]
    fn a_document_looks_like_rfc_9457() {
        let problem = Problem::new(ProblemKind::UnknownKey, "List the keys with GET /v1/keys.")
            .about(CeremonyId([1; 32]));
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:consign:problem:unknown-key");
        assert_eq!(json["status"], 404);
        assert_eq!(json["ceremony"], "01".repeat(32));
        assert!(json.get("validators").is_none());
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }
}
