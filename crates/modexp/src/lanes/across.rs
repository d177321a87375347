//! Montgomery products of one number whose digits lie across the lanes: for lists too short to fill them.
//!
//! A number of `k` digits takes `⌈k/8⌉` columns, the lowest digit in the first lane of the first. A product is made digit by
//! digit of the second factor: add its multiple of the first factor, clear the lowest digit by a multiple of the modulus,
//! and move everything down by one lane. `R = 2^(52k)` is at least `64n`, as in `kernel.rs`, and so are the bounds; the
//! arithmetic modulo squares is that of `pairs.rs`, both halves in step: the `q` of a digit of the first goes into the second.
//!
//! **Sums fit.** A column takes, for each of at most [`MAX_DIGITS`] digits, at most six half products below 2^52 and, once,
//! a carry.

use super::vector::{Column, DIGIT_BITS, DIGIT_MASK, LANES, Vector};

/// The most digits of a number.
pub(super) const MAX_DIGITS: usize = 64;
const _: () = assert!(8 * MAX_DIGITS < 1 << (u64::BITS - DIGIT_BITS));

/// The most columns of a number.
pub(super) const MAX_COLUMNS: usize = MAX_DIGITS / LANES;

/// A modulus, or the root of one, with what its products need.
#[derive(Clone, Copy)]
pub(super) struct Across<'a> {
    /// The modulus, odd.
    pub(super) n: &'a [Column],
    /// Its digits.
    pub(super) digits: usize,
    /// `−n^(−1) mod 2^52`.
    pub(super) inverse: &'a u64,
}

/// Calls a function for as many columns as there are.
macro_rules! for_columns {
    ($columns:expr, $function:ident::<$vector:ident>($($argument:expr),*)) => {
        match $columns {
            1 => $function::<$vector, 1>($($argument),*),
            2 => $function::<$vector, 2>($($argument),*),
            3 => $function::<$vector, 3>($($argument),*),
            4 => $function::<$vector, 4>($($argument),*),
            5 => $function::<$vector, 5>($($argument),*),
            6 => $function::<$vector, 6>($($argument),*),
            7 => $function::<$vector, 7>($($argument),*),
            MAX_COLUMNS => $function::<$vector, MAX_COLUMNS>($($argument),*),
            _ => unreachable!("numbers across the lanes are short"),
        }
    };
}

/// `out = a·b·R^(−1) mod n`, below `2n`, for factors below `8n`.
#[inline(always)]
pub(super) fn multiply_across<V: Vector>(out: &mut [Column], a: &[Column], b: &[Column], n: Across<'_>) {
    for_columns!(n.n.len(), multiply::<V>(out, a, b, n));
}

/// `out = x·y·R^(−1) mod n²`, for pairs.
#[inline(always)]
pub(super) fn multiply_pairs_across<V: Vector>(
    out: &mut [Column],
    x: &[Column],
    y: &[Column],
    n: Across<'_>,
) {
    for_columns!(n.n.len(), multiply_pairs::<V>(out, x, y, n));
}

/// `out = x²·R^(−1) mod n²`, for pairs. `twice` has the columns of a half.
#[inline(always)]
pub(super) fn square_pairs_across<V: Vector>(
    out: &mut [Column],
    x: &[Column],
    n: Across<'_>,
    twice: &mut [Column],
) {
    for_columns!(n.n.len(), square_pairs::<V>(out, x, n, twice));
}

#[inline(always)]
fn multiply<V: Vector, const N: usize>(out: &mut [Column], a: &[Column], b: &[Column], n: Across<'_>) {
    let (a, modulus) = (columns::<N>(a), columns::<N>(n.n));
    let mut t = [V::splat(0); N];
    for digit in digits(b).take(n.digits) {
        step(&mut t, [(a, digit)], 0, modulus, n.inverse);
    }
    store(out, t);
}

#[inline(always)]
fn multiply_pairs<V: Vector, const N: usize>(out: &mut [Column], x: &[Column], y: &[Column], n: Across<'_>) {
    let ((a, b), (c, d)) = (x.split_at(N), y.split_at(N));
    let (a, b, modulus) = (columns::<N>(a), columns::<N>(b), columns::<N>(n.n));
    let [mut t, mut u] = [[V::splat(0); N]; 2];
    for (c, d) in digits(c).zip(digits(d)).take(n.digits) {
        let q = step(&mut t, [(a, c)], 0, modulus, n.inverse);
        step(&mut u, [(a, d), (b, c)], q, modulus, n.inverse);
    }
    let (first, second) = out.split_at_mut(N);
    store(first, t);
    store(second, u);
}

