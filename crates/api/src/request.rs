//! What can be asked of a node, and the envelope of its answers.
//!
//! Bodies are complete: no node fills in a default, so every participant reads the same thing in
//! the same bytes (the command line fills in defaults before it asks).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::Error as _};

use crate::id::decode_32;
use crate::limits::{
    DEFAULT_PAGE, MAX_COMMITTEE, MAX_INVITATION_S, MAX_LABEL_BYTES, MAX_MESSAGE_BYTES, MAX_PAGE,
    MAX_PATH_BYTES, MAX_THRESHOLD, MIN_THRESHOLD,
};
use crate::view::{
    CeremonyView, Counts, EvidenceView, HealthView, InvitationView, KeyView, NodeView, Page, ValidatorView,
};
use crate::{
    ApprovalView, CeremonyId, CharterId, CharterView, ClientKey, Curve, Decide, Decision, Discard,
    EvidenceId, HashName, ImportKey, KeyId, Level, MessageQuery, MessageView, NodeId, Presign, Problem,
    ProposeCharter, Refresh, Reshare, Scheme, SendMessage, SignCharter, SignedRequest,
};

#[cfg(test)]
mod tests;

/// One call, already authenticated and parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `POST /v1/keys`: answered by [`Reply::Started`] once the proposal is made.
    CreateKey(CreateKey),
    /// `POST /v1/keys/import`: answered by [`Reply::Started`] once the key is durable and its resharing is proposed.
    ImportKey(ImportKey),
    /// `DELETE /v1/keys/{id}`: answered by [`Reply::Key`], as it was. For imported keys that are still in one place.
    DiscardKey(Discard),
    /// `GET /v1/keys`: answered by [`Reply::Keys`].
    ListKeys(PageQuery),
    /// `GET /v1/keys/{id}`: answered by [`Reply::Key`].
    ShowKey(KeyId),
    /// `GET /v1/keys/{id}/certificate`: answered by [`Reply::Certificate`].
    ShowCertificate(KeyId),
    /// `POST /v1/keys/{id}/signatures`: answered by [`Reply::Started`].
    Sign(Sign),
    /// `POST /v1/keys/{id}/presignatures`: answered by [`Reply::Started`].
    Presign(Presign),
    /// `POST /v1/keys/{id}/refresh`: answered by [`Reply::Started`].
    Refresh(Refresh),
    /// `POST /v1/keys/{id}/reshare`: answered by [`Reply::Started`].
    Reshare(Reshare),
    /// `GET /v1/ceremonies`, newest first: answered by [`Reply::Ceremonies`].
    ListCeremonies(PageQuery),
    /// `GET /v1/ceremonies/{id}`: answered by [`Reply::Ceremony`].
    ShowCeremony(CeremonyId),
    /// `GET /v1/evidence`, newest first: answered by [`Reply::Evidence`].
    ListEvidence(PageQuery),
    /// `GET /v1/evidence/{id}`: answered by [`Reply::EvidenceFile`].
    ShowEvidence(EvidenceId),
    /// `GET /v1/validators`: answered by [`Reply::Validators`].
    ListValidators,
    /// `GET /v1/node`: answered by [`Reply::Node`].
    ShowNode,
    /// `POST /v1/invitations` on the operator's socket: answered by [`Reply::Invitation`]. For founders only.
    Invite(Invite),
    /// `POST /v1/validators/{id}/{act}` on the operator's socket: answered by [`Reply::Validator`] once it is durable.
    Decide(Decision),
    /// `GET /v1/charter`: answered by [`Reply::Charter`].
    ShowCharter,
    /// `POST /v1/charter/proposals` on the operator's socket: answered by [`Reply::Charter`] once it is durable. For founders only.
    ProposeCharter(ProposeCharter),
    /// `POST /v1/charter/{id}/sign` on the operator's socket: answered by [`Reply::Charter`] once it is durable. For founders only.
    SignCharter(SignCharter),
    /// `POST /v1/charter/{id}/switch` on the operator's socket: answered by [`Reply::Charter`] once it is durable.
    SwitchCharter(CharterId),
    /// `POST /v1/messages`: answered by [`Reply::Message`] once it is durable.
    SendMessage(SendMessage),
    /// `GET /v1/messages`, oldest first: answered by [`Reply::Messages`].
    ListMessages(MessageQuery),
    /// `GET /v1/approvals` on the operator's socket: answered by [`Reply::Approvals`].
    ListApprovals,
    /// `POST /v1/approvals/{id}` on the operator's socket: answered by [`Reply::Approval`] once it is durable.
    DecideApproval(Decide),
    /// `GET /healthz`: answered by [`Reply::Health`]; asks nothing but that the core answers.
    Health,
    /// A POST for a ceremony with its client's signature, which the node's core verifies: answered as the same call without
    /// one.
    Signed(Box<SignedRequest>),
    /// A call that came without a token, and counts as this client's: a GET whose signature holds, or a
    /// [`Signed`](Self::Signed) one. Answered as the call in it.
    By(ClientKey, Box<Request>),
    /// For `GET /metrics`: answered by [`Reply::Counts`].
    Count,
    /// `GET /readyz`: answered by [`Reply::Health`], or by a problem if the node cannot work.
    Ready,
}

