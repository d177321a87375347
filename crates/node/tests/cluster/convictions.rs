//! A party that breaks the protocol is convicted by all, left out, and the request is served without it; and the files
//! that prove it convince whoever knows nothing else, about nobody else.

mod epochs;
mod framing;

use consign_api as api;
use consign_api::ProblemKind;
use consign_cggmp24::curve::Secp256k1;
use consign_cggmp24::key::KeyInfo;
use consign_node::core::Hash;
use consign_node::core::misbehave::Misbehaviour;
use consign_node::core::proposal::Kind;
use consign_node::core::verdict::{Known, KnownKey, MAX_FILE_BYTES, NotProven, Verdict};
use consign_node::core::wire::{EvidenceFile, PeerMessage};
use consign_node::identity::ClusterId;
use consign_rounds::{Message, decode, encode};

use crate::client::verify;
use crate::forge::spoil_broadcast;
use crate::sim::{Sim, Weather};

/// The machine that cheats; its index in keys is one more.
const CHEAT: usize = 1;

fn with_key(seed: u64, nodes: usize, threshold: u16, committee: &[usize]) -> (Sim, api::KeyView) {
    let mut sim = Sim::cluster(seed, nodes, Weather::default());
    let key = sim.new_key(committee[0], threshold, committee);
    let holders = committee.to_vec();
    sim.until("all have the key", move |sim| {
        holders.iter().all(|i| sim.keys(*i).iter().any(|k| k.state == api::KeyState::Active))
    });
    (sim, key)
}

fn cheats(sim: &mut Sim) {
    sim.machines[CHEAT].node.as_mut().unwrap().misbehave(Misbehaviour::WrongDelta);
}

pub(crate) fn evidence_of(sim: &mut Sim, which: usize) -> Vec<api::EvidenceView> {
    match sim.ask(which, api::Request::ListEvidence(api::PageQuery::default())) {
        api::Reply::Evidence(page) => page.items,
        other => panic!("{other:?}"),
    }
}

