//! Standing orders: what runs without a client, and what a holder in the wrong hands makes of them.

use consign_api as api;
use consign_node::core::asked::Asked;
use consign_node::core::proposal::{Kind, Participant, Proposal};
use consign_node::core::requests::{RawRequest, Wanted};
use consign_node::core::standing::{EARLY_S, STAND_IN_S};
use consign_node::core::wire::PeerMessage;

use crate::client::verify;
use crate::clients::{Customer, message};
use crate::examined::{answer, record, refuses};
use crate::hostile::Tape;
use crate::policies::allow;
use crate::sim::Sim;

const DAY_S: u64 = 24 * 60 * 60;
const PRESIGN: &str = "[[standing]]\nceremony = \"presign\"\nkeys = [\"own\"]\nlow = 4\nhigh = 4\n";
const REFRESH: &str = "[[standing]]\nname = \"daily\"\nceremony = \"refresh\"\nkeys = [\"own\"]\nevery_days = 1\n\
                       moduli = \"keep\"\n";

/// Three nodes whose policies have these lines, and a key of the client.
fn with_orders(seed: u64, lines: &str) -> (Sim, Customer, api::KeyView) {
    let mut sim = Sim::cluster_for_clients(seed, 3);
    let shop = Customer::of(&sim, 1);
    for node in 0..3 {
        sim.write_policy(node, &shop, &rules(lines));
    }
    let key = sim.key_of(&shop, "key");
    (sim, shop, key)
}

fn rules(lines: &str) -> String {
    allow("\"keygen\", \"sign\"", "\"own\"", "") + lines
}

/// The first proposal of this kind on a tape.
fn proposed(tape: &Tape, kind: Kind) -> Option<Proposal> {
    tape.borrow().iter().find_map(|(.., message)| match message {
        PeerMessage::Propose(proposal) if proposal.kind == kind => Some((**proposal).clone()),
        _ => None,
    })
}

/// How much is under way at node 0.
fn running(sim: &mut Sim) -> usize {
    match sim.ask(0, api::Request::Count) {
        api::Reply::Counts(counts) => counts.running,
        other => panic!("{other:?}"),
    }
}

fn epochs(sim: &mut Sim) -> Vec<u64> {
    (0..3).map(|i| sim.keys(i)[0].epoch).collect()
}

/// What node 1 proposes as if standing orders wanted it: everything fits, but what it asks for.
fn presign(
    sim: &Sim,
    model: &Proposal,
    key: &api::KeyView,
    signers: &[u16],
    count: u32,
    salt: u8,
) -> Proposal {
    let participants: Vec<_> =
        signers.iter().map(|i| Participant { index: *i, id: sim.id(usize::from(*i) - 1) }).collect();
    let named = participants.iter().map(|p| api::NodeId(*p.id.as_bytes())).collect();
    let terms = api::PresignTerms { count, signers: named };
    let wanted = Wanted::Presign(api::Presign { key: key.id, terms });
    let request = Asked::standing(&RawRequest::new(&wanted, sim.unix(), [salt; 16]));
    let key = Some(consign_node::core::Hash(key.id.0));
    let (signers, batch, proposer) = (signers.to_vec(), count, sim.id(1));
    Proposal { key, signers, participants, batch, request, proposer, ..model.clone() }
}

fn refresh(sim: &Sim, model: &Proposal, moduli: api::Moduli, proposer: usize, salt: u8) -> Proposal {
    let (_, Wanted::Refresh(mut wanted)) = Asked::parse(&model.request).unwrap() else { panic!() };
    wanted.terms.moduli = moduli;
    let aux = model.aux.filter(|_| moduli == api::Moduli::Keep);
    let raw = RawRequest::new(&Wanted::Refresh(wanted), sim.unix(), [salt; 16]);
    Proposal { request: Asked::standing(&raw), aux, proposer: sim.id(proposer), ..model.clone() }
}

/// Says that node 1 gives it up, so that nothing waits for it.
fn give_up(sim: &mut Sim, proposal: &Proposal) {
    sim.transmit(1, 0, PeerMessage::Lost { ceremony: proposal.hash() }.encode());
    sim.pass(200);
}

