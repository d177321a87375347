//! Messages of applications: direct ones and broadcasts, kept, listed, delivered once, and nobody's but their sender's.

use std::cell::RefCell;
use std::rc::Rc;

use consign_api as api;
use consign_api::{Act, ProblemKind};
use consign_node::core::letter::{Letter, SignedLetter};
use consign_node::core::letters::{LETTER_KEPT_S, MAX_SENT_PER_MINUTE};
use consign_node::core::wire::PeerMessage;
use consign_node::store::Table;

use crate::sim::{STORMY, Sim, Weather};

impl Sim {
    fn send_message(
        &mut self,
        which: usize,
        to: Option<usize>,
        topic: &str,
        text: &str,
    ) -> Result<api::MessageView, ProblemKind> {
        let to = to.map(|to| self.api_id(to));
        let wanted = api::SendMessage { to, topic: topic.parse().unwrap(), text: text.parse().unwrap() };
        match self.ask(which, api::Request::SendMessage(wanted)) {
            api::Reply::Message(view) => Ok(view),
            api::Reply::Problem(problem) => Err(problem.kind),
            other => panic!("SEED={}: {other:?}", self.seed),
        }
    }

    fn messages(&mut self, which: usize, query: api::MessageQuery) -> api::Page<api::MessageView> {
        match self.ask(which, api::Request::ListMessages(query)) {
            api::Reply::Messages(page) => page,
            other => panic!("{other:?}"),
        }
    }

    fn texts(&mut self, which: usize) -> Vec<String> {
        let page = self.messages(which, api::MessageQuery::default());
        page.items.iter().map(|view| view.text.as_str().to_owned()).collect()
    }
}

