//! Group D: multiplication of shares, presigning. The alerts of group E come later: what only they could decide ends
//! without a culprit and without a presignature.

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, Point, Scalar, Secp256k1, Toy};
use consign_cggmp24::presign::testing::{Committed, Which, committed, increment};
use consign_cggmp24::presign::{
    self, Broadcast, Direct, Fault, Presign, PresignError, ROUND_1, ROUND_2, ROUND_3, ROUND_ECHO, ROUND_LAST,
    round1, round2, round3,
};
use consign_cggmp24::ssid;
use consign_cggmp24::testing::{Committee, NONCE, subset};
use consign_modexp::BoxedUint;
use consign_rounds::sim::{Adversary, Letter, Outcome, SimRng, Simulation, TestKeys, honest, party};
use consign_rounds::{Bytes, Charge, Failure, PartyIndex, PerParty, decode};
use consign_zk::context::{Context, Role};
use consign_zk::integer::Integer;
use consign_zk::natural::Natural;
use consign_zk::paillier::{Affine, Ciphertext, EncryptionKey, Nonce};
use consign_zk::ring_pedersen::RingPedersen;
use consign_zk::{aff_g, enc_elg};
use rand_core::SeedableRng;

use crate::common::*;

type Pre = Presign<Toy>;

/// Presigning among three of three, party 2 of which lies.
struct Scene<C: Curve> {
    committee: Committee<C>,
    public: Arc<presign::Public<C>>,
    signers: u16,
}

fn scene(batch: u32) -> Scene<Toy> {
    scene_at(Level::Tiny, 3, batch)
}

fn scene_at<C: Curve>(level: Level, signers: u16, batch: u32) -> Scene<C> {
    let committee = Committee::<C>::dealt(level, signers, signers, 1);
    let public = committee.presigning(&(1..=signers).collect::<Vec<_>>(), batch);
    Scene { committee, public, signers }
}

impl<C: Curve> Scene<C> {
    fn simulate(&self, seed: u64) -> Simulation<Presign<C>> {
        self.committee.simulate_presigning(&self.public, seed)
    }

    fn run(&self, adversary: &mut Adversary<'_>) -> Outcome<Presign<C>> {
        self.simulate(1).run(adversary)
    }

    /// The lie is in a broadcast: everybody convicts.
    fn convicts(&self, what: &str, fault: Fault, adversary: &mut Adversary<'_>) {
        let outcome = self.run(adversary);
        assert_convicted(what, &outcome, self.signers, &[2], Charge::Broke(fault));
    }

    /// The lie is in what `victims` alone received.
    fn convicts_by(&self, what: &str, victims: &[u16], fault: Fault, adversary: &mut Adversary<'_>) {
        let outcome = self.run(adversary);
        assert_convicted_by(what, &outcome, self.signers, victims, 2, Charge::Broke(fault));
    }

    /// Party 2 has secrets replaced after `round`.
    fn corrupted(&self, round: u8, which: Which) -> Outcome<Presign<C>> {
        // A delivery in which party 2 does not skip that round: messages may come early.
        let reached = |seed| {
            let mut simulation = self.simulate(seed);
            while simulation.session(party(2)).unwrap().round() < round {
                assert!(simulation.step(&mut honest));
            }
            (simulation.session(party(2)).unwrap().round() == round).then_some(simulation)
        };
        let mut simulation = (1..100).find_map(reached).expect("some order");
        simulation.corrupt(party(2), |state| increment(state, 0, which));
        simulation.run(&mut honest)
    }

    /// Public keys of a party.
    fn keys(&self, of: PartyIndex) -> (EncryptionKey, RingPedersen) {
        let identity = self.public.signers().identity(of).unwrap();
        self.committee.aux_public().of(identity).unwrap().keys(self.committee.key().level).unwrap()
    }

    /// A simulation, and what party 2 has committed to in slot 0.
    fn opened(&self) -> (Simulation<Presign<C>>, Committed<C>) {
        let mut simulation = self.simulate(1);
        let mut secrets = None;
        simulation.corrupt(party(2), |state| {
            secrets = committed(&state, 0);
            state
        });
        (simulation, secrets.unwrap())
    }
}

