//! Missing, misplaced and foreign entries.

use consign_cggmp24::derivation::Path;

use super::*;

mod a23_roles {
    use super::*;

    #[test]
    fn convicts() {
        // Proofs of the same kind in each other's place, and for each other's verifier.
        let scene = scene(1);
        scene.convicts(
            "psi0 for psi1",
            Fault::Psi0 { slot: 0 },
            &mut lie1(0, |_, _, direct| {
                std::mem::swap(&mut direct.psi0, &mut direct.psi1);
            }),
        );
        scene.convicts(
            "psi for psi^",
            Fault::Psi { slot: 0 },
            &mut lie2(0, |_, said, direct| {
                std::mem::swap(&mut direct.psi, &mut direct.psi_hat);
                for response in &mut said.responses {
                    std::mem::swap(&mut response.D, &mut response.D_hat);
                    std::mem::swap(&mut response.F, &mut response.F_hat);
                }
            }),
        );
        for round in [ROUND_1, ROUND_2] {
            let mut parts = BTreeMap::new();
            let mut held = Vec::new();
            let outcome = scene.run(&mut |keys: &TestKeys, letter: Letter| {
                if !is_said(&letter, 2, round) {
                    return vec![letter];
                }
                parts.insert(letter.to.get(), envelope(&letter).unwrap().direct.clone());
                held.push(letter);
                if held.len() < 2 {
                    return vec![];
                }
                let swap = |mut letter: Letter| {
                    let other = 4 - letter.to.get();
                    let envelope = envelope_mut(&mut letter);
                    envelope.direct = parts[&other].clone();
                    keys.reseal(envelope);
                    letter
                };
                held.drain(..).map(swap).collect()
            });
            let fault = if round == ROUND_1 { Fault::Psi0 { slot: 0 } } else { Fault::Psi { slot: 0 } };
            assert_convicted("verifiers swapped", &outcome, 3, &[2], Charge::Broke(fault));
        }
    }

    #[test]
    fn convicts_a_copier() {
        // Party 2 says in round 1 what party 1 said.
        let scene = scene(1);
        let mut first: Option<(Bytes, Bytes)> = None;
        let mut held = Vec::new();
        let outcome = scene.run(&mut |keys: &TestKeys, letter: Letter| {
            if is_said(&letter, 1, 1) && letter.to == party(3) {
                let e = envelope(&letter).unwrap();
                first = Some((e.broadcast.clone(), e.direct.clone()));
            }
            let mut out = vec![];
            if is_said(&letter, 2, 1) {
                held.push(letter)
            } else {
                out.push(letter)
            }
            if let Some((broadcast, direct)) = &first {
                for mut letter in held.drain(..) {
                    let envelope = envelope_mut(&mut letter);
                    (envelope.broadcast, envelope.direct) = (broadcast.clone(), direct.clone());
                    keys.reseal(envelope);
                    out.push(letter);
                }
            }
            out
        });
        assert_convicted("copy", &outcome, 3, &[2], Charge::Broke(Fault::Psi0 { slot: 0 }));
    }

    #[test]
    fn convicts_replay_of_another_session() {
        // The same committee presigns twice; in the second session party 2 says what it said in the first.
        let scene = scene(1);
        let (old, _) = record(scene.simulate(1));
        let other = scene.public.session(&[1; 32]);
        let simulation = consign_cggmp24::testing::simulate(
            2,
            other,
            scene.public.signers(),
            scene.public.clone(),
            |me, rng| {
                presign::start(
                    &scene.public,
                    other,
                    &scene.committee.shares[&me],
                    &scene.committee.aux[&me],
                    rng,
                )
                .unwrap()
            },
        );
        let outcome = simulation.run(&mut garbler(2, 1, |to, e| {
            let old = old.find(2, to, 1);
            (e.broadcast, e.direct) = (old.broadcast.clone(), old.direct.clone());
        }));
        assert_convicted("replay", &outcome, 3, &[2], Charge::Broke(Fault::Psi0 { slot: 0 }));
    }

    #[test]
    fn does_not_frame() {
        // A direct part shown as meant for another does not convict its author.
        let scene = scene(1);
        let simulation = scene.simulate(3);
        let keys = simulation.keys().clone();
        let (sent, _) = record(simulation);
        for round in [ROUND_1, ROUND_2] {
            let mut shown = sent.find(2, 1, round).clone();
            shown.direct = sent.find(2, 3, round).direct.clone();
            let evidence = consign_rounds::Evidence::Misbehaviour { before: sent.past(round), charge: shown };
            assert_eq!(evidence.judge::<Pre>(&scene.public, scene.public.session(&NONCE), &*keys), None);
        }
    }
}

mod a49_missing_entries {
    use super::*;