#[test]
fn messages_reach_whom_they_are_for() {
    let mut sim = Sim::cluster(301, 3, STORMY);
    let all = sim.send_message(0, None, "ops", "to all").unwrap();
    let one = sim.send_message(1, Some(2), "chat", "to one").unwrap();
    assert_eq!((all.undelivered.len(), one.undelivered.as_slice()), (2, &[sim.api_id(2)][..]));
    sim.until("both have arrived", |sim| sim.texts(2).len() == 2 && sim.texts(1).len() == 2);
    assert_eq!(sim.texts(0), ["to all"]);
    let topic =
        |name: &str| api::MessageQuery { topic: Some(name.parse().unwrap()), ..api::MessageQuery::default() };
    let chat = sim.messages(2, topic("chat")).items;
    assert_eq!(
        (chat.len(), chat[0].from, chat[0].to, chat[0].id),
        (1, sim.api_id(1), Some(sim.api_id(2)), one.id)
    );
    assert!(sim.messages(2, topic("other")).items.is_empty());
    sim.until("the senders know", |sim| {
        (0..2).all(|i| {
            sim.messages(i, api::MessageQuery::default()).items.iter().all(|m| m.undelivered.is_empty())
        })
    });
    // Page by page, and what is new since.
    for i in 0..5 {
        sim.send_message(0, Some(2), "pages", &i.to_string()).unwrap();
    }
    sim.until("they have arrived", |sim| sim.texts(2).len() == 7);
    let mut seen = Vec::new();
    let mut query = api::MessageQuery { limit: 2, ..topic("pages") };
    loop {
        let page = sim.messages(2, query.clone());
        seen.extend(page.items.iter().map(|view| view.text.as_str().to_owned()));
        query.after = page.items.last().map(|view| view.number);
        match page.next {
            Some(next) => assert_eq!(Some(next), query.after.map(|n| n.to_string())),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3", "4"]);
    assert!(sim.messages(2, query).items.is_empty());
    // To nobody, to itself, to a stranger.
    assert_eq!(sim.send_message(0, Some(0), "x", ""), Err(ProblemKind::Malformed));
    let stranger = api::SendMessage {
        to: Some(api::NodeId([9; 32])),
        topic: "x".parse().unwrap(),
        text: "".parse().unwrap(),
    };
    match sim.ask(0, api::Request::SendMessage(stranger)) {
        api::Reply::Problem(problem) => assert_eq!(problem.kind, ProblemKind::UnknownValidator),
        other => panic!("{other:?}"),
    }
}

/// The recipient is away, the sender restarts: it arrives once, and no connection after that repeats it.
#[test]
fn who_is_away_gets_it_later_and_once() {
    let mut sim = Sim::cluster(302, 3, Weather::default());
    sim.crash(2);
    sim.send_message(0, None, "ops", "first").unwrap();
    sim.send_message(0, Some(2), "ops", "second").unwrap();
    sim.until("the other one has it", |sim| sim.texts(1) == ["first"]);
    sim.crash(0);
    sim.boot(0);
    sim.boot(2);
    sim.until("they have arrived", |sim| sim.texts(2) == ["first", "second"]);
    let done = |sim: &mut Sim| {
        sim.messages(0, api::MessageQuery::default()).items.iter().all(|m| m.undelivered.is_empty())
    };
    sim.until("the sender knows", done);
    let count = Rc::new(RefCell::new(0));
    let counted = Rc::clone(&count);
    sim.tamper = Some(Box::new(move |_, _, message| {
        if matches!(message, PeerMessage::Letter(_)) {
            *counted.borrow_mut() += 1;
        }
        vec![message.encode()]
    }));
    for which in [0, 2, 1] {
        sim.crash(which);
        sim.boot(which);
        sim.until("all are connected", |sim| (0..3).all(|i| (0..3).all(|j| sim.sees(i, j))));
    }
    sim.pass(3 * 60_000);
    assert_eq!(
        (*count.borrow(), sim.texts(1), sim.texts(2)),
        (0, vec!["first".to_owned()], vec!["first".to_owned(), "second".to_owned()])
    );
    // After a week they are gone, everywhere, and numbers go on.
    let last = sim.messages(2, api::MessageQuery::default()).items[1].number;
    sim.crash(0);
    sim.crash(1);
    sim.clock += LETTER_KEPT_S * 1000;
    sim.crash(2);
    sim.boot(2);
    sim.until("they are gone", |sim| sim.texts(2).is_empty());
    sim.boot(1);
    sim.until("they meet", |sim| sim.sees(1, 2));
    sim.send_message(1, Some(2), "ops", "third").unwrap();
    sim.until("it has arrived", |sim| sim.texts(2) == ["third"]);
    assert_eq!(sim.messages(2, api::MessageQuery::default()).items[0].number, last + 1);
}

#[test]
fn nobody_speaks_for_another() {
    let mut sim = Sim::cluster(303, 3, Weather::default());
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let letter = |sim: &Sim, from: usize, to: usize, text: &str| Letter {
        cluster,
        from: sim.id(from),
        to: Some(sim.id(to)),
        topic: "ops".to_owned(),
        text: text.to_owned(),
        created: sim.unix(),
        nonce: [1; 16],
    };
    let before = sim.records(0, Table::Messages);
    let signed = |sim: &Sim, from: usize, to: usize, text: &str| -> SignedLetter {
        letter(sim, from, to, text).sign(&sim.machines[from].identity)
    };
    let good = signed(&sim, 1, 0, "good");
    let mut altered = good.clone();
    altered.letter.text.push('!');
    let for_other = signed(&sim, 1, 2, "for another");
    let forged = letter(&sim, 2, 0, "forged").sign(&sim.machines[1].identity);
    for bad in [altered, for_other, forged, signed(&sim, 2, 0, "passed on")] {
        sim.transmit(1, 0, PeerMessage::Letter(Box::new(bad)).encode());
    }
    sim.pass(1_000);
    assert_eq!(sim.records(0, Table::Messages), before);
    // The same bytes again are one message.
    for _ in 0..3 {
        sim.transmit(1, 0, PeerMessage::Letter(Box::new(good.clone())).encode());
    }
    sim.pass(1_000);
    assert_eq!(sim.texts(0), ["good"]);
    // Who is blocked or no member is not heard.
    sim.decide(0, Act::Block, 1).unwrap();
    sim.transmit(1, 0, PeerMessage::Letter(Box::new(signed(&sim, 1, 0, "blocked"))).encode());
    assert_eq!(sim.send_message(0, Some(1), "ops", "no"), Err(ProblemKind::Forbidden));
    sim.decide(0, Act::Revoke, 2).unwrap();
    sim.until("it knows", |sim| !sim.is_member(2, 2));
    assert_eq!(sim.send_message(2, None, "ops", "no"), Err(ProblemKind::NotJoined));
    sim.transmit(2, 0, PeerMessage::Letter(Box::new(signed(&sim, 2, 0, "revoked"))).encode());
    sim.pass(1_000);
    assert_eq!(sim.texts(0), ["good"]);
}

#[test]
fn a_node_sends_so_many_in_a_minute() {
    let mut sim = Sim::cluster(304, 2, Weather::default());
    for i in 0..MAX_SENT_PER_MINUTE {
        sim.send_message(0, None, "ops", &i.to_string()).unwrap();
    }
    assert_eq!(sim.send_message(0, None, "ops", "more"), Err(ProblemKind::TooMany));
    sim.pass(60_000);
    sim.send_message(0, None, "ops", "more").unwrap();
}
