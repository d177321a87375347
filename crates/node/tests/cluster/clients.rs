//! Requests that clients have signed, in a cluster that takes no others: what honest nodes make of them, and what a proposer
//! that is wholly in the wrong hands cannot.

mod hijacked;

use consign_api as api;
use consign_api::signed::Validity;
use consign_api::{ClientSecret, SignedRequest};
use consign_node::core::requests::{RawRequest, Wanted};
use consign_node::store::Table;

use crate::client::verify;
use crate::sim::Sim;

/// A client, for the cluster of a simulation.
pub(crate) struct Customer {
    secret: ClientSecret,
    cluster: api::ClusterId,
}

impl Customer {
    pub(crate) fn of(sim: &Sim, seed: u8) -> Self {
        let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
        Self { secret: ClientSecret::from_seed(&[seed; 32]), cluster: api::ClusterId(*cluster.as_bytes()) }
    }

    /// Its public key.
    pub(crate) fn key(&self) -> api::ClientKey {
        self.secret.public()
    }

    /// The same client as if the cluster were another one.
    pub(crate) fn elsewhere(self) -> Self {
        Self { cluster: api::ClusterId([99; 32]), ..self }
    }

    pub(crate) fn with_secret(self, seed: &[u8; 32]) -> Self {
        Self { secret: ClientSecret::from_seed(seed), ..self }
    }

    /// Signs a call, good for `seconds` from `created` on.
    pub(crate) fn sign_for(
        &self,
        request: &api::Request,
        key: &str,
        created: u64,
        seconds: u64,
    ) -> SignedRequest {
        let wanted = match request.clone() {
            api::Request::CreateKey(create) => Wanted::Key(create),
            api::Request::Sign(sign) => Wanted::Signature(sign),
            api::Request::Presign(presign) => Wanted::Presign(presign),
            api::Request::Refresh(refresh) => Wanted::Refresh(refresh),
            api::Request::Reshare(reshare) => Wanted::Reshare(reshare),
            other => panic!("{other:?}"),
        };
        let call = RawRequest::new(&wanted, 0, [0; 16]);
        let validity = Validity::new(created, created + seconds).unwrap();
        let key = key.parse().unwrap();
        SignedRequest::sign(&self.secret, self.cluster, &call.path, key, call.body, validity).unwrap()
    }

    /// Signs a call, now.
    pub(crate) fn sign(&self, sim: &Sim, request: &api::Request, key: &str) -> SignedRequest {
        self.sign_for(request, key, sim.unix(), 300)
    }
}

pub(crate) fn message(key: &api::KeyView, text: &[u8]) -> api::Request {
    let target = api::SignTarget::Message { bytes: text.to_vec(), hash: api::HashName::Sha256 };
    api::Request::Sign(api::Sign { key: key.id, path: api::PathText::root(), target })
}

impl Sim {
    /// Brings a signed call to a node, and waits for its end there.
    pub(crate) fn bring(
        &mut self,
        which: usize,
        signed: &SignedRequest,
    ) -> Result<api::Outcome, api::Problem> {
        let id = self.start(which, api::Request::Signed(Box::new(signed.clone())))?;
        self.finish(which, id)
    }

    /// A key of this client, active at all of the first three nodes.
    pub(crate) fn key_of(&mut self, customer: &Customer, name: &str) -> api::KeyView {
        let create = customer.sign(self, &self.create_key(2, &[0, 1, 2]), name);
        let Ok(api::Outcome::Key(key)) = self.bring(0, &create) else { panic!("no key") };
        let id = key.id;
        let active = move |k: &api::KeyView| k.id == id && k.state == api::KeyState::Active;
        self.until("all have the key", move |sim| (0..3).all(|i| sim.keys(i).iter().any(active)));
        *key
    }
}

fn signature(outcome: Result<api::Outcome, api::Problem>) -> api::SignatureView {
    match outcome {
        Ok(api::Outcome::Signature(view)) => *view,
        other => panic!("{other:?}"),
    }
}

