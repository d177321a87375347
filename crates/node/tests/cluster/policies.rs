//! Nodes whose operators have written policies: each decides for itself, counts for itself, and asks its own operator.

use consign_api as api;
use consign_node::core::Input;
use consign_node::core::Now;
use consign_node::core::audit::{Chain, Kind};
use consign_node::core::backup::Backup;
use consign_node::core::policy::Policy;
use consign_node::core::wire::PeerMessage;
use consign_node::store::Table;

use crate::client::verify;
use crate::clients::{Customer, message};
use crate::hostile::equivocation;
use crate::sim::Sim;

impl Sim {
    /// The operator of a node writes a policy that knows this client.
    pub(crate) fn write_policy(&mut self, which: usize, customer: &Customer, rules: &str) {
        let text = format!("[[client]]\nname = \"shop\"\nkey = \"{}\"\n{rules}", customer.key());
        let policy = Policy::parse(&text).map_err(|e| e.to_string());
        assert!(policy.is_ok(), "{policy:?}");
        self.handle(which, Input::Policy(policy));
    }

    pub(crate) fn approvals(&mut self, which: usize) -> Vec<api::ApprovalView> {
        match self.ask(which, api::Request::ListApprovals) {
            api::Reply::Approvals(page) => page.items,
            other => panic!("{other:?}"),
        }
    }

    fn approve(&mut self, which: usize, view: &api::ApprovalView, approve: bool) -> api::ApprovalState {
        let body = api::DecideBody { content: view.content, approve };
        match self.ask(which, api::Request::DecideApproval(api::Decide { id: view.id, body })) {
            api::Reply::Approval(view) => view.state,
            other => panic!("{other:?}"),
        }
    }
}

/// A rule of the client of the file.
pub(crate) fn allow(ceremonies: &str, keys: &str, more: &str) -> String {
    format!("[[allow]]\nclients = [\"shop\"]\nceremonies = [{ceremonies}]\nkeys = [{keys}]\n{more}")
}

#[track_caller]
fn refused(outcome: Result<api::Outcome, api::Problem>, kind: api::ProblemKind, text: &str) {
    let problem = outcome.unwrap_err();
    assert!(problem.kind == kind && problem.detail.contains(text), "{problem:?}");
}

/// Whoever brings a request, each signer asks its own policy, and says which rule is missing.
#[test]
fn each_signer_has_its_own_policy() {
    let mut sim = Sim::cluster_for_clients(701, 3);
    let (shop, other) = (Customer::of(&sim, 1), Customer::of(&sim, 2));
    for node in 0..3 {
        sim.write_policy(node, &shop, &allow("\"keygen\", \"sign\"", "\"own\"", ""));
    }
    let key = sim.key_of(&shop, "key");
    let call = shop.sign(&sim, &message(&key, b"one"), "1");
    let Ok(api::Outcome::Signature(made)) = sim.bring(0, &call) else { panic!() };
    verify(&key, &made, b"one");

    // Who is not in the file, or has no rule for the key, does not even hear that it is there.
    let call = other.sign(&sim, &message(&key, b"two"), "2");
    refused(sim.bring(0, &call), api::ProblemKind::UnknownKey, "no share of such a key");
    // Nobody has signed for what comes with the token.
    let plain = sim.start(0, message(&key, b"three")).unwrap_err();
    assert_eq!(plain.kind, api::ProblemKind::Unauthorized, "{plain:?}");
    // The node that is asked says no by itself.
    let terms = api::RefreshTerms { epoch: 0, moduli: api::Moduli::Keep };
    let refresh = api::Request::Refresh(api::Refresh { key: key.id, terms });
    let call = shop.sign(&sim, &refresh, "4");
    refused(sim.bring(0, &call), api::ProblemKind::Forbidden, "add \"refresh\" to `ceremonies`");

    // A node that would allow anything gets nothing signed by those that do not.
    for node in 1..3 {
        sim.write_policy(node, &shop, &allow("\"sign\"", "\"other-*\"", ""));
    }
    let call = shop.sign(&sim, &message(&key, b"five"), "5");
    refused(sim.bring(0, &call), api::ProblemKind::Refused, "is for other keys; add \"pay\"");
    // Nor does the client, without a token, see the key there; and who is not named sees nothing.
    let by = |who: &Customer, request| api::Request::By(who.key(), Box::new(request));
    for (node, seen) in [(0, 1), (1, 0)] {
        let list = sim.ask(node, by(&shop, api::Request::ListKeys(api::PageQuery::default())));
        assert!(matches!(&list, api::Reply::Keys(page) if page.items.len() == seen), "{node}: {list:?}");
        let show = sim.ask(node, by(&shop, api::Request::ShowKey(key.id)));
        assert_eq!(matches!(show, api::Reply::Key(_)), seen == 1, "{node}: {show:?}");
        let show = sim.ask(node, by(&other, api::Request::ShowKey(key.id)));
        let kind = api::ProblemKind::Unauthorized;
        assert!(matches!(&show, api::Reply::Problem(problem) if problem.kind == kind), "{node}: {show:?}");
    }
    // A broken file changes nothing; and what a node shows of its policy says so.
    sim.handle(2, Input::Policy(Err("line 3: broken".to_owned())));
    let api::Reply::Node(node) = sim.ask(2, api::Request::ShowNode) else { panic!() };
    let view = node.policy.unwrap();
    assert_eq!((view.clients, view.rules, view.error.as_deref()), (1, 1, Some("line 3: broken")));
    let call = shop.sign(&sim, &message(&key, b"six"), "6");
    refused(sim.bring(0, &call), api::ProblemKind::Refused, "is for other keys");
}

