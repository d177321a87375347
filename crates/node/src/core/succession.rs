//! How a charter follows another: founders sign a draft, and with signatures of more than half of them it is the
//! successor. A node keeps the first one that it is shown; another one beside it is a rival, and an alarm: only the
//! operator follows it. Otherwise whoever steals a founder's key of old could write history anew.

use std::collections::BTreeMap;

use consign_api as api;
use serde::{Deserialize, Serialize};

use super::charter::{Charter, SignedCharter};
use super::hash::Hash;
use super::joining::Home;
use super::node::{Node, OpenError, Then};
use super::records::{DRAFTS, RIVALS, SUCCESSORS, decode, encode};
use super::roster::Roster;
use super::views::api_id;
use super::wire::PeerMessage;
use super::{CallId, Level};
use crate::identity::NodeId;
use crate::store::{Store, Table, Write};

/// Most rivals that are remembered: one is enough for an alarm.
pub const MAX_RIVALS: usize = 8;

/// Charters that founders are signing.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Drafts {
    /// By who signed first: one of each founder.
    open: BTreeMap<NodeId, SignedCharter>,
    /// What this founder has signed last, with its predecessor.
    signed: Option<(Hash, Hash)>,
}

/// Reads drafts and rivals.
pub(super) fn read(store: &dyn Store) -> Result<(Drafts, Vec<SignedCharter>), OpenError> {
    let bad = |what| move |source| OpenError::Record { what, source };
    let drafts = store.get(Table::Roster, DRAFTS)?;
    let drafts = drafts.map(|value| decode(&value)).transpose().map_err(bad("the drafts of charters"))?;
    let rivals = store.get(Table::Roster, RIVALS)?;
    let rivals = rivals.map(|value| decode(&value)).transpose().map_err(bad("the rival charters"))?;
    Ok((drafts.unwrap_or_default(), rivals.unwrap_or_default()))
}

/// What a node does with a charter that somebody shows.
enum Place {
    /// It is one of ours.
    Known,
    /// It follows the newest one.
    Next,
    /// It follows an earlier one, beside the one that did here.
    Rival,
    /// Nothing known leads to it.
    Nowhere,
}

fn place(roster: &Roster, signed: &SignedCharter) -> Place {
    let hash = signed.charter.hash();
    let chain: Vec<_> = roster.chain().collect();
    if chain.iter().any(|known| known.charter.hash() == hash) {
        return Place::Known;
    }
    match chain.iter().rposition(|known| signed.follows(&known.charter, &roster.cluster())) {
        Some(at) if at + 1 == chain.len() => Place::Next,
        Some(_) => Place::Rival,
        None => Place::Nowhere,
    }
}

fn api_charter(hash: Hash) -> api::CharterId {
    api::CharterId(hash.0)
}

impl Node {
    /// A peer shows the charters that it knows, the first one first.
    pub(super) fn hear_charters(&mut self, from: NodeId, chain: Vec<SignedCharter>) {
        let roster = match &mut self.home {
            Home::Asking(asking) => {
                if asking.door.peer == from {
                    asking.chain = chain;
                }
                return;
            }
            Home::Settled(roster) => roster,
        };
        let mut adopted = false;
        for signed in chain {
            match place(roster, &signed) {
                Place::Known => {}
                Place::Next if roster.succeed(signed.clone()).is_ok() => adopted = true,
                Place::Rival => {
                    self.meet_rival(from, signed);
                    break;
                }
                Place::Next | Place::Nowhere => {
                    self.dropped(from, "a charter that does not follow from those known here");
                    break;
                }
            }
        }
        if adopted {
            self.follow_charter(Some(from));
        }
    }

    /// Another successor beside the one that counts here.
    fn meet_rival(&mut self, from: NodeId, signed: SignedCharter) {
        let hash = signed.charter.hash();
        let is_known = self.rivals.iter().any(|rival| rival.charter.hash() == hash);
        if is_known || self.rivals.len() >= MAX_RIVALS {
            return;
        }
        let line = format!(
            "ALARM: {from} shows the charter {hash}, a second successor beside the one that this node follows: a founder's \
             key may be stolen; `consign charter show` tells more, and only `consign charter switch` follows it"
        );
        self.log(Level::Warn, &line);
        self.rivals.push(signed);
        let write = Write::put(Table::Roster, RIVALS, encode(&self.rivals));
        self.store(vec![write], Then::Rest);
    }

    /// The charter has changed: it is stored, then told and acted upon.
    fn follow_charter(&mut self, from: Option<NodeId>) {
        let writes = self.charter_writes();
        self.store(writes, Then::Charter(from));
    }

    fn charter_writes(&mut self) -> Vec<Write> {
        let Some(roster) = self.home.roster() else { return Vec::new() };
        let newest = roster.charter().hash();
        let successors: Vec<_> = roster.chain().skip(1).collect();
        let successors = Write::put(Table::Roster, SUCCESSORS, encode(&successors));
        // What would have followed another charter never will.
        self.drafts.open.retain(|_, draft| draft.charter.predecessor == Some(newest));
        let drafts = Write::put(Table::Roster, DRAFTS, encode(&self.drafts));
        let rivals = Write::put(Table::Roster, RIVALS, encode(&self.rivals));
        vec![successors, drafts, rivals, self.home.statements()]
    }

