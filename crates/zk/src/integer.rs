//! Signed integers with a public width and a secret value.
//!
//! Everything marked *public* below may run in variable time; everything else takes time that depends on widths only.
//! The intervals `I(b)` and `I(b; s)` are those of `docs/spec/params.md`: closed and symmetric, for sampling and checking.

use core::fmt;

use consign_modexp::{BoxedUint, Modulus};
use crypto_bigint::{Choice, ConcatenatingMul, CtEq, CtNeg, CtSelect, NonZero, Resize};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

#[cfg(test)]
mod tests;

/// A signed integer as sign and magnitude; zero is never negative. Zeroised when dropped.
#[derive(Clone)]
pub struct Integer {
    negative: Choice,
    magnitude: BoxedUint,
}

impl Integer {
    /// Zero.
    pub fn zero() -> Self {
        Self { negative: Choice::FALSE, magnitude: BoxedUint::zero() }
    }

    /// `magnitude`, or `-magnitude` if `negative`.
    pub fn new(magnitude: BoxedUint, negative: Choice) -> Self {
        let negative = negative & magnitude.is_nonzero();
        Self { negative, magnitude }
    }

    /// A non-negative integer.
    pub fn from_natural(magnitude: &BoxedUint) -> Self {
        Self { negative: Choice::FALSE, magnitude: magnitude.clone() }
    }

    /// Absolute value; its precision is the public width.
    pub fn magnitude(&self) -> &BoxedUint {
        &self.magnitude
    }

    /// Whether the integer is below zero.
    pub fn is_negative(&self) -> Choice {
        self.negative
    }

    /// `self + other`, one limb wider than the wider operand.
    pub fn add(&self, other: &Self) -> Self {
        let width = self.magnitude.bits_precision().max(other.magnitude.bits_precision()) + 64;
        let mut a = self.twos_complement(width);
        let mut b = other.twos_complement(width);
        let mut sum = a.wrapping_add(&b);
        let negative = sum.bit(width - 1);
        let magnitude = sum.ct_neg(negative);
        a.zeroize();
        b.zeroize();
        sum.zeroize();
        Self { negative, magnitude }
    }

    /// `-self`.
    pub fn neg(&self) -> Self {
        Self { negative: !self.negative & self.magnitude.is_nonzero(), magnitude: self.magnitude.clone() }
    }

    /// `self - other`.
    pub fn sub(&self, other: &Self) -> Self {
        self.add(&other.neg())
    }

    /// `self * other`, as wide as both together.
    pub fn mul(&self, other: &Self) -> Self {
        let magnitude = self.magnitude.concatenating_mul(&other.magnitude);
        Self::new(magnitude, self.negative ^ other.negative)
    }

    /// The representative of `self` in `[0, n)`.
    pub fn modulo(&self, n: &Modulus) -> BoxedUint {
        let mut residue = n.reduce(&self.magnitude);
        let mut negated = n.neg(&residue);
        let result = residue.ct_select(&negated, self.negative);
        residue.zeroize();
        negated.zeroize();
        result
    }

    /// Uniform in `I(bits)`: absolute value at most `2^(bits-1)`.
    pub fn sample(bits: u32, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::sample_scaled(bits, &BoxedUint::one(), rng)
    }

    /// Uniform in `I(bits; scale)`: absolute value at most `scale * 2^(bits-1)`. `scale` is public.
    pub fn sample_scaled(bits: u32, scale: &BoxedUint, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let half = scaled_bound(bits, scale);
        let width = half.bits_vartime() + 1;
        let mut full = half.clone().resize_unchecked(width);
        full = full.wrapping_add(full.clone());
        let mut drawn = uniform_at_most(&full, rng);
        let shifted = Self::from_natural(&drawn).sub(&Self::from_natural(&half));
        drawn.zeroize();
        shifted.narrowed(half.bits_vartime())
    }

    /// Public: whether `self` lies in `I(bits)`.
    pub fn is_within(&self, bits: u32) -> bool {
        self.is_within_scaled(bits, &BoxedUint::one())
    }

