//! Montgomery arithmetic in eight lanes, written once for every [`Vector`].
//!
//! Numbers have `k` digits of 52 bits, `k` a multiple of four, and `R = 2^(52k)` is at least `16n` in each lane. Then
//! `a·b·R^(−1) mod n` comes out below `2n` if both factors are below `4n`, without a final subtraction (Walter,
//! *Montgomery exponentiation needs no final subtractions*, 1999).
//!
//! A product is made four rows (digits of `b`) at a time. A row quad falls into its columns in two pieces: the
//! half products of a quad of `a` that stay in the quad's own four columns ([`upper`]), and those that reach into
//! the next four ([`lower`]). The multiples of `n` that clear the lowest columns are added in the same pass.
//!
//! **Sums fit.** A column gets at most `2k` half products of `a·b`, as many of `q·n`, each below 2^52, and a carry:
//! below `5k·2^52`. The squares of `square` are doubled sums of half as many. `square_and_double` doubles such columns, and
//! the carry into them, once more: below `10k·2^52`, which is at most 2^64 for `k ≤ 409`, that is for [`MAX_QUADS`].
//!
//! Everything is inlined into the functions of `ifma.rs` that the compiler may use the instructions in.

use super::vector::{Column, DIGIT_BITS, DIGIT_MASK, Numbers, Quad, ROWS, Vector};

/// The most quads of a number whose columns cannot overflow: `10k ≤ 2^12` for their `k` digits.
pub(super) const MAX_QUADS: usize = 102;
const _: () = assert!(10 * MAX_QUADS * ROWS <= 1 << (u64::BITS - DIGIT_BITS));

/// The moduli of the lanes, with what is computed from them once. Wiped when dropped.
pub(super) struct Moduli {
    /// The moduli, odd.
    pub(super) n: Numbers,
    /// `2^52 − 1 − d` for each of their digits `d`.
    complement: Numbers,
    /// `−n^(−1) mod 2^52`, in the first column: on the heap, where moving leaves no copy.
    inverse: Numbers,
}

impl Moduli {
    pub(super) fn new(n: Numbers) -> Self {
        let mut complement = Numbers::zeros(n.len());
        for (flipped, digits) in complement.iter_mut().flatten().zip(n.iter().flatten()) {
            flipped.0.iter_mut().zip(&digits.0).for_each(|(flipped, digit)| *flipped = DIGIT_MASK - digit);
        }
        let mut inverse = Numbers::zeros(1);
        for (inverse, digits) in inverse.iter_mut().flatten().zip(n.iter().flatten()).take(1) {
            inverse
                .0
                .iter_mut()
                .zip(&digits.0)
                .for_each(|(inverse, digit)| *inverse = negated_inverse(*digit));
        }
        Self { n, complement, inverse }
    }

    #[inline(always)]
    fn inverse<V: Vector>(&self) -> V {
        let ([inverse, ..], _) = split(&self.inverse);
        V::load(inverse)
    }
}

/// Four vectors, the lowest digit first.
type Four<V> = [V; ROWS];

#[inline(always)]
fn load<V: Vector>(quad: &Quad) -> Four<V> {
    let [c0, c1, c2, c3] = quad;
    [V::load(c0), V::load(c1), V::load(c2), V::load(c3)]
}

#[inline(always)]
fn store<V: Vector>(values: Four<V>, quad: &mut Quad) {
    let [c0, c1, c2, c3] = quad;
    let [v0, v1, v2, v3] = values;
    v0.store(c0);
    v1.store(c1);
    v2.store(c2);
    v3.store(c3);
}

#[inline(always)]
fn plus<V: Vector>(a: Four<V>, b: Four<V>) -> Four<V> {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a, b);
    [a0.plus(b0), a1.plus(b1), a2.plus(b2), a3.plus(b3)]
}

#[inline(always)]
fn zeros<V: Vector>() -> Four<V> {
    [V::splat(0); ROWS]
}

