//! Moduli that are no Paillier-Blum moduli, with proofs forged as far as their owners can (A-01, A-02, A-04, A-0A).

use consign_modexp::{PrimeKind, generate};
use core::ops::ControlFlow;
use crypto_bigint::NonZero;

use super::*;
use crate::fac;
use crate::testing::cases::{integer, power_of_two};

/// A modulus whose owner knows all of its prime factors.
struct Forger {
    context: Context<'static>,
    /// A large prime, 3 mod 4.
    prime: Modulus,
    /// Small primes, 3 mod 4 their product too.
    small: Vec<u64>,
    /// Their product.
    cofactor: BoxedUint,
    N: Modulus,
}

fn natural(value: &BoxedUint) -> Integer {
    Integer::from_natural(value)
}

fn blum_prime(bits: u32, seed: u64) -> BoxedUint {
    generate(PrimeKind::Blum, bits, &mut rng(seed), &mut |_| ControlFlow::Continue(())).unwrap()
}

fn modulus(value: &Integer) -> Modulus {
    Modulus::new(value.magnitude()).unwrap()
}

/// The largest `count` primes below `2^16` whose product is 3 mod 4.
fn small_primes(count: usize) -> Vec<u64> {
    let is_prime = |n: &u64| (2..256).all(|d| !n.is_multiple_of(d));
    let mut found: Vec<u64> = (0..1 << 16).rev().filter(is_prime).take(count).collect();
    if found.iter().filter(|r| **r % 4 == 3).count() % 2 == 0 {
        let least = found.pop().unwrap();
        found.push((0..least).rev().filter(is_prime).find(|r| r % 4 != least % 4).unwrap());
    }
    found
}

impl Forger {
    /// `N = P r_1 ... r_k` of the level's exact size.
    fn new(count: usize) -> Self {
        let level = Level::Tiny;
        let small = small_primes(count);
        let cofactor = small.iter().fold(integer(1), |product, r| product.mul(&integer((*r).into())));
        let cofactor = cofactor.magnitude().clone();
        let bits = level.parameters().modulus_bits - cofactor.bits_vartime();
        let prime = modulus(&natural(&blum_prime(bits, 1)));
        let N = modulus(&natural(&cofactor).mul(&natural(prime.value())));
        assert_eq!(N.bits(), level.parameters().modulus_bits);
        Self { context: context(level, Role::AuxMod), prime, small, cofactor, N }
    }

    fn statement(&self) -> Statement<'_> {
        Statement { N: &self.N }
    }

    /// The number that is 1 modulo the large prime and 0 modulo all small ones.
    fn idempotent(&self) -> BoxedUint {
        let inverse = self.prime.invert_public(&self.prime.reduce(&self.cofactor)).unwrap();
        self.N.reduce(natural(&inverse).mul(&natural(&self.cofactor)).magnitude())
    }

    /// `base^exponent` modulo the large prime or `N`.
    fn power(modulus: &Modulus, base: &BoxedUint, exponent: &Integer) -> BoxedUint {
        let mut powers = Powers::new();
        let slot = powers.push_public(modulus, &modulus.reduce(base), exponent.magnitude());
        powers.run()[slot].clone()
    }

    /// A proof with this `w`: `N`-th roots are right, fourth roots are right modulo the large prime, and zero modulo
    /// the small ones, where the factor `w` was said to be.
    fn forge(&self, w: &BoxedUint) -> Proof {
        let y = challenge::<Toy>(&self.context, &self.statement(), &Natural::new(w)).unwrap();
        let one = integer(1);
        let prime = natural(self.prime.value());
        let phi = self.small.iter().fold(prime.sub(&one), |phi, r| phi.mul(&integer((r - 1).into())));
        let phi = NonZero::new(phi.trimmed_public().magnitude().clone()).unwrap();
        let root = natural(&self.N.value().rem(&phi).invert_mod(&phi).expect("gcd(N, phi(N)) = 1"));
        let quarter = prime.add(&one).magnitude().shr(2);
        let (quarter, e) = (natural(&quarter), self.idempotent());
        let responses = y
            .iter()
            .map(|y| {
                let local = self.prime.reduce(y);
                let a = self.prime.jacobi_public(&local) != 1;
                let square = if a { self.prime.neg(&local) } else { local };
                let x = Self::power(&self.prime, &Self::power(&self.prime, &square, &quarter), &quarter);
                let x = Natural::new(&self.N.mul(&self.N.reduce(&x), &e));
                Response { x, a, b: true, z: Natural::new(&Self::power(&self.N, y, &root)) }
            })
            .collect();
        Proof { w: Natural::new(w), responses }
    }

    fn verify(&self, proof: &Proof) -> Result<(), Rejection> {
        verify::<Toy>(&self.context, &self.statement(), proof)
    }

    /// The equations without the checks before them.
    fn equations_hold(&self, proof: &Proof) -> Result<(), Rejection> {
        let y = challenge::<Toy>(&self.context, &self.statement(), &proof.w).unwrap();
        let take = |value: &Natural| self.N.reduce(value.value());
        let roots = Roots {
            w: take(&proof.w),
            x: proof.responses.iter().map(|response| take(&response.x)).collect(),
            z: proof.responses.iter().map(|response| take(&response.z)).collect(),
        };
        fourth_powers(&self.N, proof, &roots, &y).and_then(|()| are_roots(&self.N, &y, &roots.z))
    }
}

