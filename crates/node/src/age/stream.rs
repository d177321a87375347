//! The payload: chunks of 64 KiB, each sealed with its number and with whether it is the last one (STREAM, Hoang and
//! others, 2015). So chunks cannot be dropped, repeated or moved, and nothing can be cut off at their borders.

use chacha20poly1305::Nonce;
use chacha20poly1305::aead::{Aead, AeadInOut};
use zeroize::Zeroizing;

use super::{AgeError, SecretKey, TAG_BYTES, cipher};

/// Bytes of plain text in a full chunk.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// Bytes that so much plain text takes when it is sealed.
pub(super) fn sealed_bytes(plain: usize) -> usize {
    plain + plain.div_ceil(CHUNK_BYTES).max(1) * TAG_BYTES
}

/// Appends the sealed chunks to `out`.
pub(super) fn seal(key: &SecretKey, plain: &[u8], out: &mut Vec<u8>) {
    let cipher = cipher(key);
    let count = plain.len().div_ceil(CHUNK_BYTES).max(1);
    // No plain text is one empty chunk.
    let chunks = plain.chunks(CHUNK_BYTES).chain(plain.is_empty().then_some(plain));
    for (number, chunk) in chunks.enumerate() {
        let sealed = cipher
            .encrypt(&nonce(number, number + 1 == count), chunk)
            .expect("invariant: a chunk is not too long to encrypt");
        out.extend_from_slice(&sealed);
    }
}

/// Opens all chunks, or nothing.
pub(super) fn open(key: &SecretKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, AgeError> {
    let cipher = cipher(key);
    let chunks = sealed.chunks(CHUNK_BYTES + TAG_BYTES);
    let count = chunks.len();
    // One allocation: a growing buffer would leave copies of secrets behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    for (number, chunk) in chunks.enumerate() {
        let is_last = number + 1 == count;
        let text = chunk.len().checked_sub(TAG_BYTES).ok_or(AgeError::Altered)?;
        if text == 0 && number > 0 {
            return Err(AgeError::Altered);
        }
        let (text, tag) = chunk.split_at_checked(text).ok_or(AgeError::Altered)?;
        let start = plain.len();
        plain.extend_from_slice(text);
        let tag = tag.try_into().map_err(|_| AgeError::Altered)?;
        let opened = plain.get_mut(start..).is_some_and(|text| {
            cipher.decrypt_inout_detached(&nonce(number, is_last), &[], text.into(), tag).is_ok()
        });
        if !opened {
            // Only the message differs: one that is good but for its place was followed by others.
            let more = is_last && cipher.decrypt(&nonce(number, false), chunk).map(Zeroizing::new).is_ok();
            return Err(if more { AgeError::Incomplete } else { AgeError::Altered });
        }
    }
    if count == 0 { Err(AgeError::Incomplete) } else { Ok(plain) }
}

/// Eleven bytes of the chunk's number, one that says whether it is the last.
fn nonce(number: usize, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    let number = u64::try_from(number).expect("invariant: chunks are in memory").to_be_bytes();
    let place = nonce.get_mut(3..11).expect("invariant: a nonce has twelve bytes");
    place.copy_from_slice(&number);
    if let Some(last) = nonce.last_mut() {
        *last = is_last.into();
    }
    nonce.into()
}
