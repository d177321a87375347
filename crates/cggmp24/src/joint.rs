//! Joint randomness: everybody commits to a part, and the whole is the exclusive or of all parts.

use rand_core::CryptoRng;

/// One party's part; also used for the randomness of commitments.
pub(crate) fn random_part(rng: &mut impl CryptoRng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The exclusive or of all parts.
pub(crate) fn whole<'a>(parts: impl Iterator<Item = &'a [u8; 32]>) -> [u8; 32] {
    parts.fold([0; 32], |mut sum, part| {
        sum.iter_mut().zip(part).for_each(|(a, b)| *a ^= b);
        sum
    })
}
