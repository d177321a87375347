//! Signatures as verifiers see them: the edges of verification and recovery, and thousands that libsecp256k1 accepts.

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, P256, Point, Scalar, Secp256k1, Toy};
use consign_cggmp24::derivation::Path;
use consign_cggmp24::ecdsa::{Digest, Signature, ZeroDigest};
use consign_cggmp24::presign::PresignError;
use consign_cggmp24::sign::interactive;
use consign_cggmp24::testing::{Committee, subset};
use consign_rounds::sim::SimRng;
use crypto_bigint::BoxedUint;
use rand_core::SeedableRng;

use crate::signing::sign::check_with_libsecp256k1;
use crate::signing::{combine_all, message, sign_all, slot};

/// Signatures by dealt presignatures that libsecp256k1 must accept.
const RANDOM: u64 = 10_000;
/// Presignatures of one batch of the protocol.
const BATCH: u32 = 32;

/// A signature of `digest` with the nonce point `R` and this `s`, under the one key for which it is right.
fn forge<C: Curve>(R: &Point<C>, s: Scalar<C>, digest: &Digest) -> (Point<C>, Signature<C>) {
    let signature = Signature::new(R, s).unwrap();
    // The point that belongs to the low s.
    let low = if signature.s == s { *R } else { -*R };
    let inverse = signature.r.invert().unwrap();
    let key = low * (inverse * signature.s) - Point::mul_generator(&(inverse * digest.scalar()));
    (key, signature)
}

fn sample<C: Curve>(seed: u64) -> (Point<C>, Digest, Signature<C>) {
    let mut rng = SimRng::seed_from_u64(seed);
    let digest = *message::<C>(&seed.to_string()).digest().bytes();
    let digest = Digest::raw::<C>(digest).unwrap();
    let R = Point::mul_generator(&Scalar::random_nonzero(&mut rng));
    let (key, signature) = forge(&R, Scalar::random_nonzero(&mut rng), &digest);
    (key, digest, signature)
}

/// and their like: everything at the edge of a range is refused.
#[test]
fn verification_refuses_what_is_out_of_range() {
    fn check<C: Curve>() {
        for seed in 0..8 {
            let (key, digest, good) = sample::<C>(seed);
            assert!(good.verify(&key, &digest), "{} {seed}", C::NAME);
            let zero = Scalar::zero();
            let half = Scalar::<C>::from_natural(&C::order().shr(1));
            let refused = [
                ("r = 0", Signature { r: zero, ..good }),
                ("s = 0", Signature { s: zero, ..good }),
                ("both zero", Signature { r: zero, s: zero, ..good }),
                ("r = 1", Signature { r: Scalar::one(), ..good }),
                ("r negated", Signature { r: -good.r, ..good }),
                ("high s", Signature { s: -good.s, ..good }),
                ("high s, other parity", Signature { s: -good.s, recovery_id: good.recovery_id ^ 1, ..good }),
                ("s + 1", Signature { s: good.s + Scalar::one(), ..good }),
                ("s = (q+1)/2", Signature { s: half + Scalar::one(), ..good }),
                ("s = q-1", Signature { s: -Scalar::one(), ..good }),
                ("exchanged", Signature { r: good.s, s: good.r, ..good }),
                ("other parity", Signature { recovery_id: good.recovery_id ^ 1, ..good }),
                ("other overflow", Signature { recovery_id: good.recovery_id ^ 2, ..good }),
                ("recovery id 4", Signature { recovery_id: good.recovery_id | 4, ..good }),
                ("recovery id 255", Signature { recovery_id: 255, ..good }),
            ];
            for (what, bad) in refused {
                assert!(!bad.verify(&key, &digest), "{} {seed}: {what}", C::NAME);
                assert_ne!(bad.recover(&digest), Some(key), "{} {seed}: {what}", C::NAME);
            }
            assert!(!good.verify(&-key, &digest));
            assert!(!good.verify(&Point::identity(), &digest));
            let mut other = *digest.bytes();
            other[C::SCALAR_BYTES - 1] ^= 1;
            assert!(!good.verify(&key, &Digest::raw::<C>(other).unwrap()));
        }
    }
    check::<Toy>();
    check::<Secp256k1>();
    check::<P256>();
}

