//! Children of a key: published vectors, and that holders of the key sign for them.

use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, P256, Point, Scalar, Secp256k1, Toy};
use consign_cggmp24::derivation::{DerivationError, ExtendedKey, Path, bitcoin_address, ethereum_address};
use consign_cggmp24::ecdsa::{Digest, Signature};
use consign_cggmp24::key::{KeyError, KeyInfo, KeyShare};
use consign_cggmp24::presign::{self, PresignError};
use consign_cggmp24::sign::interactive;
use consign_cggmp24::testing::{Committee, NONCE, members, party, subset};
use consign_zk::feldman::lagrange_at_zero;

use crate::signing::sign::check_with_libsecp256k1;
use crate::signing::{combine_all, message, sign_all, slot};

/// BIP-32, test vectors 1 and 2: parent, index, child. Vectors 3 and 4 have hardened steps only.
const BIP32: [(&str, u32, &str); 5] = [
    (
        "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw",
        1,
        "xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ",
    ),
    (
        "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5",
        2,
        "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
    ),
    (
        "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
        1_000_000_000,
        "xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy",
    ),
    (
        "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB",
        0,
        "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH",
    ),
    (
        "xpub6ASAVgeehLbnwdqV6UKMHVzgqAG8Gr6riv3Fxxpj8ksbH9ebxaEyBLZ85ySDhKiLDBrQSARLq1uNRts8RuJiHjaDMBU4Zn9h8LZNnBC5y4a",
        1,
        "xpub6DF8uhdarytz3FWdA8TvFSvvAh8dP3283MY7p2V4SeE2wyWmG5mg5EwVvmdMVCQcoNJxGoWaU9DCWh89LojfZ537wTfunKau47EL2dhHKon",
    ),
];

/// SLIP-10 on P-256, test vector 1, and the vector whose child needs a second hash: parent's chain code and public
/// key, index, child's.
const SLIP10_P256: [([&str; 2], u32, [&str; 2]); 4] = [
    (
        [
            "3460cea53e6a6bb5fb391eeef3237ffd8724bf0a40e94943c98b83825342ee11",
            "0384610f5ecffe8fda089363a41f56a5c7ffc1d81b59a612d0d649b2d22355590c",
        ],
        1,
        [
            "4187afff1aafa8445010097fb99d23aee9f599450c7bd140b6826ac22ba21d0c",
            "03526c63f8d0b4bbbf9c80df553fe66742df4676b241dabefdef67733e070f6844",
        ],
    ),
    (
        [
            "98c7514f562e64e74170cc3cf304ee1ce54d6b6da4f880f313e8204c2a185318",
            "0359cf160040778a4b14c5f4d7b76e327ccc8c4a6086dd9451b7482b5a4972dda0",
        ],
        2,
        [
            "ba96f776a5c3907d7fd48bde5620ee374d4acfd540378476019eab70790c63a0",
            "029f871f4cb9e1c97f9f4de9ccd0d4a2f2a171110c61178f84430062230833ff20",
        ],
    ),
    (
        [
            "ba96f776a5c3907d7fd48bde5620ee374d4acfd540378476019eab70790c63a0",
            "029f871f4cb9e1c97f9f4de9ccd0d4a2f2a171110c61178f84430062230833ff20",
        ],
        1_000_000_000,
        [
            "b9b7b82d326bb9cb5b5b121066feea4eb93d5241103c9e7a18aad40f1dde8059",
            "02216cd26d31147f72427a453c443ed2cde8a1e53c9cc44e5ddf739725413fe3f4",
        ],
    ),
    (
        [
            "e94c8ebe30c2250a14713212f6449b20f3329105ea15b652ca5bdfc68f6c65c2",
            "02519b5554a4872e8c9c1c847115363051ec43e93400e030ba3c36b52a3e70a5b7",
        ],
        33_941,
        [
            "9e87fe95031f14736774cd82f25fd885065cb7c358c1edf813c72af535e83071",
            "0235bfee614c0d5b2cae260000bb1d0d84b270099ad790022c1ae0b2e782efe120",
        ],
    ),
];

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn extended<C: Curve>([chain_code, public_key]: [&str; 2]) -> ExtendedKey<C> {
    let public_key = Point::from_bytes(&hex::decode(public_key).unwrap()).unwrap();
    ExtendedKey::root(public_key, hex::decode(chain_code).unwrap().try_into().unwrap())
}

