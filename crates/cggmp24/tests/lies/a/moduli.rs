//! Moduli and bases of the wrong form, and proofs about them.

use super::*;

mod a01_many_factors {
    use super::*;

    #[test]
    fn convicts() {
        // Primes that trial division does not find: it is the proof of the modulus that fails.
        for (count, bits) in [(16, 24), (6, 64), (4, 96)] {
            let n = product(&blum_primes_below(bits, count));
            proofs_convict("many primes", Fault::ProofMod, |o| o.moduli.n = n.clone());
        }
        // A factor below the bound of trial division.
        let tiny = product(&[BoxedUint::from(65_521_u32), prime(PrimeKind::Blum, 368, 5)]);
        opening_convicts("a 16-bit factor", Fault::Modulus, |o| o.moduli.n = tiny.clone());
    }

    #[test]
    fn does_not_frame() {
        let outcome = aux_of::<Toy>(1, &aux_public(3)).run(&mut honest);
        assert_all_finished("honest", &outcome, 3);
        for finished in outcome.finished.values() {
            assert_eq!(finished.output.public(), outcome.finished[&party(1)].output.public());
        }
    }
}

mod a03_factor_proof {
    use super::*;

    #[test]
    fn convicts() {
        // The proof about the factors is for one verifier, who can prove to all that it fails.
        let lies: &[(&str, fn(&mut aux_info::round4::Direct))] = &[
            ("z1", |d| d.proof.z1 = d.proof.z1.add(&one())),
            ("z2", |d| d.proof.z2 = d.proof.z2.add(&one())),
            ("w1", |d| d.proof.w1 = d.proof.w1.neg()),
            ("w2", |d| d.proof.w2 = d.proof.w2.neg()),
            ("v", |d| d.proof.v = d.proof.v.add(&one())),
            ("z1 out of range", |d| d.proof.z1 = d.proof.w1.clone()),
            ("P", |d| d.proof.P = Natural::new(&BoxedUint::from(4_u8))),
            ("P = 0", |d| d.proof.P = Natural::new(&BoxedUint::zero())),
            ("T", |d| d.proof.T = d.proof.A.clone()),
        ];
        for (what, lie) in lies {
            let outcome = aux_of::<Toy>(1, &aux_public(3)).run(&mut liar::<Aux5>(2, 4, |to, _, direct| {
                let Direct::Round4(direct) = direct else { panic!("round 4") };
                if to == 3 {
                    lie(direct);
                }
            }));
            assert_convicted_by(what, &outcome, 3, &[3], 2, Charge::Broke(Fault::ProofFac));
        }
    }

    fn one() -> consign_zk::integer::Integer {
        consign_zk::integer::Integer::from_natural(&BoxedUint::one())
    }

    #[test]
    fn does_not_frame() {
        // A proof made for one verifier does not convict its prover when another shows it as its own.
        let public = aux_public(3);
        let simulation = aux_of::<Toy>(7, &public);
        let keys = simulation.keys().clone();
        let (sent, _) = record(simulation);
        let mut shown = sent.find(2, 1, 4).clone();
        shown.direct = sent.find(2, 3, 4).direct.clone();
        let evidence = consign_rounds::Evidence::Misbehaviour { before: sent.past(4), charge: shown };
        assert_eq!(evidence.judge::<Aux5>(&public, aux_session::<Toy>(&public, 0), &*keys), None);
    }
}

mod a04_bad_moduli {
    use super::*;

    /// A prime that is 1 mod 4: found by stepping from a random number that is 3.
    fn prime_one_mod_four(from: &Natural) -> Natural {
        let mut n = add(from, 2);
        loop {
            let modulus = consign_modexp::Modulus::new(n.value()).unwrap();
            let composite = consign_modexp::fermat_composites(&[&modulus], consign_modexp::Timing::Public);
            if !composite[0] && !n.value().bit_vartime(1) {
                break n;
            }
            n = add(&n, 2);
        }
    }

