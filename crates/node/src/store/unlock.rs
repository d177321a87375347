//! Where the data key comes from.
//!
//! Records are sealed under a random 32-byte *data key*. The data key is stored only wrapped, that
//! is sealed under a *wrapping key* the operator holds: derived from a passphrase by Argon2id (typed,
//! or taken from an environment variable), or read from a key file of 32 random bytes in hex.
//! A new passphrase rewraps the data key; no record is sealed anew.

use std::io::Read;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::StoreError;
use crate::config::is_private;

/// Shortest passphrase accepted for a new store, in bytes.
pub const MIN_PASSPHRASE_BYTES: usize = 8;

/// Longest passphrase, in bytes.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

/// Largest key file, in bytes: 64 hex digits and white space around them.
const MAX_KEY_FILE_BYTES: usize = 256;

/// The environment variable by which systemd names the folder of a service's credentials.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// Largest memory cost a header may ask for, in KiB (1 GiB), checked before any is allocated.
const MAX_MEMORY_KIB: u32 = 1 << 20;

/// Most passes a header may ask for.
const MAX_PASSES: u32 = 64;

/// Most lanes a header may ask for.
const MAX_LANES: u32 = 16;

const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// Version of the wrapped key's layout.
const WRAP_VERSION: u8 = 1;

/// Bytes of the wrapped key before nonce and ciphertext: version, kind, salt and three costs. They
/// are the associated data of the wrapping.
const PREFIX_BYTES: usize = 2 + SALT_BYTES + 3 * 4;

/// Length of a wrapped data key.
const WRAPPED_BYTES: usize = PREFIX_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// Separates the wrapping's associated data from every other use of the same cipher.
const WRAP_DOMAIN: &[u8] = b"consign store data key v1";

/// 32 secret bytes, zeroised when dropped.
pub(super) type SecretKey = Zeroizing<[u8; KEY_BYTES]>;

/// A passphrase. Zeroised when dropped; it has neither `Debug` nor `Display`.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase over.
    #[must_use]
    pub fn new(text: String) -> Passphrase {
        Passphrase(Zeroizing::new(text))
    }
}

/// What opens a store.
pub enum Unlock {
    /// A passphrase.
    Passphrase(Passphrase),
    /// A file of 32 random bytes in hex, readable by its owner only.
    KeyFile(PathBuf),
    /// The name of an environment variable that holds the passphrase.
    Environment(String),
}

impl Unlock {
    /// The kind written in the header, for messages.
    const fn kind(&self) -> Kind {
        match self {
            Unlock::Passphrase(_) | Unlock::Environment(_) => Kind::Passphrase,
            Unlock::KeyFile(_) => Kind::KeyFile,
        }
    }

    /// The passphrase or the key in the file.
    fn secret(&self) -> Result<Secret, StoreError> {
        match self {
            Unlock::Passphrase(Passphrase(text)) => passphrase(text.clone()),
            Unlock::Environment(name) => match std::env::var(name) {
                Ok(text) => passphrase(Zeroizing::new(text)),
                Err(_) => Err(StoreError::NoEnvironment { name: name.clone() }),
            },
            Unlock::KeyFile(path) => Ok(Secret::Key(read_key_file(path)?)),
        }
    }
}

/// Cost of deriving a key from a passphrase (Argon2id, RFC 9106).
#[derive(Clone, Copy)]
pub(super) struct Cost {
    /// KiB of memory.
    memory_kib: u32,
    /// Passes over the memory.
    passes: u32,
    /// Lanes.
    lanes: u32,
}

impl Cost {
    /// RFC 9106, section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
    pub(super) const STANDARD: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 4 };

    /// The least Argon2 allows, for tests.
    #[cfg(test)]
    pub(super) const LEAST: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
}

/// How the data key is wrapped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Passphrase,
    KeyFile,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Passphrase => "passphrase",
            Kind::KeyFile => "key file",
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Kind::Passphrase => 1,
            Kind::KeyFile => 2,
        }
    }

    const fn from_byte(byte: u8) -> Option<Kind> {
        match byte {
            1 => Some(Kind::Passphrase),
            2 => Some(Kind::KeyFile),
            _ => None,
        }
    }
}

