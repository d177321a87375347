//! Group G, in a refresh: bad shares of zero, a constant that is not zero, another threshold, bad moduli, a wrong
//! confirmation. Resharing is in `g_reshare.rs`, what late confirmations do in `tests/activation.rs`.

use consign_cggmp24::Level;
use consign_cggmp24::aux_info;
use consign_cggmp24::curve::{Point, Scalar, Secp256k1, Toy};
use consign_cggmp24::epoch::{Pending, Record};
use consign_cggmp24::refresh::testing::{mask_key, start_lying};
use consign_cggmp24::refresh::{self, Broadcast, Direct, Fault, Refresh, round3, round5};
use consign_cggmp24::sharing::{OpenedComplaint, ShareFault};
use consign_cggmp24::testing::{Committee, NONCE};
use consign_rounds::sim::{Adversary, Letter, Outcome, TestKeys, honest, party};
use consign_rounds::{Charge, Complaint, DirectPart};

use crate::common::*;

type Re = Refresh<Toy>;
type Opening = round3::Broadcast<Toy>;

fn committee(t: u16, n: u16) -> Committee<Toy> {
    Committee::dealt(Level::Tiny, t, n, 1)
}

fn run(n: u16, seed: u64, renew: bool, adversary: &mut Adversary<'_>) -> Outcome<Re> {
    let committee = committee(2, n);
    committee.simulate_refresh(&committee.refreshing(1, renew), seed).run(adversary)
}

/// Party 2 of `n` commits to an opening altered by `lie`. Its moduli are those of `which`, from 0.
fn committed_lie(n: u16, renew: bool, which: usize, lie: fn(&mut Opening)) -> Outcome<Re> {
    let committee = committee(2, n);
    let public = committee.refreshing(1, renew);
    let simulation = committee.simulate_refresh_with(&public, 1, |me, rng| {
        let (share, session) = (&committee.shares[&me], public.session(&NONCE));
        let which = if me == party(2) { which } else { usize::from(me.get()) - 1 };
        let own = renew.then(|| primes(Level::Tiny, which));
        start_lying(&public, session, share, own, rng, |opening| {
            if me == party(2) {
                lie(opening);
            }
        })
        .unwrap()
    });
    simulation.run(&mut deaf(2, 4, honest))
}

/// Party 1 of 4 says in round 5 what `lie` makes of the good share that 3 sent it.
fn accuse(lie: impl Fn(DirectPart, Scalar<Toy>) -> OpenedComplaint<Toy>) -> Outcome<Re> {
    let committee = committee(2, 4);
    let public = committee.refreshing(1, false);
    let mut key = None;
    let simulation = committee.simulate_refresh_with(&public, 1, |me, rng| {
        let share = &committee.shares[&me];
        let started = refresh::start(&public, public.session(&NONCE), share, None, rng).unwrap();
        key = if me == party(1) { mask_key(&started.0, party(3)) } else { key };
        started
    });
    let (key, mut shown) = (key.unwrap(), None);
    simulation.run(&mut |keys: &TestKeys, mut letter: Letter| {
        if is_said(&letter, 3, 4) && letter.to == party(1) {
            shown = envelope(&letter).map(|e| e.direct_part());
        }
        if is_said(&letter, 1, 5) {
            let said = lie(shown.clone().expect("3 has dealt"), key);
            keys.rewrite::<Re>(&mut letter, |broadcast, _| {
                *broadcast = Broadcast::Round5(round5::Broadcast::Complaint(Box::new(said)));
            });
        }
        vec![letter]
    })
}

fn complaint(shown: DirectPart, key: Scalar<Toy>) -> OpenedComplaint<Toy> {
    OpenedComplaint { complaint: Complaint { against: party(3), envelope: shown }, key }
}

/// Nobody honest has a share of the new epoch, not even a pending one.
fn assert_no_share(outcome: &Outcome<Re>, liar: u16) {
    let stored = outcome.stored.iter().filter(|(me, _)| **me != party(liar)).flat_map(|(_, all)| all);
    assert!(stored.into_iter().all(|record| matches!(record, Record::Dealing(1))));
}

