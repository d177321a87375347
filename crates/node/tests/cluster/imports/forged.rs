//! A dealer that goes back to the first epoch, whose one holder it was: with an accomplice it makes another key of it at
//! any time, properly signed, and moves nobody.

use consign_api as api;

use super::whole;
use crate::shown::bytes_of;
use crate::sim::Sim;

/// The key as node 0 shows it in another world, where it has shared it out to itself and an accomplice, who is invented
/// if it is none of this world, and has refreshed it since, so that the number of its epoch is larger.
fn forged(base: &Sim, seed: u64, key: &api::KeyView, accomplice: Option<usize>) -> Vec<u8> {
    let mut sim = base.revive(seed);
    let accomplice = accomplice.unwrap_or_else(|| {
        let invitation = sim.invite(0);
        let joiner = sim.add_joiner(&invitation);
        sim.until("it is a member everywhere", |sim| {
            (0..=joiner).all(|i| (0..=joiner).all(|j| sim.is_member(i, j) && sim.sees(i, j)))
        });
        joiner
    });
    let request = sim.reshare(key, 2, &[0, accomplice]);
    let shared = sim.change(0, key, request);
    let request = sim.refresh(&shared, api::Moduli::Keep);
    let moved = sim.change(0, &shared, request);
    assert_eq!((shared.epoch, moved.epoch), (1, 2));
    bytes_of(&mut sim, 0, &moved)
}

impl Sim {
    /// How often this node has dropped something for this reason.
    fn dropped(&self, which: usize, why: &str) -> usize {
        self.machines[which].log.iter().filter(|line| line.contains(why)).count()
    }
}

#[test]
fn a_dealer_alone_moves_nobody() {
    let (base, key) = whole(850, 4);
    let with_known = forged(&base, 851, &key, Some(3));
    let with_invented = forged(&base, 852, &key, None);

    // Whoever has a share keeps it, and signs.
    let mut sim = base.revive(853);
    let request = sim.reshare(&key, 2, &[0, 1, 2]);
    let held = sim.change(0, &key, request);
    sim.agree(&[0, 1, 2], &held);
    for certificate in [&with_known, &with_invented] {
        sim.transmit(0, 2, certificate.clone());
    }
    sim.until("both are refused", |sim| {
        sim.dropped(2, "a certificate that is not about the key as it is known here") == 2
    });
    sim.agree(&[0, 1, 2], &held);
    sim.sign_with(&[2], &held);
    // It is not deaf: what the holders do without it, it is shown in the same way.
    sim.cut.extend([(0, 2), (1, 2), (2, 3)]);
    sim.relink();
    let request = sim.reshare(&held, 2, &[0, 1]);
    let moved = sim.change(0, &held, request);
    assert_eq!(sim.key_at(2, key.id).map(|k| (k.epoch, k.share)), Some((1, true)));
    sim.cut.clear();
    sim.relink();
    sim.agree(&[0, 1, 2], &moved);

    // Whoever knows it in one place believes in no holders that nobody knows.
    let mut sim = base.revive(854);
    assert!(matches!(sim.ask(1, api::Request::ShowKey(key.id)), api::Reply::Key(_)));
    sim.transmit(0, 1, with_invented);
    sim.until("it is refused", |sim| sim.dropped(1, "a key that nobody known here holds") == 1);
    assert_eq!(sim.keys(1).pop().map(|k| k.state), Some(api::KeyState::Whole));
    sim.transmit(0, 1, with_known);
    sim.until("it is shown one with holders", |sim| sim.keys(1).iter().any(|k| k.epoch == 2));
}
