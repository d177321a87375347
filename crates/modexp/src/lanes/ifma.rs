//! The kernel on AVX512-IFMA. The only file with `unsafe` but `awslc.rs`.
//!
//! [`detected`] alone leaves this file: whoever holds its [`Kernel`] runs on a processor with the instructions.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask, _mm512_load_si512,
    _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_mov_epi64, _mm512_set1_epi64,
    _mm512_srli_epi64, _mm512_store_si512,
};

use super::Kernel;
use super::kernel::{self, Moduli};
use super::vector::{Column, DIGIT_BITS, DIGIT_MASK, Quad, Vector};

/// The kernel, if this processor has the instructions.
pub(super) fn detected() -> Option<&'static Kernel> {
    let present =
        std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512ifma");
    present.then_some(&KERNEL)
}

static KERNEL: Kernel = Kernel { multiply, square, square_and_double, subtract_once, double, select };

/// Defines a safe function of the kernel around one that is compiled for the instructions.
macro_rules! compiled_for_ifma {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $name($($argument: $type),*) {
            #[target_feature(enable = "avx512f,avx512ifma")]
            fn with_instructions($($argument: $type),*) {
                kernel::$name::<Register>($($argument),*);
            }
            // SAFETY: the function is private and reached through the `KERNEL` that `detected` gives out after
            // it found both instruction sets.
            unsafe { with_instructions($($argument),*) }
        }
    )*};
}

compiled_for_ifma! {
    multiply(out: &mut [Quad], a: &[Quad], b: &[Quad], moduli: &Moduli, t: &mut [Quad]);
    square(out: &mut [Quad], a: &[Quad], moduli: &Moduli, t: &mut [Quad]);
    square_and_double(out: &mut [Quad], a: &[Quad], active: &Column, moduli: &Moduli, t: &mut [Quad]);
    subtract_once(x: &mut [Quad], moduli: &Moduli, t: &mut [Quad]);
    double(x: &mut [Quad], active: &Column, moduli: &Moduli, t: &mut [Quad]);
    select(out: &mut [Quad], table: &[Quad], keys: &Column);
}

/// One 512-bit register. Used only inside `with_instructions` above.
#[derive(Clone, Copy)]
struct Register(__m512i);

impl Vector for Register {
    #[inline(always)]
    fn load(column: &Column) -> Self {
        // SAFETY: avx512f is there (see `Register`); a `Column` has 64 bytes and is aligned to 64.
        Self(unsafe { _mm512_load_si512(std::ptr::from_ref(column).cast()) })
    }

    #[inline(always)]
    fn store(self, column: &mut Column) {
        // SAFETY: avx512f is there (see `Register`); a `Column` has 64 bytes, is aligned to 64, and any bytes are
        // a valid one.
        unsafe { _mm512_store_si512(std::ptr::from_mut(column).cast(), self.0) }
    }

    #[inline(always)]
    fn splat(x: u64) -> Self {
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { _mm512_set1_epi64(x.cast_signed()) })
    }

    #[inline(always)]
    fn low(self, a: Self, b: Self) -> Self {
        // SAFETY: avx512ifma is there (see `Register`).
        Self(unsafe { _mm512_madd52lo_epu64(self.0, a.0, b.0) })
    }

    #[inline(always)]
    fn high(self, a: Self, b: Self) -> Self {
        // SAFETY: avx512ifma is there (see `Register`).
        Self(unsafe { _mm512_madd52hi_epu64(self.0, a.0, b.0) })
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { _mm512_add_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn carry(self) -> Self {
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { _mm512_srli_epi64::<DIGIT_BITS>(self.0) })
    }

    #[inline(always)]
    fn digit(self) -> Self {
        let mask = Self::splat(DIGIT_MASK);
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { _mm512_and_si512(self.0, mask.0) })
    }

    #[inline(always)]
    fn replace_where(self, key: Self, value: Self, other: Self) -> Self {
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { _mm512_mask_mov_epi64(self.0, _mm512_cmpeq_epi64_mask(key.0, value.0), other.0) })
    }
}
