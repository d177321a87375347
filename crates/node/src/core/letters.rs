//! Letters on their way, and those that are kept. A letter goes from its sender to each recipient directly, and again on
//! every new connection and now and then, until the recipient has said that it is on its disk; then never again. What
//! somebody else passes on counts for nothing, so nobody can replay a letter but its sender, and for the sender a copy is
//! no news.
//!
//! Of each sender the newest are kept, in the order of time and id: what goes is always its oldest, and nothing that is
//! not newer than the newest one gone is taken again. So a sender pushes out nobody's letters but its own.

use std::collections::{BTreeMap, BTreeSet};

use consign_api as api;

use super::hash::Hash;
use super::letter::{Letter, SignedLetter};
use super::node::{Node, OpenError, Then};
use super::records::{BadRecord, decode, encode};
use super::requests::MAX_SKEW_S;
use super::views::api_id;
use super::wire::PeerMessage;
use super::{CallId, Level};
use crate::identity::NodeId;
use crate::store::{Store, Table, Write};

/// Most letters of one sender that are kept.
pub const MAX_LETTERS_OF_ONE: usize = 256;
/// Most letters that are kept: past it, whoever has most loses its oldest. At most 32 MiB of text.
pub const MAX_LETTERS: usize = 2_048;
/// How long a letter is kept after it was sent, in seconds: a week.
pub const LETTER_KEPT_S: u64 = 7 * 24 * 60 * 60;
/// Most letters that this node sends in a minute.
pub const MAX_SENT_PER_MINUTE: u32 = 60;
/// Most new ones that it takes of one sender in a minute: all that waited for it, and what is sent meanwhile.
pub const MAX_HEARD_PER_MINUTE: u32 = 600;
/// Most letters under way to one peer, not acknowledged.
const WINDOW: usize = 32;
/// How often letters that are not acknowledged are sent again over a connection, in milliseconds.
const AGAIN_MS: u64 = 60_000;
/// A minute, in milliseconds.
const MINUTE_MS: u64 = 60_000;

/// How the keys of the table begin: letters by number, recipients by id, marks by sender, the next number.
const NUMBERED: u8 = b'm';
const RECIPIENTS: u8 = b'o';
const FLOOR: u8 = b'f';
const NEXT: &[u8] = b"n";

/// The order in which letters of one sender go.
type Age = (u64, Hash);

struct Kept {
    signed: SignedLetter,
    id: Hash,
    received: u64,
}

impl Kept {
    fn age(&self) -> Age {
        (self.signed.letter.created, self.id)
    }
}

/// How many there were since a time, for a minute.
#[derive(Default, Clone, Copy)]
struct Rate {
    since: u64,
    count: u32,
}

impl Rate {
    fn allows(&mut self, now: u64, most: u32) -> bool {
        if now.saturating_sub(self.since) >= MINUTE_MS {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count <= most
    }
}

/// All letters of a node.
#[derive(Default)]
pub(super) struct Letters {
    /// By the number under which they came.
    kept: BTreeMap<u64, Kept>,
    numbers: BTreeMap<Hash, u64>,
    /// Of own letters: who has not said that it has it.
    waiting: BTreeMap<Hash, BTreeSet<NodeId>>,
    /// By sender: the newest that is gone.
    floors: BTreeMap<NodeId, Age>,
    next: u64,
    /// What was sent over the present connection, by peer.
    under_way: BTreeMap<NodeId, BTreeSet<Hash>>,
    heard: BTreeMap<NodeId, Rate>,
    sent: Rate,
    again: u64,
}

/// Why a letter is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Not {
    /// It was here.
    News,
    /// It never will be.
    Valid,
}

impl Letters {
    /// Reads them all.
    pub(super) fn read(store: &dyn Store) -> Result<Self, OpenError> {
        let bad = |source| OpenError::Record { what: "a message", source };
        let mut all = Self::default();
        for (key, value) in store.list(Table::Messages)? {
            match key.split_first() {
                Some((&NUMBERED, rest)) => {
                    let number = u64::from_be_bytes(rest.try_into().map_err(|_| bad(BadRecord))?);
                    let (received, signed): (u64, SignedLetter) = decode(&value).map_err(bad)?;
                    let id = signed.letter.id();
                    all.numbers.insert(id, number);
                    all.kept.insert(number, Kept { signed, id, received });
                    all.next = all.next.max(number.saturating_add(1));
                }
                Some((&RECIPIENTS, rest)) => {
                    let id = Hash(rest.try_into().map_err(|_| bad(BadRecord))?);
                    all.waiting.insert(id, decode(&value).map_err(bad)?);
                }
                Some((&FLOOR, _)) => {
                    let (sender, age) = decode(&value).map_err(bad)?;
                    all.floors.insert(sender, age);
                }
                _ if key == NEXT => all.next = all.next.max(decode(&value).map_err(bad)?),
                _ => return Err(bad(BadRecord)),
            }
        }
        Ok(all)
    }

