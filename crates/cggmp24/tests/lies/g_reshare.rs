//! Group G, in a resharing from 2 of {1, 2, 3} to 2 of {2, 3, 4}, dealt by 1 and 2: party 1 only deals, 2 does both, 4
//! only receives. Each takes its member's number in the session, less 0: dealers 1 and 2, receivers 2, 3 and 4.

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Point, Scalar, Toy};
use consign_cggmp24::ecdsa::Digest;
use consign_cggmp24::epoch::Record;
use consign_cggmp24::reshare::testing::{mask_key, start_lying};
use consign_cggmp24::reshare::{self, Broadcast, Completion, Direct, Fault, Reshare, round3};
use consign_cggmp24::sharing::{Answer, OpenedComplaint, ShareFault};
use consign_cggmp24::testing::{Committee, NONCE, aux_of_all, members};
use consign_rounds::sim::{Adversary, Letter, Outcome, Simulation, TestKeys, honest, party};
use consign_rounds::{Charge, Complaint, DirectPart, SessionId};
use std::sync::Arc;

use crate::common::*;

type Re = Reshare<Toy>;

struct Case {
    old: Committee<Toy>,
    public: Arc<reshare::Public<Toy>>,
    session: SessionId,
}

fn case() -> Case {
    let old = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let aux = aux_of_all(&old, 4, 1);
    let public = old.resharing(&[1, 2], members(&[(2, 2), (5, 3), (9, 4)]), 2, 1, &aux);
    let session = public.session(&NONCE);
    Case { old, public, session }
}

impl Case {
    fn simulate(&self, seed: u64) -> Simulation<Re> {
        self.old.simulate_reshare(&self.public, seed)
    }

    /// The session's party `who` commits to openings altered by `lie`.
    fn committed_lie(&self, who: u16, lie: fn(&mut round3::Broadcast<Toy>)) -> Outcome<Re> {
        let simulation = self.old.simulate_reshare_with(&self.public, 1, |me, old, rng| {
            let share = old.map(|old| &self.old.shares[&old]);
            start_lying(&self.public, self.session, me, share, rng, |opening| {
                if me == party(who) {
                    lie(opening);
                }
            })
            .unwrap()
        });
        simulation.run(&mut deaf(who, 4, honest))
    }

    /// Receiver 4 says in round 5 what `lie` makes of the good share that dealer 1 sent it.
    fn accuse(&self, lie: impl Fn(DirectPart, Scalar<Toy>) -> OpenedComplaint<Toy>) -> Outcome<Re> {
        let mut key = None;
        let simulation = self.old.simulate_reshare_with(&self.public, 1, |me, old, rng| {
            let share = old.map(|old| &self.old.shares[&old]);
            let started = reshare::start(&self.public, self.session, me, share, rng).unwrap();
            key = if me == party(4) { mask_key(&started.0, party(1)) } else { key };
            started
        });
        let (key, mut shown) = (key.unwrap(), None);
        simulation.run(&mut |keys: &TestKeys, mut letter: Letter| {
            if is_said(&letter, 1, 4) && letter.to == party(4) {
                shown = envelope(&letter).map(|e| e.direct_part());
            }
            if is_said(&letter, 4, 5) {
                let said = lie(shown.clone().expect("1 has dealt"), key);
                keys.rewrite::<Re>(&mut letter, |broadcast, _| {
                    *broadcast = Broadcast::Round5(Some(Answer::Complaint(Box::new(said))));
                });
            }
            vec![letter]
        })
    }

    /// The old epoch signs, whatever happened to the resharing.
    fn assert_old_key_signs(&self) {
        let digest = Digest::raw::<Toy>([3; 32]).unwrap();
        for signature in self.old.sign(&[1, 3], digest, 1).values() {
            assert!(signature.verify(&self.old.key().public_key, &digest));
        }
    }
}

fn run(seed: u64, adversary: &mut Adversary<'_>) -> Outcome<Re> {
    case().simulate(seed).run(adversary)
}

fn complaint(shown: DirectPart, key: Scalar<Toy>) -> OpenedComplaint<Toy> {
    OpenedComplaint { complaint: Complaint { against: party(1), envelope: shown }, key }
}

