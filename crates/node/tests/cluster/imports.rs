//! Import of a private key: it is shared out and erased, through crashes; who takes part believes nothing of it but what
//! the dealer has signed.

mod forged;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use consign_api as api;
use consign_api::ProblemKind;
use consign_node::core::proposal::Kind;
use consign_node::core::refill::REFILL_MS;
use consign_node::core::wire::PeerMessage;
use consign_node::core::{CallId, Input};
use consign_node::store::{Store, Table};
use zeroize::Zeroizing;

use crate::client::verify;
use crate::clients::{Customer, message};
use crate::sim::{STORMY, Sim, Weather, seeds};

/// The private key, and where its bytes would be found.
const SECRET: [u8; 32] = [0x5a; 32];

impl Sim {
    pub(crate) fn import(&self, curve: api::Curve, threshold: u16, committee: &[usize]) -> api::Request {
        api::Request::ImportKey(api::ImportKey {
            label: "old".parse().unwrap(),
            scheme: api::Scheme::Cggmp24,
            curve,
            level: api::Level::Test,
            threshold,
            committee: committee.iter().map(|i| self.api_id(*i)).collect(),
            chain_code: Some(api::ChainCode([9; 32])),
            private_key: api::PrivateKey::new(Box::new(Zeroizing::new(SECRET))),
        })
    }

    /// Whether the private key stands in any record of a node's store, which here is not sealed.
    fn has_secret(&self, which: usize) -> bool {
        let tables = [Table::Keys, Table::Ceremonies, Table::Requests, Table::Meta, Table::Evidence];
        let records = tables.map(|table| self.machines[which].store.list(table).unwrap());
        records.iter().flatten().any(|(_, value)| value.windows(32).any(|part| part == SECRET))
    }

    fn discard(&mut self, which: usize, key: api::KeyId) -> Result<(), api::Problem> {
        self.give_up(which, api::Discard { key, force: false })
    }

    fn give_up(&mut self, which: usize, discard: api::Discard) -> Result<(), api::Problem> {
        match self.ask(which, api::Request::DiscardKey(discard)) {
            api::Reply::Key(_) => Ok(()),
            api::Reply::Problem(problem) => Err(problem),
            other => panic!("{other:?}"),
        }
    }
}

/// The public key of [`SECRET`], from somebody else's arithmetic.
fn public_key(curve: api::Curve) -> String {
    hex::encode(match curve {
        api::Curve::Secp256k1 => {
            let key = k256::ecdsa::SigningKey::from_slice(&SECRET).unwrap();
            key.verifying_key().to_sec1_point(true).as_bytes().to_vec()
        }
        api::Curve::P256 => {
            use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
            let der = [
                &[0x30, 0x31, 2, 1, 1, 4, 32][..],
                &SECRET,
                &[0xa0, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
            ];
            let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der.concat());
            let pair = pair.unwrap();
            let whole = pair.public_key().as_ref();
            [&[2 | (whole[64] & 1)], &whole[1..33]].concat()
        }
    })
}

/// An imported key that its dealer, node 0, has alone: nobody has heard that it is to be shared out.
fn whole(seed: u64, count: usize) -> (Sim, api::KeyView) {
    let mut sim = Sim::cluster(seed, count, Weather::default());
    sim.tamper = Some(Box::new(|_, _, message| match message {
        PeerMessage::Propose(_) => Vec::new(),
        other => vec![other.encode()],
    }));
    let request = sim.import(api::Curve::Secp256k1, 2, &[0, 1]);
    let id = sim.start(0, request).unwrap();
    sim.finish(0, id).unwrap_err();
    sim.tamper = None;
    let key = sim.keys(0).pop().unwrap();
    assert_eq!((key.state, key.epoch), (api::KeyState::Whole, 0));
    (sim, key)
}