#[test]
fn lies_convict_at_full_size() {
    type Real = Refresh<Secp256k1>;
    let committee = Committee::<Secp256k1>::dealt(Level::L128, 2, 3, 1);
    let public = committee.refreshing(1, false);
    let outcome = committee.simulate_refresh(&public, 1).run(&mut liar::<Real>(2, 4, |to, _, direct| {
        let Direct::Round4(sent) = direct else { panic!("a share") };
        if to == 3 {
            sent.share.masked = sent.share.masked + Scalar::one();
        }
    }));
    assert_convicted("bad share", &outcome, 3, &[2], Charge::Broke(ShareFault::Share.into()));
    let outcome = committee.simulate_refresh(&public, 1).run(&mut liar::<Real>(2, 3, |_, said, _| {
        let Broadcast::Round3(opening) = said else { panic!("round 3") };
        opening.nonce[0] ^= 1;
    }));
    assert_convicted("opening", &outcome, 3, &[2], Charge::Broke(Fault::Commitment));
    assert_all_finished("honest", &committee.simulate_refresh(&public, 1).run(&mut honest), 3);
}

mod a34_bad_share {
    use super::*;

    #[test]
    fn convicts() {
        for (seed, renew) in (0..10).map(|seed| (seed, seed == 0)) {
            let outcome = run(
                4,
                seed,
                renew,
                &mut liar::<Re>(2, 4, |to, _, direct| {
                    let Direct::Round4(sent) = direct else { panic!("a share") };
                    if to == 3 {
                        sent.share.masked = sent.share.masked + Scalar::one();
                    }
                }),
            );
            assert_convicted("bad share", &outcome, 4, &[2], Charge::Broke(ShareFault::Share.into()));
            assert_no_share(&outcome, 2);
        }
    }

    #[test]
    fn convicts_the_accuser() {
        let outcome = accuse(complaint);
        assert_convicted("good share", &outcome, 4, &[1], Charge::Broke(ShareFault::FalseComplaint.into()));
        assert_no_share(&outcome, 1);
        let outcome = accuse(|shown, key| complaint(shown, key + Scalar::one()));
        assert_convicted("wrong y", &outcome, 4, &[1], Charge::Broke(ShareFault::WrongOpening.into()));
        let outcome = accuse(|mut shown, key| {
            shown.direct.0[2] ^= 1;
            complaint(shown, key)
        });
        assert_convicted("altered share", &outcome, 4, &[1], Charge::FalseComplaint);
    }

    #[test]
    fn does_not_frame() {
        // No honest message convicts its sender, with whatever past an accuser shows it.
        let committee = committee(2, 3);
        for renew in [false, true] {
            let public = committee.refreshing(1, renew);
            let simulation = committee.simulate_refresh(&public, 1);
            let keys = simulation.keys().clone();
            let (first, outcome) = record(simulation);
            assert_all_finished("honest", &outcome, 3);
            let (second, _) = record(committee.simulate_refresh(&public, 2));
            assert_unframeable::<Re>(&public, public.session(&NONCE), &keys, &first, &second);
        }
    }
}

mod a35_a73_polynomial {
    use super::*;

    #[test]
    fn convicts() {
        // A constant has no place in the message. One more coefficient would be it, or raise the threshold; one less
        // would lower it.
        let lies: [(&str, fn(&mut Opening)); 3] = [
            ("a constant", |o| o.coefficients.0.insert(0, Point::generator())),
            ("t coefficients", |o| o.coefficients.0.push(Point::generator())),
            ("none", |o| o.coefficients.0.clear()),
        ];
        for (what, lie) in lies {
            let outcome = committed_lie(3, false, 1, lie);
            assert_convicted(what, &outcome, 3, &[2], Charge::Broke(Fault::Coefficients));
            assert!(outcome.stored.keys().all(|me| *me == party(2)), "{what}: somebody dealt");
        }
        let outcome = committed_lie(3, false, 1, |o| o.mask_keys.truncate(1));
        assert_convicted("mask keys", &outcome, 3, &[2], Charge::Broke(Fault::MaskKeys));
    }

