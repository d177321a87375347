//! Round 0 at a participant: accept, enter (`docs/spec/params.md`, section 1.6). What it accepts is decided in
//! `examining.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_api as api;
use zeroize::Zeroizing;

use super::super::Level;
use super::super::asked::{Asked, request_id};
use super::super::curves::Share;
use super::super::hash::Hash;
use super::super::jobs::{Enter, Materials, Work};
use super::super::keys::Key;
use super::super::node::{For, Node, Then};
use super::super::presigning::hashed;
use super::super::proposal::{Accept, Drawn, Kind, Proposal, Refusal};
use super::super::sizes::Sizes;
use super::super::wire::PeerMessage;
use super::inbox::Inbox;
use super::priming::PREPARING_MS;
use super::{Base, Ceremony, End, NO_PLACE, Part, Running};
use crate::identity::NodeId;
use crate::store::{Table, Write};

/// A repeated proposal within this time gets the same accept again, in milliseconds: it is a copy, or the accept is
/// still on its way.
const REDRAW_MS: u64 = 3_000;
/// Most accepts of one participant that are good at once.
const MAX_DRAWS: usize = 2;

/// How long a participant waits for a start, in milliseconds: others may have to find primes first.
fn wait_ms(proposal: &Proposal) -> u64 {
    if proposal.needs_primes() { 15 * 60 * 1000 } else { 30_000 }
}

impl Node {
    /// Somebody asks this node to take part.
    pub(in super::super) fn hear_proposal(&mut self, from: NodeId, proposal: Proposal) {
        if proposal.proposer != from || !proposal.is_well_formed() {
            return self.dropped(from, "a proposal of somebody else, or out of order");
        }
        if proposal.index_of(self.me).is_none() {
            return self.dropped(from, "a proposal without this node");
        }
        let hash = proposal.hash();
        if self.ceremonies.contains_key(&hash) {
            return self.asked_again(hash);
        }
        if self.lacks_key(&proposal) {
            return self.park(from, proposal);
        }
        if self.comes_early(&proposal) {
            return self.hold_early(from, proposal);
        }
        self.weigh(from, proposal);
    }

    /// Everything that it takes is here: does this node take part?
    pub(in super::super) fn weigh(&mut self, from: NodeId, proposal: Proposal) {
        let (hash, Some(me)) = (proposal.hash(), proposal.index_of(self.me)) else { return };
        if self.ceremonies.contains_key(&hash) {
            return self.asked_again(hash);
        }
        let wanted = match self.examine(&proposal) {
            Ok(wanted) if !self.busy() && !self.asks_too_much(from, &proposal) => wanted,
            Ok(_) if self.disk_full => return self.answer_no(from, &proposal, "its disk is nearly full"),
            Ok(_) => return self.answer_no(from, &proposal, NO_PLACE),
            Err(reason) => {
                self.remember_waiting(&proposal, &reason);
                return self.answer_no(from, &proposal, &reason);
            }
        };
        let sizes = match self.sizes_of(&proposal) {
            Ok(sizes) => sizes,
            Err(reason) => return self.answer_no(from, &proposal, &reason),
        };
        if !self.makes_way(from, &proposal) {
            return;
        }
        self.clear_way(&proposal);
        self.take_turn(&proposal);
        let request = request_id(&proposal.cluster, &proposal.request);
        let proposal = Arc::new(proposal);
        let ceremony = Ceremony {
            proposal: Arc::clone(&proposal),
            request,
            me: Some(me),
            since: self.now.monotonic,
            gathering: None,
            part: Part::Recording,
            primes: None,
            spent: None,
            inbox: Inbox::default(),
            sizes,
            oversized: BTreeMap::new(),
            passed_by: None,
            finished: false,
            ended: None,
        };
        self.ceremonies.insert(hash, ceremony);
        self.tell_proposal(request, &proposal, &wanted);
        self.take_part(hash);
    }

    /// How long the messages of its session may be.
    pub(super) fn sizes_of(&self, proposal: &Proposal) -> Result<Sizes, String> {
        let key = proposal.key.and_then(|key| self.keys.get(&key)).map(Key::info);
        let aux = proposal.aux.and_then(|aux| self.aux.get(&aux)).map(|record| record.aux.public());
        Sizes::of(proposal, key, aux)
    }

    pub(in super::super) fn answer_no(&mut self, to: NodeId, proposal: &Proposal, reason: &str) {
        let Some(me) = proposal.index_of(self.me) else { return };
        if self.tell_key(to, proposal) {
            return self
                .log(Level::Info, &format!("showed {to} the key that it proposes, which is made already"));
        }
        self.tell_outcome(to, proposal);
        self.tell_used(to, proposal);
        self.show_newer(to, proposal);
        self.tell_lacks(to, proposal);
        self.tell_convicted(to, proposal);
        self.log(Level::Info, &format!("refused a proposal of {to}: {reason}"));
        let refusal = Refusal::sign(&self.identity, proposal, me, reason);
        self.send(to, &PeerMessage::Refuse(refusal));
    }