fn assert_no_share(outcome: &Outcome<Re>, liar: u16) {
    let stored = outcome.stored.iter().filter(|(me, _)| **me != party(liar)).flat_map(|(_, all)| all);
    assert!(stored.into_iter().all(|record| matches!(record, Record::Dealing(1))));
}

mod a34_a70_bad_share {
    use super::*;

    #[test]
    fn convicts() {
        // To one new party only; dealer 1 deals only, dealer 2 receives as well.
        let case = case();
        for (seed, dealer, victim) in [(0, 1, 4), (1, 2, 4), (2, 1, 2), (3, 2, 3)] {
            let mut lie = liar::<Re>(dealer, 4, |to, _, direct| {
                if to == victim {
                    let Direct::Round4(Some(sent)) = direct else { panic!("a share") };
                    sent.masked = sent.masked + Scalar::one();
                }
            });
            let outcome = case.simulate(seed).run(&mut lie);
            assert_convicted("bad share", &outcome, 4, &[dealer], Charge::Broke(ShareFault::Share.into()));
            assert_no_share(&outcome, dealer);
        }
        case.assert_old_key_signs();
        // The next attempt draws everything anew: no value of the failed one says anything about it.
        let opened = |seed| {
            let (sent, _) = record(case.simulate(seed));
            let said = consign_rounds::decode(&sent.find(1, 4, 3).broadcast, usize::MAX);
            let Ok(Broadcast::<Toy>::Round3(opening)) = said else { panic!("round 3") };
            *opening.old.unwrap()
        };
        let (first, second) = (opened(1), opened(2));
        assert_eq!(first.coefficients.0[0], second.coefficients.0[0], "its part of the key");
        assert_ne!(first.coefficients.0[1], second.coefficients.0[1]);
        assert!(first.mask_keys.iter().all(|key| !second.mask_keys.contains(key)));
    }

    #[test]
    fn convicts_the_accuser() {
        let case = case();
        let outcome = case.accuse(complaint);
        assert_convicted("good share", &outcome, 4, &[4], Charge::Broke(ShareFault::FalseComplaint.into()));
        assert_no_share(&outcome, 4);
        let outcome = case.accuse(|shown, key| complaint(shown, key + Scalar::one()));
        assert_convicted("wrong y", &outcome, 4, &[4], Charge::Broke(ShareFault::WrongOpening.into()));
        let outcome = case.accuse(|shown, key| {
            let mut said = complaint(shown, key);
            said.complaint.against = party(3);
            said
        });
        assert_convicted("who did not deal", &outcome, 4, &[4], Charge::FalseComplaint);
        case.assert_old_key_signs();
    }

    #[test]
    fn the_old_quorum_signs_after_every_lost_message() {
        // Whichever message is lost, nobody is accused, and who lacks the set of confirmations keeps the old share: a
        // set exists only when all new holders have stored theirs.
        let case = case();
        let keys = (**case.simulate(1).keys()).clone();
        for round in 1..=6 {
            for (from, to) in (1..=4).flat_map(|from| (1..=4).map(move |to| (from, to))) {
                let outcome = case.simulate(1).run(&mut |_: &TestKeys, letter: Letter| {
                    let lost = is_said(&letter, from, round) && letter.to == party(to);
                    if lost { vec![] } else { vec![letter] }
                });
                assert_nobody_accused("lost message", &outcome);
                let pending = |i| {
                    let stored = outcome.stored.get(&party(i)).into_iter().flatten();
                    stored.into_iter().any(|record| matches!(record, Record::Pending(_)))
                };
                for finished in outcome.finished.values() {
                    let proof = Completion::new(&case.public, NONCE, &finished.output, &finished.rounds);
                    assert!(proof.proves(case.old.key(), &keys));
                    assert!([2, 3, 4].into_iter().all(pending), "round {round}, {from} to {to}");
                }
            }
        }
        case.assert_old_key_signs();
    }

