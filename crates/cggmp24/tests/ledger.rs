//! The activation rules one by one. What follows from them together is explored in `activation.rs`.

#![allow(clippy::unwrap_used, reason = "tests")]

use consign_cggmp24::activation::{Active, EPOCHS_PER_SECOND, Event, Ledger, Refusal, Write, largest_number};
use consign_cggmp24::epoch::EpochId;
use consign_rounds::SessionId;

/// A Unix time in seconds.
const NOW: u64 = 1_800_000_000;

fn id(epoch: u64, session: u8) -> EpochId {
    EpochId { epoch, session: SessionId([session; 32]) }
}

#[test]
fn a_number_is_used_once() {
    let mut ledger = Ledger::new(Some(id(3, 0)));
    assert_eq!(ledger.accepts(3, NOW), Err(Refusal::Used { epoch: 3, highest: 3 }));
    assert_eq!(ledger.accepts(4, NOW), Ok(()));
    let largest = largest_number(NOW);
    assert_eq!(ledger.accepts(largest, NOW), Ok(()));
    assert_eq!(ledger.accepts(largest + 1, NOW), Err(Refusal::TooFar { epoch: largest + 1, largest }));
    assert_eq!(ledger.accepts(largest + EPOCHS_PER_SECOND, NOW + 1), Ok(()));
    let deal = |new, base| Event::Deal { id: new, base };
    assert_eq!(ledger.apply(deal(id(5, 1), id(2, 0))), Err(Refusal::NotActive));
    assert_eq!(ledger.apply(deal(id(5, 1), id(3, 0))), Ok(vec![Write::Highest(5)]));
    // The number is spent, for another session too; only the session that dealt may confirm it.
    let used = Err(Refusal::Used { epoch: 5, highest: 5 });
    assert_eq!(ledger.apply(deal(id(5, 2), id(3, 0))), used);
    assert_eq!(ledger.apply(Event::Confirm(id(5, 2))), used);
    assert_eq!(ledger.apply(Event::Confirm(id(5, 1))), Ok(vec![Write::Pending(id(5, 1))]));
    assert_eq!(ledger.apply(Event::Confirm(id(5, 1))), used);
    // A receiver has dealt nothing: its confirmation uses up the number.
    let confirmed = ledger.apply(Event::Confirm(id(6, 1)));
    assert_eq!(confirmed, Ok(vec![Write::Pending(id(6, 1)), Write::Highest(6)]));
    // What a peer shows counts as well.
    assert_eq!(ledger.apply(Event::Shown(6)), Ok(vec![]));
    assert_eq!(ledger.apply(Event::Shown(9)), Ok(vec![Write::Highest(9)]));
    assert_eq!(ledger.highest(), 9);
    assert!(ledger.apply(Event::Confirm(id(8, 1))).is_err());
}

#[test]
fn a_dealer_whose_session_ended_does_not_confirm() {
    let mut ledger = Ledger::new(Some(id(0, 0)));
    ledger.apply(Event::Deal { id: id(1, 1), base: id(0, 0) }).unwrap();
    assert_eq!(ledger.apply(Event::Ended(id(1, 1))), Ok(vec![]));
    assert!(ledger.apply(Event::Confirm(id(1, 1))).is_err());
    assert_eq!(ledger.pendings().count(), 0);
}

