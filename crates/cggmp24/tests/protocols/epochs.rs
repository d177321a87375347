//! Refresh and resharing among honest parties: the same key, new shares that sign, and old ones that do not mix in.

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, Secp256k1, Toy};
use consign_cggmp24::ecdsa::{Digest, HashAlgorithm, HashedMessage};
use consign_cggmp24::epoch::{Pending, PendingError, Record};
use consign_cggmp24::key::KeyShare;
use consign_cggmp24::refresh::{self, Refresh, RefreshError};
use consign_cggmp24::reshare::{self, Completion, Reshare, ReshareError};
use consign_cggmp24::testing::{Committee, NONCE, aux_of_all, members, parties, primes, results};
use consign_rounds::PerParty;
use consign_rounds::sim::{Outcome, SimRng, honest, party};
use rand_core::SeedableRng;

use crate::common::*;

/// Signs with `signers`, interactively and from a presignature, and checks against the key.
fn assert_signs<C: Curve>(committee: &Committee<C>, signers: &[u16], seed: u64) {
    let key = committee.key();
    key.validate().unwrap();
    let digest = Digest::raw::<C>([9; 32]).unwrap();
    for signature in committee.sign(signers, digest, seed).values() {
        assert!(signature.verify(&key.public_key, &digest), "signers {signers:?}");
    }
    let message = HashedMessage::new::<C>(HashAlgorithm::Sha256, b"pay").unwrap();
    let made = committee.presign(signers, 1, seed);
    let signings: PerParty<_> =
        made.into_iter().map(|(me, mut own)| (me, own.pop().unwrap().sign(message))).collect();
    let partials = signings.iter().map(|(me, signing)| (*me, *signing.partial())).collect();
    for signing in signings.values() {
        signing.combine(&partials).expect("good partial signatures");
    }
}

/// The stored records of everybody: the number is spent before shares leave, the share is there before it is confirmed.
fn assert_stored(stored: &[Record], epoch: u64, deals: bool, share: Option<&Pending<Toy>>) {
    let mut stored = stored.iter();
    if deals {
        assert!(matches!(stored.next(), Some(Record::Dealing(number)) if *number == epoch));
    }
    if let Some(share) = share {
        let Some(Record::Pending(bytes)) = stored.next() else { panic!("no pending share") };
        assert_eq!(*bytes, share.encode());
        let again = Pending::<Toy>::decode(bytes).unwrap();
        assert_eq!(again.encode(), share.encode());
        assert_eq!((again.base_epoch(), again.aux_id()), (share.base_epoch(), share.aux_id()));
    }
    assert!(stored.next().is_none());
}

#[test]
fn a_refresh_renews_shares_and_moduli() {
    for (t, n, seeds) in [(2, 3, 10), (3, 5, 2), (2, 2, 2)] {
        for seed in 0..seeds {
            for renew in [false, true] {
                let committee = Committee::<Toy>::dealt(Level::Tiny, t, n, seed);
                let public = committee.refreshing(5, renew);
                let outcome = committee.simulate_refresh(&public, seed).run(&mut honest);
                assert_all_finished(&format!("{t} of {n}, seed {seed}"), &outcome, n);
                let first = &outcome.finished[&party(1)].output;
                let (old, new) = (committee.key(), first.share().info());
                assert!(new.continues(old));
                assert_eq!((new.epoch, new.threshold, &new.parties), (5, t, &old.parties));
                assert_eq!(new.public_key, old.public_key);
                assert!(new.public_shares.iter().zip(&old.public_shares).all(|(new, old)| new != old));
                assert_eq!(first.aux().is_some(), renew);
                assert_eq!(first.aux_id() == &committee.aux_public().aux_id, !renew);
                for (me, finished) in &outcome.finished {
                    let own = &finished.output;
                    assert_eq!((own.share().info(), own.aux_id()), (new, first.aux_id()));
                    assert_eq!(own.aux().map(|aux| aux.public().aux_id), renew.then_some(*own.aux_id()));
                    assert_stored(&outcome.stored[me], 5, true, Some(own));
                }
            }
        }
    }
}

