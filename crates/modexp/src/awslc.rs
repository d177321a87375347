//! Safe wrappers around the few big-number functions of AWS-LC this crate calls. With `lanes/ifma.rs` the only file
//! with `unsafe`.
//!
//! What makes the constant-time claims true, each read in the sources of `aws-lc-sys` and pinned by a test in
//! `powers.rs` or below:
//! * `BN_le2bn` stores exactly `⌈len/8⌉` words and strips nothing, so a [`Number`] has the width its caller gave.
//! * `BN_mod_exp_mont_consttime` walks over all `width × 64` bits of the stored exponent with fixed windows and
//!   a full scan of its table. `BN_num_bits` of the exponent is never asked.
//! * `BN_MONT_CTX_new_consttime` computes `R² mod n` by doublings and squarings; only the bit length of `n`
//!   is treated as public.
//! * Every `BIGNUM` is cleansed when freed (`OPENSSL_free` wipes), temporaries of a `BN_CTX` included.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys as ffi;

/// One machine word of a number, least significant first; equals crypto-bigint's `Word` on our targets.
pub(crate) type Word = u64;

/// Bytes in a [`Word`].
const WORD_BYTES: usize = size_of::<Word>();

// The byte order of words in memory is what `BN_le2bn` and `BN_bn2le_padded` read and write.
const _: () = assert!(cfg!(target_endian = "little") && cfg!(target_pointer_width = "64"));

/// Every call below fails only if memory runs out or a caller broke an invariant that it documents.
fn succeed(status: c_int, what: &str) {
    assert!(status == 1, "invariant: AWS-LC refused {what}: operands out of range, or no memory");
}

/// An owned, non-negative `BIGNUM`. Wiped when dropped.
struct Number(NonNull<ffi::BIGNUM>);

impl Number {
    /// A number without value, to receive results.
    fn empty() -> Self {
        // SAFETY: no arguments; the result is owned by us, null is refused.
        Self(NonNull::new(unsafe { ffi::BN_new() }).expect("invariant: memory for a number"))
    }

    /// A copy of `words` stored in exactly `width` words, whatever their values.
    ///
    /// # Panics
    /// If a word beyond `width` is not zero (in that case alone run time depends on values).
    fn load(words: &[Word], width: usize) -> Self {
        let kept = words.get(..width).unwrap_or(words);
        let beyond = words.iter().skip(width).fold(0, |any, word| any | word);
        assert!(beyond == 0, "invariant: the number fits the width of its modulus");
        if kept.len() == width {
            return Self::load_exact(kept);
        }
        let mut padded = zeroize::Zeroizing::new(kept.to_vec());
        padded.resize(width, 0);
        Self::load_exact(&padded)
    }

    /// A copy of `words`, with as many words stored.
    fn load_exact(words: &[Word]) -> Self {
        let number = Self::empty();
        let bytes = words.len() * WORD_BYTES;
        // SAFETY: `words` is readable for `bytes` bytes (u8 has no alignment), the target is a valid BIGNUM
        // of ours. The function copies.
        let got = unsafe { ffi::BN_le2bn(words.as_ptr().cast(), bytes, number.0.as_ptr()) };
        assert!(!got.is_null(), "invariant: memory for a number");
        number
    }

    /// Takes over `words`, with as many stored.
    fn replace(&mut self, words: &[Word]) {
        let bytes = words.len() * WORD_BYTES;
        // SAFETY: as in `load_exact`.
        let got = unsafe { ffi::BN_le2bn(words.as_ptr().cast(), bytes, self.0.as_ptr()) };
        assert!(!got.is_null(), "invariant: memory for a number");
    }

    /// Writes the value, zero-padded, over all of `out`.
    fn store(&self, out: &mut [Word]) {
        let bytes = out.len() * WORD_BYTES;
        // SAFETY: `out` is writable for `bytes` bytes and any bytes are a valid u64; the source is a valid BIGNUM.
        let status = unsafe { ffi::BN_bn2le_padded(out.as_mut_ptr().cast(), bytes, self.0.as_ptr()) };
        succeed(status, "a result's width");
    }

    /// Number of stored words, leading zeros included.
    #[cfg(test)]
    fn width(&self) -> usize {
        // SAFETY: a valid BIGNUM of ours; a plain field is read.
        usize::try_from(unsafe { (*self.0.as_ptr()).width }).expect("invariant: widths are not negative")
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { ffi::BN_clear_free(self.0.as_ptr()) }
    }
}