/// In a minute no signer takes more than its own rule says, however many nodes bring it.
#[test]
fn each_signer_counts_by_itself() {
    let mut sim = Sim::cluster_for_clients(702, 2);
    let shop = Customer::of(&sim, 1);
    sim.write_policy(0, &shop, &allow("\"keygen\", \"sign\"", "\"own\"", ""));
    sim.write_policy(1, &shop, &allow("\"keygen\", \"sign\"", "\"own\"", "per_minute = 2\n"));
    let create = shop.sign(&sim, &sim.create_key(2, &[0, 1]), "key");
    let Ok(api::Outcome::Key(key)) = sim.bring(0, &create) else { panic!() };
    // The key was the first, with the moduli before it; tries of one request count once.
    let first = shop.sign(&sim, &message(&key, b"1"), "1");
    assert!(sim.bring(0, &first).is_ok());
    for (node, name) in [(0, "2"), (1, "3")] {
        let call = shop.sign(&sim, &message(&key, name.as_bytes()), name);
        let problem = sim.bring(node, &call).unwrap_err();
        assert!(problem.detail.contains("2 times in a minute"), "{problem:?}");
    }
    sim.pass(62_000);
    let later = shop.sign(&sim, &message(&key, b"4"), "4");
    assert!(sim.bring(0, &later).is_ok());
}

