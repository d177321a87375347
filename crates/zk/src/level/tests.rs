use super::*;

/// `docs/spec/params.md`, table 1.2.
#[test]
fn tables_agree_with_the_specification() {
    for (level, name, modulus_bits) in [(Level::L112, "L112", 2048), (Level::L128, "L128", 3072)] {
        let expected = Parameters {
            name,
            modulus_bits,
            ell: 256,
            epsilon: 512,
            ell_prime: 1280,
            repetitions: 128,
            sigma: 160,
            order_bits: 256,
        };
        assert_eq!(*level.parameters(), expected);
        assert_eq!(level.parameters().prime_bits(), modulus_bits / 2);
    }
    let fast = Level::Fast.parameters();
    assert_eq!((fast.modulus_bits, fast.ell, fast.epsilon, fast.ell_prime), (1280, 256, 320, 900));
    let tiny = Level::Tiny.parameters();
    assert_eq!((tiny.modulus_bits, tiny.ell, tiny.epsilon, tiny.ell_prime), (384, 32, 64, 160));
    assert!(fast.name.contains("INSECURE") && tiny.name.contains("INSECURE"));
}

/// C6: the smallest factor that Πfac can leave, as the specification states it.
#[test]
fn smallest_proven_factor() {
    let left = |level: Level| {
        let p = level.parameters();
        p.prime_bits() - 1 - p.ell - p.epsilon
    };
    assert_eq!((left(Level::L112), left(Level::L128)), (255, 767));
}

#[test]
fn logarithms_round_up() {
    for (n, expected) in [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (32, 5), (33, 6), (100, 7), (128, 7)] {
        assert_eq!(ceil_log2(n), expected, "{n}");
    }
}

/// Names in configuration are lower case and closed.
#[test]
fn names() {
    assert_eq!(serde_json::to_string(&Level::L128).unwrap(), "\"l128\"");
    assert_eq!(serde_json::from_str::<Level>("\"l112\"").unwrap(), Level::L112);
    assert!(serde_json::from_str::<Level>("\"l80\"").is_err());
}
