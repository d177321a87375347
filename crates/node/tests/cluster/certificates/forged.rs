//! A node in the wrong hands makes certificates of what it has: keys of its own making, honest ones of other keys, shares
//! and identities of fewer holders than are needed.

use consign_api as api;
use consign_api::Mistrust;
use consign_cggmp24::curve::Secp256k1;
use consign_cggmp24::key::KeyInfo;
use consign_cggmp24::reshare::Completion;
use consign_node::core::certificate::{NotCertified, judge};
use consign_node::core::proposal::{Accept, Drawn, NoEntry, Participant, Proposal};
use consign_node::core::wire::Certificate;
use consign_rounds::{PartyIndex, PerParty, PublicPart, decode, encode};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{made, next, with_certificate};
use crate::clients::Customer;
use crate::sim::Sim;

type Info = KeyInfo<Secp256k1>;
type Set = PerParty<PublicPart>;
type Link = Completion<Secp256k1>;
type Lie<'a> = &'a dyn Fn(&mut Link);

fn read<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> T {
    decode(bytes, usize::MAX).unwrap()
}

fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

/// What the judge says of a certificate that was changed.
fn with(
    certificate: &Certificate,
    change: impl FnOnce(&mut Certificate),
) -> Result<api::Certified, NotCertified> {
    let mut other = certificate.clone();
    change(&mut other);
    judge(&other.to_file())
}

/// Certificates that hold, of keys that the client did not ask for.
#[test]
fn no_other_key_is_taken_for_the_one_that_was_asked_for() {
    let (mut sim, customer, _, call, file) = with_certificate(910, 3);
    assert_eq!(judge(&file).unwrap().is_for(&call), Ok(()));
    let not_asked = |sim: &mut Sim, other: &api::SignedRequest| {
        let key = made(sim, other);
        let shown = judge(&sim.certificate(1, key.id)).unwrap();
        assert_eq!(shown.is_for(other), Ok(()));
        match shown.is_for(&call) {
            Err(Mistrust::NotAsked { what, .. }) => what,
            verdict => panic!("{verdict:?}"),
        }
    };
    // An older one of the same client, from the same holders.
    let other = customer.sign(&sim, &sim.create_key(2, &[0, 1, 2]), "another");
    assert_eq!(not_asked(&mut sim, &other), "Idempotency-Key");
    // One that the node asks for as a client of its own, with everything as it should be.
    let thief = Customer::of(&sim, 7);
    let other = thief.sign(&sim, &sim.create_key(2, &[0, 1, 2]), "mine");
    assert_eq!(not_asked(&mut sim, &other), "client");
}

/// A key of the node's own making, under the client's request: by committees, thresholds and curves that suit it, with
/// what it can sign itself and what others once signed.
#[test]
fn a_key_of_the_nodes_own_making_is_refused() {
    let (sim, _, _, call, file) = with_certificate(911, 3);
    let right = Certificate::from_file(&file).unwrap();
    assert_eq!(right.proposal.request, call.encode());

    // The proposal does not follow from the request.
    let outsider = consign_node::identity::Identity::from_seed(&[42; 32]);
    let member = |index, who: usize| Participant { index, id: sim.id(who) };
    let changes: [&dyn Fn(&mut Proposal); 6] = [
        &|p| p.participants = vec![member(1, 1), member(2, 0), member(3, 2)],
        &|p| p.participants.truncate(2),
        &|p| p.participants[0].id = outsider.node_id(),
        &|p| p.threshold = 3,
        &|p| p.level = 112,
        &|p| p.curve = "p256".to_owned(),
    ];
    for change in changes {
        let verdict = with(&right, |c| change(&mut c.proposal));
        // On another curve the points are none, before anything is compared.
        assert!(
            matches!(verdict, Err(NotCertified::Proposal | NotCertified::NotACertificate)),
            "{verdict:?}"
        );
    }
    // With another request it does, and then the accepts are none; so with another salt.
    let thief = Customer::of(&sim, 7).sign(&sim, &sim.create_key(2, &[0, 1, 2]), "mine").encode();
    let changes: [&dyn Fn(&mut Proposal); 2] = [&|p| p.request.clone_from(&thief), &|p| p.salt = [1; 16]];
    for change in changes {
        assert_eq!(
            with(&right, |c| change(&mut c.proposal)),
            Err(NotCertified::Accepts(NoEntry::Invalid(1)))
        );
    }
    let mut unsigned = right.proposal.request.clone();
    unsigned[2 + 32 + 32 + 16] ^= 1;
    let verdict = with(&right, |c| c.proposal.request = unsigned);
    assert!(matches!(verdict, Err(NotCertified::Request(_))), "{verdict:?}");

    // The node accepts anew, and nobody else does: another session, of which the others have said nothing.
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    let own = |proposal: &Proposal, rng: &mut ChaCha20Rng| {
        let me = &sim.machines[1].identity;
        Drawn::accept(me, proposal, 2, 0, rng).1
    };
    let again = own(&right.proposal, rng);
    let place = right.accepts.iter().position(|accept| accept.index == 2).unwrap();
    assert_eq!(with(&right, |c| c.accepts[place] = again), Err(NotCertified::Epoch));
    let salted = Proposal { salt: [1; 16], ..right.proposal.clone() };
    let by_all = |c: &mut Certificate, rng: &mut ChaCha20Rng| {
        c.accepts = (1..=3).map(|index| Accept { index, ..own(&salted, rng) }).collect();
        c.proposal = salted.clone();
    };
    assert_eq!(with(&right, |c| by_all(c, rng)), Err(NotCertified::Accepts(NoEntry::Invalid(1))));
}

