//! Attacks A-7A (altered parameters, mixed and replayed accepts), A-24 (reuse under other parameters) and A-83 (one
//! nonce in two sessions).

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

fn key(i: u16) -> Identity {
    Identity::from_seed(&[u8::try_from(i).unwrap(); 32])
}

fn id(i: u16) -> NodeId {
    key(i).node_id()
}

fn proposal() -> Proposal {
    Proposal {
        cluster: ClusterId::from_bytes([1; 32]),
        kind: Kind::Sign,
        version: PROTOCOL_VERSION,
        level: 128,
        curve: "secp256k1".to_owned(),
        threshold: 2,
        participants: (1..=2).map(|index| Participant { index, id: id(index) }).collect(),
        key: Some(Hash([2; 32])),
        base: None,
        epoch: 0,
        aux: Some(Hash([3; 32])),
        signers: vec![1, 2],
        path: Vec::new(),
        digest: Some([4; 32]),
        batch: 1,
        request: b"request".to_vec(),
        deadline_ms: 30_000,
        proposer: id(1),
        salt: [5; 16],
    }
}

/// Every parameter changed, one at a time.
fn variants() -> Vec<Proposal> {
    let with = |change: fn(&mut Proposal)| {
        let mut p = proposal();
        change(&mut p);
        p
    };
    vec![
        with(|p| p.cluster = ClusterId::from_bytes([9; 32])),
        with(|p| p.kind = Kind::Keygen),
        with(|p| p.version = 2),
        with(|p| p.level = 112),
        with(|p| p.curve = "p256".to_owned()),
        with(|p| p.threshold = 3),
        with(|p| p.participants[1].index = 3),
        with(|p| p.participants[1].id = id(3)),
        with(|p| p.participants.push(Participant { index: 3, id: id(3) })),
        with(|p| p.key = None),
        with(|p| p.key = Some(Hash([9; 32]))),
        with(|p| p.base = Some(Hash([9; 32]))),
        with(|p| p.epoch = 1),
        with(|p| p.aux = None),
        with(|p| p.signers = vec![1, 3]),
        with(|p| p.path = vec![0]),
        with(|p| p.digest = None),
        with(|p| p.digest = Some([9; 32])),
        with(|p| p.batch = 2),
        with(|p| p.request = b"other".to_vec()),
        with(|p| p.deadline_ms = 1),
        with(|p| p.proposer = id(2)),
        with(|p| p.salt = [9; 16]),
    ]
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn both(p: &Proposal, rng: &mut ChaCha20Rng) -> ((Drawn, Accept), (Drawn, Accept)) {
    (Drawn::accept(&key(1), p, 1, 0, rng), Drawn::accept(&key(2), p, 2, 0, rng))
}

fn refused(drawn: Drawn, now: u64, p: &Proposal, accepts: &[Accept]) -> NoEntry {
    drawn.enter(now, p, accepts).map(|nonce| panic!("entered with {nonce}")).unwrap_err().1
}

#[test]
fn honest_participants_get_one_nonce_and_a_fresh_one_each_time() {
    let mut rng = rng();
    let p = proposal();
    let ((d1, a1), (d2, a2)) = both(&p, &mut rng);
    let first = d1.enter(5, &p, &[a1.clone(), a2.clone()]).map_err(|e| e.1).unwrap();
    let second = d2.enter(9_000, &p, &[a2, a1]).map_err(|e| e.1).unwrap();
    assert_eq!(first, second);
    let ((d1, a1), (_, a2)) = both(&p, &mut rng);
    assert_ne!(d1.enter(5, &p, &[a1, a2]).map_err(|e| e.1).unwrap(), first);
}

#[test]
fn every_parameter_is_bound() {
    let hashes: std::collections::BTreeSet<_> =
        variants().iter().chain([&proposal()]).map(Proposal::hash).collect();
    assert_eq!(hashes.len(), variants().len() + 1);
}

#[test]
fn accepts_of_an_altered_proposal_do_not_open_round_one() {
    let mut rng = rng();
    for altered in variants().into_iter().filter(|v| v.index_of(id(2)) == Some(2)) {
        let p = proposal();
        let (d1, a1) = Drawn::accept(&key(1), &p, 1, 0, &mut rng);
        let (_, a2) = Drawn::accept(&key(2), &altered, 2, 0, &mut rng);
        assert_eq!(refused(d1, 0, &p, &[a1.clone(), a2.clone()]), NoEntry::Invalid(2));
        let (d1, _) = Drawn::accept(&key(1), &p, 1, 0, &mut rng);
        let relabelled = Accept { proposal: p.hash(), ..a2 };
        assert_eq!(refused(d1, 0, &p, &[a1, relabelled]), NoEntry::Invalid(2));
    }
}

#[test]
fn a_start_for_another_proposal_is_refused() {
    let mut rng = rng();
    let p = proposal();
    let ((d1, _), _) = both(&p, &mut rng);
    let other = variants().remove(2);
    let ((_, a1), (_, a2)) = both(&other, &mut rng);
    assert_eq!(refused(d1, 0, &other, &[a1, a2]), NoEntry::OtherProposal);
}

#[test]
fn an_old_accept_of_ones_own_does_not_open_round_one() {
    let mut rng = rng();
    let p = proposal();
    let ((_, old), (_, a2)) = both(&p, &mut rng);
    let (d1, a1) = Drawn::accept(&key(1), &p, 1, 0, &mut rng);
    assert_eq!(refused(d1, 0, &p, &[old.clone(), a2.clone()]), NoEntry::NotMine);
    let (d1, _) = Drawn::accept(&key(1), &p, 1, 0, &mut rng);
    assert_eq!(refused(d1, 0, &p, &[old, a1.clone(), a2.clone()]), NoEntry::Incomplete);
    let (d1, _) = Drawn::accept(&key(1), &p, 1, 0, &mut rng);
    assert_eq!(refused(d1, 0, &p, std::slice::from_ref(&a2)), NoEntry::Incomplete);
    let (d1, _) = Drawn::accept(&key(1), &p, 1, 0, &mut rng);
    assert_eq!(refused(d1, 0, &p, &[a1.clone(), a1]), NoEntry::Incomplete);
}

#[test]
fn mixed_accepts_of_a_retried_party_only_make_the_sessions_differ() {
    let mut rng = rng();
    let p = proposal();
    let ((d1, a1), (_, a2)) = both(&p, &mut rng);
    // Party 2 drew again; the proposer shows its old accept to party 1 and the new one to party 2.
    let (d2_new, a2_new) = Drawn::accept(&key(2), &p, 2, 0, &mut rng);
    let seen_by_1 = d1.enter(0, &p, &[a1.clone(), a2]).map_err(|e| e.1).unwrap();
    let seen_by_2 = d2_new.enter(0, &p, &[a1, a2_new]).map_err(|e| e.1).unwrap();
    assert_ne!(seen_by_1, seen_by_2);
}

#[test]
fn forged_and_misplaced_accepts_are_refused_and_the_draw_survives() {
    let mut rng = rng();
    let p = proposal();
    let ((d1, a1), (_, a2)) = both(&p, &mut rng);
    let forged = Accept { r: [7; 32], ..a2.clone() };
    let (d1, why) = d1.enter(0, &p, &[a1.clone(), forged]).map(|_| panic!("entered")).unwrap_err();
    assert_eq!(why, NoEntry::Invalid(2));
    let by_another = Drawn::accept(&key(3), &p, 2, 0, &mut rng).1;
    let (d1, why) = d1.enter(0, &p, &[a1.clone(), by_another]).map(|_| panic!("entered")).unwrap_err();
    assert_eq!(why, NoEntry::Invalid(2));
    let swapped = Accept { index: 1, ..a2.clone() };
    let (d1, why) = d1.enter(0, &p, &[swapped, a2.clone()]).map(|_| panic!("entered")).unwrap_err();
    assert_eq!(why, NoEntry::Invalid(1));
    assert!(d1.enter(0, &p, &[a1, a2]).is_ok());
}

#[test]
fn an_accept_lapses() {
    let mut rng = rng();
    let p = proposal();
    let ((d1, a1), (d2, a2)) = both(&p, &mut rng);
    let accepts = [a1, a2];
    assert!(d1.enter(ACCEPT_LIFETIME_MS - 1, &p, &accepts).is_ok());
    assert_eq!(refused(d2, ACCEPT_LIFETIME_MS, &p, &accepts), NoEntry::Lapsed);
}

#[test]
fn a_refusal_is_signed_and_cut_to_length() {
    let p = proposal();
    let long = "é".repeat(MAX_REASON_BYTES);
    let refusal = Refusal::sign(&key(2), &p, 2, &long);
    assert!(refusal.is_valid_for(&p, p.hash()));
    assert!(refusal.reason.len() <= MAX_REASON_BYTES);
    let mut changed = refusal;
    changed.reason.push('!');
    assert!(!changed.is_valid_for(&p, p.hash()));
}

#[test]
fn lists_out_of_order_are_not_well_formed() {
    assert!(proposal().is_well_formed());
    let bad: [fn(&mut Proposal); 5] = [
        |p| p.participants.reverse(),
        |p| p.participants[0].index = 0,
        |p| p.participants[1].id = p.participants[0].id,
        |p| p.participants.truncate(1),
        |p| p.request = vec![0; MAX_REQUEST_BYTES + 1],
    ];
    for change in bad {
        let mut p = proposal();
        change(&mut p);
        assert!(!p.is_well_formed());
    }
}