/// An adversary that alters one slot of what party 2 says in round 1.
fn lie1(
    slot: usize,
    mut lie: impl FnMut(u16, &mut round1::Broadcast<Toy>, &mut round1::Direct<Toy>),
) -> impl FnMut(&TestKeys, Letter) -> Vec<Letter> {
    liar::<Pre>(2, 1, move |to, said, direct| {
        let (Broadcast::Round1(said), Direct::Round1(direct)) = (said, direct) else { panic!("round 1") };
        lie(to, &mut said[slot], &mut direct[slot]);
    })
}

fn lie2(
    slot: usize,
    mut lie: impl FnMut(u16, &mut round2::Broadcast<Toy>, &mut round2::Direct<Toy>),
) -> impl FnMut(&TestKeys, Letter) -> Vec<Letter> {
    liar::<Pre>(2, ROUND_2, move |to, said, direct| {
        let (Broadcast::Round2(said), Direct::Round2(direct)) = (said, direct) else { panic!("round 2") };
        lie(to, &mut said[slot], &mut direct[slot]);
    })
}

fn lie3(
    slot: usize,
    mut lie: impl FnMut(&mut round3::Broadcast<Toy>),
) -> impl FnMut(&TestKeys, Letter) -> Vec<Letter> {
    liar::<Pre>(2, ROUND_3, move |_, said, _| {
        let Broadcast::Round3(said) = said else { panic!("round 3") };
        lie(&mut said[slot]);
    })
}

/// `2^bits`.
fn power(bits: u32) -> Integer {
    Integer::from_natural(&BoxedUint::one_with_precision(bits + 64).shl_vartime(bits).unwrap())
}

/// `value + q * 2^bits`: the same modulo `q`.
fn oversized(value: &Scalar<Toy>, bits: u32) -> Integer {
    value.to_integer().add(&Integer::from_natural(&Toy::order()).mul(&power(bits)))
}

fn number(k: u32) -> Natural {
    Natural::new(&BoxedUint::from(k))
}

/// Party 2's `K` anew with the plaintext `x`, and its proofs made with that witness for every recipient.
fn forge_round_1(
    scene: &Scene<Toy>,
    secrets: &Committed<Toy>,
    x: &Integer,
    said: &mut round1::Broadcast<Toy>,
) -> PerParty<enc_elg::Proof<Toy>> {
    let mut rng = SimRng::seed_from_u64(5);
    let key = scene.committee.aux[&party(2)].paillier();
    let rho = Nonce::random(key.public(), &mut rng);
    said.K = key.encrypt(&[(x, &rho)]).pop().unwrap();
    let session = ssid::slot(scene.public.session(&NONCE), 0, scene.public.batch());
    let prove = |to: PartyIndex| {
        let (_, ring) = scene.keys(to);
        let statement = enc_elg::Statement {
            prover: key.public(),
            C: &said.K,
            A: said.Y,
            B: said.A.randomness,
            X: said.A.value,
            rp: &ring,
        };
        let context = context(&session, Role::Psi0, 1, to);
        let witness = enc_elg::Witness { x, rho: &rho, b: &secrets.a };
        (to, enc_elg::prove(&context, &statement, &witness, key, &mut rng))
    };
    scene.public.signers().others(party(2)).map(prove).collect()
}

fn context<'a>(session: &'a [u8; 32], role: Role, round: u8, to: PartyIndex) -> Context<'a> {
    let verifier = Some(to.get());
    Context { level: Level::Tiny, session, role, round, prover: 2, verifier, rid: None }
}

/// How party 2 computes a response dishonestly: the factor in `D`, the summands in `D` and `F`, for the share or not.
struct Recipe {
    x: Integer,
    in_d: Integer,
    in_f: Integer,
    hat: bool,
}

