//! Everybody agrees, in any order of delivery, and the set of confirmations says so to others.

use consign_cggmp24::Level;
use consign_cggmp24::aux_info::{self, Aux, AuxInfo, Primes};
use consign_cggmp24::curve::{Curve, Point, Scalar, Secp256k1, Toy};
use consign_cggmp24::hedge::session_rng;
use consign_cggmp24::key::{KeyInfo, KeyShare};
use consign_cggmp24::keygen::confirmation::is_complete;
use consign_cggmp24::keygen::{self, Keygen};
use consign_cggmp24::parties::{MAX_PARTIES, Parties, PartiesError};
use consign_rounds::sim::{Letter, Outcome, TestKeys, honest, party};
use consign_rounds::{Message, PerParty, PublicPart, SessionId};
use consign_zk::feldman::lagrange_at_zero;
use rand_core::Rng;

use crate::common::*;

/// Seeds of deliveries in which key generation must agree.
const ORDERS: u64 = 1000;
/// As many for auxiliary information, which costs more.
const AUX_ORDERS: u64 = 60;

/// The secret of a share, from its stored form: its last bytes.
fn secret<C: Curve>(share: &KeyShare<C>) -> Scalar<C> {
    let stored = share.encode();
    Scalar::from_bytes(&stored[stored.len() - C::SCALAR_BYTES..]).unwrap()
}

/// All shares are of one key, and any `t` of them make its secret.
fn assert_one_key<C: Curve>(seed: u64, outcome: &Outcome<Keygen<C>>, t: usize) {
    let shares: Vec<_> = outcome.finished.values().map(|finished| &finished.output).collect();
    let info = shares[0].info();
    assert!(shares.iter().all(|share| share.info() == info), "seed {seed}: they differ");
    info.validate().unwrap();
    for first in 0..=shares.len() - t {
        let some = &shares[first..first + t];
        let indices: Vec<u16> = some.iter().map(|share| share.index().get()).collect();
        let whole: Scalar<C> =
            some.iter().map(|s| secret(s) * lagrange_at_zero(&indices, s.index().get()).unwrap()).sum();
        assert_eq!(Point::mul_generator(&whole), info.public_key, "seed {seed}: signers {indices:?}");
    }
    for (me, stored) in &outcome.stored {
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0], outcome.finished[me].output.encode(), "seed {seed}: {me} stored what it has");
    }
}

#[test]
fn key_generation_agrees_in_any_order() {
    let public = keygen_public(2, 3, true);
    for seed in 0..ORDERS {
        let outcome = keygen_of::<Toy>(seed, &public).run(&mut honest);
        assert_all_finished(&format!("seed {seed}"), &outcome, 3);
        assert_one_key(seed, &outcome, 2);
    }
}

#[test]
fn key_generation_agrees_in_all_sizes() {
    for (t, n) in [(2, 2), (2, 4), (3, 4), (4, 4), (3, 7), (2, 12)] {
        for derivable in [false, true] {
            let public = keygen_public(t, n, derivable);
            let outcome = keygen_of::<Toy>(7, &public).run(&mut honest);
            assert_all_finished(&format!("{t} of {n}"), &outcome, n);
            assert_one_key(7, &outcome, usize::from(t));
            let info = outcome.finished[&party(1)].output.info();
            assert_eq!(info.chain_code.is_some(), derivable);
            assert_eq!((info.epoch, info.threshold), (0, t));
        }
    }
}

#[test]
fn key_generation_works_on_a_real_curve() {
    let public = keygen_public_at(Level::L128, 2, 3, true);
    let outcome = keygen_of::<Secp256k1>(1, &public).run(&mut honest);
    assert_all_finished("secp256k1", &outcome, 3);
    assert_one_key(1, &outcome, 2);
}

#[test]
fn another_nonce_or_seed_makes_another_key() {
    let public = keygen_public(2, 3, true);
    let key = |seed| {
        let outcome = keygen_of::<Toy>(seed, &public).run(&mut honest);
        let info = outcome.finished[&party(1)].output.info();
        (info.key_id, info.public_key, info.chain_code, info.rid)
    };
    assert_eq!(key(1), key(1));
    let (a, b) = (key(1), key(2));
    assert!(a.0 != b.0 && a.1 != b.1 && a.2 != b.2 && a.3 != b.3);
}

