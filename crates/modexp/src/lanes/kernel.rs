//! Montgomery arithmetic in eight lanes, written once for every [`Vector`].
//!
//! Numbers have `k` digits of 52 bits, `k` a multiple of five, and `R = 2^(52k)` is at least `64n` in each lane. Then
//! `a·b·R^(−1) mod n` comes out below `2n` if both factors are below `8n`, without a final subtraction (Walter,
//! *Montgomery exponentiation needs no final subtractions*, 1999).
//!
//! Five digits make a *block*: moduli of 1024, 1536, 2048, 3072 bits need 20, 30, 40, 60 digits, no block is partly empty.
//! A product is made a block of rows (digits of `b`) at a time. It falls into its columns in two pieces: the
//! half products of a block of `a` that stay in the block's own five columns ([`upper`]), and those that reach into
//! the next five ([`lower`]). Then the lower half of the columns is cleared in the same way by a multiple of `n`.
//!
//! **Sums fit.** A column gets at most `2k` half products of `a·b`, as many of `q·n`, each below 2^52, and a carry:
//! below `5k·2^52`. The squares of `add_square` are doubled sums of half as many. `square_and_double` doubles such columns, and
//! the carry into them, once more: below `10k·2^52`, which is at most 2^64 for `k ≤ 409`, that is for [`MAX_BLOCKS`].
//! The columns of `pairs.rs` get two products, one and a half times as many sums.
//!
//! Everything is inlined into the functions of `ifma.rs` that the compiler may use the instructions in.

use super::vector::{Block, Column, DIGIT_BITS, DIGIT_MASK, LANES, Numbers, ROWS, Vector};

/// The most blocks of a number whose columns cannot overflow: `10k ≤ 2^12` for their `k` digits.
pub(super) const MAX_BLOCKS: usize = 81;
const _: () = assert!(10 * MAX_BLOCKS * ROWS <= 1 << (u64::BITS - DIGIT_BITS));

/// The moduli of the lanes, with what is computed from them once. Wiped when dropped.
pub(super) struct Moduli {
    /// The moduli, odd.
    pub(super) n: Numbers,
    /// `−n^(−1) mod 2^52`, in the first column: on the heap, where moving leaves no copy.
    inverse: Numbers,
}

impl Moduli {
    pub(super) fn new(n: Numbers) -> Self {
        let mut inverse = Numbers::zeros(1);
        for (inverse, digits) in inverse.as_flattened_mut().iter_mut().zip(n.as_flattened().iter()).take(1) {
            let lanes = inverse.0.iter_mut().zip(&digits.0);
            lanes.for_each(|(inverse, digit)| *inverse = negated_inverse(*digit));
        }
        Self { n, inverse }
    }

    #[inline(always)]
    fn inverse<V: Vector>(&self) -> V {
        let ([inverse, ..], _) = split(&self.inverse);
        V::load(inverse)
    }
}

/// Five vectors, the lowest digit first.
type Five<V> = [V; ROWS];

#[inline(always)]
fn load<V: Vector>(block: &Block) -> Five<V> {
    let [c0, c1, c2, c3, c4] = block;
    [V::load(c0), V::load(c1), V::load(c2), V::load(c3), V::load(c4)]
}

#[inline(always)]
fn store<V: Vector>(values: Five<V>, block: &mut Block) {
    let [c0, c1, c2, c3, c4] = block;
    let [v0, v1, v2, v3, v4] = values;
    v0.store(c0);
    v1.store(c1);
    v2.store(c2);
    v3.store(c3);
    v4.store(c4);
}

#[inline(always)]
fn plus<V: Vector>(a: Five<V>, b: Five<V>) -> Five<V> {
    let ([a0, a1, a2, a3, a4], [b0, b1, b2, b3, b4]) = (a, b);
    [a0.plus(b0), a1.plus(b1), a2.plus(b2), a3.plus(b3), a4.plus(b4)]
}

