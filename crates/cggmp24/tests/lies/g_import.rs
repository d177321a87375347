//! Group G, at the import of a private key: party 1 holds it alone, and reshares it to 2 of {2, 3, 4}. It is the only one
//! who knows anything, so it is the only one who can lie about the key.

use std::sync::Arc;

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, Point, Scalar, Toy};
use consign_cggmp24::ecdsa::Digest;
use consign_cggmp24::epoch::Record;
use consign_cggmp24::import::{first_epoch, share};
use consign_cggmp24::key::{KeyError, KeyInfo, KeyShare};
use consign_cggmp24::parties::Parties;
use consign_cggmp24::presign;
use consign_cggmp24::refresh;
use consign_cggmp24::reshare::testing::start_lying;
use consign_cggmp24::reshare::{self, Completion, Direct, Fault, Reshare, round3};
use consign_cggmp24::sharing::ShareFault;
use consign_cggmp24::testing::{Committee, NONCE, aux_of_all, deal_aux, identity, members};
use consign_rounds::Charge;
use consign_rounds::sim::{Outcome, Simulation, honest, party};

use crate::common::*;

type Re = Reshare<Toy>;

/// The private key.
fn private_key<C: Curve>() -> Scalar<C> {
    Scalar::from_u64(4711)
}

fn whole<C: Curve>(level: Level) -> KeyInfo<C> {
    first_epoch(level, identity(1), Point::mul_generator(&private_key()), [6; 32], &[8; 32])
}

struct Case {
    old: Committee<Toy>,
    public: Arc<reshare::Public<Toy>>,
}

fn case(level: Level) -> Case {
    let dealer = share(whole(level), private_key()).unwrap();
    let old = Committee { shares: [(party(1), dealer)].into(), aux: deal_aux(level, 4, 1) };
    let aux = aux_of_all(&old, 4, 1);
    let public = old.resharing(&[1], members(&[(1, 2), (2, 3), (3, 4)]), 2, 1, &aux);
    Case { old, public }
}

impl Case {
    fn simulate(&self) -> Simulation<Re> {
        self.old.simulate_reshare(&self.public, 1)
    }

    /// The dealer commits to an opening altered by `lie`.
    fn committed_lie(&self, lie: fn(&mut round3::Old<Toy>)) -> Outcome<Re> {
        let simulation = self.old.simulate_reshare_with(&self.public, 1, |me, old, rng| {
            let share = old.map(|old| &self.old.shares[&old]);
            start_lying(&self.public, self.public.session(&NONCE), me, share, rng, |opening| {
                if let Some(old) = opening.old.as_deref_mut() {
                    lie(old);
                }
            })
            .unwrap()
        });
        simulation.run(&mut deaf(1, 4, honest))
    }
}

fn assert_no_share(outcome: &Outcome<Re>) {
    let stored = outcome.stored.iter().filter(|(me, _)| **me != party(1)).flat_map(|(_, all)| all);
    assert!(stored.into_iter().all(|record| matches!(record, Record::Dealing(_))));
    assert!(outcome.finished.is_empty());
}

#[test]
fn an_imported_key_signs_under_its_public_key() {
    let case = case(Level::Fast);
    let holders = members(&[(1, 2), (2, 3), (3, 4)]);
    let new = case.old.reshared(&[1], holders, 2, 1, (4, 1));
    let X = Point::mul_generator(&private_key());
    assert_eq!((new.key().public_key, new.key().chain_code, new.key().threshold), (X, Some([6; 32]), 2));
    let digest = Digest::raw::<Toy>([3; 32]).unwrap();
    for signers in [[1, 2], [1, 3], [2, 3]] {
        assert!(new.sign(&signers, digest, 1).values().all(|signature| signature.verify(&X, &digest)));
    }
    // Whoever knows what the dealer has signed, and nothing else, is convinced of the new epoch.
    let outcome = case.simulate().run(&mut honest);
    let done = &outcome.finished[&party(2)];
    let proof = Completion::new(&case.public, NONCE, &done.output, &done.rounds);
    let keys = case.simulate().keys().clone();
    assert!(proof.proves(&whole(Level::Fast), &*keys));
    let other = first_epoch(Level::Fast, identity(1), X, [7; 32], &[8; 32]);
    assert!(!proof.proves(&other, &*keys), "another chain code");
    let other = first_epoch(Level::Fast, identity(2), X, [6; 32], &[8; 32]);
    assert!(!proof.proves(&other, &*keys), "another dealer");
}