/// Adds the half products of the quads `a` and `b` that fall into the columns 0 to 3.
#[inline(always)]
fn upper<V: Vector>(t: Four<V>, a: Four<V>, b: Four<V>) -> Four<V> {
    let ([t0, t1, t2, t3], [a0, a1, a2, a3], [b0, b1, b2, b3]) = (t, a, b);
    [
        t0.low(a0, b0),
        t1.low(a1, b0).low(a0, b1).high(a0, b0),
        t2.low(a2, b0).low(a1, b1).low(a0, b2).high(a1, b0).high(a0, b1),
        t3.low(a3, b0).low(a2, b1).low(a1, b2).low(a0, b3).high(a2, b0).high(a1, b1).high(a0, b2),
    ]
}

/// Adds the half products of the quads `a` and `b` that fall into the columns 4 to 7.
#[inline(always)]
fn lower<V: Vector>(t: Four<V>, a: Four<V>, b: Four<V>) -> Four<V> {
    let ([t0, t1, t2, t3], [a0, a1, a2, a3], [b0, b1, b2, b3]) = (t, a, b);
    [
        t0.low(a3, b1).low(a2, b2).low(a1, b3).high(a3, b0).high(a2, b1).high(a1, b2).high(a0, b3),
        t1.low(a3, b2).low(a2, b3).high(a3, b1).high(a2, b2).high(a1, b3),
        t2.low(a3, b3).high(a3, b2).high(a2, b3),
        t3.high(a3, b3),
    ]
}

/// The four digits `q` whose multiple `q·n` clears the columns `c`, and what is carried out of these columns.
/// `n` is the lowest quad of the moduli.
#[inline(always)]
fn quotients<V: Vector>(c: Four<V>, n: Four<V>, inverse: V, carry: V) -> (Four<V>, V) {
    let ([c0, c1, c2, c3], [n0, n1, n2, n3]) = (c, n);
    let zero = V::splat(0);
    // The lowest digit of c + q·n₀ is zero, the rest is carried.
    let digit = |c: V| zero.low(c, inverse);
    let c0 = c0.plus(carry);
    let q0 = digit(c0);
    let c1 = c1.high(n0, q0).plus(zero.low(n1, q0)).plus(c0.low(n0, q0).carry());
    let q1 = digit(c1);
    let (c2, c3) = (c2.high(n1, q0).low(n2, q0), c3.high(n2, q0).low(n3, q0));
    let c2 = c2.high(n0, q1).plus(zero.low(n1, q1)).plus(c1.low(n0, q1).carry());
    let q2 = digit(c2);
    let c3 = c3.high(n1, q1).low(n2, q1);
    let c3 = c3.high(n0, q2).plus(zero.low(n1, q2)).plus(c2.low(n0, q2).carry());
    let q3 = digit(c3);
    ([q0, q1, q2, q3], c3.low(n0, q3).carry())
}

/// The quads of a number or a modulus: the lowest and the others.
#[inline(always)]
fn split(number: &[Quad]) -> (&Quad, &[Quad]) {
    number.split_first().expect("invariant: numbers have digits")
}

/// `out = a·b·R^(−1) mod n`, below `2n`, for factors below `4n`. `t` has twice the quads of a number.
#[inline(always)]
pub(super) fn multiply<V: Vector>(out: &mut [Quad], a: &[Quad], b: &[Quad], moduli: &Moduli, t: &mut [Quad]) {
    t.fill(Quad::default());
    let inverse = moduli.inverse();
    let ((a_first, a_rest), (n_first, n_rest)) = (split(a), split(&moduli.n));
    let (a_first, n_first) = (load::<V>(a_first), load(n_first));
    let mut carry = V::splat(0);
    for (row, b) in b.iter().enumerate() {
        let window = t.get_mut(row..).unwrap_or_default();
        let (cleared, above) = window.split_first_mut().expect("invariant: t has twice the quads");
        let b = load(b);
        let q;
        (q, carry) = quotients(upper(load(cleared), a_first, b), n_first, inverse, carry);
        let (mut a_last, mut n_last) = (a_first, n_first);
        let mut columns = above.iter_mut();
        for ((t, a), n) in columns.by_ref().zip(a_rest).zip(n_rest) {
            let (a, n) = (load(a), load(n));
            let product = upper(lower(load(t), a_last, b), a, b);
            let multiple = upper(lower(zeros(), n_last, q), n, q);
            store(plus(product, multiple), t);
            (a_last, n_last) = (a, n);
        }
        let top = above.get_mut(a_rest.len()).expect("invariant: t has twice the quads");
        store(plus(lower(load(top), a_last, b), lower(zeros(), n_last, q)), top);
    }
    finish(out, t, carry);
}