/// What waits is shown as the node has read it; the operator's word is for that alone, and lasts over a restart.
#[test]
fn an_operator_approves_what_it_was_shown() {
    let mut sim = Sim::cluster_for_clients(703, 2);
    let shop = Customer::of(&sim, 1);
    let careful = allow("\"keygen\"", "\"own\"", "") + &allow("\"sign\"", "\"own\"", "approve = true\n");
    sim.write_policy(0, &shop, &allow("\"keygen\", \"sign\"", "\"own\"", ""));
    sim.write_policy(1, &shop, &careful);
    let create = shop.sign(&sim, &sim.create_key(2, &[0, 1]), "key");
    let Ok(api::Outcome::Key(key)) = sim.bring(0, &create) else { panic!() };
    sim.until("both have it", |sim| sim.keys(1).iter().any(|k| k.state == api::KeyState::Active));

    let call = shop.sign(&sim, &message(&key, b"pay 5"), "order");
    refused(sim.bring(0, &call), api::ProblemKind::Refused, "waits for approval at node-1: `consign approve");
    let waiting = sim.approvals(1);
    let [view] = &waiting[..] else { panic!("{waiting:?}") };
    assert_eq!((view.state, view.client.as_str()), (api::ApprovalState::Waiting, "shop"));
    assert_eq!((view.client_key, view.key), (shop.key(), Some(key.id)));
    assert_eq!((view.facts["message"].as_str(), view.facts["hash"].as_str()), ("pay 5", "sha256"));
    assert!(sim.approvals(0).is_empty(), "its operator is not asked");

    // The word is for this content; another one under the same id is not known.
    let other = api::ApprovalView { content: api::ContentHash([1; 32]), ..view.clone() };
    let body = api::DecideBody { content: other.content, approve: true };
    let reply = sim.ask(1, api::Request::DecideApproval(api::Decide { id: view.id, body }));
    assert!(matches!(reply, api::Reply::Problem(_)), "{reply:?}");
    assert_eq!(sim.approve(1, view, true), api::ApprovalState::Approved);

    sim.crash(1);
    sim.boot(1);
    sim.write_policy(1, &shop, &careful);
    sim.until("it is back", |sim| sim.sees(0, 1) && sim.sees(1, 0));
    let Ok(api::Outcome::Signature(made)) = sim.bring(0, &call) else { panic!() };
    verify(&key, &made, b"pay 5");

    // Both are in the log: what the operator said, and by which file.
    let log = Chain::read(&sim.machines[1].store).unwrap();
    let told = |kind| log.entries.iter().filter(move |placed| placed.entry.kind == kind);
    let said: Vec<_> = told(Kind::Approval).map(|placed| placed.entry.summary.as_str()).collect();
    assert!(matches!(said[..], [said] if said.starts_with("approved by the operator: sign")), "{said:?}");
    let policies: Vec<_> = told(Kind::Policy).map(|placed| placed.entry.summary.as_str()).collect();
    assert!(
        matches!(policies[..], [policy] if policy.contains("SHA-256")),
        "the same again is no news: {policies:?}"
    );

    let call = shop.sign(&sim, &message(&key, b"pay 500"), "another");
    refused(sim.bring(0, &call), api::ProblemKind::Refused, "waits for approval");
    let waiting = sim.approvals(1);
    assert_eq!(
        (waiting.len(), waiting[0].facts["message"].as_str()),
        (2, "pay 500"),
        "what waits comes first"
    );
    assert_eq!(sim.approve(1, &waiting[0], false), api::ApprovalState::Denied);
    refused(sim.bring(0, &call), api::ProblemKind::Refused, "the operator of node-1 has denied it");
}

/// A share for somebody new waits at every holder that is asked for its part, unless the holder's policy names who gets it.
#[test]
fn resharing_is_as_strong_as_export() {
    let mut sim = Sim::cluster_for_clients(704, 3);
    let shop = Customer::of(&sim, 1);
    let rules = |more: &str| allow("\"keygen\"", "\"own\"", "") + &allow("\"reshare\"", "\"own\"", more);
    let named = format!("new_members = [\"{}\"]\n", sim.api_id(2));
    sim.write_policy(0, &shop, &rules(&named));
    sim.write_policy(1, &shop, &rules(""));
    sim.write_policy(2, &shop, &rules(""));
    let create = shop.sign(&sim, &sim.create_key(2, &[0, 1]), "key");
    let Ok(api::Outcome::Key(key)) = sim.bring(0, &create) else { panic!() };
    sim.until("both have it", |sim| sim.keys(1).iter().any(|k| k.state == api::KeyState::Active));
    let committee = (0..3).map(|i| sim.api_id(i)).collect();
    let terms = api::ReshareTerms { epoch: 0, threshold: 2, committee };
    let reshare = api::Request::Reshare(api::Reshare { key: key.id, terms });
    let call = shop.sign(&sim, &reshare, "move");
    refused(sim.bring(0, &call), api::ProblemKind::Refused, "waits for approval at node-1");
    let waiting = sim.approvals(1);
    assert_eq!(waiting[0].facts["new_members"], sim.api_id(2).to_string());
    assert_eq!((&*waiting[0].facts["threshold_now"], &*waiting[0].facts["threshold_then"]), ("2", "2"));
    sim.approve(1, &waiting[0], true);
    let Ok(api::Outcome::Key(now)) = sim.bring(0, &call) else { panic!() };
    assert_eq!(now.committee.len(), 3);
    assert!(sim.approvals(0).is_empty() && sim.approvals(2).is_empty());
}

