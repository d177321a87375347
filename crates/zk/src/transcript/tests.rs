use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::context::{Context, Role};
use crate::curve::{Secp256k1, Toy};
use crate::testing::cases::{changed_contexts, context, integer};

fn start() -> Transcript {
    Transcript::new(Purpose::Sid)
}

/// A transcript with one list of byte strings, written item by item.
fn list(items: &[Vec<u8>]) -> [u8; 32] {
    let mut transcript = start();
    transcript.count("list", items.len());
    for item in items {
        transcript.bytes("item", item);
    }
    transcript.hash()
}

/// Some transcripts absorb secrets (shares, seeds): the hash wipes its state. The streams made of it do so by the same
/// feature of the library, though no trait says it.
#[test]
fn states_are_wiped() {
    fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
    wiped(&start().state);
}

/// Bytes that confuse joined encodings: separators, zeros, length prefixes, tags.
fn tricky() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![Just(0), Just(1), Just(2), Just(b'$'), Just(b','), Just(0xff), any::<u8>()],
        0..12,
    )
}

/// `bytes` cut into pieces at the given places.
fn cut(bytes: &[u8], mut places: Vec<usize>) -> Vec<Vec<u8>> {
    places.retain(|place| *place <= bytes.len());
    places.sort_unstable();
    places.push(bytes.len());
    let mut start = 0;
    places.iter().map(|&end| bytes[core::mem::replace(&mut start, end)..end].to_vec()).collect()
}

proptest! {
    /// the same bytes cut in two ways give the same hash only if the cuts are the same.
    #[test]
    fn moving_bytes_between_items_shows(
        bytes in tricky(),
        a in proptest::collection::vec(0_usize..12, 0..4),
        b in proptest::collection::vec(0_usize..12, 0..4),
    ) {
        let (a, b) = (cut(&bytes, a), cut(&bytes, b));
        prop_assert_eq!(a == b, list(&a) == list(&b), "{:?} {:?}", a, b);
    }

    /// any two different lists differ, and equal ones agree.
    #[test]
    fn lists_are_injective(
        a in proptest::collection::vec(tricky(), 0..4),
        b in proptest::collection::vec(tricky(), 0..4),
    ) {
        prop_assert_eq!(a == b, list(&a) == list(&b));
        prop_assert_eq!(list(&a), list(&a.clone()));
    }

    /// the sign is written, and neither magnitude nor sign can stand for the other.
    #[test]
    fn integers_are_injective(a in any::<i64>(), b in any::<i64>()) {
        let hash = |value: i64| start().integer("x", &integer(value.into())).hash();
        prop_assert_eq!(a == b, hash(a) == hash(b));
        prop_assert_eq!(a == 0, hash(a) == hash(a.wrapping_neg()) && a != i64::MIN);
    }

    /// a label cannot take over bytes of the value before or behind it.
    #[test]
    fn labels_are_items(label in "[a$,]{0,4}", value in "[a$,]{0,4}", cut in 0_usize..8) {
        let joined = format!("{label}{value}");
        if joined.is_char_boundary(cut) && cut <= joined.len() {
            let (other_label, other_value) = joined.split_at(cut);
            let same = other_label == label;
            let hash = |label: &str, value: &str| start().text(label, value).hash();
            prop_assert_eq!(same, hash(&label, &value) == hash(other_label, other_value));
        }
    }

    #[test]
    fn interval_challenges_are_within(seed in any::<u64>(), bits in 1_u32..300) {
        let challenge = start().number("seed", seed).challenge_interval(bits);
        prop_assert!(challenge.is_within(bits));
    }
}

