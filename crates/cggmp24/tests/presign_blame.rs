//! What the checks of presigning and interactive signing say about liars. Every accusation is put before a judge by the
//! simulator; a liar signs what it says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::type_complexity, reason = "tests")]

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, Secp256k1, Toy};
use consign_cggmp24::ecdsa::Digest;
use consign_cggmp24::presign::{Alert, Broadcast, Direct, Fault, Presign, ROUND_LAST};
use consign_cggmp24::sign::interactive::{self, Interactive};
use consign_cggmp24::testing::{Committee, party};
use consign_rounds::sim::{Letter, Outcome, TestKeys, honest};
use consign_rounds::{Charge, Message, Protocol};
use consign_zk::curve::{Point, Scalar};
use consign_zk::dec;

/// The liar.
const LIAR: u16 = 3;
/// All signers.
const SIGNERS: [u16; 3] = [1, 3, 4];

/// Whether this is the liar's message of `round`, as the specification numbers rounds.
fn is_said(letter: &Letter, round: u8) -> bool {
    let Message::Envelope(envelope) = &letter.message else { return false };
    let travels = if round == 1 { 1 } else { round + 1 };
    (envelope.signed.header.from, envelope.signed.header.round) == (party(LIAR), travels)
}

/// Presigning with two slots, in which the liar alters what it says in `round`, to everybody alike.
fn lie(round: u8, lie: impl Fn(&mut Broadcast<Toy>, &mut Direct<Toy>)) -> Outcome<Presign<Toy>> {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 4, 1);
    let public = committee.presigning(&SIGNERS, 2);
    committee.simulate_presigning(&public, 1).run(&mut |keys: &TestKeys, mut letter: Letter| {
        if is_said(&letter, round) {
            keys.rewrite::<Presign<Toy>>(&mut letter, &lie);
        }
        vec![letter]
    })
}

fn assert_convicted<P: Protocol>(outcome: &Outcome<P>, what: &str, charge: Charge<P::Fault>) {
    for me in SIGNERS.into_iter().filter(|&me| me != LIAR).map(party) {
        assert!(outcome.culprits(me).into_iter().eq([party(LIAR)]), "{what}: accused by {me}");
        assert_eq!(outcome.verdicts[&me][0].charge, charge, "{what}: charged by {me}");
        assert!(!outcome.finished.contains_key(&me), "{what}: {me} has a result");
    }
}

fn other<C: Curve>(point: &mut Point<C>) {
    *point = *point + Point::generator();
}

#[test]
fn lies_in_round_1_convict() {
    let lies: &[(&str, Fault, fn(&mut Vec<_>, &mut Vec<_>))] = &[
        ("a slot less", Fault::Slots, |said, _| drop(said.pop())),
        ("proofs of a slot less", Fault::Slots, |_, proofs| drop(proofs.pop())),
        ("K and G swapped", Fault::Psi0 { slot: 0 }, |said, _| {
            let slot: &mut consign_cggmp24::presign::round1::Broadcast<Toy> = &mut said[0];
            std::mem::swap(&mut slot.K, &mut slot.G);
        }),
        ("another G", Fault::Psi1 { slot: 1 }, |said, _| said[1].G = said[0].G.clone()),
        ("another Y", Fault::Psi0 { slot: 1 }, |said, _| other(&mut said[1].Y)),
        ("another A", Fault::Psi0 { slot: 0 }, |said, _| other(&mut said[0].A.value)),
        ("another B", Fault::Psi1 { slot: 0 }, |said, _| other(&mut said[0].B.randomness)),
        ("slots swapped", Fault::Psi0 { slot: 0 }, |said, proofs| {
            said.swap(0, 1);
            proofs.swap(0, 1);
        }),
        ("proofs swapped", Fault::Psi0 { slot: 1 }, |_, proofs| {
            let proofs: &mut consign_cggmp24::presign::round1::Direct<Toy> = &mut proofs[1];
            std::mem::swap(&mut proofs.psi0, &mut proofs.psi1);
        }),
    ];
    for (what, fault, alter) in lies {
        let outcome = lie(1, |broadcast, direct| {
            let (Broadcast::Round1(said), Direct::Round1(proofs)) = (broadcast, direct) else {
                panic!("round 1");
            };
            alter(said, proofs);
        });
        assert_convicted(&outcome, what, Charge::Broke(*fault));
    }
}