#[test]
fn a_wrong_share_to_one_convicts_the_dealer() {
    let case = case(Level::Tiny);
    for victim in [2, 3, 4] {
        let outcome = case.simulate().run(&mut liar::<Re>(1, 4, |to, _, direct| {
            if to == victim {
                let Direct::Round4(Some(sent)) = direct else { panic!("a share") };
                sent.masked = sent.masked + Scalar::one();
            }
        }));
        assert_convicted("bad share", &outcome, 4, &[1], Charge::Broke(ShareFault::Share.into()));
        assert_no_share(&outcome);
    }
}

#[test]
fn another_public_key_than_it_has_named_convicts_the_dealer() {
    let case = case(Level::Tiny);
    let outcome = case.committed_lie(|old| old.coefficients.0[0] = Point::generator());
    assert_convicted("X", &outcome, 4, &[1], Charge::Broke(Fault::OldShare));
    assert_no_share(&outcome);
    let outcome = case.committed_lie(|old| old.coefficients.0.push(Point::generator()));
    assert_convicted("t' + 1", &outcome, 4, &[1], Charge::Broke(Fault::Coefficients));
    assert_no_share(&outcome);
}

#[test]
fn an_honest_dealer_is_acquitted() {
    assert_all_finished("honest", &case(Level::Tiny).simulate().run(&mut honest), 4);
}

/// Until it is shared out, the key can be used for nothing else.
#[test]
fn a_key_in_one_place_does_nothing_but_leave_it() {
    let info = whole::<Toy>(Level::Tiny);
    assert!(info.is_whole() && info.validate().is_ok());
    assert_eq!(info.validate_shared(), Err(KeyError::Whole));
    assert!(matches!(
        refresh::Public::new(info.clone(), 1),
        Err(refresh::RefreshError::Key(KeyError::Whole))
    ));
    let aux = deal_aux(Level::Tiny, 2, 1);
    let signers = Parties::alone(identity(1));
    let presigning = presign::Public::new(&info, aux[&party(1)].public(), signers, &"m".parse().unwrap(), 1);
    assert!(matches!(presigning, Err(presign::PresignError::Key(KeyError::Whole))));
    // Nobody is alone in a later epoch, with another threshold, or under another index.
    for odd in [KeyInfo { epoch: 1, ..info.clone() }, KeyInfo { threshold: 2, ..info.clone() }] {
        assert_eq!(odd.validate(), Err(KeyError::Shape));
    }
    let bytes = consign_rounds::encode(&Parties::alone(identity(1)));
    assert_eq!(consign_rounds::decode::<Parties>(&bytes, 100), Ok(Parties::alone(identity(1))));
    let mut second = bytes;
    second[1] = 2;
    assert!(consign_rounds::decode::<Parties>(&second, 100).is_err(), "index 2");
    // Another private key than that of the public key, and none at all.
    assert_eq!(share(info.clone(), private_key() + Scalar::one()).err(), Some(KeyError::Share));
    let nothing = first_epoch::<Toy>(Level::Tiny, identity(1), Point::identity(), [6; 32], &[8; 32]);
    assert_eq!(share(nothing, Scalar::zero()).err(), Some(KeyError::Identity));
    let stored = share(info.clone(), private_key()).unwrap().encode();
    assert_eq!(KeyShare::<Toy>::decode(&stored).unwrap().info(), &info);
}
