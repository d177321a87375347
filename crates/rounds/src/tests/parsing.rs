//! No bytes make a decoder, a session or a judge panic, or convict somebody honest.

use proptest::prelude::*;
use proptest::sample::Index;

use super::toy::{Broadcast, Direct, SESSION, Toy, liar, lone_session, public, toss};
use crate::hash::tagged;
use crate::sim::{Letter, SimRng, TestKeys, honest, parties, party};
use crate::{DecodeError, Effect, Evidence, Message, PartyIndex, Reveal, decode, encode};

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Short(#[serde(deserialize_with = "crate::at_most::<3, _, _>")] Vec<u16>);

#[test]
fn a_short_list_is_short() {
    for length in 0..3 {
        let short = Short(vec![700; length]);
        assert_eq!(decode(&encode(&short), 100), Ok(short));
    }
    assert_eq!(decode::<Short>(&encode(&Short(vec![700; 3])), 100), Ok(Short(vec![700; 3])));
    assert_eq!(decode::<Short>(&encode(&Short(vec![700; 4])), 100), Err(DecodeError::Malformed));
}

/// A change that a network or an enemy makes to some bytes.
#[derive(Debug, Clone)]
enum Damage {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index),
    Remove(Index),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, b)| Damage::Insert(at, b)),
        any::<Index>().prop_map(Damage::Cut),
        any::<Index>().prop_map(Damage::Remove),
    ];
    prop::collection::vec(one, 1..4)
}

fn damaged(bytes: &[u8], damage: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for one in damage {
        if bytes.is_empty() {
            return bytes;
        }
        let length = bytes.len();
        match one {
            Damage::Set(at, byte) => bytes[at.index(length)] = *byte,
            Damage::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Cut(at) => bytes.truncate(at.index(length)),
            Damage::Remove(at) => drop(bytes.remove(at.index(length))),
        }
    }
    bytes
}

/// All messages of a session in which an equivocation leads to reveals, and the evidence that comes of it.
fn samples() -> &'static (Vec<Message>, Vec<Evidence>) {
    static SAMPLES: std::sync::OnceLock<(Vec<Message>, Vec<Evidence>)> = std::sync::OnceLock::new();
    SAMPLES.get_or_init(|| {
        let (mut messages, mut evidence) = (Vec::new(), Vec::new());
        let equivocation = |to: u16, said: &mut Broadcast, _: &mut Direct| {
            if let (Broadcast::Commit(m), 1) = (said, to) {
                m.pad = [5; 32];
            }
        };
        let bad_share = |to: u16, _: &mut Broadcast, share: &mut Direct| {
            if to == 1 {
                *share = Direct::Share([5; 32]);
            }
        };
        let false_opening = |_: u16, said: &mut Broadcast, _: &mut Direct| *said = Broadcast::Open([5; 32]);
        let mut run = |mut adversary: Box<dyn FnMut(&TestKeys, Letter) -> Vec<Letter>>| {
            let outcome = toss(1, 3, &mut |keys: &TestKeys, letter: Letter| {
                messages.push(letter.message.clone());
                adversary(keys, letter)
            });
            evidence.extend(outcome.verdicts.into_values().flatten().map(|verdict| verdict.evidence));
        };
        run(Box::new(liar(2, 1, equivocation)));
        run(Box::new(liar(2, 2, bad_share)));
        run(Box::new(liar(2, 3, false_opening)));
        let reveals = || messages.iter().filter(|m| matches!(m, Message::Reveal(_)));
        assert!(reveals().count() >= 3);
        let Some(Message::Reveal(reveal)) = reveals().find(|m| m.claimed_sender() == party(2)) else {
            panic!("party 2 reveals")
        };
        let mut reveal: Reveal = reveal.clone();
        reveal.completed = 3;
        TestKeys::new(1, parties(3)).reseal_reveal(&mut reveal);
        evidence.push(Evidence::BadReveal(reveal));
        (messages, evidence)
    })
}

#[test]
fn samples_cover_every_kind() {
    let mut kinds: Vec<_> = samples()
        .1
        .iter()
        .map(|evidence| match evidence {
            Evidence::Equivocation(..) => 1,
            Evidence::Misbehaviour { .. } => 2,
            Evidence::Complaint { .. } => 3,
            Evidence::WrongEcho { .. } => 4,
            Evidence::BadReveal(_) => 5,
        })
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [1, 2, 3, 5]);
    for evidence in &samples().1 {
        assert_eq!(judge(evidence), Some(party(2)));
    }
}

fn judge(evidence: &Evidence) -> Option<PartyIndex> {
    evidence.verify::<Toy>(&public(3), SESSION, &TestKeys::new(1, parties(3)))
}

