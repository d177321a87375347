//! Prove and verify, each proof at both release levels, with ready-made primes.
//!
//! `cargo bench -p consign-zk --bench proofs` measures; `cargo test -p consign-zk --bench proofs` runs each once.

#![allow(non_snake_case, reason = "the paper's letters are kept")]
#![allow(clippy::unwrap_used, reason = "benches")]

use consign_zk::BoxedUint;
use consign_zk::context::{Context, Role};
use consign_zk::curve::{Point, Scalar, Secp256k1};
use consign_zk::integer::Integer;
use consign_zk::level::Level;
use consign_zk::paillier::{Affine, Ciphertext, Nonce};
use consign_zk::testing::{Party, party};
use consign_zk::{aff_g, aff_g_star, dec, elgamal, elog, enc_elg, fac, paillier_blum, prm, sch};
use divan::Bencher;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

type C = Secp256k1;

const LEVELS: [Level; 2] = [Level::L112, Level::L128];

fn main() {
    divan::main();
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn context(level: Level, role: Role) -> Context<'static> {
    Context { level, session: &[7; 32], role, round: 2, prover: 0, verifier: Some(1), rid: Some(&[9; 32]) }
}

/// Two parties and what one proves to the other.
struct Case {
    level: Level,
    prover: Party,
    verifier: Party,
    /// The prover's value.
    x: Integer,
    /// Its nonce under the prover's key.
    rho: Nonce,
    /// Randomness of its ElGamal commitment.
    b: Scalar<C>,
    key: Point<C>,
    commitment: elgamal::Commitment<C>,
    ciphertext: Ciphertext,
    /// The verifier's ciphertext, the mask, its nonces, and what came out.
    K: Ciphertext,
    y: Integer,
    nonces: [Nonce; 2],
    D: Ciphertext,
    Y: Ciphertext,
}

impl Case {
    fn new(level: Level) -> Self {
        let mut rng = rng();
        let (prover, verifier) = (party(level, 0, 1), party(level, 1, 1));
        let x = Scalar::<C>::random(&mut rng);
        let (own, theirs) = (prover.paillier.public(), verifier.paillier.public());
        let (rho, b, key) =
            (Nonce::random(own, &mut rng), Scalar::random(&mut rng), elgamal::random_key(&mut rng));
        let commitment = elgamal::commit(&key, &x, &b);
        let x = x.to_integer();
        let ciphertext = prover.paillier.encrypt(&[(&x, &rho)]).remove(0);
        let k = Scalar::<C>::random(&mut rng).to_integer();
        let K = verifier.paillier.encrypt(&[(&k, &Nonce::random(theirs, &mut rng))]).remove(0);
        let y = Integer::sample(level.parameters().ell_prime, &mut rng);
        let nonces = [Nonce::random(theirs, &mut rng), Nonce::random(own, &mut rng)];
        let affine = Affine { ciphertext: &K, x: &x, y: &y, rho: &nonces[0] };
        let D = theirs.affine(&[affine]).unwrap().remove(0);
        let Y = prover.paillier.encrypt(&[(&y, &nonces[1])]).remove(0);
        Self { level, prover, verifier, x, rho, b, key, commitment, ciphertext, K, y, nonces, D, Y }
    }

    fn X(&self) -> Point<C> {
        Point::mul_generator(&Scalar::from_integer(&self.x))
    }

    fn elog(&self) -> elog::Statement<C> {
        elog::Statement { commitment: self.commitment, X: self.key, Y: self.X(), h: Point::generator() }
    }

