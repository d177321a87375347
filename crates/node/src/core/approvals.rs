//! Requests that wait for this node's operator, and what the operator said. An approval is one node's, for one content of
//! one request, until that expires. What was said is durable before the operator hears so; what only waits is not: who
//! wants it comes back.

use std::collections::BTreeMap;

use consign_api as api;
use serde::{Deserialize, Serialize};

use super::hash::Hash;
use super::node::OpenError;
use super::policy::ClientKey;
use super::records::{APPROVAL, decode, encode};
use crate::identity::NodeId;
use crate::store::{Store, Table, Value, Write};

/// How a refusal begins whose only reason is that an operator has to approve; who is asked for it follows.
pub(super) const WAITS: &str = "policy: waits for approval at ";
/// Most requests that wait at a time. More are refused, and none forgotten for them.
pub(super) const MAX_APPROVALS: usize = 256;
/// Most that were decided and are kept: a person decides one by one.
pub(super) const MAX_DECIDED: usize = 4_096;
/// Most of one client: the others find room.
pub(super) const MAX_OF_ONE: usize = 32;
/// How long a decision is kept after its request has expired, in seconds: as long as the request's own record.
const KEPT_S: u64 = super::requests::REQUEST_KEPT_S;
/// How long after its end a request is still shown as waiting, in seconds: as far as clocks may differ.
const LATE_S: u64 = super::requests::MAX_SKEW_S;

/// A request that came to this node and needs its operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ask {
    /// Hash of what it says.
    pub(super) content: [u8; 32],
    /// Who asks.
    pub(super) client: ClientKey,
    /// What the policy calls that one.
    pub(super) client_name: String,
    /// For what.
    pub(super) ceremony: String,
    /// With which key.
    pub(super) key: Option<[u8; 32]>,
    /// What people call it.
    pub(super) label: String,
    /// Who brought it.
    pub(super) proposer: NodeId,
    /// By which rule it waits.
    pub(super) rule: String,
    /// Why.
    pub(super) why: String,
    /// When it came first: Unix time in seconds.
    pub(super) since: u64,
    /// When it counts no more: Unix time in seconds.
    pub(super) expires: u64,
    /// What this node has read in it.
    pub(super) facts: BTreeMap<String, String>,
    /// What the operator said, if anything.
    pub(super) answer: Option<bool>,
}

impl Ask {
    fn state(&self) -> api::ApprovalState {
        match self.answer {
            None => api::ApprovalState::Waiting,
            Some(true) => api::ApprovalState::Approved,
            Some(false) => api::ApprovalState::Denied,
        }
    }

    fn is_decided_at(&self, unix: u64) -> bool {
        self.answer.is_some() && unix <= self.expires
    }

    fn view(&self, id: &Hash) -> Option<api::ApprovalView> {
        Some(api::ApprovalView {
            id: api::CeremonyId(id.0),
            content: api::ContentHash(self.content),
            state: self.state(),
            client: self.client_name.clone(),
            client_key: self.client,
            ceremony: self.ceremony.clone(),
            key: self.key.map(api::KeyId),
            label: self.label.parse().ok()?,
            proposer: api::NodeId(*self.proposer.as_bytes()),
            rule: self.rule.clone(),
            why: self.why.clone(),
            since: self.since,
            expires: self.expires,
            facts: self.facts.clone(),
        })
    }
}

/// Why a request cannot even wait. For people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CannotWait {
    /// Whoever asks.
    #[error("as many requests wait for the operator of this node as may")]
    Full,
    /// The client has more than is left for others.
    #[error("as many requests of the client wait for the operator of this node as may")]
    Share,
}

/// Why the operator's word does not count. For people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotDecided {
    /// There is no such request.
    #[error("No such request waits here with this content; list them with `consign approve`.")]
    Unknown,
    /// Too many were decided lately.
    #[error(
        "As many decisions are remembered as may be; wait until some of their requests are over for a day."
    )]
    Full,
}

/// What the operator said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Yes, and it is still good.
    Approved,
    /// No.
    Denied,
    /// Nothing yet, or what was said is about other content or too old.
    None,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Approvals {
    asks: BTreeMap<Hash, Ask>,
}

/// What the log says of a decision.
pub(super) fn summary(value: &Value) -> Option<String> {
    let ask: Ask = decode(value).ok()?;
    let said = if ask.answer == Some(true) { "approved" } else { "denied" };
    let content = hex::encode(ask.content.get(..8).unwrap_or(&ask.content));
    let Ask { client_name, ceremony, label, .. } = ask;
    Some(format!(
        "{said} by the operator: {ceremony} with the key {label} for {client_name}, content {content}"
    ))
}

fn key_of(id: &Hash) -> Vec<u8> {
    [APPROVAL, &id.0].concat()
}