    fn of(&self, sender: NodeId) -> impl Iterator<Item = (&u64, &Kept)> {
        self.kept.iter().filter(move |(_, kept)| kept.signed.letter.from == sender)
    }

    fn oldest_of(&self, sender: NodeId) -> Option<(u64, Age)> {
        self.of(sender).map(|(number, kept)| (*number, kept.age())).min_by_key(|(_, age)| *age)
    }

    fn crowd(&self) -> Option<NodeId> {
        let mut counts: BTreeMap<NodeId, usize> = BTreeMap::new();
        for kept in self.kept.values() {
            *counts.entry(kept.signed.letter.from).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(sender, _)| sender)
    }

    /// Takes a letter that is valid, with its number and what is to be written.
    fn add(
        &mut self,
        signed: SignedLetter,
        to: BTreeSet<NodeId>,
        unix: u64,
    ) -> Result<(u64, Vec<Write>), Not> {
        let (sender, id, created) = (signed.letter.from, signed.letter.id(), signed.letter.created);
        if created > unix.saturating_add(MAX_SKEW_S) {
            return Err(Not::Valid);
        }
        let age = (created, id);
        let is_gone = self.floors.get(&sender).is_some_and(|floor| age <= *floor);
        if is_gone || self.numbers.contains_key(&id) || created.saturating_add(LETTER_KEPT_S) <= unix {
            return Err(Not::News);
        }
        let mut writes = Vec::new();
        if self.of(sender).count() >= MAX_LETTERS_OF_ONE {
            let (oldest, its_age) = self.oldest_of(sender).ok_or(Not::News)?;
            if age < its_age {
                return Err(Not::News);
            }
            writes.extend(self.drop(oldest));
        } else if self.kept.len() >= MAX_LETTERS {
            let crowd = self.crowd().ok_or(Not::News)?;
            let (oldest, its_age) = self.oldest_of(crowd).ok_or(Not::News)?;
            if crowd == sender && age < its_age {
                return Err(Not::News);
            }
            writes.extend(self.drop(oldest));
        }
        let number = self.next;
        self.next = self.next.saturating_add(1);
        writes.push(Write::put(Table::Messages, number_key(number), encode(&(unix, &signed))));
        if !to.is_empty() {
            writes.push(Write::put(Table::Messages, recipients_key(&id), encode(&to)));
            self.waiting.insert(id, to);
        }
        self.numbers.insert(id, number);
        self.kept.insert(number, Kept { signed, id, received: unix });
        Ok((number, writes))
    }

    /// Forgets a letter, but not how old it was.
    fn drop(&mut self, number: u64) -> Vec<Write> {
        let Some(kept) = self.kept.remove(&number) else { return Vec::new() };
        let sender = kept.signed.letter.from;
        self.numbers.remove(&kept.id);
        self.waiting.remove(&kept.id);
        let floor = self.floors.entry(sender).or_insert(kept.age());
        *floor = (*floor).max(kept.age());
        vec![
            Write::delete(Table::Messages, number_key(number)),
            Write::delete(Table::Messages, recipients_key(&kept.id)),
            Write::put(Table::Messages, floor_key(sender), encode(&(sender, *floor))),
            Write::put(Table::Messages, NEXT, encode(&self.next)),
        ]
    }

    /// Forgets what is too old.
    fn expire(&mut self, unix: u64) -> Vec<Write> {
        let is_old = |kept: &Kept| kept.signed.letter.created.saturating_add(LETTER_KEPT_S) <= unix;
        let old: Vec<_> =
            self.kept.iter().filter(|(_, kept)| is_old(kept)).map(|(number, _)| *number).collect();
        old.into_iter().flat_map(|number| self.drop(number)).collect()
    }

