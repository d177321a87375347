//! Group H: parsing, resources, transport, secrets in logs.

use consign_cggmp24::Level;
use consign_cggmp24::aux_info::{self, AuxInfo};
use consign_cggmp24::curve::{Secp256k1, Toy};
use consign_cggmp24::keygen::{self, Keygen};
use consign_rounds::sim::{Letter, SimRng, Simulation, TestKeys, honest, party};
use consign_rounds::{
    Bytes, Charge, DropReason, Failure, Header, Message, PerParty, Protocol, Said, SessionId, decode,
};
use rand_core::{Rng, SeedableRng};

use crate::common::*;
use crate::lies::a::Aux5;

type Kg = Keygen<Toy>;

mod a80_too_much {
    use super::*;

    /// Party 2's `round` message with a part replaced by something long or absurd.
    fn cases(limit: usize) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("one byte over the limit", vec![0; limit + 1]),
            ("a million bytes", vec![0xff; 1_000_000]),
            ("empty", vec![]),
            ("a variant of nobody", vec![200]),
            ("a list that says it has 2^63 entries", [&[2, 0xff][..], &[0xff; 8], &[0x7f]].concat()),
        ]
    }

    fn every_round<P: Protocol>(n: u16, public: &P::Public, simulation: impl Fn() -> Simulation<P>) {
        for round in 1..=P::ROUNDS {
            for (what, bytes) in cases(P::max_broadcast_bytes(public, round)) {
                let outcome =
                    simulation().run(&mut garbler(2, round, |_, e| e.broadcast = Bytes(bytes.clone())));
                assert_convicted(&format!("{what}, round {round}"), &outcome, n, &[2], Charge::Malformed);
            }
            for (what, bytes) in cases(P::max_direct_bytes(public, round)) {
                let outcome =
                    simulation().run(&mut garbler(2, round, |_, e| e.direct = Bytes(bytes.clone())));
                assert_convicted(
                    &format!("{what}, direct, round {round}"),
                    &outcome,
                    n,
                    &[2],
                    Charge::Malformed,
                );
            }
        }
    }

    #[test]
    fn convicts() {
        let public = keygen_public(2, 3, true);
        every_round::<Kg>(3, &public, || keygen_of::<Toy>(1, &public));
        let public = aux_public(3);
        every_round::<Aux5>(3, &public, || aux_of::<Toy>(1, &public));
    }

    #[test]
    fn convicts_integers_longer_than_any_honest_one() {
        // Within the limit of the message, but one integer takes most of it.
        let public = aux_public(3);
        for at in 0..2 {
            let outcome = aux_of::<Toy>(1, &public).run(&mut liar::<Aux5>(2, 4, |_, _, direct| {
                let aux_info::Direct::Round4(direct) = direct else { panic!("round 4") };
                let wide = consign_modexp::BoxedUint::one_with_precision(1600).shl_vartime(1500).unwrap();
                let wide = consign_zk::integer::Integer::from_natural(&wide);
                if at == 0 { direct.proof.z1 = wide } else { direct.proof.v = wide }
            }));
            let charge = Charge::Broke(aux_info::Fault::ProofFac);
            assert_convicted("a long response", &outcome, 3, &[2], charge);
        }
    }

    #[test]
    fn does_not_frame() {
        // Honest messages keep to the limits at every level and size the protocol admits (the engine asserts it).
        for (t, n) in [(2, 2), (2, 9), (9, 9), (5, 20)] {
            let public = keygen_public(t, n, true);
            assert_all_finished("limits", &keygen_of::<Toy>(1, &public).run(&mut honest), n);
        }
        let public = keygen_public_at(Level::L128, 3, 4, true);
        assert_all_finished("limits", &keygen_of::<Secp256k1>(1, &public).run(&mut honest), 4);
    }
}

mod a81_garbage {
    use super::*;