/// Each signer set gets as many as the high mark says, without a client, and never more; what is used is replaced.
#[test]
fn pools_are_filled_without_a_client() {
    let (mut sim, shop, key) = with_orders(801, PRESIGN);
    let full = |sim: &mut Sim| (0..3).all(|i| sim.keys(i)[0].presignatures == 8);
    sim.until("all three pairs have four", full);
    sim.pass(30_000);
    assert!(full(&mut sim), "no more than that");
    for text in [b"1", b"2", b"3"] {
        let call = shop.sign(&sim, &message(&key, text), std::str::from_utf8(text).unwrap());
        let Ok(api::Outcome::Signature(made)) = sim.bring(0, &call) else { panic!() };
        verify(&key, &made, text);
        assert!(made.presigned);
    }
    sim.until("they are full again", full);
    let standing = sim.keys(0)[0].standing.clone().unwrap();
    assert_eq!((standing.low, standing.high, standing.refresh_due), (Some(4), Some(4), None));
    // One that has no such order takes no part: the others go on, and know why.
    sim.write_policy(2, &shop, &rules(""));
    for text in 4..9_u8 {
        let call = shop.sign(&sim, &message(&key, &[text]), &text.to_string());
        assert!(sim.bring(2, &call).is_ok());
    }
    let told = |sim: &mut Sim| {
        let standing = sim.keys(0)[0].standing.clone().unwrap();
        standing.problem.is_some_and(|why| why.contains("node-2 has no standing order to presign"))
            && standing.waiting_for == [sim.api_id(2)]
    };
    sim.until("node 0 tells whose order is missing", told);
}

/// A holder in the wrong hands has presignatures made up to the marks, by signers it is one of, and nothing else.
#[test]
fn a_hijacked_holder_gets_no_more_than_the_marks() {
    let (mut sim, shop, key) = with_orders(802, "");
    let other = sim.key_of(&shop, "other");
    let tape = record(&mut sim);
    let order = |id: &api::KeyId| {
        rules(&format!("[[standing]]\nceremony = \"presign\"\nkeys = [\"{id}\"]\nlow = 4\nhigh = 4\n"))
    };
    sim.write_policy(0, &shop, &order(&key.id));
    let watched = tape.clone();
    sim.until("node 0 proposes a batch", move |_| proposed(&watched, Kind::Presign).is_some());
    let model = proposed(&tape, Kind::Presign).unwrap();
    assert!(Asked::parse(&model.request).unwrap().0.is_standing());
    // Node 0 proposes nothing by itself now: only what node 1 asks for counts.
    sim.write_policy(0, &shop, &order(&key.id).replace("low = 4", "low = 1"));
    sim.until("it is quiet", |sim| running(sim) == 0);

    let over = presign(&sim, &model, &key, &[1, 2], 5, 1);
    refuses(&mut sim, &over, "above the high mark of node-0, which is 4");
    let elsewhere = presign(&sim, &model, &other, &[1, 2], 4, 2);
    refuses(&mut sim, &elsewhere, "node-0 has no standing order to presign");
    let without = presign(&sim, &model, &key, &[1, 3], 4, 3);
    refuses(&mut sim, &without, "one of them proposes it");
    let unsigned = RawRequest::parse(&over.request[2..]).unwrap().0.encode();
    let unsigned = Proposal { request: unsigned, ..over.clone() };
    refuses(&mut sim, &unsigned, "no client has signed");
    let other = Proposal { batch: 3, ..presign(&sim, &model, &key, &[1, 2], 4, 4) };
    refuses(&mut sim, &other, "does not follow from the request");

    // One at a time for a key, of one proposer.
    let good = presign(&sim, &model, &key, &[1, 2], 4, 5);
    assert_eq!(answer(&mut sim, &good), None);
    let second = presign(&sim, &model, &key, &[1, 2], 1, 6);
    refuses(&mut sim, &second, "another standing order for the key");
    // What it does not start keeps node 0 from nothing that it does with others.
    sim.tamper = Some(Box::new(|from, _, message| match &message {
        PeerMessage::Lost { .. } if from == 1 => Vec::new(),
        _ => vec![message.encode()],
    }));
    for node in [0, 2] {
        sim.write_policy(node, &shop, &order(&key.id));
    }
    sim.pass(20_000);
    assert_ne!(running(&mut sim), 0, "it still waits for the start");
    let filled = sim.keys(0).iter().find(|other| other.id == key.id).unwrap().presignatures;
    assert_eq!(filled, 4, "those with node 2");
    give_up(&mut sim, &good);
    sim.write_policy(0, &shop, &rules(""));
    let none = presign(&sim, &model, &key, &[1, 2], 4, 7);
    refuses(&mut sim, &none, "has no standing order");
}