/// Reads an extended key as BIP-32 lays it out: version, depth, parent, index, chain code, public key, checksum.
fn read_xpub(text: &str) -> ExtendedKey<Secp256k1> {
    let bytes = bs58::decode(text).into_vec().unwrap();
    ExtendedKey {
        depth: bytes[4],
        parent: bytes[5..9].try_into().unwrap(),
        index: u32::from_be_bytes(bytes[9..13].try_into().unwrap()),
        chain_code: bytes[13..45].try_into().unwrap(),
        public_key: Point::from_bytes(&bytes[45..78]).unwrap(),
    }
}

///
#[test]
fn public_derivation_is_that_of_bip_32() {
    for (parent, index, child) in BIP32 {
        let parent = read_xpub(parent);
        assert_eq!(parent.child(index).unwrap().to_xpub(), child);
        assert_eq!(parent.child(index).unwrap(), read_xpub(child));
        assert_eq!(parent.descend(&Path::try_from(vec![index]).unwrap()).unwrap().to_xpub(), child);
        assert_eq!(parent.child(1 << 31), Err(DerivationError::Hardened(1 << 31)));
    }
    // Two steps in one path.
    let (grandparent, _, _) = BIP32[1];
    let down = read_xpub(grandparent).descend(&path("m/2/1000000000")).unwrap();
    assert_eq!(down.to_xpub(), BIP32[2].2);
}

/// The last vector's first hash is no scalar of P-256.
#[test]
fn public_derivation_is_that_of_slip_10() {
    for (parent, index, child) in SLIP10_P256 {
        let derived = extended::<P256>(parent).child(index).unwrap();
        let expected = extended::<P256>(child);
        assert_eq!((derived.public_key, derived.chain_code), (expected.public_key, expected.chain_code));
    }
}

#[test]
fn depth_ends_where_it_cannot_be_written() {
    let deep = ExtendedKey { depth: u8::MAX, ..ExtendedKey::<Secp256k1>::root(Point::generator(), [1; 32]) };
    assert_eq!(deep.child(0), Err(DerivationError::Depth));
    assert!(ExtendedKey { depth: 254, ..deep }.child(0).is_ok());
}

/// The first receiving address of BIP-84's test vector, from its account's public key (m/84'/0'/0', then 0/0).
#[test]
fn wallets_find_the_same_addresses() {
    let account = "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V";
    let key = read_xpub(account);
    for (text, address) in [
        ("m/0/0", "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"),
        ("m/0/1", "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"),
        ("m/1/0", "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el"),
    ] {
        let child = key.descend(&path(text)).unwrap();
        assert_eq!(bitcoin_address(&child.public_key).as_deref(), Some(address), "{text}");
        assert!(ethereum_address(&child.public_key).unwrap().starts_with("0x"));
    }
}

/// The secret of a share, from its stored form: its last bytes.
fn secret<C: Curve>(share: &KeyShare<C>) -> Scalar<C> {
    let stored = share.encode();
    Scalar::from_bytes(&stored[stored.len() - C::SCALAR_BYTES..]).unwrap()
}

/// What one holder of the whole key would derive, by the rules for private keys.
fn child_of_whole<C: Curve>(key: &KeyInfo<C>, whole: Scalar<C>, path: &Path) -> Scalar<C> {
    let mut at = key.extended().unwrap();
    path.steps().iter().fold(whole, |secret, &index| {
        let child = at.child(index).unwrap();
        // The step's tweak is the one scalar that leads from parent to child; here it is found from the hash itself.
        let tweak = tweak_by_hand(&at, index);
        at = child;
        secret + tweak
    })
}

fn tweak_by_hand<C: Curve>(parent: &ExtendedKey<C>, index: u32) -> Scalar<C> {
    use hmac::{Hmac, KeyInit, Mac};
    let mut data = parent.public_key.to_bytes();
    loop {
        let mut mac = Hmac::<sha2::Sha512>::new_from_slice(&parent.chain_code).unwrap();
        mac.update(&data);
        mac.update(&index.to_be_bytes());
        let whole = mac.finalize().into_bytes();
        if let Some(tweak) = Scalar::from_bytes(&whole[..C::SCALAR_BYTES]) {
            return tweak;
        }
        data = [&[1], &whole[32..]].concat();
    }
}

