//! Ranges and degenerate values.

use super::*;

mod a40_ranges {
    use super::*;

    #[test]
    fn convicts() {
        // Re-proved with the true, oversized witness: the range decides.
        let scene = scene(1);
        type Size = fn(&Scalar<Toy>) -> Integer;
        let sizes: [(&str, Size); 3] = [
            ("k + q 2^60", |k| oversized(k, 60)),
            ("k - q 2^60", |k| oversized(&-*k, 60).neg()),
            ("k + q 2^120", |k| oversized(k, 120)),
        ];
        for (what, size) in sizes {
            let (simulation, secrets) = scene.opened();
            let x = size(&secrets.k);
            let outcome = simulation.run(&mut lie1(0, |to, said, direct| {
                direct.psi0 = forge_round_1(&scene, &secrets, &x, said)[&party(to)].clone();
            }));
            assert_convicted(what, &outcome, 3, &[2], Charge::Broke(Fault::Psi0 { slot: 0 }));
        }
    }

    #[test]
    fn convicts_in_round_2() {
        let scene = scene(1);
        let p = Level::Tiny.parameters();
        let too_long = p.ell_prime + p.epsilon;
        for hat in [false, true] {
            let fault = if hat { Fault::PsiHat { slot: 0 } } else { Fault::Psi { slot: 0 } };
            let cases: [(&str, Box<dyn Fn(&Committed<Toy>) -> Recipe>); 3] = [
                (
                    "b too long",
                    Box::new(move |s| Recipe {
                        in_d: power(too_long),
                        in_f: power(too_long),
                        ..honest_recipe(s, hat)
                    }),
                ),
                (
                    "b too long, negative",
                    Box::new(move |s| Recipe {
                        in_d: power(too_long).neg(),
                        in_f: power(too_long).neg(),
                        ..honest_recipe(s, hat)
                    }),
                ),
                (
                    "x + q 2^70",
                    Box::new(move |s| {
                        let x = if hat { s.w } else { s.gamma };
                        Recipe { x: oversized(&x, 70), ..honest_recipe(s, hat) }
                    }),
                ),
            ];
            for (what, recipe) in cases {
                let outcome = with_recipe(&scene, recipe);
                assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
            }
        }
    }

    #[test]
    fn does_not_frame() {
        // The extremes that honest parties may draw, on both sides: nobody is accused of them.
        let scene = scene(1);
        let half = Level::Tiny.parameters().ell_prime - 1;
        for hat in [false, true] {
            for b in [power(half), power(half).neg(), Integer::zero()] {
                let outcome = with_recipe(&scene, |s| Recipe {
                    in_d: b.clone(),
                    in_f: b.clone(),
                    ..honest_recipe(s, hat)
                });
                // Party 2 computes with other masks than it sent, so there is no presignature either.
                assert_nobody_accused("extreme masks", &outcome);
                assert!(outcome.finished.is_empty());
            }
        }
        // K anew with the same k and another nonce: as good as the first.
        let (simulation, secrets) = scene.opened();
        let x = secrets.k.to_integer();
        let outcome = simulation.run(&mut deaf(
            2,
            1,
            lie1(0, |to, said, direct| {
                direct.psi0 = forge_round_1(&scene, &secrets, &x, said)[&party(to)].clone();
            }),
        ));
        assert_nobody_accused("another nonce", &outcome);
    }
}

mod a41_zeros {
    use super::*;

    #[test]
    fn convicts_in_round_1() {
        let scene = scene(1);
        type Lie = fn(&mut enc_elg::Proof<Toy>);
        let lies: [(&str, Lie); 12] = [
            ("S = 0", |p| p.first.S = number(0)),
            ("T = 0", |p| p.first.T = number(0)),
            ("S = 1", |p| p.first.S = number(1)),
            ("D = 0", |p| p.first.D = Ciphertext::new(&BoxedUint::zero())),
            ("D = 1", |p| p.first.D = Ciphertext::new(&BoxedUint::one())),
            ("Y = G", |p| p.first.Y = Point::generator()),
            ("Z = G", |p| p.first.Z = Point::generator()),
            ("z1 = 0", |p| p.z1 = Integer::zero()),
            ("z2 = 0", |p| p.z2 = number(0)),
            ("z3 = 0", |p| p.z3 = Integer::zero()),
            ("w = 0", |p| p.w = Scalar::zero()),
            ("all zero", |p| {
                (p.first.S, p.first.T, p.z2) = (number(0), number(0), number(0));
                p.first.D = Ciphertext::new(&BoxedUint::zero());
                (p.z1, p.z3, p.w) = (Integer::zero(), Integer::zero(), Scalar::zero());
            }),
        ];
        for (what, lie) in lies {
            let fault = Fault::Psi0 { slot: 0 };
            scene.convicts_by(
                what,
                &[1],
                fault,
                &mut lie1(0, |to, _, d| {
                    if to == 1 {
                        lie(&mut d.psi0)
                    }
                }),
            );
            let fault = Fault::Psi1 { slot: 0 };
            scene.convicts(what, fault, &mut lie1(0, |_, _, d| lie(&mut d.psi1)));
        }
    }

