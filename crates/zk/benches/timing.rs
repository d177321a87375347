//! Whether the time of secret computations depends on the secret, by statistics (the method of dudect,
//! ePrint 2016/1123): each computation is timed with one fixed secret and with random ones, in random order, and
//! Welch's t-test compares the two sets of times, whole and without their slowest parts.
//!
//! `cargo bench -p consign-zk --bench timing`, or with `-- WORD` what has that word in its name. A |t| below 4.5 shows no difference with this many samples; above 10
//! there is one, and the program fails. The last computation is meant for public exponents and must show a
//! difference: otherwise nothing could be concluded from the others.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "benches")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use consign_modexp::{Modulus, Power, Timing, lanes, power, powers};
use consign_zk::BoxedUint;
use consign_zk::curve::{Curve, P256, Point, Scalar, Secp256k1};
use consign_zk::integer::Integer;
use consign_zk::level::Level;
use consign_zk::paillier::{Affine, EncryptionKey, Nonce};
use consign_zk::powers::Powers;
use consign_zk::ring_pedersen::RingPedersen;
use consign_zk::testing::{Party, party};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// What is measured: 128-bit security.
const LEVEL: Level = Level::L128;
/// Samples of what takes milliseconds.
const FEW: usize = 2_000;
/// Samples of what takes microseconds.
const MANY: usize = 50_000;
/// Shares of the fastest samples that are compared besides all of them, in percent: a tail of interrupts hides small
/// differences.
const SHARES: [usize; 5] = [99, 95, 90, 75, 50];
/// Up to here chance is the likelier explanation.
const SUSPICIOUS: f64 = 4.5;
/// From here on chance is none.
const CERTAIN: f64 = 10.0;

/// Times in nanoseconds, of the fixed secret and of random ones.
type Times = [Vec<f64>; 2];

/// Times `run` on what `fixed` gives or on what `random` gives, by coin flips; both are made each time, the one that
/// is used last, so that memory and caches look alike.
fn times<I>(
    samples: usize,
    fixed: impl Fn() -> I,
    mut random: impl FnMut(&mut ChaCha20Rng) -> I,
    run: impl Fn(&I),
) -> Times {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut times = [Vec::new(), Vec::new()];
    let warm_up = samples / 20;
    for sample in 0..samples + warm_up {
        let class = rng.next_u32() as usize & 1;
        let (input, _other) = if class == 0 {
            let random = random(&mut rng);
            (fixed(), random)
        } else {
            let fixed = fixed();
            (random(&mut rng), fixed)
        };
        let start = Instant::now();
        run(black_box(&input));
        let time = start.elapsed().as_nanos() as f64;
        if sample >= warm_up {
            times[class].push(time);
        }
    }
    times
}

/// The largest |t| over all samples and over each share of the fastest.
fn statistic(times: &Times) -> f64 {
    let mut sorted = times.concat();
    sorted.sort_by(f64::total_cmp);
    let limits = SHARES.iter().map(|share| sorted[sorted.len() * share / 100]).chain([f64::INFINITY]);
    limits.map(|limit| welch(times.each_ref().map(|class| moments(class, limit))).abs()).fold(0.0, f64::max)
}

/// Number, mean and variance of the samples up to a limit.
fn moments(samples: &[f64], limit: f64) -> [f64; 3] {
    let kept: Vec<_> = samples.iter().copied().filter(|time| *time <= limit).collect();
    let count = kept.len() as f64;
    let mean = kept.iter().sum::<f64>() / count;
    let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
    [count, mean, variance]
}

fn welch([[m, a, v], [n, b, w]]: [[f64; 3]; 2]) -> f64 {
    (a - b) / (v / m + w / n).sqrt()
}

/// Prints one line and says what |t| was.
fn report(name: &str, times: &Times) -> f64 {
    let t = statistic(times);
    let mean = times.concat().iter().sum::<f64>() / (times[0].len() + times[1].len()) as f64 / 1e3;
    let verdict = match t {
        t if t < SUSPICIOUS => "no difference seen",
        t if t < CERTAIN => "suspicious: run again",
        _ => "differs",
    };
    println!("{name:<44} {:>7} samples {mean:>9.1} us   max |t| {t:>7.2}   {verdict}", times.concat().len());
    t
}

/// An integer of the width of a scalar.
fn scalar(rng: &mut ChaCha20Rng) -> Integer {
    Scalar::<Secp256k1>::random(rng).to_integer()
}

/// As wide as [`scalar`], with one bit set.
fn one() -> Integer {
    Scalar::<Secp256k1>::one().to_integer()
}

