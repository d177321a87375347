//! One step of derivation: the child of a public key (BIP-32 and SLIP-10, "public parent key → public child key").

use consign_zk::curve::{Curve, Point, Scalar, Secp256k1};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

use super::DerivationError;
use super::path::FIRST_HARDENED;

/// How often SLIP-10's retry is tried; each fails with probability at most 2^-16, on real curves 2^-32.
const MAX_RETRIES: u32 = 64;

/// Which standard says what happens where a step has no child at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// BIP-32: there is none; the caller goes on with the next index.
    Bip32,
    /// SLIP-10: hash again until there is one.
    Slip10,
}

impl Standard {
    /// The one that keys on this curve follow: BIP-32 is about secp256k1 only, SLIP-10 is what others use.
    pub fn of<C: Curve>() -> Self {
        if C::NAME == Secp256k1::NAME { Self::Bip32 } else { Self::Slip10 }
    }
}

/// What a step adds, and what it leads to.
pub(super) struct Child<C: Curve> {
    pub(super) tweak: Scalar<C>,
    pub(super) public_key: Point<C>,
    pub(super) chain_code: [u8; 32],
}

/// The child `index` of a key.
pub(super) fn child<C: Curve>(
    standard: Standard,
    parent: &Point<C>,
    chain_code: &[u8; 32],
    index: u32,
) -> Result<Child<C>, DerivationError> {
    if index >= FIRST_HARDENED {
        return Err(DerivationError::Hardened(index));
    }
    let (mut left, mut right) = hash(chain_code, &parent.to_bytes(), index);
    for _ in 0..MAX_RETRIES {
        if let Some((tweak, public_key)) = tweaked(parent, &left) {
            return Ok(Child { tweak, public_key, chain_code: right });
        }
        match standard {
            Standard::Bip32 => return Err(DerivationError::NoChild(index)),
            Standard::Slip10 => (left, right) = hash(chain_code, &[&[1], &right[..]].concat(), index),
        }
    }
    Err(DerivationError::NoChild(index))
}

/// `I = HMAC-SHA512(cc, data ‖ be32(index))` in two halves.
fn hash(chain_code: &[u8; 32], data: &[u8], index: u32) -> ([u8; 32], [u8; 32]) {
    let mut mac = Hmac::<Sha512>::new_from_slice(chain_code).expect("invariant: a key of any length will do");
    mac.update(data);
    mac.update(&index.to_be_bytes());
    let whole: [u8; 64] = mac.finalize().into_bytes().into();
    let (mut left, mut right) = ([0; 32], [0; 32]);
    left.iter_mut().chain(&mut right).zip(whole).for_each(|(to, byte)| *to = byte);
    (left, right)
}

/// `I_L` as a scalar `h`, and `K + [h]G`; `None` if `I_L >= q` or the sum is the point at infinity. Of a curve with
/// a shorter order, which is for tests only, the leftmost bytes count.
fn tweaked<C: Curve>(parent: &Point<C>, left: &[u8; 32]) -> Option<(Scalar<C>, Point<C>)> {
    let tweak = Scalar::from_bytes(left.get(..C::SCALAR_BYTES)?)?;
    let sum = *parent + Point::mul_generator(&tweak);
    (!sum.is_identity()).then_some((tweak, sum))
}

#[cfg(test)]
mod tests {
    use consign_zk::curve::{P256, Toy};
    use crypto_bigint::BoxedUint;

    use super::*;

    /// the two cases in which `I_L` gives no child.
    #[test]
    fn a_tweak_beyond_the_order_or_to_infinity_is_none() {
        fn check<C: Curve>() {
            let left = |value: &BoxedUint| {
                let bytes = value.to_be_bytes();
                let mut left = [0; 32];
                left[..C::SCALAR_BYTES].copy_from_slice(&bytes[bytes.len() - C::SCALAR_BYTES..]);
                left
            };
            let order = C::order();
            let parent = Point::<C>::mul_generator(&Scalar::from_u64(5));
            assert!(tweaked(&parent, &left(&order)).is_none());
            assert!(tweaked(&parent, &[0xff; 32]).is_none());
            let last = left(&order.wrapping_sub(BoxedUint::one()));
            assert!(tweaked(&parent, &last).is_some_and(|(tweak, _)| tweak == -Scalar::one()));
            assert!(tweaked(&Point::<C>::generator(), &last).is_none(), "G - G");
            assert!(tweaked(&parent, &[0; 32]).is_some_and(|(tweak, sum)| tweak.is_zero() && sum == parent));
        }
        check::<Secp256k1>();
        check::<P256>();
        check::<Toy>();
    }

    /// On the toy curve one index in 68,665 has no child at first, so one is found.
    #[test]
    fn where_there_is_no_child_bip32_stops_and_slip10_goes_on() {
        let parent = Point::<Toy>::mul_generator(&Scalar::from_u64(5));
        let cc = [7; 32];
        let bip32 = |index| child(Standard::Bip32, &parent, &cc, index);
        let index = (0..2_000_000).find(|&index| bip32(index).is_err()).expect("some index has no child");
        assert_eq!(bip32(index).err(), Some(DerivationError::NoChild(index)));
        let slip10 = child(Standard::Slip10, &parent, &cc, index).expect("SLIP-10 always finds a child");
        // By hand: the second hash is over 1 and the right half of the first.
        let (left, right) = hash(&cc, &parent.to_bytes(), index);
        assert!(Scalar::<Toy>::from_bytes(&left[..4]).is_none());
        let (left, again) = hash(&cc, &[&[1], &right[..]].concat(), index);
        assert_eq!(slip10.chain_code, again);
        assert_eq!(slip10.tweak, Scalar::from_bytes(&left[..4]).unwrap());
        assert_eq!(slip10.public_key, parent + Point::mul_generator(&slip10.tweak));
        // Everywhere else both say the same.
        for index in (0..100).filter(|other| *other != index) {
            let (a, b) = (bip32(index).unwrap(), child(Standard::Slip10, &parent, &cc, index).unwrap());
            assert_eq!((a.public_key, a.chain_code), (b.public_key, b.chain_code));
        }
    }

    #[test]
    fn no_hardened_child_of_a_public_key() {
        let parent = Point::<Secp256k1>::generator();
        for index in [FIRST_HARDENED, u32::MAX] {
            let refused = child(Standard::Bip32, &parent, &[0; 32], index).err();
            assert_eq!(refused, Some(DerivationError::Hardened(index)));
        }
    }

    #[test]
    fn every_curve_has_its_standard() {
        assert_eq!(Standard::of::<Secp256k1>(), Standard::Bip32);
        assert_eq!(Standard::of::<P256>(), Standard::Slip10);
    }
}
