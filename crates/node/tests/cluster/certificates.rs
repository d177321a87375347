//! What a client is shown of a key, by nodes that may be in the wrong hands: the certificate decides.

mod forged;
mod signatures;

use consign_api as api;
use consign_api::{Judge as _, Mistrust, Pins, SignedRequest};
use consign_node::core::certificate::{Judge, NotCertified, judge};
use consign_node::core::wire::Certificate;

use crate::clients::Customer;
use crate::sim::{Sim, Weather};

impl Sim {
    /// The certificate of a key as a node shows it.
    pub(crate) fn certificate(&mut self, which: usize, id: api::KeyId) -> Vec<u8> {
        match self.ask(which, api::Request::ShowCertificate(id)) {
            api::Reply::Certificate(file) => file,
            other => panic!("SEED={}: {other:?}", self.seed),
        }
    }
}

/// Nodes, the first three of which hold a key of a client, the call by which it was asked for, and its certificate.
fn with_certificate(seed: u64, nodes: usize) -> (Sim, Customer, api::KeyView, SignedRequest, Vec<u8>) {
    let mut sim = Sim::cluster_for_clients(seed, nodes);
    let customer = Customer::of(&sim, 1);
    let call = customer.sign(&sim, &sim.create_key(2, &[0, 1, 2]), "mine");
    let key = made(&mut sim, &call);
    let file = sim.certificate(0, key.id);
    (sim, customer, key, call, file)
}

/// The key that the first three nodes make for this call.
fn made(sim: &mut Sim, call: &SignedRequest) -> api::KeyView {
    let Ok(api::Outcome::Key(key)) = sim.bring(0, call) else { panic!("no key") };
    sim.agree(&[0, 1, 2], &key);
    *key
}

/// The key in its next epoch.
fn next(sim: &mut Sim, customer: &Customer, key: &api::KeyView, request: &api::Request) -> api::KeyView {
    let call = customer.sign(sim, request, &format!("from-{}", key.epoch));
    match sim.bring(0, &call) {
        Ok(api::Outcome::Key(new)) => *new,
        other => panic!("SEED={}: {other:?}", sim.seed),
    }
}

/// Whoever shows it, a certificate leads to the epoch in force, and is believed by whoever has seen any epoch before.
#[test]
fn a_certificate_follows_a_key_through_all_its_epochs() {
    let (mut sim, customer, key, call, first) = with_certificate(900, 5);
    let shown = judge(&first).unwrap();
    assert_eq!((shown.is_for(&call), shown.agrees(&key), shown.changes), (Ok(()), Ok(()), 0));
    let mut pins = Pins::default();
    pins.see(customer.key(), &shown).unwrap();
    let mut files = vec![first];
    let mut now = key.clone();
    let kept = api::Moduli::Keep;
    for step in 0..5 {
        let request = match step {
            0 | 3 => sim.refresh(&now, kept),
            1 => sim.reshare(&now, 3, &[4, 0, 1, 2, 3]),
            2 => sim.refresh(&now, kept),
            _ => sim.reshare(&now, 2, &[2, 0, 1]),
        };
        now = next(&mut sim, &customer, &now, &request);
        let holders: Vec<_> =
            (0..5).filter(|i| now.committee.iter().any(|m| m.validator == sim.api_id(*i))).collect();
        sim.agree(&holders, &now);
        for which in holders {
            let (file, view) = (sim.certificate(which, key.id), sim.key_at(which, key.id).unwrap());
            let shown = judge(&file).unwrap();
            assert_eq!((shown.agrees(&view), shown.is_for(&call)), (Ok(()), Ok(())), "{step} at {which}");
            assert_eq!((&shown.pin.public_key, shown.pin.epoch), (&key.public_key, now.epoch));
            pins.see(customer.key(), &shown).unwrap();
            if which == 1 {
                files.push(file);
            }
        }
    }
    // Two refreshes in a row are one step.
    assert_eq!((now.threshold, now.committee.len(), pins.keys()[0].epoch), (2, 3, now.epoch));
    assert_eq!(judge(files.last().unwrap()).unwrap().changes, 4);

    // A node that goes back to an older committee is noticed by who has seen a later one, and by nobody else.
    for file in &files {
        let shown = judge(file).unwrap();
        let is_old = shown.pin.epoch < now.epoch;
        let seen = pins.clone().see(customer.key(), &shown);
        assert_eq!(matches!(seen, Err(Mistrust::Older { .. })), is_old, "epoch {}", shown.pin.epoch);
        assert_eq!(Pins::default().see(customer.key(), &shown), Ok(()));
        // What it leads to is the epoch that it ends with: a cut one is of an older epoch, and no step can be left out.
        let certificate = Certificate::from_file(file).unwrap();
        for end in 0..certificate.steps.len() {
            let cut = Certificate { steps: certificate.steps[..end].to_vec(), ..certificate.clone() };
            assert!(cut.judge().unwrap().pin.epoch < shown.pin.epoch);
            let mut gap = certificate.clone();
            gap.steps.remove(end);
            let gap = gap.judge();
            let is_last = end + 1 == certificate.steps.len();
            assert_eq!(gap.is_ok(), is_last, "{end}: {gap:?}");
        }
    }
}

