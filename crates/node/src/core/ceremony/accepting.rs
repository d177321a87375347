//! Round 0 at a participant: examine, accept, enter (`docs/spec/params.md`, section 1.6). It believes nothing the
//! proposer says: it makes the proposal again from the client's request and its own records, and compares.

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_api as api;
use zeroize::Zeroizing;

use super::super::Level;
use super::super::hash::Hash;
use super::super::jobs::{Enter, Materials, Work};
use super::super::keys::Key;
use super::super::node::{For, Node, Then};
use super::super::proposal::{Accept, Drawn, Kind, PROTOCOL_VERSION, Proposal, Refusal};
use super::super::records::{RequestRecord, encode};
use super::super::requests::{self, Free, MAX_REQUESTS, MAX_TRIES, RawRequest, Wanted, level_of, request_id};
use super::super::wire::PeerMessage;
use super::inbox::Inbox;
use super::priming::PREPARING_MS;
use super::{Ceremony, End, MAX_DEADLINE_MS, Part, Running};
use crate::identity::NodeId;
use crate::store::{Table, Write};

/// A repeated proposal within this time gets the same accept again, in milliseconds: it is a copy, or the accept is
/// still on its way.
const REDRAW_MS: u64 = 3_000;
/// Most accepts of one participant that are good at once.
const MAX_DRAWS: usize = 2;

/// How long a participant waits for a start, in milliseconds: others may have to find primes first.
fn wait_ms(kind: Kind) -> u64 {
    match kind {
        Kind::Aux => 15 * 60 * 1000,
        Kind::Keygen | Kind::Sign => 30_000,
    }
}

impl Node {
    /// Somebody asks this node to take part.
    pub(in super::super) fn hear_proposal(&mut self, from: NodeId, proposal: Proposal) {
        if proposal.proposer != from || !proposal.is_well_formed() {
            return self.dropped(from, "a proposal of somebody else, or out of order");
        }
        let Some(me) = proposal.index_of(self.me) else {
            return self.dropped(from, "a proposal without this node");
        };
        let hash = proposal.hash();
        if self.ceremonies.contains_key(&hash) {
            return self.asked_again(hash);
        }
        let wanted = match self.examine(&proposal) {
            Ok(wanted) if !self.busy() && !self.asks_too_much(from, proposal.kind) => wanted,
            Ok(_) => return self.answer_no(from, &proposal, me, "this node has all the work it may take"),
            Err(reason) => return self.answer_no(from, &proposal, me, &reason),
        };
        let request = request_id(&proposal.cluster, &proposal.request);
        let proposal = Arc::new(proposal);
        let ceremony = Ceremony {
            proposal: Arc::clone(&proposal),
            request,
            me: Some(me),
            gathering: None,
            part: Part::Recording,
            primes: None,
            inbox: Inbox::default(),
            ended: None,
        };
        self.ceremonies.insert(hash, ceremony);
        self.tell_proposal(request, &proposal, &wanted);
        self.take_part(hash);
    }

    fn answer_no(&mut self, to: NodeId, proposal: &Proposal, me: u16, reason: &str) {
        self.log(Level::Info, &format!("refused a proposal of {to}: {reason}"));
        let refusal = Refusal::sign(&self.identity, proposal, me, reason);
        self.send(to, &PeerMessage::Refuse(refusal));
    }

