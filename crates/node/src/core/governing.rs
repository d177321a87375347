//! The policy in force at this node: where a request meets it. Read `policy/mod.rs` first.
//!
//! Without a policy this node does what its token and any member of the cluster ask, as long as no operator has written
//! one. With one, nobody but the clients in it gets anything done.

use std::collections::BTreeMap;

use consign_api as api;
use consign_api::signed::MAX_VALIDITY_S;

use super::approvals::{Answer, Approvals, Ask, CannotWait, NotDecided, WAITS};
use super::asked::{Asked, phases_s, request_id};
use super::ceremony::{Ceremony, End};
use super::hash::Hash;
use super::keys::Key;
use super::node::{Node, OpenError, Then};
use super::policy::{Act, Change, ClientKey, Counts, Decision, Deed, KeyFacts, Policy, Rule};
use super::proposal::Proposal;
use super::records::{GOVERNED, POLICY, encode};
use super::requests::Wanted;
use super::views::{api_id, short};
use super::{CallId, Level};
use crate::identity::NodeId;
use crate::store::{Store, Table, Write};

/// Most of a message that an operator is shown, in bytes.
const MAX_SHOWN_BYTES: usize = 1_024;

/// What makes a stopped node forget that it had a policy, for an operator who wants none any more.
#[must_use]
pub fn ungoverned() -> [Write; 2] {
    [Write::delete(Table::Meta, GOVERNED), Write::delete(Table::Meta, POLICY)]
}

/// The policy and what belongs to it.
#[derive(Default)]
pub(super) struct Governing {
    policy: Option<Policy>,
    /// What is wrong with the file as it is now.
    error: Option<String>,
    counts: Counts,
    approvals: Approvals,
    /// Whether the store says that there is a policy.
    marked: bool,
    /// The text of the policy that the store says was in force last.
    stored: Option<String>,
}

impl Governing {
    /// No policy yet; what operators have approved.
    pub(super) fn read(store: &dyn Store) -> Result<Self, OpenError> {
        let marked = store.get(Table::Meta, GOVERNED)?.is_some();
        let stored = super::setup::adopted_policy(store)?;
        Ok(Self { approvals: Approvals::read(store)?, marked, stored, ..Self::default() })
    }
}

/// A request as it came to this node, with what this node knows of it.
pub(super) struct Asking<'a> {
    /// Its name.
    pub(super) id: Hash,
    /// Hash of what it says.
    pub(super) content: Hash,
    /// Who has signed it; that was verified.
    pub(super) client: Option<ClientKey>,
    /// When it counts no more: Unix time in seconds.
    pub(super) expires: u64,
    /// Who brings it.
    pub(super) proposer: NodeId,
    /// What it asks for.
    pub(super) wanted: &'a Wanted,
    /// This node's own record of the key, if it knows it.
    pub(super) key: Option<&'a Key>,
}