/// The encoding, written by hand from the specification: `docs/spec/params.md` 1.5.
#[test]
fn encoding_is_the_specified_one() {
    fn item(tag: u8, bytes: &[u8]) -> Vec<u8> {
        [&[tag], (bytes.len() as u64).to_be_bytes().as_slice(), bytes].concat()
    }
    let text = |text: &str| item(1, text.as_bytes());
    let expected = [
        text("TSS-CGGMP24"),
        vec![0, 1],
        text("proof/enc-elg"),
        text("a"),
        item(2, b"xy"),
        text("b"),
        item(3, &[1, 1, 0]),
        text("c"),
        item(3, &[0]),
        text("d"),
        item(6, &[0, 0, 0, 0, 0, 0, 1, 2]),
        text("e"),
        item(8, &[]),
        text("f"),
        item(7, &[0, 0, 0, 0, 0, 0, 0, 2]),
    ]
    .concat();
    let mut transcript = Transcript::new(Purpose::ProofEncElg);
    transcript
        .bytes("a", b"xy")
        .integer("b", &integer(-256))
        .natural("c", &BoxedUint::zero())
        .number("d", 258)
        .optional("e", None)
        .count("f", 2);
    let mut state = Shake256::default();
    state.update(&expected);
    let mut stream = state.finalize_xof();
    let mut bytes = [0; 48];
    stream.read(&mut bytes);
    assert_eq!(transcript.hash(), bytes[..32]);
    // A scalar is 48 bytes big endian, modulo q; bits are taken from each byte, lowest first.
    let wide = Integer::from_natural(&BoxedUint::from_be_slice_vartime(&bytes));
    assert_eq!(transcript.challenge_scalar::<Secp256k1>(), Scalar::from_integer(&wide));
    let bits: Vec<_> = (0..384).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1).collect();
    assert_eq!(transcript.challenge_bits(384), bits);
    assert_eq!(transcript.challenge_bits(13), bits[..13]);
    assert!(transcript.challenge_bits(0).is_empty());
}

/// the crafted lists of the published attack.
#[test]
fn crafted_lists_differ() {
    let items = |list: &[&[u8]]| list.iter().map(|item| item.to_vec()).collect::<Vec<_>>();
    let lists = [
        items(&[b"a", b"b$c"]),
        items(&[b"a$b", b"c"]),
        items(&[b"ab", b"c"]),
        items(&[b"a", b"bc"]),
        items(&[b"abc"]),
        items(&[b"", b"abc"]),
        items(&[b"abc", b""]),
        items(&[]),
        items(&[b""]),
        items(&[b"\0"]),
        items(&[b"\0\0"]),
    ];
    assert_eq!(lists.iter().map(|items| list(items)).collect::<HashSet<_>>().len(), lists.len());
}

/// Values of different types differ even where their bytes agree; a missing value is not an empty one.
#[test]
fn types_differ() {
    let five = [0, 0, 0, 0, 0, 0, 0, 5];
    let hashes = [
        start().bytes("x", &five).hash(),
        start().number("x", 5).hash(),
        start().count("x", 5).hash(),
        start().integer("x", &integer(5)).hash(),
        start().integer("x", &integer(-5)).hash(),
        start().scalar::<Toy>("x", &Scalar::from_u64(5)).hash(),
        start().scalar::<Secp256k1>("x", &Scalar::from_u64(5)).hash(),
        start().text("x", "\0\0\0\0\0\0\0\u{5}").hash(),
        start().optional("x", None).hash(),
        start().optional("x", Some(&[])).hash(),
        start().text("x", "").hash(),
        start().hash(),
        Transcript::new(Purpose::Ssid).hash(),
    ];
    assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
    assert_eq!(start().natural("x", &BoxedUint::from(5_u8)).hash(), start().integer("x", &integer(5)).hash());
    assert_eq!(start().optional("x", Some(&five)).hash(), start().bytes("x", &five).hash());
}

