//! Presignatures, batches, culprits, sessions.

use consign_cggmp24::curve::{Curve, Secp256k1, Toy};
use consign_cggmp24::derivation::{Path, Shift};
use consign_cggmp24::ecdsa::{Digest, Signature};
use consign_cggmp24::presign::{ROUND_1, ROUND_2};
use consign_cggmp24::sign::{CombineError, Partial, PartialFault, Presignature, Signing};
use consign_cggmp24::testing::{Committee, NONCE, deal, deal_aux, party, results, subset};
use consign_cggmp24::{Level, presign};
use consign_rounds::PerParty;
use consign_rounds::sim::honest;
use consign_zk::curve::{Point, Scalar};

use crate::common::{Record, record};
use crate::signing::{combine_all, message, sign_all, slot};

fn presign_and_sign<C: Curve>(level: Level, threshold: u16, n: u16, signers: &[u16], seed: u64) {
    let committee = Committee::<C>::dealt(level, threshold, n, seed);
    let mut made = committee.presign(signers, 1, seed);
    assert_eq!(made.len(), signers.len(), "everybody has presignatures");
    let message = message::<C>("pay");
    let (signings, partials) = sign_all(slot(&mut made), message);
    let signature = combine_all(&signings, &partials);
    assert!(signature.verify(&committee.key().public_key, &message.digest()), "seed {seed}");
}

#[test]
fn two_of_two_sign() {
    presign_and_sign::<Toy>(Level::Tiny, 2, 2, &[1, 2], 1);
}

#[test]
fn every_two_of_three_sign() {
    for (signers, seed) in [([1, 2], 1), ([1, 3], 2), ([2, 3], 3)] {
        presign_and_sign::<Toy>(Level::Tiny, 2, 3, &signers, seed);
    }
}

#[test]
fn three_of_five_sign() {
    for (signers, seed) in [([1, 2, 3], 1), ([1, 3, 5], 2), ([3, 4, 5], 3)] {
        presign_and_sign::<Toy>(Level::Tiny, 3, 5, &signers, seed);
    }
}

#[test]
fn five_of_five_sign() {
    presign_and_sign::<Toy>(Level::Tiny, 5, 5, &[1, 2, 3, 4, 5], 4);
}

#[test]
fn a_batch_gives_independent_presignatures() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let mut made = committee.presign(&[1, 3], 3, 1);
    let ids: Vec<_> = made[&party(1)].iter().map(Presignature::id).collect();
    let peer_ids: Vec<_> = made[&party(3)].iter().map(Presignature::id).collect();
    assert_eq!(ids, peer_ids);
    assert_eq!(ids.len(), 3);
    let points: Vec<_> = made[&party(1)].iter().map(|own| own.public().Gamma.to_bytes()).collect();
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        assert_ne!(ids[a], ids[b]);
        assert_ne!(points[a], points[b]);
    }
    for text in ["a", "b", "c"] {
        let message = message::<Toy>(text);
        let (signings, partials) = sign_all(slot(&mut made), message);
        let signature = combine_all(&signings, &partials);
        assert!(signature.verify(&committee.key().public_key, &message.digest()));
    }
}

#[test]
fn the_identifier_is_that_of_the_public_half_and_fixes_all_of_it() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let mut made = committee.presign(&[1, 2], 1, 1);
    let own = made.get_mut(&party(1)).unwrap().pop().unwrap();
    let public = own.public().clone();
    assert_eq!(own.id(), public.id());
    let other = Point::mul_generator(&Scalar::from_u64(5));
    let elsewhere: Shift<Toy> = committee.key().shift(&"m/1".parse().unwrap()).unwrap();
    let alterations: Vec<Box<dyn Fn(&mut consign_cggmp24::sign::PresignaturePublic<Toy>)>> = vec![
        Box::new(|p| p.slot_session[0] ^= 1),
        Box::new(|p| p.key_id[0] ^= 1),
        Box::new(|p| p.epoch += 1),
        Box::new(|p| p.signers = subset(&[1, 3])),
        Box::new(move |p| p.public_key = other),
        Box::new(move |p| p.shift = elsewhere.clone()),
        Box::new(move |p| p.Gamma = other),
        Box::new(move |p| p.shares.get_mut(&party(1)).unwrap().Delta = other),
        Box::new(move |p| p.shares.get_mut(&party(2)).unwrap().S = other),
        Box::new(|p| assert!(p.shares.pop_first().is_some())),
    ];
    for (number, alter) in alterations.iter().enumerate() {
        let mut altered = public.clone();
        alter(&mut altered);
        assert_ne!(altered.id(), public.id(), "alteration {number}");
    }
}

