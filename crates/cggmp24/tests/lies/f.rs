//! Group F: the online phase. That a presignature signs once, and no digest that somebody else computed,
//! is so by type: see the examples that do not compile in `sign/mod.rs`.

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, Point, Scalar, Secp256k1, Toy};
use consign_cggmp24::ecdsa::{Digest, HashAlgorithm, HashedMessage, Signature, ZeroDigest};
use consign_cggmp24::presign;
use consign_cggmp24::sign::interactive::{Broadcast, Fault, Interactive};
use consign_cggmp24::sign::{CombineError, Partial, PartialFault, Presignature, Signing};
use consign_cggmp24::testing::{Committee, NONCE};
use consign_rounds::sim::{Adversary, Letter, Outcome, SimRng, TestKeys, honest, party};
use consign_rounds::{Charge, Failure, Message, PerParty};
use rand_core::SeedableRng;

use crate::common::*;

type Sign = Interactive<Toy>;

fn digest<C: Curve>(byte: u8) -> Digest {
    Digest::raw::<C>([byte; 32]).unwrap()
}

fn message(text: &str) -> HashedMessage {
    HashedMessage::new::<Toy>(HashAlgorithm::Sha256, text.as_bytes()).unwrap()
}

/// Three of three sign interactively.
fn sign<C: Curve>(level: Level, n: u16, seed: u64, adversary: &mut Adversary<'_>) -> Outcome<Interactive<C>> {
    let committee = Committee::<C>::dealt(level, n, n, 1);
    let public = committee.signing(&(1..=n).collect::<Vec<_>>(), digest::<C>(7));
    committee.simulate_signing(&public, seed).run(adversary)
}

/// Everybody's part of one signature, with what checks it.
fn parts(seed: u64, message: HashedMessage) -> (PerParty<Signing<Toy>>, PerParty<Partial<Toy>>) {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 3, 1);
    let made = committee.presign(&[1, 2, 3], 1, seed);
    let signing = |(me, mut own): (_, Vec<Presignature<Toy>>)| (me, own.pop().unwrap().sign(message));
    let signings: PerParty<_> = made.into_iter().map(signing).collect();
    let partials = signings.iter().map(|(&me, signing)| (me, *signing.partial())).collect();
    (signings, partials)
}

/// Adds `error` to the partial signature of `from`.
fn off_by<C: Curve>(from: u16, error: Scalar<C>) -> impl FnMut(&TestKeys, Letter) -> Vec<Letter> {
    liar::<Interactive<C>>(from, last_round::<C>(), move |_, said, _| {
        let Broadcast::Partial(sigma) = said else { panic!("the last round") };
        *sigma = *sigma + error;
    })
}

fn last_round<C: Curve>() -> u8 {
    <Interactive<C> as consign_rounds::Protocol>::ROUNDS
}

mod a56_zero {
    use super::*;

    #[test]
    fn convicts() {
        // R: no digest that is zero as a scalar exists.
        assert_eq!(Digest::raw::<Secp256k1>([0; 32]), Err(ZeroDigest));
        let mut order = Secp256k1::order().to_be_bytes().to_vec();
        assert_eq!(Digest::raw::<Secp256k1>(order.clone().try_into().unwrap()), Err(ZeroDigest));
        order[31] ^= 2;
        assert!(Digest::raw::<Secp256k1>(order.try_into().unwrap()).is_ok());
        assert_eq!(Digest::raw::<Toy>([0; 32]), Err(ZeroDigest));
        // Nor does one come in with a partial signature.
        for (digest, readable) in [([0; 32], false), ([7; 32], true)] {
            let parts = ([1; 32], digest, Scalar::<Secp256k1>::one());
            let read = consign_rounds::decode::<Partial<Secp256k1>>(&consign_rounds::encode(&parts), 1 << 10);
            assert_eq!(read.is_ok(), readable);
        }
        // Nor a signature with r = 0 or s = 0.
        let point = Point::<Toy>::generator();
        assert_eq!(Signature::new(&point, Scalar::zero()), None);
        assert_eq!(Signature::new(&Point::<Toy>::identity(), Scalar::one()), None);
        let digest = digest::<Toy>(1);
        for (r, s) in [(Scalar::zero(), Scalar::one()), (Scalar::one(), Scalar::zero())] {
            assert!(!Signature::<Toy> { r, s, recovery_id: 0 }.verify(&point, &digest));
        }
    }