/// By a dealer that keeps a share, on one curve, and by one that keeps none, on the other.
#[test]
fn an_imported_key_is_shared_out_and_erased() {
    for (seed, curve, committee) in
        [(800, api::Curve::Secp256k1, [0, 1, 2]), (801, api::Curve::P256, [1, 2, 3])]
    {
        let mut sim = Sim::cluster(seed, 4, Weather::default());
        let request = sim.import(curve, 2, &committee);
        let id = sim.start(0, request).unwrap();
        assert!(sim.has_secret(0), "sealed and durable before anything is said");
        let Ok(api::Outcome::Key(key)) = sim.finish(0, id) else { panic!("no key") };
        assert_eq!((&key.public_key, key.threshold), (&public_key(curve), 2));
        assert_eq!(key.chain_code, Some("09".repeat(32)));
        assert_eq!(key.epoch, 1);
        sim.agree(&[0], &key);
        sim.agree(&committee, &key);
        for i in 0..4 {
            assert!(!sim.has_secret(i), "node {i}");
        }
        for i in committee {
            let view = sim.key_at(i, key.id).unwrap();
            assert_eq!(view.imported.map(|m| m.validator), Some(sim.api_id(0)), "all know who knew it");
        }
        sim.sign_with(&committee, &key);
        let signature = sim.sign_at(committee[2], key.id, "m/7".parse().unwrap(), b"child").unwrap();
        verify(&key, &signature, b"child");
        // It is a key like any other from then on, and stays marked.
        let refresh = sim.refresh(&key, api::Moduli::Keep);
        let fresh = sim.change(committee[0], &key, refresh);
        sim.agree(&committee, &fresh);
        assert!(fresh.imported.is_some());
        for i in 0..4 {
            sim.crash(i);
            sim.boot(i);
        }
        sim.until("all are back", |sim| (0..4).all(|i| (0..4).all(|j| sim.sees(i, j))));
        sim.sign_with(&[committee[1]], &fresh);
        assert_eq!(sim.discard(committee[0], key.id).unwrap_err().kind, ProblemKind::Forbidden);
        // Nodes do not say it to each other or to the log either.
        let secret = hex::encode(SECRET);
        assert!(sim.machines.iter().flat_map(|m| &m.log).all(|line| !line.contains(&secret)));
        assert!(sim.machines[0].log.iter().any(|line| line.contains("imports the private key of old")));
    }
}

/// Whichever write of the dealer is its last one: the key is shared out, or the dealer alone has it, sealed, and may try
/// again or give it up.
#[test]
fn a_dealer_that_dies_shares_it_out_later_or_gives_it_up() {
    let mut ends = BTreeSet::new();
    let all = seeds(8);
    for seed in all.clone() {
        let mut sim = Sim::cluster(810 + seed, 3, if seed % 2 == 0 { STORMY } else { Weather::default() });
        let request = sim.import(api::Curve::Secp256k1, 2, &[0, 1, 2]);
        sim.machines[0].crash_in = Some((seed - 1, seed % 3 == 0));
        sim.counter += 1;
        let call = CallId(sim.counter);
        sim.handle(0, Input::Api(call, request));
        sim.until("it is dead, or done", |sim| !sim.is_running(0) || sim.keys(0).iter().any(|k| k.epoch > 0));
        sim.crash(0);
        sim.boot(0);
        sim.until("it is back", |sim| [1, 2].iter().all(|i| sim.sees(0, *i) && sim.sees(*i, 0)));
        sim.pass(20_000);
        let Some(key) = sim.keys(0).into_iter().next() else {
            assert!(!sim.has_secret(0), "SEED={seed}: nothing is left");
            ends.insert("nothing left");
            continue;
        };
        assert_eq!(key.public_key, public_key(api::Curve::Secp256k1));
        if key.state == api::KeyState::Whole {
            assert_eq!(sim.sign(0, key.id, b"alone").unwrap_err().kind, ProblemKind::Forbidden);
            if seed % 4 == 1 {
                match sim.discard(0, key.id) {
                    Ok(()) => {
                        assert!(sim.keys(0).is_empty() && !sim.has_secret(0));
                        ends.insert("discarded");
                        continue;
                    }
                    Err(problem) => assert_eq!(problem.kind, ProblemKind::KeyBusy),
                }
            }
            let request = sim.reshare(&key, 2, &[0, 1, 2]);
            let shared = sim.change(0, &key, request);
            sim.agree(&[0, 1, 2], &shared);
            ends.insert("shared out later");
        }
        let key = sim.key_at(0, key.id).unwrap();
        sim.agree(&[0, 1, 2], &key);
        assert!((0..3).all(|i| !sim.has_secret(i)), "SEED={seed}");
        sim.sign_with(&[1], &key);
    }
    // One seed shows one of them.
    assert!(all.len() == 1 || ends.len() == 3, "{ends:?}");
}