#[test]
fn a_refreshed_key_signs() {
    for (t, n, signers) in [(2_u16, 3, &[1, 3][..]), (3, 5, &[1, 4, 5])] {
        let committee = Committee::<Toy>::dealt(Level::Tiny, t, n, 1);
        let key = committee.key().public_key;
        let twice = committee.refreshed(1, true, 2).refreshed(7, false, 3);
        assert_eq!((twice.key().public_key, twice.key().epoch), (key, 7));
        assert_signs(&twice, signers, 4);
    }
}

#[test]
fn a_refresh_works_on_a_real_curve() {
    let committee = Committee::<Secp256k1>::dealt(Level::Fast, 2, 3, 1).refreshed(1, true, 2);
    assert_signs(&committee, &[2, 3], 3);
}

#[test]
fn the_chain_code_is_carried_over() {
    let generated = keygen_of::<Toy>(1, &keygen_public(2, 3, true)).run(&mut honest);
    let shares: PerParty<KeyShare<Toy>> = results(generated);
    let committee = Committee { shares, aux: Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1).aux };
    let before = committee.key().chain_code;
    assert!(before.is_some());
    let public = std::sync::Arc::new(refresh::Public::new(committee.key().clone(), 1).unwrap());
    let outcome = committee.simulate_refresh(&public, 1).run(&mut honest);
    for finished in outcome.finished.values() {
        assert_eq!(finished.output.share().info().chain_code, before);
    }
}

#[test]
fn shares_of_two_epochs_do_not_mix() {
    let old = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let new = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1).refreshed(1, false, 2);
    let share = |from: &Committee<Toy>, i| {
        let stored = from.shares[&party(i)].encode();
        consign_cggmp24::curve::Scalar::<Toy>::from_bytes(&stored[stored.len() - 4..]).unwrap()
    };
    // A share of one epoch is none of the other, and sessions of the two do not meet.
    for i in 1..=3 {
        assert!(KeyShare::new(new.key().clone(), party(i), share(&old, i)).is_err());
        assert!(KeyShare::new(new.key().clone(), party(i), share(&new, i)).is_ok());
    }
    let session = |of: &Committee<Toy>| of.presigning(&[1, 2], 1).session(&NONCE);
    assert_ne!(session(&old), session(&new));
    // Nor does a refresh start from the other epoch's share.
    let public = new.refreshing(2, false);
    let mut rng = SimRng::seed_from_u64(1);
    let started = refresh::start(&public, public.session(&NONCE), &old.shares[&party(1)], None, &mut rng);
    assert_eq!(started.err(), Some(RefreshError::OtherKey));
}

#[test]
fn what_cannot_be_refreshed() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let key = committee.key().clone();
    let new = |epoch| refresh::Public::new(key.clone(), epoch).err();
    assert_eq!(new(0), Some(RefreshError::Epoch(0)));
    assert_eq!(new(1), None);
    let two = Committee::<Toy>::dealt(Level::Tiny, 2, 2, 1);
    let kept = refresh::Public::keeping_moduli(key.clone(), 1, two.aux_public());
    assert_eq!(kept.err(), Some(RefreshError::Aux));
    let mut forged = committee.aux_public().clone();
    forged.rid[0] ^= 1;
    assert_eq!(refresh::Public::keeping_moduli(key, 1, &forged).err(), Some(RefreshError::Aux));
    let mut rng = SimRng::seed_from_u64(1);
    for renew in [false, true] {
        let public = committee.refreshing(1, renew);
        let own = (!renew).then(|| primes(Level::Tiny, party(1)));
        let share = &committee.shares[&party(1)];
        let started = refresh::start(&public, public.session(&NONCE), share, own, &mut rng);
        assert_eq!(started.err(), Some(RefreshError::Primes));
    }
}