fn file_of(sim: &mut Sim, which: usize, id: api::EvidenceId) -> Vec<u8> {
    match sim.ask(which, api::Request::ShowEvidence(id)) {
        api::Reply::EvidenceFile(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

/// What somebody who has nothing but the bytes finds.
fn outsider(bytes: &[u8]) -> Result<Verdict, NotProven> {
    EvidenceFile::from_file(bytes)?.judge(&Known::default())
}

/// All of `nodes` hold evidence against the cheat and nobody else, and all of it convinces outsiders.
pub(crate) fn all_convict(sim: &mut Sim, nodes: &[usize], kind: Kind) -> Vec<u8> {
    let wanted = nodes.to_vec();
    sim.until("all convict", move |sim| wanted.iter().all(|i| !evidence_of(sim, *i).is_empty()));
    let mut last = Vec::new();
    for which in nodes {
        for view in evidence_of(sim, *which) {
            assert_eq!(view.culprit, sim.api_id(CHEAT));
            let bytes = file_of(sim, *which, view.id);
            let verdict = outsider(&bytes).unwrap();
            assert_eq!((verdict.culprit, verdict.kind), (sim.id(CHEAT), kind));
            assert_eq!((verdict.evidence.0, verdict.index), (view.id.0, view.index));
            assert_eq!((&verdict.charge, verdict.round), (&view.charge, view.round));
            assert_eq!(verdict.ceremony.0, view.ceremony.0);
            last = bytes;
        }
    }
    last
}

fn sign_request(key: &api::KeyView, path: &str, message: &[u8]) -> api::Request {
    let target = api::SignTarget::Message { bytes: message.to_vec(), hash: api::HashName::Sha256 };
    api::Request::Sign(api::Sign { key: key.id, path: path.parse().unwrap(), target })
}

/// Signs by one request; the signature, and what the request's story says of evidence.
fn sign(
    sim: &mut Sim,
    which: usize,
    key: &api::KeyView,
    message: &[u8],
) -> (api::SignatureView, Vec<api::EvidenceView>) {
    sign_at(sim, which, key, "m", message)
}

/// The same with a child of the key.
fn sign_at(
    sim: &mut Sim,
    which: usize,
    key: &api::KeyView,
    path: &str,
    message: &[u8],
) -> (api::SignatureView, Vec<api::EvidenceView>) {
    let id = sim.start(which, sign_request(key, path, message)).unwrap();
    let outcome = sim.finish(which, id);
    let told = sim.view(which, id).unwrap().evidence;
    match outcome {
        Ok(api::Outcome::Signature(signature)) => (*signature, told),
        other => panic!("SEED={}: {other:?}", sim.seed),
    }
}

fn signers(signature: &api::SignatureView) -> Vec<u16> {
    signature.signers.iter().map(|m| m.index).collect()
}

/// Three of four sign, one of them shows a wrong delta: both others convict it by the alert, the fourth by their
/// evidence, and the one request still gets its signature.
#[test]
fn a_wrong_delta_is_convicted_by_all_and_replaced() {
    let (mut sim, key) = with_key(41, 4, 3, &[0, 1, 2, 3]);
    cheats(&mut sim);
    let (signature, told) = sign(&mut sim, 0, &key, b"in spite of it");
    verify(&key, &signature, b"in spite of it");
    assert_eq!(signers(&signature), [1, 3, 4]);
    assert_eq!((told[0].culprit, told[0].index), (sim.api_id(CHEAT), 2));
    assert!(told[0].charge.starts_with("the share of the nonce"), "{}", told[0].charge);
    let file = all_convict(&mut sim, &[0, 2, 3], Kind::Sign);
    // What the outsider may know in advance.
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let public = hex::decode(&key.public_key).unwrap();
    let file = EvidenceFile::from_file(&file).unwrap();
    let judge = |cluster, key| file.judge(&Known { cluster, key });
    let verdict = judge(Some(cluster), Some(KnownKey::Public(public.clone()))).unwrap();
    let used = verdict.key.unwrap();
    assert_eq!((used.id.0, used.public_key, used.certified), (key.id.0, public.clone(), true));
    assert!(judge(None, Some(KnownKey::Id(Hash(key.id.0)))).is_ok());
    assert_eq!(judge(None, Some(KnownKey::Id(Hash([1; 32])))), Err(NotProven::OtherKey));
    let other = [&[5 - public[0]], &public[1..]].concat();
    assert_eq!(judge(None, Some(KnownKey::Public(other))), Err(NotProven::OtherKey));
    let other = ClusterId::from_bytes([1; 32]);
    assert_eq!(judge(Some(other), None), Err(NotProven::OtherCluster(cluster)));
    // Shown where people look; and everybody signs on without the cheat.
    let shown: Vec<_> =
        sim.validators(3).into_iter().filter(|v| !v.evidence.is_empty()).map(|v| v.id).collect();
    assert_eq!(shown, [sim.api_id(CHEAT)]);
    for which in [2, 3] {
        let (signature, told) = sign(&mut sim, which, &key, b"again");
        verify(&key, &signature, b"again");
        assert_eq!((signers(&signature), told.len()), (vec![1, 3, 4], 0));
    }
}

/// The proposer has no key and takes no part: it hears of the conviction, believes what it has judged, and proposes
/// other signers.
#[test]
fn an_outsider_that_proposes_leaves_the_cheat_out_too() {
    let (mut sim, key) = with_key(42, 4, 2, &[0, 1, 2]);
    cheats(&mut sim);
    let (signature, told) = sign(&mut sim, 3, &key, b"asked from outside");
    verify(&key, &signature, b"asked from outside");
    assert_eq!((signers(&signature), told.len()), (vec![1, 3], 1));
    all_convict(&mut sim, &[0, 2, 3], Kind::Sign);
}

/// A cheat in a signing with a child of the key: the path is in the proposal that it accepted and in the session id that
/// it signed, so the judge derives the same child.
#[test]
fn a_cheat_with_a_child_key_is_convicted_too() {
    let (mut sim, key) = with_key(49, 3, 2, &[0, 1, 2]);
    cheats(&mut sim);
    let (signature, told) = sign_at(&mut sim, 0, &key, "m/0/5", b"for a child");
    verify(&key, &signature, b"for a child");
    assert_eq!((signature.path.as_str(), signers(&signature), told.len()), ("m/0/5", vec![1, 3], 1));
    let file = all_convict(&mut sim, &[0, 2], Kind::Sign);
    let mut file = EvidenceFile::from_file(&file).unwrap();
    let used = file.judge(&Known::default()).unwrap().key.unwrap();
    assert_eq!(hex::encode(used.public_key), key.public_key, "the key whose child it is");
    file.proposal.path = vec![0, 6];
    assert!(matches!(file.judge(&Known::default()), Err(NotProven::Accepts(_))));
    // Another chain code is another child.
    file.proposal.path = vec![0, 5];
    let inputs = file.inputs.as_mut().unwrap();
    let mut info: KeyInfo<Secp256k1> = decode(&inputs.key, usize::MAX).unwrap();
    info.chain_code.as_mut().unwrap()[0] ^= 1;
    inputs.key = encode(&info);
    inputs.certificate = None;
    assert_eq!(file.judge(&Known::default()), Err(NotProven::Acquitted(sim.id(CHEAT))));
}

/// Only one signer sees the lie, and it is not the proposer, whose own session learns nothing: it ends when the evidence
/// comes, long before its deadline.
#[test]
fn whoever_convicts_ends_it_for_all() {
    let (mut sim, key) = with_key(43, 4, 3, &[0, 1, 2, 3]);
    let cheat = std::sync::Arc::clone(&sim.machines[CHEAT].identity);
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    sim.tamper = Some(Box::new(move |from, to, message| match message {
        PeerMessage::Round { ceremony, envelope } if (from, to) == (CHEAT, 2) => {
            let envelope = crate::forge::spoil_direct(&envelope, &cheat, cluster);
            vec![PeerMessage::Round { ceremony, envelope }.encode()]
        }
        other => vec![other.encode()],
    }));
    let begun = sim.clock;
    let (signature, told) = sign(&mut sim, 0, &key, b"quickly");
    verify(&key, &signature, b"quickly");
    assert_eq!((signers(&signature), told.len()), (vec![1, 3, 4], 1));
    assert!(sim.clock - begun < 10_000, "it waited for {} ms", sim.clock - begun);
    all_convict(&mut sim, &[0, 2, 3], Kind::Sign);
}

/// More cheats than a request has tries: every conviction brings it nearer to honest signers.
#[test]
fn convictions_use_up_no_tries() {
    let (mut sim, key) = with_key(44, 5, 2, &[0, 1, 2, 3, 4]);
    for which in 1..=3 {
        sim.machines[which].node.as_mut().unwrap().misbehave(Misbehaviour::WrongDelta);
    }
    let (signature, told) = sign(&mut sim, 0, &key, b"the last honest pair");
    verify(&key, &signature, b"the last honest pair");
    assert_eq!(signers(&signature), [1, 5]);
    assert_eq!(told.iter().map(|e| e.index).collect::<Vec<_>>(), [2, 3, 4]);
}

#[test]
fn too_few_honest_holders_are_told_with_the_proof() {
    let (mut sim, key) = with_key(45, 2, 2, &[0, 1]);
    cheats(&mut sim);
    let id = sim.start(0, sign_request(&key, "m", b"nobody else")).unwrap();
    let problem = sim.finish(0, id).unwrap_err();
    let evidence = evidence_of(&mut sim, 0);
    assert_eq!(problem.kind, ProblemKind::PeerCheated, "{problem}");
    assert_eq!(problem.validators, [sim.api_id(CHEAT)]);
    assert!(problem.detail.contains(&evidence[0].id.to_string()), "{}", problem.detail);
    let view = sim.view(0, id).unwrap();
    assert_eq!(view.evidence, evidence);
    let unknown = sim.ask(0, api::Request::ShowEvidence(api::EvidenceId([1; 32])));
    assert!(matches!(unknown, api::Reply::Problem(p) if p.kind == ProblemKind::UnknownEvidence));
}

/// What the cheat says in this round of this protocol is altered for those to whom `lies` holds.
fn spoil(sim: &mut Sim, kind: Kind, round: u8, lies: fn(usize) -> bool) {
    let cheat = std::sync::Arc::clone(&sim.machines[CHEAT].identity);
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let mut sessions = Vec::new();
    sim.tamper = Some(Box::new(move |from, to, message| {
        if let PeerMessage::Propose(proposal) = &message
            && proposal.kind == kind
        {
            sessions.push(proposal.hash());
        }
        match message {
            PeerMessage::Round { ceremony, envelope }
                if from == CHEAT && lies(to) && sessions.contains(&ceremony) && is_of(&envelope, round) =>
            {
                let envelope = spoil_broadcast(&envelope, &cheat, cluster);
                vec![PeerMessage::Round { ceremony, envelope }.encode()]
            }
            other => vec![other.encode()],
        }
    }));
}

/// Asks node 0, and is told that the cheat cheated.
fn fails(sim: &mut Sim, request: api::Request) {
    let id = sim.start(0, request).unwrap();
    let problem = sim.finish(0, id).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::PeerCheated, "{problem}");
    assert_eq!(problem.validators, [sim.api_id(CHEAT)]);
}

/// A key generation in which the cheat lies.
fn spoiled_keygen(seed: u64, round: u8, lies: fn(usize) -> bool) -> Sim {
    let mut sim = Sim::cluster(seed, 3, Weather::default());
    spoil(&mut sim, Kind::Keygen, round, lies);
    let request = sim.create_key(2, &[0, 1, 2]);
    fails(&mut sim, request);
    sim
}

fn is_of(envelope: &[u8], round: u8) -> bool {
    let message = Message::decode(envelope, envelope.len()).unwrap();
    matches!(message, Message::Envelope(envelope) if envelope.signed.header.round == round)
}

/// Two commitments for two peers: the reveals show it.
#[test]
fn equivocation_convinces_outsiders() {
    let mut sim = spoiled_keygen(46, 1, |to| to == 2);
    let file = all_convict(&mut sim, &[0, 2], Kind::Keygen);
    let verdict = outsider(&file).unwrap();
    assert_eq!((verdict.charge.as_str(), verdict.round), ("different messages under one header", Some(1)));
    assert_eq!((verdict.key, verdict.aux.is_some()), (None, true));
    mutilate(&file, 400);
}

/// A proof of knowledge that does not verify.
#[test]
fn a_bad_keygen_proof_convinces_outsiders() {
    let mut sim = spoiled_keygen(47, 5, |_| true);
    let file = all_convict(&mut sim, &[0, 2], Kind::Keygen);
    let verdict = outsider(&file).unwrap();
    assert_eq!((verdict.index, verdict.round), (2, Some(5)));
    // About a key it says nothing: there is none yet.
    let file = EvidenceFile::from_file(&file).unwrap();
    let known = Known { key: Some(KnownKey::Id(Hash([1; 32]))), ..Known::default() };
    assert_eq!(file.judge(&known), Err(NotProven::OtherKey));
}

/// Cuts the file everywhere, and flips bits all over it: it convicts the same party or nobody.
fn mutilate(file: &[u8], places: usize) {
    let culprit = outsider(file).unwrap().culprit;
    let step = (file.len() / places).max(1);
    let mut convicts = 0;
    for place in (0..file.len()).step_by(step) {
        assert!(outsider(&file[..place]).is_err(), "cut at {place}");
        let mut altered = file.to_vec();
        altered[place] ^= 1 << (place % 8);
        if let Ok(verdict) = outsider(&altered) {
            assert_eq!(verdict.culprit, culprit, "bit flipped at {place}");
            convicts += 1;
        }
    }
    // Few bytes are free: unused parts of lists that are bound by nothing.
    assert!(convicts * 2 < places, "{convicts} of {places} altered files still convict");
    assert_eq!(outsider(&[file, &[0]].concat()), Err(NotProven::NotEvidence));
    // The last byte is a number below 128, or the end of something longer: written with one byte more, it is the same.
    let longer = |bytes: &[u8]| {
        let (last, rest) = bytes.split_last().unwrap();
        [rest, &[last | 0x80, 0]].concat()
    };
    assert_eq!(outsider(&longer(file)), Err(NotProven::NotEvidence));
    assert_eq!(outsider(&vec![0; MAX_FILE_BYTES + 1]), Err(NotProven::TooLarge));
}