impl Request {
    /// Whether it is an act of the node's operator: those come over the operator's socket, and never over TCP.
    #[must_use]
    pub fn is_operators(&self) -> bool {
        match self {
            Self::Invite(_)
            | Self::Decide(_)
            | Self::ProposeCharter(_)
            | Self::SignCharter(_)
            | Self::SwitchCharter(_)
            | Self::ListApprovals
            | Self::DecideApproval(_) => true,
            Self::By(_, request) => request.is_operators(),
            Self::CreateKey(_)
            | Self::ImportKey(_)
            | Self::DiscardKey(_)
            | Self::ListKeys(_)
            | Self::ShowKey(_)
            | Self::ShowCertificate(_)
            | Self::Sign(_)
            | Self::Presign(_)
            | Self::Refresh(_)
            | Self::Reshare(_)
            | Self::ListCeremonies(_)
            | Self::ShowCeremony(_)
            | Self::ListEvidence(_)
            | Self::ShowEvidence(_)
            | Self::ListValidators
            | Self::ShowNode
            | Self::ShowCharter
            | Self::SendMessage(_)
            | Self::ListMessages(_)
            | Self::Health
            | Self::Signed(_)
            | Self::Ready
            | Self::Count => false,
        }
    }
}

/// The answer to one call. A call that starts a ceremony is answered when the ceremony is
/// proposed; its end is announced by an [`Event`](crate::Event) and told by
/// [`Request::ShowCeremony`].
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The ceremony that does what was asked, as it is now.
    Started(CeremonyView),
    /// A page of keys.
    Keys(Page<KeyView>),
    /// One key.
    Key(KeyView),
    /// The certificate of a key, complete: what `consign verify-certificate` reads.
    Certificate(Vec<u8>),
    /// A page of ceremonies.
    Ceremonies(Page<CeremonyView>),
    /// One ceremony.
    Ceremony(CeremonyView),
    /// A page of evidence.
    Evidence(Page<EvidenceView>),
    /// An evidence file, complete: what `consign verify-evidence` reads.
    EvidenceFile(Vec<u8>),
    /// The roster with what this node sees of it; at most [`MAX_COMMITTEE`] and a few revoked.
    Validators(Page<ValidatorView>),
    /// One validator, as it is now.
    Validator(ValidatorView),
    /// The charter in force, and what may follow it.
    Charter(CharterView),
    /// One message.
    Message(MessageView),
    /// A page of messages.
    Messages(Page<MessageView>),
    /// The node that answers.
    Node(NodeView),
    /// An invitation.
    Invitation(InvitationView),
    /// What waits for an operator, and what was decided lately.
    Approvals(Page<ApprovalView>),
    /// One of them.
    Approval(ApprovalView),
    /// The core answers.
    Health(HealthView),
    /// How much there is of everything.
    Counts(Counts),
    /// It did not work.
    Problem(Problem),
}

/// A name that people give: 1 to [`MAX_LABEL_BYTES`] bytes of letters, digits, `.`, `_`, `-`, so
/// that it fits logs, tables and command lines, and never looks like an identifier (64
/// hexadecimal digits) to a person or to the command line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

