//! Every call of the API. `shell/http` of the node has a test that it serves these and no others.

use serde_json::{Map, Value};

use super::{Call, Content, of};
use crate::ProblemKind as Kind;
use crate::{
    ApprovalView, CeremonyView, CharterView, CreateKey, DecideBody, DiscardQuery, Event, EvidenceView,
    HealthView, ImportKey, InvitationView, Invite, KeyView, MessageQuery, MessageView, NodeView, Nothing,
    Page, PageQuery, PresignTerms, ProposeCharter, RefreshTerms, ReshareTerms, SendMessage, SignBody,
    SignTerms, ValidatorView,
};

const DONE: (u16, &str, Content) =
    (201, "It is done: the ceremony with its outcome.", Content::Json(of::<CeremonyView>));
const UNDER_WAY: (u16, &str, Content) =
    (202, "It is under way: the ceremony; `Location` says where to look.", Content::Json(of::<CeremonyView>));

/// How a ceremony can fail; the answer of the call that waits for it.
const OF_CEREMONIES: &[Kind] = &[
    Kind::KeyBusy,
    Kind::PeerCheated,
    Kind::Refused,
    Kind::TooFewSigners,
    Kind::NotJoined,
    Kind::StoreFailed,
    Kind::DeadlinePassed,
    Kind::Restarted,
    Kind::UnknownKey,
    Kind::UnknownValidator,
    Kind::Forbidden,
];

const GET: Call = Call {
    method: "GET",
    path: "",
    name: "",
    summary: "",
    description: "",
    body: None,
    query: None,
    answers: &[],
    problems: &[],
    open: false,
    named: false,
    waits: false,
    operator: false,
};
/// A call that starts a ceremony.
const START: Call = Call {
    method: "POST",
    problems: OF_CEREMONIES,
    answers: &[DONE, UNDER_WAY],
    named: true,
    waits: true,
    ..GET
};
const POST: Call = Call { method: "POST", ..GET };

/// What an operator does, over a socket of its own.
const OPERATOR: Call = Call { method: "POST", operator: true, ..GET };