/// The toy curve has a point with `x = q`, so that its `r` is zero: only the check of `r` refuses it, under every key.
#[test]
fn a_nonce_point_whose_r_is_zero_signs_nothing() {
    const LOGARITHM: u32 = 4_292_705_906;
    let k = Scalar::<Toy>::from_natural(&BoxedUint::from(LOGARITHM));
    let R = Point::mul_generator(&k);
    assert!(Signature::new(&R, Scalar::one()).is_none());
    let mut digest = [0; 32];
    digest[..Toy::SCALAR_BYTES].copy_from_slice(&LOGARITHM.to_be_bytes());
    let digest = Digest::raw::<Toy>(digest).unwrap();
    assert_eq!(digest.scalar::<Toy>(), k);
    let (key, _, _) = sample::<Toy>(1);
    for recovery_id in 0..4 {
        let forged = Signature { r: Scalar::zero(), s: Scalar::one(), recovery_id };
        assert!(!forged.verify(&key, &digest), "recovery id {recovery_id}");
    }
}

/// r and s of q and above, or of another length, cannot even be written.
#[test]
fn numbers_of_the_order_and_above_have_no_encoding() {
    fn check<C: Curve>() {
        let bytes = |n: &BoxedUint| {
            let bytes = n.to_be_bytes();
            bytes[bytes.len() - C::SCALAR_BYTES..].to_vec()
        };
        let (_, _, good) = sample::<C>(1);
        let read = |r: &[u8], s: &[u8]| {
            let parts =
                (consign_rounds::Bytes(r.to_vec()), consign_rounds::Bytes(s.to_vec()), good.recovery_id);
            consign_rounds::decode::<Signature<C>>(&consign_rounds::encode(&parts), 200)
        };
        let (r, s) = (good.r.to_bytes(), good.s.to_bytes());
        assert_eq!(read(&r, &s).unwrap(), good);
        for above in
            [bytes(&C::order()), bytes(&C::order().wrapping_add(BoxedUint::one())), vec![0xff; r.len()]]
        {
            assert!(read(&above, &s).is_err() && read(&r, &above).is_err(), "{}", C::NAME);
        }
        assert!(read(&r[1..], &s).is_err() && read(&[&[0], &r[..]].concat(), &s).is_err());
    }
    check::<Toy>();
    check::<Secp256k1>();
    check::<P256>();
}

/// One digest in 2^256 is zero on one curve and not on another. Whoever accepted it for one must not sign it for another.
#[test]
fn a_digest_that_is_zero_on_this_curve_is_not_signed() {
    let order: [u8; 32] = P256::order().to_be_bytes().to_vec().try_into().unwrap();
    let elsewhere = Digest::raw::<Secp256k1>(order).unwrap();
    assert_eq!(Digest::raw::<P256>(order), Err(ZeroDigest));
    let committee = Committee::<P256>::dealt(Level::Fast, 2, 2, 1);
    let (key, aux) = (committee.key(), committee.aux_public());
    let public = interactive::Public::new(key, aux, subset(&[1, 2]), &Path::root(), elsewhere);
    assert_eq!(public.err(), Some(PresignError::Digest(ZeroDigest)));
    // With m = 0 anybody makes a signature from the public key alone: R = [u]X, r = x(R), s = r/u.
    let u = Scalar::<P256>::from_u64(7);
    let R = key.public_key * u;
    let (x, _) = R.affine().unwrap();
    let r = Scalar::from_bytes(&x).unwrap();
    let forged = Signature::new(&R, r * u.invert().unwrap()).unwrap();
    assert!(!forged.verify(&key.public_key, &elsewhere));
    assert_eq!(forged.recover(&elsewhere), None);
}

#[test]
fn recovery_finds_the_key_in_all_parities() {
    fn check<C: Curve>() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..32 {
            let (key, digest, good) = sample::<C>(seed);
            assert_eq!(good.recover(&digest), Some(key), "{} {seed}", C::NAME);
            seen.insert(good.recovery_id);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1], "{}", C::NAME);
    }
    check::<Toy>();
    check::<Secp256k1>();
    check::<P256>();
}

