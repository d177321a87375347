//! Group C: distributed key generation, sharing, indices.

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Point, Scalar, Secp256k1, Toy};
use consign_cggmp24::key::KeyShare;
use consign_cggmp24::keygen::testing::{mask, mask_key, start_lying};
use consign_cggmp24::keygen::{Broadcast, Direct, Fault, Keygen, confirmation, round3, round4, round5};
use consign_cggmp24::parties::{Parties, PartiesError};
use consign_rounds::sim::{Letter, TestKeys, honest, party};
use consign_rounds::{Bytes, Charge, Complaint, DirectPart, PartyIndex, PerParty};
use consign_zk::feldman::{Commitments, Polynomial, lagrange_at_zero};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use crate::common::*;

mod agreement;
mod sharing;

type Round5 = round5::Broadcast<Toy>;
type Opening = round3::Broadcast<Toy>;
type Kg = Keygen<Toy>;

fn random_point(seed: u64) -> Point<Toy> {
    Point::mul_generator(&Scalar::random_nonzero(&mut ChaCha12Rng::seed_from_u64(seed)))
}

/// Party 2 of 3 (threshold 2) commits to an opening altered by `lie`.
fn committed_lie(what: &str, derivable: bool, fault: Fault, lie: fn(&mut Opening)) {
    let public = keygen_public(2, 3, derivable);
    for seed in 0..5 {
        let simulation = keygen_with::<Toy>(seed, &public, |me, session, rng| {
            start_lying(&public, session, me, rng, |opening| {
                if me == party(2) {
                    lie(opening);
                }
            })
        });
        let outcome = simulation.run(&mut honest);
        assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
        assert!(outcome.stored.keys().all(|me| *me == party(2)), "{what}: something was stored");
    }
}

/// What `from` is told by `lie` to say in round 5 after it has seen what `dealer` sent it.
fn in_round_5(
    seed: u64,
    derivable: bool,
    mut lie: impl FnMut(&TestKeys, DirectPart, Scalar<Toy>) -> Round5,
) -> consign_rounds::sim::Outcome<Kg> {
    // Party 1 lies about what party 3 honestly sent it.
    let public = keygen_public(2, 4, derivable);
    let mut key = None;
    let simulation = keygen_with::<Toy>(seed, &public, |me, session, rng| {
        let (state, speech) = consign_cggmp24::keygen::start(&public, session, me, rng);
        if me == party(1) {
            key = mask_key(&state, party(3));
        }
        (state, speech)
    });
    let key = key.unwrap();
    let mut shown = None;
    simulation.run(&mut |keys: &TestKeys, mut letter: Letter| {
        if is_said(&letter, 3, 4) && letter.to == party(1) {
            shown = envelope(&letter).map(|e| e.direct_part());
        }
        if is_said(&letter, 1, 5) {
            let broadcast = lie(keys, shown.clone().expect("3 has dealt"), key);
            keys.rewrite::<Kg>(&mut letter, |said, _| *said = Broadcast::Round5(broadcast));
        }
        vec![letter]
    })
}

fn complaint(shown: DirectPart, key: Scalar<Toy>) -> Round5 {
    let complaint = Complaint { against: party(3), envelope: shown };
    Round5::Complaint(Box::new(round5::OpenedComplaint { complaint, key }))
}

#[test]
fn lies_convict_on_the_real_curve() {
    type Real = Keygen<Secp256k1>;
    let public = keygen_public_at(Level::L128, 2, 3, true);
    let outcome = keygen_of::<Secp256k1>(1, &public).run(&mut liar::<Real>(2, 4, |to, _, direct| {
        let Direct::Round4(sent) = direct else { panic!("a share") };
        if to == 3 {
            sent.masked = sent.masked + Scalar::one();
        }
    }));
    assert_convicted("bad share", &outcome, 3, &[2], Charge::Broke(Fault::Share));
    let outcome = keygen_of::<Secp256k1>(1, &public).run(&mut liar::<Real>(2, 3, |_, said, _| {
        let Broadcast::Round3(opening) = said else { panic!("round 3") };
        opening.nonce[0] ^= 1;
    }));
    assert_convicted("opening", &outcome, 3, &[2], Charge::Broke(Fault::Commitment));
}
