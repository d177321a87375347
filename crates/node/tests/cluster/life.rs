//! The life of a cluster: founded, joined, a key made, signed with; a node lost and back again.

use consign_api as api;
use consign_api::ProblemKind;
use consign_node::core::Input;
use consign_node::core::roster::{MAX_ADDRESS_BYTES, MAX_ADDRESSES, Says, Signed, Statement};
use consign_node::identity::Identity;
use consign_node::store::{Store, Table, Value, Write};

use crate::client::verify;
use crate::sim::{STORMY, Sim, Weather, seeds};

#[test]
fn two_of_three_sign_through_a_crash() {
    for seed in seeds(3) {
        let weather = if seed == 1 { Weather::default() } else { STORMY };
        let mut sim = Sim::cluster(seed, 3, weather);
        let key = sim.new_key(1, 2, &[0, 1, 2]);
        assert_eq!(key.state, api::KeyState::Active);
        sim.until("all have the key", |sim| {
            (0..3).all(|i| sim.keys(i).iter().any(|k| k.id == key.id && k.state == api::KeyState::Active))
        });
        let signature = sim.sign_patiently(0, key.id, b"one");
        verify(&key, &signature, b"one");
        assert_eq!(signature.signers.len(), 2);

        sim.crash(2);
        let signature = sim.sign_patiently(1, key.id, b"two");
        verify(&key, &signature, b"two");

        sim.boot(2);
        sim.until("it is connected again", |sim| sim.sees(2, 0) && sim.sees(2, 1) && sim.sees(0, 2));
        assert_eq!(sim.keys(2).len(), 1);
        sim.crash(0);
        sim.until("its loss is seen", |sim| !sim.sees(2, 0));
        let signature = sim.sign_patiently(2, key.id, b"three");
        verify(&key, &signature, b"three");
        let signers: Vec<_> = signature.signers.iter().map(|m| m.validator).collect();
        assert_eq!(signers, [sim.api_id(1), sim.api_id(2)]);
    }
}

