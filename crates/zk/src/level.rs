//! Security levels: every bit length of the protocol in one table, and the inequalities they must satisfy.
//!
//! Notation: `l` = ELL, `eps` = EPSILON, `l'` = ELL_PRIME, `m` = repetitions, `sigma` = slack of the decryption proof.
//! Read `docs/spec/params.md` next.

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Largest signer set a level is dimensioned for (the `n` of conditions C4 and C5).
pub const MAX_SIGNERS: u32 = 100;

/// Bit lengths that fix one security level. All lengths are in bits.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Name as written in configuration and hashed into every transcript.
    pub name: &'static str,
    /// Exact bit length of Paillier and ring-Pedersen moduli; each prime has half of it.
    pub modulus_bits: u32,
    /// Range of secret values (`k`, `gamma`, shares): `I(ell)`.
    pub ell: u32,
    /// Slack of the range proofs.
    pub epsilon: u32,
    /// Range of the MtA masks: `I(ell_prime)`.
    pub ell_prime: u32,
    /// Repetitions of the cut-and-choose proofs.
    pub repetitions: usize,
    /// Statistical slack of the decryption proof.
    pub sigma: u32,
    /// Bits of the group order this level goes with (256; smaller for the toy curve).
    pub order_bits: u32,
}

/// A named security level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// 112-bit security: 2048-bit moduli.
    L112,
    /// 128-bit security: 3072-bit moduli. The default.
    L128,
    /// No security: 1280-bit moduli on a real curve, for fast tests. Absent from release builds.
    #[cfg(all(feature = "test-levels", debug_assertions))]
    Fast,
    /// No security: 384-bit moduli on the toy curve, for broad tests. Absent from release builds.
    #[cfg(all(feature = "test-levels", debug_assertions))]
    Tiny,
}

// DEVIATION 9: repetitions. DEVIATION 10: slack and sizes.
const L112: Parameters = release(Parameters {
    name: "L112",
    modulus_bits: 2048,
    ell: 256,
    epsilon: 512,
    ell_prime: 1280,
    repetitions: 128,
    sigma: 160,
    order_bits: 256,
});

const L128: Parameters = release(Parameters {
    name: "L128",
    modulus_bits: 3072,
    ell: 256,
    epsilon: 512,
    ell_prime: 1280,
    repetitions: 128,
    sigma: 160,
    order_bits: 256,
});

#[cfg(all(feature = "test-levels", debug_assertions))]
const FAST: Parameters = sound(Parameters {
    name: "FAST-INSECURE",
    modulus_bits: 1280,
    ell: 256,
    epsilon: 320,
    ell_prime: 900,
    repetitions: 16,
    sigma: 40,
    order_bits: 256,
});

#[cfg(all(feature = "test-levels", debug_assertions))]
const TINY: Parameters = sound(Parameters {
    name: "TINY-INSECURE",
    modulus_bits: 384,
    ell: 32,
    epsilon: 64,
    ell_prime: 160,
    repetitions: 20,
    sigma: 40,
    order_bits: 32,
});

impl Level {
    /// The bit lengths of this level.
    pub fn parameters(self) -> &'static Parameters {
        match self {
            Self::L112 => &L112,
            Self::L128 => &L128,
            #[cfg(all(feature = "test-levels", debug_assertions))]
            Self::Fast => &FAST,
            #[cfg(all(feature = "test-levels", debug_assertions))]
            Self::Tiny => &TINY,
        }
    }
}

impl Parameters {
    /// Bit length of each prime factor.
    pub const fn prime_bits(&self) -> u32 {
        self.modulus_bits / 2
    }
}

/// Conditions every level must meet: otherwise honest runs fail or proofs are unsound (C1, C4, C5).
const fn sound(p: Parameters) -> Parameters {
    assert!(p.ell >= p.order_bits, "C1: a symmetric scalar must fit I(ell)");
    let sum = p.ell_prime + p.epsilon + ceil_log2(MAX_SIGNERS) + 4;
    assert!(p.modulus_bits >= sum, "C4: MtA sums must stay below N/2");
    assert!(p.modulus_bits >= sum + p.sigma, "C5: responses of the decryption proof must stay below N/2");
    assert!(p.modulus_bits.is_multiple_of(128), "moduli fill whole limbs, primes too");
    p
}

/// Conditions of levels that may guard real keys: also hiding and factor sizes (C2, C3, C6).
const fn release(p: Parameters) -> Parameters {
    let p = sound(p);
    assert!(p.epsilon >= p.ell + p.order_bits, "C2: zero-knowledge slack");
    assert!(p.ell_prime >= 3 * p.ell + p.epsilon, "C3: the mask hides gamma*k");
    assert!(p.prime_bits() >= p.ell + p.epsilon + 224, "C6: smallest factor the factor proof can leave");
    assert!(p.repetitions >= 128, "cut-and-choose soundness");
    p
}

/// Smallest `b` with `n <= 2^b`, for `n >= 1`.
pub const fn ceil_log2(n: u32) -> u32 {
    32 - (n - 1).leading_zeros()
}