#[test]
fn lies_in_round_2_convict() {
    let lies: &[(&str, Fault, fn(&mut Vec<_>, &mut Vec<_>))] = &[
        ("a slot less", Fault::Slots, |said, _| drop(said.pop())),
        ("proofs of a slot less", Fault::Slots, |_, proofs| drop(proofs.pop())),
        ("a response less", Fault::Responses { slot: 1 }, |said, _| {
            let slot: &mut consign_cggmp24::presign::round2::Broadcast<Toy> = &mut said[1];
            slot.responses.pop();
        }),
        ("a response of slot 1 in slot 0", Fault::Responses { slot: 0 }, |said, _| {
            let moved = said[1].responses.pop().unwrap();
            said[0].responses.push(moved);
        }),
        ("another Gamma", Fault::Elog { slot: 0 }, |said, _| other(&mut said[0].Gamma)),
        ("D and D^ swapped", Fault::Psi { slot: 1 }, |said, _| {
            for response in &mut said[1].responses {
                std::mem::swap(&mut response.D, &mut response.D_hat);
            }
        }),
        ("F^ is F", Fault::PsiHat { slot: 0 }, |said, _| {
            for response in &mut said[0].responses {
                response.F_hat = response.F.clone();
            }
        }),
        ("D is zero for everybody", Fault::Units { slot: 0 }, |said, _| {
            for response in &mut said[0].responses {
                response.D = consign_zk::paillier::Ciphertext::new(&consign_zk::BoxedUint::zero());
            }
        }),
        ("proofs swapped", Fault::Psi { slot: 0 }, |_, proofs| {
            let proofs: &mut consign_cggmp24::presign::round2::Direct<Toy> = &mut proofs[0];
            std::mem::swap(&mut proofs.psi, &mut proofs.psi_hat);
        }),
    ];
    for (what, fault, alter) in lies {
        let outcome = lie(2, |broadcast, direct| {
            let (Broadcast::Round2(said), Direct::Round2(proofs)) = (broadcast, direct) else {
                panic!("round 2");
            };
            alter(said, proofs);
        });
        assert_convicted(&outcome, what, Charge::Broke(*fault));
    }
}

#[test]
fn a_response_that_is_no_ciphertext_convicts_also_where_it_is_for_somebody_else() {
    // The liar's responses stand in the order of the other signers: 1, 4. Its accomplice 4 would not complain.
    let outcome = lie(2, |broadcast, _| {
        let Broadcast::Round2(said) = broadcast else { panic!("round 2") };
        said[1].responses[1].D_hat = consign_zk::paillier::Ciphertext::new(&consign_zk::BoxedUint::zero());
    });
    assert_convicted(&outcome, "for 4", Charge::Broke(Fault::Units { slot: 1 }));
}

/// Of several lies the first is named, slot by slot, as if nothing were checked at the same time.
#[test]
fn the_first_of_several_lies_is_named() {
    let outcome = lie(1, |_, direct| {
        let Direct::Round1(proofs) = direct else { panic!("round 1") };
        proofs[0].psi1.w = proofs[0].psi1.w + Scalar::one();
        proofs[1].psi0.z1 = proofs[1].psi0.z1.neg();
    });
    assert_convicted(&outcome, "round 1", Charge::Broke(Fault::Psi1 { slot: 0 }));

    // Of each slot: whether Gamma, the first and the second proof for each peer are wrong.
    let cases = [
        (Fault::PsiHat { slot: 0 }, [[false, false, true], [true, true, false]]),
        (Fault::Psi { slot: 0 }, [[false, true, true], [true, false, false]]),
        (Fault::Elog { slot: 0 }, [[true, true, true], [true, true, true]]),
        (Fault::Elog { slot: 1 }, [[false, false, false], [true, true, true]]),
    ];
    for (fault, wrong) in cases {
        let outcome = lie(2, |broadcast, direct| {
            let (Broadcast::Round2(said), Direct::Round2(proofs)) = (broadcast, direct) else {
                panic!("round 2");
            };
            for ((said, proofs), [gamma, first, second]) in said.iter_mut().zip(proofs).zip(wrong) {
                if gamma {
                    other(&mut said.Gamma);
                }
                for (proof, _) in [(&mut proofs.psi, first), (&mut proofs.psi_hat, second)]
                    .into_iter()
                    .filter(|(_, wrong)| *wrong)
                {
                    proof.z4 = proof.z4.neg();
                }
            }
        });
        assert_convicted(&outcome, "round 2", Charge::Broke(fault));
    }

    let outcome = lie(3, |broadcast, _| {
        let Broadcast::Round3(said) = broadcast else { panic!("round 3") };
        said.iter_mut().rev().for_each(|said| other(&mut said.Delta));
    });
    assert_convicted(&outcome, "round 3", Charge::Broke(Fault::ElogPrime { slot: 0 }));
}