    /// Whether this node takes part; if not, a sentence that says why.
    pub(super) fn examine(&self, proposal: &Proposal) -> Result<Wanted, String> {
        if proposal.cluster != self.cluster() {
            return Err("the proposal is for another cluster".to_owned());
        }
        if proposal.version != PROTOCOL_VERSION {
            let theirs = proposal.version;
            return Err(format!(
                "protocol version {theirs} is proposed, this node speaks {PROTOCOL_VERSION}"
            ));
        }
        if !self.is_member(proposal.proposer) || !self.is_member(self.me) {
            return Err("the proposer or this node is not a member of the cluster".to_owned());
        }
        if let Some(p) = proposal.participants.iter().find(|p| self.culprits.contains(&p.id)) {
            return Err(format!("{} broke the protocol before, and this node has proof of it", p.id));
        }
        if proposal.deadline_ms > MAX_DEADLINE_MS || level_of(proposal.level).is_none() {
            return Err("the deadline or the level is out of range".to_owned());
        }
        let (raw, wanted) = RawRequest::parse(&proposal.request).ok_or("the request cannot be read")?;
        let request = request_id(&proposal.cluster, &proposal.request);
        match self.requests.get(&request) {
            None if !raw.is_fresh(self.now.unix) || raw.created <= self.forgotten => {
                return Err("the request is not fresh: compare the clocks, then ask again".to_owned());
            }
            None if self.requests.len() >= MAX_REQUESTS => {
                return Err("this node remembers as many requests as it may".to_owned());
            }
            Some(record) if record.finished => return Err("the request is already done".to_owned()),
            Some(record) if record.tries_of(proposal.proposer) >= MAX_TRIES => {
                return Err("the request was tried too often; make a new one".to_owned());
            }
            None | Some(_) => {}
        }
        let key = match &wanted {
            Wanted::Key(_) => None,
            Wanted::Signature(sign) => {
                let key = self.keys.get(&Hash(sign.key.0));
                let key = key.filter(|key| key.is_active() && key.share().is_some());
                Some(key.ok_or("this node holds no active share of the key")?)
            }
        };
        let expected = requests::draft(proposal.cluster, &proposal.request, &wanted, key, Free::of(proposal))
            .map_err(|e| e.to_string())?;
        if expected != *proposal {
            return Err("the proposal does not follow from the request".to_owned());
        }
        if let Wanted::Key(_) = wanted {
            self.examine_committee(proposal, request)?;
        } else if proposal.aux.is_none_or(|aux| !self.aux.contains_key(&aux)) {
            return Err("this node lacks the auxiliary information of the key".to_owned());
        }
        Ok(wanted)
    }

    fn examine_committee(&self, proposal: &Proposal, request: Hash) -> Result<(), String> {
        if let Some(p) = proposal.participants.iter().find(|p| !self.is_member(p.id)) {
            return Err(format!("{} is not a member of the cluster here", p.id));
        }
        if self.keys.values().any(|key| key.request() == request) {
            return Err("this node has already confirmed a key for the request".to_owned());
        }
        if proposal.kind == Kind::Keygen {
            let hash = proposal.hash();
            let other = |(id, c): (&Hash, &Ceremony)| {
                *id != hash && c.request == request && c.proposal.kind == Kind::Keygen && !c.is_over()
            };
            if self.ceremonies.iter().any(other) {
                return Err("this node already makes a key for the request".to_owned());
            }
            let covered = proposal.aux.is_some_and(|aux| self.aux_fits(&aux, proposal));
            if !covered {
                return Err("this node has no such auxiliary information for the committee".to_owned());
            }
        }
        Ok(())
    }

    /// Whether these moduli are here and serve the committee at its level.
    fn aux_fits(&self, aux: &Hash, proposal: &Proposal) -> bool {
        self.aux.get(aux).is_some_and(|record| {
            let public = record.aux.public();
            Some(public.level) == level_of(proposal.level)
                && public.covers(proposal.participants.iter().map(|p| p.id.as_bytes()))
        })
    }

    /// Examined and found good: what is needed before the accept?
    pub(super) fn take_part(&mut self, hash: Hash) {
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        if ceremony.proposal.kind != Kind::Aux {
            return self.record(hash);
        }
        ceremony.part = Part::Priming { told: 0 };
        let level = ceremony.proposal.level;
        // Without ready-made primes the search begins as soon as there is a place for it.
        if let Some(key) = self.pool.get_mut(&level).and_then(Vec::pop) {
            self.take(Table::Primes, key, Then::Primes(hash, level));
        }
        self.tick_priming(hash);
        self.tell_standing(hash);
    }

    /// What must be remembered of the request goes to disk before the accept leaves.
    pub(super) fn record(&mut self, hash: Hash) {
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        ceremony.part = Part::Recording;
        let request = ceremony.request;
        let created = RawRequest::parse(&ceremony.proposal.request).map_or(0, |(raw, _)| raw.created);
        let proposer = ceremony.proposal.proposer;
        let fresh = || RequestRecord { created, tries: BTreeMap::new(), finished: false };
        let record = self.requests.entry(request).or_insert_with(fresh);
        let tries = record.tries.entry(proposer).or_default();
        *tries = tries.saturating_add(1);
        let mut writes = vec![Write::put(Table::Requests, request.0, encode(record))];
        writes.extend(self.story_write(&request));
        self.store(writes, Then::Accept(hash));
    }