#[test]
fn the_largest_complete_epoch_counts() {
    let mut ledger = Ledger::new(Some(id(0, 0)));
    for epoch in 1..=3 {
        ledger.apply(Event::Confirm(id(epoch, 1))).unwrap();
        // Nothing that is confirmed goes away by itself.
        assert_eq!(ledger.apply(Event::Ended(id(epoch, 1))), Ok(vec![]));
    }
    let writes = ledger.apply(Event::Complete(id(2, 1))).unwrap();
    assert_eq!(writes, [Write::Activate(id(2, 1)), Write::Erase(id(0, 0)), Write::Erase(id(1, 1))]);
    assert!(ledger.pendings().eq([id(3, 1)]));
    // A late set for a smaller one changes nothing; one for a larger one does.
    assert_eq!(ledger.apply(Event::Complete(id(1, 1))), Ok(vec![]));
    assert_eq!(ledger.apply(Event::Complete(id(2, 1))), Ok(vec![]));
    let writes = ledger.apply(Event::Complete(id(3, 1))).unwrap();
    assert_eq!(writes, [Write::Activate(id(3, 1)), Write::Erase(id(2, 1))]);
    // Without a share of it, the node retires and erases what it has.
    let writes = ledger.apply(Event::Complete(id(4, 1))).unwrap();
    assert_eq!(writes, [Write::Retire(id(4, 1)), Write::Erase(id(3, 1))]);
    assert_eq!(ledger.active(), Some(Active { id: id(4, 1), has_share: false }));
    assert_eq!(ledger.apply(Event::Complete(id(5, 1))), Ok(vec![Write::Retire(id(5, 1))]));
    // A node that is new to the key gets its first share, and of two equal numbers the larger session counts.
    let mut new = Ledger::new(None);
    new.apply(Event::Confirm(id(7, 2))).unwrap();
    assert_eq!(new.apply(Event::Complete(id(7, 1))), Ok(vec![Write::Retire(id(7, 1))]));
    assert_eq!(new.apply(Event::Complete(id(7, 2))), Ok(vec![Write::Activate(id(7, 2))]));
}

#[test]
fn what_is_not_larger_than_the_epoch_in_force_is_not_confirmed() {
    // This node dealt shares for 5, and before it confirms it learns that 7 is complete, of which it has no share.
    let mut ledger = Ledger::new(Some(id(0, 0)));
    ledger.apply(Event::Deal { id: id(5, 1), base: id(0, 0) }).unwrap();
    ledger.apply(Event::Complete(id(7, 2))).unwrap();
    let used = |epoch| Refusal::Used { epoch, highest: 7 };
    assert_eq!(ledger.apply(Event::Confirm(id(5, 1))), Err(used(5)));
    assert_eq!(ledger.pendings().count(), 0);
    // Nor does it take part in anything else that could not count.
    assert_eq!(ledger.accepts(6, NOW), Err(used(6)));
    assert_eq!(ledger.apply(Event::Confirm(id(7, 1))), Err(used(7)));
    assert_eq!(ledger.accepts(8, NOW), Ok(()));
}

#[test]
fn who_was_away_for_long_takes_part_again() {
    // The numbers went on without this node, as far as they can: it counts from where the key is.
    let far = largest_number(NOW);
    for first in [None, Some(id(0, 0))] {
        let mut ledger = Ledger::new(first);
        ledger.apply(Event::Complete(id(far, 1))).unwrap();
        assert_eq!(ledger.accepts(far + 1, NOW), Err(Refusal::TooFar { epoch: far + 1, largest: far }));
        assert_eq!(ledger.accepts(far + 1, NOW + 1), Ok(()));
        ledger.apply(Event::Confirm(id(far + 1, 1))).unwrap();
        let activated = ledger.apply(Event::Complete(id(far + 1, 1))).unwrap();
        assert_eq!(activated, [Write::Activate(id(far + 1, 1))]);
    }
}

#[test]
fn a_forgotten_confirmation_is_not_followed_by_one_for_less() {
    let mut ledger = Ledger::new(Some(id(0, 0)));
    let deal = |new| Event::Deal { id: new, base: id(0, 0) };
    // While it deals for 3, somebody shows that it once confirmed 3: confirmations strictly increase.
    for shown in [3, 4] {
        let mut restored = ledger.clone();
        restored.apply(deal(id(3, 1))).unwrap();
        restored.apply(Event::Shown(shown)).unwrap();
        assert_eq!(restored.apply(Event::Confirm(id(3, 1))), Err(Refusal::Used { epoch: 3, highest: shown }));
    }
    // One for less does not matter.
    ledger.apply(deal(id(3, 1))).unwrap();
    assert_eq!(ledger.apply(Event::Shown(2)), Ok(vec![]));
    assert_eq!(ledger.apply(Event::Confirm(id(3, 1))), Ok(vec![Write::Pending(id(3, 1))]));
}
