//! Modular exponentiation at the sizes the protocol uses: this crate against crypto-bigint, in one run.
//!
//! `cargo bench -p consign-modexp --bench powers`. Figures are per list; lists of eight are shown in lanes of
//! AVX512-IFMA (the same as without, where the processor has none) and without.
//! `RAYON_NUM_THREADS=1` gives one core.

use consign_modexp::{BoxedUint, Modulus, Power, Timing, lanes, power, powers, set_lanes};
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{Odd, RandomBits, Resize};
use divan::{Bencher, black_box};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Bits of modulus and exponent: primes, moduli, squares of the three levels; short and wide exponents.
const SIZES: [(u32, u32); 9] = [
    (1024, 1024),
    (1536, 1536),
    (2048, 2048),
    (3072, 1536),
    (3072, 3072),
    (4096, 2048),
    (6144, 256),
    (6144, 3072),
    (6144, 6144),
];

struct Operands {
    modulus: BoxedUint,
    base: BoxedUint,
    exponent: BoxedUint,
}

fn operands((modulus_bits, exponent_bits): (u32, u32)) -> Operands {
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(modulus_bits));
    let ends = BoxedUint::one_with_precision(modulus_bits).shl(modulus_bits - 1);
    let modulus = BoxedUint::random_bits(&mut rng, modulus_bits).bitor(&ends);
    let modulus = modulus.bitor(&BoxedUint::one_with_precision(modulus_bits));
    let base = BoxedUint::random_bits(&mut rng, modulus_bits - 1);
    let base = base.resize(modulus_bits);
    Operands { modulus, base, exponent: BoxedUint::random_bits(&mut rng, exponent_bits) }
}

fn list_of(bencher: Bencher<'_, '_>, size: (u32, u32), count: usize, timing: Timing) {
    let Operands { modulus, base, exponent } = operands(size);
    let modulus = Modulus::new_secret(&modulus).expect("odd");
    let entry = Power { base: &base, exponent: &exponent, modulus: &modulus, timing };
    let list = vec![entry; count];
    bencher.bench_local(|| powers(black_box(&list)));
}

#[divan::bench(args = SIZES)]
fn secret(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    list_of(bencher, size, 1, Timing::Secret);
}

#[divan::bench(args = SIZES)]
fn public(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    list_of(bencher, size, 1, Timing::Public);
}

#[divan::bench(args = SIZES)]
fn secret_list_of_two(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    list_of(bencher, size, 2, Timing::Secret);
}

#[divan::bench(args = SIZES)]
fn secret_list_of_eight(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    list_of(bencher, size, 8, Timing::Secret);
}

/// Bits of a root, and of an exponent modulo its square.
const SQUARES: [(u32, u32); 5] = [(1536, 1536), (2048, 2048), (3072, 256), (3072, 768), (3072, 3072)];

/// Modulo squares of known roots.
#[divan::bench(args = SQUARES)]
fn secret_list_of_eight_modulo_squares(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    let Operands { modulus, base, exponent } = operands(size);
    let modulus = Modulus::new_secret(&modulus).and_then(|root| root.squared()).expect("odd");
    let entry = Power { base: &base, exponent: &exponent, modulus: &modulus, timing: Timing::Secret };
    let list = vec![entry; 8];
    bencher.bench_local(|| powers(black_box(&list)));
}

#[divan::bench(args = SIZES)]
fn secret_list_of_eight_without_lanes(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    set_lanes(false);
    list_of(bencher, size, 8, Timing::Secret);
    set_lanes(true);
}

#[divan::bench(args = SIZES)]
fn crypto_bigint(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    let Operands { modulus, base, exponent } = operands(size);
    let params = BoxedMontyParams::new(Odd::new(modulus).expect("odd"));
    let base = BoxedMontyForm::new(base, &params);
    bencher.bench_local(|| black_box(&base).pow(black_box(&exponent)).retrieve());
}

/// Sixteen bits and up: where sliding windows stop paying.
#[divan::bench(args = [17, 64, 128, 256])]
fn public_short_exponent_mod_3072(bencher: Bencher<'_, '_>, bits: u32) {
    let Operands { modulus, base, exponent } = operands((3072, bits));
    let modulus = Modulus::new(&modulus).expect("odd");
    let timing = Timing::Public;
    let entry = Power { base: &base, exponent: &exponent, modulus: &modulus, timing };
    bencher.bench_local(|| power(black_box(entry)));
}

fn arithmetic(bencher: Bencher<'_, '_>, operation: impl Fn(&Modulus, &BoxedUint)) {
    let Operands { modulus, base, .. } = operands((6144, 6144));
    let modulus = Modulus::new(&modulus).expect("odd");
    bencher.bench_local(|| operation(black_box(&modulus), black_box(&base)));
}

#[divan::bench]
fn mul_mod_6144(bencher: Bencher<'_, '_>) {
    arithmetic(bencher, |n, x| drop(n.mul(x, x)));
}

#[divan::bench]
fn reduce_12288_mod_6144(bencher: Bencher<'_, '_>) {
    let wide = operands((12288, 64)).base;
    arithmetic(bencher, |n, _| drop(n.reduce(black_box(&wide))));
}

#[divan::bench]
fn invert_public_6144(bencher: Bencher<'_, '_>) {
    arithmetic(bencher, |n, x| drop(n.invert_public(x)));
}

#[divan::bench]
fn invert_secret_6144(bencher: Bencher<'_, '_>) {
    arithmetic(bencher, |n, x| drop(n.invert_secret(x)));
}

#[divan::bench]
fn jacobi_6144(bencher: Bencher<'_, '_>) {
    arithmetic(bencher, |n, x| _ = black_box(n.jacobi_public(x)));
}

#[divan::bench]
fn gcd_6144_crypto_bigint(bencher: Bencher<'_, '_>) {
    use crypto_bigint::Gcd;
    arithmetic(bencher, |n, x| drop(Odd::new(n.value().clone()).expect("odd").gcd_vartime(x)));
}

#[divan::bench]
fn precompute_6144_secret(bencher: Bencher<'_, '_>) {
    arithmetic(bencher, |n, _| drop(Modulus::new_secret(n.value())));
}

#[divan::bench]
fn precompute_6144_public(bencher: Bencher<'_, '_>) {
    arithmetic(bencher, |n, _| drop(Modulus::new(n.value())));
}

fn main() {
    println!("lanes: {}", lanes());
    divan::main();
}
