//! How a node comes into a cluster: it shows its invitation's token to the founder that made it, and gets the roster
//! with the founder's vouch. A token serves once: it is struck out in the transaction that makes the vouch durable.
//! Without an invitation it asks at one address, and waits until the founders vouch (`joiners.rs`).

use std::collections::BTreeMap;

use consign_api as api;
use serde::{Deserialize, Serialize};

use super::hash::{Hash, Items};
use super::invitation::Invitation;
use super::node::{Node, OpenError, Then};
use super::proposal::MAX_REASON_BYTES;
use super::records::{CHARTER, DOOR, INVITATION, STATEMENTS, SUCCESSORS, TOKEN, decode, encode};
use super::roster::{Charter, Rejected, Roster, Says, Signed, SignedCharter, Statement};
use super::votes::{Cause, MAX_VOTES};
use super::wire::PeerMessage;
use super::{CallId, Level, Output};
use crate::identity::{ClusterId, NodeId};
use crate::store::{Store, Table, Write};

/// Most invitations that may be open at once.
pub const MAX_OPEN_INVITATIONS: usize = 1000;
/// How long a joiner waits before it shows its token again, in milliseconds: its founder may have been away. Doubled
/// with every refusal for the same reason.
pub const JOIN_AGAIN_MS: u64 = 5_000;
/// Longest such pause, in milliseconds.
pub const MAX_JOIN_PAUSE_MS: u64 = 10 * 60 * 1000;
/// Why nobody can be let in any more.
pub(super) const ROSTER_FULL: &str =
    "The roster holds as many validators as it may, those that were revoked included.";

/// The cluster of a node.
pub(super) enum Home {
    /// It has not been let in yet.
    Asking(Box<Asking>),
    /// It knows the roster.
    Settled(Box<Roster>),
}

/// Where a node without an invitation asks to be let in, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// The cluster id.
    pub cluster: ClusterId,
    /// A member of the cluster.
    pub peer: NodeId,
    /// Where it listens.
    pub addresses: Vec<String>,
}

/// A joiner's state.
pub(super) struct Asking {
    /// Whom it asks, and believes which cluster it is in as far as the charters prove it.
    pub(super) door: Door,
    /// What its invitation, if it has one, lets it show.
    token: Option<[u8; 16]>,
    /// The newest charter by its invitation.
    newest: Option<Hash>,
    /// The charters that the node asked has shown. Not verified.
    pub(super) chain: Vec<SignedCharter>,
    /// When to ask again.
    next: u64,
    /// How long to wait until then.
    pause: u64,
    /// What was answered last.
    pub(super) refused: Option<String>,
}

impl Asking {
    /// The empty roster under a charter, if it is proven to be of the cluster, and no older than the invitation.
    fn roster_under(&self, charter: Charter) -> Result<Roster, Rejected> {
        let first = match charter.predecessor {
            None => charter.clone(),
            Some(_) => self.chain.first().ok_or(Rejected::WrongCharter)?.charter.clone(),
        };
        let mut roster = Roster::join(self.door.cluster, first)?;
        if charter.predecessor.is_some() {
            for next in self.chain.iter().skip(1) {
                roster.succeed(next.clone())?;
            }
        }
        let is_new = |newest: Hash| roster.chain().any(|known| known.charter.hash() == newest);
        let fits = *roster.charter() == charter && self.newest.is_none_or(is_new);
        if fits { Ok(roster) } else { Err(Rejected::WrongCharter) }
    }
}

impl Home {
    /// Reads charter and statements, or else the invitation.
    pub(super) fn read(store: &dyn Store) -> Result<Self, OpenError> {
        let bad = |what| move |source| OpenError::Record { what, source };
        let Some(charter) = store.get(Table::Roster, CHARTER)? else {
            let (door, token, newest) = match store.get(Table::Meta, INVITATION)? {
                Some(value) => {
                    let Invitation { cluster, founder, addresses, token, charter, .. } =
                        decode(&value).map_err(bad("the invitation"))?;
                    (Door { cluster, peer: founder, addresses }, Some(token), Some(charter))
                }
                None => {
                    let value = store.get(Table::Meta, DOOR)?.ok_or(OpenError::NoCluster)?;
                    (decode(&value).map_err(bad("the address to join at"))?, None, None)
                }
            };
            let (chain, pause) = (Vec::new(), JOIN_AGAIN_MS);
            let asking = Asking { door, token, newest, chain, next: 0, pause, refused: None };
            return Ok(Self::Asking(Box::new(asking)));
        };
        let charter: Charter = decode(&charter).map_err(bad("the charter"))?;
        let damaged = |_| bad("the charter")(super::records::BadRecord);
        let mut roster = Roster::found(charter).map_err(damaged)?;
        if let Some(value) = store.get(Table::Roster, SUCCESSORS)? {
            for next in decode::<Vec<SignedCharter>>(&value).map_err(bad("the charters"))? {
                roster.succeed(next).map_err(damaged)?;
            }
        }
        if let Some(value) = store.get(Table::Roster, STATEMENTS)? {
            roster.merge(decode::<Vec<Signed>>(&value).map_err(bad("the roster"))?);
        }
        Ok(Self::Settled(Box::new(roster)))
    }