/// Nobody takes the places of signer sets without it: one holder has presignatures of so many sets made, and of no others.
#[test]
fn a_hijacked_holder_fills_only_so_many_pools() {
    const THRESHOLD: u16 = 3;
    const POOLS: usize = 2 * THRESHOLD as usize;
    let mut sim = Sim::cluster_for_clients(806, POOLS + 3);
    let shop = Customer::of(&sim, 1);
    let rules = allow("\"keygen\", \"presign\"", "\"own\"", "");
    let all: Vec<_> = (0..POOLS + 3).collect();
    for node in &all {
        sim.write_policy(*node, &shop, &rules);
    }
    let create = shop.sign(&sim, &sim.create_key(THRESHOLD, &all), "key");
    let Ok(api::Outcome::Key(key)) = sim.bring(0, &create) else { panic!("no key") };
    let tape = record(&mut sim);
    let order = rules.clone() + PRESIGN;
    sim.write_policy(0, &shop, &order);
    let watched = tape.clone();
    sim.until("node 0 proposes a batch", move |_| proposed(&watched, Kind::Presign).is_some());
    let model = proposed(&tape, Kind::Presign).unwrap();
    sim.write_policy(0, &shop, &rules);
    sim.until("it is quiet", |sim| running(sim) == 0);

    // As a client asked node 1: whoever proposed them has them made, and they count.
    for third in 2..POOLS + 2 {
        let signers = [0, 1, third].map(|i| sim.api_id(i)).to_vec();
        let terms = api::PresignTerms { count: 1, signers };
        let call = api::Request::Presign(api::Presign { key: key.id, terms });
        let call = shop.sign(&sim, &call, &third.to_string());
        assert!(sim.bring(1, &call).is_ok(), "{third}");
        // Else node 0 may still be busy with these when it is asked for the next ones.
        sim.until("it is quiet", |sim| running(sim) == 0);
    }
    sim.until("node 0 has them", |sim| sim.keys(0)[0].presignatures as usize == POOLS);
    sim.write_policy(0, &shop, &order);
    let last = key.committee.len() as u16;
    let another = presign(&sim, &model, &key, &[1, 2, last], 1, 1);
    refuses(&mut sim, &another, "as many signer sets as it may have");
    let more = presign(&sim, &model, &key, &[1, 2, last - 1], 1, 2);
    assert_eq!(answer(&mut sim, &more), None);
}

