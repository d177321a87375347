//! Indices, polynomials, shares and complaints.

use super::*;

mod a30_a31_indices {
    use super::*;

    #[test]
    fn convicts() {
        // R: refused locally. An index of zero does not exist; multiples of the order cannot be written in 16 bits.
        assert_eq!(PartyIndex::new(0), None);
        let twice = vec![(party(1), [1; 32]), (party(1), [2; 32])];
        assert_eq!(Parties::new(twice), Err(PartiesError::Order));
        let descending = vec![(party(2), [1; 32]), (party(1), [2; 32])];
        assert_eq!(Parties::new(descending), Err(PartiesError::Order));
        assert_eq!(lagrange_at_zero::<Toy>(&[1, 2, 2], 2), None);
        assert_eq!(lagrange_at_zero::<Toy>(&[0, 1], 1), None);
        assert_eq!(lagrange_at_zero::<Toy>(&[1, 2], 3), None);
    }

    #[test]
    fn does_not_frame() {
        // Gaps and large indices are fine.
        let sparse = [1, 7, u16::MAX].map(|i| (party(i), [u8::try_from(i % 251).unwrap(); 32]));
        let parties = Parties::new(sparse.to_vec()).unwrap();
        let public =
            std::sync::Arc::new(consign_cggmp24::keygen::Public::new(Level::Tiny, 2, parties, true).unwrap());
        let outcome = keygen_of::<Toy>(1, &public).run(&mut honest);
        assert_eq!(outcome.finished.len(), 3);
        assert_nobody_accused("sparse indices", &outcome);
    }
}

mod a32_threshold_raising {
    use super::*;

    #[test]
    fn convicts() {
        committed_lie("t+1", false, Fault::Coefficients, |o| o.coefficients.0.push(random_point(1)));
        committed_lie("t-1", false, Fault::Coefficients, |o| o.coefficients.0.truncate(1));
        committed_lie("0", false, Fault::Coefficients, |o| o.coefficients.0.clear());
    }

    #[test]
    fn convicts_a_million_before_parsing() {
        // Over the limit of a broadcast, so nothing is parsed.
        let public = keygen_public(2, 3, false);
        let outcome = keygen_of::<Toy>(1, &public).run(&mut liar::<Kg>(2, 3, |_, said, _| {
            let Broadcast::Round3(opening) = said else { panic!("round 3") };
            opening.coefficients = Commitments(vec![random_point(1); 1_000_000]);
        }));
        assert_convicted("10^6", &outcome, 3, &[2], Charge::Malformed);
    }

    #[test]
    fn does_not_frame() {
        // A zero leading coefficient lowers the degree, not the length; honest parties cannot rule it out.
        let public = keygen_public(3, 4, false);
        for seed in 0..20 {
            let outcome = keygen_of::<Toy>(seed, &public).run(&mut honest);
            assert_all_finished("t = 3", &outcome, 4);
        }
    }
}

mod a33_rogue_key {
    use super::*;

    /// Party 2 opens only after it has seen all openings of the others, and to something else.
    fn reopen(seed: u64, lie: impl Fn(&mut Opening, Point<Toy>)) -> consign_rounds::sim::Outcome<Kg> {
        let public = keygen_public(2, 3, true);
        let (mut held, mut others) = (Vec::new(), PerParty::new());
        keygen_of::<Toy>(seed, &public).run(&mut |keys: &TestKeys, letter: Letter| {
            let Some(h) = header(&letter).filter(|h| h.round == 3) else { return vec![letter] };
            let mut out = vec![];
            if h.from == party(2) {
                held.push(letter);
            } else {
                let said = consign_rounds::decode(&envelope(&letter).unwrap().broadcast, usize::MAX);
                let Ok(Broadcast::Round3(opening)) = said else { panic!("round 3") };
                others.insert(h.from, opening.coefficients.0[0]);
                out.push(letter);
            }
            if others.len() == 2 {
                let sum: Point<Toy> = others.values().copied().sum();
                for mut letter in held.drain(..) {
                    keys.rewrite::<Kg>(&mut letter, |said, _| {
                        let Broadcast::Round3(opening) = said else { panic!("round 3") };
                        lie(opening, sum);
                    });
                    out.push(letter);
                }
            }
            out
        })
    }