/// Party 2's response to everybody, by the recipe, each with its proof.
fn forge_round_2(
    scene: &Scene<Toy>,
    K: &PerParty<Ciphertext>,
    Gamma: Point<Toy>,
    recipe: &Recipe,
    old: &mut [round2::Response],
) -> PerParty<aff_g::Proof<Toy>> {
    let mut rng = SimRng::seed_from_u64(6);
    let key = scene.committee.aux[&party(2)].paillier();
    let session = ssid::slot(scene.public.session(&NONCE), 0, scene.public.batch());
    let mut proofs = PerParty::new();
    for (to, response) in scene.public.signers().others(party(2)).zip(old) {
        let (receiver, ring) = scene.keys(to);
        let (rho, rho_y) = (Nonce::random(&receiver, &mut rng), Nonce::random(key.public(), &mut rng));
        let affine = Affine { ciphertext: &K[&to], x: &recipe.x, y: &recipe.in_d, rho: &rho };
        let D = receiver.affine(&[affine]).unwrap().pop().unwrap();
        let F = key.encrypt(&[(&recipe.in_f, &rho_y)]).pop().unwrap();
        if recipe.hat {
            (response.D_hat, response.F_hat) = (D, F);
        } else {
            (response.D, response.F) = (D, F);
        }
        let (D, F, X, role) = if recipe.hat {
            let lambda = consign_zk::feldman::lagrange_at_zero(&[1, 2, 3], 2).unwrap();
            let X = *scene.committee.key().public_share(party(2)).unwrap() * lambda;
            (&response.D_hat, &response.F_hat, X, Role::PsiHat)
        } else {
            (&response.D, &response.F, Gamma, Role::Psi)
        };
        let statement =
            aff_g::Statement { receiver: &receiver, prover: key.public(), C: &K[&to], D, Y: F, X, rp: &ring };
        let witness = aff_g::Witness { x: &recipe.x, y: &recipe.in_d, rho: &rho, rho_y: &rho_y };
        let context = context(&session, role, 2, to);
        proofs.insert(to, aff_g::prove(&context, &statement, &witness, key, &mut rng).unwrap());
    }
    proofs
}

/// Party 2 answers in round 2 by a recipe, and stops: what it computed itself is something else.
fn with_recipe(scene: &Scene<Toy>, recipe: impl Fn(&Committed<Toy>) -> Recipe) -> Outcome<Pre> {
    let (simulation, secrets) = scene.opened();
    let recipe = recipe(&secrets);
    let mut K = PerParty::new();
    simulation.run(&mut deaf(2, ROUND_2, |keys: &TestKeys, mut letter: Letter| {
        if let Some(h) = header(&letter).filter(|h| h.round == 1) {
            let Ok(Broadcast::Round1(said)) = decode(&envelope(&letter).unwrap().broadcast, usize::MAX)
            else {
                panic!("round 1")
            };
            let said: Vec<round1::Broadcast<Toy>> = said;
            K.insert(h.from, said[0].K.clone());
        }
        if is_said(&letter, 2, ROUND_2) {
            let to = letter.to;
            keys.rewrite::<Pre>(&mut letter, |said, direct| {
                let (Broadcast::Round2(said), Direct::Round2(direct)) = (said, direct) else {
                    panic!("round 2")
                };
                let Gamma = said[0].Gamma;
                let proofs = forge_round_2(scene, &K, Gamma, &recipe, &mut said[0].responses);
                let slot = if recipe.hat { &mut direct[0].psi_hat } else { &mut direct[0].psi };
                *slot = proofs[&to].clone();
            });
        }
        vec![letter]
    }))
}

fn honest_recipe(secrets: &Committed<Toy>, hat: bool) -> Recipe {
    let x = if hat { secrets.w } else { secrets.gamma };
    Recipe { x: x.to_integer(), in_d: power(10), in_f: power(10), hat }
}

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

mod a42_a43_inconsistent_secrets {
    use super::*;

    #[test]
    fn convicts() {
        let scene = scene(1);
        // Other commitments than plaintexts.
        let other = Point::<Toy>::generator();
        let psi0 = Fault::Psi0 { slot: 0 };
        scene.convicts("A_2", psi0, &mut lie1(0, |_, said, _| said.A.value = said.A.value + other));
        scene.convicts("A_1", psi0, &mut lie1(0, |_, said, _| said.A.randomness = said.A.randomness + other));
        let psi1 = Fault::Psi1 { slot: 0 };
        scene.convicts("B_2", psi1, &mut lie1(0, |_, said, _| said.B.value = said.B.value + other));
        scene.convicts("Y", psi0, &mut lie1(0, |_, said, _| said.Y = said.Y + other));
        // Re-proved with the true plaintext k + 1, which is short.
        let (simulation, secrets) = scene.opened();
        let x = (secrets.k + Scalar::one()).to_integer();
        let outcome = simulation.run(&mut lie1(0, |to, said, direct| {
            direct.psi0 = forge_round_1(&scene, &secrets, &x, said)[&party(to)].clone();
        }));
        assert_convicted("k in K, k - 1 in A", &outcome, 3, &[2], Charge::Broke(psi0));
        // Another gamma in round 2 and another k in round 3 than were committed to.
        let elog = Charge::Broke(Fault::Elog { slot: 0 });
        assert_convicted("gamma", &scene.corrupted(1, Which::Mask), 3, &[2], elog);
        let elog = Charge::Broke(Fault::ElogPrime { slot: 0 });
        assert_convicted("k", &scene.corrupted(1, Which::Nonce), 3, &[2], elog);
        assert_convicted("k", &scene.corrupted(ROUND_2, Which::Nonce), 3, &[2], elog);
    }