/// Adds the half products of the blocks `a` and `b` that fall into the columns 0 to 4.
#[inline(always)]
fn upper<V: Vector>(t: Five<V>, a: Five<V>, b: Five<V>) -> Five<V> {
    let ([t0, t1, t2, t3, t4], [a0, a1, a2, a3, a4], [b0, b1, b2, b3, b4]) = (t, a, b);
    let t4 = t4.low(a4, b0).low(a3, b1).low(a2, b2).low(a1, b3).low(a0, b4);
    [
        t0.low(a0, b0),
        t1.low(a1, b0).low(a0, b1).high(a0, b0),
        t2.low(a2, b0).low(a1, b1).low(a0, b2).high(a1, b0).high(a0, b1),
        t3.low(a3, b0).low(a2, b1).low(a1, b2).low(a0, b3).high(a2, b0).high(a1, b1).high(a0, b2),
        t4.high(a3, b0).high(a2, b1).high(a1, b2).high(a0, b3),
    ]
}

/// Adds the half products of the blocks `a` and `b` that fall into the columns 5 to 9.
#[inline(always)]
fn lower<V: Vector>(t: Five<V>, a: Five<V>, b: Five<V>) -> Five<V> {
    let ([t0, t1, t2, t3, t4], [a0, a1, a2, a3, a4], [b0, b1, b2, b3, b4]) = (t, a, b);
    let t0 = t0.low(a4, b1).low(a3, b2).low(a2, b3).low(a1, b4);
    [
        t0.high(a4, b0).high(a3, b1).high(a2, b2).high(a1, b3).high(a0, b4),
        t1.low(a4, b2).low(a3, b3).low(a2, b4).high(a4, b1).high(a3, b2).high(a2, b3).high(a1, b4),
        t2.low(a4, b3).low(a3, b4).high(a4, b2).high(a3, b3).high(a2, b4),
        t3.low(a4, b4).high(a4, b3).high(a3, b4),
        t4.high(a4, b4),
    ]
}

/// The five digits `q` whose multiple `q·n` clears the columns `c`, and what is carried out of these columns.
/// `n` is the lowest block of the moduli.
#[inline(always)]
fn quotients<V: Vector>(c: Five<V>, n: Five<V>, inverse: V, carry: V) -> (Five<V>, V) {
    let ([c0, c1, c2, c3, c4], [n0, n1, n2, n3, n4]) = (c, n);
    let zero = V::splat(0);
    // The lowest digit of c + q·n₀ is zero, the rest is carried.
    let digit = |c: V| zero.low(c, inverse);
    let next = |c: V, below: V, q: V| c.high(n0, q).plus(zero.low(n1, q)).plus(below.low(n0, q).carry());
    let c0 = c0.plus(carry);
    let q0 = digit(c0);
    let c1 = next(c1, c0, q0);
    let q1 = digit(c1);
    let c2 = next(c2.high(n1, q0).low(n2, q0), c1, q1);
    let q2 = digit(c2);
    let c3 = next(c3.high(n2, q0).low(n3, q0).high(n1, q1).low(n2, q1), c2, q2);
    let q3 = digit(c3);
    let c4 = c4.high(n3, q0).low(n4, q0).high(n2, q1).low(n3, q1).high(n1, q2).low(n2, q2);
    let c4 = next(c4, c3, q3);
    let q4 = digit(c4);
    ([q0, q1, q2, q3, q4], c4.low(n0, q4).carry())
}

/// The blocks of a number or a modulus: the lowest and the others.
#[inline(always)]
fn split(number: &[Block]) -> (&Block, &[Block]) {
    number.split_first().expect("invariant: numbers have digits")
}

/// Columns of nothing yet.
#[inline(always)]
pub(super) fn clear_columns<V: Vector>(t: &mut [Block]) {
    t.as_flattened_mut().iter_mut().for_each(|column| V::splat(0).store(column));
}

/// `out = a·b·R^(−1) mod n`, below `2n`, for factors below `8n`. `t` has at least twice the blocks of a number.
#[inline(always)]
pub(super) fn multiply<V: Vector>(
    out: &mut [Block],
    a: &[Block],
    b: &[Block],
    moduli: &Moduli,
    t: &mut [Block],
) {
    let (t, _) = t.split_at_mut(2 * out.len());
    clear_columns::<V>(t);
    add_product::<V>(t, a, b);
    let carry = clear::<V>(moduli, t);
    finish(out, t, carry);
}