/// `out = a²·R^(−1) mod n`, below `2n`, for `a` below `4n`. `t` has twice the quads of a number.
#[inline(always)]
pub(super) fn square<V: Vector>(out: &mut [Quad], a: &[Quad], moduli: &Moduli, t: &mut [Quad]) {
    let carry = square_columns::<V>(a, moduli, t);
    finish(out, t, carry);
}

/// `out = a²·R^(−1) mod n`, twice that in the lanes where `active` is 1, below `4n` for `a` below `4n`.
/// `t` has twice the quads of a number.
#[inline(always)]
pub(super) fn square_and_double<V: Vector>(
    out: &mut [Quad],
    a: &[Quad],
    active: &Column,
    moduli: &Moduli,
    t: &mut [Quad],
) {
    let carry = square_columns::<V>(a, moduli, t);
    let mask = V::load(active).equals(V::splat(1));
    let once_or_twice = |x: V| x.replace_where(mask, x.plus(x));
    let sums = t.get_mut(out.len()..).unwrap_or_default();
    for sum in sums.iter_mut().flatten() {
        once_or_twice(V::load(sum)).store(sum);
    }
    finish(out, t, once_or_twice(carry));
}

/// The columns of the square, cleared in their lower half; their upper half and the carry into it are `a²/R`.
#[inline(always)]
fn square_columns<V: Vector>(a: &[Quad], moduli: &Moduli, t: &mut [Quad]) -> V {
    t.fill(Quad::default());
    let mut rest = a;
    let mut row = 0;
    while let Some((b, later)) = rest.split_first() {
        mixed_products(t.get_mut(2 * row..).unwrap_or_default(), load::<V>(b), later);
        (rest, row) = (later, row + 1);
    }
    for (t, a) in t.chunks_exact_mut(2).zip(a) {
        let [t0, t1] = t else { unreachable!("chunks of two") };
        let [a0, a1, a2, a3] = load::<V>(a);
        let (lows, highs) = (load::<V>(t0), load::<V>(t1));
        let [l0, l1, l2, l3] = plus(lows, lows);
        let [h0, h1, h2, h3] = plus(highs, highs);
        store([l0.low(a0, a0), l1.high(a0, a0), l2.low(a1, a1), l3.high(a1, a1)], t0);
        store([h0.low(a2, a2), h1.high(a2, a2), h2.low(a3, a3), h3.high(a3, a3)], t1);
    }
    clear(moduli, t)
}