    /// Feeds `check` every prefix, many bit flips of honest parts, and random bytes: no panic, and no acceptance of
    /// anything but the original.
    fn shake<P: Protocol>(public: &P::Public, session: SessionId, sent: &Record, rng: &mut SimRng) -> u32 {
        let mut refused = 0;
        for envelope in &sent.0 {
            let h = envelope.signed.header;
            let judge = |broadcast: &[u8], direct: &[u8]| {
                let (Ok(broadcast), Ok(direct)) = (
                    decode::<P::Broadcast>(broadcast, P::max_broadcast_bytes(public, h.round)),
                    decode::<P::Direct>(direct, P::max_direct_bytes(public, h.round)),
                ) else {
                    return false;
                };
                if !P::fits_broadcast(h.round, &broadcast) || !P::fits_direct(h.round, &direct) {
                    return false;
                }
                let mut view = P::View::default();
                for (round, said) in (1..).zip(&sent.past(h.round).0) {
                    for (from, bytes) in said {
                        P::record(&mut view, round, *from, decode(bytes, usize::MAX).unwrap());
                    }
                }
                let said = Said { round: h.round, broadcast, direct };
                P::check(public, &view, &P::Aid::default(), h.from, h.to, &said, session).is_ok()
            };
            assert!(judge(&envelope.broadcast, &envelope.direct));
            for _ in 0..6 {
                let mut broadcast = envelope.broadcast.0.clone();
                let mut direct = envelope.direct.0.clone();
                let part = if direct.len() < 2 || rng.next_u32().is_multiple_of(2) {
                    &mut broadcast
                } else {
                    &mut direct
                };
                let at = usize::try_from(rng.next_u32()).unwrap() % part.len();
                match rng.next_u32() % 3 {
                    0 => part[at] ^= 1 << (rng.next_u32() % 8),
                    1 => part.truncate(at),
                    _ => part[at..].fill(0xff),
                }
                refused += u32::from(!judge(&broadcast, &direct));
            }
            let mut random = vec![0; 64];
            rng.fill_bytes(&mut random);
            assert!(!judge(&random, &envelope.direct));
        }
        refused
    }

    #[test]
    fn convicts() {
        let mut rng = SimRng::seed_from_u64(1);
        let public = aux_public(3);
        let (sent, _) = record(aux_of::<Toy>(1, &public));
        assert!(shake::<Aux5>(&public, aux_session::<Toy>(&public, 0), &sent, &mut rng) > 30);
        let public = keygen_public(2, 3, true);
        for seed in 0..10 {
            let (sent, _) = record(keygen_of::<Toy>(seed, &public));
            assert!(shake::<Kg>(&public, keygen_session::<Toy>(&public, 0), &sent, &mut rng) > 30);
        }
    }

    /// A view that a judge may be shown: rounds of the right kind, none of which has passed `check`.
    fn hostile<P: Protocol>(public: &P::Public, session: SessionId, sent: &Record, views: &[P::View]) {
        for envelope in &sent.0 {
            let h = envelope.signed.header;
            for view in views {
                let said = Said {
                    round: h.round,
                    broadcast: decode(&envelope.broadcast, usize::MAX).unwrap(),
                    direct: decode(&envelope.direct, usize::MAX).unwrap(),
                };
                // Any verdict will do.
                let _ = P::check(public, view, &P::Aid::default(), h.from, h.to, &said, session);
            }
        }
    }

