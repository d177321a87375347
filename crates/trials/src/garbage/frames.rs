//! Frames with something wrong: of strangers, of somebody who asks to be let in, and of a member.

use consign_api::ClusterId;
use consign_node::core::Hash;
use consign_node::core::roster::{Says, Signed, Statement};
use consign_node::core::wire::{KnownEpoch, MAX_MESSAGE_BYTES, PeerMessage};
use consign_node::identity::{self, Identity};

use super::speaker::{Said, say};
use crate::chance::Chance;
use crate::cluster::Host;
use crate::figures::Tally;
use crate::{Outcome, Setup};

/// Frames of one stranger; then another one comes, with another identity.
const OF_ONE_STRANGER: usize = 2_500;
/// One of so many is sent with a pause in the middle.
const SLOW: usize = 250;
/// One of so many is as large as a message of a member may be.
const LARGE: usize = 2_000;
/// More messages than a frame may have.
const TOO_MANY: usize = 257;

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Stranger,
    Joiner,
    Member,
}

/// Says so many: half of them as the member, the rest as strangers of both kinds. What became of them.
pub(super) fn run(
    setup: &Setup,
    host: &Host,
    cluster: ClusterId,
    member: &Identity,
    count: usize,
) -> Outcome<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (strangers, joiners) = (count / 4, count / 4);
    runtime.block_on(async {
        let mut all = Tally::default();
        for (speaker, name, count) in
            [(Speaker::Stranger, "stranger", strangers), (Speaker::Joiner, "joiner", joiners)]
        {
            let mut left = count;
            while left > 0 {
                let now = left.min(OF_ONE_STRANGER);
                let seed = Chance::new(setup.seed, 20_000 + left as u64).bytes(32);
                let identity = Identity::from_seed(&seed.try_into().unwrap_or([1; 32]));
                all.merge(some(setup, host, cluster, &identity, (speaker, name), (left, now)).await?);
                left -= now;
            }
        }
        let count = count - strangers - joiners;
        all.merge(some(setup, host, cluster, member, (Speaker::Member, "member"), (count, count)).await?);
        Ok(all)
    })
}

async fn some(
    setup: &Setup,
    host: &Host,
    cluster: ClusterId,
    identity: &Identity,
    (speaker, name): (Speaker, &str),
    (from, count): (usize, usize),
) -> Outcome<Tally> {
    let mut number = from - count;
    // Only who asks to be let in begins with something that is well formed.
    let mut first = (speaker == Speaker::Joiner).then(|| {
        let ask = PeerMessage::AskIn { cluster: id(cluster), announce: announce(identity, cluster) };
        Said { bytes: frame(&[ask.encode()]), slowly: false }
    });
    let next = || {
        if let Some(first) = first.take() {
            return Some(first);
        }
        if number >= from {
            return None;
        }
        number += 1;
        let mut chance = Chance::new(setup.seed, 30_000 + number as u64 * 4 + speaker as u64);
        let bytes = one(&mut chance, number, speaker, identity, cluster);
        Some(Said { bytes, slowly: number.is_multiple_of(SLOW) })
    };
    say(host, cluster, identity, name, next).await
}

/// A frame with something wrong.
fn one(
    chance: &mut Chance,
    number: usize,
    speaker: Speaker,
    identity: &Identity,
    cluster: ClusterId,
) -> Vec<u8> {
    let random = |chance: &mut Chance, most: usize| {
        let length = chance.below(most);
        chance.bytes(length)
    };
    match number % 12 {
        0 => random(chance, 2_000),
        1 => [&u32::MAX.to_be_bytes()[..], &random(chance, 500)].concat(),
        2 => [&1_000_u32.to_be_bytes()[..], &random(chance, 900)].concat(),
        3 => frame(&[random(chance, 400), random(chance, 400)]),
        4 | 5 => {
            let mut bytes = frame(&[good(chance, identity, cluster).encode()]);
            // Not in the length of the frame, so that it is read to the end.
            let at = 4 + chance.below(bytes.len() - 4);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
            bytes
        }
        6 => frame(&vec![vec![0]; TOO_MANY]),
        7 => {
            let mut bytes = frame(&[good(chance, identity, cluster).encode()]);
            bytes.truncate(chance.below(bytes.len()) + 1);
            bytes
        }
        8 => {
            // A list of 2^32 items, and lists in lists, by their first bytes.
            let kind = u8::try_from(chance.below(32)).unwrap_or(0);
            let deep = [&[kind][..], &[0xff, 0xff, 0xff, 0xff, 0x0f].repeat(chance.below(200) + 1)].concat();
            frame(&[deep])
        }
        9 => {
            // More than its kind may have.
            let kind = u8::try_from(chance.below(40)).unwrap_or(0);
            let large = speaker == Speaker::Member && number.is_multiple_of(LARGE);
            let length = if large { MAX_MESSAGE_BYTES - 64 } else { 6_000 };
            let mut bytes = vec![0x80; length];
            bytes.splice(..1, [kind]);
            frame(&[bytes])
        }
        10 => frame(&[good(chance, identity, cluster).encode()]),
        _ => {
            let kind = u8::try_from(chance.below(34)).unwrap_or(0);
            frame(&[[&[kind][..], &random(chance, 3_000)].concat()])
        }
    }
}

/// A message that is well formed, about nothing that there is.
fn good(chance: &mut Chance, identity: &Identity, cluster: ClusterId) -> PeerMessage {
    let hash = |chance: &mut Chance| Hash(chance.bytes(32).try_into().unwrap_or([0; 32]));
    let (one, other) = (hash(chance), hash(chance));
    match chance.below(11) {
        0 => PeerMessage::RosterDigest(one),
        1 => PeerMessage::Preparing { proposal: one },
        2 => PeerMessage::Start { proposal: one, accepts: Vec::new() },
        3 => PeerMessage::Round { ceremony: one, envelope: chance.bytes(300) },
        4 => PeerMessage::AskConfirmed(vec![one, other]),
        5 => PeerMessage::Confirmed { ceremony: one, set: chance.bytes(200) },
        6 => PeerMessage::AskKey(one),
        7 => PeerMessage::Epochs(vec![KnownEpoch { key: one, epoch: 7, session: other }]),
        8 => PeerMessage::Pass { presignature: one, request: chance.bytes(300) },
        9 => PeerMessage::Joiner(announce(identity, cluster)),
        _ => PeerMessage::Received(vec![one]),
    }
}

fn announce(identity: &Identity, cluster: ClusterId) -> Signed {
    let (name, version) = ("junk".to_owned(), "0".to_owned());
    let says = Says::Announce { addresses: vec!["/ip4/127.0.0.1/tcp/1".to_owned()], name, version };
    Statement { cluster: id(cluster), author: identity.node_id(), sequence: 1, says }.sign(identity)
}

fn id(cluster: ClusterId) -> identity::ClusterId {
    identity::ClusterId::from_bytes(cluster.0)
}

/// A frame as nodes write it.
fn frame(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut body = [[7_u8; 8], 0_u64.to_be_bytes()].concat();
    for message in messages {
        body.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
        body.extend(message);
    }
    [&u32::try_from(body.len()).unwrap_or(0).to_be_bytes()[..], &body].concat()
}