/// CVE-2025-66016, with `P` and the product of the small primes both about `sqrt(N)`, so that Πfac passes too.
/// All equations hold; only that `w` must be a unit stands in the way.
#[test]
fn non_unit_w_is_refused() {
    let forger = Forger::new(12);
    let w = forger.idempotent();
    let proof = forger.forge(&w);
    assert_eq!(forger.equations_hold(&proof), Ok(()));
    assert_eq!(forger.verify(&proof), Err(Rejection::Unit("w")));

    let (p, q) = (forger.prime.value().clone(), forger.cofactor.clone());
    let factors = Factors::new(&p, &q).unwrap();
    let ring = party(Level::Tiny, 1, 5).ring;
    let statement = fac::Statement { N: &forger.N, ring: &ring };
    let context = context(Level::Tiny, Role::AuxFac);
    let proof = fac::prove::<Toy>(&context, &statement, &fac::Witness { factors: &factors }, &mut rng(3));
    assert_eq!(fac::verify::<Toy>(&context, &statement, &proof), Ok(()));
}

/// `w = 0`, `N`, `N + 1`, and Jacobi symbol +1.
#[test]
fn every_other_bad_w_is_refused() {
    let forger = Forger::new(12);
    let n = natural(forger.N.value());
    for w in [integer(0), n.clone(), n.add(&integer(1)), n.mul(&integer(2))] {
        let proof = forger.forge(w.magnitude());
        assert_eq!(forger.verify(&proof), Err(Rejection::Unit("w")));
    }
    let zero = forger.forge(&BoxedUint::zero());
    assert_eq!(forger.equations_hold(&zero), Err(Rejection::Equation("fourth root")));
    let square = forger.forge(&BoxedUint::from(4_u8));
    assert_eq!(forger.verify(&square), Err(Rejection::Domain("w")));

    // An honest modulus too: with w a non-residue modulo both factors no more is proved than with w = -1.
    let honest = tiny();
    let factors = honest.factors();
    let N = factors.modulus();
    for w in [BoxedUint::one(), N.neg(&BoxedUint::one()), N.square(&BoxedUint::from(77_u8))] {
        let proof = Proof { w: Natural::new(&w), ..honest.prove::<Toy>() };
        assert_eq!(honest.verify(&proof), Err(Rejection::Domain("w")));
    }
}

