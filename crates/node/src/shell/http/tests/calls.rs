//! Every call reaches the core as the request it is.

use std::os::unix::net::UnixStream;

use api::client::Start;
use api::{HealthView, Invite, NodeView, Page, PageQuery, Presign, PresignTerms, Sign, SignTarget};

use super::*;

fn answers(request: &Request) -> Reply {
    match request {
        Request::CreateKey(_)
        | Request::ImportKey(_)
        | Request::Sign(_)
        | Request::Presign(_)
        | Request::Refresh(_)
        | Request::Reshare(_) => Reply::Started(ceremony_in(CeremonyState::Done)),
        Request::ListKeys(_) => Reply::Keys(Page { items: vec![key_view()], next: None }),
        Request::ShowKey(_) | Request::DiscardKey(_) => Reply::Key(key_view()),
        Request::ShowCertificate(_) => Reply::Certificate(b"a certificate".to_vec()),
        Request::ListCeremonies(query) => Reply::Ceremonies(Page {
            items: vec![ceremony_in(CeremonyState::Running)],
            next: query.after.is_none().then(|| "a/b&c".to_owned()),
        }),
        Request::ShowCeremony(_) => Reply::Ceremony(ceremony_in(CeremonyState::Running)),
        // `evidence.rs` asks.
        Request::ListEvidence(_) => Reply::Evidence(Page { items: Vec::new(), next: None }),
        Request::ShowEvidence(_) => Reply::EvidenceFile(Vec::new()),
        Request::ListValidators => Reply::Validators(Page { items: Vec::new(), next: None }),
        Request::SendMessage(wanted) => Reply::Message(message_view(wanted)),
        Request::ListMessages(_) => Reply::Messages(Page { items: Vec::new(), next: None }),
        Request::ShowCharter
        | Request::ProposeCharter(_)
        | Request::SignCharter(_)
        | Request::SwitchCharter(_) => Reply::Charter(charter_view()),
        Request::Decide(decision) => Reply::Validator(validator_view(decision.validator)),
        Request::ShowNode => Reply::Node(NodeView {
            id: NodeId([1; 32]),
            name: "a".parse().unwrap(),
            cluster: api::ClusterId([2; 32]),
            member: true,
            addresses: Vec::new(),
            version: "1".to_owned(),
            rival_charters: Vec::new(),
            policy: None,
        }),
        Request::Invite(_) => {
            Reply::Invitation(api::InvitationView { invitation: "consign1".to_owned(), valid_for: 60 })
        }
        // `operator.rs` asks.
        Request::ListApprovals | Request::DecideApproval(_) => {
            Reply::Approvals(Page { items: Vec::new(), next: None })
        }
        Request::Signed(_) => Reply::Started(ceremony_in(CeremonyState::Proposed)),
        Request::By(_, inner) => answers(inner),
        Request::Health | Request::Ready => Reply::Health(HealthView::ok()),
        Request::Count => Reply::Counts(api::Counts { keys: 3, ..api::Counts::default() }),
    }
}

