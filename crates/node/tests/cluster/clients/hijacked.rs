//! Node 1 is in the wrong hands: it says what its master likes, with its true identity. What it is shown is what any
//! participant is shown. Node 0 is honest, and answers.

use consign_api as api;
use consign_api::SignedRequest;
use consign_node::core::hash::Hash;
use consign_node::core::proposal::{Kind, Participant, Proposal};
use consign_node::core::requests::{MAX_TRIES, RawRequest, Wanted};
use consign_node::core::wire::PeerMessage;

use super::{Customer, message, signature};
use crate::client::verify;
use crate::examined::{answer, refuses};
use crate::hostile::{capture_node_1, proposal_of};
use crate::policies::allow;
use crate::sim::Sim;

/// A cluster, a client with a key, and what node 0 proposes for a request of it that never gets further.
fn with_model(seed: u64, kind: Kind) -> (Sim, Customer, api::KeyView, Proposal) {
    let mut sim = Sim::cluster_for_clients(seed, 3);
    let customer = Customer::of(&sim, 1);
    let key = sim.key_of(&customer, "key");
    let tape = capture_node_1(&mut sim);
    let request = match kind {
        Kind::Sign => message(&key, b"a model"),
        _ => sim.create_key(2, &[0, 1, 2]),
    };
    let call = customer.sign(&sim, &request, "model");
    sim.start(0, api::Request::Signed(Box::new(call))).unwrap();
    let model = proposal_of(&tape, kind).unwrap();
    (sim, customer, key, model)
}

/// The model with this request, as node 1 proposes it.
fn with_request(sim: &Sim, model: &Proposal, request: Vec<u8>) -> Proposal {
    Proposal { proposer: sim.id(1), request, ..model.clone() }
}

/// What node 1 proposes so that everything fits this request of a message.
fn for_message(sim: &Sim, model: &Proposal, text: &[u8], request: Vec<u8>) -> Proposal {
    let digest = Some(api::HashName::Sha256.digest(text));
    Proposal { digest, ..with_request(sim, model, request) }
}

/// Nothing that no client has signed, in whatever form it comes.
#[test]
fn nothing_is_signed_that_no_client_asked_for() {
    let (mut sim, customer, key, model) = with_model(511, Kind::Sign);
    let theft = message(&key, b"all the money");
    let api::Request::Sign(wanted) = theft.clone() else { panic!() };
    let raw = RawRequest::new(&Wanted::Signature(wanted), sim.unix(), [1; 16]);
    let proposal = for_message(&sim, &model, b"all the money", raw.encode());
    refuses(&mut sim, &proposal, "no client has signed");

    // Under the client's name, with the signature of another call.
    let signed = customer.sign(&sim, &message(&key, b"some money"), "1");
    let body = [&raw.body[..]].concat();
    let forged = [&signed.encode()[..signed.encode().len() - signed.body().len()], &body].concat();
    let proposal = for_message(&sim, &model, b"all the money", forged);
    refuses(&mut sim, &proposal, "the signature does not hold");

    // Signed by the node itself, as if it were a client.
    let seed = sim.machines[1].identity.expose_seed();
    let itself = Customer::of(&sim, 1).with_secret(&seed).sign(&sim, &theft, "2");
    let proposal = for_message(&sim, &model, b"all the money", itself.encode());
    refuses(&mut sim, &proposal, "is the key of a node");

    // Meant for another cluster.
    let elsewhere = Customer::of(&sim, 1).elsewhere().sign(&sim, &theft, "3");
    let proposal = for_message(&sim, &model, b"all the money", elsewhere.encode());
    refuses(&mut sim, &proposal, "for another cluster");

    // What the client did sign, and nobody has tampered with, is accepted.
    let proposal = for_message(&sim, &model, b"some money", signed.encode());
    assert_eq!(answer(&mut sim, &proposal), None);
}