    #[test]
    fn convicts() {
        let scene = scene(1);
        let fault = Fault::Responses { slot: 0 };
        scene.convicts("one less", fault, &mut lie2(0, |_, said, _| said.responses.truncate(1)));
        scene.convicts("none", fault, &mut lie2(0, |_, said, _| said.responses.clear()));
        let outcome = scene.run(&mut lie2(0, |_, said, _| {
            let again = said.responses[0].clone();
            said.responses.push(again);
        }));
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]), "one more");
        }
        // Exchanged: each is under the other's key.
        let outcome = scene.run(&mut lie2(0, |_, said, _| said.responses.swap(0, 1)));
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]), "swapped");
        }
    }

    #[test]
    fn does_not_frame() {
        let scene = scene_at::<Toy>(Level::Tiny, 4, 1);
        let outcome = scene.run(&mut honest);
        assert_all_finished("three responses each", &outcome, 4);
    }
}

mod a4a_signers {
    use super::*;

    #[test]
    fn convicts() {
        // R: refused before anything is sent.
        let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 5, 1);
        let refused = |signers: &[u16]| {
            let (key, aux) = (committee.key(), committee.aux_public());
            presign::Public::new(key, aux, subset(signers), &Path::root(), 1).err().unwrap()
        };
        assert_eq!(refused(&[1, 2]), PresignError::SignerCount { needed: 3, given: 2 });
        assert_eq!(refused(&[1, 2, 3, 4]), PresignError::SignerCount { needed: 3, given: 4 });
        assert_eq!(refused(&[1, 2, 6]), PresignError::Outsider(party(6)));
    }

    #[test]
    fn does_not_frame() {
        let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 5, 1);
        for signers in [[1, 2, 3], [1, 3, 5], [3, 4, 5]] {
            let (key, aux) = (committee.key(), committee.aux_public());
            assert!(presign::Public::new(key, aux, subset(&signers), &Path::root(), 1).is_ok());
        }
    }
}

mod a4b_slots {
    use super::*;

    #[test]
    fn convicts() {
        let scene = scene(2);
        let both = |lie: fn(&mut Vec<round1::Broadcast<Toy>>, &mut Vec<round1::Direct<Toy>>)| {
            liar::<Pre>(2, 1, move |_, said, direct| {
                let (Broadcast::Round1(said), Direct::Round1(direct)) = (said, direct) else {
                    panic!("round 1")
                };
                lie(said, direct);
            })
        };
        let slot_0 = Fault::Psi0 { slot: 0 };
        scene.convicts("proofs swapped", slot_0, &mut both(|_, direct| direct.swap(0, 1)));
        scene.convicts(
            "slots swapped",
            slot_0,
            &mut both(|said, direct| {
                said.swap(0, 1);
                direct.swap(0, 1);
            }),
        );
        scene.convicts(
            "same K in two slots",
            Fault::Psi0 { slot: 1 },
            &mut both(|said, direct| {
                said[1] = said[0].clone();
                direct[1] = direct[0].clone();
            }),
        );
        scene.convicts(
            "one slot less",
            Fault::Slots,
            &mut both(|said, direct| {
                said.pop();
                direct.pop();
            }),
        );
        scene.convicts(
            "no slot",
            Fault::Slots,
            &mut both(|said, direct| {
                said.clear();
                direct.clear();
            }),
        );
        scene.convicts("a proof less", Fault::Slots, &mut both(|_, direct| direct.truncate(1)));
        let outcome = scene.run(&mut both(|said, direct| {
            said.push(said[0].clone());
            direct.push(direct[0].clone());
        }));
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]), "one slot more");
        }
    }

    #[test]
    fn convicts_in_later_rounds() {
        let scene = scene(2);
        let swap = liar::<Pre>(2, ROUND_2, |_, said, direct| {
            let (Broadcast::Round2(said), Direct::Round2(direct)) = (said, direct) else { panic!("round 2") };
            said.swap(0, 1);
            direct.swap(0, 1);
        });
        scene.convicts("round 2", Fault::Elog { slot: 0 }, &mut { swap });
        let swap = liar::<Pre>(2, ROUND_2, |_, _, direct| {
            let Direct::Round2(direct) = direct else { panic!("round 2") };
            direct.swap(0, 1);
        });
        scene.convicts("proofs of round 2", Fault::Psi { slot: 0 }, &mut { swap });
        let swap = liar::<Pre>(2, ROUND_3, |_, said, _| {
            let Broadcast::Round3(said) = said else { panic!("round 3") };
            said.swap(0, 1);
        });
        scene.convicts("round 3", Fault::ElogPrime { slot: 0 }, &mut { swap });
        let less = liar::<Pre>(2, ROUND_3, |_, said, _| {
            let Broadcast::Round3(said) = said else { panic!("round 3") };
            said.pop();
        });
        scene.convicts("round 3, one less", Fault::Slots, &mut { less });
        scene.convicts(
            "second slot",
            Fault::Psi { slot: 1 },
            &mut lie2(1, |_, _, direct| {
                direct.psi.z1 = direct.psi.z1.add(&power(0));
            }),
        );
    }

    #[test]
    fn does_not_frame() {
        let scene = scene(3);
        let outcome = scene.run(&mut honest);
        assert_all_finished("batch of three", &outcome, 3);
        let ids: Vec<Vec<_>> =
            outcome.finished.values().map(|f| f.output.iter().map(|p| p.id()).collect()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
        let mut all = ids[0].clone();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 3);
    }
}
