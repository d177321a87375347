//! Lies that only the alerts find out, and what a party may do instead of raising one.

use super::*;

mod a50_wrong_delta {
    use super::*;

    #[test]
    fn convicts() {
        for signers in [2, 3] {
            scene(signers, 1).convicts("delta", Fault::NonceSum { slot: 0 }, wrong_delta(0));
        }
        let last = scene(3, 3);
        last.convicts("slot 2", Fault::NonceSum { slot: 2 }, wrong_delta(2));
        // The lowest slot is decided, and (N) before (X).
        let lies = both(wrong_delta(1), wrong_S(0));
        scene(2, 2).convicts("the lowest slot", Fault::ChiSum { slot: 0 }, lies);
        let lies = both(wrong_delta(0), wrong_S(0));
        scene(2, 2).convicts("(N) before (X)", Fault::NonceSum { slot: 0 }, lies);
    }

    /// Not one share but the factor behind it is another than in the proofs.
    #[test]
    fn another_factor_convicts() {
        use presign::testing::{Which, increment};
        for (which, fault) in
            [(Which::Mask, Fault::NonceSum { slot: 0 }), (Which::Share, Fault::ChiSum { slot: 0 })]
        {
            let scene = scene(3, 1);
            let reached = |seed| {
                let mut simulation = scene.simulate(seed, None, Vec::new());
                while simulation.session(party(2)).unwrap().round() < ROUND_2 {
                    assert!(simulation.step(&mut honest));
                }
                (simulation.session(party(2)).unwrap().round() == ROUND_2).then_some(simulation)
            };
            let mut simulation = (1..100).find_map(reached).expect("some order");
            simulation.corrupt(party(2), |mut actor| {
                actor.inner = increment(actor.inner, 0, which);
                actor
            });
            let outcome = simulation.run(&mut honest);
            assert_convicted("another factor", &outcome, 3, &[2], Charge::Broke(fault));
        }
    }

    /// Everybody's alerts but the liar's verify for everybody, whatever the number of signers and slots.
    #[test]
    fn does_not_frame() {
        let scene = scene(5, 1);
        let outcome = scene.play(None, vec![(2, wrong_delta(0))], &mut honest);
        assert_convicted("delta", &outcome, 5, &[2], Charge::Broke(Fault::NonceSum { slot: 0 }));
        assert_eq!(scene.stage.alerts(), [1, 2, 3, 4, 5]);
    }
}

mod a51_wrong_S {
    use super::*;

    #[test]
    fn convicts() {
        for signers in [2, 3] {
            scene(signers, 1).convicts("S", Fault::ChiSum { slot: 0 }, wrong_S(0));
        }
        scene(3, 2).convicts("slot 1", Fault::ChiSum { slot: 1 }, wrong_S(1));
    }

    #[test]
    fn does_not_frame() {
        let scene = scene(4, 1);
        let outcome = scene.play(None, vec![(2, wrong_S(0))], &mut honest);
        assert_convicted("S", &outcome, 4, &[2], Charge::Broke(Fault::ChiSum { slot: 0 }));
        assert_eq!(scene.stage.alerts(), [1, 2, 3, 4]);
    }

    /// At real size, with the real curve.
    #[test]
    fn convicts_at_full_size() {
        let scene = scene_at::<Secp256k1>(Level::L128, 2, 1);
        let mut lengths = Vec::new();
        let outcome = scene.play(None, vec![(2, wrong_S(0))], &mut |keys: &TestKeys, letter: Letter| {
            if header(&letter).is_some_and(|h| h.round == ROUND_LAST) {
                lengths.push(envelope(&letter).unwrap().broadcast.len());
            }
            honest(keys, letter)
        });
        assert_convicted("S", &outcome, 2, &[2], Charge::Broke(Fault::ChiSum { slot: 0 }));
        let limit = Presign::max_broadcast_bytes(&scene.public, ROUND_LAST);
        assert!(lengths.iter().all(|&length| length <= limit && length * 5 >= limit * 4), "{lengths:?}");
    }
}

/// Two liars: the first sends the second a product that does not fit its mask, and the second looks away.
mod a52_colluding_pair {
    use super::*;

    /// Adds an encryption of 1 to what party 3 sends party 2.
    fn garbage(scene: &Scene<Toy>, hat: bool) -> Lie<Toy> {
        let (key, _) = scene.keys(party(2));
        let nonce = Nonce::random(&key, &mut consign_rounds::sim::SimRng::seed_from_u64(7));
        let one = key.encrypt(&[(&Scalar::<Toy>::one().to_integer(), &nonce)]).remove(0);
        let position = scene.public.signers().position_among_others(party(3), party(2)).unwrap();
        lie_in(ROUND_2, move |said| {
            let Broadcast::Round2(said) = said else { panic!("round 2") };
            let response = &mut said[0].responses[position];
            let D = if hat { &mut response.D_hat } else { &mut response.D };
            *D = key.add(D, &one).unwrap();
        })
    }

