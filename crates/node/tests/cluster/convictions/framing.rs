//! Nobody is framed: honest sessions convict nobody, and altered evidence convicts nobody else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use consign_cggmp24::aux_info::AuxPublic;
use consign_cggmp24::curve::{Point, Scalar, Secp256k1};
use consign_cggmp24::key::KeyInfo;
use consign_node::core::Hash;
use consign_node::core::proposal::{Accept, Kind, Proposal};
use consign_node::core::verdict::{Known, NotProven};
use consign_node::core::wire::{EvidenceFile, PeerMessage};
use consign_rounds::{Evidence, Message, Past, PerParty, decode, encode};

use super::{CHEAT, all_convict, cheats, mutilate, sign, with_key};
use crate::sim::Sim;

/// What was said in the sessions of a cluster.
#[derive(Default)]
struct Transcript {
    proposals: BTreeMap<Hash, Proposal>,
    accepts: BTreeMap<Hash, Vec<Accept>>,
    said: BTreeMap<Hash, Vec<Message>>,
}

fn recorded(sim: &mut Sim) -> Rc<RefCell<Transcript>> {
    let tape: Rc<RefCell<Transcript>> = Rc::default();
    let written = Rc::clone(&tape);
    sim.tamper = Some(Box::new(move |_, _, message| {
        let mut tape = written.borrow_mut();
        match &message {
            PeerMessage::Propose(proposal) => {
                drop(tape.proposals.insert(proposal.hash(), (**proposal).clone()))
            }
            PeerMessage::Start { proposal, accepts } => drop(tape.accepts.insert(*proposal, accepts.clone())),
            PeerMessage::Round { ceremony, envelope } => {
                let message = Message::decode(envelope, envelope.len()).unwrap();
                tape.said.entry(*ceremony).or_default().push(message);
            }
            _ => {}
        }
        vec![message.encode()]
    }));
    tape
}

/// Every accusation that an honest session's messages can be made into.
fn accusations(said: &[Message]) -> Vec<Evidence> {
    let envelopes: Vec<_> = said
        .iter()
        .filter_map(|message| match message {
            Message::Envelope(envelope) => Some(envelope),
            Message::Reveal(_) => None,
        })
        .collect();
    let rounds = envelopes.iter().map(|e| e.signed.header.round).max().unwrap();
    let broadcasts = |round| -> PerParty<_> {
        let of = envelopes.iter().filter(|e| e.signed.header.round == round);
        of.map(|e| (e.signed.header.from, e.broadcast.clone())).collect()
    };
    let all: Vec<_> = (1..=rounds).map(broadcasts).collect();
    let mut accusations = Vec::new();
    for envelope in &envelopes {
        // Its own past, and every other one.
        for length in 0..all.len() {
            let before = Past(all[..length].to_vec());
            accusations.push(Evidence::Misbehaviour { before, charge: (*envelope).clone() });
        }
        for other in &envelopes {
            accusations.push(Evidence::Equivocation(envelope.signed, other.signed));
        }
    }
    accusations
}

/// An honest session, turned into every kind of accusation against each of its parties, convicts nobody: neither as it
/// was, nor with another key or other moduli than the accused used. And evidence that convicts, convicts no more when
/// anything is put in the place of what the accused signed for.
#[test]
fn nobody_is_framed() {
    let (mut sim, key) = with_key(48, 3, 2, &[0, 1, 2]);
    let tape = recorded(&mut sim);
    sim.sign(0, key.id, b"honest").unwrap();
    sim.tamper = None;
    cheats(&mut sim);
    sign(&mut sim, 0, &key, b"dishonest");
    let bytes = all_convict(&mut sim, &[0, 2], Kind::Sign);
    let convicting = EvidenceFile::from_file(&bytes).unwrap();

    let tape = tape.borrow();
    let (hash, said) = tape.said.iter().next().unwrap();
    let accusations = accusations(said);
    assert!(accusations.len() > 100, "{}", accusations.len());
    let cases = [convicting.inputs.clone(), Some(other_shares(&convicting))];
    for (evidence, inputs) in accusations.iter().flat_map(|e| cases.iter().map(move |i| (e, i))) {
        for index in [1, 2] {
            let proposal = tape.proposals[hash].clone();
            let accused = proposal.identity_of(index).unwrap();
            let file = EvidenceFile {
                accepts: tape.accepts[hash].clone(),
                proposal,
                accused,
                evidence: evidence.encode(),
                inputs: inputs.clone(),
            };
            assert_eq!(file.judge(&Known::default()), Err(NotProven::Acquitted(accused)));
        }
    }

    let without = |alter: &dyn Fn(&mut EvidenceFile)| {
        let mut file = convicting.clone();
        alter(&mut file);
        file.judge(&Known::default())
    };
    let (honest, cheat) = (sim.id(0), sim.id(CHEAT));
    assert_eq!(without(&|_| ()).unwrap().culprit, cheat);
    assert_eq!(without(&|file| file.accused = honest), Err(NotProven::OtherCulprit(honest)));
    assert_eq!(without(&|file| file.accused = sim.id(2)), Err(NotProven::Proposal));
    assert_eq!(without(&|file| file.proposal.version += 1), Err(NotProven::Version(2)));
    assert!(matches!(without(&|file| file.accepts.truncate(1)), Err(NotProven::Accepts(_))));
    assert!(matches!(without(&|file| file.proposal.salt[0] ^= 1), Err(NotProven::Accepts(_))));
    assert!(matches!(without(&|file| file.proposal.epoch += 1), Err(NotProven::Accepts(_))));
    assert!(matches!(without(&|file| file.inputs = None), Err(NotProven::Inputs(_))));
    // Shares of another polynomial with the same public key: nothing but the session id tells.
    let shares = |file: &mut EvidenceFile| file.inputs = Some(other_shares(&convicting));
    assert_eq!(without(&shares), Err(NotProven::Acquitted(cheat)));
    // Nor with the certificate of the right ones.
    let shown = |file: &mut EvidenceFile| {
        let certificate = convicting.inputs.as_ref().unwrap().certificate.clone();
        file.inputs = Some(other_shares(&convicting));
        file.inputs.as_mut().unwrap().certificate = certificate;
    };
    assert_eq!(without(&shown), Err(NotProven::Certificate));
    assert!(matches!(without(&other_moduli), Err(NotProven::Inputs(_))));
    // The certificate itself is proof of nothing but the key's birth.
    assert!(
        !without(&|file| file.inputs.as_mut().unwrap().certificate = None).unwrap().key.unwrap().certified
    );
    mutilate(&bytes, 600);
}

/// The inputs of a file with public shares that fit together and to the public key, but are not the agreed ones.
fn other_shares(file: &EvidenceFile) -> consign_node::core::wire::Inputs {
    let mut inputs = file.inputs.clone().unwrap();
    let mut key: KeyInfo<Secp256k1> = decode(&inputs.key, usize::MAX).unwrap();
    for (index, share) in (1_u64..).zip(&mut key.public_shares) {
        *share = *share + Point::mul_generator(&Scalar::from_u64(7 * index));
    }
    key.validate().unwrap();
    inputs.key = encode(&key);
    inputs.certificate = None;
    inputs
}

/// The moduli of two parties swapped.
fn other_moduli(file: &mut EvidenceFile) {
    let inputs = file.inputs.as_mut().unwrap();
    let mut aux: AuxPublic = decode(inputs.aux.as_ref().unwrap(), usize::MAX).unwrap();
    let n = aux.parties[0].n.clone();
    aux.parties[0].n = std::mem::replace(&mut aux.parties[1].n, n);
    inputs.aux = Some(encode(&aux));
}