/// After two have signed, either makes nonces under the other's key, once, and the third does nothing. Signing with them works, and is
/// followed by the next ones.
#[test]
fn nonces_are_made_when_nothing_else_is_to_be_done() {
    let mut sim = Sim::cluster(5, 3, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    sim.pass(10_000);
    let idle = |sim: &mut Sim| {
        let before: Vec<_> = sim.machines.iter().map(|machine| machine.jobs).collect();
        sim.pass(10_000);
        sim.machines.iter().zip(before).map(|(machine, before)| machine.jobs - before).collect::<Vec<_>>()
    };
    assert_eq!(idle(&mut sim), [0, 0, 0], "nobody was signed with");
    for message in [b"one", b"two"] {
        let signature = sim.sign_patiently(0, key.id, message);
        verify(&key, &signature, message);
        let signs = |i: &usize| u64::from(signature.signers.iter().any(|m| m.validator == sim.api_id(*i)));
        let expected: Vec<_> = (0..3).map(|i| signs(&i)).collect();
        let made = idle(&mut sim);
        // Besides, the other signer's session may have had a last step to do.
        let least = made.iter().zip(&expected).all(|(made, expected)| made >= expected);
        let most = made.iter().zip(&expected).all(|(made, expected)| *made <= 3 * expected);
        assert!(least && most, "{made:?}, {expected:?}");
        assert_eq!(idle(&mut sim), [0, 0, 0], "only once");
    }
}

#[test]
fn every_participant_tells_the_result_and_the_phases() {
    let mut sim = Sim::cluster(11, 3, Weather::default());
    let request = sim.create_key(2, &[2, 0, 1]);
    let id = sim.start(0, request).unwrap();
    for i in 0..3 {
        let Ok(api::Outcome::Key(key)) = sim.finish(i, id) else { panic!("no key at {i}") };
        let order: Vec<_> = key.committee.iter().map(|m| m.validator).collect();
        assert_eq!(order, [sim.api_id(2), sim.api_id(0), sim.api_id(1)]);
        let view = sim.view(i, id).unwrap();
        let phases: Vec<_> = view.timings.iter().map(|t| t.phase).collect();
        for phase in [api::Phase::Accept, api::Phase::Primes, api::Phase::Aux, api::Phase::Keygen] {
            assert!(phases.contains(&phase), "{phases:?}");
        }
        let sequences: Vec<_> = sim.machines[i].events.iter().map(|e| e.sequence).collect();
        assert!(sequences.windows(2).all(|w| w[1] == w[0] + 1));
    }
    // A second key of the same committee needs no new moduli.
    let before = sim.records(0, consign_node::store::Table::Aux);
    sim.new_key(1, 3, &[0, 1, 2]);
    assert_eq!(sim.records(0, consign_node::store::Table::Aux), before);
}

#[test]
fn too_few_signers_are_named() {
    let mut sim = Sim::cluster(12, 3, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    sim.crash(1);
    sim.crash(2);
    sim.until("their loss is seen", |sim| !sim.sees(0, 1) && !sim.sees(0, 2));
    let problem = sim.sign(0, key.id, b"alone").unwrap_err();
    assert_eq!(problem.kind, ProblemKind::TooFewSigners);
    assert_eq!(problem.validators, [sim.api_id(1), sim.api_id(2)]);
    let request = sim.create_key(2, &[0, 1]);
    let problem = sim.start(0, request).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::TooFewSigners);
    assert_eq!(problem.validators, [sim.api_id(1)]);
}

#[test]
fn a_silent_signer_is_replaced() {
    let mut sim = Sim::cluster(13, 3, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    // Node 1 is connected but nothing it says arrives.
    sim.tamper =
        Some(Box::new(|from, _, message| if from == 1 { Vec::new() } else { vec![message.encode()] }));
    let signature = sim.sign(0, key.id, b"patience").unwrap();
    verify(&key, &signature, b"patience");
    assert!(signature.signers.iter().any(|m| m.validator == sim.api_id(2)));
}

#[test]
fn ceremonies_run_side_by_side() {
    let mut sim = Sim::cluster(18, 3, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    sim.until("all have the key", |sim| {
        (0..3).all(|i| sim.keys(i).iter().any(|k| k.state == api::KeyState::Active))
    });
    let target = |i: u8| api::SignTarget::Message { bytes: vec![i], hash: api::HashName::Sha256 };
    let started: Vec<_> = (0..6_u8)
        .map(|i| {
            let request =
                api::Request::Sign(api::Sign { key: key.id, path: api::PathText::root(), target: target(i) });
            (i, sim.start(usize::from(i % 3), request).unwrap())
        })
        .collect();
    for (i, id) in started {
        match sim.finish(usize::from(i % 3), id) {
            Ok(api::Outcome::Signature(signature)) => verify(&key, &signature, &[i]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_node_takes_only_so_much_work() {
    let mut sim = Sim::cluster(19, 2, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1]);
    // Nothing arrives, so nothing ends.
    sim.tamper = Some(Box::new(|_, _, _| Vec::new()));
    let target = |i: usize| api::SignTarget::Digest([u8::try_from(i + 1).unwrap(); 32]);
    let request =
        |i| api::Request::Sign(api::Sign { key: key.id, path: api::PathText::root(), target: target(i) });
    // As many as others let one node have.
    for i in 0..consign_node::core::ceremony::MAX_RUNNING_OF_ONE {
        sim.start(0, request(i)).unwrap();
    }
    let problem = sim.start(0, request(100)).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Busy);
    // Once all have failed there is room again.
    sim.pass(120_000);
    sim.tamper = None;
    let id = sim.start(0, request(101)).unwrap();
    assert!(matches!(sim.finish(0, id), Ok(api::Outcome::Signature(_))));
}

#[test]
fn a_raw_digest_is_signed_and_zero_is_not() {
    let mut sim = Sim::cluster(14, 2, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1]);
    sim.until("both have it", |sim| sim.keys(1).iter().any(|k| k.state == api::KeyState::Active));
    let digest = |bytes| {
        let (path, target) = (api::PathText::root(), api::SignTarget::Digest(bytes));
        api::Request::Sign(api::Sign { key: key.id, path, target })
    };
    let id = sim.start(1, digest([7; 32])).unwrap();
    assert!(matches!(sim.finish(1, id), Ok(api::Outcome::Signature(s)) if s.hash.is_none()));
    assert_eq!(sim.start(1, digest([0; 32])).unwrap_err().kind, ProblemKind::Malformed);
}

/// A child of the key signs, whoever proposes; a wallet finds its public key from what the API shows.
#[test]
fn holders_sign_for_children() {
    use consign_cggmp24::curve::{Point, Secp256k1};
    use consign_cggmp24::derivation::{ExtendedKey, Path, bitcoin_address, ethereum_address};
    let mut sim = Sim::cluster(24, 3, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1]);
    let public_key = Point::<Secp256k1>::from_bytes(&hex::decode(&key.public_key).unwrap()).unwrap();
    let chain_code = hex::decode(key.chain_code.as_deref().unwrap()).unwrap();
    let extended = ExtendedKey::root(public_key, chain_code.try_into().unwrap());
    assert_eq!(Some(extended.to_xpub()), key.xpub);
    assert_eq!(ethereum_address(&extended.public_key), key.ethereum_address);
    assert_eq!(bitcoin_address(&extended.public_key), key.bitcoin_address);
    let mut seen = vec![key.public_key.clone()];
    // Node 2 holds no share: it proposes, and learns the signature from a report.
    for (which, path) in [(0, "m/0/5"), (1, "m/1"), (2, "m/44/0/0/0/7")] {
        let child = extended.descend(&path.parse::<Path>().unwrap()).unwrap();
        let signature = sim.sign_at(which, key.id, path.parse().unwrap(), b"child").unwrap();
        assert_eq!(
            (signature.path.as_str(), &signature.public_key),
            (path, &hex::encode(child.public_key.to_bytes()))
        );
        verify(&key, &signature, b"child");
        assert!(!seen.contains(&signature.public_key), "{path}");
        seen.push(signature.public_key);
    }
    for (path, reason) in
        [("m/0'", "hardened"), ("m/2147483648", "hardened"), ("m/x", "step 1"), ("mm", "begins")]
    {
        let problem = sim.sign_at(0, key.id, path.parse().unwrap(), b"x").unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Malformed, "{path}");
        assert!(problem.detail.contains(reason), "{path}: {problem}");
    }
}

#[test]
fn what_is_not_there_is_said_clearly() {
    let mut sim = Sim::cluster(15, 2, Weather::default());
    let missing = api::KeyId([9; 32]);
    assert_eq!(sim.sign(0, missing, b"x").unwrap_err().kind, ProblemKind::UnknownKey);
    let kinds: Vec<_> = [
        api::Request::ShowKey(missing),
        api::Request::ShowCeremony(api::CeremonyId([9; 32])),
        api::Request::ListKeys(api::PageQuery { after: Some("x".to_owned()), limit: 1 }),
    ]
    .into_iter()
    .map(|request| match sim.ask(0, request) {
        api::Reply::Problem(problem) => problem.kind,
        other => panic!("{other:?}"),
    })
    .collect();
    assert_eq!(kinds, [ProblemKind::UnknownKey, ProblemKind::UnknownCeremony, ProblemKind::Malformed]);
    let mut request = sim.create_key(2, &[0, 1]);
    if let api::Request::CreateKey(create) = &mut request {
        create.committee[1] = api::NodeId([3; 32]);
    }
    assert_eq!(sim.start(0, request).unwrap_err().kind, ProblemKind::UnknownValidator);
}

#[test]
fn an_invitation_serves_once() {
    let mut sim = Sim::new(16);
    let founder = sim.add_founder();
    let invitation = sim.invite(founder);
    let first = sim.add_joiner(&invitation);
    sim.until("the first is in", |sim| sim.is_member(first, first));
    let second = sim.add_joiner(&invitation);
    sim.pass(20_000);
    assert!(!sim.is_member(founder, second));
    let problem = sim.start(
        second,
        api::Request::CreateKey(match sim.create_key(2, &[0, 1]) {
            api::Request::CreateKey(create) => create,
            other => panic!("{other:?}"),
        }),
    );
    let problem = problem.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::NotJoined);
    assert!(problem.detail.contains("was used"), "{problem}");
    // Only founders invite.
    match sim.ask(first, api::Request::Invite(api::Invite { valid_for: 60 })) {
        api::Reply::Problem(problem) => assert_eq!(problem.kind, ProblemKind::Forbidden),
        other => panic!("{other:?}"),
    }
    // The token stays used after a restart.
    sim.crash(founder);
    sim.boot(founder);
    sim.pass(20_000);
    assert!(!sim.is_member(founder, second));
}

/// A used invitation is refused for good: the joiner says so once, and asks less and less often.
#[test]
fn a_refused_joiner_is_not_noisy() {
    let mut sim = Sim::new(71);
    let founder = sim.add_founder();
    let invitation = sim.invite(founder);
    let first = sim.add_joiner(&invitation);
    sim.until("the first is in", |sim| sim.is_member(first, first));
    let second = sim.add_joiner(&invitation);
    sim.pass(30 * 60 * 1000);
    let lines = |sim: &Sim, which: usize, text: &str| {
        sim.machines[which].log.iter().filter(|line| line.contains(text)).count()
    };
    assert_eq!(lines(&sim, second, "does not let this node in"), 1);
    let asked = lines(&sim, founder, "was not let in");
    assert!((5..15).contains(&asked), "{asked}");
}

/// A roster that is full lets nobody in any more, and says so.
#[test]
fn a_full_roster_is_no_place_to_invite_to() {
    let mut sim = Sim::new(72);
    let founder = sim.add_founder();
    let identity = std::sync::Arc::clone(&sim.machines[founder].identity);
    let cluster = sim.machines[founder].node.as_ref().unwrap().cluster();
    let peer = |i: u64| {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&i.to_be_bytes());
        Identity::from_seed(&seed)
    };
    let statements: Vec<Signed> = (0..400)
        .flat_map(|i| {
            let (peer, author) = (peer(i), identity.node_id());
            let record = Says::Announce {
                addresses: vec!["a".repeat(MAX_ADDRESS_BYTES); MAX_ADDRESSES],
                name: "n".to_owned(),
                version: String::new(),
            };
            let vouch = Statement { cluster, author, sequence: 1, says: Says::Vouch(peer.node_id()) };
            let record = Statement { cluster, author: peer.node_id(), sequence: 1, says: record };
            [vouch.sign(&identity), record.sign(&peer)]
        })
        .collect();
    sim.crash(founder);
    let stored = [&[1][..], &postcard::to_stdvec(&statements).unwrap()].concat();
    sim.machines[founder]
        .store
        .apply(&[Write::put(Table::Roster, *b"statements", Value::from(stored))])
        .unwrap();
    sim.boot(founder);
    match sim.ask(founder, api::Request::Invite(api::Invite { valid_for: 60 })) {
        api::Reply::Problem(problem) => {
            assert_eq!(problem.kind, ProblemKind::TooMany);
            assert!(problem.detail.contains("roster"), "{problem}");
        }
        other => panic!("{other:?}"),
    }
}

