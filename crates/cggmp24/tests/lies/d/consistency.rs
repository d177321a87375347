//! Different secrets in different places, and different words to different parties.

use super::*;

mod a42_a43_inconsistent_secrets {
    use super::*;

    #[test]
    fn convicts() {
        let scene = scene(1);
        // Other commitments than plaintexts.
        let other = Point::<Toy>::generator();
        let psi0 = Fault::Psi0 { slot: 0 };
        scene.convicts("A_2", psi0, &mut lie1(0, |_, said, _| said.A.value = said.A.value + other));
        scene.convicts("A_1", psi0, &mut lie1(0, |_, said, _| said.A.randomness = said.A.randomness + other));
        let psi1 = Fault::Psi1 { slot: 0 };
        scene.convicts("B_2", psi1, &mut lie1(0, |_, said, _| said.B.value = said.B.value + other));
        scene.convicts("Y", psi0, &mut lie1(0, |_, said, _| said.Y = said.Y + other));
        // Re-proved with the true plaintext k + 1, which is short.
        let (simulation, secrets) = scene.opened();
        let x = (secrets.k + Scalar::one()).to_integer();
        let outcome = simulation.run(&mut lie1(0, |to, said, direct| {
            direct.psi0 = forge_round_1(&scene, &secrets, &x, said)[&party(to)].clone();
        }));
        assert_convicted("k in K, k - 1 in A", &outcome, 3, &[2], Charge::Broke(psi0));
        // Another gamma in round 2 and another k in round 3 than were committed to.
        let elog = Charge::Broke(Fault::Elog { slot: 0 });
        assert_convicted("gamma", &scene.corrupted(1, Which::Mask), 3, &[2], elog);
        let elog = Charge::Broke(Fault::ElogPrime { slot: 0 });
        assert_convicted("k", &scene.corrupted(1, Which::Nonce), 3, &[2], elog);
        assert_convicted("k", &scene.corrupted(ROUND_2, Which::Nonce), 3, &[2], elog);
    }

    #[test]
    fn convicts_a_rushing_gamma() {
        // Party 2 waits for all other Gamma and picks its own so that the sum is G.
        let scene = scene(1);
        let (mut held, mut others) = (Vec::new(), PerParty::new());
        let outcome = scene.run(&mut |keys: &TestKeys, letter: Letter| {
            let Some(h) = header(&letter).filter(|h| h.round == ROUND_2) else { return vec![letter] };
            let mut out = vec![];
            if h.from == party(2) {
                held.push(letter);
            } else {
                let said = decode::<Broadcast<Toy>>(&envelope(&letter).unwrap().broadcast, usize::MAX);
                let Ok(Broadcast::Round2(said)) = said else { panic!("round 2") };
                others.insert(h.from, said[0].Gamma);
                out.push(letter);
            }
            if others.len() == 2 {
                let sum: Point<Toy> = others.values().copied().sum();
                for mut letter in held.drain(..) {
                    keys.rewrite::<Pre>(&mut letter, |said, _| {
                        let Broadcast::Round2(said) = said else { panic!("round 2") };
                        said[0].Gamma = Point::generator() - sum;
                    });
                    out.push(letter);
                }
            }
            out
        });
        assert_convicted("rushing", &outcome, 3, &[2], Charge::Broke(Fault::Elog { slot: 0 }));
    }

    #[test]
    fn does_not_frame() {
        // Late is not wrong.
        let scene = scene(1);
        for round in 1..=ROUND_LAST {
            let mut held = Vec::new();
            let mut others = 0;
            let outcome = scene.run(&mut |_: &TestKeys, letter: Letter| {
                let Some(h) = header(&letter).filter(|h| h.round == round) else { return vec![letter] };
                if h.from == party(2) {
                    held.push(letter);
                } else {
                    others += 1;
                    held.push(letter);
                }
                if others == 4 && held.len() == 6 { std::mem::take(&mut held) } else { vec![] }
            });
            assert_all_finished("late", &outcome, 3);
        }
    }
}

mod a44_wrong_share {
    use super::*;

    #[test]
    fn convicts() {
        let scene = scene(1);
        let charge = Charge::Broke(Fault::PsiHat { slot: 0 });
        assert_convicted("w + 1", &scene.corrupted(1, Which::Share), 3, &[2], charge);
        // The share without its Lagrange coefficient, with a proof for that.
        let lambda = consign_zk::feldman::lagrange_at_zero::<Toy>(&[1, 2, 3], 2).unwrap().invert().unwrap();
        let recipe = |s: &Committed<Toy>| Recipe { x: (s.w * lambda).to_integer(), ..honest_recipe(s, true) };
        assert_convicted("x without lambda", &with_recipe(&scene, recipe), 3, &[2], charge);
        let recipe = |s: &Committed<Toy>| Recipe { x: s.gamma.to_integer(), ..honest_recipe(s, true) };
        assert_convicted("gamma for w", &with_recipe(&scene, recipe), 3, &[2], charge);
        let recipe = |s: &Committed<Toy>| Recipe { x: s.w.to_integer(), ..honest_recipe(s, false) };
        let charge = Charge::Broke(Fault::Psi { slot: 0 });
        assert_convicted("w for gamma", &with_recipe(&scene, recipe), 3, &[2], charge);
    }