/// All calls, in the order in which people meet them.
pub const CALLS: &[Call] = &[
    Call {
        path: "/v1/keys",
        name: "createKey",
        summary: "Make a key",
        description: "All members of the committee must be connected. Where they have no moduli together yet, they make \
            them first, which takes from seconds to minutes: watch the events of the ceremony.",
        body: Some(of::<CreateKey>),
        ..START
    },
    Call {
        path: "/v1/keys",
        name: "listKeys",
        summary: "List keys",
        query: Some(of::<PageQuery>),
        answers: &[(200, "A page of keys.", Content::Json(of::<Page<KeyView>>))],
        ..GET
    },
    Call {
        path: "/v1/keys/import",
        name: "importKey",
        summary: "Share out a private key that exists already",
        description: "The one call that carries a private key: the node takes it over loopback only.",
        body: Some(of::<ImportKey>),
        ..START
    },
    Call {
        path: "/v1/keys/{id}",
        name: "showKey",
        summary: "Show a key: public key, addresses, holders, epoch",
        answers: &[(200, "The key.", Content::Json(of::<KeyView>))],
        problems: &[Kind::UnknownKey, Kind::MethodNotAllowed],
        ..GET
    },
    Call {
        path: "/v1/keys/{id}/certificate",
        name: "showCertificate",
        summary: "The certificate of a key, for `consign verify-certificate`",
        description: "Shows by the holders' signatures what the key is, who asked for it, and how it came to its epoch: \
            believe that, and not this node. Not there before all holders have confirmed the key.",
        answers: &[(200, "The file.", Content::Bytes("application/octet-stream"))],
        problems: &[Kind::UnknownKey, Kind::KeyBusy, Kind::TooLarge],
        ..GET
    },
    Call {
        method: "DELETE",
        path: "/v1/keys/{id}",
        name: "discardKey",
        summary: "Give up an imported key that is not shared out yet",
        query: Some(of::<DiscardQuery>),
        answers: &[(200, "The key as it was.", Content::Json(of::<KeyView>))],
        problems: &[Kind::UnknownKey, Kind::KeyBusy, Kind::Forbidden, Kind::MethodNotAllowed],
        ..GET
    },
    Call {
        path: "/v1/keys/{id}/signatures",
        name: "sign",
        summary: "Sign a message or a digest",
        description: "Takes one round where a presignature is ready, four where none is. If a signer cheats, it is \
            convicted and others sign.",
        body: Some(of::<SignBody>),
        ..START
    },
    Call {
        path: "/v1/keys/{id}/presignatures",
        name: "presign",
        summary: "Make presignatures ahead of time",
        body: Some(of::<PresignTerms>),
        ..START
    },
    Call {
        path: "/v1/keys/{id}/refresh",
        name: "refresh",
        summary: "New shares for the same holders",
        body: Some(of::<RefreshTerms>),
        ..START
    },
    Call {
        path: "/v1/keys/{id}/reshare",
        name: "reshare",
        summary: "New shares for another committee or threshold",
        description: "As strong as handing out the key: any `threshold` of the new committee sign from then on.",
        body: Some(of::<ReshareTerms>),
        ..START
    },
    Call {
        path: "/v1/ceremonies",
        name: "listCeremonies",
        summary: "List ceremonies, newest first",
        query: Some(of::<PageQuery>),
        answers: &[(200, "A page of ceremonies.", Content::Json(of::<Page<CeremonyView>>))],
        ..GET
    },
    Call {
        path: "/v1/ceremonies/{id}",
        name: "showCeremony",
        summary: "Show a ceremony: phase, round, who is waited for, outcome",
        answers: &[(200, "The ceremony.", Content::Json(of::<CeremonyView>))],
        problems: &[Kind::UnknownCeremony],
        ..GET
    },
    Call {
        path: "/v1/ceremonies/{id}/events",
        name: "watchCeremony",
        summary: "Follow a ceremony (server-sent events)",
        description: "First the ceremony as it is, then every change, until it is over. Each event holds the whole \
            ceremony. `Last-Event-ID` resumes.",
        answers: &[
            (200, "Events named `ceremony`.", Content::Events("ceremony", of::<Event>)),
            (204, "The client has seen the end already.", Content::Nothing),
        ],
        problems: &[Kind::UnknownCeremony],
        ..GET
    },
    Call {
        path: "/v1/evidence",
        name: "listEvidence",
        summary: "List evidence, newest first",
        query: Some(of::<PageQuery>),
        answers: &[(200, "A page of evidence.", Content::Json(of::<Page<EvidenceView>>))],
        ..GET
    },
    Call {
        path: "/v1/evidence/{id}",
        name: "showEvidence",
        summary: "The evidence file, for `consign verify-evidence`",
        answers: &[(200, "The file.", Content::Bytes("application/octet-stream"))],
        problems: &[Kind::UnknownEvidence],
        ..GET
    },
    Call {
        path: "/v1/validators",
        name: "listValidators",
        summary: "The roster, with what this node sees of it",
        answers: &[(200, "All validators.", Content::Json(of::<Page<ValidatorView>>))],
        ..GET
    },
    Call {
        path: "/v1/validators/{id}/{act}",
        name: "decide",
        summary: "Decide about a validator: vouch, revoke, block, unblock, forgive",
        description: "`vouch` and `revoke` are votes of a founder, for the whole cluster; the rest is this node's own. The \
            same again changes nothing.",
        body: Some(of::<Nothing>),
        answers: &[(200, "The validator as it is now.", Content::Json(of::<ValidatorView>))],
        problems: &[
            Kind::Forbidden,
            Kind::UnknownValidator,
            Kind::UnknownEvidence,
            Kind::NotFound,
            Kind::TooMany,
            Kind::NotJoined,
        ],
        ..OPERATOR
    },
    Call {
        path: "/v1/charter",
        name: "showCharter",
        summary: "The charter in force, those being signed, and rivals",
        answers: &[(200, "The charter.", Content::Json(of::<CharterView>))],
        problems: &[Kind::NotJoined],
        ..GET
    },
    Call {
        path: "/v1/charter/proposals",
        name: "proposeCharter",
        summary: "Propose the next charter, and sign it; founders only",
        body: Some(of::<ProposeCharter>),
        answers: &[(200, "The charter in force then.", Content::Json(of::<CharterView>))],
        problems: &[Kind::Forbidden, Kind::UnknownValidator, Kind::NotJoined],
        named: true,
        ..OPERATOR
    },
    Call {
        path: "/v1/charter/{id}/sign",
        name: "signCharter",
        summary: "Sign a proposed charter; founders only",
        body: Some(of::<SignTerms>),
        answers: &[(200, "The charter in force then.", Content::Json(of::<CharterView>))],
        problems: &[Kind::Forbidden, Kind::UnknownCharter, Kind::TooMany, Kind::NotJoined],
        ..OPERATOR
    },
    Call {
        path: "/v1/charter/{id}/switch",
        name: "switchCharter",
        summary: "Follow a rival of the charter, at this node",
        body: Some(of::<Nothing>),
        answers: &[(200, "The charter in force then.", Content::Json(of::<CharterView>))],
        problems: &[Kind::UnknownCharter, Kind::TooMany, Kind::NotJoined],
        ..OPERATOR
    },
    Call {
        path: "/v1/messages",
        name: "listMessages",
        summary: "Messages that came to this node or were sent by it, oldest first",
        query: Some(of::<MessageQuery>),
        answers: &[(200, "A page of messages.", Content::Json(of::<Page<MessageView>>))],
        problems: &[Kind::Forbidden],
        ..GET
    },
    Call {
        path: "/v1/messages",
        name: "sendMessage",
        summary: "Send a message to one validator, or to all members",
        body: Some(of::<SendMessage>),
        answers: &[(201, "The message; it is on its way.", Content::Json(of::<MessageView>))],
        problems: &[Kind::NotJoined, Kind::UnknownValidator, Kind::Forbidden],
        named: true,
        ..POST
    },
    Call {
        path: "/v1/node",
        name: "showNode",
        summary: "The node that answers",
        answers: &[(200, "The node.", Content::Json(of::<NodeView>))],
        ..GET
    },
    Call {
        path: "/v1/invitations",
        name: "invite",
        summary: "Invite somebody to the cluster; founders only",
        body: Some(of::<Invite>),
        answers: &[(201, "The invitation: keep it secret.", Content::Json(of::<InvitationView>))],
        problems: &[Kind::Forbidden, Kind::NotJoined, Kind::StoreFailed],
        ..OPERATOR
    },
    Call {
        method: "GET",
        path: "/v1/approvals",
        name: "listApprovals",
        summary: "What waits for the operator, then what was decided lately",
        answers: &[(
            200,
            "The requests, as this node has read them.",
            Content::Json(of::<Page<ApprovalView>>),
        )],
        ..OPERATOR
    },
    Call {
        path: "/v1/approvals/{id}",
        name: "approve",
        summary: "Approve a request that waits, or deny it",
        description: "The word is for this node, and for the content that was shown.",
        body: Some(of::<DecideBody>),
        answers: &[(200, "The request with the decision.", Content::Json(of::<ApprovalView>))],
        problems: &[Kind::UnknownCeremony],
        ..OPERATOR
    },
    Call {
        path: "/healthz",
        name: "health",
        summary: "Whether the process answers",
        answers: &[(200, "It does.", Content::Json(of::<HealthView>))],
        open: true,
        ..GET
    },
    Call {
        path: "/readyz",
        name: "ready",
        summary: "Whether the node can work: its store takes writes, its clock may be right",
        description: "Whether a key can sign is told by the key. The store is written to at most once a second, however often \
            this is asked.",
        answers: &[(200, "It can.", Content::Json(of::<HealthView>))],
        problems: &[Kind::StoreFailed, Kind::ClockWrong],
        open: true,
        ..GET
    },
    Call {
        path: "/metrics",
        name: "metrics",
        summary: "Counters and gauges, for Prometheus",
        answers: &[(200, "OpenMetrics text.", Content::Text("application/openmetrics-text"))],
        open: true,
        ..GET
    },
    Call {
        path: "/openapi.json",
        name: "describe",
        summary: "This description",
        answers: &[(200, "OpenAPI 3.1.", Content::Json(of::<Map<String, Value>>))],
        open: true,
        ..GET
    },
    Call {
        path: "/docs",
        name: "docs",
        summary: "This description, for people",
        answers: &[(200, "A page that needs no other.", Content::Text("text/html"))],
        open: true,
        ..GET
    },
];
