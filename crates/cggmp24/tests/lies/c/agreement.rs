//! Points, split views, chain codes and the finish.

use super::*;

mod a35_a37_points {
    use super::*;

    /// Replaces the encoding of one point in party 2's opening by `bytes`.
    fn with_point(pick: fn(&Opening) -> Point<Toy>, bytes: [u8; 5]) -> consign_rounds::sim::Outcome<Kg> {
        let public = keygen_public(2, 3, false);
        keygen_of::<Toy>(1, &public).run(&mut garbler(2, 3, |_, e| {
            let said: Broadcast<Toy> = consign_rounds::decode(&e.broadcast, usize::MAX).unwrap();
            let Broadcast::Round3(opening) = said else { panic!("round 3") };
            replace(&mut e.broadcast, &pick(&opening).to_bytes(), &bytes);
        }))
    }

    /// An x for which no y exists.
    fn off_curve() -> [u8; 5] {
        (0_u32..)
            .map(|x| [&[2][..], &x.to_be_bytes()].concat().try_into().unwrap())
            .find(|bytes: &[u8; 5]| Point::<Toy>::from_bytes(bytes).is_none())
            .unwrap()
    }

    #[test]
    fn convicts() {
        let points: &[(&str, fn(&Opening) -> Point<Toy>)] = &[
            ("C_0", |o| o.coefficients.0[0]),
            ("C_1", |o| o.coefficients.0[1]),
            ("A", |o| o.first_message),
            ("Y", |o| o.mask_keys[1]),
        ];
        let bad = [
            ("identity", [0; 5]),
            ("off the curve", off_curve()),
            ("tag 4", [4, 0, 0, 0, 1]),
            ("x = p + 1", [2, 0xff, 0xff, 0xff, 0xfc]),
        ];
        for (point, pick) in points {
            for (what, bytes) in bad {
                let outcome = with_point(*pick, bytes);
                assert_convicted(&format!("{point}: {what}"), &outcome, 3, &[2], Charge::Malformed);
            }
        }
    }

    #[test]
    fn does_not_frame() {
        // Evidence from honest sessions convicts nobody, also with pieces of another session in the view.
        let public = keygen_public(2, 3, true);
        let simulation = keygen_of::<Toy>(11, &public);
        let keys = simulation.keys().clone();
        let session = keygen_session::<Toy>(&public, 0);
        let (first, _) = record(simulation);
        let (second, _) = record(keygen_of::<Toy>(12, &public));
        assert_unframeable::<Kg>(&public, session, &keys, &first, &second);
    }
}

mod a36_equivocation {
    use super::*;

    /// Party 2 of 4 tells party 1 something else in `round` than the others.
    fn split(
        seed: u64,
        round: u8,
        mut lie: impl FnMut(&mut Broadcast<Toy>),
    ) -> consign_rounds::sim::Outcome<Kg> {
        let public = keygen_public(2, 4, false);
        keygen_of::<Toy>(seed, &public).run(&mut liar::<Kg>(2, round, |to, said, _| {
            if to == 1 {
                lie(said);
            }
        }))
    }

    #[test]
    fn convicts() {
        for seed in 0..20 {
            let outcome = split(seed, 1, |said| {
                let Broadcast::Round1(said) = said else { panic!("round 1") };
                said.commitment[0] ^= 1;
            });
            assert_convicted("V", &outcome, 4, &[2], Charge::Equivocation);
        }
    }

    #[test]
    fn convicts_openings() {
        // The one that does not fit V convicts where it arrives; the echo shows it to the others.
        for seed in 0..20 {
            let outcome = split(seed, 3, |said| {
                let Broadcast::Round3(opening) = said else { panic!("round 3") };
                opening.rid[0] ^= 1;
            });
            assert!(culprits(&outcome, 1).into_iter().eq([2]));
            assert_eq!(outcome.verdicts[&party(1)][0].charge, Charge::Broke(Fault::Commitment));
            for me in [3, 4] {
                assert!(culprits(&outcome, me).iter().all(|culprit| *culprit == 2));
            }
            assert!(outcome.finished.keys().all(|me| *me == party(2)));
        }
    }

    #[test]
    fn no_opening_before_the_echo() {
        // V differs: nobody honest opens.
        let public = keygen_public(2, 3, false);
        let mut sent = Record::default();
        let mut lie = liar::<Kg>(2, 1, |to, said, _| {
            let Broadcast::Round1(said) = said else { panic!("round 1") };
            said.commitment[0] ^= u8::from(to == 1);
        });
        keygen_of::<Toy>(1, &public).run(&mut |keys: &TestKeys, letter: Letter| {
            sent.note(&letter);
            lie(keys, letter)
        });
        assert_eq!([1, 3].map(|me| sent.last_round(me)), [2, 2]);
    }

    #[test]
    fn does_not_frame() {
        // A victim of a split view sends the echo of what it got: not a fault of its own.
        for seed in 0..20 {
            let outcome = split(seed, 1, |said| {
                let Broadcast::Round1(said) = said else { panic!("round 1") };
                said.commitment[0] ^= 1;
            });
            for me in [1, 3, 4] {
                assert!(culprits(&outcome, me).iter().all(|culprit| *culprit == 2));
            }
        }
    }
}

