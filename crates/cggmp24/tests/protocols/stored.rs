//! What is read back from disk is checked: damaged or contradicting shares and moduli are refused, each by its error.

use consign_cggmp24::Level;
use consign_cggmp24::aux_info::{Aux, AuxError, AuxPublic, Primes};
use consign_cggmp24::curve::{Point, Scalar, Toy};
use consign_cggmp24::key::{KeyError, KeyInfo, KeyShare};
use consign_cggmp24::parties::Parties;
use consign_rounds::sim::{honest, party};
use consign_rounds::{PartyIndex, encode};
use consign_zk::natural::Natural;

use crate::common::*;

fn share(t: u16, n: u16) -> KeyShare<Toy> {
    let mut outcome = keygen_of::<Toy>(1, &keygen_public(t, n, true)).run(&mut honest);
    outcome.finished.remove(&party(2)).unwrap().output
}

fn secret(share: &KeyShare<Toy>) -> Scalar<Toy> {
    let stored = share.encode();
    Scalar::from_bytes(&stored[stored.len() - 4..]).unwrap()
}

#[test]
fn a_share_is_stored_and_read() {
    for (t, n) in [(2, 2), (2, 3), (3, 5)] {
        let share = share(t, n);
        let again = KeyShare::<Toy>::decode(&share.encode()).unwrap();
        assert_eq!(again.info(), share.info());
        assert_eq!(again.index(), share.index());
        assert_eq!(again.encode(), share.encode());
    }
}

/// One party alone, as an imported key has, is party 1 and no other.
#[test]
fn who_is_alone_is_the_first() {
    let read = |list: &Vec<(PartyIndex, [u8; 32])>| {
        let bytes = encode(list);
        consign_rounds::decode::<Parties>(&bytes, bytes.len())
    };
    assert_eq!(read(&vec![(party(1), [7; 32])]).unwrap(), Parties::alone([7; 32]));
    assert!(read(&vec![(party(2), [7; 32])]).is_err());
    assert!(read(&vec![]).is_err());
}

#[test]
fn each_error_of_a_share() {
    type Lie = fn(&mut KeyInfo<Toy>);
    let share = share(2, 4);
    let lies: [(&str, KeyError, Lie); 11] = [
        ("a share too few", KeyError::Shape, |i| drop(i.public_shares.split_off(3))),
        ("a share too many", KeyError::Shape, |i| i.public_shares.push(Point::generator())),
        ("threshold 1", KeyError::Shape, |i| i.threshold = 1),
        ("threshold 5", KeyError::Shape, |i| i.threshold = 5),
        ("X = O", KeyError::Identity, |i| i.public_key = Point::identity()),
        ("X_3 = O", KeyError::Identity, |i| i.public_shares[2] = Point::identity()),
        ("other X", KeyError::Interpolation, |i| i.public_key = Point::generator()),
        ("other X_1", KeyError::Interpolation, |i| i.public_shares[0] = Point::generator()),
        ("other X_4", KeyError::Interpolation, |i| i.public_shares[3] = Point::generator()),
        ("threshold 3", KeyError::Interpolation, |i| {
            // Raised: the shares lie on a line, so this interpolates too. Only X_4 is then wrong.
            i.threshold = 3;
            i.public_shares[3] = Point::generator();
        }),
        ("shares swapped", KeyError::Interpolation, |i| i.public_shares.swap(0, 1)),
    ];
    for (what, error, lie) in lies {
        let mut info = share.info().clone();
        lie(&mut info);
        assert_eq!(info.validate(), Err(error), "{what}");
        assert_eq!(KeyShare::new(info, party(2), secret(&share)).err(), Some(error), "{what}");
    }
    let new = |index: PartyIndex, secret| KeyShare::new(share.info().clone(), index, secret).err();
    assert_eq!(new(party(2), secret(&share) + Scalar::one()), Some(KeyError::Share));
    assert_eq!(new(party(2), Scalar::zero()), Some(KeyError::Share));
    assert_eq!(new(party(1), secret(&share)), Some(KeyError::Share));
    assert_eq!(new(party(9), secret(&share)), Some(KeyError::Share));
    assert_eq!(new(party(2), secret(&share)), None);
}

