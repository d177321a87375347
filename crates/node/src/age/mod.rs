//! Files for people to keep: sealed as the format `age` (age-encryption.org/v1, <https://c2sp.org/age>) has it, so that
//! the tools of others open them too.
//!
//! A file is a header and a payload. The header holds a random *file key*, wrapped once for each recipient or once under
//! a passphrase, and a MAC of itself; the payload is cut into chunks, each authenticated with its number and with whether
//! it is the last one. Files of this project are small enough to be sealed and opened in memory: nothing of a file is
//! used before all of it is authentic.
//!
//! Read next: `header.rs`, `stream.rs`; `x25519.rs` and `passphrase.rs` for the two ways to wrap the file key.

mod error;
mod header;
mod passphrase;
mod stream;
#[cfg(test)]
mod tests;
mod x25519;

use chacha20poly1305::aead::Aead;
use chacha20poly1305::{ChaCha20Poly1305, Key as CipherKey, KeyInit, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

pub use error::AgeError;
pub use passphrase::{FilePassphrase, MAX_PASSPHRASE_BYTES, MIN_PASSPHRASE_BYTES};
pub use x25519::{Identity, MAX_IDENTITY_FILE_BYTES, Recipient};

use header::{Header, Stanza};

/// Largest file that is sealed or opened, in bytes: it is held in memory twice.
pub const MAX_FILE_BYTES: usize = 1 << 30;

/// Most recipients of a file.
pub const MAX_RECIPIENTS: usize = 20;

/// Bytes of the file key.
const FILE_KEY_BYTES: usize = 16;

/// Bytes of a wrapped file key: itself and a tag.
const WRAPPED_BYTES: usize = FILE_KEY_BYTES + TAG_BYTES;

const TAG_BYTES: usize = 16;

/// Bytes of the payload's nonce.
const PAYLOAD_NONCE_BYTES: usize = 16;

/// What all keys of a file come from.
type FileKey = Zeroizing<[u8; FILE_KEY_BYTES]>;

/// A key of the cipher or of the MAC.
type SecretKey = Zeroizing<[u8; 32]>;

/// Who may open a file.
pub enum Lock {
    /// Whoever has the identity of one of these.
    Recipients(Vec<Recipient>),
    /// Whoever knows the passphrase.
    Passphrase(FilePassphrase),
}

/// What opens a file.
pub enum Key {
    /// Any of these identities.
    Identities(Vec<Identity>),
    /// The passphrase.
    Passphrase(FilePassphrase),
}

/// What a file needs to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The identity of a recipient.
    Identity,
    /// A passphrase.
    Passphrase,
}

/// Seals `plain` into a file.
///
/// # Errors
/// If there is no recipient or too many, the plain text is too long, or the system gives no randomness or memory.
pub fn seal(plain: &[u8], lock: &Lock) -> Result<Vec<u8>, AgeError> {
    if plain.len() > MAX_FILE_BYTES {
        return Err(AgeError::TooLarge);
    }
    let file_key: FileKey = Zeroizing::new(random()?);
    let stanzas = match lock {
        Lock::Recipients(list) if list.is_empty() || list.len() > MAX_RECIPIENTS => {
            return Err(AgeError::Recipients);
        }
        Lock::Recipients(list) => {
            list.iter().map(|to| to.wrap(&file_key, &Zeroizing::new(random()?))).collect::<Result<_, _>>()?
        }
        Lock::Passphrase(passphrase) => vec![passphrase.wrap(&file_key, random()?)?],
    };
    let mut file = header::write(&stanzas, &file_key);
    let nonce: [u8; PAYLOAD_NONCE_BYTES] = random()?;
    file.reserve_exact(nonce.len() + stream::sealed_bytes(plain.len()));
    file.extend_from_slice(&nonce);
    stream::seal(&derive(&*file_key, Some(&nonce), b"payload"), plain, &mut file);
    Ok(file)
}