    #[test]
    fn convicts_a_rushing_gamma() {
        // Party 2 waits for all other Gamma and picks its own so that the sum is G.
        let scene = scene(1);
        let (mut held, mut others) = (Vec::new(), PerParty::new());
        let outcome = scene.run(&mut |keys: &TestKeys, letter: Letter| {
            let Some(h) = header(&letter).filter(|h| h.round == ROUND_2) else { return vec![letter] };
            let mut out = vec![];
            if h.from == party(2) {
                held.push(letter);
            } else {
                let said = decode::<Broadcast<Toy>>(&envelope(&letter).unwrap().broadcast, usize::MAX);
                let Ok(Broadcast::Round2(said)) = said else { panic!("round 2") };
                others.insert(h.from, said[0].Gamma);
                out.push(letter);
            }
            if others.len() == 2 {
                let sum: Point<Toy> = others.values().copied().sum();
                for mut letter in held.drain(..) {
                    keys.rewrite::<Pre>(&mut letter, |said, _| {
                        let Broadcast::Round2(said) = said else { panic!("round 2") };
                        said[0].Gamma = Point::generator() - sum;
                    });
                    out.push(letter);
                }
            }
            out
        });
        assert_convicted("rushing", &outcome, 3, &[2], Charge::Broke(Fault::Elog { slot: 0 }));
    }

    #[test]
    fn does_not_frame() {
        // Late is not wrong.
        let scene = scene(1);
        for round in 1..=ROUND_LAST {
            let mut held = Vec::new();
            let mut others = 0;
            let outcome = scene.run(&mut |_: &TestKeys, letter: Letter| {
                let Some(h) = header(&letter).filter(|h| h.round == round) else { return vec![letter] };
                if h.from == party(2) {
                    held.push(letter);
                } else {
                    others += 1;
                    held.push(letter);
                }
                if others == 4 && held.len() == 6 { std::mem::take(&mut held) } else { vec![] }
            });
            assert_all_finished("late", &outcome, 3);
        }
    }
}

mod a44_wrong_share {
    use super::*;

    #[test]
    fn convicts() {
        let scene = scene(1);
        let charge = Charge::Broke(Fault::PsiHat { slot: 0 });
        assert_convicted("w + 1", &scene.corrupted(1, Which::Share), 3, &[2], charge);
        // The share without its Lagrange coefficient, with a proof for that.
        let lambda = consign_zk::feldman::lagrange_at_zero::<Toy>(&[1, 2, 3], 2).unwrap().invert().unwrap();
        let recipe = |s: &Committed<Toy>| Recipe { x: (s.w * lambda).to_integer(), ..honest_recipe(s, true) };
        assert_convicted("x without lambda", &with_recipe(&scene, recipe), 3, &[2], charge);
        let recipe = |s: &Committed<Toy>| Recipe { x: s.gamma.to_integer(), ..honest_recipe(s, true) };
        assert_convicted("gamma for w", &with_recipe(&scene, recipe), 3, &[2], charge);
        let recipe = |s: &Committed<Toy>| Recipe { x: s.w.to_integer(), ..honest_recipe(s, false) };
        let charge = Charge::Broke(Fault::Psi { slot: 0 });
        assert_convicted("w for gamma", &with_recipe(&scene, recipe), 3, &[2], charge);
    }