    #[test]
    fn convicts_who_deals_a_constant_all_the_same() {
        // f(j) + 1 for everybody: the sum of all shares would be moved, and with it the key.
        let outcome = run(
            3,
            1,
            false,
            &mut liar::<Re>(2, 4, |_, _, direct| {
                let Direct::Round4(sent) = direct else { panic!("a share") };
                sent.share.masked = sent.share.masked + Scalar::one();
            }),
        );
        assert_convicted("f(0) = 1", &outcome, 3, &[2], Charge::Broke(ShareFault::Share.into()));
    }

    #[test]
    fn does_not_frame() {
        // Any threshold and any order of delivery: the key stays, and so does t, which is nobody's to choose.
        for (t, n) in [(2, 2), (3, 4), (4, 4)] {
            let committee = Committee::<Toy>::dealt(Level::Tiny, t, n, 1);
            let key = committee.key().clone();
            let refreshed = committee.refreshed(1, false, 3);
            let new = refreshed.key();
            assert_eq!((new.public_key, new.threshold), (key.public_key, t));
            assert!(new.validate().is_ok());
        }
    }
}

mod renewed_moduli {
    use super::*;
    use aux_info::Fault as AuxFault;

    #[test]
    fn convicts() {
        let lies: [(&str, Fault, fn(&mut Opening)); 4] = [
            ("missing", Fault::Renewal, |o| o.moduli = None),
            ("N even", AuxFault::Modulus.into(), |o| {
                let moduli = o.moduli.as_mut().unwrap();
                moduli.n = consign_zk::natural::Natural::new(&moduli.n.value().shl(1));
            }),
            ("s = t", AuxFault::RingPedersen.into(), |o| {
                let moduli = o.moduli.as_mut().unwrap();
                moduli.ring.s = moduli.ring.t.clone();
            }),
            ("proof", AuxFault::ProofPrm.into(), |o| {
                o.moduli.as_mut().unwrap().proof.repetitions.swap(0, 1);
            }),
        ];
        for (what, fault, lie) in lies {
            let outcome = committed_lie(3, true, 1, lie);
            assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
        }
    }

    #[test]
    fn convicts_wrong_proofs() {
        let outcome = run(
            3,
            1,
            true,
            &mut liar::<Re>(2, 4, |_, said, _| {
                let Broadcast::Round4(proof) = said else { panic!("round 4") };
                *proof = None;
            }),
        );
        assert_convicted("no Pi-mod", &outcome, 3, &[2], Charge::Broke(Fault::Renewal));
        let mut other = None;
        let outcome = run(3, 1, true, &mut |keys: &TestKeys, mut letter: Letter| {
            if is_said(&letter, 1, 4) || is_said(&letter, 2, 4) {
                keys.rewrite::<Re>(&mut letter, |_, direct| {
                    let Direct::Round4(sent) = direct else { panic!("round 4") };
                    let own = sent.proof.clone();
                    sent.proof = other.replace(own.clone()).unwrap_or(own);
                });
            }
            vec![letter]
        });
        assert!(outcome.finished.is_empty(), "swapped proofs about factors");
        assert!(
            outcome.verdicts.values().flatten().all(|v| v.charge == Charge::Broke(AuxFault::ProofFac.into()))
        );
        let outcome = run(3, 1, false, &mut garbler(2, 4, |_, e| e.broadcast.0.push(1)));
        assert_convicted("superfluous", &outcome, 3, &[2], Charge::Malformed);
    }