    #[test]
    fn does_not_frame() {
        // Zero bytes in front are fine, as long as the scalar is not zero.
        let mut bytes = [0; 32];
        bytes[31] = 1;
        assert!(Digest::raw::<Secp256k1>(bytes).is_ok());
    }
}

mod a5e_bad_partial {
    use super::*;

    #[test]
    fn convicts() {
        for seed in 0..10 {
            let outcome = sign::<Toy>(Level::Tiny, 3, seed, &mut off_by(2, Scalar::<Toy>::one()));
            assert_convicted("sigma + 1", &outcome, 3, &[2], Charge::Broke(Fault::Partial));
        }
        let outcome = sign::<Toy>(
            Level::Tiny,
            3,
            1,
            &mut liar::<Sign>(2, last_round::<Toy>(), |_, said, _| {
                *said = Broadcast::Partial(Scalar::zero());
            }),
        );
        assert_convicted("sigma = 0", &outcome, 3, &[2], Charge::Broke(Fault::Partial));
    }

    #[test]
    fn convicts_two_whose_errors_cancel() {
        let (mut plus, mut minus) = (off_by(1, Scalar::<Toy>::one()), off_by(2, -Scalar::<Toy>::one()));
        let outcome = sign::<Toy>(Level::Tiny, 3, 1, &mut |keys: &TestKeys, letter: Letter| {
            let letter = plus(keys, letter).pop().unwrap();
            minus(keys, letter)
        });
        assert!(culprits(&outcome, 3).into_iter().eq([1, 2]));
        assert!(!outcome.finished.contains_key(&party(3)));
    }

    #[test]
    fn convicts_at_full_size() {
        let outcome = sign::<Secp256k1>(Level::L128, 2, 1, &mut off_by(2, Scalar::<Secp256k1>::one()));
        assert_convicted("sigma + 1", &outcome, 2, &[2], Charge::Broke(Fault::Partial));
    }

    #[test]
    fn convicts_with_a_presignature() {
        let (signings, honest) = parts(1, message("pay"));
        let culprits = |partials: &PerParty<_>| match signings[&party(1)].combine(partials) {
            Err(CombineError::Culprits(culprits)) => culprits,
            other => panic!("{other:?}"),
        };
        let add = |partials: &mut PerParty<Partial<Toy>>, who: u16, error: Scalar<Toy>| {
            let partial = partials.get_mut(&party(who)).unwrap();
            partial.sigma = partial.sigma + error;
        };
        let mut bad = honest.clone();
        add(&mut bad, 2, Scalar::one());
        assert_eq!(culprits(&bad), PerParty::from([(party(2), PartialFault::Equation)]));
        add(&mut bad, 3, -Scalar::<Toy>::one());
        let both = [2, 3].map(|i| (party(i), PartialFault::Equation));
        assert_eq!(culprits(&bad), PerParty::from(both), "errors that cancel");
        let mut swapped = honest.clone();
        swapped.insert(party(2), honest[&party(3)]);
        assert_eq!(culprits(&swapped), PerParty::from([(party(2), PartialFault::Equation)]));
    }