    #[test]
    fn does_not_frame() {
        // The key held in another order or by more parties than sign: coefficients differ, nobody is at fault.
        let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 5, 4);
        for signers in [[1, 5], [2, 4], [3, 5]] {
            let public = committee.presigning(&signers, 1);
            let outcome = committee.simulate_presigning(&public, 1).run(&mut honest);
            assert_nobody_accused("subset", &outcome);
            assert_eq!(outcome.finished.len(), 2);
        }
    }
}

mod a45_other_mask_in_f {
    use super::*;

    #[test]
    fn convicts() {
        let scene = scene(1);
        for hat in [false, true] {
            let fault = if hat { Fault::PsiHat { slot: 0 } } else { Fault::Psi { slot: 0 } };
            let recipe = |s: &Committed<Toy>| Recipe { in_f: power(11), ..honest_recipe(s, hat) };
            assert_convicted("F", &with_recipe(&scene, recipe), 3, &[2], Charge::Broke(fault));
        }
    }

    #[test]
    fn does_not_frame() {
        let scene = scene(1);
        for hat in [false, true] {
            assert_nobody_accused("same b", &with_recipe(&scene, |s| honest_recipe(s, hat)));
        }
    }
}

mod a46_equivocation {
    use super::*;

    /// Party 2 shows party 1 another K than the others, each with a good proof. Also what everybody sent.
    fn split() -> (Outcome<Pre>, Record) {
        let scene = scene(1);
        let mut sent = Record::default();
        let (simulation, secrets) = scene.opened();
        let x = secrets.k.to_integer();
        let mut lie = lie1(0, |to, said, direct| {
            if to == 1 {
                direct.psi0 = forge_round_1(&scene, &secrets, &x, said)[&party(to)].clone();
            }
        });
        let outcome = simulation.run(&mut |keys: &TestKeys, letter: Letter| {
            sent.note(&letter);
            lie(keys, letter)
        });
        (outcome, sent)
    }

    #[test]
    fn convicts() {
        let (outcome, sent) = split();
        assert_convicted("two K", &outcome, 3, &[2], Charge::Equivocation);
        // Nobody honest has computed with either K: no D was sent.
        assert_eq!([1, 3].map(|me| sent.last_round(me)), [ROUND_ECHO; 2]);
    }

    #[test]
    fn convicts_in_rounds_2_and_3() {
        let scene = scene(1);
        let outcome = scene.run(&mut liar::<Pre>(2, ROUND_3, |to, said, _| {
            let Broadcast::Round3(said) = said else { panic!("round 3") };
            if to == 1 {
                said[0].S = said[0].S + Point::generator();
            }
        }));
        // Party 1 sees (X) fail and has no culprit; party 3 may have a presignature, but not one that it may use.
        for me in [1, 3] {
            assert!(culprits(&outcome, me).iter().all(|culprit| *culprit == 2));
            assert!(!outcome.finished.contains_key(&party(me)), "{me}");
        }
    }

    #[test]
    fn does_not_frame() {
        // The one who was told something else echoes what it heard and is not convicted for that.
        let (outcome, _) = split();
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]));
        }
    }
}

mod a47_selective_failure {
    use super::*;

    #[test]
    fn convicts() {
        // A malformed product for one victim: the victim refuses before it decrypts, and can prove it. (That the
        // culprit is excluded afterwards is the node's part.)
        let scene = scene(1);
        for bit in 0..8 {
            let fault = Fault::PsiHat { slot: 0 };
            scene.convicts_by(
                "D^",
                &[1],
                fault,
                &mut deaf(
                    2,
                    ROUND_2,
                    lie2(0, |_, said, _| {
                        let flipped = said.responses[0].D_hat.natural().value().clone();
                        let one =
                            BoxedUint::one_with_precision(flipped.bits_precision()).shl_vartime(bit).unwrap();
                        said.responses[0].D_hat = Ciphertext::new(&flipped.bitxor(&one));
                    }),
                ),
            );
        }
    }

    #[test]
    fn does_not_frame() {
        // The victim's silence afterwards convicts nobody.
        let scene = scene(1);
        let outcome = scene.run(&mut |_: &TestKeys, letter: Letter| {
            if is_said(&letter, 1, ROUND_3) { vec![] } else { vec![letter] }
        });
        assert_nobody_accused("silent", &outcome);
        let Some(Failure::Unattributed { silent, .. }) = outcome.failures[&party(3)].first() else {
            panic!("party 3 waits")
        };
        assert_eq!(silent[..], [party(1)]);
    }
}