/// What the transport notices of a copied data folder is told to the operator.
#[test]
fn a_validator_that_runs_twice_is_shown() {
    let mut sim = Sim::cluster(73, 2, Weather::default());
    let id = sim.api_id(1);
    let twice = |sim: &mut Sim| sim.validators(0).iter().find(|v| v.id == id).unwrap().runs_twice;
    assert!(!twice(&mut sim));
    sim.handle(0, Input::Twice(sim.id(1)));
    assert!(twice(&mut sim));
    assert!(sim.machines[0].log.iter().any(|line| line.contains("WARN") && line.contains("runs twice")));
}

/// A disk that is nearly full keeps a node from beginning anything, and ends nothing that runs.
#[test]
fn a_full_disk_stops_what_is_new() {
    let mut sim = Sim::cluster(74, 3, Weather::default());
    let key = sim.new_key(0, 3, &[0, 1, 2]);
    let create = sim.create_key(2, &[0, 1, 2]);
    let running = sim.start(0, create.clone()).unwrap();
    sim.until("it runs", |sim| sim.view(0, running).is_some_and(|v| v.state == api::CeremonyState::Running));
    for i in 0..2 {
        sim.handle(i, Input::DiskFull(true));
    }
    assert!(sim.finish(0, running).is_ok());
    let problem = sim.start(0, create).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::StoreFailed);
    assert!(problem.detail.contains("free some room"), "{problem}");
    // It says so to who sends it work, and does not try its store, of which a failed write is the end.
    let ready = |sim: &mut Sim| matches!(sim.ask(0, api::Request::Ready), api::Reply::Health(_));
    assert!(!ready(&mut sim));
    // Nor does it take part in what others propose.
    let problem = sim.sign(2, key.id, b"no room").unwrap_err();
    assert!(problem.to_string().contains("nearly full"), "{problem}");
    for i in 0..2 {
        sim.handle(i, Input::DiskFull(false));
    }
    assert!(ready(&mut sim));
    verify(&key, &sim.sign(0, key.id, b"room").unwrap(), b"room");
}

