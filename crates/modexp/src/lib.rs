//! Lists of modular exponentiations, and what stands on them: arithmetic by CRT for the owner of a
//! factorisation, and the search for primes.
//!
//! Nearly all processor time of the protocol is spent here. Callers hand over *lists* of independent
//! exponentiations ([`powers`]), never single ones in a loop, so that the engine below may use all cores and
//! several lanes of one core at once.
//!
//! * Integers are [`BoxedUint`] of `crypto-bigint`; its *precision* (the number of stored limbs) is public,
//!   its value may be secret.
//! * [`Modulus`] holds an odd modulus with its precomputed Montgomery data.
//! * [`Timing`] says of each exponentiation whether its operands are secret.
//! * [`Factors`] is a secret factorisation `N = p·q`: half-size exponentiations, each result checked against
//!   faults before it is given out.
//! * [`primes`] finds primes of several kinds.
//!
//! * [`FixedBase`] is a base with tables made ahead of time.
//! * Lists run in eight lanes of AVX512-IFMA where the processor has them, else on AWS-LC one by one; results are
//!   the same. [`set_lanes`] switches the lanes off, [`lanes()`] says whether they are used.
//!
//! Read next: `powers.rs` (how a list is run), then `lanes/mod.rs` (eight exponentiations at once),
//! `factors/mod.rs` (the CRT equations and the fault check), `primes/mod.rs`. All `unsafe` code is in `awslc.rs`
//! and `lanes/ifma.rs`.
//!
//! ```
//! use consign_modexp::{BoxedUint, Modulus, Power, Timing, power};
//!
//! let modulus = Modulus::new(&BoxedUint::from(497u64)).expect("odd");
//! let (base, exponent) = (BoxedUint::from(4u64), BoxedUint::from(13u64));
//! let timing = Timing::Public;
//! assert_eq!(power(Power { base: &base, exponent: &exponent, modulus: &modulus, timing }), BoxedUint::from(445u64));
//! ```

mod awslc;
#[cfg(feature = "census")]
pub mod census;
mod factors;
mod fixed;
mod jacobi;
mod lanes;
mod modulus;
mod powers;
pub mod primes;
mod scalar_tables;

pub use crypto_bigint::BoxedUint;
pub use factors::{Factors, RandomUnit};
pub use fixed::{FixedBase, FixedPower, fixed_products};
pub use lanes::{Lanes, lanes, set_lanes};
pub use modulus::{MAX_MODULUS_BITS, Modulus};
pub use powers::{Power, Timing, for_each, power, powers, powers_without_lanes};
pub use primes::{
    PrimeKind, SMALL_FACTOR_BOUND, fermat_composites, generate, generate_many, large_factor, small_factor,
};