/// A pool of temporaries for one call. Not thread-safe, therefore never stored.
struct Scratch(NonNull<ffi::BN_CTX>);

impl Scratch {
    fn new() -> Self {
        // SAFETY: no arguments; the result is owned by us, null is refused.
        Self(NonNull::new(unsafe { ffi::BN_CTX_new() }).expect("invariant: memory for temporaries"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { ffi::BN_CTX_free(self.0.as_ptr()) }
    }
}

/// One exponentiation for [`Montgomery::power_pair`]: base, exponent and where the result goes.
pub(crate) struct Half<'a> {
    pub(crate) modulus: &'a Montgomery,
    pub(crate) base: &'a [Word],
    pub(crate) exponent: &'a [Word],
    pub(crate) out: &'a mut [Word],
}

/// An odd modulus with its Montgomery constants; immutable. Wiped when dropped.
///
/// All slices are little-endian words. Operands must be below the modulus; they are stored at its width.
pub(crate) struct Montgomery {
    context: NonNull<ffi::BN_MONT_CTX>,
    modulus: Number,
    width: usize,
}

// SAFETY: after construction nothing mutates the context or the modulus: every function below takes them as
// `const` pointers, and AWS-LC keeps no hidden state in them (no lock, no reference count, no lazy fields).
unsafe impl Send for Montgomery {}
// SAFETY: as above.
unsafe impl Sync for Montgomery {}

impl Montgomery {
    /// Precomputes for an odd `modulus` ≥ 3 whose top word is not zero; `secret` chooses the constant-time way.
    pub(crate) fn new(modulus: &[Word], secret: bool) -> Self {
        let width = modulus.len();
        let modulus = Number::load_exact(modulus);
        let scratch = Scratch::new();
        // SAFETY: valid objects of ours, which both functions only read (scratch: use as temporaries).
        let context = unsafe {
            if secret {
                ffi::BN_MONT_CTX_new_consttime(modulus.0.as_ptr(), scratch.0.as_ptr())
            } else {
                ffi::BN_MONT_CTX_new_for_modulus(modulus.0.as_ptr(), scratch.0.as_ptr())
            }
        };
        let context = NonNull::new(context).expect("invariant: an odd modulus of bounded size");
        Self { context, modulus, width }
    }

    /// `base^exponent`, in time that depends on the widths of modulus and exponent only.
    pub(crate) fn power_secret(&self, base: &[Word], exponent: &[Word], out: &mut [Word]) {
        let (base, exponent) = (Number::load(base, self.width), Number::load_exact(exponent));
        let (result, scratch) = (Number::empty(), Scratch::new());
        // SAFETY: valid objects of ours; `result` and `scratch` are written by this call alone.
        let status = unsafe {
            ffi::BN_mod_exp_mont_consttime(
                result.0.as_ptr(),
                base.0.as_ptr(),
                exponent.0.as_ptr(),
                self.modulus.0.as_ptr(),
                scratch.0.as_ptr(),
                self.context.as_ptr(),
            )
        };
        succeed(status, "an exponentiation");
        result.store(out);
    }

    /// `base^exponent` for public operands: sliding windows, good for short exponents.
    pub(crate) fn power_public(&self, base: &[Word], exponent: &[Word], out: &mut [Word]) {
        let (base, exponent) = (Number::load(base, self.width), Number::load_exact(exponent));
        let (result, scratch) = (Number::empty(), Scratch::new());
        // SAFETY: valid objects of ours; `result` and `scratch` are written by this call alone.
        let status = unsafe {
            ffi::BN_mod_exp_mont(
                result.0.as_ptr(),
                base.0.as_ptr(),
                exponent.0.as_ptr(),
                self.modulus.0.as_ptr(),
                scratch.0.as_ptr(),
                self.context.as_ptr(),
            )
        };
        succeed(status, "an exponentiation");
        result.store(out);
    }

