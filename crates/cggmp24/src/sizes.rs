//! Upper bounds of encoded message parts, from which each protocol sets its limits. All in bytes.

use consign_zk::curve::Curve;
use consign_zk::level::Level;

/// Length prefixes and tags around one field.
const OVERHEAD: usize = 6;

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

/// A response of a range proof: as long as a modulus and both slacks.
pub(crate) fn response(level: Level) -> usize {
    let p = level.parameters();
    ((p.ell_prime + p.ell + 2 * p.epsilon) as usize / 8) + moduli(level, 1) + OVERHEAD
}
