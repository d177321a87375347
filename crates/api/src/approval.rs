//! Requests that wait for an operator, at one node. These calls exist on the operator's socket in the data folder only,
//! never over TCP.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ApprovalState, CeremonyId, ClientKey, ContentHash, KeyId, Label, NodeId};

/// A request that waits, or waited: what this node itself has read in its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalView {
    /// The request: the id of its ceremony, too.
    pub id: CeremonyId,
    /// Hash of what it says. An approval is for this content and no other.
    pub content: ContentHash,
    /// What was said to it.
    pub state: ApprovalState,
    /// What the policy calls the client.
    pub client: String,
    /// The client itself.
    pub client_key: ClientKey,
    /// What it asks for: a word of the policy.
    pub ceremony: String,
    /// With which key; none if it is to be made.
    pub key: Option<KeyId>,
    /// What people call that key.
    pub label: Label,
    /// Who has brought it here.
    pub proposer: NodeId,
    /// The rule by which it waits, and where that stands.
    pub rule: String,
    /// Why it waits.
    pub why: String,
    /// When it was brought first: Unix time in seconds.
    pub since: u64,
    /// Until when an approval is good: Unix time in seconds.
    pub expires: u64,
    /// What would be done, by name: message, hash, digest, holders, ...
    pub facts: BTreeMap<String, String>,
}

/// Body of `POST /v1/approvals/{id}` on the operator's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideBody {
    /// The content that the operator was shown.
    pub content: ContentHash,
    /// Yes or no.
    pub approve: bool,
}

/// An operator's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decide {
    /// About which request.
    pub id: CeremonyId,
    /// What about it.
    pub body: DecideBody,
}

/// A node's policy, as far as everybody with the token may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyView {
    /// How many clients it knows.
    pub clients: u32,
    /// How many rules it has.
    pub rules: u32,
    /// How many requests wait for an operator.
    pub waiting: u32,
    /// What is wrong with the file as it is now; the policy of before is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
