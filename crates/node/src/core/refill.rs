//! What is made when nothing else is to be done.
//!
//! Presignatures, where the operator wants that and there is no policy, as if somebody with this node's token had asked. Off
//! unless configured. With a policy, standing orders do it (`standing.rs`).
//!
//! Nonces under the keys of those who signed with this node since it started (`Aux::make_nonces`): the next signature takes a
//! fifth less time.

use std::sync::Arc;

use consign_api as api;
use consign_api::limits::MAX_PRESIGNATURES;

use super::Level;
use super::hash::Hash;
use super::jobs::Work;
use super::keys::Key;
use super::node::{For, Node};
use super::presigning::longest_batch;
use super::requests::Wanted;

/// Pause between two looks, in milliseconds; doubled after each batch that came to nothing.
pub const REFILL_MS: u64 = 5_000;
/// Longest such pause, in milliseconds.
pub const MAX_REFILL_PAUSE_MS: u64 = 10 * 60 * 1000;

/// What the refilling remembers.
#[derive(Default)]
pub(super) struct Refill {
    next: u64,
    pause: u64,
    /// The last batch, and its key: others get their turn first.
    last: Option<(Hash, Hash)>,
}

impl Node {
    /// Begins a batch for a key that has too few, if nothing else is under way.
    pub(super) fn tick_refill(&mut self) {
        let now = self.now.monotonic;
        let busy = !self.is_idle();
        if self.settings.keep_presignatures == 0 || self.is_governed() || now < self.refill.next || busy {
            return;
        }
        let last = self.refill.last.and_then(|(request, _)| self.ceremony_view(&request));
        let failed = last.is_some_and(|view| view.state == api::CeremonyState::Failed);
        let pause = if failed { self.refill.pause.saturating_mul(2) } else { REFILL_MS };
        self.refill.pause = pause.min(MAX_REFILL_PAUSE_MS);
        self.refill.next = now.saturating_add(self.refill.pause);
        let Some((key, count)) = self.lacking_presignatures() else { return };
        let terms = api::PresignTerms { count, signers: Vec::new() };
        match self.bring(Wanted::Presign(api::Presign { key: api::KeyId(key.0), terms })) {
            Ok(view) => self.refill.last = Some((Hash(view.id.0), key)),
            Err(problem) => {
                self.refill.last = Some((Hash([0; 32]), key));
                self.log(Level::Debug, &format!("no presignatures are made for {key}: {problem}"));
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.tasks.is_empty() && self.ceremonies.values().all(|c| c.is_over())
    }

    /// Begins to make nonces for one party, if any are lacking and nothing else is under way.
    pub(super) fn tick_nonces(&mut self) {
        if !self.is_idle() || !self.jobs.is_empty() {
            return;
        }
        if let Some(aux) = self.aux.values().map(|record| &record.aux).find(|aux| aux.lacks_nonces()) {
            self.compute(Work::Nonces(Arc::clone(aux)), For::Idle);
        }
    }

    /// The next key of which this node owns too few that could be used now, and how many are to be made.
    fn lacking_presignatures(&self) -> Option<(Hash, u32)> {
        let lacks = |key: &Key| {
            let count = self.missing_presignatures(key);
            (count > 0).then(|| (key.id(), count))
        };
        let after = self.refill.last.map(|(_, key)| key);
        let later = self.keys.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
        later.map(|(_, key)| key).find_map(lacks).or_else(|| self.keys.values().find_map(lacks))
    }

    fn missing_presignatures(&self, key: &Key) -> u32 {
        if !key.is_active() || key.share().is_none() || key.is_whole() {
            return 0;
        }
        let usable = self.presignatures.of_key(key.id()).filter(|(_, slot)| {
            let mut signers = key.holders().iter().filter(|h| slot.is_signed_by(h.id));
            slot.owner == self.me && signers.all(|h| self.is_up(h.id))
        });
        let here = u32::try_from(usable.count()).unwrap_or(u32::MAX);
        let threshold = key.info().threshold();
        // Of a batch, each signer owns its part.
        let wanted = self.settings.keep_presignatures.saturating_sub(here).saturating_mul(threshold.into());
        wanted.min(longest_batch(key)).min(MAX_PRESIGNATURES)
    }
}
