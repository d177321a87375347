//! The kernel on AVX512-IFMA. The only file with `unsafe` but `awslc.rs`.
//!
//! [`detected`] alone leaves this file: whoever holds its [`Kernel`] runs on a processor with the instructions.
//!
//! **Choices by secrets** are made by arithmetic on whole registers, never under mask registers: from a comparison into
//! a mask register the compiler makes loads and stores that the mask suppresses in part, and whether their time depends on
//! the mask is not said. It would find its way back from the arithmetic, so [`opaque`] hides from it how a mask
//! came about. `docs/performance.md` has the command that shows what was compiled.

#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::{
    __m512i, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512,
    _mm512_castsi512_si128, _mm512_cvtepi64_epi8, _mm512_cvtepu8_epi64, _mm512_load_si512,
    _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_set1_epi64, _mm512_srai_epi64, _mm512_srli_epi64,
    _mm512_store_si512, _mm512_xor_si512, _mm512_zextsi128_si512,
};

use super::Kernel;
use super::across::{self, Across};
use super::kernel::{self, Moduli};
use super::pairs;
use super::vector::{Block, Column, DIGIT_BITS, DIGIT_MASK, Vector};

/// The kernel, if this processor has the instructions.
pub(super) fn detected() -> Option<&'static Kernel> {
    let present =
        std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512ifma");
    present.then_some(&KERNEL)
}

static KERNEL: Kernel = Kernel {
    multiply,
    square,
    square_and_double,
    subtract_once,
    twice,
    double,
    select,
    select_shared,
    multiply_pairs,
    square_pairs,
    unit_pair,
    enter,
    leave,
    multiply_across,
    multiply_pairs_across,
    square_pairs_across,
};

/// Defines a safe function of the kernel around one that is compiled for the instructions.
macro_rules! compiled_for_ifma {
    ($($module:ident::$name:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $name($($argument: $type),*) {
            #[target_feature(enable = "avx512f,avx512ifma")]
            fn with_instructions($($argument: $type),*) {
                $module::$name::<Register>($($argument),*);
            }
            // SAFETY: the function is private and reached through the `KERNEL` that `detected` gives out after
            // it found both instruction sets.
            unsafe { with_instructions($($argument),*) }
        }
    )*};
}

compiled_for_ifma! {
    kernel::multiply(out: &mut [Block], a: &[Block], b: &[Block], moduli: &Moduli, t: &mut [Block]);
    kernel::square(out: &mut [Block], a: &[Block], moduli: &Moduli, t: &mut [Block]);
    kernel::square_and_double(out: &mut [Block], a: &[Block], active: &Column, moduli: &Moduli, t: &mut [Block]);
    kernel::subtract_once(x: &mut [Block], n: &[Block], t: &mut [Block]);
    kernel::twice(out: &mut [Block], x: &[Block]);
    kernel::double(x: &mut [Block], active: &Column, n: &[Block], t: &mut [Block]);
    kernel::select(out: &mut [Column], table: &[Column], keys: &Column);
    kernel::select_shared(out: &mut [Column], table: &[Column], columns: usize, keys: &Column);
    pairs::multiply_pairs(out: &mut [Block], x: &[Block], y: &[Block], moduli: &Moduli, t: &mut [Block]);
    pairs::square_pairs(out: &mut [Block], x: &[Block], moduli: &Moduli, t: &mut [Block]);
    pairs::unit_pair(out: &mut [Block], u: &[Block], moduli: &Moduli, t: &mut [Block]);
    pairs::enter(out: &mut [Block], x: &[Block], moduli: &Moduli, t: &mut [Block]);
    pairs::leave(out: &mut [Block], pair: &[Block], moduli: &Moduli, squares: &[Block], t: &mut [Block]);
    across::multiply_across(out: &mut [Column], a: &[Column], b: &[Column], n: Across<'_>);
    across::multiply_pairs_across(out: &mut [Column], x: &[Column], y: &[Column], n: Across<'_>);
    across::square_pairs_across(out: &mut [Column], x: &[Column], n: Across<'_>, twice: &mut [Column]);
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
    fn complement(self) -> Self {
        let mask = Self::splat(DIGIT_MASK);
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { _mm512_xor_si512(self.0, mask.0) })
    }

    #[inline(always)]
    fn first(x: u64) -> Self {
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { _mm512_zextsi128_si512(_mm_cvtsi64_si128(x.cast_signed())) })
    }

    #[inline(always)]
    fn lowest(self) -> u64 {
        // SAFETY: avx512f is there (see `Register`).
        unsafe { _mm_cvtsi128_si64(_mm512_castsi512_si128(self.0)) }.cast_unsigned()
    }

    #[inline(always)]
    fn moved_down(self, above: Self) -> Self {
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { _mm512_alignr_epi64::<1>(above.0, self.0) })
    }

    #[inline(always)]
    fn moved_up(self, below: Self) -> Self {
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { _mm512_alignr_epi64::<7>(self.0, below.0) })
    }

    #[inline(always)]
    fn bytes(self) -> u64 {
        // SAFETY: avx512f is there (see `Register`).
        unsafe { _mm_cvtsi128_si64(_mm512_cvtepi64_epi8(self.0)) }.cast_unsigned()
    }

    #[inline(always)]
    fn from_bytes(bytes: u64) -> Self {
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { _mm512_cvtepu8_epi64(_mm_cvtsi64_si128(bytes.cast_signed())) })
    }

    #[inline(always)]
    fn equals(self, other: Self) -> Self {
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { opaque(equality(self.0, other.0)) })
    }

    #[inline(always)]
    fn replace_where(self, mask: Self, other: Self) -> Self {
        // SAFETY: avx512f is there (see `Register`).
        Self(unsafe { blend(self.0, other.0, mask.0) })
    }
}

/// All ones where the numbers are equal: one less than their difference is negative there alone.
#[inline]
#[target_feature(enable = "avx512f")]
fn equality(a: __m512i, b: __m512i) -> __m512i {
    let less_one = _mm512_add_epi64(_mm512_xor_si512(a, b), _mm512_set1_epi64(-1));
    _mm512_srai_epi64::<63>(less_one)
}

/// `b` where the mask is all ones, `a` where it is zero.
#[inline]
#[target_feature(enable = "avx512f")]
fn blend(a: __m512i, b: __m512i, mask: __m512i) -> __m512i {
    _mm512_xor_si512(a, _mm512_and_si512(_mm512_xor_si512(a, b), mask))
}

/// The same number, of which the compiler knows nothing.
#[inline]
#[target_feature(enable = "avx512f")]
fn opaque(mut x: __m512i) -> __m512i {
    // SAFETY: no instruction at all; the register is named as read and written.
    unsafe { asm!("/* {0} */", inout(zmm_reg) x, options(pure, nomem, nostack, preserves_flags)) }
    x
}