#[test]
fn each_error_of_a_pending_share() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let outcome = committee.simulate_refresh(&committee.refreshing(4, true), 1).run(&mut honest);
    let bytes = outcome.finished[&party(2)].output.encode();
    let refused = |bytes: &[u8]| Pending::<Toy>::decode(bytes).err();
    assert_eq!(refused(&bytes), None);
    assert_eq!(refused(&bytes[..40]), Some(PendingError::Encoding));
    let altered = |at: usize, to: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = to;
        refused(&bytes)
    };
    assert_eq!(altered(0, 2), Some(PendingError::Encoding));
    // Base epoch 4 for epoch 4; moduli of another identifier.
    assert_eq!(altered(1, 4), Some(PendingError::Parts));
    assert_eq!(altered(2, bytes[2] ^ 1), Some(PendingError::Parts));
}

/// From, quorum, new holders as (index, member), new threshold.
type Move = (u16, u16, &'static [u16], &'static [(u16, u16)], u16);

const MOVES: [Move; 6] = [
    // Larger: survivors keep their indices, new members get new ones.
    (2, 3, &[1, 3], &[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)], 3),
    // Smaller, by a quorum with a gap; survivors change their indices.
    (3, 5, &[1, 3, 5], &[(1, 4), (2, 1), (9, 5)], 2),
    // Replace: member 2 goes, member 4 comes, and the dealer 2 gets nothing.
    (2, 3, &[2, 3], &[(1, 1), (3, 3), (4, 4)], 2),
    // Remove one.
    (2, 3, &[1, 2], &[(1, 1), (2, 2)], 2),
    // Nobody survives.
    (2, 2, &[1, 2], &[(1, 3), (2, 4), (3, 5)], 3),
    // All the same parties, another threshold.
    (2, 3, &[1, 2], &[(1, 1), (2, 2), (3, 3)], 3),
];

#[test]
fn resharing_agrees_in_any_order() {
    for (t, n, quorum, holders, threshold) in MOVES {
        for seed in 0..30 {
            let what = format!("{t} of {n} to {threshold} of {holders:?}, seed {seed}");
            let committee = Committee::<Toy>::dealt(Level::Tiny, t, n, 1);
            let aux = aux_of_all(&committee, 5, 1);
            let public = committee.resharing(quorum, members(holders), threshold, 3, &aux);
            let outcome = committee.simulate_reshare(&public, seed).run(&mut honest);
            let size = u16::try_from(public.parties().count()).unwrap();
            assert_all_finished(&what, &outcome, size);
            assert_reshared(&what, &committee, &public, &outcome);
        }
    }
}

fn assert_reshared(
    what: &str,
    committee: &Committee<Toy>,
    public: &reshare::Public<Toy>,
    outcome: &Outcome<Reshare<Toy>>,
) {
    let new = &outcome.finished[&party(1)].output.info;
    assert!(new.continues(committee.key()), "{what}");
    new.validate().unwrap();
    assert_eq!((new.epoch, new.threshold, &new.parties), (3, public.threshold(), public.holders()));
    for (me, finished) in &outcome.finished {
        let identity = public.parties().identity(*me).unwrap();
        let (own, deals) = (&finished.output, public.quorum().index_of(identity).is_some());
        assert_eq!(&own.info, new, "{what}: {me}");
        let index = own.pending.as_ref().map(|pending| pending.share().index());
        assert_eq!(index, public.holders().index_of(identity), "{what}: {me}");
        let stored = outcome.stored.get(me).map(Vec::as_slice).unwrap_or_default();
        assert_stored(stored, 3, deals, own.pending.as_ref());
    }
}