    /// Two constant-time exponentiations at once, on processors with AVX512-IFMA much faster than one by one
    /// if both moduli have the same exact bit length 1024, 1536 or 2048. Exponents are padded to the width of
    /// their modulus.
    pub(crate) fn power_pair(first: Half<'_>, second: Half<'_>) {
        let load = |half: &Half<'_>| {
            let width = half.modulus.width;
            (Number::load(half.base, width), Number::load(half.exponent, width), Number::empty())
        };
        let (base1, exponent1, result1) = load(&first);
        let (base2, exponent2, result2) = load(&second);
        let scratch = Scratch::new();
        // SAFETY: valid objects of ours; the results and `scratch` are written by this call alone. Base,
        // exponent and modulus of each half have the same width, as the function asks.
        let status = unsafe {
            ffi::BN_mod_exp_mont_consttime_x2(
                result1.0.as_ptr(),
                base1.0.as_ptr(),
                exponent1.0.as_ptr(),
                first.modulus.modulus.0.as_ptr(),
                first.modulus.context.as_ptr(),
                result2.0.as_ptr(),
                base2.0.as_ptr(),
                exponent2.0.as_ptr(),
                second.modulus.modulus.0.as_ptr(),
                second.modulus.context.as_ptr(),
                scratch.0.as_ptr(),
            )
        };
        succeed(status, "a pair of exponentiations");
        result1.store(first.out);
        result2.store(second.out);
    }

    /// `a·b` mod the modulus in constant time: into Montgomery form with `a`, out of it by the product with `b`.
    pub(crate) fn multiply(&self, a: &[Word], b: &[Word], out: &mut [Word]) {
        let (a, b) = (Number::load(a, self.width), Number::load(b, self.width));
        let (lifted, result, scratch) = (Number::empty(), Number::empty(), Scratch::new());
        let (context, scratch) = (self.context.as_ptr(), scratch.0.as_ptr());
        // SAFETY: valid objects of ours; `lifted` is written by this call alone.
        let status = unsafe { ffi::BN_to_montgomery(lifted.0.as_ptr(), a.0.as_ptr(), context, scratch) };
        succeed(status, "a product");
        // SAFETY: as above, and `result` is written by this call alone.
        let status = unsafe {
            ffi::BN_mod_mul_montgomery(result.0.as_ptr(), lifted.0.as_ptr(), b.0.as_ptr(), context, scratch)
        };
        succeed(status, "a product");
        result.store(out);
    }

    /// The inverse of a public `a`, in variable time; false (and `out` untouched) if there is none.
    pub(crate) fn invert_public(&self, a: &[Word], out: &mut [Word]) -> bool {
        let (a, result, scratch) = (Number::load(a, self.width), Number::empty(), Scratch::new());
        let mut no_inverse: c_int = 0;
        // SAFETY: valid objects of ours; `result`, `no_inverse` and `scratch` are written by this call alone.
        let status = unsafe {
            ffi::BN_mod_inverse_odd(
                result.0.as_ptr(),
                ptr::from_mut(&mut no_inverse),
                a.0.as_ptr(),
                self.modulus.0.as_ptr(),
                scratch.0.as_ptr(),
            )
        };
        if no_inverse != 0 {
            // SAFETY: no arguments. The refusal left an entry in this thread's error queue.
            unsafe { ffi::ERR_clear_error() };
            return false;
        }
        succeed(status, "an inversion");
        result.store(out);
        true
    }
}

/// A product that grows, in Montgomery form: `R` is `2^64` to the power of the modulus's width. Each step takes constant time.
pub(crate) struct Chain<'a> {
    modulus: &'a Montgomery,
    value: Number,
    factor: Number,
    next: Number,
    scratch: Scratch,
}

impl<'a> Chain<'a> {
    /// Begins with a number below the modulus that is in Montgomery form already, as wide as the modulus.
    pub(crate) fn new(modulus: &'a Montgomery, value: &[Word]) -> Self {
        let value = Number::load(value, modulus.width);
        let (factor, next) = (Number::empty(), Number::empty());
        Self { modulus, value, factor, next, scratch: Scratch::new() }
    }

    /// Begins with a number below the modulus.
    pub(crate) fn entering(modulus: &'a Montgomery, value: &[Word]) -> Self {
        let mut chain = Self::new(modulus, value);
        let (context, scratch) = (modulus.context.as_ptr(), chain.scratch.0.as_ptr());
        // SAFETY: valid objects of ours; `next` is written by this call alone.
        let status =
            unsafe { ffi::BN_to_montgomery(chain.next.0.as_ptr(), chain.value.0.as_ptr(), context, scratch) };
        succeed(status, "a product");
        std::mem::swap(&mut chain.value, &mut chain.next);
        chain
    }

