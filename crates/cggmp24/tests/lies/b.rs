//! Group B: replayed, copied and misplaced proofs and messages.

use consign_cggmp24::Level;
use consign_cggmp24::aux_info::{self, Broadcast, Direct, Fault, Moduli};
use consign_cggmp24::curve::{Curve, Scalar, Secp256k1, Toy};
use consign_cggmp24::keygen::{self, Keygen};
use consign_cggmp24::ssid::{ProtocolKind, sid};
use consign_rounds::sim::{Letter, Outcome, SimRng, TestKeys, honest, party};
use consign_rounds::{Charge, Envelope, SessionId, decode};
use rand_core::SeedableRng;

use crate::common::*;
use crate::lies::a::Aux5;

/// A generation of auxiliary information in which party 2 always draws the same, whatever the session.
fn aux_repeating(seed: u64, nonce: u8) -> consign_rounds::sim::Simulation<Aux5> {
    let public = aux_public(3);
    aux_with::<Toy>(seed, &public, nonce, |me, session, rng| {
        let mut same = SimRng::seed_from_u64(77);
        aux_start(&public, me, session, if me == party(2) { &mut same } else { rng })
    })
}

fn aux_broadcast(envelope: &Envelope) -> Broadcast {
    decode(&envelope.broadcast, usize::MAX).unwrap()
}

fn aux_direct(envelope: &Envelope) -> Direct {
    decode(&envelope.direct, usize::MAX).unwrap()
}

/// Party 2 says in `round` what `old` says there, in part or in whole.
fn replayed(
    seed: u64,
    nonce: u8,
    round: u8,
    lie: impl Fn(u16, &mut Broadcast, &mut Direct),
) -> Outcome<Aux5> {
    aux_repeating(seed, nonce).run(&mut liar::<Aux5>(2, round, lie))
}

mod a21_replay {
    use super::*;

    #[test]
    fn convicts() {
        // Session 1, and session 2 with the same parties, in which party 2 draws the same moduli and openings.
        let (old, _) = record(aux_repeating(1, 0));
        let outcome = replayed(2, 1, 4, |_, said, _| *said = aux_broadcast(old.find(2, 1, 4)));
        assert_convicted("mod", &outcome, 3, &[2], Charge::Broke(Fault::ProofMod));
        let outcome = replayed(2, 1, 4, |to, _, direct| *direct = aux_direct(old.find(2, to, 4)));
        assert_convicted("fac", &outcome, 3, &[2], Charge::Broke(Fault::ProofFac));
        // A replayed opening does not fit: the commitment names the session.
        let outcome = replayed(2, 1, 3, |_, said, _| *said = aux_broadcast(old.find(2, 1, 3)));
        assert_convicted("opening", &outcome, 3, &[2], Charge::Broke(Fault::Commitment));
        // With a commitment of this session, it is the proof inside that does not.
        let public = aux_public(3);
        let Broadcast::Round3(opening) = aux_broadcast(old.find(2, 1, 3)) else { panic!("round 3") };
        let simulation = aux_with::<Toy>(2, &public, 1, |me, session, rng| {
            let own = primes_of(Level::Tiny, me);
            let lie = |o: &mut aux_info::round3::Broadcast| {
                if me == party(2) {
                    *o = (*opening).clone();
                }
            };
            aux_info::testing::start_lying(&public, session, me, own, rng, lie).unwrap()
        });
        let outcome = simulation.run(&mut honest);
        assert_convicted("prm", &outcome, 3, &[2], Charge::Broke(Fault::ProofPrm));
    }

    /// A key generation in which party 2 always draws the same, and says in session 2 what it said in session 1.
    fn in_key_generation<C: Curve>(level: Level) {
        let public = keygen_public_at(level, 2, 3, false);
        let simulate = |seed, nonce: u8| {
            let session = keygen_session::<C>(&public, nonce);
            let setup = consign_rounds::sim::Setup {
                seed,
                session,
                parties: public.parties.indices().collect(),
                public: public.clone(),
                aids: Default::default(),
            };
            consign_rounds::sim::Simulation::new(setup, |me, rng| {
                let mut same = SimRng::seed_from_u64(77);
                keygen::start::<C>(&public, session, me, if me == party(2) { &mut same } else { rng })
            })
        };
        let (old, _) = record(simulate(1, 0));
        for (what, round, fault) in
            [("share proof", 5, keygen::Fault::ShareProof), ("confirmation", 6, keygen::Fault::Confirmation)]
        {
            let outcome = simulate(2, 1).run(&mut liar::<Keygen<C>>(2, round, |_, said, _| {
                *said = decode(&old.find(2, 1, round).broadcast, usize::MAX).unwrap();
            }));
            assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
        }
        assert_all_finished("another session", &simulate(2, 1).run(&mut honest), 3);
    }

