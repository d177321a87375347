use super::*;
use crate::identity::{ClusterId, Identity};
use crate::store::Value;
use crate::store::memory::Memory;

/// A log of `count` entries about exports.
fn store(count: u8) -> Memory {
    let mut store = Memory::new();
    for i in 1..=count {
        let mut writes = vec![Write::create(Table::Exports, [i; 40], b"record")];
        writes.extend(entries_of(&store, &writes, 1_000 + u64::from(i)).unwrap());
        store.apply(&writes).unwrap();
    }
    store
}

fn broken(store: &Memory) -> u64 {
    match Chain::read(store).unwrap_err() {
        AuditError::Broken { number, .. } => number,
        AuditError::Store(error) => panic!("{error}"),
    }
}

/// The bytes of an entry and its hash, which every later program must read.
#[test]
fn entries_are_frozen() {
    let entry = Entry { unix: 5, kind: Kind::Accepted, content: Hash([7; 32]), summary: "what".to_owned() };
    let bytes = [&[1, 5, 5][..], &[7; 32], &[4], b"what"].concat();
    assert_eq!(encode(&entry), Value::from(bytes));
    assert_eq!(
        entry.hash(&Hash([1; 32]), 2),
        Items::new("audit entry")
            .bytes("before", &[1; 32])
            .number("number", 2)
            .number("time", 5)
            .bytes("kind", &[5])
            .bytes("content", &[7; 32])
            .bytes("summary", b"what")
            .hash()
    );
}

