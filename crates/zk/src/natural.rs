//! Non-negative integers as they travel: minimal, bounded, and not yet checked against any modulus.

use core::fmt;

use consign_modexp::{BoxedUint, Modulus, for_each};
use crypto_bigint::Resize;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::integer::{Integer, from_minimal_bytes, minimal_bytes};
use crate::paillier::{Ciphertext, EncryptionKey};
use crate::wire;

#[cfg(test)]
mod tests;

/// Longest magnitude accepted from the wire, in bytes. The longest honest one is `v` of the factor proof at L128:
/// 6912 bits. Exact bounds per field are checked by the proofs; this one protects the parser.
pub const MAX_INTEGER_BYTES: usize = 1024;

/// A public non-negative integer received or to be sent: a ciphertext, a residue or a modulus.
#[derive(Clone, PartialEq, Eq)]
pub struct Natural(BoxedUint);

impl Natural {
    /// Wraps a value.
    pub fn new(value: &BoxedUint) -> Self {
        Self(value.clone())
    }

    /// The value, at whatever precision it came with.
    pub fn value(&self) -> &BoxedUint {
        &self.0
    }

    /// Minimal big-endian bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        minimal_bytes(&self.0)
    }

    /// The value at the precision of `n` if `0 < value < n`.
    pub fn below(&self, n: &Modulus) -> Option<BoxedUint> {
        let inside = self.0.is_nonzero().to_bool() && self.0.cmp_vartime(n.value()).is_lt();
        inside.then(|| (&self.0).resize_unchecked(n.value().bits_precision()))
    }

    /// The value at the precision of `n` if it is a unit in `(0, n)`.
    pub fn unit(&self, n: &Modulus) -> Option<BoxedUint> {
        self.below(n).filter(|v| n.is_unit(v))
    }

    /// As [`Natural::unit`] for a whole list: a product is a unit exactly if every factor is, so one gcd serves all.
    pub fn units<'a>(list: impl Iterator<Item = &'a Self>, n: &Modulus) -> Option<Vec<BoxedUint>> {
        let values: Vec<_> = list.map(|value| value.below(n)).collect::<Option<_>>()?;
        let product = values.iter().cloned().reduce(|product, value| n.mul(&product, &value));
        product.is_none_or(|product| n.is_unit(&product)).then_some(values)
    }
}

/// Whether all numbers of a list of proofs are known to be units: a product is a unit exactly if every factor is, so one
/// gcd for each modulus tells. If it is not so, each number is tested for itself, so that the first that fails is found.
pub(crate) struct Units {
    known: bool,
}

impl Units {
    /// Looks at numbers and what they have to be units modulo; for a number below `N^2` that is `N`.
    pub(crate) fn of<'a>(numbers: impl Iterator<Item = (&'a Modulus, &'a Natural)>) -> Self {
        let residues = for_each(numbers, |(n, number)| {
            (n, if n.contains(&number.0) { n.fit(&number.0) } else { n.reduce(&number.0) })
        });
        let mut products: Vec<(&Modulus, BoxedUint)> = Vec::new();
        for (n, residue) in residues {
            match products.iter_mut().find(|(known, _)| known.value() == n.value()) {
                Some((_, product)) => *product = n.mul(product, &residue),
                None => products.push((n, residue)),
            }
        }
        Self { known: products.iter().all(|(n, product)| n.is_unit(product)) }
    }

    /// As [`Natural::unit`].
    pub(crate) fn residue(&self, value: &Natural, n: &Modulus) -> Option<BoxedUint> {
        if self.known { value.below(n) } else { value.unit(n) }
    }

    /// As [`EncryptionKey::unit`].
    pub(crate) fn ciphertext(&self, key: &EncryptionKey, value: &Ciphertext) -> Option<BoxedUint> {
        if self.known { value.natural().below(key.nn()) } else { key.unit(value) }
    }
}

impl fmt::Debug for Natural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Natural({} bits)", self.0.bits_vartime())
    }
}

impl Serialize for Natural {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::serialize(&self.to_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for Natural {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = wire::deserialize(deserializer, MAX_INTEGER_BYTES)?;
        from_minimal_bytes(&bytes)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("integer with leading zeros"))
    }
}

impl Serialize for Integer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::serialize(&self.to_bytes_public(), serializer)
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = wire::deserialize(deserializer, MAX_INTEGER_BYTES + 1)?;
        Self::from_bytes_public(&bytes)
            .ok_or_else(|| serde::de::Error::custom("integer not in its unique encoding"))
    }
}
