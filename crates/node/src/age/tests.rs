//! The fixtures were made with another implementation, the program `age` 1.1.1.

use super::header::decode;
use super::stream::CHUNK_BYTES;
use super::*;

const IDENTITY: &[u8] = include_bytes!("fixtures/one.identity");
const RECIPIENT: &str = "age1tv4mafxmx7cfyhaplpnugnt9khqgantq95ktxeacrt3gstrumv7s086hy6";
const ONE: &[u8] = include_bytes!("fixtures/one.age");
const PASSPHRASE: &[u8] = include_bytes!("fixtures/passphrase.age");
const PLAIN: &[u8] = b"sealed by another program\n";

fn identity() -> Key {
    Key::Identities(Identity::read(IDENTITY).unwrap())
}

fn another(seed: u8) -> Identity {
    // As `Identity::parse` makes it, without the writing.
    let text =
        bech32::encode_upper::<bech32::Bech32>(bech32::Hrp::parse("age-secret-key-").unwrap(), &[seed; 32]);
    Identity::read(text.unwrap().as_bytes()).unwrap().remove(0)
}

fn recipient() -> Recipient {
    RECIPIENT.parse().unwrap()
}

fn phrase(text: &str) -> Key {
    Key::Passphrase(FilePassphrase::cheap(text))
}

/// A file of that much text, for the recipient.
fn sealed(length: usize) -> (Vec<u8>, Vec<u8>) {
    let plain: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let file = seal(&plain, &Lock::Recipients(vec![recipient()])).unwrap();
    (plain, file)
}

fn error(file: &[u8], key: &Key) -> AgeError {
    open(file, key).map(|_| ()).unwrap_err()
}

#[test]
fn files_of_another_program_open() {
    for file in [ONE, include_bytes!("fixtures/both.age")] {
        assert_eq!(needs(file), Ok(Needs::Identity));
        assert_eq!(open(file, &identity()).unwrap().as_slice(), PLAIN);
    }
    assert_eq!(open(include_bytes!("fixtures/empty.age"), &identity()).unwrap().as_slice(), b"");
    assert_eq!(needs(PASSPHRASE), Ok(Needs::Passphrase));
    assert_eq!(open(PASSPHRASE, &phrase("correct horse")).unwrap().as_slice(), PLAIN);
}

#[test]
fn recipients_are_read_and_written_in_one_way() {
    assert_eq!(recipient().to_string(), RECIPIENT);
    assert_eq!(Identity::read(IDENTITY).unwrap()[0].recipient(), recipient());
    let upper = RECIPIENT.to_uppercase();
    let other_end = RECIPIENT.replace("hy6", "hy7");
    for bad in ["", "age1", "age1qqqq", &upper, &other_end, &format!("{RECIPIENT} "), &RECIPIENT[..61]] {
        assert_eq!(bad.parse::<Recipient>(), Err(AgeError::BadRecipient), "{bad}");
    }
    // Valid Bech32 of another kind, length, or with bits to spare.
    let text = |hrp: &str, bytes: &[u8]| {
        bech32::encode::<bech32::Bech32>(bech32::Hrp::parse(hrp).unwrap(), bytes).unwrap()
    };
    for bad in [text("bc", &[7; 32]), text("age1x", &[7; 32]), text("age", &[7; 31]), text("age", &[7; 33])] {
        assert_eq!(bad.parse::<Recipient>(), Err(AgeError::BadRecipient), "{bad}");
    }
    let spare = {
        use bech32::{ByteIterExt as _, Fe32, Fe32IterExt as _};
        let mut all: Vec<Fe32> = [7_u8; 32].iter().copied().bytes_to_fes().collect();
        *all.last_mut().unwrap() = Fe32::try_from(all.last().unwrap().to_u8() | 1).unwrap();
        let hrp = bech32::Hrp::parse("age").unwrap();
        all.into_iter().with_checksum::<bech32::Bech32>(&hrp).chars().collect::<String>()
    };
    assert_eq!(spare.parse::<Recipient>(), Err(AgeError::BadRecipient), "{spare}");
    for bad in [&b""[..], b"# nothing\n", b"AGE-SECRET-KEY-1AD9", b"\xff\xff", &IDENTITY.to_ascii_lowercase()]
    {
        assert_eq!(Identity::read(bad).map(|_| ()).unwrap_err(), AgeError::BadIdentity);
    }
}

#[test]
fn files_of_every_length_come_back() {
    for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 5]
    {
        let (plain, file) = sealed(length);
        assert_eq!(open(&file, &identity()).unwrap().as_slice(), plain, "{length}");
    }
}