/// An operator is asked about what a client has signed, and about nothing else that somebody brings in its name.
#[test]
fn no_operator_is_bothered_with_a_forgery() {
    let (mut sim, customer, key, model) = with_model(516, Kind::Sign);
    sim.write_policy(0, &customer, &allow("\"sign\"", "\"own\"", "approve = true\n"));
    let signed = customer.sign(&sim, &message(&key, b"some money"), "1").encode();
    let mut forged = signed.clone();
    forged[2 + 32 + 32 + 16] ^= 1;
    let proposal = for_message(&sim, &model, b"some money", forged);
    refuses(&mut sim, &proposal, "does not hold");
    assert!(sim.approvals(0).is_empty());
    let proposal = for_message(&sim, &model, b"some money", signed);
    refuses(&mut sim, &proposal, "waits for approval at node-0");
    let waiting = sim.approvals(0);
    assert_eq!((waiting.len(), waiting[0].proposer), (1, sim.api_id(1)));
}

/// No byte of a signed request can be altered: neither what is asked nor when, by whom, or under which name.
#[test]
fn no_byte_of_a_request_can_be_altered() {
    let (mut sim, _, _, model) = with_model(512, Kind::Sign);
    let bytes = model.request.clone();
    let call = SignedRequest::decode(&bytes).unwrap();
    let at = |what: &[u8]| bytes.windows(what.len()).position(|w| w == what).unwrap();
    let places = [
        ("cluster", 5, "for another cluster"),
        ("expires", 2 + 32 + 32 + 8 + 7, "does not hold"),
        ("created", 2 + 32 + 32 + 7, "does not hold"),
        ("signature", 2 + 32 + 32 + 16 + 5, "does not hold"),
        ("path", at(b"/v1/keys/") + 9, "does not"),
        ("idempotency key", at(b"model"), "does not hold"),
        ("body", bytes.len() - 8, "does not"),
    ];
    for (what, place, why) in places {
        let mut altered = bytes.clone();
        // Stays a digit of a number or of hexadecimal, a letter, or whatever it was.
        altered[place] ^= 1;
        let Ok(_) = SignedRequest::decode(&altered) else { panic!("{what} is no request any more") };
        let proposal = with_request(&sim, &model, altered);
        let reason = answer(&mut sim, &proposal).unwrap_or_else(|| panic!("{what} was altered"));
        assert!(reason.contains(why) || reason.contains("cannot be read"), "{what}: {reason}");
    }
    assert_eq!(call.client(), Customer::of(&sim, 1).secret.public());
}

/// The proposal follows from the request: whatever the proposer puts in its place is refused.
#[test]
fn nothing_is_put_in_the_place_of_what_was_asked() {
    let (mut sim, _, _, model) = with_model(513, Kind::Sign);
    let model = Proposal { proposer: sim.id(1), ..model };
    for change in [
        |p: &mut Proposal| p.digest = Some([7; 32]),
        |p: &mut Proposal| p.digest = None,
        |p: &mut Proposal| p.path = vec![5],
        |p: &mut Proposal| p.key = Some(Hash([7; 32])),
        |p: &mut Proposal| p.threshold = 3,
        |p: &mut Proposal| p.level = 128,
        |p: &mut Proposal| p.curve = "p256".to_owned(),
        |p: &mut Proposal| p.batch = 2,
        |p: &mut Proposal| p.kind = Kind::Presign,
    ] {
        let mut proposal = model.clone();
        change(&mut proposal);
        let reason = answer(&mut sim, &proposal).expect("refused");
        let known = ["does not follow", "does not ask for this", "not exactly as many"];
        assert!(known.iter().any(|why| reason.contains(why)), "{reason}");
    }
    assert_eq!(answer(&mut sim, &model), None);

    let (mut sim, _, _, model) = with_model(514, Kind::Keygen);
    let member = |sim: &Sim, i: usize, index| Participant { index, id: sim.id(i) };
    let other = [member(&sim, 1, 1), member(&sim, 0, 2), member(&sim, 2, 3)];
    let fewer = [member(&sim, 0, 1), member(&sim, 1, 2)];
    let variants = [
        Proposal { participants: other.to_vec(), ..model.clone() },
        Proposal { participants: fewer.to_vec(), ..model.clone() },
        Proposal { threshold: 3, ..model.clone() },
        Proposal { level: 112, ..model.clone() },
        Proposal { curve: "p256".to_owned(), ..model.clone() },
    ];
    for variant in variants {
        let proposal = Proposal { proposer: sim.id(1), ..variant };
        refuses(&mut sim, &proposal, "the proposal does not follow from the request");
    }
}