/// the shift is added once, whoever signs.
#[test]
fn the_shares_of_a_child_make_its_secret() {
    fn check<C: Curve>(level: Level, t: u16, n: u16, sets: &[&[u16]]) {
        let committee = Committee::<C>::dealt(level, t, n, 1);
        let key = committee.key();
        let all: Vec<u16> = (1..=t).collect();
        let whole: Scalar<C> = all
            .iter()
            .map(|&i| secret(&committee.shares[&party(i)]) * lagrange_at_zero(&all, i).unwrap())
            .sum();
        for text in ["m", "m/0", "m/0/5", "m/2147483647/1/2/3"] {
            let path = path(text);
            let child = child_of_whole(key, whole, &path);
            let public_key = key.derived(&path).unwrap();
            assert_eq!(public_key, Point::mul_generator(&child), "{text}");
            let shift = key.shift(&path).unwrap();
            for set in sets {
                let sum: Point<C> = set
                    .iter()
                    .map(|&i| {
                        let share = shift.of_public(key.public_share(party(i)).unwrap());
                        share * lagrange_at_zero(set, i).unwrap()
                    })
                    .sum();
                assert_eq!(sum, public_key, "{text}, {set:?}");
                assert_eq!(*committee.presigning_at(&path, set, 1).public_key(), public_key);
            }
        }
    }
    check::<Toy>(Level::Tiny, 2, 2, &[&[1, 2]]);
    check::<Toy>(Level::Tiny, 3, 3, &[&[1, 2, 3]]);
    check::<Toy>(Level::Tiny, 2, 4, &[&[1, 2], &[1, 3], &[1, 4], &[2, 3], &[2, 4], &[3, 4]]);
    check::<Secp256k1>(Level::Fast, 2, 3, &[&[1, 2], &[2, 3]]);
    check::<P256>(Level::Fast, 2, 3, &[&[1, 2], &[2, 3]]);
}

/// Signs for a child, from a presignature and interactively; the signatures.
fn sign_at<C: Curve>(
    committee: &Committee<C>,
    signers: &[u16],
    path: &Path,
    seed: u64,
) -> Vec<(Digest, Signature<C>)> {
    let message = message::<C>("pay");
    let mut made = committee.presign_at(path, signers, 1, seed);
    let (signings, partials) = sign_all(slot(&mut made), message);
    let digest = Digest::raw::<C>([9; 32]).unwrap();
    let interactive = committee.sign_at(path, signers, digest, seed);
    let first = interactive.into_values().next().unwrap();
    vec![(message.digest(), combine_all(&signings, &partials)), (digest, first)]
}

/// verified under the child's key, and under no other, for every signer set of t-of-n and n-of-n.
#[test]
fn holders_sign_for_children() {
    for (t, n, signers) in
        [(2, 2, &[1, 2][..]), (3, 3, &[1, 2, 3]), (2, 3, &[1, 2]), (2, 3, &[1, 3]), (2, 3, &[2, 3])]
    {
        let committee = Committee::<Toy>::dealt(Level::Tiny, t, n, 5);
        for text in ["m", "m/7", "m/0/5"] {
            let path = path(text);
            let public_key = committee.key().derived(&path).unwrap();
            for (digest, signature) in sign_at(&committee, signers, &path, 1) {
                assert!(signature.verify(&public_key, &digest), "{text}, {signers:?}");
                let is_root = path.is_root();
                assert_eq!(signature.verify(&committee.key().public_key, &digest), is_root, "{text}");
            }
        }
    }
}

#[test]
fn libsecp256k1_accepts_the_signatures_of_a_child() {
    let committee = Committee::<Secp256k1>::dealt(Level::Fast, 2, 3, 18);
    let path = path("m/44/60/0/0/3");
    let public_key = committee.key().derived(&path).unwrap();
    for (digest, signature) in sign_at(&committee, &[1, 3], &path, 4) {
        check_with_libsecp256k1(&public_key, &digest, &signature);
        assert_eq!(signature.recover(&digest), Some(public_key));
    }
}

