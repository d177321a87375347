//! The API over real sockets, in front of a core that is a table of answers.

mod calls;
mod ceremonies;
mod described;
mod evidence;
mod operator;
mod places;
mod ready;
mod refusals;
mod secured;
mod signed;
mod trusting;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use api::client::Client;
use api::{
    CeremonyId, CeremonyKind, CeremonyState, CeremonyView, ClusterId, Curve, KeyId, KeyState, KeyView, Level,
    NodeId, Outcome, Phase, Reply, Request, Scheme,
};

use super::*;
use crate::shell::fatal::Fatal;
use crate::shell::storage::Storage;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// For which clients sign.
const CLUSTER: ClusterId = ClusterId([9; 32]);

/// What the core answers to a request.
type Answers = Box<dyn FnMut(&Request) -> Reply + Send>;

/// A running API, and what was asked of the core behind it.
struct Site {
    http: Http,
    events: Arc<Events>,
    asked: Arc<Mutex<Vec<Request>>>,
    _storage: Storage,
}

/// A store in memory.
pub(super) fn storage() -> (Storage, Probe) {
    let (inbox, _) = channel();
    let (fatal, _) = Fatal::new();
    let storage =
        Storage::start(crate::store::memory::Memory::new(), inbox, fatal, Meters::new().steps.clone())
            .unwrap();
    let probe = storage.probe();
    (storage, probe)
}

impl Site {
    async fn start(answers: impl FnMut(&Request) -> Reply + Send + 'static) -> Site {
        Site::with(Limits::default(), answers).await
    }

    async fn with(limits: Limits, answers: impl FnMut(&Request) -> Reply + Send + 'static) -> Site {
        Site::at("127.0.0.1:0", limits, answers).await
    }

    async fn at(
        address: &str,
        limits: Limits,
        answers: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> Site {
        Site::behind(None, address, limits, answers).await
    }

    async fn behind(
        tls: Option<Tls>,
        address: &str,
        limits: Limits,
        answers: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> Site {
        Site::over(storage(), tls, address, limits, answers).await
    }

    /// One that is silent until its store answers.
    async fn silent(answers: impl FnMut(&Request) -> Reply + Send + 'static) -> Site {
        let (storage, probe) = storage();
        Site::over((storage, probe.silenced()), None, "127.0.0.1:0", Limits::default(), answers).await
    }

    async fn over(
        (storage, probe): (Storage, Probe),
        tls: Option<Tls>,
        address: &str,
        limits: Limits,
        answers: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> Site {
        let (inbox, happened) = channel();
        let events = Arc::new(Events::new([5; 8]));
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let (core_events, core_asked) = (events.clone(), asked.clone());
        std::thread::spawn(move || core(&happened, &core_events, &core_asked, Box::new(answers)));
        let doors = Doors { address: address.parse().unwrap(), tls, names: Vec::new(), limits };
        let http = Http::start(
            doors,
            Token::new(TOKEN),
            CLUSTER,
            inbox,
            events.clone(),
            Arc::new(Meters::new()),
            probe,
        )
        .await
        .unwrap();
        Site { http, events, asked, _storage: storage }
    }

    fn client(&self) -> Client {
        Client::new(&self.http.address.to_string(), TOKEN)
    }

    /// The operator's way in, in this folder.
    #[cfg(unix)]
    fn operator(&mut self, place: &std::path::Path) -> api::client::operator::Operator {
        let socket = place.join("operator.sock");
        self.http.serve_operator(&socket).unwrap();
        api::client::operator::Operator::new(&socket)
    }

    fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    fn connect(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.http.address).unwrap();
        // A server that has given up already resets the connection; what it said before counts.
        let _ = stream.write_all(text.as_bytes());
        stream
    }

    /// Sends a request with the right token and host, and reads the answer: status, head, body.
    fn call(&self, line: &str, headers: &str, body: &str) -> (u16, String, String) {
        let host = self.http.address;
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        self.raw(&format!(
            "{line} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\
             {headers}{length}\r\n{body}"
        ))
    }

    /// Sends bytes as they are.
    fn raw(&self, text: &str) -> (u16, String, String) {
        let mut answer = Vec::new();
        // A server that refuses early may reset what it has not read; what it said before counts.
        let _ = self.connect(text).read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(described::tells(text, status), "{status} is not described: {text:.200}");
        (status, head.to_ascii_lowercase(), body.to_owned())
    }
}

fn core(happened: &Receiver<Inbox>, events: &Events, asked: &Mutex<Vec<Request>>, mut answers: Answers) {
    while let Ok(inbox) = happened.recv() {
        let Inbox::Call(call) = inbox else { continue };
        let reply = answers(&call.request);
        asked.lock().unwrap().push(call.request);
        let _ = call.answer.send(Answer { reply, sequence: events.last() });
    }
}

fn ceremony_id() -> CeremonyId {
    CeremonyId([3; 32])
}

fn key_id() -> KeyId {
    KeyId([4; 32])
}

fn ceremony_in(state: CeremonyState) -> CeremonyView {
    let over = state == CeremonyState::Done;
    CeremonyView {
        id: ceremony_id(),
        kind: CeremonyKind::Keygen,
        key: None,
        label: Some("pay".parse().unwrap()),
        proposer: NodeId([1; 32]),
        participants: Vec::new(),
        state,
        phase: Phase::Keygen,
        round: 1,
        rounds: 3,
        waiting_for: Vec::new(),
        progress: None,
        elapsed_ms: 12,
        timings: Vec::new(),
        outcome: over.then(|| Outcome::Key(Box::new(key_view()))),
        failure: None,
        presignatures: Vec::new(),
        evidence: Vec::new(),
    }
}

fn key_view() -> KeyView {
    KeyView {
        id: key_id(),
        label: "pay".parse().unwrap(),
        scheme: Scheme::Cggmp24,
        curve: Curve::Secp256k1,
        level: Level::L128,
        threshold: 2,
        committee: Vec::new(),
        epoch: 0,
        share: true,
        state: KeyState::Active,
        owner: None,
        imported: None,
        exports: Vec::new(),
        presignatures: 0,
        standing: None,
        public_key: "02".to_owned(),
        chain_code: None,
        xpub: None,
        ethereum_address: Some("0x".to_owned()),
        bitcoin_address: None,
    }
}

fn create_key() -> api::CreateKey {
    api::CreateKey {
        label: "pay".parse().unwrap(),
        scheme: Scheme::Cggmp24,
        curve: Curve::Secp256k1,
        level: Level::L128,
        threshold: 2,
        committee: vec![NodeId([1; 32]), NodeId([2; 32])],
    }
}

/// A core that starts ceremonies and shows them running.
#[allow(clippy::wildcard_enum_match_arm, reason = "everything else is unknown to it")]
fn starts(request: &Request) -> Reply {
    match request {
        Request::By(_, inner) => starts(inner),
        Request::Health => Reply::Health(api::HealthView::ok()),
        Request::CreateKey(_) | Request::Sign(_) | Request::Signed(_) => {
            Reply::Started(ceremony_in(CeremonyState::Proposed))
        }
        Request::ShowCeremony(id) if *id == ceremony_id() => {
            Reply::Ceremony(ceremony_in(CeremonyState::Running))
        }
        _ => Reply::Problem(Problem::new(ProblemKind::UnknownCeremony, "There is none.")),
    }
}
