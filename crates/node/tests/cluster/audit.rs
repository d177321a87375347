//! Stores that went back: the others notice, and the node signs nothing until its operator has acted.

use consign_node::core::audit::{Chain, Held, Kind, accept_rollback};
use consign_node::store::{Store, Table};

use crate::epochs::with_key;
use crate::sim::Sim;

impl Sim {
    fn chain(&self, which: usize) -> Chain {
        Chain::read(&self.machines[which].store).unwrap()
    }

    /// What the operator does on the stopped node.
    pub(crate) fn accept_rollback(&mut self, which: usize) -> Option<Held> {
        let unix = self.unix();
        let store = &mut self.machines[which].store;
        let (held, writes) = accept_rollback(store, unix).unwrap()?;
        store.apply(&writes).unwrap();
        Some(held)
    }

    fn has_noticed(&self, which: usize) -> bool {
        self.machines[which].log.iter().any(|line| line.contains("it signs nothing until its operator"))
    }
}

/// Whatever a node takes part in is in its log before anybody hears of it, and the chain holds after a crash.
#[test]
fn ceremonies_are_in_the_log() {
    let (mut sim, key) = with_key(401, 3);
    let before = sim.chain(0).head.length;
    sim.sign_with(&[0, 1], &key);
    let chain = sim.chain(0);
    assert!(chain.head.length > before);
    let told: Vec<_> = chain.entries.iter().map(|placed| placed.entry.summary.as_str()).collect();
    for what in ["keygen", "sign", ": proposed", ": done"] {
        assert!(told.iter().any(|summary| summary.contains(what)), "{what}: {told:?}");
    }
    for kind in [Kind::Ceremony, Kind::Key, Kind::Roster] {
        assert!(chain.entries.iter().any(|placed| placed.entry.kind == kind), "{kind:?}");
    }
    sim.crash(0);
    sim.boot(0);
    sim.until("it is back", |sim| sim.sees(1, 0) && sim.sees(0, 1));
    assert!(!sim.has_noticed(0), "nothing went back");
    sim.sign_with(&[0, 1], &key);
    sim.chain(0);
}

#[test]
fn a_node_whose_store_went_back_signs_when_its_operator_has_acted() {
    let (mut sim, key) = with_key(402, 3);
    let image = sim.machines[0].store.clone();
    sim.sign_with(&[0, 1], &key);
    sim.sign_with(&[0, 2], &key);
    // The others compare from time to time.
    sim.pass(61_000);
    sim.crash(0);
    sim.machines[0].store = image;
    sim.boot(0);
    sim.until("it is shown its own signature", |sim| sim.has_noticed(0));
    sim.crash(2);
    let refused = sim.sign(1, key.id, b"not now").unwrap_err();
    assert!(refused.detail.contains("accept-rollback"), "{refused:?}");
    // Still after a restart, also if nobody shows it anything.
    sim.crash(0);
    assert!(sim.machines[0].store.get(Table::Meta, b"held").unwrap().is_some());
    let length = sim.chain(0).head.length;
    let Some(Held::Behind(seen)) = sim.accept_rollback(0) else { panic!("nothing to accept") };
    assert!(seen.length > length);
    assert_eq!(sim.chain(0).head.length, seen.length + 1);
    sim.boot(0);
    sim.until("it is back", |sim| sim.sees(1, 0) && sim.sees(0, 1));
    sim.pass(2_000);
    sim.sign_with(&[0, 1], &key);
    assert!(sim.machines[0].store.get(Table::Meta, b"held").unwrap().is_none());
}
