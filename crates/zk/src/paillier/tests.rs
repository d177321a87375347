use std::ops::ControlFlow;

use consign_modexp::{PrimeKind, generate};
use proptest::prelude::*;

use super::*;
use crate::testing::cases::{integer, multiple, not_units, power_of_two, rng};
use crate::testing::{party, primes};

fn key() -> DecryptionKey {
    party(Level::Tiny, 0, 1).paillier
}

fn decrypt(key: &DecryptionKey, ciphertext: &Ciphertext) -> Integer {
    key.decrypt(&[ciphertext]).unwrap().remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Decryption undoes encryption by the owner and by others, which agree; the nonce can be recovered.
    #[test]
    fn decryption_undoes_encryption(seed in any::<u64>(), x in any::<i128>()) {
        let (key, x) = (key(), integer(x));
        let nonce = Nonce::random(key.public(), &mut rng(seed));
        let own = key.encrypt(&[(&x, &nonce)]).remove(0);
        prop_assert_eq!(&own, &key.public().encrypt(&[(&x, &nonce)]).remove(0));
        prop_assert_eq!(decrypt(&key, &own), x);
        let opened = key.open(&own).unwrap();
        prop_assert_eq!(opened.expose(), nonce.expose());
    }

    #[test]
    fn operations_are_homomorphic(seed in any::<u64>(), a in any::<i64>(), b in any::<i64>(), y in any::<i128>()) {
        let mut rng = rng(seed);
        let key = key();
        let mut nonce = || Nonce::random(key.public(), &mut rng);
        let (a, b, y) = (integer(a.into()), integer(b.into()), integer(y));
        let list = key.encrypt(&[(&a, &nonce()), (&b, &nonce())]);
        let public = key.public();
        prop_assert_eq!(decrypt(&key, &public.add(&list[0], &list[1]).unwrap()), a.add(&b));
        prop_assert_eq!(decrypt(&key, &public.sub(&list[0], &list[1]).unwrap()), a.sub(&b));
        let rho = nonce();
        let affine = Affine { ciphertext: &list[0], x: &b, y: &y, rho: &rho };
        let result = public.affine(&[affine]).unwrap().remove(0);
        prop_assert_eq!(decrypt(&key, &result), a.mul(&b).add(&y));
    }
}

/// plaintexts are signed, up to the last: an unsigned reading is off by `N`.
#[test]
fn extreme_plaintexts_decrypt() {
    for which in 0..3 {
        let key = party(Level::Tiny, which, 1).paillier;
        let largest = Integer::from_natural(&key.public().n().value().shr(1));
        let nonce = Nonce::random(key.public(), &mut rng(3));
        let values =
            [integer(0), integer(1), integer(-1), largest.clone(), largest.neg(), largest.sub(&integer(1))];
        for x in values {
            let ciphertext = key.encrypt(&[(&x, &nonce)]).remove(0);
            assert_eq!(decrypt(&key, &ciphertext), x);
        }
        // One beyond the last is the first again.
        let beyond = key.encrypt(&[(&largest.add(&integer(1)), &nonce)]).remove(0);
        assert_eq!(decrypt(&key, &beyond), largest.neg());
    }
}

/// The formula itself: `(1 + xN) rho^N mod N^2`.
#[test]
fn encryption_is_the_formula() {
    let key = key();
    let nn = key.public().nn();
    let n = Integer::from_natural(key.public().n().value());
    let x = integer(-12345);
    let one_plus = n.mul(&x).add(&integer(1)).modulo(nn);
    assert_eq!(key.public().embed(&x), one_plus);
    let nonce = Nonce::random(key.public(), &mut rng(3));
    let mut powers = Powers::new();
    let slot = powers.push_public(nn, nonce.expose(), n.magnitude());
    let expected = Ciphertext::new(&nn.mul(&one_plus, &powers.run()[slot]));
    assert_eq!(key.encrypt(&[(&x, &nonce)]).remove(0), expected);
}