/// A request that is done, over, or not begun yet leads to nothing, however often it is proposed.
#[test]
fn a_request_is_no_licence() {
    let (mut sim, customer, key, model) = with_model(515, Kind::Sign);
    // Tried as often as it may be, and never started.
    let call = customer.sign_for(&message(&key, b"worn out"), "tries", sim.unix(), 60).encode();
    let model = Proposal { proposer: sim.id(1), ..model };
    let attempt = |sim: &Sim, salt: u8| Proposal {
        salt: [salt; 16],
        ..for_message(sim, &model, b"worn out", call.clone())
    };
    for salt in 0..MAX_TRIES {
        let proposal = attempt(&sim, salt);
        assert_eq!(answer(&mut sim, &proposal), None, "{salt}");
        sim.transmit(1, 0, PeerMessage::Lost { ceremony: proposal.hash() }.encode());
        sim.pass(100);
    }
    let proposal = attempt(&sim, MAX_TRIES);
    refuses(&mut sim, &proposal, "tried too often");
    // Who has used up its tries has not used up those of others.
    let signed = SignedRequest::decode(&call).unwrap();
    sim.cut.insert((1, 2));
    sim.relink();
    verify(&key, &signature(sim.bring(2, &signed)), b"worn out");
    sim.cut.clear();
    sim.relink();

    // Another one, once begun and then over.
    let call = customer.sign_for(&message(&key, b"late"), "late", sim.unix(), 10).encode();
    let proposal = for_message(&sim, &model, b"late", call.clone());
    assert_eq!(answer(&mut sim, &proposal), None);
    sim.transmit(1, 0, PeerMessage::Lost { ceremony: proposal.hash() }.encode());
    sim.pass(41_000);
    let proposal = Proposal { salt: [9; 16], ..proposal };
    refuses(&mut sim, &proposal, "not fresh any more");
    // Never seen here before, and over; and from a time to come.
    for (created, name) in [(sim.unix() - 100, "old"), (sim.unix() + 100, "young")] {
        let call = customer.sign_for(&message(&key, b"never"), name, created, 60);
        let proposal = for_message(&sim, &model, b"never", call.encode());
        refuses(&mut sim, &proposal, "the request is not fresh");
    }

    // Done, it is done for all time, for whoever saw it; and another content is none of it.
    sim.tamper = None;
    let call = customer.sign(&sim, &message(&key, b"once"), "once");
    verify(&key, &signature(sim.bring(0, &call)), b"once");
    let proposal = for_message(&sim, &model, b"once", call.encode());
    refuses(&mut sim, &proposal, "the request is already done");
    let other = customer.sign(&sim, &message(&key, b"twice"), "once");
    let proposal = for_message(&sim, &model, b"twice", other.encode());
    refuses(&mut sim, &proposal, "has used this Idempotency-Key");
    sim.crash(0);
    sim.boot(0);
    sim.until("it is back", |sim| sim.sees(0, 1) && sim.sees(1, 0));
    let proposal = Proposal { salt: [3; 16], ..for_message(&sim, &model, b"once", call.encode()) };
    refuses(&mut sim, &proposal, "the request is already done");
}

/// Proposals that never come to an accept use up tries of their request, and not what its client may ask for in a minute.
#[test]
fn nobody_uses_up_the_rate_of_a_client() {
    let (mut sim, customer, _, model) = with_model(517, Kind::Keygen);
    let rules = allow("\"keygen\"", "\"own\"", "per_minute = 2\n");
    sim.write_policy(0, &customer, &rules);
    let call = customer.sign(&sim, &sim.create_key(2, &[0, 1, 2]), "again").encode();
    // All of them are there before the first one has its primes.
    for salt in 0..3 {
        let (salt, kind, aux) = ([salt; 16], Kind::Aux, None);
        let proposal = Proposal { salt, kind, aux, ..with_request(&sim, &model, call.clone()) };
        sim.transmit(1, 0, PeerMessage::Propose(Box::new(proposal)).encode());
    }
    sim.pass(300);
    let call = customer.sign(&sim, &sim.create_key(2, &[0, 1, 2]), "another").encode();
    let proposal = with_request(&sim, &model, call);
    assert_eq!(answer(&mut sim, &proposal), None);
}