/// What a policy says here and now.
enum Stand<'a> {
    /// There is none.
    Free,
    /// The key is not known here, so there is nothing to decide about.
    UnknownKey,
    /// Yes, by this rule.
    Agrees(&'a Rule, ClientKey),
    /// An operator is to be asked.
    Asks(&'a Rule, ClientKey, String),
    /// No, and why.
    Refuses(String),
}

impl Node {
    /// Whether it had a policy: then a lost file must not open it, nor a restored backup.
    #[must_use]
    pub fn had_policy(&self) -> bool {
        self.governing.marked
    }

    /// The policy that is in force from the start. Must be said before anything happens.
    pub fn begin_governed(&mut self, policy: Policy) {
        self.govern(Ok(policy));
    }

    /// From now on this policy is in force. What is in force stays so if the file is bad or gone: nobody gets more by
    /// breaking it.
    pub(super) fn govern(&mut self, policy: Result<Policy, String>) {
        match policy {
            Ok(policy) => {
                let (clients, rules) = (policy.clients().count(), policy.rules().len());
                let line = format!("the policy in force: clients {clients}, rules {rules}");
                self.log(Level::Info, &line);
                self.governing.policy = Some(policy);
                self.governing.error = None;
                self.governing.counts = Counts::default();
                self.look_again();
                let text = self.governing.policy.as_ref().map(|policy| policy.text().to_owned());
                let mut writes = Vec::new();
                if !std::mem::replace(&mut self.governing.marked, true) {
                    writes.push(Write::put(Table::Meta, GOVERNED, encode(&())));
                }
                if self.governing.stored != text {
                    writes.push(Write::put(
                        Table::Meta,
                        POLICY,
                        encode(&text.as_deref().unwrap_or_default()),
                    ));
                    self.governing.stored = text;
                }
                if !writes.is_empty() {
                    self.store(writes, Then::Rest);
                }
            }
            Err(why) => {
                self.log(Level::Warn, &format!("the policy of before stays in force: {why}"));
                self.governing.error = Some(why);
            }
        }
    }

    /// What the request of a proposal is to a policy.
    pub(super) fn asking<'a>(&'a self, proposal: &'a Proposal, wanted: &'a Wanted) -> Asking<'a> {
        let id = request_id(&proposal.cluster, &proposal.request);
        let asked = Asked::parse(&proposal.request).map(|(asked, _)| asked);
        let content = asked.as_ref().and_then(Asked::remembered).map(|signed| signed.content);
        let key = wanted.key().and_then(|key| self.keys.get(&Hash(key.0))).filter(|key| key.is_active());
        Asking {
            id,
            content: content.unwrap_or(id),
            client: asked.as_ref().and_then(Asked::client),
            expires: asked.as_ref().map_or(0, Asked::expires),
            proposer: proposal.proposer,
            wanted,
            key,
        }
    }

    /// Whether there is a policy.
    pub(super) fn is_governed(&self) -> bool {
        self.governing.policy.is_some()
    }

    /// The policy in force.
    pub(super) fn policy(&self) -> Option<&Policy> {
        self.governing.policy.as_ref()
    }

    /// Whether the policy names the client. Without a policy nobody is named.
    pub(super) fn names(&self, client: ClientKey) -> bool {
        self.governing.policy.as_ref().is_some_and(|policy| policy.client(&client).is_some())
    }

    /// Whether the client may know of a key: it is to others as if it were not there.
    pub(super) fn may_see(&self, client: ClientKey, key: &Key) -> bool {
        let policy = self.governing.policy.as_ref();
        policy.is_none_or(|policy| policy.concerns(&client, &facts_about(key)))
    }

    /// What the policy has against it, whoever approves and however often it was done; nothing if there is no policy.
    pub(super) fn policy_refuses(
        &self,
        client: ClientKey,
        wanted: &Wanted,
        key: Option<&Key>,
    ) -> Result<(), String> {
        match self.stand(Some(client), wanted, key) {
            Stand::Refuses(why) => Err(why),
            Stand::Free | Stand::UnknownKey | Stand::Agrees(..) | Stand::Asks(..) => Ok(()),
        }
    }

    /// Whether this node's policy lets it take part; if not, a sentence that says why. A later try of what it takes part in
    /// already counts no more.
    pub(super) fn policy_lets(&self, asking: &Asking<'_>) -> Result<(), String> {
        match self.stand(asking.client, asking.wanted, asking.key) {
            Stand::Free => Ok(()),
            Stand::Agrees(rule, client) => self.has_room(asking.id, client, rule),
            Stand::UnknownKey => Err("this node does not know the key".to_owned()),
            Stand::Refuses(why) => Err(why),
            Stand::Asks(rule, client, why) => {
                let approvals = &self.governing.approvals;
                let more = if self.goes_on(&asking.id) { phases_s(asking.wanted) } else { 0 };
                match approvals.answer(&asking.id, &asking.content, self.now.unix, more) {
                    Answer::Approved => self.has_room(asking.id, client, rule),
                    Answer::Denied => {
                        Err(format!("policy: the operator of {} has denied it", self.settings.name))
                    }
                    Answer::None => {
                        approvals.room(&asking.id, &client).map_err(|full| format!("policy: {full}"))?;
                        let (name, id) = (&self.settings.name, api::CeremonyId(asking.id.0).short());
                        Err(format!("{WAITS}{name}: `consign approve {id}` there; {why}"))
                    }
                }
            }
        }
    }

    /// Whether a request may be good for so long here: what is good for more than a few minutes must wait for the operator
    /// of this node, or hand this node a share and ask nothing of it.
    pub(super) fn may_last(&self, asked: &Asked, wanted: &Wanted, key: Option<&Key>) -> Result<(), String> {
        let receives = matches!(wanted, Wanted::Reshare(_)) && key.is_some_and(|k| !k.is_held_by(self.me));
        let is_asked = || matches!(self.stand(asked.client(), wanted, key), Stand::Asks(..));
        if !asked.is_long() || receives || is_asked() {
            return Ok(());
        }
        Err(format!(
            "a request is good for at most {MAX_VALIDITY_S} s at {}: longer only where its operator approves it",
            self.settings.name
        ))
    }

    /// The policy or the operator's word has changed: what is not let any more ends, whatever was agreed to before. No
    /// session of it says another word; one that has its result is done.
    fn look_again(&mut self) {
        let open = |c: &Ceremony| c.is_joined() && !c.is_over() && !c.is_finishing();
        let open = self.ceremonies.iter().filter(|(_, c)| open(c));
        let hit: Vec<_> = open.filter_map(|(hash, c)| Some((*hash, self.still_lets(c).err()?))).collect();
        for (hash, why) in hit {
            self.break_off(hash, End::failed(api::ProblemKind::Refused, format!("{why}."), [self.me]));
        }
    }

    fn still_lets(&self, ceremony: &Ceremony) -> Result<(), String> {
        let proposal = &ceremony.proposal;
        let (asked, wanted) = Asked::parse(&proposal.request).ok_or("the request cannot be read")?;
        let asking = self.asking(proposal, &wanted);
        if asked.is_standing() {
            return self.order_exists(&wanted, asking.key.ok_or("this node does not know the key")?);
        }
        self.may(asking.client, &wanted, asking.key)?;
        self.policy_lets(&asking)
    }

    /// Whether no more requests of a client can wait for this node's operator, though this one would have to.
    pub(super) fn cannot_wait(&self, id: &Hash, asked: &Asked, wanted: &Wanted) -> Option<CannotWait> {
        let key = wanted.key().and_then(|key| self.keys.get(&Hash(key.0)));
        let Stand::Asks(_, client, _) = self.stand(asked.client(), wanted, key) else { return None };
        self.governing.approvals.room(id, &client).err()
    }

    /// A proposal was refused for this reason. If it is that its request waits for the operator of this node, the request is
    /// shown there. Any other reason comes first: nobody has the operator look at what its client has not signed.
    pub(super) fn remember_waiting(&mut self, proposal: &Proposal, reason: &str) {
        let Some((_, wanted)) = Asked::parse(&proposal.request) else { return };
        let asking = self.asking(proposal, &wanted);
        if self.policy_lets(&asking).err().as_deref() != Some(reason) {
            return;
        }
        let Some((id, ask)) = self.ask_of(&asking).map(|ask| (asking.id, ask)) else { return };
        let line = format!(
            "a request of the client {} to {} with the key {} waits for `consign approve {}`",
            ask.client_name,
            ask.ceremony,
            ask.label,
            api::CeremonyId(id.0).short()
        );
        if self.governing.approvals.wait(id, ask) {
            self.log(Level::Info, &line);
        }
    }

    /// What an operator is asked, if the request needs that and can wait.
    fn ask_of(&self, asking: &Asking<'_>) -> Option<Ask> {
        let Stand::Asks(rule, client, why) = self.stand(asking.client, asking.wanted, asking.key) else {
            return None;
        };
        self.governing.approvals.room(&asking.id, &client).ok()?;
        let act = self.with_act(client, asking.wanted, asking.key, |act| {
            (act.deed.ceremony().word(), act.key.id, act.key.label.to_string())
        });
        let (ceremony, key, label) = act?;
        let name = self.governing.policy.as_ref().and_then(|policy| policy.client(&client));
        Some(Ask {
            content: asking.content.0,
            client,
            client_name: name.unwrap_or_default().to_owned(),
            ceremony: ceremony.to_owned(),
            key: key.map(|id| id.0),
            label,
            proposer: asking.proposer,
            rule: rule.to_string(),
            why,
            since: self.now.unix,
            expires: asking.expires,
            facts: facts_of(asking),
            answer: None,
        })
    }

    /// This node takes part in what was proposed. If it is the first time for the request, that counts.
    pub(super) fn count_use(&mut self, proposal: &Proposal) {
        let Some((_, wanted)) = Asked::parse(&proposal.request) else { return };
        let asking = self.asking(proposal, &wanted);
        if self.goes_on(&asking.id) {
            return;
        }
        let stand = self.stand(asking.client, asking.wanted, asking.key);
        let (Stand::Agrees(rule, client) | Stand::Asks(rule, client, _)) = stand else { return };
        let (rule, now) = (rule.clone(), self.now.monotonic);
        self.governing.counts.count(client, &rule, now);
    }

    /// Whether this node has taken part in the request before.
    fn goes_on(&self, request: &Hash) -> bool {
        self.requests.get(request).is_some_and(|record| !record.tries.is_empty())
    }

    fn has_room(&self, request: Hash, client: ClientKey, rule: &Rule) -> Result<(), String> {
        match &self.governing.policy {
            Some(policy) if !self.goes_on(&request) => {
                let counts = &self.governing.counts;
                counts.room(policy, client, rule, self.now.monotonic).map_err(|full| full.to_string())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn stand(&self, client: Option<ClientKey>, wanted: &Wanted, key: Option<&Key>) -> Stand<'_> {
        let Some(policy) = &self.governing.policy else { return Stand::Free };
        let Some(client) = client else {
            let name = &self.settings.name;
            return Stand::Refuses(format!("policy: {name} takes only requests that a client has signed"));
        };
        let decide = |act: &Act<'_>| match policy.decide(act) {
            Decision::Allowed { rule } => Stand::Agrees(rule, client),
            Decision::Waits { rule, why } => Stand::Asks(rule, client, why),
            Decision::Refused(refused) => Stand::Refuses(refused.to_string()),
        };
        self.with_act(client, wanted, key, decide).unwrap_or(Stand::UnknownKey)
    }

    /// Makes an act of a request. Nothing: it is about a key that is not known here.
    fn with_act<T>(
        &self,
        client: ClientKey,
        wanted: &Wanted,
        key: Option<&Key>,
        see: impl FnOnce(&Act<'_>) -> T,
    ) -> Option<T> {
        if let Wanted::Key(create) = wanted {
            let key = KeyFacts { id: None, label: &create.label, owner: Some(client), level: create.level };
            return Some(see(&Act { client, deed: Deed::Keygen, key }));
        }
        let key = key?;
        let holders: Vec<_> = key.holders().iter().map(|holder| api_id(holder.id)).collect();
        let deed = match wanted {
            Wanted::Key(_) => Deed::Keygen,
            Wanted::Signature(sign) => Deed::Sign(sign.target.hash()),
            Wanted::Presign(_) => Deed::Presign,
            Wanted::Refresh(_) => Deed::Refresh,
            Wanted::Reshare(reshare) => Deed::Reshare(Change {
                holders: &holders,
                threshold: key.info().threshold(),
                new_holders: &reshare.terms.committee,
                new_threshold: reshare.terms.threshold,
                gives: key.is_held_by(self.me),
            }),
        };
        Some(see(&Act { client, deed, key: facts_about(key) }))
    }

    /// What waits for the operator.
    pub(super) fn list_approvals(&self) -> api::Reply {
        api::Reply::Approvals(api::Page { items: self.governing.approvals.views(), next: None })
    }

    /// The operator decides; it is answered once that is durable.
    pub(super) fn decide_approval(&mut self, call: CallId, decide: &api::Decide) {
        let (write, view) = match self.governing.approvals.decide(decide) {
            Ok(decided) => decided,
            Err(why) => {
                let kind = match why {
                    NotDecided::Unknown => api::ProblemKind::UnknownCeremony,
                    NotDecided::Full => api::ProblemKind::TooMany,
                };
                return self.refuse(call, kind, &why.to_string());
            }
        };
        let said = view.state;
        let line = format!(
            "the operator has {said} the request {} of the client {} to {} with the key {}",
            view.id, view.client, view.ceremony, view.label
        );
        self.log(Level::Info, &line);
        self.store(vec![write], Then::Reply(call, Box::new(api::Reply::Approval(view))));
        self.look_again();
    }

    /// Old things go.
    pub(super) fn tick_governing(&mut self) {
        let now = self.now;
        self.governing.counts.forget(now.monotonic);
        let writes = self.governing.approvals.forget(now.unix);
        if !writes.is_empty() {
            self.store(writes, Then::Rest);
        }
    }

    /// The policy as the API shows it.
    pub(super) fn policy_view(&self) -> Option<api::PolicyView> {
        let governing = &self.governing;
        let policy = governing.policy.as_ref()?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Some(api::PolicyView {
            clients: count(policy.clients().count()),
            rules: count(policy.rules().len()),
            waiting: count(governing.approvals.waiting()),
            error: governing.error.clone(),
        })
    }
}

/// What this node's record of a key says.
pub(super) fn facts_about(key: &Key) -> KeyFacts<'_> {
    let id = Some(api::KeyId(key.id().0));
    KeyFacts { id, label: key.label(), owner: key.owner(), level: key.level() }
}