type Shown = consign_cggmp24::presign::round3::Broadcast<Toy>;

#[test]
fn a_lie_about_delta_in_round_3_convicts() {
    let outcome = lie(3, |broadcast, _| {
        let Broadcast::Round3(said) = broadcast else { panic!("round 3") };
        other(&mut said[1].Delta);
    });
    assert_convicted(&outcome, "another Delta", Charge::Broke(Fault::ElogPrime { slot: 1 }));
}

/// The lies of round 3 that no proof of that round shows: the sums do, and then the liar owes an alert.
const UNPROVABLE: [fn(&mut Shown); 2] =
    [|said| said.delta = said.delta + Scalar::one(), |said| other(&mut said.S)];

/// Makes the liar stand by what it said: its closing echo is what the others heard, and it reveals nothing.
struct Consistent {
    echo: Option<consign_rounds::Hash>,
    held: Vec<Letter>,
}

impl Consistent {
    fn new() -> Self {
        Self { echo: None, held: Vec::new() }
    }

    fn pass(&mut self, keys: &TestKeys, letter: Letter) -> Vec<Letter> {
        let Message::Envelope(envelope) = &letter.message else {
            return if letter.message.claimed_sender() == party(LIAR) { vec![] } else { vec![letter] };
        };
        let header = envelope.signed.header;
        let mut out = vec![letter];
        if header.round == ROUND_LAST && header.from == party(LIAR) {
            self.held.append(&mut out);
        } else if header.round == ROUND_LAST {
            self.echo = Some(header.echo);
        }
        if let Some(echo) = self.echo {
            for mut letter in self.held.drain(..) {
                if let Message::Envelope(envelope) = &mut letter.message {
                    envelope.signed.header.echo = echo;
                    keys.reseal(envelope);
                }
                out.push(letter);
            }
        }
        out
    }
}

#[test]
fn sums_that_do_not_fit_convict_whoever_raises_no_alert() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 4, 1);
    let public = committee.presigning(&SIGNERS, 2);
    for change in UNPROVABLE {
        let mut consistent = Consistent::new();
        let outcome =
            committee.simulate_presigning(&public, 1).run(&mut |keys: &TestKeys, mut letter: Letter| {
                if is_said(&letter, 3) {
                    keys.rewrite::<Presign<Toy>>(&mut letter, |broadcast, _| {
                        let Broadcast::Round3(said) = broadcast else { panic!("round 3") };
                        change(&mut said[1]);
                    });
                }
                consistent.pass(keys, letter)
            });
        assert_convicted(&outcome, "no alert", Charge::Broke(Fault::NoAlert { slot: 1 }));
    }
}

#[test]
fn sums_that_do_not_fit_convict_whoever_signs_nevertheless() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 4, 5);
    let public = committee.signing(&SIGNERS, Digest::raw::<Toy>([1; 32]).unwrap());
    for change in UNPROVABLE {
        for signs in [true, false] {
            let mut consistent = Consistent::new();
            let simulation = committee.simulate_signing(&public, 5);
            let outcome = simulation.run(&mut |keys: &TestKeys, mut letter: Letter| {
                if is_said(&letter, 3) {
                    keys.rewrite::<Interactive<Toy>>(&mut letter, |broadcast, _| {
                        let interactive::Broadcast::Presign(Broadcast::Round3(said)) = broadcast else {
                            panic!("round 3");
                        };
                        change(&mut said[0]);
                    });
                }
                if is_said(&letter, 4) && !signs {
                    keys.rewrite::<Interactive<Toy>>(&mut letter, |broadcast, _| {
                        *broadcast = interactive::Broadcast::Presign(Broadcast::Closing);
                    });
                }
                consistent.pass(keys, letter)
            });
            let fault = interactive::Fault::Presign(Fault::NoAlert { slot: 0 });
            assert_convicted(&outcome, "no alert", Charge::Broke(fault));
        }
    }
}

#[test]
fn withholding_the_partial_signature_convicts() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 4, 6);
    let public = committee.signing(&SIGNERS, Digest::raw::<Toy>([1; 32]).unwrap());
    let outcome = committee.simulate_signing(&public, 6).run(&mut |keys: &TestKeys, mut letter: Letter| {
        if is_said(&letter, 4) {
            keys.rewrite::<Interactive<Toy>>(&mut letter, |broadcast, _| {
                *broadcast = interactive::Broadcast::Presign(Broadcast::Closing);
            });
        }
        vec![letter]
    });
    assert_convicted(&outcome, "withheld", Charge::Broke(interactive::Fault::Withheld));
}