/// What was signed for another key, or by fewer holders, is put in the place of what it should be.
#[test]
fn what_others_signed_counts_for_what_they_signed() {
    let (mut sim, customer, _, _, file) = with_certificate(913, 3);
    let right = Certificate::from_file(&file).unwrap();
    let other = customer.sign(&sim, &sim.create_key(2, &[0, 1, 2]), "another");
    let other = made(&mut sim, &other);
    let other = Certificate::from_file(&sim.certificate(0, other.id)).unwrap();

    // Accepts that are of another proposal, too few, or one of them twice.
    assert_eq!(
        with(&right, |c| c.accepts.clone_from(&other.accepts)),
        Err(NotCertified::Accepts(NoEntry::Invalid(1)))
    );
    let incomplete = Err(NotCertified::Accepts(NoEntry::Incomplete));
    assert_eq!(with(&right, |c| c.accepts.truncate(2)), incomplete);
    assert_eq!(with(&right, |c| c.accepts[2] = c.accepts[1].clone()), incomplete);

    // The first epoch of another key, or another public key in this one.
    assert_eq!(with(&right, |c| c.info.clone_from(&other.info)), Err(NotCertified::Epoch));
    let theirs: Info = read(&other.info);
    let altered = |change: &dyn Fn(&mut Info)| {
        with(&right, |c| {
            let mut info: Info = read(&c.info);
            change(&mut info);
            c.info = encode(&info);
        })
    };
    let shares = |i: &mut Info| {
        (i.public_key, i.public_shares) = (theirs.public_key, theirs.public_shares.clone());
    };
    assert_eq!(altered(&shares), Err(NotCertified::Confirmations));
    assert_eq!(altered(&|i| i.chain_code = Some([1; 32])), Err(NotCertified::Confirmations));
    assert_eq!(altered(&|i| i.key_id = [1; 32]), Err(NotCertified::Confirmations));
    assert_eq!(altered(&|i| i.threshold = 3), Err(NotCertified::Epoch));

    // Confirmations of another key, of fewer holders, of one holder twice.
    let confirmed = |change: &dyn Fn(&mut Set)| {
        with(&right, |c| {
            let mut set: Set = read(&c.set);
            change(&mut set);
            c.set = encode(&set);
        })
    };
    let refused = Err(NotCertified::Confirmations);
    assert_eq!(with(&right, |c| c.set.clone_from(&other.set)), refused);
    assert_eq!(with(&right, |c| c.set.clear()), refused);
    assert_eq!(confirmed(&|set| drop(set.remove(&party(3)))), refused);
    let twice = |set: &mut Set| drop(set.insert(party(3), set[&party(2)].clone()));
    assert_eq!(confirmed(&twice), refused);
    let more = |set: &mut Set| drop(set.insert(party(4), set[&party(2)].clone()));
    assert_eq!(confirmed(&more), refused);
}

