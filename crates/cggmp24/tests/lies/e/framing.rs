//! Attempts to frame honest parties, to escape by a proof of something else, and to learn from alerts.

use super::*;

/// The signed messages of a session with an alert, and another session's of the same parties.
fn records(scene: &Scene<Toy>, lie: fn(usize) -> Lie<Toy>) -> (Record, Record, Arc<TestKeys>) {
    let simulation = scene.simulate(1, None, vec![(2, lie(0))]);
    let keys = simulation.keys().clone();
    let (first, outcome) = record(simulation);
    assert!(culprits(&outcome, 1).into_iter().eq([2]));
    let (second, _) = record(scene.simulate(2, None, vec![(2, lie(0))]));
    (first, second, keys)
}

/// A-54 and A-5G: honest alerts are no evidence, neither with their own past nor with any other.
mod a54_a5g_evidence {
    use super::*;

    #[test]
    fn convicts() {
        // The same evidence convicts the liar: judges are asked in every run, and here by hand.
        for lie in [wrong_delta, wrong_S] {
            let scene = scene(3, 1);
            let (record, _, keys) = records(&scene, lie);
            let charge = record.find(2, 3, ROUND_LAST).clone();
            let evidence = consign_rounds::Evidence::Misbehaviour { before: record.past(ROUND_LAST), charge };
            let script = scene.script(None);
            assert_eq!(evidence.verify::<Actor<Toy>>(&script, scene.session(), &*keys), Some(party(2)));
            // To the presigning protocol itself it is the same evidence.
            let judged = evidence.verify::<Presign<Toy>>(&scene.public, scene.session(), &*keys);
            assert_eq!(judged, Some(party(2)));
        }
    }

    #[test]
    fn does_not_frame() {
        for lie in [wrong_delta, wrong_S] {
            let scene = scene(3, 1);
            let (first, second, keys) = records(&scene, lie);
            assert_unframeable_among::<Actor<Toy>>(
                &scene.script(None),
                scene.session(),
                &keys,
                &first,
                &second,
                |from| from != 2,
            );
        }
    }
}

/// masks that are too long and yet provable make the honest plaintexts long. Honest proofs must pass.
mod a55_oversized_masks {
    use super::*;

    /// Party 2 answers everybody with the mask `b`, properly proved, and then has a wrong `delta`, as it has not
    /// computed with that mask.
    fn oversized(scene: &Scene<Toy>, b: Integer) -> Lie<Toy> {
        let mut rng = consign_rounds::sim::SimRng::seed_from_u64(8);
        let stage = scene.stage.clone();
        let own = party(2);
        let prover = scene.keys(own).0;
        let others: Vec<_> = scene.public.signers().others(own).map(|to| (to, scene.keys(to))).collect();
        let paillier = scene.committee.aux[&own].paillier().clone();
        let session = ssid::slot(scene.session(), 0, scene.public.batch());
        Box::new(move |round, said, direct| {
            let Broadcast::Round2(said) = said else { return };
            assert_eq!(round, ROUND_2);
            let x = stage.secrets.borrow()[&2].gamma.to_integer();
            let Gamma = said[0].Gamma;
            for ((to, (receiver, ring)), response) in others.iter().zip(&mut said[0].responses) {
                let K = stage.K(*to);
                let (rho, rho_y) = (Nonce::random(receiver, &mut rng), Nonce::random(&prover, &mut rng));
                let affine = Affine { ciphertext: &K, x: &x, y: &b, rho: &rho };
                response.D = receiver.affine(&[affine]).unwrap().remove(0);
                response.F = prover.encrypt(&[(&b, &rho_y)]).remove(0);
                let statement = aff_g::Statement {
                    receiver,
                    prover: &prover,
                    C: &K,
                    D: &response.D,
                    Y: &response.F,
                    X: Gamma,
                    rp: ring,
                };
                let witness = aff_g::Witness { x: &x, y: &b, rho: &rho, rho_y: &rho_y };
                let verifier = Some(to.get());
                let (level, session, role) = (Level::Tiny, &session, Role::Psi);
                let context = Context { level, session, role, round: 2, prover: 2, verifier, rid: None };
                let psi = aff_g::prove(&context, &statement, &witness, &paillier, &mut rng).unwrap();
                let Some(Direct::Round2(proofs)) = direct.get_mut(to) else { panic!("round 2") };
                proofs[0].psi = psi;
            }
        })
    }