    #[test]
    fn does_not_frame() {
        // Honest parts convict nobody, whatever public half an accuser shows: it is bound by the identifier.
        let (signings, partials) = parts(1, message("pay"));
        let public = signings[&party(1)].public();
        let digest = partials[&party(2)].digest;
        for (from, partial) in &partials {
            assert_eq!(public.check(&digest, *from, partial), Ok(()));
            let mut other = public.clone();
            other.shares.get_mut(from).unwrap().S = Point::generator();
            assert_eq!(other.check(&digest, *from, partial), Err(PartialFault::Foreign), "S");
            let mut other = public.clone();
            other.shares.get_mut(from).unwrap().Delta = Point::generator();
            assert_eq!(other.check(&digest, *from, partial), Err(PartialFault::Foreign), "Delta");
            let mut other = public.clone();
            other.Gamma = Point::generator();
            assert_eq!(other.check(&digest, *from, partial), Err(PartialFault::Foreign), "Gamma");
        }
        let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 3, 1);
        let agreed = committee.signing(&[1, 2, 3], super::digest::<Toy>(7));
        let simulation = committee.simulate_signing(&agreed, 1);
        let keys = simulation.keys().clone();
        let (first, outcome) = record(simulation);
        assert_all_finished("honest", &outcome, 3);
        let (second, _) = record(committee.simulate_signing(&agreed, 2));
        assert_unframeable::<Sign>(&agreed, agreed.session(&NONCE), &keys, &first, &second);
    }
}

mod a5f_split_message {
    use super::*;

    #[test]
    fn convicts() {
        // U: a part for another digest proves nothing, and nothing is combined with it.
        let (signings, mut partials) = parts(1, message("pay 1"));
        let (_, others) = parts(1, message("pay 2"));
        assert_eq!(others[&party(2)].presignature, partials[&party(2)].presignature);
        partials.insert(party(2), others[&party(2)]);
        let Err(CombineError::Culprits(culprits)) = signings[&party(1)].combine(&partials) else {
            panic!("two digests")
        };
        assert_eq!(culprits, PerParty::from([(party(2), PartialFault::Foreign)]));
        // Relabelled it does convict: it is a wrong part for this digest.
        let mut relabelled = others[&party(2)];
        relabelled.digest = partials[&party(1)].digest;
        partials.insert(party(2), relabelled);
        let Err(CombineError::Culprits(culprits)) = signings[&party(1)].combine(&partials) else {
            panic!("a wrong part")
        };
        assert_eq!(culprits, PerParty::from([(party(2), PartialFault::Equation)]));
    }

    #[test]
    fn does_not_frame() {
        // Interactive: party 2 was told another digest, so its messages are of another session and convict nobody.
        let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 2, 1);
        let public = committee.signing(&[1, 2], digest::<Toy>(1));
        let other = committee.signing(&[1, 2], digest::<Toy>(2));
        assert_ne!(public.session(&NONCE), other.session(&NONCE));
        let (sent, _) = record(committee.simulate_signing(&other, 1));
        let outcome = committee.simulate_signing(&public, 1).run(&mut |_: &TestKeys, letter: Letter| {
            let Some(h) = header(&letter).filter(|h| h.from == party(2)) else { return vec![letter] };
            let message = Message::Envelope(sent.find(2, h.to.get(), h.round).clone());
            vec![Letter { to: letter.to, message }]
        });
        assert_nobody_accused("another digest", &outcome);
        let Some(Failure::Unattributed { silent, .. }) = outcome.failures[&party(1)].first() else {
            panic!("party 1 waits")
        };
        assert_eq!(silent[..], [party(2)]);
    }
}

mod a60_malleability {
    use super::*;

    /// The public key that a signature recovers to.
    fn recover(signature: &Signature<Toy>, digest: &Digest) -> Point<Toy> {
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        let order = number(&Toy::order().to_be_bytes());
        let x = number(&signature.r.to_bytes()) + u64::from(signature.recovery_id >> 1) * order;
        let x = u32::try_from(x).unwrap().to_be_bytes();
        let R = Point::from_bytes(&[&[2 + (signature.recovery_id & 1)][..], &x].concat()).expect("a point");
        (R * signature.s - Point::mul_generator(&digest.scalar())) * signature.r.invert().unwrap()
    }

    /// The signature of `digest` by key `x` with the nonce point `[k]G`.
    fn sign_with(
        x: &Scalar<Toy>,
        k: &Scalar<Toy>,
        R: &Point<Toy>,
        digest: &Digest,
    ) -> Option<Signature<Toy>> {
        let r = Signature::new(R, Scalar::one())?.r;
        Signature::new(R, k.invert()? * (digest.scalar() + r * *x))
    }

