//! How a node comes into a cluster: it shows its invitation's token to the founder that made it, and gets the roster
//! with the founder's vouch. A token serves once: it is struck out in the transaction that makes the vouch durable.

use std::collections::BTreeMap;

use consign_api as api;

use super::hash::{Hash, Items};
use super::invitation::Invitation;
use super::node::{Node, OpenError, Then};
use super::proposal::MAX_REASON_BYTES;
use super::records::{CHARTER, INVITATION, STATEMENTS, TOKEN, decode, encode};
use super::roster::{Charter, Roster, Says, Signed, Statement};
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
const ROSTER_FULL: &str = "The roster holds as many validators as it may, those that were revoked included.";

/// The cluster of a node.
pub(super) enum Home {
    /// It has an invitation and has not been let in yet.
    Asking(Box<Asking>),
    /// It knows the roster.
    Settled(Box<Roster>),
}

/// A joiner's state.
pub(super) struct Asking {
    pub(super) invitation: Invitation,
    /// When to show the token again.
    next: u64,
    /// How long to wait until then.
    pause: u64,
    /// What the founder answered last.
    pub(super) refused: Option<String>,
}

impl Home {
    /// Reads charter and statements, or else the invitation.
    pub(super) fn read(store: &dyn Store) -> Result<Self, OpenError> {
        let bad = |what| move |source| OpenError::Record { what, source };
        let Some(charter) = store.get(Table::Roster, CHARTER)? else {
            let value = store.get(Table::Meta, INVITATION)?.ok_or(OpenError::NoCluster)?;
            let invitation = decode(&value).map_err(bad("the invitation"))?;
            return Ok(Self::Asking(Box::new(Asking {
                invitation,
                next: 0,
                pause: JOIN_AGAIN_MS,
                refused: None,
            })));
        };
        let charter: Charter = decode(&charter).map_err(bad("the charter"))?;
        let damaged = |_| bad("the charter")(super::records::BadRecord);
        let mut roster = Roster::found(charter).map_err(damaged)?;
        if let Some(value) = store.get(Table::Roster, STATEMENTS)? {
            roster.merge(decode::<Vec<Signed>>(&value).map_err(bad("the roster"))?);
        }
        Ok(Self::Settled(Box::new(roster)))
    }

    pub(super) fn cluster(&self) -> ClusterId {
        match self {
            Self::Asking(asking) => asking.invitation.cluster,
            Self::Settled(roster) => roster.cluster(),
        }
    }

    pub(super) fn roster(&self) -> Option<&Roster> {
        match self {
            Self::Asking(_) => None,
            Self::Settled(roster) => Some(roster),
        }
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

fn token_key(hash: &Hash) -> Vec<u8> {
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

    /// Shows the token, when it is time.
    pub(super) fn ask_in(&mut self) {
        let now = self.now.monotonic;
        let announce = self.own_announcement();
        let Home::Asking(asking) = &mut self.home else { return };
        let founder = asking.invitation.founder;
        if now < asking.next || !self.peers.get(&founder).is_some_and(|p| p.up) {
            return;
        }
        asking.next = now.saturating_add(asking.pause);
        let Invitation { cluster, token, .. } = asking.invitation;
        let says = Statement { cluster, author: self.me, sequence: 1, says: announce };
        let announce = says.sign(&self.identity);
        self.send(founder, &PeerMessage::Join { cluster, token, announce });
    }

    /// Somebody shows a token.
    pub(super) fn hear_join(&mut self, from: NodeId, cluster: ClusterId, token: &[u8; 16], announce: Signed) {
        let now = self.now.unix;
        let hash = token_hash(token);
        let Home::Settled(roster) = &mut self.home else {
            return self.turn_away(from, "this node is not in a cluster yet");
        };
        if cluster != roster.cluster() {
            return self.turn_away(from, "the invitation is for another cluster");
        }
        if roster.is_member(from) {
            // It was let in before and may not have heard of it.
            return self.welcome(from);
        }
        if !roster.is_founder(self.me) || self.tokens.get(&hash).is_none_or(|expires| *expires <= now) {
            let why = "the invitation was used, has expired, or is not from this node: ask for a new one";
            return self.turn_away(from, why);
        }
        if !roster.has_room() {
            return self.turn_away(from, ROSTER_FULL);
        }
        self.tokens.remove(&hash);
        let vouch = roster.next(self.me, Says::Vouch(from)).map(|s| s.sign(&self.identity));
        let (news, refused) = roster.merge(vouch.into_iter().chain([announce]).collect());
        if refused > 0 {
            self.dropped(from, "an announcement that does not hold");
        }
        let statements: Vec<_> = self.home.roster().into_iter().flat_map(Roster::statements).collect();
        let writes = vec![
            Write::put(Table::Roster, STATEMENTS, encode(&statements)),
            Write::delete(Table::Meta, token_key(&hash)),
        ];
        self.log(Level::Info, &format!("{from} joins with an invitation"));
        self.store(writes, Then::Welcome(from));
        self.push_roster(news, Some(from));
        self.name_peers();
    }

    /// Sends the whole roster to somebody who has just become a member.
    pub(super) fn welcome(&mut self, joiner: NodeId) {
        self.send_whole_roster(joiner);
    }

    fn turn_away(&mut self, from: NodeId, why: &str) {
        self.log(Level::Info, &format!("{from} was not let in: {why}"));
        self.send(from, &PeerMessage::JoinRefused(why.to_owned()));
    }

    /// The founder does not let this node in.
    pub(super) fn hear_refused(&mut self, from: NodeId, mut why: String) {
        let now = self.now.monotonic;
        let Home::Asking(asking) = &mut self.home else { return };
        if asking.invitation.founder != from {
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
        self.log(Level::Warn, &format!("the founder does not let this node in: {why}"));
    }

    /// The roster that the founder answers a token with.
    pub(super) fn settle(&mut self, from: NodeId, charter: Charter, statements: Vec<Signed>) {
        let Home::Asking(asking) = &self.home else { return };
        if asking.invitation.founder != from {
            return self.dropped(from, "a roster from somebody other than the founder asked");
        }
        let Ok(mut roster) = Roster::join(asking.invitation.cluster, charter) else {
            return self.dropped(from, "the charter of another cluster");
        };
        roster.merge(statements);
        if !roster.is_member(self.me) {
            return self.dropped(from, "a roster without this node");
        }
        let kept: Vec<_> = roster.statements().cloned().collect();
        let writes = vec![
            Write::put(Table::Roster, CHARTER, encode(roster.charter())),
            Write::put(Table::Roster, STATEMENTS, encode(&kept)),
            Write::delete(Table::Meta, INVITATION),
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