#[test]
fn a_false_alarm_instead_of_the_partial_signature_convicts() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 4, 6);
    let public = committee.signing(&SIGNERS, Digest::raw::<Toy>([1; 32]).unwrap());
    let outcome = committee.simulate_signing(&public, 6).run(&mut |keys: &TestKeys, mut letter: Letter| {
        if is_said(&letter, 4) {
            keys.rewrite::<Interactive<Toy>>(&mut letter, |broadcast, _| {
                let (dec, responses) = (dec::Proof { repetitions: Vec::new() }, Vec::new());
                let alert = Broadcast::Alert(Box::new(Alert { dec, responses }));
                *broadcast = interactive::Broadcast::Presign(alert);
            });
        }
        vec![letter]
    });
    let fault = interactive::Fault::Presign(Fault::FalseAlarm);
    assert_convicted(&outcome, "false alarm", Charge::Broke(fault));
}

#[test]
fn two_versions_of_a_broadcast_convict() {
    for round in 1..=3 {
        let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 4, 2);
        let public = committee.presigning(&SIGNERS, 1);
        let simulation = committee.simulate_presigning(&public, 2);
        let outcome = simulation.run(&mut |keys: &TestKeys, mut letter: Letter| {
            if is_said(&letter, round) && letter.to == party(1) {
                keys.rewrite::<Presign<Toy>>(&mut letter, |broadcast, _| match broadcast {
                    Broadcast::Round1(said) => other(&mut said[0].Y),
                    Broadcast::Round2(said) => said[0].responses.swap(0, 1),
                    Broadcast::Round3(said) => other(&mut said[0].S),
                    Broadcast::Echo | Broadcast::Closing | Broadcast::Alert(_) => {}
                });
            }
            vec![letter]
        });
        // Party 1, who hears the lie, convicts: by a proof of rounds 1 and 2, by the closing echo of round 3, of which
        // party 4 learns too. Nobody honest is accused, or has a result.
        assert!(outcome.finished.keys().all(|&me| me == party(LIAR)), "round {round}");
        assert!(outcome.culprits(party(1)).into_iter().eq([party(LIAR)]), "round {round}");
        let by_4: Vec<_> = outcome.culprits(party(4)).into_iter().collect();
        if round == 3 {
            assert_eq!(by_4, [party(LIAR)]);
            assert_eq!(outcome.verdicts[&party(1)][0].charge, Charge::Equivocation);
        } else {
            assert!(by_4.is_empty() || by_4 == [party(LIAR)], "round {round}");
        }
    }
}

#[test]
fn a_wrong_partial_signature_convicts() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 4, 3);
    let public = committee.signing(&SIGNERS, Digest::raw::<Toy>([1; 32]).unwrap());
    let simulation = committee.simulate_signing(&public, 3);
    let outcome = simulation.run(&mut |keys: &TestKeys, mut letter: Letter| {
        if is_said(&letter, 4) {
            keys.rewrite::<Interactive<Toy>>(&mut letter, |broadcast, _| {
                let interactive::Broadcast::Partial(sigma) = broadcast else { panic!("round 4") };
                *sigma = *sigma + Scalar::one();
            });
        }
        vec![letter]
    });
    assert_convicted(&outcome, "sigma", Charge::Broke(interactive::Fault::Partial));
}

#[test]
fn limits_leave_little_room() {
    // Messages of every round fill at least four fifths of what is allowed, and never more.
    let committee = Committee::<Secp256k1>::dealt(Level::Fast, 3, 4, 4);
    let public = committee.presigning(&SIGNERS, 2);
    let mut seen = std::collections::BTreeSet::new();
    let fills = |length: usize, limit: usize| length <= limit && (limit < 100 || length * 5 >= limit * 4);
    let outcome = committee.simulate_presigning(&public, 4).run(&mut |keys: &TestKeys, letter: Letter| {
        if let Message::Envelope(envelope) = &letter.message {
            let round = envelope.signed.header.round;
            let limit = Presign::max_broadcast_bytes(&public, round);
            let length = envelope.broadcast.len();
            // The last round has room for an alert, which the tests of alerts measure.
            let is_measured = round != ROUND_LAST;
            assert!(
                !is_measured || fills(length, limit),
                "round {round}: a broadcast of {length} of {limit}"
            );
            let limit = Presign::max_direct_bytes(&public, round);
            let length = envelope.direct.len();
            assert!(fills(length, limit), "round {round}: a direct part of {length} of {limit}");
            seen.insert(round);
        }
        honest(keys, letter)
    });
    assert_eq!(outcome.finished.len(), 3);
    assert!(seen.into_iter().eq(1..=5));
}