    #[test]
    fn does_not_frame() {
        let case = case();
        let simulation = case.simulate(1);
        let keys = simulation.keys().clone();
        let (first, outcome) = record(simulation);
        assert_all_finished("honest", &outcome, 4);
        let (second, _) = record(case.simulate(2));
        assert_unframeable::<Re>(&case.public, case.session, &keys, &first, &second);
    }
}

mod a72_a32_dealer {
    use super::*;

    #[test]
    fn convicts() {
        type Lie = fn(&mut round3::Old<Toy>);
        fn lie(f: Lie, opening: &mut round3::Broadcast<Toy>) {
            if let Some(old) = &mut opening.old {
                f(old);
            }
        }
        let case = case();
        // Another constant: another share, or the right one with the Lagrange coefficient of another quorum.
        let outcome = case.committed_lie(1, |o| lie(|old| old.coefficients.0[0] = Point::generator(), o));
        assert_convicted("h(0)", &outcome, 4, &[1], Charge::Broke(Fault::OldShare));
        let outcome = case.committed_lie(2, |o| {
            lie(|old| old.coefficients.0[0] = old.coefficients.0[0] + Point::generator(), o);
        });
        assert_convicted("h(0) + 1", &outcome, 4, &[2], Charge::Broke(Fault::OldShare));
        let outcome = case.committed_lie(1, |o| lie(|old| old.coefficients.0.push(Point::generator()), o));
        assert_convicted("t' + 1", &outcome, 4, &[1], Charge::Broke(Fault::Coefficients));
        let outcome = case.committed_lie(1, |o| lie(|old| old.coefficients.0.truncate(1), o));
        assert_convicted("t' - 1", &outcome, 4, &[1], Charge::Broke(Fault::Coefficients));
        let outcome = case.committed_lie(1, |o| lie(|old| old.mask_keys.truncate(2), o));
        assert_convicted("mask keys", &outcome, 4, &[1], Charge::Broke(Fault::MaskKeys));
        case.assert_old_key_signs();
    }

    #[test]
    fn convicts_swapped_dealers() {
        // 1 deals what 2 deals: the roles are data of the session, not of a message.
        let case = case();
        let mut of_two = None;
        let outcome = case.simulate(1).run(&mut |keys: &TestKeys, mut letter: Letter| {
            if is_said(&letter, 2, 3) {
                let said = consign_rounds::decode(&envelope(&letter).unwrap().broadcast, usize::MAX);
                let Ok(Broadcast::<Toy>::Round3(opening)) = said else { panic!("round 3") };
                of_two = opening.old;
            }
            if is_said(&letter, 1, 3) && of_two.is_some() {
                let copied = of_two.clone();
                keys.rewrite::<Re>(&mut letter, |said, _| {
                    let Broadcast::Round3(opening) = said else { panic!("round 3") };
                    opening.old = copied;
                });
            }
            vec![letter]
        });
        for me in [2, 3, 4] {
            assert!(culprits(&outcome, me).iter().all(|culprit| *culprit == 1));
            assert!(!outcome.finished.contains_key(&party(me)));
        }
    }

    #[test]
    fn does_not_frame() {
        for seed in 0..20 {
            assert_all_finished("honest", &run(seed, &mut honest), 4);
        }
    }
}

mod roles {
    use super::*;

    #[test]
    fn convicts() {
        let broke = Charge::Broke(Fault::Role);
        let outcome = run(
            1,
            &mut liar::<Re>(1, 1, |_, said, _| {
                let Broadcast::Round1(said) = said else { panic!("round 1") };
                said.new = Some([1; 32]);
            }),
        );
        assert_convicted("a dealer as a receiver", &outcome, 4, &[1], broke);
        let outcome = run(
            1,
            &mut liar::<Re>(4, 1, |_, said, _| {
                let Broadcast::Round1(said) = said else { panic!("round 1") };
                said.old = said.new;
            }),
        );
        assert_convicted("a receiver as a dealer", &outcome, 4, &[4], broke);
        let outcome = run(
            1,
            &mut liar::<Re>(2, 3, |_, said, _| {
                let Broadcast::Round3(opening) = said else { panic!("round 3") };
                opening.new = None;
            }),
        );
        assert_convicted("half an opening", &outcome, 4, &[2], broke);
        let outcome = run(
            1,
            &mut liar::<Re>(1, 4, |to, _, direct| {
                if to == 3 {
                    *direct = Direct::Round4(None);
                }
            }),
        );
        assert_convicted_by("no share", &outcome, 4, &[3], 1, broke);
        let outcome = run(1, &mut liar::<Re>(3, 5, |_, said, _| *said = Broadcast::Round5(None)));
        assert_convicted("no proof", &outcome, 4, &[3], broke);
        let outcome = run(
            1,
            &mut liar::<Re>(4, 6, |_, said, _| {
                let Broadcast::Round6(said) = said else { panic!("round 6") };
                said.done = None;
            }),
        );
        assert_convicted("no confirmation", &outcome, 4, &[4], broke);
    }

