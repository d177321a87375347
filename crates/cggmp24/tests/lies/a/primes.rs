//! Own primes, repeated moduli, and the confirmation.

use super::*;

mod a09_own_primes {
    use super::*;

    fn start(paillier: [BoxedUint; 2], ring: [BoxedUint; 2]) -> Option<AuxError> {
        let public = aux_public(2);
        let mut rng = consign_rounds::sim::SimRng::seed_from_u64(1);
        let primes = Primes::from_parts(paillier, ring);
        let session = aux_session::<Toy>(&public, 0);
        aux_info::start::<Toy>(&public, session, party(1), primes, &mut rng).err()
    }

    #[test]
    fn convicts() {
        // R: refused before anything is sent.
        let good = || consign_zk::testing::primes(Level::Tiny, 0);
        let blum = [prime(PrimeKind::Blum, 192, 21), prime(PrimeKind::Blum, 192, 22)];
        let odd = |p: &BoxedUint| p.wrapping_add(BoxedUint::from(4_u8));
        let [p, q] = good().paillier;
        let [s, r] = good().ring_pedersen;
        let cases = [
            ("ring primes not safe", good().paillier, blum.clone()),
            ("one ring prime not safe", good().paillier, [s.clone(), blum[0].clone()]),
            ("the same primes twice", good().ring_pedersen, good().ring_pedersen),
            ("one prime in both", [p.clone(), s.clone()], [s.clone(), r.clone()]),
            ("p = q", [p.clone(), p.clone()], good().ring_pedersen),
            ("p composite", [odd(&p), q.clone()], good().ring_pedersen),
            ("ring p = q", good().paillier, [s.clone(), s.clone()]),
            (
                "sizes of another level",
                consign_zk::testing::primes(Level::Fast, 0).paillier,
                good().ring_pedersen,
            ),
        ];
        for (what, paillier, ring) in cases {
            assert_eq!(start(paillier, ring), Some(AuxError::Factors), "{what}");
        }
    }

    #[test]
    fn convicts_on_load() {
        let outcome = aux_of::<Toy>(1, &aux_public(2)).run(&mut honest);
        let public = outcome.finished[&party(1)].output.public();
        // Right moduli of somebody else, and right primes of nobody.
        let load = |primes| Aux::new(public.clone(), primes).err();
        assert_eq!(load(primes(Level::Tiny, 2)), Some(AuxError::Factors));
        let swapped = consign_zk::testing::primes(Level::Tiny, 0);
        let swapped = Primes::from_parts(swapped.ring_pedersen, swapped.paillier);
        assert_eq!(load(swapped), Some(AuxError::Factors));
        // A party of another session whose N^ is the product of two Blum primes.
        let blum = [prime(PrimeKind::Blum, 192, 21), prime(PrimeKind::Blum, 192, 22)];
        let mut unsafe_ring = public.clone();
        unsafe_ring.parties[0].ring.modulus = product(&blum);
        let primes = Primes::from_parts(consign_zk::testing::primes(Level::Tiny, 0).paillier, blum);
        assert_eq!(Aux::new(unsafe_ring, primes).err(), Some(AuxError::Factors));
    }

    #[test]
    fn does_not_frame() {
        for which in 0..5 {
            let good = consign_zk::testing::primes(Level::Tiny, which);
            assert_eq!(start(good.paillier, good.ring_pedersen), None);
        }
        // Paillier primes need not be nearly safe: those of earlier versions are not.
        let blum = [prime(PrimeKind::Blum, 192, 21), prime(PrimeKind::Blum, 192, 22)];
        assert_eq!(start(blum, consign_zk::testing::primes(Level::Tiny, 0).ring_pedersen), None);
    }
}

mod a0c_reused_moduli {
    use super::*;

    #[test]
    fn convicts() {
        // A session is broken off after party 1 has opened. In the next one, party 2 offers the modulus of party 1.
        let public = aux_public(3);
        let mut opened = None;
        let first = aux_of::<Toy>(1, &public).run(&mut |_: &TestKeys, letter: Letter| {
            if is_said(&letter, 1, 3) {
                let said = consign_rounds::decode(&envelope(&letter).unwrap().broadcast, usize::MAX);
                let Ok(Broadcast::Round3(said)) = said else { panic!("round 3") };
                opened = Some(said);
            }
            if header(&letter).is_some_and(|h| h.round > 3) { vec![] } else { vec![letter] }
        });
        assert!(first.finished.is_empty());
        let old = opened.unwrap();
        let simulation = aux_with::<Toy>(2, &public, 1, |me, session, rng| {
            // Everybody comes with fresh primes.
            let fresh = primes(Level::Tiny, usize::from(me.get()) + 1);
            let lie = |opening: &mut Opening| {
                if me == party(2) {
                    opening.moduli.n = old.moduli.n.clone();
                }
            };
            start_lying(&public, session, me, fresh, rng, lie).unwrap()
        });
        let outcome = simulation.run(&mut deaf(2, 4, honest));
        assert_convicted("copied N", &outcome, 3, &[2], Charge::Broke(Fault::ProofMod));
    }

    #[test]
    fn convicts_a_copier_of_ring_parameters() {
        // With the old proof, which names the prover and the session.
        let public = aux_public(3);
        let (sent, _) = record(aux_of::<Toy>(1, &public));
        let said = consign_rounds::decode(&sent.find(1, 2, 3).broadcast, usize::MAX);
        let Ok(Broadcast::Round3(old)) = said else { panic!("round 3") };
        opening_convicts("copied N^", Fault::ProofPrm, |o| {
            o.moduli.ring = old.moduli.ring.clone();
            o.moduli.proof = old.moduli.proof.clone();
        });
    }