    #[test]
    fn does_not_frame() {
        // No panic on made-up views: empty ones, and ones with absurd moduli.
        let public = aux_public(3);
        let (sent, _) = record(aux_of::<Toy>(1, &public));
        let mut views = vec![aux_info::View::default()];
        for n in [0_u64, 1, 2, 3, 15, u64::MAX] {
            for ring_too in [false, true] {
                let mut view = aux_info::View::default();
                for envelope in sent.0.iter().filter(|e| e.signed.header.round == 3) {
                    let said = decode(&envelope.broadcast, usize::MAX).unwrap();
                    let aux_info::Broadcast::Round3(mut said) = said else { panic!("round 3") };
                    let absurd = consign_zk::natural::Natural::new(&consign_modexp::BoxedUint::from(n));
                    said.moduli.n = absurd.clone();
                    if ring_too {
                        said.moduli.ring.modulus = absurd.clone();
                        said.moduli.ring.s = absurd.clone();
                    }
                    let said = aux_info::Broadcast::Round3(said);
                    AuxInfo::<Toy>::record(&mut view, 3, envelope.signed.header.from, said);
                }
                views.push(view);
            }
        }
        hostile::<Aux5>(&public, aux_session::<Toy>(&public, 0), &sent, &views);
        let public = keygen_public(2, 3, true);
        let (sent, _) = record(keygen_of::<Toy>(1, &public));
        let mut bare = keygen::View::default();
        for envelope in sent.0.iter().filter(|e| e.signed.header.round == 3) {
            let said = decode(&envelope.broadcast, usize::MAX).unwrap();
            let keygen::Broadcast::Round3(mut said) = said else { panic!("round 3") };
            said.coefficients.0.clear();
            said.mask_keys.clear();
            Kg::record(&mut bare, 3, envelope.signed.header.from, keygen::Broadcast::Round3(said));
        }
        let views = [keygen::View::default(), bare];
        hostile::<Kg>(&public, keygen_session::<Toy>(&public, 0), &sent, &views);
        for view in &views {
            let share = keygen::Direct::Round4(keygen::round4::Direct {
                masked: consign_cggmp24::curve::Scalar::one(),
            });
            for key in [consign_cggmp24::curve::Scalar::zero(), consign_cggmp24::curve::Scalar::one()] {
                let complaint = consign_rounds::Complaint {
                    against: party(2),
                    envelope: sent.find(2, 1, 4).direct_part(),
                };
                let said = keygen::Broadcast::Round5(keygen::round5::Broadcast::Complaint(Box::new(
                    keygen::round5::OpenedComplaint { complaint, key },
                )));
                let session = keygen_session::<Toy>(&public, 0);
                let _ = Kg::rule(&public, view, party(1), party(2), &share, &said, session);
                let _ = Kg::rule(&public, view, party(1), party(2), &keygen::Direct::None, &said, session);
            }
        }
    }
}

mod a82_a84_a86_transport {
    use super::*;

    /// Every letter, and next to it everything a relay without keys, or a liar with its own key, could add.
    fn noise(keys: &TestKeys, letter: &Letter) -> Vec<Letter> {
        let Message::Envelope(envelope) = &letter.message else { return vec![] };
        let with = |to, lie: &dyn Fn(&mut Header), sign: bool| {
            let mut envelope = envelope.clone();
            lie(&mut envelope.signed.header);
            if sign {
                envelope.signed = keys.sign_header(envelope.signed.header);
            }
            Letter { to, message: Message::Envelope(envelope) }
        };
        let h = envelope.signed.header;
        vec![
            letter.clone(),
            // Reflected, as it is and with its ends exchanged.
            Letter { to: h.from, message: letter.message.clone() },
            with(h.from, &|x| (x.from, x.to) = (h.to, h.from), false),
            // Delivered to a third party.
            Letter { to: party(h.to.get() % 3 + 1), message: letter.message.clone() },
            // Of another session, to oneself, from nobody, of a round that does not exist.
            with(h.to, &|x| x.session.0[0] ^= 1, true),
            with(h.to, &|x| x.from = h.to, true),
            with(h.to, &|x| x.from = party(77), true),
            with(h.to, &|x| x.round = 0, true),
            with(h.to, &|x| x.round = 200, true),
            // Unsigned alterations.
            with(h.to, &|x| x.broadcast_hash[0] ^= 1, false),
            with(h.to, &|x| x.echo[0] ^= 1, false),
            with(h.to, &|x| x.round += 1, false),
        ]
    }

    #[test]
    fn convicts() {
        // Nobody: all of it is dropped, in any order, and the result is there.
        let public = keygen_public(2, 3, true);
        for seed in 0..20 {
            let outcome = keygen_of::<Toy>(seed, &public).run(&mut |keys: &TestKeys, letter: Letter| {
                let mut out = noise(keys, &letter);
                out.push(letter);
                out
            });
            assert_all_finished("noise", &outcome, 3);
            for me in 1..=3 {
                let dropped = &outcome.dropped[&party(me)];
                for reason in
                    [DropReason::Session, DropReason::Sender, DropReason::Recipient, DropReason::Round]
                {
                    assert!(dropped.count(reason) > 0, "{reason:?}");
                }
            }
        }
    }