/// sixteen small primes and a large one. With a non-unit `w` the unit check refuses, with a good one no fourth
/// roots exist but for few challenges.
#[test]
fn many_factors_are_refused() {
    let forger = Forger::new(16);
    let proof = forger.forge(&forger.idempotent());
    assert_eq!(forger.verify(&proof), Err(Rejection::Unit("w")));
    let w = non_residue(&forger.N, &mut rng(7));
    let proof = forger.forge(&w);
    assert_eq!(forger.verify(&proof), Err(Rejection::Unit("x")));
    // Roots that are units: 1 in place of 0 modulo the small primes.
    let mut proof = proof;
    let rest = forger.N.sub(&BoxedUint::one(), &forger.idempotent());
    for response in &mut proof.responses {
        response.x = Natural::new(&forger.N.add(response.x.value(), &rest));
    }
    assert_eq!(forger.verify(&proof), Err(Rejection::Equation("fourth root")));
}

/// A-0A: with a prime `N` every `N`-th root exists.
#[test]
fn prime_modulus_is_refused() {
    let bits = Level::Tiny.parameters().modulus_bits;
    let mut candidate = power_of_two(bits - 1).add(&power_of_two(bits - 2)).add(&integer(1));
    let N = loop {
        let N = modulus(&candidate);
        if !is_composite(&N) {
            break N;
        }
        candidate = candidate.add(&integer(4));
    };
    let context = context(Level::Tiny, Role::AuxMod);
    let statement = Statement { N: &N };
    let w = non_residue(&N, &mut rng(7));
    let y = challenge::<Toy>(&context, &statement, &Natural::new(&w)).unwrap();
    // N = 1 mod phi(N): each y is its own N-th root.
    let responses =
        y.iter().map(|y| Response { x: Natural::new(y), a: false, b: false, z: Natural::new(y) }).collect();
    let proof = Proof { w: Natural::new(&w), responses };
    assert_eq!(verify::<Toy>(&context, &statement, &proof), Err(Rejection::Domain("composite N")));
}

/// a square has no `w` of Jacobi symbol -1, whatever else is proved.
#[test]
fn square_modulus_is_refused() {
    let p = natural(&blum_prime(Level::Tiny.parameters().prime_bits(), 3));
    let N = modulus(&p.mul(&p));
    let honest = tiny().prove::<Toy>();
    let context = context(Level::Tiny, Role::AuxMod);
    for w in 2..100_u64 {
        let proof = Proof { w: Natural::new(&BoxedUint::from(w)), ..honest.clone() };
        let refused = verify::<Toy>(&context, &Statement { N: &N }, &proof);
        assert_eq!(refused, Err(Rejection::Domain("w")));
    }
    assert!(Factors::new(p.magnitude(), p.magnitude()).is_none());
}

/// wrong size or class, each with an honest proof of the rest.
#[test]
fn moduli_of_wrong_shape_are_refused() {
    let case = tiny();
    let honest = case.prove::<Toy>();
    let n = natural(case.factors().modulus().value());
    let refuse = |N: &Integer| {
        let N = modulus(&N.trimmed_public());
        verify::<Toy>(&case.context, &Statement { N: &N }, &honest)
    };
    assert_eq!(refuse(&n.add(&integer(2))), Err(Rejection::Domain("N mod 4")));
    assert_eq!(refuse(&n.sub(&power_of_two(383))), Err(Rejection::Domain("N")));
    assert_eq!(refuse(&n.add(&power_of_two(384))), Err(Rejection::Domain("N")));
    assert_eq!(refuse(&integer(21)), Err(Rejection::Domain("N")));
    assert!(Modulus::new(n.add(&integer(1)).magnitude()).is_none(), "even");
}

/// three primes, or two of which one is 1 mod 4: half of the challenges, or more, have no fourth root.
#[test]
fn three_primes_are_refused() {
    let primes: Vec<_> = (0..3).map(|seed| natural(&blum_prime(128, seed))).collect();
    let N = modulus(&primes[0].mul(&primes[1]).mul(&primes[2]));
    // The class of N is right only with an even number of primes 3 mod 4.
    assert!(N.value().bit_vartime(1));
    let honest = tiny().prove::<Toy>();
    let context = context(Level::Tiny, Role::AuxMod);
    let refused = verify::<Toy>(&context, &Statement { N: &N }, &honest);
    assert_eq!(refused, Err(Rejection::Domain("N mod 4")));
}