/// Points with `x(R) >= q` exist on every curve here, but only on the toy curve can one be found.
#[test]
fn recovery_where_the_coordinate_exceeds_the_order() {
    const P: u32 = u32::MAX - 4;
    let order: u32 = 4_294_904_743;
    let mut found = 0;
    for x in (order..P).rev().take(200) {
        for tag in [2_u8, 3] {
            let Some(R) = Point::<Toy>::from_bytes(&[&[tag], &x.to_be_bytes()[..]].concat()) else {
                continue;
            };
            found += 1;
            let digest = Digest::raw::<Toy>([tag; 32]).unwrap();
            let (key, signature) = forge(&R, Scalar::from_u64(u64::from(x % 1000) + 1), &digest);
            assert_eq!(signature.r, Scalar::from_u64(u64::from(x - order)));
            assert_eq!(signature.recovery_id & 2, 2, "x = {x}");
            assert!(signature.verify(&key, &digest));
            assert_eq!(signature.recover(&digest), Some(key));
            // With the bit missing it is about another point, or none.
            let missing = Signature { recovery_id: signature.recovery_id & 1, ..signature };
            assert!(!missing.verify(&key, &digest));
            assert_ne!(missing.recover(&digest), Some(key));
        }
    }
    assert!(found > 50, "{found} points");
    // r + q that is no coordinate at all: p and above.
    let digest = Digest::raw::<Toy>([9; 32]).unwrap();
    for r in [P - order, P - order + 1, order - 1] {
        let signature = Signature { r: Scalar::<Toy>::from_u64(r.into()), s: Scalar::one(), recovery_id: 2 };
        assert_eq!(signature.recover(&digest), None, "r = {r}");
    }
    // And on real curves, where r + q has more bytes than a coordinate.
    for recovery_id in [2, 3] {
        let r = -Scalar::<Secp256k1>::one();
        assert_eq!(Signature { r, s: Scalar::one(), recovery_id }.recover(&digest), None);
        let r = -Scalar::<P256>::one();
        assert_eq!(Signature { r, s: Scalar::one(), recovery_id }.recover(&digest), None);
    }
}

/// RFC 6979, A.2.5: P-256, SHA-256, "sample". Its s is above q/2.
#[test]
fn a_published_signature_verifies_once_its_s_is_low() {
    let decode = |text| Scalar::<P256>::from_bytes(&hex::decode(text).unwrap()).unwrap();
    let r = decode("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716");
    let s = decode("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
    let key = "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
    let key = Point::<P256>::from_bytes(&hex::decode(key).unwrap()).unwrap();
    let digest = message::<P256>("sample").digest();
    let ids = |s| {
        let good = |id: &u8| Signature { r, s, recovery_id: *id }.verify(&key, &digest);
        (0..4).filter(good).count()
    };
    assert_eq!((ids(s), ids(-s)), (0, 1));
}

/// Every signature that comes out is accepted, by presignatures that were drawn at once: their algebra is that of the
/// protocol, and thousands of sessions would take minutes.
#[test]
fn libsecp256k1_accepts_ten_thousand_signatures() {
    let committee = Committee::<Secp256k1>::dealt(Level::Fast, 2, 3, 18);
    let root = committee.presigning(&[1, 3], 1);
    let child = committee.presigning_at(&"m/0/5".parse().unwrap(), &[2, 3], 1);
    let mut rng = SimRng::seed_from_u64(1);
    let mut ids = [0_u32; 4];
    for number in 0..RANDOM {
        let agreed = if number % 2 == 0 { &root } else { &child };
        let message = message::<Secp256k1>(&number.to_string());
        let (signings, partials) = sign_all(committee.dealt_presignature(agreed, number, &mut rng), message);
        let signing = signings.values().next().unwrap();
        let signature = signing.combine(&partials).unwrap();
        check_with_libsecp256k1(agreed.public_key(), &message.digest(), &signature);
        ids[usize::from(signature.recovery_id)] += 1;
    }
    // Both parities, about equally often: five standard deviations below the half.
    let least = u32::try_from(RANDOM / 2 - 250).unwrap();
    assert!(ids[0] > least && ids[1] > least && ids[2] + ids[3] == 0, "{ids:?}");
}

#[test]
fn libsecp256k1_accepts_a_whole_batch() {
    let committee = Committee::<Secp256k1>::dealt(Level::Fast, 2, 2, 19);
    let mut made = committee.presign(&[1, 2], BATCH, 19);
    for number in 0..BATCH {
        let message = message::<Secp256k1>(&number.to_string());
        let (signings, partials) = sign_all(slot(&mut made), message);
        let signature = combine_all(&signings, &partials);
        check_with_libsecp256k1(&committee.key().public_key, &message.digest(), &signature);
    }
}