/// What waits for an operator may be good for a day, and nothing else, not even at the next node.
#[test]
fn only_what_waits_for_an_operator_is_good_for_a_day() {
    const HOURS_20: u64 = 20 * 60 * 60;
    let mut sim = Sim::cluster_for_clients(705, 2);
    let shop = Customer::of(&sim, 1);
    let careful = allow("\"keygen\"", "\"own\"", "") + &allow("\"sign\"", "\"own\"", "approve = true\n");
    sim.write_policy(0, &shop, &careful);
    sim.write_policy(1, &shop, &careful);
    let create = shop.sign(&sim, &sim.create_key(2, &[0, 1]), "key");
    let Ok(api::Outcome::Key(key)) = sim.bring(0, &create) else { panic!() };
    sim.until("both have it", |sim| sim.keys(1).iter().any(|k| k.state == api::KeyState::Active));
    let long = shop.sign_for(&sim.create_key(2, &[0, 1]), "long", sim.unix(), HOURS_20);
    refused(sim.bring(0, &long), api::ProblemKind::Refused, "at most 600 s at node-0");

    let call = shop.sign_for(&message(&key, b"pay 5"), "order", sim.unix(), HOURS_20);
    refused(sim.bring(0, &call), api::ProblemKind::Refused, "waits for approval at node-0");
    let waiting = sim.approvals(0);
    sim.approve(0, &waiting[0], true);
    refused(sim.bring(0, &call), api::ProblemKind::Refused, "waits for approval at node-1");
    // The operators come back from lunch, and node 0 from a restart.
    sim.ahead += HOURS_20 - 600;
    sim.crash(0);
    sim.boot(0);
    sim.write_policy(0, &shop, &careful);
    sim.until("it is back", |sim| sim.sees(0, 1) && sim.sees(1, 0));
    let waiting = sim.approvals(1);
    sim.approve(1, &waiting[0], true);
    let Ok(api::Outcome::Signature(made)) = sim.bring(0, &call) else { panic!() };
    verify(&key, &made, b"pay 5");
    // A node whose operator is not asked does not take part in what is good for so long.
    sim.write_policy(1, &shop, &allow("\"sign\"", "\"own\"", ""));
    let call = shop.sign_for(&message(&key, b"pay 6"), "next", sim.unix(), HOURS_20);
    refused(sim.bring(0, &call), api::ProblemKind::Refused, "at most 600 s at node-1");
}