/// Adds the products of different digits of the quad `b`, and those of `b` with all `later` quads. `t` begins at
/// the column of `b²`.
#[inline(always)]
fn mixed_products<V: Vector>(t: &mut [Quad], b: Four<V>, later: &[Quad]) {
    let [b0, b1, b2, b3] = b;
    let mut quads = t.iter_mut();
    let mut next = || quads.next().expect("invariant: t has twice the quads");
    let own = next();
    let [t0, t1, t2, t3] = load::<V>(own);
    let t1 = t1.low(b0, b1);
    let t2 = t2.high(b0, b1).low(b0, b2);
    let t3 = t3.high(b0, b2).low(b0, b3).low(b1, b2);
    store([t0, t1, t2, t3], own);
    // What reaches beyond the quad last seen: at first the rest of b's own products.
    let zero = V::splat(0);
    let own_beyond =
        [zero.high(b0, b3).high(b1, b2).low(b1, b3), zero.high(b1, b3).low(b2, b3), zero.high(b2, b3), zero];
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

/// Clears the lower half of the columns by multiples of the modulus, and tells what is carried out of it.
#[inline(always)]
fn clear<V: Vector>(moduli: &Moduli, t: &mut [Quad]) -> V {
    let inverse = moduli.inverse();
    let (n_first, n_rest) = split(&moduli.n);
    let n_first = load::<V>(n_first);
    let mut carry = V::splat(0);
    for row in 0..moduli.n.len() {
        let window = t.get_mut(row..).unwrap_or_default();
        let (cleared, above) = window.split_first_mut().expect("invariant: t has twice the quads");
        let q;
        (q, carry) = quotients(load(cleared), n_first, inverse, carry);
        let mut n_last = n_first;
        for (t, n) in above.iter_mut().zip(n_rest) {
            let n = load(n);
            store(upper(lower(load(t), n_last, q), n, q), t);
            n_last = n;
        }
        let top = above.get_mut(n_rest.len()).expect("invariant: t has twice the quads");
        store(lower(load(top), n_last, q), top);
    }
    carry
}

/// The upper half of the columns as digits.
#[inline(always)]
fn finish<V: Vector>(out: &mut [Quad], t: &[Quad], mut carry: V) {
    let sums = t.get(out.len()..).unwrap_or_default();
    for (out, sum) in out.iter_mut().flatten().zip(sums.iter().flatten()) {
        let sum = V::load(sum).plus(carry);
        sum.digit().store(out);
        carry = sum.carry();
    }
}

/// `x mod n` in place, for `x` below `2n`. `t` has at least the quads of a number at least.
#[inline(always)]
pub(super) fn subtract_once<V: Vector>(x: &mut [Quad], moduli: &Moduli, t: &mut [Quad]) {
    // x − n + R: there is a carry out of it exactly if x ≥ n.
    let mut carry = V::splat(1);
    for ((t, x), complement) in
        t.iter_mut().flatten().zip(x.iter().flatten()).zip(moduli.complement.iter().flatten())
    {
        let sum = V::load(x).plus(V::load(complement)).plus(carry);
        sum.digit().store(t);
        carry = sum.carry();
    }
    let mask = carry.equals(V::splat(1));
    for (x, t) in x.iter_mut().flatten().zip(t.iter().flatten()) {
        V::load(x).replace_where(mask, V::load(t)).store(x);
    }
}

/// `2x mod n` in place in the lanes where `active` is 1, for `x` below `n`. `t` has twice the quads of a number.
#[inline(always)]
pub(super) fn double<V: Vector>(x: &mut [Quad], active: &Column, moduli: &Moduli, t: &mut [Quad]) {
    let (doubled, t) = t.split_at_mut(x.len());
    let mut carry = V::splat(0);
    for (doubled, x) in doubled.iter_mut().flatten().zip(x.iter().flatten()) {
        let digit = V::load(x);
        let sum = digit.plus(digit).plus(carry);
        sum.digit().store(doubled);
        carry = sum.carry();
    }
    subtract_once::<V>(doubled, moduli, t);
    let mask = V::load(active).equals(V::splat(1));
    for (x, doubled) in x.iter_mut().flatten().zip(doubled.iter().flatten()) {
        V::load(x).replace_where(mask, V::load(doubled)).store(x);
    }
}

/// In each lane the entry of `table` whose number is in `keys`, after reading all entries.
#[inline(always)]
pub(super) fn select<V: Vector>(out: &mut [Quad], table: &[Quad], keys: &Column) {
    let keys = V::load(keys);
    let quads = out.len();
    for (position, out) in out.iter_mut().enumerate() {
        let [mut x0, mut x1, mut x2, mut x3] = zeros::<V>();
        for (number, entry) in (0u64..).zip(table.iter().skip(position).step_by(quads)) {
            let (mask, [y0, y1, y2, y3]) = (keys.equals(V::splat(number)), load(entry));
            x0 = x0.replace_where(mask, y0);
            x1 = x1.replace_where(mask, y1);
            x2 = x2.replace_where(mask, y2);
            x3 = x3.replace_where(mask, y3);
        }
        store([x0, x1, x2, x3], out);
    }
}

/// `−n^(−1) mod 2^52` for an odd `n`, by Newton's iteration: each step doubles the correct bits, five of them
/// at first.
fn negated_inverse(n: u64) -> u64 {
    let mut x = n.wrapping_mul(3) ^ 2;
    for _ in 0..4 {
        x = x.wrapping_mul(2u64.wrapping_sub(n.wrapping_mul(x)));
    }
    x.wrapping_neg() & DIGIT_MASK
}