    fn assert_sound(x: &Scalar<Toy>, signature: &Signature<Toy>, digest: &Digest) {
        let X = Point::mul_generator(x);
        assert!(signature.verify(&X, digest));
        assert!(!signature.s.to_integer().is_negative().to_bool(), "low s");
        assert_eq!(recover(signature, digest), X);
        // The other signature of the same message is refused, and another recovery id finds another key.
        let high = Signature { s: -signature.s, ..*signature };
        assert!(!high.verify(&X, digest));
        let odd = Signature { recovery_id: signature.recovery_id ^ 1, ..*signature };
        assert_ne!(recover(&odd, digest), X);
        for recovery_id in (0..8).filter(|id| *id != signature.recovery_id) {
            assert!(!Signature { recovery_id, ..*signature }.verify(&X, digest));
        }
    }

    #[test]
    fn convicts() {
        let mut rng = SimRng::seed_from_u64(1);
        let digest = digest::<Toy>(9);
        for _ in 0..10_000 {
            let (x, k) = (Scalar::random_nonzero(&mut rng), Scalar::random_nonzero(&mut rng));
            let signature = sign_with(&x, &k, &Point::mul_generator(&k), &digest).unwrap();
            assert_sound(&x, &signature, &digest);
        }
    }

    #[test]
    fn convicts_with_an_x_beyond_the_order() {
        // About one point in 70,000 of the toy curve has x >= q; on real curves nobody has seen one.
        let digest = digest::<Toy>(9);
        let (mut k, mut R) = (Scalar::<Toy>::one(), Point::<Toy>::generator());
        let mut found = 0;
        while found < 3 {
            (k, R) = (k + Scalar::one(), R + Point::generator());
            let id = Signature::new(&R, Scalar::one()).map(|signature| signature.recovery_id);
            if id.is_some_and(|id| id >= 2) {
                found += 1;
                let x = Scalar::from_u64(1234 + found);
                let signature = sign_with(&x, &k, &R, &digest).unwrap();
                assert!(signature.recovery_id >= 2);
                assert_sound(&x, &signature, &digest);
            }
        }
    }

    #[test]
    fn does_not_frame() {
        // What the protocol makes is of this form.
        for seed in 0..20 {
            let outcome: Outcome<Sign> = sign::<Toy>(Level::Tiny, 3, seed, &mut honest);
            assert_all_finished("honest", &outcome, 3);
            let committee = Committee::<Toy>::dealt(Level::Tiny, 3, 3, 1);
            for finished in outcome.finished.values() {
                let signature = finished.output;
                assert!(!signature.s.to_integer().is_negative().to_bool());
                assert_eq!(recover(&signature, &digest::<Toy>(7)), committee.key().public_key);
            }
        }
    }
}

mod echo_closes_interactive_signing {
    use super::*;

    #[test]
    fn convicts() {
        // Another S for party 1 in round 3: whatever each computes, nobody honest gets a signature, only 2 is named.
        let outcome = sign::<Toy>(
            Level::Tiny,
            3,
            1,
            &mut liar::<Sign>(2, last_round::<Toy>() - 1, |to, said, _| {
                let Broadcast::Presign(presign::Broadcast::Round3(said)) = said else { panic!("round 3") };
                if to == 1 {
                    said[0].S = said[0].S + Point::generator();
                }
            }),
        );
        for me in [1, 3] {
            assert!(culprits(&outcome, me).iter().all(|culprit| *culprit == 2));
            assert!(!outcome.finished.contains_key(&party(me)));
        }
    }

    #[test]
    fn does_not_frame() {
        for seed in 0..10 {
            let outcome: Outcome<Sign> = sign::<Toy>(Level::Tiny, 3, seed, &mut honest);
            assert_nobody_accused("honest", &outcome);
        }
    }
}
