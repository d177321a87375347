//! Keys that move from one epoch to the next (`docs/spec/auxinfo-refresh.md`, 5.7), at this node: whoever holds the
//! proof that a larger epoch is complete activates it, and erases what came before, in one transaction; whoever was down
//! or was left out is shown the proof. Read `keys.rs` first.

use std::collections::BTreeSet;

use consign_api as api;
use consign_cggmp24::epoch::EpochId;
use consign_rounds::SessionId;

use super::Level;
use super::ceremony::{Ceremony, End};
use super::chain::AnyStep;
use super::hash::Hash;
use super::keys::{Advance, Key};
use super::node::{Node, Then};
use super::proposal::Proposal;
use super::requests::Wanted;
use super::stories::wanted_of;
use super::wire::{KnownEpoch, PeerMessage};
use crate::identity::NodeId;
use crate::store::Write;

/// Most epochs named in one message.
const MAX_NAMED: usize = 800;
/// Most keys that are shown for one message; the rest follow when it is repeated.
const MAX_SHOWN: usize = 32;

impl Node {
    /// The key goes to the end of a chain that holds, if that is a larger epoch. Returns what must be made durable,
    /// in one transaction; nothing if the epoch is not larger.
    pub(super) fn move_on(&mut self, id: Hash, chain: Vec<AnyStep>, request: Option<Hash>) -> Vec<Write> {
        let Some(key) = self.keys.get_mut(&id) else { return Vec::new() };
        let was_whole = key.is_whole();
        let Some(advance) = key.advance(chain) else { return Vec::new() };
        let Advance { mut writes, made, left, request: asked } = advance;
        if let Some(request) = request.filter(|_| asked.is_none()) {
            writes.push(key.led_by(request));
        }
        let (now, has_share) = (key.info().epoch_id(), key.share().is_some());
        let epoch = now.epoch;
        writes.extend(made.map(|aux| self.adopt_moduli(aux)));
        self.end_older(id, now);
        self.end_turn(id);
        self.erase_presignatures_of(id);
        writes.extend(left.and_then(|left| self.drop_moduli(left)));
        let share = if has_share { "with a share" } else { "without a share" };
        self.log(Level::Info, &format!("the key {id} is in epoch {epoch} now, here {share}"));
        if was_whole {
            self.log(
                Level::Warn,
                &format!("the key {id} is imported: its dealer knew the whole private key"),
            );
        }
        if let Some(request) = asked.filter(|_| request.is_none()) {
            writes.extend(self.finish_request(request));
            self.key_is_active(request, id);
        }
        self.name_peers();
        writes
    }

    /// Takes in what a certificate shows, which has been checked.
    pub(super) fn learn(&mut self, shown: Key, request: Option<Hash>) -> Vec<Write> {
        let id = shown.id();
        let Some(known) = self.keys.get_mut(&id) else {
            let write = shown.write();
            self.keys.insert(id, shown);
            return vec![write];
        };
        let mut writes = Vec::new();
        if !known.is_active()
            && let Some(set) = shown.set()
            && known.activate_from(set)
        {
            writes.push(known.write());
        }
        writes.extend(self.move_on(id, shown.chain().to_vec(), request));
        writes
    }

    /// Whether it says of an epoch that is known here something else than this node's own record. Each step of a chain
    /// has proved itself to the step before it; what this node knows, it compares.
    pub(super) fn contradicts(&self, shown: &Key) -> bool {
        self.keys.get(&shown.id()).is_some_and(|known| !known.agrees_with(shown))
    }

    /// Sessions that use a share of the epoch before end, and with them the share; their requests are tried again. The one
    /// that led to the epoch in force has its result.
    fn end_older(&mut self, key: Hash, now: EpochId) {
        let base = Some(Hash(now.session.0));
        let older = |c: &Ceremony| {
            if c.proposal.is_change() {
                // Who asked and takes no part knows no session: the epoch may be known before the participants report.
                let led = c.epoch_id() == Some(now) || (c.is_watched() && c.proposal.epoch == now.epoch);
                c.proposal.base != base && !led
            } else {
                // Two epochs may have one number, and this node has moved from one to the other.
                c.proposal.is_signing() && c.proposal.epoch <= now.epoch
            }
        };
        let hit: Vec<_> = self
            .ceremonies
            .iter()
            .filter(|(_, c)| c.proposal.key == Some(key) && !c.is_over() && older(c))
            .map(|(hash, _)| *hash)
            .collect();
        for hash in hit {
            let text = "The shares of the key were renewed meanwhile; ask again.";
            self.break_off(hash, End::failed(api::ProblemKind::KeyBusy, text, []));
        }
    }

