//! Group C: distributed key generation, sharing, indices.

use consign_cggmp24::curve::{Point, Scalar, Toy};
use consign_cggmp24::key::KeyShare;
use consign_cggmp24::keygen::testing::{mask, mask_key, start_lying};
use consign_cggmp24::keygen::{Broadcast, Direct, Fault, Keygen, confirmation, round3, round4, round5};
use consign_cggmp24::parties::{Parties, PartiesError};
use consign_rounds::sim::{Letter, TestKeys, honest, party};
use consign_rounds::{Bytes, Charge, Complaint, DirectPart, PartyIndex, PerParty};
use consign_zk::feldman::{Commitments, Polynomial, lagrange_at_zero};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use crate::common::*;

type Round5 = round5::Broadcast<Toy>;
type Opening = round3::Broadcast<Toy>;
type Kg = Keygen<Toy>;

fn random_point(seed: u64) -> Point<Toy> {
    Point::mul_generator(&Scalar::random_nonzero(&mut ChaCha12Rng::seed_from_u64(seed)))
}

/// Party 2 of 3 (threshold 2) commits to an opening altered by `lie`.
fn committed_lie(what: &str, derivable: bool, fault: Fault, lie: fn(&mut Opening)) {
    let public = keygen_public(2, 3, derivable);
    for seed in 0..5 {
        let simulation = keygen_with::<Toy>(seed, &public, |me, session, rng| {
            start_lying(&public, session, me, rng, |opening| {
                if me == party(2) {
                    lie(opening);
                }
            })
        });
        let outcome = simulation.run(&mut honest);
        assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
        assert!(outcome.stored.keys().all(|me| *me == party(2)), "{what}: something was stored");
    }
}

/// What `from` is told by `lie` to say in round 5 after it has seen what `dealer` sent it.
fn in_round_5(
    seed: u64,
    derivable: bool,
    mut lie: impl FnMut(&TestKeys, DirectPart, Scalar<Toy>) -> Round5,
) -> consign_rounds::sim::Outcome<Kg> {
    // Party 1 lies about what party 3 honestly sent it.
    let public = keygen_public(2, 4, derivable);
    let mut key = None;
    let simulation = keygen_with::<Toy>(seed, &public, |me, session, rng| {
        let (state, speech) = consign_cggmp24::keygen::start(&public, session, me, rng);
        if me == party(1) {
            key = mask_key(&state, party(3));
        }
        (state, speech)
    });
    let key = key.unwrap();
    let mut shown = None;
    simulation.run(&mut |keys: &TestKeys, mut letter: Letter| {
        if is_said(&letter, 3, 4) && letter.to == party(1) {
            shown = envelope(&letter).map(|e| e.direct_part());
        }
        if is_said(&letter, 1, 5) {
            let broadcast = lie(keys, shown.clone().expect("3 has dealt"), key);
            keys.rewrite::<Kg>(&mut letter, |said, _| *said = Broadcast::Round5(broadcast));
        }
        vec![letter]
    })
}

fn complaint(shown: DirectPart, key: Scalar<Toy>) -> Round5 {
    let complaint = Complaint { against: party(3), envelope: shown };
    Round5::Complaint(Box::new(round5::OpenedComplaint { complaint, key }))
}

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
        let public = std::sync::Arc::new(
            consign_cggmp24::keygen::Public::new(consign_cggmp24::Level::Tiny, 2, parties, true).unwrap(),
        );
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
