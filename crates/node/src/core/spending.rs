//! Signing from the pool: which presignature serves a request, who proposes it, what a participant lets happen with it,
//! and when presignatures go unused. Whatever goes wrong, the presignature is burnt and the request goes on without.
//!
//! All signers of a presignature know it, and only its owner proposes a signature with it, so no two proposers pick the
//! same one. A node that is asked and owns none passes the request to a connected owner; it is a signer itself, and so
//! learns the result. A node that is none of the signers does not know of any and signs interactively.

use std::sync::Arc;

use consign_api as api;
use rand_core::Rng;

use super::Level;
use super::asked::{Asked, request_id};
use super::ceremony::{Ceremony, End, NO_PLACE, deadline_ms};
use super::curves::{OwnHalf, Presigned};
use super::hash::Hash;
use super::keys::Key;
use super::node::Node;
use super::presigning::may_be_presigned;
use super::proposal::{Kind, MAX_REQUEST_BYTES, Proposal};
use super::requests::{self, Free, Wanted};
use super::stories::wanted_of;
use super::wire::PeerMessage;
use crate::identity::NodeId;

/// Most presignatures that one request uses up; then it is signed interactively.
pub const MAX_SPENT: u8 = 2;
/// How long a request is left to the owner of a presignature, in milliseconds; then this node goes on itself.
pub const PASSED_MS: u64 = 3_000;
/// How long a proposal waits for a batch that is about to be complete here too, in milliseconds.
pub const EARLY_MS: u64 = 3_000;
/// Most proposals that wait for a batch.
pub const MAX_EARLY: usize = 16;
/// Most of them of one proposer.
pub const MAX_EARLY_OF_ONE: usize = 4;

/// A presignature that was taken out of the pool.
pub(super) struct Spent {
    /// This node's half, until the session takes it.
    pub(super) own: Option<Box<OwnHalf>>,
    /// What everybody knows of it: proves who lies.
    pub(super) shown: Presigned,
    /// The ceremony that made it.
    batch: Hash,
}

/// A presignature for a request.
pub(super) struct Chosen {
    pub(super) presignature: Hash,
    pub(super) signers: Vec<u16>,
    /// Who proposes it.
    pub(super) owner: NodeId,
}

/// A proposal that came before its batch was complete here.
pub(super) struct Early {
    from: NodeId,
    proposal: Proposal,
    until: u64,
}

impl Node {
    /// The presignature that serves a request: one of this node, or of a connected owner; the oldest, since age is
    /// limited. All its signers are connected.
    pub(super) fn choose_presignature(
        &self,
        key: &Key,
        wanted: &api::Sign,
        demoted: &[NodeId],
    ) -> Option<Chosen> {
        if !may_be_presigned(wanted) || key.share().is_none() {
            return None;
        }
        let willing = |id: NodeId| self.is_up(id) && !self.shuns(id) && !demoted.contains(&id);
        let usable = self.presignatures.of_key(key.id()).filter(|(_, slot)| {
            let holders = key.holders().iter().filter(|h| slot.is_signed_by(h.id));
            slot.epoch() == key.info().epoch() && holders.map(|h| h.id).all(willing)
        });
        let (presignature, slot) = usable.min_by_key(|(id, slot)| {
            (self.is_last_choice(key, slot), slot.owner != self.me, slot.made, *id)
        })?;
        Some(Chosen { presignature, signers: slot.signers(), owner: slot.owner })
    }

    /// Whether somebody signs who is a member no more.
    fn is_last_choice(&self, key: &Key, slot: &super::pool::Slot) -> bool {
        key.holders().iter().any(|h| slot.is_signed_by(h.id) && !self.is_member(h.id))
    }

    /// A participant's own look at a signature from a presignature: it is here, unused, the proposer's, and about the
    /// same key, epoch and signers.
    pub(super) fn examine_spending(&self, proposal: &Proposal) -> Result<(), String> {
        let slot = proposal.base.and_then(|id| self.presignatures.get(&id));
        let slot = slot.ok_or("this node has no such presignature (any more)")?;
        if slot.owner != proposal.proposer {
            return Err("the presignature belongs to another signer than the proposer".to_owned());
        }
        if slot.is_named_in(proposal) {
            Ok(())
        } else {
            Err("the presignature is for another key, epoch or signers".to_owned())
        }
    }

