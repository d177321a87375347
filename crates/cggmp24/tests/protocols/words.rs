//! A word that belongs into another round convicts whoever says it, in every protocol. (Attack A-80 is about words that
//! belong into none.)

use consign_cggmp24::Level;
use consign_cggmp24::curve::Toy;
use consign_cggmp24::ecdsa::Digest;
use consign_cggmp24::testing::{Committee, aux_of_all, members};
use consign_rounds::sim::{Letter, Simulation, TestKeys};
use consign_rounds::{Charge, Protocol};

use crate::common::*;

/// Party 2 says in each round what it says in another one, publicly or in private.
fn convicts<P: Protocol>(what: &str, n: u16, simulation: impl Fn() -> Simulation<P>) {
    let mut said = Record::default();
    let honest = simulation().run(&mut |_: &TestKeys, letter: Letter| {
        said.note(&letter);
        vec![letter]
    });
    assert_all_finished(what, &honest, n);
    // Alerts are said only when something went wrong.
    let rounds = 1..=said.last_round(2);
    let mut tried = 0;
    for (round, other) in rounds.clone().flat_map(|a| rounds.clone().map(move |b| (a, b))) {
        let (here, there) = (said.find(2, 1, round), said.find(2, 1, other));
        if here.broadcast != there.broadcast {
            let mut lie = garbler(2, round, |_, e| e.broadcast = there.broadcast.clone());
            let what = format!("{what}: the words of round {other} in round {round}");
            assert_convicted(&what, &simulation().run(&mut lie), n, &[2], Charge::Malformed);
            tried += 1;
        }
        if here.direct != there.direct {
            let mut lie = garbler(2, round, |_, e| e.direct = there.direct.clone());
            let what = format!("{what}: the private words of round {other} in round {round}");
            assert_convicted(&what, &simulation().run(&mut lie), n, &[2], Charge::Malformed);
            tried += 1;
        }
    }
    let rounds = usize::from(said.last_round(2));
    assert!(tried >= rounds * (rounds - 1), "{what}: {tried} tried in {rounds} rounds");
}

#[test]
fn of_key_generation_and_moduli_convict() {
    let public = keygen_public(2, 3, true);
    convicts("keygen", 3, || keygen_of::<Toy>(1, &public));
    let public = aux_public(3);
    convicts("aux", 3, || aux_of::<Toy>(1, &public));
}

#[test]
fn of_signing_convict() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 2, 1);
    let public = committee.presigning(&[1, 2], 2);
    convicts("presign", 2, || committee.simulate_presigning(&public, 1));
    let public = committee.signing(&[1, 2], Digest::raw::<Toy>([9; 32]).unwrap());
    convicts("sign", 2, || committee.simulate_signing(&public, 1));
}

#[test]
fn of_changes_convict() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    for renew in [false, true] {
        let public = committee.refreshing(5, renew);
        convicts("refresh", 3, || committee.simulate_refresh(&public, 1));
    }
    let public =
        committee.resharing(&[1, 2], members(&[(1, 1), (2, 2), (3, 3)]), 2, 5, &aux_of_all(&committee, 3, 1));
    convicts("reshare", 3, || committee.simulate_reshare(&public, 1));
}