    #[test]
    fn convicts_ciphertexts_that_are_none() {
        let scene = scene(1);
        let own = consign_zk::testing::primes(Level::Tiny, 1).paillier;
        let n = scene.keys(party(2)).0;
        let bad = [
            ("0", BoxedUint::zero()),
            ("N", n.n().value().clone()),
            ("p", own[0].clone()),
            ("N^2", n.nn().value().clone()),
            ("1", BoxedUint::one()),
        ];
        for (what, value) in &bad {
            let value = Ciphertext::new(value);
            scene.convicts(what, Fault::Psi0 { slot: 0 }, &mut lie1(0, |_, said, _| said.K = value.clone()));
            scene.convicts(what, Fault::Psi1 { slot: 0 }, &mut lie1(0, |_, said, _| said.G = value.clone()));
            if *what != "1" {
                let units = Fault::Units { slot: 0 };
                scene.convicts(what, units, &mut lie2(0, |_, said, _| said.responses[0].F = value.clone()));
                scene.convicts(
                    what,
                    units,
                    &mut lie2(0, |_, said, _| said.responses[1].F_hat = value.clone()),
                );
            }
        }
        // D under the modulus of party 1, whose factors party 2 would have to know: a multiple of N is no unit either.
        let n = scene.keys(party(1)).0;
        for value in [BoxedUint::zero(), n.n().value().clone(), n.nn().value().clone()] {
            let value = Ciphertext::new(&value);
            let units = Fault::Units { slot: 0 };
            scene.convicts("D", units, &mut lie2(0, |_, said, _| said.responses[0].D = value.clone()));
            scene.convicts("D^", units, &mut lie2(0, |_, said, _| said.responses[0].D_hat = value.clone()));
        }
    }

    #[test]
    fn convicts_in_round_2() {
        let scene = scene(1);
        type Lie = fn(&mut aff_g::Proof<Toy>);
        let lies: [(&str, Lie); 14] = [
            ("A = 0", |p| p.first.A = Ciphertext::new(&BoxedUint::zero())),
            ("B_x = G", |p| p.first.B_x = Point::generator()),
            ("B_y = 0", |p| p.first.B_y = Ciphertext::new(&BoxedUint::zero())),
            ("E = 0", |p| p.first.E = number(0)),
            ("S = 0", |p| p.first.S = number(0)),
            ("F = 0", |p| p.first.F = number(0)),
            ("T = 0", |p| p.first.T = number(0)),
            ("T = 1", |p| p.first.T = number(1)),
            ("z1 = 0", |p| p.z1 = Integer::zero()),
            ("z2 = 0", |p| p.z2 = Integer::zero()),
            ("z3 = 0", |p| p.z3 = Integer::zero()),
            ("z4 = 0", |p| p.z4 = Integer::zero()),
            ("w = 0", |p| p.w = number(0)),
            ("w_y = 0", |p| p.w_y = number(0)),
        ];
        for (what, lie) in lies {
            let fault = Fault::Psi { slot: 0 };
            scene.convicts_by(
                what,
                &[3],
                fault,
                &mut lie2(0, |to, _, d| {
                    if to == 3 {
                        lie(&mut d.psi)
                    }
                }),
            );
            let fault = Fault::PsiHat { slot: 0 };
            scene.convicts(what, fault, &mut lie2(0, |_, _, d| lie(&mut d.psi_hat)));
        }
    }

    #[test]
    fn convicts_points_at_infinity() {
        // They have no encoding.
        let scene = scene(1);
        let identity = Point::<Toy>::identity().to_bytes();
        let outcome = scene.run(&mut garbler(2, ROUND_2, |_, e| {
            let Ok(Broadcast::Round2(said)) = decode::<Broadcast<Toy>>(&e.broadcast, usize::MAX) else {
                panic!("round 2")
            };
            replace(&mut e.broadcast, &said[0].Gamma.to_bytes(), &identity);
        }));
        assert_convicted("Gamma = O", &outcome, 3, &[2], Charge::Malformed);
        let outcome = scene.run(&mut garbler(2, 1, |_, e| {
            let Ok(Broadcast::Round1(said)) = decode::<Broadcast<Toy>>(&e.broadcast, usize::MAX) else {
                panic!("round 1")
            };
            replace(&mut e.broadcast, &said[0].Y.to_bytes(), &identity);
        }));
        assert_convicted("Y = O", &outcome, 3, &[2], Charge::Malformed);
    }

    #[test]
    fn does_not_frame() {
        // Honest messages convict nobody, whatever view they are shown with (A-5G for every rule with foreign inputs).
        let scene = scene(1);
        let simulation = scene.simulate(1);
        let keys = simulation.keys().clone();
        let (first, outcome) = record(simulation);
        assert_all_finished("honest", &outcome, 3);
        let (second, _) = record(scene.simulate(2));
        assert_unframeable::<Pre>(&scene.public, scene.public.session(&NONCE), &keys, &first, &second);
    }
}