    #[test]
    fn convicts() {
        let cases = [(false, Fault::NonceResponse { slot: 0 }), (true, Fault::ChiResponse { slot: 0 })];
        for (hat, fault) in cases {
            let scene = scene(4, 1);
            let outcome = scene.play(Some(2), vec![(3, garbage(&scene, hat))], &mut honest);
            for me in [1, 4] {
                assert!(culprits(&outcome, me).into_iter().eq([3]), "{me}");
                assert_eq!(outcome.verdicts[&party(me)][0].charge, Charge::Broke(fault));
                assert!(!outcome.finished.contains_key(&party(me)));
            }
        }
    }

    /// Whoever looks away while nobody lies has done nothing that shows.
    #[test]
    fn does_not_frame() {
        let scene = scene(4, 1);
        let outcome = scene.play(Some(2), Vec::new(), &mut honest);
        assert_all_finished("blind", &outcome, 4);
        assert!(scene.stage.alerts().is_empty());
    }
}

mod a53_no_alert {
    use super::*;

    /// The bare echo instead of an alert is as good as a confession, since the view is the liar's own.
    #[test]
    fn convicts() {
        let closing = || lie_in(ROUND_LAST, |said| *said = Broadcast::Closing);
        let fault = Fault::NoAlert { slot: 0 };
        scene(3, 1).convicts("delta", fault, both(wrong_delta(0), closing()));
        scene(3, 1).convicts("S", fault, both(wrong_S(0), closing()));
        // Also if it was not the liar who spoilt the sum.
        let outcome = scene(4, 1).play(None, vec![(2, wrong_delta(0)), (3, closing())], &mut honest);
        for me in [1, 4] {
            assert!(culprits(&outcome, me).into_iter().eq([2, 3]), "{me}");
        }
        let fault = Fault::AlertLength { slot: 0 };
        scene(3, 1).convicts("a proof less", fault, wrong_alert(|alert| drop(alert.responses.pop())));
        let more = |alert: &mut Alert<Toy>| {
            alert.responses.push(aff_g_star::Proof { repetitions: Vec::new() });
        };
        scene(3, 1).convicts("a proof more", fault, wrong_alert(more));
    }

    /// More proofs than anybody may owe are not even read: an empty one is one byte here, and many in memory.
    #[test]
    fn convicts_who_sends_too_many_proofs() {
        let scene = scene(3, 1);
        let mut flood = liar::<Actor<Toy>>(2, ROUND_LAST, |_, said, _| {
            let Broadcast::Alert(alert) = said else { panic!("an alert") };
            alert.responses = vec![aff_g_star::Proof { repetitions: Vec::new() }; MAX_ALERT_SIGNERS + 1];
        });
        let outcome = scene.play(None, vec![(2, wrong_delta(0))], &mut flood);
        assert_convicted("too many proofs", &outcome, 3, &[2], Charge::Malformed);
    }

    /// The liar says that echoes differ, instead of accounting for its share. It proves nothing by that, and is named.
    #[test]
    fn an_objection_instead_of_an_alert_is_named() {
        let scene = scene(3, 1);
        let session = scene.session();
        let mut object = |keys: &TestKeys, letter: Letter| {
            if !is_said(&letter, 2, ROUND_LAST) {
                return vec![letter];
            }
            let (headers, signature) = (Vec::new(), consign_rounds::Signature([0; 64]));
            let mut reveal =
                consign_rounds::Reveal { session, from: party(2), completed: 0, headers, signature };
            keys.reseal_reveal(&mut reveal);
            vec![Letter { to: letter.to, message: Message::Reveal(reveal) }]
        };
        let outcome = scene.play(None, vec![(2, wrong_delta(0))], &mut object);
        assert_nobody_accused("objection", &outcome);
        for me in [1, 3] {
            let failures = &outcome.failures[&party(me)][..];
            let [consign_rounds::Failure::Unattributed { round, silent, objected }] = failures else {
                panic!("{me} fails once");
            };
            assert_eq!((*round, &silent[..], &objected[..]), (ROUND_LAST, &[][..], &[party(2)][..]));
        }
    }

    /// Silence is named, and proves nothing.
    #[test]
    fn does_not_frame() {
        let scene = scene(3, 1);
        let outcome = scene.play(None, vec![(2, wrong_delta(0))], &mut |_: &TestKeys, letter: Letter| {
            if is_said(&letter, 2, ROUND_LAST) { vec![] } else { vec![letter] }
        });
        assert_nobody_accused("silence", &outcome);
        for me in [1, 3] {
            let [consign_rounds::Failure::Unattributed { round, silent, .. }] =
                &outcome.failures[&party(me)][..]
            else {
                panic!("{me} fails once");
            };
            assert_eq!((*round, &silent[..]), (ROUND_LAST, &[party(2)][..]));
        }
    }
}

mod a5d_false_alarm {
    use super::*;

    fn empty() -> Broadcast<Toy> {
        let (dec, responses) = (dec::Proof { repetitions: Vec::new() }, Vec::new());
        Broadcast::Alert(Box::new(Alert { dec, responses }))
    }