/// A residue of the full width, with one bit set.
fn small(modulus: &Modulus) -> BoxedUint {
    modulus.fit(&BoxedUint::from(2_u8))
}

fn power_of(modulus: &Modulus, timing: Timing) -> Times {
    let base = modulus.random_below(&mut ChaCha20Rng::seed_from_u64(2));
    let run = |exponent: &BoxedUint| {
        black_box(power(Power { base: &base, exponent, modulus, timing }));
    };
    times(FEW, || small(modulus), |rng| modulus.random_below(rng), run)
}

/// So many powers at once, all exponents secret, as a list of that length is computed. Where the processor has lanes: eight
/// in lanes, as pairs modulo a square; one modulo a square across the lanes, which [`power`] never uses.
fn powers_of<const COUNT: usize>(modulus: &Modulus) -> Times {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let bases: [_; COUNT] = std::array::from_fn(|_| modulus.random_below(&mut rng));
    let run = |exponents: &[BoxedUint; COUNT]| {
        let list: [_; COUNT] = std::array::from_fn(|lane| Power {
            base: &bases[lane],
            exponent: &exponents[lane],
            modulus,
            timing: Timing::Secret,
        });
        black_box(powers(&list));
    };
    let random = |rng: &mut ChaCha20Rng| std::array::from_fn(|_| modulus.random_below(rng));
    times(FEW, || std::array::from_fn(|_| small(modulus)), random, run)
}

/// So many nonces to the power of the modulus, at once: secret bases, and an exponent that everybody knows.
fn nonces_of<const COUNT: usize>(key: &EncryptionKey) -> Times {
    let (n, modulus) = (key.n().value(), key.nn());
    let run = |bases: &[BoxedUint; COUNT]| {
        let timing = Timing::SecretBase;
        let list = bases.each_ref().map(|base| Power { base, exponent: n, modulus, timing });
        black_box(powers(&list));
    };
    let random = |rng: &mut ChaCha20Rng| std::array::from_fn(|_| modulus.random_below(rng));
    times(FEW, || std::array::from_fn(|_| small(modulus)), random, run)
}

/// So many nonces of the owner with their powers, from secret exponents and tables.
fn own_nonces<const COUNT: usize>(own: &Party) -> Times {
    own.paillier.make_tables();
    let run = |seed: &[u8; 32]| {
        black_box(own.paillier.nonces(COUNT, &mut ChaCha20Rng::from_seed(*seed)));
    };
    let random = |rng: &mut ChaCha20Rng| {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        seed
    };
    times(FEW, || [1; 32], random, run)
}

fn decrypt(own: &Party) -> Times {
    let factors = own.paillier.factors();
    let nn = factors.modulus_squared();
    let run = |ciphertext: &BoxedUint| {
        black_box(factors.decrypt(&[ciphertext]));
    };
    // 1 + N encrypts 1.
    times(FEW, || own.paillier.public().embed(&one()), |rng| nn.random_unit_candidate(rng), run)
}

/// The same with other factors instead of other ciphertexts.
fn decrypt_under_keys(parties: &[Party; 2]) -> Times {
    let nn = parties[0].paillier.public().nn();
    let ciphertext = nn.random_below(&mut ChaCha20Rng::seed_from_u64(3)).shr(8);
    let run = |which: &usize| {
        black_box(parties[*which].paillier.factors().decrypt(&[&ciphertext]));
    };
    times(FEW, || 0, |_| 1, run)
}

/// The nonce of a ciphertext.
fn open(own: &Party) -> Times {
    let factors = own.paillier.factors();
    let n = factors.modulus();
    let run = |residue: &BoxedUint| {
        black_box(factors.nth_roots(&[residue]));
    };
    times(FEW, || small(n), |rng| n.random_unit_candidate(rng), run)
}

/// `(x ⊙ C) ⊕ enc(y; rho)` for secret `x`: what hides `γ` in presigning.
fn multiply(other: &Party) -> Times {
    let key = other.paillier.public();
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let ciphertext = key.encrypt(&[(&scalar(&mut rng), &Nonce::random(key, &mut rng))]).remove(0);
    let (y, rho) = (scalar(&mut rng), Nonce::random(key, &mut rng));
    let run = |x: &Integer| {
        black_box(key.affine(&[Affine { ciphertext: &ciphertext, x, y: &y, rho: &rho }]));
    };
    times(FEW, one, scalar, run)
}

