use proptest::prelude::*;

use super::*;

fn key(i: u8) -> Identity {
    Identity::from_seed(&[i; 32])
}

fn id(i: u8) -> NodeId {
    key(i).node_id()
}

fn charter(founders: &[u8], members: &[u8]) -> Charter {
    let sorted = |ids: &[u8]| {
        let mut ids: Vec<_> = ids.iter().map(|i| id(*i)).collect();
        ids.sort_unstable();
        ids
    };
    Charter {
        founders: sorted(founders),
        members: sorted(members),
        created: 5,
        salt: [9; 16],
        predecessor: None,
    }
}

fn roster(founders: &[u8]) -> Roster {
    Roster::found(charter(founders, founders)).unwrap()
}

fn say(r: &Roster, author: u8, sequence: u64, says: Says) -> Signed {
    Statement { cluster: r.cluster(), author: id(author), sequence, says }.sign(&key(author))
}

fn announce(name: &str) -> Says {
    Says::Announce {
        addresses: vec!["/ip4/127.0.0.1/tcp/1".to_owned()],
        name: name.to_owned(),
        version: String::new(),
    }
}

#[test]
fn a_majority_of_founders_decides() {
    let mut r = roster(&[1, 2, 3]);
    assert!(r.is_member(id(1)) && !r.is_member(id(7)));
    assert_eq!(r.add(say(&r, 1, 1, Says::Vouch(id(7)))), Ok(true));
    assert!(!r.is_member(id(7)));
    assert_eq!(r.add(say(&r, 2, 1, Says::Vouch(id(7)))), Ok(true));
    assert!(r.is_member(id(7)));
    assert_eq!(r.add(say(&r, 2, 2, Says::Revoke(id(7)))), Ok(true));
    assert!(!r.is_member(id(7)));
    assert!(r.knows(id(7)));
}

#[test]
fn the_charter_vouches_for_its_members_until_told_otherwise() {
    let mut r = Roster::found(charter(&[1], &[1, 4])).unwrap();
    assert!(r.is_member(id(4)));
    assert_eq!(r.add(say(&r, 1, 1, Says::Revoke(id(4)))), Ok(true));
    assert!(!r.is_member(id(4)));
}

#[test]
fn what_does_not_belong_is_refused() {
    let mut r = roster(&[1]);
    let before = r.clone();
    let other = roster(&[2]);
    assert_eq!(r.add(say(&other, 1, 1, Says::Vouch(id(7)))), Err(Rejected::OtherCluster));
    assert_eq!(r.add(say(&r, 5, 1, Says::Vouch(id(7)))), Err(Rejected::NotEntitled));
    assert_eq!(r.add(say(&r, 5, 1, announce("x"))), Err(Rejected::NotEntitled));
    let mut forged = say(&r, 1, 1, Says::Vouch(id(7)));
    forged.statement.says = Says::Vouch(id(8));
    assert_eq!(r.add(forged), Err(Rejected::BadSignature));
    let mut foreign = say(&r, 5, 1, Says::Vouch(id(7)));
    foreign.statement.author = id(1);
    assert_eq!(r.add(foreign), Err(Rejected::BadSignature));
    assert_eq!(r.add(say(&r, 1, 1, announce(&"x".repeat(MAX_NAME_BYTES + 1)))), Err(Rejected::TooLarge));
    assert_eq!(r, before);
}

#[test]
fn an_older_statement_changes_nothing() {
    let mut r = roster(&[1]);
    assert_eq!(r.add(say(&r, 1, 3, announce("new"))), Ok(true));
    assert_eq!(r.add(say(&r, 1, 2, announce("old"))), Ok(false));
    assert_eq!(r.record(id(1)).unwrap().name, "new");
    assert_eq!(r.next(id(1), announce("new")), None);
    assert_eq!(r.next(id(1), announce("newer")).unwrap().sequence, 4);
}

#[test]
fn another_charter_is_not_this_cluster() {
    let r = roster(&[1]);
    assert_eq!(Roster::join(r.cluster(), charter(&[2], &[2])).unwrap_err(), Rejected::WrongCharter);
    let mut unordered = charter(&[1, 2], &[]);
    unordered.founders.reverse();
    assert_eq!(Roster::found(unordered).unwrap_err(), Rejected::WrongCharter);
}