/// Everything a client may ask for, from a key to its next committee, each at another node.
#[test]
fn a_client_gets_what_it_signs_for() {
    let mut sim = Sim::cluster_for_clients(501, 3);
    let customer = Customer::of(&sim, 1);
    let owner = Some(customer.secret.public());
    let key = sim.key_of(&customer, "key");
    for node in 0..3 {
        assert_eq!(sim.keys(node)[0].owner, owner, "{node}");
    }
    let call = customer.sign(&sim, &message(&key, b"interactive"), "1");
    verify(&key, &signature(sim.bring(1, &call)), b"interactive");

    let terms = api::PresignTerms { count: 4, signers: vec![sim.api_id(0), sim.api_id(1)] };
    let presign = api::Request::Presign(api::Presign { key: key.id, terms });
    assert!(sim.bring(0, &customer.sign(&sim, &presign, "2")).is_ok());
    sim.until("both have them", |sim| (0..2).all(|i| sim.keys(i)[0].presignatures == 4));
    for number in 0..3_u8 {
        // The third one comes from an owner to whom the call was passed, as signed as it came.
        let call =
            customer.sign(&sim, &message(&key, &[number]), &format!("online {number}").replace(' ', "-"));
        let made = signature(sim.bring(0, &call));
        verify(&key, &made, &[number]);
        assert!(made.presigned, "{number}");
    }

    let terms = api::RefreshTerms { epoch: 0, moduli: api::Moduli::Keep };
    let refresh = api::Request::Refresh(api::Refresh { key: key.id, terms });
    let Ok(api::Outcome::Key(now)) = sim.bring(2, &customer.sign(&sim, &refresh, "3")) else { panic!() };
    sim.until("the other is in the new epoch, too", |sim| sim.keys(0)[0].epoch == now.epoch);
    let committee = [0, 2].map(|i| sim.api_id(i)).to_vec();
    let terms = api::ReshareTerms { epoch: now.epoch, threshold: 2, committee };
    let reshare = api::Request::Reshare(api::Reshare { key: key.id, terms });
    let now = match sim.bring(0, &customer.sign(&sim, &reshare, "4")) {
        Ok(api::Outcome::Key(now)) => now,
        other => panic!("{other:?}"),
    };
    assert_eq!((now.owner, &now.public_key, now.committee.len()), (owner, &key.public_key, 2));
}

/// The same bytes lead to one signature, wherever they are brought and whatever restarts; other bytes under the same
/// `Idempotency-Key` lead to nothing.
#[test]
fn a_request_runs_once() {
    let mut sim = Sim::cluster_for_clients(502, 3);
    let customer = Customer::of(&sim, 1);
    let key = sim.key_of(&customer, "key");
    let call = customer.sign(&sim, &message(&key, b"pay once"), "order-1");
    let first = signature(sim.bring(0, &call));
    let by = first.signers.iter().map(|s| s.validator).collect::<Vec<_>>();
    assert_eq!(by.len(), 2);
    // A signer answers from its records; who has not signed is told by one who has.
    for node in [1, 2, 0] {
        let again = signature(sim.bring(node, &call));
        assert_eq!((&again.r, &again.s), (&first.r, &first.s), "at {node}");
    }
    let anew = customer.sign_for(&message(&key, b"pay once"), "order-1", sim.unix() + 1, 300);
    assert_eq!(signature(sim.bring(1, &anew)).r, first.r, "signed anew it is the same request");

    let other = customer.sign(&sim, &message(&key, b"pay twice"), "order-1");
    sim.crash(0);
    sim.boot(0);
    sim.until("it is back", |sim| (1..3).all(|i| sim.sees(0, i) && sim.sees(i, 0)));
    for node in 0..3 {
        let problem = sim.bring(node, &other).unwrap_err();
        assert_eq!(problem.kind, api::ProblemKind::IdempotencyConflict, "at {node}: {problem}");
    }
    assert_eq!(signature(sim.bring(0, &call)).r, first.r, "also after a restart");
    // Another client may call its request the same.
    let neighbour = Customer::of(&sim, 2).sign(&sim, &message(&key, b"pay twice"), "order-1");
    verify(&key, &signature(sim.bring(0, &neighbour)), b"pay twice");
}

/// A client that does not trust one node to be there brings its request to two at once. Both propose, and one signature comes
/// of it, with presignatures and without.
#[test]
fn a_request_that_two_nodes_get_at_once_is_signed_once() {
    let mut sim = Sim::cluster_for_clients(507, 3);
    let customer = Customer::of(&sim, 1);
    let key = sim.key_of(&customer, "key");
    let terms = api::PresignTerms { count: 8, signers: vec![sim.api_id(0), sim.api_id(1)] };
    let presign = api::Request::Presign(api::Presign { key: key.id, terms });
    assert!(sim.bring(0, &customer.sign(&sim, &presign, "pool")).is_ok());
    sim.until("both have them", |sim| (0..2).all(|i| sim.keys(i)[0].presignatures == 8));
    let mut used = std::collections::BTreeMap::new();
    for (number, (one, other)) in [(0, 1), (1, 0), (0, 2), (2, 1), (1, 2), (0, 1)].into_iter().enumerate() {
        let text = format!("order {number}");
        let call = customer.sign(&sim, &message(&key, text.as_bytes()), &format!("order-{number}"));
        let both = [one, other]
            .map(|node| (node, sim.start(node, api::Request::Signed(Box::new(call.clone()))).unwrap()));
        let [first, second] = both.map(|(node, id)| signature(sim.finish(node, id)));
        verify(&key, &first, text.as_bytes());
        assert_eq!((&first.r, &first.s), (&second.r, &second.s), "{text}");
        for node in 0..3 {
            let Some(view) = sim.view(node, both[0].1) else { continue };
            for id in view.presignatures {
                let before = used.insert(id, number);
                assert!(before.is_none_or(|before| before == number), "{text}: used before");
            }
        }
    }
    assert!(!used.is_empty(), "some were signed with presignatures");
}