    fn power(bits: u32) -> Integer {
        let one = consign_modexp::BoxedUint::one_with_precision(bits + 64);
        Integer::from_natural(&one.shl_vartime(bits).unwrap())
    }

    #[test]
    fn convicts() {
        let p = Level::Tiny.parameters();
        // As long as a response with a challenge of full length still passes, but for one time in eight.
        let longest = power(p.ell_prime + p.epsilon - p.ell - 3);
        for b in [longest.clone(), longest.neg()] {
            let scene = scene(4, 1);
            scene.convicts("oversized", Fault::NonceSum { slot: 0 }, oversized(&scene, b));
            assert_eq!(scene.stage.alerts(), [1, 2, 3, 4]);
        }
    }

    /// The mask alone is no fault: with the honest one everything passes.
    #[test]
    fn does_not_frame() {
        let scene = scene(4, 1);
        let outcome = scene.play(None, Vec::new(), &mut honest);
        assert_all_finished("honest", &outcome, 4);
    }
}

impl<C: Curve> Scene<C> {
    /// What the responses add up to for party `i`: `D` minus `F`, or plus, if the sign is taken wrongly.
    fn sum(&self, i: u16, hat: bool, minus: bool) -> Ciphertext {
        let (i, signers) = (party(i), self.public.signers());
        let key = self.keys(i).0;
        let term = |by: PartyIndex, owner: PartyIndex| {
            let position = signers.position_among_others(by, owner).unwrap();
            self.stage.responses(by).swap_remove(position)
        };
        let terms = signers.others(i).map(|j| {
            let (to_me, by_me) = (term(j, i), term(i, j));
            let (D, F) = if hat { (to_me.D_hat, by_me.F_hat) } else { (to_me.D, by_me.F) };
            if minus { key.sub(&D, &F).unwrap() } else { key.add(&D, &F).unwrap() }
        });
        terms.reduce(|sum, term| key.add(&sum, &term).unwrap()).unwrap()
    }
}

/// The sign convention: the masks enter the sum with a minus. Mixing it up would show in alerts only.
#[test]
fn the_masks_are_subtracted() {
    let scene = scene(4, 1);
    scene.play(None, Vec::new(), &mut honest);
    let Gamma: Point<Toy> = scene.public.signers().indices().map(|i| scene.stage.Gamma(i)).sum();
    for i in 1..=4 {
        let secrets = &scene.stage.secrets.borrow()[&i];
        let said = scene.stage.said.borrow();
        let Broadcast::Round3(said) = &said[&(ROUND_3, i)] else { panic!("round 3") };
        let key = scene.committee.aux[&party(i)].paillier();
        for (hat, x) in [(false, secrets.gamma), (true, secrets.w)] {
            let fits = |minus| {
                let product = key.multiples(&scene.stage.K(party(i)), &[&x.to_integer()]).unwrap();
                let product = Ciphertext::new(&product[0]);
                let full = key.public().add(&product, &scene.sum(i, hat, minus)).unwrap();
                let y: Scalar<Toy> = Scalar::from_integer(&key.decrypt(&[&full]).unwrap()[0]);
                if hat { Gamma * y == said[0].S } else { y == said[0].delta }
            };
            assert!(fits(true) && !fits(false), "party {i}, hat {hat}");
        }
    }
}

/// A-5A: party 2 shows `delta + N` and proves it: the ciphertext is the same, the plaintext is too long.
mod a5a_plaintext_plus_modulus {
    use super::*;