/// Another node may import what a member has only named, and a key in one place is given up; but the same key is not
/// imported twice.
#[test]
fn a_key_in_one_place_is_given_up() {
    let (mut sim, key) = whole(815, 2);
    assert!(matches!(sim.ask(1, api::Request::ShowKey(key.id)), api::Reply::Key(_)));
    let request = sim.import(api::Curve::Secp256k1, 2, &[0, 1]);
    assert_eq!(sim.start(0, request.clone()).unwrap_err().kind, ProblemKind::KeyBusy);
    sim.tamper = Some(Box::new(|_, _, message| match message {
        PeerMessage::Propose(_) => Vec::new(),
        other => vec![other.encode()],
    }));
    sim.start(1, request).unwrap();
    assert!(sim.machines[1].log.iter().any(|line| line.contains("somebody else has named the key")));
    // Nor does it want presignatures, however many are to be kept.
    sim.keep_presignatures = 1;
    sim.crash(0);
    sim.boot(0);
    sim.until("it is back", |sim| sim.sees(0, 1));
    sim.pass(3 * REFILL_MS);
    assert!(!sim.machines[0].log.iter().any(|line| line.contains("no presignatures are made")));
    sim.discard(0, key.id).unwrap();
    assert!(sim.keys(0).is_empty() && !sim.has_secret(0));
    assert!(sim.machines[0].log.iter().any(|line| line.contains("no shares of it were dealt")));
}

