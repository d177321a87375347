//! Calls that clients have signed: who they are, and that the same call twice is one request, also after a restart and at
//! another node. `asked.rs` says what a request is named by, `ceremony/examining.rs` what a participant asks of it.

use consign_api as api;
use consign_api::{ClientKey, SignedRequest};

use super::asked::{Asked, request_id};
use super::hash::Hash;
use super::node::{Node, Then};
use super::pages::page;
use super::requests::Wanted;
use super::{CallId, Output};
use crate::store::{Table, Write};

impl Node {
    /// Answers a call.
    fn answer(&mut self, call: CallId, reply: Result<api::Reply, api::Problem>) {
        self.out.push(Output::Reply(call, reply.unwrap_or_else(api::Reply::Problem)));
    }

    /// A call that counts as this client's, and came with nothing else that opens this node. What it is about is looked up
    /// and answered like any other, if this node knows the client.
    pub(super) fn asked_by(&mut self, call: CallId, client: ClientKey, request: api::Request) {
        if !self.names(client) {
            let text = format!("This node's policy does not name the client {client}.");
            return self.refuse(call, api::ProblemKind::Unauthorized, &text);
        }
        match &request {
            // Whose it is, is verified when it is taken up.
            api::Request::Signed(signed) if signed.client() == client => self.asked(call, request),
            api::Request::ListKeys(query) => {
                let reply = self.list_keys_of(Some(client), query);
                self.answer(call, reply);
            }
            api::Request::ShowKey(key) | api::Request::ShowCertificate(key)
                if self.keys.get(&Hash(key.0)).is_some_and(|key| !self.may_see(client, key)) =>
            {
                self.answer(call, Err(no_such_key()));
            }
            // Looked up in the client's name, if it is not here.
            api::Request::ShowKey(key) => {
                let reply = self.key_view(&Hash(key.0)).map(api::Reply::Key).ok_or_else(no_such_key);
                self.answer(call, reply);
            }
            api::Request::ShowCertificate(key) => {
                let reply = self.show_certificate(*key, no_such_key);
                self.answer(call, reply);
            }
            api::Request::ListCeremonies(query) => {
                let reply = self.list_ceremonies_of(Some(client), query);
                self.answer(call, reply);
            }
            api::Request::ShowCeremony(id) if !self.may_see_story(client, &Hash(id.0)) => {
                let text = "This node knows no such ceremony that this client may see.";
                self.answer(call, Err(api::Problem::new(api::ProblemKind::UnknownCeremony, text).about(*id)));
            }
            api::Request::ListEvidence(query) => {
                let reply = self.list_evidence_of(Some(client), query);
                self.answer(call, reply);
            }
            api::Request::ShowEvidence(id) if !self.may_see_evidence(client, &Hash(id.0)) => {
                let text = "This node keeps no such evidence that this client may see.";
                self.refuse(call, api::ProblemKind::UnknownEvidence, text);
            }
            api::Request::ShowCeremony(_)
            | api::Request::ShowEvidence(_)
            | api::Request::ListValidators
            | api::Request::ShowNode
            | api::Request::ShowCharter
            | api::Request::Count
            | api::Request::Ready
            | api::Request::Health => self.asked(call, request),
            api::Request::Signed(_)
            | api::Request::By(..)
            | api::Request::CreateKey(_)
            | api::Request::ImportKey(_)
            | api::Request::DiscardKey(_)
            | api::Request::Sign(_)
            | api::Request::Presign(_)
            | api::Request::Refresh(_)
            | api::Request::Reshare(_)
            | api::Request::Invite(_)
            | api::Request::ListApprovals
            | api::Request::DecideApproval(_)
            | api::Request::Decide(_)
            | api::Request::ProposeCharter(_)
            | api::Request::SignCharter(_)
            | api::Request::SwitchCharter(_)
            | api::Request::SendMessage(_)
            | api::Request::ListMessages(_) => {
                let text = "This is for the operator of the node, who has its token.";
                self.refuse(call, api::ProblemKind::Forbidden, text);
            }
        }
    }

    /// Whether a client may see a ceremony: it has asked for it, or may know of its key.
    fn may_see_story(&self, client: ClientKey, request: &Hash) -> bool {
        self.stories.get(request).is_some_and(|story| {
            story.client == Some(client) || self.may_see_key(client, story.view.key.map(|key| Hash(key.0)))
        })
    }

    /// The same of evidence: it is about a ceremony.
    fn may_see_evidence(&self, client: ClientKey, id: &Hash) -> bool {
        self.evidence.get(id).is_some_and(|record| {
            let proposal = &record.file.proposal;
            let asked = Asked::parse(&proposal.request).and_then(|(asked, _)| asked.client());
            asked == Some(client) || self.may_see_key(client, proposal.key)
        })
    }

    fn may_see_key(&self, client: ClientKey, key: Option<Hash>) -> bool {
        key.and_then(|key| self.keys.get(&key)).is_some_and(|key| self.may_see(client, key))
    }

    /// Ceremonies, newest first; for a client those that it may see.
    pub(super) fn list_ceremonies_of(
        &self,
        client: Option<ClientKey>,
        query: &api::PageQuery,
    ) -> Result<api::Reply, api::Problem> {
        let mut stories: Vec<_> = self.stories.iter().map(|(id, story)| (story.unix, *id)).collect();
        stories.sort_unstable_by(|a, b| b.cmp(a));
        let is_seen = |id: &Hash| client.is_none_or(|client| self.may_see_story(client, id));
        let (ids, next) = page(stories.into_iter().map(|(_, id)| id).filter(is_seen), query)?;
        let items = ids.iter().filter_map(|id| self.ceremony_view(id)).collect();
        Ok(api::Reply::Ceremonies(api::Page { items, next }))
    }