    #[test]
    fn convicts_in_key_generation() {
        in_key_generation::<Toy>(Level::Tiny);
    }

    #[test]
    fn convicts_at_full_size() {
        in_key_generation::<Secp256k1>(Level::L128);
    }

    #[test]
    fn does_not_frame() {
        // Drawing the same again is not a fault, and old messages prove nothing in a new session.
        let public = aux_public(3);
        let (old, _) = record(aux_repeating(1, 0));
        let simulation = aux_repeating(2, 1);
        let keys = simulation.keys().clone();
        let (_, outcome) = record(simulation);
        assert_all_finished("same draws", &outcome, 3);
        for charge in &old.0 {
            let before = old.past(charge.signed.header.round);
            let evidence = consign_rounds::Evidence::Misbehaviour { before, charge: charge.clone() };
            assert_eq!(evidence.judge::<Aux5>(&public, aux_session::<Toy>(&public, 1), &*keys), None);
        }
    }
}

mod a22_copy {
    use super::*;

    #[test]
    fn convicts() {
        // Party 2 waits for party 1 and says the same.
        for round in [3, 4] {
            let mut first = None;
            let mut held = Vec::new();
            let outcome = aux_of::<Toy>(1, &aux_public(3)).run(&mut |keys: &TestKeys, letter: Letter| {
                if is_said(&letter, 1, round) && letter.to == party(3) {
                    first = envelope(&letter).cloned();
                } else if is_said(&letter, 2, round) {
                    held.push(letter);
                    return release(keys, &mut held, first.as_ref());
                }
                let mut out = vec![letter];
                out.extend(release(keys, &mut held, first.as_ref()));
                out
            });
            let fault = if round == 3 { Fault::Commitment } else { Fault::ProofMod };
            assert_convicted("copy", &outcome, 3, &[2], Charge::Broke(fault));
        }
    }

    fn release(keys: &TestKeys, held: &mut Vec<Letter>, first: Option<&Envelope>) -> Vec<Letter> {
        let Some(first) = first else { return vec![] };
        let copy = |mut letter: Letter| {
            let envelope = envelope_mut(&mut letter);
            envelope.broadcast = first.broadcast.clone();
            envelope.direct = first.direct.clone();
            keys.reseal(envelope);
            letter
        };
        held.drain(..).map(copy).collect()
    }

    #[test]
    fn convicts_a_copied_commitment() {
        // V copied in round 1, and the opening too: the hash names its maker.
        let mut said = std::collections::BTreeMap::new();
        let mut held = Vec::new();
        let outcome =
            keygen_of::<Toy>(1, &keygen_public(2, 3, true)).run(&mut |keys: &TestKeys, letter: Letter| {
                let Some(h) = header(&letter) else { return vec![letter] };
                if h.from == party(1) {
                    said.insert(h.round, envelope(&letter).unwrap().clone());
                }
                held.push(letter);
                let (ready, rest) = held.drain(..).partition(|letter: &Letter| {
                    let h = header(letter).unwrap();
                    h.from != party(2) || !matches!(h.round, 1 | 3) || said.contains_key(&h.round)
                });
                held = rest;
                let ready: Vec<Letter> = ready;
                let copy = |mut letter: Letter| {
                    let h = header(&letter).unwrap();
                    if h.from == party(2) && matches!(h.round, 1 | 3) {
                        let envelope = envelope_mut(&mut letter);
                        envelope.broadcast = said[&h.round].broadcast.clone();
                        keys.reseal(envelope);
                    }
                    letter
                };
                ready.into_iter().map(copy).collect()
            });
        // Party 2's own session goes on with what it drew, so its later echoes differ from its words: it is convicted
        // of that at the latest, and of nothing is anybody else.
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]), "by {me}");
        }
        assert!(outcome.finished.keys().all(|me| *me == party(2)));
    }

    #[test]
    fn does_not_frame() {
        // The one who was copied is not suspected.
        let outcome = replayed(1, 0, 3, |_, said, _| {
            let Broadcast::Round3(said) = said else { panic!("round 3") };
            said.rid = [0; 32];
        });
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]));
        }
    }
}

mod a23_cross_role {
    use super::*;