#[test]
fn every_recipient_opens_and_nobody_else() {
    let all: Vec<_> = (0..3).map(|seed| another(seed + 1)).collect();
    let lock = Lock::Recipients(all.iter().map(Identity::recipient).collect());
    let file = seal(PLAIN, &lock).unwrap();
    for identity in all {
        // Wrong ones beside the right one do not matter.
        let keys = Key::Identities(vec![another(9), identity]);
        assert_eq!(open(&file, &keys).unwrap().as_slice(), PLAIN);
    }
    assert_eq!(error(&file, &identity()), AgeError::WrongIdentity);
    assert_eq!(error(&file, &phrase("correct horse")), AgeError::NeedsIdentity);
    // The header tells how many there are, and nothing of the text.
    assert!(!file.windows(8).any(|window| window == &PLAIN[..8]));
    let many = |count| seal(PLAIN, &Lock::Recipients(vec![recipient(); count])).map(|_| ());
    assert_eq!(many(0), Err(AgeError::Recipients));
    assert_eq!(many(MAX_RECIPIENTS), Ok(()));
    assert_eq!(many(MAX_RECIPIENTS + 1), Err(AgeError::Recipients));
}

#[test]
fn a_passphrase_opens_and_no_other() {
    let lock = Lock::Passphrase(FilePassphrase::cheap("correct horse"));
    let file = seal(PLAIN, &lock).unwrap();
    assert_eq!(open(&file, &phrase("correct horse")).unwrap().as_slice(), PLAIN);
    assert_eq!(error(&file, &phrase("correct horsf")), AgeError::WrongPassphrase);
    assert_eq!(error(&file, &identity()), AgeError::NeedsPassphrase);
    let new = |text: &str| FilePassphrase::new(Zeroizing::new(text.to_owned())).map(|_| ());
    assert_eq!(new("1234567"), Err(AgeError::WeakPassphrase));
    assert_eq!(new("12345678"), Ok(()));
    assert_eq!(new(&"a".repeat(MAX_PASSPHRASE_BYTES + 1)), Err(AgeError::LongPassphrase));
}

/// Whatever bit is turned: nothing opens.
#[test]
fn no_bit_can_be_turned() {
    let passphrase = seal(PLAIN, &Lock::Passphrase(FilePassphrase::cheap("correct horse"))).unwrap();
    for (file, key) in [(ONE, identity()), (&passphrase, phrase("correct horse"))] {
        for at in 0..file.len() {
            for bit in [0, 2, 5] {
                let mut altered = file.to_vec();
                altered[at] ^= 1 << bit;
                assert!(open(&altered, &key).is_err(), "byte {at}, bit {bit}");
            }
        }
        for length in 0..file.len() {
            assert!(open(&file[..length], &key).is_err(), "{length} bytes");
        }
        assert!(open(&[file, b"x"].concat(), &key).is_err());
    }
}

#[test]
fn each_kind_of_damage_has_its_error() {
    let (_, file) = sealed(2 * CHUNK_BYTES + 5);
    let text = String::from_utf8_lossy(&file);
    let header = text.find("\n--- ").unwrap() + 5;
    let payload = header + 44;
    let chunk = CHUNK_BYTES + TAG_BYTES;
    let nonce = PAYLOAD_NONCE_BYTES;
    let turned = |at: usize| {
        let mut altered = file.clone();
        altered[at] ^= 1;
        altered
    };
    // The MAC, the payload's nonce, each chunk, and its tag.
    let mut other = file.clone();
    // Another character that a MAC may have.
    other[header + 3] = if other[header + 3] == b'A' { b'B' } else { b'A' };
    assert_eq!(error(&other, &identity()), AgeError::HeaderAltered);
    for at in [payload, payload + nonce, payload + nonce + chunk - 1, payload + nonce + chunk, file.len() - 1]
    {
        assert_eq!(error(&turned(at), &identity()), AgeError::Altered, "{at}");
    }
    // Cut at the border of a chunk, inside one, and before the first.
    for chunks in [1, 2] {
        assert_eq!(error(&file[..payload + nonce + chunks * chunk], &identity()), AgeError::Incomplete);
    }
    assert_eq!(error(&file[..payload + nonce + chunk + 40], &identity()), AgeError::Altered);
    for length in [payload, payload + nonce - 1, payload + nonce] {
        assert_eq!(error(&file[..length], &identity()), AgeError::Incomplete);
    }
    // Chunks in another order, one of them twice, an empty one at the end.
    let (head, body) = file.split_at(payload + nonce);
    let (first, rest) = body.split_at(chunk);
    let (second, last) = rest.split_at(chunk);
    for body in [[second, first, last], [first, first, last], [first, last, second]] {
        assert_eq!(error(&[head, &body.concat()].concat(), &identity()), AgeError::Altered);
    }
    assert_eq!(error(&[head, first, second, last, &[0; 3]].concat(), &identity()), AgeError::Altered);
}