/// `out = a²·R^(−1) mod n`, below `2n`, for `a` below `8n`. `t` has at least twice the blocks of a number.
#[inline(always)]
pub(super) fn square<V: Vector>(out: &mut [Block], a: &[Block], moduli: &Moduli, t: &mut [Block]) {
    let (t, _) = t.split_at_mut(2 * out.len());
    clear_columns::<V>(t);
    add_square::<V>(t, a);
    let carry = clear::<V>(moduli, t);
    finish(out, t, carry);
}

/// `out = a²·R^(−1) mod n`, twice that in the lanes where `active` is 1, below `4n` for `a` below `8n`.
/// `t` has at least twice the blocks of a number.
#[inline(always)]
pub(super) fn square_and_double<V: Vector>(
    out: &mut [Block],
    a: &[Block],
    active: &Column,
    moduli: &Moduli,
    t: &mut [Block],
) {
    let (t, _) = t.split_at_mut(2 * out.len());
    clear_columns::<V>(t);
    add_square::<V>(t, a);
    let carry = clear::<V>(moduli, t);
    let mask = V::load(active).equals(V::splat(1));
    let once_or_twice = |x: V| x.replace_where(mask, x.plus(x));
    let sums = t.get_mut(out.len()..).unwrap_or_default();
    for sum in sums.as_flattened_mut().iter_mut() {
        once_or_twice(V::load(sum)).store(sum);
    }
    finish(out, t, once_or_twice(carry));
}

/// Adds the half products of `a` and `b` to the columns.
#[inline(always)]
pub(super) fn add_product<V: Vector>(t: &mut [Block], a: &[Block], b: &[Block]) {
    let (a_first, a_rest) = split(a);
    let a_first = load::<V>(a_first);
    for (row, b) in b.iter().enumerate() {
        let b = load(b);
        let mut columns = t.get_mut(row..).unwrap_or_default().iter_mut();
        let mut next = || columns.next().expect("invariant: there are columns for the product");
        let lowest = next();
        store(upper(load(lowest), a_first, b), lowest);
        let mut a_last = a_first;
        for a in a_rest {
            let (t, a) = (next(), load(a));
            store(upper(lower(load(t), a_last, b), a, b), t);
            a_last = a;
        }
        let top = next();
        store(lower(load(top), a_last, b), top);
    }
}

/// Adds the half products of `a²` to columns that are zero.
#[inline(always)]
pub(super) fn add_square<V: Vector>(t: &mut [Block], a: &[Block]) {
    let mut rest = a;
    let mut row = 0;
    while let Some((b, later)) = rest.split_first() {
        mixed_products(t.get_mut(2 * row..).unwrap_or_default(), load::<V>(b), later);
        (rest, row) = (later, row + 1);
    }
    for (t, a) in t.chunks_exact_mut(2).zip(a) {
        let [t0, t1] = t else { unreachable!("chunks of two") };
        let [a0, a1, a2, a3, a4] = load::<V>(a);
        let (lows, highs) = (load::<V>(t0), load::<V>(t1));
        let [l0, l1, l2, l3, l4] = plus(lows, lows);
        let [h0, h1, h2, h3, h4] = plus(highs, highs);
        store([l0.low(a0, a0), l1.high(a0, a0), l2.low(a1, a1), l3.high(a1, a1), l4.low(a2, a2)], t0);
        store([h0.high(a2, a2), h1.low(a3, a3), h2.high(a3, a3), h3.low(a4, a4), h4.high(a4, a4)], t1);
    }
}