    #[test]
    fn convicts() {
        let scene = scene(3, 1);
        scene.convicts("alarm", Fault::FalseAlarm, lie_in(ROUND_LAST, |said| *said = empty()));
        assert_eq!(scene.stage.alerts(), [2], "nobody answers");
    }

    /// An alert of another session, in which there was a reason.
    #[test]
    fn an_alert_from_elsewhere_convicts() {
        let earlier = scene(3, 1);
        earlier.play(None, vec![(1, wrong_delta(0))], &mut honest);
        let replayed = earlier.stage.said.borrow()[&(ROUND_LAST, 2)].clone();
        assert!(matches!(replayed, Broadcast::Alert(_)));
        let alarm = {
            let replayed = replayed.clone();
            lie_in(ROUND_LAST, move |said| *said = replayed.clone())
        };
        scene(3, 1).convicts("no reason", Fault::FalseAlarm, alarm);
        let instead = both(wrong_delta(0), lie_in(ROUND_LAST, move |said| *said = replayed.clone()));
        scene(3, 2).convicts("another slot's identifier", Fault::NonceSum { slot: 0 }, instead);
    }

    /// Whoever was told something else raises an alert rightly: the two versions convict their author, and the alert
    /// nobody.
    #[test]
    fn does_not_frame() {
        let scene = scene(3, 1);
        let outcome = scene.play(
            None,
            Vec::new(),
            &mut liar::<Actor<Toy>>(2, ROUND_3, |to, said, _| {
                let Broadcast::Round3(said) = said else { panic!("round 3") };
                if to == 1 {
                    said[0].delta = said[0].delta + Scalar::one();
                }
            }),
        );
        assert_eq!(scene.stage.alerts(), [1]);
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]), "{me}");
            assert_eq!(outcome.verdicts[&party(me)][0].charge, Charge::Equivocation);
            assert!(!outcome.finished.contains_key(&party(me)));
        }
    }
}

/// Everybody verifies everything, also what is about others: the verdicts are one set.
mod a5h_split_verdicts {
    use super::*;

    /// Spoils one repetition of the proof about the response to party `to`, in the alert.
    fn spoiled(position: usize) -> Lie<Toy> {
        lie_in(ROUND_LAST, move |said| {
            let Broadcast::Alert(alert) = said else { panic!("an alert") };
            let one = &mut alert.responses[position].repetitions[7];
            one.z_y = one.z_y.add(&Scalar::<Toy>::one().to_integer());
        })
    }

    #[test]
    fn convicts() {
        let lies = || vec![(2, wrong_delta(0)), (4, spoiled(0)), (5, spoiled(3))];
        for seed in 1..6 {
            let scene = scene(5, 1);
            let outcome = scene.simulate(seed, None, lies()).run(&mut honest);
            for me in [1, 3] {
                assert!(culprits(&outcome, me).into_iter().eq([2, 4, 5]), "{me}, seed {seed}");
            }
        }
    }

    #[test]
    fn does_not_frame() {
        for seed in 1..6 {
            let scene = scene(4, 1);
            let outcome = scene.simulate(seed, None, vec![(2, wrong_S(0))]).run(&mut honest);
            assert_convicted("S", &outcome, 4, &[2], Charge::Broke(Fault::ChiSum { slot: 0 }));
        }
    }

    /// A-4C: parties 1 and 3 verify proofs in batches, which may let pass a nonce that is off by -1. Who has spared party 2
    /// convicts it in the alert after its next lie, because there everything is verified by itself.
    #[test]
    fn convicts_who_was_spared_by_a_batch() {
        const TRIALS: u64 = 16;
        let mut spared = 0;
        for seed in 0..TRIALS {
            let scene = scene(3, 1);
            let (own, _) = scene.keys(party(2));
            let sign: Lie<Toy> = Box::new(move |round, _, direct| {
                for said in direct.values_mut().filter(|_| round == ROUND_2) {
                    let Direct::Round2(said) = said else { panic!("round 2") };
                    said[0].psi.w_y = Natural::new(&own.n().neg(said[0].psi.w_y.value()));
                }
            });
            let lies = vec![(2, both(sign, wrong_delta(0)))];
            let outcome = scene.simulate(seed, None, lies).run(&mut honest);
            let charges: Vec<_> = [1, 3]
                .into_iter()
                .filter_map(|me| outcome.verdicts.get(&party(me)))
                .map(|verdicts| (verdicts[0].culprit.get(), verdicts[0].charge))
                .collect();
            if charges.contains(&(2, Charge::Broke(Fault::NonceSum { slot: 0 }))) {
                let charge = Charge::Broke(Fault::NonceSum { slot: 0 });
                assert_convicted("spared by both", &outcome, 3, &[2], charge);
                spared += 1;
            } else {
                let refused = (2, Charge::Broke(Fault::Psi { slot: 0 }));
                assert!(charges.iter().all(|one| *one == refused), "seed {seed}: {charges:?}");
                assert!(!charges.is_empty(), "seed {seed}: nobody has refused");
            }
        }
        assert!((1..TRIALS).contains(&spared), "{spared} of {TRIALS} were spared by both");
    }
}
