//! Group G, what goes wrong over time: repeated attempts, old shares brought back, moduli that are missing when they
//! are needed. What a node remembers of it (whom it excludes, which numbers were used) is tested where it remembers.

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, Scalar, Secp256k1, Toy};
use consign_cggmp24::ecdsa::Digest;
use consign_cggmp24::presign::{self, PresignError};
use consign_cggmp24::refresh::{Direct, Refresh};
use consign_cggmp24::reshare::{self, ReshareError};
use consign_cggmp24::sharing::ShareFault;
use consign_cggmp24::testing::{Committee, NONCE, aux_of_all, members};
use consign_rounds::Charge;
use consign_rounds::sim::{Outcome, SimRng, honest, party};
use rand_core::SeedableRng;

use crate::common::*;

fn dealt(n: u16) -> Committee<Toy> {
    Committee::dealt(Level::Tiny, 2, n, 1)
}

/// Party 2 of three refreshes `committee` with a wrong share for party 3.
fn spoilt<C: Curve>(committee: &Committee<C>, seed: u64) -> Outcome<Refresh<C>> {
    let public = committee.refreshing(1, false);
    let mut wrong = liar::<Refresh<C>>(2, 4, |to, _, direct| {
        let Direct::Round4(sent) = direct else { panic!("a share") };
        if to == 3 {
            sent.share.masked = sent.share.masked + Scalar::one();
        }
    });
    committee.simulate_refresh(&public, seed).run(&mut wrong)
}

/// These sign with what they have.
fn assert_signs(committee: &Committee<Toy>, signers: &[u16]) {
    let digest = Digest::raw::<Toy>([3; 32]).unwrap();
    for signature in committee.sign(signers, digest, 1).values() {
        assert!(signature.verify(&committee.key().public_key, &digest));
    }
}

mod a71_repeated_refreshes {
    use super::*;

    /// Every one of fifty tries is evidence by itself: a node that convicts after the first sees no second.
    #[test]
    fn convicts() {
        let committee = dealt(3);
        for seed in 0..50 {
            let outcome = spoilt(&committee, seed);
            assert_convicted("bad share", &outcome, 3, &[2], Charge::Broke(ShareFault::Share.into()));
        }
        assert_signs(&committee, &[1, 3]);
    }

    #[test]
    fn convicts_at_full_size() {
        let committee = Committee::<Secp256k1>::dealt(Level::L128, 2, 3, 1);
        let outcome = spoilt(&committee, 1);
        assert_convicted("bad share", &outcome, 3, &[2], Charge::Broke(ShareFault::Share.into()));
    }

    /// After a spoilt attempt an honest one is nobody's fault, and the key is the same.
    #[test]
    fn does_not_frame() {
        let committee = dealt(3);
        spoilt(&committee, 1);
        let key = committee.key().public_key;
        let outcome = committee.simulate_refresh(&committee.refreshing(2, false), 2).run(&mut honest);
        assert_all_finished("honest", &outcome, 3);
        let refreshed = committee.refreshed(2, false, 2);
        assert_eq!(refreshed.key().public_key, key);
        assert_signs(&refreshed, &[2, 3]);
    }
}

mod a74_a75_old_shares {
    use super::*;

    /// R: a share that was brought back from an older epoch enters no session of the new one, nor does a new one enter
    /// a session of the old epoch. Their sessions have different identifiers, so that messages of one are none of the
    /// other's.
    #[test]
    fn convicts() {
        let (old, new) = (dealt(3), dealt(3).refreshed(1, false, 2));
        let mut rng = SimRng::seed_from_u64(1);
        for (holders, agreed) in [(&old, &new), (&new, &old)] {
            let public = agreed.presigning(&[1, 2], 1);
            let (share, aux) = (&holders.shares[&party(1)], &holders.aux[&party(1)]);
            let started = presign::start(&public, public.session(&NONCE), share, aux, &mut rng);
            assert_eq!(started.err(), Some(PresignError::OtherKey));
        }
        let session = |of: &Committee<Toy>| of.presigning(&[1, 2], 1).session(&NONCE);
        assert_ne!(session(&old), session(&new));
    }

    /// All of one epoch sign with each other, whichever it is.
    #[test]
    fn does_not_frame() {
        let new = dealt(3).refreshed(1, false, 2);
        for signers in [[1, 2], [1, 3], [2, 3]] {
            assert_signs(&dealt(3), &signers);
            assert_signs(&new, &signers);
        }
    }
}

mod a78_missing_moduli {
    use super::*;

    /// R: nothing is dealt to a committee of which somebody has no moduli yet, or moduli of another level.
    #[test]
    fn convicts() {
        let old = dealt(3);
        let quorum = || members(&[(1, 1), (2, 2)]);
        let refused = |level: Option<Level>, n: u16| {
            let mut aux = aux_of_all(&old, n, 1);
            aux.level = level.unwrap_or(aux.level);
            let holders = members(&[(2, 2), (5, 3), (9, 4)]);
            reshare::Public::new(old.key().clone(), quorum(), holders, 2, 1, &aux).err()
        };
        assert_eq!(refused(None, 3), Some(ReshareError::Aux), "none of member 4");
        assert_eq!(refused(Some(Level::Fast), 4), Some(ReshareError::Aux), "another level");
        assert_eq!(refused(None, 4), None);
        assert_signs(&old, &[1, 2]);
    }

    /// With the moduli made before, the new holders sign as soon as the resharing is over, whoever of them is away.
    #[test]
    fn does_not_frame() {
        let holders = members(&[(2, 2), (5, 3), (9, 4)]);
        let new = dealt(3).reshared(&[1, 2], holders, 2, 1, (4, 1));
        for signers in [[2, 5], [2, 9], [5, 9]] {
            assert_signs(&new, &signers);
        }
    }
}
