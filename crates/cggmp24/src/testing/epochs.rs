//! Committees that go from one epoch to the next.

use std::sync::Arc;

use consign_rounds::sim::{SimRng, Simulation, honest};
use consign_rounds::{PartyIndex, PerParty, Speech};
use consign_zk::curve::Curve;

use super::{Committee, NONCE, deal_aux, party, primes, results, share_of, simulate};
use crate::aux_info::{Aux, AuxPublic};
use crate::epoch::Pending;
use crate::parties::{Identity, Parties};
use crate::refresh::{self, Refresh};
use crate::reshare::{self, Reshare, Reshared};

/// The members with these numbers, under these indices of a key.
pub fn members(list: &[(u16, u16)]) -> Parties {
    let member = |&(index, number): &(u16, u16)| (party(index), identity(number));
    Parties::new(list.iter().map(member).collect()).expect("an ascending list of parties")
}

/// The identity of the member with this number.
pub fn identity(number: u16) -> Identity {
    let mut identity = [7; 32];
    identity.split_at_mut(2).0.copy_from_slice(&number.to_be_bytes());
    identity
}

/// The number of the member with this identity.
pub fn number(identity: &Identity) -> u16 {
    u16::from_be_bytes([identity[0], identity[1]])
}

/// Ready-made moduli of members 1 to `n`, from which a resharing takes those of its new holders.
pub fn aux_of_all(committee: &Committee<impl Curve>, n: u16, seed: u64) -> AuxPublic {
    let all = deal_aux(committee.key().level, n, seed);
    share_of(&all, party(1)).public().clone()
}

impl<C: Curve> Committee<C> {
    /// What all holders agree on for a refresh to `epoch`, with new moduli or the old ones.
    pub fn refreshing(&self, epoch: u64, renew: bool) -> Arc<refresh::Public<C>> {
        let base = self.key().clone();
        let public = if renew {
            refresh::Public::new(base, epoch)
        } else {
            refresh::Public::keeping_moduli(base, epoch, self.aux_public())
        };
        Arc::new(public.expect("a usable key and a larger epoch"))
    }

    /// A simulation of a refresh whose parties start as `start` says.
    pub fn simulate_refresh_with(
        &self,
        public: &Arc<refresh::Public<C>>,
        seed: u64,
        start: impl FnMut(PartyIndex, &mut SimRng) -> (Refresh<C>, Speech<Refresh<C>>),
    ) -> Simulation<Refresh<C>> {
        simulate(seed, public.session(&NONCE), public.parties(), public.clone(), start)
    }

    /// A simulation of a refresh in which nothing has been delivered yet. The primes are the ready-made ones again.
    pub fn simulate_refresh(&self, public: &Arc<refresh::Public<C>>, seed: u64) -> Simulation<Refresh<C>> {
        self.simulate_refresh_with(public, seed, |me, rng| {
            let primes = public.renews().then(|| primes(self.key().level, me));
            refresh::start(public, public.session(&NONCE), share_of(&self.shares, me), primes, rng)
                .expect("an acceptable start")
        })
    }

    /// The committee after a refresh.
    pub fn refreshed(mut self, epoch: u64, renew: bool, seed: u64) -> Self {
        let public = self.refreshing(epoch, renew);
        let pendings = results(self.simulate_refresh(&public, seed).run(&mut honest));
        let (mut shares, mut aux) = (PerParty::new(), PerParty::new());
        for (me, pending) in pendings {
            let (share, new) = pending.into_parts();
            let old = self.aux.remove(&me).expect("a holder has moduli");
            shares.insert(me, share);
            aux.insert(me, new.unwrap_or(old));
        }
        Self { shares, aux }
    }

    /// What `quorum` (indices of the key) and the new holders agree on for a resharing to `epoch`.
    pub fn resharing(
        &self,
        quorum: &[u16],
        holders: Parties,
        threshold: u16,
        epoch: u64,
        aux: &AuxPublic,
    ) -> Arc<reshare::Public<C>> {
        let public =
            reshare::Public::new(self.key().clone(), self.signers(quorum), holders, threshold, epoch, aux);
        Arc::new(public.expect("an acceptable resharing"))
    }

    /// A simulation of a resharing whose parties start as `start` says; it is told the party's old index if it deals.
    pub fn simulate_reshare_with(
        &self,
        public: &Arc<reshare::Public<C>>,
        seed: u64,
        mut start: impl FnMut(PartyIndex, Option<PartyIndex>, &mut SimRng) -> (Reshare<C>, Speech<Reshare<C>>),
    ) -> Simulation<Reshare<C>> {
        let old = |me| public.quorum().index_of(public.parties().identity(me).expect("a party"));
        let session = public.session(&NONCE);
        simulate(seed, session, public.parties(), public.clone(), |me, rng| start(me, old(me), rng))
    }

    /// A simulation of a resharing in which nothing has been delivered yet.
    pub fn simulate_reshare(&self, public: &Arc<reshare::Public<C>>, seed: u64) -> Simulation<Reshare<C>> {
        self.simulate_reshare_with(public, seed, |me, old, rng| {
            let share = old.map(|old| share_of(&self.shares, old));
            reshare::start(public, public.session(&NONCE), me, share, rng).expect("an acceptable start")
        })
    }

    /// The committee after a resharing, with moduli from [`aux_of_all`] of `n` members.
    pub fn reshared(
        &self,
        quorum: &[u16],
        holders: Parties,
        threshold: u16,
        epoch: u64,
        (n, seed): (u16, u64),
    ) -> Self {
        let public = self.resharing(quorum, holders, threshold, epoch, &aux_of_all(self, n, seed));
        let results: PerParty<Reshared<C>> = results(self.simulate_reshare(&public, seed).run(&mut honest));
        let pendings = results.into_values().filter_map(|result| result.pending);
        let shares = pendings.map(|pending| (pending.share().index(), Pending::into_parts(pending).0));
        let mut all = deal_aux(self.key().level, n, seed);
        let own = |(index, identity): (PartyIndex, &Identity)| -> (PartyIndex, Aux) {
            (index, all.remove(&party(number(identity))).expect("a member"))
        };
        Self { shares: shares.collect(), aux: public.holders().iter().map(own).collect() }
    }
}
