//! Group D: multiplication of shares, presigning. What only the alerts decide is in group E.

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, Point, Scalar, Secp256k1, Toy};
use consign_cggmp24::presign::testing::{Committed, Which, committed, increment};
use consign_cggmp24::presign::{
    self, Broadcast, Direct, Fault, Presign, PresignError, ROUND_1, ROUND_2, ROUND_3, ROUND_ECHO, ROUND_LAST,
    round1, round2,
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

mod batches;
mod consistency;
mod proofs;
mod shape;

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
