//! What clients and nodes say to each other: the types of the HTTP API.
//!
//! The node's HTTP layer turns each call into one [`Request`], the node's core answers with one
//! [`Reply`]; what is in between is nobody's business here. Everything that crosses the wire is
//! parsed strictly: unknown fields, odd capitals, wrong lengths are refused, so that two nodes
//! never read one body in two ways.
//!
//! Read next: [`request`], [`change`], [`import`] and [`presign`] (what can be asked), [`view`] (what is shown), [`problem`] (what goes
//! wrong), [`signed`] (who asks), [`approval`] (what waits for an operator), [`limits`], and [`hash`] (digests).
//! The feature `client` adds a small blocking client.

pub mod approval;
pub mod change;
#[cfg(feature = "client")]
pub mod client;
pub mod hash;
pub mod id;
pub mod import;
pub mod limits;
pub mod presign;
pub mod problem;
pub mod request;
pub mod signed;
pub mod terms;
pub mod view;

pub use approval::{ApprovalView, Decide, DecideBody, PolicyView};
pub use change::{Refresh, RefreshTerms, Reshare, ReshareTerms};
pub use id::{CeremonyId, ClusterId, ContentHash, EvidenceId, KeyId, NodeId, ParseIdError};
pub use import::{ChainCode, Discard, DiscardQuery, ImportKey, ImportedKey, PrivateKey};
pub use presign::{Presign, PresignTerms};
pub use problem::{Problem, ProblemKind};
pub use request::{
    CreateKey, Invite, Label, PageQuery, PathText, Reply, Request, Sign, SignBody, SignTarget,
};
pub use signed::{ClientKey, ClientSecret, SignedRequest};
pub use terms::{
    ApprovalState, CeremonyKind, CeremonyState, Curve, HashName, KeyState, Level, Moduli, Phase, Scheme,
};
pub use view::{
    CeremonyView, Event, EvidenceView, ExportView, HealthView, InvitationView, KeyView, Member, NodeView,
    Outcome, Page, PhaseTime, Progress, SignatureView, ValidatorView,
};