    /// Adds `j N` to `delta`, and proves the sum with the real secrets.
    fn shifted(scene: &Rc<Scene<Toy>>, j: i64) -> Lie<Toy> {
        let scene = scene.clone();
        let key = scene.committee.aux[&party(2)].paillier().clone();
        let n = Integer::from_natural(key.public().n().value());
        let step = Scalar::<Toy>::from_u64(j.unsigned_abs()).to_integer();
        let shift = n.mul(&if j < 0 { step.neg() } else { step });
        Box::new(move |_, said, _| match said {
            Broadcast::Round3(said) => said[0].delta = said[0].delta + Scalar::from_integer(&shift),
            Broadcast::Alert(alert) => {
                let (K, D) = (scene.stage.K(party(2)), scene.sum(2, false, true));
                let said = scene.stage.said.borrow();
                let Broadcast::Round3(shown) = &said[&(ROUND_3, 2)] else { panic!("round 3") };
                let G = Point::generator();
                let X = scene.stage.Gamma(party(2));
                let shown = Point::mul_generator(&shown[0].delta);
                let prover = key.public();
                let statement = dec::Statement { prover, K: &K, D: &D, X, S: shown, base: G, signers: 3 };
                let x = scene.stage.secrets.borrow()[&2].gamma.to_integer();
                let witness = dec::Witness::open(Level::Tiny, &statement, x, &key).unwrap();
                let witness = dec::Witness { y: witness.y.add(&shift), ..witness };
                let session = ssid::slot(scene.session(), 0, scene.public.batch());
                let context = Context {
                    level: Level::Tiny,
                    session: &session,
                    role: Role::AlertNonce,
                    round: 4,
                    prover: 2,
                    verifier: None,
                    rid: None,
                };
                let mut rng = consign_rounds::sim::SimRng::seed_from_u64(9);
                alert.dec = dec::prove(&context, &statement, &witness, &key, &mut rng).unwrap();
                let verdict = dec::verify(&context, &statement, &alert.dec);
                let refused = Err(consign_zk::rejection::Rejection::Range("w"));
                assert_eq!(verdict, if j == 0 { Ok(()) } else { refused });
            }
            Broadcast::Round1(_) | Broadcast::Round2(_) | Broadcast::Echo | Broadcast::Closing => {}
        })
    }

    #[test]
    fn convicts() {
        for j in [1, -1, 5] {
            let scene = Rc::new(scene(3, 1));
            scene.convicts("delta + jN", Fault::NonceSum { slot: 0 }, shifted(&scene, j));
        }
    }

    /// The same forger without a shift proves what is true, and another party is convicted.
    #[test]
    fn does_not_frame() {
        let scene = Rc::new(scene(3, 1));
        let lies = vec![(2, shifted(&scene, 0)), (3, wrong_delta(0))];
        let outcome = scene.play(None, lies, &mut honest);
        assert_convicted_by("j = 0", &outcome, 3, &[1, 2], 3, Charge::Broke(Fault::NonceSum { slot: 0 }));
    }
}

/// A-5C: alerts are proofs. What they consist of is listed here; a new field does not compile.
mod a5c_over_disclosure {
    use super::*;

    #[test]
    fn convicts_without_a_witness() {
        let scene = scene_at::<Secp256k1>(Level::Fast, 3, 1);
        let lie = both(wrong_delta(0), wrong_S(0));
        let outcome = scene.play(None, vec![(2, lie)], &mut honest);
        assert_convicted("delta", &outcome, 3, &[2], Charge::Broke(Fault::NonceSum { slot: 0 }));
        let said = scene.stage.said.borrow();
        let Broadcast::Alert(alert) = &said[&(ROUND_LAST, 1)] else { panic!("an alert") };
        let Alert { dec: dec::Proof { repetitions }, responses } = &**alert;
        for dec::Repetition { A: _, B: _, C: _, z: _, w: _, nu: _ } in repetitions {}
        for aff_g_star::Proof { repetitions } in responses {
            for aff_g_star::Repetition { A: _, R: _, B: _, z: _, z_y: _, w: _, w_y: _ } in repetitions {}
        }
        let bytes = encode(&**alert);
        let secrets = &scene.stage.secrets.borrow()[&1];
        for secret in [secrets.k, secrets.gamma, secrets.a, secrets.b, secrets.w] {
            let integer = secret.to_integer().to_bytes_public();
            for spelling in [&secret.to_bytes()[..], &integer[1..]] {
                let found = bytes.windows(spelling.len()).any(|window| window == spelling);
                assert!(!found, "a secret stands in the alert");
            }
        }
    }

    /// An honest run says nothing at all in the closing round.
    #[test]
    fn does_not_frame() {
        let scene = scene(3, 2);
        let outcome = scene.play(None, Vec::new(), &mut honest);
        assert_all_finished("honest", &outcome, 3);
        let said = scene.stage.said.borrow();
        assert!((1..=3).all(|from| said[&(ROUND_LAST, from)] == Broadcast::Closing));
    }
}