impl Approvals {
    /// Reads what was decided.
    pub(super) fn read(store: &dyn Store) -> Result<Self, OpenError> {
        let mut asks = BTreeMap::new();
        for (key, value) in store.list(Table::Meta)? {
            let id = key.strip_prefix(APPROVAL).and_then(|id| <[u8; 32]>::try_from(id).ok());
            let Some(id) = id else { continue };
            let what = "an approval";
            asks.insert(Hash(id), decode(&value).map_err(|source| OpenError::Record { what, source })?);
        }
        Ok(Self { asks })
    }

    /// What was said to a request with this content, at this Unix time, in seconds. For as long as `more` after the end of the
    /// request it counts still: what was approved in time, and this node has taken part in, needs no other word for a later
    /// phase, after the moduli.
    pub(super) fn answer(&self, id: &Hash, content: &Hash, unix: u64, more: u64) -> Answer {
        let ask = self.asks.get(id).filter(|ask| ask.content == content.0);
        let ask = ask.filter(|ask| unix <= ask.expires.saturating_add(more));
        match ask.and_then(|ask| ask.answer) {
            Some(true) => Answer::Approved,
            Some(false) => Answer::Denied,
            None => Answer::None,
        }
    }

    /// Whether one more request of the client can wait.
    pub(super) fn room(&self, id: &Hash, client: &ClientKey) -> Result<(), CannotWait> {
        let mut waiting = self.asks.iter().filter(|(_, ask)| ask.answer.is_none());
        if waiting.clone().any(|(waits, _)| waits == id) {
            return Ok(());
        }
        let theirs = waiting.clone().filter(|(_, ask)| ask.client == *client).count();
        match () {
            () if waiting.nth(MAX_APPROVALS - 1).is_some() => Err(CannotWait::Full),
            () if theirs >= MAX_OF_ONE => Err(CannotWait::Share),
            () => Ok(()),
        }
    }

    /// Remembers a request that waits. What was decided about the same content stays so until it expires, and is not asked
    /// again before; the same request with a later end waits until then. Whether it is news.
    pub(super) fn wait(&mut self, id: Hash, ask: Ask) -> bool {
        match self.asks.get_mut(&id) {
            Some(known) if known.content == ask.content && known.is_decided_at(ask.since) => false,
            Some(known) if known.content == ask.content && known.answer.is_none() => {
                known.expires = known.expires.max(ask.expires);
                false
            }
            Some(_) | None => {
                self.asks.insert(id, ask);
                true
            }
        }
    }

    /// The operator decides. What is to be written, and what comes of it.
    pub(super) fn decide(&mut self, decide: &api::Decide) -> Result<(Write, api::ApprovalView), NotDecided> {
        let id = Hash(decide.id.0);
        let decided = self.asks.values().filter(|ask| ask.answer.is_some()).count();
        let ask = self.asks.get_mut(&id).filter(|ask| ask.content == decide.body.content.0);
        let ask = ask.ok_or(NotDecided::Unknown)?;
        if ask.answer.is_none() && decided >= MAX_DECIDED {
            return Err(NotDecided::Full);
        }
        ask.answer = Some(decide.body.approve);
        let view = ask.view(&id).ok_or(NotDecided::Unknown)?;
        Ok((Write::put(Table::Meta, key_of(&id), encode(ask)), view))
    }

    /// All of them, what waits first, then the newest.
    pub(super) fn views(&self) -> Vec<api::ApprovalView> {
        let mut views: Vec<_> = self.asks.iter().filter_map(|(id, ask)| ask.view(id)).collect();
        views.sort_by_key(|view| (view.state != api::ApprovalState::Waiting, u64::MAX - view.since));
        views
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.asks.values().filter(|ask| ask.answer.is_none()).count()
    }

