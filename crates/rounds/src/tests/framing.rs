//! Nobody can have an honest party convicted: not with altered messages, not with another past, not with messages
//! of another session, not together with others.

use super::toy::{Broadcast, Fault, Public, SESSION, Toy, liar, public, toss};
use crate::sim::{Letter, TestKeys, honest, parties, party};
use crate::{
    Bytes, Charge, Complaint, Envelope, Evidence, Header, Message, Past, PerParty, PublicPart, Reveal,
    SessionId, SignedHeader, encode,
};

const N: u16 = 4;

/// Everything that was said in a simulation, the copies that parties keep for themselves included.
struct Record {
    keys: TestKeys,
    public: std::sync::Arc<Public>,
    said: Vec<Envelope>,
}

impl Record {
    fn new(seed: u64, adversary: &mut crate::sim::Adversary<'_>) -> Self {
        let keys = TestKeys::new(seed, parties(N));
        let mut said = Vec::new();
        toss(seed, N, &mut |keys: &TestKeys, letter: Letter| {
            let out = adversary(keys, letter);
            for letter in &out {
                if let Message::Envelope(envelope) = &letter.message {
                    said.push(envelope.clone());
                }
            }
            out
        });
        for from in 1..=N {
            for round in 1..=3 {
                let of_round =
                    |e: &&Envelope| (e.signed.header.from, e.signed.header.round) == (party(from), round);
                let Some(mut own) = said.iter().find(of_round).cloned() else { continue };
                own.direct = Bytes(vec![]);
                own.signed.header.to = party(from);
                keys.reseal(&mut own);
                said.push(own);
            }
        }
        Self { keys, public: public(N), said }
    }

    fn one(&self, from: u16, to: u16, round: u8) -> Envelope {
        let is_it = |e: &&Envelope| {
            let h = &e.signed.header;
            (h.from, h.to, h.round) == (party(from), party(to), round)
        };
        self.said.iter().find(is_it).unwrap().clone()
    }

    /// The broadcasts of rounds 1 to `rounds`, as `me` got them.
    fn past(&self, me: u16, rounds: u8) -> Past {
        let of_round = |round| (1..=N).map(move |j| (party(j), self.one(j, me, round).broadcast));
        Past((1..=rounds).map(|round| of_round(round).collect()).collect())
    }

    fn reveal(&self, me: u16, rounds: u8) -> Reveal {
        let of_round = |round| (1..=N).map(move |j| (party(j), self.one(j, me, round).signed));
        let headers: Vec<PerParty<SignedHeader>> =
            (1..=rounds).map(|round| of_round(round).collect()).collect();
        Reveal::sign(SESSION, party(me), &headers, &*self.keys.signer(party(me)))
    }

    fn judge(&self, evidence: &Evidence) -> Option<(u16, Charge<Fault>)> {
        let sentence = evidence.judge::<Toy>(&self.public, SESSION, &self.keys);
        let culprit = evidence.verify::<Toy>(&self.public, SESSION, &self.keys);
        assert_eq!(culprit, sentence.map(|(culprit, _)| culprit));
        sentence.map(|(culprit, charge)| (culprit.get(), charge))
    }
}

fn commit_of(bytes: &Bytes) -> super::toy::Round1 {
    match crate::decode(bytes, 10_000).unwrap() {
        Broadcast::Commit(m) => m,
        Broadcast::Deal(_) | Broadcast::Open(_) | Broadcast::Complain(_) => panic!("round 1"),
    }
}

/// Round 1 of `from` with another pad: what a colluder would have said.
fn with_other_pad(past: &Past, from: u16) -> Past {
    let mut past = past.clone();
    let said = past.0[0].get_mut(&party(from)).unwrap();
    let other = super::toy::Round1 { pad: [5; 32], ..commit_of(said) };
    *said = Bytes(encode(&Broadcast::Commit(other)));
    past
}

/// Pasts to be judged by: the true one, and others that a liar may show.
fn pasts(truth: &Past) -> Vec<Past> {
    let mut pasts = vec![truth.clone(), Past::default()];
    if truth.len() == 0 {
        pasts.push(Past(vec![PerParty::new()]));
        return pasts;
    }
    pasts.extend((1..=N).map(|from| with_other_pad(truth, from)));
    let altered = |alter: &dyn Fn(&mut Past)| {
        let mut past = truth.clone();
        alter(&mut past);
        past
    };
    pasts.push(altered(&|p| drop(p.0.pop())));
    pasts.push(altered(&|p| p.0.push(p.0[0].clone())));
    pasts.push(altered(&|p| p.0.reverse()));
    pasts.push(altered(&|p| drop(p.0[0].remove(&party(1)))));
    pasts.push(altered(&|p| drop(p.0[0].insert(party(9), Bytes(vec![])))));
    pasts.push(altered(&|p| drop(p.0[0].insert(party(2), Bytes(vec![])))));
    pasts.push(altered(&|p| {
        let first = p.0[0][&party(1)].clone();
        p.0[0].insert(party(2), first);
    }));
    pasts
}

