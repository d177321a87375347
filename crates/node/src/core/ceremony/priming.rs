//! Primes of a participant: out of the pool, or searched while the proposer is told to wait. Those that no session
//! opens go back to the pool.

use consign_api as api;
use zeroize::Zeroizing;

use super::super::hash::Hash;
use super::super::jobs::Work;
use super::super::node::{For, Node, Then};
use super::super::records::decode;
use super::super::requests::level_of;
use super::super::setup::pooled;
use super::super::wire::PeerMessage;
use super::{End, Part};
use crate::store::Value;

/// How often a participant that searches primes says so, in milliseconds.
pub(super) const PREPARING_MS: u64 = 3_000;

/// Most searches at a time: there are as many compute threads beyond the number of cores, so that searches, which take
/// minutes, never keep a signature waiting. The others wait for their turn.
const MAX_SEARCHES: usize = 2;

impl Node {
    fn search_primes(&mut self, hash: Hash, level: u16) {
        let searches = self.jobs.values().filter(|f| matches!(f, For::Primes(..))).count();
        if searches >= MAX_SEARCHES {
            return;
        }
        let seed = Zeroizing::new(self.random());
        let size = level_of(level).expect("invariant: examined before");
        self.compute(Work::Primes { level: size, seed }, For::Primes(hash, level));
    }

    /// Primes of the pool were taken, or were gone.
    pub(in super::super) fn primes_taken(&mut self, hash: Hash, level: u16, value: Option<Value>) {
        // It is searched for at the next tick.
        let Some(value) = value else { return };
        match decode::<Vec<u8>>(&value) {
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
        let level = ceremony.proposal.level;
        if proposer != me && (*told == 0 || now.saturating_sub(*told) >= PREPARING_MS) {
            *told = now.max(1);
            self.send(proposer, &PeerMessage::Preparing { proposal: hash });
        }
        let searched = self.jobs.values().any(|f| matches!(f, For::Primes(of, _) if *of == hash));
        let taken = self.writes.values().any(|t| matches!(t, Then::Primes(of, _) if *of == hash));
        if !searched && !taken {
            self.search_primes(hash, level);
        }
    }
}