#[test]
fn a_public_half_without_a_signers_share_is_not_complete() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let mut made = committee.presign(&[1, 2], 1, 1);
    let public = made.get_mut(&party(1)).unwrap().pop().unwrap().public().clone();
    assert!(public.is_complete());
    let (mut less, mut more, mut other) = (public.clone(), public.clone(), public.clone());
    let (_, share) = less.shares.pop_first().unwrap();
    more.shares.insert(party(3), share);
    other.shares.remove(&party(2));
    other.shares.insert(party(3), share);
    assert!(!less.is_complete() && !more.is_complete() && !other.is_complete());
}

/// What a judge reads has one form.
#[test]
fn the_public_half_is_read_in_one_order_only() {
    type Public = consign_cggmp24::sign::PresignaturePublic<Toy>;
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let mut made = committee.presign(&[1, 2], 1, 1);
    let public = made.get_mut(&party(1)).unwrap().pop().unwrap().public().clone();
    let bytes = consign_rounds::encode(&public);
    assert_eq!(consign_rounds::decode::<Public>(&bytes, bytes.len()).unwrap(), public);
    let shares: Vec<_> = public.shares.iter().map(|(index, share)| (*index, *share)).collect();
    let rewritten = |list: &[_]| {
        let (there, other) = (consign_rounds::encode(&shares), consign_rounds::encode(&list.to_vec()));
        let at = bytes.windows(there.len()).position(|part| part == there).unwrap();
        let bytes = [&bytes[..at], &other, &bytes[at + there.len()..]].concat();
        consign_rounds::decode::<Public>(&bytes, bytes.len())
    };
    assert_eq!(rewritten(&shares).unwrap(), public);
    assert!(rewritten(&[shares[1], shares[0]]).is_err(), "descending");
    assert!(rewritten(&[shares[0], shares[0]]).is_err(), "twice");
}

#[test]
fn wrong_partial_signatures_name_their_authors_only() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 5, 7);
    let mut made = committee.presign(&[1, 3, 4], 1, 7);
    let message = message::<Toy>("pay");
    let (signings, good) = sign_all(slot(&mut made), message);
    let judge = |culprits: &[u16], fault, partials: &PerParty<Partial<Toy>>| {
        let expected = culprits.iter().map(|&index| (party(index), fault)).collect();
        for signing in signings.values() {
            assert_eq!(signing.combine(partials), Err(CombineError::Culprits(PerParty::clone(&expected))));
        }
        // A judge, who has the public half and the partial signature only, says the same of everybody.
        let public = signings[&party(1)].public();
        for (&from, partial) in partials {
            let verdict = public.check(&message.digest(), from, partial);
            assert_eq!(verdict.err(), expected.get(&from).copied());
        }
    };
    for culprits in [&[1][..], &[4], &[1, 3], &[1, 3, 4]] {
        let mut partials = good.clone();
        for &culprit in culprits {
            let sigma = &mut partials.get_mut(&party(culprit)).unwrap().sigma;
            *sigma = *sigma + Scalar::one();
        }
        judge(culprits, PartialFault::Equation, &partials);
    }
    // Two errors that cancel out are found too.
    let mut partials = good.clone();
    let first = &mut partials.get_mut(&party(1)).unwrap().sigma;
    *first = *first + Scalar::one();
    let second = &mut partials.get_mut(&party(3)).unwrap().sigma;
    *second = *second - Scalar::one();
    judge(&[1, 3], PartialFault::Equation, &partials);
    // Somebody else's partial signature is wrong.
    let mut partials = good.clone();
    partials.insert(party(1), good[&party(3)]);
    judge(&[1], PartialFault::Equation, &partials);
    // Of another presignature, of another digest.
    let mut partials = good.clone();
    partials.get_mut(&party(4)).unwrap().presignature[31] ^= 1;
    judge(&[4], PartialFault::Foreign, &partials);
    let mut partials = good.clone();
    partials.get_mut(&party(4)).unwrap().digest = Digest::raw::<Toy>([9; 32]).unwrap();
    judge(&[4], PartialFault::Foreign, &partials);
    assert!(combine_all(&signings, &good).verify(&committee.key().public_key, &message.digest()));
}