    pub(super) fn cluster(&self) -> ClusterId {
        match self {
            Self::Asking(asking) => asking.door.cluster,
            Self::Settled(roster) => roster.cluster(),
        }
    }

    pub(super) fn roster(&self) -> Option<&Roster> {
        match self {
            Self::Asking(_) => None,
            Self::Settled(roster) => Some(roster),
        }
    }

    /// Adds a statement to the roster, if there is one.
    pub(super) fn add(&mut self, signed: Signed) -> Result<bool, Rejected> {
        match self {
            Self::Asking(_) => Ok(false),
            Self::Settled(roster) => roster.add(signed),
        }
    }

    /// Adds many.
    pub(super) fn merge(&mut self, statements: Vec<Signed>) -> (Vec<Signed>, usize) {
        match self {
            Self::Asking(_) => (Vec::new(), 0),
            Self::Settled(roster) => roster.merge(statements),
        }
    }

    /// Stores all statements that count.
    pub(super) fn statements(&self) -> Write {
        let all: Vec<_> = self.roster().into_iter().flat_map(Roster::statements).collect();
        Write::put(Table::Roster, STATEMENTS, encode(&all))
    }
}

/// The tokens of all open invitations.
pub(super) fn read_tokens(store: &dyn Store) -> Result<BTreeMap<Hash, u64>, OpenError> {
    let mut tokens = BTreeMap::new();
    for (key, value) in store.list(Table::Meta)? {
        let Some(hash) = key.strip_prefix(TOKEN).and_then(|h| <[u8; 32]>::try_from(h).ok()) else { continue };
        let expires =
            decode(&value).map_err(|source| OpenError::Record { what: "an invitation's token", source })?;
        tokens.insert(Hash(hash), expires);
    }
    Ok(tokens)
}

fn token_hash(token: &[u8; 16]) -> Hash {
    Items::new("token").bytes("token", token).hash()
}

pub(super) fn token_key(hash: &Hash) -> Vec<u8> {
    [TOKEN, &hash.0].concat()
}

impl Node {
    /// Makes an invitation; it is told once its token is durable.
    pub(super) fn invite(&mut self, call: CallId, valid_for: u32) {
        let Some(roster) = self.home.roster().filter(|r| r.is_founder(self.me)) else {
            let text = "Only a founder of the cluster invites; ask one of them.";
            return self.refuse(call, api::ProblemKind::Forbidden, text);
        };
        if !roster.has_room() {
            return self.refuse(call, api::ProblemKind::TooMany, ROSTER_FULL);
        }
        let (cluster, charter) = (roster.cluster(), roster.charter().hash());
        let now = self.now.unix;
        let expired: Vec<Hash> =
            self.tokens.iter().filter(|(_, expires)| **expires <= now).map(|(hash, _)| *hash).collect();
        let mut writes = Vec::new();
        for hash in expired {
            self.tokens.remove(&hash);
            writes.push(Write::delete(Table::Meta, token_key(&hash)));
        }
        if self.tokens.len() >= MAX_OPEN_INVITATIONS {
            let text = "Too many invitations are open; wait until some have expired.";
            return self.refuse(call, api::ProblemKind::TooMany, text);
        }
        let token = self.random();
        let expires = now.saturating_add(valid_for.into());
        let hash = token_hash(&token);
        self.tokens.insert(hash, expires);
        writes.push(Write::put(Table::Meta, token_key(&hash), encode(&expires)));
        let addresses = self.settings.addresses.clone();
        let invitation = Invitation { cluster, charter, founder: self.me, addresses, expires, token };
        let view = api::InvitationView { invitation: invitation.to_string(), valid_for };
        self.store(writes, Then::Reply(call, Box::new(api::Reply::Invitation(view))));
    }

    /// Asks to be let in, with the token if there is one, when it is time.
    pub(super) fn ask_in(&mut self) {
        let now = self.now.monotonic;
        let announce = self.own_announcement();
        let Home::Asking(asking) = &mut self.home else { return };
        let (cluster, peer, token) = (asking.door.cluster, asking.door.peer, asking.token);
        if now < asking.next || !self.peers.get(&peer).is_some_and(|p| p.up) {
            return;
        }
        asking.next = now.saturating_add(asking.pause);
        let says = Statement { cluster, author: self.me, sequence: 1, says: announce };
        let announce = says.sign(&self.identity);
        let message = match token {
            Some(token) => PeerMessage::Join { cluster, token, announce },
            None => PeerMessage::AskIn { cluster, announce },
        };
        self.send(peer, &message);
    }

