#![allow(unsafe_code, missing_docs)]
use consign_modexp::*;
use crypto_bigint::{RandomBits, Resize};
use rand_core::SeedableRng;
use std::time::Instant;
fn main() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    for (bits, e, square) in [(1024,1024,false),(1536,1536,false),(2048,2048,false),(3072,256,false),(3072,1536,false),(3072,3072,false),(1536,1536,true),(1536,1536+0,true),(2048,2048,true),(3072,128,true),(3072,256,true),(3072,768,true),(3072,3072,true)] {
        let ends = BoxedUint::one_with_precision(bits).shl(bits - 1).bitor(&BoxedUint::one_with_precision(bits));
        let m = Modulus::new_secret(&BoxedUint::random_bits(&mut rng, bits).bitor(&ends)).unwrap();
        let m = if square { m.squared().unwrap() } else { m };
        let base = m.random_below(&mut rng);
        let ex = BoxedUint::random_bits(&mut rng, e).resize(e);
        let entry = Power { base: &base, exponent: &ex, modulus: &m, timing: Timing::Secret };
        let run = |n: usize| { let list = vec![entry; n]; let mut best = f64::MAX; for _ in 0..40 { let s = Instant::now(); std::hint::black_box(powers(&list)); best = best.min(s.elapsed().as_secs_f64()); } best * 1e3 };
        unsafe { std::env::remove_var("EXP_ACROSS"); }
        let g = run(8); let one = run(1);
        unsafe { std::env::set_var("EXP_ACROSS", "1"); }
        let a = run(1);
        println!("{bits} square {square} e {e}: group {g:.3} one {one:.3} across {a:.3}; group/across {:.2} one/across {:.2}", g/a, one/a);
    }
}