#[test]
fn all_signers_and_nobody_else_must_contribute() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 8);
    let mut made = committee.presign(&[1, 2], 1, 8);
    let (signings, good) = sign_all(slot(&mut made), message::<Toy>("pay"));
    let signing = &signings[&party(1)];
    let mut partials = good.clone();
    partials.remove(&party(2));
    assert_eq!(signing.combine(&partials), Err(CombineError::Missing(vec![party(2)])));
    let mut partials = good.clone();
    partials.insert(party(3), good[&party(1)]);
    assert_eq!(signing.combine(&partials), Err(CombineError::Strangers(vec![party(3)])));
    assert_eq!(signing.combine(&PerParty::new()), Err(CombineError::Missing(vec![party(1), party(2)])));
}

#[test]
fn a_signature_has_low_s_and_either_parity() {
    // On the toy curve both signs of s and both parities of y turn up quickly.
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 2, 9);
    let mut made = committee.presign(&[1, 2], 16, 9);
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..16 {
        let message = message::<Toy>(&number.to_string());
        let (signings, partials) = sign_all(slot(&mut made), message);
        let signature = combine_all(&signings, &partials);
        let half = Toy::order().shr(1);
        assert!(signature.s.to_natural() <= half, "s is low");
        seen.insert(signature.recovery_id);
    }
    assert!(seen.contains(&0) && seen.contains(&1), "{seen:?}");
}

#[test]
fn all_agree_in_any_order_of_delivery() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 10);
    let public = committee.presigning(&[2, 3], 2);
    for seed in 0..200 {
        let made = results(committee.simulate_presigning(&public, seed).run(&mut honest));
        assert_eq!(made.len(), 2, "seed {seed}");
        let ids = |index| made[&party(index)].iter().map(Presignature::id).collect::<Vec<_>>();
        assert_eq!(ids(2), ids(3), "seed {seed}");
    }
}

#[test]
fn all_sign_interactively_in_any_order_of_delivery() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 4, 11);
    let digest = message::<Toy>("pay").digest();
    let public = committee.signing(&[1, 2, 4], digest);
    for seed in 0..100 {
        let signatures = results(committee.simulate_signing(&public, seed).run(&mut honest));
        assert_eq!(signatures.len(), 3, "seed {seed}");
        let first = signatures[&party(1)];
        assert!(signatures.values().all(|signature| *signature == first), "seed {seed}");
        assert!(first.verify(&committee.key().public_key, &digest), "seed {seed}");
    }
}

