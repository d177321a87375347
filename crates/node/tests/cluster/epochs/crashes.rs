//! Nodes that die at every transaction of a change.

use consign_api as api;

use super::{KEEP, RENEW, with_key};
use crate::sim::{STORMY, Sim, seeds};

/// One node dies at its `at`-th transaction of a change; true: the change was over before that.
fn crash_in_change(
    base: &Sim,
    key: &api::KeyView,
    seed: u64,
    at: u64,
    durable: bool,
    reshares: bool,
) -> bool {
    let mut sim = base.revive(seed);
    let victim = usize::try_from(seed % 2).unwrap();
    let request = if reshares {
        sim.reshare(key, 2, &[1, 2, 3])
    } else {
        sim.refresh(key, if durable { KEEP } else { RENEW })
    };
    sim.machines[victim].crash_in = Some((at, durable));
    let id = sim.start_unless_crashed(0, request);
    sim.until("the victim is dead or the ceremony over", |sim| {
        !sim.is_running(victim)
            || id.and_then(|id| sim.view(victim, id)).is_some_and(|view| view.state.is_over())
    });
    let survived = sim.is_running(victim);
    sim.machines[victim].crash_in = None;
    if !survived {
        let pause = sim.random(3_000);
        sim.pass(pause);
        sim.boot(victim);
    }
    sim.until("nothing runs any more, and all see all", |sim| {
        (0..4).all(|i| id.and_then(|id| sim.view(i, id)).is_none_or(|v| v.state.is_over()))
            && (0..4).all(|i| (0..4).all(|j| sim.sees(i, j)))
    });
    let epochs = |sim: &mut Sim| (0..3).map(|i| sim.key_at(i, key.id).unwrap().epoch).collect::<Vec<_>>();
    sim.until("the holders agree", |sim| epochs(sim).windows(2).all(|w| w[0] == w[1]));
    let now = sim.key_at(1, key.id).unwrap();
    sim.agree(&[0, 1, 2], &now);
    sim.sign_with(&[victim, 2], &now);
    // Whatever happened, the key can go on.
    if at.is_multiple_of(3) {
        let request = sim.reshare(&now, 2, &[0, 1, 2]);
        let next = sim.change(2, &now, request);
        sim.agree(&[0, 1, 2], &next);
        sim.sign_with(&[0], &next);
    }
    survived
}

#[test]
fn a_change_survives_power_failures_at_every_transaction() {
    let (base, key) = with_key(220, 4);
    for reshares in [false, true] {
        for victim in [0, 1] {
            for durable in [false, true] {
                let mut at = 0;
                while !crash_in_change(&base, &key, 2 * at + victim, at, durable, reshares) {
                    at += 1;
                    assert!(at < 100, "a change has a handful of transactions");
                }
                // To the disk go: primes out of the pool, where moduli are renewed; the request's record; that shares
                // are dealt; the pending share; the new epoch in the place of the old one; the story. Node 0 leaves by
                // the resharing, so it has no primes and no pending share; node 1 stays, and makes moduli with the
                // other two before.
                let least = match (reshares, victim) {
                    (false, _) if durable => 5,
                    (false, _) => 6,
                    (true, 0) => 4,
                    (true, _) => 9,
                };
                assert!(at >= least, "the crashes hit the change: {at} of {least}");
            }
        }
    }
}

#[test]
fn a_change_survives_bad_weather() {
    for seed in seeds(4) {
        let (mut base, key) = with_key(230 + seed, 4);
        let at = base.random(12);
        base.weather = STORMY;
        crash_in_change(&base, &key, seed, at, seed % 2 == 0, seed % 3 != 0);
    }
}