#[test]
fn a_reshared_key_signs() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let key = committee.key().public_key;
    let five = committee.reshared(&[1, 2], parties(5), 3, 1, (5, 2));
    assert_eq!((five.key().public_key, five.key().threshold), (key, 3));
    assert_signs(&five, &[2, 3, 5], 3);
    // And back, to another three, with other indices; then a refresh there.
    let back = five.reshared(&[1, 4, 5], members(&[(1, 5), (2, 3), (7, 1)]), 2, 2, (5, 4));
    assert_eq!(back.key().public_key, key);
    assert_signs(&back, &[1, 7], 5);
}

#[test]
fn resharing_works_on_a_real_curve() {
    let committee = Committee::<Secp256k1>::dealt(Level::Fast, 2, 3, 1);
    let moved = committee.reshared(&[1, 3], members(&[(1, 2), (2, 3), (3, 4)]), 2, 1, (4, 2));
    assert_eq!(moved.key().public_key, committee.key().public_key);
    assert_signs(&moved, &[1, 3], 3);
}

#[test]
fn what_cannot_be_reshared() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let (key, aux) = (committee.key().clone(), aux_of_all(&committee, 4, 1));
    let new = |quorum: &[(u16, u16)], holders: &[(u16, u16)], t, epoch| {
        let (quorum, holders) = (members(quorum), members(holders));
        reshare::Public::new(key.clone(), quorum, holders, t, epoch, &aux).err()
    };
    let (quorum, holders) = ([(1, 1), (2, 2)], [(1, 1), (2, 4)]);
    assert_eq!(new(&quorum, &holders, 2, 1), None);
    assert_eq!(new(&quorum, &holders, 2, 0), Some(ReshareError::Epoch(0)));
    assert!(matches!(new(&quorum, &holders, 3, 1), Some(ReshareError::Parties(_))));
    assert!(matches!(new(&quorum, &holders, 1, 1), Some(ReshareError::Parties(_))));
    let three = [(1, 1), (2, 2), (3, 3)];
    assert_eq!(new(&three, &holders, 2, 1), Some(ReshareError::Quorum { needed: 2, given: 3 }));
    assert_eq!(new(&[(1, 1), (4, 4)], &holders, 2, 1), Some(ReshareError::Outsider(party(4))));
    assert_eq!(new(&[(1, 2), (2, 1)], &holders, 2, 1), Some(ReshareError::Outsider(party(1))));
    assert_eq!(new(&quorum, &[(1, 1), (2, 5)], 2, 1), Some(ReshareError::Aux));
    let public = committee.resharing(&[1, 2], members(&holders), 2, 1, &aux);
    let (mut rng, session) = (SimRng::seed_from_u64(1), public.session(&NONCE));
    let mut start = |me, share| reshare::start(&public, session, party(me), share, &mut rng).err();
    let share = |i| committee.shares.get(&party(i));
    assert_eq!(start(1, share(1)), None);
    assert_eq!(start(3, None), None);
    assert_eq!(start(1, None), Some(ReshareError::OtherKey));
    assert_eq!(start(1, share(2)), Some(ReshareError::OtherKey));
    assert_eq!(start(3, share(3)), Some(ReshareError::OtherKey));
    assert_eq!(start(4, None), Some(ReshareError::NoRole));
}

mod certificate {
    use super::*;