/// Gives a message to a session in its first round and to one that has ended; neither may accuse anybody but 2.
fn receive_everywhere(message: &Message) {
    let keys = TestKeys::new(1, parties(3));
    let mut rng: SimRng = rand_core::SeedableRng::seed_from_u64(0);
    let (mut session, _) = lone_session(&keys, SESSION, 1, 3);
    let first = session.receive(message.clone(), &mut rng);
    let last = session.give_up();
    let again = session.receive(message.clone(), &mut rng);
    for effect in first.into_iter().chain(last).chain(again) {
        if let Effect::Accuse(verdict) = effect {
            assert_eq!(verdict.culprit, party(2));
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused_or_canonical(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(message) = Message::decode(&bytes, 600) {
            prop_assert_eq!(message.encode(), bytes.clone());
            receive_everywhere(&message);
        }
        if let Ok(evidence) = Evidence::decode(&bytes, 600) {
            prop_assert_eq!(evidence.encode(), bytes.clone());
            prop_assert_eq!(judge(&evidence), None);
        }
        if let Ok(said) = decode::<Broadcast>(&bytes, 600) {
            prop_assert_eq!(encode(&said), bytes);
        }
    }

    #[test]
    fn damaged_messages_harm_nobody(which in any::<Index>(), damage in damage()) {
        let messages = &samples().0;
        let bytes = damaged(&messages[which.index(messages.len())].encode(), &damage);
        if let Ok(message) = Message::decode(&bytes, 1 << 16) {
            prop_assert_eq!(message.encode(), bytes);
            receive_everywhere(&message);
        }
    }

    #[test]
    fn damaged_words_under_a_signature_convict_their_author_only(
        which in any::<Index>(),
        damage in damage(),
        in_broadcast: bool,
    ) {
        let from_2: Vec<_> = samples().0.iter().filter(|m| m.claimed_sender() == party(2)).collect();
        let mut message = from_2[which.index(from_2.len())].clone();
        if let Message::Envelope(envelope) = &mut message {
            let part = if in_broadcast { &mut envelope.broadcast } else { &mut envelope.direct };
            part.0 = damaged(part, &damage);
            TestKeys::new(1, parties(3)).reseal(envelope);
            let seed = u64::from(envelope.signed.header.round);
            // In place of the true one, in a whole session.
            let outcome = toss(seed, 3, &mut |keys: &TestKeys, mut letter: Letter| {
                if super::toy::is_said(&letter, 2, envelope.signed.header.round)
                    && let Message::Envelope(honest) = &mut letter.message
                {
                    let part = if in_broadcast { &mut honest.broadcast } else { &mut honest.direct };
                    part.0 = damaged(part, &damage);
                    keys.reseal(honest);
                }
                vec![letter]
            });
            for me in [1, 3] {
                prop_assert!(outcome.culprits(party(me)).iter().all(|culprit| *culprit == party(2)));
            }
        }
        receive_everywhere(&message);
    }

    #[test]
    fn damaged_evidence_convicts_nobody_else(which in any::<Index>(), damage in damage()) {
        let evidence = &samples().1;
        let bytes = damaged(&evidence[which.index(evidence.len())].encode(), &damage);
        if let Ok(evidence) = Evidence::decode(&bytes, 1 << 16) {
            prop_assert_eq!(evidence.encode(), bytes);
            prop_assert!(judge(&evidence).is_none_or(|culprit| culprit == party(2)));
        }
    }

    #[test]
    fn lists_are_hashed_injectively(
        a in prop::collection::vec(prop::collection::vec(0..3u8, 0..4), 0..4),
        b in prop::collection::vec(prop::collection::vec(0..3u8, 0..4), 0..4),
    ) {
        let slices = |list: &[Vec<u8>]| list.iter().map(|item| item.to_vec()).collect::<Vec<_>>();
        let hash = |list: &[Vec<u8>]| {
            let list = slices(list);
            tagged("t", &list.iter().map(|item| &item[..]).collect::<Vec<_>>())
        };
        prop_assert_eq!(a == b, hash(&a) == hash(&b));
    }
}

#[test]
fn moving_bytes_between_items_changes_the_hash() {
    assert_ne!(tagged("t", &[b"a", b"bc"]), tagged("t", &[b"ab", b"c"]));
    assert_ne!(tagged("t", &[b"a"]), tagged("t", &[b"a", b""]));
    assert_ne!(tagged("ta", &[b"b"]), tagged("t", &[b"ab"]));
}

#[test]
fn the_limit_comes_before_parsing() {
    let mut bytes = samples().0[0].encode();
    let length = bytes.len();
    assert!(Message::decode(&bytes, length).is_ok());
    assert_eq!(Message::decode(&bytes, length - 1), Err(DecodeError::TooLong));
    bytes.push(0);
    assert_eq!(Message::decode(&bytes, length + 1), Err(DecodeError::Malformed));
    let evidence = samples().1[0].encode();
    assert_eq!(Evidence::decode(&evidence, evidence.len() - 1), Err(DecodeError::TooLong));
}

#[test]
fn lengths_that_lie_are_refused_without_allocating() {
    // A byte string, and a list of headers, that claim 2^60 items.
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    assert_eq!(decode::<crate::Bytes>(&huge, 100), Err(DecodeError::Malformed));
    assert_eq!(decode::<Vec<crate::SignedHeader>>(&huge, 100), Err(DecodeError::Malformed));
    assert_eq!(decode::<crate::Past>(&huge, 100), Err(DecodeError::Malformed));
}

#[test]
fn maps_have_one_encoding() {
    let map: crate::PerParty<u8> = [(party(1), 5), (party(2), 6)].into();
    assert_eq!(encode(&map), [2, 1, 5, 2, 6]);
    assert_eq!(decode(&[2, 1, 5, 2, 6], 9), Ok(map));
    for other in [[2, 2, 6, 1, 5], [2, 1, 5, 1, 5]] {
        assert_eq!(decode::<crate::PerParty<u8>>(&other, 9), Err(DecodeError::NotCanonical));
    }
    assert_eq!(decode::<crate::PerParty<u8>>(&[1, 0, 5], 9), Err(DecodeError::Malformed), "no party 0");
    assert_eq!(decode::<u16>(&[0x81, 0x00], 9), Err(DecodeError::NotCanonical));
}

#[test]
fn honest_messages_survive_the_wire() {
    toss(2, 3, &mut |keys: &TestKeys, mut letter: Letter| {
        letter.message = Message::decode(&letter.message.encode(), 1 << 16).unwrap();
        honest(keys, letter)
    })
    .finished
    .first_key_value()
    .expect("all finish");
}