    fn enc_elg(&self) -> enc_elg::Statement<'_, C> {
        enc_elg::Statement {
            prover: self.prover.paillier.public(),
            C: &self.ciphertext,
            A: self.key,
            B: self.commitment.randomness,
            X: self.commitment.value,
            rp: &self.verifier.ring,
        }
    }

    fn aff_g(&self) -> aff_g::Statement<'_, C> {
        aff_g::Statement {
            receiver: self.verifier.paillier.public(),
            prover: self.prover.paillier.public(),
            C: &self.K,
            D: &self.D,
            Y: &self.Y,
            X: self.X(),
            rp: &self.verifier.ring,
        }
    }

    fn aff_g_star(&self) -> aff_g_star::Statement<'_, C> {
        let aff_g::Statement { receiver, prover, C, D, Y, X, .. } = self.aff_g();
        aff_g_star::Statement { receiver, prover, C, D, Y, X }
    }

    /// The own ciphertext multiplied by its own plaintext, plus the mask, among 20 signers.
    fn dec(&self) -> dec::Statement<'_, C> {
        let y = self.x.mul(&self.x).add(&self.y);
        dec::Statement {
            prover: self.prover.paillier.public(),
            K: &self.ciphertext,
            D: &self.Y,
            X: self.X(),
            S: Point::mul_generator(&Scalar::from_integer(&y)),
            base: Point::generator(),
            signers: 20,
        }
    }

    fn prm(&self) -> prm::Statement<'_> {
        prm::Statement { ring: &self.prover.ring }
    }

    fn paillier_blum(&self) -> paillier_blum::Statement<'_> {
        paillier_blum::Statement { N: self.prover.paillier.public().n() }
    }

    fn fac(&self) -> fac::Statement<'_> {
        fac::Statement { N: self.prover.paillier.public().n(), ring: &self.verifier.ring }
    }

    fn prove_sch(&self) -> (sch::Statement<C>, sch::Proof<C>) {
        let first = sch::Commitment::random(&mut rng());
        let statement = sch::Statement { X: self.X(), A: first.public() };
        let x = Scalar::from_integer(&self.x);
        (statement, sch::prove(&context(self.level, Role::KeyShare), self.X(), &x, first))
    }

    fn prove_elog(&self) -> elog::Proof<C> {
        let y = Scalar::from_integer(&self.x);
        let witness = elog::Witness { y: &y, lambda: &self.b };
        elog::prove(&context(self.level, Role::Elog), &self.elog(), &witness, elog::Masks::random(&mut rng()))
    }

    fn prove_enc_elg(&self) -> enc_elg::Proof<C> {
        let witness = enc_elg::Witness { x: &self.x, rho: &self.rho, b: &self.b };
        let context = context(self.level, Role::Psi0);
        enc_elg::prove(&context, &self.enc_elg(), &witness, &self.prover.paillier, &mut rng())
    }

    fn prove_aff_g(&self) -> aff_g::Proof<C> {
        let [rho, rho_y] = &self.nonces;
        let witness = aff_g::Witness { x: &self.x, y: &self.y, rho, rho_y };
        let context = context(self.level, Role::Psi);
        aff_g::prove(&context, &self.aff_g(), &witness, &self.prover.paillier, &mut rng()).unwrap()
    }

    fn prove_aff_g_star(&self) -> aff_g_star::Proof<C> {
        let [rho, rho_y] = &self.nonces;
        let witness = aff_g_star::Witness { x: &self.x, y: &self.y, rho, rho_y };
        let context = context(self.level, Role::AlertNonceResponse);
        let key = &self.prover.paillier;
        aff_g_star::prove(&context, &self.aff_g_star(), &witness, key, &mut rng()).unwrap()
    }

    fn prove_dec(&self) -> dec::Proof<C> {
        let (statement, key) = (self.dec(), &self.prover.paillier);
        let witness = dec::Witness::open(self.level, &statement, self.x.clone(), key).unwrap();
        dec::prove(&context(self.level, Role::AlertNonce), &statement, &witness, key, &mut rng()).unwrap()
    }

    fn prove_prm(&self) -> prm::Proof {
        let lambda: &BoxedUint = self.prover.lambda.expose();
        let witness = prm::Witness { factors: &self.prover.ring_factors, lambda };
        prm::prove::<C>(&context(self.level, Role::AuxPrm), &self.prm(), &witness, &mut rng())
    }

    fn prove_paillier_blum(&self) -> paillier_blum::Proof {
        let witness = paillier_blum::Witness { factors: self.prover.paillier.factors() };
        let context = context(self.level, Role::AuxMod);
        paillier_blum::prove::<C>(&context, &self.paillier_blum(), &witness, &mut rng())
    }

    fn prove_fac(&self) -> fac::Proof {
        let witness = fac::Witness { factors: self.prover.paillier.factors() };
        fac::prove::<C>(&context(self.level, Role::AuxFac), &self.fac(), &witness, &mut rng())
    }
}

/// The curve proofs do not depend on the level.
mod curve_proofs {
    use super::*;

    #[divan::bench]
    fn sch_prove(bencher: Bencher<'_, '_>) {
        let case = Case::new(Level::L128);
        bencher.bench(|| case.prove_sch());
    }

    #[divan::bench]
    fn sch_verify(bencher: Bencher<'_, '_>) {
        let (statement, proof) = Case::new(Level::L128).prove_sch();
        let context = context(Level::L128, Role::KeyShare);
        bencher.bench(|| sch::verify(&context, &statement, &proof).unwrap());
    }

    #[divan::bench]
    fn elog_prove(bencher: Bencher<'_, '_>) {
        let case = Case::new(Level::L128);
        bencher.bench(|| case.prove_elog());
    }

    #[divan::bench]
    fn elog_verify(bencher: Bencher<'_, '_>) {
        let case = Case::new(Level::L128);
        let (proof, context) = (case.prove_elog(), context(Level::L128, Role::Elog));
        bencher.bench(|| elog::verify(&context, &case.elog(), &proof).unwrap());
    }
}

/// Prove and verify of one proof, at each level; the modules have the proofs' names.
macro_rules! proofs {
    ($($name:ident $role:ident $samples:literal $prove:ident $($curve:ident)?;)*) => {$(
        mod $name {
            use super::super::{Bencher, Case, LEVELS, Level, Role, context};
            use consign_zk::$name::verify as check;

            #[divan::bench(args = LEVELS, sample_count = $samples, sample_size = 1)]
            fn prove(bencher: Bencher<'_, '_>, level: Level) {
                let case = Case::new(level);
                bencher.bench(|| case.$prove());
            }

            #[divan::bench(args = LEVELS, sample_count = $samples, sample_size = 1)]
            fn verify(bencher: Bencher<'_, '_>, level: Level) {
                let case = Case::new(level);
                let (proof, context) = (case.$prove(), context(level, Role::$role));
                bencher.bench(|| check$(::<super::super::$curve>)?(&context, &case.$name(), &proof).unwrap());
            }
        }
    )*};
}

mod proofs {
    proofs! {
        enc_elg Psi0 30 prove_enc_elg;
        aff_g Psi 30 prove_aff_g;
        aff_g_star AlertNonceResponse 3 prove_aff_g_star;
        dec AlertNonce 3 prove_dec;
        fac AuxFac 30 prove_fac C;
        prm AuxPrm 5 prove_prm C;
        paillier_blum AuxMod 5 prove_paillier_blum C;
    }
}