#[test]
fn auxiliary_information_agrees_in_any_order() {
    for (n, seeds) in [(2, 20), (3, AUX_ORDERS), (5, 3)] {
        let public = aux_public(n);
        for seed in 0..seeds {
            let outcome = aux_of::<Toy>(seed, &public).run(&mut honest);
            assert_all_finished(&format!("{n} parties, seed {seed}"), &outcome, n);
            let common = outcome.finished[&party(1)].output.public();
            assert_eq!(common.parties.len(), usize::from(n));
            assert!(common.is_genuine());
            for (me, finished) in &outcome.finished {
                let own = &finished.output;
                assert_eq!(own.public(), common);
                let identity = public.parties.identity(*me).unwrap();
                assert_eq!(common.of(identity).unwrap().n.value(), own.paillier().public().n().value());
                assert_eq!(outcome.stored[me][..], [own.encode()]);
            }
        }
    }
}

#[test]
fn auxiliary_information_is_made_at_a_real_curve_and_level() {
    let public = aux_public_at(Level::Fast, 3);
    let outcome = aux_of::<Secp256k1>(1, &public).run(&mut honest);
    assert_all_finished("fast", &outcome, 3);
}

mod confirmation_set {
    use super::*;

    struct Case {
        info: KeyInfo<Toy>,
        set: PerParty<PublicPart>,
        keys: TestKeys,
    }

    fn case(seed: u64) -> Case {
        let public = keygen_public(2, 3, true);
        let simulation = keygen_of::<Toy>(seed, &public);
        let keys = (**simulation.keys()).clone();
        let outcome = simulation.run(&mut honest);
        let finished = &outcome.finished[&party(2)];
        Case { info: finished.output.info().clone(), set: finished.last.clone(), keys }
    }

    #[test]
    fn is_accepted_whole() {
        let Case { info, set, keys } = case(1);
        assert!(is_complete(&info, &set, &keys));
    }

    #[test]
    fn is_refused_with_one_missing_or_too_many() {
        let Case { info, set, keys } = case(1);
        for missing in 1..=3 {
            let mut less = set.clone();
            less.remove(&party(missing));
            assert!(!is_complete(&info, &less, &keys), "without {missing}");
        }
        let mut more = set.clone();
        more.insert(party(4), set[&party(1)].clone());
        assert!(!is_complete(&info, &more, &keys));
        assert!(!is_complete(&info, &PerParty::new(), &keys));
    }

    #[test]
    fn is_refused_for_another_key() {
        let Case { info, set, keys } = case(1);
        let other = case(2);
        assert!(!is_complete(&other.info, &set, &keys));
        type Lie = fn(&mut KeyInfo<Toy>);
        let lies: [(&str, Lie); 9] = [
            ("key_id", |i| i.key_id[0] ^= 1),
            ("session", |i| i.session = SessionId([0; 32])),
            ("epoch", |i| i.epoch = 1),
            ("threshold", |i| i.threshold = 3),
            ("parties", |i| i.parties = committee(2)),
            ("X", |i| i.public_key = Point::generator()),
            ("X_j", |i| i.public_shares.swap(0, 1)),
            ("chain code", |i| i.chain_code = None),
            ("rid", |i| i.rid[0] ^= 1),
        ];
        for (what, lie) in lies {
            let mut altered = info.clone();
            lie(&mut altered);
            assert!(!is_complete(&altered, &set, &keys), "{what}");
        }
    }

    #[test]
    fn is_refused_with_a_wrong_signer_or_round() {
        let Case { info, set, keys } = case(1);
        assert!(!is_complete(&info, &set, &TestKeys::new(99, keys_of(&keys))));
        let change = |lie: &dyn Fn(&mut PublicPart)| {
            let mut set = set.clone();
            lie(set.get_mut(&party(2)).unwrap());
            is_complete(&info, &set, &keys)
        };
        assert!(change(&|_| ()));
        assert!(!change(&|part| *part = set[&party(1)].clone()), "party 1 for party 2");
        assert!(!change(&|part| part.signed.signature.0[0] ^= 1), "forged");
        assert!(!change(&|part| part.broadcast.0.push(0)), "longer");
        assert!(!change(&|part| part.broadcast.0.truncate(4)), "shorter");
        let resign = |lie: &dyn Fn(&mut PublicPart)| {
            change(&|part| {
                lie(part);
                part.signed.header.broadcast_hash = consign_rounds::broadcast_hash(&part.broadcast);
                part.signed = keys.sign_header(part.signed.header);
            })
        };
        assert!(resign(&|_| ()));
        assert!(!resign(&|part| part.signed.header.round = 5), "another round");
        assert!(!resign(&|part| part.signed.header.session.0[0] ^= 1), "another session");
        assert!(!resign(&|part| part.broadcast.0[3] ^= 1), "another result");
    }

    fn keys_of(keys: &TestKeys) -> Vec<consign_rounds::PartyIndex> {
        use consign_rounds::Identities as _;
        keys.parties().to_vec()
    }
}