#[test]
fn damaged_shares_are_refused() {
    let share = share(2, 3);
    let good = share.encode();
    let refused = |bytes: &[u8]| KeyShare::<Toy>::decode(bytes).err();
    assert_eq!(refused(&[]), Some(KeyError::Encoding));
    assert_eq!(refused(&good[..good.len() - 1]), Some(KeyError::Encoding));
    assert_eq!(refused(&[&good[..], &[0]].concat()), Some(KeyError::Encoding));
    let mut other_version = good.to_vec();
    other_version[0] = 2;
    assert_eq!(refused(&other_version), Some(KeyError::Encoding));
    // A secret that is no scalar: q and above.
    let mut too_large = good.to_vec();
    let end = too_large.len();
    too_large[end - 4..].fill(0xff);
    assert_eq!(refused(&too_large), Some(KeyError::Encoding));
    let short = encode(&(1_u8, share.info(), share.index(), vec![0_u8; 3]));
    assert_eq!(refused(&short), Some(KeyError::Encoding));
    let other = encode(&(1_u8, share.info(), party(3), secret(&share).to_bytes()));
    assert_eq!(refused(&other), Some(KeyError::Share));
    // No flipped bit makes another usable secret or public share.
    for at in 0..good.len() {
        let mut flipped = good.to_vec();
        flipped[at] ^= 1;
        if let Ok(read) = KeyShare::<Toy>::decode(&flipped) {
            assert_eq!(read.index(), share.index());
            assert_eq!(read.info().public_shares, share.info().public_shares);
            assert_eq!(secret(&read), secret(&share));
        }
    }
}

fn aux() -> Aux {
    let mut outcome = aux_of::<Toy>(1, &aux_public(3)).run(&mut honest);
    outcome.finished.remove(&party(2)).unwrap().output
}

#[test]
fn auxiliary_information_is_stored_and_read() {
    let aux = aux();
    let again = Aux::decode(&aux.encode()).unwrap();
    assert_eq!(again.public(), aux.public());
    assert_eq!(again.encode(), aux.encode());
    assert!(aux.public().covers(committee(3).iter().map(|(_, identity)| identity)));
    assert!(!aux.public().covers(committee(4).iter().map(|(_, identity)| identity)));
}

#[test]
fn damaged_auxiliary_information_is_refused() {
    let aux = aux();
    let good = aux.encode();
    let refused = |bytes: &[u8]| Aux::decode(bytes).err();
    assert_eq!(refused(&[]), Some(AuxError::Encoding));
    assert_eq!(refused(&good[..good.len() - 1]), Some(AuxError::Encoding));
    let mut other_version = good.to_vec();
    other_version[0] = 2;
    assert_eq!(refused(&other_version), Some(AuxError::Encoding));
    let own = primes_of(Level::Tiny, party(2)).encode();
    let stored = |public: &AuxPublic, primes: &[u8]| refused(&encode(&(1_u8, public, primes)));
    assert_eq!(stored(aux.public(), &own), None);
    assert_eq!(stored(aux.public(), &own[..own.len() - 1]), Some(AuxError::Encoding));
    assert_eq!(stored(aux.public(), &[&own[..], &[0]].concat()), Some(AuxError::Encoding));
    assert_eq!(stored(aux.public(), &[]), Some(AuxError::Encoding));
    assert_eq!(stored(aux.public(), &primes(Level::Tiny, 4).encode()), Some(AuxError::Factors));
    // Everything the identifier covers: a change of it is damage.
    type Lie = fn(&mut AuxPublic);
    let lies: [(&str, Lie); 7] = [
        ("aux_id", |p| p.aux_id[0] ^= 1),
        ("session", |p| p.session.0[0] ^= 1),
        ("rid", |p| p.rid[0] ^= 1),
        ("identity", |p| p.parties[0].identity[0] ^= 1),
        ("N", |p| p.parties[0].n = p.parties[1].n.clone()),
        ("s", |p| p.parties[0].ring.s = p.parties[0].ring.t.clone()),
        ("order", |p| p.parties.swap(0, 2)),
    ];
    for (what, lie) in lies {
        let mut public = aux.public().clone();
        lie(&mut public);
        assert_eq!(stored(&public, &own), Some(AuxError::Encoding), "{what}");
    }
}

#[test]
fn moduli_outside_their_domain_are_refused() {
    let aux = aux();
    let mut party = aux.public().parties[0].clone();
    assert!(party.keys(Level::Tiny).is_ok());
    assert_eq!(party.keys(Level::Fast).err(), Some(AuxError::Domain));
    let n = party.n.clone();
    party.n = Natural::new(&n.value().wrapping_sub(consign_modexp::BoxedUint::one()));
    assert_eq!(party.keys(Level::Tiny).err(), Some(AuxError::Domain));
    party.n = n;
    party.ring.s = party.ring.t.clone();
    assert_eq!(party.keys(Level::Tiny).err(), Some(AuxError::Domain));
}

#[test]
fn primes_of_another_length_are_refused() {
    let good = primes(Level::Tiny, 0).encode();
    assert!(Primes::decode(Level::Tiny, &good).is_ok());
    assert_eq!(Primes::decode(Level::Fast, &good).err(), Some(AuxError::Encoding));
    assert_eq!(Primes::decode(Level::Tiny, &good[1..]).err(), Some(AuxError::Encoding));
    assert_eq!(Primes::decode(Level::Tiny, &[]).err(), Some(AuxError::Encoding));
}