/// So many `s^x t^mu` at once for secret `x`, `mu` and their signs, from tables if there are lanes and the ring is prepared:
/// eight in lanes then, one across them.
fn commit<const COUNT: usize>(ring: &RingPedersen) -> Times {
    let bits = LEVEL.parameters().ell;
    let modulus = ring.modulus().value();
    let run = |openings: &[(Integer, Integer); COUNT]| {
        let mut powers = Powers::new();
        let queued = openings.each_ref().map(|(x, mu)| ring.queue(&mut powers, x, mu));
        let results = powers.run();
        black_box(queued.map(|commitment| ring.finish(&results, commitment)));
    };
    let opening =
        |rng: &mut ChaCha20Rng| (Integer::sample(bits, rng), Integer::sample_scaled(bits, modulus, rng));
    let wide = opening(&mut ChaCha20Rng::seed_from_u64(5));
    let same_width = |wide: &Integer| wide.sub(wide).add(&one()).narrowed(wide.magnitude().bits_precision());
    let fixed = || std::array::from_fn(|_| (same_width(&wide.0), same_width(&wide.1)));
    times(FEW, fixed, |rng| std::array::from_fn(|_| opening(rng)), run)
}

fn multiply_point<C: Curve>() -> Times {
    let point = Point::<C>::mul_generator(&Scalar::random(&mut ChaCha20Rng::seed_from_u64(6)));
    let run = |k: &Scalar<C>| {
        black_box(point * *k);
    };
    times(MANY, || Scalar::one(), |rng| Scalar::random(rng), run)
}

fn multiply_generator<C: Curve>() -> Times {
    let run = |k: &Scalar<C>| {
        black_box(Point::<C>::mul_generator(k));
    };
    times(MANY, || Scalar::one(), |rng| Scalar::random(rng), run)
}

/// What is measured, by name; of the last one a difference is expected.
type Measured<'a> = (&'static str, Box<dyn Fn() -> Times + 'a>);

fn main() -> ExitCode {
    let parties = [0, 1].map(|which| party(LEVEL, which, 1));
    let [own, other] = &parties;
    let (n, nn) = (own.paillier.public().n(), own.paillier.public().nn());
    let prepared = RingPedersen::new(&other.ring.parameters(), LEVEL).unwrap();
    RingPedersen::prepare([&prepared]);
    println!("lanes: {}", lanes());
    let secret: [Measured<'_>; 21] = [
        ("power modulo N, secret exponent", Box::new(|| power_of(n, Timing::Secret))),
        ("power modulo N^2, secret exponent", Box::new(|| power_of(nn, Timing::Secret))),
        ("eight powers modulo N, secret exponents", Box::new(|| powers_of::<8>(n))),
        ("eight powers modulo N^2, secret exponents", Box::new(|| powers_of::<8>(nn))),
        ("list of one power modulo N, secret exponent", Box::new(|| powers_of::<1>(n))),
        ("list of one power modulo N^2, secret exponent", Box::new(|| powers_of::<1>(nn))),
        ("eight powers modulo N^2, secret bases", Box::new(|| nonces_of::<8>(own.paillier.public()))),
        ("list of one power modulo N^2, secret base", Box::new(|| nonces_of::<1>(own.paillier.public()))),
        ("own nonce with its power", Box::new(|| own_nonces::<1>(own))),
        ("four own nonces with their powers", Box::new(|| own_nonces::<4>(own))),
        ("decryption, ciphertexts", Box::new(|| decrypt(own))),
        ("decryption, keys", Box::new(|| decrypt_under_keys(&parties))),
        ("nonce of a ciphertext", Box::new(|| open(own))),
        ("product with a ciphertext, secret factor", Box::new(|| multiply(other))),
        ("ring-Pedersen commitment", Box::new(|| commit::<1>(&other.ring))),
        ("ring-Pedersen commitment from tables", Box::new(|| commit::<1>(&prepared))),
        ("eight ring-Pedersen commitments from tables", Box::new(|| commit::<8>(&prepared))),
        ("point times scalar, secp256k1", Box::new(multiply_point::<Secp256k1>)),
        ("generator times scalar, secp256k1", Box::new(multiply_generator::<Secp256k1>)),
        ("point times scalar, P-256", Box::new(multiply_point::<P256>)),
        ("generator times scalar, P-256", Box::new(multiply_generator::<P256>)),
    ];
    let word = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let chosen = secret.iter().filter(|(name, _)| name.contains(&word));
    let largest = chosen.map(|(name, measure)| report(name, &measure())).fold(0.0, f64::max);
    let public = report("power modulo N, public exponent (must differ)", &power_of(n, Timing::Public));
    if largest < CERTAIN && public >= CERTAIN { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