#[test]
fn parties_are_refused() {
    let identity = |i: u16| {
        let mut identity = [0; 32];
        identity[..2].copy_from_slice(&i.to_be_bytes());
        identity
    };
    let list =
        |range: std::ops::RangeInclusive<u16>| -> Vec<_> { range.map(|i| (party(i), identity(i))).collect() };
    assert_eq!(Parties::new(vec![]), Err(PartiesError::Count(0)));
    assert_eq!(Parties::new(list(1..=1)), Err(PartiesError::Count(1)));
    assert_eq!(Parties::new(list(1..=101)), Err(PartiesError::Count(MAX_PARTIES + 1)));
    assert_eq!(Parties::from_identities(&vec![[1; 32]; 70_000]), Err(PartiesError::Count(70_000)));
    assert!(Parties::new(list(1..=100)).is_ok());
    let mut reversed = list(1..=3);
    reversed.reverse();
    assert_eq!(Parties::new(reversed), Err(PartiesError::Order));
    let twice = vec![(party(1), identity(1)), (party(2), identity(2)), (party(3), identity(1))];
    assert_eq!(Parties::new(twice), Err(PartiesError::DuplicateIdentity));
    assert_eq!(Parties::from_identities(&[[1; 32]; 2]), Err(PartiesError::DuplicateIdentity));
    let three = Parties::new(list(1..=3)).unwrap();
    for threshold in [0, 1, 4, u16::MAX] {
        let error = PartiesError::Threshold { threshold, parties: 3 };
        assert_eq!(three.check_threshold(threshold), Err(error));
        assert_eq!(keygen::Public::new(Level::Tiny, threshold, three.clone(), true).err(), Some(error));
    }
    // The fixed rule: sorted identities, numbered from 1, whatever the order they came in.
    let sorted = Parties::from_identities(&[identity(9), identity(3), identity(5)]).unwrap();
    assert_eq!(sorted.index_of(&identity(3)), Some(party(1)));
    assert_eq!(sorted.identity(party(3)), Some(&identity(9)));
    // And the wire form obeys the same rules.
    let bytes = consign_rounds::encode(&three);
    assert_eq!(consign_rounds::decode::<Parties>(&bytes, 1000).unwrap(), three);
    let bad = consign_rounds::encode(&(vec![(party(2), [1_u8; 32]), (party(1), [2; 32])],));
    assert!(consign_rounds::decode::<Parties>(&bad, 1000).is_err());
}

#[test]
fn hedged_randomness_differs_by_session_secret_and_entropy() {
    // a repeated seed gives other values in another session.
    let draw = |entropy: u8, secret: &[u8], session: u8| {
        session_rng([entropy; 32], secret, SessionId([session; 32])).next_u64()
    };
    assert_eq!(draw(1, b"share", 1), draw(1, b"share", 1));
    let all = [draw(1, b"share", 1), draw(1, b"share", 2), draw(1, b"other", 1), draw(2, b"share", 1)];
    for (i, a) in all.iter().enumerate() {
        assert!(all.iter().skip(i + 1).all(|b| a != b));
    }
}

#[test]
fn generated_primes_are_used() {
    // The real search, not the ready-made ones: at the tiny level it takes no time.
    let public = aux_public(2);
    let simulation = aux_with::<Toy>(3, &public, 0, |me, session, rng| {
        let go = |_: usize, _: u64| std::ops::ControlFlow::Continue(());
        let primes = Primes::generate(Level::Tiny, rng, &go).unwrap();
        let again = Primes::decode(Level::Tiny, &primes.encode()).unwrap();
        assert_eq!(again.encode(), primes.encode());
        aux_info::start(&public, session, me, again, rng).unwrap()
    });
    assert_all_finished("fresh primes", &simulation.run(&mut honest), 2);
}

/// Stopped by its caller.
#[test]
fn the_search_for_primes_can_be_stopped() {
    use rand_core::SeedableRng as _;
    let mut rng = consign_rounds::sim::SimRng::seed_from_u64(1);
    assert!(Primes::generate(Level::L128, &mut rng, &|_, _| std::ops::ControlFlow::Break(())).is_none());
}

#[test]
fn a_late_message_of_an_ended_session_is_ignored() {
    let public = aux_public(2);
    let mut kept: Vec<Letter> = Vec::new();
    let mut simulation = aux_of::<Toy>(1, &public);
    while simulation.step(&mut |_: &TestKeys, letter: Letter| {
        if matches!(letter.message, Message::Envelope(_)) {
            kept.push(letter.clone());
        }
        vec![letter]
    }) {}
    for letter in kept {
        simulation.deliver(letter);
    }
    let outcome: Outcome<AuxInfo<Toy>> = simulation.run(&mut honest);
    assert_all_finished("late messages", &outcome, 2);
    let _: &Aux = &outcome.finished[&party(1)].output;
}