/// Shares are renewed when they are due, counted from when they came into force, over restarts.
#[test]
fn shares_are_renewed_by_the_calendar() {
    let (mut sim, shop, _) = with_orders(803, REFRESH);
    sim.pass(6_000);
    sim.ahead += DAY_S / 2;
    sim.crash(0);
    sim.boot(0);
    sim.write_policy(0, &shop, &rules(REFRESH));
    sim.until("it is back", |sim| (1..3).all(|i| sim.sees(0, i) && sim.sees(i, 0)));
    sim.pass(20_000);
    assert_eq!(epochs(&mut sim), [0; 3]);
    sim.ahead += DAY_S / 2;
    sim.until("all are in another epoch", |sim| epochs(sim).iter().all(|epoch| *epoch > 0));
    let after = epochs(&mut sim);
    sim.pass(40_000);
    assert_eq!(epochs(&mut sim), after, "once a day");

    // A holder that does not want it, and says so; and then does.
    sim.write_policy(2, &shop, &rules(""));
    sim.ahead += DAY_S;
    let told = |sim: &mut Sim| {
        let standing = sim.keys(0)[0].standing.clone().unwrap();
        standing.problem.is_some_and(|why| why.contains("node-2 has no standing order to refresh"))
    };
    sim.until("node 0 tells who is waited for", told);
    let standing = sim.keys(0)[0].standing.clone().unwrap();
    assert!(standing.waiting_for == [sim.api_id(2)] && standing.refresh_due.unwrap() <= sim.unix());
    assert_eq!(epochs(&mut sim), after);
    sim.write_policy(2, &shop, &rules(REFRESH));
    sim.until("it is tried again", |sim| epochs(sim).iter().all(|epoch| *epoch > after[0]));
}

/// Not before it is due, not by whose turn it is not, and not with other moduli than the orders say.
#[test]
fn a_hijacked_holder_gets_no_refresh_before_its_time() {
    let (mut sim, shop, _) = with_orders(804, "");
    let tape = record(&mut sim);
    sim.write_policy(0, &shop, &rules(REFRESH));
    sim.pass(6_000);
    sim.ahead += DAY_S;
    // The others do not want it, so it stays with that.
    let watched = tape.clone();
    sim.until("one is proposed", move |_| proposed(&watched, Kind::Refresh).is_some());
    sim.until("nothing is under way", |sim| running(sim) == 0);
    let model = proposed(&tape, Kind::Refresh).unwrap();

    sim.write_policy(0, &shop, &rules(&REFRESH.replace("days = 1", "days = 2")));
    let early = refresh(&sim, &model, api::Moduli::Keep, 1, 1);
    refuses(&mut sim, &early, "the order `daily` (line");
    let renewed = refresh(&sim, &model, api::Moduli::Renew, 1, 2);
    refuses(&mut sim, &renewed, "has no standing order to refresh like that");
    sim.write_policy(0, &shop, &rules(&REFRESH.replace("own", "other")));
    let other = refresh(&sim, &model, api::Moduli::Keep, 1, 3);
    refuses(&mut sim, &other, "has no standing order to refresh like that");
    // Soon due, and the first holder may, but not yet the second one.
    sim.write_policy(0, &shop, &rules(&REFRESH.replace("days = 1", "days = 2")));
    sim.ahead += DAY_S - EARLY_S;
    let early = refresh(&sim, &model, api::Moduli::Keep, 1, 4);
    refuses(&mut sim, &early, "or lets this proposer, in");
    sim.ahead += STAND_IN_S;
    let good = refresh(&sim, &model, api::Moduli::Keep, 1, 5);
    assert_eq!(answer(&mut sim, &good), None);
}

/// Where the first holder does nothing, the next one does it.
#[test]
fn another_holder_stands_in() {
    let (mut sim, ..) = with_orders(805, REFRESH);
    sim.pass(6_000);
    // Node 0 agrees to what others propose, and proposes nothing that anybody hears.
    sim.tamper = Some(Box::new(|from, _, message| match &message {
        PeerMessage::Propose(_) if from == 0 => Vec::new(),
        _ => vec![message.encode()],
    }));
    sim.ahead += DAY_S;
    sim.pass(40_000);
    assert_eq!(epochs(&mut sim), [0; 3]);
    sim.ahead += STAND_IN_S;
    sim.until("it is done", |sim| epochs(sim).iter().all(|epoch| *epoch > 0));
    let page = sim.ask(0, api::Request::ListCeremonies(api::PageQuery::default()));
    let api::Reply::Ceremonies(page) = page else { panic!() };
    let done = |view: &&api::CeremonyView| {
        view.kind == api::CeremonyKind::Refresh && view.state == api::CeremonyState::Done
    };
    assert_eq!(page.items.iter().find(done).unwrap().proposer, sim.api_id(1));
}