    #[test]
    fn convicts() {
        let lies: &[(&str, fn(&mut Opening, Point<Toy>))] = &[
            ("X of its choice", |o, others| o.coefficients.0[0] = random_point(7) - others),
            ("C_1", |o, _| o.coefficients.0[1] = random_point(7)),
            ("A", |o, _| o.first_message = random_point(7)),
            ("Y", |o, _| o.mask_keys[0] = random_point(7)),
            ("rid", |o, _| o.rid[0] ^= 1),
            ("u", |o, _| o.nonce[31] ^= 1),
            ("order of Y", |o, _| o.mask_keys.reverse()),
        ];
        for (what, lie) in lies {
            assert_convicted(what, &reopen(1, lie), 3, &[2], Charge::Broke(Fault::Commitment));
        }
    }

    #[test]
    fn convicts_who_cannot_prove_its_share() {
        // Committed to a point whose logarithm nobody knows: the shares cannot fit it.
        committed_lie("C_0 of nobody", false, Fault::Share, |o| o.coefficients.0[0] = random_point(7));
        let public = keygen_public(2, 3, false);
        let outcome = keygen_of::<Toy>(1, &public).run(&mut liar::<Kg>(2, 5, |_, said, _| {
            let Broadcast::Round5(Round5::Proof(proof)) = said else { panic!("a proof") };
            proof.z = proof.z + Scalar::one();
        }));
        assert_convicted("z + 1", &outcome, 3, &[2], Charge::Broke(Fault::ShareProof));
    }

    #[test]
    fn convicts_who_committed_to_another_first_message() {
        committed_lie("A of nobody", false, Fault::ShareProof, |o| o.first_message = random_point(9));
    }

    #[test]
    fn does_not_frame() {
        // Opening late, after all others, is not a fault: everything was fixed in round 1.
        assert_all_finished("last mover", &reopen(3, |_, _| ()), 3);
    }
}

mod a34_bad_share {
    use super::*;

    #[test]
    fn convicts() {
        for seed in 0..30 {
            let public = keygen_public(2, 4, false);
            let outcome = keygen_of::<Toy>(seed, &public).run(&mut liar::<Kg>(2, 4, |to, _, direct| {
                if to == 3 {
                    let Direct::Round4(sent) = direct else { panic!("a share") };
                    sent.masked = sent.masked + Scalar::one();
                }
            }));
            assert_convicted("bad share", &outcome, 4, &[2], Charge::Broke(Fault::Share));
            assert!(outcome.stored.is_empty());
        }
    }

    #[test]
    fn convicts_a_false_accuser() {
        for seed in 0..10 {
            let outcome = in_round_5(seed, false, |_, shown, key| complaint(shown, key));
            assert_convicted("good share", &outcome, 4, &[1], Charge::Broke(Fault::FalseComplaint));
        }
    }

    #[test]
    fn convicts_an_accuser_who_opens_another_key() {
        for lie in [Scalar::one(), Scalar::zero()] {
            let outcome = in_round_5(1, false, |_, shown, key| {
                complaint(shown, if lie.is_zero() { lie } else { key + lie })
            });
            assert_convicted("wrong y", &outcome, 4, &[1], Charge::Broke(Fault::WrongOpening));
        }
    }

