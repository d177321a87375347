//! What a node shows: keys, ceremonies, signatures, validators.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    CeremonyId, CeremonyKind, CeremonyState, CharterId, ClientKey, ClusterId, Curve, EvidenceId, HashName,
    KeyId, KeyState, Label, Level, NodeId, PathText, Phase, PolicyView, PresignatureId, Problem, Scheme,
};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The `after` of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A member of a committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The index of its share, from 1.
    pub index: u16,
    /// Who it is.
    pub validator: NodeId,
    /// What it calls itself; unknown before its first announcement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyView {
    /// The key.
    pub id: KeyId,
    /// What people call it.
    pub label: Label,
    /// The signing protocol.
    pub scheme: Scheme,
    /// The curve.
    pub curve: Curve,
    /// The security level.
    pub level: Level,
    /// Number of signers needed.
    pub threshold: u16,
    /// The holders of its shares.
    pub committee: Vec<Member>,
    /// Numbers the states of the key between changes of its shares: from 0, upwards, with gaps.
    pub epoch: u64,
    /// Whether the node that answers holds a share of this epoch.
    pub share: bool,
    /// Whether it can be used.
    pub state: KeyState,
    /// The client that asked for it with its signature; absent for a key that was asked for with a node's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<ClientKey>,
    /// Who has imported it, and so knew the whole private key once; absent for a key that was never in one place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Member>,
    /// Shares of it that left the node that answers, by themselves or in a backup, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<ExportView>,
    /// Presignatures that the node that answers holds for it: so many messages can be signed in one round, with those
    /// who made them.
    #[serde(default)]
    pub presignatures: u32,
    /// What the standing orders of the node that answers want for it; absent if none is about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<StandingView>,
    /// Public key: compressed SEC1, 33 bytes, hexadecimal.
    pub public_key: String,
    /// Chain code, 32 bytes in hexadecimal: with it, and the public key, anybody finds the public keys of all children
    /// (BIP-32 on secp256k1, SLIP-10 elsewhere), and nobody their secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_code: Option<String>,
    /// Both as BIP-32 writes them; on secp256k1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xpub: Option<String>,
    /// Ethereum address with the capitals of EIP-55; on secp256k1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ethereum_address: Option<String>,
    /// Bitcoin address of the main network (P2WPKH, BIP-173); on secp256k1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitcoin_address: Option<String>,
}

/// What a node does for a key, and takes part in, without a client: its policy's standing orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingView {
    /// More presignatures are made for a signer set that has fewer than this ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<u32>,
    /// ... and never more than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<u32>,
    /// When its shares are to be renewed: Unix time in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_due: Option<u64>,
    /// Why the last try of the node that answers came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Who kept it from success.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<NodeId>,
}

/// A share that its operator exported from the node that answers, or that lies in a backup of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportView {
    /// The epoch of the share.
    pub epoch: u64,
    /// When: Unix time in seconds.
    pub exported: u64,
    /// For whom the file was sealed: recipients, or the word `passphrase`; then `, in a backup`, if it is one.
    pub to: String,
}

/// A signature, with what is needed to use it anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureView {
    /// The key that signed.
    pub key: KeyId,
    /// Which child of it.
    pub path: PathText,
    /// The child's public key, for which the signature is: compressed SEC1, hexadecimal.
    pub public_key: String,
    /// The ceremony that made it.
    pub ceremony: CeremonyId,
    /// How the message was hashed; absent when a raw digest was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<HashName>,
    /// The 32 bytes that were signed, hexadecimal.
    pub digest: String,
    /// r, 32 bytes big-endian, hexadecimal.
    pub r: String,
    /// s, 32 bytes big-endian, hexadecimal, at most q/2.
    pub s: String,
    /// The same as DER, hexadecimal.
    pub der: String,
    /// Which of the candidate public keys is the right one: 0 to 3. On secp256k1 only: nobody uses it elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_id: Option<u8>,
    /// Who signed.
    pub signers: Vec<Member>,
    /// Whether it was made in one round, from a presignature of the pool.
    #[serde(default)]
    pub presigned: bool,
}

/// How far a piece of work is that has no rounds, for example the search for primes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps done.
    pub done: u32,
    /// Steps in all.
    pub total: u32,
}

/// How long a phase of a ceremony took at this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseTime {
    /// The phase.
    pub phase: Phase,
    /// Milliseconds.
    pub ms: u64,
}

/// What a ceremony made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A key.
    Key(Box<KeyView>),
    /// A signature.
    Signature(Box<SignatureView>),
    /// Something that is used inside: auxiliary information, presignatures.
    Internal,
}