    #[test]
    fn does_not_frame() {
        // The key held in another order or by more parties than sign: coefficients differ, nobody is at fault.
        let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 5, 4);
        for signers in [[1, 5], [2, 4], [3, 5]] {
            let public = committee.presigning(&signers, 1);
            let outcome = committee.simulate_presigning(&public, 1).run(&mut honest);
            assert_nobody_accused("subset", &outcome);
            assert_eq!(outcome.finished.len(), 2);
        }
    }
}

mod a45_other_mask_in_f {
    use super::*;

    #[test]
    fn convicts() {
        let scene = scene(1);
        for hat in [false, true] {
            let fault = if hat { Fault::PsiHat { slot: 0 } } else { Fault::Psi { slot: 0 } };
            let recipe = |s: &Committed<Toy>| Recipe { in_f: power(11), ..honest_recipe(s, hat) };
            assert_convicted("F", &with_recipe(&scene, recipe), 3, &[2], Charge::Broke(fault));
        }
    }

    #[test]
    fn does_not_frame() {
        let scene = scene(1);
        for hat in [false, true] {
            assert_nobody_accused("same b", &with_recipe(&scene, |s| honest_recipe(s, hat)));
        }
    }
}

mod a46_equivocation {
    use super::*;

    /// Party 2 shows party 1 another K than the others, each with a good proof. Also what everybody sent.
    fn split() -> (Outcome<Pre>, Record) {
        let scene = scene(1);
        let mut sent = Record::default();
        let (simulation, secrets) = scene.opened();
        let x = secrets.k.to_integer();
        let mut lie = lie1(0, |to, said, direct| {
            if to == 1 {
                direct.psi0 = forge_round_1(&scene, &secrets, &x, said)[&party(to)].clone();
            }
        });
        let outcome = simulation.run(&mut |keys: &TestKeys, letter: Letter| {
            sent.note(&letter);
            lie(keys, letter)
        });
        (outcome, sent)
    }

    #[test]
    fn convicts() {
        let (outcome, sent) = split();
        assert_convicted("two K", &outcome, 3, &[2], Charge::Equivocation);
        // Nobody honest has computed with either K: no D was sent.
        assert_eq!([1, 3].map(|me| sent.last_round(me)), [ROUND_ECHO; 2]);
    }

    #[test]
    fn convicts_in_rounds_2_and_3() {
        let scene = scene(1);
        let outcome = scene.run(&mut liar::<Pre>(2, ROUND_3, |to, said, _| {
            let Broadcast::Round3(said) = said else { panic!("round 3") };
            if to == 1 {
                said[0].S = said[0].S + Point::generator();
            }
        }));
        // Party 1 sees (X) fail and has no culprit; party 3 may have a presignature, but not one that it may use.
        for me in [1, 3] {
            assert!(culprits(&outcome, me).iter().all(|culprit| *culprit == 2));
            assert!(!outcome.finished.contains_key(&party(me)), "{me}");
        }
    }

    #[test]
    fn does_not_frame() {
        // The one who was told something else echoes what it heard and is not convicted for that.
        let (outcome, _) = split();
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]));
        }
    }
}

mod a47_selective_failure {
    use super::*;

    #[test]
    fn convicts() {
        // A malformed product for one victim: the victim refuses before it decrypts, and can prove it. (That the
        // culprit is excluded afterwards is the node's part.)
        let scene = scene(1);
        for bit in 0..8 {
            let fault = Fault::PsiHat { slot: 0 };
            scene.convicts_by(
                "D^",
                &[1],
                fault,
                &mut deaf(
                    2,
                    ROUND_2,
                    lie2(0, |_, said, _| {
                        let flipped = said.responses[0].D_hat.natural().value().clone();
                        let one =
                            BoxedUint::one_with_precision(flipped.bits_precision()).shl_vartime(bit).unwrap();
                        said.responses[0].D_hat = Ciphertext::new(&flipped.bitxor(&one));
                    }),
                ),
            );
        }
    }

    #[test]
    fn does_not_frame() {
        // The victim's silence afterwards convicts nobody.
        let scene = scene(1);
        let outcome = scene.run(&mut |_: &TestKeys, letter: Letter| {
            if is_said(&letter, 1, ROUND_3) { vec![] } else { vec![letter] }
        });
        assert_nobody_accused("silent", &outcome);
        let Some(Failure::Unattributed { silent, .. }) = outcome.failures[&party(3)].first() else {
            panic!("party 3 waits")
        };
        assert_eq!(silent[..], [party(1)]);
    }
}