    #[test]
    fn does_not_frame() {
        // The owner comes with fresh primes, and nobody is accused although its old modulus is known.
        let public = aux_public(3);
        for nonce in [0, 1] {
            let simulation = aux_with::<Toy>(2, &public, nonce, |me, session, rng| {
                let which = (usize::from(me.get()) - 1 + 2 * usize::from(nonce)) % 5;
                aux_info::start(&public, session, me, primes(Level::Tiny, which), rng).unwrap()
            });
            let outcome = simulation.run(&mut honest);
            assert_all_finished("fresh primes", &outcome, 3);
        }
    }
}

mod a10_duplicate_primes {
    use super::*;

    fn with_primes(which: impl Fn(PartyIndex) -> (usize, usize)) -> Outcome<Aux5> {
        let public = aux_public(4);
        let simulation = aux_with::<Toy>(1, &public, 0, |me, session, rng| {
            let (paillier, ring) = which(me);
            let paillier = consign_zk::testing::primes(Level::Tiny, paillier).paillier;
            let ring = consign_zk::testing::primes(Level::Tiny, ring).ring_pedersen;
            aux_info::start(&public, session, me, Primes::from_parts(paillier, ring), rng).unwrap()
        });
        simulation.run(&mut honest)
    }

    #[test]
    fn convicts() {
        // Parties 2 and 3 drew the same primes: both know, both are named; each names the other.
        let cases: [(&str, fn(u16) -> (usize, usize)); 2] = [
            ("all primes", |me| if me == 3 { (1, 1) } else { (usize::from(me) - 1, usize::from(me) - 1) }),
            ("N^", |me| if me == 3 { (2, 1) } else { (usize::from(me) - 1, usize::from(me) - 1) }),
        ];
        for (what, which) in cases {
            let outcome = with_primes(|me| which(me.get()));
            for me in [1, 4] {
                assert!(culprits(&outcome, me).into_iter().eq([2, 3]), "{what}: by {me}");
            }
            assert!(culprits(&outcome, 2).into_iter().eq([3]), "{what}");
            assert!(culprits(&outcome, 3).into_iter().eq([2]), "{what}");
            for verdict in outcome.verdicts.values().flatten() {
                assert_eq!(verdict.charge, Charge::Broke(Fault::SharedFactor), "{what}");
            }
            assert!(outcome.finished.is_empty() && outcome.stored.is_empty(), "{what}");
        }
    }

    #[test]
    fn does_not_frame() {
        let outcome = with_primes(|me| (usize::from(me.get()) - 1, 4 - usize::from(me.get())));
        assert_all_finished("distinct primes", &outcome, 4);
    }
}

mod confirmation {
    use super::*;

    #[test]
    fn convicts() {
        for lie in [None, Some([0; 32])] {
            let outcome = aux_of::<Toy>(1, &aux_public(3)).run(&mut liar::<Aux5>(2, 5, |_, said, _| {
                let Broadcast::Round5(said) = said else { panic!("round 5") };
                said.done = lie;
            }));
            assert_convicted("confirmation", &outcome, 3, &[2], Charge::Broke(Fault::Confirmation));
        }
        let outcome = aux_of::<Toy>(1, &aux_public(3)).run(&mut liar::<Aux5>(2, 3, |_, said, _| {
            let Broadcast::Round3(said) = said else { panic!("round 3") };
            said.rid[0] ^= 1;
        }));
        assert_convicted("opening", &outcome, 3, &[2], Charge::Broke(Fault::Commitment));
    }

    #[test]
    fn does_not_frame() {
        // Shown to one only: the set that one has convinces the other too.
        let public = aux_public(3);
        let simulation = aux_of::<Toy>(2, &public);
        let keys = simulation.keys().clone();
        let outcome = simulation.run(&mut |_: &TestKeys, letter: Letter| {
            if is_said(&letter, 2, 5) && letter.to == party(3) { vec![] } else { vec![letter] }
        });
        assert_nobody_accused("selective confirmation", &outcome);
        let pending = Aux::decode(&outcome.stored[&party(3)][0]).unwrap();
        let set = &outcome.finished[&party(1)].last;
        let complete = |set: &_| aux_info::is_complete::<Toy>(pending.public(), &public.parties, set, &*keys);
        assert!(complete(set));
        for missing in 1..=3 {
            let mut set = set.clone();
            set.remove(&party(missing));
            assert!(!complete(&set), "without {missing}");
        }
        let mut forged = set.clone();
        forged.get_mut(&party(2)).unwrap().signed.signature.0[3] ^= 1;
        assert!(!complete(&forged));
        let mut swapped = set.clone();
        swapped.insert(party(2), set[&party(1)].clone());
        assert!(!complete(&swapped));
        // The set is about these moduli and these parties, and no others.
        let of = |aux: &AuxPublic, parties: &Parties| aux_info::is_complete::<Toy>(aux, parties, set, &*keys);
        let mut renamed: Vec<_> = public.parties.iter().map(|(index, identity)| (index, *identity)).collect();
        renamed[2].1 = [77; 32];
        assert!(!of(pending.public(), &Parties::new(renamed).unwrap()));
        let mut altered = pending.public().clone();
        altered.rid[0] ^= 1;
        assert!(!of(&altered, &public.parties));
    }
}