    /// The charter is durable: everybody may hear of it.
    pub(super) fn tell_charter(&mut self, from: Option<NodeId>) {
        let Some(roster) = self.home.roster() else { return };
        let chain: Vec<_> = roster.chain().collect();
        let line = format!(
            "the charter {} is in force, the one with the number {}",
            roster.charter().hash(),
            chain.len()
        );
        let peers = roster.validators();
        self.log(Level::Warn, &line);
        for peer in peers.into_iter().filter(|id| Some(*id) != from) {
            if self.may_be_asked(peer) {
                self.send(peer, &PeerMessage::Charters(chain.clone()));
            }
        }
        self.tell_roster(Vec::new(), from);
    }

    /// A founder shows a draft, with what signatures there are.
    pub(super) fn hear_draft(&mut self, from: NodeId, draft: SignedCharter) {
        let Some(roster) = self.home.roster() else { return };
        let among_founders = roster.is_founder(from) && roster.is_founder(self.me);
        let fits = draft.may_follow(roster.charter(), &roster.cluster());
        let Some(first) = draft.signatures.first().map(|s| s.founder).filter(|_| among_founders && fits)
        else {
            return self.dropped(from, "a draft of no successor of the charter");
        };
        let hash = draft.charter.hash();
        let known = self.drafts.open.iter_mut().find(|(_, open)| open.charter.hash() == hash);
        let news = match known {
            Some((_, open)) => open.join(draft),
            None => {
                // A founder that proposes another one gives its last one up.
                let newer = self
                    .drafts
                    .open
                    .get(&first)
                    .is_none_or(|old| old.charter.created < draft.charter.created);
                if newer {
                    self.log(
                        Level::Warn,
                        &format!("a new charter is proposed: see `consign charter show`; {hash}"),
                    );
                    self.drafts.open.insert(first, draft);
                }
                newer
            }
        };
        if news {
            self.store_drafts(Then::Rest);
            self.spread_draft(hash, Some(from));
            self.adopt_if_signed(hash);
        }
    }

    fn store_drafts(&mut self, then: Then) {
        let write = Write::put(Table::Roster, DRAFTS, encode(&self.drafts));
        self.store(vec![write], then);
    }

    fn draft(&self, hash: Hash) -> Option<&SignedCharter> {
        self.drafts.open.values().find(|draft| draft.charter.hash() == hash)
    }

    /// Shows a draft to the other founders.
    fn spread_draft(&mut self, hash: Hash, except: Option<NodeId>) {
        let Some(draft) = self.draft(hash).cloned() else { return };
        for founder in self.other_founders().into_iter().filter(|id| Some(*id) != except) {
            self.send(founder, &PeerMessage::Draft(Box::new(draft.clone())));
        }
    }

    /// A founder is back: it sees what is to be signed.
    pub(super) fn tell_drafts(&mut self, peer: NodeId) {
        if !self.home.roster().is_some_and(|roster| roster.is_founder(peer) && roster.is_founder(self.me)) {
            return;
        }
        for draft in self.drafts.open.values().cloned().collect::<Vec<_>>() {
            self.send(peer, &PeerMessage::Draft(Box::new(draft)));
        }
    }

    fn adopt_if_signed(&mut self, hash: Hash) -> bool {
        let Some(draft) = self.draft(hash).cloned() else { return false };
        let Home::Settled(roster) = &mut self.home else { return false };
        if !draft.follows(roster.charter(), &roster.cluster()) || roster.succeed(draft).is_err() {
            return false;
        }
        self.follow_charter(None);
        true
    }

    /// The operator of a founder proposes the next charter, and signs it.
    pub(super) fn propose_charter(&mut self, call: CallId, wanted: &api::ProposeCharter) {
        let Some(roster) = self.home.roster().filter(|roster| roster.is_founder(self.me)) else {
            return self.only_founders(call);
        };
        let ids = |list: &[api::NodeId]| {
            list.iter().map(|id| NodeId::from_bytes(&id.0)).collect::<Result<Vec<_>, _>>()
        };
        let lists = ids(&wanted.founders).and_then(|founders| Ok((founders, ids(&wanted.members)?)));
        let Ok((mut founders, mut members)) = lists else {
            let text = "One of them is no validator's id: it is no Ed25519 public key.";
            return self.refuse(call, api::ProblemKind::UnknownValidator, text);
        };
        for list in [&mut founders, &mut members] {
            list.sort_unstable();
            list.dedup();
        }
        let predecessor = Some(roster.charter().hash());
        let salt = self.random();
        let charter = Charter { founders, members, created: self.now.unix, salt, predecessor };
        if !charter.is_well_formed() {
            let text = "A charter names 1 to 100 founders and at most 100 members.";
            return self.refuse(call, api::ProblemKind::Malformed, text);
        }
        self.sign_draft(call, SignedCharter { charter, signatures: Vec::new() }, wanted.force);
    }