/// Parts of the header that are read in one way only.
#[test]
fn odd_headers_are_refused() {
    let text = |from: &str, to: &str| {
        let file = ONE.iter().copied().map(char::from).collect::<String>();
        assert!(file.contains(from), "{from}");
        file.replacen(from, to, 1).chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<u8>>()
    };
    for (from, to, expected) in [
        ("age-encryption.org/v1\n", "age-encryption.org/v2\n", AgeError::Version),
        ("age-encryption.org/v1\n", "age-encryption.org/v1\r\n", AgeError::Version),
        ("age-encryption", "Age-encryption", AgeError::NotAge),
        ("age-encryption.org/v1", "-----BEGIN AGE ENCRYPTED FILE-----", AgeError::Armoured),
        ("-> X25519 ", "-> x25519 ", AgeError::WrongIdentity),
        ("-> X25519 ", "-> X25519  ", AgeError::header("a recipient that cannot be read")),
        ("-> X25519 ", "-> X25519 more ", AgeError::header("a recipient that cannot be read")),
        ("-> X25519", "->", AgeError::WrongIdentity),
        ("--- ", "--- \n", AgeError::header("an unknown line")),
        ("--- ", "---", AgeError::header("an unknown line")),
        ("--- ", "-- ", AgeError::header("an unknown line")),
    ] {
        assert_eq!(error(&text(from, to), &identity()), expected, "{from:?} to {to:?}");
    }
    assert_eq!(error(b"", &identity()), AgeError::NotAge);
    let endless = [&b"age-encryption.org/v1\n-> "[..], &vec![b'a'; 1 << 20], b"\n"].concat();
    assert_eq!(error(&endless, &identity()), AgeError::header("a line without an end"));
    let many = [&b"age-encryption.org/v1\n"[..], &b"-> a\n\n".repeat(65)].concat();
    assert_eq!(error(&many, &identity()), AgeError::header("too many recipients"));
    let none = format!("age-encryption.org/v1\n--- {}\n", "A".repeat(43));
    assert_eq!(error(none.as_bytes(), &identity()), AgeError::header("no recipient"));
}

/// Whoever sends a file does not choose how long the reader works.
#[test]
fn work_has_a_limit() {
    let file = seal(PLAIN, &Lock::Passphrase(FilePassphrase::cheap("correct horse"))).unwrap();
    let asks = |factor: &str| {
        let text = file.iter().copied().map(char::from).collect::<String>();
        let line = text.lines().nth(1).unwrap();
        let altered = text.replacen(line, &format!("{}{factor}", line.strip_suffix('1').unwrap()), 1);
        let bytes: Vec<u8> = altered.chars().map(|c| u8::try_from(c).unwrap()).collect();
        error(&bytes, &phrase("correct horse"))
    };
    assert_eq!(asks("21"), AgeError::TooCostly { asked: 21 });
    assert_eq!(asks("63"), AgeError::TooCostly { asked: 63 });
    for odd in ["0", "01", "+1", "-1", "256", "1 1", "x"] {
        assert_eq!(asks(odd), AgeError::header("a passphrase's line that cannot be read"), "{odd}");
    }
    assert_eq!(asks("2"), AgeError::WrongPassphrase);
}

/// A passphrase stands alone: otherwise somebody else could have made the file.
#[test]
fn a_passphrase_has_nobody_beside_it() {
    let file_key: FileKey = Zeroizing::new([7; FILE_KEY_BYTES]);
    let stanzas = [
        FilePassphrase::cheap("correct horse").wrap(&file_key, [1; 16]).unwrap(),
        recipient().wrap(&file_key, &Zeroizing::new([2; 32])).unwrap(),
    ];
    let header = header::write(&stanzas, &file_key);
    assert!(matches!(error(&header, &phrase("correct horse")), AgeError::Header { .. }));
    assert_eq!(error(&header, &identity()), AgeError::NeedsPassphrase);
}

/// Points that make no secret: everybody could open the file.
#[test]
fn points_of_small_order_are_nobody() {
    let file_key: FileKey = Zeroizing::new([7; FILE_KEY_BYTES]);
    for point in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let text = bech32::encode::<bech32::Bech32>(bech32::Hrp::parse("age").unwrap(), &point).unwrap();
        let nobody: Recipient = text.parse().unwrap();
        assert_eq!(nobody.wrap(&file_key, &Zeroizing::new([2; 32])), Err(AgeError::BadRecipient));
        let words = vec!["X25519".to_owned(), header::encode(&point)];
        let stanza = Stanza { words, body: vec![0; WRAPPED_BYTES] };
        assert!(another(1).unwrap(&stanza).is_err());
    }
}

#[test]
fn base64_has_one_writing() {
    assert_eq!(decode(b"AAE"), Some(vec![0, 1]));
    for bad in ["AAF", "AAE=", "AA E", "AAE\r", "A", "AA-_"] {
        assert_eq!(decode(bad.as_bytes()), None, "{bad}");
    }
}

/// A body whose text fills its last line is followed by an empty one.
#[test]
fn bodies_end_with_a_short_line() {
    let file_key: FileKey = Zeroizing::new([7; FILE_KEY_BYTES]);
    for length in [0, 1, 47, 48, 49, 96] {
        let stanzas = [Stanza { words: vec!["other".to_owned()], body: vec![9; length] }];
        let header = header::write(&stanzas, &file_key);
        let parsed = Header::parse(&header).unwrap();
        assert_eq!(parsed.stanzas, stanzas, "{length}");
        parsed.authenticate(&file_key).unwrap();
    }
}