    /// Examined and found good: what is needed before the accept?
    pub(super) fn take_part(&mut self, hash: Hash) {
        let Some(proposal) = self.ceremonies.get(&hash).map(|c| Arc::clone(&c.proposal)) else { return };
        self.count_use(&proposal);
        let spent = self.spend(&proposal);
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        ceremony.spent = spent;
        // At once: whoever never lets it come to the accept has used up a try all the same.
        let (request, proposer) = (ceremony.request, ceremony.passed_by.unwrap_or(proposal.proposer));
        let asked = Asked::parse(&proposal.request);
        let terms = asked.map_or((0, None), |(asked, _)| (asked.created(), asked.remembered()));
        self.requests.count_try(request, terms, proposer, self.now.monotonic);
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        if !ceremony.proposal.needs_primes() {
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
        let record = self.requests.get(&request).map(super::super::records::RequestRecord::write);
        let Some(record) = record else {
            // The clock has jumped over a day since it was counted.
            let text = "The record of the request is gone; ask again.";
            return self.end(hash, End::failed(api::ProblemKind::Refused, text, [self.me]));
        };
        let mut writes = vec![Write::put(Table::Requests, request.0, record)];
        writes.extend(self.story_write(&request));
        self.store(writes, Then::Accept(hash));
    }

    /// The record is durable.
    pub(in super::super) fn recorded(&mut self, hash: Hash) {
        let Some(ceremony) = self.ceremonies.get_mut(&hash).filter(|c| !c.is_over()) else { return };
        let me = ceremony.me.expect("invariant: only participants record");
        let until = self.now.monotonic.saturating_add(wait_ms(&ceremony.proposal));
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
        let materials = self.materials(hash);
        let Some(ceremony) = self.ceremonies.get_mut(&hash) else { return };
        let proposal = Arc::clone(&ceremony.proposal);
        let Some((materials, base)) = materials else {
            let text = "The key has changed since this node accepted; ask again.";
            return self.end(hash, End::failed(api::ProblemKind::KeyBusy, text, []));
        };
        ceremony.gathering = None;
        let began = proposal.key.and_then(|key| self.keys.get(&key)).map(|key| key.info().epoch_id());
        let running = Running::new(&proposal, accepts, (base, began), self.now.monotonic);
        ceremony.part = Part::Running(Box::new(running));
        let me = ceremony.me.expect("invariant: only participants enter");
        let (identity, misbehaviour) = (Arc::clone(&self.identity), self.misbehaviour);
        let batches = self.settings.batch_verification;
        let enter = Enter { proposal, me, nonce, materials, identity, entropy, batches, misbehaviour };
        self.compute(Work::Enter(Box::new(enter)), For::Session(hash));
        self.tell_standing(hash);
    }

    /// What this node brings to a session, and the epoch that is changed. Nothing: a key is in another epoch now than
    /// when this node accepted.
    fn materials(&mut self, hash: Hash) -> Option<(Materials, Option<Base>)> {
        let ceremony = self.ceremonies.get_mut(&hash)?;
        let proposal = Arc::clone(&ceremony.proposal);
        let key = proposal.key.and_then(|key| self.keys.get(&key));
        let aux = proposal.aux.and_then(|aux| self.aux.get(&aux)).map(|record| Arc::clone(&record.aux));
        let base = key.map(|key| Base { info: key.info().to_owned(), chain: key.chain().to_vec() });
        let base = base.filter(|base| proposal.base == Some(Hash(base.info.as_ref().session().0)));
        match proposal.kind {
            Kind::Import => None,
            Kind::Keygen => Some((Materials::Keygen, None)),
            Kind::Aux => Some((Materials::Aux(ceremony.primes.take()?), None)),
            Kind::Online => {
                key.filter(|key| key.info().epoch() == proposal.epoch)?;
                let spent = ceremony.spent.as_mut()?;
                let (presignature, message) = (spent.own.take()?, hashed(&proposal)?);
                Some((Materials::Online { presignature, message }, None))
            }
            Kind::Sign | Kind::Presign => {
                let share = Arc::clone(key.filter(|key| key.info().epoch() == proposal.epoch)?.share()?);
                Some((Materials::Sign { share, aux: aux? }, None))
            }
            Kind::Refresh => {
                let (share, base) = (Arc::clone(key?.share()?), base?);
                let primes = if proposal.aux.is_none() { Some(ceremony.primes.take()?) } else { None };
                Some((Materials::Refresh { share, aux, primes }, Some(base)))
            }
            Kind::Reshare => {
                let base = base?;
                let deals = |share: &&Arc<Share>| proposal.signers.contains(&share.index());
                let share = key?.share().filter(deals).cloned();
                let info = Box::new(base.info.clone());
                Some((Materials::Reshare { base: info, share, aux }, Some(base)))
            }
        }
    }
}