#[test]
fn children_outlive_refresh_and_resharing() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let path = path("m/0/5");
    let public_key = committee.key().derived(&path).unwrap();
    let check = |committee: &Committee<Toy>, signers: &[u16]| {
        assert_eq!(committee.key().derived(&path).unwrap(), public_key);
        for (digest, signature) in sign_at(committee, signers, &path, 3) {
            assert!(signature.verify(&public_key, &digest));
        }
    };
    check(&committee, &[1, 2]);
    let refreshed = committee.refreshed(1, true, 2);
    check(&refreshed, &[2, 3]);
    let holders = members(&[(1, 1), (2, 2), (3, 3), (4, 4)]);
    check(&refreshed.reshared(&[1, 3], holders, 3, 2, (4, 9)), &[1, 2, 4]);
}

/// 6.7, mitigation 1: the path is in the session identifier and in the presignature's.
#[test]
fn the_path_is_fixed_before_the_nonce() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let paths = ["m", "m/0", "m/1", "m/0/1", "m/1/0"].map(path);
    let digest = message::<Toy>("pay").digest();
    let presigning = paths.each_ref().map(|p| committee.presigning_at(p, &[1, 2], 1).session(&NONCE));
    let signing = paths.each_ref().map(|p| committee.signing_at(p, &[1, 2], digest).session(&NONCE));
    let all = [presigning, signing].concat();
    for (i, a) in all.iter().enumerate() {
        assert!(all.iter().skip(i + 1).all(|b| a != b), "session {i}");
    }
    // Partial signatures of another child's presignature are foreign, even if everything else were the same.
    let shown = |p: &Path| {
        let mut made = committee.presign_at(p, &[1, 2], 1, 1);
        slot(&mut made).remove(&party(1)).unwrap().public().clone()
    };
    let own = shown(&paths[1]);
    assert_eq!(own.shift.path(), &paths[1]);
    assert_eq!(own.public_key, committee.key().derived(&paths[1]).unwrap());
    let moved = consign_cggmp24::sign::PresignaturePublic { shift: shown(&paths[2]).shift, ..own.clone() };
    assert_ne!(moved.id(), own.id());
}

#[test]
fn a_key_without_chain_code_has_no_children() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let (mut key, aux) = (committee.key().clone(), committee.aux_public());
    key.chain_code = None;
    assert_eq!(key.derived(&path("m/0")), Err(DerivationError::NoChainCode));
    assert_eq!(key.derived(&Path::root()), Ok(key.public_key));
    assert_eq!(key.extended(), None);
    let at = |p: &str| presign::Public::new(&key, aux, subset(&[1, 2]), &path(p), 1).err();
    assert_eq!(at("m/0"), Some(PresignError::Path(DerivationError::NoChainCode)));
    assert_eq!(at("m"), None);
    let digest = Digest::raw::<Toy>([9; 32]).unwrap();
    let interactive = interactive::Public::new(&key, aux, subset(&[1, 2]), &path("m/0"), digest);
    assert_eq!(interactive.err(), Some(PresignError::Path(DerivationError::NoChainCode)));
}

/// Shares that make the key, of which one makes nothing of a child: no sound ceremony ends so, but it can be written.
#[test]
fn a_child_of_which_a_signer_holds_nothing_is_refused() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 2, 1);
    let (mut key, aux) = (committee.key().clone(), committee.aux_public());
    let X = key.public_key;
    let shift = key.derived(&path("m/0")).unwrap() - X;
    let first = -shift;
    // A line through X at 0 and the first share at 1.
    key.public_shares = vec![first, first + first - X];
    key.validate().unwrap();
    let at = |p: &str| presign::Public::new(&key, aux, subset(&[1, 2]), &path(p), 1).err();
    assert_eq!(at("m/0"), Some(PresignError::Key(KeyError::Interpolation)));
    assert_eq!(at("m/1"), None);
}

/// What the signers compare is the key that they hold; what they sign for is its child.
#[test]
fn the_agreed_key_is_the_unshifted_one() {
    let committee = Committee::<Toy>::dealt(Level::Tiny, 2, 3, 1);
    let public = committee.presigning_at(&path("m/0"), &[1, 2], 1);
    assert_eq!(public.key(), committee.key());
    assert_ne!(*public.public_key(), committee.key().public_key);
}