/// A client sees what it has asked for and what is about keys that a rule lets it use.
#[test]
fn a_client_sees_no_ceremonies_of_others() {
    let mut sim = Sim::cluster_for_clients(706, 3);
    let (shop, other) = (Customer::of(&sim, 1), Customer::of(&sim, 2));
    let rules = |keys: &str| {
        let other = other.key();
        allow("\"keygen\", \"sign\"", "\"own\"", "")
            + &format!("[[client]]\nname = \"other\"\nkey = \"{other}\"\n")
            + &format!("[[allow]]\nclients = [\"other\"]\nceremonies = [\"sign\"]\nkeys = [{keys}]\n")
    };
    for node in 0..3 {
        sim.write_policy(node, &shop, &rules("\"own\""));
    }
    let create = shop.sign(&sim, &sim.create_key(2, &[0, 1]), "key");
    let Ok(api::Outcome::Key(key)) = sim.bring(0, &create) else { panic!() };
    let call = shop.sign(&sim, &message(&key, b"secret business"), "1");
    assert!(sim.bring(0, &call).is_ok());
    let by = |who: &Customer, request| api::Request::By(who.key(), Box::new(request));
    let list = |sim: &mut Sim, who: &Customer| match sim
        .ask(0, by(who, api::Request::ListCeremonies(api::PageQuery::default())))
    {
        api::Reply::Ceremonies(page) => page.items,
        other => panic!("{other:?}"),
    };
    let theirs = list(&mut sim, &shop);
    assert_eq!((theirs.len(), list(&mut sim, &other).len()), (2, 0));
    let show = |sim: &mut Sim, who: &Customer| sim.ask(0, by(who, api::Request::ShowCeremony(theirs[0].id)));
    assert!(matches!(show(&mut sim, &shop), api::Reply::Ceremony(_)));
    let unknown = |reply: &api::Reply, kind| matches!(reply, api::Reply::Problem(why) if why.kind == kind);
    assert!(unknown(&show(&mut sim, &other), api::ProblemKind::UnknownCeremony));
    // Nor by way of a node that has to ask others what the key is, the first time or later.
    for _ in 0..2 {
        let reply = sim.ask(2, by(&other, api::Request::ShowKey(key.id)));
        assert!(unknown(&reply, api::ProblemKind::UnknownKey), "{reply:?}");
    }
    assert!(matches!(sim.ask(2, by(&shop, api::Request::ShowKey(key.id))), api::Reply::Key(_)));
    // Who asked is known after a restart too; and a rule on the key opens its ceremonies.
    sim.crash(0);
    sim.boot(0);
    sim.write_policy(0, &shop, &rules("\"own\""));
    assert_eq!((list(&mut sim, &shop).len(), list(&mut sim, &other).len()), (2, 0));
    sim.write_policy(0, &shop, &rules("\"pay\""));
    assert_eq!((list(&mut sim, &shop).len(), list(&mut sim, &other).len()), (2, 2));

    // Evidence that is about nothing of theirs is no client's business.
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let [culprit, witness] = [2, 1].map(|i| std::sync::Arc::clone(&sim.machines[i].identity));
    let file = equivocation(cluster, [&culprit, &witness], &culprit, 1);
    let id = api::EvidenceId(file.id().0);
    sim.transmit(1, 0, PeerMessage::Evidence(Box::new(file)).encode());
    sim.until("it is judged", |sim| sim.records(0, Table::Evidence) == 1);
    let all = api::Request::ListEvidence(api::PageQuery::default());
    assert!(matches!(sim.ask(0, all.clone()), api::Reply::Evidence(page) if page.items.len() == 1));
    assert!(matches!(sim.ask(0, by(&shop, all)), api::Reply::Evidence(page) if page.items.is_empty()));
    let reply = sim.ask(0, by(&shop, api::Request::ShowEvidence(id)));
    assert!(unknown(&reply, api::ProblemKind::UnknownEvidence), "{reply:?}");
}

/// What was agreed to before the policy became stricter, or the operator thought better of it, comes to nothing.
#[test]
fn a_stricter_policy_ends_what_is_under_way() {
    let mut sim = Sim::cluster_for_clients(707, 2);
    let shop = Customer::of(&sim, 1);
    let lax = allow("\"keygen\", \"sign\"", "\"own\"", "");
    for node in 0..2 {
        sim.write_policy(node, &shop, &lax);
    }
    let create = shop.sign(&sim, &sim.create_key(2, &[0, 1]), "key");
    let Ok(api::Outcome::Key(key)) = sim.bring(0, &create) else { panic!() };
    sim.until("both have it", |sim| sim.keys(1).iter().any(|k| k.state == api::KeyState::Active));
    let running = |sim: &mut Sim, call: &api::SignedRequest| {
        let id = sim.start(0, api::Request::Signed(Box::new(call.clone()))).unwrap();
        let state = api::CeremonyState::Running;
        sim.until("node 1 is in the session", move |sim| sim.view(1, id).is_some_and(|v| v.state == state));
        id
    };
    let call = shop.sign(&sim, &message(&key, b"too late"), "1");
    let id = running(&mut sim, &call);
    sim.write_policy(1, &shop, &allow("\"keygen\"", "\"own\"", ""));
    refused(sim.finish(0, id), api::ProblemKind::Refused, "add \"sign\" to `ceremonies`");

    let careful = allow("\"sign\"", "\"own\"", "approve = true\n");
    sim.write_policy(1, &shop, &careful);
    let call = shop.sign(&sim, &message(&key, b"on second thought"), "2");
    refused(sim.bring(0, &call), api::ProblemKind::Refused, "waits for approval");
    let waiting = sim.approvals(1);
    sim.approve(1, &waiting[0], true);
    let id = running(&mut sim, &call);
    sim.approve(1, &waiting[0], false);
    refused(sim.finish(0, id), api::ProblemKind::Refused, "has denied it");
    // A policy that lets it go on does not disturb it.
    sim.write_policy(1, &shop, &lax);
    let call = shop.sign(&sim, &message(&key, b"all is well"), "3");
    let id = running(&mut sim, &call);
    sim.write_policy(1, &shop, &allow("\"sign\"", "\"own\"", "hashes = [\"sha256\"]\n"));
    let Ok(api::Outcome::Signature(made)) = sim.finish(0, id) else { panic!() };
    verify(&key, &made, b"all is well");
}