    /// The operator of a founder signs a draft.
    pub(super) fn sign_charter(&mut self, call: CallId, wanted: &api::SignCharter) {
        if !self.home.roster().is_some_and(|roster| roster.is_founder(self.me)) {
            return self.only_founders(call);
        }
        match self.draft(Hash(wanted.charter.0)).cloned() {
            Some(draft) => self.sign_draft(call, draft, wanted.force),
            None => self.no_such_charter(call),
        }
    }

    fn sign_draft(&mut self, call: CallId, mut draft: SignedCharter, force: bool) {
        let Some(roster) = self.home.roster() else { return };
        let (hash, before) = (draft.charter.hash(), roster.charter().hash());
        let other =
            self.drafts.signed.filter(|(predecessor, signed)| *predecessor == before && *signed != hash);
        if let Some((_, other)) = other.filter(|_| !force) {
            let text = format!(
                "This founder has signed another successor, {other}; if both get enough signatures, the cluster falls \
                 apart. Sign only one, or insist with --force if nobody can complete the other."
            );
            return self.refuse(call, api::ProblemKind::Forbidden, &text);
        }
        if !draft.is_signed_by(self.me) {
            draft.signatures.push(draft.charter.sign(&self.identity, &roster.cluster()));
        }
        let first = draft.signatures.first().map_or(self.me, |s| s.founder);
        self.drafts.open.insert(first, draft);
        self.drafts.signed = Some((before, hash));
        self.log(Level::Warn, &format!("this founder signs the charter {hash}"));
        // The signature is durable before anybody sees it.
        self.store_drafts(Then::Signed(call, hash));
    }

    /// The own signature is durable.
    pub(super) fn charter_signed(&mut self, call: CallId, hash: Hash) {
        if !self.adopt_if_signed(hash) {
            self.spread_draft(hash, None);
        }
        let reply =
            self.charter_view().map_or_else(|| api::Reply::Problem(self.not_joined()), api::Reply::Charter);
        self.out.push(super::Output::Reply(call, reply));
    }

    /// The operator follows a rival, and gives up the charters beside it.
    pub(super) fn switch_charter(&mut self, call: CallId, id: api::CharterId) {
        let Some(at) = self.rivals.iter().position(|rival| rival.charter.hash().0 == id.0) else {
            return self.no_such_charter(call);
        };
        let rival = self.rivals.remove(at);
        let Home::Settled(roster) = &mut self.home else { return };
        match roster.switch(rival) {
            Ok(given_up) => {
                self.rivals.push(given_up);
                let line = format!("the operator follows the charter {} instead of another one", Hash(id.0));
                self.log(Level::Warn, &line);
            }
            Err(rival) => {
                self.rivals.push(*rival);
                return self.no_such_charter(call);
            }
        }
        let writes = self.charter_writes();
        let reply =
            self.charter_view().map_or_else(|| api::Reply::Problem(self.not_joined()), api::Reply::Charter);
        self.store(writes, Then::Reply(call, Box::new(reply)));
        self.tell_charter(None);
    }

    fn only_founders(&mut self, call: CallId) {
        let text = "Only a founder of the cluster proposes and signs charters; ask one of them.";
        self.refuse(call, api::ProblemKind::Forbidden, text);
    }

    fn no_such_charter(&mut self, call: CallId) {
        let text = "This node knows no such charter; see GET /v1/charter.";
        self.refuse(call, api::ProblemKind::UnknownCharter, text);
    }

    /// The charter as the API shows it, with what may follow it.
    pub(super) fn charter_view(&self) -> Option<api::CharterView> {
        let roster = self.home.roster()?;
        let newest = SignedCharter { charter: roster.charter().clone(), signatures: Vec::new() };
        let newest = roster.chain().last().unwrap_or(newest);
        Some(api::CharterView {
            cluster: api::ClusterId(*roster.cluster().as_bytes()),
            number: u32::try_from(roster.chain().count()).unwrap_or(u32::MAX),
            charter: charter_text(&newest),
            proposed: self.drafts.open.values().map(charter_text).collect(),
            rivals: self.rivals.iter().map(charter_text).collect(),
        })
    }

    /// Charters that this node does not follow, though as many founders have signed them.
    pub(super) fn rival_charters(&self) -> Vec<api::CharterId> {
        self.rivals.iter().map(|rival| api_charter(rival.charter.hash())).collect()
    }
}

fn charter_text(signed: &SignedCharter) -> api::CharterText {
    let Charter { founders, members, created, predecessor, .. } = &signed.charter;
    let ids = |list: &[NodeId]| list.iter().copied().map(api_id).collect();
    api::CharterText {
        id: api_charter(signed.charter.hash()),
        predecessor: predecessor.map(api_charter),
        created: *created,
        founders: ids(founders),
        members: ids(members),
        signed_by: signed.signatures.iter().map(|s| api_id(s.founder)).collect(),
    }
}