    /// Evidence, newest first; for a client what it may see.
    pub(super) fn list_evidence_of(
        &self,
        client: Option<ClientKey>,
        query: &api::PageQuery,
    ) -> Result<api::Reply, api::Problem> {
        let mut all: Vec<_> = self.evidence.iter().map(|(id, record)| (record.since, *id)).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        let is_seen = |id: &Hash| client.is_none_or(|client| self.may_see_evidence(client, id));
        let (ids, next) = page(all.into_iter().map(|(_, id)| id).filter(is_seen), query)?;
        let view = |id: &Hash| self.evidence.get(id).map(|record| self.evidence_view(*id, record));
        Ok(api::Reply::Evidence(api::Page { items: ids.iter().filter_map(view).collect(), next }))
    }

    /// A signed call for a ceremony.
    pub(super) fn begin_signed(&mut self, call: CallId, signed: &SignedRequest) {
        let reply = self.bring_signed(signed).map_or_else(api::Reply::Problem, api::Reply::Started);
        self.out.push(Output::Reply(call, reply));
    }

    /// The key that a signed call is about, if it is its client's and counts: before that nothing is done for it.
    pub(super) fn named_by(&self, signed: &SignedRequest) -> Option<api::KeyId> {
        self.verified(signed).ok().and_then(|(_, wanted)| wanted.key())
    }

    fn verified(&self, signed: &SignedRequest) -> Result<(Asked, Wanted), api::Problem> {
        let problem = |kind, text: String| api::Problem::new(kind, text);
        let cluster = api::ClusterId(*self.cluster().as_bytes());
        let valid = signed.verify(&cluster).and_then(|()| signed.validity().is_fresh(self.now.unix));
        valid.map_err(|why| problem(api::ProblemKind::Unauthorized, sentence(&why.to_string())))?;
        Asked::parse(&signed.encode()).ok_or_else(|| {
            let text = "The path or the body is not what a signed call takes; see docs/wire.md.";
            problem(api::ProblemKind::Malformed, text.to_owned())
        })
    }

    /// Begins what a client has signed, or shows what has become of it.
    fn bring_signed(&mut self, signed: &SignedRequest) -> Result<api::CeremonyView, api::Problem> {
        let (asked, wanted) = self.verified(signed)?;
        let raw = signed.encode();
        let request = request_id(&self.cluster(), &raw);
        let record = self.requests.get(&request);
        if record.is_some_and(|record| record.differs(asked.remembered().as_ref())) {
            let text = "This Idempotency-Key was used for another request; take a new one.";
            return Err(api::Problem::new(api::ProblemKind::IdempotencyConflict, text));
        }
        let is_done = record.is_some_and(|record| record.finished);
        // Whatever has become of it, it is told to whoever may ask for it, and to nobody else.
        self.allowed(asked.client(), &wanted)?;
        if let Some(full) = self.cannot_wait(&request, &asked, &wanted) {
            let text = sentence(&full.to_string());
            return Err(api::Problem::new(api::ProblemKind::TooMany, text).retry_after(60));
        }
        match self.ceremony_view(&request) {
            // One that failed, or waits for approval, is open: it is tried again.
            Some(view)
                if !matches!(
                    view.state,
                    api::CeremonyState::Failed | api::CeremonyState::AwaitingApproval
                ) =>
            {
                return Ok(view);
            }
            _ if is_done => {
                let text = "The request is done, and this node does not keep its outcome any more.";
                return Err(api::Problem::new(api::ProblemKind::UnknownCeremony, text));
            }
            Some(_) | None => {}
        }
        self.obstacle(&wanted)?;
        if record.is_none() {
            let why = if self.requests.is_forgotten(asked.created()) {
                let text = "The request is older than what this node remembers of requests; sign it anew.";
                Some((api::ProblemKind::Unauthorized, text.to_owned()))
            } else {
                let room = self.requests.room(self.me, self.me, self.now.monotonic);
                room.err().map(|why| (api::ProblemKind::TooMany, sentence(&why.to_string())))
            };
            if let Some((kind, text)) = why {
                return Err(api::Problem::new(kind, text).retry_after(60));
            }
        }
        let view = self.take_up(raw, wanted)?;
        self.note(request, &asked);
        Ok(view)
    }

    /// Remembers a request that is under way: under its name nothing else will be.
    fn note(&mut self, request: Hash, asked: &Asked) {
        let record = self.requests.note(request, asked).write();
        self.store(vec![Write::put(Table::Requests, request.0, record)], Then::Rest);
    }

    /// What this node's own rules say against it.
    pub(super) fn allowed(&self, client: Option<ClientKey>, wanted: &Wanted) -> Result<(), api::Problem> {
        let key = wanted.key().and_then(|key| self.keys.get(&Hash(key.0))).filter(|key| key.is_active());
        if client.zip(key).is_some_and(|(client, key)| !self.may_see(client, key)) {
            return Err(no_such_key());
        }
        self.may(client, wanted, key).map_err(|why| {
            let kind =
                if client.is_none() { api::ProblemKind::Unauthorized } else { api::ProblemKind::Forbidden };
            api::Problem::new(kind, sentence(&why))
        })
    }
}

/// What a client hears of a key that is not here, or that no rule lets it use.
pub(super) fn no_such_key() -> api::Problem {
    let text = "This node holds no share of such a key that its policy lets this client use.";
    api::Problem::new(api::ProblemKind::UnknownKey, text)
}

/// A reason as a sentence.
fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
