//! Proofs verified in batches. Parties with an odd number verify so, party 2 lies.

use super::*;

mod a4c_batch_verification {
    use consign_rounds::Evidence;

    use super::*;

    const SLOTS: u32 = 3;
    const PSI_0: Charge<Fault> = Charge::Broke(Fault::Psi0 { slot: 0 });

    /// Sessions with other weights each.
    const TRIALS: u64 = 24;

    fn negated(value: &Natural, key: &EncryptionKey) -> Natural {
        Natural::new(&key.n().neg(value.value()))
    }

    /// Party 2's first `psi0` has another nonce: off by -1.
    fn off_by_a_sign(scene: &Scene<Toy>) -> impl FnMut(&TestKeys, Letter) -> Vec<Letter> {
        let (own, _) = scene.keys(party(2));
        lie1(0, move |_, _, direct| direct.psi0.z2 = negated(&direct.psi0.z2, &own))
    }

    #[test]
    fn convicts() {
        let scene = scene(SLOTS);
        for slot in 0..SLOTS {
            let at = slot as usize;
            // Zeros, which would make every batch pass.
            let (psi1, psi_hat) = (Fault::Psi1 { slot }, Fault::PsiHat { slot });
            scene.convicts(
                "A = w = 0",
                psi1,
                &mut lie1(at, |_, _, direct| {
                    direct.psi1.first.D = Ciphertext::new(&BoxedUint::zero());
                    direct.psi1.z2 = number(0);
                }),
            );
            scene.convicts(
                "A = w = 0",
                psi_hat,
                &mut lie2(at, |_, _, direct| {
                    direct.psi_hat.first.B_y = Ciphertext::new(&BoxedUint::zero());
                    direct.psi_hat.w_y = number(0);
                }),
            );
            // One plaintext that is off by one, in G: nothing else of the proof fails but the equation that is joined.
            let (simulation, secrets) = opened(&scene, at);
            let outcome = simulation.run(&mut lie1(at, |to, said, direct| {
                let x = secrets.gamma.to_integer();
                direct.psi1 = other_plaintext(&scene, slot, &secrets, &x, said)[&party(to)].clone();
            }));
            assert_convicted("gamma + 1", &outcome, 3, &[2], Charge::Broke(psi1));
        }
    }

    /// What a batch might let pass convicts if anything else of the message is refused: as a judge sees it, and in its
    /// words.
    #[test]
    fn convicts_for_the_first_fault() {
        let scene = scene(SLOTS);
        let (own, _) = scene.keys(party(2));
        let too_long = power(Level::Tiny.parameters().modulus_bits - 8);
        for seed in 0..4 {
            let mut lie = liar::<Pre>(2, 1, |_, _, direct| {
                let Direct::Round1(direct) = direct else { panic!("round 1") };
                direct[0].psi0.z2 = negated(&direct[0].psi0.z2, &own);
                direct[2].psi1.z1 = too_long.clone();
            });
            let outcome = scene.simulate(seed).run(&mut lie);
            assert_convicted("a sign, then a range", &outcome, 3, &[2], PSI_0);
            let mut lie = liar::<Pre>(2, ROUND_2, |_, said, direct| {
                let (Broadcast::Round2(said), Direct::Round2(direct)) = (said, direct) else {
                    panic!("round 2")
                };
                direct[0].psi.w_y = negated(&direct[0].psi.w_y, &own);
                said[2].elog.z = said[2].elog.z + Scalar::one();
            });
            let outcome = scene.simulate(seed).run(&mut lie);
            let psi = Charge::Broke(Fault::Psi { slot: 0 });
            assert_convicted("a sign, then another proof", &outcome, 3, &[2], psi);
        }
    }

    /// A nonce that is off by -1 may pass: then all get their presignatures. Or party 2 is convicted, nobody else ever is. A
    /// judge who is shown the message convicts always, because it joins nothing. What an alert makes of somebody who was
    /// spared is in group E.
    #[test]
    fn does_not_frame() {
        let scene = scene_at::<Toy>(Level::Tiny, 2, 2);
        let mut passed = 0;
        for seed in 0..TRIALS {
            let simulation = scene.simulate(seed);
            let keys = simulation.keys().clone();
            let (mut lie, mut sent) = (off_by_a_sign(&scene), Record::default());
            let outcome = simulation.run(&mut |keys: &TestKeys, letter: Letter| {
                let letters = lie(keys, letter);
                letters.iter().for_each(|letter| sent.note(letter));
                letters
            });
            if outcome.verdicts.is_empty() {
                assert_all_finished("passed", &outcome, 2);
                passed += 1;
            } else {
                assert_convicted("refused", &outcome, 2, &[2], PSI_0);
            }
            let charge = sent.find(2, 1, ROUND_1).clone();
            let evidence = Evidence::Misbehaviour { before: sent.past(ROUND_1), charge };
            let judged = evidence.judge::<Pre>(&scene.public, scene.public.session(&NONCE), &*keys);
            assert_eq!(judged, Some((party(2), PSI_0)), "seed {seed}");
        }
        assert!((1..TRIALS).contains(&passed), "{passed} of {TRIALS} passed");
        for slots in 1..=4 {
            assert_all_finished("honest", &super::scene(slots).run(&mut honest), 3);
        }
    }

    /// A simulation, and what party 2 has committed to in a slot.
    fn opened(scene: &Scene<Toy>, slot: usize) -> (Simulation<Pre>, Committed<Toy>) {
        let mut simulation = scene.simulate(1);
        let mut secrets = None;
        simulation.corrupt(party(2), |state| {
            secrets = committed(&state, slot);
            state
        });
        (simulation, secrets.unwrap())
    }

    /// Party 2's `G` anew with the plaintext `x + 1`, and proofs as if it were `x`, for every recipient.
    fn other_plaintext(
        scene: &Scene<Toy>,
        slot: u32,
        secrets: &Committed<Toy>,
        x: &Integer,
        said: &mut round1::Broadcast<Toy>,
    ) -> PerParty<enc_elg::Proof<Toy>> {
        let mut rng = SimRng::seed_from_u64(5);
        let key = scene.committee.aux[&party(2)].paillier();
        let rho = Nonce::random(key.public(), &mut rng);
        said.G = key.encrypt(&[(&x.add(&power(0)), &rho)]).pop().unwrap();
        let session = ssid::slot(scene.public.session(&NONCE), slot, scene.public.batch());
        let prove = |to: PartyIndex| {
            let (_, ring) = scene.keys(to);
            let elgamal = said.B;
            let statement = enc_elg::Statement {
                prover: key.public(),
                C: &said.G,
                A: said.Y,
                B: elgamal.randomness,
                X: elgamal.value,
                rp: &ring,
            };
            let context = context(&session, Role::Psi1, 1, to);
            let witness = enc_elg::Witness { x, rho: &rho, b: &secrets.b };
            (to, enc_elg::prove(&context, &statement, &witness, key, &mut rng))
        };
        scene.public.signers().others(party(2)).map(prove).collect()
    }
}