    fn cases() -> Vec<(&'static str, Fault, Box<dyn Fn(&mut Opening)>)> {
        let p = prime(PrimeKind::Blum, 192, 1);
        let q = prime(PrimeKind::Blum, 192, 2);
        let other = consign_zk::testing::primes(Level::Tiny, 0);
        let full = Natural::new(&prime(PrimeKind::Blum, 384, 3));
        let square = product(&[p.clone(), p.clone()]);
        let one_mod_four = {
            // p = 1 mod 4 gives N = 3 mod 4 with a Blum prime.
            let mut candidate = p.clone();
            loop {
                candidate = candidate.wrapping_sub(BoxedUint::from(2_u8));
                let n = product(&[candidate.clone(), q.clone()]);
                if n.value().bit_vartime(1) && n.value().bit_vartime(0) {
                    break n;
                }
            }
        };
        let others_n = product(&other.paillier);
        let others_ring = product(&other.ring_pedersen);
        let shared = product(&[other.paillier[0].clone(), q.clone()]);
        let long = product(&[p.clone(), q.clone(), BoxedUint::from(3_u8)]);
        let short = product(&[prime(PrimeKind::Blum, 191, 4), q.clone()]);
        let prime_1 = prime_one_mod_four(&full);
        let n_is = |n: &Natural| {
            let n = n.clone();
            Box::new(move |o: &mut Opening| o.moduli.n = n.clone()) as Box<dyn Fn(&mut Opening)>
        };
        let ring_is = |n: &Natural| {
            let n = n.clone();
            Box::new(move |o: &mut Opening| o.moduli.ring.modulus = n.clone()) as Box<dyn Fn(&mut Opening)>
        };
        vec![
            ("N prime, 1 mod 4", Fault::Modulus, n_is(&prime_1)),
            ("N prime, 3 mod 4", Fault::Modulus, n_is(&full)),
            ("N a square", Fault::ProofMod, n_is(&square)),
            ("N even", Fault::Modulus, Box::new(|o: &mut Opening| o.moduli.n = add(&o.moduli.n, 1))),
            ("N = 3 mod 4", Fault::Modulus, n_is(&one_mod_four)),
            ("N too long", Fault::Modulus, n_is(&long)),
            ("N too short", Fault::Modulus, n_is(&short)),
            ("N = 0", Fault::Modulus, n_is(&Natural::new(&BoxedUint::zero()))),
            ("N = 1", Fault::Modulus, n_is(&Natural::new(&BoxedUint::one()))),
            ("N of party 1", Fault::ProofMod, n_is(&others_n)),
            ("N^ of party 1 as N", Fault::ProofMod, n_is(&others_ring)),
            ("N shares a factor with party 1's", Fault::ProofMod, n_is(&shared)),
            (
                "N = N^",
                Fault::OwnFactor,
                Box::new(|o: &mut Opening| o.moduli.n = o.moduli.ring.modulus.clone()),
            ),
            ("N^ = 0", Fault::RingPedersen, ring_is(&Natural::new(&BoxedUint::zero()))),
            (
                "N^ even",
                Fault::Modulus,
                Box::new(|o: &mut Opening| o.moduli.ring.modulus = add(&o.moduli.ring.modulus, -1)),
            ),
            // Its length is looked at before its factors.
            (
                "N^ too long, with a small factor",
                Fault::RingPedersen,
                ring_is(&product(&[p.clone(), q.clone(), BoxedUint::from(3_u8)])),
            ),
            (
                "N^ too long",
                Fault::RingPedersen,
                ring_is(&product(&[p.clone(), q, BoxedUint::from(65_537_u32)])),
            ),
        ]
    }

    #[test]
    fn convicts() {
        for (what, fault, lie) in cases() {
            if fault == Fault::ProofMod {
                proofs_convict(what, fault, lie);
            } else {
                opening_convicts(what, fault, lie);
            }
        }
    }

    #[test]
    fn convicts_a_prime_ring_modulus() {
        // s and t must have Jacobi symbol 1 modulo whatever N^ is: squares do.
        let n = Natural::new(&prime(PrimeKind::Blum, 384, 3));
        opening_convicts("N^ prime", Fault::Modulus, |o| {
            o.moduli.ring.modulus = n.clone();
            o.moduli.ring.s = Natural::new(&BoxedUint::from(4_u8));
            o.moduli.ring.t = Natural::new(&BoxedUint::from(9_u8));
        });
    }

    #[test]
    fn does_not_frame() {
        // The owner of a copied modulus is not touched: see party 1 above, in `committed`. Here the views are altered.
        let public = aux_public(3);
        let simulation = aux_of::<Toy>(5, &public);
        let keys = simulation.keys().clone();
        let (first, _) = record(simulation);
        let (second, _) = record(aux_of::<Toy>(6, &public));
        assert_unframeable::<Aux5>(&public, aux_session::<Toy>(&public, 0), &keys, &first, &second);
    }
}