    #[test]
    fn does_not_frame() {
        // Each combination of roles at once, and everybody content.
        let outcome = run(7, &mut honest);
        assert_all_finished("honest", &outcome, 4);
        assert!(outcome.finished[&party(1)].output.pending.is_none());
    }
}

mod a76_confirmation {
    use super::*;

    #[test]
    fn convicts() {
        let case = case();
        // Of an epoch with another chain code, threshold or moduli: any other hash.
        let outcome = case.simulate(1).run(&mut liar::<Re>(3, 6, |_, said, _| {
            let Broadcast::Round6(said) = said else { panic!("round 6") };
            said.done.as_mut().unwrap()[0] ^= 1;
        }));
        assert_convicted("another result", &outcome, 4, &[3], Charge::Broke(Fault::Confirmation));
        let outcome = case.simulate(1).run(&mut liar::<Re>(3, 5, |_, said, _| {
            let Broadcast::Round5(Some(Answer::Proof(proof))) = said else { panic!("a proof") };
            proof.z = proof.z + Scalar::one();
        }));
        assert_convicted("z + 1", &outcome, 4, &[3], Charge::Broke(Fault::ShareProof));
        let outcome = case.simulate(1).run(&mut liar::<Re>(4, 3, |_, said, _| {
            let Broadcast::Round3(opening) = said else { panic!("round 3") };
            opening.new.as_mut().unwrap().rid[0] ^= 1;
        }));
        assert_convicted("rid", &outcome, 4, &[4], Charge::Broke(Fault::Commitment));
    }

    #[test]
    fn convicts_who_carries_another_chain_code() {
        // C: party 3 confirms what it would have, had the key another chain code.
        let case = case();
        let honest_run = case.simulate(1).run(&mut honest);
        let mut info = honest_run.finished[&party(3)].output.info.clone();
        info.chain_code = Some([1; 32]);
        let aux_id = honest_run.finished[&party(3)].output.aux_id;
        let changed = reshare::testing::done(&info, &aux_id);
        let outcome = case.simulate(1).run(&mut liar::<Re>(3, 6, |_, said, _| {
            let Broadcast::Round6(said) = said else { panic!("round 6") };
            assert_ne!(said.done, Some(changed));
            said.done = Some(changed);
        }));
        assert_convicted("chain code", &outcome, 4, &[3], Charge::Broke(Fault::Confirmation));
    }

    #[test]
    fn does_not_frame() {
        // Confirmed to 1 only, which deals and does not receive: its proof convinces the new holders too.
        let case = case();
        let simulation = case.simulate(1);
        let keys = (**simulation.keys()).clone();
        let outcome = simulation.run(&mut |_: &TestKeys, letter: Letter| {
            if is_said(&letter, 2, 6) && letter.to != party(1) { vec![] } else { vec![letter] }
        });
        assert_nobody_accused("selective confirmation", &outcome);
        let finished = &outcome.finished[&party(1)];
        let proof = Completion::new(&case.public, NONCE, &finished.output, &finished.rounds);
        assert!(proof.proves(case.old.key(), &keys));
        for holder in [3, 4] {
            assert!(!outcome.finished.contains_key(&party(holder)));
            assert!(matches!(outcome.stored[&party(holder)].last(), Some(Record::Pending(_))));
        }
    }
}