/// All shares were dealt and confirmed, and nobody has heard it of all: the dealer may not give up what may be in force.
#[test]
fn a_key_that_was_dealt_is_not_given_up_by_chance() {
    for (seed, committee) in [(816, [0, 1]), (817, [1, 2])] {
        let (mut sim, key) = whole(seed, 3);
        sim.tamper = Some(Box::new(|_, _, message| match &message {
            PeerMessage::Round { envelope, .. } if crate::alerts::round(envelope) == 6 => Vec::new(),
            _ => vec![message.encode()],
        }));
        let request = sim.reshare(&key, 2, &committee);
        let id = sim.start(0, request).unwrap();
        sim.finish(0, id).unwrap_err();
        let problem = sim.discard(0, key.id).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::KeyBusy);
        let is_receiver = committee.contains(&0);
        let why = if is_receiver { "has confirmed a share of it" } else { "were dealt; it may be in force" };
        assert!(problem.detail.contains(why), "{problem}");
        let forced = sim.give_up(0, api::Discard { key: key.id, force: true });
        assert_eq!((forced.is_err(), sim.has_secret(0)), (is_receiver, is_receiver));
        let said =
            |line: &String| line.contains("shares of epoch") && line.contains("may be in force elsewhere");
        assert_eq!(sim.machines[0].log.iter().any(said), !is_receiver);
        // Nothing is lost but time: what was not given up is shared out.
        if is_receiver {
            sim.tamper = None;
            let request = sim.reshare(&key, 2, &committee);
            let shared = sim.change(0, &key, request);
            sim.agree(&committee, &shared);
            assert!(!sim.has_secret(0));
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut sim = Sim::cluster(830, 3, Weather::default());
    let refused = |sim: &mut Sim, change: &dyn Fn(&mut api::ImportKey)| {
        let api::Request::ImportKey(mut import) = sim.import(api::Curve::Secp256k1, 2, &[0, 1, 2]) else {
            panic!("an import")
        };
        change(&mut import);
        let problem = sim.start(0, api::Request::ImportKey(import)).unwrap_err();
        assert!(sim.keys(0).is_empty() && !sim.has_secret(0), "{problem}");
        problem.kind
    };
    let secret = |bytes| api::PrivateKey::new(Box::new(Zeroizing::new(bytes)));
    let malformed = ProblemKind::Malformed;
    assert_eq!(refused(&mut sim, &|import| import.threshold = 1), malformed);
    assert_eq!(refused(&mut sim, &|import| import.private_key = secret([0; 32])), malformed);
    assert_eq!(refused(&mut sim, &|import| import.private_key = secret([0xff; 32])), malformed);
    let stranger = api::NodeId([7; 32]);
    assert_eq!(refused(&mut sim, &|import| import.committee[1] = stranger), ProblemKind::UnknownValidator);

    // Participants refuse, so that it stays at its dealer: then whoever else asks has nothing to say.
    sim.tamper = Some(Box::new(|_, _, message| match message {
        PeerMessage::Propose(proposal) if proposal.kind != Kind::Import => Vec::new(),
        other => vec![other.encode()],
    }));
    let request = sim.import(api::Curve::Secp256k1, 2, &[0, 1, 2]);
    let id = sim.start(0, request.clone()).unwrap();
    assert!(sim.finish(0, id).is_err());
    let key = sim.keys(0).pop().unwrap();
    assert_eq!((key.state, key.epoch, key.threshold), (api::KeyState::Whole, 0, 1));
    assert_eq!(sim.start(0, request).unwrap_err().kind, ProblemKind::KeyBusy, "imported twice");
    for request in [sim.refresh(&key, api::Moduli::Keep), sim.presign_request(&key, 1, &[])] {
        assert_eq!(sim.start(0, request).unwrap_err().kind, ProblemKind::Forbidden);
    }
    sim.tamper = None;
    // Another node is shown the key, and refuses to share it out.
    let reshare = sim.reshare(&key, 2, &[1, 2]);
    assert_eq!(sim.start(1, reshare).unwrap_err().kind, ProblemKind::Forbidden);
    assert_eq!(sim.discard(1, key.id).unwrap_err().kind, ProblemKind::Forbidden);
    // Nor does anybody take part in what somebody else proposes of it.
    let seen = Rc::new(RefCell::new(None));
    let tape = Rc::clone(&seen);
    sim.tamper = Some(Box::new(move |_, _, message| match message {
        PeerMessage::Propose(proposal) if proposal.kind == Kind::Reshare => {
            *tape.borrow_mut() = Some(proposal);
            Vec::new()
        }
        other => vec![other.encode()],
    }));
    let reshare = sim.reshare(&key, 2, &[0, 1, 2]);
    let id = sim.start(0, reshare).unwrap();
    assert!(sim.finish(0, id).is_err());
    let mut proposal = seen.borrow().clone().unwrap();
    let from = sim.id(2);
    proposal.proposer = from;
    let bytes = PeerMessage::Propose(proposal).encode();
    sim.handle(1, Input::Peer { from, bytes, stranger: false });
    sim.until("it is refused", |sim| {
        sim.machines[1].log.iter().any(|line| line.contains("only the dealer of an imported key"))
    });
    sim.tamper = None;
    let reshare = sim.reshare(&key, 2, &[0, 1, 2]);
    let key = sim.change(0, &key, reshare);
    sim.agree(&[0, 1, 2], &key);
    sim.sign_with(&[2], &key);
}

/// Whoever shows a first epoch that is not what the dealer has signed is not believed.
#[test]
fn a_forged_first_epoch_is_not_believed() {
    type Lie = fn(&mut consign_node::core::wire::Certificate);
    let lies: [Lie; 5] = [
        |c| *c.info.last_mut().unwrap() ^= 1,
        |c| c.proposal.salt[0] ^= 1,
        |c| c.proposal.curve = "p256".to_owned(),
        |c| c.set = vec![0],
        |c| c.accepts.clear(),
    ];
    for (seed, lie) in (840..).zip(lies) {
        let mut sim = Sim::cluster(seed, 2, Weather::default());
        sim.tamper = Some(Box::new(move |_, _, message| match message {
            PeerMessage::Certificate(mut certificate) => {
                lie(&mut certificate);
                vec![PeerMessage::Certificate(certificate).encode()]
            }
            other => vec![other.encode()],
        }));
        let request = sim.import(api::Curve::Secp256k1, 2, &[0, 1]);
        let id = sim.start(0, request).unwrap();
        assert!(sim.finish(0, id).is_err(), "{seed}");
        assert!(sim.keys(1).is_empty(), "{seed}");
    }
}

/// Where everything needs a client's signature, an imported key stays with its dealer until one has signed for the rest.
#[test]
fn a_client_has_an_imported_key_shared_out() {
    let mut sim = Sim::cluster_for_clients(830, 2);
    let request = sim.import(api::Curve::Secp256k1, 2, &[0, 1]);
    let problem = sim.start(0, request).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Unauthorized, "{problem}");
    let key = sim.keys(0).pop().unwrap();
    assert_eq!((key.state, &key.public_key), (api::KeyState::Whole, &public_key(key.curve)));
    let customer = Customer::of(&sim, 1);
    let committee = [0, 1].map(|i| sim.api_id(i)).to_vec();
    let terms = api::ReshareTerms { epoch: 0, threshold: 2, committee };
    let reshare = api::Request::Reshare(api::Reshare { key: key.id, terms });
    let call = customer.sign(&sim, &reshare, "1");
    assert!(matches!(sim.bring(0, &call), Ok(api::Outcome::Key(_))));
    let call = customer.sign(&sim, &message(&key, b"shared"), "2");
    assert!(matches!(sim.bring(1, &call), Ok(api::Outcome::Signature(_))));
    assert!(!sim.has_secret(0));
}
