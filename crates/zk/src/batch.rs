//! Batch verification: several Paillier equations modulo the square of one `N`, joined to one (`docs/spec/proofs.md`,
//! 3.13).
//!
//! An equation says that two ciphertexts have the same plaintext and the same nonce. Each is raised to a secret random
//! weight, and the product of all is verified: one long exponentiation, `w^N`, for the whole batch. If a plaintext is
//! wrong, the product shows it but with probability `2^-128`. If only a nonce is off by a factor of small order, it may not
//! show: that is no lie about anything that is used later. So a batch that holds is enough for a party that goes on with
//! the protocol; whatever is refused is refused by the equations one by one ([`crate::relations`]).

use std::collections::BTreeMap;

use consign_modexp::BoxedUint;
use crypto_bigint::Word;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::integer::Integer;
use crate::paillier::{DecryptionKey, EncryptionKey};
use crate::powers::{Powers, Results, Slot};
use crate::transcript::{Purpose, Transcript};

#[cfg(test)]
mod tests;

/// Fewest equations that are joined: one alone would only be made longer.
pub(crate) const LEAST: usize = 2;

/// Bytes of a weight less one: weights are from 1 to `2^128`.
const WEIGHT_BYTES: usize = 16;

/// Bytes of a key of weights.
const KEY_BYTES: usize = 32;

/// What weights are derived from: secret bytes of one session that never leave. They stay where they were drawn, so no copy
/// is left behind when the key is moved.
pub(crate) struct WeightKey(Zeroizing<Vec<u8>>);

impl WeightKey {
    pub(crate) fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
        rng.fill_bytes(&mut key);
        Self(key)
    }

    /// One weight for each equation. They depend on the key and on all that the equations hold, so nobody who chose the
    /// equations could know any of them, and the same batch has the same ones however often it is verified.
    fn weights(&self, key: &EncryptionKey, equations: &[Equation<'_>]) -> Vec<Integer> {
        let mut transcript = Transcript::new(Purpose::Weights);
        transcript.bytes("key", &self.0).natural("N", key.n().value());
        transcript.count("equations", equations.len());
        for Equation { z, w, right, powers, .. } in equations {
            transcript.integer("z", z).natural("w", w).natural("right", right);
            transcript.count("powers", powers.len());
            for (base, exponent) in powers {
                transcript.natural("base", base).integer("exponent", exponent);
            }
        }
        let weight = |position| {
            let hash = transcript.clone().count("weight", position).hash();
            let bytes = hash.first_chunk::<WEIGHT_BYTES>().expect("invariant: a hash is longer");
            let drawn = Integer::from_natural(&BoxedUint::from_be_slice_vartime(bytes));
            drawn.add(&Integer::from_natural(&BoxedUint::one())).trimmed_public()
        };
        (0..equations.len()).map(weight).collect()
    }
}

/// The equation `enc(z; w) * product of base^exponent = right` modulo `N^2`, between units.
pub(crate) struct Equation<'a> {
    /// Position of its proof.
    pub(crate) proof: usize,
    pub(crate) name: &'static str,
    pub(crate) key: &'a EncryptionKey,
    pub(crate) z: Integer,
    pub(crate) w: BoxedUint,
    pub(crate) right: BoxedUint,
    pub(crate) powers: Vec<(BoxedUint, Integer)>,
}

/// Sorts equations by their modulus.
pub(crate) fn by_modulus<'a>(equations: Vec<Equation<'a>>) -> Vec<Vec<Equation<'a>>> {
    let mut groups: Vec<Vec<Equation<'a>>> = Vec::new();
    for equation in equations {
        let n = equation.key.n().value();
        let is_theirs =
            |group: &&mut Vec<Equation<'a>>| group.first().is_some_and(|known| known.key.n().value() == n);
        match groups.iter_mut().find(is_theirs) {
            Some(group) => group.push(equation),
            None => groups.push(vec![equation]),
        }
    }
    groups
}

// DEVIATION 25: one equation in the place of several.
/// Equations modulo the square of one `N` joined to one, `enc(sum of z; product of w) * product of base^exponent = 1`,
/// all weighted. What needs no factors of `N` is queued.
pub(crate) struct Batch<'a> {
    key: &'a EncryptionKey,
    /// The sum of the plaintexts modulo `N`.
    plain: BoxedUint,
    /// The powers of `w` modulo `N`.
    nonces: Vec<Slot>,
    product: Product<'a>,
}