    /// Sessions that led to the epoch in force, which somebody else has brought to its end, end too, as soon as what was
    /// stored before is durable: they need not wait for what nobody says any more.
    pub(super) fn end_led(&mut self, key: Hash) {
        let Some(now) = self.keys.get(&key).map(|key| key.info().epoch_id()) else { return };
        let led = |c: &Ceremony| c.proposal.key == Some(key) && !c.is_over() && c.epoch_id() == Some(now);
        let hit: Vec<_> = self.ceremonies.iter().filter(|(_, c)| led(c)).map(|(hash, _)| *hash).collect();
        for hash in hit {
            self.store(Vec::new(), Then::End(hash, Box::new(End::Key(key))));
        }
    }

    /// Names the epochs in which this node knows its keys.
    pub(super) fn name_epochs(&mut self, peer: NodeId) {
        let known = |key: &Key| KnownEpoch {
            key: key.id(),
            epoch: key.info().epoch(),
            session: Hash(key.info().session().0),
        };
        let all: Vec<_> = self.keys.values().filter(|key| key.is_active()).map(known).collect();
        for part in all.chunks(MAX_NAMED) {
            self.send(peer, &PeerMessage::Epochs(part.to_vec()));
        }
    }

    /// A peer names the epochs it knows: whatever is larger here is shown to it.
    pub(super) fn hear_epochs(&mut self, from: NodeId, known: &[KnownEpoch]) {
        let larger = |k: &&KnownEpoch| {
            self.keys.get(&k.key).is_some_and(|key| {
                let here = key.info();
                key.is_active() && (here.epoch(), here.session().0) > (k.epoch, k.session.0)
            })
        };
        let newer: BTreeSet<_> = known.iter().take(MAX_NAMED).filter(larger).map(|k| k.key).collect();
        for key in newer.into_iter().take(MAX_SHOWN) {
            self.show_key(from, key);
        }
    }

    /// Shows a peer what a key is.
    pub(super) fn show_key(&mut self, peer: NodeId, key: Hash) {
        if let Some(certificate) = self.keys.get(&key).and_then(Key::certificate) {
            self.send(peer, &PeerMessage::Certificate(Box::new(certificate)));
        }
    }

    /// Beside a refusal: the epoch in force, to who asks this node to act in an older one (5.7, rule 5).
    pub(super) fn show_newer(&mut self, peer: NodeId, proposal: &Proposal) {
        let Some(key) = proposal.key.and_then(|key| self.keys.get(&key)) else { return };
        let is_older = match proposal.base.filter(|_| proposal.is_change()) {
            Some(base) => {
                key.info_of(SessionId(base.0)).is_some_and(|base| base.epoch() < key.info().epoch())
            }
            None => proposal.epoch < key.info().epoch(),
        };
        if is_older {
            self.show_key(peer, key.id());
        }
    }

    /// Beside a refusal: which numbers of epochs are used up here, if it may be about that.
    pub(super) fn tell_used(&mut self, to: NodeId, proposal: &Proposal) {
        let key = proposal.key.filter(|_| proposal.is_change()).and_then(|key| self.keys.get(&key));
        let used = key.map(|key| (key.id(), key.highest())).filter(|(_, used)| *used >= proposal.epoch);
        if let Some((key, epoch)) = used {
            self.send(to, &PeerMessage::Used { key, epoch });
        }
    }

    /// A participant has used larger numbers than this node knew: the next try takes a larger one.
    pub(super) fn hear_used(&mut self, from: NodeId, key: Hash, epoch: u64) {
        let proposed = |p: &Proposal| p.proposer == self.me && p.is_change() && p.key == Some(key);
        let asked =
            self.ceremonies.values().any(|c| proposed(&c.proposal) && c.proposal.index_of(from).is_some());
        let holds = self.keys.get(&key).is_some_and(|key| key.is_held_by(from));
        let waits = self.tasks.values().any(|task| task.is_change_of(key) && (holds || task.gives_to(from)));
        if asked || waits {
            self.raise_floor(key, epoch);
        }
    }

    /// The change of this key that is under way, if there is one: its request. What others have only proposed gives way
    /// after a while (`ceremony/turns.rs`); what led to the epoch in force only waits for the disk.
    pub(super) fn change_under_way(&self, key: Hash) -> Option<Hash> {
        let of_key = |wanted: &Wanted| {
            matches!(wanted, Wanted::Refresh(_) | Wanted::Reshare(_))
                && wanted.key().is_some_and(|id| id.0 == key.0)
        };
        let now = self.keys.get(&key).map(|key| key.info().epoch_id());
        let counts = |c: &&Ceremony| {
            let theirs = c.proposal.is_change() && c.is_running();
            let has_led = c.epoch_id().is_some_and(|epoch| Some(epoch) == now);
            !c.is_over() && !has_led && (theirs || c.proposal.proposer == self.me)
        };
        let running = self.ceremonies.values().filter(counts);
        running.filter(|c| of_key(&wanted_of(&c.proposal))).map(|c| c.request).next().or_else(|| {
            self.tasks.iter().find(|(_, task)| task.is_change_of(key)).map(|(request, _)| *request)
        })
    }
}