    #[test]
    fn convicts() {
        // The proof about the factors that was made for 1 goes to 3, and the other way round.
        let mut of = std::collections::BTreeMap::new();
        let mut held = Vec::new();
        let outcome = aux_of::<Toy>(1, &aux_public(3)).run(&mut |keys: &TestKeys, letter: Letter| {
            if !is_said(&letter, 2, 4) {
                return vec![letter];
            }
            of.insert(letter.to, envelope(&letter).unwrap().direct.clone());
            held.push(letter);
            if held.len() < 2 {
                return vec![];
            }
            let swap = |mut letter: Letter| {
                let other = party(4 - letter.to.get());
                let envelope = envelope_mut(&mut letter);
                envelope.direct = of[&other].clone();
                keys.reseal(envelope);
                letter
            };
            held.drain(..).map(swap).collect()
        });
        assert_convicted("swapped verifiers", &outcome, 3, &[2], Charge::Broke(Fault::ProofFac));
    }

    #[test]
    fn does_not_frame() {
        // An accuser who shows the proof made for another gets nowhere: the signed header names its recipient.
        let public = aux_public(3);
        let simulation = aux_of::<Toy>(4, &public);
        let keys = simulation.keys().clone();
        let (sent, _) = record(simulation);
        let mut shown = sent.find(2, 3, 4).clone();
        shown.signed.header.to = party(1);
        let evidence = consign_rounds::Evidence::Misbehaviour { before: sent.past(4), charge: shown };
        assert_eq!(evidence.judge::<Aux5>(&public, aux_session::<Toy>(&public, 0), &*keys), None);
    }
}

mod a24_other_sessions {
    use super::*;

    #[test]
    fn convicts() {
        // Refused at the envelope: messages of a session with another parameter have no effect at all.
        let public = aux_public(3);
        let (other, _) =
            record(aux_with::<Toy>(1, &public, 1, |me, session, rng| aux_start(&public, me, session, rng)));
        let outcome = aux_of::<Toy>(1, &public).run(&mut |_: &TestKeys, letter: Letter| {
            let Some(h) = header(&letter).filter(|h| h.from == party(2)) else { return vec![letter] };
            let message = other.find(2, h.to.get(), h.round).clone();
            vec![Letter { to: letter.to, message: consign_rounds::Message::Envelope(message) }]
        });
        assert_nobody_accused("another session's messages", &outcome);
        assert!(outcome.finished.keys().all(|me| *me == party(2)));
        for me in [1, 3] {
            let [consign_rounds::Failure::Unattributed { round: 1, silent, .. }] =
                &outcome.failures[&party(me)][..]
            else {
                panic!("{me} waits for party 2")
            };
            assert_eq!(silent[..], [party(2)]);
            assert!(outcome.dropped[&party(me)].count(consign_rounds::DropReason::Session) > 0);
        }
    }

    #[test]
    fn does_not_frame() {
        // The same messages next to the right ones change nothing.
        let public = aux_public(3);
        let (other, _) =
            record(aux_with::<Toy>(1, &public, 1, |me, session, rng| aux_start(&public, me, session, rng)));
        let outcome = aux_of::<Toy>(1, &public).run(&mut |_: &TestKeys, letter: Letter| {
            let Some(h) = header(&letter) else { return vec![letter] };
            let message = other.find(h.from.get(), h.to.get(), h.round).clone();
            vec![Letter { to: letter.to, message: consign_rounds::Message::Envelope(message) }, letter]
        });
        assert_all_finished("noise of another session", &outcome, 3);
    }

    #[test]
    fn every_parameter_makes_another_session() {
        let parties = committee(3);
        let base = |kind| sid::<Toy>(kind, Level::Tiny, 2, &parties, &[0; 32]);
        let mut sessions = vec![
            base(ProtocolKind::Keygen),
            base(ProtocolKind::AuxInfo),
            base(ProtocolKind::Presign),
            base(ProtocolKind::Sign),
            sid::<Secp256k1>(ProtocolKind::Keygen, Level::Tiny, 2, &parties, &[0; 32]),
            sid::<Toy>(ProtocolKind::Keygen, Level::Fast, 2, &parties, &[0; 32]),
            sid::<Toy>(ProtocolKind::Keygen, Level::L112, 2, &parties, &[0; 32]),
            sid::<Toy>(ProtocolKind::Keygen, Level::L128, 2, &parties, &[0; 32]),
            sid::<Toy>(ProtocolKind::Keygen, Level::Tiny, 3, &parties, &[0; 32]),
            sid::<Toy>(ProtocolKind::Keygen, Level::Tiny, 2, &committee(4), &[0; 32]),
            sid::<Toy>(ProtocolKind::Keygen, Level::Tiny, 2, &parties, &[1; 32]),
        ];
        let mut list: Vec<_> = parties.iter().map(|(index, identity)| (index, *identity)).collect();
        list[1].1 = [9; 32];
        let other_identity = consign_cggmp24::parties::Parties::new(list.clone()).unwrap();
        list[1].1 = [2; 32];
        list[2].0 = party(9);
        let other_index = consign_cggmp24::parties::Parties::new(list).unwrap();
        for parties in [other_identity, other_index] {
            sessions.push(sid::<Toy>(ProtocolKind::Keygen, Level::Tiny, 2, &parties, &[0; 32]));
        }
        let count = sessions.len();
        sessions.sort_unstable();
        sessions.dedup();
        assert_eq!(sessions.len(), count);
        // and the same parameters make the same, so that a registry of running sessions sees a repetition.
        assert_eq!(base(ProtocolKind::Keygen), base(ProtocolKind::Keygen));
    }
}

