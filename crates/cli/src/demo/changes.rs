//! The part of the demo in which the key gets new shares: refreshed, then moved to other holders and back.

use std::time::Duration;

use consign_api::{
    CeremonyView, KeyView, Moduli, NodeId, Phase as CeremonyPhase, PhaseTime, Refresh, RefreshTerms, Reshare,
    ReshareTerms,
};

use super::report::{Phase, tell};
use super::story::Story;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::follow::{self, PhaseBars};
use crate::key::changed;

/// To so many nodes the key is moved, if there were fewer in the beginning.
const WIDE: usize = 5;

/// A change of the key as it is told.
struct Told {
    name: &'static str,
    what: String,
}

impl Story<'_> {
    /// The killed node comes back; everybody gets a new share; one more must sign, then as many as before. The key as
    /// it is in the end.
    pub(super) fn change(&self, node: &Connection, key: &KeyView, killed: usize) -> Result<KeyView, Failure> {
        self.bring_back(key, killed)?;
        let committee: Vec<_> = key.committee.iter().map(|member| member.validator).collect();
        let fresh = self.refresh(node, key, &committee)?;
        let wide = if self.all() > committee.len() {
            self.join_more()?;
            self.validators(node, self.all())?
        } else {
            committee.clone()
        };
        let more = key.threshold.saturating_add(1);
        let moved = self.reshare(node, &fresh, more, &wide, "reshare")?;
        let back = self.reshare(node, &moved, key.threshold, &committee, "reshare-back")?;
        Ok(back)
    }

    /// All nodes there are when nobody is dead.
    pub(super) fn all(&self) -> usize {
        let parties = usize::from(self.demo.parties);
        // Where one is caught cheating, the key stays.
        if self.demo.quick || self.demo.cheat { parties } else { parties.max(WIDE) }
    }

    fn bring_back(&self, key: &KeyView, killed: usize) -> Result<(), Failure> {
        let phase = Phase::begin(self.out, "restart");
        self.nodes.start(killed)?;
        let count = usize::from(self.demo.parties);
        self.all_meet(&phase, count)?;
        self.in_epoch(&self.reach(killed)?, key)?;
        phase.done(&format!("node {killed} is back; its share was on disk"))
    }

    fn join_more(&self) -> Result<(), Failure> {
        let phase = Phase::begin(self.out, "join-more");
        let old = usize::from(self.demo.parties);
        for number in old + 1..=self.all() {
            self.let_in(&phase, number)?;
        }
        self.all_meet(&phase, self.all())?;
        phase.done(&format!("all {} nodes are in the cluster now", self.all()))
    }

    fn refresh(&self, node: &Connection, key: &KeyView, committee: &[NodeId]) -> Result<KeyView, Failure> {
        // New moduli would take as long as the first ones, and there is nothing to see.
        let terms = RefreshTerms { epoch: key.epoch, moduli: Moduli::Keep };
        let started = node.refresh(&Refresh { key: key.id, terms })?;
        let told = Told {
            name: "refresh",
            what: "every share is new, old ones are worthless, the public key is the same".to_owned(),
        };
        let over = self.follow_change(node, started, &told)?;
        let new = changed(&over, key, key.threshold, committee)?;
        self.everywhere(new, committee)?;
        Ok(new.clone())
    }

    fn reshare(
        &self,
        node: &Connection,
        key: &KeyView,
        threshold: u16,
        committee: &[NodeId],
        name: &'static str,
    ) -> Result<KeyView, Failure> {
        let terms = ReshareTerms { epoch: key.epoch, threshold, committee: committee.to_vec() };
        let terms = terms.checked().map_err(Failure::Usage)?;
        let started = node.reshare(&Reshare { key: key.id, terms })?;
        let who = if usize::from(threshold) == committee.len() { "all" } else { "any" };
        let what =
            format!("{who} {threshold} of {} sign together now, the public key is the same", committee.len());
        let over = self.follow_change(node, started, &Told { name, what })?;
        let new = changed(&over, key, threshold, committee)?;
        self.everywhere(new, committee)?;
        Ok(new.clone())
    }

    fn follow_change(
        &self,
        node: &Connection,
        started: CeremonyView,
        told: &Told,
    ) -> Result<CeremonyView, Failure> {
        let mut bars = PhaseBars::new(self.out, |time: &PhaseTime| match time.phase {
            CeremonyPhase::Refresh | CeremonyPhase::Reshare => {
                tell(self.out, told.name, Duration::from_millis(time.ms), &told.what)
            }
            CeremonyPhase::Accept
            | CeremonyPhase::Primes
            | CeremonyPhase::Aux
            | CeremonyPhase::Keygen
            | CeremonyPhase::Presign
            | CeremonyPhase::Sign => self.tell_ceremony(time),
        });
        follow::done(node.follow(started, |view| bars.update(view))?)
    }

    /// The node that was asked knows the new epoch first; the other holders follow in a moment.
    fn everywhere(&self, key: &KeyView, committee: &[NodeId]) -> Result<(), Failure> {
        for number in 1..=self.all() {
            // The last nodes may not have been made yet.
            if !self.nodes.data(number).exists() {
                continue;
            }
            let node = self.reach(number)?;
            if committee.contains(&node.node()?.id) {
                self.in_epoch(&node, key)?;
            }
        }
        Ok(())
    }

    fn in_epoch(&self, node: &Connection, key: &KeyView) -> Result<(), Failure> {
        self.until("all holders to have the new epoch", || {
            let same = |mine: &KeyView| (mine.id, mine.epoch) == (key.id, key.epoch) && mine.share;
            Ok(node.keys()?.iter().any(same).then_some(()))
        })
    }
}