    /// The record is durable.
    pub(in super::super) fn recorded(&mut self, hash: Hash) {
        let Some(ceremony) = self.ceremonies.get_mut(&hash).filter(|c| !c.is_over()) else { return };
        let me = ceremony.me.expect("invariant: only participants record");
        let until = self.now.monotonic.saturating_add(wait_ms(ceremony.proposal.kind));
        let proposal = Arc::clone(&ceremony.proposal);
        let (drawn, accept) = Drawn::accept(&self.identity, &proposal, me, self.now.monotonic, &mut self.rng);
        let since = self.now.monotonic;
        ceremony.part = Part::Accepted { drawn: vec![drawn], accept: accept.clone(), since, until };
        self.give_accept(proposal.proposer, accept);
        self.tell_standing(hash);
    }

    fn give_accept(&mut self, proposer: NodeId, accept: Accept) {
        if proposer == self.me {
            self.hear_accept(proposer, accept);
        } else {
            self.send(proposer, &PeerMessage::Accept(accept));
        }
    }

    /// The proposer asks again: the first accept may have lapsed while others were not ready.
    pub(super) fn asked_again(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash).filter(|c| !c.is_over()) else { return };
        let proposal = Arc::clone(&ceremony.proposal);
        let Part::Accepted { drawn, accept, since, .. } = &mut ceremony.part else { return };
        if drawn.is_empty() || now.saturating_sub(*since) >= REDRAW_MS {
            let (fresh, signed) = Drawn::accept(&self.identity, &proposal, accept.index, now, &mut self.rng);
            (*accept, *since) = (signed, now);
            drawn.truncate(MAX_DRAWS - 1);
            drawn.insert(0, fresh);
        }
        let accept = accept.clone();
        self.give_accept(proposal.proposer, accept);
    }

    pub(super) fn tick_accepted(&mut self, hash: Hash) {
        let (now, me) = (self.now.monotonic, self.me);
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let proposer = ceremony.proposal.proposer;
        let Part::Accepted { drawn, since, until, .. } = &mut ceremony.part else { return };
        drawn.retain(|d| !d.is_lapsed(now));
        // Lapsed: is the proposer still there? It says so if it is not.
        let ask = drawn.is_empty() && proposer != me && now.saturating_sub(*since) >= PREPARING_MS;
        if ask {
            *since = now;
        }
        if now >= *until && ceremony.gathering.is_none() {
            let text = "No start came from the proposer in time; ask again.";
            self.end(hash, End::failed(api::ProblemKind::DeadlinePassed, text, [proposer]));
        } else if ask {
            self.send(proposer, &PeerMessage::Preparing { proposal: hash });
        }
    }

    /// The accepts of everybody, from the proposer or from any participant.
    pub(in super::super) fn hear_start(&mut self, from: NodeId, hash: Hash, accepts: Vec<Accept>) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else {
            // This node has restarted, or has long ended it.
            return self.send(from, &PeerMessage::Lost { ceremony: hash });
        };
        if ceremony.is_over() {
            return;
        }
        let Part::Accepted { drawn, .. } = &mut ceremony.part else { return };
        let mut refused = None;
        for mine in std::mem::take(drawn) {
            match mine.enter(now, &ceremony.proposal, &accepts) {
                // The other draw dies here too: one proposal leads to one session at most.
                Ok(nonce) => return self.enter(hash, nonce, accepts),
                Err((mine, why)) => {
                    drawn.push(mine);
                    refused = Some(why);
                }
            }
        }
        if let Some(why) = refused {
            self.dropped(from, &format!("a start: {why}"));
        }
    }

    fn enter(&mut self, hash: Hash, nonce: Hash, accepts: Vec<Accept>) {
        let entropy = Zeroizing::new(self.random());
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let proposal = Arc::clone(&ceremony.proposal);
        let materials = match proposal.kind {
            Kind::Keygen => Some(Materials::Keygen),
            Kind::Aux => ceremony.primes.take().map(Materials::Aux),
            Kind::Sign => {
                let key = proposal.key.and_then(|key| self.keys.get(&key));
                let aux = proposal.aux.and_then(|aux| self.aux.get(&aux));
                key.and_then(Key::share).zip(aux).map(|(share, aux)| Materials::Sign {
                    share: Arc::clone(share),
                    aux: Arc::clone(&aux.aux),
                })
            }
        };
        let materials = materials.expect("invariant: what a session needs was here when this node accepted");
        ceremony.gathering = None;
        ceremony.part = Part::Running(Box::new(Running::new(&proposal, accepts, self.now.monotonic)));
        let me = ceremony.me.expect("invariant: only participants enter");
        let (identity, misbehaviour) = (Arc::clone(&self.identity), self.misbehaviour);
        let enter = Enter { proposal, me, nonce, materials, identity, entropy, misbehaviour };
        self.compute(Work::Enter(Box::new(enter)), For::Session(hash));
        self.tell_standing(hash);
    }
}
