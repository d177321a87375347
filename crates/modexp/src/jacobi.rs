//! The Jacobi symbol, in variable time, for public values.

use crate::awslc::Word;

/// The Jacobi symbol `(a/n)` for odd `n`: 1, −1, or 0 exactly if `gcd(a, n) ≠ 1`.
///
/// The binary algorithm on shrinking words: twos are moved out of `a` by the second supplement, then the two
/// numbers are exchanged by reciprocity so that the larger loses the smaller (Cohen, *A Course in
/// Computational Algebraic Number Theory*, 1.4).
pub(crate) fn symbol(a: &[Word], n: &[Word]) -> i8 {
    let (mut a, mut n) = (trimmed(a), trimmed(n));
    let mut negative = false;
    loop {
        if a.is_empty() {
            return match (n.as_slice(), negative) {
                ([1], false) => 1,
                ([1], true) => -1,
                _ => 0,
            };
        }
        // (2/n) = −1 for n = ±3 mod 8.
        if halve_out(&mut a) && matches!(low(&n) & 7, 3 | 5) {
            negative = !negative;
        }
        if less(&a, &n) {
            // (a/n)(n/a) = −1 if both are 3 mod 4.
            negative ^= low(&a) & low(&n) & 2 != 0;
            std::mem::swap(&mut a, &mut n);
        }
        // Both odd: the difference is even, and below the larger.
        subtract(&mut a, &n);
    }
}

fn low(x: &[Word]) -> Word {
    x.first().copied().unwrap_or(0)
}

fn trimmed(x: &[Word]) -> Vec<Word> {
    let mut x = x.to_vec();
    trim(&mut x);
    x
}

fn trim(x: &mut Vec<Word>) {
    while x.last() == Some(&0) {
        x.pop();
    }
}

/// Removes all factors two from a non-zero `x`; tells whether their number was odd.
fn halve_out(x: &mut Vec<Word>) -> bool {
    let zero_words = x.iter().take_while(|word| **word == 0).count();
    x.drain(..zero_words);
    let shift = low(x).trailing_zeros();
    if shift > 0 {
        let mut carry = 0;
        for word in x.iter_mut().rev() {
            let next = *word << (Word::BITS - shift);
            *word = (*word >> shift) | carry;
            carry = next;
        }
        trim(x);
    }
    // A whole word holds an even number of twos.
    shift % 2 == 1
}

fn less(x: &[Word], y: &[Word]) -> bool {
    x.len().cmp(&y.len()).then_with(|| x.iter().rev().cmp(y.iter().rev())).is_lt()
}

/// `x −= y` for `x ≥ y`.
fn subtract(x: &mut Vec<Word>, y: &[Word]) {
    let mut borrow = false;
    for (word, other) in x.iter_mut().zip(y.iter().copied().chain(std::iter::repeat(0))) {
        let (difference, under) = word.overflowing_sub(other);
        let (difference, under_again) = difference.overflowing_sub(Word::from(borrow));
        *word = difference;
        borrow = under | under_again;
    }
    trim(x);
}

#[cfg(test)]
mod tests {
    use super::symbol;

    /// Euler's criterion for primes, and multiplicativity in the modulus for the rest.
    fn by_definition(a: u64, n: u64) -> i8 {
        let mut rest = n;
        let mut product = 1;
        for p in (3..=n).step_by(2) {
            while rest.is_multiple_of(p) {
                rest /= p;
                let power = (0..(p - 1) / 2).fold(1, |x, _| x * (a % p) % p);
                product *= match power {
                    0 => 0,
                    1 => 1,
                    _ => -1,
                };
            }
        }
        product
    }

    #[test]
    fn agrees_with_the_definition_on_small_numbers() {
        for n in (3..400).step_by(2) {
            for a in 0..n {
                assert_eq!(symbol(&[a, 0], &[n, 0, 0]), by_definition(a, n), "({a}/{n})");
            }
        }
    }
}