impl Label {
    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Label {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=MAX_LABEL_BYTES).contains(&text.len());
        if !fits || !text.bytes().all(allowed) || decode_32(&text).is_some() {
            return Err(format!(
                "a label has 1 to {MAX_LABEL_BYTES} characters out of a-z, A-Z, 0-9, '.', '_', \
                 '-' and is not an identifier"
            ));
        }
        Ok(Self(text))
    }
}

impl std::str::FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// Body of `POST /v1/keys`. Parsed means: the threshold fits the committee, no member is named
/// twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "RawCreateKey")]
#[schemars(!try_from)]
pub struct CreateKey {
    /// What people call the key; need not be unique.
    pub label: Label,
    /// The signing protocol.
    pub scheme: Scheme,
    /// The curve.
    pub curve: Curve,
    /// The security level.
    pub level: Level,
    /// Number of signers needed.
    #[schemars(range(min = MIN_THRESHOLD, max = MAX_THRESHOLD))]
    pub threshold: u16,
    /// Who holds a share, in the order of their indices (party 1 first).
    #[schemars(length(min = MIN_THRESHOLD, max = MAX_COMMITTEE), extend("uniqueItems" = true))]
    pub committee: Vec<NodeId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCreateKey {
    label: Label,
    scheme: Scheme,
    curve: Curve,
    level: Level,
    threshold: u16,
    committee: Vec<NodeId>,
}

impl TryFrom<RawCreateKey> for CreateKey {
    type Error = String;

    fn try_from(raw: RawCreateKey) -> Result<Self, String> {
        let RawCreateKey { label, scheme, curve, level, threshold, committee } = raw;
        check_committee(threshold, &committee)?;
        Ok(Self { label, scheme, curve, level, threshold, committee })
    }
}

impl CreateKey {
    /// The same checks as parsing, for values that were built, not read.
    ///
    /// # Errors
    /// A sentence that names the rule.
    pub fn checked(self) -> Result<Self, String> {
        let Self { label, scheme, curve, level, threshold, committee } = self;
        RawCreateKey { label, scheme, curve, level, threshold, committee }.try_into()
    }
}

/// Whether the threshold fits the committee, and no member is named twice.
pub(crate) fn check_committee(threshold: u16, committee: &[NodeId]) -> Result<(), String> {
    if committee.len() > MAX_COMMITTEE {
        return Err(format!("a committee has at most {MAX_COMMITTEE} members"));
    }
    let mut sorted = committee.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != committee.len() {
        return Err("the committee names a validator twice".to_owned());
    }
    if !(MIN_THRESHOLD..=MAX_THRESHOLD).contains(&threshold) {
        return Err(format!("the threshold must be from {MIN_THRESHOLD} to {MAX_THRESHOLD}"));
    }
    if usize::from(threshold) > committee.len() {
        return Err(format!(
            "the threshold is {threshold}, but the committee has only {} members",
            committee.len()
        ));
    }
    Ok(())
}

/// A derivation path as text, for example `m/0/5`; `m` is the key itself. At most
/// [`MAX_PATH_BYTES`] long; whether it leads anywhere, every node finds out for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathText(String);

impl PathText {
    /// The key itself.
    #[must_use]
    pub fn root() -> Self {
        Self("m".to_owned())
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PathText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() > MAX_PATH_BYTES || !text.starts_with('m') {
            return Err(format!(
                "a path is at most {MAX_PATH_BYTES} characters long and begins with m, for example m/0/5"
            ));
        }
        Ok(Self(text))
    }
}

impl std::str::FromStr for PathText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

impl From<PathText> for String {
    fn from(path: PathText) -> Self {
        path.0
    }
}

impl std::fmt::Display for PathText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// A signature wanted of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// The key.
    pub key: KeyId,
    /// Which child of it signs.
    pub path: PathText,
    /// What to sign.
    pub target: SignTarget,
}