/// Votes of three founders over three peers with few sequence numbers: many collisions and ties.
fn votes() -> impl Strategy<Value = Vec<(u8, u64, bool, u8)>> {
    prop::collection::vec((1_u8..4, 0_u64..3, any::<bool>(), 7_u8..10), 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn membership_depends_on_the_set_alone(votes in votes(), shuffle in any::<u64>(), cut in 0_usize..24) {
        let empty = roster(&[1, 2, 3]);
        let signed: Vec<_> = votes
            .iter()
            .map(|(author, sequence, vouch, peer)| {
                let says = if *vouch { Says::Vouch(id(*peer)) } else { Says::Revoke(id(*peer)) };
                say(&empty, *author, *sequence, says)
            })
            .collect();
        let mut in_order = empty.clone();
        in_order.merge(signed.clone());
        let mut shuffled = signed.clone();
        shuffled.sort_by_key(|s| Items::new("shuffle").number("seed", shuffle).bytes("s", s.signature.as_bytes()).hash());
        let cut = cut.min(shuffled.len());
        let mut other = empty;
        other.merge(shuffled[..cut].to_vec());
        other.merge(shuffled[cut..].to_vec());
        other.merge(shuffled);
        prop_assert_eq!(in_order.members(), other.members());
        prop_assert_eq!(in_order.digest(), other.digest());
    }
}

/// The next charter, signed by these founders of the one before.
fn successor(before: &Roster, founders: &[u8], members: &[u8], signers: &[u8]) -> SignedCharter {
    let charter = Charter { predecessor: Some(before.charter().hash()), ..charter(founders, members) };
    let signatures = signers.iter().map(|i| charter.sign(&key(*i), &before.cluster())).collect();
    SignedCharter { charter, signatures }
}

#[test]
fn a_majority_of_the_founders_names_the_next() {
    let mut r = roster(&[1, 2, 3]);
    let cluster = r.cluster();
    r.merge(vec![
        say(&r, 3, 1, Says::Vouch(id(7))),
        say(&r, 2, 1, Says::Vouch(id(7))),
        say(&r, 2, 1, Says::Vouch(id(9))),
        say(&r, 7, 1, announce("seven")),
    ]);
    assert!(r.is_member(id(7)) && r.record(id(7)).is_some());
    let before = r.clone();
    let good = successor(&r, &[1, 2, 4], &[8], &[1, 3]);
    let twice = SignedCharter { signatures: vec![good.signatures[0].clone(); 2], ..good.clone() };
    let mut unsigned = good.clone();
    unsigned.charter.created += 1;
    let mut beside = successor(&r, &[1, 2], &[], &[1, 2]);
    beside.charter.predecessor = None;
    for bad in [
        successor(&r, &[4], &[], &[1]),
        successor(&r, &[4], &[], &[1, 4]),
        successor(&r, &[4], &[], &[1, 2, 4]),
        successor(&r, &[], &[], &[1, 2]),
        successor(&roster(&[1, 2]), &[1, 2], &[], &[1, 2]),
        twice,
        unsigned,
        beside,
    ] {
        assert_eq!(r.succeed(bad), Err(Rejected::WrongCharter));
        assert_eq!(r, before);
    }
    r.succeed(good.clone()).unwrap();
    assert_eq!((r.cluster(), r.chain().count()), (cluster, 2));
    assert!(r.is_founder(id(4)) && !r.is_founder(id(3)));
    // One vouch of three is left; the charter itself vouches for 8.
    assert!(!r.is_member(id(7)) && r.knows(id(7)) && r.record(id(7)).is_some());
    assert!(r.is_member(id(8)) && r.knows(id(3)) && !r.is_member(id(3)));
    assert_eq!(r.add(say(&r, 3, 9, Says::Vouch(id(7)))), Err(Rejected::NotEntitled));
    assert_eq!(r.add(say(&r, 4, 1, Says::Vouch(id(7)))), Ok(true));
    assert!(r.is_member(id(7)));
    assert_eq!(r.succeed(good), Err(Rejected::WrongCharter), "once");
    // A rival of it is followed only on purpose.
    let rival = successor(&before, &[2], &[9], &[2, 3]);
    assert_eq!(r.succeed(rival.clone()), Err(Rejected::WrongCharter));
    assert_eq!(r.switch(rival).unwrap().charter, successor(&before, &[1, 2, 4], &[8], &[]).charter);
    assert!(r.is_founder(id(2)) && !r.is_founder(id(1)) && r.is_member(id(9)) && r.chain().count() == 2);
    let sum: usize = r.statements().map(Signed::length).sum();
    assert_eq!(sum, r.bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Also across charters: whoever has all charters and all statements knows the same members.
    #[test]
    fn membership_depends_on_charters_and_statements_alone(votes in votes(), cut in 0_usize..24, shuffle in any::<u64>()) {
        let empty = roster(&[1, 2, 3]);
        let next = successor(&empty, &[1, 3, 4], &[7, 8], &[2, 3]);
        let signed: Vec<_> = votes
            .iter()
            .map(|(author, sequence, vouch, peer)| {
                let says = if *vouch { Says::Vouch(id(*peer)) } else { Says::Revoke(id(*peer)) };
                say(&empty, *author + 1, *sequence, says)
            })
            .chain([say(&empty, 7, 1, announce("seven")), say(&empty, 9, 1, announce("nine"))])
            .collect();
        let mut shuffled = signed.clone();
        shuffled.sort_by_key(|s| Items::new("shuffle").number("seed", shuffle).bytes("s", s.signature.as_bytes()).hash());
        let mut early = empty.clone();
        early.succeed(next.clone()).unwrap();
        early.merge(signed.clone());
        let mut late = empty;
        let cut = cut.min(shuffled.len());
        late.merge(shuffled[..cut].to_vec());
        late.succeed(next).unwrap();
        // What was refused before comes again, as rosters are compared.
        late.merge(shuffled);
        prop_assert_eq!(early.members(), late.members());
        prop_assert_eq!(early.digest(), late.digest());
    }
}

/// The `i`-th of many validators.
fn many(i: u16) -> Identity {
    let mut seed = [200; 32];
    seed[..2].copy_from_slice(&i.to_be_bytes());
    Identity::from_seed(&seed)
}

/// A founder lets in as many as it can, each with the longest announcement: all of it still fits one message, and
/// there is room to revoke them.
#[test]
fn a_roster_fits_one_message() {
    let mut r = roster(&[1]);
    let says = Says::Announce {
        addresses: vec!["a".repeat(MAX_ADDRESS_BYTES); MAX_ADDRESSES],
        name: "n".repeat(MAX_NAME_BYTES),
        version: "v".repeat(MAX_VERSION_BYTES),
    };
    let mut count = 0;
    while r.has_room() {
        count += 1;
        let newcomer = many(count);
        assert_eq!(r.add(say(&r, 1, 1, Says::Vouch(newcomer.node_id()))), Ok(true));
        let statement =
            Statement { cluster: r.cluster(), author: newcomer.node_id(), sequence: 1, says: says.clone() };
        assert_eq!(r.add(statement.sign(&newcomer)), Ok(true));
    }
    assert!(count > 200, "{count}");
    // A founder that goes on all the same is stopped, with a clear error.
    let mut more = count;
    let full = loop {
        more += 1;
        if let Err(why) = r.add(say(&r, 1, 1, Says::Vouch(many(more).node_id()))) {
            break why;
        }
    };
    assert_eq!(full, Rejected::Full);
    for i in 1..=more + 100 {
        assert_eq!(r.add(say(&r, 1, 2, Says::Revoke(many(i).node_id()))), Ok(true), "{i}");
    }
    let statements = r.statements().cloned().collect();
    let message =
        crate::core::wire::PeerMessage::Roster { charter: r.charter().clone(), statements, complete: true };
    let bytes = message.encode();
    assert_eq!(crate::core::wire::PeerMessage::decode(&bytes, false), Ok(message));
    // Nothing was counted twice, or not at all.
    let sum: usize = r.statements().map(Signed::length).sum();
    assert_eq!(sum, r.bytes);
}