mod a49_missing_entries {
    use super::*;

    #[test]
    fn convicts() {
        let scene = scene(1);
        let fault = Fault::Responses { slot: 0 };
        scene.convicts("one less", fault, &mut lie2(0, |_, said, _| said.responses.truncate(1)));
        scene.convicts("none", fault, &mut lie2(0, |_, said, _| said.responses.clear()));
        let outcome = scene.run(&mut lie2(0, |_, said, _| {
            let again = said.responses[0].clone();
            said.responses.push(again);
        }));
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]), "one more");
        }
        // Exchanged: each is under the other's key.
        let outcome = scene.run(&mut lie2(0, |_, said, _| said.responses.swap(0, 1)));
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]), "swapped");
        }
    }

    #[test]
    fn does_not_frame() {
        let scene = scene_at::<Toy>(Level::Tiny, 4, 1);
        let outcome = scene.run(&mut honest);
        assert_all_finished("three responses each", &outcome, 4);
    }
}

mod a4a_signers {
    use super::*;

    #[test]
    fn convicts() {
        // R: refused before anything is sent.
        let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 5, 1);
        let refused = |signers: &[u16]| {
            presign::Public::new(committee.key(), committee.aux_public(), subset(signers), 1).err().unwrap()
        };
        assert_eq!(refused(&[1, 2]), PresignError::SignerCount { needed: 3, given: 2 });
        assert_eq!(refused(&[1, 2, 3, 4]), PresignError::SignerCount { needed: 3, given: 4 });
        assert_eq!(refused(&[1, 2, 6]), PresignError::Outsider(party(6)));
    }

    #[test]
    fn does_not_frame() {
        let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 5, 1);
        for signers in [[1, 2, 3], [1, 3, 5], [3, 4, 5]] {
            let public = presign::Public::new(committee.key(), committee.aux_public(), subset(&signers), 1);
            assert!(public.is_ok());
        }
    }
}

mod a4b_slots {
    use super::*;

    #[test]
    fn convicts() {
        let scene = scene(2);
        let both = |lie: fn(&mut Vec<round1::Broadcast<Toy>>, &mut Vec<round1::Direct<Toy>>)| {
            liar::<Pre>(2, 1, move |_, said, direct| {
                let (Broadcast::Round1(said), Direct::Round1(direct)) = (said, direct) else {
                    panic!("round 1")
                };
                lie(said, direct);
            })
        };
        let slot_0 = Fault::Psi0 { slot: 0 };
        scene.convicts("proofs swapped", slot_0, &mut both(|_, direct| direct.swap(0, 1)));
        scene.convicts(
            "slots swapped",
            slot_0,
            &mut both(|said, direct| {
                said.swap(0, 1);
                direct.swap(0, 1);
            }),
        );
        scene.convicts(
            "same K in two slots",
            Fault::Psi0 { slot: 1 },
            &mut both(|said, direct| {
                said[1] = said[0].clone();
                direct[1] = direct[0].clone();
            }),
        );
        scene.convicts(
            "one slot less",
            Fault::Slots,
            &mut both(|said, direct| {
                said.pop();
                direct.pop();
            }),
        );
        scene.convicts(
            "no slot",
            Fault::Slots,
            &mut both(|said, direct| {
                said.clear();
                direct.clear();
            }),
        );
        scene.convicts("a proof less", Fault::Slots, &mut both(|_, direct| direct.truncate(1)));
        let outcome = scene.run(&mut both(|said, direct| {
            said.push(said[0].clone());
            direct.push(direct[0].clone());
        }));
        for me in [1, 3] {
            assert!(culprits(&outcome, me).into_iter().eq([2]), "one slot more");
        }
    }