/// What a liar may do to an honest envelope without its sender's key.
fn garblings(envelope: &Envelope) -> Vec<Envelope> {
    let altered = |alter: &dyn Fn(&mut Envelope)| {
        let mut envelope = envelope.clone();
        alter(&mut envelope);
        envelope
    };
    vec![
        envelope.clone(),
        altered(&|e| e.direct = Bytes(vec![])),
        altered(&|e| e.direct.0.push(1)),
        altered(&|e| e.broadcast.0.push(1)),
        altered(&|e| e.broadcast = Bytes(vec![])),
        altered(&|e| e.signed.header.round = e.signed.header.round % 3 + 1),
        altered(&|e| e.signed.header.to = party(e.signed.header.to.get() % N + 1)),
        altered(&|e| e.signed.header.from = party(e.signed.header.from.get() % N + 1)),
        altered(&|e| e.signed.header.session = SessionId([8; 32])),
        altered(&|e| {
            e.broadcast = Bytes(vec![]);
            e.signed.header.broadcast_hash = crate::broadcast_hash(&[]);
        }),
    ]
}

#[test]
fn honest_messages_convict_nobody_under_any_past() {
    let record = Record::new(5, &mut honest);
    let mut tried = 0;
    for charge in &record.said {
        let header = charge.signed.header;
        let truth = record.past(header.to.get(), header.round - 1);
        for before in pasts(&truth) {
            for charge in garblings(charge) {
                let evidence = Evidence::Misbehaviour { before: before.clone(), charge: charge.clone() };
                assert_eq!(record.judge(&evidence), None, "{header:?}");
                let complaint = PublicPart { signed: charge.signed, broadcast: charge.broadcast };
                let evidence = Evidence::Complaint { before: before.clone(), complaint };
                assert_eq!(record.judge(&evidence), None, "{header:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 4000, "{tried}");
}

#[test]
fn a_partys_copy_for_itself_is_no_message_to_a_peer() {
    // It has no direct part, which would be malformed in any message, and its header is shown in reveals.
    let record = Record::new(5, &mut honest);
    let charge = record.one(2, 2, 2);
    assert!(charge.is_whole() && charge.signed.is_authentic(&record.keys) && charge.direct.is_empty());
    let evidence = Evidence::Misbehaviour { before: record.past(1, 1), charge };
    assert_eq!(record.judge(&evidence), None);
}

#[test]
fn a_message_to_nobody_convicts_nobody() {
    let record = Record::new(6, &mut liar(2, 3, |_, said, _| *said = Broadcast::Open([9; 32])));
    let judge = |to| {
        let mut charge = record.one(2, 1, 3);
        charge.signed.header.to = party(to);
        record.keys.reseal(&mut charge);
        record.judge(&Evidence::Misbehaviour { before: record.past(1, 2), charge })
    };
    assert_eq!(judge(N + 1), None);
    // The control: said to a party, the same is a lie.
    assert_eq!(judge(N), Some((2, Charge::Broke(Fault::Opening))));
}

#[test]
fn two_honest_headers_are_no_equivocation() {
    let record = Record::new(5, &mut honest);
    for a in &record.said {
        for b in &record.said {
            assert_eq!(record.judge(&Evidence::Equivocation(a.signed, b.signed)), None);
            for b in garblings(b) {
                assert_eq!(record.judge(&Evidence::Equivocation(a.signed, b.signed)), None);
            }
        }
    }
}

#[test]
fn headers_of_two_sessions_are_no_equivocation() {
    let record = Record::new(5, &mut honest);
    let here = record.one(2, 1, 1).signed;
    for alter in [
        (|h| h.session = SessionId([8; 32])) as fn(&mut Header),
        |h| h.round = 0,
        |h| h.round = 4,
        |h| h.from = party(9),
    ] {
        let mut a = here.header;
        a.broadcast_hash = [1; 32];
        alter(&mut a);
        let mut b = a;
        b.broadcast_hash = [2; 32];
        let (a, b) = (record.keys.sign_header(a), record.keys.sign_header(b));
        assert_eq!(record.judge(&Evidence::Equivocation(here, a)), None);
        assert_eq!(record.judge(&Evidence::Equivocation(a, b)), None);
    }
    // The control: in this session and round it is.
    let other = record.keys.sign_header(Header { broadcast_hash: [1; 32], ..here.header });
    assert_eq!(record.judge(&Evidence::Equivocation(here, other)), Some((2, Charge::Equivocation)));
}

#[test]
fn evidence_against_the_guilty_is_void_elsewhere() {
    let record = Record::new(6, &mut liar(2, 3, |_, said, _| *said = Broadcast::Open([9; 32])));
    let evidence = Evidence::Misbehaviour { before: record.past(1, 2), charge: record.one(2, 1, 3) };
    assert_eq!(record.judge(&evidence), Some((2, Charge::Broke(Fault::Opening))));
    assert_eq!(evidence.round(), Some(3));
    assert_eq!(Evidence::BadReveal(record.reveal(2, 2)).round(), None);
    let other_session = evidence.verify::<Toy>(&record.public, SessionId([8; 32]), &record.keys);
    let other_keys = TestKeys::new(7, parties(N));
    let other_parties = TestKeys::new(6, parties(N + 1));
    assert_eq!(other_session, None);
    assert_eq!(evidence.verify::<Toy>(&record.public, SESSION, &other_keys), None);
    assert_eq!(evidence.verify::<Toy>(&record.public, SESSION, &other_parties), None);
}

/// A-5G: party 4 tells party 2 one thing, and the judge another.
#[test]
fn what_the_accused_never_saw_convicts_nobody() {
    // Party 4 shows its other pad to everybody but 2. So 2's deal is bound to what it saw.
    let record = Record::new(
        8,
        &mut liar(4, 1, |to, said, _| {
            if let (Broadcast::Commit(m), true) = (said, to == 2) {
                m.pad = [6; 32];
            }
        }),
    );
    let (seen_by_1, seen_by_2) = (record.past(1, 1), record.past(2, 1));
    assert_ne!(seen_by_1, seen_by_2);
    let charge = record.one(2, 1, 2);
    for before in [seen_by_1.clone(), seen_by_2.clone()] {
        let evidence = Evidence::Misbehaviour { before, charge: charge.clone() };
        assert_eq!(record.judge(&evidence), None);
    }
    // The control: had 2 seen the other past, this deal would be wrong.
    let mut lie = charge.clone();
    lie.signed.header.echo = *seen_by_1.echoes(SESSION).last().unwrap();
    record.keys.reseal(&mut lie);
    let evidence = Evidence::Misbehaviour { before: seen_by_1, charge: lie };
    assert_eq!(record.judge(&evidence), Some((2, Charge::Broke(Fault::Binding))));
}

/// A-5G for complaints: the accuser shows the judge another pad than the dealer saw.
#[test]
fn a_share_is_judged_by_what_the_dealer_saw() {
    let record = Record::new(8, &mut honest);
    let truth = record.past(4, 2);
    let dealt = record.one(2, 4, 2);
    let complain = |before: &Past, envelope: &Envelope| {
        let complaint = Complaint { against: party(2), envelope: envelope.direct_part() };
        let mut said = record.one(4, 1, 3);
        said.broadcast = Bytes(encode(&Broadcast::Complain(complaint)));
        said.signed.header.echo = *before.echoes(SESSION).last().unwrap();
        record.keys.reseal(&mut said);
        Evidence::Complaint { before: before.clone(), complaint: said.public_part() }
    };
    // Under every past that 4 and its friends may sign for, 2 stays innocent.
    for before in pasts(&truth) {
        let sentence = record.judge(&complain(&before, &dealt));
        assert!(sentence.is_none_or(|(culprit, _)| culprit == 4), "{sentence:?}");
    }
    // With the past that 2 saw, the complaint is false.
    assert_eq!(record.judge(&complain(&truth, &dealt)), Some((4, Charge::Broke(Fault::GoodShare))));
    // The control: had 2 signed the same share after the other past, it would be a bad one.
    let other = with_other_pad(&truth, 4);
    let mut dealt = dealt;
    dealt.signed.header.echo = other.echoes(SESSION)[1];
    record.keys.reseal(&mut dealt);
    assert_eq!(record.judge(&complain(&other, &dealt)), Some((2, Charge::Broke(Fault::BadShare))));
}

/// A dealer and its friends cannot turn a true complaint against the accuser.
#[test]
fn a_true_complaint_never_convicts_the_accuser() {
    let record = Record::new(
        9,
        &mut liar(2, 2, |to, _, share| {
            if to == 3 {
                *share = super::toy::Direct::Share([1; 32]);
            }
        }),
    );
    let truth = record.past(3, 2);
    let complaint = record.one(3, 1, 3).public_part();
    let judge = |before: &Past, complaint: &PublicPart| {
        record.judge(&Evidence::Complaint { before: before.clone(), complaint: complaint.clone() })
    };
    assert_eq!(judge(&truth, &complaint), Some((2, Charge::Broke(Fault::BadShare))));
    for before in pasts(&truth) {
        let sentence = judge(&before, &complaint);
        assert!(sentence.is_none_or(|(culprit, _)| culprit == 2), "{sentence:?}");
    }
    // The accuser's words without its signature, or its signature under other words, are nothing.
    for alter in [
        (|c| c.signed.signature.0[0] ^= 1) as fn(&mut PublicPart),
        |c| c.broadcast.0.truncate(50),
        |c| c.signed.header.session = SessionId([8; 32]),
    ] {
        let mut complaint = complaint.clone();
        alter(&mut complaint);
        assert_eq!(judge(&truth, &complaint), None);
    }
    // A good complaint is not misbehaviour of the accuser either.
    let charge = record.one(3, 1, 3);
    assert_eq!(record.judge(&Evidence::Misbehaviour { before: truth, charge }), None);
}

#[test]
fn honest_reveals_convict_nobody() {
    let record = Record::new(5, &mut honest);
    for me in 1..=N {
        for rounds in 0..=3 {
            let reveal = record.reveal(me, rounds);
            assert_eq!(record.judge(&Evidence::BadReveal(reveal.clone())), None);
            for envelope in &record.said {
                for envelope in garblings(envelope) {
                    let evidence = Evidence::WrongEcho { reveal: reveal.clone(), header: envelope.signed };
                    assert_eq!(record.judge(&evidence), None);
                }
            }
            // Altered without the key of its author, it proves nothing about the author.
            for alter in [
                (|r| r.completed += 1) as fn(&mut Reveal),
                |r| {
                    r.headers.pop();
                },
                |r| r.session = SessionId([8; 32]),
                |r| r.from = party(r.from.get() % N + 1),
                |r| r.signature.0[0] ^= 1,
                |r| r.headers.iter_mut().for_each(|s| s.header.echo = [1; 32]),
            ] {
                let mut reveal = reveal.clone();
                alter(&mut reveal);
                let signed = record.one(me, me % N + 1, 2).signed;
                if reveal == record.reveal(me, rounds) {
                    continue; // nothing to take away from an empty reveal
                }
                assert_eq!(record.judge(&Evidence::BadReveal(reveal.clone())), None);
                assert_eq!(record.judge(&Evidence::WrongEcho { reveal, header: signed }), None);
            }
        }
    }
}

#[test]
fn a_reveal_of_another_session_convicts_nobody() {
    let record = Record::new(5, &mut honest);
    let other = SessionId([8; 32]);
    let reveal = Reveal::sign(other, party(2), &[], &*record.keys.signer(party(2)));
    let header = record.one(2, 1, 1).signed;
    assert_eq!(record.judge(&Evidence::WrongEcho { reveal: reveal.clone(), header }), None);
    assert_eq!(record.judge(&Evidence::BadReveal(reveal)), None);
    // Nor does an honest reveal together with a header that another party signed.
    let header = record.keys.sign_header(Header { echo: [1; 32], ..record.one(3, 1, 2).signed.header });
    assert_eq!(record.judge(&Evidence::WrongEcho { reveal: record.reveal(2, 2), header }), None);
    // The controls: an echo of its own that differs, and a reveal that is short of a header.
    let header = record.keys.sign_header(Header { echo: [1; 32], ..record.one(2, 1, 2).signed.header });
    let evidence = Evidence::WrongEcho { reveal: record.reveal(2, 1), header };
    assert_eq!(record.judge(&evidence), Some((2, Charge::WrongEcho)));
    let mut short = record.reveal(2, 2);
    short.headers.pop();
    record.keys.reseal_reveal(&mut short);
    assert_eq!(record.judge(&Evidence::BadReveal(short)), Some((2, Charge::BadReveal)));
}

#[test]
fn echoes_cover_every_earlier_round() {
    let record = Record::new(5, &mut honest);
    let truth = record.past(1, 2);
    let echoes = truth.echoes(SESSION);
    assert_eq!(echoes.len(), 3);
    for from in 1..=N {
        let other = with_other_pad(&truth, from).echoes(SESSION);
        assert_eq!(other[0], echoes[0]);
        assert_ne!(other[1], echoes[1]);
        assert_ne!(other[2], echoes[2]);
    }
    assert!(truth.echoes(SessionId([8; 32])).iter().zip(&echoes).all(|(a, b)| a != b));
}