/// what is no unit, or has a second spelling, is refused by every operation, without panic.
#[test]
fn non_units_are_refused() {
    let key = key();
    let public = key.public();
    let nonce = Nonce::random(public, &mut rng(3));
    let good = key.encrypt(&[(&integer(5), &nonce)]).remove(0);
    let mut bad = not_units(public.nn(), key.factors().p());
    bad.extend(not_units(public.nn(), key.factors().q()));
    bad.push(Natural::new(public.n().value()));
    bad.push(Natural::new(&multiple(public.n().value(), 7)));
    for bad in bad {
        let bad = Ciphertext::new(bad.value());
        assert!(public.unit(&bad).is_none());
        assert!(key.decrypt(&[&good, &bad]).is_none());
        assert!(key.open(&bad).is_none());
        assert!(public.add(&good, &bad).is_none() && public.add(&bad, &good).is_none());
        assert!(public.sub(&good, &bad).is_none() && public.sub(&bad, &good).is_none());
        let affine = Affine { ciphertext: &bad, x: &integer(2), y: &integer(3), rho: &nonce };
        assert!(public.affine(&[affine]).is_none());
    }
    assert!(key.decrypt(&[]).unwrap().is_empty());
}

/// Nonces are units of full size, whatever odd number the modulus is.
#[test]
fn nonces_are_units() {
    let hostile = Natural::new(&multiple(power_of_two(382).magnitude(), 3).wrapping_add(BoxedUint::one()));
    let key = EncryptionKey::new(&hostile, Level::Tiny).unwrap();
    let mut rng = rng(4);
    let nonces: Vec<_> = (0..50).map(|_| Nonce::random(&key, &mut rng)).collect();
    assert!(nonces.iter().all(|nonce| key.n().is_unit(nonce.expose())));
    assert!(nonces.windows(2).all(|pair| pair[0].expose() != pair[1].expose()));
}

/// All at once or, where small factors forbid that, one by one: see also [`nonces_are_units`].
#[test]
fn many_nonces_are_units() {
    let hostile = Natural::new(&multiple(power_of_two(382).magnitude(), 3).wrapping_add(BoxedUint::one()));
    let hostile = EncryptionKey::new(&hostile, Level::Tiny).unwrap();
    // Seven divides it, so a hundred at once hardly ever pass.
    assert_eq!(hostile.n().value().rem_vartime(&BoxedUint::from(7u32).to_nz().unwrap()), BoxedUint::zero());
    for key in [&hostile, key().public()] {
        for count in [0, 1, 2, 100] {
            let nonces = key.nonces(count, &mut rng(8));
            assert_eq!(nonces.len(), count);
            assert!(nonces.iter().all(|nonce| key.n().is_unit(nonce.expose()) && nonce.power(key).is_none()));
            assert!(nonces.windows(2).all(|pair| pair[0].expose() != pair[1].expose()));
        }
    }
}

/// A nonce that carries its power encrypts to the same as one that does not, by the owner and by others, and carries it for
/// its own key alone.
#[test]
fn nonces_may_carry_their_powers() {
    let (key, other) = (key(), party(Level::Tiny, 1, 1).paillier);
    let (mut rng1, x) = (rng(9), integer(-77));
    let public = key.public();
    for nonces in [key.nonces(3, &mut rng1), public.nonces_ahead(3, &mut rng1)] {
        for nonce in nonces {
            let bare = Nonce::new(nonce.expose().clone());
            assert!(nonce.power(public).is_some() && nonce.power(other.public()).is_none());
            assert!(bare.power(public).is_none());
            let expected = public.encrypt(&[(&x, &bare)]).remove(0);
            let mixed = [(&x, &bare), (&x, &nonce), (&x, &bare)];
            assert_eq!(key.encrypt(&mixed), vec![expected.clone(); 3]);
            assert_eq!(public.encrypt(&mixed), vec![expected.clone(); 3]);
            let affine = |rho| Affine { ciphertext: &expected, x: &x, y: &x, rho };
            let list = public.affine(&[affine(&bare), affine(&nonce)]).unwrap();
            assert_eq!(list[0], list[1]);
            let elsewhere = other.public().encrypt(&[(&x, &bare)]);
            assert_eq!(other.encrypt(&[(&x, &nonce)]), elsewhere);
            assert_eq!(other.public().encrypt(&[(&x, &nonce)]), elsewhere);
        }
    }
}