mod a05_bad_bases {
    use super::*;

    #[test]
    fn convicts() {
        let small = |k: u32| Natural::new(&BoxedUint::from(k));
        let domain: Vec<(&str, Box<dyn Fn(&mut Opening)>)> = vec![
            ("t = 1", Box::new(move |o: &mut Opening| o.moduli.ring.t = small(1))),
            ("t = 0", Box::new(move |o: &mut Opening| o.moduli.ring.t = small(0))),
            ("s = 1", Box::new(move |o: &mut Opening| o.moduli.ring.s = small(1))),
            ("s = 0", Box::new(move |o: &mut Opening| o.moduli.ring.s = small(0))),
            ("s = -1", Box::new(|o: &mut Opening| o.moduli.ring.s = add(&o.moduli.ring.modulus, -1))),
            ("s = N^", Box::new(|o: &mut Opening| o.moduli.ring.s = o.moduli.ring.modulus.clone())),
            ("s = t", Box::new(|o: &mut Opening| o.moduli.ring.s = o.moduli.ring.t.clone())),
            (
                "s = N^ + s",
                Box::new(|o: &mut Opening| {
                    let sum = o
                        .moduli
                        .ring
                        .modulus
                        .value()
                        .resize_unchecked(448)
                        .wrapping_add(o.moduli.ring.s.value());
                    o.moduli.ring.s = Natural::new(&sum);
                }),
            ),
            (
                "s a non-residue",
                Box::new(|o: &mut Opening| {
                    let modulus = consign_modexp::Modulus::new(o.moduli.ring.modulus.value()).unwrap();
                    let jacobi = |k: &u32| modulus.jacobi_public(&modulus.fit(&BoxedUint::from(*k)));
                    o.moduli.ring.s = small((2..).find(|k| jacobi(k) == -1).unwrap());
                }),
            ),
        ];
        for (what, lie) in domain {
            opening_convicts(what, Fault::RingPedersen, lie);
        }
        // In their domain, but s is no known power of t.
        opening_convicts("s = -t^lambda", Fault::ProofPrm, |o| {
            o.moduli.ring.s = minus(&o.moduli.ring.modulus, &o.moduli.ring.s)
        });
        opening_convicts("another square as s", Fault::ProofPrm, |o| o.moduli.ring.s = small(4));
        opening_convicts("another square as t", Fault::ProofPrm, |o| o.moduli.ring.t = small(4));
        opening_convicts("s and t swapped", Fault::ProofPrm, |o| {
            std::mem::swap(&mut o.moduli.ring.s, &mut o.moduli.ring.t);
        });
    }

    #[test]
    fn does_not_frame() {
        // The liar's fault is in its opening only: the proofs of the others stay good.
        let (outcome, spoke) = committed(3, 0, |_| ());
        assert_nobody_accused("party 2 stops after its opening", &outcome);
        assert_eq!(spoke, [5, 5]);
    }
}

mod a06_a07_repetitions {
    use super::*;

    #[test]
    fn convicts() {
        let m = Level::Tiny.parameters().repetitions;
        for length in [0, 1, m - 1] {
            opening_convicts("repetitions of prm", Fault::ProofPrm, |o| {
                o.moduli.proof.repetitions.truncate(length)
            });
        }
        opening_convicts("one more", Fault::ProofPrm, |o| {
            let last = o.moduli.proof.repetitions[0].clone();
            o.moduli.proof.repetitions.push(last);
        });
        for length in [0, 1, m - 1] {
            let outcome = aux_of::<Toy>(1, &aux_public(3)).run(&mut liar::<Aux5>(2, 4, |_, said, _| {
                let Broadcast::Round4(said) = said else { panic!("round 4") };
                said.proof.responses.truncate(length);
            }));
            assert_convicted("responses of mod", &outcome, 3, &[2], Charge::Broke(Fault::ProofMod));
        }
    }

    #[test]
    fn convicts_each_altered_repetition() {
        // Every repetition counts, the last as much as the first.
        let m = Level::Tiny.parameters().repetitions;
        for index in 0..m {
            opening_convicts("z", Fault::ProofPrm, |o| {
                let z = &mut o.moduli.proof.repetitions[index].z;
                *z = add(z, 1);
            });
        }
    }

    #[test]
    fn does_not_frame() {
        let (outcome, _) = committed(9, 0, |_| ());
        assert_nobody_accused("as many as the level says", &outcome);
    }
}