/// A secret as the operator holds it.
enum Secret {
    Passphrase(Zeroizing<String>),
    Key(SecretKey),
}

/// A fresh data key.
pub(super) fn new_data_key() -> Result<SecretKey, StoreError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    random(key.as_mut_slice())?;
    Ok(key)
}

/// Fills `bytes` from the operating system.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), StoreError> {
    getrandom::fill(bytes).map_err(|_| StoreError::System { what: "random bytes" })
}

/// Wraps `data_key` under a new salt and nonce.
pub(super) fn wrap(data_key: &SecretKey, unlock: &Unlock, cost: Cost) -> Result<Vec<u8>, StoreError> {
    let secret = unlock.secret()?;
    if let Secret::Passphrase(text) = &secret
        && text.len() < MIN_PASSPHRASE_BYTES
    {
        return Err(StoreError::WeakPassphrase);
    }
    let mut salt = [0; SALT_BYTES];
    random(&mut salt)?;
    let mut nonce = [0; NONCE_BYTES];
    random(&mut nonce)?;

    let mut wrapped = Vec::with_capacity(WRAPPED_BYTES);
    wrapped.push(WRAP_VERSION);
    wrapped.push(unlock.kind().byte());
    wrapped.extend_from_slice(&salt);
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        wrapped.extend_from_slice(&number.to_be_bytes());
    }
    let associated = [WRAP_DOMAIN, &wrapped].concat();
    let sealed = cipher(&wrapping_key(secret, &salt, cost)?)
        .encrypt(&XNonce::from(nonce), Payload { msg: data_key.as_slice(), aad: &associated })
        .expect("invariant: 32 bytes are not too long to encrypt");
    wrapped.extend_from_slice(&nonce);
    wrapped.extend_from_slice(&sealed);
    Ok(wrapped)
}

/// Opens what [`wrap`] made.
pub(super) fn unwrap(wrapped: &[u8], unlock: &Unlock) -> Result<SecretKey, StoreError> {
    let header = Wrapped::parse(wrapped)?;
    if header.kind != unlock.kind() {
        return Err(StoreError::OtherSecretKind {
            expected: header.kind.name(),
            given: unlock.kind().name(),
        });
    }
    let key = wrapping_key(unlock.secret()?, &header.salt, header.cost)?;
    let associated = [WRAP_DOMAIN, header.prefix].concat();
    let opened = cipher(&key)
        .decrypt(&XNonce::from(header.nonce), Payload { msg: header.sealed, aad: &associated })
        .map(Zeroizing::new)
        .map_err(|_| StoreError::WrongSecret { kind: header.kind.name() })?;
    let mut data_key = Zeroizing::new([0; KEY_BYTES]);
    data_key.copy_from_slice(&opened);
    Ok(data_key)
}

/// A wrapped data key, taken apart.
struct Wrapped<'a> {
    prefix: &'a [u8],
    kind: Kind,
    salt: [u8; SALT_BYTES],
    cost: Cost,
    nonce: [u8; NONCE_BYTES],
    sealed: &'a [u8],
}