/// Who holds no share of it shows the key all the same that the request has led to.
#[test]
fn a_key_is_made_once_for_a_request() {
    let mut sim = Sim::cluster_for_clients(506, 4);
    let customer = Customer::of(&sim, 1);
    let create = sim.create_key(2, &[0, 1, 2]);
    let call = customer.sign(&sim, &create, "order-1");
    let Ok(api::Outcome::Key(key)) = sim.bring(0, &call) else { panic!("no key") };
    for node in 1..4 {
        match sim.bring(node, &call) {
            Ok(api::Outcome::Key(same)) => {
                assert_eq!((same.id, same.owner), (key.id, key.owner), "at {node}")
            }
            other => panic!("at {node}: {other:?}"),
        }
    }
    // Another one under its name is none of it, wherever it is brought.
    let other = customer.sign(&sim, &sim.create_key(3, &[0, 1, 2]), "order-1");
    for node in 0..4 {
        assert_eq!(sim.bring(node, &other).unwrap_err().kind, api::ProblemKind::IdempotencyConflict);
    }
    assert_eq!((0..3).map(|i| sim.keys(i).len()).max(), Some(1));
    let after = customer.sign(&sim, &message(&key, b"from outside"), "order-2");
    verify(&key, &signature(sim.bring(3, &after)), b"from outside");
}

/// The node that was asked dies on the way: the client brings the same bytes to another one.
#[test]
fn a_request_survives_its_proposer() {
    let mut sim = Sim::cluster_for_clients(503, 3);
    let customer = Customer::of(&sim, 1);
    let key = sim.key_of(&customer, "key");
    let before = sim.records(1, Table::Requests);
    let call = customer.sign(&sim, &message(&key, b"in spite of all"), "order-1");
    sim.start(0, api::Request::Signed(Box::new(call.clone()))).unwrap();
    sim.until("another one knows of it", move |sim| (1..3).any(|i| sim.records(i, Table::Requests) > before));
    sim.crash(0);
    for _ in 0..60 {
        match sim.bring(1, &call) {
            Ok(api::Outcome::Signature(made)) => return verify(&key, &made, b"in spite of all"),
            Ok(other) => panic!("{other:?}"),
            Err(_) => sim.pass(2_000),
        }
    }
    panic!("never signed");
}

/// The node that is asked refuses at once what no participant would take, and proposes nothing.
#[test]
fn what_does_not_count_is_not_even_proposed() {
    let mut sim = Sim::cluster_for_clients(505, 2);
    let customer = Customer::of(&sim, 1);
    let (request, now) = (sim.create_key(2, &[0, 1]), sim.unix());
    let altered = |at_end: u8| {
        let mut bytes = customer.sign_for(&request, "1", now, 60).encode();
        *bytes.last_mut().unwrap() = at_end;
        SignedRequest::decode(&bytes).unwrap()
    };
    let seed = sim.machines[1].identity.expose_seed();
    let unauthorized = api::ProblemKind::Unauthorized;
    for (signed, kind, why) in [
        (altered(b' '), unauthorized, "does not hold"),
        (Customer::of(&sim, 1).elsewhere().sign(&sim, &request, "2"), unauthorized, "another cluster"),
        (customer.sign_for(&request, "3", now - 100, 60), unauthorized, "not fresh"),
        (customer.sign_for(&request, "4", now + 100, 60), unauthorized, "not fresh"),
        (
            Customer::of(&sim, 1).with_secret(&seed).sign(&sim, &request, "5"),
            api::ProblemKind::Forbidden,
            "key of a node",
        ),
    ] {
        let problem = sim.start(0, api::Request::Signed(Box::new(signed))).unwrap_err();
        assert_eq!(problem.kind, kind, "{problem}");
        assert!(problem.detail.contains(why), "{problem}");
    }
    let odd = SignedRequest::sign(
        &customer.secret,
        customer.cluster,
        "/v1/keys",
        "6".parse().unwrap(),
        b"{}".to_vec(),
        Validity::new(now, now + 60).unwrap(),
    );
    let problem = sim.start(0, api::Request::Signed(Box::new(odd.unwrap()))).unwrap_err();
    assert_eq!(problem.kind, api::ProblemKind::Malformed, "{problem}");
    assert_eq!((sim.records(0, Table::Requests), sim.records(1, Table::Requests)), (0, 0));
}

/// A node that knows no policy does not open to a signature alone, and the token alone starts nothing.
#[test]
fn both_the_token_and_a_signature_are_needed() {
    let mut sim = Sim::cluster_for_clients(504, 2);
    let customer = Customer::of(&sim, 1);
    let request = sim.create_key(2, &[0, 1]);
    let signed = Box::new(customer.sign(&sim, &request, "1"));
    let problem = sim.start(0, request).unwrap_err();
    assert_eq!(problem.kind, api::ProblemKind::Unauthorized, "{problem}");
    let client = signed.client();
    for alone in [api::Request::Signed(signed), api::Request::ShowNode] {
        match sim.ask(0, api::Request::By(client, Box::new(alone))) {
            api::Reply::Problem(problem) => assert_eq!(problem.kind, api::ProblemKind::Unauthorized),
            other => panic!("{other:?}"),
        }
    }
}
