//! Upper bounds of encoded message parts, from which each protocol sets its limits. All in bytes.

use consign_zk::curve::Curve;
use consign_zk::level::Level;

/// Length prefixes and tags around one field.
const OVERHEAD: usize = 6;

/// A list of `count` entries of at most `entry` bytes, with its tag and length.
pub(crate) fn list(count: usize, entry: usize) -> usize {
    count * entry + OVERHEAD
}

/// A point.
pub(crate) fn point<C: Curve>() -> usize {
    C::POINT_BYTES + OVERHEAD
}

/// A scalar.
pub(crate) fn scalar<C: Curve>() -> usize {
    C::SCALAR_BYTES + OVERHEAD
}

/// A hash, identifier or random string of 32 bytes.
pub(crate) const HASH: usize = 32 + OVERHEAD;

/// An integer as long as a modulus of the level, `times` over.
pub(crate) fn moduli(level: Level, times: usize) -> usize {
    (level.parameters().modulus_bits as usize / 8) * times + OVERHEAD
}

/// A Paillier ciphertext.
pub(crate) fn ciphertext(level: Level) -> usize {
    moduli(level, 2)
}

/// A response of a range proof: as long as a modulus and both slacks.
pub(crate) fn response(level: Level) -> usize {
    let p = level.parameters();
    ((p.ell_prime + p.ell + 2 * p.epsilon) as usize / 8) + moduli(level, 1) + OVERHEAD
}

/// A response within `I(l+eps; N^)`.
fn wide_response(level: Level) -> usize {
    let p = level.parameters();
    ((p.ell + p.epsilon) as usize / 8) + moduli(level, 1) + OVERHEAD
}

/// A proof of an encryption's range.
pub(crate) fn enc_elg<C: Curve>(level: Level) -> usize {
    let p = level.parameters();
    let z1 = ((p.ell + p.epsilon) as usize / 8) + OVERHEAD;
    3 * moduli(level, 1) + ciphertext(level) + 2 * point::<C>() + scalar::<C>() + z1 + wide_response(level)
}

/// A proof of an affine operation.
pub(crate) fn aff_g<C: Curve>(level: Level) -> usize {
    let p = level.parameters();
    let ranges = ((p.ell + p.ell_prime + 2 * p.epsilon) as usize / 8) + 2 * OVERHEAD;
    2 * ciphertext(level) + 6 * moduli(level, 1) + point::<C>() + ranges + 2 * wide_response(level)
}

/// A proof of a logarithm in an ElGamal commitment.
pub(crate) fn elog<C: Curve>() -> usize {
    3 * point::<C>() + 2 * scalar::<C>()
}

/// A proof of an affine operation to everybody.
pub(crate) fn aff_g_star<C: Curve>(level: Level) -> usize {
    let p = level.parameters();
    let ranges = ((p.ell + p.ell_prime + 2 * p.epsilon) as usize / 8) + 2 * OVERHEAD;
    let repetition = 2 * ciphertext(level) + point::<C>() + ranges + 2 * moduli(level, 1);
    list(p.repetitions, repetition)
}

/// A proof of a decryption in the exponent, among `signers`.
pub(crate) fn dec<C: Curve>(level: Level, signers: usize) -> usize {
    let p = level.parameters();
    let plain = p.ell_prime + p.epsilon + p.sigma + 1 + signers.ilog2() + 1;
    let ranges = ((p.ell + p.epsilon + plain) as usize / 8) + 2 * OVERHEAD;
    let repetition = ciphertext(level) + 2 * point::<C>() + ranges + moduli(level, 1);
    list(p.repetitions, repetition)
}