impl<'a> Wrapped<'a> {
    /// Checks lengths, version, kind and costs; nothing here is secret.
    fn parse(bytes: &'a [u8]) -> Result<Wrapped<'a>, StoreError> {
        let damaged = || StoreError::damaged("the wrapped data key is not readable");
        if bytes.len() != WRAPPED_BYTES {
            return Err(damaged());
        }
        let (prefix, rest) = bytes.split_at_checked(PREFIX_BYTES).ok_or_else(damaged)?;
        let ([version, kind], numbers) = prefix.split_first_chunk::<2>().ok_or_else(damaged)?;
        let (salt, numbers) = numbers.split_first_chunk::<SALT_BYTES>().ok_or_else(damaged)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(damaged)?;
        let kind = Kind::from_byte(*kind).filter(|_| *version == WRAP_VERSION).ok_or_else(damaged)?;
        let mut numbers = numbers.chunks_exact(4).filter_map(|c| c.try_into().ok()).map(u32::from_be_bytes);
        let mut next = || numbers.next().ok_or_else(damaged);
        let cost = Cost { memory_kib: next()?, passes: next()?, lanes: next()? };
        if cost.memory_kib > MAX_MEMORY_KIB || cost.passes > MAX_PASSES || cost.lanes > MAX_LANES {
            return Err(damaged());
        }
        Ok(Wrapped { prefix, kind, salt: *salt, cost, nonce: *nonce, sealed })
    }
}

/// The key that wraps the data key. A key file is random already and needs no derivation.
fn wrapping_key(secret: Secret, salt: &[u8], cost: Cost) -> Result<SecretKey, StoreError> {
    let text = match secret {
        Secret::Key(key) => return Ok(key),
        Secret::Passphrase(text) => text,
    };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_BYTES))
        .map_err(|_| StoreError::damaged("the cost of the passphrase derivation makes no sense"))?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(text.as_bytes(), salt, key.as_mut_slice())
        .map_err(|_| StoreError::System { what: "memory for the passphrase derivation" })?;
    Ok(key)
}

/// The cipher under a key; it zeroises its own copy.
pub(super) fn cipher(key: &SecretKey) -> XChaCha20Poly1305 {
    let mut copy = Key::from(**key);
    let cipher = XChaCha20Poly1305::new(&copy);
    zeroize::Zeroize::zeroize(copy.as_mut_slice());
    cipher
}

/// Checks a passphrase's length.
fn passphrase(text: Zeroizing<String>) -> Result<Secret, StoreError> {
    if text.len() > MAX_PASSPHRASE_BYTES {
        return Err(StoreError::SecretTooLong { what: "passphrase", limit: MAX_PASSPHRASE_BYTES });
    }
    Ok(Secret::Passphrase(text))
}

/// Whether systemd has put this file where only the service sees it. Its mode does not say so: where access lists do, the bits
/// of the group show those.
fn is_credential(path: &Path, given: Option<&Path>) -> bool {
    let plain = path.components().all(|part| part != std::path::Component::ParentDir);
    plain && given.is_some_and(|given| given.is_absolute() && path.parent() == Some(given))
}

/// Reads a key file: 64 hex digits, white space around them allowed.
fn read_key_file(path: &Path) -> Result<SecretKey, StoreError> {
    let unreadable = |e| StoreError::io("read the key file", path, e);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let given = is_credential(path, std::env::var_os(CREDENTIALS_VARIABLE).as_deref().map(Path::new));
    if !given && !is_private(&file.metadata().map_err(unreadable)?) {
        return Err(StoreError::KeyFileTooOpen { path: path.to_owned() });
    }
    let limit = u64::try_from(MAX_KEY_FILE_BYTES).unwrap_or(u64::MAX);
    // One allocation of the full size: a growing buffer would leave copies of the key behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_BYTES + 1));
    file.take(limit + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() > MAX_KEY_FILE_BYTES {
        return Err(StoreError::SecretTooLong { what: "key file", limit: MAX_KEY_FILE_BYTES });
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    hex::decode_to_slice(text.trim_ascii(), key.as_mut_slice())
        .map_err(|_| StoreError::BadKeyFile { path: path.to_owned() })?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_systemd_gave_are_believed_to_be_private() {
        let given = Some(Path::new("/run/credentials/consign.service"));
        assert!(is_credential(Path::new("/run/credentials/consign.service/store.key"), given));
        for other in [
            "/run/credentials/consign.service",
            "/run/credentials/consign.service/a/store.key",
            "/run/credentials/consign.service/..",
            "/run/credentials/other.service/store.key",
            "store.key",
        ] {
            assert!(!is_credential(Path::new(other), given), "{other}");
        }
        assert!(!is_credential(Path::new("/store.key"), None));
        assert!(!is_credential(Path::new("store.key"), Some(Path::new(""))));
    }
}