    #[test]
    fn convicts_a_second_message_in_one_place() {
        let public = keygen_public(2, 3, true);
        let mut caught = 0;
        for seed in 0..10 {
            let outcome = keygen_of::<Toy>(seed, &public).run(&mut |keys: &TestKeys, letter: Letter| {
                if !is_said(&letter, 2, 4) || letter.to != party(1) {
                    return vec![letter];
                }
                let mut second = letter.clone();
                keys.rewrite::<Kg>(&mut second, |_, direct| {
                    let one = consign_cggmp24::curve::Scalar::one();
                    *direct = keygen::Direct::Round4(keygen::round4::Direct { masked: one });
                });
                vec![letter, second]
            });
            for me in [1, 3] {
                assert!(culprits(&outcome, me).iter().all(|culprit| *culprit == 2));
            }
            caught += culprits(&outcome, 1).len();
        }
        assert!(caught > 0);
    }

    #[test]
    fn does_not_frame() {
        // A relay that drops everything of party 2: named as silent, never convicted. (A-85 as well.)
        let public = keygen_public(2, 3, true);
        for round in 1..=5 {
            let outcome = keygen_of::<Toy>(1, &public).run(&mut |_: &TestKeys, letter: Letter| {
                if is_said(&letter, 2, round) { vec![] } else { vec![letter] }
            });
            assert_nobody_accused("dropping relay", &outcome);
            for me in [1, 3] {
                let Some(Failure::Unattributed { silent, .. }) = outcome.failures[&party(me)].first() else {
                    panic!("{me} fails")
                };
                assert_eq!(silent[..], [party(2)]);
            }
            assert!(outcome.finished.is_empty());
        }
    }
}

mod a87_secrets_in_logs {
    use super::*;

    #[test]
    fn convicts() {
        // `Debug` of everything that can be logged shows no secret scalar. Shares have no `Debug` at all.
        let public = keygen_public_at(Level::L128, 2, 3, true);
        let mut secrets = PerParty::new();
        let simulation = keygen_with::<Secp256k1>(1, &public, |me, session, rng| {
            let started = keygen::start(&public, session, me, rng);
            for peer in public.parties.others(me) {
                secrets.insert(peer, keygen::testing::mask_key(&started.0, peer).unwrap());
            }
            started
        });
        let (sent, outcome) = record(simulation);
        let key = *secrets.values().next().unwrap();
        let complaint =
            consign_rounds::Complaint { against: party(2), envelope: sent.find(2, 1, 4).direct_part() };
        let said =
            keygen::round5::Broadcast::<Secp256k1>::Complaint(Box::new(keygen::round5::OpenedComplaint {
                complaint,
                key,
            }));
        let mut log = format!("{key:?} {said:?} {public:?}");
        for envelope in &sent.0 {
            let direct: keygen::Direct<Secp256k1> =
                decode(&envelope.direct, usize::MAX).unwrap_or(keygen::Direct::None);
            log += &format!("{envelope:?} {direct:?}");
        }
        for finished in outcome.finished.values() {
            log += &format!("{:?} {:?}", finished.output.info(), finished.last);
        }
        let stored = outcome.stored[&party(1)][0].to_vec();
        let share = &stored[stored.len() - 32..];
        let shows =
            |secret: &[u8]| log.contains(&hex::encode(secret)) || log.contains(&format!("{secret:?}"));
        assert!(!shows(share));
        secrets.values().for_each(|key| assert!(!shows(&key.to_bytes())));
        // The search finds what is there.
        assert!(shows(&outcome.finished[&party(1)].output.info().public_key.to_bytes()));
    }

    #[test]
    fn does_not_frame() {
        // Integers of proofs show their width only.
        let (sent, _) = record(aux_of::<Toy>(1, &aux_public(2)));
        let said: aux_info::Broadcast = decode(&sent.find(1, 2, 3).broadcast, usize::MAX).unwrap();
        let text = format!("{said:?}");
        assert!(text.contains("Natural(384 bits)"), "{text}");
        let factor = consign_zk::testing::primes(Level::Tiny, 0).paillier[0].clone();
        assert!(!text.to_lowercase().contains(&hex::encode(factor.to_be_bytes())));
    }
}