#[test]
fn an_entry_is_written_with_what_it_is_about() {
    let store = store(3);
    let chain = Chain::read(&store).unwrap();
    assert_eq!((chain.base, chain.head.length, chain.entries.len()), (EMPTY, 3, 3));
    let numbers: Vec<_> = chain.entries.iter().map(|placed| placed.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(chain.entries.iter().all(|placed| placed.entry.kind == Kind::Export));
    assert!(chain.entries[2].entry.summary.contains(&"03".repeat(32)));
    assert_eq!(Chain::read(&Memory::new()).unwrap().head, EMPTY);
}

#[test]
fn what_is_taken_out_or_altered_is_noticed() {
    let good = store(4);
    let name = |i: u64| i.to_be_bytes();
    for i in 1..=4 {
        let mut store = good.clone();
        store.apply(&[Write::delete(Table::Audit, name(i))]).unwrap();
        assert_eq!(broken(&store), if i == 4 { 3 } else { i }, "without {i}");
        let value = good.get(Table::Audit, &name(i)).unwrap().unwrap();
        for at in [1, value.len() / 2, value.len() - 1] {
            let mut bytes = value.to_vec();
            bytes[at] ^= 1;
            store.apply(&[Write::put(Table::Audit, name(i), bytes)]).unwrap();
            assert!(broken(&store) > 0, "{i} at {at}");
        }
        let other = good.get(Table::Audit, &name(i % 4 + 1)).unwrap().unwrap();
        store.apply(&[Write::put(Table::Audit, name(i), other)]).unwrap();
        broken(&store);
    }
    // One more, and an end that is not noted.
    let mut more = good.clone();
    more.apply(&[Write::put(Table::Audit, name(5), good.get(Table::Audit, &name(4)).unwrap().unwrap())])
        .unwrap();
    assert_eq!(broken(&more), 5);
    let mut store = good.clone();
    store.apply(&[Write::delete(Table::Meta, AUDIT_HEAD)]).unwrap();
    assert_eq!(broken(&store), 4);
    // Only an operator's note lets numbers jump.
    let mut store = good.clone();
    let value = store.take(Table::Audit, &name(4)).unwrap().unwrap();
    store.apply(&[Write::put(Table::Audit, name(9), value)]).unwrap();
    assert_eq!(broken(&store), 4);
}

#[test]
fn archived_entries_leave_a_log_that_holds() {
    let mut store = store(5);
    let before = Chain::read(&store).unwrap();
    store.apply(&archived(&before.entries[..3])).unwrap();
    let after = Chain::read(&store).unwrap();
    assert_eq!((after.base.length, after.head), (3, before.head));
    assert_eq!(after.entries, before.entries[3..]);
    let mut writes = vec![Write::create(Table::Exports, [9; 40], b"record")];
    writes.extend(entries_of(&store, &writes, 7).unwrap());
    store.apply(&writes).unwrap();
    assert_eq!(Chain::read(&store).unwrap().head.length, 6);
    assert!(archived(&[]).is_empty());
}

#[test]
fn an_accepted_rollback_goes_on_behind_what_others_saw() {
    let mut store = store(3);
    assert!(accept_rollback(&store, 5).unwrap().is_none());
    let seen = Head { length: 10, hash: Hash([3; 32]) };
    store.apply(&[Write::put(Table::Meta, HELD, encode(&Held::Behind(seen)))]).unwrap();
    let (held, writes) = accept_rollback(&store, 5).unwrap().unwrap();
    assert_eq!(held, Held::Behind(seen));
    store.apply(&writes).unwrap();
    let chain = Chain::read(&store).unwrap();
    assert_eq!((chain.head.length, chain.entries.len()), (11, 4));
    assert!(accept_rollback(&store, 5).unwrap().is_none());
    let mut log = Log::read(&store).unwrap();
    assert!(log.held.is_none() && log.has(&seen) && !log.has(&Head { length: 12, ..seen }));
    // From there on another hash is another log.
    assert!(log.has(&chain.head) && !log.has(&Head { length: 11, hash: Hash([3; 32]) }));
    let mut writes = Vec::new();
    log.add(WriteId(1), Vec::new(), &mut writes);
    assert!(writes.is_empty());
}

/// Until its operator acts the node goes on writing, perhaps past what others saw, who show it once more afterwards.
#[test]
fn a_rollback_is_accepted_once_however_far_the_log_went_on() {
    let mut store = store(6);
    let seen = Head { length: 4, hash: Hash([3; 32]) };
    assert!(!Log::read(&store).unwrap().has(&seen), "another log");
    store.apply(&[Write::put(Table::Meta, HELD, encode(&Held::Behind(seen)))]).unwrap();
    let (_, writes) = accept_rollback(&store, 5).unwrap().unwrap();
    store.apply(&writes).unwrap();
    let log = Log::read(&store).unwrap();
    assert!(log.head.length == 7 && log.has(&seen));
    assert!(!log.has(&Head { length: 8, hash: Hash([3; 32]) }), "went back behind that");
}

#[test]
fn a_head_is_good_for_its_signer_and_cluster() {
    let me = Identity::from_seed(&[1; 32]);
    let (cluster, other) = (ClusterId::from_bytes([2; 32]), ClusterId::from_bytes([3; 32]));
    let head = Head { length: 4, hash: Hash([5; 32]) };
    let signed = SignedHead::sign(&me, cluster, head);
    assert!(signed.is_of(me.node_id(), cluster));
    assert!(!signed.is_of(me.node_id(), other));
    assert!(!signed.is_of(Identity::from_seed(&[2; 32]).node_id(), cluster));
    for head in [Head { length: 5, ..head }, Head { hash: Hash([6; 32]), ..head }] {
        assert!(!SignedHead { head, ..signed.clone() }.is_of(me.node_id(), cluster));
    }
}

#[test]
fn summaries_are_short() {
    assert_eq!(shortened("\u{e9}".repeat(MAX_SUMMARY_BYTES)).len(), MAX_SUMMARY_BYTES);
    assert_eq!(shortened("a".to_owned()), "a");
    assert!(entry_of(&Write::put(Table::Meta, b"k", b"v"), 1).is_none());
    assert!(entry_of(&Write::delete(Table::Ceremonies, b"k"), 1).is_none());
    assert!(entry_of(&Write::delete(Table::Keys, b"k"), 1).is_some());
}
