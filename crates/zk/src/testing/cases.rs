//! What the tests of all proofs share: contexts and their variations, values that are not units, encodings that are
//! not canonical.

#![allow(clippy::unwrap_used, reason = "tests")]

use core::fmt::Debug;

use consign_modexp::{BoxedUint, Modulus};
use crypto_bigint::Choice;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::{Context, Role};
use crate::integer::Integer;
use crate::level::Level;
use crate::natural::{MAX_INTEGER_BYTES, Natural};
use crate::rejection::Rejection;
use crate::ring_pedersen::{Parameters, RingPedersen};

/// A deterministic generator.
pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A context in which everything is set.
pub(crate) fn context(level: Level, role: Role) -> Context<'static> {
    Context { level, session: &[7; 32], role, round: 2, prover: 1, verifier: Some(3), rid: Some(&[9; 32]) }
}

/// The context with one field changed, for every field.
pub(crate) fn changed_contexts(original: Context<'static>) -> Vec<(&'static str, Context<'static>)> {
    let level = if original.level == Level::L112 { Level::L128 } else { Level::L112 };
    let role = if original.role == Role::Psi { Role::PsiHat } else { Role::Psi };
    vec![
        ("level", Context { level, ..original }),
        ("session", Context { session: &[8; 32], ..original }),
        ("role", Context { role, ..original }),
        ("round", Context { round: 3, ..original }),
        ("prover", Context { prover: 2, ..original }),
        ("verifier", Context { verifier: Some(2), ..original }),
        ("no verifier", Context { verifier: None, ..original }),
        ("rid", Context { rid: Some(&[10; 32]), ..original }),
        ("no rid", Context { rid: None, ..original }),
    ]
}

/// An integer from a machine one.
pub(crate) fn integer(value: i128) -> Integer {
    let magnitude = BoxedUint::from(value.unsigned_abs());
    Integer::new(magnitude, Choice::from_u8_lsb(u8::from(value < 0)))
}

/// `2^exponent`.
pub(crate) fn power_of_two(exponent: u32) -> Integer {
    let one = BoxedUint::one_with_precision(exponent + 1);
    Integer::from_natural(&one.overflowing_shl_vartime(exponent).unwrap())
}

/// `value * factor`, without reduction.
pub(crate) fn multiple(value: &BoxedUint, factor: u64) -> BoxedUint {
    Integer::from_natural(value).mul(&Integer::from_natural(&BoxedUint::from(factor))).magnitude().clone()
}

/// Parameters with the same bases modulo another number: nothing but the modulus tells them apart.
pub(crate) fn other_modulus(ring: &RingPedersen, level: Level) -> RingPedersen {
    let honest = ring.parameters();
    let n = Integer::from_natural(honest.modulus.value());
    let mut others = (1..).map(|step| {
        let modulus = Natural::new(n.add(&integer(2 * step)).magnitude());
        RingPedersen::new(&Parameters { modulus, ..honest.clone() }, level)
    });
    others.find_map(Result::ok).unwrap()
}

/// Numbers that are no units below `modulus`, of which `factor` is a factor: zero, multiples of the factor, the
/// modulus, and a unit increased by the modulus.
pub(crate) fn not_units(modulus: &Modulus, factor: &BoxedUint) -> Vec<Natural> {
    let n = modulus.value();
    let above = Integer::from_natural(n).add(&integer(1));
    let values =
        [BoxedUint::zero(), factor.clone(), multiple(factor, 2), n.clone(), above.magnitude().clone()];
    values.iter().map(Natural::new).collect()
}

/// Checks that `value` survives encoding, and that no number or point in it has a second spelling: what is accepted
/// in its place is another value, which is written just as it was read.
pub(crate) fn check_encoding<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let tree = serde_json::to_value(value).unwrap();
    assert_eq!(serde_json::from_value::<T>(tree.clone()).unwrap(), *value);
    let mut paths = Vec::new();
    leaves(&tree, String::new(), &mut paths);
    assert!(!paths.is_empty());
    for path in paths {
        let original = tree.pointer(&path).unwrap().as_str().unwrap().to_owned();
        let (head, tail) = original.split_at(2);
        let long = "11".repeat(MAX_INTEGER_BYTES + 2);
        let spellings = [
            format!("00{original}"),
            format!("{head}00{tail}"),
            format!("{original}00"),
            format!("02{tail}"),
            format!("0{original}"),
            "zz".into(),
            "01".into(),
            long,
        ];
        let mut refused = 0;
        for spelling in spellings {
            let mut changed = tree.clone();
            *changed.pointer_mut(&path).unwrap() = Value::String(spelling);
            match serde_json::from_value::<T>(changed.clone()) {
                Ok(read) => assert_eq!(serde_json::to_value(&read).unwrap(), changed, "{path}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused >= 4, "{path}: only {refused} spellings refused");
    }
}

/// Checks that no change to the bytes of a good proof gives another good proof, nor a panic: a bit of every `step`-th
/// byte is flipped, and every number and point is replaced by extreme ones.
pub(crate) fn check_every_change<T>(proof: &T, step: usize, verify: impl Fn(&T) -> Result<(), Rejection>)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    assert_eq!(verify(proof), Ok(()));
    let bytes = postcard::to_stdvec(proof).unwrap();
    for position in (0..bytes.len()).step_by(step) {
        let mut changed = bytes.clone();
        changed[position] ^= 1 << (position % 8);
        if let Ok(read) = postcard::from_bytes::<T>(&changed) {
            assert!(verify(&read).is_err(), "byte {position}");
        }
    }
    let tree = serde_json::to_value(proof).unwrap();
    let mut paths = Vec::new();
    leaves(&tree, String::new(), &mut paths);
    let longest = "7f".repeat(MAX_INTEGER_BYTES);
    for path in paths {
        for leaf in ["", "00", "01", "02", "0001", "0101", &longest, &format!("01{longest}")] {
            let mut changed = tree.clone();
            *changed.pointer_mut(&path).unwrap() = Value::String(leaf.to_owned());
            if let Ok(read) = serde_json::from_value::<T>(changed) {
                assert!(verify(&read).is_err(), "{path}: {leaf}");
            }
        }
    }
}

fn leaves(tree: &Value, path: String, found: &mut Vec<String>) {
    match tree {
        Value::String(_) => found.push(path),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(value, format!("{path}/{name}"), found))
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| leaves(value, format!("{path}/{index}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
