//! Bytes on the wire: postcard, in canonical form only, with a limit that is checked before parsing.

use std::fmt;
use std::marker::PhantomData;

use postcard::ser_flavors::Flavor;
use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than the limit; nothing was parsed.
    #[error("longer than the limit")]
    TooLong,
    /// Not an encoding of the expected type, or bytes are left over.
    #[error("not an encoding of the expected type")]
    Malformed,
    /// Decodes, but the value has another encoding.
    #[error("not the canonical encoding")]
    NotCanonical,
}

/// The one encoding of `value`, in one allocation: growing would leave copies behind of what may be secret.
///
/// # Panics
///
/// If `value` cannot be serialised; messages are plain data, so that is a programming error.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    const PLAIN: &str = "invariant: messages are plain data";
    let length = postcard::experimental::serialized_size(value).expect(PLAIN);
    postcard::to_extend(value, Vec::with_capacity(length)).expect(PLAIN)
}

/// Decodes at most `max` bytes.
///
/// # Errors
///
/// See [`DecodeError`]. A value has exactly one accepted encoding.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong);
    }
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|_| DecodeError::Malformed)?;
    if !rest.is_empty() {
        return Err(DecodeError::Malformed);
    }
    // Maps with repeated keys and padded integers decode too; two encodings of one value would have two hashes.
    match postcard::serialize_with_flavor(&value, Expected { rest: bytes }) {
        Ok(true) => Ok(value),
        Ok(false) | Err(_) => Err(DecodeError::NotCanonical),
    }
}

/// Where an encoding is compared with the one that is expected, and not written: what may be secret is not copied.
struct Expected<'a> {
    rest: &'a [u8],
}

impl Flavor for Expected<'_> {
    /// Was that all of it?
    type Output = bool;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        let (first, rest) = self.rest.split_first().ok_or(postcard::Error::SerializeBufferFull)?;
        self.rest = rest;
        if *first == byte { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.rest.is_empty())
    }
}

/// Reads a list of at most `MOST` entries, for `#[serde(deserialize_with)]`: what has so many entries only because
/// its sender likes to keep others busy ends at the first one too many.
///
/// # Errors
///
/// If the list is longer, or an entry cannot be read.
pub fn at_most<'de, const MOST: usize, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Short::<MOST, T>(PhantomData))
}

struct Short<const MOST: usize, T>(PhantomData<T>);

impl<'de, const MOST: usize, T: Deserialize<'de>> Visitor<'de> for Short<MOST, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MOST} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element()? {
            if entries.len() == MOST {
                return Err(A::Error::invalid_length(MOST.saturating_add(1), &self));
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// A byte string, copied in one piece when decoded. `Debug` shows its length only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Copy;
        impl Visitor<'_> for Copy {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_byte_buf(Copy)
    }
}