#[test]
fn a_node_without_a_share_proposes() {
    let mut sim = Sim::cluster(17, 4, Weather::default());
    let key = sim.new_key(3, 2, &[0, 1, 2]);
    assert_eq!(sim.keys(3).len(), 1);
    let signature = sim.sign(3, key.id, b"from outside").unwrap();
    verify(&key, &signature, b"from outside");
    // Another one has never heard of the key, and asks.
    let invitation = sim.invite(0);
    let joiner = sim.add_joiner(&invitation);
    sim.until("it is in", |sim| sim.is_member(joiner, joiner) && (0..3).all(|i| sim.is_member(i, joiner)));
    sim.until("it is connected", |sim| (0..4).all(|i| sim.sees(joiner, i)));
    let signature = sim.sign(joiner, key.id, b"from further outside").unwrap();
    verify(&key, &signature, b"from further outside");
    sim.crash(joiner);
    sim.boot(joiner);
    assert_eq!(sim.keys(joiner).len(), 1);
}

/// Each node sees whose clock differs, and how far.
#[test]
fn clocks_are_compared() {
    let mut sim = Sim::cluster(71, 3, Weather::default());
    sim.fast = Some((1, 45));
    let offset = |sim: &mut Sim, at: usize, of: usize| {
        let id = sim.api_id(of);
        let api::Reply::Validators(page) = sim.ask(at, api::Request::ListValidators) else { panic!() };
        page.items.into_iter().find(|view| view.id == id).and_then(|view| view.clock_offset_s)
    };
    sim.pass(62_000);
    // Whole seconds: the next one may begin in between.
    assert!(matches!(offset(&mut sim, 0, 1), Some(44..=45)));
    assert!(matches!(offset(&mut sim, 1, 2), Some(-46..=-45)));
    assert!(matches!(offset(&mut sim, 2, 0), Some(-1..=0)));
    let api::Reply::Counts(counts) = sim.ask(1, api::Request::Count) else { panic!() };
    assert!(matches!(counts.clock_offset_s, Some(-46..=-45)));
}