    /// Public: whether `self` lies in `I(bits; scale)`.
    pub fn is_within_scaled(&self, bits: u32, scale: &BoxedUint) -> bool {
        self.magnitude.cmp_vartime(scaled_bound(bits, scale)).is_le()
    }

    /// The same value stored in `bits` bits. Panics if it does not fit: callers know the range of what they computed.
    pub fn narrowed(&self, bits: u32) -> Self {
        let magnitude =
            (&self.magnitude).try_resize(bits).expect("invariant: the caller's range bound holds");
        Self { negative: self.negative, magnitude }
    }

    /// Public: the same value in as few limbs as hold it.
    pub fn trimmed_public(&self) -> Self {
        self.narrowed(self.magnitude.bits_vartime().max(1))
    }

    /// Public: the unique encoding, a sign byte (0 or 1) and the minimal big-endian magnitude (empty for zero).
    pub fn to_bytes_public(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.negative.to_bool())];
        bytes.extend_from_slice(&minimal_bytes(&self.magnitude));
        bytes
    }

    /// Public: reads [`Integer::to_bytes_public`]; refuses other signs, leading zeros and minus zero.
    pub fn from_bytes_public(bytes: &[u8]) -> Option<Self> {
        let (&sign, magnitude) = bytes.split_first()?;
        let magnitude = from_minimal_bytes(magnitude)?;
        let negative = match sign {
            0 => Choice::FALSE,
            1 if magnitude.is_nonzero().to_bool() => Choice::TRUE,
            _ => return None,
        };
        Some(Self { negative, magnitude })
    }

    fn twos_complement(&self, width: u32) -> BoxedUint {
        let mut wide = (&self.magnitude).resize_unchecked(width);
        let result = wide.ct_neg(self.negative);
        wide.zeroize();
        result
    }
}

impl Zeroize for Integer {
    fn zeroize(&mut self) {
        self.magnitude.zeroize();
        self.negative = Choice::FALSE;
    }
}

impl Drop for Integer {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for Integer {}

impl PartialEq for Integer {
    fn eq(&self, other: &Self) -> bool {
        (self.magnitude.ct_eq(&other.magnitude) & self.negative.eq(other.negative)).to_bool()
    }
}

impl Eq for Integer {}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Integer({} bits wide)", self.magnitude.bits_precision())
    }
}

/// `scale * 2^(bits-1)`.
fn scaled_bound(bits: u32, scale: &BoxedUint) -> BoxedUint {
    let width = scale.bits_vartime() + bits - 1;
    let wide = scale.clone().resize_unchecked(width.max(scale.bits_vartime()));
    wide.overflowing_shl_vartime(bits - 1).expect("invariant: resized to hold the shifted value")
}

/// Uniform in `[0, bound]` by rejection, at the precision of `bound`; `bound` is public.
pub fn uniform_at_most(bound: &BoxedUint, rng: &mut (impl CryptoRng + ?Sized)) -> BoxedUint {
    let bits = bound.bits_vartime();
    let bytes = bits.div_ceil(8);
    let mask = 0xff_u8 >> (bytes * 8 - bits);
    let mut buffer = vec![0; bytes as usize];
    loop {
        rng.fill_bytes(&mut buffer);
        if let Some(top) = buffer.first_mut() {
            *top &= mask;
        }
        let candidate = BoxedUint::from_be_slice(&buffer, bound.bits_precision())
            .expect("invariant: as many bytes as the bound has");
        if candidate.cmp_vartime(bound).is_le() {
            buffer.zeroize();
            return candidate;
        }
    }
}

/// Public: minimal big-endian bytes, empty for zero.
pub fn minimal_bytes(value: &BoxedUint) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|&b| b != 0).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default().to_vec()
}

/// Public: reads [`minimal_bytes`]; refuses leading zeros.
pub fn from_minimal_bytes(bytes: &[u8]) -> Option<BoxedUint> {
    if bytes.first() == Some(&0) {
        return None;
    }
    Some(BoxedUint::from_be_slice_vartime(bytes))
}

/// `value mod n` for a public divisor `n`, in time that depends on widths only.
pub fn remainder(value: &BoxedUint, n: &NonZero<BoxedUint>) -> BoxedUint {
    value.rem(n)
}