/// What a node was asked and has not begun is not begun after its time either.
#[test]
fn what_was_noted_is_not_begun_too_late() {
    let (mut sim, customer, _, model) = with_model(518, Kind::Keygen);
    let rules = allow("\"keygen\"", "\"own\"", "per_minute = 1\n");
    sim.write_policy(0, &customer, &rules);
    let request = sim.create_key(2, &[0, 1, 2]);
    for name in ["first", "second"] {
        let call = customer.sign(&sim, &request, name);
        let _ = sim.start(0, api::Request::Signed(Box::new(call)));
    }
    let second = customer.sign(&sim, &request, "second").encode();
    sim.ahead += 400;
    let proposal = with_request(&sim, &model, second);
    refuses(&mut sim, &proposal, "not fresh any more");
}

/// A holder that has seen a request proposes it again and again, with a smaller hash than whoever was asked, and starts
/// nothing. That one gives up its own try for it once, waits a while for what follows, and signs with others.
#[test]
fn who_grinds_for_a_small_hash_stops_no_request() {
    const AGAIN_MS: u64 = 2_000;
    let mut sim = Sim::cluster_for_clients(519, 3);
    let customer = Customer::of(&sim, 1);
    let key = sim.key_of(&customer, "key");
    let tape = capture_node_1(&mut sim);
    let call = customer.sign(&sim, &message(&key, b"urgent"), "urgent");
    let id = sim.start(0, api::Request::Signed(Box::new(call))).unwrap();
    let model = proposal_of(&tape, Kind::Sign).unwrap();
    assert!(model.index_of(sim.id(1)).is_some(), "it was asked first");
    let (begun, mut salt, mut last) = (sim.clock, 0_u64, None::<(u64, Hash, Hash)>);
    while !sim.view(0, id).unwrap().state.is_over() {
        assert!(sim.clock - begun < 12_000, "it is stopped");
        let own = proposal_of(&tape, Kind::Sign).unwrap().hash();
        let is_due = last.is_none_or(|(at, of, _)| of != own || sim.clock - at >= AGAIN_MS);
        if is_due {
            let smaller = loop {
                salt += 1;
                let salt = [salt.to_be_bytes(); 2].concat().try_into().unwrap();
                let proposal = Proposal { proposer: sim.id(1), salt, ..model.clone() };
                if proposal.hash() < own {
                    break proposal;
                }
            };
            if let Some((.., ceremony)) = last {
                sim.transmit(1, 0, PeerMessage::Lost { ceremony }.encode());
            }
            last = Some((sim.clock, own, smaller.hash()));
            sim.transmit(1, 0, PeerMessage::Propose(Box::new(smaller)).encode());
        }
        sim.pass(10);
    }
    verify(&key, &signature(sim.finish(0, id)), b"urgent");
    let given_up = |(from, _, message): &&(usize, usize, PeerMessage)| {
        *from == 0 && matches!(message, PeerMessage::Lost { ceremony } if *ceremony == model.hash())
    };
    assert_eq!(tape.borrow().iter().filter(given_up).count(), 1, "only the first try was given up");
}

/// A dealer that only waits for its operator, or says so, stops no resharing that others can deal for: it may be the one
/// that is to be left out.
#[test]
fn who_waits_for_its_operator_is_replaced_as_a_dealer() {
    let mut sim = Sim::cluster_for_clients(520, 3);
    let customer = Customer::of(&sim, 1);
    let key = sim.key_of(&customer, "key");
    sim.write_policy(1, &customer, &allow("\"reshare\"", "\"own\"", "approve = true\n"));
    let terms = api::ReshareTerms { epoch: 0, threshold: 2, committee: vec![sim.api_id(0), sim.api_id(2)] };
    let reshare = api::Request::Reshare(api::Reshare { key: key.id, terms });
    let call = customer.sign(&sim, &reshare, "without-node-1");
    let moved = sim.bring(0, &call);
    assert!(matches!(&moved, Ok(api::Outcome::Key(key)) if key.committee.len() == 2), "{moved:?}");
    assert_eq!(sim.approvals(1).len(), 1, "it was asked first");
}
