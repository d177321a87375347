//! Bytes that are signed, hashed or sent are frozen: a change here is a change of the protocol.

use super::toy::{Broadcast, SESSION};
use crate::hash::{first_echo, next_echo};
use crate::sim::{TestKeys, parties, party};
use crate::{
    Bytes, Complaint, DirectPart, Envelope, Evidence, Header, Message, Past, PublicPart, Reveal, Signature,
    SignedHeader, broadcast_hash, direct_hash, encode,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signed() -> SignedHeader {
    let header = Header {
        session: SESSION,
        round: 2,
        from: party(1),
        to: party(300),
        echo: [1; 32],
        broadcast_hash: [2; 32],
        direct_hash: [3; 32],
    };
    SignedHeader { header, signature: Signature(std::array::from_fn(|k| u8::try_from(k).unwrap())) }
}

/// The golden encodings, one a line: name, hex.
fn lines() -> Vec<(&'static str, String)> {
    let envelope =
        Envelope { signed: signed(), broadcast: Bytes(vec![0xaa, 0xbb]), direct: Bytes(vec![0xcc]) };
    let reveal = Reveal {
        session: SESSION,
        from: party(300),
        completed: 1,
        headers: vec![signed()],
        signature: Signature([9; 64]),
    };
    let before = Past(vec![[(party(1), Bytes(vec![1, 2])), (party(2), Bytes(vec![]))].into()]);
    let complaint = PublicPart { signed: signed(), broadcast: Bytes(vec![0xaa]) };
    let plaint =
        Complaint { against: party(1), envelope: DirectPart { signed: signed(), direct: Bytes(vec![0xcc]) } };
    let hashes = [(party(1), [1; 32]), (party(300), [2; 32])].into();
    vec![
        ("header, as signed", hex(&signed().header.signing_bytes())),
        ("signed header", hex(&encode(&signed()))),
        ("envelope", hex(&Message::Envelope(envelope.clone()).encode())),
        ("reveal, as signed", hex(&reveal.signing_bytes())),
        ("reveal", hex(&Message::Reveal(reveal.clone()).encode())),
        ("complaint", hex(&encode(&Broadcast::Complain(plaint)))),
        ("evidence, equivocation", hex(&Evidence::Equivocation(signed(), signed()).encode())),
        (
            "evidence, misbehaviour",
            hex(&Evidence::Misbehaviour { before: before.clone(), charge: envelope }.encode()),
        ),
        ("evidence, complaint", hex(&Evidence::Complaint { before, complaint }.encode())),
        (
            "evidence, wrong echo",
            hex(&Evidence::WrongEcho { reveal: reveal.clone(), header: signed() }.encode()),
        ),
        ("evidence, bad reveal", hex(&Evidence::BadReveal(reveal).encode())),
        ("hash of a broadcast", hex(&broadcast_hash(b"abc"))),
        ("hash of a direct part", hex(&direct_hash(b"abc"))),
        ("first echo", hex(&first_echo(SESSION))),
        ("next echo", hex(&next_echo(SESSION, 1, &[4; 32], &hashes))),
    ]
}

#[test]
fn encodings_are_frozen() {
    let now: String = lines().iter().map(|(name, hex)| format!("{name}: {hex}\n")).collect();
    let frozen = include_str!("golden.txt");
    for (now, frozen) in now.lines().zip(frozen.lines()) {
        assert_eq!(now, frozen);
    }
    assert_eq!(now, frozen);
}

#[test]
fn what_is_signed_says_what_it_is() {
    let header = signed().header.signing_bytes();
    assert!(header.starts_with(b"consign envelope v1"));
    assert_eq!(header.len(), 19 + 32 + 1 + 2 + 2 + 3 * 32);
    let keys = TestKeys::new(1, parties(3));
    let reveal = Reveal::sign(SESSION, party(2), &[], &*keys.signer(party(2)));
    assert!(reveal.signing_bytes().starts_with(b"consign reveal v1"));
    assert!(reveal.is_authentic(&keys));
}

#[test]
fn every_field_of_a_header_is_signed() {
    let header = signed().header;
    let alterations: [fn(&mut Header); 7] = [
        |h| h.session.0[31] ^= 1,
        |h| h.round ^= 1,
        |h| h.from = party(2),
        |h| h.to = party(2),
        |h| h.echo[31] ^= 1,
        |h| h.broadcast_hash[31] ^= 1,
        |h| h.direct_hash[31] ^= 1,
    ];
    for alter in alterations {
        let mut other = header;
        alter(&mut other);
        assert_ne!(other.signing_bytes(), header.signing_bytes());
    }
}

#[test]
fn debug_shows_no_contents() {
    let envelope =
        Envelope { signed: signed(), broadcast: Bytes(vec![0xaa; 5]), direct: Bytes(vec![0xcc; 7]) };
    let text = format!("{envelope:?}");
    assert!(text.contains("5 bytes") && text.contains("7 bytes"));
    assert!(!text.contains("170") && !text.contains("204"));
}

/// What is encoded may be secret, and growing would leave copies of it in freed memory.
#[test]
fn an_encoding_is_made_in_one_piece() {
    for length in [0, 1, 127, 128, 5_000] {
        let bytes = crate::encode(&(7_u64, vec![1_u8; length], Some([2_u8; 32])));
        assert_eq!(bytes.capacity(), bytes.len());
    }
}
