//! Paillier encryption with signed plaintexts (`docs/spec/primitives.md`, section 2.1).

use std::sync::OnceLock;

use consign_modexp::{BoxedUint, Factors, Modulus, RandomUnit, Timing, fermat_composites, large_factor};
use crypto_bigint::{Choice, ConcatenatingMul, CtGt, CtSelect, Resize};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::integer::{Integer, uniform_at_most};
use crate::level::Level;
use crate::natural::Natural;
use crate::powers::{Powers, Results, Slot};
use crate::rejection::{Rejection, require};

#[cfg(test)]
mod tests;

/// A public key: modulus `N` with its square. Cheap to clone.
#[derive(Clone)]
pub struct EncryptionKey {
    n: Modulus,
    nn: Modulus,
}

/// A secret key: the factors of `N`.
pub struct DecryptionKey {
    public: EncryptionKey,
    factors: Factors,
    /// Whether they are safe or nearly safe, so that nonces come with their powers: looked at when nonces are first drawn, since
    /// a node reads many keys when it starts.
    generates: OnceLock<bool>,
}

/// A ciphertext as it travels. Whether it is a unit below `N^2` is checked with [`EncryptionKey::unit`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ciphertext(Natural);

/// Encryption randomness: a unit below `N`, as secret as the plaintext, zeroised when dropped.
///
/// It may carry its power `r^N mod N^2`, which is most of the work of an encryption: the owner of the key gets it for
/// half of the price, the check against faults included, and others can compute it ahead of time.
pub struct Nonce {
    value: BoxedUint,
    power: Option<NthPower>,
}

/// The `N`-th power of a nonce, and under which square it is that.
struct NthPower {
    nn: Modulus,
    value: BoxedUint,
}

impl Drop for Nonce {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl Drop for NthPower {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl Nonce {
    /// A uniform unit below `N`, whatever odd number `N` is: see [`EncryptionKey::nonces`].
    pub fn random(key: &EncryptionKey, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        key.nonces(1, rng).pop().expect("invariant: as many as asked for")
    }

    /// Takes over a unit in `(0, N)`.
    pub fn new(value: BoxedUint) -> Self {
        Self { value, power: None }
    }

    /// The value.
    pub fn expose(&self) -> &BoxedUint {
        &self.value
    }

    /// The power under this key, if it is known.
    fn power(&self, key: &EncryptionKey) -> Option<&BoxedUint> {
        self.power.as_ref().filter(|power| power.nn.value() == key.nn.value()).map(|power| &power.value)
    }
}

impl Ciphertext {
    /// Wraps a residue modulo `N^2`.
    pub fn new(value: &BoxedUint) -> Self {
        Self(Natural::new(value))
    }

    /// The number.
    pub fn natural(&self) -> &Natural {
        &self.0
    }
}

/// A homomorphic operation `(x ⊙ C) ⊕ enc(y; rho)`: it multiplies the plaintext of `C` by `x` and adds `y`.
#[derive(Clone, Copy)]
pub struct Affine<'a> {
    /// Somebody's ciphertext `C`.
    pub ciphertext: &'a Ciphertext,
    /// Secret factor.
    pub x: &'a Integer,
    /// Secret summand.
    pub y: &'a Integer,
    /// Nonce of the summand, without which the nonce of the result would tell `x`.
    pub rho: &'a Nonce,
}

/// An affine operation whose exponentiations are queued.
pub struct QueuedAffine {
    power: Slot,
    noise: Noise,
}

/// The power of a nonce: queued, unless the nonce carries it.
#[derive(Clone, Copy)]
struct Noise(Option<Slot>);

/// What a response `r * rho^e mod N` is made of.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    /// Under which modulus.
    pub key: &'a EncryptionKey,
    /// Public challenge.
    pub e: &'a Integer,
    /// Nonce of the mask.
    pub r: &'a Nonce,
    /// Nonce of the witness.
    pub rho: &'a Nonce,
}