/// A key of primes that are only `3 mod 4`, as older ones are, serves as well; its nonces come without their powers.
#[test]
fn keys_of_other_primes_serve() {
    let [p, q] = [21, 22].map(|seed| {
        generate(PrimeKind::Blum, 192, &mut rng(seed), &mut |_| ControlFlow::Continue(())).unwrap()
    });
    let older = DecryptionKey::new(&p, &q, Level::Tiny).unwrap();
    let [safe, _] = primes(Level::Tiny, 0).ring_pedersen;
    let [nearly, _] = primes(Level::Tiny, 0).paillier;
    let mixed = DecryptionKey::new(&p, &nearly, Level::Tiny).unwrap();
    let newer = DecryptionKey::new(&safe, &nearly, Level::Tiny).unwrap();
    for (key, carries) in [(older, false), (mixed, false), (newer, true)] {
        key.make_tables();
        let x = integer(-12);
        for nonce in key.nonces(3, &mut rng(10)) {
            assert_eq!(nonce.power(key.public()).is_some(), carries);
            let ciphertext = key.encrypt(&[(&x, &nonce)]).remove(0);
            assert_eq!(key.public().encrypt(&[(&x, &nonce)]), std::slice::from_ref(&ciphertext));
            assert_eq!(decrypt(&key, &ciphertext), x);
        }
    }
}

/// `r rho^e` for challenges of either sign.
#[test]
fn responses_for_either_sign() {
    let key = key();
    let n = key.public().n();
    let mut rng = rng(5);
    let (r, rho) = (Nonce::random(key.public(), &mut rng), Nonce::random(key.public(), &mut rng));
    let respond = |e| respond(&[Response { key: key.public(), e: &integer(e), r: &r, rho: &rho }]).remove(0);
    assert_eq!(*respond(0).value(), *r.expose());
    assert_eq!(*respond(3).value(), n.mul(r.expose(), &n.mul(&n.square(rho.expose()), rho.expose())));
    assert_eq!(n.mul(respond(-1).value(), rho.expose()), *r.expose());
}

/// moduli that are refused before any proof.
#[test]
fn moduli_of_wrong_shape_are_refused() {
    let n = key().public().n().value().clone();
    let new = |value: &BoxedUint| EncryptionKey::new(&Natural::new(value), Level::Tiny).map(|_| ());
    assert_eq!(new(&n), Ok(()));
    let plus = |k: u8| n.wrapping_add(BoxedUint::from(k));
    for bad in [plus(1), plus(2), plus(3), n.shr(1), multiple(&n, 5), BoxedUint::zero(), BoxedUint::one()] {
        assert_eq!(new(&bad), Err(Rejection::Domain("N")));
    }
    assert!(EncryptionKey::new(&Natural::new(&n), Level::Fast).is_err());
}

/// an own key of equal, unequal, or wrong primes is not taken over.
#[test]
fn primes_of_wrong_shape_are_refused() {
    let [p, q] = primes(Level::Tiny, 0).paillier;
    let new = |p: &BoxedUint, q: &BoxedUint| DecryptionKey::new(p, q, Level::Tiny).map(|_| ());
    assert_eq!(new(&p, &q), Ok(()));
    assert_eq!(new(&q, &p), Ok(()));
    assert_eq!(new(&p, &p), Err(Rejection::Domain("p, q")));
    let [long, _] = primes(Level::Fast, 0).paillier;
    assert!(new(&p, &long).is_err());
    // A product of the right size, factors of other ones: 3 mod 4 both.
    let short = power_of_two(100).add(&integer(7));
    let rest = power_of_two(283).add(&power_of_two(282)).add(&integer(3));
    assert_eq!(short.mul(&rest).magnitude().bits(), 384);
    let refused = new(short.trimmed_public().magnitude(), rest.trimmed_public().magnitude());
    assert_eq!(refused, Err(Rejection::Domain("p, q")));
    // Both 1 mod 4.
    let one_mod_4 = |prime: &BoxedUint| prime.wrapping_add(BoxedUint::from(2_u8));
    assert_eq!(new(&one_mod_4(&p), &one_mod_4(&q)), Err(Rejection::Domain("p, q")));
}