/// What this node has read in a request: all that matters to whoever approves it.
fn facts_of(asking: &Asking<'_>) -> BTreeMap<String, String> {
    let mut facts = Vec::new();
    let names = |ids: &[api::NodeId]| ids.iter().map(api::NodeId::to_string).collect::<Vec<_>>().join(" ");
    match asking.wanted {
        Wanted::Key(create) => {
            facts.push(("curve", create.curve.to_string()));
            facts.push(("level", create.level.to_string()));
            facts.push(("holders", names(&create.committee)));
            facts.push(("threshold", create.threshold.to_string()));
        }
        Wanted::Signature(sign) => {
            facts.push(("path", sign.path.to_string()));
            facts.push(("digest", hex::encode(sign.target.digest())));
            if let api::SignTarget::Message { bytes, hash } = &sign.target {
                facts.push(("hash", hash.to_string()));
                facts.push(("message_bytes", bytes.len().to_string()));
                let (name, text) = shown(bytes);
                facts.push((name, text));
            }
        }
        Wanted::Presign(presign) => facts.push(("count", presign.terms.count.to_string())),
        Wanted::Refresh(refresh) => facts.push(("moduli", refresh.terms.moduli.to_string())),
        Wanted::Reshare(reshare) => {
            if let Some(key) = asking.key {
                let holders: Vec<_> = key.holders().iter().map(|holder| api_id(holder.id)).collect();
                let new = reshare.terms.committee.iter().filter(|id| !holders.contains(id));
                facts.push(("new_members", names(&new.copied().collect::<Vec<_>>())));
                facts.push(("holders_now", names(&holders)));
                facts.push(("threshold_now", key.info().threshold().to_string()));
            }
            facts.push(("holders_then", names(&reshare.terms.committee)));
            facts.push(("threshold_then", reshare.terms.threshold.to_string()));
        }
    }
    facts.push(("proposer", short(asking.proposer)));
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A message as a person can look at it: as text if it is harmless on a terminal, else in hexadecimal; only the beginning
/// of a long one, and then it is called so.
fn shown(message: &[u8]) -> (&'static str, String) {
    let harmless = |text: &&str| text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    match message.get(..MAX_SHOWN_BYTES) {
        Some(begin) if begin.len() < message.len() => ("message_begins_hex", hex::encode(begin)),
        Some(_) | None => match std::str::from_utf8(message).ok().filter(harmless) {
            Some(text) => ("message", text.to_owned()),
            None => ("message_hex", hex::encode(message)),
        },
    }
}