    #[test]
    fn convicts_both_owners_of_a_shared_factor() {
        // Party 2 brings the primes of party 1, which both know: whoever is neither convicts both.
        let outcome = committed_lie(3, true, 0, |_| ());
        for me in [1, 3] {
            let expected: &[u16] = if me == 1 { &[2] } else { &[1, 2] };
            // Party 2 stopped listening after round 4, but not speaking.
            assert!(culprits(&outcome, me).iter().all(|culprit| expected.contains(culprit)), "by {me}");
            for verdict in outcome.verdicts.get(&party(me)).into_iter().flatten() {
                assert_eq!(verdict.charge, Charge::Broke(AuxFault::SharedFactor.into()));
            }
        }
        let committee = committee(2, 3);
        let public = committee.refreshing(1, true);
        let outcome = committee
            .simulate_refresh_with(&public, 1, |me, rng| {
                let own = primes(Level::Tiny, if me == party(3) { 2 } else { 0 });
                let share = &committee.shares[&me];
                refresh::start(&public, public.session(&NONCE), share, Some(own), rng).unwrap()
            })
            .run(&mut honest);
        assert!(culprits(&outcome, 3).into_iter().eq([1, 2]));
        assert!(culprits(&outcome, 1).into_iter().eq([2]));
        assert!(outcome.finished.is_empty());
        assert_no_share(&outcome, 1);
    }

    #[test]
    fn does_not_frame() {
        for seed in 0..5 {
            let outcome = run(3, seed, true, &mut honest);
            assert_all_finished("new moduli", &outcome, 3);
        }
    }
}

mod a33_opening_and_proof {
    use super::*;

    #[test]
    fn convicts() {
        let outcome = run(
            3,
            1,
            false,
            &mut liar::<Re>(2, 3, |_, said, _| {
                let Broadcast::Round3(opening) = said else { panic!("round 3") };
                opening.rid[0] ^= 1;
            }),
        );
        assert_convicted("rid", &outcome, 3, &[2], Charge::Broke(Fault::Commitment));
        let outcome = run(
            3,
            1,
            false,
            &mut liar::<Re>(2, 5, |_, said, _| {
                let Broadcast::Round5(round5::Broadcast::Proof(proof)) = said else { panic!("a proof") };
                proof.z = proof.z + Scalar::one();
            }),
        );
        assert_convicted("z + 1", &outcome, 3, &[2], Charge::Broke(Fault::ShareProof));
        let outcome = run(
            4,
            1,
            false,
            &mut liar::<Re>(2, 1, |to, said, _| {
                let Broadcast::Round1(said) = said else { panic!("round 1") };
                said.commitment[0] ^= u8::from(to == 1);
            }),
        );
        assert_convicted("two commitments", &outcome, 4, &[2], Charge::Equivocation);
    }

    #[test]
    fn does_not_frame() {
        let outcome = run(4, 1, false, &mut honest);
        assert_all_finished("honest", &outcome, 4);
    }
}

mod a39_a77_confirmation {
    use super::*;

    #[test]
    fn convicts() {
        let outcome = run(
            3,
            1,
            false,
            &mut liar::<Re>(2, 6, |_, said, _| {
                let Broadcast::Round6(said) = said else { panic!("round 6") };
                said.done[0] ^= 1;
            }),
        );
        assert_convicted("another result", &outcome, 3, &[2], Charge::Broke(Fault::Confirmation));
    }

    #[test]
    fn does_not_frame() {
        // Shown to 1 only: it has the set, which convinces 3, whose share was stored before.
        let committee = committee(2, 3);
        let public = committee.refreshing(1, true);
        let simulation = committee.simulate_refresh(&public, 1);
        let keys = (**simulation.keys()).clone();
        let outcome = simulation.run(&mut |_: &TestKeys, letter: Letter| {
            if is_said(&letter, 2, 6) && letter.to == party(3) { vec![] } else { vec![letter] }
        });
        assert_nobody_accused("selective confirmation", &outcome);
        assert!(!outcome.finished.contains_key(&party(3)));
        let Some(Record::Pending(stored)) = outcome.stored[&party(3)].last() else { panic!("a share") };
        let pending = Pending::<Toy>::decode(stored).unwrap();
        let set = &outcome.finished[&party(1)].last;
        let info = pending.share().info();
        assert!(refresh::is_complete(committee.key(), info, pending.aux_id(), set, &keys));
    }
}
