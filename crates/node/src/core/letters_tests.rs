use super::*;
use crate::identity::{ClusterId, Identity};

fn letter(from: u8, created: u64, nonce: u64) -> SignedLetter {
    let identity = Identity::from_seed(&[from; 32]);
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&nonce.to_be_bytes());
    let letter = Letter {
        cluster: ClusterId::from_bytes([1; 32]),
        from: identity.node_id(),
        to: None,
        topic: "ops".to_owned(),
        text: "hello".to_owned(),
        created,
        nonce: salt,
    };
    letter.sign(&identity)
}

fn put(all: &mut Letters, signed: SignedLetter, unix: u64) -> Option<u64> {
    all.add(signed, BTreeSet::new(), unix).ok().map(|(number, _)| number)
}

#[test]
fn only_its_sender_and_its_cluster() {
    let good = letter(1, 5, 1);
    let cluster = ClusterId::from_bytes([1; 32]);
    assert!(good.is_valid_in(&cluster) && !good.is_valid_in(&ClusterId::from_bytes([2; 32])));
    let changes: [fn(&mut Letter); 5] = [
        |l| l.text.push('!'),
        |l| l.topic.push('x'),
        |l| l.to = Some(l.from),
        |l| l.created += 1,
        |l| l.from = Identity::from_seed(&[9; 32]).node_id(),
    ];
    for change in changes {
        let mut altered = good.clone();
        change(&mut altered.letter);
        assert!(!altered.is_valid_in(&cluster), "{altered:?}");
    }
    let identity = Identity::from_seed(&[1; 32]);
    let long = Letter { text: "x".repeat(api::limits::MAX_TEXT_BYTES + 1), ..good.letter.clone() };
    let odd = Letter { topic: "a b".to_owned(), ..good.letter };
    assert!(!long.sign(&identity).is_valid_in(&cluster) && !odd.sign(&identity).is_valid_in(&cluster));
}

/// The newest of each sender stay, whatever the order in which they come; what has gone does not come back.
#[test]
fn a_sender_pushes_out_its_own_oldest() {
    let mut all = Letters::default();
    let most = u64::try_from(MAX_LETTERS_OF_ONE).unwrap();
    put(&mut all, letter(2, 1, 0), 1_000).unwrap();
    for i in (0..most).rev() {
        put(&mut all, letter(1, 100 + i, i), 1_000).unwrap();
    }
    assert_eq!(put(&mut all, letter(1, 50, 0), 1_000), None, "older than all that are kept");
    put(&mut all, letter(1, 999, 0), 1_000).unwrap();
    assert_eq!(
        (all.kept.len(), all.of(Identity::from_seed(&[2; 32]).node_id()).count()),
        (MAX_LETTERS_OF_ONE + 1, 1)
    );
    assert_eq!(put(&mut all, letter(1, 100, 0), 1_000), None, "it has gone");
    assert_eq!(put(&mut all, letter(1, 101, 1), 1_000), None, "it is here");
    // After a week all go, and none of them is news when the clock is set back.
    assert!(!all.expire(1_000 + LETTER_KEPT_S).is_empty() && all.kept.is_empty() && all.numbers.is_empty());
    assert_eq!(put(&mut all, letter(1, 999, 0), 1_000), None);
    assert_eq!(put(&mut all, letter(1, 1_000 + MAX_SKEW_S + 1, 7), 1_000), None, "from the future");
    let number = put(&mut all, letter(1, 1_000, 7), 1_000).unwrap();
    assert_eq!(number, most + 2, "numbers go on");
}

#[test]
fn the_table_is_for_all() {
    let mut all = Letters::default();
    let senders = u8::try_from(MAX_LETTERS / MAX_LETTERS_OF_ONE).unwrap();
    for sender in 1..=senders {
        for i in 0..MAX_LETTERS_OF_ONE {
            put(&mut all, letter(sender, 5, u64::try_from(i).unwrap()), 5).unwrap();
        }
    }
    put(&mut all, letter(senders + 1, 1, 0), 5).unwrap();
    assert_eq!(all.kept.len(), MAX_LETTERS);
    assert_eq!(all.of(Identity::from_seed(&[senders + 1; 32]).node_id()).count(), 1);
}

#[test]
fn a_window_at_a_time_and_nothing_twice() {
    let mut all = Letters::default();
    let to = Identity::from_seed(&[8; 32]).node_id();
    for i in 0..40 {
        all.add(letter(1, 5, i), BTreeSet::from([to]), 5).unwrap();
    }
    let first = all.due(to);
    assert_eq!((first.len(), all.due(to).len()), (WINDOW, 0));
    for signed in &first {
        all.delivered(to, &signed.letter.id()).unwrap();
        assert_eq!(all.delivered(to, &signed.letter.id()), None);
    }
    assert_eq!(all.due(to).len(), 40 - WINDOW);
    // A new connection.
    all.under_way.remove(&to);
    assert_eq!(all.due(to).len(), 40 - WINDOW);
    assert_eq!(all.waiting.len(), 40 - WINDOW);
}