fn validator_view(id: NodeId) -> api::ValidatorView {
    api::ValidatorView {
        id,
        peer_id: String::new(),
        name: None,
        addresses: Vec::new(),
        founder: false,
        member: true,
        vouches: 1,
        waiting: false,
        this_node: false,
        connected: false,
        latency_ms: None,
        clock_offset_s: None,
        version: None,
        runs_twice: false,
        evidence: Vec::new(),
        convicted: false,
        forgiven: None,
        blocked: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_reaches_the_core() {
    let mut site = Site::start(answers).await;
    let place = tempfile::tempdir().unwrap();
    let operator = site.operator(place.path());
    let validator = NodeId([9; 32]);
    let decisions = api::Act::ALL.map(|act| api::Decision { validator, act });
    for decision in &decisions {
        assert_eq!(operator.decide(decision).unwrap(), validator_view(validator));
    }
    assert_eq!(site.asked(), decisions.map(Request::Decide));
}

fn message_view(wanted: &api::SendMessage) -> api::MessageView {
    api::MessageView {
        number: 7,
        id: api::MessageId([7; 32]),
        from: NodeId([1; 32]),
        to: wanted.to,
        topic: wanted.topic.clone(),
        text: wanted.text.clone(),
        created: 5,
        received: 6,
        undelivered: Vec::new(),
    }
}

fn charter_view() -> api::CharterView {
    let text = api::CharterText {
        id: api::CharterId([2; 32]),
        predecessor: None,
        created: 5,
        founders: vec![NodeId([1; 32])],
        members: Vec::new(),
        signed_by: Vec::new(),
    };
    api::CharterView {
        cluster: api::ClusterId([2; 32]),
        number: 1,
        charter: text,
        proposed: Vec::new(),
        rivals: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_sent_once_and_listed() {
    let site = Site::start(answers).await;
    let client = site.client();
    let send = api::SendMessage {
        to: Some(NodeId([3; 32])),
        topic: "ops".parse().unwrap(),
        text: "hello".parse().unwrap(),
    };
    let start = Start { idempotency_key: Some("once".to_owned()), ..Start::default() };
    for _ in 0..2 {
        assert_eq!(client.send_message(&send, &start).unwrap(), message_view(&send));
    }
    let query = api::MessageQuery { topic: Some("ops".parse().unwrap()), after: Some(6), limit: 3 };
    assert!(client.messages_page(&query).unwrap().items.is_empty());
    let (status, ..) = site.call("GET /v1/messages?topic=a%20b", "", "");
    assert_eq!(status, 400);
    assert_eq!(site.call("GET /v1/messages", "", "").0, 200);
    let all = Request::ListMessages(api::MessageQuery::default());
    assert_eq!(site.asked(), [Request::SendMessage(send), Request::ListMessages(query), all]);
}

#[tokio::test(flavor = "multi_thread")]
async fn charters_are_shown_proposed_signed_and_followed() {
    let mut site = Site::start(answers).await;
    let place = tempfile::tempdir().unwrap();
    let operator = site.operator(place.path());
    let client = site.client();
    let charter = api::CharterId([2; 32]);
    let propose =
        api::ProposeCharter { founders: vec![NodeId([1; 32])], members: vec![NodeId([2; 32])], force: true };
    let sign = api::SignCharter { charter, force: false };
    assert_eq!(client.charter().unwrap(), charter_view());
    assert_eq!(operator.propose_charter(&propose).unwrap(), charter_view());
    assert_eq!(operator.sign_charter(&sign).unwrap(), charter_view());
    assert_eq!(operator.switch_charter(&charter).unwrap(), charter_view());
    let expected = [
        Request::ShowCharter,
        Request::ProposeCharter(propose),
        Request::SignCharter(sign),
        Request::SwitchCharter(charter),
    ];
    assert_eq!(site.asked(), expected);
    // The same call under one name is one proposal.
    let named = |body: &str| {
        let mut stream = UnixStream::connect(place.path().join("operator.sock")).unwrap();
        let head = "POST /v1/charter/proposals HTTP/1.0\r\nContent-Type: application/json\r\nIdempotency-Key: next\r\n";
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).map(str::to_owned)
    };
    let propose = api::ProposeCharter { founders: vec![NodeId([1; 32])], members: vec![], force: false };
    let body = serde_json::to_string(&propose).unwrap();
    for _ in 0..2 {
        assert_eq!(named(&body).as_deref(), Some("200"));
    }
    assert_eq!(named(&body.replace("false", "true")).as_deref(), Some("409"));
    assert_eq!(site.asked().len(), expected.len() + 1);
}

fn import_key() -> api::ImportKey {
    let api::CreateKey { label, scheme, curve, level, threshold, committee } = create_key();
    let private_key = api::PrivateKey::new(Box::new(zeroize::Zeroizing::new([7; 32])));
    let chain_code = Some(api::ChainCode([8; 32]));
    api::ImportKey { label, scheme, curve, level, threshold, committee, chain_code, private_key }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_asks_its_question() {
    let mut site = Site::start(answers).await;
    let place = tempfile::tempdir().unwrap();
    let operator = site.operator(place.path());
    let client = site.client();
    let target = SignTarget::Message { bytes: b"text".to_vec(), hash: api::HashName::Sha256 };
    let sign = Sign { key: key_id(), path: "m/0/5".parse().unwrap(), target };
    assert_eq!(client.health().unwrap(), HealthView::ok());
    assert!(client.node().unwrap().member);
    assert!(client.validators().unwrap().is_empty());
    assert_eq!(operator.invite(&Invite { valid_for: 60 }).unwrap().invitation, "consign1");
    assert_eq!(client.keys().unwrap(), [key_view()]);
    assert_eq!(client.key(&key_id()).unwrap(), key_view());
    assert_eq!(client.certificate(&key_id()).unwrap(), b"a certificate");
    assert_eq!(client.ceremony(&ceremony_id()).unwrap(), ceremony_in(CeremonyState::Running));
    assert_eq!(client.ceremonies().unwrap().len(), 2);
    let done = ceremony_in(CeremonyState::Done);
    assert_eq!(client.create_key(&create_key(), &Start::default()).unwrap(), done);
    assert_eq!(client.sign(&sign, &Start::default()).unwrap(), done);
    let terms = PresignTerms { count: 3, signers: Vec::new() };
    assert_eq!(client.presign(&key_id(), &terms, &Start::default()).unwrap(), done);
    assert_eq!(client.import_key(&import_key(), &Start::default()).unwrap(), done);
    for force in [false, true] {
        assert_eq!(client.discard_key(&api::Discard { key: key_id(), force }).unwrap(), key_view());
    }
    let page =
        |after: Option<&str>| PageQuery { after: after.map(str::to_owned), limit: api::limits::MAX_PAGE };
    let expected = [
        Request::Health,
        Request::ShowNode,
        Request::ListValidators,
        Request::Invite(Invite { valid_for: 60 }),
        Request::ListKeys(page(None)),
        Request::ShowKey(key_id()),
        Request::ShowCertificate(key_id()),
        Request::ShowCeremony(ceremony_id()),
        Request::ListCeremonies(page(None)),
        Request::ListCeremonies(page(Some("a/b&c"))),
        Request::CreateKey(create_key()),
        Request::Sign(sign),
        Request::Presign(Presign { key: key_id(), terms }),
        Request::ImportKey(import_key()),
        Request::DiscardKey(api::Discard { key: key_id(), force: false }),
        Request::DiscardKey(api::Discard { key: key_id(), force: true }),
    ];
    assert_eq!(site.asked(), expected);
}

/// Whoever listens on the way must not read a private key.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_key_is_taken_on_loopback_only() {
    let site = Site::at("0.0.0.0:0", Limits::default(), answers).await;
    assert_eq!(site.client().key(&key_id()).unwrap(), key_view());
    let error = site.client().import_key(&import_key(), &Start::default()).unwrap_err();
    assert_eq!(error.problem().unwrap().kind, ProblemKind::Forbidden);
    assert_eq!(site.asked(), [Request::ShowKey(key_id())], "it does not reach the core");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_of_the_core_is_the_answer() {
    let problem = Problem::new(ProblemKind::TooFewSigners, "Start more nodes.")
        .naming([NodeId([9; 32])])
        .retry_after(7);
    let told = problem.clone();
    let site = Site::start(move |_| Reply::Problem(told.clone())).await;
    let error = site.client().key(&key_id()).unwrap_err();
    assert_eq!(error.problem(), Some(&problem));
    let (status, head, body) = site.call("GET /v1/node", "", "");
    assert_eq!(status, 503);
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    assert!(head.contains("retry-after: 7") && head.contains("cache-control: no-store"), "{head}");
    assert_eq!(serde_json::from_str::<Problem>(&body).unwrap(), problem);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_to_another_question_is_an_internal_error() {
    let site = Site::start(|_| Reply::Health(HealthView::ok())).await;
    for line in ["GET /v1/keys", "GET /v1/node", &format!("GET /v1/ceremonies/{}", ceremony_id())] {
        assert_eq!(site.call(line, "", "").0, 500, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_node_answers_nothing_and_ends_what_waits() {
    let site = Site::start(starts).await;
    let client = site.client();
    let waiting = {
        let client = client.clone();
        std::thread::spawn(move || client.create_key(&create_key(), &Start::and_wait()))
    };
    let mut stream = site.connect(&format!(
        "GET /v1/ceremonies/{}/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n",
        ceremony_id()
    ));
    while site.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    site.http.finish().await;
    let told = waiting.join().unwrap().unwrap_err();
    let problem = told.problem().unwrap();
    assert_eq!((problem.kind, problem.ceremony), (ProblemKind::ShuttingDown, Some(ceremony_id())));
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("text/event-stream"), "{rest}");
    assert!(client.node().unwrap_err().problem().is_none());
}