/// What the file needs to be opened, by its header, which is not authenticated yet.
///
/// # Errors
/// If this is no such file.
pub fn needs(file: &[u8]) -> Result<Needs, AgeError> {
    let header = Header::parse(file)?;
    Ok(if header.stanzas.iter().any(passphrase::is_ours) { Needs::Passphrase } else { Needs::Identity })
}

/// Opens a file. What is returned is whole and authentic: somebody who knew the passphrase, or the recipient, has made it.
///
/// # Errors
/// [`AgeError`]; each says what to do.
pub fn open(file: &[u8], key: &Key) -> Result<Zeroizing<Vec<u8>>, AgeError> {
    if file.len() > MAX_FILE_BYTES {
        return Err(AgeError::TooLarge);
    }
    let header = Header::parse(file)?;
    let file_key = unwrap(&header.stanzas, key)?;
    header.authenticate(&file_key)?;
    let (nonce, sealed) =
        header.payload.split_first_chunk::<PAYLOAD_NONCE_BYTES>().ok_or(AgeError::Incomplete)?;
    stream::open(&derive(&*file_key, Some(nonce), b"payload"), sealed)
}

/// Finds the stanza that the key opens.
fn unwrap(stanzas: &[Stanza], key: &Key) -> Result<FileKey, AgeError> {
    let locked = stanzas.iter().find(|stanza| passphrase::is_ours(stanza));
    match (key, locked) {
        (Key::Passphrase(passphrase), Some(stanza)) => {
            // Nobody but the passphrase's owner can have made the file, so nobody else may open it either.
            if stanzas.len() > 1 {
                return Err(AgeError::header("a passphrase beside other recipients"));
            }
            passphrase.unwrap(stanza)
        }
        (Key::Passphrase(_), None) => Err(AgeError::NeedsIdentity),
        (Key::Identities(_), Some(_)) => Err(AgeError::NeedsPassphrase),
        (Key::Identities(identities), None) => {
            for identity in identities {
                for stanza in stanzas {
                    if let Some(file_key) = identity.unwrap(stanza)? {
                        return Ok(file_key);
                    }
                }
            }
            Err(AgeError::WrongIdentity)
        }
    }
}

/// HKDF-SHA-256.
fn derive(secret: &[u8], salt: Option<&[u8]>, info: &[u8]) -> SecretKey {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(salt, secret)
        .expand(info, key.as_mut_slice())
        .expect("invariant: 32 bytes are not too long for HKDF");
    key
}

/// The cipher under a key; it zeroises its own copy.
fn cipher(key: &SecretKey) -> ChaCha20Poly1305 {
    let mut copy = CipherKey::from(**key);
    let cipher = ChaCha20Poly1305::new(&copy);
    copy.as_mut_slice().zeroize();
    cipher
}

/// Wraps a file key under a key that is used only once, hence the nonce.
fn wrap(file_key: &FileKey, key: &SecretKey) -> Vec<u8> {
    cipher(key)
        .encrypt(&Nonce::default(), file_key.as_slice())
        .expect("invariant: 16 bytes are not too long to encrypt")
}

/// Opens what [`wrap`] made; `None`: it was another key. The length is checked first, or one wrapping could be made that
/// opens under many keys.
fn unwrap_with(wrapped: &[u8], key: &SecretKey) -> Option<FileKey> {
    if wrapped.len() != WRAPPED_BYTES {
        return None;
    }
    let opened = cipher(key).decrypt(&Nonce::default(), wrapped).map(Zeroizing::new).ok()?;
    let mut file_key = Zeroizing::new([0; FILE_KEY_BYTES]);
    file_key.copy_from_slice(&opened);
    Some(file_key)
}

/// Random bytes of the operating system.
fn random<const N: usize>() -> Result<[u8; N], AgeError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| AgeError::System { what: "random bytes" })?;
    Ok(bytes)
}
