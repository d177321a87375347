use super::*;
use crate::testing::cases::{integer, multiple, rng};
use crate::testing::party;

fn commit(ring: &RingPedersen, x: &Integer, y: &Integer) -> Natural {
    let mut powers = Powers::new();
    let queued = ring.queue(&mut powers, x, y);
    ring.finish(&powers.run(), queued)
}

/// `s = t^lambda` turns a commitment into a power of `t`, negative exponents too.
#[test]
fn commitments_are_powers_of_t() {
    let party = party(Level::Tiny, 0, 1);
    let ring = &party.ring;
    let lambda = Integer::from_natural(party.lambda.expose());
    for (x, y) in [(3, 5), (-3, 5), (3, -5), (-3, -5), (0, 0), (0, 1), (1, 0)] {
        let (x, y) = (integer(x), integer(y));
        let mut powers = Powers::new();
        let slot = powers.push_secret(ring.modulus(), ring.t(), &lambda.mul(&x).add(&y));
        let expected = Natural::new(&powers.run()[slot]);
        assert_eq!(commit(ring, &x, &y), expected);
    }
    assert_eq!(commit(ring, &integer(0), &integer(0)), Natural::new(&BoxedUint::one()));
    assert_eq!(commit(ring, &integer(1), &integer(0)), ring.parameters().s);
    assert_eq!(commit(ring, &integer(0), &integer(1)), ring.parameters().t);
}

/// With and without tables: the same commitments, for exponents of either sign and of all lengths.
#[test]
fn tables_change_nothing() {
    let plain = party(Level::Tiny, 0, 1).ring;
    let prepared = party(Level::Tiny, 0, 1).ring;
    RingPedersen::prepare([&prepared, &prepared.clone()]);
    let bits = exponent_bits(Level::Tiny);
    let mut rng = rng(5);
    for (x_bits, y_bits) in [(1, 1), (10, bits), (bits, 200), (bits, bits), (200, bits + 300)] {
        let (x, y) = (Integer::sample(x_bits, &mut rng), Integer::sample(y_bits, &mut rng));
        let expected = commit(&plain, &x, &y);
        assert_eq!(commit(&prepared, &x, &y), expected, "{x_bits}, {y_bits}");
        let mut powers = Powers::new();
        let slot = prepared.queue_public(&mut powers, &x, &y).unwrap();
        assert_eq!(Natural::new(&powers.run()[slot]), expected, "{x_bits}, {y_bits}");
    }
    let mut powers = Powers::new();
    let y = Integer::sample(200, &mut rng);
    let slot = prepared.queue_public_t(&mut powers, &y).unwrap();
    assert_eq!(Natural::new(&powers.run()[slot]), commit(&plain, &y.sub(&y), &y));
    // Verdicts are reached without tables.
    let mut judge = Powers::scalar();
    assert!(prepared.queue_public(&mut judge, &y, &y).is_none());
    assert!(prepared.queue_public_t(&mut judge, &y).is_none());
    assert!(plain.queue_public(&mut Powers::new(), &y, &y).is_none());
}

/// Tables of one set of parameters must not be taken for another.
#[test]
fn parameters_are_told_apart() {
    let ring = party(Level::Tiny, 0, 1).ring;
    let own = ring.parameters();
    assert!(ring.is(&own, Level::Tiny));
    assert!(!ring.is(&own, Level::Fast));
    assert!(!ring.is(&party(Level::Tiny, 1, 1).ring.parameters(), Level::Tiny));
    for other in [
        Parameters { s: own.t.clone(), ..own.clone() },
        Parameters { t: own.s.clone(), ..own.clone() },
        Parameters { modulus: own.s.clone(), ..own.clone() },
    ] {
        assert!(!ring.is(&other, Level::Tiny));
    }
}

/// `t` is a square, so is `s`; `lambda` is below the order of squares; each draw is another.
#[test]
fn generated_parameters_are_squares() {
    for seed in 0..20 {
        let party = party(Level::Tiny, 0, seed);
        let factors = &party.ring_factors;
        for base in [party.ring.s(), party.ring.t()] {
            for prime in [factors.p_modulus(), factors.q_modulus()] {
                assert_eq!(prime.jacobi_public(&prime.reduce(base)), 1, "seed {seed}");
            }
        }
        assert!(*party.lambda.expose() < factors.phi().shr(2));
    }
    let draw = |seed| generate(&party(Level::Tiny, 0, 1).ring_factors, &mut rng(seed)).0;
    assert_ne!(draw(1), draw(2));
    assert_eq!(draw(1), draw(1));
}

/// what is no modulus or no base.
#[test]
fn parameters_outside_their_domain_are_refused() {
    let honest = party(Level::Tiny, 0, 1).ring.parameters();
    let n = honest.modulus.value().clone();
    let with = |modulus: &BoxedUint| {
        let parameters = Parameters { modulus: Natural::new(modulus), ..honest.clone() };
        RingPedersen::new(&parameters, Level::Tiny).map(|_| ())
    };
    assert_eq!(with(&n), Ok(()));
    let even = n.wrapping_add(BoxedUint::one());
    for bad in [even, n.shr(1), multiple(&n, 3), BoxedUint::zero(), BoxedUint::one()] {
        assert_eq!(with(&bad), Err(Rejection::Domain("N^")));
    }
    assert_eq!(RingPedersen::new(&honest, Level::Fast).map(|_| ()), Err(Rejection::Domain("N^")));
    let bases = |s: &BoxedUint, t: &BoxedUint| {
        let parameters = Parameters { s: Natural::new(s), t: Natural::new(t), ..honest.clone() };
        RingPedersen::new(&parameters, Level::Tiny).map(|_| ())
    };
    let (s, t) = (honest.s.value(), honest.t.value());
    let one = BoxedUint::one();
    let above = Integer::from_natural(t).add(&Integer::from_natural(&n));
    for bad in [&BoxedUint::zero(), &one, &n.wrapping_sub(&one), &n, above.magnitude()] {
        assert_eq!(bases(bad, t), Err(Rejection::Domain("s")));
        assert_eq!(bases(s, bad), Err(Rejection::Domain("t")));
    }
    assert_eq!(bases(s, s), Err(Rejection::Domain("s")));
}
