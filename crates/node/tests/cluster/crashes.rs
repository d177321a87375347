//! Power failures: at every transaction of a key generation, on either side of it. Afterwards the key is either
//! active at all its holders, or at none, and what is active signs.

use consign_api::KeyState;

use crate::client::verify;
use crate::sim::{STORMY, Sim, Weather, seeds};

/// One holder dies at its `at`-th transaction; true: the run was over before that.
fn crash_in_keygen(base: &Sim, seed: u64, victim: usize, at: u64, durable: bool, weather: Weather) -> bool {
    let mut sim = base.revive(seed);
    sim.weather = weather;
    let request = sim.create_key(2, &[0, 1, 2]);
    sim.machines[victim].crash_in = Some((at, durable));
    let proposer = 0;
    let id = sim.start_unless_crashed(proposer, request);
    sim.until("the victim is dead or the ceremony over", |sim| {
        let over = |sim: &mut Sim, i| id.and_then(|id| sim.view(i, id)).is_some_and(|v| v.state.is_over());
        !sim.is_running(victim) || over(sim, victim)
    });
    let survived = sim.is_running(victim);
    sim.machines[victim].crash_in = None;
    if !survived {
        let pause = sim.random(3_000);
        sim.pass(pause);
        sim.boot(victim);
    }
    sim.weather = Weather::default();
    sim.until("nothing runs any more", |sim| {
        (0..3).all(|i| id.and_then(|id| sim.view(i, id)).is_none_or(|v| v.state.is_over()))
            && (0..3).all(|i| (0..3).all(|j| sim.sees(i, j)))
    });
    sim.until("the holders agree", |sim| {
        let active = (0..3).filter(|i| sim.keys(*i).iter().any(|k| k.state == KeyState::Active)).count();
        active == 0 || active == 3
    });
    let keys = sim.keys(0);
    if let Some(key) = keys.iter().find(|k| k.state == KeyState::Active) {
        for i in 0..3 {
            let theirs: Vec<_> = sim.keys(i).into_iter().filter(|k| k.state == KeyState::Active).collect();
            assert_eq!(theirs.len(), 1);
            assert_eq!((theirs[0].id, &theirs[0].public_key), (key.id, &key.public_key));
        }
        let signature = sim.sign(victim, key.id, b"after the crash").unwrap();
        verify(key, &signature, b"after the crash");
    }
    if !at.is_multiple_of(4) {
        return survived;
    }
    // Whatever happened, the committee can make another key.
    let other = sim.new_key(victim, 2, &[0, 1, 2]);
    assert!(keys.iter().all(|k| k.id != other.id));
    survived
}

#[test]
fn a_key_survives_power_failures_at_every_transaction() {
    for seed in seeds(1) {
        let base = Sim::cluster(seed + 40, 3, Weather::default());
        for victim in [0, 1] {
            for durable in [false, true] {
                let mut at = 0;
                while !crash_in_keygen(&base, seed * 1000 + at, victim, at, durable, Weather::default()) {
                    at += 1;
                    assert!(at < 100, "a key generation has a handful of transactions");
                }
                assert!(at > 5, "the crashes hit the key generation: {at}");
            }
        }
    }
}

#[test]
fn a_key_survives_power_failures_in_bad_weather() {
    for seed in seeds(4) {
        let mut base = Sim::cluster(seed + 50, 3, STORMY);
        base.weather = Weather::default();
        let at = base.random(12);
        crash_in_keygen(&base, seed, (seed % 3) as usize, at, seed % 2 == 0, STORMY);
    }
}

#[test]
fn a_partition_heals() {
    for seed in seeds(2) {
        let mut sim = Sim::cluster(seed + 60, 4, Weather::default());
        let key = sim.new_key(3, 2, &[0, 1, 2, 3]);
        sim.agree(&[0, 1, 2, 3], &key);
        sim.cut.extend([(0, 2), (0, 3), (1, 2), (1, 3)]);
        sim.relink();
        for (i, message) in [(0, b"left"), (3, b"rite")] {
            let signature = sim.sign(i, key.id, message).unwrap();
            verify(&key, &signature, message);
        }
        let invitation = sim.invite(0);
        let joiner = sim.add_joiner(&invitation);
        sim.until("it is in", |sim| sim.is_member(joiner, joiner) && sim.is_member(1, joiner));
        assert!(!sim.is_member(3, joiner));
        sim.cut.clear();
        sim.relink();
        sim.until("the news got round", |sim| {
            (0..4).all(|i| sim.is_member(i, joiner) && sim.sees(i, joiner))
        });
        let signature = sim.sign(2, key.id, b"whole").unwrap();
        verify(&key, &signature, b"whole");
    }
}