    #[test]
    fn convicts_an_accuser_whose_exhibit_is_not_the_accused_ones() {
        let lies: &[(&str, fn(&TestKeys, &mut DirectPart))] = &[
            ("altered share", |_, d| d.direct.0[2] ^= 1),
            ("forged signature", |_, d| d.signed.signature.0[0] ^= 1),
            ("another session", |keys, d| {
                d.signed.header.session.0[0] ^= 1;
                d.signed = keys.sign_header(d.signed.header);
            }),
            ("another recipient", |keys, d| {
                d.signed.header.to = party(2);
                d.signed = keys.sign_header(d.signed.header);
            }),
        ];
        for (what, lie) in lies {
            let outcome = in_round_5(1, false, |keys, mut shown, key| {
                lie(keys, &mut shown);
                complaint(shown, key)
            });
            assert_convicted(what, &outcome, 4, &[1], Charge::FalseComplaint);
        }
    }

    #[test]
    fn convicts_a_complaint_about_an_empty_part() {
        // Round 3 has no share to complain about.
        let public = keygen_public(2, 4, false);
        let mut shown = None;
        let outcome = keygen_of::<Toy>(1, &public).run(&mut |keys: &TestKeys, mut letter: Letter| {
            if is_said(&letter, 3, 3) && letter.to == party(1) {
                shown = envelope(&letter).map(|e| e.direct_part());
            }
            if is_said(&letter, 1, 5) {
                let said = complaint(shown.clone().unwrap(), Scalar::one());
                keys.rewrite::<Kg>(&mut letter, |broadcast, _| *broadcast = Broadcast::Round5(said));
            }
            vec![letter]
        });
        assert_convicted("no share", &outcome, 4, &[1], Charge::Broke(Fault::FalseComplaint));
    }

    #[test]
    fn convicts_the_dealer_of_an_undecodable_share() {
        // Malformed direct parts are seen by the recipient alone, who can prove it to all.
        let public = keygen_public(2, 4, false);
        for bytes in [vec![], vec![1], vec![1, 4, 255, 255, 255, 255], vec![0], vec![7; 5000]] {
            let outcome = keygen_of::<Toy>(1, &public).run(&mut garbler(2, 4, |to, e| {
                if to == 3 {
                    e.direct = Bytes(bytes.clone());
                }
            }));
            assert_convicted_by("undecodable share", &outcome, 4, &[3], 2, Charge::Malformed);
        }
    }

    #[test]
    fn does_not_frame() {
        // The share was damaged for this process only: it is recomputed from the signed bytes, so nobody complains.
        let public = keygen_public(2, 3, false);
        let outcome = keygen_of::<Toy>(5, &public).run(&mut honest);
        assert_all_finished("no complaint", &outcome, 3);
        // Two at once: a bad dealer and a false accuser of another; each is convicted, nobody else.
        let public = keygen_public(2, 4, false);
        let mut key = None;
        let simulation = keygen_with::<Toy>(6, &public, |me, session, rng| {
            let started = consign_cggmp24::keygen::start(&public, session, me, rng);
            key = if me == party(1) { mask_key(&started.0, party(3)) } else { key };
            started
        });
        let key = key.unwrap();
        let mut shown = None;
        let outcome = simulation.run(&mut |keys: &TestKeys, mut letter: Letter| {
            if is_said(&letter, 2, 4) && letter.to == party(4) {
                keys.rewrite::<Kg>(&mut letter, |_, direct| {
                    *direct = Direct::Round4(round4::Direct { masked: Scalar::one() });
                });
            }
            if is_said(&letter, 3, 4) && letter.to == party(1) {
                shown = envelope(&letter).map(|e| e.direct_part());
            }
            if is_said(&letter, 1, 5) {
                let said = complaint(shown.clone().unwrap(), key);
                keys.rewrite::<Kg>(&mut letter, |broadcast, _| *broadcast = Broadcast::Round5(said));
            }
            vec![letter]
        });
        for me in [3, 4] {
            assert!(culprits(&outcome, me).into_iter().eq([1, 2]));
        }
        assert!(outcome.finished.is_empty());
    }
}