    /// Forgets what counts no more. What is to be written.
    pub(super) fn forget(&mut self, unix: u64) -> Vec<Write> {
        let mut writes = Vec::new();
        self.asks.retain(|id, ask| {
            let kept = if ask.answer.is_some() { KEPT_S } else { LATE_S };
            let keeps = ask.expires.saturating_add(kept) >= unix;
            if !keeps && ask.answer.is_some() {
                writes.push(Write::delete(Table::Meta, key_of(id)));
            }
            keeps
        });
        writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::store::memory::Memory;

    fn node(i: u8) -> NodeId {
        Identity::from_seed(&[i; 32]).node_id()
    }

    fn client(i: u8) -> ClientKey {
        ClientKey::from_bytes(node(i).as_bytes()).unwrap()
    }

    fn ask(who: u8, content: u8, expires: u64) -> Ask {
        Ask {
            content: [content; 32],
            client: client(who),
            client_name: "shop".to_owned(),
            ceremony: "sign".to_owned(),
            key: Some([7; 32]),
            label: "pay".to_owned(),
            proposer: node(9),
            rule: "`releases` (line 3)".to_owned(),
            why: "the rule says so".to_owned(),
            since: 100,
            expires,
            facts: BTreeMap::new(),
            answer: None,
        }
    }

    fn decide(id: u8, content: u8, approve: bool) -> api::Decide {
        let body = api::DecideBody { content: api::ContentHash([content; 32]), approve };
        api::Decide { id: api::CeremonyId([id; 32]), body }
    }

    #[test]
    fn an_approval_is_for_one_content_until_it_expires() {
        let mut all = Approvals::default();
        let (id, content) = (Hash([1; 32]), Hash([5; 32]));
        assert!(all.wait(id, ask(1, 5, 200)) && !all.wait(id, ask(1, 5, 300)));
        assert_eq!((all.answer(&id, &content, 150, 0), all.waiting()), (Answer::None, 1));
        assert_eq!(
            all.decide(&decide(1, 6, true)),
            Err(NotDecided::Unknown),
            "other content than the one that waits"
        );
        assert_eq!(all.decide(&decide(2, 5, true)), Err(NotDecided::Unknown), "no such request");
        let (write, view) = all.decide(&decide(1, 5, true)).unwrap();
        assert_eq!((view.state, view.expires), (api::ApprovalState::Approved, 300));
        assert_eq!(all.answer(&id, &content, 300, 0), Answer::Approved);
        assert_eq!(all.answer(&id, &content, 301, 0), Answer::None);
        assert_eq!(all.answer(&id, &content, 301, 1), Answer::Approved);
        assert_eq!(all.answer(&id, &content, 302, 1), Answer::None);
        assert_eq!(all.answer(&id, &Hash([6; 32]), 150, 0), Answer::None);
        assert_eq!(all.answer(&id, &Hash([6; 32]), 150, 60), Answer::None);
        // It survives a restart, and is not asked again.
        let mut store = Memory::new();
        store.apply(&[write]).unwrap();
        let mut again = Approvals::read(&store).unwrap();
        assert_eq!(again.answer(&id, &content, 150, 0), Answer::Approved);
        assert!(!again.wait(id, ask(1, 5, 300)));
        // Signed anew after that, it is a new question.
        assert!(again.wait(id, Ask { since: 301, ..ask(1, 5, 600) }));
        assert_eq!(again.answer(&id, &content, 301, 0), Answer::None);
        let mut again = Approvals::read(&store).unwrap();
        assert_eq!(again.views(), all.views());
        // Other content under the same id is another question.
        assert!(again.wait(id, ask(1, 6, 300)));
        assert_eq!(again.answer(&id, &content, 150, 0), Answer::None);
        let (_, view) = all.decide(&decide(1, 5, false)).unwrap();
        assert_eq!(
            (view.state, all.answer(&id, &content, 150, 0)),
            (api::ApprovalState::Denied, Answer::Denied)
        );
    }

    #[test]
    fn what_waits_is_bounded_and_forgotten() {
        let mut all = Approvals::default();
        let id = |who: u8, i: usize| Hash([who, u8::try_from(i).unwrap()].repeat(16).try_into().unwrap());
        for i in 0..MAX_OF_ONE {
            assert_eq!(all.room(&id(1, i), &client(1)), Ok(()));
            all.wait(id(1, i), ask(1, 5, 200));
        }
        assert_eq!(all.room(&id(1, 99), &client(1)), Err(CannotWait::Share));
        assert_eq!(all.room(&id(1, 0), &client(1)), Ok(()), "it is there already");
        for who in 2..=8 {
            (0..MAX_OF_ONE).for_each(|i| assert!(all.wait(id(who, i), ask(who, 5, 200))));
        }
        assert_eq!(all.room(&id(9, 0), &client(9)), Err(CannotWait::Full));
        let said = decide(1, 5, true);
        let said = api::Decide { id: api::CeremonyId(id(1, 0).0), ..said };
        all.decide(&said).unwrap();
        // What was decided takes no place of what waits.
        assert_eq!((all.room(&id(1, 99), &client(1)), all.room(&id(9, 0), &client(9))), (Ok(()), Ok(())));
        all.wait(id(9, 0), ask(9, 5, 200));
        assert_eq!(
            all.room(&id(1, 0), &client(1)),
            Err(CannotWait::Full),
            "it was decided, and would wait anew"
        );
        assert_eq!((all.forget(200 + LATE_S).len(), all.waiting()), (0, MAX_APPROVALS));
        assert_eq!((all.forget(201 + LATE_S).len(), all.waiting(), all.views().len()), (0, 0, 1));
        assert_eq!((all.forget(201 + KEPT_S).len(), all.views().len()), (1, 0));
    }
}