    /// Takes the presignature of an examined proposal out of the pool, before anything is said.
    pub(super) fn spend(&mut self, proposal: &Proposal) -> Option<Spent> {
        let id = proposal.base.filter(|_| proposal.kind == Kind::Online)?;
        let (own, batch) = self.presignatures.spend(&id)?;
        self.tell_spent(request_id(&proposal.cluster, &proposal.request), id);
        Some(Spent { shown: own.public(), own: Some(own), batch })
    }

    /// Brings a request a step further: proposes, or passes it to the owner of the presignature.
    pub(super) fn set_out(&mut self, request: Hash, proposal: Proposal) {
        if let Some(task) = self.tasks.get_mut(&request) {
            task.tries(proposal.kind == Kind::Online);
        }
        if proposal.proposer == self.me {
            self.propose(proposal);
            return;
        }
        let (owner, presignature) = (proposal.proposer, proposal.base);
        let wanted = wanted_of(&proposal);
        let raw = proposal.request.clone();
        self.tell_proposal(request, &Arc::new(proposal), &wanted);
        let presignature = presignature.expect("invariant: others propose only what uses a presignature");
        if let Some(task) = self.tasks.get_mut(&request) {
            task.pass(owner, presignature, self.now.monotonic.saturating_add(PASSED_MS));
        }
        self.send(owner, &PeerMessage::Pass { presignature, request: raw });
    }

    /// Another signer of a presignature was asked, and this node owns it.
    pub(super) fn hear_pass(&mut self, from: NodeId, presignature: Hash, request: Vec<u8>) {
        let slot = self.presignatures.get(&presignature);
        let Some(slot) = slot.filter(|slot| slot.owner == self.me && slot.is_signed_by(from)) else {
            return self.dropped(from, "a request for a presignature that this node does not own");
        };
        if !self.is_member(from) {
            return self.dropped(from, "a request that was passed on by no member");
        }
        let signers = slot.signers();
        let key = self.keys.get(&slot.key()).filter(|key| key.is_active());
        let wanted = if request.len() > MAX_REQUEST_BYTES { None } else { Asked::parse(&request) };
        let Some((key, (_, wanted @ Wanted::Signature(_)))) = key.zip(wanted) else {
            return self.dropped(from, "a request that asks for no signature of a key here");
        };
        let mut salt = [0; 16];
        self.rng.fill_bytes(&mut salt);
        let free = Free {
            kind: Kind::Online,
            aux: None,
            presignature: Some(presignature),
            deadline_ms: deadline_ms(Kind::Online, false, signers.len()),
            signers,
            epoch: key.info().epoch(),
            proposer: self.me,
            salt,
        };
        let drafted = requests::draft(self.cluster(), &request, &wanted, Some(key), free);
        let examined = drafted.map_err(|unfit| unfit.to_string()).and_then(|proposal| {
            self.examine(&proposal)?;
            let asked = request_id(&proposal.cluster, &request);
            if self.try_under_way(asked).is_some() {
                return Err("a try of the request is under way here".to_owned());
            }
            let full = self.busy() || self.passes_too_much(from, asked);
            if full { Err(NO_PLACE.to_owned()) } else { Ok(proposal) }
        });
        match examined {
            Ok(proposal) => drop(self.propose_for(proposal, Some(from))),
            Err(why) => self.dropped(from, &format!("a request that was passed on: {why}")),
        }
    }

    /// Whether a proposal names a presignature that this node may be about to have: others completed the batch a moment
    /// before.
    pub(super) fn comes_early(&self, proposal: &Proposal) -> bool {
        let missing = |id| self.presignatures.get(&id).is_none();
        proposal.kind == Kind::Online
            && proposal.base.is_some_and(missing)
            && self.ceremonies.values().any(|c| {
                let made = &c.proposal;
                let same = (made.key, made.epoch) == (proposal.key, proposal.epoch);
                made.kind == Kind::Presign && !c.is_over() && same && made.signers == proposal.signers
            })
    }