#[inline(always)]
fn square_pairs<V: Vector, const N: usize>(
    out: &mut [Column],
    x: &[Column],
    n: Across<'_>,
    twice: &mut [Column],
) {
    let (a, b) = x.split_at(N);
    let b = columns::<N>(b).each_ref().map(V::load);
    store(twice, b.map(|b| b.plus(b)));
    let (a, twice, modulus) = (columns::<N>(a), columns::<N>(twice), columns::<N>(n.n));
    let [mut t, mut u] = [[V::splat(0); N]; 2];
    for digit in digits(a).take(n.digits) {
        let q = step(&mut t, [(a, digit)], 0, modulus, n.inverse);
        step(&mut u, [(twice, digit)], q, modulus, n.inverse);
    }
    let (first, second) = out.split_at_mut(N);
    store(first, t);
    store(second, u);
}

/// The columns of a number.
#[inline(always)]
fn columns<const N: usize>(number: &[Column]) -> &[Column; N] {
    number.first_chunk().expect("invariant: numbers of one modulus have as many columns")
}

/// The digits of a number, the lowest first.
#[inline(always)]
fn digits(number: &[Column]) -> impl Iterator<Item = &u64> {
    number.iter().flat_map(|column| &column.0)
}

/// The lowest digit of a number.
#[inline(always)]
pub(super) fn lowest(number: &[Column]) -> &u64 {
    digits(number).next().expect("invariant: numbers have digits")
}

/// Adds multiples of numbers, each by a digit, and `more` to the sums; clears the lowest digit by `q·n` and moves all down by
/// one digit. Gives `q`.
#[inline(always)]
fn step<V: Vector, const N: usize, const TERMS: usize>(
    t: &mut [V; N],
    terms: [(&[Column; N], &u64); TERMS],
    more: u64,
    n: &[Column; N],
    inverse: &u64,
) -> u64 {
    for (number, digit) in terms {
        let digit = V::splat(*digit);
        each(t, number, |t, number| t.low(number, digit));
    }
    let lowest = t.first().map_or(0, |t| t.lowest()) + more;
    let q = lowest.wrapping_mul(*inverse) & DIGIT_MASK;
    let quotient = V::splat(q);
    each(t, n, |t, n| t.low(n, quotient));
    let carry = (lowest + (self::lowest(n).wrapping_mul(q) & DIGIT_MASK)) >> DIGIT_BITS;
    move_down(t);
    if let Some(t) = t.first_mut() {
        *t = t.plus(V::first(carry));
    }
    for (number, digit) in terms {
        let digit = V::splat(*digit);
        each(t, number, |t, number| t.high(number, digit));
    }
    each(t, n, |t, n| t.high(n, quotient));
    q
}

/// Does something for each of at most [`MAX_COLUMNS`] places. Written out, since sums stay in registers only if no loop
/// chooses among them.
macro_rules! at_each_place {
    ($place:ident, $body:block) => {
        at_each_place!($place, $body, 0 1 2 3 4 5 6 7)
    };
    ($place:ident, $body:block, $($index:literal)*) => {$(
        {
            const $place: usize = $index;
            const _: () = assert!($index < MAX_COLUMNS);
            $body
        }
    )*};
}

/// Changes each sum by the column of a number.
#[inline(always)]
fn each<V: Vector, const N: usize>(t: &mut [V; N], number: &[Column; N], f: impl Fn(V, V) -> V) {
    at_each_place!(PLACE, {
        if let (Some(t), Some(number)) = (t.get_mut(PLACE), number.get(PLACE)) {
            *t = f(*t, V::load(number));
        }
    });
}

/// By one digit: the lowest is gone.
#[inline(always)]
fn move_down<V: Vector, const N: usize>(t: &mut [V; N]) {
    at_each_place!(PLACE, {
        let above = t.get(PLACE + 1).copied().unwrap_or(V::splat(0));
        if let Some(t) = t.get_mut(PLACE) {
            *t = t.moved_down(above);
        }
    });
}

/// Writes sums as digits. What a carry meets is looked up ahead: after each has taken its neighbour's carry a digit is at most a
/// little above 2^52, so one carry goes on exactly through the digits of all ones.
#[inline(always)]
fn store<V: Vector, const N: usize>(out: &mut [Column], sums: [V; N]) {
    let mut below = V::splat(0);
    let mut carried = false;
    let mut last_made = 0;
    for (out, sum) in out.iter_mut().zip(sums) {
        let carry = sum.carry();
        let sum = sum.digit().plus(carry.moved_up(below));
        below = carry;
        // A byte for each digit: whether it makes a carry, whether it hands one on.
        let made = sum.carry().bytes();
        let hands_on = sum.equals(V::splat(DIGIT_MASK)).bytes();
        let coming = made << 8 | last_made;
        last_made = made >> 56;
        let (passed, over) = coming.overflowing_add(hands_on);
        let (passed, more) = passed.overflowing_add(u64::from(carried));
        carried = over | more;
        // What came in is left in a byte that handed nothing on, and has made one of all ones zero.
        let taken = (passed ^ hands_on) & 0x0101_0101_0101_0101;
        sum.plus(V::from_bytes(taken)).digit().store(out);
    }
}