/// The responses of a list, in constant time.
pub fn respond(list: &[Response<'_>]) -> Vec<Natural> {
    let mut powers = Powers::new();
    let slots: Vec<_> = list
        .iter()
        .map(|one| powers.push_secret_base(&one.key.n, &one.rho.value, one.e.magnitude()))
        .collect();
    let results = powers.run();
    let mut factors: Vec<_> = slots.iter().map(|slot| Zeroizing::new(results[*slot].clone())).collect();
    invert_negative(list, &mut factors);
    list.iter().zip(&factors).map(|(one, power)| Natural::new(&one.key.n.mul(&one.r.value, power))).collect()
}

/// Inverts the powers of responses whose challenge, which is public, is negative: one inversion for each modulus.
fn invert_negative(list: &[Response<'_>], powers: &mut [Zeroizing<BoxedUint>]) {
    let mut left: Vec<_> = (0..list.len().min(powers.len())).collect();
    left.retain(|index| list.get(*index).is_some_and(|one| one.e.is_negative().to_bool()));
    while let Some(key) = left.first().and_then(|index| list.get(*index)).map(|one| one.key) {
        let same = |index: &usize| list.get(*index).is_some_and(|one| one.key.n.value() == key.n.value());
        let (now, later): (Vec<usize>, Vec<usize>) = left.into_iter().partition(same);
        let chosen: Vec<_> =
            now.iter().filter_map(|index| powers.get(*index)).map(|power| &**power).collect();
        let inverses = key.n.invert_all_secret(&chosen).expect("invariant: nonces are units");
        for (index, inverse) in now.iter().zip(inverses) {
            if let Some(power) = powers.get_mut(*index) {
                *power = Zeroizing::new(inverse);
            }
        }
        left = later;
    }
}

impl EncryptionKey {
    /// Reads a modulus: exact bit length of the level and `N = 1 mod 4`. Everything else is for the proofs.
    pub fn new(n: &Natural, level: Level) -> Result<Self, Rejection> {
        let bits = n.value().bits_vartime();
        require(bits == level.parameters().modulus_bits, Rejection::Domain("N"))?;
        require(n.value().bit_vartime(0) && !n.value().bit_vartime(1), Rejection::Domain("N"))?;
        let n = n.value().resize_unchecked(bits);
        let n = Modulus::new(&n).ok_or(Rejection::Domain("N"))?;
        let nn = n.squared().ok_or(Rejection::Domain("N"))?;
        Ok(Self { n, nn })
    }

    /// `N`.
    pub fn n(&self) -> &Modulus {
        &self.n
    }

    /// `N^2`.
    pub fn nn(&self) -> &Modulus {
        &self.nn
    }

    /// The ciphertext as a residue modulo `N^2`, if it is a unit below it.
    pub fn unit(&self, ciphertext: &Ciphertext) -> Option<BoxedUint> {
        let value = ciphertext.0.below(&self.nn)?;
        self.n.is_unit(&self.n.reduce(&value)).then_some(value)
    }

    /// As [`EncryptionKey::unit`] for a whole list: a product is a unit exactly if every factor is, so one gcd serves all.
    pub fn units<'a>(&self, list: impl Iterator<Item = &'a Ciphertext>) -> Option<Vec<BoxedUint>> {
        let values: Vec<_> = list.map(|ciphertext| ciphertext.0.below(&self.nn)).collect::<Option<_>>()?;
        let residues = values.iter().map(|value| self.n.reduce(value));
        let product = residues.reduce(|product, residue| self.n.mul(&product, &residue));
        product.is_none_or(|product| self.n.is_unit(&product)).then_some(values)
    }

    /// `1 + xN mod N^2`: an encryption of `x` without randomness.
    pub fn embed(&self, x: &Integer) -> BoxedUint {
        let mut residue = x.modulo(&self.n);
        let product = Zeroizing::new(residue.concatenating_mul(self.n.value()));
        residue.zeroize();
        product.wrapping_add(BoxedUint::one()).resize_unchecked(self.nn.value().bits_precision())
    }

    // DEVIATION 12: drawn below N, and tested through a blinded product.
    /// Uniform units below `N` as nonces, whatever odd number `N` is.
    ///
    /// The test for units runs in variable time, on the product of all with one more unit drawn for this alone: that
    /// product is uniform and tells nothing about the nonces.
    pub fn nonces(&self, count: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Nonce> {
        if count == 0 {
            return Vec::new();
        }
        if let Some(nonces) = self.residues(count, rng) {
            return nonces;
        }
        // Only a modulus with small factors gets here, under which all at once might never pass.
        let mut one = || loop {
            if let Some(nonce) = self.residues(1, rng).and_then(|mut list| list.pop()) {
                break nonce;
            }
        };
        (0..count).map(|_| one()).collect()
    }

    /// Uniform residues below `N`, if all are units.
    fn residues(&self, count: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Option<Vec<Nonce>> {
        let largest = self.n.value().wrapping_sub(BoxedUint::one());
        let nonces: Vec<_> = (0..count).map(|_| Nonce::new(uniform_at_most(&largest, rng))).collect();
        let blinding = Zeroizing::new(uniform_at_most(&largest, rng));
        let times =
            |product: Zeroizing<BoxedUint>, nonce: &Nonce| Zeroizing::new(self.n.mul(&product, &nonce.value));
        let product = nonces.iter().fold(blinding, times);
        self.n.is_unit(&product).then_some(nonces)
    }

    /// As [`EncryptionKey::nonces`] with their powers, in constant time: ahead of time, since that is most of the work of what
    /// they are for.
    pub fn nonces_ahead(&self, count: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Nonce> {
        let mut nonces = self.nonces(count, rng);
        let mut powers = Powers::new();
        let noises: Vec<_> = nonces.iter().map(|nonce| self.queue_noise(&mut powers, nonce)).collect();
        let results = powers.run();
        for (nonce, noise) in nonces.iter_mut().zip(noises) {
            let value = self.noise(&results, noise, nonce).clone();
            nonce.power = Some(NthPower { nn: self.nn.clone(), value });
        }
        nonces
    }

    /// Queues the power of a nonce, unless it is known.
    fn queue_noise<'a>(&'a self, powers: &mut Powers<'a>, rho: &Nonce) -> Noise {
        let unknown = rho.power(self).is_none();
        Noise(unknown.then(|| powers.push_secret_base(&self.nn, &rho.value, self.n.value())))
    }

    /// The power of a nonce, once the list has run.
    fn noise<'r>(&self, results: &'r Results, Noise(slot): Noise, rho: &'r Nonce) -> &'r BoxedUint {
        let found = slot.map(|slot| &results[slot]).or_else(|| rho.power(self));
        found.expect("invariant: what is not known is queued")
    }

    /// Encrypts `(x, rho)` pairs under somebody else's key, in constant time.
    pub fn encrypt(&self, list: &[(&Integer, &Nonce)]) -> Vec<Ciphertext> {
        let mut powers = Powers::new();
        let noises: Vec<_> = list.iter().map(|(_, rho)| self.queue_noise(&mut powers, rho)).collect();
        let results = powers.run();
        list.iter()
            .zip(noises)
            .map(|(&(x, rho), noise)| self.seal(x, self.noise(&results, noise, rho)))
            .collect()
    }

    /// The ciphertext of `x` with this power of a nonce.
    fn seal(&self, x: &Integer, power: &BoxedUint) -> Ciphertext {
        let plain = Zeroizing::new(self.embed(x));
        Ciphertext::new(&self.nn.mul(&plain, power))
    }

    /// Computes affine operations on ciphertexts under this key as one list, in constant time; `None` unless every
    /// ciphertext is a unit.
    pub fn affine(&self, list: &[Affine<'_>]) -> Option<Vec<Ciphertext>> {
        let bases = self.invertible(list.iter().map(|affine| affine.ciphertext))?;
        let mut powers = Powers::new();
        let queued: Vec<_> = list
            .iter()
            .zip(&bases)
            .map(|(affine, base)| self.queue_affine(&mut powers, affine, base))
            .collect();
        let results = powers.run();
        Some(
            list.iter()
                .zip(&queued)
                .map(|(affine, queued)| self.finish_affine(&results, queued, affine))
                .collect(),
        )
    }

    /// The ciphertexts of a list as residues modulo `N^2`, with their inverses; `None` unless all are units.
    pub fn invertible<'a>(&self, list: impl Iterator<Item = &'a Ciphertext>) -> Option<Vec<[BoxedUint; 2]>> {
        let units = self.units(list)?;
        let inverses = self.nn.invert_all_public(&units.iter().collect::<Vec<_>>())?;
        Some(units.into_iter().zip(inverses).map(|(unit, inverse)| [unit, inverse]).collect())
    }

    /// Queues the exponentiations of an affine operation, given what [`EncryptionKey::invertible`] makes of its ciphertext.
    pub fn queue_affine<'a>(
        &'a self,
        powers: &mut Powers<'a>,
        affine: &Affine<'_>,
        [base, inverse]: &[BoxedUint; 2],
    ) -> QueuedAffine {
        QueuedAffine {
            power: powers.push_secret_with_inverse(&self.nn, base, inverse, affine.x),
            noise: self.queue_noise(powers, affine.rho),
        }
    }

    /// The result of an affine operation, once the list has run.
    pub fn finish_affine(&self, results: &Results, queued: &QueuedAffine, affine: &Affine<'_>) -> Ciphertext {
        let noise = self.noise(results, queued.noise, affine.rho);
        let plain = Zeroizing::new(self.embed(affine.y));
        let summand = Zeroizing::new(self.nn.mul(&plain, noise));
        Ciphertext::new(&self.nn.mul(&results[queued.power], &summand))
    }

    /// Homomorphic sum; `None` unless both are units.
    pub fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Option<Ciphertext> {
        Some(Ciphertext::new(&self.nn.mul(&self.unit(a)?, &self.unit(b)?)))
    }

    /// Homomorphic difference; `None` unless both are units.
    pub fn sub(&self, a: &Ciphertext, b: &Ciphertext) -> Option<Ciphertext> {
        let inverse = self.nn.invert_public(&self.unit(b)?)?;
        Some(Ciphertext::new(&self.nn.mul(&self.unit(a)?, &inverse)))
    }
}

impl DecryptionKey {
    /// Takes two distinct primes, both `3 mod 4` and half the level's modulus size; that they are prime is the caller's word. If
    /// they are safe or nearly safe, which is found out later, nonces take a third of the time.
    pub fn new(p: &BoxedUint, q: &BoxedUint, level: Level) -> Result<Self, Rejection> {
        let factors = Factors::new(p, q).ok_or(Rejection::Domain("p, q"))?;
        let public = EncryptionKey::new(&Natural::new(factors.modulus().value()), level)?;
        let fits = |prime: &BoxedUint| {
            (prime.bit(0) & prime.bit(1)).to_bool() && prime.bits() == level.parameters().prime_bits()
        };
        require(fits(p) && fits(q), Rejection::Domain("p, q"))?;
        Ok(Self { public, factors, generates: OnceLock::new() })
    }

    /// The public half.
    pub fn public(&self) -> &EncryptionKey {
        &self.public
    }

    /// The factors, with which the owner computes by the Chinese remainder theorem.
    pub fn factors(&self) -> &Factors {
        &self.factors
    }

    fn generates(&self) -> bool {
        *self.generates.get_or_init(|| {
            let large = [self.factors.p(), self.factors.q()].map(large_factor);
            let moduli: Option<Vec<_>> = large.iter().map(|factor| Modulus::new_secret(factor)).collect();
            moduli.is_some_and(|list| {
                !fermat_composites(&list.iter().collect::<Vec<_>>(), Timing::Secret).contains(&true)
            })
        })
    }

    /// Uniform units below `N` as nonces, which carry their powers if both primes are safe or nearly safe.
    pub fn nonces(&self, count: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Nonce> {
        if !self.generates() {
            return self.public.nonces(count, rng);
        }
        let with_power = |unit: RandomUnit| {
            let power = Some(NthPower { nn: self.public.nn.clone(), value: unit.nth_power });
            Nonce { value: unit.value, power }
        };
        self.factors.random_units(count, rng).into_iter().map(with_power).collect()
    }

    /// Makes the tables that [`DecryptionKey::nonces`] takes, if there are none yet: 1 MiB at L128.
    pub fn make_tables(&self) {
        if self.generates() {
            self.factors.prepare_units();
        }
    }

    /// Encrypts under the own key, by CRT where a nonce does not carry its power.
    pub fn encrypt(&self, list: &[(&Integer, &Nonce)]) -> Vec<Ciphertext> {
        let unknown = |rho: &&Nonce| rho.power(&self.public).is_none();
        let nonces: Vec<_> = list.iter().map(|(_, rho)| *rho).filter(unknown).map(Nonce::expose).collect();
        let powers = Zeroizing::new(self.factors.nth_powers(&nonces));
        let mut computed = powers.iter();
        list.iter()
            .map(|(x, rho)| {
                let power = rho.power(&self.public).or_else(|| computed.next());
                self.public.seal(x, power.expect("invariant: what is not known is computed"))
            })
            .collect()
    }

    /// `x ⊙ C` for secret factors and one ciphertext under the own key, by CRT; `None` for a non-unit.
    pub fn multiples(
        &self,
        ciphertext: &Ciphertext,
        factors: &[&Integer],
    ) -> Option<Zeroizing<Vec<BoxedUint>>> {
        let base = self.public.unit(ciphertext)?;
        let inverse = self.public.nn.invert_public(&base)?;
        let bases: Vec<_> =
            factors.iter().map(|x| Zeroizing::new(base.ct_select(&inverse, x.is_negative()))).collect();
        let list: Vec<_> = bases.iter().zip(factors).map(|(base, x)| (&**base, x.magnitude())).collect();
        Some(Zeroizing::new(self.factors.powers_squared(&list)))
    }

    /// Decrypts to `[-(N-1)/2, (N-1)/2]`; `None` if one of the ciphertexts is not a unit.
    pub fn decrypt(&self, list: &[&Ciphertext]) -> Option<Vec<Integer>> {
        let units = self.public.units(list.iter().copied())?;
        let plain = self.factors.decrypt(&units.iter().collect::<Vec<_>>());
        Some(plain.into_iter().map(|x| self.symmetric(x)).collect())
    }

    /// The nonce of a ciphertext: `(c mod N)^(N^-1 mod phi) mod N`; `None` for a non-unit.
    pub fn open(&self, ciphertext: &Ciphertext) -> Option<Nonce> {
        let unit = self.public.unit(ciphertext)?;
        let mut roots = self.factors.nth_roots(&[&self.public.n.reduce(&unit)]);
        roots.pop().map(Nonce::new)
    }

    /// The representative nearest to zero of a residue in `[0, N)`.
    fn symmetric(&self, mut residue: BoxedUint) -> Integer {
        let n = self.public.n.value();
        let above: Choice = residue.ct_gt(&n.shr(1));
        let mut mirrored = n.wrapping_sub(&residue);
        let magnitude = residue.ct_select(&mirrored, above);
        residue.zeroize();
        mirrored.zeroize();
        Integer::new(magnitude, above)
    }
}