/// A ceremony as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CeremonyView {
    /// The ceremony.
    pub id: CeremonyId,
    /// What it is for.
    pub kind: CeremonyKind,
    /// The key it is about, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// The label of that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Who proposed it.
    pub proposer: NodeId,
    /// Who takes part.
    pub participants: Vec<Member>,
    /// How far it is.
    pub state: CeremonyState,
    /// What it is busy with.
    pub phase: Phase,
    /// The round within the phase, from 1; 0 before the first.
    pub round: u8,
    /// The number of rounds of the phase; 0 where it has none.
    pub rounds: u8,
    /// Participants that owe something to this round.
    pub waiting_for: Vec<NodeId>,
    /// How far the own work of this phase is, where it can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Milliseconds since the start, or from start to end.
    pub elapsed_ms: u64,
    /// How long each finished phase took.
    pub timings: Vec<PhaseTime>,
    /// The result, when done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it failed, when failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Problem>,
    /// Presignatures that the node that answers has used up for it, in order, also where nothing came of them. Each serves
    /// one ceremony, once. Noted on disk before the node says anything that makes use of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presignatures: Vec<PresignatureId>,
    /// Evidence that came of it: who was convicted, also where others brought it to its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceView>,
}

/// Evidence that this node has judged: signed messages that prove that a validator broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceView {
    /// The evidence.
    pub id: EvidenceId,
    /// Who broke the protocol.
    pub culprit: NodeId,
    /// What it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// Its index in the ceremony.
    pub index: u16,
    /// What it did.
    pub charge: String,
    /// The protocol it broke.
    pub phase: Phase,
    /// The round of the message that convicts it; absent where the message belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u8>,
    /// The ceremony.
    pub ceremony: CeremonyId,
    /// The key that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// When this node judged it: Unix time in seconds.
    pub since: u64,
}

/// A change of a ceremony. Carries the whole view after the change, so a subscriber that missed
/// events has missed nothing that matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Counts the events of this process, from 1.
    pub sequence: u64,
    /// The ceremony after the change.
    pub ceremony: CeremonyView,
}

/// A validator of the roster, and what this node sees of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidatorView {
    /// Who it is.
    pub id: NodeId,
    /// The same as a libp2p peer id.
    pub peer_id: String,
    /// What it calls itself; unknown before its first announcement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// The version of its program, as it says; unknown before its first announcement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it says it listens (multiaddresses).
    pub addresses: Vec<String>,
    /// Whether the charter names it a founder.
    pub founder: bool,
    /// Whether it may join new committees.
    pub member: bool,
    /// How many founders vouch for it: a majority makes it a member. Founders need no vouch.
    #[serde(default)]
    pub vouches: u16,
    /// Whether it is not in the roster, but asks to be let in. Name and addresses are its own choice.
    #[serde(default)]
    pub waiting: bool,
    /// Whether it is the node that answers.
    pub this_node: bool,
    /// Whether it is connected to the node that answers.
    pub connected: bool,
    /// Round-trip time in milliseconds, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// How many seconds its clock is ahead of that of the node that answers, or behind it if negative, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_s: Option<i64>,
    /// Whether two processes were heard to speak for it: its data folder was copied, and one of them must stop.
    #[serde(default)]
    pub runs_twice: bool,
    /// The evidence there is against it, also what was forgiven.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceId>,
    /// Whether evidence convicts it: then the node that answers does nothing together with it.
    #[serde(default)]
    pub convicted: bool,
    /// When the operator of the node that answers has forgiven it, if ever: Unix time in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgiven: Option<u64>,
    /// Whether the operator of the node that answers has blocked it.
    #[serde(default)]
    pub blocked: bool,
}

/// The node that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeView {
    /// Who it is.
    pub id: NodeId,
    /// What it calls itself.
    pub name: Label,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Whether it is a member of the cluster yet.
    pub member: bool,
    /// Where it listens for peers (multiaddresses).
    pub addresses: Vec<String>,
    /// The version of the program.
    pub version: String,
    /// Charters with signatures enough that this node does not follow, because it follows others. Any is an alarm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rival_charters: Vec<CharterId>,
    /// Its policy; absent if its operator has written none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyView>,
}

/// An invitation to join the cluster. Whoever has it can join once: keep it secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationView {
    /// What to give to `consign join`.
    pub invitation: String,
    /// Seconds until it is void.
    pub valid_for: u32,
}

impl std::fmt::Debug for InvitationView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InvitationView").field("valid_for", &self.valid_for).finish_non_exhaustive()
    }
}

/// The answer of `/healthz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthView {
    /// `ok`, or `standby` where another process speaks for this node and this one waits to take over. A node that is neither
    /// does not answer, or answers with a problem.
    pub status: String,
    /// The version of the program.
    pub version: String,
}

impl HealthView {
    /// A healthy node of this version.
    #[must_use]
    pub fn ok() -> Self {
        Self { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// One that stands by.
    #[must_use]
    pub fn standby() -> Self {
        Self { status: "standby".to_owned(), ..Self::ok() }
    }
}

/// How much there is of everything at the node that answers: what metrics are made of. No body of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys that the node holds a share of or was shown.
    pub keys: usize,
    /// Presignatures in memory.
    pub presignatures: usize,
    /// Ceremonies under way.
    pub running: usize,
    /// Members of the cluster besides the node.
    pub members: usize,
    /// Those of them that it is connected with.
    pub connected: usize,
    /// The slowest round trip to one of these, in milliseconds, where known.
    pub slowest_ms: Option<u64>,
    /// How far the clock of one of these is ahead, or behind if negative, in seconds: the one that is farthest off.
    pub clock_offset_s: Option<i64>,
    /// Validators that it has evidence against.
    pub convicted: usize,
}
