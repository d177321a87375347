//! Group A: the set-up of Paillier and ring-Pedersen parameters.

use std::ops::ControlFlow;

use consign_cggmp24::Level;
use consign_cggmp24::aux_info::testing::start_lying;
use consign_cggmp24::aux_info::{self, Aux, AuxError, AuxInfo, Broadcast, Direct, Fault, Primes, round3};
use consign_cggmp24::curve::Toy;
use consign_modexp::{BoxedUint, PrimeKind};
use consign_rounds::sim::{Letter, Outcome, TestKeys, honest, party};
use consign_rounds::{Charge, PartyIndex};
use consign_zk::natural::Natural;
use crypto_bigint::{ConcatenatingMul, Resize};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use crate::common::*;

pub(crate) type Aux5 = AuxInfo<Toy>;
type Opening = round3::Broadcast;

/// A prime of exactly `bits` bits with the two top bits set.
fn prime(kind: PrimeKind, bits: u32, seed: u64) -> BoxedUint {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    consign_modexp::generate(kind, bits, &mut rng, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The largest `count` primes below `2^bits` that are 3 mod 4: their product fills its length.
fn blum_primes_below(bits: u32, count: usize) -> Vec<BoxedUint> {
    let mut candidate = (1_u128 << bits) - 1;
    let mut found = Vec::new();
    while found.len() < count {
        let number = BoxedUint::from(candidate);
        let modulus = consign_modexp::Modulus::new(&number).unwrap();
        if !consign_modexp::fermat_composites(&[&modulus])[0] {
            found.push(number);
        }
        candidate -= 4;
    }
    found
}

fn product(factors: &[BoxedUint]) -> Natural {
    let product = factors.iter().cloned().reduce(|a, b| a.concatenating_mul(&b)).unwrap();
    Natural::new(&product)
}

fn add(n: &Natural, k: i64) -> Natural {
    let step = BoxedUint::from(k.unsigned_abs());
    let n = n.value();
    Natural::new(&if k < 0 { n.wrapping_sub(&step) } else { n.wrapping_add(&step) })
}

/// `a - b`.
fn minus(a: &Natural, b: &Natural) -> Natural {
    Natural::new(&a.value().wrapping_sub(b.value().resize_unchecked(a.value().bits_precision())))
}

/// Party 2 of 3 commits to an opening altered by `lie`, and stops computing when proofs are exchanged. Also returns
/// the last round in which each honest party spoke.
fn committed(seed: u64, nonce: u8, lie: impl Fn(&mut Opening)) -> (Outcome<Aux5>, [u8; 2]) {
    let public = aux_public(3);
    let simulation = aux_with::<Toy>(seed, &public, nonce, |me, session, rng| {
        let primes = primes_of(Level::Tiny, me);
        let lie = |opening: &mut Opening| {
            if me == party(2) {
                lie(opening)
            }
        };
        start_lying(&public, session, me, primes, rng, lie).unwrap()
    });
    let mut sent = Record::default();
    let outcome = simulation.run(&mut deaf(2, 4, |_: &TestKeys, letter: Letter| {
        sent.note(&letter);
        vec![letter]
    }));
    let spoke = [1, 3].map(|me| sent.last_round(me));
    (outcome, spoke)
}

/// As [`committed`], and the lie is seen in the opening: no honest party may have sent a proof under it.
fn opening_convicts(what: &str, fault: Fault, lie: impl Fn(&mut Opening)) {
    let (outcome, spoke) = committed(1, 0, lie);
    assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
    assert_eq!(spoke, [3, 3], "{what}: nobody computes under bad parameters");
    assert!(outcome.stored.is_empty(), "{what}: stored");
}

/// As [`committed`], and the lie passes as far as the proofs.
fn proofs_convict(what: &str, fault: Fault, lie: impl Fn(&mut Opening)) {
    let (outcome, _) = committed(1, 0, lie);
    assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
    assert!(outcome.stored.is_empty(), "{what}: stored");
}

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

mod a04_bad_moduli {
    use super::*;

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
        let prime_1 = {
            // A prime that is 1 mod 4: found by stepping from a random number.
            let mut n = add(&full, 2);
            loop {
                let modulus = consign_modexp::Modulus::new(n.value()).unwrap();
                let composite = consign_modexp::fermat_composites(&[&modulus]);
                if !composite[0] && !n.value().bit_vartime(1) {
                    break n;
                }
                n = add(&n, 2);
            }
        };
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
            ("N^ = 0", Fault::Modulus, ring_is(&Natural::new(&BoxedUint::zero()))),
            (
                "N^ even",
                Fault::Modulus,
                Box::new(|o: &mut Opening| o.moduli.ring.modulus = add(&o.moduli.ring.modulus, -1)),
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
    }
}