    /// A recipient has it. Returns what is to be written.
    fn delivered(&mut self, to: NodeId, id: &Hash) -> Option<Write> {
        if let Some(under_way) = self.under_way.get_mut(&to) {
            under_way.remove(id);
        }
        let waiting = self.waiting.get_mut(id)?;
        if !waiting.remove(&to) {
            return None;
        }
        if !waiting.is_empty() {
            return Some(Write::put(Table::Messages, recipients_key(id), encode(&waiting)));
        }
        self.waiting.remove(id);
        Some(Write::delete(Table::Messages, recipients_key(id)))
    }

    /// The next letters for a peer, oldest first, as far as the window allows.
    fn due(&mut self, to: NodeId) -> Vec<SignedLetter> {
        let under_way = self.under_way.entry(to).or_default();
        let mut due = Vec::new();
        for kept in self.kept.values() {
            if under_way.len() >= WINDOW {
                break;
            }
            if self.waiting.get(&kept.id).is_some_and(|waiting| waiting.contains(&to))
                && under_way.insert(kept.id)
            {
                due.push(kept.signed.clone());
            }
        }
        due
    }

    fn view(&self, number: u64) -> Option<api::MessageView> {
        let Kept { signed: SignedLetter { letter, .. }, id, received } = self.kept.get(&number)?;
        let undelivered = self.waiting.get(id).into_iter().flatten().copied().map(api_id).collect();
        Some(api::MessageView {
            number,
            id: api::MessageId(id.0),
            from: api_id(letter.from),
            to: letter.to.map(api_id),
            topic: letter.topic.clone().try_into().ok()?,
            text: letter.text.clone().try_into().ok()?,
            created: letter.created,
            received: *received,
            undelivered,
        })
    }
}

fn number_key(number: u64) -> Vec<u8> {
    [&[NUMBERED][..], &number.to_be_bytes()].concat()
}

fn recipients_key(id: &Hash) -> Vec<u8> {
    [&[RECIPIENTS][..], &id.0].concat()
}

fn floor_key(sender: NodeId) -> Vec<u8> {
    [&[FLOOR][..], sender.as_bytes()].concat()
}

impl Node {
    /// A client sends a message; answered when it is durable.
    pub(super) fn send_letter(&mut self, call: CallId, wanted: api::SendMessage) {
        use api::ProblemKind::{Forbidden, Malformed, TooMany, UnknownValidator};
        let Some(roster) = self.home.roster().filter(|roster| roster.is_member(self.me)) else {
            let problem = self.not_joined();
            return self.out.push(super::Output::Reply(call, api::Reply::Problem(problem)));
        };
        let recipients: BTreeSet<NodeId> = match wanted.to {
            None => {
                let others = |id: &NodeId| *id != self.me && !self.blocked.contains(id);
                roster.members().into_iter().filter(others).collect()
            }
            Some(to) => match NodeId::from_bytes(&to.0).ok().filter(|to| roster.knows(*to)) {
                None => return self.refuse(call, UnknownValidator, "The roster has no such validator."),
                Some(to) if to == self.me => {
                    return self.refuse(call, Malformed, "A node sends no message to itself.");
                }
                Some(to) if self.blocked.contains(&to) => {
                    return self.refuse(
                        call,
                        Forbidden,
                        "The operator of this node has blocked that validator.",
                    );
                }
                Some(to) => BTreeSet::from([to]),
            },
        };
        if !self.letters.sent.allows(self.now.monotonic, MAX_SENT_PER_MINUTE) {
            let text = "This node sends only so many messages in a minute; wait a moment.";
            let problem = api::Problem::new(TooMany, text).retry_after(60);
            return self.out.push(super::Output::Reply(call, api::Reply::Problem(problem)));
        }
        let to = wanted.to.and_then(|to| NodeId::from_bytes(&to.0).ok());
        let letter = Letter {
            cluster: self.cluster(),
            from: self.me,
            to,
            topic: wanted.topic.into(),
            text: wanted.text.into(),
            created: self.now.unix,
            nonce: self.random(),
        };
        let added = self.letters.add(letter.sign(&self.identity), recipients.clone(), self.now.unix);
        let Ok((number, writes)) = added else {
            let text = "This node has sent later messages already: its clock was set back; set it right.";
            return self.refuse(call, api::ProblemKind::Internal, text);
        };
        self.store(writes, Then::Sent(call, number));
    }