    /// Times a factor below the modulus, in Montgomery form and as wide as it.
    pub(crate) fn multiply(&mut self, factor: &[Word]) {
        self.factor.replace(factor);
        let (next, value, factor) = (self.next.0.as_ptr(), self.value.0.as_ptr(), self.factor.0.as_ptr());
        self.step(next, value, factor);
    }

    pub(crate) fn square(&mut self) {
        let (next, value) = (self.next.0.as_ptr(), self.value.0.as_ptr());
        self.step(next, value, value);
    }

    fn step(&mut self, next: *mut ffi::BIGNUM, a: *const ffi::BIGNUM, b: *const ffi::BIGNUM) {
        let (context, scratch) = (self.modulus.context.as_ptr(), self.scratch.0.as_ptr());
        // SAFETY: all are valid objects of `self`; `next` is none of the factors and written by this call alone.
        let status = unsafe { ffi::BN_mod_mul_montgomery(next, a, b, context, scratch) };
        succeed(status, "a product");
        std::mem::swap(&mut self.value, &mut self.next);
    }

    /// The product in Montgomery form.
    pub(crate) fn write(&self, out: &mut [Word]) {
        self.value.store(out);
    }

    /// The product.
    pub(crate) fn leave(self, out: &mut [Word]) {
        let (context, scratch) = (self.modulus.context.as_ptr(), self.scratch.0.as_ptr());
        // SAFETY: valid objects of ours; `next` is written by this call alone.
        let status =
            unsafe { ffi::BN_from_montgomery(self.next.0.as_ptr(), self.value.0.as_ptr(), context, scratch) };
        succeed(status, "a product");
        self.next.store(out);
    }
}

impl Drop for Montgomery {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { ffi::BN_MONT_CTX_free(self.context.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The constant-time exponentiation walks over `width` words: leading zeros must survive loading.
    #[test]
    fn widths_are_kept() {
        for width in 1..=97 {
            for set in [0, 1, width / 2, width] {
                let words: Vec<Word> = (0..width).map(|i| if i < set { 7 } else { 0 }).collect();
                assert_eq!(Number::load_exact(&words).width(), width);
                assert_eq!(Number::load(&words, width + 3).width(), width + 3);
                assert_eq!(Number::load(words.get(..set).unwrap(), width).width(), width);
                let mut back = vec![1; width];
                Number::load(&words, width).store(&mut back);
                assert_eq!(back, words);
            }
        }
    }

    /// Pairs of every size against single exponentiations; where the processor has AVX512-IFMA the three sizes
    /// of the paired kernel go through it.
    #[test]
    fn pairs_agree_with_singles() {
        for width in [1, 2, 3, 16, 17, 24, 32, 48] {
            let pattern = |seed: Word| -> Vec<Word> {
                let odd = |i: usize| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_mul(i as Word + 1) | 1;
                (0..width).map(odd).collect()
            };
            let full = |seed: Word| {
                let mut words = pattern(seed);
                *words.last_mut().unwrap() |= 1 << 63;
                Montgomery::new(&words, true)
            };
            let (m1, m2) = (full(1), full(2));
            let base = |seed| {
                let mut words = pattern(seed);
                *words.last_mut().unwrap() >>= 1;
                words
            };
            let bases = [vec![0; width], vec![1], base(3), base(4)];
            let exponents =
                [vec![0], vec![1], vec![2; width.div_ceil(2)], pattern(5), vec![Word::MAX; width]];
            for a in &bases {
                for e in &exponents {
                    let (mut one, mut two) = (vec![0; width], vec![0; width]);
                    let (mut first, mut second) = (one.clone(), two.clone());
                    m1.power_secret(a, e, &mut one);
                    m2.power_secret(&bases[3], e, &mut two);
                    Montgomery::power_pair(
                        Half { modulus: &m1, base: a, exponent: e, out: &mut first },
                        Half { modulus: &m2, base: &bases[3], exponent: e, out: &mut second },
                    );
                    assert_eq!((first, second), (one, two), "{width} words");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "fits the width")]
    fn a_number_too_long_is_refused() {
        drop(Number::load(&[1, 2, 3], 2));
    }
}