    #[test]
    fn convicts_in_later_rounds() {
        let scene = scene(2);
        let swap = liar::<Pre>(2, ROUND_2, |_, said, direct| {
            let (Broadcast::Round2(said), Direct::Round2(direct)) = (said, direct) else { panic!("round 2") };
            said.swap(0, 1);
            direct.swap(0, 1);
        });
        scene.convicts("round 2", Fault::Elog { slot: 0 }, &mut { swap });
        let swap = liar::<Pre>(2, ROUND_2, |_, _, direct| {
            let Direct::Round2(direct) = direct else { panic!("round 2") };
            direct.swap(0, 1);
        });
        scene.convicts("proofs of round 2", Fault::Psi { slot: 0 }, &mut { swap });
        let swap = liar::<Pre>(2, ROUND_3, |_, said, _| {
            let Broadcast::Round3(said) = said else { panic!("round 3") };
            said.swap(0, 1);
        });
        scene.convicts("round 3", Fault::ElogPrime { slot: 0 }, &mut { swap });
        let less = liar::<Pre>(2, ROUND_3, |_, said, _| {
            let Broadcast::Round3(said) = said else { panic!("round 3") };
            said.pop();
        });
        scene.convicts("round 3, one less", Fault::Slots, &mut { less });
        scene.convicts(
            "second slot",
            Fault::Psi { slot: 1 },
            &mut lie2(1, |_, _, direct| {
                direct.psi.z1 = direct.psi.z1.add(&power(0));
            }),
        );
    }

    #[test]
    fn does_not_frame() {
        let scene = scene(3);
        let outcome = scene.run(&mut honest);
        assert_all_finished("batch of three", &outcome, 3);
        let ids: Vec<Vec<_>> =
            outcome.finished.values().map(|f| f.output.iter().map(|p| p.id()).collect()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
        let mut all = ids[0].clone();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 3);
    }
}

mod a23_roles {
    use super::*;

    #[test]
    fn convicts() {
        // Proofs of the same kind in each other's place, and for each other's verifier.
        let scene = scene(1);
        scene.convicts(
            "psi0 for psi1",
            Fault::Psi0 { slot: 0 },
            &mut lie1(0, |_, _, direct| {
                std::mem::swap(&mut direct.psi0, &mut direct.psi1);
            }),
        );
        scene.convicts(
            "psi for psi^",
            Fault::Psi { slot: 0 },
            &mut lie2(0, |_, said, direct| {
                std::mem::swap(&mut direct.psi, &mut direct.psi_hat);
                for response in &mut said.responses {
                    std::mem::swap(&mut response.D, &mut response.D_hat);
                    std::mem::swap(&mut response.F, &mut response.F_hat);
                }
            }),
        );
        for round in [ROUND_1, ROUND_2] {
            let mut parts = BTreeMap::new();
            let mut held = Vec::new();
            let outcome = scene.run(&mut |keys: &TestKeys, letter: Letter| {
                if !is_said(&letter, 2, round) {
                    return vec![letter];
                }
                parts.insert(letter.to.get(), envelope(&letter).unwrap().direct.clone());
                held.push(letter);
                if held.len() < 2 {
                    return vec![];
                }
                let swap = |mut letter: Letter| {
                    let other = 4 - letter.to.get();
                    let envelope = envelope_mut(&mut letter);
                    envelope.direct = parts[&other].clone();
                    keys.reseal(envelope);
                    letter
                };
                held.drain(..).map(swap).collect()
            });
            let fault = if round == ROUND_1 { Fault::Psi0 { slot: 0 } } else { Fault::Psi { slot: 0 } };
            assert_convicted("verifiers swapped", &outcome, 3, &[2], Charge::Broke(fault));
        }
    }

    #[test]
    fn convicts_a_copier() {
        // Party 2 says in round 1 what party 1 said.
        let scene = scene(1);
        let mut first: Option<(Bytes, Bytes)> = None;
        let mut held = Vec::new();
        let outcome = scene.run(&mut |keys: &TestKeys, letter: Letter| {
            if is_said(&letter, 1, 1) && letter.to == party(3) {
                let e = envelope(&letter).unwrap();
                first = Some((e.broadcast.clone(), e.direct.clone()));
            }
            let mut out = vec![];
            if is_said(&letter, 2, 1) {
                held.push(letter)
            } else {
                out.push(letter)
            }
            if let Some((broadcast, direct)) = &first {
                for mut letter in held.drain(..) {
                    let envelope = envelope_mut(&mut letter);
                    (envelope.broadcast, envelope.direct) = (broadcast.clone(), direct.clone());
                    keys.reseal(envelope);
                    out.push(letter);
                }
            }
            out
        });
        assert_convicted("copy", &outcome, 3, &[2], Charge::Broke(Fault::Psi0 { slot: 0 }));
    }