    /// The own letter is durable: it may leave.
    pub(super) fn letter_stored(&mut self, call: CallId, number: u64) {
        let Some(view) = self.letters.view(number) else {
            return self.refuse(call, api::ProblemKind::Busy, "The message was pushed out by later ones.");
        };
        let to: Vec<_> = view.undelivered.iter().filter_map(|id| NodeId::from_bytes(&id.0).ok()).collect();
        self.out.push(super::Output::Reply(call, api::Reply::Message(view)));
        for peer in to {
            self.flush_letters(peer);
        }
    }

    fn flush_letters(&mut self, peer: NodeId) {
        if !self.may_be_asked(peer) {
            return;
        }
        for signed in self.letters.due(peer) {
            self.send(peer, &PeerMessage::Letter(Box::new(signed)));
        }
    }

    /// A new connection: what is not acknowledged is sent again, and nothing else.
    pub(super) fn letters_to(&mut self, peer: NodeId) {
        self.letters.under_way.remove(&peer);
        self.flush_letters(peer);
    }

    /// A peer sends a letter of its own.
    pub(super) fn hear_letter(&mut self, from: NodeId, signed: SignedLetter) {
        let letter = &signed.letter;
        let for_me = letter.to.is_none_or(|to| to == self.me);
        if !self.is_member(from) || letter.from != from || !for_me {
            return self.dropped(from, "a letter that is not for this node, or not from whom it says");
        }
        let now = self.now.monotonic;
        if !self.letters.heard.entry(from).or_default().allows(now, MAX_HEARD_PER_MINUTE) {
            return self.dropped(from, "more letters than one node may send in a minute");
        }
        if !signed.is_valid_in(&self.cluster()) {
            return self.dropped(from, "a letter that does not hold");
        }
        let (id, topic) = (letter.id(), letter.topic.clone());
        match self.letters.add(signed, BTreeSet::new(), self.now.unix) {
            Ok((_, writes)) => {
                self.log(Level::Debug, &format!("a message of {from} about {topic}"));
                self.store(writes, Then::Received(from, id));
            }
            // Its sender need not try again.
            Err(Not::News) => self.send(from, &PeerMessage::Received(vec![id])),
            Err(Not::Valid) => self.dropped(from, "a letter from the future: compare the clocks"),
        }
    }

    /// A recipient has letters of this node on its disk.
    pub(super) fn hear_received(&mut self, from: NodeId, ids: &[Hash]) {
        let writes: Vec<_> =
            ids.iter().take(WINDOW).filter_map(|id| self.letters.delivered(from, id)).collect();
        if !writes.is_empty() {
            self.store(writes, Then::Rest);
        }
        self.flush_letters(from);
    }

    pub(super) fn tick_letters(&mut self) {
        if self.now.monotonic < self.letters.again {
            return;
        }
        self.letters.again = self.now.monotonic.saturating_add(AGAIN_MS);
        let writes = self.letters.expire(self.now.unix);
        // One transaction takes only so many.
        for some in writes.chunks(crate::store::MAX_WRITES) {
            self.store(some.to_vec(), Then::Rest);
        }
        let now = self.now.monotonic;
        self.letters.heard.retain(|_, rate| now.saturating_sub(rate.since) < MINUTE_MS);
        self.letters.under_way.clear();
        let waiting: BTreeSet<_> = self.letters.waiting.values().flatten().copied().collect();
        for peer in waiting {
            self.flush_letters(peer);
        }
    }

    /// A page of the letters that came after a number, oldest first.
    pub(super) fn list_letters(&self, query: &api::MessageQuery) -> api::Reply {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = query.after.map_or(Unbounded, Excluded);
        let fits =
            |kept: &Kept| query.topic.as_ref().is_none_or(|topic| topic.as_str() == kept.signed.letter.topic);
        let mut numbers = self
            .letters
            .kept
            .range((from, Unbounded))
            .filter(|(_, kept)| fits(kept))
            .map(|(number, _)| *number);
        let items: Vec<_> =
            numbers.by_ref().take(query.size()).filter_map(|number| self.letters.view(number)).collect();
        let next = items.last().filter(|_| numbers.next().is_some()).map(|view| view.number.to_string());
        api::Reply::Messages(api::Page { items, next })
    }
}

#[cfg(test)]
#[path = "letters_tests.rs"]
mod tests;