/// Adds the products of different digits of the block `b`, and those of `b` with all `later` blocks. `t` begins at
/// the column of `b²`.
#[inline(always)]
fn mixed_products<V: Vector>(t: &mut [Block], b: Five<V>, later: &[Block]) {
    let [b0, b1, b2, b3, b4] = b;
    let mut blocks = t.iter_mut();
    let mut next = || blocks.next().expect("invariant: there are columns for the square");
    let own = next();
    let [t0, t1, t2, t3, t4] = load::<V>(own);
    let t1 = t1.low(b0, b1);
    let t2 = t2.high(b0, b1).low(b0, b2);
    let t3 = t3.high(b0, b2).low(b0, b3).low(b1, b2);
    let t4 = t4.high(b0, b3).high(b1, b2).low(b0, b4).low(b1, b3);
    store([t0, t1, t2, t3, t4], own);
    // What reaches beyond the block last seen: at first the rest of b's own products.
    let zero = V::splat(0);
    let own_beyond = [
        zero.high(b0, b4).high(b1, b3).low(b1, b4).low(b2, b3),
        zero.high(b1, b4).high(b2, b3).low(b2, b4),
        zero.high(b2, b4).low(b3, b4),
        zero.high(b3, b4),
        zero,
    ];
    let Some((first, others)) = later.split_first() else {
        let t = next();
        return store(plus(load(t), own_beyond), t);
    };
    let mut last = load(first);
    let t = next();
    store(upper(plus(load(t), own_beyond), last, b), t);
    for a in others {
        let (t, a) = (next(), load(a));
        store(upper(lower(load(t), last, b), a, b), t);
        last = a;
    }
    let t = next();
    store(lower(load(t), last, b), t);
}

/// Clears the lower half of the columns by a multiple `q·n` of the modulus and puts `q` in its place. Tells what is carried
/// out of the lower half; the upper one with that carry is what the columns were and `q·n`, divided by `R`.
#[inline(always)]
pub(super) fn clear<V: Vector>(moduli: &Moduli, t: &mut [Block]) -> V {
    let inverse = moduli.inverse();
    let (n_first, n_rest) = split(&moduli.n);
    let n_first = load::<V>(n_first);
    let mut carry = V::splat(0);
    for row in 0..moduli.n.len() {
        let mut columns = t.get_mut(row..).unwrap_or_default().iter_mut();
        let mut next = || columns.next().expect("invariant: there are twice the columns");
        let cleared = next();
        let q;
        (q, carry) = quotients(load(cleared), n_first, inverse, carry);
        store(q, cleared);
        let mut n_last = n_first;
        for n in n_rest {
            let (t, n) = (next(), load(n));
            store(upper(lower(load(t), n_last, q), n, q), t);
            n_last = n;
        }
        let top = next();
        store(lower(load(top), n_last, q), top);
    }
    carry
}

/// The upper half of the columns as digits.
#[inline(always)]
pub(super) fn finish<V: Vector>(out: &mut [Block], t: &[Block], carry: V) {
    carry_on(out, t.get(out.len()..).unwrap_or_default(), carry);
}

/// Columns as digits. Tells what is carried out of them.
#[inline(always)]
pub(super) fn carry_on<V: Vector>(out: &mut [Block], sums: &[Block], mut carry: V) -> V {
    for (out, sum) in out.as_flattened_mut().iter_mut().zip(sums.as_flattened().iter()) {
        let sum = V::load(sum).plus(carry);
        sum.digit().store(out);
        carry = sum.carry();
    }
    carry
}

/// `out = 2x`, if there are digits for it.
#[inline(always)]
pub(super) fn twice<V: Vector>(out: &mut [Block], x: &[Block]) {
    let mut carry = V::splat(0);
    for (out, x) in out.as_flattened_mut().iter_mut().zip(x.as_flattened().iter()) {
        let digit = V::load(x);
        let sum = digit.plus(digit).plus(carry);
        sum.digit().store(out);
        carry = sum.carry();
    }
}

/// `out = a − b`, and 1, if `a ≥ b`; else `out = a − b + R`, and 0.
#[inline(always)]
pub(super) fn subtract<V: Vector>(out: &mut [Block], a: &[Block], b: &[Block]) -> V {
    // a − b + R = a + (R − 1 − b) + 1: there is a carry out of it exactly if a ≥ b.
    let mut carry = V::splat(1);
    let digits = a.as_flattened().iter().zip(b.as_flattened().iter());
    for (out, (a, b)) in out.as_flattened_mut().iter_mut().zip(digits) {
        let sum = V::load(a).plus(V::load(b).complement()).plus(carry);
        sum.digit().store(out);
        carry = sum.carry();
    }
    carry
}