mod a25_statement_fields {
    use super::*;

    /// Alters one field of party 2's opening, which is committed to; the proofs stay those of the honest statement.
    fn fields() -> Vec<(&'static str, Fault, fn(&mut Moduli))> {
        vec![
            ("s", Fault::ProofPrm, |o| o.ring.s = other(1).ring.s),
            ("t", Fault::ProofPrm, |o| o.ring.t = other(1).ring.t),
            ("N^, s, t", Fault::ProofPrm, |o| o.ring = other(2).ring),
            ("A", Fault::ProofPrm, |o| o.proof.repetitions[3].A = o.proof.repetitions[4].A.clone()),
            ("z", Fault::ProofPrm, |o| o.proof.repetitions[3].z = o.proof.repetitions[4].z.clone()),
            ("order", Fault::ProofPrm, |o| o.proof.repetitions.swap(0, 1)),
            ("N", Fault::ProofMod, |o| o.n = other(2).n),
        ]
    }

    /// What a party with ready-made primes number `which` would open, with other randomness.
    fn other(which: usize) -> Moduli {
        let public = aux_public(2);
        let mut rng = SimRng::seed_from_u64(99);
        let mut opening = None;
        let own = primes(Level::Tiny, which);
        let keep = |o: &mut aux_info::round3::Broadcast| opening = Some(o.moduli.clone());
        aux_info::testing::start_lying::<Toy>(&public, SessionId([0; 32]), party(1), own, &mut rng, keep)
            .unwrap();
        opening.unwrap()
    }

    #[test]
    fn convicts() {
        let public = aux_public(3);
        for (what, fault, lie) in fields() {
            let simulation = aux_with::<Toy>(1, &public, 0, |me, session, rng| {
                let own = primes_of(Level::Tiny, me);
                let lie = |o: &mut aux_info::round3::Broadcast| {
                    if me == party(2) {
                        lie(&mut o.moduli);
                    }
                };
                aux_info::testing::start_lying(&public, session, me, own, rng, lie).unwrap()
            });
            let outcome = simulation.run(&mut deaf(2, 4, honest));
            assert_convicted(what, &outcome, 3, &[2], Charge::Broke(fault));
        }
    }

    #[test]
    fn does_not_frame() {
        // rid and u are free, once committed to.
        let public = aux_public(3);
        let simulation = aux_with::<Toy>(1, &public, 0, |me, session, rng| {
            let own = primes_of(Level::Tiny, me);
            let lie = |o: &mut aux_info::round3::Broadcast| (o.rid, o.nonce) = ([0; 32], [0; 32]);
            aux_info::testing::start_lying(&public, session, me, own, rng, lie).unwrap()
        });
        assert_all_finished("rid = 0", &simulation.run(&mut honest), 3);
    }
}

/// The scalar of a response moved by one convicts on every curve.
#[test]
fn the_share_proof_convicts_on_a_real_curve() {
    fn on<C: Curve>(level: Level) {
        let public = keygen_public_at(level, 2, 3, true);
        let outcome = keygen_of::<C>(1, &public).run(&mut liar::<Keygen<C>>(2, 5, |_, said, _| {
            let keygen::Broadcast::Round5(keygen::round5::Broadcast::Proof(proof)) = said else {
                panic!("a proof")
            };
            proof.z = proof.z + Scalar::one();
        }));
        let charge = Charge::Broke(keygen::Fault::ShareProof);
        assert_convicted("z + 1", &outcome, 3, &[2], charge);
    }
    on::<Toy>(Level::Tiny);
    on::<Secp256k1>(Level::L128);
}