/// A backup holds the policy, word for word, so that nobody opens a node by losing the folder.
#[test]
fn the_policy_is_in_the_backup() {
    let mut sim = Sim::cluster_for_clients(708, 1);
    let shop = Customer::of(&sim, 1);
    let take = |sim: &Sim| {
        let now = Now { monotonic: 0, unix: sim.unix() };
        let made = Backup::take(&sim.machines[0].store, String::new(), "passphrase", now, [6; 32]).unwrap();
        Backup::decode(&made.bytes).unwrap().restore(now, [7; 32]).unwrap().policy
    };
    assert_eq!(take(&sim), None);
    for more in ["", "approve = true\n"] {
        let rules = allow("\"sign\"", "\"own\"", more);
        sim.write_policy(0, &shop, &rules);
        let text = take(&sim).unwrap();
        assert!(text.ends_with(&rules) && Policy::parse(&text).is_ok(), "{text}");
    }
    // A broken file is not the policy.
    sim.handle(0, Input::Policy(Err("line 3: broken".to_owned())));
    assert!(take(&sim).unwrap().contains("approve = true"));
}

/// A request that waits says for whom, at all of them at once, and wears out nobody's tries however often it is asked for.
#[test]
fn what_waits_says_for_whom() {
    let mut sim = Sim::cluster_for_clients(709, 3);
    let shop = Customer::of(&sim, 1);
    let lax = allow("\"keygen\", \"sign\", \"refresh\"", "\"own\"", "");
    let careful =
        allow("\"keygen\", \"sign\"", "\"own\"", "") + &allow("\"refresh\"", "\"own\"", "approve = true\n");
    for (node, rules) in [(0, &lax), (1, &careful), (2, &careful)] {
        sim.write_policy(node, &shop, rules);
    }
    let key = sim.key_of(&shop, "key");
    let terms = api::RefreshTerms { epoch: 0, moduli: api::Moduli::Keep };
    let refresh = api::Request::Refresh(api::Refresh { key: key.id, terms });
    let call = shop.sign(&sim, &refresh, "care");
    let ask = |sim: &mut Sim| {
        let id = sim.start(0, api::Request::Signed(Box::new(call.clone()))).unwrap();
        let outcome = sim.finish(0, id);
        (outcome, sim.view(0, id).unwrap())
    };
    let (outcome, view) = ask(&mut sim);
    refused(outcome, api::ProblemKind::Refused, "waits for approval at node-1");
    assert_eq!(view.state, api::CeremonyState::AwaitingApproval);
    let mut both = vec![sim.api_id(1), sim.api_id(2)];
    both.sort_unstable();
    assert_eq!(view.waiting_for, both);
    assert!(view.failure.unwrap().detail.contains("waits for approval at node-2"));
    let waiting = sim.approvals(1);
    sim.approve(1, &waiting[0], true);
    // More often than a request may be tried: node 0, which needs no approval, is not asked until the others agree.
    for _ in 0..9 {
        let (outcome, view) = ask(&mut sim);
        refused(outcome, api::ProblemKind::Refused, "waits for approval at node-2");
        assert_eq!(view.waiting_for, [sim.api_id(2)]);
    }
    let waiting = sim.approvals(2);
    sim.approve(2, &waiting[0], true);
    let (outcome, view) = ask(&mut sim);
    assert!(matches!(outcome, Ok(api::Outcome::Key(_))), "{outcome:?}");
    assert_eq!((view.state, view.waiting_for.len()), (api::CeremonyState::Done, 0));
}