    /// Such a proposal waits a moment.
    pub(super) fn hold_early(&mut self, from: NodeId, proposal: Proposal) {
        let theirs = self.early.iter().filter(|early| early.from == from).count();
        if self.early.len() >= MAX_EARLY || theirs >= MAX_EARLY_OF_ONE {
            return self.answer_no(from, &proposal, NO_PLACE);
        }
        let until = self.now.monotonic.saturating_add(EARLY_MS);
        self.early.push(Early { from, proposal, until });
    }

    /// What waited for a batch is heard again once it need not wait any longer.
    pub(super) fn tick_pool(&mut self) {
        let now = self.now.monotonic;
        let (ready, early) = std::mem::take(&mut self.early)
            .into_iter()
            .partition(|early| early.until <= now || !self.comes_early(&early.proposal));
        self.early = early;
        let ready: Vec<Early> = ready;
        for Early { from, proposal, .. } in ready {
            self.weigh(from, proposal);
        }
        let old = self.presignatures.erase_old(now);
        self.tell_erased(old, "they were too old");
    }

    /// A peer tells which process it is. Another one than before has none of the presignatures any more.
    pub(super) fn hear_process(&mut self, from: NodeId, process: [u8; 16]) {
        let known = self.peers.entry(from).or_default().process.replace(process);
        if known != Some(process) {
            let gone = self.presignatures.erase(|slot| slot.is_signed_by(from));
            self.tell_erased(gone, "a signer has restarted");
            self.break_off_with(from);
        }
    }

    /// What was being made or signed with a process that has ended comes to nothing: it has forgotten its part, and
    /// what this node completed alone would be of no use.
    fn break_off_with(&mut self, peer: NodeId) {
        let with = |c: &Ceremony| {
            let of_pool = matches!(c.proposal.kind, Kind::Presign | Kind::Online);
            of_pool && !c.is_over() && c.proposal.index_of(peer).is_some()
        };
        let hit: Vec<_> = self.ceremonies.iter().filter(|(_, c)| with(c)).map(|(hash, _)| *hash).collect();
        for hash in hit {
            let text = "A signer has restarted meanwhile.";
            self.break_off(hash, End::failed(api::ProblemKind::DeadlinePassed, text, [peer]));
        }
    }

    /// A signer does not agree to a signature from a presignature, or says nothing: the try ends, and whoever lacks one
    /// of a batch lacks them all. Others would be burnt one by one, with a client waiting.
    pub(super) fn end_unwanted(&mut self, hash: Hash, end: End) {
        let ceremony = self.ceremonies.get(&hash).filter(|c| !c.is_finishing());
        let batch = ceremony.and_then(Ceremony::spent).map(|spent| spent.batch);
        self.end(hash, end);
        if let Some(batch) = batch {
            let gone = self.presignatures.erase_batch(batch);
            self.tell_erased(gone, "a signer does not agree to one of their batch");
        }
    }

    /// The owner of a presignature has not used it for what it was asked: this node does not offer it again.
    pub(super) fn erase_passed(&mut self, presignature: Hash) {
        let gone = self.presignatures.spend(&presignature).is_some();
        self.tell_erased(gone.into(), "the owner did not use it when it was asked");
    }

    /// The culprit signs nothing with this node any more.
    pub(super) fn erase_presignatures_with(&mut self, culprit: NodeId) {
        let gone = self.presignatures.erase(|slot| slot.is_signed_by(culprit));
        self.tell_erased(gone, "a signer broke the protocol");
    }

    /// All of them.
    pub(super) fn erase_presignatures(&mut self, why: &str) {
        let gone = self.presignatures.erase(|_| true);
        self.tell_erased(gone, why);
    }

    /// The shares behind them are gone.
    pub(super) fn erase_presignatures_of(&mut self, key: Hash) {
        let gone = self.presignatures.erase(|slot| slot.key() == key);
        self.tell_erased(gone, "the shares of the key were renewed");
    }

    fn tell_erased(&mut self, count: usize, why: &str) {
        if count > 0 {
            self.log(Level::Info, &format!("{count} presignatures are erased: {why}"));
        }
    }
}