#[test]
fn presigning_refuses_unfit_signers() {
    use presign::PresignError;
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 5, 12);
    let (key, aux) = (committee.key(), committee.aux_public());
    let refused = |signers: &[u16], batch| {
        presign::Public::new(key, aux, subset(signers), &Path::root(), batch).err().expect("refused")
    };
    assert_eq!(refused(&[1, 2], 1), PresignError::SignerCount { needed: 3, given: 2 });
    assert_eq!(refused(&[1, 2, 3, 4], 1), PresignError::SignerCount { needed: 3, given: 4 });
    assert_eq!(refused(&[1, 2, 6], 1), PresignError::Outsider(party(6)));
    assert_eq!(refused(&[1, 2, 3], 0), PresignError::Batch(0));
    assert_eq!(refused(&[1, 2, 3], presign::MAX_BATCH + 1), PresignError::Batch(presign::MAX_BATCH + 1));
    // An identity under somebody else's index.
    let swapped: Vec<_> = subset(&[1, 2, 3]).indices().zip(subset(&[1, 2, 4]).iter().map(|m| *m.1)).collect();
    let swapped = consign_cggmp24::parties::Parties::new(swapped).unwrap();
    let public = presign::Public::new(key, aux, swapped, &Path::root(), 1);
    assert_eq!(public.err(), Some(PresignError::Outsider(party(3))));
    // Duplicates cannot even be listed.
    let member = subset(&[1, 2]).iter().map(|(index, identity)| (index, *identity)).next().unwrap();
    assert!(consign_cggmp24::parties::Parties::new(vec![member, member]).is_err());
}

#[test]
fn presigning_refuses_unfit_auxiliary_information() {
    use presign::PresignError;
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 13);
    let key = committee.key();
    let mut partial = committee.aux_public().clone();
    partial.parties.pop();
    let refused = |aux: &_| presign::Public::new(key, aux, subset(&[1, 3]), &Path::root(), 1).err();
    assert_eq!(refused(&partial), Some(PresignError::NoAux(party(3))));
    let mut level = committee.aux_public().clone();
    level.level = Level::L128;
    assert_eq!(refused(&level), Some(PresignError::Level));
    let mut inconsistent = key.clone();
    inconsistent.public_key = Point::generator();
    let aux = committee.aux_public();
    assert!(matches!(
        presign::Public::new(&inconsistent, aux, subset(&[1, 3]), &Path::root(), 1).err(),
        Some(PresignError::Key(_))
    ));
}

#[test]
fn starting_refuses_what_was_not_agreed() {
    use presign::PresignError;
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 14);
    let public = committee.presigning(&[1, 2], 1);
    let session = public.session(&NONCE);
    let mut rng: consign_rounds::sim::SimRng = rand_core::SeedableRng::seed_from_u64(1);
    let mut refused =
        |share: &_, aux: &_| presign::start(&public, session, share, aux, &mut rng).err().expect("refused");
    let (shares, aux) = (&committee.shares, &committee.aux);
    assert_eq!(refused(&shares[&party(3)], &aux[&party(3)]), PresignError::NotASigner);
    assert_eq!(refused(&shares[&party(1)], &aux[&party(2)]), PresignError::OtherAux);
    let other_aux = deal_aux(Level::Tiny, 3, 15);
    assert_eq!(refused(&shares[&party(1)], &other_aux[&party(1)]), PresignError::OtherAux);
    let other_key = deal::<Toy>(Level::Tiny, 2, 3, 15);
    assert_eq!(refused(&other_key[&party(1)], &aux[&party(1)]), PresignError::OtherKey);
}

#[test]
fn the_session_depends_on_everything_agreed() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 16);
    let session = |signers: &[u16]| committee.presigning(signers, 1).session(&NONCE);
    let digest = message::<Toy>("a").digest();
    let signing = |digest| committee.signing(&[1, 2], digest).session(&NONCE);
    let all = [
        session(&[1, 2]),
        session(&[1, 3]),
        committee.presigning(&[1, 2], 1).session(&[1; 32]),
        signing(digest),
        signing(message::<Toy>("b").digest()),
        Committee::<Toy>::dealt(Level::Tiny, 2, 3, 17).presigning(&[1, 2], 1).session(&NONCE),
    ];
    for (i, a) in all.iter().enumerate() {
        assert!(all.iter().skip(i + 1).all(|b| a != b), "session {i}");
    }
}

