//! Shares become the private key again, on every curve, and only shares that belong together do.

use consign_cggmp24::Level;
use consign_cggmp24::assemble::{AssembleError, assemble};
use consign_cggmp24::curve::{Curve, P256, Point, Scalar, Secp256k1};
use consign_cggmp24::key::KeyShare;
use consign_cggmp24::testing::{Committee, party};

fn committee<C: Curve>(seed: u64) -> Committee<C> {
    Committee::dealt(Level::Fast, 3, 5, seed)
}

/// The shares of these parties, as read from files.
fn shares<C: Curve>(committee: &Committee<C>, parties: &[u16]) -> Vec<KeyShare<C>> {
    let copy = |i: &u16| KeyShare::decode(&committee.shares[&party(*i)].encode()).unwrap();
    parties.iter().map(copy).collect()
}

fn error<C: Curve>(shares: &[KeyShare<C>]) -> AssembleError {
    assemble(shares).map(|_| ()).unwrap_err()
}

fn any_three_of_five<C: Curve>() {
    let committee = committee::<C>(1);
    let public_key = committee.key().public_key;
    for parties in [&[1, 2, 3][..], &[5, 3, 1], &[2, 4, 5], &[1, 2, 3, 4, 5]] {
        let secret = assemble(&shares(&committee, parties)).unwrap();
        assert_eq!(Point::mul_generator(secret.expose()), public_key, "{parties:?}");
    }
    assert_eq!(error(&shares(&committee, &[4, 2])), AssembleError::TooFew { have: 2, need: 3 });
    let text = error(&shares(&committee, &[4])).to_string();
    assert!(text.contains("1 of the 3") && text.contains("2 missing"), "{text}");
    assert_eq!(error::<C>(&[]), AssembleError::TooFew { have: 0, need: 1 });
}

#[test]
fn t_shares_make_the_key_on_secp256k1() {
    any_three_of_five::<Secp256k1>();
}

#[test]
fn t_shares_make_the_key_on_p256() {
    any_three_of_five::<P256>();
}

#[test]
fn shares_that_do_not_belong_together_are_named() {
    let committee = committee::<Secp256k1>(1);
    let mut list = shares(&committee, &[1, 2, 1]);
    assert_eq!(error(&list), AssembleError::Twice { at: 2, index: 1 });

    list.pop();
    list.extend(shares(&self::committee(2), &[3]));
    assert_eq!(error(&list), AssembleError::OtherKey { at: 2 });

    // The same key after a refresh.
    list.pop();
    list.extend(shares(&self::committee(1).refreshed(7, false, 3), &[3]));
    assert_eq!(error(&list), AssembleError::OtherEpoch { at: 2, epoch: 7, first: 0 });

    // A holder that makes up a whole key: consistent in itself, but not what the others say.
    let mut info = committee.key().clone();
    // All shares are the constant 1.
    info.public_shares = vec![Point::generator(); 5];
    info.public_key = Point::generator();
    list.pop();
    list.push(KeyShare::new(info, party(3), Scalar::one()).unwrap());
    assert_eq!(error(&list), AssembleError::OtherKey { at: 2 });

    let mut info = committee.key().clone();
    info.chain_code = Some([1; 32]);
    let secret = committee.shares[&party(3)].encode();
    let secret = Scalar::from_bytes(&secret[secret.len() - 32..]).unwrap();
    list.pop();
    list.push(KeyShare::new(info, party(3), secret).unwrap());
    assert_eq!(error(&list), AssembleError::Contradicts { at: 2 });
}

/// A changed share never comes so far: it contradicts its public share.
#[test]
fn a_changed_share_is_refused_when_it_is_read() {
    let committee = committee::<P256>(1);
    let mut bytes = committee.shares[&party(1)].encode().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(KeyShare::<P256>::decode(&bytes).is_err());
}
