//! Montgomery arithmetic modulo the squares of the moduli, for less than the price of numbers of twice the length.
//!
//! A *pair* `(a, b)` stands for `a − b·n` modulo `n²`, with `a` and `b` loosely reduced modulo `n`. Of a product
//! `(a − b·n)·(c − d·n) = a·c − (a·d + b·c)·n` the first term is divided by `R` as always: `a·c + q·n = R·a'`. Put in, that is
//! `R·a' − (q + a·d + b·c)·n`, and only the factor before `n` needs another division, modulo `n`:
//! `q + a·d + b·c + q'·n = R·b'`. So `(a', b')` is the product divided by `R`.
//!
//! With `k` digits in `n` a square takes `7k²` multiply-and-add instructions (`a²`, `2ab`, two reductions) where a number of
//! `2k` digits takes `12k²`; a product takes `10k²` in place of `16k²`.
//!
//! Both halves of a result are below `2n` if those of the factors are below `4n`: `q + a·d + b·c < R + 32n²` and `R ≥ 64n`.

use super::kernel::{
    Moduli, add_product, add_square, carry_on, clear, clear_columns, finish, subtract, subtract_once, twice,
};
use super::vector::{Block, Vector};

/// Blocks of scratch space for each block of a modulus.
pub(super) const SCRATCH: usize = 4;

/// The two halves of a pair.
#[inline(always)]
fn halves(pair: &[Block]) -> (&[Block], &[Block]) {
    pair.split_at(pair.len() / 2)
}

/// `out = x·y·R^(−1) mod n²`.
#[inline(always)]
pub(super) fn multiply_pairs<V: Vector>(
    out: &mut [Block],
    x: &[Block],
    y: &[Block],
    moduli: &Moduli,
    t: &mut [Block],
) {
    let ((a, b), (c, d)) = (halves(x), halves(y));
    let (t, _) = t.split_at_mut(x.len());
    clear_columns::<V>(t);
    add_product::<V>(t, a, c);
    first_half::<V>(out, moduli, t);
    add_product::<V>(t, a, d);
    add_product::<V>(t, b, c);
    second_half::<V>(out, moduli, t);
}

/// `out = x²·R^(−1) mod n²`.
#[inline(always)]
pub(super) fn square_pairs<V: Vector>(out: &mut [Block], x: &[Block], moduli: &Moduli, t: &mut [Block]) {
    let (a, b) = halves(x);
    let (t, rest) = t.split_at_mut(x.len());
    let (doubled, _) = rest.split_at_mut(b.len());
    twice::<V>(doubled, b);
    clear_columns::<V>(t);
    add_square::<V>(t, a);
    first_half::<V>(out, moduli, t);
    add_product::<V>(t, a, doubled);
    second_half::<V>(out, moduli, t);
}

/// The first half of a result from the columns of `a·c`, and columns with `q` for the second.
#[inline(always)]
fn first_half<V: Vector>(out: &mut [Block], moduli: &Moduli, t: &mut [Block]) {
    let (out, _) = out.split_at_mut(moduli.n.len());
    let carry = clear::<V>(moduli, t);
    finish(out, t, carry);
    let (_, above) = t.split_at_mut(moduli.n.len());
    clear_columns::<V>(above);
}

/// The second half of a result from its columns.
#[inline(always)]
fn second_half<V: Vector>(out: &mut [Block], moduli: &Moduli, t: &mut [Block]) {
    let (_, out) = out.split_at_mut(moduli.n.len());
    let carry = clear::<V>(moduli, t);
    finish(out, t, carry);
}

/// The pair for `R` from `u = R mod n`: `R − u` is `c·n` for the `c` that clears `u`, so `R = u − (n − c)·n` modulo `n²`.
/// It takes an `n` of more digits than `R/n` has.
#[inline(always)]
pub(super) fn unit_pair<V: Vector>(out: &mut [Block], u: &[Block], moduli: &Moduli, t: &mut [Block]) {
    let (t, _) = t.split_at_mut(out.len());
    let (first, second) = out.split_at_mut(u.len());
    first.copy_from_slice(u);
    columns_of::<V>(t, u);
    clear::<V>(moduli, t);
    let (c, _) = t.split_at(u.len());
    subtract::<V>(second, &moduli.n, c);
}

/// The pair for `x/R` from the digits of an `x < n²`.
#[inline(always)]
pub(super) fn enter<V: Vector>(out: &mut [Block], x: &[Block], moduli: &Moduli, t: &mut [Block]) {
    let (t, _) = t.split_at_mut(out.len());
    t.copy_from_slice(x);
    // x + q·n = R·a, so x/R = a − (q/R)·n.
    first_half::<V>(out, moduli, t);
    second_half::<V>(out, moduli, t);
}

/// The digits of the number below `n²` that a pair `(a, b)` stands for, where `a ≤ n` and `b ≤ n + 1`. `squares` are the `n²`.
#[inline(always)]
pub(super) fn leave<V: Vector>(
    out: &mut [Block],
    pair: &[Block],
    moduli: &Moduli,
    squares: &[Block],
    t: &mut [Block],
) {
    let (a, b) = halves(pair);
    let (t, rest) = t.split_at_mut(pair.len());
    let (doubled, difference) = rest.split_at_mut(b.len());
    // a + (2n − b)·n is not negative and at most 2n² + n.
    twice::<V>(doubled, &moduli.n);
    subtract::<V>(difference, doubled, b);
    columns_of::<V>(t, a);
    add_product::<V>(t, difference, &moduli.n);
    carry_on(out, t, V::splat(0));
    subtract_once::<V>(out, squares, t);
    subtract_once::<V>(out, squares, t);
}

/// The columns of a number: its digits, and zeros above.
#[inline(always)]
fn columns_of<V: Vector>(t: &mut [Block], digits: &[Block]) {
    let (low, high) = t.split_at_mut(digits.len());
    low.copy_from_slice(digits);
    clear_columns::<V>(high);
}