#[test]
fn libsecp256k1_accepts_the_signatures_and_recovers_the_key() {
    let committee = Committee::<Secp256k1>::dealt(Level::Fast, 2, 3, 18);
    let mut made = committee.presign(&[1, 3], 2, 18);
    for text in ["first", "second"] {
        let message = message::<Secp256k1>(text);
        let (signings, partials) = sign_all(slot(&mut made), message);
        check_with_libsecp256k1(
            &committee.key().public_key,
            &message.digest(),
            &combine_all(&signings, &partials),
        );
    }
    let digest = Digest::raw::<Secp256k1>([0x5a; 32]).unwrap();
    for signature in committee.sign(&[2, 3], digest, 19).values() {
        check_with_libsecp256k1(&committee.key().public_key, &digest, signature);
    }
}

/// libsecp256k1, which shares no code with this project, accepts the signature and recovers the key.
pub(crate) fn check_with_libsecp256k1(
    key: &Point<Secp256k1>,
    digest: &Digest,
    signature: &Signature<Secp256k1>,
) {
    use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
    let key = secp256k1::PublicKey::from_slice(&key.to_bytes()).unwrap();
    let id = RecoveryId::try_from(i32::from(signature.recovery_id)).unwrap();
    let recoverable = RecoverableSignature::from_compact(&signature.to_bytes(), id).unwrap();
    let message = secp256k1::Message::from_digest(*digest.bytes());
    // libsecp256k1 refuses high s.
    assert!(recoverable.to_standard().verify(message, &key).is_ok());
    assert_eq!(recoverable.recover_ecdsa(message).unwrap(), key);
}

#[test]
fn states_move_between_threads() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    moves::<presign::Presign<Secp256k1>>();
    moves::<consign_cggmp24::sign::interactive::Interactive<Secp256k1>>();
    moves::<Presignature<Secp256k1>>();
    moves::<Signing<Secp256k1>>();
    is_shared::<presign::Public<Secp256k1>>();
    is_shared::<consign_cggmp24::sign::interactive::Public<Secp256k1>>();
    is_shared::<consign_cggmp24::aux_info::Aux>();
}

/// With nonces made ahead of time for all, for some or for none of the peers the signatures are as good, and the stock is used.
#[test]
fn nonces_made_ahead_of_time_sign() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 3, 20);
    let digest = message::<Toy>("ahead").digest();
    let key = committee.key().public_key;
    for seed in 0..4 {
        let signatures = committee.sign(&[1, 2, 3], digest, seed);
        assert!(signatures.values().all(|signature| signature.verify(&key, &digest)));
        // One party makes all it lacks, one makes some, one nothing.
        let mut aux = committee.aux.values();
        let (all, some) = (aux.next().unwrap(), aux.next().unwrap());
        assert!(all.lacks_nonces() && some.lacks_nonces());
        while all.lacks_nonces() {
            all.make_nonces();
        }
        some.make_nonces();
    }
}

/// What was made ahead of time is what round 2 encrypts with: with it the same session says other things from round 2 on, and
/// before that the same.
#[test]
fn round_2_uses_what_is_ready() {
    let first = |ahead: bool| {
        let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 2, 20);
        let public = committee.presigning(&[1, 2], 1);
        committee.presign(&[1, 2], 1, 3);
        if ahead {
            committee.aux.values().next().unwrap().make_nonces();
        }
        record(committee.simulate_presigning(&public, 4)).0
    };
    let (with, without) = (first(true), first(false));
    let said = |record: &Record, from, to, round| record.find(from, to, round).broadcast.clone();
    for (from, to) in [(1, 2), (2, 1)] {
        assert_eq!(said(&with, from, to, ROUND_1), said(&without, from, to, ROUND_1));
    }
    assert_ne!(said(&with, 1, 2, ROUND_2), said(&without, 1, 2, ROUND_2));
    assert_eq!(said(&with, 2, 1, ROUND_2), said(&without, 2, 1, ROUND_2));
}