/// `x mod n` in place, for `x` below `2n` and `n` of as many blocks. So has `t`, at least.
#[inline(always)]
pub(super) fn subtract_once<V: Vector>(x: &mut [Block], n: &[Block], t: &mut [Block]) {
    let not_less = subtract::<V>(t, x, n).equals(V::splat(1));
    replace_where(not_less, x, t);
}

/// `2x mod n` in place in the lanes where `active` is 1, for `x` below `n`. `t` has at least twice the blocks of a number.
#[inline(always)]
pub(super) fn double<V: Vector>(x: &mut [Block], active: &Column, n: &[Block], t: &mut [Block]) {
    let (doubled, t) = t.split_at_mut(x.len());
    twice::<V>(doubled, x);
    subtract_once::<V>(doubled, n, t);
    replace_where(V::load(active).equals(V::splat(1)), x, doubled);
}

/// Copies the lanes of `from` where `mask` is all ones.
#[inline(always)]
fn replace_where<V: Vector>(mask: V, x: &mut [Block], from: &[Block]) {
    for (x, from) in x.as_flattened_mut().iter_mut().zip(from.as_flattened().iter()) {
        V::load(x).replace_where(mask, V::load(from)).store(x);
    }
}

/// Columns that [`select`] takes in one pass over the table, so that a comparison serves all of them.
const SELECTED: usize = 6;

/// In each lane the entry of `table` whose number is in `keys`, after reading all entries.
#[inline(always)]
pub(super) fn select<V: Vector>(out: &mut [Column], table: &[Column], keys: &Column) {
    let keys = V::load(keys);
    let columns = out.len();
    let (wide, rest) = out.as_chunks_mut::<SELECTED>();
    for (position, out) in wide.iter_mut().enumerate() {
        select_columns(out, table.get(SELECTED * position..).unwrap_or_default(), columns, keys);
    }
    let first = columns - rest.len();
    for (position, out) in rest.iter_mut().enumerate() {
        let out = std::array::from_mut(out);
        select_columns(out, table.get(first + position..).unwrap_or_default(), columns, keys);
    }
}

/// The first columns of an entry, of which each has so many.
#[inline(always)]
fn select_columns<V: Vector, const N: usize>(
    out: &mut [Column; N],
    table: &[Column],
    columns: usize,
    keys: V,
) {
    let mut chosen = [V::splat(0); N];
    for (number, entry) in (0u64..).zip(table.chunks(columns)) {
        let mask = keys.equals(V::splat(number));
        chosen.iter_mut().zip(entry).for_each(|(x, y)| *x = x.replace_where(mask, V::load(y)));
    }
    out.iter_mut().zip(chosen).for_each(|(out, x)| x.store(out));
}

/// In each lane the number of `table` whose place is in `keys`, after reading all. The numbers lie with their digits across the
/// lanes, so many columns each; one table serves all lanes.
#[inline(always)]
pub(super) fn select_shared<V: Vector>(out: &mut [Column], table: &[Column], columns: usize, keys: &Column) {
    let keys = V::load(keys);
    for (position, out) in out.chunks_mut(LANES).enumerate() {
        let mut chosen = [V::splat(0); LANES];
        for (number, entry) in (0u64..).zip(table.chunks_exact(columns)) {
            let mask = keys.equals(V::splat(number));
            let digits = entry.get(position).expect("invariant: a number has columns for its digits");
            let places = chosen.iter_mut().zip(&digits.0);
            places.for_each(|(x, digit)| *x = x.replace_where(mask, V::splat(*digit)));
        }
        out.iter_mut().zip(chosen).for_each(|(out, x)| x.store(out));
    }
}

/// `−n^(−1) mod 2^52` for an odd `n`, by Newton's iteration: each step doubles the correct bits, five of them
/// at first.
pub(super) fn negated_inverse(n: u64) -> u64 {
    let mut x = n.wrapping_mul(3) ^ 2;
    for _ in 0..4 {
        x = x.wrapping_mul(2u64.wrapping_sub(n.wrapping_mul(x)));
    }
    x.wrapping_neg() & DIGIT_MASK
}