    /// Somebody shows a token.
    pub(super) fn hear_join(&mut self, from: NodeId, cluster: ClusterId, token: &[u8; 16], announce: Signed) {
        let now = self.now.unix;
        let hash = token_hash(token);
        let Some(roster) = self.home.roster() else {
            return self.turn_away(from, "this node is not in a cluster yet");
        };
        if cluster != roster.cluster() {
            return self.turn_away(from, "the invitation is for another cluster");
        }
        if roster.is_member(from) {
            // It was let in before and may not have heard of it.
            return self.welcome(from);
        }
        let vouched =
            roster.vote(self.me, from).is_some_and(|vote| matches!(vote.statement.says, Says::Vouch(_)));
        if vouched && roster.is_founder(self.me) {
            // The token has served, and other founders are to vouch.
            return self.hear_ask_in(from, cluster, announce);
        }
        if !roster.is_founder(self.me) || self.tokens.get(&hash).is_none_or(|expires| *expires <= now) {
            if self.votes.contains_key(&from) {
                // Shown before, and being served.
                return;
            }
            let why = "the invitation was used, has expired, or is not from this node: ask for a new one";
            return self.turn_away(from, why);
        }
        if !roster.has_room() {
            return self.turn_away(from, ROSTER_FULL);
        }
        if announce.statement.author != from || !announce.is_record_in(&cluster) {
            return self.turn_away(from, "what it says of itself does not hold");
        }
        if self.votes.len() >= MAX_VOTES || self.votes.contains_key(&from) {
            // It shows its token again.
            return;
        }
        self.tokens.remove(&hash);
        self.log(Level::Info, &format!("{from} joins with an invitation"));
        self.vote(from, true, Cause::Invitation(hash, Box::new(announce)));
    }

    /// Sends the whole roster to somebody who has just become a member.
    pub(super) fn welcome(&mut self, joiner: NodeId) {
        self.send_whole_roster(joiner);
    }

    pub(super) fn turn_away(&mut self, from: NodeId, why: &str) {
        self.log(Level::Info, &format!("{from} was not let in: {why}"));
        self.send(from, &PeerMessage::JoinRefused(why.to_owned()));
    }

    /// This node is not let in, or not yet.
    pub(super) fn hear_refused(&mut self, from: NodeId, mut why: String) {
        let now = self.now.monotonic;
        let Home::Asking(asking) = &mut self.home else { return };
        if asking.door.peer != from {
            return;
        }
        let end = (0..=MAX_REASON_BYTES.min(why.len())).rev().find(|i| why.is_char_boundary(*i));
        why.truncate(end.unwrap_or(0));
        why.retain(|c| !c.is_control());
        if asking.refused.as_ref() == Some(&why) {
            // The same again is no news: this node asks less and less often, and says nothing.
            asking.pause = asking.pause.saturating_mul(2).min(MAX_JOIN_PAUSE_MS);
            asking.next = now.saturating_add(asking.pause);
            return;
        }
        asking.pause = JOIN_AGAIN_MS;
        asking.refused = Some(why.clone());
        self.log(Level::Warn, &format!("the node asked does not let this node in: {why}"));
    }

    /// The roster by which this node is let in.
    pub(super) fn settle(&mut self, from: NodeId, charter: Charter, statements: Vec<Signed>) {
        let Home::Asking(asking) = &self.home else { return };
        if asking.door.peer != from {
            return self.dropped(from, "a roster from somebody other than the node asked");
        }
        let Ok(mut roster) = asking.roster_under(charter) else {
            return self.dropped(
                from,
                "a charter that does not follow from that of the cluster, or is not the newest",
            );
        };
        roster.merge(statements);
        if !roster.is_member(self.me) {
            return self.dropped(from, "a roster without this node");
        }
        let kept: Vec<_> = roster.statements().cloned().collect();
        let writes = vec![
            Write::put(Table::Roster, CHARTER, encode(&roster.first())),
            Write::put(Table::Roster, SUCCESSORS, encode(&roster.chain().skip(1).collect::<Vec<_>>())),
            Write::put(Table::Roster, STATEMENTS, encode(&kept)),
            Write::delete(Table::Meta, INVITATION),
            Write::delete(Table::Meta, DOOR),
        ];
        self.log(Level::Info, &format!("joined the cluster {}", roster.cluster()));
        self.home = Home::Settled(Box::new(roster));
        self.store(writes, Then::Rest);
        self.announce();
        self.name_peers();
    }

    /// Answers a call with a problem.
    pub(super) fn refuse(&mut self, call: CallId, kind: api::ProblemKind, text: &str) {
        self.out.push(Output::Reply(call, api::Reply::Problem(api::Problem::new(kind, text))));
    }
}