/// Lists are written with their length: two lists side by side cannot trade elements.
#[test]
fn lists_of_numbers_and_points_carry_their_length() {
    let naturals: Vec<_> = (1_u8..4).map(|value| Natural::new(&BoxedUint::from(value))).collect();
    let points: Vec<_> = (1..4).map(|k| Point::<Toy>::mul_generator(&Scalar::from_u64(k))).collect();
    let numbers =
        |cut| start().naturals("x", naturals[..cut].iter()).naturals("x", naturals[cut..].iter()).hash();
    let pointed = |cut| start().points("x", points[..cut].iter()).points("x", points[cut..].iter()).hash();
    let hashes: HashSet<_> = (0..4).flat_map(|cut| [numbers(cut), pointed(cut)]).collect();
    assert_eq!(hashes.len(), 8);
}

/// no two uses share a label, and none is the beginning of a stream for another.
#[test]
fn labels_are_unique() {
    let purposes: HashSet<_> = Purpose::ALL.iter().map(|purpose| purpose.label()).collect();
    assert_eq!(purposes.len(), Purpose::ALL.len());
    let streams: HashSet<_> = Purpose::ALL.iter().map(|purpose| Transcript::new(*purpose).hash()).collect();
    assert_eq!(streams.len(), Purpose::ALL.len());
    let roles: HashSet<_> = Role::ALL.iter().map(|role| role.label()).collect();
    assert_eq!(roles.len(), Role::ALL.len());
}

/// session, role, round, prover, verifier, rid, level, curve and proof all enter a challenge.
#[test]
fn contexts_are_bound() {
    let original = context(Level::Tiny, Role::Psi0);
    let mut hashes = HashSet::new();
    let mut all: Vec<_> = changed_contexts(original).into_iter().map(|(_, context)| context).collect();
    all.push(original);
    // Numbers of prover and verifier must not be exchangeable.
    all.push(Context { prover: 3, verifier: Some(1), ..original });
    for context in &all {
        for purpose in [Purpose::ProofEncElg, Purpose::ProofAffG] {
            hashes.insert(context.transcript::<Toy>(purpose).hash());
            hashes.insert(context.transcript::<Secp256k1>(purpose).hash());
        }
    }
    assert_eq!(hashes.len(), 4 * all.len());
}

/// Uniform over the whole closed interval, ends included.
#[test]
fn interval_challenges_are_uniform() {
    let mut counts = [0; 9];
    for seed in 0..9000 {
        let value = start().number("seed", seed).challenge_interval(3).add(&integer(4));
        assert!(!value.is_negative().to_bool());
        counts[usize::try_from(value.magnitude().as_words()[0]).unwrap()] += 1;
    }
    assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
}

#[test]
fn scalar_challenges_spread() {
    let half = Toy::order().shr(1);
    let above = |seed| {
        let e = start().number("seed", seed).challenge_scalar::<Toy>();
        e.to_natural() > half
    };
    let count = (0..2000).filter(|seed| above(*seed)).count();
    assert!((900..1100).contains(&count), "{count}");
}

/// units are below `n`, never a multiple of a factor, and spread evenly; one stream per index.
#[test]
fn unit_challenges_are_uniform_units() {
    let n = Modulus::new(&BoxedUint::from(15_u8)).unwrap();
    let mut counts = [0; 15];
    for seed in 0..1000 {
        for unit in start().number("seed", seed).challenge_units(8, &n).unwrap() {
            counts[usize::try_from(unit.as_words()[0]).unwrap()] += 1;
        }
    }
    for (value, count) in counts.iter().enumerate() {
        let is_unit = value % 3 != 0 && value % 5 != 0;
        assert!(if is_unit { (850..1150).contains(count) } else { *count == 0 }, "{value}: {count}");
    }
    // The first challenges do not depend on how many are asked for, and none depends on the ones before.
    let big = Modulus::new(&crate::testing::cases::multiple(&BoxedUint::from(u64::MAX), 3)).unwrap();
    let (four, eight) =
        (start().challenge_units(4, &big).unwrap(), start().challenge_units(8, &big).unwrap());
    assert_eq!(four, eight[..4]);
    assert_eq!(eight.iter().map(minimal_bytes).collect::<HashSet<_>>().len(), 8);
    assert!(start().challenge_units(0, &big).unwrap().is_empty());
}
