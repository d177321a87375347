//! The header: a line with the version, a *stanza* for each way to the file key, and the MAC. Lines end with one newline
//! byte. Strict: one header has one writing, so nobody can alter a byte that is not noticed.

use base64ct::{Base64Unpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{AgeError, FileKey, derive};

/// First line.
const VERSION: &[u8] = b"age-encryption.org/v1";
/// What the first line of every version begins with.
const ANY_VERSION: &[u8] = b"age-encryption.org/";
/// First line of the text form.
const ARMOUR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// Begins a stanza.
const STANZA: &[u8] = b"-> ";
/// Begins the last line; the MAC covers it.
const END: &[u8] = b"---";

/// Longest header that is read, in bytes. One of twenty recipients has two thousand.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// Most stanzas that are read.
const MAX_STANZAS: usize = 64;
/// Characters of a full line of a stanza's body.
const COLUMNS: usize = 64;
/// Bytes of the MAC.
const MAC_BYTES: usize = 32;

/// One way to the file key: what kind, its arguments, and the wrapped key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stanza {
    /// Kind and arguments; at least the kind.
    pub(super) words: Vec<String>,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// A header, taken apart, and what follows it.
pub(super) struct Header<'a> {
    pub(super) stanzas: Vec<Stanza>,
    /// What the MAC covers.
    covered: &'a [u8],
    mac: [u8; MAC_BYTES],
    /// Nonce and chunks.
    pub(super) payload: &'a [u8],
}

/// Writes a header.
pub(super) fn write(stanzas: &[Stanza], file_key: &FileKey) -> Vec<u8> {
    let mut text = [VERSION, b"\n"].concat();
    for Stanza { words, body } in stanzas {
        text.extend_from_slice(STANZA);
        text.extend_from_slice(words.join(" ").as_bytes());
        text.push(b'\n');
        let body = Base64Unpadded::encode_string(body);
        for line in body.as_bytes().chunks(COLUMNS) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        // The last line is always shorter than a full one.
        if body.len().is_multiple_of(COLUMNS) {
            text.push(b'\n');
        }
    }
    text.extend_from_slice(END);
    let mac = mac(file_key, &text).finalize().into_bytes();
    text.push(b' ');
    text.extend_from_slice(Base64Unpadded::encode_string(&mac).as_bytes());
    text.push(b'\n');
    text
}

impl<'a> Header<'a> {
    /// Takes a file apart, believing nothing yet.
    pub(super) fn parse(file: &'a [u8]) -> Result<Header<'a>, AgeError> {
        let mut lines = Lines { file, at: 0 };
        if file.starts_with(ARMOUR) {
            return Err(AgeError::Armoured);
        }
        if !file.starts_with(ANY_VERSION) {
            return Err(AgeError::NotAge);
        }
        if lines.next()? != VERSION {
            return Err(AgeError::Version);
        }
        let mut stanzas = Vec::new();
        loop {
            let start = lines.at;
            let line = lines.next()?;
            if let Some(words) = line.strip_prefix(STANZA) {
                if stanzas.len() == MAX_STANZAS {
                    return Err(AgeError::header("too many recipients"));
                }
                stanzas.push(Stanza { words: split(words)?, body: body(&mut lines)? });
                continue;
            }
            let mac = line.strip_prefix(END).and_then(|rest| rest.strip_prefix(b" "));
            let mac = mac.and_then(decode).and_then(|mac| mac.try_into().ok());
            let mac = mac.ok_or(AgeError::header("an unknown line"))?;
            if stanzas.is_empty() {
                return Err(AgeError::header("no recipient"));
            }
            let covered = file.get(..start + END.len()).unwrap_or_default();
            let payload = file.get(lines.at..).unwrap_or_default();
            return Ok(Header { stanzas, covered, mac, payload });
        }
    }

    /// Whether whoever made the header knew the file key.
    pub(super) fn authenticate(&self, file_key: &FileKey) -> Result<(), AgeError> {
        mac(file_key, self.covered).verify_slice(&self.mac).map_err(|_| AgeError::HeaderAltered)
    }
}

/// Lines of a header.
struct Lines<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a [u8], AgeError> {
        let rest = self.file.get(self.at..self.file.len().min(MAX_HEADER_BYTES)).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = end.and_then(|end| rest.get(..end));
        let line = line.ok_or(AgeError::header("a line without an end"))?;
        self.at += line.len() + 1;
        Ok(line)
    }
}

/// Words of visible ASCII, with one space between them.
fn split(line: &[u8]) -> Result<Vec<String>, AgeError> {
    let word = |word: &[u8]| {
        let good = !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
        good.then(|| word.iter().copied().map(char::from).collect())
    };
    let words: Option<Vec<String>> = line.split(|byte| *byte == b' ').map(word).collect();
    words.ok_or(AgeError::header("a recipient that cannot be read"))
}

/// The lines of a body: full ones, then a shorter one, which may be empty.
fn body(lines: &mut Lines<'_>) -> Result<Vec<u8>, AgeError> {
    let mut body = Vec::new();
    loop {
        let line = lines.next()?;
        let bytes = decode(line).filter(|_| line.len() <= COLUMNS);
        body.extend(bytes.ok_or(AgeError::header("a recipient that cannot be read"))?);
        if line.len() < COLUMNS {
            return Ok(body);
        }
    }
}

/// Base64 without padding; the unused bits of the last character must be zero.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let bytes = Base64Unpadded::decode_vec(text).ok()?;
    (Base64Unpadded::encode_string(&bytes) == text).then_some(bytes)
}

/// Base64 without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    Base64Unpadded::encode_string(bytes)
}

fn mac(file_key: &FileKey, covered: &[u8]) -> Hmac<Sha256> {
    let key = derive(file_key.as_slice(), None, b"header");
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_slice());
    mac.expect("invariant: HMAC takes keys of any length").chain_update(covered)
}
