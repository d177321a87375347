//! The file key wrapped for a recipient: under what an X25519 exchange between a key of the file's own and the
//! recipient's makes.

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Fe32, Fe32IterExt as _};
use subtle::ConstantTimeEq;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

use super::header::{Stanza, decode, encode};
use super::{AgeError, FileKey, SecretKey, WRAPPED_BYTES, derive, unwrap_with, wrap};

/// Largest identity file, in bytes.
pub const MAX_IDENTITY_FILE_BYTES: usize = 64 << 10;

/// Kind of the stanza.
const KIND: &str = "X25519";
/// Binds the derived key to its use.
const INFO: &[u8] = b"age-encryption.org/v1/X25519";
/// How every recipient begins.
const RECIPIENT: &str = "age1";
/// How every identity begins.
const IDENTITY: &str = "AGE-SECRET-KEY-1";

/// Bytes of either half of a key.
const KEY_BYTES: usize = 32;
/// Characters of 5 bits that these take.
const KEY_CHARACTERS: usize = 52;
/// Bits of the last character that stand for nothing, and must be zero.
const UNUSED_BITS: u8 = 0b1111;

/// Somebody for whom files are sealed: an X25519 public key, written `age1…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient([u8; KEY_BYTES]);

/// What opens the files of a recipient: written `AGE-SECRET-KEY-1…`. Zeroised when dropped; no `Debug`, no `Clone`.
pub struct Identity(SecretKey);

impl Recipient {
    /// Wraps the file key; `ephemeral` is 32 random bytes that are never used again.
    pub(super) fn wrap(&self, file_key: &FileKey, ephemeral: &SecretKey) -> Result<Stanza, AgeError> {
        let share = x25519(**ephemeral, X25519_BASEPOINT_BYTES);
        // A point of small order is nobody's key: everybody could open the file.
        let key = wrapping_key(ephemeral, &self.0, &share, &self.0).ok_or(AgeError::BadRecipient)?;
        Ok(Stanza { words: vec![KIND.to_owned(), encode(&share)], body: wrap(file_key, &key) })
    }
}

impl Identity {
    /// Reads all identities of a file as `age-keygen` writes it; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// [`AgeError::BadIdentity`] if there is none, or a line is something else.
    pub fn read(file: &[u8]) -> Result<Vec<Identity>, AgeError> {
        let text = std::str::from_utf8(file).map_err(|_| AgeError::BadIdentity)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let all = lines.map(Identity::parse).collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() { Err(AgeError::BadIdentity) } else { Ok(all) }
    }

    fn parse(text: &str) -> Result<Identity, AgeError> {
        key(text, IDENTITY).map(Identity).ok_or(AgeError::BadIdentity)
    }

    /// Whose files it opens.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(x25519(*self.0, X25519_BASEPOINT_BYTES))
    }

    /// The file key, if it was wrapped for this one.
    pub(super) fn unwrap(&self, stanza: &Stanza) -> Result<Option<FileKey>, AgeError> {
        let Some((kind, arguments)) = stanza.words.split_first() else { return Ok(None) };
        if kind != KIND {
            return Ok(None);
        }
        let broken = AgeError::header("a recipient that cannot be read");
        let [share] = arguments else { return Err(broken) };
        let share = decode(share.as_bytes()).and_then(|bytes| bytes.try_into().ok()).ok_or(broken)?;
        if stanza.body.len() != WRAPPED_BYTES {
            return Err(broken);
        }
        let key = wrapping_key(&self.0, &share, &share, &self.recipient().0).ok_or(broken)?;
        Ok(unwrap_with(&stanza.body, &key))
    }
}

/// `None`: the exchange makes nothing secret, since `public` has a small order.
fn wrapping_key(
    secret: &SecretKey,
    public: &[u8; KEY_BYTES],
    share: &[u8; KEY_BYTES],
    recipient: &[u8; KEY_BYTES],
) -> Option<SecretKey> {
    let shared = Zeroizing::new(x25519(**secret, *public));
    if bool::from(shared.ct_eq(&[0; KEY_BYTES])) {
        return None;
    }
    Some(derive(shared.as_slice(), Some(&[share.as_slice(), recipient.as_slice()].concat()), INFO))
}

/// 32 bytes in Bech32 (BIP-173), in the one case that `prefix` has.
fn key(text: &str, prefix: &str) -> Option<SecretKey> {
    if !text.starts_with(prefix) {
        return None;
    }
    let checked = CheckedHrpstring::new::<Bech32>(text).ok()?;
    let hrp_fits = checked.hrp().len() + 1 == prefix.len();
    let last = checked.fe32_iter().last().map(Fe32::to_u8);
    let is_canonical = last.is_some_and(|last| last & UNUSED_BITS == 0);
    if !hrp_fits || !is_canonical || checked.fe32_iter().count() != KEY_CHARACTERS {
        return None;
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    bytes.iter_mut().zip(checked.byte_iter()).for_each(|(to, from)| *to = from);
    Some(bytes)
}

impl std::str::FromStr for Recipient {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Recipient, AgeError> {
        key(text, RECIPIENT).map(|key| Recipient(*key)).ok_or(AgeError::BadRecipient)
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hrp = bech32::Hrp::parse("age").map_err(|_| std::fmt::Error)?;
        let characters = self.0.iter().copied();
        for character in bech32::ByteIterExt::bytes_to_fes(characters).with_checksum::<Bech32>(&hrp).chars() {
            write!(f, "{character}")?;
        }
        Ok(())
    }
}