    #[test]
    fn convicts_replay_of_another_session() {
        // The same committee presigns twice; in the second session party 2 says what it said in the first.
        let scene = scene(1);
        let (old, _) = record(scene.simulate(1));
        let other = scene.public.session(&[1; 32]);
        let simulation = consign_cggmp24::testing::simulate(
            2,
            other,
            scene.public.signers(),
            scene.public.clone(),
            |me, rng| {
                presign::start(
                    &scene.public,
                    other,
                    &scene.committee.shares[&me],
                    &scene.committee.aux[&me],
                    rng,
                )
                .unwrap()
            },
        );
        let outcome = simulation.run(&mut garbler(2, 1, |to, e| {
            let old = old.find(2, to, 1);
            (e.broadcast, e.direct) = (old.broadcast.clone(), old.direct.clone());
        }));
        assert_convicted("replay", &outcome, 3, &[2], Charge::Broke(Fault::Psi0 { slot: 0 }));
    }

    #[test]
    fn does_not_frame() {
        // A direct part shown as meant for another does not convict its author.
        let scene = scene(1);
        let simulation = scene.simulate(3);
        let keys = simulation.keys().clone();
        let (sent, _) = record(simulation);
        for round in [ROUND_1, ROUND_2] {
            let mut shown = sent.find(2, 1, round).clone();
            shown.direct = sent.find(2, 3, round).direct.clone();
            let evidence = consign_rounds::Evidence::Misbehaviour { before: sent.past(round), charge: shown };
            assert_eq!(evidence.judge::<Pre>(&scene.public, scene.public.session(&NONCE), &*keys), None);
        }
    }
}

mod until_there_are_alerts {
    use super::*;

    #[test]
    fn wrong_sums_leave_no_presignature_and_no_culprit() {
        // U. Nobody has anything to use, and nobody is accused on a guess.
        let scene = scene(2);
        for slot in [0, 1] {
            let number = u32::try_from(slot).unwrap();
            let outcome = scene.run(&mut lie3(slot, |said| said.delta = said.delta + Scalar::one()));
            assert_failed(&outcome, presign::Failure::Nonce { slot: number });
            let outcome = scene.run(&mut lie3(slot, |said| said.S = said.S + Point::generator()));
            assert_failed(&outcome, presign::Failure::Chi { slot: number });
        }
        // Consistent liars: another share or mask in round 3 than in round 2.
        assert_failed(&scene.corrupted(ROUND_2, Which::Share), presign::Failure::Chi { slot: 0 });
        assert_failed(&scene.corrupted(ROUND_2, Which::Mask), presign::Failure::Nonce { slot: 0 });
    }

    fn assert_failed(outcome: &Outcome<Pre>, failure: presign::Failure) {
        assert_nobody_accused("wrong sums", outcome);
        assert!(outcome.finished.is_empty());
        for me in [1, 3] {
            let reported = &outcome.failures[&party(me)];
            assert!(reported.contains(&Failure::Protocol(failure)), "{me}: {reported:?}");
        }
    }
}

#[test]
fn lies_convict_at_full_size() {
    let scene = scene_at::<Secp256k1>(Level::L128, 2, 1);
    let outcome = scene.run(&mut liar::<Presign<Secp256k1>>(2, ROUND_2, |_, _, direct| {
        let Direct::Round2(direct) = direct else { panic!("round 2") };
        direct[0].psi_hat.z2 = direct[0].psi_hat.z2.add(&power(0));
    }));
    assert_convicted("psi^", &outcome, 2, &[2], Charge::Broke(Fault::PsiHat { slot: 0 }));
    let outcome = scene.run(&mut liar::<Presign<Secp256k1>>(2, 1, |_, said, _| {
        let Broadcast::Round1(said) = said else { panic!("round 1") };
        said[0].A.value = said[0].A.value + Point::generator();
    }));
    assert_convicted("A_2", &outcome, 2, &[2], Charge::Broke(Fault::Psi0 { slot: 0 }));
    assert_convicted(
        "gamma",
        &scene.corrupted(1, Which::Mask),
        2,
        &[2],
        Charge::Broke(Fault::Elog { slot: 0 }),
    );
}
