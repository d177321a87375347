//! What holds for every policy.

use proptest::prelude::*;

use super::tests::{client, key, node, text};
use super::*;

/// A rule for one client, as it may be written.
fn a_rule(who: u8) -> impl Strategy<Value = String> {
    let ceremonies = proptest::sample::subsequence(Ceremony::ALL.to_vec(), 1..=5);
    let keys = proptest::sample::subsequence(vec!["own", "pay", "pay-*", "save"], 1..=4);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (ceremonies, keys, flags, proptest::option::of(1_u32..5)).prop_map(
        move |(ceremonies, keys, (digests, approve, members), per_minute)| {
            let words = |words: Vec<&str>| words.iter().map(|w| format!("\"{w}\",")).collect::<String>();
            let mut rule = format!(
                "[[allow]]\nclients = [\"c{who}\"]\nceremonies = [{}]\nkeys = [{}]\napprove = {approve}\n",
                words(ceremonies.iter().map(|c| c.word()).collect()),
                words(keys),
            );
            if ceremonies.contains(&Ceremony::Sign) {
                rule.push_str(&format!("raw_digests = {digests}\n"));
            }
            if ceremonies.contains(&Ceremony::Reshare) && members {
                rule.push_str(&format!("new_members = [\"{}\"]\n", node(4)));
            }
            if let Some(per_minute) = per_minute {
                rule.push_str(&format!("per_minute = {per_minute}\n"));
            }
            rule
        },
    )
}

fn rules(who: u8) -> impl Strategy<Value = String> {
    proptest::collection::vec(a_rule(who), 0..4).prop_map(|rules| rules.concat())
}

/// Everything of this sort that a client may ask for.
fn look(who: u8, mut see: impl FnMut(&Act<'_>)) {
    let (old, new) = ([node(1), node(2)], [node(2), node(4)]);
    let change = Change { holders: &old, threshold: 2, new_holders: &new, new_threshold: 2, gives: true };
    for label in ["pay", "pay-1", "save", "x"] {
        for owner in [None, Some(1), Some(2)] {
            let key = key(label, owner);
            for deed in [
                Deed::Keygen,
                Deed::Sign(None),
                Deed::Sign(Some(api::HashName::Sha256)),
                Deed::Presign,
                Deed::Refresh,
                Deed::Reshare(change),
            ] {
                see(&key.act(who, deed));
            }
        }
    }
}

/// How much a decision allows.
fn strength(decision: &Decision<'_>) -> u8 {
    match decision {
        Decision::Refused(_) => 0,
        Decision::Waits { .. } => 1,
        Decision::Allowed { .. } => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever is named by no rule gets nothing, whatever others may do; nor does whom the file does not know.
    #[test]
    fn what_is_not_allowed_is_refused(theirs in rules(2)) {
        let policy = Policy::parse(&text(&theirs)).unwrap();
        for who in [1, 3, 9] {
            look(who, |act| assert_eq!(strength(&policy.decide(act)), 0));
        }
    }

    /// Rules of others change nothing, and no rule takes away what another allows.
    #[test]
    fn rules_of_others_change_nothing(mine in rules(1), theirs in rules(2), more in rules(1)) {
        let alone = Policy::parse(&text(&mine)).unwrap();
        let beside = Policy::parse(&text(&(mine.clone() + &theirs))).unwrap();
        let with_more = Policy::parse(&text(&(mine + &more))).unwrap();
        look(1, |act| {
            assert_eq!(alone.decide(act), beside.decide(act));
            assert!(strength(&with_more.decide(act)) >= strength(&alone.decide(act)));
        });
    }

    /// Whatever is allowed, a rule for the client and the ceremony allows it, about a key that it names.
    #[test]
    fn own_means_own(mine in rules(1)) {
        let policy = Policy::parse(&text(&mine)).unwrap();
        look(1, |act| {
            let (Decision::Allowed { rule } | Decision::Waits { rule, .. }) = policy.decide(act) else { return };
            assert!(rule.is_for("c1") && rule.ceremonies.contains(&act.deed.ceremony()));
            let is_new = matches!(act.deed, Deed::Keygen);
            let is_own = is_new || act.key.owner == Some(client(1));
            let label = act.key.label.as_str();
            let named = rule.keys.iter().any(|key| match key {
                KeyPattern::Own => is_own,
                KeyPattern::Label(pattern) if pattern == "pay-*" => label.starts_with("pay-"),
                KeyPattern::Label(pattern) => pattern == label,
                KeyPattern::Id(_) => false,
            });
            assert!(named, "{act:?} by {rule:?}");
        });
    }

    /// A share for somebody new waits, or a rule names who gets it.
    #[test]
    fn nobody_new_gets_a_share_unasked(mine in rules(1)) {
        let policy = Policy::parse(&text(&mine)).unwrap();
        look(1, |act| {
            if let (Deed::Reshare(_), Decision::Allowed { rule }) = (act.deed, policy.decide(act)) {
                assert!(rule.new_members.contains(&node(4)));
            }
        });
    }

    /// In no 60 seconds are there more than a rule says, and after a quiet minute there are as many.
    #[test]
    fn limits_hold(per_minute in 1_u32..6, steps in proptest::collection::vec(0_u64..30_000, 1..60)) {
        let lines = format!(
            "[[allow]]\nclients = [\"*\"]\nceremonies = [\"sign\"]\nkeys = [\"own\"]\nper_minute = {per_minute}\n"
        );
        let policy = Policy::parse(&text(&lines)).unwrap();
        let rule = policy.rules().first().unwrap();
        let (mut counts, mut now, mut taken) = (Counts::default(), 0, Vec::<u64>::new());
        let take = |now, counts: &mut Counts| {
            let room = counts.room(&policy, client(1), rule, now);
            if room.is_ok() {
                counts.count(client(1), rule, now);
            }
            room
        };
        for step in steps {
            now += step;
            match take(now, &mut counts) {
                Ok(()) => taken.push(now),
                Err(full) => assert!((1..=61).contains(&full.retry_after_s), "{full:?}"),
            }
            counts.forget(now);
        }
        for at in &taken {
            let within = taken.iter().filter(|t| (*at..*at + 60_000).contains(t)).count();
            assert!(within <= usize::try_from(per_minute).unwrap(), "{taken:?}");
        }
        for _ in 0..per_minute {
            assert_eq!(take(now + 61_000, &mut counts), Ok(()));
        }
        assert!(take(now + 61_000, &mut counts).is_err());
        // Somebody else has a minute of its own.
        assert_eq!(counts.room(&policy, client(2), rule, now + 61_000), Ok(()));
    }
}