mod a38_chain_code {
    use super::*;

    #[test]
    fn convicts() {
        committed_lie("missing", true, Fault::ChainCode, |o| o.chain_code = None);
        committed_lie("superfluous", false, Fault::ChainCode, |o| o.chain_code = Some([1; 32]));
        let public = keygen_public(2, 3, true);
        let outcome = keygen_of::<Toy>(1, &public).run(&mut liar::<Kg>(2, 3, |_, said, _| {
            let Broadcast::Round3(opening) = said else { panic!("round 3") };
            opening.chain_code = Some([0; 32]);
        }));
        assert_convicted("changed", &outcome, 3, &[2], Charge::Broke(Fault::Commitment));
    }

    #[test]
    fn does_not_frame() {
        // Any committed value is as good as another, zero too.
        let public = keygen_public(2, 3, true);
        let simulation = keygen_with::<Toy>(1, &public, |me, session, rng| {
            start_lying(&public, session, me, rng, |o| o.chain_code = Some([0; 32]))
        });
        let outcome = simulation.run(&mut honest);
        assert_all_finished("zero chain code", &outcome, 3);
        assert_eq!(outcome.finished[&party(1)].output.info().chain_code, Some([0; 32]));
    }
}

mod a39_incomplete_finish {
    use super::*;

    #[test]
    fn convicts() {
        // U: the last confirmation reaches nobody. Nobody has a key, everybody has stored its share.
        let public = keygen_public(2, 3, false);
        let outcome = keygen_of::<Toy>(1, &public).run(&mut |_: &TestKeys, letter: Letter| {
            if is_said(&letter, 2, 6) { vec![] } else { vec![letter] }
        });
        assert!(outcome.finished.keys().all(|me| *me == party(2)));
        assert_nobody_accused("dropped confirmation", &outcome);
        for me in [1, 3] {
            assert_eq!(outcome.stored[&party(me)].len(), 1);
            let [consign_rounds::Failure::Unattributed { round: 6, silent, .. }] =
                &outcome.failures[&party(me)][..]
            else {
                panic!("{me} fails for want of the confirmation")
            };
            assert_eq!(silent[..], [party(2)]);
        }
    }

    #[test]
    fn convicts_a_wrong_confirmation() {
        let public = keygen_public(2, 3, false);
        let outcome = keygen_of::<Toy>(1, &public).run(&mut liar::<Kg>(2, 6, |_, said, _| {
            let Broadcast::Round6(said) = said else { panic!("round 6") };
            said.done[0] ^= 1;
        }));
        assert_convicted("other result", &outcome, 3, &[2], Charge::Broke(Fault::Confirmation));
    }

    #[test]
    fn does_not_frame() {
        // Party 2 confirms to 1 only. The set that 1 then has serves 3 as well, whose share was stored before.
        let public = keygen_public(2, 3, true);
        let simulation = keygen_of::<Toy>(2, &public);
        let keys = simulation.keys().clone();
        let outcome = simulation.run(&mut |_: &TestKeys, letter: Letter| {
            if is_said(&letter, 2, 6) && letter.to == party(3) { vec![] } else { vec![letter] }
        });
        assert_nobody_accused("selective confirmation", &outcome);
        let set: &PerParty<_> = &outcome.finished[&party(1)].last;
        let pending = KeyShare::<Toy>::decode(&outcome.stored[&party(3)][0]).unwrap();
        assert!(!outcome.finished.contains_key(&party(3)));
        assert!(confirmation::is_complete(pending.info(), set, &*keys));
        assert_eq!(pending.info(), outcome.finished[&party(1)].output.info());
    }
}

mod a3a_mask_direction {
    use super::*;

    #[test]
    fn convicts() {
        let session = keygen_session::<Toy>(&keygen_public(2, 3, false), 0);
        let shared = random_point(1);
        let there = mask(session, &[1; 32], party(1), party(2), &shared);
        let back = mask(session, &[1; 32], party(2), party(1), &shared);
        assert_ne!(there, back);
        assert_ne!(there, mask(session, &[2; 32], party(1), party(2), &shared));
        assert_ne!(there, mask(session, &[1; 32], party(1), party(3), &shared));
        assert_ne!(there, mask(session, &[1; 32], party(1), party(2), &random_point(2)));
    }

    #[test]
    fn does_not_frame() {
        // Both ends compute the same mask from their own key and the other's point.
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let (a, b) = (Scalar::<Toy>::random_nonzero(&mut rng), Scalar::random_nonzero(&mut rng));
        let session = keygen_session::<Toy>(&keygen_public(2, 3, false), 0);
        let of = |shared| mask(session, &[1; 32], party(1), party(2), &shared);
        assert_eq!(of(Point::mul_generator(&a) * b), of(Point::mul_generator(&b) * a));
        let polynomial = Polynomial::<Toy>::random(2, &mut rng);
        assert_eq!(Point::mul_generator(&polynomial.evaluate(2)), polynomial.commit().evaluate(2));
    }
}
