//! What clients and nodes say to each other: the types of the HTTP API.
//!
//! The node's HTTP layer turns each call into one [`Request`], the node's core answers with one
//! [`Reply`]; what is in between is nobody's business here. Everything that crosses the wire is
//! parsed strictly: unknown fields, odd capitals, wrong lengths are refused, so that two nodes
//! never read one body in two ways.
//!
//! Read next: [`request`], [`change`], [`import`], [`presign`], [`roster`], [`charter`] and [`message`] (what can be asked),
//! [`view`] (what is shown), [`problem`] (what goes wrong), [`signed`] (who asks), [`approval`] (what waits for an
//! operator), [`limits`], [`hash`] (digests), and [`openapi`] (the description of all of it). The feature `client` adds a
//! small blocking client; what it believes of keys is in [`certified`] and [`pins`].

pub mod approval;
pub mod certified;
pub mod change;
pub mod charter;
#[cfg(feature = "client")]
pub mod client;
pub mod hash;
pub mod id;
pub mod import;
pub mod limits;
pub mod message;
pub mod openapi;
pub mod pins;
pub mod presign;
pub mod problem;
pub mod request;
pub mod roster;
pub mod signed;
pub mod terms;
pub mod view;

pub use approval::{ApprovalView, Decide, DecideBody, PolicyView};
pub use certified::{Certified, Judge, Mistrust, Pin};
pub use change::{Refresh, RefreshTerms, Reshare, ReshareTerms};
pub use charter::{CharterText, CharterView, ProposeCharter, SignCharter, SignTerms};
pub use id::{
    CeremonyId, CharterId, ClusterId, ContentHash, EvidenceId, KeyId, MessageId, NodeId, ParseIdError,
    PresignatureId,
};
pub use import::{ChainCode, Discard, DiscardQuery, ImportKey, ImportedKey, PrivateKey};
pub use message::{MessageQuery, MessageText, MessageView, SendMessage};
pub use pins::Pins;
pub use presign::{Presign, PresignTerms};
pub use problem::{Problem, ProblemKind};
pub use request::{
    CreateKey, Invite, Label, PageQuery, PathText, Reply, Request, Sign, SignBody, SignTarget,
};
pub use roster::{Act, Decision, Nothing};
pub use signed::{ClientKey, ClientSecret, SignedRequest};
pub use terms::{
    ApprovalState, CeremonyKind, CeremonyState, Curve, HashName, KeyState, Level, Moduli, Phase, Scheme,
};
pub use view::{
    CeremonyView, Counts, Event, EvidenceView, ExportView, HealthView, InvitationView, KeyView, Member,
    NodeView, Outcome, Page, PhaseTime, Progress, SignatureView, StandingView, ValidatorView,
};