/// Links from one epoch to the next: of another key, of fewer old holders than are needed, to a committee that these did not
/// consent to.
#[test]
fn a_link_needs_those_who_hold_the_key() {
    let (mut sim, customer, key, _, _) = with_certificate(912, 4);
    let second = customer.sign(&sim, &sim.create_key(2, &[0, 1, 2]), "another");
    let second = made(&mut sim, &second);
    let mut moved = Vec::new();
    for (key, committee) in [(&key, [0, 1, 3]), (&second, [3, 1, 2])] {
        let request = sim.reshare(key, 2, &committee);
        let call = customer.sign(&sim, &request, &format!("move-{}", key.id.short()));
        let Ok(api::Outcome::Key(now)) = sim.bring(0, &call) else { panic!("not moved") };
        sim.agree(&[1, 3], &now);
        moved.push(Certificate::from_file(&sim.certificate(3, now.id)).unwrap());
    }
    let [right, other] = &moved[..] else { panic!() };
    let refused = Err(NotCertified::Change(1));
    assert_eq!(with(right, |c| c.steps.clone_from(&other.steps)), refused);

    let altered = |change: Lie<'_>| {
        with(right, |c| {
            // Behind the number of the variant.
            let (kind, body) = c.steps[0].split_first().unwrap();
            let mut step: Link = read(body);
            change(&mut step);
            c.steps[0] = [vec![*kind], encode(&step)].concat();
        })
    };
    assert!(altered(&|_| {}).is_ok());
    let first = |set: &Set| *set.keys().next().unwrap();
    let last = |set: &Set| *set.keys().last().unwrap();
    let theirs: Link = read(&other.steps[0][1..]);
    let lies: [Lie<'_>; 10] = [
        // One old holder says nothing, or what the other one says, or what it said in another session.
        &|s| drop(s.openings.remove(&first(&s.openings))),
        &|s| drop(s.openings.insert(first(&s.openings), s.openings[&last(&s.openings)].clone())),
        &|s| s.openings.clone_from(&theirs.openings),
        // The new holders are others, or need to be fewer.
        &|s| s.info.parties = theirs.info.parties.clone(),
        &|s| s.info.threshold = 3,
        &|s| s.info.epoch = 9,
        // A new holder confirms nothing, or something else.
        &|s| drop(s.confirmations.remove(&first(&s.confirmations))),
        &|s| s.confirmations.clone_from(&theirs.confirmations),
        // Their shares are those of another key.
        &|s| s.info.public_shares.clone_from(&theirs.info.public_shares),
        &|s| s.aux_id = [1; 32],
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        assert_eq!(altered(lie), refused, "lie {number}");
    }

    // A refresh that one holder, less than the threshold, confirms in the name of all.
    let now = sim.key_at(1, key.id).unwrap();
    let request = sim.refresh(&now, api::Moduli::Keep);
    let now = next(&mut sim, &customer, &now, &request);
    sim.agree(&[0, 1, 3], &now);
    let refreshed = Certificate::from_file(&sim.certificate(1, key.id)).unwrap();
    assert_eq!(judge(&refreshed.to_file()).unwrap().changes, 2);
    type Refresh = (Info, [u8; 32], Set);
    let altered = |change: &dyn Fn(&mut Refresh)| {
        with(&refreshed, |c| {
            let (kind, body) = c.steps[1].split_first().unwrap();
            let mut step: Refresh = read(body);
            change(&mut step);
            c.steps[1] = [vec![*kind], encode(&step)].concat();
        })
    };
    assert!(altered(&|_| {}).is_ok());
    let refused = Err(NotCertified::Change(2));
    assert_eq!(altered(&|(_, _, set)| drop(set.remove(&party(1)))), refused);
    let twice = |(_, _, set): &mut Refresh| drop(set.insert(party(1), set[&party(2)].clone()));
    assert_eq!(altered(&twice), refused);
    assert_eq!(altered(&|(info, ..)| info.threshold = 3), refused);
    assert_eq!(altered(&|(info, ..)| info.epoch += 1), refused);
    assert_eq!(altered(&|(_, aux, _)| *aux = [1; 32]), refused);
    // In another order nothing follows from anything.
    assert_eq!(with(&refreshed, |c| c.steps.swap(0, 1)), Err(NotCertified::Change(1)));
}