    #[test]
    fn of_a_refresh() {
        for renew in [false, true] {
            let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
            let public = committee.refreshing(2, renew);
            let simulation = committee.simulate_refresh(&public, 1);
            let keys = (**simulation.keys()).clone();
            let mut outcome: Outcome<Refresh<Toy>> = simulation.run(&mut honest);
            let finished = outcome.finished.remove(&party(2)).unwrap();
            let (base, pending, set) = (committee.key(), finished.output, finished.last);
            let (info, aux_id) = (pending.share().info().clone(), *pending.aux_id());
            let complete = |base: &_, info: &_, aux_id: &_, set: &_| {
                refresh::is_complete::<Toy>(base, info, aux_id, set, &keys)
            };
            assert!(complete(base, &info, &aux_id, &set));
            for missing in 1..=3 {
                let mut less = set.clone();
                less.remove(&party(missing));
                assert!(!complete(base, &info, &aux_id, &less), "without {missing}");
            }
            assert!(!complete(base, &info, &[0; 32], &set));
            assert!(!complete(&info, &info, &aux_id, &set), "from itself");
            type Lie = fn(&mut consign_cggmp24::key::KeyInfo<Toy>);
            let lies: [(&str, Lie); 7] = [
                ("key_id", |i| i.key_id[0] ^= 1),
                ("session", |i| i.session.0[0] ^= 1),
                ("epoch", |i| i.epoch = 3),
                ("threshold", |i| i.threshold = 3),
                ("X_j", |i| i.public_shares.swap(0, 1)),
                ("chain code", |i| i.chain_code = Some([0; 32])),
                ("rid", |i| i.rid[0] ^= 1),
            ];
            for (what, lie) in lies {
                let mut altered = info.clone();
                lie(&mut altered);
                assert!(!complete(base, &altered, &aux_id, &set), "{what}");
            }
        }
    }

    #[test]
    fn of_a_resharing() {
        for (t, n, quorum, holders, threshold) in MOVES {
            let committee = Committee::<Toy>::dealt(Level::Tiny, t, n, 1);
            let aux = aux_of_all(&committee, 5, 1);
            let public = committee.resharing(quorum, members(holders), threshold, 3, &aux);
            let simulation = committee.simulate_reshare(&public, 1);
            let keys = (**simulation.keys()).clone();
            let outcome = simulation.run(&mut honest);
            let base = committee.key();
            for finished in outcome.finished.values() {
                let proof = Completion::new(&public, NONCE, &finished.output, &finished.rounds);
                assert!(proof.proves(base, &keys));
                let read: Completion<Toy> =
                    consign_rounds::decode(&consign_rounds::encode(&proof), usize::MAX).unwrap();
                assert!(read == proof && read.proves(base, &keys));
            }
            let finished = &outcome.finished[&party(1)];
            let proof = Completion::new(&public, NONCE, &finished.output, &finished.rounds);
            type Lie = fn(&mut Completion<Toy>);
            let lies: [(&str, Lie); 12] = [
                ("session", |p| p.info.session.0[0] ^= 1),
                ("epoch", |p| p.info.epoch += 1),
                ("old epoch", |p| p.info.epoch = 0),
                ("X_j", |p| p.info.public_shares.swap(0, 1)),
                ("rid", |p| p.info.rid[0] ^= 1),
                ("chain code", |p| p.info.chain_code = Some([1; 32])),
                ("key_id", |p| p.info.key_id[0] ^= 1),
                ("aux_id", |p| p.aux_id[0] ^= 1),
                ("nonce", |p| p.nonce[0] ^= 1),
                ("an opening missing", |p| drop(p.openings.pop_first())),
                ("a confirmation missing", |p| drop(p.confirmations.pop_last())),
                ("no opening", |p| p.openings.clear()),
            ];
            for (what, lie) in lies {
                let mut altered = proof.clone();
                lie(&mut altered);
                assert!(!altered.proves(base, &keys), "{what}");
            }
        }
    }

    #[test]
    fn of_an_invented_committee() {
        // Members 1 and 2 of 3 agree; somebody shows a resharing of another key with the same parties.
        let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
        let other = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 2);
        let aux = aux_of_all(&committee, 5, 1);
        let public = other.resharing(&[1, 2], parties(3), 2, 1, &aux);
        let simulation = other.simulate_reshare(&public, 1);
        let keys = (**simulation.keys()).clone();
        let outcome = simulation.run(&mut honest);
        let finished = &outcome.finished[&party(1)];
        let proof = Completion::new(&public, NONCE, &finished.output, &finished.rounds);
        assert!(proof.proves(other.key(), &keys));
        assert!(!proof.proves(committee.key(), &keys));
    }
}