/// Any byte of it may be changed: then it is refused, or says what it said.
#[test]
fn no_byte_of_a_certificate_can_be_altered() {
    let mut sim = Sim::cluster_for_clients(901, 3);
    let customer = Customer::of(&sim, 1);
    let call = customer.sign(&sim, &sim.create_key(2, &[0, 1]), "mine");
    let Ok(api::Outcome::Key(key)) = sim.bring(0, &call) else { panic!("no key") };
    // Every byte of a first epoch; of one with every kind of link a part of them.
    alter(&sim.certificate(0, key.id), 1);
    let request = sim.refresh(&key, api::Moduli::Keep);
    let now = next(&mut sim, &customer, &key, &request);
    let request = sim.reshare(&now, 2, &[2, 1]);
    next(&mut sim, &customer, &now, &request);
    alter(&sim.certificate(0, key.id), 7);
}

/// Changes one bit of each `stride`th byte.
fn alter(file: &[u8], stride: usize) {
    let shown = judge(file).unwrap();
    let places: Vec<_> = (0..file.len()).step_by(stride).collect();
    let mut refused = 0;
    for place in &places {
        let mut other = file.to_vec();
        other[*place] ^= 1 << (place % 8);
        match judge(&other) {
            Ok(same) => assert_eq!(same, shown, "byte {place} changes what it says"),
            Err(_) => refused += 1,
        }
    }
    assert_eq!(refused, places.len());
}

/// A key that a client of the node has asked for with a token: nobody but the committee vouches for it.
#[test]
fn keys_without_an_owner_and_imported_ones_have_certificates() {
    let mut sim = Sim::cluster(902, 3, Weather::default());
    let key = sim.new_key(0, 2, &[0, 1, 2]);
    sim.agree(&[0, 1, 2], &key);
    let shown = judge(&sim.certificate(1, key.id)).unwrap();
    assert_eq!((shown.agrees(&key), shown.pin.owner, shown.pin.imported), (Ok(()), None, None));
    let me = Customer::of(&sim, 1);
    assert!(matches!(Pins::default().see(me.key(), &shown), Err(Mistrust::Foreign { .. })));
    let call = me.sign(&sim, &sim.create_key(2, &[0, 1, 2]), "mine");
    assert!(matches!(shown.is_for(&call), Err(Mistrust::NotAsked { what: "request", .. })));

    let request = sim.import(api::Curve::P256, 2, &[1, 2]);
    let id = sim.start(0, request).unwrap();
    let Ok(api::Outcome::Key(key)) = sim.finish(0, id) else { panic!("no key") };
    sim.agree(&[0, 1, 2], &key);
    for which in 0..3 {
        let shown = judge(&sim.certificate(which, key.id)).unwrap();
        let view = sim.key_at(which, key.id).unwrap();
        assert_eq!((shown.agrees(&view), shown.pin.imported), (Ok(()), Some(sim.api_id(0))));
        assert_eq!((shown.first_threshold, shown.pin.threshold), (1, 2));
        assert_eq!(shown.pin.shared_out.as_ref(), Some(&shown.pin.session));
        assert!(matches!(shown.is_for(&call), Err(Mistrust::NotAsked { .. })));
    }
}

/// Who may not see a key may not see its certificate; before all have confirmed it there is none.
#[test]
fn a_certificate_is_for_those_who_may_see_the_key() {
    let (mut sim, customer, key, ..) = with_certificate(903, 3);
    sim.write_policy(0, &customer, &crate::policies::allow("\"sign\"", "\"own\"", ""));
    let by =
        |client: api::ClientKey, id| api::Request::By(client, Box::new(api::Request::ShowCertificate(id)));
    assert!(matches!(sim.ask(0, by(customer.key(), key.id)), api::Reply::Certificate(_)));
    let stranger = Customer::of(&sim, 2).key();
    assert!(matches!(sim.ask(0, by(stranger, key.id)), api::Reply::Problem(_)));
    let missing = api::Request::ShowCertificate(api::KeyId([7; 32]));
    let api::Reply::Problem(problem) = sim.ask(0, missing) else { panic!("a certificate of nothing") };
    assert_eq!(problem.kind, api::ProblemKind::UnknownKey);
    assert!(matches!(Judge.certificate(b"nothing"), Err(why) if why.contains("not a certificate")));
    assert_eq!(judge(b"nothing"), Err(NotCertified::NotACertificate));
}