/// Body of `POST /v1/keys/{id}/signatures`: `{"path": text}` with either `{"message": hex, "hash": name}` or
/// `{"digest": hex}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawSign", into = "RawSign")]
pub struct SignBody {
    /// Which child of the key signs.
    pub path: PathText,
    /// What to sign.
    pub target: SignTarget,
}

impl Sign {
    /// The call whose body this is.
    #[must_use]
    pub fn new(key: KeyId, body: SignBody) -> Self {
        Self { key, path: body.path, target: body.target }
    }

    /// The body of the call.
    #[must_use]
    pub fn body(&self) -> SignBody {
        SignBody { path: self.path.clone(), target: self.target.clone() }
    }
}

/// What is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignTarget {
    /// A message, hashed by every signer for itself.
    Message {
        /// The message, at most [`MAX_MESSAGE_BYTES`].
        bytes: Vec<u8>,
        /// How it is hashed.
        hash: HashName,
    },
    /// 32 bytes that are signed as they are; nobody can see what they stand for.
    Digest([u8; 32]),
}

impl SignTarget {
    /// The 32 bytes that are signed.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        match self {
            Self::Message { bytes, hash } => hash.digest(bytes),
            Self::Digest(digest) => *digest,
        }
    }

    /// How the message is hashed; nothing for a raw digest.
    #[must_use]
    pub fn hash(&self) -> Option<HashName> {
        match self {
            Self::Message { hash, .. } => Some(*hash),
            Self::Digest(_) => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSign {
    path: PathText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<HashName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl TryFrom<RawSign> for SignBody {
    type Error = String;

    fn try_from(raw: RawSign) -> Result<Self, String> {
        let path = raw.path.clone();
        Ok(Self { path, target: SignTarget::try_from(raw)? })
    }
}

impl TryFrom<RawSign> for SignTarget {
    type Error = String;

    fn try_from(raw: RawSign) -> Result<Self, String> {
        match (raw.message, raw.hash, raw.digest) {
            (Some(message), Some(hash), None) => {
                if message.len() > 2 * MAX_MESSAGE_BYTES {
                    return Err(format!("a message has at most {MAX_MESSAGE_BYTES} bytes"));
                }
                let bytes = hex::decode(&message)
                    .map_err(|_| "`message` must be hexadecimal without 0x".to_owned())?;
                Ok(Self::Message { bytes, hash })
            }
            (None, None, Some(digest)) => decode_32(&digest)
                .map(Self::Digest)
                .ok_or_else(|| "`digest` must be 64 lower-case hexadecimal digits".to_owned()),
            _ => Err("give either `message` and `hash`, or `digest` alone".to_owned()),
        }
    }
}

impl From<SignBody> for RawSign {
    fn from(SignBody { path, target }: SignBody) -> Self {
        match target {
            SignTarget::Message { bytes, hash } => {
                Self { path, message: Some(hex::encode(bytes)), hash: Some(hash), digest: None }
            }
            SignTarget::Digest(digest) => {
                Self { path, message: None, hash: None, digest: Some(hex::encode(digest)) }
            }
        }
    }
}

/// Body of `POST /v1/invitations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// For how long the invitation is good, in seconds: 1 to [`MAX_INVITATION_S`].
    #[serde(deserialize_with = "invitation_seconds")]
    #[schemars(range(min = 1, max = MAX_INVITATION_S))]
    pub valid_for: u32,
}

fn invitation_seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let seconds = u32::deserialize(deserializer)?;
    if !(1..=MAX_INVITATION_S).contains(&seconds) {
        return Err(D::Error::custom(format!("an invitation is good for 1 to {MAX_INVITATION_S} seconds")));
    }
    Ok(seconds)
}

/// Query of the lists: `?after=CURSOR&limit=N`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PageQuery {
    /// The `next` of the page before; absent for the first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many items at most; cut to [`MAX_PAGE`].
    pub limit: u16,
}

impl Default for PageQuery {
    fn default() -> Self {
        Self { after: None, limit: DEFAULT_PAGE }
    }
}

impl PageQuery {
    /// The number of items to give: 1 to [`MAX_PAGE`].
    #[must_use]
    pub fn size(&self) -> usize {
        usize::from(self.limit.clamp(1, MAX_PAGE))
    }
}
