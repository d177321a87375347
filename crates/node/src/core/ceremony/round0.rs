//! Round 0: propose, accept, start (`docs/spec/params.md`, section 1.6). A participant believes nothing the proposer
//! says: it makes the proposal again from the client's request and its own records, and compares.

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_api as api;
use zeroize::Zeroizing;

use super::super::hash::Hash;
use super::super::jobs::{Enter, Materials, Work};
use super::super::node::{For, Node, Then};
use super::super::proposal::{Accept, Drawn, Kind, PROTOCOL_VERSION, Proposal, Refusal};
use super::super::records::{RequestRecord, encode};
use super::super::requests::{self, Free, MAX_TRIES, RawRequest, Wanted, level_of, request_id};
use super::super::setup::pooled;
use super::super::stories::wanted_of;
use super::super::wire::PeerMessage;
use super::inbox::Inbox;
use super::{Ceremony, End, Gathering, MAX_DEADLINE_MS, Part, Running};
use crate::identity::NodeId;
use crate::store::{Table, Value, Write};

/// How long a participant may say nothing to a proposal, in milliseconds.
const ANSWER_MS: u64 = 15_000;
/// How often a participant that searches primes says so, in milliseconds.
const PREPARING_MS: u64 = 3_000;
/// An accept older than this is asked for anew before the start, in milliseconds: well within its lifetime, so that
/// it does not lapse on the way.
const ACCEPT_FRESH_MS: u64 = 6_000;
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
    /// Asks everybody to take part.
    pub(in super::super) fn propose(&mut self, proposal: Proposal) -> Hash {
        let hash = proposal.hash();
        let request = request_id(&proposal.cluster, &proposal.request);
        let me = proposal.index_of(self.me);
        let others: Vec<_> = proposal.others(self.me).collect();
        let heard = others.iter().map(|id| (*id, self.now.monotonic)).collect();
        let message = PeerMessage::Propose(Box::new(proposal.clone()));
        let ceremony = Ceremony {
            proposal: Arc::new(proposal),
            request,
            me,
            gathering: Some(Gathering { accepts: BTreeMap::new(), heard }),
            part: Part::Watching,
            primes: None,
            inbox: Inbox::default(),
            ended: None,
        };
        let (proposal, wanted) = (Arc::clone(&ceremony.proposal), wanted_of(&ceremony.proposal));
        self.ceremonies.insert(hash, ceremony);
        self.tell_proposal(request, &proposal, &wanted);
        for peer in others {
            self.send(peer, &message);
        }
        if me.is_some() {
            match self.examine(&proposal) {
                Ok(_) => self.take_part(hash),
                Err(reason) => {
                    self.end(hash, End::failed(api::ProblemKind::Refused, reason, [self.me]));
                }
            }
        }
        self.tell_standing(hash);
        hash
    }

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
            Ok(wanted) if !self.busy() => wanted,
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
        self.log(super::super::Level::Info, &format!("refused a proposal of {to}: {reason}"));
        let refusal = Refusal::sign(&self.identity, proposal, me, reason);
        self.send(to, &PeerMessage::Refuse(refusal));
    }

    /// Whether this node takes part; if not, a sentence that says why.
    fn examine(&self, proposal: &Proposal) -> Result<Wanted, String> {
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
        if proposal.deadline_ms > MAX_DEADLINE_MS || level_of(proposal.level).is_none() {
            return Err("the deadline or the level is out of range".to_owned());
        }
        let (raw, wanted) = RawRequest::parse(&proposal.request).ok_or("the request cannot be read")?;
        let request = request_id(&proposal.cluster, &proposal.request);
        match self.requests.get(&request) {
            None if !raw.is_fresh(self.now.unix) => {
                return Err("the request is not fresh: compare the clocks, then ask again".to_owned());
            }
            Some(record) if record.finished => return Err("the request is already done".to_owned()),
            Some(record) if record.tries >= MAX_TRIES => {
                return Err("the request was tried too often; make a new one".to_owned());
            }
            None | Some(_) => {}
        }
        let key = match &wanted {
            Wanted::Key(_) => None,
            Wanted::Signature(sign) => {
                let key = self.keys.get(&Hash(sign.key.0));
                Some(key.filter(|key| key.is_active()).ok_or("this node holds no active share of the key")?)
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
    fn take_part(&mut self, hash: Hash) {
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        if ceremony.proposal.kind != Kind::Aux {
            return self.record(hash);
        }
        ceremony.part = Part::Priming { told: 0 };
        let level = ceremony.proposal.level;
        match self.pool.get_mut(&level).and_then(Vec::pop) {
            Some(key) => self.take(Table::Primes, key, Then::Primes(hash, level)),
            None => self.search_primes(hash, level),
        }
        self.tick_priming(hash);
        self.tell_standing(hash);
    }

    fn search_primes(&mut self, hash: Hash, level: u16) {
        let seed = Zeroizing::new(self.random());
        let size = level_of(level).expect("invariant: examined before");
        self.compute(Work::Primes { level: size, seed }, For::Primes(hash, level));
    }

    /// Primes of the pool were taken, or were gone.
    pub(in super::super) fn primes_taken(&mut self, hash: Hash, level: u16, value: Option<Value>) {
        let Some(value) = value else { return self.search_primes(hash, level) };
        match super::super::records::decode::<Vec<u8>>(&value) {
            Ok(primes) => self.primes_found(hash, level, Some(Zeroizing::new(primes))),
            Err(bad) => {
                let end = End::failed(api::ProblemKind::StoreFailed, format!("primes: {bad}"), [self.me]);
                self.end(hash, end);
            }
        }
    }

    /// Primes are here.
    pub(in super::super) fn primes_found(
        &mut self,
        hash: Hash,
        level: u16,
        primes: Option<Zeroizing<Vec<u8>>>,
    ) {
        let Some(primes) = primes else { return };
        match self.ceremonies.get_mut(&hash).filter(|c| !c.is_over()) {
            Some(ceremony) => {
                ceremony.primes = Some(primes);
                self.record(hash);
            }
            // The ceremony ended meanwhile; the primes were not opened.
            None => self.return_primes(level, &primes),
        }
    }

    /// Puts unopened primes into the pool.
    pub(in super::super) fn return_primes(&mut self, level: u16, primes: &Zeroizing<Vec<u8>>) {
        let write = pooled(level, primes, self.random());
        self.pool.entry(level).or_default().push(write.key().to_vec());
        self.store(vec![write], Then::Rest);
    }

    pub(super) fn tick_priming(&mut self, hash: Hash) {
        let (now, me) = (self.now.monotonic, self.me);
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let Part::Priming { told } = &mut ceremony.part else { return };
        let proposer = ceremony.proposal.proposer;
        if proposer != me && (*told == 0 || now.saturating_sub(*told) >= PREPARING_MS) {
            *told = now.max(1);
            self.send(proposer, &PeerMessage::Preparing { proposal: hash });
        }
    }

    /// What must be remembered of the request goes to disk before the accept leaves.
    fn record(&mut self, hash: Hash) {
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        ceremony.part = Part::Recording;
        let request = ceremony.request;
        let created = RawRequest::parse(&ceremony.proposal.request).map_or(0, |(raw, _)| raw.created);
        let record =
            self.requests.entry(request).or_insert(RequestRecord { created, tries: 0, finished: false });
        record.tries = record.tries.saturating_add(1);
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
    fn asked_again(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash).filter(|c| !c.is_over()) else { return };
        let proposal = Arc::clone(&ceremony.proposal);
        let Part::Accepted { drawn, accept, since, .. } = &mut ceremony.part else { return };
        if now.saturating_sub(*since) >= REDRAW_MS {
            let (fresh, signed) = Drawn::accept(&self.identity, &proposal, accept.index, now, &mut self.rng);
            (*accept, *since) = (signed, now);
            drawn.truncate(MAX_DRAWS - 1);
            drawn.insert(0, fresh);
        }
        let accept = accept.clone();
        self.give_accept(proposal.proposer, accept);
    }

    pub(super) fn tick_accepted(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let proposer = ceremony.proposal.proposer;
        let Part::Accepted { drawn, until, .. } = &mut ceremony.part else { return };
        drawn.retain(|d| !d.is_lapsed(now));
        if now >= *until && ceremony.gathering.is_none() {
            let text = "No start came from the proposer in time; ask again.";
            self.end(hash, End::failed(api::ProblemKind::DeadlinePassed, text, [proposer]));
        }
    }

    pub(in super::super) fn hear_preparing(&mut self, from: NodeId, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        // Only where primes are needed may a participant take its time.
        if ceremony.proposal.kind == Kind::Aux
            && let Some(heard) = ceremony.gathering.as_mut().and_then(|g| g.heard.get_mut(&from))
        {
            *heard = now;
        }
    }

    pub(in super::super) fn hear_accept(&mut self, from: NodeId, accept: Accept) {
        let now = self.now.monotonic;
        let hash = accept.proposal;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let theirs = ceremony.index_of(from) == Some(accept.index);
        let Some(gathering) = &mut ceremony.gathering else { return };
        if !theirs || !accept.is_valid_for(&ceremony.proposal, hash) {
            return self.dropped(from, "an accept that is not valid");
        }
        gathering.accepts.insert(accept.index, (accept, now));
        self.tell_standing(hash);
        self.try_start(hash);
    }

    pub(in super::super) fn hear_refusal(&mut self, from: NodeId, refusal: &Refusal) {
        let hash = refusal.proposal;
        let Some(ceremony) = self.ceremonies.get(&hash).filter(|c| c.gathering.is_some()) else { return };
        let theirs = ceremony.index_of(from) == Some(refusal.index);
        if !theirs || !refusal.is_valid_for(&ceremony.proposal, hash) {
            return self.dropped(from, "a refusal that is not valid");
        }
        let reason: String = refusal.reason.chars().filter(|c| !c.is_control()).collect();
        self.end(hash, End::failed(api::ProblemKind::Refused, format!("{from} refuses: {reason}."), [from]));
    }

    /// Starts when everybody has accepted lately.
    fn try_start(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let proposal = Arc::clone(&ceremony.proposal);
        let Some(gathering) = &mut ceremony.gathering else { return };
        if gathering.accepts.len() < proposal.participants.len() {
            return;
        }
        let stale: Vec<u16> = gathering
            .accepts
            .iter()
            .filter(|(_, (_, at))| now.saturating_sub(*at) >= ACCEPT_FRESH_MS)
            .map(|(index, _)| *index)
            .collect();
        if stale.is_empty() {
            let accepts: Vec<_> = gathering.accepts.values().map(|(accept, _)| accept.clone()).collect();
            ceremony.gathering = None;
            let message = PeerMessage::Start { proposal: hash, accepts: accepts.clone() };
            for peer in proposal.others(self.me).collect::<Vec<_>>() {
                self.send(peer, &message);
            }
            self.hear_start(self.me, hash, accepts);
            return;
        }
        for index in &stale {
            gathering.accepts.remove(index);
        }
        let ids: Vec<_> = stale.iter().filter_map(|i| proposal.identity_of(*i)).collect();
        for id in &ids {
            gathering.heard.insert(*id, now);
        }
        for id in ids {
            if id == self.me {
                self.asked_again(hash);
            } else {
                self.send(id, &PeerMessage::Propose(Box::new((*proposal).clone())));
            }
        }
    }

    pub(super) fn tick_gathering(&mut self, hash: Hash) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get(&hash).filter(|c| !c.is_over()) else { return };
        let Some(gathering) = &ceremony.gathering else { return };
        let silent: Vec<_> = gathering
            .heard
            .iter()
            .filter(|(id, at)| {
                let index = ceremony.index_of(**id);
                let accepted = index.is_some_and(|i| gathering.accepts.contains_key(&i));
                !accepted && now.saturating_sub(**at) >= ANSWER_MS
            })
            .map(|(id, _)| *id)
            .collect();
        if !silent.is_empty() {
            let text =
                "Participants did not answer the proposal in time; see that they run and are connected.";
            self.end(hash, End::failed(api::ProblemKind::DeadlinePassed, text, silent));
        }
    }

    /// A signing does not wait for a holder that is gone before it has accepted: others can sign.
    pub(in super::super) fn lost(&mut self, peer: NodeId) {
        let waits = |c: &Ceremony| {
            let asked = c.gathering.as_ref().filter(|_| c.proposal.kind == Kind::Sign);
            let index = c.index_of(peer);
            !c.is_over() && index.is_some_and(|i| asked.is_some_and(|g| !g.accepts.contains_key(&i)))
        };
        let hit: Vec<_> = self.ceremonies.iter().filter(|(_, c)| waits(c)).map(|(h, _)| *h).collect();
        for hash in hit {
            let text = "A signer lost its connection before it accepted.";
            self.end(hash, End::failed(api::ProblemKind::TooFewSigners, text, [peer]));
        }
    }

    /// The accepts of everybody, from the proposer or from any participant.
    pub(in super::super) fn hear_start(&mut self, from: NodeId, hash: Hash, accepts: Vec<Accept>) {
        let now = self.now.monotonic;
        let Some(ceremony) = self.ceremonies.get_mut(&hash).filter(|c| !c.is_over()) else { return };
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
                key.zip(aux).map(|(key, aux)| Materials::Sign {
                    share: Arc::clone(key.share()),
                    aux: Arc::clone(&aux.aux),
                })
            }
        };
        let materials = materials.expect("invariant: what a session needs was here when this node accepted");
        ceremony.gathering = None;
        ceremony.part = Part::Running(Box::new(Running::new(&proposal, accepts, self.now.monotonic)));
        let me = ceremony.me.expect("invariant: only participants enter");
        let enter = Enter { proposal, me, nonce, materials, identity: Arc::clone(&self.identity), entropy };
        self.compute(Work::Enter(Box::new(enter)), For::Session(hash));
        self.tell_standing(hash);
    }
}
