//! Charters: who founds the cluster, and who shall found it from now on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CharterId, ClusterId, NodeId};

/// Body of `POST /v1/charter/proposals`. The founder that is asked signs at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeCharter {
    /// Who is to vouch and revoke from then on.
    pub founders: Vec<NodeId>,
    /// Whom all founders vouch for until they vote otherwise. Whoever is a member by a former founder's vouch, and is not
    /// named, is out.
    pub members: Vec<NodeId>,
    /// Whether to sign although this founder has signed another successor of the same charter.
    pub force: bool,
}

/// `POST /v1/charter/{id}/sign`, with the body `{"force": …}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignCharter {
    /// Which.
    pub charter: CharterId,
    /// Whether to sign although this founder has signed another successor of the same charter.
    pub force: bool,
}

/// Body of [`SignCharter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignTerms {
    /// As there.
    pub force: bool,
}

/// The charter that a node follows, and what may follow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CharterView {
    /// The cluster: the hash of the first charter.
    pub cluster: ClusterId,
    /// The how-manieth charter it is, from 1.
    pub number: u32,
    /// The charter in force here.
    pub charter: CharterText,
    /// What founders are signing. Shown to founders.
    pub proposed: Vec<CharterText>,
    /// Charters that as many founders have signed, and that this node does not follow. Any is an alarm.
    pub rivals: Vec<CharterText>,
}

/// What a charter says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CharterText {
    /// The hash of it.
    pub id: CharterId,
    /// Which it follows; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<CharterId>,
    /// When it was written: Unix time in seconds.
    pub created: u64,
    /// Who may vouch and revoke.
    pub founders: Vec<NodeId>,
    /// The first members.
    pub members: Vec<NodeId>,
    /// Founders of its predecessor that have signed it. More than half must.
    pub signed_by: Vec<NodeId>,
}