/// The powers modulo `N^2`.
enum Product<'a> {
    /// Queued, each with whether its exponent is negative.
    Queued(Vec<(Slot, bool)>),
    /// To be computed by the factors.
    Own(&'a DecryptionKey, Vec<(BoxedUint, Integer)>),
}

impl<'a> Batch<'a> {
    /// Joins the equations of a group, of whose modulus the verifier may have the `secret` half; none make no batch.
    pub(crate) fn queue(
        weights: &WeightKey,
        secret: Option<&'a DecryptionKey>,
        equations: &[Equation<'a>],
        powers: &mut Powers<'a>,
    ) -> Option<Self> {
        let key = equations.first()?.key;
        let n = key.n();
        let weights = weights.weights(key, equations);
        let (mut plain, mut nonces) = (n.reduce(&BoxedUint::zero()), Vec::new());
        // The two products of a slot are made of the same ciphertext: equal bases take one power.
        let mut factors: BTreeMap<&[Word], (&BoxedUint, Integer)> = BTreeMap::new();
        for (equation, weight) in equations.iter().zip(&weights) {
            plain = n.add(&plain, &equation.z.mul(weight).modulo(n));
            nonces.push(powers.push_public(n, &equation.w, weight.magnitude()));
            let weighted = equation.powers.iter().map(|(base, exponent)| (base, exponent.mul(weight)));
            for (base, exponent) in weighted.chain([(&equation.right, weight.neg())]) {
                let (_, sum) = factors.entry(base.as_words()).or_insert_with(|| (base, Integer::zero()));
                *sum = sum.add(&exponent).trimmed_public();
            }
        }
        let factors = factors.into_values();
        let product = match secret {
            Some(secret) => Product::Own(secret, factors.map(|(base, sum)| (base.clone(), sum)).collect()),
            None => {
                let mut queue = |(base, sum): (&BoxedUint, Integer)| {
                    (powers.push_public(key.nn(), base, sum.magnitude()), sum.is_negative().to_bool())
                };
                Product::Queued(factors.map(&mut queue).collect())
            }
        };
        Some(Self { key, plain, nonces, product })
    }

    /// Whether all of these hold, given the results of the list in which they are queued.
    pub(crate) fn hold(batches: &[Self], results: &Results) -> bool {
        let nonces: Vec<_> = batches.iter().map(|batch| batch.nonce(results)).collect();
        let mut powers = Powers::new();
        let queued = batches.iter().zip(&nonces).map(|(batch, nonce)| match batch.product {
            Product::Queued(_) => Some(powers.push_public(batch.key.nn(), nonce, batch.key.n().value())),
            Product::Own(..) => None,
        });
        let queued: Vec<_> = queued.collect();
        let long = powers.run();
        batches.iter().zip(&nonces).zip(queued).all(|((batch, nonce), slot)| match (&batch.product, slot) {
            (Product::Queued(factors), Some(slot)) => {
                let factors = factors.iter().map(|&(slot, negative)| (&results[slot], negative));
                batch.holds(&long[slot], factors)
            }
            (Product::Own(secret, factors), _) => {
                let noise = secret.factors().nth_powers_unpublished(&[nonce]);
                let list: Vec<_> =
                    factors.iter().map(|(base, exponent)| (base, exponent.magnitude())).collect();
                let found = secret.factors().powers_squared_unpublished(&list);
                let negative = factors.iter().map(|(_, exponent)| exponent.is_negative().to_bool());
                noise.first().is_some_and(|noise| batch.holds(noise, found.iter().zip(negative)))
            }
            (Product::Queued(_), None) => false,
        })
    }

    /// The product of the nonces.
    fn nonce(&self, results: &Results) -> BoxedUint {
        let n = self.key.n();
        let one = n.reduce(&BoxedUint::one());
        self.nonces.iter().fold(one, |product, &slot| n.mul(&product, &results[slot]))
    }

    /// Whether the equation holds, given the nonces' product to the power of `N`, and the other powers with whether they
    /// belong on the right.
    fn holds<'b>(&self, noise: &BoxedUint, factors: impl Iterator<Item = (&'b BoxedUint, bool)>) -> bool {
        let nn = self.key.nn();
        let plain = self.key.embed(&Integer::from_natural(&self.plain));
        let (mut left, mut right) = (nn.mul(&plain, noise), nn.reduce(&BoxedUint::one()));
        for (factor, negative) in factors {
            let side = if negative { &mut right } else { &mut left };
            *side = nn.mul(side, factor);
        }
        left == right
    }
}
